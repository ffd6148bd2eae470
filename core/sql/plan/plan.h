/*
 * Plans: what the planner hands to the executor. A plan is read-only once made, may be run many times
 * and lives in its arena. Expressions in a plan node see columns through Var.rel:
 *   VAR_SCAN   columns of the node's own scan tuple (relation attnum, or the scan's output for others)
 *   VAR_OUTER / VAR_INNER   output columns (1-based) of the left/right child
 * A node's output columns are its `targets` (List of TargetEntry).
 */
#ifndef CORE_SQL_PLAN_PLAN_H
#define CORE_SQL_PLAN_PLAN_H

#include "core/catalog/catalog.h"
#include "core/sql/tree.h"

typedef enum PlanTag {
    PLAN_RESULT = TAG_PLAN_FIRST, PLAN_PROJECT_SET, PLAN_SEQ_SCAN, PLAN_INDEX_SCAN, PLAN_INDEX_ONLY_SCAN, PLAN_BITMAP_SCAN,
    PLAN_TID_SCAN, PLAN_SUBQUERY_SCAN, PLAN_FUNCTION_SCAN, PLAN_VALUES_SCAN, PLAN_CTE_SCAN, PLAN_WORKTABLE_SCAN,
    PLAN_NEST_LOOP, PLAN_HASH_JOIN, PLAN_MERGE_JOIN, PLAN_MATERIAL, PLAN_MEMOIZE, PLAN_SORT, PLAN_INCREMENTAL_SORT, PLAN_GROUP, PLAN_AGG,
    PLAN_WINDOW, PLAN_UNIQUE, PLAN_SETOP, PLAN_LIMIT, PLAN_APPEND, PLAN_MERGE_APPEND, PLAN_RECURSIVE_UNION, PLAN_LOCK_ROWS, PLAN_MODIFY_TABLE
} PlanTag;

typedef struct Plan {
    NodeTag tag;          /* PlanTag */
    int id;               /* dense from 0 within the PlannedStmt: indexes executor state */
    double startup_cost, total_cost, rows; int width;
    List *targets;        /* TargetEntry */
    List *quals;          /* Exprs, ANDed, applied to rows before projection */
    struct Plan *left, *right;
    IntList *init_plans;  /* ids into PlannedStmt.subplans evaluated before (lazily, once) */
    IntList *ext_params;  /* PARAM_EXEC ids this subtree reads from outside: a change means rescan */
} Plan;

typedef struct ResultPlan { Plan p; List *one_time_quals; bool no_rows; /* stands for relations that give none */ } ResultPlan; /* no child: one row */
typedef struct ScanPlan { Plan p; int rel; /* range table index */ } ScanPlan; /* SEQ_SCAN and base of others */
/* One column's condition of an index scan. */
typedef struct IndexCond { int column; /* 0-based key column */ int strategy; /* 1..5; 6: = ANY(array); 7: IS NULL; 8: IS NOT NULL */ Expr *value; } IndexCond;
typedef struct IndexScanPlan {
    ScanPlan s;
    Oid index; bool backward;
    List *conds;          /* IndexCond *, leading columns; equality ones first, then at most a range on the next */
    List *orig_conds;     /* the Exprs they came from (over VAR_SCAN), for EXPLAIN and lossy rechecks */
    bool recheck;
    IntList *index_columns; /* index-only: heap attnum delivered per index column; VAR_SCAN attnos keep the heap's numbering */
} IndexScanPlan;          /* also INDEX_ONLY and BITMAP (unordered, tids sorted by block) */
typedef struct TidScanPlan { ScanPlan s; List *tids; } TidScanPlan;
typedef struct SubqueryScanPlan { ScanPlan s; Plan *subplan; } SubqueryScanPlan; /* VAR_SCAN attno = subplan column */
typedef struct FunctionScanPlan { ScanPlan s; List *functions; bool with_ordinality; } FunctionScanPlan;
typedef struct ValuesScanPlan { ScanPlan s; List *rows; } ValuesScanPlan;   /* ListNodes of Expr */
typedef struct CteScanPlan { ScanPlan s; int subplan; int param; } CteScanPlan; /* subplan id; also WORKTABLE */
typedef struct JoinPlan {
    Plan p; int join_kind;    /* JOIN_* ; left child outer, right child inner */
    List *join_quals;         /* ON part; p.quals are applied after null-extension */
    bool inner_unique;
    IntList *nest_params;     /* NEST_LOOP: PARAM_EXEC ids set from the outer row ... */
    List *nest_values;        /* ... to these Exprs over VAR_OUTER, before each inner rescan */
    List *hash_outer, *hash_inner; IntList *hash_ops, *hash_collations; /* HASH and MERGE: equality keys */
    IntList *merge_desc, *merge_nulls_first;
} JoinPlan;
typedef struct SortKey { int column; /* 1-based in child's targets */ Oid sort_op, eq_op, collation, type; bool desc, nulls_first; } SortKey;
typedef struct SortPlan { Plan p; List *keys; int presorted; double bound; /* top-N hint, <0 none */ } SortPlan; /* SORT, MERGE_APPEND, UNIQUE keys too */
typedef struct AggPlan {
    Plan p; int strategy;     /* AGG_PLAIN, AGG_SORTED, AGG_HASHED */
    List *keys;               /* SortKey: grouping columns of the child */
    List *aggs;               /* Aggref, args over VAR_OUTER; Aggref.index numbers them */
    List *grouping_sets;      /* List of IntList (key positions) or NULL */
    double groups;
} AggPlan;                    /* p.targets and quals: over VAR_OUTER (grouping columns) and Aggref */
enum { AGG_PLAIN, AGG_SORTED, AGG_HASHED };
typedef struct WindowPlan { Plan p; List *partition, *order; int frame_options; Expr *start_offset, *end_offset; List *funcs; } WindowPlan;
typedef struct SetOpPlan { Plan p; int op; bool all; List *keys; } SetOpPlan; /* left and right children, hashed */
typedef struct LimitPlan { Plan p; Expr *offset, *count; int option; List *keys; } LimitPlan;
typedef struct AppendPlan { Plan p; List *children; List *keys; } AppendPlan;
typedef struct RecursiveUnionPlan { Plan p; int worktable_param; bool distinct; List *keys; } RecursiveUnionPlan;
typedef struct LockRowsPlan { Plan p; List *marks; } LockRowsPlan; /* PlanRowMark */
typedef struct PlanRowMark { int rel, strength, wait_policy, ctid_column, oid_column; /* columns of the child */ } PlanRowMark;
typedef struct ModifyPlan {
    Plan p; int command; int rel; Oid rel_oid; bool can_set_tag;
    /* Child columns: INSERT: the table's columns in order. UPDATE: the new values of update_columns, then ctid
     * (junk, last). DELETE: ctid. */
    IntList *update_columns; int ctid_column;
    List *returning;          /* TargetEntry over VAR_SCAN (the new row; the old for DELETE) and VAR_OUTER (child) */
    OnConflict *on_conflict;  /* set/where over VAR_SCAN (existing row) and VAR_INNER (excluded row) */
    List *check_options;      /* of views */
} ModifyPlan;

