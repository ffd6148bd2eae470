/*
 * to_timestamp(text, template) and to_date(text, template).
 *
 * The template is walked against the text; each field found is kept as a number, 0 meaning not
 * given, and only at the end they are put together: a year from century and last digits, a date
 * from ISO week and weekday, a day from the day of the year, and so on. Outside of FX mode, blanks
 * and separators that the text has more than the template are counted, and forgiven.
 */
#include "core/types/to_char.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define SCALAR(name) Datum name(FnCtx *c, const Datum *args, bool *isnull)

typedef struct Found {
    DateMode mode;
    bool clock12;
    int pm, hh, mi, ss, ssss;
    int d;              /* 1 Sunday .. 7 */
    int dd, ddd, mm, ms, year, bc, ww, w, cc, j, us;
    int year_digits;    /* of the year's field: YY is 2 */
    int tz_sign, tz_hour, tz_minute;
    int ff;             /* precision of an FFn field */
} Found;

typedef struct Input {
    Arena *arena;
    const char *p;      /* zero-terminated */
    const char *whole;
    Found f;
    bool exact;         /* FX */
    int extra;          /* characters skipped beyond the template's */
} Input;

static const char *const am_pm[] = {"am", "pm", "AM", "PM", NULL};
static const char *const am_pm_dots[] = {"a.m.", "p.m.", "A.M.", "P.M.", NULL};
static const char *const ad_bc[] = {"ad", "bc", "AD", "BC", NULL};
static const char *const ad_bc_dots[] = {"a.d.", "b.c.", "A.D.", "B.C.", NULL};
static const char *const months_short[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul",
                                           "Aug", "Sep", "Oct", "Nov", "Dec", NULL};
static const char *const months_long[] = {"January",  "February", "March",  "April",     "May",
                                          "June",     "July",     "August", "September", "October",
                                          "November", "December", NULL};
