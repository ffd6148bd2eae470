/*
 * Dates, times and intervals: what the files of this family share, and what others may use.
 *
 * Values     date: int32 days since 2000-01-01; time: int64 us since midnight; timestamp,
 * timestamptz: int64 us since 2000-01-01 00:00 (UTC); timetz: 12 bytes, TimeTz; interval: 16 bytes,
 * Interval. The smallest and largest integers of date and timestamp are -infinity and infinity.
 * Calendar   proleptic Gregorian; years are astronomical here (0 is 1 BC, -1 is 2 BC).
 * Offsets    seconds east of UTC everywhere, except TimeTz.zone, which is west as on the wire.
 */
#ifndef CORE_TYPES_DATETIME_H
#define CORE_TYPES_DATETIME_H

#include "core/types/type.h"

#define US_PER_SEC INT64_C(1000000)
#define US_PER_MINUTE (60 * US_PER_SEC)
#define US_PER_HOUR (3600 * US_PER_SEC)
#define US_PER_DAY (86400 * US_PER_SEC)
#define SECS_PER_DAY 86400
#define DAYS_PER_MONTH 30   /* where an interval's months must become days */
#define DAYS_UNIX_TO_PG 10957 /* 1970-01-01 .. 2000-01-01 */
#define JULIAN_OF_PG_EPOCH 2451545

#define DATE_NEG_INFINITY INT32_MIN
#define DATE_INFINITY INT32_MAX
#define TS_NEG_INFINITY INT64_MIN
#define TS_INFINITY INT64_MAX
#define DATE_MIN (-JULIAN_OF_PG_EPOCH)                  /* 4714-11-24 BC */
#define DATE_END (2147483494 - JULIAN_OF_PG_EPOCH)      /* 5874898-01-01, exclusive */
#define TS_MIN INT64_C(-211813488000000000)             /* 4714-11-24 00:00 BC */
#define TS_END INT64_C(9223371331200000000)             /* 294277-01-01, exclusive */
#define TS_END_DAYS (TS_END / US_PER_DAY)

typedef struct Interval {
    int64_t us;
    int32_t days, months;
} Interval;
typedef struct TimeTz {
    int64_t us;
    int32_t zone; /* seconds west of UTC */
} TimeTz;

/* A broken-down moment. */
typedef struct Civil {
    int year, month, day; /* month 0: none (intervals never use this struct) */
    int hour, minute, second, us;
    int yday;             /* 1..366; only where said */
    int offset;           /* east; valid when has_zone */
    bool has_zone, dst;
    const char *abbrev;   /* the zone's abbreviation; NULL none */
} Civil;

/* A broken-down interval; hour carries all hours. */
typedef struct IntervalParts {
    int year, month, day;
    int64_t hour;
    int minute, second, us;
} IntervalParts;

/* ---- by-reference values ---- */
static inline Interval
datum_interval(Datum d)
{
    Interval v;
    memcpy(&v, datum_ptr(d), 16);
    return v;
}
static inline TimeTz
datum_timetz(Datum d)
{
    TimeTz v;
    memcpy(&v.us, datum_ptr(d), 8);
    memcpy(&v.zone, datum_ptr(d) + 8, 4);
    return v;
}
Datum interval_datum(Arena *a, Interval v);
Datum timetz_datum(Arena *a, TimeTz v);

static inline bool
date_is_finite(int32_t d)
{
    return d != DATE_NEG_INFINITY && d != DATE_INFINITY;
}
static inline bool date_in_range(int64_t d) { return d >= DATE_MIN && d < DATE_END; }
static inline bool ts_is_finite(int64_t t) { return t != TS_NEG_INFINITY && t != TS_INFINITY; }
static inline bool ts_in_range(int64_t t) { return t >= TS_MIN && t < TS_END; }

/* ---- calendar (datetime_calendar.c) ---- */
static inline bool
year_is_leap(int64_t y)
{
    return (y & 3) == 0 && (y % 100 != 0 || y % 400 == 0);
}
int days_in_month(int64_t year, int month);
int64_t days_from_civil(int64_t year, int month,
                        int day); /* days since 2000-01-01; month may be any */
void civil_from_days(int64_t days, int *year, int *month, int *day);
bool civil_year_ok(int year, int month); /* within the range of dates */
int iso_week(int year, int month, int day, int *iso_year); /* ISO 8601 week, and its year */
int iso_week_start(int iso_year, int week); /* Julian day of the week's Monday */
static inline int
dow_of_days(int64_t days)
{
    return (int)(((days + 6) % 7 + 7) % 7);
} /* 0 Sunday */
/* Time of day. */
void civil_set_time(Civil *c, int64_t us_of_day);
static inline int64_t
civil_time_us(const Civil *c)
{
    return ((c->hour * INT64_C(60) + c->minute) * 60 + c->second) * US_PER_SEC + c->us;
}
bool time_fields_ok(int64_t hour, int64_t minute, int64_t second, int64_t us);
/* A finite timestamp without zone to fields, yday not set. */
void civil_from_ts(int64_t ts, Civil *c);
/* With the zone's offset, dst and abbreviation; NULL: the session's zone. */
struct Zone;
void civil_from_tstz(int64_t ts, const struct Zone *z, Civil *c);
/* Back; *out = local time - offset. False: out of range. */
bool ts_from_civil(const Civil *c, int offset, int64_t *out);

