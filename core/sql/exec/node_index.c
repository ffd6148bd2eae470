/*
 * Index scan and bitmap scan. Both turn addresses into a TupleBatch whose pages stay pinned until the
 * next batch; the index scan in the order of the index, the bitmap scan in the order of the heap.
 */
#include "core/sql/exec/index_range.h"
#include "core/access/count.h"

#include <stdlib.h>

#define PINS_MAX 128 /* pages one batch may hold */

typedef struct IndexNode {
    ScanNode s;
    IndexRanges r;
    Buf pins[PINS_MAX]; int npins;
    Buf cur; bool cur_used;  /* the page of the last address */
    ItemPtr tids[BATCH_ROWS]; int ntids, at;
    bool can_kill;           /* tids are still the index scan's last ones */
    /* bitmap */
    bool bitmap, collected;
    ItemPtr *all; uint64_t nall, all_cap, all_at;
} IndexNode;

static void
drop_pins(IndexNode *s)
{
    if (!s->s.n.x->aborting) {
        for (int i = 0; i < s->npins; i++)
            rbuf_unpin(s->pins[i]);
        if (s->cur != BUF_INVALID)
            rbuf_unpin(s->cur);
    }
    s->npins = 0;
    s->cur = BUF_INVALID;
    s->cur_used = false;
}

/* Adds the row at tid, if visible, as row number m of the batch. False: no more pins; try again later. */
static bool
fetch(IndexNode *s, ItemPtr tid, int m, bool *found, bool *dead)
{
    TupleBatch *tb = s->s.cols.tuples;
    Tuple t;

    if (s->cur != BUF_INVALID && s->cur_used && buf_block(s->cur) != tid.block) {
        if (s->npins == PINS_MAX)
            return false;
        s->pins[s->npins++] = s->cur;
        s->cur = BUF_INVALID;
        s->cur_used = false;
    }
    *found = heap_fetch_next(s->s.cols.heap, tid, exec_snapshot(s->s.n.x), &s->cur, &t, dead);
    if (*found) {
        count_index_fetched(s->r.ix->btree, 1);
        s->cur_used = true;
        tb->tup[m] = t.bytes;
        tb->size[m] = (uint16_t)t.size;
        tb->tid[m] = t.tid;
    }
    return true;
}

static Batch *
emit(IndexNode *s, int m)
{
    TupleBatch *tb = s->s.cols.tuples;

    tb->n = m;
    tb->tail_cached = false;
    if (UNLIKELY(s->r.need_recheck) && s->r.recheck) {
        /* recheck as one more filter before the quals: rows that fail are taken out of the batch */
        ScanColumns *c = &s->s.cols;
        uint16_t rows[BATCH_ROWS];
        c->batch++;
        c->n = m;
        c->sel = NULL;
        int k = prim_filter(s->r.recheck, m, NULL, rows);
        for (int i = 0; i < k; i++) {
            tb->tup[i] = tb->tup[rows[i]];
            tb->size[i] = tb->size[rows[i]];
            tb->tid[i] = tb->tid[rows[i]];
        }
        tb->n = m = k;
        tb->tail_cached = false;
    }
    return m > 0 ? scan_emit(&s->s, m) : NULL;
}

static void
index_open_run(IndexNode *s, bool bitmap)
{
    scan_node_open(&s->s);
    s->cur = BUF_INVALID;
    s->cur_used = false;
    s->npins = 0;
    s->ntids = s->at = 0;
    s->collected = false;
    s->all = NULL;
    s->nall = s->all_cap = s->all_at = 0;
    ranges_open(&s->r, false);
}

