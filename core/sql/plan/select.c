/*
 * One query level: join tree, then grouping, windows, sets in the target list, DISTINCT, ORDER BY, LIMIT,
 * row locks, and the change of a table.
 */
#include <math.h>

#include "core/sql/plan/plan_internal.h"

Root *
root_new(Global *g, Root *parent, Query *q)
{
    Root *r = ARENA_NEW(g->arena, Root);
    r->g = g;
    r->arena = g->arena;
    r->parent = parent;
    r->q = q;
    r->init_plans = ints_new(g->arena);
    return r;
}

static void
add_relations(Root *root)
{
    Query *q = root->q;
    root->rtable_offset = root->g->range_table->count;
    for (int i = 0; i < list_count(q->range_table); i++) {
        RangeEntry *e = q->range_table->items[i];
        list_push(root->g->range_table, e);
        if (e->rel && !ints_has(root->g->relations, e->rel))
            ints_push(root->g->relations, e->rel);
    }
}

static List *
copy_targets(Root *root, const List *targets)
{
    List *out = list_new(root->arena);
    for (int i = 0; i < list_count(targets); i++) {
        const TargetEntry *te = targets->items[i];
        list_push(out, arena_memdup(root->arena, te, sizeof *te));
    }
    return out;
}

static int
targets_width(const List *targets)
{
    int w = 0;
    for (int i = 0; i < list_count(targets); i++)
        w += type_width(((TargetEntry *)targets->items[i])->expr->type, ((TargetEntry *)targets->items[i])->expr->typmod);
    return w;
}

int
column_of(const Plan *child, const Expr *e)
{
    for (int i = 0; i < child->targets->count; i++)
        if (node_equal(((TargetEntry *)child->targets->items[i])->expr, e))
            return i + 1;
    return 0;
}

/* Makes sure child delivers e; returns its column. */
static int
require_column(Root *root, Plan *child, Expr *e)
{
    int c = column_of(child, e);
    if (c)
        return c;
    TargetEntry *te = tle(root->arena, e, child->targets->count + 1, NULL);
    te->junk = true;
    list_push(child->targets, te);
    return te->resno;
}

static SortKey *
sort_key(Root *root, const SortClause *c, int column, const Expr *e)
{
    SortKey *k = ARENA_NEW(root->arena, SortKey);
    k->column = column;
    k->sort_op = c->sort_op;
    k->eq_op = c->eq_op;
    k->collation = e->collation;
    k->type = e->type;
    k->desc = c->desc;
    k->nulls_first = c->nulls_first;
    return k;
}

List *
sort_keys_for(Root *root, const List *clauses, const List *targets, const Plan *child)
{
    List *keys = list_new(root->arena);
    for (int i = 0; i < list_count(clauses); i++) {
        const SortClause *c = clauses->items[i];
        Expr *e = lookup_sort_ref(targets, c->ref);
        list_push(keys, sort_key(root, c, require_column(root, (Plan *)(uintptr_t)child, e), e));
    }
    return keys;
}

Plan *
make_sort(Root *root, Plan *child, List *keys, double bound)
{
    SortPlan *s = PLAN_NEW(root, PLAN_SORT, SortPlan);
    s->p.left = child;
    s->p.targets = child->targets;
    s->keys = keys;
    s->bound = bound;
    double cost = sort_cost(child->rows, child->width, bound);
    plan_cost(&s->p, child->total_cost + cost, child->total_cost + cost + cpu_operator_cost * child->rows + (enable_sort ? 0 : 1e10), child->rows, child->width);
    return &s->p;
}

/* A projecting node over child computing `targets`: the child itself if it can project. */
static bool
can_project(const Plan *p)
{
    switch ((int)p->tag) {
    case PLAN_SEQ_SCAN: case PLAN_INDEX_SCAN: case PLAN_INDEX_ONLY_SCAN: case PLAN_BITMAP_SCAN: case PLAN_TID_SCAN: case PLAN_SUBQUERY_SCAN:
    case PLAN_FUNCTION_SCAN: case PLAN_VALUES_SCAN: case PLAN_CTE_SCAN: case PLAN_WORKTABLE_SCAN: case PLAN_NEST_LOOP: case PLAN_HASH_JOIN:
    case PLAN_RESULT: case PLAN_AGG: case PLAN_WINDOW: return true;
    default: return false;
    }
}

