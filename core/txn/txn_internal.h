/*
 * What the files of core/txn share: the words in shared memory, the commit log, the state of the
 * current transaction. Rules are numbered in README.md.
 */
#ifndef CORE_TXN_TXN_INTERNAL_H
#define CORE_TXN_TXN_INTERNAL_H

#include "core/txn/slru.h"
#include "core/txn/txn.h"

/* ---- one word per recent xid: three bits of tag, 61 of payload ---- */
#define CSN_TAG_SHIFT 61
typedef enum CsnTag {
    CSN_TAG_CSN = 0,         /* payload: commit LSN; CSN_ANCIENT; the word 0: not given out yet */
    CSN_TAG_IN_PROGRESS = 1, /* payload: the xid itself, so that a compare-and-swap cannot hit a later xid */
    CSN_TAG_COMMITTING = 2,  /* payload: a lower bound of the commit LSN; only the owner leaves this state */
    CSN_TAG_ABORTED = 3,
    CSN_TAG_SUB = 4          /* payload: the top transaction's xid */
} CsnTag;
#define CSN_WORD(tag, payload) ((uint64_t)(tag) << CSN_TAG_SHIFT | (uint64_t)(payload))
#define CSN_PAYLOAD(w) ((w) & ((UINT64_C(1) << CSN_TAG_SHIFT) - 1))
#define CSN_GET_TAG(w) ((CsnTag)((w) >> CSN_TAG_SHIFT))
#define CSN_ANCIENT UINT64_C(1) /* committed before every snapshot */
#define CSN_RETIRE_BATCH 1024u

typedef struct TxnShared {
    CACHE_ALIGNED _Atomic Xid next_xid; /* fetch-add by txn_xid */
    _Atomic Xid ring_limit;             /* ids below may use the ring; written under xid_gen */

    CACHE_ALIGNED _Atomic Xid ring_low; /* ids below have left the ring; written under xid_gen + spill */
    _Atomic Xid retired_low;            /* ids below are settled in clog and spill (<= ring_low) */
    _Atomic uint32_t spill_generation;  /* bumped when spill files are removed: cached descriptors are void */
    _Atomic Xid spill_high;             /* ids at or above were never spilled */

    CACHE_ALIGNED _Atomic Xid decided_xid; /* every id below is decided ... */
    _Atomic Lsn decided_lsn;               /* ... and if committed, with csn <= this; stored before decided_xid */
    _Atomic uint32_t decided_busy;         /* one process advances the pair at a time */

    CACHE_ALIGNED _Atomic Lsn async_visible; /* highest csn of an asynchronous commit */

    CACHE_ALIGNED _Atomic Lsn horizon_published; /* highest bound ever considered as horizon (rule 8) */
    _Atomic Lsn horizon_known;                   /* every present and future snapshot is >= this */
    _Atomic uint64_t horizon_time_us;            /* when horizon_known was last computed */
    Spinlock settled_lock;
    Xid settled_xid;                             /* horizon_xid's cursor; under settled_lock */

    Oid next_oid, oid_logged_end;       /* under oid_gen: the next one, and what the log has promised */
    LwLock xid_gen, spill, oid_gen, multi_gen, clog_sync;
    Xid clog_synced;                    /* ids below have their clog bits written; under clog_sync */

    CACHE_ALIGNED MultiId next_multi;   /* under multi_gen */
    uint64_t next_member;               /* under multi_gen */
    MultiId multi_safe, multi_sample;   /* under multi_gen: see multi_safe_bound */
    Xid multi_sample_xid;
    _Atomic MultiId oldest_multi;       /* both: truncate.c */
    _Atomic Xid oldest_xid;
    _Atomic uint32_t recovered;         /* 1 once the state above stands */
} TxnShared;
extern TxnShared *txn_shared;
extern _Atomic uint64_t *csn_ring;
extern uint64_t csn_ring_mask;
extern int csn_ring_words_setting;

/* ---- csn.c ---- */
uint64_t csn_read(Xid xid);                /* raw word; SUB and COMMITTING are not resolved */
static inline bool
csn_is_decided(uint64_t w)
{
    return w != 0 && (CSN_GET_TAG(w) == CSN_TAG_CSN || CSN_GET_TAG(w) == CSN_TAG_ABORTED);
}
uint64_t csn_resolve(Xid xid, bool wait_committing); /* follows SUB */
Xid csn_assign(Xid top);                   /* gives out an id; top 0: a top transaction */
void csn_set_committing(Xid xid);
void csn_set_committed(Xid xid, Lsn csn);  /* after csn_set_committing of the same id */
void csn_set_sub_committed(Xid sub, Xid top, Lsn csn);
void csn_set_aborted(Xid xid, Xid top);
void csn_decided_advance(void);
void csn_recovered(Xid next_xid, Xid decided);
void csn_spill_in_progress(Xid xid, uint64_t word); /* start: a prepared transaction older than the ring */
void csn_sync_clog(void);                  /* checkpoint: every decided id reaches the commit log */
void csn_trim_spill(Xid below);
void csn_empty_spill(void);
void csn_wait_pause(int *round);

/* ---- clog.c ---- */
typedef enum ClogStatus { CLOG_NONE = 0, CLOG_COMMITTED = 1, CLOG_ABORTED = 2 } ClogStatus;
extern Slru clog_slru, multi_offsets_slru, multi_members_slru;
ClogStatus clog_get(Xid xid);
void clog_set(Xid xid, ClogStatus st, Lsn lsn);
/* Two bits for each of n ids from first on; CLOG_NONE leaves what is there. */
void clog_set_range(Xid first, const uint8_t *statuses, int n, Lsn lsn);

