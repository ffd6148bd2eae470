/*
 * Checkpoints: fix a redo point, flush what is older, make that known.
 *
 * The redo point is the start of a record of its own, so no insertion is ever held up: for as long as
 * it takes to put that record in, insertions log a full image of every page they touch (README, rule
 * 4, has the argument). What owners change after their record is waited for by the holds of rule 5.
 */
#include "walmgr/wal_internal.h"

#include <errno.h>
#include <sched.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/file/relfile.h"

WalCheckpointStats wal_checkpoint_stats;

#define STEPS_MAX 16
static WalCheckpointStep steps[STEPS_MAX];
static WalCheckpointFill fills[STEPS_MAX];
static int step_count, fill_count;

void
wal_register_checkpoint_step(WalCheckpointStep fn)
{
    CHECK(step_count < STEPS_MAX);
    steps[step_count++] = fn;
}

void
wal_register_checkpoint_fill(WalCheckpointFill fn)
{
    CHECK(fill_count < STEPS_MAX);
    fills[fill_count++] = fn;
}

static void
set_image_rule(Lsn rule)
{
    /* seq_cst: Dekker with wal_phase_begin and the load of the rule after it */
    atomic_store_explicit(&wal_shared->image_rule, rule, memory_order_seq_cst);
}

void
wal_set_image_rule_from_redo(void)
{
    /* relaxed: a backup that starts later than this look asks for a checkpoint of its own */
    bool backup = atomic_load_explicit(&wal_shared->running_backups, memory_order_relaxed) != 0;
    set_image_rule(full_page_writes || backup ? wal_redo_point() : WAL_RULE_NEVER);
}

static void
wait_for_phase(_Atomic uint32_t *phase, uint32_t mask)
{
    /* seq_cst: see set_image_rule; also acquire, pairs with the release that ends the phase */
    uint32_t seen = atomic_load_explicit(phase, memory_order_seq_cst) & mask;
    if (seen == 0)
        return;
    for (int round = 0; (atomic_load_explicit(phase, memory_order_acquire) & mask) == seen; round++) {
        if (round < 1000)
            wal_cpu_relax();
        else if (round < 2000)
            sched_yield();
        else
            usleep(500); /* it waits for room in the ring, or for a processor */
    }
}

static void
wait_for_phases(uint32_t mask)
{
    for (int i = 0; i < proc_slot_count; i++)
        wait_for_phase(&proc_slots[i].wal_insert_phase, mask);
    wait_for_phase(&wal_shared->spare_phase, mask);
}

/* Returns the redo point; *end: of its record. */
static Lsn
fix_redo_point(bool alone, Lsn *end)
{
    Lsn redo;
    if (alone) {
        redo = *end = wal_insert_position(); /* the checkpoint record will stand there */
    } else {
        set_image_rule(WAL_RULE_FORCE);
        wait_for_phases(WAL_PHASE_INSERT_MASK);
        FAULT_POINT("checkpoint_images_forced");
        wal_begin();
        *end = wal_insert(RMGR_XLOG, XLOG_CHECKPOINT_REDO, &redo);
    }
    /* release: pairs with wal_redo_point */
    atomic_store_explicit(&wal_shared->redo_point, redo, memory_order_release);
    wal_set_image_rule_from_redo();
    if (!alone)
        wait_for_phases(WAL_PHASE_HOLD_MASK);
    return redo;
}

static void
log_start(unsigned flags)
{
    LOG("checkpoint starting:%s%s%s%s%s%s%s%s", flags & CHECKPOINT_IS_SHUTDOWN ? " shutdown" : "",
        flags & CHECKPOINT_END_OF_RECOVERY ? " end-of-recovery" : "", flags & CHECKPOINT_IMMEDIATE ? " immediate" : "",
        flags & CHECKPOINT_FORCE ? " force" : "", flags & CHECKPOINT_WAIT ? " wait" : "",
        flags & CHECKPOINT_CAUSE_XLOG ? " wal" : "", flags & CHECKPOINT_CAUSE_TIME ? " time" : "",
        flags & CHECKPOINT_FLUSH_ALL ? " flush-all" : "");
}

typedef struct Times { uint64_t began, written, synced, ended; } Times;
#define SECONDS(us) (unsigned long long)((us) / 1000000), (unsigned)((us) % 1000000 / 1000)

static void
log_end(const Times *t)
{
    const WalCheckpointStats *c = &wal_checkpoint_stats;
    uint64_t average = c->files_synced ? c->total_sync_us / (uint64_t)c->files_synced : 0;
    LOG("checkpoint complete: wrote %llu buffers (%.1f%%); %llu WAL file(s) added, %llu removed, %llu recycled; "
        "write=%llu.%03u s, sync=%llu.%03u s, total=%llu.%03u s; sync files=%d, longest=%llu.%03u s, "
        "average=%llu.%03u s; distance=%.0f kB, estimate=%.0f kB",
        (unsigned long long)c->buffers_written,
        c->buffers_total ? 100.0 * (double)c->buffers_written / (double)c->buffers_total : 0.0,
        (unsigned long long)c->segments_added, (unsigned long long)c->segments_removed,
        (unsigned long long)c->segments_recycled, SECONDS(t->written - t->began), SECONDS(t->synced - t->written),
        SECONDS(t->ended - t->began), c->files_synced, SECONDS(c->longest_sync_us), SECONDS(average),
        wal_shared->distance_previous / 1024, wal_shared->distance_estimate / 1024);
}

/* A moving average that rises at once and falls slowly: sizes the pool of recycled segments. */
static void
note_distance(Lsn from, Lsn to)
{
    double d = (double)(to - from), *estimate = &wal_shared->distance_estimate;
    wal_shared->distance_previous = d;
    *estimate = *estimate < d ? d : 0.90 * *estimate + 0.10 * d;
}

