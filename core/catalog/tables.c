/*
 * The catalog tables as they are in every database, built from tables.def without reading a page: what
 * rows.c and cache.c scan. So a look-up in a catalog needs no look-up in another one.
 *
 * Files: a catalog's relfilenode is its OID, for ever (they are never rewritten or truncated); those of
 * shared catalogs stand in global/.
 */
#include "core/catalog/cat_internal.h"

#include <stdlib.h>

#define CATALOG(name, NAME, oid, rowtype, shared)
#define COLUMN(table, TABLE, attnum, name, NAME, type, notnull)
#define TOAST(table, toast, index)
#define CINDEX(name, NAME, oid, table, TABLE, unique, primary, columns)

/* ---- the data, flat ---- */
#undef CATALOG
#define CATALOG(name_, NAME, oid_, rowtype, shared_) {.oid = oid_, .row_type = rowtype, .name = #name_, .shared = shared_},
CatTable cat_tables[] = {
#include "core/catalog/tables.def"
};
const int cat_table_count = COUNT_OF(cat_tables);
#undef CATALOG
#define CATALOG(name, NAME, oid, rowtype, shared)

#undef COLUMN
#define COLUMN(table, TABLE, attnum, name, NAME, type, notnull) {CAT_##TABLE, attnum, #name, type, notnull},
static const struct { Oid table; int attnum; const char *name, *type; bool not_null; } column_rows[] = {
#include "core/catalog/tables.def"
};
#undef COLUMN
#define COLUMN(table, TABLE, attnum, name, NAME, type, notnull)

#undef TOAST
#define TOAST(table, toast, index) {#table, toast, index},
static const struct { const char *table; Oid toast, index; } toast_rows[] = {
#include "core/catalog/tables.def"
};
#undef TOAST
#define TOAST(table, toast, index)

#undef CINDEX
#define CINDEX(name, NAME, oid, table, TABLE, unique, primary, columns) {oid, #name, CAT_##TABLE, unique, primary, columns},
static const struct { Oid oid; const char *name; Oid table; bool unique, primary; const char *columns; } index_rows[] = {
#include "core/catalog/tables.def"
};

static CatIndex indexes[COUNT_OF(index_rows)];
static CatColumn columns[COUNT_OF(column_rows)];
static CatIndex *index_lists[COUNT_OF(index_rows)];
static uint8_t table_by_oid[BUILTIN_OIDS], index_by_oid[BUILTIN_OIDS], toast_by_oid[BUILTIN_OIDS];
STATIC_ASSERT(COUNT_OF(cat_tables) < 255 && COUNT_OF(index_rows) < 255);
static bool ready;
static TupleLayout *toast_layout;

CatTable *
cat_table_find(Oid oid)
{
    int i = oid < BUILTIN_OIDS ? table_by_oid[oid] : 0;

    return i ? &cat_tables[i - 1] : NULL;
}

CatTable *
cat_table(Oid oid)
{
    CatTable *t = cat_table_find(oid);

    if (UNLIKELY(!t))
        INTERNAL_ERROR("relation %u is not a system catalog", oid);
    return t;
}

CatIndex *
cat_index_find(Oid oid)
{
    int i = oid < BUILTIN_OIDS ? index_by_oid[oid] : 0;

    return i ? &indexes[i - 1] : NULL;
}

CatIndex *
cat_index(Oid oid)
{
    CatIndex *ix = cat_index_find(oid);

    if (UNLIKELY(!ix))
        INTERNAL_ERROR("relation %u is not an index of a system catalog", oid);
    return ix;
}

bool
cat_is_system_rel(Oid oid)
{
    return oid < BUILTIN_OIDS && (table_by_oid[oid] || index_by_oid[oid] || toast_by_oid[oid]);
}

bool
cat_rel_is_shared(Oid oid)
{
    if (oid >= BUILTIN_OIDS)
        return false;
    if (table_by_oid[oid])
        return cat_tables[table_by_oid[oid] - 1].shared;
    if (index_by_oid[oid])
        return indexes[index_by_oid[oid] - 1].table->shared;
    return toast_by_oid[oid] && cat_tables[toast_by_oid[oid] - 1].shared;
}

bool
cat_toast_find(Oid toast, HeapRel **rel, BtreeIndex **index)
{
    int i = toast < BUILTIN_OIDS ? toast_by_oid[toast] : 0;

    if (!i)
        return false;
    *rel = &cat_tables[i - 1].toast_heap;
    *index = &cat_tables[i - 1].toast_btree;
    return true;
}

void
cat_type_physical(Oid type, int16_t *len, bool *byval)
{
    const TypeOps *ops = type_ops(type);

    if (ops) {
        *len = ops->len;
        *byval = ops->byval;
    } else {
        const TypeDef *d = builtin_type_def(type);

        *len = d && d->len > 0 ? d->len : -1;
        *byval = d && d->byval;
    }
}

