/*
 * time (microseconds since midnight, up to and including 24:00) and timetz (that and an offset).
 * timetz orders by the moment in UTC, then by offset.
 */
#include "core/types/datetime.h"

#include "core/base/hash.h"
#include "core/types/datetime_int.h"
#include "core/types/number.h"
#include "core/types/pg_hash.h"

#define SCALAR(name) Datum name(FnCtx *c, const Datum *args, bool *isnull)
#define TIME_ARG(i) datum_int64(args[i])

/* ---- precision: shared by time and timetz ---- */

int32_t
datetime_typmod_in(const char *const *mods, int n, const char *name, const char *tail)
{
    if (n != 1)
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "invalid type modifier");
    int64_t v = int_from_text(mods[0], INT32_MIN, INT32_MAX, "integer");
    if (v < 0)
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "%s(%d)%s precision must not be negative", name,
              (int)v, tail);
    if (v > 6) {
        REPORT(LEVEL_WARNING, SQLSTATE_INVALID_PARAMETER_VALUE,
               err_message("%s(%d)%s precision reduced to maximum allowed, %d", name, (int)v, tail,
                           6));
        v = 6;
    }
    return (int32_t)v;
}

int64_t
time_apply_typmod(int64_t us, int32_t typmod)
{
    if (typmod < 0 || typmod >= 6)
        return us;
    int64_t unit = us_of_precision[typmod], half = unit / 2;
    if (us >= 0)
        return (us + half) / unit * unit;
    return -((-us + half) / unit * unit);
}

static int32_t
time_typmod_in(FnCtx *c, const char *const *mods, int n)
{
    return datetime_typmod_in(mods, n, "TIME", "");
}

static int32_t
timetz_typmod_in(FnCtx *c, const char *const *mods, int n)
{
    return datetime_typmod_in(mods, n, "TIME", " WITH TIME ZONE");
}

static void
time_typmod_out(int32_t typmod, StrBuf *s)
{
    if (typmod >= 0)
        str_printf(s, "(%d)", typmod);
    str_add(s, " without time zone");
}

static void
timetz_typmod_out(int32_t typmod, StrBuf *s)
{
    if (typmod >= 0)
        str_printf(s, "(%d)", typmod);
    str_add(s, " with time zone");
}

/* ---- time ---- */

static Datum
time_in(FnCtx *c, const char *text, size_t len, Oid elem, int32_t typmod)
{
    Civil t;
    ParseError e = parse_time(text, &t);
    if (UNLIKELY(e != PARSE_OK))
        parse_error_raise(e, text, "time");
    return int64_datum(time_apply_typmod(civil_time_us(&t), typmod));
}

static void
time_out(FnCtx *c, Datum d, StrBuf *s)
{
    format_time(s, datum_int64(d));
}

static Datum
time_recv(FnCtx *c, const char *bytes, size_t len, Oid elem, int32_t typmod)
{
    check_recv_length(len, 8);
    int64_t us = (int64_t)load_be64(bytes);
    if (us < 0 || us > US_PER_DAY)
        RAISE(SQLSTATE_DATETIME_VALUE_OUT_OF_RANGE, "time out of range");
    return int64_datum(time_apply_typmod(us, typmod));
}

static void
int64_send(FnCtx *c, Datum d, StrBuf *s)
{
    char b[8];
    store_be64(b, d);
    str_add_bytes(s, b, 8);
}

static int
time_cmp(Datum a, Datum b, Oid collation)
{
    int64_t x = datum_int64(a), y = datum_int64(b);
    return (x > y) - (x < y);
}

static bool
time_eq(Datum a, Datum b, Oid collation)
{
    return a == b;
}

static uint64_t
time_hash(Datum d, Oid collation)
{
    return hash_u64(d);
}

static void
time_key_encode(Datum d, Oid collation, StrBuf *out)
{
    key_put_int(out, datum_int64(d), 8);
}

static Datum
time_key_decode(Arena *a, const char **p, const char *end)
{
    return int64_datum(key_get_int(p, 8));
}

static const char *
time_key_skip(const char *p, const char *end)
{
    return p + 8;
}

static Datum
time_typmod_apply(FnCtx *c, Datum d, int32_t typmod, bool explicit_cast)
{
    return int64_datum(time_apply_typmod(datum_int64(d), typmod));
}

