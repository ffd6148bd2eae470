/*
 * The join search. A FROM list is a set of units: base relations, and outer, semi or anti joins planned as
 * wholes. Up to DP_MAX units all orders are compared (dynamic programming over subsets, bushy trees
 * included); beyond that the cheapest pair is joined greedily.
 */
#include <math.h>

#include "core/sql/plan/plan_internal.h"

#define DP_MAX 9

typedef struct Unit { List *paths; RelSet rels; double rows; } Unit;

static double
path_cost_for(const Path *p, double fraction)
{
    if (fraction <= 0 || fraction >= 1)
        return p->total;
    return p->startup + fraction * (p->total - p->startup);
}

static bool
order_satisfies(const List *order, const List *wanted)
{
    if (list_count(wanted) > list_count(order))
        return false;
    for (int i = 0; i < list_count(wanted); i++) {
        PathKey *a = order->items[i], *b = wanted->items[i];
        if (a->desc != b->desc || a->nulls_first != b->nulls_first || a->eq_op != b->eq_op || !node_equal(a->expr, b->expr))
            return false;
    }
    return true;
}

/* Keeps p if nothing there is at least as good in cost, parameters and order. */
static void
keep(List *paths, Path *p)
{
    int kept = 0;
    for (int i = 0; i < paths->count; i++) {
        Path *q = paths->items[i];
        bool same_or_less_params = (q->required & ~p->required) == 0;
        if (same_or_less_params && q->total <= p->total && q->startup <= p->startup * 1.01 + 1e-9 && order_satisfies(q->order, p->order))
            return;
    }
    for (int i = 0; i < paths->count; i++) {
        Path *q = paths->items[i];
        bool dominated = (p->required & ~q->required) == 0 && p->total <= q->total && p->startup <= q->startup && order_satisfies(p->order, q->order);
        if (!dominated)
            paths->items[kept++] = q;
    }
    paths->count = kept;
    list_push(paths, p);
}

static Path *
cheapest_path(const List *paths, RelSet available)
{
    Path *best = NULL;
    for (int i = 0; i < list_count(paths); i++) {
        Path *p = paths->items[i];
        if ((p->required & ~available) == 0 && (best == NULL || p->total < best->total))
            best = p;
    }
    return best;
}

/* ---- making join paths ---- */

typedef struct JoinInput {
    int kind;               /* JOIN_INNER, LEFT, SEMI, ANTI, FULL */
    List *clauses;          /* Clause: the ON part, or all conditions of an inner join */
    List *other;            /* Expr tested after an outer join */
    double rows;
} JoinInput;

static void
merge_params(Root *root, Path *j, const Path *x, RelSet given)
{
    for (int i = 0; i < list_count(x->param_values); i++) {
        RelSet r = expr_rels(x->param_values->items[i]);
        if ((r & ~given) == 0)
            continue; /* this join sets it */
        if (j->param_ids == NULL) {
            j->param_ids = ints_new(root->arena);
            j->param_values = list_new(root->arena);
        }
        ints_push(j->param_ids, x->param_ids->items[i]);
        list_push(j->param_values, x->param_values->items[i]);
        j->required |= r & ~j->rels;
    }
}

static Path *
join_path(Root *root, PathKind kind, Path *outer, Path *inner, const JoinInput *in)
{
    Path *p = ARENA_NEW(root->arena, Path);
    p->kind = kind;
    p->rels = outer->rels | inner->rels;
    p->outer = outer;
    p->inner = inner;
    p->join_kind = in->kind;
    p->rows = in->rows;
    p->join_quals = list_new(root->arena);
    p->hash_clauses = list_new(root->arena);
    p->other_quals = in->other;
    merge_params(root, p, outer, 0);
    merge_params(root, p, inner, kind == PATH_NESTLOOP ? outer->rels : 0);
    return p;
}

/* A condition that the inner index scan's bounds already guarantee needs no second test. */
static bool
enforced_by_index(const Path *inner, const Clause *c)
{
    if (inner->kind != PATH_INDEX || inner->required == 0)
        return false;
    for (int i = 0; i < list_count(inner->used_clauses); i++)
        if (inner->used_clauses->items[i] == c)
            return true;
    return false;
}

