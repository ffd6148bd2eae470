/*
 * What the modules below count by themselves, handed to core/stats: this process's share of the log's
 * counters at each flush; the shared ones of the buffer manager and the checkpointer as they are.
 */
#include "core/stats/stats.h"
#include "core/txn/txn_internal.h"

static WalStats wal_seen;
static BufStats buf_seen;
static uint64_t deadlocks_seen;

static void
flush_wal(void)
{
    const WalStats *w = &wal_stats;

    stats_fixed_add(STATS_WAL_RECORDS, (int64_t)(w->records - wal_seen.records));
    stats_fixed_add(STATS_WAL_FPI, (int64_t)(w->images - wal_seen.images));
    stats_fixed_add(STATS_WAL_BYTES, (int64_t)(w->bytes - wal_seen.bytes));
    stats_fixed_add(STATS_WAL_BUFFERS_FULL, (int64_t)(w->buffers_full - wal_seen.buffers_full));
    stats_fixed_add(STATS_WAL_WRITE, (int64_t)(w->write_count - wal_seen.write_count));
    stats_fixed_add(STATS_WAL_SYNC, (int64_t)(w->sync_count - wal_seen.sync_count));
    if (track_wal_io_timing) {
        stats_fixed_add(STATS_WAL_WRITE_US, (int64_t)(w->write_us - wal_seen.write_us));
        stats_fixed_add(STATS_WAL_SYNC_US, (int64_t)(w->sync_us - wal_seen.sync_us));
    }
    wal_seen = *w;
}

static void
flush_counts(void)
{
    flush_wal();
    stats_db.deadlocks += (int64_t)(lock_deadlocks - deadlocks_seen);
    deadlocks_seen = lock_deadlocks;
    stats_db.read_us += (int64_t)(buf_stats.read_us - buf_seen.read_us);
    stats_db.write_us += (int64_t)(buf_stats.write_us - buf_seen.write_us);
    buf_seen = buf_stats;
    slru_counts_flush(&clog_slru);
    slru_counts_flush(&multi_offsets_slru);
    slru_counts_flush(&multi_members_slru);
}

/* relaxed, all below: counters that nothing depends on */
#define SHARED(field)                                                                              \
    static int64_t read_##field(void)                                                              \
    {                                                                                              \
        return buf_shared_stats ? (int64_t)atomic_load_explicit(&buf_shared_stats->field, memory_order_relaxed) : 0; \
    }
SHARED(checkpoint_written)
SHARED(clean_written)
SHARED(maxwritten_clean)
SHARED(backend_written)
SHARED(backend_fsync)
SHARED(alloc)

#define CHECKPOINT(field)                                                                          \
    static int64_t read_##field(void)                                                              \
    {                                                                                              \
        WalCheckpointCounts c;                                                                     \
                                                                                                   \
        wal_checkpoint_counts(&c);                                                                 \
        return (int64_t)c.field;                                                                   \
    }
CHECKPOINT(timed)
CHECKPOINT(requested)
CHECKPOINT(write_ms)
CHECKPOINT(sync_ms)

void
txn_register_counters(void)
{
    stats_on_flush(flush_counts);
    stats_fixed_external(STATS_CHECKPOINTS_TIMED, read_timed);
    stats_fixed_external(STATS_CHECKPOINTS_REQUESTED, read_requested);
    stats_fixed_external(STATS_CHECKPOINT_WRITE_MS, read_write_ms);
    stats_fixed_external(STATS_CHECKPOINT_SYNC_MS, read_sync_ms);
    stats_fixed_external(STATS_BUFFERS_CHECKPOINT, read_checkpoint_written);
    stats_fixed_external(STATS_BUFFERS_CLEAN, read_clean_written);
    stats_fixed_external(STATS_MAXWRITTEN_CLEAN, read_maxwritten_clean);
    stats_fixed_external(STATS_BUFFERS_BACKEND, read_backend_written);
    stats_fixed_external(STATS_BUFFERS_BACKEND_FSYNC, read_backend_fsync);
    stats_fixed_external(STATS_BUFFERS_ALLOC, read_alloc);
}
