/*
 * float4 and float8: TypeOps, reading text, arithmetic, comparisons and casts, a row at a time. The
 * batch forms are in float_kernels.c, mathematical functions in float_math.c.
 *
 * Order: NaN equals NaN and is above all numbers; -0 equals 0. Keys and hashes follow that, so an
 * encoded key does not give the sign of zero back and cannot be decoded.
 */
#include "core/types/number.h"

#include <errno.h>
#include <stdlib.h>

#include "core/base/hash.h"

/* ---- reading ---- */

static inline bool
is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

NORETURN static void
raise_syntax(const char *whole, const char *type_name)
{
    RAISE(SQLSTATE_INVALID_TEXT_REPRESENTATION, "invalid input syntax for type %s: \"%s\"", type_name, whole);
}

NORETURN static void
raise_range(const char *text, size_t len, const char *type_name)
{
    RAISE(SQLSTATE_NUMERIC_VALUE_OUT_OF_RANGE, "\"%.*s\" is out of range for type %s", (int)len, text, type_name);
}

static const char *
skip_word(const char *p, const char *word)
{
    for (; *word; p++, word++) {
        if (char_lower_ascii(*p) != *word)
            return NULL;
    }
    return p;
}

/* NaN, Infinity, inf, with a sign; the byte after it, or NULL. */
static const char *
parse_special(const char *p, double *out)
{
    bool negative = *p == '-';
    const char *end;
    if ((end = skip_word(p, "nan")) != NULL) {
        *out = (double)NAN;
        return end;
    }
    if (*p == '-' || *p == '+')
        p++;
    if ((end = skip_word(p, "infinity")) == NULL && (end = skip_word(p, "inf")) == NULL)
        return NULL;
    *out = negative ? -HUGE_VAL : HUGE_VAL;
    return end;
}

/*
 * Decimal text whose digits fit 2^53 and whose power of ten is exact in a double: one exact operation
 * gives the correctly rounded result (W. D. Clinger, 1990). Everything else is strtod's.
 */
static const char *
parse_simple(const char *p, double *out)
{
    static const double exact_powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                          1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    bool negative = *p == '-';
    if (*p == '-' || *p == '+')
        p++;
    uint64_t m = 0;
    int digits = 0, exponent = 0;
    const char *start = p;
    for (; (unsigned char)(*p - '0') <= 9; p++) {
        m = m * 10 + (uint64_t)(*p - '0');
        digits += m != 0;
    }
    bool any = p != start;
    if (*p == '.') {
        start = ++p;
        for (; (unsigned char)(*p - '0') <= 9; p++) {
            m = m * 10 + (uint64_t)(*p - '0');
            digits += m != 0;
        }
        any |= p != start;
        exponent = -(int)MIN(p - start, 1000);
    }
    if (!any || digits > 18 || *p == 'x' || *p == 'X' || *p == 'p' || *p == 'P')
        return NULL;
    if (*p == 'e' || *p == 'E') {
        const char *e = p + 1;
        bool down = *e == '-';
        if (*e == '-' || *e == '+')
            e++;
        if ((unsigned char)(*e - '0') > 9)
            return NULL;
        int v = 0;
        for (; (unsigned char)(*e - '0') <= 9; e++)
            v = v < 10000 ? v * 10 + (*e - '0') : v;
        exponent += down ? -v : v;
        p = e;
    }
    if (m > UINT64_C(1) << 53 || exponent < -22 || exponent > 22)
        return NULL;
    double d = (double)m;
    d = exponent < 0 ? d / exact_powers[-exponent] : d * exact_powers[exponent];
    *out = negative ? -d : d;
    return p;
}

