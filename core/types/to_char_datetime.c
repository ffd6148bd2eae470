/*
 * to_char of timestamps and intervals.
 *
 * One printer serves both: an interval comes as fields whose hours are unbounded and that have no
 * weekday; template fields that need a calendar date are an error for it.
 */
#include "core/types/to_char.h"

#include <stdio.h>

#define SCALAR(name) Datum name(FnCtx *c, const Datum *args, bool *isnull)

typedef struct Shown {
    int64_t hour;
    int year, month, day, minute, second, us;
    int yday, wday;
    int offset;
    const char *abbrev;
    bool interval;
} Shown;

static void
require_date(const Shown *t)
{
    if (t->interval)
        RAISE_ERR(SQLSTATE_INVALID_DATETIME_FORMAT,
                  err_message("invalid format specification for an interval value"),
                  err_hint("Intervals are not tied to specific calendar dates."));
}

/* A number, zero-padded to `width` counting a minus sign, then its ordinal suffix if asked for. */
static void
put_number(StrBuf *s, const Node *n, int64_t v, int width)
{
    char buf[48];
    int len = snprintf(buf, sizeof buf, "%0*lld", n->suffix & SUFFIX_FM ? 0 : width, (long long)v);
    str_add_bytes(s, buf, (size_t)len);
    if (n->suffix & (SUFFIX_TH | SUFFIX_TH_LOWER))
        str_add(s, ordinal_suffix(buf, (size_t)len, (n->suffix & SUFFIX_TH) != 0));
}

/* As put_number, but FM does not shorten it. */
static void
put_fixed(StrBuf *s, const Node *n, int64_t v, int width)
{
    Node fixed = *n;
    fixed.suffix &= (uint8_t)~SUFFIX_FM;
    put_number(s, &fixed, v, width);
}

typedef enum Case { AS_IS, UPPER, LOWER } Case;

/* A name, padded with blanks to `width` unless FM or TM say otherwise. */
static void
put_name(StrBuf *s, const Node *n, const char *name, size_t len, Case how, size_t width)
{
    str_reserve(s, len + width);
    for (size_t i = 0; i < len; i++)
        str_add_char(s, how == UPPER   ? to_upper(name[i])
                        : how == LOWER ? to_lower(name[i])
                                       : name[i]);
    if (!(n->suffix & (SUFFIX_FM | SUFFIX_TM)))
        for (; len < width; len++)
            str_add_char(s, ' ');
}

static int
shown_year(const Shown *t, int year)
{
    return t->interval || year > 0 ? year : -(year - 1);
}

static void
put_century(StrBuf *s, const Node *n, const Shown *t)
{
    int v;
    if (t->interval)
        v = t->year / 100;
    else
        v = t->year > 0 ? (t->year - 1) / 100 + 1 : t->year / 100 - 1;
    put_number(s, n, v, v <= 99 && v >= -99 ? (v >= 0 ? 2 : 3) : 0);
}

static void
put_roman_month(StrBuf *s, const Node *n, const Shown *t, bool lower)
{
    if (t->month == 0 && t->year == 0)
        return;
    int i;
    if (t->month == 0) /* whole years of an interval */
        i = t->year >= 0 ? 0 : 11;
    else if (t->month < 0)
        i = -1 * (t->month + 1);
    else
        i = 12 - t->month;
    const char *name = lower ? roman_months_lower[i] : roman_months[i];
    Node plain = *n;
    plain.suffix &= (uint8_t)~SUFFIX_TM;
    put_name(s, &plain, name, strlen(name), AS_IS, 4);
}

static void
put_offset(StrBuf *s, const Node *n, const Shown *t)
{
    int v = t->offset < 0 ? -t->offset : t->offset;
    str_printf(s, "%c%0*d", t->offset < 0 ? '-' : '+', n->suffix & SUFFIX_FM ? 0 : 2, v / 3600);
    if (v % 3600)
        str_printf(s, ":%02d", v % 3600 / 60);
}

