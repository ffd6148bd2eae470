/*
 * Arrays: construction, deconstruction, order, hash and keys. One TypeOps serves every array type:
 * the value carries its element type, whose TypeOps does the work on elements.
 *
 * Order is PostgreSQL's: element by element (a null after every value), then the number of
 * elements, then dimensions, then lower bounds.
 */
#include "core/types/array.h"

#include "core/base/hash.h"

#define HEADER_BYTES 12
#define FLAG_NULLS 1u

const TypeOps *
array_elem_ops(Oid elem)
{
    const TypeOps *ops = type_ops(elem);

    if (UNLIKELY(!ops))
        INTERNAL_ERROR("cache lookup failed for type %u", elem);
    return ops;
}

bool
array_is_type(Oid type)
{
    const TypeOps *ops = type_ops(type);
    return ops && ops->oid == ANYARRAY_OID;
}

int
array_count_elements(int ndim, const int *dims)
{
    int64_t n = ndim > 0;

    for (int i = 0; i < ndim; i++) {
        if (dims[i] < 0)
            n = INT64_MAX;
        else
            n *= dims[i];
        if (n > ARRAY_ELEMENTS_MAX)
            RAISE(SQLSTATE_PROGRAM_LIMIT_EXCEEDED, "array size exceeds the maximum allowed (%d)",
                  ARRAY_ELEMENTS_MAX);
    }
    return (int)n;
}

void
array_check_bounds(int ndim, const int *dims, const int *lbound)
{
    for (int i = 0; i < ndim; i++) {
        int32_t unused;
        if (__builtin_add_overflow(dims[i], lbound[i], &unused))
            RAISE(SQLSTATE_PROGRAM_LIMIT_EXCEEDED, "array lower bound is too large: %d", lbound[i]);
    }
}

void
array_view(Datum d, ArrayView *out)
{
    const char *p = var_data(d), *end = p + var_len(d);

    out->elem = load_u32(p);
    out->ndim = (int)load_u32(p + 4);
    bool nulls = load_u32(p + 8) & FLAG_NULLS;
    p += HEADER_BYTES;
    out->count = out->ndim > 0;
    for (int i = 0; i < out->ndim; i++) {
        out->dims[i] = (int)load_u32(p);
        out->lbound[i] = (int)load_u32(p + 4);
        out->count *= out->dims[i];
        p += 8;
    }
    out->bitmap = nulls ? (const unsigned char *)p : NULL;
    if (nulls)
        p += (out->count + 7) / 8;
    out->data = p;
    out->end = end;
}

void
array_iter_init(ArrayIter *it, const ArrayView *v)
{
    const TypeOps *ops = array_elem_ops(v->elem);

    it->p = v->data;
    it->bitmap = v->bitmap;
    it->i = 0;
    it->count = v->count;
    it->len = ops->len;
    it->byval = ops->byval;
    it->sign = ops->oid == INT4_OID || ops->oid == INT2_OID || ops->oid == DATE_OID;
}

void
array_deconstruct(Arena *a, Datum d, Datum **values, bool **nulls, int *count)
{
    ArrayView v;
    ArrayIter it;

    array_view(d, &v);
    array_iter_init(&it, &v);
    Datum *vals = arena_alloc(a, sizeof(Datum) * (size_t)(v.count + 1));
    bool *isnull = arena_alloc(a, (size_t)v.count + 1);
    for (int i = 0; i < v.count; i++)
        array_next(&it, &vals[i], &isnull[i]);
    *values = vals;
    *nulls = isnull;
    *count = v.count;
}

