/*
 * EXPLAIN's output formats: text lines, XML, JSON and YAML, from the same calls.
 */
#include "core/sql/plan/explain_internal.h"

void
ex_indent(Explain *x)
{
    if (x->out->len == 0 || x->out->data[x->out->len - 1] == '\n')
        for (int i = 0; i < x->indent * 2; i++)
            str_add_char(x->out, ' ');
}

static void
spaces(Explain *x, int n)
{
    for (int i = 0; i < n; i++)
        str_add_char(x->out, ' ');
}

/* ---- quoting ---- */

static void
add_json(StrBuf *s, const char *text)
{
    str_add_char(s, '"');
    for (const char *p = text; *p; p++) {
        switch (*p) {
        case '\b': str_add(s, "\\b"); break;
        case '\f': str_add(s, "\\f"); break;
        case '\n': str_add(s, "\\n"); break;
        case '\r': str_add(s, "\\r"); break;
        case '\t': str_add(s, "\\t"); break;
        case '"': str_add(s, "\\\""); break;
        case '\\': str_add(s, "\\\\"); break;
        default:
            if ((unsigned char)*p < ' ')
                str_printf(s, "\\u%04x", (unsigned)*p);
            else
                str_add_char(s, *p);
        }
    }
    str_add_char(s, '"');
}

static void
add_xml(StrBuf *s, const char *text)
{
    for (const char *p = text; *p; p++) {
        switch (*p) {
        case '&': str_add(s, "&amp;"); break;
        case '<': str_add(s, "&lt;"); break;
        case '>': str_add(s, "&gt;"); break;
        case '\r': str_add(s, "&#x0d;"); break;
        default: str_add_char(s, *p);
        }
    }
}

static void
add_tag(Explain *x, const char *name, const char *open)
{
    str_add(x->out, open);
    for (const char *p = name; *p; p++) {
        bool fine = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || strchr("-_.", *p);
        str_add_char(x->out, fine ? *p : '-');
    }
    str_add_char(x->out, '>');
}

/* ---- lines ---- */

static void
push_group(Explain *x, int64_t v)
{
    ints_push(x->groups, v);
}

static int64_t *
group_top(Explain *x)
{
    return &x->groups->items[x->groups->count - 1];
}

static void
next_json(Explain *x)
{
    int64_t *top = group_top(x);
    if (*top)
        str_add_char(x->out, ',');
    *top = 1;
    str_add_char(x->out, '\n');
}

/* The first line within "- " follows on the same line. */
static void
next_yaml(Explain *x)
{
    int64_t *top = group_top(x);
    if (*top == 0)
        *top = 1;
    else {
        str_add_char(x->out, '\n');
        spaces(x, x->indent * 2);
    }
}

void
ex_begin(Explain *x)
{
    x->groups = ints_new(x->arena);
    switch (x->o->format) {
    case EXPLAIN_XML:
        str_add(x->out, "<explain xmlns=\"http://www.postgresql.org/2009/explain\">\n");
        x->indent++;
        break;
    case EXPLAIN_JSON:
        str_add_char(x->out, '[');
        push_group(x, 0);
        x->indent++;
        break;
    case EXPLAIN_YAML: push_group(x, 0); break;
    default: break;
    }
}

void
ex_end(Explain *x)
{
    switch (x->o->format) {
    case EXPLAIN_XML:
        x->indent--;
        str_add(x->out, "</explain>");
        break;
    case EXPLAIN_JSON:
        x->indent--;
        str_add(x->out, "\n]");
        break;
    default: break;
    }
}

/* A group of properties (labeled) or of items; label NULL: an item of the group around it. */
void
ex_open(Explain *x, const char *type, const char *label, bool labeled)
{
    switch (x->o->format) {
    case EXPLAIN_XML:
        spaces(x, x->indent * 2);
        add_tag(x, type, "<");
        str_add_char(x->out, '\n');
        x->indent++;
        break;
    case EXPLAIN_JSON:
        next_json(x);
        spaces(x, x->indent * 2);
        if (label) {
            add_json(x->out, label);
            str_add(x->out, ": ");
        }
        str_add_char(x->out, labeled ? '{' : '[');
        push_group(x, 0);
        x->indent++;
        break;
    case EXPLAIN_YAML:
        next_yaml(x);
        if (label) {
            str_printf(x->out, "%s: ", label);
            push_group(x, 1);
        } else {
            str_add(x->out, "- ");
            push_group(x, 0);
        }
        x->indent++;
        break;
    default: break;
    }
}

