/*
 * SQL functions that look at arrays: shape, comparison, containment, search, and the set-returning
 * unnest and generate_subscripts.
 */
#include "core/types/array.h"
#include "core/types/pg_hash.h"

#define INT(i) datum_int32(args[i])

/* ---- shape ---- */

Datum
fn_array_ndims(FnCtx *c, const Datum *args, bool *isnull)
{
    ArrayView v;
    array_view(args[0], &v);
    *isnull = v.ndim == 0;
    return int32_datum(v.ndim);
}

Datum
fn_array_dims(FnCtx *c, const Datum *args, bool *isnull)
{
    ArrayView v;
    StrBuf s;

    array_view(args[0], &v);
    if (v.ndim == 0) {
        *isnull = true;
        return 0;
    }
    str_init(&s, c->arena);
    for (int i = 0; i < v.ndim; i++)
        str_printf(&s, "[%d:%d]", v.lbound[i], v.lbound[i] + v.dims[i] - 1);
    return str_datum(c->arena, &s);
}

/* The dimension asked for, or -1. */
static int
dimension(const ArrayView *v, int32_t n)
{
    return n >= 1 && n <= v->ndim ? n - 1 : -1;
}

/* Vectors keep a dimension even when they are empty. */
static bool
is_vector(FnCtx *c)
{
    return c->arg_types && (c->arg_types[0] == INT2VECTOR_OID || c->arg_types[0] == OIDVECTOR_OID);
}

Datum
fn_array_lower(FnCtx *c, const Datum *args, bool *isnull)
{
    ArrayView v;
    array_view(args[0], &v);
    int d = dimension(&v, INT(1));
    if (d < 0 && v.ndim == 0 && INT(1) == 1 && is_vector(c))
        return int32_datum(0);
    *isnull = d < 0;
    return d < 0 ? 0 : int32_datum(v.lbound[d]);
}

Datum
fn_array_upper(FnCtx *c, const Datum *args, bool *isnull)
{
    ArrayView v;
    array_view(args[0], &v);
    int d = dimension(&v, INT(1));
    if (d < 0 && v.ndim == 0 && INT(1) == 1 && is_vector(c))
        return int32_datum(-1);
    *isnull = d < 0;
    return d < 0 ? 0 : int32_datum(v.lbound[d] + v.dims[d] - 1);
}

Datum
fn_array_length(FnCtx *c, const Datum *args, bool *isnull)
{
    ArrayView v;
    array_view(args[0], &v);
    int d = dimension(&v, INT(1));
    *isnull = d < 0;
    return d < 0 ? 0 : int32_datum(v.dims[d]);
}

Datum
fn_array_cardinality(FnCtx *c, const Datum *args, bool *isnull)
{
    ArrayView v;
    array_view(args[0], &v);
    return int32_datum(v.count);
}

/* ---- comparison ---- */

Datum
fn_array_eq(FnCtx *c, const Datum *args, bool *isnull)
{
    return bool_datum(array_equal(args[0], args[1], c->collation));
}

Datum
fn_array_ne(FnCtx *c, const Datum *args, bool *isnull)
{
    return bool_datum(!array_equal(args[0], args[1], c->collation));
}

#define COMPARE_FN(name, test)                                                                       \
    Datum name(FnCtx *c, const Datum *args, bool *isnull)                                            \
    {                                                                                                \
        return bool_datum(array_compare(args[0], args[1], c->collation) test 0);                     \
    }
COMPARE_FN(fn_array_lt, <)
COMPARE_FN(fn_array_le, <=)
COMPARE_FN(fn_array_gt, >)
COMPARE_FN(fn_array_ge, >=)

Datum
fn_btarraycmp(FnCtx *c, const Datum *args, bool *isnull)
{
    return int32_datum(array_compare(args[0], args[1], c->collation));
}

Datum
fn_array_larger(FnCtx *c, const Datum *args, bool *isnull)
{
    return array_compare(args[0], args[1], c->collation) > 0 ? args[0] : args[1];
}

Datum
fn_array_smaller(FnCtx *c, const Datum *args, bool *isnull)
{
    return array_compare(args[0], args[1], c->collation) < 0 ? args[0] : args[1];
}

