/*
 * Text of dates, times and intervals in the session's DateStyle and IntervalStyle.
 *
 * Everything is written straight into the output's memory; a value needs at most FORMAT_MAX bytes.
 */
#include "core/types/datetime.h"

#include "core/types/datetime_int.h"

#define FORMAT_MAX 128
#define ABBREV_SHOWN 10 /* bytes of a zone abbreviation that are shown */

static inline char *
begin(StrBuf *s)
{
    str_reserve(s, FORMAT_MAX);
    return s->data + s->len;
}

static inline void
finish(StrBuf *s, char *end)
{
    *end = 0;
    s->len = (size_t)(end - s->data);
}

/* The year as shown: 1 BC is 1. */
static inline char *
put_year(char *p, int year)
{
    unsigned y = (unsigned)(year > 0 ? year : 1 - year);
    if (LIKELY(y < 10000))
        return put_2(put_2(p, y / 100), y % 100);
    return put_padded(p, y, 4);
}

static inline char *
put_bc(char *p, int year)
{
    return year > 0 ? p : put_str(p, " BC");
}

static char *
put_time(char *p, const Civil *c)
{
    p = put_2(p, (unsigned)c->hour);
    *p++ = ':';
    p = put_2(p, (unsigned)c->minute);
    *p++ = ':';
    p = put_2(p, (unsigned)c->second);
    return put_fraction(p, (unsigned)c->us);
}

char *
put_zone_offset(char *p, int offset, int style)
{
    unsigned v = (unsigned)(offset < 0 ? -offset : offset);
    *p++ = offset < 0 ? '-' : '+';
    p = put_2(p, v / 3600);
    if (v % 60) {
        *p++ = ':';
        p = put_2(p, v / 60 % 60);
        *p++ = ':';
        p = put_2(p, v % 60);
    } else if (v / 60 % 60 || style == STYLE_XSD) {
        *p++ = ':';
        p = put_2(p, v / 60 % 60);
    }
    return p;
}

static char *
put_abbrev(char *p, const char *abbrev)
{
    for (int i = 0; i < ABBREV_SHOWN && abbrev[i]; i++)
        *p++ = abbrev[i];
    return p;
}

static char *
put_date(char *p, const Civil *c, int style)
{
    unsigned first = (unsigned)c->month, second = (unsigned)c->day;
    if (style == STYLE_ISO || style == STYLE_XSD) {
        p = put_year(p, c->year);
        *p++ = '-';
        p = put_2(p, first);
        *p++ = '-';
        return put_2(p, second);
    }
    char sep = style == STYLE_SQL ? '/' : style == STYLE_GERMAN ? '.' : '-';
    if (style == STYLE_GERMAN || date_order == ORDER_DMY) {
        first = (unsigned)c->day;
        second = (unsigned)c->month;
    }
    p = put_2(p, first);
    *p++ = sep;
    p = put_2(p, second);
    *p++ = sep;
    return put_year(p, c->year);
}

void
format_date(StrBuf *s, int32_t date)
{
    char *p = begin(s);
    if (UNLIKELY(!date_is_finite(date)))
        p = put_str(p, date < 0 ? "-infinity" : "infinity");
    else {
        Civil c;
        civil_from_days(date, &c.year, &c.month, &c.day);
        p = put_bc(put_date(p, &c, date_style), c.year);
    }
    finish(s, p);
}

void
format_time(StrBuf *s, int64_t us)
{
    Civil c;
    civil_set_time(&c, us);
    finish(s, put_time(begin(s), &c));
}

void
format_timetz(StrBuf *s, TimeTz t)
{
    Civil c;
    civil_set_time(&c, t.us);
    char *p = put_time(begin(s), &c);
    finish(s, put_zone_offset(p, -t.zone, date_style));
}

