/*
 * From tuples to columns: the scan's hot path.
 *
 * A fixed column is a load at a constant offset from each tuple pointer; the loops are specialised by
 * width, by whether a null bit has to be tested, and by whether there is a selection. The next tuples'
 * bytes are prefetched: the pointers are known, the lines are not in the cache.
 *
 * A tail column is reached by stepping over those before it. How far a row has been walked is kept with
 * the batch, so that gathering tail columns in order steps over each value once.
 */
#include "core/access/heap/heap_internal.h"

#define PREFETCH_AHEAD 8

/* One loop for all variants: the compiler specialises it for each constant KIND, NULLS and SEL. */
#define GATHER_LOOP(LOAD, NULLS, SEL)                                                              \
    do {                                                                                            \
        for (int k = 0; k < n; k++) {                                                               \
            int row = (SEL) ? sel[k] : k;                                                           \
            const char *t = b->tup[row];                                                            \
            int ahead = k + PREFETCH_AHEAD < n ? k + PREFETCH_AHEAD : n - 1;                        \
            __builtin_prefetch(b->tup[(SEL) ? sel[ahead] : ahead] + offset);                        \
            if ((NULLS) && UNLIKELY((unsigned char)t[null_byte] & null_mask)) {                     \
                vec_set_null(out, row);                                                             \
                out->v[row] = 0;                                                                    \
                continue;                                                                           \
            }                                                                                       \
            t += offset;                                                                            \
            out->v[row] = (LOAD);                                                                   \
        }                                                                                           \
    } while (0)

#define GATHER_VARIANTS(LOAD)                                                                       \
    do {                                                                                            \
        if (nulls) {                                                                                \
            if (sel)                                                                                \
                GATHER_LOOP(LOAD, true, true);                                                      \
            else                                                                                    \
                GATHER_LOOP(LOAD, true, false);                                                     \
        } else if (sel) {                                                                           \
            GATHER_LOOP(LOAD, false, true);                                                         \
        } else {                                                                                    \
            GATHER_LOOP(LOAD, false, false);                                                        \
        }                                                                                           \
    } while (0)

static void
gather_fixed(const AttrPhys *p, const TupleBatch *b, int n, const uint16_t *sel, Vec *out)
{
    const int offset = p->fixed_offset, null_byte = HEAP_HEADER_BYTES + (p->null_bit >> 3);
    const unsigned null_mask = 1u << (p->null_bit & 7);
    const bool nulls = !p->not_null;

    switch ((PhysKind)p->kind) {
    case PHYS_U8:
        GATHER_VARIANTS((Datum)(unsigned char)*t);
        break;
    case PHYS_I16:
        GATHER_VARIANTS((Datum)(int64_t)(int16_t)load_u16(t));
        break;
    case PHYS_I32:
        GATHER_VARIANTS((Datum)(int64_t)(int32_t)load_u32(t));
        break;
    case PHYS_U32:
        GATHER_VARIANTS((Datum)load_u32(t));
        break;
    case PHYS_64:
        GATHER_VARIANTS((Datum)load_u64(t));
        break;
    default:
        GATHER_VARIANTS(ptr_datum(t));
        break;
    }
}

/* ---- the tail ---- */

static inline Datum
tail_fixed(const AttrPhys *p, const char *at)
{
    switch ((PhysKind)p->kind) {
    case PHYS_U8:
        return (unsigned char)*at;
    case PHYS_I16:
        return (Datum)(int64_t)(int16_t)load_u16(at);
    case PHYS_I32:
        return (Datum)(int64_t)(int32_t)load_u32(at);
    case PHYS_U32:
        return load_u32(at);
    case PHYS_64:
        return load_u64(at);
    default:
        return ptr_datum(at);
    }
}