Datum
array_construct(Arena *a, Oid elem, int ndim, const int *dims, const int *lbound,
                const Datum *values, const bool *nulls)
{
    const TypeOps *ops = array_elem_ops(elem);
    int count = array_count_elements(ndim, dims);
    bool any_null = false;

    if (count == 0)
        ndim = 0;
    array_check_bounds(ndim, dims, lbound);
    size_t bytes = HEADER_BYTES + 8 * (size_t)ndim;
    for (int i = 0; i < count; i++) {
        if (nulls && nulls[i])
            any_null = true;
        else
            bytes += ops->len > 0 ? (size_t)ops->len : var_size(datum_ptr(values[i]));
    }
    if (any_null)
        bytes += (size_t)(count + 7) / 8;
    char *p;
    Datum d = var_alloc(a, bytes, &p);
    store_u32(p, elem);
    store_u32(p + 4, (uint32_t)ndim);
    store_u32(p + 8, any_null ? FLAG_NULLS : 0);
    p += HEADER_BYTES;
    for (int i = 0; i < ndim; i++, p += 8) {
        store_u32(p, (uint32_t)dims[i]);
        store_u32(p + 4, (uint32_t)lbound[i]);
    }
    if (any_null) {
        memset(p, 0, (size_t)(count + 7) / 8);
        for (int i = 0; i < count; i++)
            if (!nulls[i])
                p[i >> 3] |= (char)(1 << (i & 7));
        p += (count + 7) / 8;
    }
    for (int i = 0; i < count; i++) {
        if (nulls && nulls[i])
            continue;
        if (ops->byval) {
            memcpy(p, &values[i], (size_t)ops->len); /* little-endian: the low bytes */
            p += ops->len;
        } else {
            size_t n = datum_bytes(values[i], ops->len);
            memcpy(p, datum_ptr(values[i]), n);
            p += n;
        }
    }
    return d;
}

Datum
array_construct_1d(Arena *a, Oid elem, const Datum *values, const bool *nulls, int n)
{
    int lbound = 1;
    return array_construct(a, elem, 1, &n, &lbound, values, nulls);
}

Datum
array_empty(Arena *a, Oid elem)
{
    return array_construct(a, elem, 0, NULL, NULL, NULL, NULL);
}

void
array_builder_init(ArrayBuilder *b, Arena *a)
{
    *b = (ArrayBuilder){.arena = a};
}

void
array_builder_add(ArrayBuilder *b, Datum d, bool isnull)
{
    if (b->n == b->cap) {
        int cap = b->cap ? b->cap * 2 : 16;
        b->v = arena_realloc(b->arena, b->v, sizeof(Datum) * (size_t)b->cap,
                             sizeof(Datum) * (size_t)cap);
        b->nulls = arena_realloc(b->arena, b->nulls, (size_t)b->cap, (size_t)cap);
        b->cap = cap;
    }
    b->v[b->n] = d;
    b->nulls[b->n++] = isnull;
}

/* ---- order, equality, hash, keys ---- */

static const TypeOps *
comparable_elem(const ArrayView *a, const ArrayView *b)
{
    if (a->elem != b->elem)
        RAISE(SQLSTATE_DATATYPE_MISMATCH, "cannot compare arrays of different element types");
    const TypeOps *ops = array_elem_ops(a->elem);
    return ops;
}

int
array_compare(Datum a, Datum b, Oid collation)
{
    ArrayView va, vb;
    ArrayIter ia, ib;
    Datum da, db;
    bool na, nb;

    array_view(a, &va);
    array_view(b, &vb);
    const TypeOps *ops = comparable_elem(&va, &vb);
    if (!ops->cmp)
        RAISE(SQLSTATE_UNDEFINED_FUNCTION, "could not identify a comparison function for type %u",
              va.elem);
    array_iter_init(&ia, &va);
    array_iter_init(&ib, &vb);
    while (array_next(&ia, &da, &na) && array_next(&ib, &db, &nb)) {
        if (na && nb)
            continue;
        if (na || nb)
            return na ? 1 : -1;
        int r = ops->cmp(da, db, collation);
        if (r != 0)
            return r < 0 ? -1 : 1;
    }
    if (va.count != vb.count)
        return va.count < vb.count ? -1 : 1;
    if (va.ndim != vb.ndim)
        return va.ndim < vb.ndim ? -1 : 1;
    for (int i = 0; i < va.ndim; i++)
        if (va.dims[i] != vb.dims[i])
            return va.dims[i] < vb.dims[i] ? -1 : 1;
    for (int i = 0; i < va.ndim; i++)
        if (va.lbound[i] != vb.lbound[i])
            return va.lbound[i] < vb.lbound[i] ? -1 : 1;
    return 0;
}