double
float8_from_text(const char *text, const char **rest, const char *type_name, const char *whole)
{
    const char *p = text, *end;
    double v;
    while (is_space(*p))
        p++;
    if (*p == '\0')
        raise_syntax(whole, type_name);
    end = parse_simple(p, &v);
    if (end == NULL) {
        errno = 0;
        v = strtod(p, (char **)&end);
        if (end == p || errno != 0) {
            double special;
            const char *special_end = parse_special(p, &special);
            if (special_end != NULL) {
                v = special;
                end = special_end;
            } else if (errno == ERANGE) {
                /* A subnormal result is a result. */
                if (v == 0 || v >= HUGE_VAL || v <= -HUGE_VAL)
                    raise_range(p, (size_t)(end - p), type_name);
            } else {
                raise_syntax(whole, type_name);
            }
        }
    }
    while (is_space(*end))
        end++;
    if (rest != NULL)
        *rest = end;
    else if (*end != '\0')
        raise_syntax(whole, type_name);
    return v;
}

float
float4_from_text(const char *text, const char **rest, const char *type_name, const char *whole)
{
    const char *p = text, *end;
    while (is_space(*p))
        p++;
    if (*p == '\0')
        raise_syntax(whole, type_name);
    /* strtof, not a rounded double: rounding twice can miss the nearest float. */
    errno = 0;
    float v = strtof(p, (char **)&end);
    if (end == p || errno != 0) {
        double special;
        const char *special_end = parse_special(p, &special);
        if (special_end != NULL) {
            v = (float)special;
            end = special_end;
        } else if (errno == ERANGE) {
            if (v == 0 || v >= HUGE_VALF || v <= -HUGE_VALF)
                raise_range(p, (size_t)(end - p), type_name);
        } else {
            raise_syntax(whole, type_name);
        }
    }
    while (is_space(*end))
        end++;
    if (rest != NULL)
        *rest = end;
    else if (*end != '\0')
        raise_syntax(whole, type_name);
    return v;
}

/* ---- TypeOps ---- */

static Datum
float8_in(FnCtx *c, const char *text, size_t len, Oid elem, int32_t typmod)
{
    return float8_datum(float8_from_text(text, NULL, "double precision", text));
}

static Datum
float4_in(FnCtx *c, const char *text, size_t len, Oid elem, int32_t typmod)
{
    return float4_datum(float4_from_text(text, NULL, "real", text));
}

static void
float8_out(FnCtx *c, Datum d, StrBuf *s)
{
    char buf[64];
    str_add_bytes(s, buf, float8_to_text(datum_float8(d), buf));
}

static void
float4_out(FnCtx *c, Datum d, StrBuf *s)
{
    char buf[64];
    str_add_bytes(s, buf, float4_to_text(datum_float4(d), buf));
}

static Datum
float8_recv(FnCtx *c, const char *bytes, size_t len, Oid elem, int32_t typmod)
{
    check_recv_length(len, 8);
    return load_be64(bytes);
}

static Datum
float4_recv(FnCtx *c, const char *bytes, size_t len, Oid elem, int32_t typmod)
{
    check_recv_length(len, 4);
    return load_be32(bytes);
}

static void
float8_send(FnCtx *c, Datum d, StrBuf *s)
{
    char b[8];
    store_be64(b, d);
    str_add_bytes(s, b, 8);
}

static void
float4_send(FnCtx *c, Datum d, StrBuf *s)
{
    char b[4];
    store_be32(b, (uint32_t)d);
    str_add_bytes(s, b, 4);
}

static int
float8_cmp(Datum a, Datum b, Oid collation)
{
    return float8_compare(datum_float8(a), datum_float8(b));
}

static int
float4_cmp(Datum a, Datum b, Oid collation)
{
    return float8_compare((double)datum_float4(a), (double)datum_float4(b));
}

static bool
float8_eq(Datum a, Datum b, Oid collation)
{
    double x = datum_float8(a), y = datum_float8(b);
    return x == y || (isnan(x) && isnan(y));
}

static bool
float4_eq(Datum a, Datum b, Oid collation)
{
    float x = datum_float4(a), y = datum_float4(b);
    return x == y || (isnan(x) && isnan(y));
}

static uint64_t
hash_double(double v)
{
    if (v == 0)
        v = 0;
    else if (isnan(v))
        v = (double)NAN;
    return hash_u64(float8_datum(v));
}

static uint64_t
float8_hash(Datum d, Oid collation)
{
    return hash_double(datum_float8(d));
}

