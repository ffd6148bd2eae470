/*
 * AND, OR, NOT, tests for null and truth, IS DISTINCT FROM, NULLIF. AND and OR evaluate each argument
 * only for the rows the earlier ones left open.
 */
#include "core/sql/exec/exec_internal.h"

/* ---- AND, OR as values: `decided` is the value that ends the evaluation of a row ---- */

static inline const Vec *
run_and_or(Prim *p, int n, const uint16_t *sel, Datum decided)
{
    Vec *out = prim_out(p);
    uint16_t *rows = p->rows;
    const uint16_t *open = sel;
    int nopen = n;

    FOR_ROWS (row, n, sel)
        out->v[row] = !decided;
    for (int j = 0; j < p->nargs && nopen > 0; j++) {
        const Vec *v = prim_eval(p->args[j], nopen, open);
        int k = 0;
        FOR_ROWS (row, nopen, open) {
            if (vec_null(v, row)) {
                vec_set_null(out, row);
                rows[k++] = (uint16_t)row;
            } else if (vec_get(v, row) == decided) {
                out->v[row] = decided;
                if (out->has_nulls)
                    out->nulls[row >> 6] &= ~(UINT64_C(1) << (row & 63));
            } else {
                rows[k++] = (uint16_t)row;
            }
        }
        open = rows;
        nopen = k;
    }
    return out;
}

static const Vec *
run_and(Prim *p, int n, const uint16_t *sel)
{
    return run_and_or(p, n, sel, 0);
}

static const Vec *
run_or(Prim *p, int n, const uint16_t *sel)
{
    return run_and_or(p, n, sel, 1);
}

static int
filter_and(Prim *p, int n, const uint16_t *sel, uint16_t *out)
{
    n = prim_filter(p->args[0], n, sel, out);
    for (int j = 1; j < p->nargs && n > 0; j++)
        n = prim_filter(p->args[j], n, out, out);
    return n;
}

/* p->rows: still open; p->data: hits of one argument. sel may be out, so hits are marked in bits first. */
static int
filter_or(Prim *p, int n, const uint16_t *sel, uint16_t *out)
{
    uint64_t hit[BATCH_ROWS / 64];
    uint16_t *open = p->rows, *hits = p->data;
    int nopen = n, k = 0;

    memset(hit, 0, sizeof(hit));
    rows_all(open, n, sel);
    for (int j = 0; j < p->nargs && nopen > 0; j++) {
        int m = prim_filter(p->args[j], nopen, open, hits);
        for (int i = 0; i < m; i++)
            hit[hits[i] >> 6] |= UINT64_C(1) << (hits[i] & 63);
        nopen = rows_subtract(open, nopen, hits, m);
    }
    FOR_ROWS (row, n, sel) {
        if (hit[row >> 6] >> (row & 63) & 1)
            out[k++] = (uint16_t)row;
    }
    return k;
}

static const Vec *
run_not(Prim *p, int n, const uint16_t *sel)
{
    const Vec *v = prim_eval(p->args[0], n, sel);
    Vec *out = prim_out(p);

    if (v->is_const)
        return vec_null(v, 0) ? &vec_null_const : v->v[0] ? &vec_false_const : &vec_true_const;
    FOR_ROWS (row, n, sel)
        out->v[row] = !v->v[row];
    if (v->has_nulls) {
        out->has_nulls = true;
        memcpy(out->nulls, v->nulls, BATCH_ROWS / 8);
    }
    return out;
}

/* ---- IS NULL ---- */

/* p->i: true for IS NULL. */
static const Vec *
run_null_test(Prim *p, int n, const uint16_t *sel)
{
    const Vec *v = prim_eval(p->args[0], n, sel);

    if (!v->has_nulls)
        return p->i ? &vec_false_const : &vec_true_const;
    if (v->is_const)
        return (v->nulls[0] & 1) == (uint64_t)p->i ? &vec_true_const : &vec_false_const;
    Vec *out = prim_out(p);
    FOR_ROWS (row, n, sel)
        out->v[row] = (v->nulls[row >> 6] >> (row & 63) & 1) == (uint64_t)p->i;
    return out;
}

