/*
 * Index-only scan: values decoded from the entries; the heap is asked only about rows on pages that are
 * not all-visible.
 */
#include "core/sql/exec/index_range.h"
#include "core/access/count.h"

typedef struct IndexOnlyNode {
    ScanNode s;
    IndexRanges r;
    Batch *values;       /* by heap attnum; lanes for the index's columns only */
    Buf vm, heap;
    ItemPtr tids[BATCH_ROWS];
    const char *entries[BATCH_ROWS];
    uint16_t entry_bytes[BATCH_ROWS];
    Datum *decoded; bool *decoded_nulls;
    int ncolumns;
} IndexOnlyNode;

static void
release(IndexOnlyNode *s)
{
    if (!s->s.n.x->aborting) {
        if (s->heap != BUF_INVALID)
            rbuf_unpin(s->heap);
        vm_release(&s->vm);
    }
    s->heap = s->vm = BUF_INVALID;
}

static bool
visible(IndexOnlyNode *s, int k)
{
    Tuple t;
    bool dead = false;

    if (vm_all_visible(s->s.cols.heap, s->tids[k].block, &s->vm) &&
        (LIKELY(!exec_snapshot(s->s.n.x)->serializable) ||
         heap_lock_unread_page(s->s.cols.heap, s->tids[k].block, &s->vm)))
        return true;
    if (s->s.n.stats)
        s->s.n.stats->heap_fetches++;
    bool found =
        heap_fetch_next(s->s.cols.heap, s->tids[k], exec_snapshot(s->s.n.x), &s->heap, &t, &dead);
    if (found)
        count_index_fetched(s->r.ix->btree, 1);
    else if (dead)
        btree_scan_kill(s->r.scan, k);
    return found;
}

static Batch *
index_only_next(ExecNode *n)
{
    IndexOnlyNode *s = (IndexOnlyNode *)n;
    const IndexScanPlan *p = (const IndexScanPlan *)n->plan;

    if (UNLIKELY(n->x->epq != NULL) && epq_row_of(n->x, s->s.rel))
        INTERNAL_ERROR("an index-only scan cannot recheck a row");
    if (!n->opened) {
        scan_node_open(&s->s);
        s->heap = s->vm = BUF_INVALID;
        ranges_open(&s->r, true);
    }
    for (;;) {
        int m = 0;
        CHECK_INTERRUPTS();
        int got = ranges_next(&s->r, s->tids, n->env.lanes, s->entries, s->entry_bytes);
        if (got == 0) {
            release(s);
            return NULL;
        }
        arena_reset(n->arena);
        for (int c = 0; c < s->ncolumns; c++) {
            int att = (int)p->index_columns->items[c];
            if (att > 0)
                s->values->cols[att - 1].has_nulls = false;
        }
        for (int k = 0; k < got; k++) {
            if (!visible(s, k))
                continue;
            btree_decode(s->r.ix->btree, n->arena, s->entries[k], s->entry_bytes[k], s->decoded,
                         s->decoded_nulls);
            for (int c = 0; c < s->ncolumns; c++) {
                int att = (int)p->index_columns->items[c];
                if (att <= 0)
                    continue;
                if (s->decoded_nulls[c])
                    vec_set_null(&s->values->cols[att - 1], m);
                else
                    s->values->cols[att - 1].v[m] = s->decoded[c];
            }
            m++;
        }
        if (m == 0)
            continue;
        if (s->r.need_recheck && s->r.recheck) {
            m = prim_filter(s->r.recheck, m, NULL, n->sel);
            if (m == 0)
                continue;
            Batch *out = node_filter_project(n, got, m, n->sel);
            if (out)
                return out;
            continue;
        }
        Batch *out = node_filter_project(n, m, m, NULL);
        if (out)
            return out;
    }
}

static void
index_only_rescan(ExecNode *n)
{
    IndexOnlyNode *s = (IndexOnlyNode *)n;

    if (n->opened)
        ranges_restart(&s->r);
}

static void
index_only_close(ExecNode *n)
{
    IndexOnlyNode *s = (IndexOnlyNode *)n;

    if (!n->opened || s->r.scan == NULL)
        return;
    release(s);
    ranges_close(&s->r);
}

ExecNode *
node_index_only_create(Exec *x, const Plan *p)
{
    IndexOnlyNode *s = node_new_exec(x, p, sizeof(*s), index_only_next);
    const IndexScanPlan *ip = (const IndexScanPlan *)p;
    RelDesc *rel = exec_rel(x, ip->s.rel);

    s->s.n.rescan = index_only_rescan;
    s->s.n.close = index_only_close;
    s->ncolumns = ints_count(ip->index_columns);
    s->heap = s->vm = BUF_INVALID;
    s->values = ARENA_NEW(x->arena, Batch);
    s->values->ncols = rel->natts;
    s->values->cols = ARENA_ARRAY(x->arena, Vec, rel->natts + 1);
    for (int c = 0; c < s->ncolumns; c++)
        if (ip->index_columns->items[c] > 0)
            vec_init(&s->values->cols[ip->index_columns->items[c] - 1], x->arena);
    s->decoded = ARENA_ARRAY(x->arena, Datum, s->ncolumns + 1);
    s->decoded_nulls = ARENA_ARRAY(x->arena, bool, s->ncolumns + 1);
    s->s.n.env.in[ENV_SCAN] = s->values;
    scan_node_init(&s->s, false);
    s->s.n.identity = false;
    ranges_init(&s->r, &s->s.n, ip);
    return &s->s.n;
}
