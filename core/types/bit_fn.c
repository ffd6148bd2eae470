/*
 * SQL functions on bit strings.
 */
#include "core/types/bit.h"

#define INT(i) datum_int32(args[i])

#define COMPARE_FN(name, test)                                                                       \
    Datum name(FnCtx *c, const Datum *args, bool *isnull)                                            \
    {                                                                                                \
        return bool_datum(bits_compare(var_bits(args[0]), var_bits(args[1])) test 0);                \
    }
COMPARE_FN(fn_biteq, ==)
COMPARE_FN(fn_bitne, !=)
COMPARE_FN(fn_bitlt, <)
COMPARE_FN(fn_bitle, <=)
COMPARE_FN(fn_bitgt, >)
COMPARE_FN(fn_bitge, >=)

Datum
fn_bitcmp(FnCtx *c, const Datum *args, bool *isnull)
{
    return int32_datum(bits_compare(var_bits(args[0]), var_bits(args[1])));
}

Datum
fn_bitlength(FnCtx *c, const Datum *args, bool *isnull)
{
    return int32_datum(var_bits(args[0]).n);
}

Datum
fn_bitoctetlength(FnCtx *c, const Datum *args, bool *isnull)
{
    return int32_datum((int32_t)bits_bytes(var_bits(args[0]).n));
}

Datum
fn_bit_bit_count(FnCtx *c, const Datum *args, bool *isnull)
{
    Bits b = var_bits(args[0]);
    int64_t count = 0;

    for (size_t i = 0; i < bits_bytes(b.n); i++)
        count += __builtin_popcount(b.p[i]);
    return int64_datum(count);
}

/* Length coercions: value, length, explicit. */
Datum
fn_bit(FnCtx *c, const Datum *args, bool *isnull)
{
    return bit_coerce(c->arena, args[0], INT(1), datum_bool(args[2]));
}

Datum
fn_varbit(FnCtx *c, const Datum *args, bool *isnull)
{
    return varbit_coerce(c->arena, args[0], INT(1), datum_bool(args[2]));
}

/* ---- logic ---- */

static Datum
combine(Arena *a, Datum x, Datum y, char op)
{
    Bits p = var_bits(x), q = var_bits(y);
    unsigned char *to;

    if (p.n != q.n)
        RAISE(SQLSTATE_STRING_DATA_LENGTH_MISMATCH, "cannot %s bit strings of different sizes",
              op == '&' ? "AND" : op == '|' ? "OR" : "XOR");
    Datum d = bits_alloc(a, p.n, &to);
    for (size_t i = 0; i < bits_bytes(p.n); i++)
        to[i] = op == '&' ? p.p[i] & q.p[i] : op == '|' ? p.p[i] | q.p[i] : p.p[i] ^ q.p[i];
    return d;
}

#define LOGIC_FN(name, op)                                                                           \
    Datum name(FnCtx *c, const Datum *args, bool *isnull)                                            \
    {                                                                                                \
        return combine(c->arena, args[0], args[1], op);                                              \
    }
LOGIC_FN(fn_bit_and, '&')
LOGIC_FN(fn_bit_or, '|')
LOGIC_FN(fn_bitxor, '^')

Datum
fn_bitnot(FnCtx *c, const Datum *args, bool *isnull)
{
    Bits b = var_bits(args[0]);
    unsigned char *to;
    Datum d = bits_alloc(c->arena, b.n, &to);

    for (size_t i = 0; i < bits_bytes(b.n); i++)
        to[i] = (unsigned char)~b.p[i];
    if (b.n & 7)
        to[b.n >> 3] &= (unsigned char)(0xFF00 >> (b.n & 7));
    return d;
}

/* Positive: to the left; the length stays. */
static Datum
shift(Arena *a, Bits b, int64_t by)
{
    unsigned char *to;
    Datum d = bits_alloc(a, b.n, &to);

    if (by >= b.n || -by >= b.n)
        return d;
    if (by >= 0)
        bits_copy(to, 0, b, (int32_t)by, b.n - (int32_t)by);
    else
        bits_copy(to, (int32_t)-by, b, 0, b.n + (int32_t)by);
    return d;
}