static bool
same_targets(const List *a, const List *b)
{
    if (list_count(a) != list_count(b))
        return false;
    for (int i = 0; i < list_count(a); i++)
        if (!node_equal(((TargetEntry *)a->items[i])->expr, ((TargetEntry *)b->items[i])->expr))
            return false;
    return true;
}

static bool
any_srf(const List *targets)
{
    for (int i = 0; i < list_count(targets); i++)
        if (has_srf(((TargetEntry *)targets->items[i])->expr))
            return true;
    return false;
}

static Plan *
project(Root *root, Plan *child, List *targets)
{
    for (int i = 0; i < list_count(targets); i++)
        ((TargetEntry *)targets->items[i])->resno = i + 1;
    if (any_srf(targets)) {
        Plan *p = plan_new(root, PLAN_PROJECT_SET, sizeof(Plan));
        p->left = child;
        p->targets = targets;
        plan_cost(p, child->startup_cost, child->total_cost + cpu_tuple_cost * child->rows, child->rows * 10, targets_width(targets));
        return p;
    }
    if (same_targets(child->targets, targets) || can_project(child)) {
        child->targets = targets;
        child->width = targets_width(targets);
        return child;
    }
    ResultPlan *r = PLAN_NEW(root, PLAN_RESULT, ResultPlan);
    r->p.left = child;
    r->p.targets = targets;
    plan_cost(&r->p, child->startup_cost, child->total_cost + cpu_operator_cost * child->rows, child->rows, targets_width(targets));
    return &r->p;
}

/* ---- grouping ---- */

typedef struct AggCollect { Root *root; List *aggs; } AggCollect;

static bool
collect_aggs(void *n, void *arg)
{
    AggCollect *c = arg;
    if (IS(n, Aggref)) {
        if (((Aggref *)n)->levels_up == 0) {
            for (int i = 0; i < c->aggs->count; i++)
                if (node_equal(c->aggs->items[i], n)) {
                    ((Aggref *)n)->index = i;
                    return false;
                }
            ((Aggref *)n)->index = c->aggs->count;
            list_push(c->aggs, n);
        }
        return false;
    }
    return node_walk_children(n, collect_aggs, arg, false);
}

typedef struct Strip { Root *root; List *groups; List *out; } Strip;

/* What grouping needs from below: grouping expressions, and the Vars inside of aggregates' arguments. */
static bool
input_vars(void *n, void *arg)
{
    Strip *s = arg;
    for (int i = 0; i < s->groups->count; i++)
        if (node_is_expr(n) && node_equal(n, s->groups->items[i]))
            return false;
    if (IS(n, Var)) {
        if (((Var *)n)->levels_up == 0) {
            bool have = false;
            for (int i = 0; i < s->out->count && !have; i++)
                have = node_equal(s->out->items[i], n);
            if (!have)
                list_push(s->out, n);
        }
        return false;
    }
    return node_walk_children(n, input_vars, arg, false);
}

