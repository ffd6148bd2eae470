/*
 * Functions that look at or act on the running instance: transaction ids, advisory locks, signals,
 * settings, positions in the log.
 */
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "core/base/interrupt.h"
#include "core/base/settings.h"
#include "core/catalog/fn_util.h"
#include "core/catalog/session_views.h"

/* ---- transaction ids ---- */

Datum fnc_txid_current(FnCtx *c, const Datum *args, bool *isnull) { return int64_datum((int64_t)txn_top_xid()); }
Datum fnc_current_xact_id(FnCtx *c, const Datum *args, bool *isnull) { return (Datum)txn_top_xid(); }

Datum
fnc_txid_current_if_assigned(FnCtx *c, const Datum *args, bool *isnull)
{
    Xid x = txn_top_xid_if_assigned();

    return x ? (Datum)x : null_datum(isnull);
}

Datum
fnc_current_xact_id_if_assigned(FnCtx *c, const Datum *args, bool *isnull)
{
    return fnc_txid_current_if_assigned(c, args, isnull);
}

static Datum
status_of(FnCtx *c, Xid x, bool *isnull)
{
    if (x >= xid_next())
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "transaction ID %llu is in the future", (unsigned long long)x);
    if (!xid_is_normal(x))
        return x == XID_INVALID ? null_datum(isnull) : text_datum(c, "committed");
    if (xid_is_current(x))
        return text_datum(c, "in progress");
    switch (xid_status(x, NULL)) {
    case XS_STATUS_COMMITTED: return text_datum(c, "committed");
    case XS_STATUS_ABORTED: return text_datum(c, "aborted");
    default: return text_datum(c, "in progress");
    }
}

Datum fnc_txid_status(FnCtx *c, const Datum *args, bool *isnull) { return status_of(c, (Xid)args[0], isnull); }
Datum fnc_xact_status(FnCtx *c, const Datum *args, bool *isnull) { return status_of(c, (Xid)args[0], isnull); }

/* ---- advisory locks ---- */

static LockTag
advisory_tag(FnCtx *c, const Datum *args)
{
    if (c->nargs == 1) {
        uint64_t k = (uint64_t)args[0];

        return lock_tag_advisory(catalog_database, (uint32_t)(k >> 32), (uint32_t)k, 1);
    }
    return lock_tag_advisory(catalog_database, (uint32_t)datum_int32(args[0]), (uint32_t)datum_int32(args[1]), 2);
}

/* lock_acquire_or_raise is for locks of transactions; this is its like for the session's. */
static void
acquire_for_session(LockTag tag, LockMode mode)
{
    for (;;) {
        switch (lock_acquire(tag, mode, true, false)) {
        case LOCK_OK:
        case LOCK_ALREADY_HELD:
            return;
        case LOCK_INTERRUPTED:
            CHECK_INTERRUPTS();
            continue;
        case LOCK_DEADLOCK:
            RAISE_ERR(SQLSTATE_T_R_DEADLOCK_DETECTED, err_message("deadlock detected"), err_detail("%s", lock_deadlock_detail()),
                      err_hint("See server log for query details."));
        case LOCK_TABLE_FULL:
            RAISE_ERR(SQLSTATE_OUT_OF_MEMORY, err_message("out of shared memory"), err_hint("You might need to increase max_locks_per_transaction."));
        default:
            RAISE(SQLSTATE_LOCK_NOT_AVAILABLE, "canceling statement due to lock timeout");
        }
    }
}

static bool
try_acquire(LockTag tag, LockMode mode, bool session)
{
    LockResult r = lock_acquire(tag, mode, session, true);

    if (r == LOCK_TABLE_FULL)
        RAISE_ERR(SQLSTATE_OUT_OF_MEMORY, err_message("out of shared memory"), err_hint("You might need to increase max_locks_per_transaction."));
    return r == LOCK_OK || r == LOCK_ALREADY_HELD;
}

