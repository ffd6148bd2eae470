/*
 * Values to key bytes and back. A column is one byte that orders nulls among the rest, then the type's
 * order-preserving encoding, inverted for DESC. Included columns follow the heap address as a null byte
 * and the value's bytes.
 */
#include "core/access/btree/btree_internal.h"
#include "core/access/toast/toast.h"

#define KEY_NULL_FIRST 0x00
#define KEY_VALUE 0x01
#define KEY_NULL_LAST 0x02

static void
invert(char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (char)~p[i];
}

/* Keys are made of plain values. */
static inline Datum
plain(const TypeOps *ops, Datum d, Arena **scratch)
{
    const char *p;

    if (ops->len > 0)
        return d;
    p = datum_ptr(d);
    if (LIKELY(!var_is_external(p) && !var_is_compressed(p)))
        return d;
    if (!*scratch)
        *scratch = arena_create(txn_arena(), "index key");
    return toast_fetch(*scratch, d);
}

void
btree_encode(const BtreeIndex *ix, const Datum *values, const bool *nulls, int n, StrBuf *out, bool *any_null)
{
    Arena *scratch = NULL;

    *any_null = false;
    for (int i = 0; i < n; i++) {
        const BtreeKeyColumn *c = &ix->columns[i];
        size_t from;

        if (nulls && nulls[i]) {
            *any_null = true;
            str_add_char(out, c->nulls_first ? KEY_NULL_FIRST : KEY_NULL_LAST);
            continue;
        }
        str_add_char(out, KEY_VALUE);
        from = out->len;
        c->ops->key_encode(plain(c->ops, values[i], &scratch), c->collation, out);
        if (c->desc)
            invert(out->data + from, out->len - from);
    }
    if (UNLIKELY(scratch != NULL))
        arena_destroy(scratch);
}

static void
put_included(const BtreeIndex *ix, const Datum *values, const bool *nulls, StrBuf *out)
{
    Arena *scratch = NULL;

    for (int i = ix->nkeys; i < ix->ncolumns; i++) {
        const TypeOps *ops = ix->columns[i].ops;
        Datum d;

        str_add_char(out, nulls && nulls[i] ? 0 : 1);
        if (nulls && nulls[i])
            continue;
        d = plain(ops, values[i], &scratch);
        if (ops->byval)
            str_add_bytes(out, &d, (size_t)ops->len); /* little endian: the low bytes are the value */
        else
            str_add_bytes(out, datum_ptr(d), datum_bytes(d, ops->len));
    }
    if (scratch)
        arena_destroy(scratch);
}

void
bt_encode_entry(const BtreeIndex *ix, const Datum *values, const bool *nulls, ItemPtr tid, StrBuf *out, uint32_t *key_bytes, bool *any_null)
{
    char b[BT_TID_BYTES];

    btree_encode(ix, values, nulls, ix->nkeys, out, any_null);
    *key_bytes = (uint32_t)MIN(out->len, (size_t)UINT32_MAX);
    bt_put_tid(b, tid);
    str_add_bytes(out, b, sizeof b);
    if (UNLIKELY(ix->ncolumns > ix->nkeys)) {
        put_included(ix, values, nulls, out);
        store_u16(b, (uint16_t)*key_bytes);
        str_add_bytes(out, b, 2);
    }
}

void
bt_entry_too_big(const BtreeIndex *ix, size_t n, ItemPtr tid, const char *heap)
{
    RAISE_ERR(SQLSTATE_PROGRAM_LIMIT_EXCEEDED,
              err_message("index row size %zu exceeds btree version 4 maximum 2704 for index \"%s\"", n, ix->name),
              err_detail("Index row references tuple (%u,%u) in relation \"%s\".", tid.block, tid.off, heap),
              err_hint("Values larger than 1/3 of a buffer page cannot be indexed.\n"
                       "Consider a function index of an MD5 hash of the value, or use full text indexing."));
}

/* ---- back ---- */

static const char *
decode_key(const BtreeKeyColumn *c, Arena *a, const char *p, const char *end, Datum *value, bool *null)
{
    const char *from = p + 1;

    *null = *p != KEY_VALUE;
    if (*null) {
        *value = 0;
        return from;
    }
    if (!c->ops->key_decode)
        INTERNAL_ERROR("keys of type %u cannot be turned back into values", c->type);
    if (c->desc) {
        size_t n = (size_t)(end - from);
        char *copy = arena_memdup(a, from, n);
        const char *at = copy;

        invert(copy, n);
        *value = c->ops->key_decode(a, &at, copy + n);
        return from + (at - copy);
    }
    *value = c->ops->key_decode(a, &from, end);
    return from;
}

static Datum
load_lane(const TypeOps *ops, const char *p)
{
    switch (ops->len) {
    case 1:
        return (unsigned char)*p;
    case 2:
        return int16_datum((int16_t)load_u16(p));
    case 4: /* the canonical lane: signed types are extended with their sign */
        switch (ops->oid) {
        case INT4_OID:
        case DATE_OID:
            return int32_datum((int32_t)load_u32(p));
        default:
            return load_u32(p);
        }
    default:
        return load_u64(p);
    }
}

void
btree_decode(const BtreeIndex *ix, Arena *a, const char *entry, size_t n, Datum *values, bool *nulls)
{
    uint32_t key_bytes = bt_key_bytes(ix, entry, (uint32_t)n);
    const char *p = entry, *end = entry + key_bytes;

    for (int i = 0; i < ix->nkeys; i++)
        p = decode_key(&ix->columns[i], a, p, end, &values[i], &nulls[i]);
    p = end + BT_TID_BYTES;
    for (int i = ix->nkeys; i < ix->ncolumns; i++) {
        const TypeOps *ops = ix->columns[i].ops;

        nulls[i] = *p++ == 0;
        values[i] = 0;
        if (nulls[i])
            continue;
        if (ops->byval) {
            values[i] = load_lane(ops, p);
            p += ops->len;
        } else {
            size_t bytes = datum_bytes(ptr_datum(p), ops->len);

            values[i] = ptr_datum(arena_memdup(a, p, bytes));
            p += bytes;
        }
    }
}
