/*
 * One autovacuum worker: takes the database the launcher has written down, works through it, ends.
 *
 * Workers do not meet at a table: each claims it in shared memory first. Together they keep to one cost
 * limit: each worker's share is in proportion to what its table asks for; tables with a limit or delay of
 * their own are left out of it. A share is looked at again after each pause.
 *
 * A session that waits for a lock the worker holds cancels it (SIGINT from the deadlock check): the table
 * is given up, the worker goes on with the next one.
 */
#include <string.h>
#include <unistd.h>

#include "core/base/interrupt.h"
#include "core/base/log.h"
#include "core/base/settings.h"
#include "core/catalog/catalog.h"
#include "core/session/session.h"
#include "core/sql/command/autovacuum.h"
#include "core/stats/stats.h"
#include "procs/autovac.h"
#include "procs/procs.h"

static AutovacWorker *self;

static void
worker_interrupts(void)
{
    unsigned pending = (unsigned)interrupts_pending;

    if (pending & INTERRUPT_TERMINATE) {
        interrupts_clear(INTERRUPT_TERMINATE | INTERRUPT_CANCEL);
        RAISE_FATAL(SQLSTATE_ADMIN_SHUTDOWN, "terminating autovacuum process due to administrator command");
    }
    if (pending & INTERRUPT_RELOAD) {
        interrupts_clear(INTERRUPT_RELOAD);
        server_reload();
    }
    if (pending & INTERRUPT_CANCEL) {
        interrupts_clear(INTERRUPT_CANCEL);
        if (self && self->table)
            RAISE(SQLSTATE_QUERY_CANCELED, "canceling autovacuum task");
    }
    interrupts_clear(pending & ~(INTERRUPT_TERMINATE | INTERRUPT_RELOAD | INTERRUPT_CANCEL));
}

/* ---- the pace ---- */

/* Shares the limit out. The lock is held. */
static void
balance(void)
{
    int limit = autovacuum_cost_limit > 0 ? autovacuum_cost_limit : vacuum_cost_limit;
    double delay = autovacuum_cost_delay_ms >= 0 ? autovacuum_cost_delay_ms : vacuum_cost_delay_ms, total = 0, available;

    if (limit <= 0 || delay <= 0)
        return;
    for (int i = 0; i < autovacuum_max_workers; i++) {
        const AutovacWorker *w = &autovac_shared->workers[i];

        if (w->pid && w->balanced && w->cost_limit_base > 0 && w->cost_delay_ms > 0)
            total += w->cost_limit_base / w->cost_delay_ms;
    }
    if (total <= 0)
        return;
    available = limit / delay;
    for (int i = 0; i < autovacuum_max_workers; i++) {
        AutovacWorker *w = &autovac_shared->workers[i];

        if (w->pid && w->balanced && w->cost_limit_base > 0 && w->cost_delay_ms > 0) {
            int share = (int)(available * w->cost_limit_base / total);

            w->cost_limit = MAX(MIN(share, w->cost_limit_base), 1);
        }
    }
}

static void
refresh_pace(void)
{
    lw_acquire(&autovac_shared->lock, LW_SHARED);
    vacuum_pace.limit = self->cost_limit;
    vacuum_pace.delay_ms = self->cost_delay_ms;
    lw_release(&autovac_shared->lock);
}

/* ---- tables ---- */

static bool
claim(const AutovacTable *t)
{
    AutovacShared *s = autovac_shared;
    bool taken = false;

    lw_acquire(&s->lock, LW_EXCLUSIVE);
    for (int i = 0; i < autovacuum_max_workers; i++) {
        const AutovacWorker *w = &s->workers[i];

        taken |= w->pid && w != self && w->table == t->rel && (t->shared || w->database == self->database);
    }
    if (!taken) {
        self->table = t->rel;
        self->table_shared = t->shared;
        self->balanced = !t->own_pace;
        self->cost_delay_ms = t->cost_delay_ms;
        self->cost_limit = self->cost_limit_base = t->cost_limit;
        balance();
    }
    lw_release(&s->lock);
    if (taken)
        return false;
    vacuum_pace_begin(self->cost_delay_ms, self->cost_limit);
    return true;
}

static void
unclaim(void)
{
    lw_acquire(&autovac_shared->lock, LW_EXCLUSIVE);
    self->table = 0;
    self->balanced = false;
    balance();
    lw_release(&autovac_shared->lock);
}

/* ---- life ---- */

static void
worker_gone(void *arg)
{
    lw_acquire(&autovac_shared->lock, LW_EXCLUSIVE);
    memset(self, 0, sizeof *self);
    balance();
    autovac_wake_launcher();
    lw_release(&autovac_shared->lock);
}

/* Takes what the launcher has written down; 0: it has given up waiting. */
static Oid
take_database(void)
{
    AutovacShared *s = autovac_shared;
    Oid db;

    lw_acquire(&s->lock, LW_EXCLUSIVE);
    db = s->starting;
    for (int i = 0; db && self == NULL && i < autovacuum_max_workers; i++)
        if (s->workers[i].pid == 0)
            self = &s->workers[i];
    if (self) {
        *self = (AutovacWorker){.pid = (uint32_t)getpid(), .database = db};
        s->starting = 0;
    } else {
        db = 0;
    }
    autovac_wake_launcher();
    lw_release(&s->lock);
    return db;
}

/* What an administrator set for sessions must not stop or mislead housekeeping. */
static void
fix_settings(void)
{
    static const char *const fixed[][2] = {
        {"statement_timeout", "0"}, {"lock_timeout", "0"}, {"idle_in_transaction_session_timeout", "0"},
        {"default_transaction_isolation", "read committed"}, {"default_transaction_read_only", "off"}, {"stats_fetch_consistency", "none"},
        {"search_path", ""}, {"row_security", "off"},
    };

    for (size_t i = 0; i < COUNT_OF(fixed); i++)
        settings_set(fixed[i][0], fixed[i][1], CONTEXT_SUPERUSER, SOURCE_OVERRIDE, ACTION_SET);
}

void
autovac_worker_main(void)
{
    static const AutovacHooks hooks = {claim, unclaim};
    Oid db;

    child_begin(kind_row(PROC_AUTOVAC_WORKER), true);
    db = take_database();
    if (db == 0)
        proc_exit(0);
    proc_on_exit(worker_gone, NULL);
    session_attach_worker(db);
    interrupts_process = worker_interrupts;
    fix_settings();
    proc_set_title("postgres: autovacuum worker %s", proc_self->database_name);
    vacuum_pace_refresh = refresh_pace;
    autovacuum_database(&hooks);
    proc_exit(0);
}
