/*
 * Rows into a table from outside of a plan (COPY, CREATE TABLE AS) and, for INSERT without ON CONFLICT,
 * from one. Rows are placed in groups by the heap's bulk path and then entered in the indexes one by
 * one, in order, so that the first offending row is the one an error names.
 */
#include "core/sql/exec/exec_internal.h"

#define GROUP_VALUES_MAX 65536 /* values of one group of rows */

struct TableWriter {
    Arena *arena, *scratch, *run; /* run: the bulk state */
    RelDesc *rel;
    TableChecks *checks;
    HeapBulk *bulk;
    CommandId cid;
    int group;                 /* rows a group holds */
    int n;                     /* rows waiting */
    int batch_row, first_row;  /* of the batch in work: the row an error is about; that of the first waiting */
    Datum **values; bool **nulls;
    const Datum **cvalues; const bool **cnulls;
    ItemPtr *tids;
};

TableWriter *
writer_open(Arena *a, RelDesc *rel, bool bulk)
{
    return writer_open_group(a, rel, bulk ? BATCH_ROWS : 1);
}

TableWriter *
writer_open_group(Arena *a, RelDesc *rel, int rows)
{
    TableWriter *w = ARENA_NEW(a, TableWriter);

    w->arena = a;
    w->scratch = arena_create(a, "rows being written");
    writer_restart(w, rel, a);
    w->group = (int)MIN(MAX(GROUP_VALUES_MAX / MAX(rel->natts, 1), 1), rows);
    Datum *v = arena_alloc(a, ((size_t)w->group * (size_t)rel->natts + 1) * sizeof(Datum));
    bool *nl = arena_alloc(a, (size_t)w->group * (size_t)rel->natts + 1);
    w->values = ARENA_ARRAY(a, Datum *, w->group);
    w->nulls = ARENA_ARRAY(a, bool *, w->group);
    w->cvalues = ARENA_ARRAY(a, const Datum *, w->group);
    w->cnulls = ARENA_ARRAY(a, const bool *, w->group);
    w->tids = ARENA_ARRAY(a, ItemPtr, w->group);
    for (int i = 0; i < w->group; i++) {
        w->cvalues[i] = w->values[i] = v + (size_t)i * (size_t)rel->natts;
        w->cnulls[i] = w->nulls[i] = nl + (size_t)i * (size_t)rel->natts;
    }
    return w;
}

static void
after_row(TableWriter *w, const Datum *values, const bool *nulls, ItemPtr tid)
{
    if (w->checks->nindexes > 0)
        (void)checks_index_insert(w->checks, values, nulls, tid, NULL);
    if (fk_wants_insert(w->rel))
        fk_after_insert(w->rel, tid, values, nulls);
    arena_reset(w->checks->row_arena);
}

/* Places the waiting rows. */
static void
place(TableWriter *w)
{
    if (w->n == 0)
        return;
    if (w->n > 1) {
        if (w->bulk == NULL)
            w->bulk = heap_bulk_begin(w->run, &w->rel->heap, w->cid, 0);
        heap_bulk_insert(w->bulk, w->cvalues, w->cnulls, w->n, w->tids);
    } else {
        for (int i = 0; i < w->n; i++)
            w->tids[i] = heap_insert(&w->rel->heap, w->values[i], w->nulls[i], w->cid, 0);
    }
    for (int i = 0; i < w->n; i++) {
        w->batch_row = w->first_row + i;
        after_row(w, w->values[i], w->nulls[i], w->tids[i]);
    }
    w->n = 0;
    arena_reset(w->scratch);
}

/* The row in slot w->n is complete: checks it. */
static inline void
check_slot(TableWriter *w)
{
    Datum *values = w->values[w->n];
    bool *nulls = w->nulls[w->n];

    if (w->checks->ngenerated > 0)
        checks_generated(w->checks, w->scratch, values, nulls);
    checks_row(w->checks, values, nulls);
}

void
writer_insert(TableWriter *w, const Datum *values, const bool *nulls, ItemPtr *tid)
{
    place(w);
    memcpy(w->values[0], values, sizeof(Datum) * (size_t)w->rel->natts);
    memcpy(w->nulls[0], nulls, (size_t)w->rel->natts);
    check_slot(w);
    ItemPtr t = heap_insert(&w->rel->heap, w->values[0], w->nulls[0], w->cid, 0);
    after_row(w, w->values[0], w->nulls[0], t);
    if (w->checks->ngenerated > 0)
        arena_reset(w->scratch);
    if (tid)
        *tid = t;
}

/* The values of the last row given to writer_insert, generated columns filled in. */
void
writer_last_row(TableWriter *w, const Datum **values, const bool **nulls)
{
    *values = w->values[0];
    *nulls = w->nulls[0];
}

void
writer_insert_batch(TableWriter *w, const Batch *b)
{
    int natts = w->rel->natts, at = 0;

    FOR_ROWS (row, b->nsel, b->sel) {
        if (w->n == 0)
            w->first_row = at;
        Datum *values = w->values[w->n];
        bool *nulls = w->nulls[w->n];
        for (int c = 0; c < natts; c++) {
            nulls[c] = vec_null(&b->cols[c], row);
            values[c] = nulls[c] ? 0 : vec_get(&b->cols[c], row);
        }
        if (w->checks->ngenerated > 0)
            checks_generated(w->checks, w->scratch, values, nulls);
        if (UNLIKELY(!checks_pass(w->checks, values, nulls))) {
            /* The rows before it may fail in an index: that error comes first. */
            values = arena_memdup(w->arena, values, sizeof(Datum) * (size_t)natts + 1);
            nulls = arena_memdup(w->arena, nulls, (size_t)natts + 1);
            place(w);
            w->batch_row = at;
            checks_row(w->checks, values, nulls);
            INTERNAL_ERROR("a constraint failed once and held the second time");
        }
        at++;
        if (++w->n == w->group)
            place(w);
    }
    place(w); /* the batch's values go with it */
    CHECK_INTERRUPTS();
}

/* After an error: which of the batch's selected rows it was about. */
int
writer_batch_row(const TableWriter *w)
{
    return w->batch_row;
}

void
writer_restart(TableWriter *w, RelDesc *rel, Arena *run)
{
    w->rel = rel;
    w->run = run;
    w->checks = checks_open(rel);
    w->cid = txn_command(true);
    w->bulk = NULL;
    w->n = 0;
}

void
writer_end_run(TableWriter *w)
{
    place(w);
    if (w->bulk)
        heap_bulk_end(w->bulk);
    w->bulk = NULL;
}

void
writer_close(TableWriter *w)
{
    writer_end_run(w);
    arena_destroy(w->scratch);
}