#define ADVISORY(suffix, mode)                                                                       \
    Datum fnc_advisory_lock##suffix(FnCtx *c, const Datum *args, bool *isnull)                       \
    {                                                                                                \
        acquire_for_session(advisory_tag(c, args), mode);                                            \
        return 0;                                                                                    \
    }                                                                                                \
    Datum fnc_advisory_xact_lock##suffix(FnCtx *c, const Datum *args, bool *isnull)                  \
    {                                                                                                \
        lock_acquire_or_raise(advisory_tag(c, args), mode);                                          \
        return 0;                                                                                    \
    }                                                                                                \
    Datum fnc_try_advisory_lock##suffix(FnCtx *c, const Datum *args, bool *isnull)                   \
    {                                                                                                \
        return bool_datum(try_acquire(advisory_tag(c, args), mode, true));                           \
    }                                                                                                \
    Datum fnc_try_advisory_xact_lock##suffix(FnCtx *c, const Datum *args, bool *isnull)              \
    {                                                                                                \
        return bool_datum(try_acquire(advisory_tag(c, args), mode, false));                          \
    }                                                                                                \
    Datum fnc_advisory_unlock##suffix(FnCtx *c, const Datum *args, bool *isnull)                     \
    {                                                                                                \
        if (lock_release(advisory_tag(c, args), mode, true))                                         \
            return bool_datum(true);                                                                 \
        REPORT(LEVEL_WARNING, SQLSTATE_WARNING, err_message("you don't own a lock of type %s", lock_mode_name(mode))); \
        return bool_datum(false);                                                                    \
    }
ADVISORY(, LOCK_EXCLUSIVE)
ADVISORY(_shared, LOCK_SHARE)

void
advisory_unlock_all(void)
{
    LockView *v;
    int n = lock_snapshot(txn_current_arena(), &v);
    uint32_t pid = (uint32_t)getpid();

    for (int i = 0; i < n; i++)
        if (v[i].pid == pid && v[i].granted && v[i].tag.type == LOCKTAG_ADVISORY)
            while (lock_release(v[i].tag, v[i].mode, true))
                ;
}

Datum
fnc_advisory_unlock_all(FnCtx *c, const Datum *args, bool *isnull)
{
    advisory_unlock_all();
    return 0;
}

/* ---- who waits for whom ---- */

static bool
same_tag(LockTag a, LockTag b)
{
    return a.f1 == b.f1 && a.f2 == b.f2 && a.f3 == b.f3 && a.f4 == b.f4 && a.type == b.type;
}

Datum
fnc_blocking_pids(FnCtx *c, const Datum *args, bool *isnull)
{
    LockView *v;
    int n = lock_snapshot(c->arena, &v), count = 0;
    Datum *pids = ARENA_ARRAY(c->arena, Datum, MAX(n, 1));

    for (int w = 0; w < n; w++) {
        if (v[w].granted || v[w].pid != (uint32_t)datum_int32(args[0]))
            continue;
        for (int h = 0; h < n; h++) {
            bool seen = false;

            if (!v[h].granted || v[h].pid == v[w].pid || !same_tag(v[h].tag, v[w].tag) || !lock_conflicts(v[h].mode, v[w].mode))
                continue;
            for (int i = 0; i < count && !seen; i++)
                seen = pids[i] == int32_datum((int32_t)v[h].pid);
            if (!seen)
                pids[count++] = int32_datum((int32_t)v[h].pid);
        }
    }
    return array_construct_1d(c->arena, INT4_OID, pids, NULL, count);
}

/* ---- signals ---- */

#define ROLE_SIGNAL_BACKEND 4200u

static Datum
signal_backend(FnCtx *c, int32_t pid, int sig, const char *verb, const char *what)
{
    ProcSlot *s = pid > 0 ? proc_find_pid((uint32_t)pid) : NULL;
    Oid role;

    if (!s) {
        REPORT(LEVEL_WARNING, SQLSTATE_WARNING, err_message("PID %d is not a PostgreSQL backend process", pid));
        return bool_datum(false);
    }
    /* relaxed: an observer */
    role = atomic_load_explicit(&s->role, memory_order_relaxed);
    if (role_is_superuser(role) && !role_is_superuser(current_user_oid))
        RAISE(SQLSTATE_INSUFFICIENT_PRIVILEGE, "must be a superuser to %s superuser %s", verb, what);
    if (!role_is_member(current_user_oid, role) && !role_is_member(current_user_oid, ROLE_SIGNAL_BACKEND))
        RAISE(SQLSTATE_INSUFFICIENT_PRIVILEGE, "must be a member of the role whose %s or member of pg_signal_backend",
              sig == SIGINT ? "query is being canceled" : "process is being terminated");
    if (kill(pid, sig) != 0) {
        REPORT(LEVEL_WARNING, SQLSTATE_WARNING, err_message("could not send signal to process %d: %m", pid));
        return bool_datum(false);
    }
    return bool_datum(true);
}

