/*
 * SQL functions that make arrays of arrays and elements: append, prepend, concatenate, remove,
 * replace, fill, trim; and the aggregates array_agg, min and max over arrays.
 */
#include "core/types/array.h"

#define INT(i) datum_int32(args[i])

/* For a null array: the element type the call was resolved to. */
static Oid
elem_of(FnCtx *c, int elem_arg)
{
    Oid elem = type_builtin_element(c->ret_type);

    return elem ? elem : c->arg_types[elem_arg]; /* an array of a user's type */
}

/* Array with one element more at an end; a null array counts as empty. */
static Datum
push(FnCtx *c, const Datum *args, int array_arg, int elem_arg, bool at_front)
{
    ArrayView v = {0};
    Datum *old = NULL;
    bool *old_nulls = NULL;
    int count = 0, lbound = 1;

    if (!c->argnull[array_arg]) {
        array_view(args[array_arg], &v);
        if (v.ndim > 1)
            RAISE(SQLSTATE_DATA_EXCEPTION, "argument must be empty or one-dimensional array");
        array_deconstruct(c->arena, args[array_arg], &old, &old_nulls, &count);
        if (v.ndim == 1)
            lbound = v.lbound[0];
    } else {
        v.elem = elem_of(c, elem_arg);
        if (!v.elem)
            INTERNAL_ERROR("could not determine element type of array argument");
    }
    if (v.ndim == 1) {
        int32_t unused;
        if (at_front ? __builtin_sub_overflow(lbound, 1, &unused)
                     : __builtin_add_overflow(lbound, count, &unused))
            RAISE(SQLSTATE_NUMERIC_VALUE_OUT_OF_RANGE, "integer out of range");
    }
    int n = count + 1, shift = at_front;
    Datum *values = arena_alloc(c->arena, sizeof(Datum) * (size_t)n);
    bool *nulls = arena_alloc(c->arena, (size_t)n);
    if (count > 0) {
        memcpy(values + shift, old, sizeof(Datum) * (size_t)count);
        memcpy(nulls + shift, old_nulls, (size_t)count);
    }
    int at = at_front ? 0 : count;
    values[at] = args[elem_arg];
    nulls[at] = c->argnull[elem_arg];
    return array_construct(c->arena, v.elem, 1, &n, &lbound, values, nulls);
}

Datum
fn_array_append(FnCtx *c, const Datum *args, bool *isnull)
{
    return push(c, args, 0, 1, false);
}

Datum
fn_array_prepend(FnCtx *c, const Datum *args, bool *isnull)
{
    return push(c, args, 1, 0, true);
}

NORETURN static void
raise_incompatible(const char *detail)
{
    RAISE_ERR(SQLSTATE_ARRAY_SUBSCRIPT_ERROR, err_message("cannot concatenate incompatible arrays"),
              err_detail("%s", detail));
}

