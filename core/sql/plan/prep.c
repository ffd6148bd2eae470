/*
 * Preparation of a query for planning: flattening, constant folding, outer joins that conditions above
 * turn into inner ones.
 */
#include "core/sql/plan/plan_internal.h"

List *
flatten_and(Arena *a, Expr *e, List *out)
{
    if (out == NULL)
        out = list_new(a);
    if (e == NULL)
        return out;
    if (IS(e, BoolExpr) && ((BoolExpr *)e)->kind == BOOL_AND) {
        for (int i = 0; i < ((BoolExpr *)e)->args->count; i++)
            flatten_and(a, ((BoolExpr *)e)->args->items[i], out);
        return out;
    }
    if (IS(e, Const) && !((Const *)e)->isnull && e->type == BOOL_OID && ((Const *)e)->value)
        return out;
    list_push(out, e);
    return out;
}

Expr *
make_and(Arena *a, const List *quals)
{
    if (list_count(quals) == 0)
        return NULL;
    if (quals->count == 1)
        return quals->items[0];
    BoolExpr *b = node_new(a, BoolExpr);
    b->kind = BOOL_AND;
    b->args = list_new(a);
    list_concat(b->args, quals);
    b->expr.type = BOOL_OID;
    return &b->expr;
}

/* What OR branches have in common can be tested first: (a AND b) OR (a AND c) -> a AND (b OR c). */
static Expr *
factor_or(Arena *a, Expr *e)
{
    if (!IS(e, BoolExpr) || ((BoolExpr *)e)->kind != BOOL_OR)
        return e;
    BoolExpr *b = (BoolExpr *)e;
    List *common = flatten_and(a, b->args->items[0], NULL), *shared = list_new(a);
    for (int i = 0; i < common->count; i++) {
        bool in_all = true;
        for (int k = 1; k < b->args->count && in_all; k++) {
            List *arm = flatten_and(a, b->args->items[k], NULL);
            bool found = false;
            for (int m = 0; m < arm->count; m++)
                found |= node_equal(arm->items[m], common->items[i]);
            in_all = found;
        }
        if (in_all && !is_volatile(common->items[i]))
            list_push(shared, common->items[i]);
    }
    if (shared->count == 0)
        return e;
    BoolExpr *rest = node_new(a, BoolExpr);
    rest->kind = BOOL_OR;
    rest->args = list_new(a);
    rest->expr.type = BOOL_OID;
    for (int k = 0; k < b->args->count; k++) {
        List *arm = flatten_and(a, b->args->items[k], NULL), *left = list_new(a);
        for (int m = 0; m < arm->count; m++) {
            bool is_shared = false;
            for (int i = 0; i < shared->count; i++)
                is_shared |= node_equal(arm->items[m], shared->items[i]);
            if (!is_shared)
                list_push(left, arm->items[m]);
        }
        if (left->count == 0) /* this arm is just the common part: the OR adds nothing */
            return make_and(a, shared);
        list_push(rest->args, make_and(a, left));
    }
    list_push(shared, rest);
    return make_and(a, shared);
}

Expr *
prep_expr(Root *root, Expr *e)
{
    return fold_expr(root->arena, e, root->g->params);
}

static Expr *
prep_qual(Root *root, Expr *e)
{
    if (e == NULL)
        return NULL;
    List *parts = flatten_and(root->arena, prep_expr(root, e), NULL), *out = list_new(root->arena);
    for (int i = 0; i < parts->count; i++)
        flatten_and(root->arena, factor_or(root->arena, parts->items[i]), out);
    return make_and(root->arena, out);
}

static void
prep_targets(Root *root, List *targets)
{
    for (int i = 0; i < list_count(targets); i++) {
        TargetEntry *te = targets->items[i];
        te->expr = prep_expr(root, te->expr);
    }
}

static void
prep_join_tree(Root *root, void *n)
{
    if (IS(n, FromNode)) {
        FromNode *f = n;
        for (int i = 0; i < f->items->count; i++)
            prep_join_tree(root, f->items->items[i]);
        f->quals = prep_qual(root, f->quals);
    } else if (IS(n, JoinNode)) {
        JoinNode *j = n;
        prep_join_tree(root, j->left);
        prep_join_tree(root, j->right);
        j->quals = prep_qual(root, j->quals);
    }
}

/* ---- outer joins made inner: a strict condition above rejects the null-extended rows ---- */

static RelSet
tree_rels(void *n)
{
    if (IS(n, RangeRef))
        return REL_BIT(((RangeRef *)n)->rel);
    RelSet s = 0;
    if (IS(n, FromNode))
        for (int i = 0; i < ((FromNode *)n)->items->count; i++)
            s |= tree_rels(((FromNode *)n)->items->items[i]);
    else
        s = tree_rels(((JoinNode *)n)->left) | tree_rels(((JoinNode *)n)->right);
    return s;
}

static bool
rejects_nulls(const List *quals, RelSet rels)
{
    for (int i = 0; i < list_count(quals); i++)
        if (is_strict_for(quals->items[i], rels))
            return true;
    return false;
}