void
ex_close(Explain *x, const char *type, bool labeled)
{
    switch (x->o->format) {
    case EXPLAIN_XML:
        x->indent--;
        spaces(x, x->indent * 2);
        add_tag(x, type, "</");
        str_add_char(x->out, '\n');
        break;
    case EXPLAIN_JSON:
        x->indent--;
        str_add_char(x->out, '\n');
        spaces(x, x->indent * 2);
        str_add_char(x->out, labeled ? '}' : ']');
        x->groups->count--;
        break;
    case EXPLAIN_YAML:
        x->indent--;
        x->groups->count--;
        break;
    default: break;
    }
}

/* ---- properties ---- */

static void
property(Explain *x, const char *label, const char *value, bool bare)
{
    switch (x->o->format) {
    case EXPLAIN_TEXT:
        ex_indent(x);
        str_printf(x->out, "%s: %s\n", label, value);
        break;
    case EXPLAIN_XML:
        spaces(x, x->indent * 2);
        add_tag(x, label, "<");
        add_xml(x->out, value);
        add_tag(x, label, "</");
        str_add_char(x->out, '\n');
        break;
    case EXPLAIN_JSON:
        next_json(x);
        spaces(x, x->indent * 2);
        add_json(x->out, label);
        str_add(x->out, ": ");
        if (bare)
            str_add(x->out, value);
        else
            add_json(x->out, value);
        break;
    default:
        next_yaml(x);
        str_printf(x->out, "%s: ", label);
        if (bare)
            str_add(x->out, value);
        else
            add_json(x->out, value);
    }
}

void
ex_text(Explain *x, const char *label, const char *value)
{
    property(x, label, value, false);
}

void
ex_int(Explain *x, const char *label, int64_t value)
{
    property(x, label, arena_printf(x->arena, "%lld", (long long)value), true);
}

void
ex_float(Explain *x, const char *label, double value, int digits)
{
    property(x, label, arena_printf(x->arena, "%.*f", digits, value), true);
}

void
ex_bool(Explain *x, const char *label, bool value)
{
    property(x, label, value ? "true" : "false", true);
}

void
ex_list(Explain *x, const char *label, const List *strings)
{
    switch (x->o->format) {
    case EXPLAIN_TEXT:
        ex_indent(x);
        str_printf(x->out, "%s: ", label);
        for (int i = 0; i < list_count(strings); i++)
            str_printf(x->out, "%s%s", i ? ", " : "", (const char *)strings->items[i]);
        str_add_char(x->out, '\n');
        break;
    case EXPLAIN_XML:
        spaces(x, x->indent * 2);
        add_tag(x, label, "<");
        str_add_char(x->out, '\n');
        for (int i = 0; i < list_count(strings); i++) {
            spaces(x, x->indent * 2 + 2);
            str_add(x->out, "<Item>");
            add_xml(x->out, strings->items[i]);
            str_add(x->out, "</Item>\n");
        }
        spaces(x, x->indent * 2);
        add_tag(x, label, "</");
        str_add_char(x->out, '\n');
        break;
    case EXPLAIN_JSON:
        next_json(x);
        spaces(x, x->indent * 2);
        add_json(x->out, label);
        str_add(x->out, ": [");
        for (int i = 0; i < list_count(strings); i++) {
            if (i)
                str_add(x->out, ", ");
            add_json(x->out, strings->items[i]);
        }
        str_add_char(x->out, ']');
        break;
    default:
        next_yaml(x);
        str_printf(x->out, "%s: ", label);
        for (int i = 0; i < list_count(strings); i++) {
            str_add_char(x->out, '\n');
            spaces(x, x->indent * 2 + 2);
            str_add(x->out, "- ");
            add_json(x->out, strings->items[i]);
        }
    }
}
