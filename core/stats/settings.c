/* The settings of statistics. */
#include "core/base/settings.h"
#include "core/stats/stats_internal.h"

bool track_counts = true, track_activities = true, track_io_timing, track_wal_io_timing;
static int track_functions;

/* Links keep the answer of before: they look again. */
static void
assign_track_counts(const SettingDef *def)
{
    stats_epoch++;
}

static const SettingEnum consistency_options[] = {
    {"none", CONSISTENCY_NONE, false}, {"cache", CONSISTENCY_CACHE, false}, {"snapshot", CONSISTENCY_SNAPSHOT, false},
    {NULL, 0, false},
};
static const SettingEnum function_options[] = {{"none", 0, false}, {"pl", 1, false}, {"all", 2, false}, {NULL, 0, false}};

#define GROUP "Statistics / Cumulative Query and Index Statistics"
static const SettingDef defs[] = {
    {.name = "track_counts", .type = SETTING_BOOL, .context = CONTEXT_SUPERUSER, .group = GROUP,
     .description = "Counts what is done to tables and indexes.", .variable = &track_counts, .boot = "on",
     .assign = assign_track_counts},
    {.name = "track_activities", .type = SETTING_BOOL, .context = CONTEXT_SUPERUSER, .group = GROUP,
     .description = "Shows what each session is doing.", .variable = &track_activities, .boot = "on"},
    {.name = "track_io_timing", .type = SETTING_BOOL, .context = CONTEXT_SUPERUSER, .group = GROUP,
     .description = "Measures the time of reading and writing pages.", .variable = &track_io_timing, .boot = "off"},
    {.name = "track_wal_io_timing", .type = SETTING_BOOL, .context = CONTEXT_SUPERUSER, .group = GROUP,
     .description = "Measures the time of writing and syncing the log.", .variable = &track_wal_io_timing, .boot = "off"},
    {.name = "track_functions", .type = SETTING_ENUM, .context = CONTEXT_SUPERUSER, .group = GROUP,
     .description = "Accepted for compatibility: there are no functions whose calls PostgreSQL would count.",
     .variable = &track_functions, .boot = "none", .options = function_options},
    {.name = "stats_fetch_consistency", .type = SETTING_ENUM, .context = CONTEXT_USER, .group = GROUP,
     .description = "How statistics read within one transaction agree with each other.",
     .variable = &stats_consistency, .boot = "cache", .options = consistency_options},
};

void
stats_settings_register(void)
{
    settings_register(defs, COUNT_OF(defs));
}