Oid
cat_column_collation(Oid type)
{
    const TypeDef *d = builtin_type_def(type);

    return d && d->collation ? COLLATION_C : 0;
}

const TupleLayout *
cat_toast_layout(void)
{
    static const AttrSpec specs[] = {
        {.type = OID_OID, .len = 4, .byval = true, .not_null = true, .late_rank = -1, .storage = 'p'},
        {.type = INT4_OID, .len = 4, .byval = true, .not_null = true, .late_rank = -1, .storage = 'p'},
        {.type = BYTEA_OID, .len = -1, .not_null = true, .late_rank = -1, .storage = 'p'},
    };

    if (!toast_layout)
        toast_layout = layout_build(arena_top(), specs, COUNT_OF(specs));
    return toast_layout;
}

void
cat_toast_index_init(BtreeIndex *ix, BtreeKeyColumn cols[2])
{
    cols[0] = (BtreeKeyColumn){.type = OID_OID, .ops = type_ops(OID_OID)};
    cols[1] = (BtreeKeyColumn){.type = INT4_OID, .ops = type_ops(INT4_OID)};
    ix->columns = cols;
    ix->nkeys = ix->ncolumns = 2;
    ix->unique = ix->immediate = true;
    ix->can_return_values = true;
    ix->root_block = ix->last_leaf = BLOCK_INVALID;
    ix->root_hint = ix->last_leaf_hint = BUF_INVALID;
}

static void
heap_rel_init(HeapRel *h, Oid oid, const char *name, const TupleLayout *layout)
{
    h->oid = oid;
    h->name = name;
    h->layout = layout;
    h->logged = true;
    h->fillfactor = 100;
    h->insert_block = BLOCK_INVALID;
    h->insert_hint = BUF_INVALID;
}

static void
index_init(CatIndex *ix, int row)
{
    CatTable *t = cat_table(index_rows[row].table);
    const char *p = index_rows[row].columns;
    BtreeIndex *b = &ix->btree;

    ix->oid = index_rows[row].oid;
    ix->name = index_rows[row].name;
    ix->table = t;
    ix->unique = index_rows[row].unique;
    ix->primary = index_rows[row].primary;
    for (; *p; p += *p == ' ') {
        CHECK(ix->nkeys < CAT_INDEX_KEYS_MAX);
        ix->attnums[ix->nkeys++] = (int16_t)strtol(p, (char **)(uintptr_t)&p, 10);
    }
    b->oid = ix->oid;
    b->heap_oid = t->oid;
    b->name = ix->name;
    b->logged = true;
    b->unique = ix->unique;
    b->immediate = true;
    b->nkeys = b->ncolumns = ix->nkeys;
    b->columns = ARENA_ARRAY(arena_top(), BtreeKeyColumn, ix->nkeys);
    b->can_return_values = true;
    for (int i = 0; i < ix->nkeys; i++) {
        Oid type = t->columns[ix->attnums[i] - 1].type;

        b->columns[i] = (BtreeKeyColumn){.type = type, .collation = cat_column_collation(type), .ops = type_ops(type)};
        if (!b->columns[i].ops || !b->columns[i].ops->key_encode)
            PANIC("type %u in index %s cannot be indexed", type, ix->name);
        b->can_return_values &= b->columns[i].ops->key_decode != NULL;
    }
    b->root_block = b->last_leaf = BLOCK_INVALID;
    b->root_hint = b->last_leaf_hint = BUF_INVALID;
    if (ix->unique && ix->nkeys == 1 && strcmp(t->columns[ix->attnums[0] - 1].name, "oid") == 0)
        t->oid_index = ix;
}

/* Array types of the row types stand one below them, but for those with OIDs of their own. */
static Oid
row_array_type(const CatTable *t)
{
    switch (t->row_type) {
    case 71: return 210;
    case 75: return 270;
    case 81: return 272;
    case 83: return 273;
    case 1248: return 10052;
    case 2842: return 10057;
    case 2843: return 10058;
    case 4066: return 10093;
    case 6101: return 10112;
    default: return t->row_type - 1;
    }
}

/* One column's type is no built-in one: the array of a catalog's rows. */
static Oid
column_type(const char *name)
{
    Oid type = builtin_type_oid(name);

    for (int i = 0; i < cat_table_count && type == 0; i++)
        if (name[0] == '_' && strcmp(cat_tables[i].name, name + 1) == 0)
            type = row_array_type(&cat_tables[i]);
    return type;
}

