/*
 * Autovacuum inside one database.
 *
 * A table is vacuumed when more of its rows are dead, or have been inserted since the last vacuum, than
 * threshold + factor * rows; analyzed when more have changed since the last analyze. Rows are
 * pg_class.reltuples, counts are core/stats'; thresholds are settings or storage parameters. Ids have 64
 * bits: there is no wraparound to prevent. But a table whose oldest ids are autovacuum_freeze_max_age old is
 * frozen whatever its counts and parameters say, so that the commit log does not grow without bound.
 */
#include "core/sql/command/autovacuum.h"

#include <stdlib.h>

#include "core/base/clock.h"
#include "core/base/settings.h"
#include "core/sql/command/command_internal.h"
#include "core/sql/command/vacuum.h"

double autovacuum_cost_delay_ms;
int autovacuum_cost_limit;
static int vacuum_threshold, insert_threshold, analyze_threshold, log_min_ms, autovacuum_work_mem_kb;
static int freeze_max_age, multixact_freeze_max_age;
static double vacuum_scale, insert_scale, analyze_scale;

/* ---- storage parameters ---- */

typedef struct Options {
    bool enabled, own_pace;
    int vacuum_threshold, insert_threshold, analyze_threshold, cost_limit, log_min_ms;
    double vacuum_scale, insert_scale, analyze_scale, cost_delay_ms;
    int64_t freeze_min_age;
} Options;

static void
read_option(Options *o, const char *name, const char *value)
{
    const char *hint;
    const struct { const char *name; int *i; double *d; } numbers[] = {
        {"autovacuum_vacuum_threshold", &o->vacuum_threshold, NULL},
        {"autovacuum_vacuum_insert_threshold", &o->insert_threshold, NULL},
        {"autovacuum_analyze_threshold", &o->analyze_threshold, NULL},
        {"autovacuum_vacuum_cost_limit", &o->cost_limit, NULL},
        {"log_autovacuum_min_duration", &o->log_min_ms, NULL},
        {"autovacuum_vacuum_scale_factor", NULL, &o->vacuum_scale},
        {"autovacuum_vacuum_insert_scale_factor", NULL, &o->insert_scale},
        {"autovacuum_analyze_scale_factor", NULL, &o->analyze_scale},
        {"autovacuum_vacuum_cost_delay", NULL, &o->cost_delay_ms},
    };
    int age;

    if (strcmp(name, "autovacuum_enabled") == 0)
        (void)settings_parse_bool(value, &o->enabled);
    else if (strcmp(name, "autovacuum_freeze_min_age") == 0 && settings_parse_int(value, &age, UNIT_NONE, &hint))
        o->freeze_min_age = age;
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        if (strcmp(name, numbers[i].name) == 0) {
            if (numbers[i].i)
                (void)settings_parse_int(value, numbers[i].i, UNIT_NONE, &hint);
            else
                (void)settings_parse_real(value, numbers[i].d, UNIT_NONE, &hint);
            o->own_pace |= numbers[i].i == &o->cost_limit || numbers[i].d == &o->cost_delay_ms;
        }
}

static Options
options_of(Arena *a, const CatRow *class_row)
{
    Options o = {.enabled = true,
                 .vacuum_threshold = vacuum_threshold,
                 .insert_threshold = insert_threshold,
                 .analyze_threshold = analyze_threshold,
                 .cost_limit = autovacuum_cost_limit > 0 ? autovacuum_cost_limit : vacuum_cost_limit,
                 .log_min_ms = log_min_ms,
                 .vacuum_scale = vacuum_scale,
                 .insert_scale = insert_scale,
                 .analyze_scale = analyze_scale,
                 .cost_delay_ms = autovacuum_cost_delay_ms >= 0 ? autovacuum_cost_delay_ms : vacuum_cost_delay_ms,
                 .freeze_min_age = -1};
    Datum *values;
    bool *nulls;
    int n = 0;

    if (!cat_null(class_row, PG_CLASS_RELOPTIONS))
        array_deconstruct(a, cat_val(class_row, PG_CLASS_RELOPTIONS), &values, &nulls, &n);
    for (int i = 0; i < n; i++) {
        char *text = var_to_cstring(a, values[i]), *eq = strchr(text, '=');

        if (eq == NULL)
            continue;
        *eq = '\0';
        read_option(&o, text, eq + 1);
    }
    return o;
}

/* ---- which tables ---- */

bool
autovacuum_is_overdue(uint32_t frozen_xid)
{
    return xid_next() - xid_from_catalog(frozen_xid) > (Xid)freeze_max_age;
}

