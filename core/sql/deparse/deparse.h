/*
 * Trees back to SQL text as PostgreSQL 15 writes it. The plain interface is in core/sql/sql.h; here is what
 * the catalogs' pg_get_... functions are made of.
 */
#ifndef CORE_SQL_DEPARSE_DEPARSE_H
#define CORE_SQL_DEPARSE_DEPARSE_H

#include "core/sql/sql.h"

/* Definitions of objects by OID; NULL: no such object (or none of that kind). */
char *deparse_index(Arena *a, Oid index, int column /* 0: whole; else that key column alone */, bool pretty);
char *deparse_constraint(Arena *a, Oid constraint, bool pretty);
char *deparse_view(Arena *a, Oid view, bool pretty, int wrap);
char *deparse_rule(Arena *a, Oid rule, bool pretty);
char *deparse_function(Arena *a, Oid fn);
/* pg_get_function_arguments, _identity_arguments, _result. */
char *deparse_function_arguments(Arena *a, Oid fn, bool identity);
char *deparse_function_result(Arena *a, Oid fn);
/* A pg_node_tree column: text as stored, columns of rel (0: none). */
char *deparse_tree(Arena *a, const char *tree, Oid rel, bool pretty);
/* The command that would make the object, for ALTER TABLE's rebuilding of dependants. */
char *deparse_constraint_command(Arena *a, Oid constraint);

/* Fills the hooks of core/catalog/deparse_hooks.h. */
void deparse_register(void);

#endif
