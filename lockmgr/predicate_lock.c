/*
 * Taking predicate locks: the process's own table of what it holds, promotion to coarser locks, and what
 * is done when the shared table is full.
 *
 * The own table answers a repeated request without touching shared memory and counts how many finer
 * locks lie under a page or a relation. It is a hint in one direction: what it says is held is covered
 * by something in shared memory (others only add locks of ours, or replace them by coarser ones), but
 * shared memory may hold more. Its memory is an arena of its own, kept from transaction to transaction.
 */
#include <string.h>

#include "lockmgr/predicate_internal.h"

typedef struct LocalTarget {
    PredTag tag;
    uint32_t hash;
    int32_t children;  /* of a relation: locks on its pages and tuples; of a page: on its tuples */
    bool held;
} LocalTarget;

static struct {
    Arena *arena;
    LocalTarget *targets;
    int count, cap;
    int32_t *index; /* position + 1, 0 empty */
    uint32_t mask;
} local;

#define LOCAL_CAP_MIN 64
#define TAG_RELATION(d, r) ((PredTag){(d), (r), BLOCK_INVALID, 0})
#define TAG_PAGE(d, r, b) ((PredTag){(d), (r), (b), 0})

/* ---- the own table ---- */

static void
local_alloc(int cap)
{
    local.cap = cap;
    local.targets = ARENA_ARRAY(local.arena, LocalTarget, cap);
    local.mask = 4 * (uint32_t)cap - 1;
    local.index = ARENA_ARRAY(local.arena, int32_t, 4 * cap);
}

void
pred_local_reset(void)
{
    if (!local.arena)
        local.arena = arena_create(arena_top(), "predicate locks");
    if (local.cap != LOCAL_CAP_MIN) {
        arena_reset(local.arena);
        local_alloc(LOCAL_CAP_MIN);
    } else if (local.count > 0) {
        memset(local.index, 0, sizeof(int32_t) * (local.mask + 1));
    }
    local.count = 0;
}

static void
index_add(int position)
{
    uint32_t i = local.targets[position].hash & local.mask;

    while (local.index[i])
        i = (i + 1) & local.mask;
    local.index[i] = position + 1;
}

/* Position of the tag's entry, or -1. */
static int
local_find(const PredTag *tag, uint32_t hash)
{
    for (uint32_t i = hash & local.mask; local.index[i]; i = (i + 1) & local.mask) {
        int at = local.index[i] - 1;

        if (local.targets[at].hash == hash && memcmp(&local.targets[at].tag, tag, sizeof *tag) == 0)
            return at;
    }
    return -1;
}

static int
local_get(const PredTag *tag, uint32_t hash)
{
    int at = local_find(tag, hash);

    if (at >= 0)
        return at;
    if (local.count == local.cap) {
        LocalTarget *old = local.targets;

        local_alloc(local.cap * 2);
        memcpy(local.targets, old, sizeof(LocalTarget) * (size_t)local.count);
        for (int i = 0; i < local.count; i++)
            index_add(i);
    }
    local.targets[local.count] = (LocalTarget){.tag = *tag, .hash = hash};
    index_add(local.count);
    return local.count++;
}

/* ---- the shared table is full ---- */

void
pred_set_covers_all(PredXact *x)
{
    if (x->covers_all)
        return;
    x->covers_all = true;
    /* release: a writer that comes to a page after us sees it; relaxed would do, the page's lock orders */
    atomic_fetch_add_explicit(&pred_shared->covering, 1, memory_order_release);
    pred_shared->overflows++;
}

static bool
try_add(const PredTag *tag, uint32_t hash, PredXact *me)
{
    bool ok;

    lw_acquire(pred_partition(hash), LW_EXCLUSIVE);
    ok = pred_lock_add(tag, hash, me, 0);
    lw_release(pred_partition(hash));
    return ok;
}

/* Rule 8: finished transactions give way first, at the price of their precision; then our own locks. */
static void
add_when_full(const PredTag *tag, uint32_t hash, PredXact *me)
{
    PredXact *summary = &pred_xacts[PRED_SUMMARY];
    bool ok;

    lw_acquire(pred_graph(), LW_EXCLUSIVE);
    pred_summarise_finished();
    ok = try_add(tag, hash, me);
    if (!ok && summary->locks != PRED_NIL) {
        pred_set_covers_all(summary);
        pred_release_locks(summary);
        ok = try_add(tag, hash, me);
    }
    if (!ok) {
        pred_set_covers_all(me);
        pred_release_locks(me);
    }
    lw_release(pred_graph());
}

