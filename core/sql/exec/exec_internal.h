/*
 * What the files of core/sql/exec share: expression programs (Prim), rows kept in memory or in
 * temporary files (Row, Store, Sorter, RowTable), operators (ExecNode) and the state of a run (Exec).
 * Rules are numbered in README.md.
 */
#ifndef CORE_SQL_EXEC_EXEC_INTERNAL_H
#define CORE_SQL_EXEC_EXEC_INTERNAL_H

#include "core/access/toast/toast.h"
#include "core/base/clock.h"
#include "core/base/hash.h"
#include "core/base/interrupt.h"
#include "core/sql/exec/exec.h"

typedef struct Prim Prim;
typedef struct ExprEnv ExprEnv;
typedef struct ExecNode ExecNode;
typedef struct SubPlanState SubPlanState;

/* ==== expressions ============================================================================== */

/* Evaluates for rows sel[0..n) (NULL: 0..n), n > 0. The result's lanes are valid for those rows only,
 * until the same primitive is evaluated again or the environment's arena is reset. */
typedef const Vec *(*PrimFn)(Prim *p, int n, const uint16_t *sel);
/* The rows for which the value is true, in order, into out (may be the same array as sel). */
typedef int (*PrimFilter)(Prim *p, int n, const uint16_t *sel, uint16_t *out);

struct Prim {
    const Vec *fixed;     /* set: the value stands here always (constants, parameters) */
    PrimFn fn;
    PrimFilter filter;    /* NULL: by way of the value */
    ExprEnv *env;
    int nargs;
    Prim **args;
    Vec out;
    const Vec **argv;     /* the arguments' values of the current evaluation */
    uint16_t *rows;       /* scratch selection of env->lanes entries, for those that narrow */
    FnCtx *ctx;
    ScalarFn scalar;
    BatchFn batch;
    bool strict, is_volatile;
    int i;                /* kind's own: attribute, operator ... */
    void *data;
};

#define ENV_SCAN 0
#define ENV_OUTER 1
#define ENV_INNER 2

/* Columns of a heap scan, gathered when an expression first needs one: for all rows that were alive when
 * the current step (one qual, or the projection) began, so that narrower selections find them. */
typedef struct ScanColumns {
    HeapRel *heap;
    TupleBatch *tuples;
    int n; const uint16_t *sel;  /* rows alive */
    Arena *arena;                /* detoasted values */
    int natts;
    Vec *cols;                   /* by attnum + SCAN_SYSTEM; v NULL: never asked for */
    uint32_t *seen;              /* == batch: gathered */
    uint32_t batch;
} ScanColumns;
#define SCAN_SYSTEM 6

/* A parameter of the statement: a constant for one run. */
typedef struct ExternParam {
    Vec vec;
    Datum lane;
    uint64_t nulls[BATCH_ROWS / 64];
    Oid type;
    bool given;
} ExternParam;

struct ExprEnv {
    Batch *in[3];         /* ENV_*: what Vars see; set before evaluation */
    ScanColumns *scan;    /* VAR_SCAN columns come from here instead of in[ENV_SCAN] */
    const Vec *regs;      /* results of Aggref and WindowFunc by index */
    Arena *arena;         /* values made by the current batch */
    Arena *state;         /* lives with the program */
    Exec *x;              /* NULL outside of plans */
    int lanes;            /* rows a Vec of this environment holds */
    RelDesc *rel;         /* for whole-row Vars of VAR_SCAN; may be NULL */
    int system_base;      /* > 0: system column -k of VAR_SCAN is column system_base + k - 1 of in[ENV_SCAN] */
    const ExecNode *node; /* NULL outside of plans */
    const int *grouping;  /* current grouping set, as bitmap words over key positions; NULL: all */
    const List *group_keys; /* SortKeys, for GROUPING() */
    const ParamValues *params; /* outside of plans */
};

