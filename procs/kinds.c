/*
 * The table of process kinds. Adding a kind of process is adding a row: the supervisor starts,
 * restarts and stops by what stands here and knows no kind by name, but for the startup process
 * (whose end opens the instance) and sessions (which come with a socket).
 */
#include "procs/procs.h"

#include "walmgr/walmgr.h"

static bool
autovacuum_wanted(void)
{
    return autovacuum_enabled;
}

static bool
archiver_wanted(void)
{
    return wal_archiving();
}

const KindRow kind_rows[] = {
    {.kind = PROC_STARTUP, .name = "startup", .title = "startup ", .log_name = "startup process",
     .main = startup_main, .start = START_REDO, .exit_policy = EXIT_STRICT, .stop_phase = STOP_SESSIONS,
     .stop_signal = SIGTERM, .hears_reload = true},
    {.kind = PROC_CHECKPOINTER, .name = "checkpointer", .title = "checkpointer ",
     .log_name = "checkpointer process", .main = checkpointer_main, .start = START_RUN,
     .exit_policy = EXIT_STRICT, .stop_phase = STOP_CHECKPOINT, .stop_signal = SIGUSR2, .hears_reload = true},
    {.kind = PROC_BGWRITER, .name = "background writer", .title = "background writer ",
     .log_name = "background writer process", .main = bgwriter_main, .start = START_RUN,
     .exit_policy = EXIT_STRICT, .stop_phase = STOP_SESSIONS, .stop_signal = SIGTERM, .hears_reload = true},
    {.kind = PROC_WALWRITER, .name = "walwriter", .title = "walwriter ", .log_name = "WAL writer process",
     .main = walwriter_main, .start = START_RUN, .exit_policy = EXIT_STRICT, .stop_phase = STOP_SESSIONS,
     .stop_signal = SIGTERM, .hears_reload = true},
    {.kind = PROC_ARCHIVER, .name = "archiver", .title = "archiver ", .log_name = "archiver process",
     .main = archiver_main, .start = START_RUN, .wanted = archiver_wanted, .restart_delay_ms = 10000,
     .exit_policy = EXIT_SESSION, .stop_phase = STOP_LAST, .stop_signal = SIGUSR2, .hears_reload = true},
    {.kind = PROC_AUTOVAC_LAUNCHER, .name = "autovacuum launcher", .title = "autovacuum launcher ",
     .log_name = "autovacuum launcher process", .main = autovac_launcher_main, .start = START_RUN,
     .wanted = autovacuum_wanted, .restart_delay_ms = 1000, .exit_policy = EXIT_SESSION,
     .stop_phase = STOP_HELPERS, .stop_signal = SIGTERM, .hears_reload = true, .hears_cancel = true},
    {.kind = PROC_AUTOVAC_WORKER, .name = "autovacuum worker", .title = "autovacuum worker ",
     .log_name = "autovacuum worker process", .main = autovac_worker_main, .start = START_DEMAND,
     .exit_policy = EXIT_SESSION, .stop_phase = STOP_HELPERS, .stop_signal = SIGTERM, .hears_reload = true, .hears_cancel = true},
    {.kind = PROC_LOGICAL_LAUNCHER, .name = "logical replication launcher",
     .title = "logical replication launcher ", .log_name = "background worker \"logical replication launcher\"",
     .main = logical_launcher_main, .start = START_RUN, .restart_delay_ms = 5000, .exit_policy = EXIT_SESSION,
     .stop_phase = STOP_HELPERS, .stop_signal = SIGTERM, .hears_reload = true},
    {.kind = PROC_BACKEND, .name = "client backend", .log_name = "server process", .start = START_DEMAND,
     .exit_policy = EXIT_SESSION, .stop_phase = STOP_SESSIONS, .stop_signal = SIGTERM, .hears_reload = true,
     .hears_cancel = true},
};
const int kind_row_count = COUNT_OF(kind_rows);

const KindRow *
kind_row(ProcKind kind)
{
    for (int i = 0; i < kind_row_count; i++)
        if (kind_rows[i].kind == kind)
            return &kind_rows[i];
    return NULL;
}
