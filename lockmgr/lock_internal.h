/*
 * Shared by the files of lockmgr only: the heavyweight lock table's layout and its inner calls.
 */
#ifndef LOCKMGR_LOCK_INTERNAL_H
#define LOCKMGR_LOCK_INTERNAL_H

#include "core/shm/proc.h"
#include "lockmgr/lockmgr.h"

static inline void
cpu_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
}

#define LOCK_PARTITIONS 16u
#define LOCK_BIT(mode) (1u << (mode))
#define LOCK_NIL (-1)

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
     * table. Changed atomically; read under the reader's fast-path lock. */
    CACHE_ALIGNED _Atomic uint32_t strong[STRONG_COUNTERS];
    uint32_t lock_count, holder_count, bucket_count;
} LockShared;

extern LockShared *lock_shared;
extern Lock *lock_pool;
extern Holder *holder_pool;
extern int32_t *lock_buckets;
extern const uint16_t lock_conflict_mask[LOCK_MODE_COUNT];

uint32_t lock_tag_hash(const LockTag *tag);
static inline bool lock_tags_equal(const LockTag *a, const LockTag *b) { return memcmp(a, b, sizeof(*a)) == 0; }
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

/* ---- fast path: weak relation locks and the own virtual xid in the process slot ---- */

#define FAST_SLOTS 64

typedef struct FastPath { /* lies in ProcSlot.lock_private */
    Spinlock lock;           /* guards what follows */
    uint32_t vxid_held;
    uint64_t vxid;           /* own virtual transaction number, exclusively held */
    uint64_t used;           /* bit per entry */
    uint8_t modes[FAST_SLOTS];
    uint64_t relations[FAST_SLOTS]; /* database << 32 | relation */
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

int fast_path_acquire(const LockTag *tag, uint32_t hash, LockMode mode); /* entry, or -1 */
/* Under the slot's spinlock. False: it was transferred to the table (and the entry perhaps reused). */
static inline bool
fast_path_clear(FastPath *fp, const LockTag *tag, LockMode mode, int entry)
{
    if (!((fp->used >> entry) & 1) || fp->modes[entry] != mode || fp->relations[entry] != ((uint64_t)tag->f1 << 32 | tag->f2))
        return false;
    fp->used &= ~(UINT64_C(1) << entry);
    return true;
}
bool fast_path_release(const LockTag *tag, LockMode mode, int entry);
bool fast_path_vxid_acquire(const LockTag *tag);
bool fast_path_vxid_release(void);
/* Moves every process's fast-path locks on tag to the table; false: the table is full. */
bool fast_path_transfer(const LockTag *tag, uint32_t hash);

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
