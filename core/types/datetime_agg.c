/*
 * min, max, sum and avg of dates, times and intervals; RANGE frames of windows (in_range).
 */
#include "core/types/agg_minmax.h"
#include "core/types/datetime.h"
#include "core/types/ops_list.h"

/* date, time, timestamp and timestamptz: their lanes are ordered integers. */
AGG_MIN_LANE(agg_min_datetime)
AGG_MAX_LANE(agg_max_datetime)
AGG_MIN(agg_min_timetz, &type_ops_timetz)
AGG_MAX(agg_max_timetz, &type_ops_timetz)
AGG_MIN(agg_min_interval, &type_ops_interval)
AGG_MAX(agg_max_interval, &type_ops_interval)

typedef struct IntervalSum {
    Interval sum;
    int64_t count;
} IntervalSum;

static void
sum_step(AggCtx *c, void *state, const Datum *args, const bool *nulls)
{
    IntervalSum *s = state;
    Interval v = datum_interval(args[0]);
    s->sum = interval_plus(&s->sum, &v);
    s->count++;
}

static void
sum_merge(AggCtx *c, void *state, const void *other)
{
    IntervalSum *s = state;
    const IntervalSum *o = other;
    s->sum = interval_plus(&s->sum, &o->sum);
    s->count += o->count;
}

static Datum
sum_final(AggCtx *c, const void *state, bool *isnull)
{
    const IntervalSum *s = state;
    *isnull = s->count == 0;
    return *isnull ? 0 : interval_datum(c->fn.arena, s->sum);
}

static Datum
avg_final(AggCtx *c, const void *state, bool *isnull)
{
    const IntervalSum *s = state;
    *isnull = s->count == 0;
    return *isnull ? 0 : interval_datum(c->fn.arena, interval_over(&s->sum, (double)s->count));
}

const AggImpl agg_sum_interval = {.state_bytes = sizeof(IntervalSum),
                                  .strict = true,
                                  .step = sum_step,
                                  .merge = sum_merge,
                                  .final = sum_final};
const AggImpl agg_avg_interval = {.state_bytes = sizeof(IntervalSum),
                                  .strict = true,
                                  .step = sum_step,
                                  .merge = sum_merge,
                                  .final = avg_final};

/* ---- in_range(value, base, offset, subtract, less): is value within offset of base? ---- */

#define SCALAR(name) Datum name(FnCtx *c, const Datum *args, bool *isnull)

/* Raises unless the offset is one that can bound a frame; returns it with the frame's direction. */
static Interval
frame_offset(Datum d, Datum subtract)
{
    static const Interval zero;
    Interval v = datum_interval(d);
    if (interval_span(&v) < interval_span(&zero))
        RAISE(SQLSTATE_INVALID_PRECEDING_OR_FOLLOWING_SIZE,
              "invalid preceding or following size in window function");
    if (datum_bool(subtract))
        v = (Interval){(int64_t)(0 - (uint64_t)v.us), (int32_t)(0 - (uint32_t)v.days),
                       (int32_t)(0 - (uint32_t)v.months)};
    return v;
}

static Datum
within(int64_t value, int64_t bound, Datum less)
{
    return datum_bool(less) ? value <= bound : value >= bound;
}

SCALAR(fn_in_range_date_interval)
{
    int64_t value = ts_from_date(datum_int32(args[0])), base = ts_from_date(datum_int32(args[1]));
    Interval v = frame_offset(args[2], args[3]);
    return within(value, ts_add_interval(base, &v), args[4]);
}

SCALAR(fn_in_range_timestamp_interval)
{
    Interval v = frame_offset(args[2], args[3]);
    return within(datum_int64(args[0]), ts_add_interval(datum_int64(args[1]), &v), args[4]);
}

SCALAR(fn_in_range_timestamptz_interval)
{
    Interval v = frame_offset(args[2], args[3]);
    return within(datum_int64(args[0]), tstz_add_interval(datum_int64(args[1]), &v, session_zone),
                  args[4]);
}

SCALAR(fn_in_range_interval_interval)
{
    Interval v = frame_offset(args[2], args[3]), value = datum_interval(args[0]),
             base = datum_interval(args[1]);
    Interval bound = interval_plus(&base, &v);
    __int128 x = interval_span(&value), y = interval_span(&bound);
    return datum_bool(args[4]) ? x <= y : x >= y;
}

/* Times of day do not wrap here: past midnight is beyond every value. */
SCALAR(fn_in_range_time_interval)
{
    Interval v = datum_interval(args[2]);
    int64_t bound;
    if (v.us < 0)
        RAISE(SQLSTATE_INVALID_PRECEDING_OR_FOLLOWING_SIZE,
              "invalid preceding or following size in window function");
    if (datum_bool(args[3]))
        bound = datum_int64(args[1]) - v.us;
    else if (__builtin_add_overflow(datum_int64(args[1]), v.us, &bound))
        return datum_bool(args[4]);
    return within(datum_int64(args[0]), bound, args[4]);
}

SCALAR(fn_in_range_timetz_interval)
{
    Interval v = datum_interval(args[2]);
    TimeTz value = datum_timetz(args[0]), base = datum_timetz(args[1]);
    if (v.us < 0)
        RAISE(SQLSTATE_INVALID_PRECEDING_OR_FOLLOWING_SIZE,
              "invalid preceding or following size in window function");
    if (datum_bool(args[3]))
        base.us -= v.us;
    else if (__builtin_add_overflow(base.us, v.us, &base.us))
        return datum_bool(args[4]);
    __int128 x = (__int128)value.us + value.zone * US_PER_SEC,
             y = (__int128)base.us + base.zone * US_PER_SEC;
    if (x == y) {
        x = value.zone;
        y = base.zone;
    }
    return datum_bool(args[4]) ? x <= y : x >= y;
}
