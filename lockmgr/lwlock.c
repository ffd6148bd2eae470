/*
 * LWLock: shared/exclusive lock in one word, sleeping on the process slot's futex word.
 *
 * Word layout
 *   bit 63      EXCLUSIVE   held exclusively
 *   bit 62      WAITERS     the queue is not empty
 *   bit 61      QUEUE       spin bit over the queue (l->tail: head and tail, slots' lw_next)
 *   bit 60      HANDOFF     somebody has waited long: newcomers queue instead of barging in
 *   bits 16..59 the embedding struct's (lw_embed.h): preserved by everything here
 *   bits 0..15  shared holders
 *
 * Lost wakeups cannot happen: a waiter enters the queue by the same compare-and-swap that finds the
 * lock held, setting WAITERS; the holder's release is a later change of the word and sees the bit.
 *   Rule A: WAITERS set implies that the lock is held, or that somebody is on his way to wake or to
 *   retry. A woken process retries and either gets the lock (and wakes on its release) or finds it
 *   held (and the holder will wake on his).
 *
 * Fairness: waking does not hand the lock over, for a convoy costs a context switch per acquisition;
 * the woken compete with newcomers. So that nobody starves, a waiter that was woken in vain, or that
 * has slept for a millisecond, sets HANDOFF: newcomers then queue, and only processes that were woken
 * (in queue order) may take the lock. Whoever of these gets it clears the bit.
 *
 * Without a process slot (tests of a single process, the postmaster) waiting is spinning and yielding.
 */
#include <sched.h>
#include <stdio.h>

#include "lockmgr/lock_internal.h"
#include "lockmgr/lw_embed.h"

#define SPIN_ROUNDS 64          /* about 2 us: longer than most holders hold */
#define HANDOFF_AFTER_US 1000
#define HANDOFF_REPEAT_US_MAX 64000

/* Queue ends, packed into l->tail; slot index + 1, 0 none. Under the QUEUE bit. */
#define QUEUE_HEAD(l) ((l)->tail & 0xFFFFu)
#define QUEUE_TAIL(l) ((l)->tail >> 16)
#define QUEUE_SET(l, head, tail_) ((l)->tail = (uint32_t)(head) | (uint32_t)(tail_) << 16)

void
lw_init(LwLock *l, LwTranche tranche)
{
    /* relaxed: published with the enclosing struct */
    atomic_store_explicit(&l->word, 0, memory_order_relaxed);
    l->tranche = (uint32_t)tranche;
    l->tail = 0;
}

/* ---- bookkeeping of what this process holds ---- */

void
lw_held_full(void)
{
    PANIC("too many LWLocks taken");
}

/* Not the last one taken. */
void
lw_forget_held_earlier(const LwLock *l)
{
    ProcSlot *self = proc_self;
    uint32_t i = self->lw_held_count;

    while (i > 0 && self->lw_held[i - 1] != l)
        i--;
    if (i > 0) {
        self->lw_held[i - 1] = self->lw_held[--self->lw_held_count];
        return;
    }
    PANIC("lock %s is not held", wait_event_name(WAIT_CLASS_LWLOCK | l->tranche));
}

bool
lw_held_by_me(const LwLock *l)
{
    if (!proc_self) /* relaxed: only one process is about */
        return (atomic_load_explicit(&l->word, memory_order_relaxed) & (LW_EXCL | LW_COUNT)) != 0;
    for (uint32_t i = proc_self->lw_held_count; i > 0; i--)
        if (proc_self->lw_held[i - 1] == l)
            return true;
    return false;
}

/* ---- the word ---- */

/* Whether mode can be had in state w. privileged: woken from the queue, HANDOFF does not stop it. */
static inline bool
available(uint64_t w, LwMode mode, bool privileged)
{
    if (w & LW_HANDOFF && !privileged)
        return false;
    return mode == LW_EXCLUSIVE ? (w & (LW_EXCL | LW_COUNT)) == 0 : (w & LW_EXCL) == 0;
}

static inline bool
try_take(LwLock *l, LwMode mode, bool privileged)
{
    /* relaxed: the compare-and-swap below validates the value */
    uint64_t w = atomic_load_explicit(&l->word, memory_order_relaxed);

    while (available(w, mode, privileged)) {
        uint64_t next = mode == LW_EXCLUSIVE ? w | LW_EXCL : w + 1;
        if (privileged)
            next &= ~LW_HANDOFF;
        /* acquire: pairs with the release in lw_release, so the protected fields are seen */
        if (LIKELY(atomic_compare_exchange_weak_explicit(&l->word, &w, next, memory_order_acquire, memory_order_relaxed)))
            return true;
    }
    return false;
}