Prim *expr_compile(ExprEnv *env, const Expr *e);
/* ANDed list to one filter; NULL when the list is empty. */
Prim *expr_compile_quals(ExprEnv *env, const List *quals);
Prim **expr_compile_list(ExprEnv *env, const List *exprs);
static inline const Vec *
prim_eval(Prim *p, int n, const uint16_t *sel)
{
    return p->fixed ? p->fixed : p->fn(p, n, sel);
}
int prim_filter(Prim *p, int n, const uint16_t *sel, uint16_t *out);
/* One row, n == 1: as a plain value. */
Datum prim_value(Prim *p, bool *isnull);
extern const Vec vec_null_const, vec_true_const, vec_false_const;
/* Pieces for the expr_*.c files. */
Prim *prim_new(ExprEnv *env, PrimFn fn, int nargs);
void prim_lanes(Prim *p);                  /* gives it an output Vec */
uint16_t *env_rows(ExprEnv *env);          /* a selection array */
void env_vec(ExprEnv *env, Vec *v);
const Vec *vec_const(Arena *a, Datum d, bool isnull);
static inline Vec *
prim_out(Prim *p)
{
    p->out.has_nulls = false;
    p->out.is_const = false;
    return &p->out;
}
Prim *compile_call(ExprEnv *env, Oid fn, Oid collation, const List *args, Oid ret_type,
                   int32_t ret_typmod, bool variadic);
Prim *compile_call_prims(ExprEnv *env, Oid fn, Oid collation, Prim **args, const Oid *types,
                         int nargs, Oid ret_type, int32_t ret_typmod, bool variadic);
const Vec *prim_call_rows(Prim *p, int n, const uint16_t *sel); /* with argv filled in */
void compile_compare(Prim *p);             /* installs a filter for plain comparisons */
Prim *compile_bool(ExprEnv *env, const Expr *e);
Prim *compile_cond(ExprEnv *env, const Expr *e);
Prim *compile_array(ExprEnv *env, const Expr *e);
Prim *compile_row(ExprEnv *env, const Expr *e);
Prim *compile_misc(ExprEnv *env, const Expr *e);
Prim *compile_subplan(ExprEnv *env, const SubPlanRef *r);
Prim *compile_case_test(ExprEnv *env);
/* Values CaseTest and DomainValue refer to while their parents are compiled. */
extern const Vec **compile_case_value, **compile_domain_value;
/* Stands for a value computed elsewhere. */
Prim *prim_alias(ExprEnv *env, const Vec **src);
/* Copies the lanes and null bits of the given rows. */
void vec_copy_rows(Vec *to, const Vec *from, int n, const uint16_t *sel);
/* Removes from a[0..n) the rows of b[0..m), a subset in the same order; returns what is left. */
int rows_subtract(uint16_t *a, int n, const uint16_t *b, int m);
static inline void
rows_all(uint16_t *to, int n, const uint16_t *sel)
{
    if (sel == NULL)
        for (int i = 0; i < n; i++)
            to[i] = (uint16_t)i;
    else if (to != sel)
        memcpy(to, sel, (size_t)n * sizeof(*to));
}
ExternParam *exec_extern(Exec *x, int id);

/* Records as values: payload = u32 columns, u32 row type (RECORD or composite), then per column
 * u32 type, u8 null flag, bytes. */
Datum record_make(Arena *a, Oid row_type, int n, const Oid *types, const Datum *values,
                  const bool *nulls);
extern const TypeOps type_ops_record;
int record_columns(Datum d);
bool record_test_null(Datum d, bool want); /* are all columns null (want), or all not null (!want) */
Datum record_get(Arena *a, Datum d, int field /* 1-based */, Oid *type, bool *isnull);

/* ==== types as the executor moves them ========================================================= */

void type_physical(Oid type, int16_t *len, bool *byval);

typedef enum KeyKind { KEY_LANE /* equal iff lanes are */, KEY_TYPED, KEY_FLOAT, KEY_BYTES, KEY_CALL } KeyKind;
/* An equality between a left and a right column: hashing and comparing. */
typedef struct KeyCol {
    KeyKind kind;
    const TypeOps *ops;
    Oid collation, left, right;
    Prim *call;          /* KEY_CALL: the operator over const Vecs */
} KeyCol;
void key_col_init(KeyCol *k, Arena *a, Oid eq_op, Oid left, Oid right, Oid collation);
/* Hash lanes of rows; rows with a null key get nullrow's bit (if given) set and a hash that still counts
 * nulls as equal. */
