/*
 * Expressions of plans: a column of a child is traced down to the scan that reads it, a parameter up to the
 * expression it is set from. Relations get names that differ within the statement: t, t_1 ...
 */
#include <stdlib.h>

#include "core/sql/plan/explain_internal.h"

/* ---- walking plans ---- */

bool
is_scan(const Plan *p)
{
    switch ((int)p->tag) {
    case PLAN_SEQ_SCAN: case PLAN_INDEX_SCAN: case PLAN_INDEX_ONLY_SCAN: case PLAN_BITMAP_SCAN: case PLAN_TID_SCAN: case PLAN_SUBQUERY_SCAN:
    case PLAN_FUNCTION_SCAN: case PLAN_VALUES_SCAN: case PLAN_CTE_SCAN: case PLAN_WORKTABLE_SCAN: return true;
    default: return false;
    }
}

const Plan *
outer_plan(const Plan *p)
{
    if ((int)p->tag == PLAN_APPEND || (int)p->tag == PLAN_MERGE_APPEND) {
        const List *l = ((const AppendPlan *)p)->children;
        return list_count(l) ? l->items[0] : NULL;
    }
    return p->left;
}

void
visit_sublevels(const Plan *p, RootVisitor fn, void *arg)
{
    if ((int)p->tag == PLAN_SUBQUERY_SCAN)
        fn(((const SubqueryScanPlan *)p)->subplan, arg);
    if ((int)p->tag == PLAN_APPEND || (int)p->tag == PLAN_MERGE_APPEND)
        for (int i = 0; i < list_count(((const AppendPlan *)p)->children); i++)
            fn(((const AppendPlan *)p)->children->items[i], arg);
    if ((int)p->tag == PLAN_SETOP || (int)p->tag == PLAN_RECURSIVE_UNION) {
        fn(p->left, arg);
        fn(p->right, arg);
    }
}

void
visit_level(const Plan *p, PlanVisitor fn, void *arg)
{
    if (p == NULL)
        return;
    CHECK_STACK();
    fn(p, arg);
    if ((int)p->tag == PLAN_SETOP || (int)p->tag == PLAN_RECURSIVE_UNION)
        return; /* their inputs are levels of their own */
    visit_level(p->left, fn, arg);
    visit_level(p->right, fn, arg);
}

static void
visit_list(const List *l, ExprVisitor fn, void *arg)
{
    for (int i = 0; i < list_count(l); i++) {
        const void *n = l->items[i];
        if (n == NULL)
            continue;
        if (IS(n, TargetEntry))
            n = ((const TargetEntry *)n)->expr;
        if (IS(n, ListNode))
            visit_list(((const ListNode *)n)->list, fn, arg);
        else if (IS(n, RangeFunction))
            fn(((const RangeFunction *)n)->call, arg);
        else
            fn(n, arg);
    }
}

static void
visit_one(const Expr *e, ExprVisitor fn, void *arg)
{
    if (e)
        fn(e, arg);
}

/* Nodes that only hand on their child's columns have no expressions of their own. */
static bool
passes_through(const Plan *p)
{
    switch ((int)p->tag) {
    case PLAN_SORT: case PLAN_INCREMENTAL_SORT: case PLAN_UNIQUE: case PLAN_MATERIAL: case PLAN_LIMIT: case PLAN_GROUP: case PLAN_LOCK_ROWS:
    case PLAN_APPEND: case PLAN_SETOP: case PLAN_RECURSIVE_UNION: return true;
    default: return false;
    }
}