/* ---- the current transaction (xact.c) ---- */
typedef enum TxnPhase { TXN_PHASE_NONE, TXN_PHASE_RUNNING, TXN_PHASE_COMMITTING, TXN_PHASE_ABORTING } TxnPhase;
typedef struct TxnLevel {
    struct TxnLevel *parent;
    int nesting;         /* 1 top */
    int sub_id;
    Xid xid;
    int xid_index;       /* position of own xid in txn_state.subxids; top: -1 */
    Arena *arena;
    ResOwner *owner, *saved_owner;
} TxnLevel;
typedef struct TxnState {
    TxnPhase phase;
    TxnLevel *level;     /* innermost */
    TxnLevel top;
    int next_sub_id;
    Xid *subxids;        /* live subtransactions' ids, ascending */
    int subxid_count, subxid_cap;
    CommandId command;
    bool command_used;
    TimestampTz start_time;
    Lsn depends;         /* rule 6: snapshots are not older, the end waits for it */
    uint64_t strong_locks_seen, strong_locks_at_start;
    bool force_sync;     /* whatever synchronous_commit says */
    bool flush_first;    /* others learn of it by more than rows: durable before locks go (rule 7) */
    Arena *arena;        /* arena of the top level, reused */
} TxnState;
extern TxnState txn_state;
static inline void
txn_depend_on(Lsn csn)
{
    if (csn > txn_state.depends)
        txn_state.depends = csn;
}
void xact_process_init(void);
void txn_fire(TxnEvent e, int nesting);
void txn_assign_xid(TxnLevel *l);

/* ---- commit.c ---- */
void record_parts_collect(bool commit, StrBuf *out);
Lsn txn_write_commit_record(const StrBuf *parts);
void txn_write_abort_record(const StrBuf *parts, const Xid *subs, int nsubs);
void txn_redo_saw_xid(Xid xid);
#define TXN_OP_COMMIT 0
#define TXN_OP_ABORT 1
/* The body of a commit, abort or prepared-end record. */
typedef struct TxnEndRecord {
    TimestampTz time;
    Xid xid;
    const Xid *subs; int nsubs;
    const RelLocator *drops; int ndrops;
    const char *parts; size_t parts_bytes;
} TxnEndRecord;
void end_record_build(StrBuf *out, const TxnEndRecord *e);
bool end_record_parse(Arena *a, const char *p, size_t n, TxnEndRecord *e); /* false: damaged */
void end_record_redo(const TxnEndRecord *e, bool commit, Lsn lsn);
void end_record_run_parts(const TxnEndRecord *e, bool commit);
void drop_relation_files(RelLocator r, bool redo);

/* ---- snapshot.c, horizon.c ---- */
void snapshot_process_init(void);
void snapshot_at_end(void);                 /* of the transaction: forgets all */
void snapshot_at_sub_end(int nesting);
void snapshot_at_begin(void);
bool snapshot_was_taken(void);              /* in this transaction: SET TRANSACTION comes too late */
void snapshot_take(Snapshot *s);
void snapshot_note_strong_locks(void);      /* the next snapshot is not older than the log's end at strong locks taken since */
void snapshot_discard(void);                /* the transaction's snapshot just taken is not used after all */
Lsn visible_end(void);
void visible_end_move(Lsn csn);             /* asynchronous commit */
Lsn horizon_compute(void);

/* ---- serial.c ---- */
void serial_take_snapshot(Snapshot *s);     /* of a serializable transaction */

/* ---- storage.c ---- */
int storage_pending_drops(bool commit, Arena *a, RelLocator **out);
void storage_at_end(bool commit);           /* removes files */
void storage_at_sub_end(int nesting, bool commit);
void storage_redo(const WalRecord *r);
void storage_redo_forget(const RelLocator *drops, int n, Xid xid, const Xid *subs, int nsubs);
const char *storage_identify(uint8_t info);
void storage_describe(const WalRecord *r, StrBuf *out);

/* ---- the rest ---- */
void combo_at_end(void);
void multixact_redo(const WalRecord *r);
void multixact_describe(const WalRecord *r, StrBuf *out);
const char *multixact_identify(uint8_t info);
void multixact_at_end(void);
void oid_recovered(Oid next);
void oid_checkpoint_fill(WalCheckpoint *c);
extern int max_prepared_xacts;
extern bool default_txn_deferrable;

/* Varints in records: seven bits a byte, low first. */
static inline void
put_varint(StrBuf *s, uint64_t v)
{
    char b[10];
    int n = 0;

    do {
        b[n] = (char)(v & 0x7F);
        v >>= 7;
        if (v)
            b[n] |= (char)0x80;
        n++;
    } while (v);
    str_add_bytes(s, b, (size_t)n);
}
static inline bool
get_varint(const char **p, const char *end, uint64_t *v)
{
    uint64_t r = 0;

    for (int shift = 0; shift < 64 && *p < end; shift += 7) {
        unsigned char c = (unsigned char)*(*p)++;

        r |= (uint64_t)(c & 0x7F) << shift;
        if (!(c & 0x80)) {
            *v = r;
            return true;
        }
    }
    return false;
}

void txn_register_counters(void); /* counters.c */

/* ---- truncate.c ---- */
void truncate_recovered(const WalCheckpoint *c);
void truncate_files(void);
void truncate_register_redo(void);
uint64_t clog_page_of(Xid xid);
uint64_t multi_first_member(MultiId id); /* 0: not there yet */
void multi_truncate(MultiId first_kept, uint64_t first_kept_member);

#endif
