/*
 * ORDER BY, GROUP BY, DISTINCT, LIMIT, WINDOW: items are output columns by name or number, or expressions
 * that become junk entries of the target list.
 */
#include "core/sql/analyze/analyze_internal.h"

int
assign_sort_ref(TargetEntry *te, const List *targets)
{
    if (te->sort_ref)
        return te->sort_ref;
    int max = 0;
    for (int i = 0; i < list_count(targets); i++)
        max = MAX(max, ((TargetEntry *)targets->items[i])->sort_ref);
    return te->sort_ref = max + 1;
}

TargetEntry *
target_by_ref(const List *targets, int ref)
{
    for (int i = 0; i < list_count(targets); i++)
        if (((TargetEntry *)targets->items[i])->sort_ref == ref)
            return targets->items[i];
    return NULL;
}

static TargetEntry *
find_sql99(Scope *s, const PNode *n, List *targets, ExprKind kind)
{
    Expr *e = analyze_expr(s, n, kind);
    for (int i = 0; i < list_count(targets); i++) {
        TargetEntry *te = targets->items[i];
        Expr *t = te->expr;
        while (IS(t, Relabel) && ((Relabel *)t)->form == FORM_IMPLICIT_CAST)
            t = ((Relabel *)t)->arg;
        if (node_equal(e, te->expr) || node_equal(e, t))
            return te;
    }
    TargetEntry *te = target_new(s->arena, e, list_count(targets) + 1, NULL, true);
    list_push(targets, te);
    return te;
}

static TargetEntry *
find_sql92(Scope *s, const PNode *n, List *targets, ExprKind kind)
{
    static const char *clause_names[] = {[EK_GROUP_BY] = "GROUP BY", [EK_ORDER_BY] = "ORDER BY", [EK_DISTINCT_ON] = "DISTINCT ON"};
    const char *clause = kind == EK_GROUP_BY || kind == EK_ORDER_BY || kind == EK_DISTINCT_ON ? clause_names[kind] : "ORDER BY";

    if (n->node_case == PN(COLUMN_REF) && n->column_ref->n_fields == 1 && pstr(n->column_ref->fields[0])) {
        const char *name = pstr(n->column_ref->fields[0]);
        bool prefer_column = false;
        if (kind == EK_GROUP_BY) /* an input column of that name wins in GROUP BY */
            for (int i = 0; i < list_count(s->ns) && !prefer_column; i++) {
                NsItem *it = s->ns->items[i];
                for (int c = 0; it->columns_visible && c < it->ncols; c++)
                    if (it->cols[c].name && strcmp(it->cols[c].name, name) == 0)
                        prefer_column = true;
            }
        if (!prefer_column) {
            TargetEntry *found = NULL;
            for (int i = 0; i < list_count(targets); i++) {
                TargetEntry *te = targets->items[i];
                if (te->junk || te->name == NULL || strcmp(te->name, name) != 0)
                    continue;
                if (found == NULL)
                    found = te;
                else if (!node_equal(found->expr, te->expr))
                    RAISE_AT(SQLSTATE_AMBIGUOUS_COLUMN, n->column_ref->location, "%s \"%s\" is ambiguous", clause, name);
            }
            if (found)
                return found;
        }
    }
    if (n->node_case == PN(A_CONST)) {
        const PgQuery__AConst *c = n->a_const;
        if (c->isnull || (c->val_case != PG_QUERY__A__CONST__VAL_IVAL && c->val_case != PG_QUERY__A__CONST__VAL__NOT_SET))
            RAISE_AT(SQLSTATE_SYNTAX_ERROR, c->location, "non-integer constant in %s", clause);
        int pos = c->val_case == PG_QUERY__A__CONST__VAL_IVAL ? c->ival->ival : 0, k = 0;
        for (int i = 0; i < list_count(targets); i++) {
            TargetEntry *te = targets->items[i];
            if (!te->junk && ++k == pos)
                return te;
        }
        RAISE_AT(SQLSTATE_INVALID_COLUMN_REFERENCE, c->location, "%s position %d is not in select list", clause, pos);
    }
    return find_sql99(s, n, targets, kind);
}

