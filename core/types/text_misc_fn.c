/*
 * Text functions that stand alone: Unicode escapes and normal forms, parsing of identifiers,
 * names of encodings.
 */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>

#include "core/types/array.h"

#define INT(i) datum_int32(args[i])

/* ---- unistr ---- */

static int
hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* `digits` hexadecimal digits at p, or -1. */
static int64_t
take_hex(const char *p, const char *end, int digits)
{
    int64_t v = 0;

    if (end - p < digits)
        return -1;
    for (int i = 0; i < digits; i++) {
        int h = hex_value(p[i]);
        if (h < 0)
            return -1;
        v = v * 16 + h;
    }
    return v;
}

/* \XXXX, \+XXXXXX, \uXXXX, \UXXXXXXXX; surrogate pairs are joined. */
Datum
fn_unistr(FnCtx *c, const Datum *args, bool *isnull)
{
    Span s = var_span(args[0]);
    const char *p = s.p, *end = s.p + s.n;
    int64_t high = 0; /* first half of a pair */
    StrBuf out;
    char bytes[4];

    str_init(&out, c->arena);
    while (p < end) {
        if (*p != '\\') {
            if (high)
                RAISE(SQLSTATE_SYNTAX_ERROR, "invalid Unicode surrogate pair");
            str_add_char(&out, *p++);
            continue;
        }
        if (end - p >= 2 && p[1] == '\\') {
            if (high)
                RAISE(SQLSTATE_SYNTAX_ERROR, "invalid Unicode surrogate pair");
            str_add_char(&out, '\\');
            p += 2;
            continue;
        }
        int64_t code = take_hex(p + 1, end, 4);
        int used = 5;
        if (code < 0 && end - p >= 2) {
            int digits = p[1] == 'u' ? 4 : p[1] == '+' ? 6 : p[1] == 'U' ? 8 : 0;
            code = digits ? take_hex(p + 2, end, digits) : -1;
            used = 2 + digits;
        }
        if (code < 0)
            RAISE_ERR(
                SQLSTATE_SYNTAX_ERROR, err_message("invalid Unicode escape"),
                err_hint("Unicode escapes must be \\XXXX, \\+XXXXXX, \\uXXXX, or \\UXXXXXXXX."));
        if (code == 0 || code > 0x10FFFF)
            RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "invalid Unicode code point: %04llX",
                  (unsigned long long)code);
        bool low = code >= 0xDC00 && code <= 0xDFFF;
        if ((high != 0) != low)
            RAISE(SQLSTATE_SYNTAX_ERROR, "invalid Unicode surrogate pair");
        p += used;
        if (low) {
            code = 0x10000 + ((high & 0x3FF) << 10) + (code & 0x3FF);
            high = 0;
        } else if (code >= 0xD800 && code <= 0xDBFF) {
            high = code;
            continue;
        }
        str_add_bytes(&out, bytes, (size_t)utf8_encode((uint32_t)code, bytes));
    }
    if (high)
        RAISE(SQLSTATE_SYNTAX_ERROR, "invalid Unicode surrogate pair");
    return str_datum(c->arena, &out);
}

/* ---- normalize ---- */

static const UNormalizer2 *
normal_form(Span name)
{
    static const struct {
        const char *name;
        const char *data;
        UNormalization2Mode mode;
    } forms[] = {{"NFC", "nfc", UNORM2_COMPOSE}, {"NFD", "nfc", UNORM2_DECOMPOSE},
                 {"NFKC", "nfkc", UNORM2_COMPOSE}, {"NFKD", "nfkc", UNORM2_DECOMPOSE}};

    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        if (strlen(forms[i].name) != name.n || strncasecmp(forms[i].name, name.p, name.n) != 0)
            continue;
        UErrorCode status = U_ZERO_ERROR;
        const UNormalizer2 *n = unorm2_getInstance(NULL, forms[i].data, forms[i].mode, &status);
        if (U_FAILURE(status))
            INTERNAL_ERROR("could not open normalization: %s", u_errorName(status));
        return n;
    }
    RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "invalid normalization form: %.*s", (int)name.n,
          name.p);
}