void keys_hash(const KeyCol *k, int nkeys, const Vec *const *cols, bool left, int n,
               const uint16_t *sel, uint64_t *hash);
uint64_t key_hash_one(const KeyCol *k, bool left, Datum d);
bool key_equal_slow(const KeyCol *k, Datum a, Datum b);
static inline bool
key_equal(const KeyCol *k, Datum a, Datum b)
{
    return k->kind == KEY_LANE ? a == b : key_equal_slow(k, a, b);
}
#define HASH_NULL UINT64_C(0x9ae16a3b2f90404f)

/* ==== rows kept ================================================================================ */

typedef struct RowShape {
    int ncols, nwords;   /* null bits: nwords words */
    int nref;            /* columns by reference */
    int16_t *ref;
    int16_t *len;        /* by column */
    bool *byval;
} RowShape;
typedef struct Row {
    uint32_t bytes;      /* all of it */
    uint32_t flags;
    uint64_t hash;
    struct Row *next;
    uint64_t words[];    /* null bits, lanes, then the bytes by-reference lanes point at */
} Row;
#define ROW_MATCHED 1u
void row_shape_init(RowShape *s, Arena *a, int ncols, const Oid *types);
void row_shape_of_targets(RowShape *s, Arena *a, const List *targets);
static inline Datum *
row_lanes(const RowShape *s, const Row *r)
{
    return (Datum *)(r->words + s->nwords);
}
static inline bool row_null(const Row *r, int c) { return r->words[c >> 6] >> (c & 63) & 1; }
/* cols: shape->ncols Vecs. extra: bytes reserved at the end, 8-aligned, uncounted in bytes. */
Row *row_form(Arena *a, const RowShape *s, const Vec *cols, int i, size_t extra);
Row *row_form_ptrs(Arena *a, const RowShape *s, const Vec *const *cols, int i, size_t extra);
/* Column-wise copy of rows to lanes at..at+n; needed NULL: all columns. */
void rows_to_lanes(const RowShape *s, Row *const *rows, int n, Vec *cols, int at,
                   const bool *needed);
/* The n rows' columns; a NULL row pointer gives nulls. */
void rows_to_batch(const RowShape *s, Row *const *rows, int n, Batch *out, const bool *needed);
/* Rows on disk: lanes of by-reference columns become offsets. */
void row_to_disk(const RowShape *s, Row *r);
void row_from_disk(const RowShape *s, Row *r);
Row *row_copy(Arena *a, const RowShape *s, const Row *r);

/* Buffered sequential temporary file, unlinked at creation. */
typedef struct TempFile TempFile;
TempFile *temp_file_create(Arena *a);  /* closed when the arena is reset */
void temp_file_write(TempFile *f, const void *p, size_t n);
bool temp_file_read(TempFile *f, void *p, size_t n); /* false: at the end */
/* More readers of the same file, each with its buffer and range. */
typedef struct TempReader {
    TempFile *file;
    uint64_t pos, end;
    char *buf;
    size_t cap;
    uint64_t at;
    size_t len;
} TempReader;
void temp_reader_init(TempReader *r, TempFile *f, Arena *a, size_t buffer_bytes, uint64_t from,
                      uint64_t end);
bool temp_reader_get(TempReader *r, void *p, size_t n);
void temp_file_rewind(TempFile *f);
void temp_file_seek(TempFile *f, uint64_t pos);
uint64_t temp_file_tell(const TempFile *f);
uint64_t temp_file_size(const TempFile *f);
void temp_file_close(TempFile *f);
extern uint64_t temp_files_made; /* by this process */
void temp_file_truncate(TempFile *f);
void row_write(TempFile *f, const RowShape *s, Row *r);       /* r is left as it was */
Row *row_read(TempFile *f, const RowShape *s, Arena *a);      /* NULL: end */