/* Gives a shared count back; the last one wakes. Returns nothing to look at: the lock is not ours. */
static inline void
drop_shared(LwLock *l)
{
    /* release: orders our reads before a writer's stores */
    uint64_t w = atomic_fetch_sub_explicit(&l->word, 1, memory_order_release) - 1;
    if (UNLIKELY((w & LW_WAITERS) && !(w & LW_COUNT)))
        lw_wake_waiters(l);
}

/*
 * The first attempt at a shared lock adds its count without looking and takes it back if it had no
 * right to: half the cost of a compare-and-swap. While it is there it may send a writer to the queue,
 * so taking it back wakes like a release does (rule A).
 */
static inline bool
try_take_shared_fast(LwLock *l)
{
    /* acquire: pairs with the release in lw_release */
    uint64_t w = atomic_fetch_add_explicit(&l->word, 1, memory_order_acquire);
    if (LIKELY(!(w & (LW_EXCL | LW_HANDOFF))))
        return true;
    drop_shared(l);
    return false;
}

static inline bool
try_take_fast(LwLock *l, LwMode mode)
{
    return mode == LW_SHARED ? try_take_shared_fast(l) : try_take(l, mode, false);
}

/*
 * Enters the queue unless the lock has become available. at_head: was woken before and goes to the
 * front, with HANDOFF so that it is next. Returns false if the lock should be tried again.
 */
static bool
enqueue_if_held(LwLock *l, LwMode mode, bool at_head)
{
    ProcSlot *self = proc_self;
    uint32_t me = self->index + 1;
    /* relaxed: validated by the compare-and-swap */
    uint64_t w = atomic_load_explicit(&l->word, memory_order_relaxed);

    for (;;) {
        if (available(w, mode, at_head))
            return false;
        /* Nobody holds it, HANDOFF keeps us out: then a woken process is under way (rule A). */
        if (w & LW_QUEUE) {
            cpu_pause();
            w = atomic_load_explicit(&l->word, memory_order_relaxed); /* as above */
            continue;
        }
        uint64_t next = w | LW_QUEUE | LW_WAITERS | (at_head ? LW_HANDOFF : 0);
        /* acquire: pairs with the release that ended the last queue section */
        if (atomic_compare_exchange_weak_explicit(&l->word, &w, next, memory_order_acquire, memory_order_relaxed))
            break;
    }
    self->lw_mode = (uint32_t)mode;
    /* relaxed: published by the release below; the waker reads it under the QUEUE bit */
    atomic_store_explicit(&self->lw_wait, 1, memory_order_relaxed);
    uint32_t head = QUEUE_HEAD(l), tail = QUEUE_TAIL(l);
    if (head == 0) {
        self->lw_next = 0;
        QUEUE_SET(l, me, me);
    } else if (at_head) {
        self->lw_next = head;
        QUEUE_SET(l, me, tail);
    } else {
        self->lw_next = 0;
        proc_slots[tail - 1].lw_next = me;
        QUEUE_SET(l, head, me);
    }
    /* release: publishes the queue to the next holder of the bit */
    atomic_fetch_and_explicit(&l->word, ~LW_QUEUE, memory_order_release);
    return true;
}

/*
 * Wakes the head of the queue, and with a shared head the run of shared waiters behind it. Does
 * nothing when the lock has been taken meanwhile: that holder's release comes here again.
 */
void
lw_wake_waiters(LwLock *l)
{
    uint64_t w = atomic_load_explicit(&l->word, memory_order_relaxed); /* validated below */

    critical_enter(); /* a process killed here would leave the queue locked */
    for (;;) {
        if (!(w & LW_WAITERS) || (w & LW_EXCL) || (w & LW_COUNT)) {
            critical_leave();
            return;
        }
        if (w & LW_QUEUE) {
            cpu_pause();
            w = atomic_load_explicit(&l->word, memory_order_relaxed); /* validated below */
            continue;
        }
        /* acquire: pairs with the release of the last queue section */
        if (atomic_compare_exchange_weak_explicit(&l->word, &w, w | LW_QUEUE, memory_order_acquire, memory_order_relaxed))
            break;
    }

    uint32_t first = QUEUE_HEAD(l), last = first;
    ASSERT(first != 0);
    if (proc_slots[first - 1].lw_mode == LW_SHARED)
        while (proc_slots[last - 1].lw_next && proc_slots[proc_slots[last - 1].lw_next - 1].lw_mode == LW_SHARED)
            last = proc_slots[last - 1].lw_next;
    uint32_t rest = proc_slots[last - 1].lw_next;
    QUEUE_SET(l, rest, rest ? QUEUE_TAIL(l) : 0);
    proc_slots[last - 1].lw_next = 0;
    /* release: publishes the shortened queue */
    atomic_fetch_and_explicit(&l->word, rest ? ~LW_QUEUE : ~(LW_QUEUE | LW_WAITERS), memory_order_release);

    while (first) {
        ProcSlot *p = &proc_slots[first - 1];
        first = p->lw_next; /* before the store: a woken process may queue elsewhere at once */
        /* release: pairs with the acquire load in sleep_in_queue */
        atomic_store_explicit(&p->lw_wait, 0, memory_order_release);
        wait_word_wake(&p->lw_wait, 1);
    }
    critical_leave();
}

