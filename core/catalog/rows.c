/*
 * Rows of catalog tables: scans, and changes with their index entries and invalidations.
 *
 * A scan takes its own fresh snapshot: DDL sees what was committed before it got its locks, whatever
 * the isolation level of the transaction. Rows handed out are plain values; those of the page stay
 * where they are (the page is pinned until the next call), toasted ones are fetched into the scan's
 * arena.
 *
 * Scans are pooled: a look-up that misses the row cache should cost the tree's descent and not the
 * making and freeing of arenas. A scan that an error cut off returns to the pool with the transaction.
 */
#include "core/access/toast/toast.h"
#include "core/access/count.h"
#include "core/base/interrupt.h"
#include "core/catalog/cat_internal.h"

#define SCAN_TIDS 128

struct CatScan {
    CatScan *next;             /* in the pool, or among the open ones */
    CatTable *table;
    CatIndex *index;           /* NULL: full scan */
    Arena *arena;              /* lives for the scan */
    Arena *row_arena;          /* what the current row had to have fetched */
    bool row_arena_used;
    Snapshot snapshot;
    CatRow row;
    Datum values[CAT_MAX_COLUMNS];
    bool nulls[CAT_MAX_COLUMNS];
    /* index scan */
    BtreeScan *btree;
    ItemPtr tids[SCAN_TIDS];
    int ntids, pos;
    Buf buf;
    /* full scan */
    HeapScan *heap;
    TupleBatch *batch;
};

static CatScan *free_scans, *open_scans;
bool catalog_bootstrapping;

/* ---- scans ---- */

static CatScan *
scan_get(void)
{
    CatScan *s = free_scans;

    if (s) {
        free_scans = s->next;
    } else {
        s = ARENA_NEW(arena_top(), CatScan);
        s->arena = arena_create(arena_top(), "catalog scan");
        s->row_arena = arena_create(arena_top(), "catalog row");
    }
    s->next = open_scans;
    open_scans = s;
    return s;
}

/* At the end of a transaction: errors leave scans behind, whose pins their owner has released. */
static void
scans_at_end(TxnEvent e, int nesting)
{
    if (e != TXN_COMMIT && e != TXN_ABORT && e != TXN_PREPARE)
        return;
    while (open_scans) {
        CatScan *s = open_scans;

        open_scans = s->next;
        arena_reset(s->arena);
        arena_reset(s->row_arena);
        s->next = free_scans;
        free_scans = s;
    }
}

void
cat_rows_init(void)
{
    static bool done;

    if (!done)
        txn_on_event(scans_at_end);
    done = true;
}

CatScan *
cat_scan_begin(Oid table, Oid index, int nkeys, const Datum *keys)
{
    static const bool no_nulls[CAT_INDEX_KEYS_MAX];
    CatTable *t = cat_table(table);
    CatScan *s = scan_get();

    ASSERT(t->shared || catalog_database != 0);
    s->table = t;
    s->index = index ? cat_index(index) : NULL;
    s->row_arena_used = false;
    s->snapshot = *snapshot_latest();
    s->row = (CatRow){t->natts, s->values, s->nulls, {BLOCK_INVALID, 0}, t};
    s->buf = BUF_INVALID;
    s->ntids = s->pos = 0;
    s->btree = NULL;
    s->heap = NULL;
    if (s->index) {
        StrBuf key;
        BtreeBound bound;
        bool any_null;

        ASSERT(s->index->table == t && nkeys <= s->index->nkeys);
        str_init(&key, s->arena);
        btree_encode(&s->index->btree, keys, no_nulls, nkeys, &key, &any_null);
        bound = (BtreeBound){key.data, key.len, true, nkeys > 0};
        s->btree = btree_scan_begin(s->arena, &s->index->btree, false);
        btree_scan_set(s->btree, bound, bound, false);
    } else {
        ASSERT(nkeys == 0);
        s->heap = heap_scan_begin(s->arena, &t->heap, &s->snapshot);
        s->batch = ARENA_NEW(s->arena, TupleBatch);
    }
    return s;
}

