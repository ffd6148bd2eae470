/*
 * numeric: text and binary forms, the type modifier (precision, scale), index keys.
 */
#include "core/types/numeric.h"

#include <stdlib.h>

#include "core/types/number.h"

/* ---- printing ---- */

/* Digits of a small value, with its point; returns the length. buf: 160 bytes. */
static size_t
print_small(int64_t coefficient, int scale, char *buf)
{
    char digits[24];
    char *p = buf;
    uint64_t m = coefficient < 0 ? 0 - (uint64_t)coefficient : (uint64_t)coefficient;
    if (coefficient < 0)
        *p++ = '-';
    int n = (int)uint64_to_text(m, digits);
    if (scale == 0) {
        memcpy(p, digits, (size_t)n);
        return (size_t)(p + n - buf);
    }
    int whole = n - scale;
    if (whole > 0) {
        memcpy(p, digits, (size_t)whole);
        p += whole;
        *p++ = '.';
        memcpy(p, digits + whole, (size_t)scale);
        p += scale;
    } else {
        *p++ = '0';
        *p++ = '.';
        memset(p, '0', (size_t)-whole);
        p += -whole;
        memcpy(p, digits, (size_t)n);
        p += n;
    }
    return (size_t)(p - buf);
}

static void
nine_digits(uint32_t v, char *out)
{
    for (int k = LIMB_DIGITS - 1; k >= 0; k--, v /= 10)
        out[k] = (char)('0' + v % 10);
}

void
num_print(const Num *x, StrBuf *s)
{
    char limb[LIMB_DIGITS];
    if (UNLIKELY(x->kind != NUM_FINITE)) {
        str_add(s, x->kind == NUM_NAN ? "NaN" : x->kind == NUM_INF ? "Infinity" : "-Infinity");
        return;
    }
    str_reserve(s, (size_t)(MAX(x->weight, 0) + 2) * LIMB_DIGITS + (size_t)x->scale + 4);
    if (x->negative)
        str_add_char(s, '-');
    if (x->n == 0 || x->weight < 0) {
        str_add_char(s, '0');
    } else {
        for (int w = x->weight; w >= 0; w--) {
            int i = x->weight - w;
            uint32_t v = i < x->n ? x->limb[i] : 0;
            if (i == 0) {
                str_add_bytes(s, limb, uint64_to_text(v, limb));
            } else {
                nine_digits(v, limb);
                str_add_bytes(s, limb, LIMB_DIGITS);
            }
        }
    }
    if (x->scale <= 0)
        return;
    str_add_char(s, '.');
    int left = x->scale;
    for (int w = -1; left > 0; w--) {
        int i = x->weight - w;
        nine_digits(x->n > 0 && i >= 0 && i < x->n ? x->limb[i] : 0, limb);
        str_add_bytes(s, limb, (size_t)MIN(left, LIMB_DIGITS));
        left -= LIMB_DIGITS;
    }
}

void
numeric_print(Datum d, StrBuf *s)
{
    int64_t coefficient;
    int scale;
    if (LIKELY(numeric_small(d, &coefficient, &scale))) {
        char buf[160];
        str_add_bytes(s, buf, print_small(coefficient, scale, buf));
        return;
    }
    Num x;
    numeric_unpack(s->arena, d, &x);
    num_print(&x, s);
}

/* ---- reading ---- */

static inline bool
is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

