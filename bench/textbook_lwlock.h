/*
 * The textbook's LWLock, for comparison only: one atomic word (exclusive bit, shared count, a bit for
 * waiters), a wait list under a spinlock, and a semaphore per process to sleep on. Written from the
 * description of the algorithm: try; if that fails enter the list; try again, so that a release in
 * between is not missed; sleep; on waking try from the start. A release wakes the first waiter, and
 * with a reader all readers that follow it.
 */
#ifndef BENCH_TEXTBOOK_LWLOCK_H
#define BENCH_TEXTBOOK_LWLOCK_H

#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lockmgr/lockmgr.h"

#define TEXTBOOK_EXCLUSIVE (1u << 31)
#define TEXTBOOK_WAITERS (1u << 30)
#define TEXTBOOK_COUNT 0xFFFFu

typedef struct TextbookProcess {
    CACHE_ALIGNED sem_t semaphore;
    int next;          /* in the wait list, index + 1 */
    LwMode mode;
    _Atomic bool waiting;
} TextbookProcess;

typedef struct TextbookLock {
    CACHE_ALIGNED _Atomic uint32_t state;
    Spinlock list_lock;
    int head, tail;    /* index + 1; under list_lock */
} TextbookLock;

static inline bool
textbook_try(TextbookLock *l, LwMode mode)
{
    /* relaxed: the compare-and-swap validates it */
    uint32_t old = atomic_load_explicit(&l->state, memory_order_relaxed);
    for (;;) {
        bool is_free = mode == LW_EXCLUSIVE ? (old & (TEXTBOOK_EXCLUSIVE | TEXTBOOK_COUNT)) == 0 : (old & TEXTBOOK_EXCLUSIVE) == 0;
        if (!is_free)
            return false;
        uint32_t next = mode == LW_EXCLUSIVE ? old | TEXTBOOK_EXCLUSIVE : old + 1;
        /* acq_rel: a full turn on both sides, as the textbook has it */
        if (atomic_compare_exchange_weak_explicit(&l->state, &old, next, memory_order_acq_rel, memory_order_relaxed))
            return true;
    }
}

static inline void
textbook_enqueue(TextbookLock *l, TextbookProcess *all, int me, LwMode mode)
{
    spin_lock(&l->list_lock);
    /* acq_rel: before the second attempt */
    atomic_fetch_or_explicit(&l->state, TEXTBOOK_WAITERS, memory_order_acq_rel);
    all[me].mode = mode;
    all[me].next = 0;
    atomic_store_explicit(&all[me].waiting, true, memory_order_relaxed); /* published by the spinlock */
    if (l->head == 0)
        l->head = me + 1;
    else
        all[l->tail - 1].next = me + 1;
    l->tail = me + 1;
    spin_unlock(&l->list_lock);
}

/* Leaves the list; false: somebody has taken us off it and will post the semaphore. */
static inline bool
textbook_dequeue(TextbookLock *l, TextbookProcess *all, int me)
{
    bool found = false;
    spin_lock(&l->list_lock);
    for (int *link = &l->head, last = 0; *link; last = *link, link = &all[*link - 1].next)
        if (*link == me + 1) {
            *link = all[me].next;
            if (l->tail == me + 1)
                l->tail = last;
            found = true;
            break;
        }
    if (l->head == 0) /* acq_rel: as in textbook_enqueue */
        atomic_fetch_and_explicit(&l->state, ~TEXTBOOK_WAITERS, memory_order_acq_rel);
    spin_unlock(&l->list_lock);
    return found;
}

static inline void
textbook_sleep(TextbookProcess *p)
{
    do {
        while (sem_wait(&p->semaphore) != 0 && errno == EINTR)
            ;
        /* acquire: pairs with the waker's release */
    } while (atomic_load_explicit(&p->waiting, memory_order_acquire));
}

static inline void
textbook_acquire(TextbookLock *l, TextbookProcess *all, int me, LwMode mode)
{
    while (!textbook_try(l, mode)) {
        textbook_enqueue(l, all, me, mode);
        if (textbook_try(l, mode)) {
            if (!textbook_dequeue(l, all, me))
                textbook_sleep(&all[me]);
            return;
        }
        textbook_sleep(&all[me]);
    }
}

static inline void
textbook_wake(TextbookLock *l, TextbookProcess *all)
{
    spin_lock(&l->list_lock);
    int first = l->head, last = 0;
    for (int i = first; i; i = all[i - 1].next) {
        if (last && (all[i - 1].mode == LW_EXCLUSIVE || all[first - 1].mode == LW_EXCLUSIVE))
            break;
        last = i;
    }
    if (last) {
        l->head = all[last - 1].next;
        if (l->head == 0)
            l->tail = 0;
        all[last - 1].next = 0;
    }
    if (l->head == 0) /* acq_rel: as in textbook_enqueue */
        atomic_fetch_and_explicit(&l->state, ~TEXTBOOK_WAITERS, memory_order_acq_rel);
    spin_unlock(&l->list_lock);
    for (int i = first; i && last;) {
        TextbookProcess *p = &all[i - 1];
        i = p->next;
        atomic_store_explicit(&p->waiting, false, memory_order_release); /* pairs with textbook_sleep */
        sem_post(&p->semaphore);
    }
}

static inline void
textbook_release(TextbookLock *l, TextbookProcess *all, LwMode mode)
{
    uint32_t sub = mode == LW_EXCLUSIVE ? TEXTBOOK_EXCLUSIVE : 1;
    /* acq_rel: as in textbook_try */
    uint32_t now = atomic_fetch_sub_explicit(&l->state, sub, memory_order_acq_rel) - sub;
    if ((now & TEXTBOOK_WAITERS) && !(now & (TEXTBOOK_EXCLUSIVE | TEXTBOOK_COUNT)))
        textbook_wake(l, all);
}

#endif
