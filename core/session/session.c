/*
 * One session: attach, authenticate, open the database, serve messages until the client leaves.
 *
 * Error recovery: an ERROR unwinds to the message loop, which reports it, releases everything through the
 * transaction's abort, and, in the extended protocol, skips to the next Sync.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/probe.h"
#include "core/session/session_internal.h"

Arena *message_arena;
const char *session_query_text;
bool session_skip_till_sync;
static bool ready_needed;
static bool hooks_set;

void
session_set_query(const char *text)
{
    PROBE1(statement_start, text);
    session_query_text = text;
    /* relaxed: observers, and this process's own transaction start */
    TimestampTz now = clock_now();
    atomic_store_explicit(&proc_self->statement_start, now, memory_order_relaxed);
    session_show_active(text, now);
}

static const char *
statement_for_log(void)
{
    return session_query_text;
}

/* ---- ParameterStatus ---- */

static void
report_settings(void)
{
    const char *name;
    while ((name = settings_next_report()) != NULL) {
        const char *v = settings_get(message_arena, name, true);
        if (v)
            wire_send_parameter_status(name, v);
    }
}

/* ---- opening the database ---- */

static const CatRow *
find_database(const char *name)
{
    CatScan *s = cat_scan_begin(CAT_PG_DATABASE, 0, 0, NULL);
    const CatRow *r, *found = NULL;
    while ((r = cat_scan_next(s)) != NULL && found == NULL) {
        if (strncmp(datum_ptr(cat_val(r, PG_DATABASE_DATNAME)), name, NAME_BYTES) == 0)
            found = cat_get_by_oid(CAT_PG_DATABASE, datum_oid(cat_val(r, PG_DATABASE_OID)));
    }
    cat_scan_end(s);
    return found;
}

/* Settings of ALTER DATABASE/ROLE ... SET: "name=value" texts. */
static void
apply_role_settings(Oid db, Oid role, SettingSource source)
{
    CatScan *s = cat_scan_begin(CAT_PG_DB_ROLE_SETTING, 0, 0, NULL);
    const CatRow *r;
    while ((r = cat_scan_next(s)) != NULL) {
        if (datum_oid(cat_val(r, PG_DB_ROLE_SETTING_SETDATABASE)) != db || datum_oid(cat_val(r, PG_DB_ROLE_SETTING_SETROLE)) != role ||
            cat_null(r, PG_DB_ROLE_SETTING_SETCONFIG))
            continue;
        Datum *values;
        bool *nulls;
        int n;
        array_deconstruct(message_arena, cat_val(r, PG_DB_ROLE_SETTING_SETCONFIG), &values, &nulls, &n);
        for (int i = 0; i < n; i++) {
            char *text = var_to_cstring(message_arena, values[i]), *eq = strchr(text, '=');
            if (eq == NULL)
                continue;
            *eq = '\0';
            settings_set(text, eq + 1, CONTEXT_SUPERUSER, source, ACTION_SET);
        }
    }
    cat_scan_end(s);
}

static int
sessions_in_database(Oid db)
{
    int n = 0;
    for (int i = 0; i < proc_slot_count; i++)
        n += atomic_load_explicit(&proc_slots[i].pid, memory_order_relaxed) != 0 /* relaxed: a count for a limit, checked again by nobody */ &&
             atomic_load_explicit(&proc_slots[i].kind, memory_order_relaxed) == PROC_BACKEND &&
             atomic_load_explicit(&proc_slots[i].database, memory_order_relaxed) == db;
    return n;
}

