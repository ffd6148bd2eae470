/*
 * Scans of tables: what sequential, index, bitmap and TID scans share.
 */
#include "core/sql/exec/exec_internal.h"

void
scan_node_init(ScanNode *s, bool tuples)
{
    ExecNode *n = &s->n;
    Exec *x = n->x;
    const Plan *p = n->plan;
    ScanColumns *c = &s->cols;
    RelDesc *rel;

    s->rel = ((const ScanPlan *)p)->rel;
    s->epq_buf = BUF_INVALID;
    rel = exec_rel(x, s->rel);
    n->env.rel = rel;
    if (tuples) {
        c->natts = rel->natts;
        c->cols = ARENA_ARRAY(x->arena, Vec, c->natts + 1 + SCAN_SYSTEM);
        c->seen = ARENA_ARRAY(x->arena, uint32_t, c->natts + 1 + SCAN_SYSTEM);
        c->tuples = ARENA_NEW(x->arena, TupleBatch);
        c->arena = n->arena;
        n->env.scan = c;
    }
    s->nquals = list_count(p->quals);
    s->qual_list = expr_compile_list(&n->env, p->quals);
    node_compile(n);
}

void
scan_node_open(ScanNode *s)
{
    RelDesc *rel = exec_rel(s->n.x, s->rel);

    s->cols.heap = &rel->heap;
    s->n.env.rel = rel;
    s->n.opened = true;
}

Batch *
scan_emit(ScanNode *s, int ntuples)
{
    ExecNode *n = &s->n;
    ScanColumns *c = &s->cols;
    const uint16_t *sel = NULL;
    int m = ntuples;

    c->batch++;
    c->n = ntuples;
    c->sel = NULL;
    for (int i = 0; i < s->nquals; i++) {
        int k = prim_filter(s->qual_list[i], m, sel, n->sel);
        if (k != m) {
            m = k;
            sel = n->sel;
            c->n = m;
            c->sel = sel;
        }
        if (k == 0) {
            node_note_filtered(n, ntuples);
            return NULL;
        }
    }
    if (n->stats)
        node_note_filtered(n, ntuples - m);
    return node_project(n, ntuples, m, sel);
}

/* ---- recheck trees ---- */

void
scan_epq_reset(ScanNode *s)
{
    s->epq_done = false;
    if (s->epq_buf != BUF_INVALID && !s->n.x->aborting)
        rbuf_unpin(s->epq_buf);
    s->epq_buf = BUF_INVALID;
}

bool
scan_epq(ScanNode *s, Prim *recheck, Batch **out)
{
    const EpqRow *r = epq_row_of(s->n.x, s->rel);
    static const Snapshot any = {.kind = SNAPSHOT_ANY};
    TupleBatch *tb;
    Tuple t;

    *out = NULL;
    if (r == NULL)
        return false;
    if (s->epq_done)
        return true;
    scan_epq_reset(s);
    s->epq_done = true;
    if (!s->n.opened)
        scan_node_open(s);
    if (s->cols.tuples == NULL)
        INTERNAL_ERROR("a scan that reads an index only cannot recheck a row");
    if (!heap_fetch_version(s->cols.heap, r->tid, &any, &s->epq_buf, &t))
        return true;
    arena_reset(s->n.arena);
    tb = s->cols.tuples;
    tb->n = 1;
    tb->tup[0] = t.bytes;
    tb->size[0] = (uint16_t)t.size;
    tb->tid[0] = t.tid;
    tb->tail_cached = false;
    if (recheck) {
        uint16_t row;
        s->cols.batch++;
        s->cols.n = 1;
        s->cols.sel = NULL;
        if (prim_filter(recheck, 1, NULL, &row) == 0)
            return true;
    }
    *out = scan_emit(s, 1);
    return true;
}
