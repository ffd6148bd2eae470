/* The settings that core/base itself reads: what is logged, how, and in which time zone. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/base/settings.h"

static const SettingEnum server_levels[] = {
    {"debug5", LEVEL_DEBUG5, false}, {"debug4", LEVEL_DEBUG4, false}, {"debug3", LEVEL_DEBUG3, false},
    {"debug2", LEVEL_DEBUG2, false}, {"debug1", LEVEL_DEBUG1, false}, {"debug", LEVEL_DEBUG2, true},
    {"info", LEVEL_INFO, false},     {"notice", LEVEL_NOTICE, false}, {"warning", LEVEL_WARNING, false},
    {"error", LEVEL_ERROR, false},   {"log", LEVEL_LOG, false},       {"fatal", LEVEL_FATAL, false},
    {"panic", LEVEL_PANIC, false},   {NULL, 0, false},
};
static const SettingEnum client_levels[] = {
    {"debug5", LEVEL_DEBUG5, false}, {"debug4", LEVEL_DEBUG4, false}, {"debug3", LEVEL_DEBUG3, false},
    {"debug2", LEVEL_DEBUG2, false}, {"debug1", LEVEL_DEBUG1, false}, {"debug", LEVEL_DEBUG2, true},
    {"log", LEVEL_LOG, false},       {"info", LEVEL_INFO, true},      {"notice", LEVEL_NOTICE, false},
    {"warning", LEVEL_WARNING, false}, {"error", LEVEL_ERROR, false}, {NULL, 0, false},
};
static const SettingEnum verbosities[] = {
    {"terse", 0, false}, {"default", 1, false}, {"verbose", 2, false}, {NULL, 0, false},
};

/* A zone is a file below /usr/share/zoneinfo; UTC and GMT need none. */
static bool
check_log_timezone(const SettingDef *def, const char **value, SettingSource source)
{
    char path[512];
    const char *v = *value;
    if (str_casecmp_ascii(v, "utc") == 0 || str_casecmp_ascii(v, "gmt") == 0)
        return true;
    if (v[0] == '\0' || v[0] == '/' || v[0] == '.' || strstr(v, ".."))
        return false;
    snprintf(path, sizeof(path), "/usr/share/zoneinfo/%s", v);
    if (access(path, R_OK) == 0)
        return true;
    return str_casecmp_ascii(v, "Etc/UTC") == 0; /* initdb's default must do without zone files */
}

static void
assign_log_timezone(const SettingDef *def)
{
    char zone[512];
    const char *v = log_timezone;
    if (str_casecmp_ascii(v, "utc") == 0 || str_casecmp_ascii(v, "Etc/UTC") == 0)
        snprintf(zone, sizeof(zone), "UTC0");
    else if (str_casecmp_ascii(v, "gmt") == 0)
        snprintf(zone, sizeof(zone), "GMT0");
    else
        snprintf(zone, sizeof(zone), ":%s", v);
    setenv("TZ", zone, 1);
    tzset();
}

#define WHEN "Reporting and Logging / When to Log"
#define WHAT "Reporting and Logging / What to Log"

static const SettingDef defs[] = {
    {.name = "log_min_messages", .type = SETTING_ENUM, .context = CONTEXT_SUPERUSER, .flags = SETTING_NOT_IN_PLANS, .group = WHEN,
     .description = "The least level of message that goes to the server log.",
     .variable = &log_min_messages, .boot = "warning", .options = server_levels},
    {.name = "client_min_messages", .type = SETTING_ENUM, .context = CONTEXT_USER, .flags = SETTING_NOT_IN_PLANS,
     .group = "Client Connection Defaults / Statement Behavior",
     .description = "The least level of message that is sent to the client.",
     .variable = &client_min_messages, .boot = "notice", .options = client_levels},
    {.name = "log_min_error_statement", .type = SETTING_ENUM, .context = CONTEXT_SUPERUSER, .flags = SETTING_NOT_IN_PLANS, .group = WHEN,
     .description = "The least level of message that is logged with the statement that caused it.",
     .variable = &log_min_error_statement, .boot = "error", .options = server_levels},
    {.name = "log_error_verbosity", .type = SETTING_ENUM, .context = CONTEXT_SUPERUSER, .group = WHAT,
     .description = "How much of a message is logged.",
     .variable = &log_error_verbosity, .boot = "default", .options = verbosities},
    {.name = "log_line_prefix", .type = SETTING_STRING, .context = CONTEXT_SIGHUP, .group = WHAT,
     .description = "What stands before each log line; an empty string for nothing.",
     .variable = &log_line_prefix, .boot = "%m [%p] "},
    {.name = "log_timezone", .type = SETTING_STRING, .context = CONTEXT_SIGHUP, .group = WHAT,
     .description = "The time zone of times in log messages.",
     .variable = &log_timezone, .boot = "GMT", .check = check_log_timezone, .assign = assign_log_timezone},
};

void
base_settings_register(void)
{
    settings_register(defs, COUNT_OF(defs));
}
