/*
 * extract() and date_part(): one field of a value. extract gives numeric with a fixed scale per
 * field, date_part the same as float8.
 *
 * Each type turns a unit into an exact fraction, an integer and a decimal scale; the two functions
 * only differ in what they make of that. Infinite values have infinite years and no hours.
 */
#include "core/types/datetime.h"

#include <math.h>

#include "core/types/datetime_int.h"
#include "core/types/number.h"
#include "core/types/numeric.h"

#define SCALAR(name) Datum name(FnCtx *c, const Datum *args, bool *isnull)

typedef enum PartKind {
    PART_VALUE,
    PART_NULL,
    PART_INFINITE,
    PART_JULIAN,
    PART_UNSUPPORTED,
    PART_UNKNOWN
} PartKind;
typedef struct Part {
    PartKind kind;
    __int128 value; /* value / 10^scale */
    int scale;
    int64_t julian, day_us; /* PART_JULIAN: day and time of day */
    double as_float;        /* used by date_part when it is not the same number */
    bool has_float;
    bool negative;          /* PART_INFINITE */
} Part;

static const char *const type_names[] = {"date",
                                         "time without time zone",
                                         "time with time zone",
                                         "timestamp without time zone",
                                         "timestamp with time zone",
                                         "interval"};
enum { T_DATE, T_TIME, T_TIMETZ, T_TS, T_TSTZ, T_INTERVAL };

static void
set(Part *p, int64_t v)
{
    p->value = v;
    p->scale = 0;
    p->kind = PART_VALUE;
}

static void
set_scaled(Part *p, __int128 v, int scale)
{
    p->value = v;
    p->scale = scale;
    p->kind = PART_VALUE;
}

/* Seconds and below, the same for every type. */
static bool
seconds_part(Part *p, DtUnit unit, int64_t second, int64_t us)
{
    int64_t v = second * 1000000 + us;
    switch (unit) {
    case U_MICROSEC:
        set(p, v);
        return true;
    case U_MILLISEC:
        set_scaled(p, v, 3);
        p->has_float = true;
        p->as_float = (double)second * 1000.0 + (double)us / 1000.0;
        return true;
    case U_SECOND:
        set_scaled(p, v, 6);
        p->has_float = true;
        p->as_float = (double)second + (double)us / 1000000.0;
        return true;
    default:
        return false;
    }
}

static bool
zone_part(Part *p, DtUnit unit, int offset)
{
    switch (unit) {
    case U_TZ:
        set(p, offset);
        return true;
    case U_TZ_MINUTE:
        set(p, offset / 60 % 60);
        return true;
    case U_TZ_HOUR:
        set(p, offset / 3600);
        return true;
    default:
        return false;
    }
}

/* Year, month, day and what is derived from them. */
static bool
calendar_part(Part *p, DtUnit unit, const Civil *c)
{
    int year = c->year, iso_year;
    switch (unit) {
    case U_DAY:
        set(p, c->day);
        return true;
    case U_MONTH:
        set(p, c->month);
        return true;
    case U_QUARTER:
        set(p, (c->month - 1) / 3 + 1);
        return true;
    case U_WEEK:
        set(p, iso_week(year, c->month, c->day, NULL));
        return true;
    case U_YEAR:
        set(p, year > 0 ? year : year - 1);
        return true;
    case U_DECADE:
        set(p, year >= 0 ? year / 10 : -((8 - (year - 1)) / 10));
        return true;
    case U_CENTURY:
        set(p, year > 0 ? (year + 99) / 100 : -((99 - (year - 1)) / 100));
        return true;
    case U_MILLENNIUM:
        set(p, year > 0 ? (year + 999) / 1000 : -((999 - (year - 1)) / 1000));
        return true;
    case U_ISOYEAR:
        iso_week(year, c->month, c->day, &iso_year);
        set(p, iso_year > 0 ? iso_year : iso_year - 1);
        return true;
    case U_DOW:
    case U_ISODOW: {
        int dow = dow_of_days(days_from_civil(year, c->month, c->day));
        set(p, unit == U_ISODOW && dow == 0 ? 7 : dow);
        return true;
    }
    case U_DOY:
        set(p, days_from_civil(year, c->month, c->day) - days_from_civil(year, 1, 1) + 1);
        return true;
    default:
        return false;
    }
}