Datum
fnc_cancel_backend(FnCtx *c, const Datum *args, bool *isnull)
{
    return signal_backend(c, datum_int32(args[0]), SIGINT, "cancel", "query");
}

/* With a timeout (ms): waits that long for the process to be gone. */
Datum
fnc_terminate_backend(FnCtx *c, const Datum *args, bool *isnull)
{
    int32_t pid = datum_int32(args[0]);
    int64_t timeout = c->nargs > 1 ? datum_int64(args[1]) : 0;

    if (timeout < 0)
        RAISE(SQLSTATE_NUMERIC_VALUE_OUT_OF_RANGE, "\"timeout\" must not be negative");
    if (!datum_bool(signal_backend(c, pid, SIGTERM, "terminate", "process")))
        return bool_datum(false);
    if (timeout == 0)
        return bool_datum(true);
    for (int64_t waited = 0; waited < timeout; waited += 10) {
        if (kill(pid, 0) != 0 && errno == ESRCH)
            return bool_datum(true);
        usleep(10000);
        CHECK_INTERRUPTS();
    }
    REPORT(LEVEL_WARNING, SQLSTATE_WARNING, err_message("backend with PID %d did not terminate within %lld milliseconds", pid, (long long)timeout));
    return bool_datum(false);
}

Datum
fnc_reload_conf(FnCtx *c, const Datum *args, bool *isnull)
{
    if (kill(getppid(), SIGHUP) != 0) {
        REPORT(LEVEL_WARNING, SQLSTATE_WARNING, err_message("failed to send signal to postmaster: %m"));
        return bool_datum(false);
    }
    return bool_datum(true);
}

/* ---- settings ---- */

Datum
fnc_current_setting(FnCtx *c, const Datum *args, bool *isnull)
{
    return text_or_null(c, settings_get(c->arena, text_arg(c, args[0]), c->nargs > 1 && datum_bool(args[1])), isnull);
}

Datum
fnc_set_config(FnCtx *c, const Datum *args, bool *isnull)
{
    const char *name;

    if (c->argnull[0])
        RAISE(SQLSTATE_NULL_VALUE_NOT_ALLOWED, "SET requires parameter name");
    name = text_arg(c, args[0]);
    settings_set(name, c->argnull[1] ? NULL : text_arg(c, args[1]), role_is_superuser(current_user_oid) ? CONTEXT_SUPERUSER : CONTEXT_USER,
                 SOURCE_SESSION, !c->argnull[2] && datum_bool(args[2]) ? ACTION_LOCAL : ACTION_SET);
    return text_or_null(c, settings_get(c->arena, name, false), isnull);
}

static const char *
type_text(SettingType t)
{
    switch (t) {
    case SETTING_BOOL: return "bool";
    case SETTING_INT: return "integer";
    case SETTING_REAL: return "real";
    case SETTING_ENUM: return "enum";
    default: return "string";
    }
}

#define ROLE_READ_ALL_SETTINGS 3374u

static void
add_setting(FnRows *rows, int index)
{
    SettingView s;
    Datum *v;
    bool *n;
    Arena *a = rows->arena;

    settings_view(index, a, &s);
    if (s.def->flags & SETTING_NO_SHOW_ALL)
        return;
    if ((s.def->flags & SETTING_HIDDEN_VALUE) && !role_is_member(current_user_oid, ROLE_READ_ALL_SETTINGS))
        return;
    fn_rows_add(rows, &v, &n);
    ROW_TEXT(0, s.def->name);
    ROW_TEXT(1, s.value);
    ROW_TEXT(2, settings_unit_text(s.def->unit));
    ROW_TEXT(3, s.def->group);
    ROW_TEXT(4, s.def->description);
    ROW_TEXT(6, settings_context_text(s.def->context));
    ROW_TEXT(7, type_text(s.def->type));
    ROW_TEXT(8, settings_source_text(s.source));
    if (s.def->type == SETTING_INT) {
        ROW_TEXT(9, arena_printf(a, "%lld", (long long)s.def->min));
        ROW_TEXT(10, arena_printf(a, "%lld", (long long)s.def->max));
    } else if (s.def->type == SETTING_REAL) {
        ROW_TEXT(9, arena_printf(a, "%g", s.def->min));
        ROW_TEXT(10, arena_printf(a, "%g", s.def->max));
    } else if (s.def->type == SETTING_ENUM && s.def->options) {
        char *names[64];
        int k = 0;

        for (const SettingEnum *e = s.def->options; e->name && k < (int)COUNT_OF(names); e++)
            if (!e->hidden)
                names[k++] = (char *)(uintptr_t)e->name;
        ROW_SET(11, cat_text_array(a, names, k));
    }
    ROW_TEXT(12, s.boot_value);
    ROW_TEXT(13, s.reset_value);
    if (s.source_file && role_is_member(current_user_oid, ROLE_READ_ALL_SETTINGS)) {
        ROW_TEXT(14, s.source_file);
        ROW_SET(15, int32_datum(s.source_line));
    }
    ROW_SET(16, bool_datum(s.pending_restart));
}