void
visit_plan_exprs(const Plan *p, ExprVisitor fn, void *arg)
{
    if (!passes_through(p))
        visit_list(p->targets, fn, arg);
    visit_list(p->quals, fn, arg);
    switch ((int)p->tag) {
    case PLAN_RESULT:
        visit_list(((const ResultPlan *)p)->one_time_quals, fn, arg);
        break;
    case PLAN_INDEX_SCAN: case PLAN_INDEX_ONLY_SCAN: case PLAN_BITMAP_SCAN: {
        const IndexScanPlan *ix = (const IndexScanPlan *)p;
        for (int i = 0; i < list_count(ix->conds); i++)
            visit_one(((const IndexCond *)ix->conds->items[i])->value, fn, arg);
        visit_list(ix->orig_conds, fn, arg);
        break;
    }
    case PLAN_TID_SCAN: visit_list(((const TidScanPlan *)p)->tids, fn, arg); break;
    case PLAN_FUNCTION_SCAN: visit_list(((const FunctionScanPlan *)p)->functions, fn, arg); break;
    case PLAN_VALUES_SCAN: visit_list(((const ValuesScanPlan *)p)->rows, fn, arg); break;
    case PLAN_NEST_LOOP: case PLAN_HASH_JOIN: case PLAN_MERGE_JOIN: {
        const JoinPlan *j = (const JoinPlan *)p;
        visit_list(j->join_quals, fn, arg);
        visit_list(j->nest_values, fn, arg);
        visit_list(j->hash_outer, fn, arg);
        visit_list(j->hash_inner, fn, arg);
        break;
    }
    case PLAN_AGG: visit_list(((const AggPlan *)p)->aggs, fn, arg); break;
    case PLAN_WINDOW: {
        const WindowPlan *w = (const WindowPlan *)p;
        visit_list(w->funcs, fn, arg);
        visit_one(w->start_offset, fn, arg);
        visit_one(w->end_offset, fn, arg);
        break;
    }
    case PLAN_LIMIT:
        visit_one(((const LimitPlan *)p)->offset, fn, arg);
        visit_one(((const LimitPlan *)p)->count, fn, arg);
        break;
    case PLAN_MODIFY_TABLE: {
        const ModifyPlan *m = (const ModifyPlan *)p;
        if (m->on_conflict) {
            visit_list(m->on_conflict->set, fn, arg);
            visit_one(m->on_conflict->where, fn, arg);
        }
        break;
    }
    default: break;
    }
}

/* ---- names of relations ---- */

typedef struct NameScan { Explain *x; IntList *here; List *roots; IntList *order; } NameScan;

static void
note_root(const Plan *root, void *arg)
{
    list_push(((NameScan *)arg)->roots, (void *)(uintptr_t)root);
}

static void
note_rel(const Plan *p, void *arg)
{
    NameScan *s = arg;
    int rel = is_scan(p) ? ((const ScanPlan *)p)->rel : (int)p->tag == PLAN_MODIFY_TABLE ? ((const ModifyPlan *)p)->rel : 0;
    if (rel > 0 && !ints_has(s->here, rel))
        ints_push(s->here, rel);
    visit_sublevels(p, note_root, s);
}

