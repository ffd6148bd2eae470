/*
 * Subqueries in expressions. Init plans run once per run, when first read. Correlated ones run per row
 * with the row's values as parameters. x = ANY over an uncorrelated subquery probes a hash table of its
 * rows; other uncorrelated comparisons read the rows from a store and test all open rows against each.
 */
#include "core/sql/exec/exec_internal.h"

typedef struct SubPlanExpr {
    const SubPlanRef *ref;
    SubPlanState *s;
    int nargs; Prim **args; const Vec **argv;
    Prim *test;
    uint64_t stamp; bool built;   /* hash table or store is of this stamp */
    /* hashed */
    int nkeys; Prim **left; KeyCol *keys;
    RowTable table;
    bool any_row, any_null;
    uint64_t *hash;
    /* uncorrelated, not hashed */
    Store *store; StoreReader reader; Batch *chunk; RowShape shape;
    uint16_t *open;
} SubPlanExpr;

void
exec_param_set(Exec *x, int id, Datum d, bool isnull, bool keep)
{
    ExecParam *p = &x->params[id];

    p->version++;
    p->vec.has_nulls = isnull;
    p->nulls[0] = isnull;
    if (keep && !isnull && p->typed && !p->byval) {
        size_t n = datum_bytes(d, p->len);
        if (n > p->copy_cap) {
            p->copy_cap = (uint32_t)MAX(64, n + n / 2);
            p->copy = arena_alloc(x->arena, p->copy_cap);
        }
        memcpy(p->copy, datum_ptr(d), n);
        d = ptr_datum(p->copy);
    }
    p->lane = isnull ? 0 : d;
}

static void
subplan_restart(SubPlanState *s)
{
    if (s->started)
        node_rescan(s->root);
    s->started = true;
}

static NORETURN void
raise_too_many(void)
{
    RAISE(SQLSTATE_CARDINALITY_VIOLATION,
          "more than one row returned by a subquery used as an expression");
}

/* The only row of the subquery: its batch and row number; false: no row. */
static bool
subplan_single(SubPlanState *s, const Batch **b, int *row)
{
    *b = node_next(s->root);
    if (*b == NULL)
        return false;
    if ((*b)->nsel > 1)
        raise_too_many();
    *row = batch_row(*b, 0);
    return true;
}

