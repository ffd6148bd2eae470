/*
 * Calls: functions in their ordinary form, as casts, and in the words SQL has for some of them; aggregates;
 * window functions.
 */
#include "core/sql/deparse/deparse_internal.h"

/* A cast that only applies a length: function of the value and a constant int4. */
int32_t
length_coercion_typmod(const Expr *e)
{
    if (IS(e, ArrayCoerce))
        return e->typmod;
    if (!IS(e, FuncCall))
        return -1;
    const FuncCall *f = (const FuncCall *)e;
    int n = list_count(f->args);
    if ((f->form != FORM_EXPLICIT_CAST && f->form != FORM_IMPLICIT_CAST) || n < 2 || n > 3)
        return -1;
    const Const *c = f->args->items[1];
    if (!IS(c, Const) || c->isnull || c->expr.type != INT4_OID)
        return -1;
    return datum_int32(c->value);
}

/* ---- functions with a grammar of their own ---- */

static const void *
arg(const FuncCall *f, int i)
{
    return f->args->items[i];
}

/* A field name written as a word: EXTRACT(year FROM x). */
static bool
put_word(Deparse *d, const void *e)
{
    const Const *c = e;
    if (!IS(c, Const) || c->isnull || (c->expr.type != TEXT_OID && c->expr.type != UNKNOWN_OID))
        return false;
    str_add_bytes(d->out, var_data(c->value), var_len(c->value));
    return true;
}

static void
put_joined(Deparse *d, const FuncCall *f, const char *const *words, const int *order)
{
    for (int i = 0; i < list_count(f->args); i++) {
        put(d, words[i]);
        put_expr(d, arg(f, order[i]), false);
    }
    str_add_char(d->out, ')');
}

static bool
put_trim(Deparse *d, const FuncCall *f, const char *side)
{
    str_printf(d->out, "TRIM(%s", side);
    if (list_count(f->args) == 2) {
        str_add_char(d->out, ' ');
        put_expr(d, arg(f, 1), false);
    }
    put(d, " FROM ");
    put_expr(d, arg(f, 0), false);
    str_add_char(d->out, ')');
    return true;
}

static bool
put_overlaps(Deparse *d, const FuncCall *f)
{
    put(d, "((");
    put_expr(d, arg(f, 0), false);
    put(d, ", ");
    put_expr(d, arg(f, 1), false);
    put(d, ") OVERLAPS (");
    put_expr(d, arg(f, 2), false);
    put(d, ", ");
    put_expr(d, arg(f, 3), false);
    put(d, "))");
    return true;
}

static bool
put_substring(Deparse *d, const FuncCall *f)
{
    int n = list_count(f->args);
    bool text = ((const Expr *)arg(f, 1))->type == TEXT_OID, similar = n == 3 && text;
    if (n == 2 && text)
        return false; /* of a pattern: a plain call */
    static const char *const from[] = {"SUBSTRING(", " FROM ", " FOR "}, *const pattern[] = {"SUBSTRING(", " SIMILAR ", " ESCAPE "};
    static const int order[] = {0, 1, 2};
    put_joined(d, f, similar ? pattern : from, order);
    return true;
}

static bool
put_normalize(Deparse *d, const FuncCall *f)
{
    put(d, "NORMALIZE(");
    put_expr(d, arg(f, 0), false);
    if (list_count(f->args) == 2) {
        put(d, ", ");
        put_word(d, arg(f, 1));
    }
    str_add_char(d->out, ')');
    return true;
}

static bool
put_is_normalized(Deparse *d, const FuncCall *f)
{
    str_add_char(d->out, '(');
    put_expr_paren(d, arg(f, 0), false, f);
    put(d, " IS");
    if (list_count(f->args) == 2) {
        str_add_char(d->out, ' ');
        put_word(d, arg(f, 1));
    }
    put(d, " NORMALIZED)");
    return true;
}

