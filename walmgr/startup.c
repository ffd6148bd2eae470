/*
 * Beginnings: initdb's first segment, and the start of an instance, with redo if the last one did not
 * end with a shutdown checkpoint.
 *
 * Order of a start after a crash: sync all files, replay, clean behind the end of the log, allow
 * insertions, end-of-recovery checkpoint. A second crash at any point repeats the same: the redo point
 * in the control file moves only with that checkpoint.
 */
#define _GNU_SOURCE
#include "walmgr/recovery.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/file/io.h"
#include "core/file/relfile.h"

const char *
wal_time_text(TimestampTz t)
{
    static char text[64];
    time_t unix_s = (time_t)(t / 1000000 + CLOCK_PG_EPOCH_UNIX_S);
    struct tm tm;
    localtime_r(&unix_s, &tm);
    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %Z", &tm);
    return text;
}

static void
allow_insertions(bool allow)
{
    /* release: everything set up before; pairs with wal_background_flush and check_ready */
    atomic_store_explicit(&wal_shared->ready, allow, memory_order_release);
}

/* ---- initdb ---- */

static void
make_directory(const char *path)
{
    if (io_mkdir(path, 0700) != 0 && errno != EEXIST)
        RAISE_FATAL(SQLSTATE_IO_ERROR, "could not create directory \"%s\": %m", path);
}

void
wal_bootstrap(uint64_t system_identifier, Xid next_xid, Oid next_oid)
{
    WalCheckpoint c = {0};
    make_directory("global");
    make_directory(WAL_DIR);
    wal_positions_init(WAL_START_LSN, 1);

    c.redo = WAL_START_LSN;
    c.timeline = c.prev_timeline = 1;
    c.full_page_writes = full_page_writes;
    c.next_xid = next_xid;
    c.next_multi = 1;
    c.next_oid = next_oid;
    c.oldest_xid = XID_FIRST_NORMAL;
    c.oldest_xid_db = 1; /* template1 */
    c.oldest_multi = 1;
    c.time = clock_now();

    memset(control_file, 0, sizeof(*control_file));
    control_defaults(control_file);
    control_file->system_identifier = system_identifier;
    if (getrandom(control_file->mock_auth_nonce, sizeof(control_file->mock_auth_nonce), 0) !=
        (ssize_t)sizeof(control_file->mock_auth_nonce))
        RAISE_FATAL(SQLSTATE_INTERNAL_ERROR, "could not generate secret authorization token: %m");

    allow_insertions(true);
    wal_begin();
    wal_add_data(&c, sizeof(c));
    Lsn start, end = wal_insert(RMGR_XLOG, XLOG_CHECKPOINT_SHUTDOWN, &start);
    wal_flush_to(end);
    control_lock();
    control_file->checkpoint = start;
    control_file->checkpoint_copy = c;
    control_file->state = DB_SHUTDOWNED;
    control_write();
    control_unlock();
    /* relaxed: no other process yet */
    atomic_store_explicit(&wal_shared->redo_point, c.redo, memory_order_relaxed);
    wal_set_image_rule_from_redo();
}

/* ---- start ---- */

static void
read_control(void)
{
    ControlFile c;
    ErrCode rc = control_read(&c);
    if (rc != ERR_OK) {
        errno = err_sys()->errnum;
        if (rc == ERR_CORRUPT)
            RAISE_FATAL(SQLSTATE_DATA_CORRUPTED, "%s", err_sys()->what);
        RAISE_FATAL(SQLSTATE_IO_ERROR, "%s: %m", err_sys()->what);
    }
    if (c.page_bytes != PAGE_BYTES || c.wal_segment_bytes != WAL_SEGMENT_BYTES || c.name_bytes != NAME_BYTES ||
        c.index_max_keys != MAX_INDEX_KEYS)
        RAISE_FATAL(SQLSTATE_OBJECT_NOT_IN_PREREQUISITE_STATE, "database files are incompatible with server");
    uint32_t generation = c.generation;
    control_lock();
    *control_file = c;
    control_file->generation = generation;
    control_unlock();
}

static void
log_last_state(const ControlFile *c)
{
    const char *when = wal_time_text(c->time);
    switch ((DbState)c->state) {
    case DB_SHUTDOWNED:
        LOG("database system was shut down at %s", when);
        break;
    case DB_SHUTDOWNED_IN_RECOVERY:
        LOG("database system was shut down in recovery at %s", when);
        break;
    case DB_SHUTDOWNING:
        LOG("database system shutdown was interrupted; last known up at %s", when);
        break;
    case DB_IN_CRASH_RECOVERY:
        REPORT(LEVEL_LOG, SQLSTATE_SUCCESS,
               err_message("database system was interrupted while in recovery at %s", when),
               err_hint("This probably means that some data is corrupted and you will have to use the last "
                        "backup for recovery."));
        break;
    case DB_IN_ARCHIVE_RECOVERY:
    case DB_IN_PRODUCTION:
        LOG("database system was interrupted; last known up at %s", when);
        break;
    default:
        RAISE_FATAL(SQLSTATE_DATA_CORRUPTED, "control file contains invalid database cluster state");
    }
}

static int
sync_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    if (type != FTW_D && !(type == FTW_F && S_ISREG(st->st_mode))) /* no sockets, no pipes */
        return 0;
    int fd = io_open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        if (errno != ENOENT && errno != EACCES)
            LOG("could not open file \"%s\": %m", path);
        return 0;
    }
    if (io_fsync(fd) != 0 && errno != EINVAL && errno != EBADF && errno != EROFS)
        RAISE_FATAL(SQLSTATE_IO_ERROR, "could not fsync file \"%s\": %m", path);
    io_close(fd);
    return 0;
}