NORETURN static void
raise_syntax(const char *text)
{
    RAISE(SQLSTATE_INVALID_TEXT_REPRESENTATION, "invalid input syntax for type numeric: \"%s\"", text);
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

static void
expect_end(const char *p, const char *text)
{
    while (is_space(*p))
        p++;
    if (*p != '\0')
        raise_syntax(text);
}

/* The limbs of `count` decimal digits at `digits`, the last of which has exponent `lowest`. */
static void
limbs_from_digits(Arena *a, const char *digits, int count, int lowest, Num *out)
{
    while (count > 0 && *digits == '0') {
        digits++;
        count--;
    }
    while (count > 0 && digits[count - 1] == '0') {
        count--;
        lowest++;
    }
    out->n = 0;
    out->weight = 0;
    out->limb = num_zero.limb;
    if (count == 0)
        return;
    int top = lowest + count - 1;
    int weight = top >= 0 ? top / LIMB_DIGITS : -((-top + LIMB_DIGITS - 1) / LIMB_DIGITS);
    int last = lowest >= 0 ? lowest / LIMB_DIGITS : -((-lowest + LIMB_DIGITS - 1) / LIMB_DIGITS);
    int n = weight - last + 1;
    uint32_t *limb = arena_alloc0(a, sizeof(uint32_t) * (size_t)n);
    for (int i = 0; i < count; i++) {
        int exponent = top - i;
        int w = exponent >= 0 ? exponent / LIMB_DIGITS : -((-exponent + LIMB_DIGITS - 1) / LIMB_DIGITS);
        limb[weight - w] += (uint32_t)((uint64_t)(digits[i] - '0') * pow10_u64[exponent - w * LIMB_DIGITS]);
    }
    out->limb = limb;
    out->n = n;
    out->weight = weight;
}

/* Digits, a point, an exponent: anything that the fast path did not take. */
static Datum
parse_long(Arena *a, const char *p, bool negative, const char *text, int32_t typmod)
{
    char *digits = arena_alloc(a, strlen(p) + 1);
    int count = 0, scale = 0;
    bool point = false, any = false;
    for (;; p++) {
        if ((unsigned char)(*p - '0') <= 9) {
            digits[count++] = *p;
            scale += point;
            any = true;
        } else if (*p == '.') {
            if (point)
                raise_syntax(text);
            point = true;
        } else {
            break;
        }
    }
    if (!any)
        raise_syntax(text);
    long exponent = 0;
    if (*p == 'e' || *p == 'E') {
        char *end;
        exponent = strtol(p + 1, &end, 10);
        if (end == p + 1)
            raise_syntax(text);
        p = end;
        if (exponent >= INT32_MAX / 2 || exponent <= -(INT32_MAX / 2))
            raise_numeric_overflow();
    }
    expect_end(p, text);
    /* Zeros may have any exponent; other digits must come to lie inside the format. */
    int leading = 0;
    while (leading < count && digits[leading] == '0')
        leading++;
    long top = (long)count - scale + exponent - leading;
    if (leading < count && top > NUMERIC_WEIGHT_LIMIT)
        raise_numeric_overflow();
    long printed = (long)scale - exponent;
    if (printed > NUMERIC_SCALE_LIMIT)
        raise_numeric_overflow();
    Num x = {.kind = NUM_FINITE};
    if (leading < count) {
        if (top < -(1 << 20)) { /* far below any scale a modifier can ask for */
            x = num_zero;
        } else {
            limbs_from_digits(a, digits, count, (int)(exponent - scale), &x);
            x.negative = x.n ? negative : false;
        }
    } else {
        x = num_zero;
    }
    x.scale = (int)MAX(printed, 0);
    if (typmod >= 4) {
        Num r = x;
        num_round(a, &r, numeric_typmod_scale(typmod));
        Datum d = numeric_pack(a, &r);
        return numeric_apply_typmod(a, d, typmod);
    }
    return numeric_pack(a, &x);
}

static Datum
parse(Arena *a, const char *text, int32_t typmod)
{
    const char *p = text, *end;
    while (is_space(*p))
        p++;
    bool negative = *p == '-';
    bool sign = *p == '-' || *p == '+';
    if (sign)
        p++;
    /* Up to eighteen digits, no exponent: the small form, straight. */
    const char *start = p;
    uint64_t m = 0;
    int digits = 0, scale = -1;
    for (;; p++) {
        unsigned c = (unsigned char)*p - '0';
        if (c <= 9) {
            m = m * 10 + c;
            digits++;
            if (UNLIKELY(digits > 18))
                break;
        } else if (*p == '.' && scale < 0) {
            scale = digits;
        } else {
            break;
        }
    }
    if (LIKELY(digits > 0 && digits <= 18 && (*p == '\0' || is_space(*p)))) {
        expect_end(p, text);
        scale = scale < 0 ? 0 : digits - scale;
        Datum d = numeric_pack_small(a, negative ? -(int64_t)m : (int64_t)m, scale);
        return typmod >= 4 ? numeric_apply_typmod(a, d, typmod) : d;
    }
    if (digits > 0 || *start == '.')
        return parse_long(a, start, negative, text, typmod);
    NumKind kind;
    if (!sign && (end = skip_word(start, "nan")) != NULL)
        kind = NUM_NAN;
    else if ((end = skip_word(start, "infinity")) != NULL || (end = skip_word(start, "inf")) != NULL)
        kind = negative ? NUM_NEG_INF : NUM_INF;
    else
        raise_syntax(text);
    expect_end(end, text);
    Datum d = numeric_pack_special(a, kind);
    return typmod >= 4 ? numeric_apply_typmod(a, d, typmod) : d;
}

Datum
numeric_from_text(Arena *a, const char *text, size_t len, int32_t typmod)
{
    if (UNLIKELY(text[len] != '\0'))
        text = arena_strndup(a, text, len);
    return parse(a, text, typmod);
}

/* ---- type modifier ---- */

NORETURN static void
raise_field_overflow(int precision, int scale, bool infinite)
{
    if (infinite)
        RAISE_ERR(SQLSTATE_NUMERIC_VALUE_OUT_OF_RANGE, err_message("numeric field overflow"),
                  err_detail("A field with precision %d, scale %d cannot hold an infinite value.", precision, scale));
    int digits = precision - scale;
    /* 10^0 is written 1. */
    RAISE_ERR(SQLSTATE_NUMERIC_VALUE_OUT_OF_RANGE, err_message("numeric field overflow"),
              err_detail("A field with precision %d, scale %d must round to an absolute value less than %s%d.", precision,
                         scale, digits ? "10^" : "", digits ? digits : 1));
}

/* c / 10^drop, rounded half away from zero; 0 < drop <= 18. */
static inline int64_t
round_coefficient(int64_t c, int drop)
{
    int64_t unit = (int64_t)pow10_u64[drop], q = c / unit, r = c % unit;
    if (r >= unit / 2 + (unit & 1))
        q++;
    else if (-r >= unit / 2 + (unit & 1))
        q--;
    return q;
}

Datum
numeric_apply_typmod(Arena *a, Datum d, int32_t typmod)
{
    if (typmod < 4)
        return d;
    int precision = numeric_typmod_precision(typmod), scale = numeric_typmod_scale(typmod);
    int64_t c;
    int have;
    if (LIKELY(numeric_small(d, &c, &have) && scale >= 0 && precision <= 18 && scale <= 18)) {
        if (have == scale && c < (int64_t)pow10_u64[precision] && c > -(int64_t)pow10_u64[precision])
            return d;
        Int128 wide = c;
        if (scale > have)
            wide *= (int64_t)pow10_u64[scale - have];
        else if (have - scale <= 18)
            wide = have == scale ? c : round_coefficient(c, have - scale);
        else
            wide = 0;
        if (wide >= (Int128)pow10_u64[precision] || wide <= -(Int128)pow10_u64[precision])
            raise_field_overflow(precision, scale, false);
        return numeric_pack_small(a, (int64_t)wide, scale);
    }
    Num x;
    numeric_unpack(a, d, &x);
    if (x.kind == NUM_NAN)
        return d;
    if (x.kind != NUM_FINITE)
        raise_field_overflow(precision, scale, true);
    num_round(a, &x, scale);
    if (x.n > 0 && num_exponent(&x) >= precision - scale)
        raise_field_overflow(precision, scale, false);
    x.scale = MAX(scale, 0);
    return numeric_pack(a, &x);
}

static int
parse_modifier(const char *text)
{
    return (int)int_from_text(text, INT32_MIN, INT32_MAX, "integer");
}

static int32_t
numeric_typmod_in(FnCtx *c, const char *const *mods, int n)
{
    if (n != 1 && n != 2)
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "invalid NUMERIC type modifier");
    int precision = parse_modifier(mods[0]);
    if (precision < 1 || precision > NUMERIC_MAX_PRECISION)
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "NUMERIC precision %d must be between 1 and %d", precision,
              NUMERIC_MAX_PRECISION);
    int scale = n == 2 ? parse_modifier(mods[1]) : 0;
    if (scale < -NUMERIC_MAX_SCALE || scale > NUMERIC_MAX_SCALE)
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "NUMERIC scale %d must be between %d and %d", scale, -NUMERIC_MAX_SCALE,
              NUMERIC_MAX_SCALE);
    return numeric_typmod(precision, scale);
}

