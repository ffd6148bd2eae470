/*
 * Operators without much state: Result, subquery scan, VALUES, Append, Limit.
 */
#include "core/sql/exec/exec_internal.h"

/* ---- Result: one row without a child, a filter and projection with one ---- */

typedef struct ResultNode {
    ExecNode n;
    Prim *one_time;
    bool checked, done;
    Batch single;
    uint16_t scratch[1];
} ResultNode;

static Batch *
result_next(ExecNode *n)
{
    ResultNode *r = (ResultNode *)n;

    if (r->done)
        return NULL;
    arena_reset(n->arena);
    if (!r->checked) {
        r->checked = true;
        if (r->one_time && prim_filter(r->one_time, 1, NULL, r->scratch) == 0) {
            r->done = true;
            return NULL;
        }
    }
    if (n->left == NULL) {
        r->done = true;
        return node_filter_project(n, 1, 1, NULL);
    }
    for (;;) {
        Batch *in = node_next(n->left);
        if (in == NULL) {
            r->done = true;
            return NULL;
        }
        n->env.in[ENV_OUTER] = in;
        Batch *out = node_filter_project(n, in->n, in->nsel, in->sel);
        if (out)
            return out;
        arena_reset(n->arena);
    }
}

static void
result_rescan(ExecNode *n)
{
    ResultNode *r = (ResultNode *)n;

    r->done = r->checked = false;
    node_rescan(n->left);
}

static void
result_close(ExecNode *n)
{
    ((ResultNode *)n)->done = ((ResultNode *)n)->checked = false;
}

ExecNode *
node_result_create(Exec *x, const Plan *p)
{
    ResultNode *r = node_new_exec(x, p, sizeof(*r), result_next);

    r->n.rescan = result_rescan;
    r->n.close = result_close;
    if (p->left)
        r->n.left = node_create(x, p->left);
    r->n.env.in[ENV_OUTER] = r->n.env.in[ENV_SCAN] = &r->single;
    r->one_time = expr_compile_quals(&r->n.env, ((const ResultPlan *)p)->one_time_quals);
    node_compile(&r->n);
    return &r->n;
}

/* ---- subquery scan ---- */

static Batch *
subquery_next(ExecNode *n)
{
    for (Batch *in; (in = node_next(n->left)) != NULL;) {
        arena_reset(n->arena);
        n->env.in[ENV_SCAN] = n->env.in[ENV_OUTER] = in;
        Batch *out = node_filter_project(n, in->n, in->nsel, in->sel);
        if (out)
            return out;
    }
    return NULL;
}

static void
subquery_rescan(ExecNode *n)
{
    node_rescan(n->left);
}

ExecNode *
node_subquery_create(Exec *x, const Plan *p)
{
    ExecNode *n = node_new_exec(x, p, sizeof(*n), subquery_next);

    n->rescan = subquery_rescan;
    n->left = node_create(x, ((const SubqueryScanPlan *)p)->subplan);
    node_compile(n);
    return n;
}

/* ---- VALUES: each row's expressions are evaluated on their own, into lanes ---- */

typedef struct ValuesNode {
    ExecNode n;
    int nrows, ncols, at;
    Prim **cells;        /* by row, column */
    Batch *rows;
} ValuesNode;

static Batch *
values_next(ExecNode *n)
{
    ValuesNode *v = (ValuesNode *)n;

    while (v->at < v->nrows) {
        int m = MIN(v->nrows - v->at, n->env.lanes);
        CHECK_INTERRUPTS();
        arena_reset(n->arena);
        for (int c = 0; c < v->ncols; c++)
            v->rows->cols[c].has_nulls = v->rows->cols[c].is_const = false;
        for (int i = 0; i < m; i++)
            for (int c = 0; c < v->ncols; c++) {
                bool isnull;
                Datum d = prim_value(v->cells[(size_t)(v->at + i) * (size_t)v->ncols + (size_t)c],
                                     &isnull);
                if (isnull)
                    vec_set_null(&v->rows->cols[c], i);
                else
                    v->rows->cols[c].v[i] = d;
            }
        v->at += m;
        v->rows->n = v->rows->nsel = m;
        Batch *out = node_filter_project(n, m, m, NULL);
        if (out)
            return out;
    }
    return NULL;
}

