/*
 * bool: text forms as PostgreSQL takes them (any unique prefix of true, false, yes, no, on, off, and
 * 1, 0), casts and the aggregate support functions. Comparisons are int_cmp.c's: a lane is 0 or 1.
 */
#include "core/types/number.h"

#include "core/base/hash.h"

static bool
word_matches(const char *p, size_t len, const char *word, size_t least)
{
    if (len < least || len > strlen(word))
        return false;
    for (size_t i = 0; i < len; i++) {
        if (char_lower_ascii(p[i]) != word[i])
            return false;
    }
    return true;
}

/* False when the text is no boolean. */
static bool
parse_bool(const char *p, size_t len, bool *out)
{
    while (len > 0 && (*p == ' ' || (*p >= '\t' && *p <= '\r')))
        p++, len--;
    while (len > 0 && (p[len - 1] == ' ' || (p[len - 1] >= '\t' && p[len - 1] <= '\r')))
        len--;
    if (len == 1 && (*p == '1' || *p == '0')) {
        *out = *p == '1';
        return true;
    }
    /* "o" alone could be on or off. */
    if (word_matches(p, len, "true", 1) || word_matches(p, len, "yes", 1) || word_matches(p, len, "on", 2)) {
        *out = true;
        return true;
    }
    if (word_matches(p, len, "false", 1) || word_matches(p, len, "no", 1) || word_matches(p, len, "off", 2)) {
        *out = false;
        return true;
    }
    return false;
}

static Datum
bool_in(FnCtx *c, const char *text, size_t len, Oid elem, int32_t typmod)
{
    bool v;
    if (UNLIKELY(!parse_bool(text, len, &v)))
        RAISE(SQLSTATE_INVALID_TEXT_REPRESENTATION, "invalid input syntax for type boolean: \"%s\"", text);
    return bool_datum(v);
}

static void
bool_out(FnCtx *c, Datum d, StrBuf *s)
{
    str_add_char(s, datum_bool(d) ? 't' : 'f');
}

static Datum
bool_recv(FnCtx *c, const char *bytes, size_t len, Oid elem, int32_t typmod)
{
    check_recv_length(len, 1);
    return bool_datum(*bytes != 0);
}

static void
bool_send(FnCtx *c, Datum d, StrBuf *s)
{
    str_add_char(s, datum_bool(d) ? 1 : 0);
}

static int
bool_cmp(Datum a, Datum b, Oid collation)
{
    return (int)a - (int)b;
}

static bool
bool_eq(Datum a, Datum b, Oid collation)
{
    return a == b;
}

static uint64_t
bool_hash(Datum d, Oid collation)
{
    return hash_u64(d);
}

static void
bool_key_encode(Datum d, Oid collation, StrBuf *out)
{
    str_add_char(out, (char)d);
}

static Datum
bool_key_decode(Arena *a, const char **p, const char *end)
{
    return bool_datum(*(*p)++ != 0);
}

static const char *
bool_key_skip(const char *p, const char *end)
{
    return p + 1;
}

const TypeOps type_ops_bool = {
    .oid = BOOL_OID,
    .len = 1,
    .byval = true,
    .in = bool_in,
    .out = bool_out,
    .recv = bool_recv,
    .send = bool_send,
    .cmp = bool_cmp,
    .eq = bool_eq,
    .hash = bool_hash,
    .key_encode = bool_key_encode,
    .key_decode = bool_key_decode,
    .key_skip = bool_key_skip,
};

Datum
fn_bool_and(FnCtx *c, const Datum *args, bool *isnull)
{
    return args[0] & args[1];
}

Datum
fn_bool_or(FnCtx *c, const Datum *args, bool *isnull)
{
    return args[0] | args[1];
}

Datum
fn_bool_from_int4(FnCtx *c, const Datum *args, bool *isnull)
{
    return bool_datum(args[0] != 0);
}

/* bool to int4: the lane already is the number. */
Datum
fn_int4_from_bool(FnCtx *c, const Datum *args, bool *isnull)
{
    return args[0];
}
