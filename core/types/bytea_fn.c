/*
 * SQL functions on bytea: pieces, bits, trimming, encode and decode, digests.
 */
#include <openssl/evp.h>

#include "core/types/text_type.h"

#define INT(i) datum_int32(args[i])

Datum
fn_byteaoctetlen(FnCtx *c, const Datum *args, bool *isnull)
{
    return int32_datum((int32_t)var_len(args[0]));
}

Datum
fn_bytea_bit_length(FnCtx *c, const Datum *args, bool *isnull)
{
    int64_t bits = (int64_t)var_len(args[0]) * 8;
    if (bits > INT32_MAX)
        RAISE(SQLSTATE_NUMERIC_VALUE_OUT_OF_RANGE, "integer out of range");
    return int32_datum((int32_t)bits);
}

Datum
fn_bytea_bit_count(FnCtx *c, const Datum *args, bool *isnull)
{
    Span s = var_span(args[0]);
    int64_t bits = 0;
    size_t i = 0;

    for (; i + 8 <= s.n; i += 8)
        bits += __builtin_popcountll(load_u64(s.p + i));
    for (; i < s.n; i++)
        bits += __builtin_popcount((unsigned char)s.p[i]);
    return int64_datum(bits);
}

Datum
fn_byteacat(FnCtx *c, const Datum *args, bool *isnull)
{
    Span a = var_span(args[0]), b = var_span(args[1]);
    char *to;
    Datum d = var_alloc(c->arena, a.n + b.n, &to);

    memcpy(to, a.p, a.n);
    memcpy(to + a.n, b.p, b.n);
    return d;
}

/* SQL's substring over bytes: positions start at 1 and may lie outside. */
static Span
slice(Span s, int32_t start, int64_t len, bool to_end)
{
    int64_t from = MAX(start, 1), end;

    if (to_end) {
        end = (int64_t)s.n + 1;
    } else {
        if (len < 0)
            RAISE(SQLSTATE_SUBSTRING_ERROR, "negative substring length not allowed");
        end = MIN((int64_t)start + len, (int64_t)s.n + 1);
    }
    if (from >= end)
        return (Span){s.p, 0};
    return (Span){s.p + from - 1, (size_t)(end - from)};
}

Datum
fn_bytea_substr(FnCtx *c, const Datum *args, bool *isnull)
{
    return span_datum(c->arena, slice(var_span(args[0]), INT(1), INT(2), false));
}

Datum
fn_bytea_substr_no_len(FnCtx *c, const Datum *args, bool *isnull)
{
    return span_datum(c->arena, slice(var_span(args[0]), INT(1), 0, true));
}

static Datum
overlay(FnCtx *c, Span a, Span b, int32_t start, int32_t len)
{
    int32_t after;

    if (start <= 0)
        RAISE(SQLSTATE_SUBSTRING_ERROR, "negative substring length not allowed");
    if (__builtin_add_overflow(start, len, &after))
        RAISE(SQLSTATE_NUMERIC_VALUE_OUT_OF_RANGE, "integer out of range");
    Span head = slice(a, 1, start - 1, false), tail = slice(a, after, 0, true);
    char *to;
    Datum d = var_alloc(c->arena, head.n + b.n + tail.n, &to);
    memcpy(to, head.p, head.n);
    memcpy(to + head.n, b.p, b.n);
    memcpy(to + head.n + b.n, tail.p, tail.n);
    return d;
}

Datum
fn_byteaoverlay(FnCtx *c, const Datum *args, bool *isnull)
{
    return overlay(c, var_span(args[0]), var_span(args[1]), INT(2), INT(3));
}

Datum
fn_byteaoverlay_no_len(FnCtx *c, const Datum *args, bool *isnull)
{
    return overlay(c, var_span(args[0]), var_span(args[1]), INT(2), (int32_t)var_len(args[1]));
}

Datum
fn_byteapos(FnCtx *c, const Datum *args, bool *isnull)
{
    size_t at = span_find(var_span(args[0]), var_span(args[1]), 0);
    return int32_datum(at == SIZE_MAX ? 0 : (int32_t)at + 1);
}

static Datum
trim(FnCtx *c, Span s, Span set, bool left, bool right)
{
    while (left && s.n > 0 && set.n > 0 && memchr(set.p, s.p[0], set.n)) {
        s.p++;
        s.n--;
    }
    while (right && s.n > 0 && set.n > 0 && memchr(set.p, s.p[s.n - 1], set.n))
        s.n--;
    return span_datum(c->arena, s);
}

Datum
fn_byteatrim(FnCtx *c, const Datum *args, bool *isnull)
{
    return trim(c, var_span(args[0]), var_span(args[1]), true, true);
}

Datum
fn_bytealtrim(FnCtx *c, const Datum *args, bool *isnull)
{
    return trim(c, var_span(args[0]), var_span(args[1]), true, false);
}

