/* Error reports: nesting, what a handler sees, what the log and the client get, FATAL and PANIC. */
#include <CUnit/Basic.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/interrupt.h"
#include "core/base/log.h"

extern int critical_depth;
static char client_text[256];
static int client_calls;

static void
client(const ErrReport *r)
{
    client_calls++;
    snprintf(client_text, sizeof(client_text), "%s", r->message);
}

/* Runs fn in a child; its standard error goes to out. Returns the wait status. */
static int
run_child(void (*fn)(void), char *out, size_t out_bytes)
{
    int fds[2];
    CU_ASSERT_FATAL(pipe(fds) == 0);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(fds[1], STDERR_FILENO);
        close(fds[0]);
        close(fds[1]);
        fn();
        _exit(77);
    }
    close(fds[1]);
    size_t n = 0;
    ssize_t got;
    while ((got = read(fds[0], out + n, out_bytes - 1 - n)) > 0)
        n += (size_t)got;
    out[n] = '\0';
    close(fds[0]);
    int status;
    waitpid(pid, &status, 0);
    return status;
}

static void
a_handler_sees_the_whole_report(void)
{
    volatile bool caught = false;
    ERR_TRY {
        errno = ENOENT;
        RAISE_ERR(SQLSTATE_UNIQUE_VIOLATION, err_message("duplicate %s: %m", "key"), err_detail("d%d", 1),
                  err_hint("h"), err_position(7), err_object("s", "t", "c", "ty", "con"));
    } ERR_CATCH {
        caught = true;
        const ErrReport *r = err_current();
        CU_ASSERT_EQUAL(r->level, LEVEL_ERROR);
        CU_ASSERT_EQUAL(r->sqlstate, SQLSTATE_UNIQUE_VIOLATION);
        CU_ASSERT_STRING_EQUAL(sqlstate_text(r->sqlstate), "23505");
        CU_ASSERT_STRING_EQUAL(r->message, "duplicate key: No such file or directory");
        CU_ASSERT_STRING_EQUAL(r->detail, "d1");
        CU_ASSERT_STRING_EQUAL(r->hint, "h");
        CU_ASSERT_EQUAL(r->position, 7);
        CU_ASSERT_STRING_EQUAL(r->constraint, "con");
        err_context("inner");
        err_context("outer");
        CU_ASSERT_STRING_EQUAL(err_current()->context, "inner\nouter");
        err_clear();
    } ERR_END;
    CU_ASSERT_TRUE(caught);
    CU_ASSERT_EQUAL(err_depth, 0);
    CU_ASSERT_PTR_NULL(err_top);
}

static void
an_error_in_a_handler_replaces_the_first(void)
{
    volatile int outer = 0;
    ERR_TRY {
        ERR_TRY {
            RAISE(SQLSTATE_DIVISION_BY_ZERO, "first");
        } ERR_CATCH {
            ERR_TRY {
                RAISE(SQLSTATE_SYNTAX_ERROR, "handled inside");
            } ERR_CATCH {
                CU_ASSERT_STRING_EQUAL(err_current()->message, "handled inside");
                err_clear();
            } ERR_END;
            CU_ASSERT_STRING_EQUAL(err_current()->message, "first");
            RAISE(SQLSTATE_UNDEFINED_TABLE, "second");
        } ERR_END;
    } ERR_CATCH {
        outer++;
        CU_ASSERT_STRING_EQUAL(err_current()->message, "second");
        CU_ASSERT_EQUAL(err_depth, 1);
        err_clear();
    } ERR_END;
    CU_ASSERT_EQUAL(outer, 1);
    CU_ASSERT_EQUAL(err_depth, 0);
}

