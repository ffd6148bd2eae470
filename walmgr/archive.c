/*
 * Archive status: for each file of pg_wal that the archiver has to copy there is NAME.ready in
 * pg_wal/archive_status, and NAME.done when the copy is safe. The status lies in the file system and
 * nowhere else, so it survives any crash.
 *
 * NAME.ready is made by whoever makes a segment durable to its end. If that process dies in between,
 * or the directory is full, nothing is lost: a segment goes only if it is .done, and whoever finds
 * neither file makes .ready (README, rule 11).
 */
#include "walmgr/wal_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/settings.h"
#include "core/file/io.h"
#include "core/file/relfile.h"

#define STATUS_DIR WAL_DIR "/archive_status"
#define NAME_MIN 16 /* 00000002.history */
#define NAME_MAX_BYTES 40

int archive_mode, archive_timeout_s;
char *archive_command, *archive_library;

/* ---- settings ---- */

static const SettingEnum archive_modes[] = {
    {"always", ARCHIVE_ALWAYS, false}, {"on", ARCHIVE_ON, false}, {"off", ARCHIVE_OFF, false},
    {"true", ARCHIVE_ON, true}, {"false", ARCHIVE_OFF, true}, {"yes", ARCHIVE_ON, true},
    {"no", ARCHIVE_OFF, true}, {"1", ARCHIVE_ON, true}, {"0", ARCHIVE_OFF, true}, {NULL, 0, false},
};

static bool
check_library(const SettingDef *def, const char **value, SettingSource source)
{
    if ((*value)[0] == '\0')
        return true;
    settings_check_message(SQLSTATE_FEATURE_NOT_SUPPORTED,
                           "\"archive_library\" is not supported: this server loads no libraries");
    settings_check_hint("Use \"archive_command\".");
    return false;
}

static const char *
show_command(Arena *a)
{
    return archive_mode == ARCHIVE_OFF ? "(disabled)" : archive_command;
}

#define ARCHIVING "Write-Ahead Log / Archiving"
static const SettingDef defs[] = {
    {.name = "archive_mode", .type = SETTING_ENUM, .context = CONTEXT_POSTMASTER, .group = ARCHIVING,
     .description = "Archives WAL files.", .variable = &archive_mode, .boot = "off", .options = archive_modes},
    {.name = "archive_command", .type = SETTING_STRING, .context = CONTEXT_SIGHUP, .group = ARCHIVING,
     .description = "The shell command that archives a WAL file.", .variable = &archive_command, .boot = "",
     .show = show_command},
    {.name = "archive_library", .type = SETTING_STRING, .context = CONTEXT_SIGHUP, .group = ARCHIVING,
     .description = "The library that archives a WAL file.", .variable = &archive_library, .boot = "",
     .check = check_library},
    {.name = "archive_timeout", .type = SETTING_INT, .context = CONTEXT_SIGHUP, .unit = UNIT_S, .group = ARCHIVING,
     .description = "Time after which a WAL file is closed though it is not full.", .variable = &archive_timeout_s,
     .boot = "0", .min = 0, .max = 1073741823},
};

void
wal_archive_settings_register(void)
{
    settings_register(defs, (int)COUNT_OF(defs));
}

bool
wal_archiving(void)
{
    return archive_mode != ARCHIVE_OFF && wal_level >= WAL_LEVEL_REPLICA;
}

/* ---- status files ---- */

static void
status_path(const char *name, const char *suffix, char *out, size_t n)
{
    snprintf(out, n, "%s/%s%s", STATUS_DIR, name, suffix);
}

static bool
status_exists(const char *name, const char *suffix)
{
    char path[MAX_PATH_BYTES];
    status_path(name, suffix, path, sizeof(path));
    return access(path, F_OK) == 0;
}

static bool
is_history(const char *name)
{
    const char *dot = strchr(name, '.');
    return dot && strcmp(dot, ".history") == 0;
}

void
wal_archiver_wake(void)
{
    /* relaxed: set once by the archiver; a missed one looks by itself within a minute */
    uint32_t slot = atomic_load_explicit(&wal_shared->archiver_slot, memory_order_relaxed);
    if (slot)
        latch_set(&proc_slots[slot - 1].latch);
}

/* Also inside a critical section: a failure is only logged, since a later look makes up for it. */
void
wal_archive_notify(const char *name)
{
    char path[MAX_PATH_BYTES];
    status_path(name, ".ready", path, sizeof(path));
    FAULT_POINT("archive_before_ready");
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        LOG("could not create archive status file \"%s\": %m", path);
        return;
    }
    close(fd);
    if (is_history(name)) /* release: the archiver drops the list it has and looks again */
        atomic_store_explicit(&wal_shared->archive_look_again, 1, memory_order_release);
    wal_archiver_wake();
}

void
wal_archive_segment_filled(uint64_t segment, uint32_t timeline)
{
    char name[40];
    if (!wal_archiving())
        return;
    wal_segment_name(segment, timeline, name, sizeof(name));
    wal_archive_notify(name);
}

bool
wal_archive_is_done(const char *name)
{
    return status_exists(name, ".done");
}

bool
wal_archive_may_remove(const char *name)
{
    if (!wal_archiving() || (wal_in_archive_recovery() && archive_mode != ARCHIVE_ALWAYS))
        return true;
    if (wal_archive_is_done(name))
        return true;
    if (!status_exists(name, ".ready"))
        wal_archive_notify(name);
    return false;
}

