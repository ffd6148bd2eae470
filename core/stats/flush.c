/*
 * Moving pending counts to shared memory, and the events that go there at once.
 *
 * A busy process moves its counts once a second, on its way to idle; one that stays idle with counts
 * left is woken for it (core/session); whoever exits moves them last.
 */
#include "core/base/clock.h"
#include "core/stats/stats_internal.h"

#define MIN_INTERVAL_US 1000000
#define SOURCES_MAX 8

bool stats_force_next;
static TimestampTz last_flush;
static void (*sources[SOURCES_MAX])(void);
static int source_count;

void
stats_on_flush(void (*fn)(void))
{
    for (int i = 0; i < source_count; i++)
        if (sources[i] == fn)
            return;
    CHECK(source_count < SOURCES_MAX);
    sources[source_count++] = fn;
}

static void
flush_rel(const StatsRel *r, int64_t now)
{
    StatsKey k = stats_rel_key(r->db, r->oid);
    StatsPartition *p = stats_partition(&k);
    StatsEntry *e;

    lw_acquire(&p->lock.lock, LW_EXCLUSIVE);
    e = stats_entry_make(p, &k, now);
    if (e) {
        StatsRelCounts *c = &e->rel;

        c->scans += r->scans;
        c->returned += r->returned;
        c->fetched += r->fetched;
        c->inserted += r->inserted;
        c->updated += r->updated;
        c->deleted += r->deleted;
        c->hot_updated += r->hot_updated;
        if (r->truncated)
            c->live = c->dead = c->inserted_since_vacuum = 0;
        c->live = MAX(c->live + r->live_delta, 0);
        c->dead = MAX(c->dead + r->dead_delta, 0);
        c->changed += r->changed;
        c->inserted_since_vacuum += r->inserted;
        c->blocks_fetched += r->blocks_fetched;
        c->blocks_hit += r->blocks_hit;
    }
    lw_release(&p->lock.lock);
}

/* A relation's counts are its database's too; those of shared catalogs stand under database 0. */
static void
add_to_db(StatsDbCounts *d, const StatsRel *r)
{
    d->returned += r->returned;
    d->fetched += r->fetched;
    d->inserted += r->inserted;
    d->updated += r->updated;
    d->deleted += r->deleted;
    d->blocks_fetched += r->blocks_fetched;
    d->blocks_hit += r->blocks_hit;
}

static void
flush_db(Oid db, const StatsDbCounts *d, int64_t now)
{
    static const StatsDbCounts nothing;
    StatsKey k = stats_db_key(db);
    StatsPartition *p = stats_partition(&k);
    StatsEntry *e;

    if (memcmp(d, &nothing, sizeof nothing) == 0)
        return;
    lw_acquire(&p->lock.lock, LW_EXCLUSIVE);
    e = stats_entry_make(p, &k, now);
    if (e) { /* all are sums, but for the times, which are not pending here */
        int64_t *to = (int64_t *)&e->db;
        const int64_t *from = (const int64_t *)d;

        for (size_t i = 0; i < sizeof *d / sizeof *to; i++)
            to[i] += from[i];
    }
    lw_release(&p->lock.lock);
}
STATIC_ASSERT(sizeof(StatsDbCounts) % sizeof(int64_t) == 0);

static void
flush_all(int64_t now)
{
    StatsDbCounts shared = {0};

    for (int i = 0; i < source_count; i++)
        sources[i]();
    for (const StatsRel *r = stats_pending; r; r = r->next) {
        add_to_db(r->db == 0 ? &shared : &stats_db, r);
        if (!r->dropped)
            flush_rel(r, now);
    }
    flush_db(0, &shared, now);
    if (stats_database != 0) /* before a session has one, what it did is nobody's */
        flush_db(stats_database, &stats_db, now);
    memset(&stats_db, 0, sizeof stats_db);
    stats_pending_forget();
}

bool
stats_report(bool force, TimestampTz now)
{
    if (stats_shared == NULL)
        return true;
    if (stats_xact_work) /* a transaction is under way after all */
        return false;
    if (now == 0)
        now = clock_now();
    force |= stats_force_next;
    /* A clock set back must not stop statistics. */
    if (!force && now - last_flush < MIN_INTERVAL_US && now >= last_flush)
        return false;
    stats_force_next = false;
    last_flush = now;
    flush_all(now);
    return true;
}

static void
flush_at_exit(void *arg)
{
    if (!stats_xact_work && proc_self)
        (void)stats_report(true, 0);
}