static void
rethrow_and_copies_keep_the_report(void)
{
    Arena *a = arena_create(NULL, "test");
    ErrReport *volatile copy = NULL;
    volatile int seen = 0;
    ERR_TRY {
        ERR_TRY {
            RAISE_ERR(SQLSTATE_DATA_CORRUPTED, err_message("kept"), err_detail("detail"));
        } ERR_CATCH {
            copy = err_copy(a, err_current());
            err_rethrow();
        } ERR_END;
    } ERR_CATCH {
        seen++;
        CU_ASSERT_STRING_EQUAL(err_current()->message, "kept");
        err_clear();
    } ERR_END;
    ERR_TRY {
        err_throw_report(copy);
    } ERR_CATCH {
        seen++;
        CU_ASSERT_STRING_EQUAL(err_current()->detail, "detail");
        CU_ASSERT_EQUAL(err_current()->sqlstate, SQLSTATE_DATA_CORRUPTED);
        err_clear();
    } ERR_END;
    CU_ASSERT_EQUAL(seen, 2);
    arena_destroy(a);
}

static void
levels_decide_who_hears(void)
{
    err_client_hook = client;
    client_calls = 0;
    REPORT(LEVEL_NOTICE, SQLSTATE_SUCCESS, err_message("to the client"));
    CU_ASSERT_EQUAL(client_calls, 1);
    CU_ASSERT_STRING_EQUAL(client_text, "to the client");
    REPORT(LEVEL_DEBUG1, SQLSTATE_SUCCESS, err_message("to nobody"));
    CU_ASSERT_EQUAL(client_calls, 1);
    CU_ASSERT_FALSE(err_wanted(LEVEL_DEBUG1));
    client_min_messages = LEVEL_ERROR;
    REPORT(LEVEL_NOTICE, SQLSTATE_SUCCESS, err_message("not wanted"));
    CU_ASSERT_EQUAL(client_calls, 1);
    REPORT(LEVEL_INFO, SQLSTATE_SUCCESS, err_message("always"));
    CU_ASSERT_EQUAL(client_calls, 2);
    client_min_messages = LEVEL_NOTICE;
    err_client_hook = NULL;
    CU_ASSERT_EQUAL(err_depth, 0);
}

static const char *
statement(void)
{
    return "select\n1/0";
}

static void
child_logs(void)
{
    log_line_prefix = "%e [%p] %q%u@%d ";
    err_statement_hook = statement;
    log_identity.user = "u";
    ERR_TRY {
        RAISE_ERR(SQLSTATE_DIVISION_BY_ZERO, err_message("two\nlines"), err_detail("more"), err_position(4));
    } ERR_CATCH {
        err_emit(err_current());
        err_clear();
    } ERR_END;
    err_statement_hook = NULL;
    log_line_prefix = "%-6u|%6d|%% ";
    log_identity.is_session = true;
    LOG("hello");
    _exit(0);
}

static void
the_log_has_postgresqls_shape(void)
{
    char out[1024], want[1024];
    int status = run_child(child_logs, out, sizeof(out));
    CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    const char *pid = strchr(out, '[');
    CU_ASSERT_PTR_NOT_NULL_FATAL(pid);
    int p = atoi(pid + 1);
    snprintf(want, sizeof(want),
             "22012 [%d] ERROR:  two\n\tlines at character 5\n22012 [%d] DETAIL:  more\n"
             "22012 [%d] STATEMENT:  select\n\t1/0\nu     |[unknown]|%% LOG:  hello\n", p, p, p);
    CU_ASSERT_STRING_EQUAL(out, want);
}

static void
child_fatal(void)
{
    RAISE_FATAL(SQLSTATE_TOO_MANY_CONNECTIONS, "sorry, too many clients already");
}

static void
child_unhandled(void)
{
    RAISE(SQLSTATE_INTERNAL_ERROR, "nobody catches");
}

static void
child_panic(void)
{
    PANIC("broken");
}

static void
child_critical(void)
{
    ERR_TRY {
        critical_depth = 1;
        RAISE(SQLSTATE_IO_ERROR, "in a critical section");
    } ERR_CATCH {
        _exit(3);
    } ERR_END;
}

