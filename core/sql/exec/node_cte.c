/*
 * Common table expressions. A CTE's rows are drawn from its plan as readers ask for them and kept in a
 * store, which every CteScan reads at its own position. A recursive union alternates two stores: the
 * rows of the last round, which WorkTableScan reads, and those of the current one.
 */
#include "core/sql/exec/exec_internal.h"

/* ---- the CTE itself ---- */

static void
cte_ready(Exec *x, SubPlanState *s)
{
    uint64_t stamp = plan_stamp(x, s->plan);

    if (s->store == NULL) {
        row_shape_of_targets(&s->shape, x->arena, s->plan->targets);
        s->store = store_create(x->arena, &s->shape);
    } else if (s->stamp == stamp) {
        return;
    } else {
        store_clear(s->store);
    }
    if (s->started)
        node_rescan(s->root);
    s->started = true;
    s->at_end = false;
    s->stamp = stamp;
}

static bool
cte_more(SubPlanState *s)
{
    if (s->at_end)
        return false;
    Batch *b = node_next(s->root);
    if (b == NULL) {
        s->at_end = true;
        return false;
    }
    store_put_batch(s->store, b);
    return true;
}

void
cte_run_to_end(Exec *x, SubPlanState *s)
{
    cte_ready(x, s);
    while (cte_more(s))
        CHECK_INTERRUPTS();
}

typedef struct CteNode {
    ExecNode n;
    SubPlanState *s;
    StoreReader reader;
    bool has_reader;
    uint64_t stamp;
    Batch *chunk;
    bool *needed;
} CteNode;

static Batch *
store_chunk(ExecNode *n, StoreReader *r, Batch *chunk, const bool *needed)
{
    int m = store_read(r, chunk, BATCH_ROWS, needed);

    if (m == 0)
        return NULL;
    n->env.in[ENV_SCAN] = n->env.in[ENV_OUTER] = chunk;
    return chunk;
}

static Batch *
cte_next(ExecNode *n)
{
    CteNode *c = (CteNode *)n;

    cte_ready(n->x, c->s);
    if (!c->has_reader) {
        store_reader_init(&c->reader, c->s->store, n->x->arena);
        c->has_reader = true;
    }
    if (!n->opened || c->stamp != c->s->stamp) {
        c->reader.at = 0;
        c->stamp = c->s->stamp;
        n->opened = true;
    }
    for (;;) {
        CHECK_INTERRUPTS();
        while (store_count(c->s->store) <= c->reader.at)
            if (!cte_more(c->s))
                return NULL;
        arena_reset(n->arena);
        if (store_chunk(n, &c->reader, c->chunk, c->needed) == NULL)
            return NULL;
        Batch *out = node_filter_project(n, c->chunk->n, c->chunk->n, NULL);
        if (out)
            return out;
    }
}

static void
reread(ExecNode *n)
{
    n->opened = false;
}

/* Columns that targets and quals read. */
static bool *
needed_columns(ExecNode *n, int ncols)
{
    bool *used = ARENA_ARRAY(n->x->arena, bool, ncols + 1);

    exprs_mark_columns(n->plan->targets, VAR_SCAN, used, ncols);
    exprs_mark_columns(n->plan->quals, VAR_SCAN, used, ncols);
    return used;
}

ExecNode *
node_cte_create(Exec *x, const Plan *p)
{
    CteNode *c = node_new_exec(x, p, sizeof(*c), cte_next);
    int ncols;

    c->n.rescan = c->n.close = reread;
    c->s = exec_subplan(x, ((const CteScanPlan *)p)->subplan);
    ncols = list_count(c->s->plan->targets);
    c->chunk = batch_new(x->arena, ncols);
    c->needed = needed_columns(&c->n, ncols);
    c->n.env.in[ENV_SCAN] = c->chunk;
    node_compile(&c->n);
    c->n.identity = false;
    return &c->n;
}

/* ---- recursive union ---- */

typedef struct RecursiveNode {
    ExecNode n;
    WorkTable *wt;
    RowShape shape;
    Store *stores[2];    /* [0] is read by the recursive part, [1] being filled */
    bool in_right, at_end;
    bool distinct;
    RowTable seen; KeyCol *keys; int *key_cols; int nkeys;
    uint64_t *hash;
} RecursiveNode;

WorkTable *
exec_worktable(Exec *x, int param)
{
    for (int i = 0; i < x->nworktables; i++)
        if (x->worktables[i].param == param)
            return &x->worktables[i];
    WorkTable *w = &x->worktables[x->nworktables++];
    w->param = param;
    return w;
}

/* Rows of the batch not seen before, into n->sel. */
static int
only_new(RecursiveNode *r, const Batch *b)
{
    const Vec *cols[MAX_COLUMNS];
    int k = 0;

    for (int c = 0; c < r->nkeys; c++)
        cols[c] = &b->cols[r->key_cols[c]];
    keys_hash(r->keys, r->nkeys, cols, true, b->nsel, b->sel, r->hash);
    FOR_ROWS (row, b->nsel, b->sel) {
        if (row_table_find(&r->seen, r->hash[row], cols, row))
            continue;
        row_table_add(&r->seen, r->hash[row], cols, row);
        r->n.sel[k++] = (uint16_t)row;
    }
    return k;
}

static Batch *
recursive_emit(RecursiveNode *r, Batch *in)
{
    ExecNode *n = &r->n;

    memcpy(n->out.cols, in->cols, sizeof(Vec) * (size_t)n->out.ncols);
    n->out.n = in->n;
    n->out.nsel = in->nsel;
    n->out.sel = in->sel;
    if (r->distinct) {
        n->out.nsel = only_new(r, in);
        n->out.sel = n->sel;
        if (n->out.nsel == 0)
            return NULL;
    }
    store_put_batch(r->stores[1], &n->out);
    return &n->out;
}

