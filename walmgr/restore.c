/*
 * Where recovery finds the log: the archive first, through restore_command, then pg_wal; along the
 * history of the timeline it is to reach.
 *
 * A file from the archive is fetched under a name of its own, synced, and only then renamed to its place:
 * a command that dies half way leaves nothing that could pass for log. The second reader of redo.c opens
 * the same segments a little earlier, so what has been fetched lately is remembered.
 */
#include "walmgr/recovery.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/interrupt.h"
#include "core/file/io.h"
#include "core/file/relfile.h"

#define REMEMBERED 16u
static struct { uint64_t segment; uint32_t timeline; } fetched[REMEMBERED];
static unsigned fetched_next;

static const char *
command_for(Arena *a, const char *name, const char *path)
{
    const char *restart = recovery.restart_file[0] ? recovery.restart_file : "000000000000000000000000";
    return wal_expand_command(a, restore_command, path, name, restart);
}

/* The command's end as PostgreSQL takes it: a signal, or a shell that could not run it, ends recovery. */
static bool
judge(int status, const char *name)
{
    if (status == 0)
        return true;
    if (status == -1) {
        LOG("could not run restore_command: %m");
        return false;
    }
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM)
        proc_exit(1); /* a stop of the whole machine reaches the command first */
    bool hard = WIFSIGNALED(status) || WEXITSTATUS(status) > 125;
    err_start(hard ? LEVEL_FATAL : LEVEL_DEBUG2, SQLSTATE_SYSTEM_ERROR, __FILE__, __LINE__, __func__);
    if (WIFSIGNALED(status))
        err_message("could not restore file \"%s\" from archive: child process was terminated by signal %d: %s", name,
                    WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        err_message("could not restore file \"%s\" from archive: child process exited with exit code %d", name,
                    WEXITSTATUS(status));
    if (hard)
        err_throw();
    err_finish();
    return false;
}

static bool
check_size(const char *name, const char *path, int64_t bytes)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        REPORT(errno == ENOENT ? LEVEL_LOG : LEVEL_FATAL, err_sqlstate_of_errno(errno),
               err_message("could not stat file \"%s\": %m", path),
               err_detail("\"restore_command\" returned a zero exit status, but stat() failed."));
        return false;
    }
    if (bytes > 0 && st.st_size != bytes) {
        if (recovery.standby && st.st_size < bytes) { /* it is being copied: later */
            REPORT(LEVEL_DEBUG1, SQLSTATE_SUCCESS,
                   err_message("archive file \"%s\" has wrong size: %lld instead of %lld", name, (long long)st.st_size,
                               (long long)bytes));
            return false;
        }
        RAISE_FATAL(SQLSTATE_OBJECT_NOT_IN_PREREQUISITE_STATE, "archive file \"%s\" has wrong size: %lld instead of %lld",
                    name, (long long)st.st_size, (long long)bytes);
    }
    return true;
}

bool
restore_from_archive(const char *name, const char *as, int64_t bytes)
{
    char path[MAX_PATH_BYTES];
    if (!recovery.fetching || !restore_command || !restore_command[0])
        return false;
    snprintf(path, sizeof(path), "%s/%s", WAL_DIR, as);
    if (io_unlink(path) != 0 && errno != ENOENT)
        RAISE_FATAL(err_sqlstate_of_errno(errno), "could not remove file \"%s\": %m", path);
    Arena *a = arena_create(NULL, "restore command");
    const char *command = command_for(a, name, path);
    REPORT(LEVEL_DEBUG3, SQLSTATE_SUCCESS, err_message("executing restore command \"%s\"", command));
    FAULT_POINT("restore_before_command");
    int status = wal_run_command(command, WAL_WAIT_RESTORE_COMMAND);
    CHECK_INTERRUPTS(); /* a terminate that ended the command */
    bool ok = judge(status, name) && check_size(name, path, bytes);
    arena_destroy(a);
    if (ok)
        LOG("restored log file \"%s\" from archive", name);
    return ok;
}

static bool
was_fetched(uint64_t segment, uint32_t timeline)
{
    for (unsigned i = 0; i < REMEMBERED; i++)
        if (fetched[i].segment == segment && fetched[i].timeline == timeline)
            return true;
    return false;
}

void
restore_forget(void)
{
    memset(fetched, 0, sizeof(fetched));
}

static void
sync_file(const char *path)
{
    int fd = io_open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 || (enable_fsync && io_fsync(fd) != 0))
        RAISE_FATAL(err_sqlstate_of_errno(errno), "could not fsync file \"%s\": %m", path);
    io_close(fd);
}

/* Into its place, from where the next start, or a later end of this one, will read it. */
static void
install(uint64_t segment, uint32_t timeline, const char *name)
{
    char path[MAX_PATH_BYTES];
    wal_segment_path(segment, timeline, path, sizeof(path));
    sync_file(WAL_DIR "/RECOVERYXLOG");
    FAULT_POINT("restore_before_rename");
    if (io_rename(WAL_DIR "/RECOVERYXLOG", path) != 0)
        RAISE_FATAL(err_sqlstate_of_errno(errno), "could not rename file \"%s\" to \"%s\": %m", WAL_DIR "/RECOVERYXLOG", path);
    if (file_sync_dir(WAL_DIR) != ERR_OK)
        RAISE_FATAL(SQLSTATE_IO_ERROR, "could not fsync directory \"%s\"", WAL_DIR);
    if (archive_mode == ARCHIVE_ALWAYS && wal_archiving())
        wal_archive_notify(name);
    else
        wal_archive_force_done(name);
    fetched[fetched_next].segment = segment;
    fetched[fetched_next].timeline = timeline;
    fetched_next = (fetched_next + 1) % REMEMBERED;
}

static int
open_one(uint64_t segment, uint32_t timeline, char *path, size_t n)
{
    char name[40];
    wal_segment_name(segment, timeline, name, sizeof(name));
    wal_segment_path(segment, timeline, path, n);
    if (!was_fetched(segment, timeline) && restore_from_archive(name, "RECOVERYXLOG", WAL_SEGMENT_BYTES))
        install(segment, timeline, name);
    return io_open(path, O_RDONLY | O_CLOEXEC);
}

/*
 * The newest timeline that has begun in this segment or before holds all of it, the older ones' part
 * copied. If that file is missing an older one serves, but only up to where its timeline was left: what it
 * holds behind that belongs to another history.
 */
int
recovery_open_segment(uint64_t segment, Lsn at, char *path, size_t n, Lsn *limit)
{
    const TimelineHistory *h = recovery.history;
    int fd = -1;
    path[0] = '\0';
    for (int i = h->count - 1; i >= 0 && fd < 0; i--) {
        const TimelineEntry *e = &h->entries[i];
        if (wal_segment_of(e->begin) > segment || e->end <= at)
            continue;
        char candidate[MAX_PATH_BYTES];
        fd = open_one(segment, e->timeline, candidate, sizeof(candidate));
        if (fd >= 0 || path[0] == '\0')
            snprintf(path, n, "%s", candidate);
        if (fd < 0 && errno != ENOENT)
            return -1;
        *limit = e->end;
    }
    return fd;
}

void
restore_cleanup(void)
{
    static const char *const names[] = {WAL_DIR "/RECOVERYXLOG", WAL_DIR "/RECOVERYHISTORY"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (io_unlink(names[i]) != 0 && errno != ENOENT)
            LOG("could not remove file \"%s\": %m", names[i]);
}