static void
fatal_ends_the_process_and_panic_aborts(void)
{
    char out[1024];
    int status = run_child(child_fatal, out, sizeof(out));
    CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(out, "FATAL:  sorry, too many clients already"));
    status = run_child(child_unhandled, out, sizeof(out));
    CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(out, "FATAL:  nobody catches"));
    status = run_child(child_panic, out, sizeof(out));
    CU_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    CU_ASSERT_PTR_NOT_NULL(strstr(out, "PANIC:  broken"));
    status = run_child(child_critical, out, sizeof(out));
    CU_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    CU_ASSERT_PTR_NOT_NULL(strstr(out, "PANIC:  in a critical section"));
}

static void
codes_map_to_sqlstates(void)
{
    static const struct { ErrCode code; int errnum; const char *state, *message; } cases[] = {
        {ERR_IO, EIO, "58030", "could not read: Input/output error"},
        {ERR_IO, ENOENT, "58P01", "could not read: No such file or directory"},
        {ERR_IO, 0, "58030", "could not read"},
        {ERR_NO_SPACE, ENOSPC, "53100", "could not read: No space left on device"},
        {ERR_CORRUPT, 0, "XX001", "could not read"},
        {ERR_NO_MEMORY, 0, "53200", "out of memory"},
        {ERR_NO_VICTIM, 0, "53000", "no unpinned buffers available"},
        {ERR_DEADLOCK, 0, "40P01", "deadlock detected"},
        {ERR_INTERRUPTED, 0, "57014", "canceling statement due to user request"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        err_sys_set(cases[i].errnum, "could not %s", "read");
        volatile bool caught = false;
        ERR_TRY {
            RAISE_ON(cases[i].code);
        } ERR_CATCH {
            caught = true;
            CU_ASSERT_STRING_EQUAL(sqlstate_text(err_current()->sqlstate), cases[i].state);
            CU_ASSERT_STRING_EQUAL(err_current()->message, cases[i].message);
            err_clear();
        } ERR_END;
        CU_ASSERT_TRUE(caught);
    }
    RAISE_ON(ERR_OK);
}

#ifdef ENABLE_FAULT_POINTS
static void
child_faults(void)
{
    setenv("POSTHASTE_FAULT", "other:crash,here:error,there:crash:3", 1);
    volatile int raised = 0;
    ERR_TRY {
        FAULT_POINT("here");
    } ERR_CATCH {
        raised = 1;
        err_clear();
    } ERR_END;
    FAULT_POINT("here"); /* once only */
    FAULT_POINT("there");
    FAULT_POINT("there");
    if (raised)
        FAULT_POINT("there");
}

static void
fault_points_act_when_their_turn_comes(void)
{
    char out[1024];
    int status = run_child(child_faults, out, sizeof(out));
    CU_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}
#endif

static int processed;

static void
process(void)
{
    processed++;
    interrupts_clear(INTERRUPT_CANCEL);
}

static void
interrupts_wait_until_they_may_act(void)
{
    interrupts_process = process;
    CHECK_INTERRUPTS();
    CU_ASSERT_EQUAL(processed, 0);
    interrupts_raise(INTERRUPT_CANCEL);
    interrupts_held = 1;
    CHECK_INTERRUPTS();
    CU_ASSERT_EQUAL(processed, 0);
    interrupts_held = 0;
    CHECK_INTERRUPTS();
    CHECK_INTERRUPTS();
    CU_ASSERT_EQUAL(processed, 1);
}

int
main(void)
{
    CU_initialize_registry();
    CU_pSuite s = CU_add_suite("base_err", NULL, NULL);
    CU_ADD_TEST(s, a_handler_sees_the_whole_report);
    CU_ADD_TEST(s, an_error_in_a_handler_replaces_the_first);
    CU_ADD_TEST(s, rethrow_and_copies_keep_the_report);
    CU_ADD_TEST(s, levels_decide_who_hears);
    CU_ADD_TEST(s, the_log_has_postgresqls_shape);
    CU_ADD_TEST(s, fatal_ends_the_process_and_panic_aborts);
    CU_ADD_TEST(s, codes_map_to_sqlstates);
#ifdef ENABLE_FAULT_POINTS
    CU_ADD_TEST(s, fault_points_act_when_their_turn_comes);
#endif
    CU_ADD_TEST(s, interrupts_wait_until_they_may_act);
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    unsigned failed = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failed != 0;
}
