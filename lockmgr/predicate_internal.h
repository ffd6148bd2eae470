/*
 * Shared by the predicate*.c files only: layout of the lock table and of the conflict graph. The rules
 * cited are those of "Predicate locks" in README.md.
 */
#ifndef LOCKMGR_PREDICATE_INTERNAL_H
#define LOCKMGR_PREDICATE_INTERNAL_H

#include "lockmgr/predicate.h"

#define PRED_PARTITIONS 16u
#define PRED_NIL (-1)
#define PRED_LSN_NEVER UINT64_MAX
#define PRED_SUMMARY 0 /* index of the PredXact that owns the locks of summarised transactions */
#define PRED_RING 8192u

/* ---- locks: a target per thing locked, a lock per target and transaction ---- */

typedef struct PredTag {
    Oid db, rel;
    BlockNo block; /* BLOCK_INVALID: the relation */
    uint32_t off;  /* 0: the page */
} PredTag;
STATIC_ASSERT(sizeof(PredTag) == 16);

/* All under the partition lock of the target's hash. */
typedef struct PredTarget {
    PredTag tag;
    uint32_t hash;
    int32_t next;  /* bucket chain, or free list */
    int32_t locks; /* head of the list of all locks on it */
} PredTarget;

typedef struct PredLock {
    int32_t target;
    uint32_t hash;                /* of the target, constant while linked */
    int32_t owner;                /* PredXact; partition lock and the owner's list_lock */
    int32_t next, prev;           /* on the target, partition lock; next also free list */
    int32_t own_next, own_prev;   /* of the owner, its list_lock */
    Lsn end;                      /* of summarised owners: the latest end of them; partition lock */
} PredLock;

/* ---- the graph: everything below under the graph lock unless it says otherwise ---- */

typedef enum PredState {
    PX_FREE,
    PX_ACTIVE,    /* pred_begin */
    PX_PREPARED,  /* pred_commit_check passed: it will commit at an LSN not below `low` */
    PX_COMMITTED  /* pred_committed: `low` is its csn, or it wrote nothing */
} PredState;

typedef struct PredXact {
    int32_t next, prev;         /* active list, finished list by end, or free list (next) */
    uint8_t state;              /* PredState */
    bool read_only;             /* declared, or committed without an id */
    bool waiting;               /* deferrable: its process sleeps until it is safe or unsafe */
    bool unsafe;                /* read only: some anomaly may involve it */
    bool covers_all;            /* no room for its locks: as if it held one on everything */
    bool locks_gone;            /* finished: no active writer can conflict with its locks any more */
    _Atomic uint8_t doomed;     /* chosen as a victim; the owner's unlocked look is only a short cut */
    _Atomic uint8_t safe;       /* read only: need not be tracked; set by others, the owner acts on it */
    uint64_t seq;               /* number of pred_begin: never the same twice */
    Xid xid;                    /* top transaction's; 0 none yet */
    Xid last_sub;               /* prepared: no id of its subtransactions is above; 0 none */
    Lsn snapshot;
    Lsn low;                    /* see state; PRED_LSN_NEVER while active */
    Lsn earliest_out;           /* lowest csn of a writer it has read past and that has finished; NEVER: none */
    Lsn latest_in;              /* latest end of a reader that read past it and has finished; 0: none */
    int32_t out, in;            /* edges to writers, from readers: of unfinished ones */
    int32_t xid_next, csn_next; /* hash chains */
    uint32_t slot, pid;
    uint64_t local_xact;
    Spinlock list_lock;         /* guards locks and the links of its members */
    int32_t locks;
} PredXact;

typedef struct PredEdge { /* reader -rw-> writer, both unfinished */
    int32_t reader, writer;
    int32_t out_next, out_prev; /* reader's list; out_next also free list */
    int32_t in_next, in_prev;   /* writer's list */
} PredEdge;

typedef struct PredSummary { Lsn csn, earliest_out; } PredSummary;

typedef struct PredShared {
    LwLockPadded partitions[PRED_PARTITIONS];
    LwLockPadded graph;
    CACHE_ALIGNED _Atomic uint32_t users;  /* active and finished ones, and the summary while it is in use */
    _Atomic uint32_t covering;             /* how many have covers_all, the summary included */
    CACHE_ALIGNED Spinlock free_lock;      /* guards the two free lists */
    int32_t free_targets, free_locks;
    /* graph lock from here */
    CACHE_ALIGNED int32_t active_head, active_tail;
    int32_t finished_head, finished_tail;
    int32_t free_xacts, free_edges;
    uint64_t next_seq;
    Lsn summary_end;          /* latest end of a summarised transaction that is remembered; 0: none */
    bool summary_used;
    /* Writers that were summarised, by csn: a ring. Those that fell out of it: */
    uint32_t ring_first, ring_count;
    Lsn lost_csn;             /* their highest csn; 0 none */
    Lsn lost_earliest_out;    /* their lowest earliest_out */
    PredSummary ring[PRED_RING];
    uint32_t xact_count, edge_count, target_count, lock_count, bucket_count, xid_buckets;
    uint64_t summarised, overflows, dooms; /* counters for pred_dump */
    _Atomic uint64_t promotions;
} PredShared;

