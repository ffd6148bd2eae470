/*
 * Base relations: which there are, what they must deliver, and the ways to scan them.
 */
#include <math.h>

#include "core/sql/plan/plan_internal.h"

RelSet
tree_rel_set(const void *n)
{
    if (IS(n, RangeRef))
        return REL_BIT(((const RangeRef *)n)->rel);
    RelSet s = 0;
    if (IS(n, FromNode)) {
        const FromNode *f = n;
        for (int i = 0; i < f->items->count; i++)
            s |= tree_rel_set(f->items->items[i]);
    } else if (IS(n, JoinNode))
        s = tree_rel_set(((const JoinNode *)n)->left) | tree_rel_set(((const JoinNode *)n)->right);
    return s;
}

Clause *
clause_new(Root *root, Expr *e)
{
    Clause *c = ARENA_NEW(root->arena, Clause);
    c->expr = e;
    c->rels = expr_rels(e);
    if (IS(e, OpCall) && ((OpCall *)e)->args->count == 2) {
        OpCall *o = (OpCall *)e;
        Oid lt, rt;
        c->left = o->args->items[0];
        c->right = o->args->items[1];
        c->left_rels = expr_rels(c->left);
        c->right_rels = expr_rels(c->right);
        c->op = o->op;
        if (c->left_rels && c->right_rels && !(c->left_rels & c->right_rels) && op_btree_strategy(o->op, &lt, &rt) == 3 && !is_volatile(e)) {
            c->is_equijoin = true;
            c->hashable = op_is_equality_hashable(o->op);
            c->eq_op_swapped = op_info(o->op)->commutator;
            c->hashable = c->hashable && c->eq_op_swapped != 0;
        }
    }
    c->selectivity = -1;
    return c;
}

/* ---- which columns each relation must deliver ---- */

typedef struct Need { Root *root; int depth; } Need;

/* Columns of this level, wherever they stand: subqueries in expressions and LATERAL ones refer to them, too. */
static bool
need_walk(void *n, void *arg)
{
    Need *x = arg;
    if (IS(n, Var)) {
        Var *v = n;
        if (v->levels_up != x->depth || v->rel <= 0)
            return false;
        List *l = x->root->base_needed->items[v->rel];
        for (int k = 0; k < l->count; k++)
            if (((Var *)l->items[k])->attno == v->attno)
                return false;
        Var *here = v;
        if (x->depth > 0) {
            here = node_copy(x->root->arena, v);
            here->levels_up = 0;
        }
        list_push(l, here);
        return false;
    }
    if (IS(n, Query)) {
        x->depth++;
        node_walk_children(n, need_walk, arg, true);
        x->depth--;
        return false;
    }
    return node_walk_children(n, need_walk, arg, true);
}

static void
need(Root *root, const void *e)
{
    Need x = {root, 0};
    if (e)
        need_walk((void *)(uintptr_t)e, &x);
}

static void
need_list(Root *root, const List *l)
{
    for (int i = 0; i < list_count(l); i++)
        if (l->items[i])
            need(root, l->items[i]);
}

static void
need_tree(Root *root, const void *n)
{
    if (IS(n, FromNode)) {
        const FromNode *f = n;
        for (int i = 0; i < f->items->count; i++)
            need_tree(root, f->items->items[i]);
        need(root, f->quals);
    } else if (IS(n, JoinNode)) {
        const JoinNode *j = n;
        need_tree(root, j->left);
        need_tree(root, j->right);
        need(root, j->quals);
    }
}

static void
collect_needed(Root *root)
{
    Query *q = root->q;
    root->base_needed = list_new(root->arena);
    for (int i = 0; i <= q->range_table->count; i++)
        list_push(root->base_needed, list_new(root->arena));
    need_list(root, q->targets);
    need(root, q->having);
    need_tree(root, q->join_tree);
    for (int i = 0; i < list_count(q->returning); i++) { /* other relations' columns; the target's come from the row */
        List *vars = vars_of(root->arena, q->returning->items[i], NULL);
        for (int k = 0; k < vars->count; k++)
            if (((Var *)vars->items[k])->rel != q->result_rel)
                need(root, vars->items[k]);
    }
    for (int i = 0; i < list_count(q->range_table); i++) {
        RangeEntry *e = q->range_table->items[i];
        for (int k = 0; k < list_count(e->functions) && e->kind == RANGE_FUNCTION; k++)
            need(root, ((RangeFunction *)e->functions->items[k])->call);
        for (int k = 0; k < list_count(e->values) && e->kind == RANGE_VALUES; k++)
            need(root, e->values->items[k]);
        if (e->kind == RANGE_SUBQUERY && e->lateral)
            need(root, e->subquery);
    }
}

