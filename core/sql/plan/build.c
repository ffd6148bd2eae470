/*
 * From the chosen paths to plan nodes. Expressions still name range table entries; setrefs.c resolves them.
 */
#include "core/sql/plan/plan_internal.h"

static int
width_of(const List *targets)
{
    int w = 0;
    for (int i = 0; i < list_count(targets); i++) {
        Expr *e = ((TargetEntry *)targets->items[i])->expr;
        w += type_width(e->type, e->typmod);
    }
    return w;
}

static void
finish(Plan *p, const Path *path)
{
    plan_cost(p, path->startup, path->total, path->rows, width_of(p->targets));
}

static void
scan_targets(Root *root, Plan *p, int rel)
{
    List *needed = root->base_needed->items[rel];
    for (int i = 0; i < needed->count; i++)
        list_push(p->targets, tle(root->arena, needed->items[i], i + 1, NULL));
}

static Plan *
build_scan(Root *root, Path *path)
{
    ScanPlan *s = NULL;
    switch (path->kind) {
    case PATH_SEQ: s = PLAN_NEW(root, PLAN_SEQ_SCAN, ScanPlan); break;
    case PATH_INDEX: {
        IndexScanPlan *ix = PLAN_NEW(root, path->bitmap ? PLAN_BITMAP_SCAN : path->index_only ? PLAN_INDEX_ONLY_SCAN : PLAN_INDEX_SCAN, IndexScanPlan);
        ix->index = path->index_oid;
        ix->backward = path->backward;
        ix->conds = path->conds;
        ix->orig_conds = path->orig_conds;
        ix->recheck = path->bitmap;
        ix->index_columns = ints_new(root->arena);
        for (int k = 0; k < path->index->ncolumns; k++)
            ints_push(ix->index_columns, path->index->attnums[k]);
        s = &ix->s;
        break;
    }
    case PATH_TID: {
        TidScanPlan *t = PLAN_NEW(root, PLAN_TID_SCAN, TidScanPlan);
        t->tids = path->tids;
        s = &t->s;
        break;
    }
    case PATH_SUBQUERY: {
        SubqueryScanPlan *q = PLAN_NEW(root, PLAN_SUBQUERY_SCAN, SubqueryScanPlan);
        q->subplan = path->subplan;
        set_references(path->subroot, q->subplan);
        s = &q->s;
        break;
    }
    case PATH_FUNCTION: {
        FunctionScanPlan *f = PLAN_NEW(root, PLAN_FUNCTION_SCAN, FunctionScanPlan);
        f->functions = path->base->entry->functions;
        f->with_ordinality = path->base->entry->with_ordinality;
        s = &f->s;
        break;
    }
    case PATH_VALUES: {
        ValuesScanPlan *v = PLAN_NEW(root, PLAN_VALUES_SCAN, ValuesScanPlan);
        v->rows = path->base->entry->values;
        s = &v->s;
        break;
    }
    case PATH_CTE: {
        CteScanPlan *c = PLAN_NEW(root, path->cte_subplan < 0 ? PLAN_WORKTABLE_SCAN : PLAN_CTE_SCAN, CteScanPlan);
        c->subplan = path->cte_subplan;
        c->param = path->cte_param;
        s = &c->s;
        break;
    }
    default: INTERNAL_ERROR("unexpected path kind %d", (int)path->kind);
    }
    s->rel = path->base->rel;
    scan_targets(root, &s->p, s->rel);
    list_concat(s->p.quals, path->filter);
    finish(&s->p, path);
    return &s->p;
}

static Plan *
build_result(Root *root, Path *path)
{
    ResultPlan *r = PLAN_NEW(root, PLAN_RESULT, ResultPlan);
    r->one_time_quals = path->filter;
    r->no_rows = path->no_rows;
    if (path->base)
        scan_targets(root, &r->p, path->base->rel);
    for (int rel = 1; path->no_rows && rel <= root->q->range_table->count; rel++)
        if (path->rels & REL_BIT(rel))
            scan_targets(root, &r->p, rel);
    finish(&r->p, path);
    return &r->p;
}

static void
join_targets(Root *root, Plan *p, const Plan *l, const Plan *r, int kind)
{
    for (int side = 0; side < 2; side++) {
        const Plan *c = side ? r : l;
        if (side == 1 && (kind == JOIN_SEMI || kind == JOIN_ANTI))
            continue;
        for (int i = 0; i < c->targets->count; i++) {
            TargetEntry *te = c->targets->items[i];
            list_push(p->targets, tle(root->arena, te->expr, p->targets->count + 1, NULL));
        }
    }
}

static Plan *
build_material(Root *root, Plan *child)
{
    Plan *m = plan_new(root, PLAN_MATERIAL, sizeof(Plan));
    m->left = child;
    m->targets = child->targets;
    plan_cost(m, child->startup_cost, child->total_cost + 2 * cpu_operator_cost * child->rows, child->rows, child->width);
    return m;
}

static Plan *
build_join(Root *root, Path *path)
{
    JoinPlan *j = PLAN_NEW(root, path->kind == PATH_HASH ? PLAN_HASH_JOIN : PLAN_NEST_LOOP, JoinPlan);
    j->join_kind = path->join_kind;
    j->p.left = build_plan(root, path->outer);
    j->p.right = build_plan(root, path->inner);
    if (path->kind == PATH_NESTLOOP && path->materialize_inner)
        j->p.right = build_material(root, j->p.right);
    j->join_quals = path->join_quals;
    if (path->other_quals)
        list_concat(j->p.quals, path->other_quals);
    j->inner_unique = path->inner_unique;
    join_targets(root, &j->p, j->p.left, j->p.right, path->join_kind);
    if (path->kind == PATH_NESTLOOP) {
        j->nest_params = ints_new(root->arena);
        j->nest_values = list_new(root->arena);
        for (int i = 0; i < list_count(path->inner->param_values); i++) {
            Expr *v = path->inner->param_values->items[i];
            if ((expr_rels(v) & ~path->outer->rels) == 0 && expr_rels(v) != 0) {
                ints_push(j->nest_params, path->inner->param_ids->items[i]);
                list_push(j->nest_values, v);
            }
        }
    } else {
        j->hash_outer = list_new(root->arena);
        j->hash_inner = list_new(root->arena);
        j->hash_ops = ints_new(root->arena);
        j->hash_collations = ints_new(root->arena);
        for (int i = 0; i < path->hash_clauses->count; i++) {
            Clause *c = path->hash_clauses->items[i];
            bool straight = (c->left_rels & ~path->outer->rels) == 0;
            list_push(j->hash_outer, straight ? c->left : c->right);
            list_push(j->hash_inner, straight ? c->right : c->left);
            ints_push(j->hash_ops, straight ? c->op : c->eq_op_swapped);
            ints_push(j->hash_collations, ((OpCall *)c->expr)->input_collation);
        }
    }
    finish(&j->p, path);
    return &j->p;
}

Plan *
build_plan(Root *root, Path *p)
{
    switch (p->kind) {
    case PATH_NESTLOOP: case PATH_HASH: return build_join(root, p);
    case PATH_RESULT: return build_result(root, p);
    default: return build_scan(root, p);
    }
}
