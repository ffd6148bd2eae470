/*
 * Type pg_lsn: a position in the log, written as two hexadecimal halves (16/B374D848).
 */
#include "core/base/hash.h"
#include "core/types/pg_hash.h"
#include "core/types/text_type.h"

static Datum
lsn_in(FnCtx *c, const char *text, size_t len, Oid elem, int32_t typmod)
{
    uint64_t half[2] = {0, 0};
    size_t i = 0;

    for (int h = 0; h < 2; h++) {
        size_t digits = 0;
        for (; i < len; i++, digits++) {
            char ch = text[i];
            int v = ch >= '0' && ch <= '9' ? ch - '0'
                    : ch >= 'a' && ch <= 'f' ? ch - 'a' + 10
                    : ch >= 'A' && ch <= 'F' ? ch - 'A' + 10 : -1;
            if (v < 0 || digits == 8)
                break;
            half[h] = half[h] << 4 | (unsigned)v;
        }
        bool good = digits > 0 && (h == 0 ? i < len && text[i++] == '/' : i == len);
        if (!good)
            RAISE(SQLSTATE_INVALID_TEXT_REPRESENTATION,
                  "invalid input syntax for type %s: \"%.*s\"", "pg_lsn", (int)len, text);
    }
    return half[0] << 32 | half[1];
}

static void
lsn_out(FnCtx *c, Datum d, StrBuf *s)
{
    str_printf(s, "%X/%X", (uint32_t)(d >> 32), (uint32_t)d);
}

static Datum
lsn_recv(FnCtx *c, const char *bytes, size_t len, Oid elem, int32_t typmod)
{
    if (len < 8)
        RAISE(SQLSTATE_PROTOCOL_VIOLATION, "insufficient data left in message");
    if (len > 8)
        RAISE(SQLSTATE_INVALID_BINARY_REPRESENTATION, "incorrect binary data format");
    return load_be64(bytes);
}

static void
lsn_send(FnCtx *c, Datum d, StrBuf *s)
{
    key_put_be64(s, d);
}

static int
lsn_cmp(Datum a, Datum b, Oid collation)
{
    return (a > b) - (a < b);
}

static bool
lsn_eq(Datum a, Datum b, Oid collation)
{
    return a == b;
}

static uint64_t
lsn_hash(Datum d, Oid collation)
{
    return hash_u64(d);
}

static void
lsn_key(Datum d, Oid collation, StrBuf *out)
{
    key_put_be64(out, d);
}

static Datum
lsn_key_decode(Arena *a, const char **p, const char *end)
{
    Datum d = load_be64(*p);
    *p += 8;
    return d;
}

static const char *
lsn_key_skip(const char *p, const char *end)
{
    return p + 8;
}

const TypeOps type_ops_pg_lsn = {
    .oid = PG_LSN_OID,
    .len = 8,
    .byval = true,
    .in = lsn_in,
    .out = lsn_out,
    .recv = lsn_recv,
    .send = lsn_send,
    .cmp = lsn_cmp,
    .eq = lsn_eq,
    .hash = lsn_hash,
    .key_encode = lsn_key,
    .key_decode = lsn_key_decode,
    .key_skip = lsn_key_skip,
};

#define COMPARE_FN(name, test)                                                                       \
    Datum name(FnCtx *c, const Datum *args, bool *isnull)                                            \
    {                                                                                                \
        return bool_datum(args[0] test args[1]);                                                     \
    }
COMPARE_FN(fn_pg_lsn_eq, ==)
COMPARE_FN(fn_pg_lsn_ne, !=)
COMPARE_FN(fn_pg_lsn_lt, <)
COMPARE_FN(fn_pg_lsn_le, <=)
COMPARE_FN(fn_pg_lsn_gt, >)
COMPARE_FN(fn_pg_lsn_ge, >=)

Datum
fn_pg_lsn_cmp(FnCtx *c, const Datum *args, bool *isnull)
{
    return int32_datum(lsn_cmp(args[0], args[1], 0));
}

Datum
fn_pg_lsn_larger(FnCtx *c, const Datum *args, bool *isnull)
{
    return MAX(args[0], args[1]);
}

Datum
fn_pg_lsn_smaller(FnCtx *c, const Datum *args, bool *isnull)
{
    return MIN(args[0], args[1]);
}

Datum
fn_pg_lsn_hash(FnCtx *c, const Datum *args, bool *isnull)
{
    uint32_t low = (uint32_t)args[0], high = (uint32_t)(args[0] >> 32);
    return int32_datum((int32_t)pg_hash_uint32(low ^ ((int64_t)args[0] >= 0 ? high : ~high)));
}

/* The difference in bytes, as numeric: it may exceed 64 signed bits. */
Datum
fn_pg_lsn_mi(FnCtx *c, const Datum *args, bool *isnull)
{
    char text[32];
    bool negative = args[0] < args[1];
    int n = snprintf(text, sizeof text, "%s%llu", negative ? "-" : "",
                     (unsigned long long)(negative ? args[1] - args[0] : args[0] - args[1]));
    return numeric_from_text(c->arena, text, (size_t)n, -1);
}
