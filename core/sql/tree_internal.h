/*
 * Shared by the tree's generic operations only.
 */
#ifndef CORE_SQL_TREE_INTERNAL_H
#define CORE_SQL_TREE_INTERNAL_H

#include "core/sql/tree.h"

typedef struct TreeNodeInfo {
    const char *name;
    size_t size;
    bool is_expr;
} TreeNodeInfo;
extern const TreeNodeInfo tree_nodes[TAG_LAST_TREE];

#endif
