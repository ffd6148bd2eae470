/*
 * Time zones: a reader of TZif files (RFC 8536) from the system's zoneinfo, and look-ups by time.
 *
 * A zone is a sorted array of moments, each beginning a period with one offset. The rule in a
 * file's footer, or of a POSIX name, is unrolled over 400 years when the zone is loaded: the
 * calendar repeats after that, so any later moment is moved back by whole cycles and one binary
 * search serves all times. The last period found is remembered: rows of one query mostly fall into
 * it.
 */
#include "core/types/datetime.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/types/datetime_int.h"
#include "core/types/datetime_zone.h"

#define ZONE_DIR_DEFAULT "/usr/share/zoneinfo"
#define ZONE_FILE_BYTES_MAX (1 << 18)
#define ZONE_NAME_MAX 255
#define ZONE_BUCKETS 256

static Zone *buckets[ZONE_BUCKETS];
static Arena *zone_arena;

const char *
zone_directory(void)
{
    const char *dir = getenv("TZDIR");
    return dir && *dir == '/' ? dir : ZONE_DIR_DEFAULT;
}

/* ---- TZif ---- */

typedef struct TzifHeader {
    char version;
    uint32_t isut, isstd, leap, time, type, chars;
} TzifHeader;

static bool
read_header(const unsigned char *p, size_t n, TzifHeader *h)
{
    if (n < 44 || memcmp(p, "TZif", 4) != 0)
        return false;
    h->version = (char)p[4];
    h->isut = load_be32(p + 20);
    h->isstd = load_be32(p + 24);
    h->leap = load_be32(p + 28);
    h->time = load_be32(p + 32);
    h->type = load_be32(p + 36);
    h->chars = load_be32(p + 40);
    return h->time <= 4096 && h->type >= 1 && h->type <= ZONE_TYPES_MAX &&
           h->chars <= ZONE_CHARS_MAX / 2 && h->leap <= 1000 && h->isut <= h->type &&
           h->isstd <= h->type;
}

static size_t
data_bytes(const TzifHeader *h, size_t time_size)
{
    return h->time * (time_size + 1) + h->type * 6 + h->chars + h->leap * (time_size + 4) +
           h->isstd + h->isut;
}

static void
read_data(Zone *z, const unsigned char *p, const TzifHeader *h, size_t time_size)
{
    const unsigned char *types = p + h->time * time_size, *infos = types + h->time;
    const char *chars = (const char *)infos + h->type * 6;
    z->ntypes = (int)h->type;
    memcpy(z->chars, chars, h->chars);
    z->nchars = (int)h->chars;
    for (uint32_t i = 0; i < h->type; i++) {
        z->types[i].offset = (int32_t)load_be32(infos + i * 6);
        z->types[i].dst = infos[i * 6 + 4] != 0;
        z->types[i].abbrev = MIN(infos[i * 6 + 5], (uint8_t)h->chars);
    }
    z->at = arena_alloc(zone_arena, (h->time + ZONE_RULE_MOMENTS) * sizeof *z->at);
    z->type = arena_alloc(zone_arena, h->time + ZONE_RULE_MOMENTS);
    for (uint32_t i = 0; i < h->time; i++) {
        int64_t t = time_size == 8 ? (int64_t)load_be64(p + i * 8) : (int32_t)load_be32(p + i * 4);
        if (types[i] >= h->type || (z->n > 0 && t <= z->at[z->n - 1]))
            continue;
        z->at[z->n] = t;
        z->type[z->n++] = types[i];
    }
    z->leaps = h->leap > 0;
}

/* Parses a whole file image; false when it is not sound. */
static bool
parse_tzif(Zone *z, const unsigned char *p, size_t n)
{
    TzifHeader h;
    if (!read_header(p, n, &h))
        return false;
    const unsigned char *end = p + n;
    size_t bytes = data_bytes(&h, 4);
    if (bytes > n - 44)
        return false;
    if (h.version < '2') {
        read_data(z, p + 44, &h, 4);
        return true;
    }
    p += 44 + bytes;
    if (!read_header(p, (size_t)(end - p), &h))
        return false;
    bytes = data_bytes(&h, 8);
    if (bytes > (size_t)(end - p) - 44)
        return false;
    read_data(z, p + 44, &h, 8);
    p += 44 + bytes;
    if (p < end && *p == '\n') {
        const unsigned char *stop = memchr(p + 1, '\n', (size_t)(end - p - 1));
        if (stop && stop > p + 1 && stop - p < ZONE_NAME_MAX) {
            char rule[ZONE_NAME_MAX + 1];
            memcpy(rule, p + 1, (size_t)(stop - p - 1));
            rule[stop - p - 1] = 0;
            zone_append_rule(z, rule);
        }
    }
    return true;
}

