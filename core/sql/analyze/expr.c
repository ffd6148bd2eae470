/*
 * Expressions: one case per kind of raw node.
 */
#include <errno.h>
#include <stdlib.h>

#include "core/sql/analyze/analyze_internal.h"

const char *
kind_name(ExprKind k)
{
    switch (k) {
    case EK_JOIN_ON: return "JOIN conditions";
    case EK_FROM_FUNCTION: return "functions in FROM";
    case EK_WHERE: return "WHERE";
    case EK_HAVING: return "HAVING";
    case EK_FILTER: return "FILTER";
    case EK_UPDATE_SOURCE: case EK_UPDATE_TARGET: return "UPDATE";
    case EK_GROUP_BY: return "GROUP BY";
    case EK_ORDER_BY: return "ORDER BY";
    case EK_DISTINCT_ON: return "DISTINCT ON";
    case EK_LIMIT: return "LIMIT";
    case EK_OFFSET: return "OFFSET";
    case EK_RETURNING: return "RETURNING";
    case EK_VALUES: return "VALUES";
    case EK_INSERT_TARGET: return "INSERT";
    case EK_SELECT_TARGET: return "SELECT";
    case EK_WINDOW: return "window definitions";
    case EK_CHECK: return "check constraints";
    case EK_DEFAULT: return "DEFAULT expressions";
    case EK_INDEX_EXPR: return "index expressions";
    case EK_INDEX_PRED: return "index predicates";
    case EK_ALTER_USING: return "transform expressions";
    case EK_EXECUTE_PARAM: return "EXECUTE parameters";
    case EK_COPY_WHERE: return "COPY FROM WHERE conditions";
    case EK_GENERATED: return "column generation expressions";
    case EK_CONFLICT_WHERE: return "ON CONFLICT";
    default: return "this context";
    }
}

int
expr_location(const void *e)
{
    if (e == NULL || !node_is_expr(e))
        return -1;
    const Expr *x = e;
    const void *left = NULL;
    switch (x->tag) {
    case TAG_OpCall: left = ((const OpCall *)e)->args->count == 2 ? ((const OpCall *)e)->args->items[0] : NULL; break;
    case TAG_DistinctExpr: left = ((const DistinctExpr *)e)->args->items[0]; break;
    case TAG_ScalarArrayOp: left = ((const ScalarArrayOp *)e)->args->items[0]; break;
    case TAG_BoolExpr: left = ((const BoolExpr *)e)->args->items[0]; break;
    case TAG_Relabel: left = ((const Relabel *)e)->arg; break;
    case TAG_CoerceViaIO: left = ((const CoerceViaIO *)e)->arg; break;
    case TAG_CollateExpr: left = ((const CollateExpr *)e)->arg; break;
    case TAG_NullTest: left = ((const NullTest *)e)->arg; break;
    case TAG_BooleanTest: left = ((const BooleanTest *)e)->arg; break;
    case TAG_SubscriptRef: left = ((const SubscriptRef *)e)->container; break;
    case TAG_FuncCall: /* a cast's operand stands before it, or after */
        left = ((const FuncCall *)e)->form != FORM_CALL && list_count(((const FuncCall *)e)->args) ? ((const FuncCall *)e)->args->items[0] : NULL;
        break;
    default: break;
    }
    int at = expr_location(left);
    return at >= 0 && (at < x->location || x->location < 0) ? at : x->location;
}

Expr *
make_const(Arena *a, Oid type, int32_t typmod, Oid collation, Datum v, bool isnull, int location)
{
    Const *c = node_new(a, Const);
    const TypeInfo *t = type_info(type);
    c->expr.type = type;
    c->expr.typmod = typmod;
    c->expr.collation = collation;
    c->expr.location = location;
    c->value = v;
    c->isnull = isnull;
    c->byval = t->ops ? t->ops->byval : t->byval;
    c->len = t->ops ? t->ops->len : t->typlen;
    return &c->expr;
}

/* An untyped literal: its text as a var value, type unknown. */
Expr *
make_unknown(Arena *a, const char *text, int location)
{
    Const *c = node_new(a, Const);
    c->expr.type = UNKNOWN_OID;
    c->expr.location = location;
    c->isnull = text == NULL;
    c->value = text ? var_from_cstring(a, text) : 0;
    c->len = -1;
    return &c->expr;
}

static Expr *
analyze_const(Scope *s, const PgQuery__AConst *c)
{
    Arena *a = s->arena;
    if (c->isnull)
        return make_unknown(a, NULL, c->location);
    switch (c->val_case) {
    case PG_QUERY__A__CONST__VAL_IVAL: return make_const(a, INT4_OID, -1, 0, int32_datum(c->ival->ival), false, c->location);
    case PG_QUERY__A__CONST__VAL_FVAL: {
        const char *t = c->fval->fval;
        char *end;
        errno = 0;
        long long v = strtoll(t, &end, 10);
        if (*end == '\0' && errno == 0) {
            if (v >= INT32_MIN && v <= INT32_MAX)
                return make_const(a, INT4_OID, -1, 0, int32_datum((int32_t)v), false, c->location);
            return make_const(a, INT8_OID, -1, 0, int64_datum(v), false, c->location);
        }
        return make_const(a, NUMERIC_OID, -1, 0, numeric_from_text(a, t, strlen(t), -1), false, c->location);
    }
    case PG_QUERY__A__CONST__VAL_BOOLVAL: return make_const(a, BOOL_OID, -1, 0, bool_datum(c->boolval->boolval), false, c->location);
    case PG_QUERY__A__CONST__VAL_SVAL: return make_unknown(a, c->sval->sval, c->location);
    case PG_QUERY__A__CONST__VAL_BSVAL: {
        Expr *u = make_unknown(a, c->bsval->bsval, c->location);
        return coerce_type(s, u, UNKNOWN_OID, BIT_OID, -1, COERCE_IMPLICIT, FORM_IMPLICIT_CAST, c->location);
    }
    default: return make_const(a, INT4_OID, -1, 0, int32_datum(0), false, c->location); /* integer zero is protobuf's empty message */
    }
}

