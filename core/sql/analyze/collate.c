/*
 * Collation derivation, bottom-up: each expression gets the collation its operands imply; a function that
 * needs one gets it as input_collation. An explicit COLLATE beats implicit ones; two different explicit
 * ones are an error at once, two different implicit ones only where the collation is needed.
 */
#include "core/sql/analyze/analyze_internal.h"

typedef enum Strength { COLL_NONE, COLL_IMPLICIT, COLL_CONFLICT, COLL_EXPLICIT } Strength;
typedef struct Derive {
    Arena *arena;
    Oid collation;
    Strength strength;
    int location;
} Derive;

static bool derive(void *n, void *arg);

static void
merge(Derive *to, const Derive *from)
{
    if (from->strength > to->strength) {
        Arena *a = to->arena;
        *to = *from;
        to->arena = a;
        return;
    }
    if (from->strength < to->strength || from->collation == to->collation)
        return;
    if (from->strength == COLL_EXPLICIT)
        RAISE_AT(SQLSTATE_COLLATION_MISMATCH, from->location, "collation mismatch between explicit collations \"%s\" and \"%s\"",
                 cat_name(to->arena, cat_get_by_oid(CAT_PG_COLLATION, to->collation), PG_COLLATION_COLLNAME),
                 cat_name(to->arena, cat_get_by_oid(CAT_PG_COLLATION, from->collation), PG_COLLATION_COLLNAME));
    if (from->strength == COLL_IMPLICIT) {
        if (to->collation == COLLATION_DEFAULT) /* a non-default implicit one wins */
            to->collation = from->collation;
        else if (from->collation != COLLATION_DEFAULT)
            to->strength = COLL_CONFLICT;
    }
}

static Derive
derive_children(Arena *a, void *n)
{
    Derive d = {a, 0, COLL_NONE, -1};
    node_walk_children(n, derive, &d, false);
    return d;
}

static void
set_input(void *n, Oid collation)
{
    switch (node_tag(n)) {
    case TAG_FuncCall: ((FuncCall *)n)->input_collation = collation; break;
    case TAG_OpCall: ((OpCall *)n)->input_collation = collation; break;
    case TAG_DistinctExpr: ((DistinctExpr *)n)->input_collation = collation; break;
    case TAG_NullIfExpr: ((NullIfExpr *)n)->input_collation = collation; break;
    case TAG_ScalarArrayOp: ((ScalarArrayOp *)n)->input_collation = collation; break;
    case TAG_MinMaxExpr: ((MinMaxExpr *)n)->input_collation = collation; break;
    case TAG_Aggref: ((Aggref *)n)->input_collation = collation; break;
    case TAG_WindowFunc: ((WindowFunc *)n)->input_collation = collation; break;
    default: break;
    }
}

static Derive
derive_row_compare(Arena *a, RowCompare *r)
{
    r->collations = ints_new(a);
    for (int i = 0; i < r->left->count; i++) {
        Derive d = {a, 0, COLL_NONE, -1};
        derive(r->left->items[i], &d);
        derive(r->right->items[i], &d);
        ints_push(r->collations, d.collation);
    }
    return (Derive){a, 0, COLL_NONE, -1};
}

static bool
derive(void *n, void *arg)
{
    Derive *up = arg;
    Arena *a = up->arena;
    if (n == NULL)
        return false;
    if (IS(n, TargetEntry))
        return derive(((TargetEntry *)n)->expr, arg);
    if (IS(n, ListNode)) {
        assign_collations_list(a, ((ListNode *)n)->list);
        return false;
    }
    if (!node_is_expr(n))
        return false;
    Expr *e = n;
    Derive me = {a, e->collation, e->collation ? COLL_IMPLICIT : COLL_NONE, e->location};
    switch (e->tag) {
    case TAG_CollateExpr:
        derive_children(a, n);
        me.strength = COLL_EXPLICIT;
        break;
    case TAG_Var: case TAG_Const: case TAG_Param: case TAG_CaseTest: case TAG_SqlValue: case TAG_SetToDefault: case TAG_DomainValue: break;
    case TAG_SubLink:
        if (((SubLink *)n)->test)
            derive_children(a, n);
        break;
    case TAG_RowCompare: me = derive_row_compare(a, n); break;
    case TAG_RowExpr: derive_children(a, n); me.strength = COLL_NONE; break;
    case TAG_CaseExpr: {
        CaseExpr *c = n;
        Derive test = {a, 0, COLL_NONE, -1}, result = {a, 0, COLL_NONE, -1};
        if (c->arg)
            derive(c->arg, &test);
        for (int i = 0; i < c->whens->count; i++) {
            CaseWhen *w = c->whens->items[i];
            Derive cond = {a, 0, COLL_NONE, -1};
            derive(w->condition, &cond);
            derive(w->result, &result);
        }
        if (c->otherwise)
            derive(c->otherwise, &result);
        if (type_info(e->type)->collation) {
            e->collation = result.collation ? result.collation : type_info(e->type)->collation;
            me = result;
            me.collation = e->collation;
        }
        break;
    }
    default: {
        Derive in = derive_children(a, n);
        if (in.strength == COLL_CONFLICT) {
            set_input(n, 0);
        } else
            set_input(n, in.collation);
        if (type_info(e->type)->collation) {
            Oid c = in.strength == COLL_CONFLICT ? 0 : in.collation ? in.collation : type_info(e->type)->collation;
            e->collation = c;
            me = in;
            me.collation = c;
            if (me.strength == COLL_NONE)
                me.strength = COLL_IMPLICIT;
        } else {
            e->collation = 0;
            me.strength = COLL_NONE;
            me.collation = 0;
        }
        break;
    }
    }
    if (type_info(e->type)->collation == 0 && e->tag != TAG_CollateExpr)
        me.strength = COLL_NONE;
    if (me.strength != COLL_NONE)
        merge(up, &me);
    return false;
}

void
assign_collations_expr(Arena *a, void *e)
{
    Derive d = {a, 0, COLL_NONE, -1};
    derive(e, &d);
}

void
assign_collations_list(Arena *a, List *l)
{
    for (int i = 0; i < list_count(l); i++)
        if (l->items[i])
            assign_collations_expr(a, l->items[i]);
}

static bool
join_quals(void *n, void *arg)
{
    if (IS(n, JoinNode) && ((JoinNode *)n)->quals)
        assign_collations_expr(arg, ((JoinNode *)n)->quals);
    if (IS(n, FromNode) && ((FromNode *)n)->quals)
        assign_collations_expr(arg, ((FromNode *)n)->quals);
    if (IS(n, JoinNode) || IS(n, FromNode))
        return node_walk_children(n, join_quals, arg, false);
    return false;
}

void
assign_collations_query(Arena *a, Query *q)
{
    assign_collations_list(a, q->targets);
    assign_collations_list(a, q->returning);
    if (q->join_tree)
        join_quals(q->join_tree, a);
    if (q->having)
        assign_collations_expr(a, q->having);
    if (q->limit_count)
        assign_collations_expr(a, q->limit_count);
    if (q->limit_offset)
        assign_collations_expr(a, q->limit_offset);
    if (q->on_conflict) {
        assign_collations_list(a, q->on_conflict->set);
        if (q->on_conflict->where)
            assign_collations_expr(a, q->on_conflict->where);
    }
}
