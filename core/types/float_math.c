/*
 * Mathematical functions of float8, with PostgreSQL's errors, and its exact results at the round
 * angles of the functions in degrees; random() by xoroshiro128**, so that setseed() gives the same
 * series as PostgreSQL 15.
 */
#include "core/types/number.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

#include "core/base/clock.h"

#define SCALAR(name) Datum name(FnCtx *c, const Datum *args, bool *isnull)
#define X datum_float8(args[0])
#define Y datum_float8(args[1])

#define RADIANS_PER_DEGREE 0.0174532925199432957692

NORETURN static void
raise_input_range(void)
{
    RAISE(SQLSTATE_NUMERIC_VALUE_OUT_OF_RANGE, "input is out of range");
}

/* ---- rounding and roots ---- */

SCALAR(fn_float8_round) { return float8_datum(rint(X)); }
SCALAR(fn_float8_ceil) { return float8_datum(ceil(X)); }
SCALAR(fn_float8_floor) { return float8_datum(floor(X)); }
SCALAR(fn_float8_trunc) { return float8_datum(X >= 0 ? floor(X) : -floor(-X)); }
SCALAR(fn_float8_sign) { return float8_datum(X > 0 ? 1.0 : X < 0 ? -1.0 : 0.0); }

SCALAR(fn_float8_sqrt)
{
    double x = X;
    if (x < 0)
        RAISE(SQLSTATE_INVALID_ARGUMENT_FOR_POWER_FUNCTION, "cannot take square root of a negative number");
    return float8_datum(sqrt(x));
}

SCALAR(fn_float8_cbrt) { return float8_datum(cbrt(X)); }

/* ---- powers and logarithms ---- */

SCALAR(fn_float8_power)
{
    double x = X, y = Y;
    if (isnan(x))
        return float8_datum(y == 0 ? 1.0 : x);
    if (isnan(y))
        return float8_datum(x == 1 ? 1.0 : y);
    if (x == 0 && y < 0)
        RAISE(SQLSTATE_INVALID_ARGUMENT_FOR_POWER_FUNCTION, "zero raised to a negative power is undefined");
    if (x < 0 && isfinite(y) && floor(y) != y)
        RAISE(SQLSTATE_INVALID_ARGUMENT_FOR_POWER_FUNCTION,
              "a negative number raised to a non-integer power yields a complex result");
    double r;
    if (isinf(y)) {
        double a = fabs(x);
        if (a == 1)
            r = 1;
        else
            r = (y > 0) == (a > 1) ? HUGE_VAL : 0;
        return float8_datum(r);
    }
    if (isinf(x)) {
        if (y == 0)
            r = 1;
        else if (x > 0)
            r = y > 0 ? x : 0;
        else {
            bool odd = fmod(y, 2) != 0;
            r = y > 0 ? (odd ? x : -x) : (odd ? -0.0 : 0.0);
        }
        return float8_datum(r);
    }
    r = pow(x, y);
    if (isnan(r) || isinf(r))
        raise_float_overflow();
    if (r == 0 && x != 0)
        raise_float_underflow();
    return float8_datum(r);
}

SCALAR(fn_float8_exp)
{
    double x = X;
    if (isnan(x))
        return args[0];
    if (isinf(x))
        return float8_datum(x > 0 ? x : 0.0);
    double r = exp(x);
    if (isinf(r))
        raise_float_overflow();
    if (r == 0)
        raise_float_underflow();
    return float8_datum(r);
}

static void
check_log_argument(double x)
{
    if (x == 0)
        RAISE(SQLSTATE_INVALID_ARGUMENT_FOR_LOG, "cannot take logarithm of zero");
    if (x < 0)
        RAISE(SQLSTATE_INVALID_ARGUMENT_FOR_LOG, "cannot take logarithm of a negative number");
}

SCALAR(fn_float8_ln)
{
    double x = X;
    check_log_argument(x);
    return float8_datum(log(x));
}

SCALAR(fn_float8_log10)
{
    double x = X;
    check_log_argument(x);
    return float8_datum(log10(x));
}

