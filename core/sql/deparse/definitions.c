/*
 * Definitions of catalog objects as SQL: what psql's \d prints and pg_dump stores.
 */
#include "core/catalog/deparse_hooks.h"
#include "core/sql/deparse/deparse_internal.h"

static int
object_flags(bool pretty)
{
    return pretty ? PRETTY_ALL : PRETTY_INDENT;
}

static RelDesc *
existing_relation(Oid oid)
{
    return oid && cat_get_by_oid(CAT_PG_CLASS, oid) ? rel_cached(oid) : NULL;
}

/* ---- expressions ---- */

char *
deparse_tree(Arena *a, const char *tree, Oid rel, bool pretty)
{
    RelDesc *r = existing_relation(rel);
    if (rel && r == NULL)
        return NULL;
    if (tree[0] == '(') { /* a list: index expressions */
        List *l = node_read_list(a, tree);
        StrBuf s;
        str_init(&s, a);
        for (int i = 0; i < l->count; i++)
            str_printf(&s, "%s%s", i ? ", " : "", expr_text(a, l->items[i], r, object_flags(pretty)));
        return s.data;
    }
    return expr_text(a, node_read(a, tree), r, object_flags(pretty));
}

/* ---- indexes ---- */

static Oid
am_of_index(const RelDesc *r)
{
    return r->am ? r->am : 403;
}

static char *
am_name(Arena *a, Oid am)
{
    const CatRow *r = cat_get_by_oid(CAT_PG_AM, am);
    if (r == NULL)
        INTERNAL_ERROR("cache lookup failed for access method %u", am);
    return cat_name(a, r, PG_AM_AMNAME);
}

static void
put_opclass(StrBuf *s, Oid opclass, Oid type, Oid am)
{
    if (opclass == 0 || opclass == opclass_default(type, am))
        return;
    const CatRow *r = cat_get_by_oid(CAT_PG_OPCLASS, opclass);
    if (r == NULL)
        INTERNAL_ERROR("cache lookup failed for opclass %u", opclass);
    char *name = cat_name(s->arena, r, PG_OPCLASS_OPCNAME);
    Oid nsp = datum_oid(cat_val(r, PG_OPCLASS_OPCNAMESPACE));
    str_add_char(s, ' ');
    if (opclass_lookup(NULL, name, am) != opclass)
        str_printf(s, "%s.", sql_quote_ident(s->arena, nsp_name(s->arena, nsp)));
    str_add(s, sql_quote_ident(s->arena, name));
}

static void
put_options(StrBuf *s, char **options)
{
    if (options == NULL || options[0] == NULL)
        return;
    str_add(s, " WITH (");
    for (int i = 0; options[i]; i++) {
        const char *eq = strchr(options[i], '=');
        char *name = eq ? arena_strndup(s->arena, options[i], (size_t)(eq - options[i])) : options[i];
        const char *value = eq ? eq + 1 : "";
        char *quoted = sql_quote_ident(s->arena, value);
        str_printf(s, "%s%s=%s", i ? ", " : "", sql_quote_ident(s->arena, name), strcmp(quoted, value) == 0 ? value : quote_literal(s->arena, value));
    }
    str_add_char(s, ')');
}

