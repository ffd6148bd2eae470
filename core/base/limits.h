/*
 * Every limit of the engine in one place, with the relations that must hold between them.
 */
#ifndef CORE_BASE_LIMITS_H
#define CORE_BASE_LIMITS_H

#include "core/base/macros.h"

#define PAGE_BYTES 8192u
#define NAME_BYTES 64           /* identifiers: at most 63 bytes and a zero */
#define REL_SEGMENT_PAGES 131072u /* relation files are split at 1 GiB */
#define WAL_SEGMENT_BYTES (16u * 1024 * 1024)
#define WAL_RECORD_BYTES_MAX (1u << 30)
#define WAL_BLOCK_REFS_MAX 33    /* block references in one record */
#define MAX_PROCS_LIMIT 10000    /* ceiling for max_connections and friends */
#define LW_HELD_MAX 200          /* LWLocks one process may hold at once */
#define MAX_COLUMNS 1600
#define MAX_INDEX_KEYS 32
#define MAX_FN_ARGS 100
#define BATCH_ROWS 1024          /* rows handed between executor operators */
#define MAX_TUPLE_BYTES 8160u    /* a heap tuple always fits a page beside its line pointer */
#define TOAST_THRESHOLD_BYTES 2032u
#define MAX_VALUE_BYTES (1u << 30) /* 1 GiB, PostgreSQL's limit for one field */
#define MAX_ARENA_REQUEST ((size_t)1 << 36) /* one arena block: hash tables may be large, a wild size is not */
#define MAX_STACK_DEPTH_BYTES (2u * 1024 * 1024)
#define MAX_PATH_BYTES 1024

STATIC_ASSERT(BATCH_ROWS % 64 == 0);
STATIC_ASSERT(WAL_SEGMENT_BYTES % PAGE_BYTES == 0);
STATIC_ASSERT(TOAST_THRESHOLD_BYTES < MAX_TUPLE_BYTES);

#endif
