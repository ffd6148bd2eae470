/*
 * Sequences: one-row relations changed in place, outside of MVCC; every 32 values one log record.
 */
#ifndef CORE_ACCESS_SEQUENCE_H
#define CORE_ACCESS_SEQUENCE_H

#include "core/access/heap/heap.h"

typedef struct SeqParams { int64_t start, increment, max, min, cache; bool cycle; } SeqParams;
typedef struct SeqState { int64_t last_value, log_count; bool is_called; } SeqState;
void seq_create(HeapRel *rel, const SeqParams *p, int64_t last_value, bool is_called);
/* Reserves up to p->cache values: first returned, *last_out the last reserved. Raises 2200H
 * (nextval: reached maximum value of sequence "%s" (%lld)). */
int64_t seq_next(HeapRel *rel, const SeqParams *p, int64_t *last_out);
void seq_set(HeapRel *rel, const SeqParams *p, int64_t value, bool is_called);
SeqState seq_read(HeapRel *rel);
void seq_register_redo(void);

#endif
