/*
 * timestamp and timestamptz: microseconds since 2000-01-01 in 64 bits. Comparisons are those of
 * integers (int_arith.c, int_kernels.c); here are the types and the arithmetic.
 */
#include "core/types/datetime.h"

#include "core/base/hash.h"
#include "core/types/datetime_int.h"
#include "core/types/kernel.h"
#include "core/types/number.h"

#define SCALAR(name) Datum name(FnCtx *c, const Datum *args, bool *isnull)
#define TS_ARG(i) datum_int64(args[i])

const int64_t us_of_precision[7] = {1000000, 100000, 10000, 1000, 100, 10, 1};

void
raise_ts_range(void)
{
    RAISE(SQLSTATE_DATETIME_VALUE_OUT_OF_RANGE, "timestamp out of range");
}

/* ---- types ---- */

int64_t
ts_apply_typmod(int64_t ts, int32_t typmod)
{
    if (LIKELY(typmod == -1 || typmod == 6) || !ts_is_finite(ts))
        return ts;
    if (typmod < 0 || typmod > 6)
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "timestamp(%d) precision must be between %d and %d",
              typmod, 0, 6);
    int64_t unit = us_of_precision[typmod], half = unit / 2;
    return ts >= 0 ? (ts + half) / unit * unit : -((-ts + half) / unit * unit);
}

static Datum
ts_in(const char *text, int32_t typmod, bool zone)
{
    Civil t;
    ParsedKind kind;
    int64_t ts;
    ParseError e = parse_datetime(text, zone, &kind, &t);
    if (UNLIKELY(e != PARSE_OK))
        parse_error_raise(e, text, zone ? "timestamp with time zone" : "timestamp");
    switch (kind) {
    case PARSED_EPOCH:
        ts = -DAYS_UNIX_TO_PG * US_PER_DAY;
        break;
    case PARSED_INFINITY:
        ts = TS_INFINITY;
        break;
    case PARSED_NEG_INFINITY:
        ts = TS_NEG_INFINITY;
        break;
    default:
        if (UNLIKELY(!ts_from_civil(&t, zone ? t.offset : 0, &ts)))
            RAISE(SQLSTATE_DATETIME_VALUE_OUT_OF_RANGE, "timestamp out of range: \"%s\"", text);
    }
    return int64_datum(ts_apply_typmod(ts, typmod));
}

static Datum
timestamp_in(FnCtx *c, const char *text, size_t len, Oid elem, int32_t typmod)
{
    return ts_in(text, typmod, false);
}

static Datum
timestamptz_in(FnCtx *c, const char *text, size_t len, Oid elem, int32_t typmod)
{
    return ts_in(text, typmod, true);
}

int64_t
timestamptz_parse(const char *text)
{
    return datum_int64(ts_in(text, -1, true));
}

static void
timestamp_out(FnCtx *c, Datum d, StrBuf *s)
{
    format_ts(s, datum_int64(d), date_style);
}

static void
timestamptz_out(FnCtx *c, Datum d, StrBuf *s)
{
    format_tstz(s, datum_int64(d), date_style);
}

static Datum
ts_recv(FnCtx *c, const char *bytes, size_t len, Oid elem, int32_t typmod)
{
    check_recv_length(len, 8);
    int64_t ts = (int64_t)load_be64(bytes);
    if (ts_is_finite(ts) && !ts_in_range(ts))
        raise_ts_range();
    return int64_datum(ts_apply_typmod(ts, typmod));
}

static void
ts_send(FnCtx *c, Datum d, StrBuf *s)
{
    char b[8];
    store_be64(b, d);
    str_add_bytes(s, b, 8);
}

static int
ts_cmp(Datum a, Datum b, Oid collation)
{
    int64_t x = datum_int64(a), y = datum_int64(b);
    return (x > y) - (x < y);
}

static bool
ts_eq(Datum a, Datum b, Oid collation)
{
    return a == b;
}

static uint64_t
ts_hash(Datum d, Oid collation)
{
    return hash_u64(d);
}

static void
ts_key_encode(Datum d, Oid collation, StrBuf *out)
{
    key_put_int(out, datum_int64(d), 8);
}

static Datum
ts_key_decode(Arena *a, const char **p, const char *end)
{
    return int64_datum(key_get_int(p, 8));
}

static const char *
ts_key_skip(const char *p, const char *end)
{
    return p + 8;
}

static int32_t
timestamp_typmod_in(FnCtx *c, const char *const *mods, int n)
{
    return datetime_typmod_in(mods, n, "TIMESTAMP", "");
}

static int32_t
timestamptz_typmod_in(FnCtx *c, const char *const *mods, int n)
{
    return datetime_typmod_in(mods, n, "TIMESTAMP", " WITH TIME ZONE");
}

static void
timestamp_typmod_out(int32_t typmod, StrBuf *s)
{
    if (typmod >= 0)
        str_printf(s, "(%d)", typmod);
    str_add(s, " without time zone");
}

