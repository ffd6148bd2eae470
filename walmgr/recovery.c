/*
 * Archive recovery: from a backup or a stopped instance along the archived log to a target, and from there
 * onto a new timeline.
 *
 *   signals -> label -> timeline -> redo ... consistent ... restart points ... target -> pause -> new timeline
 *
 * What must survive a crash of recovery itself is in the control file: where redo begins (moved by restart
 * points), the point that must be reached before the data is consistent (moved before any page goes to
 * disk), whether the end of a backup is still to be seen, and, once the end has been chosen, the new
 * timeline (README, rules 12 to 14).
 */
#include "walmgr/recovery.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/interrupt.h"
#include "core/file/io.h"
#include "core/file/relfile.h"

Recovery recovery;
volatile sig_atomic_t wal_promote_signaled;
static uint64_t last_restart_us;

/* ---- signal files ---- */

static bool
file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static void
remove_durably(const char *path)
{
    if (io_unlink(path) != 0 && errno != ENOENT)
        RAISE_FATAL(err_sqlstate_of_errno(errno), "could not remove file \"%s\": %m", path);
    if (file_sync_dir(".") != ERR_OK)
        RAISE_FATAL(SQLSTATE_IO_ERROR, "could not fsync directory \".\"");
}

static void
validate(void)
{
    if (recovery.standby) {
        if (primary_conninfo && primary_conninfo[0]) {
            err_start(LEVEL_FATAL, SQLSTATE_FEATURE_NOT_SUPPORTED, __FILE__, __LINE__, __func__);
            err_message("following another server (\"primary_conninfo\") is not supported yet");
            err_hint("Standby mode can follow an archive by \"restore_command\" alone; recovery.signal in place of "
                     "standby.signal recovers to the end of the archive.");
            err_throw();
        }
        if (!restore_command || !restore_command[0])
            REPORT(LEVEL_WARNING, SQLSTATE_WARNING, err_message("specified neither primary_conninfo nor restore_command"),
                   err_hint("The database server will regularly poll the pg_wal subdirectory to check for files placed there."));
    } else if (!restore_command || !restore_command[0]) {
        RAISE_FATAL(SQLSTATE_INVALID_PARAMETER_VALUE, "must specify restore_command when standby mode is not enabled");
    }
    /* Nobody could ask for the pause to end. */
    if (recovery_target_action == TARGET_PAUSE && !hot_standby)
        recovery_target_action = TARGET_SHUTDOWN;
}

void
recovery_read_signals(void)
{
    memset(&recovery, 0, sizeof(recovery));
    recovery.arena = arena_create(NULL, "recovery");
    restore_forget();
    unlink(PROMOTE_SIGNAL_FILE); /* of an earlier life */
    if (file_exists("recovery.conf"))
        RAISE_FATAL(SQLSTATE_OBJECT_NOT_IN_PREREQUISITE_STATE, "using recovery command file \"recovery.conf\" is not supported");
    recovery.standby = file_exists(STANDBY_SIGNAL_FILE);
    recovery.requested = recovery.standby || file_exists(RECOVERY_SIGNAL_FILE);
    if (!recovery.requested)
        return;
    validate();
    target_parse(&recovery.target);
    recovery.fetching = true;
    restore_cleanup();
}

/*
 * The end of recovery was chosen and its timeline is in the control file, but the instance died before it
 * was open. The target must not be looked for again: on the new timeline it cannot be found.
 */
bool
recovery_finish_promotion(void)
{
    if (!recovery.requested || control_file->state != DB_IN_CRASH_RECOVERY ||
        control_file->min_recovery_timeline <= control_file->checkpoint_copy.timeline)
        return false;
    LOG("completing the switch to timeline %u, which was interrupted", control_file->min_recovery_timeline);
    remove_durably(STANDBY_SIGNAL_FILE);
    remove_durably(RECOVERY_SIGNAL_FILE);
    recovery.requested = recovery.standby = recovery.fetching = false;
    recovery.target.kind = TARGET_NONE;
    return true;
}

/* ---- timelines ---- */