bool
array_equal(Datum a, Datum b, Oid collation)
{
    ArrayView va, vb;
    ArrayIter ia, ib;
    Datum da, db;
    bool na, nb;

    array_view(a, &va);
    array_view(b, &vb);
    const TypeOps *ops = comparable_elem(&va, &vb);
    if (va.ndim != vb.ndim || va.count != vb.count)
        return false;
    for (int i = 0; i < va.ndim; i++)
        if (va.dims[i] != vb.dims[i] || va.lbound[i] != vb.lbound[i])
            return false;
    if (!ops->eq)
        RAISE(SQLSTATE_UNDEFINED_FUNCTION, "could not identify an equality operator for type %u",
              va.elem);
    array_iter_init(&ia, &va);
    array_iter_init(&ib, &vb);
    while (array_next(&ia, &da, &na) && array_next(&ib, &db, &nb)) {
        if (na && nb)
            continue;
        if (na || nb || !ops->eq(da, db, collation))
            return false;
    }
    return true;
}

static uint64_t
array_hash(Datum d, Oid collation)
{
    ArrayView v;
    ArrayIter it;
    Datum value;
    bool isnull;
    uint64_t h = 1;

    array_view(d, &v);
    const TypeOps *ops = array_elem_ops(v.elem);
    if (!ops->hash)
        RAISE(SQLSTATE_UNDEFINED_FUNCTION, "could not identify a hash function for type %u",
              v.elem);
    array_iter_init(&it, &v);
    while (array_next(&it, &value, &isnull))
        h = hash_combine(h, isnull ? 0 : ops->hash(value, collation));
    return h;
}

/* Per element 01 and its key, or 02 for a null; 00 ends; then what breaks ties between shapes. */
static void
array_key(Datum d, Oid collation, StrBuf *out)
{
    ArrayView v;
    ArrayIter it;
    Datum value;
    bool isnull;
    char be[4];

    array_view(d, &v);
    const TypeOps *ops = array_elem_ops(v.elem);
    if (!ops->key_encode)
        RAISE(SQLSTATE_UNDEFINED_FUNCTION, "could not identify a comparison function for type %u",
              v.elem);
    array_iter_init(&it, &v);
    while (array_next(&it, &value, &isnull)) {
        str_add_char(out, isnull ? 2 : 1);
        if (!isnull)
            ops->key_encode(value, collation, out);
    }
    str_add_char(out, 0);
    str_add_char(out, (char)v.ndim);
    for (int i = 0; i < v.ndim; i++) {
        store_be32(be, (uint32_t)v.dims[i]);
        str_add_bytes(out, be, 4);
    }
    for (int i = 0; i < v.ndim; i++) {
        store_be32(be, (uint32_t)v.lbound[i] ^ 0x80000000u);
        str_add_bytes(out, be, 4);
    }
}

/* ---- typmod: the elements' ---- */

static Datum
array_apply_typmod(FnCtx *c, Datum d, int32_t typmod, bool explicit_cast)
{
    ArrayView v;
    Datum *values;
    bool *nulls;
    int n;

    array_view(d, &v);
    const TypeOps *ops = array_elem_ops(v.elem);
    if (!ops->apply_typmod || typmod < 0 || v.count == 0)
        return d;
    array_deconstruct(c->arena, d, &values, &nulls, &n);
    for (int i = 0; i < n; i++)
        if (!nulls[i])
            values[i] = ops->apply_typmod(c, values[i], typmod, explicit_cast);
    return array_construct(c->arena, v.elem, v.ndim, v.dims, v.lbound, values, nulls);
}

const TypeOps type_ops_array = {
    .oid = ANYARRAY_OID,
    .len = -1,
    .in = array_type_in,
    .out = array_type_out,
    .recv = array_type_recv,
    .send = array_type_send,
    .cmp = array_compare,
    .eq = array_equal,
    .hash = array_hash,
    .key_encode = array_key,
    .apply_typmod = array_apply_typmod,
};