void
wal_archive_mark_done(const char *name)
{
    char ready[MAX_PATH_BYTES], done[MAX_PATH_BYTES];
    status_path(name, ".ready", ready, sizeof(ready));
    status_path(name, ".done", done, sizeof(done));
    FAULT_POINT("archive_before_done");
    if (rename(ready, done) != 0)
        RAISE(err_sqlstate_of_errno(errno), "could not rename file \"%s\" to \"%s\": %m", ready, done);
    if (file_sync_dir(STATUS_DIR) != ERR_OK)
        RAISE(SQLSTATE_IO_ERROR, "could not fsync directory \"%s\"", STATUS_DIR);
}

void
wal_archive_force_done(const char *name)
{
    char ready[MAX_PATH_BYTES], done[MAX_PATH_BYTES];
    status_path(name, ".ready", ready, sizeof(ready));
    status_path(name, ".done", done, sizeof(done));
    if (access(done, F_OK) == 0)
        return;
    if (access(ready, F_OK) == 0 && rename(ready, done) == 0)
        return;
    int fd = open(done, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        LOG("could not create archive status file \"%s\": %m", done);
        return;
    }
    close(fd);
}

void
wal_archive_forget(const char *name)
{
    char path[MAX_PATH_BYTES];
    status_path(name, ".done", path, sizeof(path));
    unlink(path);
    status_path(name, ".ready", path, sizeof(path));
    unlink(path);
}

void
wal_archive_make_directory(void)
{
    if (access(STATUS_DIR, F_OK) == 0 || errno != ENOENT)
        return;
    LOG("creating missing WAL directory \"%s\"", STATUS_DIR); /* a backup without it */
    if (io_mkdir(STATUS_DIR, 0700) != 0)
        RAISE_FATAL(err_sqlstate_of_errno(errno), "could not create missing directory \"%s\": %m", STATUS_DIR);
}

/* Whole segments before `end` whose filler died before it could leave word. */
void
wal_archive_catch_up(Lsn end, uint32_t timeline)
{
    uint64_t segment;
    uint32_t file_timeline;
    if (!wal_archiving())
        return;
    DIR *d = opendir(WAL_DIR);
    if (!d) {
        LOG("could not open directory \"%s\": %m", WAL_DIR);
        return;
    }
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        if (wal_segment_parse(e->d_name, &segment, &file_timeline) && file_timeline == timeline &&
            segment < wal_segment_of(end))
            (void)wal_archive_may_remove(e->d_name);
    closedir(d);
}

/* ---- what is to do ---- */

/* Cuts the suffix of a .ready file's name off; false: another file. */
static bool
ready_name(const char *file, char *name)
{
    size_t n = strlen(file);
    if (n < NAME_MIN + 6 || n > NAME_MAX_BYTES + 6 || strcmp(file + n - 6, ".ready") != 0)
        return false;
    memcpy(name, file, n - 6);
    name[n - 6] = '\0';
    return strspn(name, "0123456789ABCDEF.historybackuppartial") == n - 6;
}

/* Histories first: whoever restores needs them to find its way; then by name, which is by age. */
static bool
comes_before(const char *a, const char *b)
{
    bool ha = is_history(a), hb = is_history(b);
    return ha != hb ? ha : strcmp(a, b) < 0;
}

int
wal_archive_list(char (*names)[WAL_ARCHIVE_NAME_BYTES], int max)
{
    int n = 0;
    char name[WAL_ARCHIVE_NAME_BYTES];
    /* acquire: pairs with wal_archive_notify; what comes later is seen by the next look */
    atomic_exchange_explicit(&wal_shared->archive_look_again, 0, memory_order_acquire);
    DIR *d = opendir(STATUS_DIR);
    if (!d)
        RAISE(err_sqlstate_of_errno(errno), "could not open directory \"%s\": %m", STATUS_DIR);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        if (!ready_name(e->d_name, name) || (n == max && !comes_before(name, names[max - 1])))
            continue;
        int at = n == max ? max - 1 : n++;
        for (; at > 0 && comes_before(name, names[at - 1]); at--)
            memcpy(names[at], names[at - 1], WAL_ARCHIVE_NAME_BYTES);
        memcpy(names[at], name, sizeof(name));
    }
    closedir(d);
    return n;
}

bool
wal_archive_list_is_stale(void)
{
    /* acquire: see wal_archive_list */
    return atomic_load_explicit(&wal_shared->archive_look_again, memory_order_acquire);
}

bool
wal_archive_still_ready(const char *name)
{
    return status_exists(name, ".ready");
}

void
wal_archiver_register(void)
{
    /* relaxed: read by wal_archiver_wake at any later time */
    atomic_store_explicit(&wal_shared->archiver_slot, proc_self->index + 1, memory_order_relaxed);
}

/* ---- pg_stat_archiver ---- */

void
wal_archive_count(const char *name, bool failed)
{
    WalArchiveStats *s = &wal_shared->archive_stats;
    wal_lock_take(&wal_shared->archive_stats_lock, WAL_WAIT_CONTROL_LOCK);
    if (failed) {
        s->failed++;
        snprintf(s->last_failed, sizeof(s->last_failed), "%s", name);
        s->last_failed_time = clock_now();
    } else {
        s->archived++;
        snprintf(s->last_archived, sizeof(s->last_archived), "%s", name);
        s->last_archived_time = clock_now();
    }
    wal_lock_release(&wal_shared->archive_stats_lock);
}

void
wal_archive_stats(WalArchiveStats *out)
{
    wal_lock_take(&wal_shared->archive_stats_lock, WAL_WAIT_CONTROL_LOCK);
    *out = wal_shared->archive_stats;
    wal_lock_release(&wal_shared->archive_stats_lock);
}

void
wal_archive_stats_reset(void)
{
    wal_lock_take(&wal_shared->archive_stats_lock, WAL_WAIT_CONTROL_LOCK);
    wal_shared->archive_stats = (WalArchiveStats){.reset_time = clock_now()};
    wal_lock_release(&wal_shared->archive_stats_lock);
}
