/*
 * int2vector and oidvector: one-dimensional arrays with lower bound 0 and no nulls, written as
 * numbers with blanks between. System catalogs are full of them.
 */
#include "core/base/hash.h"
#include "core/types/array.h"
#include "core/types/pg_hash.h"

static Datum
make_vector(Arena *a, Oid elem, const Datum *values, int n)
{
    int lbound = 0;
    return array_construct(a, elem, 1, &n, &lbound, values, NULL);
}

static Datum
vector_in(FnCtx *c, const char *text, Oid elem)
{
    ArrayBuilder b;
    const TypeOps *ops = array_elem_ops(elem);

    array_builder_init(&b, c->arena);
    for (const char *p = text;;) {
        while (array_is_space(*p))
            p++;
        if (!*p)
            break;
        const char *from = p;
        while (*p && !array_is_space(*p))
            p++;
        char *word = arena_strndup(c->arena, from, (size_t)(p - from));
        array_builder_add(&b, ops->in(c, word, (size_t)(p - from), 0, -1), false);
    }
    return make_vector(c->arena, elem, b.v, b.n);
}

static Datum
int2vector_in(FnCtx *c, const char *text, size_t len, Oid elem, int32_t typmod)
{
    return vector_in(c, text, INT2_OID);
}

static Datum
oidvector_in(FnCtx *c, const char *text, size_t len, Oid elem, int32_t typmod)
{
    return vector_in(c, text, OID_OID);
}

static void
vector_out(FnCtx *c, Datum d, StrBuf *s)
{
    ArrayView v;
    ArrayIter it;
    Datum value;
    bool isnull;

    array_view(d, &v);
    array_iter_init(&it, &v);
    while (array_next(&it, &value, &isnull)) {
        if (it.i > 1)
            str_add_char(s, ' ');
        if (v.elem == INT2_OID)
            str_printf(s, "%d", datum_int16(value));
        else
            str_printf(s, "%u", datum_oid(value));
    }
}

static Datum
check_received(Datum d, const char *type)
{
    ArrayView v;

    array_view(d, &v);
    if (v.bitmap || v.ndim > 1 || (v.ndim == 1 && v.lbound[0] != 0))
        RAISE(SQLSTATE_INVALID_BINARY_REPRESENTATION, "invalid %s data", type);
    return d;
}

static Datum
int2vector_recv(FnCtx *c, const char *bytes, size_t len, Oid elem, int32_t typmod)
{
    return check_received(array_type_recv(c, bytes, len, INT2_OID, -1), "int2vector");
}

static Datum
oidvector_recv(FnCtx *c, const char *bytes, size_t len, Oid elem, int32_t typmod)
{
    return check_received(array_type_recv(c, bytes, len, OID_OID, -1), "oidvector");
}

/* An empty one is sent with one dimension of length 0, as PostgreSQL holds it. */
static void
vector_send(FnCtx *c, Datum d, StrBuf *s)
{
    ArrayView v;

    array_view(d, &v);
    if (v.count > 0) {
        array_type_send(c, d, s);
        return;
    }
    char b[20] = {0};
    store_be32(b, 1);
    store_be32(b + 8, v.elem);
    str_add_bytes(s, b, sizeof b);
}

/* oidvector orders by length first. */
static int
oidvector_cmp(Datum a, Datum b, Oid collation)
{
    ArrayView x, y;

    array_view(a, &x);
    array_view(b, &y);
    if (x.count != y.count)
        return x.count - y.count;
    for (int i = 0; i < x.count; i++) {
        Oid p = load_u32(x.data + 4 * i), q = load_u32(y.data + 4 * i);
        if (p != q)
            return p < q ? -1 : 1;
    }
    return 0;
}

static bool
oidvector_eq(Datum a, Datum b, Oid collation)
{
    return oidvector_cmp(a, b, collation) == 0;
}

static uint64_t
oidvector_hash(Datum d, Oid collation)
{
    ArrayView v;
    array_view(d, &v);
    return hash_bytes(v.data, (size_t)v.count * 4);
}

static void
oidvector_key(Datum d, Oid collation, StrBuf *out)
{
    ArrayView v;
    char b[4];

    array_view(d, &v);
    store_be32(b, (uint32_t)v.count);
    str_add_bytes(out, b, 4);
    for (int i = 0; i < v.count; i++) {
        store_be32(b, load_u32(v.data + 4 * i));
        str_add_bytes(out, b, 4);
    }
}

static Datum
oidvector_key_decode(Arena *a, const char **p, const char *end)
{
    int n = (int)load_be32(*p);
    Datum *values = arena_alloc(a, sizeof(Datum) * (size_t)(n + 1));

    *p += 4;
    for (int i = 0; i < n; i++, *p += 4)
        values[i] = load_be32(*p);
    return make_vector(a, OID_OID, values, n);
}

static const char *
oidvector_key_skip(const char *p, const char *end)
{
    return p + 4 + 4 * (size_t)load_be32(p);
}

const TypeOps type_ops_oidvector = {
    .oid = OIDVECTOR_OID,
    .len = -1,
    .in = oidvector_in,
    .out = vector_out,
    .recv = oidvector_recv,
    .send = vector_send,
    .cmp = oidvector_cmp,
    .eq = oidvector_eq,
    .hash = oidvector_hash,
    .key_encode = oidvector_key,
    .key_decode = oidvector_key_decode,
    .key_skip = oidvector_key_skip,
};

static uint64_t
int2vector_hash(Datum d, Oid collation)
{
    ArrayView v;
    array_view(d, &v);
    return hash_bytes(v.data, (size_t)v.count * 2);
}

const TypeOps type_ops_int2vector = {
    .oid = INT2VECTOR_OID,
    .len = -1,
    .in = int2vector_in,
    .out = vector_out,
    .recv = int2vector_recv,
    .send = vector_send,
    .cmp = array_compare,
    .eq = array_equal,
    .hash = int2vector_hash,
};

#define COMPARE_FN(name, test)                                                                       \
    Datum name(FnCtx *c, const Datum *args, bool *isnull)                                            \
    {                                                                                                \
        return bool_datum(oidvector_cmp(args[0], args[1], 0) test 0);                                \
    }
COMPARE_FN(fn_oidvectoreq, ==)
COMPARE_FN(fn_oidvectorne, !=)
COMPARE_FN(fn_oidvectorlt, <)
COMPARE_FN(fn_oidvectorle, <=)
COMPARE_FN(fn_oidvectorgt, >)
COMPARE_FN(fn_oidvectorge, >=)

Datum
fn_btoidvectorcmp(FnCtx *c, const Datum *args, bool *isnull)
{
    return int32_datum(oidvector_cmp(args[0], args[1], 0));
}

Datum
fn_hashoidvector(FnCtx *c, const Datum *args, bool *isnull)
{
    ArrayView v;
    array_view(args[0], &v);
    return int32_datum((int32_t)pg_hash_bytes(v.data, (size_t)v.count * 4));
}

Datum
fn_hashoidvectorextended(FnCtx *c, const Datum *args, bool *isnull)
{
    ArrayView v;
    array_view(args[0], &v);
    return int64_datum(
        (int64_t)pg_hash_bytes_extended(v.data, (size_t)v.count * 4, (uint64_t)args[1]));
}
