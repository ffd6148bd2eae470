/*
 * What walmgr's files share: the record format's constants, the shared state, and the functions that
 * cross file borders inside the module. Nobody outside walmgr and its tests includes this.
 */
#ifndef WALMGR_WAL_INTERNAL_H
#define WALMGR_WAL_INTERNAL_H

#include "walmgr/walmgr.h"

/* ---- record format (README, "On disk") ---- */
#define WAL_HEADER_BYTES 24u
#define WAL_RECORD_MIN_BYTES (WAL_HEADER_BYTES + 1u)
#define WAL_START_LSN ((Lsn)WAL_SEGMENT_BYTES)
#define WAL_ALIGN(n) (((n) + 7u) & ~(uint64_t)7)
#define REF_FORK_MASK 0x03u
#define REF_HAS_IMAGE 0x04u
#define REF_SAME_REL 0x08u
#define REF_WILL_INIT 0x10u
#define REF_HAS_DATA 0x20u
#define REF_COMPRESSION_SHIFT 6
#define REF_ABSENT 0xFFu
enum { IMAGE_PLAIN = 0, IMAGE_LZ4 = 1, IMAGE_ZSTD = 2 };
/* flag byte, relation, block, image, data length */
#define WAL_REF_HEADER_BYTES_MAX (1u + 12u + 4u + 6u + 2u)
#define WAL_HEAD_BYTES_MAX (WAL_HEADER_BYTES + 1u + WAL_BLOCK_REFS_MAX * WAL_REF_HEADER_BYTES_MAX)

/* Writes start and end at multiples of this: whole blocks need not be read before they are written. */
#define WAL_WRITE_BLOCK 8192u

/* Bounds in ProcSlot.wal_inserting_at. A zeroed slot is idle. */
#define WAL_BOUND_IDLE UINT64_MAX
#define WAL_BOUND_UNKNOWN UINT64_C(1)
/* image_rule: a page whose LSN is <= the rule gets an image. */
#define WAL_RULE_FORCE UINT64_MAX
#define WAL_RULE_NEVER UINT64_C(0)
/* ProcSlot.wal_insert_phase: two counters, each 0 when idle. Written by the owner only. */
#define WAL_PHASE_INSERT_MASK 0x0000FFFFu
#define WAL_PHASE_HOLD_MASK 0xFFFF0000u

/* ---- a mutex on a futex: 0 free, 1 held, 2 held with sleepers. Held inside a critical section. ---- */
typedef struct WalLock { WaitWord word; } WalLock;
bool wal_lock_try(WalLock *l);
void wal_lock_take(WalLock *l, uint32_t wait_event);
void wal_lock_release(WalLock *l);

#define SYNC_WORDS 4
typedef struct SyncWord {
    CACHE_ALIGNED WaitWord word;      /* bumped by whoever ends a sync; followers sleep on it */
    _Atomic uint32_t sleepers;
} SyncWord;

typedef struct WalShared {
    CACHE_ALIGNED _Atomic Lsn insert_pos; /* end of reserved log; fetch_add by inserters */

    CACHE_ALIGNED _Atomic Lsn written; /* in the files up to here; stored under write_lock */
    WalLock write_lock;

    CACHE_ALIGNED _Atomic Lsn flushed; /* durable up to here; stored under sync_lock */

    CACHE_ALIGNED WalLock sync_lock;
    uint64_t named_segment;       /* highest segment whose name is durable too (rule 7); under sync_lock */
    _Atomic uint32_t sync_number; /* syncs completed; stored under sync_lock */
    _Atomic Lsn sync_target;      /* end of the sync in flight; stored under sync_lock */
    _Atomic Lsn flush_request;    /* highest target of any flusher: the leader takes it along */
    SyncWord sync_words[SYNC_WORDS];

    /* read-mostly, read by every insertion with pages */
    CACHE_ALIGNED _Atomic Lsn image_rule; /* rule 4; stored by the checkpointing process */
    _Atomic Lsn redo_point;               /* same writer */
    _Atomic uint32_t timeline;
    _Atomic uint32_t ready; /* insertions are allowed */

    CACHE_ALIGNED _Atomic Lsn async_lsn;    /* asynchronous commits up to here */
    _Atomic uint32_t walwriter_slot;        /* slot index + 1 of who calls wal_background_flush */
    _Atomic uint32_t walwriter_idle;        /* its last round found nothing to do */

    /* the slot of a process without a ProcSlot */
    CACHE_ALIGNED _Atomic Lsn spare_inserting_at;
    _Atomic uint32_t spare_phase;

    /* checkpoints */
    CACHE_ALIGNED WalLock request_lock;
    uint32_t request_flags;                    /* under request_lock */
    uint32_t started_count, done_count, failed_count; /* under request_lock */
    WaitWord request_word;                     /* bumped with each change of the counts */
    _Atomic uint32_t checkpointer_slot;        /* slot index + 1; 0 none runs */
    _Atomic uint32_t request_pending;          /* mirror of request_flags for a look without the lock */
    _Atomic Lsn idle_position;  /* insert position right after a checkpoint nothing happened in */
    _Atomic uint64_t timed, requested, write_ms, sync_ms;
    double distance_estimate, distance_previous; /* by the checkpointing process only */

    /* archiving */
    CACHE_ALIGNED _Atomic uint32_t archiver_slot; /* slot index + 1 of the archiver, 0 none yet */
    _Atomic uint32_t archive_look_again;          /* a history file has come */
    WalLock archive_stats_lock;
    WalArchiveStats archive_stats;                /* under archive_stats_lock */
    _Atomic uint32_t running_backups;             /* pages get images even with full_page_writes = off */
    _Atomic Lsn last_backup_start;                /* no two backups begin at the same place */

    /* recovery: stored by the startup process, but for replay_pause */
    CACHE_ALIGNED _Atomic uint32_t replay_pause;  /* REPLAY_* */
    _Atomic uint32_t startup_slot;                /* slot index + 1 */
    _Atomic Lsn last_replayed;
    _Atomic TimestampTz last_xact_time;
    _Atomic uint32_t in_recovery;                 /* RECOVERY_*; stored by the startup process */

    CACHE_ALIGNED WalLock control_lock;
    ControlFile control;
} WalShared;

