/*
 * From one date or time type to another.
 */
#include "core/types/datetime.h"

#include "core/types/datetime_int.h"

#define SCALAR(name) Datum name(FnCtx *c, const Datum *args, bool *isnull)
#define TS_ARG(i) datum_int64(args[i])

static NORETURN void
raise_date_for_ts(void)
{
    RAISE(SQLSTATE_DATETIME_VALUE_OUT_OF_RANGE, "date out of range for timestamp");
}

/* Seconds since 1970 of a local time. */
static inline int
session_offset_local(int64_t ts)
{
    bool dst;
    return zone_local_offset_s(session_zone, unix_from_ts(ts), &dst);
}

int64_t
ts_from_date(int32_t date)
{
    if (UNLIKELY(!date_is_finite(date)))
        return date < 0 ? TS_NEG_INFINITY : TS_INFINITY;
    if (UNLIKELY(date >= TS_END_DAYS))
        raise_date_for_ts();
    return date * US_PER_DAY;
}

int64_t
tstz_from_date(int32_t date)
{
    int64_t ts = ts_from_date(date);
    if (UNLIKELY(!ts_is_finite(ts)))
        return ts;
    ts -= session_offset_local(ts) * US_PER_SEC;
    if (UNLIKELY(!ts_in_range(ts)))
        raise_date_for_ts();
    return ts;
}

int64_t
ts_from_date_saturating(int32_t date)
{
    if (UNLIKELY(!date_is_finite(date)))
        return date < 0 ? TS_NEG_INFINITY : TS_INFINITY;
    return date >= TS_END_DAYS ? TS_INFINITY - 1 : date * US_PER_DAY;
}

static int64_t
saturate(int64_t ts)
{
    return ts < TS_MIN ? TS_NEG_INFINITY + 1 : ts >= TS_END ? TS_INFINITY - 1 : ts;
}

int64_t
tstz_from_ts_saturating(int64_t ts)
{
    if (UNLIKELY(!ts_in_range(ts)))
        return ts;
    return saturate(ts - session_offset_local(ts) * US_PER_SEC);
}

int64_t
tstz_from_date_saturating(int32_t date)
{
    return tstz_from_ts_saturating(ts_from_date_saturating(date));
}

int64_t
tstz_from_ts(int64_t ts)
{
    if (UNLIKELY(!ts_is_finite(ts)))
        return ts;
    ts -= session_offset_local(ts) * US_PER_SEC;
    if (UNLIKELY(!ts_in_range(ts)))
        raise_ts_range();
    return ts;
}

int64_t
ts_from_tstz(int64_t ts)
{
    ZoneMoment m;
    if (UNLIKELY(!ts_is_finite(ts)))
        return ts;
    zone_at(session_zone, unix_from_ts(ts), &m);
    ts += m.offset * US_PER_SEC;
    if (UNLIKELY(!ts_in_range(ts)))
        raise_ts_range();
    return ts;
}

/* Local days and time of day of a timestamptz. */
static void
split_local(int64_t ts, int64_t *days, int64_t *time, int *offset)
{
    ZoneMoment m;
    zone_at(session_zone, unix_from_ts(ts), &m);
    ts_split(ts, days, time);
    *time += m.offset * US_PER_SEC;
    if (*time < 0) {
        *time += US_PER_DAY;
        --*days;
    } else if (*time >= US_PER_DAY) {
        *time -= US_PER_DAY;
        ++*days;
    }
    *offset = m.offset;
}

SCALAR(fn_date_timestamp) { return int64_datum(ts_from_date(datum_int32(args[0]))); }
SCALAR(fn_date_timestamptz) { return int64_datum(tstz_from_date(datum_int32(args[0]))); }
SCALAR(fn_timestamp_timestamptz) { return int64_datum(tstz_from_ts(TS_ARG(0))); }
SCALAR(fn_timestamptz_timestamp) { return int64_datum(ts_from_tstz(TS_ARG(0))); }