/* Makes what the page holds into plain values. */
static void
row_load(CatScan *s, const char *tup, uint32_t size, ItemPtr tid)
{
    const TupleLayout *l = s->table->heap.layout;

    tuple_deform(l, tup, size, s->values, s->nulls, l->natts);
    s->row.tid = tid;
    if (LIKELY(!(tuple_flags(tup) & (HEAP_HAS_EXTERNAL | HEAP_HAS_COMPRESSED))))
        return;
    for (int i = 0; i < l->natts; i++) {
        const char *p = datum_ptr(s->values[i]);

        if (s->nulls[i] || l->atts[i].len != -1 || !(var_is_external(p) || var_is_compressed(p)))
            continue;
        s->values[i] = toast_fetch(s->row_arena, s->values[i]);
        s->row_arena_used = true;
    }
}

static const CatRow *
next_by_index(CatScan *s)
{
    for (;;) {
        Tuple t;
        bool dead;

        if (s->pos == s->ntids) {
            s->ntids = btree_scan_next(s->btree, s->tids, SCAN_TIDS, NULL, NULL);
            s->pos = 0;
            if (s->ntids == 0)
                return NULL;
        }
        if (!heap_fetch_next(&s->table->heap, s->tids[s->pos++], &s->snapshot, &s->buf, &t, &dead)) {
            if (dead)
                btree_scan_kill(s->btree, s->pos - 1);
            continue;
        }
        count_index_fetched(&s->index->btree, 1);
        row_load(s, t.bytes, t.size, t.tid);
        return &s->row;
    }
}

static const CatRow *
next_by_heap(CatScan *s)
{
    while (s->pos == s->ntids) {
        if (!heap_scan_next(s->heap, s->batch))
            return NULL;
        s->ntids = s->batch->n;
        s->pos = 0;
    }
    row_load(s, s->batch->tup[s->pos], s->batch->size[s->pos], s->batch->tid[s->pos]);
    s->pos++;
    return &s->row;
}

const CatRow *
cat_scan_next(CatScan *s)
{
    if (s->row_arena_used) {
        arena_reset(s->row_arena);
        s->row_arena_used = false;
    }
    return s->index ? next_by_index(s) : next_by_heap(s);
}

void
cat_scan_end(CatScan *s)
{
    if (s->btree)
        btree_scan_end(s->btree);
    if (s->heap)
        heap_scan_end(s->heap);
    if (s->buf != BUF_INVALID)
        rbuf_unpin(s->buf);
    arena_reset(s->arena);
    if (s->row_arena_used)
        arena_reset(s->row_arena);
    for (CatScan **p = &open_scans; *p; p = &(*p)->next)
        if (*p == s) {
            *p = s->next;
            break;
        }
    s->next = free_scans;
    free_scans = s;
}

/* ---- values of a row ---- */

char *
cat_name(Arena *a, const CatRow *r, int attnum)
{
    const CatTable *t = r->table;
    const char *p;

    if (cat_null(r, attnum))
        return NULL;
    p = datum_ptr(cat_val(r, attnum));
    if (t->columns[attnum - 1].type != NAME_OID)
        return var_to_cstring(a, cat_val(r, attnum));
    return arena_strndup(a, p, strnlen(p, NAME_BYTES));
}

Datum
cat_name_datum(Arena *a, const char *name)
{
    char *p = arena_alloc0(a, NAME_BYTES);

    memcpy(p, name, utf8_clip(name, strlen(name), NAME_BYTES - 1));
    return ptr_datum(p);
}

void
cat_values_init(Datum *values, bool *nulls, int n)
{
    memset(values, 0, sizeof(Datum) * (size_t)n);
    memset(nulls, true, sizeof(bool) * (size_t)n);
}

static Datum
make_array(Arena *a, Oid elem, const Datum *v, int n, int lbound)
{
    return array_construct(a, elem, 1, &n, &lbound, v, NULL);
}

Datum
cat_oidvector(Arena *a, const Oid *oids, int n)
{
    Datum v[MAX_FN_ARGS + MAX_INDEX_KEYS];

    for (int i = 0; i < n; i++)
        v[i] = oid_datum(oids[i]);
    return make_array(a, OID_OID, v, n, 0);
}

Datum
cat_int2vector(Arena *a, const int16_t *x, int n)
{
    Datum v[MAX_FN_ARGS];

    for (int i = 0; i < n; i++)
        v[i] = int16_datum(x[i]);
    return make_array(a, INT2_OID, v, n, 0);
}

Datum
cat_oid_array(Arena *a, const Oid *oids, int n)
{
    Datum *v = ARENA_ARRAY(a, Datum, MAX(n, 1));

    for (int i = 0; i < n; i++)
        v[i] = oid_datum(oids[i]);
    return array_construct_1d(a, OID_OID, v, NULL, n);
}