static void
recursive_open(RecursiveNode *r)
{
    r->n.opened = true;
    r->in_right = r->at_end = false;
    store_clear(r->stores[0]);
    store_clear(r->stores[1]);
    if (r->distinct)
        row_table_clear(&r->seen);
}

static Batch *
recursive_next(ExecNode *n)
{
    RecursiveNode *r = (RecursiveNode *)n;
    Batch *in, *out;

    if (!n->opened)
        recursive_open(r);
    while (!r->at_end) {
        CHECK_INTERRUPTS();
        in = node_next(r->in_right ? n->right : n->left);
        if (in) {
            if ((out = recursive_emit(r, in)) != NULL)
                return out;
            continue;
        }
        /* a round is over: what it gave is the next one's input */
        if (store_count(r->stores[1]) == 0) {
            r->at_end = true;
            break;
        }
        Store *s = r->stores[0];
        r->stores[0] = r->stores[1];
        r->stores[1] = s;
        store_clear(s);
        r->wt->store = r->stores[0];
        r->wt->version++;
        exec_param_set(n->x, r->wt->param, 0, false, false); /* what depends on the work table starts over */
        if (r->in_right)
            node_rescan(n->right);
        r->in_right = true;
    }
    return NULL;
}

static void
recursive_rescan(ExecNode *n)
{
    RecursiveNode *r = (RecursiveNode *)n;

    if (n->opened) {
        node_rescan(n->left);
        if (r->in_right)
            node_rescan(n->right);
    }
    n->opened = false;
}

ExecNode *
node_recursive_create(Exec *x, const Plan *p)
{
    RecursiveNode *r = node_new_exec(x, p, sizeof(*r), recursive_next);
    const RecursiveUnionPlan *rp = (const RecursiveUnionPlan *)p;

    r->n.rescan = recursive_rescan;
    row_shape_of_targets(&r->shape, x->arena, p->targets);
    r->stores[0] = store_create(x->arena, &r->shape);
    r->stores[1] = store_create(x->arena, &r->shape);
    r->wt = exec_worktable(x, rp->worktable_param);
    r->wt->shape = r->shape;
    r->wt->store = r->stores[0];
    r->n.left = node_create(x, p->left);
    r->n.right = node_create(x, p->right);
    r->n.out.ncols = r->shape.ncols;
    r->n.out.cols = ARENA_ARRAY(x->arena, Vec, r->shape.ncols + 1);
    r->n.sel = env_rows(&r->n.env);
    r->distinct = rp->distinct;
    if (r->distinct) {
        r->nkeys = list_count(rp->keys);
        Oid *types = ARENA_ARRAY(x->arena, Oid, r->nkeys + 1);
        r->keys = ARENA_ARRAY(x->arena, KeyCol, r->nkeys + 1);
        r->key_cols = ARENA_ARRAY(x->arena, int, r->nkeys + 1);
        for (int i = 0; i < r->nkeys; i++) {
            const SortKey *k = list_at(rp->keys, i);
            types[i] = k->type;
            r->key_cols[i] = k->column - 1;
            key_col_init(&r->keys[i], x->arena, k->eq_op, k->type, k->type, k->collation);
        }
        row_table_init(&r->seen, x->arena, r->nkeys, types, r->keys, r->nkeys, 0);
        r->hash = ARENA_ARRAY(x->arena, uint64_t, BATCH_ROWS);
    }
    return &r->n;
}

/* ---- work table scan ---- */

typedef struct WorkTableNode {
    ExecNode n;
    WorkTable *wt;
    StoreReader readers[2]; /* one for each of the two stores */
    uint64_t version;
    uint64_t at;
    Batch *chunk;
    bool *needed;
} WorkTableNode;

static StoreReader *
reader_of(WorkTableNode *w)
{
    for (int i = 0; i < 2; i++) {
        if (w->readers[i].store == NULL)
            store_reader_init(&w->readers[i], w->wt->store, w->n.x->arena);
        if (w->readers[i].store == w->wt->store)
            return &w->readers[i];
    }
    INTERNAL_ERROR("work table of unknown store");
}

static Batch *
worktable_next(ExecNode *n)
{
    WorkTableNode *w = (WorkTableNode *)n;
    StoreReader *r = reader_of(w);

    if (!n->opened || w->version != w->wt->version) {
        w->at = 0;
        w->version = w->wt->version;
        n->opened = true;
    }
    for (;;) {
        CHECK_INTERRUPTS();
        arena_reset(n->arena);
        r->at = w->at;
        if (store_chunk(n, r, w->chunk, w->needed) == NULL)
            return NULL;
        w->at = r->at;
        Batch *out = node_filter_project(n, w->chunk->n, w->chunk->n, NULL);
        if (out)
            return out;
    }
}

ExecNode *
node_worktable_create(Exec *x, const Plan *p)
{
    WorkTableNode *w = node_new_exec(x, p, sizeof(*w), worktable_next);
    const RangeEntry *re = list_at(x->p->range_table, ((const CteScanPlan *)p)->s.rel - 1);
    int ncols;

    w->n.rescan = w->n.close = reread;
    w->wt = exec_worktable(x, ((const CteScanPlan *)p)->param);
    ncols = w->wt->shape.ncols ? w->wt->shape.ncols : ints_count(re->col_types);
    w->chunk = batch_new(x->arena, ncols);
    w->needed = needed_columns(&w->n, ncols);
    w->n.env.in[ENV_SCAN] = w->chunk;
    node_compile(&w->n);
    w->n.identity = false;
    return &w->n;
}
