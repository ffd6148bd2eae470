/*
 * When checkpoints happen: requests from other processes, the clock, the size of the log; and the pace
 * of their writes.
 *
 * A request sets flags and looks at three counters: a checkpoint that starts later than the request
 * raises `started`; when `done` reaches that value it has been served, and if `failed` moved, with an
 * error.
 */
#include "walmgr/wal_internal.h"

#include <limits.h>

#include "core/base/clock.h"
#include "core/base/interrupt.h"

volatile sig_atomic_t wal_checkpointer_stop;
bool wal_is_checkpointer;
static uint64_t started_us;      /* start of the checkpoint in progress, then of the last */
static Lsn started_position;

static bool
is_stopping(void)
{
    return wal_checkpointer_stop || (interrupts_pending & INTERRUPT_TERMINATE);
}

/* ---- requests ---- */

static void
signal_counts_changed(void)
{
    /* release: a hint for sleepers, who look at the counts under the lock */
    atomic_fetch_add_explicit(&wal_shared->request_word, 1, memory_order_release);
    wait_word_wake(&wal_shared->request_word, INT_MAX);
}

static bool
checkpointer_runs(void)
{
    /* relaxed: a slot number only; its latch is safe to set at any time */
    uint32_t slot = atomic_load_explicit(&wal_shared->checkpointer_slot, memory_order_relaxed);
    if (slot == 0)
        return false;
    latch_set(&proc_slots[slot - 1].latch);
    return true;
}

static void
sleep_for_counts(uint32_t seen)
{
    CHECK_INTERRUPTS();
    proc_wait_begin(WAL_WAIT_CHECKPOINT_DONE);
    wait_word_sleep(&wal_shared->request_word, seen, 100000);
    proc_wait_end();
}

/* Waits for a checkpoint that starts after `started` had its value. */
static void
wait_until_done(uint32_t started, uint32_t failed)
{
    WalShared *s = wal_shared;
    uint64_t began = clock_monotonic_us();
    uint32_t mine = started;
    for (;;) {
        /* acquire: before the counts are read; pairs with signal_counts_changed */
        uint32_t word = atomic_load_explicit(&s->request_word, memory_order_acquire);
        wal_lock_take(&s->request_lock, WAL_WAIT_CONTROL_LOCK);
        if (mine == started)
            mine = s->started_count;
        bool done = mine != started && (int32_t)(s->done_count - mine) >= 0;
        bool bad = s->failed_count != failed;
        wal_lock_release(&s->request_lock);
        if (done && bad)
            RAISE_ERR(SQLSTATE_INTERNAL_ERROR, err_message("checkpoint request failed"),
                      err_hint("Consult recent messages in the server log for details."));
        if (done)
            return;
        if (mine == started && !checkpointer_runs() && clock_monotonic_us() - began > 60000000)
            RAISE(SQLSTATE_INTERNAL_ERROR, "could not signal for checkpoint: checkpointer is not running");
        sleep_for_counts(word);
    }
}

void
wal_request_checkpoint(unsigned flags)
{
    WalShared *s = wal_shared;
    bool standalone = proc_self == NULL ||
                      /* relaxed: own slot */
                      atomic_load_explicit(&proc_self->kind, memory_order_relaxed) == PROC_STANDALONE;
    if (standalone || wal_is_checkpointer) {
        if (standalone && !(flags & CHECKPOINT_CAUSE_XLOG))
            wal_checkpoint(flags | CHECKPOINT_IMMEDIATE);
        else if (wal_is_checkpointer) /* from its own writes: next time round the loop */
            atomic_fetch_or_explicit(&s->request_pending, flags | CHECKPOINT_REQUESTED, memory_order_relaxed);
        return;
    }
    /* relaxed: an inserter's reminder is not worth the lock if all its flags are there already */
    if (!(flags & CHECKPOINT_WAIT) &&
        (atomic_load_explicit(&s->request_pending, memory_order_relaxed) & flags) == flags)
        return;
    wal_lock_take(&s->request_lock, WAL_WAIT_CONTROL_LOCK);
    uint32_t started = s->started_count, failed = s->failed_count;
    s->request_flags |= flags | CHECKPOINT_REQUESTED;
    /* relaxed: read as a hint, or after the latch */
    atomic_fetch_or_explicit(&s->request_pending, flags | CHECKPOINT_REQUESTED, memory_order_relaxed);
    wal_lock_release(&s->request_lock);
    checkpointer_runs();
    if (flags & CHECKPOINT_WAIT)
        wait_until_done(started, failed);
}

/* ---- pace ---- */

static bool
immediate_requested(void)
{
    /* relaxed: seen a little later at worst */
    return atomic_load_explicit(&wal_shared->request_pending, memory_order_relaxed) & CHECKPOINT_IMMEDIATE;
}

static bool
is_on_schedule(double progress)
{
    progress *= checkpoint_completion_target;
    double segments = (double)(wal_insert_position() - started_position) / WAL_SEGMENT_BYTES;
    if (progress < segments / wal_checkpoint_segments())
        return false;
    double elapsed_s = (double)(clock_monotonic_us() - started_us) / 1e6;
    return progress >= elapsed_s / checkpoint_timeout_s;
}

static void
handle_reload(void)
{
    static bool images = true;
    unsigned pending = (unsigned)interrupts_pending;
    if (pending && !is_stopping() && interrupts_held == 0 && interrupts_process)
        interrupts_process();
    if (images != full_page_writes) {
        images = full_page_writes;
        wal_set_image_rule_from_redo();
    }
}

