/*
 * How each kind of object goes: its rows and its files. Dependencies and comments are drop.c's.
 */
#include <stdio.h>

#include "core/catalog/build.h"
#include "core/catalog/drop.h"
#include "lockmgr/predicate.h"

void
drop_row_by_oid(Oid table, Oid oid)
{
    CatTable *t = cat_table(table);
    Datum key = oid_datum(oid);
    CatScan *s = cat_scan_begin(table, t->oid_index->oid, 1, &key);
    const CatRow *r = cat_scan_next(s);

    if (!r)
        INTERNAL_ERROR("cache lookup failed for object %u of catalog %s", oid, t->name);
    cat_delete(table, r->tid);
    cat_scan_end(s);
}

/* All rows of a table under a leading key. */
static void
drop_rows(Oid table, Oid index, int nkeys, const Datum *keys)
{
    CatScan *s = cat_scan_begin(table, index, nkeys, keys);
    const CatRow *r;

    while ((r = cat_scan_next(s)) != NULL)
        cat_delete(table, r->tid);
    cat_scan_end(s);
}

static void
drop_rows_of(Oid table, Oid index, Oid oid)
{
    Datum key = oid_datum(oid);

    drop_rows(table, index, 1, &key);
}

/* ---- relations ---- */

static void
drop_statistics(Oid rel, int attnum)
{
    Datum keys[2] = {oid_datum(rel), int16_datum((int16_t)attnum)};

    drop_rows(CAT_PG_STATISTIC, IDX_PG_STATISTIC_RELID_ATT_INH_INDEX, attnum ? 2 : 1, keys);
}

/* The row stays, since its bytes are on the pages: attlen and attbyval go on telling their width. */
static void
drop_column(Oid rel, int attnum)
{
    const CatRow *r = cat_get(IDX_PG_ATTRIBUTE_RELID_ATTNUM_INDEX, oid_datum(rel), int16_datum((int16_t)attnum), 0, 0);
    char name[NAME_BYTES];
    CatEdit e;

    if (!r)
        INTERNAL_ERROR("cache lookup failed for attribute %d of relation %u", attnum, rel);
    snprintf(name, sizeof name, "........pg.dropped.%d........", attnum);
    cat_edit_begin(&e, CAT_PG_ATTRIBUTE, r);
    CAT_SET(e.values, e.nulls, PG_ATTRIBUTE_ATTNAME, cat_name_datum(txn_current_arena(), name));
    CAT_SET(e.values, e.nulls, PG_ATTRIBUTE_ATTTYPID, oid_datum(0));
    CAT_SET(e.values, e.nulls, PG_ATTRIBUTE_ATTSTATTARGET, int32_datum(0));
    CAT_SET(e.values, e.nulls, PG_ATTRIBUTE_ATTNOTNULL, bool_datum(false));
    CAT_SET(e.values, e.nulls, PG_ATTRIBUTE_ATTGENERATED, 0);
    CAT_SET(e.values, e.nulls, PG_ATTRIBUTE_ATTISDROPPED, bool_datum(true));
    CAT_SET(e.values, e.nulls, PG_ATTRIBUTE_ATTHASMISSING, bool_datum(false));
    e.nulls[PG_ATTRIBUTE_ATTMISSINGVAL - 1] = true;
    e.nulls[PG_ATTRIBUTE_ATTACL - 1] = true;
    e.nulls[PG_ATTRIBUTE_ATTOPTIONS - 1] = true;
    cat_edit_end(&e);
    drop_statistics(rel, attnum);
}

void (*rel_drop_hook)(Oid rel);

static void
drop_relation(ObjAddr a)
{
    const CatRow *r;
    char kind;

    if (a.sub != 0) {
        drop_column(a.obj, a.sub);
        return;
    }
    if (rel_drop_hook)
        rel_drop_hook(a.obj);
    /* No descriptor: parts of it are gone already. */
    lock_acquire_or_raise(lock_tag_relation(catalog_database, a.obj), LOCK_ACCESS_EXCLUSIVE);
    r = cat_get_by_oid(CAT_PG_CLASS, a.obj);
    if (!r)
        INTERNAL_ERROR("cache lookup failed for relation %u", a.obj);
    kind = cat_char(r, PG_CLASS_RELKIND);
    if (relkind_has_storage(kind)) {
        storage_drop(rel_locator(r));
        stats_note_dropped(catalog_database, a.obj);
    }
    if (kind == 'r' || kind == 'm')
        pred_check_drop(catalog_database, a.obj);
    if (kind == 'i') {
        const CatRow *x = cat_get(IDX_PG_INDEX_INDEXRELID_INDEX, oid_datum(a.obj), 0, 0, 0);

        if (x) {
            Oid heap = cat_oid(x, PG_INDEX_INDRELID);

            lock_acquire_or_raise(lock_tag_relation(catalog_database, heap), LOCK_ACCESS_EXCLUSIVE);
            pred_relation_moved(catalog_database, a.obj, heap);
        }
        drop_rows_of(CAT_PG_INDEX, IDX_PG_INDEX_INDEXRELID_INDEX, a.obj);
    }
    if (kind == 'S')
        drop_rows_of(CAT_PG_SEQUENCE, IDX_PG_SEQUENCE_SEQRELID_INDEX, a.obj);
    drop_statistics(a.obj, 0);
    drop_rows_of(CAT_PG_ATTRIBUTE, IDX_PG_ATTRIBUTE_RELID_ATTNUM_INDEX, a.obj);
    drop_row_by_oid(CAT_PG_CLASS, a.obj);
}