/* ---- time zones (datetime_zone*.c) ---- */
typedef struct Zone Zone;
typedef struct ZoneMoment {
    int offset;
    bool dst;
    const char *abbrev;
} ZoneMoment;
extern const Zone *session_zone; /* setting TimeZone */
/* By name ("Europe/Berlin", any case), or POSIX rule ("EST5EDT", "<+03>-3"). NULL: unknown. Zones
 * are loaded once per process and stay. */
const Zone *zone_find(const char *name);
const Zone *zone_of_offset(int west_seconds); /* "<-03>+03" for 10800 */
const char *zone_name(const Zone *z);
bool zone_has_leap_seconds(const Zone *z);
void zone_at(const Zone *z, int64_t unix_s, ZoneMoment *out);
/* Offset for local fields; in a gap the offset before it, in a fold the one after. Sets c->dst. */
int zone_local_offset(Civil *c, const Zone *z);
int zone_local_offset_s(const Zone *z, int64_t local_unix_s, bool *dst);
bool zone_is_fixed(const Zone *z, int *offset);
/* How the zone used an abbreviation at or nearest before the time (else first after). */
bool zone_abbrev_at(const Zone *z, const char *abbrev, int64_t unix_s, int *offset, bool *dst);
static inline int64_t
unix_from_ts(int64_t ts)
{
    int64_t s = ts / US_PER_SEC - (ts % US_PER_SEC < 0);
    return s + INT64_C(86400) * DAYS_UNIX_TO_PG;
}

/* Abbreviations as input, by the setting timezone_abbreviations (datetime_abbrev.c). */
typedef enum AbbrevKind { ABBREV_NONE, ABBREV_STD, ABBREV_DST, ABBREV_ZONE } AbbrevKind;
AbbrevKind abbrev_find(const char *lower, int *offset, const Zone **zone);
bool abbrev_set_choose(const char *name); /* Default, Australia, India; false: no such set */
/* The table, for pg_timezone_abbrevs; false when i is past the end. *abbrev NULL: overridden by the
 * set. */
bool abbrev_get(int i, const char **abbrev, int *offset, bool *dst, const Zone **zone);
/* Offset of a zone's abbreviation at local fields. */
int zone_abbrev_local_offset(Civil *c, const char *abbrev, const Zone *z);

/* A zone as SQL names it (AT TIME ZONE): a zone's name, an abbreviation, or a POSIX rule. */
typedef struct ZoneRef {
    AbbrevKind kind;
    int offset;       /* of a plain abbreviation */
    const Zone *zone; /* NULL for a plain abbreviation */
    char abbrev[16];
} ZoneRef;
bool zone_ref_find(const char *name, ZoneRef *ref);
void zone_ref_get(const char *name, ZoneRef *ref); /* raises 22023 time zone "x" not recognized */
int zone_ref_offset_at(const ZoneRef *ref, int64_t unix_s);
int zone_ref_offset_local(const ZoneRef *ref, int64_t local_unix_s);

/* ---- settings (datetime_settings.c) ---- */
enum { STYLE_ISO, STYLE_SQL, STYLE_POSTGRES, STYLE_GERMAN, STYLE_XSD };
enum { ORDER_YMD, ORDER_DMY, ORDER_MDY };
enum { ISTYLE_POSTGRES, ISTYLE_VERBOSE, ISTYLE_SQL, ISTYLE_ISO };
extern int date_style, date_order, interval_style;
void types_datetime_settings_register(void);

/* ---- input (datetime_scan.c, datetime_parse.c, datetime_parse_interval.c) ---- */
typedef enum ParseError {
    PARSE_OK,
    PARSE_BAD_FORMAT,
    PARSE_OVERFLOW,
    PARSE_MD_OVERFLOW,
    PARSE_ZONE_OVERFLOW,
    PARSE_INTERVAL_OVERFLOW
} ParseError;
NORETURN void parse_error_raise(ParseError e, const char *text, const char *type);
typedef enum ParsedKind {
    PARSED_DATE,
    PARSED_EPOCH,
    PARSED_INFINITY,
    PARSED_NEG_INFINITY
} ParsedKind;
/* Date with optional time and zone. zone_wanted: c->offset is set, from the text or the session's
 * zone. */
ParseError parse_datetime(const char *text, bool zone_wanted, ParsedKind *kind, Civil *c);
/* Time of day; c->offset is set always. */
ParseError parse_time(const char *text, Civil *c);
/* range: interval typmod's field mask. */
ParseError parse_interval(const char *text, int range, Interval *out);
/* "+05:30" to seconds east. */
ParseError parse_zone_offset(const char *text, int *offset);