static void
try_nestloop(Root *root, List *out, Path *outer, Path *inner, const JoinInput *in)
{
    if (in->kind == JOIN_FULL || (outer->required & inner->rels))
        return;
    Path *p = join_path(root, PATH_NESTLOOP, outer, inner, in);
    bool parameterised = (inner->required & outer->rels) != 0;
    for (int i = 0; i < list_count(in->clauses); i++) {
        Clause *c = in->clauses->items[i];
        if (!enforced_by_index(inner, c))
            list_push(p->join_quals, c->expr);
    }
    double inner_first = inner->total, inner_again = inner->total - inner->startup * (inner->kind == PATH_HASH ? 1 : 0);
    p->materialize_inner = !parameterised && inner->required == 0 && enable_material && outer->rows > 1 &&
                           (inner->kind != PATH_RESULT && inner->kind != PATH_CTE && inner->kind != PATH_VALUES);
    if (p->materialize_inner) {
        inner_first += inner->rows * cpu_operator_cost * 2;
        inner_again = inner->rows * cpu_operator_cost;
    }
    double scanned = in->kind == JOIN_SEMI || in->kind == JOIN_ANTI ? inner->rows * 0.5 : inner->rows;
    p->startup = outer->startup + inner->startup;
    p->total = outer->total + inner_first + (MAX(1.0, outer->rows) - 1) * inner_again +
               outer->rows * MAX(1.0, scanned) * (cpu_tuple_cost * 0.5 + cpu_operator_cost * list_count(p->join_quals)) + p->rows * cpu_tuple_cost * 0.5;
    if (!enable_nestloop)
        p->total += 1e10;
    p->order = outer->order;
    keep(out, p);
}

static void
try_hash(Root *root, List *out, Path *outer, Path *inner, const JoinInput *in)
{
    if ((outer->required & inner->rels) || (inner->required & outer->rels))
        return;
    Path *p = join_path(root, PATH_HASH, outer, inner, in);
    for (int i = 0; i < list_count(in->clauses); i++) {
        Clause *c = in->clauses->items[i];
        bool fits = c->is_equijoin && c->hashable &&
                    (((c->left_rels & ~outer->rels) == 0 && (c->right_rels & ~inner->rels) == 0) || ((c->right_rels & ~outer->rels) == 0 && (c->left_rels & ~inner->rels) == 0));
        if (fits)
            list_push(p->hash_clauses, c);
        else
            list_push(p->join_quals, c->expr);
    }
    if (p->hash_clauses->count == 0)
        return;
    double build = inner->rows * (cpu_operator_cost * p->hash_clauses->count + cpu_tuple_cost);
    double probe = outer->rows * cpu_operator_cost * p->hash_clauses->count * 1.5;
    p->startup = outer->startup + inner->total + build;
    p->total = p->startup + outer->total - outer->startup + probe + p->rows * (cpu_tuple_cost * 0.5 + cpu_operator_cost * p->join_quals->count);
    double bytes = inner->rows * 64;
    if (bytes > work_mem_kb * 1024.0 * 2) /* spilled partitions are written and read once */
        p->total += seq_page_cost * 2 * (bytes + outer->rows * 64) / PAGE_BYTES;
    if (!enable_hashjoin)
        p->total += 1e10;
    keep(out, p);
}

static double
join_rows(Root *root, double l, double r, const List *clauses, int kind)
{
    List *exprs = list_new(root->arena);
    for (int i = 0; i < list_count(clauses); i++)
        list_push(exprs, ((Clause *)clauses->items[i])->expr);
    double s = clauses_selectivity(root, exprs), rows = l * r * s;
    switch (kind) {
    case JOIN_LEFT: rows = MAX(rows, l); break;
    case JOIN_FULL: rows = MAX(rows, MAX(l, r)); break;
    case JOIN_SEMI: rows = MIN(l, MAX(1.0, l * MIN(1.0, s * r))); break;
    case JOIN_ANTI: rows = MAX(1.0, l * (1 - MIN(1.0, s * r))); break;
    default: break;
    }
    return MAX(1.0, rint(rows));
}

static void
join_units(Root *root, const Unit *l, const Unit *r, const JoinInput *in, List *out)
{
    for (int i = 0; i < l->paths->count; i++)
        for (int k = 0; k < r->paths->count; k++) {
            Path *a = l->paths->items[i], *b = r->paths->items[k];
            try_nestloop(root, out, a, b, in);
            try_hash(root, out, a, b, in);
            if (in->kind == JOIN_INNER) {
                try_nestloop(root, out, b, a, in);
                try_hash(root, out, b, a, in);
            } else if (in->kind == JOIN_FULL) {
                JoinInput swapped = *in;
                try_hash(root, out, b, a, &swapped);
            }
        }
}

/* ---- one FROM list ---- */

static Unit plan_from(Root *root, FromNode *f, List *extra, List *join_clauses_outer);

