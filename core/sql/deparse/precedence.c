/*
 * Which expressions can stand inside another without parentheses, when the pretty form leaves out the
 * needless ones.
 */
#include "core/sql/deparse/deparse_internal.h"

/* The name of a binary operator of one character, 0 otherwise. */
static char
simple_operator(const void *e)
{
    const OpCall *o = e;
    if (list_count(o->args) != 2)
        return 0;
    const char *name = op_info(o->op)->name;
    return name[1] == '\0' ? name[0] : 0;
}

static bool
is_cast_form(int form)
{
    return form == FORM_EXPLICIT_CAST || form == FORM_IMPLICIT_CAST || form == FORM_SQL_SYNTAX;
}

/* Parents that print their arguments between delimiters of their own. */
static bool
delimits(const void *parent, bool bool_too)
{
    if (parent == NULL)
        return false;
    switch ((int)node_tag(parent)) {
    case TAG_FuncCall: return !is_cast_form(((const FuncCall *)parent)->form);
    case TAG_BoolExpr: return bool_too;
    case TAG_SubscriptRef: case TAG_ArrayExpr: case TAG_RowExpr: case TAG_CoalesceExpr: case TAG_MinMaxExpr: case TAG_NullIfExpr:
    case TAG_Aggref: case TAG_GroupingFunc: case TAG_WindowFunc: case TAG_CaseExpr: return true;
    default: return false;
    }
}

static bool
simple_op_call(const OpCall *o, const void *parent)
{
    if (!IS(parent, OpCall))
        return delimits(parent, true);
    char op = simple_operator(o), above = simple_operator(parent);
    bool low = op && strchr("+-", op), high = op && strchr("*/%", op);
    bool low_above = above && strchr("+-", above), high_above = above && strchr("*/%", above);
    if (!(low || high) || !(low_above || high_above))
        return false;
    if (high && low_above)
        return true;
    if (low && high_above)
        return false;
    /* equal strength: (a - b) - c needs none, a - (b - c) does */
    return ((const OpCall *)parent)->args->items[0] == (const void *)o;
}

static bool
simple_bool(const BoolExpr *b, const void *parent)
{
    if (!IS(parent, BoolExpr))
        return delimits(parent, false);
    int above = ((const BoolExpr *)parent)->kind;
    if (b->kind == BOOL_OR)
        return above == BOOL_OR;
    return above == BOOL_AND || above == BOOL_OR;
}

bool
is_simple_node(const void *e, const void *parent, int flags)
{
    if (e == NULL)
        return false;
    switch ((int)node_tag(e)) {
    case TAG_Var: case TAG_Const: case TAG_Param: case TAG_DomainValue: case TAG_SetToDefault: case TAG_CurrentOf:
    case TAG_SubscriptRef: case TAG_ArrayExpr: case TAG_RowExpr: case TAG_CoalesceExpr: case TAG_MinMaxExpr: case TAG_SqlValue:
    case TAG_NextValue: case TAG_NullIfExpr: case TAG_Aggref: case TAG_GroupingFunc: case TAG_WindowFunc: case TAG_FuncCall:
    case TAG_CaseExpr: return true;
    case TAG_FieldSelect: return !IS(parent, FieldSelect);
    case TAG_FieldStore: return !IS(parent, FieldStore);
    case TAG_CoerceToDomain: return is_simple_node(((const CoerceToDomain *)e)->arg, e, flags);
    case TAG_Relabel: return is_simple_node(((const Relabel *)e)->arg, e, flags);
    case TAG_CoerceViaIO: return is_simple_node(((const CoerceViaIO *)e)->arg, e, flags);
    case TAG_ArrayCoerce: return is_simple_node(((const ArrayCoerce *)e)->arg, e, flags);
    case TAG_OpCall: return simple_op_call(e, parent);
    case TAG_SubLink: case TAG_NullTest: case TAG_BooleanTest: case TAG_DistinctExpr: return delimits(parent, true);
    case TAG_BoolExpr: return simple_bool(e, parent);
    default: return false;
    }
}
