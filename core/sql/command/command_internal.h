/*
 * Utility commands: what the files of this folder share. One file per kind of object; command.c
 * dispatches. Commands check names and privileges, write catalog rows through core/catalog and raise
 * PostgreSQL's errors.
 */
#ifndef CORE_SQL_COMMAND_COMMAND_INTERNAL_H
#define CORE_SQL_COMMAND_COMMAND_INTERNAL_H

#include <stdio.h>

#include "core/base/interrupt.h"
#include "core/sql/command/command.h"
#include "core/sql/sql.h"

typedef PgQuery__Node PNode;
#define PN(x) PG_QUERY__NODE__NODE_##x
#define OBJ(x) PG_QUERY__OBJECT_TYPE__OBJECT_##x
#define CONSTR(x) PG_QUERY__CONSTR_TYPE__CONSTR_##x
#define IS_CASCADE(b) ((b) == PG_QUERY__DROP_BEHAVIOR__DROP_CASCADE)
#define GIVEN(s) ((s) != NULL && (s)[0] != 0) /* protobuf-c: strings left out are empty */
#define NSP_CATALOG 11u
#define FN_NEXTVAL 1574u
#define AM_BTREE_OID 403u

/* ---- util.c: pieces of the grammar's tree ---- */
const char *pnode_string(const PNode *n);              /* a String node's text, or NULL */
char *def_string(Arena *a, const PgQuery__DefElem *d); /* the value as text; 42601 "x requires a parameter" */
bool def_bool(const PgQuery__DefElem *d);              /* no value: true; 42601 "x requires a Boolean value" */
int64_t def_int64(const PgQuery__DefElem *d);          /* 42601 "x requires a numeric value" */
double def_double(const PgQuery__DefElem *d);
char *names_text(Arena *a, PNode **names, size_t n);   /* a.b as error texts have it */
void names_split(PNode **names, size_t n, const char **nsp, const char **name); /* 0A000 on other databases */
/* A list node's items, or the node itself as a list of one. */
void node_items(PNode *const *n, PNode *const **items, size_t *count);
Oid role_spec_oid(const PgQuery__RoleSpec *r, bool missing_ok);
Oid role_spec_oid_or_public(const PgQuery__RoleSpec *r); /* 0: PUBLIC */

/* ---- util.c: relations ---- */
char *range_var_text(Arena *a, const PgQuery__RangeVar *rv);
void range_var_check_catalog(const PgQuery__RangeVar *rv);
Oid range_var_lookup(const PgQuery__RangeVar *rv, bool missing_ok); /* 42P01 */
/* Looks up and locks, looking again in case the name has moved while the lock was waited for. */
RelDesc *range_var_open(const PgQuery__RangeVar *rv, LockMode lock, bool missing_ok);
RelDesc *rel_open_again(Oid oid);                      /* the descriptor as it is after own changes */
void require_ordinary(const RelDesc *r);               /* 42501 on system catalogs */
bool system_changes_allowed(void);
void check_new_relation_schema(Oid nsp, const char *name);
const char *relkind_noun(char kind);                   /* "table", "index", "view" ... */
bool relation_is_temp(const RelDesc *r);
void relation_drop_check(Oid rel);                     /* 55006: in use by a cursor of this session */
void check_relation_busy(Oid rel, const char *what);

/* ---- util.c: rows of catalog tables ---- */
typedef struct RowEdit {
    Oid table;
    ItemPtr tid;
    Datum *values;
    bool *nulls;
} RowEdit;
RowEdit *row_new(Arena *a, Oid table);
RowEdit *row_edit(Arena *a, Oid table, const CatRow *r);
static inline void row_set(RowEdit *e, int att, Datum d) { e->values[att - 1] = d; e->nulls[att - 1] = false; }
static inline void row_null(RowEdit *e, int att) { e->nulls[att - 1] = true; }
void row_insert(RowEdit *e);
void row_save(RowEdit *e); /* update; visible to what follows */
static inline void row_set_name(Arena *a, RowEdit *e, int att, const char *name) { row_set(e, att, cat_name_datum(a, name)); }
RowEdit *class_edit(Arena *a, Oid rel);
RowEdit *attribute_edit(Arena *a, Oid rel, int attnum);

/* ---- util.c: rows to the client ---- */
RowDesc *row_desc_new(Arena *a, int n, ...);           /* name, type pairs */
void emit_row(CommandContext *c, const RowDesc *desc, const Datum *values, const bool *nulls);

/* ---- internal queries ---- */
/* Analyses, rewrites, plans and runs one optimisable statement to its end; rows processed. */
uint64_t run_query(CommandContext *c, const PNode *stmt, Dest *dest, const RowDesc **desc);
PlannedStmt *plan_statement(CommandContext *c, const PNode *stmt, int cursor_options);

