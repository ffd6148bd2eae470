/*
 * Where redo begins: at the checkpoint that backup_label names, if there is one, else at the control
 * file's; and what has to be replayed at least before the data can be trusted.
 */
#include "walmgr/recovery.h"

#include <stdio.h>
#include <unistd.h>

static NORETURN void
no_checkpoint(const StartPoint *s, Lsn at)
{
    char here[MAX_PATH_BYTES];
    if (!s->from_label)
        RAISE_FATAL(SQLSTATE_DATA_CORRUPTED, "could not locate a valid checkpoint record");
    if (!getcwd(here, sizeof(here)))
        snprintf(here, sizeof(here), ".");
    err_start(LEVEL_FATAL, SQLSTATE_OBJECT_NOT_IN_PREREQUISITE_STATE, __FILE__, __LINE__, __func__);
    err_message("could not locate required checkpoint record at %s", lsn_text(at));
    err_hint("If you are restoring from a backup, touch \"%s/recovery.signal\" or \"%s/standby.signal\" and add required "
             "recovery options.\nIf you are not restoring from a backup, try removing the file \"%s/backup_label\".\n"
             "Be careful: removing \"%s/backup_label\" will result in a corrupt cluster if restoring from a backup.",
             here, here, here, here);
    err_throw();
}

static void
read_checkpoint(StartPoint *s, Lsn at, bool *shutdown)
{
    const char *why = "";
    WalCheckpoint *c = &s->checkpoint;
    if (at < WAL_START_LSN || at % 8 != 0)
        RAISE_FATAL(SQLSTATE_DATA_CORRUPTED, "%s contains invalid checkpoint location",
                    s->from_label ? "file \"" BACKUP_LABEL_FILE "\"" : "control file");
    Arena *arena = arena_create(NULL, "checkpoint record");
    WalReader *reader = wal_reader_open(arena, at, recovery.timeline);
    wal_reader_set_source(reader, recovery_open_segment);
    const WalRecord *r = wal_reader_next(reader, &why);
    while (!r && recovery_wait_for_more()) {
        wal_reader_retry(reader);
        r = wal_reader_next(reader, &why);
    }
    bool ok = r && r->rmgr == RMGR_XLOG && r->data_bytes == sizeof(*c) &&
              (r->info == XLOG_CHECKPOINT_SHUTDOWN || r->info == XLOG_CHECKPOINT_ONLINE);
    if (ok) {
        memcpy(c, r->data, sizeof(*c));
        *shutdown = r->info == XLOG_CHECKPOINT_SHUTDOWN;
        s->at = at;
        s->end = r->end;
    } else {
        LOG("%s", r ? "invalid checkpoint record" : why);
    }
    wal_reader_close(reader);
    arena_destroy(arena);
    if (!ok)
        no_checkpoint(s, at);
    if (c->redo > at || c->redo < WAL_START_LSN || c->redo % 8 != 0)
        RAISE_FATAL(SQLSTATE_DATA_CORRUPTED, "invalid redo in checkpoint record");
    if (*shutdown && c->redo != at)
        RAISE_FATAL(SQLSTATE_DATA_CORRUPTED, "invalid redo record in shutdown checkpoint");
    if (s->from_label && c->redo != s->label.redo)
        RAISE_FATAL(SQLSTATE_DATA_CORRUPTED, "checkpoint record at %s does not fit file \"" BACKUP_LABEL_FILE "\"", lsn_text(at));
}

/* The control file's own timeline may be behind the one that a promotion was on its way to. */
void
start_point_find(StartPoint *s)
{
    bool shutdown = false;
    memset(s, 0, sizeof(*s));
    recovery_finish_promotion();
    if (recovery.requested)
        target_log(&recovery.target, recovery.standby);
    s->from_label = backup_label_read(&s->label);
    Lsn at = s->from_label ? s->label.checkpoint : control_file->checkpoint;
    uint32_t timeline = s->from_label ? s->label.timeline : control_file->checkpoint_copy.timeline;
    if (s->from_label)
        tablespace_map_apply();
    recovery_choose_timeline(timeline);
    recovery_check_history(at, timeline);
    read_checkpoint(s, at, &shutdown);
    s->clean = !s->from_label && !recovery.requested && control_file->state == DB_SHUTDOWNED && shutdown;
    control_lock();
    control_file->checkpoint_copy = s->checkpoint;
    control_unlock();
}

/* Where the log in pg_wal ends: pages on disk may be as new as that. */
static Lsn
local_end(const StartPoint *s)
{
    Arena *arena = arena_create(NULL, "local end");
    WalReader *reader = wal_reader_open(arena, s->checkpoint.redo, s->checkpoint.timeline);
    Lsn end = s->checkpoint.redo;
    for (const WalRecord *r; (r = wal_reader_next(reader, NULL)) != NULL;)
        end = r->end;
    wal_reader_close(reader);
    arena_destroy(arena);
    return MAX(end, s->end);
}

/* Before which point the data is not consistent. */
static Lsn
minimum(const StartPoint *s)
{
    Lsn known = control_file->min_recovery_point;
    if (s->from_label)
        return s->checkpoint.redo; /* and the end of the backup */
    switch ((DbState)control_file->state) {
    case DB_IN_ARCHIVE_RECOVERY:
    case DB_SHUTDOWNED_IN_RECOVERY:
        return MAX(known, s->end);
    case DB_SHUTDOWNED:
        return s->end;
    default:
        return MAX(known, local_end(s));
    }
}

void
start_point_record(const StartPoint *s)
{
    Lsn least = recovery.requested ? minimum(s) : control_file->min_recovery_point;
    control_lock();
    control_file->checkpoint = s->at;
    control_file->checkpoint_copy = s->checkpoint;
    if (s->from_label) {
        control_file->backup_start = s->label.end_required ? s->checkpoint.redo : LSN_INVALID;
        control_file->backup_end_required = s->label.end_required;
        control_file->min_recovery_timeline = 0;
        if (!recovery.requested)
            least = LSN_INVALID; /* the end of the backup says it all */
    }
    control_file->min_recovery_point = least;
    if (recovery.requested && control_file->min_recovery_timeline == 0)
        control_file->min_recovery_timeline = s->checkpoint.timeline;
    control_file->state = recovery.requested ? DB_IN_ARCHIVE_RECOVERY : DB_IN_CRASH_RECOVERY;
    control_write();
    control_unlock();
    FAULT_POINT("recovery_before_label_rename");
    if (s->from_label)
        backup_label_retire();
}
