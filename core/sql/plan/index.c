/*
 * Index paths: which conditions an index can serve, equality on leading columns first, then a range.
 * Join conditions against other relations' columns give parameterised paths for nested loops.
 */
#include <math.h>

#include "core/sql/plan/plan_internal.h"

typedef struct Match { Clause *clause; int column; int strategy; Expr *value; bool lossy; } Match;

static Expr *
strip(Expr *e)
{
    while (IS(e, Relabel))
        e = ((Relabel *)e)->arg;
    return e;
}

/* The index column e is, or -1. */
static int
index_column(const IndexDesc *ix, const BaseRel *r, Expr *e, const List *exprs)
{
    e = strip(e);
    int k_expr = 0;
    for (int k = 0; k < ix->nkeys; k++) {
        if (ix->attnums[k] == 0) {
            Expr *ie = exprs && k_expr < exprs->count ? exprs->items[k_expr] : NULL;
            k_expr++;
            if (ie && node_equal(ie, e))
                return k;
            continue;
        }
        if (IS(e, Var) && ((Var *)e)->rel == r->rel && ((Var *)e)->levels_up == 0 && ((Var *)e)->attno == ix->attnums[k])
            return k;
    }
    return -1;
}

static bool
collation_fits(const IndexDesc *ix, int col, Oid input)
{
    return ix->collation[col] == 0 || input == 0 || ix->collation[col] == input;
}

/* Are the operator's input types those the index's keys are encoded by? The value side is encoded as the
 * column's type, so cross-type operators are usable only after a safe conversion. */
static Expr *
value_for_column(Root *root, const IndexDesc *ix, int col, Expr *value)
{
    Oid want = ix->btree->columns[col].type, have = value->type;
    if (have == want)
        return value;
    if ((want == TEXT_OID || want == VARCHAR_OID) && (have == TEXT_OID || have == VARCHAR_OID))
        return value;
    /* narrower integers widen without loss */
    bool widen = (want == INT8_OID && (have == INT4_OID || have == INT2_OID)) || (want == INT4_OID && have == INT2_OID);
    if (!widen)
        return NULL;
    const CastInfo *c = cast_lookup(have, want);
    if (c == NULL || c->fn == 0)
        return NULL;
    FuncCall *f = node_new(root->arena, FuncCall);
    f->fn = c->fn;
    f->form = FORM_IMPLICIT_CAST;
    f->expr.type = want;
    f->args = list_new(root->arena);
    list_push(f->args, value);
    return fold_expr(root->arena, &f->expr, NULL);
}

/* int8 constants compared with an int4 column: usable when the constant fits. */
static Expr *
narrow_const(Root *root, Oid want, Expr *value)
{
    Expr *v = strip(value);
    if (!IS(v, Const) || ((Const *)v)->isnull)
        return NULL;
    int64_t x = (int64_t)((Const *)v)->value;
    if (v->type == INT8_OID && want == INT4_OID && x >= INT32_MIN && x <= INT32_MAX) {
        Const *c = arena_memdup(root->arena, v, sizeof(Const));
        c->expr.type = INT4_OID;
        c->len = 4;
        return &c->expr;
    }
    if ((v->type == INT8_OID || v->type == INT4_OID) && want == INT2_OID && x >= INT16_MIN && x <= INT16_MAX) {
        Const *c = arena_memdup(root->arena, v, sizeof(Const));
        c->expr.type = INT2_OID;
        c->len = 2;
        return &c->expr;
    }
    return NULL;
}

