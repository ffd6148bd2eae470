/*
 * The inner side of a hash join.
 */
#ifndef CORE_SQL_EXEC_HASH_BUILD_H
#define CORE_SQL_EXEC_HASH_BUILD_H

#include "core/sql/exec/exec_internal.h"

typedef struct HashBuild {
    Arena *parent, *arena, *file_arena; /* arena: rows of the current batch */
    RowShape shape;
    Row *first;           /* rows before hash_build_finish */
    Row **buckets; uint64_t mask;
    uint64_t count, bytes, peak;
    int nbatch, current;
    TempFile **inner, **outer; /* by batch, NULL: nothing yet */
    bool no_more_splits, same_twice;
} HashBuild;

static inline int
hash_batch_of(const HashBuild *h, uint64_t hash)
{
    return (int)(hash >> 40) & (h->nbatch - 1);
}

void hash_build_init(HashBuild *h, Arena *parent, int ncols, const Oid *types);
void hash_build_clear(HashBuild *h);
void hash_build_add(HashBuild *h, const Vec *const *cols, int row, uint64_t hash);
void hash_build_finish(HashBuild *h);
/* Loads the next batch from its file; false: there is none. */
bool hash_build_next_batch(HashBuild *h);
void hash_build_spill_inner(HashBuild *h, Row *r);
void hash_build_spill_outer(HashBuild *h, const RowShape *s, Row *r); /* r->hash is set */

#endif
