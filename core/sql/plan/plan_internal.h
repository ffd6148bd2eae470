/*
 * Planning, shared by the files of this folder only.
 *
 * A Root is one query level being planned. Base relations are range table entries; sets of them are
 * 64-bit masks (bit rel - 1). Paths carry finished Plan nodes over original Vars; setrefs.c turns Vars into
 * positions at the end.
 */
#ifndef CORE_SQL_PLAN_PLAN_INTERNAL_H
#define CORE_SQL_PLAN_PLAN_INTERNAL_H

#include "core/base/stack.h"
#include "core/sql/plan/plan.h"

typedef uint64_t RelSet;
#define REL_BIT(rel) (UINT64_C(1) << ((rel)-1))

typedef struct Global {
    Arena *arena;
    const ParamValues *params;
    List *range_table;      /* flattened, of all levels */
    List *subplans;         /* Plan */
    List *subplan_roots;    /* Root of each subplan: for reference fixing */
    int param_exec_count;
    IntList *relations;
    List *modifying_ctes;
    IntList *modifying_ids;
    bool transient;
} Global;

typedef struct OuterParam { Expr *expr; int id; } OuterParam; /* expr over this root's Vars (levels_up 0) */

typedef struct Root {
    Global *g;
    Arena *arena;
    struct Root *parent;
    Query *q;
    List *outer_params;     /* OuterParam: what deeper levels read of this one, since the list was last taken */
    IntList *cte_subplans;  /* per CTE of q: subplan id, -1 when inlined */
    IntList *init_plans;    /* subplan ids to attach to the top plan */
    int rtable_offset;      /* added to rel numbers for the flattened table */
    int worktable_param;    /* recursive union being planned: its work table; 0 none */
    const char *worktable_cte;
    double tuple_fraction;  /* 0: all; < 1 fraction; >= 1 rows */
    List *base_needed;      /* per rel: List of Var the scan must deliver */
    IntList *update_columns;
    struct BaseRel **rels;  /* [rel] */
    bool no_minmax;         /* planned on the side by minmax.c */
} Root;

/* A condition with the relations it needs. */
typedef struct Clause {
    Expr *expr;
    RelSet rels;            /* relations of its Vars */
    bool is_equijoin;       /* left = right, each side over disjoint non-empty sets */
    Expr *left, *right; RelSet left_rels, right_rels; Oid op, eq_op_swapped; bool hashable;
    double selectivity;
    bool pseudo_constant;   /* no Vars, not volatile: one-time filter */
} Clause;

/* A way to get the rows of a set of relations: cheap to make, turned into Plan nodes only if chosen. */
typedef enum PathKind { PATH_SEQ, PATH_INDEX, PATH_TID, PATH_SUBQUERY, PATH_FUNCTION, PATH_VALUES, PATH_CTE, PATH_RESULT, PATH_NESTLOOP, PATH_HASH } PathKind;
typedef struct Path {
    PathKind kind;
    RelSet rels;
    double rows, startup, total;
    /* parameters taken from relations outside of rels: ids and the expressions to set them from */
    IntList *param_ids; List *param_values; RelSet required;
    List *order;            /* PathKey: rows come in this order */
    /* scans */
    struct BaseRel *base;
    struct IndexDesc *index; Oid index_oid; List *conds /* IndexCond */, *orig_conds; bool backward, index_only, bitmap;
    List *used_clauses;     /* Clause: those the index conditions enforce */
    List *filter;           /* Expr still to be tested */
    List *tids;
    Plan *subplan; struct Root *subroot; int cte_subplan, cte_param;
    /* joins */
    struct Path *outer, *inner;
    int join_kind; List *hash_clauses /* Clause */, *join_quals /* Expr: ON */, *other_quals /* Expr: after */;
    bool materialize_inner, inner_unique;
    bool no_rows;           /* PATH_RESULT: for all relations of rels, of which a condition lets no row through */
} Path;
typedef struct PathKey { Expr *expr; Oid sort_op, eq_op; bool desc, nulls_first; } PathKey;

