/*
 * The deadlock detector. It runs in a process that has waited for deadlock_timeout, with all
 * partitions locked, so that it sees the waits-for graph standing still.
 *
 * Edges from a waiting process lead to
 *   hard: every other process that holds a mode conflicting with the one waited for;
 *   soft: every process ahead in the same queue that waits for a conflicting mode.
 * A depth-first search looks for a way back to this process. Cycles without it are left to their
 * members, who look for themselves. If the cycle has a soft edge, swapping the two in the queue may
 * dissolve it: each such swap is tried and kept if no cycle is left through anybody it touches.
 * Otherwise this process is the victim and is taken off its queue.
 *
 * The report lists the cycle, this process first, in PostgreSQL's words.
 */
#include <stdio.h>
#include <string.h>

#include "lockmgr/lock_internal.h"
#include "lockmgr/lockmgr.h"

typedef struct CycleEdge {
    uint32_t slot;   /* the waiting process */
    LockTag tag;
    LockMode mode;
    Holder *waiter;  /* its place in the queue */
    Holder *ahead;   /* soft edge: whom it waits behind; NULL for a hard edge */
} CycleEdge;

static CycleEdge path[LOCK_SLOTS_MAX]; /* path[depth]; the cycle when the search returns true */
static int path_length;
static uint8_t visited[LOCK_SLOTS_MAX / 8];
static uint32_t search_start;
static PROCESS_LOCAL char detail[8192];

static uint32_t autovacuum_ahead; /* pid of a worker that holds what this process waits for */

static bool search_from(uint32_t slot, int depth);

/* One edge: back at the start closes the cycle, otherwise go on from there. */
static bool
follow(uint32_t target, int depth, Holder *ahead)
{
    path[depth].ahead = ahead;
    if (target == search_start) {
        path_length = depth + 1;
        return true;
    }
    return search_from(target, depth + 1);
}

/* relaxed: it holds a lock, so it cannot go away while we have the partitions */
static void
note_autovacuum(const ProcSlot *holder)
{
    if (atomic_load_explicit(&holder->kind, memory_order_relaxed) == PROC_AUTOVAC_WORKER)
        autovacuum_ahead = atomic_load_explicit(&holder->pid, memory_order_relaxed);
}

static bool
search_from(uint32_t slot, int depth)
{
    if (visited[slot / 8] & (1u << slot % 8))
        return false;
    visited[slot / 8] |= (uint8_t)(1u << slot % 8);

    /* relaxed: changes only under partition locks, all of which we hold */
    if (atomic_load_explicit(&proc_slots[slot].lock_wait_state, memory_order_relaxed) != WAIT_SLEEPING)
        return false;
    Holder *h = proc_slots[slot].lock_waiting_for;
    if (!h || h->wait_mode == LOCK_NONE)
        return false;
    Lock *l = &lock_pool[h->lock];
    uint16_t conflicts = lock_conflict_mask[h->wait_mode];

    path[depth] = (CycleEdge){slot, l->tag, (LockMode)h->wait_mode, h, NULL};
    for (int32_t i = l->holders; i != LOCK_NIL; i = holder_pool[i].next)
        if (holder_pool[i].slot != slot && (holder_pool[i].hold_mask & conflicts)) {
            if (depth == 0 && slot == proc_self->index)
                note_autovacuum(&proc_slots[holder_pool[i].slot]);
            if (follow(holder_pool[i].slot, depth, NULL))
                return true;
        }
    for (int32_t i = l->wait_head; i != LOCK_NIL && i != holder_index(h); i = holder_pool[i].wait_next)
        if ((conflicts & LOCK_BIT(holder_pool[i].wait_mode)) && follow(holder_pool[i].slot, depth, &holder_pool[i]))
            return true;
    return false;
}

static bool
find_cycle(uint32_t slot)
{
    memset(visited, 0, sizeof(visited));
    search_start = slot;
    return search_from(slot, 0);
}

static void
move_before(Lock *l, Holder *h, Holder *before)
{
    LockMode mode = (LockMode)h->wait_mode;

    lock_queue_remove(l, h);
    lock_queue_insert(l, h, mode, before);
}

/* Whether any process waiting for the lock is in a cycle. */
static bool
queue_has_cycle(const Lock *l)
{
    for (int32_t i = l->wait_head; i != LOCK_NIL; i = holder_pool[i].wait_next)
        if (find_cycle(holder_pool[i].slot))
            return true;
    return false;
}

