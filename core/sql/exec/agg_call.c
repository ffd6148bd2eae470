/*
 * One aggregate call: its arguments over a batch, its state, DISTINCT and ORDER BY inside the call.
 */
#include "core/sql/exec/agg.h"

static void
init_common(AggCall *c, ExprEnv *env, Oid fn, Oid collation, Oid ret_type, int32_t ret_typmod,
            const Expr *filter)
{
    const FnInfo *info = fn_info(fn);

    if (info->builtin == NULL || info->builtin->agg == NULL)
        UNSUPPORTED("aggregate %s (OID %u) is not implemented", info->name, fn);
    c->impl = info->builtin->agg;
    c->env = env;
    c->cols = ARENA_ARRAY(env->state, Prim *, c->ncols + 1);
    c->argv = ARENA_ARRAY(env->state, const Vec *, c->ncols + 1);
    c->rows = env_rows(env);
    c->filtered = env_rows(env);
    c->ctx.fn = (FnCtx){.arena = env->arena,
                        .state_arena = env->state,
                        .argnull = ARENA_ARRAY(env->state, bool, c->ncols + 1),
                        .nargs = c->nargs,
                        .fn_oid = fn,
                        .collation = collation,
                        .ret_type = ret_type,
                        .ret_typmod = ret_typmod};
    if (filter)
        c->filter = expr_compile(env, filter);
}

static const SortClause *
clause_of(const List *l, int ref)
{
    for (int i = 0; i < list_count(l); i++)
        if (((const SortClause *)list_at(l, i))->ref == ref)
            return list_at(l, i);
    return NULL;
}

static int
column_of_ref(const Aggref *a, int ref)
{
    for (int i = 0; i < list_count(a->args); i++)
        if (((const TargetEntry *)list_at(a->args, i))->sort_ref == ref)
            return i;
    INTERNAL_ERROR("sort clause of an aggregate without its argument");
}

static void
add_sort(AggCall *c, const Aggref *a, const SortClause *s)
{
    int col = column_of_ref(a, s->ref);
    const Expr *e = ((const TargetEntry *)list_at(a->args, col))->expr;
    SortKey key = {.column = col + 1,
                   .sort_op = s->sort_op,
                   .eq_op = s->eq_op,
                   .collation = e->collation,
                   .type = e->type,
                   .desc = s->desc,
                   .nulls_first = s->nulls_first};
    List one = {.count = 1, .items = (void *[]){&key}};

    sort_cols_of_keys(&c->sort[c->nsort++], &one);
}

static void
init_ordered(AggCall *c, const Aggref *a)
{
    Arena *state = c->env->state;
    Oid *types = ARENA_ARRAY(state, Oid, c->ncols + 1);

    c->ordered = true;
    c->distinct = list_count(a->distinct) > 0;
    c->sort = ARENA_ARRAY(state, SortCol, list_count(a->order) + list_count(a->distinct) + 1);
    for (int i = 0; i < list_count(a->order); i++)
        add_sort(c, a, list_at(a->order, i));
    for (int i = 0; i < list_count(a->distinct); i++) {
        const SortClause *s = list_at(a->distinct, i);
        if (!clause_of(a->order, s->ref))
            add_sort(c, a, s);
    }
    for (int i = 0; i < c->ncols; i++)
        types[i] = ((const TargetEntry *)list_at(a->args, i))->expr->type;
    c->ndistinct = list_count(a->distinct);
    c->dkeys = ARENA_ARRAY(state, KeyCol, c->ndistinct + 1);
    c->dcols = ARENA_ARRAY(state, int, c->ndistinct + 1);
    for (int i = 0; i < c->ndistinct; i++) {
        const SortClause *s = list_at(a->distinct, i);
        c->dcols[i] = column_of_ref(a, s->ref);
        const Expr *e = ((const TargetEntry *)list_at(a->args, c->dcols[i]))->expr;
        key_col_init(&c->dkeys[i], state, s->eq_op, e->type, e->type, e->collation);
    }
    row_shape_init(&c->shape, state, c->ncols, types);
    c->sorter = sorter_create(state, &c->shape, c->sort, c->nsort, (size_t)work_mem_kb * 1024);
    c->sorted = batch_new(state, c->ncols);
    c->last_arena = arena_create(state, "last distinct row");
}

