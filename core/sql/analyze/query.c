/*
 * Whole queries: SELECT, VALUES, set operations, and the entry points of analysis.
 */
#include "core/sql/analyze/analyze_internal.h"

Scope *
scope_new(Arena *a, Scope *parent, const char *text, ParamTypes *params)
{
    Scope *s = ARENA_NEW(a, Scope);
    s->arena = a;
    s->parent = parent;
    s->text = text;
    s->params = params;
    s->ns = list_new(a);
    s->query = node_new(a, Query);
    s->query->range_table = list_new(a);
    s->query->join_tree = node_new(a, FromNode);
    s->query->join_tree->items = list_new(a);
    s->query->can_set_tag = true;
    s->query->stmt_location = -1;
    return s;
}

static void
finish_flags(Scope *s)
{
    Query *q = s->query;
    q->has_aggs = s->has_aggs;
    q->has_windows = s->has_windows;
    q->has_srfs = s->has_srfs;
    q->has_sublinks = s->has_sublinks;
}

/* ---- FOR UPDATE / SHARE ---- */

static void
lock_entry(Scope *s, Query *q, int rel, const PgQuery__LockingClause *l, bool pushed)
{
    int strength = (int)l->strength - PG_QUERY__LOCK_CLAUSE_STRENGTH__LCS_FORKEYSHARE + STRENGTH_KEY_SHARE;
    int policy = l->wait_policy == PG_QUERY__LOCK_WAIT_POLICY__LockWaitSkip ? WAIT_SKIP : l->wait_policy == PG_QUERY__LOCK_WAIT_POLICY__LockWaitError ? WAIT_ERROR : WAIT_BLOCK;
    RangeEntry *e = list_at(q->range_table, rel - 1);
    if (e->kind == RANGE_RELATION) {
        e->required_perms |= (int)ACL_UPDATE;
        e->lock_mode = MAX(e->lock_mode, LOCK_ROW_SHARE);
        for (int i = 0; i < list_count(q->row_marks); i++) {
            RowMark *m = q->row_marks->items[i];
            if (m->rel == rel) {
                m->strength = MAX(m->strength, strength);
                m->wait_policy = MAX(m->wait_policy, policy);
                return;
            }
        }
        RowMark *m = node_new(s->arena, RowMark);
        m->rel = rel;
        m->strength = strength;
        m->wait_policy = policy;
        m->pushed_down = pushed;
        if (q->row_marks == NULL)
            q->row_marks = list_new(s->arena);
        list_push(q->row_marks, m);
        q->has_for_update = true;
    } else if (e->kind == RANGE_SUBQUERY) {
        for (int i = 0; i < list_count(e->subquery->range_table); i++) {
            RangeEntry *c = e->subquery->range_table->items[i];
            if (c->in_from && (c->kind == RANGE_RELATION || c->kind == RANGE_SUBQUERY))
                lock_entry(s, e->subquery, i + 1, l, true);
        }
    }
}

static void
check_lockable(Query *q, const char *what)
{
    if (q->set_ops)
        RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "%s is not allowed with UNION/INTERSECT/EXCEPT", what);
    if (q->distinct)
        RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "%s is not allowed with DISTINCT clause", what);
    if (q->group || q->grouping_sets)
        RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "%s is not allowed with GROUP BY clause", what);
    if (q->having)
        RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "%s is not allowed with HAVING clause", what);
    if (q->has_aggs)
        RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "%s is not allowed with aggregate functions", what);
    if (q->has_windows)
        RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "%s is not allowed with window functions", what);
    if (q->has_srfs)
        RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "%s is not allowed with set-returning functions in the target list", what);
}