/* ---- words (datetime_words.c) ---- */
/* Units of extract, date_trunc, interval input. */
typedef enum DtUnit {
    U_NONE,
    U_MICROSEC,
    U_MILLISEC,
    U_SECOND,
    U_MINUTE,
    U_HOUR,
    U_DAY,
    U_WEEK,
    U_MONTH,
    U_QUARTER,
    U_YEAR,
    U_DECADE,
    U_CENTURY,
    U_MILLENNIUM,
    U_JULIAN,
    U_TZ,
    U_TZ_HOUR,
    U_TZ_MINUTE,
    U_DOY,
    U_DOW,
    U_ISODOW,
    U_ISOYEAR,
    U_EPOCH,
    U_LATE,
    U_EARLY,
    U_NOW,
    U_TODAY,
    U_TOMORROW,
    U_YESTERDAY,
    U_ZULU,
    U_TIME
} DtUnit;
typedef enum WordKind {
    W_UNKNOWN,
    W_IGNORE,
    W_RESERVED,
    W_MONTH,
    W_DOW,
    W_ADBC,
    W_AMPM,
    W_DTZMOD,
    W_UNITS,
    W_ISOTIME,
    W_AGO
} WordKind;
WordKind word_find(const char *lower, int *value);      /* words of dates and times */
WordKind word_find_unit(const char *lower, int *value); /* words of intervals */
/* Lowercases (as identifiers) into out, at most cap - 1 bytes. */
void word_lower(const char *s, size_t n, char *out, size_t cap);
extern const char *const month_names[13]; /* 1..12 */
extern const char *const day_names[7];    /* 0 Sunday */

/* ---- output (datetime_format.c): append to a StrBuf by the session's styles ---- */
void format_date(StrBuf *s, int32_t date);
void format_time(StrBuf *s, int64_t us);
void format_timetz(StrBuf *s, TimeTz t);
void format_ts(StrBuf *s, int64_t ts, int style);
void format_tstz(StrBuf *s, int64_t ts, int style);
/* The text form of timestamptz, for C callers; raises as the input function does. */
int64_t timestamptz_parse(const char *text);
void format_interval(StrBuf *s, const Interval *v);
char *put_zone_offset(char *p, int offset, int style);

/* ---- operations shared between files; all raise ---- */
int64_t ts_add_interval(int64_t ts, const Interval *v);
int64_t tstz_add_interval(int64_t ts, const Interval *v, const Zone *z);
int64_t tstz_from_ts(int64_t ts);           /* local in the session's zone -> UTC */
int64_t ts_from_tstz(int64_t ts);
int64_t ts_from_date(int32_t date);
int64_t tstz_from_date(int32_t date);
/* For comparisons: never raise, out-of-range results become just short of infinity. */
int64_t ts_from_date_saturating(int32_t date);
int64_t tstz_from_date_saturating(int32_t date);
int64_t tstz_from_ts_saturating(int64_t ts);
__int128 interval_span(const Interval *v); /* the order of intervals */
Interval interval_negate(const Interval *v);
Interval interval_plus(const Interval *a, const Interval *b);
Interval interval_minus(const Interval *a, const Interval *b);
Interval interval_times(const Interval *v, double f);
Interval interval_over(const Interval *v, double f);
Interval ts_difference(int64_t a, int64_t b); /* a - b, in days and time */
void interval_split(const Interval *v, IntervalParts *p);
bool interval_join(const IntervalParts *p, Interval *v);
void interval_apply_typmod(Interval *v, int32_t typmod);
int64_t time_apply_typmod(int64_t us, int32_t typmod);
int64_t ts_apply_typmod(int64_t ts, int32_t typmod); /* raises 22023 on a bad precision */
NORETURN void raise_date_range(void);
NORETURN void raise_ts_range(void);
NORETURN void raise_interval_range(void);

/* interval typmod: precision in the low 16 bits (0xFFFF: none), field mask above (0x7FFF: all). */
#define IMASK(bit) (1 << (bit))
#define IMASK_MONTH IMASK(1)
#define IMASK_YEAR IMASK(2)
#define IMASK_DAY IMASK(3)
#define IMASK_HOUR IMASK(10)
#define IMASK_MINUTE IMASK(11)
#define IMASK_SECOND IMASK(12)
#define IRANGE_FULL 0x7FFF
#define IPRECISION_FULL 0xFFFF
#define IMOD_RANGE(t) (((t) >> 16) & IRANGE_FULL)
#define IMOD_PRECISION(t) ((t) & IPRECISION_FULL)

/* ---- the current moment (datetime_now.c) ---- */
/* What the analyzer's SQLValueFunction nodes call; typmod -1: full precision. */
Datum sqlvalue_current_date(FnCtx *c);
Datum sqlvalue_current_time(FnCtx *c, int32_t typmod);      /* timetz */
Datum sqlvalue_current_timestamp(FnCtx *c, int32_t typmod); /* timestamptz */
Datum sqlvalue_localtime(FnCtx *c, int32_t typmod);         /* time */
Datum sqlvalue_localtimestamp(FnCtx *c, int32_t typmod);    /* timestamp */
int64_t xact_time(void);
/* The statement's start in session-zone fields, with offset. */
void civil_now(Civil *c);

#endif
