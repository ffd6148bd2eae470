/*
 * numeric: packing and unpacking (numeric.h), conversions from and to integers.
 */
#include "core/types/numeric.h"

#include <stdlib.h>

#include "core/types/number.h"

const uint64_t pow10_u64[20] = {
    UINT64_C(1),
    UINT64_C(10),
    UINT64_C(100),
    UINT64_C(1000),
    UINT64_C(10000),
    UINT64_C(100000),
    UINT64_C(1000000),
    UINT64_C(10000000),
    UINT64_C(100000000),
    UINT64_C(1000000000),
    UINT64_C(10000000000),
    UINT64_C(100000000000),
    UINT64_C(1000000000000),
    UINT64_C(10000000000000),
    UINT64_C(100000000000000),
    UINT64_C(1000000000000000),
    UINT64_C(10000000000000000),
    UINT64_C(100000000000000000),
    UINT64_C(1000000000000000000),
    UINT64_C(10000000000000000000),
};

static const uint32_t limb_one[1] = {1};
static const uint32_t limb_ten[1] = {10};
const Num num_zero = {.limb = limb_one, .n = 0};
const Num num_one = {.limb = limb_one, .n = 1};
const Num num_ten = {.limb = limb_ten, .n = 1};

void
raise_numeric_overflow(void)
{
    RAISE(SQLSTATE_NUMERIC_VALUE_OUT_OF_RANGE, "value overflows numeric format");
}

Datum
numeric_pack_special(Arena *a, NumKind kind)
{
    char tag = (char)(TAG_NAN + (int)kind - (int)NUM_NAN);
    ASSERT(kind != NUM_FINITE);
    return var_make(a, &tag, 1);
}

/* Limbs of a magnitude that is an integer at scale `scale`: aligns it to a multiple of nine first. */
static void
limbs_from_u128(Arena *a, UInt128 m, int scale, Num *out)
{
    uint32_t buf[8]; /* least significant first */
    int n = 0, odd = scale % LIMB_DIGITS;
    int groups = (scale + LIMB_DIGITS - 1) / LIMB_DIGITS;
    if (odd != 0) {
        uint64_t low = (uint64_t)(m % pow10_u64[odd]);
        m /= pow10_u64[odd];
        buf[n++] = (uint32_t)(low * pow10_u64[LIMB_DIGITS - odd]);
    }
    while (m != 0) {
        if ((uint64_t)(m >> 64) == 0) {
            uint64_t low = (uint64_t)m;
            buf[n++] = (uint32_t)(low % LIMB_BASE);
            m = low / LIMB_BASE;
        } else {
            buf[n++] = (uint32_t)(m % LIMB_BASE);
            m /= LIMB_BASE;
        }
    }
    int lowest = -groups; /* weight of buf[0] */
    int from = 0;
    while (n > 0 && buf[n - 1] == 0)
        n--;
    while (from < n && buf[from] == 0)
        from++;
    out->n = n - from;
    out->weight = out->n ? lowest + n - 1 : 0;
    uint32_t *limb = arena_alloc(a, sizeof(uint32_t) * (size_t)MAX(out->n, 1));
    for (int i = 0; i < out->n; i++)
        limb[i] = buf[n - 1 - i];
    out->limb = limb;
}

void
num_from_int128(Arena *a, Int128 coefficient, int scale, Num *out)
{
    bool negative = coefficient < 0;
    limbs_from_u128(a, negative ? -(UInt128)coefficient : (UInt128)coefficient, scale, out);
    out->scale = scale;
    out->kind = NUM_FINITE;
    out->negative = negative;
}

void
num_from_int64(Arena *a, int64_t v, Num *out)
{
    num_from_int128(a, v, 0, out);
}

Datum
numeric_pack_int128(Arena *a, Int128 coefficient, int scale)
{
    if (LIKELY(coefficient > -SMALL_LIMIT && coefficient < SMALL_LIMIT && scale <= SMALL_SCALE_MAX))
        return numeric_pack_small(a, (int64_t)coefficient, scale);
    Num x;
    num_from_int128(a, coefficient, scale, &x);
    return numeric_pack(a, &x);
}

int
num_exponent(const Num *x)
{
    ASSERT(x->n > 0);
    int digits = 1;
    while (digits < LIMB_DIGITS && x->limb[0] >= pow10_u64[digits])
        digits++;
    return x->weight * LIMB_DIGITS + digits - 1;
}

/* The value as an integer at its own scale; it must have at most 18 digits. */
static int64_t
small_coefficient(const Num *x)
{
    UInt128 m = 0;
    for (int i = 0; i < x->n; i++)
        m = m * LIMB_BASE + x->limb[i];
    /* m counts units of 10^(9 * lowest); wanted are units of 10^-scale. */
    int shift = LIMB_DIGITS * (x->weight - x->n + 1) + x->scale;
    for (; shift > 0; shift--)
        m *= 10;
    if (shift < 0)
        m /= pow10_u64[-shift];
    return x->negative ? -(int64_t)m : (int64_t)m;
}

