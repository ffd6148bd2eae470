/*
 * Autovacuum's launcher: every database gets a worker each autovacuum_naptime, as far as there are workers.
 *
 * The launcher cannot fork. It writes the database down (AutovacShared.starting) and asks the postmaster by
 * SIGUSR1; the worker that comes takes the entry and wakes the launcher. One worker is on its way at a
 * time; one that does not come is given up after a minute.
 *
 * A database without statistics has not been used since they began: there is nothing to do in it, unless its
 * oldest ids hold back the commit log (that is also how template0 is visited).
 */
#include "procs/autovac.h"

#include <signal.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/interrupt.h"
#include "core/catalog/catalog.h"
#include "core/shm/shm.h"
#include "core/sql/command/autovacuum.h"
#include "core/stats/stats.h"
#include "procs/procs.h"

#define START_TIMEOUT_US 60000000u
#define SLEEP_MIN_MS 100
#define SLEEP_MAX_MS 300000

AutovacShared *autovac_shared;

typedef struct Due {
    Oid db;
    uint64_t at_us;
    bool exists;
} Due;
static Due *due;
static int due_count, due_cap;

static size_t
shared_size(void)
{
    return sizeof(AutovacShared) + sizeof(AutovacWorker) * (size_t)autovacuum_max_workers;
}

static void
shared_init(void *base)
{
    autovac_shared = base;
    lw_init(&autovac_shared->lock, LWT_AUTOVACUUM);
}

void
autovac_shm_register(void)
{
    static const ShmRequest request = {"autovacuum", SHM_CONTROL, shared_size, shared_init};

    shm_register(&request);
}

void
autovac_wake_launcher(void)
{
    if (autovac_shared->launcher_slot)
        latch_set(&proc_slots[autovac_shared->launcher_slot - 1].latch);
}

/* ---- the list of databases ---- */

static Due *
due_of(Oid db)
{
    for (int i = 0; i < due_count; i++)
        if (due[i].db == db)
            return &due[i];
    if (due_count == due_cap) {
        int cap = due_cap ? due_cap * 2 : 16;

        due = arena_realloc(arena_top(), due, sizeof(Due) * (size_t)due_cap, sizeof(Due) * (size_t)cap);
        due_cap = cap;
    }
    due[due_count] = (Due){.db = db};
    return &due[due_count++];
}

static void
read_databases(void)
{
    CatScan *s;
    const CatRow *r;

    for (int i = 0; i < due_count; i++)
        due[i].exists = false;
    txn_begin();
    snapshot_push_active(snapshot_latest());
    s = cat_scan_begin(CAT_PG_DATABASE, 0, 0, NULL);
    while ((r = cat_scan_next(s)) != NULL) {
        Oid db = datum_oid(cat_val(r, PG_DATABASE_OID));
        StatsDbCounts counts;

        if ((datum_bool(cat_val(r, PG_DATABASE_DATALLOWCONN)) && stats_read_db(db, &counts)) ||
            autovacuum_is_overdue((uint32_t)cat_val(r, PG_DATABASE_DATFROZENXID)))
            due_of(db)->exists = true;
    }
    cat_scan_end(s);
    snapshot_pop_active();
    txn_commit();
    (void)stats_report(false, 0);
}

/* Forgets databases that are gone; newcomers are spread over the next naptime. */
static void
arrange_databases(uint64_t now)
{
    uint64_t nap_us = (uint64_t)autovacuum_naptime_s * 1000000;
    int n = 0;

    for (int i = 0; i < due_count; i++)
        if (due[i].exists)
            due[n++] = due[i];
    due_count = n;
    for (int i = 0; i < n; i++) {
        if (due[i].at_us == 0)
            due[i].at_us = now + nap_us * (uint64_t)(i + 1) / (uint64_t)n;
        due[i].at_us = MIN(due[i].at_us, now + nap_us); /* the setting may have become shorter */
    }
}

static void
refresh(void)
{
    ERR_TRY
    {
        read_databases();
    }
    ERR_CATCH
    {
        if (err_current()->level >= LEVEL_FATAL)
            err_rethrow();
        interrupts_held++;
        err_emit(err_current());
        err_clear();
        txn_abort();
        interrupts_held = 0;
    }
    ERR_END;
    arrange_databases(clock_monotonic_us());
}

/* ---- starting workers ---- */

static int
free_workers(void)
{
    int n = 0;

    for (int i = 0; i < autovacuum_max_workers; i++)
        n += autovac_shared->workers[i].pid == 0;
    return n;
}

static Due *
most_due(uint64_t now)
{
    Due *best = NULL;

    for (int i = 0; i < due_count; i++)
        if (due[i].at_us <= now && (best == NULL || due[i].at_us < best->at_us))
            best = &due[i];
    return best;
}

/* True: one may be started now. */
static bool
settle_starting(uint64_t now)
{
    AutovacShared *s = autovac_shared;
    bool free;

    lw_acquire(&s->lock, LW_EXCLUSIVE);
    if (s->starting && now - s->starting_since_us > MIN(START_TIMEOUT_US, (uint64_t)autovacuum_naptime_s * 1000000)) {
        s->starting = 0;
        lw_release(&s->lock);
        REPORT(LEVEL_WARNING, SQLSTATE_WARNING, err_message("autovacuum worker took too long to start; canceled"));
        return false; /* a late one finds nothing and goes */
    }
    free = s->starting == 0 && free_workers() > 0;
    lw_release(&s->lock);
    return free;
}

static void
start_worker(Due *d, uint64_t now)
{
    AutovacShared *s = autovac_shared;

    lw_acquire(&s->lock, LW_EXCLUSIVE);
    s->starting = d->db;
    s->starting_since_us = now;
    lw_release(&s->lock);
    d->at_us = now + (uint64_t)autovacuum_naptime_s * 1000000;
    kill(getppid(), SIGUSR1);
}

static long
sleep_ms(uint64_t now, bool may_start)
{
    uint64_t until = now + (uint64_t)autovacuum_naptime_s * 1000000;

    /* Without a free worker the end of one wakes us. */
    for (int i = 0; may_start && i < due_count; i++)
        until = MIN(until, due[i].at_us);
    if (!may_start)
        until = MIN(until, now + 1000000);
    return MAX(SLEEP_MIN_MS, MIN(SLEEP_MAX_MS, until > now ? (long)((until - now) / 1000) + 1 : 0));
}

static void
launcher_gone(void *arg)
{
    lw_acquire(&autovac_shared->lock, LW_EXCLUSIVE);
    autovac_shared->launcher_slot = 0;
    lw_release(&autovac_shared->lock);
}

void
autovac_launcher_main(void)
{
    child_begin(kind_row(PROC_AUTOVAC_LAUNCHER), true);
    proc_on_exit(launcher_gone, NULL);
    lw_acquire(&autovac_shared->lock, LW_EXCLUSIVE);
    autovac_shared->launcher_slot = proc_self->index + 1;
    autovac_shared->starting = 0; /* a former launcher's */
    lw_release(&autovac_shared->lock);
    for (;;) {
        latch_reset(&proc_self->latch);
        CHECK_INTERRUPTS();
        refresh();
        uint64_t now = clock_monotonic_us();
        bool may_start = track_counts && settle_starting(now);
        Due *d = may_start ? most_due(now) : NULL;
        if (d)
            start_worker(d, now);
        latch_wait(WAIT_LATCH | WAIT_TIMEOUT, -1, sleep_ms(now, may_start && d == NULL), WAIT_EVENT_AUTOVACUUM_MAIN);
    }
}
