/*
 * Cumulative statistics: what was done to databases and relations, counted in the process, moved to
 * shared memory now and then, kept over clean restarts.
 *
 * The hot path is an increment of a plain word of this process. A relation's holder (HeapRel,
 * BtreeIndex) keeps a StatsLink; stats_rel() makes of it the process's pending counts, found anew
 * once after each flush. See README.md.
 */
#ifndef CORE_STATS_STATS_H
#define CORE_STATS_STATS_H

#include "lockmgr/lockmgr.h"

/* ---- what is kept ---- */
typedef struct StatsRelCounts {
    int64_t scans, returned, fetched, inserted, updated, deleted, hot_updated;
    int64_t live, dead, changed /* since analyze */, inserted_since_vacuum;
    int64_t blocks_fetched, blocks_hit;
    int64_t vacuum_time, vacuum_count, autovacuum_time, autovacuum_count;
    int64_t analyze_time, analyze_count, autoanalyze_time, autoanalyze_count;
} StatsRelCounts;

typedef struct StatsDbCounts {
    int64_t commits, rollbacks, blocks_fetched, blocks_hit;
    int64_t returned, fetched, inserted, updated, deleted;
    int64_t conflict_tablespace, conflict_lock, conflict_snapshot, conflict_bufferpin, conflict_deadlock;
    int64_t temp_files, temp_bytes, deadlocks, checksum_failures, checksum_failure_time;
    int64_t read_us, write_us, session_us, active_us, idle_in_xact_us;
    int64_t sessions, sessions_abandoned, sessions_fatal, sessions_killed;
    int64_t reset_time, autovacuum_time /* last worker's start */;
} StatsDbCounts;

/* Counters of the whole instance. */
typedef enum StatsFixed {
    STATS_WAL_RECORDS, STATS_WAL_FPI, STATS_WAL_BYTES, STATS_WAL_BUFFERS_FULL, STATS_WAL_WRITE,
    STATS_WAL_SYNC, STATS_WAL_WRITE_US, STATS_WAL_SYNC_US,
    STATS_CHECKPOINTS_TIMED, STATS_CHECKPOINTS_REQUESTED, STATS_CHECKPOINT_WRITE_MS, STATS_CHECKPOINT_SYNC_MS,
    STATS_BUFFERS_CHECKPOINT, STATS_BUFFERS_CLEAN, STATS_MAXWRITTEN_CLEAN, STATS_BUFFERS_BACKEND,
    STATS_BUFFERS_BACKEND_FSYNC, STATS_BUFFERS_ALLOC,
    STATS_SLRU_FIRST,
    STATS_SLRU_LAST = STATS_SLRU_FIRST + 8 * 7 - 1,
    STATS_FIXED_COUNT
} StatsFixed;
typedef enum StatsSlru { /* rows of pg_stat_slru */
    STATS_SLRU_COMMIT_TS, STATS_SLRU_MULTIXACT_MEMBER, STATS_SLRU_MULTIXACT_OFFSET, STATS_SLRU_NOTIFY,
    STATS_SLRU_SERIAL, STATS_SLRU_SUBTRANS, STATS_SLRU_XACT, STATS_SLRU_OTHER, STATS_SLRU_COUNT
} StatsSlru;
typedef enum StatsSlruCounter {
    SLRU_ZEROED, SLRU_HIT, SLRU_READ, SLRU_WRITTEN, SLRU_EXISTS, SLRU_FLUSHES, SLRU_TRUNCATES, SLRU_COUNTER_COUNT
} StatsSlruCounter;
#define STATS_SLRU(slru, counter) ((StatsFixed)(STATS_SLRU_FIRST + (int)(slru) * SLRU_COUNTER_COUNT + (int)(counter)))
typedef enum StatsReset { /* each has its time of the last reset */
    STATS_RESET_WAL, STATS_RESET_BGWRITER, STATS_RESET_ARCHIVER, STATS_RESET_SLRU_FIRST,
    STATS_RESET_COUNT = STATS_RESET_SLRU_FIRST + STATS_SLRU_COUNT
} StatsReset;
extern const char *const stats_slru_names[STATS_SLRU_COUNT];

/* ---- settings ---- */
extern bool track_counts, track_activities, track_io_timing, track_wal_io_timing;

/* ---- counting relations: this process's pending share ---- */
typedef struct StatsTrans StatsTrans;
typedef struct StatsRel {
    Oid db, oid;
    int64_t scans, returned, fetched, inserted, updated, deleted, hot_updated, blocks_fetched, blocks_hit;
    int64_t live_delta, dead_delta, changed; /* of ended transactions */
    bool truncated;  /* a committed TRUNCATE: what was live and dead before is gone */
    bool dropped;
    StatsTrans *trans; /* of the innermost level that changed rows */
    struct StatsRel *next;
} StatsRel;
struct StatsTrans {
    int64_t inserted, updated, deleted;
    int64_t inserted_before, updated_before, deleted_before; /* TRUNCATE; come back if it is undone */
    int nesting;
    bool truncated;
    StatsRel *rel;
    StatsTrans *upper, *next; /* the relation's next outer level; the level's next relation */
};
typedef struct StatsLink { /* zeroed: none yet */
    StatsRel *rel;
    uint64_t epoch;
} StatsLink;
extern uint64_t stats_epoch; /* moved by each flush: links of before are stale */