/* toast: its options are the owner's. False: nothing to do. */
static bool
judge(const CatRow *row, const Options *o, bool toast, AutovacTable *t)
{
    Oid oid = datum_oid(cat_val(row, PG_CLASS_OID));
    bool shared = datum_bool(cat_val(row, PG_CLASS_RELISSHARED));
    double rows = MAX((double)datum_float4(cat_val(row, PG_CLASS_RELTUPLES)), 0.0);
    StatsRelCounts c;

    bool overdue = autovacuum_is_overdue((uint32_t)cat_val(row, PG_CLASS_RELFROZENXID));
    bool counted = stats_read_rel(shared ? 0 : catalog_database, oid, &c); /* else not used since statistics began */

    if (!overdue && (!o->enabled || !counted))
        return false;
    *t = (AutovacTable){.rel = oid, .shared = shared, .own_pace = o->own_pace, .cost_delay_ms = o->cost_delay_ms,
                        .cost_limit = o->cost_limit, .log_min_ms = o->log_min_ms, .freeze_min_age = o->freeze_min_age};
    t->vacuum = (double)c.dead > o->vacuum_threshold + o->vacuum_scale * rows ||
                (o->insert_threshold >= 0 && (double)c.inserted_since_vacuum > o->insert_threshold + o->insert_scale * rows);
    t->freeze = overdue;
    t->vacuum |= overdue;
    t->analyze = o->enabled && !toast && oid != CAT_PG_STATISTIC && (double)c.changed > o->analyze_threshold + o->analyze_scale * rows;
    return t->vacuum || t->analyze;
}

typedef struct Candidate {
    Oid rel;
    Oid owner; /* of a toast table: whose options count */
} Candidate;

static void
consider(Arena *a, const CatRow *row, List *out)
{
    Oid oid = datum_oid(cat_val(row, PG_CLASS_OID)), toast = datum_oid(cat_val(row, PG_CLASS_RELTOASTRELID));
    Options o = options_of(a, row);
    AutovacTable t;

    if (judge(row, &o, false, &t)) {
        Candidate *c = ARENA_NEW(a, Candidate);
        c->rel = oid;
        list_push(out, c);
    }
    const CatRow *toast_row = toast ? cat_get_by_oid(CAT_PG_CLASS, toast) : NULL;
    if (toast_row && judge(toast_row, &o, true, &t)) {
        Candidate *c = ARENA_NEW(a, Candidate);
        c->rel = toast;
        c->owner = oid;
        list_push(out, c);
    }
}

/* Is the owner of a temporary schema, pg_temp_N, still there? N is its slot's number, counted from 1. */
static bool
temp_owner_lives(Arena *a, Oid nsp)
{
    const char *name = nsp_name(a, nsp), *digits = name ? strrchr(name, '_') : NULL;
    int n = digits ? atoi(digits + 1) : 0;

    if (n < 1 || n > proc_slot_count)
        return false;
    const ProcSlot *s = &proc_slots[n - 1];
    /* relaxed: who takes the slot now drops what is in the schema before using it */
    return atomic_load_explicit(&s->pid, memory_order_relaxed) != 0 &&
           atomic_load_explicit(&s->database, memory_order_relaxed) == catalog_database &&
           atomic_load_explicit(&s->temp_nsp, memory_order_relaxed) == nsp;
}

static void
collect(Arena *a, List *candidates, List *orphans)
{
    CatScan *s = cat_scan_begin(CAT_PG_CLASS, 0, 0, NULL);
    const CatRow *row;

    while ((row = cat_scan_next(s)) != NULL) {
        char kind = (char)cat_val(row, PG_CLASS_RELKIND);

        CHECK_INTERRUPTS();
        if ((char)cat_val(row, PG_CLASS_RELPERSISTENCE) == 't') {
            if (kind == 'r' && !temp_owner_lives(a, datum_oid(cat_val(row, PG_CLASS_RELNAMESPACE))))
                list_push(orphans, (void *)(uintptr_t)datum_oid(cat_val(row, PG_CLASS_OID)));
        } else if (kind == 'r' || kind == 'm') {
            consider(a, row, candidates);
        }
    }
    cat_scan_end(s);
}

/* ---- one table ---- */

/* Statistics have moved on since the list was made: is there still something to do? */
static bool
look_again(Arena *a, const Candidate *c, AutovacTable *t)
{
    const CatRow *owner = cat_get_by_oid(CAT_PG_CLASS, c->owner ? c->owner : c->rel);
    const CatRow *row = c->owner ? cat_get_by_oid(CAT_PG_CLASS, c->rel) : owner;

    if (owner == NULL || row == NULL)
        return false;
    Options o = options_of(a, owner);
    return judge(row, &o, c->owner != 0, t);
}