/* An element's hash as PostgreSQL's hash opclass of its type gives it, where that is known here. */
static uint64_t
elem_pg_hash(const TypeOps *ops, Datum d, Oid collation, bool extended, uint64_t seed)
{
    switch (ops->oid) {
    case INT2_OID:
    case INT4_OID:
    case DATE_OID:
    case OID_OID:
        return extended ? pg_hash_uint32_extended((uint32_t)d, seed) : pg_hash_uint32((uint32_t)d);
    case INT8_OID: {
        int64_t v = datum_int64(d);
        uint32_t low = (uint32_t)v, high = (uint32_t)((uint64_t)v >> 32);
        low ^= v >= 0 ? high : ~high;
        return extended ? pg_hash_uint32_extended(low, seed) : pg_hash_uint32(low);
    }
    case TEXT_OID:
    case VARCHAR_OID:
    case BYTEA_OID:
        return extended ? pg_hash_bytes_extended(var_data(d), var_len(d), seed)
                        : pg_hash_bytes(var_data(d), var_len(d));
    case UUID_OID:
        return extended ? pg_hash_bytes_extended(datum_ptr(d), 16, seed)
                        : pg_hash_bytes(datum_ptr(d), 16);
    default:
        if (!ops->hash)
            RAISE(SQLSTATE_UNDEFINED_FUNCTION, "could not identify a hash function for type %u",
                  ops->oid);
        return ops->hash(d, collation) + seed;
    }
}

Datum
fn_hash_array(FnCtx *c, const Datum *args, bool *isnull)
{
    ArrayView v;
    ArrayIter it;
    Datum d;
    bool null;
    uint32_t h = 1;

    array_view(args[0], &v);
    const TypeOps *ops = array_elem_ops(v.elem);
    array_iter_init(&it, &v);
    while (array_next(&it, &d, &null))
        h = 31 * h + (null ? 0 : (uint32_t)elem_pg_hash(ops, d, c->collation, false, 0));
    return int32_datum((int32_t)h);
}

Datum
fn_hash_array_extended(FnCtx *c, const Datum *args, bool *isnull)
{
    ArrayView v;
    ArrayIter it;
    Datum d;
    bool null;
    uint64_t h = 1;

    array_view(args[0], &v);
    const TypeOps *ops = array_elem_ops(v.elem);
    array_iter_init(&it, &v);
    while (array_next(&it, &d, &null))
        h = 31 * h + (null ? 0 : elem_pg_hash(ops, d, c->collation, true, (uint64_t)args[1]));
    return int64_datum((int64_t)h);
}

/* ---- containment ---- */

/* all: every element of x is in y; otherwise: some element is. Nulls are in nothing. */
static bool
contained(FnCtx *c, Datum x, Datum y, bool all)
{
    ArrayView vx, vy;
    ArrayIter it;
    Datum d, *values;
    bool null, *nulls;
    int n;

    array_view(x, &vx);
    array_view(y, &vy);
    if (vx.elem != vy.elem)
        RAISE(SQLSTATE_DATATYPE_MISMATCH, "cannot compare arrays of different element types");
    const TypeOps *ops = array_elem_ops(vx.elem);
    if (!ops->eq)
        RAISE(SQLSTATE_UNDEFINED_FUNCTION, "could not identify an equality operator for type %u",
              vx.elem);
    array_deconstruct(c->arena, y, &values, &nulls, &n);
    array_iter_init(&it, &vx);
    while (array_next(&it, &d, &null)) {
        bool found = false;
        for (int i = 0; !null && !found && i < n; i++)
            found = !nulls[i] && ops->eq(d, values[i], c->collation);
        if (found != all)
            return found;
    }
    return all;
}

Datum
fn_arraycontains(FnCtx *c, const Datum *args, bool *isnull)
{
    return bool_datum(contained(c, args[1], args[0], true));
}

Datum
fn_arraycontained(FnCtx *c, const Datum *args, bool *isnull)
{
    return bool_datum(contained(c, args[0], args[1], true));
}

Datum
fn_arrayoverlap(FnCtx *c, const Datum *args, bool *isnull)
{
    return bool_datum(contained(c, args[0], args[1], false));
}

/* ---- search ---- */

static bool
same_element(const TypeOps *ops, Datum x, bool xnull, Datum y, bool ynull, Oid collation)
{
    return xnull || ynull ? xnull && ynull : ops->eq(x, y, collation);
}

static void
view_for_search(Datum d, ArrayView *v, const TypeOps **ops)
{
    array_view(d, v);
    if (v->ndim > 1)
        UNSUPPORTED("searching for elements in multidimensional arrays is not supported");
    *ops = array_elem_ops(v->elem);
    if (!(*ops)->eq)
        RAISE(SQLSTATE_UNDEFINED_FUNCTION, "could not identify an equality operator for type %u",
              v->elem);
}