void
recovery_choose_timeline(uint32_t start_timeline)
{
    uint32_t wanted = recovery.requested ? target_timeline_setting() : UINT32_MAX;
    uint32_t here = MAX(start_timeline, control_file->min_recovery_timeline);
    recovery.timeline = here;
    if (wanted == 0) {
        recovery.timeline = timeline_newest(here);
    } else if (wanted != UINT32_MAX) {
        if (wanted != 1 && !timeline_exists(wanted))
            RAISE_FATAL(SQLSTATE_INVALID_PARAMETER_VALUE, "recovery target timeline %u does not exist", wanted);
        recovery.timeline = wanted;
    }
    recovery.history = timeline_read(recovery.arena, recovery.timeline);
}

void
recovery_check_history(Lsn checkpoint, uint32_t timeline)
{
    const ControlFile *c = control_file;
    if (timeline_at(recovery.history, checkpoint) != timeline) {
        Lsn left = timeline_end(recovery.history, timeline);
        err_start(LEVEL_FATAL, SQLSTATE_INTERNAL_ERROR, __FILE__, __LINE__, __func__);
        err_message("requested timeline %u is not a child of this server's history", recovery.timeline);
        err_detail("Latest checkpoint is at %s on timeline %u, but in the history of the requested timeline, the server "
                   "forked off from that timeline at %s.", lsn_text(checkpoint), timeline, lsn_text(left));
        err_throw();
    }
    if (c->min_recovery_point != LSN_INVALID && c->min_recovery_timeline != 0 &&
        timeline_at(recovery.history, c->min_recovery_point - 1) != c->min_recovery_timeline &&
        c->min_recovery_timeline != recovery.timeline)
        RAISE_FATAL(SQLSTATE_INTERNAL_ERROR, "requested timeline %u does not contain minimum recovery point %s on timeline %u",
                    recovery.timeline, lsn_text(c->min_recovery_point), c->min_recovery_timeline);
}

/* ---- consistency ---- */

bool
recovery_check_consistency(Lsn replayed)
{
    const ControlFile *c = control_file;
    if (recovery.consistent || c->backup_end_required || replayed < c->min_recovery_point)
        return false;
    recovery.consistent = true;
    LOG("consistent recovery state reached at %s", lsn_text(replayed));
    return true;
}

/* The record that pg_backup_stop wrote: whatever was copied is older. */
static void
see_backup_end(const WalRecord *r)
{
    Lsn start;
    if (r->data_bytes != sizeof(start))
        return;
    memcpy(&start, r->data, sizeof(start));
    if (!control_file->backup_end_required || start != control_file->backup_start)
        return;
    control_lock();
    control_file->backup_start = LSN_INVALID;
    control_file->backup_end_required = false;
    if (control_file->min_recovery_point < r->end) {
        control_file->min_recovery_point = r->end;
        control_file->min_recovery_timeline = recovery.timeline;
    }
    control_write();
    control_unlock();
}

void
wal_note_page_write(Lsn lsn)
{
    if (lsn <= control_file->min_recovery_point || !wal_in_archive_recovery())
        return;
    /* Not just to lsn: the end of what has been replayed spares the next pages their writes of the file.
     * relaxed: this process stores it */
    Lsn replayed = atomic_load_explicit(&wal_shared->insert_pos, memory_order_relaxed);
    control_lock();
    control_file->min_recovery_point = MAX(lsn, replayed);
    control_file->min_recovery_timeline = timeline_at(recovery.history, MAX(lsn, replayed) - 1);
    control_write();
    control_unlock();
}

/* ---- restart points ---- */

static void
run_command(const char *which, const char *template, bool fatal_on_signal)
{
    if (!template || !template[0])
        return;
    Arena *a = arena_create(NULL, which);
    const char *restart = recovery.restart_file[0] ? recovery.restart_file : "000000000000000000000000";
    const char *command = wal_expand_command(a, template, NULL, NULL, restart);
    int status = wal_run_command(command, WAL_WAIT_ARCHIVE_COMMAND);
    CHECK_INTERRUPTS();
    if (status != 0)
        REPORT(fatal_on_signal && status > 0 && (status & 0x7f) ? LEVEL_FATAL : LEVEL_WARNING, SQLSTATE_WARNING,
               err_message("%s \"%s\": command failed with status %d", which, command, status));
    arena_destroy(a);
}

