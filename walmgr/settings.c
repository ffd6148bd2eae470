/*
 * The log's settings, under PostgreSQL's names and limits.
 */
#include "walmgr/recovery.h"

#include <limits.h>

#include "core/base/settings.h"

int synchronous_commit = SYNC_COMMIT_ON;
int wal_level = WAL_LEVEL_REPLICA;
bool wal_log_hints, full_page_writes = true, log_checkpoints = true;
int wal_writer_delay_ms = 200, checkpoint_timeout_s = 300;
double checkpoint_completion_target = 0.9;
int wal_buffers_blocks = -1, wal_sync_method = WAL_SYNC_FDATASYNC, wal_compression, commit_delay_us;
int commit_siblings = 5, wal_writer_flush_after_blocks = 128, checkpoint_warning_s = 30;
int max_wal_size_mb = 1024, min_wal_size_mb = 80, wal_keep_size_mb;
bool wal_recycle = true, wal_init_zero = true;
int recovery_init_sync_method = RECOVERY_SYNC_FSYNC, recovery_prefetch = 2, wal_decode_buffer_bytes = 512 * 1024;
int log_startup_progress_ms = 10000;
static int wal_segment_size_setting = WAL_SEGMENT_BYTES, wal_block_size_setting = WAL_WRITE_BLOCK;

#define SEGMENT_BLOCKS (int)(WAL_SEGMENT_BYTES / WAL_WRITE_BLOCK)

/* -1 means a 32nd of shared_buffers, at most a segment; that setting belongs to a module above. */
static int
effective_buffers(void)
{
    if (wal_buffers_blocks > 0)
        return MAX(wal_buffers_blocks, 4);
    int shared = 16384;
    const char *hint, *text = settings_get(arena_top(), "shared_buffers", true);
    if (text && !settings_parse_int(text, &shared, UNIT_BLOCKS, &hint))
        shared = 16384;
    return MAX(MIN(shared / 32, SEGMENT_BLOCKS), 8);
}

size_t
wal_ring_bytes(void)
{
    static int known_setting = INT_MIN;
    static size_t known_bytes;
    if (known_setting != wal_buffers_blocks || known_bytes == 0) {
        size_t want = (size_t)effective_buffers() * WAL_WRITE_BLOCK, bytes = 64 * 1024;
        while (bytes < want)
            bytes *= 2;
        known_setting = wal_buffers_blocks;
        known_bytes = bytes;
    }
    return known_bytes;
}

static const char *
show_wal_buffers(Arena *a)
{
    int blocks = effective_buffers();
    if (blocks % 128 == 0)
        return arena_printf(a, "%dMB", blocks / 128);
    return arena_printf(a, "%dkB", blocks * 8);
}

static void
assign_sync_method(const SettingDef *def)
{
    wal_segment_close(); /* the flags of open descriptors may be others now */
}

static const SettingEnum synchronous_commit_options[] = {
    {"local", SYNC_COMMIT_LOCAL, false}, {"remote_write", SYNC_COMMIT_REMOTE_WRITE, false},
    {"remote_apply", SYNC_COMMIT_REMOTE_APPLY, false}, {"on", SYNC_COMMIT_ON, false},
    {"off", SYNC_COMMIT_OFF, false}, {"true", SYNC_COMMIT_ON, true}, {"false", SYNC_COMMIT_OFF, true},
    {"yes", SYNC_COMMIT_ON, true}, {"no", SYNC_COMMIT_OFF, true}, {"1", SYNC_COMMIT_ON, true},
    {"0", SYNC_COMMIT_OFF, true}, {NULL, 0, false}};
static const SettingEnum wal_level_options[] = {
    {"minimal", WAL_LEVEL_MINIMAL, false}, {"replica", WAL_LEVEL_REPLICA, false},
    {"archive", WAL_LEVEL_REPLICA, true}, {"hot_standby", WAL_LEVEL_REPLICA, true},
    {"logical", WAL_LEVEL_LOGICAL, false}, {NULL, 0, false}};
static const SettingEnum sync_method_options[] = {
    {"fsync", WAL_SYNC_FSYNC, false}, {"fdatasync", WAL_SYNC_FDATASYNC, false},
    {"open_sync", WAL_SYNC_OPEN, false}, {"open_datasync", WAL_SYNC_OPEN_DSYNC, false}, {NULL, 0, false}};
/*
 * PostgreSQL's pglz is not one of the methods: naming it is an error, as naming one that was not built
 * in is there. On by default, unlike PostgreSQL: LZ4 takes some microseconds a page, and in the seconds after a
 * checkpoint, when nearly all of the log is images, it leaves a third of the bytes (bench/wal_bytes.sh).
 */
