/*
 * Names for the numbers in tables.def: CAT_PG_CLASS is the table's OID, PG_CLASS_RELNAME an attribute
 * number, IDX_PG_CLASS_OID_INDEX an index's OID.
 */
#ifndef CORE_CATALOG_CATALOG_IDS_H
#define CORE_CATALOG_CATALOG_IDS_H

enum {
#define CATALOG(name, NAME, oid, rowtype, shared) CAT_##NAME = oid,
#define COLUMN(table, TABLE, attnum, name, NAME, type, notnull) TABLE##_##NAME = attnum,
#define TOAST(table, toast, index)
#define CINDEX(name, NAME, oid, table, TABLE, unique, primary, columns) IDX_##NAME = oid,
#include "core/catalog/tables.def"
#undef CATALOG
#undef COLUMN
#undef TOAST
#undef CINDEX
};

#define CAT_MAX_COLUMNS 40 /* the widest catalog table, checked by catalog.c */

#endif
