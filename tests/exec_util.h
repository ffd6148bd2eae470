/*
 * Shared by the executor's tests: an instance with a fresh database, and SQL run in this process from
 * text to rows of text (columns separated by '|', null as nothing).
 */
#ifndef TESTS_EXEC_UTIL_H
#define TESTS_EXEC_UTIL_H

#include "catalog_util.h"

#include "core/sql/exec/exec_internal.h"
#include "core/sql/sql.h"

static StrBuf exec_out;              /* rows of the last statement, one a line */
static char exec_error[512];         /* "SQLSTATE message", empty: it succeeded */
static char exec_detail[512];
static uint64_t exec_count;
static const RowDesc *exec_desc;

static void exec_dest_start(Dest *d, const RowDesc *desc) { exec_desc = desc; }
static void exec_dest_finish(Dest *d) {}
static bool
exec_dest_rows(Dest *d, const Batch *b)
{
    for (int k = 0; k < b->nsel; k++) {
        int row = batch_row(b, k);
        for (int c = 0; c < b->ncols; c++) {
            if (c)
                str_add_char(&exec_out, '|');
            if (!vec_null(&b->cols[c], row))
                value_print(&exec_out, exec_desc->cols[c].type, vec_get(&b->cols[c], row));
        }
        str_add_char(&exec_out, '\n');
    }
    return true;
}
static Dest exec_dest = {exec_dest_start, exec_dest_rows, exec_dest_finish, NULL};

static void
exec_plan(Arena *a, PlannedStmt *p, Exec **x)
{
    *x = exec_create(a, p);
    exec_start(*x, snapshot_active(), NULL, false);
    exec_run(*x, 0, false, &exec_dest);
    exec_count = exec_rows_processed(*x);
    exec_finish(*x);
    exec_destroy(*x);
    *x = NULL;
}

/* One statement in the transaction that is open. Raises. */
static void
exec_statement(Arena *a, const char *sql, Exec **x)
{
    List *raw = sql_parse(a, sql);

    for (int i = 0; i < list_count(raw); i++) {
        ParamTypes types = {.arena = a};
        snapshot_push_active(snapshot_for_statement());
        Node *n = sql_analyze(a, list_at(raw, i), sql, &types);
        if ((int)n->tag == TAG_UTILITY) {
            CommandContext c = {.arena = a, .text = sql, .dest = &exec_dest, .top_level = true};
            command_execute(&c, (UtilityStmt *)n);
        } else {
            List *plans = sql_plan_all(a, n, sql, NULL, 0);
            for (int p = 0; p < list_count(plans); p++)
                exec_plan(a, list_at(plans, p), x);
        }
        snapshot_pop_active();
        fk_statement_end();
        txn_command_increment();
    }
}

/* Runs SQL; true: it succeeded. In a transaction of its own unless one is open (begun by the test); an
 * error aborts either. */
static bool UNUSED
sql(const char *text)
{
    Arena *a = arena_create(arena_top(), "statement");
    Exec *volatile x = NULL;
    volatile bool own = !txn_in_progress(), ok = true;

    str_reset(&exec_out);
    exec_error[0] = exec_detail[0] = '\0';
    ERR_TRY {
        if (own)
            txn_begin();
        exec_statement(a, text, (Exec **)&x);
        if (own)
            txn_commit();
    } ERR_CATCH {
        const ErrReport *r = err_current();
        snprintf(exec_error, sizeof exec_error, "%s %s", sqlstate_text(r->sqlstate), r->message);
        if (r->detail)
            snprintf(exec_detail, sizeof exec_detail, "%s", r->detail);
        if (x)
            exec_abort(x);
        err_clear();
        txn_abort();
        ok = false;
    } ERR_END;
    arena_destroy(a);
    return ok;
}

static bool UNUSED
sql_gives(const char *text, const char *rows)
{
    bool ok = sql(text) && strcmp(exec_out.data, rows) == 0;

    if (!ok)
        fprintf(stderr, "\n%s\n gave %s%s\n not %s\n", text, exec_error, exec_out.data, rows);
    return ok;
}

static bool UNUSED
sql_fails(const char *text, const char *error)
{
    bool ok = !sql(text) && strncmp(exec_error, error, strlen(error)) == 0;

    if (!ok)
        fprintf(stderr, "\n%s\n gave %s%s\n not %s\n", text, exec_error, exec_out.data, error);
    return ok;
}

static bool UNUSED
sql_same(const char *one, const char *two)
{
    char *first;

    if (!sql(one)) {
        fprintf(stderr, "\n%s: %s\n", one, exec_error);
        return false;
    }
    first = strdup(exec_out.data);
    bool same = sql(two) && strcmp(first, exec_out.data) == 0;
    if (!same)
        fprintf(stderr, "\n%s\n gave\n%s\n%s\n gave %s\n%s\n", one, first, two, exec_error,
                exec_out.data);
    free(first);
    return same;
}

/* A process of the instance that runs SQL. */
static void UNUSED
exec_test_open(void)
{
    catalog_test_open();
    session_user_oid = current_user_oid = 10;
    str_init(&exec_out, arena_create(arena_top(), "rows"));
}

static void UNUSED
exec_test_register(void)
{
    catalog_test_register();
    sql_register();
    settings_boot();
    settings_set_argv("fsync", "off");
    settings_set_argv("log_min_messages", "fatal");
    settings_set_argv("shared_buffers", "16MB");
    settings_set_argv("deadlock_timeout", "50");
}

static void UNUSED
exec_test_make(void)
{
    MUST(test_instance(test_bootstrap, NULL) == 0);
    MUST(test_instance(catalog_test_init, NULL) == 0);
}

#endif
