/*
 * Output of the deparser: text, and line breaks with indentation where the layout asks for them.
 */
#include "core/sql/deparse/deparse_internal.h"

/* From this depth on indentation grows slower, so that deep queries stay on the page. */
#define INDENT_LIMIT 40

void
put(Deparse *d, const char *text)
{
    str_add(d->out, text);
}

static void
trim_spaces(StrBuf *s)
{
    while (s->len > 0 && s->data[s->len - 1] == ' ')
        s->data[--s->len] = '\0';
}

/* A keyword that begins a line; without INDENT just the keyword. before and after change the depth. */
void
put_break(Deparse *d, const char *keyword, int before, int after, int plus)
{
    if (!HAS(d, PRETTY_INDENT)) {
        put(d, keyword);
        return;
    }
    d->indent += before;
    trim_spaces(d->out);
    str_add_char(d->out, '\n');
    int amount;
    if (d->indent < INDENT_LIMIT)
        amount = MAX(d->indent, 0) + plus;
    else
        amount = (INDENT_LIMIT + (d->indent - INDENT_LIMIT) / (INDENT_STD / 2)) % INDENT_LIMIT + plus;
    for (int i = 0; i < amount; i++)
        str_add_char(d->out, ' ');
    put(d, keyword);
    d->indent = MAX(d->indent + after, 0);
}

/* What is printed until capture_end goes to scratch. */
StrBuf *
capture_begin(Deparse *d, StrBuf *scratch)
{
    StrBuf *saved = d->out;
    str_init(scratch, d->arena);
    d->out = scratch;
    return saved;
}

void
capture_end(Deparse *d, StrBuf *saved)
{
    d->out = saved;
}