static NORETURN void
no_ordering(Scope *s, Oid type, int location)
{
    RAISE_ERR(SQLSTATE_UNDEFINED_FUNCTION, err_message("could not identify an ordering operator for type %s", type_format(s->arena, type, -1, false)),
              err_hint("Use an explicit ordering operator or modify the query."), err_position(location));
}

static void
resolve_unknown_key(Scope *s, TargetEntry *te)
{
    if (te->expr->type == UNKNOWN_OID)
        te->expr = coerce_type(s, te->expr, UNKNOWN_OID, TEXT_OID, -1, COERCE_IMPLICIT, FORM_IMPLICIT_CAST, -1);
}

static bool
ref_in(const List *l, int ref)
{
    for (int i = 0; i < list_count(l); i++)
        if (((SortClause *)l->items[i])->ref == ref)
            return true;
    return false;
}

void
sort_by_target(Scope *s, List *sort, TargetEntry *te, List *targets, const PgQuery__SortBy *by)
{
    resolve_unknown_key(s, te);
    int location = by->location >= 0 ? by->location : te->expr->location;
    SortClause *c = node_new(s->arena, SortClause);
    TypeSortOps ops = type_sort_ops(te->expr->type);
    switch (by->sortby_dir) {
    case PG_QUERY__SORT_BY_DIR__SORTBY_DESC:
        if (ops.gt == 0)
            no_ordering(s, te->expr->type, location);
        c->sort_op = ops.gt;
        c->desc = true;
        break;
    case PG_QUERY__SORT_BY_DIR__SORTBY_USING: {
        const char *nsp, *name;
        split_name(by->use_op, by->n_use_op, &nsp, &name);
        Oid op = op_lookup_exact(name, te->expr->type, te->expr->type);
        Oid l, r;
        int strategy = op ? op_btree_strategy(op, &l, &r) : 0;
        if (strategy != 1 && strategy != 5)
            RAISE_ERR(SQLSTATE_WRONG_OBJECT_TYPE, err_message("operator %s is not a valid ordering operator", name),
                      err_hint("Ordering operators must be \"<\" or \">\" members of btree operator families."), err_position(location));
        c->sort_op = op;
        c->desc = strategy == 5;
        break;
    }
    default:
        if (ops.lt == 0)
            no_ordering(s, te->expr->type, location);
        c->sort_op = ops.lt;
        break;
    }
    c->eq_op = ops.eq;
    c->hashable = ops.hashable;
    c->nulls_first = by->sortby_nulls == PG_QUERY__SORT_BY_NULLS__SORTBY_NULLS_FIRST ||
                     (by->sortby_nulls != PG_QUERY__SORT_BY_NULLS__SORTBY_NULLS_LAST && c->desc);
    if (te->sort_ref && ref_in(sort, te->sort_ref))
        return; /* a repeated key sorts nothing */
    c->ref = assign_sort_ref(te, targets);
    list_push(sort, c);
}

List *
analyze_sort(Scope *s, PNode **items, size_t n, List *targets, ExprKind kind, bool sql99)
{
    List *sort = list_new(s->arena);
    for (size_t i = 0; i < n; i++) {
        const PgQuery__SortBy *by = items[i]->sort_by;
        TargetEntry *te = sql99 ? find_sql99(s, by->node, targets, kind) : find_sql92(s, by->node, targets, kind);
        sort_by_target(s, sort, te, targets, by);
    }
    return sort->count ? sort : NULL;
}

SortClause *
make_group_clause(Arena *a, const List *targets, TargetEntry *te, int location)
{
    SortClause *c = node_new(a, SortClause);
    TypeSortOps ops = type_sort_ops(te->expr->type);
    if (ops.eq == 0)
        RAISE_AT(SQLSTATE_UNDEFINED_FUNCTION, location, "could not identify an equality operator for type %s",
                 type_format(a, te->expr->type, -1, false));
    c->ref = assign_sort_ref(te, targets);
    c->eq_op = ops.eq;
    c->sort_op = ops.lt;
    c->hashable = ops.hashable;
    return c;
}

