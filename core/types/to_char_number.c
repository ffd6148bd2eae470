/*
 * to_char of numbers, and to_number.
 *
 * A number is first printed plainly, rounded to the template's digits; NumberPrinter then walks the
 * template and the plain digits together. `at` counts digit positions: the first `blanks` of them
 * lie before the number. The sign is written once, at the first position where the number shows.
 * With FM, zeros at the end of the fraction that no 0 of the template asks for are left out: `last`
 * is the last digit worth showing. A number too large for its template shows as #s.
 */
#include "core/types/to_char.h"

#include <float.h>
#include <math.h>
#include <stdio.h>

#include "core/types/number.h"
#include "core/types/numeric.h"

#define SCALAR(name) Datum name(FnCtx *c, const Datum *args, bool *isnull)

/* The locale is C: a point, commas, and a blank where the currency symbol would stand. */
#define CURRENCY " "

typedef struct NumberPrinter {
    StrBuf out;
    NumberShape shape;
    const char *digits;   /* plain number without sign */
    const char *p;        /* next of its characters */
    const char *last;     /* NULL: all are shown */
    char sign;            /* + or - */
    bool sign_done;
    bool started;         /* the last position showed a digit */
    bool ended;           /* the number has run out before the template: so does the output */
    int blanks, count, at;
} NumberPrinter;

static inline bool
has(const NumberPrinter *w, unsigned flag)
{
    return (w->shape.flags & flag) != 0;
}

/* The 0 before the point of a number below 1 gives way to a blank: " .1". */
static bool
leading_zero_hidden(const NumberPrinter *w)
{
    return !has(w, NUM_ZERO) && w->p == w->digits && *w->digits == '0' && w->shape.post != 0;
}

static const char *
last_relevant_digit(const char *digits)
{
    const char *point = strchr(digits, '.'), *last = point;
    if (!point)
        return NULL;
    for (const char *p = point + 1; *p; p++)
        if (*p != '0')
            last = p;
    return last;
}

static void
write_sign(NumberPrinter *w)
{
    if (has(w, NUM_LSIGN)) {
        if (w->shape.sign_place == SIGN_BEFORE) {
            str_add_char(&w->out, w->sign);
            w->sign_done = true;
        }
    } else if (has(w, NUM_BRACKET)) {
        str_add_char(&w->out, w->sign == '+' ? ' ' : '<');
        w->sign_done = true;
    } else {
        if (w->sign == '-' || !has(w, NUM_FILLMODE))
            str_add_char(&w->out, w->sign == '-' ? '-' : ' ');
        w->sign_done = true;
    }
}

/* One character of the plain number, or what stands in its place. */
static void
write_character(NumberPrinter *w, NumberField f)
{
    bool only_point_left = w->last && *w->last == '.';
    if (*w->p == '.') {
        if (!only_point_left || has(w, NUM_FILLMODE))
            str_add_char(&w->out, '.');
    } else if (w->last && w->p > w->last && f != NF_0) {
        /* a zero not worth showing */
    } else if (leading_zero_hidden(w)) {
        if (!has(w, NUM_FILLMODE))
            str_add_char(&w->out, ' ');
        else if (only_point_left)
            str_add_char(&w->out, '0');
    } else {
        if (*w->p)
            str_add_char(&w->out, *w->p);
        else
            w->ended = true;
        w->started = true;
    }
    if (*w->p)
        w->p++;
}

static void
write_position(NumberPrinter *w, NumberField f)
{
    if (has(w, NUM_ROMAN))
        return;
    w->started = false;
    bool in_zeros = has(w, NUM_ZERO) && w->shape.zero_start <= w->at;
    if (!w->sign_done &&
        (w->at >= w->blanks || (has(w, NUM_ZERO) && w->shape.zero_start == w->at)) &&
        (!leading_zero_hidden(w) || (w->last && *w->last == '.')))
        write_sign(w);
    if (w->at < w->blanks && !in_zeros) {
        if (!has(w, NUM_FILLMODE))
            str_add_char(&w->out, ' ');
    } else if (w->at < w->blanks) {
        str_add_char(&w->out, '0');
        w->started = true;
    } else
        write_character(w, f);

    if (w->ended)
        return;
    int end = w->count + (w->blanks ? 1 : 0) + (has(w, NUM_DECIMAL) ? 1 : 0);
    if (w->last && w->last == w->p)
        end = w->at;
    if (w->at + 1 == end) {
        if (w->sign_done && has(w, NUM_BRACKET))
            str_add_char(&w->out, w->sign == '+' ? ' ' : '>');
        else if (has(w, NUM_LSIGN) && w->shape.sign_place == SIGN_BEHIND)
            str_add_char(&w->out, w->sign);
    }
    w->at++;
}