static int
filter_null_test(Prim *p, int n, const uint16_t *sel, uint16_t *out)
{
    const Vec *v = prim_eval(p->args[0], n, sel);
    int k = 0;

    if (!v->has_nulls || v->is_const) {
        if (vec_null(v, 0) != (p->i != 0))
            return 0;
        rows_all(out, n, sel);
        return n;
    }
    FOR_ROWS (row, n, sel) {
        out[k] = (uint16_t)row;
        k += (v->nulls[row >> 6] >> (row & 63) & 1) == (uint64_t)p->i;
    }
    return k;
}

/* Of a row value: null if all its fields are, not null if none is. */
static const Vec *
run_row_null_test(Prim *p, int n, const uint16_t *sel)
{
    const Vec *v = prim_eval(p->args[0], n, sel);
    Vec *out = prim_out(p);

    FOR_ROWS (row, n, sel) {
        bool want = p->i;
        out->v[row] = vec_null(v, row) ? want : record_test_null(vec_get(v, row), want);
    }
    return out;
}

/* Of ROW(...): its arguments are tested one by one, without making the row. */
static const Vec *
run_row_expr_null_test(Prim *p, int n, const uint16_t *sel)
{
    Vec *out = prim_out(p);

    FOR_ROWS (row, n, sel)
        out->v[row] = 1;
    for (int j = 0; j < p->nargs; j++) {
        const Vec *v = prim_eval(p->args[j], n, sel);
        FOR_ROWS (row, n, sel)
            out->v[row] &= vec_null(v, row) == (bool)p->i;
    }
    return out;
}

/* ---- IS TRUE ... ---- */

static const Vec *
run_bool_test(Prim *p, int n, const uint16_t *sel)
{
    const Vec *v = prim_eval(p->args[0], n, sel);
    Vec *out = prim_out(p);

    FOR_ROWS (row, n, sel) {
        bool null = vec_null(v, row), val = !null && vec_get(v, row);
        bool r;
        switch (p->i) {
        case TEST_IS_TRUE: r = val; break;
        case TEST_IS_NOT_TRUE: r = !val; break;
        case TEST_IS_FALSE: r = !null && !val; break;
        case TEST_IS_NOT_FALSE: r = null || val; break;
        case TEST_IS_UNKNOWN: r = null; break;
        default: r = !null; break;
        }
        out->v[row] = r;
    }
    return out;
}

/* ---- DISTINCT, NULLIF: over the equality call in args[2], which reads args 0 and 1 by alias ---- */

typedef struct PairCall { const Vec *a, *b; Prim *eq; } PairCall;

static const Vec *
run_distinct(Prim *p, int n, const uint16_t *sel)
{
    PairCall *c = p->data;
    Vec *out = prim_out(p);
    int k = 0;

    c->a = prim_eval(p->args[0], n, sel);
    c->b = prim_eval(p->args[1], n, sel);
    FOR_ROWS (row, n, sel) {
        bool x = vec_null(c->a, row), y = vec_null(c->b, row);
        if (x | y)
            out->v[row] = x != y;
        else
            p->rows[k++] = (uint16_t)row;
    }
    if (k > 0) {
        const Vec *eq = prim_eval(c->eq, k, p->rows);
        for (int i = 0; i < k; i++)
            out->v[p->rows[i]] = vec_null(eq, p->rows[i]) || !vec_get(eq, p->rows[i]);
    }
    return out;
}

