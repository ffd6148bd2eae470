/*
 * The shared table of predicate locks: targets in a chained hash, locks on the target's and on the
 * owner's list. Sixteen partitions by the target's hash; the order of locks is graph, partitions
 * (ascending), spinlocks.
 *
 * A linked lock keeps its owner alive: whoever holds the target's partition may use the owner's record
 * without the graph lock, and may give the owner further locks (a page split does): the owner's end
 * takes the locks off one by one, each under its partition.
 */
#include <string.h>

#include "core/base/hash.h"
#include "lockmgr/predicate_internal.h"

uint32_t
pred_tag_hash(const PredTag *t)
{
    uint64_t a = (uint64_t)t->db << 32 | t->rel, b = (uint64_t)t->block << 32 | t->off;

    return (uint32_t)hash_u64(a ^ (b * UINT64_C(0x9E3779B97F4A7C15)));
}

static int32_t *
bucket_of(uint32_t hash)
{
    return &pred_buckets[hash & (pred_shared->bucket_count - 1)]; /* low 4 bits: the partition */
}

PredTarget *
pred_target_find(const PredTag *t, uint32_t hash)
{
    for (int32_t i = *bucket_of(hash); i != PRED_NIL; i = pred_targets[i].next)
        if (pred_targets[i].hash == hash && memcmp(&pred_targets[i].tag, t, sizeof *t) == 0)
            return &pred_targets[i];
    return NULL;
}

/* ---- free lists ---- */

/* Takes a lock and, if wanted, a target; both or none. */
static bool
take_free(int32_t *lock, int32_t *target)
{
    PredShared *s = pred_shared;
    bool ok;

    spin_lock(&s->free_lock);
    ok = s->free_locks != PRED_NIL && (!target || s->free_targets != PRED_NIL);
    if (ok) {
        *lock = s->free_locks;
        s->free_locks = pred_locks[*lock].next;
        if (target) {
            *target = s->free_targets;
            s->free_targets = pred_targets[*target].next;
        }
    }
    spin_unlock(&s->free_lock);
    return ok;
}

static void
give_free(int32_t lock, int32_t target)
{
    PredShared *s = pred_shared;

    spin_lock(&s->free_lock);
    pred_locks[lock].next = s->free_locks;
    s->free_locks = lock;
    if (target != PRED_NIL) {
        pred_targets[target].next = s->free_targets;
        s->free_targets = target;
    }
    spin_unlock(&s->free_lock);
}

/* ---- linking ---- */

static void
own_link(int32_t lock, PredXact *owner)
{
    PredLock *l = &pred_locks[lock];

    l->owner = pred_index(owner);
    spin_lock(&owner->list_lock);
    l->own_prev = PRED_NIL;
    l->own_next = owner->locks;
    if (owner->locks != PRED_NIL)
        pred_locks[owner->locks].own_prev = lock;
    owner->locks = lock;
    spin_unlock(&owner->list_lock);
}

static void
own_unlink(int32_t lock)
{
    PredLock *l = &pred_locks[lock];
    PredXact *owner = &pred_xacts[l->owner];

    spin_lock(&owner->list_lock);
    if (l->own_prev != PRED_NIL)
        pred_locks[l->own_prev].own_next = l->own_next;
    else
        owner->locks = l->own_next;
    if (l->own_next != PRED_NIL)
        pred_locks[l->own_next].own_prev = l->own_prev;
    spin_unlock(&owner->list_lock);
}

static int32_t
lock_of(const PredTarget *t, const PredXact *owner)
{
    int32_t o = pred_index(owner), i;

    for (i = t->locks; i != PRED_NIL && pred_locks[i].owner != o; i = pred_locks[i].next)
        ;
    return i;
}

