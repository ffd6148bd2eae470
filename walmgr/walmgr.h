/*
 * The write-ahead log. One stream of 8-byte-aligned records without page headers; LSN = byte position.
 * Segments of 16 MiB under PostgreSQL's names (pg_wal/TTTTTTTTXXXXXXXXYYYYYYYY).
 *
 * Record header (24 bytes, little endian):
 *    0  8  lsn        own start position: ends redo at a recycled tail
 *    8  4  length     whole record, before alignment to 8
 *   12  4  crc        CRC-32C of body then header (crc as 0)
 *   16  6  xid        48 bits, 0 none
 *   22  1  rmgr
 *   23  1  info       rmgr's own op code
 * Body: uint8 block reference count, then per reference {fork|flags, [locator if not same as previous],
 * block, [image: hole offset, hole length, stored length], data length}, then each reference's image and
 * data, then the main data. Exact bytes: walmgr/README.md.
 *
 * Rules for changing a page (cite as wal rule N):
 *  1. Pin and lock exclusively every page the change touches.
 *  2. Check everything that can fail; then critical_enter().
 *  3. Change the pages and buf_mark_dirty() them.
 *  4. Register the pages and data, wal_insert(), page_set_lsn() each to the returned end LSN.
 *  5. critical_leave(); unlock, unpin.
 */
#ifndef WALMGR_WALMGR_H
#define WALMGR_WALMGR_H

#include <signal.h>

#include "core/base/str.h"
#include "core/shm/proc.h"

typedef enum WalRmgr { /* names as waldump prints them */
    RMGR_XLOG = 0, RMGR_TXN, RMGR_SMGR, RMGR_CLOG, RMGR_DATABASE, RMGR_TABLESPACE, RMGR_MULTIXACT, RMGR_RELMAP,
    RMGR_STANDBY, RMGR_HEAP, RMGR_HEAP2, RMGR_BTREE, RMGR_HASH, RMGR_GIN, RMGR_GIST, RMGR_SEQUENCE, RMGR_SPGIST,
    RMGR_BRIN, RMGR_COMMIT_TS, RMGR_GENERIC, RMGR_LOGICALMSG,
    RMGR_COUNT
} WalRmgr;

/* Op codes of RMGR_XLOG, numbered as PostgreSQL's. */
typedef enum WalXlogInfo {
    XLOG_CHECKPOINT_SHUTDOWN = 0x00, XLOG_CHECKPOINT_ONLINE = 0x10, XLOG_NOOP = 0x20, XLOG_NEXTOID = 0x30,
    XLOG_SWITCH = 0x40, XLOG_BACKUP_END = 0x50, XLOG_PARAMETER_CHANGE = 0x60, XLOG_RESTORE_POINT = 0x70,
    XLOG_END_OF_RECOVERY = 0x90, XLOG_FPI_FOR_HINT = 0xA0,
    XLOG_FPI = 0xB0, XLOG_CHECKPOINT_REDO = 0xE0
} WalXlogInfo;

/* ---- settings other modules look at ---- */
typedef enum SyncCommit { SYNC_COMMIT_OFF, SYNC_COMMIT_LOCAL, SYNC_COMMIT_REMOTE_WRITE, SYNC_COMMIT_ON, SYNC_COMMIT_REMOTE_APPLY } SyncCommit;
extern int synchronous_commit;
typedef enum WalLevel { WAL_LEVEL_MINIMAL, WAL_LEVEL_REPLICA, WAL_LEVEL_LOGICAL } WalLevel;
extern int wal_level;
extern bool wal_log_hints, full_page_writes, log_checkpoints;
extern int wal_writer_delay_ms, checkpoint_timeout_s;
extern double checkpoint_completion_target;

/* ---- building and inserting ---- */
#define WAL_REF_STANDARD 1u   /* page has lower/upper: the hole may be left out of an image */
#define WAL_REF_WILL_INIT 2u  /* redo initialises the page: no image needed, redo does not read it */
#define WAL_REF_FORCE_IMAGE 4u
#define WAL_REF_NO_IMAGE 8u
void wal_begin(void);
void wal_add_data(const void *p, uint32_t n);               /* main data; bytes must stay until insert */
void wal_add_block(int ref, RelLocator r, ForkNo f, BlockNo b, const char *page, unsigned flags);
void wal_add_block_data(int ref, const void *p, uint32_t n); /* dropped when an image makes it redundant */
/*
 * Inserts the built record. Returns its END position (what pages take as LSN).
 * *start_out, if not NULL, gets the start.
 * No errors: inside a critical section anything else is a PANIC. Does not sleep on a latch.
 * cost     a fetch-add, the copy, one cache line published; bench/wal_insert_bench.c
 */
