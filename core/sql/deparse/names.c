/*
 * Names of objects in printed SQL: quoted where needed, with their schema only where the search path
 * would not find them.
 */
#include "core/sql/deparse/deparse_internal.h"
#include "core/types/text.h"

char *
sql_quote_ident(Arena *a, const char *name)
{
    StrBuf s;
    str_init(&s, a);
    quote_ident_append(&s, (Span){name, strlen(name)});
    return s.data;
}

/* Standard strings: only the quote itself is doubled, backslashes stand for themselves. */
char *
quote_literal(Arena *a, const char *text)
{
    StrBuf s;
    str_init(&s, a);
    str_add_char(&s, '\'');
    for (const char *p = text; *p; p++) {
        if (*p == '\'')
            str_add_char(&s, '\'');
        str_add_char(&s, *p);
    }
    str_add_char(&s, '\'');
    return s.data;
}

void
put_ident(Deparse *d, const char *name)
{
    quote_ident_append(d->out, (Span){name, strlen(name)});
}

char *
join_idents(Arena *a, const List *names)
{
    StrBuf s;
    str_init(&s, a);
    for (int i = 0; i < list_count(names); i++) {
        if (i)
            str_add(&s, ", ");
        const char *n = names->items[i];
        quote_ident_append(&s, (Span){n, strlen(n)});
    }
    return s.data;
}

static char *
qualify(Arena *a, Oid nsp, const char *name)
{
    char *schema = nsp_is_temp(nsp) ? arena_strdup(a, "pg_temp") : nsp_name(a, nsp);
    if (schema == NULL)
        return sql_quote_ident(a, name);
    return arena_printf(a, "%s.%s", sql_quote_ident(a, schema), sql_quote_ident(a, name));
}

/* A cast names its target so that it means the same when read back: "character" alone would be
 * character(1), "bit" bit(1). */
char *
type_text(Arena *a, Oid type, int32_t typmod)
{
    Oid elem = type_element_of(type);
    Oid scalar = elem ? elem : type;
    if (typmod < 0 && scalar == BPCHAR_OID)
        return arena_strdup(a, elem ? "bpchar[]" : "bpchar");
    if (typmod < 0 && scalar == BIT_OID)
        return arena_strdup(a, elem ? "\"bit\"[]" : "\"bit\"");
    return type_format(a, type, typmod, false);
}

char *
function_name(Deparse *d, Oid fn)
{
    const FnInfo *f = fn_info(fn);
    if (fn < OID_FIRST_USER || fn_is_visible(fn))
        return sql_quote_ident(d->arena, f->name);
    return qualify(d->arena, f->nsp, f->name);
}

char *
operator_name(Arena *a, Oid op, Oid left, Oid right)
{
    const OpInfo *o = op_info(op);
    (void)left;
    (void)right;
    if (op < OID_FIRST_USER || op_lookup_exact(o->name, o->left, o->right) == op)
        return arena_strdup(a, o->name);
    return arena_printf(a, "OPERATOR(%s.%s)", sql_quote_ident(a, nsp_name(a, o->nsp)), o->name);
}

static bool
collation_is_visible(const char *name, Oid nsp)
{
    Arena *a = txn_arena();
    int n;
    const Oid *path = search_path_oids(&n);
    for (int i = 0; i < n; i++) {
        if (path[i] == nsp)
            return true;
        if (cat_get(IDX_PG_COLLATION_NAME_ENC_NSP_INDEX, cat_name_datum(a, name), int32_datum(-1), oid_datum(path[i]), 0))
            return false;
    }
    return false;
}

char *
collation_name(Arena *a, Oid collation)
{
    if (collation == COLLATION_DEFAULT)
        return arena_strdup(a, "\"default\"");
    if (collation == COLLATION_C)
        return arena_strdup(a, "\"C\"");
    if (collation == COLLATION_POSIX)
        return arena_strdup(a, "\"POSIX\"");
    const CatRow *r = cat_get_by_oid(CAT_PG_COLLATION, collation);
    if (r == NULL)
        INTERNAL_ERROR("cache lookup failed for collation %u", collation);
    char *name = cat_name(a, r, PG_COLLATION_COLLNAME);
    Oid nsp = datum_oid(cat_val(r, PG_COLLATION_COLLNAMESPACE));
    return collation_is_visible(name, nsp) ? sql_quote_ident(a, name) : qualify(a, nsp, name);
}

char *
relation_name_qualified(Arena *a, Oid rel)
{
    RelDesc *d = rel_cached(rel);
    return qualify(a, d->nsp, d->name);
}

char *
relation_name(Arena *a, Oid rel, const Level *level)
{
    RelDesc *d = rel_cached(rel);
    bool hidden = !rel_is_visible(rel);
    for (const Level *l = level; l && !hidden; l = l->parent)
        for (int i = 0; l->query && i < list_count(l->query->ctes) && !hidden; i++)
            hidden = strcmp(((CommonTable *)l->query->ctes->items[i])->name, d->name) == 0;
    return hidden ? qualify(a, d->nsp, d->name) : sql_quote_ident(a, d->name);
}
