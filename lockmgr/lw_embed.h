/*
 * For a struct that keeps state of its own in an LWLock's word, so that one atomic operation changes that state
 * and the lock together (bufmgr: a frame's pin and its content lock). Bits LW_OWNER_SHIFT and up, LW_OWNER_BITS of
 * them, are the struct's: every operation of the lock preserves them. Only shared holders may be added and taken
 * away from outside, and the exclusive bit may be taken away by its holder:
 *
 *     lw_note_held(l);
 *     old = fetch_add(&l->word, LW_ONE_SHARED + own, acquire);
 *     if (old & LW_SHARED_BARRED) -> not acquired: give back what was added, as below
 *     ...
 *     old = fetch_sub(&l->word, LW_ONE_SHARED (or LW_EXCL) + own, release);
 *     lw_dropped(l, old, LW_ONE_SHARED or LW_EXCL);
 *     lw_forget_held(l);
 */
#ifndef LOCKMGR_LW_EMBED_H
#define LOCKMGR_LW_EMBED_H

#include "core/base/err.h"
#include "core/base/interrupt.h"
#include "lockmgr/lockmgr.h"

#define LW_EXCL (UINT64_C(1) << 63)
#define LW_WAITERS (UINT64_C(1) << 62)
#define LW_QUEUE (UINT64_C(1) << 61)
#define LW_HANDOFF (UINT64_C(1) << 60)
#define LW_WOKEN (UINT64_C(1) << 59)
#define LW_COUNT UINT64_C(0xFFFF)
STATIC_ASSERT(MAX_PROCS_LIMIT < 0xFFFF);

#define LW_OWNER_SHIFT 16
#define LW_OWNER_BITS 43
#define LW_ONE_SHARED UINT64_C(1)
#define LW_SHARED_BARRED (LW_EXCL | LW_HANDOFF)
STATIC_ASSERT((((UINT64_C(1) << LW_OWNER_BITS) - 1) << LW_OWNER_SHIFT & (LW_EXCL | LW_WAITERS | LW_QUEUE | LW_HANDOFF | LW_WOKEN | LW_COUNT)) == 0);

void lw_wake_waiters(LwLock *l); /* harmless when there is nobody to wake */
NORETURN void lw_held_full(void);
void lw_forget_held_earlier(const LwLock *l);

/* What this process holds; noted before it is taken: a process that dies in between must count as a holder. */
static inline void
lw_note_held(LwLock *l)
{
    ProcSlot *self = proc_self;

    interrupts_held++;
    if (LIKELY(self != NULL)) {
        if (UNLIKELY(self->lw_held_count >= LW_HELD_MAX))
            lw_held_full();
        self->lw_held[self->lw_held_count++] = l;
    }
}

static inline void
lw_forget_held(LwLock *l)
{
    ProcSlot *self = proc_self;

    interrupts_held--;
    ASSERT(interrupts_held >= 0);
    if (LIKELY(self != NULL)) {
        uint32_t i = self->lw_held_count - 1; /* mostly the last one taken */
        if (UNLIKELY(i >= LW_HELD_MAX || self->lw_held[i] != l))
            lw_forget_held_earlier(l);
        else
            self->lw_held_count = i;
    }
}

/* After a release: `old` is the word before it. The last holder wakes who waits. */
static inline void
lw_dropped(LwLock *l, uint64_t old, uint64_t taken)
{
    uint64_t w = old - taken;

    if (UNLIKELY((w & (LW_WAITERS | LW_WOKEN)) == LW_WAITERS && !(w & (LW_COUNT | LW_EXCL))))
        lw_wake_waiters(l);
}

#endif
