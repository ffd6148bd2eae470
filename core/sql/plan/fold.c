/*
 * Constant folding and what the planner must know of expressions: volatility, strictness, sets.
 */
#include "core/sql/plan/plan_internal.h"

#include "core/sql/exec/exec.h"

static bool
fn_worse_than(void *n, char level)
{
    Oid fn = 0;
    switch ((int)node_tag(n)) {
    case TAG_FuncCall: fn = ((FuncCall *)n)->fn; break;
    case TAG_OpCall: fn = ((OpCall *)n)->fn; break;
    case TAG_DistinctExpr: fn = ((DistinctExpr *)n)->fn; break;
    case TAG_NullIfExpr: fn = ((NullIfExpr *)n)->fn; break;
    case TAG_ScalarArrayOp: fn = ((ScalarArrayOp *)n)->fn; break;
    case TAG_NextValue: return true;
    case TAG_SqlValue: case TAG_CoerceViaIO: return level == 'i';
    case TAG_CurrentOf: return true;
    default: return false;
    }
    char v = fn_info(fn)->volatility;
    return level == 's' ? v == 'v' : v != 'i';
}

static bool
find_volatile(void *n, void *arg)
{
    if (fn_worse_than(n, 's'))
        return true;
    return node_walk_children(n, find_volatile, arg, true);
}

static bool
find_non_immutable(void *n, void *arg)
{
    if (fn_worse_than(n, 'i'))
        return true;
    return node_walk_children(n, find_non_immutable, arg, true);
}

bool
is_volatile(const void *e)
{
    return e && find_volatile((void *)(uintptr_t)e, NULL);
}

bool
is_stable_only(const void *e)
{
    return e && find_non_immutable((void *)(uintptr_t)e, NULL);
}

static bool
find_srf(void *n, void *arg)
{
    if ((IS(n, FuncCall) && ((FuncCall *)n)->returns_set) || (IS(n, OpCall) && ((OpCall *)n)->returns_set))
        return true;
    return node_walk_children(n, find_srf, arg, false);
}

bool
has_srf(const void *e)
{
    return e && find_srf((void *)(uintptr_t)e, NULL);
}

/* Does a null in any column of rels make e null or false? */
bool
is_strict_for(const Expr *e, RelSet rels)
{
    switch ((int)e->tag) {
    case TAG_Var: return (((const Var *)e)->levels_up == 0 && ((const Var *)e)->rel > 0 && (rels & REL_BIT(((const Var *)e)->rel)));
    case TAG_OpCall: {
        const OpCall *o = (const OpCall *)e;
        if (!fn_info(o->fn)->strict)
            return false;
        for (int i = 0; i < o->args->count; i++)
            if (is_strict_for(o->args->items[i], rels))
                return true;
        return false;
    }
    case TAG_FuncCall: {
        const FuncCall *o = (const FuncCall *)e;
        if (!fn_info(o->fn)->strict)
            return false;
        for (int i = 0; i < o->args->count; i++)
            if (is_strict_for(o->args->items[i], rels))
                return true;
        return false;
    }
    case TAG_ScalarArrayOp: {
        const ScalarArrayOp *o = (const ScalarArrayOp *)e;
        return o->use_or && fn_info(o->fn)->strict && is_strict_for(o->args->items[0], rels) &&
               IS(o->args->items[1], Const) && !((Const *)o->args->items[1])->isnull;
    }
    case TAG_Relabel: return is_strict_for(((const Relabel *)e)->arg, rels);
    case TAG_CoerceViaIO: return is_strict_for(((const CoerceViaIO *)e)->arg, rels);
    case TAG_CollateExpr: return is_strict_for(((const CollateExpr *)e)->arg, rels);
    case TAG_NullTest: return !((const NullTest *)e)->is_null && !((const NullTest *)e)->of_row && is_strict_for(((const NullTest *)e)->arg, rels);
    case TAG_BooleanTest:
        return (((const BooleanTest *)e)->kind == TEST_IS_TRUE || ((const BooleanTest *)e)->kind == TEST_IS_FALSE) && is_strict_for(((const BooleanTest *)e)->arg, rels);
    case TAG_BoolExpr: {
        const BoolExpr *b = (const BoolExpr *)e;
        bool any = false, all = true;
        for (int i = 0; i < b->args->count; i++) {
            bool s = is_strict_for(b->args->items[i], rels);
            any |= s;
            all &= s;
        }
        return b->kind == BOOL_OR ? all : any;
    }
    default: return false;
    }
}