static void
write_roman(NumberPrinter *w, bool lower)
{
    size_t n = strlen(w->digits);
    if (!has(w, NUM_FILLMODE))
        for (size_t i = n; i < 15; i++)
            str_add_char(&w->out, ' ');
    for (size_t i = 0; i < n; i++)
        str_add_char(&w->out, lower ? to_lower(w->digits[i]) : w->digits[i]);
}

static void
write_field(NumberPrinter *w, NumberField f)
{
    switch (f) {
    case NF_9: case NF_0: case NF_POINT: case NF_D:
        write_position(w, f);
        break;
    case NF_COMMA: case NF_G:
        if (w->started)
            str_add_char(&w->out, ',');
        else if (!has(w, NUM_FILLMODE))
            str_add_char(&w->out, ' ');
        break;
    case NF_L:
        str_add(&w->out, CURRENCY);
        break;
    case NF_RN: case NF_rn:
        write_roman(w, f == NF_rn);
        break;
    case NF_TH: case NF_th:
        if (!has(w, NUM_ROMAN | NUM_DECIMAL) && *w->digits != '#' && w->sign != '-')
            str_add(&w->out, ordinal_suffix(w->digits, strlen(w->digits), f == NF_TH));
        break;
    case NF_MI:
        if (w->sign == '-' || !has(w, NUM_FILLMODE))
            str_add_char(&w->out, w->sign == '-' ? '-' : ' ');
        break;
    case NF_PL:
        if (w->sign == '+' || !has(w, NUM_FILLMODE))
            str_add_char(&w->out, w->sign == '+' ? '+' : ' ');
        break;
    case NF_SG:
        if (w->sign)
            str_add_char(&w->out, w->sign);
        else
            w->ended = true;
        break;
    default:
        break;
    }
}

/* Decides about the sign and the zeros at the end before the first position. */
static void
printer_start(NumberPrinter *w)
{
    NumberShape *s = &w->shape;
    if (s->zero_start)
        s->zero_start--;
    if (has(w, NUM_ROMAN)) {
        s->sign_place = SIGN_NONE;
        s->pre = s->post = s->pre_sign = w->blanks = 0;
        w->sign = 0;
        s->flags = NUM_ROMAN | (s->flags & NUM_FILLMODE);
    }
    if (has(w, NUM_PLUS | NUM_MINUS))
        w->sign_done =
            !(has(w, NUM_PLUS) && !has(w, NUM_MINUS)); /* PL alone leaves a minus to the number */
    else {
        if (w->sign != '-' && has(w, NUM_BRACKET) && has(w, NUM_FILLMODE))
            s->flags &= ~NUM_BRACKET;
        w->sign_done = w->sign == '+' && has(w, NUM_FILLMODE) && !has(w, NUM_LSIGN);
        if (s->sign_place == SIGN_BEFORE && s->pre == s->pre_sign)
            s->sign_place = SIGN_BEHIND;
    }
    w->count = s->post + s->pre - 1;
    if (has(w, NUM_FILLMODE) && has(w, NUM_DECIMAL)) {
        w->last = last_relevant_digit(w->digits);
        if (w->last && s->zero_end > w->blanks) { /* digits that a 0 asks for stay */
            int64_t at = MIN((int64_t)strlen(w->digits) - 1, (int64_t)s->zero_end - w->blanks);
            if (w->last < w->digits + at)
                w->last = w->digits + at;
        }
    }
    if (!w->sign_done && w->blanks == 0)
        w->count++;
}

static Datum
print_number(FnCtx *c, const Template *t, const NumberShape *shape, const char *digits, char sign,
             int blanks)
{
    NumberPrinter w = {
        .shape = *shape, .digits = digits, .p = digits, .sign = sign, .blanks = blanks};
    if (shape->flags & NUM_EEEE)
        return var_from_cstring(c->arena, digits);
    str_init(&w.out, c->arena);
    printer_start(&w);
    for (const Node *n = t->nodes; n->kind != NODE_END && !w.ended; n++) {
        if (n->kind == NODE_FIELD)
            write_field(&w, (NumberField)n->field->field);
        else
            str_add_bytes(&w.out, n->bytes, n->len);
    }
    return var_make(c->arena, w.out.data, w.out.len);
}

/* ---- plain numbers ---- */

/* #s in the shape of the template, for what does not fit. */
static char *
hashes(Arena *a, int pre, int post)
{
    char *p = arena_alloc(a, (size_t)(pre + post + 2));
    memset(p, '#', (size_t)(pre + post + 1));
    p[pre] = '.';
    p[pre + post + 1] = 0;
    return p;
}