/* Bind can give 65535; a number beyond leaves others without a type, which is what the client is told. The bound
 * keeps one `$2000000000` from taking gigabytes. */
#define PARAM_NUMBER_MAX 1000000

static void
add_params(ParamTypes *pt, int count)
{
    if (count > MAX(pt->cap, pt->count)) { /* doubled: $1, $2, $3 ... come one by one, and an arena keeps old copies */
        int cap = MAX(count, 2 * pt->count);
        pt->types = arena_realloc(pt->arena, pt->types, sizeof(Oid) * (size_t)pt->count, sizeof(Oid) * (size_t)cap);
        pt->cap = cap;
    }
    memset(pt->types + pt->count, 0, sizeof(Oid) * (size_t)(count - pt->count));
    pt->count = count;
}

static Expr *
analyze_param(Scope *s, const PgQuery__ParamRef *p)
{
    ParamTypes *pt = s->params;
    if (pt == NULL || p->number <= 0 || p->number > PARAM_NUMBER_MAX || (!pt->variable && p->number > pt->count))
        RAISE_AT(SQLSTATE_UNDEFINED_PARAMETER, p->location, "there is no parameter $%d", p->number);
    if (p->number > pt->count)
        add_params(pt, p->number);
    Oid t = pt->types[p->number - 1];
    if (t == 0 && !pt->variable)
        RAISE_AT(SQLSTATE_UNDEFINED_PARAMETER, p->location, "there is no parameter $%d", p->number);
    if (t == 0)
        t = pt->types[p->number - 1] = UNKNOWN_OID;
    Param *x = node_new(s->arena, Param);
    x->kind = PARAM_EXTERN;
    x->id = p->number;
    x->expr.type = t;
    x->expr.collation = t == UNKNOWN_OID ? 0 : type_info(t)->collation;
    x->expr.location = p->location;
    return &x->expr;
}

static Expr *
analyze_type_cast(Scope *s, const PgQuery__TypeCast *t)
{
    Oid type;
    int32_t typmod;
    sql_resolve_type_name(t->type_name, s->text, &type, &typmod);
    Expr *arg;
    if (t->arg->node_case == PN(A_ARRAY_EXPR) && type_element_of(type_base(type, NULL))) {
        /* ARRAY[...]::t[] : element type known in advance */
        Oid base = type_base(type, NULL);
        arg = analyze_array(s, t->arg->a_array_expr, base, type_element_of(base), typmod);
    } else
        arg = analyze_expr_inner(s, t->arg);
    if (arg->type == 0)
        return arg;
    int location = t->location >= 0 ? t->location : t->type_name->location;
    Oid from = arg->type;
    Expr *e = coerce_to_target(s, arg, type, typmod, COERCE_EXPLICIT, FORM_EXPLICIT_CAST, location);
    if (e == NULL)
        RAISE_AT(SQLSTATE_CANNOT_COERCE, location, "cannot cast type %s to %s", type_format(s->arena, from, -1, false),
                 type_format(s->arena, type, -1, false));
    return e;
}

Expr *
analyze_array(Scope *s, const PgQuery__AArrayExpr *x, Oid array_type, Oid element, int32_t typmod)
{
    ArrayExpr *r = node_new(s->arena, ArrayExpr);
    List *elems = list_new(s->arena);
    bool multi = false;
    for (size_t i = 0; i < x->n_elements; i++) {
        const PNode *n = x->elements[i];
        Expr *e;
        if (n->node_case == PN(A_ARRAY_EXPR)) {
            e = analyze_array(s, n->a_array_expr, array_type, element, typmod);
            multi = true;
        } else {
            e = analyze_expr_inner(s, n);
            if (!multi && type_element_of(e->type) && e->type != INT2VECTOR_OID && e->type != OIDVECTOR_OID)
                multi = true;
        }
        list_push(elems, e);
    }
    bool hard = array_type != 0;
    if (!hard) {
        if (elems->count == 0)
            RAISE_ERR(SQLSTATE_INDETERMINATE_DATATYPE, err_message("cannot determine type of empty array"),
                      err_hint("Explicitly cast to the desired type, for example ARRAY[]::integer[]."), err_position(x->location));
        element = select_common_type(s, elems, "ARRAY", NULL);
        if (multi) {
            array_type = element;
            element = type_element_of(array_type);
            if (element == 0)
                RAISE_AT(SQLSTATE_UNDEFINED_OBJECT, x->location, "could not find element type for data type %s",
                         type_format(s->arena, array_type, -1, false));
        } else {
            array_type = type_array_of(element);
            if (array_type == 0)
                RAISE_AT(SQLSTATE_UNDEFINED_OBJECT, x->location, "could not find array type for data type %s",
                         type_format(s->arena, element, -1, false));
        }
    }
    r->elements = list_new(s->arena);
    Oid want = multi ? array_type : element;
    for (int i = 0; i < elems->count; i++) {
        Expr *e = elems->items[i];
        if (!hard) {
            list_push(r->elements, coerce_to_common(s, e, want, "ARRAY"));
            continue;
        }
        Expr *c = coerce_to_target(s, e, want, typmod, COERCE_EXPLICIT, FORM_EXPLICIT_CAST, -1);
        if (c == NULL)
            RAISE_AT(SQLSTATE_CANNOT_COERCE, expr_location(e), "cannot cast type %s to %s", type_format(s->arena, e->type, -1, false),
                     type_format(s->arena, want, -1, false));
        list_push(r->elements, c);
    }
    r->element_type = element;
    r->multidims = multi;
    r->expr.type = array_type;
    r->expr.location = x->location;
    return &r->expr;
}