static Datum
subplan_array(SubPlanState *s, Arena *a, Oid elem)
{
    size_t n = 0, cap = 64;
    Datum *v = arena_alloc(a, cap * sizeof(Datum));
    bool *nulls = arena_alloc(a, cap);
    int16_t len;
    bool byval;

    type_physical(elem, &len, &byval);
    for (Batch *b; (b = node_next(s->root)) != NULL;) {
        for (int k = 0; k < b->nsel; k++) {
            int row = batch_row(b, k);
            if (n == cap) {
                v = arena_realloc(a, v, cap * sizeof(Datum), 2 * cap * sizeof(Datum));
                nulls = arena_realloc(a, nulls, cap, 2 * cap);
                cap *= 2;
            }
            nulls[n] = vec_null(&b->cols[0], row);
            v[n] = nulls[n] ? 0 : datum_copy(a, vec_get(&b->cols[0], row), byval, len);
            n++;
        }
        CHECK_INTERRUPTS();
    }
    if (type_builtin_element(elem) || type_element_of(elem)) {
        /* arrays of one shape make an array of one dimension more */
        ArrayView first, view;
        if (n == 0)
            return array_construct(a, type_element_of(elem), 0, NULL, NULL, NULL, NULL);
        Datum *all = NULL;
        bool *all_nulls = NULL;
        int dims[7], lbound[7], total = 0;
        for (size_t i = 0; i < n; i++) {
            Datum *ev;
            bool *en;
            int c;
            if (nulls[i])
                RAISE(SQLSTATE_NULL_VALUE_NOT_ALLOWED, "cannot accumulate null arrays");
            array_view(v[i], &view);
            if (i == 0) {
                first = view;
                if (view.ndim == 0)
                    RAISE(SQLSTATE_ARRAY_SUBSCRIPT_ERROR, "cannot accumulate empty arrays");
                if (view.ndim >= 6)
                    RAISE(SQLSTATE_PROGRAM_LIMIT_EXCEEDED,
                          "number of array dimensions (%d) exceeds the maximum allowed (%d)",
                          view.ndim + 1, 6);
            } else if (view.ndim != first.ndim ||
                       memcmp(view.dims, first.dims, sizeof(int) * (size_t)view.ndim) != 0) {
                RAISE(SQLSTATE_ARRAY_SUBSCRIPT_ERROR,
                      "cannot accumulate arrays of different dimensionality");
            }
            array_deconstruct(a, v[i], &ev, &en, &c);
            if (all == NULL) {
                all = ARENA_ARRAY(a, Datum, n * (size_t)c + 1);
                all_nulls = ARENA_ARRAY(a, bool, n * (size_t)c + 1);
            }
            for (int j = 0; j < c; j++, total++) {
                all[total] = ev[j];
                all_nulls[total] = en && en[j];
            }
        }
        dims[0] = (int)n;
        lbound[0] = 1;
        memcpy(dims + 1, first.dims, sizeof(int) * (size_t)first.ndim);
        memcpy(lbound + 1, first.lbound, sizeof(int) * (size_t)first.ndim);
        return array_construct(a, type_element_of(elem), first.ndim + 1, dims, lbound, all,
                               all_nulls);
    }
    if (n == 0)
        return array_construct(a, elem, 0, NULL, NULL, NULL, NULL);
    return array_construct_1d(a, elem, v, nulls, (int)n);
}

static Oid
subplan_column_type(const SubPlanState *s, int i)
{
    return ((const TargetEntry *)list_at(s->plan->targets, i))->expr->type;
}

/* ---- init plans ---- */

void
subplan_run_init(Exec *x, SubPlanState *s, const SubPlanRef *ref)
{
    uint64_t stamp = plan_stamp(x, s->plan);

    if (s->done && s->stamp == stamp)
        return;
    subplan_restart(s);
    if (ref->kind == SUBLINK_EXISTS) {
        exec_param_set(x, (int)ref->result_params->items[0], node_next(s->root) != NULL, false,
                       false);
    } else if (ref->kind == SUBLINK_ARRAY) {
        Arena *tmp = arena_create(x->arena, "array subquery");
        Datum d = subplan_array(s, tmp, subplan_column_type(s, 0));
        ExecParam *p = &x->params[ref->result_params->items[0]];
        p->len = -1; /* an array, whatever the subquery's column is */
        p->byval = false;
        p->typed = true;
        exec_param_set(x, (int)ref->result_params->items[0], d, false, true);
        arena_destroy(tmp);
    } else {
        const Batch *b;
        int row = 0;
        bool has = subplan_single(s, &b, &row);
        for (int i = 0; i < ref->result_params->count; i++) {
            bool isnull = !has || vec_null(&b->cols[i], row);
            exec_param_set(x, (int)ref->result_params->items[i],
                           isnull ? 0 : vec_get(&b->cols[i], row), isnull, true);
        }
        if (has && node_next(s->root) != NULL)
            raise_too_many();
    }
    s->done = true;
    s->stamp = stamp;
}

static const Vec *
run_init_plan(Prim *p, int n, const uint16_t *sel)
{
    SubPlanExpr *e = p->data;

    subplan_run_init(p->env->x, e->s, e->ref);
    return &p->env->x->params[e->ref->result_params->items[0]].vec;
}

/* ---- correlated: one run a row ---- */

static void
set_row_params(SubPlanExpr *e, Exec *x, int row)
{
    for (int j = 0; j < e->nargs; j++) {
        bool isnull = vec_null(e->argv[j], row);
        exec_param_set(x, (int)e->ref->params->items[j], isnull ? 0 : vec_get(e->argv[j], row),
                       isnull, false);
    }
}