static void
numeric_typmod_out(int32_t typmod, StrBuf *s)
{
    if (typmod >= 4)
        str_printf(s, "(%d,%d)", numeric_typmod_precision(typmod), numeric_typmod_scale(typmod));
}

static Datum
numeric_coerce(FnCtx *c, Datum d, int32_t typmod, bool explicit_cast)
{
    return numeric_apply_typmod(c->arena, d, typmod);
}

/* ---- binary form: base-10000 digits, as PostgreSQL sends them ---- */

#define WIRE_POSITIVE 0x0000
#define WIRE_NEGATIVE 0x4000
#define WIRE_NAN 0xC000
#define WIRE_INF 0xD000
#define WIRE_NEG_INF 0xF000

static void
send_header(StrBuf *s, int ndigits, int weight, int sign, int scale)
{
    char b[8];
    store_be16(b, (uint16_t)ndigits);
    store_be16(b + 2, (uint16_t)(int16_t)weight);
    store_be16(b + 4, (uint16_t)sign);
    store_be16(b + 6, (uint16_t)scale);
    str_add_bytes(s, b, 8);
}

static void
numeric_send(FnCtx *c, Datum d, StrBuf *s)
{
    Num x;
    numeric_unpack(c->arena, d, &x);
    if (x.kind != NUM_FINITE) {
        /* PostgreSQL's infinities show a scale bit: part of its stored form. */
        if (x.kind == NUM_NAN)
            send_header(s, 0, 0, WIRE_NAN, 0);
        else
            send_header(s, 0, 0, x.kind == NUM_INF ? WIRE_INF : WIRE_NEG_INF, 0x20);
        return;
    }
    int16_t *digits = arena_alloc(c->arena, sizeof(int16_t) * (size_t)num_nbase_room(&x));
    int weight, n = num_to_nbase(&x, digits, &weight);
    send_header(s, n, weight, x.negative ? WIRE_NEGATIVE : WIRE_POSITIVE, x.scale);
    for (int i = 0; i < n; i++)
        store_be16(digits + i, (uint16_t)digits[i]);
    str_add_bytes(s, digits, 2 * (size_t)n);
}

