/*
 * Integer functions, one row at a time. Because lanes are sign-extended, one function serves every
 * mix of widths: what counts is the width of the result. The batch forms are in int_kernels.c.
 */
#include "core/types/number.h"

/* The result as a lane, or the range error of its width. */
static inline Datum
int2_result(int64_t v)
{
    if (UNLIKELY(v != (int16_t)v))
        raise_int2_range();
    return int64_datum(v);
}

static inline Datum
int4_result(int64_t v)
{
    if (UNLIKELY(v != (int32_t)v))
        raise_int4_range();
    return int64_datum(v);
}

#define ARG(i) datum_int64(args[i])
#define SCALAR(name) Datum name(FnCtx *c, const Datum *args, bool *isnull)

/* ---- comparisons: any two of int2, int4, int8; also oid, bool, "char" (never negative) ---- */

SCALAR(fn_int_eq) { return args[0] == args[1]; }
SCALAR(fn_int_ne) { return args[0] != args[1]; }
SCALAR(fn_int_lt) { return ARG(0) < ARG(1); }
SCALAR(fn_int_le) { return ARG(0) <= ARG(1); }
SCALAR(fn_int_gt) { return ARG(0) > ARG(1); }
SCALAR(fn_int_ge) { return ARG(0) >= ARG(1); }
SCALAR(fn_int_cmp) { return int64_datum((ARG(0) > ARG(1)) - (ARG(0) < ARG(1))); }
/* The narrow types' three-way comparison is the difference, as in PostgreSQL. */
SCALAR(fn_int_difference) { return int64_datum(ARG(0) - ARG(1)); }
SCALAR(fn_int_larger) { return ARG(0) > ARG(1) ? args[0] : args[1]; }
SCALAR(fn_int_smaller) { return ARG(0) < ARG(1) ? args[0] : args[1]; }

/* xid8 and tid use all bits unsigned. */
SCALAR(fn_uint8_lt) { return args[0] < args[1]; }
SCALAR(fn_uint8_le) { return args[0] <= args[1]; }
SCALAR(fn_uint8_gt) { return args[0] > args[1]; }
SCALAR(fn_uint8_ge) { return args[0] >= args[1]; }
SCALAR(fn_uint8_cmp) { return int64_datum((args[0] > args[1]) - (args[0] < args[1])); }
SCALAR(fn_uint8_larger) { return args[0] > args[1] ? args[0] : args[1]; }
SCALAR(fn_uint8_smaller) { return args[0] < args[1] ? args[0] : args[1]; }

/* ---- arithmetic ---- */

SCALAR(fn_int2_add) { return int2_result(ARG(0) + ARG(1)); }
SCALAR(fn_int2_sub) { return int2_result(ARG(0) - ARG(1)); }
SCALAR(fn_int2_mul) { return int2_result(ARG(0) * ARG(1)); }
SCALAR(fn_int4_add) { return int4_result(ARG(0) + ARG(1)); }
SCALAR(fn_int4_sub) { return int4_result(ARG(0) - ARG(1)); }
SCALAR(fn_int4_mul) { return int4_result(ARG(0) * ARG(1)); }

SCALAR(fn_int8_add)
{
    int64_t r;
    if (UNLIKELY(__builtin_add_overflow(ARG(0), ARG(1), &r)))
        raise_int8_range();
    return int64_datum(r);
}

SCALAR(fn_int8_sub)
{
    int64_t r;
    if (UNLIKELY(__builtin_sub_overflow(ARG(0), ARG(1), &r)))
        raise_int8_range();
    return int64_datum(r);
}

SCALAR(fn_int8_mul)
{
    int64_t r;
    if (UNLIKELY(__builtin_mul_overflow(ARG(0), ARG(1), &r)))
        raise_int8_range();
    return int64_datum(r);
}

/* Division by -1 is negation: the one quotient that can be out of range. */
#define DIV(name, result)                                                                            \
    SCALAR(name)                                                                                     \
    {                                                                                                \
        if (UNLIKELY(args[1] == 0))                                                                  \
            raise_division_by_zero();                                                                \
        if (UNLIKELY(ARG(1) == -1))                                                                  \
            return result(-ARG(0));                                                                  \
        return int64_datum(ARG(0) / ARG(1));                                                         \
    }