static UChar *
to_utf16(Arena *a, Span s, int32_t *len)
{
    UErrorCode status = U_ZERO_ERROR;
    UChar *u = arena_alloc(a, (s.n + 1) * sizeof(UChar));

    u_strFromUTF8(u, (int32_t)s.n + 1, len, s.p, (int32_t)s.n, &status);
    if (U_FAILURE(status))
        INTERNAL_ERROR("could not convert to UTF-16: %s", u_errorName(status));
    return u;
}

Datum
fn_unicode_normalize_func(FnCtx *c, const Datum *args, bool *isnull)
{
    const UNormalizer2 *form = normal_form(var_span(args[1]));
    Span s = var_span(args[0]);
    int32_t len, got, bytes;

    if (bytes_are_ascii(s.p, s.n))
        return args[0];
    UChar *u = to_utf16(c->arena, s, &len), *to = NULL;
    for (int32_t cap = len * 2 + 16;; cap = got + 1) {
        UErrorCode status = U_ZERO_ERROR;
        to = arena_alloc(c->arena, (size_t)cap * sizeof(UChar));
        got = unorm2_normalize(form, u, len, to, cap, &status);
        if (status == U_BUFFER_OVERFLOW_ERROR)
            continue;
        if (U_FAILURE(status))
            INTERNAL_ERROR("normalization failed: %s", u_errorName(status));
        break;
    }
    UErrorCode status = U_ZERO_ERROR;
    char *utf8 = arena_alloc(c->arena, (size_t)got * 3 + 1);
    u_strToUTF8(utf8, got * 3 + 1, &bytes, to, got, &status);
    if (U_FAILURE(status))
        INTERNAL_ERROR("could not convert from UTF-16: %s", u_errorName(status));
    return var_make(c->arena, utf8, (size_t)bytes);
}

Datum
fn_unicode_is_normalized(FnCtx *c, const Datum *args, bool *isnull)
{
    const UNormalizer2 *form = normal_form(var_span(args[1]));
    Span s = var_span(args[0]);
    UErrorCode status = U_ZERO_ERROR;
    int32_t len;

    if (bytes_are_ascii(s.p, s.n))
        return bool_datum(true);
    UChar *u = to_utf16(c->arena, s, &len);
    bool is = unorm2_isNormalized(form, u, len, &status);
    if (U_FAILURE(status))
        INTERNAL_ERROR("normalization failed: %s", u_errorName(status));
    return bool_datum(is);
}

/* ---- parse_ident ---- */

static bool
is_ident_start(unsigned char c)
{
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 0x80;
}

static bool
is_ident_part(unsigned char c)
{
    return is_ident_start(c) || (c >= '0' && c <= '9') || c == '$';
}

NORETURN static void
raise_ident(Span whole, const char *detail)
{
    if (detail)
        RAISE_ERR(SQLSTATE_INVALID_PARAMETER_VALUE,
                  err_message("string is not a valid identifier: \"%.*s\"", (int)whole.n, whole.p),
                  err_detail("%s", detail));
    RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "string is not a valid identifier: \"%.*s\"",
          (int)whole.n, whole.p);
}

