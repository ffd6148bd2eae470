/*
 * Sorting of rows. Each row gets an order-preserving 64-bit prefix: of its first column where that is an
 * integer, date, time or float, and then nothing more is looked at unless prefixes are equal; otherwise
 * the first bytes of its byte key. What the prefix leaves open is decided by memcmp on the byte key,
 * which lies behind the row. Rows whose first (fast) column is null rank before or after all others.
 *
 * In memory: a stable merge sort of (prefix, row) pairs, or a radix sort when the prefix decides alone.
 * With a bound only the best rows are kept. Above the memory limit sorted runs go to one temporary file
 * and are merged when read.
 */
#include "core/sql/exec/exec_internal.h"

#define RADIX_FROM 512
#define RUN_BUFFER_MIN 8192u
#define RUN_BUFFER_MAX 65536u

typedef struct Entry { uint64_t prefix; Row *row; } Entry;
typedef struct Run { uint64_t from, end; } Run;
typedef struct RunReader { TempReader in; Row *row; size_t cap; int index; } RunReader;

struct Sorter {
    Arena *parent, *arena, *spare; /* rows; the other one for pruning */
    Arena *scratch;      /* byte keys being made, rows read back */
    Arena *entry_arena;
    const RowShape *shape;
    SortCol *cols; int ncols;
    bool fast;           /* first column gives the prefix */
    bool has_key;        /* byte keys are needed */
    size_t memory;
    uint64_t bound;      /* 0: none */
    Entry *main, *nulls; /* null first columns apart */
    uint64_t nmain, nnulls, main_cap, nulls_cap;
    uint64_t bytes, max_bytes, disk_bytes;
    bool has_cut; uint64_t cut_prefix; uint32_t cut_rank; /* rows above are not kept */
    bool pruned;
    TempFile *file; Run *runs; int nruns, runs_cap;
    RunReader *readers, **heap; int nheap;
    Arena *merge_arena;
    bool finished;
    uint64_t pos;
    StrBuf key;
};

static int
fast_kind(Oid type)
{
    switch (type_base(type, NULL)) {
    case INT2_OID:
    case INT4_OID:
    case INT8_OID:
    case OID_OID:
    case DATE_OID:
    case TIME_OID:
    case TIMESTAMP_OID:
    case TIMESTAMPTZ_OID: case BOOL_OID: case REGCLASS_OID: case XID8_OID:
        return 1;
    case FLOAT8_OID:
        return 2;
    case FLOAT4_OID:
        return 3;
    default:
        return 0;
    }
}

void
sort_cols_of_keys(SortCol *out, const List *keys)
{
    for (int i = 0; i < list_count(keys); i++) {
        const SortKey *k = list_at(keys, i);
        const TypeOps *ops = type_ops(k->type);
        if (ops == NULL || ops->key_encode == NULL)
            RAISE(SQLSTATE_UNDEFINED_FUNCTION,
                  "could not identify an ordering operator for type %s",
                  type_format(txn_arena(), k->type, -1, false));
        out[i] = (SortCol){k->column - 1, k->type,        k->collation,      ops,
                           k->desc,       k->nulls_first, fast_kind(k->type)};
    }
}

static inline uint64_t
fast_prefix(int kind, bool desc, Datum d)
{
    uint64_t u;

    if (kind == 1) {
        u = d ^ UINT64_C(1) << 63;
    } else {
        double v = kind == 2 ? datum_float8(d) : (double)datum_float4(d);
        if (v == 0)
            v = 0; /* -0 */
        if (v != v) {
            u = UINT64_MAX;
        } else {
            u = float8_datum(v);
            u = u >> 63 ? ~u : u | UINT64_C(1) << 63;
        }
    }
    return desc ? ~u : u;
}

void
sort_key_encode(const SortCol *c, int n, const Vec *const *cols, int i, StrBuf *out)
{
    for (int k = 0; k < n; k++) {
        const Vec *v = cols[c[k].col];
        bool null = vec_null(v, i);
        str_add_char(out, null == c[k].nulls_first ? 0 : 1);
        if (null)
            continue;
        size_t at = out->len;
        c[k].ops->key_encode(vec_get(v, i), c[k].collation, out);
        if (c[k].desc)
            for (; at < out->len; at++)
                out->data[at] = (char)~out->data[at];
    }
}

