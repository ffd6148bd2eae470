/*
 * Window: takes the sorted input partition by partition, computes every function over the partition as
 * arrays, and gives the rows with the results beside them. A partition is held in memory.
 */
#include "core/sql/exec/window.h"

static bool
same_keys(const KeyCol *keys, const int *cols, int n, const RowShape *s, const Row *a, const Row *b)
{
    const Datum *x = row_lanes(s, a), *y = row_lanes(s, b);

    for (int k = 0; k < n; k++) {
        int c = cols[k];
        bool na = row_null(a, c), nb = row_null(b, c);
        if (na != nb || (!na && !key_equal(&keys[k], x[c], y[c])))
            return false;
    }
    return true;
}

static void
add_row(WindowNode *w, Row *r)
{
    if (w->nrows == w->cap) {
        int64_t cap = MAX(256, w->cap * 2);
        Row **rows = arena_alloc(w->part_arena, sizeof(Row *) * (size_t)cap);
        if (w->nrows)
            memcpy(rows, w->rows, sizeof(Row *) * (size_t)w->nrows);
        w->rows = rows;
        w->cap = cap;
    }
    w->rows[w->nrows++] = r;
}

static bool
begins_partition(WindowNode *w, const Batch *b, int row)
{
    const Row *last = w->rows[w->nrows - 1];
    const Datum *lanes = row_lanes(&w->shape, last);

    for (int k = 0; k < w->npart; k++) {
        int c = w->part_cols[k];
        bool x = row_null(last, c), y = vec_null(&b->cols[c], row);
        if (x != y || (!x && !key_equal(&w->part_keys[k], lanes[c], vec_get(&b->cols[c], row))))
            return true;
    }
    return false;
}

/* Reads the next partition; false: there is none. */
static bool
read_partition(WindowNode *w)
{
    ExecNode *n = &w->n;

    arena_reset(w->part_arena);
    w->rows = NULL;
    w->nrows = w->cap = w->at = 0;
    w->frame_start = w->frame_end = NULL;
    for (;;) {
        if (w->in == NULL || w->k >= w->in->nsel) {
            CHECK_INTERRUPTS();
            w->in = w->at_end ? NULL : node_next(n->left);
            w->k = 0;
            if (w->in == NULL) {
                w->at_end = true;
                return w->nrows > 0;
            }
        }
        int row = batch_row(w->in, w->k);
        if (w->nrows > 0 && w->npart > 0 && begins_partition(w, w->in, row))
            return true;
        add_row(w, row_form(w->part_arena, &w->shape, w->in->cols, row, 0));
        w->k++;
    }
}

static void
find_groups(WindowNode *w)
{
    w->group_of = arena_alloc(w->part_arena, sizeof(int64_t) * (size_t)(w->nrows + 1));
    w->group_start = arena_alloc(w->part_arena, sizeof(int64_t) * (size_t)(w->nrows + 2));
    w->ngroups = 0;
    for (int64_t i = 0; i < w->nrows; i++) {
        if (i == 0 || (w->norder > 0 && !same_keys(w->order_keys, w->order_cols, w->norder,
                                                   &w->shape, w->rows[i - 1], w->rows[i])))
            w->group_start[w->ngroups++] = i;
        w->group_of[i] = w->ngroups - 1;
    }
    w->group_start[w->ngroups] = w->nrows;
}

/* The functions' arguments for all rows. */
static void
eval_arguments(WindowNode *w)
{
    Arena *a = w->part_arena;
    size_t n = (size_t)w->nrows;

    for (int i = 0; i < w->nfuncs; i++) {
        WinFn *f = &w->funcs[i];
        for (int k = 0; k < f->call.nargs; k++) {
            f->args[k] = arena_alloc(a, sizeof(Datum) * (n + 1));
            f->argnull[k] = arena_alloc(a, n + 1);
            f->any_null[k] = false;
        }
        f->passes = f->call.filter ? arena_alloc0(a, n + 1) : NULL;
        f->result = arena_alloc(a, sizeof(Datum) * (n + 1));
        f->isnull = arena_alloc(a, n + 1);
    }
    for (int64_t from = 0; from < w->nrows; from += BATCH_ROWS) {
        int m = (int)MIN(w->nrows - from, (int64_t)BATCH_ROWS);
        CHECK_INTERRUPTS();
        arena_reset(w->arg_env.arena);
        rows_to_batch(&w->shape, w->rows + from, m, w->chunk, NULL);
        w->arg_env.in[ENV_OUTER] = w->chunk;
        for (int i = 0; i < w->nfuncs; i++) {
            WinFn *f = &w->funcs[i];
            for (int k = 0; k < f->call.nargs; k++) {
                const Vec *v = prim_eval(f->call.cols[k], m, NULL);
                for (int r = 0; r < m; r++) {
                    bool isnull = vec_null(v, r);
                    f->argnull[k][from + r] = isnull;
                    f->any_null[k] |= isnull;
                    f->args[k][from + r] =
                        isnull ? 0 : datum_copy(a, vec_get(v, r), f->byval[k], f->len[k]);
                }
            }
            if (f->passes) {
                uint16_t hits[BATCH_ROWS];
                int k = prim_filter(f->call.filter, m, NULL, hits);
                for (int r = 0; r < k; r++)
                    f->passes[from + hits[r]] = true;
            }
        }
    }
}

