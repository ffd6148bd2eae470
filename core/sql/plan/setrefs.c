/*
 * The last step: Vars that name range table entries become positions: VAR_SCAN in scans, VAR_OUTER and
 * VAR_INNER above. An expression that a child already computes is taken from there as a whole. Scans' rel
 * numbers move to the flattened range table.
 */
#include "core/sql/plan/plan_internal.h"

typedef struct Fix {
    Root *root;
    const Plan *outer, *inner; /* children to look in; NULL: none */
    int scan_rel;              /* level-0 Vars of this relation are VAR_SCAN */
    int inner_rel;             /* ON CONFLICT: the excluded row's relation */
    bool no_rows;              /* nothing is ever computed here: columns are nulls of their type */
    bool keep_aggs;            /* Aggref stays (the Agg node itself); its arguments are fixed */
} Fix;

static int
find_in(const Plan *p, const void *n)
{
    for (int i = 0; p && i < p->targets->count; i++)
        if (node_equal(((TargetEntry *)p->targets->items[i])->expr, n))
            return i + 1;
    return 0;
}

static void *
position(Fix *f, const Expr *e, int side, int column)
{
    Var *v = node_new(f->root->arena, Var);
    v->expr = *e;
    v->expr.tag = TAG_Var;
    v->rel = side;
    v->attno = column;
    if (e->tag == TAG_Var) {
        v->orig_rel = ((const Var *)e)->orig_rel;
        v->orig_attno = ((const Var *)e)->orig_attno;
    }
    return v;
}

static void *
fix(void *n, void *arg)
{
    Fix *f = arg;
    if (n == NULL)
        return NULL;
    if (node_is_expr(n) && !IS(n, Const) && !IS(n, Param)) {
        if (IS(n, Var) && ((Var *)n)->rel < 0)
            return n;
        int c = find_in(f->outer, n);
        if (c)
            return position(f, n, VAR_OUTER, c);
        c = find_in(f->inner, n);
        if (c)
            return position(f, n, VAR_INNER, c);
    }
    if (IS(n, Var)) {
        Var *v = n;
        if (f->scan_rel && v->rel == f->scan_rel)
            return position(f, n, VAR_SCAN, v->attno);
        if (f->inner_rel && v->rel == f->inner_rel)
            return position(f, n, VAR_INNER, v->attno);
        if (f->no_rows) {
            const TypeInfo *t = type_info(v->expr.type);
            Const *c = node_new(f->root->arena, Const);
            c->expr = v->expr;
            c->expr.tag = TAG_Const;
            c->isnull = true;
            c->byval = t->ops ? t->ops->byval : t->byval;
            c->len = t->ops ? t->ops->len : t->typlen;
            return c;
        }
        INTERNAL_ERROR("variable %d.%d not found in subplan target list", v->rel, v->attno);
    }
    return node_mutate_children(f->root->arena, n, fix, arg, false);
}

static List *
fix_exprs(Fix *f, List *l)
{
    if (l == NULL)
        return NULL;
    List *out = list_new(f->root->arena);
    for (int i = 0; i < l->count; i++)
        list_push(out, l->items[i] ? fix(l->items[i], f) : NULL);
    return out;
}

static List *
fix_targets(Fix *f, List *l)
{
    List *out = list_new(f->root->arena);
    for (int i = 0; i < list_count(l); i++) {
        TargetEntry *te = arena_memdup(f->root->arena, l->items[i], sizeof(TargetEntry));
        te->expr = fix(te->expr, f);
        list_push(out, te);
    }
    return out;
}

/* Original targets are needed by the parent's lookup, so fixing is in two steps: children are fixed after
 * their parent has looked at them. */
static void
fix_scan(Root *root, Plan *p, int *rel)
{
    Fix f = {.root = root, .scan_rel = *rel};
    p->targets = fix_targets(&f, p->targets);
    p->quals = fix_exprs(&f, p->quals);
    switch ((int)p->tag) {
    case PLAN_INDEX_SCAN: case PLAN_INDEX_ONLY_SCAN: case PLAN_BITMAP_SCAN: {
        IndexScanPlan *ix = (IndexScanPlan *)p;
        for (int i = 0; i < ix->conds->count; i++) {
            IndexCond *c = ix->conds->items[i];
            c->value = c->value ? fix(c->value, &f) : NULL;
        }
        ix->orig_conds = fix_exprs(&f, ix->orig_conds);
        break;
    }
    case PLAN_TID_SCAN: ((TidScanPlan *)p)->tids = fix_exprs(&f, ((TidScanPlan *)p)->tids); break;
    case PLAN_FUNCTION_SCAN:
    case PLAN_VALUES_SCAN:
    default: break;
    }
    *rel += root->rtable_offset;
}

static void
pass_through(Root *root, Plan *p)
{
    List *out = list_new(root->arena);
    for (int i = 0; i < p->targets->count; i++) {
        const TargetEntry *te = p->targets->items[i];
        TargetEntry *c = arena_memdup(root->arena, te, sizeof *te);
        Var *v = node_new(root->arena, Var);
        v->expr = *te->expr;
        v->expr.tag = TAG_Var;
        v->rel = VAR_OUTER;
        v->attno = i + 1;
        if (IS(te->expr, Var)) {
            v->orig_rel = ((Var *)te->expr)->orig_rel;
            v->orig_attno = ((Var *)te->expr)->orig_attno;
        }
        c->expr = &v->expr;
        list_push(out, c);
    }
    p->targets = out;
}

