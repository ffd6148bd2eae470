/*
 * Operators: resolution by operand types and the nodes made of them.
 */
#include "core/sql/analyze/analyze_internal.h"

void
split_name(PNode **parts, size_t n, const char **nsp, const char **name)
{
    *nsp = NULL;
    *name = pstr(parts[n - 1]);
    if (n == 2)
        *nsp = pstr(parts[0]);
    else if (n == 3) {
        *nsp = pstr(parts[1]);
    } else if (n > 3)
        RAISE(SQLSTATE_SYNTAX_ERROR, "improper qualified name (too many dotted names)");
}

static NORETURN void
op_not_found(Scope *s, const char *nsp, const char *name, Oid l, Oid r, bool prefix, bool ambiguous, int location)
{
    StrBuf b;
    str_init(&b, s->arena);
    if (!prefix)
        str_printf(&b, "%s ", type_format(s->arena, l, -1, false));
    if (nsp)
        str_printf(&b, "%s.", nsp);
    str_printf(&b, "%s %s", name, type_format(s->arena, r, -1, false));
    if (ambiguous)
        RAISE_ERR(SQLSTATE_AMBIGUOUS_FUNCTION, err_message("operator is not unique: %s", b.data),
                  err_hint("Could not choose a best candidate operator. You might need to add explicit type casts."),
                  err_position(location));
    RAISE_ERR(SQLSTATE_UNDEFINED_FUNCTION, err_message("operator does not exist: %s", b.data),
              err_hint(prefix ? "No operator matches the given name and argument type. You might need to add an explicit type cast."
                              : "No operator matches the given name and argument types. You might need to add explicit type casts."),
              err_position(location));
}

static const OpInfo *
find_binary(Scope *s, const char *nsp, const char *name, Oid l, Oid r, int location, bool missing_ok)
{
    const OpInfo **c;
    int n = op_candidates(nsp, name, 'b', s->arena, &c);
    Oid xl = l == UNKNOWN_OID && r != 0 ? r : l, xr = r == UNKNOWN_OID && l != 0 ? l : r;

    for (int i = 0; i < n; i++)
        if (c[i]->left == xl && c[i]->right == xr)
            return c[i];
    /* one unknown: the other side's base type on both sides */
    if (l == UNKNOWN_OID || r == UNKNOWN_OID) {
        Oid b = type_base(l == UNKNOWN_OID ? r : l, NULL);
        if (b != UNKNOWN_OID)
            for (int i = 0; i < n; i++)
                if (c[i]->left == b && c[i]->right == b)
                    return c[i];
    }
    Oid types[2] = {l, r};
    int left = op_match_candidates(2, types, c, n);
    if (left == 1)
        return c[0];
    if (missing_ok)
        return NULL;
    op_not_found(s, nsp, name, l, r, false, left > 1, location);
}

static const OpInfo *
find_prefix(Scope *s, const char *nsp, const char *name, Oid r, int location)
{
    const OpInfo **c;
    int n = op_candidates(nsp, name, 'l', s->arena, &c);
    for (int i = 0; i < n; i++)
        if (c[i]->right == r)
            return c[i];
    int left = op_match_candidates(1, &r, c, n);
    if (left == 1)
        return c[0];
    op_not_found(s, nsp, name, 0, r, true, left > 1, location);
}

Expr *
make_op_named(Scope *s, const char *nsp, const char *name, Expr *l, Expr *r, int location)
{
    const OpInfo *op;
    Oid actual[2], declared[2];
    int n = 0;

    if (r == NULL)
        RAISE_AT(SQLSTATE_SYNTAX_ERROR, location, "postfix operators are not supported");
    if (l == NULL)
        op = find_prefix(s, nsp, name, r->type, location);
    else {
        op = find_binary(s, nsp, name, l->type, r->type, location, false);
        actual[n] = l->type;
        declared[n++] = op->left;
    }
    actual[n] = r->type;
    declared[n++] = op->right;
    Oid ret = resolve_polymorphic(actual, declared, n, op->ret);
    if (ret == 0)
        op_not_found(s, nsp, name, l ? l->type : 0, r->type, l == NULL, false, location);
    OpCall *o = node_new(s->arena, OpCall);
    o->op = op->oid;
    o->fn = op->fn;
    o->expr.type = ret;
    o->expr.location = location;
    o->args = list_new(s->arena);
    if (l)
        list_push(o->args, coerce_type(s, l, l->type, declared[0], -1, COERCE_IMPLICIT, FORM_IMPLICIT_CAST, -1));
    list_push(o->args, coerce_type(s, r, r->type, declared[n - 1], -1, COERCE_IMPLICIT, FORM_IMPLICIT_CAST, -1));
    o->returns_set = fn_info(op->fn)->retset;
    if (o->returns_set)
        s->has_srfs = true;
    return &o->expr;
}