static void
open_database(const char *name, bool check)
{
    const CatRow *r = find_database(name);
    if (r == NULL)
        RAISE_FATAL(SQLSTATE_UNDEFINED_DATABASE, "database \"%s\" does not exist", name);
    Oid db = datum_oid(cat_val(r, PG_DATABASE_OID));
    /* Released with the transaction. Whoever drops or copies the database has it exclusively (or shared) while
     * it counts sessions by their slots: it sees ours, or we see that the row is gone. */
    lock_acquire_or_raise(lock_tag_object(0, CAT_PG_DATABASE, db, 0), LOCK_ROW_EXCLUSIVE);
    atomic_store_explicit(&proc_self->database, db, memory_order_release); /* release: seen by a DROP's scan before it decides */
    catalog_accept_invalidations();
    r = find_database(name);
    if (r == NULL || datum_oid(cat_val(r, PG_DATABASE_OID)) != db) {
        err_start(LEVEL_FATAL, SQLSTATE_UNDEFINED_DATABASE, __FILE__, __LINE__, __func__);
        err_message("database \"%s\" does not exist", name);
        err_detail("It seems to have just been dropped or renamed.");
        err_throw();
    }
    if (check) {
        if (!datum_bool(cat_val(r, PG_DATABASE_DATALLOWCONN)))
            RAISE_FATAL(SQLSTATE_OBJECT_NOT_IN_PREREQUISITE_STATE, "database \"%s\" is not currently accepting connections", name);
        if (!acl_check(CAT_PG_DATABASE, db, session_user_oid, ACL_CONNECT)) {
            err_start(LEVEL_FATAL, SQLSTATE_INSUFFICIENT_PRIVILEGE, __FILE__, __LINE__, __func__);
            err_message("permission denied for database \"%s\"", name);
            err_detail("User does not have CONNECT privilege.");
            err_throw();
        }
        int limit = datum_int32(cat_val(r, PG_DATABASE_DATCONNLIMIT));
        if (limit >= 0 && !role_is_superuser(session_user_oid) && sessions_in_database(db) > limit)
            RAISE_FATAL(SQLSTATE_TOO_MANY_CONNECTIONS, "too many connections for database \"%s\"", name);
    }
    char *collate = cat_name(message_arena, r, PG_DATABASE_DATCOLLATE), *ctype = cat_name(message_arena, r, PG_DATABASE_DATCTYPE);
    collation_set_default(collate ? collate : "C", ctype ? ctype : "C");
    catalog_open_database(db);
}

/* ---- hooks ---- */

static void
at_txn_event(TxnEvent e, int nesting)
{
    notify_at_event(e, nesting);
    switch (e) {
    case TXN_PRE_COMMIT: case TXN_PRE_PREPARE: portals_at_commit(nesting); break;
    case TXN_ABORT: case TXN_SUB_ABORT: portals_at_abort(nesting); break;
    case TXN_SUB_COMMIT: portals_at_commit(nesting); break;
    default: break;
    }
}

static TimestampTz
statement_start(void)
{
    return atomic_load_explicit(&proc_self->statement_start, memory_order_relaxed); /* relaxed: own */
}

static void
set_hooks(void)
{
    if (hooks_set)
        return;
    hooks_set = true;
    session_hooks = (SessionHooks){
        .copy = &wire_copy_stream,
        .transaction_stmt = xact_statement,
        .prepare = prepared_statement,
        .execute = prepared_execute,
        .execute_desc = prepared_execute_desc,
        .deallocate = prepared_deallocate,
        .declare_cursor = portal_declare,
        .fetch = portal_fetch,
        .fetch_desc = portal_fetch_desc,
        .close_portal = portal_close,
        .discard = session_discard,
        .require_no_block = xact_require_no_block,
        .require_block = xact_require_block,
        .notify = notify_send,
        .listen = notify_listen,
        .explain_execute = prepared_explain,
        .cursor_position = portal_cursor_position,
        .relation_in_use = portal_uses_relation,
    };
    session_list_prepared = prepared_list_views;
    session_list_cursors = portal_list_views;
    session_notify_hooks = &notify_hooks;
    txn_on_event(at_txn_event);
    cached_plans_register();
    types_xact_start_time = txn_start_time; /* now() stands still within a transaction */
    types_statement_start_time = statement_start;
    err_statement_hook = statement_for_log;
}

void
session_discard(CommandContext *c, const PgQuery__DiscardStmt *s)
{
    switch (s->target) {
    case PG_QUERY__DISCARD_MODE__DISCARD_ALL:
        xact_require_no_block(c, "DISCARD ALL");
        portals_drop_all();
        settings_reset_all();
        prepared_drop_all();
        statement_cache_clear();
        notify_listen(NULL, false);
        lock_release_all(true);
        catalog_drop_temp();
        sequence_discard();
        break;
    case PG_QUERY__DISCARD_MODE__DISCARD_PLANS: cached_plans_invalidate_all(); break;
    case PG_QUERY__DISCARD_MODE__DISCARD_TEMP: catalog_drop_temp(); break;
    case PG_QUERY__DISCARD_MODE__DISCARD_SEQUENCES: sequence_discard(); break;
    default: break;
    }
}

/* ---- the message loop ---- */

static void
client_report(const ErrReport *r)
{
    if (wire_connected())
        wire_send_error(r, session_query_text);
}

static void
recover(void)
{
    interrupts_held++;
    wire_idle = false;
    session_note_error(err_current());
    session_timeouts_stop();
    err_emit(err_current());
    xact_abort_command();
    portals_after_error();
    lw_release_all();
    err_clear();
    arena_reset(message_arena);
    session_query_text = NULL;
    interrupts_held = 0;
    critical_depth = 0;
}

