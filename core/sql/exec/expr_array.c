/*
 * Array expressions: x op ANY/ALL (array), ARRAY[...], subscripts, casts of all elements.
 *
 * x op ANY (constant array) is evaluated element by element over the rows still open, so each element
 * costs one kernel call per batch; equality over many elements uses a hash table of them instead.
 */
#include "core/sql/exec/exec_internal.h"

#define HASH_FROM_ELEMENTS 9 /* below, comparing one after the other is as quick */

typedef struct ArrayOp {
    bool use_or, any_null, hashed, negated; /* negated: <> ALL, looked up by equality */
    Prim *call;           /* over lhs and elem */
    const Vec *lhs;
    const Vec *elem_ptr; Vec elem; Datum elem_lane; /* the current element */
    const Vec *built_for; /* array value the elements below are of; only for constants of the plan */
    Oid elem_type;
    Datum *values; bool *nulls; int count;
    KeyCol key; bool hashable;
    uint64_t *slot_hash; Datum *slot_value; uint64_t mask;
    uint16_t *hits;
    Arena *arena;         /* elements and table */
} ArrayOp;

static void
array_op_build(ArrayOp *o, Datum array)
{
    arena_reset(o->arena);
    array_deconstruct(o->arena, array, &o->values, &o->nulls, &o->count);
    o->any_null = false;
    for (int i = 0; i < o->count; i++)
        o->any_null |= o->nulls && o->nulls[i];
    o->hashed = o->hashable && o->count >= HASH_FROM_ELEMENTS;
    if (!o->hashed)
        return;
    uint64_t size = 16;
    while (size < (uint64_t)o->count * 2)
        size *= 2;
    o->mask = size - 1;
    o->slot_hash = ARENA_ARRAY(o->arena, uint64_t, size);
    o->slot_value = ARENA_ARRAY(o->arena, Datum, size);
    for (int i = 0; i < o->count; i++) {
        if (o->nulls && o->nulls[i])
            continue;
        uint64_t h = key_hash_one(&o->key, false, o->values[i]) | 1; /* 0: free */
        uint64_t at = h >> 1;
        for (;; at++) {
            at &= o->mask;
            if (o->slot_hash[at] == 0)
                break;
            if (o->slot_hash[at] == h && o->slot_value[at] == o->values[i])
                break;
        }
        o->slot_hash[at] = h;
        o->slot_value[at] = o->values[i];
    }
}

static inline bool
array_op_has(const ArrayOp *o, Datum d)
{
    uint64_t h = key_hash_one(&o->key, true, d) | 1;

    for (uint64_t at = h >> 1;; at++) {
        at &= o->mask;
        if (o->slot_hash[at] == 0)
            return false;
        if (o->slot_hash[at] == h && key_equal(&o->key, d, o->slot_value[at]))
            return true;
    }
}

/* All rows against the same array. */
static const Vec *
array_op_shared(Prim *p, int n, const uint16_t *sel)
{
    ArrayOp *o = p->data;
    Vec *out = prim_out(p);
    uint16_t *open = p->rows;
    int nopen = 0;

    FOR_ROWS (row, n, sel) {
        if (vec_null(o->lhs, row) && o->call->strict)
            vec_set_null(out, row);
        else
            open[nopen++] = (uint16_t)row;
    }
    if (o->hashed) {
        for (int k = 0; k < nopen; k++) {
            int row = open[k];
            if (array_op_has(o, vec_get(o->lhs, row)))
                out->v[row] = !o->negated;
            else if (o->any_null)
                vec_set_null(out, row);
            else
                out->v[row] = o->negated;
        }
        return out;
    }
    for (int k = 0; k < nopen; k++)
        out->v[open[k]] = !o->use_or;
    for (int i = 0; i < o->count && nopen > 0; i++) {
        if (o->nulls && o->nulls[i] && o->call->strict) {
            for (int k = 0; k < nopen; k++)
                vec_set_null(out, open[k]);
            continue;
        }
        o->elem_lane = o->values[i];
        o->elem_ptr = o->nulls && o->nulls[i] ? &vec_null_const : &o->elem;
        const Vec *v = prim_eval(o->call, nopen, open);
        int k2 = 0;
        for (int k = 0; k < nopen; k++) {
            int row = open[k];
            if (vec_null(v, row)) {
                vec_set_null(out, row);
                open[k2++] = (uint16_t)row;
            } else if ((vec_get(v, row) != 0) == o->use_or) {
                out->v[row] = o->use_or;
                if (out->has_nulls)
                    out->nulls[row >> 6] &= ~(UINT64_C(1) << (row & 63));
            } else {
                open[k2++] = (uint16_t)row;
            }
        }
        nopen = k2;
    }
    return out;
}