void
recovery_note_restart_file(Lsn redo, uint32_t timeline)
{
    wal_segment_name(wal_segment_of(redo), timeline, recovery.restart_file, sizeof(recovery.restart_file));
}

/* A checkpoint record of the replayed log becomes the place where redo would begin again. */
static void
make_restart_point(const WalRecord *r, const WalCheckpoint *c)
{
    recovery.restart_checkpoint = r->start;
    last_restart_us = clock_monotonic_us();
    if (log_checkpoints)
        LOG("restartpoint starting: time");
    wal_flush_steps(CHECKPOINT_IMMEDIATE);
    FAULT_POINT("restartpoint_before_control");
    control_lock();
    control_file->checkpoint = r->start;
    control_file->checkpoint_copy = *c;
    if (control_file->min_recovery_point < r->end) {
        control_file->min_recovery_point = r->end;
        control_file->min_recovery_timeline = c->timeline;
    }
    control_write();
    control_unlock();
    recovery_note_restart_file(c->redo, c->timeline);
    wal_segments_recycle(c->redo, r->end);
    if (log_checkpoints)
        LOG("restartpoint complete");
    if (recovery.last_xact_time)
        REPORT(LEVEL_LOG, SQLSTATE_SUCCESS, err_message("recovery restart point at %s", lsn_text(c->redo)),
               err_detail("Last completed transaction was at log time %s.", recovery_time_text(recovery.last_xact_time)));
    else
        LOG("recovery restart point at %s", lsn_text(c->redo));
    run_command("archive_cleanup_command", archive_cleanup_command, false);
}

static void
maybe_restart_point(const WalRecord *r)
{
    WalCheckpoint c;
    if (r->rmgr != RMGR_XLOG || (r->info != XLOG_CHECKPOINT_ONLINE && r->info != XLOG_CHECKPOINT_SHUTDOWN) ||
        r->data_bytes != sizeof(c) || !recovery.consistent)
        return;
    memcpy(&c, r->data, sizeof(c));
    if (last_restart_us == 0)
        last_restart_us = clock_monotonic_us();
    bool due = clock_monotonic_us() - last_restart_us >= (uint64_t)checkpoint_timeout_s * 1000000 ||
               wal_segment_of(c.redo) >= wal_segment_of(control_file->checkpoint_copy.redo) + (uint64_t)wal_checkpoint_segments();
    if (due && r->start > control_file->checkpoint)
        make_restart_point(r, &c);
}

/* ---- pause and promotion ---- */

static bool
promote_requested(void)
{
    static bool requested;
    if (requested)
        return true;
    const char *trigger = recovery_trigger_file();
    if (wal_promote_signaled && file_exists(PROMOTE_SIGNAL_FILE)) {
        wal_promote_signaled = 0;
        LOG("received promote request");
        unlink(PROMOTE_SIGNAL_FILE);
        requested = true;
    } else if (trigger && file_exists(trigger)) {
        LOG("promote trigger file found: %s", trigger);
        unlink(trigger);
        requested = true;
    }
    return requested;
}

static void
set_pause(uint32_t state)
{
    /* release: pairs with wal_replay_pause_state */
    atomic_store_explicit(&wal_shared->replay_pause, state, memory_order_release);
}

static void
pause_here(bool at_end)
{
    if (promote_requested())
        return;
    REPORT(LEVEL_LOG, SQLSTATE_SUCCESS,
           at_end ? err_message("pausing at the end of recovery") : err_message("recovery has paused"),
           err_hint("Sessions are not possible during recovery yet: execute \"pg_ctl promote\" to %s.", at_end ? "promote" : "end recovery here"));
    set_pause(REPLAY_PAUSED);
    while (wal_replay_pause_state() != REPLAY_RUNS && !promote_requested()) {
        CHECK_INTERRUPTS();
        latch_wait(WAIT_LATCH | WAIT_TIMEOUT, -1, 1000, WAL_WAIT_RECOVERY_PAUSE);
        latch_reset(&proc_self->latch);
    }
    set_pause(REPLAY_RUNS);
}