static void
analyze_locking(Scope *s, PNode **clauses, size_t n)
{
    static const char *const names[] = {"FOR KEY SHARE", "FOR SHARE", "FOR NO KEY UPDATE", "FOR UPDATE"};
    for (size_t i = 0; i < n; i++) {
        const PgQuery__LockingClause *l = clauses[i]->locking_clause;
        const char *what = names[(int)l->strength - PG_QUERY__LOCK_CLAUSE_STRENGTH__LCS_FORKEYSHARE];
        check_lockable(s->query, what);
        if (l->n_locked_rels == 0) {
            for (int k = 0; k < s->query->range_table->count; k++) {
                RangeEntry *e = s->query->range_table->items[k];
                if (e->in_from)
                    lock_entry(s, s->query, k + 1, l, false);
            }
            continue;
        }
        for (size_t r = 0; r < l->n_locked_rels; r++) {
            const PgQuery__RangeVar *rv = l->locked_rels[r]->range_var;
            int found = 0;
            if (rv->schemaname[0])
                RAISE_AT(SQLSTATE_SYNTAX_ERROR, rv->location, "%s must specify unqualified relation names", what);
            for (int k = 0; k < s->query->range_table->count && !found; k++) {
                RangeEntry *e = s->query->range_table->items[k];
                if (!e->in_from || strcmp(e->eref, rv->relname) != 0)
                    continue;
                found = k + 1;
                switch (e->kind) {
                case RANGE_JOIN: RAISE_AT(SQLSTATE_FEATURE_NOT_SUPPORTED, rv->location, "%s cannot be applied to a join", what);
                case RANGE_FUNCTION: RAISE_AT(SQLSTATE_FEATURE_NOT_SUPPORTED, rv->location, "%s cannot be applied to a function", what);
                case RANGE_VALUES: RAISE_AT(SQLSTATE_FEATURE_NOT_SUPPORTED, rv->location, "%s cannot be applied to VALUES", what);
                case RANGE_CTE: RAISE_AT(SQLSTATE_FEATURE_NOT_SUPPORTED, rv->location, "%s cannot be applied to a WITH query", what);
                default: break;
                }
                lock_entry(s, s->query, found, l, false);
            }
            if (!found)
                RAISE_AT(SQLSTATE_UNDEFINED_TABLE, rv->location, "relation \"%s\" in %s clause not found in FROM clause", rv->relname, what);
        }
    }
}

/* ---- plain SELECT ---- */

static void
analyze_where(Scope *s, const PNode *n, const char *what)
{
    if (!pempty(n))
        s->query->join_tree->quals = coerce_to_boolean(s, analyze_expr(s, n, EK_WHERE), what);
}

static void
analyze_plain_select(Scope *s, const PgQuery__SelectStmt *st, bool resolve_unknowns)
{
    Query *q = s->query;
    q->command = CMD_SELECT;
    analyze_with(s, st->with_clause);
    if (st->into_clause)
        RAISE(SQLSTATE_SYNTAX_ERROR, "SELECT ... INTO is not allowed here");
    for (size_t i = 0; i < st->n_window_clause; i++) {
        const PgQuery__WindowDef *d = st->window_clause[i]->window_def;
        int n = s->nwindow_defs++;
        s->window_defs = arena_realloc(s->arena, s->window_defs, sizeof(void *) * (size_t)n, sizeof(void *) * (size_t)(n + 1));
        s->window_defs[n] = d;
        for (int k = 0; k < n; k++)
            if (strcmp(s->window_defs[k]->name, d->name) == 0)
                RAISE_AT(SQLSTATE_WINDOWING_ERROR, d->location, "window \"%s\" is already defined", d->name);
    }
    analyze_from(s, st->from_clause, st->n_from_clause, q->join_tree);
    q->targets = analyze_targets(s, st->target_list, st->n_target_list, EK_SELECT_TARGET);
    analyze_where(s, st->where_clause, "WHERE");
    if (!pempty(st->having_clause))
        q->having = coerce_to_boolean(s, analyze_expr(s, st->having_clause, EK_HAVING), "HAVING");
    q->sort = analyze_sort(s, st->sort_clause, st->n_sort_clause, q->targets, EK_ORDER_BY, false);
    q->group = analyze_group(s, st->group_clause, st->n_group_clause, q->targets, q->sort, &q->grouping_sets);
    q->group_distinct = st->group_distinct;
    if (st->n_distinct_clause) {
        if (pempty(st->distinct_clause[0]))
            q->distinct = analyze_distinct(s, q->targets, q->sort, false);
        else {
            q->distinct = analyze_distinct_on(s, st->distinct_clause, st->n_distinct_clause, q->targets, q->sort);
            q->has_distinct_on = true;
        }
    }
    q->limit_option = st->limit_option == PG_QUERY__LIMIT_OPTION__LIMIT_OPTION_WITH_TIES ? LIMIT_WITH_TIES : LIMIT_COUNT;
    q->limit_offset = analyze_limit(s, st->limit_offset, EK_OFFSET, "OFFSET", LIMIT_COUNT);
    q->limit_count = analyze_limit(s, st->limit_count, EK_LIMIT, q->limit_option == LIMIT_WITH_TIES ? "FETCH FIRST" : "LIMIT", q->limit_option);
    if (s->nwindow_defs)
        analyze_windows(s, q->targets);
    if (resolve_unknowns)
        resolve_unknown_targets(s, q->targets);
    finish_flags(s);
    analyze_locking(s, st->locking_clause, st->n_locking_clause);
    assign_collations_query(s->arena, q);
    if (q->has_aggs || q->group || q->grouping_sets || q->having)
        check_grouping(s, q);
}