/* Rows in order of arrival, readable by several readers, forward and backward. */
typedef struct Store Store;
Store *store_create(Arena *parent, const RowShape *s);
void store_put_batch(Store *st, const Batch *b);
void store_put_row(Store *st, Row *r /* copied */);
uint64_t store_count(const Store *st);
/* Rows from `at` on as lanes; returns how many (0: none there). The data live until the next call on
 * the reader. */
typedef struct StoreReader { Store *store; uint64_t at; Arena *arena; uint64_t generation, file_row, file_pos; /* where the last read from the file ended */ } StoreReader;
void store_reader_init(StoreReader *r, Store *st, Arena *parent);
int store_read(StoreReader *r, Batch *out, int max, const bool *needed);
void store_clear(Store *st);
uint64_t store_bytes(const Store *st);

/* Hash table of Rows whose first nkeys columns are the key (nulls equal each other). */
typedef struct RowTable {
    Arena *parent, *arena; /* arena: the rows */
    Arena *slot_arena;
    RowShape shape;
    KeyCol *keys; int nkeys;
    size_t extra;        /* zeroed bytes behind each row for its owner */
    struct RowSlot { uint64_t hash; Row *row; } *slots;
    uint64_t mask, count;
    uint64_t bytes;      /* of rows and slots */
    Row *first, *last;   /* in order of arrival, by next */
} RowTable;
void row_table_init(RowTable *t, Arena *parent, int ncols, const Oid *types, const KeyCol *keys,
                    int nkeys, size_t extra);
void row_table_clear(RowTable *t);
/* NULL: not there. cols: the key columns first. */
Row *row_table_find(RowTable *t, uint64_t hash, const Vec *const *cols, int i);
Row *row_table_add(RowTable *t, uint64_t hash, const Vec *const *cols, int i); /* after find failed */
static inline char *row_extra(const Row *r) { return (char *)r + r->bytes; } /* bytes is a multiple of 8 */

/* Sorting. */
typedef struct SortCol {
    int col;
    Oid type, collation;
    const TypeOps *ops;
    bool desc, nulls_first;
    int fast;
} SortCol;
typedef struct Sorter Sorter;
Sorter *sorter_create(Arena *parent, const RowShape *s, const SortCol *cols, int ncols,
                      size_t memory_bytes);
void sorter_set_bound(Sorter *st, uint64_t bound);
void sorter_put_batch(Sorter *st, const Batch *b);
void sorter_put(Sorter *st, const Vec *const *cols, int i);
void sorter_finish(Sorter *st);
int sorter_read(Sorter *st, Batch *out, int max, const bool *needed);
void sorter_rewind(Sorter *st);
void sorter_clear(Sorter *st);
uint64_t sorter_bytes(const Sorter *st, bool *on_disk, const char **method);
void sort_cols_of_keys(SortCol *out, const List *keys);
/* Byte key of a row whose order is memcmp's; for merging and comparing. */
void sort_key_encode(const SortCol *c, int n, const Vec *const *cols, int i, StrBuf *out);

/* ==== operators ================================================================================ */

typedef Batch *(*NodeNext)(ExecNode *n); /* NULL at the end; otherwise at least one selected row */

