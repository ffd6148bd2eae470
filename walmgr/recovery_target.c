/*
 * Recovery's settings, and the target: after which record of the log recovery stops.
 *
 * Only records that say what they are can be stopped at: ends of transactions (xid, time), restore points
 * (name), any record (lsn), or the moment of consistency (immediate). What an end-of-transaction record
 * says is the transaction module's, which registers wal_transaction_end_hook.
 */
#include "walmgr/recovery.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/base/settings.h"

char *restore_command, *archive_cleanup_command, *recovery_end_command, *primary_conninfo;
int recovery_target_action, wal_retrieve_retry_interval_ms = 5000;
bool hot_standby = true;
static char *target_immediate, *target_xid, *target_time, *target_name, *target_lsn, *target_timeline;
static char *primary_slot_name, *promote_trigger_file;
static bool target_inclusive = true;
static int min_apply_delay_ms;

bool (*wal_transaction_end_hook)(const WalRecord *r, WalTransactionEnd *out);
TimestampTz (*wal_time_parse_hook)(const char *text);
const char *(*wal_time_text_hook)(Arena *a, TimestampTz t);

/* ---- settings ---- */

static bool
check_immediate(const SettingDef *def, const char **value, SettingSource source)
{
    if ((*value)[0] == '\0' || strcmp(*value, "immediate") == 0)
        return true;
    settings_check_error("The only allowed value is \"immediate\".");
    return false;
}

static bool
check_name(const SettingDef *def, const char **value, SettingSource source)
{
    if (strlen(*value) < WAL_RESTORE_POINT_NAME_BYTES)
        return true;
    settings_check_error("recovery_target_name is too long (maximum %d characters).", WAL_RESTORE_POINT_NAME_BYTES - 1);
    return false;
}

static bool
parse_number(const char *text, unsigned long long *out)
{
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 0);
    return errno == 0 && end != text && *end == '\0' && text[0] != '-';
}

static bool
check_xid(const SettingDef *def, const char **value, SettingSource source)
{
    unsigned long long v;
    return (*value)[0] == '\0' || parse_number(*value, &v);
}

static bool
parse_lsn(const char *text, Lsn *out)
{
    unsigned hi, lo;
    int n = 0;
    if (sscanf(text, "%8X/%8X%n", &hi, &lo, &n) != 2 || text[n] != '\0')
        return false;
    *out = (Lsn)hi << 32 | lo;
    return true;
}

static bool
check_lsn(const SettingDef *def, const char **value, SettingSource source)
{
    Lsn l;
    return (*value)[0] == '\0' || parse_lsn(*value, &l);
}

static bool
check_timeline(const SettingDef *def, const char **value, SettingSource source)
{
    unsigned long long v;
    if (strcmp(*value, "current") == 0 || strcmp(*value, "latest") == 0)
        return true;
    if (parse_number(*value, &v) && v > 0 && v < UINT_MAX)
        return true;
    settings_check_error("recovery_target_timeline is not a valid number.");
    return false;
}

static bool
check_no_delay(const SettingDef *def, const char **value, SettingSource source)
{
    int v;
    if (settings_parse_int(*value, &v, UNIT_MS, NULL) && v == 0)
        return true;
    settings_check_message(SQLSTATE_FEATURE_NOT_SUPPORTED, "\"recovery_min_apply_delay\" is not supported yet");
    return false;
}

static const SettingEnum actions[] = {
    {"pause", TARGET_PAUSE, false}, {"promote", TARGET_PROMOTE, false}, {"shutdown", TARGET_SHUTDOWN, false}, {NULL, 0, false}};

#define ARCHIVE_RECOVERY "Write-Ahead Log / Archive Recovery"
#define TARGET "Write-Ahead Log / Recovery Target"
#define STANDBY "Replication / Standby Servers"
#define TEXT(n, ctx, grp, desc, var, dflt, chk) {.name = n, .type = SETTING_STRING, .context = ctx, .group = grp, .description = desc, .variable = var, .boot = dflt, .check = chk}

