/*
 * Hash table of kept rows: groups, distinct rows, sets. Open addressing with the whole hash beside the
 * pointer, so that a probe that misses touches no row; at most two thirds full.
 */
#include "core/sql/exec/exec_internal.h"

#define FIRST_SLOTS 64

static void
make_slots(RowTable *t, uint64_t n)
{
    t->slots = arena_alloc0(t->slot_arena, n * sizeof(*t->slots));
    t->mask = n - 1;
    t->bytes += n * sizeof(*t->slots);
}

void
row_table_init(RowTable *t, Arena *parent, int ncols, const Oid *types, const KeyCol *keys,
               int nkeys, size_t extra)
{
    *t = (RowTable){.parent = parent, .nkeys = nkeys, .extra = ALIGN_UP(extra, (size_t)8)};
    t->arena = arena_create(parent, "hash table rows");
    t->slot_arena = arena_create(parent, "hash table");
    t->keys = (KeyCol *)keys;
    row_shape_init(&t->shape, parent, ncols, types);
    make_slots(t, FIRST_SLOTS);
}

void
row_table_clear(RowTable *t)
{
    if (t->count == 0 && t->mask == FIRST_SLOTS - 1)
        return;
    arena_reset(t->arena);
    arena_reset(t->slot_arena);
    t->count = t->bytes = 0;
    t->first = t->last = NULL;
    make_slots(t, FIRST_SLOTS);
}

static inline bool
keys_match(const RowTable *t, const Row *r, const Vec *const *cols, int i)
{
    const Datum *lanes = row_lanes(&t->shape, r);

    for (int c = 0; c < t->nkeys; c++) {
        bool x = row_null(r, c), y = vec_null(cols[c], i);
        if (x | y) {
            if (x != y)
                return false;
            continue;
        }
        if (!key_equal(&t->keys[c], vec_get(cols[c], i), lanes[c]))
            return false;
    }
    return true;
}

Row *
row_table_find(RowTable *t, uint64_t hash, const Vec *const *cols, int i)
{
    for (uint64_t at = hash & t->mask;; at = (at + 1) & t->mask) {
        const struct RowSlot *s = &t->slots[at];
        if (s->row == NULL)
            return NULL;
        if (s->hash == hash && keys_match(t, s->row, cols, i))
            return s->row;
    }
}

static void
grow(RowTable *t)
{
    struct RowSlot *old = t->slots;
    uint64_t n = t->mask + 1;
    Arena *old_arena = t->slot_arena;

    t->bytes -= n * sizeof(*old);
    t->slot_arena = arena_create(t->parent, "hash table");
    make_slots(t, n * 2);
    for (uint64_t i = 0; i < n; i++) {
        if (old[i].row == NULL)
            continue;
        uint64_t at = old[i].hash & t->mask;
        while (t->slots[at].row)
            at = (at + 1) & t->mask;
        t->slots[at] = old[i];
    }
    arena_destroy(old_arena);
}

Row *
row_table_add(RowTable *t, uint64_t hash, const Vec *const *cols, int i)
{
    if (UNLIKELY((t->count + 1) * 3 > (t->mask + 1) * 2))
        grow(t);
    Row *r = row_form_ptrs(t->arena, &t->shape, cols, i, t->extra);
    if (t->extra)
        memset(row_extra(r), 0, t->extra);
    r->hash = hash;
    uint64_t at = hash & t->mask;
    while (t->slots[at].row)
        at = (at + 1) & t->mask;
    t->slots[at].hash = hash;
    t->slots[at].row = r;
    t->count++;
    t->bytes += r->bytes + t->extra;
    if (t->last)
        t->last->next = r;
    else
        t->first = r;
    t->last = r;
    return r;
}
