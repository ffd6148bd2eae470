/*
 * Quoting of identifiers and literals, concat(), concat_ws(), format(): functions that turn any
 * value into text.
 */
#include "core/types/array.h"
#include "core/types/text_type.h"

void
sql_quote_literal(StrBuf *out, Span s)
{
    if (memchr(s.p, '\\', s.n))
        str_add_char(out, 'E');
    str_add_char(out, '\'');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\'' || s.p[i] == '\\')
            str_add_char(out, s.p[i]);
        str_add_char(out, s.p[i]);
    }
    str_add_char(out, '\'');
}

/* Plain when it reads back as itself: a lower-case word that is no keyword. */
void
quote_ident_append(StrBuf *out, Span s)
{
    bool safe = s.n > 0 && ((s.p[0] >= 'a' && s.p[0] <= 'z') || s.p[0] == '_');

    for (size_t i = 0; safe && i < s.n; i++) {
        char ch = s.p[i];
        safe = (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') || ch == '_';
    }
    if (safe && s.n < NAME_BYTES) {
        char word[NAME_BYTES];
        memcpy(word, s.p, s.n);
        word[s.n] = 0;
        safe = !sql_keyword_needs_quotes(word);
    }
    if (safe) {
        str_add_bytes(out, s.p, s.n);
        return;
    }
    str_add_char(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"')
            str_add_char(out, '"');
        str_add_char(out, s.p[i]);
    }
    str_add_char(out, '"');
}

Datum
fn_quote_ident(FnCtx *c, const Datum *args, bool *isnull)
{
    StrBuf out;
    str_init(&out, c->arena);
    quote_ident_append(&out, var_span(args[0]));
    return str_datum(c->arena, &out);
}

/* Also for anyelement: the value as a cast to text gives it. */
Datum
fn_quote_literal(FnCtx *c, const Datum *args, bool *isnull)
{
    StrBuf out;
    str_init(&out, c->arena);
    sql_quote_literal(
        &out, var_span(text_from_any(c, c->arg_types ? c->arg_types[0] : TEXT_OID, args[0])));
    return str_datum(c->arena, &out);
}

Datum
fn_quote_nullable(FnCtx *c, const Datum *args, bool *isnull)
{
    if (c->argnull[0])
        return var_make(c->arena, "NULL", 4);
    return fn_quote_literal(c, args, isnull);
}

/* ---- arguments of any type ---- */

typedef struct AnyArgs {
    const Datum *v;
    const bool *nulls;
    const Oid *types; /* NULL: all of `elem` */
    Oid elem;
    int n;
} AnyArgs;

/*
 * The arguments from number `first` on. With VARIADIC in the call the last one is an array whose
 * elements are the arguments; returns false when that array is null.
 */
static bool
gather_args(FnCtx *c, const Datum *args, int first, AnyArgs *out)
{
    if (c->variadic_array && c->nargs == first + 1 && array_is_type(c->arg_types[first])) {
        ArrayView view;
        Datum *v;
        bool *nulls;
        if (c->argnull[first])
            return false;
        array_view(args[first], &view);
        array_deconstruct(c->arena, args[first], &v, &nulls, &out->n);
        out->v = v;
        out->nulls = nulls;
        out->types = NULL;
        out->elem = view.elem;
    } else {
        *out =
            (AnyArgs){args + first, c->argnull + first, c->arg_types + first, 0, c->nargs - first};
    }
    return true;
}

static void
add_any(FnCtx *c, const AnyArgs *a, int i, StrBuf *out)
{
    Oid type = a->types ? a->types[i] : a->elem;

    if (type == TEXT_OID || type == VARCHAR_OID || type == UNKNOWN_OID || type == BPCHAR_OID) {
        str_add_bytes(out, var_data(a->v[i]), var_len(a->v[i]));
        return;
    }
    const TypeOps *ops = type_ops(type);
    if (!ops)
        INTERNAL_ERROR("cache lookup failed for type %u", type);
    ops->out(c, a->v[i], out);
}

Datum
fn_text_concat(FnCtx *c, const Datum *args, bool *isnull)
{
    AnyArgs a;
    StrBuf out;

    if (!gather_args(c, args, 0, &a)) {
        *isnull = true;
        return 0;
    }
    str_init(&out, c->arena);
    for (int i = 0; i < a.n; i++)
        if (!a.nulls[i])
            add_any(c, &a, i, &out);
    return str_datum(c->arena, &out);
}

Datum
fn_text_concat_ws(FnCtx *c, const Datum *args, bool *isnull)
{
    AnyArgs a;
    StrBuf out;
    bool first = true;

    if (c->argnull[0] || !gather_args(c, args, 1, &a)) {
        *isnull = true;
        return 0;
    }
    Span sep = var_span(args[0]);
    str_init(&out, c->arena);
    for (int i = 0; i < a.n; i++) {
        if (a.nulls[i])
            continue;
        if (!first)
            str_add_bytes(&out, sep.p, sep.n);
        first = false;
        add_any(c, &a, i, &out);
    }
    return str_datum(c->arena, &out);
}

/* ---- format() ---- */

/* One %[position$][flags][width]type. */
typedef struct Spec {
    int position;       /* 0: next; otherwise 1-based */
    int width_position; /* -1 none, 0 next */
    bool minus;
    int width;
    char type;
} Spec;

NORETURN static void
raise_unterminated(void)
{
    RAISE_ERR(SQLSTATE_INVALID_PARAMETER_VALUE, err_message("unterminated format() type specifier"),
              err_hint("For a single \"%%\" use \"%%%%\"."));
}

static bool
parse_number(const char **p, const char *end, int *out)
{
    int64_t v = 0;
    const char *start = *p;

    while (*p < end && **p >= '0' && **p <= '9') {
        v = v * 10 + (**p - '0');
        if (v > INT32_MAX)
            RAISE(SQLSTATE_NUMERIC_VALUE_OUT_OF_RANGE, "number is out of range");
        (*p)++;
    }
    *out = (int)v;
    if (*p > start && *p >= end)
        raise_unterminated();
    return *p > start;
}

static const char *
parse_spec(const char *p, const char *end, Spec *s)
{
    int n;

    *s = (Spec){0, -1, false, 0, 0};
    if (parse_number(&p, end, &n)) {
        if (*p != '$') { /* it was the width */
            s->width = n;
            s->type = *p;
            return p + 1;
        }
        if (n == 0)
            RAISE(SQLSTATE_INVALID_PARAMETER_VALUE,
                  "format specifies argument 0, but arguments are numbered from 1");
        s->position = n;
        if (++p >= end)
            raise_unterminated();
    }
    while (*p == '-') {
        s->minus = true;
        if (++p >= end)
            raise_unterminated();
    }
    if (*p == '*') {
        if (++p >= end)
            raise_unterminated();
        s->width_position = 0;
        if (parse_number(&p, end, &n)) {
            if (*p != '$')
                RAISE(SQLSTATE_INVALID_PARAMETER_VALUE,
                      "width argument position must be ended by \"$\"");
            if (n == 0)
                RAISE(SQLSTATE_INVALID_PARAMETER_VALUE,
                      "format specifies argument 0, but arguments are numbered from 1");
            s->width_position = n;
            if (++p >= end)
                raise_unterminated();
        }
    } else if (parse_number(&p, end, &n)) {
        s->width = n;
    }
    s->type = *p;
    return p + 1;
}

static void
add_padded(StrBuf *out, Span s, int width, bool left)
{
    int64_t missing = 0;

    if (width < 0) {
        if (width == INT32_MIN)
            RAISE(SQLSTATE_NUMERIC_VALUE_OUT_OF_RANGE, "number is out of range");
        left = true;
        width = -width;
    }
    if (width > 0)
        missing = width - (int64_t)utf8_count_chars(s.p, s.n);
    if (left)
        str_add_bytes(out, s.p, s.n);
    if (missing > 0) {
        str_reserve(out, (size_t)missing);
        memset(out->data + out->len, ' ', (size_t)missing);
        out->len += (size_t)missing;
        out->data[out->len] = 0;
    }
    if (!left)
        str_add_bytes(out, s.p, s.n);
}

static int
int_argument(FnCtx *c, const AnyArgs *a, int i)
{
    Oid type = a->types ? a->types[i] : a->elem;

    if (a->nulls[i])
        return 0;
    if (type == INT4_OID)
        return datum_int32(a->v[i]);
    if (type == INT2_OID)
        return datum_int16(a->v[i]);
    StrBuf s;
    str_init(&s, c->arena);
    add_any(c, a, i, &s);
    return datum_int32(type_ops(INT4_OID)->in(c, s.data, s.len, 0, -1));
}

static void
add_argument(FnCtx *c, const AnyArgs *a, int i, const Spec *spec, StrBuf *out)
{
    StrBuf raw, quoted;

    if (a->nulls[i]) {
        if (spec->type == 'I')
            RAISE(SQLSTATE_NULL_VALUE_NOT_ALLOWED,
                  "null values cannot be formatted as an SQL identifier");
        add_padded(out, spec->type == 'L' ? (Span){"NULL", 4} : (Span){"", 0}, spec->width,
                   spec->minus);
        return;
    }
    if (spec->type == 's' && spec->width == 0) {
        add_any(c, a, i, out);
        return;
    }
    str_init(&raw, c->arena);
    add_any(c, a, i, &raw);
    Span s = {raw.data, raw.len};
    if (spec->type != 's') {
        str_init(&quoted, c->arena);
        if (spec->type == 'I')
            quote_ident_append(&quoted, s);
        else
            sql_quote_literal(&quoted, s);
        s = (Span){quoted.data, quoted.len};
    }
    add_padded(out, s, spec->width, spec->minus);
}

Datum
fn_text_format(FnCtx *c, const Datum *args, bool *isnull)
{
    AnyArgs a;
    StrBuf out;
    int next = 0;

    if (c->argnull[0]) {
        *isnull = true;
        return 0;
    }
    if (!gather_args(c, args, 1, &a))
        a = (AnyArgs){NULL, NULL, NULL, 0, 0};
    Span f = var_span(args[0]);
    const char *p = f.p, *end = f.p + f.n;
    str_init(&out, c->arena);
    while (p < end) {
        const char *percent = memchr(p, '%', (size_t)(end - p));
        if (!percent)
            percent = end;
        str_add_bytes(&out, p, (size_t)(percent - p));
        if (percent == end)
            break;
        p = percent + 1;
        if (p >= end)
            raise_unterminated();
        if (*p == '%') {
            str_add_char(&out, '%');
            p++;
            continue;
        }
        Spec spec;
        p = parse_spec(p, end, &spec);
        if (spec.type != 's' && spec.type != 'I' && spec.type != 'L') {
            int len = MIN(utf8_len((unsigned char)spec.type), (int)(end - (p - 1)));
            RAISE_ERR(SQLSTATE_INVALID_PARAMETER_VALUE,
                      err_message("unrecognized format() type specifier \"%.*s\"", len, p - 1),
                      err_hint("For a single \"%%\" use \"%%%%\"."));
        }
        if (spec.width_position >= 0) {
            int at = spec.width_position > 0 ? spec.width_position - 1 : next;
            if (at >= a.n)
                RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "too few arguments for format()");
            spec.width = int_argument(c, &a, at);
            next = at + 1;
        }
        int at = spec.position > 0 ? spec.position - 1 : next;
        if (at >= a.n)
            RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "too few arguments for format()");
        next = at + 1;
        add_argument(c, &a, at, &spec, &out);
    }
    return str_datum(c->arena, &out);
}
