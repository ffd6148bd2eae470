/*
 * Subqueries in expressions, CTEs, and references to outer levels. An outer column becomes a parameter:
 * the level that owns the column hands its value down (OuterParam) where the subquery stands.
 */
#include "core/sql/plan/plan_internal.h"

Expr *
replace_outer(Root *root, Expr *e)
{
    int up = IS(e, Var) ? ((Var *)e)->levels_up : ((Aggref *)e)->levels_up;
    Root *owner = root;
    for (int i = 0; i < up && owner; i++)
        owner = owner->parent;
    if (owner == NULL)
        INTERNAL_ERROR("bad levels_up of an outer reference");
    Expr *local = node_copy(owner->arena, e);
    if (IS(local, Var))
        ((Var *)local)->levels_up = 0;
    else
        ((Aggref *)local)->levels_up = 0;
    Param *p = node_new(root->arena, Param);
    p->expr = *e;
    p->expr.tag = TAG_Param;
    p->kind = PARAM_EXEC;
    for (int i = 0; i < list_count(owner->outer_params); i++) {
        OuterParam *o = owner->outer_params->items[i];
        if (node_equal(o->expr, local)) {
            p->id = o->id;
            return &p->expr;
        }
    }
    OuterParam *o = ARENA_NEW(owner->arena, OuterParam);
    o->expr = local;
    o->id = p->id = root->g->param_exec_count++;
    if (owner->outer_params == NULL)
        owner->outer_params = list_new(owner->arena);
    list_push(owner->outer_params, o);
    return &p->expr;
}

/* The parameters asked for since the last call: ids, and the expressions of this level to set them from. */
IntList *
take_outer_params(Root *root, List **args)
{
    IntList *ids = ints_new(root->arena);
    *args = list_new(root->arena);
    for (int i = 0; i < list_count(root->outer_params); i++) {
        OuterParam *o = root->outer_params->items[i];
        ints_push(ids, o->id);
        list_push(*args, o->expr);
    }
    root->outer_params = NULL;
    return ids;
}

/* Plans a query below root; returns the subplan's number. */
static int
plan_subquery(Root *root, Query *q, double fraction, Root **out)
{
    Root *sub = root_new(root->g, root, q);
    sub->tuple_fraction = fraction;
    Plan *p = plan_query_level(sub);
    list_push(root->g->subplans, p);
    list_push(root->g->subplan_roots, sub);
    if (out)
        *out = sub;
    return root->g->subplans->count - 1;
}

typedef struct ToParam { Root *root; IntList *ids; const Query *q; } ToParam;

static void *
sublink_to_exec(void *n, void *arg)
{
    ToParam *t = arg;
    if (IS(n, Param) && ((Param *)n)->kind == PARAM_SUBLINK) {
        Param *p = node_copy(t->root->arena, n);
        p->kind = PARAM_EXEC;
        p->id = (int)t->ids->items[((Param *)n)->id - 1];
        return p;
    }
    return node_mutate_children(t->root->arena, n, sublink_to_exec, arg, false);
}

/* x = ANY (uncorrelated): a hash table of the subquery's rows, if each comparison is a hashable equality of
 * something of this level with one column. */
static bool
hashable_any(Root *root, SubPlanRef *s, IntList *ids)
{
    List *parts = flatten_and(root->arena, s->test, NULL);
    s->hash_left = list_new(root->arena);
    s->hash_ops = ints_new(root->arena);
    for (int i = 0; i < parts->count; i++) {
        OpCall *o = parts->items[i];
        if (!IS(o, OpCall) || o->args->count != 2 || !op_is_equality_hashable(o->op))
            return false;
        Expr *r = o->args->items[1];
        if (!IS(r, Param) || ((Param *)r)->kind != PARAM_EXEC || ((Param *)r)->id != (int)ids->items[i])
            return false;
        list_push(s->hash_left, o->args->items[0]);
        ints_push(s->hash_ops, o->op);
    }
    return parts->count == ids->count;
}

