/*
 * Set-returning functions: in FROM (FunctionScan) and in target lists (ProjectSet).
 */
#include "core/sql/exec/exec_internal.h"

/* One call of a set-returning function: started with a row's arguments, then asked for row after row. */
typedef struct Srf {
    ExprEnv *env;
    FnCtx *ctx;
    const FnInfo *fn;
    SetFn set;           /* NULL: a scalar, gives one row */
    Prim *scalar;
    Arena *state;        /* arguments and the function's state, of this call */
    int nargs; Prim **args; const Vec **argv;
    Datum *values; bool *nulls;
    int16_t *len; bool *byval;
    int ncols;
    Datum *out; bool *outnull;
    bool strict, active;
    Oid row_type;        /* rows are spread over the columns; 0: the value is the column */
} Srf;

static Srf *
srf_compile(ExprEnv *env, const Expr *e, int ncols, bool spread)
{
    Oid base = type_base(e->type, NULL);

    Srf *s = ARENA_NEW(env->state, Srf);

    s->env = env;
    s->ncols = ncols;
    s->row_type = spread && (base == RECORD_OID || type_info(base)->typtype == 'c') ? base : 0;
    s->out = ARENA_ARRAY(env->state, Datum, MAX(ncols, 1) + 64);
    s->outnull = ARENA_ARRAY(env->state, bool, MAX(ncols, 1) + 64);
    s->state = arena_create(env->state, "set-returning function");
    if (!IS(e, FuncCall) || !((const FuncCall *)e)->returns_set) {
        s->scalar = expr_compile(env, e);
        return s;
    }
    const FuncCall *f = (const FuncCall *)e;
    const FnInfo *info = fn_info(f->fn);
    if (info->builtin == NULL || info->builtin->set == NULL)
        UNSUPPORTED("function %s (OID %u) is not implemented", info->name, f->fn);
    s->fn = info;
    s->set = info->builtin->set;
    s->strict = (info->builtin->flags & FN_STRICT) != 0;
    s->nargs = list_count(f->args);
    s->args = expr_compile_list(env, f->args);
    s->argv = ARENA_ARRAY(env->state, const Vec *, s->nargs + 1);
    s->values = ARENA_ARRAY(env->state, Datum, s->nargs + 1);
    s->nulls = ARENA_ARRAY(env->state, bool, s->nargs + 1);
    s->len = ARENA_ARRAY(env->state, int16_t, s->nargs + 1);
    s->byval = ARENA_ARRAY(env->state, bool, s->nargs + 1);
    Oid *types = ARENA_ARRAY(env->state, Oid, s->nargs + 1);
    for (int i = 0; i < s->nargs; i++) {
        types[i] = ((const Expr *)list_at(f->args, i))->type;
        type_physical(types[i], &s->len[i], &s->byval[i]);
    }
    s->ctx = ARENA_NEW(env->state, FnCtx);
    *s->ctx = (FnCtx){.arena = env->arena,
                      .state_arena = s->state,
                      .argnull = s->nulls,
                      .nargs = s->nargs,
                      .fn_oid = f->fn,
                      .collation = f->input_collation,
                      .ret_type = e->type,
                      .ret_typmod = e->typmod,
                      .arg_types = types,
                      .variadic_array = f->variadic};
    return s;
}

/* Arguments for the given rows; then srf_start picks one row's. */
static void
srf_eval_args(Srf *s, int n, const uint16_t *sel)
{
    for (int i = 0; i < s->nargs; i++)
        s->argv[i] = prim_eval(s->args[i], n, sel);
}

static void
srf_start(Srf *s, int row)
{
    bool any_null = false;

    arena_reset(s->state);
    s->active = true;
    if (s->set == NULL)
        return;
    s->ctx->state = NULL;
    for (int i = 0; i < s->nargs; i++) {
        s->nulls[i] = vec_null(s->argv[i], row);
        any_null |= s->nulls[i];
        s->values[i] = s->nulls[i]
                           ? 0
                           : datum_copy(s->state, vec_get(s->argv[i], row), s->byval[i], s->len[i]);
    }
    if (any_null && s->strict)
        s->active = false;
}