static Batch *
emit(WindowNode *w)
{
    ExecNode *n = &w->n;
    int m = (int)MIN(w->nrows - w->at, (int64_t)BATCH_ROWS);

    arena_reset(n->arena);
    rows_to_batch(&w->shape, w->rows + w->at, m, w->out_rows, NULL);
    for (int i = 0; i < w->nfuncs; i++) {
        const WinFn *f = &w->funcs[i];
        Vec *v = &w->regs[f->f->index];
        v->has_nulls = false;
        for (int r = 0; r < m; r++) {
            if (f->isnull[w->at + r])
                vec_set_null(v, r);
            else
                v->v[r] = f->result[w->at + r];
        }
    }
    w->at += m;
    n->env.in[ENV_OUTER] = w->out_rows;
    return node_filter_project(n, m, m, NULL);
}

static Batch *
window_next(ExecNode *n)
{
    WindowNode *w = (WindowNode *)n;

    if (!n->opened) {
        n->opened = true;
        w->in = NULL;
        w->at_end = w->offsets_known = false;
        w->nrows = w->at = 0;
    }
    for (;;) {
        if (w->at < w->nrows) {
            Batch *out = emit(w);
            if (out)
                return out;
            continue;
        }
        if (!read_partition(w))
            return NULL;
        find_groups(w);
        eval_arguments(w);
        for (int i = 0; i < w->nfuncs; i++) {
            if (window_needs_frame(&w->funcs[i]))
                window_frames(w);
            window_compute(w, &w->funcs[i]);
        }
    }
}

static void
window_rescan(ExecNode *n)
{
    n->opened = false;
    node_rescan(n->left);
}

static void
window_close(ExecNode *n)
{
    arena_reset(((WindowNode *)n)->part_arena);
    ((WindowNode *)n)->nrows = ((WindowNode *)n)->at = 0;
}

static void
init_keys(Exec *x, const List *list, int *n, KeyCol **keys, int **cols)
{
    *n = list_count(list);
    *keys = ARENA_ARRAY(x->arena, KeyCol, *n + 1);
    *cols = ARENA_ARRAY(x->arena, int, *n + 1);
    for (int i = 0; i < *n; i++) {
        const SortKey *k = list_at(list, i);
        (*cols)[i] = k->column - 1;
        key_col_init(&(*keys)[i], x->arena, k->eq_op, k->type, k->type, k->collation);
    }
}

static void
init_function(WindowNode *w, WinFn *f, const WindowFunc *wf)
{
    Exec *x = w->n.x;
    int n = list_count(wf->args);

    f->f = wf;
    f->oid = wf->fn;
    f->is_agg = fn_info(wf->fn)->kind == 'a';
    if (f->is_agg) {
        agg_call_init_window(&f->call, &w->arg_env, wf);
        f->call.ctx.arena = w->state_arena;
        f->state = arena_alloc0(x->arena, agg_state_bytes(&f->call));
    } else {
        f->call.nargs = n;
        f->call.cols = ARENA_ARRAY(x->arena, Prim *, n + 1);
        for (int i = 0; i < n; i++)
            f->call.cols[i] = expr_compile(&w->arg_env, list_at(wf->args, i));
    }
    f->args = ARENA_ARRAY(x->arena, Datum *, n + 1);
    f->argnull = ARENA_ARRAY(x->arena, bool *, n + 1);
    f->any_null = ARENA_ARRAY(x->arena, bool, n + 1);
    f->len = ARENA_ARRAY(x->arena, int16_t, n + 1);
    f->byval = ARENA_ARRAY(x->arena, bool, n + 1);
    for (int i = 0; i < n; i++)
        type_physical(((const Expr *)list_at(wf->args, i))->type, &f->len[i], &f->byval[i]);
    type_physical(wf->expr.type, &f->rlen, &f->rbyval);
    env_vec(&w->n.env, &w->regs[wf->index]);
}

ExecNode *
node_window_create(Exec *x, const Plan *p)
{
    WindowNode *w = node_new_exec(x, p, sizeof(*w), window_next);

    w->p = (const WindowPlan *)p;
    w->options = w->p->frame_options;
    w->n.rescan = window_rescan;
    w->n.close = window_close;
    w->n.left = node_create(x, p->left);
    row_shape_of_targets(&w->shape, x->arena, p->left->targets);
    w->chunk = batch_new(x->arena, w->shape.ncols);
    w->out_rows = batch_new(x->arena, w->shape.ncols);
    init_keys(x, w->p->partition, &w->npart, &w->part_keys, &w->part_cols);
    init_keys(x, w->p->order, &w->norder, &w->order_keys, &w->order_cols);
    w->part_arena = arena_create(x->arena, "window partition");
    w->state_arena = arena_create(x->arena, "window aggregate");
    w->arg_env = w->n.env;
    w->arg_env.arena = arena_create(x->arena, "window arguments");
    if (w->norder > 0) {
        const SortKey *k = list_at(w->p->order, 0);
        w->order_type = k->type;
        w->order_desc = k->desc;
        w->order_collation = k->collation;
    }
    if (w->p->start_offset) {
        w->start_offset = expr_compile(&w->arg_env, w->p->start_offset);
        w->start_type = w->p->start_offset->type;
    }
    if (w->p->end_offset) {
        w->end_offset = expr_compile(&w->arg_env, w->p->end_offset);
        w->end_type = w->p->end_offset->type;
    }
    window_range_init(w);
    w->nfuncs = list_count(w->p->funcs);
    w->funcs = ARENA_ARRAY(x->arena, WinFn, w->nfuncs + 1);
    w->regs = ARENA_ARRAY(x->arena, Vec, w->nfuncs + 1);
    for (int i = 0; i < w->nfuncs; i++)
        init_function(w, &w->funcs[i], list_at(w->p->funcs, i));
    w->n.env.regs = w->regs;
    w->n.env.in[ENV_OUTER] = w->out_rows;
    node_compile(&w->n);
    w->n.identity = false;
    return &w->n;
}