static const SettingDef defs[] = {
    TEXT("restore_command", CONTEXT_SIGHUP, ARCHIVE_RECOVERY, "The shell command that fetches a WAL file from the archive.", &restore_command, "", NULL),
    TEXT("archive_cleanup_command", CONTEXT_SIGHUP, ARCHIVE_RECOVERY, "The shell command run at each restart point.", &archive_cleanup_command, "", NULL),
    TEXT("recovery_end_command", CONTEXT_SIGHUP, ARCHIVE_RECOVERY, "The shell command run once at the end of recovery.", &recovery_end_command, "", NULL),
    TEXT("recovery_target", CONTEXT_POSTMASTER, TARGET, "\"immediate\": recovery ends as soon as the data is consistent.", &target_immediate, "", check_immediate),
    TEXT("recovery_target_xid", CONTEXT_POSTMASTER, TARGET, "The transaction up to which recovery goes.", &target_xid, "", check_xid),
    TEXT("recovery_target_time", CONTEXT_POSTMASTER, TARGET, "The time up to which recovery goes.", &target_time, "", NULL),
    TEXT("recovery_target_name", CONTEXT_POSTMASTER, TARGET, "The restore point up to which recovery goes.", &target_name, "", check_name),
    TEXT("recovery_target_lsn", CONTEXT_POSTMASTER, TARGET, "The position in the log up to which recovery goes.", &target_lsn, "", check_lsn),
    TEXT("recovery_target_timeline", CONTEXT_POSTMASTER, TARGET, "The timeline to recover into.", &target_timeline, "latest", check_timeline),
    {.name = "recovery_target_inclusive", .type = SETTING_BOOL, .context = CONTEXT_POSTMASTER, .group = TARGET,
     .description = "Whether the target itself is recovered too.", .variable = &target_inclusive, .boot = "on"},
    {.name = "recovery_target_action", .type = SETTING_ENUM, .context = CONTEXT_POSTMASTER, .group = TARGET,
     .description = "What the server does at the target.", .variable = &recovery_target_action, .boot = "pause", .options = actions},
    {.name = "hot_standby", .type = SETTING_BOOL, .context = CONTEXT_POSTMASTER, .group = STANDBY,
     .description = "Whether recovery may pause (sessions during recovery are not supported yet).", .variable = &hot_standby, .boot = "on"},
    {.name = "wal_retrieve_retry_interval", .type = SETTING_INT, .context = CONTEXT_SIGHUP, .unit = UNIT_MS, .group = STANDBY,
     .description = "Time between two attempts to find more log.", .variable = &wal_retrieve_retry_interval_ms, .boot = "5s",
     .min = 1, .max = INT_MAX},
    {.name = "recovery_min_apply_delay", .type = SETTING_INT, .context = CONTEXT_SIGHUP, .unit = UNIT_MS, .group = STANDBY,
     .description = "Delay of replay (not supported).", .variable = &min_apply_delay_ms, .boot = "0", .min = 0, .max = INT_MAX,
     .check = check_no_delay},
    TEXT("primary_conninfo", CONTEXT_SIGHUP, STANDBY, "How to connect to the server to follow (standby mode does not support it).", &primary_conninfo, "", NULL),
    TEXT("primary_slot_name", CONTEXT_SIGHUP, STANDBY, "The replication slot to use there.", &primary_slot_name, "", NULL),
    TEXT("promote_trigger_file", CONTEXT_SIGHUP, STANDBY, "A file whose presence ends recovery in standby mode.", &promote_trigger_file, "", NULL),
};

void
recovery_settings_register(void)
{
    settings_register(defs, (int)COUNT_OF(defs));
}

const char *
recovery_trigger_file(void)
{
    return promote_trigger_file && promote_trigger_file[0] ? promote_trigger_file : NULL;
}

uint32_t
target_timeline_setting(void)
{
    if (strcmp(target_timeline, "latest") == 0)
        return 0;
    if (strcmp(target_timeline, "current") == 0)
        return UINT32_MAX;
    return (uint32_t)strtoul(target_timeline, NULL, 0);
}

static bool
given(const char *text)
{
    return text && text[0];
}

void
target_parse(RecoveryTarget *t)
{
    int n = given(target_immediate) + given(target_xid) + given(target_time) + given(target_name) + given(target_lsn);
    if (n > 1) {
        err_start(LEVEL_FATAL, SQLSTATE_INVALID_PARAMETER_VALUE, __FILE__, __LINE__, __func__);
        err_message("multiple recovery targets specified");
        err_detail("At most one of recovery_target, recovery_target_lsn, recovery_target_name, recovery_target_time, "
                   "recovery_target_xid may be set.");
        err_throw();
    }
    *t = (RecoveryTarget){.kind = TARGET_NONE, .inclusive = target_inclusive};
    if (given(target_immediate)) {
        t->kind = TARGET_IMMEDIATE;
    } else if (given(target_xid)) {
        unsigned long long v = 0;
        parse_number(target_xid, &v);
        t->kind = TARGET_XID;
        t->xid = (Xid)v;
    } else if (given(target_time)) {
        if (!wal_time_parse_hook)
            RAISE_FATAL(SQLSTATE_FEATURE_NOT_SUPPORTED, "recovery_target_time is not supported by this program");
        t->kind = TARGET_TIME;
        t->time = wal_time_parse_hook(target_time);
    } else if (given(target_name)) {
        t->kind = TARGET_NAME;
        t->name = target_name;
    } else if (given(target_lsn)) {
        t->kind = TARGET_LSN;
        parse_lsn(target_lsn, &t->lsn);
    }
}

const char *
recovery_time_text(TimestampTz t)
{
    static char text[80];
    if (wal_time_text_hook) {
        Arena *a = arena_create(NULL, "time");
        snprintf(text, sizeof(text), "%s", wal_time_text_hook(a, t));
        arena_destroy(a);
        return text;
    }
    snprintf(text, sizeof(text), "%lld us after 2000-01-01 00:00:00+00", (long long)t);
    return text;
}

