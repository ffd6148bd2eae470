/*
 * Values too big for a page: compressed in line (LZ4) and then moved out to the toast table, in chunks
 * of TOAST_CHUNK_BYTES under (chunk_id, chunk_seq). External pointer on the page (18 bytes): 0xFF, kind,
 * raw size 4, stored size 4 (bit 31: compressed), value id 4, toast relation 4.
 */
#ifndef CORE_ACCESS_TOAST_TOAST_H
#define CORE_ACCESS_TOAST_TOAST_H

#include "core/access/heap/heap.h"

#define TOAST_CHUNK_BYTES 1992u /* four chunk tuples fill a page; pg_control says 1996, as tools expect */
#define TOAST_POINTER_BYTES 18u
/* Makes values[] fit TOAST_THRESHOLD; changed entries point into `a`. */
void toast_row(Arena *a, HeapRel *rel, Datum *values, const bool *nulls, const Datum *old_values, const bool *old_nulls, CommandId cid);
Datum toast_fetch(Arena *a, Datum external_or_compressed); /* plain value */
void toast_delete_row(HeapRel *rel, const char *tup, uint32_t size); /* values of a deleted tuple */
uint32_t toast_raw_size(Datum d); /* payload bytes of the plain value */
uint32_t toast_stored_size(Datum d); /* bytes it takes, in the row or in the toast table: pg_column_size */
/* The catalog resolves a toast relation's OID to its descriptors. */
extern void (*toast_open_hook)(Oid toast_rel, HeapRel **rel, struct BtreeIndex **index);
/* An id no value of the toast table has; NULL: the object id counter, checked against the index. */
extern Oid (*toast_new_id_hook)(HeapRel *toast);

#endif