static void
eval_args(SubPlanExpr *e, int n, const uint16_t *sel)
{
    for (int j = 0; j < e->nargs; j++)
        e->argv[j] = prim_eval(e->args[j], n, sel);
}

static const Vec *
run_correlated(Prim *p, int n, const uint16_t *sel)
{
    SubPlanExpr *e = p->data;
    Vec *out = prim_out(p);
    int16_t len;
    bool byval;

    type_physical(e->ref->expr.type, &len, &byval);
    eval_args(e, n, sel);
    FOR_ROWS (row, n, sel) {
        set_row_params(e, p->env->x, row);
        subplan_restart(e->s);
        if (e->ref->kind == SUBLINK_EXISTS) {
            out->v[row] = node_next(e->s->root) != NULL;
        } else if (e->ref->kind == SUBLINK_ARRAY) {
            out->v[row] = subplan_array(e->s, p->env->arena, subplan_column_type(e->s, 0));
        } else {
            const Batch *b;
            int at;
            if (!subplan_single(e->s, &b, &at)) {
                vec_set_null(out, row);
                continue;
            }
            if (vec_null(&b->cols[0], at))
                vec_set_null(out, row);
            else
                out->v[row] = datum_copy(p->env->arena, vec_get(&b->cols[0], at), byval, len);
            if (node_next(e->s->root) != NULL)
                raise_too_many();
        }
        CHECK_INTERRUPTS();
    }
    return out;
}

/* ---- ANY, ALL and row comparison by testing ---- */

/* Tests the open rows against one row of the subquery; decided ones leave. */
static int
test_one(Prim *p, const Batch *b, int at, uint16_t *open, int nopen, Vec *out)
{
    SubPlanExpr *e = p->data;
    bool want = e->ref->kind == SUBLINK_ANY;
    int k = 0;

    for (int c = 0; c < e->ref->result_params->count; c++) {
        bool isnull = vec_null(&b->cols[c], at);
        exec_param_set(p->env->x, (int)e->ref->result_params->items[c],
                       isnull ? 0 : vec_get(&b->cols[c], at), isnull, false);
    }
    const Vec *v = prim_eval(e->test, nopen, open);
    if (e->ref->kind == SUBLINK_ROWCOMPARE) {
        for (int i = 0; i < nopen; i++) {
            if (vec_null(v, open[i]))
                vec_set_null(out, open[i]);
            else
                out->v[open[i]] = vec_get(v, open[i]);
        }
        return nopen;
    }
    for (int i = 0; i < nopen; i++) {
        int row = open[i];
        if (vec_null(v, row)) {
            vec_set_null(out, row);
            open[k++] = (uint16_t)row;
        } else if ((vec_get(v, row) != 0) == want) {
            out->v[row] = want;
            if (out->has_nulls)
                out->nulls[row >> 6] &= ~(UINT64_C(1) << (row & 63));
        } else {
            open[k++] = (uint16_t)row;
        }
    }
    return k;
}

static void
test_rows(Prim *p, uint16_t *open, int nopen, Vec *out)
{
    SubPlanExpr *e = p->data;
    bool compare = e->ref->kind == SUBLINK_ROWCOMPARE, any = false;

    for (int i = 0; i < nopen; i++) {
        out->v[open[i]] = e->ref->kind == SUBLINK_ALL;
        if (compare)
            vec_set_null(out, open[i]);
    }
    for (Batch *b; nopen > 0 && (b = node_next(e->s->root)) != NULL;) {
        for (int k = 0; k < b->nsel && nopen > 0; k++) {
            if (compare) {
                if (any)
                    raise_too_many();
                any = true;
                for (int i = 0; i < nopen; i++)
                    out->nulls[open[i] >> 6] &= ~(UINT64_C(1) << (open[i] & 63));
            }
            nopen = test_one(p, b, batch_row(b, k), open, nopen, out);
        }
        CHECK_INTERRUPTS();
    }
}

