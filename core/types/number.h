/*
 * What the number types share with each other and offer to other families: text forms of integers
 * and floats, range errors, and the lane-level comparison of floats.
 */
#ifndef CORE_TYPES_NUMBER_H
#define CORE_TYPES_NUMBER_H

#include <math.h>

#include "core/types/type.h"

extern int extra_float_digits;
void types_number_settings_register(void);
void random_forget_seed(void); /* the next random() draws a seed of its own: another session has begun */
void float_format_init(void); /* builds the table of powers of ten; before processes fork */

/* Writes the decimal digits, returns their number; no terminating zero. buf: 20 bytes and more. */
size_t int64_to_text(int64_t v, char *buf);
size_t uint64_to_text(uint64_t v, char *buf);
/* As PostgreSQL prints float8 and float4, extra_float_digits obeyed. buf: 64 bytes; returns the length. */
size_t float8_to_text(double v, char *buf);
size_t float4_to_text(float v, char *buf);
/* Shortest decimal that reads back as v: digits without trailing zeros, v = digits * 10^*exp10. v > 0, finite. */
uint64_t float8_shortest(double v, int *exp10);

/* Parse a whole text (spaces around allowed) or raise 22P02 / 22003 naming `type_name`. */
int64_t int_from_text(const char *text, int64_t min, int64_t max, const char *type_name);
/* rest: where to store the first unread byte; NULL: the whole text must be a number. */
double float8_from_text(const char *text, const char **rest, const char *type_name, const char *whole);
float float4_from_text(const char *text, const char **rest, const char *type_name, const char *whole);

NORETURN void raise_int2_range(void);
NORETURN void raise_int4_range(void);
NORETURN void raise_int8_range(void);
NORETURN void raise_division_by_zero(void);
NORETURN void raise_float_overflow(void);
NORETURN void raise_float_underflow(void);
NORETURN void raise_recv_length(size_t got, size_t want); /* a binary value of the wrong length: 08P01 or 22P03 */

/* PostgreSQL's order of floats: NaN equals NaN and stands above everything else. */
static inline int
float8_compare(double a, double b)
{
    if (UNLIKELY(isnan(a)))
        return isnan(b) ? 0 : 1;
    if (UNLIKELY(isnan(b)))
        return -1;
    return (a > b) - (a < b);
}

/* Raises unless a fixed-width binary value has its width. */
static inline void
check_recv_length(size_t got, size_t want)
{
    if (UNLIKELY(got != want))
        raise_recv_length(got, want);
}

/* Integer keys: width bytes, big-endian, sign flipped. */
static inline void
key_put_int(StrBuf *out, int64_t v, unsigned width)
{
    char b[8];
    uint64_t flipped = (uint64_t)v << (64 - 8 * width) ^ UINT64_C(1) << 63;
    store_be64(b, flipped);
    str_add_bytes(out, b, width);
}

static inline int64_t
key_get_int(const char **p, unsigned width)
{
    uint64_t u = 0;
    for (unsigned i = 0; i < width; i++)
        u = u << 8 | (unsigned char)(*p)[i];
    *p += width;
    u = (u << (64 - 8 * width)) ^ UINT64_C(1) << 63;
    return (int64_t)u >> (64 - 8 * width);
}

static inline void
key_put_uint(StrBuf *out, uint64_t v, unsigned width)
{
    char b[8];
    store_be64(b, v << (64 - 8 * width));
    str_add_bytes(out, b, width);
}

static inline uint64_t
key_get_uint(const char **p, unsigned width)
{
    uint64_t u = 0;
    for (unsigned i = 0; i < width; i++)
        u = u << 8 | (unsigned char)(*p)[i];
    *p += width;
    return u;
}

#endif
