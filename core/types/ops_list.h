/*
 * The TypeOps constants of every type family, declared from the one list of them.
 *
 * A family defines `const TypeOps type_ops_<typname>` in its own file and adds a line to ops_list.def:
 * TYPEOPS(oid_macro, ops_symbol). registry.c turns the list into the table behind type_ops().
 */
#ifndef CORE_TYPES_OPS_LIST_H
#define CORE_TYPES_OPS_LIST_H

#include "core/types/type.h"

#define TYPEOPS(oid_macro, ops_symbol) extern const TypeOps ops_symbol;
#include "core/types/ops_list.def"
#undef TYPEOPS

#endif
