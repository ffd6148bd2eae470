/*
 * Column vectors and batches (vec.h). Lanes start on a cache line, so that the widest vector
 * loads never straddle one.
 */
#include "core/types/vec.h"

void
vec_init(Vec *v, Arena *a)
{
    v->v = arena_alloc_aligned(a, BATCH_ROWS * sizeof(Datum), CACHE_LINE);
    v->nulls = arena_alloc_aligned(a, BATCH_ROWS / 8, CACHE_LINE);
    v->has_nulls = false;
    v->is_const = false;
}

Vec *
vec_new(Arena *a)
{
    Vec *v = arena_alloc(a, sizeof(Vec));
    vec_init(v, a);
    return v;
}

Batch *
batch_new(Arena *a, int ncols)
{
    Batch *b = ARENA_NEW(a, Batch);
    b->ncols = ncols;
    b->cols = ARENA_ARRAY(a, Vec, ncols);
    for (int i = 0; i < ncols; i++)
        vec_init(&b->cols[i], a);
    return b;
}