const TypeOps type_ops_time = {
    .oid = TIME_OID,
    .len = 8,
    .byval = true,
    .in = time_in,
    .out = time_out,
    .recv = time_recv,
    .send = int64_send,
    .cmp = time_cmp,
    .eq = time_eq,
    .hash = time_hash,
    .key_encode = time_key_encode,
    .key_decode = time_key_decode,
    .key_skip = time_key_skip,
    .typmod_in = time_typmod_in,
    .typmod_out = time_typmod_out,
    .apply_typmod = time_typmod_apply,
};

/* A time of day moved by an interval wraps around midnight. */
static int64_t
wrap_day(int64_t us)
{
    us %= US_PER_DAY;
    return us < 0 ? us + US_PER_DAY : us;
}

SCALAR(fn_time_scale) { return int64_datum(time_apply_typmod(TIME_ARG(0), datum_int32(args[1]))); }
SCALAR(fn_time_pl_interval)
{
    return int64_datum(wrap_day(TIME_ARG(0) + datum_interval(args[1]).us % US_PER_DAY));
}
SCALAR(fn_time_mi_interval)
{
    return int64_datum(wrap_day(TIME_ARG(0) - datum_interval(args[1]).us % US_PER_DAY));
}
SCALAR(fn_interval_pl_time)
{
    return int64_datum(wrap_day(TIME_ARG(1) + datum_interval(args[0]).us % US_PER_DAY));
}
SCALAR(fn_time_mi_time)
{
    return interval_datum(c->arena, (Interval){TIME_ARG(0) - TIME_ARG(1), 0, 0});
}

/* ---- timetz ---- */

Datum
timetz_datum(Arena *a, TimeTz t)
{
    char *p = arena_alloc(a, 12);
    memcpy(p, &t.us, 8);
    memcpy(p + 8, &t.zone, 4);
    return ptr_datum(p);
}

static inline int64_t
utc_us(TimeTz t)
{
    return t.us + t.zone * US_PER_SEC;
}

static Datum
timetz_in(FnCtx *c, const char *text, size_t len, Oid elem, int32_t typmod)
{
    Civil t;
    ParseError e = parse_time(text, &t);
    if (UNLIKELY(e != PARSE_OK))
        parse_error_raise(e, text, "time with time zone");
    return timetz_datum(c->arena,
                        (TimeTz){time_apply_typmod(civil_time_us(&t), typmod), -t.offset});
}

static void
timetz_out(FnCtx *c, Datum d, StrBuf *s)
{
    format_timetz(s, datum_timetz(d));
}

static Datum
timetz_recv(FnCtx *c, const char *bytes, size_t len, Oid elem, int32_t typmod)
{
    check_recv_length(len, 12);
    TimeTz t = {(int64_t)load_be64(bytes), (int32_t)load_be32(bytes + 8)};
    if (t.us < 0 || t.us > US_PER_DAY)
        RAISE(SQLSTATE_DATETIME_VALUE_OUT_OF_RANGE, "time out of range");
    if (t.zone <= -16 * 3600 || t.zone >= 16 * 3600)
        RAISE(SQLSTATE_INVALID_TIME_ZONE_DISPLACEMENT_VALUE, "time zone displacement out of range");
    t.us = time_apply_typmod(t.us, typmod);
    return timetz_datum(c->arena, t);
}

static void
timetz_send(FnCtx *c, Datum d, StrBuf *s)
{
    TimeTz t = datum_timetz(d);
    char b[12];
    store_be64(b, (uint64_t)t.us);
    store_be32(b + 8, (uint32_t)t.zone);
    str_add_bytes(s, b, 12);
}

static int
timetz_cmp(Datum a, Datum b, Oid collation)
{
    TimeTz x = datum_timetz(a), y = datum_timetz(b);
    int64_t u = utc_us(x), v = utc_us(y);
    if (u != v)
        return u > v ? 1 : -1;
    return (x.zone > y.zone) - (x.zone < y.zone);
}

static bool
timetz_eq(Datum a, Datum b, Oid collation)
{
    return memcmp(datum_ptr(a), datum_ptr(b), 12) == 0;
}

static uint64_t
timetz_hash(Datum d, Oid collation)
{
    TimeTz t = datum_timetz(d);
    return hash_combine((uint64_t)t.us, (uint64_t)t.zone);
}

static void
timetz_key_encode(Datum d, Oid collation, StrBuf *out)
{
    TimeTz t = datum_timetz(d);
    key_put_int(out, utc_us(t), 8);
    key_put_int(out, t.zone, 4);
}

