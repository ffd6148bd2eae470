/*
 * Fills the catalog's hooks for stored trees.
 */
#ifndef CORE_SQL_TREE_DEPS_H
#define CORE_SQL_TREE_DEPS_H

void tree_deps_register(void);

#endif
