/*
 * The settings that belong to the processes: where files and sockets are, who is started, what of
 * connections is logged. Those of parts that come later (the log collector) are here with
 * the only values they take, so that tools that show or compare settings find them.
 */
#include "procs/procs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/limits.h"
#include "core/base/settings.h"

char *listen_addresses, *unix_socket_directories, *unix_socket_group, *external_pid_file;
char *setting_data_directory, *setting_config_file, *setting_hba_file, *setting_ident_file;
int server_port = 5432, unix_socket_permissions = 0777, spare_backends = 3, kept_backends = 16, listen_backlog;
int autovacuum_naptime_s = 60;
bool restart_after_crash = true, log_connections, log_disconnections, autovacuum_enabled = true;

static int data_directory_mode = 0700;
static bool logging_collector, bonjour;
static char *log_destination, *cluster_name, *bonjour_name, *event_source;

static bool
check_off_only(const SettingDef *def, const char **value, SettingSource source)
{
    bool on;
    if (settings_parse_bool(*value, &on) && !on)
        return true;
    settings_check_message(SQLSTATE_FEATURE_NOT_SUPPORTED, "\"%s\" is not supported yet", def->name);
    return false;
}

static bool
check_log_destination(const SettingDef *def, const char **value, SettingSource source)
{
    if (str_casecmp_ascii(*value, "stderr") == 0)
        return true;
    settings_check_error("Only \"stderr\" is supported.");
    return false;
}

static const char *
show_octal(Arena *a, int mode)
{
    return arena_printf(a, "%04o", (unsigned)mode);
}

static const char *
show_socket_permissions(Arena *a)
{
    return show_octal(a, unix_socket_permissions);
}

static const char *
show_directory_mode(Arena *a)
{
    struct stat st;
    if (setting_data_directory && setting_data_directory[0] && stat(setting_data_directory, &st) == 0)
        data_directory_mode = (int)(st.st_mode & 0777);
    return show_octal(a, data_directory_mode);
}

#define CONNECTIONS "Connections and Authentication / Connection Settings"
#define FILES "File Locations"
#define AUTOVACUUM "Autovacuum"
#define WHAT "Reporting and Logging / What to Log"
#define WHERE "Reporting and Logging / Where to Log"
#define STR(n, ctx, grp, desc, var, dflt) {.name = n, .type = SETTING_STRING, .context = ctx, .group = grp, .description = desc, .variable = var, .boot = dflt}
#define BOOL(n, ctx, grp, desc, var, dflt) {.name = n, .type = SETTING_BOOL, .context = ctx, .group = grp, .description = desc, .variable = var, .boot = dflt}
#define INT(n, ctx, u, grp, desc, var, dflt, lo, hi) {.name = n, .type = SETTING_INT, .context = ctx, .unit = u, .group = grp, .description = desc, .variable = var, .boot = dflt, .min = lo, .max = hi}
#define REAL(n, ctx, u, grp, desc, var, dflt, lo, hi) {.name = n, .type = SETTING_REAL, .context = ctx, .unit = u, .group = grp, .description = desc, .variable = var, .boot = dflt, .min = lo, .max = hi}