static bool
match_clause(Root *root, const IndexDesc *ix, BaseRel *r, Clause *c, const List *exprs, Match *m)
{
    Expr *e = c->expr;
    RelSet own = REL_BIT(r->rel);
    *m = (Match){.clause = c, .column = -1};
    if (IS(e, OpCall) && ((OpCall *)e)->args->count == 2) {
        OpCall *o = (OpCall *)e;
        Oid lt, rt;
        int st = op_btree_strategy(o->op, &lt, &rt);
        if (st == 0)
            return false;
        Expr *l = o->args->items[0], *v = o->args->items[1];
        int col = index_column(ix, r, l, exprs);
        if (col < 0 || (expr_rels(v) & own)) {
            l = o->args->items[1];
            v = o->args->items[0];
            col = index_column(ix, r, l, exprs);
            if (col < 0 || (expr_rels(v) & own))
                return false;
            st = 6 - st;
        }
        if (is_volatile(v) || !collation_fits(ix, col, o->input_collation))
            return false;
        Expr *fit = value_for_column(root, ix, col, v);
        if (fit == NULL)
            fit = narrow_const(root, ix->btree->columns[col].type, v);
        if (fit == NULL)
            return false;
        m->column = col;
        m->strategy = st;
        m->value = fit;
        return true;
    }
    if (IS(e, ScalarArrayOp) && ((ScalarArrayOp *)e)->use_or) {
        ScalarArrayOp *a = (ScalarArrayOp *)e;
        Oid lt, rt;
        if (op_btree_strategy(a->op, &lt, &rt) != 3)
            return false;
        int col = index_column(ix, r, a->args->items[0], exprs);
        Expr *v = a->args->items[1];
        if (col < 0 || (expr_rels(v) & own) || is_volatile(v) || !collation_fits(ix, col, a->input_collation))
            return false;
        Oid elem = type_element_of(type_base(v->type, NULL));
        Oid want = ix->btree->columns[col].type;
        bool text_like = (want == TEXT_OID || want == VARCHAR_OID) && (elem == TEXT_OID || elem == VARCHAR_OID);
        if (elem != want && !text_like)
            return false;
        m->column = col;
        m->strategy = 6;
        m->value = v;
        return true;
    }
    if (IS(e, NullTest) && !((NullTest *)e)->of_row) {
        int col = index_column(ix, r, ((NullTest *)e)->arg, exprs);
        if (col < 0)
            return false;
        m->column = col;
        m->strategy = ((NullTest *)e)->is_null ? 7 : 8;
        return true;
    }
    if (IS(e, Var) && e->type == BOOL_OID) { /* WHERE flag */
        int col = index_column(ix, r, e, exprs);
        if (col < 0)
            return false;
        Const *k = node_new(root->arena, Const);
        k->expr.type = BOOL_OID;
        k->byval = true;
        k->len = 1;
        k->value = 1;
        m->column = col;
        m->strategy = 3;
        m->value = &k->expr;
        return true;
    }
    return false;
}

/* Stored expressions are over rel 1: moved to this relation's number. */
typedef struct Move { Root *root; int rel; } Move;

static void *
move_rel(void *n, void *arg)
{
    Move *m = arg;
    if (IS(n, Var)) {
        Var *v = node_copy(m->root->arena, n);
        v->rel = v->orig_rel = m->rel;
        return v;
    }
    return node_mutate_children(m->root->arena, n, move_rel, arg, false);
}

static bool
predicate_implied(Root *root, const IndexDesc *ix, const BaseRel *r)
{
    if (ix->predicate_tree == NULL)
        return true;
    Move mv = {root, r->rel};
    Expr *pred = move_rel(node_read(root->arena, ix->predicate_tree), &mv);
    List *parts = flatten_and(root->arena, fold_expr(root->arena, pred, NULL), NULL);
    for (int i = 0; i < parts->count; i++) {
        bool found = false;
        for (int k = 0; k < r->clauses->count && !found; k++) {
            Expr *c = ((Clause *)r->clauses->items[k])->expr;
            found = node_equal(c, parts->items[i]);
            /* x IS NOT NULL follows from any strict condition on x */
            if (!found && IS(parts->items[i], NullTest) && !((NullTest *)parts->items[i])->is_null && IS(((NullTest *)parts->items[i])->arg, Var) && IS(c, OpCall) && fn_info(((OpCall *)c)->fn)->strict) {
                OpCall *o = (OpCall *)c;
                for (int a = 0; a < o->args->count; a++)
                    found |= node_equal(strip(o->args->items[a]), ((NullTest *)parts->items[i])->arg);
            }
        }
        if (!found)
            return false;
    }
    return true;
}

/* All columns needed are in the index, and their keys decode. */
static bool
covers(Root *root, const IndexDesc *ix, const BaseRel *r)
{
    if (!enable_indexonlyscan || !ix->btree->can_return_values)
        return false;
    List *needed = root->base_needed->items[r->rel];
    for (int i = 0; i < needed->count; i++) {
        int att = ((Var *)needed->items[i])->attno;
        bool found = false;
        for (int k = 0; k < ix->ncolumns; k++)
            found |= att > 0 && ix->attnums[k] == att;
        if (!found)
            return false;
    }
    if (ix->predicate_tree)
        return false;
    return true;
}

/* Mackert and Lohman: pages fetched for n random rows of a table of `pages` pages. */
static double
pages_fetched(double tuples, double pages)
{
    double T = MAX(1.0, pages), N = tuples;
    double b = MAX(1.0, effective_cache_size_pages);
    if (T <= b)
        return MIN(T, 2 * T * N / (2 * T + N));
    double lim = 2 * T * b / (2 * T - b);
    return N <= lim ? 2 * T * N / (2 * T + N) : b + (N - lim) * (T - b) / T;
}