DIV(fn_int2_div, int2_result)
DIV(fn_int4_div, int4_result)

SCALAR(fn_int8_div)
{
    if (UNLIKELY(args[1] == 0))
        raise_division_by_zero();
    if (UNLIKELY(ARG(1) == -1)) {
        if (ARG(0) == INT64_MIN)
            raise_int8_range();
        return int64_datum(-ARG(0));
    }
    return int64_datum(ARG(0) / ARG(1));
}

SCALAR(fn_int_mod)
{
    if (UNLIKELY(args[1] == 0))
        raise_division_by_zero();
    if (UNLIKELY(ARG(1) == -1))
        return 0;
    return int64_datum(ARG(0) % ARG(1));
}

SCALAR(fn_int_plus) { return args[0]; }
SCALAR(fn_int2_neg) { return int2_result(-ARG(0)); }
SCALAR(fn_int4_neg) { return int4_result(-ARG(0)); }
SCALAR(fn_int2_abs) { return int2_result(ARG(0) < 0 ? -ARG(0) : ARG(0)); }
SCALAR(fn_int4_abs) { return int4_result(ARG(0) < 0 ? -ARG(0) : ARG(0)); }

SCALAR(fn_int8_neg)
{
    if (UNLIKELY(ARG(0) == INT64_MIN))
        raise_int8_range();
    return int64_datum(-ARG(0));
}

SCALAR(fn_int8_abs)
{
    if (UNLIKELY(ARG(0) == INT64_MIN))
        raise_int8_range();
    return int64_datum(ARG(0) < 0 ? -ARG(0) : ARG(0));
}

SCALAR(fn_int4_inc) { return int4_result(ARG(0) + 1); }

SCALAR(fn_int8_inc)
{
    if (UNLIKELY(ARG(0) == INT64_MAX))
        raise_int8_range();
    return int64_datum(ARG(0) + 1);
}

SCALAR(fn_int8_dec)
{
    if (UNLIKELY(ARG(0) == INT64_MIN))
        raise_int8_range();
    return int64_datum(ARG(0) - 1);
}

/* ---- bits ---- */

SCALAR(fn_int_and) { return args[0] & args[1]; }
SCALAR(fn_int_or) { return args[0] | args[1]; }
SCALAR(fn_int_xor) { return args[0] ^ args[1]; }
SCALAR(fn_int_not) { return ~args[0]; }
/* Shift counts are taken modulo the width the processor shifts: 32 for int2 and int4, 64 for int8. */
SCALAR(fn_int2_shl) { return int16_datum((int16_t)((uint32_t)args[0] << (args[1] & 31))); }
SCALAR(fn_int4_shl) { return int32_datum((int32_t)((uint32_t)args[0] << (args[1] & 31))); }
SCALAR(fn_int8_shl) { return args[0] << (args[1] & 63); }
SCALAR(fn_int4_shr) { return int32_datum(datum_int32(args[0]) >> (args[1] & 31)); }
SCALAR(fn_int8_shr) { return int64_datum(ARG(0) >> (args[1] & 63)); }

/* ---- casts: widening leaves the lane as it is ---- */

SCALAR(fn_int_widen) { return args[0]; }
SCALAR(fn_int2_from_int) { return int2_result(ARG(0)); }
SCALAR(fn_int4_from_int) { return int4_result(ARG(0)); }

/* ---- gcd and lcm ---- */

static uint64_t
gcd_u64(uint64_t a, uint64_t b)
{
    while (b != 0) {
        uint64_t t = a % b;
        a = b;
        b = t;
    }
    return a;
}

static inline uint64_t
magnitude(int64_t v)
{
    return v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
}

SCALAR(fn_int4_gcd)
{
    return int4_result((int64_t)gcd_u64(magnitude(ARG(0)), magnitude(ARG(1))));
}

