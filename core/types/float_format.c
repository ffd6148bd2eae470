/*
 * Decimal text of floats: the shortest digits that read back as the same number.
 *
 * The algorithm is Schubfach (Raffaello Giulietti, "The Schubfach way to render doubles", 2020): scale
 * the rounding interval's ends and the value by one 128-bit power of ten, rounding to odd so that
 * comparisons stay exact, and take the only (or the nearest) multiple of the largest fitting power of
 * ten inside. Two departures, both PostgreSQL's: the interval's ends never count as inside (not every
 * reader rounds halves to even), and whole numbers up to 2^53 are printed digit by digit.
 *
 * The 617 powers of ten take 10 KiB; they are computed exactly at start instead of being listed:
 * truncating division can be nested, floor(floor(x/10)/10) = floor(x/100), so each entry is exact.
 * The postmaster builds the table before it forks.
 */
#include "core/types/number.h"

#include <stdio.h>

typedef unsigned __int128 U128;
typedef struct Pow10 {
    uint64_t high, low;
} Pow10;

/* 10^k scaled to 128 bits with the top bit set, rounded up unless exact; k = MIN .. MAX. */
#define POW10_MIN (-292)
#define POW10_MAX 324
static Pow10 pow10_table[POW10_MAX - POW10_MIN + 1];
static bool pow10_ready;

#define BIG_WORDS 36
/* Little-endian words; the number's bits are used from the top set one down. */
static Pow10
top_bits(const uint64_t *w, bool exact)
{
    int top = BIG_WORDS - 1;
    while (w[top] == 0)
        top--;
    int shift = __builtin_clzll(w[top]);
    uint64_t part[3];
    for (int i = 0; i < 3; i++)
        part[i] = top - i >= 0 ? w[top - i] : 0;
    Pow10 p;
    p.high = shift ? part[0] << shift | part[1] >> (64 - shift) : part[0];
    p.low = shift ? part[1] << shift | part[2] >> (64 - shift) : part[1];
    bool rest = shift ? (part[2] << shift) != 0 : part[2] != 0;
    for (int i = top - 3; i >= 0 && !rest; i--)
        rest = w[i] != 0;
    if (rest || !exact) {
        if (++p.low == 0)
            p.high++;
    }
    return p;
}

void
float_format_init(void)
{
    uint64_t w[BIG_WORDS] = {1};
    for (int k = 0; k <= POW10_MAX; k++) {
        pow10_table[k - POW10_MIN] = top_bits(w, true);
        uint64_t carry = 0;
        for (int i = 0; i < BIG_WORDS; i++) {
            U128 x = (U128)w[i] * 10 + carry;
            w[i] = (uint64_t)x;
            carry = (uint64_t)(x >> 64);
        }
    }
    /* 2^2303 / 10^292 still has well over 128 bits. */
    memset(w, 0, sizeof w);
    w[BIG_WORDS - 1] = UINT64_C(1) << 63;
    for (int k = -1; k >= POW10_MIN; k--) {
        uint64_t remainder = 0;
        for (int i = BIG_WORDS - 1; i >= 0; i--) {
            U128 x = (U128)remainder << 64 | w[i];
            w[i] = (uint64_t)(x / 10);
            remainder = (uint64_t)(x % 10);
        }
        pow10_table[k - POW10_MIN] = top_bits(w, false);
    }
    pow10_ready = true;
}

static inline Pow10
pow10_of(int k)
{
    if (UNLIKELY(!pow10_ready))
        float_format_init();
    return pow10_table[k - POW10_MIN];
}

static inline int floor_log2_pow10(int e) { return (e * 1741647) >> 19; }
/* floor(q * log10(2)), or of 3/4 of 2^q when the lower neighbour is closer. */
static inline int
floor_log10_pow2(int q, bool closer)
{
    return (q * 1262611 - (closer ? 524031 : 0)) >> 22;
}

/* The top 64 bits of the product with g; the last bit is set when anything below was not zero. */
static inline uint64_t
round_to_odd64(Pow10 g, uint64_t cp)
{
    U128 x = (U128)g.low * cp, y = (U128)g.high * cp;
    y += (uint64_t)(x >> 64);
    return (uint64_t)(y >> 64) | ((uint64_t)y > 1);
}

static inline uint32_t
round_to_odd32(uint64_t g, uint32_t cp)
{
    U128 p = (U128)g * cp;
    return (uint32_t)(p >> 64) | ((uint32_t)((uint64_t)p >> 32) > 1);
}

/* Picks among the candidates around v (all scaled by 4): see the paper's figure 4. */
static inline uint64_t
choose(uint64_t vl, uint64_t v, uint64_t vr, int k, int *exp10)
{
    uint64_t lower = vl + 1, upper = vr - 1;
    uint64_t s = v / 4;
    if (s >= 10) {
        uint64_t sp = s / 10;
        bool under = lower <= 40 * sp, over = 40 * sp + 40 <= upper;
        if (under != over) {
            *exp10 = k + 1;
            return sp + over;
        }
    }
    *exp10 = k;
    bool under = lower <= 4 * s, over = 4 * s + 4 <= upper;
    if (under != over)
        return s + over;
    uint64_t mid = 4 * s + 2;
    return s + (v > mid || (v == mid && (s & 1)));
}

static inline uint64_t
strip_zeros(uint64_t digits, int *exp10)
{
    /* Short decimals come with many zeros: eight and four at a time first. */
    if (digits % 100000000 == 0) {
        digits /= 100000000;
        *exp10 += 8;
    }
    if (digits % 10000 == 0) {
        digits /= 10000;
        *exp10 += 4;
    }
    while (digits % 10 == 0) {
        digits /= 10;
        ++*exp10;
    }
    return digits;
}

