/*
 * to_number(text, template): digits are taken from the text where the template has 9 or 0, signs,
 * group separators and other characters are passed over as it says; what was collected is then read
 * as a numeric of the template's precision.
 */
#include "core/types/to_char.h"

#include "core/types/number.h"
#include "core/types/numeric.h"

Datum fn_numeric_power(FnCtx *c, const Datum *args, bool *isnull); /* numeric_math.c */

#define SCALAR(name) Datum name(FnCtx *c, const Datum *args, bool *isnull)

typedef struct NumberReader {
    const char *p, *end;
    const NumberShape *shape;
    char *number;      /* [0] the sign or a blank, then digits and the point */
    char *out;
    int pre, post;     /* digits read */
    bool point;
} NumberReader;

static inline bool
has(const NumberReader *r, unsigned flag)
{
    return (r->shape->flags & flag) != 0;
}

static void
skip_character(NumberReader *r)
{
    if (r->p < r->end)
        r->p += char_bytes(r->p, (size_t)(r->end - r->p));
}

/* Passes up to n characters that cannot belong to a number. */
static void
skip_non_data(NumberReader *r, int n)
{
    while (n-- > 0 && r->p < r->end && (*r->p == 0 || !strchr("0123456789.,+-", *r->p)))
        skip_character(r);
}

/* A sign behind the digits; true: the input position stands on the sign, to be passed by the
 * caller. */
static void
read_sign_behind(NumberReader *r, bool took)
{
    if (r->number[0] != ' ' || r->pre + r->post == 0)
        return;
    if (has(r, NUM_LSIGN) && took) {
        if (r->p + 1 < r->end && !is_digit(r->p[1]) && (r->p[1] == '-' || r->p[1] == '+')) {
            r->p++;
            r->number[0] = *r->p;
        }
    } else if (!took && !has(r, NUM_LSIGN) && has(r, NUM_PLUS | NUM_MINUS) &&
               (*r->p == '-' || *r->p == '+'))
        r->number[0] = *r->p;
}

/* A digit position or the point. On return the position is at the last byte used. */
static void
read_position(NumberReader *r, NumberField f)
{
    bool took = false;
    if (*r->p == ' ')
        r->p++;
    if (r->p >= r->end)
        return;
    if (r->number[0] == ' ' && (f == NF_0 || f == NF_9) && r->pre + r->post == 0) {
        if (has(r, NUM_LSIGN) && r->shape->sign_place == SIGN_BEFORE) {
            if (*r->p == '-' || *r->p == '+')
                r->number[0] = *r->p++;
        } else if (*r->p == '-' || (has(r, NUM_BRACKET) && *r->p == '<')) {
            r->number[0] = '-';
            r->p++;
        } else if (*r->p == '+') {
            r->number[0] = '+';
            r->p++;
        }
    }
    if (r->p >= r->end)
        return;
    if (is_digit(*r->p)) {
        if (r->point && r->post == r->shape->post)
            return;
        *r->out++ = *r->p;
        if (r->point)
            r->post++;
        else
            r->pre++;
        took = true;
    } else if (has(r, NUM_DECIMAL) && !r->point && *r->p == '.') {
        *r->out++ = '.';
        r->point = true;
        took = true;
    }
    read_sign_behind(r, took);
}

/* MI, PL, SG: one of the signs in `set`, or any one character that is no data. */
static void
read_sign(NumberReader *r, const char *set)
{
    if (*r->p && strchr(set, *r->p)) {
        r->number[0] = *r->p;
        r->p++;
    } else
        skip_non_data(r, 1);
}

static void
read_field(NumberReader *r, NumberField f)
{
    switch (f) {
    case NF_9: case NF_0: case NF_POINT: case NF_D:
        read_position(r, f);
        r->p++;
        break;
    case NF_COMMA: case NF_G:
        if (has(r, NUM_FILLMODE))
            break;
        if (*r->p == ',')
            r->p++;
        break;
    case NF_L:
        skip_non_data(r, 1);
        break;
    case NF_TH: case NF_th:
        if (!has(r, NUM_DECIMAL) && r->number[0] != '#')
            skip_non_data(r, 2);
        break;
    case NF_MI:
        read_sign(r, "-");
        break;
    case NF_PL:
        read_sign(r, "+");
        break;
    case NF_SG:
        read_sign(r, "+-");
        break;
    default:
        break;
    }
}

SCALAR(fn_numeric_to_number)
{
    if (var_len(args[1]) == 0) {
        *isnull = true;
        return 0;
    }
    const Template *t = template_get(c, args[1], true);
    if (t->shape.flags & NUM_EEEE)
        RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "\"EEEE\" not supported for input");
    if (t->shape.flags & NUM_ROMAN)
        RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "\"RN\" not supported for input");
    char *text = text_cstring(c, args[0]);
    NumberReader r = {.p = text, .end = text + strlen(text), .shape = &t->shape};
    r.number = arena_alloc(c->arena, t->len + 4);
    r.number[0] = ' ';
    r.out = r.number + 1;
    for (const Node *n = t->nodes; n->kind != NODE_END && r.p < r.end; n++) {
        if (n->kind == NODE_FIELD)
            read_field(&r, (NumberField)n->field->field);
        else
            skip_character(&r);
    }
    if (r.out > r.number + 1 && r.out[-1] == '.')
        r.out--;
    *r.out = 0;
    int precision = t->shape.pre + t->shape.multi + r.post;
    Datum v = numeric_from_text(c->arena, r.number, (size_t)(r.out - r.number),
                                numeric_typmod(precision, r.post));
    if (t->shape.multi) { /* V: the digits behind it are behind the point */
        Datum unit = fn_call2(fn_numeric_power, c->arena, 0, numeric_from_int64(c->arena, 10),
                              numeric_from_int64(c->arena, -t->shape.multi));
        v = numeric_mul(c->arena, v, unit);
    }
    return v;
}