static void
send_ready(void)
{
    report_settings();
    if (!xact_in_explicit_block())
        notify_deliver();
    char s = xact_ready_status();
    session_show_idle(s);
    proc_set_title_activity(s == 'I' ? "idle" : s == 'T' ? "idle in transaction" : "idle in transaction (aborted)");
    PROBE1(statement_end, s);
    wire_send_ready(s);
    wire_flush();
    session_idle_begin(s);
}

static bool
is_extended(int type)
{
    return type == 'P' || type == 'B' || type == 'D' || type == 'E' || type == 'C' || type == 'H';
}

/* Returns false when the client is gone. */
static bool
serve_one(void)
{
    session_query_text = NULL; /* it may lie in what the next line frees */
    arena_reset(message_arena);
    if (ready_needed && !wire_sync_lost()) {
        ready_needed = false;
        send_ready();
    }
    wire_idle = true;
    int type = wire_read_message();
    wire_idle = false;
    session_idle_end();
    if (type == 0)
        session_stats_client_lost();
    if (type == 0 || type == 'X') {
        if (type == 0 && txn_in_progress())
            REPORT(LEVEL_LOG, SQLSTATE_CONNECTION_DOES_NOT_EXIST, err_message("unexpected EOF on client connection with an open transaction"));
        return false;
    }
    if (session_skip_till_sync && type != 'S')
        return true;
    if (type == 'Q' || type == 'F' || type == 'S')
        ready_needed = true; /* also if a cancel that came late ends it here */
    CHECK_INTERRUPTS();
    if (is_extended(type))
        session_skip_till_sync = false;
    if (session_replication && (is_extended(type) || type == 'F') && type != 'H')
        RAISE(SQLSTATE_PROTOCOL_VIOLATION, "extended query protocol not supported in a replication connection");
    switch (type) {
    case 'Q': {
        session_skip_till_sync = false;
        const char *text = wire_get_string();
        wire_get_end();
        text = arena_strdup(message_arena, text);
        if (session_replication == REPLICATION_NONE || !replication_command(text))
            simple_query(text);
        break;
    }
    case 'P': extended_parse(); break;
    case 'B': extended_bind(); break;
    case 'D': extended_describe(); break;
    case 'E': extended_execute(); break;
    case 'C': extended_close(); break;
    case 'H':
        wire_get_end();
        wire_flush();
        break;
    case 'S':
        session_skip_till_sync = false;
        wire_get_end();
        xact_end_implicit_block();
        xact_finish_command();
        break;
    case 'd': case 'c': case 'f': break; /* left over from a COPY that failed */
    case 'F':
        extended_function_call();
        break;
    default: RAISE_FATAL(SQLSTATE_PROTOCOL_VIOLATION, "invalid frontend message type %d", type);
    }
    return true;
}

static void
loop(void)
{
    volatile bool go_on = true;
    while (go_on) {
        ERR_TRY
        {
            go_on = serve_one();
        }
        ERR_CATCH
        {
            /* errors while an extended message ran are answered with silence until Sync */
            bool was_simple = ready_needed;
            recover();
            if (was_simple)
                session_skip_till_sync = false;
            else
                session_skip_till_sync = true;
        }
        ERR_END;
    }
}

static void
session_end(void)
{
    if (txn_in_progress())
        xact_abort_command();
    xact_reset();
    portals_drop_all();
    notify_end();
    session_drop_temporary();
}

static void
at_exit(void *arg)
{
    (void)arg;
    interrupts_held++;
    session_end();
    session_stats_at_exit();
    lock_release_all(true);
}

/* ---- settings from the startup packet ---- */

static void
apply_startup_settings(const WireStartup *w)
{
    for (int i = 0; i < w->noptions; i++)
        settings_set(w->names[i], w->values[i], role_is_superuser(session_user_oid) ? CONTEXT_SUPERUSER_BACKEND : CONTEXT_BACKEND, SOURCE_CLIENT, ACTION_SET);
    if (w->application)
        settings_set("application_name", w->application, CONTEXT_USER, SOURCE_CLIENT, ACTION_SET);
}

static void
identify(const WireStartup *w)
{
    snprintf(proc_self->user_name, NAME_BYTES, "%s", w->user);
    snprintf(proc_self->database_name, NAME_BYTES, "%s", w->database);
    snprintf(proc_self->client_addr, sizeof proc_self->client_addr, "%s", wire_remote_host);
    proc_self->client_port = wire_remote_port;
    atomic_store_explicit(&proc_self->role, session_user_oid, memory_order_relaxed); /* relaxed: observers only */
    log_identity.user = proc_self->user_name;
    log_identity.database = proc_self->database_name;
    log_identity.remote_host = wire_remote_host;
    proc_set_title("%s%s %s %s", w->replication ? "walsender " : "", w->user, w->database, strcmp(wire_remote_host, "[local]") == 0 ? "[local]" : arena_printf(message_arena, "%s(%d)", wire_remote_host, wire_remote_port));
}

