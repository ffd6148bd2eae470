/*
 * Looking at predicate locks from outside: pg_locks, dumps.
 */
#include "lockmgr/predicate_internal.h"

typedef struct ViewBuilder {
    PredLockView *views;
    int count, cap;
    Arena *arena;
} ViewBuilder;

static void
view_add(ViewBuilder *b, const PredTag *tag, const PredXact *owner)
{
    if (b->count == b->cap) {
        int cap = b->cap * 2;

        b->views = arena_realloc(b->arena, b->views, sizeof(PredLockView) * (size_t)b->cap, sizeof(PredLockView) * (size_t)cap);
        b->cap = cap;
    }
    b->views[b->count++] = (PredLockView){.db = tag->db, .rel = tag->rel, .block = tag->block, .off = (OffsetNo)tag->off,
                                          .pid = owner->pid, .slot = owner->slot, .local_xact = owner->local_xact};
}

/*
 * One partition at a time: a lock that is promoted meanwhile may show twice. Memory is taken inside:
 * running out of it raises, and error cleanup releases LWLocks. A linked lock keeps its owner in place.
 */
int
pred_lock_snapshot(Arena *a, PredLockView **out)
{
    ViewBuilder b = {ARENA_ARRAY(a, PredLockView, 64), 0, 64, a};

    /* relaxed: a picture for observers */
    for (uint32_t p = 0; p < PRED_PARTITIONS && atomic_load_explicit(&pred_shared->users, memory_order_relaxed) != 0; p++) {
        lw_acquire(pred_partition(p), LW_SHARED);
        for (uint32_t i = p; i < pred_shared->bucket_count; i += PRED_PARTITIONS)
            for (int32_t t = pred_buckets[i]; t != PRED_NIL; t = pred_targets[t].next)
                for (int32_t l = pred_targets[t].locks; l != PRED_NIL; l = pred_locks[l].next)
                    view_add(&b, &pred_targets[t].tag, &pred_xacts[pred_locks[l].owner]);
        lw_release(pred_partition(p));
    }
    *out = b.views;
    return b.count;
}

static void
dump_list(const char *what, int32_t head)
{
    for (int32_t i = head; i != PRED_NIL; i = pred_xacts[i].next) {
        const PredXact *x = &pred_xacts[i];

        LOG("%s serializable transaction %llu of process %u: snapshot %llX, low %llX, earliest out %llX, latest in %llX%s%s%s%s",
            what, (unsigned long long)x->xid, x->pid, (unsigned long long)x->snapshot, (unsigned long long)x->low,
            (unsigned long long)x->earliest_out, (unsigned long long)x->latest_in, x->read_only ? ", read only" : "",
            x->unsafe ? ", unsafe" : "", x->covers_all ? ", covers all" : "", pred_is_doomed(x) ? ", doomed" : "");
        for (int32_t e = x->out; e != PRED_NIL; e = pred_edges[e].out_next)
            LOG("  reads past %llu", (unsigned long long)pred_xacts[pred_edges[e].writer].xid);
    }
}

void
pred_dump(void)
{
    PredShared *s = pred_shared;

    lw_acquire(pred_graph(), LW_SHARED);
    dump_list("active", s->active_head);
    dump_list("finished", s->finished_head);
    LOG("serializable transactions: %llu stopped, %llu summarised, %llu overflows, %llu promotions of locks",
        (unsigned long long)s->dooms, (unsigned long long)s->summarised, (unsigned long long)s->overflows,
        (unsigned long long)atomic_load_explicit(&s->promotions, memory_order_relaxed));
    lw_release(pred_graph());
}
