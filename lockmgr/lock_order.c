/*
 * The lock order of README.md, checked in debug builds: each LWLock taken by waiting must stand below
 * all that is held. A lock taken by trying cannot be part of a cycle at the moment it is taken, so only
 * waiting is checked.
 */
#include "lockmgr/lock_internal.h"

#ifndef NDEBUG

/* Lines of the table in README.md, tens, and within a line the order its module's README gives. */
#define RANK_FREE 0 /* tests: anything goes */
typedef struct LockRank {
    uint8_t rank;
    bool several; /* more than one at once: the module has an order of its own within the tranche */
} LockRank;

static const LockRank ranks[LWT_COUNT] = {
    [LWT_TEST] = {RANK_FREE, true},
    [LWT_BUFFER_CONTENT] = {20, true}, /* B-tree: left to right; heap: by block number */
    [LWT_RELATION_EXTEND] = {30, false},
    [LWT_CHECKPOINT] = {35, false},
    [LWT_BUFFER_MAPPING] = {40, false},
    [LWT_XID_GEN] = {50, false},
    [LWT_SEQUENCE] = {50, false},
    [LWT_OID_GEN] = {50, false},
    [LWT_TWO_PHASE] = {50, false},
    [LWT_COMMIT_LOG] = {52, true},   /* clog_sync, spill, SLRU bank, SLRU io (core/txn/README.md) */
    [LWT_MULTIXACT] = {52, true},
    [LWT_WAL_WRITE] = {60, true},
    [LWT_CONTROL_FILE] = {60, true},
    [LWT_LOCK_MANAGER] = {70, true}, /* partitions, ascending: checked below */
    [LWT_FASTPATH] = {71, false},
    [LWT_SERIALIZABLE] = {75, false},
    [LWT_PREDICATE_LOCK] = {76, true}, /* partitions, ascending */
    [LWT_SINVAL] = {80, false},
    [LWT_FSYNC_QUEUE] = {80, false},
    [LWT_STATS] = {80, false},
    [LWT_NOTIFY] = {80, false},
    [LWT_AUTOVACUUM] = {80, false},
    [LWT_SHM_REGISTRY] = {80, false},
};

PROCESS_LOCAL int spin_held;

void
lock_order_check(const LwLock *l)
{
    ASSERT(spin_held == 0); /* line 9: nothing is taken under a spinlock */
    ASSERT(l->tranche < LWT_COUNT);
    LockRank mine = ranks[l->tranche];
    if (!proc_self || mine.rank == RANK_FREE)
        return;
    for (uint32_t i = 0; i < proc_self->lw_held_count; i++) {
        const LwLock *held = proc_self->lw_held[i];
        LockRank theirs = ranks[held->tranche];
        if (theirs.rank < mine.rank || theirs.rank == RANK_FREE)
            continue;
        /* The one step upwards: who extends a relation locks the pages it adds, which nobody else has. */
        if (held->tranche == LWT_RELATION_EXTEND && l->tranche == LWT_BUFFER_CONTENT)
            continue;
        bool ascending = l->tranche == LWT_LOCK_MANAGER || l->tranche == LWT_PREDICATE_LOCK;
        bool fine = held->tranche == l->tranche && mine.several && held != l && (!ascending || held < l);
        if (!fine)
            PANIC("lock order: %s is taken while %s is held", wait_event_name(WAIT_CLASS_LWLOCK | l->tranche),
                  wait_event_name(WAIT_CLASS_LWLOCK | held->tranche));
    }
}

#endif
