/*
 * interval: microseconds, days and months side by side, since a day is not always 24 hours nor a
 * month 30 days. Only order, equality and hash pretend so: '1 month' = '30 days'.
 */
#include "core/types/datetime.h"

#include <math.h>

#include "core/base/hash.h"
#include "core/types/datetime_int.h"
#include "core/types/number.h"
#include "core/types/pg_hash.h"

#define SCALAR(name) Datum name(FnCtx *c, const Datum *args, bool *isnull)

void
raise_interval_range(void)
{
    RAISE(SQLSTATE_DATETIME_VALUE_OUT_OF_RANGE, "interval out of range");
}

Datum
interval_datum(Arena *a, Interval v)
{
    return ptr_datum(arena_memdup(a, &v, 16));
}

/* ---- parts ---- */

void
interval_split(const Interval *v, IntervalParts *p)
{
    p->year = v->months / 12;
    p->month = v->months % 12;
    p->day = v->days;
    int64_t t = v->us;
    p->hour = t / US_PER_HOUR;
    t -= p->hour * US_PER_HOUR;
    p->minute = (int)(t / US_PER_MINUTE);
    t -= p->minute * US_PER_MINUTE;
    p->second = (int)(t / US_PER_SEC);
    p->us = (int)(t - p->second * US_PER_SEC);
}

bool
interval_join(const IntervalParts *p, Interval *v)
{
    int64_t months = (int64_t)p->year * 12 + p->month;
    if (months < INT32_MIN || months > INT32_MAX)
        return false;
    v->months = (int32_t)months;
    v->days = p->day;
    return !__builtin_mul_overflow(p->hour, US_PER_HOUR, &v->us) &&
           !__builtin_add_overflow(v->us, p->minute * US_PER_MINUTE, &v->us) &&
           !__builtin_add_overflow(v->us, p->second * US_PER_SEC, &v->us) &&
           !__builtin_add_overflow(v->us, (int64_t)p->us, &v->us);
}

/* ---- modifiers: which fields, and the precision of seconds ---- */

void
interval_apply_typmod(Interval *v, int32_t typmod)
{
    if (typmod < 0)
        return;
    int range = IMOD_RANGE(typmod), precision = IMOD_PRECISION(typmod);
    switch (range) {
    case IRANGE_FULL:
        break;
    case IMASK_YEAR:
        v->months = v->months / 12 * 12;
        v->days = 0;
        v->us = 0;
        break;
    case IMASK_MONTH:
    case IMASK_YEAR | IMASK_MONTH:
        v->days = 0;
        v->us = 0;
        break;
    case IMASK_DAY:
        v->us = 0;
        break;
    case IMASK_HOUR:
    case IMASK_DAY | IMASK_HOUR:
        v->us = v->us / US_PER_HOUR * US_PER_HOUR;
        break;
    case IMASK_MINUTE:
    case IMASK_DAY | IMASK_HOUR | IMASK_MINUTE:
    case IMASK_HOUR | IMASK_MINUTE:
        v->us = v->us / US_PER_MINUTE * US_PER_MINUTE;
        break;
    case IMASK_SECOND:
    case IMASK_DAY | IMASK_HOUR | IMASK_MINUTE | IMASK_SECOND:
    case IMASK_HOUR | IMASK_MINUTE | IMASK_SECOND:
    case IMASK_MINUTE | IMASK_SECOND:
        break;
    default:
        INTERNAL_ERROR("unrecognized interval typmod: %d", typmod);
    }
    if (precision != IPRECISION_FULL) {
        if (precision > 6)
            RAISE(SQLSTATE_INVALID_PARAMETER_VALUE,
                  "interval(%d) precision must be between %d and %d", precision, 0, 6);
        int64_t unit = us_of_precision[precision], half = unit / 2;
        int64_t t;
        if (v->us >= 0 ? __builtin_add_overflow(v->us, half, &t)
                       : __builtin_sub_overflow(v->us, half, &t))
            raise_interval_range();
        v->us = t - t % unit;
    }
}

