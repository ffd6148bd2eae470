/*
 * Types varchar(n) and char(n) (bpchar). Both are text with a length in characters; bpchar values
 * are stored padded to it, and blanks at their end mean nothing to comparison, hashing or casts.
 */
#include "core/types/text_type.h"

#include <errno.h>
#include <stdlib.h>

#define TYPMOD_HEADER 4
#define LENGTH_MAX (10 * 1024 * 1024)

/* Bytes of the first `limit` characters; *chars gets how many there are (at most limit). */
static size_t
clip_chars(Span s, size_t limit, size_t *chars)
{
    if (s.n <= limit && bytes_are_ascii(s.p, s.n)) {
        *chars = s.n;
        return s.n;
    }
    size_t bytes = utf8_offset(s.p, s.n, limit);
    *chars = bytes < s.n ? limit : utf8_count_chars(s.p, s.n);
    return bytes;
}

static bool
only_blanks(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != ' ')
            return false;
    return true;
}

Datum
varchar_coerce(Arena *a, Span s, int32_t typmod, bool explicit_cast)
{
    if (typmod >= TYPMOD_HEADER && s.n > (size_t)(typmod - TYPMOD_HEADER)) {
        size_t limit = (size_t)(typmod - TYPMOD_HEADER), chars;
        size_t keep = clip_chars(s, limit, &chars);
        if (keep < s.n && !explicit_cast && !only_blanks(s.p + keep, s.n - keep))
            RAISE(SQLSTATE_STRING_DATA_RIGHT_TRUNCATION,
                  "value too long for type character varying(%d)", (int)limit);
        s.n = keep;
    }
    return var_make(a, s.p, s.n);
}

Datum
bpchar_coerce(Arena *a, Span s, int32_t typmod, bool explicit_cast)
{
    if (typmod < TYPMOD_HEADER)
        return var_make(a, s.p, s.n);
    size_t limit = (size_t)(typmod - TYPMOD_HEADER), chars;
    size_t keep = clip_chars(s, limit, &chars);
    if (keep < s.n && !explicit_cast && !only_blanks(s.p + keep, s.n - keep))
        RAISE(SQLSTATE_STRING_DATA_RIGHT_TRUNCATION, "value too long for type character(%d)",
              (int)limit);
    char *to;
    Datum d = var_alloc(a, keep + (limit - chars), &to);
    memcpy(to, s.p, keep);
    memset(to + keep, ' ', limit - chars);
    return d;
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
    if (v > LENGTH_MAX)
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "length for type %s cannot exceed %d", type,
              LENGTH_MAX);
    return (int32_t)v + TYPMOD_HEADER;
}

static void
length_typmod_out(int32_t typmod, StrBuf *s)
{
    if (typmod > TYPMOD_HEADER)
        str_printf(s, "(%d)", typmod - TYPMOD_HEADER);
}

static int32_t
varchar_typmod_in(FnCtx *c, const char *const *mods, int n)
{
    return length_typmod_in("varchar", mods, n);
}

static int32_t
bpchar_typmod_in(FnCtx *c, const char *const *mods, int n)
{
    return length_typmod_in("char", mods, n);
}

static Datum
varchar_in(FnCtx *c, const char *text, size_t len, Oid elem, int32_t typmod)
{
    return varchar_coerce(c->arena, (Span){text, len}, typmod, false);
}

static Datum
varchar_recv(FnCtx *c, const char *bytes, size_t len, Oid elem, int32_t typmod)
{
    text_require_utf8(bytes, len);
    return varchar_coerce(c->arena, (Span){bytes, len}, typmod, false);
}

static Datum
varchar_apply(FnCtx *c, Datum d, int32_t typmod, bool explicit_cast)
{
    if (typmod < TYPMOD_HEADER || var_len(d) <= (uint32_t)(typmod - TYPMOD_HEADER))
        return d;
    return varchar_coerce(c->arena, var_span(d), typmod, explicit_cast);
}

static Datum
bpchar_in(FnCtx *c, const char *text, size_t len, Oid elem, int32_t typmod)
{
    return bpchar_coerce(c->arena, (Span){text, len}, typmod, false);
}

static Datum
bpchar_recv(FnCtx *c, const char *bytes, size_t len, Oid elem, int32_t typmod)
{
    text_require_utf8(bytes, len);
    return bpchar_coerce(c->arena, (Span){bytes, len}, typmod, false);
}

static Datum
bpchar_apply(FnCtx *c, Datum d, int32_t typmod, bool explicit_cast)
{
    if (typmod < TYPMOD_HEADER)
        return d;
    if (var_len(d) == (uint32_t)(typmod - TYPMOD_HEADER) &&
        bytes_are_ascii(var_data(d), var_len(d)))
        return d;
    return bpchar_coerce(c->arena, var_span(d), typmod, explicit_cast);
}

static int
bpchar_cmp(Datum a, Datum b, Oid collation)
{
    return span_compare(collation, bpchar_span(a), bpchar_span(b));
}

static bool
bpchar_eq(Datum a, Datum b, Oid collation)
{
    return span_equal(bpchar_span(a), bpchar_span(b)) || bpchar_cmp(a, b, collation) == 0;
}

static uint64_t
bpchar_hash(Datum d, Oid collation)
{
    return span_hash(bpchar_span(d), collation);
}

static void
bpchar_key(Datum d, Oid collation, StrBuf *out)
{
    span_key_encode(bpchar_span(d), collation, out);
}

const TypeOps type_ops_varchar = {
    .oid = VARCHAR_OID,
    .len = -1,
    .in = varchar_in,
    .out = text_type_out,
    .recv = varchar_recv,
    .send = text_type_out,
    .cmp = text_type_cmp,
    .eq = text_type_eq,
    .hash = text_type_hash,
    .key_encode = text_type_key,
    .key_decode = text_type_key_decode,
    .key_skip = text_type_key_skip,
    .typmod_in = varchar_typmod_in,
    .typmod_out = length_typmod_out,
    .apply_typmod = varchar_apply,
};

/* Keys leave the padding out, so the value cannot be read back from them. */
const TypeOps type_ops_bpchar = {
    .oid = BPCHAR_OID,
    .len = -1,
    .in = bpchar_in,
    .out = text_type_out,
    .recv = bpchar_recv,
    .send = text_type_out,
    .cmp = bpchar_cmp,
    .eq = bpchar_eq,
    .hash = bpchar_hash,
    .key_encode = bpchar_key,
    .typmod_in = bpchar_typmod_in,
    .typmod_out = length_typmod_out,
    .apply_typmod = bpchar_apply,
};