static Batch *
index_next(ExecNode *n)
{
    IndexNode *s = (IndexNode *)n;
    Batch *out;

    if (UNLIKELY(n->x->epq != NULL) && scan_epq(&s->s, s->r.recheck, &out))
        return out;
    if (!n->opened)
        index_open_run(s, false);
    for (;;) {
        int m = 0;
        bool full = false;
        CHECK_INTERRUPTS();
        if (s->r.done && s->at >= s->ntids) {
            drop_pins(s);
            return NULL;
        }
        arena_reset(n->arena);
        drop_pins(s);
        while (m < n->env.lanes && !full) {
            if (s->at >= s->ntids) {
                s->at = 0;
                s->ntids = ranges_next(&s->r, s->tids, n->env.lanes, NULL, NULL);
                if (s->ntids == 0)
                    break;
            }
            bool found = false, dead = false;
            if (!fetch(s, s->tids[s->at], m, &found, &dead)) {
                full = true;
                break;
            }
            if (found) {
                m++;
                if (s->r.single) {
                    s->at = s->ntids;
                    ranges_finish(&s->r);
                    break;
                }
            } else if (dead) {
                btree_scan_kill(s->r.scan, s->at);
            }
            s->at++;
        }
        if (m > 0 && (out = emit(s, m)) != NULL)
            return out;
    }
}

/* ---- bitmap ---- */

static int
compare_tids(const void *a, const void *b)
{
    const ItemPtr *x = a, *y = b;

    if (x->block != y->block)
        return x->block < y->block ? -1 : 1;
    return (int)x->off - (int)y->off;
}

static void
collect(IndexNode *s)
{
    Arena *a = s->s.n.x->run;
    int n;

    s->nall = s->all_at = 0;
    while ((n = ranges_next(&s->r, s->tids, BATCH_ROWS, NULL, NULL)) > 0) {
        if (s->nall + (uint64_t)n > s->all_cap) {
            uint64_t cap = MAX(1024, s->all_cap * 2);
            ItemPtr *all = arena_alloc(a, cap * sizeof(ItemPtr));
            if (s->nall)
                memcpy(all, s->all, s->nall * sizeof(ItemPtr));
            s->all = all;
            s->all_cap = cap;
        }
        memcpy(s->all + s->nall, s->tids, (size_t)n * sizeof(ItemPtr));
        s->nall += (uint64_t)n;
        CHECK_INTERRUPTS();
    }
    if (s->nall > 1)
        qsort(s->all, s->nall, sizeof(ItemPtr), compare_tids);
    s->collected = true;
}

static Batch *
bitmap_next(ExecNode *n)
{
    IndexNode *s = (IndexNode *)n;
    Batch *out;

    if (UNLIKELY(n->x->epq != NULL) && scan_epq(&s->s, s->r.recheck, &out))
        return out;
    if (!n->opened)
        index_open_run(s, true);
    if (!s->collected)
        collect(s);
    while (s->all_at < s->nall) {
        int m = 0;
        CHECK_INTERRUPTS();
        arena_reset(n->arena);
        drop_pins(s);
        for (; m < n->env.lanes && s->all_at < s->nall; s->all_at++) {
            bool found = false, dead = false;
            ItemPtr tid = s->all[s->all_at];
            if (s->all_at > 0 && item_ptr_equal(tid, s->all[s->all_at - 1]))
                continue;
            if (!fetch(s, tid, m, &found, &dead))
                break;
            m += found;
        }
        if (m > 0 && (out = emit(s, m)) != NULL)
            return out;
    }
    drop_pins(s);
    return NULL;
}

static void
index_rescan(ExecNode *n)
{
    IndexNode *s = (IndexNode *)n;

    scan_epq_reset(&s->s);
    if (!n->opened)
        return;
    drop_pins(s);
    s->ntids = s->at = 0;
    s->collected = false;
    ranges_restart(&s->r);
}

static void
index_close(ExecNode *n)
{
    IndexNode *s = (IndexNode *)n;

    scan_epq_reset(&s->s);
    if (!n->opened || s->r.scan == NULL)
        return;
    drop_pins(s);
    ranges_close(&s->r);
}

static ExecNode *
create(Exec *x, const Plan *p, NodeNext next)
{
    IndexNode *s = node_new_exec(x, p, sizeof(*s), next);

    s->s.n.rescan = index_rescan;
    s->s.n.close = index_close;
    s->cur = BUF_INVALID;
    scan_node_init(&s->s, true);
    ranges_init(&s->r, &s->s.n, (const IndexScanPlan *)p);
    return &s->s.n;
}

ExecNode *
node_index_scan_create(Exec *x, const Plan *p)
{
    return create(x, p, index_next);
}

ExecNode *
node_bitmap_create(Exec *x, const Plan *p)
{
    return create(x, p, bitmap_next);
}
