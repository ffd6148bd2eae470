/*
 * min() and max() over one table by an index: SELECT min(a) FROM t WHERE c becomes
 *
 *     SELECT (SELECT a FROM t WHERE c AND a IS NOT NULL ORDER BY a LIMIT 1)
 *
 * for each such aggregate, when all aggregates of the query are of that kind. Both forms are planned, and the
 * cheaper one is kept: without an index the first row in order costs a sort.
 */
#include "core/sql/plan/plan_internal.h"

typedef struct Extremes { Root *root; const Query *q; bool failed; int found; } Extremes;

/* The argument if the aggregate is a min or max of something that varies; *op its sort operator. */
static Expr *
extreme_of(const Aggref *a, bool *is_max, TypeSortOps *ops)
{
    const FnInfo *f = fn_info(a->fn);

    if (f->builtin == NULL || f->nargs != 1 || list_count(a->args) != 1 || a->levels_up != 0 || a->filter || a->order || a->distinct)
        return NULL;
    *is_max = strcmp(f->name, "max") == 0;
    if (!*is_max && strcmp(f->name, "min") != 0)
        return NULL;
    Expr *e = ((TargetEntry *)a->args->items[0])->expr;
    *ops = type_sort_ops(e->type);
    if (ops->lt == 0 || IS(e, Const) || is_volatile(e) || has_srf(e))
        return NULL;
    return e;
}

/* Anything of an outer level, or a subquery that would have to be moved a level down. */
static bool
is_immovable(void *n, void *arg)
{
    if (IS(n, Query) || IS(n, SubLink))
        return true;
    if (IS(n, Var))
        return ((Var *)n)->levels_up != 0;
    if (IS(n, Aggref) && ((Aggref *)n)->levels_up != 0)
        return true;
    return node_walk_children(n, is_immovable, arg, true);
}

static bool
find_extremes(void *n, void *arg)
{
    Extremes *x = arg;
    bool is_max;
    TypeSortOps ops;

    if (IS(n, Aggref)) {
        x->found++;
        x->failed |= extreme_of(n, &is_max, &ops) == NULL;
        return x->failed;
    }
    if (IS(n, Var) || IS(n, GroupingFunc))
        x->failed = true;
    return x->failed || node_walk_children(n, find_extremes, arg, true);
}

static bool
is_candidate(Root *root, Query *q)
{
    Extremes x = {root, q, false, 0};

    if (q->command != CMD_SELECT || !q->has_aggs || list_count(q->group) || list_count(q->grouping_sets) || q->has_windows || q->has_srfs ||
        list_count(q->row_marks) || list_count(q->ctes) || q->set_ops || list_count(q->join_tree->items) != 1 || !IS(q->join_tree->items->items[0], RangeRef))
        return false;
    const RangeEntry *e = list_at(q->range_table, ((RangeRef *)q->join_tree->items->items[0])->rel - 1);
    if (e->kind != RANGE_RELATION || rel_cached(e->rel)->nindexes == 0)
        return false;
    if (q->join_tree->quals && is_immovable(q->join_tree->quals, NULL))
        return false;
    for (int i = 0; i < list_count(q->targets); i++) {
        Expr *t = ((TargetEntry *)q->targets->items[i])->expr;
        if (is_immovable(t, NULL) || find_extremes(t, &x))
            return false;
    }
    if (q->having && (is_immovable(q->having, NULL) || find_extremes(q->having, &x)))
        return false;
    return x.found > 0;
}

/* (SELECT arg FROM ... WHERE ... AND arg IS NOT NULL ORDER BY arg LIMIT 1) */
static Expr *
first_in_order(Root *root, const Query *q, const Aggref *a)
{
    Arena *arena = root->arena;
    bool is_max;
    TypeSortOps ops;
    Expr *arg = node_copy(arena, extreme_of(a, &is_max, &ops));
    Query *sub = node_new(arena, Query);
    sub->command = CMD_SELECT;
    sub->range_table = list_copy_nodes(arena, q->range_table);
    sub->join_tree = node_copy(arena, q->join_tree);
    NullTest *t = node_new(arena, NullTest);
    t->arg = node_copy(arena, arg);
    t->expr.type = BOOL_OID;
    List *quals = flatten_and(arena, &t->expr, NULL);
    flatten_and(arena, sub->join_tree->quals, quals);
    sub->join_tree->quals = make_and(arena, quals);
    TargetEntry *te = tle(arena, arg, 1, "first");
    te->sort_ref = 1;
    sub->targets = list_new(arena);
    list_push(sub->targets, te);
    SortClause *s = node_new(arena, SortClause);
    s->ref = 1;
    s->eq_op = ops.eq;
    s->sort_op = is_max ? ops.gt : ops.lt;
    s->desc = is_max;
    s->nulls_first = is_max;
    sub->sort = list_new(arena);
    list_push(sub->sort, s);
    Const *one = node_new(arena, Const);
    one->expr.type = INT8_OID;
    one->len = 8;
    one->byval = true;
    one->value = int64_datum(1);
    sub->limit_count = &one->expr;
    SubLink *l = node_new(arena, SubLink);
    l->kind = SUBLINK_EXPR;
    l->subselect = sub;
    l->expr = a->expr;
    l->expr.tag = TAG_SubLink;
    return &l->expr;
}

static void *
replace(void *n, void *arg)
{
    Extremes *x = arg;

    if (IS(n, Aggref))
        return first_in_order(x->root, x->q, n);
    return node_mutate_children(x->root->arena, n, replace, arg, false);
}

static Query *
by_index(Root *root, const Query *q)
{
    Extremes x = {root, q, false, 0};
    Query *out = node_copy(root->arena, q);

    for (int i = 0; i < list_count(out->targets); i++) {
        TargetEntry *te = out->targets->items[i];
        te->expr = replace(te->expr, &x);
    }
    out->join_tree = node_new(root->arena, FromNode);
    out->join_tree->items = list_new(root->arena);
    out->join_tree->quals = out->having ? replace(out->having, &x) : NULL;
    out->having = NULL;
    out->has_aggs = false;
    out->has_sublinks = true;
    return out;
}

/* What a form of the query would cost: planned on the side, nothing of it is kept. */
static double
cost_of(Root *root, const Query *q)
{
    Global g = *root->g;
    g.range_table = list_new(root->arena);
    g.subplans = list_new(root->arena);
    g.subplan_roots = list_new(root->arena);
    g.relations = ints_new(root->arena);
    g.modifying_ids = ints_new(root->arena);
    Root *side = root_new(&g, NULL, node_copy(root->arena, q));
    side->no_minmax = true;
    double cost = plan_query_level(side)->total_cost;
    for (int i = 0; i < g.subplans->count; i++)
        cost += ((Plan *)g.subplans->items[i])->total_cost;
    return cost;
}

void
plan_minmax(Root *root)
{
    Query *q = root->q;

    if (root->no_minmax || !is_candidate(root, q))
        return;
    Query *other = by_index(root, q);
    if (cost_of(root, other) < cost_of(root, q))
        root->q = other;
}