static const char *const days_short[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", NULL};
static const char *const days_long[] = {"Sunday",   "Monday", "Tuesday",  "Wednesday",
                                        "Thursday", "Friday", "Saturday", NULL};

/* ---- reading one field ---- */

/* A field given twice must agree with itself. */
static void
set_field(int *dest, int value, const Node *n)
{
    if (*dest != 0 && *dest != value)
        RAISE_ERR(
            SQLSTATE_INVALID_DATETIME_FORMAT,
            err_message("conflicting values for \"%s\" field in formatting string", n->field->name),
            err_detail("This value contradicts a previous setting for the same field type."));
    *dest = value;
}

/* Is what follows this node certain not to be a digit? Then a number may be of any length. */
static bool
ends_before_digits(const Node *n)
{
    if (n->suffix & (SUFFIX_TH | SUFFIX_TH_LOWER))
        return true;
    n++;
    if (n->kind == NODE_END)
        return true;
    if (n->kind == NODE_FIELD)
        return !n->field->digits;
    return !(n->len == 1 && is_digit(n->bytes[0]));
}

/* Reads an integer of at most `len` digits (exactly, unless the template delimits it); dest NULL:
 * only skipped. Returns the bytes read. */
static int
take_int_len(Input *in, int *dest, int len, const Node *n)
{
    while (is_space(*in->p))
        in->p++;
    const char *start = in->p;
    char copy[16], *end;
    size_t used = strnlen(start, (size_t)len);
    long v;
    memcpy(copy, start, used);
    copy[used] = 0;
    if ((n->suffix & SUFFIX_FM) || ends_before_digits(n)) {
        errno = 0;
        v = strtol(start, &end, 10);
        in->p = end;
    } else {
        if ((int)used < len)
            RAISE_ERR(
                SQLSTATE_INVALID_DATETIME_FORMAT,
                err_message("source string too short for \"%s\" formatting field", n->field->name),
                err_detail("Field requires %d characters, but only %d remain.", len, (int)used),
                err_hint(
                    "If your source string is not fixed-width, try using the \"FM\" modifier."));
        errno = 0;
        v = strtol(copy, &end, 10);
        used = (size_t)(end - copy);
        if (used > 0 && (int)used < len)
            RAISE_ERR(
                SQLSTATE_INVALID_DATETIME_FORMAT,
                err_message("invalid value \"%s\" for \"%s\"", copy, n->field->name),
                err_detail("Field requires %d characters, but only %d could be parsed.", len,
                           (int)used),
                err_hint(
                    "If your source string is not fixed-width, try using the \"FM\" modifier."));
        in->p += used;
    }
    if (in->p == start)
        RAISE_ERR(SQLSTATE_INVALID_DATETIME_FORMAT,
                  err_message("invalid value \"%s\" for \"%s\"", copy, n->field->name),
                  err_detail("Value must be an integer."));
    if (errno == ERANGE || v < INT32_MIN || v > INT32_MAX)
        RAISE_ERR(SQLSTATE_DATETIME_VALUE_OUT_OF_RANGE,
                  err_message("value for \"%s\" in source string is out of range", n->field->name),
                  err_detail("Value must be in the range %d to %d.", INT32_MIN, INT32_MAX));
    if (dest)
        set_field(dest, (int)v, n);
    return (int)(in->p - start);
}

static int
take_int(Input *in, int *dest, const Node *n)
{
    return take_int_len(in, dest, n->field->len, n);
}

/* The index of the word of the list that the text continues with. */
static int
take_word(Input *in, const char *const *list, const Node *n)
{
    for (int i = 0; list[i] && *in->p; i++) {
        const char *w = list[i], *p = in->p;
        while (*w && to_lower(*w) == to_lower(*p)) {
            w++;
            p++;
        }
        if (*w == 0) {
            in->p = p;
            return i;
        }
    }
    size_t k = 0;
    while (in->p[k] && !is_space(in->p[k]))
        k++;
    RAISE_ERR(
        SQLSTATE_INVALID_DATETIME_FORMAT,
        err_message("invalid value \"%.*s\" for \"%s\"", (int)k, in->p, n->field->name),
        err_detail("The given value did not match any of the allowed values for this field."));
}

/* An ordinal's suffix is two characters, whatever they are. */
static void
skip_ordinal(Input *in, const Node *n)
{
    if (n->suffix & (SUFFIX_TH | SUFFIX_TH_LOWER))
        for (int i = 0; i < 2 && *in->p; i++)
            in->p += char_bytes(in->p, strlen(in->p));
}

/* Digits of a second's fraction: "25" is .25. */
static void
take_fraction(Input *in, int *dest, int len, int full, const Node *n)
{
    static const int scale[] = {1, 10, 100, 1000, 10000, 100000};
    int got = take_int_len(in, dest, len, n);
    if (got < full && got >= 1)
        *dest *= scale[full - got];
}

/* A year of one to three digits means the one nearest to 2020. */
static int
near_2020(int year)
{
    if (year < 70)
        return year + 2000;
    if (year < 100)
        return year + 1900;
    if (year < 520)
        return year + 2000;
    return year < 1000 ? year + 1000 : year;
}

static void
take_year(Input *in, int digits, const Node *n)
{
    int got = take_int(in, &in->f.year, n);
    if (digits < 4 && got < 4)
        in->f.year = near_2020(in->f.year);
    in->f.year_digits = digits;
}

static void
take_zone_hour(Input *in, const Node *n)
{
    /* A minus may have been skipped as a separator: then it was the sign. */
    if (*in->p == '+' || *in->p == '-' || *in->p == ' ') {
        in->f.tz_sign = *in->p == '-' ? -1 : 1;
        in->p++;
    } else
        in->f.tz_sign = in->extra > 0 && in->p > in->whole && in->p[-1] == '-' ? -1 : 1;
    take_int_len(in, &in->f.tz_hour, 2, n);
}

static void
take_year_with_comma(Input *in, const Node *n)
{
    int thousands, years, used;
    if (sscanf(in->p, "%d,%03d%n", &thousands, &years, &used) < 2)
        RAISE(SQLSTATE_INVALID_DATETIME_FORMAT, "invalid input string for \"Y,YYY\"");
    int64_t v = (int64_t)thousands * 1000 + years;
    if (v < INT32_MIN || v > INT32_MAX)
        RAISE_ERR(SQLSTATE_DATETIME_FIELD_OVERFLOW,
                  err_message("value for \"Y,YYY\" in source string is out of range"));
    set_field(&in->f.year, (int)v, n);
    in->f.year_digits = 4;
    in->p += used;
}

static void
take_field(Input *in, const Node *n)
{
    Found *f = &in->f;
    bool ordinal = true; /* may a suffix follow? */
    switch (n->field->field) {
    case DF_FX: in->exact = true; ordinal = false; break;
    case DF_A_M: case DF_P_M: case DF_a_m: case DF_p_m:
        set_field(&f->pm, take_word(in, am_pm_dots, n) % 2, n);
        f->clock12 = true;
        ordinal = false;
        break;
    case DF_AM: case DF_PM: case DF_am: case DF_pm:
        set_field(&f->pm, take_word(in, am_pm, n) % 2, n);
        f->clock12 = true;
        ordinal = false;
        break;
    case DF_HH: case DF_HH12:
        take_int_len(in, &f->hh, 2, n);
        f->clock12 = true;
        break;
    case DF_HH24: take_int_len(in, &f->hh, 2, n); break;
    case DF_MI: take_int(in, &f->mi, n); break;
    case DF_SS: take_int(in, &f->ss, n); break;
    case DF_MS: take_fraction(in, &f->ms, 3, 3, n); break;
    case DF_FF1: case DF_FF2: case DF_FF3: case DF_FF4: case DF_FF5: case DF_FF6:
        f->ff = n->field->field - DF_FF1 + 1;
        take_fraction(in, &f->us, f->ff, 6, n);
        break;
    case DF_US: take_fraction(in, &f->us, 6, 6, n); break;
    case DF_SSSS: case DF_SSSSS: take_int(in, &f->ssss, n); break;
    case DF_tz: case DF_TZ: case DF_OF:
        RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED,
              "formatting field \"%s\" is only supported in to_char", n->field->name);
    case DF_TZH: take_zone_hour(in, n); ordinal = false; break;
    case DF_TZM:
        if (!f->tz_sign)
            f->tz_sign = 1;
        take_int_len(in, &f->tz_minute, 2, n);
        ordinal = false;
        break;
    case DF_A_D: case DF_B_C: case DF_a_d: case DF_b_c:
        set_field(&f->bc, take_word(in, ad_bc_dots, n) % 2, n);
        ordinal = false;
        break;
    case DF_AD: case DF_BC: case DF_ad: case DF_bc:
        set_field(&f->bc, take_word(in, ad_bc, n) % 2, n);
        ordinal = false;
        break;
    case DF_MONTH: case DF_Month: case DF_month:
        set_field(&f->mm, take_word(in, months_long, n) + 1, n);
        ordinal = false;
        break;
    case DF_MON: case DF_Mon: case DF_mon:
        set_field(&f->mm, take_word(in, months_short, n) + 1, n);
        ordinal = false;
        break;
    case DF_MM: take_int(in, &f->mm, n); break;
    case DF_DAY: case DF_Day: case DF_day:
        set_field(&f->d, take_word(in, days_long, n), n);
        f->d++;
        ordinal = false;
        break;
    case DF_DY: case DF_Dy: case DF_dy:
        set_field(&f->d, take_word(in, days_short, n), n);
        f->d++;
        ordinal = false;
        break;
    case DF_DDD: take_int(in, &f->ddd, n); break;
    case DF_IDDD: take_int_len(in, &f->ddd, 3, n); break;
    case DF_DD: take_int(in, &f->dd, n); break;
    case DF_D: take_int(in, &f->d, n); break;
    case DF_ID:
        take_int_len(in, &f->d, 1, n);
        if (++f->d > 7)
            f->d = 1;
        break;
    case DF_WW: case DF_IW: take_int(in, &f->ww, n); break;
    case DF_Q: take_int(in, NULL, n); break; /* read, but says nothing sure */
    case DF_CC: take_int(in, &f->cc, n); break;
    case DF_Y_YYY: take_year_with_comma(in, n); break;
    case DF_YYYY: case DF_IYYY: take_year(in, 4, n); break;
    case DF_YYY: case DF_IYY: take_year(in, 3, n); break;
    case DF_YY: case DF_IY: take_year(in, 2, n); break;
    case DF_Y: case DF_I: take_year(in, 1, n); break;
    case DF_RM: case DF_rm:
        set_field(&f->mm, 12 - take_word(in, roman_months_lower, n), n);
        ordinal = false;
        break;
    case DF_W: take_int(in, &f->w, n); break;
    case DF_J: take_int(in, &f->j, n); break;
    default: ordinal = false;
    }
    if (ordinal)
        skip_ordinal(in, n);
}