/* Of an infinite value: fields that grow for ever are infinite, those that cycle are unknown. */
static void
infinite_part(Part *p, DtUnit unit, bool negative, int type)
{
    p->negative = negative;
    switch (unit) {
    case U_YEAR:
    case U_DECADE:
    case U_CENTURY:
    case U_MILLENNIUM:
    case U_JULIAN:
    case U_ISOYEAR:
    case U_EPOCH:
        p->kind = PART_INFINITE;
        return;
    case U_MICROSEC:
    case U_MILLISEC:
    case U_SECOND:
    case U_MINUTE:
    case U_HOUR:
        p->kind = type == T_DATE ? PART_UNSUPPORTED : PART_NULL;
        return;
    case U_DAY:
    case U_MONTH:
    case U_QUARTER:
    case U_WEEK:
    case U_DOW:
    case U_ISODOW:
    case U_DOY:
        p->kind = PART_NULL;
        return;
    case U_TZ:
    case U_TZ_MINUTE:
    case U_TZ_HOUR:
        p->kind = type == T_DATE ? PART_UNSUPPORTED : PART_NULL;
        return;
    default:
        p->kind = PART_UNSUPPORTED;
    }
}

static void
date_part_of(Part *p, DtUnit unit, int32_t date)
{
    Civil c;
    if (!date_is_finite(date)) {
        infinite_part(p, unit, date < 0, T_DATE);
        return;
    }
    civil_from_days(date, &c.year, &c.month, &c.day);
    if (unit == U_JULIAN)
        set(p, date + (int64_t)JULIAN_OF_PG_EPOCH);
    else if (unit == U_EPOCH)
        set(p, (date + (int64_t)DAYS_UNIX_TO_PG) * SECS_PER_DAY);
    else if (!calendar_part(p, unit, &c))
        p->kind = PART_UNSUPPORTED;
}

static void
ts_part_of(Part *p, DtUnit unit, int64_t ts, int type)
{
    Civil c;
    if (!ts_is_finite(ts)) {
        infinite_part(p, unit, ts < 0, type);
        return;
    }
    if (type == T_TSTZ)
        civil_from_tstz(ts, NULL, &c);
    else
        civil_from_ts(ts, &c);
    switch (unit) {
    case U_HOUR:
        set(p, c.hour);
        return;
    case U_MINUTE:
        set(p, c.minute);
        return;
    case U_EPOCH:
        set_scaled(p, (__int128)ts + DAYS_UNIX_TO_PG * US_PER_DAY, 6);
        if (p->value > INT64_MAX) { /* as if summed in float8 */
            p->has_float = true;
            p->as_float = ((double)ts + (double)(DAYS_UNIX_TO_PG * US_PER_DAY)) / 1000000.0;
        }
        return;
    case U_JULIAN:
        p->kind = PART_JULIAN;
        p->julian = days_from_civil(c.year, c.month, c.day) + JULIAN_OF_PG_EPOCH;
        p->day_us = civil_time_us(&c);
        p->has_float = true;
        p->as_float = (double)p->julian +
                      ((c.hour * 60 + c.minute) * 60 + c.second + c.us / 1000000.0) / SECS_PER_DAY;
        return;
    default:
        if (!seconds_part(p, unit, c.second, c.us) && !calendar_part(p, unit, &c) &&
            !(type == T_TSTZ && zone_part(p, unit, c.offset)))
            p->kind = PART_UNSUPPORTED;
    }
}

static void
time_part_of(Part *p, DtUnit unit, int64_t us, bool zoned, int zone)
{
    Civil c;
    civil_set_time(&c, us);
    if (unit == U_HOUR) {
        set(p, c.hour);
    } else if (unit == U_MINUTE) {
        set(p, c.minute);
    } else if (unit == U_EPOCH) {
        set_scaled(p, us + zone * US_PER_SEC, 6);
        p->has_float = true;
        p->as_float = (double)us / 1000000.0 + zone;
    } else if (!seconds_part(p, unit, c.second, c.us) && !(zoned && zone_part(p, unit, -zone)))
        p->kind = PART_UNSUPPORTED;
}

