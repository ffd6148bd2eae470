/*
 * Function and operator calls: a kernel over the whole batch where the function has one, otherwise the
 * scalar form row by row. Strict functions see only the rows without a null argument; where all
 * arguments are constants and the function is not volatile, one call serves the batch.
 */
#include "core/sql/exec/exec_internal.h"

/* Rows without a null argument to p->rows; the others become null in out. */
static int
live_rows(Prim *p, int n, const uint16_t *sel, Vec *out)
{
    uint16_t *rows = p->rows;
    int k = 0;

    if (p->nargs == 1 || !p->argv[1]->has_nulls || p->argv[1]->is_const) {
        const Vec *a = p->argv[0];
        int more = 0;
        for (int j = 2; j < p->nargs; j++)
            more |= p->argv[j]->has_nulls;
        if (!more && !a->is_const) {
            FOR_ROWS (row, n, sel) {
                rows[k] = (uint16_t)row;
                if (a->nulls[row >> 6] >> (row & 63) & 1)
                    vec_set_null(out, row);
                else
                    k++;
            }
            return k;
        }
    }
    FOR_ROWS (row, n, sel) {
        bool null = false;
        for (int j = 0; j < p->nargs; j++)
            null |= vec_null(p->argv[j], row);
        if (null)
            vec_set_null(out, row);
        else
            rows[k++] = (uint16_t)row;
    }
    return k;
}

static void
call_scalar_row(Prim *p, int row, Datum *args, bool *nulls, Vec *out)
{
    bool isnull = false;

    for (int j = 0; j < p->nargs; j++) {
        const Vec *a = p->argv[j];
        args[j] = vec_get(a, row);
        if (nulls && (nulls[j] = vec_null(a, row)))
            args[j] = 0;
    }
    Datum d = p->scalar(p->ctx, args, &isnull);
    if (isnull)
        vec_set_null(out, row);
    else
        out->v[row] = d;
}

static NORETURN void
no_raise(Prim *p)
{
    INTERNAL_ERROR("kernel of function %u refused a row that its scalar form accepts",
                   p->ctx->fn_oid);
}

const Vec *
prim_call_rows(Prim *p, int n, const uint16_t *sel)
{
    Vec *out = prim_out(p);
    bool all_const = !p->is_volatile, nulls = false;

    for (int j = 0; j < p->nargs; j++) {
        const Vec *a = p->argv[j];
        all_const &= a->is_const;
        if (a->has_nulls) {
            if (!a->is_const)
                nulls = true;
            else if (p->strict && (a->nulls[0] & 1))
                return &vec_null_const;
        }
    }
    if (all_const) {
        out->is_const = true;
        n = 1;
        sel = NULL;
    } else if (nulls && p->strict) {
        n = live_rows(p, n, sel, out);
        sel = p->rows;
        if (n == 0)
            return out;
    }
    Datum args[MAX_FN_ARGS];
    if (p->batch && (p->strict || !nulls)) {
        int bad = p->batch(p->ctx, n, sel, p->argv, out);
        if (LIKELY(bad < 0))
            return out;
        call_scalar_row(p, bad, args, NULL, out);
        no_raise(p);
    }
    bool *argnull = p->strict ? NULL : (bool *)p->ctx->argnull;
    /* The const flag would make vec_set_null's readers look at bit 0, which is the row we write. */
    FOR_ROWS (row, n, sel)
        call_scalar_row(p, row, args, argnull, out);
    return out;
}

static const Vec *
run_call(Prim *p, int n, const uint16_t *sel)
{
    for (int j = 0; j < p->nargs; j++)
        p->argv[j] = prim_eval(p->args[j], n, sel);
    return prim_call_rows(p, n, sel);
}

/* Two arguments, strict, with a kernel: the common operator. */
static const Vec *
run_call2(Prim *p, int n, const uint16_t *sel)
{
    const Vec *a = p->argv[0] = prim_eval(p->args[0], n, sel);
    const Vec *b = p->argv[1] = prim_eval(p->args[1], n, sel);

    if (LIKELY(!(a->has_nulls | b->has_nulls | (a->is_const & b->is_const)))) {
        Vec *out = prim_out(p);
        int bad = p->batch(p->ctx, n, sel, p->argv, out);
        if (LIKELY(bad < 0))
            return out;
        Datum args[2];
        call_scalar_row(p, bad, args, NULL, out);
        no_raise(p);
    }
    return prim_call_rows(p, n, sel);
}

Prim *
compile_call_prims(ExprEnv *env, Oid fn, Oid collation, Prim **args, const Oid *types, int nargs,
                   Oid ret_type, int32_t ret_typmod, bool variadic)
{
    const FnInfo *info = fn_info(fn);
    const FnDef *def = info->builtin;

    if (def == NULL || def->scalar == NULL)
        UNSUPPORTED("function %s (OID %u) is not implemented", info->name, fn);
    if (nargs > MAX_FN_ARGS)
        RAISE(SQLSTATE_TOO_MANY_ARGUMENTS, "cannot pass more than %d arguments to a function",
              MAX_FN_ARGS);
    Prim *p = prim_new(env, run_call, nargs);
    Oid *arg_types = ARENA_ARRAY(env->state, Oid, nargs + 1);
    for (int i = 0; i < nargs; i++) {
        p->args[i] = args[i];
        arg_types[i] = types[i];
    }
    p->scalar = def->scalar;
    p->batch = def->batch;
    p->strict = (def->flags & FN_STRICT) != 0;
    p->is_volatile = (def->flags & FN_VOLATILE) != 0;
    p->rows = env_rows(env);
    p->ctx = ARENA_NEW(env->state, FnCtx);
    *p->ctx = (FnCtx){
        .arena = env->arena,
        .state_arena = env->state,
        .argnull = ARENA_ARRAY(env->state, bool, nargs + 1),
        .nargs = nargs,
        .fn_oid = fn,
        .collation = collation,
        .ret_type = ret_type,
        .ret_typmod = ret_typmod,
        .arg_types = arg_types,
        .variadic_array = variadic,
    };
    if (nargs == 2 && p->strict && p->batch)
        p->fn = run_call2;
    prim_lanes(p);
    return p;
}

Prim *
compile_call(ExprEnv *env, Oid fn, Oid collation, const List *args, Oid ret_type,
             int32_t ret_typmod, bool variadic)
{
    int n = list_count(args);
    Prim **prims = expr_compile_list(env, args);
    Oid *types = ARENA_ARRAY(env->state, Oid, n + 1);

    for (int i = 0; i < n; i++)
        types[i] = ((const Expr *)list_at(args, i))->type;
    return compile_call_prims(env, fn, collation, prims, types, n, ret_type, ret_typmod, variadic);
}
