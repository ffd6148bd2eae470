/*
 * Flattening: EXISTS and IN subqueries of WHERE become semi and anti joins; simple subqueries and views in
 * FROM are merged into the query above, so that their tables take part in its join search.
 */
#include "core/sql/plan/plan_internal.h"

/* ---- moving a subquery's parts one level up into a longer range table ---- */

typedef struct Lift { Arena *a; int offset; int depth; } Lift;

static void *
lift(void *n, void *arg)
{
    Lift *l = arg;
    switch ((int)node_tag(n)) {
    case TAG_Var: {
        Var *v = node_copy(l->a, n);
        if (v->levels_up == l->depth) {
            if (v->rel > 0)
                v->rel += l->offset;
            if (v->orig_rel > 0)
                v->orig_rel += l->offset;
        } else if (v->levels_up > l->depth)
            v->levels_up--;
        return v;
    }
    case TAG_RangeRef: {
        RangeRef *r = node_copy(l->a, n);
        if (l->depth == 0)
            r->rel += l->offset;
        return r;
    }
    case TAG_Query: {
        l->depth++;
        void *c = node_mutate_children(l->a, n, lift, arg, true);
        l->depth--;
        return c;
    }
    default: break;
    }
    void *c = node_mutate_children(l->a, n, lift, arg, true);
    switch ((int)node_tag(c)) {
    case TAG_JoinNode:
        if (l->depth == 0 && ((JoinNode *)c)->rel)
            ((JoinNode *)c)->rel += l->offset;
        break;
    case TAG_CurrentOf: ((CurrentOf *)c)->rel += l->depth == 0 ? l->offset : 0; break;
    case TAG_RowMark: ((RowMark *)c)->rel += l->depth == 0 ? l->offset : 0; break;
    case TAG_Aggref:
        if (((Aggref *)c)->levels_up > l->depth)
            ((Aggref *)c)->levels_up--;
        break;
    case TAG_RangeEntry: {
        RangeEntry *e = c;
        if (e->kind == RANGE_CTE && e->cte_levels_up > l->depth)
            e->cte_levels_up--;
        break;
    }
    default: break;
    }
    return c;
}

/* Appends sub's range table to q's; returns the offset. */
static int
append_range_table(Arena *a, Query *q, Query *sub)
{
    int offset = q->range_table->count;
    Lift l = {a, offset, 0};
    for (int i = 0; i < list_count(sub->range_table); i++)
        list_push(q->range_table, lift(sub->range_table->items[i], &l));
    for (int i = 0; i < list_count(sub->row_marks); i++) {
        if (q->row_marks == NULL)
            q->row_marks = list_new(a);
        list_push(q->row_marks, lift(sub->row_marks->items[i], &l));
    }
    return offset;
}

/* ---- substituting a relation's columns by expressions ---- */

typedef struct Subst { Arena *a; int rel; List *exprs; int depth; } Subst;

static void *
raise_by(void *n, void *arg)
{
    Subst *s = arg; /* depth: how many levels */
    if (IS(n, Var)) {
        Var *v = node_copy(s->a, n);
        v->levels_up += s->depth;
        return v;
    }
    if (IS(n, SubLink)) /* an expression with a subquery inside may not move below another level */
        INTERNAL_ERROR("subquery cannot be moved");
    void *c = node_mutate_children(s->a, n, raise_by, arg, false);
    if (IS(c, Aggref))
        ((Aggref *)c)->levels_up += s->depth;
    return c;
}

static void *
substitute(void *n, void *arg)
{
    Subst *s = arg;
    if (IS(n, Var)) {
        Var *v = n;
        if (v->levels_up != s->depth || v->rel != s->rel)
            return n;
        if (v->attno <= 0 || v->attno > s->exprs->count)
            INTERNAL_ERROR("attribute number %d not found in subquery targetlist", v->attno);
        Expr *e = s->exprs->items[v->attno - 1];
        return s->depth == 0 ? node_copy(s->a, e) : raise_by(e, s);
    }
    if (IS(n, Query)) {
        s->depth++;
        void *c = node_mutate_children(s->a, n, substitute, arg, true);
        s->depth--;
        return c;
    }
    return node_mutate_children(s->a, n, substitute, arg, true);
}

static void
substitute_query(Arena *a, Query *q, int rel, List *exprs)
{
    Subst s = {a, rel, exprs, -1};
    Query *c = substitute(q, &s);
    *q = *c;
}

/* ---- subqueries in FROM ---- */

static bool
has_sublink(void *n, void *arg)
{
    if (IS(n, SubLink))
        return true;
    return node_walk_children(n, has_sublink, arg, false);
}