static Expr *
bool_node(Scope *s, int kind, List *args, int location)
{
    BoolExpr *b = node_new(s->arena, BoolExpr);
    b->kind = kind;
    b->args = args;
    b->expr.type = BOOL_OID;
    b->expr.location = location;
    return &b->expr;
}

static Expr *
bool_pair(Scope *s, int kind, Expr *x, Expr *y, int location)
{
    List *l = list_new(s->arena);
    list_push(l, x);
    if (y)
        list_push(l, y);
    return bool_node(s, kind, l, location);
}

/* Row-wise comparison (a, b) op (c, d). */
static Expr *
make_row_compare(Scope *s, PNode **name, size_t n_name, List *l, List *r, int location)
{
    const char *nsp, *opname;
    split_name(name, n_name, &nsp, &opname);
    if (list_count(l) != list_count(r))
        RAISE_AT(SQLSTATE_SYNTAX_ERROR, location, "unequal number of entries in row expressions");
    if (list_count(l) == 0)
        RAISE_AT(SQLSTATE_FEATURE_NOT_SUPPORTED, location, "cannot compare rows of zero length");
    List *ops = list_new(s->arena);
    for (int i = 0; i < l->count; i++) {
        Expr *o = make_op(s, name, n_name, l->items[i], r->items[i], location);
        if (o->type != BOOL_OID)
            RAISE_AT(SQLSTATE_DATATYPE_MISMATCH, location, "row comparison operator must yield type boolean, not type %s",
                     type_format(s->arena, o->type, -1, false));
        list_push(ops, o);
    }
    if (ops->count == 1)
        return ops->items[0];
    if (strcmp(opname, "=") == 0)
        return bool_node(s, BOOL_AND, ops, location);
    if (strcmp(opname, "<>") == 0)
        return bool_node(s, BOOL_OR, ops, location);
    RowCompare *rc = node_new(s->arena, RowCompare);
    rc->left = list_new(s->arena);
    rc->right = list_new(s->arena);
    rc->ops = ints_new(s->arena);
    for (int i = 0; i < ops->count; i++) {
        OpCall *o = ops->items[i];
        Oid lt, rt;
        int strategy = op_btree_strategy(o->op, &lt, &rt);
        if (strategy == 0)
            RAISE_ERR(SQLSTATE_FEATURE_NOT_SUPPORTED, err_message("could not determine interpretation of row comparison operator %s", opname),
                      err_hint("Row comparison operators must be associated with btree operator families."), err_position(location));
        if (i == 0)
            rc->kind = strategy;
        list_push(rc->left, o->args->items[0]);
        list_push(rc->right, o->args->items[1]);
        ints_push(rc->ops, o->op);
    }
    rc->expr.type = BOOL_OID;
    rc->expr.location = location;
    return &rc->expr;
}

static bool
is_row(const PNode *n)
{
    return n != NULL && n->node_case == PN(ROW_EXPR);
}

static List *
analyze_list(Scope *s, PNode **items, size_t n)
{
    List *l = list_new(s->arena);
    for (size_t i = 0; i < n; i++)
        list_push(l, analyze_expr_inner(s, items[i]));
    return l;
}

static Expr *analyze_sublink(Scope *s, const PgQuery__SubLink *sl);

static Expr *
analyze_op(Scope *s, const PgQuery__AExpr *x)
{
    const PNode *l = x->lexpr, *r = x->rexpr;
    if (is_row(l) && r != NULL && r->node_case == PN(SUB_LINK) && r->sub_link->sub_link_type == PG_QUERY__SUB_LINK_TYPE__EXPR_SUBLINK) {
        PgQuery__SubLink copy = *r->sub_link;
        copy.sub_link_type = PG_QUERY__SUB_LINK_TYPE__ROWCOMPARE_SUBLINK;
        copy.testexpr = (PNode *)(uintptr_t)l;
        copy.oper_name = x->name;
        copy.n_oper_name = x->n_name;
        copy.location = x->location;
        return analyze_sublink(s, &copy);
    }
    if (is_row(l) && is_row(r))
        return make_row_compare(s, x->name, x->n_name, analyze_list(s, l->row_expr->args, l->row_expr->n_args),
                                analyze_list(s, r->row_expr->args, r->row_expr->n_args), x->location);
    Expr *le = l ? analyze_expr_inner(s, l) : NULL;
    Expr *re = r ? analyze_expr_inner(s, r) : NULL;
    return make_op(s, x->name, x->n_name, le, re, x->location);
}

static bool
has_own_var(void *n, void *arg)
{
    if (IS(n, Var))
        return ((Var *)n)->levels_up == 0;
    return node_walk_children(n, has_own_var, arg, false);
}

