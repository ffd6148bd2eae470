/*
 * date_trunc, date_bin and age.
 */
#include "core/types/datetime.h"

#include "core/types/datetime_int.h"

#define SCALAR(name) Datum name(FnCtx *c, const Datum *args, bool *isnull)
#define TS_ARG(i) datum_int64(args[i])

/* Cuts the fields below `unit`; false: not a unit to truncate to. *whole_days: the zone's offset
 * must be found anew. */
static bool
trunc_fields(Civil *c, DtUnit unit, bool *whole_days)
{
    int y = c->year;
    *whole_days = true;
    switch (unit) {
    case U_WEEK: {
        int iso_year, week = iso_week(y, c->month, c->day, &iso_year);
        civil_from_days((int64_t)iso_week_start(iso_year, week) - JULIAN_OF_PG_EPOCH, &c->year,
                        &c->month, &c->day);
        break;
    }
    case U_MILLENNIUM:
        c->year = y > 0 ? (y + 999) / 1000 * 1000 - 999 : -((999 - (y - 1)) / 1000) * 1000 + 1;
        c->month = c->day = 1;
        break;
    case U_CENTURY:
        c->year = y > 0 ? (y + 99) / 100 * 100 - 99 : -((99 - (y - 1)) / 100) * 100 + 1;
        c->month = c->day = 1;
        break;
    case U_DECADE:
        c->year = y > 0 ? y / 10 * 10 : -((8 - (y - 1)) / 10) * 10;
        c->month = c->day = 1;
        break;
    case U_YEAR:
        c->month = c->day = 1;
        break;
    case U_QUARTER:
        c->month = 3 * ((c->month - 1) / 3) + 1;
        c->day = 1;
        break;
    case U_MONTH:
        c->day = 1;
        break;
    case U_DAY:
        break;
    case U_HOUR:
        *whole_days = false;
        c->minute = c->second = c->us = 0;
        return true;
    case U_MINUTE:
        *whole_days = false;
        c->second = c->us = 0;
        return true;
    case U_SECOND:
        *whole_days = false;
        c->us = 0;
        return true;
    case U_MILLISEC:
        *whole_days = false;
        c->us = c->us / 1000 * 1000;
        return true;
    case U_MICROSEC:
        *whole_days = false;
        return true;
    default:
        return false;
    }
    c->hour = c->minute = c->second = c->us = 0;
    return true;
}

SCALAR(fn_timestamp_trunc)
{
    int64_t ts = TS_ARG(1), r;
    bool known, whole_days;
    Civil t;
    if (!ts_is_finite(ts))
        return args[1];
    DtUnit unit = datetime_unit(c, args[0], &known);
    if (known && unit == U_DAY) { /* the usual ones, without the calendar */
        int64_t days, time;
        ts_split(ts, &days, &time);
        return int64_datum(ts - time);
    }
    if (known && (unit == U_HOUR || unit == U_MINUTE || unit == U_SECOND)) {
        int64_t size = unit == U_HOUR     ? US_PER_HOUR
                       : unit == U_MINUTE ? US_PER_MINUTE
                                          : US_PER_SEC,
                rest = ts % size;
        return int64_datum(ts - (rest < 0 ? rest + size : rest));
    }
    civil_from_ts(ts, &t);
    if (!known || !trunc_fields(&t, unit, &whole_days))
        raise_unit(c, args[0], known, "timestamp without time zone", NULL);
    if (!ts_from_civil(&t, 0, &r))
        raise_ts_range();
    return int64_datum(r);
}

static Datum
trunc_tz(FnCtx *c, Datum unit_name, int64_t ts, const Zone *z, const ZoneRef *fixed)
{
    bool known, whole_days;
    Civil t;
    int64_t r;
    DtUnit unit = datetime_unit(c, unit_name, &known);
    if (fixed) { /* a zone that is only an offset */
        if (__builtin_add_overflow(ts, fixed->offset * US_PER_SEC, &r))
            raise_ts_range();
        civil_from_ts(r, &t);
        t.offset = fixed->offset;
    } else
        civil_from_tstz(ts, z, &t);
    if (!known || !trunc_fields(&t, unit, &whole_days))
        raise_unit(c, unit_name, known, "timestamp with time zone", NULL);
    if (whole_days && !fixed)
        t.offset = zone_local_offset(&t, z);
    if (!ts_from_civil(&t, t.offset, &r))
        raise_ts_range();
    return int64_datum(r);
}

SCALAR(fn_timestamptz_trunc)
{
    return ts_is_finite(TS_ARG(1)) ? trunc_tz(c, args[0], TS_ARG(1), session_zone, NULL) : args[1];
}

SCALAR(fn_timestamptz_trunc_zone)
{
    ZoneRef ref;
    if (!ts_is_finite(TS_ARG(1)))
        return args[1];
    zone_ref_get(text_cstring(c, args[2]), &ref);
    return trunc_tz(c, args[0], TS_ARG(1), ref.zone, ref.zone ? NULL : &ref);
}

