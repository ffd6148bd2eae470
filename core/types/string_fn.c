/*
 * SQL functions on text that take it apart and put it together by position: length, concatenation,
 * substring, overlay, position, trim, pad, repeat, case. Positions count characters; text that is
 * all ASCII is indexed by byte.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* memmem */
#endif
#include "core/base/interrupt.h"
#include "core/types/collation.h"
#include "core/types/text_type.h"

#define INT(i) datum_int32(args[i])
#define MAX_RESULT_BYTES ((int64_t)MAX_VALUE_BYTES - 1)

NORETURN static void
raise_too_large(void)
{
    RAISE(SQLSTATE_PROGRAM_LIMIT_EXCEEDED, "requested length too large");
}

static void
require_deterministic(Oid collation)
{
    if (UNLIKELY(!collation_is_deterministic(collation)))
        UNSUPPORTED("nondeterministic collations are not supported for substring searches");
}

/* ---- lengths ---- */

Datum
fn_textlen(FnCtx *c, const Datum *args, bool *isnull)
{
    Span s = var_span(args[0]);
    return int32_datum((int32_t)utf8_count_chars(s.p, s.n));
}

Datum
fn_textoctetlen(FnCtx *c, const Datum *args, bool *isnull)
{
    return int32_datum((int32_t)var_len(args[0]));
}

Datum
fn_text_bit_length(FnCtx *c, const Datum *args, bool *isnull)
{
    int64_t bits = (int64_t)var_len(args[0]) * 8;
    if (bits > INT32_MAX)
        RAISE(SQLSTATE_NUMERIC_VALUE_OUT_OF_RANGE, "integer out of range");
    return int32_datum((int32_t)bits);
}

Datum
fn_bpcharlen(FnCtx *c, const Datum *args, bool *isnull)
{
    Span s = bpchar_span(args[0]);
    return int32_datum((int32_t)utf8_count_chars(s.p, s.n));
}

/* ---- concatenation ---- */

static Datum
concat2(Arena *a, Span x, Span y)
{
    char *to;
    Datum d = var_alloc(a, x.n + y.n, &to);

    memcpy(to, x.p, x.n);
    memcpy(to + x.n, y.p, y.n);
    return d;
}

Datum
fn_textcat(FnCtx *c, const Datum *args, bool *isnull)
{
    return concat2(c->arena, var_span(args[0]), var_span(args[1]));
}

/* textanycat and anytextcat: the other side as a cast to text gives it. */
Datum
fn_textanycat(FnCtx *c, const Datum *args, bool *isnull)
{
    return concat2(c->arena, var_span(args[0]),
                   var_span(text_from_any(c, c->arg_types[1], args[1])));
}

Datum
fn_anytextcat(FnCtx *c, const Datum *args, bool *isnull)
{
    return concat2(c->arena, var_span(text_from_any(c, c->arg_types[0], args[0])),
                   var_span(args[1]));
}

/* ---- substring ---- */

/* Characters start .. start+len-1 (1-based, may lie outside); to_end ignores len. */
static Span
slice(Span s, int32_t start, int32_t len, bool to_end)
{
    int64_t from = MAX(start, 1), count = INT64_MAX;

    if (!to_end) {
        if (len < 0)
            RAISE(SQLSTATE_SUBSTRING_ERROR, "negative substring length not allowed");
        count = (int64_t)start + len - from;
        if (count <= 0)
            return (Span){s.p, 0};
    }
    size_t skip = utf8_offset(s.p, s.n, (size_t)from - 1);
    s.p += skip;
    s.n -= skip;
    if (count < (int64_t)s.n)
        s.n = utf8_offset(s.p, s.n, (size_t)count);
    return s;
}

Datum
fn_text_substr(FnCtx *c, const Datum *args, bool *isnull)
{
    return span_datum(c->arena, slice(var_span(args[0]), INT(1), INT(2), false));
}

Datum
fn_text_substr_no_len(FnCtx *c, const Datum *args, bool *isnull)
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
fn_textoverlay(FnCtx *c, const Datum *args, bool *isnull)
{
    return overlay(c, var_span(args[0]), var_span(args[1]), INT(2), INT(3));
}

Datum
fn_textoverlay_no_len(FnCtx *c, const Datum *args, bool *isnull)
{
    Span b = var_span(args[1]);
    return overlay(c, var_span(args[0]), b, INT(2), (int32_t)utf8_count_chars(b.p, b.n));
}

/* left and right: a negative count leaves that many characters off at the other end. */
Datum
fn_text_left(FnCtx *c, const Datum *args, bool *isnull)
{
    Span s = var_span(args[0]);
    int64_t n = INT(1);

    if (n < 0)
        n += (int64_t)utf8_count_chars(s.p, s.n);
    s.n = n <= 0 ? 0 : utf8_offset(s.p, s.n, (size_t)n);
    return span_datum(c->arena, s);
}