static bool
is_simple(const Query *s)
{
    if (s->command != CMD_SELECT || s->set_ops || s->has_aggs || s->has_windows || s->has_srfs || s->group || s->grouping_sets || s->having || s->sort || s->distinct ||
        s->limit_count || s->limit_offset || s->row_marks || list_count(s->ctes) || s->has_modifying_cte)
        return false;
    if (s->join_tree->items->count == 0)
        return false;
    for (int i = 0; i < list_count(s->targets); i++) {
        TargetEntry *te = s->targets->items[i];
        if (is_volatile(te->expr) || has_sublink(te->expr, NULL))
            return false;
    }
    return true;
}

static bool
only_vars(const Query *s)
{
    for (int i = 0; i < list_count(s->targets); i++)
        if (!IS(((TargetEntry *)s->targets->items[i])->expr, Var))
            return false;
    return true;
}

static bool has_outer_var(void *n, void *arg);

/*
 * Merges one subquery at or below *slot; true if one was merged. Substitution copies the whole query, so the
 * walk starts anew after each. nullable: below an outer join that may null-extend this item.
 */
static bool
pull_one(Root *root, void **slot, bool nullable)
{
    Query *q = root->q;
    void *item = *slot;
    CHECK_STACK();
    if (IS(item, FromNode)) {
        FromNode *f = item;
        for (int i = 0; i < f->items->count; i++)
            if (pull_one(root, &f->items->items[i], nullable))
                return true;
        return false;
    }
    if (IS(item, JoinNode)) {
        JoinNode *j = item;
        return pull_one(root, (void **)&j->left, nullable || j->kind == JOIN_RIGHT || j->kind == JOIN_FULL) ||
               pull_one(root, (void **)&j->right, nullable || j->kind == JOIN_LEFT || j->kind == JOIN_FULL || j->kind == JOIN_ANTI);
    }
    int rel = ((RangeRef *)item)->rel;
    RangeEntry *e = list_at(q->range_table, rel - 1);
    if (e->kind != RANGE_SUBQUERY || e->subquery == NULL || e->security_barrier)
        return false;
    Query *sub = e->subquery;
    if (!is_simple(sub) || (nullable && (!only_vars(sub) || sub->join_tree->quals || sub->join_tree->items->count != 1)))
        return false;
    if (q->range_table->count + sub->range_table->count > 60)
        return false;
    int depth = 0;
    if (e->lateral && (nullable || node_walk_children(sub, has_outer_var, &depth, true)))
        return false;
    int offset = append_range_table(root->arena, q, sub);
    Lift l = {root->arena, offset, 0};
    FromNode *from = lift(sub->join_tree, &l);
    List *exprs = list_new(root->arena);
    for (int i = 0; i < sub->targets->count; i++) {
        TargetEntry *te = sub->targets->items[i];
        if (!te->junk)
            list_push(exprs, lift(te->expr, &l));
    }
    q->has_sublinks |= sub->has_sublinks;
    e->subquery = NULL; /* gone: its place in the range table serves the privilege check of its view */
    e->kind = RANGE_RESULT;
    *slot = nullable ? from->items->items[0] : (void *)from;
    substitute_query(root->arena, q, rel, exprs);
    return true;
}

void
pull_up_subqueries(Root *root)
{
    void *top;
    do
        top = root->q->join_tree;
    while (pull_one(root, &top, false));
}

/* ---- sublinks of WHERE ---- */

static bool
has_outer_var(void *n, void *arg)
{
    int *depth = arg;
    if (IS(n, Var))
        return ((Var *)n)->levels_up > *depth;
    if (IS(n, Aggref) && ((Aggref *)n)->levels_up > *depth)
        return true;
    if (IS(n, RangeEntry) && ((RangeEntry *)n)->kind == RANGE_CTE && ((RangeEntry *)n)->cte_levels_up > *depth)
        return false;
    if (IS(n, Query)) {
        (*depth)++;
        bool r = node_walk_children(n, has_outer_var, arg, true);
        (*depth)--;
        return r;
    }
    return node_walk_children(n, has_outer_var, arg, true);
}

static bool
refers_outside(void *n)
{
    int depth = 0;
    return n && (IS(n, Var) ? ((Var *)n)->levels_up > 0 : node_walk_children(n, has_outer_var, &depth, true));
}

typedef struct ParamToVar { Arena *a; int rel; } ParamToVar;

static void *
param_to_var(void *n, void *arg)
{
    ParamToVar *p = arg;
    if (IS(n, Param) && ((Param *)n)->kind == PARAM_SUBLINK) {
        Var *v = node_new(p->a, Var);
        v->expr = ((Param *)n)->expr;
        v->expr.tag = TAG_Var;
        v->rel = v->orig_rel = p->rel;
        v->attno = v->orig_attno = ((Param *)n)->id;
        return v;
    }
    return node_mutate_children(p->a, n, param_to_var, arg, false);
}

static JoinNode *
semi_join(Root *root, int kind, Node *right, Expr *quals)
{
    Query *q = root->q;
    FromNode *left = node_new(root->arena, FromNode);
    left->items = q->join_tree->items;
    JoinNode *j = node_new(root->arena, JoinNode);
    j->kind = kind;
    j->left = (Node *)left;
    j->right = right;
    j->quals = quals;
    return j;
}