static const Vec *
run_nullif(Prim *p, int n, const uint16_t *sel)
{
    PairCall *c = p->data;
    Vec *out = prim_out(p);
    int k = 0;

    c->a = prim_eval(p->args[0], n, sel);
    c->b = prim_eval(p->args[1], n, sel);
    FOR_ROWS (row, n, sel) {
        if (vec_null(c->a, row)) {
            vec_set_null(out, row);
            continue;
        }
        out->v[row] = vec_get(c->a, row);
        if (!vec_null(c->b, row))
            p->rows[k++] = (uint16_t)row;
    }
    if (k > 0) {
        const Vec *eq = prim_eval(c->eq, k, p->rows);
        for (int i = 0; i < k; i++)
            if (!vec_null(eq, p->rows[i]) && vec_get(eq, p->rows[i]))
                vec_set_null(out, p->rows[i]);
    }
    return out;
}

static Prim *
compile_pair(ExprEnv *env, PrimFn fn, Oid eq_fn, Oid collation, const List *args)
{
    Prim *p = prim_new(env, fn, 2);
    PairCall *c = ARENA_NEW(env->state, PairCall);
    Oid types[2];

    for (int i = 0; i < 2; i++) {
        const Expr *e = list_at(args, i);
        p->args[i] = expr_compile(env, e);
        types[i] = e->type;
    }
    Prim *alias[2] = {prim_alias(env, &c->a), prim_alias(env, &c->b)};
    c->eq = compile_call_prims(env, eq_fn, collation, alias, types, 2, BOOL_OID, -1, false);
    p->data = c;
    p->rows = env_rows(env);
    prim_lanes(p);
    return p;
}

/* ---- compilation ---- */

static Prim *
compile_bool_expr(ExprEnv *env, const BoolExpr *b)
{
    int n = list_count(b->args);

    if (n == 1 && b->kind != BOOL_NOT)
        return expr_compile(env, list_at(b->args, 0));
    Prim *p = prim_new(env,
                       b->kind == BOOL_AND  ? run_and
                       : b->kind == BOOL_OR ? run_or
                                            : run_not,
                       n);
    for (int i = 0; i < n; i++)
        p->args[i] = expr_compile(env, list_at(b->args, i));
    if (b->kind != BOOL_NOT)
        p->rows = env_rows(env);
    if (b->kind == BOOL_AND)
        p->filter = filter_and;
    if (b->kind == BOOL_OR) {
        p->filter = filter_or;
        p->data = env_rows(env);
    }
    prim_lanes(p);
    return p;
}

static Prim *
compile_null_test(ExprEnv *env, const NullTest *t)
{
    Prim *p;

    if (t->of_row && IS(t->arg, RowExpr)) {
        const RowExpr *r = (const RowExpr *)t->arg;
        p = prim_new(env, run_row_expr_null_test, list_count(r->args));
        for (int i = 0; i < p->nargs; i++)
            p->args[i] = expr_compile(env, list_at(r->args, i));
    } else {
        p = prim_new(env, t->of_row ? run_row_null_test : run_null_test, 1);
        p->args[0] = expr_compile(env, t->arg);
        if (!t->of_row)
            p->filter = filter_null_test;
    }
    p->i = t->is_null;
    prim_lanes(p);
    return p;
}

Prim *
compile_bool(ExprEnv *env, const Expr *e)
{
    switch ((int)e->tag) {
    case TAG_BoolExpr:
        return compile_bool_expr(env, (const BoolExpr *)e);
    case TAG_NullTest:
        return compile_null_test(env, (const NullTest *)e);
    case TAG_BooleanTest: {
        const BooleanTest *t = (const BooleanTest *)e;
        Prim *p = prim_new(env, run_bool_test, 1);
        p->args[0] = expr_compile(env, t->arg);
        p->i = t->kind;
        prim_lanes(p);
        return p;
    }
    case TAG_DistinctExpr: {
        const DistinctExpr *d = (const DistinctExpr *)e;
        return compile_pair(env, run_distinct, d->fn ? d->fn : op_info(d->op)->fn,
                            d->input_collation, d->args);
    }
    default: {
        const NullIfExpr *d = (const NullIfExpr *)e;
        return compile_pair(env, run_nullif, d->fn ? d->fn : op_info(d->op)->fn, d->input_collation,
                            d->args);
    }
    }
}