StatsRel *stats_attach(StatsLink *l, Oid db, Oid oid);
StatsTrans *stats_trans(StatsRel *r);

/* NULL: nothing is counted. Valid until the end of the statement's transaction at least. */
static inline StatsRel *
stats_rel(StatsLink *l, Oid db, Oid oid)
{
    return LIKELY(l->epoch == stats_epoch) ? l->rel : stats_attach(l, db, oid);
}
static inline StatsTrans *
stats_rel_trans(StatsRel *r)
{
    return LIKELY(r->trans && r->trans->nesting == lock_current_level) ? r->trans : stats_trans(r);
}
void stats_count_truncate(StatsLink *l, Oid db, Oid oid);
/* The pending counts of one relation, for pg_stat_xact_*: false: none. */
bool stats_pending_rel(Oid db, Oid oid, StatsRelCounts *out);

/* ---- transactions (called by core/txn) ---- */
extern bool stats_xact_work; /* some level has something to settle */
extern StatsDbCounts stats_db; /* this process's pending share of its database */
extern Oid stats_database;     /* 0: none yet */
extern bool stats_cached;      /* something was read in this transaction */
void stats_clear_snapshot(void);
void stats_settle_end(bool commit);
void stats_settle_sub_end(int nesting, bool commit);
static inline void
stats_at_end(bool commit)
{
    if (commit)
        stats_db.commits++;
    else
        stats_db.rollbacks++;
    if (UNLIKELY(stats_xact_work))
        stats_settle_end(commit);
    if (UNLIKELY(stats_cached))
        stats_clear_snapshot();
}
static inline void
stats_at_sub_end(int nesting, bool commit)
{
    if (stats_xact_work)
        stats_settle_sub_end(nesting, commit);
}
/* A relation that came or goes with the current (sub)transaction: its entry goes with it. */
void stats_note_created(Oid db, Oid oid);
void stats_note_dropped(Oid db, Oid oid);
void stats_drop_database(Oid db);

/* ---- moving to shared memory ---- */
/* Outside transactions only. Moves what is pending if the last time is a second ago or `force`. True:
 * nothing is left pending. now: the time if the caller has it, else 0. */
bool stats_report(bool force, TimestampTz now);
extern bool stats_force_next; /* the next stats_report is forced */
/* What counts by itself (walmgr's process-local counters) is asked at each flush. */
void stats_on_flush(void (*fn)(void));
void stats_fixed_add(StatsFixed which, int64_t n);
/* A counter that lives elsewhere in shared memory, from 0 at each start. */
void stats_fixed_external(StatsFixed which, int64_t (*read)(void));

/* ---- reading: by stats_fetch_consistency, within one transaction ---- */
bool stats_fetch_rel(Oid db, Oid oid, StatsRelCounts *out); /* false: no entry, *out zeroed */
bool stats_fetch_db(Oid db, StatsDbCounts *out);
int64_t stats_fetch_fixed(StatsFixed which);
TimestampTz stats_reset_time(StatsReset which);
TimestampTz stats_snapshot_time(void); /* 0: no snapshot */
/* Without the cache: autovacuum. */
bool stats_read_rel(Oid db, Oid oid, StatsRelCounts *out);
bool stats_read_db(Oid db, StatsDbCounts *out);
/* All relations of a database that have an entry; for sweeping those that are gone. */
int stats_list_rels(Arena *a, Oid db, Oid **out);
void stats_drop_rel(Oid db, Oid oid);

/* ---- events of one relation or database, at once ---- */
void stats_report_vacuum(Oid db, Oid oid, int64_t live, int64_t dead, bool autovacuum);
/* In the analyzing transaction; reset_changed: all columns were analyzed. */
void stats_report_analyze(StatsLink *l, Oid db, Oid oid, int64_t live, int64_t dead, bool reset_changed, bool autovacuum);
void stats_report_autovacuum(Oid db); /* a worker starts there */
void stats_reset_database(Oid db);    /* its relations too */
void stats_reset_rel(Oid db, Oid oid);
void stats_reset_fixed(StatsReset which);

/* ---- life ---- */
void stats_shm_register(void); /* also the settings */
void stats_process_init(void); /* after attaching: what is pending at the exit is moved */
void stats_load(void);         /* startup process, after a clean shutdown: reads the file and removes it */
void stats_discard_file(void); /* after a crash: the file is older than what was lost */
void stats_save(void);         /* the last process of a clean shutdown */

#endif
