/*
 * CREATE FUNCTION as pg_get_functiondef prints it, and the lists of arguments and results that psql's \df
 * shows.
 */
#include "core/sql/deparse/deparse_internal.h"

/* pg_proc's rows of an array column, as strings or numbers. */
static int
array_column(Arena *a, const CatRow *r, int att, Datum **out)
{
    bool *nulls;
    int n = 0;
    *out = NULL;
    if (!cat_null(r, att))
        array_deconstruct(a, cat_val(r, att), out, &nulls, &n);
    return n;
}

/* An oidvector's values. */
static const CatRow *
proc_row(Oid fn)
{
    return cat_get_by_oid(CAT_PG_PROC, fn);
}

typedef struct Args { int n; Oid *types; char *modes; const char **names; List *defaults; int ninput; } Args;

static Args
function_args(Arena *a, const CatRow *r, const FnInfo *f)
{
    Args x = {0};
    Datum *types, *modes, *names;
    int ntypes = array_column(a, r, PG_PROC_PROALLARGTYPES, &types), nmodes = array_column(a, r, PG_PROC_PROARGMODES, &modes),
        nnames = array_column(a, r, PG_PROC_PROARGNAMES, &names);
    x.n = ntypes ? ntypes : f->nargs;
    x.types = ARENA_ARRAY(a, Oid, x.n + 1);
    x.modes = ARENA_ARRAY(a, char, x.n + 1);
    x.names = ARENA_ARRAY(a, const char *, x.n + 1);
    for (int i = 0; i < x.n; i++) {
        x.types[i] = ntypes ? datum_oid(types[i]) : f->args[i];
        x.modes[i] = i < nmodes ? (char)modes[i] : 'i';
        if (nmodes == 0 && f->variadic && i == x.n - 1)
            x.modes[i] = 'v';
        if (i < nnames) {
            char *name = var_to_cstring(a, names[i]);
            x.names[i] = name[0] ? name : NULL;
        }
        x.ninput += x.modes[i] == 'i' || x.modes[i] == 'b' || x.modes[i] == 'v';
    }
    if (f->default_tree)
        x.defaults = node_read_list(a, f->default_tree);
    return x;
}

static void
put_argument(StrBuf *s, const Args *x, int i)
{
    const char *mode = "";
    switch (x->modes[i]) {
    case 'o': mode = "OUT "; break;
    case 'b': mode = "INOUT "; break;
    case 'v': mode = "VARIADIC "; break;
    default: break;
    }
    str_add(s, mode);
    if (x->names[i])
        str_printf(s, "%s ", sql_quote_ident(s->arena, x->names[i]));
    str_add(s, type_format(s->arena, x->types[i], -1, false));
}

/* table: the columns of RETURNS TABLE instead of the arguments. Returns how many were printed. */
static int
put_arguments(StrBuf *s, const Args *x, bool table, bool defaults)
{
    int printed = 0, input = 0;
    int first_default = x->ninput - list_count(x->defaults);
    for (int i = 0; i < x->n; i++) {
        bool is_input = x->modes[i] == 'i' || x->modes[i] == 'b' || x->modes[i] == 'v';
        if (table == (x->modes[i] == 't')) {
            if (printed++)
                str_add(s, ", ");
            put_argument(s, x, i);
            if (defaults && is_input && input >= first_default && input - first_default < list_count(x->defaults))
                str_printf(s, " DEFAULT %s", expr_text(s->arena, x->defaults->items[input - first_default], NULL, PRETTY_INDENT));
        }
        input += is_input;
    }
    return printed;
}

char *
deparse_function_arguments(Arena *a, Oid fn, bool identity)
{
    const CatRow *r = proc_row(fn);
    if (r == NULL)
        return NULL;
    Args x = function_args(a, r, fn_info(fn));
    StrBuf s;
    str_init(&s, a);
    put_arguments(&s, &x, false, !identity);
    return s.data;
}

char *
deparse_function_result(Arena *a, Oid fn)
{
    const CatRow *r = proc_row(fn);
    if (r == NULL)
        return NULL;
    const FnInfo *f = fn_info(fn);
    if (f->kind == 'p')
        return NULL;
    Args x = function_args(a, r, f);
    StrBuf s, t;
    str_init(&s, a);
    if (f->retset) {
        str_init(&t, a);
        if (put_arguments(&t, &x, true, false) > 0)
            str_printf(&s, "TABLE(%s)", t.data);
        else
            str_printf(&s, "SETOF %s", type_format(a, f->ret, -1, false));
    } else
        str_add(&s, type_format(a, f->ret, -1, false));
    return s.data;
}

/* A quoting tag that does not occur in the body. */
static const char *
dollar_tag(Arena *a, const char *body, const char *base)
{
    StrBuf s;
    str_init(&s, a);
    str_printf(&s, "$%s", base);
    while (strstr(body, s.data))
        str_add_char(&s, 'x');
    str_add_char(&s, '$');
    return s.data;
}

static void
put_attributes(StrBuf *s, const CatRow *r, const FnInfo *f)
{
    size_t before = s->len;
    if (f->kind == 'w')
        str_add(s, " WINDOW");
    if (f->volatility == 'i')
        str_add(s, " IMMUTABLE");
    else if (f->volatility == 's')
        str_add(s, " STABLE");
    if (f->parallel == 's')
        str_add(s, " PARALLEL SAFE");
    else if (f->parallel == 'r')
        str_add(s, " PARALLEL RESTRICTED");
    if (f->strict)
        str_add(s, " STRICT");
    if (datum_bool(cat_val(r, PG_PROC_PROSECDEF)))
        str_add(s, " SECURITY DEFINER");
    if (f->leakproof)
        str_add(s, " LEAKPROOF");
    bool internal = f->lang == 12 || f->lang == 13;
    if (f->cost > 0 && f->cost != (internal ? 1 : 100))
        str_printf(s, " COST %g", f->cost);
    if (f->rows > 0 && f->rows != 1000)
        str_printf(s, " ROWS %g", f->rows);
    if (s->len != before)
        str_add_char(s, '\n');
}

char *
deparse_function(Arena *a, Oid fn)
{
    const CatRow *r = proc_row(fn);
    if (r == NULL)
        return NULL;
    const FnInfo *f = fn_info(fn);
    if (f->kind == 'a')
        RAISE(SQLSTATE_WRONG_OBJECT_TYPE, "\"%s\" is an aggregate function", f->name);
    const char *kind = f->kind == 'p' ? "PROCEDURE" : "FUNCTION";
    const CatRow *lang = cat_get_by_oid(CAT_PG_LANGUAGE, f->lang);
    Args x = function_args(a, r, f);
    StrBuf s;
    str_init(&s, a);
    str_printf(&s, "CREATE OR REPLACE %s %s.%s(", kind, sql_quote_ident(a, nsp_name(a, f->nsp)), sql_quote_ident(a, f->name));
    put_arguments(&s, &x, false, true);
    str_add(&s, ")\n");
    if (f->kind != 'p')
        str_printf(&s, " RETURNS %s\n", deparse_function_result(a, fn));
    str_printf(&s, " LANGUAGE %s\n", sql_quote_ident(a, lang ? cat_name(a, lang, PG_LANGUAGE_LANNAME) : "internal"));
    put_attributes(&s, r, f);
    const char *source = cat_null(r, PG_PROC_PROSRC) ? "" : cat_name(a, r, PG_PROC_PROSRC);
    const char *tag = dollar_tag(a, source, f->kind == 'p' ? "procedure" : "function");
    str_printf(&s, "AS %s%s%s\n", tag, source, tag);
    return s.data;
}