typedef struct SubPlanRef { /* expression: value of a subplan */
    Expr expr; int kind;      /* SUBLINK_* */
    int plan;                 /* index into PlannedStmt.subplans */
    Expr *test;               /* ANY/ALL/ROWCOMPARE: over PARAM_EXEC result_params */
    IntList *result_params;   /* PARAM_EXEC ids given the subplan's columns of the current row */
    IntList *params; List *args; /* PARAM_EXEC ids set from these Exprs before running (correlation) */
    bool hashed;              /* uncorrelated ANY with hashable equality */
    List *hash_left;           /* Exprs compared with the subplan's columns */
    IntList *hash_ops;         /* equality operators, one per column */
    bool init_plan;           /* evaluated once; result in result_params[0] */
} SubPlanRef;

typedef struct PlannedStmt {
    int command;              /* CMD_* */
    bool has_returning, has_modifying_cte, can_set_tag;
    bool parallel_safe, transient; /* transient: must be replanned when snapshot-dependent */
    Plan *plan;
    List *range_table;        /* RangeEntry, flattened; executor checks perms and takes locks */
    List *subplans;           /* Plan */
    int plan_count, param_exec_count;
    List *modifying_ctes;     /* subplan ids that must run to the end */
    IntList *relations;       /* OIDs whose change invalidates */
    Arena *arena;
    const char *text; int stmt_location, stmt_len;
    UtilityStmt *utility;     /* command == CMD_UTILITY: everything else empty */
    Query *query;             /* kept for EXPLAIN VERBOSE and replans */
} PlannedStmt;

/* params: values for PARAM_EXTERN when a custom plan is wanted, else NULL. */
typedef struct ParamValues { int count; Oid *types; Datum *values; bool *nulls; } ParamValues;
PlannedStmt *plan_query(Arena *a, Query *q, const ParamValues *params, int cursor_options);
Expr *plan_fold_constants(Arena *a, Expr *e, const ParamValues *params);
void plan_settings_register(void); /* enable_*, *_cost, work_mem, geqo*, join_collapse_limit ... */
extern int work_mem_kb, default_statistics_target, plan_cache_mode; /* plan_cache_mode: 0 auto, 1 generic, 2 custom */
extern double seq_page_cost, random_page_cost, cpu_tuple_cost, cpu_index_tuple_cost, cpu_operator_cost;

/* EXPLAIN of a plan; run-time numbers when the executor collected them. */
typedef struct ExplainOptions { bool analyze, verbose, costs, buffers, timing, summary, settings, wal; int format; /* 0 text 1 xml 2 json 3 yaml */ double planning_ms, execution_ms; /* shown with summary */ } ExplainOptions;
struct Exec;
void explain_plan(Arena *a, PlannedStmt *p, struct Exec *run, const ExplainOptions *o, StrBuf *out);

#endif