/* (text, strict): a dotted name taken apart, quotes removed and the rest in lower case. */
Datum
fn_parse_ident(FnCtx *c, const Datum *args, bool *isnull)
{
    Span s = var_span(args[0]);
    bool strict = datum_bool(args[1]), after_dot = false;
    const char *p = s.p, *end = s.p + s.n;
    ArrayBuilder b;

    array_builder_init(&b, c->arena);
    while (p < end && array_is_space(*p))
        p++;
    for (;;) {
        if (p < end && *p == '"') {
            StrBuf word;
            str_init(&word, c->arena);
            for (p++;; p++) {
                if (p >= end)
                    raise_ident(s, "String has unclosed double quotes.");
                if (*p == '"') {
                    if (p + 1 >= end || p[1] != '"')
                        break;
                    p++;
                }
                str_add_char(&word, *p);
            }
            p++;
            if (word.len == 0)
                raise_ident(s, "Quoted identifier must not be empty.");
            array_builder_add(&b, str_datum(c->arena, &word), false);
        } else if (p < end && is_ident_start((unsigned char)*p)) {
            const char *from = p;
            while (p < end && is_ident_part((unsigned char)*p))
                p++;
            char *word = arena_memdup(c->arena, from, (size_t)(p - from));
            for (char *w = word; w < word + (p - from); w++)
                *w = char_lower_ascii(*w);
            array_builder_add(&b, var_make(c->arena, word, (size_t)(p - from)), false);
        } else if (p < end && *p == '.') {
            raise_ident(s, "No valid identifier before \".\".");
        } else if (after_dot) {
            raise_ident(s, "No valid identifier after \".\".");
        } else {
            raise_ident(s, NULL);
        }
        while (p < end && array_is_space(*p))
            p++;
        if (p < end && *p == '.') {
            after_dot = true;
            p++;
            while (p < end && array_is_space(*p))
                p++;
        } else if (p >= end) {
            break;
        } else {
            if (strict)
                raise_ident(s, NULL);
            break;
        }
    }
    return array_construct_1d(c->arena, TEXT_OID, b.v, b.nulls, b.n);
}

/* ---- names of encodings, by PostgreSQL's numbers ---- */

static const char *const encodings[] = {
    "SQL_ASCII", "EUC_JP",        "EUC_CN",     "EUC_KR",     "EUC_TW",     "EUC_JIS_2004",
    "UTF8",      "MULE_INTERNAL", "LATIN1",     "LATIN2",     "LATIN3",     "LATIN4",
    "LATIN5",    "LATIN6",        "LATIN7",     "LATIN8",     "LATIN9",     "LATIN10",
    "WIN1256",   "WIN1258",       "WIN866",     "WIN874",     "KOI8R",      "WIN1251",
    "WIN1252",   "ISO_8859_5",    "ISO_8859_6", "ISO_8859_7", "ISO_8859_8", "WIN1250",
    "WIN1253",   "WIN1254",       "WIN1255",    "WIN1257",    "KOI8U",      "SJIS",
    "BIG5",      "GBK",           "UHC",        "GB18030",    "JOHAB",      "SHIFT_JIS_2004"};
#define ENCODING_UTF8 6

Datum
fn_PG_encoding_to_char(FnCtx *c, const Datum *args, bool *isnull)
{
    int32_t n = INT(0);
    const char *name = n >= 0 && (size_t)n < COUNT_OF(encodings) ? encodings[n] : "";
    return name_make(c->arena, name, strlen(name));
}

/* Letters and digits count, case does not. */
static bool
same_encoding(Span given, const char *known)
{
    size_t i = 0;

    for (;; i++, known++) {
        while (i < given.n && !is_ident_part((unsigned char)given.p[i]))
            i++;
        while (i < given.n && (given.p[i] == '_' || given.p[i] == '$'))
            i++;
        while (*known == '_')
            known++;
        while (i < given.n && !is_ident_part((unsigned char)given.p[i]))
            i++;
        if (i >= given.n || !*known)
            return i >= given.n && !*known;
        if (char_lower_ascii(given.p[i]) != char_lower_ascii(*known))
            return false;
    }
}

Datum
fn_PG_char_to_encoding(FnCtx *c, const Datum *args, bool *isnull)
{
    static const struct {
        const char *name;
        int number;
    } aliases[] = {
        {"unicode", 6},      {"iso88591", 8},     {"iso88592", 9},     {"iso88593", 10},
        {"iso88594", 11},    {"iso88599", 12},    {"iso885910", 13},   {"iso885913", 14},
        {"iso885914", 15},   {"iso885915", 16},   {"iso885916", 17},   {"koi8", 22},
        {"alt", 20},         {"win", 23},         {"windows1250", 29}, {"windows1251", 23},
        {"windows1252", 24}, {"windows1253", 30}, {"windows1254", 31}, {"windows1255", 32},
        {"windows1256", 18}, {"windows1257", 33}, {"windows1258", 19}, {"windows866", 20},
        {"windows874", 21},  {"shiftjis", 35},    {"mskanji", 35},     {"windows932", 35},
        {"windows949", 38},  {"windows950", 36},  {"windows936", 37},  {"abc", 19},
        {"tcvn", 19},        {"tcvn5712", 19},    {"vscii", 19}};
    Span name = name_span(args[0]);

    for (size_t i = 0; i < COUNT_OF(encodings); i++)
        if (same_encoding(name, encodings[i]))
            return int32_datum((int32_t)i);
    for (size_t i = 0; i < COUNT_OF(aliases); i++)
        if (same_encoding(name, aliases[i].name))
            return int32_datum(aliases[i].number);
    return int32_datum(-1);
}