Datum
numeric_pack(Arena *a, const Num *x)
{
    if (UNLIKELY(x->kind != NUM_FINITE))
        return numeric_pack_special(a, x->kind);
    if (UNLIKELY(x->scale > NUMERIC_SCALE_LIMIT))
        raise_numeric_overflow();
    if (x->n == 0 && x->scale <= SMALL_SCALE_MAX)
        return numeric_pack_small(a, 0, x->scale);
    if (x->n > 0) {
        int exponent = num_exponent(x);
        if (exponent + 1 + x->scale <= 18 && x->scale <= SMALL_SCALE_MAX)
            return numeric_pack_small(a, small_coefficient(x), x->scale);
        if (UNLIKELY(exponent >= NUMERIC_WEIGHT_LIMIT))
            raise_numeric_overflow();
    }
    char *p;
    Datum d = var_alloc(a, 6 + 4 * (size_t)x->n, &p);
    p[0] = (char)(TAG_BIG | (x->negative && x->n > 0));
    p[1] = 0;
    store_u16(p + 2, (uint16_t)x->scale);
    store_u16(p + 4, (uint16_t)(int16_t)x->weight);
    if (x->n > 0)
        memcpy(p + 6, x->limb, 4 * (size_t)x->n);
    return d;
}

void
numeric_unpack(Arena *a, Datum d, Num *out)
{
    int64_t coefficient;
    int scale;
    if (numeric_small(d, &coefficient, &scale)) {
        num_from_int128(a, coefficient, scale, out);
        return;
    }
    const char *p = var_data(d);
    unsigned char tag = (unsigned char)*p;
    if (tag >= TAG_NAN) {
        *out = num_zero;
        out->kind = (NumKind)(tag - TAG_NAN + NUM_NAN);
        return;
    }
    out->kind = NUM_FINITE;
    out->negative = tag & 1;
    out->scale = load_u16(p + 2);
    out->weight = (int16_t)load_u16(p + 4);
    out->n = (int)((var_len(d) - 6) / 4);
    /* The value may stand unaligned in a page. */
    out->limb = out->n > 0 ? arena_memdup(a, p + 6, 4 * (size_t)out->n) : num_zero.limb;
}

double
num_to_double(const Num *x)
{
    /* Up to 45 digits decide the value but for ties, which 2^-150 off do not matter to estimates. */
    char text[80];
    int n = 0;
    if (x->kind != NUM_FINITE)
        return x->kind == NUM_NAN ? (double)NAN : x->kind == NUM_INF ? HUGE_VAL : -HUGE_VAL;
    if (x->n == 0)
        return 0;
    if (x->negative)
        text[n++] = '-';
    int limbs = MIN(x->n, 5);
    for (int i = 0; i < limbs; i++) {
        uint32_t v = x->limb[i];
        for (int k = LIMB_DIGITS - 1; k >= 0; k--, v /= 10)
            text[n + k] = (char)('0' + v % 10);
        n += LIMB_DIGITS;
    }
    text[n++] = 'e';
    n += (int)int64_to_text((x->weight - limbs + 1) * LIMB_DIGITS, text + n);
    text[n] = '\0';
    return strtod(text, NULL);
}

bool
num_to_int64(Arena *a, const Num *x, int64_t *out)
{
    Num r = *x;
    num_round(a, &r, 0);
    if (r.n == 0) {
        *out = 0;
        return true;
    }
    if (r.weight > 2)
        return false;
    UInt128 m = 0;
    for (int i = 0; i <= r.weight; i++)
        m = m * LIMB_BASE + (i < r.n ? r.limb[i] : 0);
    if (m > (UInt128)INT64_MAX + r.negative)
        return false;
    *out = r.negative ? (int64_t)(0 - (uint64_t)m) : (int64_t)m;
    return true;
}

int
num_nbase_room(const Num *x)
{
    return x->n * 3 + 2;
}

/* Writes decimal digits aligned to groups of four around the decimal point, then packs the groups. */
int
num_to_nbase(const Num *x, int16_t *digits, int *weight)
{
    *weight = 0;
    if (x->n == 0)
        return 0;
    int top = x->weight * LIMB_DIGITS + LIMB_DIGITS - 1; /* exponent of the first stored digit */
    int group = top >= 0 ? top / 4 : -((-top + 3) / 4);  /* of that digit */
    int n = 0, in_group = top - group * 4, value = 0;
    for (int i = 0; i < x->n; i++) {
        for (int k = LIMB_DIGITS - 1; k >= 0; k--) {
            value = value * 10 + (int)(x->limb[i] / pow10_u64[k] % 10);
            if (in_group-- == 0) {
                digits[n++] = (int16_t)value;
                value = 0;
                in_group = 3;
            }
        }
    }
    if (in_group != 3)
        digits[n++] = (int16_t)(value * (int)pow10_u64[in_group + 1]);
    int from = 0;
    while (from < n && digits[from] == 0)
        from++;
    while (n > from && digits[n - 1] == 0)
        n--;
    memmove(digits, digits + from, sizeof(int16_t) * (size_t)(n - from));
    *weight = group - from;
    return n - from;
}