static void
timestamptz_typmod_out(int32_t typmod, StrBuf *s)
{
    if (typmod >= 0)
        str_printf(s, "(%d)", typmod);
    str_add(s, " with time zone");
}

static Datum
ts_typmod_apply(FnCtx *c, Datum d, int32_t typmod, bool explicit_cast)
{
    return int64_datum(ts_apply_typmod(datum_int64(d), typmod));
}

#define TS_OPS(name, oid_)                                                                         \
    const TypeOps type_ops_##name = {                                                              \
        .oid = oid_,                                                                               \
        .len = 8,                                                                                  \
        .byval = true,                                                                             \
        .in = name##_in,                                                                           \
        .out = name##_out,                                                                         \
        .recv = ts_recv,                                                                           \
        .send = ts_send,                                                                           \
        .cmp = ts_cmp,                                                                             \
        .eq = ts_eq,                                                                               \
        .hash = ts_hash,                                                                           \
        .key_encode = ts_key_encode,                                                               \
        .key_decode = ts_key_decode,                                                               \
        .key_skip = ts_key_skip,                                                                   \
        .typmod_in = name##_typmod_in,                                                             \
        .typmod_out = name##_typmod_out,                                                           \
        .apply_typmod = ts_typmod_apply,                                                           \
    };

TS_OPS(timestamp, TIMESTAMP_OID)
TS_OPS(timestamptz, TIMESTAMPTZ_OID)

SCALAR(fn_timestamp_scale) { return int64_datum(ts_apply_typmod(TS_ARG(0), datum_int32(args[1]))); }
SCALAR(fn_isfinite_timestamp) { return ts_is_finite(TS_ARG(0)); }

/* ---- arithmetic ---- */

/* Adds months to the date part; the day is cut to the month's length. */
static void
add_months(Civil *c, int32_t months)
{
    int64_t m = (int64_t)c->month - 1 + months, years = m >= 0 ? m / 12 : -((11 - m) / 12);
    int64_t year = c->year + years;
    c->month = (int)(m - years * 12) + 1;
    c->year = year > INT32_MAX ? INT32_MAX : year < INT32_MIN ? INT32_MIN : (int)year;
    int last = days_in_month(c->year, c->month);
    if (c->day > last)
        c->day = last;
}

/* Adds the time part of an interval. */
static inline int64_t
add_time(int64_t ts, int64_t us)
{
    if (UNLIKELY(__builtin_add_overflow(ts, us, &ts) || !ts_in_range(ts)))
        raise_ts_range();
    return ts;
}

/* False: out of range. */
static bool
try_add_interval(int64_t ts, const Interval *v, int64_t *out)
{
    int64_t us;
    *out = ts;
    if (UNLIKELY(!ts_is_finite(ts)))
        return true;
    if (v->months != 0) {
        Civil c;
        civil_from_ts(ts, &c);
        add_months(&c, v->months);
        if (UNLIKELY(!ts_from_civil(&c, 0, &ts)))
            return false;
    }
    /* Each step must stay in range, not only their sum. */
    if (v->days != 0 && UNLIKELY(__builtin_mul_overflow((int64_t)v->days, US_PER_DAY, &us) ||
                                 __builtin_add_overflow(ts, us, &ts) || !ts_in_range(ts)))
        return false;
    return !__builtin_add_overflow(ts, v->us, out) && ts_in_range(*out);
}

int64_t
ts_add_interval(int64_t ts, const Interval *v)
{
    int64_t r;
    if (UNLIKELY(!try_add_interval(ts, v, &r)))
        raise_ts_range();
    return r;
}

/* Months and days count in local time, the rest in real time. */
int64_t
tstz_add_interval(int64_t ts, const Interval *v, const Zone *z)
{
    Civil c;
    if (UNLIKELY(!ts_is_finite(ts)))
        return ts;
    if (v->months != 0) {
        civil_from_tstz(ts, z, &c);
        add_months(&c, v->months);
        if (UNLIKELY(!ts_from_civil(&c, zone_local_offset(&c, z), &ts)))
            raise_ts_range();
    }
    if (v->days != 0) {
        civil_from_tstz(ts, z, &c);
        int64_t days = days_from_civil(c.year, c.month, c.day) + v->days;
        if (UNLIKELY(days < DATE_MIN || days >= DATE_END))
            raise_ts_range();
        civil_from_days(days, &c.year, &c.month, &c.day);
        if (UNLIKELY(!ts_from_civil(&c, zone_local_offset(&c, z), &ts)))
            raise_ts_range();
    }
    return add_time(ts, v->us);
}

Interval
ts_difference(int64_t a, int64_t b)
{
    Interval v = {0, 0, 0};
    if (UNLIKELY(!ts_is_finite(a) || !ts_is_finite(b)))
        RAISE(SQLSTATE_DATETIME_VALUE_OUT_OF_RANGE, "cannot subtract infinite timestamps");
    int64_t us;
    if (UNLIKELY(__builtin_sub_overflow(a, b, &us)))
        raise_interval_range();
    v.days = (int32_t)(us / US_PER_DAY);
    v.us = us % US_PER_DAY;
    return v;
}