/* One column of an index; with its collation, operator class and order unless only the name is wanted. */
static void
put_index_column(StrBuf *s, RelDesc *heap, RelDesc *index, const List *exprs, int k, bool name_only, int flags)
{
    Arena *a = s->arena;
    const IndexDesc *ix = index->index;
    Oid type, collation;
    if (ix->attnums[k] > 0) {
        const ColDesc *c = &heap->cols[ix->attnums[k] - 1];
        str_add(s, sql_quote_ident(a, c->name));
        type = c->type;
        collation = c->collation;
    } else {
        int nth = 0;
        for (int i = 0; i < k; i++)
            nth += ix->attnums[i] == 0;
        if (nth >= list_count(exprs))
            INTERNAL_ERROR("too few entries in indexprs list");
        const Expr *e = exprs->items[nth];
        char *text = expr_text(a, e, heap, flags);
        str_printf(s, looks_like_function(e) ? "%s" : "(%s)", text);
        type = e->type;
        collation = e->collation;
    }
    if (name_only || k >= ix->nkeys)
        return;
    if (ix->collation[k] && ix->collation[k] != collation)
        str_printf(s, " COLLATE %s", collation_name(a, ix->collation[k]));
    put_opclass(s, ix->opclass[k], type, am_of_index(index));
    bool desc = (ix->options[k] & 1) != 0, nulls_first = (ix->options[k] & 2) != 0;
    if (desc)
        str_add(s, nulls_first ? " DESC" : " DESC NULLS LAST");
    else if (nulls_first)
        str_add(s, " NULLS FIRST");
}

char *
deparse_index(Arena *a, Oid oid, int column, bool pretty)
{
    RelDesc *index = existing_relation(oid);
    if (index == NULL || index->index == NULL)
        return NULL;
    const IndexDesc *ix = index->index;
    RelDesc *heap = rel_cached(ix->heap);
    int flags = object_flags(pretty);
    const List *exprs = ix->expr_trees ? node_read_list(a, ix->expr_trees) : NULL;
    StrBuf s;
    str_init(&s, a);
    if (column) {
        if (column >= 1 && column <= ix->ncolumns)
            put_index_column(&s, heap, index, exprs, column - 1, true, flags);
        return s.data;
    }
    str_printf(&s, "CREATE %sINDEX %s ON %s USING %s (", ix->unique ? "UNIQUE " : "", sql_quote_ident(a, index->name),
               pretty ? relation_name(a, heap->oid, NULL) : relation_name_qualified(a, heap->oid), sql_quote_ident(a, am_name(a, am_of_index(index))));
    for (int k = 0; k < ix->ncolumns; k++) {
        if (k)
            str_add(&s, k == ix->nkeys ? ") INCLUDE (" : ", ");
        put_index_column(&s, heap, index, exprs, k, false, flags);
    }
    str_add_char(&s, ')');
    if (ix->nulls_not_distinct)
        str_add(&s, " NULLS NOT DISTINCT");
    put_options(&s, index->options);
    if (ix->predicate_tree)
        str_printf(&s, " WHERE %s", expr_text(a, node_read(a, ix->predicate_tree), heap, flags));
    return s.data;
}

/* ---- constraints ---- */

/* A smallint array column as attribute numbers. */
static int
att_numbers(Arena *a, const CatRow *r, int att, Datum **out)
{
    bool *nulls;
    int n = 0;
    *out = NULL;
    if (!cat_null(r, att))
        array_deconstruct(a, cat_val(r, att), out, &nulls, &n);
    return n;
}

static void
put_columns(StrBuf *s, const RelDesc *rel, const Datum *att, int n)
{
    for (int i = 0; i < n; i++)
        str_printf(s, "%s%s", i ? ", " : "", sql_quote_ident(s->arena, rel->cols[datum_int16(att[i]) - 1].name));
}

static const char *
fk_action(char c)
{
    switch (c) {
    case 'r': return "RESTRICT";
    case 'c': return "CASCADE";
    case 'n': return "SET NULL";
    case 'd': return "SET DEFAULT";
    default: return NULL; /* NO ACTION is not said */
    }
}

