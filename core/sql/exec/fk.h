/*
 * Foreign keys, shared by their files: the queue of events (fk.c), the check of referencing rows
 * (fk_check.c), what happens to them when the referenced row goes or changes (fk_action.c).
 */
#ifndef CORE_SQL_EXEC_FK_H
#define CORE_SQL_EXEC_FK_H

#include "core/sql/exec/exec_internal.h"

/* Keys known to be there (and locked): encoded, in a table that is emptied when full. */
#define FK_CACHE_SLOTS 4096
typedef struct FkCache {
    Arena *arena;
    struct {
        uint64_t hash;
        const char *key;
        uint32_t n;
    } slots[FK_CACHE_SLOTS];
    int count;
} FkCache;

/* One constraint while events of it are handled. */
typedef struct FkContext {
    Arena *arena, *row_arena;
    const FkDesc *fk;
    RelDesc *rel, *ref;
    IndexDesc *pk_index;
    BtreeScan *pk_scan;
    int pk_order[MAX_INDEX_KEYS];      /* index column -> position in fk->cols */
    int natts; Datum *values; bool *nulls; Datum *plain;
    StrBuf key;
    FkCache *cache;
} FkContext;

FkContext *fk_context_open(Arena *a, RelDesc *rel, const FkDesc *fk);
/* The referencing row's key values; false: it has a null, so there is nothing to check. */
bool fk_key_of(const FkDesc *fk, const int16_t *cols, const Datum *values, const bool *nulls,
               Datum *key);
/* Is the key (fk column order and types) in the referenced table? lock: takes ROW_KEY_SHARE on the row. */
bool fk_find_referenced(FkContext *c, const Datum *key, bool lock);
NORETURN void fk_raise_missing(FkContext *c, const Datum *key);
void fk_check_row(FkContext *c, ItemPtr tid);
/* A row of the referenced table is gone (update false) or has a new key. */
void fk_referenced_changed(RelDesc *ref, const FkDesc *fk, ItemPtr old_tid, ItemPtr new_tid,
                           bool update);
/* A value of one column as another type's, for comparing and cascading; false: it cannot be represented. */
bool fk_convert(Arena *a, Oid from, Oid to, Datum *d);
char *fk_describe_key(Arena *a, RelDesc *rel, const int16_t *cols, int n, const Datum *key);
bool fk_may_see(RelDesc *rel, const int16_t *cols, int n);
/* The row at tid as plain values; false: nobody can see it (any: whoever may). */
bool fk_fetch_row(RelDesc *rel, ItemPtr tid, bool any, Arena *a, Datum *values, bool *nulls);
/* Snapshots that see all of our own changes. */
Snapshot fk_snapshot(bool newest);

#endif