static char *
put_moment(char *p, const Civil *c, int style)
{
    switch (style) {
    case STYLE_POSTGRES: { /* Sat Feb 03 04:05:06 2001 PST */
        unsigned day = (unsigned)c->day;
        memcpy(p, day_names[dow_of_days(days_from_civil(c->year, c->month, c->day))], 3);
        p[3] = ' ';
        p += 4;
        if (date_order == ORDER_DMY) {
            p = put_2(p, day);
            *p++ = ' ';
        }
        memcpy(p, month_names[c->month], 3);
        p[3] = ' ';
        p += 4;
        if (date_order != ORDER_DMY) {
            p = put_2(p, day);
            *p++ = ' ';
        }
        p = put_time(p, c);
        *p++ = ' ';
        p = put_year(p, c->year);
        if (c->has_zone) {
            *p++ = ' ';
            p = c->abbrev ? put_abbrev(p, c->abbrev) : put_zone_offset(p, c->offset, style);
        }
        break;
    }
    case STYLE_SQL:
    case STYLE_GERMAN:
        p = put_date(p, c, style);
        *p++ = ' ';
        p = put_time(p, c);
        if (c->has_zone) {
            if (c->abbrev) {
                *p++ = ' ';
                p = put_abbrev(p, c->abbrev);
            } else
                p = put_zone_offset(p, c->offset, style);
        }
        break;
    default: /* ISO, and the XML form with its T */
        p = put_date(p, c, style);
        *p++ = style == STYLE_XSD ? 'T' : ' ';
        p = put_time(p, c);
        if (c->has_zone)
            p = put_zone_offset(p, c->offset, style);
    }
    return put_bc(p, c->year);
}

void
format_ts(StrBuf *s, int64_t ts, int style)
{
    char *p = begin(s);
    if (UNLIKELY(!ts_is_finite(ts)))
        p = put_str(p, ts < 0 ? "-infinity" : "infinity");
    else {
        Civil c;
        civil_from_ts(ts, &c);
        p = put_moment(p, &c, style);
    }
    finish(s, p);
}

void
format_tstz(StrBuf *s, int64_t ts, int style)
{
    char *p = begin(s);
    if (UNLIKELY(!ts_is_finite(ts)))
        p = put_str(p, ts < 0 ? "-infinity" : "infinity");
    else {
        Civil c;
        civil_from_tstz(ts, NULL, &c);
        p = put_moment(p, &c, style);
    }
    finish(s, p);
}

/* ---- intervals ---- */

static char *
put_int64(char *p, int64_t v)
{
    if (v < 0)
        *p++ = '-';
    return put_padded(p, v < 0 ? -(uint64_t)v : (uint64_t)v, 1);
}

static inline unsigned
magnitude(int v)
{
    return (unsigned)(v < 0 ? -(int64_t)v : v);
}

/* "2 mons": in the postgres style a positive part after a negative one shows its sign. */
static char *
put_postgres_part(char *p, int64_t v, const char *unit, bool *first, bool *before)
{
    if (v == 0)
        return p;
    if (!*first)
        *p++ = ' ';
    if (*before && v > 0)
        *p++ = '+';
    p = put_int64(p, v);
    *p++ = ' ';
    p = put_str(p, unit);
    if (v != 1)
        *p++ = 's';
    *before = v < 0;
    *first = false;
    return p;
}

static char *
put_clock(char *p, const IntervalParts *t, int hour_width)
{
    p = put_padded(p, t->hour < 0 ? -(uint64_t)t->hour : (uint64_t)t->hour, hour_width);
    *p++ = ':';
    p = put_2(p, magnitude(t->minute));
    *p++ = ':';
    p = put_2(p, magnitude(t->second));
    return put_fraction(p, magnitude(t->us));
}

static bool
has_time(const IntervalParts *t)
{
    return t->hour || t->minute || t->second || t->us;
}

static bool
negative_time(const IntervalParts *t)
{
    return t->hour < 0 || t->minute < 0 || t->second < 0 || t->us < 0;
}

static char *
put_postgres(char *p, const IntervalParts *t)
{
    bool first = true, before = false;
    p = put_postgres_part(p, t->year, "year", &first, &before);
    p = put_postgres_part(p, t->month, "mon", &first, &before);
    p = put_postgres_part(p, t->day, "day", &first, &before);
    if (first || has_time(t)) {
        bool minus = negative_time(t);
        if (!first)
            *p++ = ' ';
        if (minus)
            *p++ = '-';
        else if (before)
            *p++ = '+';
        p = put_clock(p, t, 2);
    }
    return p;
}

/* "@ 1 year 2 mons ago": the first part's sign is said at the end. */
static char *
put_verbose_part(char *p, int64_t v, const char *unit, bool *first, bool *before)
{
    if (v == 0)
        return p;
    if (*first) {
        *before = v < 0;
        v = v < 0 ? -v : v;
    } else if (*before)
        v = -v;
    *p++ = ' ';
    p = put_int64(p, v);
    *p++ = ' ';
    p = put_str(p, unit);
    if (v != 1)
        *p++ = 's';
    *first = false;
    return p;
}

