/*
 * Making indexes: their rows, and filling them from the heap.
 *
 * The scan for a build looks at every version a transaction may still see, not only at what its own
 * snapshot shows. The entry of a heap-only tuple carries the address of its chain's root line. Rows
 * that only old snapshots see get entries too, but take no part in the uniqueness check; of a chain only
 * the newest version is entered (an older transaction that reads by the new index would miss the older
 * version if the key was changed: as PostgreSQL's broken HOT chains, without its indcheckxmin).
 */
#include <stdio.h>

#include "core/access/count.h"
#include "core/access/toast/toast.h"
#include "core/base/interrupt.h"
#include "core/catalog/build.h"

#define LINES_MAX 512 /* line pointers of a page: (8192 - 32) / (24 + 4) and some */

/* ---- the heap scan ---- */

typedef struct HeapRow { const char *tup; uint32_t size; ItemPtr tid; bool alive; } HeapRow;

typedef struct IndexScanState {
    RelDesc *heap;
    IndexDesc *index;
    BlockNo blocks, next_block;
    Lsn horizon;
    Buf buf;
    BufRing *ring;
    HeapRow rows[LINES_MAX];
    int nrows, pos;
    Datum *values;  /* of the heap row */
    bool *nulls;
    Arena *scratch; /* values fetched for the current row */
    uint64_t live;  /* rows that count as the table's */
} IndexScanState;

/* roots[line] = the line indexes point to for the tuple at line; 0: reached from nowhere. */
static void
find_roots(const char *page, int count, OffsetNo *roots)
{
    memset(roots, 0, sizeof(OffsetNo) * (size_t)(count + 1));
    for (int root = 1; root <= count; root++) {
        LinePtr lp = page_line(page, (OffsetNo)root);
        OffsetNo at = (OffsetNo)root;
        Xid prior = XID_INVALID;

        if (LINE_STATE(lp) == LINE_REDIRECT)
            at = (OffsetNo)LINE_OFFSET(lp);
        else if (LINE_STATE(lp) != LINE_NORMAL || (tuple_flags(page_item(page, lp)) & HEAP_HEAP_ONLY))
            continue;
        for (int steps = 0; steps <= count && at >= 1 && at <= count; steps++) {
            const char *t;

            lp = page_line(page, at);
            if (LINE_STATE(lp) != LINE_NORMAL)
                break;
            t = page_item(page, lp);
            if (prior != XID_INVALID && tuple_xmin(t) != prior)
                break; /* the line has been given to another row */
            roots[at] = (OffsetNo)root;
            if (!(tuple_flags(t) & HEAP_HOT_UPDATED))
                break;
            prior = tuple_xmax(t);
            if (tuple_flags(t) & HEAP_XMAX_MULTI)
                prior = XID_INVALID;
            at = tuple_ctid(t).off;
        }
    }
}

static void
collect_page(IndexScanState *s)
{
    char *page = buf_page(s->buf);
    OffsetNo roots[LINES_MAX + 1];
    int count = MIN(page_line_count(page), LINES_MAX);

    s->nrows = s->pos = 0;
    if (page_is_new(page))
        return;
    find_roots(page, count, roots);
    for (int line = 1; line <= count; line++) {
        LinePtr lp = page_line(page, (OffsetNo)line);
        char *t;
        bool alive = true, hot;

        if (LINE_STATE(lp) != LINE_NORMAL)
            continue;
        t = page_item(page, lp);
        hot = (tuple_flags(t) & HEAP_HOT_UPDATED) != 0;
        switch (tuple_vacuum_state(t, s->horizon, s->buf)) {
        case TUPLE_DEAD:
            continue;
        case TUPLE_RECENTLY_DEAD:
        case TUPLE_DELETE_IN_PROGRESS:
            if (hot)
                continue;
            alive = false;
            break;
        case TUPLE_LIVE:
        case TUPLE_INSERT_IN_PROGRESS:
            s->live++;
            break;
        }
        if (roots[line] == 0)
            continue; /* heap-only, and its chain was cut by a rollback: nobody sees it */
        s->rows[s->nrows++] = (HeapRow){t, LINE_LENGTH(lp), {s->next_block, roots[line]}, alive};
    }
}