/* ---- parameters from other relations ---- */

typedef struct ToParam { Root *root; Path *p; RelSet own; } ToParam;

static void *
param_for(void *n, void *arg)
{
    ToParam *t = arg;
    if (IS(n, Var) && ((Var *)n)->levels_up == 0 && ((Var *)n)->rel > 0 && !(t->own & REL_BIT(((Var *)n)->rel))) {
        Param *x = node_new(t->root->arena, Param);
        x->expr = ((Var *)n)->expr;
        x->expr.tag = TAG_Param;
        x->kind = PARAM_EXEC;
        for (int i = 0; i < list_count(t->p->param_values); i++)
            if (node_equal(t->p->param_values->items[i], n)) {
                x->id = (int)t->p->param_ids->items[i];
                return x;
            }
        if (t->p->param_ids == NULL) {
            t->p->param_ids = ints_new(t->root->arena);
            t->p->param_values = list_new(t->root->arena);
        }
        x->id = t->root->g->param_exec_count++;
        ints_push(t->p->param_ids, x->id);
        list_push(t->p->param_values, n);
        t->p->required |= REL_BIT(((Var *)n)->rel);
        return x;
    }
    return node_mutate_children(t->root->arena, n, param_for, arg, false);
}

/* Columns of relations outside `own` become parameters of path p. */
Expr *
outer_to_param(Root *root, Path *p, Expr *e, RelSet own)
{
    ToParam t = {root, p, own};
    return e ? param_for(e, &t) : NULL;
}

static List *
clause_exprs(Root *root, const List *clauses)
{
    List *out = list_new(root->arena);
    for (int i = 0; i < list_count(clauses); i++)
        list_push(out, ((Clause *)clauses->items[i])->expr);
    return out;
}

static Path *
base_path(Root *root, BaseRel *r, PathKind kind)
{
    Path *p = ARENA_NEW(root->arena, Path);
    p->kind = kind;
    p->rels = REL_BIT(r->rel);
    p->base = r;
    p->rows = r->rows;
    p->filter = clause_exprs(root, r->clauses);
    list_push(r->paths, p);
    return p;
}

static double
filter_cost(const List *filter)
{
    return cpu_operator_cost * list_count(filter);
}

static void
relation_paths(Root *root, BaseRel *r, List *join_clauses)
{
    Path *p = base_path(root, r, PATH_SEQ);
    p->total = seq_page_cost * r->pages + (cpu_tuple_cost + filter_cost(p->filter)) * r->tuples + (enable_seqscan ? 0 : 1e10);
    /* ctid = constant, and WHERE CURRENT OF */
    for (int i = 0; i < r->clauses->count; i++) {
        Clause *c = r->clauses->items[i];
        Expr *tid = NULL;
        if (IS(c->expr, CurrentOf))
            tid = c->expr;
        else if (IS(c->expr, OpCall) && c->left && c->right && strcmp(op_info(c->op)->name, "=") == 0) {
            if (IS(c->left, Var) && ((Var *)c->left)->attno == -1 && c->right_rels == 0)
                tid = c->right;
            else if (IS(c->right, Var) && ((Var *)c->right)->attno == -1 && c->left_rels == 0)
                tid = c->left;
        }
        if (tid == NULL)
            continue;
        Path *t = base_path(root, r, PATH_TID);
        t->tids = list_new(root->arena);
        list_push(t->tids, tid);
        if (IS(tid, CurrentOf)) { /* no other scan can answer it */
            p->total += 1e10;
            t->filter = list_new(root->arena);
            for (int k = 0; k < r->clauses->count; k++)
                if (k != i)
                    list_push(t->filter, ((Clause *)r->clauses->items[k])->expr);
        }
        t->rows = 1;
        t->total = random_page_cost + cpu_tuple_cost;
    }
    add_index_paths(root, r, join_clauses);
}

