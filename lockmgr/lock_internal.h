/*
 * Shared by the files of lockmgr only: the heavyweight lock table's layout and its inner calls.
 */
#ifndef LOCKMGR_LOCK_INTERNAL_H
#define LOCKMGR_LOCK_INTERNAL_H

#include "core/base/hash.h"
#include "core/shm/proc.h"
#include "lockmgr/lockmgr.h"

static inline void
cpu_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#else
    __asm__ volatile("" ::: "memory");
#endif
}

/* ---- wait policy (wait_policy.c), counters (lock_stats.c), lock order (lock_order.c) ---- */

typedef struct WaitPolicy {
    const char *name;
    unsigned backoff_max;       /* pauses between two looks, at most */
    unsigned spin_pauses;       /* spinlock: pauses before the first sleep */
    unsigned lw_pauses;         /* LWLock: before it enters the queue, and after it was woken */
    unsigned heavyweight_pauses; /* before it sleeps on its latch */
} WaitPolicy;
extern uint64_t spin_stuck_us; /* a minute; changed by tests only */
extern const WaitPolicy *lock_wait_policy; /* usable before the choice: the build's own row */
void lock_wait_policy_select(void);        /* before the first fork */

typedef struct LwCounters {
    _Atomic uint64_t contended; /* not had at once */
    _Atomic uint64_t spun;      /* of these, had by spinning */
    _Atomic uint64_t slept;     /* turns in the queue */
    _Atomic uint64_t vain;      /* woken, but another was faster */
    _Atomic uint64_t handoffs;  /* newcomers were held off for somebody who waited long */
} LwCounters;
typedef struct LockStats {
    CACHE_ALIGNED _Atomic uint64_t spin_contended, spin_slept;
    _Atomic uint64_t transfers; /* fast-path locks moved to the table */
    _Atomic uint64_t barriers;  /* asymmetric fences of strong lockers */
    _Atomic uint64_t waits, deadlocks, timeouts; /* heavyweight */
    LwCounters lw[LWT_COUNT];
} LockStats;
extern LockStats *lock_stats;
void lock_stats_dump(void); /* the heavyweight counters, to the log */
static inline void
lock_count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed); /* a counter orders nothing */
}

#ifdef NDEBUG
#define lock_order_check(l) ((void)0)
#else
void lock_order_check(const LwLock *l);
#endif

#define LOCK_PARTITIONS 16u
#define LOCK_BIT(mode) (1u << (mode))
#define LOCK_NIL (-1)
/* Process slots there can be at most: sessions, and the settings of other kinds are limited to 1024. */
#define LOCK_SLOTS_MAX (MAX_PROCS_LIMIT + 3 * 1024 + 64)

/* ---- shared table: locks (one per tag in use) and holders (one per lock and process) ---- */

typedef struct Lock {
    LockTag tag;              /* constant while in use */
    uint32_t hash;
    int32_t next;             /* bucket chain, or free list */
    int32_t holders;          /* head of the list of all holders, granted or waiting */
    int32_t wait_head, wait_tail; /* queue of holders that wait, in order */
    uint16_t grant_mask;      /* modes granted to anybody */
    uint16_t wait_mask;       /* modes anybody waits for */
    uint16_t granted[LOCK_MODE_COUNT]; /* how many processes hold each mode */
    uint16_t waiting[LOCK_MODE_COUNT];
} Lock;

typedef struct Holder {
    int32_t lock;
    uint32_t slot;            /* process */
    int32_t next, prev;       /* list of the lock's holders; next also free list */
    int32_t wait_next, wait_prev;
    uint16_t hold_mask;       /* modes this process has been granted */
    uint16_t wait_mode;       /* LockMode it waits for, LOCK_NONE */
    TimestampTz wait_start;
} Holder;

typedef struct LockPartition {
    CACHE_ALIGNED LwLock lock;
    Spinlock free_lock;       /* guards the two free lists: other partitions may steal from them */
    int32_t free_locks, free_holders;
} LockPartition;