/* IN (list): an array comparison where all non-row items share a type, else ORed comparisons. */
static Expr *
analyze_in(Scope *s, const PgQuery__AExpr *x)
{
    bool use_or = strcmp(pstr(x->name[x->n_name - 1]), "<>") != 0;
    const PgQuery__List *items = x->rexpr->list;
    bool row_l = is_row(x->lexpr);
    Expr *l = row_l ? NULL : analyze_expr_inner(s, x->lexpr);
    List *rvars = list_new(s->arena), *rnonvars = list_new(s->arena), *raw_rows = list_new(s->arena);

    for (size_t i = 0; i < items->n_items; i++) {
        if (row_l) {
            list_push(raw_rows, items->items[i]);
            continue;
        }
        Expr *e = analyze_expr_inner(s, items->items[i]);
        if (!has_own_var(e, NULL))
            list_push(rnonvars, e);
        else
            list_push(rvars, e);
    }
    List *out = list_new(s->arena);
    if (rnonvars->count > 1) {
        List *all = list_new(s->arena);
        list_push(all, l);
        list_concat(all, rnonvars);
        Oid scalar = select_common_type(s, all, NULL, NULL);
        if (scalar != 0 && type_info(scalar)->typtype != 'p' && scalar != RECORD_OID) {
            Oid array = type_array_of(scalar);
            if (array != 0) {
                ArrayExpr *ar = node_new(s->arena, ArrayExpr);
                ar->elements = list_new(s->arena);
                for (int i = 0; i < rnonvars->count; i++)
                    list_push(ar->elements, coerce_to_common(s, rnonvars->items[i], scalar, "IN"));
                ar->element_type = scalar;
                ar->expr.type = array;
                list_push(out, make_scalar_array_op(s, x->name, x->n_name, use_or, l, &ar->expr, x->location));
                rnonvars = list_new(s->arena);
            }
        }
    }
    for (int pass = 0; pass < 2; pass++) {
        List *rest = pass == 0 ? rnonvars : rvars;
        for (int i = 0; i < rest->count; i++) {
            Expr *le = out->count == 0 ? l : node_copy(s->arena, l);
            list_push(out, coerce_to_boolean(s, make_op(s, x->name, x->n_name, le, rest->items[i], x->location), use_or ? "OR" : "AND"));
        }
    }
    for (int i = 0; i < raw_rows->count; i++) {
        const PNode *rn = raw_rows->items[i];
        List *le = analyze_list(s, x->lexpr->row_expr->args, x->lexpr->row_expr->n_args);
        if (!is_row(rn))
            RAISE_AT(SQLSTATE_SYNTAX_ERROR, x->location, "unequal number of entries in row expressions");
        List *re = analyze_list(s, rn->row_expr->args, rn->row_expr->n_args);
        list_push(out, make_row_compare(s, x->name, x->n_name, le, re, x->location));
    }
    if (out->count == 1)
        return out->items[0];
    return bool_node(s, use_or ? BOOL_OR : BOOL_AND, out, x->location);
}

static Expr *
analyze_between(Scope *s, const PgQuery__AExpr *x)
{
    const PgQuery__List *b = x->rexpr->list;
    PNode *lo = b->items[0], *hi = b->items[1];
#define CMP(op, n) make_op_named(s, NULL, op, analyze_expr_inner(s, x->lexpr), analyze_expr_inner(s, n), x->location)
    Expr *e1, *e2;
    switch (x->kind) {
    case PG_QUERY__A__EXPR__KIND__AEXPR_BETWEEN: return bool_pair(s, BOOL_AND, CMP(">=", lo), CMP("<=", hi), x->location);
    case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN: return bool_pair(s, BOOL_OR, CMP("<", lo), CMP(">", hi), x->location);
    case PG_QUERY__A__EXPR__KIND__AEXPR_BETWEEN_SYM:
        e1 = bool_pair(s, BOOL_AND, CMP(">=", lo), CMP("<=", hi), x->location);
        e2 = bool_pair(s, BOOL_AND, CMP(">=", hi), CMP("<=", lo), x->location);
        return bool_pair(s, BOOL_OR, e1, e2, x->location);
    default:
        e1 = bool_pair(s, BOOL_OR, CMP("<", lo), CMP(">", hi), x->location);
        e2 = bool_pair(s, BOOL_OR, CMP("<", hi), CMP(">", lo), x->location);
        return bool_pair(s, BOOL_AND, e1, e2, x->location);
    }
#undef CMP
}

static Expr *
analyze_a_expr(Scope *s, const PgQuery__AExpr *x)
{
    switch (x->kind) {
    case PG_QUERY__A__EXPR__KIND__AEXPR_OP: return analyze_op(s, x);
    case PG_QUERY__A__EXPR__KIND__AEXPR_OP_ANY:
    case PG_QUERY__A__EXPR__KIND__AEXPR_OP_ALL: {
        Expr *l = analyze_expr_inner(s, x->lexpr), *r = analyze_expr_inner(s, x->rexpr);
        return make_scalar_array_op(s, x->name, x->n_name, x->kind == PG_QUERY__A__EXPR__KIND__AEXPR_OP_ANY, l, r, x->location);
    }
    case PG_QUERY__A__EXPR__KIND__AEXPR_DISTINCT:
    case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_DISTINCT: {
        bool negate = x->kind == PG_QUERY__A__EXPR__KIND__AEXPR_NOT_DISTINCT;
        Expr *l = analyze_expr_inner(s, x->lexpr), *r = analyze_expr_inner(s, x->rexpr);
        if ((IS(r, Const) && r->type == UNKNOWN_OID && ((Const *)r)->isnull) || (IS(l, Const) && l->type == UNKNOWN_OID && ((Const *)l)->isnull)) {
            NullTest *t = node_new(s->arena, NullTest);
            t->arg = IS(r, Const) && r->type == UNKNOWN_OID && ((Const *)r)->isnull ? l : r;
            t->is_null = negate;
            t->expr.type = BOOL_OID;
            t->expr.location = x->location;
            return &t->expr;
        }
        Expr *e = make_distinct(s, x->name, x->n_name, l, r, x->location, false);
        return negate ? bool_pair(s, BOOL_NOT, e, NULL, x->location) : e;
    }
    case PG_QUERY__A__EXPR__KIND__AEXPR_NULLIF:
        return make_distinct(s, x->name, x->n_name, analyze_expr_inner(s, x->lexpr), analyze_expr_inner(s, x->rexpr), x->location, true);
    case PG_QUERY__A__EXPR__KIND__AEXPR_IN: return analyze_in(s, x);
    case PG_QUERY__A__EXPR__KIND__AEXPR_LIKE:
    case PG_QUERY__A__EXPR__KIND__AEXPR_ILIKE:
    case PG_QUERY__A__EXPR__KIND__AEXPR_SIMILAR: return analyze_op(s, x);
    default: return analyze_between(s, x);
    }
}