static const Vec *
run_test_correlated(Prim *p, int n, const uint16_t *sel)
{
    SubPlanExpr *e = p->data;
    Vec *out = prim_out(p);

    eval_args(e, n, sel);
    FOR_ROWS (row, n, sel) {
        uint16_t one = (uint16_t)row;
        set_row_params(e, p->env->x, row);
        subplan_restart(e->s);
        test_rows(p, &one, 1, out);
    }
    return out;
}

static const Vec *
run_test_stored(Prim *p, int n, const uint16_t *sel)
{
    SubPlanExpr *e = p->data;
    Exec *x = p->env->x;
    Vec *out = prim_out(p);
    uint64_t stamp = plan_stamp(x, e->s->plan);
    int nopen = n;

    if (!e->built || e->stamp != stamp) {
        store_clear(e->store);
        subplan_restart(e->s);
        for (Batch *b; (b = node_next(e->s->root)) != NULL;) {
            store_put_batch(e->store, b);
            CHECK_INTERRUPTS();
        }
        e->built = true;
        e->stamp = stamp;
    }
    rows_all(e->open, n, sel);
    for (int i = 0; i < nopen; i++)
        out->v[e->open[i]] = e->ref->kind == SUBLINK_ALL;
    e->reader.at = 0;
    for (int m; nopen > 0 && (m = store_read(&e->reader, e->chunk, BATCH_ROWS, NULL)) > 0;) {
        for (int k = 0; k < m && nopen > 0; k++)
            nopen = test_one(p, e->chunk, k, e->open, nopen, out);
        CHECK_INTERRUPTS();
    }
    return out;
}

/* ---- hashed = ANY ---- */

static void
hash_build(SubPlanExpr *e, Exec *x)
{
    const Vec *cols[MAX_INDEX_KEYS];
    uint64_t hash[BATCH_ROWS];

    row_table_clear(&e->table);
    e->any_row = e->any_null = false;
    subplan_restart(e->s);
    for (Batch *b; (b = node_next(e->s->root)) != NULL;) {
        for (int c = 0; c < e->nkeys; c++)
            cols[c] = &b->cols[c];
        keys_hash(e->keys, e->nkeys, cols, false, b->nsel, b->sel, hash);
        for (int k = 0; k < b->nsel; k++) {
            int row = batch_row(b, k);
            e->any_row = true;
            for (int c = 0; c < e->nkeys; c++)
                e->any_null |= vec_null(cols[c], row);
            if (row_table_find(&e->table, hash[row], cols, row) == NULL)
                row_table_add(&e->table, hash[row], cols, row);
        }
        CHECK_INTERRUPTS();
    }
    e->stamp = plan_stamp(x, e->s->plan);
    e->built = true;
}

/* Could some row of the table be equal if its nulls or those of the probe were something else? */
static bool
partial_match(SubPlanExpr *e, const Vec *const *cols, int row)
{
    for (const Row *r = e->table.first; r; r = r->next) {
        bool may = true;
        for (int c = 0; c < e->nkeys && may; c++)
            may = row_null(r, c) || vec_null(cols[c], row) ||
                  key_equal(&e->keys[c], vec_get(cols[c], row), row_lanes(&e->table.shape, r)[c]);
        if (may)
            return true;
    }
    return false;
}

static const Vec *
run_hashed(Prim *p, int n, const uint16_t *sel)
{
    SubPlanExpr *e = p->data;
    Vec *out = prim_out(p);
    const Vec *cols[MAX_INDEX_KEYS];

    if (!e->built || e->stamp != plan_stamp(p->env->x, e->s->plan))
        hash_build(e, p->env->x);
    if (!e->any_row)
        return &vec_false_const;
    for (int c = 0; c < e->nkeys; c++)
        cols[c] = prim_eval(e->left[c], n, sel);
    keys_hash(e->keys, e->nkeys, cols, true, n, sel, e->hash);
    FOR_ROWS (row, n, sel) {
        bool null = false;
        for (int c = 0; c < e->nkeys; c++)
            null |= vec_null(cols[c], row);
        if (!null && row_table_find(&e->table, e->hash[row], cols, row))
            out->v[row] = 1;
        else if ((null || e->any_null) && (e->nkeys == 1 || partial_match(e, cols, row)))
            vec_set_null(out, row);
        else
            out->v[row] = 0;
    }
    return out;
}

