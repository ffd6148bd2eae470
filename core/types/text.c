/*
 * Type text, and the types that are text under another name: unknown, cstring, pg_node_tree,
 * refcursor. A text value is valid UTF-8 without zeros: whoever makes one from bytes checks
 * (text_require_utf8), so that everyone else may walk it unchecked.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* memmem */
#endif
#include "core/types/text.h"

#include "core/base/hash.h"
#include "core/types/collation.h"
#include "core/types/text_type.h"

/* ---- shared helpers ---- */

size_t
utf8_offset(const char *p, size_t n, size_t chars)
{
    size_t i = 0;

    /* Eight bytes that are all ASCII are eight characters. */
    while (chars >= 8 && i + 8 <= n && (load_u64(p + i) & UINT64_C(0x8080808080808080)) == 0) {
        i += 8;
        chars -= 8;
    }
    while (chars > 0 && i < n) {
        i += (size_t)utf8_len((unsigned char)p[i]);
        chars--;
    }
    return i < n ? i : n;
}

uint32_t
utf8_decode(const char *s)
{
    const unsigned char *p = (const unsigned char *)s;

    if (p[0] < 0x80)
        return p[0];
    if (p[0] < 0xE0)
        return (uint32_t)(p[0] & 0x1F) << 6 | (p[1] & 0x3F);
    if (p[0] < 0xF0)
        return (uint32_t)(p[0] & 0x0F) << 12 | (uint32_t)(p[1] & 0x3F) << 6 | (p[2] & 0x3F);
    return (uint32_t)(p[0] & 0x07) << 18 | (uint32_t)(p[1] & 0x3F) << 12 |
           (uint32_t)(p[2] & 0x3F) << 6 | (p[3] & 0x3F);
}