static void
interval_part_of(Part *p, DtUnit unit, const Interval *v)
{
    IntervalParts t;
    interval_split(v, &t);
    switch (unit) {
    case U_MINUTE:
        set(p, t.minute);
        return;
    case U_HOUR:
        set(p, t.hour);
        return;
    case U_DAY:
        set(p, t.day);
        return;
    case U_MONTH:
        set(p, t.month);
        return;
    case U_QUARTER:
        set(p, t.month / 3 + 1);
        return;
    case U_YEAR:
        set(p, t.year);
        return;
    case U_DECADE:
        set(p, t.year / 10);
        return;
    case U_CENTURY:
        set(p, t.year / 100);
        return;
    case U_MILLENNIUM:
        set(p, t.year / 1000);
        return;
    case U_EPOCH: {
        /* A year counts 365.25 days here, a month 30; in quarter days all of it is whole. */
        int64_t quarter_days = 1461 * (int64_t)(v->months / 12) + 120 * (int64_t)(v->months % 12) +
                               4 * (int64_t)v->days;
        set_scaled(p, (__int128)quarter_days * (US_PER_DAY / 4) + v->us, 6);
        p->has_float = true;
        p->as_float = (double)v->us / 1000000.0;
        p->as_float += 365.25 * SECS_PER_DAY * (v->months / 12);
        p->as_float += (double)DAYS_PER_MONTH * SECS_PER_DAY * (v->months % 12);
        p->as_float += (double)SECS_PER_DAY * v->days;
        return;
    }
    default:
        if (!seconds_part(p, unit, t.second, t.us))
            p->kind = PART_UNSUPPORTED;
    }
}

static void
part_of(Part *p, DtUnit unit, int type, Datum d)
{
    memset(p, 0, sizeof *p);
    switch (type) {
    case T_DATE:
        date_part_of(p, unit, datum_int32(d));
        break;
    case T_TIME:
        time_part_of(p, unit, datum_int64(d), false, 0);
        break;
    case T_TIMETZ: {
        TimeTz t = datum_timetz(d);
        time_part_of(p, unit, t.us, true, t.zone);
        break;
    }
    case T_INTERVAL: {
        Interval v = datum_interval(d);
        interval_part_of(p, unit, &v);
        break;
    }
    default:
        ts_part_of(p, unit, datum_int64(d), type);
    }
}

typedef enum UnitWord { UNIT_UNKNOWN, UNIT_OF_LENGTH, UNIT_OF_DATE, UNIT_RESERVED } UnitWord;

/* The unit is nearly always a constant: remembered at the call site with its spelling. */
typedef struct UnitCache {
    DtUnit unit;
    UnitWord word;
    uint32_t len;
    char text[32];
} UnitCache;

static DtUnit
find_unit(FnCtx *c, Datum name, UnitWord *word)
{
    UnitCache *cache = c->state;
    const char *text = var_data(name);
    uint32_t n = var_len(name);
    if (cache && cache->len == n && memcmp(cache->text, text, n) == 0) {
        *word = cache->word;
        return cache->unit;
    }
    char lower[64];
    int value;
    word_lower(text, n, lower, sizeof lower);
    *word = UNIT_UNKNOWN;
    WordKind k = word_find_unit(lower, &value);
    if (k == W_UNITS)
        *word = UNIT_OF_LENGTH;
    else if (k == W_UNKNOWN && (k = word_find(lower, &value)) == W_UNITS)
        *word = UNIT_OF_DATE;
    else if (k == W_RESERVED)
        *word = UNIT_RESERVED;
    if (n < sizeof cache->text && c->state_arena) {
        if (!cache)
            cache = c->state = ARENA_NEW(c->state_arena, UnitCache);
        memcpy(cache->text, text, n);
        cache->len = n;
        cache->unit = (DtUnit)value;
        cache->word = *word;
    }
    return (DtUnit)value;
}

NORETURN void
raise_unit(FnCtx *c, Datum name, bool known, const char *type, const char *detail)
{
    char lower[64];
    word_lower(var_data(name), var_len(name), lower, sizeof lower);
    if (!known)
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "unit \"%s\" not recognized for type %s", lower,
              type);
    if (detail)
        RAISE_ERR(SQLSTATE_FEATURE_NOT_SUPPORTED,
                  err_message("unit \"%s\" not supported for type %s", lower, type),
                  err_detail("%s", detail));
    RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "unit \"%s\" not supported for type %s", lower, type);
}

