/*
 * A store: rows in order of arrival. Kept in memory up to work_mem, after which all further rows go to a
 * temporary file; the position of every 128th of those is remembered, so that a reader can start
 * anywhere (backward fetches, several readers of one CTE).
 */
#include "core/sql/exec/exec_internal.h"

#define INDEX_EVERY 128

struct Store {
    Arena *arena;        /* rows and the file */
    Arena *scratch;      /* the row on its way to the file */
    const RowShape *shape;
    Row **rows; uint64_t nrows, cap;   /* in memory: rows 0..nrows */
    uint64_t bytes;
    TempFile *file; uint64_t nfile;    /* rows nrows .. nrows + nfile */
    uint64_t *index; uint64_t nindex, index_cap;
    uint64_t generation;
};

Store *
store_create(Arena *parent, const RowShape *s)
{
    Store *st = ARENA_NEW(parent, Store);

    st->arena = arena_create(parent, "store");
    st->scratch = arena_create(parent, "stored row");
    st->shape = s;
    st->generation = 1;
    return st;
}

void
store_clear(Store *st)
{
    arena_reset(st->arena);
    st->rows = NULL;
    st->nrows = st->cap = st->bytes = st->nfile = st->nindex = st->index_cap = 0;
    st->file = NULL;
    st->index = NULL;
    st->generation++;
}

static void
to_file(Store *st, Row *r)
{
    if (st->file == NULL)
        st->file = temp_file_create(st->arena);
    if (st->nfile % INDEX_EVERY == 0) {
        if (st->nindex == st->index_cap) {
            uint64_t cap = MAX(64, st->index_cap * 2);
            st->index = arena_realloc(st->arena, st->index, st->index_cap * 8, cap * 8);
            st->index_cap = cap;
        }
        st->index[st->nindex++] = temp_file_size(st->file);
    }
    row_write(st->file, st->shape, r);
    st->nfile++;
}

static void
keep(Store *st, Row *r)
{
    if (st->nrows == st->cap) {
        uint64_t cap = MAX(64, st->cap * 2);
        Row **rows = arena_alloc(st->arena, cap * sizeof(Row *));
        if (st->nrows)
            memcpy(rows, st->rows, st->nrows * sizeof(Row *));
        st->rows = rows;
        st->cap = cap;
    }
    st->rows[st->nrows++] = r;
    st->bytes += r->bytes + sizeof(Row *);
}

static inline bool
is_full(const Store *st)
{
    return st->file != NULL || st->bytes > (uint64_t)work_mem_kb * 1024;
}

void
store_put_batch(Store *st, const Batch *b)
{
    FOR_ROWS (row, b->nsel, b->sel) {
        if (LIKELY(!is_full(st))) {
            keep(st, row_form(st->arena, st->shape, b->cols, row, 0));
        } else {
            ArenaMark m = arena_mark(st->scratch);
            to_file(st, row_form(st->scratch, st->shape, b->cols, row, 0));
            arena_release(st->scratch, m);
        }
    }
}

void
store_put_row(Store *st, Row *r)
{
    if (!is_full(st))
        keep(st, row_copy(st->arena, st->shape, r));
    else
        to_file(st, r);
}

uint64_t
store_count(const Store *st)
{
    return st->nrows + st->nfile;
}

uint64_t
store_bytes(const Store *st)
{
    return st->bytes + (st->file ? temp_file_size(st->file) : 0);
}

void
store_reader_init(StoreReader *r, Store *st, Arena *parent)
{
    *r = (StoreReader){.store = st, .arena = arena_create(parent, "store reader")};
}

int
store_read(StoreReader *r, Batch *out, int max, const bool *needed)
{
    Store *st = r->store;

    if (r->at < st->nrows) {
        int n = (int)MIN((uint64_t)max, st->nrows - r->at);
        rows_to_batch(st->shape, st->rows + r->at, n, out, needed);
        r->at += (uint64_t)n;
        return n;
    }
    uint64_t left = store_count(st) - r->at;
    if (left == 0)
        return 0;
    Row *rows[BATCH_ROWS];
    int n = (int)MIN((uint64_t)max, left);
    uint64_t k = r->at - st->nrows;
    arena_reset(r->arena);
    if (r->generation == st->generation && k == r->file_row && k > 0) {
        temp_file_seek(st->file, r->file_pos);
    } else {
        temp_file_seek(st->file, st->index[k / INDEX_EVERY]);
        for (uint64_t skip = k % INDEX_EVERY; skip > 0; skip--) {
            ArenaMark m = arena_mark(r->arena);
            (void)row_read(st->file, st->shape, r->arena);
            arena_release(r->arena, m);
        }
    }
    for (int i = 0; i < n; i++)
        rows[i] = row_read(st->file, st->shape, r->arena);
    rows_to_batch(st->shape, rows, n, out, needed);
    r->at += (uint64_t)n;
    r->generation = st->generation;
    r->file_row = k + (uint64_t)n;
    r->file_pos = temp_file_tell(st->file);
    return n;
}
