/*
 * In a grouped query every column must be grouped, functionally dependent on a grouped primary key, or
 * stand inside an aggregate.
 */
#include "core/sql/analyze/analyze_internal.h"

typedef struct GroupCheck {
    Scope *s;
    Query *q;
    List *exprs;    /* grouped expressions */
    int depth;      /* query levels below q */
    bool in_agg_direct;
} GroupCheck;

/* Is the column determined by the grouped columns (all of its table's primary key grouped)? */
static bool
functionally_dependent(GroupCheck *c, const Var *v)
{
    RangeEntry *e = list_at(c->q->range_table, v->rel - 1);
    if (e->kind != RANGE_RELATION)
        return false;
    RelDesc *rel = rel_cached(e->rel);
    if (rel == NULL || rel->primary_index == 0)
        return false;
    IndexDesc *pk = index_open(rel->primary_index, LOCK_ACCESS_SHARE);
    if (!pk->immediate)
        return false;
    for (int k = 0; k < pk->nkeys; k++) {
        bool found = false;
        for (int i = 0; i < c->exprs->count && !found; i++) {
            Var *g = c->exprs->items[i];
            found = IS(g, Var) && g->rel == v->rel && g->attno == pk->attnums[k] && g->levels_up == 0;
        }
        if (!found)
            return false;
    }
    return true;
}

static bool
check_node(void *n, void *arg)
{
    GroupCheck *c = arg;
    if (n == NULL)
        return false;
    if (node_is_expr(n) && !IS(n, Const) && !IS(n, Param)) {
        for (int i = 0; i < c->exprs->count; i++) {
            void *g = c->exprs->items[i];
            if (c->depth == 0 && node_equal(n, g))
                return false;
            if (c->depth > 0 && IS(n, Var) && IS(g, Var)) {
                const Var *v = n, *gv = g;
                if (v->levels_up == c->depth && v->rel == gv->rel && v->attno == gv->attno)
                    return false;
            }
        }
    }
    if (IS(n, Aggref) && ((Aggref *)n)->levels_up == c->depth)
        return false;
    if (IS(n, Aggref) && ((Aggref *)n)->levels_up > c->depth)
        return false;
    if (IS(n, GroupingFunc)) {
        GroupingFunc *g = n;
        if (c->depth == 0) {
            g->refs = ints_new(c->s->arena);
            for (int i = 0; i < list_count(g->args); i++) {
                int ref = 0;
                for (int k = 0; k < list_count(c->q->group) && !ref; k++) {
                    SortClause *sc = c->q->group->items[k];
                    if (node_equal(target_by_ref(c->q->targets, sc->ref)->expr, g->args->items[i]))
                        ref = sc->ref;
                }
                if (!ref)
                    RAISE_AT(SQLSTATE_GROUPING_ERROR, expr_location(g->args->items[i]), "arguments to GROUPING must be grouping expressions of the associated query level");
                ints_push(g->refs, ref);
            }
        }
        return false;
    }
    if (IS(n, Var)) {
        Var *v = n;
        if (v->levels_up != c->depth)
            return false;
        if (functionally_dependent(c, v))
            return false;
        RangeEntry *e = list_at(c->q->range_table, v->rel - 1);
        const char *col = v->attno > 0 ? e->columns->items[v->attno - 1] : v->attno == -1 ? "ctid" : "tableoid";
        if (c->depth > 0)
            RAISE_AT(SQLSTATE_GROUPING_ERROR, v->expr.location, "subquery uses ungrouped column \"%s.%s\" from outer query", e->eref, col);
        RAISE_AT(SQLSTATE_GROUPING_ERROR, v->expr.location, "column \"%s.%s\" must appear in the GROUP BY clause or be used in an aggregate function", e->eref, col);
    }
    if (IS(n, Query)) {
        c->depth++;
        node_walk_children(n, check_node, arg, true);
        c->depth--;
        return false;
    }
    return node_walk_children(n, check_node, arg, true);
}

void
check_grouping(Scope *s, Query *q)
{
    GroupCheck c = {.s = s, .q = q, .exprs = list_new(s->arena)};
    for (int i = 0; i < list_count(q->group); i++) {
        TargetEntry *te = target_by_ref(q->targets, ((SortClause *)q->group->items[i])->ref);
        if (te)
            list_push(c.exprs, te->expr);
    }
    for (int i = 0; i < list_count(q->targets); i++)
        check_node(((TargetEntry *)q->targets->items[i])->expr, &c);
    if (q->having)
        check_node(q->having, &c);
    for (int i = 0; i < list_count(q->windows); i++) {
        WindowClause *w = q->windows->items[i];
        if (w->start_offset)
            check_node(w->start_offset, &c);
        if (w->end_offset)
            check_node(w->end_offset, &c);
    }
}