int
utf8_encode(uint32_t c, char *out)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xC0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xE0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3F));
        out[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3F));
    out[2] = (char)(0x80 | (c >> 6 & 0x3F));
    out[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

bool
bytes_are_ascii(const char *p, size_t n)
{
    size_t i = 0;

    for (; i + 8 <= n; i += 8)
        if (load_u64(p + i) & UINT64_C(0x8080808080808080))
            return false;
    for (; i < n; i++)
        if ((unsigned char)p[i] >= 0x80)
            return false;
    return true;
}

void
text_require_utf8(const char *p, size_t n)
{
    size_t good = utf8_valid_prefix(p, n);
    const char *zero = memchr(p, 0, good);

    if (zero)
        good = (size_t)(zero - p);
    if (LIKELY(good == n))
        return;
    /* The message shows as many bytes as the first one announces. */
    unsigned char lead = (unsigned char)p[good];
    size_t show = lead >= 0xF0 && lead < 0xF8 ? 4
                  : lead >= 0xE0 && lead < 0xF0 ? 3
                  : lead >= 0xC0 && lead < 0xE0 ? 2 : 1;
    char hex[32] = "";
    for (size_t i = 0; i < show && good + i < n; i++)
        snprintf(hex + strlen(hex), sizeof hex - strlen(hex), "%s0x%02x", i ? " " : "",
                 (unsigned char)p[good + i]);
    RAISE(SQLSTATE_CHARACTER_NOT_IN_REPERTOIRE, "invalid byte sequence for encoding \"UTF8\": %s",
          hex);
}

const char *
key_get_bytes(const char *p, const char *end, StrBuf *out)
{
    while (p < end) {
        const char *zero = memchr(p, 0, (size_t)(end - p));
        if (!zero || zero + 1 >= end) /* damaged key: take what is there */
            break;
        str_add_bytes(out, p, (size_t)(zero - p));
        if (zero[1] == 0x01)
            return zero + 2;
        str_add_char(out, 0);
        p = zero + 2;
    }
    return end;
}

const char *
key_skip_bytes(const char *p, const char *end)
{
    while (p < end) {
        const char *zero = memchr(p, 0, (size_t)(end - p));
        if (!zero || zero + 1 >= end)
            break;
        if (zero[1] == 0x01)
            return zero + 2;
        p = zero + 2;
    }
    return end;
}

size_t
span_find(Span hay, Span needle, size_t from)
{
    if (from > hay.n)
        return SIZE_MAX;
    if (needle.n == 0)
        return from;
    const char *hit = memmem(hay.p + from, hay.n - from, needle.p, needle.n);
    return hit ? (size_t)(hit - hay.p) : SIZE_MAX;
}

/* ---- the type ---- */

Datum
text_type_in(FnCtx *c, const char *text, size_t len, Oid elem, int32_t typmod)
{
    return var_make(c->arena, text, len);
}

void
text_type_out(FnCtx *c, Datum d, StrBuf *s)
{
    str_add_bytes(s, var_data(d), var_len(d));
}

Datum
text_type_recv(FnCtx *c, const char *bytes, size_t len, Oid elem, int32_t typmod)
{
    text_require_utf8(bytes, len);
    return var_make(c->arena, bytes, len);
}

int
text_type_cmp(Datum a, Datum b, Oid collation)
{
    return span_compare(collation, var_span(a), var_span(b));
}

bool
text_type_eq(Datum a, Datum b, Oid collation)
{
    if (LIKELY(collation_is_deterministic(collation)))
        return var_equal(a, b);
    return text_type_cmp(a, b, collation) == 0;
}

uint64_t
span_hash(Span s, Oid collation)
{
    if (LIKELY(collation_is_deterministic(collation)))
        return hash_bytes(s.p, s.n);
    StrBuf key;
    Arena *a = arena_create(arena_top(), "hash");
    str_init(&key, a);
    collation_key(collation, s.p, s.n, &key);
    uint64_t h = hash_bytes(key.data, key.len);
    arena_destroy(a);
    return h;
}

uint64_t
text_type_hash(Datum d, Oid collation)
{
    return span_hash(var_span(d), collation);
}

void
span_key_encode(Span s, Oid collation, StrBuf *out)
{
    if (LIKELY(collation_is_c(collation))) {
        key_put_bytes(out, s.p, s.n);
        return;
    }
    StrBuf key;
    Arena *a = arena_create(arena_top(), "collation key");
    str_init(&key, a);
    collation_key(collation, s.p, s.n, &key);
    key_put_bytes(out, key.data, key.len);
    arena_destroy(a);
}

void
text_type_key(Datum d, Oid collation, StrBuf *out)
{
    span_key_encode(var_span(d), collation, out);
}

/* Gives the value back for byte-ordered collations only: callers ask collation_is_c first. */
Datum
text_type_key_decode(Arena *a, const char **p, const char *end)
{
    StrBuf s;
    str_init(&s, a);
    *p = key_get_bytes(*p, end, &s);
    return str_datum(a, &s);
}

const char *
text_type_key_skip(const char *p, const char *end)
{
    return key_skip_bytes(p, end);
}

#define TEXT_LIKE(type_oid)                                                                          \
    {                                                                                                \
        .oid = (type_oid), .len = -1, .byval = false, .in = text_type_in, .out = text_type_out,      \
        .recv = text_type_recv, .send = text_type_out, .cmp = text_type_cmp, .eq = text_type_eq,     \
        .hash = text_type_hash, .key_encode = text_type_key, .key_decode = text_type_key_decode,     \
        .key_skip = text_type_key_skip,                                                              \
    }

const TypeOps type_ops_text = TEXT_LIKE(TEXT_OID);
const TypeOps type_ops_unknown = TEXT_LIKE(UNKNOWN_OID);
const TypeOps type_ops_cstring = TEXT_LIKE(CSTRING_OID);
const TypeOps type_ops_refcursor = TEXT_LIKE(REFCURSOR_OID);

static Datum
node_tree_in(FnCtx *c, const char *text, size_t len, Oid elem, int32_t typmod)
{
    UNSUPPORTED("cannot accept a value of type %s", "pg_node_tree");
}

static Datum
node_tree_recv(FnCtx *c, const char *text, size_t len, Oid elem, int32_t typmod)
{
    UNSUPPORTED("cannot accept a value of type %s", "pg_node_tree");
}

const TypeOps type_ops_pg_node_tree = {
    .oid = PG_NODE_TREE_OID,
    .len = -1,
    .in = node_tree_in,
    .out = text_type_out,
    .recv = node_tree_recv,
    .send = text_type_out,
};