struct ExecNode {
    NodeNext next;
    void (*rescan)(ExecNode *n);  /* start over; parameters may have changed */
    void (*close)(ExecNode *n);   /* end of a run: gives up scans and pins */
    const Plan *plan;
    Exec *x;
    NodeStats *stats;             /* NULL: nobody asked */
    ExecNode *left, *right;
    ExprEnv env;
    Prim *quals;
    Prim **targets; int ntargets;
    bool identity;                /* targets are the input's columns in order */
    Batch out;                    /* of projections */
    uint16_t *sel;
    Arena *arena;                 /* of the current output batch */
    bool complete;                /* its creation came to its end: else there is nothing to close */
    bool opened;
    int want;                     /* > 0: the parent will take no more rows than this: project no more at once */
    const uint16_t *rest; int nrest, rest_total; /* rows filtered but not yet projected */
    uint16_t *rest_rows;
};
Batch *node_next_timed(ExecNode *n);
Batch *node_next_rest(ExecNode *n);
static inline Batch *
node_next(ExecNode *n)
{
    if (UNLIKELY(n->nrest > 0))
        return node_next_rest(n);
    return UNLIKELY(n->stats != NULL) ? node_next_timed(n) : n->next(n);
}
void node_rescan(ExecNode *n);
void node_close(ExecNode *n);
ExecNode *node_create(Exec *x, const Plan *p);
void *node_new_exec(Exec *x, const Plan *p, size_t bytes, NodeNext next);
/* Compiles targets and quals after env is set up. */
void node_compile(ExecNode *n);
/* Applies quals to a batch (rows sel/n) and projects; NULL: nothing left. total: lanes of the batch. */
Batch *node_filter_project(ExecNode *n, int total, int nrows, const uint16_t *sel);
Batch *node_project(ExecNode *n, int total, int nrows, const uint16_t *sel);
void node_types(const Plan *p, Oid *out); /* of its targets */
/* Lanes that vectors of a node need: a few where the plan's shape shows that no batch holds more. */
int plan_lanes(const Exec *x, const Plan *p);
#define FEW_LANES 16
void node_note_filtered(ExecNode *n, int rows);
/* Which columns of input `which` (VAR_OUTER ...) the expressions use. */
void exprs_mark_columns(const List *exprs, int rel, bool *used, int n);
void expr_mark_columns(const Expr *e, int rel, bool *used, int n);

/* Base of the scans of tables. Quals are applied one by one, so that a column only later ones need is
 * gathered for the rows that are left. */
typedef struct ScanNode {
    ExecNode n;
    int rel;
    ScanColumns cols;
    int nquals; Prim **qual_list;
    bool epq_done;       /* recheck tree: the one row was given */
    Buf epq_buf;
} ScanNode;
void scan_node_init(ScanNode *s, bool tuples);
void scan_node_open(ScanNode *s);
/* Filters and projects what s->cols.tuples holds; NULL: nothing left. */
Batch *scan_emit(ScanNode *s, int ntuples);
/* In a recheck tree: the row that stands for the relation, once. False: not such a relation. recheck: further
 * conditions it must meet. */
bool scan_epq(ScanNode *s, Prim *recheck, Batch **out);
void scan_epq_reset(ScanNode *s);

/* A plan below expressions: init plans, correlated subplans, CTEs. */
struct SubPlanState {
    const Plan *plan;
    ExecNode *root;
    int id;
    bool done;            /* init plan: result stands in the parameters, as of stamp */
    bool started;
    uint64_t stamp;       /* plan_stamp when it was done, or when the store was begun */
    /* CTE */
    Store *store;
    RowShape shape;
    bool at_end;
    ExecNode *recursive;  /* RecursiveUnion of this CTE */
};
SubPlanState *exec_subplan(Exec *x, int id);

typedef struct ExecParam {
    Vec vec;
    Datum lane;
    uint64_t nulls[BATCH_ROWS / 64];
    char *copy; uint32_t copy_cap;   /* by-reference values are kept here */
    int16_t len; bool byval, typed;
    uint64_t version;     /* counts the changes */
    SubPlanState *plan;   /* init plan that sets it */
    const SubPlanRef *plan_ref;
} ExecParam;
/* The value must stay in place while the parameter is read; keep: it is copied. */
void exec_param_set(Exec *x, int id, Datum d, bool isnull, bool keep);
/* Changes whenever a parameter that the plan reads from outside, or the run, has changed: what was
 * computed from the plan is valid while its stamp stands. */
uint64_t plan_stamp(Exec *x, const Plan *p);
/* PARAM_EXEC ids that the plan reads and does not set itself (plan_params.c). */
const IntList *plan_params(Exec *x, const Plan *p);
void cte_run_to_end(Exec *x, SubPlanState *s);
void subplan_run_init(Exec *x, SubPlanState *s, const SubPlanRef *ref);
/* The work table of a recursive union, by parameter. */
typedef struct WorkTable { int param; Store *store; RowShape shape; uint64_t version; } WorkTable;
WorkTable *exec_worktable(Exec *x, int param);

