/*
 * Expressions outside of plans: defaults, checks, index expressions, constant folding. One row at a
 * time, over a row given as arrays.
 */
#include "core/sql/exec/exec_internal.h"

#define STANDALONE_LANES 16 /* for casts of array elements; rows come one by one */

struct ExprState {
    ExprEnv env;
    Prim *program;
    int ncols;
    Batch row;
    int16_t len;
    bool byval;
};

static bool
max_attno(void *node, void *arg)
{
    if (IS(node, Var)) {
        const Var *v = node;
        if (v->attno > *(int *)arg)
            *(int *)arg = v->attno;
        return false;
    }
    return node_walk_children(node, max_attno, arg, false);
}

static ExprState *
prepare(Arena *a, const Expr *e, const ParamValues *params)
{
    ExprState *s = ARENA_NEW(a, ExprState);

    s->env.state = a;
    s->env.arena = arena_create(a, "expression");
    s->env.lanes = STANDALONE_LANES;
    s->env.params = params;
    max_attno((void *)e, &s->ncols);
    s->row.n = s->row.nsel = 1;
    s->row.ncols = s->ncols;
    s->row.cols = ARENA_ARRAY(a, Vec, s->ncols + 1);
    for (int i = 0; i < s->ncols; i++) {
        s->row.cols[i].v = ARENA_ARRAY(a, Datum, 1);
        s->row.cols[i].nulls = ARENA_ARRAY(a, uint64_t, BATCH_ROWS / 64);
    }
    s->env.in[ENV_SCAN] = s->env.in[ENV_OUTER] = s->env.in[ENV_INNER] = &s->row;
    type_physical(e->type, &s->len, &s->byval);
    s->program = expr_compile(&s->env, e);
    return s;
}

ExprState *
expr_prepare(Arena *a, const Expr *e)
{
    return prepare(a, e, NULL);
}

Datum
expr_eval(ExprState *s, Arena *result, const Datum *row, const bool *nulls, bool *isnull)
{
    arena_reset(s->env.arena);
    for (int i = 0; i < s->ncols; i++) {
        Vec *v = &s->row.cols[i];
        v->has_nulls = nulls[i];
        v->nulls[0] = nulls[i];
        v->v[0] = row[i];
    }
    Datum d = prim_value(s->program, isnull);
    return *isnull ? 0 : datum_copy(result, d, s->byval, s->len);
}

Datum
expr_eval_const(Arena *a, const Expr *e, bool *isnull, const ParamValues *params)
{
    if (IS(e, Const)) {
        *isnull = ((const Const *)e)->isnull;
        return ((const Const *)e)->value;
    }
    Arena *tmp = arena_create(a, "constant expression");
    ExprState *s = prepare(tmp, e, params);
    Datum d = prim_value(s->program, isnull);
    if (!*isnull)
        d = datum_copy(a, d, s->byval, s->len);
    arena_destroy(tmp);
    return d;
}
