/*
 * numeric: arithmetic on limbs of nine decimal digits.
 *
 * Schoolbook multiplication and Knuth's algorithm D for division: numbers of a few hundred digits are
 * the exception, and 81 digits of product fall out of one machine multiplication. Every operation is
 * exact or correctly rounded, halves away from zero.
 */
#include "core/types/numeric.h"

#include "core/base/interrupt.h"
#include "core/types/number.h"

/* A result under construction: limbs most significant first, possibly with zeros at both ends. */
static void
finish(uint32_t *limb, int n, int weight, bool negative, int scale, Num *out)
{
    while (n > 0 && *limb == 0) {
        limb++;
        n--;
        weight--;
    }
    while (n > 0 && limb[n - 1] == 0)
        n--;
    out->limb = limb;
    out->n = n;
    out->weight = n ? weight : 0;
    out->scale = scale;
    out->kind = NUM_FINITE;
    out->negative = n ? negative : false;
}

static uint32_t *
new_limbs(Arena *a, int n)
{
    return arena_alloc(a, sizeof(uint32_t) * (size_t)MAX(n, 1));
}

/* Limb of weight w; 0 outside of what is stored. */
static inline uint32_t
limb_at(const Num *x, int w)
{
    int i = x->weight - w;
    return i >= 0 && i < x->n ? x->limb[i] : 0;
}

int
num_compare_magnitude(const Num *x, const Num *y)
{
    if (x->n == 0 || y->n == 0)
        return (x->n != 0) - (y->n != 0);
    if (x->weight != y->weight)
        return x->weight > y->weight ? 1 : -1;
    int n = MIN(x->n, y->n);
    for (int i = 0; i < n; i++) {
        if (x->limb[i] != y->limb[i])
            return x->limb[i] > y->limb[i] ? 1 : -1;
    }
    return (x->n > n) - (y->n > n);
}

int
num_compare(const Num *x, const Num *y)
{
    if (x->n == 0 && y->n == 0)
        return 0;
    if (x->n == 0)
        return y->negative ? 1 : -1;
    if (y->n == 0)
        return x->negative ? -1 : 1;
    if (x->negative != y->negative)
        return x->negative ? -1 : 1;
    int c = num_compare_magnitude(x, y);
    return x->negative ? -c : c;
}

/* ---- addition ---- */

static void
add_magnitudes(Arena *a, const Num *x, const Num *y, bool negative, Num *out)
{
    int scale = MAX(x->scale, y->scale);
    if (x->n == 0 || y->n == 0) {
        *out = x->n == 0 ? *y : *x;
        out->scale = scale;
        out->negative = out->n ? negative : false;
        return;
    }
    int top = MAX(x->weight, y->weight) + 1;
    int bottom = MIN(x->weight - x->n, y->weight - y->n) + 1;
    int n = top - bottom + 1;
    uint32_t *r = new_limbs(a, n), carry = 0;
    for (int w = bottom; w <= top; w++) {
        uint32_t sum = limb_at(x, w) + limb_at(y, w) + carry;
        carry = sum >= LIMB_BASE;
        r[top - w] = carry ? sum - LIMB_BASE : sum;
    }
    finish(r, n, top, negative, scale, out);
}

/* x > y in magnitude. */
static void
sub_magnitudes(Arena *a, const Num *x, const Num *y, bool negative, Num *out)
{
    int scale = MAX(x->scale, y->scale), top = x->weight;
    int bottom = x->weight - x->n + 1;
    if (y->n > 0)
        bottom = MIN(bottom, y->weight - y->n + 1);
    int n = top - bottom + 1;
    uint32_t *r = new_limbs(a, n), borrow = 0;
    for (int w = bottom; w <= top; w++) {
        uint32_t from = limb_at(x, w), take = limb_at(y, w) + borrow;
        borrow = from < take;
        r[top - w] = borrow ? from + LIMB_BASE - take : from - take;
    }
    finish(r, n, top, negative, scale, out);
}

