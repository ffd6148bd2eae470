/*
 * What the string families (text, varchar, bpchar, name, bytea, uuid, arrays, LIKE, regular
 * expressions) share: views of values, building of results, checks of bytes that become text.
 */
#ifndef CORE_TYPES_TEXT_H
#define CORE_TYPES_TEXT_H

#include "core/types/type.h"

/* Bytes somewhere else. */
typedef struct Span {
    const char *p;
    size_t n;
} Span;

static inline Span
var_span(Datum d)
{
    return (Span){var_data(d), var_len(d)};
}

static inline Span
name_span(Datum d)
{
    const char *p = datum_ptr(d);
    return (Span){p, strnlen(p, NAME_BYTES)};
}

/* bpchar compares and converts without its trailing blanks. */
static inline Span
bpchar_span(Datum d)
{
    Span s = var_span(d);
    while (s.n > 0 && s.p[s.n - 1] == ' ')
        s.n--;
    return s;
}

static inline bool
span_equal(Span a, Span b)
{
    return a.n == b.n && memcmp(a.p, b.p, a.n) == 0;
}

static inline int
span_memcmp(Span a, Span b)
{
    int r = memcmp(a.p, b.p, MIN(a.n, b.n));
    return r != 0 ? r : (a.n > b.n) - (a.n < b.n);
}

static inline int
span_compare(Oid collation, Span a, Span b)
{
    if (LIKELY(collation_is_c(collation)))
        return span_memcmp(a, b);
    return collation_compare(collation, a.p, a.n, b.p, b.n);
}

static inline Datum
span_datum(Arena *a, Span s)
{
    return var_make(a, s.p, s.n);
}

static inline Datum
str_datum(Arena *a, const StrBuf *s)
{
    return var_make(a, s->data, s->len);
}

/* Bytes of the UTF-8 character that starts with `lead`; text values are always valid. */
static inline int
utf8_len(unsigned char lead)
{
    return lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

static inline bool
utf8_is_start(char c)
{
    return ((unsigned char)c & 0xC0) != 0x80;
}

/* Byte offset of character number `chars` (0-based), or n when the text is shorter. */
size_t utf8_offset(const char *p, size_t n, size_t chars);
uint32_t utf8_decode(const char *p);        /* of a valid sequence */
int utf8_encode(uint32_t code, char *out);  /* 1..4 bytes */
bool bytes_are_ascii(const char *p, size_t n);

/* Raises 22021 unless the bytes are valid UTF-8 without a zero. */
void text_require_utf8(const char *p, size_t n);

/* What a cast to text gives: as the output function, but 'true' for booleans, and bpchar trimmed.
 */
Datum text_from_any(FnCtx *c, Oid type, Datum d);

Datum name_make(Arena *a, const char *p, size_t n); /* clipped to 63 bytes at a character */

/* Shared by text, name, bpchar, bytea functions. */
size_t span_find(Span hay, Span needle, size_t from); /* byte offset or SIZE_MAX */
void sql_quote_literal(StrBuf *out, Span s);
void quote_ident_append(StrBuf *out, Span s);
/* True for the reserved and other words that an identifier must be quoted for. */
bool sql_keyword_needs_quotes(const char *lower);

/* Binary-to-text codings of encode() and decode(), and of bytea's text form. */
void bytea_hex(StrBuf *out, const char *p, size_t n);
size_t bytea_unhex(const char *p, size_t n, char *to); /* raises 22023; returns bytes written */
extern int bytea_output; /* setting: 0 hex, 1 escape */

/* Decodes one key_put_bytes() sequence; appends to out. Returns the end. */
const char *key_get_bytes(const char *p, const char *end, StrBuf *out);
const char *key_skip_bytes(const char *p, const char *end);

#endif
