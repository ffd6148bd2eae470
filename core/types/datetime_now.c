/*
 * The current moment in all its forms, sleeping, and AT TIME ZONE.
 *
 * now() and CURRENT_* are the transaction's start; only clock_timestamp and timeofday move on.
 */
#include "core/types/datetime.h"

#include <math.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/base/interrupt.h"
#include "core/shm/proc.h"
#include "core/types/datetime_int.h"

#define SCALAR(name) Datum name(FnCtx *c, const Datum *args, bool *isnull)
#define TS_ARG(i) datum_int64(args[i])

int64_t
xact_time(void)
{
    return types_xact_start_time();
}

void
civil_now(Civil *c)
{
    civil_from_tstz(xact_time(), NULL, c);
}

SCALAR(fn_now) { return int64_datum(xact_time()); }
SCALAR(fn_statement_timestamp) { return int64_datum(types_statement_start_time()); }
SCALAR(fn_clock_timestamp) { return int64_datum(clock_now()); }

Datum
sqlvalue_current_date(FnCtx *fc)
{
    Civil c;
    civil_now(&c);
    return int64_datum(days_from_civil(c.year, c.month, c.day));
}

Datum
sqlvalue_current_time(FnCtx *fc, int32_t typmod)
{
    Civil c;
    civil_now(&c);
    return timetz_datum(fc->arena,
                        (TimeTz){time_apply_typmod(civil_time_us(&c), typmod), -c.offset});
}

Datum
sqlvalue_current_timestamp(FnCtx *fc, int32_t typmod)
{
    return int64_datum(ts_apply_typmod(xact_time(), typmod));
}

Datum
sqlvalue_localtime(FnCtx *fc, int32_t typmod)
{
    Civil c;
    civil_now(&c);
    return int64_datum(time_apply_typmod(civil_time_us(&c), typmod));
}

Datum
sqlvalue_localtimestamp(FnCtx *fc, int32_t typmod)
{
    return int64_datum(ts_apply_typmod(ts_from_tstz(xact_time()), typmod));
}

/* "Wed Feb 26 15:19:31.232413 2026 UTC" */
SCALAR(fn_timeofday)
{
    Civil t;
    civil_from_tstz(clock_now(), NULL, &t);
    return var_from_cstring(
        c->arena, arena_printf(c->arena, "%.3s %.3s %02d %02d:%02d:%02d.%06d %04d %s",
                               day_names[dow_of_days(days_from_civil(t.year, t.month, t.day))],
                               month_names[t.month], t.day, t.hour, t.minute, t.second, t.us,
                               t.year, t.abbrev ? t.abbrev : ""));
}

/* ---- sleeping ---- */

/* A signal cuts the nap short where it arrives; the slices bound the wait for one that came just
 * before. */
#define NAP_US 20000

static void
sleep_until(uint64_t end)
{
    for (;;) {
        CHECK_INTERRUPTS();
        uint64_t now = clock_monotonic_us();
        if (now >= end)
            return;
        uint64_t nap = MIN(end - now, NAP_US);
        struct timespec ts = {(time_t)(nap / 1000000), (long)(nap % 1000000) * 1000};
        proc_wait_begin(WAIT_EVENT_PG_SLEEP);
        nanosleep(&ts, NULL);
        proc_wait_end();
    }
}

static Datum
sleep_seconds(double secs)
{
    if (isnan(secs) || secs <= 0)
        return 0;
    uint64_t us = secs > 1e12 ? UINT64_C(1000000000000000000) : (uint64_t)ceil(secs * 1e6);
    sleep_until(clock_monotonic_us() + us);
    return 0;
}

SCALAR(fn_pg_sleep) { return sleep_seconds(datum_float8(args[0])); }

SCALAR(fn_pg_sleep_for)
{
    Interval v = datum_interval(args[0]);
    int64_t now = clock_now();
    return sleep_seconds((double)(tstz_add_interval(now, &v, session_zone) - now) / 1e6);
}

SCALAR(fn_pg_sleep_until)
{
    if (!ts_is_finite(TS_ARG(0)))
        return sleep_seconds(TS_ARG(0) < 0 ? 0 : 1e12);
    return sleep_seconds((double)(TS_ARG(0) - clock_now()) / 1e6);
}

/* ---- AT TIME ZONE ---- */

/* The zone is nearly always a constant: remembered at the call site. */
typedef struct ZoneCache {
    uint32_t len;
    char text[40];
    ZoneRef ref;
} ZoneCache;

static const ZoneRef *
zone_argument(FnCtx *c, Datum name)
{
    ZoneCache *cache = c->state;
    uint32_t n = var_len(name);
    if (cache && cache->len == n && memcmp(cache->text, var_data(name), n) == 0)
        return &cache->ref;
    ZoneRef ref;
    zone_ref_get(text_cstring(c, name), &ref);
    if (!cache)
        cache = c->state = ARENA_NEW(c->state_arena, ZoneCache);
    cache->ref = ref;
    cache->len = UINT32_MAX;
    if (n < sizeof cache->text) {
        memcpy(cache->text, var_data(name), n);
        cache->len = n;
    }
    return &cache->ref;
}

static Datum
shifted(int64_t ts, int64_t us)
{
    if (!ts_is_finite(ts))
        return int64_datum(ts);
    if (__builtin_add_overflow(ts, us, &ts) || !ts_in_range(ts))
        raise_ts_range();
    return int64_datum(ts);
}

SCALAR(fn_timestamp_zone)
{
    int64_t ts = TS_ARG(1);
    if (!ts_is_finite(ts))
        return args[1];
    return shifted(ts, -zone_ref_offset_local(zone_argument(c, args[0]), unix_from_ts(ts)) *
                           US_PER_SEC);
}

SCALAR(fn_timestamptz_zone)
{
    int64_t ts = TS_ARG(1);
    if (!ts_is_finite(ts))
        return args[1];
    return shifted(ts,
                   zone_ref_offset_at(zone_argument(c, args[0]), unix_from_ts(ts)) * US_PER_SEC);
}

static int64_t
interval_offset_us(FnCtx *c, Datum d)
{
    Interval v = datum_interval(d);
    if (v.months != 0 || v.days != 0) {
        StrBuf s;
        str_init(&s, c->arena);
        format_interval(&s, &v);
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE,
              "interval time zone \"%s\" must not include months or days", s.data);
    }
    return v.us / US_PER_SEC * US_PER_SEC;
}

SCALAR(fn_timestamp_izone)
{
    return ts_is_finite(TS_ARG(1)) ? shifted(TS_ARG(1), -interval_offset_us(c, args[0])) : args[1];
}

SCALAR(fn_timestamptz_izone)
{
    return ts_is_finite(TS_ARG(1)) ? shifted(TS_ARG(1), interval_offset_us(c, args[0])) : args[1];
}

static Datum
timetz_to_offset(FnCtx *c, Datum d, int offset)
{
    TimeTz t = datum_timetz(d);
    int64_t us = (t.us + ((int64_t)t.zone + offset) * US_PER_SEC) % US_PER_DAY;
    return timetz_datum(c->arena, (TimeTz){us < 0 ? us + US_PER_DAY : us, -offset});
}

SCALAR(fn_timetz_zone)
{
    return timetz_to_offset(
        c, args[1], zone_ref_offset_at(zone_argument(c, args[0]), unix_from_ts(xact_time())));
}

SCALAR(fn_timetz_izone)
{
    return timetz_to_offset(c, args[1], (int)(interval_offset_us(c, args[0]) / US_PER_SEC));
}
