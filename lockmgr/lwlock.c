/*
 * LWLock: shared/exclusive lock in one word, sleeping on the process slot's futex word.
 *
 * Word layout
 *   bit 63      EXCLUSIVE   held exclusively
 *   bit 62      WAITERS     the queue is not empty
 *   bit 61      QUEUE       spin bit over the queue (l->tail: head and tail, slots' lw_next)
 *   bit 60      HANDOFF     somebody has waited long: newcomers queue instead of barging in
 *   bit 59      WOKEN       somebody has been woken and has neither got the lock nor queued again
 *   bits 16..58 the embedding struct's (lw_embed.h): preserved by everything here
 *   bits 0..15  shared holders
 *
 * Lost wakeups cannot happen: a waiter enters the queue by the same compare-and-swap that finds the
 * lock held, setting WAITERS; the holder's release is a later change of the word and sees the bit.
 *   Rule A: WAITERS set implies that the lock is held, or that somebody is on his way to wake or to
 *   retry. A woken process retries and either gets the lock (and wakes on its release) or finds it
 *   held (and the holder will wake on his). Either clears WOKEN; while it is set, releases need not
 *   wake anybody else.
 *
 * Waking does not hand the lock over, for a convoy costs a task switch per acquisition; the woken
 * compete with newcomers, and only one is under way at a time. So with more processes than processors
 * the lock goes round among those that run, and the others sleep instead of being woken in vain. So
 * that nobody starves, the head of the queue leaves it after a millisecond with HANDOFF set: newcomers
 * then queue, and only the woken may take the lock. It does so awake, hence the lock does not stand
 * idle while a processor is woken for it. Whoever of the woken gets the lock clears the bit.
 *
 * One atomic operation to take and one to give back is the least: a plain store would do to free the
 * lock, but the look for waiters after it needs a full fence (else both the store and a waiter's look
 * pass each other), which costs as much as the atomic it saves. Doing without by letting the waiter
 * fence all others (membarrier) was rejected: an interrupt on every processor for each sleep.
 *
 * Without a process slot (tests of a single process, the postmaster) waiting is spinning and yielding.
 */
#include <sched.h>
#include <stdio.h>

#include "core/base/probe.h"
#include "lockmgr/lock_internal.h"
#include "lockmgr/lw_embed.h"

#define HANDOFF_AFTER_US 1000
#define SLEEP_US_MAX 64000 /* of one turn; a head that sleeps on has HANDOFF already */

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
            next &= ~(LW_HANDOFF | LW_WOKEN);
        /* acquire: pairs with the release in lw_release, so the protected fields are seen */
        if (LIKELY(atomic_compare_exchange_weak_explicit(&l->word, &w, next, memory_order_acquire, memory_order_relaxed)))
            return true;
    }
    return false;
}

/* Looks again and again, ever less often, for as long as sleeping would cost. */
static bool
spin_for(LwLock *l, LwMode mode, bool privileged)
{
    unsigned pauses = 1;

    for (unsigned spent = 0; spent < lock_wait_policy->lw_pauses; spent += pauses) {
        pauses = MIN(pauses * 2, lock_wait_policy->backoff_max);
        for (unsigned i = 0; i < pauses; i++)
            cpu_pause();
        if (try_take(l, mode, privileged))
            return true;
    }
    return false;
}

