/*
 * What a session adds to the statistics of its database: its time, active and idle in a transaction, how
 * it ended; when its pending counts are moved; and what pg_stat_activity shows of it.
 *
 * Times come from the clock readings that the activity takes anyway.
 */
#include "core/base/clock.h"
#include "core/base/interrupt.h"
#include "core/session/session_internal.h"

#define IDLE_FLUSH_MS 1000

static TimestampTz active_since, idle_since, accounted_to;
static bool idle_in_xact;
static enum { END_NORMAL, END_LOST, END_FATAL, END_KILLED } end_cause;
static bool began;

static void
account_session_time(void)
{
    TimestampTz now;

    if (!began)
        return;
    now = clock_now();
    stats_db.session_us += MAX(now - accounted_to, 0);
    accounted_to = now;
}

static void
flush_when_idle(void)
{
    (void)stats_report(true, 0);
}

void
session_stats_begin(void)
{
    stats_on_flush(account_session_time);
    began = true;
    accounted_to = clock_now();
    stats_db.sessions++;
    end_cause = END_FATAL; /* until it is known better */
    wire_idle_hook = flush_when_idle;
}

void
session_stats_client_lost(void)
{
    end_cause = END_LOST;
}

void
session_stats_killed(void)
{
    end_cause = END_KILLED;
}

/* The message loop has ended. */
void
session_stats_end(void)
{
    if (end_cause == END_FATAL)
        end_cause = END_NORMAL;
}

void
session_stats_at_exit(void)
{
    if (!began)
        return;
    stats_db.sessions_abandoned += end_cause == END_LOST;
    stats_db.sessions_fatal += end_cause == END_FATAL;
    stats_db.sessions_killed += end_cause == END_KILLED;
}

void
session_show_active(const char *text, TimestampTz now)
{
    if (active_since == 0) {
        active_since = now;
        if (idle_in_xact)
            stats_db.idle_in_xact_us += MAX(now - idle_since, 0);
    }
    if (LIKELY(track_activities))
        proc_set_activity(STATE_RUNNING, text);
    else
        proc_set_activity(STATE_DISABLED, "");
}

void
session_show_idle(char status)
{
    proc_set_activity(!track_activities ? STATE_DISABLED
                      : status == 'I'   ? STATE_IDLE
                      : status == 'T'   ? STATE_IDLE_IN_XACT
                                        : STATE_IDLE_ABORTED,
                      NULL);
    idle_since = atomic_load_explicit(&proc_self->state_change, memory_order_relaxed); /* relaxed: own */
    if (active_since != 0)
        stats_db.active_us += MAX(idle_since - active_since, 0);
    active_since = 0;
    idle_in_xact = status != 'I';
    if (!txn_in_progress())
        wire_idle_timeout_ms = stats_report(false, idle_since) ? -1 : IDLE_FLUSH_MS;
}
