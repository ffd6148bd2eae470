/*
 * INSERT, UPDATE, DELETE.
 */
#include "core/sql/analyze/analyze_internal.h"

static NsItem *
open_target(Scope *s, const PgQuery__RangeVar *rv, uint32_t perms, bool visible)
{
    int up;
    if (!rv->schemaname[0] && find_cte(s, rv->relname, &up))
        RAISE_AT(SQLSTATE_WRONG_OBJECT_TYPE, rv->location, "relation \"%s\" cannot be the target of a modifying statement", rv->relname);
    RelDesc *rel = open_range_var(s, rv, LOCK_ROW_EXCLUSIVE);
    switch (rel->kind) {
    case 'r': case 'p': case 'v': break;
    case 'S': RAISE(SQLSTATE_WRONG_OBJECT_TYPE, "cannot change sequence \"%s\"", rel->name);
    case 't': RAISE(SQLSTATE_WRONG_OBJECT_TYPE, "cannot change TOAST relation \"%s\"", rel->name);
    case 'm': RAISE(SQLSTATE_WRONG_OBJECT_TYPE, "cannot change materialized view \"%s\"", rel->name);
    case 'i': RAISE_AT(SQLSTATE_WRONG_OBJECT_TYPE, rv->location, "cannot open relation \"%s\"", rel->name);
    default: RAISE_AT(SQLSTATE_WRONG_OBJECT_TYPE, rv->location, "cannot change relation \"%s\"", rel->name);
    }
    NsItem *it = add_relation(s, rel, rv, NULL, visible, perms);
    it->entry->in_from = false;
    it->entry->lock_mode = LOCK_ROW_EXCLUSIVE;
    s->target_rel = rel;
    s->target_index = it->rel;
    s->query->result_rel = it->rel;
    return it;
}

static void
analyze_returning(Scope *s, PNode **items, size_t n)
{
    if (n == 0)
        return;
    s->query->returning = analyze_targets(s, items, n, EK_RETURNING);
    if (s->query->returning->count == 0)
        RAISE(SQLSTATE_SYNTAX_ERROR, "RETURNING must have at least one column");
    resolve_unknown_targets(s, s->query->returning);
}

static int
target_column(Scope *s, const char *name, int location)
{
    int attnum = rel_attnum(s->target_rel, name);
    if (attnum < 0)
        RAISE_AT(SQLSTATE_FEATURE_NOT_SUPPORTED, location, "cannot assign to system column \"%s\"", name);
    if (attnum == 0)
        RAISE_AT(SQLSTATE_UNDEFINED_COLUMN, location, "column \"%s\" of relation \"%s\" does not exist", name, s->target_rel->name);
    return attnum;
}

/* ---- INSERT ---- */

typedef struct InsertColumns {
    int n;
    int *attnums;
    const PgQuery__ResTarget **targets; /* NULL entries when no column list was given */
    bool explicit_list;
} InsertColumns;

static InsertColumns
insert_columns(Scope *s, PNode **cols, size_t n)
{
    InsertColumns out = {0};
    out.attnums = ARENA_ARRAY(s->arena, int, MAX((int)n, s->target_rel->natts) + 1);
    out.targets = ARENA_ARRAY(s->arena, const PgQuery__ResTarget *, MAX((int)n, s->target_rel->natts) + 1);
    if (n == 0) {
        for (int i = 0; i < s->target_rel->natts; i++)
            if (!s->target_rel->cols[i].dropped)
                out.attnums[out.n++] = i + 1;
        return out;
    }
    out.explicit_list = true;
    for (size_t i = 0; i < n; i++) {
        const PgQuery__ResTarget *rt = cols[i]->res_target;
        int attnum = target_column(s, rt->name, rt->location);
        for (int k = 0; k < out.n; k++)
            if (out.attnums[k] == attnum && (rt->n_indirection == 0 || out.targets[k]->n_indirection == 0))
                RAISE_AT(SQLSTATE_DUPLICATE_COLUMN, rt->location, "column \"%s\" specified more than once", rt->name);
        out.targets[out.n] = rt;
        out.attnums[out.n++] = attnum;
    }
    return out;
}

static void
check_row_length(const InsertColumns *c, List *row, bool from_select)
{
    if (row->count > c->n)
        RAISE_AT(SQLSTATE_SYNTAX_ERROR, expr_location(row->items[c->n]), "INSERT has more expressions than target columns");
    if (c->explicit_list && row->count < c->n) {
        const PgQuery__ResTarget *rt = c->targets[row->count];
        RAISE_AT(SQLSTATE_SYNTAX_ERROR, rt ? rt->location : -1, "INSERT has more target columns than expressions");
    }
    (void)from_select;
}