#ifdef HAVE_LZ4
#define WAL_COMPRESSION_ON WAL_COMPRESSION_LZ4
#define COMPRESSION_BOOT "lz4"
#elif defined(HAVE_ZSTD)
#define WAL_COMPRESSION_ON WAL_COMPRESSION_ZSTD
#define COMPRESSION_BOOT "zstd"
#else
#define COMPRESSION_BOOT "off"
#endif
static const SettingEnum compression_options[] = {
#ifdef HAVE_LZ4
    {"lz4", WAL_COMPRESSION_LZ4, false},
#endif
#ifdef HAVE_ZSTD
    {"zstd", WAL_COMPRESSION_ZSTD, false},
#endif
#ifdef WAL_COMPRESSION_ON
    {"on", WAL_COMPRESSION_ON, false}, {"true", WAL_COMPRESSION_ON, true}, {"yes", WAL_COMPRESSION_ON, true},
    {"1", WAL_COMPRESSION_ON, true},
#endif
    {"off", WAL_COMPRESSION_OFF, false}, {"false", WAL_COMPRESSION_OFF, true}, {"no", WAL_COMPRESSION_OFF, true},
    {"0", WAL_COMPRESSION_OFF, true}, {NULL, 0, false}};
static const SettingEnum init_sync_options[] = {
    {"fsync", RECOVERY_SYNC_FSYNC, false}, {"syncfs", RECOVERY_SYNC_SYNCFS, false}, {NULL, 0, false}};
static const SettingEnum prefetch_options[] = {
    {"off", 0, false}, {"on", 1, false}, {"try", 2, false}, {"true", 1, true}, {"false", 0, true},
    {"yes", 1, true}, {"no", 0, true}, {"1", 1, true}, {"0", 0, true}, {NULL, 0, false}};

#define SETTINGS "Write-Ahead Log / Settings"
#define CHECKPOINTS "Write-Ahead Log / Checkpoints"
#define RECOVERY "Write-Ahead Log / Recovery"
#define PRESET "Preset Options"

