/*
 * Expressions: one case per node. Without PRETTY_PAREN every operator stands in parentheses of its own, so
 * that the text reads back as the same tree whatever the precedence; with it only those are printed that
 * precedence.c finds necessary.
 */
#include "core/sql/deparse/deparse_internal.h"

static void
open_paren(Deparse *d)
{
    if (!HAS(d, PRETTY_PAREN))
        str_add_char(d->out, '(');
}

static void
close_paren(Deparse *d)
{
    if (!HAS(d, PRETTY_PAREN))
        str_add_char(d->out, ')');
}

void
put_expr_paren(Deparse *d, const void *e, bool show_implicit, const void *parent)
{
    bool paren = HAS(d, PRETTY_PAREN) && !is_simple_node(e, parent, d->flags);
    if (paren)
        str_add_char(d->out, '(');
    put_expr(d, e, show_implicit);
    if (paren)
        str_add_char(d->out, ')');
}

void
put_list(Deparse *d, const List *l, bool show_implicit)
{
    for (int i = 0; i < list_count(l); i++) {
        if (i)
            put(d, ", ");
        put_expr(d, l->items[i], show_implicit);
    }
}

bool
looks_like_function(const void *e)
{
    if (e == NULL)
        return false;
    switch ((int)node_tag(e)) {
    case TAG_FuncCall: return ((const FuncCall *)e)->form == FORM_CALL || ((const FuncCall *)e)->form == FORM_SQL_SYNTAX;
    case TAG_Aggref: case TAG_GroupingFunc: case TAG_WindowFunc: case TAG_CoalesceExpr: case TAG_MinMaxExpr: case TAG_NullIfExpr:
    case TAG_SqlValue: return true;
    default: return false;
    }
}

/* arg::type */
void
put_cast(Deparse *d, const Expr *arg, Oid type, int32_t typmod, const void *parent)
{
    /* a literal cut to a length: the literal has the type already */
    if (IS(arg, Const) && arg->type == type && arg->typmod == -1)
        put_const(d, (const Const *)arg, -1);
    else {
        open_paren(d);
        put_expr_paren(d, arg, false, parent);
        close_paren(d);
    }
    str_printf(d->out, "::%s", type_text(d->arena, type, typmod));
}

static void
put_op(Deparse *d, const OpCall *o)
{
    const OpInfo *info = op_info(o->op);
    open_paren(d);
    if (o->args->count == 2) {
        put_expr_paren(d, o->args->items[0], true, o);
        str_printf(d->out, " %s ", operator_name(d->arena, o->op, info->left, info->right));
        put_expr_paren(d, o->args->items[1], true, o);
    } else {
        str_printf(d->out, "%s ", operator_name(d->arena, o->op, 0, info->right));
        put_expr_paren(d, o->args->items[0], true, o);
    }
    close_paren(d);
}

static void
put_scalar_array_op(Deparse *d, const ScalarArrayOp *o)
{
    const OpInfo *info = op_info(o->op);
    const Expr *array = o->args->items[1];
    open_paren(d);
    put_expr_paren(d, o->args->items[0], true, o);
    str_printf(d->out, " %s %s (", operator_name(d->arena, o->op, info->left, info->right), o->use_or ? "ANY" : "ALL");
    put_expr_paren(d, array, true, o);
    /* a subquery giving an array must not read as one giving elements */
    if (IS(array, SubLink) && ((const SubLink *)array)->kind == SUBLINK_EXPR)
        str_printf(d->out, "::%s", type_text(d->arena, array->type, array->typmod));
    str_add_char(d->out, ')');
    close_paren(d);
}

static void
put_bool(Deparse *d, const BoolExpr *b)
{
    open_paren(d);
    if (b->kind == BOOL_NOT) {
        put(d, "NOT ");
        put_expr_paren(d, b->args->items[0], false, b);
    } else
        for (int i = 0; i < b->args->count; i++) {
            if (i)
                put(d, b->kind == BOOL_AND ? " AND " : " OR ");
            put_expr_paren(d, b->args->items[i], false, b);
        }
    close_paren(d);
}

