/*
 * Cumulative statistics as SQL sees them: pg_stat_get_* over core/stats, resets.
 *
 * Most functions show one field of a relation's or a database's record: a table says which.
 */
#include "core/catalog/fn_util.h"
#include "core/stats/stats.h"
#include "core/types/numeric.h"
#include "walmgr/walmgr.h"

typedef struct Field {
    Oid fn;
    size_t at;
} Field;

#define REL(fn, field) {fn, offsetof(StatsRelCounts, field)}
static const Field rel_fields[] = {
    REL(1928, scans), REL(1929, returned), REL(1930, fetched), REL(1931, inserted), REL(1932, updated), REL(1933, deleted),
    REL(1934, blocks_fetched), REL(1935, blocks_hit), REL(1972, hot_updated),
    REL(2781, vacuum_time), REL(2782, autovacuum_time), REL(2783, analyze_time), REL(2784, autoanalyze_time),
    REL(2878, live), REL(2879, dead),
    REL(3037, scans), REL(3038, returned), REL(3039, fetched), REL(3040, inserted), REL(3041, updated), REL(3042, deleted),
    REL(3043, hot_updated), REL(3044, blocks_fetched), REL(3045, blocks_hit),
    REL(3054, vacuum_count), REL(3055, autovacuum_count), REL(3056, analyze_count), REL(3057, autoanalyze_count),
    REL(3177, changed), REL(5053, inserted_since_vacuum),
};
#define DB(fn, field) {fn, offsetof(StatsDbCounts, field)}
static const Field db_fields[] = {
    DB(1942, commits), DB(1943, rollbacks), DB(1944, blocks_fetched), DB(1945, blocks_hit), DB(2758, returned), DB(2759, fetched),
    DB(2760, inserted), DB(2761, updated), DB(2762, deleted), DB(2844, read_us), DB(2845, write_us),
    DB(3065, conflict_tablespace), DB(3066, conflict_lock), DB(3067, conflict_snapshot), DB(3068, conflict_bufferpin),
    DB(3069, conflict_deadlock), DB(3074, reset_time), DB(3150, temp_files), DB(3151, temp_bytes), DB(3152, deadlocks),
    DB(3426, checksum_failures), DB(3428, checksum_failure_time), DB(6185, session_us), DB(6186, active_us), DB(6187, idle_in_xact_us),
    DB(6188, sessions), DB(6189, sessions_abandoned), DB(6190, sessions_fatal), DB(6191, sessions_killed),
};

static int64_t
field_of(const Field *fields, size_t n, Oid fn, const void *record)
{
    for (size_t i = 0; i < n; i++)
        if (fields[i].fn == fn)
            return *(const int64_t *)((const char *)record + fields[i].at);
    INTERNAL_ERROR("function %u shows no statistics", fn);
}

/* Times kept in microseconds are shown in milliseconds; a moment that never was is null. */
static Datum
as_result(FnCtx *c, int64_t v, bool *isnull)
{
    switch (fn_info(c->fn_oid)->ret) {
    case FLOAT8_OID: return float8_datum((double)v / 1000.0);
    case TIMESTAMPTZ_OID: return v ? int64_datum(v) : null_datum(isnull);
    default: return int64_datum(v);
    }
}

/* Shared relations stand under database 0. */
static void
fetch_rel(Oid rel, StatsRelCounts *out)
{
    if (!stats_fetch_rel(catalog_database, rel, out))
        (void)stats_fetch_rel(0, rel, out);
}

Datum
fnc_stat_table(FnCtx *c, const Datum *args, bool *isnull)
{
    StatsRelCounts r;

    fetch_rel(datum_oid(args[0]), &r);
    return as_result(c, field_of(rel_fields, COUNT_OF(rel_fields), c->fn_oid, &r), isnull);
}

Datum
fnc_stat_xact_table(FnCtx *c, const Datum *args, bool *isnull)
{
    StatsRelCounts r;

    if (!stats_pending_rel(catalog_database, datum_oid(args[0]), &r))
        (void)stats_pending_rel(0, datum_oid(args[0]), &r);
    return as_result(c, field_of(rel_fields, COUNT_OF(rel_fields), c->fn_oid, &r), isnull);
}