static Expr *
analyze_bool(Scope *s, const PgQuery__BoolExpr *b)
{
    static const char *const names[] = {"AND", "OR", "NOT"};
    int kind = b->boolop == PG_QUERY__BOOL_EXPR_TYPE__AND_EXPR ? BOOL_AND : b->boolop == PG_QUERY__BOOL_EXPR_TYPE__OR_EXPR ? BOOL_OR : BOOL_NOT;
    List *args = list_new(s->arena);
    for (size_t i = 0; i < b->n_args; i++)
        list_push(args, coerce_to_boolean(s, analyze_expr_inner(s, b->args[i]), names[kind]));
    return bool_node(s, kind, args, b->location);
}

/* (x op ANY (select ...)), IN (select), row comparisons: test is over PARAM_SUBLINK 1.. */
static void
analyze_sublink_test(Scope *s, SubLink *out, const PgQuery__SubLink *sl)
{
    List *left = is_row(sl->testexpr) ? analyze_list(s, sl->testexpr->row_expr->args, sl->testexpr->row_expr->n_args) : NULL;
    if (left == NULL) {
        left = list_new(s->arena);
        list_push(left, analyze_expr_inner(s, sl->testexpr));
    }
    List *right = list_new(s->arena);
    int id = 0;
    for (int i = 0; i < list_count(out->subselect->targets); i++) {
        TargetEntry *te = out->subselect->targets->items[i];
        if (te->junk)
            continue;
        Param *p = node_new(s->arena, Param);
        p->kind = PARAM_SUBLINK;
        p->id = ++id;
        p->expr.type = te->expr->type;
        p->expr.typmod = te->expr->typmod;
        p->expr.collation = te->expr->collation;
        list_push(right, p);
    }
    if (left->count < right->count)
        RAISE_AT(SQLSTATE_SYNTAX_ERROR, sl->location, "subquery has too many columns");
    if (left->count > right->count)
        RAISE_AT(SQLSTATE_SYNTAX_ERROR, sl->location, "subquery has too few columns");
    PNode eq_node = PG_QUERY__NODE__INIT;
    PgQuery__String eq = PG_QUERY__STRING__INIT;
    PNode *eq_name[1] = {&eq_node};
    PNode **name = sl->oper_name;
    size_t n_name = sl->n_oper_name;
    if (n_name == 0) { /* IN */
        eq.sval = (char *)(uintptr_t)"=";
        eq_node.node_case = PN(STRING);
        eq_node.string = &eq;
        name = eq_name;
        n_name = 1;
    }
    out->test = make_row_compare(s, name, n_name, left, right, sl->location);
}

static Expr *
analyze_sublink(Scope *s, const PgQuery__SubLink *sl)
{
    switch (s->kind) {
    case EK_CHECK: RAISE_AT(SQLSTATE_FEATURE_NOT_SUPPORTED, sl->location, "cannot use subquery in check constraint");
    case EK_DEFAULT: RAISE_AT(SQLSTATE_FEATURE_NOT_SUPPORTED, sl->location, "cannot use subquery in DEFAULT expression");
    case EK_INDEX_EXPR: RAISE_AT(SQLSTATE_FEATURE_NOT_SUPPORTED, sl->location, "cannot use subquery in index expression");
    case EK_INDEX_PRED: RAISE_AT(SQLSTATE_FEATURE_NOT_SUPPORTED, sl->location, "cannot use subquery in index predicate");
    case EK_ALTER_USING: RAISE_AT(SQLSTATE_FEATURE_NOT_SUPPORTED, sl->location, "cannot use subquery in transform expression");
    case EK_EXECUTE_PARAM: RAISE_AT(SQLSTATE_FEATURE_NOT_SUPPORTED, sl->location, "cannot use subquery in EXECUTE parameter");
    case EK_COPY_WHERE: RAISE_AT(SQLSTATE_FEATURE_NOT_SUPPORTED, sl->location, "cannot use subquery in COPY FROM WHERE condition");
    case EK_GENERATED: RAISE_AT(SQLSTATE_FEATURE_NOT_SUPPORTED, sl->location, "cannot use subquery in column generation expression");
    default: break;
    }
    s->has_sublinks = true;
    SubLink *out = node_new(s->arena, SubLink);
    out->expr.location = sl->location;
    out->subselect = analyze_select_in(s, sl->subselect, true, true);
    if (out->subselect->command != CMD_SELECT)
        INTERNAL_ERROR("unexpected non-SELECT command in SubLink");
    int columns = 0;
    TargetEntry *first = NULL;
    for (int i = 0; i < list_count(out->subselect->targets); i++) {
        TargetEntry *te = out->subselect->targets->items[i];
        if (te->junk)
            continue;
        if (first == NULL)
            first = te;
        columns++;
    }
    switch (sl->sub_link_type) {
    case PG_QUERY__SUB_LINK_TYPE__EXISTS_SUBLINK:
        out->kind = SUBLINK_EXISTS;
        out->expr.type = BOOL_OID;
        break;
    case PG_QUERY__SUB_LINK_TYPE__EXPR_SUBLINK:
    case PG_QUERY__SUB_LINK_TYPE__ARRAY_SUBLINK:
        out->kind = sl->sub_link_type == PG_QUERY__SUB_LINK_TYPE__EXPR_SUBLINK ? SUBLINK_EXPR : SUBLINK_ARRAY;
        if (columns != 1)
            RAISE_AT(SQLSTATE_SYNTAX_ERROR, sl->location, "subquery must return only one column");
        out->expr.type = first->expr->type;
        out->expr.typmod = first->expr->typmod;
        out->expr.collation = first->expr->collation;
        if (out->kind == SUBLINK_ARRAY) {
            out->expr.type = type_element_of(first->expr->type) ? first->expr->type : type_array_of(first->expr->type);
            out->expr.typmod = -1;
            if (out->expr.type == 0)
                RAISE_AT(SQLSTATE_UNDEFINED_OBJECT, sl->location, "could not find array type for data type %s",
                         type_format(s->arena, first->expr->type, -1, false));
        }
        break;
    case PG_QUERY__SUB_LINK_TYPE__ANY_SUBLINK:
    case PG_QUERY__SUB_LINK_TYPE__ALL_SUBLINK:
    case PG_QUERY__SUB_LINK_TYPE__ROWCOMPARE_SUBLINK:
        out->kind = sl->sub_link_type == PG_QUERY__SUB_LINK_TYPE__ANY_SUBLINK   ? SUBLINK_ANY
                    : sl->sub_link_type == PG_QUERY__SUB_LINK_TYPE__ALL_SUBLINK ? SUBLINK_ALL
                                                                                 : SUBLINK_ROWCOMPARE;
        out->expr.type = BOOL_OID;
        analyze_sublink_test(s, out, sl);
        break;
    default: RAISE_AT(SQLSTATE_FEATURE_NOT_SUPPORTED, sl->location, "this kind of subquery is not supported");
    }
    return &out->expr;
}

