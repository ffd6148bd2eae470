/*
 * date: days since 2000-01-01 in 32 bits, sign-extended in its lane, so that its comparisons are
 * those of integers (core/types/int_arith.c and int_kernels.c).
 */
#include "core/types/datetime.h"

#include "core/base/hash.h"
#include "core/types/datetime_int.h"
#include "core/types/number.h"

#define SCALAR(name) Datum name(FnCtx *c, const Datum *args, bool *isnull)
#define DATE_ARG(i) datum_int32(args[i])

void
raise_date_range(void)
{
    RAISE(SQLSTATE_DATETIME_VALUE_OUT_OF_RANGE, "date out of range");
}

/* ---- type ---- */

static Datum
date_in(FnCtx *c, const char *text, size_t len, Oid elem, int32_t typmod)
{
    Civil t;
    ParsedKind kind;
    ParseError e = parse_datetime(text, false, &kind, &t);
    if (UNLIKELY(e != PARSE_OK))
        parse_error_raise(e, text, "date");
    switch (kind) {
    case PARSED_EPOCH:
        return int32_datum(-DAYS_UNIX_TO_PG);
    case PARSED_INFINITY:
        return int32_datum(DATE_INFINITY);
    case PARSED_NEG_INFINITY:
        return int32_datum(DATE_NEG_INFINITY);
    case PARSED_DATE:
        break;
    }
    int64_t d =
        civil_year_ok(t.year, t.month) ? days_from_civil(t.year, t.month, t.day) : INT64_MIN;
    if (UNLIKELY(!date_in_range(d)))
        RAISE(SQLSTATE_DATETIME_VALUE_OUT_OF_RANGE, "date out of range: \"%s\"", text);
    return int32_datum((int32_t)d);
}

static void
date_out(FnCtx *c, Datum d, StrBuf *s)
{
    format_date(s, datum_int32(d));
}

static Datum
date_recv(FnCtx *c, const char *bytes, size_t len, Oid elem, int32_t typmod)
{
    check_recv_length(len, 4);
    int32_t d = (int32_t)load_be32(bytes);
    if (date_is_finite(d) && !date_in_range(d))
        raise_date_range();
    return int32_datum(d);
}

static void
date_send(FnCtx *c, Datum d, StrBuf *s)
{
    char b[4];
    store_be32(b, (uint32_t)d);
    str_add_bytes(s, b, 4);
}

static int
date_cmp(Datum a, Datum b, Oid collation)
{
    int64_t x = datum_int64(a), y = datum_int64(b);
    return (x > y) - (x < y);
}

static bool
date_eq(Datum a, Datum b, Oid collation)
{
    return a == b;
}

static uint64_t
date_hash(Datum d, Oid collation)
{
    return hash_u64(d);
}

static void
date_key_encode(Datum d, Oid collation, StrBuf *out)
{
    key_put_int(out, datum_int64(d), 4);
}

static Datum
date_key_decode(Arena *a, const char **p, const char *end)
{
    return int64_datum(key_get_int(p, 4));
}

static const char *
date_key_skip(const char *p, const char *end)
{
    return p + 4;
}

const TypeOps type_ops_date = {
    .oid = DATE_OID,
    .len = 4,
    .byval = true,
    .in = date_in,
    .out = date_out,
    .recv = date_recv,
    .send = date_send,
    .cmp = date_cmp,
    .eq = date_eq,
    .hash = date_hash,
    .key_encode = date_key_encode,
    .key_decode = date_key_decode,
    .key_skip = date_key_skip,
};

/* ---- arithmetic ---- */

SCALAR(fn_date_mi)
{
    if (!date_is_finite(DATE_ARG(0)) || !date_is_finite(DATE_ARG(1)))
        RAISE(SQLSTATE_DATETIME_VALUE_OUT_OF_RANGE, "cannot subtract infinite dates");
    return int32_datum((int32_t)((uint32_t)args[0] - (uint32_t)args[1]));
}

static Datum
date_plus(Datum d, int64_t days)
{
    if (!date_is_finite(datum_int32(d)))
        return d;
    int64_t r = datum_int32(d) + days;
    if (UNLIKELY(!date_in_range(r)))
        raise_date_range();
    return int64_datum(r);
}

SCALAR(fn_date_pli) { return date_plus(args[0], DATE_ARG(1)); }
SCALAR(fn_date_mii) { return date_plus(args[0], -(int64_t)DATE_ARG(1)); }
SCALAR(fn_integer_pl_date) { return date_plus(args[1], DATE_ARG(0)); }
SCALAR(fn_isfinite_date) { return date_is_finite(DATE_ARG(0)); }

SCALAR(fn_date_pl_interval)
{
    Interval v = datum_interval(args[1]);
    return int64_datum(ts_add_interval(ts_from_date(DATE_ARG(0)), &v));
}

SCALAR(fn_interval_pl_date)
{
    Interval v = datum_interval(args[0]);
    return int64_datum(ts_add_interval(ts_from_date(DATE_ARG(1)), &v));
}

SCALAR(fn_date_mi_interval)
{
    Interval v = interval_flip(datum_interval(args[1]));
    return int64_datum(ts_add_interval(ts_from_date(DATE_ARG(0)), &v));
}

/* ---- comparison with timestamps: the date is its midnight ---- */

#define CROSS_COMPARE(name, LEFT, RIGHT)                                                           \
    SCALAR(fn_##name##_eq)                                                                         \
    {                                                                                              \
        return LEFT == RIGHT;                                                                      \
    }                                                                                              \
    SCALAR(fn_##name##_ne)                                                                         \
    {                                                                                              \
        return LEFT != RIGHT;                                                                      \
    }                                                                                              \
    SCALAR(fn_##name##_lt)                                                                         \
    {                                                                                              \
        return LEFT < RIGHT;                                                                       \
    }                                                                                              \
    SCALAR(fn_##name##_le)                                                                         \
    {                                                                                              \
        return LEFT <= RIGHT;                                                                      \
    }                                                                                              \
    SCALAR(fn_##name##_gt)                                                                         \
    {                                                                                              \
        return LEFT > RIGHT;                                                                       \
    }                                                                                              \
    SCALAR(fn_##name##_ge)                                                                         \
    {                                                                                              \
        return LEFT >= RIGHT;                                                                      \
    }                                                                                              \
    SCALAR(fn_##name##_cmp)                                                                        \
    {                                                                                              \
        int64_t x = LEFT, y = RIGHT;                                                               \
        return int64_datum((x > y) - (x < y));                                                     \
    }

CROSS_COMPARE(date_ts, ts_from_date_saturating(DATE_ARG(0)), datum_int64(args[1]))
CROSS_COMPARE(ts_date, datum_int64(args[0]), ts_from_date_saturating(DATE_ARG(1)))
CROSS_COMPARE(date_tstz, tstz_from_date_saturating(DATE_ARG(0)), datum_int64(args[1]))
CROSS_COMPARE(tstz_date, datum_int64(args[0]), tstz_from_date_saturating(DATE_ARG(1)))
CROSS_COMPARE(ts_tstz, tstz_from_ts_saturating(datum_int64(args[0])), datum_int64(args[1]))
CROSS_COMPARE(tstz_ts, datum_int64(args[0]), tstz_from_ts_saturating(datum_int64(args[1])))
