/*
 * Type bytea and its text form: hex (\x...) or the older escape form, by the setting bytea_output;
 * input takes both.
 */
#include "core/base/hash.h"
#include "core/types/text_type.h"

int bytea_output; /* 0 hex, 1 escape */

static int
hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void
bytea_hex(StrBuf *out, const char *p, size_t n)
{
    static const char digits[] = "0123456789abcdef";

    str_reserve(out, n * 2);
    char *to = out->data + out->len;
    for (size_t i = 0; i < n; i++) {
        *to++ = digits[(unsigned char)p[i] >> 4];
        *to++ = digits[p[i] & 15];
    }
    out->len += n * 2;
    out->data[out->len] = 0;
}

/* Hex digits in pairs, white space between pairs ignored. */
size_t
bytea_unhex(const char *p, size_t n, char *to)
{
    const char *end = p + n;
    char *start = to;

    while (p < end) {
        if (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r') {
            p++;
            continue;
        }
        int hi = hex_digit(*p);
        if (hi < 0)
            RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "invalid hexadecimal digit: \"%.*s\"",
                  (int)MIN((size_t)utf8_len((unsigned char)*p), (size_t)(end - p)), p);
        p++;
        if (p >= end)
            RAISE(SQLSTATE_INVALID_PARAMETER_VALUE,
                  "invalid hexadecimal data: odd number of digits");
        int lo = hex_digit(*p);
        if (lo < 0)
            RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "invalid hexadecimal digit: \"%.*s\"",
                  (int)MIN((size_t)utf8_len((unsigned char)*p), (size_t)(end - p)), p);
        p++;
        *to++ = (char)(hi << 4 | lo);
    }
    return (size_t)(to - start);
}

static Datum
bytea_in(FnCtx *c, const char *text, size_t len, Oid elem, int32_t typmod)
{
    char *to, *buf;

    if (len >= 2 && text[0] == '\\' && text[1] == 'x') {
        buf = arena_alloc(c->arena, len / 2 + 1);
        return var_make(c->arena, buf, bytea_unhex(text + 2, len - 2, buf));
    }
    buf = to = arena_alloc(c->arena, len + 1);
    for (size_t i = 0; i < len;) {
        if (text[i] != '\\') {
            *to++ = text[i++];
        } else if (i + 3 < len && text[i + 1] >= '0' && text[i + 1] <= '3' && text[i + 2] >= '0' &&
                   text[i + 2] <= '7' && text[i + 3] >= '0' && text[i + 3] <= '7') {
            *to++ =
                (char)((text[i + 1] - '0') << 6 | (text[i + 2] - '0') << 3 | (text[i + 3] - '0'));
            i += 4;
        } else if (i + 1 < len && text[i + 1] == '\\') {
            *to++ = '\\';
            i += 2;
        } else {
            RAISE(SQLSTATE_INVALID_TEXT_REPRESENTATION, "invalid input syntax for type %s",
                  "bytea");
        }
    }
    return var_make(c->arena, buf, (size_t)(to - buf));
}

static void
bytea_out(FnCtx *c, Datum d, StrBuf *s)
{
    Span b = var_span(d);

    if (bytea_output == 0) {
        str_add_bytes(s, "\\x", 2);
        bytea_hex(s, b.p, b.n);
        return;
    }
    for (size_t i = 0; i < b.n; i++) {
        unsigned char ch = (unsigned char)b.p[i];
        if (ch == '\\')
            str_add_bytes(s, "\\\\", 2);
        else if (ch < 0x20 || ch > 0x7E)
            str_printf(s, "\\%03o", ch);
        else
            str_add_char(s, (char)ch);
    }
}

static Datum
bytea_recv(FnCtx *c, const char *bytes, size_t len, Oid elem, int32_t typmod)
{
    return var_make(c->arena, bytes, len);
}

static int
bytea_cmp(Datum a, Datum b, Oid collation)
{
    return span_memcmp(var_span(a), var_span(b));
}

static bool
bytea_eq(Datum a, Datum b, Oid collation)
{
    return var_equal(a, b);
}

static uint64_t
bytea_hash(Datum d, Oid collation)
{
    return hash_bytes(var_data(d), var_len(d));
}

static void
bytea_key(Datum d, Oid collation, StrBuf *out)
{
    key_put_bytes(out, var_data(d), var_len(d));
}

const TypeOps type_ops_bytea = {
    .oid = BYTEA_OID,
    .len = -1,
    .in = bytea_in,
    .out = bytea_out,
    .recv = bytea_recv,
    .send = text_type_out,
    .cmp = bytea_cmp,
    .eq = bytea_eq,
    .hash = bytea_hash,
    .key_encode = bytea_key,
    .key_decode = text_type_key_decode,
    .key_skip = text_type_key_skip,
};
