/*
 * Analysis: raw grammar trees to typed trees. Shared by the files of this folder only.
 *
 * A Scope is one query level. Names are looked up in its namespace, then in its parents' (levels_up).
 * Join columns resolve to the expressions they stand for, so no Var ever names a RANGE_JOIN entry.
 */
#ifndef CORE_SQL_ANALYZE_ANALYZE_INTERNAL_H
#define CORE_SQL_ANALYZE_ANALYZE_INTERNAL_H

#include "core/base/stack.h"
#include "core/sql/sql.h"

typedef PgQuery__Node PNode;
#define PN(x) PG_QUERY__NODE__NODE_##x

/* Where an expression stands: decides what it may contain. Texts: kind_name in expr.c. */
typedef enum ExprKind {
    EK_NONE, EK_JOIN_ON, EK_FROM_SUBSELECT, EK_FROM_FUNCTION, EK_WHERE, EK_HAVING, EK_FILTER, EK_SELECT_TARGET,
    EK_INSERT_TARGET, EK_UPDATE_TARGET, EK_UPDATE_SOURCE, EK_GROUP_BY, EK_ORDER_BY, EK_DISTINCT_ON, EK_LIMIT, EK_OFFSET,
    EK_RETURNING, EK_VALUES, EK_WINDOW, EK_CHECK, EK_DEFAULT, EK_INDEX_EXPR, EK_INDEX_PRED, EK_ALTER_USING,
    EK_EXECUTE_PARAM, EK_COPY_WHERE, EK_GENERATED, EK_CONFLICT_WHERE
} ExprKind;

typedef struct NsColumn { const char *name; Expr *expr; } NsColumn; /* expr: template, copied at each use */
typedef struct NsItem {
    int rel;                 /* range table index; 0: none of its own (unaliased join) */
    RangeEntry *entry;
    const char *name;        /* alias by which columns may be qualified; NULL: columns only unqualified */
    NsColumn *cols; int ncols;
    bool columns_visible;    /* unqualified references */
    bool name_visible;
    bool lateral_only, lateral_ok;
} NsItem;

typedef struct Scope {
    Arena *arena;
    struct Scope *parent;
    const char *text;
    ParamTypes *params;
    Query *query;
    List *ns;                /* NsItem */
    List *ctes;              /* CommonTable visible at this level */
    const PgQuery__WithClause *with; /* for hints about forward references */
    ExprKind kind;
    bool has_aggs, has_windows, has_srfs, has_sublinks;
    bool in_aggregate_args;  /* nested aggregates are refused */
    List *windows;           /* PgQuery__WindowDef * named ones, then those made for OVER (...) */
    const PgQuery__WindowDef **window_defs; int nwindow_defs;
    RelDesc *single_rel;     /* sql_analyze_expr: the only relation */
    bool resolve_unknowns;   /* unknown literals in the target list become text */
    RelDesc *target_rel; int target_index;
    bool is_insert_select;
    List *lock_clauses;      /* pending FOR UPDATE ... of parents, pushed into subqueries */
} Scope;

Scope *scope_new(Arena *a, Scope *parent, const char *text, ParamTypes *params);