static List *
clauses_of(Root *root, const List *exprs)
{
    List *out = list_new(root->arena);
    for (int i = 0; i < list_count(exprs); i++)
        list_push(out, clause_new(root, process_sublinks(root, exprs->items[i])));
    return out;
}

/* Conditions that mention only rels move to `in`; the rest stay in the list returned. */
static List *
split_clauses(Root *root, List *clauses, RelSet rels, List *in)
{
    List *rest = list_new(root->arena);
    for (int i = 0; i < clauses->count; i++) {
        Clause *c = clauses->items[i];
        bool fits = c->rels != 0 && (c->rels & ~rels) == 0 && (IS(c->expr, CurrentOf) || !is_volatile(c->expr));
        list_push(fits ? in : rest, c);
    }
    return rest;
}

static Unit
plan_outer_join(Root *root, JoinNode *j, List *above, List *outer_clauses)
{
    RelSet l = tree_rel_set(j->left), r = tree_rel_set(j->right);
    List *on = clauses_of(root, flatten_and(root->arena, j->quals, NULL));
    List *to_left = list_new(root->arena), *to_right = list_new(root->arena);
    /* conditions from above may be tested before the join on its preserved side */
    if (j->kind != JOIN_FULL)
        above = split_clauses(root, above, l, to_left);
    /* ON conditions of one side only filter the nullable side beforehand (semi: either side) */
    if (j->kind != JOIN_FULL)
        on = split_clauses(root, on, r, to_right);
    if (j->kind == JOIN_SEMI)
        on = split_clauses(root, on, l, to_left);
    List *for_inner = list_new(root->arena); /* join clauses that may drive inner index scans */
    list_concat(for_inner, on);
    list_concat(for_inner, outer_clauses);
    Unit lu = plan_from(root, (FromNode *)j->left, to_left, j->kind == JOIN_FULL ? NULL : outer_clauses);
    Unit ru = plan_from(root, (FromNode *)j->right, to_right, j->kind == JOIN_FULL ? NULL : for_inner);
    JoinInput in = {.kind = j->kind, .clauses = on, .other = list_new(root->arena)};
    in.rows = join_rows(root, lu.rows, ru.rows, on, j->kind);
    double sel = 1;
    for (int i = 0; i < above->count; i++) {
        Clause *c = above->items[i];
        list_push(in.other, c->expr);
        sel *= clause_selectivity(root, c->expr, 0);
    }
    in.rows = MAX(1.0, rint(in.rows * sel));
    Unit u = {list_new(root->arena), l | r, in.rows};
    join_units(root, &lu, &ru, &in, u.paths);
    if (u.paths->count == 0 && j->kind == JOIN_FULL)
        RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "FULL JOIN is only supported with merge-joinable or hash-joinable join conditions");
    if (u.paths->count == 0)
        INTERNAL_ERROR("failed to build a join");
    return u;
}

static Unit
plan_unit(Root *root, Node *item, List *own, List *join_clauses)
{
    if (IS(item, RangeRef)) {
        BaseRel *b = root->rels[((RangeRef *)item)->rel];
        list_concat(b->clauses, own);
        base_rel_paths(root, b, join_clauses);
        /* drop paths that others dominate */
        List *kept = list_new(root->arena);
        for (int i = 0; i < b->paths->count; i++)
            keep(kept, b->paths->items[i]);
        b->paths = kept;
        return (Unit){kept, REL_BIT(b->rel), b->rows};
    }
    if (IS(item, FromNode))
        return plan_from(root, (FromNode *)item, own, join_clauses);
    return plan_outer_join(root, (JoinNode *)item, own, join_clauses);
}

static List *
linking(Root *root, const List *clauses, RelSet a, RelSet b)
{
    List *out = list_new(root->arena);
    for (int i = 0; i < clauses->count; i++) {
        Clause *c = clauses->items[i];
        if ((c->rels & a) && (c->rels & b) && (c->rels & ~(a | b)) == 0)
            list_push(out, c);
    }
    return out;
}

/* Same estimate for a set of relations however it is joined: filters once, then every condition inside. */
static double
set_rows(Root *root, const Unit *units, int n, uint32_t mask, const List *clauses)
{
    double rows = 1;
    RelSet rels = 0;
    List *exprs = list_new(root->arena);
    for (int i = 0; i < n; i++)
        if (mask >> i & 1) {
            rows *= units[i].rows;
            rels |= units[i].rels;
        }
    for (int i = 0; i < clauses->count; i++) {
        Clause *c = clauses->items[i];
        if ((c->rels & ~rels) == 0)
            list_push(exprs, c->expr);
    }
    return MAX(1.0, rint(rows * clauses_selectivity(root, exprs)));
}