static Datum
numeric_recv(FnCtx *c, const char *bytes, size_t len, Oid elem, int32_t typmod)
{
    if (len < 8)
        RAISE(SQLSTATE_PROTOCOL_VIOLATION, "insufficient data left in message");
    int n = load_be16(bytes), weight = (int16_t)load_be16(bytes + 2);
    int sign = load_be16(bytes + 4), scale = load_be16(bytes + 6);
    if (sign != WIRE_POSITIVE && sign != WIRE_NEGATIVE && sign != WIRE_NAN && sign != WIRE_INF && sign != WIRE_NEG_INF)
        RAISE(SQLSTATE_INVALID_BINARY_REPRESENTATION, "invalid sign in external \"numeric\" value");
    if (scale > NUMERIC_SCALE_LIMIT)
        RAISE(SQLSTATE_INVALID_BINARY_REPRESENTATION, "invalid scale in external \"numeric\" value");
    check_recv_length(len, 8 + 2 * (size_t)n);
    Datum d;
    if (sign >= WIRE_NAN) {
        d = numeric_pack_special(c->arena, sign == WIRE_NAN ? NUM_NAN : sign == WIRE_INF ? NUM_INF : NUM_NEG_INF);
        return typmod >= 4 ? numeric_apply_typmod(c->arena, d, typmod) : d;
    }
    char *digits = arena_alloc(c->arena, (size_t)n * 4 + 1);
    for (int i = 0; i < n; i++) {
        int v = (int16_t)load_be16(bytes + 8 + 2 * i);
        if (v < 0 || v >= 10000)
            RAISE(SQLSTATE_INVALID_BINARY_REPRESENTATION, "invalid digit in external \"numeric\" value");
        for (int k = 3; k >= 0; k--, v /= 10)
            digits[4 * i + k] = (char)('0' + v % 10);
    }
    Num x = {.kind = NUM_FINITE};
    limbs_from_digits(c->arena, digits, 4 * n, (weight - n + 1) * 4, &x);
    x.negative = x.n ? sign == WIRE_NEGATIVE : false;
    num_trunc(c->arena, &x, scale); /* digits beyond the stated scale are dropped */
    x.scale = scale;
    d = numeric_pack(c->arena, &x);
    return typmod >= 4 ? numeric_apply_typmod(c->arena, d, typmod) : d;
}