/* ---- pushing a condition into a subquery ---- */

typedef struct Push { Root *root; Query *q; bool failed; } Push;

static void *
push_var(void *n, void *arg)
{
    Push *p = arg;
    if (IS(n, Var)) {
        Var *v = n;
        if (v->levels_up == 0 && v->rel > 0) {
            TargetEntry *te = p->q->targets->items[v->attno - 1];
            return node_copy(p->root->arena, te->expr);
        }
        p->failed = true;
        return n;
    }
    if (IS(n, SubLink) || IS(n, SubPlanRef) || IS(n, Aggref)) {
        p->failed = true;
        return n;
    }
    return node_mutate_children(p->root->arena, n, push_var, arg, false);
}

/* The condition over the subquery's own columns; NULL where that is not possible. */
static Expr *
push_into_subquery(Root *root, Query *q, Expr *e)
{
    Push p = {root, q, false};
    Expr *x = push_var(e, &p);
    if (p.failed)
        return NULL;
    return x;
}

static void
subquery_paths(Root *root, BaseRel *r)
{
    Query *q = node_copy(root->arena, r->entry->subquery);
    /* conditions on plain output columns go into the subquery where that changes nothing */
    List *kept = list_new(root->arena);
    bool can_push = !q->limit_count && !q->limit_offset && !q->set_ops && !q->has_windows && !q->has_distinct_on && !q->has_srfs && !q->grouping_sets;
    for (int i = 0; i < r->clauses->count; i++) {
        Clause *c = r->clauses->items[i];
        bool ok = can_push && !is_volatile(c->expr);
        List *vars = vars_of(root->arena, c->expr, NULL);
        for (int k = 0; ok && k < vars->count; k++) {
            Var *v = vars->items[k];
            TargetEntry *te = v->attno > 0 && v->attno <= q->targets->count ? q->targets->items[v->attno - 1] : NULL;
            ok = te && !te->junk && !is_volatile(te->expr) && !has_srf(te->expr);
        }
        Expr *pushed = ok ? push_into_subquery(root, q, c->expr) : NULL;
        if (pushed == NULL) {
            list_push(kept, c);
            continue;
        }
        if (q->has_aggs || q->group || q->having)
            q->having = q->having ? make_and(root->arena, flatten_and(root->arena, q->having, flatten_and(root->arena, pushed, NULL))) : pushed;
        else
            q->join_tree->quals = make_and(root->arena, flatten_and(root->arena, q->join_tree->quals, flatten_and(root->arena, pushed, NULL)));
    }
    List *saved = root->outer_params;
    root->outer_params = NULL;
    Root *sub = root_new(root->g, root, q);
    Plan *plan = plan_query_level(sub);
    r->clauses = kept;
    r->tuples = plan->rows;
    List *exprs = clause_exprs(root, kept);
    r->rows = MAX(1.0, rint(plan->rows * clauses_selectivity(root, exprs)));
    Path *p = base_path(root, r, PATH_SUBQUERY);
    p->subplan = plan;
    p->subroot = sub;
    p->param_ids = take_outer_params(root, &p->param_values);
    root->outer_params = saved;
    for (int i = 0; i < p->param_values->count; i++)
        p->required |= expr_rels(p->param_values->items[i]);
    p->startup = plan->startup_cost;
    p->total = plan->total_cost + (cpu_tuple_cost + filter_cost(p->filter)) * plan->rows;
}