extern PredShared *pred_shared;
extern PredXact *pred_xacts;
extern PredEdge *pred_edges;
extern PredTarget *pred_targets;
extern PredLock *pred_locks;
extern int32_t *pred_buckets, *pred_by_xid, *pred_by_csn;
extern PredXact *pred_me; /* NULL: not registered */

static inline int32_t pred_index(const PredXact *x) { return (int32_t)(x - pred_xacts); }
static inline LwLock *pred_graph(void) { return &pred_shared->graph.lock; }
static inline LwLock *pred_partition(uint32_t hash) { return &pred_shared->partitions[hash % PRED_PARTITIONS].lock; }
static inline bool pred_is_doomed(const PredXact *x) { return atomic_load_explicit(&x->doomed, memory_order_relaxed) != 0; }

/* ---- predicate_graph.c ---- */

/* When it commits, at the latest: its csn, or never as far as is known. */
static inline Lsn pred_commit_end(const PredXact *x) { return x->state == PX_COMMITTED && !x->read_only ? x->low : PRED_LSN_NEVER; }
/* Up to which commit it is concurrent as the first of three (rule 3). */
static inline Lsn
pred_end(const PredXact *x)
{
    return x->read_only ? x->snapshot : pred_commit_end(x);
}
typedef enum PredVerdict {
    PV_OK, PV_PIVOT_CONFLICT_OUT, PV_OLD_PIVOT, PV_PIVOT_OLD_OUT, PV_PIVOT_CONFLICT_IN, PV_PIVOT_WRITE, PV_PIVOT_READ,
    PV_PIVOT_COMMIT, PV_PREPARED_PIVOT
} PredVerdict;
NORETURN void pred_raise(PredVerdict v, Xid xid);
/* Notes that reader has read past what writer wrote; one of them is pred_me. *xid: for the message. */
PredVerdict pred_conflict(PredXact *reader, PredXact *writer, Xid *xid);
/* The same with a summarised reader, whose end is given. */
PredVerdict pred_conflict_with_summary(PredXact *writer, Lsn reader_end);
void pred_fold_edges(PredXact *x);  /* finished: neighbours keep only its numbers */
void pred_drop_edges(PredXact *x);  /* aborted */
Lsn pred_min_out(const PredXact *x);
Lsn pred_max_in(const PredXact *x);

/* ---- predicate_lock.c ---- */
void pred_local_reset(void);
void pred_local_moved(Oid db, Oid rel, Oid heap);
void pred_set_covers_all(PredXact *x);     /* graph lock held */

/* ---- predicate_table.c ---- */
uint32_t pred_tag_hash(const PredTag *t);
/* With the partition locked, shared at least. */
PredTarget *pred_target_find(const PredTag *t, uint32_t hash);
/* A lock for owner on the target, unless it has one. False: no memory. Partition locked exclusively. */
bool pred_lock_add(const PredTag *t, uint32_t hash, PredXact *owner, Lsn end);
void pred_lock_unlink(int32_t lock);       /* from target and owner, and frees it; the same */
bool pred_lock_drop(const PredTag *tag, PredXact *owner); /* false: there was none */
/* These with the graph locked exclusively. */
void pred_release_locks(PredXact *x);
void pred_locks_to_summary(PredXact *x, Lsn end);
void pred_summary_trim(Lsn limit);         /* drops the summary's locks that end at or below */

/* ---- predicate_xact.c ---- */
PredXact *pred_find(Xid xid, Lsn csn);     /* by csn if the id is not known; graph lock held */
void pred_leave_if_safe_slow(void);
/* Read only, and found safe meanwhile: stops tracking. */
static inline void
pred_leave_if_safe(void)
{
    /* relaxed: noticing late costs some more tracking */
    if (pred_me && UNLIKELY(atomic_load_explicit(&pred_me->safe, memory_order_relaxed)))
        pred_leave_if_safe_slow();
}

/* ---- predicate_summary.c; graph lock held ---- */
void pred_summarise(PredXact *x);          /* a finished one; it is free afterwards */
void pred_summarise_finished(void);        /* all of them */
bool pred_summary_find(Lsn csn, Lsn *earliest_out);
bool pred_summary_threatens(Lsn snapshot); /* a read-only transaction with it */
void pred_summary_cleanup(Lsn limit);
void pred_finished_unlink(PredXact *x);
void pred_xact_free(PredXact *x);

#endif