static bool
load_file(Zone *z, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool ok = false;
    struct stat st;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 44 &&
        st.st_size <= ZONE_FILE_BYTES_MAX) {
        unsigned char *image = arena_alloc(zone_arena, (size_t)st.st_size);
        size_t got = 0;
        ssize_t r;
        while (got < (size_t)st.st_size &&
               (r = read(fd, image + got, (size_t)st.st_size - got)) > 0)
            got += (size_t)r;
        ok = got == (size_t)st.st_size && parse_tzif(z, image, got);
    }
    close(fd);
    return ok;
}

/* ---- names ---- */

/* Finds `name` below dir without regard to case, component by component; canonical gets the real
 * spelling. Hidden files and .. are never matched. */
static bool
resolve_name(const char *name, char *path, size_t path_cap, char *canonical)
{
    size_t base = strlen(zone_directory()), len = base;
    if (len + strlen(name) + 2 > path_cap)
        return false;
    memcpy(path, zone_directory(), len + 1);
    for (const char *part = name;; ) {
        const char *slash = strchrnul(part, '/');
        size_t n = (size_t)(slash - part);
        if (n == 0 || *part == '.')
            return false;
        DIR *d = opendir(path);
        if (!d)
            return false;
        struct dirent *e;
        bool found = false;
        while (!found && (e = readdir(d)) != NULL) {
            if (e->d_name[0] != '.' && strlen(e->d_name) == n &&
                strncasecmp(e->d_name, part, n) == 0) {
                path[len] = '/';
                memcpy(path + len + 1, e->d_name, n + 1);
                len += n + 1;
                found = true;
            }
        }
        closedir(d);
        if (!found)
            return false;
        if (!*slash)
            break;
        part = slash + 1;
    }
    strcpy(canonical, path + base + 1);
    return true;
}

const Zone *
zone_find(const char *name)
{
    char upper[ZONE_NAME_MAX + 1], canonical[ZONE_NAME_MAX + 1], path[1024];
    size_t n = strlen(name);
    unsigned hash = 5381;
    if (n > ZONE_NAME_MAX || n == 0)
        return NULL;
    for (size_t i = 0; i <= n; i++) {
        upper[i] = to_upper(name[i]);
        hash = hash * 33 + (unsigned char)upper[i];
    }
    for (Zone *z = buckets[hash % ZONE_BUCKETS]; z; z = z->next)
        if (strcmp(z->key, upper) == 0)
            return z;

    if (!zone_arena)
        zone_arena = arena_create(arena_top(), "time zones");
    ArenaMark mark = arena_mark(zone_arena);
    Zone *z = ARENA_NEW(zone_arena, Zone);
    z->cache_from = INT64_MAX;
    z->cache_to = INT64_MIN;
    if (resolve_name(name, path, sizeof path, canonical) && load_file(z, path))
        z->name = arena_strdup(zone_arena, canonical);
    else {
        memset(z, 0, sizeof *z);
        z->cache_from = INT64_MAX;
        z->cache_to = INT64_MIN;
        z->at = arena_alloc(zone_arena, ZONE_RULE_MOMENTS * sizeof *z->at);
        z->type = arena_alloc(zone_arena, ZONE_RULE_MOMENTS);
        if (!zone_from_rule(z, upper)) {
            arena_release(zone_arena, mark); /* unknown names must not grow the process */
            return NULL;
        }
        z->name = arena_strdup(zone_arena, upper);
    }
    z->key = arena_strdup(zone_arena, upper);
    z->next = buckets[hash % ZONE_BUCKETS];
    buckets[hash % ZONE_BUCKETS] = z;
    return z;
}

