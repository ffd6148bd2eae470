/*
 * Small helpers of the date and time files that are not for others.
 */
#ifndef CORE_TYPES_DATETIME_INT_H
#define CORE_TYPES_DATETIME_INT_H

#include "core/types/datetime.h"

/* Floor division of a timestamp into days and time of day. */
static inline void
ts_split(int64_t ts, int64_t *days, int64_t *time)
{
    int64_t d = ts / US_PER_DAY;
    int64_t t = ts - d * US_PER_DAY;
    if (t < 0) {
        t += US_PER_DAY;
        d--;
    }
    *days = d;
    *time = t;
}

static inline bool is_digit(char c) { return (unsigned char)(c - '0') < 10; }
static inline bool is_alpha(char c) { return (unsigned char)((c | 0x20) - 'a') < 26; }
static inline bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
static inline bool is_punct(char c) { return c > ' ' && c < 0x7f && !is_digit(c) && !is_alpha(c); }
static inline char to_lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }
static inline char to_upper(char c) { return c >= 'a' && c <= 'z' ? (char)(c - 32) : c; }

/* "07": two decimal digits of 0..99. */
static inline char *
put_2(char *p, unsigned v)
{
    p[0] = (char)('0' + v / 10);
    p[1] = (char)('0' + v % 10);
    return p + 2;
}
/* At least `width` digits. */
static inline char *
put_padded(char *p, uint64_t v, int width)
{
    char tmp[24];
    int n = 0;
    do
        tmp[n++] = (char)('0' + v % 10);
    while ((v /= 10) != 0);
    while (n < width)
        tmp[n++] = '0';
    while (n)
        *p++ = tmp[--n];
    return p;
}
static inline char *
put_str(char *p, const char *s)
{
    while (*s)
        *p++ = *s++;
    return p;
}
/* ".123456" without trailing zeros; nothing for 0. */
static inline char *
put_fraction(char *p, unsigned us)
{
    if (us == 0)
        return p;
    *p = '.';
    for (int i = 6; i >= 1; i--, us /= 10)
        p[i] = (char)('0' + us % 10);
    p += 6;
    while (*p == '0')
        p--;
    return p + 1;
}

/* Decimal digits to an int as strtol would, but false when it does not fit 32 bits. *end as strtol.
 */
static inline bool
scan_int64(const char *s, const char **end, int64_t *out)
{
    bool neg = false, fits = true;
    const char *p = s;
    while (is_space(*p))
        p++;
    if (*p == '-' || *p == '+')
        neg = *p++ == '-';
    if (!is_digit(*p)) {
        *end = s;
        *out = 0;
        return true;
    }
    int64_t v = 0;
    for (; is_digit(*p); p++)
        fits =
            fits && !__builtin_mul_overflow(v, 10, &v) && !__builtin_sub_overflow(v, *p - '0', &v);
    *end = p;
    if (!neg && fits)
        fits = !__builtin_sub_overflow((int64_t)0, v, &v);
    *out = v;
    return fits;
}
static inline bool
scan_int(const char *s, const char **end, int *out)
{
    int64_t v;
    bool ok = scan_int64(s, end, &v);
    *out = (int)v;
    return ok && v >= INT32_MIN && v <= INT32_MAX;
}
double scan_double(const char *s, const char **end, bool *range_error);

/* Round half away from zero is rint's business in PostgreSQL: half to even. */
static inline bool
double_fits_int64(double v)
{
    return v >= -9223372036854775808.0 && v < 9223372036854775808.0;
}
static inline bool
double_fits_int32(double v)
{
    return v >= -2147483648.0 && v < 2147483648.0;
}

extern const int64_t us_of_precision[7];
/* "TIME(9) precision reduced to maximum allowed, 6" and so on. */
int32_t datetime_typmod_in(const char *const *mods, int n, const char *name, const char *tail);
/* The parts negated, wrapping: what subtracting an interval adds. */
static inline Interval
interval_flip(Interval v)
{
    return (Interval){(int64_t)(0 - (uint64_t)v.us), (int32_t)(0 - (uint32_t)v.days),
                      (int32_t)(0 - (uint32_t)v.months)};
}
/* A unit's name, remembered at the call site (datetime_extract.c). known: a unit at all. */
DtUnit datetime_unit(FnCtx *c, Datum name, bool *known);
NORETURN void raise_unit(FnCtx *c, Datum name, bool known, const char *type, const char *detail);
uint32_t pg_hash_int64(int64_t v);
uint64_t pg_hash_int64_extended(int64_t v, uint64_t seed);

/* A text argument as a zero-terminated string. */
static inline char *text_cstring(FnCtx *c, Datum d) { return var_to_cstring(c->arena, d); }

#endif