static void
index_order(Root *root, const IndexDesc *ix, const BaseRel *r, Path *p)
{
    p->order = list_new(root->arena);
    for (int k = 0; k < ix->nkeys; k++) {
        if (ix->attnums[k] == 0)
            break;
        ColDesc *c = &r->desc->cols[ix->attnums[k] - 1];
        TypeSortOps ops = type_sort_ops(c->type);
        Var *v = node_new(root->arena, Var);
        v->rel = v->orig_rel = r->rel;
        v->attno = v->orig_attno = ix->attnums[k];
        v->expr.type = c->type;
        v->expr.typmod = c->typmod;
        v->expr.collation = c->collation;
        PathKey *key = ARENA_NEW(root->arena, PathKey);
        key->expr = &v->expr;
        key->desc = ix->btree->columns[k].desc != p->backward;
        key->nulls_first = ix->btree->columns[k].nulls_first != p->backward;
        key->sort_op = key->desc ? ops.gt : ops.lt;
        key->eq_op = ops.eq;
        list_push(p->order, key);
    }
}

static void
make_index_path(Root *root, BaseRel *r, IndexDesc *ix, Oid oid, const Match *use, int nuse, bool backward, bool bitmap)
{
    Path *p = ARENA_NEW(root->arena, Path);
    RelSet own = REL_BIT(r->rel);
    p->kind = PATH_INDEX;
    p->rels = own;
    p->base = r;
    p->index = ix;
    p->index_oid = oid;
    p->backward = backward;
    p->bitmap = bitmap;
    p->conds = list_new(root->arena);
    p->orig_conds = list_new(root->arena);
    p->filter = list_new(root->arena);
    p->used_clauses = list_new(root->arena);
    List *sel_exprs = list_new(root->arena), *all = list_new(root->arena);
    for (int i = 0; i < nuse; i++) {
        IndexCond *c = ARENA_NEW(root->arena, IndexCond);
        c->column = use[i].column;
        c->strategy = use[i].strategy;
        c->value = outer_to_param(root, p, use[i].value, own);
        list_push(p->conds, c);
        list_push(p->used_clauses, use[i].clause);
        list_push(p->orig_conds, use[i].clause->rels == own || use[i].clause->rels == 0 ? use[i].clause->expr : outer_to_param(root, p, use[i].clause->expr, own));
        list_push(sel_exprs, use[i].clause->expr);
    }
    for (int i = 0; i < r->clauses->count; i++) {
        Clause *c = r->clauses->items[i];
        bool used = false;
        for (int k = 0; k < nuse; k++)
            used |= use[k].clause == c;
        list_push(all, c->expr);
        if (!used)
            list_push(p->filter, c->expr);
    }
    for (int i = 0; i < nuse; i++) {
        bool base = false;
        for (int k = 0; k < r->clauses->count; k++)
            base |= r->clauses->items[k] == use[i].clause;
        if (!base)
            list_push(all, use[i].clause->expr);
    }
    double sel = clauses_selectivity(root, sel_exprs);
    /* a full equality match on a unique index is one row */
    int eq = 0;
    for (int i = 0; i < nuse; i++)
        eq += use[i].strategy == 3;
    double entries = MAX(1.0, rint(r->tuples * sel));
    if (ix->unique && eq == ix->nkeys)
        entries = 1;
    p->rows = MAX(1.0, rint(r->tuples * clauses_selectivity(root, all)));
    p->rows = MIN(p->rows, entries);
    p->index_only = !bitmap && covers(root, ix, r);
    BlockNo index_pages = btree_blocks(ix->btree);
    double index_fraction = r->tuples > 0 ? entries / r->tuples : 1;
    double ip = MAX(1.0, ceil(index_fraction * index_pages));
    double descent = ceil(log2(MAX(2.0, r->tuples))) * cpu_operator_cost + 50 * cpu_operator_cost;
    double io = ip * (nuse ? random_page_cost : seq_page_cost);
    if (nuse && entries <= 1)
        io = random_page_cost;
    double heap_pages = pages_fetched(entries, r->pages);
    double fraction_visible = r->pages && r->desc->relallvisible > 0 ? MIN(1.0, (double)r->desc->relallvisible / r->pages) : 0;
    if (p->index_only)
        heap_pages *= 1 - fraction_visible;
    double per_page = bitmap ? random_page_cost - (random_page_cost - seq_page_cost) * sqrt(MIN(1.0, heap_pages / MAX(1.0, (double)r->pages))) : random_page_cost;
    double heap_io = heap_pages * per_page;
    p->startup = descent + (bitmap ? io + entries * cpu_index_tuple_cost : 0);
    p->total = descent + io + heap_io + entries * (cpu_index_tuple_cost + cpu_tuple_cost + cpu_operator_cost * (nuse + list_count(p->filter)));
    if (!(bitmap ? enable_bitmapscan : enable_indexscan))
        p->total += 1e10;
    if (!bitmap)
        index_order(root, ix, r, p);
    list_push(r->paths, p);
}