static bool
next_row(IndexScanState *s)
{
    while (s->pos == s->nrows) {
        if (s->buf != BUF_INVALID) {
            rbuf_unpin(s->buf);
            s->buf = BUF_INVALID;
        }
        if (s->next_block >= s->blocks)
            return false;
        CHECK_INTERRUPTS();
        CountIo io = count_io_begin();
        StatsRel *counts = count_heap(&s->heap->heap);
        s->buf = rbuf_read_mode(s->heap->heap.locator, FORK_MAIN, s->next_block, BUF_NORMAL, s->ring);
        buf_lock(s->buf, LW_EXCLUSIVE); /* the state test may set hint bits; writers are kept off anyway */
        collect_page(s);
        buf_unlock(s->buf);
        if (counts)
            counts->returned += s->nrows;
        count_io_end(counts, io);
        s->next_block++;
    }
    return true;
}

/* The columns an index names as plain values: those of expressions and predicates are the hook's. */
static void
plain_values(IndexScanState *s, const HeapRow *r)
{
    const TupleLayout *l = s->heap->heap.layout;

    tuple_deform(l, r->tup, r->size, s->values, s->nulls, l->natts);
    if (!(tuple_flags(r->tup) & (HEAP_HAS_EXTERNAL | HEAP_HAS_COMPRESSED)))
        return;
    for (int i = 0; i < l->natts; i++)
        if (!s->nulls[i] && l->atts[i].len == -1) {
            const char *p = datum_ptr(s->values[i]);

            if (var_is_external(p) || var_is_compressed(p))
                s->values[i] = toast_fetch(s->scratch, s->values[i]);
        }
}

static bool
build_next(void *arg, Datum *values, bool *nulls, ItemPtr *tid, bool *alive)
{
    IndexScanState *s = arg;

    for (;;) {
        const HeapRow *r;

        arena_reset(s->scratch);
        if (!next_row(s))
            return false;
        r = &s->rows[s->pos++];
        plain_values(s, r);
        *tid = r->tid;
        *alive = r->alive;
        if (s->index->expr_trees || s->index->predicate_tree) {
            if (!index_expr_hook(s->index, s->heap, s->values, s->nulls, values, nulls))
                continue;
            return true;
        }
        for (int i = 0; i < s->index->ncolumns; i++) {
            values[i] = s->values[s->index->attnums[i] - 1];
            nulls[i] = s->nulls[s->index->attnums[i] - 1];
        }
        return true;
    }
}

void
index_build(Oid index)
{
    IndexDesc *x = rel_cached(index)->index;
    RelDesc *heap = rel_cached(x->heap);
    Arena *a = arena_create(txn_current_arena(), "index build");
    IndexScanState *s = ARENA_NEW(a, IndexScanState);
    uint64_t entries = 0;

    if ((x->expr_trees || x->predicate_tree) && !index_expr_hook)
        UNSUPPORTED("indexes on expressions are not available here");
    s->heap = heap;
    s->index = x;
    s->blocks = heap_blocks(&heap->heap);
    s->horizon = horizon_lsn(heap->shared);
    s->buf = BUF_INVALID;
    s->ring = buf_ring_create(a, BUF_RING_BULK_READ);
    s->values = ARENA_ARRAY(a, Datum, MAX(heap->natts, 1));
    s->nulls = ARENA_ARRAY(a, bool, MAX(heap->natts, 1));
    s->scratch = arena_create(a, "index build row");
    count_heap_scan(&heap->heap);
    btree_build(x->btree, &heap->heap, build_next, s, &entries);
    if (s->buf != BUF_INVALID)
        rbuf_unpin(s->buf);
    if (!catalog_bootstrapping) {
        rel_update_stats(x->heap, (double)s->live, (int)s->blocks, heap->relallvisible);
        rel_update_stats(index, (double)entries, (int)btree_blocks(x->btree), 0);
        txn_command_increment();
    }
    arena_destroy(a);
}

/* ---- rows ---- */

static char *
unique_column_name(Arena *a, const char *name, const NewColumn *cols, int n)
{
    char *out = arena_strdup(a, name);

    for (int pass = 1;; pass++) {
        bool taken = false;
        char suffix[16];

        for (int i = 0; i < n; i++)
            taken |= strcmp(cols[i].name, out) == 0;
        if (!taken)
            return out;
        snprintf(suffix, sizeof suffix, "%d", pass);
        out = arena_printf(a, "%.*s%s", (int)utf8_clip(name, strlen(name), NAME_BYTES - 1 - strlen(suffix)), name, suffix);
    }
}

