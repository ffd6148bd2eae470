/*
 * Life of the module in a process: descriptors, hooks into the layers below, the database it works in.
 */
#include "core/catalog/cat_internal.h"

#include "core/access/toast/toast.h"
#include "core/base/interrupt.h"
#include "core/types/collation.h"

Oid catalog_database;
TimestampTz catalog_start_time, catalog_conf_load_time;
int catalog_encoding = 6; /* UTF8: the only one there is */

char *(*tree_write_hook)(Arena *a, const void *node);
char *(*tree_write_list_hook)(Arena *a, const List *nodes);
void (*tree_depend_hook)(ObjAddr dependent, const void *tree, Oid self_rel, char type);
void (*tree_expr_info_hook)(const void *expr, Oid *type, int32_t *typmod, Oid *collation, const char **name);
void (*tree_columns_hook)(const char *tree_text, bool is_list, uint64_t *bitmap, int natts);
bool (*index_expr_hook)(IndexDesc *ix, RelDesc *heap, const Datum *row, const bool *nulls, Datum *out, bool *outnull);

/* The table a toast pointer names is locked by whoever reads the row. */
static void
open_toast(Oid toast, HeapRel **rel, BtreeIndex **index)
{
    RelDesc *d;

    if (cat_toast_find(toast, rel, index))
        return;
    d = rel_cached(toast);
    *rel = &d->heap;
    *index = d->heap.toast_index;
}

/* Ids of values are unique in their toast table, visible or not. */
static Oid
new_toast_id(HeapRel *toast)
{
    for (;;) {
        Oid id = oid_next();
        Datum keys[2] = {oid_datum(id), int32_datum(0)};
        bool nulls[2] = {false, false};
        ItemPtr tid;
        Xid wait;

        if (!toast->toast_index || !btree_find_conflict(toast->toast_index, toast, keys, nulls, (ItemPtr){BLOCK_INVALID, OFFSET_INVALID}, &tid, &wait))
            return id;
        CHECK_INTERRUPTS();
    }
}

/* Until the executor's, which knows of expressions, is registered. */
static void
unique_violation(BtreeIndex *ix, const Datum *values, const bool *nulls)
{
    CatIndex *c = cat_index_find(ix->oid);
    Arena *a = txn_current_arena();
    StrBuf names, texts;
    FnCtx ctx = {.arena = a, .state_arena = a};

    str_init(&names, a);
    str_init(&texts, a);
    for (int i = 0; i < ix->nkeys; i++) {
        str_printf(&names, "%s%s", i ? ", " : "", c ? c->table->columns[c->attnums[i] - 1].name : rel_cached(ix->oid)->cols[i].name);
        if (i)
            str_add(&texts, ", ");
        if (nulls[i])
            str_add(&texts, "null");
        else
            ix->columns[i].ops->out(&ctx, values[i], &texts);
    }
    RAISE_ERR(SQLSTATE_UNIQUE_VIOLATION, err_message("duplicate key value violates unique constraint \"%s\"", ix->name),
              err_detail("Key (%s)=(%s) already exists.", names.data, texts.data),
              err_object(NULL, c ? c->table->name : NULL, NULL, NULL, ix->name));
}

void
catalog_process_init(void)
{
    cat_tables_init();
    types_hooks_init();
    cat_rows_init();
    inval_init();
    toast_open_hook = open_toast;
    toast_new_id_hook = new_toast_id;
    if (!btree_unique_violation)
        btree_unique_violation = unique_violation;
    reg_hooks_init();
    drop_handlers_init();
}

void
catalog_open_database(Oid db)
{
    bool own_txn = !txn_in_progress(), same;
    const CatRow *r;
    Arena *a;

    if (own_txn)
        txn_begin();
    catalog_accept_invalidations();
    names_reset(); /* a process that served another session before: also its temporary schema */
    same = catalog_database == db;
    if (catalog_database != 0 && !same)
        inval_reset_all();
    catalog_database = stats_database = db;
    r = cat_get_by_oid(CAT_PG_DATABASE, db);
    if (!r) {
        catalog_database = 0;
        RAISE_FATAL(SQLSTATE_UNDEFINED_DATABASE, "database with OID %u does not exist", db);
    }
    a = txn_arena();
    /* Caches of the same database are kept, by invalidation as good as new; but nobody told of a move to another tablespace,
     * which waits for all sessions to leave and does not see this process. */
    same = same && catalog_database_tablespace == cat_oid(r, PG_DATABASE_DATTABLESPACE);
    catalog_database_tablespace = cat_oid(r, PG_DATABASE_DATTABLESPACE);
    catalog_encoding = datum_int32(cat_val(r, PG_DATABASE_ENCODING));
    cat_tables_set_database(db, catalog_database_tablespace);
    collation_set_default(cat_name(a, r, PG_DATABASE_DATCOLLATE), cat_name(a, r, PG_DATABASE_DATCTYPE));
    if (cat_char(r, PG_DATABASE_DATLOCPROVIDER) == 'i' && !cat_null(r, PG_DATABASE_DATICULOCALE))
        collation_set_default_icu(cat_name(a, r, PG_DATABASE_DATICULOCALE));
    if (!same)
        inval_reset_all();
    if (own_txn)
        txn_commit();
}