static List *
prepare_row(Scope *s, const InsertColumns *c, List *row)
{
    List *out = list_new(s->arena);
    check_row_length(c, row, false);
    for (int i = 0; i < row->count; i++) {
        const PgQuery__ResTarget *rt = c->targets[i];
        list_push(out, assign_column(s, row->items[i], c->attnums[i], rt ? rt->indirection : NULL, rt ? rt->n_indirection : 0,
                                     rt ? rt->location : expr_location(row->items[i]), true));
    }
    return out;
}

static List *
analyze_value_row(Scope *s, const PgQuery__List *row)
{
    List *out = list_new(s->arena);
    ExprKind saved = s->kind;
    s->kind = EK_VALUES;
    for (size_t i = 0; i < row->n_items; i++)
        list_push(out, analyze_expr_inner(s, row->items[i]));
    s->kind = saved;
    return out;
}

/* INSERT ... VALUES (..), (..): a VALUES entry whose columns are already of the target's types. */
static List *
insert_values_lists(Scope *s, const InsertColumns *c, const PgQuery__SelectStmt *st)
{
    RangeEntry *e = node_new(s->arena, RangeEntry);
    e->kind = RANGE_VALUES;
    e->in_from = true;
    e->eref = "*VALUES*";
    e->columns = list_new(s->arena);
    e->col_types = ints_new(s->arena);
    e->col_typmods = ints_new(s->arena);
    e->col_collations = ints_new(s->arena);
    e->values = list_new(s->arena);
    size_t width = 0;
    for (size_t i = 0; i < st->n_values_lists; i++) {
        List *row = analyze_value_row(s, st->values_lists[i]->list);
        if (i == 0)
            width = (size_t)row->count;
        else if ((size_t)row->count != width)
            RAISE_AT(SQLSTATE_SYNTAX_ERROR, row->count ? expr_location(row->items[0]) : -1, "VALUES lists must all be the same length");
        ListNode *ln = list_node_new(s->arena);
        ln->list = prepare_row(s, c, row);
        for (int k = 0; k < ln->list->count; k++) /* parts of columns are stored by the INSERT, not here */
            if (c->targets[k] && c->targets[k]->n_indirection)
                ln->list->items[k] = assigned_value(ln->list->items[k]);
        assign_collations_list(s->arena, ln->list);
        list_push(e->values, ln);
    }
    for (size_t k = 0; k < width; k++) {
        ColDesc *col = &s->target_rel->cols[c->attnums[k] - 1];
        list_push(e->columns, arena_printf(s->arena, "column%d", (int)k + 1));
        Oid type = col->type;
        if (c->targets[k] && c->targets[k]->n_indirection)
            type = expr_type(((ListNode *)e->values->items[0])->list->items[k]);
        ints_push(e->col_types, type);
        ints_push(e->col_typmods, col->typmod);
        ints_push(e->col_collations, col->collation);
    }
    int rel = push_range_entry(s, e);
    RangeRef *r = node_new(s->arena, RangeRef);
    r->rel = rel;
    list_push(s->query->join_tree->items, r);
    NsItem *it = ns_item_for_entry(s, e, rel);
    List *exprs = list_new(s->arena);
    for (size_t k = 0; k < width; k++) {
        const PgQuery__ResTarget *rt = c->targets[k];
        Expr *v = node_copy(s->arena, it->cols[k].expr);
        if (rt && rt->n_indirection)
            v = assign_column(s, v, c->attnums[k], rt->indirection, rt->n_indirection, rt->location, true);
        list_push(exprs, v);
    }
    return exprs;
}

