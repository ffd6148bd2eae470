/*
 * numeric: square root, exponential, logarithms, powers and what else needs more than the four rules.
 *
 * Values are computed with a dozen digits more than are shown, so that rounding gives the correctly
 * rounded result but in one case of 10^12. What makes the answers PostgreSQL's is the number of
 * digits shown, the `scale`, which is chosen from the same estimates that it makes.
 */
#include "core/types/numeric.h"

#include "core/base/interrupt.h"
#include "core/types/number.h"

#define SCALAR(name) Datum name(FnCtx *c, const Datum *args, bool *isnull)
#define GUARD_DIGITS 12
#define LN10 2.302585092994046
#define LOG10_E 0.434294481903252

static inline int
floor_div(int x, int by)
{
    return x >= 0 ? x / by : -((-x + by - 1) / by);
}

static int
sign_of(const Num *x)
{
    if (x->kind == NUM_INF)
        return 1;
    if (x->kind == NUM_NEG_INF)
        return -1;
    return x->n == 0 ? 0 : x->negative ? -1 : 1;
}

/* Weight of the first base-10000 digit, in which PostgreSQL's estimates are made. 0 for zero. */
static int
nbase_weight(const Num *x)
{
    return x->n ? floor_div(num_exponent(x), 4) : 0;
}

/* The first one or two base-10000 digits as a number, and the decimal exponent of its last digit. */
static double
leading_digits(const Num *x, int groups, int *exponent)
{
    int16_t digits[16];
    int weight;
    Num head = *x;
    head.n = MIN(x->n, 4);
    int n = num_to_nbase(&head, digits, &weight);
    double v = digits[0];
    *exponent = weight * 4;
    for (int i = 1; i < groups && i < n; i++) {
        v = v * 10000 + digits[i];
        *exponent -= 4;
    }
    return v;
}

static inline int
clamp_scale(int scale)
{
    return MIN(MAX(scale, 0), NUMERIC_MAX_DISPLAY_SCALE);
}

/* ---- square root ---- */

/*
 * Heron's iteration with the precision doubled each time, from a double's 15 digits. The argument is
 * shifted by an even number of limbs into 1 <= y < 10^18 first, so that it fits a double.
 */
void
num_sqrt(Arena *a, const Num *x, int scale, Num *out)
{
    if (x->n == 0) {
        *out = num_zero;
        out->scale = scale;
        return;
    }
    int half = floor_div(x->weight, 2);
    Num y = *x, s, q, sum;
    y.weight -= 2 * half;
    int target = MAX(scale + half * LIMB_DIGITS, 0) + GUARD_DIGITS;
    /* 15 good digits; the root is below 10^9. */
    double root = sqrt(num_to_double(&y));
    num_from_int128(a, (Int128)(root * 1e9), 9, &s);
    static const uint32_t two_limb[1] = {2};
    const Num two = {.limb = two_limb, .n = 1};
    for (int digits = 15;; digits *= 2) {
        int at = MIN(digits, target);
        num_div(a, &y, &s, at + 4, true, &q);
        num_add(a, &s, &q, &sum);
        num_div(a, &sum, &two, at + 4, true, &s);
        if (digits >= target)
            break;
        CHECK_INTERRUPTS();
    }
    s.weight += s.n ? half : 0;
    /* Roots that lie on (or next to) the middle between two results are told by squaring that middle. */
    Num middle, five, unit;
    num_trunc(a, &s, scale);
    num_from_int128(a, 5, scale + 1, &five);
    num_add(a, &s, &five, &middle);
    num_mul_exact(a, &middle, &middle, &q);
    if (num_compare(x, &q) >= 0) {
        num_from_int128(a, 1, scale, &unit);
        num_add(a, &s, &unit, out);
    } else {
        *out = s;
    }
    out->scale = scale;
}

SCALAR(fn_numeric_sqrt)
{
    Num x, r;
    numeric_unpack(c->arena, args[0], &x);
    if (x.kind == NUM_NAN || x.kind == NUM_INF)
        return args[0];
    if (x.kind == NUM_NEG_INF || (x.n > 0 && x.negative))
        RAISE(SQLSTATE_INVALID_ARGUMENT_FOR_POWER_FUNCTION, "cannot take square root of a negative number");
    int scale = NUMERIC_MIN_SIG_DIGITS - (nbase_weight(&x) * 2 + 1);
    scale = clamp_scale(MAX(scale, x.scale));
    num_sqrt(c->arena, &x, scale, &r);
    return numeric_pack(c->arena, &r);
}