/* ---- folding ---- */

typedef struct Fold { Arena *a; const ParamValues *params; } Fold;

static bool
is_const(const void *e)
{
    return e == NULL || IS(e, Const);
}

static bool
all_const(const List *l)
{
    for (int i = 0; i < list_count(l); i++)
        if (!is_const(l->items[i]))
            return false;
    return true;
}

static bool
any_null(const List *l)
{
    for (int i = 0; i < list_count(l); i++)
        if (IS(l->items[i], Const) && ((Const *)l->items[i])->isnull)
            return true;
    return false;
}

static Expr *
const_like(Fold *f, const Expr *e, Datum v, bool isnull)
{
    const TypeInfo *t = type_info(e->type);
    Const *c = node_new(f->a, Const);
    c->expr = *e;
    c->expr.tag = TAG_Const;
    c->byval = t->ops ? t->ops->byval : t->byval;
    c->len = t->ops ? t->ops->len : t->typlen;
    c->isnull = isnull;
    c->value = isnull ? 0 : datum_copy(f->a, v, c->byval, (int16_t)c->len);
    return &c->expr;
}

static Expr *
evaluate(Fold *f, Expr *e)
{
    if (e->type == RECORD_OID || type_info(e->type)->ops == NULL)
        return e;
    bool isnull = false;
    Datum v = expr_eval_const(f->a, e, &isnull, NULL);
    return const_like(f, e, v, isnull);
}

static Expr *
bool_const(Fold *f, bool v)
{
    Const *c = node_new(f->a, Const);
    c->expr.type = BOOL_OID;
    c->byval = true;
    c->len = 1;
    c->value = v;
    return &c->expr;
}

static Expr *
fold_bool(Fold *f, BoolExpr *b)
{
    if (b->kind == BOOL_NOT) {
        Expr *x = b->args->items[0];
        if (IS(x, Const))
            return ((Const *)x)->isnull ? x : bool_const(f, !((Const *)x)->value);
        if (IS(x, BoolExpr) && ((BoolExpr *)x)->kind == BOOL_NOT)
            return ((BoolExpr *)x)->args->items[0];
        if (IS(x, OpCall)) { /* NOT a < b is a >= b */
            OpCall *o = (OpCall *)x;
            const OpInfo *i = op_info(o->op);
            const OpInfo *neg = i->negator ? op_info(i->negator) : NULL;
            if (neg) {
                OpCall *c = arena_memdup(f->a, o, sizeof *o);
                c->op = neg->oid;
                c->fn = neg->fn;
                return &c->expr;
            }
        }
        if (IS(x, NullTest) && !((NullTest *)x)->of_row) {
            NullTest *c = arena_memdup(f->a, x, sizeof(NullTest));
            c->is_null = !c->is_null;
            return &c->expr;
        }
        return &b->expr;
    }
    bool is_and = b->kind == BOOL_AND;
    List *kept = list_new(f->a);
    for (int i = 0; i < b->args->count; i++) {
        Expr *x = b->args->items[i];
        if (IS(x, Const) && !((Const *)x)->isnull) {
            if (((Const *)x)->value == (Datum)!is_and)
                return bool_const(f, !is_and);
            continue;
        }
        if (IS(x, BoolExpr) && ((BoolExpr *)x)->kind == b->kind)
            list_concat(kept, ((BoolExpr *)x)->args);
        else
            list_push(kept, x);
    }
    if (kept->count == 0)
        return bool_const(f, is_and);
    if (kept->count == 1)
        return kept->items[0];
    BoolExpr *c = arena_memdup(f->a, b, sizeof *b);
    c->args = kept;
    return &c->expr;
}

