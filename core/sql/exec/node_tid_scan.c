/*
 * TID scan: rows by their address, given as tids, arrays of tids, or a cursor's position.
 */
#include "core/sql/exec/exec_internal.h"

#include <stdlib.h>

#include "core/sql/sql.h"

#define TID_BATCH 32

typedef struct TidNode {
    ScanNode s;
    int ncond; Prim **conds; const Expr *const *exprs;
    bool evaluated;
    Datum *tids; int ntids, cap, at;
    Buf pins[TID_BATCH]; int npins;
} TidNode;

static void
drop_pins(TidNode *s)
{
    for (int i = 0; i < s->npins && !s->s.n.x->aborting; i++)
        rbuf_unpin(s->pins[i]);
    s->npins = 0;
}

static void
add_tid(TidNode *s, Datum d)
{
    if (s->ntids == s->cap) {
        int cap = MAX(16, s->cap * 2);
        Datum *t = ARENA_ARRAY(s->s.n.x->run, Datum, cap);
        if (s->ntids)
            memcpy(t, s->tids, sizeof(Datum) * (size_t)s->ntids);
        s->tids = t;
        s->cap = cap;
    }
    s->tids[s->ntids++] = d;
}

static int
compare_datums(const void *a, const void *b)
{
    Datum x = *(const Datum *)a, y = *(const Datum *)b;

    return (x > y) - (x < y);
}

static void
evaluate(TidNode *s)
{
    const List *list = ((const TidScanPlan *)s->s.n.plan)->tids;

    s->ntids = s->at = 0;
    s->evaluated = true;
    for (int i = 0; i < s->ncond; i++) {
        const Expr *e = list_at(list, i);
        bool isnull;
        if (IS(e, CurrentOf)) {
            ItemPtr tid;
            if (session_hooks.cursor_position == NULL)
                UNSUPPORTED("WHERE CURRENT OF is not supported here");
            if (session_hooks.cursor_position(((const CurrentOf *)e)->cursor,
                                              exec_rel(s->s.n.x, s->s.rel)->oid, &tid)) {
                /* The row may have been updated since the cursor read it, through this cursor too. */
                tid = heap_latest_visible(s->s.cols.heap, tid, exec_snapshot(s->s.n.x));
                add_tid(s, tid_datum(tid.block, tid.off));
            }
            continue;
        }
        Datum d = prim_value(s->conds[i], &isnull);
        if (isnull)
            continue;
        if (e->type == TID_OID) {
            add_tid(s, d);
        } else {
            Datum *values;
            bool *nulls;
            int n;
            array_deconstruct(s->s.n.arena, d, &values, &nulls, &n);
            for (int k = 0; k < n; k++)
                if (!(nulls && nulls[k]))
                    add_tid(s, values[k]);
        }
    }
    if (s->ntids > 1)
        qsort(s->tids, (size_t)s->ntids, sizeof(Datum), compare_datums);
}

static Batch *
tid_next(ExecNode *n)
{
    TidNode *s = (TidNode *)n;
    TupleBatch *tb = s->s.cols.tuples;
    Batch *out;

    if (UNLIKELY(n->x->epq != NULL) && scan_epq(&s->s, NULL, &out))
        return out;
    if (!n->opened) {
        scan_node_open(&s->s);
        s->evaluated = false;
        s->tids = NULL;
        s->cap = s->npins = 0;
    }
    arena_reset(n->arena);
    if (!s->evaluated)
        evaluate(s);
    while (s->at < s->ntids) {
        int m = 0;
        CHECK_INTERRUPTS();
        arena_reset(n->arena);
        drop_pins(s);
        for (; m < TID_BATCH && s->at < s->ntids; s->at++) {
            Datum d = s->tids[s->at];
            Tuple t;
            if (s->at > 0 && d == s->tids[s->at - 1])
                continue;
            if (!heap_fetch_version(s->s.cols.heap,
                                    (ItemPtr){datum_tid_block(d), datum_tid_offset(d)},
                                    exec_snapshot(n->x), &s->pins[s->npins], &t))
                continue;
            s->npins++;
            tb->tup[m] = t.bytes;
            tb->size[m] = (uint16_t)t.size;
            tb->tid[m++] = t.tid;
        }
        tb->n = m;
        tb->tail_cached = false;
        if (m > 0 && (out = scan_emit(&s->s, m)) != NULL)
            return out;
    }
    drop_pins(s);
    return NULL;
}

static void
tid_rescan(ExecNode *n)
{
    TidNode *s = (TidNode *)n;

    scan_epq_reset(&s->s);
    if (n->opened)
        drop_pins(s);
    s->evaluated = false;
}

static void
tid_close(ExecNode *n)
{
    TidNode *s = (TidNode *)n;

    scan_epq_reset(&s->s);
    if (n->opened)
        drop_pins(s);
    s->tids = NULL;
    s->cap = s->ntids = 0;
}

ExecNode *
node_tid_scan_create(Exec *x, const Plan *p)
{
    TidNode *s = node_new_exec(x, p, sizeof(*s), tid_next);
    const List *list = ((const TidScanPlan *)p)->tids;

    s->s.n.rescan = tid_rescan;
    s->s.n.close = tid_close;
    scan_node_init(&s->s, true);
    s->ncond = list_count(list);
    s->conds = ARENA_ARRAY(x->arena, Prim *, s->ncond + 1);
    for (int i = 0; i < s->ncond; i++)
        if (!IS(list_at(list, i), CurrentOf))
            s->conds[i] = expr_compile(&s->s.n.env, list_at(list, i));
    return &s->s.n;
}
