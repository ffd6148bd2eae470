/*
 * WITH, and the statements that change tables (they stand in WITH, and in EXPLAIN's and the log's texts).
 */
#include "core/sql/deparse/deparse_internal.h"

void
put_with(Deparse *d, const Query *q)
{
    if (list_count(q->ctes) == 0)
        return;
    if (HAS(d, PRETTY_INDENT)) {
        d->indent += INDENT_STD;
        str_add_char(d->out, ' ');
    }
    for (int i = 0; i < q->ctes->count; i++) {
        const CommonTable *c = q->ctes->items[i];
        put(d, i ? ", " : q->has_recursive ? "WITH RECURSIVE " : "WITH ");
        put_ident(d, c->name);
        if (list_count(c->alias_columns))
            str_printf(d->out, "(%s)", join_idents(d->arena, c->alias_columns));
        put(d, " AS ");
        if (c->materialized == MATERIALIZE_ALWAYS)
            put(d, "MATERIALIZED ");
        else if (c->materialized == MATERIALIZE_NEVER)
            put(d, "NOT MATERIALIZED ");
        str_add_char(d->out, '(');
        if (HAS(d, PRETTY_INDENT))
            put_break(d, "", 0, 0, 0);
        int indent = d->indent;
        put_query(d, c->query, NULL, true);
        d->indent = indent;
        if (HAS(d, PRETTY_INDENT))
            put_break(d, "", 0, 0, 0);
        str_add_char(d->out, ')');
    }
    if (HAS(d, PRETTY_INDENT)) {
        d->indent -= INDENT_STD;
        put_break(d, "", 0, 0, 0);
    } else
        str_add_char(d->out, ' ');
}

static void
put_returning(Deparse *d, const Query *q)
{
    if (list_count(q->returning) == 0)
        return;
    put_break(d, " RETURNING", -INDENT_STD, INDENT_STD, 1);
    put_targets(d, q->returning, NULL, true);
}

static void
put_target_table(Deparse *d, const Query *q, const char *keyword, const char *as)
{
    const RangeEntry *e = q->range_table->items[q->result_rel - 1];
    if (HAS(d, PRETTY_INDENT)) {
        str_add_char(d->out, ' ');
        d->indent += INDENT_STD;
    }
    str_printf(d->out, "%s%s", keyword, relation_name(d->arena, e->rel, NULL));
    if (e->alias) {
        put(d, as);
        put_ident(d, d->level->rels[q->result_rel].ref);
    }
}

/* Subscripts and fields assigned to stand left of the "="; gives back the value. */
static const Expr *
put_assigned(Deparse *d, const Expr *e)
{
    for (;;) {
        if (IS(e, SubscriptRef) && ((const SubscriptRef *)e)->assign) {
            const SubscriptRef *r = (const SubscriptRef *)e;
            for (int i = 0; i < list_count(r->upper); i++) {
                str_add_char(d->out, '[');
                if (i < list_count(r->lower)) {
                    put_expr(d, r->lower->items[i], false);
                    str_add_char(d->out, ':');
                }
                put_expr(d, r->upper->items[i], false);
                str_add_char(d->out, ']');
            }
            e = r->assign;
        } else if (IS(e, FieldStore) && list_count(((const FieldStore *)e)->values) == 1) {
            const FieldStore *f = (const FieldStore *)e;
            RelDesc *rel = rel_cached(type_info(type_base(e->type, NULL))->rel);
            str_add_char(d->out, '.');
            put_ident(d, rel->cols[f->fields->items[0] - 1].name);
            e = f->values->items[0];
        } else
            return e;
    }
}

static void
put_set_list(Deparse *d, const Query *q, const List *targets)
{
    const RangeEntry *e = q->range_table->items[q->result_rel - 1];
    const RelDesc *rel = rel_cached(e->rel);
    bool first = true;
    for (int i = 0; i < list_count(targets); i++) {
        const TargetEntry *te = targets->items[i];
        if (te->junk)
            continue;
        if (!first)
            put(d, ", ");
        first = false;
        put_ident(d, rel->cols[te->resno - 1].name);
        const Expr *value = put_assigned(d, te->expr);
        put(d, " = ");
        put_expr(d, value, false);
    }
}

/* ---- INSERT ---- */