/* ---- taking a lock ---- */

static int
children_max(bool page)
{
    if (page)
        return max_pred_locks_per_page;
    if (max_pred_locks_per_relation >= 0)
        return max_pred_locks_per_relation;
    return max_pred_locks_per_transaction / -(int64_t)max_pred_locks_per_relation - 1;
}

/* A coarser lock is held now: the finer ones under it go. */
static void
drop_children(PredXact *me, const PredTag *tag, int rel_at)
{
    bool whole = tag->block == BLOCK_INVALID;

    for (int i = 0; i < local.count; i++) {
        LocalTarget *t = &local.targets[i];

        if (t->tag.rel != tag->rel || t->tag.db != tag->db || t->tag.block == BLOCK_INVALID)
            continue;
        if (!whole && (t->tag.block != tag->block || t->tag.off == 0))
            continue;
        t->children = 0;
        if (t->held) {
            (void)pred_lock_drop(&t->tag, me);
            t->held = false;
            local.targets[rel_at].children--;
        }
    }
    /* relaxed: a counter */
    atomic_fetch_add_explicit(&pred_shared->promotions, 1, memory_order_relaxed);
}

static void
take(PredXact *me, const PredTag *tag, int rel_at)
{
    uint32_t hash = pred_tag_hash(tag);
    int at = local_get(tag, hash);
    int children = local.targets[at].children;

    if (!try_add(tag, hash, me))
        add_when_full(tag, hash, me);
    local.targets[at].held = true;
    if (tag->block != BLOCK_INVALID)
        local.targets[rel_at].children++;
    if (children > 0)
        drop_children(me, tag, rel_at);
    local.targets[at].children = 0;
}

static void
acquire(PredTag tag)
{
    PredTag rel = TAG_RELATION(tag.db, tag.rel), page = TAG_PAGE(tag.db, tag.rel, tag.block);
    PredXact *me;
    int rel_at, page_at;

    pred_leave_if_safe();
    me = pred_me;
    if (!pred_tracking || me->covers_all || !pred_tracks_relation(tag.rel))
        return;
    rel_at = local_get(&rel, pred_tag_hash(&rel));
    if (local.targets[rel_at].held)
        return;
    if (tag.block == BLOCK_INVALID) {
        take(me, &rel, rel_at);
        return;
    }
    page_at = local_get(&page, pred_tag_hash(&page));
    if (local.targets[page_at].held)
        return;
    if (tag.off != 0) {
        int at = local_find(&tag, pred_tag_hash(&tag));

        if (at >= 0 && local.targets[at].held)
            return;
        if (local.targets[page_at].children >= children_max(true))
            tag = page;
    }
    /* The coarser lock stands before the finer ones go, so a writer who looks from fine to coarse sees one. */
    if (local.targets[rel_at].children >= children_max(false)) {
        take(me, &rel, rel_at);
        return;
    }
    take(me, &tag, rel_at);
    if (tag.off != 0)
        local.targets[page_at].children++;
}

void
pred_lock_relation(Oid db, Oid rel)
{
    acquire(TAG_RELATION(db, rel));
}

void
pred_lock_page(Oid db, Oid rel, BlockNo block)
{
    acquire(TAG_PAGE(db, rel, block));
}

void
pred_lock_tuple(Oid db, Oid rel, BlockNo block, OffsetNo off)
{
    acquire((PredTag){db, rel, block, off});
}

/* All of the transaction's locks on rel have become one on the whole of heap. */
void
pred_local_moved(Oid db, Oid rel, Oid heap)
{
    PredTag to = TAG_RELATION(db, heap);
    bool any = false;

    for (int i = 0; i < local.count; i++)
        if (local.targets[i].tag.rel == rel && local.targets[i].tag.db == db) {
            any |= local.targets[i].held;
            local.targets[i].held = false;
            local.targets[i].children = 0;
        }
    if (any)
        local.targets[local_get(&to, pred_tag_hash(&to))].held = true;
}
