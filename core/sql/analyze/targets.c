/*
 * Target lists: SELECT's output columns, their names, and the fate of untyped literals.
 */
#include "core/sql/analyze/analyze_internal.h"

TargetEntry *
target_new(Arena *a, Expr *e, int resno, const char *name, bool junk)
{
    TargetEntry *t = node_new(a, TargetEntry);
    t->expr = e;
    t->resno = resno;
    t->name = name ? arena_strdup(a, name) : NULL;
    t->junk = junk;
    return t;
}

/* How good a name is: 0 none, 1 weak, 2 strong. */
static int
figure_name(const PNode *n, const char **name)
{
    int strength;
    if (n == NULL)
        return 0;
    switch (n->node_case) {
    case PN(COLUMN_REF): {
        const char *last = NULL;
        for (size_t i = 0; i < n->column_ref->n_fields; i++)
            if (pstr(n->column_ref->fields[i]))
                last = pstr(n->column_ref->fields[i]);
        if (last) {
            *name = last;
            return 2;
        }
        return 0;
    }
    case PN(A_INDIRECTION): {
        const char *last = NULL;
        for (size_t i = 0; i < n->a_indirection->n_indirection; i++)
            if (pstr(n->a_indirection->indirection[i]))
                last = pstr(n->a_indirection->indirection[i]);
        if (last) {
            *name = last;
            return 2;
        }
        return figure_name(n->a_indirection->arg, name);
    }
    case PN(FUNC_CALL): *name = pstr(n->func_call->funcname[n->func_call->n_funcname - 1]); return 2;
    case PN(A_EXPR):
        if (n->a_expr->kind == PG_QUERY__A__EXPR__KIND__AEXPR_NULLIF) {
            *name = "nullif";
            return 2;
        }
        return 0;
    case PN(TYPE_CAST):
        strength = figure_name(n->type_cast->arg, name);
        if (strength <= 1) {
            const PgQuery__TypeName *t = n->type_cast->type_name;
            if (t->n_names) {
                *name = pstr(t->names[t->n_names - 1]);
                return 1;
            }
        }
        return strength;
    case PN(COLLATE_CLAUSE): return figure_name(n->collate_clause->arg, name);
    case PN(GROUPING_FUNC): *name = "grouping"; return 2;
    case PN(SUB_LINK):
        switch (n->sub_link->sub_link_type) {
        case PG_QUERY__SUB_LINK_TYPE__EXISTS_SUBLINK: *name = "exists"; return 2;
        case PG_QUERY__SUB_LINK_TYPE__ARRAY_SUBLINK: *name = "array"; return 2;
        case PG_QUERY__SUB_LINK_TYPE__EXPR_SUBLINK: {
            const PNode *sub = n->sub_link->subselect;
            if (sub->node_case == PN(SELECT_STMT)) {
                const PgQuery__SelectStmt *st = sub->select_stmt;
                while (st->larg)
                    st = st->larg;
                if (st->n_target_list) {
                    const PgQuery__ResTarget *rt = st->target_list[0]->res_target;
                    if (rt->name[0]) {
                        *name = rt->name;
                        return 2;
                    }
                    return figure_name(rt->val, name);
                }
            }
            return 0;
        }
        default: return 0;
        }
    case PN(CASE_EXPR):
        strength = figure_name(n->case_expr->defresult, name);
        if (strength <= 1) {
            *name = "case";
            return 1;
        }
        return strength;
    case PN(A_ARRAY_EXPR): *name = "array"; return 2;
    case PN(ROW_EXPR): *name = "row"; return 2;
    case PN(COALESCE_EXPR): *name = "coalesce"; return 2;
    case PN(MIN_MAX_EXPR): *name = n->min_max_expr->op == PG_QUERY__MIN_MAX_OP__IS_GREATEST ? "greatest" : "least"; return 2;
    case PN(SQLVALUE_FUNCTION): {
        static const char *const names[] = {"current_date", "current_time", "current_time", "current_timestamp", "current_timestamp",
                                            "localtime", "localtime", "localtimestamp", "localtimestamp", "current_role", "current_user",
                                            "user", "session_user", "current_catalog", "current_schema"};
        *name = names[(int)n->sqlvalue_function->op - 1];
        return 2;
    }
    default: return 0;
    }
}

char *
figure_column_name(const PNode *n)
{
    const char *name = NULL;
    figure_name(n, &name);
    return (char *)(uintptr_t)(name ? name : "?column?");
}

static bool
is_star(const PNode *n)
{
    return n->node_case == PN(COLUMN_REF) && n->column_ref->fields[n->column_ref->n_fields - 1]->node_case == PN(A_STAR);
}

List *
analyze_targets(Scope *s, PNode **items, size_t n, ExprKind kind)
{
    List *out = list_new(s->arena);
    ExprKind saved = s->kind;
    s->kind = kind;
    for (size_t i = 0; i < n; i++) {
        const PgQuery__ResTarget *rt = items[i]->res_target;
        if (is_star(rt->val)) {
            expand_star(s, rt->val->column_ref, out);
            continue;
        }
        if (expand_row_star(s, rt->val, out))
            continue;
        Expr *e = analyze_expr_inner(s, rt->val);
        list_push(out, target_new(s->arena, e, 0, rt->name[0] ? rt->name : figure_column_name(rt->val), false));
    }
    for (int i = 0; i < out->count; i++) {
        TargetEntry *te = out->items[i];
        te->resno = i + 1;
        if (IS(te->expr, Var) && ((Var *)te->expr)->levels_up == 0 && ((Var *)te->expr)->attno != 0) {
            Var *v = (Var *)te->expr;
            RangeEntry *re = list_at(s->query->range_table, v->rel - 1);
            if (re->kind == RANGE_RELATION) {
                te->orig_table = re->rel;
                te->orig_column = v->attno;
            } else if (re->kind == RANGE_SUBQUERY && re->subquery) {
                TargetEntry *sub = v->attno <= list_count(re->subquery->targets) && v->attno > 0 ? list_at(re->subquery->targets, v->attno - 1) : NULL;
                if (sub) {
                    te->orig_table = sub->orig_table;
                    te->orig_column = sub->orig_column;
                }
            }
        }
    }
    s->kind = saved;
    return out;
}

void
resolve_unknown_targets(Scope *s, List *targets)
{
    for (int i = 0; i < list_count(targets); i++) {
        TargetEntry *te = targets->items[i];
        if (te->expr->type == UNKNOWN_OID)
            te->expr = coerce_type(s, te->expr, UNKNOWN_OID, TEXT_OID, -1, COERCE_IMPLICIT, FORM_IMPLICIT_CAST, -1);
    }
}