static int32_t
interval_typmod_in(FnCtx *c, const char *const *mods, int n)
{
    int64_t range = n > 0 ? int_from_text(mods[0], INT32_MIN, INT32_MAX, "integer") : 0;
    switch (n > 0 ? range : -1) {
    case IMASK_YEAR:
    case IMASK_MONTH:
    case IMASK_DAY:
    case IMASK_HOUR:
    case IMASK_MINUTE:
    case IMASK_SECOND:
    case IMASK_YEAR | IMASK_MONTH:
    case IMASK_DAY | IMASK_HOUR:
    case IMASK_DAY | IMASK_HOUR | IMASK_MINUTE:
    case IMASK_DAY | IMASK_HOUR | IMASK_MINUTE | IMASK_SECOND:
    case IMASK_HOUR | IMASK_MINUTE:
    case IMASK_HOUR | IMASK_MINUTE | IMASK_SECOND:
    case IMASK_MINUTE | IMASK_SECOND:
    case IRANGE_FULL:
        break;
    default:
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "invalid INTERVAL type modifier");
    }
    if (n == 1)
        return range == IRANGE_FULL ? -1 : (int32_t)(range << 16 | IPRECISION_FULL);
    if (n != 2)
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "invalid INTERVAL type modifier");
    int64_t precision = int_from_text(mods[1], INT32_MIN, INT32_MAX, "integer");
    if (precision < 0)
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "INTERVAL(%d) precision must not be negative",
              (int)precision);
    if (precision > 6) {
        REPORT(LEVEL_WARNING, SQLSTATE_INVALID_PARAMETER_VALUE,
               err_message("INTERVAL(%d) precision reduced to maximum allowed, %d", (int)precision,
                           6));
        precision = 6;
    }
    return (int32_t)(range << 16 | precision);
}

static void
interval_typmod_out(int32_t typmod, StrBuf *s)
{
    if (typmod < 0)
        return;
    const char *fields;
    switch (IMOD_RANGE(typmod)) {
    case IMASK_YEAR: fields = " year"; break;
    case IMASK_MONTH: fields = " month"; break;
    case IMASK_DAY: fields = " day"; break;
    case IMASK_HOUR: fields = " hour"; break;
    case IMASK_MINUTE: fields = " minute"; break;
    case IMASK_SECOND: fields = " second"; break;
    case IMASK_YEAR | IMASK_MONTH: fields = " year to month"; break;
    case IMASK_DAY | IMASK_HOUR: fields = " day to hour"; break;
    case IMASK_DAY | IMASK_HOUR | IMASK_MINUTE: fields = " day to minute"; break;
    case IMASK_DAY | IMASK_HOUR | IMASK_MINUTE | IMASK_SECOND: fields = " day to second"; break;
    case IMASK_HOUR | IMASK_MINUTE: fields = " hour to minute"; break;
    case IMASK_HOUR | IMASK_MINUTE | IMASK_SECOND: fields = " hour to second"; break;
    case IMASK_MINUTE | IMASK_SECOND: fields = " minute to second"; break;
    default: fields = "";
    }
    str_add(s, fields);
    if (IMOD_PRECISION(typmod) != IPRECISION_FULL)
        str_printf(s, "(%d)", IMOD_PRECISION(typmod));
}

/* ---- type ---- */

static Datum
interval_in(FnCtx *c, const char *text, size_t len, Oid elem, int32_t typmod)
{
    Interval v;
    ParseError e = parse_interval(text, typmod >= 0 ? IMOD_RANGE(typmod) : IRANGE_FULL, &v);
    if (UNLIKELY(e != PARSE_OK))
        parse_error_raise(e, text, "interval");
    interval_apply_typmod(&v, typmod);
    return interval_datum(c->arena, v);
}

static void
interval_out(FnCtx *c, Datum d, StrBuf *s)
{
    Interval v = datum_interval(d);
    format_interval(s, &v);
}

static Datum
interval_recv(FnCtx *c, const char *bytes, size_t len, Oid elem, int32_t typmod)
{
    check_recv_length(len, 16);
    Interval v = {(int64_t)load_be64(bytes), (int32_t)load_be32(bytes + 8),
                  (int32_t)load_be32(bytes + 12)};
    interval_apply_typmod(&v, typmod);
    return interval_datum(c->arena, v);
}

static void
interval_send(FnCtx *c, Datum d, StrBuf *s)
{
    Interval v = datum_interval(d);
    char b[16];
    store_be64(b, (uint64_t)v.us);
    store_be32(b + 8, (uint32_t)v.days);
    store_be32(b + 12, (uint32_t)v.months);
    str_add_bytes(s, b, 16);
}

__int128
interval_span(const Interval *v)
{
    return (__int128)((int64_t)v->months * DAYS_PER_MONTH + v->days) * US_PER_DAY + v->us;
}

static int
interval_cmp(Datum a, Datum b, Oid collation)
{
    Interval x = datum_interval(a), y = datum_interval(b);
    __int128 u = interval_span(&x), w = interval_span(&y);
    return (u > w) - (u < w);
}