static Expr *
analyze_case(Scope *s, const PgQuery__CaseExpr *c)
{
    CaseExpr *out = node_new(s->arena, CaseExpr);
    out->expr.location = c->location;
    CaseTest *test = NULL;
    if (c->arg) {
        Expr *arg = analyze_expr_inner(s, c->arg);
        if (arg->type == UNKNOWN_OID)
            arg = coerce_to_common(s, arg, TEXT_OID, "CASE");
        test = node_new(s->arena, CaseTest);
        test->expr.type = arg->type;
        test->expr.typmod = arg->typmod;
        test->expr.collation = arg->collation;
        out->arg = arg;
    }
    out->whens = list_new(s->arena);
    List *results = list_new(s->arena);
    for (size_t i = 0; i < c->n_args; i++) {
        const PgQuery__CaseWhen *w = c->args[i]->case_when;
        CaseWhen *n = node_new(s->arena, CaseWhen);
        Expr *cond = analyze_expr_inner(s, w->expr);
        if (test)
            cond = make_op_named(s, NULL, "=", node_copy(s->arena, test), cond, w->location);
        n->condition = coerce_to_boolean(s, cond, "CASE/WHEN");
        n->result = analyze_expr_inner(s, w->result);
        n->expr.location = w->location;
        list_push(out->whens, n);
        list_push(results, n->result);
    }
    out->otherwise = c->defresult ? analyze_expr_inner(s, c->defresult) : make_unknown(s->arena, NULL, -1);
    List *all = list_new(s->arena); /* PostgreSQL looks at ELSE first */
    list_push(all, out->otherwise);
    list_concat(all, results);
    Oid type = select_common_type(s, all, "CASE", NULL);
    out->otherwise = coerce_to_common(s, out->otherwise, type, "CASE/ELSE");
    all = list_new(s->arena);
    for (int i = 0; i < out->whens->count; i++) {
        CaseWhen *w = out->whens->items[i];
        w->result = coerce_to_common(s, w->result, type, "CASE/WHEN");
        w->expr.type = type;
        list_push(all, w->result);
    }
    list_push(all, out->otherwise);
    out->expr.type = type;
    out->expr.typmod = select_common_typmod(all, type);
    return &out->expr;
}

static List *
common_args(Scope *s, PNode **args, size_t n, const char *what, Oid *type, int32_t *typmod)
{
    List *in = analyze_list(s, args, n), *out = list_new(s->arena);
    *type = select_common_type(s, in, what, NULL);
    for (int i = 0; i < in->count; i++)
        list_push(out, coerce_to_common(s, in->items[i], *type, what));
    *typmod = select_common_typmod(out, *type);
    return out;
}

static Expr *
analyze_row(Scope *s, const PgQuery__RowExpr *r)
{
    RowExpr *out = node_new(s->arena, RowExpr);
    out->args = list_new(s->arena);
    out->names = list_new(s->arena);
    for (size_t i = 0; i < r->n_args; i++) {
        const PNode *n = r->args[i];
        if (n->node_case == PN(COLUMN_REF) && n->column_ref->fields[n->column_ref->n_fields - 1]->node_case == PN(A_STAR)) {
            List *te = list_new(s->arena);
            expand_star(s, n->column_ref, te);
            for (int k = 0; k < te->count; k++)
                list_push(out->args, ((TargetEntry *)te->items[k])->expr);
            continue;
        }
        List *te = list_new(s->arena);
        if (!expand_row_star(s, n, te))
            list_push(out->args, analyze_expr_inner(s, n));
        for (int k = 0; k < te->count; k++)
            list_push(out->args, ((TargetEntry *)te->items[k])->expr);
    }
    for (int i = 0; i < out->args->count; i++) {
        list_push(out->names, arena_printf(s->arena, "f%d", i + 1));
    }
    out->form = r->row_format == PG_QUERY__COERCION_FORM__COERCE_IMPLICIT_CAST ? FORM_IMPLICIT_CAST : FORM_CALL;
    out->expr.type = RECORD_OID;
    out->expr.location = r->location;
    return &out->expr;
}

