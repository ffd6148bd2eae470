/*
 * SQL from text to plan, and utility commands: the interface that core/session uses.
 */
#ifndef CORE_SQL_SQL_H
#define CORE_SQL_SQL_H

#include <pg_query/pg_query.pb-c.h>

#include "core/sql/exec/exec.h"
#include "core/sql/plan/plan.h"
#include "core/sql/tree.h"

/* ---- parse ---- */
typedef struct RawStmt { PgQuery__Node *node; int location, len; } RawStmt;
/* Statements of a text, in the arena. Raises 42601 with position and PostgreSQL's message. */
List *sql_parse(Arena *a, const char *text);
/* The same for a text as the client sent it: reports notices of the lexer too (names cut to 63 bytes). */
List *sql_parse_aloud(Arena *a, const char *text, bool *noticed);
bool sql_has_notices(const char *text); /* sql_parse_aloud would report some */
const char *sql_command_tag(const PgQuery__Node *stmt); /* "CREATE TABLE", "SELECT" ... */
bool sql_is_transaction_exit(const PgQuery__Node *stmt); /* allowed in an aborted transaction */
bool sql_needs_snapshot(const PgQuery__Node *stmt);
bool sql_is_read_only(const PgQuery__Node *stmt);

/* ---- analyze ---- */
typedef struct ParamTypes {
    Oid *types;
    int count, cap; /* of types; 0: as count */
    bool variable;  /* $n of unknown type are inferred and added */
    Arena *arena;
} ParamTypes;
/* Query or UtilityStmt (as Node *). Optimisable statements are fully typed; utilities are left raw. */
Node *sql_analyze(Arena *a, const RawStmt *raw, const char *text, ParamTypes *params);
/* Analyses an expression (default, check, index, USING) over one relation's columns (rel 1), NULL: none.
 * kind: for error texts ("DEFAULT expressions", "check constraints", "index expressions" ...). */
Expr *sql_analyze_expr(Arena *a, const PgQuery__Node *raw, RelDesc *rel, const char *text, const char *kind);
/* Coerces to a column's type in assignment context; raises 42804 as INSERT would. */
Expr *sql_coerce_assignment(Arena *a, Expr *e, Oid type, int32_t typmod, Oid collation, const char *column);
void sql_resolve_type_name(const PgQuery__TypeName *t, const char *text, Oid *type, int32_t *typmod); /* 42704 */
Oid sql_resolve_collation(const PgQuery__CollateClause *c);

/* ---- rewrite: views, rules; returns the list of queries to run ---- */
List *sql_rewrite(Arena *a, Query *q);
List *sql_plan_all(Arena *a, Node *analyzed, const char *text, const ParamValues *params, int cursor_options); /* PlannedStmts */

/* ---- deparse: trees back to SQL, as pg_get_viewdef, pg_get_expr, pg_get_indexdef, pg_get_constraintdef print it ---- */
char *sql_deparse_query(Arena *a, const Query *q, bool pretty, int wrap);
char *sql_deparse_expr(Arena *a, const Expr *e, RelDesc *rel /* rel 1, or NULL */, bool pretty);
char *sql_quote_ident(Arena *a, const char *name);

/* ---- commands ---- */
typedef struct CommandContext {
    Arena *arena;
    const char *text;          /* the whole query string */
    const ParamValues *params;
    Dest *dest;
    bool top_level;            /* not inside a function */
    bool is_atomic_block;      /* inside a transaction block */
    char tag[64];              /* out: completion tag, e.g. "CREATE TABLE", "COPY 5" */
} CommandContext;
void command_execute(CommandContext *c, const UtilityStmt *stmt);
bool command_returns_rows(const UtilityStmt *stmt, Arena *a, RowDesc **desc); /* SHOW, EXPLAIN, EXECUTE, FETCH */
/* What commands need of the session (portals, prepared statements, transaction blocks, COPY streams). */
typedef struct CopyStream { /* COPY to/from the client */
    void (*begin_in)(void *arg, int ncolumns, bool binary);
    /* Next piece of data from the client; false at the end. Raises on CopyFail. */
    bool (*read)(void *arg, const char **data, size_t *n);
    void (*begin_out)(void *arg, int ncolumns, bool binary);
    void (*write)(void *arg, const char *data, size_t n);
    void (*end_out)(void *arg);
    void *arg;
} CopyStream;
typedef struct SessionHooks {
    CopyStream *copy;
    void (*transaction_stmt)(CommandContext *c, const PgQuery__TransactionStmt *s);
    void (*prepare)(CommandContext *c, const PgQuery__PrepareStmt *s);
    void (*execute)(CommandContext *c, const PgQuery__ExecuteStmt *s);
    RowDesc *(*execute_desc)(Arena *a, const PgQuery__ExecuteStmt *s);
    void (*deallocate)(CommandContext *c, const PgQuery__DeallocateStmt *s);
    void (*declare_cursor)(CommandContext *c, const PgQuery__DeclareCursorStmt *s);
    void (*fetch)(CommandContext *c, const PgQuery__FetchStmt *s);
    RowDesc *(*fetch_desc)(Arena *a, const PgQuery__FetchStmt *s);
    void (*close_portal)(CommandContext *c, const PgQuery__ClosePortalStmt *s);
    void (*discard)(CommandContext *c, const PgQuery__DiscardStmt *s);
    void (*require_no_block)(CommandContext *c, const char *stmt_name); /* 25001 cannot run inside a transaction block */
    void (*require_block)(CommandContext *c, const char *stmt_name);
    void (*notify)(const char *channel, const char *payload);
    void (*listen)(const char *channel, bool on); /* NULL channel: UNLISTEN * */
    bool (*cursor_position)(const char *cursor, Oid table, ItemPtr *tid); /* WHERE CURRENT OF */
    PlannedStmt *(*explain_execute)(CommandContext *c, const PgQuery__ExecuteStmt *s, ParamValues **params);
    bool (*relation_in_use)(Oid rel); /* an open cursor of this session reads it */
} SessionHooks;
extern SessionHooks session_hooks;
void sql_register(void);       /* settings, hooks into catalog and access; once per process before use */

#endif