static bool
interval_eq(Datum a, Datum b, Oid collation)
{
    return interval_cmp(a, b, 0) == 0;
}

static uint64_t
interval_hash(Datum d, Oid collation)
{
    Interval v = datum_interval(d);
    return hash_u64((uint64_t)interval_span(&v));
}

/* The span, 128 bits big-endian with the sign flipped; which months and days made it is lost. */
static void
interval_key_encode(Datum d, Oid collation, StrBuf *out)
{
    Interval v = datum_interval(d);
    unsigned __int128 u = (unsigned __int128)interval_span(&v) ^ (unsigned __int128)1 << 127;
    key_put_be64(out, (uint64_t)(u >> 64));
    key_put_be64(out, (uint64_t)u);
}

static Datum
interval_typmod_apply(FnCtx *c, Datum d, int32_t typmod, bool explicit_cast)
{
    Interval v = datum_interval(d);
    interval_apply_typmod(&v, typmod);
    return interval_datum(c->arena, v);
}

const TypeOps type_ops_interval = {
    .oid = INTERVAL_OID,
    .len = 16,
    .byval = false,
    .in = interval_in,
    .out = interval_out,
    .recv = interval_recv,
    .send = interval_send,
    .cmp = interval_cmp,
    .eq = interval_eq,
    .hash = interval_hash,
    .key_encode = interval_key_encode,
    .typmod_in = interval_typmod_in,
    .typmod_out = interval_typmod_out,
    .apply_typmod = interval_typmod_apply,
};

SCALAR(fn_interval_eq) { return interval_cmp(args[0], args[1], 0) == 0; }
SCALAR(fn_interval_ne) { return interval_cmp(args[0], args[1], 0) != 0; }
SCALAR(fn_interval_lt) { return interval_cmp(args[0], args[1], 0) < 0; }
SCALAR(fn_interval_le) { return interval_cmp(args[0], args[1], 0) <= 0; }
SCALAR(fn_interval_gt) { return interval_cmp(args[0], args[1], 0) > 0; }
SCALAR(fn_interval_ge) { return interval_cmp(args[0], args[1], 0) >= 0; }
SCALAR(fn_interval_cmp) { return int64_datum(interval_cmp(args[0], args[1], 0)); }
SCALAR(fn_interval_larger) { return interval_cmp(args[0], args[1], 0) > 0 ? args[0] : args[1]; }
SCALAR(fn_interval_smaller) { return interval_cmp(args[0], args[1], 0) < 0 ? args[0] : args[1]; }
SCALAR(fn_interval_scale) { return interval_typmod_apply(c, args[0], datum_int32(args[1]), true); }
SCALAR(fn_isfinite_interval) { return 1; }

SCALAR(fn_interval_hash)
{
    Interval v = datum_interval(args[0]);
    return int32_datum((int32_t)pg_hash_int64((int64_t)interval_span(&v)));
}

SCALAR(fn_interval_hash_extended)
{
    Interval v = datum_interval(args[0]);
    return pg_hash_int64_extended((int64_t)interval_span(&v), args[1]);
}

/* ---- arithmetic ---- */

Interval
interval_negate(const Interval *v)
{
    if (v->us == INT64_MIN || v->days == INT32_MIN || v->months == INT32_MIN)
        raise_interval_range();
    return (Interval){-v->us, -v->days, -v->months};
}

Interval
interval_plus(const Interval *a, const Interval *b)
{
    Interval r;
    if (__builtin_add_overflow(a->months, b->months, &r.months) ||
        __builtin_add_overflow(a->days, b->days, &r.days) ||
        __builtin_add_overflow(a->us, b->us, &r.us))
        raise_interval_range();
    return r;
}

Interval
interval_minus(const Interval *a, const Interval *b)
{
    Interval r;
    if (__builtin_sub_overflow(a->months, b->months, &r.months) ||
        __builtin_sub_overflow(a->days, b->days, &r.days) ||
        __builtin_sub_overflow(a->us, b->us, &r.us))
        raise_interval_range();
    return r;
}

/* To whole microseconds of a second: hides the noise of binary fractions. */
static double
round_micro(double v)
{
    return rint(v * 1000000.0) / 1000000.0;
}

static int32_t
whole_part(double v)
{
    if (isnan(v) || v > INT32_MAX || v < INT32_MIN)
        raise_interval_range();
    return (int32_t)v;
}