static uint64_t
float4_hash(Datum d, Oid collation)
{
    return hash_double((double)datum_float4(d));
}

/* Positive floats order as their bits do; negative ones the other way round. */
static void
float8_key_encode(Datum d, Oid collation, StrBuf *out)
{
    double v = datum_float8(d);
    uint64_t bits = v == 0 ? 0 : isnan(v) ? UINT64_C(0x7FF8) << 48 : d;
    key_put_be64(out, bits >> 63 ? ~bits : bits | UINT64_C(1) << 63);
}

static void
float4_key_encode(Datum d, Oid collation, StrBuf *out)
{
    float v = datum_float4(d);
    uint32_t bits = v == 0 ? 0 : isnan(v) ? 0x7FC00000u : (uint32_t)d;
    char b[4];
    store_be32(b, bits >> 31 ? ~bits : bits | 1u << 31);
    str_add_bytes(out, b, 4);
}

const TypeOps type_ops_float8 = {
    .oid = FLOAT8_OID,
    .len = 8,
    .byval = true,
    .in = float8_in,
    .out = float8_out,
    .recv = float8_recv,
    .send = float8_send,
    .cmp = float8_cmp,
    .eq = float8_eq,
    .hash = float8_hash,
    .key_encode = float8_key_encode,
};

const TypeOps type_ops_float4 = {
    .oid = FLOAT4_OID,
    .len = 4,
    .byval = true,
    .in = float4_in,
    .out = float4_out,
    .recv = float4_recv,
    .send = float4_send,
    .cmp = float4_cmp,
    .eq = float4_eq,
    .hash = float4_hash,
    .key_encode = float4_key_encode,
};

/* ---- comparisons and arithmetic ---- */

#define SCALAR(name) Datum name(FnCtx *c, const Datum *args, bool *isnull)

static inline double from8(Datum d) { return datum_float8(d); }
static inline double from4(Datum d) { return (double)datum_float4(d); }