/* ---- trigonometry in radians ---- */

/* An infinite angle has no sine; NaN passes through. */
#define TRIG(name, expr)                                                                             \
    SCALAR(name)                                                                                     \
    {                                                                                                \
        double x = X;                                                                                \
        if (isinf(x))                                                                                \
            raise_input_range();                                                                     \
        return float8_datum(expr);                                                                   \
    }

TRIG(fn_float8_sin, sin(x))
TRIG(fn_float8_cos, cos(x))
TRIG(fn_float8_tan, tan(x))
TRIG(fn_float8_cot, 1.0 / tan(x))

#define INVERSE_TRIG(name, expr)                                                                     \
    SCALAR(name)                                                                                     \
    {                                                                                                \
        double x = X;                                                                                \
        if (x < -1 || x > 1)                                                                         \
            raise_input_range();                                                                     \
        return float8_datum(expr);                                                                   \
    }

INVERSE_TRIG(fn_float8_asin, asin(x))
INVERSE_TRIG(fn_float8_acos, acos(x))

SCALAR(fn_float8_atan) { return float8_datum(atan(X)); }
SCALAR(fn_float8_atan2) { return float8_datum(atan2(X, Y)); }

/* ---- hyperbolic ---- */

SCALAR(fn_float8_sinh) { return float8_datum(sinh(X)); }

SCALAR(fn_float8_cosh)
{
    return float8_datum(cosh(X));
}

SCALAR(fn_float8_tanh) { return float8_datum(tanh(X)); }
SCALAR(fn_float8_asinh) { return float8_datum(asinh(X)); }

SCALAR(fn_float8_acosh)
{
    if (X < 1)
        raise_input_range();
    return float8_datum(acosh(X));
}

SCALAR(fn_float8_atanh)
{
    double x = X;
    if (x < -1 || x > 1)
        raise_input_range();
    return float8_datum(x == -1 ? -HUGE_VAL : x == 1 ? HUGE_VAL : atanh(x));
}

/* ---- trigonometry in degrees ----
 *
 * Each quadrant function is scaled by its own computed value at 30, 45 or 60 degrees, so that these
 * angles give exactly 0.5, 1 and so on. The reference values are computed at run time by the same
 * library calls; `volatile` keeps the compiler from folding them with other rounding.
 */
static double
unit_sin_30(void)
{
    static volatile double thirty = 30.0;
    return sin(thirty * RADIANS_PER_DEGREE);
}

static double
unit_one_minus_cos_60(void)
{
    static volatile double sixty = 60.0;
    return 1.0 - cos(sixty * RADIANS_PER_DEGREE);
}

static double
unit(double (*fn)(double), double at)
{
    volatile double x = at;
    return fn(x);
}

static double
sind_0_to_30(double x)
{
    volatile double s = sin(x * RADIANS_PER_DEGREE);
    return (s / unit_sin_30()) / 2.0;
}

static double
cosd_0_to_60(double x)
{
    volatile double numerator = 1.0 - cos(x * RADIANS_PER_DEGREE);
    return 1.0 - (numerator / unit_one_minus_cos_60()) / 2.0;
}

static double
sind_quadrant(double x)
{
    return x <= 30.0 ? sind_0_to_30(x) : cosd_0_to_60(90.0 - x);
}

static double
cosd_quadrant(double x)
{
    return x <= 60.0 ? cosd_0_to_60(x) : sind_0_to_30(90.0 - x);
}

/* asin and acos of 0..1, in degrees. */
static double
asind_quadrant(double x)
{
    if (x <= 0.5) {
        volatile double a = asin(x);
        return (a / unit(asin, 0.5)) * 30.0;
    }
    volatile double a = acos(x);
    return 90.0 - (a / unit(acos, 0.5)) * 60.0;
}

static double
acosd_quadrant(double x)
{
    if (x <= 0.5) {
        volatile double a = asin(x);
        return 90.0 - (a / unit(asin, 0.5)) * 30.0;
    }
    volatile double a = acos(x);
    return (a / unit(acos, 0.5)) * 60.0;
}