/* The usable prefix of matches: equalities (and =ANY, IS NULL) on columns 0..k-1, then ranges (and IS NOT NULL) on column k. */
static int
choose_prefix(const Match *all, int n, Match *use)
{
    int nuse = 0;
    for (int col = 0;; col++) {
        int eq = -1;
        for (int i = 0; i < n && eq < 0; i++)
            if (all[i].column == col && (all[i].strategy == 3 || all[i].strategy == 7))
                eq = i;
        if (eq < 0 && nuse == col)
            for (int i = 0; i < n && eq < 0; i++)
                if (all[i].column == col && all[i].strategy == 6) {
                    bool other_array = false;
                    for (int k = 0; k < nuse; k++)
                        other_array |= use[k].strategy == 6;
                    if (!other_array)
                        eq = i;
                }
        if (eq >= 0) {
            use[nuse++] = all[eq];
            continue;
        }
        bool lo = false, hi = false, not_null = false;
        for (int i = 0; i < n; i++) {
            if (all[i].column != col)
                continue;
            if (!not_null && all[i].strategy == 8) {
                use[nuse++] = all[i];
                not_null = true;
            } else if (!lo && (all[i].strategy == 4 || all[i].strategy == 5)) {
                use[nuse++] = all[i];
                lo = true;
            } else if (!hi && (all[i].strategy == 1 || all[i].strategy == 2)) {
                use[nuse++] = all[i];
                hi = true;
            }
        }
        return nuse;
    }
}

static void
one_index(Root *root, BaseRel *r, Oid oid, List *join_clauses)
{
    IndexDesc *ix = index_open(oid, LOCK_ACCESS_SHARE);
    if (!ix->valid || ix->btree == NULL || !predicate_implied(root, ix, r))
        return;
    List *exprs = NULL;
    if (ix->expr_trees) {
        Move mv = {root, r->rel};
        exprs = node_read_list(root->arena, ix->expr_trees);
        for (int i = 0; i < exprs->count; i++)
            exprs->items[i] = fold_expr(root->arena, move_rel(exprs->items[i], &mv), NULL);
    }
    int max = r->clauses->count + list_count(join_clauses) + 1;
    Match *all = ARENA_ARRAY(root->arena, Match, max), *use = ARENA_ARRAY(root->arena, Match, max + 3);
    int n = 0;
    for (int i = 0; i < r->clauses->count; i++)
        n += match_clause(root, ix, r, r->clauses->items[i], exprs, &all[n]);
    int nuse = choose_prefix(all, n, use);
    int equal = 0;
    for (int i = 0; i < nuse; i++)
        equal += use[i].strategy == 3;
    if (nuse > 0) {
        make_index_path(root, r, ix, oid, use, nuse, false, false);
        bool point = ix->unique && equal == ix->nkeys; /* at most one row: no order, no bitmap */
        if (!point) {
            make_index_path(root, r, ix, oid, use, nuse, true, false);
            make_index_path(root, r, ix, oid, use, nuse, false, true);
        }
    } else { /* for its order, or to read the index instead of the table */
        make_index_path(root, r, ix, oid, use, 0, false, false);
        make_index_path(root, r, ix, oid, use, 0, true, false);
    }
    /* one path per other relation set whose columns can parameterise this index */
    for (int j = 0; j < list_count(join_clauses); j++) {
        Clause *jc = join_clauses->items[j];
        if (!(jc->rels & REL_BIT(r->rel)))
            continue;
        RelSet other = jc->rels & ~REL_BIT(r->rel);
        bool seen = false;
        for (int k = 0; k < j && !seen; k++) {
            Clause *prev = join_clauses->items[k];
            seen = (prev->rels & REL_BIT(r->rel)) && (prev->rels & ~REL_BIT(r->rel)) == other;
        }
        if (seen)
            continue;
        int m = n;
        for (int k = 0; k < list_count(join_clauses); k++) {
            Clause *c = join_clauses->items[k];
            if ((c->rels & REL_BIT(r->rel)) && !(c->rels & ~REL_BIT(r->rel) & ~other))
                m += match_clause(root, ix, r, c, exprs, &all[m]);
        }
        if (m == n)
            continue;
        nuse = choose_prefix(all, m, use);
        bool uses_join = false;
        for (int i = 0; i < nuse; i++)
            uses_join |= (use[i].clause->rels & ~REL_BIT(r->rel)) != 0;
        if (uses_join)
            make_index_path(root, r, ix, oid, use, nuse, false, false);
    }
}

void
add_index_paths(Root *root, BaseRel *r, List *join_clauses)
{
    for (int i = 0; i < r->desc->nindexes; i++)
        one_index(root, r, r->desc->indexes[i], join_clauses);
}