static void
put_index_row(Oid index, Oid heap, int nkeys, int ncolumns, const int16_t *attnums, const Oid *opclasses, const Oid *collations,
              const int16_t *options, const char *exprs, const char *predicate, bool unique, bool primary, bool immediate, bool nulls_not_distinct)
{
    Arena *a = txn_current_arena();
    Datum v[CAT_MAX_COLUMNS];
    bool n[CAT_MAX_COLUMNS];

    cat_values_init(v, n, CAT_MAX_COLUMNS);
    CAT_SET(v, n, PG_INDEX_INDEXRELID, oid_datum(index));
    CAT_SET(v, n, PG_INDEX_INDRELID, oid_datum(heap));
    CAT_SET(v, n, PG_INDEX_INDNATTS, int16_datum((int16_t)ncolumns));
    CAT_SET(v, n, PG_INDEX_INDNKEYATTS, int16_datum((int16_t)nkeys));
    CAT_SET(v, n, PG_INDEX_INDISUNIQUE, bool_datum(unique));
    CAT_SET(v, n, PG_INDEX_INDNULLSNOTDISTINCT, bool_datum(nulls_not_distinct));
    CAT_SET(v, n, PG_INDEX_INDISPRIMARY, bool_datum(primary));
    CAT_SET(v, n, PG_INDEX_INDISEXCLUSION, bool_datum(false));
    CAT_SET(v, n, PG_INDEX_INDIMMEDIATE, bool_datum(immediate));
    CAT_SET(v, n, PG_INDEX_INDISCLUSTERED, bool_datum(false));
    CAT_SET(v, n, PG_INDEX_INDISVALID, bool_datum(true));
    CAT_SET(v, n, PG_INDEX_INDCHECKXMIN, bool_datum(false));
    CAT_SET(v, n, PG_INDEX_INDISREADY, bool_datum(true));
    CAT_SET(v, n, PG_INDEX_INDISLIVE, bool_datum(true));
    CAT_SET(v, n, PG_INDEX_INDISREPLIDENT, bool_datum(false));
    CAT_SET(v, n, PG_INDEX_INDKEY, cat_int2vector(a, attnums, ncolumns));
    CAT_SET(v, n, PG_INDEX_INDCOLLATION, cat_oidvector(a, collations, nkeys));
    CAT_SET(v, n, PG_INDEX_INDCLASS, cat_oidvector(a, opclasses, nkeys));
    CAT_SET(v, n, PG_INDEX_INDOPTION, cat_int2vector(a, options, nkeys));
    if (exprs)
        CAT_SET(v, n, PG_INDEX_INDEXPRS, var_from_cstring(a, exprs));
    if (predicate)
        CAT_SET(v, n, PG_INDEX_INDPRED, var_from_cstring(a, predicate));
    (void)cat_insert(CAT_PG_INDEX, v, n);
}

void
index_insert_row(Oid index, Oid heap, int nkeys, const int16_t *attnums, const Oid *opclasses, const Oid *collations, bool unique, bool primary)
{
    static const int16_t options[MAX_INDEX_KEYS];

    put_index_row(index, heap, nkeys, nkeys, attnums, opclasses, collations, options, NULL, NULL, unique, primary, true, false);
}

static void
index_dependencies(Oid index, RelDesc *heap, int ncolumns, const int16_t *attnums, int nkeys, const Oid *opclasses, const Oid *collations,
                   const List *exprs, const void *predicate)
{
    ObjAddr self = {CAT_PG_CLASS, index, 0};
    bool any = false;

    if (heap->kind == 't') {
        depend_add(self, (ObjAddr){CAT_PG_CLASS, heap->oid, 0}, 'a');
        return;
    }
    for (int i = 0; i < ncolumns; i++) {
        bool seen = attnums[i] == 0;

        for (int k = 0; k < i; k++)
            seen |= attnums[k] == attnums[i];
        if (!seen)
            depend_add(self, (ObjAddr){CAT_PG_CLASS, heap->oid, attnums[i]}, 'a');
        any |= attnums[i] != 0;
    }
    if (!any && !exprs)
        depend_add(self, (ObjAddr){CAT_PG_CLASS, heap->oid, 0}, 'a');
    for (int i = 0; i < nkeys; i++) {
        depend_add(self, (ObjAddr){CAT_PG_OPCLASS, opclasses[i], 0}, 'n');
        if (collations[i] && collations[i] != COLLATION_DEFAULT)
            depend_add(self, (ObjAddr){CAT_PG_COLLATION, collations[i], 0}, 'n');
    }
    for (int i = 0; i < list_count(exprs); i++)
        depend_add_expr(self, list_at(exprs, i), heap->oid, 'a');
    if (predicate)
        depend_add_expr(self, predicate, heap->oid, 'a');
    /* An index over nothing but expressions without columns still goes with its table. */
    if (!any && exprs)
        depend_add(self, (ObjAddr){CAT_PG_CLASS, heap->oid, 0}, 'a');
}