Expr *
make_op(Scope *s, PNode **name, size_t n_name, Expr *l, Expr *r, int location)
{
    const char *nsp, *opname;
    split_name(name, n_name, &nsp, &opname);
    return make_op_named(s, nsp, opname, l, r, location);
}

Expr *
make_distinct(Scope *s, PNode **name, size_t n_name, Expr *l, Expr *r, int location, bool nullif)
{
    OpCall *o = (OpCall *)make_op(s, name, n_name, l, r, location);
    if (o->expr.type != BOOL_OID)
        RAISE_AT(SQLSTATE_DATATYPE_MISMATCH, location, nullif ? "NULLIF requires = operator to yield boolean"
                                                               : "IS DISTINCT FROM requires = operator to yield boolean");
    if (nullif) {
        NullIfExpr *x = node_new(s->arena, NullIfExpr);
        x->op = o->op;
        x->fn = o->fn;
        x->args = o->args;
        x->expr.type = ((Expr *)o->args->items[0])->type;
        x->expr.typmod = ((Expr *)o->args->items[0])->typmod;
        x->expr.location = location;
        return &x->expr;
    }
    DistinctExpr *x = node_new(s->arena, DistinctExpr);
    x->op = o->op;
    x->fn = o->fn;
    x->args = o->args;
    x->expr.type = BOOL_OID;
    x->expr.location = location;
    return &x->expr;
}

Expr *
make_scalar_array_op(Scope *s, PNode **name, size_t n_name, bool use_or, Expr *l, Expr *r, int location)
{
    const char *nsp, *opname;
    split_name(name, n_name, &nsp, &opname);
    Oid ltype = l->type, atype = r->type, rtype = UNKNOWN_OID;
    if (atype != UNKNOWN_OID) {
        rtype = type_element_of(type_base(atype, NULL));
        if (rtype == 0)
            RAISE_AT(SQLSTATE_WRONG_OBJECT_TYPE, location, "op ANY/ALL (array) requires array on right side");
    }
    const OpInfo *op = find_binary(s, nsp, opname, ltype, rtype, location, false);
    Oid actual[2] = {ltype, rtype}, declared[2] = {op->left, op->right};
    Oid ret = resolve_polymorphic(actual, declared, 2, op->ret);
    if (ret != BOOL_OID)
        RAISE_AT(SQLSTATE_WRONG_OBJECT_TYPE, location, "op ANY/ALL (array) requires operator to yield boolean");
    if (fn_info(op->fn)->retset)
        RAISE_AT(SQLSTATE_WRONG_OBJECT_TYPE, location, "op ANY/ALL (array) requires operator not to return a set");
    Oid want = op->right == ANYELEMENT_OID || is_polymorphic(op->right) ? atype : type_array_of(declared[1]);
    if (want == 0)
        RAISE_AT(SQLSTATE_UNDEFINED_OBJECT, location, "could not find array type for data type %s",
                 type_format(s->arena, declared[1], -1, false));
    ScalarArrayOp *o = node_new(s->arena, ScalarArrayOp);
    o->op = op->oid;
    o->fn = op->fn;
    o->use_or = use_or;
    o->expr.type = BOOL_OID;
    o->expr.location = location;
    o->args = list_new(s->arena);
    list_push(o->args, coerce_type(s, l, ltype, declared[0], -1, COERCE_IMPLICIT, FORM_IMPLICIT_CAST, -1));
    list_push(o->args, coerce_type(s, r, atype, want, -1, COERCE_IMPLICIT, FORM_IMPLICIT_CAST, -1));
    return &o->expr;
}