/* ---- the walk ---- */

static void
skip_spaces(Input *in)
{
    while (is_space(*in->p)) {
        in->p++;
        in->extra++;
    }
}

static void
walk(Input *in, const Template *t)
{
    for (const Node *n = t->nodes; n->kind != NODE_END && *in->p; n++) {
        if (!in->exact && (n->kind != NODE_FIELD || n->field->field != DF_FX) &&
            (n->kind == NODE_FIELD || n == t->nodes))
            skip_spaces(in);
        size_t left = strlen(in->p);
        if (n->kind == NODE_SPACE || n->kind == NODE_SEPARATOR) {
            if (!in->exact) {
                in->extra--;
                if (is_space(*in->p) || is_separator(*in->p)) {
                    in->p++;
                    in->extra++;
                }
            } else
                in->p += char_bytes(in->p, left);
            continue;
        }
        if (n->kind == NODE_CHAR) {
            if (!in->exact && in->extra > 0)
                in->extra--; /* may stand for one that was skipped */
            else
                in->p += char_bytes(in->p, left);
            continue;
        }
        if (n->field->mode != MODE_ANY) {
            if (in->f.mode == MODE_ANY)
                in->f.mode = (DateMode)n->field->mode;
            else if (in->f.mode != n->field->mode)
                RAISE_ERR(SQLSTATE_INVALID_DATETIME_FORMAT,
                          err_message("invalid combination of date conventions"),
                          err_hint("Do not mix Gregorian and ISO week date conventions in a "
                                   "formatting template."));
        }
        take_field(in, n);
        if (!in->exact) {
            in->extra = 0;
            skip_spaces(in);
        }
    }
}

