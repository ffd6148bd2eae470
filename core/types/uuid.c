/*
 * Type uuid: 16 bytes in network order, compared as bytes; random ones (version 4) come from the
 * kernel through OpenSSL's generator.
 */
#include "core/types/text.h"

#include <openssl/rand.h>

#include "core/base/hash.h"
#include "core/types/pg_hash.h"

#define UUID_BYTES 16

static int
hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* 32 digits, a hyphen allowed after every group of four, braces around it all allowed. */
static bool
uuid_parse(const char *s, size_t len, unsigned char *out)
{
    const char *end = s + len;
    bool braces = len > 0 && *s == '{';

    if (braces)
        s++;
    for (int i = 0; i < UUID_BYTES; i++) {
        if (end - s < 2)
            return false;
        int hi = hex_digit(s[0]), lo = hex_digit(s[1]);
        if (hi < 0 || lo < 0)
            return false;
        out[i] = (unsigned char)(hi << 4 | lo);
        s += 2;
        if (s < end && *s == '-' && (i & 1) && i < UUID_BYTES - 1)
            s++;
    }
    if (braces) {
        if (s >= end || *s != '}')
            return false;
        s++;
    }
    return s == end;
}

static Datum
uuid_in(FnCtx *c, const char *text, size_t len, Oid elem, int32_t typmod)
{
    unsigned char *u = arena_alloc(c->arena, UUID_BYTES);

    if (!uuid_parse(text, len, u))
        RAISE(SQLSTATE_INVALID_TEXT_REPRESENTATION, "invalid input syntax for type %s: \"%.*s\"",
              "uuid", (int)len, text);
    return ptr_datum(u);
}

static void
uuid_out(FnCtx *c, Datum d, StrBuf *s)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *u = (const unsigned char *)datum_ptr(d);
    char buf[36], *to = buf;

    for (int i = 0; i < UUID_BYTES; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *to++ = '-';
        *to++ = digits[u[i] >> 4];
        *to++ = digits[u[i] & 15];
    }
    str_add_bytes(s, buf, sizeof buf);
}

static Datum
uuid_recv(FnCtx *c, const char *bytes, size_t len, Oid elem, int32_t typmod)
{
    if (len < UUID_BYTES)
        RAISE(SQLSTATE_PROTOCOL_VIOLATION, "insufficient data left in message");
    if (len > UUID_BYTES)
        RAISE(SQLSTATE_INVALID_BINARY_REPRESENTATION, "incorrect binary data format");
    return ptr_datum(arena_memdup(c->arena, bytes, UUID_BYTES));
}

static void
uuid_send(FnCtx *c, Datum d, StrBuf *s)
{
    str_add_bytes(s, datum_ptr(d), UUID_BYTES);
}

static int
uuid_cmp(Datum a, Datum b, Oid collation)
{
    return memcmp(datum_ptr(a), datum_ptr(b), UUID_BYTES);
}

static bool
uuid_eq(Datum a, Datum b, Oid collation)
{
    return memcmp(datum_ptr(a), datum_ptr(b), UUID_BYTES) == 0;
}

static uint64_t
uuid_hash(Datum d, Oid collation)
{
    return hash_bytes(datum_ptr(d), UUID_BYTES);
}

static void
uuid_key(Datum d, Oid collation, StrBuf *out)
{
    str_add_bytes(out, datum_ptr(d), UUID_BYTES);
}

static Datum
uuid_key_decode(Arena *a, const char **p, const char *end)
{
    const char *from = *p;
    *p = from + UUID_BYTES;
    return ptr_datum(arena_memdup(a, from, UUID_BYTES));
}

static const char *
uuid_key_skip(const char *p, const char *end)
{
    return p + UUID_BYTES;
}

const TypeOps type_ops_uuid = {
    .oid = UUID_OID,
    .len = UUID_BYTES,
    .in = uuid_in,
    .out = uuid_out,
    .recv = uuid_recv,
    .send = uuid_send,
    .cmp = uuid_cmp,
    .eq = uuid_eq,
    .hash = uuid_hash,
    .key_encode = uuid_key,
    .key_decode = uuid_key_decode,
    .key_skip = uuid_key_skip,
};

#define UUID_COMPARE(name, test)                                                                     \
    Datum name(FnCtx *c, const Datum *args, bool *isnull)                                            \
    {                                                                                                \
        int r = uuid_cmp(args[0], args[1], 0);                                                       \
        return bool_datum(r test 0);                                                                 \
    }
UUID_COMPARE(fn_uuid_eq, ==)
UUID_COMPARE(fn_uuid_ne, !=)
UUID_COMPARE(fn_uuid_lt, <)
UUID_COMPARE(fn_uuid_le, <=)
UUID_COMPARE(fn_uuid_gt, >)
UUID_COMPARE(fn_uuid_ge, >=)

Datum
fn_uuid_cmp(FnCtx *c, const Datum *args, bool *isnull)
{
    return int32_datum(uuid_cmp(args[0], args[1], 0));
}

Datum
fn_uuid_hash(FnCtx *c, const Datum *args, bool *isnull)
{
    return int32_datum((int32_t)pg_hash_bytes(datum_ptr(args[0]), UUID_BYTES));
}

Datum
fn_uuid_hash_extended(FnCtx *c, const Datum *args, bool *isnull)
{
    return int64_datum((int64_t)pg_hash_bytes_extended(datum_ptr(args[0]), UUID_BYTES,
                                                       (uint64_t)args[1]));
}

Datum
fn_gen_random_uuid(FnCtx *c, const Datum *args, bool *isnull)
{
    unsigned char *u = arena_alloc(c->arena, UUID_BYTES);

    if (RAND_bytes(u, UUID_BYTES) != 1)
        RAISE(SQLSTATE_INTERNAL_ERROR, "could not generate random values");
    u[6] = (u[6] & 0x0F) | 0x40; /* version 4 */
    u[8] = (u[8] & 0x3F) | 0x80; /* RFC 4122 variant */
    return ptr_datum(u);
}