static void
add_signed(Arena *a, const Num *x, const Num *y, bool y_negative, Num *out)
{
    if (x->negative == y_negative || x->n == 0) {
        add_magnitudes(a, x, y, x->n ? x->negative : y_negative, out);
        return;
    }
    int c = num_compare_magnitude(x, y);
    if (c > 0) {
        sub_magnitudes(a, x, y, x->negative, out);
    } else if (c < 0) {
        sub_magnitudes(a, y, x, y_negative, out);
    } else {
        int scale = MAX(x->scale, y->scale);
        *out = num_zero;
        out->scale = scale;
    }
}

void
num_add(Arena *a, const Num *x, const Num *y, Num *out)
{
    add_signed(a, x, y, y->negative, out);
}

void
num_sub(Arena *a, const Num *x, const Num *y, Num *out)
{
    add_signed(a, x, y, y->n ? !y->negative : false, out);
}

/* ---- multiplication ---- */

void
num_mul_exact(Arena *a, const Num *x, const Num *y, Num *out)
{
    int scale = x->scale + y->scale;
    if (x->n == 0 || y->n == 0) {
        *out = num_zero;
        out->scale = scale;
        return;
    }
    int n = x->n + y->n;
    uint32_t *r = new_limbs(a, n);
    memset(r, 0, sizeof(uint32_t) * (size_t)n);
    if (n > 2000)
        CHECK_INTERRUPTS();
    for (int i = x->n - 1; i >= 0; i--) {
        uint64_t f = x->limb[i], carry = 0;
        uint32_t *at = r + i + 1;
        for (int j = y->n - 1; j >= 0; j--) {
            carry += at[j] + f * y->limb[j];
            at[j] = (uint32_t)(carry % LIMB_BASE);
            carry /= LIMB_BASE;
        }
        r[i] = (uint32_t)carry;
        if ((i & 1023) == 0 && y->n > 1000)
            CHECK_INTERRUPTS();
    }
    finish(r, n, x->weight + y->weight + 1, x->negative != y->negative, scale, out);
}

void
num_mul(Arena *a, const Num *x, const Num *y, int scale, Num *out)
{
    num_mul_exact(a, x, y, out);
    num_round(a, out, scale);
    out->scale = MAX(scale, 0);
}

/* ---- rounding ---- */

/* Floor division for exponents. */
static inline int
floor_div(int x, int by)
{
    return x >= 0 ? x / by : -((-x + by - 1) / by);
}

static void
cut(Arena *a, Num *x, int scale, bool round)
{
    int kept = -scale; /* exponent of the last decimal digit kept */
    int new_scale = MAX(scale, 0);
    if (x->n == 0 || kept <= (x->weight - x->n + 1) * LIMB_DIGITS) {
        x->scale = new_scale;
        return;
    }
    int limb_weight = floor_div(kept, LIMB_DIGITS);
    int inside = kept - limb_weight * LIMB_DIGITS; /* digits of that limb to drop */
    int index = x->weight - limb_weight;
    if (index < -1) {
        *x = num_zero;
        x->scale = new_scale;
        return;
    }
    /* One zero limb in front takes a carry; a second one when nothing is kept but a carry. */
    int front = index < 0 ? 2 : 1;
    int n = MIN(index + 1, x->n) + front;
    int last = index + front; /* where the limb of the last kept digit is */
    uint32_t *r = new_limbs(a, last + 1);
    memset(r, 0, sizeof(uint32_t) * (size_t)(last + 1));
    memcpy(r + front, x->limb, sizeof(uint32_t) * (size_t)(n - front));
    bool up = false;
    if (inside > 0) {
        up = r[last] / pow10_u64[inside - 1] % 10 >= 5;
        r[last] -= (uint32_t)(r[last] % pow10_u64[inside]);
    } else {
        up = index + 1 < x->n && x->limb[index + 1] >= LIMB_BASE / 2;
    }
    if (round && up) {
        int i = last;
        r[i] += (uint32_t)pow10_u64[inside];
        while (r[i] >= LIMB_BASE) {
            r[i] -= LIMB_BASE;
            r[--i]++;
        }
    }
    finish(r, last + 1, x->weight + front, x->negative, new_scale, x);
}

void
num_round(Arena *a, Num *x, int scale)
{
    cut(a, x, scale, true);
}

