/*
 * Type name: an identifier of at most 63 bytes in 64, padded with zeros. Always ordered by bytes
 * (its collation is C), so that catalogs mean the same in every database.
 */
#include "core/types/text_type.h"

#include "core/base/hash.h"

Datum
name_make(Arena *a, const char *p, size_t n)
{
    char *to = arena_alloc(a, NAME_BYTES);

    n = utf8_clip(p, n, NAME_BYTES - 1);
    memcpy(to, p, n);
    memset(to + n, 0, NAME_BYTES - n);
    return ptr_datum(to);
}

static Datum
name_in(FnCtx *c, const char *text, size_t len, Oid elem, int32_t typmod)
{
    return name_make(c->arena, text, len);
}

static void
name_out(FnCtx *c, Datum d, StrBuf *s)
{
    Span n = name_span(d);
    str_add_bytes(s, n.p, n.n);
}

static Datum
name_recv(FnCtx *c, const char *bytes, size_t len, Oid elem, int32_t typmod)
{
    text_require_utf8(bytes, len);
    if (len >= NAME_BYTES)
        RAISE_ERR(SQLSTATE_NAME_TOO_LONG, err_message("identifier too long"),
                  err_detail("Identifier must be less than %d characters.", NAME_BYTES));
    return name_make(c->arena, bytes, len);
}

/* A collation given explicitly (COLLATE) is honoured; none means C here, not the default. */
static inline Oid
name_collation(Oid collation)
{
    return collation ? collation : COLLATION_C;
}

static int
name_cmp(Datum a, Datum b, Oid collation)
{
    return span_compare(name_collation(collation), name_span(a), name_span(b));
}

static bool
name_eq(Datum a, Datum b, Oid collation)
{
    return strncmp(datum_ptr(a), datum_ptr(b), NAME_BYTES) == 0;
}

static uint64_t
name_hash(Datum d, Oid collation)
{
    Span s = name_span(d);
    return hash_bytes(s.p, s.n);
}

static void
name_key(Datum d, Oid collation, StrBuf *out)
{
    span_key_encode(name_span(d), name_collation(collation), out);
}

static Datum
name_key_decode(Arena *a, const char **p, const char *end)
{
    StrBuf s;
    str_init(&s, a);
    *p = key_get_bytes(*p, end, &s);
    return name_make(a, s.data, s.len);
}

const TypeOps type_ops_name = {
    .oid = NAME_OID,
    .len = NAME_BYTES,
    .in = name_in,
    .out = name_out,
    .recv = name_recv,
    .send = name_out,
    .cmp = name_cmp,
    .eq = name_eq,
    .hash = name_hash,
    .key_encode = name_key,
    .key_decode = name_key_decode,
    .key_skip = text_type_key_skip,
};