#define STRONG_COUNTERS 1024u

typedef struct LockShared {
    LockPartition partitions[LOCK_PARTITIONS];
    /* Strong requests (or grants) per hash class: while non-zero, weak locks of the class must use the
     * table. Changed atomically; read by weak lockers after they have noted their entry. */
    CACHE_ALIGNED _Atomic uint32_t strong[STRONG_COUNTERS];
    uint32_t lock_count, holder_count, bucket_count;
    bool asymmetric; /* membarrier works: weak lockers need no fence. Constant after lock_init */
    LockStats stats;
} LockShared;

extern LockShared *lock_shared;
extern Lock *lock_pool;
extern Holder *holder_pool;
extern int32_t *lock_buckets;
extern const uint16_t lock_conflict_mask[LOCK_MODE_COUNT];

static inline uint32_t
lock_tag_hash(const LockTag *tag)
{
    uint64_t b = load_u64(&tag->f3) ^ (uint64_t)load_u32(&tag->type) << 24;
    return (uint32_t)hash_u64(load_u64(&tag->f1) ^ (b * UINT64_C(0x9E3779B97F4A7C15)));
}
static inline bool
lock_tags_equal(const LockTag *a, const LockTag *b) /* by words: see lock_tag_make */
{
    return load_u64(&a->f1) == load_u64(&b->f1) && load_u64(&a->f3) == load_u64(&b->f3) && load_u32(&a->type) == load_u32(&b->type);
}
/* A relation in one word. */
static inline uint64_t lock_tag_key(const LockTag *t) { return load_u64(&t->f1); }
static inline LockTag lock_tag_of_key(uint64_t key) { return lock_tag_relation((Oid)key, (Oid)(key >> 32)); }
static inline LwLock *partition_lock(uint32_t hash) { return &lock_shared->partitions[hash % LOCK_PARTITIONS].lock; }

/* All of these with the tag's partition lock held exclusively. */
Lock *lock_find(const LockTag *tag, uint32_t hash);
Holder *holder_find(const Lock *l, uint32_t slot);
/* NULL: the table is full. Creates what is missing. */
Holder *holder_get(const LockTag *tag, uint32_t hash, uint32_t slot);
/* Frees the holder if it holds and waits for nothing, and the lock if nobody is left. */
void holder_put(Holder *h);
void lock_grant(Lock *l, Holder *h, LockMode mode);
void lock_ungrant(Lock *l, Holder *h, LockMode mode);
/* Whether mode conflicts with what processes other than h's have been granted. */
bool lock_conflicts_with_granted(const Lock *l, const Holder *h, LockMode mode);
void lock_queue_insert(Lock *l, Holder *h, LockMode mode, Holder *before /* NULL: at the end */);
void lock_queue_remove(Lock *l, Holder *h);
void lock_wake_waiters(Lock *l);
static inline int32_t lock_index(const Lock *l) { return (int32_t)(l - lock_pool); }
static inline int32_t holder_index(const Holder *h) { return (int32_t)(h - holder_pool); }

void lock_lock_all_partitions(LwMode mode);
void lock_unlock_all_partitions(void);

/* ---- fast path (fastpath.c): weak relation locks, own transactions, own virtual transaction ---- */

#define FAST_SLOTS 48
#define FAST_USED_MASK ((UINT64_C(1) << FAST_SLOTS) - 1)
#define FAST_GENERATION (UINT64_C(1) << FAST_SLOTS)
#define FAST_XIDS 8
#define FAST_XID_MOVED (UINT64_C(1) << 63)
#define FAST_VISITOR UINT64_C(1)
#define FAST_VISIT_DONE (UINT64_C(1) << 32)

