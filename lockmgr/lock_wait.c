/*
 * Waiting for a heavyweight lock.
 *
 *   SLEEPING --lock_wake_waiters (another's release)--> GRANTED
 *   SLEEPING --deadlock_check (own)------------------> VICTIM, off the queue
 *   SLEEPING --interrupt or lock_timeout (own)-------> off the queue
 * Every transition happens under the partition lock.
 *
 * The sleeper waits on its latch's word as on a futex, which costs one system call where epoll and the
 * latch's signal would cost five. Signal handlers set the latch: one that runs before the sleep has
 * changed the word, one during the sleep interrupts the call. The granter sets the latch and wakes the
 * futex if lock_wait says that somebody sleeps there.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "core/base/clock.h"
#include "core/base/interrupt.h"
#include "core/base/probe.h"
#include "core/base/str.h"
#include "lockmgr/lock_internal.h"
#include "lockmgr/lockmgr.h"

#define INTERRUPTS_THAT_END_A_WAIT (INTERRUPT_CANCEL | INTERRUPT_TERMINATE | INTERRUPT_TIMEOUT | INTERRUPT_LOCK_TIMEOUT)
#define SLEEP_US_MAX 1000000 /* then look whether the postmaster is still there */

uint64_t lock_deadlocks;

static inline uint32_t
wait_state(void)
{
    /* acquire: pairs with the release in lock_wake_waiters */
    return atomic_load_explicit(&proc_self->lock_wait_state, memory_order_acquire);
}

static bool
must_stop(void)
{
    return interrupts_held == 0 && (interrupts_pending & INTERRUPTS_THAT_END_A_WAIT);
}

static void
stop_waiting(void)
{
    /* relaxed: only this process and, under the partition lock, lock_wake_waiters look at it */
    atomic_store_explicit(&proc_self->lock_wait_state, WAIT_NONE, memory_order_relaxed);
    proc_self->lock_waiting_for = NULL;
}

/* Leaves the queue, unless the lock was granted in the meantime. */
static LockResult
give_up(uint32_t hash, Holder *h, LockResult result)
{
    LwLock *partition = partition_lock(hash);

    lw_acquire(partition, LW_EXCLUSIVE);
    if (wait_state() == WAIT_GRANTED) {
        result = LOCK_OK;
    } else {
        Lock *l = &lock_pool[h->lock];
        lock_queue_remove(l, h);
        lock_wake_waiters(l); /* those behind may have waited for us only */
        holder_put(h);
    }
    stop_waiting();
    lw_release(partition);
    return result;
}

static void
log_wait(const char *what, const LockTag *tag, uint32_t hash, LockMode mode, uint64_t waited_us, bool with_detail)
{
    char text[128];

    lock_tag_describe(tag, text, sizeof(text));
    uint32_t pid = atomic_load_explicit(&proc_self->pid, memory_order_relaxed); /* our own */
    Arena *a = arena_create(arena_top(), "lock wait log");
    if (with_detail)
        REPORT(LEVEL_LOG, SQLSTATE_SUCCESS,
               err_message("process %u %s %s on %s after %llu.%03llu ms", pid, what, lock_mode_name(mode), text,
                           (unsigned long long)(waited_us / 1000), (unsigned long long)(waited_us % 1000)),
               err_detail("%s", lock_wait_log_detail(a, tag, hash)));
    else
        REPORT(LEVEL_LOG, SQLSTATE_SUCCESS,
               err_message("process %u %s %s on %s after %llu.%03llu ms", pid, what, lock_mode_name(mode), text,
                           (unsigned long long)(waited_us / 1000), (unsigned long long)(waited_us % 1000)));
    arena_destroy(a);
}

const char *
lock_wait_log_detail(Arena *a, const LockTag *tag, uint32_t hash)
{
    StrBuf holders, waiters;
    int holder_count = 0;

    str_init(&holders, a);
    str_init(&waiters, a);
    lw_acquire(partition_lock(hash), LW_SHARED);
    Lock *l = lock_find(tag, hash);
    for (int32_t i = l ? l->holders : LOCK_NIL; i != LOCK_NIL; i = holder_pool[i].next) {
        const Holder *h = &holder_pool[i];
        /* relaxed: for a message */
        uint32_t pid = atomic_load_explicit(&proc_slots[h->slot].pid, memory_order_relaxed);
        if (h->hold_mask && !h->wait_mode)
            str_printf(&holders, "%s%u", holder_count++ ? ", " : "", pid);
    }
    for (int32_t i = l ? l->wait_head : LOCK_NIL; i != LOCK_NIL; i = holder_pool[i].wait_next)
        str_printf(&waiters, "%s%u", waiters.len ? ", " : "",
                   atomic_load_explicit(&proc_slots[holder_pool[i].slot].pid, memory_order_relaxed)); /* as above */
    lw_release(partition_lock(hash));
    return arena_printf(a, "%s holding the lock: %s. Wait queue: %s.", holder_count == 1 ? "Process" : "Processes",
                        holders.data, waiters.data);
}

