/*
 * Integer text forms, the number types' common errors and their settings.
 */
#include "core/types/number.h"

#include "core/base/settings.h"

int extra_float_digits = 1;

static const SettingDef number_settings[] = {
    {
        .name = "extra_float_digits",
        .type = SETTING_INT,
        .context = CONTEXT_USER,
        .group = "Client Connection Defaults / Locale and Formatting",
        .description = "Digits shown for floating-point values beyond or short of the type's own; above 0: the shortest exact text.",
        .variable = &extra_float_digits,
        .boot = "1",
        .min = -15,
        .max = 3,
    },
};

void
types_number_settings_register(void)
{
    settings_register(number_settings, COUNT_OF(number_settings));
    float_format_init();
}

void
raise_int2_range(void)
{
    RAISE(SQLSTATE_NUMERIC_VALUE_OUT_OF_RANGE, "smallint out of range");
}

void
raise_int4_range(void)
{
    RAISE(SQLSTATE_NUMERIC_VALUE_OUT_OF_RANGE, "integer out of range");
}

void
raise_int8_range(void)
{
    RAISE(SQLSTATE_NUMERIC_VALUE_OUT_OF_RANGE, "bigint out of range");
}

void
raise_division_by_zero(void)
{
    RAISE(SQLSTATE_DIVISION_BY_ZERO, "division by zero");
}

void
raise_float_overflow(void)
{
    RAISE(SQLSTATE_NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: overflow");
}

void
raise_float_underflow(void)
{
    RAISE(SQLSTATE_NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: underflow");
}

/* Too short ends inside the message, too long leaves bytes behind: PostgreSQL's two errors. */
void
raise_recv_length(size_t got, size_t want)
{
    if (got < want)
        RAISE(SQLSTATE_PROTOCOL_VIOLATION, "insufficient data left in message");
    RAISE(SQLSTATE_INVALID_BINARY_REPRESENTATION, "incorrect binary data format");
}

static const char digit_pairs[] =
    "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748"
    "49505152535455565758596061626364656667686970717273747576777879808182838485868788899091929394959697"
    "9899";

static inline int
count_digits(uint64_t v)
{
    static const uint64_t powers[20] = {
        0, UINT64_C(10), UINT64_C(100), UINT64_C(1000), UINT64_C(10000), UINT64_C(100000),
        UINT64_C(1000000), UINT64_C(10000000), UINT64_C(100000000), UINT64_C(1000000000),
        UINT64_C(10000000000), UINT64_C(100000000000), UINT64_C(1000000000000),
        UINT64_C(10000000000000), UINT64_C(100000000000000), UINT64_C(1000000000000000),
        UINT64_C(10000000000000000), UINT64_C(100000000000000000), UINT64_C(1000000000000000000),
        UINT64_C(10000000000000000000)};
    /* bits * log10(2), corrected by one comparison. */
    int guess = (64 - __builtin_clzll(v | 1)) * 1233 >> 12;
    return guess + (v >= powers[guess]);
}

size_t
uint64_to_text(uint64_t v, char *buf)
{
    int len = v == 0 ? 1 : count_digits(v);
    char *p = buf + len;
    while (v >= 100) {
        unsigned pair = (unsigned)(v % 100);
        v /= 100;
        p -= 2;
        memcpy(p, digit_pairs + 2 * pair, 2);
    }
    if (v >= 10)
        memcpy(p - 2, digit_pairs + 2 * v, 2);
    else
        p[-1] = (char)('0' + v);
    return (size_t)len;
}

size_t
int64_to_text(int64_t v, char *buf)
{
    if (v >= 0)
        return uint64_to_text((uint64_t)v, buf);
    *buf = '-';
    return uint64_to_text(0 - (uint64_t)v, buf + 1) + 1;
}

static inline bool
is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

NORETURN static void
raise_int_syntax(const char *text, const char *type_name)
{
    RAISE(SQLSTATE_INVALID_TEXT_REPRESENTATION, "invalid input syntax for type %s: \"%s\"", type_name, text);
}

int64_t
int_from_text(const char *text, int64_t min, int64_t max, const char *type_name)
{
    const char *p = text;
    while (is_space(*p))
        p++;
    bool negative = *p == '-';
    if (*p == '-' || *p == '+')
        p++;
    if (UNLIKELY((unsigned char)(*p - '0') > 9))
        raise_int_syntax(text, type_name);

    uint64_t v = 0;
    bool overflow = false;
    for (; (unsigned char)(*p - '0') <= 9; p++) {
        if (UNLIKELY(v > (UINT64_MAX - 9) / 10))
            overflow = true;
        else
            v = v * 10 + (uint64_t)(*p - '0');
    }
    /* The range error comes before one about trailing bytes, which are looked at only in range. */
    uint64_t limit = negative ? 0 - (uint64_t)min : (uint64_t)max;
    if (UNLIKELY(overflow || v > limit)) {
        RAISE(SQLSTATE_NUMERIC_VALUE_OUT_OF_RANGE, "value \"%s\" is out of range for type %s", text, type_name);
    }
    while (is_space(*p))
        p++;
    if (UNLIKELY(*p != '\0'))
        raise_int_syntax(text, type_name);
    return negative ? (int64_t)(0 - v) : (int64_t)v;
}