static Expr *
make_subplan(Root *root, SubLink *sl)
{
    Query *q = node_copy(root->arena, sl->subselect);
    double fraction = sl->kind == SUBLINK_EXISTS ? 1 : sl->kind == SUBLINK_ANY || sl->kind == SUBLINK_ALL ? 0.5 : 0;
    List *saved = root->outer_params;
    root->outer_params = NULL;
    if (sl->kind == SUBLINK_EXISTS && !q->set_ops && !q->has_aggs && !q->group && !q->having && !q->limit_count && !q->limit_offset && !q->has_srfs && !q->has_windows) {
        /* only the existence of a row counts */
        q->sort = NULL;
        q->distinct = NULL;
        q->targets = list_new(root->arena);
    }
    SubPlanRef *s = arena_alloc0(root->arena, sizeof *s);
    s->expr = sl->expr;
    s->expr.tag = TAG_SubPlanRef;
    s->kind = sl->kind;
    s->plan = plan_subquery(root, q, fraction, NULL);
    s->params = take_outer_params(root, &s->args);
    root->outer_params = saved;
    s->result_params = ints_new(root->arena);
    Plan *p = root->g->subplans->items[s->plan];
    for (int i = 0; i < p->targets->count; i++)
        if (!((TargetEntry *)p->targets->items[i])->junk)
            ints_push(s->result_params, root->g->param_exec_count++);
    if (sl->test) {
        ToParam t = {root, s->result_params, q};
        s->test = sublink_to_exec(process_sublinks(root, sl->test), &t);
    }
    bool correlated = s->params->count > 0;
    if (!correlated && sl->kind == SUBLINK_ANY && s->test)
        s->hashed = hashable_any(root, s, s->result_params);
    if (!correlated && (sl->kind == SUBLINK_EXPR || sl->kind == SUBLINK_ARRAY || sl->kind == SUBLINK_EXISTS) && !is_volatile(q)) {
        s->init_plan = true;
        if (s->result_params->count == 0)
            ints_push(s->result_params, root->g->param_exec_count++);
    }
    return &s->expr;
}

static void *
process(void *n, void *arg)
{
    Root *root = arg;
    if (IS(n, SubLink))
        return make_subplan(root, n);
    if (IS(n, Var) && ((Var *)n)->levels_up > 0)
        return replace_outer(root, n);
    if (IS(n, Aggref) && ((Aggref *)n)->levels_up > 0)
        return replace_outer(root, n);
    if (IS(n, SubPlanRef)) {
        return n;
    }
    return node_mutate_children(root->arena, n, process, arg, false);
}

Expr *
process_sublinks(Root *root, Expr *e)
{
    return e ? process(e, root) : NULL;
}

List *
process_sublinks_list(Root *root, List *l)
{
    if (l == NULL)
        return NULL;
    List *out = list_new(root->arena);
    for (int i = 0; i < l->count; i++)
        list_push(out, l->items[i] ? process(l->items[i], root) : NULL);
    return out;
}

/* ---- CTEs ---- */

typedef struct Inline { Root *root; const CommonTable *cte; int depth; int count; } Inline;

/* Number of references, and replacement by the query itself when there is one only. */
static bool
count_refs(void *n, void *arg)
{
    Inline *x = arg;
    if (IS(n, RangeEntry)) {
        RangeEntry *e = n;
        if (e->kind == RANGE_CTE && e->cte_levels_up == x->depth && strcmp(e->cte_name, x->cte->name) == 0)
            x->count++;
    }
    if (IS(n, Query)) {
        x->depth++;
        node_walk_children(n, count_refs, arg, true);
        x->depth--;
        return false;
    }
    return node_walk_children(n, count_refs, arg, true);
}

/* A query moved `delta` levels deeper: its outer references count more levels. */
typedef struct Deepen { int delta; int depth; } Deepen;

static bool
deepen(void *n, void *arg)
{
    Deepen *d = arg;
    if (IS(n, Var) && ((Var *)n)->levels_up > d->depth)
        ((Var *)n)->levels_up += d->delta;
    else if (IS(n, Aggref) && ((Aggref *)n)->levels_up > d->depth)
        ((Aggref *)n)->levels_up += d->delta;
    else if (IS(n, RangeEntry) && ((RangeEntry *)n)->kind == RANGE_CTE && ((RangeEntry *)n)->cte_levels_up > d->depth)
        ((RangeEntry *)n)->cte_levels_up += d->delta;
    if (IS(n, Query)) {
        d->depth++;
        node_walk_children(n, deepen, arg, true);
        d->depth--;
        return false;
    }
    return node_walk_children(n, deepen, arg, true);
}