/* A row value to the columns of the result; the type's dropped ones have none. */
static void
spread_record(Srf *s, Datum d, bool isnull)
{
    const RelDesc *rel = s->row_type == RECORD_OID ? NULL : rel_cached(type_info(s->row_type)->rel);
    int field = 0;

    for (int i = 0; i < s->ncols; i++) {
        field++;
        while (rel && field <= rel->natts && rel->cols[field - 1].dropped)
            field++;
        s->outnull[i] = true;
        if (!isnull && (rel || field <= record_columns(d)))
            s->out[i] = record_get(s->env->arena, d, field, NULL, &s->outnull[i]);
    }
}

static bool
srf_next(Srf *s)
{
    if (!s->active)
        return false;
    if (s->set) {
        for (int i = 0; i < s->ncols; i++)
            s->outnull[i] = false;
        s->active = s->set(s->ctx, s->values, s->out, s->outnull);
        if (s->active && s->row_type && s->fn->nout == 0)
            spread_record(s, s->out[0], s->outnull[0]);
        return s->active;
    }
    s->active = false;
    bool isnull;
    Datum d = prim_value(s->scalar, &isnull);
    if (!s->row_type) {
        s->out[0] = d;
        s->outnull[0] = isnull;
        return true;
    }
    spread_record(s, d, isnull);
    return true;
}

/* ---- FROM f(...) ---- */

typedef struct FunctionNode {
    ExecNode n;
    int count; Srf **fns; bool *done;
    bool ordinality;
    int64_t number;
    Batch *rows;
    bool at_end;
} FunctionNode;

static void
function_open(FunctionNode *f)
{
    f->n.opened = true;
    f->at_end = false;
    f->number = 0;
    for (int i = 0; i < f->count; i++) {
        srf_eval_args(f->fns[i], 1, NULL);
        srf_start(f->fns[i], 0);
    }
}

/* One row of all functions side by side; false when all are over. */
static bool
function_row(FunctionNode *f, int at)
{
    bool any = false;
    int col = 0;

    for (int i = 0; i < f->count; i++) {
        Srf *s = f->fns[i];
        bool has = srf_next(s);
        any |= has;
        for (int c = 0; c < s->ncols; c++, col++) {
            if (has && !s->outnull[c])
                f->rows->cols[col].v[at] = s->out[c];
            else
                vec_set_null(&f->rows->cols[col], at);
        }
    }
    if (f->ordinality)
        f->rows->cols[col].v[at] = int64_datum(++f->number);
    return any;
}

static Batch *
function_next(ExecNode *n)
{
    FunctionNode *f = (FunctionNode *)n;

    if (!n->opened) {
        arena_reset(n->arena);
        function_open(f);
    }
    while (!f->at_end) {
        int m = 0;
        CHECK_INTERRUPTS();
        arena_reset(n->arena);
        for (int c = 0; c < f->rows->ncols; c++)
            f->rows->cols[c].has_nulls = false;
        while (m < BATCH_ROWS && function_row(f, m))
            m++;
        f->at_end = m < BATCH_ROWS;
        if (m == 0)
            break;
        if (m < BATCH_ROWS)
            for (int c = 0; c < f->rows->ncols; c++)
                if (f->rows->cols[c].has_nulls) /* the row that was not there */
                    f->rows->cols[c].nulls[m >> 6] &= ~(UINT64_C(1) << (m & 63));
        f->rows->n = f->rows->nsel = m;
        n->env.in[ENV_SCAN] = f->rows;
        Batch *out = node_filter_project(n, m, m, NULL);
        if (out)
            return out;
    }
    return NULL;
}

static void
start_over(ExecNode *n)
{
    n->opened = false;
}

ExecNode *
node_function_create(Exec *x, const Plan *p)
{
    FunctionNode *f = node_new_exec(x, p, sizeof(*f), function_next);
    const FunctionScanPlan *fp = (const FunctionScanPlan *)p;
    int ncols = 0;
    ExprEnv *args = arena_memdup(x->arena, &f->n.env, sizeof(ExprEnv));

    f->n.rescan = f->n.close = start_over;
    f->count = list_count(fp->functions);
    f->fns = ARENA_ARRAY(x->arena, Srf *, f->count + 1);
    for (int i = 0; i < f->count; i++) {
        const RangeFunction *rf = list_at(fp->functions, i);
        f->fns[i] = srf_compile(args, rf->call, rf->column_count, true);
        ncols += rf->column_count;
    }
    f->ordinality = fp->with_ordinality;
    f->rows = batch_new(x->arena, ncols + f->ordinality);
    f->n.env.in[ENV_SCAN] = f->rows;
    node_compile(&f->n);
    return &f->n;
}