/* ---- natural logarithm ---- */

/* Estimate of the decimal weight of ln(x); how PostgreSQL chooses scales. */
static int
ln_weight(Arena *a, const Num *x)
{
    static const uint32_t nine_limb[1] = {900000000}, eleven_limb[2] = {1, 100000000};
    const Num nine_tenths = {.limb = nine_limb, .n = 1, .weight = -1, .scale = 1};
    const Num eleven_tenths = {.limb = eleven_limb, .n = 2, .weight = 0, .scale = 1};
    int exponent;
    if (x->negative || x->n == 0)
        return 0;
    if (num_compare(x, &nine_tenths) >= 0 && num_compare(x, &eleven_tenths) <= 0) {
        Num d;
        num_sub(a, x, &num_one, &d);
        if (d.n == 0)
            return 0;
        double head = leading_digits(&d, 1, &exponent);
        return exponent + (int)log10(head);
    }
    double head = leading_digits(x, 2, &exponent);
    double ln = log(head) + exponent * LN10;
    return (int)log10(fabs(ln));
}

/*
 * A double's logarithm l gives the first digits: ln(x) = l + ln(x * e^-l), whose argument is within
 * about 10^-13 of 1, where ln(y) = 2 * (z + z^3/3 + z^5/5 ...) with z = (y - 1) / (y + 1) needs few terms.
 */
static void
ln_direct(Arena *a, const Num *x, int scale, Num *out)
{
    int exponent;
    double head = leading_digits(x, 4, &exponent);
    double estimate = log(head) + exponent * LN10; /* |estimate| < 63: x has at most 27 digits either way */
    int work = scale + GUARD_DIGITS;
    Num first, minus, inverse, y, above, below, z, zz, power, sum, t, next;
    num_from_int128(a, (Int128)(estimate * 1e13), 13, &first);
    num_sub(a, &num_zero, &first, &minus);
    /* e^-l is about 1/x: as many digits as make its product with x good to `work` digits. */
    num_exp(a, &minus, MAX(work + num_exponent(x) + 2, 0), &inverse);
    num_mul(a, x, &inverse, work, &y);
    num_sub(a, &y, &num_one, &above);
    num_add(a, &y, &num_one, &below);
    num_div(a, &above, &below, work, true, &z);
    num_mul(a, &z, &z, work, &zz);
    sum = power = z;
    for (uint32_t k = 3; power.n > 0; k += 2) {
        num_mul(a, &power, &zz, work, &next);
        power = next;
        if (power.n == 0)
            break;
        num_div_small(a, &power, k, work, &t);
        num_add(a, &sum, &t, &next);
        sum = next;
        CHECK_INTERRUPTS();
    }
    num_add(a, &sum, &sum, &t);
    num_add(a, &first, &t, out);
    num_round(a, out, scale);
    out->scale = scale;
}

void
num_ln(Arena *a, const Num *x, int scale, Num *out)
{
    ASSERT(!x->negative && x->n > 0);
    if (x->weight > -3 && x->weight < 3) {
        ln_direct(a, x, scale, out);
        return;
    }
    /* x = m * 10^(9 w): ln x = ln m + 9 w ln 10. */
    int work = scale + GUARD_DIGITS;
    Num m = *x, ten, count, sum, product;
    m.weight = 0;
    num_round(a, &m, work + LIMB_DIGITS);
    Num ln_m;
    ln_direct(a, &m, work, &ln_m);
    num_from_int64(a, (int64_t)x->weight * LIMB_DIGITS, &count);
    ln_direct(a, &num_ten, work + 7, &ten);
    num_mul_exact(a, &ten, &count, &product);
    num_add(a, &ln_m, &product, &sum);
    num_round(a, &sum, scale);
    *out = sum;
    out->scale = scale;
}

