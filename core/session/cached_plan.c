/*
 * Statements with their plans and run-time state, kept while valid. A change of the catalogs that concerns
 * a plan's relations (or any function, operator, type ...) marks it; the next use analyses it anew.
 */
#include "core/session/session_internal.h"

static CachedPlan all = {.prev = &all, .next = &all};

static void
on_invalidation(Oid table, Oid object)
{
    for (CachedPlan *p = all.next; p != &all; p = p->next) {
        if (!p->valid || p->plans == NULL)
            continue;
        bool hit = object == 0 || (table != CAT_PG_CLASS && table != CAT_PG_STATISTIC);
        for (int i = 0; !hit && i < p->plans->count; i++) {
            const PlannedStmt *s = p->plans->items[i];
            hit = s->relations && ints_has(s->relations, object);
        }
        if (hit)
            p->valid = false;
    }
}

void
cached_plans_register(void)
{
    catalog_on_invalidation(on_invalidation);
}

void
cached_plans_invalidate_all(void)
{
    for (CachedPlan *p = all.next; p != &all; p = p->next)
        p->valid = false;
}

CachedPlan *
cached_plan_new(const char *name)
{
    Arena *a = arena_create(arena_top(), name);
    CachedPlan *p = ARENA_NEW(a, CachedPlan);
    p->arena = a;
    p->in_use = 1;
    p->next = all.next;
    p->prev = &all;
    all.next->prev = p;
    all.next = p;
    return p;
}

void
cached_plan_init(CachedPlan *p, const char *text, RawStmt *raw, const Oid *types, int ntypes, bool variable)
{
    p->text = text;
    p->raw = raw;
    p->tag = raw ? arena_strdup(p->arena, sql_command_tag(raw->node)) : "";
    p->params.arena = p->arena;
    p->params.variable = variable;
    p->params.count = p->fixed_params = ntypes;
    p->params.types = ARENA_ARRAY(p->arena, Oid, ntypes + 1);
    if (ntypes)
        memcpy(p->params.types, types, sizeof(Oid) * (size_t)ntypes);
    if (raw) {
        p->is_transaction_stmt = raw->node->node_case == PG_QUERY__NODE__NODE_TRANSACTION_STMT;
        p->is_read_only = sql_is_read_only(raw->node);
    }
}

static void
drop_plan(CachedPlan *p)
{
    if (p->idle_exec)
        exec_destroy(p->idle_exec);
    p->idle_exec = NULL;
    if (p->plan_arena)
        arena_destroy(p->plan_arena);
    p->plan_arena = NULL;
    p->plans = NULL;
}

static bool
same_desc(const RowDesc *x, const RowDesc *y)
{
    if (x == NULL || y == NULL)
        return x == y;
    if (x->n != y->n)
        return false;
    for (int i = 0; i < x->n; i++)
        if (x->cols[i].type != y->cols[i].type || x->cols[i].typmod != y->cols[i].typmod || strcmp(x->cols[i].name, y->cols[i].name) != 0)
            return false;
    return true;
}

static RowDesc *
copy_desc(Arena *a, const RowDesc *d)
{
    if (d == NULL)
        return NULL;
    RowDesc *c = arena_memdup(a, d, sizeof *d);
    c->cols = ARENA_ARRAY(a, RowColumn, d->n + 1);
    if (d->n)
        memcpy(c->cols, d->cols, sizeof(RowColumn) * (size_t)d->n);
    for (int i = 0; i < d->n; i++)
        c->cols[i].name = arena_strdup(a, d->cols[i].name);
    return c;
}

static RowDesc *
desc_of(CachedPlan *p, Arena *a)
{
    if (p->plans == NULL || p->plans->count == 0)
        return NULL;
    PlannedStmt *s = p->plans->items[0];
    if (s->command == CMD_UTILITY) {
        RowDesc *d = NULL;
        return command_returns_rows(s->utility, a, &d) ? d : NULL;
    }
    if (s->command == CMD_SELECT || s->has_returning)
        return row_desc_of_targets(a, s->plan->targets);
    return NULL;
}

/*
 * Takes the locks of a plan that seems good: while one is waited for, the relation, or an index the plan
 * uses, may go. What has changed is known once the locks are held. False: the plan is not good any more.
 */
static bool
lock_relations(const CachedPlan *p)
{
    for (int i = 0; i < list_count(p->plans); i++) {
        const PlannedStmt *s = list_at(p->plans, i);
        for (int k = 0; k < list_count(s->range_table); k++) {
            const RangeEntry *e = list_at(s->range_table, k);
            if (e->kind == RANGE_RELATION && e->rel && rel_try_open(e->rel, e->lock_mode ? (LockMode)e->lock_mode : LOCK_ACCESS_SHARE) == NULL)
                return false;
        }
    }
    catalog_accept_invalidations();
    return p->valid;
}

static bool
same_session_state(const CachedPlan *p)
{
    return p->role == current_user_oid && strcmp(p->search_path, search_path_text ? search_path_text : "") == 0;
}

bool
cached_plan_is_current(const CachedPlan *p)
{
    return p->valid && p->plans && p->settings_generation == settings_plan_generation && same_session_state(p);
}

void
cached_plan_ready(CachedPlan *p)
{
    if (p->raw == NULL)
        return;
    catalog_accept_invalidations();
    if (p->valid && p->plans && same_session_state(p) && lock_relations(p))
        return;
    if (p->in_use > 1 && p->plans && p->plan_arena) {
        /* a suspended portal runs the old plan: leave that arena to it, as a child of the statement's */
        p->idle_exec = NULL;
        p->plan_arena = NULL;
        p->plans = NULL;
    } else
        drop_plan(p);
    p->plan_arena = arena_create(p->arena, "plan");
    uint64_t generation = settings_plan_generation; /* before analysis, which may run functions that change settings */
    bool snapshot = sql_needs_snapshot(p->raw->node); /* SET TRANSACTION must come before the first one */
    if (snapshot)
        snapshot_push_active(snapshot_latest());
    ParamTypes types = p->params; /* re-analysis keeps what was inferred first */
    if (p->desc_known)
        types.variable = false;
    Node *n = sql_analyze(p->plan_arena, p->raw, p->text, &types);
    if (!p->desc_known) {
        p->params = types;
        p->params.arena = p->arena;
    }
    p->is_utility = node_tag(n) == TAG_UTILITY;
    p->plans = sql_plan_all(p->plan_arena, n, p->text, NULL, 0);
    if (snapshot)
        snapshot_pop_active();
    p->search_path = arena_strdup(p->plan_arena, search_path_text ? search_path_text : "");
    p->role = current_user_oid;
    p->settings_generation = generation;
    RowDesc *d = copy_desc(p->plan_arena, desc_of(p, p->plan_arena));
    if (!p->desc_known || (p->desc_may_change && !same_desc(d, p->desc)))
        p->desc = copy_desc(p->arena, d);
    else if (!same_desc(d, p->desc))
        RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "cached plan must not change result type");
    p->desc_known = true;
    p->valid = true;
}

const RowDesc *
cached_plan_desc(CachedPlan *p)
{
    cached_plan_ready(p);
    return p->desc;
}

void
cached_plan_release(CachedPlan *p)
{
    if (p == NULL || --p->in_use > 0)
        return;
    p->prev->next = p->next;
    p->next->prev = p->prev;
    if (p->idle_exec)
        exec_destroy(p->idle_exec);
    arena_destroy(p->arena);
}