Datum
fnc_stat_db(FnCtx *c, const Datum *args, bool *isnull)
{
    StatsDbCounts d;

    (void)stats_fetch_db(datum_oid(args[0]), &d);
    if (c->fn_oid == 3070) /* pg_stat_get_db_conflict_all */
        return int64_datum(d.conflict_tablespace + d.conflict_lock + d.conflict_snapshot + d.conflict_bufferpin + d.conflict_deadlock);
    return as_result(c, field_of(db_fields, COUNT_OF(db_fields), c->fn_oid, &d), isnull);
}

/* Built-in functions are not counted, as in PostgreSQL, and there are no others yet. */
Datum
fnc_stat_function(FnCtx *c, const Datum *args, bool *isnull)
{
    return null_datum(isnull);
}

/* ---- the instance ---- */

Datum
fnc_stat_bgwriter(FnCtx *c, const Datum *args, bool *isnull)
{
    switch (c->fn_oid) {
    case 2769: return int64_datum(stats_fetch_fixed(STATS_CHECKPOINTS_TIMED));
    case 2770: return int64_datum(stats_fetch_fixed(STATS_CHECKPOINTS_REQUESTED));
    case 2771: return int64_datum(stats_fetch_fixed(STATS_BUFFERS_CHECKPOINT));
    case 2772: return int64_datum(stats_fetch_fixed(STATS_BUFFERS_CLEAN));
    case 2773: return int64_datum(stats_fetch_fixed(STATS_MAXWRITTEN_CLEAN));
    case 2775: return int64_datum(stats_fetch_fixed(STATS_BUFFERS_BACKEND));
    case 3063: return int64_datum(stats_fetch_fixed(STATS_BUFFERS_BACKEND_FSYNC));
    case 2859: return int64_datum(stats_fetch_fixed(STATS_BUFFERS_ALLOC));
    case 3160: return float8_datum((double)stats_fetch_fixed(STATS_CHECKPOINT_WRITE_MS));
    case 3161: return float8_datum((double)stats_fetch_fixed(STATS_CHECKPOINT_SYNC_MS));
    case 3075: return as_result(c, stats_reset_time(STATS_RESET_BGWRITER), isnull);
    default: INTERNAL_ERROR("function %u shows no statistics", c->fn_oid);
    }
}

bool
setc_stat_get_wal(FnCtx *c, const Datum *args, Datum *out, bool *outnull)
{
    FnRows *rows = fn_rows_begin(c, 9);

    if (rows) {
        Datum *v;
        bool *n;

        fn_rows_add(rows, &v, &n);
        ROW_SET(0, int64_datum(stats_fetch_fixed(STATS_WAL_RECORDS)));
        ROW_SET(1, int64_datum(stats_fetch_fixed(STATS_WAL_FPI)));
        ROW_SET(2, numeric_from_int64(rows->arena, stats_fetch_fixed(STATS_WAL_BYTES)));
        ROW_SET(3, int64_datum(stats_fetch_fixed(STATS_WAL_BUFFERS_FULL)));
        ROW_SET(4, int64_datum(stats_fetch_fixed(STATS_WAL_WRITE)));
        ROW_SET(5, int64_datum(stats_fetch_fixed(STATS_WAL_SYNC)));
        ROW_SET(6, float8_datum((double)stats_fetch_fixed(STATS_WAL_WRITE_US) / 1000.0));
        ROW_SET(7, float8_datum((double)stats_fetch_fixed(STATS_WAL_SYNC_US) / 1000.0));
        ROW_SET(8, int64_datum(stats_reset_time(STATS_RESET_WAL)));
    }
    return fn_rows_next(c, out, outnull);
}

bool
setc_stat_get_slru(FnCtx *c, const Datum *args, Datum *out, bool *outnull)
{
    FnRows *rows = fn_rows_begin(c, 9);

    for (int i = 0; rows && i < STATS_SLRU_COUNT; i++) {
        Datum *v;
        bool *n;

        fn_rows_add(rows, &v, &n);
        ROW_TEXT(0, stats_slru_names[i]);
        for (int k = 0; k < SLRU_COUNTER_COUNT; k++)
            ROW_SET(1 + k, int64_datum(stats_fetch_fixed(STATS_SLRU(i, k))));
        ROW_SET(8, int64_datum(stats_reset_time((StatsReset)(STATS_RESET_SLRU_FIRST + i))));
    }
    return fn_rows_next(c, out, outnull);
}