const Zone *
zone_of_offset(int west)
{
    char name[32], text[16], *p = text;
    unsigned v = (unsigned)(west < 0 ? -west : west);
    p = put_padded(p, v / 3600, 2);
    if (v % 3600) {
        *p++ = ':';
        p = put_2(p, v / 60 % 60);
        if (v % 60) {
            *p++ = ':';
            p = put_2(p, v % 60);
        }
    }
    *p = 0;
    p = name;
    *p++ = '<';
    *p++ = west > 0 ? '-' : '+';
    p = put_str(p, text);
    *p++ = '>';
    *p++ = west > 0 ? '+' : '-';
    *put_str(p, text) = 0;
    return zone_find(name);
}

const char *
zone_name(const Zone *z)
{
    return z->name;
}

bool
zone_has_leap_seconds(const Zone *z)
{
    return z->leaps;
}

/* ---- look-up ---- */

static inline int
type_before_first(const Zone *z UNUSED)
{
    return 0; /* RFC 8536: type 0 covers the time before the first transition */
}

/* The period holding t: its type and bounds [*from, *to). */
static int
find_period(const Zone *z, int64_t t, int64_t *from, int64_t *to, int *after)
{
    int64_t shift = 0;
    *after = -1;
    if (z->n == 0) {
        *from = INT64_MIN;
        *to = INT64_MAX;
        return type_before_first(z);
    }
    if (z->ahead && t >= z->at[z->n - 1]) {
        shift = ((t - z->at[z->n - 1]) / ZONE_CYCLE_SECONDS + 1) * ZONE_CYCLE_SECONDS;
        t -= shift;
    } else if (z->back && t < z->at[0]) {
        shift = -((z->at[0] - t - 1) / ZONE_CYCLE_SECONDS + 1) * ZONE_CYCLE_SECONDS;
        t -= shift;
    }
    int lo = 0, hi = z->n; /* first moment after t */
    while (lo < hi) {
        int mid = (lo + hi) / 2;
        if (z->at[mid] <= t)
            lo = mid + 1;
        else
            hi = mid;
    }
    *from = lo == 0 ? INT64_MIN : z->at[lo - 1] + shift;
    *to = lo == z->n ? INT64_MAX : z->at[lo] + shift;
    if (lo < z->n)
        *after = z->type[lo];
    return lo == 0 ? type_before_first(z) : z->type[lo - 1];
}

void
zone_at(const Zone *z, int64_t t, ZoneMoment *out)
{
    Zone *cache = (Zone *)z; /* the remembered period is not part of the zone's value */
    if (UNLIKELY(t < z->cache_from || t >= z->cache_to)) {
        int after;
        cache->cache_type = find_period(z, t, &cache->cache_from, &cache->cache_to, &after);
    }
    const ZoneType *ty = &z->types[z->cache_type];
    out->offset = ty->offset;
    out->dst = ty->dst;
    out->abbrev = z->chars + ty->abbrev;
}

/* Seconds since 1970 of the fields taken as UTC; false: out of range. */
static bool
local_seconds(const Civil *c, int64_t *out)
{
    if (!civil_year_ok(c->year, c->month))
        return false;
    *out = (days_from_civil(c->year, c->month, c->day) + DAYS_UNIX_TO_PG) * SECS_PER_DAY +
           (c->hour * INT64_C(60) + c->minute) * 60 + c->second;
    return true;
}

int
zone_local_offset_s(const Zone *z, int64_t local, bool *dst)
{
    int64_t from, to;
    int after;
    int64_t day_before = local - SECS_PER_DAY;
    if (day_before >= z->cache_from && day_before < z->cache_to &&
        (z->cache_to == INT64_MAX || local < z->cache_to - 3 * SECS_PER_DAY)) {
        *dst = z->types[z->cache_type].dst;
        return z->types[z->cache_type].offset;
    }
    int before = find_period(z, day_before, &from, &to, &after);
    const ZoneType *b = &z->types[before], *use = b;
    if (after >= 0) {
        const ZoneType *a = &z->types[after];
        int64_t utc_before = local - b->offset, utc_after = local - a->offset;
        if (utc_before < to && utc_after < to)
            use = b;
        else if (utc_before > to && utc_after >= to)
            use = a;
        else
            use = utc_before > utc_after ? b : a; /* gap: the offset before; fold: the one after */
    }
    if (use == b && (after < 0 || local < to - 3 * SECS_PER_DAY)) {
        Zone *cache = (Zone *)z;
        cache->cache_from = from;
        cache->cache_to = to;
        cache->cache_type = before;
    }
    *dst = use->dst;
    return use->offset;
}