Oid
index_create(Oid heap_oid, const char *name, int nkeys, int ncolumns, const int16_t *attnums, const Oid *opclasses, const Oid *collations,
             const int16_t *options, const List *exprs, const void *predicate, bool unique, bool primary, bool immediate, bool nulls_not_distinct,
             bool build)
{
    Arena *a = txn_current_arena();
    RelDesc *heap = rel_cached(heap_oid);
    NewColumn *cols = ARENA_ARRAY(a, NewColumn, ncolumns);
    char *expr_text = NULL, *predicate_text = NULL;
    NewRelation x = {.name = name, .nsp = heap->nsp, .kind = 'i', .persistence = heap->persistence, .owner = heap->owner, .natts = ncolumns,
                     .tablespace = heap->tablespace};
    RelLocator l;
    CatEdit e;
    int next_expr = 0;

    if (ncolumns > MAX_INDEX_KEYS)
        RAISE(SQLSTATE_TOO_MANY_COLUMNS, "cannot use more than %d columns in an index", MAX_INDEX_KEYS);
    if (cat_get(IDX_PG_CLASS_RELNAME_NSP_INDEX, ptr_datum(name), oid_datum(heap->nsp), 0, 0))
        RAISE(SQLSTATE_DUPLICATE_TABLE, "relation \"%s\" already exists", name);
    if ((exprs || predicate) && (!tree_write_hook || !tree_write_list_hook || !tree_expr_info_hook))
        UNSUPPORTED("indexes on expressions are not available here");
    for (int i = 0; i < ncolumns; i++) {
        NewColumn *c = &cols[i];

        if (attnums[i] != 0) {
            const ColDesc *src = &heap->cols[attnums[i] - 1];

            *c = (NewColumn){.name = src->name, .type = src->type, .typmod = src->typmod, .ndims = src->ndims};
        } else {
            const char *given = NULL;
            Oid collation;

            tree_expr_info_hook(list_at(exprs, next_expr++), &c->type, &c->typmod, &collation, &given);
            c->name = given ? given : "expr";
        }
        c->name = unique_column_name(a, c->name, cols, i);
        c->collation = i < nkeys ? collations[i] : 0;
    }
    if (exprs)
        expr_text = tree_write_list_hook(a, exprs);
    if (predicate)
        predicate_text = tree_write_hook(a, predicate);
    x.oid = cat_new_oid(CAT_PG_CLASS);
    x.filenode = relfilenode_new(x.oid, x.tablespace, false);
    l = (RelLocator){x.tablespace ? x.tablespace : catalog_database_tablespace, catalog_database, x.filenode};
    storage_create(l, heap->persistence == 'p');
    stats_note_created(catalog_database, x.oid);
    rel_insert_class_row(&x);
    for (int i = 0; i < ncolumns; i++)
        rel_insert_attribute_plain(x.oid, i + 1, &cols[i]);
    put_index_row(x.oid, heap_oid, nkeys, ncolumns, attnums, opclasses, collations, options, expr_text, predicate_text, unique, primary, immediate,
                  nulls_not_distinct);
    index_dependencies(x.oid, heap, ncolumns, attnums, nkeys, opclasses, collations, exprs, predicate);
    if (!heap->has_index) {
        rel_edit_class(&e, heap_oid);
        CAT_SET(e.values, e.nulls, PG_CLASS_RELHASINDEX, bool_datum(true));
        cat_edit_end(&e);
    }
    rel_invalidate(heap_oid);
    txn_command_increment();
    if (build)
        index_build(x.oid);
    return x.oid;
}