static void
sleep_in_queue(LwLock *l)
{
    ProcSlot *self = proc_self;
    int64_t timeout = HANDOFF_AFTER_US;

    proc_wait_begin(WAIT_CLASS_LWLOCK | l->tranche);
    /* acquire: pairs with the waker's release store */
    while (atomic_load_explicit(&self->lw_wait, memory_order_acquire) != 0) {
        if (wait_word_sleep(&self->lw_wait, 1, timeout))
            continue;
        /* Long enough. While we are still queued the bit is seen and cleared by a woken process;
         * relaxed: it guards no data. */
        uint64_t w = atomic_load_explicit(&l->word, memory_order_relaxed);
        while ((w & LW_WAITERS) && !(w & LW_HANDOFF) &&
               !atomic_compare_exchange_weak_explicit(&l->word, &w, w | LW_HANDOFF, memory_order_relaxed, memory_order_relaxed))
            ;
        /* If the lock was freed and nobody is under way, the queue must not sleep on. */
        lw_wake_waiters(l);
        timeout = MIN(timeout * 2, HANDOFF_REPEAT_US_MAX);
    }
    proc_wait_end();
}

static void
acquire_slow(LwLock *l, LwMode mode)
{
    for (int i = 0; i < SPIN_ROUNDS; i++) {
        cpu_pause();
        if (try_take(l, mode, false))
            return;
    }
    if (!proc_self) {
        while (!try_take(l, mode, true))
            sched_yield();
        return;
    }
    bool woken = false;
    do {
        critical_enter(); /* as in wake_waiters */
        bool queued = enqueue_if_held(l, mode, woken);
        critical_leave();
        if (queued) {
            sleep_in_queue(l);
            woken = true;
        }
    } while (!try_take(l, mode, woken));
}

void
lw_acquire(LwLock *l, LwMode mode)
{
    lw_note_held(l); /* before: a process that dies in between must count as a holder */
    if (UNLIKELY(!try_take_fast(l, mode)))
        acquire_slow(l, mode);
}

bool
lw_try_acquire(LwLock *l, LwMode mode)
{
    lw_note_held(l);
    if (LIKELY(try_take_fast(l, mode)))
        return true;
    lw_forget_held(l);
    return false;
}

void
lw_release(LwLock *l)
{
    /* relaxed: as a holder we know the mode cannot change under us */
    uint64_t w = atomic_load_explicit(&l->word, memory_order_relaxed);

    ASSERT(w & (LW_EXCL | LW_COUNT));
    if (w & LW_EXCL) {
        /* release: publishes the protected fields; pairs with the acquire in try_take */
        w = atomic_fetch_and_explicit(&l->word, ~LW_EXCL, memory_order_release);
        if (UNLIKELY((w & LW_WAITERS) && !(w & LW_COUNT)))
            lw_wake_waiters(l);
    } else {
        drop_shared(l);
    }
    lw_forget_held(l);
}

void
lw_release_all(void)
{
    while (proc_self && proc_self->lw_held_count > 0)
        lw_release(proc_self->lw_held[proc_self->lw_held_count - 1]);
}

void
lw_dump(const LwLock *l, char *buf, size_t n)
{
    uint64_t w = atomic_load_explicit(&l->word, memory_order_relaxed); /* an observer's look */

    snprintf(buf, n, "%s: %s, %u shared%s%s%s, queue %u..%u", wait_event_name(WAIT_CLASS_LWLOCK | l->tranche),
             w & LW_EXCL ? "exclusive" : "not exclusive", (unsigned)(w & LW_COUNT), w & LW_WAITERS ? ", waiters" : "",
             w & LW_QUEUE ? ", queue locked" : "", w & LW_HANDOFF ? ", handoff" : "", QUEUE_HEAD(l), QUEUE_TAIL(l));
}