/*
 * What the dead instance wrote and did not sync. A page of it may be newer than what redo would write
 * again, so redo would leave it alone and nobody would ever sync it.
 */
static void
sync_data_directory(void)
{
    if (!enable_fsync)
        return;
    if (recovery_init_sync_method == RECOVERY_SYNC_SYNCFS) {
        int fd = io_open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || io_syncfs(fd) != 0)
            RAISE_FATAL(SQLSTATE_IO_ERROR, "could not synchronize file system for file \".\": %m");
        io_close(fd);
        /* tablespaces and pg_wal may be other file systems */
        nftw("pg_tblspc", sync_one, 32, 0);
        nftw(WAL_DIR, sync_one, 32, 0);
        return;
    }
    nftw(".", sync_one, 32, FTW_PHYS);
    nftw("pg_tblspc", sync_one, 32, 0); /* follows the links */
}

static void
check_complete(Lsn end, Lsn checkpoint_end)
{
    const ControlFile *c = control_file;
    if (c->backup_end_required) {
        err_start(LEVEL_FATAL, SQLSTATE_OBJECT_NOT_IN_PREREQUISITE_STATE, __FILE__, __LINE__, __func__);
        err_message("WAL ends before end of online backup");
        err_hint("All WAL generated while online backup was taken must be available at recovery.");
        err_throw();
    }
    if (end < c->min_recovery_point)
        RAISE_FATAL(SQLSTATE_OBJECT_NOT_IN_PREREQUISITE_STATE, "WAL ends before consistent recovery point");
    if (end < checkpoint_end) /* damage in the middle: what follows must not be wiped out */
        RAISE_FATAL(SQLSTATE_DATA_CORRUPTED, "WAL ends at %s, before the last checkpoint record", lsn_text(end));
}

/* Replays; returns the end of the log, on *timeline, which new records will be written to. */
static Lsn
recover(const StartPoint *s, uint32_t *timeline)
{
    if (!recovery.requested)
        LOG("database system was not properly shut down; automatic recovery in progress");
    sync_data_directory();
    wal_segments_sync_from(s->checkpoint.redo, s->checkpoint.timeline);
    start_point_record(s);
    recovery_note_restart_file(s->checkpoint.redo, s->checkpoint.timeline);
    Lsn end = wal_redo_run(s->checkpoint.redo);
    check_complete(end, s->end);
    if (recovery.requested) {
        *timeline = recovery_switch_timeline(end);
        /* relaxed: this process only, until the instance opens */
        atomic_store_explicit(&wal_shared->in_recovery, RECOVERY_CRASH, memory_order_relaxed);
    } else {
        *timeline = timeline_at(recovery.history, MAX(end, recovery.history->entries[recovery.history->count - 1].begin));
    }
    FAULT_POINT("wal_before_clean_tail");
    wal_segments_clean_tail(end, *timeline);
    FAULT_POINT("wal_after_clean_tail");
    return end;
}

static void
note_parameter_change(void)
{
    ControlFile now = *control_file;
    control_defaults(&now);
    if (memcmp(&now, control_file, sizeof(now)) == 0)
        return;
    int32_t body[6] = {now.max_connections, now.max_worker_processes, now.max_wal_senders,
                       now.max_prepared_xacts, now.max_locks_per_xact, (int32_t)now.wal_level};
    wal_begin();
    wal_add_data(body, sizeof(body));
    wal_flush_to(wal_insert(RMGR_XLOG, XLOG_PARAMETER_CHANGE, NULL));
    control_lock();
    control_defaults(control_file);
    control_write();
    control_unlock();
}

void
wal_startup(void)
{
    StartPoint s;
    read_control();
    /* relaxed: no other process yet; release at the end, pairs with wal_in_recovery */
    atomic_store_explicit(&wal_shared->in_recovery, RECOVERY_CRASH, memory_order_relaxed);
    if (proc_self)
        atomic_store_explicit(&wal_shared->startup_slot, proc_self->index + 1, memory_order_relaxed);
    log_last_state(control_file);
    recovery_read_signals();
    wal_archive_make_directory();
    wal_slots_load();
    wal_segments_remove_temporary();
    start_point_find(&s);

    bool archive = recovery.requested;
    uint32_t timeline = s.checkpoint.timeline;
    Lsn end = s.end;
    /* relaxed: nobody else uses the log before `ready` */
    atomic_store_explicit(&wal_shared->redo_point, s.checkpoint.redo, memory_order_relaxed);
    atomic_store_explicit(&wal_shared->timeline, timeline, memory_order_relaxed);
    if (archive)
        atomic_store_explicit(&wal_shared->in_recovery, RECOVERY_ARCHIVE, memory_order_relaxed);
    if (!s.clean)
        end = recover(&s, &timeline);

    wal_positions_init(end, timeline);
    wal_set_image_rule_from_redo();
    allow_insertions(true);
    FAULT_POINT("startup_insertions_allowed");
    if (!s.clean)
        wal_checkpoint(CHECKPOINT_END_OF_RECOVERY | CHECKPOINT_IMMEDIATE | CHECKPOINT_WAIT);
    else /* nothing has happened since: a timed checkpoint may be skipped */
        atomic_store_explicit(&wal_shared->idle_position, end, memory_order_relaxed);
    note_parameter_change();
    control_set_state(DB_IN_PRODUCTION);
    if (archive)
        recovery_run_end_commands();
    atomic_store_explicit(&wal_shared->startup_slot, 0, memory_order_relaxed);
    atomic_store_explicit(&wal_shared->in_recovery, RECOVERY_NONE, memory_order_release);
    wal_archive_catch_up(end, timeline);
    arena_destroy(recovery.arena);
}