static Expr *
subscript_index(Scope *s, const PNode *n)
{
    if (pempty(n))
        return NULL;
    Expr *e = analyze_expr_inner(s, n);
    Expr *c = coerce_to_target(s, e, INT4_OID, -1, COERCE_ASSIGNMENT, FORM_IMPLICIT_CAST, -1);
    if (c == NULL)
        RAISE_AT(SQLSTATE_DATATYPE_MISMATCH, expr_location(e), "array subscript must have type integer");
    return c;
}

Expr *
analyze_subscripts(Scope *s, Expr *base, PNode **ind, size_t n, Expr *assign, int location)
{
    Oid container = type_base(base->type, NULL), elem = container == NAME_OID ? CHAR_OID : type_element_of(container);
    if (elem == 0)
        RAISE_AT(SQLSTATE_DATATYPE_MISMATCH, location >= 0 ? location : base->location,
                 "cannot subscript type %s because it does not support subscripting", type_format(s->arena, base->type, -1, false));
    SubscriptRef *r = node_new(s->arena, SubscriptRef);
    r->container_type = container;
    r->element_type = elem;
    r->container = base;
    r->assign = assign;
    r->upper = list_new(s->arena);
    r->lower = list_new(s->arena);
    if (n > 6)
        RAISE(SQLSTATE_PROGRAM_LIMIT_EXCEEDED, "number of array dimensions (%d) exceeds the maximum allowed (%d)", (int)n, 6);
    for (size_t i = 0; i < n; i++)
        r->is_slice |= ind[i]->a_indices->is_slice;
    if (container == NAME_OID && (r->is_slice || assign)) /* a fixed row of bytes, of which one can be taken */
        RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, assign ? "assignment to a byte of type name is not supported"
                                                     : "slices of fixed-length arrays not implemented");
    for (size_t i = 0; i < n; i++) {
        const PgQuery__AIndices *x = ind[i]->a_indices;
        list_push(r->upper, subscript_index(s, x->uidx));
        if (r->is_slice)
            list_push(r->lower, x->is_slice ? (void *)subscript_index(s, x->lidx)
                                            : (void *)make_const(s->arena, INT4_OID, -1, 0, int32_datum(1), false, -1));
    }
    r->expr.type = assign || r->is_slice ? base->type : elem;
    r->expr.typmod = base->typmod;
    r->expr.location = base->location;
    return &r->expr;
}

Expr *
analyze_indirection(Scope *s, const PNode *arg, PNode **ind, size_t n)
{
    Expr *e = analyze_expr_inner(s, arg);
    size_t i = 0;
    while (i < n) {
        size_t k = i;
        while (k < n && ind[k]->node_case == PN(A_INDICES))
            k++;
        if (k > i) {
            e = analyze_subscripts(s, e, ind + i, k - i, NULL, -1);
            i = k;
            continue;
        }
        if (ind[i]->node_case == PN(A_STAR))
            RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "row expansion via \"*\" is not supported here");
        e = select_field(s, e, pstr(ind[i]), expr_location(e));
        i++;
    }
    return e;
}

static Expr *
analyze_sqlvalue(Scope *s, const PgQuery__SQLValueFunction *f)
{
    static const Oid types[] = {DATE_OID, TIMETZ_OID, TIMETZ_OID, TIMESTAMPTZ_OID, TIMESTAMPTZ_OID, TIME_OID, TIME_OID,
                                TIMESTAMP_OID, TIMESTAMP_OID, NAME_OID, NAME_OID, NAME_OID, NAME_OID, NAME_OID, NAME_OID};
    SqlValue *v = node_new(s->arena, SqlValue);
    v->op = (int)f->op - 1; /* protobuf enumerations begin with UNDEFINED */
    v->expr.type = types[v->op];
    v->expr.typmod = -1;
    switch (v->op) {
    case SQLVALUE_CURRENT_TIME_N: case SQLVALUE_CURRENT_TIMESTAMP_N: case SQLVALUE_LOCALTIME_N: case SQLVALUE_LOCALTIMESTAMP_N:
        v->expr.typmod = f->typmod > 6 ? 6 : f->typmod;
        break;
    default: break;
    }
    v->expr.collation = v->expr.type == NAME_OID ? COLLATION_C : 0;
    v->expr.location = f->location;
    return &v->expr;
}

static Expr *
analyze_collate(Scope *s, const PgQuery__CollateClause *c)
{
    CollateExpr *out = node_new(s->arena, CollateExpr);
    out->arg = analyze_expr_inner(s, c->arg);
    if (out->arg->type == UNKNOWN_OID && IS(out->arg, Const))
        out->arg = coerce_type(s, out->arg, UNKNOWN_OID, TEXT_OID, -1, COERCE_IMPLICIT, FORM_IMPLICIT_CAST, -1);
    if (type_info(out->arg->type)->collation == 0 && out->arg->type != UNKNOWN_OID)
        RAISE_AT(SQLSTATE_DATATYPE_MISMATCH, c->location, "collations are not supported by type %s",
                 type_format(s->arena, out->arg->type, -1, false));
    out->expr.collation = sql_resolve_collation(c);
    out->expr.type = out->arg->type;
    out->expr.typmod = out->arg->typmod;
    out->expr.location = c->location;
    return &out->expr;
}

static Expr *
analyze_null_test(Scope *s, const PgQuery__NullTest *t)
{
    NullTest *n = node_new(s->arena, NullTest);
    n->arg = analyze_expr_inner(s, t->arg);
    n->is_null = t->nulltesttype == PG_QUERY__NULL_TEST_TYPE__IS_NULL;
    n->of_row = IS(n->arg, RowExpr) || (n->arg->type != UNKNOWN_OID && (n->arg->type == RECORD_OID || type_info(n->arg->type)->typtype == 'c'));
    n->expr.type = BOOL_OID;
    n->expr.location = t->location;
    return &n->expr;
}

