/*
 * Counters of contention, and the dumps. Counted only where a lock was not had at once, so that the
 * uncontended path pays nothing. Until lock_init puts them into shared memory (and in processes that
 * never do: initdb, tests of the lower modules) each process counts for itself.
 */
#include <stdio.h>

#include "lockmgr/lock_internal.h"

static LockStats own_stats;
LockStats *lock_stats = &own_stats;

static unsigned long long
get(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed); /* an observer's look */
}

void
lw_stats_read(LwTranche tranche, LwStats *out)
{
    const LwCounters *c = &lock_stats->lw[tranche];

    *out = (LwStats){get(&c->contended), get(&c->spun), get(&c->slept), get(&c->vain), get(&c->handoffs)};
}

void
spin_dump(const Spinlock *l, char *buf, size_t n)
{
    /* relaxed: an observer's look */
    snprintf(buf, n, "spinlock: %s; all spinlocks: %llu contended, %llu sleeps",
             atomic_load_explicit(&l->word, memory_order_relaxed) ? "held" : "free", get(&lock_stats->spin_contended),
             get(&lock_stats->spin_slept));
}

void
lock_stats_dump(void)
{
    LOG("heavyweight locks: %llu waits, %llu deadlocks, %llu timeouts; %llu moved from the fast path, %llu fences",
        get(&lock_stats->waits), get(&lock_stats->deadlocks), get(&lock_stats->timeouts), get(&lock_stats->transfers),
        get(&lock_stats->barriers));
}

void
lw_dump_all(void)
{
    for (uint32_t t = 0; t < LWT_COUNT; t++) {
        LwStats s;
        lw_stats_read((LwTranche)t, &s);
        if (s.contended)
            LOG("LWLock %s: contended %llu, by spinning %llu, sleeps %llu, woken in vain %llu, handed over %llu",
                wait_event_name(WAIT_CLASS_LWLOCK | t), (unsigned long long)s.contended, (unsigned long long)s.spun,
                (unsigned long long)s.slept, (unsigned long long)s.vain, (unsigned long long)s.handoffs);
    }
    LOG("spinlocks: contended %llu, sleeps %llu; wait policy: %s", get(&lock_stats->spin_contended),
        get(&lock_stats->spin_slept), lock_wait_policy->name);
    for (int i = 0; i < proc_slot_count; i++) {
        const ProcSlot *p = &proc_slots[i];
        /* relaxed and unlocked: the picture of a moment, for somebody who looks for a stuck process */
        uint32_t pid = atomic_load_explicit(&p->pid, memory_order_relaxed), count = MIN(p->lw_held_count, LW_HELD_MAX);
        for (uint32_t k = 0; pid != 0 && k < count; k++) {
            char text[200];
            const LwLock *l = p->lw_held[k];
            if (!l)
                continue;
            lw_dump(l, text, sizeof(text));
            LOG("process %u holds or waits for %s", pid, text);
        }
    }
}
