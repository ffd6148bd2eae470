/*
 * numeric: exact decimal numbers.
 *
 * Stored form, the payload of a var value:
 *
 *   small   byte 0: scale 0..127; then the coefficient, a little-endian two's complement integer of
 *           1, 2, 4 or 8 bytes (the fewest that hold it), |coefficient| < 10^18.
 *           value = coefficient / 10^scale
 *   big     byte 0: 0x80, or 0x81 when negative; byte 1: 0; bytes 2-3: scale; bytes 4-5: weight
 *           (signed); then 32-bit limbs of nine decimal digits, most significant first, aligned at the
 *           decimal point: value = sum of limb[i] * 10^(9 * (weight - i)). First and last limb not 0.
 *   0xF0 NaN, 0xF1 Infinity, 0xF2 -Infinity: one byte
 *
 * The scale is what is printed behind the decimal point; digits beyond it do not exist. What fits the
 * small form is always in it, so that money-like numbers never see the limbs: sums, products and
 * comparisons of two small ones are done in 128-bit integers, exactly.
 *
 * Num is the unpacked form that arbitrary precision works on.
 */
#ifndef CORE_TYPES_NUMERIC_H
#define CORE_TYPES_NUMERIC_H

#include "core/types/type.h"

typedef __int128 Int128;
typedef unsigned __int128 UInt128;
typedef Int128 Int128Unaligned __attribute__((aligned(8))); /* inside aggregate states */

#define LIMB_BASE 1000000000u
#define LIMB_DIGITS 9
#define SMALL_LIMIT INT64_C(1000000000000000000) /* 10^18 */
#define SMALL_SCALE_MAX 127
#define NUMERIC_SCALE_LIMIT 16383     /* largest printed scale */
#define NUMERIC_WEIGHT_LIMIT 131072   /* digits before the decimal point */
#define NUMERIC_MAX_PRECISION 1000
#define NUMERIC_MAX_SCALE 1000
#define NUMERIC_MAX_DISPLAY_SCALE 1000
#define NUMERIC_MAX_RESULT_SCALE 2000
#define NUMERIC_MIN_SIG_DIGITS 16     /* a quotient shows at least that many */

#define TAG_BIG 0x80
#define TAG_NAN 0xF0
#define TAG_INF 0xF1
#define TAG_NEG_INF 0xF2

typedef enum NumKind { NUM_FINITE, NUM_NAN, NUM_INF, NUM_NEG_INF } NumKind;

typedef struct Num {
    const uint32_t *limb; /* most significant first; normalised: neither first nor last is 0 */
    int n;                /* 0: the value is zero */
    int weight;           /* of limb[0], in powers of 10^9 */
    int scale;
    NumKind kind;
    bool negative;
} Num;

extern const uint64_t pow10_u64[20];
extern const Num num_zero, num_one, num_ten;

/* ---- packed form ---- */

static inline NumKind
numeric_kind(Datum d)
{
    unsigned char tag = (unsigned char)*var_data(d);
    return LIKELY(tag < TAG_NAN) ? NUM_FINITE : (NumKind)(tag - TAG_NAN + NUM_NAN);
}

/* False for big and special values. */
static inline bool
numeric_small(Datum d, int64_t *coefficient, int *scale)
{
    const char *p = var_data(d);
    if (UNLIKELY((unsigned char)*p >= TAG_BIG))
        return false;
    *scale = *p;
    switch (var_len(d)) {
    case 2: *coefficient = (int8_t)p[1]; return true;
    case 3: *coefficient = (int16_t)load_u16(p + 1); return true;
    case 5: *coefficient = (int32_t)load_u32(p + 1); return true;
    default: *coefficient = (int64_t)load_u64(p + 1); return true;
    }
}

/* |coefficient| < SMALL_LIMIT, 0 <= scale <= SMALL_SCALE_MAX. */
static inline Datum
numeric_pack_small(Arena *a, int64_t coefficient, int scale)
{
    char *p = arena_alloc(a, 16);
    unsigned width;
    p[1] = (char)scale;
    store_u64(p + 2, (uint64_t)coefficient);
    if (coefficient == (int8_t)coefficient)
        width = 1;
    else if (coefficient == (int16_t)coefficient)
        width = 2;
    else if (coefficient == (int32_t)coefficient)
        width = 4;
    else
        width = 8;
    p[0] = (char)((width + 2) << 1 | 1);
    return ptr_datum(p);
}

