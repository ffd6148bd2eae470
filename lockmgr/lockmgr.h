/*
 * Locks: spinlock, LWLock, heavyweight lock table. See README.md for the lock order.
 */
#ifndef LOCKMGR_LOCKMGR_H
#define LOCKMGR_LOCKMGR_H

#include "core/shm/proc.h"

/* ---- spinlock: a few instructions; nothing inside blocks, allocates, raises or logs ---- */
typedef struct Spinlock { _Atomic uint32_t word; } Spinlock;
void spin_init(Spinlock *l);
void spin_lock_slow(Spinlock *l, const char *file, int line); /* PANIC after a minute */
void spin_dump(const Spinlock *l, char *buf, size_t n);
#ifdef NDEBUG
#define SPIN_NOTE(n) ((void)0)
#else
extern PROCESS_LOCAL int spin_held; /* how many this process holds: see lock_order.c */
#define SPIN_NOTE(n) ((void)(spin_held += (n)))
#endif
static inline bool
spin_try_word(Spinlock *l)
{
    /* relaxed look first: waiting must not pull the cache line away from the holder.
     * acquire: pairs with the release in spin_unlock */
    return atomic_load_explicit(&l->word, memory_order_relaxed) == 0 &&
           atomic_exchange_explicit(&l->word, 1, memory_order_acquire) == 0;
}
static inline bool
spin_try_lock(Spinlock *l)
{
    if (!spin_try_word(l))
        return false;
    SPIN_NOTE(1);
    return true;
}
#define spin_lock(l) (LIKELY(spin_try_lock(l)) ? (void)0 : spin_lock_slow((l), __FILE__, __LINE__))
static inline void
spin_unlock(Spinlock *l)
{
    SPIN_NOTE(-1);
    /* release: publishes the protected fields to the next holder's acquire */
    atomic_store_explicit(&l->word, 0, memory_order_release);
}

/* ---- LWLock: shared/exclusive, one 64-bit word, waiting on the slot's futex ---- */
typedef enum LwMode { LW_SHARED = 0, LW_EXCLUSIVE = 1 } LwMode;
typedef struct LwLock {
    /* layout: lw_embed.h */
    _Atomic uint64_t word;
    uint32_t tranche; /* names the wait event */
    uint32_t tail;    /* wait list tail, under the queue bit */
} LwLock;
STATIC_ASSERT(sizeof(LwLock) == 16);
typedef struct LwLockPadded { CACHE_ALIGNED LwLock lock; } LwLockPadded;

typedef enum LwTranche { /* name in pg_stat_activity.wait_event */
    LWT_TEST, LWT_BUFFER_MAPPING, LWT_BUFFER_CONTENT, LWT_WAL_WRITE, LWT_CONTROL_FILE, LWT_CHECKPOINT, LWT_XID_GEN,
    LWT_COMMIT_LOG, LWT_MULTIXACT, LWT_LOCK_MANAGER, LWT_FASTPATH, LWT_RELATION_EXTEND, LWT_OID_GEN,
    LWT_SINVAL, LWT_FSYNC_QUEUE, LWT_STATS, LWT_TWO_PHASE, LWT_NOTIFY, LWT_SEQUENCE, LWT_AUTOVACUUM, LWT_SHM_REGISTRY,
    LWT_PREDICATE_LOCK, LWT_SERIALIZABLE,
    LWT_COUNT
} LwTranche;
void lw_init(LwLock *l, LwTranche tranche);
void lw_acquire(LwLock *l, LwMode mode);     /* holds off interrupts until released */
bool lw_try_acquire(LwLock *l, LwMode mode); /* true on success */
void lw_release(LwLock *l);
bool lw_held_by_me(const LwLock *l);
void lw_release_all(void); /* error cleanup */
/* Contention since start, by tranche; all processes together once shared memory exists. */
typedef struct LwStats { uint64_t contended, spun, slept, vain, handoffs; } LwStats;
void lw_stats_read(LwTranche tranche, LwStats *out);
void lw_dump(const LwLock *l, char *buf, size_t n);
void lw_dump_all(void); /* counters, and what each process holds: to the log */

/* ---- heavyweight locks ---- */
typedef enum LockMode {
    LOCK_NONE = 0, LOCK_ACCESS_SHARE, LOCK_ROW_SHARE, LOCK_ROW_EXCLUSIVE, LOCK_SHARE_UPDATE_EXCLUSIVE,
    LOCK_SHARE, LOCK_SHARE_ROW_EXCLUSIVE, LOCK_EXCLUSIVE, LOCK_ACCESS_EXCLUSIVE, LOCK_MODE_COUNT
} LockMode;
typedef enum LockTagType { /* pg_locks.locktype */
    LOCKTAG_RELATION, LOCKTAG_EXTEND, LOCKTAG_FROZENID, LOCKTAG_PAGE, LOCKTAG_TUPLE, LOCKTAG_TRANSACTION,
    LOCKTAG_VIRTUALXID, LOCKTAG_SPECULATIVE, LOCKTAG_OBJECT, LOCKTAG_USERLOCK, LOCKTAG_ADVISORY
} LockTagType;
typedef struct LockTag {
    uint32_t f1, f2, f3, f4; /* database, relation/class, block/objid, offset/objsubid; xid in f1,f2 */
    uint16_t type;           /* LockTagType */
    uint16_t pad;
} LockTag;
STATIC_ASSERT(sizeof(LockTag) == 20);
/* In whole words: tags are read as words right after they are made, and a load of a word that was
 * stored in parts waits until these have reached the cache (measured: 4 ns for each such load). */
