/*
 * Casts among text, varchar, bpchar, name, "char" and bytea, from anything to text, and the
 * conversions between encodings.
 */
#include "core/types/text_type.h"

#define INT(i) datum_int32(args[i])

/* "char" as text: its character; a byte that is none on its own, as \ooo; zero, nothing. */
static Span
char_text(Datum d, char *buf)
{
    unsigned char ch = (unsigned char)d;

    if (ch >= 0x80)
        return (Span){buf, (size_t)snprintf(buf, 5, "\\%03o", ch)};
    buf[0] = (char)ch;
    return (Span){buf, ch != 0};
}

Datum
text_from_any(FnCtx *c, Oid type, Datum d)
{
    char buf[8];
    StrBuf s;

    switch (type) {
    case TEXT_OID:
    case VARCHAR_OID:
    case UNKNOWN_OID:
        return d;
    case BPCHAR_OID:
        return span_datum(c->arena, bpchar_span(d));
    case BOOL_OID:
        return datum_bool(d) ? var_make(c->arena, "true", 4) : var_make(c->arena, "false", 5);
    case NAME_OID:
        return span_datum(c->arena, name_span(d));
    case CHAR_OID:
        return span_datum(c->arena, char_text(d, buf));
    default:
        break;
    }
    const TypeOps *ops = type_ops(type);
    if (!ops)
        INTERNAL_ERROR("cache lookup failed for type %u", type);
    str_init(&s, c->arena);
    ops->out(c, d, &s);
    return str_datum(c->arena, &s);
}

Datum
fn_booltext(FnCtx *c, const Datum *args, bool *isnull)
{
    return text_from_any(c, BOOL_OID, args[0]);
}

Datum
fn_name_text(FnCtx *c, const Datum *args, bool *isnull)
{
    return span_datum(c->arena, name_span(args[0]));
}

Datum
fn_text_name(FnCtx *c, const Datum *args, bool *isnull)
{
    Span s = var_span(args[0]);
    return name_make(c->arena, s.p, s.n);
}

Datum
fn_bpchar_name(FnCtx *c, const Datum *args, bool *isnull)
{
    Span s = var_span(args[0]);
    s.n = utf8_clip(s.p, s.n, NAME_BYTES - 1);
    while (s.n > 0 && s.p[s.n - 1] == ' ')
        s.n--;
    return name_make(c->arena, s.p, s.n);
}

/* bpchar("char") */
Datum
fn_char_bpchar(FnCtx *c, const Datum *args, bool *isnull)
{
    char buf[8];
    return span_datum(c->arena, char_text(args[0], buf));
}

/* Length coercion: value, typmod, explicit. */
Datum
fn_varchar(FnCtx *c, const Datum *args, bool *isnull)
{
    return varchar_coerce(c->arena, var_span(args[0]), INT(1), datum_bool(args[2]));
}

Datum
fn_bpchar(FnCtx *c, const Datum *args, bool *isnull)
{
    return bpchar_coerce(c->arena, var_span(args[0]), INT(1), datum_bool(args[2]));
}

/* ---- encodings ---- */

typedef enum Encoding { ENC_UNKNOWN, ENC_SQL_ASCII, ENC_UTF8, ENC_LATIN1 } Encoding;