uint64_t
float8_shortest(double value, int *exp10)
{
    uint64_t bits = float8_datum(value);
    uint64_t fraction = bits & ((UINT64_C(1) << 52) - 1);
    int biased = (int)(bits >> 52) & 0x7FF;
    uint64_t c = biased ? fraction | UINT64_C(1) << 52 : fraction;
    int q = biased ? biased - 1075 : -1074;
    if (q <= 0 && q > -53 && biased && (c & ((UINT64_C(1) << -q) - 1)) == 0) {
        *exp10 = 0;
        return strip_zeros(c >> -q, exp10);
    }
    bool closer = fraction == 0 && biased > 1;
    int k = floor_log10_pow2(q, closer);
    int h = q + floor_log2_pow10(-k) + 1;
    Pow10 g = pow10_of(-k);
    uint64_t vl = round_to_odd64(g, (4 * c - 2 + closer) << h);
    uint64_t v = round_to_odd64(g, 4 * c << h);
    uint64_t vr = round_to_odd64(g, (4 * c + 2) << h);
    return strip_zeros(choose(vl, v, vr, k, exp10), exp10);
}

static uint64_t
float4_shortest(float value, int *exp10)
{
    uint32_t bits = (uint32_t)float4_datum(value);
    uint32_t fraction = bits & ((1u << 23) - 1);
    int biased = (int)(bits >> 23) & 0xFF;
    uint32_t c = biased ? fraction | 1u << 23 : fraction;
    int q = biased ? biased - 150 : -149;
    if (q <= 0 && q > -24 && biased && (c & ((1u << -q) - 1)) == 0) {
        *exp10 = 0;
        return strip_zeros(c >> -q, exp10);
    }
    bool closer = fraction == 0 && biased > 1;
    int k = floor_log10_pow2(q, closer);
    int h = q + floor_log2_pow10(-k) + 1;
    Pow10 wide = pow10_of(-k);
    uint64_t g = wide.high + (wide.low != 0);
    uint32_t vl = round_to_odd32(g, (4 * c - 2 + closer) << h);
    uint32_t v = round_to_odd32(g, 4 * c << h);
    uint32_t vr = round_to_odd32(g, (4 * c + 2) << h);
    return strip_zeros(choose(vl, v, vr, k, exp10), exp10);
}

/* Digits and exponent as %g would lay them out with `precision` digits to spare. */
static size_t
lay_out(char *buf, bool negative, uint64_t digits, int exp10, int precision)
{
    char text[24];
    int n = (int)uint64_to_text(digits, text);
    int point = exp10 + n; /* the decimal point stands after that many digits */
    char *p = buf;
    if (negative)
        *p++ = '-';
    if (point - 1 < -4 || point - 1 >= precision) {
        *p++ = text[0];
        if (n > 1) {
            *p++ = '.';
            memcpy(p, text + 1, (size_t)n - 1);
            p += n - 1;
        }
        int e = point - 1;
        *p++ = 'e';
        *p++ = e < 0 ? '-' : '+';
        e = e < 0 ? -e : e;
        if (e < 10)
            *p++ = '0';
        p += uint64_to_text((uint64_t)e, p);
    } else if (point <= 0) {
        *p++ = '0';
        *p++ = '.';
        memset(p, '0', (size_t)-point);
        p += -point;
        memcpy(p, text, (size_t)n);
        p += n;
    } else if (point >= n) {
        memcpy(p, text, (size_t)n);
        p += n;
        memset(p, '0', (size_t)(point - n));
        p += point - n;
    } else {
        memcpy(p, text, (size_t)point);
        p += point;
        *p++ = '.';
        memcpy(p, text + point, (size_t)(n - point));
        p += n - point;
    }
    return (size_t)(p - buf);
}

static size_t
special_text(double v, char *buf)
{
    const char *z = isnan(v) ? "NaN" : v > 0 ? "Infinity" : "-Infinity";
    size_t n = strlen(z);
    memcpy(buf, z, n);
    return n;
}

size_t
float8_to_text(double v, char *buf)
{
    if (UNLIKELY(!isfinite(v)))
        return special_text(v, buf);
    if (UNLIKELY(extra_float_digits <= 0)) {
        int precision = 15 + extra_float_digits;
        return (size_t)snprintf(buf, 64, "%.*g", MAX(precision, 1), v);
    }
    bool negative = signbit(v);
    if (v == 0) {
        memcpy(buf, "-0", 2);
        if (!negative)
            buf[0] = '0';
        return negative ? 2 : 1;
    }
    int exp10;
    uint64_t digits = float8_shortest(negative ? -v : v, &exp10);
    return lay_out(buf, negative, digits, exp10, 15);
}

size_t
float4_to_text(float v, char *buf)
{
    if (UNLIKELY(!isfinite(v)))
        return special_text((double)v, buf);
    if (UNLIKELY(extra_float_digits <= 0)) {
        int precision = 6 + extra_float_digits;
        return (size_t)snprintf(buf, 64, "%.*g", MAX(precision, 1), (double)v);
    }
    bool negative = signbit(v);
    if (v == 0) {
        memcpy(buf, "-0", 2);
        if (!negative)
            buf[0] = '0';
        return negative ? 2 : 1;
    }
    int exp10;
    uint64_t digits = float4_shortest(negative ? -v : v, &exp10);
    return lay_out(buf, negative, digits, exp10, 6);
}