Datum
fn_bitshiftleft(FnCtx *c, const Datum *args, bool *isnull)
{
    return shift(c->arena, var_bits(args[0]), INT(1));
}

Datum
fn_bitshiftright(FnCtx *c, const Datum *args, bool *isnull)
{
    return shift(c->arena, var_bits(args[0]), -(int64_t)INT(1));
}

/* ---- pieces ---- */

Datum
fn_bitcat(FnCtx *c, const Datum *args, bool *isnull)
{
    Bits x = var_bits(args[0]), y = var_bits(args[1]);
    unsigned char *to;

    if (x.n > INT32_MAX - 7 - y.n)
        RAISE(SQLSTATE_PROGRAM_LIMIT_EXCEEDED, "bit string length exceeds the maximum allowed (%d)",
              INT32_MAX - 7);
    Datum d = bits_alloc(c->arena, x.n + y.n, &to);
    bits_copy(to, 0, x, 0, x.n);
    bits_copy(to, x.n, y, 0, y.n);
    return d;
}

static Datum
slice(Arena *a, Bits b, int32_t start, int64_t len, bool to_end)
{
    int64_t from = MAX(start, 1), end = (int64_t)b.n + 1;
    unsigned char *to;

    if (!to_end) {
        if (len < 0)
            RAISE(SQLSTATE_SUBSTRING_ERROR, "negative substring length not allowed");
        end = MIN(end, (int64_t)start + len);
    }
    int32_t n = (int32_t)MAX(end - from, 0);
    Datum d = bits_alloc(a, n, &to);
    if (n > 0)
        bits_copy(to, 0, b, (int32_t)from - 1, n);
    return d;
}

Datum
fn_bitsubstr(FnCtx *c, const Datum *args, bool *isnull)
{
    return slice(c->arena, var_bits(args[0]), INT(1), INT(2), false);
}

Datum
fn_bitsubstr_no_len(FnCtx *c, const Datum *args, bool *isnull)
{
    return slice(c->arena, var_bits(args[0]), INT(1), 0, true);
}

/* (bits, replacement, start [, length]) */
Datum
fn_bitoverlay(FnCtx *c, const Datum *args, bool *isnull)
{
    Bits b = var_bits(args[0]), with = var_bits(args[1]);
    int32_t start = INT(2), len = c->nargs > 3 ? INT(3) : with.n, after;
    unsigned char *to;

    if (start <= 0)
        RAISE(SQLSTATE_SUBSTRING_ERROR, "negative substring length not allowed");
    if (__builtin_add_overflow(start, len, &after))
        RAISE(SQLSTATE_NUMERIC_VALUE_OUT_OF_RANGE, "integer out of range");
    Bits head = var_bits(slice(c->arena, b, 1, start - 1, false));
    Bits tail = var_bits(slice(c->arena, b, after, 0, true));
    Datum d = bits_alloc(c->arena, head.n + with.n + tail.n, &to);
    bits_copy(to, 0, head, 0, head.n);
    bits_copy(to, head.n, with, 0, with.n);
    bits_copy(to, head.n + with.n, tail, 0, tail.n);
    return d;
}

Datum
fn_bitposition(FnCtx *c, const Datum *args, bool *isnull)
{
    Bits b = var_bits(args[0]), want = var_bits(args[1]);

    if (b.n == 0 || want.n > b.n)
        return int32_datum(0);
    for (int32_t at = 0; at <= b.n - want.n; at++) {
        int32_t i = 0;
        while (i < want.n && bits_get(b, at + i) == bits_get(want, i))
            i++;
        if (i == want.n)
            return int32_datum(at + 1);
    }
    return int32_datum(0);
}