/* Tries to dissolve the cycle in path[] by letting one waiter pass. */
static bool
rearrange(uint32_t self)
{
    CycleEdge soft[16];
    int count = 0;

    for (int i = 0; i < path_length && count < (int)COUNT_OF(soft); i++)
        if (path[i].ahead)
            soft[count++] = path[i];
    for (int i = 0; i < count; i++) {
        Lock *l = &lock_pool[soft[i].waiter->lock];
        int32_t after = soft[i].waiter->wait_next;
        move_before(l, soft[i].waiter, soft[i].ahead);
        if (!find_cycle(self) && !queue_has_cycle(l)) {
            lock_wake_waiters(l);
            return true;
        }
        move_before(l, soft[i].waiter, after == LOCK_NIL ? NULL : &holder_pool[after]);
    }
    return false;
}

void
lock_tag_describe(const LockTag *t, char *out, size_t n)
{
    switch ((LockTagType)t->type) {
    case LOCKTAG_RELATION:
        snprintf(out, n, "relation %u of database %u", t->f2, t->f1);
        break;
    case LOCKTAG_EXTEND:
        snprintf(out, n, "extension of relation %u of database %u", t->f2, t->f1);
        break;
    case LOCKTAG_FROZENID:
        snprintf(out, n, "pg_database.datfrozenxid of database %u", t->f1);
        break;
    case LOCKTAG_PAGE:
        snprintf(out, n, "page %u of relation %u of database %u", t->f3, t->f2, t->f1);
        break;
    case LOCKTAG_TUPLE:
        snprintf(out, n, "tuple (%u,%u) of relation %u of database %u", t->f3, t->f4, t->f2, t->f1);
        break;
    case LOCKTAG_TRANSACTION:
        snprintf(out, n, "transaction %llu", (unsigned long long)t->f2 << 32 | t->f1);
        break;
    case LOCKTAG_VIRTUALXID:
        snprintf(out, n, "virtual transaction %u/%llu", t->f1, (unsigned long long)t->f3 << 32 | t->f2);
        break;
    case LOCKTAG_SPECULATIVE:
        snprintf(out, n, "speculative token %u of transaction %llu", t->f3, (unsigned long long)t->f2 << 32 | t->f1);
        break;
    case LOCKTAG_OBJECT:
        snprintf(out, n, "object %u of class %u of database %u", t->f3, t->f2, t->f1);
        break;
    case LOCKTAG_USERLOCK:
        snprintf(out, n, "user lock [%u,%u,%u]", t->f1, t->f2, t->f3);
        break;
    case LOCKTAG_ADVISORY:
        snprintf(out, n, "advisory lock [%u,%u,%u,%u]", t->f1, t->f2, t->f3, t->f4);
        break;
    }
}

static void
describe_cycle(void)
{
    size_t used = 0;

    detail[0] = '\0';
    for (int i = 0; i < path_length && used < sizeof(detail) - 1; i++) {
        char what[128];
        const CycleEdge *next = &path[(i + 1) % path_length];
        lock_tag_describe(&path[i].tag, what, sizeof(what));
        /* relaxed: both processes wait, neither can go away while we hold the partitions */
        uint32_t waiter = atomic_load_explicit(&proc_slots[path[i].slot].pid, memory_order_relaxed);
        uint32_t blocker = atomic_load_explicit(&proc_slots[next->slot].pid, memory_order_relaxed); /* as above */
        int n = snprintf(detail + used, sizeof(detail) - used, "%sProcess %u waits for %s on %s; blocked by process %u.",
                         i ? "\n" : "", waiter, lock_mode_name(path[i].mode), what, blocker);
        used += n > 0 ? (size_t)n : 0;
    }
}

bool
deadlock_check(void)
{
    bool victim = false;

    autovacuum_ahead = 0;
    lock_lock_all_partitions(LW_EXCLUSIVE);
    /* relaxed: stable under the partition locks */
    if (atomic_load_explicit(&proc_self->lock_wait_state, memory_order_relaxed) == WAIT_SLEEPING &&
        find_cycle(proc_self->index)) {
        describe_cycle();
        if (!rearrange(proc_self->index)) {
            Holder *h = proc_self->lock_waiting_for;
            Lock *l = &lock_pool[h->lock];
            lock_queue_remove(l, h);
            lock_wake_waiters(l);
            holder_put(h);
            /* relaxed: only we look at it from now on */
            atomic_store_explicit(&proc_self->lock_wait_state, WAIT_VICTIM, memory_order_relaxed);
            victim = true;
        }
    }
    lock_unlock_all_partitions();
    return victim;
}

uint32_t
deadlock_autovacuum_ahead(void)
{
    return autovacuum_ahead;
}

const char *
lock_deadlock_detail(void)
{
    return detail;
}