static void
put_case(Deparse *d, const CaseExpr *c)
{
    put_break(d, "CASE", 0, INDENT_VAR, 0);
    if (c->arg) {
        str_add_char(d->out, ' ');
        put_expr(d, c->arg, true);
    }
    for (int i = 0; i < list_count(c->whens); i++) {
        const CaseWhen *w = c->whens->items[i];
        const Expr *cond = w->condition;
        if (c->arg && IS(cond, OpCall) && ((const OpCall *)cond)->args->count == 2) {
            /* "tested = value": only the value is written */
            const Expr *left = ((const OpCall *)cond)->args->items[0];
            while (!IS(left, CaseTest)) {
                if (IS(left, Relabel) && ((const Relabel *)left)->form == FORM_IMPLICIT_CAST)
                    left = ((const Relabel *)left)->arg;
                else if (IS(left, CoerceViaIO) && ((const CoerceViaIO *)left)->form == FORM_IMPLICIT_CAST)
                    left = ((const CoerceViaIO *)left)->arg;
                else if (IS(left, FuncCall) && ((const FuncCall *)left)->form == FORM_IMPLICIT_CAST)
                    left = ((const FuncCall *)left)->args->items[0];
                else
                    break;
            }
            if (IS(left, CaseTest))
                cond = ((const OpCall *)cond)->args->items[1];
        }
        if (!HAS(d, PRETTY_INDENT))
            str_add_char(d->out, ' ');
        put_break(d, "WHEN ", 0, 0, 0);
        put_expr(d, cond, false);
        put(d, " THEN ");
        put_expr(d, w->result, true);
    }
    if (!HAS(d, PRETTY_INDENT))
        str_add_char(d->out, ' ');
    put_break(d, "ELSE ", 0, 0, 0);
    put_expr(d, c->otherwise, true);
    if (!HAS(d, PRETTY_INDENT))
        str_add_char(d->out, ' ');
    put_break(d, "END", -INDENT_VAR, 0, 0);
}

static void
put_null_test(Deparse *d, const NullTest *t)
{
    open_paren(d);
    put_expr_paren(d, t->arg, true, t);
    bool row_type = t->arg->type == RECORD_OID || (t->arg->type != UNKNOWN_OID && type_info(t->arg->type)->typtype == 'c');
    if (t->of_row || !row_type)
        put(d, t->is_null ? " IS NULL" : " IS NOT NULL");
    else
        put(d, t->is_null ? " IS NOT DISTINCT FROM NULL" : " IS DISTINCT FROM NULL");
    close_paren(d);
}

static void
put_boolean_test(Deparse *d, const BooleanTest *t)
{
    static const char *const names[] = {" IS TRUE", " IS NOT TRUE", " IS FALSE", " IS NOT FALSE", " IS UNKNOWN", " IS NOT UNKNOWN"};
    open_paren(d);
    put_expr_paren(d, t->arg, false, t);
    put(d, names[t->kind]);
    close_paren(d);
}

static void
put_row(Deparse *d, const RowExpr *r)
{
    put(d, "ROW(");
    for (int i = 0; i < list_count(r->args); i++) {
        const Expr *e = r->args->items[i];
        if (i)
            put(d, ", ");
        put_item(d, e, true);
    }
    str_add_char(d->out, ')');
    if (r->form == FORM_EXPLICIT_CAST)
        str_printf(d->out, "::%s", type_text(d->arena, r->expr.type, -1));
}

static void
put_row_compare(Deparse *d, const RowCompare *r)
{
    Oid op = (Oid)r->ops->items[0];
    put(d, "(ROW(");
    put_list(d, r->left, true);
    str_printf(d->out, ") %s ROW(", operator_name(d->arena, op, 0, 0));
    put_list(d, r->right, true);
    put(d, "))");
}

static void
put_subscripts(Deparse *d, const SubscriptRef *r)
{
    if (r->assign) {
        put_expr(d, r->assign, true);
        return;
    }
    bool paren = !IS(r->container, Var) && !IS(r->container, FieldSelect);
    if (paren)
        str_add_char(d->out, '(');
    put_expr(d, r->container, true);
    if (paren)
        str_add_char(d->out, ')');
    for (int i = 0; i < list_count(r->upper); i++) {
        str_add_char(d->out, '[');
        if (i < list_count(r->lower)) {
            if (r->lower->items[i])
                put_expr(d, r->lower->items[i], false);
            str_add_char(d->out, ':');
        }
        if (r->upper->items[i])
            put_expr(d, r->upper->items[i], false);
        str_add_char(d->out, ']');
    }
}

static const char *
field_name(Deparse *d, const Expr *row, int field)
{
    if (IS(row, RowExpr) && field <= list_count(((const RowExpr *)row)->names))
        return ((const RowExpr *)row)->names->items[field - 1];
    if (row->type != RECORD_OID) {
        const TypeInfo *t = type_info(type_base(row->type, NULL));
        if (t->rel) {
            RelDesc *rel = rel_cached(t->rel);
            if (field <= rel->natts)
                return rel->cols[field - 1].name;
        }
    }
    return arena_printf(d->arena, "f%d", field);
}

static void
put_field_select(Deparse *d, const FieldSelect *f)
{
    bool paren = !IS(f->arg, SubscriptRef) && !IS(f->arg, FieldSelect);
    if (paren)
        str_add_char(d->out, '(');
    put_expr(d, f->arg, true);
    if (paren)
        str_add_char(d->out, ')');
    str_add_char(d->out, '.');
    put_ident(d, field_name(d, f->arg, f->field));
}