static void
check_log_argument(const Num *x)
{
    if (x->kind == NUM_NEG_INF || (x->kind == NUM_FINITE && x->n > 0 && x->negative))
        RAISE(SQLSTATE_INVALID_ARGUMENT_FOR_LOG, "cannot take logarithm of a negative number");
    if (x->kind == NUM_FINITE && x->n == 0)
        RAISE(SQLSTATE_INVALID_ARGUMENT_FOR_LOG, "cannot take logarithm of zero");
}

SCALAR(fn_numeric_ln)
{
    Num x, r;
    numeric_unpack(c->arena, args[0], &x);
    if (x.kind == NUM_NAN)
        return args[0];
    check_log_argument(&x);
    if (x.kind == NUM_INF)
        return args[0];
    int scale = NUMERIC_MIN_SIG_DIGITS - ln_weight(c->arena, &x);
    scale = clamp_scale(MAX(scale, x.scale));
    num_ln(c->arena, &x, scale, &r);
    return numeric_pack(c->arena, &r);
}

/* log(base, x) */
static Datum
logarithm(Arena *a, const Num *base, const Num *x)
{
    if (base->kind == NUM_NAN || x->kind == NUM_NAN)
        return numeric_pack_special(a, NUM_NAN);
    /* Next to an infinity the signs of both are looked at before zeros. */
    if (base->kind != NUM_FINITE || x->kind != NUM_FINITE) {
        if (sign_of(base) < 0)
            check_log_argument(base);
        if (sign_of(x) < 0)
            check_log_argument(x);
    }
    check_log_argument(base);
    check_log_argument(x);
    if (base->kind == NUM_INF)
        return x->kind == NUM_INF ? numeric_pack_special(a, NUM_NAN) : numeric_pack_small(a, 0, 0);
    if (x->kind == NUM_INF)
        return numeric_pack_special(a, NUM_INF);
    int base_weight = ln_weight(a, base), x_weight = ln_weight(a, x);
    int result_weight = x_weight - base_weight;
    int scale = NUMERIC_MIN_SIG_DIGITS - result_weight;
    scale = clamp_scale(MAX(scale, MAX(base->scale, x->scale)));
    Num ln_base, ln_x, r;
    int base_scale = MAX(scale + result_weight - base_weight + GUARD_DIGITS, 0);
    int x_scale = MAX(scale + result_weight - x_weight + GUARD_DIGITS, 0);
    num_ln(a, base, base_scale, &ln_base);
    num_ln(a, x, x_scale, &ln_x);
    num_div(a, &ln_x, &ln_base, scale, true, &r);
    return numeric_pack(a, &r);
}

SCALAR(fn_numeric_log)
{
    Num base, x;
    numeric_unpack(c->arena, args[0], &base);
    numeric_unpack(c->arena, args[1], &x);
    return logarithm(c->arena, &base, &x);
}

SCALAR(fn_numeric_log10)
{
    Num x;
    numeric_unpack(c->arena, args[0], &x);
    return logarithm(c->arena, &num_ten, &x);
}

/* ---- exponential ---- */

/* e^x = (e^(x / 2^n))^(2^n), the inner one by its power series. */
void
num_exp(Arena *a, const Num *x, int scale, Num *out)
{
    double v = num_to_double(x);
    if (fabs(v) >= NUMERIC_MAX_RESULT_SCALE * 3) {
        if (v > 0)
            raise_numeric_overflow();
        *out = num_zero;
        out->scale = scale;
        return;
    }
    int halvings = 0;
    for (double t = fabs(v); t > 0.01; t /= 2)
        halvings++;
    int digits = MAX(scale + (int)(v * LOG10_E), 0) + GUARD_DIGITS + halvings * 302 / 1000 + 2;
    Num y, term, sum, next;
    num_div_small(a, x, 1u << halvings, digits, &y);
    sum = term = num_one;
    for (uint32_t k = 1;; k++) {
        num_mul(a, &term, &y, digits, &next);
        num_div_small(a, &next, k, digits, &term);
        if (term.n == 0)
            break;
        num_add(a, &sum, &term, &next);
        sum = next;
        CHECK_INTERRUPTS();
    }
    while (halvings-- > 0) {
        num_mul_exact(a, &sum, &sum, &next);
        sum = next;
        num_round(a, &sum, MAX(digits - num_exponent(&sum), 0));
    }
    num_round(a, &sum, scale);
    *out = sum;
    out->scale = scale;
}