/* Names and weekdays; the caller has seen to it that the value has a date. */
static void
put_name_field(StrBuf *s, const Node *n, const Shown *t)
{
    switch (n->field->field) {
    case DF_MONTH:
        put_name(s, n, month_names[t->month], strlen(month_names[t->month]), UPPER, 9);
        break;
    case DF_Month:
        put_name(s, n, month_names[t->month], strlen(month_names[t->month]), AS_IS, 9);
        break;
    case DF_month:
        put_name(s, n, month_names[t->month], strlen(month_names[t->month]), LOWER, 9);
        break;
    case DF_MON: put_name(s, n, month_names[t->month], 3, UPPER, 0); break;
    case DF_Mon: put_name(s, n, month_names[t->month], 3, AS_IS, 0); break;
    case DF_mon: put_name(s, n, month_names[t->month], 3, LOWER, 0); break;
    case DF_DAY: put_name(s, n, day_names[t->wday], strlen(day_names[t->wday]), UPPER, 9); break;
    case DF_Day: put_name(s, n, day_names[t->wday], strlen(day_names[t->wday]), AS_IS, 9); break;
    case DF_day: put_name(s, n, day_names[t->wday], strlen(day_names[t->wday]), LOWER, 9); break;
    case DF_DY: put_name(s, n, day_names[t->wday], 3, UPPER, 0); break;
    case DF_Dy: put_name(s, n, day_names[t->wday], 3, AS_IS, 0); break;
    case DF_dy: put_name(s, n, day_names[t->wday], 3, LOWER, 0); break;
    case DF_D: put_fixed(s, n, t->wday + 1, 1); break;
    case DF_ID: put_fixed(s, n, t->wday == 0 ? 7 : t->wday, 1); break;
    default: break;
    }
}

/* Fields of the ISO week calendar. */
static void
put_iso_field(StrBuf *s, const Node *n, const Shown *t)
{
    int iso_year, week = iso_week(t->year, t->month, t->day, &iso_year);
    int iso_shown = shown_year(t, iso_year),
        year = shown_year(t, t->year); /* the width is the plain year's */
    int64_t days = days_from_civil(t->year, t->month, t->day);
    switch (n->field->field) {
    case DF_IDDD:
        put_number(s, n, days - (iso_week_start(iso_year, 1) - JULIAN_OF_PG_EPOCH) + 1, 3);
        break;
    case DF_IW: put_number(s, n, week, 2); break;
    case DF_IYYY: put_number(s, n, iso_shown, year >= 0 ? 4 : 5); break;
    case DF_IYY: put_number(s, n, iso_shown % 1000, year >= 0 ? 3 : 4); break;
    case DF_IY: put_number(s, n, iso_shown % 100, year >= 0 ? 2 : 3); break;
    case DF_I: put_fixed(s, n, iso_shown % 10, 1); break;
    default: break;
    }
}

static void
put_field(StrBuf *s, const Node *n, const Shown *t)
{
    bool pm = t->hour % 24 >= 12;
    int year = shown_year(t, t->year);
    switch (n->field->field) {
    case DF_A_M: case DF_P_M: str_add(s, pm ? "P.M." : "A.M."); break;
    case DF_AM: case DF_PM: str_add(s, pm ? "PM" : "AM"); break;
    case DF_a_m: case DF_p_m: str_add(s, pm ? "p.m." : "a.m."); break;
    case DF_am: case DF_pm: str_add(s, pm ? "pm" : "am"); break;
    case DF_HH:
    case DF_HH12:
        put_number(s, n, t->hour % 12 == 0 ? 12 : t->hour % 12, t->hour >= 0 ? 2 : 3);
        break;
    case DF_HH24: put_number(s, n, t->hour, t->hour >= 0 ? 2 : 3); break;
    case DF_MI: put_number(s, n, t->minute, t->minute >= 0 ? 2 : 3); break;
    case DF_SS: put_number(s, n, t->second, t->second >= 0 ? 2 : 3); break;
    case DF_FF1: put_fixed(s, n, t->us / 100000, 1); break;
    case DF_FF2: put_fixed(s, n, t->us / 10000, 2); break;
    case DF_FF3: case DF_MS: put_fixed(s, n, t->us / 1000, 3); break;
    case DF_FF4: put_fixed(s, n, t->us / 100, 4); break;
    case DF_FF5: put_fixed(s, n, t->us / 10, 5); break;
    case DF_FF6: case DF_US: put_fixed(s, n, t->us, 6); break;
    case DF_SSSS:
    case DF_SSSSS:
        put_fixed(s, n, t->hour * 3600 + t->minute * 60 + t->second, 1);
        break;
    case DF_tz: case DF_TZ:
        require_date(t);
        if (t->abbrev)
            put_name(s, n, t->abbrev, strlen(t->abbrev), n->field->field == DF_tz ? LOWER : AS_IS,
                     0);
        break;
    case DF_TZH:
        require_date(t);
        str_printf(s, "%c%02d", t->offset >= 0 ? '+' : '-',
                   (t->offset < 0 ? -t->offset : t->offset) / 3600);
        break;
    case DF_TZM:
        require_date(t);
        str_printf(s, "%02d", (t->offset < 0 ? -t->offset : t->offset) % 3600 / 60);
        break;
    case DF_OF: require_date(t); put_offset(s, n, t); break;
    case DF_A_D: case DF_B_C: require_date(t); str_add(s, t->year <= 0 ? "B.C." : "A.D."); break;
    case DF_AD: case DF_BC: require_date(t); str_add(s, t->year <= 0 ? "BC" : "AD"); break;
    case DF_a_d: case DF_b_c: require_date(t); str_add(s, t->year <= 0 ? "b.c." : "a.d."); break;
    case DF_ad: case DF_bc: require_date(t); str_add(s, t->year <= 0 ? "bc" : "ad"); break;
    case DF_MM: put_number(s, n, t->month, t->month >= 0 ? 2 : 3); break;
    case DF_DDD: put_number(s, n, t->yday, 3); break;
    case DF_DD: put_number(s, n, t->day, 2); break;
    case DF_WW: put_number(s, n, (t->yday - 1) / 7 + 1, 2); break;
    case DF_W: put_fixed(s, n, (t->day - 1) / 7 + 1, 1); break;
    case DF_Q:
        if (t->month)
            put_fixed(s, n, (t->month - 1) / 3 + 1, 1);
        break;
    case DF_CC: put_century(s, n, t); break;
    case DF_Y_YYY: {
        char buf[32];
        int len = snprintf(buf, sizeof buf, "%d,%03d", year / 1000, year % 1000);
        str_add_bytes(s, buf, (size_t)len);
        if (n->suffix & (SUFFIX_TH | SUFFIX_TH_LOWER))
            str_add(s, ordinal_suffix(buf, (size_t)len, (n->suffix & SUFFIX_TH) != 0));
        break;
    }
    case DF_YYYY: put_number(s, n, year, year >= 0 ? 4 : 5); break;
    case DF_YYY: put_number(s, n, year % 1000, year >= 0 ? 3 : 4); break;
    case DF_YY: put_number(s, n, year % 100, year >= 0 ? 2 : 3); break;
    case DF_Y: put_fixed(s, n, year % 10, 1); break;
    case DF_RM: put_roman_month(s, n, t, false); break;
    case DF_rm: put_roman_month(s, n, t, true); break;
    case DF_J:
        put_fixed(s, n, days_from_civil(t->year, t->month, t->day) + JULIAN_OF_PG_EPOCH, 1);
        break;
    case DF_FX: break;
    case DF_IDDD:
    case DF_IW:
    case DF_IYYY:
    case DF_IYY:
    case DF_IY:
    case DF_I:
        put_iso_field(s, n, t);
        break;
    default:
        require_date(t);
        put_name_field(s, n, t);
    }
}