static const char *
table_name(Arena *a, Oid rel)
{
    const CatRow *db = cat_get_by_oid(CAT_PG_DATABASE, catalog_database), *row = cat_get_by_oid(CAT_PG_CLASS, rel);

    if (db == NULL || row == NULL)
        return NULL;
    const char *nsp = nsp_name(a, datum_oid(cat_val(row, PG_CLASS_RELNAMESPACE)));
    return arena_printf(a, "%s.%s.%s", cat_name(a, db, PG_DATABASE_DATNAME), nsp ? nsp : "", cat_name(a, row, PG_CLASS_RELNAME));
}

static void
work_on(Arena *a, const AutovacTable *t, const char *name)
{
    CommandContext c = {.arena = a, .text = "", .top_level = true};
    VacuumJob j = {.vacuum = t->vacuum, .analyze = t->analyze, .freeze = t->freeze, .truncate = true, .index_cleanup = true, .skip_locked = true,
                   .autovacuum = true, .no_toast = true, .log_min_ms = t->log_min_ms, .work_mem_kb = autovacuum_work_mem_kb,
                   .freeze_min_age = t->freeze_min_age};
    const char *short_name = strchr(name, '.') + 1;

    if (track_activities)
        proc_set_activity(STATE_RUNNING, arena_printf(a, "autovacuum: %s%s %s", t->vacuum ? "VACUUM" : "ANALYZE",
                                                      t->vacuum && t->analyze ? " ANALYZE" : "", short_name));
    if (proc_self) /* relaxed: a waiter looks, to know whom it may cancel */
        atomic_store_explicit(&proc_self->statement_start, clock_now(), memory_order_relaxed);
    vacuum_relation(&c, t->rel, &j);
}

static void
after_error(Arena *a, const AutovacTable *t, const char *name)
{
    ErrReport *r = err_copy(a, err_current());
    char *what = arena_printf(a, "automatic %s of table \"%s\"", t->vacuum ? "vacuum" : "analyze", name);

    interrupts_held++;
    err_clear();
    r->context = r->context ? arena_printf(a, "%s\n%s", r->context, what) : what;
    err_emit(r);
    txn_abort();
    lw_release_all();
    interrupts_held = 0;
    critical_depth = 0;
}

/* In a transaction of its own. */
static void
do_table(Arena *a, const Candidate *c, const AutovacHooks *h)
{
    AutovacTable t;
    const char *name;

    txn_begin();
    bool wanted = look_again(a, c, &t) && (name = table_name(a, c->rel)) != NULL;
    txn_commit();
    (void)stats_report(false, 0);
    if (!wanted || !h->claim(&t))
        return;
    ERR_TRY
    {
        txn_begin();
        work_on(a, &t, name);
        txn_commit();
    }
    ERR_CATCH
    {
        if (err_current()->level >= LEVEL_FATAL)
            err_rethrow();
        after_error(a, &t, name);
    }
    ERR_END;
    h->unclaim();
    proc_set_activity(STATE_IDLE, "");
}

/* ---- what is left behind ---- */

