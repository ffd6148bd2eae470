/*
 * numeric: the operators and simple functions over values, each with its fast path for two small
 * values in 128-bit integers; comparison, hashing, casts. Transcendental functions: numeric_math.c.
 */
#include "core/types/numeric.h"

#include <stdio.h>

#include "core/base/hash.h"
#include "core/types/kernel.h"
#include "core/types/number.h"
#include "core/types/pg_hash.h"

#define SCALAR(name) Datum name(FnCtx *c, const Datum *args, bool *isnull)

/* ---- comparison ---- */

/* -Infinity < numbers < Infinity < NaN, NaN equal to itself. */
static inline int
kind_rank(NumKind k)
{
    return k == NUM_NEG_INF ? 0 : k == NUM_FINITE ? 1 : k == NUM_INF ? 2 : 3;
}

static int
compare_general(Datum x, Datum y)
{
    NumKind kx = numeric_kind(x), ky = numeric_kind(y);
    if (kx != NUM_FINITE || ky != NUM_FINITE)
        return kind_rank(kx) - kind_rank(ky) < 0 ? -1 : kind_rank(kx) > kind_rank(ky);
    /* No arena comes with a comparison: unpack into one of our own, emptied each time. */
    static Arena *scratch;
    if (scratch == NULL)
        scratch = arena_create(arena_top(), "numeric comparison");
    ArenaMark mark = arena_mark(scratch);
    Num a, b;
    numeric_unpack(scratch, x, &a);
    numeric_unpack(scratch, y, &b);
    int r = num_compare(&a, &b);
    arena_release(scratch, mark);
    return r;
}

static inline int
compare_small(int64_t a, int as, int64_t b, int bs)
{
    if (LIKELY(as == bs))
        return (a > b) - (a < b);
    if ((a < 0) != (b < 0) || a == 0 || b == 0)
        return (a > b) - (a < b);
    Int128 wa = a, wb = b;
    int shift = as - bs;
    /* Beyond 18 digits the one with fewer decimals is far larger. */
    if (shift > 18)
        return b < 0 ? 1 : -1;
    if (shift < -18)
        return a < 0 ? -1 : 1;
    if (shift > 0)
        wb *= (int64_t)pow10_u64[shift];
    else
        wa *= (int64_t)pow10_u64[-shift];
    return (wa > wb) - (wa < wb);
}

int
numeric_compare(Datum x, Datum y)
{
    int64_t a, b;
    int as, bs;
    if (LIKELY(numeric_small(x, &a, &as) && numeric_small(y, &b, &bs)))
        return compare_small(a, as, b, bs);
    return compare_general(x, y);
}

SCALAR(fn_numeric_eq) { return numeric_compare(args[0], args[1]) == 0; }
SCALAR(fn_numeric_ne) { return numeric_compare(args[0], args[1]) != 0; }
SCALAR(fn_numeric_lt) { return numeric_compare(args[0], args[1]) < 0; }
SCALAR(fn_numeric_le) { return numeric_compare(args[0], args[1]) <= 0; }
SCALAR(fn_numeric_gt) { return numeric_compare(args[0], args[1]) > 0; }
SCALAR(fn_numeric_ge) { return numeric_compare(args[0], args[1]) >= 0; }
SCALAR(fn_numeric_cmp) { return int32_datum(numeric_compare(args[0], args[1])); }
SCALAR(fn_numeric_larger) { return numeric_compare(args[0], args[1]) > 0 ? args[0] : args[1]; }
SCALAR(fn_numeric_smaller) { return numeric_compare(args[0], args[1]) < 0 ? args[0] : args[1]; }

#define COMPARE_BATCH(name, OP)                                                                      \
    int name(FnCtx *c, int n, const uint16_t *sel, const Vec *const *args, Vec *out)                 \
    {                                                                                                \
        FOR_ROWS (row, n, sel)                                                                       \
            out->v[row] = numeric_compare(vec_get(args[0], row), vec_get(args[1], row)) OP 0;        \
        return -1;                                                                                   \
    }

COMPARE_BATCH(batch_numeric_eq, ==)
COMPARE_BATCH(batch_numeric_ne, !=)
COMPARE_BATCH(batch_numeric_lt, <)
COMPARE_BATCH(batch_numeric_le, <=)
COMPARE_BATCH(batch_numeric_gt, >)
COMPARE_BATCH(batch_numeric_ge, >=)

/* ---- hashing: equal values of any scale hash alike ---- */