bool
recovery_wait_for_more(void)
{
    if (!recovery.standby || promote_requested())
        return false;
    latch_wait(WAIT_LATCH | WAIT_TIMEOUT, -1, wal_retrieve_retry_interval_ms, WAL_WAIT_STARTUP);
    latch_reset(&proc_self->latch);
    CHECK_INTERRUPTS();
    restore_forget();
    /* The server that wrote the archive may have been replaced by another one: follow its timeline. */
    if (target_timeline_setting() == 0 && timeline_exists(recovery.timeline + 1)) {
        uint32_t newest = timeline_newest(recovery.timeline + 1);
        TimelineHistory *h = timeline_read(recovery.arena, newest);
        Lsn left = timeline_end(h, recovery.timeline);
        if (left != LSN_INVALID && left >= wal_insert_position()) {
            LOG("new target timeline is %u", newest);
            recovery.timeline = newest;
            recovery.history = h;
        }
    }
    return true;
}

void
recovery_after_record(const WalRecord *r)
{
    if (r->rmgr == RMGR_XLOG && r->info == XLOG_BACKUP_END)
        see_backup_end(r);
    if (!recovery.requested)
        return;
    recovery_check_consistency(r->end);
    maybe_restart_point(r);
    if (wal_replay_pause_state() != REPLAY_RUNS && recovery.consistent && hot_standby)
        pause_here(false);
}

void
recovery_at_target(Lsn end)
{
    if (recovery.reached) {
        if (!recovery.consistent)
            RAISE_FATAL(SQLSTATE_INVALID_PARAMETER_VALUE, "requested recovery stop point is before consistent recovery point");
        if (recovery_target_action == TARGET_SHUTDOWN) {
            wal_flush_steps(CHECKPOINT_IMMEDIATE); /* so that the next start need not do it again */
            proc_exit(WAL_EXIT_AT_TARGET);
        }
        if (recovery_target_action == TARGET_PAUSE)
            pause_here(true);
    } else if (recovery.target.kind != TARGET_NONE && !recovery.standby) {
        RAISE_FATAL(SQLSTATE_CONFIG_FILE_ERROR, "recovery ended before configured recovery target was reached");
    }
    (void)end;
}

/* ---- the end ---- */