/* ---- VALUES as a query ---- */

static void
analyze_values(Scope *s, const PgQuery__SelectStmt *st)
{
    Query *q = s->query;
    q->command = CMD_SELECT;
    analyze_with(s, st->with_clause);
    size_t width = 0;
    List **columns = NULL;
    for (size_t i = 0; i < st->n_values_lists; i++) {
        const PgQuery__List *row = st->values_lists[i]->list;
        if (i == 0) {
            width = row->n_items;
            columns = ARENA_ARRAY(s->arena, List *, width + 1);
            for (size_t c = 0; c < width; c++)
                columns[c] = list_new(s->arena);
        } else if (row->n_items != width) {
            int loc = -1;
            if (row->n_items)
                loc = expr_location(analyze_expr(s, row->items[0], EK_VALUES));
            RAISE_AT(SQLSTATE_SYNTAX_ERROR, loc, "VALUES lists must all be the same length");
        }
        for (size_t c = 0; c < width; c++) {
            if (row->items[c]->node_case == PN(SET_TO_DEFAULT))
                RAISE_AT(SQLSTATE_SYNTAX_ERROR, row->items[c]->set_to_default->location, "DEFAULT is not allowed in this context");
            list_push(columns[c], analyze_expr(s, row->items[c], EK_VALUES));
        }
    }
    RangeEntry *e = node_new(s->arena, RangeEntry);
    e->kind = RANGE_VALUES;
    e->in_from = true;
    e->lateral = false;
    e->eref = "*VALUES*";
    e->columns = list_new(s->arena);
    e->col_types = ints_new(s->arena);
    e->col_typmods = ints_new(s->arena);
    e->col_collations = ints_new(s->arena);
    e->values = list_new(s->arena);
    for (size_t i = 0; i < st->n_values_lists; i++)
        list_push(e->values, list_node_new(s->arena));
    for (size_t c = 0; c < width; c++) {
        Oid type = select_common_type(s, columns[c], "VALUES", NULL);
        List *done = list_new(s->arena);
        for (int i = 0; i < columns[c]->count; i++) {
            Expr *v = coerce_to_common(s, columns[c]->items[i], type, "VALUES");
            list_push(done, v);
            list_push(((ListNode *)e->values->items[i])->list, v);
        }
        assign_collations_list(s->arena, done);
        Expr *first = done->items[0];
        list_push(e->columns, arena_printf(s->arena, "column%d", (int)c + 1));
        ints_push(e->col_types, type);
        ints_push(e->col_typmods, select_common_typmod(done, type));
        ints_push(e->col_collations, first->collation ? first->collation : type_info(type)->collation);
    }
    int rel = push_range_entry(s, e);
    NsItem *it = ns_item_for_entry(s, e, rel);
    list_push(s->ns, it);
    RangeRef *r = node_new(s->arena, RangeRef);
    r->rel = rel;
    list_push(q->join_tree->items, r);
    q->targets = list_new(s->arena);
    for (size_t c = 0; c < width; c++)
        list_push(q->targets, target_new(s->arena, make_var(s, it, (int)c, 0, -1), (int)c + 1, it->cols[c].name, false));
    q->sort = analyze_sort(s, st->sort_clause, st->n_sort_clause, q->targets, EK_ORDER_BY, false);
    q->limit_offset = analyze_limit(s, st->limit_offset, EK_OFFSET, "OFFSET", LIMIT_COUNT);
    q->limit_count = analyze_limit(s, st->limit_count, EK_LIMIT, "LIMIT", LIMIT_COUNT);
    if (st->n_locking_clause)
        RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "FOR UPDATE cannot be applied to VALUES");
    if (s->has_aggs)
        RAISE(SQLSTATE_GROUPING_ERROR, "aggregate functions are not allowed in VALUES");
    finish_flags(s);
    assign_collations_query(s->arena, q);
}

