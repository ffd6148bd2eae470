/*
 * The log as SQL sees it: positions, file names, the switch to a new segment, the archiver's counters.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "core/base/interrupt.h"
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

/* ---- restore points and backups ---- */

Datum
fnc_create_restore_point(FnCtx *c, const Datum *args, bool *isnull)
{
    require_superuser(c);
    require_no_recovery(c);
    if (wal_level < WAL_LEVEL_REPLICA)
        RAISE_ERR(SQLSTATE_OBJECT_NOT_IN_PREREQUISITE_STATE, err_message("WAL level not sufficient for creating a restore point"),
                  err_hint("wal_level must be set to \"replica\" or \"logical\" at server start."));
    const char *name = text_arg(c, args[0]);
    if (strlen(name) >= WAL_RESTORE_POINT_NAME_BYTES)
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "value too long for restore point (maximum %d characters)",
              WAL_RESTORE_POINT_NAME_BYTES - 1);
    return (Datum)wal_log_restore_point(name);
}

static WalBackup session_backup;

static void
abort_backup(void *arg)
{
    if (!session_backup.running)
        return;
    wal_backup_abort(&session_backup);
    REPORT(LEVEL_WARNING, SQLSTATE_WARNING, err_message("aborting backup due to backend exiting before pg_backup_stop was called"));
}

Datum
fnc_backup_start(FnCtx *c, const Datum *args, bool *isnull)
{
    require_superuser(c);
    if (session_backup.running)
        RAISE(SQLSTATE_OBJECT_NOT_IN_PREREQUISITE_STATE, "a backup is already in progress in this session");
    proc_on_exit(abort_backup, NULL);
    wal_backup_start(&session_backup, text_arg(c, args[0]), datum_bool(args[1]));
    return (Datum)session_backup.start;
}

bool
setc_backup_stop(FnCtx *c, const Datum *args, Datum *out, bool *outnull)
{
    FnRows *rows = fn_rows_begin(c, 3);
    if (rows) {
        Datum *v;
        bool *n;
        require_superuser(c);
        if (!session_backup.running)
            RAISE_ERR(SQLSTATE_OBJECT_NOT_IN_PREREQUISITE_STATE, err_message("backup is not in progress"),
                      err_hint("Did you call pg_backup_start()?"));
        wal_backup_stop(&session_backup, datum_bool(args[0]));
        fn_rows_add(rows, &v, &n);
        ROW_SET(0, (Datum)session_backup.stop);
        ROW_TEXT(1, wal_backup_label_text(rows->arena, &session_backup));
        ROW_TEXT(2, ""); /* there are no tablespaces beside the two in the data directory */
    }
    return fn_rows_next(c, out, outnull);
}

/* ---- recovery ---- */

static void
require_recovery(void)
{
    if (!wal_in_recovery())
        RAISE_ERR(SQLSTATE_OBJECT_NOT_IN_PREREQUISITE_STATE, err_message("recovery is not in progress"),
                  err_hint("Recovery control functions can only be executed during recovery."));
}

Datum fnc_is_in_recovery(FnCtx *c, const Datum *args, bool *isnull) { return bool_datum(wal_in_recovery()); }

Datum
fnc_last_wal_receive_lsn(FnCtx *c, const Datum *args, bool *isnull)
{
    return null_datum(isnull); /* nothing is received: recovery reads files */
}

Datum
fnc_last_wal_replay_lsn(FnCtx *c, const Datum *args, bool *isnull)
{
    Lsn l = wal_last_replayed();
    return l ? (Datum)l : null_datum(isnull);
}

Datum
fnc_last_xact_replay_timestamp(FnCtx *c, const Datum *args, bool *isnull)
{
    TimestampTz t = wal_last_xact_replay_time();
    return t ? int64_datum(t) : null_datum(isnull);
}

Datum
fnc_wal_replay_pause(FnCtx *c, const Datum *args, bool *isnull)
{
    require_superuser(c);
    require_recovery();
    wal_replay_set_pause(true);
    return 0;
}

Datum
fnc_wal_replay_resume(FnCtx *c, const Datum *args, bool *isnull)
{
    require_superuser(c);
    require_recovery();
    wal_replay_set_pause(false);
    return 0;
}

Datum
fnc_is_wal_replay_paused(FnCtx *c, const Datum *args, bool *isnull)
{
    require_recovery();
    return bool_datum(wal_replay_pause_state() != REPLAY_RUNS);
}

Datum
fnc_get_wal_replay_pause_state(FnCtx *c, const Datum *args, bool *isnull)
{
    static const char *const names[] = {"not paused", "pause requested", "paused"};
    require_recovery();
    return text_datum(c, names[wal_replay_pause_state()]);
}