/* ---- fields to a date and time ---- */

static NORETURN void
raise_field(const Input *in)
{
    parse_error_raise(PARSE_OVERFLOW, in->whole, "timestamp");
}

static int
to_int(const Input *in, int64_t v)
{
    if (v < INT32_MIN || v > INT32_MAX)
        raise_field(in);
    return (int)v;
}

static void
resolve_time(const Input *in, Civil *c)
{
    const Found *f = &in->f;
    if (f->ssss) {
        c->hour = f->ssss / 3600;
        c->minute = f->ssss % 3600 / 60;
        c->second = f->ssss % 60;
    }
    if (f->ss)
        c->second = f->ss;
    if (f->mi)
        c->minute = f->mi;
    if (f->hh)
        c->hour = f->hh;
    if (f->clock12) {
        if (c->hour < 1 || c->hour > 12)
            RAISE_ERR(SQLSTATE_INVALID_DATETIME_FORMAT,
                      err_message("hour \"%d\" is invalid for the 12-hour clock", c->hour),
                      err_hint("Use the 24-hour clock, or give an hour between 1 and 12."));
        if (f->pm && c->hour < 12)
            c->hour += 12;
        else if (!f->pm && c->hour == 12)
            c->hour = 0;
    }
}

#define GOT_YEAR 1
#define GOT_MONTH 2
#define GOT_DAY 4
#define GOT_ALL 7

/* The year as the calendar counts it (0 is 1 BC). */
static int
resolve_year(Input *in, Civil *c)
{
    Found *f = &in->f;
    if (f->year) {
        if (f->cc && f->year_digits <= 2) { /* the last digits within a century */
            int64_t cc = f->bc ? -(int64_t)f->cc : f->cc, y = f->year % 100;
            if (y)
                y = cc >= 0 ? y + (cc - 1) * 100 : (cc + 1) * 100 - y + 1;
            else
                y = cc * 100 + (cc >= 0 ? 0 : 1);
            c->year = to_int(in, y);
        } else {
            c->year = to_int(in, f->bc ? -(int64_t)f->year : f->year);
            if (c->year < 0)
                c->year++;
        }
        return GOT_YEAR;
    }
    if (f->cc) { /* the century's first year */
        int64_t cc = f->bc ? -(int64_t)f->cc : f->cc;
        c->year = to_int(in, cc >= 0 ? (cc - 1) * 100 + 1 : cc * 100 + 1);
        return GOT_YEAR;
    }
    return 0;
}

static void
set_days(Civil *c, int64_t julian)
{
    civil_from_days(julian - JULIAN_OF_PG_EPOCH, &c->year, &c->month, &c->day);
}

