/*
 * The executor: runs a plan in batches. Every operator is an ExecNode with next(): up to BATCH_ROWS
 * rows a call. Expressions are compiled once per plan to flat programs of batch primitives. The run-time
 * state of a plan (Exec) can be kept and run again: exec_start/exec_finish reset it without rebuilding.
 */
#ifndef CORE_SQL_EXEC_EXEC_H
#define CORE_SQL_EXEC_EXEC_H

#include "core/sql/plan/plan.h"

/* Description of result rows. */
typedef struct RowColumn { const char *name; Oid type; int32_t typmod; Oid table; int16_t column; } RowColumn;
typedef struct RowDesc { int n; RowColumn *cols; } RowDesc;
RowDesc *row_desc_of_targets(Arena *a, const List *targets); /* junk left out */

/* Where rows go. rows() returns false to stop early. Only non-junk columns are in the batch. */
typedef struct Dest {
    void (*start)(struct Dest *d, const RowDesc *desc);
    bool (*rows)(struct Dest *d, const Batch *b);
    void (*finish)(struct Dest *d);
    void *arg;
} Dest;
extern Dest dest_none;

typedef struct Exec Exec;
/* Builds the run-time state of a plan, in an arena of its own below `parent`. */
Exec *exec_create(Arena *parent, PlannedStmt *p);
/* Readies a run: snapshot, external parameters; checks permissions, takes relation locks. */
void exec_start(Exec *x, const Snapshot *s, const ParamValues *params, bool read_only_portal);
/* Runs until max_rows were sent (0: all) or the end. Returns rows processed (sent or modified). */
uint64_t exec_run(Exec *x, uint64_t max_rows, bool backward, Dest *dest);
/* Before the first exec_run: rows are kept as they come, so that backward works (SCROLL cursors). */
void exec_make_scrollable(Exec *x);
bool exec_at_end(const Exec *x);
void exec_finish(Exec *x);    /* after-statement triggers (foreign keys) queued, scans closed, pins dropped */
void exec_abort(Exec *x);     /* after an error: forget, without touching resources */
void exec_destroy(Exec *x);
uint64_t exec_rows_processed(const Exec *x);
const RowDesc *exec_row_desc(Exec *x);
void exec_instrument(Exec *x, const ExplainOptions *o); /* before start */
typedef struct NodeStats { uint64_t rows, loops, filtered; double startup_ms, total_ms; BufStats buffers; uint64_t sort_kb, hash_kb, hash_batches, heap_fetches; const char *sort_method; } NodeStats;
const NodeStats *exec_node_stats(const Exec *x, int plan_id);

/* Expressions outside of plans: defaults, checks, index expressions, COPY WHERE, USING of ALTER TYPE.
 * VAR_SCAN (or rel 1) attnos index row[]; no subplans or aggregates. */
typedef struct ExprState ExprState;
ExprState *expr_prepare(Arena *a, const Expr *e);
Datum expr_eval(ExprState *s, Arena *result, const Datum *row, const bool *nulls, bool *isnull);
Datum expr_eval_const(Arena *a, const Expr *e, bool *isnull, const ParamValues *params); /* no Vars */

/* Rows into a table with all that SQL demands: defaults are the caller's; not-null, checks, unique and
 * other indexes, foreign keys queued. Used by ModifyTable, COPY, CREATE TABLE AS. */
typedef struct TableWriter TableWriter;
TableWriter *writer_open(Arena *a, RelDesc *rel, bool bulk);
void writer_insert(TableWriter *w, const Datum *values, const bool *nulls, ItemPtr *tid);
void writer_insert_batch(TableWriter *w, const Batch *b); /* columns = table columns */
int writer_batch_row(const TableWriter *w); /* after an error in writer_insert_batch: the row it was about */
void writer_close(TableWriter *w);

/* Constraint triggers of foreign keys: queue of row events, fired at statement end (immediate) or commit
 * (deferred). */
void fk_statement_end(void);
void fk_set_deferred(const Oid *constraints, int n, bool all, bool deferred); /* SET CONSTRAINTS */
void fk_check_existing(RelDesc *rel, const FkDesc *fk);  /* ALTER TABLE ADD FOREIGN KEY */
void exec_register(void);      /* hooks into access and catalog, transaction callbacks */
/* After storage of a relation changed (TRUNCATE, new column default ...). */
void exec_settings_register(void);

#endif