extern WalShared *wal_shared;
extern char *wal_ring;
extern uint64_t wal_ring_mask; /* size - 1 */

static inline _Atomic Lsn *
wal_my_bound(void)
{
    return LIKELY(proc_self != NULL) ? &proc_self->wal_inserting_at : &wal_shared->spare_inserting_at;
}
static inline _Atomic uint32_t *
wal_my_phase(void)
{
    return LIKELY(proc_self != NULL) ? &proc_self->wal_insert_phase : &wal_shared->spare_phase;
}
static inline void
wal_cpu_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("isb" ::: "memory");
#endif
}

enum { RECOVERY_NONE, RECOVERY_CRASH, RECOVERY_ARCHIVE };
/* Replaying from an archive: what comes from there need not go there again. */
static inline bool
wal_in_archive_recovery(void)
{
    /* relaxed: asked by the startup process and those it has started since */
    return atomic_load_explicit(&wal_shared->in_recovery, memory_order_relaxed) == RECOVERY_ARCHIVE;
}

/* ---- wait events: numbers of core/shm/wait_events.def ---- */
#include "walmgr/wal_wait.h"

/* ---- settings (settings.c) ---- */
enum { WAL_SYNC_FSYNC, WAL_SYNC_FDATASYNC, WAL_SYNC_OPEN, WAL_SYNC_OPEN_DSYNC };
enum { WAL_COMPRESSION_OFF, WAL_COMPRESSION_LZ4, WAL_COMPRESSION_ZSTD };
enum { RECOVERY_SYNC_FSYNC, RECOVERY_SYNC_SYNCFS };
extern int wal_buffers_blocks, wal_sync_method, wal_compression, commit_delay_us, commit_siblings;
extern int wal_writer_flush_after_blocks, checkpoint_warning_s, max_wal_size_mb, min_wal_size_mb, wal_keep_size_mb;
extern bool wal_recycle, wal_init_zero;
extern int recovery_init_sync_method, recovery_prefetch, wal_decode_buffer_bytes, log_startup_progress_ms;
size_t wal_ring_bytes(void); /* from wal_buffers */

/* ---- record.c ---- */
typedef struct WalPiece { const void *p; uint32_t n; } WalPiece;
typedef struct WalBuilt {
    char *head;         /* header, reference headers and, if small, everything */
    uint32_t head_bytes;
    uint32_t length;    /* whole record, unaligned */
    uint32_t body_crc;
    uint64_t identity;  /* header bytes 16 .. 23: xid, rmgr, info */
    int piece_count;    /* what follows the head */
    const WalPiece *pieces;
} WalBuilt;
/* Decides on images, encodes, and takes the body's CRC. Leaves the insertion phase set if it read the
 * image rule; the caller clears it after the reservation. */
void wal_build(WalRmgr rmgr, uint8_t info, WalBuilt *out);
void wal_phase_begin(void);
void wal_phase_end(void);
Lsn wal_current_rule(void);

/* ---- insert.c ---- */
/* Sets all positions: the log is whole and durable up to `end`. Loads the block `end` stands in. */
void wal_positions_init(Lsn end, uint32_t timeline);

/* ---- flush.c ---- */
Lsn wal_complete_end(void);
void wal_write_complete(void); /* write_lock held: writes out what is complete, without waiting */