static void
put_conflict(Deparse *d, const Query *q)
{
    const OnConflict *c = q->on_conflict;
    put(d, " ON CONFLICT");
    if (c->constraint) {
        const CatRow *r = cat_get_by_oid(CAT_PG_CONSTRAINT, c->constraint);
        if (r == NULL)
            INTERNAL_ERROR("cache lookup failed for constraint %u", c->constraint);
        str_printf(d->out, " ON CONSTRAINT %s", sql_quote_ident(d->arena, cat_name(d->arena, r, PG_CONSTRAINT_CONNAME)));
    } else if (list_count(c->arbiter_exprs)) {
        bool prefix = d->prefix;
        d->prefix = false;
        put(d, "(");
        for (int i = 0; i < c->arbiter_exprs->count; i++) {
            const Expr *e = c->arbiter_exprs->items[i];
            bool paren = !IS(e, Var) && !looks_like_function(e);
            put(d, i ? ", " : "");
            put(d, paren ? "(" : "");
            put_expr(d, e, true);
            put(d, paren ? ")" : "");
        }
        str_add_char(d->out, ')');
        if (c->arbiter_where) {
            put(d, " WHERE ");
            put_expr(d, c->arbiter_where, false);
        }
        d->prefix = prefix;
    }
    if (c->action == CONFLICT_NOTHING) {
        put(d, " DO NOTHING");
        return;
    }
    put(d, " DO UPDATE SET ");
    put_set_list(d, q, c->set);
    if (c->where) {
        put_break(d, " WHERE ", -INDENT_STD, INDENT_STD, 1);
        put_expr(d, c->where, false);
    }
}

static void
put_insert(Deparse *d, const Query *q)
{
    const RangeEntry *select = NULL, *values = NULL;
    const RangeEntry *target = q->range_table->items[q->result_rel - 1];
    const RelDesc *rel = rel_cached(target->rel);
    for (int i = 0; i < list_count(q->join_tree->items); i++) {
        const RangeRef *r = q->join_tree->items->items[i];
        const RangeEntry *e = IS(r, RangeRef) ? q->range_table->items[r->rel - 1] : NULL;
        if (e && e->kind == RANGE_SUBQUERY)
            select = e;
        else if (e && e->kind == RANGE_VALUES)
            values = e;
    }
    put_with(d, q);
    put_target_table(d, q, "INSERT INTO ", " AS ");
    List *row = list_new(d->arena);
    for (int i = 0; i < list_count(q->targets); i++) {
        const TargetEntry *te = q->targets->items[i];
        if (te->junk)
            continue;
        put(d, row->count ? ", " : " (");
        put_ident(d, rel->cols[te->resno - 1].name);
        list_push(row, (void *)(uintptr_t)put_assigned(d, te->expr));
    }
    if (row->count)
        put(d, ") ");
    else
        put(d, " ");
    if (q->override)
        put(d, q->override == OVERRIDE_SYSTEM ? "OVERRIDING SYSTEM VALUE " : "OVERRIDING USER VALUE ");
    if (select) {
        int indent = d->indent;
        put_query(d, select->subquery, NULL, false);
        d->indent = indent;
    } else if (values)
        put_values(d, values->values);
    else if (row->count) {
        put_break(d, "VALUES (", -INDENT_STD, INDENT_STD, 2);
        put_list(d, row, false);
        str_add_char(d->out, ')');
    } else
        put(d, "DEFAULT VALUES");
    if (q->on_conflict)
        put_conflict(d, q);
    put_returning(d, q);
}

/* ---- UPDATE, DELETE ---- */

void
put_modification(Deparse *d, const Query *q)
{
    switch (q->command) {
    case CMD_INSERT: put_insert(d, q); return;
    case CMD_UPDATE:
        put_with(d, q);
        put_target_table(d, q, "UPDATE ", " ");
        put(d, " SET ");
        put_set_list(d, q, q->targets);
        put_from(d, q, " FROM ");
        break;
    case CMD_DELETE:
        put_with(d, q);
        put_target_table(d, q, "DELETE FROM ", " ");
        put_from(d, q, " USING ");
        break;
    default: INTERNAL_ERROR("unrecognized query command type: %d", q->command);
    }
    if (q->join_tree->quals) {
        put_break(d, " WHERE ", -INDENT_STD, INDENT_STD, 1);
        put_expr(d, q->join_tree->quals, false);
    }
    put_returning(d, q);
}
