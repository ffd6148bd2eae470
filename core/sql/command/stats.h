/*
 * ANALYZE's work on one table.
 */
#ifndef CORE_SQL_COMMAND_STATS_H
#define CORE_SQL_COMMAND_STATS_H

#include "core/catalog/catalog.h"

/* Samples rel and writes pg_statistic rows for its columns (columns: names, or NULL for all) and
 * pg_class's reltuples and relpages. The caller holds SHARE UPDATE EXCLUSIVE on rel. */
void stats_analyze(Arena *a, RelDesc *rel, const List *columns, bool verbose, bool autovacuum);

#endif