static int
add_group_item(Scope *s, const PNode *n, List *targets, List *sort, List *group)
{
    TargetEntry *te = find_sql92(s, n, targets, EK_GROUP_BY);
    resolve_unknown_key(s, te);
    if (te->sort_ref && ref_in(group, te->sort_ref))
        return te->sort_ref;
    if (te->sort_ref)
        for (int i = 0; i < list_count(sort); i++) {
            SortClause *sc = sort->items[i];
            if (sc->ref == te->sort_ref) { /* group in ORDER BY's order: one sort serves both */
                list_push(group, node_copy(s->arena, sc));
                return te->sort_ref;
            }
        }
    list_push(group, make_group_clause(s->arena, targets, te, te->expr->location));
    return te->sort_ref;
}

/* Grouping sets are expanded to lists of refs: GroupingSet{refs} each. */
static List *
cross_sets(Scope *s, const List *x, const List *y)
{
    List *out = list_new(s->arena);
    for (int i = 0; i < list_count(x); i++)
        for (int j = 0; j < list_count(y); j++) {
            GroupingSet *g = node_new(s->arena, GroupingSet);
            g->refs = ints_new(s->arena);
            const GroupingSet *p = x->items[i], *q = y->items[j];
            for (int k = 0; k < ints_count(p->refs); k++)
                ints_push(g->refs, p->refs->items[k]);
            for (int k = 0; k < ints_count(q->refs); k++)
                if (!ints_has(g->refs, q->refs->items[k]))
                    ints_push(g->refs, q->refs->items[k]);
            list_push(out, g);
        }
    return out;
}

static GroupingSet *
set_of_refs(Scope *s, const IntList *refs)
{
    GroupingSet *g = node_new(s->arena, GroupingSet);
    g->refs = ints_new(s->arena);
    for (int i = 0; i < ints_count(refs); i++)
        if (!ints_has(g->refs, refs->items[i]))
            ints_push(g->refs, refs->items[i]);
    return g;
}

static IntList *
refs_of_item(Scope *s, const PNode *n, List *targets, List *sort, List *group)
{
    IntList *refs = ints_new(s->arena);
    if (n->node_case == PN(ROW_EXPR) && n->row_expr->row_format == PG_QUERY__COERCION_FORM__COERCE_IMPLICIT_CAST) {
        for (size_t i = 0; i < n->row_expr->n_args; i++)
            ints_push(refs, add_group_item(s, n->row_expr->args[i], targets, sort, group));
    } else
        ints_push(refs, add_group_item(s, n, targets, sort, group));
    return refs;
}

static List *
expand_set(Scope *s, const PNode *n, List *targets, List *sort, List *group)
{
    List *out = list_new(s->arena);
    if (n->node_case != PN(GROUPING_SET)) {
        list_push(out, set_of_refs(s, refs_of_item(s, n, targets, sort, group)));
        return out;
    }
    const PgQuery__GroupingSet *g = n->grouping_set;
    switch (g->kind) {
    case PG_QUERY__GROUPING_SET_KIND__GROUPING_SET_EMPTY: list_push(out, set_of_refs(s, NULL)); break;
    case PG_QUERY__GROUPING_SET_KIND__GROUPING_SET_SETS:
        for (size_t i = 0; i < g->n_content; i++)
            list_concat(out, expand_set(s, g->content[i], targets, sort, group));
        break;
    case PG_QUERY__GROUPING_SET_KIND__GROUPING_SET_ROLLUP:
    case PG_QUERY__GROUPING_SET_KIND__GROUPING_SET_CUBE: {
        IntList **parts = ARENA_ARRAY(s->arena, IntList *, g->n_content + 1);
        int m = (int)g->n_content;
        for (int i = 0; i < m; i++)
            parts[i] = refs_of_item(s, g->content[i], targets, sort, group);
        bool cube = g->kind == PG_QUERY__GROUPING_SET_KIND__GROUPING_SET_CUBE;
        if (cube && m > 12)
            RAISE_AT(SQLSTATE_TOO_MANY_COLUMNS, g->location, "CUBE is limited to 12 elements");
        int sets = cube ? 1 << m : m + 1;
        for (int k = 0; k < sets; k++) {
            IntList *refs = ints_new(s->arena);
            for (int i = 0; i < m; i++)
                if (cube ? !(k >> (m - 1 - i) & 1) : i < m - k)
                    for (int j = 0; j < parts[i]->count; j++)
                        ints_push(refs, parts[i]->items[j]);
            list_push(out, set_of_refs(s, refs));
        }
        break;
    }
    default: INTERNAL_ERROR("unexpected grouping set kind %d", (int)g->kind);
    }
    return out;
}