void
set_references(Root *root, Plan *p)
{
    if (p == NULL)
        return;
    CHECK_STACK();
    Fix f = {.root = root, .outer = p->left, .inner = p->right};
    switch ((int)p->tag) {
    case PLAN_SEQ_SCAN: case PLAN_INDEX_SCAN: case PLAN_INDEX_ONLY_SCAN: case PLAN_BITMAP_SCAN: case PLAN_TID_SCAN: case PLAN_SUBQUERY_SCAN:
    case PLAN_FUNCTION_SCAN: case PLAN_VALUES_SCAN: case PLAN_CTE_SCAN: case PLAN_WORKTABLE_SCAN:
        fix_scan(root, p, &((ScanPlan *)p)->rel);
        return;
    case PLAN_RESULT:
        if (p->left == NULL) {
            Fix none = {.root = root, .scan_rel = 0, .no_rows = ((ResultPlan *)p)->no_rows};
            p->targets = fix_targets(&none, p->targets);
            ((ResultPlan *)p)->one_time_quals = fix_exprs(&none, ((ResultPlan *)p)->one_time_quals);
            return;
        }
        /* fallthrough */
    case PLAN_PROJECT_SET:
        p->targets = fix_targets(&f, p->targets);
        p->quals = fix_exprs(&f, p->quals);
        break;
    case PLAN_NEST_LOOP: case PLAN_HASH_JOIN: case PLAN_MERGE_JOIN: {
        JoinPlan *j = (JoinPlan *)p;
        p->targets = fix_targets(&f, p->targets);
        p->quals = fix_exprs(&f, p->quals);
        j->join_quals = fix_exprs(&f, j->join_quals);
        Fix of = {.root = root, .outer = p->left}, inf = {.root = root, .inner = p->right};
        j->nest_values = fix_exprs(&of, j->nest_values);
        j->hash_outer = fix_exprs(&of, j->hash_outer);
        j->hash_inner = fix_exprs(&inf, j->hash_inner);
        break;
    }
    case PLAN_AGG: {
        AggPlan *a = (AggPlan *)p;
        Fix in = {.root = root, .outer = p->left};
        List *fixed = list_new(root->arena);
        for (int i = 0; i < a->aggs->count; i++) /* arguments only: the child has no aggregate */
            list_push(fixed, node_mutate_children(root->arena, a->aggs->items[i], fix, &in, false));
        p->targets = fix_targets(&in, p->targets);
        p->quals = fix_exprs(&in, p->quals);
        a->aggs = fixed;
        break;
    }
    case PLAN_WINDOW: {
        WindowPlan *w = (WindowPlan *)p;
        Fix in = {.root = root, .outer = p->left};
        List *fixed = list_new(root->arena);
        for (int i = 0; i < w->funcs->count; i++)
            list_push(fixed, node_mutate_children(root->arena, w->funcs->items[i], fix, &in, false));
        /* own functions stay as WindowFunc nodes with their index; everything else is the child's */
        List *targets = list_new(root->arena);
        for (int i = 0; i < p->targets->count; i++) {
            TargetEntry *te = arena_memdup(root->arena, p->targets->items[i], sizeof(TargetEntry));
            bool own = false;
            for (int k = 0; k < w->funcs->count && !own; k++)
                own = w->funcs->items[k] == (void *)te->expr;
            te->expr = own ? node_mutate_children(root->arena, te->expr, fix, &in, false) : fix(te->expr, &in);
            list_push(targets, te);
        }
        p->targets = targets;
        w->funcs = fixed;
        w->start_offset = w->start_offset ? fix(w->start_offset, &in) : NULL;
        w->end_offset = w->end_offset ? fix(w->end_offset, &in) : NULL;
        break;
    }
    case PLAN_SORT: case PLAN_INCREMENTAL_SORT: case PLAN_UNIQUE: case PLAN_MATERIAL: case PLAN_LIMIT: case PLAN_GROUP:
        pass_through(root, p);
        break;
    case PLAN_LOCK_ROWS: {
        LockRowsPlan *l = (LockRowsPlan *)p;
        for (int i = 0; i < l->marks->count; i++)
            ((PlanRowMark *)l->marks->items[i])->rel += root->rtable_offset;
        pass_through(root, p);
        break;
    }
    case PLAN_APPEND: return; /* children are fixed levels of their own, targets are positions already */
    case PLAN_SETOP: return;
    case PLAN_RECURSIVE_UNION: return;
    case PLAN_MODIFY_TABLE: {
        ModifyPlan *m = (ModifyPlan *)p;
        Fix r = {.root = root, .scan_rel = m->rel};
        /* the target's own columns come from the row, others from the child */
        List *returning = list_new(root->arena);
        Plan others = *p->left;
        others.targets = list_new(root->arena);
        for (int i = 0; i < p->left->targets->count; i++) {
            TargetEntry *te = p->left->targets->items[i];
            bool own = !IS(te->expr, Var) || ((Var *)te->expr)->rel == m->rel;
            list_push(others.targets, own ? tle(root->arena, (Expr *)node_new(root->arena, SetToDefault), i + 1, NULL) : te);
        }
        r.outer = &others;
        for (int i = 0; i < list_count(m->returning); i++) {
            TargetEntry *te = arena_memdup(root->arena, m->returning->items[i], sizeof(TargetEntry));
            te->expr = fix(te->expr, &r);
            list_push(returning, te);
        }
        m->returning = m->returning ? returning : NULL;
        p->targets = returning;
        if (m->on_conflict) {
            Fix oc = {.root = root, .scan_rel = m->rel, .inner_rel = m->on_conflict->excluded_rel};
            m->on_conflict->set = fix_targets(&oc, m->on_conflict->set);
            m->on_conflict->where = m->on_conflict->where ? fix(m->on_conflict->where, &oc) : NULL;
        }
        m->rel += root->rtable_offset;
        break;
    }
    default: INTERNAL_ERROR("unrecognized plan node: %d", (int)p->tag);
    }
    set_references(root, p->left);
    set_references(root, p->right);
}