/* ---- segment.c ---- */
#define WAL_DIR "pg_wal"
static inline uint64_t wal_segment_of(Lsn l) { return l / WAL_SEGMENT_BYTES; }
void wal_segment_name(uint64_t segment, uint32_t timeline, char *out, size_t n);
bool wal_segment_parse(const char *name, uint64_t *segment, uint32_t *timeline);
/* Descriptor of a segment for writing, made if it does not exist. PANIC on failure. */
int wal_segment_fd(uint64_t segment);
void wal_segment_write(Lsn at, const char *bytes, size_t n); /* inside one segment */
void wal_segment_sync(uint64_t segment);
void wal_segment_load_block(Lsn at); /* the written block `at` stands in, from the file to the ring */
void wal_segment_close(void);
void wal_segment_preallocate(uint64_t segment); /* no-op if it exists; failure is only logged */
void wal_segments_recycle(Lsn redo, Lsn end);
void wal_segments_clean_tail(Lsn end, uint32_t timeline); /* rule 6 */
/* Segments behind `end` of timelines before `timeline`: the way not taken. What waits for the archiver stays. */
void wal_segments_drop_left(Lsn end, uint32_t timeline);
void wal_segments_remove_temporary(void);
void wal_segments_sync_from(Lsn redo, uint32_t timeline);
double wal_checkpoint_segments(void); /* segments between two checkpoints that max_wal_size allows */

/* ---- startup.c ---- */
const char *wal_time_text(TimestampTz t); /* to the second, static buffer */

/* ---- archive.c ---- */
void wal_archive_settings_register(void);
void wal_archive_segment_filled(uint64_t segment, uint32_t timeline); /* it is durable; never raises */
bool wal_archive_may_remove(const char *name); /* else sees to it that it will be archived */
void wal_archive_force_done(const char *name); /* came from an archive */
void wal_archive_make_directory(void);         /* if it is missing */
void wal_archive_catch_up(Lsn end, uint32_t timeline);

/* ---- slots.c, senders.c ---- */
void wal_slots_settings_register(void);
void wal_slots_shm_register(void);
void wal_slots_load(void);         /* startup process */
void wal_slots_save(void);
Lsn wal_slots_minimum(Lsn end);    /* log before this may go; invalidates what is too far behind `end` */
void wal_slots_at_exit(void *arg);
void wal_senders_shm_register(void);
void wal_senders_wake(void);       /* more is durable; cheap while there are none */

/* ---- decode.c ---- */
/* Takes a whole record apart; `bytes` hold length bytes. No CRC check. *why on failure. */
bool wal_decode(const char *bytes, uint32_t length, Lsn start, WalRecord *out, const char **why);
uint32_t wal_record_crc(const char *bytes, uint32_t length);

/* ---- fault points by kind of record: "log_Heap_10", "redo_Btree_20" ---- */
#ifdef ENABLE_FAULT_POINTS
void wal_record_point(const char *when, unsigned rmgr, unsigned info);
#define WAL_RECORD_POINT(when, rmgr, info) wal_record_point(when, rmgr, info)
#else
#define WAL_RECORD_POINT(when, rmgr, info) ((void)0)
#endif

/* ---- reader.c ---- */
/* Opens the file that holds `segment` where `at` lies; *limit: what it holds from there on is of another
 * history. -1 with errno and path set if there is none. */
typedef int (*WalSegmentSource)(uint64_t segment, Lsn at, char *path, size_t n, Lsn *limit);
void wal_reader_set_source(WalReader *r, WalSegmentSource source);
void wal_reader_retry(WalReader *r); /* opens its file anew */

/* ---- redo.c, xlogrmgr.c ---- */
extern const WalRmgrOps *wal_rmgr_ops[RMGR_COUNT];
extern const WalRmgrOps wal_xlog_ops;
const char *wal_rmgr_name(unsigned rmgr);
/* Replays from `start`, to the end of valid log or the recovery target; returns where it stopped. */
Lsn wal_redo_run(Lsn start);
void wal_describe(const WalRecord *r, StrBuf *out); /* "Heap/INSERT: off 3 ..." without references */

/* ---- waldump_stats.c ---- */
void wal_stats_add(const WalRecord *r);
void wal_stats_print(Lsn start, Lsn end, bool by_record);

/* ---- checkpoint.c, checkpointer.c ---- */
#define CHECKPOINT_REQUESTED (1u << 31) /* in the request words: any at all, even without a cause */
extern bool wal_is_checkpointer; /* this process paces its writes */
void wal_set_image_rule_from_redo(void);
void wal_flush_steps(unsigned flags); /* all that is buffered is in the files, durably */
bool wal_checkpoint_size_due(uint64_t segment); /* the log has grown enough since the redo point */

/* ---- recovery.c, for redo and flush.c ---- */
void wal_note_page_write(Lsn lsn); /* archive recovery: a page with this LSN is about to be written */

/* ---- control.c ---- */
void control_defaults(ControlFile *c);
void control_set_state(DbState s);

#endif