static Unit
search_dp(Root *root, Unit *units, int n, List *clauses)
{
    uint32_t full = (1u << n) - 1;
    Unit *table = ARENA_ARRAY(root->arena, Unit, full + 1);
    for (int i = 0; i < n; i++)
        table[1u << i] = units[i];
    for (int size = 2; size <= n; size++) {
        for (uint32_t mask = 1; mask <= full; mask++) {
            if (__builtin_popcount(mask) != size)
                continue;
            Unit *u = &table[mask];
            for (int pass = 0; pass < 2 && (u->paths == NULL || u->paths->count == 0); pass++) {
                u->paths = list_new(root->arena);
                u->rows = set_rows(root, units, n, mask, clauses);
                for (uint32_t sub = (mask - 1) & mask; sub; sub = (sub - 1) & mask) {
                    uint32_t rest = mask & ~sub;
                    if (sub < rest || table[sub].paths == NULL || table[rest].paths == NULL)
                        continue;
                    List *link = linking(root, clauses, table[sub].rels, table[rest].rels);
                    if (link->count == 0 && pass == 0)
                        continue; /* cross products only where nothing else is possible */
                    JoinInput in = {.kind = JOIN_INNER, .clauses = link, .rows = u->rows};
                    u->rels = table[sub].rels | table[rest].rels;
                    join_units(root, &table[sub], &table[rest], &in, u->paths);
                }
                if (pass == 0 && u->paths->count == 0 && size < n)
                    break; /* an unconnected intermediate set is not needed yet */
            }
            if (u->paths && u->paths->count == 0)
                u->paths = NULL;
        }
        /* if the full set cannot be reached over connected sets, allow all intermediate cross products */
    }
    return table[full];
}

static Unit
search_greedy(Root *root, Unit *units, int n, List *clauses)
{
    int left = n;
    while (left > 1) {
        int bi = -1, bk = -1;
        Unit best = {0};
        double best_cost = 0;
        for (int pass = 0; pass < 2 && bi < 0; pass++)
            for (int i = 0; i < left; i++)
                for (int k = i + 1; k < left; k++) {
                    List *link = linking(root, clauses, units[i].rels, units[k].rels);
                    if (link->count == 0 && pass == 0)
                        continue;
                    JoinInput in = {.kind = JOIN_INNER, .clauses = link};
                    in.rows = join_rows(root, units[i].rows, units[k].rows, link, JOIN_INNER);
                    Unit u = {list_new(root->arena), units[i].rels | units[k].rels, in.rows};
                    join_units(root, &units[i], &units[k], &in, u.paths);
                    Path *p = cheapest_path(u.paths, ~UINT64_C(0));
                    if (p == NULL)
                        continue;
                    double cost = p->total + u.rows * cpu_tuple_cost * 10; /* small results first */
                    if (bi < 0 || cost < best_cost) {
                        bi = i;
                        bk = k;
                        best = u;
                        best_cost = cost;
                    }
                }
        if (bi < 0)
            INTERNAL_ERROR("failed to join all relations together");
        units[bi] = best;
        units[bk] = units[--left];
    }
    return units[0];
}