static const Vec *
run_array_op(Prim *p, int n, const uint16_t *sel)
{
    ArrayOp *o = p->data;
    const Vec *arr;

    o->lhs = prim_eval(p->args[0], n, sel);
    arr = prim_eval(p->args[1], n, sel);
    if (arr->is_const) {
        if (vec_null(arr, 0))
            return &vec_null_const;
        bool plan_const = p->args[1]->fixed && p->i;
        if (!plan_const || o->built_for != arr) {
            array_op_build(o, arr->v[0]);
            o->built_for = plan_const ? arr : NULL;
        }
        if (o->count == 0)
            return o->use_or ? &vec_false_const : &vec_true_const;
        return array_op_shared(p, n, sel);
    }
    /* An array per row: one row at a time. */
    Vec *out = prim_out(p);
    Vec result;
    env_vec(p->env, &result); /* rare enough to take new lanes */
    FOR_ROWS (row, n, sel) {
        uint16_t one = (uint16_t)row;
        if (vec_null(arr, row)) {
            vec_set_null(&result, row);
            continue;
        }
        array_op_build(o, arr->v[row]);
        if (o->count == 0) {
            result.v[row] = !o->use_or;
            continue;
        }
        o->hashed = false;
        const Vec *v = array_op_shared(p, 1, &one);
        if (vec_null(v, row))
            vec_set_null(&result, row);
        else
            result.v[row] = v->v[row];
    }
    memcpy(out->v, result.v, (size_t)p->env->lanes * sizeof(Datum));
    out->has_nulls = result.has_nulls;
    if (result.has_nulls)
        memcpy(out->nulls, result.nulls, BATCH_ROWS / 8);
    return out;
}

static Prim *
compile_array_op(ExprEnv *env, const ScalarArrayOp *s)
{
    const Expr *l = list_at(s->args, 0), *r = list_at(s->args, 1);
    Prim *p = prim_new(env, run_array_op, 2);
    ArrayOp *o = ARENA_NEW(env->state, ArrayOp);
    const OpInfo *op = s->op ? op_info(s->op) : NULL;

    p->args[0] = expr_compile(env, l);
    p->args[1] = expr_compile(env, r);
    p->i = IS(r, Const);
    o->use_or = s->use_or;
    o->arena = arena_create(env->state, "array elements");
    o->elem_type = type_element_of(type_base(r->type, NULL));
    o->elem = (Vec){.v = &o->elem_lane, .is_const = true};
    o->elem_ptr = &o->elem;
    Prim *alias[2] = {prim_alias(env, &o->lhs), prim_alias(env, &o->elem_ptr)};
    Oid types[2] = {l->type, o->elem_type};
    o->call = compile_call_prims(env, s->fn ? s->fn : op->fn, s->input_collation, alias, types, 2,
                                 BOOL_OID, -1, false);
    if (op) {
        Oid eq = s->use_or ? s->op : op->negator;
        o->negated = !s->use_or;
        if (eq && op_is_equality_hashable(eq)) {
            key_col_init(&o->key, env->state, eq, l->type, o->elem_type, s->input_collation);
            o->hashable = o->key.kind != KEY_CALL;
        }
    }
    p->data = o;
    p->rows = env_rows(env);
    prim_lanes(p);
    return p;
}

/* ---- ARRAY[...] ---- */

typedef struct MakeArray { Oid elem; bool multidims; Datum *values; bool *nulls; } MakeArray;