Sorter *
sorter_create(Arena *parent, const RowShape *s, const SortCol *cols, int ncols, size_t memory_bytes)
{
    Sorter *st = ARENA_NEW(parent, Sorter);

    st->parent = parent;
    st->arena = arena_create(parent, "sort rows");
    st->scratch = arena_create(parent, "sort key");
    st->entry_arena = arena_create(parent, "sort entries");
    st->shape = s;
    st->cols = arena_memdup(parent, cols, sizeof(*cols) * (size_t)ncols);
    st->ncols = ncols;
    st->memory = memory_bytes;
    st->fast = ncols > 0 && cols[0].fast;
    st->has_key = !st->fast || ncols > 1;
    str_init(&st->key, parent);
    return st;
}

void
sorter_set_bound(Sorter *st, uint64_t bound)
{
    st->bound = bound;
}

void
sorter_clear(Sorter *st)
{
    arena_reset(st->arena);
    arena_reset(st->entry_arena);
    if (st->spare)
        arena_reset(st->spare);
    if (st->merge_arena)
        arena_reset(st->merge_arena);
    st->main = st->nulls = NULL;
    st->nmain = st->nnulls = st->main_cap = st->nulls_cap = 0;
    st->bytes = st->disk_bytes = st->max_bytes = 0;
    st->has_cut = st->pruned = st->finished = false;
    st->file = NULL;
    st->runs = NULL;
    st->nruns = st->runs_cap = 0;
    st->readers = NULL;
    st->nheap = 0;
    st->pos = 0;
}

/* ---- order ---- */

/* Byte key behind a row: u32 length, bytes. */
static inline int
compare_keys(const Row *a, const Row *b)
{
    const char *x = row_extra(a), *y = row_extra(b);
    uint32_t n = load_u32(x), m = load_u32(y);
    int r = memcmp(x + 4, y + 4, MIN(n, m));

    return r ? r : (n > m) - (n < m);
}

static inline bool
entry_less(const Sorter *st, const Entry *a, const Entry *b)
{
    if (a->prefix != b->prefix)
        return a->prefix < b->prefix;
    return st->has_key && compare_keys(a->row, b->row) < 0;
}

static inline bool
row_less(const Sorter *st, const Row *a, const Row *b)
{
    if (a->flags != b->flags)
        return a->flags < b->flags;
    if (a->hash != b->hash)
        return a->hash < b->hash;
    return st->has_key && compare_keys(a, b) < 0;
}

static void
insertion_sort(const Sorter *st, Entry *e, uint64_t n)
{
    for (uint64_t i = 1; i < n; i++) {
        Entry x = e[i];
        uint64_t j = i;
        for (; j > 0 && entry_less(st, &x, &e[j - 1]); j--)
            e[j] = e[j - 1];
        e[j] = x;
    }
}

static void
merge_sort(const Sorter *st, Entry *e, uint64_t n, Entry *tmp)
{
    if (n <= 24) {
        insertion_sort(st, e, n);
        return;
    }
    uint64_t half = n / 2, i = 0, j = half, k = 0;
    merge_sort(st, e, half, tmp);
    merge_sort(st, e + half, n - half, tmp);
    if (!entry_less(st, &e[half], &e[half - 1]))
        return; /* in order already */
    memcpy(tmp, e, half * sizeof(*e));
    while (i < half && j < n) {
        if (entry_less(st, &e[j], &tmp[i]))
            e[k++] = e[j++];
        else
            e[k++] = tmp[i++];
    }
    memcpy(e + k, tmp + i, (half - i) * sizeof(*e));
}