static Plan *
plan_grouping(Root *root, Plan *child, List *targets)
{
    Query *q = root->q;
    AggCollect c = {root, list_new(root->arena)};
    List *groups = list_new(root->arena);
    for (int i = 0; i < list_count(targets); i++)
        collect_aggs(((TargetEntry *)targets->items[i])->expr, &c);
    if (q->having)
        collect_aggs(q->having, &c);
    for (int i = 0; i < list_count(q->group); i++)
        list_push(groups, lookup_sort_ref(targets, ((SortClause *)q->group->items[i])->ref));
    /* input: grouping expressions, and every Var that aggregates or dependent columns use */
    List *input = list_new(root->arena);
    for (int i = 0; i < groups->count; i++)
        list_push(input, tle(root->arena, groups->items[i], i + 1, NULL));
    Strip st = {root, groups, list_new(root->arena)};
    for (int i = 0; i < list_count(targets); i++)
        input_vars(((TargetEntry *)targets->items[i])->expr, &st);
    if (q->having)
        input_vars(q->having, &st);
    for (int i = 0; i < st.out->count; i++) {
        bool have = false;
        for (int k = 0; k < input->count && !have; k++)
            have = node_equal(((TargetEntry *)input->items[k])->expr, st.out->items[i]);
        if (!have)
            list_push(input, tle(root->arena, st.out->items[i], input->count + 1, NULL));
    }
    child = project(root, child, input);

    AggPlan *a = PLAN_NEW(root, PLAN_AGG, AggPlan);
    bool hashable = groups->count > 0;
    a->keys = list_new(root->arena);
    double n_groups = 1;
    for (int i = 0; i < list_count(q->group); i++) {
        SortClause *g = q->group->items[i];
        Expr *e = groups->items[i];
        list_push(a->keys, sort_key(root, g, column_of(child, e), e));
        hashable = hashable && g->hashable;
        n_groups *= distinct_values(root, e, child->rows);
    }
    n_groups = MAX(1.0, MIN(n_groups, child->rows));
    if (list_count(q->grouping_sets)) {
        a->grouping_sets = list_new(root->arena);
        for (int i = 0; i < q->grouping_sets->count; i++) {
            GroupingSet *gs = q->grouping_sets->items[i];
            IntList *positions = ints_new(root->arena);
            for (int k = 0; k < ints_count(gs->refs); k++)
                for (int m = 0; m < q->group->count; m++)
                    if (((SortClause *)q->group->items[m])->ref == (int)gs->refs->items[k])
                        ints_push(positions, m);
            list_push(a->grouping_sets, positions);
        }
    }
    double work = cpu_operator_cost * (c.aggs->count + groups->count) * child->rows, startup;
    if (groups->count == 0 && a->grouping_sets == NULL)
        a->strategy = AGG_PLAIN;
    else if (hashable && (enable_hashagg || a->grouping_sets))
        a->strategy = AGG_HASHED;
    else if (a->grouping_sets)
        a->strategy = AGG_HASHED;
    else {
        a->strategy = AGG_SORTED;
        child = make_sort(root, child, a->keys, -1);
    }
    a->p.left = child;
    a->aggs = c.aggs;
    a->groups = n_groups;
    a->p.targets = targets;
    list_concat(a->p.quals, flatten_and(root->arena, q->having, NULL));
    startup = a->strategy == AGG_SORTED ? child->startup_cost : child->total_cost + work;
    plan_cost(&a->p, startup, child->total_cost + work + n_groups * cpu_tuple_cost, n_groups, targets_width(targets));
    return &a->p;
}

/* ---- windows ---- */

typedef struct WinCollect { List *funcs; int ref; } WinCollect;

static bool
collect_windows(void *n, void *arg)
{
    WinCollect *c = arg;
    if (IS(n, WindowFunc)) {
        if (((WindowFunc *)n)->window_ref == c->ref) {
            for (int i = 0; i < c->funcs->count; i++)
                if (node_equal(c->funcs->items[i], n)) {
                    ((WindowFunc *)n)->index = i;
                    return false;
                }
            ((WindowFunc *)n)->index = c->funcs->count;
            list_push(c->funcs, n);
        }
        return false;
    }
    return node_walk_children(n, collect_windows, arg, false);
}

/* Vars and aggregates: what windows get from below as it is. */
static bool
atoms_walk(void *n, void *arg)
{
    List *out = arg;
    if (IS(n, Var) || IS(n, Aggref) || IS(n, GroupingFunc)) {
        for (int i = 0; i < out->count; i++)
            if (node_equal(out->items[i], n))
                return false;
        list_push(out, n);
        return false;
    }
    return node_walk_children(n, atoms_walk, arg, false);
}

static void
window_inputs(Root *root, void *n, List *out)
{
    List *atoms = list_new(root->arena);
    atoms_walk(n, atoms);
    for (int i = 0; i < atoms->count; i++) {
        bool have = false;
        for (int k = 0; k < out->count && !have; k++)
            have = node_equal(((TargetEntry *)out->items[k])->expr, atoms->items[i]);
        if (!have)
            list_push(out, tle(root->arena, atoms->items[i], out->count + 1, NULL));
    }
}