static inline void
tail_lane(const AttrPhys *p, const char *at, const char *end, int row, Arena *a, Vec *out)
{
    unsigned char c;

    if (UNLIKELY(at >= end)) {
        out->v[row] = p->missing;
        if (!p->has_missing)
            vec_set_null(out, row);
        return;
    }
    c = (unsigned char)*at;
    if (UNLIKELY(c == VAR_NULL_MARK)) {
        vec_set_null(out, row);
        out->v[row] = 0;
    } else if (UNLIKELY(p->len > 0)) {
        out->v[row] = tail_fixed(p, at + 1);
    } else if (UNLIKELY(c == VAR_EXTERNAL || (c & 3) == 2)) {
        out->v[row] = toast_fetch(a, ptr_datum(at));
    } else {
        out->v[row] = ptr_datum(at);
    }
}

static void
gather_tail(const TupleLayout *l, const AttrPhys *p, TupleBatch *b, int n, const uint16_t *sel, Arena *a, Vec *out)
{
    const uint32_t start = (uint32_t)l->fixed_end, want = (uint32_t)p->tail_index;

    if (want == 0) { /* the first needs no walk */
        for (int k = 0; k < n; k++) {
            int row = sel ? sel[k] : k, ahead = k + PREFETCH_AHEAD < n ? k + PREFETCH_AHEAD : n - 1;

            __builtin_prefetch(b->tup[sel ? sel[ahead] : ahead] + start);
            tail_lane(p, b->tup[row] + start, b->tup[row] + b->size[row], row, a, out);
        }
        return;
    }
    if (!b->tail_cached) {
        for (int i = 0; i < b->n; i++)
            b->tail_at[i] = start;
        b->tail_cached = true;
    }
    for (int k = 0; k < n; k++) {
        int row = sel ? sel[k] : k, ahead = k + PREFETCH_AHEAD < n ? k + PREFETCH_AHEAD : n - 1;
        const char *t = b->tup[row], *end = t + b->size[row], *at;
        uint32_t have = b->tail_at[row], index = have >> 16;

        __builtin_prefetch(b->tup[sel ? sel[ahead] : ahead] + start);
        if (index > want) { /* asked for out of order */
            have = start;
            index = 0;
        }
        at = t + (have & 0xFFFF);
        for (; index < want && at < end; index++)
            at = tail_skip(at);
        b->tail_at[row] = want << 16 | (uint32_t)MIN(at - t, end - t);
        tail_lane(p, at, end, row, a, out);
    }
}

/* ---- system columns ---- */

static void
gather_system(HeapRel *rel, const TupleBatch *b, int n, const uint16_t *sel, int attnum, Vec *out)
{
    for (int k = 0; k < n; k++) {
        int row = sel ? sel[k] : k;
        const char *t = b->tup[row];

        switch (attnum) {
        case -1:
            out->v[row] = tid_datum(b->tid[row].block, b->tid[row].off);
            break;
        case -2:
            out->v[row] = tuple_is_frozen(tuple_flags(t)) && tuple_xmin(t) < XID_FIRST_NORMAL ? XID_FROZEN : (uint32_t)tuple_xmin(t);
            break;
        case -3:
        case -5:
            out->v[row] = tuple_cid(t);
            break;
        case -4:
            out->v[row] = (uint32_t)tuple_xmax(t);
            break;
        case -6:
            out->v[row] = rel->oid;
            break;
        default:
            INTERNAL_ERROR("invalid system column number %d", attnum);
        }
    }
}

void
tuple_gather(HeapRel *rel, const TupleBatch *b, int n, const uint16_t *sel, int attnum, Arena *a, Vec *out)
{
    const TupleLayout *l = rel->layout;
    const AttrPhys *p;

    out->is_const = false;
    vec_clear_nulls(out);
    if (n == 0)
        return;
    if (UNLIKELY(attnum <= 0)) {
        gather_system(rel, b, n, sel, attnum, out);
        return;
    }
    p = &l->atts[attnum - 1];
    if (UNLIKELY(p->type == OID_INVALID)) { /* dropped */
        for (int k = 0; k < n; k++) {
            int row = sel ? sel[k] : k;

            vec_set_null(out, row);
            out->v[row] = 0;
        }
    } else if (p->fixed_offset >= 0) {
        gather_fixed(p, b, n, sel, out);
    } else {
        gather_tail(l, p, (TupleBatch *)(uintptr_t)b, n, sel, a, out);
    }
}