static void
put_foreign_key(StrBuf *s, const CatRow *r, const RelDesc *rel)
{
    Datum *att;
    Oid ref = datum_oid(cat_val(r, PG_CONSTRAINT_CONFRELID));
    str_add(s, "FOREIGN KEY (");
    int n = att_numbers(s->arena, r, PG_CONSTRAINT_CONKEY, &att);
    put_columns(s, rel, att, n);
    str_printf(s, ") REFERENCES %s(", relation_name(s->arena, ref, NULL));
    n = att_numbers(s->arena, r, PG_CONSTRAINT_CONFKEY, &att);
    put_columns(s, rel_cached(ref), att, n);
    str_add_char(s, ')');
    char match = (char)cat_val(r, PG_CONSTRAINT_CONFMATCHTYPE);
    if (match == 'f')
        str_add(s, " MATCH FULL");
    else if (match == 'p')
        str_add(s, " MATCH PARTIAL");
    const char *action = fk_action((char)cat_val(r, PG_CONSTRAINT_CONFUPDTYPE));
    if (action)
        str_printf(s, " ON UPDATE %s", action);
    action = fk_action((char)cat_val(r, PG_CONSTRAINT_CONFDELTYPE));
    if (action)
        str_printf(s, " ON DELETE %s", action);
    n = att_numbers(s->arena, r, PG_CONSTRAINT_CONFDELSETCOLS, &att);
    if (n > 0) {
        str_add(s, " (");
        put_columns(s, rel, att, n);
        str_add_char(s, ')');
    }
}

static void
put_key(StrBuf *s, const CatRow *r, const RelDesc *rel, char type)
{
    RelDesc *index = existing_relation(datum_oid(cat_val(r, PG_CONSTRAINT_CONINDID)));
    Datum *att;
    int n = att_numbers(s->arena, r, PG_CONSTRAINT_CONKEY, &att);
    str_add(s, type == 'p' ? "PRIMARY KEY " : "UNIQUE ");
    if (index && index->index && index->index->nulls_not_distinct)
        str_add(s, "NULLS NOT DISTINCT ");
    str_add_char(s, '(');
    put_columns(s, rel, att, n);
    str_add_char(s, ')');
    if (index == NULL || index->index == NULL || index->index->ncolumns <= index->index->nkeys)
        return;
    str_add(s, " INCLUDE (");
    for (int k = index->index->nkeys; k < index->index->ncolumns; k++)
        str_printf(s, "%s%s", k > index->index->nkeys ? ", " : "", sql_quote_ident(s->arena, rel->cols[index->index->attnums[k] - 1].name));
    str_add_char(s, ')');
}

static char *
constraint_text(Arena *a, const CatRow *r, int flags)
{
    StrBuf s;
    str_init(&s, a);
    char type = (char)cat_val(r, PG_CONSTRAINT_CONTYPE);
    Oid rel_oid = datum_oid(cat_val(r, PG_CONSTRAINT_CONRELID));
    RelDesc *rel = rel_oid ? rel_cached(rel_oid) : NULL;
    switch (type) {
    case 'f': put_foreign_key(&s, r, rel); break;
    case 'p': case 'u': put_key(&s, r, rel, type); break;
    case 'c': {
        const char *tree = cat_name(a, r, PG_CONSTRAINT_CONBIN);
        str_printf(&s, "CHECK (%s)%s", expr_text(a, node_read(a, tree), rel, flags), datum_bool(cat_val(r, PG_CONSTRAINT_CONNOINHERIT)) ? " NO INHERIT" : "");
        break;
    }
    case 't': str_add(&s, "TRIGGER"); break;
    default: RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "constraints of type \"%c\" cannot be printed", type);
    }
    if (datum_bool(cat_val(r, PG_CONSTRAINT_CONDEFERRABLE)))
        str_add(&s, " DEFERRABLE");
    if (datum_bool(cat_val(r, PG_CONSTRAINT_CONDEFERRED)))
        str_add(&s, " INITIALLY DEFERRED");
    if (!datum_bool(cat_val(r, PG_CONSTRAINT_CONVALIDATED)))
        str_add(&s, " NOT VALID");
    return s.data;
}

char *
deparse_constraint(Arena *a, Oid constraint, bool pretty)
{
    const CatRow *r = cat_get_by_oid(CAT_PG_CONSTRAINT, constraint);
    return r ? constraint_text(a, r, object_flags(pretty)) : NULL;
}