static char *
put_verbose(char *p, const IntervalParts *t)
{
    bool first = true, ago = false;
    *p++ = '@';
    p = put_verbose_part(p, t->year, "year", &first, &ago);
    p = put_verbose_part(p, t->month, "mon", &first, &ago);
    p = put_verbose_part(p, t->day, "day", &first, &ago);
    p = put_verbose_part(p, t->hour, "hour", &first, &ago);
    p = put_verbose_part(p, t->minute, "min", &first, &ago);
    if (t->second || t->us) {
        *p++ = ' ';
        bool minus = t->second < 0 || (t->second == 0 && t->us < 0);
        if (minus) {
            if (first)
                ago = true;
            else if (!ago)
                *p++ = '-';
        } else if (ago)
            *p++ = '-';
        p = put_padded(p, magnitude(t->second), 1);
        p = put_fraction(p, magnitude(t->us));
        bool one = magnitude(t->second) == 1 && t->us == 0;
        p = put_str(p, one ? " sec" : " secs");
        first = false;
    }
    if (first)
        p = put_str(p, " 0");
    return ago ? put_str(p, " ago") : p;
}

static char *
put_sql(char *p, const IntervalParts *t)
{
    const IntervalParts v = *t;
    bool minus = v.year < 0 || v.month < 0 || v.day < 0 || negative_time(&v);
    bool plus = v.year > 0 || v.month > 0 || v.day > 0 || v.hour > 0 || v.minute > 0 ||
                v.second > 0 || v.us > 0;
    bool year_month = v.year || v.month, day_time = v.day || has_time(&v);
    if (!minus && !plus) {
        *p++ = '0';
        return p;
    }
    bool standard = !(minus && plus) && !(year_month && day_time);
    if (minus && standard)
        *p++ = '-'; /* one sign for all, magnitudes after it */
    if (!standard) { /* beyond SQL: every part with its sign */
        *p++ = v.year < 0 || v.month < 0 ? '-' : '+';
        p = put_padded(p, magnitude(v.year), 1);
        *p++ = '-';
        p = put_padded(p, magnitude(v.month), 1);
        *p++ = ' ';
        *p++ = v.day < 0 ? '-' : '+';
        p = put_padded(p, magnitude(v.day), 1);
        *p++ = ' ';
        *p++ = negative_time(&v) ? '-' : '+';
        return put_clock(p, &v, 1);
    }
    if (year_month) {
        p = put_padded(p, magnitude(v.year), 1);
        *p++ = '-';
        return put_padded(p, magnitude(v.month), 1);
    }
    if (v.day) {
        p = put_padded(p, magnitude(v.day), 1);
        *p++ = ' ';
    }
    return put_clock(p, &v, 1);
}

static char *
put_iso_part(char *p, int64_t v, char unit)
{
    if (v == 0)
        return p;
    p = put_int64(p, v);
    *p++ = unit;
    return p;
}

static char *
put_iso(char *p, const IntervalParts *t)
{
    if (!t->year && !t->month && !t->day && !has_time(t))
        return put_str(p, "PT0S");
    *p++ = 'P';
    p = put_iso_part(p, t->year, 'Y');
    p = put_iso_part(p, t->month, 'M');
    p = put_iso_part(p, t->day, 'D');
    if (has_time(t))
        *p++ = 'T';
    p = put_iso_part(p, t->hour, 'H');
    p = put_iso_part(p, t->minute, 'M');
    if (t->second || t->us) {
        if (t->second < 0 || t->us < 0)
            *p++ = '-';
        p = put_padded(p, magnitude(t->second), 1);
        p = put_fraction(p, magnitude(t->us));
        *p++ = 'S';
    }
    return p;
}

void
format_interval(StrBuf *s, const Interval *v)
{
    IntervalParts t;
    char *p = begin(s);
    interval_split(v, &t);
    switch (interval_style) {
    case ISTYLE_SQL:
        p = put_sql(p, &t);
        break;
    case ISTYLE_ISO:
        p = put_iso(p, &t);
        break;
    case ISTYLE_VERBOSE:
        p = put_verbose(p, &t);
        break;
    default:
        p = put_postgres(p, &t);
    }
    finish(s, p);
}
