/*
 * What the pg_get_...def functions need of the layer above, which knows trees. core/sql fills these in
 * (deparse_register); until then the functions raise 0A000. A NULL result is SQL's NULL: no such object.
 */
#ifndef CORE_CATALOG_DEPARSE_HOOKS_H
#define CORE_CATALOG_DEPARSE_HOOKS_H

#include "core/catalog/catalog.h"

typedef struct DeparseHooks {
    /* pg_get_expr(tree, rel [, pretty]); rel 0: no columns */
    char *(*expr)(Arena *a, const char *tree, Oid rel, bool pretty);
    /* pg_get_viewdef(view), (view, pretty), (view, wrap): wrap 0 breaks after every column, pretty implied when wrap was given */
    char *(*view)(Arena *a, Oid view, bool pretty, int wrap);
    /* pg_get_indexdef(index), (index, column, pretty): column 0 is the whole definition */
    char *(*index)(Arena *a, Oid index, int column, bool pretty);
    char *(*constraint)(Arena *a, Oid constraint, bool pretty);
    char *(*rule)(Arena *a, Oid rule, bool pretty);
    char *(*function)(Arena *a, Oid fn);
    char *(*function_arguments)(Arena *a, Oid fn, bool identity); /* pg_get_function_arguments, _identity_arguments */
    char *(*function_result)(Arena *a, Oid fn);
    char *(*trigger)(Arena *a, Oid trigger, bool pretty);
    char *(*partkey)(Arena *a, Oid rel);
    char *(*statistics)(Arena *a, Oid statistics, bool columns_only);
} DeparseHooks;
extern DeparseHooks deparse_hooks;

#endif
