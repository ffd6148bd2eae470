/*
 * Counting what is done to tables and indexes (core/stats): increments of this process's own words.
 *
 * Pages are attributed by turns: what the buffer manager counts between a turn's begin and its end is
 * the relation's, less what turns inside it have taken. A turn that an error cuts short takes nothing;
 * nothing has to be cleaned up.
 */
#ifndef CORE_ACCESS_COUNT_H
#define CORE_ACCESS_COUNT_H

#include "core/access/btree/btree.h"

static inline StatsRel *
count_heap(HeapRel *rel)
{
    return stats_rel(&rel->stats, rel->db, rel->oid);
}

static inline StatsRel *
count_index(BtreeIndex *ix)
{
    return stats_rel(&ix->stats, ix->db, ix->oid);
}

typedef struct CountIo {
    uint64_t hit, read;
} CountIo;

extern CountIo count_io_taken; /* by all turns of this process so far */

static inline CountIo
count_io_begin(void)
{
    return (CountIo){buf_stats.hit - count_io_taken.hit, buf_stats.read - count_io_taken.read};
}

static inline void
count_io_end(StatsRel *r, CountIo before)
{
    uint64_t hit = buf_stats.hit - count_io_taken.hit - before.hit, read = buf_stats.read - count_io_taken.read - before.read;

    count_io_taken.hit += hit;
    count_io_taken.read += read;
    if (r) {
        r->blocks_fetched += (int64_t)(hit + read);
        r->blocks_hit += (int64_t)hit;
    }
}

static inline void
count_heap_scan(HeapRel *rel)
{
    StatsRel *r = count_heap(rel);

    if (r)
        r->scans++;
}

/* A row that an entry of the index led to. */
static inline void
count_index_fetched(BtreeIndex *ix, int n)
{
    StatsRel *r = count_index(ix);

    if (r)
        r->fetched += n;
}

static inline void
count_insert(HeapRel *rel, int n)
{
    StatsRel *r = count_heap(rel);

    if (r)
        stats_rel_trans(r)->inserted += n;
}

static inline void
count_delete(HeapRel *rel)
{
    StatsRel *r = count_heap(rel);

    if (r)
        stats_rel_trans(r)->deleted++;
}

static inline void
count_update(HeapRel *rel, bool hot)
{
    StatsRel *r = count_heap(rel);

    if (r) {
        stats_rel_trans(r)->updated++;
        r->hot_updated += hot;
    }
}

/* Pruning in passing has removed dead versions. */
static inline void
count_pruned(HeapRel *rel, int n)
{
    StatsRel *r = n > 0 ? count_heap(rel) : NULL;

    if (r)
        r->dead_delta -= n;
}

#endif