Lsn wal_insert(WalRmgr rmgr, uint8_t info, Lsn *start_out);
void wal_set_xid(Xid xid);      /* id stamped on this process's records; 0 none */
Lsn wal_insert_position(void);  /* end of reserved log */
/* Bytes of one reference's data are at most 65535, pieces of one record at most WAL_PIECES_MAX. A
 * reference number may be left out (0 and 2 without 1): see wal_has_ref. */
#define WAL_PIECES_MAX 1024
/*
 * What is changed only after its record (the commit log) stands between hold and unhold, with the
 * insertion inside: a checkpoint whose redo point lies behind that record waits for the unhold before
 * it flushes anything. Not nested. Keep it short.
 */
void wal_checkpoint_hold(void);
void wal_checkpoint_unhold(void);
/*
 * The image a page needs before its first hint bit since the checkpoint is written. Inserts FPI_FOR_HINT
 * with a copy of the page and returns its end; 0: the log has an image already. Works under a shared
 * content lock. Call between hold and unhold, and mark the buffer dirty before the unhold.
 */
Lsn wal_hint_image(RelLocator r, ForkNo f, BlockNo b, const char *page);
/* Logs that object ids below `next` may be in use. */
Lsn wal_log_next_oid(Oid next);

/* ---- flushing ---- */
Lsn wal_flushed(void);          /* durable end: one atomic load */
/* Returns when [.., lsn) is durable. An I/O failure is a PANIC. */
void wal_flush_to(Lsn lsn);
void wal_flush_async_hint(Lsn lsn); /* asynchronous commit: the walwriter will do it soon */
bool wal_background_flush(void);    /* walwriter's unit of work; true if something was written */
/* Called (if set) by whoever advances the durable end, after the store; must be cheap and not raise. */
extern void (*wal_flushed_hook)(Lsn flushed);
/* A segment is durable to its end (archiver); may a segment no longer needed by recovery go? (slots) */
extern void (*wal_segment_done_hook)(uint64_t segment, uint32_t timeline);
extern bool (*wal_segment_removable_hook)(uint64_t segment, uint32_t timeline);
/* Ends the current segment; returns the end of the record that does (or the position, if it stands at
 * a segment's start). Not flushed: see wal_switch_and_flush. */
Lsn wal_switch_segment(void);
Lsn wal_switch_and_flush(void); /* the whole segment is durable and up for archiving */

/* ---- archiving (archive.c) ---- */
typedef enum ArchiveMode { ARCHIVE_OFF, ARCHIVE_ON, ARCHIVE_ALWAYS } ArchiveMode;
extern int archive_mode, archive_timeout_s;
extern char *archive_command;
bool wal_archiving(void);
#define WAL_ARCHIVE_NAME_BYTES 48
/* Up to max names of files that wait for the archiver, in the order in which they should go. Raises. */
int wal_archive_list(char (*names)[WAL_ARCHIVE_NAME_BYTES], int max);
bool wal_archive_list_is_stale(void);            /* something more urgent has come since */
bool wal_archive_still_ready(const char *name);
void wal_archive_mark_done(const char *name);    /* durable; raises */
void wal_archive_forget(const char *name);       /* removes the status files */
bool wal_archive_is_done(const char *name);
void wal_archive_notify(const char *name);       /* a file of pg_wal is complete: make it .ready */
void wal_archiver_register(void);                /* this process is to be woken */
void wal_archiver_wake(void);
typedef struct WalArchiveStats {
    uint64_t archived, failed;
    char last_archived[WAL_ARCHIVE_NAME_BYTES], last_failed[WAL_ARCHIVE_NAME_BYTES];
    TimestampTz last_archived_time, last_failed_time, reset_time; /* 0: never */
} WalArchiveStats;
void wal_archive_count(const char *name, bool failed);
void wal_archive_stats(WalArchiveStats *out);
void wal_archive_stats_reset(void);

/* ---- shell commands (command.c) ---- */
/* Replaces %p, %f, %r (where not NULL) and %%. */
char *wal_expand_command(Arena *a, const char *template, const char *path, const char *file, const char *restart);
/* Runs it in a shell; returns the wait status, -1 (errno) if it could not be started. Serves interrupts
 * meanwhile; a pending terminate kills the command and is left pending for the caller. */
