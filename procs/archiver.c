/*
 * The archiver: hands each WAL file that is .ready to archive_command, and renames its status to .done
 * when the command has succeeded. It holds no lock and changes nothing shared but counters, so its death
 * harms nobody: the next one finds the same files .ready and goes on. A file may thus be archived twice
 * (the command succeeded, the rename did not happen); commands have to allow for that, as PostgreSQL's.
 *
 * A command that fails is tried three times, a second apart, then again after a minute or when the next
 * file is ready. One that dies by a signal, or that the shell could not run, is FATAL: the administrator
 * (or a stop) has ended it, and the supervisor starts a new archiver ten seconds later.
 */
#include "procs/procs.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/interrupt.h"
#include "core/base/settings.h"
#include "walmgr/walmgr.h"

#define BATCH 64
#define TRIES 3
#define RETRY_MS 1000
#define AUTOWAKE_MS 60000

static char batch[BATCH][WAL_ARCHIVE_NAME_BYTES];
static int batch_count;
static bool all_done; /* the last round left nothing it could do */

static void
show(const char *what, const char *name)
{
    proc_set_title("postgres: archiver %s %s", what, name);
}

/* The command's wait status as PostgreSQL reports it. False: to be tried again. */
static bool
judge(int status, const char *command, const char *name)
{
    if (status == 0)
        return true;
    show("failed on", name);
    /* 126 and 127: the shell could not run it; above 128: what it ran died by a signal */
    ErrLevel level = WIFSIGNALED(status) || (WIFEXITED(status) && WEXITSTATUS(status) > 125) ? LEVEL_FATAL : LEVEL_LOG;
    err_start(level, SQLSTATE_SUCCESS, __FILE__, __LINE__, __func__);
    if (WIFEXITED(status))
        err_message("archive command failed with exit code %d", WEXITSTATUS(status));
    else if (WIFSIGNALED(status))
        err_message("archive command was terminated by signal %d: %s", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        err_message("archive command exited with unrecognized status %d", status);
    err_detail("The failed archive command was: %s", command);
    if (level == LEVEL_FATAL) {
        wal_archive_count(name, true);
        err_throw();
    }
    err_finish();
    return false;
}

static bool
archive_one(const char *name)
{
    char path[MAX_PATH_BYTES];
    Arena *a = arena_create(arena_top(), "archive command");
    snprintf(path, sizeof(path), "pg_wal/%s", name);
    char *command = wal_expand_command(a, archive_command, path, name, NULL);
    REPORT(LEVEL_DEBUG3, SQLSTATE_SUCCESS, err_message("executing archive command \"%s\"", command));
    show("archiving", name);
    FAULT_POINT("archive_before_command");
    int status = wal_run_command(command, WAIT_EVENT_ARCHIVE_COMMAND);
    bool ok = false;
    if (status == -1)
        LOG("could not run archive command: %m");
    else
        ok = judge(status, command, name);
    arena_destroy(a);
    if (!ok)
        return false;
    REPORT(LEVEL_DEBUG1, SQLSTATE_SUCCESS, err_message("archived write-ahead log file \"%s\"", name));
    show("last was", name);
    return true;
}

/* Sleeps until woken; a reload or a request to finish counts. */
static void
sleep_ms(long ms)
{
    latch_wait(WAIT_LATCH | WAIT_TIMEOUT, -1, ms, WAIT_EVENT_ARCHIVER_MAIN);
    latch_reset(&proc_self->latch);
}

/* A second, however often the latch is set meanwhile: new files are no reason to hurry. */
static void
pause_before_retry(void)
{
    uint64_t until = clock_monotonic_us() + RETRY_MS * 1000;
    for (uint64_t now; !child_finish && (now = clock_monotonic_us()) < until;) {
        sleep_ms((long)((until - now) / 1000 + 1));
        CHECK_INTERRUPTS();
    }
}

/* A status file whose WAL file is gone (removed by hand): nothing will ever archive it. */
static bool
is_orphan(const char *name)
{
    char path[MAX_PATH_BYTES];
    snprintf(path, sizeof(path), "pg_wal/%s", name);
    if (access(path, F_OK) == 0 || errno != ENOENT)
        return false;
    wal_archive_forget(name);
    REPORT(LEVEL_WARNING, SQLSTATE_WARNING,
           err_message("removed orphan archive status file \"pg_wal/archive_status/%s.ready\"", name));
    return true;
}

static bool
is_configured(void)
{
    static bool warned;
    bool yes = archive_command && archive_command[0];
    if (!yes && !warned)
        REPORT(LEVEL_WARNING, SQLSTATE_WARNING, err_message("archive_mode enabled, yet archiving is not configured"));
    warned = !yes;
    return yes;
}

/* False: given up for now. */
static bool
archive_with_retries(const char *name)
{
    for (int tries = 0;;) {
        CHECK_INTERRUPTS(); /* a new archive_command takes effect at once */
        if (!is_configured())
            return false;
        if (is_orphan(name))
            return true;
        if (archive_one(name)) {
            wal_archive_mark_done(name);
            wal_archive_count(name, false);
            return true;
        }
        wal_archive_count(name, true);
        if (++tries >= TRIES) {
            REPORT(LEVEL_WARNING, SQLSTATE_WARNING,
                   err_message("archiving write-ahead log file \"%s\" failed too many times, will try again later", name));
            return false;
        }
        pause_before_retry();
        if (child_finish && tries >= TRIES - 1)
            return false;
    }
}

static void
archive_batch(void)
{
    batch_count = wal_archive_list(batch, BATCH);
    all_done = batch_count == 0;
    for (int i = 0; i < batch_count; i++) {
        if (!wal_archive_still_ready(batch[i]))
            continue;
        if (!archive_with_retries(batch[i])) {
            all_done = true;
            return;
        }
        if (wal_archive_list_is_stale())
            return;
    }
}

void
archiver_main(void)
{
    child_begin(kind_row(PROC_ARCHIVER), true);
    wal_archiver_register();
    for (;;) {
        /* Seen before the round: what is ready when the order to finish comes is archived. */
        bool last = child_finish;
        latch_reset(&proc_self->latch);
        CHECK_INTERRUPTS();
        bool ok = run_protected(archive_batch);
        if (ok && !all_done)
            continue;
        if (last)
            proc_exit(0);
        if (!child_finish)
            latch_wait(WAIT_LATCH | WAIT_TIMEOUT, -1, ok ? AUTOWAKE_MS : RETRY_MS, WAIT_EVENT_ARCHIVER_MAIN);
    }
}
