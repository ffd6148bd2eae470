/*
 * make_date, make_time, make_timestamp, make_timestamptz, make_interval, to_timestamp(float8),
 * OVERLAPS and the series of timestamps.
 */
#include "core/types/datetime.h"

#include <math.h>
#include <stdio.h>

#include "core/types/datetime_int.h"

#define SCALAR(name) Datum name(FnCtx *c, const Datum *args, bool *isnull)
#define INT_ARG(i) datum_int32(args[i])

/* shown: the year that messages name. */
static int64_t
days_or_raise(int year, int month, int day, int shown)
{
    int64_t y = year < 0 ? (int64_t)year + 1 : year; /* -1 is 1 BC */
    if (year == 0 || month < 1 || month > 12 || day < 1 || day > days_in_month(y, month))
        RAISE(SQLSTATE_DATETIME_FIELD_OVERFLOW, "date field value out of range: %d-%02d-%02d",
              shown, month, day);
    if (y < INT32_MIN || !civil_year_ok((int)y, month))
        RAISE(SQLSTATE_DATETIME_VALUE_OUT_OF_RANGE, "date out of range: %d-%02d-%02d", shown, month,
              day);
    return days_from_civil(y, month, day);
}

/* "%02g", with PostgreSQL's names of the special values. */
static const char *
shown_seconds(double v, char *buf, size_t cap)
{
    if (isnan(v))
        return "NaN";
    if (isinf(v))
        return v < 0 ? "-Infinity" : "Infinity";
    snprintf(buf, cap, "%02g", v);
    return buf;
}

static int64_t
time_or_raise(int hour, int minute, double sec)
{
    double us = rint(sec * 1000000.0);
    bool ok = hour >= 0 && hour <= 24 && minute >= 0 && minute < 60 && !isnan(sec) && us >= 0 &&
              us <= 60e6;
    int64_t t = ok ? (hour * INT64_C(60) + minute) * US_PER_MINUTE + (int64_t)us : 0;
    char buf[32];
    if (!ok || t > US_PER_DAY)
        RAISE(SQLSTATE_DATETIME_FIELD_OVERFLOW, "time field value out of range: %d:%02d:%s", hour,
              minute, shown_seconds(sec, buf, sizeof buf));
    return t;
}

SCALAR(fn_make_date)
{
    int shown = INT_ARG(0) < 0 ? INT_ARG(0) + 1 : INT_ARG(0);
    int64_t d = days_or_raise(INT_ARG(0), INT_ARG(1), INT_ARG(2), shown);
    if (!date_in_range(d))
        RAISE(SQLSTATE_DATETIME_VALUE_OUT_OF_RANGE, "date out of range: %d-%02d-%02d", shown,
              INT_ARG(1), INT_ARG(2));
    return int64_datum(d);
}

SCALAR(fn_make_time)
{
    return int64_datum(time_or_raise(INT_ARG(0), INT_ARG(1), datum_float8(args[2])));
}

static int64_t
make_ts(const Datum *args)
{
    int64_t days = days_or_raise(INT_ARG(0), INT_ARG(1), INT_ARG(2), INT_ARG(0));
    int64_t time = time_or_raise(INT_ARG(3), INT_ARG(4), datum_float8(args[5])), ts;
    if (__builtin_mul_overflow(days, US_PER_DAY, &ts) || __builtin_add_overflow(ts, time, &ts) ||
        !ts_in_range(ts))
        RAISE(SQLSTATE_DATETIME_VALUE_OUT_OF_RANGE,
              "timestamp out of range: %d-%02d-%02d %d:%02d:%02g", INT_ARG(0), INT_ARG(1),
              INT_ARG(2), INT_ARG(3), INT_ARG(4), datum_float8(args[5]));
    return ts;
}

SCALAR(fn_make_timestamp) { return int64_datum(make_ts(args)); }
SCALAR(fn_make_timestamptz) { return int64_datum(tstz_from_ts(make_ts(args))); }