/* ---- UNION, INTERSECT, EXCEPT ---- */

/* A leaf becomes a subquery entry; returns its node and fills its column expressions (Vars). */
static Node *
set_op_leaf(Scope *s, const PgQuery__SelectStmt *st, List *exprs)
{
    Query *q = analyze_sub_select(s, st, false);
    RangeEntry *e = node_new(s->arena, RangeEntry);
    e->kind = RANGE_SUBQUERY;
    e->subquery = q;
    e->eref = arena_printf(s->arena, "*SELECT* %d", s->query->range_table->count + 1);
    e->columns = list_new(s->arena);
    e->col_types = ints_new(s->arena);
    e->col_typmods = ints_new(s->arena);
    e->col_collations = ints_new(s->arena);
    for (int i = 0; i < list_count(q->targets); i++) {
        TargetEntry *te = q->targets->items[i];
        if (te->junk)
            continue;
        list_push(exprs, te);
        list_push(e->columns, te->name ? te->name : "?column?");
        ints_push(e->col_types, te->expr->type);
        ints_push(e->col_typmods, te->expr->typmod);
        ints_push(e->col_collations, te->expr->collation);
    }
    RangeRef *r = node_new(s->arena, RangeRef);
    r->rel = push_range_entry(s, e);
    return (Node *)r;
}

/* ---- leaves deliver exactly the operation's types: conversions are put into them ---- */

typedef struct RaiseLevels { int depth; } RaiseLevels;

/* One more query level between `n` and its outer queries. */
static bool
raise_outer_levels(void *n, void *arg)
{
    RaiseLevels *r = arg;
    if (IS(n, Var) && ((Var *)n)->levels_up >= r->depth)
        ((Var *)n)->levels_up++;
    else if (IS(n, Aggref) && ((Aggref *)n)->levels_up >= r->depth)
        ((Aggref *)n)->levels_up++;
    else if (IS(n, RangeEntry) && ((RangeEntry *)n)->kind == RANGE_CTE && ((RangeEntry *)n)->cte_levels_up >= r->depth)
        ((RangeEntry *)n)->cte_levels_up++;
    if (IS(n, Query)) {
        r->depth++;
        node_walk_children(n, raise_outer_levels, arg, true);
        r->depth--;
        return false;
    }
    return node_walk_children(n, raise_outer_levels, arg, true);
}

/* SELECT c1, c2 ... FROM (q): for leaves whose own sorting or grouping must keep its types. */
static Query *
wrap_query(Scope *s, Query *q)
{
    RaiseLevels r = {0};
    raise_outer_levels(q, &r);
    Scope *outer = scope_new(s->arena, NULL, s->text, s->params);
    NsItem *it = add_subquery_entry(outer, q, NULL, false, RANGE_SUBQUERY);
    Query *w = outer->query;
    RangeRef *ref = node_new(s->arena, RangeRef);
    ref->rel = it->rel;
    w->command = CMD_SELECT;
    list_push(w->join_tree->items, ref);
    w->targets = list_new(s->arena);
    for (int i = 0; i < it->ncols; i++)
        list_push(w->targets, target_new(s->arena, node_copy(s->arena, it->cols[i].expr), i + 1, it->cols[i].name, false));
    return w;
}