Datum
fn_text_right(FnCtx *c, const Datum *args, bool *isnull)
{
    Span s = var_span(args[0]);
    int64_t n = INT(1), skip;

    if (n < 0)
        skip = -n;
    else
        skip = MAX((int64_t)utf8_count_chars(s.p, s.n) - n, 0);
    size_t at = utf8_offset(s.p, s.n, (size_t)skip);
    return var_make(c->arena, s.p + at, s.n - at);
}

Datum
fn_text_reverse(FnCtx *c, const Datum *args, bool *isnull)
{
    Span s = var_span(args[0]);
    char *to;
    Datum d = var_alloc(c->arena, s.n, &to);

    for (size_t i = 0; i < s.n;) {
        size_t len = (size_t)utf8_len((unsigned char)s.p[i]);
        memcpy(to + s.n - i - len, s.p + i, len);
        i += len;
    }
    return d;
}

/* ---- search ---- */

Datum
fn_textpos(FnCtx *c, const Datum *args, bool *isnull)
{
    Span s = var_span(args[0]);

    require_deterministic(c->collation);
    size_t at = span_find(s, var_span(args[1]), 0);
    if (at == SIZE_MAX)
        return int32_datum(0);
    return int32_datum((int32_t)utf8_count_chars(s.p, at) + 1);
}

Datum
fn_text_starts_with(FnCtx *c, const Datum *args, bool *isnull)
{
    Span s = var_span(args[0]), prefix = var_span(args[1]);

    require_deterministic(c->collation);
    return bool_datum(s.n >= prefix.n && memcmp(s.p, prefix.p, prefix.n) == 0);
}

Datum
fn_replace_text(FnCtx *c, const Datum *args, bool *isnull)
{
    Span s = var_span(args[0]), from = var_span(args[1]), to = var_span(args[2]);

    require_deterministic(c->collation);
    if (s.n == 0 || from.n == 0)
        return args[0];
    size_t at = span_find(s, from, 0), done = 0;
    if (at == SIZE_MAX)
        return args[0];
    StrBuf out;
    str_init(&out, c->arena);
    for (; at != SIZE_MAX; at = span_find(s, from, done)) {
        CHECK_INTERRUPTS();
        str_add_bytes(&out, s.p + done, at - done);
        str_add_bytes(&out, to.p, to.n);
        done = at + from.n;
    }
    str_add_bytes(&out, s.p + done, s.n - done);
    return str_datum(c->arena, &out);
}

/* Character number n of `from` becomes character number n of `to`, or nothing. */
Datum
fn_translate(FnCtx *c, const Datum *args, bool *isnull)
{
    Span s = var_span(args[0]), from = var_span(args[1]), to = var_span(args[2]);
    StrBuf out;

    if (s.n == 0)
        return args[0];
    str_init(&out, c->arena);
    for (size_t i = 0; i < s.n;) {
        size_t len = (size_t)utf8_len((unsigned char)s.p[i]), at = 0, nth = 0;
        while (at < from.n) {
            size_t flen = (size_t)utf8_len((unsigned char)from.p[at]);
            if (flen == len && memcmp(s.p + i, from.p + at, len) == 0)
                break;
            at += flen;
            nth++;
        }
        if (at >= from.n) {
            str_add_bytes(&out, s.p + i, len);
        } else {
            size_t pos = utf8_offset(to.p, to.n, nth);
            if (pos < to.n)
                str_add_bytes(&out, to.p + pos, (size_t)utf8_len((unsigned char)to.p[pos]));
        }
        i += len;
    }
    return str_datum(c->arena, &out);
}

/* ---- trim, pad, repeat ---- */

static bool
set_has(Span set, const char *ch, size_t len)
{
    if (len == 1)
        return memchr(set.p, *ch, set.n) != NULL;
    return memmem(set.p, set.n, ch, len) != NULL; /* UTF-8: a match is at a character */
}

static Span
trim(Span s, Span set, bool left, bool right)
{
    if (set.n == 0)
        return s;
    while (left && s.n > 0) {
        size_t len = (size_t)utf8_len((unsigned char)s.p[0]);
        if (!set_has(set, s.p, len))
            break;
        s.p += len;
        s.n -= len;
    }
    while (right && s.n > 0) {
        size_t at = s.n - 1;
        while (at > 0 && !utf8_is_start(s.p[at]))
            at--;
        if (!set_has(set, s.p + at, s.n - at))
            break;
        s.n = at;
    }
    return s;
}

#define TRIM_FN(name, set, left, right)                                                              \
    Datum name(FnCtx *c, const Datum *args, bool *isnull)                                            \
    {                                                                                                \
        return span_datum(c->arena, trim(var_span(args[0]), set, left, right));                      \
    }