typedef struct RelSlot { RelDesc *rel; LockMode lock; bool opened; } RelSlot;

/* Result relations and locked rows: what to do with a row another transaction has changed. */
typedef struct EpqState EpqState;
typedef struct EpqRow { int rel; ItemPtr tid; } EpqRow;

struct Exec {
    PlannedStmt *p;
    Arena *arena;         /* plan state */
    Arena *run;           /* reset at the end of each run */
    ExecNode *root;
    RelSlot *rels; int nrels; /* [rel - 1] */
    int nextern; struct ExternParam **externs; /* those the plan uses, [id - 1] */
    ExecParam *params; int nparams;
    SubPlanState *subplans; int nsubplans;
    WorkTable *worktables; int nworktables;
    Snapshot *snapshot;   /* registered while running */
    CommandId command;
    bool running, building, at_end, read_only, writes, has_fks_queued;
    uint64_t processed, run_id;
    bool aborting;        /* close must not touch resources: their owner has given them back */
    struct PlanParams {
        const Plan *plan;
        IntList *ids;
    } * plan_params;
    int nplan_params, plan_params_cap;
    NodeStats *stats; ExplainOptions options;
    RowDesc *desc; int *out_cols; int nout; Batch out; bool out_is_all;
    uint64_t perms_version; Oid perms_user; bool perms_ok;
    Batch *pending; int pending_at; /* rest of a batch that max_rows cut */
    uint16_t *pending_sel;
    EpqState *epq;        /* set in trees made for rechecks */
    const EpqRow *epq_rows; int nepq_rows;
    ExecNode **all_nodes; int nnodes, nodes_cap;
    Store *scroll;
    RowShape scroll_shape;
    StoreReader scroll_reader;
    Batch *scroll_batch;
    uint64_t scroll_pos;
    bool scroll_done;
    Exec *outer;          /* of a recheck tree: the real one */
};
RelDesc *exec_rel(Exec *x, int rel); /* range table index */
void exec_lock_relations(Exec *x);
void exec_check_permissions(Exec *x);
static inline const Snapshot *exec_snapshot(const Exec *x) { return x->snapshot; }

/* node_*.c constructors */
ExecNode *node_result_create(Exec *x, const Plan *p);
ExecNode *node_project_set_create(Exec *x, const Plan *p);
ExecNode *node_seq_scan_create(Exec *x, const Plan *p);
ExecNode *node_index_scan_create(Exec *x, const Plan *p);
ExecNode *node_index_only_create(Exec *x, const Plan *p);
ExecNode *node_bitmap_create(Exec *x, const Plan *p);
ExecNode *node_tid_scan_create(Exec *x, const Plan *p);
ExecNode *node_subquery_create(Exec *x, const Plan *p);
ExecNode *node_function_create(Exec *x, const Plan *p);
ExecNode *node_values_create(Exec *x, const Plan *p);
ExecNode *node_cte_create(Exec *x, const Plan *p);
ExecNode *node_worktable_create(Exec *x, const Plan *p);
ExecNode *node_nest_loop_create(Exec *x, const Plan *p);
ExecNode *node_hash_join_create(Exec *x, const Plan *p);
ExecNode *node_merge_join_create(Exec *x, const Plan *p);
ExecNode *node_material_create(Exec *x, const Plan *p);
ExecNode *node_sort_create(Exec *x, const Plan *p);
ExecNode *node_agg_create(Exec *x, const Plan *p);
ExecNode *node_window_create(Exec *x, const Plan *p);
ExecNode *node_unique_create(Exec *x, const Plan *p);
ExecNode *node_setop_create(Exec *x, const Plan *p);
ExecNode *node_limit_create(Exec *x, const Plan *p);
ExecNode *node_append_create(Exec *x, const Plan *p);
ExecNode *node_merge_append_create(Exec *x, const Plan *p);
ExecNode *node_recursive_create(Exec *x, const Plan *p);
ExecNode *node_lock_rows_create(Exec *x, const Plan *p);
ExecNode *node_modify_create(Exec *x, const Plan *p);