int
zone_local_offset(Civil *c, const Zone *z)
{
    int64_t local;
    c->dst = false;
    return local_seconds(c, &local) ? zone_local_offset_s(z, local, &c->dst) : 0;
}

bool
zone_is_fixed(const Zone *z, int *offset)
{
    for (int i = 1; i < z->ntypes; i++)
        if (z->types[i].offset != z->types[0].offset)
            return false;
    *offset = z->types[0].offset;
    return true;
}

bool
zone_abbrev_at(const Zone *z, const char *abbrev, int64_t t, int *offset, bool *dst)
{
    char upper[16];
    size_t n = strlen(abbrev);
    if (n >= sizeof upper)
        return false;
    for (size_t i = 0; i <= n; i++)
        upper[i] = to_upper(abbrev[i]);
    int lo = 0, hi = z->n;
    while (lo < hi) {
        int mid = (lo + hi) / 2;
        if (z->at[mid] <= t)
            lo = mid + 1;
        else
            hi = mid;
    }
    /* The period in force, then back, then the one before all, then forward. */
    const ZoneType *found = NULL;
    for (int i = lo - 1; i >= 0 && !found; i--)
        if (strcmp(z->chars + z->types[z->type[i]].abbrev, upper) == 0)
            found = &z->types[z->type[i]];
    if (!found && strcmp(z->chars + z->types[type_before_first(z)].abbrev, upper) == 0)
        found = &z->types[type_before_first(z)];
    for (int i = lo; i < z->n && !found; i++)
        if (strcmp(z->chars + z->types[z->type[i]].abbrev, upper) == 0)
            found = &z->types[z->type[i]];
    if (!found)
        return false;
    *offset = found->offset;
    *dst = found->dst;
    return true;
}

int
zone_abbrev_local_offset(Civil *c, const char *abbrev, const Zone *z)
{
    int offset = zone_local_offset(c, z), meant;
    int64_t local;
    bool dst;
    if (local_seconds(c, &local) && zone_abbrev_at(z, abbrev, local - offset, &meant, &dst)) {
        c->dst = dst;
        return meant;
    }
    return offset;
}

/* ---- zones named in SQL ---- */

bool
zone_ref_find(const char *name, ZoneRef *ref)
{
    word_lower(name, strlen(name), ref->abbrev, sizeof ref->abbrev);
    ref->zone = NULL;
    ref->offset = 0;
    ref->kind = strlen(name) < sizeof ref->abbrev
                    ? abbrev_find(ref->abbrev, &ref->offset, &ref->zone)
                    : ABBREV_NONE;
    if (ref->kind == ABBREV_NONE)
        ref->zone = zone_find(name);
    return ref->kind == ABBREV_STD || ref->kind == ABBREV_DST || ref->zone;
}

void
zone_ref_get(const char *name, ZoneRef *ref)
{
    if (!zone_ref_find(name, ref))
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "time zone \"%s\" not recognized", name);
}

int
zone_ref_offset_at(const ZoneRef *ref, int64_t unix_s)
{
    ZoneMoment m;
    int offset;
    bool dst;
    if (!ref->zone)
        return ref->offset;
    if (ref->kind == ABBREV_ZONE && zone_abbrev_at(ref->zone, ref->abbrev, unix_s, &offset, &dst))
        return offset;
    zone_at(ref->zone, unix_s, &m);
    return m.offset;
}

int
zone_ref_offset_local(const ZoneRef *ref, int64_t local)
{
    int meant;
    bool dst;
    if (!ref->zone)
        return ref->offset;
    int offset = zone_local_offset_s(ref->zone, local, &dst);
    if (ref->kind == ABBREV_ZONE &&
        zone_abbrev_at(ref->zone, ref->abbrev, local - offset, &meant, &dst))
        return meant;
    return offset;
}