Datum
fn_byteartrim(FnCtx *c, const Datum *args, bool *isnull)
{
    return trim(c, var_span(args[0]), var_span(args[1]), false, true);
}

static void
check_index(int64_t i, int64_t count)
{
    if (i < 0 || i >= count)
        RAISE(SQLSTATE_ARRAY_SUBSCRIPT_ERROR, "index %lld out of valid range, 0..%lld",
              (long long)i, (long long)count - 1);
}

Datum
fn_byteaGetByte(FnCtx *c, const Datum *args, bool *isnull)
{
    Span s = var_span(args[0]);
    check_index(INT(1), (int64_t)s.n);
    return int32_datum((unsigned char)s.p[INT(1)]);
}

Datum
fn_byteaSetByte(FnCtx *c, const Datum *args, bool *isnull)
{
    Span s = var_span(args[0]);
    check_index(INT(1), (int64_t)s.n);
    Datum d = span_datum(c->arena, s);
    ((char *)(uintptr_t)var_data(d))[INT(1)] = (char)INT(2);
    return d;
}

Datum
fn_byteaGetBit(FnCtx *c, const Datum *args, bool *isnull)
{
    Span s = var_span(args[0]);
    int64_t at = datum_int64(args[1]);
    check_index(at, (int64_t)s.n * 8);
    return int32_datum((unsigned char)s.p[at / 8] >> (at % 8) & 1);
}

Datum
fn_byteaSetBit(FnCtx *c, const Datum *args, bool *isnull)
{
    Span s = var_span(args[0]);
    int64_t at = datum_int64(args[1]);
    check_index(at, (int64_t)s.n * 8);
    if (INT(2) != 0 && INT(2) != 1)
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "new bit must be 0 or 1");
    Datum d = span_datum(c->arena, s);
    char *byte = (char *)(uintptr_t)var_data(d) + at / 8;
    *byte = (char)((*byte & ~(1 << at % 8)) | INT(2) << at % 8);
    return d;
}

/* ---- encode and decode ---- */

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Lines of 76 characters, as MIME has it. */
static void
base64_encode(StrBuf *out, Span s)
{
    size_t on_line = 0;

    for (size_t i = 0; i < s.n; i += 3) {
        size_t left = MIN(s.n - i, 3);
        uint32_t v = (uint32_t)(unsigned char)s.p[i] << 16;
        if (left > 1)
            v |= (uint32_t)(unsigned char)s.p[i + 1] << 8;
        if (left > 2)
            v |= (unsigned char)s.p[i + 2];
        char quad[4] = {base64_digits[v >> 18], base64_digits[v >> 12 & 63],
                        left > 1 ? base64_digits[v >> 6 & 63] : '=',
                        left > 2 ? base64_digits[v & 63] : '='};
        if (on_line == 76) {
            str_add_char(out, '\n');
            on_line = 0;
        }
        str_add_bytes(out, quad, 4);
        on_line += 4;
        if (on_line == 76 && left == 3) {
            /* PostgreSQL breaks the line as soon as it is full, also at the very end. */
            str_add_char(out, '\n');
            on_line = 0;
        }
    }
}

static size_t
base64_decode(Span s, char *to)
{
    char *start = to;
    uint32_t buf = 0;
    int pos = 0, end = 0;

    for (size_t i = 0; i < s.n; i++) {
        char ch = s.p[i];
        uint32_t b = 0;
        if (ch == ' ' || ch == '\t' || ch == '\n' || ch == '\r')
            continue;
        if (ch == '=') {
            if (!end) {
                if (pos == 2)
                    end = 1;
                else if (pos == 3)
                    end = 2;
                else
                    RAISE(SQLSTATE_INVALID_PARAMETER_VALUE,
                          "unexpected \"=\" while decoding base64 sequence");
            }
        } else {
            const char *hit = ch ? strchr(base64_digits, ch) : NULL;
            if (!hit)
                RAISE(SQLSTATE_INVALID_PARAMETER_VALUE,
                      "invalid symbol \"%.*s\" found while decoding base64 sequence",
                      (int)MIN((size_t)utf8_len((unsigned char)ch), s.n - i), s.p + i);
            b = (uint32_t)(hit - base64_digits);
        }
        buf = buf << 6 | b;
        if (++pos == 4) {
            *to++ = (char)(buf >> 16);
            if (end == 0 || end > 1)
                *to++ = (char)(buf >> 8);
            if (end == 0 || end > 2)
                *to++ = (char)buf;
            buf = 0;
            pos = 0;
        }
    }
    if (pos != 0)
        RAISE_ERR(
            SQLSTATE_INVALID_PARAMETER_VALUE, err_message("invalid base64 end sequence"),
            err_hint("Input data is missing padding, is truncated, or is otherwise corrupted."));
    return (size_t)(to - start);
}