static int
compare_rels(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* The relations of one level in the order of its range table, then those of the levels below. */
static void
names_of_level(NameScan *s, const Plan *root)
{
    CHECK_STACK();
    NameScan mine = {s->x, ints_new(s->x->arena), list_new(s->x->arena), s->order};
    visit_level(root, note_rel, &mine);
    if (mine.here->count)
        qsort(mine.here->items, (size_t)mine.here->count, sizeof(int64_t), compare_rels);
    for (int i = 0; i < mine.here->count; i++)
        if (!ints_has(s->order, mine.here->items[i]))
            ints_push(s->order, mine.here->items[i]);
    for (int i = 0; i < mine.roots->count; i++)
        names_of_level(s, mine.roots->items[i]);
}

static const char *
unique_ref(Arena *a, const char *const *refs, int n, const char *name)
{
    for (int suffix = 0;; suffix++) {
        const char *try = suffix ? arena_printf(a, "%s_%d", name, suffix) : name;
        bool taken = false;
        for (int i = 1; i <= n && !taken; i++)
            taken = refs[i] && strcmp(refs[i], try) == 0;
        if (!taken)
            return try;
    }
}

void
ex_make_names(Explain *x)
{
    int n = list_count(x->stmt->range_table);
    const char **refs = ARENA_ARRAY(x->arena, const char *, n + 1);
    NameScan s = {x, NULL, NULL, ints_new(x->arena)};
    names_of_level(&s, x->stmt->plan);
    for (int i = 0; i < list_count(x->stmt->subplans); i++)
        names_of_level(&s, x->stmt->subplans->items[i]);
    for (int i = 0; i < s.order->count; i++) {
        int rel = (int)s.order->items[i];
        const RangeEntry *e = x->stmt->range_table->items[rel - 1];
        const char *name = e->alias ? e->alias : e->kind == RANGE_RELATION ? rel_cached(e->rel)->name : e->eref;
        refs[rel] = unique_ref(x->arena, refs, n, name ? name : "unnamed");
    }
    x->names = level_of_names(x->arena, x->stmt->range_table, refs);
}

bool
ex_many_relations(const Explain *x)
{
    return list_count(x->stmt->range_table) > 1;
}

/* ---- resolving ---- */

typedef struct Resolver { Explain *x; const Frame *frame; } Resolver;

static void
put_in_frame(Deparse *d, const Frame *f, const Expr *e, bool show_implicit)
{
    Resolver *r = d->resolve_arg;
    const Frame *saved = r->frame;
    r->frame = f;
    put_expr(d, e, show_implicit);
    r->frame = saved;
}

static bool
put_relation_column(Deparse *d, int rel, const Var *v)
{
    Var x = *v;
    x.rel = rel;
    x.levels_up = 0;
    put_var(d, &x, false);
    return true;
}

static bool
put_child_column(Deparse *d, const Frame *f, const Plan *child, const Var *v)
{
    if (child == NULL || v->attno < 1 || v->attno > list_count(child->targets))
        INTERNAL_ERROR("bogus reference to column %d of a child plan", v->attno);
    const Expr *e = ((TargetEntry *)child->targets->items[v->attno - 1])->expr;
    Frame below = {.plan = child, .parent = f};
    bool paren = !IS(e, Var);
    if (paren)
        str_add_char(d->out, '(');
    put_in_frame(d, &below, e, true);
    if (paren)
        str_add_char(d->out, ')');
    return true;
}

static bool
resolve_var(Deparse *d, const Frame *f, const Var *v)
{
    const Plan *p = f->plan;
    if (v->rel == VAR_SCAN) {
        int rel = is_scan(p) ? ((const ScanPlan *)p)->rel : (int)p->tag == PLAN_MODIFY_TABLE ? ((const ModifyPlan *)p)->rel : 0;
        return rel > 0 && put_relation_column(d, rel, v);
    }
    if (v->rel == VAR_INNER && (int)p->tag == PLAN_MODIFY_TABLE) {
        put(d, "excluded.");
        put_ident(d, column_name(d->level, ((const ModifyPlan *)p)->rel, v->attno));
        return true;
    }
    return put_child_column(d, f, v->rel == VAR_OUTER ? outer_plan(p) : p->right, v);
}

/* The node above that sets a parameter, and from what. */
static const Expr *
find_param_source(const Frame *f, int id, const Frame **where)
{
    for (; f && f->parent; f = f->parent) {
        const Plan *above = f->parent->plan;
        if (f->via)
            for (int i = 0; i < ints_count(f->via->params); i++)
                if (f->via->params->items[i] == id) {
                    *where = f->parent;
                    return f->via->args->items[i];
                }
        if ((int)above->tag != PLAN_NEST_LOOP || above->right != f->plan)
            continue;
        const JoinPlan *j = (const JoinPlan *)above;
        for (int i = 0; i < ints_count(j->nest_params); i++)
            if (j->nest_params->items[i] == id) {
                *where = f->parent;
                return j->nest_values->items[i];
            }
    }
    return NULL;
}

static bool
resolve_param(Deparse *d, const Frame *f, const Param *p)
{
    const Frame *where = NULL;
    const Expr *e = p->kind == PARAM_EXEC ? find_param_source(f, p->id, &where) : NULL;
    if (e == NULL)
        return false;
    bool prefix = d->prefix, paren = !IS(e, Var) && !IS(e, Aggref) && !IS(e, GroupingFunc) && !IS(e, Param);
    d->prefix = true; /* the column is another node's */
    if (paren)
        str_add_char(d->out, '(');
    put_in_frame(d, where, e, false);
    if (paren)
        str_add_char(d->out, ')');
    d->prefix = prefix;
    return true;
}

static bool
resolve(Deparse *d, const Expr *e, void *arg)
{
    const Resolver *r = arg;
    CHECK_STACK();
    if (IS(e, Var))
        return resolve_var(d, r->frame, (const Var *)e);
    if (IS(e, Param))
        return resolve_param(d, r->frame, (const Param *)e);
    const SubPlanRef *s = (const SubPlanRef *)e;
    if (s->init_plan)
        str_printf(d->out, "$%d", (int)s->result_params->items[0]);
    else
        str_printf(d->out, s->hashed ? "(hashed SubPlan %d)" : "(SubPlan %d)", s->plan + 1);
    return true;
}

char *
ex_expr(Explain *x, const Frame *f, const Expr *e, bool prefix, bool show_implicit)
{
    StrBuf s;
    str_init(&s, x->arena);
    Resolver r = {x, f};
    Deparse d = {.arena = x->arena, .out = &s, .level = x->names, .wrap = WRAP_NEVER, .prefix = prefix, .resolve = resolve, .resolve_arg = &r};
    put_expr(&d, e, show_implicit);
    return s.data;
}
