/*
 * What the ALTER commands share: owners, privileges, the pieces of ALTER TABLE. This folder only.
 */
#ifndef CORE_SQL_COMMAND_ALTER_INTERNAL_H
#define CORE_SQL_COMMAND_ALTER_INTERNAL_H

#include "core/sql/command/command_internal.h"

/* ---- grant.c ---- */
/* An ACL after its object went from one owner to another. */
Datum acl_new_owner(Arena *a, Datum acl, Oid from, Oid to);
void acl_remove_role(Arena *a, ObjAddr obj, Oid role); /* all grants to the role */

/* ---- alter_misc.c ---- */
/* Without permission checks: what belongs to the object (indexes, row type, owned sequences) follows. */
void owner_store(Arena *a, ObjAddr obj, Oid owner);
void check_new_owner(Oid cls, Oid obj, Oid owner, Oid nsp); /* membership, CREATE on the schema (0: none) */
/* The relation of an ALTER, locked, with its kind and owner checked; NULL: missing, a NOTICE said so. */
RelDesc *alter_open(const PgQuery__RangeVar *rv, PgQuery__ObjectType type, LockMode lock, bool missing_ok, bool renaming);
int owned_sequences(Arena *a, Oid rel, Oid **out); /* serial and identity */
const char *relkind_plural(char kind); /* "tables", "indexes" ... */

/* ---- alter_table.c: the state of one ALTER TABLE ---- */
typedef struct NewValue { int attnum; Expr *expr; bool generated; } NewValue; /* expr: over the old row; generated: over the new one */
typedef struct AlterTable {
    CommandContext *c;
    Arena *arena;
    Oid oid;
    RelDesc *old;          /* before the first change of layout: how the stored rows read */
    List *new_values;      /* NewValue */
    bool rewrite;
    bool type_changed;
    List *rebuild;         /* Rebuild: dropped for ALTER TYPE, made anew after */
    TableSpec spec;        /* columns and constraints added */
    List *not_null;        /* int attnums (as pointers): to be checked and set */
} AlterTable;
static inline RelDesc *alter_rel(AlterTable *t) { return rel_open_again(t->oid); }
int alter_attnum(AlterTable *t, const char *name);   /* 42703, 0A000 on system columns */
void alter_remember_old(AlterTable *t);
void alter_add_value(AlterTable *t, int attnum, Expr *e, bool generated);
void alter_rewrite(AlterTable *t);

/* ---- alter_column.c ---- */
void alter_add_column(AlterTable *t, const PgQuery__AlterTableCmd *cmd);
void alter_column_default(AlterTable *t, const PgQuery__AlterTableCmd *cmd);
void alter_drop_not_null(AlterTable *t, const PgQuery__AlterTableCmd *cmd);
void alter_set_not_null(AlterTable *t, const PgQuery__AlterTableCmd *cmd);
void alter_drop_column(AlterTable *t, const PgQuery__AlterTableCmd *cmd);
void alter_drop_expression(AlterTable *t, const PgQuery__AlterTableCmd *cmd);
void alter_set_statistics(AlterTable *t, const PgQuery__AlterTableCmd *cmd);
void alter_column_options(AlterTable *t, const PgQuery__AlterTableCmd *cmd, bool reset);
void alter_set_storage(AlterTable *t, const PgQuery__AlterTableCmd *cmd);
void alter_set_compression(AlterTable *t, const PgQuery__AlterTableCmd *cmd);
void alter_add_identity(AlterTable *t, const PgQuery__AlterTableCmd *cmd);
void alter_set_identity(AlterTable *t, const PgQuery__AlterTableCmd *cmd);
void alter_drop_identity(AlterTable *t, const PgQuery__AlterTableCmd *cmd);
bool domain_has_constraints(Oid type);

/* ---- alter_type.c ---- */
void alter_column_type(AlterTable *t, const PgQuery__AlterTableCmd *cmd);
void alter_rebuild(AlterTable *t);

/* ---- alter_constraint.c ---- */
void alter_add_constraints(AlterTable *t, bool keys);
void alter_drop_constraint(AlterTable *t, const PgQuery__AlterTableCmd *cmd);
void alter_validate_constraint(AlterTable *t, const PgQuery__AlterTableCmd *cmd);
void alter_constraint(AlterTable *t, const PgQuery__AlterTableCmd *cmd);
void alter_check_existing_fk(RelDesc *rel, Oid constraint);

/* ---- alter_storage.c ---- */
void alter_cluster_on(AlterTable *t, const char *name); /* NULL: without */
void alter_persistence(AlterTable *t, char persistence);
void alter_relation_options(AlterTable *t, const PgQuery__AlterTableCmd *cmd, bool reset);
void alter_replica_identity(AlterTable *t, const PgQuery__ReplicaIdentityStmt *s);
void alter_row_security(AlterTable *t, int att, bool on);

void row_type_require_unused(Arena *a, const RelDesc *r); /* composite_type.c; 0A000: columns hold values of the type */

#endif
