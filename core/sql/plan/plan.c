/*
 * The planner's entry: one Query to one PlannedStmt.
 */
#include "core/sql/plan/plan_internal.h"

typedef struct Number { int next; } Number;

static void
number_plans(Plan *p, Number *n)
{
    if (p == NULL)
        return;
    p->id = n->next++;
    number_plans(p->left, n);
    number_plans(p->right, n);
    if ((int)p->tag == PLAN_SUBQUERY_SCAN)
        number_plans(((SubqueryScanPlan *)p)->subplan, n);
    if ((int)p->tag == PLAN_APPEND)
        for (int i = 0; i < ((AppendPlan *)p)->children->count; i++)
            number_plans(((AppendPlan *)p)->children->items[i], n);
}

PlannedStmt *
plan_query(Arena *a, Query *q, const ParamValues *params, int cursor_options)
{
    (void)cursor_options;
    Global *g = ARENA_NEW(a, Global);
    g->arena = a;
    g->params = params;
    g->range_table = list_new(a);
    g->subplans = list_new(a);
    g->subplan_roots = list_new(a);
    g->relations = ints_new(a);
    g->modifying_ids = ints_new(a);

    Query *copy = node_copy(a, q);
    Root *root = root_new(g, NULL, copy);
    Plan *top = plan_query_level(root);
    set_references(root, top);
    for (int i = 0; i < g->subplans->count; i++)
        if (g->subplan_roots->items[i])
            set_references(g->subplan_roots->items[i], g->subplans->items[i]);

    PlannedStmt *p = ARENA_NEW(a, PlannedStmt);
    p->command = q->command;
    p->has_returning = q->returning != NULL;
    p->has_modifying_cte = q->has_modifying_cte;
    p->can_set_tag = q->can_set_tag;
    p->plan = top;
    p->range_table = g->range_table;
    p->subplans = g->subplans;
    p->param_exec_count = g->param_exec_count;
    p->relations = g->relations;
    p->arena = a;
    p->stmt_location = q->stmt_location;
    p->stmt_len = q->stmt_len;
    p->query = q;
    p->modifying_ctes = list_new(a);
    for (int i = 0; i < g->modifying_ids->count; i++)
        list_push(p->modifying_ctes, (void *)(intptr_t)g->modifying_ids->items[i]);
    Number n = {0};
    number_plans(top, &n);
    for (int i = 0; i < g->subplans->count; i++)
        number_plans(g->subplans->items[i], &n);
    p->plan_count = n.next;
    return p;
}