static void
check_index(Bits b, int32_t i)
{
    if (i < 0 || i >= b.n)
        RAISE(SQLSTATE_ARRAY_SUBSCRIPT_ERROR, "bit index %d out of valid range (0..%d)", i,
              b.n - 1);
}

Datum
fn_bitgetbit(FnCtx *c, const Datum *args, bool *isnull)
{
    Bits b = var_bits(args[0]);
    check_index(b, INT(1));
    return int32_datum(bits_get(b, INT(1)));
}

Datum
fn_bitsetbit(FnCtx *c, const Datum *args, bool *isnull)
{
    Bits b = var_bits(args[0]);
    int32_t i = INT(1);
    unsigned char *to;

    check_index(b, i);
    if (INT(2) != 0 && INT(2) != 1)
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "new bit must be 0 or 1");
    Datum d = bits_alloc(c->arena, b.n, &to);
    memcpy(to, b.p, bits_bytes(b.n));
    unsigned char mask = (unsigned char)(0x80 >> (i & 7));
    to[i >> 3] = (unsigned char)(INT(2) ? to[i >> 3] | mask : to[i >> 3] & ~mask);
    return d;
}

/* ---- integers ---- */

static Datum
from_integer(Arena *a, int64_t v, int32_t n)
{
    unsigned char *to;

    if (n <= 0 || n > INT32_MAX - 7)
        n = 1;
    Datum d = bits_alloc(a, n, &to);
    for (int32_t i = 0; i < n; i++) {
        int32_t shift = MIN(n - 1 - i, 63); /* beyond the integer: its sign */
        if (v >> shift & 1)
            to[i >> 3] |= (unsigned char)(0x80 >> (i & 7));
    }
    return d;
}

Datum
fn_bitfromint4(FnCtx *c, const Datum *args, bool *isnull)
{
    return from_integer(c->arena, INT(0), INT(1));
}

Datum
fn_bitfromint8(FnCtx *c, const Datum *args, bool *isnull)
{
    return from_integer(c->arena, datum_int64(args[0]), INT(1));
}

static uint64_t
to_integer(Bits b)
{
    uint64_t v = 0;

    for (int32_t i = 0; i < b.n; i++)
        v = v << 1 | bits_get(b, i);
    return v;
}

Datum
fn_bittoint4(FnCtx *c, const Datum *args, bool *isnull)
{
    Bits b = var_bits(args[0]);
    if (b.n > 32)
        RAISE(SQLSTATE_NUMERIC_VALUE_OUT_OF_RANGE, "integer out of range");
    return int32_datum((int32_t)to_integer(b));
}

Datum
fn_bittoint8(FnCtx *c, const Datum *args, bool *isnull)
{
    Bits b = var_bits(args[0]);
    if (b.n > 64)
        RAISE(SQLSTATE_NUMERIC_VALUE_OUT_OF_RANGE, "bigint out of range");
    return int64_datum((int64_t)to_integer(b));
}

/* ---- aggregates ---- */

typedef struct BitState {
    Datum value;
    bool any;
} BitState;

static void
fold(AggCtx *c, void *state, Datum d, char op)
{
    BitState *s = state;

    s->value = s->any ? combine(c->arena, s->value, d, op) : datum_copy(c->arena, d, false, -1);
    s->any = true;
}

static Datum
fold_final(AggCtx *c, const void *state, bool *isnull)
{
    const BitState *s = state;

    *isnull = !s->any;
    return s->any ? datum_copy(c->fn.arena, s->value, false, -1) : 0;
}

#define FOLD_AGG(name, op)                                                                           \
    static void name##_step(AggCtx *c, void *state, const Datum *args, const bool *nulls)            \
    {                                                                                                \
        fold(c, state, args[0], op);                                                                 \
    }                                                                                                \
    const AggImpl name = {.state_bytes = sizeof(BitState), .strict = true, .step = name##_step,      \
                          .final = fold_final};
FOLD_AGG(agg_bit_and_bits, '&')
FOLD_AGG(agg_bit_or_bits, '|')
FOLD_AGG(agg_bit_xor_bits, '^')
