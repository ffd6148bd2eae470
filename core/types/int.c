/*
 * int2, int4, int8: TypeOps. A lane is the value sign-extended to 64 bits whatever the width, so all
 * three share their order, equality and hash, and equal values of different widths hash equally.
 */
#include "core/types/number.h"

#include "core/base/hash.h"

static int
int_cmp(Datum a, Datum b, Oid collation)
{
    int64_t x = datum_int64(a), y = datum_int64(b);
    return (x > y) - (x < y);
}

static bool
int_eq(Datum a, Datum b, Oid collation)
{
    return a == b;
}

static uint64_t
int_hash(Datum d, Oid collation)
{
    return hash_u64(d);
}

static void
int_out(FnCtx *c, Datum d, StrBuf *s)
{
    char buf[24];
    str_add_bytes(s, buf, int64_to_text(datum_int64(d), buf));
}

static Datum
int2_in(FnCtx *c, const char *text, size_t len, Oid elem, int32_t typmod)
{
    return int64_datum(int_from_text(text, INT16_MIN, INT16_MAX, "smallint"));
}

static Datum
int4_in(FnCtx *c, const char *text, size_t len, Oid elem, int32_t typmod)
{
    return int64_datum(int_from_text(text, INT32_MIN, INT32_MAX, "integer"));
}

static Datum
int8_in(FnCtx *c, const char *text, size_t len, Oid elem, int32_t typmod)
{
    return int64_datum(int_from_text(text, INT64_MIN, INT64_MAX, "bigint"));
}

static Datum
int2_recv(FnCtx *c, const char *bytes, size_t len, Oid elem, int32_t typmod)
{
    check_recv_length(len, 2);
    return int16_datum((int16_t)load_be16(bytes));
}

static Datum
int4_recv(FnCtx *c, const char *bytes, size_t len, Oid elem, int32_t typmod)
{
    check_recv_length(len, 4);
    return int32_datum((int32_t)load_be32(bytes));
}

static Datum
int8_recv(FnCtx *c, const char *bytes, size_t len, Oid elem, int32_t typmod)
{
    check_recv_length(len, 8);
    return int64_datum((int64_t)load_be64(bytes));
}

static void
int2_send(FnCtx *c, Datum d, StrBuf *s)
{
    char b[2];
    store_be16(b, (uint16_t)d);
    str_add_bytes(s, b, 2);
}

static void
int4_send(FnCtx *c, Datum d, StrBuf *s)
{
    char b[4];
    store_be32(b, (uint32_t)d);
    str_add_bytes(s, b, 4);
}

static void
int8_send(FnCtx *c, Datum d, StrBuf *s)
{
    char b[8];
    store_be64(b, d);
    str_add_bytes(s, b, 8);
}

#define INT_KEYS(name, width)                                                                        \
    static void name##_key_encode(Datum d, Oid collation, StrBuf *out)                               \
    {                                                                                                \
        key_put_int(out, datum_int64(d), width);                                                     \
    }                                                                                                \
    static Datum name##_key_decode(Arena *a, const char **p, const char *end)                        \
    {                                                                                                \
        return int64_datum(key_get_int(p, width));                                                   \
    }                                                                                                \
    static const char *name##_key_skip(const char *p, const char *end) { return p + (width); }

INT_KEYS(int2, 2)
INT_KEYS(int4, 4)
INT_KEYS(int8, 8)

#define INT_OPS(name, oid_, width)                                                                   \
    const TypeOps type_ops_##name = {                                                                \
        .oid = oid_,                                                                                 \
        .len = width,                                                                                \
        .byval = true,                                                                               \
        .in = name##_in,                                                                             \
        .out = int_out,                                                                              \
        .recv = name##_recv,                                                                         \
        .send = name##_send,                                                                         \
        .cmp = int_cmp,                                                                              \
        .eq = int_eq,                                                                                \
        .hash = int_hash,                                                                            \
        .key_encode = name##_key_encode,                                                             \
        .key_decode = name##_key_decode,                                                             \
        .key_skip = name##_key_skip,                                                                 \
    };

INT_OPS(int2, INT2_OID, 2)
INT_OPS(int4, INT4_OID, 4)
INT_OPS(int8, INT8_OID, 8)