char *
deparse_constraint_command(Arena *a, Oid constraint)
{
    const CatRow *r = cat_get_by_oid(CAT_PG_CONSTRAINT, constraint);
    if (r == NULL)
        return NULL;
    Oid rel = datum_oid(cat_val(r, PG_CONSTRAINT_CONRELID)), domain = datum_oid(cat_val(r, PG_CONSTRAINT_CONTYPID));
    char *name = sql_quote_ident(a, cat_name(a, r, PG_CONSTRAINT_CONNAME));
    if (rel)
        return arena_printf(a, "ALTER TABLE %s ADD CONSTRAINT %s %s", relation_name_qualified(a, rel), name, constraint_text(a, r, 0));
    return arena_printf(a, "ALTER DOMAIN %s ADD CONSTRAINT %s %s", type_format(a, domain, -1, true), name, constraint_text(a, r, 0));
}

/* ---- views and rules ---- */

static char *
view_text(Arena *a, RelDesc *view, int flags, int wrap)
{
    Query *q = node_read(a, view->view_tree);
    if (!IS(q, Query))
        INTERNAL_ERROR("unexpected tree of view \"%s\"", view->name);
    List *names = list_new(a);
    for (int i = 0; i < view->natts; i++)
        if (!view->cols[i].dropped)
            list_push(names, view->cols[i].name);
    StrBuf s;
    str_init(&s, a);
    Deparse d = {.arena = a, .out = &s, .flags = flags, .wrap = wrap, .prefix = true};
    put_query(&d, q, names, true);
    str_add_char(&s, ';');
    return s.data;
}

char *
deparse_view(Arena *a, Oid oid, bool pretty, int wrap)
{
    RelDesc *view = existing_relation(oid);
    if (view == NULL || view->view_tree == NULL)
        return NULL;
    return view_text(a, view, object_flags(pretty), wrap);
}

char *
deparse_rule(Arena *a, Oid rule, bool pretty)
{
    const CatRow *r = cat_get_by_oid(CAT_PG_REWRITE, rule);
    if (r == NULL)
        return NULL;
    char *name = cat_name(a, r, PG_REWRITE_RULENAME);
    RelDesc *rel = rel_cached(datum_oid(cat_val(r, PG_REWRITE_EV_CLASS)));
    if (rel->view_tree == NULL)
        RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "rule \"%s\" is not a view's: such rules are not supported", name);
    return arena_printf(a, "CREATE RULE %s AS\n    ON SELECT TO %s DO INSTEAD %s", sql_quote_ident(a, name),
                        pretty ? relation_name(a, rel->oid, NULL) : relation_name_qualified(a, rel->oid), view_text(a, rel, object_flags(pretty), 0));
}

/* ---- what no release has yet: no rows in these catalogs, so NULL ---- */

static char *
no_trigger(Arena *a, Oid trigger, bool pretty)
{
    if (cat_get_by_oid(CAT_PG_TRIGGER, trigger))
        RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "triggers are not supported");
    return NULL;
}

static char *
no_partkey(Arena *a, Oid rel)
{
    return NULL; /* of a relation that is not partitioned */
}

static char *
no_statistics(Arena *a, Oid statistics, bool columns_only)
{
    if (cat_get_by_oid(CAT_PG_STATISTIC_EXT, statistics))
        RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "extended statistics are not supported");
    return NULL;
}

void
deparse_register(void)
{
    deparse_hooks = (DeparseHooks){
        .expr = deparse_tree,
        .view = deparse_view,
        .index = deparse_index,
        .constraint = deparse_constraint,
        .rule = deparse_rule,
        .function = deparse_function,
        .function_arguments = deparse_function_arguments,
        .function_result = deparse_function_result,
        .trigger = no_trigger,
        .partkey = no_partkey,
        .statistics = no_statistics,
    };
}
