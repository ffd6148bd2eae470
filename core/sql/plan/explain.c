/*
 * EXPLAIN of a planned statement: a walk over the plan in PostgreSQL's order and words. Where one node of
 * ours does the work of two of PostgreSQL's (a bitmap scan, a hash join's table) both are shown.
 */
#include <stdlib.h>

#include "core/sql/plan/explain_internal.h"

typedef struct NodeName {
    const char *text;      /* as the text format has it */
    const char *type;      /* "Node Type" */
    const char *strategy, *operation, *join_type, *command;
} NodeName;

static const char *
join_word(int kind)
{
    static const char *const words[] = {[JOIN_INNER] = "Inner", [JOIN_LEFT] = "Left", [JOIN_FULL] = "Full", [JOIN_RIGHT] = "Right",
                                        [JOIN_SEMI] = "Semi", [JOIN_ANTI] = "Anti"};
    return words[kind];
}

static NodeName
join_name(Explain *x, const JoinPlan *j)
{
    NodeName n = {.join_type = join_word(j->join_kind)};
    bool loop = (int)j->p.tag == PLAN_NEST_LOOP, hash = (int)j->p.tag == PLAN_HASH_JOIN;
    n.type = loop ? "Nested Loop" : hash ? "Hash Join" : "Merge Join";
    const char *base = loop ? "Nested Loop" : hash ? "Hash" : "Merge";
    if (j->join_kind != JOIN_INNER)
        n.text = arena_printf(x->arena, "%s %s Join", base, n.join_type);
    else
        n.text = n.type;
    return n;
}

static NodeName
agg_name(const AggPlan *g)
{
    NodeName n = {.type = "Aggregate", .strategy = "Plain", .text = "Aggregate"};
    bool empty_set = false;
    for (int i = 0; i < list_count(g->grouping_sets); i++)
        empty_set |= ints_count(g->grouping_sets->items[i]) == 0;
    if (g->strategy == AGG_SORTED || (g->strategy == AGG_PLAIN && list_count(g->grouping_sets))) {
        n.strategy = "Sorted";
        n.text = "GroupAggregate";
    } else if (g->strategy == AGG_HASHED) {
        n.strategy = empty_set ? "Mixed" : "Hashed";
        n.text = empty_set ? "MixedAggregate" : "HashAggregate";
    }
    return n;
}

static NodeName
setop_name(Explain *x, const SetOpPlan *s)
{
    const char *command = s->op == SETOP_INTERSECT ? (s->all ? "Intersect All" : "Intersect") : s->all ? "Except All" : "Except";
    return (NodeName){.type = "SetOp", .strategy = "Hashed", .command = command, .text = arena_printf(x->arena, "HashSetOp %s", command)};
}

static NodeName
node_name(Explain *x, const Plan *p)
{
    const char *t;
    switch ((int)p->tag) {
    case PLAN_RESULT: t = "Result"; break;
    case PLAN_PROJECT_SET: t = "ProjectSet"; break;
    case PLAN_SEQ_SCAN: t = "Seq Scan"; break;
    case PLAN_INDEX_SCAN: t = "Index Scan"; break;
    case PLAN_INDEX_ONLY_SCAN: t = "Index Only Scan"; break;
    case PLAN_BITMAP_SCAN: t = "Bitmap Heap Scan"; break;
    case PLAN_TID_SCAN: t = "Tid Scan"; break;
    case PLAN_SUBQUERY_SCAN: t = "Subquery Scan"; break;
    case PLAN_FUNCTION_SCAN: t = "Function Scan"; break;
    case PLAN_VALUES_SCAN: t = "Values Scan"; break;
    case PLAN_CTE_SCAN: t = "CTE Scan"; break;
    case PLAN_WORKTABLE_SCAN: t = "WorkTable Scan"; break;
    case PLAN_NEST_LOOP: case PLAN_HASH_JOIN: case PLAN_MERGE_JOIN: return join_name(x, (const JoinPlan *)p);
    case PLAN_MATERIAL: t = "Materialize"; break;
    case PLAN_MEMOIZE: t = "Memoize"; break;
    case PLAN_SORT: t = "Sort"; break;
    case PLAN_INCREMENTAL_SORT: t = "Incremental Sort"; break;
    case PLAN_GROUP: t = "Group"; break;
    case PLAN_AGG: return agg_name((const AggPlan *)p);
    case PLAN_WINDOW: t = "WindowAgg"; break;
    case PLAN_UNIQUE: t = "Unique"; break;
    case PLAN_SETOP: return setop_name(x, (const SetOpPlan *)p);
    case PLAN_LIMIT: t = "Limit"; break;
    case PLAN_APPEND: t = "Append"; break;
    case PLAN_MERGE_APPEND: t = "Merge Append"; break;
    case PLAN_RECURSIVE_UNION: t = "Recursive Union"; break;
    case PLAN_LOCK_ROWS: t = "LockRows"; break;
    case PLAN_MODIFY_TABLE: {
        int command = ((const ModifyPlan *)p)->command;
        t = command == CMD_INSERT ? "Insert" : command == CMD_UPDATE ? "Update" : "Delete";
        return (NodeName){.text = t, .type = "ModifyTable", .operation = t};
    }
    default: INTERNAL_ERROR("unrecognized plan node: %d", (int)p->tag);
    }
    return (NodeName){.text = t, .type = t};
}