/* Both forms: array, element [, start]. */
Datum
fn_array_position(FnCtx *c, const Datum *args, bool *isnull)
{
    ArrayView v;
    ArrayIter it;
    const TypeOps *ops;
    Datum d;
    bool null;

    *isnull = true;
    if (c->argnull[0])
        return 0;
    view_for_search(args[0], &v, &ops);
    if (v.ndim < 1)
        return 0;
    int position = v.lbound[0] - 1, start = v.lbound[0];
    if (c->nargs > 2) {
        if (c->argnull[2])
            RAISE(SQLSTATE_NULL_VALUE_NOT_ALLOWED, "initial position must not be null");
        start = INT(2);
    }
    array_iter_init(&it, &v);
    while (array_next(&it, &d, &null)) {
        position++;
        if (position >= start && same_element(ops, d, null, args[1], c->argnull[1], c->collation)) {
            *isnull = false;
            return int32_datum(position);
        }
    }
    return 0;
}

Datum
fn_array_positions(FnCtx *c, const Datum *args, bool *isnull)
{
    ArrayView v;
    ArrayIter it;
    ArrayBuilder b;
    const TypeOps *ops;
    Datum d;
    bool null;

    if (c->argnull[0]) {
        *isnull = true;
        return 0;
    }
    view_for_search(args[0], &v, &ops);
    array_builder_init(&b, c->arena);
    array_iter_init(&it, &v);
    while (array_next(&it, &d, &null))
        if (same_element(ops, d, null, args[1], c->argnull[1], c->collation))
            array_builder_add(&b, int32_datum(v.lbound[0] + it.i - 1), false);
    return array_construct_1d(c->arena, INT4_OID, b.v, b.nulls, b.n);
}

/* Number of the bucket among sorted thresholds that the operand falls into. */
Datum
fn_width_bucket_array(FnCtx *c, const Datum *args, bool *isnull)
{
    ArrayView v;
    Datum *values;
    bool *nulls;
    int left = 0, right;

    array_view(args[1], &v);
    if (v.ndim > 1)
        RAISE(SQLSTATE_ARRAY_SUBSCRIPT_ERROR, "thresholds must be one-dimensional array");
    if (v.bitmap)
        RAISE(SQLSTATE_NULL_VALUE_NOT_ALLOWED, "thresholds array must not contain NULLs");
    const TypeOps *ops = array_elem_ops(v.elem);
    if (!ops->cmp)
        RAISE(SQLSTATE_UNDEFINED_FUNCTION, "could not identify a comparison function for type %u",
              v.elem);
    array_deconstruct(c->arena, args[1], &values, &nulls, &right);
    while (left < right) {
        int mid = (left + right) / 2;
        if (ops->cmp(args[0], values[mid], c->collation) < 0)
            right = mid;
        else
            left = mid + 1;
    }
    return int32_datum(left);
}

/* ---- sets ---- */

typedef struct UnnestState {
    bool active;
    ArrayIter it;
    size_t offset; /* of it.p in the value: the value may have moved between calls */
} UnnestState;

bool
fn_array_unnest(FnCtx *c, const Datum *args, Datum *out, bool *outnull)
{
    UnnestState *s = c->state;
    ArrayView v;

    if (!s)
        s = c->state = arena_alloc0(c->state_arena, sizeof *s);
    if (!s->active) {
        array_view(args[0], &v);
        array_iter_init(&s->it, &v);
        s->active = true;
    } else {
        s->it.p = var_data(args[0]) + s->offset;
        if (s->it.bitmap) {
            array_view(args[0], &v);
            s->it.bitmap = v.bitmap;
        }
    }
    s->active = array_next(&s->it, out, outnull);
    s->offset = (size_t)(s->it.p - var_data(args[0]));
    return s->active;
}

typedef struct SubscriptState {
    bool active;
    int64_t next, last;
    bool reverse;
} SubscriptState;

bool
fn_generate_subscripts(FnCtx *c, const Datum *args, Datum *out, bool *outnull)
{
    SubscriptState *s = c->state;

    if (!s)
        s = c->state = arena_alloc0(c->state_arena, sizeof *s);
    if (!s->active) {
        ArrayView v;
        array_view(args[0], &v);
        int d = dimension(&v, INT(1));
        if (d < 0)
            return false;
        s->reverse = c->nargs > 2 && datum_bool(args[2]);
        s->next = v.lbound[d];
        s->last = s->next + v.dims[d] - 1;
        if (s->reverse) {
            int64_t swap = s->next;
            s->next = s->last;
            s->last = swap;
        }
        s->active = true;
    }
    if (s->reverse ? s->next < s->last : s->next > s->last) {
        s->active = false;
        return false;
    }
    *out = int32_datum((int32_t)s->next);
    *outnull = false;
    s->next += s->reverse ? -1 : 1;
    return true;
}
