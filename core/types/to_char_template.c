/*
 * Templates to nodes: the key words of to_char and its kin, and the shape of number templates.
 */
#include "core/types/to_char.h"

#define F(name, field, digits, mode) {name, sizeof(name) - 1, field, digits, mode}

/* Within one first letter a longer word stands before its prefixes. */
static const FieldName date_fields[] = {
    F("A.D.", DF_A_D, false, MODE_ANY),
    F("A.M.", DF_A_M, false, MODE_ANY),
    F("AD", DF_AD, false, MODE_ANY),
    F("AM", DF_AM, false, MODE_ANY),
    F("B.C.", DF_B_C, false, MODE_ANY),
    F("BC", DF_BC, false, MODE_ANY),
    F("CC", DF_CC, true, MODE_ANY),
    F("DAY", DF_DAY, false, MODE_ANY),
    F("DDD", DF_DDD, true, MODE_GREGORIAN),
    F("DD", DF_DD, true, MODE_GREGORIAN),
    F("DY", DF_DY, false, MODE_ANY),
    F("Day", DF_Day, false, MODE_ANY),
    F("Dy", DF_Dy, false, MODE_ANY),
    F("D", DF_D, true, MODE_GREGORIAN),
    F("FF1", DF_FF1, true, MODE_ANY),
    F("FF2", DF_FF2, true, MODE_ANY),
    F("FF3", DF_FF3, true, MODE_ANY),
    F("FF4", DF_FF4, true, MODE_ANY),
    F("FF5", DF_FF5, true, MODE_ANY),
    F("FF6", DF_FF6, true, MODE_ANY),
    F("FX", DF_FX, false, MODE_ANY),
    F("HH24", DF_HH24, true, MODE_ANY),
    F("HH12", DF_HH12, true, MODE_ANY),
    F("HH", DF_HH, true, MODE_ANY),
    F("IDDD", DF_IDDD, true, MODE_ISO),
    F("ID", DF_ID, true, MODE_ISO),
    F("IW", DF_IW, true, MODE_ISO),
    F("IYYY", DF_IYYY, true, MODE_ISO),
    F("IYY", DF_IYY, true, MODE_ISO),
    F("IY", DF_IY, true, MODE_ISO),
    F("I", DF_I, true, MODE_ISO),
    F("J", DF_J, true, MODE_ANY),
    F("MI", DF_MI, true, MODE_ANY),
    F("MM", DF_MM, true, MODE_GREGORIAN),
    F("MONTH", DF_MONTH, false, MODE_GREGORIAN),
    F("MON", DF_MON, false, MODE_GREGORIAN),
    F("MS", DF_MS, true, MODE_ANY),
    F("Month", DF_Month, false, MODE_GREGORIAN),
    F("Mon", DF_Mon, false, MODE_GREGORIAN),
    F("OF", DF_OF, false, MODE_ANY),
    F("P.M.", DF_P_M, false, MODE_ANY),
    F("PM", DF_PM, false, MODE_ANY),
    F("Q", DF_Q, true, MODE_ANY),
    F("RM", DF_RM, false, MODE_GREGORIAN),
    F("SSSSS", DF_SSSSS, true, MODE_ANY),
    F("SSSS", DF_SSSS, true, MODE_ANY),
    F("SS", DF_SS, true, MODE_ANY),
    F("TZH", DF_TZH, false, MODE_ANY),
    F("TZM", DF_TZM, true, MODE_ANY),
    F("TZ", DF_TZ, false, MODE_ANY),
    F("US", DF_US, true, MODE_ANY),
    F("WW", DF_WW, true, MODE_GREGORIAN),
    F("W", DF_W, true, MODE_GREGORIAN),
    F("Y,YYY", DF_Y_YYY, true, MODE_GREGORIAN),
    F("YYYY", DF_YYYY, true, MODE_GREGORIAN),
    F("YYY", DF_YYY, true, MODE_GREGORIAN),
    F("YY", DF_YY, true, MODE_GREGORIAN),
    F("Y", DF_Y, true, MODE_GREGORIAN),
    F("a.d.", DF_a_d, false, MODE_ANY),
    F("a.m.", DF_a_m, false, MODE_ANY),
    F("ad", DF_ad, false, MODE_ANY),
    F("am", DF_am, false, MODE_ANY),
    F("b.c.", DF_b_c, false, MODE_ANY),
    F("bc", DF_bc, false, MODE_ANY),
    F("cc", DF_CC, true, MODE_ANY),
    F("day", DF_day, false, MODE_ANY),
    F("ddd", DF_DDD, true, MODE_GREGORIAN),
    F("dd", DF_DD, true, MODE_GREGORIAN),
    F("dy", DF_dy, false, MODE_ANY),
    F("d", DF_D, true, MODE_GREGORIAN),
    F("ff1", DF_FF1, true, MODE_ANY),
    F("ff2", DF_FF2, true, MODE_ANY),
    F("ff3", DF_FF3, true, MODE_ANY),
    F("ff4", DF_FF4, true, MODE_ANY),
    F("ff5", DF_FF5, true, MODE_ANY),
    F("ff6", DF_FF6, true, MODE_ANY),
    F("fx", DF_FX, false, MODE_ANY),
    F("hh24", DF_HH24, true, MODE_ANY),
    F("hh12", DF_HH12, true, MODE_ANY),
    F("hh", DF_HH, true, MODE_ANY),
    F("iddd", DF_IDDD, true, MODE_ISO),
    F("id", DF_ID, true, MODE_ISO),
    F("iw", DF_IW, true, MODE_ISO),
    F("iyyy", DF_IYYY, true, MODE_ISO),
    F("iyy", DF_IYY, true, MODE_ISO),
    F("iy", DF_IY, true, MODE_ISO),
    F("i", DF_I, true, MODE_ISO),
    F("j", DF_J, true, MODE_ANY),
    F("mi", DF_MI, true, MODE_ANY),
    F("mm", DF_MM, true, MODE_GREGORIAN),
    F("month", DF_month, false, MODE_GREGORIAN),
    F("mon", DF_mon, false, MODE_GREGORIAN),
    F("ms", DF_MS, true, MODE_ANY),
    F("of", DF_OF, false, MODE_ANY),
    F("p.m.", DF_p_m, false, MODE_ANY),
    F("pm", DF_pm, false, MODE_ANY),
    F("q", DF_Q, true, MODE_ANY),
    F("rm", DF_rm, false, MODE_GREGORIAN),
    F("sssss", DF_SSSSS, true, MODE_ANY),
    F("ssss", DF_SSSS, true, MODE_ANY),
    F("ss", DF_SS, true, MODE_ANY),
    F("tzh", DF_TZH, false, MODE_ANY),
    F("tzm", DF_TZM, true, MODE_ANY),
    F("tz", DF_tz, false, MODE_ANY),
    F("us", DF_US, true, MODE_ANY),
    F("ww", DF_WW, true, MODE_GREGORIAN),
    F("w", DF_W, true, MODE_GREGORIAN),
    F("y,yyy", DF_Y_YYY, true, MODE_GREGORIAN),
    F("yyyy", DF_YYYY, true, MODE_GREGORIAN),
    F("yyy", DF_YYY, true, MODE_GREGORIAN),
    F("yy", DF_YY, true, MODE_GREGORIAN),
    F("y", DF_Y, true, MODE_GREGORIAN),
};