SCALAR(fn_interval_trunc)
{
    Interval v = datum_interval(args[1]);
    IntervalParts p;
    bool known;
    DtUnit unit = datetime_unit(c, args[0], &known);
    interval_split(&v, &p);
    /* Each unit also cuts all that are smaller. */
    switch (known ? unit : U_NONE) {
    case U_MILLENNIUM:
        p.year = p.year / 1000 * 1000;
        goto months;
    case U_CENTURY:
        p.year = p.year / 100 * 100;
        goto months;
    case U_DECADE:
        p.year = p.year / 10 * 10;
        goto months;
    case U_YEAR:
    months:
        p.month = 0;
        /* fall through */
    case U_QUARTER:
        p.month = 3 * (p.month / 3);
        /* fall through */
    case U_MONTH:
        p.day = 0;
        /* fall through */
    case U_DAY:
        p.hour = 0;
        /* fall through */
    case U_HOUR:
        p.minute = 0;
        /* fall through */
    case U_MINUTE:
        p.second = 0;
        /* fall through */
    case U_SECOND:
        p.us = 0;
        break;
    case U_MILLISEC:
        p.us = p.us / 1000 * 1000;
        break;
    case U_MICROSEC:
        break;
    default:
        raise_unit(c, args[0], known, "interval",
                   known && unit == U_WEEK ? "Months usually have fractional weeks." : NULL);
    }
    if (!interval_join(&p, &v))
        raise_interval_range();
    return interval_datum(c->arena, v);
}

/* The start of the bin that holds the timestamp; bins begin at the origin. */
SCALAR(fn_timestamp_bin)
{
    Interval v = datum_interval(args[0]);
    int64_t ts = TS_ARG(1), origin = TS_ARG(2), stride, delta, r;
    if (!ts_is_finite(ts))
        return args[1];
    if (!ts_is_finite(origin))
        RAISE(SQLSTATE_DATETIME_VALUE_OUT_OF_RANGE, "origin out of range");
    if (v.months != 0)
        RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED,
              "timestamps cannot be binned into intervals containing months or years");
    if (__builtin_mul_overflow((int64_t)v.days, US_PER_DAY, &stride) ||
        __builtin_add_overflow(stride, v.us, &stride))
        raise_interval_range();
    if (stride <= 0)
        RAISE(SQLSTATE_DATETIME_VALUE_OUT_OF_RANGE, "stride must be greater than zero");
    if (__builtin_sub_overflow(ts, origin, &delta))
        raise_interval_range();
    int64_t rest = delta % stride;
    delta -= rest;
    if (rest < 0 && __builtin_sub_overflow(delta, stride, &delta))
        raise_ts_range();
    if (__builtin_add_overflow(origin, delta, &r) || !ts_in_range(r))
        raise_ts_range();
    return int64_datum(r);
}

/* ---- age: the difference in years, months and days as a calendar shows it ---- */

static Datum
age_between(FnCtx *c, const Civil *a, const Civil *b, bool negative)
{
    const Civil *late = negative ? b : a, *early = negative ? a : b;
    IntervalParts p = {
        late->year - early->year, late->month - early->month,   late->day - early->day,
        late->hour - early->hour, late->minute - early->minute, late->second - early->second,
        late->us - early->us,
    };
    Interval v;
    while (p.us < 0) {
        p.us += 1000000;
        p.second--;
    }
    while (p.second < 0) {
        p.second += 60;
        p.minute--;
    }
    while (p.minute < 0) {
        p.minute += 60;
        p.hour--;
    }
    while (p.hour < 0) {
        p.hour += 24;
        p.day--;
    }
    while (p.day < 0) { /* a month as long as the earlier date's */
        p.day += days_in_month(early->year, early->month);
        p.month--;
    }
    while (p.month < 0) {
        p.month += 12;
        p.year--;
    }
    if (negative)
        p = (IntervalParts){-p.year, -p.month, -p.day, -p.hour, -p.minute, -p.second, -p.us};
    if (!interval_join(&p, &v))
        raise_interval_range();
    return interval_datum(c->arena, v);
}

static Datum
ts_age(FnCtx *c, int64_t x, int64_t y, bool zoned)
{
    Civil a, b;
    if (!ts_is_finite(x) || !ts_is_finite(y))
        raise_ts_range();
    if (zoned) {
        civil_from_tstz(x, NULL, &a);
        civil_from_tstz(y, NULL, &b);
    } else {
        civil_from_ts(x, &a);
        civil_from_ts(y, &b);
    }
    return age_between(c, &a, &b, x < y);
}

static int32_t
today(void)
{
    Civil now;
    civil_now(&now);
    return (int32_t)days_from_civil(now.year, now.month, now.day);
}

SCALAR(fn_timestamp_age) { return ts_age(c, TS_ARG(0), TS_ARG(1), false); }
SCALAR(fn_timestamptz_age) { return ts_age(c, TS_ARG(0), TS_ARG(1), true); }
SCALAR(fn_timestamp_age_today) { return ts_age(c, ts_from_date(today()), TS_ARG(0), false); }
SCALAR(fn_timestamptz_age_today) { return ts_age(c, tstz_from_date(today()), TS_ARG(0), true); }
