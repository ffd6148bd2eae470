/*
 * Which values of a row are compressed and which move out, and getting them back.
 *
 * The policy is PostgreSQL's: as long as the row is larger than the target, the largest value is taken.
 * Round 1: columns that may be compressed are (and moved out at once if still too large alone), columns
 * of storage "external" are moved out if too large alone. Round 2: compressible and external columns move
 * out. Round 3: "main" columns are compressed. Round 4: they move out, but only as far as the row
 * needs to fit a page at all.
 */
#include "core/access/toast/toast_internal.h"

#define SMALL_BYTES 24u /* moving out less would save nothing */

typedef struct Toasting {
    Arena *a;
    HeapRel *rel;
    Datum *values;
    const bool *nulls;
    CommandId cid;
    bool tried[MAX_COLUMNS]; /* does not compress, or is not to be touched */
} Toasting;

static size_t
row_size(const Toasting *t)
{
    return tuple_size_of(t->rel->layout, t->values, t->nulls, NULL);
}

static inline bool
is_var(const Toasting *t, int i)
{
    const AttrPhys *p = &t->rel->layout->atts[i];

    return p->len == -1 && p->type != OID_INVALID && !t->nulls[i];
}

/* The largest value still in line whose storage is one of those; -1: none. compress: only untried ones. */
static int
largest(const Toasting *t, const char *storages, bool compress)
{
    int best = -1;
    uint32_t best_bytes = SMALL_BYTES;

    for (int i = 0; i < t->rel->layout->natts; i++) {
        const char *p;

        if (!is_var(t, i) || !strchr(storages, t->rel->layout->atts[i].storage))
            continue;
        p = datum_ptr(t->values[i]);
        if (var_is_external(p) || (compress && (t->tried[i] || var_is_compressed(p))))
            continue;
        if (var_size(p) > best_bytes) {
            best = i;
            best_bytes = var_size(p);
        }
    }
    return best;
}

static void
compress(Toasting *t, int i)
{
    Datum d;

    t->tried[i] = true;
    if (toast_compress(t->a, t->values[i], &d))
        t->values[i] = d;
}

static void
move_out(Toasting *t, int i)
{
    t->values[i] = toast_save(t->a, t->rel, t->values[i], t->cid);
}

static void
shrink(Toasting *t)
{
    const size_t target = TOAST_THRESHOLD_BYTES, alone = target - (size_t)t->rel->layout->fixed_end;
    bool can_move = t->rel->toast != NULL;
    int i;

    while (row_size(t) > target && (i = largest(t, "xe", true)) >= 0) {
        if (t->rel->layout->atts[i].storage == 'x')
            compress(t, i);
        else
            t->tried[i] = true;
        if (can_move && var_size(datum_ptr(t->values[i])) > alone)
            move_out(t, i);
    }
    while (can_move && row_size(t) > target && (i = largest(t, "xe", false)) >= 0)
        move_out(t, i);
    while (row_size(t) > target && (i = largest(t, "m", true)) >= 0)
        compress(t, i);
    while (can_move && row_size(t) > MAX_TUPLE_BYTES && (i = largest(t, "m", false)) >= 0)
        move_out(t, i);
}

static bool
same_pointer(Datum a, Datum b)
{
    return memcmp(datum_ptr(a), datum_ptr(b), TOAST_POINTER_BYTES) == 0;
}

void
toast_row(Arena *a, HeapRel *rel, Datum *values, const bool *nulls, const Datum *old_values, const bool *old_nulls, CommandId cid)
{
    int n = rel->layout->natts;
    Toasting *t = ARENA_NEW(a, Toasting);

    *t = (Toasting){.a = a, .rel = rel, .values = values, .nulls = nulls, .cid = cid};
    for (int i = 0; i < n; i++) {
        const char *p;

        if (!is_var(t, i))
            continue;
        p = datum_ptr(values[i]);
        if (var_is_external(p)) {
            /* Unchanged: the chunks are shared by the new version. Anyone else's are copied. */
            if (old_values && !old_nulls[i] && var_is_external(datum_ptr(old_values[i])) && same_pointer(values[i], old_values[i]))
                continue;
            values[i] = toast_fetch(a, values[i]);
        }
    }
    shrink(t);
    if (!old_values)
        return;
    for (int i = 0; i < n; i++) {
        const AttrPhys *p = &rel->layout->atts[i];

        if (p->len != -1 || p->type == OID_INVALID || old_nulls[i] || !var_is_external(datum_ptr(old_values[i])))
            continue;
        if (nulls[i] || !var_is_external(datum_ptr(values[i])) || !same_pointer(values[i], old_values[i]))
            toast_remove(rel, datum_ptr(old_values[i]), cid);
    }
}

Datum
toast_fetch(Arena *a, Datum d)
{
    const char *p = datum_ptr(d);
    ToastPointer t;
    ArenaMark mark;
    char *payload;

    if (!var_is_external(p)) {
        if (!var_is_compressed(p))
            return d;
        return toast_decompress(a, p + 8, var_size(p) - 8, load_u32(p + 4));
    }
    t = toast_pointer_load(p);
    if (!t.compressed) {
        Datum out = var_alloc(a, t.raw, &payload);

        mark = arena_mark(a);
        toast_read(a, &t, payload);
        arena_release(a, mark);
        return out;
    } else {
        Arena *scratch = arena_create(txn_arena(), "toast fetch");
        char *stored = arena_alloc(scratch, MAX(t.stored, 1u));
        Datum out;

        toast_read(scratch, &t, stored);
        out = toast_decompress(a, stored, t.stored, t.raw);
        arena_destroy(scratch);
        return out;
    }
}

void
toast_delete_row(HeapRel *rel, const char *tup, uint32_t size)
{
    const TupleLayout *l = rel->layout;
    const char *at = tup + l->fixed_end, *end = tup + size;
    CommandId cid = txn_command(true);

    for (int k = 0; k < l->ntail && at < end; k++) {
        if (l->atts[l->tail_atts[k]].len == -1 && var_is_external(at))
            toast_remove(rel, at, cid);
        at = tail_skip(at);
    }
}

uint32_t
toast_raw_size(Datum d)
{
    const char *p = datum_ptr(d);

    if (var_is_external(p))
        return toast_pointer_load(p).raw;
    if (var_is_compressed(p))
        return load_u32(p + 4);
    return var_len(d);
}

uint32_t
toast_stored_size(Datum d)
{
    const char *p = datum_ptr(d);

    return var_is_external(p) ? toast_pointer_load(p).stored : var_size(p);
}