static List *
insert_from_select(Scope *s, const InsertColumns *c, const PNode *select)
{
    List *hidden = s->ns;
    s->ns = list_new(s->arena);
    Scope *child = scope_new(s->arena, s, s->text, s->params);
    /* unknown literals are left for the target columns' types */
    analyze_select_for_insert(child, select->select_stmt);
    s->ns = hidden;
    Query *q = child->query;
    RangeEntry *e = node_new(s->arena, RangeEntry);
    e->kind = RANGE_SUBQUERY;
    e->subquery = q;
    e->in_from = true;
    e->eref = "*SELECT*";
    e->columns = list_new(s->arena);
    e->col_types = ints_new(s->arena);
    e->col_typmods = ints_new(s->arena);
    e->col_collations = ints_new(s->arena);
    List *exprs = list_new(s->arena);
    bool plain = !q->set_ops && !q->distinct && !q->group;
    for (int i = 0; i < list_count(q->targets); i++) {
        TargetEntry *te = q->targets->items[i];
        if (te->junk)
            continue;
        int k = exprs->count;
        if (te->expr->type == UNKNOWN_OID && plain && te->sort_ref == 0 && k < c->n && IS(te->expr, Const) && !(c->targets[k] && c->targets[k]->n_indirection))
            te->expr = assign_column(s, te->expr, c->attnums[k], NULL, 0, te->expr->location, true);
        else if (te->expr->type == UNKNOWN_OID)
            te->expr = coerce_type(s, te->expr, UNKNOWN_OID, TEXT_OID, -1, COERCE_IMPLICIT, FORM_IMPLICIT_CAST, -1);
        list_push(e->columns, te->name ? te->name : "?column?");
        ints_push(e->col_types, te->expr->type);
        ints_push(e->col_typmods, te->expr->typmod);
        ints_push(e->col_collations, te->expr->collation);
        Var *v = node_new(s->arena, Var);
        v->attno = v->orig_attno = k + 1;
        v->expr.type = te->expr->type;
        v->expr.typmod = te->expr->typmod;
        v->expr.collation = te->expr->collation;
        v->expr.location = te->expr->location;
        list_push(exprs, v);
    }
    int rel = push_range_entry(s, e);
    for (int i = 0; i < exprs->count; i++)
        ((Var *)exprs->items[i])->rel = ((Var *)exprs->items[i])->orig_rel = rel;
    RangeRef *r = node_new(s->arena, RangeRef);
    r->rel = rel;
    list_push(s->query->join_tree->items, r);
    return prepare_row(s, c, exprs);
}

/* ---- ON CONFLICT ---- */

static List *analyze_set_clause(Scope *s, PNode **items, size_t n);

static bool
index_matches(const IndexDesc *ix, const IntList *attnums)
{
    if (!ix->unique || !ix->immediate || ix->predicate_tree || ix->nkeys != attnums->count)
        return false;
    for (int i = 0; i < ix->nkeys; i++)
        if (ix->attnums[i] == 0 || !ints_has(attnums, ix->attnums[i]))
            return false;
    return true;
}

static void
analyze_infer(Scope *s, OnConflict *oc, const PgQuery__OnConflictClause *c)
{
    const PgQuery__InferClause *inf = c->infer;
    oc->arbiter_indexes = NULL;
    IntList *found = ints_new(s->arena);
    RelDesc *rel = s->target_rel;
    if (inf == NULL) {
        if (oc->action == CONFLICT_UPDATE)
            RAISE_ERR(SQLSTATE_SYNTAX_ERROR, err_message("ON CONFLICT DO UPDATE requires inference specification or constraint name"),
                      err_hint("For example, ON CONFLICT (column_name)."), err_position(c->location));
        return;
    }
    if (inf->conname[0]) {
        for (int i = 0; i < rel->nindexes; i++) {
            IndexDesc *ix = index_open(rel->indexes[i], LOCK_ACCESS_SHARE);
            if (strcmp(ix->btree->name, inf->conname) == 0 && ix->unique)
                ints_push(found, rel->indexes[i]);
        }
        if (found->count == 0)
            RAISE(SQLSTATE_UNDEFINED_OBJECT, "constraint \"%s\" for table \"%s\" does not exist", inf->conname, rel->name);
        oc->constraint = (Oid)found->items[0];
    } else {
        IntList *attnums = ints_new(s->arena);
        List *exprs = list_new(s->arena);
        for (size_t i = 0; i < inf->n_index_elems; i++) {
            const PgQuery__IndexElem *el = inf->index_elems[i]->index_elem;
            if (el->name[0]) {
                int att = rel_attnum(rel, el->name);
                if (att == 0)
                    RAISE_AT(SQLSTATE_UNDEFINED_COLUMN, inf->location, "column \"%s\" does not exist", el->name);
                ints_push(attnums, att);
            } else
                list_push(exprs, analyze_expr(s, el->expr, EK_INDEX_EXPR));
        }
        assign_collations_list(s->arena, exprs); /* compared with the indexes' finished expressions below */
        if (!pempty(inf->where_clause))
            {
            oc->arbiter_where = coerce_to_boolean(s, analyze_expr(s, inf->where_clause, EK_INDEX_PRED), "WHERE");
            assign_collations_expr(s->arena, oc->arbiter_where);
        }
        oc->arbiter_exprs = exprs;
        for (int i = 0; i < rel->nindexes; i++) {
            IndexDesc *ix = index_open(rel->indexes[i], LOCK_ACCESS_SHARE);
            if (exprs->count == 0 && index_matches(ix, attnums))
                ints_push(found, rel->indexes[i]);
            else if (ix->unique && ix->immediate && (ix->predicate_tree || ix->expr_trees)) {
                /* expressions and partial indexes: same columns, equal expressions, equal predicate */
                List *ie = ix->expr_trees ? node_read_list(s->arena, ix->expr_trees) : list_new(s->arena);
                void *pred = ix->predicate_tree ? node_read(s->arena, ix->predicate_tree) : NULL;
                bool ok = ix->nkeys == attnums->count + exprs->count && ie->count == exprs->count && (pred == NULL || node_equal(pred, oc->arbiter_where));
                for (int k = 0; ok && k < ix->nkeys; k++)
                    ok = ix->attnums[k] == 0 || ints_has(attnums, ix->attnums[k]);
                for (int k = 0; ok && k < ie->count; k++) {
                    bool any = false;
                    for (int m = 0; m < exprs->count; m++)
                        any |= node_equal(ie->items[k], exprs->items[m]);
                    ok = any;
                }
                if (ok)
                    ints_push(found, rel->indexes[i]);
            }
        }
        if (found->count == 0)
            RAISE(SQLSTATE_INVALID_COLUMN_REFERENCE, "there is no unique or exclusion constraint matching the ON CONFLICT specification");
    }
    oc->arbiter_indexes = list_new(s->arena);
    for (int i = 0; i < found->count; i++)
        list_push(oc->arbiter_indexes, make_const(s->arena, OID_OID, -1, 0, oid_datum((Oid)found->items[i]), false, -1));
}

