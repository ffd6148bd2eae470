/*
 * The log as SQL sees it: positions, file names, the switch to a new segment, the archiver's counters.
 */
#include "core/catalog/fn_util.h"

/* These are not granted to PUBLIC. */
static void
require_superuser(FnCtx *c)
{
    if (!role_is_superuser(current_user_oid))
        RAISE(SQLSTATE_INSUFFICIENT_PRIVILEGE, "permission denied for function %s", fn_info(c->fn_oid)->name);
}

static void
require_no_recovery(FnCtx *c)
{
    if (wal_in_recovery())
        RAISE_ERR(SQLSTATE_OBJECT_NOT_IN_PREREQUISITE_STATE, err_message("recovery is in progress"),
                  err_hint("WAL control functions cannot be executed during recovery."));
}

/* ---- positions ---- */

Datum
fnc_current_wal_lsn(FnCtx *c, const Datum *args, bool *isnull)
{
    require_no_recovery(c);
    return (Datum)wal_flushed();
}

Datum
fnc_current_wal_flush_lsn(FnCtx *c, const Datum *args, bool *isnull)
{
    require_no_recovery(c);
    return (Datum)wal_flushed();
}

Datum
fnc_current_wal_insert_lsn(FnCtx *c, const Datum *args, bool *isnull)
{
    require_no_recovery(c);
    return (Datum)wal_insert_position();
}

/* ---- file names ---- */

/* A position at a segment's start belongs to the file before: it is where the log up to there ends. */
static const char *
file_of(FnCtx *c, Lsn l)
{
    char path[MAX_PATH_BYTES];
    if (wal_in_recovery())
        RAISE_ERR(SQLSTATE_OBJECT_NOT_IN_PREREQUISITE_STATE, err_message("recovery is in progress"),
                  err_hint("%s() cannot be executed during recovery.", fn_info(c->fn_oid)->name));
    wal_segment_path((l > 0 ? l - 1 : 0) / WAL_SEGMENT_BYTES, wal_timeline(), path, sizeof path);
    const char *slash = strrchr(path, '/');
    return arena_strdup(c->arena, slash ? slash + 1 : path);
}

Datum fnc_walfile_name(FnCtx *c, const Datum *args, bool *isnull) { return text_datum(c, file_of(c, (Lsn)args[0])); }

bool
setc_walfile_name_offset(FnCtx *c, const Datum *args, Datum *out, bool *outnull)
{
    FnRows *rows = fn_rows_begin(c, 2);
    if (rows) {
        Datum *v;
        bool *n;
        fn_rows_add(rows, &v, &n);
        ROW_TEXT(0, file_of(c, (Lsn)args[0]));
        ROW_SET(1, int32_datum((int32_t)((Lsn)args[0] % WAL_SEGMENT_BYTES)));
    }
    return fn_rows_next(c, out, outnull);
}

Datum
fnc_switch_wal(FnCtx *c, const Datum *args, bool *isnull)
{
    require_superuser(c);
    require_no_recovery(c);
    return (Datum)wal_switch_and_flush();
}

/* ---- pg_stat_archiver ---- */

bool
setc_stat_get_archiver(FnCtx *c, const Datum *args, Datum *out, bool *outnull)
{
    FnRows *rows = fn_rows_begin(c, 7);
    if (rows) {
        Datum *v;
        bool *n;
        WalArchiveStats s;
        wal_archive_stats(&s);
        fn_rows_add(rows, &v, &n);
        ROW_SET(0, int64_datum((int64_t)s.archived));
        ROW_TEXT(1, s.last_archived[0] ? s.last_archived : NULL);
        if (s.last_archived_time)
            ROW_SET(2, int64_datum(s.last_archived_time));
        ROW_SET(3, int64_datum((int64_t)s.failed));
        ROW_TEXT(4, s.last_failed[0] ? s.last_failed : NULL);
        if (s.last_failed_time)
            ROW_SET(5, int64_datum(s.last_failed_time));
        if (s.reset_time)
            ROW_SET(6, int64_datum(s.reset_time));
    }
    return fn_rows_next(c, out, outnull);
}