static Plan *
plan_windows(Root *root, Plan *child, List *targets)
{
    Query *q = root->q;
    for (int w = 0; w < list_count(q->windows); w++) {
        WindowClause *wc = q->windows->items[w];
        WinCollect c = {list_new(root->arena), wc->ref};
        for (int i = 0; i < list_count(targets); i++)
            collect_windows(((TargetEntry *)targets->items[i])->expr, &c);
        if (c.funcs->count == 0)
            continue;
        List *sort = list_new(root->arena);
        list_concat(sort, wc->partition);
        for (int i = 0; i < list_count(wc->order); i++) {
            bool have = false;
            for (int k = 0; k < sort->count && !have; k++)
                have = ((SortClause *)sort->items[k])->ref == ((SortClause *)wc->order->items[i])->ref;
            if (!have)
                list_push(sort, wc->order->items[i]);
        }
        List *keys = sort_keys_for(root, sort, targets, child);
        if (keys->count)
            child = make_sort(root, child, keys, -1);
        WindowPlan *p = PLAN_NEW(root, PLAN_WINDOW, WindowPlan);
        p->p.left = child;
        p->partition = sort_keys_for(root, wc->partition, targets, child);
        p->order = sort_keys_for(root, wc->order, targets, child);
        p->frame_options = wc->frame_options;
        p->start_offset = wc->start_offset;
        p->end_offset = wc->end_offset;
        p->funcs = c.funcs;
        for (int i = 0; i < child->targets->count; i++)
            list_push(p->p.targets, tle(root->arena, ((TargetEntry *)child->targets->items[i])->expr, i + 1, NULL));
        for (int i = 0; i < c.funcs->count; i++)
            list_push(p->p.targets, tle(root->arena, c.funcs->items[i], p->p.targets->count + 1, NULL));
        plan_cost(&p->p, child->startup_cost, child->total_cost + child->rows * cpu_operator_cost * (c.funcs->count + keys->count), child->rows, targets_width(p->p.targets));
        child = &p->p;
    }
    return child;
}

/* ---- distinct ---- */

static Plan *
plan_distinct(Root *root, Plan *child, const List *targets, bool *sorted)
{
    Query *q = root->q;
    bool hashable = !q->has_distinct_on;
    double groups = 1;
    for (int i = 0; i < q->distinct->count; i++) {
        SortClause *c = q->distinct->items[i];
        hashable = hashable && c->hashable;
        groups *= distinct_values(root, lookup_sort_ref(targets, c->ref), child->rows);
    }
    groups = MIN(groups, child->rows);
    if (hashable && enable_hashagg) {
        AggPlan *a = PLAN_NEW(root, PLAN_AGG, AggPlan);
        a->strategy = AGG_HASHED;
        a->keys = sort_keys_for(root, q->distinct, targets, child);
        a->aggs = list_new(root->arena);
        a->groups = groups;
        a->p.left = child;
        a->p.targets = copy_targets(root, child->targets);
        plan_cost(&a->p, child->total_cost, child->total_cost + child->rows * cpu_operator_cost * q->distinct->count, groups, child->width);
        return &a->p;
    }
    List *order = list_new(root->arena); /* ORDER BY begins with the DISTINCT items (analysis saw to it) */
    list_concat(order, q->sort);
    for (int i = 0; i < q->distinct->count; i++) {
        bool have = false;
        for (int k = 0; k < order->count && !have; k++)
            have = ((SortClause *)order->items[k])->ref == ((SortClause *)q->distinct->items[i])->ref;
        if (!have)
            list_push(order, q->distinct->items[i]);
    }
    child = make_sort(root, child, sort_keys_for(root, order, targets, child), -1);
    *sorted = true;
    SortPlan *u = PLAN_NEW(root, PLAN_UNIQUE, SortPlan);
    u->p.left = child;
    u->p.targets = child->targets;
    u->keys = sort_keys_for(root, q->distinct, targets, child);
    plan_cost(&u->p, child->startup_cost, child->total_cost + child->rows * cpu_operator_cost, groups, child->width);
    return &u->p;
}

/* ---- limit ---- */

static bool
const_int(const Expr *e, double *out)
{
    if (!IS(e, Const) || ((const Const *)e)->isnull)
        return false;
    *out = (double)(int64_t)((const Const *)e)->value;
    return *out >= 0;
}

static Plan *
plan_limit(Root *root, Plan *child)
{
    Query *q = root->q;
    LimitPlan *l = PLAN_NEW(root, PLAN_LIMIT, LimitPlan);
    l->p.left = child;
    l->p.targets = child->targets;
    l->offset = process_sublinks(root, q->limit_offset);
    l->count = process_sublinks(root, q->limit_count);
    l->option = q->limit_option;
    if (q->limit_option == LIMIT_WITH_TIES)
        l->keys = sort_keys_for(root, q->sort, q->targets, child);
    double off = 0, n, rows = child->rows;
    const_int(q->limit_offset, &off);
    rows = MAX(1.0, rows - off);
    if (q->limit_count)
        rows = MIN(rows, const_int(q->limit_count, &n) ? n : child->rows * 0.1);
    double share = child->rows > 0 ? MIN(1.0, (rows + off) / child->rows) : 1;
    plan_cost(&l->p, child->startup_cost, child->startup_cost + (child->total_cost - child->startup_cost) * share, rows, child->width);
    return &l->p;
}