void
stats_process_init(void)
{
    proc_on_exit(flush_at_exit, NULL);
}

/* ---- events ---- */

void
stats_report_vacuum(Oid db, Oid oid, int64_t live, int64_t dead, bool autovacuum)
{
    StatsKey k = stats_rel_key(db, oid);
    StatsPartition *p;
    StatsEntry *e;
    TimestampTz now = clock_now();

    if (!track_counts || stats_shared == NULL)
        return;
    p = stats_partition(&k);
    lw_acquire(&p->lock.lock, LW_EXCLUSIVE);
    e = stats_entry_make(p, &k, now);
    if (e) {
        e->rel.live = live;
        e->rel.dead = dead;
        /* Rows inserted while vacuum ran may be forgotten here: as in PostgreSQL, the next round sees to them. */
        e->rel.inserted_since_vacuum = 0;
        if (autovacuum) {
            e->rel.autovacuum_time = now;
            e->rel.autovacuum_count++;
        } else {
            e->rel.vacuum_time = now;
            e->rel.vacuum_count++;
        }
    }
    lw_release(&p->lock.lock);
}

void
stats_report_analyze(StatsLink *l, Oid db, Oid oid, int64_t live, int64_t dead, bool reset_changed, bool autovacuum)
{
    StatsKey k = stats_rel_key(db, oid);
    StatsRel *r = stats_rel(l, db, oid);
    StatsPartition *p;
    StatsEntry *e;
    TimestampTz now = clock_now();

    if (r == NULL || stats_shared == NULL)
        return;
    /* The sample saw what this transaction did; its end will add it again. */
    for (const StatsTrans *t = r->trans; t; t = t->upper) {
        live -= t->inserted - t->deleted;
        dead -= t->updated + t->deleted;
    }
    dead -= r->dead_delta;
    live -= r->live_delta;
    p = stats_partition(&k);
    lw_acquire(&p->lock.lock, LW_EXCLUSIVE);
    e = stats_entry_make(p, &k, now);
    if (e) {
        e->rel.live = MAX(live, 0);
        e->rel.dead = MAX(dead, 0);
        if (reset_changed)
            e->rel.changed = 0;
        if (autovacuum) {
            e->rel.autoanalyze_time = now;
            e->rel.autoanalyze_count++;
        } else {
            e->rel.analyze_time = now;
            e->rel.analyze_count++;
        }
    }
    lw_release(&p->lock.lock);
}

static StatsEntry *
db_entry_lock(Oid db, StatsPartition **p, TimestampTz now)
{
    StatsKey k = stats_db_key(db);

    *p = stats_partition(&k);
    lw_acquire(&(*p)->lock.lock, LW_EXCLUSIVE);
    return stats_entry_make(*p, &k, now);
}

void
stats_report_autovacuum(Oid db)
{
    StatsPartition *p;
    TimestampTz now = clock_now();
    StatsEntry *e = db_entry_lock(db, &p, now);

    if (e)
        e->db.autovacuum_time = now;
    lw_release(&p->lock.lock);
}

/* ---- resets ---- */

typedef struct Reset {
    Oid db;
    TimestampTz now;
} Reset;

static bool
reset_one(const StatsKey *k, StatsEntry *e, void *arg)
{
    const Reset *r = arg;

    if (k->db != r->db)
        return false;
    memset(e, 0, sizeof *e);
    e->used_at = r->now;
    if (k->kind == STATS_KIND_DB)
        e->db.reset_time = r->now;
    return false;
}

void
stats_reset_database(Oid db)
{
    Reset r = {db, clock_now()};
    StatsPartition *p;

    if (stats_shared == NULL)
        return;
    (void)db_entry_lock(db, &p, r.now); /* to carry the time */
    lw_release(&p->lock.lock);
    stats_for_each(reset_one, &r);
}

void
stats_reset_rel(Oid db, Oid oid)
{
    StatsKey k = stats_rel_key(db, oid);
    StatsPartition *p;
    StatsEntry *e;
    TimestampTz now = clock_now();

    if (stats_shared == NULL)
        return;
    p = stats_partition(&k);
    lw_acquire(&p->lock.lock, LW_EXCLUSIVE);
    e = shm_hash_find(p->hash, &k);
    if (e) {
        memset(e, 0, sizeof *e);
        e->used_at = now;
    }
    lw_release(&p->lock.lock);
    if (e) { /* a reset of a part is a reset of its database's record */
        e = db_entry_lock(db, &p, now);
        if (e)
            e->db.reset_time = now;
        lw_release(&p->lock.lock);
    }
}