static Datum
print_nodes(FnCtx *c, const Template *f, const Shown *t)
{
    StrBuf s;
    str_init(&s, c->arena);
    for (const Node *n = f->nodes; n->kind != NODE_END; n++) {
        if (n->kind == NODE_FIELD)
            put_field(&s, n, t);
        else
            str_add_bytes(&s, n->bytes, n->len);
    }
    return var_make(c->arena, s.data, s.len);
}

static Datum
ts_to_char(FnCtx *c, const Datum *args, bool *isnull, bool zoned)
{
    int64_t ts = datum_int64(args[0]);
    Civil v;
    if (var_len(args[1]) == 0 || !ts_is_finite(ts)) {
        *isnull = true;
        return 0;
    }
    if (zoned)
        civil_from_tstz(ts, NULL, &v);
    else
        civil_from_ts(ts, &v);
    int64_t days = days_from_civil(v.year, v.month, v.day);
    Shown t = {
        .hour = v.hour,
        .year = v.year,
        .month = v.month,
        .day = v.day,
        .minute = v.minute,
        .second = v.second,
        .us = v.us,
        .yday = (int)(days - days_from_civil(v.year, 1, 1)) + 1,
        .wday = dow_of_days(days),
        .offset = v.offset,
        .abbrev = v.abbrev,
    };
    return print_nodes(c, template_get(c, args[1], false), &t);
}

SCALAR(fn_timestamp_to_char) { return ts_to_char(c, args, isnull, false); }
SCALAR(fn_timestamptz_to_char) { return ts_to_char(c, args, isnull, true); }

SCALAR(fn_interval_to_char)
{
    Interval v = datum_interval(args[0]);
    IntervalParts p;
    if (var_len(args[1]) == 0) {
        *isnull = true;
        return 0;
    }
    interval_split(&v, &p);
    Shown t = {
        .hour = p.hour,
        .year = p.year,
        .month = p.month,
        .day = p.day,
        .minute = p.minute,
        .second = p.second,
        .us = p.us,
        .yday = (int)(((int64_t)p.year * 12 + p.month) * DAYS_PER_MONTH +
                      p.day), /* the span in days, roughly */
        .interval = true,
    };
    return print_nodes(c, template_get(c, args[1], false), &t);
}