static Datum
join_arrays(ExprEnv *env, const MakeArray *m, int n, bool *isnull)
{
    int dims[6], lbound[6], ndim = 0, total = 0, parts = 0;
    Datum **values = arena_alloc(env->arena, sizeof(*values) * (size_t)n);
    bool **nulls = arena_alloc(env->arena, sizeof(*nulls) * (size_t)n);
    int *counts = arena_alloc(env->arena, sizeof(*counts) * (size_t)n);

    for (int i = 0; i < n; i++) {
        ArrayView v;
        if (m->nulls[i])
            continue; /* as PostgreSQL: a null row counts for nothing */
        array_view(m->values[i], &v);
        if (v.ndim == 0)
            continue;
        if (parts == 0) {
            ndim = v.ndim + 1;
            if (ndim > 6)
                RAISE(SQLSTATE_PROGRAM_LIMIT_EXCEEDED,
                      "number of array dimensions (%d) exceeds the maximum allowed (%d)", ndim, 6);
            memcpy(dims + 1, v.dims, sizeof(int) * (size_t)v.ndim);
            memcpy(lbound + 1, v.lbound, sizeof(int) * (size_t)v.ndim);
        } else if (v.ndim + 1 != ndim ||
                   memcmp(dims + 1, v.dims, sizeof(int) * (size_t)v.ndim) != 0) {
            RAISE(SQLSTATE_ARRAY_SUBSCRIPT_ERROR,
                  "multidimensional arrays must have array expressions with matching dimensions");
        }
        array_deconstruct(env->arena, m->values[i], &values[parts], &nulls[parts], &counts[parts]);
        total += counts[parts++];
    }
    if (parts == 0)
        return array_construct(env->arena, m->elem, 0, NULL, NULL, NULL, NULL);
    if (parts != n)
        RAISE(SQLSTATE_ARRAY_SUBSCRIPT_ERROR,
              "multidimensional arrays must have array expressions with matching dimensions");
    dims[0] = parts;
    lbound[0] = 1;
    Datum *all = arena_alloc(env->arena, sizeof(*all) * (size_t)(total + 1));
    bool *all_nulls = ARENA_ARRAY(env->arena, bool, total + 1);
    int at = 0;
    for (int i = 0; i < parts; i++)
        for (int j = 0; j < counts[i]; j++, at++) {
            all[at] = values[i][j];
            all_nulls[at] = nulls[i] && nulls[i][j];
        }
    *isnull = false;
    return array_construct(env->arena, m->elem, ndim, dims, lbound, all, all_nulls);
}

static const Vec *
run_make_array(Prim *p, int n, const uint16_t *sel)
{
    MakeArray *m = p->data;
    Vec *out = prim_out(p);
    bool all_const = true;

    for (int j = 0; j < p->nargs; j++) {
        p->argv[j] = prim_eval(p->args[j], n, sel);
        all_const &= p->argv[j]->is_const;
    }
    if (all_const) {
        out->is_const = true;
        n = 1;
        sel = NULL;
    }
    FOR_ROWS (row, n, sel) {
        bool isnull = false;
        for (int j = 0; j < p->nargs; j++) {
            m->nulls[j] = vec_null(p->argv[j], row);
            m->values[j] = m->nulls[j] ? 0 : vec_get(p->argv[j], row);
        }
        if (m->multidims)
            out->v[row] = join_arrays(p->env, m, p->nargs, &isnull);
        else if (p->nargs == 0)
            out->v[row] = array_construct(p->env->arena, m->elem, 0, NULL, NULL, NULL, NULL);
        else
            out->v[row] = array_construct_1d(p->env->arena, m->elem, m->values, m->nulls, p->nargs);
    }
    return out;
}

/* ---- subscripts ---- */

typedef struct Subscript {
    int n;               /* dimensions given */
    Prim **upper, **lower; /* lower: slices; entries may be NULL (missing bound) */
    Prim *container, *assign;
    const Vec *old;      /* container's value, for CaseTest inside the assigned expression */
    bool slice, of_name;
    Oid elem;
    const Vec **uv, **lv;
} Subscript;