Datum
cat_int2_array(Arena *a, const int16_t *x, int n)
{
    Datum *v = ARENA_ARRAY(a, Datum, MAX(n, 1));

    for (int i = 0; i < n; i++)
        v[i] = int16_datum(x[i]);
    return array_construct_1d(a, INT2_OID, v, NULL, n);
}

Datum
cat_text_array(Arena *a, char *const *x, int n)
{
    Datum *v = ARENA_ARRAY(a, Datum, MAX(n, 1));

    for (int i = 0; i < n; i++)
        v[i] = var_from_cstring(a, x[i]);
    return array_construct_1d(a, TEXT_OID, v, NULL, n);
}

/* Elements lie unaligned and without nulls one after the other (type.h). */
int
cat_int2_list(Datum array, int16_t *out, int max)
{
    ArrayView v;
    int n;

    array_view(array, &v);
    n = MIN(v.count, max);
    for (int i = 0; i < n; i++)
        out[i] = (int16_t)load_u16(v.data + 2 * i);
    return n;
}

int
cat_oid_list(Datum array, Oid *out, int max)
{
    ArrayView v;
    int n;

    array_view(array, &v);
    n = MIN(v.count, max);
    for (int i = 0; i < n; i++)
        out[i] = load_u32(v.data + 4 * i);
    return n;
}

/* ---- changes ---- */

static void
index_values(const CatIndex *ix, const Datum *values, const bool *nulls, Datum *out, bool *outnull)
{
    for (int i = 0; i < ix->nkeys; i++) {
        out[i] = values[ix->attnums[i] - 1];
        outnull[i] = nulls[ix->attnums[i] - 1];
    }
}

static void
insert_index_entries(CatTable *t, const Datum *values, const bool *nulls, ItemPtr tid)
{
    for (int k = 0; k < t->nindexes; k++) {
        CatIndex *ix = t->indexes[k];
        Datum v[CAT_INDEX_KEYS_MAX];
        bool n[CAT_INDEX_KEYS_MAX];

        index_values(ix, values, nulls, v, n);
        (void)btree_insert(&ix->btree, &t->heap, v, n, tid, ix->unique ? UNIQUE_YES : UNIQUE_NO, NULL);
    }
}

ItemPtr
cat_insert(Oid table, const Datum *values, const bool *nulls)
{
    CatTable *t = cat_table(table);
    ItemPtr tid;

    for (int i = 0; i < t->natts; i++)
        if (UNLIKELY(nulls[i] && t->columns[i].not_null))
            INTERNAL_ERROR("null value in column \"%s\" of catalog %s", t->columns[i].name, t->name);
    if (catalog_bootstrapping)
        return heap_insert(&t->heap, values, nulls, txn_command(true), HEAP_INSERT_FROZEN);
    inval_row(t, values, nulls);
    tid = heap_insert(&t->heap, values, nulls, txn_command(true), 0);
    insert_index_entries(t, values, nulls, tid);
    return tid;
}

static bool
datum_same(Datum a, Datum b, const AttrPhys *p)
{
    if (p->byval)
        return a == b;
    if (p->len > 0)
        return memcmp(datum_ptr(a), datum_ptr(b), (size_t)p->len) == 0;
    return var_equal(a, b);
}

static void
check_tm(const CatTable *t, TmResult r, const char *verb)
{
    if (LIKELY(r == TM_OK))
        return;
    if (r == TM_SELF_MODIFIED)
        INTERNAL_ERROR("tuple already updated by self");
    if (r == TM_DELETED)
        INTERNAL_ERROR("tuple concurrently deleted");
    INTERNAL_ERROR("tuple concurrently updated");
}

/* The row as it stands on its page; its buffer stays pinned. */
static bool
old_version(CatTable *t, ItemPtr tid, Buf *buf, Datum *values, bool *nulls)
{
    static const Snapshot any = {.kind = SNAPSHOT_ANY};
    Tuple old;

    if (!heap_fetch_version(&t->heap, tid, &any, buf, &old))
        return false;
    tuple_deform(t->heap.layout, old.bytes, old.size, values, nulls, t->natts);
    return true;
}