/* Every database is UTF-8. */
Datum
fn_getdatabaseencoding(FnCtx *c, const Datum *args, bool *isnull)
{
    return name_make(c->arena, encodings[ENCODING_UTF8], strlen(encodings[ENCODING_UTF8]));
}

Datum
fn_pg_encoding_max_length_sql(FnCtx *c, const Datum *args, bool *isnull)
{
    static const unsigned char widths[] = {1, 3, 2, 3, 4, 3, 4, 4, 1, 1, 1, 1, 1, 1,
                                           1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                                           1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 4, 3, 2};
    int32_t n = INT(0);

    if (n < 0 || (size_t)n >= COUNT_OF(widths)) {
        *isnull = true;
        return 0;
    }
    return int32_datum(widths[n]);
}

/* ---- the rest ---- */

/* name_oid, the name cut so that it fits: how constraint and index names are kept apart. */
Datum
fn_nameconcatoid(FnCtx *c, const Datum *args, bool *isnull)
{
    Span name = name_span(args[0]);
    char suffix[16], whole[2 * NAME_BYTES];
    size_t n = (size_t)snprintf(suffix, sizeof suffix, "_%u", datum_oid(args[1]));

    name.n = utf8_clip(name.p, name.n, NAME_BYTES - 1 - n);
    memcpy(whole, name.p, name.n);
    memcpy(whole + name.n, suffix, n);
    return name_make(c->arena, whole, name.n + n);
}

/* num_nulls and num_nonnulls: over the arguments, or the elements of a VARIADIC array. */
static Datum
count_nulls(FnCtx *c, const Datum *args, bool nulls, bool *isnull)
{
    int count = 0, n = c->nargs;

    if (c->variadic_array && n == 1 && array_is_type(c->arg_types[0])) {
        ArrayView v;
        ArrayIter it;
        Datum d;
        bool null;
        if (c->argnull[0]) {
            *isnull = true;
            return 0;
        }
        array_view(args[0], &v);
        array_iter_init(&it, &v);
        while (array_next(&it, &d, &null))
            count += null == nulls;
        return int32_datum(count);
    }
    for (int i = 0; i < n; i++)
        count += c->argnull[i] == nulls;
    return int32_datum(count);
}

Datum
fn_pg_num_nulls(FnCtx *c, const Datum *args, bool *isnull)
{
    return count_nulls(c, args, true, isnull);
}

Datum
fn_pg_num_nonnulls(FnCtx *c, const Datum *args, bool *isnull)
{
    return count_nulls(c, args, false, isnull);
}

/* Sizes as people read them: each unit until the number is ten of the next. */
Datum
fn_pg_size_pretty(FnCtx *c, const Datum *args, bool *isnull)
{
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB", "PB"};
    int64_t size = datum_int64(args[0]);
    size_t unit = 0;
    char text[48];

    /* One bit is kept below the unit for rounding half away from zero at the end. */
    if (size > -10 * 1024 && size < 10 * 1024) {
        snprintf(text, sizeof text, "%lld bytes", (long long)size);
        return var_from_cstring(c->arena, text);
    }
    size /= 1 << 9; /* halves of kB */
    unit = 1;
    while (unit + 1 < COUNT_OF(units) && llabs(size) >= 20 * 1024 - 1) {
        size /= 1 << 10;
        unit++;
    }
    int64_t rounded = size < 0 ? -((-size + 1) / 2) : (size + 1) / 2;
    snprintf(text, sizeof text, "%lld %s", (long long)rounded, units[unit]);
    return var_from_cstring(c->arena, text);
}