typedef struct FastPath { /* lies in ProcSlot.lock_private */
    /* Relation locks: written by the owner alone, with plain stores.
     * used: bit per entry, above them a generation that each new entry raises, for observers. */
    _Atomic uint64_t used;
    /* Low half: visitors under way, which make the owner take the spinlock; high half: visits ended. */
    _Atomic uint64_t visits;
    Spinlock lock;
    uint32_t vxid_held;      /* under lock */
    uint64_t vxid;           /* under lock: own virtual transaction number, exclusively held */
    uint64_t moved;          /* under lock: entries that stand in the table by now, though `used` */
    _Atomic uint8_t modes[FAST_SLOTS];
    _Atomic uint64_t relations[FAST_SLOTS]; /* lock_tag_key */
    /* Own transactions, exclusively held: the owner takes 0 to an id and exchanges it for 0 again;
     * who waits for the id adds FAST_XID_MOVED by compare-and-swap, under the id's partition lock. */
    _Atomic uint64_t xids[FAST_XIDS];
} FastPath;
STATIC_ASSERT(sizeof(FastPath) <= sizeof(((ProcSlot *)0)->lock_private));

static inline FastPath *
fast_path_of(ProcSlot *slot)
{
    return (FastPath *)(void *)slot->lock_private;
}
static inline uint32_t strong_class(uint32_t hash) { return (hash >> 4) % STRONG_COUNTERS; }
static inline bool lock_is_weak(const LockTag *tag, LockMode mode) { return tag->type == LOCKTAG_RELATION && mode <= LOCK_ROW_EXCLUSIVE; }
static inline bool lock_is_strong(const LockTag *tag, LockMode mode) { return tag->type == LOCKTAG_RELATION && mode > LOCK_SHARE_UPDATE_EXCLUSIVE; }

void fast_path_shared_init(void); /* once, before the first fork */
void fast_path_attach(void);      /* in each process, before its first lock */
#define FAST_PATH_FULL (-1)       /* or barred by a strong locker */
#define FAST_PATH_MOVED (-2)      /* granted, but in the table already */
int fast_path_acquire(const LockTag *tag, uint32_t hash, LockMode mode); /* entry, or one of the above */
/* Gives back a set of entries at once; returns those that stand in the table and must be released there. */
uint64_t fast_path_release(uint64_t entries);
bool fast_path_vxid_acquire(const LockTag *tag);
bool fast_path_vxid_release(void); /* false: it stands in the table */
int fast_path_xid_acquire(Xid xid); /* entry, or FAST_PATH_FULL */
bool fast_path_xid_release(int entry); /* false: it stands in the table */
/* Moves every process's fast-path locks on tag to the table; false: the table is full. Relations: the
 * caller has raised the strong counter. */
bool fast_path_transfer(const LockTag *tag, uint32_t hash);
/* What a slot holds by the fast path, for observers. */
typedef struct FastView {
    uint64_t used; /* bits of the entries below; moved ones left out */
    uint8_t modes[FAST_SLOTS];
    uint64_t relations[FAST_SLOTS];
    bool vxid_held;
    uint64_t vxid;
    uint64_t xids[FAST_XIDS]; /* 0: none, or moved */
} FastView;
void fast_path_read(uint32_t slot, FastView *out);
/* After this, what other processes have stored into their slots before is visible, and what this one
 * stored before is visible to their next look: the strong side of the fast path's fences. */
void fast_path_heavy_fence(void);

/* ---- waiting ---- */

#define WAIT_NONE 0u
#define WAIT_SLEEPING 1u
#define WAIT_GRANTED 2u
#define WAIT_VICTIM 3u
/* With the partition lock held and h queued; returns without it. check_now: run the detector first. */
LockResult lock_wait(const LockTag *tag, uint32_t hash, Holder *h, LockMode mode, bool check_now);
const char *lock_wait_log_detail(Arena *a, const LockTag *tag, uint32_t hash); /* who holds it, who waits */
/* Runs the detector for this process; true: it was in a cycle and has been taken off the queue. */
bool deadlock_check(void);
uint32_t deadlock_autovacuum_ahead(void); /* by the last check: pid of an autovacuum worker that blocks this process; 0 */
void lock_tag_describe(const LockTag *tag, char *out, size_t n);

#endif