SCALAR(fn_timestamp_mi) { return interval_datum(c->arena, ts_difference(TS_ARG(0), TS_ARG(1))); }

SCALAR(fn_timestamp_pl_interval)
{
    Interval v = datum_interval(args[1]);
    return int64_datum(ts_add_interval(TS_ARG(0), &v));
}

SCALAR(fn_timestamp_mi_interval)
{
    Interval v = interval_flip(datum_interval(args[1]));
    return int64_datum(ts_add_interval(TS_ARG(0), &v));
}

SCALAR(fn_interval_pl_timestamp)
{
    Interval v = datum_interval(args[0]);
    return int64_datum(ts_add_interval(TS_ARG(1), &v));
}

SCALAR(fn_timestamptz_pl_interval)
{
    Interval v = datum_interval(args[1]);
    return int64_datum(tstz_add_interval(TS_ARG(0), &v, session_zone));
}

SCALAR(fn_timestamptz_mi_interval)
{
    Interval v = interval_flip(datum_interval(args[1]));
    return int64_datum(tstz_add_interval(TS_ARG(0), &v, session_zone));
}

SCALAR(fn_interval_pl_timestamptz)
{
    Interval v = datum_interval(args[0]);
    return int64_datum(tstz_add_interval(TS_ARG(1), &v, session_zone));
}

/* ---- batches ---- */

/*
 * A column plus one interval of days and time only: the usual "ts + interval '1 hour'". Anything
 * else goes row by row. A sum leaves the valid range, or the sum wraps: that row is reported.
 */
static int
add_fixed(int n, const uint16_t *sel, const Vec *ts, int64_t us, Vec *out)
{
    for (int k = 0; k < n; k++) {
        int row = sel ? sel[k] : k;
        int64_t t = datum_int64(vec_get(ts, row)), r;
        if (UNLIKELY(__builtin_add_overflow(t, us, &r) || !ts_in_range(r))) {
            if (ts_is_finite(t))
                return row;
            r = t;
        }
        out->v[row] = int64_datum(r);
    }
    return -1;
}

static int
batch_ts_plus(FnCtx *c, int n, const uint16_t *sel, const Vec *const *args, Vec *out, bool minus)
{
    const Vec *ts = args[0], *iv = args[1];
    if (iv->is_const) {
        Interval v = datum_interval(iv->v[0]);
        int64_t us;
        if (minus)
            v = interval_flip(v);
        /* days and time of one sign, so that the steps cannot leave the range and come back */
        if (v.months == 0 && ((v.days >= 0 && v.us >= 0) || (v.days <= 0 && v.us <= 0)) &&
            !__builtin_mul_overflow((int64_t)v.days, US_PER_DAY, &us) &&
            !__builtin_add_overflow(us, v.us, &us))
            return add_fixed(n, sel, ts, us, out);
    }
    FOR_ROWS (row, n, sel) {
        Interval v = datum_interval(vec_get(iv, row));
        int64_t r;
        if (minus)
            v = interval_flip(v);
        if (UNLIKELY(!try_add_interval(datum_int64(vec_get(ts, row)), &v, &r)))
            return row;
        out->v[row] = int64_datum(r);
    }
    return -1;
}

int
batch_timestamp_pl_interval(FnCtx *c, int n, const uint16_t *sel, const Vec *const *args, Vec *out)
{
    return batch_ts_plus(c, n, sel, args, out, false);
}

int
batch_timestamp_mi_interval(FnCtx *c, int n, const uint16_t *sel, const Vec *const *args, Vec *out)
{
    return batch_ts_plus(c, n, sel, args, out, true);
}

/* Infinite dates stay what they are in a sum; a difference of them is an error, reported by its
 * row. */
#define IS_INFINITE(d) ((uint64_t)((d) == DATE_INFINITY) | (uint64_t)((d) == DATE_NEG_INFINITY))
#define OUT_OF_DATES ((uint64_t)(r < DATE_MIN) | (uint64_t)(r >= DATE_END))
KERNEL_CHECKED(batch_date_pli, int64_t, int64_t, lane_int, to_lane_int, IS_INFINITE(x) ? x : x + y,
               ~IS_INFINITE(x) & 1 & OUT_OF_DATES)
KERNEL_CHECKED(batch_date_mii, int64_t, int64_t, lane_int, to_lane_int, IS_INFINITE(x) ? x : x - y,
               ~IS_INFINITE(x) & 1 & OUT_OF_DATES)
KERNEL_CHECKED(batch_date_mi, int64_t, int64_t, lane_int, to_lane_int,
               (int64_t)(int32_t)((uint32_t)x - (uint32_t)y), IS_INFINITE(x) | IS_INFINITE(y))