static const SettingDef defs[] = {
    {"synchronous_commit", SETTING_ENUM, CONTEXT_USER, UNIT_NONE, SETTING_NOT_IN_PLANS, SETTINGS,
     "How far a commit must have got before it is acknowledged.", &synchronous_commit, "on", 0, 0,
     synchronous_commit_options, NULL, NULL, NULL},
    {"wal_level", SETTING_ENUM, CONTEXT_POSTMASTER, UNIT_NONE, 0, SETTINGS,
     "How much the log says beyond what redo needs.", &wal_level, "replica", 0, 0, wal_level_options, NULL, NULL,
     NULL},
    {"wal_sync_method", SETTING_ENUM, CONTEXT_SIGHUP, UNIT_NONE, 0, SETTINGS,
     "The system call that makes the log durable.", &wal_sync_method, "fdatasync", 0, 0, sync_method_options, NULL,
     assign_sync_method, NULL},
    {"full_page_writes", SETTING_BOOL, CONTEXT_SIGHUP, UNIT_NONE, 0, SETTINGS,
     "Logs a whole page at its first change after a checkpoint.", &full_page_writes, "on", 0, 0, NULL, NULL, NULL,
     NULL},
    {"wal_compression", SETTING_ENUM, CONTEXT_SUPERUSER, UNIT_NONE, 0, SETTINGS,
     "Compresses whole pages in the log.", &wal_compression, COMPRESSION_BOOT, 0, 0, compression_options, NULL, NULL, NULL},
    {"wal_log_hints", SETTING_BOOL, CONTEXT_POSTMASTER, UNIT_NONE, 0, SETTINGS,
     "Logs a whole page at its first hint bit after a checkpoint (always done, for the sake of checksums).",
     &wal_log_hints, "off", 0, 0, NULL, NULL, NULL, NULL},
    {"wal_init_zero", SETTING_BOOL, CONTEXT_SUPERUSER, UNIT_NONE, 0, SETTINGS,
     "Writes zeros to new log segments before they are used.", &wal_init_zero, "on", 0, 0, NULL, NULL, NULL, NULL},
    {"wal_recycle", SETTING_BOOL, CONTEXT_SUPERUSER, UNIT_NONE, 0, SETTINGS,
     "Renames old log segments for new use.", &wal_recycle, "on", 0, 0, NULL, NULL, NULL, NULL},
    {"wal_buffers", SETTING_INT, CONTEXT_POSTMASTER, UNIT_WAL_BLOCKS, 0, SETTINGS,
     "Shared memory for log not yet written (rounded up to a power of two).", &wal_buffers_blocks, "-1", -1,
     INT_MAX / 8192, NULL, NULL, NULL, show_wal_buffers},
    {"wal_writer_delay", SETTING_INT, CONTEXT_SIGHUP, UNIT_MS, 0, SETTINGS,
     "Time between two flushes by the log writer.", &wal_writer_delay_ms, "200", 1, 10000, NULL, NULL, NULL, NULL},
    {"wal_writer_flush_after", SETTING_INT, CONTEXT_SIGHUP, UNIT_WAL_BLOCKS, 0, SETTINGS,
     "Amount of log after which the log writer flushes at once.", &wal_writer_flush_after_blocks, "1MB", 0, INT_MAX,
     NULL, NULL, NULL, NULL},
    {"commit_delay", SETTING_INT, CONTEXT_SUPERUSER, UNIT_NONE, 0, SETTINGS,
     "Microseconds a commit waits for company before it flushes.", &commit_delay_us, "0", 0, 100000, NULL, NULL, NULL,
     NULL},
    {"commit_siblings", SETTING_INT, CONTEXT_USER, UNIT_NONE, 0, SETTINGS,
     "Open transactions that must be there for commit_delay to be used.", &commit_siblings, "5", 0, 1000, NULL, NULL,
     NULL, NULL},
    {"checkpoint_timeout", SETTING_INT, CONTEXT_SIGHUP, UNIT_S, 0, CHECKPOINTS,
     "Longest time between two checkpoints.", &checkpoint_timeout_s, "5min", 30, 86400, NULL, NULL, NULL, NULL},
    {"checkpoint_completion_target", SETTING_REAL, CONTEXT_SIGHUP, UNIT_NONE, 0, CHECKPOINTS,
     "The part of the time between checkpoints over which their writes are spread.", &checkpoint_completion_target,
     "0.9", 0, 1, NULL, NULL, NULL, NULL},
    {"checkpoint_warning", SETTING_INT, CONTEXT_SIGHUP, UNIT_S, 0, CHECKPOINTS,
     "Logs a message if checkpoints caused by log volume are closer together than this.", &checkpoint_warning_s,
     "30s", 0, INT_MAX, NULL, NULL, NULL, NULL},
    {"max_wal_size", SETTING_INT, CONTEXT_SIGHUP, UNIT_MB, 0, CHECKPOINTS,
     "Size of the log that starts a checkpoint.", &max_wal_size_mb, "1GB", 2, INT_MAX, NULL, NULL, NULL, NULL},
    {"min_wal_size", SETTING_INT, CONTEXT_SIGHUP, UNIT_MB, 0, CHECKPOINTS,
     "Size below which old segments are always recycled.", &min_wal_size_mb, "80MB", 2, INT_MAX, NULL, NULL, NULL,
     NULL},
    {"wal_keep_size", SETTING_INT, CONTEXT_SIGHUP, UNIT_MB, 0, "Replication / Sending Servers",
     "Log kept for standby servers.", &wal_keep_size_mb, "0", 0, INT_MAX, NULL, NULL, NULL, NULL},
    {"log_checkpoints", SETTING_BOOL, CONTEXT_SIGHUP, UNIT_NONE, 0, "Reporting and Logging / What to Log",
     "Logs each checkpoint.", &log_checkpoints, "on", 0, 0, NULL, NULL, NULL, NULL},
    {"log_startup_progress_interval", SETTING_INT, CONTEXT_SIGHUP, UNIT_MS, 0,
     "Reporting and Logging / When to Log", "Time between progress messages of recovery; 0 for none.",
     &log_startup_progress_ms, "10s", 0, INT_MAX, NULL, NULL, NULL, NULL},
    {"recovery_init_sync_method", SETTING_ENUM, CONTEXT_SIGHUP, UNIT_NONE, 0, "Error Handling",
     "How the data directory is synced before crash recovery.", &recovery_init_sync_method, "fsync", 0, 0,
     init_sync_options, NULL, NULL, NULL},
    {"recovery_prefetch", SETTING_ENUM, CONTEXT_SIGHUP, UNIT_NONE, 0, RECOVERY,
     "Asks for pages that recovery will need before it needs them.", &recovery_prefetch, "try", 0, 0,
     prefetch_options, NULL, NULL, NULL},
    {"wal_decode_buffer_size", SETTING_INT, CONTEXT_POSTMASTER, UNIT_BYTE, 0, RECOVERY,
     "How far recovery reads ahead in the log.", &wal_decode_buffer_bytes, "512kB", 65536, INT_MAX / 2, NULL, NULL,
     NULL, NULL},
    {"wal_segment_size", SETTING_INT, CONTEXT_INTERNAL, UNIT_BYTE, 0, PRESET,
     "Size of log segments.", &wal_segment_size_setting, "16MB", 1024 * 1024, 1024 * 1024 * 1024, NULL, NULL, NULL,
     NULL},
    {"wal_block_size", SETTING_INT, CONTEXT_INTERNAL, UNIT_NONE, 0, PRESET,
     "Block size of the log.", &wal_block_size_setting, "8192", 8192, 8192, NULL, NULL, NULL, NULL},
};

void
wal_settings_register(void)
{
    settings_register(defs, (int)COUNT_OF(defs));
    wal_archive_settings_register();
    recovery_settings_register();
    wal_slots_settings_register();
}
