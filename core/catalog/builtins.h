/*
 * The built-in types, functions, operators and casts as tables in memory: data of the .def files,
 * reached by OID or name without touching a page. Internal to core/catalog.
 */
#ifndef CORE_CATALOG_BUILTINS_H
#define CORE_CATALOG_BUILTINS_H

#include "core/catalog/catalog.h"

#define BUILTIN_OIDS 16384u /* all OIDs of the .def files are below */

typedef struct TypeDef {
    Oid oid;
    const char *name;
    int16_t len;
    bool byval;
    char type, category;
    bool preferred;
    char delim;
    Oid elem, array;
    const char *in, *out, *recv, *send, *modin, *modout;
    char align, storage;
    Oid collation;
    const char *subscript;
} TypeDef;

typedef struct AmDef { Oid oid; const char *name, *handler; char type; } AmDef;
typedef struct OpFamilyDef { Oid oid, am; const char *name; } OpFamilyDef;
typedef struct OpClassDef { Oid oid, am; const char *name; Oid family; const char *type; bool is_default; Oid key_type; } OpClassDef;
typedef struct AmOpDef { Oid oid, family, left, right; int16_t strategy; char purpose; Oid op, am, sort_family; } AmOpDef;
typedef struct AmProcDef { Oid oid, family, left, right; int16_t number; const char *fn; } AmProcDef;
typedef struct LanguageDef { Oid oid; const char *name; bool is_pl, trusted; } LanguageDef;
typedef struct NamespaceDef { Oid oid; const char *name, *description; } NamespaceDef;
typedef struct RoleDef { Oid oid; const char *name; } RoleDef;
typedef struct TablespaceDef { Oid oid; const char *name; } TablespaceDef;
typedef struct CollationDef { Oid oid; const char *name; char provider; int encoding; const char *collate, *ctype, *icu; } CollationDef;

extern const TypeDef builtin_types[];
extern const AmDef builtin_ams[];
extern const OpFamilyDef builtin_opfamilies[];
extern const OpClassDef builtin_opclasses[];
extern const AmOpDef builtin_amops[];
extern const AmProcDef builtin_amprocs[];
extern const LanguageDef builtin_languages[];
extern const NamespaceDef builtin_namespaces[];
extern const RoleDef builtin_roles[];
extern const TablespaceDef builtin_tablespaces[];
extern const CollationDef builtin_collations[];
extern const int builtin_type_count, builtin_am_count, builtin_opfamily_count, builtin_opclass_count, builtin_amop_count,
    builtin_amproc_count, builtin_language_count, builtin_namespace_count, builtin_role_count, builtin_tablespace_count,
    builtin_collation_count;

void types_hooks_init(void); /* types.c */
void builtins_init(void); /* idempotent; before the first fork where there is one */

Oid builtin_type_oid(const char *name);          /* pg_type.typname; 0: none */
const TypeDef *builtin_type_def(Oid oid);        /* NULL: none */
TypeInfo *builtin_type_info(Oid oid);            /* NULL: none */
const FnInfo *builtin_fn_info(Oid oid);          /* NULL: none */
const OpInfo *builtin_op_info(Oid oid);
const CastInfo *builtin_cast(Oid source, Oid target);
/* First of the functions (operators) of a name; follow with _next. NULL: none (left). */
const FnInfo *builtin_fn_first(const char *name);
const FnInfo *builtin_fn_next(const FnInfo *f);
const OpInfo *builtin_op_first(const char *name);
const OpInfo *builtin_op_next(const OpInfo *o);
Oid builtin_fn_named(const char *name);          /* any of that name; 0: none. For unique names */
const OpClassDef *builtin_opclass(Oid oid);

#endif