bool
pred_lock_add(const PredTag *tag, uint32_t hash, PredXact *owner, Lsn end)
{
    PredTarget *t = pred_target_find(tag, hash);
    int32_t lock, target;

    if (t && (lock = lock_of(t, owner)) != PRED_NIL) {
        pred_locks[lock].end = MAX(pred_locks[lock].end, end);
        return true;
    }
    if (!take_free(&lock, t ? NULL : &target))
        return false;
    if (!t) {
        int32_t *bucket = bucket_of(hash);

        t = &pred_targets[target];
        *t = (PredTarget){.tag = *tag, .hash = hash, .next = *bucket, .locks = PRED_NIL};
        *bucket = target;
    }
    pred_locks[lock] = (PredLock){.target = (int32_t)(t - pred_targets), .hash = hash, .next = t->locks, .prev = PRED_NIL, .end = end};
    if (t->locks != PRED_NIL)
        pred_locks[t->locks].prev = lock;
    t->locks = lock;
    own_link(lock, owner);
    return true;
}

void
pred_lock_unlink(int32_t lock)
{
    PredLock *l = &pred_locks[lock];
    PredTarget *t = &pred_targets[l->target];
    int32_t gone = PRED_NIL;

    own_unlink(lock);
    if (l->prev != PRED_NIL)
        pred_locks[l->prev].next = l->next;
    else
        t->locks = l->next;
    if (l->next != PRED_NIL)
        pred_locks[l->next].prev = l->prev;
    if (t->locks == PRED_NIL) {
        int32_t *link = bucket_of(t->hash);

        gone = l->target;
        while (*link != gone)
            link = &pred_targets[*link].next;
        *link = t->next;
    }
    give_free(lock, gone);
}

bool
pred_lock_drop(const PredTag *tag, PredXact *owner)
{
    uint32_t hash = pred_tag_hash(tag);
    PredTarget *t;
    int32_t lock;

    lw_acquire(pred_partition(hash), LW_EXCLUSIVE);
    t = pred_target_find(tag, hash);
    lock = t ? lock_of(t, owner) : PRED_NIL;
    if (lock != PRED_NIL)
        pred_lock_unlink(lock);
    lw_release(pred_partition(hash));
    return lock != PRED_NIL;
}

/* ---- all locks of one transaction ---- */

/* The first lock of x with its partition locked, or PRED_NIL. Only the graph lock's holder takes locks of a
 * transaction that is not his own. */
static int32_t
first_lock(PredXact *x)
{
    int32_t lock;

    spin_lock(&x->list_lock);
    lock = x->locks;
    spin_unlock(&x->list_lock);
    /* It stays, though a split may put others in front of it meanwhile. */
    if (lock != PRED_NIL)
        lw_acquire(pred_partition(pred_locks[lock].hash), LW_EXCLUSIVE);
    return lock;
}

void
pred_release_locks(PredXact *x)
{
    int32_t lock;

    while ((lock = first_lock(x)) != PRED_NIL) {
        uint32_t hash = pred_locks[lock].hash;

        pred_lock_unlink(lock);
        lw_release(pred_partition(hash));
    }
}

void
pred_locks_to_summary(PredXact *x, Lsn end)
{
    PredXact *summary = &pred_xacts[PRED_SUMMARY];
    int32_t lock;

    while ((lock = first_lock(x)) != PRED_NIL) {
        uint32_t hash = pred_locks[lock].hash;
        int32_t have = lock_of(&pred_targets[pred_locks[lock].target], summary);

        if (have != PRED_NIL) {
            pred_locks[have].end = MAX(pred_locks[have].end, end);
            pred_lock_unlink(lock);
        } else {
            own_unlink(lock);
            pred_locks[lock].end = end;
            own_link(lock, summary);
        }
        lw_release(pred_partition(hash));
    }
}

/* Nobody but the graph lock's holder adds to or takes from the summary's list, except splits, which add
 * in front. */
void
pred_summary_trim(Lsn limit)
{
    PredXact *summary = &pred_xacts[PRED_SUMMARY];
    int32_t lock, next;

    spin_lock(&summary->list_lock);
    lock = summary->locks;
    spin_unlock(&summary->list_lock);
    for (; lock != PRED_NIL; lock = next) {
        uint32_t hash = pred_locks[lock].hash;

        lw_acquire(pred_partition(hash), LW_EXCLUSIVE);
        spin_lock(&summary->list_lock);
        next = pred_locks[lock].own_next;
        spin_unlock(&summary->list_lock);
        if (pred_locks[lock].end <= limit)
            pred_lock_unlink(lock);
        lw_release(pred_partition(hash));
    }
}
