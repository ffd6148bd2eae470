/*
 * WITH: common table expressions, recursive ones included.
 */
#include "core/sql/analyze/analyze_internal.h"

CommonTable *
find_cte(Scope *s, const char *name, int *levels_up)
{
    *levels_up = 0;
    for (Scope *p = s; p != NULL; p = p->parent, (*levels_up)++)
        for (int i = list_count(p->ctes) - 1; i >= 0; i--) {
            CommonTable *c = p->ctes->items[i];
            if (strcmp(c->name, name) == 0)
                return c;
        }
    return NULL;
}

static void
set_columns(Scope *s, CommonTable *cte, const List *targets, int location)
{
    cte->columns = list_new(s->arena);
    cte->types = ints_new(s->arena);
    cte->typmods = ints_new(s->arena);
    cte->collations = ints_new(s->arena);
    int k = 0;
    for (int i = 0; i < list_count(targets); i++) {
        TargetEntry *te = targets->items[i];
        if (te->junk)
            continue;
        const char *name = k < list_count(cte->alias_columns) ? cte->alias_columns->items[k] : te->name ? te->name : "?column?";
        Oid type = te->expr->type == UNKNOWN_OID ? TEXT_OID : te->expr->type;
        list_push(cte->columns, arena_strdup(s->arena, name));
        ints_push(cte->types, type);
        ints_push(cte->typmods, te->expr->typmod);
        ints_push(cte->collations, te->expr->collation ? te->expr->collation : type_info(type)->collation);
        k++;
    }
    if (k < list_count(cte->alias_columns))
        RAISE_AT(SQLSTATE_INVALID_COLUMN_REFERENCE, location, "WITH query \"%s\" has %d columns available but %d columns specified", cte->name, k, list_count(cte->alias_columns));
}

/* Does the raw tree mention relation `name` anywhere? (A string search over the packed tree's RangeVars.) */
static bool
mentions(const PNode *n, const char *name);

static bool
mentions_select(const PgQuery__SelectStmt *st, const char *name)
{
    if (st == NULL)
        return false;
    PNode wrap = PG_QUERY__NODE__INIT;
    wrap.node_case = PN(SELECT_STMT);
    wrap.select_stmt = (PgQuery__SelectStmt *)(uintptr_t)st;
    return mentions(&wrap, name);
}

/* Generic walk over protobuf messages by their descriptors. */
static bool
message_mentions(const ProtobufCMessage *m, const char *name)
{
    if (m == NULL)
        return false;
    if (m->descriptor == &pg_query__range_var__descriptor) {
        const PgQuery__RangeVar *rv = (const PgQuery__RangeVar *)m;
        return !rv->schemaname[0] && strcmp(rv->relname, name) == 0;
    }
    for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
        if (f->type != PROTOBUF_C_TYPE_MESSAGE)
            continue;
        const char *base = (const char *)m;
        if (f->label == PROTOBUF_C_LABEL_REPEATED) {
            size_t n = *(const size_t *)(const void *)(base + f->quantifier_offset);
            ProtobufCMessage *const *items = *(ProtobufCMessage *const *const *)(const void *)(base + f->offset);
            for (size_t k = 0; k < n; k++)
                if (message_mentions(items[k], name))
                    return true;
        } else {
            if ((f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) && *(const uint32_t *)(const void *)(base + f->quantifier_offset) != f->id)
                continue;
            if (message_mentions(*(const ProtobufCMessage *const *)(const void *)(base + f->offset), name))
                return true;
        }
    }
    return false;
}

static bool
mentions(const PNode *n, const char *name)
{
    return message_mentions(&n->base, name);
}

static bool
first_aggregate(void *n, void *arg)
{
    if (IS(n, Aggref)) {
        *(int *)arg = ((Aggref *)n)->expr.location;
        return true;
    }
    return node_walk_children(n, first_aggregate, arg, false);
}

