/*
 * Forming and reading tuples (format: heap.h).
 *
 * A tail that ends early is the common form of trailing nulls: they are not written unless a column
 * among them has a `missing` value, which an absent value would read as.
 */
#include "core/access/heap/heap_internal.h"

void
tuple_too_big(size_t size)
{
    RAISE(SQLSTATE_PROGRAM_LIMIT_EXCEEDED, "row is too big: size %zu, maximum size %zu", size,
          (size_t)MAX_TUPLE_BYTES);
}

/* ---- the tail ---- */

/* Stored bytes of a variable value: long headers of short payloads are shortened. */
static inline size_t
var_stored_bytes(const char *p)
{
    size_t n;

    if (var_is_external(p))
        return TOAST_POINTER_BYTES;
    n = var_size(p);
    if (!var_is_short(p) && !var_is_compressed(p) && n - 4 <= VAR_SHORT_MAX)
        n -= 3;
    return n;
}

static inline char *
var_store(char *to, const char *p)
{
    size_t n;

    if (var_is_external(p)) {
        memcpy(to, p, TOAST_POINTER_BYTES);
        return to + TOAST_POINTER_BYTES;
    }
    n = var_size(p);
    if (!var_is_short(p) && !var_is_compressed(p) && n - 4 <= VAR_SHORT_MAX) {
        to = var_header(to, n - 4);
        memcpy(to, p + 4, n - 4);
        return to + n - 4;
    }
    memcpy(to, p, n);
    return to + n;
}

const char *
tail_skip(const char *p)
{
    unsigned char b = (unsigned char)*p;

    if (b == VAR_NULL_MARK)
        return p + 1;
    if (b == VAR_EXTERNAL)
        return p + TOAST_POINTER_BYTES;
    return p + var_size(p);
}

/* How many tail columns have to be written: trailing nulls without a missing value are left out. */
static inline int
tail_count(const TupleLayout *l, const bool *nulls)
{
    int n = l->ntail;

    while (n > 0) {
        int att = l->tail_atts[n - 1];

        if (!(nulls && nulls[att]) || l->atts[att].has_missing)
            break;
        n--;
    }
    return n;
}

size_t
tuple_size_of(const TupleLayout *l, const Datum *values, const bool *nulls, bool *needs_toast)
{
    size_t size = (size_t)l->fixed_end;
    int n = tail_count(l, nulls);
    bool external = false;

    for (int k = 0; k < n; k++) {
        int att = l->tail_atts[k];
        const AttrPhys *p = &l->atts[att];

        if ((nulls && nulls[att]) || p->type == OID_INVALID) {
            size++;
        } else if (p->len > 0) {
            size += 1 + (size_t)p->len;
        } else {
            const char *v = datum_ptr(values[att]);

            external |= var_is_external(v);
            size += var_stored_bytes(v);
        }
    }
    if (needs_toast)
        *needs_toast = external || size > TOAST_THRESHOLD_BYTES;
    return size;
}

static inline void
lane_store(char *to, PhysKind kind, int len, Datum d)
{
    switch (kind) {
    case PHYS_U8:
        *to = (char)d;
        break;
    case PHYS_I16:
        store_u16(to, (uint16_t)d);
        break;
    case PHYS_I32:
    case PHYS_U32:
        store_u32(to, (uint32_t)d);
        break;
    case PHYS_64:
        store_u64(to, d);
        break;
    default:
        memcpy(to, datum_ptr(d), (size_t)len);
    }
}

static inline Datum
lane_load(const char *p, PhysKind kind)
{
    switch (kind) {
    case PHYS_U8:
        return (unsigned char)*p;
    case PHYS_I16:
        return int16_datum((int16_t)load_u16(p));
    case PHYS_I32:
        return int32_datum((int32_t)load_u32(p));
    case PHYS_U32:
        return load_u32(p);
    case PHYS_64:
        return load_u64(p);
    default:
        return ptr_datum(p);
    }
}

