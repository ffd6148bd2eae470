/*
 * Assignment to a column: the cast of the value, and targets that are a part of the column (a[1], p.x,
 * p.list[2].y). A part is stored into the old value: SubscriptRef and FieldStore over it, in whose values a
 * CaseTest stands for the container's old value.
 */
#include "core/sql/analyze/analyze_internal.h"

/* What is assigned to: a column, or the part of one that has been reached. */
typedef struct Place { const char *name; bool element; Oid type; int32_t typmod; Oid collation; } Place;

static Expr *
assign_value(Scope *s, Expr *e, const Place *p, int location)
{
    Oid from = e->type;
    Expr *out = coerce_to_target(s, e, p->type, p->typmod, COERCE_ASSIGNMENT, FORM_IMPLICIT_CAST, -1);

    if (out == NULL)
        RAISE_ERR(SQLSTATE_DATATYPE_MISMATCH,
                  err_message(p->element ? "subscripted assignment to \"%s\" requires type %s but expression is of type %s"
                                         : "subfield \"%s\" is of type %s but expression is of type %s",
                              p->name, type_format(s->arena, p->type, -1, false), type_format(s->arena, from, -1, false)),
                  err_hint("You will need to rewrite or cast the expression."), err_position(location));
    return out;
}

static Expr *
old_container(Scope *s, const Place *p)
{
    CaseTest *t = node_new(s->arena, CaseTest);

    t->expr.type = p->type;
    t->expr.typmod = p->typmod;
    t->expr.collation = p->collation;
    return &t->expr;
}

static Expr *
back_to_domain(Scope *s, Expr *e, Oid type)
{
    if (type_base(type, NULL) == type)
        return e;
    return coerce_type(s, e, e->type, type, -1, COERCE_IMPLICIT, FORM_IMPLICIT_CAST, -1);
}

static Expr *assign_part(Scope *s, Expr *base, const Place *p, PNode **ind, size_t n, Expr *value, int location);

static Expr *
assign_element(Scope *s, Expr *base, const Place *p, PNode **ind, size_t k, size_t n, Expr *value, int location)
{
    Oid container = type_base(p->type, NULL), elem = type_element_of(container);
    bool slice = false;

    for (size_t i = 0; i < k; i++)
        slice |= ind[i]->a_indices->is_slice;
    if (elem == 0)
        RAISE_AT(SQLSTATE_DATATYPE_MISMATCH, location, "cannot subscript type %s because it does not support subscripting",
                 type_format(s->arena, p->type, -1, false));
    Place inner = {p->name, true, slice ? container : elem, p->typmod, p->collation};
    Expr *old = k < n ? analyze_subscripts(s, old_container(s, p), ind, k, NULL, location) : NULL;
    Expr *v = assign_part(s, old, &inner, ind + k, n - k, value, location);
    return back_to_domain(s, analyze_subscripts(s, base, ind, k, v, location), p->type);
}

static Expr *
assign_field(Scope *s, Expr *base, const Place *p, PNode **ind, size_t n, Expr *value, int location)
{
    const char *field = pstr(ind[0]);
    const TypeInfo *t = type_info(type_base(p->type, NULL));

    if (t->typtype != 'c')
        RAISE_AT(SQLSTATE_DATATYPE_MISMATCH, location, "cannot assign to field \"%s\" of column \"%s\" because its type %s is not a composite type",
                 field, p->name, type_format(s->arena, p->type, -1, false));
    RelDesc *rel = rel_open(t->rel, LOCK_ACCESS_SHARE);
    int att = rel_attnum(rel, field);
    if (att < 0)
        RAISE_AT(SQLSTATE_UNDEFINED_COLUMN, location, "cannot assign to system column \"%s\"", field);
    if (att == 0)
        RAISE_AT(SQLSTATE_UNDEFINED_COLUMN, location, "cannot assign to field \"%s\" of column \"%s\" because there is no such column in data type %s",
                 field, p->name, type_format(s->arena, p->type, -1, false));
    const ColDesc *col = &rel->cols[att - 1];
    Place inner = {col->name, false, col->type, col->typmod, col->collation};
    Expr *old = n > 1 ? select_field(s, old_container(s, p), field, location) : NULL;
    FieldStore *f = node_new(s->arena, FieldStore);
    f->arg = base;
    f->values = list_new(s->arena);
    f->fields = ints_new(s->arena);
    list_push(f->values, assign_part(s, old, &inner, ind + 1, n - 1, value, location));
    ints_push(f->fields, att);
    f->expr.type = t->oid;
    f->expr.location = location;
    return back_to_domain(s, &f->expr, p->type);
}

