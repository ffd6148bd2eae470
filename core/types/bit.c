/*
 * Types bit(n) and varbit(n). Text: binary digits, or hexadecimal ones after an X.
 */
#include "core/types/bit.h"

#include <errno.h>
#include <stdlib.h>

#include "core/base/hash.h"

#define BITS_MAX (10 * 1024 * 1024 * 8)

Datum
bits_alloc(Arena *a, int32_t n, unsigned char **p)
{
    char *payload;
    size_t bytes = bits_bytes(n);
    Datum d = var_alloc(a, bytes + 4, &payload);

    store_u32(payload, (uint32_t)n);
    memset(payload + 4, 0, bytes);
    *p = (unsigned char *)payload + 4;
    return d;
}

void
bits_copy(unsigned char *to, int32_t at, Bits b, int32_t from, int32_t n)
{
    if ((at & 7) == 0 && (from & 7) == 0) {
        memcpy(to + at / 8, b.p + from / 8, (size_t)(n / 8));
        at += n & ~7;
        from += n & ~7;
        n &= 7;
    }
    for (int32_t i = 0; i < n; i++)
        if (bits_get(b, from + i))
            to[(at + i) >> 3] |= (unsigned char)(0x80 >> ((at + i) & 7));
}

int
bits_compare(Bits a, Bits b)
{
    int r = memcmp(a.p, b.p, bits_bytes(MIN(a.n, b.n)));
    return r != 0 ? r : a.n - b.n;
}

static Datum
resize(Arena *a, Bits b, int32_t n)
{
    unsigned char *p;
    Datum d = bits_alloc(a, n, &p);
    bits_copy(p, 0, b, 0, MIN(b.n, n));
    return d;
}

Datum
bit_coerce(Arena *a, Datum d, int32_t typmod, bool explicit_cast)
{
    Bits b = var_bits(d);

    if (typmod <= 0 || typmod == b.n)
        return d;
    if (!explicit_cast)
        RAISE(SQLSTATE_STRING_DATA_LENGTH_MISMATCH,
              "bit string length %d does not match type bit(%d)", b.n, typmod);
    return resize(a, b, typmod);
}

Datum
varbit_coerce(Arena *a, Datum d, int32_t typmod, bool explicit_cast)
{
    Bits b = var_bits(d);

    if (typmod <= 0 || typmod >= b.n)
        return d;
    if (!explicit_cast)
        RAISE(SQLSTATE_STRING_DATA_RIGHT_TRUNCATION, "bit string too long for type bit varying(%d)",
              typmod);
    return resize(a, b, typmod);
}

static Datum
parse(Arena *a, const char *s, size_t len)
{
    bool hex = len > 0 && (*s == 'x' || *s == 'X');
    unsigned char *p;

    if (hex || (len > 0 && (*s == 'b' || *s == 'B'))) {
        s++;
        len--;
    }
    if (len * (hex ? 4 : 1) > INT32_MAX - 7)
        RAISE(SQLSTATE_PROGRAM_LIMIT_EXCEEDED, "bit string length exceeds the maximum allowed (%d)",
              INT32_MAX - 7);
    Datum d = bits_alloc(a, (int32_t)(hex ? len * 4 : len), &p);
    for (size_t i = 0; i < len; i++) {
        int v = s[i] >= '0' && s[i] <= '9' ? s[i] - '0'
                : s[i] >= 'A' && s[i] <= 'F' ? s[i] - 'A' + 10
                : s[i] >= 'a' && s[i] <= 'f' ? s[i] - 'a' + 10 : 16;
        if (v > (hex ? 15 : 1))
            RAISE(SQLSTATE_INVALID_TEXT_REPRESENTATION, "\"%.*s\" is not a valid %s digit",
                  (int)MIN((size_t)utf8_len((unsigned char)s[i]), len - i), s + i,
                  hex ? "hexadecimal" : "binary");
        if (hex)
            p[i / 2] |= (unsigned char)(i & 1 ? v : v << 4);
        else
            p[i / 8] |= (unsigned char)(v << (7 - i % 8));
    }
    return d;
}

static Datum
bit_in(FnCtx *c, const char *text, size_t len, Oid elem, int32_t typmod)
{
    return bit_coerce(c->arena, parse(c->arena, text, len), typmod, false);
}

static Datum
varbit_in(FnCtx *c, const char *text, size_t len, Oid elem, int32_t typmod)
{
    return varbit_coerce(c->arena, parse(c->arena, text, len), typmod, false);
}

static void
bits_out(FnCtx *c, Datum d, StrBuf *s)
{
    Bits b = var_bits(d);

    str_reserve(s, (size_t)b.n);
    for (int32_t i = 0; i < b.n; i++)
        s->data[s->len++] = bits_get(b, i) ? '1' : '0';
    s->data[s->len] = 0;
}