/* Reduces to the first quadrant; the signs sine and cosine get are multiplied into *sin and *cos. */
static double
reduce_degrees(double x, int *sin_sign, int *cos_sign)
{
    x = fmod(x, 360.0);
    *sin_sign = *cos_sign = 1;
    if (x < 0) {
        x = -x;
        *sin_sign = -*sin_sign;
    }
    if (x > 180.0) {
        x = 360.0 - x;
        *sin_sign = -*sin_sign;
    }
    if (x > 90.0) {
        x = 180.0 - x;
        *cos_sign = -*cos_sign;
    }
    return x;
}

#define DEGREE_FN(name, expr)                                                                        \
    SCALAR(name)                                                                                     \
    {                                                                                                \
        double x = X;                                                                                \
        int s, k;                                                                                    \
        if (isnan(x))                                                                                \
            return args[0];                                                                          \
        if (isinf(x))                                                                                \
            raise_input_range();                                                                     \
        x = reduce_degrees(x, &s, &k);                                                               \
        (void)s, (void)k;                                                                            \
        return float8_datum(expr);                                                                   \
    }

/* tan and cot never give -0. */
static double
no_minus_zero(double r)
{
    return r == 0 ? 0 : r;
}

static double
tand_quadrant(double x)
{
    volatile double t = sind_quadrant(x) / cosd_quadrant(x);
    volatile double t45 = sind_quadrant(45.0) / cosd_quadrant(45.0);
    return t / t45;
}

static double
cotd_quadrant(double x)
{
    volatile double t = cosd_quadrant(x) / sind_quadrant(x);
    volatile double t45 = cosd_quadrant(45.0) / sind_quadrant(45.0);
    return t / t45;
}

DEGREE_FN(fn_float8_sind, s *sind_quadrant(x))
DEGREE_FN(fn_float8_cosd, k *cosd_quadrant(x))
DEGREE_FN(fn_float8_tand, no_minus_zero(s * k * tand_quadrant(x)))
DEGREE_FN(fn_float8_cotd, no_minus_zero(s * k * cotd_quadrant(x)))

INVERSE_TRIG(fn_float8_asind, x >= 0 ? asind_quadrant(x) : isnan(x) ? x : -asind_quadrant(-x))
INVERSE_TRIG(fn_float8_acosd, x >= 0 ? acosd_quadrant(x) : isnan(x) ? x : 90.0 + asind_quadrant(-x))

SCALAR(fn_float8_atand)
{
    volatile double a = atan(X);
    return float8_datum((a / unit(atan, 1.0)) * 45.0);
}

SCALAR(fn_float8_atan2d)
{
    volatile double a = atan2(X, Y);
    return float8_datum((a / unit(atan, 1.0)) * 45.0);
}

SCALAR(fn_float8_degrees)
{
    double x = X, r = x / RADIANS_PER_DEGREE;
    if (isinf(r) && !isinf(x))
        raise_float_overflow();
    return float8_datum(r);
}

SCALAR(fn_float8_radians)
{
    double x = X, r = x * RADIANS_PER_DEGREE;
    if (r == 0 && x != 0)
        raise_float_underflow();
    return float8_datum(r);
}

SCALAR(fn_pi) { return float8_datum(3.14159265358979323846); }

/* ---- width_bucket, in_range ---- */

