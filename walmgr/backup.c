/*
 * Base backups taken while the server runs: where the copy of the files becomes valid.
 *
 * Start: a checkpoint whose redo point R no other backup has; from R on the log holds an image of each page
 * before its first change, so pages that are copied while they are written are made whole by redo. Stop: an
 * end-of-backup record naming R. Whoever restores must replay from R up to that record: what was copied
 * last may be as new as that.
 *
 * Two backups may run at once; each is known by its R.
 */
#include "walmgr/wal_internal.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/interrupt.h"
#include "core/file/io.h"
#include "core/file/relfile.h"

static void
require_running(void)
{
    if (wal_in_recovery())
        RAISE_ERR(SQLSTATE_OBJECT_NOT_IN_PREREQUISITE_STATE, err_message("recovery is in progress"),
                  err_hint("WAL control functions cannot be executed during recovery."));
    if (wal_level < WAL_LEVEL_REPLICA)
        RAISE_ERR(SQLSTATE_OBJECT_NOT_IN_PREREQUISITE_STATE, err_message("WAL level not sufficient for making an online backup"),
                  err_hint("wal_level must be set to \"replica\" or \"logical\" at server start."));
}

/* True: no backup has begun at `start` or later. */
static bool
claim_start(Lsn start)
{
    /* relaxed: only the value itself counts */
    Lsn last = atomic_load_explicit(&wal_shared->last_backup_start, memory_order_relaxed);
    while (last < start)
        if (atomic_compare_exchange_weak_explicit(&wal_shared->last_backup_start, &last, start, memory_order_relaxed,
                                                  memory_order_relaxed))
            return true;
    return false;
}

static void
begin(WalBackup *b, bool fast)
{
    wal_switch_and_flush(); /* the backup's log begins with a file of its own */
    do {
        wal_request_checkpoint(CHECKPOINT_FORCE | CHECKPOINT_WAIT | (fast ? CHECKPOINT_IMMEDIATE : 0));
        control_lock();
        b->checkpoint = control_file->checkpoint;
        b->start = control_file->checkpoint_copy.redo;
        b->start_timeline = control_file->checkpoint_copy.timeline;
        control_unlock();
    } while (!claim_start(b->start));
    b->start_time = clock_now();
}

void
wal_backup_abort(WalBackup *b)
{
    if (!b->running)
        return;
    b->running = false;
    /* relaxed: a count the next checkpoint looks at */
    atomic_fetch_sub_explicit(&wal_shared->running_backups, 1, memory_order_relaxed);
}

void
wal_backup_start(WalBackup *b, const char *label, bool fast)
{
    require_running();
    if (strlen(label) > BACKUP_LABEL_BYTES_MAX)
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "backup label too long (max %d bytes)", BACKUP_LABEL_BYTES_MAX);
    memset(b, 0, sizeof(*b));
    snprintf(b->label, sizeof(b->label), "%s", label);
    /* seq_cst: before the checkpoint that is asked for next; its process reads it under the request's lock */
    atomic_fetch_add_explicit(&wal_shared->running_backups, 1, memory_order_seq_cst);
    b->running = true;
    ERR_TRY {
        begin(b, fast);
    } ERR_CATCH {
        wal_backup_abort(b);
        err_rethrow();
    } ERR_END;
}

static void
label_body(StrBuf *s, const WalBackup *b)
{
    str_printf(s, "CHECKPOINT LOCATION: %s\nBACKUP METHOD: streamed\nBACKUP FROM: primary\nSTART TIME: %s\nLABEL: %s\n"
                  "START TIMELINE: %u\n", lsn_text(b->checkpoint), wal_time_text(b->start_time), b->label, b->start_timeline);
}

char *
wal_backup_label_text(Arena *a, const WalBackup *b)
{
    char name[40];
    StrBuf s;
    str_init(&s, a);
    wal_segment_name(wal_segment_of(b->start), b->start_timeline, name, sizeof(name));
    str_printf(&s, "START WAL LOCATION: %s (file %s)\n", lsn_text(b->start), name);
    label_body(&s, b);
    return s.data;
}

/* ---- stop ---- */

