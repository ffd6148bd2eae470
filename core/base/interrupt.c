/*
 * Interrupt flags. The word is changed by signal handlers of this process and by its main code, so
 * every change is one atomic instruction; no other process or thread looks at it, hence relaxed.
 */
#include "core/base/interrupt.h"

#include "core/base/macros.h"

STATIC_ASSERT(sizeof(sig_atomic_t) == sizeof(int));

volatile sig_atomic_t interrupts_pending;
PROCESS_LOCAL int interrupts_held;

static void
process_nothing(void)
{
}

void (*interrupts_process)(void) = process_nothing;

void
interrupts_raise(unsigned bit)
{
    /* relaxed: same thread as every reader; the atomic keeps a handler between load and store out */
    __atomic_fetch_or((volatile int *)&interrupts_pending, (int)bit, __ATOMIC_RELAXED);
}

void
interrupts_clear(unsigned bits)
{
    /* relaxed: as in interrupts_raise */
    __atomic_fetch_and((volatile int *)&interrupts_pending, ~(int)bits, __ATOMIC_RELAXED);
}