uint64_t
numeric_hash(Datum d, Oid collation)
{
    int64_t c;
    int scale;
    if (!numeric_small(d, &c, &scale)) {
        NumKind kind = numeric_kind(d);
        if (kind != NUM_FINITE)
            return hash_u64((uint64_t)kind + 0x4e756d);
        /* Trailing zeros may hide a value that has a small form of another scale. */
        const char *p = var_data(d);
        int n = (int)((var_len(d) - 6) / 4);
        int weight = (int16_t)load_u16(p + 4);
        if (n == 0)
            return hash_u64(0);
        uint32_t first = load_u32(p + 6), last = load_u32(p + 6 + 4 * (n - 1));
        int lead = 1, trail = 0;
        while (lead < LIMB_DIGITS && first >= pow10_u64[lead])
            lead++;
        while (last % 10 == 0) {
            last /= 10;
            trail++;
        }
        int digits = (n - 1) * LIMB_DIGITS + lead - trail;
        if (digits > 18)
            return hash_bytes_seed(p + 6, 4 * (size_t)n, (uint64_t)weight * 2 + (p[0] & 1));
        UInt128 m = 0;
        for (int i = 0; i < n; i++)
            m = m * LIMB_BASE + load_u32(p + 6 + 4 * i);
        c = (int64_t)(m / pow10_u64[trail]);
        if (p[0] & 1)
            c = -c;
        scale = -((weight - n + 1) * LIMB_DIGITS + trail);
    } else {
        if (c == 0)
            return hash_u64(0);
        while (c % 10 == 0) {
            c /= 10;
            scale--;
        }
    }
    return hash_u64((uint64_t)c + (uint64_t)(int64_t)scale * UINT64_C(0x9E3779B97F4A7C15));
}

/* hash_numeric(): PostgreSQL's number, made of base-10000 digits and the weight. */
static bool
hash_digits(Arena *a, Datum d, int16_t **digits, int *n, int *weight)
{
    Num x;
    numeric_unpack(a, d, &x);
    if (x.kind != NUM_FINITE)
        return false;
    *digits = arena_alloc(a, sizeof(int16_t) * (size_t)num_nbase_room(&x));
    *n = num_to_nbase(&x, *digits, weight);
    return true;
}

SCALAR(fn_hash_numeric)
{
    int16_t *digits;
    int n, weight;
    if (!hash_digits(c->arena, args[0], &digits, &n, &weight))
        return 0;
    if (n == 0)
        return int32_datum(-1);
    return int32_datum((int32_t)(pg_hash_bytes(digits, (size_t)n * 2) ^ (uint32_t)weight));
}

SCALAR(fn_hash_numeric_extended)
{
    int16_t *digits;
    int n, weight;
    uint64_t seed = args[1];
    if (!hash_digits(c->arena, args[0], &digits, &n, &weight))
        return seed;
    if (n == 0)
        return seed - 1;
    return pg_hash_bytes_extended(digits, (size_t)n * 2, seed) ^ (uint64_t)(int64_t)weight;
}

/* ---- addition, subtraction, multiplication ---- */

/* c * 10^by fits 128 bits for |c| < 10^18 and by <= 18. */
static inline bool
align(int64_t a, int as, int64_t b, int bs, Int128 *wa, Int128 *wb, int *scale)
{
    int shift = as - bs;
    *wa = a;
    *wb = b;
    *scale = as;
    if (LIKELY(shift == 0))
        return true;
    if (shift > 18 || shift < -18)
        return false;
    if (shift > 0) {
        *wb *= (int64_t)pow10_u64[shift];
    } else {
        *wa *= (int64_t)pow10_u64[-shift];
        *scale = bs;
    }
    return true;
}

static Datum
add_general(Arena *a, Datum x, Datum y, bool subtract)
{
    Num nx, ny, r;
    numeric_unpack(a, x, &nx);
    numeric_unpack(a, y, &ny);
    if (nx.kind != NUM_FINITE || ny.kind != NUM_FINITE) {
        NumKind ky = ny.kind;
        if (subtract)
            ky = ky == NUM_INF ? NUM_NEG_INF : ky == NUM_NEG_INF ? NUM_INF : ky;
        if (nx.kind == NUM_NAN || ky == NUM_NAN)
            return numeric_pack_special(a, NUM_NAN);
        if (nx.kind != NUM_FINITE && ky != NUM_FINITE && nx.kind != ky)
            return numeric_pack_special(a, NUM_NAN);
        return numeric_pack_special(a, nx.kind != NUM_FINITE ? nx.kind : ky);
    }
    if (subtract)
        num_sub(a, &nx, &ny, &r);
    else
        num_add(a, &nx, &ny, &r);
    return numeric_pack(a, &r);
}