List *
analyze_group(Scope *s, PNode **items, size_t n, List *targets, List *sort, List **grouping_sets)
{
    List *group = list_new(s->arena);
    bool any_sets = false;
    *grouping_sets = NULL;
    for (size_t i = 0; i < n; i++)
        any_sets |= items[i]->node_case == PN(GROUPING_SET);
    if (!any_sets) {
        for (size_t i = 0; i < n; i++) {
            IntList *unused = refs_of_item(s, items[i], targets, sort, group);
            (void)unused;
        }
        return group->count ? group : NULL;
    }
    List *sets = list_new(s->arena);
    list_push(sets, set_of_refs(s, NULL));
    for (size_t i = 0; i < n; i++)
        sets = cross_sets(s, sets, expand_set(s, items[i], targets, sort, group));
    *grouping_sets = sets;
    return group;
}

List *
analyze_distinct(Scope *s, List *targets, List *sort, bool is_agg)
{
    List *out = list_new(s->arena);
    for (int i = 0; i < list_count(sort); i++) {
        SortClause *sc = sort->items[i];
        TargetEntry *te = target_by_ref(targets, sc->ref);
        if (te->junk)
            RAISE_AT(SQLSTATE_INVALID_COLUMN_REFERENCE, expr_location(te->expr),
                     is_agg ? "in an aggregate with DISTINCT, ORDER BY expressions must appear in argument list"
                            : "for SELECT DISTINCT, ORDER BY expressions must appear in select list");
        list_push(out, node_copy(s->arena, sc));
    }
    for (int i = 0; i < list_count(targets); i++) {
        TargetEntry *te = targets->items[i];
        if (te->junk || (te->sort_ref && ref_in(out, te->sort_ref)))
            continue;
        resolve_unknown_key(s, te);
        list_push(out, make_group_clause(s->arena, targets, te, te->expr->location));
    }
    if (out->count == 0)
        RAISE(SQLSTATE_SYNTAX_ERROR, is_agg ? "an aggregate with DISTINCT must have at least one argument" : "SELECT DISTINCT must have at least one column");
    return out;
}

/* Where an item of a clause stands in the text: the target it matched may stand elsewhere. */
static int
item_location(const PNode *n, const TargetEntry *te)
{
    if (n->node_case == PN(COLUMN_REF))
        return n->column_ref->location;
    if (n->node_case == PN(A_CONST))
        return n->a_const->location;
    return te->expr->location;
}

List *
analyze_distinct_on(Scope *s, PNode **items, size_t n, List *targets, List *sort)
{
    List *out = list_new(s->arena);
    IntList *refs = ints_new(s->arena);
    for (size_t i = 0; i < n; i++) {
        TargetEntry *te = find_sql92(s, items[i], targets, EK_DISTINCT_ON);
        resolve_unknown_key(s, te);
        ints_push(refs, assign_sort_ref(te, targets));
    }
    bool skipped = false;
    for (int i = 0; i < list_count(sort); i++) {
        SortClause *sc = sort->items[i];
        if (ints_has(refs, sc->ref)) {
            if (skipped)
                RAISE_AT(SQLSTATE_INVALID_COLUMN_REFERENCE, items[0] ? target_by_ref(targets, sc->ref)->expr->location : -1,
                         "SELECT DISTINCT ON expressions must match initial ORDER BY expressions");
            list_push(out, node_copy(s->arena, sc));
        } else
            skipped = true;
    }
    for (int i = 0; i < refs->count; i++) {
        if (ref_in(out, (int)refs->items[i]))
            continue;
        TargetEntry *te = target_by_ref(targets, (int)refs->items[i]);
        if (skipped)
            RAISE_AT(SQLSTATE_INVALID_COLUMN_REFERENCE, item_location(items[i], te), "SELECT DISTINCT ON expressions must match initial ORDER BY expressions");
        list_push(out, make_group_clause(s->arena, targets, te, te->expr->location));
    }
    return out;
}

