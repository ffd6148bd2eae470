/*
 * The files initdb writes besides the catalogs: PG_VERSION, postgresql.conf, postgresql.auto.conf,
 * pg_hba.conf, pg_ident.conf.
 *
 * postgresql.conf is made from the registry of settings, so that it names every setting there is with
 * its true default. What a new cluster sets is not commented out.
 */
#define _GNU_SOURCE
#include "procs/procs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/limits.h"
#include "core/base/settings.h"

typedef struct Chosen {
    const char *name, *value;
} Chosen;

static void
write_file(const InitdbOptions *o, const char *name, const char *text)
{
    char path[MAX_PATH_BYTES];
    snprintf(path, sizeof(path), "%s/%s", o->data_dir, name);
    FILE *f = fopen(path, "w");
    if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0)
        die("error: could not write file \"%s\": %s", path, strerror(errno));
    chmod(path, o->group_access ? 0640 : 0600);
}

/* TZ, else what /etc/localtime points to, else UTC. Only zones whose file exists. */
static const char *
system_time_zone(Arena *a, const char *name)
{
    static const char zones[] = "/zoneinfo/";
    char target[MAX_PATH_BYTES];
    if (name && name[0] == ':')
        name++;
    if (name == NULL || name[0] == '\0') {
        name = NULL;
        if (realpath("/etc/localtime", target)) {
            char *at = strstr(target, zones);
            name = at ? at + sizeof(zones) - 1 : NULL;
        }
    }
    if (name && name[0] != '/' && strstr(name, "..") == NULL &&
        access(arena_printf(a, "/usr/share/zoneinfo/%s", name), R_OK) == 0)
        return arena_strdup(a, name);
    return "Etc/UTC";
}

static const char *
chosen_value(const Chosen *list, const char *name)
{
    for (; list->name; list++)
        if (strcmp(list->name, name) == 0)
            return list->value;
    return NULL;
}