/* ---- expr.c: expressions of table definitions ---- */
Expr *cook_default(Arena *a, const PNode *raw, RelDesc *rel, const ColDesc *col, const char *text, bool generated);
Expr *cook_check(Arena *a, const PNode *raw, RelDesc *rel, const char *text);
bool expr_contains_volatile(const Expr *e);
bool expr_contains_mutable(const Expr *e);
/* Column numbers of rel 1 in the expression; *only: the single one, 0 if none or several. */
void expr_columns(const void *e, int *only, bool *any);
Expr *make_nextval(Arena *a, Oid sequence);
void store_default(Arena *a, RelDesc *rel, int attnum, Expr *e, bool generated);
void remove_default(Arena *a, Oid rel, int attnum, bool cascade, bool internal);

/* ---- columns.c: what a column definition says ---- */
typedef struct ColumnSpec {
    NewColumn col;
    const PNode *raw_default;    /* DEFAULT or GENERATED expression */
    Expr *cooked_default;        /* serial, LIKE */
    bool is_serial, null_given, default_given;
    Oid sequence;                /* made for it: to be owned by the column */
    List *checks;                /* PgQuery__Constraint */
    const char *storage, *compression;
    int location;
    bool from_like;
} ColumnSpec;
/* Constraints collected from a statement, in order. */
typedef struct KeySpec { const PgQuery__Constraint *con; List *columns; /* char * */ bool primary; } KeySpec;
typedef struct FkSpec { const PgQuery__Constraint *con; List *columns; } FkSpec;
typedef struct CheckSpec { const PgQuery__Constraint *con; Expr *cooked; const char *name; bool valid, no_inherit; } CheckSpec;
typedef struct LikeIndex { Oid index; } LikeIndex;
typedef struct TableSpec {
    CommandContext *c;
    const char *name;
    Oid nsp;
    char persistence;
    bool is_alter;
    List *columns;   /* ColumnSpec */
    List *checks;    /* CheckSpec */
    List *keys;      /* KeySpec */
    List *fks;       /* FkSpec */
    List *like_indexes; /* LikeIndex */
    List *comments;  /* LikeComment */
    bool has_primary;
} TableSpec;
typedef struct LikeComment { const char *column; const char *text; } LikeComment;
void table_spec_init(TableSpec *t, CommandContext *c, const char *name, Oid nsp, char persistence);
ColumnSpec *table_spec_column(TableSpec *t, const PgQuery__ColumnDef *d, Oid owner_rel);
void table_spec_constraint(TableSpec *t, const PgQuery__Constraint *con);
void table_spec_like(TableSpec *t, const PgQuery__TableLikeClause *like);
ColumnSpec *table_spec_find(TableSpec *t, const char *name);

/* ---- constraints.c ---- */
char *join_names(Arena *a, const List *names);
Oid constraint_find(Oid rel, const char *name, char *type); /* 0: none */
Oid add_check(Arena *a, RelDesc *rel, const char *name, Expr *e, bool valid, bool no_inherit, bool *merged);
Oid add_key(CommandContext *c, RelDesc *rel, const PgQuery__Constraint *con, const List *columns);
Oid add_foreign_key(CommandContext *c, RelDesc *rel, const PgQuery__Constraint *con, const List *columns);
void validate_check(Arena *a, RelDesc *rel, const char *name, const Expr *e); /* 23514 over existing rows */
void validate_not_null(Arena *a, RelDesc *rel, int attnum);                   /* 23502 */
void set_not_null(Arena *a, Oid rel, int attnum, bool on);
void constraint_name_free(RelDesc *rel, const char *name);                    /* 42710 */

/* ---- relations ---- */
Datum reloptions_make(Arena *a, Datum old, bool old_null, PNode **options, size_t n, char kind, bool reset, bool *is_null);
typedef struct IntoTarget { Oid rel; } IntoTarget;
void remember_on_commit(Oid rel, int action);
void command_transaction_event(TxnEvent e, int nesting);

/* ---- sequences ---- */
Oid sequence_make(CommandContext *c, const char *name, Oid nsp, char persistence, PNode **options, size_t noptions, Oid default_type, Oid owner, bool for_identity);
void sequence_own(Oid sequence, Oid rel, int attnum, char type);
void sequence_alter(CommandContext *c, RelDesc *seq, PNode **options, size_t n, bool for_identity);
Oid sequence_of_column(Oid rel, int attnum, char type /* 'a', 'i', 0 either */);
void sequence_restart(Oid sequence);