static void
write_history(const WalBackup *b, const char *stop_file, char *history, size_t n)
{
    char name[40], path[MAX_PATH_BYTES];
    Arena *a = arena_create(NULL, "backup history");
    StrBuf s;
    str_init(&s, a);
    wal_segment_name(wal_segment_of(b->start), b->start_timeline, name, sizeof(name));
    str_printf(&s, "START WAL LOCATION: %s (file %s)\nSTOP WAL LOCATION: %s (file %s)\n", lsn_text(b->start), name,
               lsn_text(b->stop), stop_file);
    label_body(&s, b);
    str_printf(&s, "STOP TIME: %s\nSTOP TIMELINE: %u\n", wal_time_text(clock_now()), b->stop_timeline);
    snprintf(history, n, "%.24s.%08X.backup", name, (unsigned)(b->start % WAL_SEGMENT_BYTES));
    snprintf(path, sizeof(path), "%s/%s", WAL_DIR, history);
    if (file_replace_durable(path, s.data, s.len) != ERR_OK) {
        errno = err_sys()->errnum;
        RAISE(err_sqlstate_of_errno(errno), "%s: %m", err_sys()->what);
    }
    arena_destroy(a);
}

/* Backup history files that the archive has, or that nobody archives. */
static void
clean_history(void)
{
    char path[MAX_PATH_BYTES];
    DIR *d = opendir(WAL_DIR);
    if (!d)
        RAISE(err_sqlstate_of_errno(errno), "could not open directory \"%s\": %m", WAL_DIR);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        size_t n = strlen(e->d_name);
        if (n != 24 + 9 + 7 || strcmp(e->d_name + 33, ".backup") != 0 || !wal_archive_may_remove(e->d_name))
            continue;
        snprintf(path, sizeof(path), "%s/%s", WAL_DIR, e->d_name);
        if (io_unlink(path) != 0)
            LOG("could not remove file \"%s\": %m", path);
        wal_archive_forget(e->d_name);
    }
    closedir(d);
}

static bool
is_archived(const char *name)
{
    char path[MAX_PATH_BYTES];
    snprintf(path, sizeof(path), "%s/%s", WAL_DIR, name);
    if (wal_archive_is_done(name))
        return true;
    if (wal_archive_still_ready(name))
        return false;
    /* .done between the two looks, or archived and removed already */
    return wal_archive_is_done(name) || access(path, F_OK) != 0;
}

static void
wait_until_archived(const char *stop_file, const char *history)
{
    bool told = false;
    int seconds = 0, warn_at = 60;
    while (!is_archived(stop_file) || !is_archived(history)) {
        CHECK_INTERRUPTS();
        if (!told && seconds > 5) {
            REPORT(LEVEL_NOTICE, SQLSTATE_SUCCESS, err_message("base backup done, waiting for required WAL segments to be archived"));
            told = true;
        }
        for (int i = 0; i < 20 && (!is_archived(stop_file) || !is_archived(history)); i++) {
            latch_wait(WAIT_LATCH | WAIT_TIMEOUT, -1, 50, WAL_WAIT_BACKUP_ARCHIVE);
            latch_reset(&proc_self->latch);
            CHECK_INTERRUPTS();
        }
        if (++seconds >= warn_at) {
            warn_at *= 2;
            REPORT(LEVEL_WARNING, SQLSTATE_WARNING,
                   err_message("still waiting for all required WAL segments to be archived (%d seconds elapsed)", seconds),
                   err_hint("Check that your archive_command is executing properly.  You can safely cancel this backup, but the "
                            "database backup will not be usable without all the WAL segments."));
        }
    }
    REPORT(LEVEL_NOTICE, SQLSTATE_SUCCESS, err_message("all required WAL segments have been archived"));
}

void
wal_backup_stop(WalBackup *b, bool wait_for_archive)
{
    char stop_file[40], history[WAL_ARCHIVE_NAME_BYTES];
    require_running();
    wal_begin();
    wal_add_data(&b->start, sizeof(b->start));
    b->stop = wal_insert(RMGR_XLOG, XLOG_BACKUP_END, NULL);
    b->stop_timeline = wal_timeline();
    wal_flush_to(b->stop);
    wal_switch_and_flush(); /* all that is needed is in whole files */
    wal_segment_name(wal_segment_of(b->stop - 1), b->stop_timeline, stop_file, sizeof(stop_file));
    write_history(b, stop_file, history, sizeof(history));
    clean_history();
    wal_backup_abort(b);
    if (!wal_archiving()) {
        if (wait_for_archive)
            REPORT(LEVEL_NOTICE, SQLSTATE_SUCCESS,
                   err_message("WAL archiving is not enabled; you must ensure that all required WAL segments are copied through "
                               "other means to complete the backup"));
    } else if (wait_for_archive) {
        wait_until_archived(stop_file, history);
    }
}