/* date_trunc knows the units of lengths only. */
DtUnit
datetime_unit(FnCtx *c, Datum name, bool *known)
{
    UnitWord word;
    DtUnit unit = find_unit(c, name, &word);
    *known = word == UNIT_OF_LENGTH;
    return unit;
}

static bool
get_part(FnCtx *c, const Datum *args, int type, Part *p)
{
    UnitWord word;
    DtUnit unit = find_unit(c, args[0], &word);
    bool known = word != UNIT_UNKNOWN;
    if (word == UNIT_RESERVED && unit != U_EPOCH &&
        (type == T_INTERVAL || type == T_TIME || type == T_TIMETZ))
        known = false;
    if (known)
        part_of(p, unit, type, args[1]);
    if (!known || p->kind == PART_UNSUPPORTED)
        raise_unit(c, args[0], known, type_names[type], NULL);
    return p->kind != PART_NULL;
}

/* ---- to numeric ---- */

/*
 * Day + time / 86400000000 as numeric division gives it: its scale is chosen for at least 16
 * significant digits, counted in groups of four as the quotient's first group stands.
 */
static Datum
julian_numeric(Arena *a, int64_t julian, int64_t us)
{
    int weight = us >= 100000000 ? 2 : us >= 10000 ? 1 : 0;
    int64_t first = weight == 2 ? us / 100000000 : weight == 1 ? us / 10000 : us;
    int quotient_weight = weight - 2 - (first <= 864);
    int scale = 16 - quotient_weight * 4;
    unsigned __int128 unit = 1;
    for (int i = 0; i < scale; i++)
        unit *= 10;
    unsigned __int128 fraction = ((unsigned __int128)us * unit + US_PER_DAY / 2) / US_PER_DAY;
    return numeric_pack_int128(a, (__int128)julian * (__int128)unit + (__int128)fraction, scale);
}

static Datum
extract(FnCtx *c, const Datum *args, bool *isnull, int type)
{
    Part p;
    if (!get_part(c, args, type, &p)) {
        *isnull = true;
        return 0;
    }
    if (p.kind == PART_INFINITE)
        return numeric_pack_special(c->arena, p.negative ? NUM_NEG_INF : NUM_INF);
    if (p.kind == PART_JULIAN)
        return julian_numeric(c->arena, p.julian, p.day_us);
    return numeric_pack_int128(c->arena, p.value, p.scale);
}

static Datum
part_float(FnCtx *c, const Datum *args, bool *isnull, int type)
{
    static const double divisors[7] = {1, 10, 100, 1000, 10000, 100000, 1000000};
    Part p;
    if (!get_part(c, args, type, &p)) {
        *isnull = true;
        return 0;
    }
    if (p.kind == PART_INFINITE)
        return float8_datum(p.negative ? -INFINITY : INFINITY);
    if (p.has_float)
        return float8_datum(p.as_float);
    return float8_datum((double)p.value / divisors[p.scale]);
}

SCALAR(fn_extract_date) { return extract(c, args, isnull, T_DATE); }
SCALAR(fn_extract_time) { return extract(c, args, isnull, T_TIME); }
SCALAR(fn_extract_timetz) { return extract(c, args, isnull, T_TIMETZ); }
SCALAR(fn_extract_timestamp) { return extract(c, args, isnull, T_TS); }
SCALAR(fn_extract_timestamptz) { return extract(c, args, isnull, T_TSTZ); }
SCALAR(fn_extract_interval) { return extract(c, args, isnull, T_INTERVAL); }
SCALAR(fn_time_part) { return part_float(c, args, isnull, T_TIME); }
SCALAR(fn_timetz_part) { return part_float(c, args, isnull, T_TIMETZ); }
SCALAR(fn_timestamp_part) { return part_float(c, args, isnull, T_TS); }
SCALAR(fn_timestamptz_part) { return part_float(c, args, isnull, T_TSTZ); }
SCALAR(fn_interval_part) { return part_float(c, args, isnull, T_INTERVAL); }

/* date_part of a date is that of its midnight. */
SCALAR(fn_date_part)
{
    Datum ts[2] = {args[0], int64_datum(ts_from_date(datum_int32(args[1])))};
    return part_float(c, ts, isnull, T_TS);
}