static void
count_checkpoint(unsigned flags, const Times *t)
{
    /* relaxed: statistics */
    atomic_fetch_add_explicit(flags & CHECKPOINT_CAUSE_TIME ? &wal_shared->timed : &wal_shared->requested, 1,
                              memory_order_relaxed);
    atomic_fetch_add_explicit(&wal_shared->write_ms, (t->written - t->began) / 1000, memory_order_relaxed);
    atomic_fetch_add_explicit(&wal_shared->sync_ms, (t->synced - t->written) / 1000, memory_order_relaxed);
}

void
wal_checkpoint_counts(WalCheckpointCounts *out)
{
    /* relaxed: statistics */
    out->timed = atomic_load_explicit(&wal_shared->timed, memory_order_relaxed);
    out->requested = atomic_load_explicit(&wal_shared->requested, memory_order_relaxed);
    out->write_ms = atomic_load_explicit(&wal_shared->write_ms, memory_order_relaxed);
    out->sync_ms = atomic_load_explicit(&wal_shared->sync_ms, memory_order_relaxed);
}

static void
write_control(Lsn start, const WalCheckpoint *c, unsigned flags)
{
    control_lock();
    control_file->checkpoint = start;
    control_file->checkpoint_copy = *c;
    control_file->min_recovery_point = LSN_INVALID;
    control_file->min_recovery_timeline = 0;
    control_file->backup_start = control_file->backup_end = LSN_INVALID;
    control_file->backup_end_required = false;
    if (flags & CHECKPOINT_IS_SHUTDOWN)
        control_file->state = DB_SHUTDOWNED;
    control_write();
    control_unlock();
}

static void
flush_everything(unsigned flags, Times *t)
{
    int synced = 0;
    FAULT_POINT("checkpoint_redo_fixed");
    for (int i = 0; i < step_count; i++) {
        steps[i](flags);
        FAULT_POINT("checkpoint_step_done");
    }
    t->written = clock_monotonic_us();
    if (fsyncq_process(&synced) != ERR_OK) {
        errno = err_sys()->errnum;
        PANIC("%s: %m", err_sys()->what);
    }
    FAULT_POINT("checkpoint_synced");
    t->synced = clock_monotonic_us();
    wal_checkpoint_stats.files_synced = synced;
    wal_checkpoint_stats.total_sync_us = fsyncq_total_us;
    wal_checkpoint_stats.longest_sync_us = fsyncq_longest_us;
}

void
wal_flush_steps(unsigned flags)
{
    Times t;
    memset(&wal_checkpoint_stats, 0, sizeof(wal_checkpoint_stats));
    flush_everything(flags, &t);
}

static bool
is_idle(void)
{
    /* relaxed: written by the last checkpoint, which had the same position to itself */
    return atomic_load_explicit(&wal_shared->idle_position, memory_order_relaxed) == wal_insert_position();
}

void
wal_checkpoint(unsigned flags)
{
    bool alone = flags & (CHECKPOINT_IS_SHUTDOWN | CHECKPOINT_END_OF_RECOVERY);
    if (!alone && !(flags & CHECKPOINT_FORCE) && is_idle()) {
        REPORT(LEVEL_DEBUG1, SQLSTATE_SUCCESS, err_message("checkpoint skipped because system is idle"));
        return;
    }
    memset(&wal_checkpoint_stats, 0, sizeof(wal_checkpoint_stats));
    if (flags & CHECKPOINT_IS_SHUTDOWN)
        control_set_state(DB_SHUTDOWNING);
    if (log_checkpoints)
        log_start(flags);
    Times t = {.began = clock_monotonic_us()};

    WalCheckpoint c = control_file->checkpoint_copy; /* what no one fills stays */
    Lsn redo_before = c.redo, redo_end;
    c.redo = fix_redo_point(alone, &redo_end);
    c.prev_timeline = flags & CHECKPOINT_END_OF_RECOVERY ? c.timeline : wal_timeline();
    c.timeline = wal_timeline();
    c.full_page_writes = full_page_writes;
    c.time = clock_now();
    for (int i = 0; i < fill_count; i++)
        fills[i](&c);
    flush_everything(flags, &t);

    wal_begin();
    wal_add_data(&c, sizeof(c));
    Lsn start, end = wal_insert(RMGR_XLOG, alone ? XLOG_CHECKPOINT_SHUTDOWN : XLOG_CHECKPOINT_ONLINE, &start);
    wal_flush_to(end);
    if (alone && start != c.redo)
        PANIC("concurrent write-ahead log activity while database system is shutting down");
    FAULT_POINT("wal_before_control");
    write_control(start, &c, flags);
    if (flags & CHECKPOINT_IS_SHUTDOWN) /* relaxed: the others are gone */
        atomic_store_explicit(&wal_shared->ready, 0, memory_order_relaxed);
    atomic_store_explicit(&wal_shared->idle_position, start == redo_end ? end : 0, memory_order_relaxed);

    FAULT_POINT("checkpoint_control_written");
    fsyncq_unlink_pending();
    note_distance(redo_before, c.redo);
    FAULT_POINT("checkpoint_before_recycle");
    wal_segments_recycle(c.redo, end);
    FAULT_POINT("checkpoint_recycled");
    if (end % WAL_SEGMENT_BYTES >= WAL_SEGMENT_BYTES * 3 / 4)
        wal_segment_preallocate(wal_segment_of(end) + 1);
    t.ended = clock_monotonic_us();
    count_checkpoint(flags, &t);
    if (log_checkpoints)
        log_end(&t);
}
