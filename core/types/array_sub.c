/*
 * Subscripts: reading an element or a slice, and arrays with an element or a slice replaced.
 *
 * A one-dimensional array grows to take an assignment outside its bounds, the gap filled with
 * nulls; an array of more dimensions does not.
 */
#include "core/types/array.h"

#define SUBSCRIPT_ERROR(...) RAISE(SQLSTATE_ARRAY_SUBSCRIPT_ERROR, __VA_ARGS__)

/* Position of a subscript in storage order, or -1 when it is out of bounds. */
static int
element_index(int ndim, const int *dims, const int *lbound, const int *subs)
{
    int64_t index = 0;

    for (int i = 0; i < ndim; i++) {
        int64_t at = (int64_t)subs[i] - lbound[i];
        if (at < 0 || at >= dims[i])
            return -1;
        index = index * dims[i] + at;
    }
    return (int)index;
}

Datum
array_get_element(Arena *a, Datum array, int nsubs, const int *subs, bool *isnull)
{
    ArrayView v;
    ArrayIter it;
    Datum d = 0;

    array_view(array, &v);
    *isnull = true;
    if (nsubs != v.ndim || v.ndim == 0)
        return 0;
    int index = element_index(v.ndim, v.dims, v.lbound, subs);
    if (index < 0)
        return 0;
    array_iter_init(&it, &v);
    if (!v.bitmap && it.len > 0) {
        *isnull = false;
        return array_load_elem(v.data + (size_t)index * (size_t)it.len, it.len, it.byval, it.sign);
    }
    for (int i = 0; i <= index; i++)
        array_next(&it, &d, isnull);
    return d;
}

/* Visits the storage positions of a box lower..upper; `visit` gets each in order. */
typedef struct BoxWalk {
    int ndim;
    int dims[ARRAY_DIMS_MAX], lbound[ARRAY_DIMS_MAX], lower[ARRAY_DIMS_MAX], upper[ARRAY_DIMS_MAX];
    int at[ARRAY_DIMS_MAX];
    bool done;
} BoxWalk;

static void
box_start(BoxWalk *w, int ndim, const int *dims, const int *lbound, const int *lower,
          const int *upper)
{
    w->ndim = ndim;
    w->done = false;
    for (int i = 0; i < ndim; i++) {
        w->dims[i] = dims[i];
        w->lbound[i] = lbound[i];
        w->at[i] = w->lower[i] = lower[i];
        w->upper[i] = upper[i];
    }
}

static bool
box_next(BoxWalk *w, int *index)
{
    if (w->done)
        return false;
    *index = element_index(w->ndim, w->dims, w->lbound, w->at);
    int i = w->ndim - 1;
    while (i >= 0 && ++w->at[i] > w->upper[i]) {
        w->at[i] = w->lower[i];
        i--;
    }
    w->done = i < 0;
    return true;
}

Datum
array_get_slice(Arena *a, Datum array, int n, const int *lower, const int *upper,
                const bool *lower_given, const bool *upper_given, bool *isnull)
{
    ArrayView v;
    Datum *values;
    bool *nulls;
    int count, lo[ARRAY_DIMS_MAX], hi[ARRAY_DIMS_MAX], dims[ARRAY_DIMS_MAX], ones[ARRAY_DIMS_MAX];
    BoxWalk walk;

    *isnull = false;
    array_view(array, &v);
    if (v.ndim < n || v.ndim == 0)
        return array_empty(a, v.elem);
    for (int i = 0; i < v.ndim; i++) {
        int last = v.lbound[i] + v.dims[i] - 1;
        lo[i] = i < n && lower_given[i] && lower[i] > v.lbound[i] ? lower[i] : v.lbound[i];
        hi[i] = i < n && upper_given[i] && upper[i] < last ? upper[i] : last;
        if (lo[i] > hi[i])
            return array_empty(a, v.elem);
        dims[i] = hi[i] - lo[i] + 1;
        ones[i] = 1;
    }
    array_deconstruct(a, array, &values, &nulls, &count);
    ArrayBuilder out;
    array_builder_init(&out, a);
    box_start(&walk, v.ndim, v.dims, v.lbound, lo, hi);
    for (int at; box_next(&walk, &at);)
        array_builder_add(&out, values[at], nulls[at]);
    return array_construct(a, v.elem, v.ndim, dims, ones, out.v, out.nulls);
}

/* The elements of a one-dimensional array moved into one with bounds lbound.., gaps null. */
static void
regrow(Arena *a, const ArrayView *v, Datum *old, bool *old_nulls, int lbound, int dim,
       Datum **values, bool **nulls)
{
    *values = arena_alloc0(a, sizeof(Datum) * (size_t)dim);
    *nulls = arena_alloc(a, (size_t)dim);
    memset(*nulls, 1, (size_t)dim);
    for (int i = 0; i < v->count; i++) {
        int at = i + v->lbound[0] - lbound;
        (*values)[at] = old[i];
        (*nulls)[at] = old_nulls[i];
    }
}

/* New bounds of a one-dimensional array that is to hold lower..upper too. */
static void
extend_bounds(const ArrayView *v, int lower, int upper, int *lbound, int *dim)
{
    int64_t lo = MIN((int64_t)lower, v->lbound[0]);
    int64_t hi = MAX((int64_t)upper, (int64_t)v->lbound[0] + v->dims[0] - 1);

    if (hi - lo + 1 > ARRAY_ELEMENTS_MAX)
        RAISE(SQLSTATE_PROGRAM_LIMIT_EXCEEDED, "array size exceeds the maximum allowed (%d)",
              ARRAY_ELEMENTS_MAX);
    *lbound = (int)lo;
    *dim = (int)(hi - lo + 1);
}

