/*
 * What a writer asks of the predicate locks, and what becomes of locks when the rows or keys under them
 * move.
 *
 * Asking goes from fine to coarse under the shared partition lock; most targets have no lock of anybody
 * else. Only if there is one is the graph locked, and then the target looked at again.
 */
#include <string.h>

#include "lockmgr/predicate_internal.h"

/* ---- writing ---- */

/* Each lock's owner on the target has read past what we are about to write. Graph locked, partition too. */
static PredVerdict
conflicts_in(const PredTarget *t, Xid *xid)
{
    PredVerdict v = PV_OK;

    for (int32_t i = t ? t->locks : PRED_NIL; i != PRED_NIL && v == PV_OK; i = pred_locks[i].next) {
        int32_t o = pred_locks[i].owner;

        if (o == PRED_SUMMARY)
            v = pred_conflict_with_summary(pred_me, pred_locks[i].end);
        else if (&pred_xacts[o] != pred_me)
            v = pred_conflict(&pred_xacts[o], pred_me, xid);
    }
    return v;
}

static bool
others_hold(const PredTag *tag, uint32_t hash)
{
    int32_t me = pred_index(pred_me);
    const PredTarget *t;
    bool found = false;

    lw_acquire(pred_partition(hash), LW_SHARED);
    t = pred_target_find(tag, hash);
    for (int32_t i = t ? t->locks : PRED_NIL; i != PRED_NIL && !found; i = pred_locks[i].next)
        found = pred_locks[i].owner != me;
    lw_release(pred_partition(hash));
    return found;
}

static void
check_target(PredTag tag)
{
    uint32_t hash = pred_tag_hash(&tag);
    PredVerdict v;
    Xid xid = 0;

    if (LIKELY(!others_hold(&tag, hash)))
        return;
    lw_acquire(pred_graph(), LW_EXCLUSIVE);
    lw_acquire(pred_partition(hash), LW_SHARED);
    v = conflicts_in(pred_target_find(&tag, hash), &xid);
    lw_release(pred_partition(hash));
    lw_release(pred_graph());
    if (v != PV_OK)
        pred_raise(v, xid);
}

static PredVerdict
covering_in_list(int32_t head, Xid *xid)
{
    PredVerdict v = PV_OK;

    for (int32_t i = head; i != PRED_NIL && v == PV_OK; i = pred_xacts[i].next)
        if (pred_xacts[i].covers_all && &pred_xacts[i] != pred_me)
            v = pred_conflict(&pred_xacts[i], pred_me, xid);
    return v;
}

/* Those for whose locks there was no room. */
static void
check_covering(void)
{
    PredShared *s = pred_shared;
    PredVerdict v;
    Xid xid = 0;

    /* acquire: pairs with pred_set_covers_all; what orders them is the page's lock */
    if (LIKELY(atomic_load_explicit(&s->covering, memory_order_acquire) == 0))
        return;
    lw_acquire(pred_graph(), LW_EXCLUSIVE);
    v = covering_in_list(s->active_head, &xid);
    if (v == PV_OK)
        v = covering_in_list(s->finished_head, &xid);
    if (v == PV_OK && pred_xacts[PRED_SUMMARY].covers_all)
        v = pred_conflict_with_summary(pred_me, s->summary_end);
    lw_release(pred_graph());
    if (v != PV_OK)
        pred_raise(v, xid);
}

/* Whether the transaction, in writing to rel, needs to look at all. */
static bool
must_check(Oid rel)
{
    if (!pred_tracking || !pred_tracks_relation(rel))
        return false;
    if (pred_is_doomed(pred_me))
        pred_raise(PV_PIVOT_CONFLICT_IN, pred_me->xid);
    return true;
}

void
pred_check_write(Oid db, Oid rel, BlockNo block, OffsetNo off)
{
    if (!must_check(rel))
        return;
    if (off != 0)
        check_target((PredTag){db, rel, block, off});
    if (block != BLOCK_INVALID)
        check_target((PredTag){db, rel, block, 0});
    check_target((PredTag){db, rel, BLOCK_INVALID, 0});
    check_covering();
}

/* ---- everything of one relation ---- */

static void
lock_all_partitions(LwMode mode)
{
    for (uint32_t i = 0; i < PRED_PARTITIONS; i++)
        lw_acquire(&pred_shared->partitions[i].lock, mode);
}

