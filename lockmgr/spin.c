/*
 * Spinlock, slow path: test-and-test-and-set with bounded exponential back-off, then short sleeps. The
 * holder runs a few instructions only, so a long wait means it was preempted (sleep lets it run) or
 * that it died inside (PANIC after a minute, naming the place that waits).
 */
#include <sched.h>
#include <time.h>

#include "core/base/clock.h"
#include "lockmgr/lock_internal.h"
#include "lockmgr/lockmgr.h"

#define SLEEP_US_MIN 10
#define SLEEP_US_MAX 1000
uint64_t spin_stuck_us = 60u * 1000 * 1000;

void
spin_init(Spinlock *l)
{
    /* relaxed: whoever publishes the enclosing struct orders this store */
    atomic_store_explicit(&l->word, 0, memory_order_relaxed);
}

void
spin_lock_slow(Spinlock *l, const char *file, int line)
{
    unsigned pauses = 1, spins = 0;
    long sleep_us = SLEEP_US_MIN;
    uint64_t start = 0;

    lock_count(&lock_stats->spin_contended);
    while (!spin_try_word(l)) {
        if (spins < lock_wait_policy->spin_pauses) {
            for (unsigned i = 0; i < pauses; i++)
                cpu_pause();
            spins += pauses;
            pauses = MIN(pauses * 2, lock_wait_policy->backoff_max);
            continue;
        }
        uint64_t now = clock_monotonic_us();
        if (start == 0)
            start = now;
        else if (now - start > spin_stuck_us)
            PANIC("stuck spinlock detected at %s:%d", file, line);
        lock_count(&lock_stats->spin_slept);
        struct timespec ts = {0, sleep_us * 1000};
        nanosleep(&ts, NULL);
        sleep_us = MIN(sleep_us * 2, SLEEP_US_MAX);
    }
    SPIN_NOTE(1);
}