/* ---- numbers ---- */

static void
costs(Explain *x, double startup, double total, double rows, int width)
{
    if (!x->o->costs)
        return;
    if (ex_is_text(x)) {
        str_printf(x->out, "  (cost=%.2f..%.2f rows=%.0f width=%d)", startup, total, rows, width);
        return;
    }
    ex_float(x, "Startup Cost", startup, 2);
    ex_float(x, "Total Cost", total, 2);
    ex_float(x, "Plan Rows", rows, 0);
    ex_int(x, "Plan Width", width);
}

static void
actuals(Explain *x, const NodeStats *s, bool at_end)
{
    if (s == NULL)
        return;
    if (s->loops == 0) {
        if (ex_is_text(x))
            str_add(x->out, " (never executed)");
        else {
            if (x->o->timing) {
                ex_float(x, "Actual Startup Time", 0, 3);
                ex_float(x, "Actual Total Time", 0, 3);
            }
            ex_float(x, "Actual Rows", 0, 0);
            ex_float(x, "Actual Loops", 0, 0);
        }
        return;
    }
    double loops = (double)s->loops, total = s->total_ms / loops, rows = (double)s->rows / loops;
    double startup = at_end ? total : MIN(s->startup_ms, total);
    if (ex_is_text(x)) {
        if (x->o->timing)
            str_printf(x->out, " (actual time=%.3f..%.3f rows=%.0f loops=%.0f)", startup, total, rows, loops);
        else
            str_printf(x->out, " (actual rows=%.0f loops=%.0f)", rows, loops);
        return;
    }
    if (x->o->timing) {
        ex_float(x, "Actual Startup Time", startup, 3);
        ex_float(x, "Actual Total Time", total, 3);
    }
    ex_float(x, "Actual Rows", rows, 0);
    ex_float(x, "Actual Loops", loops, 0);
}

/* ---- one node ---- */

static void explain_node(Explain *x, const Frame *f, const char *relationship, const char *plan_name);

/* The head of a node: arrow and name, or the group with its first properties. Returns the depth to go back to. */
static int
node_head(Explain *x, const NodeName *n, const char *relationship, const char *plan_name)
{
    int saved = x->indent;
    if (ex_is_text(x)) {
        if (plan_name) {
            ex_indent(x);
            str_printf(x->out, "%s\n", plan_name);
            x->indent++;
        }
        if (x->indent) {
            ex_indent(x);
            str_add(x->out, "->  ");
            x->indent += 2;
        }
        str_add(x->out, n->text);
        x->indent++;
        return saved;
    }
    ex_open(x, "Plan", relationship ? NULL : "Plan", true);
    ex_text(x, "Node Type", n->type);
    if (n->strategy)
        ex_text(x, "Strategy", n->strategy);
    if (strcmp(n->type, "Aggregate") == 0)
        ex_text(x, "Partial Mode", "Simple");
    if (n->operation)
        ex_text(x, "Operation", n->operation);
    if (relationship)
        ex_text(x, "Parent Relationship", relationship);
    if (plan_name)
        ex_text(x, "Subplan Name", plan_name);
    ex_bool(x, "Parallel Aware", false);
    ex_bool(x, "Async Capable", false);
    return saved;
}

static void
node_end(Explain *x, int saved)
{
    if (ex_is_text(x))
        x->indent = saved;
    else
        ex_close(x, "Plan", true);
}

static void
end_line(Explain *x)
{
    if (ex_is_text(x))
        str_add_char(x->out, '\n');
}

static void
open_children(Explain *x, bool *open)
{
    if (!*open && !ex_is_text(x))
        ex_open(x, "Plans", "Plans", false);
    *open = true;
}