static void
layout_init(CatTable *t)
{
    AttrSpec specs[CAT_MAX_COLUMNS] = {{0}};

    for (int i = 0; i < t->natts; i++) {
        const TypeDef *d = builtin_type_def(t->columns[i].type);

        specs[i].type = t->columns[i].type;
        cat_type_physical(specs[i].type, &specs[i].len, &specs[i].byval);
        specs[i].not_null = t->columns[i].not_null;
        specs[i].late_rank = -1;
        specs[i].storage = d ? d->storage : 'x';
    }
    heap_rel_init(&t->heap, t->oid, t->name, layout_build(arena_top(), specs, t->natts));
}

void
cat_tables_init(void)
{
    int at = 0, list_at = 0;

    if (ready)
        return;
    builtins_init();
    for (int i = 0; i < cat_table_count; i++) {
        CatTable *t = &cat_tables[i];

        table_by_oid[t->oid] = (uint8_t)(i + 1);
        t->row_array_type = row_array_type(t);
        t->columns = &columns[at];
        while (at < (int)COUNT_OF(column_rows) && column_rows[at].table == t->oid) {
            columns[at].name = column_rows[at].name;
            columns[at].type = column_type(column_rows[at].type);
            columns[at].not_null = column_rows[at].not_null;
            CHECK(columns[at].type != 0 && column_rows[at].attnum == t->natts + 1);
            t->natts++;
            at++;
        }
        CHECK(t->natts > 0 && t->natts <= CAT_MAX_COLUMNS);
        layout_init(t);
    }
    for (int i = 0; i < (int)COUNT_OF(index_rows); i++) {
        index_by_oid[index_rows[i].oid] = (uint8_t)(i + 1);
        index_init(&indexes[i], i);
    }
    for (int i = 0; i < cat_table_count; i++) {
        CatTable *t = &cat_tables[i];

        t->indexes = &index_lists[list_at];
        for (int k = 0; k < (int)COUNT_OF(indexes); k++)
            if (indexes[k].table == t) {
                index_lists[list_at++] = &indexes[k];
                t->nindexes++;
            }
    }
    for (int i = 0; i < (int)COUNT_OF(toast_rows); i++)
        for (int k = 0; k < cat_table_count; k++) {
            CatTable *t = &cat_tables[k];

            if (strcmp(t->name, toast_rows[i].table) != 0)
                continue;
            t->toast = toast_rows[i].toast;
            t->toast_index = toast_rows[i].index;
            toast_by_oid[t->toast] = (uint8_t)(k + 1);
            toast_by_oid[t->toast_index] = (uint8_t)(k + 1);
            heap_rel_init(&t->toast_heap, t->toast, arena_printf(arena_top(), "pg_toast_%u", t->oid), cat_toast_layout());
            cat_toast_index_init(&t->toast_btree, ARENA_ARRAY(arena_top(), BtreeKeyColumn, 2));
            t->toast_btree.oid = t->toast_index;
            t->toast_btree.heap_oid = t->toast;
            t->toast_btree.name = arena_printf(arena_top(), "pg_toast_%u_index", t->oid);
            t->toast_btree.logged = true;
            t->heap.toast = &t->toast_heap;
            t->heap.toast_index = &t->toast_btree;
        }
    cat_tables_set_database(0, SPC_DEFAULT);
    ready = true;
}

/* Points the descriptors at one database's files, and forgets what was remembered of another's pages. */
void
cat_tables_set_database(Oid db, Oid tablespace)
{
    for (int i = 0; i < cat_table_count; i++) {
        CatTable *t = &cat_tables[i];
        RelLocator where = t->shared ? (RelLocator){SPC_GLOBAL, 0, 0} : (RelLocator){tablespace, db, 0};

        t->heap.locator = t->toast_heap.locator = t->toast_btree.locator = where;
        t->heap.locator.rel = t->oid;
        t->toast_heap.locator.rel = t->toast;
        t->toast_btree.locator.rel = t->toast_index;
        t->heap.db = t->toast_heap.db = t->toast_btree.db = where.db;
        t->heap.insert_block = t->toast_heap.insert_block = BLOCK_INVALID;
        t->heap.insert_hint = t->toast_heap.insert_hint = BUF_INVALID;
        t->toast_btree.root_block = t->toast_btree.last_leaf = BLOCK_INVALID;
        t->toast_btree.root_hint = t->toast_btree.last_leaf_hint = BUF_INVALID;
        for (int k = 0; k < t->nindexes; k++) {
            BtreeIndex *b = &t->indexes[k]->btree;

            b->locator = where;
            b->locator.rel = t->indexes[k]->oid;
            b->db = where.db;
            b->root_block = b->last_leaf = BLOCK_INVALID;
            b->root_hint = b->last_leaf_hint = BUF_INVALID;
        }
    }
}
