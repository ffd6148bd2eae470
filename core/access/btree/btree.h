/*
 * B-tree (Lehman-Yao with right links) over normalised keys: an index entry is the memcmp-ordered
 * encoding of its columns followed by the heap address, so every comparison in the tree is memcmp, and
 * duplicates are ordered by address. DESC columns are stored inverted; each column starts with a null
 * byte (nulls first/last decides its value). Included (non-key) columns follow as plain values.
 * Page layout, posting lists and the array of heads: README.md.
 */
#ifndef CORE_ACCESS_BTREE_BTREE_H
#define CORE_ACCESS_BTREE_BTREE_H

#include "core/access/heap/heap.h"

typedef struct BtreeKeyColumn {
    Oid type, collation;
    const TypeOps *ops;
    bool desc, nulls_first;
} BtreeKeyColumn;

typedef struct BtreeIndex {
    RelLocator locator;
    Oid oid, heap_oid, db;
    const char *name;
    bool logged, unique, nulls_not_distinct, is_temp;
    bool immediate;        /* uniqueness checked at insertion (not deferrable) */
    int nkeys;             /* key columns */
    int ncolumns;          /* with INCLUDE columns */
    BtreeKeyColumn *columns;
    bool can_return_values;/* every column's encoding decodes: index-only scans possible */
    /* Process-local: root and rightmost leaf hints. */
    BlockNo root_block; uint32_t root_level; Buf root_hint;
    BlockNo last_leaf; Buf last_leaf_hint;
    uint32_t map_skip;     /* new pages to come before the free space map, found empty, is asked again */
    StatsLink stats;       /* of its statistics: count.h */
} BtreeIndex;

/* Appends the encoding of the first n key columns. *any_null: one of them is null. A key of any size can be
 * searched for; insertion and build raise 54000 when an entry would exceed a third of a page. */
void btree_encode(const BtreeIndex *ix, const Datum *values, const bool *nulls, int n, StrBuf *out, bool *any_null);
/* Decodes a stored entry into values (key and included columns), pointers into arena. */
void btree_decode(const BtreeIndex *ix, Arena *a, const char *entry, size_t n, Datum *values, bool *nulls);

typedef enum UniqueCheck { UNIQUE_NO, UNIQUE_YES, UNIQUE_PARTIAL /* report, do not raise */, UNIQUE_EXISTING } UniqueCheck;
/*
 * Inserts an entry for heap row tid. UNIQUE_YES: waits for in-progress conflicting transactions and
 * raises 23505 through on_conflict (registered by the executor to build the DETAIL with column names).
 * UNIQUE_PARTIAL: returns false when a possible conflict exists. *conflict_tid gets the other row.
 */
bool btree_insert(BtreeIndex *ix, HeapRel *heap, const Datum *values, const bool *nulls, ItemPtr tid, UniqueCheck check, ItemPtr *conflict_tid);
/* Is there a row with this key that is live or in progress? For ON CONFLICT and exclusion of duplicates.
 * Returns true and its address; *wait_xid non-zero: the row's transaction is in progress. */
bool btree_find_conflict(BtreeIndex *ix, HeapRel *heap, const Datum *values, const bool *nulls, ItemPtr self, ItemPtr *tid, Xid *wait_xid);

/* Scans return heap addresses in key order between two encoded bounds. */
typedef struct BtreeBound { const char *key; size_t n; bool inclusive; bool given; } BtreeBound;
/* A bound of fewer columns than the key is a prefix: inclusive upper = all entries starting with it. */
typedef struct BtreeScan BtreeScan;
BtreeScan *btree_scan_begin(Arena *a, BtreeIndex *ix, bool want_entries);
void btree_scan_set(BtreeScan *s, BtreeBound lower, BtreeBound upper, bool backward); /* (re)start; the keys are copied */
/* Up to max addresses of one leaf page; 0 at the end. entries (if wanted): encoded bytes per address,
 * valid until the next call. No lock or pin is held between calls unless needed against vacuum (index-only). */
int btree_scan_next(BtreeScan *s, ItemPtr *tids, int max, const char **entries, uint16_t *entry_bytes);
/* The k-th address of the last batch was dead to everybody: may be marked for removal. */
void btree_scan_kill(BtreeScan *s, int k);
void btree_scan_end(BtreeScan *s);
/* The scan is a serializable transaction's: the leaves it reads are locked against new entries. */
void btree_scan_track(BtreeScan *s);

/* Builds from sorted input: entries come from next() in any order; sorts (spilling to temporary files
 * above maintenance_work_mem), checks uniqueness, writes pages bottom-up, logs whole pages. */
typedef bool (*BtreeBuildNext)(void *arg, Datum *values, bool *nulls, ItemPtr *tid, bool *alive);
void btree_build(BtreeIndex *ix, HeapRel *heap, BtreeBuildNext next, void *arg, uint64_t *entries_out);
void btree_build_empty(BtreeIndex *ix);
extern int maintenance_work_mem_kb;

/* Vacuum: removes entries whose address is_dead says so. */
typedef bool (*BtreeIsDead)(void *arg, ItemPtr tid);
void btree_vacuum(BtreeIndex *ix, BtreeIsDead is_dead, void *arg, uint64_t *removed, BlockNo *pages, uint64_t *entries);
BlockNo btree_blocks(BtreeIndex *ix);
void btree_tree_height(BtreeIndex *ix, int *levels);
/* Structural check of the whole tree (order, links, bounds); raises XX002 naming the fault. heap may be
 * NULL; otherwise every live heap row must be found. */
void btree_check(BtreeIndex *ix, HeapRel *heap);
/* The same beside writers: all but what must agree between levels. */
void btree_check_online(BtreeIndex *ix, HeapRel *heap);
void btree_register_redo(void);
/* Set by the executor: raises 23505 with names and values. */
extern void (*btree_unique_violation)(BtreeIndex *ix, const Datum *values, const bool *nulls) ;
/* The same for a build that finds duplicates: could not create unique index "%s", with the key (nkeys values). */
extern void (*btree_unique_build_violation)(BtreeIndex *ix, const Datum *values, const bool *nulls);
/* The same by the heap address of one of the rows; may return without raising. */
extern void (*btree_unique_build_violation_at)(BtreeIndex *ix, ItemPtr tid);

#endif