static inline LockTag
lock_tag_make(uint32_t f1, uint32_t f2, uint32_t f3, uint32_t f4, LockTagType type)
{
    LockTag t;
    store_u64(&t.f1, (uint64_t)f2 << 32 | f1);
    store_u64(&t.f3, (uint64_t)f4 << 32 | f3);
    store_u32(&t.type, type);
    return t;
}
static inline LockTag lock_tag_relation(Oid db, Oid rel) { return lock_tag_make(db, rel, 0, 0, LOCKTAG_RELATION); }
static inline LockTag lock_tag_extend(Oid db, Oid rel) { return lock_tag_make(db, rel, 0, 0, LOCKTAG_EXTEND); }
static inline LockTag lock_tag_tuple(Oid db, Oid rel, BlockNo b, OffsetNo o) { return lock_tag_make(db, rel, b, o, LOCKTAG_TUPLE); }
static inline LockTag lock_tag_xid(Xid x) { return lock_tag_make((uint32_t)x, (uint32_t)(x >> 32), 0, 0, LOCKTAG_TRANSACTION); }
static inline Xid lock_tag_to_xid(const LockTag *t) { return load_u64(&t->f1); }
static inline LockTag lock_tag_vxid(uint32_t slot, uint64_t n) { return lock_tag_make(slot, (uint32_t)n, (uint32_t)(n >> 32), 0, LOCKTAG_VIRTUALXID); }
static inline LockTag lock_tag_object(Oid db, Oid cls, Oid obj, uint32_t sub) { return lock_tag_make(db, cls, obj, sub, LOCKTAG_OBJECT); }
static inline LockTag lock_tag_advisory(Oid db, uint32_t hi, uint32_t lo, uint16_t kind) { return lock_tag_make(db, hi, lo, kind, LOCKTAG_ADVISORY); }

typedef enum LockResult { LOCK_OK, LOCK_ALREADY_HELD, LOCK_NOT_AVAILABLE, LOCK_DEADLOCK, LOCK_TIMED_OUT, LOCK_INTERRUPTED, LOCK_TABLE_FULL } LockResult;
void lock_settings_register(void); /* lock_shm_register calls it; idempotent */
void lock_shm_register(void);
/* Only a transaction's owner may take its id (lock_tag_xid) in LOCK_EXCLUSIVE.
 * Takes `tag` in `mode` for the current transaction (or the session). Sleeps unless dont_wait; after
 * deadlock_timeout runs the detector: LOCK_DEADLOCK means this process is the victim and is no longer
 * queued; lock_deadlock_detail() then has PostgreSQL's DETAIL text. Interrupts end the wait. */
LockResult lock_acquire_tag(const LockTag *tag, LockMode mode, bool session, bool dont_wait) MUST_USE;
static inline MUST_USE LockResult
lock_acquire(LockTag tag, LockMode mode, bool session, bool dont_wait)
{
    return lock_acquire_tag(&tag, mode, session, dont_wait);
}
/* As lock_acquire, but raises 40P01, 55P03, 57014, 53200 as PostgreSQL does. */
void lock_acquire_tag_or_raise(const LockTag *tag, LockMode mode);
static inline void lock_acquire_or_raise(LockTag tag, LockMode mode) { lock_acquire_tag_or_raise(&tag, mode); }
bool lock_release_tag(const LockTag *tag, LockMode mode, bool session); /* false: was not held */
static inline bool lock_release(LockTag tag, LockMode mode, bool session) { return lock_release_tag(&tag, mode, session); }
/* Transaction-level locks are counted per owner (a resource owner or subtransaction nesting level):
 * releasing a level frees what that level acquired; committing a level hands it to the parent. */
void lock_release_all(bool session_too);
void lock_level_abort(int level);
void lock_level_commit(int level); /* moves level -> level-1 */
extern int lock_current_level;     /* set by txn: 1 = top */
/* How many locks this process has newly acquired that order transactions beyond rows: all but weak
 * relation locks, row, transaction and extension locks; and those of them on relations. A later
 * snapshot of who holds one must see all that earlier holders committed (core/txn/README.md, rule 6). */
extern PROCESS_LOCAL uint64_t lock_strong_acquired, lock_strong_relation_acquired;
bool lock_held(LockTag tag, LockMode mode); /* by this process, this mode or stronger */
const char *lock_deadlock_detail(void);
extern uint64_t lock_deadlocks;    /* in which this process was the victim */
const char *lock_mode_name(LockMode m); /* AccessShareLock ... */
bool lock_conflicts(LockMode a, LockMode b);
extern int deadlock_timeout_ms, lock_timeout_ms, max_locks_per_transaction;
extern bool log_lock_waits;
/* Snapshot for pg_locks. */
typedef struct LockView { LockTag tag; LockMode mode; bool granted, fastpath; uint32_t pid; uint32_t slot; uint64_t local_xact; TimestampTz wait_start; } LockView;
int lock_snapshot(Arena *a, LockView **out);
/* Transactions that hold a lock conflicting with mode: virtual ids as (slot, local_xact) pairs. */
int lock_conflicting(LockTag tag, LockMode mode, Arena *a, uint64_t (**out)[2]);

void lock_dump_all(void); /* to the log */

#endif