/* The same in the scientific form. */
static char *
hashes_scientific(Arena *a, const NumberShape *s)
{
    int n = s->pre + s->post + 6;
    char *p = arena_alloc(a, (size_t)n + 1);
    memset(p, '#', (size_t)n);
    p[0] = ' ';
    p[s->pre + 1] = '.';
    p[n] = 0;
    return p;
}

static Datum
print_plain(FnCtx *c, const Template *t, NumberShape *s, const char *plain)
{
    char sign = '+';
    if (*plain == '-') {
        sign = '-';
        plain++;
    }
    size_t pre = strcspn(plain, ".");
    int blanks = 0;
    if ((int64_t)pre < s->pre)
        blanks = s->pre - (int)pre;
    else if ((int64_t)pre > s->pre)
        plain = hashes(c->arena, s->pre, s->post);
    return print_number(c, t, s, plain, sign, blanks);
}

static const char *
roman(Arena *a, int64_t v)
{
    static const char *const digits[4][10] = {
        {"", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX"},
        {"", "X", "XX", "XXX", "XL", "L", "LX", "LXX", "LXXX", "XC"},
        {"", "C", "CC", "CCC", "CD", "D", "DC", "DCC", "DCCC", "CM"},
        {"", "M", "MM", "MMM", "", "", "", "", "", ""},
    };
    if (v < 1 || v > 3999)
        return "###############";
    return arena_printf(a, "%s%s%s%s", digits[3][v / 1000], digits[2][v / 100 % 10],
                        digits[1][v / 10 % 10], digits[0][v % 10]);
}

/*
 * The decimal text shifted by 10^shift and rounded to `scale` digits behind the point, halves away
 * from zero; text is [-]digits[.digits].
 */
static char *
decimal_round(Arena *a, const char *text, int shift, int scale)
{
    bool negative = *text == '-';
    text += negative;
    size_t len = strlen(text), whole = strcspn(text, "."),
           fraction = len > whole ? len - whole - 1 : 0;
    size_t n = whole + fraction, room = n + (size_t)shift + (size_t)scale + 8;
    char *d = arena_alloc(a, room), *out = arena_alloc(a, room + 4), *p = out;
    d[0] = '0'; /* for a carry */
    memcpy(d + 1, text, whole);
    memcpy(d + 1 + whole, text + whole + 1, fraction);
    size_t point = 1 + whole + (size_t)shift, keep = point + (size_t)scale;
    for (size_t i = 1 + n; i <= keep; i++)
        d[i] = '0';
    if (d[keep] >= '5' && keep < 1 + n) {
        size_t i = keep;
        while (d[--i] == '9')
            d[i] = '0';
        d[i]++;
    }
    size_t first = 0;
    while (first + 1 < point && d[first] == '0')
        first++;
    bool zero = true;
    for (size_t i = 0; i < keep && zero; i++)
        zero = d[i] == '0';
    if (negative && !zero)
        *p++ = '-';
    memcpy(p, d + first, point - first);
    p += point - first;
    if (scale > 0) {
        *p++ = '.';
        memcpy(p, d + point, (size_t)scale);
        p += scale;
    }
    *p = 0;
    return out;
}

/*
 * "1.50e+02" with `scale` digits. The exponent is that of the unrounded number, as in
 * PostgreSQL: 9.99 with one digit is 10.0e+00.
 */
static char *
decimal_scientific(Arena *a, const char *text, int scale)
{
    bool negative = *text == '-';
    text += negative;
    size_t whole = strcspn(text, "."), len = strlen(text);
    int exponent = 0;
    size_t i = 0;
    while (i < len && (text[i] == '0' || text[i] == '.'))
        i++;
    const char *mantissa = "0";
    if (i < len) {
        exponent = i < whole ? (int)(whole - i) - 1 : -(int)(i - whole);
        StrBuf s;
        str_init(&s, a);
        str_add_char(&s, text[i]);
        str_add_char(&s, '.');
        for (size_t k = i + 1; k < len; k++)
            if (text[k] != '.')
                str_add_char(&s, text[k]);
        mantissa = s.data;
    }
    return arena_printf(a, "%s%se%+03d", negative ? "-" : "", decimal_round(a, mantissa, 0, scale),
                        exponent);
}

static char *
numeric_text(Arena *a, Datum d)
{
    StrBuf s;
    str_init(&s, a);
    numeric_print(d, &s);
    return s.data;
}

static Datum
decimal_to_char(FnCtx *c, const Template *t, const char *text)
{
    NumberShape s = t->shape;
    bool special = !is_digit(*text) && !is_digit(text[1]);
    if (s.flags & NUM_EEEE) {
        if (special)
            return print_number(c, t, &s, hashes_scientific(c->arena, &s), 0, 0);
        char *sci = decimal_scientific(c->arena, text, s.post);
        return print_number(c, t, &s, *sci == '-' ? sci : arena_printf(c->arena, " %s", sci), 0, 0);
    }
    s.pre += s.multi;
    return print_plain(c, t, &s, special ? text : decimal_round(c->arena, text, s.multi, s.post));
}

SCALAR(fn_numeric_to_char)
{
    if (var_len(args[1]) == 0)
        return var_make(c->arena, "", 0);
    const Template *t = template_get(c, args[1], true);
    if (t->shape.flags & NUM_ROMAN) {
        int64_t v;
        switch (numeric_kind(args[0])) {
        case NUM_NAN:
            RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "cannot convert NaN to integer");
        case NUM_FINITE:
            break;
        default:
            RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "cannot convert infinity to integer");
        }
        if (!numeric_to_int64(args[0], &v) || v != (int32_t)v)
            raise_int4_range();
        return print_number(c, t, &t->shape, roman(c->arena, v), 0, 0);
    }
    return decimal_to_char(c, t, numeric_text(c->arena, args[0]));
}

