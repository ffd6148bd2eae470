/*
 * Vacuum's pace: what it reads and dirties costs points; at the limit it pauses, so that it does not
 * take the disks from everybody else. A pause is in proportion to what has come together, at most four
 * times the delay. PostgreSQL's rules and settings.
 */
#include "core/access/heap/heap.h"
#include "core/base/interrupt.h"

VacuumPace vacuum_pace;
void (*vacuum_pace_refresh)(void);
int vacuum_cost_page_hit = 1, vacuum_cost_page_miss = 2, vacuum_cost_page_dirty = 20, vacuum_cost_limit = 200;
double vacuum_cost_delay_ms;

static BufStats seen;
static double balance;

void
vacuum_pace_begin(double delay_ms, int limit)
{
    vacuum_pace = (VacuumPace){delay_ms, limit};
    seen = buf_stats;
    balance = 0;
}

static void
pause_for(double ms)
{
    long whole = (long)ms + 1;

    if (proc_self)
        latch_reset(&proc_self->latch);
    if (interrupts_pending == 0) /* what comes from now on sets the latch */
        (void)latch_wait(WAIT_LATCH | WAIT_TIMEOUT, -1, whole, WAIT_EVENT_VACUUM_DELAY);
    CHECK_INTERRUPTS();
}

void
vacuum_pace_point(void)
{
    CHECK_INTERRUPTS();
    if (vacuum_pace.delay_ms <= 0 || vacuum_pace.limit <= 0)
        return;
    balance += (double)(buf_stats.hit - seen.hit) * vacuum_cost_page_hit + (double)(buf_stats.read - seen.read) * vacuum_cost_page_miss +
               (double)(buf_stats.dirtied - seen.dirtied) * vacuum_cost_page_dirty;
    seen = buf_stats;
    if (balance < vacuum_pace.limit)
        return;
    pause_for(MIN(vacuum_pace.delay_ms * balance / vacuum_pace.limit, vacuum_pace.delay_ms * 4));
    balance = 0;
    if (vacuum_pace_refresh)
        vacuum_pace_refresh();
}