static OnConflict *
analyze_on_conflict(Scope *s, const PgQuery__OnConflictClause *c, NsItem *target)
{
    OnConflict *oc = node_new(s->arena, OnConflict);
    oc->action = c->action == PG_QUERY__ON_CONFLICT_ACTION__ONCONFLICT_UPDATE ? CONFLICT_UPDATE : CONFLICT_NOTHING;
    List *saved = s->ns;
    s->ns = list_new(s->arena);
    target->columns_visible = target->name_visible = true;
    list_push(s->ns, target);
    analyze_infer(s, oc, c);
    if (oc->action == CONFLICT_UPDATE) {
        NsItem *ex = add_relation(s, s->target_rel, NULL, "excluded", true, 0);
        ex->entry->in_from = false;
        ex->entry->required_perms = 0;
        oc->excluded_rel = ex->rel;
        list_push(s->ns, ex);
        target->entry->required_perms |= (int)ACL_UPDATE;
        oc->set = analyze_set_clause(s, c->target_list, c->n_target_list);
        if (!pempty(c->where_clause))
            oc->where = coerce_to_boolean(s, analyze_expr(s, c->where_clause, EK_CONFLICT_WHERE), "WHERE");
        ex->entry->required_perms = 0;
        ex->entry->select_cols = NULL;
    }
    s->ns = saved;
    return oc;
}