SCALAR(fn_numeric_exp)
{
    Num x, r;
    numeric_unpack(c->arena, args[0], &x);
    if (x.kind == NUM_NAN || x.kind == NUM_INF)
        return args[0];
    if (x.kind == NUM_NEG_INF)
        return numeric_pack_small(c->arena, 0, 0);
    /* The result's decimal weight, kept to what scales can express. */
    double weight = num_to_double(&x) * LOG10_E;
    weight = MIN(MAX(weight, -NUMERIC_MAX_RESULT_SCALE), NUMERIC_MAX_RESULT_SCALE);
    int scale = NUMERIC_MIN_SIG_DIGITS - (int)weight;
    scale = clamp_scale(MAX(scale, x.scale));
    num_exp(c->arena, &x, scale, &r);
    return numeric_pack(c->arena, &r);
}

/* ---- powers ---- */

static void
zero_of_scale(int scale, Num *out)
{
    *out = num_zero;
    out->scale = scale;
}

/*
 * base^exp for a whole exponent, by repeated squaring with as many digits as the result can show and
 * a few more for what each multiplication rounds away.
 */
static void
power_int(Arena *a, const Num *base, int exp, int scale, Num *out)
{
    switch (exp) {
    case 0:
        *out = num_one; /* 0^0 too */
        out->scale = scale;
        return;
    case 1:
        *out = *base;
        num_round(a, out, scale);
        out->scale = scale;
        return;
    case -1:
        num_div(a, &num_one, base, scale, true, out);
        return;
    case 2:
        num_mul(a, base, base, scale, out);
        return;
    default:
        break;
    }
    if (base->n == 0) {
        if (exp < 0)
            raise_division_by_zero();
        zero_of_scale(scale, out);
        return;
    }
    int exponent;
    double head = leading_digits(base, 4, &exponent);
    double weight = exp * (log10(head) + exponent);
    if (weight > NUMERIC_WEIGHT_LIMIT + 2)
        raise_numeric_overflow();
    if (weight + 1 < -scale || weight + 1 < -NUMERIC_MAX_DISPLAY_SCALE) {
        zero_of_scale(scale, out);
        return;
    }
    int digits = 1 + scale + (int)weight + (int)log(fabs((double)exp)) + 8 + 4;
    uint32_t mask = exp < 0 ? 0u - (uint32_t)exp : (uint32_t)exp;
    Num square = *base, result = mask & 1 ? *base : num_one, next;
    while ((mask >>= 1) > 0) {
        num_mul_exact(a, &square, &square, &next);
        square = next;
        num_round(a, &square, MAX(digits - num_exponent(&square), 0));
        if (mask & 1) {
            num_mul_exact(a, &square, &result, &next);
            result = next;
            if (result.n > 0)
                num_round(a, &result, MAX(digits - num_exponent(&result), 0));
        }
        /* Past what the format holds the answer is known. */
        if (square.n == 0 || result.n == 0 || nbase_weight(&square) > INT16_MAX || nbase_weight(&result) > INT16_MAX) {
            if (exp > 0 && square.n > 0 && result.n > 0)
                raise_numeric_overflow();
            zero_of_scale(scale, out);
            return;
        }
        CHECK_INTERRUPTS();
    }
    if (exp < 0) {
        num_div(a, &num_one, &result, scale, true, out);
    } else {
        *out = result;
        num_round(a, out, scale);
        out->scale = scale;
    }
}