/* Rechecks (epq.c): evaluates `plan` with the given rows standing for their relations. Returns one row of
 * the plan's output (values valid until the next call), or false. */
EpqState *epq_create(Exec *x, const Plan *plan);
const Batch *epq_run(EpqState *e, const EpqRow *rows, int n);
const EpqRow *epq_row_of(const Exec *x, int rel);
void epq_end(EpqState *e, bool aborting);

/* ==== changes of tables ========================================================================= */

/* What inserting into or updating a table needs, besides the row: constraints and indexes. Kept with the
 * relation's descriptor; checks_open makes it current for this statement (locks on the indexes). */
typedef struct IndexProgram { /* expressions and predicate of an index */
    Arena *arena;
    IndexDesc *ix;
    int nexprs; ExprState **exprs;
    ExprState *predicate;
} IndexProgram;
typedef struct OpenIndex {
    Oid oid;
    IndexDesc *ix;
    bool plain;              /* all columns are attributes, no predicate */
    IndexProgram *program;   /* NULL when plain */
} OpenIndex;
typedef struct TableChecks {
    RelDesc *rel;
    Arena *arena, *row_arena; /* row_arena: scratch, reset for each row */
    int nindexes; OpenIndex *indexes;
    int nchecks; ExprState **checks; const char **check_names;
    int nnot_null; int *not_null; /* columns, 0-based */
    int ngenerated; int *generated_cols; ExprState **generated;
    Datum *ixvalues; bool *ixnulls;
    Datum *plain; bool *plain_nulls;
} TableChecks;
TableChecks *checks_open(RelDesc *rel);
void checks_generated(TableChecks *c, Arena *a, Datum *values, bool *nulls); /* computes stored generated columns */
void checks_row(TableChecks *c, const Datum *values, const bool *nulls);     /* 23502, 23514 */
bool checks_pass(TableChecks *c, const Datum *values, const bool *nulls);    /* would checks_row return? */
void checks_register(void);
/* For ModifyTable: a writer kept from run to run, and the last row it wrote. */
TableWriter *writer_open_group(Arena *a, RelDesc *rel, int rows);
void writer_restart(TableWriter *w, RelDesc *rel, Arena *run);
void writer_last_row(TableWriter *w, const Datum **values, const bool **nulls);
void writer_end_run(TableWriter *w);
/* Entries for a new row version in all indexes; values plain. arbiters (of nindexes, or NULL): for those a
 * conflict is reported, not raised. Returns false on such a conflict. */
bool checks_index_insert(TableChecks *c, const Datum *values, const bool *nulls, ItemPtr tid,
                         const bool *arbiters);
/* The entry's values; false: the predicate leaves the row out. */
bool checks_index_values(TableChecks *c, OpenIndex *o, const Datum *values, const bool *nulls,
                         Datum *out, bool *outnull);
char *row_describe(Arena *a, RelDesc *rel, const Datum *values, const bool *nulls); /* (1, foo, null); NULL: not allowed to see it */
void value_print(StrBuf *out, Oid type, Datum d);
/* Values with what is stored out of line or compressed fetched. Returns values itself if there is none. */
const Datum *values_plain(Arena *a, const TupleLayout *l, const Datum *values, const bool *nulls,
                          Datum *buffer);
void unique_recheck_queue(RelDesc *rel, IndexDesc *ix, ItemPtr tid); /* deferrable unique constraints (fk.c) */

/* Foreign keys (fk.c): what happened to a row. */
void fk_after_insert(RelDesc *rel, ItemPtr tid, const Datum *values, const bool *nulls);
void fk_after_update(RelDesc *rel, ItemPtr old_tid, ItemPtr new_tid, const Datum *old_values,
                     const bool *old_nulls, const Datum *values, const bool *nulls);
void fk_after_delete(RelDesc *rel, ItemPtr tid, const Datum *values, const bool *nulls);
bool fk_wants_insert(const RelDesc *rel);

bool fk_wants_delete(const RelDesc *rel);

#endif