#define N(name, field) F(name, field, false, MODE_ANY)
static const FieldName number_fields[] = {
    N(",", NF_COMMA), N(".", NF_POINT), N("0", NF_0),    N("9", NF_9),    N("B", NF_B),
    N("C", NF_C),     N("D", NF_D),     N("EEEE", NF_E), N("FM", NF_FM),  N("G", NF_G),
    N("L", NF_L),     N("MI", NF_MI),   N("PL", NF_PL),  N("PR", NF_PR),  N("RN", NF_RN),
    N("SG", NF_SG),   N("SP", NF_SP),   N("S", NF_S),    N("TH", NF_TH),  N("V", NF_V),
    N("b", NF_B),     N("c", NF_C),     N("d", NF_D),    N("eeee", NF_E), N("fm", NF_FM),
    N("g", NF_G),     N("l", NF_L),     N("mi", NF_MI),  N("pl", NF_PL),  N("pr", NF_PR),
    N("rn", NF_rn),   N("sg", NF_SG),   N("sp", NF_SP),  N("s", NF_S),    N("th", NF_th),
    N("v", NF_V),
};

const char *const roman_months[12] = {"XII", "XI", "X",  "IX",  "VIII", "VII",
                                      "VI",  "V",  "IV", "III", "II",   "I"};
