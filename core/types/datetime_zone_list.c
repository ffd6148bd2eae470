/*
 * What the views pg_timezone_names and pg_timezone_abbrevs show: every zone file and every
 * abbreviation, with its offset as of the transaction's start.
 */
#include "core/types/datetime.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>

#include "core/types/datetime_int.h"
#include "core/types/datetime_zone.h"

#define ZONE_PATH_MAX 512
#define SHOWN_ABBREV_MAX 31 /* longer ones are the "Factory" zone's message */

typedef struct ZoneList {
    List *names;
    int next;
} ZoneList;

/* Collects the files below dir/prefix; hidden ones and links out of sight are left to stat. */
static void
collect(List *names, Arena *a, const char *prefix, int depth)
{
    char path[ZONE_PATH_MAX];
    if (depth > 4 ||
        snprintf(path, sizeof path, "%s/%s", zone_directory(), prefix) >= (int)sizeof path)
        return;
    DIR *d = opendir(path);
    if (!d)
        return;
    struct dirent *e;
    while ((e = readdir(d)) != NULL) {
        struct stat st;
        char name[ZONE_PATH_MAX];
        if (e->d_name[0] == '.' ||
            snprintf(name, sizeof name, "%s%s%s", prefix, *prefix ? "/" : "", e->d_name) >=
                (int)sizeof name ||
            snprintf(path, sizeof path, "%s/%s", zone_directory(), name) >= (int)sizeof path ||
            stat(path, &st) != 0)
            continue;
        if (S_ISDIR(st.st_mode))
            collect(names, a, name, depth + 1);
        else if (S_ISREG(st.st_mode))
            list_push(names, arena_strdup(a, name));
    }
    closedir(d);
}

/* pg_timezone_names() -> name, abbrev, utc_offset, is_dst */
bool
set_timezone_names(FnCtx *c, const Datum *args, Datum *out, bool *outnull)
{
    ZoneList *l = c->state;
    if (!l) {
        l = c->state = ARENA_NEW(c->state_arena, ZoneList);
        l->names = list_new(c->state_arena);
        collect(l->names, c->state_arena, "", 0);
    }
    while (l->next < l->names->count) {
        const char *name = list_at(l->names, l->next++);
        const Zone *z = zone_find(name);
        ZoneMoment m;
        if (!z || zone_has_leap_seconds(z) || strcmp(zone_name(z), name) != 0)
            continue;
        zone_at(z, unix_from_ts(xact_time()), &m);
        if (strlen(m.abbrev) > SHOWN_ABBREV_MAX)
            continue;
        out[0] = var_from_cstring(c->arena, name);
        out[1] = var_from_cstring(c->arena, m.abbrev);
        out[2] = interval_datum(c->arena, (Interval){m.offset * US_PER_SEC, 0, 0});
        out[3] = bool_datum(m.dst);
        outnull[0] = outnull[1] = outnull[2] = outnull[3] = false;
        return true;
    }
    c->state = NULL;
    return false;
}

/* pg_timezone_abbrevs() -> abbrev, utc_offset, is_dst */
bool
set_timezone_abbrevs(FnCtx *c, const Datum *args, Datum *out, bool *outnull)
{
    int *next = c->state;
    const char *abbrev;
    int offset;
    bool dst;
    const Zone *z;
    char upper[16];
    if (!next)
        next = c->state = ARENA_NEW(c->state_arena, int);
    do {
        if (!abbrev_get((*next)++, &abbrev, &offset, &dst, &z)) {
            c->state = NULL;
            return false;
        }
    } while (!abbrev);
    if (z) {
        int64_t now = unix_from_ts(xact_time());
        ZoneMoment m;
        if (!zone_abbrev_at(z, abbrev, now, &offset, &dst)) {
            zone_at(z, now, &m);
            offset = m.offset;
            dst = m.dst;
        }
    }
    size_t n = 0;
    for (; abbrev[n] && n + 1 < sizeof upper; n++)
        upper[n] = to_upper(abbrev[n]);
    upper[n] = 0;
    out[0] = var_from_cstring(c->arena, upper);
    out[1] = interval_datum(c->arena, (Interval){offset * US_PER_SEC, 0, 0});
    out[2] = bool_datum(dst);
    outnull[0] = outnull[1] = outnull[2] = false;
    return true;
}