static TargetEntry *
visible_target(const Query *q, int column)
{
    int k = 0;
    for (int i = 0; i < list_count(q->targets); i++) {
        TargetEntry *te = q->targets->items[i];
        if (!te->junk && k++ == column)
            return te;
    }
    return NULL;
}

static TargetEntry *
coerce_set_column(Scope *s, Node *side, int column, TargetEntry *te, Oid type, const char *what)
{
    if (te->expr->type == type)
        return te;
    if (IS(side, SetOpNode)) {
        SetOpNode *n = (SetOpNode *)side;
        TargetEntry probe = *te;
        SetToDefault carrier = {.expr = *te->expr};
        carrier.expr.tag = TAG_SetToDefault;
        for (int k = 0; k < 2; k++) {
            carrier.expr.type = (Oid)n->types->items[column];
            probe.expr = &carrier.expr;
            coerce_set_column(s, k ? n->right : n->left, column, &probe, type, what);
        }
        n->types->items[column] = type;
        n->typmods->items[column] = -1;
        if (n->group_clauses->count) {
            SortClause *g = n->group_clauses->items[column];
            TypeSortOps ops = type_sort_ops(type);
            g->eq_op = ops.eq;
            g->sort_op = ops.lt;
            g->hashable = ops.hashable;
        }
        te->expr = node_copy(s->arena, te->expr);
        te->expr->type = type;
        te->expr->typmod = -1;
        return te;
    }
    RangeEntry *e = list_at(s->query->range_table, ((RangeRef *)side)->rel - 1);
    Query *q = e->subquery;
    if (q->sort || q->group || q->distinct || q->set_ops || q->windows)
        q = e->subquery = wrap_query(s, q);
    TargetEntry *leaf = visible_target(q, column);
    leaf->expr = coerce_to_common(s, leaf->expr, type, what);
    return leaf;
}

static const char *
set_op_name(int op)
{
    return op == SETOP_UNION ? "UNION" : op == SETOP_INTERSECT ? "INTERSECT" : "EXCEPT";
}

static Node *
set_op_tree(Scope *s, const PgQuery__SelectStmt *st, bool top, List *targets)
{
    CHECK_STACK();
    if (st->op == PG_QUERY__SET_OPERATION__SETOP_NONE || (!top && (st->n_sort_clause || !pempty(st->limit_offset) || !pempty(st->limit_count) || st->n_locking_clause || st->with_clause)))
        return set_op_leaf(s, st, targets);
    SetOpNode *n = node_new(s->arena, SetOpNode);
    n->op = (int)st->op - PG_QUERY__SET_OPERATION__SETOP_UNION + SETOP_UNION;
    n->all = st->all;
    const char *what = set_op_name(n->op);
    List *lt = list_new(s->arena), *rt = list_new(s->arena);
    n->left = set_op_tree(s, st->larg, false, lt);
    n->right = set_op_tree(s, st->rarg, false, rt);
    if (lt->count != rt->count)
        RAISE_AT(SQLSTATE_SYNTAX_ERROR, rt->count ? ((TargetEntry *)rt->items[0])->expr->location : -1, "each %s query must have the same number of columns", what);
    n->types = ints_new(s->arena);
    n->typmods = ints_new(s->arena);
    n->collations = ints_new(s->arena);
    n->group_clauses = list_new(s->arena);
    for (int i = 0; i < lt->count; i++) {
        TargetEntry *l = lt->items[i], *r = rt->items[i];
        List *pair = list_new(s->arena);
        list_push(pair, l->expr);
        list_push(pair, r->expr);
        Expr *which = NULL;
        Oid type = select_common_type(s, pair, what, &which);
        if (!can_coerce(&l->expr->type, &type, 1, COERCE_IMPLICIT) || !can_coerce(&r->expr->type, &type, 1, COERCE_IMPLICIT))
            RAISE_AT(SQLSTATE_CANNOT_COERCE, expr_location(l->expr), "%s could not convert type %s to %s", what,
                     type_format(s->arena, l->expr->type, -1, false), type_format(s->arena, type, -1, false));
        l = coerce_set_column(s, n->left, i, l, type, what);
        r = coerce_set_column(s, n->right, i, r, type, what);
        pair = list_new(s->arena);
        list_push(pair, l->expr);
        list_push(pair, r->expr);
        int32_t mod = select_common_typmod(pair, type);
        Oid coll = l->expr->collation ? l->expr->collation : r->expr->collation ? r->expr->collation : type_info(type)->collation;
        if (l->expr->collation && r->expr->collation && l->expr->collation != r->expr->collation)
            coll = l->expr->collation == COLLATION_DEFAULT ? r->expr->collation : l->expr->collation;
        ints_push(n->types, type);
        ints_push(n->typmods, mod);
        ints_push(n->collations, coll);
        if (n->op != SETOP_UNION || !n->all) {
            SortClause *g = node_new(s->arena, SortClause);
            TypeSortOps ops = type_sort_ops(type);
            if (ops.eq == 0)
                RAISE_AT(SQLSTATE_UNDEFINED_FUNCTION, which ? which->location : -1, "could not identify an equality operator for type %s", type_format(s->arena, type, -1, false));
            g->eq_op = ops.eq;
            g->sort_op = ops.lt;
            g->hashable = ops.hashable;
            list_push(n->group_clauses, g);
        }
        /* what the upper level sees of this column */
        SetToDefault *carrier = node_new(s->arena, SetToDefault);
        carrier->expr.type = type;
        carrier->expr.typmod = mod;
        carrier->expr.collation = coll;
        carrier->expr.location = which ? which->location : -1;
        list_push(targets, target_new(s->arena, &carrier->expr, i + 1, l->name, false));
    }
    return (Node *)n;
}