Query *
analyze_insert(Scope *s, const PgQuery__InsertStmt *st)
{
    Query *q = s->query;
    q->command = CMD_INSERT;
    analyze_with(s, st->with_clause);
    q->override = st->override == PG_QUERY__OVERRIDING_KIND__OVERRIDING_USER_VALUE ? OVERRIDE_USER : st->override == PG_QUERY__OVERRIDING_KIND__OVERRIDING_SYSTEM_VALUE ? OVERRIDE_SYSTEM : OVERRIDE_NONE;
    NsItem *target = open_target(s, st->relation, ACL_INSERT, false);
    InsertColumns c = insert_columns(s, st->cols, st->n_cols);
    List *row = NULL;
    if (pempty(st->select_stmt)) /* DEFAULT VALUES */
        row = list_new(s->arena), c.n = 0;
    else {
        const PgQuery__SelectStmt *sel = st->select_stmt->select_stmt;
        bool plain_values = sel->n_values_lists && !sel->n_sort_clause && pempty(sel->limit_offset) && pempty(sel->limit_count) && !sel->n_locking_clause && !sel->with_clause;
        if (plain_values && sel->n_values_lists > 1)
            row = insert_values_lists(s, &c, sel);
        else if (plain_values)
            row = prepare_row(s, &c, analyze_value_row(s, sel->values_lists[0]->list));
        else
            row = insert_from_select(s, &c, st->select_stmt);
    }
    q->targets = list_new(s->arena);
    for (int i = 0; i < row->count; i++) {
        int attnum = c.attnums[i];
        Expr *e = row->items[i];
        TargetEntry *same = NULL; /* a[1], a[2] of one column: nested assignments */
        for (int k = 0; k < q->targets->count; k++)
            if (((TargetEntry *)q->targets->items[k])->resno == attnum)
                same = q->targets->items[k];
        if (same && assign_after(e, same->expr))
            same->expr = e;
        else
            list_push(q->targets, target_new(s->arena, e, attnum, s->target_rel->cols[attnum - 1].name, false));
        mark_column_used(s, target->rel, attnum, ACL_INSERT);
    }
    if (st->on_conflict_clause)
        q->on_conflict = analyze_on_conflict(s, st->on_conflict_clause, target);
    if (st->n_returning_list) {
        s->ns = list_new(s->arena);
        target->columns_visible = target->name_visible = true;
        list_push(s->ns, target);
        analyze_returning(s, st->returning_list, st->n_returning_list);
    }
    q->has_sublinks = s->has_sublinks;
    q->has_srfs = s->has_srfs;
    if (s->has_aggs)
        RAISE(SQLSTATE_GROUPING_ERROR, "aggregate functions are not allowed in VALUES");
    assign_collations_query(s->arena, q);
    return q;
}

/* ---- UPDATE ---- */

static List *
analyze_set_clause(Scope *s, PNode **items, size_t n)
{
    List *out = list_new(s->arena);
    ExprKind saved = s->kind;
    s->kind = EK_UPDATE_SOURCE;
    const PgQuery__MultiAssignRef *current = NULL;
    List *row = NULL;
    for (size_t i = 0; i < n; i++) {
        const PgQuery__ResTarget *rt = items[i]->res_target;
        int attnum = rel_attnum(s->target_rel, rt->name);
        if (attnum == 0)
            RAISE_AT(SQLSTATE_UNDEFINED_COLUMN, rt->location, "column \"%s\" of relation \"%s\" does not exist", rt->name, s->target_rel->name);
        if (attnum < 0)
            RAISE_AT(SQLSTATE_FEATURE_NOT_SUPPORTED, rt->location, "cannot assign to system column \"%s\"", rt->name);
        Expr *e;
        if (rt->val->node_case == PN(MULTI_ASSIGN_REF)) { /* (a, b) = (x, y) or (select ...) */
            const PgQuery__MultiAssignRef *m = rt->val->multi_assign_ref;
            const PNode *src = m->source;
            if (m->colno == 1 || current == NULL) {
                current = m;
                row = NULL;
                if (src->node_case == PN(ROW_EXPR)) {
                    const PgQuery__RowExpr *r = src->row_expr;
                    if ((int)r->n_args != m->ncolumns)
                        RAISE_AT(SQLSTATE_SYNTAX_ERROR, r->location, "number of columns does not match number of values");
                    row = list_new(s->arena);
                    for (size_t k = 0; k < r->n_args; k++)
                        list_push(row, analyze_expr_inner(s, r->args[k]));
                } else if (src->node_case == PN(SUB_LINK) && src->sub_link->sub_link_type == PG_QUERY__SUB_LINK_TYPE__EXPR_SUBLINK) {
                    /* one scalar subquery per column over the same select: same values, the select is stable
                     * within the statement */
                    const PgQuery__SubLink *sl = src->sub_link;
                    row = list_new(s->arena);
                    for (int k = 0; k < m->ncolumns; k++) {
                        Query *sub = analyze_select_in(s, sl->subselect, true, true);
                        int visible = 0;
                        TargetEntry *pick = NULL;
                        for (int t = 0; t < sub->targets->count; t++) {
                            TargetEntry *te = sub->targets->items[t];
                            if (te->junk)
                                continue;
                            if (visible++ == k)
                                pick = te;
                        }
                        if (visible != m->ncolumns)
                            RAISE_AT(SQLSTATE_SYNTAX_ERROR, sl->location, "number of columns does not match number of values");
                        for (int t = 0; t < sub->targets->count; t++) {
                            TargetEntry *te = sub->targets->items[t];
                            te->junk = te != pick;
                        }
                        if (pick->resno != 1) { /* the visible column leads */
                            TargetEntry *first = sub->targets->items[0];
                            int at = pick->resno - 1;
                            sub->targets->items[0] = pick;
                            sub->targets->items[at] = first;
                            first->resno = at + 1;
                            pick->resno = 1;
                        }
                        SubLink *out_sl = node_new(s->arena, SubLink);
                        out_sl->kind = SUBLINK_EXPR;
                        out_sl->subselect = sub;
                        out_sl->expr.type = pick->expr->type;
                        out_sl->expr.typmod = pick->expr->typmod;
                        out_sl->expr.collation = pick->expr->collation;
                        out_sl->expr.location = sl->location;
                        s->has_sublinks = true;
                        list_push(row, out_sl);
                    }
                } else
                    RAISE_AT(SQLSTATE_FEATURE_NOT_SUPPORTED, rt->location, "source for a multiple-column UPDATE item must be a sub-SELECT or ROW() expression");
            }
            e = row->items[m->colno - 1];
        } else
            e = analyze_expr_inner(s, rt->val);
        e = assign_column(s, e, attnum, rt->indirection, rt->n_indirection, rt->location, false);
        TargetEntry *same = NULL;
        for (int k = 0; k < out->count; k++)
            if (((TargetEntry *)out->items[k])->resno == attnum)
                same = out->items[k];
        if (same) {
            if (!assign_after(e, same->expr))
                RAISE_AT(SQLSTATE_SYNTAX_ERROR, -1, "multiple assignments to same column \"%s\"", rt->name);
            same->expr = e;
        } else
            list_push(out, target_new(s->arena, e, attnum, s->target_rel->cols[attnum - 1].name, false));
        mark_column_used(s, s->target_index, attnum, ACL_UPDATE);
    }
    s->kind = saved;
    return out;
}