static void
escape_encode(StrBuf *out, Span s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char ch = (unsigned char)s.p[i];
        if (ch == 0 || ch >= 0x80)
            str_printf(out, "\\%03o", ch);
        else if (ch == '\\')
            str_add_bytes(out, "\\\\", 2);
        else
            str_add_char(out, (char)ch);
    }
}

static bool
coding_is(Span name, const char *known)
{
    return name.n == strlen(known) && strncasecmp(name.p, known, name.n) == 0;
}

NORETURN static void
raise_coding(Span name)
{
    RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "unrecognized encoding: \"%.*s\"", (int)name.n, name.p);
}

Datum
fn_binary_encode(FnCtx *c, const Datum *args, bool *isnull)
{
    Span s = var_span(args[0]), name = var_span(args[1]);
    StrBuf out;

    str_init(&out, c->arena);
    if (coding_is(name, "hex"))
        bytea_hex(&out, s.p, s.n);
    else if (coding_is(name, "base64"))
        base64_encode(&out, s);
    else if (coding_is(name, "escape"))
        escape_encode(&out, s);
    else
        raise_coding(name);
    return str_datum(c->arena, &out);
}

Datum
fn_binary_decode(FnCtx *c, const Datum *args, bool *isnull)
{
    Span s = var_span(args[0]), name = var_span(args[1]);
    char *buf = arena_alloc(c->arena, s.n + 4);

    if (coding_is(name, "hex"))
        return var_make(c->arena, buf, bytea_unhex(s.p, s.n, buf));
    if (coding_is(name, "base64"))
        return var_make(c->arena, buf, base64_decode(s, buf));
    if (coding_is(name, "escape")) {
        char *to = buf;
        for (size_t i = 0; i < s.n;) {
            if (s.p[i] != '\\') {
                *to++ = s.p[i++];
            } else if (i + 3 < s.n && s.p[i + 1] >= '0' && s.p[i + 1] <= '3' && s.p[i + 2] >= '0' &&
                       s.p[i + 2] <= '7' && s.p[i + 3] >= '0' && s.p[i + 3] <= '7') {
                *to++ =
                    (char)((s.p[i + 1] - '0') << 6 | (s.p[i + 2] - '0') << 3 | (s.p[i + 3] - '0'));
                i += 4;
            } else if (i + 1 < s.n && s.p[i + 1] == '\\') {
                *to++ = '\\';
                i += 2;
            } else {
                RAISE(SQLSTATE_INVALID_TEXT_REPRESENTATION, "invalid input syntax for type %s",
                      "bytea");
            }
        }
        return var_make(c->arena, buf, (size_t)(to - buf));
    }
    raise_coding(name);
}

/* ---- digests ---- */

/* Fetched once per process: looking an algorithm up costs more than hashing a short text. */
typedef struct Digest {
    const char *name;
    EVP_MD *md;
} Digest;

static size_t
digest(Digest *d, Span s, unsigned char *out)
{
    static EVP_MD_CTX *ctx;
    unsigned len = 0;

    if (!d->md)
        d->md = EVP_MD_fetch(NULL, d->name, NULL);
    if (!ctx)
        ctx = EVP_MD_CTX_new();
    if (!d->md || !ctx || EVP_DigestInit_ex2(ctx, d->md, NULL) != 1 ||
        EVP_DigestUpdate(ctx, s.p, s.n) != 1 || EVP_DigestFinal_ex(ctx, out, &len) != 1)
        RAISE(SQLSTATE_INTERNAL_ERROR, "could not compute %s hash: %s", d->name, "internal error");
    return len;
}

static Datum
md5_hex(FnCtx *c, Datum d)
{
    static Digest md5 = {"MD5", NULL};
    unsigned char sum[EVP_MAX_MD_SIZE];
    size_t n = digest(&md5, var_span(d), sum);
    StrBuf out;

    str_init(&out, c->arena);
    bytea_hex(&out, (const char *)sum, n);
    return str_datum(c->arena, &out);
}

Datum
fn_md5_text(FnCtx *c, const Datum *args, bool *isnull)
{
    return md5_hex(c, args[0]);
}

Datum
fn_md5_bytea(FnCtx *c, const Datum *args, bool *isnull)
{
    return md5_hex(c, args[0]);
}

#define SHA_FN(bits)                                                                                 \
    Datum fn_sha##bits##_bytea(FnCtx *c, const Datum *args, bool *isnull)                            \
    {                                                                                                \
        static Digest sha = {"SHA" #bits, NULL};                                                     \
        unsigned char sum[EVP_MAX_MD_SIZE];                                                          \
        size_t n = digest(&sha, var_span(args[0]), sum);                                             \
        return var_make(c->arena, sum, n);                                                           \
    }
SHA_FN(224)
SHA_FN(256)
SHA_FN(384)
SHA_FN(512)
