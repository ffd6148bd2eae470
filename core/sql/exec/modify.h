/*
 * ModifyTable, shared by its files: INSERT and the frame (node_modify.c), UPDATE and DELETE with their
 * rechecks (modify_row.c), ON CONFLICT (modify_conflict.c).
 */
#ifndef CORE_SQL_EXEC_MODIFY_H
#define CORE_SQL_EXEC_MODIFY_H

#include "core/sql/exec/exec_internal.h"

typedef struct Arbiters {
    int action;              /* CONFLICT_* */
    IntList *oids;           /* NULL: every unique index */
    bool *is_arbiter;        /* by position in checks->indexes, for this run */
    ExprEnv env;             /* SCAN: the existing row, INNER: the proposed one */
    Batch *existing, *excluded;
    Prim *where;
    int nset; Prim **set; int *set_atts;
    RowLockMode lock;
} Arbiters;

typedef struct ModifyNode ModifyNode;
struct ModifyNode {
    ExecNode n;
    const ModifyPlan *p;
    RelDesc *rel;
    TableChecks *checks;
    TableWriter *writer;
    EpqState *epq;
    CommandId cid;
    int natts;
    bool at_end;
    /* the row in hand */
    Datum *values, *old_values, *plain_buffer, *old_plain_buffer;
    bool *nulls, *old_nulls;
    int nset; int *set_atts; Datum *set_values; bool *set_nulls;
    Arena *row_arena;
    /* RETURNING: rows stand at the numbers they have in the child's batch */
    bool returning;
    Batch *ret;              /* VAR_SCAN: columns, then system columns */
    bool *ret_used;          /* by column of ret */
    uint16_t *ret_rows; int nret;
    Batch *ret_outer;        /* the child's row where a recheck replaced it */
    bool outer_used, outer_copied; bool *outer_cols;
    Arbiters *conflict;
    /* without a plan (foreign key actions): does the newest version still match? */
    bool (*still)(ModifyNode *m, ItemPtr tid, void *arg); void *still_arg;
};

enum { RET_CTID, RET_XMIN, RET_CMIN, RET_XMAX, RET_CMAX, RET_TABLEOID, RET_SYSTEM };

/* Puts a row into the RETURNING batch at `row`. */
void modify_return(ModifyNode *m, int row, const Datum *values, const bool *nulls, ItemPtr tid);
/* New values of the row at tid from m->set_*; follows concurrent updates by recheck unless `locked` (then
 * the row is ours). *src, *row: where the child's row stands, changed by a recheck. False: no row changed. */
bool modify_update_row(ModifyNode *m, ItemPtr tid, const Batch **src, int *row, int ret_row,
                       bool locked);
bool modify_delete_row(ModifyNode *m, ItemPtr tid, const Batch **src, int *row, int ret_row);
void modify_conflict_init(ModifyNode *m);
void modify_conflict_start(ModifyNode *m);
/* Inserts the row in m->values unless it conflicts. Returns rows inserted or updated. */
int modify_insert_conflict(ModifyNode *m, int ret_row);
bool datum_same(const AttrPhys *p, Datum a, bool anull, Datum b, bool bnull);
/* Locks the newest version of a row someone else has updated; *tid: where to look first, then that
 * version. False: it was deleted. */
bool lock_newest(HeapRel *heap, ItemPtr *tid, RowLockMode mode, CommandId cid, const Snapshot *s,
                 WaitPolicy policy, bool *would_block);
NORETURN void raise_concurrent(bool deleted);

#endif