static void
put_sql_value(Deparse *d, const SqlValue *v)
{
    static const char *const names[] = {
        "CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIME", "CURRENT_TIMESTAMP", "CURRENT_TIMESTAMP", "LOCALTIME", "LOCALTIME", "LOCALTIMESTAMP",
        "LOCALTIMESTAMP", "CURRENT_ROLE", "CURRENT_USER", "USER", "SESSION_USER", "CURRENT_CATALOG", "CURRENT_SCHEMA"};
    put(d, names[v->op]);
    if (v->expr.typmod >= 0)
        str_printf(d->out, "(%d)", (int)v->expr.typmod);
}

/* ---- subqueries ---- */

/* What stands left of the operator, and the operator. */
static const char *
put_sublink_test(Deparse *d, const SubLink *s)
{
    const Expr *t = s->test;
    if (IS(t, OpCall)) {
        const OpCall *o = (const OpCall *)t;
        put_expr(d, o->args->items[0], true);
        return operator_name(d->arena, o->op, 0, 0);
    }
    str_add_char(d->out, '(');
    const char *op = "=";
    if (IS(t, BoolExpr)) {
        const List *parts = ((const BoolExpr *)t)->args;
        for (int i = 0; i < parts->count; i++) {
            const OpCall *o = parts->items[i];
            if (i)
                put(d, ", ");
            else
                op = operator_name(d->arena, o->op, 0, 0);
            put_expr(d, o->args->items[0], true);
        }
    } else if (IS(t, RowCompare)) {
        put_list(d, ((const RowCompare *)t)->left, true);
        op = operator_name(d->arena, (Oid)((const RowCompare *)t)->ops->items[0], 0, 0);
    } else
        INTERNAL_ERROR("unrecognized test of a subquery: %d", (int)node_tag(t));
    str_add_char(d->out, ')');
    return op;
}

static void
put_sublink(Deparse *d, const SubLink *s)
{
    bool inner = true;
    put(d, s->kind == SUBLINK_ARRAY ? "ARRAY(" : "(");
    const char *op = s->test ? put_sublink_test(d, s) : NULL;
    switch (s->kind) {
    case SUBLINK_EXISTS: put(d, "EXISTS "); break;
    case SUBLINK_ANY:
        if (strcmp(op, "=") == 0)
            put(d, " IN ");
        else
            str_printf(d->out, " %s ANY ", op);
        break;
    case SUBLINK_ALL: str_printf(d->out, " %s ALL ", op); break;
    case SUBLINK_ROWCOMPARE: str_printf(d->out, " %s ", op); break;
    default: inner = false; break;
    }
    if (inner)
        str_add_char(d->out, '(');
    put_subquery(d, s->subselect, false);
    put(d, inner ? "))" : ")");
}

/* ---- the switch ---- */

static void
put_coercion(Deparse *d, const Expr *e, const Expr *arg, int form, int32_t typmod, bool show_implicit)
{
    if (form == FORM_IMPLICIT_CAST && !show_implicit)
        put_expr_paren(d, arg, false, e);
    else
        put_cast(d, arg, e->type, typmod, e);
}

static void
put_pair(Deparse *d, const void *e, const List *args, const char *between)
{
    open_paren(d);
    put_expr_paren(d, args->items[0], true, e);
    put(d, between);
    put_expr_paren(d, args->items[1], true, e);
    close_paren(d);
}

static void
put_named(Deparse *d, const char *name, const List *args)
{
    put(d, name);
    str_add_char(d->out, '(');
    put_list(d, args, true);
    str_add_char(d->out, ')');
}

static bool
may_be_merged(const Expr *e)
{
    return IS(e, CoalesceExpr) || IS(e, FuncCall) || IS(e, Relabel) || IS(e, CoerceViaIO);
}

const char *
put_item(Deparse *d, const Expr *e, bool show_implicit)
{
    if (IS(e, Var))
        return put_var(d, (const Var *)e, true);
    if (IS(e, RowExpr) && put_whole_row(d, (const RowExpr *)e, true))
        return NULL;
    const char *merged = e && may_be_merged(e) ? put_merged_column(d, e) : NULL;
    if (merged == NULL)
        put_expr(d, e, show_implicit);
    return merged;
}