/* The index half of a bitmap scan. */
static void
bitmap_index(Explain *x, const Frame *f)
{
    const IndexScanPlan *ix = (const IndexScanPlan *)f->plan;
    const NodeStats *s = ex_stats(x, f->plan);
    int saved = node_head(x, &(NodeName){.text = "Bitmap Index Scan", .type = "Bitmap Index Scan"}, "Outer", NULL);
    const char *name = rel_cached(ix->index)->name;
    if (ex_is_text(x))
        str_printf(x->out, " on %s", sql_quote_ident(x->arena, name));
    else
        ex_text(x, "Index Name", name);
    costs(x, 0, f->plan->startup_cost, f->plan->rows, 0);
    if (s) {
        NodeStats half = *s;
        half.rows += s->filtered;
        half.total_ms = MIN(s->startup_ms, s->total_ms);
        actuals(x, &half, true);
    }
    end_line(x);
    ex_index_condition(x, f, "Index Cond");
    node_end(x, saved);
}

/* The table of a hash join, over its inner side. */
static void
hash_table(Explain *x, const Frame *join)
{
    const Plan *child = join->plan->right;
    const NodeStats *s = ex_stats(x, child), *table = ex_stats(x, join->plan);
    int saved = node_head(x, &(NodeName){.text = "Hash", .type = "Hash"}, "Inner", NULL);
    costs(x, child->total_cost, child->total_cost, child->rows, child->width);
    actuals(x, s, true);
    end_line(x);
    Frame f = {.plan = child, .parent = join};
    if (x->o->verbose)
        ex_output(x, &f);
    ex_hash_numbers(x, table, s ? (double)s->rows : child->rows);
    if (x->o->buffers && s)
        ex_buffers(x, &s->buffers);
    bool open = false;
    open_children(x, &open);
    explain_node(x, &f, "Outer", NULL);
    if (!ex_is_text(x))
        ex_close(x, "Plans", false);
    node_end(x, saved);
}

/* ---- subplans ---- */

typedef struct RefScan { List *refs; bool init; IntList *ctes; } RefScan;

static bool
find_ref(void *n, void *arg)
{
    RefScan *s = arg;
    if (n && node_tag(n) == TAG_SubPlanRef) {
        SubPlanRef *r = n;
        bool have = false;
        for (int i = 0; i < s->refs->count && !have; i++)
            have = ((SubPlanRef *)s->refs->items[i])->plan == r->plan;
        if (r->init_plan == s->init && !have)
            list_push(s->refs, r);
    }
    return node_walk_children(n, find_ref, arg, false);
}

static bool
find_refs_in(const Expr *e, void *arg)
{
    return find_ref((void *)(uintptr_t)e, arg);
}

static void
scan_node(const Plan *p, void *arg)
{
    RefScan *s = arg;
    visit_plan_exprs(p, find_refs_in, s);
    if ((int)p->tag == PLAN_CTE_SCAN && !ints_has(s->ctes, ((const CteScanPlan *)p)->subplan))
        ints_push(s->ctes, ((const CteScanPlan *)p)->subplan);
}