/* ---- row locks ---- */

static Plan *
plan_row_locks(Root *root, Plan *child, List *targets)
{
    LockRowsPlan *l = PLAN_NEW(root, PLAN_LOCK_ROWS, LockRowsPlan);
    l->marks = list_new(root->arena);
    for (int i = 0; i < root->q->row_marks->count; i++) {
        RowMark *m = root->q->row_marks->items[i];
        RangeEntry *e = list_at(root->q->range_table, m->rel - 1);
        if (e->kind != RANGE_RELATION || root->rels[m->rel] == NULL)
            continue;
        PlanRowMark *p = ARENA_NEW(root->arena, PlanRowMark);
        p->rel = m->rel;
        p->strength = m->strength;
        p->wait_policy = m->wait_policy;
        for (int k = 0; k < targets->count; k++) {
            TargetEntry *te = targets->items[k];
            if (te->junk && IS(te->expr, Var) && ((Var *)te->expr)->attno == -1 && ((Var *)te->expr)->rel == m->rel)
                p->ctid_column = te->resno;
        }
        list_push(l->marks, p);
    }
    l->p.left = child;
    l->p.targets = child->targets;
    plan_cost(&l->p, child->startup_cost, child->total_cost + child->rows * cpu_tuple_cost, child->rows, child->width);
    return &l->p;
}

static Expr *
ctid_var(Root *root, int rel)
{
    Var *v = node_new(root->arena, Var);
    v->rel = v->orig_rel = rel;
    v->attno = v->orig_attno = -1;
    v->expr.type = TID_OID;
    return &v->expr;
}

/* Junk columns that locking and changing rows need. */
static void
add_row_identity(Root *root, List *targets)
{
    Query *q = root->q;
    if (q->command == CMD_UPDATE || q->command == CMD_DELETE) {
        TargetEntry *te = tle(root->arena, ctid_var(root, q->result_rel), targets->count + 1, "ctid");
        te->junk = true;
        list_push(targets, te);
    }
    for (int i = 0; i < list_count(q->row_marks); i++) {
        RowMark *m = q->row_marks->items[i];
        RangeEntry *e = list_at(q->range_table, m->rel - 1);
        if (e->kind != RANGE_RELATION)
            continue;
        TargetEntry *te = tle(root->arena, ctid_var(root, m->rel), targets->count + 1, NULL);
        te->junk = true;
        list_push(targets, te);
    }
    /* RETURNING may read other relations of the statement */
    for (int i = 0; i < list_count(q->returning); i++) {
        List *vars = vars_of(root->arena, q->returning->items[i], NULL);
        for (int k = 0; k < vars->count; k++) {
            Var *v = vars->items[k];
            if (v->rel == q->result_rel || v->rel <= 0)
                continue;
            bool have = false;
            for (int t = 0; t < targets->count && !have; t++)
                have = node_equal(((TargetEntry *)targets->items[t])->expr, v);
            if (have)
                continue;
            TargetEntry *te = tle(root->arena, &v->expr, targets->count + 1, NULL);
            te->junk = true;
            list_push(targets, te);
        }
    }
}

static List *
wanted_order(Root *root)
{
    Query *q = root->q;
    if (!q->sort || q->group || q->has_aggs || q->grouping_sets || q->distinct || q->has_windows || q->has_srfs)
        return NULL;
    List *keys = list_new(root->arena);
    for (int i = 0; i < q->sort->count; i++) {
        SortClause *c = q->sort->items[i];
        PathKey *k = ARENA_NEW(root->arena, PathKey);
        k->expr = lookup_sort_ref(q->targets, c->ref);
        k->sort_op = c->sort_op;
        k->eq_op = c->eq_op;
        k->desc = c->desc;
        k->nulls_first = c->nulls_first;
        list_push(keys, k);
    }
    return keys;
}

static bool
has_order(const Path *p, const List *wanted)
{
    if (list_count(wanted) == 0 || list_count(p->order) < list_count(wanted))
        return false;
    for (int i = 0; i < wanted->count; i++) {
        PathKey *a = p->order->items[i], *b = wanted->items[i];
        if (a->desc != b->desc || a->nulls_first != b->nulls_first || !node_equal(a->expr, b->expr))
            return false;
    }
    return true;
}