void
wal_checkpoint_delay(unsigned flags, double progress)
{
    if (!wal_is_checkpointer || (flags & (CHECKPOINT_IMMEDIATE | CHECKPOINT_IS_SHUTDOWN)))
        return;
    if (is_stopping() || immediate_requested() || !is_on_schedule(progress))
        return;
    handle_reload();
    latch_wait(WAIT_LATCH | WAIT_TIMEOUT, -1, 100, WAL_WAIT_CHECKPOINT_DELAY);
    latch_reset(&proc_self->latch);
}

/* ---- the checkpointer's loop ---- */

static unsigned
take_request(void)
{
    WalShared *s = wal_shared;
    wal_lock_take(&s->request_lock, WAL_WAIT_CONTROL_LOCK);
    /* relaxed: under the lock, but for the checkpointer's own reminder */
    unsigned flags = s->request_flags |
                     atomic_exchange_explicit(&s->request_pending, 0, memory_order_relaxed);
    s->request_flags = 0;
    s->started_count++;
    wal_lock_release(&s->request_lock);
    signal_counts_changed();
    return flags & ~CHECKPOINT_REQUESTED;
}

static void
finish_request(bool failed)
{
    WalShared *s = wal_shared;
    wal_lock_take(&s->request_lock, WAL_WAIT_CONTROL_LOCK);
    s->done_count = s->started_count;
    if (failed)
        s->failed_count++;
    wal_lock_release(&s->request_lock);
    signal_counts_changed();
}

static void
warn_if_too_frequent(unsigned flags, uint64_t before_us)
{
    uint64_t seconds = (clock_monotonic_us() - before_us) / 1000000;
    if (!(flags & CHECKPOINT_CAUSE_XLOG) || before_us == 0 || seconds >= (uint64_t)checkpoint_warning_s)
        return;
    REPORT(LEVEL_LOG, SQLSTATE_SUCCESS,
           err_message("checkpoints are occurring too frequently (%llu second%s apart)",
                       (unsigned long long)seconds, seconds == 1 ? "" : "s"),
           err_hint("Consider increasing the configuration parameter \"max_wal_size\"."));
}

/* True if it worked. */
static bool
run_checkpoint(unsigned more_flags)
{
    volatile bool ok = true;
    unsigned flags = take_request() | more_flags;
    uint64_t before_us = started_us;
    started_us = clock_monotonic_us();
    started_position = wal_insert_position();
    warn_if_too_frequent(flags, before_us);
    ERR_TRY {
        wal_checkpoint(flags);
    } ERR_CATCH {
        err_emit(err_current());
        err_clear();
        ok = false;
    } ERR_END;
    finish_request(!ok);
    return ok;
}

/*
 * archive_timeout: ends a segment that has stood open for that long, if anything but a checkpoint was
 * written since the last one ended. Returns seconds until the next look, at most `left_s`.
 */
static uint64_t
check_archive_timeout(uint64_t left_s)
{
    static uint64_t since_us;
    static Lsn since;
    if (archive_timeout_s <= 0 || !wal_archiving())
        return left_s;
    uint64_t now = clock_monotonic_us();
    Lsn position = wal_insert_position();
    if (since_us == 0 || wal_segment_of(position - 1) != wal_segment_of(since)) { /* another segment */
        since_us = now;
        since = position;
    }
    uint64_t open_s = (now - since_us) / 1000000;
    if (open_s >= (uint64_t)archive_timeout_s) {
        /* relaxed: both are this process's own, or a note */
        bool idle = position % WAL_SEGMENT_BYTES == 0 ||
                    atomic_load_explicit(&wal_shared->idle_position, memory_order_relaxed) == position;
        since_us = now;
        if (!idle) {
            wal_switch_and_flush();
            REPORT(LEVEL_DEBUG1, SQLSTATE_SUCCESS,
                   err_message("write-ahead log switch forced (archive_timeout=%d)", archive_timeout_s));
        }
        open_s = 0;
    }
    return MIN(left_s, (uint64_t)archive_timeout_s - open_s);
}

void
wal_checkpointer_main_loop(void)
{
    wal_is_checkpointer = true;
    started_us = clock_monotonic_us();
    /* relaxed: see checkpointer_runs */
    atomic_store_explicit(&wal_shared->checkpointer_slot, proc_self->index + 1, memory_order_relaxed);
    while (!is_stopping()) {
        latch_reset(&proc_self->latch);
        handle_reload();
        uint64_t elapsed_s = (clock_monotonic_us() - started_us) / 1000000;
        unsigned by_time = elapsed_s >= (uint64_t)checkpoint_timeout_s ? CHECKPOINT_CAUSE_TIME : 0;
        /* relaxed: the latch brings us back if it is set a moment later */
        bool requested = atomic_load_explicit(&wal_shared->request_pending, memory_order_relaxed) != 0;
        if (by_time || requested) {
            if (!run_checkpoint(by_time))
                latch_wait(WAIT_TIMEOUT, -1, 1000, WAL_WAIT_CHECKPOINTER_MAIN);
            continue;
        }
        long left_ms = (long)check_archive_timeout((uint64_t)checkpoint_timeout_s - elapsed_s) * 1000;
        latch_wait(WAIT_LATCH | WAIT_TIMEOUT, -1, left_ms, WAL_WAIT_CHECKPOINTER_MAIN);
    }
    /* relaxed: requests from now on wait for a new checkpointer */
    atomic_store_explicit(&wal_shared->checkpointer_slot, 0, memory_order_relaxed);
}