bool
setc_show_all_settings(FnCtx *c, const Datum *args, Datum *out, bool *outnull)
{
    FnRows *rows = fn_rows_begin(c, 17);

    if (rows)
        for (int i = 0; i < settings_count(); i++)
            add_setting(rows, i);
    return fn_rows_next(c, out, outnull);
}

/* ---- the connection ---- */

bool (*session_address_hook)(bool server, const char **host, int *port);
int (*session_list_prepared)(Arena *a, PreparedView **out);
int (*session_list_cursors)(Arena *a, CursorView **out);

static Datum
address(FnCtx *c, bool server, bool port, bool *isnull)
{
    const char *host = NULL;
    int number = 0;

    if (!session_address_hook || !session_address_hook(server, &host, &number) || (!port && !host))
        return null_datum(isnull);
    return port ? int32_datum(number) : text_datum(c, host);
}

Datum fnc_inet_client_addr(FnCtx *c, const Datum *args, bool *isnull) { return address(c, false, false, isnull); }
Datum fnc_inet_client_port(FnCtx *c, const Datum *args, bool *isnull) { return address(c, false, true, isnull); }
Datum fnc_inet_server_addr(FnCtx *c, const Datum *args, bool *isnull) { return address(c, true, false, isnull); }
Datum fnc_inet_server_port(FnCtx *c, const Datum *args, bool *isnull) { return address(c, true, true, isnull); }

/* ---- the session's statements and cursors ---- */

bool
setc_prepared_statement(FnCtx *c, const Datum *args, Datum *out, bool *outnull)
{
    FnRows *rows = fn_rows_begin(c, 7);

    if (rows && session_list_prepared) {
        PreparedView *p;
        int count = session_list_prepared(rows->arena, &p);
        Datum *v;
        bool *n;

        for (int i = 0; i < count; i++) {
            Datum *types = ARENA_ARRAY(rows->arena, Datum, MAX(p[i].ntypes, 1));

            for (int k = 0; k < p[i].ntypes; k++)
                types[k] = oid_datum(p[i].types[k]);
            fn_rows_add(rows, &v, &n);
            ROW_TEXT(0, p[i].name);
            ROW_TEXT(1, p[i].statement);
            ROW_SET(2, int64_datum(p[i].prepared));
            ROW_SET(3, array_construct_1d(rows->arena, REGTYPE_OID, types, NULL, p[i].ntypes));
            ROW_SET(4, bool_datum(p[i].from_sql));
            ROW_SET(5, int64_datum(p[i].generic_plans));
            ROW_SET(6, int64_datum(p[i].custom_plans));
        }
    }
    return fn_rows_next(c, out, outnull);
}

bool
setc_cursor(FnCtx *c, const Datum *args, Datum *out, bool *outnull)
{
    FnRows *rows = fn_rows_begin(c, 6);

    if (rows && session_list_cursors) {
        CursorView *p;
        int count = session_list_cursors(rows->arena, &p);
        Datum *v;
        bool *n;

        for (int i = 0; i < count; i++) {
            fn_rows_add(rows, &v, &n);
            ROW_TEXT(0, p[i].name);
            ROW_TEXT(1, p[i].statement);
            ROW_SET(2, bool_datum(p[i].holdable));
            ROW_SET(3, bool_datum(p[i].binary));
            ROW_SET(4, bool_datum(p[i].scrollable));
            ROW_SET(5, int64_datum(p[i].created));
        }
    }
    return fn_rows_next(c, out, outnull);
}

/* Views over what this server does not have: replication, prepared transactions, extensions, progress. */
bool
setc_empty(FnCtx *c, const Datum *args, Datum *out, bool *outnull)
{
    return false;
}