static int
resolve_day_of_year(Input *in, Civil *c)
{
    Found *f = &in->f;
    if (!c->year && !f->bc)
        RAISE(SQLSTATE_INVALID_DATETIME_FORMAT,
              "cannot calculate day of year without year information");
    if (f->mode == MODE_ISO) {
        set_days(c, (int64_t)iso_week_start(c->year, 1) - 1 + f->ddd);
        return GOT_ALL;
    }
    int month = 1, before = 0;
    for (; month < 12; month++) {
        int days = days_in_month(c->year, month);
        if (f->ddd <= before + days)
            break;
        before += days;
    }
    if (month == 12 && f->ddd > before + 31) { /* beyond the year: an error in what follows */
        month = 13;
        before += 31;
    }
    if (c->month <= 1)
        c->month = month;
    if (c->day <= 1)
        c->day = to_int(in, (int64_t)f->ddd - before);
    return GOT_MONTH | GOT_DAY;
}

static void
resolve_date(Input *in, Civil *c)
{
    Found *f = &in->f;
    c->month = c->day = 1;
    c->year = 0;
    int got = resolve_year(in, c);
    if (f->j) {
        set_days(c, f->j);
        got |= GOT_ALL;
    }
    if (f->ww) {
        if (f->mode == MODE_ISO) {
            int64_t day = iso_week_start(c->year, f->ww);
            if (f->d)
                day += f->d > 1 ? f->d - 2 : 6;
            set_days(c, day);
            got |= GOT_ALL;
        } else
            f->ddd = to_int(in, ((int64_t)f->ww - 1) * 7 + 1);
    }
    if (f->w)
        f->dd = to_int(in, ((int64_t)f->w - 1) * 7 + 1);
    if (f->dd) {
        c->day = f->dd;
        got |= GOT_DAY;
    }
    if (f->mm) {
        c->month = f->mm;
        got |= GOT_MONTH;
    }
    if (f->ddd && (c->month <= 1 || c->day <= 1))
        got |= resolve_day_of_year(in, c);
    if ((got & GOT_MONTH) && (c->month < 1 || c->month > 12))
        raise_field(in);
    if ((got & GOT_DAY) && (c->day < 1 || c->day > 31))
        raise_field(in);
    if (got == GOT_ALL && c->day > days_in_month(c->year, c->month))
        raise_field(in);
}

/* Walks the text; c gets all but the zone. */
static void
parse_by_template(FnCtx *fc, const Datum *args, Input *in, Civil *c)
{
    memset(in, 0, sizeof *in);
    memset(c, 0, sizeof *c);
    in->whole = in->p = text_cstring(fc, args[0]);
    in->arena = fc->arena;
    if (var_len(args[1]) > 0)
        walk(in, template_get(fc, args[1], false));
    resolve_time(in, c);
    resolve_date(in, c);
    int64_t us = (int64_t)in->f.ms * 1000 + in->f.us;
    if (c->hour < 0 || c->hour >= 24 || c->minute < 0 || c->minute >= 60 || c->second < 0 ||
        c->second >= 60 || us < 0 || us >= US_PER_SEC)
        raise_field(in);
    c->us = (int)us;
    if (in->f.tz_sign &&
        (in->f.tz_hour < 0 || in->f.tz_hour > 15 || in->f.tz_minute < 0 || in->f.tz_minute >= 60))
        parse_error_raise(PARSE_ZONE_OVERFLOW, in->whole, "timestamp");
}

SCALAR(fn_to_timestamp)
{
    Input in;
    Civil t;
    int64_t ts;
    parse_by_template(c, args, &in, &t);
    int offset = in.f.tz_sign ? in.f.tz_sign * (in.f.tz_hour * 3600 + in.f.tz_minute * 60)
                              : zone_local_offset(&t, session_zone);
    if (!ts_from_civil(&t, offset, &ts))
        raise_ts_range();
    return int64_datum(in.f.ff ? ts_apply_typmod(ts, in.f.ff) : ts);
}

SCALAR(fn_to_date)
{
    Input in;
    Civil t;
    parse_by_template(c, args, &in, &t);
    int64_t days =
        civil_year_ok(t.year, t.month) ? days_from_civil(t.year, t.month, t.day) : INT64_MIN;
    if (!date_in_range(days))
        RAISE(SQLSTATE_DATETIME_VALUE_OUT_OF_RANGE, "date out of range: \"%s\"", in.whole);
    return int64_datum(days);
}
