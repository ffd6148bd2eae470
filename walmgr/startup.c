/*
 * Beginnings: initdb's first segment, and the start of an instance, with redo if the last one did not
 * end with a shutdown checkpoint.
 *
 * Order of a start after a crash: sync all files, replay, clean behind the end of the log, allow
 * insertions, end-of-recovery checkpoint. A second crash at any point repeats the same: the redo point
 * in the control file moves only with that checkpoint.
 */
#define _GNU_SOURCE
#include "walmgr/wal_internal.h"

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

static const char *
time_text(TimestampTz t)
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
    const char *when = time_text(c->time);
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

static void
refuse_archive_recovery(void)
{
    static const char *const names[] = {"standby.signal", "recovery.signal", "backup_label"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (access(names[i], F_OK) == 0)
            RAISE_FATAL(SQLSTATE_FEATURE_NOT_SUPPORTED,
                        "archive recovery and standby mode are not supported yet (file \"%s\" exists)", names[i]);
}

/* Reads the checkpoint record; returns where the record behind it begins. */
static Lsn
read_checkpoint(Lsn at, uint32_t timeline, WalCheckpoint *out, bool *shutdown)
{
    const char *why = "";
    if (at < WAL_START_LSN || at % 8 != 0)
        RAISE_FATAL(SQLSTATE_DATA_CORRUPTED, "control file contains invalid checkpoint location");
    Arena *arena = arena_create(NULL, "checkpoint record");
    WalReader *reader = wal_reader_open(arena, at, timeline);
    const WalRecord *r = wal_reader_next(reader, &why);
    bool ok = r && r->rmgr == RMGR_XLOG && r->data_bytes == sizeof(*out) &&
              (r->info == XLOG_CHECKPOINT_SHUTDOWN || r->info == XLOG_CHECKPOINT_ONLINE);
    Lsn end = LSN_INVALID;
    if (ok) {
        memcpy(out, r->data, sizeof(*out));
        *shutdown = r->info == XLOG_CHECKPOINT_SHUTDOWN;
        end = r->end;
    } else {
        LOG("%s", r ? "invalid checkpoint record" : why);
    }
    wal_reader_close(reader);
    arena_destroy(arena);
    if (!ok)
        RAISE_FATAL(SQLSTATE_DATA_CORRUPTED, "could not locate a valid checkpoint record");
    if (out->redo > at || out->redo < WAL_START_LSN || out->redo % 8 != 0)
        RAISE_FATAL(SQLSTATE_DATA_CORRUPTED, "invalid redo in checkpoint record");
    if (*shutdown && out->redo != at)
        RAISE_FATAL(SQLSTATE_DATA_CORRUPTED, "invalid redo record in shutdown checkpoint");
    return end;
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

static Lsn
recover(const WalCheckpoint *c, Lsn checkpoint_end)
{
    LOG("database system was not properly shut down; automatic recovery in progress");
    control_set_state(DB_IN_CRASH_RECOVERY);
    sync_data_directory();
    wal_segments_sync_from(c->redo, c->timeline);
    Lsn end = wal_redo_run(c->redo, c->timeline);
    if (end < checkpoint_end) /* damage in the middle: what follows must not be wiped out */
        RAISE_FATAL(SQLSTATE_DATA_CORRUPTED, "WAL ends at %s, before the last checkpoint record", lsn_text(end));
    FAULT_POINT("wal_before_clean_tail");
    wal_segments_clean_tail(end, c->timeline);
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
    WalCheckpoint c;
    bool shutdown;
    read_control();
    /* relaxed: no other process yet; release at the end, pairs with wal_in_recovery */
    atomic_store_explicit(&wal_shared->in_recovery, RECOVERY_CRASH, memory_order_relaxed);
    log_last_state(control_file);
    refuse_archive_recovery();
    wal_segments_remove_temporary();

    uint32_t timeline = control_file->checkpoint_copy.timeline;
    Lsn end = read_checkpoint(control_file->checkpoint, timeline, &c, &shutdown);
    bool clean = control_file->state == DB_SHUTDOWNED && shutdown;
    control_lock();
    control_file->checkpoint_copy = c;
    control_unlock();
    /* relaxed: nobody else uses the log before `ready` */
    atomic_store_explicit(&wal_shared->redo_point, c.redo, memory_order_relaxed);
    atomic_store_explicit(&wal_shared->timeline, timeline, memory_order_relaxed);
    if (!clean)
        end = recover(&c, end);

    wal_positions_init(end, timeline);
    wal_set_image_rule_from_redo();
    allow_insertions(true);
    FAULT_POINT("startup_insertions_allowed");
    if (!clean)
        wal_checkpoint(CHECKPOINT_END_OF_RECOVERY | CHECKPOINT_IMMEDIATE | CHECKPOINT_WAIT);
    else /* nothing has happened since: a timed checkpoint may be skipped */
        atomic_store_explicit(&wal_shared->idle_position, end, memory_order_relaxed);
    note_parameter_change();
    control_set_state(DB_IN_PRODUCTION);
    atomic_store_explicit(&wal_shared->in_recovery, RECOVERY_NONE, memory_order_release);
    wal_archive_catch_up(end, timeline);
}