Datum
fn_array_cat(FnCtx *c, const Datum *args, bool *isnull)
{
    ArrayView a, b;
    Datum *va, *vb;
    bool *na, *nb;
    int ca, cb, dims[ARRAY_DIMS_MAX], lbound[ARRAY_DIMS_MAX], ndim;

    if (c->argnull[0] || c->argnull[1]) {
        *isnull = c->argnull[0] && c->argnull[1];
        return c->argnull[0] ? args[1] : args[0];
    }
    array_view(args[0], &a);
    array_view(args[1], &b);
    if (a.elem != b.elem)
        RAISE_ERR(
            SQLSTATE_DATATYPE_MISMATCH, err_message("cannot concatenate incompatible arrays"),
            err_detail("Arrays with element types %u and %u are not compatible for concatenation.",
                       a.elem, b.elem));
    if (a.ndim == 0)
        return args[1];
    if (b.ndim == 0)
        return args[0];
    if (a.ndim != b.ndim && a.ndim != b.ndim - 1 && a.ndim != b.ndim + 1)
        RAISE_ERR(SQLSTATE_ARRAY_SUBSCRIPT_ERROR,
                  err_message("cannot concatenate incompatible arrays"),
                  err_detail("Arrays of %d and %d dimensions are not compatible for concatenation.",
                             a.ndim, b.ndim));
    const ArrayView *outer = a.ndim >= b.ndim ? &a : &b, *inner = a.ndim >= b.ndim ? &b : &a;
    int off = a.ndim == b.ndim ? 0 : 1; /* the inner array is one item of the outer one */
    ndim = outer->ndim;
    memcpy(dims, outer->dims, sizeof dims);
    memcpy(lbound, outer->lbound, sizeof lbound);
    dims[0] += off ? 1 : inner->dims[0];
    for (int i = 1; i < ndim; i++)
        if (outer->dims[i] != inner->dims[i - off] || outer->lbound[i] != inner->lbound[i - off])
            raise_incompatible(
                off ? "Arrays with differing dimensions are not compatible for concatenation."
                    : "Arrays with differing element dimensions are not compatible for "
                      "concatenation.");
    array_deconstruct(c->arena, args[0], &va, &na, &ca);
    array_deconstruct(c->arena, args[1], &vb, &nb, &cb);
    Datum *values = arena_alloc(c->arena, sizeof(Datum) * (size_t)(ca + cb));
    bool *nulls = arena_alloc(c->arena, (size_t)(ca + cb));
    memcpy(values, va, sizeof(Datum) * (size_t)ca);
    memcpy(values + ca, vb, sizeof(Datum) * (size_t)cb);
    memcpy(nulls, na, (size_t)ca);
    memcpy(nulls + ca, nb, (size_t)cb);
    return array_construct(c->arena, a.elem, ndim, dims, lbound, values, nulls);
}

/* ---- remove and replace ---- */

static Datum
change(FnCtx *c, const Datum *args, bool remove)
{
    ArrayView v;
    ArrayIter it;
    ArrayBuilder b;
    Datum d;
    bool null, changed = false;

    array_view(args[0], &v);
    if (v.count == 0)
        return args[0];
    if (remove && v.ndim > 1)
        UNSUPPORTED("removing elements from multidimensional arrays is not supported");
    const TypeOps *ops = array_elem_ops(v.elem);
    if (!ops->eq)
        RAISE(SQLSTATE_UNDEFINED_FUNCTION, "could not identify an equality operator for type %u",
              v.elem);
    array_builder_init(&b, c->arena);
    array_iter_init(&it, &v);
    while (array_next(&it, &d, &null)) {
        bool hit =
            null || c->argnull[1] ? null && c->argnull[1] : ops->eq(d, args[1], c->collation);
        changed |= hit;
        if (!hit)
            array_builder_add(&b, d, null);
        else if (!remove)
            array_builder_add(&b, args[2], c->argnull[2]);
    }
    if (!changed)
        return args[0];
    if (remove)
        v.dims[0] = b.n;
    return array_construct(c->arena, v.elem, v.ndim, v.dims, v.lbound, b.v, b.nulls);
}

Datum
fn_array_remove(FnCtx *c, const Datum *args, bool *isnull)
{
    *isnull = c->argnull[0];
    return *isnull ? 0 : change(c, args, true);
}

Datum
fn_array_replace(FnCtx *c, const Datum *args, bool *isnull)
{
    *isnull = c->argnull[0];
    return *isnull ? 0 : change(c, args, false);
}

/* ---- fill and trim ---- */