void
put_expr(Deparse *d, const void *n, bool show_implicit)
{
    if (n == NULL)
        return;
    CHECK_STACK();
    const Expr *e = n;
    if (may_be_merged(e) && put_merged_column(d, e))
        return;
    switch ((int)e->tag) {
    case TAG_Const: put_const(d, n, 0); break;
    case TAG_Var: put_var(d, n, false); break;
    case TAG_Param: {
        const Param *p = n;
        if (p->kind == PARAM_EXTERN || d->resolve == NULL || !d->resolve(d, e, d->resolve_arg))
            str_printf(d->out, "$%d", p->id);
        break;
    }
    case TAG_SubPlanRef:
        if (d->resolve == NULL || !d->resolve(d, e, d->resolve_arg))
            put(d, "(SubPlan)");
        break;
    case TAG_FuncCall: put_func_call(d, n, show_implicit); break;
    case TAG_OpCall: put_op(d, n); break;
    case TAG_DistinctExpr: put_pair(d, n, ((const DistinctExpr *)n)->args, " IS DISTINCT FROM "); break;
    case TAG_NullIfExpr: put_named(d, "NULLIF", ((const NullIfExpr *)n)->args); break;
    case TAG_ScalarArrayOp: put_scalar_array_op(d, n); break;
    case TAG_BoolExpr: put_bool(d, n); break;
    case TAG_NullTest: put_null_test(d, n); break;
    case TAG_BooleanTest: put_boolean_test(d, n); break;
    case TAG_CaseExpr: put_case(d, n); break;
    case TAG_CaseTest: put(d, "CASE_TEST_EXPR"); break;
    case TAG_CoalesceExpr: put_named(d, "COALESCE", ((const CoalesceExpr *)n)->args); break;
    case TAG_MinMaxExpr: put_named(d, ((const MinMaxExpr *)n)->greatest ? "GREATEST" : "LEAST", ((const MinMaxExpr *)n)->args); break;
    case TAG_RowExpr:
        if (!put_whole_row(d, n, false))
            put_row(d, n);
        break;
    case TAG_RowCompare: put_row_compare(d, n); break;
    case TAG_ArrayExpr:
        put(d, "ARRAY[");
        put_list(d, ((const ArrayExpr *)n)->elements, true);
        str_add_char(d->out, ']');
        if (list_count(((const ArrayExpr *)n)->elements) == 0) /* an empty one has no type of its own */
            str_printf(d->out, "::%s", type_text(d->arena, e->type, -1));
        break;
    case TAG_SubLink: put_sublink(d, n); break;
    case TAG_Aggref: put_aggref(d, n); break;
    case TAG_GroupingFunc: put_named(d, "GROUPING", ((const GroupingFunc *)n)->args); break;
    case TAG_WindowFunc: put_window_func(d, n); break;
    case TAG_Relabel: put_coercion(d, e, ((const Relabel *)n)->arg, ((const Relabel *)n)->form, e->typmod, show_implicit); break;
    case TAG_CoerceViaIO: put_coercion(d, e, ((const CoerceViaIO *)n)->arg, ((const CoerceViaIO *)n)->form, -1, show_implicit); break;
    case TAG_ArrayCoerce: put_coercion(d, e, ((const ArrayCoerce *)n)->arg, ((const ArrayCoerce *)n)->form, e->typmod, show_implicit); break;
    case TAG_CoerceToDomain: put_coercion(d, e, ((const CoerceToDomain *)n)->arg, ((const CoerceToDomain *)n)->form, e->typmod, show_implicit); break;
    case TAG_CollateExpr:
        open_paren(d);
        put_expr_paren(d, ((const CollateExpr *)n)->arg, show_implicit, n);
        str_printf(d->out, " COLLATE %s", collation_name(d->arena, e->collation));
        close_paren(d);
        break;
    case TAG_DomainValue: put(d, "VALUE"); break;
    case TAG_SubscriptRef: put_subscripts(d, n); break;
    case TAG_FieldSelect: put_field_select(d, n); break;
    case TAG_FieldStore: put_list(d, ((const FieldStore *)n)->values, true); break;
    case TAG_SqlValue: put_sql_value(d, n); break;
    case TAG_SetToDefault: put(d, "DEFAULT"); break;
    case TAG_CurrentOf:
        put(d, "CURRENT OF ");
        put_ident(d, ((const CurrentOf *)n)->cursor);
        break;
    case TAG_NextValue:
        str_printf(d->out, "nextval(%s::regclass)", quote_literal(d->arena, relation_name(d->arena, ((const NextValue *)n)->sequence, NULL)));
        break;
    case TAG_TargetEntry: put_expr(d, ((const TargetEntry *)n)->expr, show_implicit); break;
    default: INTERNAL_ERROR("unrecognized node type: %d", (int)e->tag);
    }
}

/* ---- entry points ---- */

char *
expr_text(Arena *a, const Expr *e, RelDesc *rel, int flags)
{
    StrBuf s;
    str_init(&s, a);
    Deparse d = {.arena = a, .out = &s, .flags = flags, .level = rel ? level_of_relation(a, rel) : NULL};
    put_expr(&d, e, false);
    return s.data;
}

char *
sql_deparse_expr(Arena *a, const Expr *e, RelDesc *rel, bool pretty)
{
    return expr_text(a, e, rel, pretty ? PRETTY_ALL : PRETTY_INDENT);
}