void
agg_call_init(AggCall *c, ExprEnv *env, const Aggref *a)
{
    Oid *types;

    if (a->kind == 'h')
        UNSUPPORTED("hypothetical-set aggregate functions are not supported");
    c->ncols = list_count(a->args);
    for (int i = 0; i < c->ncols; i++)
        c->nargs += !((const TargetEntry *)list_at(a->args, i))->junk;
    init_common(c, env, a->fn, a->input_collation, a->expr.type, a->expr.typmod, a->filter);
    types = ARENA_ARRAY(env->state, Oid, c->ncols + 1);
    for (int i = 0; i < c->ncols; i++) {
        const Expr *e = ((const TargetEntry *)list_at(a->args, i))->expr;
        types[i] = e->type;
        c->cols[i] = expr_compile(env, e);
    }
    c->ctx.fn.arg_types = types;
    c->ctx.fn.variadic_array = a->variadic;
    if (list_count(a->order) > 0 || list_count(a->distinct) > 0)
        init_ordered(c, a);
}

void
agg_call_init_window(AggCall *c, ExprEnv *env, const WindowFunc *w)
{
    Oid *types;

    c->ncols = c->nargs = list_count(w->args);
    init_common(c, env, w->fn, w->input_collation, w->expr.type, w->expr.typmod, w->filter);
    types = ARENA_ARRAY(env->state, Oid, c->ncols + 1);
    for (int i = 0; i < c->ncols; i++) {
        const Expr *e = list_at(w->args, i);
        if (IS(e, TargetEntry))
            e = ((const TargetEntry *)e)->expr;
        types[i] = e->type;
        c->cols[i] = expr_compile(env, e);
    }
    c->ctx.fn.arg_types = types;
}

static inline char *
state_of(const AggCall *c, const char *group)
{
    char *p = (char *)(uintptr_t)group + c->offset;

    return c->ordered ? ((AggRows *)p)->state : p;
}

void
agg_init_state(AggCall *c, char *group)
{
    char *s = state_of(c, group);

    memset(group + c->offset, 0, agg_state_bytes(c));
    if (c->impl->init)
        c->impl->init(&c->ctx, s);
}

int
agg_prepare(AggCall *c, int n, const uint16_t *sel, const uint16_t **out)
{
    bool nulls = false;

    if (c->filter) {
        n = prim_filter(c->filter, n, sel, c->filtered);
        sel = c->filtered;
        if (n == 0)
            return 0;
    }
    for (int i = 0; i < c->ncols; i++) {
        c->argv[i] = prim_eval(c->cols[i], n, sel);
        nulls |= i < c->nargs && c->argv[i]->has_nulls;
    }
    if (nulls && c->impl->strict && !c->ordered) {
        int k = 0;
        FOR_ROWS (row, n, sel) {
            bool null = false;
            for (int i = 0; i < c->nargs; i++)
                null |= vec_null(c->argv[i], row);
            c->rows[k] = (uint16_t)row;
            k += !null;
        }
        n = k;
        sel = c->rows;
    }
    *out = sel;
    return n;
}

static inline void
step_row(AggCall *c, char *state, const Vec *const *argv, int row)
{
    Datum args[MAX_FN_ARGS];
    bool nulls[MAX_FN_ARGS];

    for (int i = 0; i < c->nargs; i++) {
        nulls[i] = vec_null(argv[i], row);
        args[i] = nulls[i] ? 0 : vec_get(argv[i], row);
    }
    c->ctx.fn.argnull = nulls;
    c->impl->step(&c->ctx, state, args, nulls);
}