static const Span blank = {" ", 1};
TRIM_FN(fn_btrim, var_span(args[1]), true, true)
TRIM_FN(fn_btrim1, blank, true, true)
TRIM_FN(fn_ltrim, var_span(args[1]), true, false)
TRIM_FN(fn_ltrim1, blank, true, false)
TRIM_FN(fn_rtrim, var_span(args[1]), false, true)
TRIM_FN(fn_rtrim1, blank, false, true)

static Datum
pad(FnCtx *c, Span s, int32_t want, Span fill, bool left)
{
    int64_t len = MAX(want, 0), have = (int64_t)utf8_count_chars(s.p, s.n);

    if (fill.n == 0)
        len = MIN(len, have);
    if (have >= len) {
        s.n = utf8_offset(s.p, s.n, (size_t)len);
        return span_datum(c->arena, s);
    }
    int64_t missing = len - have, fill_chars = (int64_t)utf8_count_chars(fill.p, fill.n);
    int64_t whole = missing / fill_chars;
    size_t rest = utf8_offset(fill.p, fill.n, (size_t)(missing % fill_chars));
    if (whole > MAX_RESULT_BYTES / (int64_t)fill.n ||
        whole * (int64_t)fill.n + (int64_t)(rest + s.n) > MAX_RESULT_BYTES - 4)
        raise_too_large();
    char *to;
    Datum d = var_alloc(c->arena, (size_t)whole * fill.n + rest + s.n, &to);
    if (!left) {
        memcpy(to, s.p, s.n);
        to += s.n;
    }
    if (fill.n == 1) {
        memset(to, fill.p[0], (size_t)whole);
        to += whole;
    } else {
        for (; whole > 0; whole--, to += fill.n)
            memcpy(to, fill.p, fill.n);
    }
    memcpy(to, fill.p, rest);
    if (left)
        memcpy(to + rest, s.p, s.n);
    return d;
}

Datum
fn_lpad(FnCtx *c, const Datum *args, bool *isnull)
{
    return pad(c, var_span(args[0]), INT(1), c->nargs > 2 ? var_span(args[2]) : blank, true);
}

Datum
fn_rpad(FnCtx *c, const Datum *args, bool *isnull)
{
    return pad(c, var_span(args[0]), INT(1), c->nargs > 2 ? var_span(args[2]) : blank, false);
}

Datum
fn_repeat(FnCtx *c, const Datum *args, bool *isnull)
{
    Span s = var_span(args[0]);
    int64_t count = MAX(INT(1), 0), total = count * (int64_t)s.n;
    char *to;

    if (total > MAX_RESULT_BYTES - 4)
        raise_too_large();
    Datum d = var_alloc(c->arena, (size_t)total, &to);
    if (s.n == 1) {
        memset(to, s.p[0], (size_t)total);
        return d;
    }
    /* Copies of what is there already double it each time. */
    size_t done = MIN(s.n, (size_t)total);
    memcpy(to, s.p, done);
    while (done < (size_t)total) {
        size_t more = MIN(done, (size_t)total - done);
        memcpy(to + done, to, more);
        done += more;
    }
    return d;
}

/* ---- case and code points ---- */

#define CASE_FN(name, map, what)                                                                     \
    Datum name(FnCtx *c, const Datum *args, bool *isnull)                                            \
    {                                                                                                \
        Span s = var_span(args[0]);                                                                  \
        StrBuf out;                                                                                  \
        if (UNLIKELY(c->collation == 0))                                                             \
            collation_require(0, what " function");                                                  \
        str_init(&out, c->arena);                                                                    \
        map(c->collation, s.p, s.n, &out);                                                           \
        return str_datum(c->arena, &out);                                                            \
    }
CASE_FN(fn_upper, collation_upper, "upper()")
CASE_FN(fn_lower, collation_lower, "lower()")
CASE_FN(fn_initcap, collation_initcap, "initcap()")

Datum
fn_ascii(FnCtx *c, const Datum *args, bool *isnull)
{
    Span s = var_span(args[0]);
    return int32_datum(s.n == 0 ? 0 : (int32_t)utf8_decode(s.p));
}

Datum
fn_chr(FnCtx *c, const Datum *args, bool *isnull)
{
    int32_t code = INT(0);
    char bytes[4];

    if (code < 0)
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "character number must be positive");
    if (code == 0)
        RAISE(SQLSTATE_PROGRAM_LIMIT_EXCEEDED, "null character not permitted");
    if (code > 0x10FFFF)
        RAISE(SQLSTATE_PROGRAM_LIMIT_EXCEEDED, "requested character too large for encoding: %u",
              (unsigned)code);
    if (code >= 0xD800 && code <= 0xDFFF)
        RAISE(SQLSTATE_PROGRAM_LIMIT_EXCEEDED, "requested character not valid for encoding: %u",
              (unsigned)code);
    return var_make(c->arena, bytes, (size_t)utf8_encode((uint32_t)code, bytes));
}