void
num_trunc(Arena *a, Num *x, int scale)
{
    cut(a, x, scale, false);
}

bool
num_is_integer(const Num *x)
{
    return x->n == 0 || x->n <= x->weight + 1;
}

void
num_floor(Arena *a, Num *x)
{
    bool integer = num_is_integer(x), negative = x->negative;
    num_trunc(a, x, 0);
    if (!integer && negative) {
        Num t = *x;
        num_sub(a, &t, &num_one, x);
    }
}

void
num_ceil(Arena *a, Num *x)
{
    bool integer = num_is_integer(x), negative = x->negative;
    num_trunc(a, x, 0);
    if (!integer && !negative) {
        Num t = *x;
        num_add(a, &t, &num_one, x);
    }
}

int
num_min_scale(const Num *x)
{
    if (num_is_integer(x))
        return 0;
    int scale = (x->n - x->weight - 1) * LIMB_DIGITS;
    for (uint32_t last = x->limb[x->n - 1]; last % 10 == 0; last /= 10)
        scale--;
    return scale;
}

/* ---- division ---- */

/*
 * q = u / v, truncated; u has m + n limbs (u[0] is a spare zero), v has n >= 2 with v[0] >= BASE / 2; q
 * gets m limbs. Knuth, The Art of Computer Programming, volume 2, 4.3.1, algorithm D. u is destroyed.
 */
static void
divide_limbs(uint32_t *u, int m, const uint32_t *v, int n, uint32_t *q)
{
    for (int j = 0; j < m; j++) {
        uint64_t head = (uint64_t)u[j] * LIMB_BASE + u[j + 1];
        uint64_t guess = head / v[0], rest = head % v[0];
        while (guess >= LIMB_BASE || guess * v[1] > rest * LIMB_BASE + u[j + 2]) {
            guess--;
            rest += v[0];
            if (rest >= LIMB_BASE)
                break;
        }
        if (guess != 0) {
            uint64_t carry = 0;
            uint32_t borrow = 0;
            for (int i = n - 1; i >= 0; i--) {
                carry += guess * v[i];
                uint32_t take = (uint32_t)(carry % LIMB_BASE) + borrow;
                carry /= LIMB_BASE;
                borrow = u[j + i + 1] < take;
                u[j + i + 1] = borrow ? u[j + i + 1] + LIMB_BASE - take : u[j + i + 1] - take;
            }
            uint64_t take = carry + borrow;
            if (u[j] < take) { /* one too many: add the divisor back */
                guess--;
                uint32_t back = 0;
                for (int i = n - 1; i >= 0; i--) {
                    uint32_t sum = u[j + i + 1] + v[i] + back;
                    back = sum >= LIMB_BASE;
                    u[j + i + 1] = back ? sum - LIMB_BASE : sum;
                }
            }
            u[j] = 0;
        }
        q[j] = (uint32_t)guess;
    }
}

/* The quotient's limbs down to weight `lowest`, truncated. */
static void
divide_to_weight(Arena *a, const Num *x, const Num *y, int lowest, Num *out)
{
    int top = x->weight - y->weight; /* the quotient's first limb, perhaps 0 */
    int m = top - lowest + 1;
    bool negative = x->negative != y->negative;
    if (x->n == 0 || m <= 0) {
        *out = num_zero;
        return;
    }
    uint32_t *q = new_limbs(a, m + 1);
    if (y->n == 1) {
        uint64_t rest = 0;
        for (int i = 0; i < m; i++) {
            rest = rest * LIMB_BASE + (i < x->n ? x->limb[i] : 0);
            q[i] = (uint32_t)(rest / y->limb[0]);
            rest %= y->limb[0];
        }
        finish(q, m, top, negative, 0, out);
        return;
    }
    /* u: a spare limb, then x cut or filled up to what m quotient limbs need. */
    int n = y->n, length = m + n;
    uint32_t *u = new_limbs(a, length + 1), *v = new_limbs(a, n);
    uint32_t factor = LIMB_BASE / (y->limb[0] + 1);
    uint64_t carry = 0;
    u[length] = 0;
    for (int i = length - 1; i >= 1; i--) {
        carry += (uint64_t)(i - 1 < x->n ? x->limb[i - 1] : 0) * factor;
        u[i] = (uint32_t)(carry % LIMB_BASE);
        carry /= LIMB_BASE;
    }
    u[0] = (uint32_t)carry;
    carry = 0;
    for (int i = n - 1; i >= 0; i--) {
        carry += (uint64_t)y->limb[i] * factor;
        v[i] = (uint32_t)(carry % LIMB_BASE);
        carry /= LIMB_BASE;
    }
    divide_limbs(u, m, v, n, q);
    finish(q, m, top, negative, 0, out);
}