static void
values_rescan(ExecNode *n)
{
    ((ValuesNode *)n)->at = 0;
}

ExecNode *
node_values_create(Exec *x, const Plan *p)
{
    ValuesNode *v = node_new_exec(x, p, sizeof(*v), values_next);
    const List *rows = ((const ValuesScanPlan *)p)->rows;
    ExprEnv one = v->n.env; /* cells are values, not vectors: lanes for one row */

    v->n.rescan = v->n.close = values_rescan;
    v->nrows = list_count(rows);
    v->ncols = v->nrows ? list_count(((const ListNode *)list_at(rows, 0))->list) : 0;
    v->cells = ARENA_ARRAY(x->arena, Prim *, (size_t)v->nrows * (size_t)v->ncols + 1);
    v->rows = ARENA_NEW(x->arena, Batch);
    v->rows->ncols = v->ncols;
    v->rows->cols = ARENA_ARRAY(x->arena, Vec, v->ncols + 1);
    for (int c = 0; c < v->ncols; c++)
        env_vec(&v->n.env, &v->rows->cols[c]);
    ExprEnv *cell_env = arena_memdup(x->arena, &one, sizeof(one));
    cell_env->lanes = FEW_LANES;
    for (int i = 0; i < v->nrows; i++) {
        const List *row = ((const ListNode *)list_at(rows, i))->list;
        for (int c = 0; c < v->ncols; c++)
            v->cells[(size_t)i * (size_t)v->ncols + (size_t)c] =
                expr_compile(cell_env, list_at(row, c));
    }
    v->n.env.in[ENV_SCAN] = v->n.env.in[ENV_OUTER] = v->rows;
    node_compile(&v->n);
    return &v->n;
}

/* ---- Append ---- */

typedef struct AppendNode {
    ExecNode n;
    int count, at;
    ExecNode **children;
    Batch none;
} AppendNode;

static Batch *
append_next(ExecNode *n)
{
    AppendNode *a = (AppendNode *)n;

    for (; a->at < a->count; a->at++) {
        Batch *in = node_next(a->children[a->at]);
        if (in == NULL)
            continue;
        if (n->plan->quals == NULL && n->identity)
            return in;
        arena_reset(n->arena);
        n->env.in[ENV_OUTER] = n->env.in[ENV_SCAN] = in;
        Batch *out = node_filter_project(n, in->n, in->nsel, in->sel);
        if (out)
            return out;
        a->at--; /* the same child again */
    }
    return NULL;
}

static void
append_rescan(ExecNode *n)
{
    AppendNode *a = (AppendNode *)n;

    a->at = 0;
    for (int i = 0; i < a->count; i++)
        node_rescan(a->children[i]);
}

static void
append_close(ExecNode *n)
{
    ((AppendNode *)n)->at = 0;
}

ExecNode *
node_append_create(Exec *x, const Plan *p)
{
    AppendNode *a = node_new_exec(x, p, sizeof(*a), append_next);
    const AppendPlan *ap = (const AppendPlan *)p;
    const Plan *first = list_count(ap->children) ? list_at(ap->children, 0) : NULL;

    a->n.rescan = append_rescan;
    a->n.close = append_close;
    a->count = list_count(ap->children);
    a->children = ARENA_ARRAY(x->arena, ExecNode *, a->count + 1);
    for (int i = 0; i < a->count; i++)
        a->children[i] = node_create(x, list_at(ap->children, i));
    a->n.env.in[ENV_OUTER] = &a->none;
    node_compile(&a->n);
    /* Targets that are the children's columns in order need no projection. */
    a->n.identity = first && list_count(p->targets) == list_count(first->targets);
    for (int i = 0; i < list_count(p->targets) && a->n.identity; i++) {
        const Var *v = (const Var *)((const TargetEntry *)list_at(p->targets, i))->expr;
        a->n.identity = IS(v, Var) && v->attno == i + 1;
    }
    return &a->n;
}
