/*
 * CASE, COALESCE, GREATEST and LEAST. Each branch is evaluated for the rows that take it and no others.
 */
#include "core/sql/exec/exec_internal.h"

/* ---- CASE ---- */

typedef struct CaseProgram {
    Prim *arg;
    const Vec *value;     /* of arg; CaseTest refers to it */
    int n;
    Prim **conditions, **results;
    Prim *otherwise;      /* NULL: null */
    uint16_t *hits;
} CaseProgram;

static const Vec *
run_case(Prim *p, int n, const uint16_t *sel)
{
    CaseProgram *c = p->data;
    Vec *out = prim_out(p);
    const uint16_t *open = sel;
    int nopen = n;

    if (c->arg)
        c->value = prim_eval(c->arg, n, sel);
    for (int i = 0; i < c->n; i++) {
        int m = prim_filter(c->conditions[i], nopen, open, c->hits);
        if (m == 0)
            continue;
        const Vec *v = prim_eval(c->results[i], m, m == nopen ? open : c->hits);
        if (m == n)
            return v;
        vec_copy_rows(out, v, m, c->hits);
        if (m == nopen)
            return out;
        if (open != p->rows) {
            rows_all(p->rows, n, sel);
            open = p->rows;
        }
        nopen = rows_subtract(p->rows, nopen, c->hits, m);
    }
    if (c->otherwise == NULL) {
        if (nopen == n)
            return &vec_null_const;
        FOR_ROWS (row, nopen, open)
            vec_set_null(out, row);
        return out;
    }
    const Vec *v = prim_eval(c->otherwise, nopen, open);
    if (nopen == n)
        return v;
    vec_copy_rows(out, v, nopen, open);
    return out;
}

static Prim *
compile_case(ExprEnv *env, const CaseExpr *e)
{
    Prim *p = prim_new(env, run_case, 0);
    CaseProgram *c = ARENA_NEW(env->state, CaseProgram);
    const Vec **saved = compile_case_value;

    c->n = list_count(e->whens);
    c->conditions = ARENA_ARRAY(env->state, Prim *, c->n + 1);
    c->results = ARENA_ARRAY(env->state, Prim *, c->n + 1);
    c->hits = env_rows(env);
    if (e->arg)
        c->arg = expr_compile(env, e->arg);
    for (int i = 0; i < c->n; i++) {
        const CaseWhen *w = list_at(e->whens, i);
        if (e->arg)
            compile_case_value = &c->value;
        c->conditions[i] = expr_compile(env, w->condition);
        compile_case_value = saved;
        c->results[i] = expr_compile(env, w->result);
    }
    if (e->otherwise && !(IS(e->otherwise, Const) && ((const Const *)e->otherwise)->isnull))
        c->otherwise = expr_compile(env, e->otherwise);
    p->data = c;
    p->rows = env_rows(env);
    prim_lanes(p);
    return p;
}

/* ---- COALESCE ---- */

static const Vec *
run_coalesce(Prim *p, int n, const uint16_t *sel)
{
    const Vec *v = prim_eval(p->args[0], n, sel);
    Vec *out;
    const uint16_t *open = sel;
    int nopen = n;

    if (!v->has_nulls)
        return v;
    out = prim_out(p);
    for (int j = 0;;) {
        int k = 0;
        FOR_ROWS (row, nopen, open) {
            if (vec_null(v, row))
                p->rows[k++] = (uint16_t)row;
            else
                out->v[row] = vec_get(v, row);
        }
        open = p->rows;
        nopen = k;
        if (k == 0)
            return out;
        if (++j == p->nargs)
            break;
        v = prim_eval(p->args[j], nopen, open);
        if (nopen == n)
            if (!v->has_nulls || v->is_const)
                if (!vec_null(v, 0))
                    return v;
    }
    FOR_ROWS (row, nopen, open)
        vec_set_null(out, row);
    return out;
}

/* ---- GREATEST, LEAST ---- */

typedef struct MinMaxProgram { const TypeOps *ops; Oid collation; int sign; } MinMaxProgram;

static const Vec *
run_min_max(Prim *p, int n, const uint16_t *sel)
{
    const MinMaxProgram *m = p->data;
    Vec *out = prim_out(p);

    for (int j = 0; j < p->nargs; j++)
        p->argv[j] = prim_eval(p->args[j], n, sel);
    FOR_ROWS (row, n, sel) {
        bool has = false;
        Datum best = 0;
        for (int j = 0; j < p->nargs; j++) {
            if (vec_null(p->argv[j], row))
                continue;
            Datum d = vec_get(p->argv[j], row);
            if (!has || m->sign * m->ops->cmp(d, best, m->collation) > 0)
                best = d;
            has = true;
        }
        if (has)
            out->v[row] = best;
        else
            vec_set_null(out, row);
    }
    return out;
}

Prim *
compile_cond(ExprEnv *env, const Expr *e)
{
    if (IS(e, CaseExpr))
        return compile_case(env, (const CaseExpr *)e);
    bool coalesce = IS(e, CoalesceExpr);
    const List *args = coalesce ? ((const CoalesceExpr *)e)->args : ((const MinMaxExpr *)e)->args;
    Prim *p = prim_new(env, coalesce ? run_coalesce : run_min_max, list_count(args));
    for (int i = 0; i < p->nargs; i++)
        p->args[i] = expr_compile(env, list_at(args, i));
    p->rows = env_rows(env);
    prim_lanes(p);
    if (!coalesce) {
        const MinMaxExpr *x = (const MinMaxExpr *)e;
        MinMaxProgram *m = ARENA_NEW(env->state, MinMaxProgram);
        m->ops = type_ops(e->type);
        if (m->ops == NULL || m->ops->cmp == NULL)
            RAISE(SQLSTATE_UNDEFINED_FUNCTION,
                  "could not identify a comparison function for type %s",
                  type_format(env->state, e->type, -1, false));
        m->collation = x->input_collation;
        m->sign = x->greatest ? 1 : -1;
        p->data = m;
    }
    return p;
}
