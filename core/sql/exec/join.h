/*
 * Joins: the part that nested loops and hash joins share.
 */
#ifndef CORE_SQL_EXEC_JOIN_H
#define CORE_SQL_EXEC_JOIN_H

#include "core/sql/exec/exec_internal.h"

typedef struct JoinExec {
    ExecNode n;
    const JoinPlan *p;
    int kind;
    int nouter, ninner;
    bool *outer_used, *inner_used;   /* by targets and quals */
    Oid *outer_types, *inner_types;
    Batch *outer, *inner;            /* pairs, gathered */
    Batch *no_outer, *no_inner;      /* null-extension */
    Prim *join_quals;
    ExprEnv qual_env;                /* its arena may be reset for each test */
} JoinExec;

void join_init(JoinExec *j, const JoinPlan *p);
Batch *join_side(ExecNode *n, int ncols, const bool *used);

#endif