/* Leaf targets may have been converted: their entries' types follow. */
static void
refresh_leaf_types(Query *q)
{
    for (int i = 0; i < q->range_table->count; i++) {
        RangeEntry *e = q->range_table->items[i];
        if (e->kind != RANGE_SUBQUERY)
            continue;
        int k = 0;
        for (int t = 0; t < list_count(e->subquery->targets); t++) {
            TargetEntry *te = e->subquery->targets->items[t];
            if (te->junk)
                continue;
            e->col_types->items[k] = te->expr->type;
            e->col_typmods->items[k] = te->expr->typmod;
            e->col_collations->items[k] = te->expr->collation;
            k++;
        }
    }
}

static void
analyze_set_operation(Scope *s, const PgQuery__SelectStmt *st)
{
    Query *q = s->query;
    q->command = CMD_SELECT;
    analyze_with(s, st->with_clause);
    if (st->n_locking_clause)
        RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "FOR UPDATE is not allowed with UNION/INTERSECT/EXCEPT");
    List *columns = list_new(s->arena);
    q->set_ops = set_op_tree(s, st, true, columns);
    refresh_leaf_types(q);
    /* The result's columns are Vars of the leftmost leaf with the operation's types. */
    const SetOpNode *n = (const SetOpNode *)q->set_ops;
    const Node *leaf = q->set_ops;
    while (IS(leaf, SetOpNode))
        leaf = ((const SetOpNode *)leaf)->left;
    int leaf_rel = ((const RangeRef *)leaf)->rel;
    RangeEntry *first = list_at(q->range_table, leaf_rel - 1);
    q->targets = list_new(s->arena);
    RangeEntry *je = node_new(s->arena, RangeEntry); /* namespace for ORDER BY: output names only */
    je->kind = RANGE_JOIN;
    je->eref = "*SET*";
    NsItem *it = ARENA_NEW(s->arena, NsItem);
    it->ncols = ints_count(n->types);
    it->cols = ARENA_ARRAY(s->arena, NsColumn, it->ncols + 1);
    it->entry = je;
    it->columns_visible = true;
    for (int i = 0; i < it->ncols; i++) {
        Var *v = node_new(s->arena, Var);
        v->rel = v->orig_rel = leaf_rel;
        v->attno = v->orig_attno = i + 1;
        v->expr.type = (Oid)n->types->items[i];
        v->expr.typmod = (int32_t)n->typmods->items[i];
        v->expr.collation = (Oid)n->collations->items[i];
        v->expr.location = ((TargetEntry *)columns->items[i])->expr->location;
        it->cols[i] = (NsColumn){first->columns->items[i], &v->expr};
        list_push(q->targets, target_new(s->arena, node_copy(s->arena, v), i + 1, first->columns->items[i], false));
    }
    list_push(s->ns, it);
    int before = q->targets->count;
    q->sort = analyze_sort(s, st->sort_clause, st->n_sort_clause, q->targets, EK_ORDER_BY, false);
    s->ns->count = 0;
    if (q->targets->count != before)
        RAISE_ERR(SQLSTATE_FEATURE_NOT_SUPPORTED, err_message("invalid UNION/INTERSECT/EXCEPT ORDER BY clause"),
                  err_detail("Only result column names can be used, not expressions or functions."),
                  err_hint("Add the expression/function to every SELECT, or move the UNION into a FROM clause."),
                  err_position(expr_location(((TargetEntry *)q->targets->items[before])->expr)));
    q->limit_option = st->limit_option == PG_QUERY__LIMIT_OPTION__LIMIT_OPTION_WITH_TIES ? LIMIT_WITH_TIES : LIMIT_COUNT;
    q->limit_offset = analyze_limit(s, st->limit_offset, EK_OFFSET, "OFFSET", LIMIT_COUNT);
    q->limit_count = analyze_limit(s, st->limit_count, EK_LIMIT, "LIMIT", q->limit_option);
    finish_flags(s);
    assign_collations_query(s->arena, q);
}