/* A temporary table whose session died before it could drop it. */
static void
drop_orphan(Arena *a, Oid rel)
{
    ERR_TRY
    {
        txn_begin();
        LockResult got = lock_acquire(lock_tag_relation(catalog_database, rel), LOCK_ACCESS_EXCLUSIVE, false, true);
        const CatRow *row = got == LOCK_OK || got == LOCK_ALREADY_HELD ? cat_get_by_oid(CAT_PG_CLASS, rel) : NULL;

        if (row && (char)cat_val(row, PG_CLASS_RELPERSISTENCE) == 't' && !temp_owner_lives(a, datum_oid(cat_val(row, PG_CLASS_RELNAMESPACE)))) {
            ObjAddr addr = {CAT_PG_CLASS, rel, 0};

            LOG("autovacuum: dropping orphan temp table \"%s\"", table_name(a, rel));
            objects_drop(&addr, 1, true, true);
        }
        txn_commit();
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
}

/* Records of relations that are gone: left by whoever flushed after the drop (core/stats, rule 4). */
static void
sweep_statistics(Arena *a)
{
    Oid *oids;
    int n = stats_list_rels(a, catalog_database, &oids);

    txn_begin();
    for (int i = 0; i < n; i++)
        if (cat_get_by_oid(CAT_PG_CLASS, oids[i]) == NULL)
            stats_drop_rel(catalog_database, oids[i]);
    txn_commit();
}

void
autovacuum_database(const AutovacHooks *h)
{
    Arena *a = arena_create(arena_top(), "autovacuum"), *one = arena_create(a, "table");
    List *candidates = list_new(a), *orphans = list_new(a);

    stats_report_autovacuum(catalog_database);
    txn_begin();
    collect(a, candidates, orphans);
    txn_commit();
    for (int i = 0; i < orphans->count; i++) {
        drop_orphan(one, (Oid)(uintptr_t)orphans->items[i]);
        arena_reset(one);
    }
    for (int i = 0; i < candidates->count; i++) {
        CHECK_INTERRUPTS();
        do_table(one, candidates->items[i], h);
        arena_reset(one);
    }
    sweep_statistics(one);
    txn_begin();
    catalog_update_frozen();
    txn_commit();
    arena_destroy(a);
}

/* ---- settings ---- */

#define GROUP "Autovacuum"
#define INT(n, var, dflt, lo, hi, un, ctx, text) {.name = n, .type = SETTING_INT, .context = ctx, .unit = un, .group = GROUP, .description = text, .variable = var, .boot = dflt, .min = lo, .max = hi}
#define REAL(n, var, dflt, lo, hi, un, text) {.name = n, .type = SETTING_REAL, .context = CONTEXT_SIGHUP, .unit = un, .group = GROUP, .description = text, .variable = var, .boot = dflt, .min = lo, .max = hi}

static const SettingDef defs[] = {
    INT("autovacuum_vacuum_threshold", &vacuum_threshold, "50", 0, 2147483647, UNIT_NONE, CONTEXT_SIGHUP, "Dead rows before a vacuum."),
    INT("autovacuum_vacuum_insert_threshold", &insert_threshold, "1000", -1, 2147483647, UNIT_NONE, CONTEXT_SIGHUP, "Inserted rows before a vacuum, -1 for never."),
    INT("autovacuum_analyze_threshold", &analyze_threshold, "50", 0, 2147483647, UNIT_NONE, CONTEXT_SIGHUP, "Changed rows before an analyze."),
    REAL("autovacuum_vacuum_scale_factor", &vacuum_scale, "0.2", 0, 100, UNIT_NONE, "Dead rows before a vacuum as a fraction of the table."),
    REAL("autovacuum_vacuum_insert_scale_factor", &insert_scale, "0.2", 0, 100, UNIT_NONE, "Inserted rows before a vacuum as a fraction of the table."),
    REAL("autovacuum_analyze_scale_factor", &analyze_scale, "0.1", 0, 100, UNIT_NONE, "Changed rows before an analyze as a fraction of the table."),
    INT("autovacuum_freeze_max_age", &freeze_max_age, "200000000", 100000, 2000000000, UNIT_NONE, CONTEXT_POSTMASTER, "Age in transactions at which a table is frozen, so that the commit log can be cut."),
    INT("autovacuum_multixact_freeze_max_age", &multixact_freeze_max_age, "400000000", 10000, 2000000000, UNIT_NONE, CONTEXT_POSTMASTER, "Kept for compatibility: multixact ids do not wrap around."),
    REAL("autovacuum_vacuum_cost_delay", &autovacuum_cost_delay_ms, "2", -1, 100, UNIT_MS, "Vacuum cost delay of autovacuum."),
    INT("autovacuum_vacuum_cost_limit", &autovacuum_cost_limit, "-1", -1, 10000, UNIT_NONE, CONTEXT_SIGHUP, "Vacuum cost limit of autovacuum, shared by its workers."),
    {.name = "autovacuum_work_mem", .type = SETTING_INT, .context = CONTEXT_SIGHUP, .unit = UNIT_KB, .group = "Resource Usage / Memory",
     .description = "Memory of one autovacuum worker, -1 for maintenance_work_mem.", .variable = &autovacuum_work_mem_kb, .boot = "-1", .min = -1, .max = 2147483647},
    {.name = "log_autovacuum_min_duration", .type = SETTING_INT, .context = CONTEXT_SIGHUP, .unit = UNIT_MS, .group = "Reporting and Logging / What to Log",
     .description = "Logs what autovacuum does if it takes this long.", .variable = &log_min_ms, .boot = "10min", .min = -1, .max = 2147483647},
};

void
autovacuum_settings_register(void)
{
    settings_register(defs, COUNT_OF(defs));
}