SCALAR(fn_timestamp_date)
{
    int64_t ts = TS_ARG(0), days, time;
    if (UNLIKELY(!ts_is_finite(ts)))
        return int32_datum(ts < 0 ? DATE_NEG_INFINITY : DATE_INFINITY);
    ts_split(ts, &days, &time);
    return int64_datum(days);
}

SCALAR(fn_timestamptz_date)
{
    int64_t ts = TS_ARG(0), days, time;
    int offset;
    if (UNLIKELY(!ts_is_finite(ts)))
        return int32_datum(ts < 0 ? DATE_NEG_INFINITY : DATE_INFINITY);
    split_local(ts, &days, &time, &offset);
    return int64_datum(days);
}

SCALAR(fn_timestamp_time)
{
    int64_t days, time;
    if (!ts_is_finite(TS_ARG(0))) {
        *isnull = true;
        return 0;
    }
    ts_split(TS_ARG(0), &days, &time);
    return int64_datum(time);
}

SCALAR(fn_timestamptz_time)
{
    int64_t days, time;
    int offset;
    if (!ts_is_finite(TS_ARG(0))) {
        *isnull = true;
        return 0;
    }
    split_local(TS_ARG(0), &days, &time, &offset);
    return int64_datum(time);
}

SCALAR(fn_timestamptz_timetz)
{
    int64_t days;
    int offset;
    TimeTz t;
    if (!ts_is_finite(TS_ARG(0))) {
        *isnull = true;
        return 0;
    }
    split_local(TS_ARG(0), &days, &t.us, &offset);
    t.zone = -offset;
    return timetz_datum(c->arena, t);
}

/* Today's offset at that time of day. */
SCALAR(fn_time_timetz)
{
    Civil now;
    civil_now(&now);
    TimeTz t = {TS_ARG(0), 0};
    civil_set_time(&now, t.us);
    t.zone = -zone_local_offset(&now, session_zone);
    return timetz_datum(c->arena, t);
}

SCALAR(fn_timetz_time) { return int64_datum(datum_timetz(args[0]).us); }

SCALAR(fn_time_interval)
{
    return interval_datum(c->arena, (Interval){TS_ARG(0), 0, 0});
}

SCALAR(fn_interval_time)
{
    int64_t us = datum_interval(args[0]).us % US_PER_DAY;
    return int64_datum(us < 0 ? us + US_PER_DAY : us);
}

static int64_t
date_plus_time(int32_t date, int64_t time)
{
    int64_t ts = ts_from_date(date);
    if (!ts_is_finite(ts))
        return ts;
    ts += time;
    if (!ts_in_range(ts))
        raise_ts_range();
    return ts;
}

SCALAR(fn_datetime_timestamp)
{
    return int64_datum(date_plus_time(datum_int32(args[0]), TS_ARG(1)));
}
SCALAR(fn_timedate_pl) { return int64_datum(date_plus_time(datum_int32(args[1]), TS_ARG(0))); }
SCALAR(fn_datetime_timestamptz)
{
    return int64_datum(tstz_from_ts(date_plus_time(datum_int32(args[0]), TS_ARG(1))));
}

static int64_t
date_plus_timetz(int32_t date, TimeTz t)
{
    int64_t ts = ts_from_date(date);
    if (!ts_is_finite(ts))
        return ts;
    __int128 v = (__int128)ts + t.us + t.zone * US_PER_SEC;
    if (v < TS_MIN || v >= TS_END)
        raise_date_for_ts();
    return (int64_t)v;
}

SCALAR(fn_datetimetz_timestamptz)
{
    return int64_datum(date_plus_timetz(datum_int32(args[0]), datum_timetz(args[1])));
}
SCALAR(fn_timetzdate_pl)
{
    return int64_datum(date_plus_timetz(datum_int32(args[1]), datum_timetz(args[0])));
}