/* ---- the commands ---- */
void cmd_create_table(CommandContext *c, const PgQuery__CreateStmt *s);
void cmd_create_table_as(CommandContext *c, const PgQuery__CreateTableAsStmt *s);
void cmd_select_into(CommandContext *c, const PgQuery__SelectStmt *s);
void cmd_refresh_matview(CommandContext *c, const PgQuery__RefreshMatViewStmt *s);
void cmd_create_index(CommandContext *c, const PgQuery__IndexStmt *s);
Oid index_from_definition(CommandContext *c, RelDesc *rel, const PgQuery__IndexStmt *s);
void cmd_reindex(CommandContext *c, const PgQuery__ReindexStmt *s);
void cmd_create_view(CommandContext *c, const PgQuery__ViewStmt *s);
void cmd_create_sequence(CommandContext *c, const PgQuery__CreateSeqStmt *s);
void cmd_alter_sequence(CommandContext *c, const PgQuery__AlterSeqStmt *s);
void cmd_create_schema(CommandContext *c, const PgQuery__CreateSchemaStmt *s);
void cmd_create_database(CommandContext *c, const PgQuery__CreatedbStmt *s);
void cmd_drop_database(CommandContext *c, const PgQuery__DropdbStmt *s);
void cmd_alter_database(CommandContext *c, const PgQuery__AlterDatabaseStmt *s);
void cmd_alter_database_set(CommandContext *c, const PgQuery__AlterDatabaseSetStmt *s);
void database_rename(CommandContext *c, const char *from, const char *to);
void database_change_owner(const char *name, Oid owner);
Oid database_oid(const char *name, bool missing_ok);
void cmd_create_role(CommandContext *c, const PgQuery__CreateRoleStmt *s);
void cmd_alter_role(CommandContext *c, const PgQuery__AlterRoleStmt *s);
void cmd_alter_role_set(CommandContext *c, const PgQuery__AlterRoleSetStmt *s);
void cmd_drop_role(CommandContext *c, const PgQuery__DropRoleStmt *s);
void role_rename(CommandContext *c, const char *from, const char *to);
void cmd_grant_role(CommandContext *c, const PgQuery__GrantRoleStmt *s);
void cmd_drop_owned(CommandContext *c, const PgQuery__DropOwnedStmt *s);
void cmd_reassign_owned(CommandContext *c, const PgQuery__ReassignOwnedStmt *s);
void cmd_grant(CommandContext *c, const PgQuery__GrantStmt *s);
uint32_t privilege_bit(const char *name); /* grant.c; 42601 for an unknown one */
void cmd_alter_default_privileges(CommandContext *c, const PgQuery__AlterDefaultPrivilegesStmt *s);
void cmd_drop(CommandContext *c, const PgQuery__DropStmt *s);
void cmd_truncate(CommandContext *c, const PgQuery__TruncateStmt *s);
void truncate_relations(CommandContext *c, List *rels /* RelDesc */);
void cmd_comment(CommandContext *c, const PgQuery__CommentStmt *s);
void cmd_lock(CommandContext *c, const PgQuery__LockStmt *s);
void cmd_set_constraints(CommandContext *c, const PgQuery__ConstraintsSetStmt *s);
void cmd_variable_set(CommandContext *c, const PgQuery__VariableSetStmt *s);
void cmd_variable_show(CommandContext *c, const PgQuery__VariableShowStmt *s);
RowDesc *variable_show_desc(Arena *a, const PgQuery__VariableShowStmt *s);
char *variable_set_value(Arena *a, const PgQuery__VariableSetStmt *s); /* NULL: reset */
void variables_register(void);
void unique_build_register(void);
void cmd_alter_system(CommandContext *c, const PgQuery__AlterSystemStmt *s);
void cmd_create_domain(CommandContext *c, const PgQuery__CreateDomainStmt *s);
void cmd_create_enum(CommandContext *c, const PgQuery__CreateEnumStmt *s);
void cmd_alter_enum(CommandContext *c, const PgQuery__AlterEnumStmt *s);
void cmd_create_composite(CommandContext *c, const PgQuery__CompositeTypeStmt *s);
void cmd_alter_domain(CommandContext *c, const PgQuery__AlterDomainStmt *s);
void cmd_create_extension(CommandContext *c, const PgQuery__CreateExtensionStmt *s);
void cmd_copy(CommandContext *c, const PgQuery__CopyStmt *s);
void cmd_alter_table(CommandContext *c, const PgQuery__AlterTableStmt *s);
void cmd_rename(CommandContext *c, const PgQuery__RenameStmt *s);
void cmd_alter_schema(CommandContext *c, const PgQuery__AlterObjectSchemaStmt *s);
void cmd_alter_owner(CommandContext *c, const PgQuery__AlterOwnerStmt *s);
void relation_change_owner(Arena *a, RelDesc *rel, Oid owner);
void cmd_vacuum(CommandContext *c, const PgQuery__VacuumStmt *s);
void cmd_explain(CommandContext *c, const PgQuery__ExplainStmt *s);
RowDesc *explain_desc(Arena *a, const PgQuery__ExplainStmt *s);

/* ---- drop.c: addresses by name ---- */
ObjAddr object_address(CommandContext *c, PgQuery__ObjectType type, const PNode *object, bool missing_ok, LockMode lock);
Oid type_name_lookup(const PgQuery__TypeName *t, bool missing_ok);

#endif
