/*
 * The FROM clause: items, joins, aliases with their column lists.
 */
#include "core/sql/deparse/deparse_internal.h"

static void put_from_item(Deparse *d, const Node *n);

static bool
uses_outer_columns(void *n, void *arg)
{
    if (IS(n, Var))
        return ((Var *)n)->levels_up == 0;
    return node_walk_children(n, uses_outer_columns, arg, false);
}

static void
put_column_list(Deparse *d, const RelNames *r)
{
    bool first = true;
    if (!r->print_cols)
        return;
    for (int i = 0; i < r->ncols; i++) {
        if (r->cols[i] == NULL)
            continue;
        put(d, first ? "(" : ", ");
        first = false;
        put_ident(d, r->cols[i]);
    }
    if (!first)
        str_add_char(d->out, ')');
}

/* Whether the columns of the only function were given types in the statement. */
static bool
has_column_definitions(const RangeEntry *e)
{
    if (e->kind != RANGE_FUNCTION || e->functions->count != 1)
        return false;
    const RangeFunction *f = e->functions->items[0];
    return IS(f->call, FuncCall) && f->call->type == RECORD_OID && fn_info(((const FuncCall *)f->call)->fn)->nout == 0;
}

static void
put_column_definitions(Deparse *d, const RangeFunction *f, const RelNames *r)
{
    for (int i = 0; i < f->column_count; i++) {
        put(d, i ? ", " : "(");
        put_ident(d, r && i < r->ncols && r->cols[i] ? r->cols[i] : f->names->items[i]);
        str_printf(d->out, " %s", type_format(d->arena, (Oid)f->types->items[i], (int32_t)f->typmods->items[i], false));
        Oid c = (Oid)f->collations->items[i];
        if (c && c != type_info((Oid)f->types->items[i])->collation)
            str_printf(d->out, " COLLATE %s", collation_name(d->arena, c));
    }
    str_add_char(d->out, ')');
}

static void
put_call(Deparse *d, const Expr *e)
{
    if (looks_like_function(e)) {
        put_expr(d, e, true);
        return;
    }
    put(d, "CAST(");
    put_expr(d, e, false);
    str_printf(d->out, " AS %s)", type_text(d->arena, e->type, e->typmod));
}

static bool
all_unnest(const List *functions)
{
    for (int i = 0; i < functions->count; i++) {
        const RangeFunction *f = functions->items[i];
        if (!IS(f->call, FuncCall) || strcmp(fn_info(((const FuncCall *)f->call)->fn)->name, "unnest") != 0)
            return false;
    }
    return true;
}

static void
put_functions(Deparse *d, const RangeEntry *e)
{
    const RangeFunction *first = e->functions->items[0];
    if (e->functions->count == 1 && !(has_column_definitions(e) && e->with_ordinality))
        put_call(d, first->call);
    else if (e->functions->count > 1 && all_unnest(e->functions)) {
        put(d, "UNNEST(");
        for (int i = 0; i < e->functions->count; i++) {
            const RangeFunction *f = e->functions->items[i];
            if (i)
                put(d, ", ");
            put_list(d, ((const FuncCall *)f->call)->args, true);
        }
        str_add_char(d->out, ')');
    } else {
        put(d, "ROWS FROM(");
        for (int i = 0; i < e->functions->count; i++) {
            const RangeFunction *f = e->functions->items[i];
            if (i)
                put(d, ", ");
            put_call(d, f->call);
            if (IS(f->call, FuncCall) && f->call->type == RECORD_OID && fn_info(((const FuncCall *)f->call)->fn)->nout == 0) {
                put(d, " AS ");
                put_column_definitions(d, f, NULL);
            }
        }
        str_add_char(d->out, ')');
    }
    if (e->with_ordinality)
        put(d, " WITH ORDINALITY");
}

static bool
needs_alias(Deparse *d, const RangeEntry *e, const RelNames *r)
{
    if (e->alias || r->print_cols)
        return true;
    switch (e->kind) {
    case RANGE_RELATION: return strcmp(r->ref, rel_cached(e->rel)->name) != 0;
    case RANGE_CTE: return strcmp(r->ref, e->cte_name) != 0;
    default: return true; /* subqueries and VALUES must have one, functions always show it */
    }
}

static bool
is_lateral(const RangeEntry *e)
{
    if (e->kind != RANGE_FUNCTION)
        return e->lateral;
    for (int i = 0; i < e->functions->count; i++)
        if (uses_outer_columns(e->functions->items[i], NULL))
            return true;
    return false;
}

