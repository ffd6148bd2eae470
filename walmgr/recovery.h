/*
 * Recovery's own parts: timelines, files from the archive, targets, backup labels. All of it runs in the
 * startup process, but for what is read through WalShared. Nobody outside walmgr includes this.
 */
#ifndef WALMGR_RECOVERY_H
#define WALMGR_RECOVERY_H

#include "walmgr/wal_internal.h"

/* ---- timeline.c ---- */
/* The way to a timeline: each entry covers [begin, end) of the stream; oldest first, the last one's
 * end is UINT64_MAX. */
typedef struct TimelineEntry { uint32_t timeline; Lsn begin, end; } TimelineEntry;
typedef struct TimelineHistory { int count; TimelineEntry *entries; } TimelineHistory;
TimelineHistory *timeline_read(Arena *a, uint32_t timeline); /* no file: only itself. FATAL if it is damaged */
bool timeline_exists(uint32_t timeline);
uint32_t timeline_newest(uint32_t from);
uint32_t timeline_at(const TimelineHistory *h, Lsn at);
Lsn timeline_end(const TimelineHistory *h, uint32_t timeline); /* LSN_INVALID: not on the way */
/* Durable, and up for archiving. */
void timeline_write(const TimelineHistory *parent, uint32_t timeline, Lsn at, const char *reason);

/* ---- restore.c ---- */
/* Fetches pg_wal file `name` through restore_command into pg_wal/`as`. False: it is not there. */
bool restore_from_archive(const char *name, const char *as, int64_t bytes);
/* A WalSegmentSource along recovery.history. */
int recovery_open_segment(uint64_t segment, Lsn at, char *path, size_t n, Lsn *limit);
void restore_forget(void); /* the next open asks the archive again */
void restore_cleanup(void); /* leftovers in pg_wal */

/* ---- backup_label.c ---- */
typedef struct BackupLabel {
    Lsn redo, checkpoint;
    uint32_t timeline;
    bool end_required; /* the log must hold the end-of-backup record */
} BackupLabel;
bool backup_label_read(BackupLabel *out); /* false: no such file. FATAL if it is damaged */
void tablespace_map_apply(void);          /* the links named there, if there is such a file */
void backup_label_retire(void);           /* renames both files, durably */

/* ---- start_point.c ---- */
typedef struct StartPoint {
    WalCheckpoint checkpoint;
    Lsn at, end;      /* of its record */
    bool clean;       /* nothing follows it: no redo */
    bool from_label;
    BackupLabel label;
} StartPoint;
void start_point_find(StartPoint *s);         /* FATAL if there is none. Sets recovery.history */
void start_point_record(const StartPoint *s); /* in the control file; the backup label has served */

/* ---- recovery_target.c ---- */
typedef enum TargetKind { TARGET_NONE, TARGET_IMMEDIATE, TARGET_XID, TARGET_TIME, TARGET_NAME, TARGET_LSN } TargetKind;
typedef struct RecoveryTarget {
    TargetKind kind;
    Xid xid;
    TimestampTz time;
    const char *name;
    Lsn lsn;
    bool inclusive;
} RecoveryTarget;
enum { TARGET_PAUSE, TARGET_PROMOTE, TARGET_SHUTDOWN };
extern char *restore_command, *archive_cleanup_command, *recovery_end_command, *primary_conninfo;
extern int recovery_target_action, wal_retrieve_retry_interval_ms;
extern bool hot_standby;
void recovery_settings_register(void);
void target_parse(RecoveryTarget *t);                  /* FATAL on several targets or a bad one */
/* 0: the latest, UINT32_MAX: that of the backup or control file */
uint32_t target_timeline_setting(void);
void target_log(const RecoveryTarget *t, bool standby);
bool target_stops_before(const WalRecord *r);
bool target_stops_after(const WalRecord *r);
const char *target_reason(Arena *a); /* for the history file */
const char *recovery_trigger_file(void); /* promote_trigger_file; NULL: none */

/* ---- recovery.c ---- */
typedef struct Recovery {
    Arena *arena;
    bool requested;    /* a signal file is there */
    bool standby;      /* it is standby.signal */
    bool fetching;     /* files may come from the archive */
    RecoveryTarget target;
    uint32_t timeline; /* where it is to lead */
    TimelineHistory *history;
    bool consistent, reached;
    /* where it stopped, for messages and the history file */
    bool stop_after;
    Xid stop_xid;
    TimestampTz stop_time, last_xact_time;
    Lsn stop_lsn;
    char stop_name[64];
    char restart_file[40]; /* %r: what is older is not needed any more */
    Lsn restart_checkpoint; /* the last checkpoint record a restart point was made of */
} Recovery;
extern Recovery recovery;

void recovery_read_signals(void);   /* and the settings that belong to them */
void recovery_choose_timeline(uint32_t start_timeline);
void recovery_check_history(Lsn checkpoint, uint32_t timeline);
bool recovery_check_consistency(Lsn replayed); /* true: just now */
/* After each record; may make a restart point, pause, end the process. */
void recovery_after_record(const WalRecord *r);
/* At the end of the log in standby mode: waits a little. False: promoted, or no standby. */
bool recovery_wait_for_more(void);
void recovery_at_target(Lsn end);    /* pause, shutdown, or go on */
/* New timeline, history file, signal files gone. Returns the new timeline. */
uint32_t recovery_switch_timeline(Lsn end);
void recovery_note_restart_file(Lsn redo, uint32_t timeline);
void recovery_run_end_commands(void);
bool recovery_finish_promotion(void); /* a promotion was interrupted behind its decision */
const char *recovery_time_text(TimestampTz t);

#endif