typedef struct BaseRel {
    int rel;
    RangeEntry *entry;
    RelDesc *desc;          /* RANGE_RELATION */
    double tuples, rows; BlockNo pages; int width;
    List *clauses;          /* Clause over this relation only */
    List *paths;            /* Path; those with required != 0 need a nested loop */
} BaseRel;

/* prep.c: rewrites of the Query before planning */
void prep_query(Root *root);
Expr *prep_expr(Root *root, Expr *e);
List *flatten_and(Arena *a, Expr *quals, List *out);
Expr *make_and(Arena *a, const List *quals);
/* pullup.c */
void pull_up_subqueries(Root *root);
void pull_up_sublinks(Root *root);
/* fold.c */
Expr *fold_expr(Arena *a, Expr *e, const ParamValues *params);
bool is_volatile(const void *e);
bool is_stable_only(const void *e);
bool is_strict_for(const Expr *e, RelSet rels); /* null inputs from rels make it null or false */
bool has_srf(const void *e);
/* subselect.c */
Expr *replace_outer(Root *root, Expr *var_or_agg);
Expr *process_sublinks(Root *root, Expr *e);
List *process_sublinks_list(Root *root, List *l);
void plan_ctes(Root *root);
IntList *take_outer_params(Root *root, List **args);
/* path.c */
void build_base_rels(Root *root);
RelSet expr_rels(const void *e);
RelSet tree_rel_set(const void *join_item);
Clause *clause_new(Root *root, Expr *e);
void base_rel_paths(Root *root, BaseRel *r, List *join_clauses);
Expr *outer_to_param(Root *root, Path *p, Expr *e, RelSet own);
/* index.c */
void add_index_paths(Root *root, BaseRel *r, List *join_clauses);
/* join.c */
Path *plan_join_tree(Root *root, List *order_hint);
/* build.c */
Plan *build_plan(Root *root, Path *p);
/* select.c */
Plan *plan_query_level(Root *root);
Root *root_new(Global *g, Root *parent, Query *q);
/* minmax.c */
void plan_minmax(Root *root); /* may replace root->q */
/* upper.c */
Plan *plan_set_ops(Root *root);
Plan *make_sort(Root *root, Plan *child, List *keys, double bound);
List *sort_keys_for(Root *root, const List *clauses, const List *targets, const Plan *child);
int column_of(const Plan *child, const Expr *e);
double sort_cost(double rows, int width, double bound);
Plan *plan_modify(Root *root, Plan *child);
void expand_insert_targets(Root *root);
IntList *prepare_update_targets(Root *root);
/* setrefs.c */
void set_references(Root *root, Plan *p);
void fix_subplan_refs(Global *g);
/* selectivity.c */
double clause_selectivity(Root *root, Expr *e, RelSet outer);
double clauses_selectivity(Root *root, const List *clauses);
double distinct_values(Root *root, Expr *e, double rows);
double equijoin_selectivity(Root *root, Expr *l, Expr *r);
int type_width(Oid type, int32_t typmod);
void rel_size_estimate(Root *root, BaseRel *r);
/* nodes.c */
void *plan_new(Root *root, int tag, size_t bytes);
#define PLAN_NEW(root, tag, T) ((T *)plan_new((root), (tag), sizeof(T)))
TargetEntry *tle(Arena *a, Expr *e, int resno, const char *name);
void plan_cost(Plan *p, double startup, double total, double rows, int width);
List *vars_of(Arena *a, const void *e, List *out); /* distinct level-0 Vars (and Aggrefs/WindowFuncs not entered) */
Expr *lookup_sort_ref(const List *targets, int ref);

extern bool enable_seqscan, enable_indexscan, enable_indexonlyscan, enable_bitmapscan, enable_hashjoin, enable_nestloop, enable_mergejoin,
    enable_hashagg, enable_sort, enable_material, enable_tidscan, enable_incremental_sort, enable_memoize;
extern int join_collapse_limit, from_collapse_limit;
extern double effective_cache_size_pages;

#endif
