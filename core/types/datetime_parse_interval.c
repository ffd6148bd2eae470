/*
 * Interval input: "1 year 2 mons -3 days 04:05:06", "@ 1 day ago", SQL's "1-2 3 4:05", ISO 8601's
 * "P1Y2M3DT4H5M6S" and "P0001-02-03T04:05:06".
 *
 * The traditional forms are read from the right, so that a unit is known before its number. Sums
 * are kept in 64 bits for the time part and 32 for years, months and days; what does not fit is an
 * error.
 */
#include "core/types/datetime_parse.h"

#include <math.h>

typedef struct Sum {
    int64_t us;
    int days, months, years;
} Sum;

/* ---- adding a number of some unit; false: overflow ---- */

static bool
add_int(int *to, int64_t v)
{
    return v >= INT32_MIN && v <= INT32_MAX && !__builtin_add_overflow(*to, (int)v, to);
}

static bool
add_scaled(int *to, int64_t v, int64_t scale)
{
    return !__builtin_mul_overflow(v, scale, &v) && add_int(to, v);
}

/* fraction of a unit of `scale` us, rounded */
static bool
add_fraction_us(Sum *s, double frac, int64_t scale)
{
    if (frac == 0)
        return true;
    frac *= (double)scale;
    int64_t us = (int64_t)frac;
    frac -= (double)us;
    if (frac > 0.5)
        us++;
    else if (frac < -0.5)
        us--;
    return !__builtin_add_overflow(s->us, us, &s->us);
}

static bool
add_us(Sum *s, int64_t v, double frac, int64_t scale)
{
    return !__builtin_mul_overflow(v, scale, &v) && !__builtin_add_overflow(s->us, v, &s->us) &&
           add_fraction_us(s, frac, scale);
}

/* fraction of a unit of `scale` days: whole days, the rest as time */
static bool
add_fraction_days(Sum *s, double frac, int scale)
{
    if (frac == 0)
        return true;
    frac *= scale;
    int days = (int)frac;
    return add_int(&s->days, days) && add_fraction_us(s, frac - days, US_PER_DAY);
}

static bool
add_fraction_years(Sum *s, double frac, int scale)
{
    return add_int(&s->months, (int64_t)rint(frac * scale * 12));
}

static bool
add_unit(Sum *s, DtUnit unit, int64_t v, double frac)
{
    switch (unit) {
    case U_MICROSEC:
        return add_us(s, v, frac, 1);
    case U_MILLISEC:
        return add_us(s, v, frac, 1000);
    case U_SECOND:
        return add_us(s, v, frac, US_PER_SEC);
    case U_MINUTE:
        return add_us(s, v, frac, US_PER_MINUTE);
    case U_HOUR:
        return add_us(s, v, frac, US_PER_HOUR);
    case U_DAY:
        return add_int(&s->days, v) && add_fraction_us(s, frac, US_PER_DAY);
    case U_WEEK:
        return add_scaled(&s->days, v, 7) && add_fraction_days(s, frac, 7);
    case U_MONTH:
        return add_int(&s->months, v) && add_fraction_days(s, frac, DAYS_PER_MONTH);
    case U_YEAR:
        return add_int(&s->years, v) && add_fraction_years(s, frac, 1);
    case U_DECADE:
        return add_scaled(&s->years, v, 10) && add_fraction_years(s, frac, 10);
    case U_CENTURY:
        return add_scaled(&s->years, v, 100) && add_fraction_years(s, frac, 100);
    case U_MILLENNIUM:
        return add_scaled(&s->years, v, 1000) && add_fraction_years(s, frac, 1000);
    default:
        return false;
    }
}

/* ---- traditional forms ---- */

/* Fields seen: unit bits as U_*; a clock time fills four of them. */
#define UBIT(u) (1u << (u))
#define ALL_SECONDS (UBIT(U_SECOND) | UBIT(U_MILLISEC) | UBIT(U_MICROSEC))
#define CLOCK_UNITS (UBIT(U_HOUR) | UBIT(U_MINUTE) | ALL_SECONDS)

/* The unit of a trailing number without one. */
static DtUnit
unit_of_range(int range)
{
    switch (range) {
    case IMASK_YEAR:
        return U_YEAR;
    case IMASK_MONTH:
    case IMASK_YEAR | IMASK_MONTH:
        return U_MONTH;
    case IMASK_DAY:
        return U_DAY;
    case IMASK_HOUR:
    case IMASK_DAY | IMASK_HOUR:
        return U_HOUR;
    case IMASK_MINUTE:
    case IMASK_HOUR | IMASK_MINUTE:
    case IMASK_DAY | IMASK_HOUR | IMASK_MINUTE:
        return U_MINUTE;
    default:
        return U_SECOND;
    }
}

static ParseError
take_clock(Sum *s, const char *text, int range)
{
    int64_t hour;
    int minute, second, us;
    ParseError e = parse_clock(text, range, &hour, &minute, &second, &us);
    if (e != PARSE_OK)
        return e;
    /* A clock time replaces what was summed: it is the only time part there may be. */
    int64_t v;
    if (__builtin_mul_overflow(hour, US_PER_HOUR, &v) ||
        __builtin_add_overflow(v, minute * US_PER_MINUTE + second * US_PER_SEC + us, &v))
        return PARSE_OVERFLOW;
    s->us = v;
    return PARSE_OK;
}