static Unit
plan_from(Root *root, FromNode *f, List *extra, List *outer_clauses)
{
    int n = f->items->count;
    List *clauses = clauses_of(root, flatten_and(root->arena, f->quals, NULL));
    list_concat(clauses, extra);
    Unit *units = ARENA_ARRAY(root->arena, Unit, n + 1);
    List *driving = list_new(root->arena);
    list_concat(driving, clauses);
    list_concat(driving, outer_clauses);
    RelSet all = 0;
    for (int i = 0; i < n; i++) {
        RelSet rels = tree_rel_set(f->items->items[i]);
        List *own = list_new(root->arena);
        clauses = split_clauses(root, clauses, rels, own);
        List *join_clauses = list_new(root->arena);
        for (int k = 0; k < driving->count; k++) {
            Clause *c = driving->items[k];
            if ((c->rels & rels) && (c->rels & ~rels))
                list_push(join_clauses, c);
        }
        units[i] = plan_unit(root, f->items->items[i], own, join_clauses);
        all |= rels;
    }
    /* volatile or relation-free conditions: tested on top of the list's result */
    List *late = list_new(root->arena), *joining = list_new(root->arena);
    for (int i = 0; i < clauses->count; i++) {
        Clause *c = clauses->items[i];
        list_push(c->rels == 0 || is_volatile(c->expr) || (n == 1) ? late : joining, c);
    }
    Unit u;
    if (n == 1)
        u = units[0];
    else if (n <= DP_MAX) {
        u = search_dp(root, units, n, joining);
        if (u.paths == NULL || u.paths->count == 0)
            u = search_greedy(root, units, n, joining);
    } else
        u = search_greedy(root, units, n, joining);
    if (u.paths == NULL || u.paths->count == 0)
        INTERNAL_ERROR("failed to plan the FROM list");
    u.rels = all;
    if (late->count) {
        List *paths = list_new(root->arena);
        for (int i = 0; i < u.paths->count; i++) {
            Path *p = arena_memdup(root->arena, u.paths->items[i], sizeof(Path));
            List **where = p->kind == PATH_NESTLOOP || p->kind == PATH_HASH ? &p->other_quals : &p->filter;
            List *merged = list_new(root->arena);
            list_concat(merged, *where);
            for (int k = 0; k < late->count; k++)
                list_push(merged, ((Clause *)late->items[k])->expr);
            *where = merged;
            list_push(paths, p);
        }
        u.paths = paths;
    }
    return u;
}

double
sort_cost(double rows, int width, double bound)
{
    double n = MAX(2.0, rows), cmp = 2 * cpu_operator_cost;
    double limit = bound > 0 && bound < n ? MAX(2.0, bound) : n;
    double cost = cmp * n * log2(limit) + cpu_operator_cost * n;
    double bytes = n * (width + 24);
    if (limit == n && bytes > work_mem_kb * 1024.0)
        cost += seq_page_cost * 2 * bytes / PAGE_BYTES;
    return cost;
}

/* A condition known to be false or null; conditions are folded and flat. */
static Expr *
never_true(Expr *quals)
{
    if (quals == NULL)
        return NULL;
    if (IS(quals, Const))
        return ((Const *)quals)->isnull || !((Const *)quals)->value ? quals : NULL;
    if (!IS(quals, BoolExpr) || ((BoolExpr *)quals)->kind != BOOL_AND)
        return NULL;
    for (int i = 0; i < ((BoolExpr *)quals)->args->count; i++)
        if (IS(((BoolExpr *)quals)->args->items[i], Const))
            return never_true(((BoolExpr *)quals)->args->items[i]);
    return NULL;
}

static Path *
path_without_rows(Root *root, Expr *never, RelSet rels)
{
    Path *p = ARENA_NEW(root->arena, Path);
    Const *no = arena_memdup(root->arena, never, sizeof(Const));

    no->isnull = false; /* shown as false, whatever it was */
    no->value = bool_datum(false);
    p->kind = PATH_RESULT;
    p->rels = rels;
    p->no_rows = true;
    p->filter = list_new(root->arena);
    list_push(p->filter, no);
    return p;
}

/* The chosen path for the query's whole FROM clause; order_hint: PathKeys wanted on top, or NULL. */
Path *
plan_join_tree(Root *root, List *order_hint)
{
    FromNode *f = root->q->join_tree;
    if (f->items->count == 0) {
        Path *p = ARENA_NEW(root->arena, Path);
        p->kind = PATH_RESULT;
        p->rows = 1;
        p->total = cpu_tuple_cost;
        p->filter = process_sublinks_list(root, flatten_and(root->arena, f->quals, NULL));
        return p;
    }
    Expr *never = never_true(f->quals);
    if (never != NULL)
        return path_without_rows(root, never, tree_rel_set(f));
    Unit u = plan_from(root, f, list_new(root->arena), NULL);
    Path *best = NULL;
    double best_cost = 0;
    double fraction = root->tuple_fraction >= 1 ? MIN(1.0, root->tuple_fraction / MAX(1.0, u.rows)) : root->tuple_fraction;
    for (int i = 0; i < u.paths->count; i++) {
        Path *p = u.paths->items[i];
        if (p->required)
            continue;
        double cost;
        if (list_count(order_hint) && !order_satisfies(p->order, order_hint))
            cost = p->total + sort_cost(p->rows, 32, root->tuple_fraction >= 1 ? root->tuple_fraction : 0);
        else
            cost = path_cost_for(p, fraction);
        if (best == NULL || cost < best_cost) {
            best = p;
            best_cost = cost;
        }
    }
    if (best == NULL)
        INTERNAL_ERROR("no complete path for the FROM clause");
    return best;
}