void
target_log(const RecoveryTarget *t, bool standby)
{
    if (standby) {
        LOG("entering standby mode");
        return;
    }
    switch (t->kind) {
    case TARGET_XID: LOG("starting point-in-time recovery to XID %llu", (unsigned long long)t->xid); break;
    case TARGET_TIME: LOG("starting point-in-time recovery to %s", recovery_time_text(t->time)); break;
    case TARGET_NAME: LOG("starting point-in-time recovery to \"%s\"", t->name); break;
    case TARGET_LSN: LOG("starting point-in-time recovery to WAL location (LSN) \"%s\"", lsn_text(t->lsn)); break;
    case TARGET_IMMEDIATE: LOG("starting point-in-time recovery to earliest consistent point"); break;
    case TARGET_NONE: LOG("starting archive recovery"); break;
    }
}

/* ---- stopping ---- */

static bool
stop(bool after, Lsn lsn, Xid xid, TimestampTz time, const char *name)
{
    recovery.reached = true;
    recovery.stop_after = after;
    recovery.stop_lsn = lsn;
    recovery.stop_xid = xid;
    recovery.stop_time = time;
    snprintf(recovery.stop_name, sizeof(recovery.stop_name), "%s", name ? name : "");
    return true;
}

static bool
transaction_end(const WalRecord *r, WalTransactionEnd *e)
{
    return wal_transaction_end_hook && wal_transaction_end_hook(r, e);
}

static bool
stop_at_transaction(const WalTransactionEnd *e, bool after)
{
    LOG("recovery stopping %s %s of transaction %llu, time %s", after ? "after" : "before", e->commit ? "commit" : "abort",
        (unsigned long long)e->xid, recovery_time_text(e->time));
    return stop(after, LSN_INVALID, e->xid, e->time, NULL);
}

bool
target_stops_before(const WalRecord *r)
{
    const RecoveryTarget *t = &recovery.target;
    WalTransactionEnd e;
    if (t->kind == TARGET_IMMEDIATE && recovery.consistent) {
        LOG("recovery stopping after reaching consistency");
        return stop(false, LSN_INVALID, XID_INVALID, 0, NULL);
    }
    if (t->kind == TARGET_LSN && !t->inclusive && r->start >= t->lsn) {
        LOG("recovery stopping before WAL location (LSN) \"%s\"", lsn_text(r->start));
        return stop(false, r->start, XID_INVALID, 0, NULL);
    }
    if ((t->kind != TARGET_XID && t->kind != TARGET_TIME) || !transaction_end(r, &e))
        return false;
    /* There may be many with exactly the target's time: all of them, or none. */
    if (t->kind == TARGET_XID ? !t->inclusive && e.xid == t->xid : t->inclusive ? e.time > t->time : e.time >= t->time)
        return stop_at_transaction(&e, false);
    return false;
}

bool
target_stops_after(const WalRecord *r)
{
    const RecoveryTarget *t = &recovery.target;
    WalTransactionEnd e;
    if (r->rmgr == RMGR_XLOG && r->info == XLOG_RESTORE_POINT && r->data_bytes == sizeof(WalRestorePoint)) {
        WalRestorePoint p;
        memcpy(&p, r->data, sizeof(p));
        p.name[sizeof(p.name) - 1] = '\0';
        if (t->kind == TARGET_NAME && strcmp(p.name, t->name) == 0) {
            LOG("recovery stopping at restore point \"%s\", time %s", p.name, recovery_time_text(p.time));
            return stop(true, LSN_INVALID, XID_INVALID, p.time, p.name);
        }
    }
    if (t->kind == TARGET_LSN && t->inclusive && r->start >= t->lsn) {
        LOG("recovery stopping after WAL location (LSN) \"%s\"", lsn_text(r->start));
        return stop(true, r->start, XID_INVALID, 0, NULL);
    }
    if (transaction_end(r, &e)) {
        recovery.last_xact_time = e.time;
        /* release: observers; pairs with wal_last_xact_replay_time */
        atomic_store_explicit(&wal_shared->last_xact_time, e.time, memory_order_release);
        if (t->kind == TARGET_XID && t->inclusive && e.xid == t->xid)
            return stop_at_transaction(&e, true);
    }
    if (t->kind == TARGET_IMMEDIATE && recovery.consistent) {
        LOG("recovery stopping after reaching consistency");
        return stop(true, LSN_INVALID, XID_INVALID, 0, NULL);
    }
    return false;
}

const char *
target_reason(Arena *a)
{
    const char *side = recovery.stop_after ? "after" : "before";
    if (!recovery.reached)
        return "no recovery target specified";
    switch (recovery.target.kind) {
    case TARGET_XID: return arena_printf(a, "%s transaction %llu", side, (unsigned long long)recovery.stop_xid);
    case TARGET_TIME: return arena_printf(a, "%s %s", side, recovery_time_text(recovery.stop_time));
    case TARGET_LSN: return arena_printf(a, "%s LSN %s", side, lsn_text(recovery.stop_lsn));
    case TARGET_NAME: return arena_printf(a, "at restore point \"%s\"", recovery.stop_name);
    case TARGET_IMMEDIATE: return "reached consistency";
    default: return "no recovery target specified";
    }
}
