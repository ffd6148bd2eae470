/*
 * Aggregate calls: what Agg and Window share. The rows of a batch go into one state (agg_step) or into
 * each row's own (agg_scatter).
 */
#ifndef CORE_SQL_EXEC_AGG_H
#define CORE_SQL_EXEC_AGG_H

#include "core/sql/exec/exec_internal.h"

typedef struct AggCall {
    const AggImpl *impl;
    AggCtx ctx;
    ExprEnv *env;            /* arguments are evaluated here */
    int nargs;               /* given to the aggregate */
    int ncols; Prim **cols;  /* with those that only sort */
    const Vec **argv;
    Prim *filter;
    uint16_t *rows, *filtered;
    size_t offset;           /* of its state among a group's */
    /* DISTINCT, ORDER BY: the rows are kept and sorted first */
    bool ordered, distinct;
    int nsort; SortCol *sort;
    int ndistinct; KeyCol *dkeys; int *dcols;
    RowShape shape;
    Sorter *sorter;
    Batch *sorted;
    Row *last; Arena *last_arena;
} AggCall;

/* Rows kept for an ordered aggregate of one group (hashed grouping); lies where its state would. */
typedef struct AggRows { Row *first, *last; char state[]; } AggRows;

void agg_call_init(AggCall *c, ExprEnv *env, const Aggref *ref);
void agg_call_init_window(AggCall *c, ExprEnv *env, const WindowFunc *w);
static inline size_t
agg_state_bytes(const AggCall *c)
{
    return ALIGN_UP((size_t)c->impl->state_bytes, (size_t)8) + (c->ordered ? sizeof(AggRows) : 0);
}
void agg_init_state(AggCall *c, char *group);
/* Evaluates filter and arguments for the rows; returns the rows that count (strict: without null). */
int agg_prepare(AggCall *c, int n, const uint16_t *sel, const uint16_t **out);
void agg_step(AggCall *c, char *group, int n, const uint16_t *sel);      /* after agg_prepare */
void agg_scatter(AggCall *c, char **groups, int n, const uint16_t *sel);
/* Ordered ones: keep the prepared rows, in the sorter (one group) or with the group. */
void agg_keep_sorter(AggCall *c, int n, const uint16_t *sel);
void agg_keep_rows(AggCall *c, char **groups, int n, const uint16_t *sel);
void agg_finish_ordered(AggCall *c, char *group, bool from_sorter);
Datum agg_final(AggCall *c, const char *group, Arena *result, bool *isnull);

#endif