static int
compare_ids(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* Name of a subplan that is a CTE: that of an entry that scans it, or of the statement's own WITH. */
typedef struct CteName { const Explain *x; int id; const char *name; } CteName;

static void
match_cte(const Plan *p, void *arg)
{
    CteName *c = arg;
    if ((int)p->tag == PLAN_CTE_SCAN && ((const CteScanPlan *)p)->subplan == c->id)
        c->name = ((RangeEntry *)c->x->stmt->range_table->items[((const ScanPlan *)p)->rel - 1])->cte_name;
}

static void
match_cte_below(const Plan *root, void *arg);

static void
match_cte_node(const Plan *p, void *arg)
{
    match_cte(p, arg);
    visit_sublevels(p, match_cte_below, arg);
}

static void
match_cte_below(const Plan *root, void *arg)
{
    visit_level(root, match_cte_node, arg);
}

static int
modifying_index(const PlannedStmt *p, int id)
{
    for (int i = 0; i < list_count(p->modifying_ctes); i++)
        if ((int)(intptr_t)p->modifying_ctes->items[i] == id)
            return i;
    return -1;
}

static const char *
cte_name(const Explain *x, int id)
{
    CteName c = {x, id, NULL};
    match_cte_below(x->stmt->plan, &c);
    for (int i = 0; i < list_count(x->stmt->subplans) && c.name == NULL; i++)
        match_cte_below(x->stmt->subplans->items[i], &c);
    int nth = modifying_index(x->stmt, id);
    const List *ctes = x->stmt->query ? x->stmt->query->ctes : NULL;
    for (int i = 0; c.name == NULL && nth >= 0 && i < list_count(ctes); i++) {
        const CommonTable *t = ctes->items[i];
        if (t->query->command != CMD_SELECT && nth-- == 0)
            c.name = t->name;
    }
    return c.name ? c.name : "cte";
}

static void
subplan_node(Explain *x, const Frame *f, int id, const SubPlanRef *via, const char *relationship, const char *label)
{
    if (x->subplan_shown[id])
        return;
    x->subplan_shown[id] = true;
    Frame below = {.plan = x->stmt->subplans->items[id], .parent = f, .via = via};
    explain_node(x, &below, relationship, label);
}

/* What the level below `f` evaluates once, before or while it runs: its CTEs and uncorrelated subqueries. */
static void
init_plans(Explain *x, const Frame *f, bool *open)
{
    RefScan s = {list_new(x->arena), true, ints_new(x->arena)};
    visit_level(f->plan, scan_node, &s);
    IntList *ids = ints_new(x->arena);
    for (int i = 0; i < s.ctes->count; i++)
        if (!ints_has(x->top_extra, s.ctes->items[i]))
            ints_push(ids, s.ctes->items[i]);
    for (int i = 0; i < s.refs->count; i++)
        ints_push(ids, ((SubPlanRef *)s.refs->items[i])->plan);
    if (f->parent == NULL)
        for (int i = 0; i < x->top_extra->count; i++)
            ints_push(ids, x->top_extra->items[i]);
    if (ids->count)
        qsort(ids->items, (size_t)ids->count, sizeof(int64_t), compare_ids);
    for (int i = 0; i < ids->count; i++) {
        int id = (int)ids->items[i];
        const SubPlanRef *ref = NULL;
        for (int k = 0; k < s.refs->count; k++)
            if (((SubPlanRef *)s.refs->items[k])->plan == id)
                ref = s.refs->items[k];
        if (x->subplan_shown[id])
            continue;
        open_children(x, open);
        char *label = ref ? arena_printf(x->arena, "InitPlan %d (returns $%d)", id + 1, (int)ref->result_params->items[0])
                          : arena_printf(x->arena, "CTE %s", cte_name(x, id));
        subplan_node(x, f, id, ref, "InitPlan", label);
    }
}

static void
sub_plans(Explain *x, const Frame *f, bool *open)
{
    RefScan s = {list_new(x->arena), false, ints_new(x->arena)};
    visit_plan_exprs(f->plan, find_refs_in, &s);
    for (int i = 0; i < s.refs->count; i++) {
        const SubPlanRef *r = s.refs->items[i];
        if (x->subplan_shown[r->plan])
            continue;
        open_children(x, open);
        subplan_node(x, f, r->plan, r, "SubPlan", arena_printf(x->arena, "SubPlan %d", r->plan + 1));
    }
}

/* A level's top: the statement's plan, a subplan's, a subquery's, a member of an Append. */
static bool
is_level_top(const Frame *f)
{
    if (f->parent == NULL || f->parent->plan == NULL)
        return true;
    const Plan *above = f->parent->plan;
    if (f->plan != above->left && f->plan != above->right)
        return true; /* of a subplan, a subquery scan or an Append */
    return (int)above->tag == PLAN_SETOP || (int)above->tag == PLAN_RECURSIVE_UNION;
}

/* CTEs read from more than one level belong to the level above them all: the top. */
typedef struct LevelScan { Explain *x; int *seen; /* per subplan: number of levels reading it */ } LevelScan;

static void count_level(const Plan *root, void *arg);

static void
count_below(const Plan *p, void *arg)
{
    visit_sublevels(p, count_level, arg);
}

static void
count_level(const Plan *root, void *arg)
{
    LevelScan *l = arg;
    RefScan s = {list_new(l->x->arena), true, ints_new(l->x->arena)};
    visit_level(root, scan_node, &s);
    for (int i = 0; i < s.ctes->count; i++)
        l->seen[s.ctes->items[i]]++;
    visit_level(root, count_below, l);
}

static void
find_shared_ctes(Explain *x)
{
    int n = list_count(x->stmt->subplans);
    LevelScan l = {x, ARENA_ARRAY(x->arena, int, n + 1)};
    count_level(x->stmt->plan, &l);
    for (int i = 0; i < n; i++)
        if (x->stmt->subplans->items[i])
            count_level(x->stmt->subplans->items[i], &l);
    for (int i = 0; i < n; i++)
        if (l.seen[i] > 1 || modifying_index(x->stmt, i) >= 0)
            ints_push(x->top_extra, i);
}

/* ---- the walk ---- */

static void
children(Explain *x, const Frame *f, bool *open)
{
    const Plan *p = f->plan;
    if ((int)p->tag == PLAN_BITMAP_SCAN) {
        open_children(x, open);
        bitmap_index(x, f);
    }
    if (p->left) {
        Frame l = {.plan = p->left, .parent = f};
        open_children(x, open);
        explain_node(x, &l, "Outer", NULL);
    }
    if (p->right) {
        Frame r = {.plan = p->right, .parent = f};
        open_children(x, open);
        if ((int)p->tag == PLAN_HASH_JOIN)
            hash_table(x, f);
        else
            explain_node(x, &r, "Inner", NULL);
    }
    if ((int)p->tag == PLAN_APPEND || (int)p->tag == PLAN_MERGE_APPEND)
        for (int i = 0; i < list_count(((const AppendPlan *)p)->children); i++) {
            Frame m = {.plan = ((const AppendPlan *)p)->children->items[i], .parent = f};
            open_children(x, open);
            explain_node(x, &m, "Member", NULL);
        }
    if ((int)p->tag == PLAN_SUBQUERY_SCAN) {
        Frame s = {.plan = ((const SubqueryScanPlan *)p)->subplan, .parent = f};
        open_children(x, open);
        explain_node(x, &s, "Subquery", NULL);
    }
}

static bool
is_join(const Plan *p)
{
    return (int)p->tag == PLAN_NEST_LOOP || (int)p->tag == PLAN_HASH_JOIN || (int)p->tag == PLAN_MERGE_JOIN;
}

static void
explain_node(Explain *x, const Frame *f, const char *relationship, const char *plan_name)
{
    CHECK_STACK();
    const Plan *p = f->plan;
    NodeName n = node_name(x, p);
    const NodeStats *s = ex_stats(x, p);
    int saved = node_head(x, &n, relationship, plan_name);
    ex_target(x, p);
    if (!ex_is_text(x) && n.join_type)
        ex_text(x, "Join Type", n.join_type);
    if (!ex_is_text(x) && n.command)
        ex_text(x, "Command", n.command);
    costs(x, p->startup_cost, p->total_cost, p->rows, p->width);
    actuals(x, s, false);
    end_line(x);
    if (x->o->verbose)
        ex_output(x, f);
    if (is_join(p) && (!ex_is_text(x) || (x->o->verbose && ((const JoinPlan *)p)->inner_unique)))
        ex_bool(x, "Inner Unique", ((const JoinPlan *)p)->inner_unique);
    ex_properties(x, f);
    if (x->o->buffers && s)
        ex_buffers(x, &s->buffers);
    bool open = false;
    if (is_level_top(f))
        init_plans(x, f, &open);
    children(x, f, &open);
    sub_plans(x, f, &open);
    if (open && !ex_is_text(x))
        ex_close(x, "Plans", false);
    node_end(x, saved);
}

static void
summary_time(Explain *x, const char *label, double ms)
{
    if (ex_is_text(x))
        str_printf(x->out, "%s: %.3f ms\n", label, ms);
    else
        ex_float(x, label, ms, 3);
}

void
explain_plan(Arena *a, PlannedStmt *p, struct Exec *run, const ExplainOptions *o, StrBuf *out)
{
    Explain x = {.arena = a, .out = out, .o = o, .stmt = p, .run = run};
    x.subplan_shown = ARENA_ARRAY(a, bool, list_count(p->subplans) + 1);
    x.top_extra = ints_new(a);
    ex_begin(&x);
    ex_open(&x, "Query", NULL, true);
    if (p->utility) {
        if (ex_is_text(&x))
            str_add(out, "Utility statements have no plan structure\n");
    } else {
        ex_make_names(&x);
        find_shared_ctes(&x);
        Frame top = {.plan = p->plan};
        explain_node(&x, &top, NULL, NULL);
        if (o->summary)
            summary_time(&x, "Planning Time", o->planning_ms);
        if (o->analyze && !ex_is_text(&x)) {
            ex_open(&x, "Triggers", "Triggers", false);
            ex_close(&x, "Triggers", false);
        }
        if (o->summary && o->analyze)
            summary_time(&x, "Execution Time", o->execution_ms);
    }
    ex_close(&x, "Query", true);
    ex_end(&x);
}