/* As a value in the file: numbers and words as they are, all else quoted. */
static void
add_value(StrBuf *s, const SettingDef *def, const char *value)
{
    bool plain = def->type != SETTING_STRING && value[0] != '\0';
    for (const char *p = value; *p; p++)
        plain &= (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || strchr("_.-+", *p) != NULL;
    if (plain) {
        str_add(s, value);
        return;
    }
    str_add_char(s, '\'');
    for (const char *p = value; *p; p++) {
        if (*p == '\'' || *p == '\\')
            str_add_char(s, *p);
        str_add_char(s, *p);
    }
    str_add_char(s, '\'');
}

static void
add_setting(StrBuf *s, Arena *a, const SettingView *v, const char *chosen)
{
    const char *value = chosen ? chosen : settings_get(a, v->def->name, true);
    size_t at = s->len;
    str_printf(s, "%s%s = ", chosen ? "" : "#", v->def->name);
    add_value(s, v->def, value ? value : "");
    size_t width = s->len - at;
    do
        str_add_char(s, ' ');
    while (++width < 44);
    str_printf(s, "# %s%s\n", v->def->description ? v->def->description : "",
               v->def->context == CONTEXT_POSTMASTER ? " (change requires restart)" : "");
}

static bool
belongs_in_file(const SettingView *v)
{
    return v->def->context != CONTEXT_INTERNAL && !(v->def->flags & SETTING_NO_SHOW_ALL) &&
           strncmp(v->def->name, "transaction_", 12) != 0 && strcmp(v->def->name, "application_name") != 0;
}

static char *
configuration_text(Arena *a, const Chosen *chosen)
{
    StrBuf s;
    int n = settings_count();
    SettingView *views = ARENA_ARRAY(a, SettingView, n);
    bool *done = ARENA_ARRAY(a, bool, n);
    str_init(&s, a);
    str_add(&s, "# Configuration of this database cluster.\n#\n"
                "# A line is \"name = value\"; the equals sign may be left out. What follows a # is a comment.\n"
                "# A line commented out shows the default. After a change run \"pg_ctl reload\"; settings marked\n"
                "# \"change requires restart\" take effect at the next start. ALTER SYSTEM writes to\n"
                "# postgresql.auto.conf, which is read after this file.\n"
                "#\n# Units of memory: B kB MB GB TB. Units of time: us ms s min h d.\n");
    for (int i = 0; i < n; i++)
        settings_view(i, a, &views[i]);
    for (int i = 0; i < n; i++) {
        if (done[i] || !belongs_in_file(&views[i]))
            continue;
        const char *group = views[i].def->group ? views[i].def->group : "Other";
        str_printf(&s, "\n\n#---- %s ----\n\n", group);
        for (int k = i; k < n; k++) {
            const char *other = views[k].def->group ? views[k].def->group : "Other";
            if (done[k] || !belongs_in_file(&views[k]) || strcmp(group, other) != 0)
                continue;
            done[k] = true;
            add_setting(&s, a, &views[k], chosen_value(chosen, views[k].def->name));
        }
    }
    str_add(&s, "\n\n#---- Other files ----\n\n"
                "#include_dir = '...'             # all files ending in .conf in a directory\n"
                "#include_if_exists = '...'       # a file if there is one\n"
                "#include = '...'                 # a file\n");
    return s.data;
}

static char *
hba_text(Arena *a, const InitdbOptions *o)
{
    static const char columns[] = "%-7s %-15s %-15s %-23s %s\n";
    StrBuf s;
    str_init(&s, a);
    str_add(&s, "# Who may connect to what, from where, and how they prove who they are.\n#\n"
                "# One rule a line; the first whose type, database, user and address match decides:\n#\n"
                "#   local     DATABASE  USER  METHOD  [OPTIONS]\n"
                "#   host      DATABASE  USER  ADDRESS  METHOD  [OPTIONS]      (hostssl, hostnossl: with, without TLS)\n#\n"
                "# DATABASE: all, sameuser, samerole, replication, a name, or a list with commas.\n"
                "# USER: all, a name, +group, or a list. ADDRESS: a network as 192.168.0.0/16, a host name, samehost, samenet,\n"
                "# all. METHOD: trust, reject, scram-sha-256, md5, password, peer, cert, ident.\n"
                "# Quote a name that is also a keyword. After a change: pg_ctl reload.\n");
    if (strcmp(o->auth_local, "trust") == 0 || strcmp(o->auth_host, "trust") == 0)
        str_add(&s, "#\n# CAUTION: \"trust\" lets every local user connect as any database user, superusers too.\n");
    str_add(&s, "\n");
    str_printf(&s, columns, "# TYPE", "DATABASE", "USER", "ADDRESS", "METHOD");
    str_add(&s, "\n# Unix-domain sockets\n");
    str_printf(&s, columns, "local", "all", "all", "", o->auth_local);
    str_add(&s, "# This machine by TCP/IP\n");
    str_printf(&s, columns, "host", "all", "all", "127.0.0.1/32", o->auth_host);
    str_printf(&s, columns, "host", "all", "all", "::1/128", o->auth_host);
    str_add(&s, "# Replication from this machine, by a user with the REPLICATION privilege\n");
    str_printf(&s, columns, "local", "replication", "all", "", o->auth_local);
    str_printf(&s, columns, "host", "replication", "all", "127.0.0.1/32", o->auth_host);
    str_printf(&s, columns, "host", "replication", "all", "::1/128", o->auth_host);
    return s.data;
}

static const char ident_text[] =
    "# Maps of operating system users to database users, for pg_hba.conf's option map=NAME.\n#\n"
    "# One entry a line: MAPNAME  SYSTEM-USERNAME  DATABASE-USERNAME. A system user name that begins with a slash is a\n"
    "# regular expression; \\1 in the database user name stands for its first part in parentheses.\n"
    "# After a change: pg_ctl reload.\n\n"
    "# MAPNAME       SYSTEM-USERNAME         DATABASE-USERNAME\n";

void
initdb_write_files(const InitdbOptions *o)
{
    Arena *a = arena_create(arena_top(), "initdb files");
    const char *zone;
    printf("selecting dynamic shared memory implementation ... posix\n"
           "selecting default max_connections ... 100\n"
           "selecting default shared_buffers ... 128MB\n"
           "selecting default time zone ... ");
    fflush(stdout);
    zone = system_time_zone(a, o->time_zone);
    printf("%s\ncreating configuration files ... ", zone);
    fflush(stdout);
    const Chosen chosen[] = {
        {"max_connections", "100"}, {"shared_buffers", "128MB"}, {"max_wal_size", "1GB"}, {"min_wal_size", "80MB"},
        {"datestyle", "iso, mdy"}, {"DateStyle", "iso, mdy"}, {"timezone", zone}, {"TimeZone", zone}, {"log_timezone", zone},
        {"lc_messages", o->messages}, {"lc_monetary", o->monetary}, {"lc_numeric", o->numeric}, {"lc_time", o->time},
        {"log_file_mode", o->group_access ? "0640" : "0600"}, {NULL, NULL}};
    write_file(o, "PG_VERSION", PG_MAJOR "\n");
    write_file(o, "base/1/PG_VERSION", PG_MAJOR "\n");
    write_file(o, "postgresql.conf", configuration_text(a, chosen));
    write_file(o, "postgresql.auto.conf", "# Do not edit this file manually!\n"
                                          "# It will be overwritten by the ALTER SYSTEM command.\n");
    write_file(o, "pg_hba.conf", hba_text(a, o));
    write_file(o, "pg_ident.conf", ident_text);
    printf("ok\n");
    arena_destroy(a);
}