/* Names compare by letters and digits only, without case. */
static Encoding
find_encoding(Span name)
{
    static const struct {
        const char *name;
        Encoding enc;
    } known[] = {{"sqlascii", ENC_SQL_ASCII}, {"utf8", ENC_UTF8}, {"unicode", ENC_UTF8},
                 {"latin1", ENC_LATIN1}, {"iso88591", ENC_LATIN1}};
    char folded[NAME_BYTES];
    size_t n = 0;

    for (size_t i = 0; i < name.n && n + 1 < sizeof folded; i++) {
        char ch = char_lower_ascii(name.p[i]);
        if ((ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9'))
            folded[n++] = ch;
    }
    folded[n] = 0;
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (strcmp(folded, known[i].name) == 0)
            return known[i].enc;
    return ENC_UNKNOWN;
}

static bool
is_other_encoding(Span name)
{
    static const char *const other[] = {
        "eucjp",   "euccn",   "euckr",    "euctw",       "eucjis2004", "muleinternal", "latin2",
        "latin3",  "latin4",  "latin5",   "latin6",      "latin7",     "latin8",       "latin9",
        "latin10", "win1256", "win1258",  "win866",      "win874",     "koi8r",        "koi8u",
        "win1251", "win1252", "iso88595", "iso88596",    "iso88597",   "iso88598",     "win1250",
        "win1253", "win1254", "win1255",  "win1257",     "sjis",       "big5",         "gbk",
        "uhc",     "gb18030", "johab",    "shiftjis2004"};
    char folded[NAME_BYTES];
    size_t n = 0;

    for (size_t i = 0; i < name.n && n + 1 < sizeof folded; i++) {
        char ch = char_lower_ascii(name.p[i]);
        if ((ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9'))
            folded[n++] = ch;
    }
    folded[n] = 0;
    for (size_t i = 0; i < COUNT_OF(other); i++)
        if (strcmp(folded, other[i]) == 0)
            return true;
    return false;
}

static Encoding
require_encoding(Span name, const char *role)
{
    Encoding e = find_encoding(name);

    if (e == ENC_UNKNOWN) {
        if (is_other_encoding(name))
            UNSUPPORTED("conversion to or from encoding \"%.*s\" is not supported", (int)name.n,
                        name.p);
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "invalid %s encoding name \"%.*s\"", role,
              (int)name.n, name.p);
    }
    return e;
}

static void
convert_bytes(Span s, Encoding from, Encoding to, StrBuf *out)
{
    if (from == ENC_UTF8)
        text_require_utf8(s.p, s.n);
    if (from == ENC_LATIN1 && to == ENC_UTF8) {
        if (memchr(s.p, 0, s.n))
            RAISE(SQLSTATE_CHARACTER_NOT_IN_REPERTOIRE,
                  "invalid byte sequence for encoding \"LATIN1\": 0x00");
        for (size_t i = 0; i < s.n; i++) {
            char bytes[4];
            str_add_bytes(out, bytes, (size_t)utf8_encode((unsigned char)s.p[i], bytes));
        }
    } else if (from == ENC_UTF8 && to == ENC_LATIN1) {
        for (size_t i = 0; i < s.n;) {
            uint32_t code = utf8_decode(s.p + i);
            int len = utf8_len((unsigned char)s.p[i]);
            if (code > 0xFF) {
                char hex[32] = "";
                for (int k = 0; k < len; k++)
                    snprintf(hex + strlen(hex), sizeof hex - strlen(hex), "%s0x%02x", k ? " " : "",
                             (unsigned char)s.p[i + (size_t)k]);
                RAISE(SQLSTATE_UNTRANSLATABLE_CHARACTER,
                      "character with byte sequence %s in encoding \"UTF8\" has no equivalent in "
                      "encoding \"LATIN1\"", hex);
            }
            str_add_char(out, (char)code);
            i += (size_t)len;
        }
    } else {
        /* The same, or SQL_ASCII on one side: bytes as they are. */
        if (to == ENC_UTF8)
            text_require_utf8(s.p, s.n);
        str_add_bytes(out, s.p, s.n);
    }
}

Datum
fn_pg_convert(FnCtx *c, const Datum *args, bool *isnull)
{
    Encoding from = require_encoding(name_span(args[1]), "source");
    Encoding to = require_encoding(name_span(args[2]), "destination");
    StrBuf out;

    str_init(&out, c->arena);
    convert_bytes(var_span(args[0]), from, to, &out);
    return str_datum(c->arena, &out);
}

Datum
fn_pg_convert_from(FnCtx *c, const Datum *args, bool *isnull)
{
    Encoding from = require_encoding(name_span(args[1]), "source");
    StrBuf out;

    str_init(&out, c->arena);
    convert_bytes(var_span(args[0]), from, ENC_UTF8, &out);
    return str_datum(c->arena, &out);
}

Datum
fn_pg_convert_to(FnCtx *c, const Datum *args, bool *isnull)
{
    Encoding to = require_encoding(name_span(args[1]), "destination");
    StrBuf out;

    str_init(&out, c->arena);
    convert_bytes(var_span(args[0]), ENC_UTF8, to, &out);
    return str_datum(c->arena, &out);
}

Datum
fn_length_in_encoding(FnCtx *c, const Datum *args, bool *isnull)
{
    Span s = var_span(args[0]), name = name_span(args[1]);
    Encoding e = find_encoding(name);

    if (e == ENC_UNKNOWN && !is_other_encoding(name))
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "invalid encoding name \"%.*s\"", (int)name.n,
              name.p);
    if (e == ENC_UNKNOWN)
        UNSUPPORTED("conversion to or from encoding \"%.*s\" is not supported", (int)name.n,
                    name.p);
    if (e != ENC_UTF8)
        return int32_datum((int32_t)s.n);
    text_require_utf8(s.p, s.n);
    return int32_datum((int32_t)utf8_count_chars(s.p, s.n));
}