/* Least significant byte first; bytes all entries share are skipped. */
static void
radix_sort(Entry *e, uint64_t n, Entry *tmp)
{
    uint64_t (*count)[256], or_all = 0, and_all = UINT64_MAX;
    uint64_t counts[8][256];
    Entry *from = e, *to = tmp;

    count = counts;
    memset(counts, 0, sizeof(counts));
    for (uint64_t i = 0; i < n; i++) {
        uint64_t k = e[i].prefix;
        or_all |= k;
        and_all &= k;
        for (int b = 0; b < 8; b++)
            count[b][k >> (8 * b) & 255]++;
    }
    for (int b = 0; b < 8; b++) {
        if (((or_all ^ and_all) >> (8 * b) & 255) == 0)
            continue;
        uint64_t at = 0;
        for (int v = 0; v < 256; v++) {
            uint64_t c = count[b][v];
            count[b][v] = at;
            at += c;
        }
        for (uint64_t i = 0; i < n; i++)
            to[count[b][from[i].prefix >> (8 * b) & 255]++] = from[i];
        Entry *swap = from;
        from = to;
        to = swap;
    }
    if (from != e)
        memcpy(e, from, n * sizeof(*e));
}

static void
sort_entries(Sorter *st, Entry *e, uint64_t n)
{
    if (n < 2)
        return;
    CHECK_INTERRUPTS();
    Arena *a = arena_create(st->parent, "sort buffer");
    Entry *tmp = arena_alloc(a, n * sizeof(*e));
    if (!st->has_key && n >= RADIX_FROM)
        radix_sort(e, n, tmp);
    else
        merge_sort(st, e, n, tmp);
    arena_destroy(a);
}

static void
sort_all(Sorter *st)
{
    sort_entries(st, st->main, st->nmain);
    sort_entries(st, st->nulls, st->nnulls); /* their prefix is 0: by key */
}

static inline bool
nulls_go_first(const Sorter *st)
{
    return st->cols[0].nulls_first;
}

static Row *
row_at(const Sorter *st, uint64_t i)
{
    if (st->nnulls == 0)
        return st->main[i].row;
    if (nulls_go_first(st))
        return i < st->nnulls ? st->nulls[i].row : st->main[i - st->nnulls].row;
    return i < st->nmain ? st->main[i].row : st->nulls[i - st->nmain].row;
}

/* ---- taking rows ---- */

static void
push_entry(Sorter *st, Entry **list, uint64_t *n, uint64_t *cap, Entry e)
{
    if (*n == *cap) {
        uint64_t more = MAX(256, *cap * 2);
        Entry *l = arena_alloc(st->entry_arena, more * sizeof(Entry));
        if (*n)
            memcpy(l, *list, *n * sizeof(Entry));
        *list = l;
        *cap = more;
    }
    (*list)[(*n)++] = e;
}

/* Keeps the `bound` best rows, in a new arena. */
static void
prune(Sorter *st)
{
    uint64_t keep = st->bound, n = 0;
    Entry *all = NULL;

    sort_all(st);
    if (st->spare == NULL)
        st->spare = arena_create(st->parent, "sort rows");
    Row **rows = arena_alloc(st->scratch, keep * sizeof(Row *));
    st->bytes = 0;
    for (uint64_t i = 0; i < keep; i++) {
        Row *r = row_at(st, i);
        size_t extra = st->has_key ? ALIGN_UP(4 + (size_t)load_u32(row_extra(r)), (size_t)8) : 0;
        Row *c = arena_alloc(st->spare, r->bytes + extra);
        memcpy(c, r, r->bytes + extra);
        Datum *lanes = row_lanes(st->shape, c);
        for (int j = 0; j < st->shape->nref; j++)
            if (!row_null(c, st->shape->ref[j]))
                lanes[st->shape->ref[j]] += (Datum)((uintptr_t)c - (uintptr_t)r);
        rows[n++] = c;
        st->bytes += c->bytes + extra + sizeof(Entry);
    }
    Arena *swap = st->arena;
    st->arena = st->spare;
    st->spare = swap;
    arena_reset(st->spare);
    st->nmain = st->nnulls = 0;
    (void)all;
    uint32_t null_rank = nulls_go_first(st) ? 0 : 1;
    for (uint64_t i = 0; i < n; i++) {
        Entry e = {rows[i]->hash, rows[i]};
        if (st->fast && rows[i]->flags == null_rank)
            push_entry(st, &st->nulls, &st->nnulls, &st->nulls_cap, e);
        else
            push_entry(st, &st->main, &st->nmain, &st->main_cap, e);
    }
    st->cut_prefix = rows[n - 1]->hash;
    st->cut_rank = rows[n - 1]->flags;
    st->has_cut = true;
    st->pruned = true;
    arena_reset(st->scratch);
}