static void
put_range_ref(Deparse *d, int rel)
{
    const RangeEntry *e = d->level->range_table->items[rel - 1];
    const RelNames *r = &d->level->rels[rel];
    if (is_lateral(e))
        put(d, "LATERAL ");
    switch (e->kind) {
    case RANGE_RELATION:
        /* views do not read children; ours are never inherited from, ONLY is kept where it was said */
        if (!e->inherit)
            put(d, "ONLY ");
        put(d, relation_name(d->arena, e->rel, d->level));
        break;
    case RANGE_SUBQUERY: {
        str_add_char(d->out, '(');
        int indent = d->indent;
        put_query(d, e->subquery, NULL, true);
        d->indent = indent;
        str_add_char(d->out, ')');
        break;
    }
    case RANGE_FUNCTION: put_functions(d, e); break;
    case RANGE_VALUES:
        str_add_char(d->out, '(');
        put_values(d, e->values);
        str_add_char(d->out, ')');
        break;
    case RANGE_CTE: put_ident(d, e->cte_name); break;
    default: INTERNAL_ERROR("unrecognized RTE kind: %d", e->kind);
    }
    if (needs_alias(d, e, r)) {
        str_add_char(d->out, ' ');
        put_ident(d, r->ref);
    }
    if (has_column_definitions(e) && !e->with_ordinality)
        put_column_definitions(d, e->functions->items[0], r);
    else
        put_column_list(d, r);
}

static void
put_join(Deparse *d, const JoinNode *j)
{
    RelNames *r = &d->level->rels[j->rel];
    const RangeEntry *e = d->level->range_table->items[j->rel - 1];
    bool own_paren = !HAS(d, PRETTY_PAREN) || e->alias;
    bool right_paren = HAS(d, PRETTY_PAREN) && IS(j->right, JoinNode) &&
                       ((const RangeEntry *)d->level->range_table->items[((const JoinNode *)j->right)->rel - 1])->alias == NULL;
    const char *word;
    switch (j->kind) {
    case JOIN_LEFT: word = " LEFT JOIN "; break;
    case JOIN_RIGHT: word = " RIGHT JOIN "; break;
    case JOIN_FULL: word = " FULL JOIN "; break;
    default: word = j->quals ? " JOIN " : " CROSS JOIN "; break;
    }
    r->open = true;
    if (own_paren)
        str_add_char(d->out, '(');
    put_from_item(d, j->left);
    put_break(d, word, -INDENT_STD, INDENT_STD, INDENT_JOIN);
    if (right_paren)
        str_add_char(d->out, '(');
    put_from_item(d, j->right);
    if (right_paren)
        str_add_char(d->out, ')');
    if (list_count(j->using_names))
        str_printf(d->out, " USING (%s)", join_idents(d->arena, j->using_names));
    else if (j->quals) {
        put(d, " ON ");
        if (!HAS(d, PRETTY_PAREN))
            str_add_char(d->out, '(');
        put_expr(d, j->quals, false);
        if (!HAS(d, PRETTY_PAREN))
            str_add_char(d->out, ')');
    } else if (j->kind != JOIN_INNER)
        put(d, " ON TRUE");
    if (own_paren)
        str_add_char(d->out, ')');
    r->open = false;
    if (e->alias) {
        str_add_char(d->out, ' ');
        put_ident(d, r->ref);
        put_column_list(d, r);
    }
}

static void
put_from_item(Deparse *d, const Node *n)
{
    CHECK_STACK();
    if (IS(n, RangeRef))
        put_range_ref(d, ((const RangeRef *)n)->rel);
    else if (IS(n, JoinNode))
        put_join(d, (const JoinNode *)n);
    else
        INTERNAL_ERROR("unrecognized node type: %d", (int)node_tag(n));
}

void
put_from(Deparse *d, const Query *q, const char *prefix)
{
    bool first = true;
    for (int i = 0; i < list_count(q->join_tree->items); i++) {
        const Node *n = q->join_tree->items->items[i];
        if (IS(n, RangeRef) && !((RangeEntry *)q->range_table->items[((const RangeRef *)n)->rel - 1])->in_from)
            continue;
        if (first) {
            put_break(d, prefix, -INDENT_STD, INDENT_STD, 2);
            first = false;
            put_from_item(d, n);
            continue;
        }
        put(d, ", ");
        StrBuf item, *out = capture_begin(d, &item);
        put_from_item(d, n);
        capture_end(d, out);
        if (HAS(d, PRETTY_INDENT) && d->wrap >= 0) {
            const char *line = strrchr(out->data, '\n');
            if (item.len > 0 && item.data[0] == '\n') {
                while (out->len > 0 && out->data[out->len - 1] == ' ')
                    out->data[--out->len] = '\0';
            } else if (strlen(line ? line + 1 : out->data) + item.len > (size_t)d->wrap)
                put_break(d, "", -INDENT_STD, INDENT_STD, INDENT_VAR);
        }
        str_add_bytes(out, item.data, item.len);
    }
}
