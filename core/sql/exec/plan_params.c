/*
 * Which executor parameters a plan depends on: those its expressions, its children's and its subplans'
 * read, less those set inside it. A node keeps what it has computed (a hash table, a sorted set, an init
 * plan's value) for as long as none of them changes.
 */
#include "core/sql/exec/exec_internal.h"

typedef struct Collect { Exec *x; IntList *read, *set; } Collect;

static void collect_plan(Collect *c, const Plan *p);

static void
add(IntList *l, int64_t v)
{
    if (!ints_has(l, v))
        ints_push(l, v);
}

static void
add_plan(Collect *c, int subplan)
{
    const IntList *inner;

    if (subplan < 0 || subplan >= list_count(c->x->p->subplans))
        return;
    inner = plan_params(c->x, list_at(c->x->p->subplans, subplan));
    for (int i = 0; i < ints_count(inner); i++)
        add(c->read, inner->items[i]);
}

static bool
collect_expr(void *node, void *arg)
{
    Collect *c = arg;

    if (IS(node, Param)) {
        if (((Param *)node)->kind == PARAM_EXEC)
            add(c->read, ((Param *)node)->id);
        return false;
    }
    if (IS(node, SubPlanRef)) {
        const SubPlanRef *r = node;
        for (int i = 0; i < ints_count(r->params); i++)
            add(c->set, r->params->items[i]);
        for (int i = 0; i < ints_count(r->result_params); i++)
            add(c->set, r->result_params->items[i]);
        add_plan(c, r->plan);
    }
    return node_walk_children(node, collect_expr, arg, false);
}

static void
collect_list(Collect *c, const List *l)
{
    for (int i = 0; i < list_count(l); i++)
        if (list_at(l, i))
            collect_expr(list_at(l, i), c);
}

static void
collect_one(Collect *c, const void *e)
{
    if (e)
        collect_expr((void *)e, c);
}

static void
collect_own(Collect *c, const Plan *p)
{
    switch ((PlanTag)p->tag) {
    case PLAN_RESULT:
        collect_list(c, ((const ResultPlan *)p)->one_time_quals);
        break;
    case PLAN_INDEX_SCAN:
    case PLAN_INDEX_ONLY_SCAN:
    case PLAN_BITMAP_SCAN: {
        const IndexScanPlan *s = (const IndexScanPlan *)p;
        for (int i = 0; i < list_count(s->conds); i++)
            collect_one(c, ((const IndexCond *)list_at(s->conds, i))->value);
        collect_list(c, s->orig_conds);
        break;
    }
    case PLAN_TID_SCAN:
        collect_list(c, ((const TidScanPlan *)p)->tids);
        break;
    case PLAN_SUBQUERY_SCAN:
        collect_plan(c, ((const SubqueryScanPlan *)p)->subplan);
        break;
    case PLAN_FUNCTION_SCAN:
        collect_list(c, ((const FunctionScanPlan *)p)->functions);
        break;
    case PLAN_VALUES_SCAN:
        collect_list(c, ((const ValuesScanPlan *)p)->rows);
        break;
    case PLAN_CTE_SCAN:
        add_plan(c, ((const CteScanPlan *)p)->subplan);
        break;
    case PLAN_WORKTABLE_SCAN:
        add(c->read, ((const CteScanPlan *)p)->param);
        break;
    case PLAN_NEST_LOOP:
    case PLAN_HASH_JOIN:
    case PLAN_MERGE_JOIN: {
        const JoinPlan *j = (const JoinPlan *)p;
        collect_list(c, j->join_quals);
        collect_list(c, j->nest_values);
        collect_list(c, j->hash_outer);
        collect_list(c, j->hash_inner);
        for (int i = 0; i < ints_count(j->nest_params); i++)
            add(c->set, j->nest_params->items[i]);
        break;
    }
    case PLAN_AGG:
        collect_list(c, ((const AggPlan *)p)->aggs);
        break;
    case PLAN_WINDOW:
        collect_list(c, ((const WindowPlan *)p)->funcs);
        collect_one(c, ((const WindowPlan *)p)->start_offset);
        collect_one(c, ((const WindowPlan *)p)->end_offset);
        break;
    case PLAN_LIMIT:
        collect_one(c, ((const LimitPlan *)p)->offset);
        collect_one(c, ((const LimitPlan *)p)->count);
        break;
    case PLAN_APPEND:
    case PLAN_MERGE_APPEND: {
        const AppendPlan *a = (const AppendPlan *)p;
        for (int i = 0; i < list_count(a->children); i++)
            collect_plan(c, list_at(a->children, i));
        break;
    }
    case PLAN_RECURSIVE_UNION:
        add(c->set, ((const RecursiveUnionPlan *)p)->worktable_param);
        break;
    case PLAN_MODIFY_TABLE:
        collect_list(c, ((const ModifyPlan *)p)->returning);
        break;
    default:
        break;
    }
}

static void
collect_plan(Collect *c, const Plan *p)
{
    if (p == NULL)
        return;
    collect_list(c, p->targets);
    collect_list(c, p->quals);
    collect_own(c, p);
    collect_plan(c, p->left);
    collect_plan(c, p->right);
    for (int i = 0; i < ints_count(p->init_plans); i++)
        add_plan(c, (int)p->init_plans->items[i]);
}

const IntList *
plan_params(Exec *x, const Plan *p)
{
    for (int i = 0; i < x->nplan_params; i++)
        if (x->plan_params[i].plan == p)
            return x->plan_params[i].ids;
    IntList *out = ints_new(x->arena);
    int at = x->nplan_params++;
    if (at == x->plan_params_cap) {
        int cap = MAX(8, at * 2);
        struct PlanParams *more = arena_alloc0(x->arena, sizeof(*more) * (size_t)cap);
        if (at)
            memcpy(more, x->plan_params, sizeof(*more) * (size_t)at);
        x->plan_params = more;
        x->plan_params_cap = cap;
    }
    /* Entered before it is complete: a recursive CTE refers to itself. */
    x->plan_params[at].plan = p;
    x->plan_params[at].ids = out;
    Collect c = {x, ints_new(x->arena), ints_new(x->arena)};
    collect_plan(&c, p);
    for (int i = 0; i < c.read->count; i++)
        if (!ints_has(c.set, c.read->items[i]))
            ints_push(out, c.read->items[i]);
    return out;
}

uint64_t
plan_stamp(Exec *x, const Plan *p)
{
    const IntList *ids = plan_params(x, p);
    uint64_t stamp = x->run_id << 32;

    for (int i = 0; i < ints_count(ids); i++)
        stamp += x->params[ids->items[i]].version;
    return stamp;
}
