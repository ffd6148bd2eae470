/*
 * Rows of a table one by one, for what changes or checks a whole table (ALTER TABLE, new constraints):
 * all values of each visible row as plain values. And small helpers of indexes and expressions.
 */
#ifndef CORE_SQL_COMMAND_SCAN_ROWS_H
#define CORE_SQL_COMMAND_SCAN_ROWS_H

#include "core/sql/exec/exec.h"

typedef struct RowScan {
    RelDesc *rel;
    HeapScan *scan;
    Snapshot *snapshot;
    TupleBatch *batch;
    Arena *batch_arena;
    Vec *cols;
    int at, n;
    Datum *values; /* of the current row, by attnum - 1 */
    bool *nulls;
    ItemPtr tid;
} RowScan;
RowScan *row_scan_begin(Arena *a, RelDesc *rel);
bool row_scan_next(RowScan *s);
void row_scan_end(RowScan *s);

Oid default_opclass(Oid type); /* btree; 42704 when there is none */
/* Sets bit attnum for each column of rel 1 the expression uses (whole row: all). */
void expr_column_bits(const void *e, int natts, uint64_t *bits);

#endif
