/*
 * Physical layout of a table's tuples: fixed columns widest first at constant offsets, then the
 * tail. A pure function of the columns' definitions: every server that builds it for the same
 * catalog rows gets the same bytes, so nothing of it is stored.
 */
#include "core/access/heap/heap.h"

static PhysKind
phys_kind(const AttrSpec *s)
{
    const TypeOps *ops;
    Oid base;

    if (s->len < 0)
        return PHYS_VAR;
    if (!s->byval)
        return PHYS_REF;
    switch (s->len) {
    case 1:
        return PHYS_U8;
    case 2:
        return PHYS_I16;
    case 8:
        return PHYS_64;
    default:
        break;
    }
    /* Four bytes: signed for int4 and date (and domains over them), bits otherwise. */
    ops = s->type ? type_ops(s->type) : NULL;
    base = ops ? ops->oid : s->type;
    return base == INT4_OID || base == DATE_OID ? PHYS_I32 : PHYS_U32;
}

TupleLayout *
layout_build(Arena *a, const AttrSpec *specs, int natts)
{
    TupleLayout *l = ARENA_NEW(a, TupleLayout);
    int offset, max_rank = -1, widest = 0;

    l->natts = natts;
    l->atts = ARENA_ARRAY(a, AttrPhys, natts ? natts : 1);
    l->fixed_atts = ARENA_ARRAY(a, int16_t, natts ? natts : 1);
    l->tail_atts = ARENA_ARRAY(a, int16_t, natts ? natts : 1);
    for (int i = 0; i < natts; i++) {
        const AttrSpec *s = &specs[i];
        AttrPhys *p = &l->atts[i];

        p->kind = (uint8_t)phys_kind(s);
        p->type = s->dropped ? OID_INVALID : s->type;
        p->len = s->len;
        p->byval = s->byval;
        p->not_null = s->not_null && !s->dropped;
        p->has_missing = s->has_missing;
        p->missing = s->missing;
        p->storage = s->storage;
        p->compression = s->compression;
        p->fixed_offset = p->null_bit = p->tail_index = -1;
        if (s->late_rank < 0 && s->len > 0) {
            l->nfixed++;
            widest = MAX(widest, s->len);
        } else {
            l->ntail++;
            max_rank = MAX(max_rank, s->late_rank);
        }
    }
    l->null_bytes = (l->nfixed + 7) / 8;
    offset = HEAP_HEADER_BYTES + l->null_bytes;
    for (int width = widest, k = 0; width > 0; width--)
        for (int i = 0; i < natts; i++) {
            AttrPhys *p = &l->atts[i];

            if (specs[i].late_rank >= 0 || p->len != width)
                continue;
            p->fixed_offset = (int16_t)offset;
            p->null_bit = (int16_t)k;
            l->fixed_atts[k++] = (int16_t)i;
            offset += width;
        }
    l->fixed_end = offset;
    for (int rank = -1, k = 0; rank <= max_rank; rank++)
        for (int i = 0; i < natts; i++)
            if (specs[i].late_rank == rank && l->atts[i].fixed_offset < 0) {
                l->atts[i].tail_index = (int16_t)k;
                l->tail_atts[k++] = (int16_t)i;
            }
    return l;
}