#define COMPARISONS(prefix, left, right)                                                             \
    SCALAR(fn_##prefix##_eq) { return float8_compare(left(args[0]), right(args[1])) == 0; }          \
    SCALAR(fn_##prefix##_ne) { return float8_compare(left(args[0]), right(args[1])) != 0; }          \
    SCALAR(fn_##prefix##_lt) { return float8_compare(left(args[0]), right(args[1])) < 0; }           \
    SCALAR(fn_##prefix##_le) { return float8_compare(left(args[0]), right(args[1])) <= 0; }          \
    SCALAR(fn_##prefix##_gt) { return float8_compare(left(args[0]), right(args[1])) > 0; }           \
    SCALAR(fn_##prefix##_ge) { return float8_compare(left(args[0]), right(args[1])) >= 0; }          \
    SCALAR(fn_##prefix##_cmp) { return int32_datum(float8_compare(left(args[0]), right(args[1]))); }

COMPARISONS(float8, from8, from8)
COMPARISONS(float4, from4, from4)
COMPARISONS(float48, from4, from8)
COMPARISONS(float84, from8, from4)

SCALAR(fn_float8_larger) { return float8_compare(from8(args[0]), from8(args[1])) > 0 ? args[0] : args[1]; }
SCALAR(fn_float8_smaller) { return float8_compare(from8(args[0]), from8(args[1])) < 0 ? args[0] : args[1]; }
SCALAR(fn_float4_larger) { return float8_compare(from4(args[0]), from4(args[1])) > 0 ? args[0] : args[1]; }
SCALAR(fn_float4_smaller) { return float8_compare(from4(args[0]), from4(args[1])) < 0 ? args[0] : args[1]; }

/* T: the type the operation is done in; a result out of range is an error unless an argument was infinite. */
#define ARITHMETIC(prefix, T, left, right, store)                                                    \
    SCALAR(fn_##prefix##_add)                                                                        \
    {                                                                                                \
        T x = (T)left(args[0]), y = (T)right(args[1]), r = x + y;                                    \
        if (UNLIKELY(isinf(r)) && !isinf(x) && !isinf(y))                                            \
            raise_float_overflow();                                                                  \
        return store(r);                                                                             \
    }                                                                                                \
    SCALAR(fn_##prefix##_sub)                                                                        \
    {                                                                                                \
        T x = (T)left(args[0]), y = (T)right(args[1]), r = x - y;                                    \
        if (UNLIKELY(isinf(r)) && !isinf(x) && !isinf(y))                                            \
            raise_float_overflow();                                                                  \
        return store(r);                                                                             \
    }                                                                                                \
    SCALAR(fn_##prefix##_mul)                                                                        \
    {                                                                                                \
        T x = (T)left(args[0]), y = (T)right(args[1]), r = x * y;                                    \
        if (UNLIKELY(isinf(r)) && !isinf(x) && !isinf(y))                                            \
            raise_float_overflow();                                                                  \
        if (UNLIKELY(r == 0) && x != 0 && y != 0)                                                    \
            raise_float_underflow();                                                                 \
        return store(r);                                                                             \
    }                                                                                                \
    SCALAR(fn_##prefix##_div)                                                                        \
    {                                                                                                \
        T x = (T)left(args[0]), y = (T)right(args[1]);                                               \
        if (UNLIKELY(y == 0) && !isnan(x))                                                           \
            raise_division_by_zero();                                                                \
        T r = x / y;                                                                                 \
        if (UNLIKELY(isinf(r)) && !isinf(x))                                                         \
            raise_float_overflow();                                                                  \
        if (UNLIKELY(r == 0) && x != 0 && !isinf(y))                                                 \
            raise_float_underflow();                                                                 \
        return store(r);                                                                             \
    }

ARITHMETIC(float8, double, from8, from8, float8_datum)
ARITHMETIC(float48, double, from4, from8, float8_datum)
ARITHMETIC(float84, double, from8, from4, float8_datum)
ARITHMETIC(float4, float, from4, from4, float4_datum)

SCALAR(fn_float_plus) { return args[0]; }
SCALAR(fn_float8_neg) { return float8_datum(-from8(args[0])); }
SCALAR(fn_float8_abs) { return float8_datum(fabs(from8(args[0]))); }
SCALAR(fn_float4_neg) { return float4_datum(-datum_float4(args[0])); }
SCALAR(fn_float4_abs) { return float4_datum(fabsf(datum_float4(args[0]))); }

/* ---- casts ---- */

SCALAR(fn_float8_from_int) { return float8_datum((double)datum_int64(args[0])); }
SCALAR(fn_float4_from_int) { return float4_datum((float)datum_int64(args[0])); }
SCALAR(fn_float8_from_float4) { return float8_datum(from4(args[0])); }

SCALAR(fn_float4_from_float8)
{
    double v = from8(args[0]);
    float r = (float)v;
    if (UNLIKELY(isinf(r)) && !isinf(v))
        raise_float_overflow();
    if (UNLIKELY(r == 0) && v != 0)
        raise_float_underflow();
    return float4_datum(r);
}

/* Rounds halves to even, as rint does. The bounds are exact powers of two; NaN fails both. */
#define TO_INT(name, low, high, from, raise)                                                         \
    SCALAR(name)                                                                                     \
    {                                                                                                \
        double v = rint(from(args[0]));                                                              \
        if (UNLIKELY(!(v >= (low) && v < (high))))                                                   \
            raise();                                                                                 \
        return int64_datum((int64_t)v);                                                              \
    }

TO_INT(fn_int2_from_float8, -0x1p15, 0x1p15, from8, raise_int2_range)
TO_INT(fn_int4_from_float8, -0x1p31, 0x1p31, from8, raise_int4_range)
TO_INT(fn_int8_from_float8, -0x1p63, 0x1p63, from8, raise_int8_range)
TO_INT(fn_int2_from_float4, -0x1p15, 0x1p15, from4, raise_int2_range)
TO_INT(fn_int4_from_float4, -0x1p31, 0x1p31, from4, raise_int4_range)
TO_INT(fn_int8_from_float4, -0x1p63, 0x1p63, from4, raise_int8_range)