/* array_fill(value, dims [, lower bounds]) */
Datum
fn_array_fill(FnCtx *c, const Datum *args, bool *isnull)
{
    ArrayView v;
    Datum *d;
    bool *n;
    int count, ndim, dims[ARRAY_DIMS_MAX], lbound[ARRAY_DIMS_MAX];

    if (c->argnull[1] || (c->nargs > 2 && c->argnull[2]))
        RAISE(SQLSTATE_NULL_VALUE_NOT_ALLOWED, "dimension array or low bound array cannot be null");
    array_view(args[1], &v);
    if (v.ndim > 1)
        RAISE_ERR(SQLSTATE_ARRAY_SUBSCRIPT_ERROR, err_message("wrong number of array subscripts"),
                  err_detail("Dimension array must be one dimensional."));
    if (v.bitmap)
        RAISE(SQLSTATE_NULL_VALUE_NOT_ALLOWED, "dimension values cannot be null");
    array_deconstruct(c->arena, args[1], &d, &n, &ndim);
    if (ndim > ARRAY_DIMS_MAX)
        RAISE(SQLSTATE_PROGRAM_LIMIT_EXCEEDED,
              "number of array dimensions (%d) exceeds the maximum allowed (%d)", ndim,
              ARRAY_DIMS_MAX);
    for (int i = 0; i < ndim; i++) {
        dims[i] = datum_int32(d[i]);
        lbound[i] = 1;
    }
    if (c->nargs > 2) {
        array_view(args[2], &v);
        if (v.ndim > 1)
            RAISE_ERR(SQLSTATE_ARRAY_SUBSCRIPT_ERROR,
                      err_message("wrong number of array subscripts"),
                      err_detail("Dimension array must be one dimensional."));
        if (v.bitmap)
            RAISE(SQLSTATE_NULL_VALUE_NOT_ALLOWED, "dimension values cannot be null");
        array_deconstruct(c->arena, args[2], &d, &n, &count);
        if (count != ndim)
            RAISE_ERR(SQLSTATE_ARRAY_SUBSCRIPT_ERROR,
                      err_message("wrong number of array subscripts"),
                      err_detail("Low bound array has different size than dimensions array."));
        for (int i = 0; i < ndim; i++)
            lbound[i] = datum_int32(d[i]);
    }
    count = array_count_elements(ndim, dims);
    array_check_bounds(ndim, dims, lbound);
    Oid elem = c->arg_types[0] ? c->arg_types[0] : type_builtin_element(c->ret_type);
    Datum *values = arena_alloc(c->arena, sizeof(Datum) * (size_t)(count + 1));
    bool *nulls = arena_alloc(c->arena, (size_t)count + 1);
    for (int i = 0; i < count; i++) {
        values[i] = args[0];
        nulls[i] = c->argnull[0];
    }
    return array_construct(c->arena, elem, ndim, dims, lbound, values, nulls);
}

Datum
fn_trim_array(FnCtx *c, const Datum *args, bool *isnull)
{
    ArrayView v;
    int n = INT(1), lower[1] = {0}, upper[1];
    bool no[1] = {false}, yes[1] = {true};

    array_view(args[0], &v);
    int length = v.ndim > 0 ? v.dims[0] : 0;
    if (n < 0 || n > length)
        RAISE(SQLSTATE_ARRAY_ELEMENT_ERROR, "number of elements to trim must be between 0 and %d",
              length);
    if (v.ndim == 0)
        return args[0];
    upper[0] = v.lbound[0] + length - 1 - n;
    return array_get_slice(c->arena, args[0], 1, lower, upper, no, yes, isnull);
}

/* ---- array_agg ---- */

typedef struct AggState {
    ArrayBuilder b;
    Oid elem;
    int16_t len;
    bool byval, started;
    int ndim; /* arrays of arrays: the shape of the first, and how many there were */
    int dims[ARRAY_DIMS_MAX], lbound[ARRAY_DIMS_MAX];
    int arrays;
} AggState;

static void
agg_start(AggCtx *c, AggState *s, Oid elem)
{
    const TypeOps *ops = array_elem_ops(elem);

    array_builder_init(&s->b, c->arena);
    s->elem = elem;
    s->len = ops->len;
    s->byval = ops->byval;
    s->started = true;
}

static void
array_agg_step(AggCtx *c, void *state, const Datum *args, const bool *nulls)
{
    AggState *s = state;

    if (!s->started)
        agg_start(c, s, c->fn.arg_types[0]);
    Datum d = nulls[0] ? 0 : datum_copy(c->arena, args[0], s->byval, s->len);
    array_builder_add(&s->b, d, nulls[0]);
}

static void
array_agg_merge(AggCtx *c, void *state, const void *other)
{
    AggState *s = state;
    const AggState *o = other;

    if (!o->started)
        return;
    if (!s->started)
        agg_start(c, s, o->elem);
    for (int i = 0; i < o->b.n; i++)
        array_builder_add(&s->b,
                          o->b.nulls[i] ? 0 : datum_copy(c->arena, o->b.v[i], s->byval, s->len),
                          o->b.nulls[i]);
}

static Datum
array_agg_final(AggCtx *c, const void *state, bool *isnull)
{
    const AggState *s = state;

    if (!s->started) {
        *isnull = true;
        return 0;
    }
    return array_construct_1d(c->fn.arena, s->elem, s->b.v, s->b.nulls, s->b.n);
}

