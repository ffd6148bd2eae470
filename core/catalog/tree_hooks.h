/*
 * What core/catalog needs of the layer above: it keeps expressions as text (node_write's form) and never
 * looks inside. core/sql fills these in sql_register(); until then the calls that need them raise 0A000.
 */
#ifndef CORE_CATALOG_TREE_HOOKS_H
#define CORE_CATALOG_TREE_HOOKS_H

#include "core/catalog/catalog.h"

extern char *(*tree_write_hook)(Arena *a, const void *node);         /* node_write */
extern char *(*tree_write_list_hook)(Arena *a, const List *nodes);   /* node_write_list */
/* depend_add_expr: walks the tree and calls depend_add for each object it mentions. */
extern void (*tree_depend_hook)(ObjAddr dependent, const void *tree, Oid self_rel, char type);
/* Type of an index expression, and the column name it gets ("lower", "expr"). */
extern void (*tree_expr_info_hook)(const void *expr, Oid *type, int32_t *typmod, Oid *collation, const char **name);
/* Column numbers of rel 1 that a tree (text) refers to, into the bitmap (bit attnum); whole row: all. */
extern void (*tree_columns_hook)(const char *tree_text, bool is_list, uint64_t *bitmap, int natts);

#endif