Datum
fnc_promote(FnCtx *c, const Datum *args, bool *isnull)
{
    int seconds = datum_int32(args[1]);
    require_superuser(c);
    require_recovery();
    if (seconds <= 0)
        RAISE(SQLSTATE_NUMERIC_VALUE_OUT_OF_RANGE, "\"wait_seconds\" must not be negative or zero");
    int fd = open(PROMOTE_SIGNAL_FILE, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        RAISE(err_sqlstate_of_errno(errno), "could not create file \"%s\": %m", PROMOTE_SIGNAL_FILE);
    close(fd);
    if (kill(getppid(), SIGUSR1) != 0) {
        REPORT(LEVEL_WARNING, SQLSTATE_WARNING, err_message("failed to send signal to postmaster: %m"));
        unlink(PROMOTE_SIGNAL_FILE);
        return bool_datum(false);
    }
    if (!datum_bool(args[0]))
        return bool_datum(true);
    for (int i = 0; i < seconds * 10 && wal_in_recovery(); i++) {
        latch_wait(WAIT_LATCH | WAIT_TIMEOUT, -1, 100, WAIT_EVENT_PROMOTE);
        latch_reset(&proc_self->latch);
        CHECK_INTERRUPTS();
    }
    if (!wal_in_recovery())
        return bool_datum(true);
    REPORT(LEVEL_WARNING, SQLSTATE_WARNING, err_message(seconds == 1 ? "server did not promote within %d second"
                                                                      : "server did not promote within %d seconds", seconds));
    return bool_datum(false);
}

/* ---- replication ---- */

bool
setc_stat_get_wal_senders(FnCtx *c, const Datum *args, Datum *out, bool *outnull)
{
    static const char *const states[] = {"startup", "backup", "catchup", "streaming", "stopping"};
    FnRows *rows = fn_rows_begin(c, 12);
    WalSenderView s;
    for (int i = 0; rows && wal_sender_view(i, &s); i++) {
        Datum *v;
        bool *n;
        if (s.pid == 0)
            continue;
        fn_rows_add(rows, &v, &n);
        ROW_SET(0, int32_datum((int32_t)s.pid));
        ROW_TEXT(1, states[s.state]);
        if (s.sent)
            ROW_SET(2, (Datum)s.sent);
        if (s.written)
            ROW_SET(3, (Datum)s.written);
        if (s.flushed)
            ROW_SET(4, (Datum)s.flushed);
        if (s.applied)
            ROW_SET(5, (Datum)s.applied);
        ROW_SET(9, int32_datum(0)); /* nobody waits for clients: synchronous_standby_names is not there */
        ROW_TEXT(10, "async");
        if (s.reply_time)
            ROW_SET(11, int64_datum(s.reply_time));
    }
    return fn_rows_next(c, out, outnull);
}

bool
setc_get_replication_slots(FnCtx *c, const Datum *args, Datum *out, bool *outnull)
{
    FnRows *rows = fn_rows_begin(c, 14);
    WalSlotView s;
    for (int i = 0; rows && wal_slot_view(i, &s); i++) {
        Datum *v;
        bool *n;
        if (!s.in_use)
            continue;
        fn_rows_add(rows, &v, &n);
        ROW_SET(0, cat_name_datum(rows->arena, s.name));
        ROW_TEXT(2, "physical");
        ROW_SET(4, bool_datum(s.temporary));
        ROW_SET(5, bool_datum(s.active_pid != 0));
        if (s.active_pid)
            ROW_SET(6, int32_datum((int32_t)s.active_pid));
        if (s.restart_lsn) {
            ROW_SET(9, (Datum)s.restart_lsn);
            ROW_TEXT(11, "reserved");
        } else if (s.invalidated) {
            ROW_TEXT(11, "lost");
        }
        if (s.has_safe_bytes)
            ROW_SET(12, int64_datum(s.safe_bytes));
        ROW_SET(13, bool_datum(false));
    }
    return fn_rows_next(c, out, outnull);
}

static void
require_replication(void)
{
    const CatRow *r = cat_get_by_oid(CAT_PG_AUTHID, current_user_oid);
    if (!role_is_superuser(current_user_oid) && !(r && datum_bool(cat_val(r, PG_AUTHID_ROLREPLICATION))))
        RAISE(SQLSTATE_INSUFFICIENT_PRIVILEGE, "must be superuser or replication role to use replication slots");
}

bool
setc_create_physical_replication_slot(FnCtx *c, const Datum *args, Datum *out, bool *outnull)
{
    FnRows *rows = fn_rows_begin(c, 2);
    if (rows) {
        Datum *v;
        bool *n;
        WalSlotView s;
        const char *name = name_arg(c, args[0]);
        require_replication();
        wal_slot_create(name, datum_bool(args[2]), datum_bool(args[1]));
        fn_rows_add(rows, &v, &n);
        ROW_SET(0, cat_name_datum(rows->arena, name));
        for (int i = 0; datum_bool(args[1]) && wal_slot_view(i, &s); i++)
            if (s.in_use && strcmp(s.name, name) == 0)
                ROW_SET(1, (Datum)s.restart_lsn);
    }
    return fn_rows_next(c, out, outnull);
}

Datum
fnc_drop_replication_slot(FnCtx *c, const Datum *args, bool *isnull)
{
    require_replication();
    wal_slot_drop(name_arg(c, args[0]));
    return 0;
}

bool
setc_create_logical_replication_slot(FnCtx *c, const Datum *args, Datum *out, bool *outnull)
{
    UNSUPPORTED("logical replication slots are not supported yet");
}