static void
unlock_all_partitions(void)
{
    for (uint32_t i = PRED_PARTITIONS; i-- > 0;)
        lw_release(&pred_shared->partitions[i].lock);
}

void
pred_check_drop(Oid db, Oid rel)
{
    PredVerdict v = PV_OK;
    Xid xid = 0;

    if (!must_check(rel))
        return;
    lw_acquire(pred_graph(), LW_EXCLUSIVE);
    lock_all_partitions(LW_SHARED);
    for (uint32_t b = 0; b < pred_shared->bucket_count; b++)
        for (int32_t i = pred_buckets[b]; i != PRED_NIL && v == PV_OK; i = pred_targets[i].next)
            if (pred_targets[i].tag.db == db && pred_targets[i].tag.rel == rel)
                v = conflicts_in(&pred_targets[i], &xid);
    unlock_all_partitions();
    lw_release(pred_graph());
    if (v != PV_OK)
        pred_raise(v, xid);
    check_covering();
}

static int32_t
target_of_relation(int32_t i, Oid db, Oid rel, const PredTag *but)
{
    for (; i != PRED_NIL; i = pred_targets[i].next)
        if (pred_targets[i].tag.db == db && pred_targets[i].tag.rel == rel && memcmp(&pred_targets[i].tag, but, sizeof *but) != 0)
            break;
    return i;
}

void
pred_relation_moved(Oid db, Oid rel, Oid heap)
{
    PredTag to = {db, heap, BLOCK_INVALID, 0};
    uint32_t hash = pred_tag_hash(&to);
    int32_t t;

    /* relaxed: who has read the relation held a lock on it that ours has waited for */
    if (atomic_load_explicit(&pred_shared->users, memory_order_relaxed) == 0 || !pred_tracks_relation(rel))
        return;
    lw_acquire(pred_graph(), LW_EXCLUSIVE);
    lock_all_partitions(LW_EXCLUSIVE);
    for (uint32_t b = 0; b < pred_shared->bucket_count; b++)
        while ((t = target_of_relation(pred_buckets[b], db, rel, &to)) != PRED_NIL) {
            int32_t lock = pred_targets[t].locks; /* the target goes with its last lock */
            PredXact *owner = &pred_xacts[pred_locks[lock].owner];
            Lsn end = pred_locks[lock].end;

            pred_lock_unlink(lock); /* first: it leaves room for its successor, or for its own target */
            if (!pred_lock_add(&to, hash, owner, end))
                pred_set_covers_all(owner);
        }
    unlock_all_partitions();
    lw_release(pred_graph());
    if (pred_tracking)
        pred_local_moved(db, rel, heap);
}

/* ---- index pages ---- */

static void
lock_two(uint32_t a, uint32_t b)
{
    uint32_t x = a % PRED_PARTITIONS, y = b % PRED_PARTITIONS;

    lw_acquire(pred_partition(MIN(x, y)), LW_EXCLUSIVE);
    if (x != y)
        lw_acquire(pred_partition(MAX(x, y)), LW_EXCLUSIVE);
}

static void
unlock_two(uint32_t a, uint32_t b)
{
    if (a % PRED_PARTITIONS != b % PRED_PARTITIONS)
        lw_release(pred_partition(b));
    lw_release(pred_partition(a));
}

/* Every owner of a lock on `from` gets one on `to`. graph: it is locked, so who gets none may be marked. */
static bool
copy_locks(const PredTag *from, const PredTag *to, bool graph)
{
    uint32_t fh = pred_tag_hash(from), th = pred_tag_hash(to);
    const PredTarget *t;
    bool ok = true;

    lock_two(fh, th);
    t = pred_target_find(from, fh);
    for (int32_t i = t ? t->locks : PRED_NIL; i != PRED_NIL; i = pred_locks[i].next) {
        PredXact *owner = &pred_xacts[pred_locks[i].owner];

        if (pred_lock_add(to, th, owner, pred_locks[i].end))
            continue;
        ok = false;
        if (graph)
            pred_set_covers_all(owner);
    }
    unlock_two(fh, th);
    return ok;
}

void
pred_page_split_slow(Oid db, Oid rel, BlockNo from, BlockNo to)
{
    PredTag a = {db, rel, from, 0}, b = {db, rel, to, 0};

    if (LIKELY(copy_locks(&a, &b, false)))
        return;
    lw_acquire(pred_graph(), LW_EXCLUSIVE);
    pred_summarise_finished();
    (void)copy_locks(&a, &b, true);
    lw_release(pred_graph());
}