/* ---- index keys ----
 *
 * A tag byte that orders kinds, signs and small exponents; the exponent when it is larger; then two
 * decimal digits a byte (00..99 as 1..100, first digit not zero unless alone), ended by 0. Negative
 * values are the complement of all that. Trailing zeros are not written, so equal values of different
 * scales have one key, from which the scale cannot be told: there is no decode.
 *
 *   0x10 -Infinity | 0x2F..0x6F negative | 0x80 zero | 0x90..0xD0 positive | 0xE0 Infinity | 0xF0 NaN
 */
#define KEY_NEG_INF 0x10
#define KEY_ZERO 0x80
#define KEY_LOW 0x90      /* exponent below -31 follows in three bytes */
#define KEY_MIDDLE 0xB0   /* + exponent -31..31 */
#define KEY_HIGH 0xD0     /* exponent above 31 follows in three bytes */
#define KEY_INF 0xE0
#define KEY_NAN 0xF0

static void
key_from_digits(StrBuf *out, bool negative, int exponent, const char *digits, int n)
{
    size_t from = out->len;
    if (exponent >= -31 && exponent <= 31) {
        str_add_char(out, (char)(KEY_MIDDLE + exponent));
    } else {
        char b[4];
        store_be32(b, (uint32_t)(exponent + (1 << 23)));
        b[0] = (char)(exponent < 0 ? KEY_LOW : KEY_HIGH);
        str_add_bytes(out, b, 4);
    }
    for (int i = 0; i < n; i += 2)
        str_add_char(out, (char)((digits[i] - '0') * 10 + (i + 1 < n ? digits[i + 1] - '0' : 0) + 1));
    str_add_char(out, 0);
    if (negative) {
        for (size_t i = from; i < out->len; i++)
            out->data[i] = (char)~out->data[i];
    }
}

static void
numeric_key_encode(Datum d, Oid collation, StrBuf *out)
{
    int64_t c;
    int scale;
    if (LIKELY(numeric_small(d, &c, &scale))) {
        char digits[24];
        if (c == 0) {
            str_add_char(out, (char)KEY_ZERO);
            return;
        }
        int n = (int)uint64_to_text(c < 0 ? 0 - (uint64_t)c : (uint64_t)c, digits);
        int exponent = n - 1 - scale;
        while (digits[n - 1] == '0')
            n--;
        key_from_digits(out, c < 0, exponent, digits, n);
        return;
    }
    Num x;
    numeric_unpack(out->arena, d, &x);
    if (x.kind != NUM_FINITE) {
        str_add_char(out, (char)(x.kind == NUM_NAN ? KEY_NAN : x.kind == NUM_INF ? KEY_INF : KEY_NEG_INF));
        return;
    }
    if (x.n == 0) {
        str_add_char(out, (char)KEY_ZERO);
        return;
    }
    char *digits = arena_alloc(out->arena, (size_t)x.n * LIMB_DIGITS);
    int n = (int)uint64_to_text(x.limb[0], digits);
    for (int i = 1; i < x.n; i++, n += LIMB_DIGITS)
        nine_digits(x.limb[i], digits + n);
    while (digits[n - 1] == '0')
        n--;
    key_from_digits(out, x.negative, num_exponent(&x), digits, n);
}

/* ---- TypeOps ---- */

static Datum
numeric_in(FnCtx *c, const char *text, size_t len, Oid elem, int32_t typmod)
{
    return parse(c->arena, text, typmod);
}

static void
numeric_out(FnCtx *c, Datum d, StrBuf *s)
{
    numeric_print(d, s);
}

static int
numeric_cmp(Datum a, Datum b, Oid collation)
{
    return numeric_compare(a, b);
}

static bool
numeric_eq(Datum a, Datum b, Oid collation)
{
    return numeric_compare(a, b) == 0;
}

uint64_t numeric_hash(Datum d, Oid collation);

const TypeOps type_ops_numeric = {
    .oid = NUMERIC_OID,
    .len = -1,
    .byval = false,
    .in = numeric_in,
    .out = numeric_out,
    .recv = numeric_recv,
    .send = numeric_send,
    .cmp = numeric_cmp,
    .eq = numeric_eq,
    .hash = numeric_hash,
    .key_encode = numeric_key_encode,
    .typmod_in = numeric_typmod_in,
    .typmod_out = numeric_typmod_out,
    .apply_typmod = numeric_coerce,
};