/* ---- compilation ---- */

static void
compile_hashed(ExprEnv *env, SubPlanExpr *e, const SubPlanRef *r)
{
    Oid types[MAX_INDEX_KEYS];

    e->nkeys = list_count(r->hash_left);
    if (e->nkeys > MAX_INDEX_KEYS)
        UNSUPPORTED("comparison of more than %d columns with a subquery", MAX_INDEX_KEYS);
    e->left = expr_compile_list(env, r->hash_left);
    e->keys = ARENA_ARRAY(env->state, KeyCol, e->nkeys);
    for (int c = 0; c < e->nkeys; c++) {
        const Expr *l = list_at(r->hash_left, c);
        types[c] = subplan_column_type(e->s, c);
        key_col_init(&e->keys[c], env->state, (Oid)r->hash_ops->items[c], l->type, types[c],
                     l->collation);
    }
    row_table_init(&e->table, env->state, e->nkeys, types, e->keys, e->nkeys, 0);
    e->hash = ARENA_ARRAY(env->state, uint64_t, env->lanes);
}

Prim *
compile_subplan(ExprEnv *env, const SubPlanRef *r)
{
    Exec *x = env->x;

    if (x == NULL)
        INTERNAL_ERROR("subquery in an expression outside of a plan");
    Prim *p = prim_new(env, NULL, 0);
    SubPlanExpr *e = ARENA_NEW(env->state, SubPlanExpr);
    e->ref = r;
    e->s = exec_subplan(x, r->plan);
    if (r->kind == SUBLINK_EXISTS)
        e->s->root->want = 1;
    p->data = e;
    for (int i = 0; i < ints_count(r->result_params); i++) {
        ExecParam *pr = &x->params[r->result_params->items[i]];
        if (r->kind == SUBLINK_EXISTS)
            pr->byval = pr->typed = true;
        else if (i < list_count(e->s->plan->targets) && !pr->typed) {
            type_physical(subplan_column_type(e->s, i), &pr->len, &pr->byval);
            pr->typed = true;
        }
        if (r->init_plan) {
            pr->plan = e->s;
            pr->plan_ref = r;
        }
    }
    if (r->init_plan) {
        p->fn = run_init_plan;
        return p;
    }
    e->nargs = list_count(r->args);
    e->args = expr_compile_list(env, r->args);
    e->argv = ARENA_ARRAY(env->state, const Vec *, e->nargs + 1);
    /* The parameters take the types of what sets them. */
    for (int i = 0; i < e->nargs; i++) {
        ExecParam *pr = &x->params[r->params->items[i]];
        type_physical(((const Expr *)list_at(r->args, i))->type, &pr->len, &pr->byval);
        pr->typed = true;
    }
    prim_lanes(p);
    if (r->hashed) {
        compile_hashed(env, e, r);
        p->fn = run_hashed;
    } else if (r->kind == SUBLINK_ANY || r->kind == SUBLINK_ALL || r->kind == SUBLINK_ROWCOMPARE) {
        e->test = expr_compile(env, r->test);
        p->fn = run_test_correlated;
        if (e->nargs == 0 && r->kind != SUBLINK_ROWCOMPARE) {
            p->fn = run_test_stored;
            row_shape_of_targets(&e->shape, env->state, e->s->plan->targets);
            e->store = store_create(env->state, &e->shape);
            store_reader_init(&e->reader, e->store, env->state);
            e->chunk = batch_new(env->state, e->shape.ncols);
            e->open = env_rows(env);
        }
    } else {
        p->fn = run_correlated;
    }
    return p;
}