SCALAR(fn_make_timestamptz_at_timezone)
{
    int64_t ts = make_ts(args);
    const char *name = text_cstring(c, args[6]);
    int offset;
    if (is_digit(*name))
        RAISE_ERR(
            SQLSTATE_INVALID_PARAMETER_VALUE,
            err_message("invalid input syntax for type %s: \"%s\"", "numeric time zone", name),
            err_hint("Numeric time zones must have \"-\" or \"+\" as first character."));
    switch (parse_zone_offset(name, &offset)) {
    case PARSE_OK:
        break;
    case PARSE_ZONE_OVERFLOW:
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "numeric time zone \"%s\" out of range", name);
    default: {
        ZoneRef ref;
        zone_ref_get(name, &ref);
        offset = zone_ref_offset_local(&ref, unix_from_ts(ts));
    }
    }
    ts -= offset * US_PER_SEC;
    if (!ts_in_range(ts))
        raise_ts_range();
    return int64_datum(ts);
}

/* years, months, weeks, days, hours, mins, secs */
SCALAR(fn_make_interval)
{
    double secs = datum_float8(args[6]);
    int64_t months = (int64_t)INT_ARG(0) * 12 + INT_ARG(1),
            days = (int64_t)INT_ARG(2) * 7 + INT_ARG(3);
    int64_t us = INT_ARG(4) * US_PER_HOUR, minutes = INT_ARG(5) * US_PER_MINUTE;
    if (isinf(secs) || isnan(secs))
        raise_interval_range();
    secs = rint(secs * 1000000.0);
    if (!double_fits_int64(secs) || months != (int32_t)months || days != (int32_t)days ||
        __builtin_add_overflow(us, minutes, &us) || __builtin_add_overflow(us, (int64_t)secs, &us))
        raise_interval_range();
    return interval_datum(c->arena, (Interval){us, (int32_t)days, (int32_t)months});
}

SCALAR(fn_float8_timestamptz)
{
    double s = datum_float8(args[0]);
    if (isnan(s))
        RAISE(SQLSTATE_DATETIME_VALUE_OUT_OF_RANGE, "timestamp cannot be NaN");
    if (isinf(s))
        return int64_datum(s < 0 ? TS_NEG_INFINITY : TS_INFINITY);
    double low = (double)SECS_PER_DAY * (DATE_MIN + DAYS_UNIX_TO_PG);
    double high = (double)SECS_PER_DAY * (double)(TS_END_DAYS + DAYS_UNIX_TO_PG);
    int64_t ts = 0;
    if (s >= low && s < high)
        ts = (int64_t)rint((s - (double)DAYS_UNIX_TO_PG * SECS_PER_DAY) * 1000000.0);
    if (s < low || s >= high || !ts_in_range(ts))
        RAISE(SQLSTATE_DATETIME_VALUE_OUT_OF_RANGE, "timestamp out of range: \"%g\"", s);
    return int64_datum(ts);
}

/* ---- OVERLAPS: periods given by their ends, in any order; a missing end may not matter ---- */

typedef struct Moment {
    Datum v;
    bool null;
} Moment;
typedef int (*MomentCmp)(Datum a, Datum b, Oid collation);

static Datum
overlaps(Moment s1, Moment e1, Moment s2, Moment e2, MomentCmp cmp, bool *isnull)
{
    Moment *start[2] = {&s1, &s2}, *end[2] = {&e1, &e2};
    for (int i = 0; i < 2; i++) {
        if (start[i]->null) {
            if (end[i]->null) {
                *isnull = true;
                return 0;
            }
            *start[i] = *end[i];
            end[i]->null = true;
        } else if (!end[i]->null && cmp(start[i]->v, end[i]->v, 0) > 0) {
            Moment m = *start[i];
            *start[i] = *end[i];
            *end[i] = m;
        }
    }
    int order = cmp(s1.v, s2.v, 0);
    if (order == 0) {
        *isnull = e1.null || e2.null;
        return 1;
    }
    /* The later start lies inside the other period, or it does not. */
    const Moment *later = order > 0 ? &s1 : &s2, *first_end = order > 0 ? &e2 : &e1,
                 *last_end = order > 0 ? &e1 : &e2;
    if (first_end->null) {
        *isnull = true;
        return 0;
    }
    if (cmp(later->v, first_end->v, 0) < 0)
        return 1;
    *isnull = last_end->null;
    return 0;
}

static int
lane_cmp(Datum a, Datum b, Oid collation)
{
    int64_t x = datum_int64(a), y = datum_int64(b);
    return (x > y) - (x < y);
}

