/*
 * The lock primitives as threads, for the thread sanitizer, which sees no processes: everything is built with
 * POSTHASTE_THREADS_AS_PROCESSES, which gives each thread what is one process's otherwise (its slot, its table of
 * locks held). The sanitizer watches the data that the locks protect and the locks' own queues and tables; the
 * asymmetric fences of the fast path are outside its model, its words are atomic anyway.
 * An argument is the number of rounds.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/cpu.h"
#include "core/shm/shm.h"
#include "lockmgr/lockmgr.h"

#define THREADS 6

static Spinlock spin;
static LwLockPadded lw;
static uint64_t spin_count, left, right; /* left == right whenever lw is not held exclusively */
static uint64_t objects[3];              /* written under LOCK_EXCLUSIVE and up, read under LOCK_SHARE */
static uint64_t outcome[1 << 16];        /* of a transaction: written by its owner before it lets go of its id */
static _Atomic uint64_t current_xid;
static pthread_mutex_t attach_lock = PTHREAD_MUTEX_INITIALIZER; /* arenas are one process's: first use one by one */
static int rounds = 3000;

#define MUST(cond) ((cond) ? (void)0 : (fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #cond), abort()))

static uint64_t
next_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    return z ^ (z >> 31);
}

static void
use_spinlock(void)
{
    spin_lock(&spin);
    spin_count++;
    spin_unlock(&spin);
}

static void
use_lwlock(uint64_t r)
{
    if (r % 4 == 0) {
        lw_acquire(&lw.lock, LW_EXCLUSIVE);
        left++;
        if (r % 64 == 0)
            sched_yield(); /* makes the others sleep */
        right++;
    } else if (r % 4 == 1) {
        if (!lw_try_acquire(&lw.lock, LW_SHARED))
            return;
        MUST(left == right);
    } else {
        lw_acquire(&lw.lock, LW_SHARED);
        MUST(left == right);
    }
    lw_release(&lw.lock);
}

/* A relation weakly or strongly locked, and an object through the table; one at a time, so no deadlock. */
static void
use_heavyweight(uint64_t r)
{
    static uint64_t relation_strong[2]; /* read under weak locks, written under strong ones */
    int i = (int)(r >> 8) % 2, o = (int)(r >> 9) % 3;
    LockTag rel = lock_tag_relation(5, (Oid)(1000 + i)), object = lock_tag_object(5, 1, (Oid)o, 0);

    if (r % 8 == 0) {
        MUST(lock_acquire(rel, LOCK_ACCESS_EXCLUSIVE, false, false) == LOCK_OK);
        relation_strong[i]++;
    } else if (r % 8 < 6) {
        uint64_t seen;
        MUST(lock_acquire(rel, LOCK_ROW_EXCLUSIVE, false, false) == LOCK_OK);
        seen = relation_strong[i];
        MUST(seen == relation_strong[i]);
    } else if (r % 8 == 6) {
        MUST(lock_acquire(object, LOCK_SHARE, false, false) == LOCK_OK);
        MUST(objects[o] < UINT64_MAX);
    } else {
        MUST(lock_acquire(object, LOCK_EXCLUSIVE, false, false) == LOCK_OK);
        objects[o]++;
    }
    lock_release_all(false);
}

static void
use_transaction(int me, uint64_t r)
{
    if (me == 0) {
        static uint64_t xid;
        xid++;
        MUST(lock_acquire(lock_tag_xid(xid), LOCK_EXCLUSIVE, false, false) == LOCK_OK);
        /* release: like a tuple that carries the id */
        atomic_store_explicit(&current_xid, xid, memory_order_release);
        outcome[xid % COUNT_OF(outcome)] = xid;
    } else if (r % 4 == 0) {
        uint64_t xid = atomic_load_explicit(&current_xid, memory_order_acquire); /* pairs with the store */
        if (xid == 0)
            return;
        MUST(lock_acquire(lock_tag_xid(xid), LOCK_SHARE, false, false) == LOCK_OK);
        MUST(outcome[xid % COUNT_OF(outcome)] == xid);
    }
    lock_release_all(false);
}

static void *
thread_main(void *arg)
{
    int me = (int)(intptr_t)arg;
    uint64_t rnd = (uint64_t)me + 1;

    proc_self = &proc_slots[me];
    pthread_mutex_lock(&attach_lock);
    MUST(lock_acquire(lock_tag_object(9, 9, (Oid)me, 0), LOCK_SHARE, false, false) == LOCK_OK);
    lock_release_all(false);
    pthread_mutex_unlock(&attach_lock);
    for (int i = 0; i < rounds; i++) {
        use_spinlock();
        use_lwlock(next_random(&rnd));
        use_heavyweight(next_random(&rnd));
        use_transaction(me, next_random(&rnd));
    }
    return NULL;
}

int
main(int argc, char **argv)
{
    pthread_t threads[THREADS];

    if (argc > 1)
        rounds = atoi(argv[1]);
    cpu_init();
    proc_shm_register();
    lock_shm_register();
    shm_create_for_test();
    deadlock_timeout_ms = 100000;
    lw_init(&lw.lock, LWT_TEST);
    for (int i = 0; i < THREADS; i++)
        MUST(pthread_create(&threads[i], NULL, thread_main, (void *)(intptr_t)i) == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    MUST(spin_count == (uint64_t)THREADS * (uint64_t)rounds && left == right);
    printf("%d threads, %d rounds each\n", THREADS, rounds);
    return 0;
}
