/*
 * Autovacuum's launcher. What it would act on, the counts of dead and changed rows by table, is not
 * collected yet (core/shm's statistics segment is empty), so it launches no workers: it sleeps, shows
 * itself as PostgreSQL's does, and follows its setting. VACUUM and ANALYZE by hand do all their work,
 * and pages are pruned in passing by whoever reads them.
 */
#include "procs/procs.h"

#include "core/base/interrupt.h"

void
autovac_launcher_main(void)
{
    child_begin(kind_row(PROC_AUTOVAC_LAUNCHER), true);
    for (;;) {
        latch_reset(&proc_self->latch);
        CHECK_INTERRUPTS();
        latch_wait(WAIT_LATCH | WAIT_TIMEOUT, -1, (long)autovacuum_naptime_s * 1000, WAIT_EVENT_AUTOVACUUM_MAIN);
    }
}