/* Microseconds until the next thing to do. */
static int64_t
next_timeout_us(uint64_t waited_us, bool checked)
{
    int64_t left = SLEEP_US_MAX;

    if (!checked)
        left = MIN(left, (int64_t)deadlock_timeout_ms * 1000 - (int64_t)waited_us);
    if (lock_timeout_ms > 0)
        left = MIN(left, (int64_t)lock_timeout_ms * 1000 - (int64_t)waited_us);
    return MAX(left, 0);
}

static void
sleep_on_latch(int64_t timeout_us, uint32_t tag_type)
{
    proc_wait_begin(WAIT_CLASS_LOCK | tag_type);
    /* seq_cst: before the futex's look at the latch; pairs with lock_wake_waiters, which sets the latch
     * and then looks here */
    atomic_store_explicit(&proc_self->lock_wait, 1, memory_order_seq_cst);
    bool in_time = wait_word_sleep(&proc_self->latch.set, 0, timeout_us);
    /* relaxed: a wake too many does no harm */
    atomic_store_explicit(&proc_self->lock_wait, 0, memory_order_relaxed);
    proc_wait_end();
    if (!in_time && !postmaster_is_alive())
        proc_exit(1);
}

/* Housekeeping gives way to sessions: the worker gives up its table and comes again later. */
static void
cancel_autovacuum(void)
{
    uint32_t pid = deadlock_autovacuum_ahead();

    if (pid == 0 || wait_state() != WAIT_SLEEPING)
        return;
    REPORT(LEVEL_DEBUG1, SQLSTATE_SUCCESS, err_message("sending cancel to blocking autovacuum PID %u", pid));
    if (kill((pid_t)pid, SIGINT) != 0 && errno != ESRCH)
        REPORT(LEVEL_WARNING, SQLSTATE_WARNING, err_message("could not send signal to process %u: %m", pid));
}

LockResult
lock_wait(const LockTag *tag, uint32_t hash, Holder *h, LockMode mode, bool check_now)
{
    bool checked = false, logged = false;
    LockResult result = LOCK_OK;

    ASSERT(!proc_self || proc_self->lw_held_count == 1); /* the partition alone: line 1 of the lock order */
    lock_count(&lock_stats->waits);
    h->wait_start = clock_now();
    /* relaxed: published to wakers by the partition lock's release */
    atomic_store_explicit(&proc_self->lock_wait_state, WAIT_SLEEPING, memory_order_relaxed);
    proc_self->lock_waiting_for = h;
    lw_release(partition_lock(hash));

    PROBE4(lock_wait_start, tag->type, tag->f1, tag->f2, mode);
    uint64_t start = clock_monotonic_us(), waited = 0;
    /* Rows are held for microseconds only, since locks go at the commit record. */
    for (unsigned i = 0; i < lock_wait_policy->heavyweight_pauses && wait_state() == WAIT_SLEEPING; i++)
        cpu_pause();
    for (;;) {
        latch_reset(&proc_self->latch);
        if (wait_state() == WAIT_GRANTED)
            break;
        if (must_stop()) {
            result = give_up(hash, h, LOCK_INTERRUPTED);
            break;
        }
        waited = clock_monotonic_us() - start;
        if (lock_timeout_ms > 0 && waited >= (uint64_t)lock_timeout_ms * 1000) {
            lock_count(&lock_stats->timeouts);
            result = give_up(hash, h, LOCK_TIMED_OUT);
            break;
        }
        if (!checked && (check_now || waited >= (uint64_t)deadlock_timeout_ms * 1000)) {
            checked = !check_now;
            check_now = false;
            if (deadlock_check()) {
                lock_count(&lock_stats->deadlocks);
                PROBE4(lock_wait_end, tag->type, tag->f1, tag->f2, LOCK_DEADLOCK);
                if (log_lock_waits)
                    log_wait("detected deadlock while waiting for", tag, hash, mode, waited, true);
                stop_waiting();
                lock_deadlocks++;
                return LOCK_DEADLOCK;
            }
            cancel_autovacuum();
            if (log_lock_waits && wait_state() == WAIT_SLEEPING) {
                log_wait("still waiting for", tag, hash, mode, waited, true);
                logged = true;
            }
            continue;
        }
        sleep_on_latch(next_timeout_us(waited, checked), tag->type);
    }
    stop_waiting();
    PROBE4(lock_wait_end, tag->type, tag->f1, tag->f2, result);
    if (logged && result == LOCK_OK)
        log_wait("acquired", tag, hash, mode, clock_monotonic_us() - start, false);
    return result;
}