void
num_div(Arena *a, const Num *x, const Num *y, int scale, bool round, Num *out)
{
    if (y->n == 0)
        raise_division_by_zero();
    /* One digit behind the last decides the rounding, since what follows was truncated. */
    divide_to_weight(a, x, y, floor_div(-scale - 1, LIMB_DIGITS), out);
    cut(a, out, scale, round);
    out->scale = MAX(scale, 0);
}

void
num_div_small(Arena *a, const Num *x, uint32_t y, int scale, Num *out)
{
    const uint32_t limb[1] = {y};
    const Num divisor = {.limb = limb, .n = 1};
    num_div(a, x, &divisor, scale, true, out);
}

void
num_mod(Arena *a, const Num *x, const Num *y, Num *out)
{
    Num q, p;
    int scale = MAX(x->scale, y->scale);
    num_div(a, x, y, 0, false, &q);
    num_mul_exact(a, &q, y, &p);
    num_sub(a, x, &p, out);
    out->scale = scale;
}

/*
 * The scale of a quotient: at least NUMERIC_MIN_SIG_DIGITS significant digits, no less than either
 * argument's. PostgreSQL estimates the quotient's weight in digits of base 10000, and so must we.
 */
static int
div_scale(int xe, int x_first, int xs, int ye, int y_first, int ys)
{
    int weight = xe - ye;
    if (x_first <= y_first)
        weight--;
    int scale = NUMERIC_MIN_SIG_DIGITS - weight * 4;
    scale = MAX(scale, xs);
    scale = MAX(scale, ys);
    scale = MAX(scale, 0);
    return MIN(scale, NUMERIC_MAX_DISPLAY_SCALE);
}

/* Weight and value of the first base-10000 digit; both 0 for zero. */
static void
first_nbase(const Num *x, int *weight, int *digit)
{
    *weight = *digit = 0;
    if (x->n == 0)
        return;
    int exponent = num_exponent(x);
    *weight = floor_div(exponent, 4);
    int wanted = exponent - *weight * 4 + 1; /* decimal digits in it */
    /* Two limbs hold at least ten digits from the first one on. */
    uint64_t head = (uint64_t)x->limb[0] * LIMB_BASE + (x->n > 1 ? x->limb[1] : 0);
    int have = exponent - x->weight * LIMB_DIGITS + 1 + LIMB_DIGITS;
    *digit = (int)(head / pow10_u64[have - wanted]);
}

int
num_div_scale(const Num *x, const Num *y)
{
    int xw, xd, yw, yd;
    first_nbase(x, &xw, &xd);
    first_nbase(y, &yw, &yd);
    return div_scale(xw, xd, x->scale, yw, yd, y->scale);
}

static void
first_nbase_small(int64_t v, int scale, int *weight, int *digit)
{
    uint64_t m = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    *weight = *digit = 0;
    if (m == 0)
        return;
    int digits = ((64 - __builtin_clzll(m)) * 1233) >> 12;
    digits += m >= pow10_u64[digits];
    int exponent = digits - 1 - scale;
    *weight = floor_div(exponent, 4);
    int wanted = exponent - *weight * 4 + 1;
    *digit = (int)(digits >= wanted ? m / pow10_u64[digits - wanted] : m * pow10_u64[wanted - digits]);
}

int
numeric_div_scale_small(int64_t x, int xs, int64_t y, int ys)
{
    int xw, xd, yw, yd;
    first_nbase_small(x, xs, &xw, &xd);
    first_nbase_small(y, ys, &yw, &yd);
    return div_scale(xw, xd, xs, yw, yd, ys);
}
