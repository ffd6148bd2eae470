/*
 * The calendar: days to year, month and day and back, ISO weeks, and timestamps to fields.
 *
 * Days to fields by the computational calendar whose years begin in March, so that the leap day is
 * the last of its year (as in Neri and Schneider, "Euclidean affine functions and their application
 * to calendar algorithms", 2022); one shift of whole 400-year cycles keeps everything unsigned.
 */
#include "core/types/datetime.h"

#include "core/types/datetime_int.h"

/* 0000-03-01 to 2000-01-01, moved back by CYCLES cycles so that every supported day is positive. */
#define CYCLES 15000
#define DAYS_PER_CYCLE 146097
#define SHIFT_DAYS (INT64_C(730425) + (int64_t)CYCLES * DAYS_PER_CYCLE)
#define SHIFT_YEARS (400 * (int64_t)CYCLES)

static const uint8_t month_days[2][13] = {
    {0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31},
    {0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31},
};

int
days_in_month(int64_t year, int month)
{
    return month_days[year_is_leap(year)][month];
}

int64_t
days_from_civil(int64_t year, int month, int day)
{
    if (UNLIKELY(month < 1 || month > 12)) {
        int64_t m = (int64_t)month - 1, carry = m >= 0 ? m / 12 : -((11 - m) / 12);
        year += carry;
        month = (int)(m - carry * 12) + 1;
    }
    int64_t y = year + SHIFT_YEARS - (month <= 2);
    uint64_t m = (uint64_t)(month <= 2 ? month + 12 : month);
    int64_t century = y / 100;
    return 1461 * y / 4 - century + century / 4 + (int64_t)((979 * m - 2919) / 32) + day - 1 -
           SHIFT_DAYS;
}

void
civil_from_days(int64_t days, int *year, int *month, int *day)
{
    uint64_t n = (uint64_t)(days + SHIFT_DAYS);
    uint64_t n1 = 4 * n + 3;
    uint64_t century = n1 / DAYS_PER_CYCLE;
    uint32_t day_of_century = (uint32_t)(n1 % DAYS_PER_CYCLE) / 4;
    uint32_t n2 = 4 * day_of_century + 3;
    uint64_t p = (uint64_t)2939745 * n2;
    uint32_t year_of_century = (uint32_t)(p >> 32);
    uint32_t day_of_year = (uint32_t)p / 2939745 / 4;
    uint32_t n3 = 2141 * day_of_year + 197913;
    int m = (int)(n3 >> 16);
    bool next_year = day_of_year >= 306;
    *year = (int)((int64_t)(100 * century + year_of_century) - SHIFT_YEARS + next_year);
    *month = next_year ? m - 12 : m;
    *day = (int)((n3 & 0xFFFF) / 2141) + 1;
}

bool
civil_year_ok(int year, int month)
{
    return (year > -4713 || (year == -4713 && month >= 11)) &&
           (year < 5874898 || (year == 5874898 && month < 6));
}

/* Days since 2000-01-01 of the Monday that begins ISO week 1 of `year`. */
static int64_t
iso_year_start(int year)
{
    int64_t jan4 = days_from_civil(year, 1, 4);
    return jan4 - (dow_of_days(jan4) + 6) % 7;
}

int
iso_week(int year, int month, int day, int *iso_year)
{
    int64_t d = days_from_civil(year, month, day);
    int y = year;
    int64_t start = iso_year_start(y);
    if (d < start) {
        start = iso_year_start(--y);
    } else {
        int64_t next = iso_year_start(y + 1);
        if (d >= next) {
            start = next;
            y++;
        }
    }
    if (iso_year)
        *iso_year = y;
    return (int)((d - start) / 7) + 1;
}

int
iso_week_start(int iso_year, int week)
{
    /* Wraps for absurd weeks as 32-bit arithmetic does; the caller's range check then refuses it.
     */
    return (int)(uint32_t)(uint64_t)(iso_year_start(iso_year) + JULIAN_OF_PG_EPOCH +
                                     ((int64_t)week - 1) * 7);
}

void
civil_set_time(Civil *c, int64_t us)
{
    uint64_t t = (uint64_t)us;
    uint64_t secs = t / 1000000;
    c->us = (int)(t - secs * 1000000);
    uint32_t s = (uint32_t)secs;
    c->hour = (int)(s / 3600);
    s %= 3600;
    c->minute = (int)(s / 60);
    c->second = (int)(s % 60);
}

bool
time_fields_ok(int64_t hour, int64_t minute, int64_t second, int64_t us)
{
    if (hour < 0 || hour > 24 || minute < 0 || minute > 59 || second < 0 || second > 60 || us < 0 ||
        us > US_PER_SEC)
        return false;
    /* 24:00:00 and second 60 are allowed, but not to pass midnight together. */
    return ((hour * 60 + minute) * 60 + second) * US_PER_SEC + us <= US_PER_DAY;
}

void
civil_from_ts(int64_t ts, Civil *c)
{
    int64_t days, time;
    ts_split(ts, &days, &time);
    civil_from_days(days, &c->year, &c->month, &c->day);
    civil_set_time(c, time);
    c->has_zone = c->dst = false;
    c->offset = 0;
    c->abbrev = NULL;
}

void
civil_from_tstz(int64_t ts, const Zone *z, Civil *c)
{
    ZoneMoment m;
    zone_at(z ? z : session_zone, unix_from_ts(ts), &m);
    int64_t days, time;
    ts_split(ts, &days, &time);
    time += m.offset * US_PER_SEC;
    if (time < 0) {
        time += US_PER_DAY;
        days--;
    } else if (time >= US_PER_DAY) {
        time -= US_PER_DAY;
        days++;
    }
    civil_from_days(days, &c->year, &c->month, &c->day);
    civil_set_time(c, time);
    c->has_zone = true;
    c->dst = m.dst;
    c->offset = m.offset;
    c->abbrev = m.abbrev;
}

bool
ts_from_civil(const Civil *c, int offset, int64_t *out)
{
    if (!civil_year_ok(c->year, c->month))
        return false;
    int64_t days = days_from_civil(c->year, c->month, c->day);
    int64_t v;
    /* 128 bits would do too, but this way an overflow of 64 bits is the range error it stands for.
     */
    if (__builtin_mul_overflow(days, US_PER_DAY, &v) ||
        __builtin_add_overflow(v, civil_time_us(c), &v) ||
        __builtin_sub_overflow(v, offset * US_PER_SEC, &v) || !ts_in_range(v))
        return false;
    *out = v;
    return true;
}
