/*
 * From index conditions to key ranges: shared by index, index-only and bitmap scans.
 */
#ifndef CORE_SQL_EXEC_INDEX_RANGE_H
#define CORE_SQL_EXEC_INDEX_RANGE_H

#include "core/sql/exec/exec_internal.h"

typedef struct RangeCond {
    int column, strategy;
    Prim *value;          /* NULL for IS NULL */
    Oid type;             /* of the value, or of an array's elements */
} RangeCond;

/* Equality columns take their values from lists (one value, or an array's elements, sorted): every
 * combination is a range; the column after them may have bounds. */
typedef struct RangeColumn { Datum *values; int n, at; bool is_null; } RangeColumn;

typedef struct IndexRanges {
    ExecNode *n;
    const IndexScanPlan *plan;
    IndexDesc *ix;
    BtreeScan *scan;
    int nconds; RangeCond *conds;
    bool need_recheck;    /* some condition is not expressed by the bounds */
    bool single;          /* unique index, equality on all columns: one visible row at most */
    bool started, done;
    int neq; RangeColumn cols[MAX_INDEX_KEYS];
    Arena *arena;         /* values and keys of the current scan */
    StrBuf lower, upper, tmp;
    Prim *recheck;        /* the original conditions */
} IndexRanges;

void ranges_init(IndexRanges *r, ExecNode *n, const IndexScanPlan *p);
void ranges_open(IndexRanges *r, bool want_entries);
void ranges_restart(IndexRanges *r);   /* evaluates the conditions again at the next ranges_next */
void ranges_close(IndexRanges *r);
/* Addresses of the current range, then of the next ...; 0 at the end. */
int ranges_next(IndexRanges *r, ItemPtr *tids, int max, const char **entries,
                uint16_t *entry_bytes);
static inline void ranges_finish(IndexRanges *r) { r->done = true; }

#endif