SCALAR(fn_int8_gcd)
{
    uint64_t g = gcd_u64(magnitude(ARG(0)), magnitude(ARG(1)));
    if (UNLIKELY(g > INT64_MAX))
        raise_int8_range();
    return g;
}

SCALAR(fn_int4_lcm)
{
    if (args[0] == 0 || args[1] == 0)
        return 0;
    uint64_t g = gcd_u64(magnitude(ARG(0)), magnitude(ARG(1)));
    /* At most 2^31 * 2^31: fits. */
    return int4_result((int64_t)(magnitude(ARG(0)) / g * magnitude(ARG(1))));
}

SCALAR(fn_int8_lcm)
{
    uint64_t r;
    if (args[0] == 0 || args[1] == 0)
        return 0;
    uint64_t g = gcd_u64(magnitude(ARG(0)), magnitude(ARG(1)));
    if (__builtin_mul_overflow(magnitude(ARG(0)) / g, magnitude(ARG(1)), &r) || r > INT64_MAX)
        raise_int8_range();
    return r;
}

/* ---- in_range: RANGE frames of window functions ---- */

/* val against base +- offset; on overflow of the bound the answer is known from the direction alone. */
SCALAR(fn_int_in_range)
{
    int64_t val = ARG(0), base = ARG(1), offset = ARG(2), bound;
    bool sub = datum_bool(args[3]), less = datum_bool(args[4]);
    if (offset < 0)
        RAISE(SQLSTATE_INVALID_PRECEDING_OR_FOLLOWING_SIZE, "invalid preceding or following size in window function");
    if (sub ? __builtin_sub_overflow(base, offset, &bound) : __builtin_add_overflow(base, offset, &bound))
        return bool_datum(sub ? !less : less);
    return bool_datum(less ? val <= bound : val >= bound);
}

/* ---- transition functions that PostgreSQL lets users call: null-aware ---- */

SCALAR(fn_int_sum_step)
{
    if (c->argnull[0]) {
        *isnull = c->argnull[1];
        return args[1];
    }
    return c->argnull[1] ? args[0] : int64_datum(ARG(0) + ARG(1));
}

/* ---- hexadecimal ---- */

static Datum
hex_text(Arena *a, uint64_t v)
{
    char buf[16];
    int at = 16;
    do {
        buf[--at] = "0123456789abcdef"[v & 15];
        v >>= 4;
    } while (v != 0);
    return var_make(a, buf + at, (size_t)(16 - at));
}

SCALAR(fn_int4_to_hex) { return hex_text(c->arena, (uint32_t)args[0]); }
SCALAR(fn_int8_to_hex) { return hex_text(c->arena, args[0]); }

/* ---- width-generic series ---- */

typedef struct IntSeries {
    int64_t next, stop, step;
    bool done;
} IntSeries;

static bool
int_series(FnCtx *c, const Datum *args, Datum *out, int64_t min, int64_t max)
{
    IntSeries *s = c->state;
    if (s == NULL) {
        s = arena_alloc(c->state_arena, sizeof *s);
        c->state = s;
        s->next = ARG(0);
        s->stop = ARG(1);
        s->step = c->nargs > 2 ? ARG(2) : 1;
        s->done = false;
        if (s->step == 0)
            RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "step size cannot equal zero");
    }
    if (s->done || (s->step > 0 ? s->next > s->stop : s->next < s->stop)) {
        c->state = NULL; /* the call site may be started again */
        return false;
    }
    *out = int64_datum(s->next);
    /* A step past the type's end finishes the series instead of wrapping. */
    if (__builtin_add_overflow(s->next, s->step, &s->next) || s->next < min || s->next > max)
        s->done = true;
    return true;
}

bool
set_int4_series(FnCtx *c, const Datum *args, Datum *out, bool *outnull)
{
    *outnull = false;
    return int_series(c, args, out, INT32_MIN, INT32_MAX);
}

bool
set_int8_series(FnCtx *c, const Datum *args, Datum *out, bool *outnull)
{
    *outnull = false;
    return int_series(c, args, out, INT64_MIN, INT64_MAX);
}
