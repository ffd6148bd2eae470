/*
 * POSIX TZ strings, "EST5EDT,M3.2.0,M11.1.0": as zone names, and as the footers of zone files.
 *
 * A rule with daylight saving is unrolled into the moments of 400 years. A name with daylight
 * saving but without dates uses the United States' present ones, as PostgreSQL does.
 */
#include "core/types/datetime_zone.h"

#include "core/types/datetime_int.h"

#define DEFAULT_DATES ",M3.2.0,M11.1.0"

typedef struct RuleDay {
    char kind; /* J: day 1..365 without Feb 29; D: day 0..365; M: month, week, weekday */
    int month, week, day;
    int time;  /* seconds after midnight, may be negative */
} RuleDay;

typedef struct Rule {
    const char *std, *dst;
    int std_len, dst_len; /* dst_len 0: none */
    int std_offset, dst_offset; /* east */
    RuleDay start, end;
} Rule;

static bool
take_number(const char **p, int min, int max, int *out)
{
    int v = 0;
    if (!is_digit(**p))
        return false;
    while (is_digit(**p)) {
        v = v * 10 + (*(*p)++ - '0');
        if (v > max)
            return false;
    }
    *out = v;
    return v >= min;
}

/* [+-]hh[:mm[:ss]] */
static bool
take_seconds(const char **p, int *out)
{
    int sign = 1, h, m = 0, s = 0;
    if (**p == '-' || **p == '+')
        sign = *(*p)++ == '-' ? -1 : 1;
    if (!take_number(p, 0, 24 * 7 - 1, &h))
        return false;
    if (**p == ':') {
        (*p)++;
        if (!take_number(p, 0, 59, &m))
            return false;
        if (**p == ':') {
            (*p)++;
            if (!take_number(p, 0, 60, &s))
                return false;
        }
    }
    *out = sign * (h * 3600 + m * 60 + s);
    return true;
}

static bool
take_name(const char **p, const char **name, int *len)
{
    if (**p == '<') {
        *name = ++*p;
        while (**p && **p != '>')
            (*p)++;
        if (**p != '>')
            return false;
        *len = (int)(*p - *name);
        (*p)++;
        return true;
    }
    *name = *p;
    while (**p && !is_digit(**p) && **p != ',' && **p != '-' && **p != '+')
        (*p)++;
    *len = (int)(*p - *name);
    return true;
}

static bool
take_day(const char **p, RuleDay *d)
{
    d->kind = 'D';
    d->time = 2 * 3600;
    if (**p == 'J') {
        (*p)++;
        d->kind = 'J';
        if (!take_number(p, 1, 365, &d->day))
            return false;
    } else if (**p == 'M') {
        (*p)++;
        d->kind = 'M';
        if (!take_number(p, 1, 12, &d->month) || *(*p)++ != '.' ||
            !take_number(p, 1, 5, &d->week) || *(*p)++ != '.' || !take_number(p, 0, 6, &d->day))
            return false;
    } else if (!take_number(p, 0, 365, &d->day))
        return false;
    if (**p == '/') {
        (*p)++;
        return take_seconds(p, &d->time);
    }
    return true;
}

static bool
parse_rule(const char *s, Rule *r)
{
    int west;
    memset(r, 0, sizeof *r);
    if (!take_name(&s, &r->std, &r->std_len) || !*s || !take_seconds(&s, &west))
        return false;
    r->std_offset = -west;
    if (!*s)
        return true;
    if (!take_name(&s, &r->dst, &r->dst_len) || r->dst_len == 0)
        return false;
    r->dst_offset = r->std_offset + 3600;
    if (*s && *s != ',' && *s != ';') {
        if (!take_seconds(&s, &west))
            return false;
        r->dst_offset = -west;
    }
    if (!*s)
        s = DEFAULT_DATES;
    if ((*s != ',' && *s != ';') || (s++, !take_day(&s, &r->start)) || *s++ != ',' ||
        !take_day(&s, &r->end))
        return false;
    return *s == 0;
}

/* The day's moment in `year` as local seconds since 1970. */
static int64_t
rule_moment(const RuleDay *d, int year)
{
    int64_t day;
    switch (d->kind) {
    case 'J':
        day = days_from_civil(year, 1, d->day) + (year_is_leap(year) && d->day >= 60);
        break;
    case 'M': {
        int64_t first = days_from_civil(year, d->month, 1);
        int skip = (d->day - dow_of_days(first) + 7) % 7 + (d->week - 1) * 7;
        if (skip >= days_in_month(year, d->month))
            skip -= 7;
        day = first + skip;
        break;
    }
    default:
        day = days_from_civil(year, 1, 1) + d->day;
    }
    return (day + DAYS_UNIX_TO_PG) * SECS_PER_DAY + d->time;
}

static int
add_type(Zone *z, const char *name, int len, int offset, bool dst)
{
    for (int i = 0; i < z->ntypes; i++) {
        const char *have = z->chars + z->types[i].abbrev;
        if (z->types[i].offset == offset && z->types[i].dst == dst &&
            strncmp(have, name, (size_t)len) == 0 && have[len] == 0)
            return i;
    }
    if (z->ntypes == ZONE_TYPES_MAX || z->nchars + len + 1 > ZONE_CHARS_MAX)
        return -1;
    ZoneType *t = &z->types[z->ntypes];
    t->offset = offset;
    t->dst = dst;
    t->abbrev = (uint16_t)z->nchars;
    memcpy(z->chars + z->nchars, name, (size_t)len);
    z->chars[z->nchars + len] = 0;
    z->nchars += len + 1;
    return z->ntypes++;
}

/* Appends moments from first_year on, later than z's last one, for a little more than one cycle. */
static void
unroll(Zone *z, const Rule *r, int std, int dst, int first_year)
{
    int room = z->n + ZONE_RULE_MOMENTS;
    for (int year = first_year; year <= first_year + ZONE_CYCLE_YEARS + 1; year++) {
        int64_t on = rule_moment(&r->start, year) - r->std_offset;
        int64_t off = rule_moment(&r->end, year) - r->dst_offset;
        bool south = off < on;
        for (int k = 0; k < 2; k++) {
            bool is_on = (k == 0) != south;
            int64_t at = is_on ? on : off;
            int type = is_on ? dst : std;
            if (z->n > 0 && at <= z->at[z->n - 1])
                continue;
            if (z->n < room) {
                z->at[z->n] = at;
                z->type[z->n++] = (uint8_t)type;
            }
        }
    }
    z->ahead = true;
}

bool
zone_from_rule(Zone *z, const char *text)
{
    Rule r;
    if (!parse_rule(text, &r))
        return false;
    int std = add_type(z, r.std, r.std_len, r.std_offset, false);
    if (std < 0)
        return false;
    if (r.dst_len > 0) {
        int dst = add_type(z, r.dst, r.dst_len, r.dst_offset, true);
        if (dst < 0)
            return false;
        unroll(z, &r, std, dst, 1970);
        z->back = true;
    }
    return true;
}

void
zone_append_rule(Zone *z, const char *text)
{
    Rule r;
    if (!parse_rule(text, &r) || r.dst_len == 0)
        return;
    int std = add_type(z, r.std, r.std_len, r.std_offset, false);
    int dst = add_type(z, r.dst, r.dst_len, r.dst_offset, true);
    int year = 1970, m, d;
    if (z->n > 0)
        civil_from_days(z->at[z->n - 1] / SECS_PER_DAY - DAYS_UNIX_TO_PG, &year, &m, &d);
    if (std >= 0 && dst >= 0)
        unroll(z, &r, std, dst, year);
}