static bool
inline_ref(void *n, void *arg)
{
    Inline *x = arg;
    if (IS(n, RangeEntry)) {
        RangeEntry *e = n;
        if (e->kind == RANGE_CTE && e->cte_levels_up == x->depth && strcmp(e->cte_name, x->cte->name) == 0) {
            Query *q = node_copy(x->root->arena, x->cte->query);
            Deepen d = {x->depth, 0};
            if (x->depth > 0)
                node_walk_children(q, deepen, &d, true);
            e->kind = RANGE_SUBQUERY;
            e->subquery = q;
            return false;
        }
    }
    if (IS(n, Query)) {
        x->depth++;
        node_walk_children(n, inline_ref, arg, true);
        x->depth--;
        return false;
    }
    return node_walk_children(n, inline_ref, arg, true);
}

static bool
can_inline(const CommonTable *c, int refs)
{
    const Query *q = c->query;
    if (c->recursive || q->command != CMD_SELECT || q->row_marks || q->has_for_update || c->materialized == MATERIALIZE_ALWAYS)
        return false;
    if (is_volatile(q))
        return false;
    return refs == 1 || c->materialized == MATERIALIZE_NEVER;
}

static void
plan_recursive(Root *root, CommonTable *c)
{
    /* UNION of the two leaves; the right one reads the work table */
    Query *q = c->query;
    SetOpNode *u = (SetOpNode *)q->set_ops;
    RecursiveUnionPlan *r;
    Root *sub = root_new(root->g, root, q);
    Query *lq = ((RangeEntry *)list_at(q->range_table, ((RangeRef *)u->left)->rel - 1))->subquery;
    Query *rq = ((RangeEntry *)list_at(q->range_table, ((RangeRef *)u->right)->rel - 1))->subquery;
    Root *left = root_new(root->g, sub, lq), *right = root_new(root->g, sub, rq);
    r = PLAN_NEW(sub, PLAN_RECURSIVE_UNION, RecursiveUnionPlan);
    r->worktable_param = root->g->param_exec_count++;
    right->worktable_param = r->worktable_param;
    right->worktable_cte = c->name;
    r->p.left = plan_query_level(left);
    set_references(left, r->p.left);
    r->p.right = plan_query_level(right);
    set_references(right, r->p.right);
    r->distinct = !u->all;
    r->keys = list_new(root->arena);
    for (int i = 0; i < ints_count(u->types); i++) {
        Var *v = node_new(root->arena, Var);
        v->rel = VAR_OUTER;
        v->attno = i + 1;
        v->expr.type = (Oid)u->types->items[i];
        v->expr.typmod = (int32_t)u->typmods->items[i];
        v->expr.collation = (Oid)u->collations->items[i];
        list_push(r->p.targets, tle(root->arena, &v->expr, i + 1, c->columns->items[i]));
        if (r->distinct) {
            SortClause *g = u->group_clauses->items[i];
            SortKey *k = ARENA_NEW(root->arena, SortKey);
            k->column = i + 1;
            k->type = v->expr.type;
            k->collation = v->expr.collation;
            k->eq_op = g->eq_op;
            k->sort_op = g->sort_op;
            list_push(r->keys, k);
        }
    }
    double rows = r->p.left->rows + r->p.right->rows * 10;
    plan_cost(&r->p, r->p.left->startup_cost, r->p.left->total_cost + r->p.right->total_cost * 10 + rows * cpu_tuple_cost, rows, r->p.left->width);
    list_push(root->g->subplans, &r->p);
    list_push(root->g->subplan_roots, NULL); /* references are fixed already */
}

void
plan_ctes(Root *root)
{
    Query *q = root->q;
    root->cte_subplans = ints_new(root->arena);
    for (int i = 0; i < list_count(q->ctes); i++) {
        CommonTable *c = q->ctes->items[i];
        Inline x = {root, c, 0, 0};
        node_walk_children(q, count_refs, &x, true);
        if (c->query->command == CMD_SELECT && x.count == 0) {
            ints_push(root->cte_subplans, -1);
            continue;
        }
        if (can_inline(c, x.count)) {
            x.depth = 0;
            node_walk_children(q, inline_ref, &x, true);
            ints_push(root->cte_subplans, -1);
            continue;
        }
        if (c->recursive)
            plan_recursive(root, c);
        else
            plan_subquery(root, node_copy(root->arena, c->query), 0, NULL);
        int id = root->g->subplans->count - 1;
        ints_push(root->cte_subplans, id);
        if (c->query->command != CMD_SELECT)
            ints_push(root->g->modifying_ids, id);
    }
}
