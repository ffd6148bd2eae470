/*
 * Bit strings: payload is the number of bits (4 bytes), then the bits, first bit highest, the rest
 * of the last byte zero.
 */
#ifndef CORE_TYPES_BIT_H
#define CORE_TYPES_BIT_H

#include "core/types/text.h"

typedef struct Bits {
    int32_t n;               /* bits */
    const unsigned char *p;
} Bits;

static inline Bits
var_bits(Datum d)
{
    const char *p = var_data(d);
    return (Bits){(int32_t)load_u32(p), (const unsigned char *)p + 4};
}

static inline size_t
bits_bytes(int32_t n)
{
    return ((size_t)n + 7) / 8;
}

static inline bool
bits_get(Bits b, int32_t i)
{
    return b.p[i >> 3] >> (7 - (i & 7)) & 1;
}

Datum bits_alloc(Arena *a, int32_t n, unsigned char **p); /* all zero */
/* Bits from .. from+n-1 of b into `to` at bit `at` (to is zero there). */
void bits_copy(unsigned char *to, int32_t at, Bits b, int32_t from, int32_t n);
int bits_compare(Bits a, Bits b);
/* typmod is the length; see bit.c. */
Datum bit_coerce(Arena *a, Datum d, int32_t typmod, bool explicit_cast);
Datum varbit_coerce(Arena *a, Datum d, int32_t typmod, bool explicit_cast);

#endif