static void
write_run(Sorter *st)
{
    sort_all(st);
    if (st->file == NULL) {
        if (st->merge_arena == NULL)
            st->merge_arena = arena_create(st->parent, "sort runs");
        st->file = temp_file_create(st->merge_arena);
    }
    if (st->nruns == st->runs_cap) {
        int cap = MAX(16, st->runs_cap * 2);
        Run *r = ARENA_ARRAY(st->merge_arena, Run, cap);
        if (st->nruns)
            memcpy(r, st->runs, sizeof(Run) * (size_t)st->nruns);
        st->runs = r;
        st->runs_cap = cap;
    }
    Run *run = &st->runs[st->nruns++];
    run->from = temp_file_size(st->file);
    uint64_t n = st->nmain + st->nnulls;
    for (uint64_t i = 0; i < n; i++) {
        Row *r = row_at(st, i);
        uint32_t extra = st->has_key ? (uint32_t)ALIGN_UP(4 + load_u32(row_extra(r)), 8u) : 0;
        temp_file_write(st->file, &extra, sizeof(extra));
        row_to_disk(st->shape, r);
        temp_file_write(st->file, r, r->bytes + extra);
        if ((i & 1023) == 0)
            CHECK_INTERRUPTS();
    }
    run->end = temp_file_size(st->file);
    st->disk_bytes = run->end;
    st->nmain = st->nnulls = 0;
    st->bytes = 0;
    arena_reset(st->arena);
}

void
sorter_put(Sorter *st, const Vec *const *cols, int i)
{
    uint64_t prefix = 0;
    uint32_t rank = 0;
    bool null = false;
    size_t extra = 0;

    if (st->fast) {
        const SortCol *c = &st->cols[0];
        const Vec *v = cols[c->col];
        null = vec_null(v, i);
        rank = null == c->nulls_first ? 0 : 1;
        if (!null)
            prefix = fast_prefix(c->fast, c->desc, vec_get(v, i));
        if (st->has_cut &&
            (rank > st->cut_rank || (rank == st->cut_rank && prefix > st->cut_prefix)))
            return;
    }
    if (st->has_key) {
        str_reset(&st->key);
        sort_key_encode(st->cols + st->fast, st->ncols - st->fast, cols, i, &st->key);
        if (!st->fast) {
            char b[8] = {0};
            memcpy(b, st->key.data, MIN(st->key.len, sizeof(b)));
            prefix = load_be64(b);
            if (st->has_cut && prefix > st->cut_prefix)
                return;
        }
        extra = ALIGN_UP(4 + st->key.len, (size_t)8);
    }
    Row *r = row_form_ptrs(st->arena, st->shape, cols, i, extra);
    r->hash = prefix;
    r->flags = rank;
    if (st->has_key) {
        store_u32(row_extra(r), (uint32_t)st->key.len);
        memcpy(row_extra(r) + 4, st->key.data, st->key.len);
    }
    st->bytes += r->bytes + extra + sizeof(Entry);
    Entry e = {prefix, r};
    if (null)
        push_entry(st, &st->nulls, &st->nnulls, &st->nulls_cap, e);
    else
        push_entry(st, &st->main, &st->nmain, &st->main_cap, e);
    if (UNLIKELY(st->bytes > st->max_bytes))
        st->max_bytes = st->bytes;
    if (st->bound && st->file == NULL && st->nmain + st->nnulls >= MAX(st->bound * 2, 1024)) {
        prune(st);
        if (st->bytes > st->memory / 2)
            st->bound = 0; /* the best rows alone fill the memory: sort them all, on disk if need be */
    } else if (st->bytes > st->memory) {
        write_run(st);
    }
}

void
sorter_put_batch(Sorter *st, const Batch *b)
{
    const Vec *cols[MAX_COLUMNS + 8];

    for (int c = 0; c < b->ncols; c++)
        cols[c] = &b->cols[c];
    FOR_ROWS (row, b->nsel, b->sel)
        sorter_put(st, cols, row);
}

/* ---- merging ---- */