static void
power(Arena *a, const Num *base_in, const Num *exp, Num *out)
{
    int64_t whole;
    bool integer = num_is_integer(exp);
    if (integer && num_to_int64(a, exp, &whole) && whole >= INT32_MIN && whole <= INT32_MAX) {
        power_int(a, base_in, (int)whole, clamp_scale(MAX(NUMERIC_MIN_SIG_DIGITS, base_in->scale)), out);
        return;
    }
    if (base_in->n == 0) {
        zero_of_scale(NUMERIC_MIN_SIG_DIGITS, out);
        return;
    }
    Num base = *base_in;
    bool negative = false;
    if (base.negative) {
        if (!integer)
            RAISE(SQLSTATE_INVALID_ARGUMENT_FOR_POWER_FUNCTION,
                  "a negative number raised to a non-integer power yields a complex result");
        /* Odd when the limb of the units is. */
        negative = exp->n > 0 && exp->n == exp->weight + 1 && (exp->limb[exp->n - 1] & 1);
        base.negative = false;
    }
    /* The result's weight, from exp * ln(base) taken with about eight digits. */
    Num ln_base, product;
    int weight_of_ln = ln_weight(a, &base);
    int work = MAX(8 - weight_of_ln, 0);
    num_ln(a, &base, work, &ln_base);
    num_mul(a, &ln_base, exp, work, &product);
    double v = num_to_double(&product);
    if (fabs(v) > NUMERIC_MAX_RESULT_SCALE * 3.01) {
        if (v > 0)
            raise_numeric_overflow();
        zero_of_scale(NUMERIC_MAX_DISPLAY_SCALE, out);
        return;
    }
    v *= LOG10_E;
    int scale = NUMERIC_MIN_SIG_DIGITS - (int)v;
    scale = clamp_scale(MAX(scale, MAX(base.scale, exp->scale)));
    int digits = MAX(scale + (int)v, 0);
    work = MAX(digits - weight_of_ln + GUARD_DIGITS, 0);
    num_ln(a, &base, work, &ln_base);
    num_mul(a, &ln_base, exp, work, &product);
    num_exp(a, &product, scale, out);
    if (negative && out->n > 0)
        out->negative = true;
}

static bool
is_one(const Num *x)
{
    return x->kind == NUM_FINITE && num_compare(x, &num_one) == 0;
}

/* pow() of POSIX where NaN and infinity take part. */
static Datum
power_special(Arena *a, const Num *x, const Num *y)
{
    if (x->kind == NUM_NAN || y->kind == NUM_NAN) {
        bool one = (y->kind == NUM_FINITE && y->n == 0) || is_one(x);
        return one ? numeric_pack_small(a, 1, 0) : numeric_pack_special(a, NUM_NAN);
    }
    int sx = sign_of(x), sy = sign_of(y);
    bool y_finite = y->kind == NUM_FINITE;
    if (sx == 0 && sy < 0)
        RAISE(SQLSTATE_INVALID_ARGUMENT_FOR_POWER_FUNCTION, "zero raised to a negative power is undefined");
    if (sx < 0 && y_finite && !num_is_integer(y))
        RAISE(SQLSTATE_INVALID_ARGUMENT_FOR_POWER_FUNCTION,
              "a negative number raised to a non-integer power yields a complex result");
    if (is_one(x) || sy == 0)
        return numeric_pack_small(a, 1, 0);
    if (sx == 0)
        return numeric_pack_small(a, 0, 0);
    if (!y_finite) {
        int c = x->kind != NUM_FINITE ? 1 : num_compare_magnitude(x, &num_one);
        if (c == 0) /* -1 */
            return numeric_pack_small(a, 1, 0);
        return (c > 0) == (sy > 0) ? numeric_pack_special(a, NUM_INF) : numeric_pack_small(a, 0, 0);
    }
    if (sy < 0)
        return numeric_pack_small(a, 0, 0);
    bool odd = y->n == y->weight + 1 && (y->limb[y->n - 1] & 1);
    return numeric_pack_special(a, sx < 0 && odd ? NUM_NEG_INF : NUM_INF);
}

SCALAR(fn_numeric_power)
{
    Arena *a = c->arena;
    Num x, y, r;
    numeric_unpack(a, args[0], &x);
    numeric_unpack(a, args[1], &y);
    if (x.kind != NUM_FINITE || y.kind != NUM_FINITE)
        return power_special(a, &x, &y);
    if (x.n == 0 && sign_of(&y) < 0)
        RAISE(SQLSTATE_INVALID_ARGUMENT_FOR_POWER_FUNCTION, "zero raised to a negative power is undefined");
    if (sign_of(&x) < 0 && !num_is_integer(&y))
        RAISE(SQLSTATE_INVALID_ARGUMENT_FOR_POWER_FUNCTION,
              "a negative number raised to a non-integer power yields a complex result");
    power(a, &x, &y, &r);
    return numeric_pack(a, &r);
}

/* ---- whole numbers ---- */

