/*
 * Batches: how operators and kernels see rows. A Vec is one column of up to BATCH_ROWS lanes of 64
 * bits; a Batch is a set of Vecs of equal length with an optional selection vector.
 *
 * One lane width for all types keeps every gather, copy and hash one loop; the row store is gathered
 * value by value anyway, so widening costs nothing there.
 *
 * Lifetime: what a Batch's Datums point at is valid until its producer is asked for the next batch.
 */
#ifndef CORE_TYPES_VEC_H
#define CORE_TYPES_VEC_H

#include "core/base/limits.h"
#include "core/types/value.h"

typedef struct Vec {
    Datum *v;          /* lane i is row i; lanes of null rows are undefined */
    uint64_t *nulls;   /* bit i set: row i is null; readable only when has_nulls */
    bool has_nulls;    /* false: no row is null */
    bool is_const;     /* lane 0 (and null bit 0) stands for every row */
} Vec;

typedef struct Batch {
    int n;               /* lanes filled, 0..BATCH_ROWS; 0 = end of input */
    int nsel;            /* rows selected; == n when sel is NULL */
    const uint16_t *sel; /* ascending row numbers, or NULL: all */
    int ncols;
    Vec *cols;
} Batch;

static inline bool vec_null(const Vec *v, int i) { if (!v->has_nulls) return false; if (v->is_const) i = 0; return v->nulls[i >> 6] >> (i & 63) & 1; }
static inline Datum vec_get(const Vec *v, int i) { return v->v[v->is_const ? 0 : i]; }
static inline void vec_clear_nulls(Vec *v) { v->has_nulls = false; }
/* First null of a batch: clears the mask before use. */
static inline void
vec_set_null(Vec *v, int i)
{
    if (!v->has_nulls) {
        memset(v->nulls, 0, BATCH_ROWS / 8);
        v->has_nulls = true;
    }
    v->nulls[i >> 6] |= UINT64_C(1) << (i & 63);
}
Vec *vec_new(Arena *a);               /* own lanes and mask, 64-byte aligned */
void vec_init(Vec *v, Arena *a);
Batch *batch_new(Arena *a, int ncols);
static inline int batch_row(const Batch *b, int k) { return b->sel ? b->sel[k] : k; } /* k-th selected row */
#define FOR_ROWS(row, n, sel) for (int k_ = 0, row = 0; k_ < (n) && ((row = (sel) ? (sel)[k_] : k_), 1); k_++)

#endif
