/* What build.c, build_index.c, constraint.c and bootstrap.c share. */
#ifndef CORE_CATALOG_BUILD_H
#define CORE_CATALOG_BUILD_H

#include "core/catalog/cat_internal.h"

typedef struct NewRelation {
    Oid oid, nsp, row_type, owner, filenode, tablespace, toast;
    const char *name;
    char kind, persistence;
    int natts;
    bool shared, has_index;
    Datum acl, options; /* 0: null */
} NewRelation;
void rel_insert_class_row(const NewRelation *x);
void rel_edit_class(CatEdit *e, Oid rel);
void rel_insert_attribute_plain(Oid rel, int attnum, const NewColumn *c); /* without dependencies */
/* pg_index and pg_constraint rows of the catalogs' own indexes. */
void index_insert_row(Oid index, Oid heap, int nkeys, const int16_t *attnums, const Oid *opclasses, const Oid *collations, bool unique, bool primary);
Oid constraint_insert_row(Oid oid, const char *name, Oid nsp, char type, Oid rel, const int16_t *cols, int n, Oid index);
void attrdef_drop_row(Oid attrdef);
void rel_insert_system_attributes(Oid rel);
void toast_insert_attributes(Oid toast);
void type_insert_row_type(Oid type, Oid array, Oid rel, char kind, const char *name, Oid nsp, Oid owner);
bool relkind_has_storage(char kind);
Oid relfilenode_new(Oid wish, Oid spc, bool shared);

#endif