/* ---- parts of relations ---- */

static void
drop_constraint(ObjAddr a)
{
    const CatRow *r = cat_get_by_oid(CAT_PG_CONSTRAINT, a.obj);
    Oid rel;

    if (!r)
        INTERNAL_ERROR("cache lookup failed for constraint %u", a.obj);
    rel = cat_oid(r, PG_CONSTRAINT_CONRELID);
    if (cat_char(r, PG_CONSTRAINT_CONTYPE) == 'c' && rel) {
        CatEdit e;

        rel_edit_class(&e, rel);
        CAT_SET(e.values, e.nulls, PG_CLASS_RELCHECKS, int16_datum((int16_t)(datum_int16(e.values[PG_CLASS_RELCHECKS - 1]) - 1)));
        cat_edit_end(&e);
    }
    drop_row_by_oid(CAT_PG_CONSTRAINT, a.obj);
}

static void
drop_attrdef(ObjAddr a)
{
    attrdef_drop_row(a.obj);
}

static void
drop_rewrite(ObjAddr a)
{
    drop_row_by_oid(CAT_PG_REWRITE, a.obj);
}

static void
drop_type(ObjAddr a)
{
    const TypeInfo *t = type_info(a.obj);

    if (t->typtype == 'e')
        drop_rows_of(CAT_PG_ENUM, IDX_PG_ENUM_TYPID_LABEL_INDEX, a.obj);
    if (t->typtype == 'r')
        drop_rows_of(CAT_PG_RANGE, IDX_PG_RANGE_RNGTYPID_INDEX, a.obj);
    drop_row_by_oid(CAT_PG_TYPE, a.obj);
}

static void
drop_function(ObjAddr a)
{
    if (fn_info(a.obj)->kind == 'a')
        drop_rows_of(CAT_PG_AGGREGATE, IDX_PG_AGGREGATE_FNOID_INDEX, a.obj);
    drop_row_by_oid(CAT_PG_PROC, a.obj);
}

/* Those that are one row and nothing else. */
static void
drop_plain(ObjAddr a)
{
    drop_row_by_oid(a.cls, a.obj);
}

bool
object_exists(ObjAddr a)
{
    const CatRow *r;

    if (a.cls == CAT_PG_CLASS && a.sub != 0) {
        r = cat_get(IDX_PG_ATTRIBUTE_RELID_ATTNUM_INDEX, oid_datum(a.obj), int16_datum((int16_t)a.sub), 0, 0);
        return r && !cat_bool(r, PG_ATTRIBUTE_ATTISDROPPED);
    }
    return cat_get_by_oid(a.cls, a.obj) != NULL;
}

void
drop_rows_init(void)
{
    static const Oid plain[] = {
        CAT_PG_NAMESPACE, CAT_PG_CAST, CAT_PG_COLLATION, CAT_PG_CONVERSION, CAT_PG_LANGUAGE, CAT_PG_OPERATOR, CAT_PG_OPCLASS, CAT_PG_OPFAMILY,
        CAT_PG_AMOP, CAT_PG_AMPROC, CAT_PG_AM, CAT_PG_TRIGGER, CAT_PG_POLICY, CAT_PG_STATISTIC_EXT, CAT_PG_DEFAULT_ACL, CAT_PG_EXTENSION,
        CAT_PG_EVENT_TRIGGER, CAT_PG_PUBLICATION, CAT_PG_FOREIGN_DATA_WRAPPER, CAT_PG_FOREIGN_SERVER, CAT_PG_USER_MAPPING,
    };

    object_register_drop(CAT_PG_CLASS, drop_relation);
    object_register_drop(CAT_PG_CONSTRAINT, drop_constraint);
    object_register_drop(CAT_PG_ATTRDEF, drop_attrdef);
    object_register_drop(CAT_PG_REWRITE, drop_rewrite);
    object_register_drop(CAT_PG_TYPE, drop_type);
    object_register_drop(CAT_PG_PROC, drop_function);
    for (size_t i = 0; i < COUNT_OF(plain); i++)
        object_register_drop(plain[i], drop_plain);
}