static const SettingDef defs[] = {
    STR("listen_addresses", CONTEXT_POSTMASTER, CONNECTIONS, "The host names or addresses to listen on.", &listen_addresses, "localhost"),
    INT("port", CONTEXT_POSTMASTER, UNIT_NONE, CONNECTIONS, "The TCP port, also part of the socket's name.", &server_port, "5432", 1, 65535),
    STR("unix_socket_directories", CONTEXT_POSTMASTER, CONNECTIONS, "The directories for Unix-domain sockets.", &unix_socket_directories, "/var/run/postgresql, /tmp"),
    STR("unix_socket_group", CONTEXT_POSTMASTER, CONNECTIONS, "The group that owns the Unix-domain sockets.", &unix_socket_group, ""),
    {.name = "unix_socket_permissions", .type = SETTING_INT, .context = CONTEXT_POSTMASTER, .group = CONNECTIONS,
     .description = "The access mode of the Unix-domain sockets.", .variable = &unix_socket_permissions,
     .boot = "0777", .min = 0, .max = 0777, .show = show_socket_permissions},
    BOOL("bonjour", CONTEXT_POSTMASTER, CONNECTIONS, "Advertises the server with Bonjour (not supported).", &bonjour, "off"),
    STR("bonjour_name", CONTEXT_POSTMASTER, CONNECTIONS, "The Bonjour service name.", &bonjour_name, ""),
    INT("posthaste.kept_backends", CONTEXT_SIGHUP, UNIT_NONE, CONNECTIONS, "How many backends, beyond the spare ones, may wait for another client after theirs has left.", &kept_backends, "16", 0, 1000),
    INT("posthaste.spare_backends", CONTEXT_SIGHUP, UNIT_NONE, CONNECTIONS, "How many backends wait for connections ahead of need.", &spare_backends, "3", 0, 64),
    {.name = "data_directory", .type = SETTING_STRING, .context = CONTEXT_POSTMASTER, .group = FILES,
     .flags = SETTING_HIDDEN_VALUE, .description = "The data directory.", .variable = &setting_data_directory, .boot = NULL},
    {.name = "config_file", .type = SETTING_STRING, .context = CONTEXT_POSTMASTER, .group = FILES,
     .flags = SETTING_HIDDEN_VALUE, .description = "The main configuration file.", .variable = &setting_config_file, .boot = NULL},
    {.name = "hba_file", .type = SETTING_STRING, .context = CONTEXT_POSTMASTER, .group = FILES,
     .flags = SETTING_HIDDEN_VALUE, .description = "The file that says who may connect how.", .variable = &setting_hba_file, .boot = NULL},
    {.name = "ident_file", .type = SETTING_STRING, .context = CONTEXT_POSTMASTER, .group = FILES,
     .flags = SETTING_HIDDEN_VALUE, .description = "The file of user name maps.", .variable = &setting_ident_file, .boot = NULL},
    {.name = "external_pid_file", .type = SETTING_STRING, .context = CONTEXT_POSTMASTER, .group = FILES,
     .flags = SETTING_HIDDEN_VALUE, .description = "One more file that gets the postmaster's process id.", .variable = &external_pid_file, .boot = NULL},
    {.name = "data_directory_mode", .type = SETTING_INT, .context = CONTEXT_INTERNAL, .group = "Preset Options",
     .description = "The access mode of the data directory.", .variable = &data_directory_mode, .boot = "0700",
     .min = 0, .max = 0777, .show = show_directory_mode},
    BOOL("restart_after_crash", CONTEXT_SIGHUP, "Error Handling", "Starts anew after a server process has crashed.", &restart_after_crash, "on"),
    {.name = "logging_collector", .type = SETTING_BOOL, .context = CONTEXT_POSTMASTER, .group = WHERE,
     .description = "Collects the log in files (not supported: the log goes to stderr).",
     .variable = &logging_collector, .boot = "off", .check = check_off_only},
    {.name = "log_destination", .type = SETTING_STRING, .context = CONTEXT_SIGHUP, .group = WHERE,
     .flags = SETTING_LIST_QUOTE, .description = "Where the log goes.", .variable = &log_destination, .boot = "stderr", .check = check_log_destination},
    STR("event_source", CONTEXT_POSTMASTER, WHERE, "The name in an event log (not used here).", &event_source, "PostgreSQL"),
    BOOL("log_connections", CONTEXT_SUPERUSER_BACKEND, WHAT, "Logs each connection.", &log_connections, "off"),
    BOOL("log_disconnections", CONTEXT_SUPERUSER_BACKEND, WHAT, "Logs the end of a session with its duration.", &log_disconnections, "off"),
    STR("cluster_name", CONTEXT_POSTMASTER, "Reporting and Logging / Process Title", "A name for this instance, shown in process titles.", &cluster_name, ""),
    BOOL("autovacuum", CONTEXT_SIGHUP, AUTOVACUUM, "Starts the autovacuum launcher.", &autovacuum_enabled, "on"),
    INT("autovacuum_naptime", CONTEXT_SIGHUP, UNIT_S, AUTOVACUUM, "Time between autovacuum's rounds.", &autovacuum_naptime_s, "1min", 1, 2147483),
};

void
procs_settings_register(void)
{
    settings_register(defs, COUNT_OF(defs));
}

void
settings_set_path(const char *name, const char *value)
{
    char here[MAX_PATH_BYTES];
    Arena *a = arena_create(arena_top(), "path");
    if (value[0] != '/') {
        if (getcwd(here, sizeof(here)) == NULL)
            die("could not identify current directory: %s", strerror(errno));
        value = arena_printf(a, "%s/%s", here, value);
    }
    size_t n = strlen(value);
    while (n > 1 && value[n - 1] == '/')
        n--;
    settings_set(name, arena_strndup(a, value, n), CONTEXT_POSTMASTER, SOURCE_OVERRIDE, ACTION_SET);
    arena_destroy(a);
}