const AggImpl agg_array_agg = {
    .state_bytes = sizeof(AggState),
    .step = array_agg_step,
    .merge = array_agg_merge,
    .final = array_agg_final,
};

static void
array_agg_array_step(AggCtx *c, void *state, const Datum *args, const bool *nulls)
{
    AggState *s = state;
    ArrayView v;
    ArrayIter it;
    Datum d;
    bool null;

    if (nulls[0])
        RAISE(SQLSTATE_NULL_VALUE_NOT_ALLOWED, "cannot accumulate null arrays");
    array_view(args[0], &v);
    if (!s->started) {
        agg_start(c, s, v.elem);
        if (v.ndim == 0)
            RAISE(SQLSTATE_ARRAY_SUBSCRIPT_ERROR, "cannot accumulate empty arrays");
        if (v.ndim + 1 > ARRAY_DIMS_MAX)
            RAISE(SQLSTATE_PROGRAM_LIMIT_EXCEEDED,
                  "number of array dimensions (%d) exceeds the maximum allowed (%d)", v.ndim + 1,
                  ARRAY_DIMS_MAX);
        s->ndim = v.ndim + 1;
        s->lbound[0] = 1;
        memcpy(s->dims + 1, v.dims, sizeof(int) * (size_t)v.ndim);
        memcpy(s->lbound + 1, v.lbound, sizeof(int) * (size_t)v.ndim);
    } else {
        if (s->ndim != v.ndim + 1)
            RAISE(SQLSTATE_ARRAY_SUBSCRIPT_ERROR,
                  v.ndim == 0 ? "cannot accumulate empty arrays"
                              : "cannot accumulate arrays of different dimensionality");
        for (int i = 0; i < v.ndim; i++)
            if (v.dims[i] != s->dims[i + 1] || v.lbound[i] != s->lbound[i + 1])
                RAISE(SQLSTATE_ARRAY_SUBSCRIPT_ERROR,
                      "cannot accumulate arrays of different dimensionality");
    }
    s->arrays++;
    array_iter_init(&it, &v);
    while (array_next(&it, &d, &null))
        array_builder_add(&s->b, null ? 0 : datum_copy(c->arena, d, s->byval, s->len), null);
}

static Datum
array_agg_array_final(AggCtx *c, const void *state, bool *isnull)
{
    AggState s = *(const AggState *)state;

    if (!s.started) {
        *isnull = true;
        return 0;
    }
    s.dims[0] = s.arrays;
    return array_construct(c->fn.arena, s.elem, s.ndim, s.dims, s.lbound, s.b.v, s.b.nulls);
}

const AggImpl agg_array_agg_array = {
    .state_bytes = sizeof(AggState),
    .step = array_agg_array_step,
    .final = array_agg_array_final,
};

/* ---- min and max ---- */

typedef struct BestState {
    char *value;
    uint32_t cap;
    bool any;
} BestState;

static void
keep_best(AggCtx *c, BestState *s, Datum d, int sign)
{
    if (s->any && array_compare(d, ptr_datum(s->value), c->fn.collation) * sign <= 0)
        return;
    uint32_t size = var_size(datum_ptr(d));
    if (size > s->cap) {
        s->cap = MAX(size, 64) * 2;
        s->value = arena_alloc(c->arena, s->cap);
    }
    memcpy(s->value, datum_ptr(d), size);
    s->any = true;
}

static void
max_step(AggCtx *c, void *state, const Datum *args, const bool *nulls)
{
    keep_best(c, state, args[0], 1);
}

static void
min_step(AggCtx *c, void *state, const Datum *args, const bool *nulls)
{
    keep_best(c, state, args[0], -1);
}

static Datum
best_final(AggCtx *c, const void *state, bool *isnull)
{
    const BestState *s = state;

    *isnull = !s->any;
    return s->any ? datum_copy(c->fn.arena, ptr_datum(s->value), false, -1) : 0;
}

const AggImpl agg_max_array = {
    .state_bytes = sizeof(BestState), .strict = true, .step = max_step, .final = best_final};
const AggImpl agg_min_array = {
    .state_bytes = sizeof(BestState), .strict = true, .step = min_step, .final = best_final};