static Expr *
analyze_boolean_test(Scope *s, const PgQuery__BooleanTest *t)
{
    static const char *const names[] = {"IS TRUE", "IS NOT TRUE", "IS FALSE", "IS NOT FALSE", "IS UNKNOWN", "IS NOT UNKNOWN"};
    BooleanTest *n = node_new(s->arena, BooleanTest);
    n->kind = (int)t->booltesttype - 1;
    n->arg = coerce_to_boolean(s, analyze_expr_inner(s, t->arg), names[n->kind]);
    n->expr.type = BOOL_OID;
    n->expr.location = t->location;
    return &n->expr;
}

static Expr *
analyze_current_of(Scope *s, const PgQuery__CurrentOfExpr *c)
{
    CurrentOf *n = node_new(s->arena, CurrentOf);
    n->rel = s->target_index;
    n->cursor = arena_strdup(s->arena, c->cursor_name);
    n->expr.type = BOOL_OID;
    return &n->expr;
}

Expr *
analyze_expr_inner(Scope *s, const PNode *n)
{
    CHECK_STACK();
    switch (n->node_case) {
    case PN(COLUMN_REF): return analyze_column_ref(s, n->column_ref);
    case PN(A_CONST): return analyze_const(s, n->a_const);
    case PN(PARAM_REF): return analyze_param(s, n->param_ref);
    case PN(A_EXPR): return analyze_a_expr(s, n->a_expr);
    case PN(BOOL_EXPR): return analyze_bool(s, n->bool_expr);
    case PN(TYPE_CAST): return analyze_type_cast(s, n->type_cast);
    case PN(FUNC_CALL): return analyze_func_call(s, n->func_call);
    case PN(SUB_LINK): return analyze_sublink(s, n->sub_link);
    case PN(CASE_EXPR): return analyze_case(s, n->case_expr);
    case PN(ROW_EXPR): return analyze_row(s, n->row_expr);
    case PN(A_ARRAY_EXPR): return analyze_array(s, n->a_array_expr, 0, 0, -1);
    case PN(A_INDIRECTION): return analyze_indirection(s, n->a_indirection->arg, n->a_indirection->indirection, n->a_indirection->n_indirection);
    case PN(SQLVALUE_FUNCTION): return analyze_sqlvalue(s, n->sqlvalue_function);
    case PN(COLLATE_CLAUSE): return analyze_collate(s, n->collate_clause);
    case PN(NULL_TEST): return analyze_null_test(s, n->null_test);
    case PN(BOOLEAN_TEST): return analyze_boolean_test(s, n->boolean_test);
    case PN(CURRENT_OF_EXPR): return analyze_current_of(s, n->current_of_expr);
    case PN(COALESCE_EXPR): {
        CoalesceExpr *c = node_new(s->arena, CoalesceExpr);
        c->args = common_args(s, n->coalesce_expr->args, n->coalesce_expr->n_args, "COALESCE", &c->expr.type, &c->expr.typmod);
        c->expr.location = n->coalesce_expr->location;
        return &c->expr;
    }
    case PN(MIN_MAX_EXPR): {
        MinMaxExpr *m = node_new(s->arena, MinMaxExpr);
        m->greatest = n->min_max_expr->op == PG_QUERY__MIN_MAX_OP__IS_GREATEST;
        m->args = common_args(s, n->min_max_expr->args, n->min_max_expr->n_args, m->greatest ? "GREATEST" : "LEAST", &m->expr.type, &m->expr.typmod);
        m->expr.location = n->min_max_expr->location;
        return &m->expr;
    }
    case PN(SET_TO_DEFAULT): {
        SetToDefault *d = node_new(s->arena, SetToDefault);
        d->expr.type = UNKNOWN_OID;
        d->expr.location = n->set_to_default->location;
        if (s->kind != EK_VALUES && s->kind != EK_INSERT_TARGET && s->kind != EK_UPDATE_SOURCE)
            RAISE_AT(SQLSTATE_SYNTAX_ERROR, d->expr.location, "DEFAULT is not allowed in this context");
        return &d->expr;
    }
    case PN(NAMED_ARG_EXPR): {
        NamedArg *x = node_new(s->arena, NamedArg);
        x->arg = analyze_expr_inner(s, n->named_arg_expr->arg);
        x->name = arena_strdup(s->arena, n->named_arg_expr->name);
        x->expr.type = x->arg->type;
        x->expr.typmod = x->arg->typmod;
        x->expr.location = n->named_arg_expr->location;
        return &x->expr;
    }
    case PN(XML_EXPR): case PN(XML_SERIALIZE): RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "XML functions are not supported");
    case PN(GROUPING_FUNC): {
        GroupingFunc *g = node_new(s->arena, GroupingFunc);
        g->args = analyze_list(s, n->grouping_func->args, n->grouping_func->n_args);
        g->expr.type = INT4_OID;
        g->expr.location = n->grouping_func->location;
        s->has_aggs = true;
        return &g->expr;
    }
    case PN(MULTI_ASSIGN_REF): RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "multiple-column UPDATE from this source is not supported");
    default: INTERNAL_ERROR("unrecognized node type: %d", (int)n->node_case);
    }
}

Expr *
analyze_expr(Scope *s, const PNode *n, ExprKind kind)
{
    ExprKind saved = s->kind;
    s->kind = kind;
    Expr *e = analyze_expr_inner(s, n);
    s->kind = saved;
    return e;
}