/* ---- SELECT f(...): the calls are taken out of the targets, and their rows put beside the child's ---- */

typedef struct ProjectSetNode {
    ExecNode n;
    int nsrf; Srf **srfs; bool *has, *byval; int16_t *len;
    const FnInfo **row_of; /* of a call that gives several columns: they become one row value */
    Batch *rows;         /* results of the calls */
    Batch *outer;        /* the child's columns, repeated */
    bool *used;
    Batch *in; int at;   /* current input row */
    bool running;
    ExprEnv arg_env;     /* over the child's batch */
} ProjectSetNode;

typedef struct TakeOut { ProjectSetNode *s; List *calls; } TakeOut;

static bool
find_srf(void *node, void *arg)
{
    if ((IS(node, FuncCall) && ((FuncCall *)node)->returns_set) ||
        (IS(node, OpCall) && ((OpCall *)node)->returns_set))
        return true;
    return node_walk_children(node, find_srf, arg, false);
}

static void *
take_out(void *node, void *arg)
{
    TakeOut *t = arg;
    Arena *a = t->s->n.x->arena;

    if (IS(node, FuncCall) && ((FuncCall *)node)->returns_set) {
        const FuncCall *f = node;
        for (int i = 0; i < list_count(f->args); i++)
            if (find_srf(list_at(f->args, i), NULL))
                UNSUPPORTED("set-returning functions in arguments of set-returning functions are "
                            "not supported");
        list_push(t->calls, node);
        Var *v = node_new(a, Var);
        v->expr = f->expr;
        v->expr.tag = TAG_Var;
        v->rel = VAR_SCAN;
        v->attno = t->calls->count;
        return v;
    }
    return node_mutate_children(a, node, take_out, arg, false);
}

/* The next input row; false: no more. */
static bool
next_input(ProjectSetNode *s)
{
    ExecNode *n = &s->n;

    if (s->in == NULL || ++s->at >= s->in->nsel) {
        if (n->left) {
            s->in = node_next(n->left);
        } else {
            static Batch one = {.n = 1, .nsel = 1};
            s->in = s->in ? NULL : &one;
        }
        s->at = 0;
        if (s->in == NULL)
            return false;
        arena_reset(s->arg_env.arena);
        s->arg_env.in[ENV_OUTER] = s->in;
        for (int i = 0; i < s->nsrf; i++)
            srf_eval_args(s->srfs[i], s->in->nsel, s->in->sel);
    }
    for (int i = 0; i < s->nsrf; i++)
        srf_start(s->srfs[i], batch_row(s->in, s->at));
    return true;
}

static void
repeat_row(ProjectSetNode *s, int to)
{
    int row = batch_row(s->in, s->at);

    for (int c = 0; c < s->in->ncols; c++) {
        if (!s->used[c])
            continue;
        if (vec_null(&s->in->cols[c], row))
            vec_set_null(&s->outer->cols[c], to);
        else
            s->outer->cols[c].v[to] = vec_get(&s->in->cols[c], row);
    }
}