/* Gives a shared count back; the last one wakes. Returns nothing to look at: the lock is not ours. */
static inline void
drop_shared(LwLock *l)
{
    /* release: orders our reads before a writer's stores */
    lw_dropped(l, atomic_fetch_sub_explicit(&l->word, LW_ONE_SHARED, memory_order_release), LW_ONE_SHARED);
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

/* ---- the queue ---- */

/* Takes the QUEUE bit, setting and clearing others with it, unless the word has come to `stop`. */
typedef bool (*QueueStop)(uint64_t w, LwMode mode);

static bool
queue_lock(LwLock *l, QueueStop stop, LwMode mode, uint64_t set, uint64_t clear)
{
    for (;;) {
        /* relaxed: validated by the compare-and-swap */
        uint64_t w = atomic_load_explicit(&l->word, memory_order_relaxed);
        if (stop(w, mode))
            return false;
        if (w & LW_QUEUE) {
            cpu_pause();
            continue;
        }
        /* acquire: pairs with the release in queue_unlock */
        if (atomic_compare_exchange_weak_explicit(&l->word, &w, ((w | LW_QUEUE) & ~clear) | set, memory_order_acquire,
                                                  memory_order_relaxed))
            return true;
    }
}

/* A release, since it publishes the queue to the next holder of the bit. */
static void
queue_unlock(LwLock *l, uint64_t clear)
{
    atomic_fetch_and_explicit(&l->word, ~(LW_QUEUE | clear), memory_order_release);
}

static bool
newcomer_may_take(uint64_t w, LwMode mode)
{
    return available(w, mode, false);
}

static bool
woken_may_take(uint64_t w, LwMode mode)
{
    return available(w, mode, true);
}

static bool
nobody_to_wake(uint64_t w, LwMode mode)
{
    return !(w & LW_WAITERS) || (w & (LW_EXCL | LW_COUNT | LW_WOKEN));
}

static bool
never(uint64_t w, LwMode mode)
{
    return false;
}

/*
 * Enters the queue unless the lock has become available. at_head: was woken before and goes to the
 * front. Returns false if the lock should be tried again.
 *
 * Nobody holds it but HANDOFF keeps us out: then a woken process is under way (rule A).
 */
static bool
enqueue_if_held(LwLock *l, LwMode mode, bool at_head)
{
    ProcSlot *self = proc_self;
    uint32_t me = self->index + 1;

    if (!queue_lock(l, at_head ? woken_may_take : newcomer_may_take, mode, LW_WAITERS, at_head ? LW_WOKEN : 0))
        return false;
    self->lw_mode = (uint32_t)mode;
    /* relaxed: published by queue_unlock; the waker reads it under the QUEUE bit */
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
    queue_unlock(l, 0);
    return true;
}

/*
 * Wakes the head of the queue, and with a shared head the run of shared waiters behind it. Does
 * nothing when the lock has been taken meanwhile: that holder's release comes here again.
 */
void
lw_wake_waiters(LwLock *l)
{
    critical_enter(); /* a process killed here would leave the queue locked */
    if (!queue_lock(l, nobody_to_wake, LW_SHARED, LW_WOKEN, 0)) {
        critical_leave();
        return;
    }
    uint32_t first = QUEUE_HEAD(l), last = first;
    ASSERT(first != 0);
    if (proc_slots[first - 1].lw_mode == LW_SHARED)
        while (proc_slots[last - 1].lw_next && proc_slots[proc_slots[last - 1].lw_next - 1].lw_mode == LW_SHARED)
            last = proc_slots[last - 1].lw_next;
    uint32_t rest = proc_slots[last - 1].lw_next;
    QUEUE_SET(l, rest, rest ? QUEUE_TAIL(l) : 0);
    proc_slots[last - 1].lw_next = 0;
    queue_unlock(l, rest ? 0 : LW_WAITERS);

    while (first) {
        ProcSlot *p = &proc_slots[first - 1];
        first = p->lw_next; /* before the store: a woken process may queue elsewhere at once */
        /* release: pairs with the acquire load in sleep_in_queue */
        atomic_store_explicit(&p->lw_wait, 0, memory_order_release);
        wait_word_wake(&p->lw_wait, 1);
    }
    critical_leave();
}

/* Slept long. The head of the queue leaves it as if woken, and holds newcomers off. Also if one that
 * was woken is still under way: it may have been stopped. True: was the head. */
static bool
leave_as_head(LwLock *l)
{
    ProcSlot *self = proc_self;
    uint32_t me = self->index + 1;
    bool left = false, empty = false;

    critical_enter(); /* as in wake_waiters */
    (void)queue_lock(l, never, LW_SHARED, 0, 0);
    if (QUEUE_HEAD(l) == me) { /* else a waker may just have taken us off */
        uint32_t rest = self->lw_next;
        QUEUE_SET(l, rest, rest ? QUEUE_TAIL(l) : 0);
        self->lw_next = 0;
        empty = rest == 0;
        left = true;
        atomic_store_explicit(&self->lw_wait, 0, memory_order_relaxed); /* our own again */
        /* relaxed: published by the release below; it guards no data */
        atomic_fetch_or_explicit(&l->word, LW_HANDOFF | LW_WOKEN, memory_order_relaxed);
        lock_count(&lock_stats->lw[l->tranche].handoffs);
    }
    queue_unlock(l, empty ? LW_WAITERS : 0);
    critical_leave();
    return left;
}

static void
sleep_in_queue(LwLock *l)
{
    ProcSlot *self = proc_self;
    int64_t timeout = HANDOFF_AFTER_US;

    proc_wait_begin(WAIT_CLASS_LWLOCK | l->tranche);
    PROBE2(lw_wait_start, l, l->tranche);
    lock_count(&lock_stats->lw[l->tranche].slept);
    /* acquire: pairs with the waker's release store */
    while (atomic_load_explicit(&self->lw_wait, memory_order_acquire) != 0) {
        if (wait_word_sleep(&self->lw_wait, 1, timeout))
            continue;
        if (leave_as_head(l))
            break;
        timeout = MIN(timeout * 2, SLEEP_US_MAX);
    }
    PROBE2(lw_wait_end, l, l->tranche);
    proc_wait_end();
}

static NOINLINE void
acquire_slow(LwLock *l, LwMode mode)
{
    LwCounters *counters = &lock_stats->lw[l->tranche];

    lock_count(&counters->contended);
    if (spin_for(l, mode, false)) {
        lock_count(&counters->spun);
        return;
    }
    if (!proc_self) {
        while (!try_take(l, mode, true))
            sched_yield();
        return;
    }
    for (bool woken = false;;) {
        critical_enter(); /* as in wake_waiters */
        bool queued = enqueue_if_held(l, mode, woken);
        critical_leave();
        if (queued) {
            sleep_in_queue(l);
            woken = true;
        }
        if (try_take(l, mode, woken) || (woken && spin_for(l, mode, true)))
            return;
        if (woken)
            lock_count(&counters->vain);
    }
}

void
lw_acquire(LwLock *l, LwMode mode)
{
    lock_order_check(l);
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
        lw_dropped(l, atomic_fetch_sub_explicit(&l->word, LW_EXCL, memory_order_release), LW_EXCL);
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

    snprintf(buf, n, "%s: %s, %u shared%s%s%s%s, queue %u..%u", wait_event_name(WAIT_CLASS_LWLOCK | l->tranche),
             w & LW_EXCL ? "exclusive" : "not exclusive", (unsigned)(w & LW_COUNT), w & LW_WAITERS ? ", waiters" : "",
             w & LW_QUEUE ? ", queue locked" : "", w & LW_HANDOFF ? ", handoff" : "",
             w & LW_WOKEN ? ", woken" : "", QUEUE_HEAD(l), QUEUE_TAIL(l));
}