static Expr *
assign_part(Scope *s, Expr *base, const Place *p, PNode **ind, size_t n, Expr *value, int location)
{
    size_t k = 0;

    if (n == 0)
        return assign_value(s, value, p, location);
    while (k < n && ind[k]->node_case == PN(A_INDICES))
        k++;
    if (k > 0)
        return assign_element(s, base, p, ind, k, n, value, location);
    if (ind[0]->node_case == PN(A_STAR))
        RAISE_AT(SQLSTATE_FEATURE_NOT_SUPPORTED, location, "row expansion via \"*\" is not supported here");
    return assign_field(s, base, p, ind, n, value, location);
}

Expr *
assign_column(Scope *s, Expr *e, int attnum, PNode **ind, size_t n_ind, int location, bool is_insert)
{
    const ColDesc *c = &s->target_rel->cols[attnum - 1];
    if (IS(e, SetToDefault)) {
        if (n_ind)
            RAISE_AT(SQLSTATE_FEATURE_NOT_SUPPORTED, location,
                     ind[0]->node_case == PN(A_INDICES) ? "cannot set an array element to DEFAULT" : "cannot set a subfield to DEFAULT");
        e->type = c->type;
        e->typmod = c->typmod;
        e->collation = c->collation;
        return e;
    }
    if (n_ind) {
        Place p = {c->name, false, c->type, c->typmod, c->collation};
        Expr *base;
        if (is_insert)
            base = make_const(s->arena, c->type, c->typmod, c->collation, 0, true, -1);
        else {
            Var *x = node_new(s->arena, Var);
            x->rel = x->orig_rel = s->target_index;
            x->attno = x->orig_attno = attnum;
            x->expr.type = c->type;
            x->expr.typmod = c->typmod;
            x->expr.collation = c->collation;
            base = &x->expr;
        }
        return assign_part(s, base, &p, ind, n_ind, e, location);
    }
    Oid from = e->type;
    Expr *out = coerce_to_target(s, e, c->type, c->typmod, COERCE_ASSIGNMENT, FORM_IMPLICIT_CAST, -1);
    if (out == NULL)
        RAISE_ERR(SQLSTATE_DATATYPE_MISMATCH,
                  err_message("column \"%s\" is of type %s but expression is of type %s", c->name, type_format(s->arena, c->type, -1, false),
                              type_format(s->arena, from, -1, false)),
                  err_hint("You will need to rewrite or cast the expression."), err_position(expr_location(e)));
    return out;
}

/* The node that stores a part, under the cast back to a domain; NULL: the whole column is assigned. */
static Expr *
part_of(Expr *e)
{
    if (IS(e, CoerceToDomain))
        e = ((CoerceToDomain *)e)->arg;
    if (IS(e, FieldStore) || (IS(e, SubscriptRef) && ((SubscriptRef *)e)->assign))
        return e;
    return NULL;
}

bool
assign_after(Expr *e, Expr *before)
{
    Expr *part = part_of(e);

    if (part == NULL || part_of(before) == NULL)
        return false;
    if (IS(part, FieldStore))
        ((FieldStore *)part)->arg = before;
    else
        ((SubscriptRef *)part)->container = before;
    return true;
}

Expr *
assigned_value(Expr *e)
{
    Expr *part;

    while ((part = part_of(e)) != NULL)
        e = IS(part, FieldStore) ? ((FieldStore *)part)->values->items[0] : ((SubscriptRef *)part)->assign;
    return e;
}