SCALAR(fn_numeric_factorial)
{
    int64_t n = datum_int64(args[0]);
    if (n < 0)
        RAISE(SQLSTATE_NUMERIC_VALUE_OUT_OF_RANGE, "factorial of a negative number is undefined");
    if (n > 32177)
        raise_numeric_overflow();
    /* Little-endian limbs; factors are gathered while their product fits a limb. */
    int cap = 14600, used = 1;
    uint32_t *limb = arena_alloc(c->arena, sizeof(uint32_t) * (size_t)cap);
    limb[0] = 1;
    for (int64_t k = 2; k <= n;) {
        uint64_t factor = (uint64_t)k++;
        while (k <= n && factor * (uint64_t)k < LIMB_BASE)
            factor *= (uint64_t)k++;
        uint64_t carry = 0;
        for (int i = 0; i < used; i++) {
            carry += limb[i] * factor;
            limb[i] = (uint32_t)(carry % LIMB_BASE);
            carry /= LIMB_BASE;
        }
        if (carry != 0)
            limb[used++] = (uint32_t)carry;
        ASSERT(used < cap);
        CHECK_INTERRUPTS();
    }
    uint32_t *ordered = arena_alloc(c->arena, sizeof(uint32_t) * (size_t)used);
    for (int i = 0; i < used; i++)
        ordered[i] = limb[used - 1 - i];
    Num r = {.limb = ordered, .n = used, .weight = used - 1, .kind = NUM_FINITE};
    while (r.n > 0 && ordered[r.n - 1] == 0)
        r.n--;
    return numeric_pack(c->arena, &r);
}

static void
gcd(Arena *a, const Num *x, const Num *y, Num *out)
{
    Num u = *x, v = *y;
    int scale = MAX(x->scale, y->scale);
    u.negative = v.negative = false;
    while (v.n > 0) {
        Num m;
        num_mod(a, &u, &v, &m);
        u = v;
        v = m;
        CHECK_INTERRUPTS();
    }
    *out = u;
    out->scale = scale;
}

SCALAR(fn_numeric_gcd)
{
    Num x, y, r;
    numeric_unpack(c->arena, args[0], &x);
    numeric_unpack(c->arena, args[1], &y);
    if (x.kind != NUM_FINITE || y.kind != NUM_FINITE)
        return numeric_pack_special(c->arena, NUM_NAN);
    gcd(c->arena, &x, &y, &r);
    return numeric_pack(c->arena, &r);
}

SCALAR(fn_numeric_lcm)
{
    Num x, y, g, q, r;
    numeric_unpack(c->arena, args[0], &x);
    numeric_unpack(c->arena, args[1], &y);
    if (x.kind != NUM_FINITE || y.kind != NUM_FINITE)
        return numeric_pack_special(c->arena, NUM_NAN);
    int scale = MAX(x.scale, y.scale);
    if (x.n == 0 || y.n == 0) {
        r = num_zero;
    } else {
        gcd(c->arena, &x, &y, &g);
        num_div(c->arena, &x, &g, 0, false, &q);
        num_mul_exact(c->arena, &y, &q, &r);
        r.negative = false;
    }
    r.scale = scale;
    return numeric_pack(c->arena, &r);
}

/* ---- width_bucket, in_range ---- */