/* ---- snapshots and resets ---- */

Datum
fnc_stat_clear_snapshot(FnCtx *c, const Datum *args, bool *isnull)
{
    stats_clear_snapshot();
    return 0;
}

Datum
fnc_stat_get_snapshot_timestamp(FnCtx *c, const Datum *args, bool *isnull)
{
    TimestampTz t = stats_snapshot_time();

    return t ? int64_datum(t) : null_datum(isnull);
}

Datum
fnc_stat_force_next_flush(FnCtx *c, const Datum *args, bool *isnull)
{
    stats_force_next = true;
    return 0;
}

Datum
fnc_stat_have_stats(FnCtx *c, const Datum *args, bool *isnull)
{
    char *kind = text_arg(c, args[0]);
    StatsRelCounts r;
    StatsDbCounts d;

    if (strcmp(kind, "relation") == 0)
        return bool_datum(stats_fetch_rel(datum_oid(args[1]), datum_oid(args[2]), &r));
    if (strcmp(kind, "database") == 0)
        return bool_datum(stats_fetch_db(datum_oid(args[1]), &d));
    for (size_t i = 0; i < 6; i++) {
        static const char *const fixed[] = {"archiver", "bgwriter", "checkpointer", "slru", "wal", "function"};

        if (strcmp(kind, fixed[i]) == 0)
            return bool_datum(i < 5);
    }
    RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "invalid statistics kind: \"%s\"", kind);
}

/* PostgreSQL takes EXECUTE on these from everybody but superusers. */
static void
require_superuser(FnCtx *c)
{
    if (!role_is_superuser(current_user_oid))
        RAISE(SQLSTATE_INSUFFICIENT_PRIVILEGE, "permission denied for function %s", fn_info(c->fn_oid)->name);
}

Datum
fnc_stat_reset(FnCtx *c, const Datum *args, bool *isnull)
{
    require_superuser(c);
    stats_reset_database(catalog_database);
    return 0;
}

Datum
fnc_stat_reset_shared(FnCtx *c, const Datum *args, bool *isnull)
{
    char *what = text_arg(c, args[0]);

    require_superuser(c);
    if (strcmp(what, "archiver") == 0)
        wal_archive_stats_reset();
    else if (strcmp(what, "bgwriter") == 0)
        stats_reset_fixed(STATS_RESET_BGWRITER);
    else if (strcmp(what, "wal") == 0)
        stats_reset_fixed(STATS_RESET_WAL);
    else if (strcmp(what, "recovery_prefetch") == 0)
        UNSUPPORTED("statistics of prefetching in recovery are not kept");
    else
        RAISE_ERR(SQLSTATE_INVALID_PARAMETER_VALUE, err_message("unrecognized reset target: \"%s\"", what),
                  err_hint("Target must be \"archiver\", \"bgwriter\", \"recovery_prefetch\", or \"wal\"."));
    return 0;
}

Datum
fnc_stat_reset_single_table(FnCtx *c, const Datum *args, bool *isnull)
{
    StatsRelCounts r;
    Oid rel = datum_oid(args[0]);

    require_superuser(c);
    stats_reset_rel(stats_read_rel(catalog_database, rel, &r) ? catalog_database : 0, rel);
    return 0;
}

Datum
fnc_stat_reset_single_function(FnCtx *c, const Datum *args, bool *isnull)
{
    require_superuser(c);
    return 0; /* none is counted */
}

/* An unknown name stands for the row "other", as in PostgreSQL. */
Datum
fnc_stat_reset_slru(FnCtx *c, const Datum *args, bool *isnull)
{
    require_superuser(c);
    for (int i = 0; i < STATS_SLRU_COUNT; i++) {
        bool last = i == STATS_SLRU_COUNT - 1;

        if (c->argnull[0] || last || strcmp(text_arg(c, args[0]), stats_slru_names[i]) == 0) {
            stats_reset_fixed((StatsReset)(STATS_RESET_SLRU_FIRST + i));
            if (!c->argnull[0])
                break;
        }
    }
    return 0;
}
