/*
 * Interrupts: signal handlers only set flags; code that may run long calls CHECK_INTERRUPTS() at
 * places where raising is safe. Below core/txn, waits return ERR_INTERRUPTED instead.
 */
#ifndef CORE_BASE_INTERRUPT_H
#define CORE_BASE_INTERRUPT_H

#include <signal.h>
#include <stdbool.h>

#include "core/base/macros.h"

#define INTERRUPT_CANCEL 1u      /* query cancel: 57014 */
#define INTERRUPT_TERMINATE 2u   /* fast shutdown or pg_terminate_backend: 57P01 */
#define INTERRUPT_RELOAD 4u      /* SIGHUP */
#define INTERRUPT_TIMEOUT 8u     /* statement_timeout: 57014 */
#define INTERRUPT_LOCK_TIMEOUT 16u
#define INTERRUPT_IDLE_TIMEOUT 32u
#define INTERRUPT_CATCHUP 64u    /* cache invalidations or notifications wait */
#define INTERRUPT_CHECK_CLIENT 128u
#define INTERRUPT_IDLE_IN_XACT 256u

extern volatile sig_atomic_t interrupts_pending; /* bit set of the above; set from handlers */
extern PROCESS_LOCAL int interrupts_held;                      /* > 0: CHECK_INTERRUPTS does nothing */
void interrupts_raise(unsigned bit);             /* async-signal-safe */
void interrupts_clear(unsigned bits);
/* Acts on what is pending; registered by the session or the process's main loop. May raise. */
extern void (*interrupts_process)(void);
#define CHECK_INTERRUPTS()                                                                           \
    do { if (__builtin_expect(interrupts_pending != 0, 0) && interrupts_held == 0) interrupts_process(); } while (0)

/* Acts now if anything is pending and not held off. */
static inline void interrupts_act(void) { CHECK_INTERRUPTS(); }

#endif