static void *fold(void *n, void *arg);

static Expr *
fold_case(Fold *f, CaseExpr *c)
{
    List *kept = list_new(f->a);
    if (c->arg)
        return &c->expr; /* CASE x WHEN: conditions mention the test value */
    for (int i = 0; i < c->whens->count; i++) {
        CaseWhen *w = c->whens->items[i];
        if (IS(w->condition, Const)) {
            Const *k = (Const *)w->condition;
            if (k->isnull || !k->value)
                continue;
            if (kept->count == 0)
                return w->result;
            CaseExpr *n = arena_memdup(f->a, c, sizeof *c);
            n->whens = kept;
            n->otherwise = w->result;
            return &n->expr;
        }
        list_push(kept, w);
    }
    if (kept->count == 0)
        return c->otherwise;
    CaseExpr *n = arena_memdup(f->a, c, sizeof *c);
    n->whens = kept;
    return &n->expr;
}

static void *
fold_call(Fold *f, Expr *e, Oid fn, List *args, bool returns_set)
{
    const FnInfo *fi = fn_info(fn);
    if (returns_set || fi->kind != 'f')
        return e;
    if (fi->strict && any_null(args))
        return const_like(f, e, 0, true);
    if (!all_const(args) || fi->volatility != 'i')
        return e;
    return evaluate(f, e);
}

static bool
is_null_const(const void *e)
{
    return IS(e, Const) && ((const Const *)e)->isnull;
}

/* Dead branches must not be evaluated: conditions are folded first. */
static void *
fold_case_parts(Fold *f, const CaseExpr *c)
{
    CaseExpr *out = arena_memdup(f->a, c, sizeof *c);
    bool dead = false;

    out->whens = list_new(f->a);
    if (c->arg)
        out->arg = fold(c->arg, f);
    for (int i = 0; i < c->whens->count && !dead; i++) {
        CaseWhen *w = arena_memdup(f->a, c->whens->items[i], sizeof(CaseWhen));
        w->condition = fold(w->condition, f);
        bool known = IS(w->condition, Const) && !c->arg;
        if (known && (((Const *)w->condition)->isnull || !((Const *)w->condition)->value))
            continue;
        w->result = fold(w->result, f);
        list_push(out->whens, w);
        dead = known;
    }
    if (!dead && c->otherwise)
        out->otherwise = fold(c->otherwise, f);
    return fold_case(f, out);
}

static void *
fold_coalesce(Fold *f, const CoalesceExpr *c)
{
    List *kept = list_new(f->a);

    for (int i = 0; i < c->args->count; i++) {
        Expr *x = fold(c->args->items[i], f);
        if (is_null_const(x))
            continue;
        if (IS(x, Const) && kept->count == 0)
            return x;
        list_push(kept, x);
        if (IS(x, Const))
            break;
    }
    if (kept->count == 0)
        return const_like(f, &c->expr, 0, true);
    if (kept->count == 1)
        return kept->items[0];
    CoalesceExpr *out = arena_memdup(f->a, c, sizeof *c);
    out->args = kept;
    return out;
}

/* Evaluation order: a false AND item hides errors of the later ones. */
static void *
fold_bool_parts(Fold *f, const BoolExpr *old)
{
    BoolExpr *b = arena_memdup(f->a, old, sizeof *old);
    List *args = list_new(f->a);

    for (int i = 0; i < b->args->count; i++) {
        Expr *x = fold(b->args->items[i], f);
        list_push(args, x);
        if (IS(x, Const) && !((Const *)x)->isnull && b->kind != BOOL_NOT && ((Const *)x)->value == (Datum)(b->kind == BOOL_OR))
            break;
    }
    b->args = args;
    return fold_bool(f, b);
}