int wal_run_command(const char *command, uint32_t wait_event);
extern volatile sig_atomic_t wal_command_group; /* of the command that runs, 0 none: for whoever quits at once */

/* ---- redo ---- */
typedef struct WalCheckpoint { /* body of a checkpoint record and part of the control file */
    Lsn redo; uint32_t timeline, prev_timeline; uint8_t full_page_writes, pad[7];
    Xid next_xid; MultiId next_multi; uint64_t next_multi_offset; Oid next_oid; uint32_t pad2;
    Xid oldest_xid; Oid oldest_xid_db; uint32_t pad3; MultiId oldest_multi; TimestampTz time; Xid oldest_active_xid;
} WalCheckpoint;
typedef struct WalBlockRef {
    RelLocator locator; ForkNo fork; BlockNo block; unsigned flags;
    bool has_image; uint16_t hole_offset, hole_bytes; const char *image; uint32_t image_bytes; int image_compression;
    const char *data; uint32_t data_bytes;
} WalBlockRef;
typedef struct WalRecord {
    Lsn start, end;      /* end: aligned start of the next record; what pages take as LSN */
    Xid xid; uint8_t rmgr, info;
    uint32_t length;
    const char *data; uint32_t data_bytes;
    int ref_count; WalBlockRef refs[WAL_BLOCK_REFS_MAX];
} WalRecord;
typedef struct WalRmgrOps {
    const char *name;
    void (*redo)(const WalRecord *r);   /* may PANIC; must be idempotent by page LSN */
    void (*describe)(const WalRecord *r, StrBuf *out); /* for waldump and error context */
    const char *(*identify)(uint8_t info);
    void (*startup)(void);  /* before redo; only if there is something to replay */
    void (*cleanup)(void);  /* after redo, before the end-of-recovery checkpoint; only after startup */
} WalRmgrOps;
void wal_register_rmgr(WalRmgr id, const WalRmgrOps *ops); /* by higher layers, before wal_startup */
static inline bool
wal_has_ref(const WalRecord *r, int ref)
{
    return ref < r->ref_count && r->refs[ref].block != BLOCK_INVALID;
}
bool wal_restore_image(const WalBlockRef *ref, char *page_out); /* false: damaged image */
/* Redo of FPI and FPI_FOR_HINT: writes every reference's image to its page. */
void wal_set_image_redo(void (*fn)(const WalRecord *r));
/* Called, if set, in redo: before each record's handler; with each checkpoint record replayed; with
 * each NEXTOID. The transaction and catalog modules advance their counters with them. */
extern void (*wal_redo_record_hook)(const WalRecord *r);
extern void (*wal_redo_checkpoint_hook)(const WalCheckpoint *c, bool shutdown);
extern void (*wal_redo_next_oid_hook)(Oid next);
extern bool wal_in_redo;       /* this process replays */

typedef struct WalReader WalReader;
WalReader *wal_reader_open(Arena *a, Lsn start, uint32_t timeline);
/* NULL at the end of valid log; *why says what ended it. The record is valid until the next call. */
const WalRecord *wal_reader_next(WalReader *r, const char **why);
void wal_reader_close(WalReader *r);

/* ---- recovery (recovery.c) ---- */
#define WAL_RESTORE_POINT_NAME_BYTES 64
typedef struct WalRestorePoint { TimestampTz time; char name[WAL_RESTORE_POINT_NAME_BYTES]; } WalRestorePoint;
Lsn wal_log_restore_point(const char *name); /* flushed */
/* What the end of a transaction says, for recovery targets; false: another record. By the transaction module. */
typedef struct WalTransactionEnd { Xid xid; TimestampTz time; bool commit; } WalTransactionEnd;
extern bool (*wal_transaction_end_hook)(const WalRecord *r, WalTransactionEnd *out);
/* A time as users write it (raises) and as they read it. By the types. */
extern TimestampTz (*wal_time_parse_hook)(const char *text);
extern const char *(*wal_time_text_hook)(Arena *a, TimestampTz t);
enum { REPLAY_RUNS, REPLAY_PAUSE_REQUESTED, REPLAY_PAUSED };
uint32_t wal_replay_pause_state(void);
void wal_replay_set_pause(bool pause);
Lsn wal_last_replayed(void);              /* 0: nothing has been replayed in this life */
TimestampTz wal_last_xact_replay_time(void); /* 0: none */
extern volatile sig_atomic_t wal_promote_signaled; /* startup process: look for the promote file */
#define PROMOTE_SIGNAL_FILE "promote"
#define RECOVERY_SIGNAL_FILE "recovery.signal"
#define STANDBY_SIGNAL_FILE "standby.signal"
#define WAL_EXIT_AT_TARGET 3 /* exit code of the startup process: shut down at the recovery target */
void wal_recovery_interrupted(void); /* startup process, between two records: it is told to end */
void wal_timeline_file_name(uint32_t timeline, char *out, size_t n);