Datum
array_set_element(Arena *a, Datum array, bool array_isnull, Oid elem, int nsubs, const int *subs,
                  Datum value, bool value_null)
{
    ArrayView v;
    Datum *values;
    bool *nulls;
    int count;

    if (nsubs <= 0 || nsubs > ARRAY_DIMS_MAX)
        SUBSCRIPT_ERROR("wrong number of array subscripts");
    if (!array_isnull)
        array_view(array, &v);
    if (array_isnull || v.ndim == 0) {
        int dims[ARRAY_DIMS_MAX];
        for (int i = 0; i < nsubs; i++)
            dims[i] = 1;
        return array_construct(a, elem, nsubs, dims, subs, &value, &value_null);
    }
    if (v.ndim != nsubs)
        SUBSCRIPT_ERROR("wrong number of array subscripts");
    array_deconstruct(a, array, &values, &nulls, &count);
    int index = element_index(v.ndim, v.dims, v.lbound, subs);
    if (index < 0) {
        int lbound, dim;
        if (v.ndim > 1)
            SUBSCRIPT_ERROR("array subscript out of range");
        extend_bounds(&v, subs[0], subs[0], &lbound, &dim);
        regrow(a, &v, values, nulls, lbound, dim, &values, &nulls);
        v.lbound[0] = lbound;
        v.dims[0] = dim;
        index = subs[0] - lbound;
    }
    values[index] = value;
    nulls[index] = value_null;
    return array_construct(a, v.elem, v.ndim, v.dims, v.lbound, values, nulls);
}

static Datum
slice_of_nothing(Arena *a, Oid elem, int n, const int *lower, const int *upper,
                 const bool *lower_given, const bool *upper_given, Datum source)
{
    int dims[ARRAY_DIMS_MAX], count;
    Datum *values;
    bool *nulls;

    for (int i = 0; i < n; i++) {
        if (!lower_given[i] || !upper_given[i])
            RAISE_ERR(
                SQLSTATE_ARRAY_SUBSCRIPT_ERROR,
                err_message("array slice subscript must provide both boundaries"),
                err_detail("When assigning to a slice of an empty array value, slice boundaries "
                           "must be fully specified."));
        int64_t length = (int64_t)upper[i] - lower[i] + 1;
        if (length > ARRAY_ELEMENTS_MAX || length < 0)
            RAISE(SQLSTATE_PROGRAM_LIMIT_EXCEEDED, "array size exceeds the maximum allowed (%d)",
                  ARRAY_ELEMENTS_MAX);
        dims[i] = (int)length;
    }
    array_deconstruct(a, source, &values, &nulls, &count);
    if (count < array_count_elements(n, dims))
        SUBSCRIPT_ERROR("source array too small");
    return array_construct(a, elem, n, dims, lower, values, nulls);
}

Datum
array_set_slice(Arena *a, Datum array, bool array_isnull, Oid elem, int n, const int *lower,
                const int *upper, const bool *lower_given, const bool *upper_given, Datum source)
{
    ArrayView v;
    Datum *values, *from;
    bool *nulls, *from_nulls;
    int count, from_count, lo[ARRAY_DIMS_MAX], hi[ARRAY_DIMS_MAX], span[ARRAY_DIMS_MAX];

    if (n <= 0 || n > ARRAY_DIMS_MAX)
        SUBSCRIPT_ERROR("wrong number of array subscripts");
    if (!array_isnull)
        array_view(array, &v);
    if (array_isnull || v.ndim == 0)
        return slice_of_nothing(a, elem, n, lower, upper, lower_given, upper_given, source);
    if (v.ndim < n)
        SUBSCRIPT_ERROR("wrong number of array subscripts");
    for (int i = 0; i < v.ndim; i++) {
        int last = v.lbound[i] + v.dims[i] - 1;
        lo[i] = i < n && lower_given[i] ? lower[i] : v.lbound[i];
        hi[i] = i < n && upper_given[i] ? upper[i] : last;
        if (lo[i] > hi[i])
            SUBSCRIPT_ERROR("upper bound cannot be less than lower bound");
        if (v.ndim > 1 && (lo[i] < v.lbound[i] || hi[i] > last))
            SUBSCRIPT_ERROR("array subscript out of range");
        span[i] = (int)MIN((int64_t)hi[i] - lo[i] + 1, INT32_MAX);
    }
    array_deconstruct(a, array, &values, &nulls, &count);
    array_deconstruct(a, source, &from, &from_nulls, &from_count);
    if (array_count_elements(v.ndim, span) > from_count)
        SUBSCRIPT_ERROR("source array too small");
    if (v.ndim == 1) {
        int lbound, dim;
        extend_bounds(&v, lo[0], hi[0], &lbound, &dim);
        regrow(a, &v, values, nulls, lbound, dim, &values, &nulls);
        v.lbound[0] = lbound;
        v.dims[0] = dim;
    }
    BoxWalk walk;
    box_start(&walk, v.ndim, v.dims, v.lbound, lo, hi);
    for (int at, i = 0; box_next(&walk, &at); i++) {
        values[at] = from[i];
        nulls[at] = from_nulls[i];
    }
    return array_construct(a, v.elem, v.ndim, v.dims, v.lbound, values, nulls);
}