static bool
put_sql_syntax(Deparse *d, const FuncCall *f)
{
    static const char *const overlay[] = {"OVERLAY(", " PLACING ", " FROM ", " FOR "};
    static const int in_order[] = {0, 1, 2, 3};
    const char *name = fn_info(f->fn)->name;
    int n = list_count(f->args);

    if (strcmp(name, "timezone") == 0 && n == 2) {
        str_add_char(d->out, '(');
        put_expr_paren(d, arg(f, 1), false, f);
        put(d, " AT TIME ZONE ");
        put_expr_paren(d, arg(f, 0), false, f);
        str_add_char(d->out, ')');
        return true;
    }
    if (strcmp(name, "overlaps") == 0 && n == 4)
        return put_overlaps(d, f);
    if (strcmp(name, "extract") == 0 && n == 2) {
        const Const *c = arg(f, 0);
        if (!IS(c, Const) || c->isnull)
            return false;
        put(d, "EXTRACT(");
        put_word(d, c);
        put(d, " FROM ");
        put_expr(d, arg(f, 1), false);
        str_add_char(d->out, ')');
        return true;
    }
    if (strcmp(name, "is_normalized") == 0)
        return put_is_normalized(d, f);
    if (strcmp(name, "normalize") == 0)
        return put_normalize(d, f);
    if (strcmp(name, "overlay") == 0 && n >= 3) {
        put_joined(d, f, overlay, in_order);
        return true;
    }
    if (strcmp(name, "position") == 0 && n == 2) {
        put(d, "POSITION((");
        put_expr(d, arg(f, 1), false);
        put(d, ") IN (");
        put_expr(d, arg(f, 0), false);
        put(d, "))");
        return true;
    }
    if (strcmp(name, "substring") == 0 && n >= 2)
        return put_substring(d, f);
    if (strcmp(name, "btrim") == 0)
        return put_trim(d, f, "BOTH");
    if (strcmp(name, "ltrim") == 0)
        return put_trim(d, f, "LEADING");
    if (strcmp(name, "rtrim") == 0)
        return put_trim(d, f, "TRAILING");
    if (strcmp(name, "pg_collation_for") == 0 && n == 1) {
        put(d, "COLLATION FOR (");
        put_expr(d, arg(f, 0), false);
        str_add_char(d->out, ')');
        return true;
    }
    return false;
}

/* ---- functions ---- */

void
put_func_call(Deparse *d, const FuncCall *f, bool show_implicit)
{
    if (f->form == FORM_IMPLICIT_CAST && !show_implicit) {
        put_expr_paren(d, arg(f, 0), false, f);
        return;
    }
    if (f->form == FORM_EXPLICIT_CAST || f->form == FORM_IMPLICIT_CAST) {
        put_cast(d, arg(f, 0), f->expr.type, length_coercion_typmod(&f->expr), f);
        return;
    }
    if (f->form == FORM_SQL_SYNTAX && put_sql_syntax(d, f))
        return;
    const FnInfo *info = fn_info(f->fn);
    bool variadic = f->variadic && info->variadic != 0;
    put(d, function_name(d, f->fn));
    str_add_char(d->out, '(');
    for (int i = 0; i < list_count(f->args); i++) {
        if (i)
            put(d, ", ");
        if (variadic && i == f->args->count - 1)
            put(d, "VARIADIC ");
        if (IS(arg(f, i), NamedArg)) {
            put_ident(d, ((const NamedArg *)arg(f, i))->name);
            put(d, " => ");
            put_expr(d, ((const NamedArg *)arg(f, i))->arg, true);
        } else
            put_expr(d, arg(f, i), true);
    }
    str_add_char(d->out, ')');
}

void
put_aggref(Deparse *d, const Aggref *g)
{
    put(d, function_name(d, g->fn));
    put(d, list_count(g->distinct) ? "(DISTINCT " : "(");
    if (g->kind == 'o' || g->kind == 'h') {
        put_list(d, g->direct_args, true);
        put(d, ") WITHIN GROUP (ORDER BY ");
        put_order_by(d, g->order, g->args, false);
    } else {
        int n = 0, total = 0;
        for (int i = 0; i < list_count(g->args); i++)
            total += !((TargetEntry *)g->args->items[i])->junk;
        if (g->star)
            str_add_char(d->out, '*');
        for (int i = 0; i < list_count(g->args); i++) {
            const TargetEntry *te = g->args->items[i];
            if (te->junk)
                continue;
            if (n++)
                put(d, ", ");
            if (g->variadic && n == total)
                put(d, "VARIADIC ");
            put_expr(d, te->expr, true);
        }
        if (list_count(g->order)) {
            put(d, " ORDER BY ");
            put_order_by(d, g->order, g->args, false);
        }
    }
    if (g->filter) {
        put(d, ") FILTER (WHERE ");
        put_expr(d, g->filter, false);
    }
    str_add_char(d->out, ')');
}

void
put_window_func(Deparse *d, const WindowFunc *w)
{
    put(d, function_name(d, w->fn));
    str_add_char(d->out, '(');
    if (w->star)
        str_add_char(d->out, '*');
    else
        put_list(d, w->args, true);
    if (w->filter) {
        put(d, ") FILTER (WHERE ");
        put_expr(d, w->filter, false);
    }
    put(d, ") OVER ");
    for (int i = 0; i < list_count(d->windows); i++) {
        const WindowClause *c = d->windows->items[i];
        if (c->ref != w->window_ref)
            continue;
        if (c->name)
            put_ident(d, c->name);
        else
            put_window_spec(d, c, d->windows, d->window_targets);
        return;
    }
    put(d, "(?)"); /* a plan does not keep its window clauses */
}