static Batch *
project_set_next(ExecNode *n)
{
    ProjectSetNode *s = (ProjectSetNode *)n;
    int m = 0;

    if (!n->opened) {
        s->in = NULL;
        s->at = 0;
        s->running = false;
        n->opened = true;
    } else if (s->at < 0) {
        return NULL;
    }
    arena_reset(n->arena);
    for (int i = 0; i < s->nsrf; i++)
        s->rows->cols[i].has_nulls = false;
    for (int c = 0; c < s->outer->ncols; c++)
        s->outer->cols[c].has_nulls = false;
    /* A batch does not span inputs: what by-reference columns point at goes with the child's batch. */
    while (m < BATCH_ROWS) {
        if (!s->running) {
            if (m > 0 && s->at + 1 >= s->in->nsel)
                break;
            if (!next_input(s)) {
                s->at = -1;
                break;
            }
            s->running = true;
        }
        bool any = false;
        for (int i = 0; i < s->nsrf; i++) {
            s->has[i] = srf_next(s->srfs[i]);
            any |= s->has[i];
        }
        if (!any) {
            s->running = false;
            CHECK_INTERRUPTS();
            continue;
        }
        for (int i = 0; i < s->nsrf; i++) {
            const FnInfo *row = s->row_of[i];
            /* copied: it may lie in the call's arguments, which the next call replaces */
            if (s->has[i] && row)
                s->rows->cols[i].v[m] = record_make(n->arena, RECORD_OID, row->nout, row->out_types,
                                                    s->srfs[i]->out, s->srfs[i]->outnull);
            else if (s->has[i] && !s->srfs[i]->outnull[0])
                s->rows->cols[i].v[m] =
                    datum_copy(n->arena, s->srfs[i]->out[0], s->byval[i], s->len[i]);
            else
                vec_set_null(&s->rows->cols[i], m);
        }
        repeat_row(s, m++);
    }
    if (m == 0)
        return NULL;
    s->rows->n = s->rows->nsel = s->outer->n = s->outer->nsel = m;
    n->env.in[ENV_SCAN] = s->rows;
    n->env.in[ENV_OUTER] = s->outer;
    return node_project(n, m, m, NULL);
}

static void
project_set_rescan(ExecNode *n)
{
    n->opened = false;
    node_rescan(n->left);
}

ExecNode *
node_project_set_create(Exec *x, const Plan *p)
{
    ProjectSetNode *s = node_new_exec(x, p, sizeof(*s), project_set_next);
    TakeOut t = {s, list_new(x->arena)};
    int ncols = p->left ? list_count(p->left->targets) : 0;

    s->n.rescan = project_set_rescan;
    s->n.close = start_over;
    if (p->left)
        s->n.left = node_create(x, p->left);
    s->used = ARENA_ARRAY(x->arena, bool, ncols + 1);
    exprs_mark_columns(p->targets, VAR_OUTER, s->used, ncols);
    Plan *changed = arena_memdup(x->arena, p, sizeof(*p));
    changed->targets = list_new(x->arena);
    for (int i = 0; i < list_count(p->targets); i++) {
        TargetEntry *te = arena_memdup(x->arena, list_at(p->targets, i), sizeof(*te));
        te->expr = take_out(te->expr, &t);
        list_push(changed->targets, te);
    }
    s->arg_env = s->n.env;
    s->arg_env.arena = arena_create(x->arena, "arguments");
    s->nsrf = t.calls->count;
    s->srfs = ARENA_ARRAY(x->arena, Srf *, s->nsrf + 1);
    s->has = ARENA_ARRAY(x->arena, bool, s->nsrf + 1);
    s->row_of = ARENA_ARRAY(x->arena, const FnInfo *, s->nsrf + 1);
    s->byval = ARENA_ARRAY(x->arena, bool, s->nsrf + 1);
    s->len = ARENA_ARRAY(x->arena, int16_t, s->nsrf + 1);
    for (int i = 0; i < s->nsrf; i++) {
        const FnInfo *info = fn_info(((const FuncCall *)list_at(t.calls, i))->fn);
        if (info->nout > 1) /* several columns are one row value here */
            s->row_of[i] = info;
        s->srfs[i] = srf_compile(&s->arg_env, list_at(t.calls, i), MAX(info->nout, 1), false);
        type_physical(((const Expr *)list_at(t.calls, i))->type, &s->len[i], &s->byval[i]);
        if (s->srfs[i]->ctx)
            s->srfs[i]->ctx->arena = s->n.arena; /* results belong to the output batch */
    }
    s->rows = batch_new(x->arena, s->nsrf);
    s->outer = ARENA_NEW(x->arena, Batch);
    s->outer->ncols = ncols;
    s->outer->cols = ARENA_ARRAY(x->arena, Vec, ncols + 1);
    for (int c = 0; c < ncols; c++)
        if (s->used[c])
            vec_init(&s->outer->cols[c], x->arena);
    const Plan *real = s->n.plan;
    s->n.plan = changed;
    node_compile(&s->n);
    s->n.identity = false;
    s->n.plan = real;
    return &s->n;
}
