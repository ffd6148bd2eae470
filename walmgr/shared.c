/*
 * The log's shared state: the two shared memory requests, the small mutex, positions and timeline.
 *
 * The mutex (Drepper, "Futexes Are Tricky", mutex 2) is used instead of an LWLock because the log is
 * written before process slots exist (initdb) and because its holder must be in a critical section
 * anyway: a death while the log is half written has to restart the instance.
 */
#include "walmgr/wal_internal.h"

#include <limits.h>
#include <stdio.h>

#include "core/base/clock.h"
#include "core/shm/shm.h"

WalShared *wal_shared;
char *wal_ring;
uint64_t wal_ring_mask;
WalStats wal_stats;
static ControlFile local_control;
ControlFile *control_file = &local_control;

STATIC_ASSERT(offsetof(WalShared, written) >= CACHE_LINE);
STATIC_ASSERT(offsetof(WalShared, flushed) >= 2 * CACHE_LINE);

static size_t
shared_size(void)
{
    return sizeof(WalShared);
}

static void
shared_init(void *base)
{
    wal_shared = base;
    /* relaxed: no other process is there yet */
    atomic_store_explicit(&wal_shared->spare_inserting_at, WAL_BOUND_IDLE, memory_order_relaxed);
    control_file = &wal_shared->control;
    wal_shared->archive_stats.reset_time = clock_now();
    wal_segment_close(); /* descriptors of a former incarnation */
}

static size_t
ring_size(void)
{
    return wal_ring_bytes();
}

static void
ring_init(void *base)
{
    wal_ring = base;
    wal_ring_mask = wal_ring_bytes() - 1;
}

void
wal_shm_register(void)
{
    static const ShmRequest shared_request = {"wal control", SHM_CONTROL, shared_size, shared_init};
    static const ShmRequest ring_request = {"wal_buffers", SHM_WAL, ring_size, ring_init};
    shm_register(&shared_request);
    shm_register(&ring_request);
    wal_slots_shm_register();
    wal_senders_shm_register();
}

bool
wal_lock_try(WalLock *l)
{
    uint32_t free_word = 0;
    critical_enter();
    /* acquire: pairs with the release in wal_lock_release */
    if (atomic_compare_exchange_strong_explicit(&l->word, &free_word, 1, memory_order_acquire,
                                                memory_order_relaxed))
        return true;
    critical_leave();
    return false;
}

void
wal_lock_take(WalLock *l, uint32_t wait_event)
{
    for (int spin = 0; spin < 100; spin++) {
        /* relaxed: a glance before the CAS of wal_lock_try */
        if (atomic_load_explicit(&l->word, memory_order_relaxed) == 0 && wal_lock_try(l))
            return;
        wal_cpu_relax();
    }
    critical_enter();
    proc_wait_begin(wait_event);
    /* acquire: pairs with wal_lock_release. 2 says that somebody may sleep. */
    while (atomic_exchange_explicit(&l->word, 2, memory_order_acquire) != 0)
        wait_word_sleep(&l->word, 2, -1);
    proc_wait_end();
}

void
wal_lock_release(WalLock *l)
{
    /* release: publishes what the lock protects to the next holder's acquire */
    if (atomic_exchange_explicit(&l->word, 0, memory_order_release) == 2)
        wait_word_wake(&l->word, 1);
    critical_leave();
}

Lsn
wal_insert_position(void)
{
    /* acquire: what happened before any reservation below is visible */
    return atomic_load_explicit(&wal_shared->insert_pos, memory_order_acquire);
}

bool
wal_in_recovery(void)
{
    /* acquire: who sees the end of recovery sees what it left */
    return atomic_load_explicit(&wal_shared->in_recovery, memory_order_acquire) != 0;
}

Lsn
wal_redo_point(void)
{
    /* acquire: pairs with the store in checkpoint.c */
    return atomic_load_explicit(&wal_shared->redo_point, memory_order_acquire);
}

uint32_t
wal_timeline(void)
{
    /* relaxed: set before the log is ready, constant after */
    return atomic_load_explicit(&wal_shared->timeline, memory_order_relaxed);
}

const char *
lsn_text(Lsn l)
{
    static char ring[8][32];
    static unsigned next;
    char *out = ring[next++ % COUNT_OF(ring)];
    snprintf(out, sizeof(ring[0]), "%X/%X", (unsigned)(l >> 32), (unsigned)l);
    return out;
}