static void
analyze_select(Scope *s, const PgQuery__SelectStmt *st, bool resolve_unknowns)
{
    if (st->n_values_lists)
        analyze_values(s, st);
    else if (st->op != PG_QUERY__SET_OPERATION__SETOP_NONE)
        analyze_set_operation(s, st);
    else
        analyze_plain_select(s, st, resolve_unknowns);
}

/* INSERT's source: unknown literals keep their type, the target columns decide. */
void
analyze_select_for_insert(Scope *s, const PgQuery__SelectStmt *st)
{
    analyze_select(s, st, false);
}

Query *
analyze_sub_select(Scope *s, const PgQuery__SelectStmt *st, bool resolve_unknowns)
{
    Scope *child = scope_new(s->arena, s, s->text, s->params);
    analyze_select(child, st, resolve_unknowns);
    return child->query;
}

/* A query one level down. lateral: it may see the current level's FROM items analysed so far. */
Query *
analyze_select_in(Scope *s, const PNode *n, bool resolve_unknowns, bool lateral)
{
    List *saved = s->ns;
    if (!lateral)
        s->ns = list_new(s->arena);
    Scope *child = scope_new(s->arena, s, s->text, s->params);
    switch (n->node_case) {
    case PN(SELECT_STMT): analyze_select(child, n->select_stmt, resolve_unknowns); break;
    case PN(INSERT_STMT): analyze_insert(child, n->insert_stmt); break;
    case PN(UPDATE_STMT): analyze_update(child, n->update_stmt); break;
    case PN(DELETE_STMT): analyze_delete(child, n->delete_stmt); break;
    default: RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "this statement is not supported in WITH");
    }
    s->ns = saved;
    return child->query;
}

/* ---- entry points ---- */

static bool
refuse_unknown_params(void *n, void *arg)
{
    if (IS(n, Param) && ((Param *)n)->kind == PARAM_EXTERN) {
        Param *p = n;
        const ParamTypes *pt = arg;
        if (p->expr.type == UNKNOWN_OID) {
            Oid t = p->id <= pt->count ? pt->types[p->id - 1] : 0;
            if (t == 0 || t == UNKNOWN_OID)
                RAISE_AT(SQLSTATE_INDETERMINATE_DATATYPE, p->expr.location, "could not determine data type of parameter $%d", p->id);
            p->expr.type = t; /* another use told the type: this one is converted at run time by its context */
        }
        return false;
    }
    return node_walk_children(n, refuse_unknown_params, arg, true);
}

