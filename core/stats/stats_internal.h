/* What the files of core/stats share: the table in shared memory, the process's pending counts. */
#ifndef CORE_STATS_STATS_INTERNAL_H
#define CORE_STATS_STATS_INTERNAL_H

#include "core/shm/shm_hash.h"
#include "core/stats/stats.h"

#define STATS_PARTITIONS 16
#define STATS_FILE "pg_stat/pgstat.stat"

typedef enum StatsKind { STATS_KIND_DB = 1, STATS_KIND_REL = 2 } StatsKind;
typedef struct StatsKey { uint32_t kind; Oid db, oid; } StatsKey;
typedef struct StatsEntry {
    int64_t used_at; /* of the last change: what is oldest goes when the table is full */
    union {
        StatsRelCounts rel;
        StatsDbCounts db;
    };
} StatsEntry;

typedef struct StatsPartition {
    LwLockPadded lock; /* over everything below */
    ShmHash *hash;
    uint64_t evicted;
} StatsPartition;

typedef struct StatsShared {
    StatsPartition part[STATS_PARTITIONS];
    /* relaxed adds: independent counters, read by observers */
    CACHE_ALIGNED _Atomic int64_t fixed[STATS_FIXED_COUNT];
    _Atomic TimestampTz reset_time[STATS_RESET_COUNT];
} StatsShared;
extern StatsShared *stats_shared; /* NULL: unit tests without statistics */

StatsPartition *stats_partition(const StatsKey *k);
/* The entry, made if need be; the partition's lock is held exclusively. NULL: no room at all. */
StatsEntry *stats_entry_make(StatsPartition *p, const StatsKey *k, int64_t now);
static inline StatsKey
stats_rel_key(Oid db, Oid oid)
{
    return (StatsKey){STATS_KIND_REL, db, oid};
}
static inline StatsKey
stats_db_key(Oid db)
{
    return (StatsKey){STATS_KIND_DB, db, 0};
}
bool stats_entry_copy(const StatsKey *k, StatsEntry *out); /* false: zeroed */
void stats_entry_remove(const StatsKey *k);
/* Calls fn for every entry under its partition's lock, held exclusively; fn returns true to remove it. */
void stats_for_each(bool (*fn)(const StatsKey *k, StatsEntry *e, void *arg), void *arg);
int64_t stats_fixed_value(StatsFixed which);
void stats_fixed_set(StatsFixed which, int64_t value); /* makes the counter show it */

/* pending.c */
extern StatsRel *stats_pending;    /* all relations with pending counts */
void stats_pending_forget(void);   /* after they were moved */
StatsRel *stats_pending_find(Oid db, Oid oid);

/* fetch.c */
typedef enum StatsConsistency { CONSISTENCY_NONE, CONSISTENCY_CACHE, CONSISTENCY_SNAPSHOT } StatsConsistency;
extern int stats_consistency;

void stats_settings_register(void);

#endif