Datum
numeric_add(Arena *a, Datum x, Datum y)
{
    int64_t cx, cy;
    int sx, sy, scale;
    Int128 wx, wy;
    if (LIKELY(numeric_small(x, &cx, &sx) && numeric_small(y, &cy, &sy)) && align(cx, sx, cy, sy, &wx, &wy, &scale))
        return numeric_pack_int128(a, wx + wy, scale);
    return add_general(a, x, y, false);
}

Datum
numeric_sub(Arena *a, Datum x, Datum y)
{
    int64_t cx, cy;
    int sx, sy, scale;
    Int128 wx, wy;
    if (LIKELY(numeric_small(x, &cx, &sx) && numeric_small(y, &cy, &sy)) && align(cx, sx, cy, sy, &wx, &wy, &scale))
        return numeric_pack_int128(a, wx - wy, scale);
    return add_general(a, x, y, true);
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

static Datum
pack_infinity(Arena *a, int sign)
{
    return numeric_pack_special(a, sign < 0 ? NUM_NEG_INF : NUM_INF);
}

static Datum
mul_general(Arena *a, Datum x, Datum y)
{
    Num nx, ny, r;
    numeric_unpack(a, x, &nx);
    numeric_unpack(a, y, &ny);
    if (nx.kind != NUM_FINITE || ny.kind != NUM_FINITE) {
        int sign = sign_of(&nx) * sign_of(&ny);
        if (nx.kind == NUM_NAN || ny.kind == NUM_NAN || sign == 0)
            return numeric_pack_special(a, NUM_NAN);
        return pack_infinity(a, sign);
    }
    num_mul_exact(a, &nx, &ny, &r);
    if (r.scale > NUMERIC_SCALE_LIMIT)
        num_round(a, &r, NUMERIC_SCALE_LIMIT);
    return numeric_pack(a, &r);
}

Datum
numeric_mul(Arena *a, Datum x, Datum y)
{
    int64_t cx, cy;
    int sx, sy;
    if (LIKELY(numeric_small(x, &cx, &sx) && numeric_small(y, &cy, &sy)))
        return numeric_pack_int128(a, (Int128)cx * cy, sx + sy);
    return mul_general(a, x, y);
}

SCALAR(fn_numeric_add) { return numeric_add(c->arena, args[0], args[1]); }
SCALAR(fn_numeric_sub) { return numeric_sub(c->arena, args[0], args[1]); }
SCALAR(fn_numeric_mul) { return numeric_mul(c->arena, args[0], args[1]); }

/* Overflow of the format is raised from inside: these never report a row. */
#define ARITHMETIC_BATCH(name, fn)                                                                   \
    int name(FnCtx *c, int n, const uint16_t *sel, const Vec *const *args, Vec *out)                 \
    {                                                                                                \
        FOR_ROWS (row, n, sel)                                                                       \
            out->v[row] = fn(c->arena, vec_get(args[0], row), vec_get(args[1], row));                \
        return -1;                                                                                   \
    }

ARITHMETIC_BATCH(batch_numeric_add, numeric_add)
ARITHMETIC_BATCH(batch_numeric_sub, numeric_sub)
ARITHMETIC_BATCH(batch_numeric_mul, numeric_mul)

/* ---- division ---- */

static Datum
div_general(Arena *a, Datum x, Datum y)
{
    Num nx, ny, r;
    numeric_unpack(a, x, &nx);
    numeric_unpack(a, y, &ny);
    if (nx.kind != NUM_FINITE || ny.kind != NUM_FINITE) {
        if (nx.kind == NUM_NAN || ny.kind == NUM_NAN)
            return numeric_pack_special(a, NUM_NAN);
        if (nx.kind == NUM_FINITE)
            return numeric_pack_small(a, 0, 0);
        if (ny.kind != NUM_FINITE)
            return numeric_pack_special(a, NUM_NAN);
        if (ny.n == 0)
            raise_division_by_zero();
        return pack_infinity(a, sign_of(&nx) * sign_of(&ny));
    }
    num_div(a, &nx, &ny, num_div_scale(&nx, &ny), true, &r);
    return numeric_pack(a, &r);
}

/*
 * x * 10^shift / y in 128 bits, rounded half away from zero; false when the scaled dividend does not
 * fit. PostgreSQL's scale for a quotient of small values is 16 to 20 mostly, so it nearly always does.
 */
static inline bool
div_small(int64_t x, int xs, int64_t y, int ys, int *scale, Int128 *out)
{
    *scale = numeric_div_scale_small(x, xs, y, ys);
    int shift = *scale + ys - xs;
    if (shift < 0 || shift > 36)
        return false;
    UInt128 m = x < 0 ? 0 - (uint64_t)x : (uint64_t)x;
    uint64_t by = y < 0 ? 0 - (uint64_t)y : (uint64_t)y;
    if (shift > 18) {
        m *= pow10_u64[18]; /* below 10^36 */
        shift -= 18;
    }
    if (m > (UInt128)pow10_u64[18] * pow10_u64[19] / pow10_u64[shift])
        return false;
    m *= pow10_u64[shift];
    UInt128 q;
    uint64_t r;
    if ((uint64_t)(m >> 64) == 0) {
        q = (uint64_t)m / by;
        r = (uint64_t)m % by;
    } else {
        q = m / by;
        r = (uint64_t)(m % by);
    }
    q += r >= by - r;
    *out = (x < 0) != (y < 0) ? -(Int128)q : (Int128)q;
    return true;
}

Datum
numeric_div(Arena *a, Datum x, Datum y)
{
    int64_t cx, cy;
    int sx, sy, scale;
    Int128 q;
    if (LIKELY(numeric_small(x, &cx, &sx) && numeric_small(y, &cy, &sy))) {
        if (UNLIKELY(cy == 0))
            raise_division_by_zero();
        if (div_small(cx, sx, cy, sy, &scale, &q))
            return numeric_pack_int128(a, q, scale);
    }
    return div_general(a, x, y);
}

/* sum / count with PostgreSQL's scale: what avg() of integers gives. */
Datum
numeric_quotient_int64(Arena *a, int64_t sum, int64_t count)
{
    return numeric_div(a, numeric_from_int64(a, sum), numeric_from_int64(a, count));
}

SCALAR(fn_numeric_div) { return numeric_div(c->arena, args[0], args[1]); }

/* What x mod y and x div y are when one of them is no finite number; false: both are. */
static bool
special_quotient(Arena *a, const Num *x, const Num *y, Datum *out)
{
    if (x->kind == NUM_FINITE && y->kind == NUM_FINITE)
        return false;
    if (x->kind != NUM_NAN && y->kind == NUM_FINITE && y->n == 0)
        raise_division_by_zero();
    *out = numeric_pack_special(a, NUM_NAN);
    return true;
}

SCALAR(fn_numeric_mod)
{
    Arena *a = c->arena;
    int64_t cx, cy;
    int sx, sy, scale;
    Int128 wx, wy;
    if (numeric_small(args[0], &cx, &sx) && numeric_small(args[1], &cy, &sy) &&
        align(cx, sx, cy, sy, &wx, &wy, &scale)) {
        if (cy == 0)
            raise_division_by_zero();
        return numeric_pack_int128(a, wx % wy, scale);
    }
    Num x, y, r;
    Datum special;
    numeric_unpack(a, args[0], &x);
    numeric_unpack(a, args[1], &y);
    if (x.kind == NUM_FINITE && (y.kind == NUM_INF || y.kind == NUM_NEG_INF))
        return args[0];
    if (special_quotient(a, &x, &y, &special))
        return special;
    num_mod(a, &x, &y, &r);
    return numeric_pack(a, &r);
}

SCALAR(fn_numeric_div_trunc)
{
    Num x, y, r;
    Datum special;
    numeric_unpack(c->arena, args[0], &x);
    numeric_unpack(c->arena, args[1], &y);
    if (x.kind == NUM_FINITE && (y.kind == NUM_INF || y.kind == NUM_NEG_INF))
        return numeric_pack_small(c->arena, 0, 0);
    if ((x.kind == NUM_INF || x.kind == NUM_NEG_INF) && y.kind == NUM_FINITE && y.n > 0)
        return pack_infinity(c->arena, sign_of(&x) * sign_of(&y));
    if (special_quotient(c->arena, &x, &y, &special))
        return special;
    num_div(c->arena, &x, &y, 0, false, &r);
    return numeric_pack(c->arena, &r);
}

/* ---- signs and rounding ---- */

static Datum
negate(Arena *a, Datum d)
{
    Num x;
    numeric_unpack(a, d, &x);
    if (x.kind == NUM_NAN)
        return d;
    if (x.kind != NUM_FINITE)
        return pack_infinity(a, -sign_of(&x));
    x.negative = x.n ? !x.negative : false;
    return numeric_pack(a, &x);
}

SCALAR(fn_numeric_uplus) { return args[0]; }

SCALAR(fn_numeric_uminus)
{
    int64_t v;
    int scale;
    if (numeric_small(args[0], &v, &scale))
        return numeric_pack_small(c->arena, -v, scale);
    return negate(c->arena, args[0]);
}

SCALAR(fn_numeric_abs)
{
    int64_t v;
    int scale;
    if (numeric_small(args[0], &v, &scale))
        return v < 0 ? numeric_pack_small(c->arena, -v, scale) : args[0];
    Num x;
    numeric_unpack(c->arena, args[0], &x);
    return sign_of(&x) < 0 ? negate(c->arena, args[0]) : args[0];
}

SCALAR(fn_numeric_sign)
{
    Num x;
    numeric_unpack(c->arena, args[0], &x);
    return x.kind == NUM_NAN ? args[0] : numeric_pack_small(c->arena, sign_of(&x), 0);
}

/* round(x, n) and trunc(x, n); n defaults to 0 and is held to what a result can have. */
static Datum
cut_to_scale(FnCtx *c, const Datum *args, void (*cut)(Arena *, Num *, int))
{
    Num x;
    int scale = c->nargs > 1 ? datum_int32(args[1]) : 0;
    numeric_unpack(c->arena, args[0], &x);
    if (x.kind != NUM_FINITE)
        return args[0];
    scale = MAX(scale, -NUMERIC_MAX_RESULT_SCALE);
    scale = MIN(scale, NUMERIC_MAX_RESULT_SCALE);
    cut(c->arena, &x, scale);
    return numeric_pack(c->arena, &x);
}

SCALAR(fn_numeric_round)
{
    int64_t v;
    int scale, to = c->nargs > 1 ? datum_int32(args[1]) : 0;
    if (numeric_small(args[0], &v, &scale) && to >= 0 && to <= scale && scale - to <= 18) {
        if (to == scale)
            return args[0];
        int64_t unit = (int64_t)pow10_u64[scale - to], q = v / unit, r = v % unit;
        q += r >= unit / 2 ? 1 : -r >= unit / 2 ? -1 : 0;
        return numeric_pack_small(c->arena, q, to);
    }
    return cut_to_scale(c, args, num_round);
}

SCALAR(fn_numeric_trunc) { return cut_to_scale(c, args, num_trunc); }

SCALAR(fn_numeric_ceil)
{
    Num x;
    numeric_unpack(c->arena, args[0], &x);
    if (x.kind != NUM_FINITE)
        return args[0];
    num_ceil(c->arena, &x);
    return numeric_pack(c->arena, &x);
}

SCALAR(fn_numeric_floor)
{
    Num x;
    numeric_unpack(c->arena, args[0], &x);
    if (x.kind != NUM_FINITE)
        return args[0];
    num_floor(c->arena, &x);
    return numeric_pack(c->arena, &x);
}

SCALAR(fn_numeric_scale)
{
    Num x;
    numeric_unpack(c->arena, args[0], &x);
    *isnull = x.kind != NUM_FINITE;
    return int32_datum(x.scale);
}

SCALAR(fn_numeric_min_scale)
{
    Num x;
    numeric_unpack(c->arena, args[0], &x);
    *isnull = x.kind != NUM_FINITE;
    return *isnull ? 0 : int32_datum(num_min_scale(&x));
}

SCALAR(fn_numeric_trim_scale)
{
    Num x;
    numeric_unpack(c->arena, args[0], &x);
    if (x.kind != NUM_FINITE)
        return args[0];
    x.scale = num_min_scale(&x);
    return numeric_pack(c->arena, &x);
}

SCALAR(fn_numeric_inc) { return numeric_add(c->arena, args[0], numeric_pack_small(c->arena, 1, 0)); }

/* numeric(x, typmod) */
SCALAR(fn_numeric_typmod) { return numeric_apply_typmod(c->arena, args[0], datum_int32(args[1])); }

/* int8_sum(numeric, int8): the old transition function, null-aware. */
SCALAR(fn_numeric_int8_sum_step)
{
    if (c->argnull[1]) {
        *isnull = c->argnull[0];
        return args[0];
    }
    Datum y = numeric_from_int64(c->arena, datum_int64(args[1]));
    return c->argnull[0] ? y : numeric_add(c->arena, args[0], y);
}

/* ---- casts ---- */

Datum
numeric_from_int64(Arena *a, int64_t v)
{
    return numeric_pack_int128(a, v, 0);
}

SCALAR(fn_numeric_from_int) { return numeric_from_int64(c->arena, datum_int64(args[0])); }

/* Through the digits the type guarantees: 15 and 6. */
static Datum
from_double(Arena *a, double v, int digits)
{
    char text[64];
    if (isnan(v))
        return numeric_pack_special(a, NUM_NAN);
    if (isinf(v))
        return pack_infinity(a, v < 0 ? -1 : 1);
    int n = snprintf(text, sizeof text, "%.*g", digits, v);
    return numeric_from_text(a, text, (size_t)n, -1);
}

SCALAR(fn_numeric_from_float8) { return from_double(c->arena, datum_float8(args[0]), 15); }
SCALAR(fn_numeric_from_float4) { return from_double(c->arena, (double)datum_float4(args[0]), 6); }

static const char *
to_text(Arena *a, Datum d)
{
    StrBuf s;
    str_init(&s, a);
    numeric_print(d, &s);
    return s.data;
}

SCALAR(fn_float8_from_numeric)
{
    int64_t v;
    int scale;
    /* Exact operands, one rounding: the quotient is the nearest double. */
    if (numeric_small(args[0], &v, &scale) && v >= -(INT64_C(1) << 53) && v <= INT64_C(1) << 53 && scale <= 18)
        return float8_datum((double)v / (double)pow10_u64[scale]);
    const char *text = to_text(c->arena, args[0]);
    return float8_datum(float8_from_text(text, NULL, "double precision", text));
}

SCALAR(fn_float4_from_numeric)
{
    const char *text = to_text(c->arena, args[0]);
    return float4_datum(float4_from_text(text, NULL, "real", text));
}

double
numeric_to_float8(Datum d)
{
    int64_t v;
    int scale;
    if (numeric_small(d, &v, &scale) && v >= -(INT64_C(1) << 53) && v <= INT64_C(1) << 53 && scale <= 18)
        return (double)v / (double)pow10_u64[scale];
    Arena *scratch = arena_create(arena_top(), "numeric to float8");
    Num x;
    numeric_unpack(scratch, d, &x);
    double r = num_to_double(&x);
    arena_destroy(scratch);
    return r;
}

static bool
to_int64(Arena *a, Datum d, int64_t *out)
{
    int64_t v;
    int scale;
    if (numeric_small(d, &v, &scale) && scale <= 18) {
        int64_t unit = (int64_t)pow10_u64[scale], q = v / unit, r = v % unit;
        if (unit > 1)
            q += r >= unit / 2 ? 1 : -r >= unit / 2 ? -1 : 0;
        *out = q;
        return true;
    }
    Num x;
    numeric_unpack(a, d, &x);
    return x.kind == NUM_FINITE && num_to_int64(a, &x, out);
}

bool
numeric_to_int64(Datum d, int64_t *out)
{
    int64_t v;
    int scale;
    if (numeric_small(d, &v, &scale) && scale <= 18)
        return to_int64(NULL, d, out);
    Arena *scratch = arena_create(arena_top(), "numeric to int8");
    bool ok = to_int64(scratch, d, out);
    arena_destroy(scratch);
    return ok;
}

#define TO_INT(name, type_name, ctype, raise)                                                        \
    SCALAR(name)                                                                                     \
    {                                                                                                \
        int64_t v;                                                                                   \
        NumKind kind = numeric_kind(args[0]);                                                        \
        if (UNLIKELY(kind == NUM_NAN))                                                               \
            RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "cannot convert NaN to " type_name);               \
        if (UNLIKELY(kind != NUM_FINITE))                                                            \
            RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "cannot convert infinity to " type_name);          \
        if (UNLIKELY(!to_int64(c->arena, args[0], &v) || v != (ctype)v))                             \
            raise();                                                                                 \
        return int64_datum(v);                                                                       \
    }

TO_INT(fn_int2_from_numeric, "smallint", int16_t, raise_int2_range)
TO_INT(fn_int4_from_numeric, "integer", int32_t, raise_int4_range)
TO_INT(fn_int8_from_numeric, "bigint", int64_t, raise_int8_range)