Query *
analyze_statement(Scope *parent, Arena *a, const PNode *n, const char *text, ParamTypes *params, bool resolve_unknowns)
{
    Scope *s = scope_new(a, parent, text, params);
    switch (n->node_case) {
    case PN(SELECT_STMT): analyze_select(s, n->select_stmt, resolve_unknowns); break;
    case PN(INSERT_STMT): analyze_insert(s, n->insert_stmt); break;
    case PN(UPDATE_STMT): analyze_update(s, n->update_stmt); break;
    case PN(DELETE_STMT): analyze_delete(s, n->delete_stmt); break;
    case PN(MERGE_STMT): RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "MERGE is not supported");
    default: INTERNAL_ERROR("unexpected statement type %d", (int)n->node_case);
    }
    if (params && params->variable)
        refuse_unknown_params(s->query, params);
    return s->query;
}

/* A set operation carries its INTO in the leftmost branch. */
static bool
has_into(const PgQuery__SelectStmt *s)
{
    while (s->into_clause == NULL && s->larg)
        s = s->larg;
    return s->into_clause != NULL;
}

Node *
sql_analyze(Arena *a, const RawStmt *raw, const char *text, ParamTypes *params)
{
    switch (raw->node->node_case) {
    case PN(SELECT_STMT):
        if (has_into(raw->node->select_stmt))
            break; /* SELECT INTO is CREATE TABLE AS */
        /* fallthrough */
    case PN(INSERT_STMT): case PN(UPDATE_STMT): case PN(DELETE_STMT): case PN(MERGE_STMT): {
        Query *q = analyze_statement(NULL, a, raw->node, text, params, true);
        q->stmt_location = raw->location;
        q->stmt_len = raw->len;
        return (Node *)q;
    }
    default: break;
    }
    UtilityStmt *u = ARENA_NEW(a, UtilityStmt);
    u->tag = TAG_UTILITY;
    u->stmt = raw->node;
    u->location = raw->location;
    u->len = raw->len;
    return (Node *)u;
}

Expr *
sql_analyze_expr(Arena *a, const PNode *raw, RelDesc *rel, const char *text, const char *kind)
{
    static const struct { const char *name; ExprKind kind; } kinds[] = {
        {"DEFAULT expressions", EK_DEFAULT}, {"check constraints", EK_CHECK}, {"index expressions", EK_INDEX_EXPR},
        {"index predicates", EK_INDEX_PRED}, {"transform expressions", EK_ALTER_USING}, {"EXECUTE parameters", EK_EXECUTE_PARAM},
        {"COPY FROM WHERE conditions", EK_COPY_WHERE}, {"column generation expressions", EK_GENERATED},
    };
    Scope *s = scope_new(a, NULL, text, NULL);
    ExprKind k = EK_DEFAULT;
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (strcmp(kinds[i].name, kind) == 0)
            k = kinds[i].kind;
    if (rel)
        list_push(s->ns, add_relation(s, rel, NULL, NULL, true, 0));
    Expr *e = analyze_expr(s, raw, k);
    if (k == EK_COPY_WHERE)
        e = coerce_to_boolean(s, e, "WHERE");
    assign_collations_expr(a, e);
    return e;
}

Expr *
sql_coerce_assignment(Arena *a, Expr *e, Oid type, int32_t typmod, Oid collation, const char *column)
{
    Scope *s = scope_new(a, NULL, NULL, NULL);
    Oid from = e->type;
    Expr *out = coerce_to_target(s, e, type, typmod, COERCE_ASSIGNMENT, FORM_IMPLICIT_CAST, -1);
    if (out == NULL)
        RAISE_ERR(SQLSTATE_DATATYPE_MISMATCH,
                  err_message("column \"%s\" is of type %s but expression is of type %s", column, type_format(a, type, -1, false), type_format(a, from, -1, false)),
                  err_hint("You will need to rewrite or cast the expression."), err_position(expr_location(e)));
    (void)collation;
    assign_collations_expr(a, out);
    return out;
}