/* ---- base backups (backup.c) ---- */
#define BACKUP_LABEL_FILE "backup_label"
#define TABLESPACE_MAP_FILE "tablespace_map"
#define BACKUP_LABEL_BYTES_MAX 1024
typedef struct WalBackup {
    Lsn start, checkpoint, stop;
    uint32_t start_timeline, stop_timeline;
    TimestampTz start_time;
    bool running; /* counted in shared memory */
    char label[BACKUP_LABEL_BYTES_MAX + 1];
} WalBackup;
/* Raise as PostgreSQL's. Between them every page changed gets its image in the log. */
void wal_backup_start(WalBackup *b, const char *label, bool fast);
void wal_backup_stop(WalBackup *b, bool wait_for_archive);
void wal_backup_abort(WalBackup *b); /* it will not be stopped; nothing if it was */
char *wal_backup_label_text(Arena *a, const WalBackup *b);

/* ---- timelines, for who sends log ---- */
/* Where the server's own history leaves `timeline`, and for which one: UINT64_MAX and 0 for the current. False: it is not
 * on the way. */
bool wal_timeline_left_at(uint32_t timeline, Lsn *at, uint32_t *next);
/* Opens the segment file that holds `at` of the stream as it goes along `timeline`; -1 with errno. */
int wal_segment_open_for_sending(Lsn at, uint32_t timeline, char *path, size_t n);

/* ---- replication slots (slots.c): physical ones. All raise as PostgreSQL's ---- */
#define WAL_SLOT_NAME_BYTES 64
void wal_slot_create(const char *name, bool temporary, bool reserve);
void wal_slot_acquire(const char *name); /* by this process, until wal_slot_release or its end */
void wal_slot_release(void);
void wal_slot_advance(Lsn to);           /* of the acquired one: log before `to` is not needed any more */
void wal_slot_drop(const char *name);
typedef struct WalSlotView {
    bool in_use, temporary, invalidated, has_safe_bytes;
    uint32_t active_pid;
    Lsn restart_lsn; /* 0: nothing is reserved */
    int64_t safe_bytes;
    char name[WAL_SLOT_NAME_BYTES];
} WalSlotView;
bool wal_slot_view(int index, WalSlotView *out); /* false: behind the last */

/* ---- processes that send log (senders.c) ---- */
typedef enum WalSenderState { WAL_SENDER_STARTUP, WAL_SENDER_BACKUP, WAL_SENDER_CATCHUP, WAL_SENDER_STREAMING, WAL_SENDER_STOPPING } WalSenderState;
typedef struct WalSenderView {
    uint32_t pid, slot; /* pid 0: a free place */
    WalSenderState state;
    Lsn sent, written, flushed, applied;
    TimestampTz reply_time;
} WalSenderView;
bool wal_sender_register(void); /* until this process ends; false: max_wal_senders are there */
void wal_sender_set_state(WalSenderState state);
void wal_sender_set_sent(Lsn sent);
void wal_sender_set_reply(Lsn written, Lsn flushed, Lsn applied);
bool wal_sender_view(int index, WalSenderView *out); /* false: behind the last */