/* The part of the last segment that was replayed, under the new timeline's name. */
static void
copy_segment(uint32_t from, uint32_t to, Lsn end)
{
    char source[MAX_PATH_BYTES], target[MAX_PATH_BYTES];
    static const char temporary[] = WAL_DIR "/xlogtemp.timeline";
    Arena *a = arena_create(NULL, "segment copy");
    char *bytes = arena_alloc(a, WAL_SEGMENT_BYTES);
    size_t n = end % WAL_SEGMENT_BYTES;
    if (n == 0)
        goto out; /* it begins a segment of its own */
    memset(bytes, 0, WAL_SEGMENT_BYTES);
    wal_segment_path(wal_segment_of(end), from, source, sizeof(source));
    wal_segment_path(wal_segment_of(end), to, target, sizeof(target));
    int fd = io_open(source, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || io_pread(fd, bytes, n, 0) != (ssize_t)n)
        RAISE_FATAL(err_sqlstate_of_errno(errno), "could not read file \"%s\": %m", source);
    io_close(fd);
    fd = io_open(temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        RAISE_FATAL(err_sqlstate_of_errno(errno), "could not create file \"%s\": %m", temporary);
    for (size_t at = 0; at < WAL_SEGMENT_BYTES;) {
        ssize_t k = io_pwrite(fd, bytes + at, WAL_SEGMENT_BYTES - at, (off_t)at);
        if (k <= 0 && errno != EINTR)
            RAISE_FATAL(err_sqlstate_of_errno(k == 0 ? ENOSPC : errno), "could not write to file \"%s\": %m", temporary);
        at += k > 0 ? (size_t)k : 0;
    }
    if (enable_fsync && io_fsync(fd) != 0)
        RAISE_FATAL(err_sqlstate_of_errno(errno), "could not fsync file \"%s\": %m", temporary);
    io_close(fd);
    if (io_rename(temporary, target) != 0 || file_sync_dir(WAL_DIR) != ERR_OK)
        RAISE_FATAL(err_sqlstate_of_errno(errno), "could not rename file \"%s\" to \"%s\": %m", temporary, target);
out:
    arena_destroy(a);
}

/* What the old timeline wrote of the segment it was left in is of use to nobody but its own archive. */
static void
retire_partial(uint32_t timeline, Lsn end)
{
    char name[40], partial[WAL_ARCHIVE_NAME_BYTES], from[MAX_PATH_BYTES], to[MAX_PATH_BYTES];
    if (end % WAL_SEGMENT_BYTES == 0 || !wal_archiving())
        return;
    wal_segment_name(wal_segment_of(end), timeline, name, sizeof(name));
    snprintf(from, sizeof(from), "%s/%s", WAL_DIR, name);
    if (!file_exists(from) || wal_archive_is_done(name) || wal_archive_still_ready(name))
        return;
    snprintf(partial, sizeof(partial), "%s.partial", name);
    snprintf(to, sizeof(to), "%s/%s", WAL_DIR, partial);
    if (io_rename(from, to) != 0) {
        LOG("could not rename file \"%s\" to \"%s\": %m", from, to);
        return;
    }
    wal_archive_notify(partial);
}

uint32_t
recovery_switch_timeline(Lsn end)
{
    Arena *a = arena_create(NULL, "timeline switch");
    uint32_t old = timeline_at(recovery.history, end - 1), next;
    recovery.fetching = true; /* a timeline in the archive is taken, whoever has made it */
    next = timeline_newest(recovery.timeline) + 1;
    LOG("selected new timeline ID: %u", next);
    copy_segment(old, next, end);
    /* The history is that of where we really are: the target timeline may begin later. */
    TimelineHistory way = {.count = 0, .entries = recovery.history->entries};
    while (way.count < recovery.history->count && way.entries[way.count].begin < end)
        way.count++;
    timeline_write(&way, next, end, target_reason(a));
    FAULT_POINT("recovery_before_timeline_control");
    /* From here on a crash goes on to the new timeline, whatever the signal files say. */
    control_lock();
    control_file->state = DB_IN_CRASH_RECOVERY;
    control_file->min_recovery_point = end;
    control_file->min_recovery_timeline = next;
    control_write();
    control_unlock();
    FAULT_POINT("recovery_before_signal_removal");
    remove_durably(STANDBY_SIGNAL_FILE);
    remove_durably(RECOVERY_SIGNAL_FILE);
    wal_segments_drop_left(end, next);
    retire_partial(old, end);
    restore_cleanup();
    arena_destroy(a);
    LOG("archive recovery complete");
    return next;
}

void
recovery_run_end_commands(void)
{
    run_command("recovery_end_command", recovery_end_command, true);
}

void
wal_recovery_interrupted(void)
{
    if (wal_in_archive_recovery() && critical_depth == 0)
        control_set_state(DB_SHUTDOWNED_IN_RECOVERY);
}

/* ---- for everybody ---- */

uint32_t
wal_replay_pause_state(void)
{
    /* acquire: pairs with set_pause and wal_replay_set_pause */
    return atomic_load_explicit(&wal_shared->replay_pause, memory_order_acquire);
}

void
wal_replay_set_pause(bool pause)
{
    uint32_t runs = REPLAY_RUNS;
    if (pause) /* release, acquire: see above; a pause in effect stays one */
        atomic_compare_exchange_strong_explicit(&wal_shared->replay_pause, &runs, REPLAY_PAUSE_REQUESTED,
                                                memory_order_acq_rel, memory_order_acquire);
    else
        set_pause(REPLAY_RUNS);
    /* relaxed: a slot number; its latch may be set at any time */
    uint32_t slot = atomic_load_explicit(&wal_shared->startup_slot, memory_order_relaxed);
    if (slot)
        latch_set(&proc_slots[slot - 1].latch);
}

Lsn
wal_last_replayed(void)
{
    return atomic_load_explicit(&wal_shared->last_replayed, memory_order_acquire); /* pairs with redo_one */
}

TimestampTz
wal_last_xact_replay_time(void)
{
    return atomic_load_explicit(&wal_shared->last_xact_time, memory_order_acquire); /* pairs with target_stops_after */
}
