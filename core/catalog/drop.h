/* What depend.c, drop.c, drop_rows.c and comment.c share. */
#ifndef CORE_CATALOG_DROP_H
#define CORE_CATALOG_DROP_H

#include "core/catalog/cat_internal.h"

bool object_is_pinned(ObjAddr a);
void depend_delete_shared(ObjAddr a);
bool object_exists(ObjAddr a);
/* Removes the one row of `table` whose oid it is. */
void drop_row_by_oid(Oid table, Oid oid);
void drop_rows_init(void);

#endif