/* ---- control file: two copies, written in turn, each with a CRC ---- */
typedef enum DbState { DB_STARTUP, DB_SHUTDOWNED, DB_SHUTDOWNED_IN_RECOVERY, DB_SHUTDOWNING, DB_IN_CRASH_RECOVERY, DB_IN_ARCHIVE_RECOVERY, DB_IN_PRODUCTION } DbState;
typedef struct ControlFile {
    uint64_t magic; uint32_t version; uint32_t catalog_version; uint64_t system_identifier;
    uint32_t generation; uint32_t state; TimestampTz time;
    Lsn checkpoint; /* start of the last checkpoint record */
    WalCheckpoint checkpoint_copy;
    Lsn min_recovery_point; uint32_t min_recovery_timeline; uint32_t wal_level;
    Lsn backup_start, backup_end; uint8_t backup_end_required, pad[7];
    int32_t max_connections, max_worker_processes, max_wal_senders, max_prepared_xacts, max_locks_per_xact;
    uint32_t page_bytes, wal_segment_bytes, name_bytes, index_max_keys, toast_chunk, data_checksum_version;
    uint8_t mock_auth_nonce[32];
    uint32_t crc;
} ControlFile;
STATIC_ASSERT(sizeof(ControlFile) <= 512); /* one disk sector: a write is whole or not at all */
#define CONTROL_MAGIC UINT64_C(0x4C52544348504853)
#define CONTROL_VERSION 1500
extern ControlFile *control_file; /* shared copy; a process-local one before shm_create */
ErrCode control_read(ControlFile *out) MUST_USE;
void control_write(void); /* PANIC on failure; caller holds the control lock (control_lock/unlock) */
void control_lock(void);
void control_unlock(void);

/* ---- life cycle ---- */
void wal_shm_register(void);
void wal_settings_register(void);
/* initdb: writes the first segment with a shutdown checkpoint record and the control file. */
void wal_bootstrap(uint64_t system_identifier, Xid next_xid, Oid next_oid);
/* The startup process: reads the control file, replays if needed (registered redo handlers), makes an
 * end-of-recovery checkpoint, leaves the log ready for insertion. Raises FATAL on unusable files. */
void wal_startup(void);
/*
 * Makes a checkpoint. Steps: new redo point (inserts RMGR_XLOG redo record; all inserters before it
 * have decided on images by the old one); then the registered flush steps (buffers, clog ...); fsync
 * queue; checkpoint record; control file; old segments recycled.
 */
#define CHECKPOINT_IS_SHUTDOWN 1u
#define CHECKPOINT_END_OF_RECOVERY 2u
#define CHECKPOINT_IMMEDIATE 4u
#define CHECKPOINT_FORCE 8u
#define CHECKPOINT_WAIT 16u
#define CHECKPOINT_CAUSE_XLOG 32u
#define CHECKPOINT_CAUSE_TIME 64u
#define CHECKPOINT_FLUSH_ALL 128u
void wal_checkpoint(unsigned flags);                 /* in the checkpointer, startup or standalone process */
void wal_request_checkpoint(unsigned flags);         /* any process; waits with CHECKPOINT_WAIT, raises if it failed */
/* Timed and requested checkpoints. Returns when wal_checkpointer_stop is set or INTERRUPT_TERMINATE is
 * pending; the caller then makes the shutdown checkpoint. */
void wal_checkpointer_main_loop(void);
extern volatile sig_atomic_t wal_checkpointer_stop;
typedef void (*WalCheckpointStep)(unsigned flags);   /* flush what the module buffers; PANIC/raise on failure */
void wal_register_checkpoint_step(WalCheckpointStep fn);
typedef void (*WalCheckpointFill)(WalCheckpoint *c); /* txn fills next_xid and friends */
void wal_register_checkpoint_fill(WalCheckpointFill fn);
/* Pace of the checkpointer's writes: sleeps if ahead of schedule. progress 0..1. */
void wal_checkpoint_delay(unsigned flags, double progress);
/* What the flush steps report for the log line; reset at the start of each checkpoint. */
typedef struct WalCheckpointStats {
    uint64_t buffers_written, buffers_total; /* by bufmgr's step */
    uint64_t segments_added, segments_removed, segments_recycled;
    int files_synced;
    uint64_t longest_sync_us, total_sync_us; /* by the fsync queue's caller */
} WalCheckpointStats;
extern WalCheckpointStats wal_checkpoint_stats;
/* For pg_stat_bgwriter. */
typedef struct WalCheckpointCounts { uint64_t timed, requested, write_ms, sync_ms; } WalCheckpointCounts;
void wal_checkpoint_counts(WalCheckpointCounts *out);
Lsn wal_redo_point(void);
bool wal_in_recovery(void); /* the instance replays: nothing may be inserted yet; any process */
uint32_t wal_timeline(void);
void wal_segment_path(uint64_t segment, uint32_t timeline, char *out, size_t n);
const char *lsn_text(Lsn l); /* "0/16B3748"; static ring of buffers */
typedef struct WalStats { uint64_t records, images, bytes, buffers_full, write_count, sync_count, write_us, sync_us; } WalStats;
extern WalStats wal_stats; /* this process's share */
int waldump_main(int argc, char **argv); /* prints records; cwd or -p: the data directory */

#endif