static void
begin_session(const WireStartup *w)
{
    xact_start_command();
    snapshot_push_active(snapshot_latest());
    wire_authenticate(w);
    session_user_oid = current_user_oid = role_oid(w->user, false);
    identify(w);
    if (w->replication) {
        replication_begin(w);
        session_not_reusable();
    }
    if (session_replication != REPLICATION_PHYSICAL)
        open_database(w->database, true);
    Oid db = catalog_database;
    apply_role_settings(db, 0, SOURCE_DATABASE);
    apply_role_settings(0, session_user_oid, SOURCE_USER);
    apply_role_settings(db, session_user_oid, SOURCE_DATABASE_USER);
    apply_startup_settings(w);
    settings_set("session_authorization", w->user, CONTEXT_INTERNAL, SOURCE_OVERRIDE, ACTION_SET);
    settings_set("is_superuser", role_is_superuser(session_user_oid) ? "on" : "off", CONTEXT_INTERNAL, SOURCE_OVERRIDE, ACTION_SET);
    snapshot_pop_active();
    xact_finish_command();
    settings_report_all();
    report_settings();
    wire_send_backend_key(atomic_load_explicit(&proc_self->pid, memory_order_relaxed) /* relaxed: own */, proc_self->cancel_key);
}

bool
session_serve(int fd)
{
    if (message_arena == NULL)
        message_arena = arena_create(arena_top(), "message");
    session_begin_reusable();
    set_hooks();
    interrupts_process = session_process_interrupts;
    proc_on_exit(at_exit, NULL);
    wire_init(fd);
    err_client_hook = client_report;
    WireStartup w = {0};
    wire_read_startup(&w);
    if (w.is_cancel)
        session_forward_cancel(w.cancel_pid, w.cancel_key);
    if (w.is_cancel || w.user == NULL)
        return false;
    ERR_TRY
    {
        begin_session(&w);
    }
    ERR_CATCH
    {
        /* an ERROR before the session stands is its end */
        ErrReport *r = err_copy(arena_top(), err_current());
        err_clear();
        r->level = LEVEL_FATAL;
        err_throw_report(r);
    }
    ERR_END;
    session_timers_reset();
    session_stats_begin();
    ready_needed = true;
    session_skip_till_sync = false;
    loop();
    session_stats_end();
    session_end();
    wire_close();
    err_client_hook = NULL;
    return session_forget_client();
}

/* ---- without a client: initdb ---- */

void
session_attach_standalone(const char *database)
{
    message_arena = arena_create(arena_top(), "message");
    set_hooks();
    interrupts_process = session_process_interrupts;
    session_user_oid = current_user_oid = ROLE_BOOTSTRAP;
    xact_start_command();
    snapshot_push_active(snapshot_latest());
    open_database(database, false);
    snapshot_pop_active();
    xact_finish_command();
}

void
session_attach_worker(Oid database)
{
    message_arena = arena_create(arena_top(), "message");
    set_hooks();
    proc_on_exit(at_exit, NULL);
    session_user_oid = current_user_oid = 10;
    xact_start_command();
    snapshot_push_active(snapshot_latest());
    const CatRow *r = cat_get_by_oid(CAT_PG_DATABASE, database);
    if (r == NULL)
        RAISE_FATAL(SQLSTATE_UNDEFINED_DATABASE, "database %u does not exist", database);
    snprintf(proc_self->database_name, NAME_BYTES, "%s", cat_name(message_arena, r, PG_DATABASE_DATNAME));
    log_identity.database = proc_self->database_name;
    open_database(proc_self->database_name, false);
    apply_role_settings(database, 0, SOURCE_DATABASE);
    snapshot_pop_active();
    xact_finish_command();
}

void
session_run_script(const char *script)
{
    Arena *a = arena_create(arena_top(), "script");
    List *raws = sql_parse(a, script);
    for (int i = 0; i < raws->count; i++) {
        CachedPlan *p = cached_plan_new("script statement");
        cached_plan_init(p, script, raws->items[i], NULL, 0, false);
        session_query_text = script;
        xact_start_command();
        cached_plan_ready(p);
        Portal *portal = portal_create("", true);
        portal_bind(portal, p, NULL, NULL, 0);
        portal_run(portal, 0, &dest_none, true);
        portal_drop(portal);
        cached_plan_release(p);
        xact_finish_command();
        arena_reset(message_arena);
    }
    session_query_text = NULL;
    arena_destroy(a);
}