static void
dml_where(Scope *s, const PNode *n)
{
    if (!pempty(n))
        s->query->join_tree->quals = coerce_to_boolean(s, analyze_expr(s, n, EK_WHERE), "WHERE");
}

static void
finish_dml(Scope *s)
{
    s->query->has_sublinks = s->has_sublinks;
    s->query->has_srfs = s->has_srfs;
    s->query->has_aggs = s->has_aggs;
    assign_collations_query(s->arena, s->query);
}

static void
add_target_to_from(Scope *s, NsItem *target)
{
    RangeRef *r = node_new(s->arena, RangeRef);
    r->rel = target->rel;
    list_push(s->query->join_tree->items, r);
    list_push(s->ns, target);
}

static void
check_from_alias(Scope *s, NsItem *target)
{
    for (int i = 0; i < list_count(s->ns); i++) {
        NsItem *it = s->ns->items[i];
        if (it != target && it->name && it->name_visible && strcmp(it->name, target->name) == 0)
            RAISE(SQLSTATE_DUPLICATE_ALIAS, "table name \"%s\" specified more than once", target->name);
    }
}

Query *
analyze_update(Scope *s, const PgQuery__UpdateStmt *st)
{
    Query *q = s->query;
    q->command = CMD_UPDATE;
    analyze_with(s, st->with_clause);
    NsItem *target = open_target(s, st->relation, ACL_UPDATE, true);
    add_target_to_from(s, target);
    target->lateral_only = true;
    target->lateral_ok = false;
    analyze_from(s, st->from_clause, st->n_from_clause, q->join_tree);
    target->lateral_only = false;
    target->lateral_ok = true;
    check_from_alias(s, target);
    dml_where(s, st->where_clause);
    q->targets = analyze_set_clause(s, st->target_list, st->n_target_list);
    analyze_returning(s, st->returning_list, st->n_returning_list);
    if (s->has_aggs)
        RAISE(SQLSTATE_GROUPING_ERROR, "aggregate functions are not allowed in UPDATE");
    finish_dml(s);
    return q;
}

Query *
analyze_delete(Scope *s, const PgQuery__DeleteStmt *st)
{
    Query *q = s->query;
    q->command = CMD_DELETE;
    analyze_with(s, st->with_clause);
    NsItem *target = open_target(s, st->relation, ACL_DELETE, true);
    add_target_to_from(s, target);
    target->lateral_only = true;
    target->lateral_ok = false;
    analyze_from(s, st->using_clause, st->n_using_clause, q->join_tree);
    target->lateral_only = false;
    target->lateral_ok = true;
    check_from_alias(s, target);
    dml_where(s, st->where_clause);
    analyze_returning(s, st->returning_list, st->n_returning_list);
    finish_dml(s);
    return q;
}
