/*
 * Row scans for commands: gathers a batch column by column, then hands out rows.
 */
#include "core/sql/command/scan_rows.h"

#include "core/base/interrupt.h"

RowScan *
row_scan_begin(Arena *a, RelDesc *rel)
{
    RowScan *s = ARENA_NEW(a, RowScan);

    s->rel = rel;
    s->snapshot = snapshot_register(snapshot_latest());
    s->scan = heap_scan_begin(a, &rel->heap, s->snapshot);
    s->batch = ARENA_NEW(a, TupleBatch);
    s->batch_arena = arena_create(a, "batch");
    s->cols = ARENA_ARRAY(a, Vec, rel->natts + 1);
    for (int i = 0; i < rel->natts; i++)
        vec_init(&s->cols[i], a);
    s->values = ARENA_ARRAY(a, Datum, rel->natts + 1);
    s->nulls = ARENA_ARRAY(a, bool, rel->natts + 1);
    return s;
}

bool
row_scan_next(RowScan *s)
{
    while (s->at == s->n) {
        CHECK_INTERRUPTS();
        arena_reset(s->batch_arena);
        if (!heap_scan_next(s->scan, s->batch))
            return false;
        s->n = s->batch->n;
        s->at = 0;
        for (int i = 0; i < s->rel->natts; i++) {
            if (s->rel->cols[i].dropped)
                continue;
            s->cols[i].has_nulls = s->cols[i].is_const = false;
            tuple_gather(&s->rel->heap, s->batch, s->n, NULL, i + 1, s->batch_arena, &s->cols[i]);
        }
    }
    for (int i = 0; i < s->rel->natts; i++) {
        s->nulls[i] = s->rel->cols[i].dropped || vec_null(&s->cols[i], s->at);
        s->values[i] = s->nulls[i] ? 0 : vec_get(&s->cols[i], s->at);
    }
    s->tid = s->batch->tid[s->at++];
    return true;
}

void
row_scan_end(RowScan *s)
{
    heap_scan_end(s->scan);
    snapshot_unregister(s->snapshot);
}

typedef struct Bits { uint64_t *bits; int natts; } Bits;

static bool
bits_walker(void *n, void *arg)
{
    Bits *b = arg;

    if (IS(n, Var)) {
        const Var *v = n;
        if (v->attno > 0)
            b->bits[v->attno >> 6] |= UINT64_C(1) << (v->attno & 63);
        else if (v->attno == 0)
            for (int i = 1; i <= b->natts; i++)
                b->bits[i >> 6] |= UINT64_C(1) << (i & 63);
        return false;
    }
    return node_walk_children(n, bits_walker, arg, false);
}

void
expr_column_bits(const void *e, int natts, uint64_t *bits)
{
    Bits b = {bits, natts};

    if (e)
        bits_walker((void *)e, &b);
}
