/*
 * Looking at the lock table from outside: pg_locks, conflicting transactions, dumps.
 */
#include <stdio.h>

#include "core/base/str.h"
#include "lockmgr/lock_internal.h"
#include "lockmgr/lockmgr.h"

typedef struct ViewBuilder {
    LockView *views;
    int count, cap;
    Arena *arena;
} ViewBuilder;

static void
view_add(ViewBuilder *b, LockTag tag, LockMode mode, bool granted, bool fastpath, uint32_t slot, TimestampTz wait_start)
{
    const ProcSlot *p = &proc_slots[slot];

    if (b->count == b->cap) {
        int cap = b->cap * 2;
        b->views = arena_realloc(b->arena, b->views, sizeof(LockView) * (size_t)b->cap, sizeof(LockView) * (size_t)cap);
        b->cap = cap;
    }
    /* relaxed: a snapshot for observers */
    b->views[b->count++] = (LockView){tag, mode, granted, fastpath, atomic_load_explicit(&p->pid, memory_order_relaxed),
                                      slot, p->local_xact, wait_start};
}

static void
add_fast_path(ViewBuilder *b, uint32_t slot)
{
    FastView v;

    fast_path_read(slot, &v);
    for (uint64_t left = v.used; left; left &= left - 1) {
        int i = __builtin_ctzll(left);
        view_add(b, lock_tag_of_key(v.relations[i]), (LockMode)v.modes[i], true, true,
                 slot, 0);
    }
    if (v.vxid_held)
        view_add(b, lock_tag_vxid(slot, v.vxid), LOCK_EXCLUSIVE, true, true, slot, 0);
    for (int i = 0; i < FAST_XIDS; i++)
        if (v.xids[i]) /* where it stands is nobody's business: PostgreSQL shows it as in the table */
            view_add(b, lock_tag_xid(v.xids[i]), LOCK_EXCLUSIVE, true, false, slot, 0);
}

/*
 * Fast paths first: a lock moved to the table in between shows twice, never not at all. All partitions
 * are held at once, so that the table part is one moment's picture. Memory is taken inside: running
 * out of it raises, and error cleanup releases LWLocks.
 */
int
lock_snapshot(Arena *a, LockView **out)
{
    ViewBuilder b = {ARENA_ARRAY(a, LockView, 256), 0, 256, a};

    for (uint32_t slot = 0; slot < (uint32_t)proc_slot_count; slot++) {
        /* relaxed: a process that attaches now is not missed by anybody */
        if (atomic_load_explicit(&proc_slots[slot].pid, memory_order_relaxed) != 0)
            add_fast_path(&b, slot);
    }
    lock_lock_all_partitions(LW_SHARED);
    for (uint32_t bucket = 0; bucket < lock_shared->bucket_count; bucket++)
        for (int32_t i = lock_buckets[bucket]; i != LOCK_NIL; i = lock_pool[i].next)
            for (int32_t j = lock_pool[i].holders; j != LOCK_NIL; j = holder_pool[j].next) {
                const Holder *h = &holder_pool[j];
                for (LockMode m = LOCK_ACCESS_SHARE; m < LOCK_MODE_COUNT; m++)
                    if (h->hold_mask & LOCK_BIT(m))
                        view_add(&b, lock_pool[i].tag, m, true, false, h->slot, 0);
                if (h->wait_mode)
                    view_add(&b, lock_pool[i].tag, (LockMode)h->wait_mode, false, false, h->slot, h->wait_start);
            }
    lock_unlock_all_partitions();
    *out = b.views;
    return b.count;
}

/* Adds each process once. */
static int
add_vxid(uint64_t (*list)[2], int count, uint32_t slot)
{
    for (int i = 0; i < count; i++)
        if (list[i][0] == slot)
            return count;
    list[count][0] = slot;
    list[count][1] = proc_slots[slot].local_xact;
    return count + 1;
}

/* Whether a process holds one of the modes on tag by its fast path. */
static bool
fast_path_holds(uint32_t slot, const LockTag *tag, uint16_t modes)
{
    FastView v;

    fast_path_read(slot, &v);
    if (tag->type == LOCKTAG_RELATION) {
        for (uint64_t left = v.used; left; left &= left - 1) {
            int i = __builtin_ctzll(left);
            if (v.relations[i] == lock_tag_key(tag) && (modes & LOCK_BIT(v.modes[i])))
                return true;
        }
    } else if (tag->type == LOCKTAG_TRANSACTION && (modes & LOCK_BIT(LOCK_EXCLUSIVE))) {
        for (int i = 0; i < FAST_XIDS; i++)
            if (v.xids[i] == lock_tag_to_xid(tag))
                return true;
    } else if (tag->type == LOCKTAG_VIRTUALXID && (modes & LOCK_BIT(LOCK_EXCLUSIVE))) {
        return tag->f1 == slot && v.vxid_held && v.vxid == ((uint64_t)tag->f3 << 32 | tag->f2);
    }
    return false;
}

int
lock_conflicting(LockTag tag, LockMode mode, Arena *a, uint64_t (**out)[2])
{
    uint32_t hash = lock_tag_hash(&tag);
    uint16_t conflicts = lock_conflict_mask[mode];
    uint64_t (*list)[2] = arena_alloc(a, sizeof(*list) * (size_t)MAX(proc_slot_count, 1));
    int count = 0;

    fast_path_heavy_fence(); /* who noted a lock before we were called is seen */
    for (uint32_t slot = 0; slot < (uint32_t)proc_slot_count; slot++) {
        if (!(proc_self && slot == proc_self->index) && fast_path_holds(slot, &tag, conflicts))
            count = add_vxid(list, count, slot);
    }
    lw_acquire(partition_lock(hash), LW_SHARED);
    Lock *l = lock_find(&tag, hash);
    for (int32_t i = l ? l->holders : LOCK_NIL; i != LOCK_NIL; i = holder_pool[i].next)
        if ((holder_pool[i].hold_mask & conflicts) && !(proc_self && holder_pool[i].slot == proc_self->index))
            count = add_vxid(list, count, holder_pool[i].slot);
    lw_release(partition_lock(hash));
    *out = list;
    return count;
}

void
lock_dump_all(void)
{
    Arena *a = arena_create(arena_top(), "lock dump");
    LockView *views;
    int count = lock_snapshot(a, &views);

    for (int i = 0; i < count; i++) {
        char what[128];
        lock_tag_describe(&views[i].tag, what, sizeof(what));
        LOG("process %u %s %s on %s%s", views[i].pid, views[i].granted ? "holds" : "waits for", lock_mode_name(views[i].mode),
            what, views[i].fastpath ? " (fast path)" : "");
    }
    arena_destroy(a);
    lock_stats_dump();
}