static Datum
int_to_char(FnCtx *c, const Datum *args, bool wide)
{
    int64_t v = datum_int64(args[0]);
    if (var_len(args[1]) == 0)
        return var_make(c->arena, "", 0);
    const Template *t = template_get(c, args[1], true);
    if (t->shape.flags & NUM_ROMAN) {
        if (v != (int32_t)v)
            raise_int4_range();
        return print_number(c, t, &t->shape, roman(c->arena, v), 0, 0);
    }
    if ((t->shape.flags & NUM_EEEE) && !wide) { /* a double holds it; its own rounding */
        char *sci = arena_printf(c->arena, "%+.*e", t->shape.post, (double)v);
        if (*sci == '+')
            *sci = ' ';
        return print_number(c, t, &t->shape, sci, 0, 0);
    }
    if (t->shape.multi) {
        __int128 shifted = v;
        for (int i = 0; i < t->shape.multi; i++) {
            shifted *= 10;
            if (wide && shifted != (int64_t)shifted)
                raise_int8_range();
            if (!wide && shifted != (int32_t)shifted)
                raise_int4_range();
        }
    }
    char buf[24];
    buf[int64_to_text(v, buf)] = 0;
    return decimal_to_char(c, t, buf);
}

SCALAR(fn_int4_to_char) { return int_to_char(c, args, false); }
SCALAR(fn_int8_to_char) { return int_to_char(c, args, true); }

/* digits: how many the type holds for sure. */
static Datum
float_to_char(FnCtx *c, double v, Datum format, int digits)
{
    if (var_len(format) == 0)
        return var_make(c->arena, "", 0);
    const Template *t = template_get(c, format, true);
    NumberShape s = t->shape;
    if (s.flags & NUM_ROMAN)
        return print_number(
            c, t, &s, roman(c->arena, double_fits_int32(rint(v)) ? (int64_t)rint(v) : 0), 0, 0);
    if (s.flags & NUM_EEEE) {
        if (isnan(v) || isinf(v))
            return print_number(c, t, &s, hashes_scientific(c->arena, &s), 0, 0);
        char *sci = arena_printf(c->arena, "%+.*e", s.post, v);
        if (*sci == '+')
            *sci = ' ';
        return print_number(c, t, &s, sci, 0, 0);
    }
    if (s.flags & NUM_MULTI) {
        v *= pow(10, s.multi);
        if (digits == FLT_DIG)
            v = (float)v;
        s.pre += s.multi;
    }
    if (isnan(v) || isinf(v)) {
        const char *name = isnan(v) ? "NaN" : v < 0 ? "-Infinity" : "Infinity";
        int width = isnan(v) ? 3 : 8;
        if (width >= digits)
            s.post = 0;
        else if (width + s.post > digits)
            s.post = digits - width;
        return print_plain(c, t, &s, name);
    }
    int pre = snprintf(NULL, 0, "%.0f", fabs(v));
    if (pre >= digits)
        s.post = 0;
    else if (pre + s.post > digits)
        s.post = digits - pre;
    return print_plain(c, t, &s, arena_printf(c->arena, "%.*f", s.post, v));
}

SCALAR(fn_float8_to_char) { return float_to_char(c, datum_float8(args[0]), args[1], DBL_DIG); }
SCALAR(fn_float4_to_char)
{
    return float_to_char(c, (double)datum_float4(args[0]), args[1], FLT_DIG);
}