static bool
reader_next(Sorter *st, RunReader *r)
{
    uint32_t extra, bytes;

    if (!temp_reader_get(&r->in, &extra, sizeof(extra)))
        return false;
    (void)temp_reader_get(&r->in, &bytes, sizeof(bytes));
    if (bytes + extra > r->cap) {
        r->cap = MAX(1024, (size_t)(bytes + extra) * 2);
        r->row = arena_alloc(st->merge_arena, r->cap);
    }
    r->row->bytes = bytes;
    if (!temp_reader_get(&r->in, (char *)r->row + sizeof(bytes), bytes + extra - sizeof(bytes)))
        INTERNAL_ERROR("a sort run ends inside a row");
    row_from_disk(st->shape, r->row);
    return true;
}

static inline bool
reader_less(const Sorter *st, const RunReader *a, const RunReader *b)
{
    if (row_less(st, a->row, b->row))
        return true;
    if (row_less(st, b->row, a->row))
        return false;
    return a->index < b->index; /* earlier runs first: stable */
}

static void
heap_sift(Sorter *st, int i)
{
    RunReader *x = st->heap[i];

    for (;;) {
        int c = 2 * i + 1;
        if (c >= st->nheap)
            break;
        if (c + 1 < st->nheap && reader_less(st, st->heap[c + 1], st->heap[c]))
            c++;
        if (!reader_less(st, st->heap[c], x))
            break;
        st->heap[i] = st->heap[c];
        i = c;
    }
    st->heap[i] = x;
}

static void
merge_begin(Sorter *st)
{
    size_t buffer = MIN(MAX(st->memory / (size_t)st->nruns, RUN_BUFFER_MIN), RUN_BUFFER_MAX);

    if (st->readers == NULL) {
        st->readers = ARENA_ARRAY(st->merge_arena, RunReader, st->nruns);
        st->heap = ARENA_ARRAY(st->merge_arena, RunReader *, st->nruns);
        for (int i = 0; i < st->nruns; i++)
            temp_reader_init(&st->readers[i].in, st->file, st->merge_arena, buffer, 0, 0);
    }
    st->nheap = 0;
    for (int i = 0; i < st->nruns; i++) {
        RunReader *r = &st->readers[i];
        r->index = i;
        r->in.pos = st->runs[i].from;
        r->in.end = st->runs[i].end;
        if (reader_next(st, r))
            st->heap[st->nheap++] = r;
    }
    for (int i = st->nheap / 2 - 1; i >= 0; i--)
        heap_sift(st, i);
}

void
sorter_finish(Sorter *st)
{
    if (st->file) {
        if (st->nmain + st->nnulls > 0)
            write_run(st);
        merge_begin(st);
    } else {
        sort_all(st);
    }
    st->finished = true;
    st->pos = 0;
}

int
sorter_read(Sorter *st, Batch *out, int max, const bool *needed)
{
    Row *rows[BATCH_ROWS];
    int n = 0;

    if (st->file == NULL) {
        uint64_t total = st->nmain + st->nnulls;
        n = (int)MIN((uint64_t)max, total - st->pos);
        if (n == 0)
            return 0;
        for (int i = 0; i < n; i++)
            rows[i] = row_at(st, st->pos + (uint64_t)i);
        st->pos += (uint64_t)n;
    } else {
        arena_reset(st->scratch);
        for (; n < max && st->nheap > 0; n++) {
            RunReader *r = st->heap[0];
            rows[n] = row_copy(st->scratch, st->shape, r->row);
            if (!reader_next(st, r))
                st->heap[0] = st->heap[--st->nheap];
            if (st->nheap > 0)
                heap_sift(st, 0);
        }
        if (n == 0)
            return 0;
    }
    rows_to_batch(st->shape, rows, n, out, needed);
    return n;
}

void
sorter_rewind(Sorter *st)
{
    st->pos = 0;
    if (st->file)
        merge_begin(st);
}

uint64_t
sorter_bytes(const Sorter *st, bool *on_disk, const char **method)
{
    *on_disk = st->file != NULL;
    *method = st->file ? "external merge" : st->pruned ? "top-N heapsort" : "quicksort";
    return st->file ? st->disk_bytes : st->max_bytes;
}