const char *const roman_months_lower[12] = {"xii", "xi", "x",  "ix",  "viii", "vii",
                                            "vi",  "v",  "iv", "iii", "ii",   "i"};

static const FieldName *
find_field(const FieldName *table, size_t count, const char *p, size_t n)
{
    for (size_t i = 0; i < count; i++)
        if (table[i].name[0] == *p && table[i].len <= n &&
            memcmp(table[i].name, p, table[i].len) == 0)
            return &table[i];
    return NULL;
}

/* ---- the shape of a number template ---- */

#define SHAPE_ERROR(msg) RAISE(SQLSTATE_SYNTAX_ERROR, msg)

static void
shape_sign(NumberShape *s)
{
    if (s->flags & NUM_LSIGN)
        SHAPE_ERROR("cannot use \"S\" twice");
    if (s->flags & (NUM_PLUS | NUM_MINUS | NUM_BRACKET))
        SHAPE_ERROR("cannot use \"S\" and \"PL\"/\"MI\"/\"SG\"/\"PR\" together");
    if (!(s->flags & NUM_DECIMAL)) {
        s->sign_place = SIGN_BEFORE;
        s->pre_sign = s->pre;
    } else if (s->sign_place == SIGN_NONE)
        s->sign_place = SIGN_BEHIND;
    s->flags |= NUM_LSIGN;
}

static void
shape_add(NumberShape *s, NumberField f)
{
    if ((s->flags & NUM_EEEE) && f != NF_E)
        SHAPE_ERROR("\"EEEE\" must be the last pattern used");
    switch (f) {
    case NF_9:
        if (s->flags & NUM_BRACKET)
            SHAPE_ERROR("\"9\" must be ahead of \"PR\"");
        if (s->flags & NUM_MULTI)
            s->multi++;
        else if (s->flags & NUM_DECIMAL)
            s->post++;
        else
            s->pre++;
        break;
    case NF_0:
        if (s->flags & NUM_BRACKET)
            SHAPE_ERROR("\"0\" must be ahead of \"PR\"");
        if (!(s->flags & (NUM_ZERO | NUM_DECIMAL))) {
            s->flags |= NUM_ZERO;
            s->zero_start = s->pre + 1;
        }
        if (s->flags & NUM_DECIMAL)
            s->post++;
        else
            s->pre++;
        s->zero_end = s->pre + s->post;
        break;
    case NF_B:
        if (s->pre == 0 && s->post == 0 && !(s->flags & NUM_ZERO))
            s->flags |= NUM_BLANK;
        break;
    case NF_D:
        s->flags |= NUM_LOCALE_DECIMAL;
        /* fall through */
    case NF_POINT:
        if (s->flags & NUM_DECIMAL)
            SHAPE_ERROR("multiple decimal points");
        if (s->flags & NUM_MULTI)
            SHAPE_ERROR("cannot use \"V\" and decimal point together");
        s->flags |= NUM_DECIMAL;
        break;
    case NF_FM:
        s->flags |= NUM_FILLMODE;
        break;
    case NF_S:
        shape_sign(s);
        break;
    case NF_MI:
        if (s->flags & NUM_LSIGN)
            SHAPE_ERROR("cannot use \"S\" and \"MI\" together");
        s->flags |= NUM_MINUS;
        break;
    case NF_PL:
        if (s->flags & NUM_LSIGN)
            SHAPE_ERROR("cannot use \"S\" and \"PL\" together");
        s->flags |= NUM_PLUS;
        break;
    case NF_SG:
        if (s->flags & NUM_LSIGN)
            SHAPE_ERROR("cannot use \"S\" and \"SG\" together");
        s->flags |= NUM_MINUS | NUM_PLUS;
        break;
    case NF_PR:
        if (s->flags & (NUM_LSIGN | NUM_PLUS | NUM_MINUS))
            SHAPE_ERROR("cannot use \"PR\" and \"S\"/\"PL\"/\"MI\"/\"SG\" together");
        s->flags |= NUM_BRACKET;
        break;
    case NF_rn:
    case NF_RN:
        s->flags |= NUM_ROMAN;
        break;
    case NF_V:
        if (s->flags & NUM_DECIMAL)
            SHAPE_ERROR("cannot use \"V\" and decimal point together");
        s->flags |= NUM_MULTI;
        break;
    case NF_E:
        if (s->flags & NUM_EEEE)
            SHAPE_ERROR("cannot use \"EEEE\" twice");
        if (s->flags & (NUM_BLANK | NUM_FILLMODE | NUM_LSIGN | NUM_BRACKET | NUM_MINUS | NUM_PLUS |
                        NUM_ROMAN | NUM_MULTI))
            RAISE_ERR(
                SQLSTATE_SYNTAX_ERROR, err_message("\"EEEE\" is incompatible with other formats"),
                err_detail(
                    "\"EEEE\" may only be used together with digit and decimal point patterns."));
        s->flags |= NUM_EEEE;
        break;
    default:
        break;
    }
}