void
cat_update(Oid table, ItemPtr tid, const Datum *values, const bool *nulls)
{
    CatTable *t = cat_table(table);
    Datum old[CAT_MAX_COLUMNS];
    bool old_nulls[CAT_MAX_COLUMNS], changed = false, key_changed = false, hot = false;
    ItemPtr new_tid;
    TmFailure fail;
    Buf buf;

    if (!old_version(t, tid, &buf, old, old_nulls))
        INTERNAL_ERROR("tuple to be updated was already modified");
    for (int k = 0; k < t->nindexes; k++) {
        const CatIndex *ix = t->indexes[k];

        for (int i = 0; i < ix->nkeys; i++) {
            int c = ix->attnums[i] - 1;

            if (nulls[c] == old_nulls[c] && (nulls[c] || datum_same(values[c], old[c], &t->heap.layout->atts[c])))
                continue;
            changed = true;
            key_changed |= ix->unique;
        }
    }
    inval_row(t, old, old_nulls);
    inval_row(t, values, nulls);
    rbuf_unpin(buf);
    check_tm(t, heap_update(&t->heap, tid, values, nulls, txn_command(true), NULL, true, key_changed, changed, &new_tid, &hot, &fail), "update");
    if (!hot)
        insert_index_entries(t, values, nulls, new_tid);
}

void
cat_delete(Oid table, ItemPtr tid)
{
    CatTable *t = cat_table(table);
    Datum old[CAT_MAX_COLUMNS];
    bool old_nulls[CAT_MAX_COLUMNS];
    TmFailure fail;
    Buf buf;

    if (!old_version(t, tid, &buf, old, old_nulls))
        INTERNAL_ERROR("tuple to be deleted was already modified");
    inval_row(t, old, old_nulls);
    rbuf_unpin(buf);
    check_tm(t, heap_delete(&t->heap, tid, txn_command(true), NULL, true, &fail), "delete");
}

void
cat_edit_begin(CatEdit *e, Oid table, const CatRow *r)
{
    e->table = table;
    e->tid = r->tid;
    memcpy(e->values, r->values, sizeof(Datum) * (size_t)r->ncols);
    memcpy(e->nulls, r->nulls, sizeof(bool) * (size_t)r->ncols);
}

void
cat_edit_end(CatEdit *e)
{
    cat_update(e->table, e->tid, e->values, e->nulls);
}

void
cat_overwrite(Oid table, ItemPtr tid, void (*change)(Datum *values, bool *nulls, void *arg), void *arg)
{
    CatTable *t = cat_table(table);
    Datum values[CAT_MAX_COLUMNS];
    bool nulls[CAT_MAX_COLUMNS];
    Buf buf;

    if (!old_version(t, tid, &buf, values, nulls))
        INTERNAL_ERROR("tuple to be overwritten is gone");
    inval_row(t, values, nulls);
    change(values, nulls, arg);
    /* The old bytes are the source of the values that do not change: filled from a copy. */
    for (int i = 0; i < t->natts; i++)
        if (!nulls[i] && !t->heap.layout->atts[i].byval) {
            const char *p = datum_ptr(values[i]);
            int16_t len = t->heap.layout->atts[i].len;
            size_t n = len > 0 ? (size_t)len : var_is_external(p) ? TOAST_POINTER_BYTES : var_size(p);

            values[i] = ptr_datum(arena_memdup(txn_current_arena(), p, n));
        }
    heap_overwrite(&t->heap, tid, values, nulls);
    rbuf_unpin(buf);
}

/* ---- OIDs ---- */

static Oid next_system_oid = OID_FIRST_UNPINNED;
bool catalog_system_oids;

Oid
cat_system_oid(void)
{
    CHECK(next_system_oid < OID_FIRST_USER);
    return next_system_oid++;
}

/*
 * The counter wraps after four thousand million, so a number may be in use. A row of a transaction that
 * is still in progress counts as well: so every entry is looked at, visible or not, except dead ones.
 */
static bool
oid_in_use(CatTable *t, Oid oid)
{
    Datum key = oid_datum(oid);
    bool null = false;
    ItemPtr tid;
    Xid wait;

    return btree_find_conflict(&t->oid_index->btree, &t->heap, &key, &null, (ItemPtr){BLOCK_INVALID, OFFSET_INVALID}, &tid, &wait);
}

Oid
cat_new_oid(Oid table)
{
    CatTable *t = cat_table(table);

    if (catalog_bootstrapping)
        return cat_system_oid();
    for (;;) {
        Oid oid = catalog_system_oids ? cat_system_oid() : oid_next();

        if (!t->oid_index || !oid_in_use(t, oid))
            return oid;
        CHECK_INTERRUPTS();
    }
}