static void
reduce_outer(Root *root, void *n, List *above)
{
    if (IS(n, FromNode)) {
        FromNode *f = n;
        List *here = list_new(root->arena);
        list_concat(here, above);
        flatten_and(root->arena, f->quals, here);
        for (int i = 0; i < f->items->count; i++)
            reduce_outer(root, f->items->items[i], here);
        return;
    }
    if (!IS(n, JoinNode))
        return;
    JoinNode *j = n;
    RelSet l = tree_rels(j->left), r = tree_rels(j->right);
    if ((j->kind == JOIN_LEFT || j->kind == JOIN_FULL) && rejects_nulls(above, r))
        j->kind = j->kind == JOIN_LEFT ? JOIN_INNER : JOIN_RIGHT;
    if ((j->kind == JOIN_RIGHT || j->kind == JOIN_FULL) && rejects_nulls(above, l))
        j->kind = j->kind == JOIN_RIGHT ? JOIN_INNER : JOIN_LEFT;
    List *with_quals = list_new(root->arena), *empty = list_new(root->arena);
    list_concat(with_quals, above);
    flatten_and(root->arena, j->quals, with_quals);
    List *own = flatten_and(root->arena, j->quals, NULL);
    switch (j->kind) {
    case JOIN_INNER: case JOIN_SEMI:
        reduce_outer(root, j->left, with_quals);
        reduce_outer(root, j->right, with_quals);
        break;
    case JOIN_LEFT: case JOIN_ANTI:
        reduce_outer(root, j->left, above);
        reduce_outer(root, j->right, own);
        break;
    case JOIN_RIGHT:
        reduce_outer(root, j->left, own);
        reduce_outer(root, j->right, above);
        break;
    default:
        reduce_outer(root, j->left, empty);
        reduce_outer(root, j->right, empty);
        break;
    }
}

/* A join tree without outer joins left is one list of relations and conditions. */
static void
flatten_inner(Root *root, void *n, FromNode *out, List *quals)
{
    if (IS(n, FromNode)) {
        FromNode *f = n;
        for (int i = 0; i < f->items->count; i++)
            flatten_inner(root, f->items->items[i], out, quals);
        flatten_and(root->arena, f->quals, quals);
        return;
    }
    if (IS(n, JoinNode)) {
        JoinNode *j = n;
        if (j->kind == JOIN_INNER) {
            flatten_inner(root, j->left, out, quals);
            flatten_inner(root, j->right, out, quals);
            flatten_and(root->arena, j->quals, quals);
            return;
        }
        for (int side = 0; side < 2; side++) {
            void **child = side ? (void **)&j->right : (void **)&j->left;
            FromNode *f = node_new(root->arena, FromNode);
            f->items = list_new(root->arena);
            List *q = list_new(root->arena);
            flatten_inner(root, *child, f, q);
            f->quals = make_and(root->arena, q);
            *child = f;
        }
        if (j->kind == JOIN_RIGHT) { /* planned as a left join with sides swapped */
            Node *t = j->left;
            j->left = j->right;
            j->right = t;
            j->kind = JOIN_LEFT;
        }
    }
    list_push(out->items, n);
}

void
prep_query(Root *root)
{
    Query *q = root->q;
    pull_up_sublinks(root);
    pull_up_subqueries(root);
    q = root->q;
    prep_targets(root, q->targets);
    prep_targets(root, q->returning);
    prep_join_tree(root, q->join_tree);
    q->having = prep_qual(root, q->having);
    q->limit_count = prep_expr(root, q->limit_count);
    q->limit_offset = prep_expr(root, q->limit_offset);
    if (q->on_conflict) {
        prep_targets(root, q->on_conflict->set);
        q->on_conflict->where = prep_expr(root, q->on_conflict->where);
    }
    for (int i = 0; i < list_count(q->windows); i++) {
        WindowClause *w = q->windows->items[i];
        w->start_offset = prep_expr(root, w->start_offset);
        w->end_offset = prep_expr(root, w->end_offset);
    }
    for (int i = 0; i < list_count(q->range_table); i++) {
        RangeEntry *e = q->range_table->items[i];
        if (e->kind == RANGE_FUNCTION)
            for (int k = 0; k < e->functions->count; k++) {
                RangeFunction *f = e->functions->items[k];
                f->call = prep_expr(root, f->call);
            }
        if (e->kind == RANGE_VALUES)
            for (int k = 0; k < e->values->count; k++) {
                List *row = ((ListNode *)e->values->items[k])->list;
                for (int c = 0; c < row->count; c++)
                    row->items[c] = prep_expr(root, row->items[c]);
            }
    }
    reduce_outer(root, q->join_tree, list_new(root->arena));
    FromNode *f = node_new(root->arena, FromNode);
    f->items = list_new(root->arena);
    List *quals = list_new(root->arena);
    flatten_inner(root, q->join_tree, f, quals);
    f->quals = make_and(root->arena, quals);
    q->join_tree = f;
}