/* A recursive query: non-recursive UNION [ALL] recursive. The columns come from the left side. */
static void
analyze_recursive(Scope *s, CommonTable *cte, const PgQuery__CommonTableExpr *raw)
{
    const PgQuery__SelectStmt *st = raw->ctequery->node_case == PN(SELECT_STMT) ? raw->ctequery->select_stmt : NULL;
    if (st == NULL)
        RAISE_AT(SQLSTATE_INVALID_RECURSION, raw->location, "recursive query \"%s\" must not contain data-modifying statements", cte->name);
    if (st->op != PG_QUERY__SET_OPERATION__SETOP_UNION)
        RAISE_AT(SQLSTATE_INVALID_RECURSION, raw->location, "recursive query \"%s\" does not have the form non-recursive-term UNION [ALL] recursive-term", cte->name);
    if (mentions_select(st->larg, cte->name))
        RAISE_AT(SQLSTATE_INVALID_RECURSION, raw->location, "recursive reference to query \"%s\" must not appear within its non-recursive term", cte->name);
    if (st->n_sort_clause)
        RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "ORDER BY in a recursive query is not implemented");
    if (!pempty(st->limit_offset))
        RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "OFFSET in a recursive query is not implemented");
    if (!pempty(st->limit_count))
        RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "LIMIT in a recursive query is not implemented");
    if (raw->search_clause || raw->cycle_clause)
        RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "SEARCH and CYCLE clauses are not supported");
    /* First pass over the left side alone tells the columns. */
    Query *left = analyze_sub_select(s, st->larg, true);
    set_columns(s, cte, left->targets, raw->location);
    cte->recursive = true;
    cte->ref_count = -1; /* references inside itself are not counted, and know they are recursive */
    cte->query = analyze_select_in(s, raw->ctequery, true, false);
    cte->ref_count = 0;
    const SetOpNode *top = (const SetOpNode *)cte->query->set_ops;
    const RangeRef *right = IS(top->right, RangeRef) ? (const RangeRef *)top->right : NULL;
    const Query *term = right ? ((RangeEntry *)list_at(cte->query->range_table, right->rel - 1))->subquery : NULL;
    if (term && term->has_aggs) {
        int location = -1;
        for (int i = 0; i < term->targets->count && location < 0; i++)
            first_aggregate(term->targets->items[i], &location);
        RAISE_AT(SQLSTATE_INVALID_RECURSION, location, "aggregate functions are not allowed in a recursive query's recursive term");
    }
    int k = 0;
    for (int i = 0; i < list_count(cte->query->targets); i++) {
        TargetEntry *te = cte->query->targets->items[i];
        if (te->junk)
            continue;
        if (te->expr->type != (Oid)cte->types->items[k])
            RAISE_ERR(SQLSTATE_DATATYPE_MISMATCH, err_position(expr_location(te->expr)),
                      err_message("recursive query \"%s\" column %d has type %s in non-recursive term but type %s overall", cte->name, k + 1,
                                  type_format(s->arena, (Oid)cte->types->items[k], (int32_t)cte->typmods->items[k], false),
                                  type_format(s->arena, te->expr->type, te->expr->typmod, false)),
                      err_hint("Cast the output of the non-recursive term to the correct type."));
        k++;
    }
}

void
analyze_with(Scope *s, const PgQuery__WithClause *w)
{
    if (w == NULL)
        return;
    s->ctes = list_new(s->arena);
    s->with = w;
    s->query->has_recursive = w->recursive;
    for (size_t i = 0; i < w->n_ctes; i++) {
        const PgQuery__CommonTableExpr *c = w->ctes[i]->common_table_expr;
        for (size_t k = 0; k < i; k++)
            if (strcmp(w->ctes[k]->common_table_expr->ctename, c->ctename) == 0)
                RAISE_AT(SQLSTATE_DUPLICATE_ALIAS, c->location, "WITH query name \"%s\" specified more than once", c->ctename);
    }
    s->query->ctes = list_new(s->arena);
    for (size_t i = 0; i < w->n_ctes; i++) {
        const PgQuery__CommonTableExpr *c = w->ctes[i]->common_table_expr;
        CommonTable *cte = node_new(s->arena, CommonTable);
        cte->name = arena_strdup(s->arena, c->ctename);
        cte->alias_columns = list_new(s->arena);
        for (size_t k = 0; k < c->n_aliascolnames; k++)
            list_push(cte->alias_columns, arena_strdup(s->arena, pstr(c->aliascolnames[k])));
        cte->materialized = c->ctematerialized == PG_QUERY__CTEMATERIALIZE__CTEMaterializeAlways  ? MATERIALIZE_ALWAYS
                            : c->ctematerialized == PG_QUERY__CTEMATERIALIZE__CTEMaterializeNever ? MATERIALIZE_NEVER
                                                                                                   : MATERIALIZE_DEFAULT;
        if (w->recursive && mentions(c->ctequery, cte->name)) {
            list_push(s->ctes, cte);
            analyze_recursive(s, cte, c);
        } else {
            for (size_t k = i + 1; w->recursive && k < w->n_ctes; k++)
                if (mentions(c->ctequery, w->ctes[k]->common_table_expr->ctename) && mentions(w->ctes[k]->common_table_expr->ctequery, c->ctename))
                    RAISE_AT(SQLSTATE_FEATURE_NOT_SUPPORTED, c->location, "mutual recursion between WITH items is not implemented");
            if (c->ctequery->node_case != PN(SELECT_STMT) && s->parent)
                RAISE_AT(SQLSTATE_FEATURE_NOT_SUPPORTED, c->location, "WITH clause containing a data-modifying statement must be at the top level");
            cte->query = analyze_select_in(s, c->ctequery, true, false);
            if (cte->query->command != CMD_SELECT) {
                s->query->has_modifying_cte = true;
                cte->query->can_set_tag = false;
            }
            set_columns(s, cte, cte->query->command == CMD_SELECT ? cte->query->targets : cte->query->returning, c->location);
            list_push(s->ctes, cte);
        }
        list_push(s->query->ctes, cte);
    }
}