static ParseError
take_interval_number(Sum *s, const char *text, DtUnit unit, bool force_negative, unsigned *got)
{
    const char *p;
    int64_t v;
    double frac = 0;
    if (!scan_int64(text, &p, &v))
        return PARSE_OVERFLOW;
    if (*p == '-') { /* SQL's years-months */
        int months;
        if (!scan_int(p + 1, &p, &months) || months < 0 || months >= 12)
            return PARSE_OVERFLOW;
        if (*p)
            return PARSE_BAD_FORMAT;
        unit = U_MONTH;
        if (*text == '-')
            months = -months;
        if (__builtin_mul_overflow(v, 12, &v) || __builtin_add_overflow(v, months, &v))
            return PARSE_OVERFLOW;
    } else if (*p == '.') {
        ParseError e = parse_fraction(p, &frac);
        if (e != PARSE_OK)
            return e;
        if (*text == '-')
            frac = -frac;
    } else if (*p)
        return PARSE_BAD_FORMAT;
    if (force_negative) {
        if (v > 0)
            v = -v;
        if (frac > 0)
            frac = -frac;
    }
    if (unit == U_NONE || unit > U_MILLENNIUM || unit == U_QUARTER)
        return PARSE_BAD_FORMAT;
    if (!add_unit(s, unit, v, frac))
        return PARSE_OVERFLOW;
    *got = unit == U_SECOND && frac != 0 ? ALL_SECONDS : UBIT(unit);
    return PARSE_OK;
}

static ParseError
parse_traditional(const char *text, int range, Sum *s)
{
    Tokens t;
    ParseError e = scan_tokens(text, 256, &t);
    if (e != PARSE_OK)
        return e;
    DtUnit unit = U_NONE;
    bool unit_known = false, ago = false, force_negative = false;
    unsigned have = 0;
    /* SQL: "-1 1:00" is all negative, unless another sign says that signs are given one by one. */
    if (interval_style == ISTYLE_SQL && t.n > 0 && *t.text[0] == '-') {
        force_negative = true;
        for (int i = 1; i < t.n; i++)
            if (*t.text[i] == '-' || *t.text[i] == '+')
                force_negative = false;
    }
    for (int i = t.n - 1; i >= 0; i--) {
        const char *w = t.text[i];
        unsigned got = 0;
        int value;
        switch (t.kind[i]) {
        case TOK_TIME:
            if ((e = take_clock(s, w, range)) != PARSE_OK)
                return e;
            if (force_negative && s->us > 0)
                s->us = -s->us;
            got = CLOCK_UNITS;
            unit = U_DAY;
            unit_known = true;
            break;
        case TOK_ZONE: /* a signed clock time, or a signed number */
            if (strchr(w + 1, ':') && take_clock(s, w + 1, range) == PARSE_OK) {
                if (*w == '-')
                    s->us = -s->us;
                if (force_negative && s->us > 0)
                    s->us = -s->us;
                got = CLOCK_UNITS;
                unit = U_DAY;
                unit_known = true;
                break;
            }
            /* fall through */
        case TOK_DATE:
        case TOK_NUMBER:
            if (!unit_known) {
                unit = unit_of_range(range);
                unit_known = true;
            }
            if ((e = take_interval_number(s, w, unit, force_negative, &got)) != PARSE_OK)
                return e;
            if (got == UBIT(U_HOUR))
                unit = U_DAY; /* a number before the hours is days: "1 2 hours" */
            else if (got == UBIT(U_MONTH))
                unit = U_MONTH; /* "1-2" made it months */
            break;
        default: {
            WordKind k = word_find_unit(w, &value);
            if (k == W_UNKNOWN)
                k = word_find(w, &value);
            if (k == W_IGNORE)
                continue;
            if (k == W_AGO)
                ago = true;
            else if (k != W_UNITS)
                return PARSE_BAD_FORMAT;
            unit = k == W_AGO ? U_NONE : (DtUnit)value;
            unit_known = true;
        }
        }
        if (got & have)
            return PARSE_BAD_FORMAT;
        have |= got;
    }
    if (!have)
        return PARSE_BAD_FORMAT;
    if (ago) {
        if (s->us == INT64_MIN || s->days == INT32_MIN || s->months == INT32_MIN ||
            s->years == INT32_MIN)
            return PARSE_OVERFLOW;
        s->us = -s->us;
        s->days = -s->days;
        s->months = -s->months;
        s->years = -s->years;
    }
    return PARSE_OK;
}

/* ---- ISO 8601 ---- */

static ParseError
iso_number(const char **p, int64_t *whole, double *frac)
{
    const char *end;
    bool range;
    if (!is_digit(**p) && **p != '-' && **p != '.')
        return PARSE_BAD_FORMAT;
    double v = scan_double(*p, &end, &range);
    if (end == *p || range)
        return PARSE_BAD_FORMAT;
    if (isnan(v) || v < -1.0e15 || v > 1.0e15)
        return PARSE_OVERFLOW;
    *whole = (int64_t)v;
    *frac = v - (double)*whole;
    *p = end;
    return PARSE_OK;
}