static bool
pull_any(Root *root, SubLink *s)
{
    Query *q = root->q;
    int depth = 0;
    if (node_walk_children(s->subselect, has_outer_var, &depth, true) || is_volatile(s->test) || s->subselect->command != CMD_SELECT)
        return false;
    if (expr_rels(s->test) == 0 || refers_outside(s->test))
        return false;
    if (q->range_table->count >= 60)
        return false;
    RangeEntry *e = node_new(root->arena, RangeEntry);
    e->kind = RANGE_SUBQUERY;
    e->subquery = s->subselect;
    e->eref = "ANY_subquery";
    e->columns = list_new(root->arena);
    e->col_types = ints_new(root->arena);
    e->col_typmods = ints_new(root->arena);
    e->col_collations = ints_new(root->arena);
    for (int i = 0; i < s->subselect->targets->count; i++) {
        TargetEntry *te = s->subselect->targets->items[i];
        if (te->junk)
            continue;
        list_push(e->columns, te->name ? te->name : "?column?");
        ints_push(e->col_types, te->expr->type);
        ints_push(e->col_typmods, te->expr->typmod);
        ints_push(e->col_collations, te->expr->collation);
    }
    list_push(q->range_table, e);
    ParamToVar p = {root->arena, q->range_table->count};
    RangeRef *r = node_new(root->arena, RangeRef);
    r->rel = p.rel;
    JoinNode *j = semi_join(root, JOIN_SEMI, (Node *)r, param_to_var(s->test, &p));
    q->join_tree->items = list_new(root->arena);
    list_push(q->join_tree->items, j);
    return true;
}

static bool
pull_exists(Root *root, SubLink *s, bool negate)
{
    Query *q = root->q, *sub = s->subselect;
    if (sub->command != CMD_SELECT || sub->set_ops || sub->has_aggs || sub->has_windows || sub->group || sub->grouping_sets || sub->having || list_count(sub->ctes) ||
        sub->row_marks || sub->limit_offset || sub->has_srfs || sub->join_tree->items->count == 0 || sub->join_tree->quals == NULL)
        return false;
    if (sub->limit_count && !(IS(sub->limit_count, Const) && !((Const *)sub->limit_count)->isnull && (int64_t)((Const *)sub->limit_count)->value > 0))
        return false;
    if (q->range_table->count + sub->range_table->count > 60)
        return false;
    Expr *where = sub->join_tree->quals;
    if (!refers_outside(where) || is_volatile(where) || has_sublink(where, NULL))
        return false;
    int depth = 0;
    for (int i = 0; i < sub->join_tree->items->count; i++) {
        void *item = sub->join_tree->items->items[i];
        if (node_walk_children(item, has_outer_var, &depth, true))
            return false;
    }
    for (int i = 0; i < sub->range_table->count; i++)
        if (((RangeEntry *)sub->range_table->items[i])->kind != RANGE_JOIN && node_walk_children(sub->range_table->items[i], has_outer_var, &depth, true))
            return false;
    int offset = append_range_table(root->arena, q, sub);
    Lift l = {root->arena, offset, 0};
    Expr *quals = lift(where, &l);
    /* levels beyond this query would need the whole clause as a parameter: leave such subqueries alone */
    FromNode *right = node_new(root->arena, FromNode);
    right->items = list_new(root->arena);
    for (int i = 0; i < sub->join_tree->items->count; i++)
        list_push(right->items, lift(sub->join_tree->items->items[i], &l));
    JoinNode *j = semi_join(root, negate ? JOIN_ANTI : JOIN_SEMI, (Node *)right, quals);
    q->join_tree->items = list_new(root->arena);
    list_push(q->join_tree->items, j);
    return true;
}

void
pull_up_sublinks(Root *root)
{
    Query *q = root->q;
    if (!q->has_sublinks || q->join_tree->quals == NULL || q->join_tree->items->count == 0 || q->command == CMD_INSERT)
        return;
    List *quals = flatten_and(root->arena, q->join_tree->quals, NULL), *kept = list_new(root->arena);
    for (int i = 0; i < quals->count; i++) {
        Expr *e = quals->items[i];
        bool done = false, negate = false;
        Expr *x = e;
        if (IS(x, BoolExpr) && ((BoolExpr *)x)->kind == BOOL_NOT) {
            x = ((BoolExpr *)x)->args->items[0];
            negate = true;
        }
        if (IS(x, SubLink)) {
            SubLink *s = (SubLink *)x;
            if (s->kind == SUBLINK_EXISTS)
                done = pull_exists(root, s, negate);
            else if (s->kind == SUBLINK_ANY && !negate)
                done = pull_any(root, s);
        }
        if (!done)
            list_push(kept, e);
    }
    q->join_tree->quals = make_and(root->arena, kept);
}