/* False: a subscript is null. */
static bool
subscripts_of_row(const Subscript *s, int row, int *upper, int *lower, bool *ug, bool *lg)
{
    for (int i = 0; i < s->n; i++) {
        ug[i] = s->upper[i] != NULL;
        lg[i] = s->lower && s->lower[i] != NULL;
        if (ug[i]) {
            if (vec_null(s->uv[i], row))
                return false;
            upper[i] = datum_int32(vec_get(s->uv[i], row));
        }
        if (lg[i]) {
            if (vec_null(s->lv[i], row))
                return false;
            lower[i] = datum_int32(vec_get(s->lv[i], row));
        } else {
            lower[i] = 1;
        }
        if (s->slice && !ug[i] && !s->lower)
            upper[i] = 0;
    }
    return true;
}

/* The i-th byte of a name, from 0. */
static Datum
name_byte(Datum name, int nsubs, int i, bool *isnull)
{
    *isnull = nsubs != 1 || i < 0 || i >= NAME_BYTES;
    return *isnull ? 0 : (Datum)(unsigned char)((const char *)datum_ptr(name))[i];
}

static const Vec *
run_subscript(Prim *p, int n, const uint16_t *sel)
{
    Subscript *s = p->data;
    Vec *out = prim_out(p);
    int upper[6], lower[6];
    bool ug[6], lg[6];
    const Vec *c = s->old = prim_eval(s->container, n, sel), *a = NULL;

    for (int i = 0; i < s->n; i++) {
        s->uv[i] = s->upper[i] ? prim_eval(s->upper[i], n, sel) : NULL;
        s->lv[i] = s->lower && s->lower[i] ? prim_eval(s->lower[i], n, sel) : NULL;
    }
    if (s->assign)
        a = prim_eval(s->assign, n, sel);
    FOR_ROWS (row, n, sel) {
        bool isnull = vec_null(c, row);
        Datum d = isnull ? 0 : vec_get(c, row), r;
        bool known = subscripts_of_row(s, row, upper, lower, ug, lg);

        if (s->assign) {
            if (!known)
                RAISE(SQLSTATE_NULL_VALUE_NOT_ALLOWED,
                      "array subscript in assignment must not be null");
            bool vnull = vec_null(a, row);
            Datum v = vnull ? 0 : vec_get(a, row);
            if (s->slice && vnull) {
                r = d; /* assigning a null slice changes nothing */
            } else if (s->slice) {
                r = array_set_slice(p->env->arena, d, isnull, s->elem, s->n, lower, upper, lg, ug,
                                    v);
                isnull = false;
            } else {
                r = array_set_element(p->env->arena, d, isnull, s->elem, s->n, upper, v, vnull);
                isnull = false;
            }
        } else if (isnull || !known) {
            isnull = true;
            r = 0;
        } else if (s->of_name) {
            r = name_byte(d, s->n, upper[0], &isnull);
        } else if (s->slice) {
            r = array_get_slice(p->env->arena, d, s->n, lower, upper, lg, ug, &isnull);
        } else {
            r = array_get_element(p->env->arena, d, s->n, upper, &isnull);
        }
        if (isnull)
            vec_set_null(out, row);
        else
            out->v[row] = r;
    }
    return out;
}

static Prim *
compile_subscript(ExprEnv *env, const SubscriptRef *e)
{
    Prim *p = prim_new(env, run_subscript, 0);
    Subscript *s = ARENA_NEW(env->state, Subscript);

    s->n = list_count(e->upper);
    if (s->n > 6)
        RAISE(SQLSTATE_PROGRAM_LIMIT_EXCEEDED,
              "number of array dimensions (%d) exceeds the maximum allowed (%d)", s->n, 6);
    s->slice = e->is_slice;
    s->elem = e->element_type;
    s->of_name = e->container_type == NAME_OID;
    s->container = expr_compile(env, e->container);
    s->upper = ARENA_ARRAY(env->state, Prim *, s->n);
    s->uv = ARENA_ARRAY(env->state, const Vec *, s->n);
    s->lv = ARENA_ARRAY(env->state, const Vec *, s->n);
    if (e->is_slice)
        s->lower = ARENA_ARRAY(env->state, Prim *, s->n);
    for (int i = 0; i < s->n; i++) {
        if (list_at(e->upper, i))
            s->upper[i] = expr_compile(env, list_at(e->upper, i));
        if (s->lower && i < list_count(e->lower) && list_at(e->lower, i))
            s->lower[i] = expr_compile(env, list_at(e->lower, i));
    }
    if (e->assign) {
        const Vec **saved = compile_case_value;
        compile_case_value = &s->old;
        s->assign = expr_compile(env, e->assign);
        compile_case_value = saved;
    }
    p->data = s;
    prim_lanes(p);
    return p;
}