/* months, days and us are the parts scaled already: fractions cascade to the next smaller unit. */
static Interval
from_scaled(double months, double days, double us)
{
    Interval r;
    r.months = whole_part(months);
    r.days = whole_part(days);
    double month_days = round_micro((months - r.months) * DAYS_PER_MONTH);
    double secs = round_micro((days - r.days + month_days - (int)month_days) * SECS_PER_DAY);
    if (fabs(secs) >= SECS_PER_DAY) {
        int more = (int)(secs / SECS_PER_DAY);
        if (__builtin_add_overflow(r.days, more, &r.days))
            raise_interval_range();
        secs -= (double)more * SECS_PER_DAY;
    }
    if (__builtin_add_overflow(r.days, (int)month_days, &r.days))
        raise_interval_range();
    us = rint(us + secs * 1000000.0);
    if (isnan(us) || !double_fits_int64(us))
        raise_interval_range();
    r.us = (int64_t)us;
    return r;
}

Interval
interval_times(const Interval *v, double f)
{
    return from_scaled(v->months * f, v->days * f, (double)v->us * f);
}

Interval
interval_over(const Interval *v, double f)
{
    if (f == 0)
        raise_division_by_zero();
    return from_scaled(v->months / f, v->days / f, (double)v->us / f);
}

SCALAR(fn_interval_um)
{
    Interval v = datum_interval(args[0]);
    return interval_datum(c->arena, interval_negate(&v));
}

SCALAR(fn_interval_pl)
{
    Interval x = datum_interval(args[0]), y = datum_interval(args[1]);
    return interval_datum(c->arena, interval_plus(&x, &y));
}

SCALAR(fn_interval_mi)
{
    Interval x = datum_interval(args[0]), y = datum_interval(args[1]);
    return interval_datum(c->arena, interval_minus(&x, &y));
}

SCALAR(fn_interval_mul)
{
    Interval v = datum_interval(args[0]);
    return interval_datum(c->arena, interval_times(&v, datum_float8(args[1])));
}

SCALAR(fn_mul_d_interval)
{
    Interval v = datum_interval(args[1]);
    return interval_datum(c->arena, interval_times(&v, datum_float8(args[0])));
}

SCALAR(fn_interval_div)
{
    Interval v = datum_interval(args[0]);
    return interval_datum(c->arena, interval_over(&v, datum_float8(args[1])));
}

/* ---- justify ---- */

/* Whole units of `from` to the next larger unit. */
static void
carry_days(Interval *v)
{
    int32_t more = v->days / DAYS_PER_MONTH;
    v->days -= more * DAYS_PER_MONTH;
    if (__builtin_add_overflow(v->months, more, &v->months))
        raise_interval_range();
}

static void
carry_time(Interval *v)
{
    int64_t more = v->us / US_PER_DAY;
    v->us -= more * US_PER_DAY;
    if (__builtin_add_overflow(v->days, (int32_t)more, &v->days))
        raise_interval_range();
}

static void
same_sign_time(Interval *v)
{
    if (v->days > 0 && v->us < 0) {
        v->us += US_PER_DAY;
        v->days--;
    } else if (v->days < 0 && v->us > 0) {
        v->us -= US_PER_DAY;
        v->days++;
    }
}

SCALAR(fn_justify_hours)
{
    Interval v = datum_interval(args[0]);
    carry_time(&v);
    same_sign_time(&v);
    return interval_datum(c->arena, v);
}

SCALAR(fn_justify_days)
{
    Interval v = datum_interval(args[0]);
    carry_days(&v);
    if (v.months > 0 && v.days < 0) {
        v.days += DAYS_PER_MONTH;
        v.months--;
    } else if (v.months < 0 && v.days > 0) {
        v.days -= DAYS_PER_MONTH;
        v.months++;
    }
    return interval_datum(c->arena, v);
}

SCALAR(fn_justify_interval)
{
    Interval v = datum_interval(args[0]);
    if ((v.days > 0 && v.us > 0) || (v.days < 0 && v.us < 0))
        carry_days(&v); /* first, so that the days from the time cannot overflow */
    carry_time(&v);
    carry_days(&v);
    if (v.months > 0 && (v.days < 0 || (v.days == 0 && v.us < 0))) {
        v.days += DAYS_PER_MONTH;
        v.months--;
    } else if (v.months < 0 && (v.days > 0 || (v.days == 0 && v.us > 0))) {
        v.days -= DAYS_PER_MONTH;
        v.months++;
    }
    same_sign_time(&v);
    return interval_datum(c->arena, v);
}