static void
process_all_sublinks(Root *root)
{
    Query *q = root->q;
    for (int i = 0; i < list_count(q->targets); i++)
        ((TargetEntry *)q->targets->items[i])->expr = process_sublinks(root, ((TargetEntry *)q->targets->items[i])->expr);
    for (int i = 0; i < list_count(q->returning); i++)
        ((TargetEntry *)q->returning->items[i])->expr = process_sublinks(root, ((TargetEntry *)q->returning->items[i])->expr);
    q->having = process_sublinks(root, q->having);
    if (q->on_conflict) {
        for (int i = 0; i < list_count(q->on_conflict->set); i++)
            ((TargetEntry *)q->on_conflict->set->items[i])->expr = process_sublinks(root, ((TargetEntry *)q->on_conflict->set->items[i])->expr);
        q->on_conflict->where = process_sublinks(root, q->on_conflict->where);
    }
}

static void
limit_fraction(Root *root)
{
    Query *q = root->q;
    double n, off = 0;
    if (q->limit_count == NULL)
        return;
    const_int(q->limit_offset, &off);
    if (const_int(q->limit_count, &n))
        root->tuple_fraction = MAX(1.0, n + off);
    else
        root->tuple_fraction = 0.1;
}

Plan *
plan_query_level(Root *root)
{
    Query *q = root->q;
    CHECK_STACK();
    plan_ctes(root);
    if (q->set_ops) {
        add_relations(root);
        return plan_set_ops(root);
    }
    plan_minmax(root);
    q = root->q;
    prep_query(root);
    q = root->q;
    add_relations(root);
    if (q->command == CMD_UPDATE || q->on_conflict)
        root->update_columns = prepare_update_targets(root);
    if (q->command == CMD_INSERT)
        expand_insert_targets(root);
    limit_fraction(root);
    process_all_sublinks(root);
    List *targets = copy_targets(root, q->targets);
    if (q->command == CMD_UPDATE) /* children deliver columns in SET order */
        for (int i = 0; i < targets->count; i++)
            ((TargetEntry *)targets->items[i])->resno = i + 1;
    add_row_identity(root, targets);
    q->targets = targets;
    build_base_rels(root);
    List *order = wanted_order(root);
    Path *path = plan_join_tree(root, order);
    bool sorted = has_order(path, order);
    Plan *p = build_plan(root, path);

    bool grouped = q->has_aggs || q->group || q->grouping_sets || q->having;
    if (q->has_windows) {
        /* below the windows: atoms and everything that sorts or partitions */
        List *input = list_new(root->arena);
        for (int i = 0; i < targets->count; i++) {
            TargetEntry *te = targets->items[i];
            window_inputs(root, te->expr, input);
        }
        for (int i = 0; i < targets->count; i++) {
            TargetEntry *te = targets->items[i];
            if (!te->sort_ref)
                continue;
            bool used = false;
            for (int w = 0; w < q->windows->count; w++) {
                WindowClause *wc = q->windows->items[w];
                for (int k = 0; k < list_count(wc->partition); k++)
                    used |= ((SortClause *)wc->partition->items[k])->ref == te->sort_ref;
                for (int k = 0; k < list_count(wc->order); k++)
                    used |= ((SortClause *)wc->order->items[k])->ref == te->sort_ref;
            }
            for (int k = 0; grouped && k < list_count(q->group); k++)
                used |= ((SortClause *)q->group->items[k])->ref == te->sort_ref;
            if (used) {
                TargetEntry *in = tle(root->arena, te->expr, input->count + 1, NULL);
                in->sort_ref = te->sort_ref;
                list_push(input, in);
            }
        }
        p = grouped ? plan_grouping(root, p, input) : project(root, p, input);
        p = plan_windows(root, p, targets);
        p = project(root, p, targets);
    } else if (grouped)
        p = plan_grouping(root, p, targets);
    else /* sets in the target list are expanded before sorting and limiting */
        p = project(root, p, targets);
    if (q->distinct)
        p = plan_distinct(root, p, targets, &sorted);
    if (q->sort && !sorted) {
        double bound = root->tuple_fraction >= 1 && q->limit_option == LIMIT_COUNT && !q->row_marks ? root->tuple_fraction : -1;
        p = make_sort(root, p, sort_keys_for(root, q->sort, targets, p), bound);
    }
    if (q->row_marks)
        p = plan_row_locks(root, p, targets);
    if (q->limit_count || q->limit_offset)
        p = plan_limit(root, p);
    if (q->command != CMD_SELECT)
        p = plan_modify(root, p);
    return p;
}
