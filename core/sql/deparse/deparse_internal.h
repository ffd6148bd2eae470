/*
 * Shared by the files of this folder and by EXPLAIN (core/sql/plan/explain*.c), which prints expressions
 * of plans through the same code with a resolver of its own for Vars and parameters.
 */
#ifndef CORE_SQL_DEPARSE_DEPARSE_INTERNAL_H
#define CORE_SQL_DEPARSE_DEPARSE_INTERNAL_H

#include "core/base/stack.h"
#include "core/sql/deparse/deparse.h"

/* How layout differs: PAREN leaves out parentheses that precedence makes needless, INDENT breaks lines. */
#define PRETTY_PAREN 1
#define PRETTY_INDENT 2
#define PRETTY_SCHEMA 4 /* names of the object itself are qualified only if not visible */
#define PRETTY_ALL (PRETTY_PAREN | PRETTY_INDENT | PRETTY_SCHEMA)
#define WRAP_NEVER (-1)

/* Names of one range table entry as they are printed. */
typedef struct RelNames {
    const char *ref;       /* NULL: has no name (a join without alias) */
    const char **cols;     /* [attno - 1]; NULL: dropped */
    int ncols;
    bool print_cols;       /* the alias needs its column list */
    int hidden_by;         /* innermost join with an alias around it: range table index, 0 none */
    bool open;             /* a join whose inside is being printed */
} RelNames;

/* One query level. */
typedef struct Level {
    struct Level *parent;
    const Query *query;    /* NULL: an expression over one relation */
    const List *range_table;
    RelNames *rels;        /* [rel] from 1 */
    int nrels;
} Level;

typedef struct Deparse Deparse;
/* EXPLAIN's: prints a Var with rel < 0, a PARAM_EXEC or a SubPlanRef; false: not known. */
typedef bool (*PlanResolver)(Deparse *d, const Expr *e, void *arg);

struct Deparse {
    Arena *arena;
    StrBuf *out;
    Level *level;
    int flags, wrap, indent;
    bool prefix;           /* columns with their relation's name */
    const List *windows;   /* WindowClause of the query being printed ... */
    const List *window_targets;
    PlanResolver resolve;
    void *resolve_arg;
};

#define HAS(d, flag) (((d)->flags & (flag)) != 0)

/* layout.c */
void put(Deparse *d, const char *text);
void put_break(Deparse *d, const char *keyword, int before, int after, int plus);
StrBuf *capture_begin(Deparse *d, StrBuf *scratch);
void capture_end(Deparse *d, StrBuf *saved);
#define INDENT_STD 8
#define INDENT_JOIN 4
#define INDENT_VAR 4

/* names.c */
void put_ident(Deparse *d, const char *name);
char *type_text(Arena *a, Oid type, int32_t typmod);
char *function_name(Deparse *d, Oid fn);
char *operator_name(Arena *a, Oid op, Oid left, Oid right);
char *collation_name(Arena *a, Oid collation);
char *relation_name(Arena *a, Oid rel, const Level *level /* CTE names that would hide it */);
char *relation_name_qualified(Arena *a, Oid rel);
char *quote_literal(Arena *a, const char *text);
char *join_idents(Arena *a, const List *names);

/* levels.c */
Level *level_of_query(Arena *a, const Query *q, Level *parent);
Level *level_of_relation(Arena *a, RelDesc *rel);
Level *level_of_names(Arena *a, const List *range_table, const char *const *refs); /* EXPLAIN: [rel], NULL unused */
/* Prints a column. top: as an item of a target list (whole rows get their type). Returns the column's name. */
const char *put_var(Deparse *d, const Var *v, bool top);
/* An expression that a merged JOIN column stands for: prints the column instead and returns its name. */
const char *put_merged_column(Deparse *d, const Expr *e);
/* A row of all columns of a relation, printed as r.*: false if it is not one. */
bool put_whole_row(Deparse *d, const RowExpr *r, bool top);
/* An expression that stands alone as an item of a list: whole rows keep their type. Returns the name the
 * column gets by itself, NULL if none. */
const char *put_item(Deparse *d, const Expr *e, bool show_implicit);
const char *column_name(const Level *l, int rel, int attno);

/* const.c */
void put_const(Deparse *d, const Const *c, int show_type /* -1 never, 0 if needed, 1 always */);

/* expr.c */
void put_expr(Deparse *d, const void *e, bool show_implicit);
void put_expr_paren(Deparse *d, const void *e, bool show_implicit, const void *parent);
void put_list(Deparse *d, const List *l, bool show_implicit);
void put_cast(Deparse *d, const Expr *arg, Oid type, int32_t typmod, const void *parent);
bool looks_like_function(const void *e);
/* precedence.c */
bool is_simple_node(const void *e, const void *parent, int flags);
/* calls.c */
void put_func_call(Deparse *d, const FuncCall *f, bool show_implicit);
void put_aggref(Deparse *d, const Aggref *g);
void put_window_func(Deparse *d, const WindowFunc *w);
int32_t length_coercion_typmod(const Expr *e); /* -1: none */

/* query.c */
void put_query(Deparse *d, const Query *q, const List *names, bool names_visible);
void put_subquery(Deparse *d, const Query *q, bool names_visible);
void put_values(Deparse *d, const List *rows);
const Expr *put_sort_item(Deparse *d, int ref, const List *targets, bool as_number);
void put_order_by(Deparse *d, const List *clauses, const List *targets, bool as_number);
void put_window_spec(Deparse *d, const WindowClause *w, const List *windows, const List *targets);
/* from.c */
void put_from(Deparse *d, const Query *q, const char *prefix);
/* dml.c */
void put_with(Deparse *d, const Query *q);
void put_targets(Deparse *d, const List *targets, const List *names, bool names_visible);
void put_modification(Deparse *d, const Query *q);

/* Expression text with given flags, over one relation's columns (NULL: none). */
char *expr_text(Arena *a, const Expr *e, RelDesc *rel, int flags);

#endif