SCALAR(fn_numeric_width_bucket)
{
    Arena *a = c->arena;
    int32_t count = datum_int32(args[3]);
    Num v, low, high, n;
    if (count <= 0)
        RAISE(SQLSTATE_INVALID_ARGUMENT_FOR_WIDTH_BUCKET_FUNCTION, "count must be greater than zero");
    numeric_unpack(a, args[0], &v);
    numeric_unpack(a, args[1], &low);
    numeric_unpack(a, args[2], &high);
    if (v.kind == NUM_NAN || low.kind == NUM_NAN || high.kind == NUM_NAN)
        RAISE(SQLSTATE_INVALID_ARGUMENT_FOR_WIDTH_BUCKET_FUNCTION,
              "operand, lower bound, and upper bound cannot be NaN");
    if (low.kind != NUM_FINITE || high.kind != NUM_FINITE)
        RAISE(SQLSTATE_INVALID_ARGUMENT_FOR_WIDTH_BUCKET_FUNCTION, "lower and upper bounds must be finite");
    int order = num_compare(&low, &high);
    if (order == 0)
        RAISE(SQLSTATE_INVALID_ARGUMENT_FOR_WIDTH_BUCKET_FUNCTION, "lower bound cannot equal upper bound");
    /* -1 before the first bucket, 1 behind the last, as the bounds are ordered. */
    int before, behind;
    if (v.kind == NUM_FINITE) {
        before = num_compare(&v, &low);
        behind = num_compare(&v, &high);
    } else {
        before = behind = sign_of(&v);
    }
    if (order < 0 ? before < 0 : before > 0)
        return int32_datum(0);
    if (order < 0 ? behind >= 0 : behind <= 0) {
        if (count == INT32_MAX)
            raise_int4_range();
        return int32_datum(count + 1);
    }
    Num at, span, scaled, q;
    num_from_int64(a, count, &n);
    num_sub(a, &v, &low, &at);
    num_sub(a, &high, &low, &span);
    num_mul_exact(a, &at, &n, &scaled);
    num_div(a, &scaled, &span, num_div_scale(&scaled, &span), true, &q);
    /* The quotient may round up to `count`; PostgreSQL 15 then gives the bucket behind the last. */
    int64_t bucket;
    num_floor(a, &q);
    if (!num_to_int64(a, &q, &bucket) || bucket >= INT32_MAX)
        raise_int4_range();
    return int32_datum((int32_t)bucket + 1);
}

SCALAR(fn_numeric_in_range)
{
    Arena *a = c->arena;
    bool sub = datum_bool(args[3]), less = datum_bool(args[4]);
    Num v, base, offset;
    numeric_unpack(a, args[0], &v);
    numeric_unpack(a, args[1], &base);
    numeric_unpack(a, args[2], &offset);
    if (offset.kind == NUM_NAN || sign_of(&offset) < 0)
        RAISE(SQLSTATE_INVALID_PRECEDING_OR_FOLLOWING_SIZE, "invalid preceding or following size in window function");
    if (v.kind == NUM_NAN)
        return bool_datum(base.kind == NUM_NAN ? true : !less);
    if (base.kind == NUM_NAN)
        return bool_datum(less);
    if (offset.kind == NUM_INF && base.kind == (sub ? NUM_INF : NUM_NEG_INF))
        return bool_datum(true);
    Datum bound = sub ? numeric_sub(a, args[1], args[2]) : numeric_add(a, args[1], args[2]);
    int r = numeric_compare(args[0], bound);
    return bool_datum(less ? r <= 0 : r >= 0);
}

/* ---- generate_series ---- */

typedef struct NumericSeries {
    Datum next, stop, step;
    size_t room; /* bytes at next, rewritten in place while values fit */
    int direction;
} NumericSeries;

static Datum
series_argument(FnCtx *c, Datum d, const char *what)
{
    NumKind kind = numeric_kind(d);
    if (kind == NUM_NAN)
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "%s cannot be NaN", what);
    if (kind != NUM_FINITE)
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "%s cannot be infinity", what);
    return datum_copy(c->state_arena, d, false, -1);
}

bool
set_numeric_series(FnCtx *c, const Datum *args, Datum *out, bool *outnull)
{
    NumericSeries *s = c->state;
    *outnull = false;
    if (s == NULL) {
        s = arena_alloc(c->state_arena, sizeof *s);
        s->next = series_argument(c, args[0], "start value");
        s->room = datum_bytes(s->next, -1);
        s->stop = series_argument(c, args[1], "stop value");
        s->step = c->nargs > 2 ? series_argument(c, args[2], "step size") : numeric_pack_small(c->state_arena, 1, 0);
        Num step;
        numeric_unpack(c->arena, s->step, &step);
        s->direction = sign_of(&step);
        if (s->direction == 0)
            RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "step size cannot equal zero");
        c->state = s;
    }
    if (numeric_compare(s->next, s->stop) * s->direction > 0) {
        c->state = NULL; /* the call site may be started again */
        return false;
    }
    *out = datum_copy(c->arena, s->next, false, -1);
    Datum next = numeric_add(c->arena, s->next, s->step);
    size_t bytes = datum_bytes(next, -1);
    if (bytes > s->room) {
        s->room = bytes + 16;
        s->next = ptr_datum(arena_alloc(c->state_arena, s->room));
    }
    memcpy((char *)(uintptr_t)s->next, datum_ptr(next), bytes);
    return true;
}