/* ---- text to nodes ---- */

static Node *
add_literal(Node *n, const char **p, const char *end, NodeKind kind)
{
    int k = char_bytes(*p, (size_t)(end - *p));
    memset(n, 0, sizeof *n);
    n->kind = (uint8_t)kind;
    n->len = (uint8_t)k;
    memcpy(n->bytes, *p, (size_t)k);
    *p += k;
    return n + 1;
}

static Node *
add_quoted(Node *n, const char **p, const char *end)
{
    for (++*p; *p < end;) {
        if (**p == '"') {
            ++*p;
            break;
        }
        if (**p == '\\' && *p + 1 < end)
            ++*p;
        n = add_literal(n, p, end, NODE_CHAR);
    }
    return n;
}

static inline bool
at(const char *p, const char *end, const char *two)
{
    return end - p >= 2 && p[0] == two[0] && p[1] == two[1];
}

static void
compile(Template *t, bool number)
{
    const char *p = t->text, *end = p + t->len;
    Node *n = t->nodes;
    while (p < end) {
        unsigned suffix = 0;
        if (!number) {
            if (at(p, end, "FM") || at(p, end, "fm"))
                suffix = SUFFIX_FM;
            else if (at(p, end, "TM") || at(p, end, "tm"))
                suffix = SUFFIX_TM;
            if (suffix)
                p += 2;
        }
        const FieldName *f = NULL;
        if (p < end)
            f = number ? find_field(number_fields, COUNT_OF(number_fields), p, (size_t)(end - p))
                       : find_field(date_fields, COUNT_OF(date_fields), p, (size_t)(end - p));
        if (f) {
            p += f->len;
            if (number)
                shape_add(&t->shape, (NumberField)f->field);
            else if (at(p, end, "TH") || at(p, end, "th") || at(p, end, "SP")) {
                if (*p != 'S')
                    suffix |= *p == 'T' ? SUFFIX_TH : SUFFIX_TH_LOWER;
                p += 2;
            }
            memset(n, 0, sizeof *n);
            n->kind = NODE_FIELD;
            n->suffix = (uint8_t)suffix;
            n->field = f;
            n++;
        } else if (p < end) {
            if (*p == '"') {
                n = add_quoted(n, &p, end);
                continue;
            }
            if (*p == '\\' && p + 1 < end && p[1] == '"')
                p++;
            n = add_literal(n, &p, end,
                            !number && is_separator(*p) ? NODE_SEPARATOR
                            : is_space(*p)              ? NODE_SPACE
                                                        : NODE_CHAR);
        }
    }
    memset(n, 0, sizeof *n);
}

const Template *
template_get(FnCtx *c, Datum format, bool number)
{
    Template *t = c->state;
    uint32_t len = var_len(format);
    if (t && t->len == len && memcmp(t->text, var_data(format), len) == 0)
        return t;
    /* A constant template is compiled once; a column's are compiled row by row in scratch memory.
     */
    Arena *a = t ? c->arena : c->state_arena;
    Template *fresh = ARENA_NEW(a, Template);
    fresh->len = len;
    fresh->text = arena_strndup(a, var_data(format), len);
    fresh->nodes = arena_alloc(a, sizeof(Node) * (len + 1));
    compile(fresh, number);
    if (!t)
        c->state = fresh;
    return fresh;
}

const char *
ordinal_suffix(const char *digits, size_t n, bool upper)
{
    static const char *const names[2][4] = {{"th", "st", "nd", "rd"}, {"TH", "ST", "ND", "RD"}};
    char last = n > 0 ? digits[n - 1] : 0;
    if (!is_digit(last))
        RAISE(SQLSTATE_INVALID_TEXT_REPRESENTATION, "\"%.*s\" is not a number", (int)n, digits);
    int k = last >= '1' && last <= '3' && !(n > 1 && digits[n - 2] == '1') ? last - '0' : 0;
    return names[upper][k];
}