static Datum
overlaps_args(FnCtx *c, const Datum *args, bool *isnull, MomentCmp cmp)
{
    return overlaps((Moment){args[0], c->argnull[0]}, (Moment){args[1], c->argnull[1]},
                    (Moment){args[2], c->argnull[2]}, (Moment){args[3], c->argnull[3]}, cmp,
                    isnull);
}

SCALAR(fn_overlaps_lane) { return overlaps_args(c, args, isnull, lane_cmp); }
SCALAR(fn_overlaps_timetz) { return overlaps_args(c, args, isnull, type_ops(TIMETZ_OID)->cmp); }

/* An end given as a length. */
enum { KIND_TS, KIND_TSTZ, KIND_TIME };

static Moment
end_from_length(FnCtx *c, const Datum *args, int start, int kind)
{
    Moment m = {0, c->argnull[start] || c->argnull[start + 1]};
    if (m.null)
        return m;
    Interval v = datum_interval(args[start + 1]);
    int64_t t = datum_int64(args[start]);
    if (kind == KIND_TS)
        t = ts_add_interval(t, &v);
    else if (kind == KIND_TSTZ)
        t = tstz_add_interval(t, &v, session_zone);
    else {
        t = (t + v.us % US_PER_DAY) % US_PER_DAY;
        t = t < 0 ? t + US_PER_DAY : t;
    }
    m.v = int64_datum(t);
    return m;
}

static Datum
overlaps_lengths(FnCtx *c, const Datum *args, bool *isnull, int kind, bool first, bool second)
{
    Moment e1 = first ? end_from_length(c, args, 0, kind) : (Moment){args[1], c->argnull[1]};
    Moment e2 = second ? end_from_length(c, args, 2, kind) : (Moment){args[3], c->argnull[3]};
    return overlaps((Moment){args[0], c->argnull[0]}, e1, (Moment){args[2], c->argnull[2]}, e2,
                    lane_cmp, isnull);
}

#define OVERLAPS_FNS(name, kind)                                                                   \
    SCALAR(fn_overlaps_##name##_ii)                                                                \
    {                                                                                              \
        return overlaps_lengths(c, args, isnull, kind, true, true);                                \
    }                                                                                              \
    SCALAR(fn_overlaps_##name##_ti)                                                                \
    {                                                                                              \
        return overlaps_lengths(c, args, isnull, kind, false, true);                               \
    }                                                                                              \
    SCALAR(fn_overlaps_##name##_it)                                                                \
    {                                                                                              \
        return overlaps_lengths(c, args, isnull, kind, true, false);                               \
    }

OVERLAPS_FNS(ts, KIND_TS)
OVERLAPS_FNS(tstz, KIND_TSTZ)
OVERLAPS_FNS(time, KIND_TIME)

/* ---- generate_series ---- */

typedef struct Series {
    int64_t next, stop;
    Interval step;
    int sign;
} Series;

static bool
ts_series(FnCtx *c, const Datum *args, Datum *out, bool *outnull, bool zoned)
{
    Series *s = c->state;
    if (!s) {
        s = ARENA_NEW(c->state_arena, Series);
        s->next = datum_int64(args[0]);
        s->stop = datum_int64(args[1]);
        s->step = datum_interval(args[2]);
        __int128 span = interval_span(&s->step);
        s->sign = (span > 0) - (span < 0);
        if (s->sign == 0)
            RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "step size cannot equal zero");
        c->state = s;
    }
    if (s->sign > 0 ? s->next > s->stop : s->next < s->stop) {
        c->state = NULL; /* the call site may be started again */
        return false;
    }
    *out = int64_datum(s->next);
    *outnull = false;
    s->next = zoned ? tstz_add_interval(s->next, &s->step, session_zone)
                    : ts_add_interval(s->next, &s->step);
    return true;
}

bool
set_timestamp_series(FnCtx *c, const Datum *args, Datum *out, bool *outnull)
{
    return ts_series(c, args, out, outnull, false);
}

bool
set_timestamptz_series(FnCtx *c, const Datum *args, Datum *out, bool *outnull)
{
    return ts_series(c, args, out, outnull, true);
}