SCALAR(fn_float8_width_bucket)
{
    double v = datum_float8(args[0]), low = datum_float8(args[1]), high = datum_float8(args[2]);
    int32_t count = datum_int32(args[3]);
    if (count <= 0)
        RAISE(SQLSTATE_INVALID_ARGUMENT_FOR_WIDTH_BUCKET_FUNCTION, "count must be greater than zero");
    if (isnan(v) || isnan(low) || isnan(high))
        RAISE(SQLSTATE_INVALID_ARGUMENT_FOR_WIDTH_BUCKET_FUNCTION,
              "operand, lower bound, and upper bound cannot be NaN");
    if (isinf(low) || isinf(high))
        RAISE(SQLSTATE_INVALID_ARGUMENT_FOR_WIDTH_BUCKET_FUNCTION, "lower and upper bounds must be finite");
    if (low == high)
        RAISE(SQLSTATE_INVALID_ARGUMENT_FOR_WIDTH_BUCKET_FUNCTION, "lower bound cannot equal upper bound");

    bool up = low < high;
    if (up ? v < low : v > low)
        return int32_datum(0);
    if (up ? v >= high : v <= high) {
        if (count == INT32_MAX)
            raise_int4_range();
        return int32_datum(count + 1);
    }
    /* PostgreSQL 15's order of operations, since rounding shows; it may round up to the bucket behind
     * the last. Where a product or span overflows (PostgreSQL gives nonsense) the fraction is taken alone. */
    double bucket = (double)count * (v - low) / (high - low) + 1;
    if (!isfinite(bucket))
        bucket = (double)count * ((v / 2 - low / 2) / (high / 2 - low / 2)) + 1;
    if (!(bucket < 0x1p31))
        raise_int4_range();
    return int32_datum((int32_t)bucket);
}

static Datum
float_in_range(double v, double base, double offset, bool sub, bool less)
{
    if (isnan(offset) || offset < 0)
        RAISE(SQLSTATE_INVALID_PRECEDING_OR_FOLLOWING_SIZE, "invalid preceding or following size in window function");
    if (isnan(v))
        return bool_datum(isnan(base) ? true : !less);
    if (isnan(base))
        return bool_datum(less);
    /* -inf + inf and inf - inf would be NaN: the frame then reaches over everything. */
    if (isinf(offset) && isinf(base) && (sub ? base > 0 : base < 0))
        return bool_datum(true);
    double bound = sub ? base - offset : base + offset;
    return bool_datum(less ? v <= bound : v >= bound);
}

SCALAR(fn_float8_in_range)
{
    return float_in_range(X, Y, datum_float8(args[2]), datum_bool(args[3]), datum_bool(args[4]));
}

SCALAR(fn_float4_in_range)
{
    return float_in_range((double)datum_float4(args[0]), (double)datum_float4(args[1]), datum_float8(args[2]),
                          datum_bool(args[3]), datum_bool(args[4]));
}

/* ---- random numbers ---- */

static uint64_t random_state[2];
static bool random_seeded; /* per session: nothing draws before the fork */

static uint64_t
split_mix(uint64_t *seed)
{
    uint64_t z = *seed += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static void
seed_random(uint64_t seed)
{
    random_state[0] = split_mix(&seed);
    random_state[1] = split_mix(&seed);
    random_seeded = true;
}

static inline uint64_t
rotl64(uint64_t x, int k)
{
    return x << k | x >> (64 - k);
}

/* xoroshiro128** (Blackman and Vigna, 2018). */
static uint64_t
next_random(void)
{
    uint64_t s0 = random_state[0], s1 = random_state[1] ^ s0;
    uint64_t r = rotl64(s0 * 5, 7) * 9;
    random_state[0] = rotl64(s0, 24) ^ s1 ^ s1 << 16;
    random_state[1] = rotl64(s1, 37);
    return r;
}

void
random_forget_seed(void)
{
    random_seeded = false;
}

SCALAR(fn_random)
{
    if (UNLIKELY(!random_seeded)) {
        uint64_t seed;
        if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != (ssize_t)sizeof seed)
            seed = (uint64_t)clock_now() ^ (uint64_t)getpid() << 40;
        seed_random(seed);
    }
    return float8_datum(ldexp((double)(next_random() >> 12), -52));
}

SCALAR(fn_setseed)
{
    double x = X;
    if (!(x >= -1 && x <= 1))
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "setseed parameter %g is out of allowed range [-1,1]", x);
    seed_random((uint64_t)(int64_t)((double)((UINT64_C(1) << 52) - 1) * x));
    return 0;
}