Datum numeric_pack_special(Arena *a, NumKind kind);
Datum numeric_pack_int128(Arena *a, Int128 coefficient, int scale); /* any scale >= 0 */
Datum numeric_pack(Arena *a, const Num *x); /* raises when out of format; x has no digits beyond its scale */
void numeric_unpack(Arena *a, Datum d, Num *out); /* may point into d */

/* ---- arbitrary precision: results are new; scale as said; finite arguments only ---- */

void num_from_int128(Arena *a, Int128 coefficient, int scale, Num *out);
void num_from_int64(Arena *a, int64_t v, Num *out);
int num_compare(const Num *x, const Num *y);
int num_compare_magnitude(const Num *x, const Num *y);
void num_add(Arena *a, const Num *x, const Num *y, Num *out); /* scale: the larger */
void num_sub(Arena *a, const Num *x, const Num *y, Num *out);
void num_mul(Arena *a, const Num *x, const Num *y, int scale, Num *out); /* rounded to scale */
void num_mul_exact(Arena *a, const Num *x, const Num *y, Num *out);
/* Quotient with `scale` digits, rounded half away from zero or truncated. Raises on y = 0. */
void num_div(Arena *a, const Num *x, const Num *y, int scale, bool round, Num *out);
void num_div_small(Arena *a, const Num *x, uint32_t y, int scale, Num *out); /* 0 < y < LIMB_BASE, rounded */
void num_mod(Arena *a, const Num *x, const Num *y, Num *out); /* scale: the larger */
/* To `scale` digits (which may be negative: tens, hundreds ...); sets x->scale = max(scale, 0). */
void num_round(Arena *a, Num *x, int scale);
void num_trunc(Arena *a, Num *x, int scale);
void num_floor(Arena *a, Num *x);
void num_ceil(Arena *a, Num *x);
void num_sqrt(Arena *a, const Num *x, int scale, Num *out);
void num_ln(Arena *a, const Num *x, int scale, Num *out);
void num_exp(Arena *a, const Num *x, int scale, Num *out);
bool num_is_integer(const Num *x);
/* Exponent of the leading decimal digit: 5 for 123456, -2 for 0.05. x not zero. */
int num_exponent(const Num *x);
int num_min_scale(const Num *x); /* digits behind the point without trailing zeros */
double num_to_double(const Num *x);   /* nearest, infinite on overflow */
bool num_to_int64(Arena *a, const Num *x, int64_t *out); /* rounds; false when out of range */
int num_div_scale(const Num *x, const Num *y);  /* scale PostgreSQL gives the quotient */
int numeric_div_scale_small(int64_t x, int xs, int64_t y, int ys);

/* Base-10000 digits, as in the wire format and hashes: digits[0] has weight *weight. Returns their number,
 * leading and trailing zeros stripped. digits: room for num_nbase_room(x). */
int num_nbase_room(const Num *x);
int num_to_nbase(const Num *x, int16_t *digits, int *weight);

/* ---- text ---- */
void numeric_print(Datum d, StrBuf *s);
void num_print(const Num *x, StrBuf *s);
Datum numeric_apply_typmod(Arena *a, Datum d, int32_t typmod);
static inline int32_t numeric_typmod(int precision, int scale) { return ((precision << 16) | (scale & 0x7FF)) + 4; }
static inline int numeric_typmod_precision(int32_t typmod) { return (typmod - 4) >> 16 & 0xFFFF; }
static inline int numeric_typmod_scale(int32_t typmod) { return (((typmod - 4) & 0x7FF) ^ 1024) - 1024; }

/* ---- operations on values ---- */
int numeric_compare(Datum x, Datum y);
Datum numeric_add(Arena *a, Datum x, Datum y);
Datum numeric_sub(Arena *a, Datum x, Datum y);
Datum numeric_mul(Arena *a, Datum x, Datum y);
Datum numeric_div(Arena *a, Datum x, Datum y);
Datum numeric_quotient_int64(Arena *a, int64_t sum, int64_t count);

NORETURN void raise_numeric_overflow(void);

#endif