static Datum
receive(FnCtx *c, const char *bytes, size_t len)
{
    unsigned char *p;

    if (len < 4)
        RAISE(SQLSTATE_PROTOCOL_VIOLATION, "insufficient data left in message");
    int32_t n = (int32_t)load_be32(bytes);
    if (n < 0 || n > INT32_MAX - 7)
        RAISE(SQLSTATE_INVALID_BINARY_REPRESENTATION, "invalid length in external bit string");
    if (bits_bytes(n) > len - 4)
        RAISE(SQLSTATE_PROTOCOL_VIOLATION, "insufficient data left in message");
    if (bits_bytes(n) < len - 4)
        RAISE(SQLSTATE_INVALID_BINARY_REPRESENTATION, "incorrect binary data format");
    Datum d = bits_alloc(c->arena, n, &p);
    memcpy(p, bytes + 4, len - 4);
    if (n & 7)
        p[n >> 3] &= (unsigned char)(0xFF00 >> (n & 7));
    return d;
}

static Datum
bit_recv(FnCtx *c, const char *bytes, size_t len, Oid elem, int32_t typmod)
{
    return bit_coerce(c->arena, receive(c, bytes, len), typmod, false);
}

static Datum
varbit_recv(FnCtx *c, const char *bytes, size_t len, Oid elem, int32_t typmod)
{
    return varbit_coerce(c->arena, receive(c, bytes, len), typmod, false);
}

static void
bits_send(FnCtx *c, Datum d, StrBuf *s)
{
    Bits b = var_bits(d);
    char be[4];

    store_be32(be, (uint32_t)b.n);
    str_add_bytes(s, be, 4);
    str_add_bytes(s, b.p, bits_bytes(b.n));
}

static int
bits_cmp(Datum a, Datum b, Oid collation)
{
    return bits_compare(var_bits(a), var_bits(b));
}

static bool
bits_eq(Datum a, Datum b, Oid collation)
{
    return var_equal(a, b);
}

static uint64_t
bits_hash(Datum d, Oid collation)
{
    return hash_bytes(var_data(d), var_len(d));
}

static void
bits_key(Datum d, Oid collation, StrBuf *out)
{
    Bits b = var_bits(d);
    char be[4];

    key_put_bytes(out, b.p, bits_bytes(b.n));
    store_be32(be, (uint32_t)b.n);
    str_add_bytes(out, be, 4);
}

static Datum
bits_key_decode(Arena *a, const char **p, const char *end)
{
    StrBuf s;
    unsigned char *to;

    str_init(&s, a);
    const char *q = key_get_bytes(*p, end, &s);
    Datum d = bits_alloc(a, (int32_t)load_be32(q), &to);
    memcpy(to, s.data, s.len);
    *p = q + 4;
    return d;
}

static const char *
bits_key_skip(const char *p, const char *end)
{
    return key_skip_bytes(p, end) + 4;
}

static int32_t
length_typmod_in(const char *type, const char *const *mods, int n)
{
    char *end;

    if (n != 1)
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "invalid type modifier");
    errno = 0;
    long v = strtol(mods[0], &end, 10);
    if (end == mods[0] || *end)
        RAISE(SQLSTATE_INVALID_TEXT_REPRESENTATION, "invalid input syntax for type %s: \"%s\"",
              "integer", mods[0]);
    if (errno || v > INT32_MAX || v < INT32_MIN)
        RAISE(SQLSTATE_NUMERIC_VALUE_OUT_OF_RANGE, "value \"%s\" is out of range for type %s",
              mods[0], "integer");
    if (v < 1)
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "length for type %s must be at least 1", type);
    if (v > BITS_MAX)
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "length for type %s cannot exceed %d", type,
              BITS_MAX);
    return (int32_t)v;
}

static int32_t
bit_typmod_in(FnCtx *c, const char *const *mods, int n)
{
    return length_typmod_in("bit", mods, n);
}

static int32_t
varbit_typmod_in(FnCtx *c, const char *const *mods, int n)
{
    return length_typmod_in("varbit", mods, n);
}

static void
bits_typmod_out(int32_t typmod, StrBuf *s)
{
    if (typmod >= 0)
        str_printf(s, "(%d)", typmod);
}

static Datum
bit_apply(FnCtx *c, Datum d, int32_t typmod, bool explicit_cast)
{
    return bit_coerce(c->arena, d, typmod, explicit_cast);
}

static Datum
varbit_apply(FnCtx *c, Datum d, int32_t typmod, bool explicit_cast)
{
    return varbit_coerce(c->arena, d, typmod, explicit_cast);
}

#define BIT_TYPE(type_oid, prefix)                                                                   \
    {                                                                                                \
        .oid = (type_oid), .len = -1, .in = prefix##_in, .out = bits_out, .recv = prefix##_recv,     \
        .send = bits_send, .cmp = bits_cmp, .eq = bits_eq, .hash = bits_hash,                        \
        .key_encode = bits_key, .key_decode = bits_key_decode, .key_skip = bits_key_skip,            \
        .typmod_in = prefix##_typmod_in, .typmod_out = bits_typmod_out,                              \
        .apply_typmod = prefix##_apply,                                                              \
    }
const TypeOps type_ops_bit = BIT_TYPE(BIT_OID, bit);
const TypeOps type_ops_varbit = BIT_TYPE(VARBIT_OID, varbit);