static void
cte_paths(Root *root, BaseRel *r)
{
    RangeEntry *e = r->entry;
    Root *owner = root;
    for (int i = 0; i < e->cte_levels_up && owner; i++)
        owner = owner->parent;
    Path *p = NULL;
    for (Root *x = root; x; x = x->parent)
        if (x->worktable_cte && strcmp(x->worktable_cte, e->cte_name) == 0 && e->self_reference) {
            r->tuples = 100;
            rel_size_estimate(root, r);
            p = base_path(root, r, PATH_CTE);
            p->cte_subplan = -1;
            p->cte_param = x->worktable_param;
            p->total = (cpu_tuple_cost + filter_cost(p->filter)) * r->tuples;
            return;
        }
    if (owner == NULL)
        INTERNAL_ERROR("bad level of CTE \"%s\"", e->cte_name);
    int index = -1;
    for (int i = 0; i < list_count(owner->q->ctes); i++)
        if (strcmp(((CommonTable *)owner->q->ctes->items[i])->name, e->cte_name) == 0)
            index = i;
    if (index < 0 || owner->cte_subplans->items[index] < 0)
        INTERNAL_ERROR("could not find CTE \"%s\"", e->cte_name);
    int id = (int)owner->cte_subplans->items[index];
    Plan *plan = root->g->subplans->items[id];
    r->tuples = plan->rows;
    List *exprs = clause_exprs(root, r->clauses);
    r->rows = MAX(1.0, rint(plan->rows * clauses_selectivity(root, exprs)));
    p = base_path(root, r, PATH_CTE);
    p->cte_subplan = id;
    p->startup = plan->startup_cost;
    p->total = plan->total_cost + (cpu_tuple_cost + filter_cost(p->filter)) * plan->rows;
}

void
base_rel_paths(Root *root, BaseRel *r, List *join_clauses)
{
    RangeEntry *e = r->entry;
    r->paths = list_new(root->arena);
    if (e->kind != RANGE_SUBQUERY && e->kind != RANGE_CTE)
        rel_size_estimate(root, r);
    Path *p;
    switch (e->kind) {
    case RANGE_RELATION: relation_paths(root, r, join_clauses); break;
    case RANGE_SUBQUERY: subquery_paths(root, r); break;
    case RANGE_CTE: cte_paths(root, r); break;
    case RANGE_FUNCTION:
        p = base_path(root, r, PATH_FUNCTION);
        p->total = (cpu_tuple_cost + filter_cost(p->filter)) * r->tuples;
        for (int i = 0; i < e->functions->count; i++) {
            RangeFunction *f = e->functions->items[i];
            f->call = outer_to_param(root, p, process_sublinks(root, f->call), p->rels);
        }
        break;
    case RANGE_VALUES:
        p = base_path(root, r, PATH_VALUES);
        p->total = (cpu_tuple_cost + filter_cost(p->filter)) * r->tuples;
        for (int i = 0; i < e->values->count; i++) {
            ListNode *row = e->values->items[i];
            for (int c = 0; c < row->list->count; c++)
                row->list->items[c] = outer_to_param(root, p, process_sublinks(root, row->list->items[c]), p->rels);
        }
        break;
    default:
        p = base_path(root, r, PATH_RESULT);
        p->total = cpu_tuple_cost;
        break;
    }
}

static void
find_base(Root *root, const void *n)
{
    if (IS(n, FromNode)) {
        const FromNode *f = n;
        for (int i = 0; i < f->items->count; i++)
            find_base(root, f->items->items[i]);
        return;
    }
    if (IS(n, JoinNode)) {
        find_base(root, ((const JoinNode *)n)->left);
        find_base(root, ((const JoinNode *)n)->right);
        return;
    }
    int rel = ((const RangeRef *)n)->rel;
    BaseRel *b = ARENA_NEW(root->arena, BaseRel);
    b->rel = rel;
    b->entry = list_at(root->q->range_table, rel - 1);
    b->clauses = list_new(root->arena);
    if (b->entry->kind == RANGE_RELATION) {
        b->desc = rel_cached(b->entry->rel);
        if (!ints_has(root->g->relations, b->entry->rel))
            ints_push(root->g->relations, b->entry->rel);
    }
    root->rels[rel] = b;
}

void
build_base_rels(Root *root)
{
    int n = root->q->range_table->count;
    if (n > 63)
        RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "more than 63 range table entries in one query level are not supported");
    root->rels = ARENA_ARRAY(root->arena, BaseRel *, n + 2);
    collect_needed(root);
    find_base(root, root->q->join_tree);
}