/* query.c */
Query *analyze_statement(Scope *parent_or_null, Arena *a, const PNode *n, const char *text, ParamTypes *params, bool resolve_unknowns);
Query *analyze_select_in(Scope *parent, const PNode *select, bool resolve_unknowns, bool lateral);
void analyze_select_for_insert(Scope *s, const PgQuery__SelectStmt *st);
Query *analyze_sub_select(Scope *parent, const PgQuery__SelectStmt *s, bool resolve_unknowns);
/* dml.c */
Query *analyze_insert(Scope *s, const PgQuery__InsertStmt *st);
Query *analyze_update(Scope *s, const PgQuery__UpdateStmt *st);
Query *analyze_delete(Scope *s, const PgQuery__DeleteStmt *st);
/* assign.c */
/* e as the new value of column `attnum` of the target; ind: the part of it that is assigned to (subscripts, fields). */
Expr *assign_column(Scope *s, Expr *e, int attnum, PNode **ind, size_t n_ind, int location, bool is_insert);
bool assign_after(Expr *e, Expr *before); /* two parts of one column: e stores into what `before` gives; false: not parts */
Expr *assigned_value(Expr *e);            /* what is stored, without the storing */
/* with.c */
void analyze_with(Scope *s, const PgQuery__WithClause *w);
CommonTable *find_cte(Scope *s, const char *name, int *levels_up);
/* from.c */
void analyze_from(Scope *s, PNode **items, size_t n, FromNode *out);
NsItem *add_relation(Scope *s, RelDesc *rel, const PgQuery__RangeVar *rv, const char *alias, bool columns_visible, uint32_t perms);
RelDesc *open_range_var(Scope *s, const PgQuery__RangeVar *rv, LockMode lock);
NsItem *ns_item_for_entry(Scope *s, RangeEntry *e, int rel);
NsItem *add_subquery_entry(Scope *s, Query *q, const PgQuery__Alias *alias, bool lateral, int kind);
void mark_column_used(Scope *s, int rel, int attno, uint32_t perm);
Expr *make_var(Scope *s, NsItem *item, int column_index, int levels_up, int location);
int push_range_entry(Scope *s, RangeEntry *e);
/* columns.c */
Expr *analyze_column_ref(Scope *s, const PgQuery__ColumnRef *c);
void expand_star(Scope *s, const PgQuery__ColumnRef *c, List *targets_out);
NsItem *find_ns_item(Scope *s, const char *schema, const char *name, int *levels_up, int location);
/* composite.c */
typedef struct RowColumns { int n; const char **names; Oid *types; int32_t *typmods; Oid *collations; int *fields; /* numbers for FieldSelect */ } RowColumns;
RowColumns *row_columns(Scope *s, const Expr *e); /* NULL: not a row, or one whose columns are not known */
Expr *find_field(Scope *s, Expr *x, const char *name); /* NULL: none of that name */
Expr *select_field(Scope *s, Expr *x, const char *name, int location); /* raises when there is none */
void expand_row(Scope *s, Expr *x, List *targets);
bool expand_row_star(Scope *s, const PNode *n, List *targets); /* n of the form (...).*; false: it is not */
/* missing.c */
NORETURN void column_missing(Scope *s, const char *relname, const char *name, int location);
NORETURN void relation_missing(Scope *s, const char *schema, const char *name, int location);
/* targets.c */
List *analyze_targets(Scope *s, PNode **items, size_t n, ExprKind kind);
char *figure_column_name(const PNode *n);
TargetEntry *target_new(Arena *a, Expr *e, int resno, const char *name, bool junk);
void resolve_unknown_targets(Scope *s, List *targets);
/* clauses.c */
List *analyze_sort(Scope *s, PNode **items, size_t n, List *targets, ExprKind kind, bool sql99);
void sort_by_target(Scope *s, List *sort, TargetEntry *te, List *targets, const PgQuery__SortBy *by);
List *analyze_group(Scope *s, PNode **items, size_t n, List *targets, List *sort, List **grouping_sets);
List *analyze_distinct(Scope *s, List *targets, List *sort, bool is_agg);
List *analyze_distinct_on(Scope *s, PNode **items, size_t n, List *targets, List *sort);
Expr *analyze_limit(Scope *s, const PNode *n, ExprKind kind, const char *name, int option);
int assign_sort_ref(TargetEntry *te, const List *targets);
SortClause *make_group_clause(Arena *a, const List *targets, TargetEntry *te, int location);
TargetEntry *target_by_ref(const List *targets, int ref);
void analyze_windows(Scope *s, List *targets);
/* grouping.c */
void check_grouping(Scope *s, Query *q);
/* expr.c */
Expr *analyze_expr(Scope *s, const PNode *n, ExprKind kind);
Expr *analyze_expr_inner(Scope *s, const PNode *n);
Expr *analyze_array(Scope *s, const PgQuery__AArrayExpr *x, Oid array_type, Oid element, int32_t typmod);
/* assign NULL: a fetch. ind[]: A_Indices only. */
Expr *analyze_indirection(Scope *s, const PNode *arg, PNode **ind, size_t n);
Expr *analyze_subscripts(Scope *s, Expr *base, PNode **ind, size_t n, Expr *assign, int location);
const char *kind_name(ExprKind k);
Expr *coerce_to_boolean(Scope *s, Expr *e, const char *what);
Expr *make_const(Arena *a, Oid type, int32_t typmod, Oid collation, Datum v, bool isnull, int location);
Expr *make_unknown(Arena *a, const char *text, int location);
/* agg.c */
Expr *analyze_func_call(Scope *s, const PgQuery__FuncCall *f);
Expr *build_func_call(Scope *s, const char *nsp, const char *name, List *args, int location, const PgQuery__FuncCall *f);
/* oper.c */
Expr *make_op(Scope *s, PNode **name, size_t n_name, Expr *l, Expr *r, int location);
Expr *make_op_named(Scope *s, const char *nsp, const char *name, Expr *l, Expr *r, int location);
Expr *make_scalar_array_op(Scope *s, PNode **name, size_t n_name, bool use_or, Expr *l, Expr *r, int location);
Expr *make_distinct(Scope *s, PNode **name, size_t n_name, Expr *l, Expr *r, int location, bool nullif);
void split_name(PNode **parts, size_t n, const char **nsp, const char **name);
/* coerce.c */
typedef enum Coercion { COERCE_IMPLICIT, COERCE_ASSIGNMENT, COERCE_EXPLICIT } Coercion;
bool can_coerce(const Oid *from, const Oid *to, int n, Coercion ctx);
bool is_binary_coercible(Oid from, Oid to);
Expr *coerce_type(Scope *s, Expr *e, Oid from, Oid to, int32_t typmod, Coercion ctx, int form, int location);
/* NULL when no cast exists. Applies typmod. */
Expr *coerce_to_target(Scope *s, Expr *e, Oid to, int32_t typmod, Coercion ctx, int form, int location);
Expr *coerce_row(Scope *s, Expr *e, Oid to, Coercion ctx, int form, int location); /* composite.c: record to a row type */
Expr *coerce_to_common(Scope *s, Expr *e, Oid to, const char *context);
Oid select_common_type(Scope *s, const List *exprs, const char *context /* NULL: 0 on failure */, Expr **which);
int32_t select_common_typmod(const List *exprs, Oid type);
Oid resolve_polymorphic(const Oid *actual, Oid *declared, int n, Oid ret); /* 0: inconsistent */
bool is_polymorphic(Oid t);
/* collate.c: fills collation / input_collation bottom-up; 42P21/42P22 on conflicts */
void assign_collations_query(Arena *a, Query *q);
void assign_collations_expr(Arena *a, void *e);
void assign_collations_list(Arena *a, List *l);
/* func_select.c */
typedef enum FnLookup { FN_NORMAL, FN_MULTIPLE, FN_NOTFOUND, FN_COERCION } FnLookup;
typedef struct FnChoice { const FnInfo *fn; Oid ret; bool retset; Oid *true_args; int nargs; int nvargs; Oid coercion_target; int *places; /* of arguments, when some are named */ } FnChoice;
/* names: per argument its name or NULL; NULL: none has one. may_cast: name(x) may be a cast to type `name`. */
FnLookup fn_choose(Scope *s, const char *nsp, const char *name, bool may_cast, const Oid *types, int nargs, const char *const *names, bool expand_variadic, FnChoice *out);
int op_match_candidates(int nargs, const Oid *types, const OpInfo **cands, int n);
void operator_name_add(const char *name, const Oid *types, int n, StrBuf *out);
char *signature_text(Arena *a, const char *name, const Oid *types, int n, const char *const *names);

static inline Oid expr_type(const void *e) { return ((const Expr *)e)->type; }
int expr_location(const void *e); /* where its text begins: the leftmost of itself and its operands; -1 unknown */
static inline const char *pstr(const PNode *n) { return n->node_case == PN(STRING) ? n->string->sval : NULL; }
static inline bool pempty(const PNode *n) { return n == NULL || n->node_case == PG_QUERY__NODE__NODE__NOT_SET; }

#endif
