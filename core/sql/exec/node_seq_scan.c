/*
 * Sequential scan: visible tuples of whole pages, a batch at a time; columns are gathered when a qual or
 * target asks for them.
 */
#include "core/sql/exec/exec_internal.h"

typedef struct SeqScanNode {
    ScanNode s;
    HeapScan *scan;
    bool at_end;
} SeqScanNode;

static Batch *
seq_scan_next(ExecNode *n)
{
    SeqScanNode *s = (SeqScanNode *)n;
    Batch *out;

    if (UNLIKELY(n->x->epq != NULL) && scan_epq(&s->s, NULL, &out))
        return out;
    if (!n->opened) {
        scan_node_open(&s->s);
        s->at_end = false;
        s->scan = heap_scan_begin(n->x->run, s->s.cols.heap, exec_snapshot(n->x));
    }
    while (!s->at_end) {
        CHECK_INTERRUPTS();
        arena_reset(n->arena);
        s->s.cols.tuples->tail_cached = false;
        if (!heap_scan_next(s->scan, s->s.cols.tuples)) {
            s->at_end = true;
            break;
        }
        if (s->s.cols.tuples->n > 0 && (out = scan_emit(&s->s, s->s.cols.tuples->n)) != NULL)
            return out;
    }
    return NULL;
}

static void
seq_scan_rescan(ExecNode *n)
{
    SeqScanNode *s = (SeqScanNode *)n;

    scan_epq_reset(&s->s);
    if (n->opened && s->scan)
        heap_scan_restart(s->scan);
    s->at_end = false;
}

static void
seq_scan_close(ExecNode *n)
{
    SeqScanNode *s = (SeqScanNode *)n;

    scan_epq_reset(&s->s);
    if (n->opened && s->scan && !n->x->aborting)
        heap_scan_end(s->scan);
    s->scan = NULL;
}

ExecNode *
node_seq_scan_create(Exec *x, const Plan *p)
{
    SeqScanNode *s = node_new_exec(x, p, sizeof(*s), seq_scan_next);

    s->s.n.rescan = seq_scan_rescan;
    s->s.n.close = seq_scan_close;
    scan_node_init(&s->s, true);
    return &s->s.n;
}