uint16_t
tuple_fill(const TupleLayout *l, char *t, const Datum *values, const bool *nulls)
{
    uint16_t flags = 0;
    char *bits = t + HEAP_HEADER_BYTES, *to;
    int n;

    memset(bits, 0, (size_t)l->null_bytes);
    for (int k = 0; k < l->nfixed; k++) {
        int att = l->fixed_atts[k];
        const AttrPhys *p = &l->atts[att];

        if (UNLIKELY((nulls && nulls[att]) || p->type == OID_INVALID)) {
            bits[k >> 3] = (char)((unsigned char)bits[k >> 3] | 1u << (k & 7));
            memset(t + p->fixed_offset, 0, (size_t)p->len);
        } else {
            lane_store(t + p->fixed_offset, (PhysKind)p->kind, p->len, values[att]);
        }
    }
    to = t + l->fixed_end;
    n = tail_count(l, nulls);
    for (int k = 0; k < n; k++) {
        int att = l->tail_atts[k];
        const AttrPhys *p = &l->atts[att];

        if ((nulls && nulls[att]) || p->type == OID_INVALID) {
            *to++ = (char)VAR_NULL_MARK;
        } else if (p->len > 0) {
            to = var_header(to, (size_t)p->len);
            lane_store(to, (PhysKind)p->kind, p->len, values[att]);
            to += p->len;
        } else {
            const char *v = datum_ptr(values[att]);

            if (UNLIKELY(var_is_external(v)))
                flags |= HEAP_HAS_EXTERNAL;
            else if (UNLIKELY(var_is_compressed(v)))
                flags |= HEAP_HAS_COMPRESSED;
            to = var_store(to, v);
        }
    }
    return flags;
}

Tuple *
tuple_form(Arena *a, const TupleLayout *l, const Datum *values, const bool *nulls)
{
    Tuple *t = ARENA_NEW(a, Tuple);
    size_t size = tuple_size_of(l, values, nulls, NULL);

    if (size > MAX_TUPLE_BYTES)
        tuple_too_big(size);
    t->bytes = arena_alloc(a, size);
    t->size = (uint32_t)size;
    t->tid = (ItemPtr){BLOCK_INVALID, OFFSET_INVALID};
    memset(t->bytes, 0, HEAP_HEADER_BYTES);
    tuple_set_ctid(t->bytes, BLOCK_INVALID, OFFSET_INVALID);
    tuple_set_flags(t->bytes, tuple_fill(l, t->bytes, values, nulls));
    return t;
}

/* ---- reading ---- */

static inline Datum
missing_value(const AttrPhys *p, bool *isnull)
{
    *isnull = !p->has_missing;
    return p->has_missing ? p->missing : 0;
}

static inline Datum
tail_value(const AttrPhys *p, const char *at, Arena *arena, bool *isnull)
{
    if ((unsigned char)*at == VAR_NULL_MARK || UNLIKELY(p->type == OID_INVALID)) {
        *isnull = true;
        return 0;
    }
    *isnull = false;
    if (p->len > 0)
        return lane_load(at + 1, (PhysKind)p->kind);
    if (arena && (var_is_external(at) || var_is_compressed(at)))
        return toast_fetch(arena, ptr_datum(at));
    return ptr_datum(at);
}

Datum
tuple_get(const TupleLayout *l, const char *tup, uint32_t size, int attnum, bool *isnull)
{
    const AttrPhys *p = &l->atts[attnum - 1];
    const char *at = tup + l->fixed_end, *end = tup + size;

    if (p->fixed_offset >= 0) {
        *isnull =
            ((unsigned char)tup[HEAP_HEADER_BYTES + (p->null_bit >> 3)] >> (p->null_bit & 7) & 1) ||
            p->type == OID_INVALID;
        return *isnull ? 0 : lane_load(tup + p->fixed_offset, (PhysKind)p->kind);
    }
    for (int k = 0; k < p->tail_index; k++) {
        if (at >= end)
            return missing_value(p, isnull);
        at = tail_skip(at);
    }
    if (at >= end)
        return missing_value(p, isnull);
    return tail_value(p, at, NULL, isnull);
}

void
tuple_deform(const TupleLayout *l, const char *tup, uint32_t size, Datum *values, bool *nulls,
             int natts)
{
    const char *at = tup + l->fixed_end, *end = tup + size;

    for (int k = 0; k < l->nfixed; k++) {
        int att = l->fixed_atts[k];
        const AttrPhys *p = &l->atts[att];

        if (att >= natts)
            continue;
        nulls[att] = ((unsigned char)tup[HEAP_HEADER_BYTES + (k >> 3)] >> (k & 7) & 1) ||
                     p->type == OID_INVALID;
        values[att] = nulls[att] ? 0 : lane_load(tup + p->fixed_offset, (PhysKind)p->kind);
    }
    for (int k = 0; k < l->ntail; k++) {
        int att = l->tail_atts[k];
        const AttrPhys *p = &l->atts[att];
        bool here = at < end;
        Datum d = 0;
        bool null = true;

        if (here) {
            d = tail_value(p, at, NULL, &null);
            at = tail_skip(at);
        } else {
            d = missing_value(p, &null);
        }
        if (att < natts) {
            values[att] = d;
            nulls[att] = null;
        }
    }
}