/* ---- casts of all elements ---- */

typedef struct CoerceArray {
    Prim *element;       /* NULL: the elements stay as they are */
    const Vec *input; Vec chunk; /* CaseTest's value: elements as rows */
    Oid elem;
} CoerceArray;

static Datum
coerce_array(ExprEnv *env, CoerceArray *c, Datum d)
{
    ArrayView v;
    Datum *values, *to;
    bool *nulls, *to_nulls;
    int n;

    array_view(d, &v);
    array_deconstruct(env->arena, d, &values, &nulls, &n);
    to = arena_alloc(env->arena, sizeof(*to) * (size_t)(n + 1));
    to_nulls = ARENA_ARRAY(env->arena, bool, n + 1);
    for (int at = 0; at < n; at += env->lanes) {
        int m = MIN(n - at, env->lanes);
        c->chunk.has_nulls = false;
        for (int i = 0; i < m; i++) {
            if (nulls && nulls[at + i])
                vec_set_null(&c->chunk, i);
            else
                c->chunk.v[i] = values[at + i];
        }
        const Vec *r = c->element ? prim_eval(c->element, m, NULL) : &c->chunk;
        for (int i = 0; i < m; i++) {
            to_nulls[at + i] = vec_null(r, i);
            to[at + i] = to_nulls[at + i] ? 0 : vec_get(r, i);
        }
    }
    return array_construct(env->arena, c->elem, v.ndim, v.dims, v.lbound, to, to_nulls);
}

static const Vec *
run_coerce_array(Prim *p, int n, const uint16_t *sel)
{
    CoerceArray *c = p->data;
    const Vec *v = prim_eval(p->args[0], n, sel);
    Vec *out = prim_out(p);

    if (v->is_const) {
        if (vec_null(v, 0))
            return &vec_null_const;
        out->is_const = true;
        n = 1;
        sel = NULL;
    }
    c->input = &c->chunk;
    FOR_ROWS (row, n, sel) {
        if (vec_null(v, row))
            vec_set_null(out, row);
        else
            out->v[row] = coerce_array(p->env, c, vec_get(v, row));
    }
    return out;
}

Prim *
compile_array(ExprEnv *env, const Expr *e)
{
    switch ((int)e->tag) {
    case TAG_ScalarArrayOp:
        return compile_array_op(env, (const ScalarArrayOp *)e);
    case TAG_SubscriptRef:
        return compile_subscript(env, (const SubscriptRef *)e);
    case TAG_ArrayExpr: {
        const ArrayExpr *a = (const ArrayExpr *)e;
        int n = list_count(a->elements);
        Prim *p = prim_new(env, run_make_array, n);
        MakeArray *m = ARENA_NEW(env->state, MakeArray);
        *m = (MakeArray){a->element_type, a->multidims, ARENA_ARRAY(env->state, Datum, n + 1), ARENA_ARRAY(env->state, bool, n + 1)};
        for (int i = 0; i < n; i++)
            p->args[i] = expr_compile(env, list_at(a->elements, i));
        p->data = m;
        prim_lanes(p);
        return p;
    }
    default: {
        const ArrayCoerce *a = (const ArrayCoerce *)e;
        Prim *p = prim_new(env, run_coerce_array, 1);
        CoerceArray *c = ARENA_NEW(env->state, CoerceArray);
        const Vec **saved = compile_case_value;
        p->args[0] = expr_compile(env, a->arg);
        c->elem = type_element_of(type_base(e->type, NULL));
        env_vec(env, &c->chunk);
        c->input = &c->chunk;
        if (a->element && !IS(a->element, CaseTest)) {
            compile_case_value = &c->input;
            c->element = expr_compile(env, a->element);
            compile_case_value = saved;
        }
        p->data = c;
        prim_lanes(p);
        return p;
    }
    }
}