static Datum
timetz_key_decode(Arena *a, const char **p, const char *end)
{
    TimeTz t;
    t.us = key_get_int(p, 8);
    t.zone = (int32_t)key_get_int(p, 4);
    t.us -= t.zone * US_PER_SEC;
    return timetz_datum(a, t);
}

static const char *
timetz_key_skip(const char *p, const char *end)
{
    return p + 12;
}

static Datum
timetz_typmod_apply(FnCtx *c, Datum d, int32_t typmod, bool explicit_cast)
{
    TimeTz t = datum_timetz(d);
    int64_t us = time_apply_typmod(t.us, typmod);
    return us == t.us ? d : timetz_datum(c->arena, (TimeTz){us, t.zone});
}

const TypeOps type_ops_timetz = {
    .oid = TIMETZ_OID,
    .len = 12,
    .byval = false,
    .in = timetz_in,
    .out = timetz_out,
    .recv = timetz_recv,
    .send = timetz_send,
    .cmp = timetz_cmp,
    .eq = timetz_eq,
    .hash = timetz_hash,
    .key_encode = timetz_key_encode,
    .key_decode = timetz_key_decode,
    .key_skip = timetz_key_skip,
    .typmod_in = timetz_typmod_in,
    .typmod_out = timetz_typmod_out,
    .apply_typmod = timetz_typmod_apply,
};

SCALAR(fn_timetz_eq) { return timetz_eq(args[0], args[1], 0); }
SCALAR(fn_timetz_ne) { return !timetz_eq(args[0], args[1], 0); }
SCALAR(fn_timetz_lt) { return timetz_cmp(args[0], args[1], 0) < 0; }
SCALAR(fn_timetz_le) { return timetz_cmp(args[0], args[1], 0) <= 0; }
SCALAR(fn_timetz_gt) { return timetz_cmp(args[0], args[1], 0) > 0; }
SCALAR(fn_timetz_ge) { return timetz_cmp(args[0], args[1], 0) >= 0; }
SCALAR(fn_timetz_cmp) { return int64_datum(timetz_cmp(args[0], args[1], 0)); }
SCALAR(fn_timetz_larger) { return timetz_cmp(args[0], args[1], 0) > 0 ? args[0] : args[1]; }
SCALAR(fn_timetz_smaller) { return timetz_cmp(args[0], args[1], 0) < 0 ? args[0] : args[1]; }
SCALAR(fn_timetz_scale) { return timetz_typmod_apply(c, args[0], datum_int32(args[1]), true); }

/* PostgreSQL's number for a 64-bit integer: the halves folded so that equal int4 and int8 agree. */
uint32_t
pg_hash_int64(int64_t v)
{
    uint32_t low = (uint32_t)v, high = (uint32_t)((uint64_t)v >> 32);
    return pg_hash_uint32(low ^ (v >= 0 ? high : ~high));
}

uint64_t
pg_hash_int64_extended(int64_t v, uint64_t seed)
{
    uint32_t low = (uint32_t)v, high = (uint32_t)((uint64_t)v >> 32);
    return pg_hash_uint32_extended(low ^ (v >= 0 ? high : ~high), seed);
}

SCALAR(fn_timetz_hash)
{
    TimeTz t = datum_timetz(args[0]);
    return int32_datum((int32_t)(pg_hash_int64(t.us) ^ pg_hash_uint32((uint32_t)t.zone)));
}

SCALAR(fn_timetz_hash_extended)
{
    TimeTz t = datum_timetz(args[0]);
    uint64_t seed = args[1];
    return pg_hash_int64_extended(t.us, seed) ^ pg_hash_uint32_extended((uint32_t)t.zone, seed);
}

static Datum
timetz_move(FnCtx *c, Datum d, int64_t us)
{
    TimeTz t = datum_timetz(d);
    t.us = wrap_day(t.us + us % US_PER_DAY);
    return timetz_datum(c->arena, t);
}

SCALAR(fn_timetz_pl_interval) { return timetz_move(c, args[0], datum_interval(args[1]).us); }
SCALAR(fn_timetz_mi_interval)
{
    return timetz_move(c, args[0], -(datum_interval(args[1]).us % US_PER_DAY));
}
SCALAR(fn_interval_pl_timetz) { return timetz_move(c, args[1], datum_interval(args[0]).us); }