/* Digits of a basic-format field "YYYYMMDD" or "hhmmss". */
static int
iso_width(const char *p)
{
    int n = 0;
    if (*p == '-')
        p++;
    while (is_digit(p[n]))
        n++;
    return n;
}

#define ISO_ADD(ok) do { if (!(ok)) return PARSE_OVERFLOW; } while (0)
#define ISO_NUMBER() do { if ((e = iso_number(&p, &v, &frac)) != PARSE_OK) return e; } while (0)

static ParseError
parse_iso_duration(const char *p, Sum *s)
{
    ParseError e;
    bool date_part = true, have_field = false;
    int64_t v;
    double frac;
    if (strlen(p) < 2 || *p != 'P')
        return PARSE_BAD_FORMAT;
    p++;
    while (*p) {
        if (*p == 'T') {
            date_part = false;
            have_field = false;
            p++;
            continue;
        }
        const char *field = p;
        ISO_NUMBER();
        char unit = *p;
        if (unit)
            p++;
        if (date_part) {
            switch (unit) {
            case 'Y':
                ISO_ADD(add_unit(s, U_YEAR, v, frac));
                break;
            case 'M':
                ISO_ADD(add_unit(s, U_MONTH, v, frac));
                break;
            case 'W':
                ISO_ADD(add_unit(s, U_WEEK, v, frac));
                break;
            case 'D':
                ISO_ADD(add_unit(s, U_DAY, v, frac));
                break;
            case 'T':
            case 0:
                if (iso_width(field) == 8 && !have_field) {
                    ISO_ADD(add_int(&s->years, v / 10000) && add_int(&s->months, v / 100 % 100) &&
                            add_unit(s, U_DAY, v % 100, frac));
                    if (unit == 0)
                        return PARSE_OK;
                    date_part = false;
                    continue;
                }
                /* fall through */
            case '-': /* YYYY-MM-DD, from the right end optional */
                if (have_field)
                    return PARSE_BAD_FORMAT;
                ISO_ADD(add_unit(s, U_YEAR, v, frac));
                if (unit == 0)
                    return PARSE_OK;
                if (unit == 'T') {
                    date_part = false;
                    continue;
                }
                ISO_NUMBER();
                ISO_ADD(add_unit(s, U_MONTH, v, frac));
                if (*p == '-') {
                    p++;
                    ISO_NUMBER();
                    ISO_ADD(add_unit(s, U_DAY, v, frac));
                }
                if (*p == 0)
                    return PARSE_OK;
                if (*p != 'T')
                    return PARSE_BAD_FORMAT;
                continue; /* the loop's head takes the T */
            default:
                return PARSE_BAD_FORMAT;
            }
        } else {
            switch (unit) {
            case 'H':
                ISO_ADD(add_unit(s, U_HOUR, v, frac));
                break;
            case 'M':
                ISO_ADD(add_unit(s, U_MINUTE, v, frac));
                break;
            case 'S':
                ISO_ADD(add_unit(s, U_SECOND, v, frac));
                break;
            case 0:
                if (iso_width(field) == 6 && !have_field) {
                    ISO_ADD(add_unit(s, U_HOUR, v / 10000, 0) &&
                            add_unit(s, U_MINUTE, v / 100 % 100, 0) &&
                            add_unit(s, U_SECOND, v % 100, frac));
                    return PARSE_OK;
                }
                /* fall through */
            case ':':
                if (have_field)
                    return PARSE_BAD_FORMAT;
                ISO_ADD(add_unit(s, U_HOUR, v, frac));
                if (unit == 0)
                    return PARSE_OK;
                ISO_NUMBER();
                ISO_ADD(add_unit(s, U_MINUTE, v, frac));
                if (*p == 0)
                    return PARSE_OK;
                if (*p != ':')
                    return PARSE_BAD_FORMAT;
                p++;
                ISO_NUMBER();
                ISO_ADD(add_unit(s, U_SECOND, v, frac));
                return *p ? PARSE_BAD_FORMAT : PARSE_OK;
            default:
                return PARSE_BAD_FORMAT;
            }
        }
        have_field = true;
    }
    return PARSE_OK;
}

ParseError
parse_interval(const char *text, int range, Interval *out)
{
    Sum s = {0};
    ParseError e = parse_traditional(text, range, &s);
    if (e == PARSE_BAD_FORMAT) {
        memset(&s, 0, sizeof s);
        e = parse_iso_duration(text, &s);
    }
    if (e != PARSE_OK)
        return e == PARSE_OVERFLOW ? PARSE_INTERVAL_OVERFLOW : e;
    int64_t months = (int64_t)s.years * 12 + s.months;
    if (months < INT32_MIN || months > INT32_MAX)
        RAISE(SQLSTATE_DATETIME_VALUE_OUT_OF_RANGE, "interval out of range");
    out->us = s.us;
    out->days = s.days;
    out->months = (int)months;
    return PARSE_OK;
}