static bool
has_var_here(void *n, void *arg)
{
    if (IS(n, Var))
        return ((Var *)n)->levels_up == 0;
    return node_walk_children(n, has_var_here, arg, false);
}

Expr *
analyze_limit(Scope *s, const PNode *n, ExprKind kind, const char *name, int option)
{
    if (pempty(n))
        return NULL;
    if (n->node_case == PN(A_CONST) && n->a_const->isnull) {
        if (option == LIMIT_WITH_TIES)
            RAISE(SQLSTATE_INVALID_ROW_COUNT_IN_LIMIT_CLAUSE, "row count cannot be null in FETCH FIRST ... WITH TIES clause");
        return NULL;
    }
    Expr *e = analyze_expr(s, n, kind);
    Expr *c = coerce_to_target(s, e, INT8_OID, -1, COERCE_ASSIGNMENT, FORM_IMPLICIT_CAST, -1);
    if (c == NULL)
        RAISE_AT(SQLSTATE_DATATYPE_MISMATCH, expr_location(e), "argument of %s must be type %s, not type %s", name, "bigint",
                 type_format(s->arena, e->type, -1, false));
    if (has_var_here(c, NULL))
        RAISE_AT(SQLSTATE_INVALID_COLUMN_REFERENCE, expr_location(e), "argument of %s must not contain variables", name);
    return c;
}

void
analyze_windows(Scope *s, List *targets)
{
    Query *q = s->query;
    q->windows = list_new(s->arena);
    for (int i = 0; i < s->nwindow_defs; i++) {
        const PgQuery__WindowDef *d = s->window_defs[i];
        WindowClause *base = NULL, *w = node_new(s->arena, WindowClause);
        if (d->refname[0]) {
            for (int k = 0; k < q->windows->count; k++) {
                WindowClause *x = q->windows->items[k];
                if (x->name && strcmp(x->name, d->refname) == 0)
                    base = x;
            }
            if (base == NULL)
                RAISE_AT(SQLSTATE_UNDEFINED_OBJECT, d->location, "window \"%s\" does not exist", d->refname);
        }
        w->name = d->name[0] ? arena_strdup(s->arena, d->name) : NULL;
        w->refname = d->refname[0] ? arena_strdup(s->arena, d->refname) : NULL;
        w->order = analyze_sort(s, d->order_clause, d->n_order_clause, targets, EK_WINDOW, true);
        w->partition = list_new(s->arena);
        for (size_t k = 0; k < d->n_partition_clause; k++) {
            TargetEntry *te = find_sql99(s, d->partition_clause[k], targets, EK_WINDOW);
            resolve_unknown_key(s, te);
            if (!te->sort_ref || !ref_in(w->partition, te->sort_ref))
                list_push(w->partition, make_group_clause(s->arena, targets, te, te->expr->location));
        }
        if (base) {
            if (w->partition->count)
                RAISE_AT(SQLSTATE_WINDOWING_ERROR, d->location, "cannot override PARTITION BY clause of window \"%s\"", d->refname);
            if (w->order && base->order)
                RAISE_AT(SQLSTATE_WINDOWING_ERROR, d->location, "cannot override ORDER BY clause of window \"%s\"", d->refname);
            w->partition = base->partition;
            if (base->order)
                w->order = base->order;
        }
        w->frame_options = d->frame_options;
        w->start_offset = pempty(d->start_offset) ? NULL : analyze_expr(s, d->start_offset, EK_WINDOW);
        w->end_offset = pempty(d->end_offset) ? NULL : analyze_expr(s, d->end_offset, EK_WINDOW);
        if (w->start_offset && !(w->frame_options & 0x2))
            w->start_offset = coerce_to_target(s, w->start_offset, INT8_OID, -1, COERCE_ASSIGNMENT, FORM_IMPLICIT_CAST, -1);
        if (w->end_offset && !(w->frame_options & 0x2))
            w->end_offset = coerce_to_target(s, w->end_offset, INT8_OID, -1, COERCE_ASSIGNMENT, FORM_IMPLICIT_CAST, -1);
        w->ref = i + 1;
        list_push(q->windows, w);
    }
}