void
agg_step(AggCall *c, char *group, int n, const uint16_t *sel)
{
    char *state = state_of(c, group);

    if (c->impl->step_many) {
        c->impl->step_many(&c->ctx, state, n, sel, c->argv);
        return;
    }
    FOR_ROWS (row, n, sel)
        step_row(c, state, c->argv, row);
}

void
agg_scatter(AggCall *c, char **groups, int n, const uint16_t *sel)
{
    if (c->impl->step_scatter) {
        c->impl->step_scatter(&c->ctx, groups, c->offset, n, sel, c->argv);
        return;
    }
    FOR_ROWS (row, n, sel)
        step_row(c, groups[row] + c->offset, c->argv, row);
}

/* ---- DISTINCT and ORDER BY inside the call ---- */

void
agg_keep_sorter(AggCall *c, int n, const uint16_t *sel)
{
    FOR_ROWS (row, n, sel)
        sorter_put(c->sorter, c->argv, row);
}

void
agg_keep_rows(AggCall *c, char **groups, int n, const uint16_t *sel)
{
    FOR_ROWS (row, n, sel) {
        AggRows *g = (AggRows *)(groups[row] + c->offset);
        Row *r = row_form_ptrs(c->ctx.arena, &c->shape, c->argv, row, 0);
        if (g->last)
            g->last->next = r;
        else
            g->first = r;
        g->last = r;
    }
}

static bool
same_as_last(AggCall *c, int row)
{
    const Datum *lanes;

    if (c->last == NULL)
        return false;
    lanes = row_lanes(&c->shape, c->last);
    for (int i = 0; i < c->ndistinct; i++) {
        const Vec *v = &c->sorted->cols[c->dcols[i]];
        bool x = row_null(c->last, c->dcols[i]), y = vec_null(v, row);
        if (x != y || (!x && !key_equal(&c->dkeys[i], lanes[c->dcols[i]], vec_get(v, row))))
            return false;
    }
    return true;
}

static void
step_sorted(AggCall *c, char *state, int n)
{
    for (int i = 0; i < c->ncols; i++)
        c->argv[i] = &c->sorted->cols[i];
    for (int row = 0; row < n; row++) {
        bool skip = false;
        if (c->distinct) {
            if (same_as_last(c, row))
                continue;
            arena_reset(c->last_arena);
            c->last = row_form(c->last_arena, &c->shape, c->sorted->cols, row, 0);
        }
        for (int i = 0; i < c->nargs && c->impl->strict; i++)
            skip |= vec_null(c->argv[i], row);
        if (!skip)
            step_row(c, state, c->argv, row);
    }
}

void
agg_finish_ordered(AggCall *c, char *group, bool from_sorter)
{
    char *state = state_of(c, group);

    c->last = NULL;
    if (!from_sorter) {
        AggRows *g = (AggRows *)(group + c->offset);
        Row *rows[BATCH_ROWS];
        sorter_clear(c->sorter);
        for (Row *r = g->first; r;) {
            int n = 0;
            for (; r && n < BATCH_ROWS; r = r->next)
                rows[n++] = r;
            rows_to_batch(&c->shape, rows, n, c->sorted, NULL);
            sorter_put_batch(c->sorter, c->sorted);
        }
    }
    sorter_finish(c->sorter);
    for (int n; (n = sorter_read(c->sorter, c->sorted, BATCH_ROWS, NULL)) > 0;) {
        step_sorted(c, state, n);
        CHECK_INTERRUPTS();
    }
    sorter_clear(c->sorter);
}

Datum
agg_final(AggCall *c, const char *group, Arena *result, bool *isnull)
{
    Arena *scratch = c->ctx.fn.arena;

    *isnull = false;
    c->ctx.fn.arena = result;
    Datum d = c->impl->final(&c->ctx, state_of(c, group), isnull);
    c->ctx.fn.arena = scratch;
    return d;
}
