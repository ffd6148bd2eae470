/*
 * The hooks of deparse_hooks.h: empty until core/sql registers.
 */
#include "core/catalog/deparse_hooks.h"

DeparseHooks deparse_hooks;