/* A constant under a type or collation that only its reader sees. */
static void *
relabelled(Fold *f, const Expr *arg, const Expr *as)
{
    Const *k = arena_memdup(f->a, arg, sizeof(Const));

    k->expr.type = as->type;
    k->expr.typmod = as->typmod;
    k->expr.collation = as->collation;
    return k;
}

/* Evaluates an operator-like node over constants when its function cannot change. */
static void *
fold_over(Fold *f, void *n, const List *args, Oid fn)
{
    return all_const(args) && (fn == 0 || fn_info(fn)->volatility == 'i') ? evaluate(f, n) : n;
}

/* A node whose children are folded. */
static void *
fold_node(Fold *f, void *c)
{
    switch ((int)node_tag(c)) {
    case TAG_FuncCall: return fold_call(f, c, ((FuncCall *)c)->fn, ((FuncCall *)c)->args, ((FuncCall *)c)->returns_set);
    case TAG_OpCall: return fold_call(f, c, ((OpCall *)c)->fn, ((OpCall *)c)->args, ((OpCall *)c)->returns_set);
    case TAG_ScalarArrayOp: return fold_over(f, c, ((ScalarArrayOp *)c)->args, ((ScalarArrayOp *)c)->fn);
    case TAG_DistinctExpr: return fold_over(f, c, ((DistinctExpr *)c)->args, ((DistinctExpr *)c)->fn);
    case TAG_NullIfExpr: return fold_over(f, c, ((NullIfExpr *)c)->args, ((NullIfExpr *)c)->fn);
    case TAG_ArrayExpr: return fold_over(f, c, ((ArrayExpr *)c)->elements, 0);
    case TAG_MinMaxExpr: return fold_over(f, c, ((MinMaxExpr *)c)->args, 0);
    case TAG_NullTest: {
        NullTest *t = c;
        return !t->of_row && IS(t->arg, Const) ? (void *)bool_const(f, ((Const *)t->arg)->isnull == t->is_null) : c;
    }
    case TAG_BooleanTest: return IS(((BooleanTest *)c)->arg, Const) ? (void *)evaluate(f, c) : c;
    case TAG_Relabel: return IS(((Relabel *)c)->arg, Const) ? relabelled(f, ((Relabel *)c)->arg, c) : c;
    case TAG_CollateExpr: { /* the collation was given to whoever needs it */
        CollateExpr *x = c;
        Expr as = *x->arg;
        as.collation = x->expr.collation;
        return IS(x->arg, Const) ? relabelled(f, x->arg, &as) : c;
    }
    case TAG_CoerceViaIO: /* text forms may depend on settings: only null is known */
        return is_null_const(((CoerceViaIO *)c)->arg) ? (void *)const_like(f, c, 0, true) : c;
    case TAG_SubscriptRef: {
        SubscriptRef *s = c;
        return s->assign == NULL && IS(s->container, Const) && all_const(s->upper) && all_const(s->lower) ? evaluate(f, c) : c;
    }
    default: return c;
    }
}

static void *
fold(void *n, void *arg)
{
    Fold *f = arg;

    CHECK_STACK();
    switch ((int)node_tag(n)) {
    case TAG_Param: {
        Param *p = n;
        if (p->kind != PARAM_EXTERN || f->params == NULL || p->id > f->params->count)
            return n;
        return const_like(f, &p->expr, f->params->values[p->id - 1], f->params->nulls[p->id - 1]);
    }
    case TAG_CaseExpr: return fold_case_parts(f, n);
    case TAG_CoalesceExpr: return fold_coalesce(f, n);
    case TAG_BoolExpr: return fold_bool_parts(f, n);
    case TAG_FuncCall: n = call_complete(f->a, n); break;
    default: break;
    }
    return fold_node(f, node_mutate_children(f->a, n, fold, arg, false));
}

Expr *
fold_expr(Arena *a, Expr *e, const ParamValues *params)
{
    Fold f = {a, params};
    return e ? fold(e, &f) : NULL;
}

Expr *
plan_fold_constants(Arena *a, Expr *e, const ParamValues *params)
{
    return fold_expr(a, e, params);
}
