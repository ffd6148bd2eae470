/*
 * The FROM clause: range table entries, the join tree and the namespace it makes.
 */
#include "core/sql/analyze/analyze_internal.h"

int
push_range_entry(Scope *s, RangeEntry *e)
{
    list_push(s->query->range_table, e);
    return s->query->range_table->count;
}

RelDesc *
open_range_var(Scope *s, const PgQuery__RangeVar *rv, LockMode lock)
{
    const char *schema = rv->schemaname[0] ? rv->schemaname : NULL;
    if (rv->catalogname[0]) {
        const CatRow *db = cat_get_by_oid(CAT_PG_DATABASE, catalog_database);
        if (db == NULL || strcmp(cat_name(s->arena, db, PG_DATABASE_DATNAME), rv->catalogname) != 0)
            RAISE_AT(SQLSTATE_FEATURE_NOT_SUPPORTED, rv->location, "cross-database references are not implemented: \"%s.%s.%s\"", rv->catalogname, rv->schemaname, rv->relname);
    }
    Oid rel = 0;
    if (schema == NULL || nsp_oid(schema, true))
        rel = rel_lookup(schema, rv->relname);
    if (rel == 0) {
        if (schema)
            RAISE_AT(SQLSTATE_UNDEFINED_TABLE, rv->location, "relation \"%s.%s\" does not exist", schema, rv->relname);
        for (Scope *p = s; p != NULL; p = p->parent)
            for (size_t i = 0; p->with && i < p->with->n_ctes; i++)
                if (strcmp(p->with->ctes[i]->common_table_expr->ctename, rv->relname) == 0)
                    RAISE_ERR(SQLSTATE_UNDEFINED_TABLE, err_message("relation \"%s\" does not exist", rv->relname),
                              err_detail("There is a WITH item named \"%s\", but it cannot be referenced from this part of the query.", rv->relname),
                              err_hint("Use WITH RECURSIVE, or re-order the WITH items to remove forward references."), err_position(rv->location));
        RAISE_AT(SQLSTATE_UNDEFINED_TABLE, rv->location, "relation \"%s\" does not exist", rv->relname);
    }
    RelDesc *d = rel_try_open(rel, lock);
    if (d == NULL)
        RAISE_AT(SQLSTATE_UNDEFINED_TABLE, rv->location, "relation \"%s\" does not exist", rv->relname);
    return d;
}

static void
apply_alias_columns(Scope *s, RangeEntry *e, const PgQuery__Alias *alias)
{
    if (alias == NULL || alias->n_colnames == 0)
        return;
    e->alias_columns = list_new(s->arena);
    int limit = list_count(e->columns), k = 0;
    for (size_t i = 0; i < alias->n_colnames; i++) {
        const char *name = pstr(alias->colnames[i]);
        while (k < limit && e->columns->items[k] == NULL)
            k++;
        if (k >= limit)
            RAISE(SQLSTATE_INVALID_COLUMN_REFERENCE, "table \"%s\" has %d columns available but %d columns specified", e->eref, limit, (int)alias->n_colnames);
        e->columns->items[k++] = arena_strdup(s->arena, name);
        list_push(e->alias_columns, arena_strdup(s->arena, name));
    }
}

static void
add_entry_column(RangeEntry *e, const char *name, Oid type, int32_t typmod, Oid collation)
{
    list_push(e->columns, (void *)(uintptr_t)name);
    ints_push(e->col_types, type);
    ints_push(e->col_typmods, typmod);
    ints_push(e->col_collations, collation);
}

static RangeEntry *
entry_new(Scope *s, int kind)
{
    RangeEntry *e = node_new(s->arena, RangeEntry);
    e->kind = kind;
    e->columns = list_new(s->arena);
    e->col_types = ints_new(s->arena);
    e->col_typmods = ints_new(s->arena);
    e->col_collations = ints_new(s->arena);
    e->in_from = true;
    return e;
}

NsItem *
ns_item_for_entry(Scope *s, RangeEntry *e, int rel)
{
    NsItem *it = ARENA_NEW(s->arena, NsItem);
    it->rel = rel;
    it->entry = e;
    it->name = e->eref;
    it->ncols = list_count(e->columns);
    it->cols = ARENA_ARRAY(s->arena, NsColumn, it->ncols + 1);
    it->columns_visible = it->name_visible = true;
    for (int i = 0; i < it->ncols; i++) {
        Var *v = node_new(s->arena, Var);
        v->rel = v->orig_rel = rel;
        v->attno = v->orig_attno = i + 1;
        v->expr.type = (Oid)e->col_types->items[i];
        v->expr.typmod = (int32_t)e->col_typmods->items[i];
        v->expr.collation = (Oid)e->col_collations->items[i];
        it->cols[i].name = e->columns->items[i];
        it->cols[i].expr = &v->expr;
    }
    return it;
}

/* A relation's entry; dropped columns keep their number with a NULL name. */
NsItem *
add_relation(Scope *s, RelDesc *rel, const PgQuery__RangeVar *rv, const char *alias, bool columns_visible, uint32_t perms)
{
    RangeEntry *e = entry_new(s, RANGE_RELATION);
    e->rel = rel->oid;
    e->relkind = rel->kind;
    e->lock_mode = LOCK_ACCESS_SHARE;
    e->inherit = rv ? rv->inh : true;
    e->required_perms = (int)perms;
    for (int i = 0; i < rel->natts; i++) {
        ColDesc *c = &rel->cols[i];
        add_entry_column(e, c->dropped ? NULL : arena_strdup(s->arena, c->name), c->dropped ? INT4_OID : c->type, c->typmod, c->collation);
    }
    if (rv && rv->alias) {
        e->alias = arena_strdup(s->arena, rv->alias->aliasname);
        alias = NULL;
    } else if (alias)
        e->alias = arena_strdup(s->arena, alias);
    e->eref = e->alias ? e->alias : arena_strdup(s->arena, rel->name);
    if (rv)
        apply_alias_columns(s, e, rv->alias);
    int index = push_range_entry(s, e);
    NsItem *it = ns_item_for_entry(s, e, index);
    it->columns_visible = columns_visible;
    return it;
}

NsItem *
add_subquery_entry(Scope *s, Query *q, const PgQuery__Alias *alias, bool lateral, int kind)
{
    RangeEntry *e = entry_new(s, kind);
    e->subquery = q;
    e->lateral = lateral;
    for (int i = 0; i < list_count(q->targets); i++) {
        TargetEntry *te = q->targets->items[i];
        if (!te->junk)
            add_entry_column(e, te->name ? te->name : "?column?", te->expr->type, te->expr->typmod, te->expr->collation);
    }
    e->alias = alias ? arena_strdup(s->arena, alias->aliasname) : NULL;
    e->eref = e->alias ? e->alias : arena_strdup(s->arena, "unnamed_subquery");
    apply_alias_columns(s, e, alias);
    return ns_item_for_entry(s, e, push_range_entry(s, e));
}

static NsItem *
add_cte(Scope *s, CommonTable *cte, int levels_up, const PgQuery__RangeVar *rv)
{
    RangeEntry *e = entry_new(s, RANGE_CTE);
    e->cte_name = cte->name;
    e->cte_levels_up = levels_up;
    e->self_reference = cte->query == NULL || cte->types == NULL || cte->ref_count < 0;
    if (cte->query && cte->query->command != CMD_SELECT && cte->query->returning == NULL)
        RAISE_AT(SQLSTATE_FEATURE_NOT_SUPPORTED, rv->location, "WITH query \"%s\" does not have a RETURNING clause", cte->name);
    for (int i = 0; i < list_count(cte->columns); i++)
        add_entry_column(e, cte->columns->items[i], (Oid)cte->types->items[i], (int32_t)cte->typmods->items[i], (Oid)cte->collations->items[i]);
    e->alias = rv->alias ? arena_strdup(s->arena, rv->alias->aliasname) : NULL;
    e->eref = e->alias ? e->alias : cte->name;
    if (cte->ref_count >= 0)
        cte->ref_count++;
    apply_alias_columns(s, e, rv->alias);
    return ns_item_for_entry(s, e, push_range_entry(s, e));
}

static NsItem *
from_relation(Scope *s, const PgQuery__RangeVar *rv)
{
    if (!rv->schemaname[0]) {
        int up;
        CommonTable *cte = find_cte(s, rv->relname, &up);
        if (cte)
            return add_cte(s, cte, up, rv);
    }
    int lock = LOCK_ACCESS_SHARE;
    for (int i = 0; i < list_count(s->lock_clauses); i++)
        lock = LOCK_ROW_SHARE;
    RelDesc *rel = open_range_var(s, rv, (LockMode)lock);
    if (rel->kind == 'i')
        RAISE_AT(SQLSTATE_WRONG_OBJECT_TYPE, rv->location, "cannot open relation \"%s\"", rel->name);
    if (rel->kind == 'c')
        RAISE_AT(SQLSTATE_WRONG_OBJECT_TYPE, rv->location, "cannot open relation \"%s\"", rel->name);
    return add_relation(s, rel, rv, NULL, true, ACL_SELECT);
}

/* ---- functions in FROM ---- */

static void
function_columns(Scope *s, RangeFunction *f, const PgQuery__RangeFunction *rf, const char *fname, bool single)
{
    Expr *e = f->call;
    f->names = list_new(s->arena);
    f->types = ints_new(s->arena);
    f->typmods = ints_new(s->arena);
    f->collations = ints_new(s->arena);
    const FnInfo *fi = IS(e, FuncCall) ? fn_info(((FuncCall *)e)->fn) : NULL;
    if (rf->n_coldeflist) {
        for (size_t i = 0; i < rf->n_coldeflist; i++) {
            const PgQuery__ColumnDef *c = rf->coldeflist[i]->column_def;
            Oid t;
            int32_t m;
            sql_resolve_type_name(c->type_name, s->text, &t, &m);
            list_push(f->names, arena_strdup(s->arena, c->colname));
            ints_push(f->types, t);
            ints_push(f->typmods, m);
            ints_push(f->collations, type_info(t)->collation);
        }
    } else if (fi && fi->nout > 0) {
        for (int i = 0; i < fi->nout; i++) {
            Oid t = fi->out_types[i];
            if (is_polymorphic(t)) {
                FuncCall *fc = call_complete(s->arena, (FuncCall *)e);
                Oid actual[MAX_FN_ARGS], declared[MAX_FN_ARGS];
                for (int k = 0; k < fc->args->count; k++) {
                    actual[k] = expr_type(fc->args->items[k]);
                    declared[k] = fi->args[k];
                }
                t = resolve_polymorphic(actual, declared, fc->args->count, t);
            }
            list_push(f->names, arena_strdup(s->arena, fi->out_names[i]));
            ints_push(f->types, t);
            ints_push(f->typmods, -1);
            ints_push(f->collations, type_info(t)->collation);
        }
    } else {
        if (e->type == RECORD_OID)
            RAISE_AT(SQLSTATE_SYNTAX_ERROR, expr_location(e), "a column definition list is required for functions returning \"record\"");
        const TypeInfo *t = type_info(e->type);
        if (t->typtype == 'c' && t->rel) {
            RelDesc *r = rel_open(t->rel, LOCK_ACCESS_SHARE);
            for (int i = 0; i < r->natts; i++) {
                if (r->cols[i].dropped)
                    continue;
                list_push(f->names, arena_strdup(s->arena, r->cols[i].name));
                ints_push(f->types, r->cols[i].type);
                ints_push(f->typmods, r->cols[i].typmod);
                ints_push(f->collations, r->cols[i].collation);
            }
        } else {
            /* a scalar: the column takes the alias's or the function's name */
            const char *name = single && rf->alias ? rf->alias->aliasname : fname;
            list_push(f->names, arena_strdup(s->arena, name));
            ints_push(f->types, e->type);
            ints_push(f->typmods, e->typmod);
            ints_push(f->collations, e->collation ? e->collation : t->collation);
        }
    }
    f->column_count = f->names->count;
}

static NsItem *
from_function(Scope *s, const PgQuery__RangeFunction *rf)
{
    RangeEntry *e = entry_new(s, RANGE_FUNCTION);
    e->functions = list_new(s->arena);
    e->lateral = true;
    e->with_ordinality = rf->ordinality;
    const char *first_name = NULL;
    ExprKind saved = s->kind;
    s->kind = EK_FROM_FUNCTION;
    for (size_t i = 0; i < rf->n_functions; i++) {
        const PgQuery__List *pair = rf->functions[i]->list;
        const PNode *call = pair->items[0];
        RangeFunction *f = node_new(s->arena, RangeFunction);
        const char *fname = figure_column_name(call);
        if (first_name == NULL)
            first_name = fname;
        /* unnest(a, b, ...) is ROWS FROM(unnest(a), unnest(b) ...) */
        if (call->node_case == PN(FUNC_CALL) && call->func_call->n_args > 1 && call->func_call->n_agg_order == 0 && call->func_call->n_funcname == 1 &&
            strcmp(pstr(call->func_call->funcname[0]), "unnest") == 0) {
            for (size_t k = 0; k < call->func_call->n_args; k++) {
                List *args = list_new(s->arena);
                list_push(args, analyze_expr_inner(s, call->func_call->args[k]));
                RangeFunction *g = node_new(s->arena, RangeFunction);
                g->call = build_func_call(s, NULL, "unnest", args, call->func_call->location, NULL);
                function_columns(s, g, rf, "unnest", false);
                list_push(e->functions, g);
            }
            continue;
        }
        f->call = analyze_expr_inner(s, call);
        assign_collations_expr(s->arena, f->call);
        function_columns(s, f, rf, fname, rf->n_functions == 1);
        list_push(e->functions, f);
    }
    s->kind = saved;
    for (int i = 0; i < e->functions->count; i++) {
        RangeFunction *f = e->functions->items[i];
        for (int k = 0; k < f->column_count; k++)
            add_entry_column(e, f->names->items[k], (Oid)f->types->items[k], (int32_t)f->typmods->items[k], (Oid)f->collations->items[k]);
    }
    if (rf->ordinality)
        add_entry_column(e, "ordinality", INT8_OID, -1, 0);
    e->alias = rf->alias ? arena_strdup(s->arena, rf->alias->aliasname) : NULL;
    e->eref = e->alias ? e->alias : arena_strdup(s->arena, first_name);
    apply_alias_columns(s, e, rf->alias);
    return ns_item_for_entry(s, e, push_range_entry(s, e));
}

static NsItem *
from_subselect(Scope *s, const PgQuery__RangeSubselect *rs)
{
    if (rs->alias == NULL)
        RAISE_ERR(SQLSTATE_SYNTAX_ERROR,
                  err_message(rs->subquery->select_stmt->n_values_lists ? "VALUES in FROM must have an alias" : "subquery in FROM must have an alias"),
                  err_hint(rs->subquery->select_stmt->n_values_lists ? "For example, FROM (VALUES ...) [AS] foo." : "For example, FROM (SELECT ...) [AS] foo."));
    Query *q = analyze_select_in(s, rs->subquery, true, rs->lateral);
    return add_subquery_entry(s, q, rs->alias, rs->lateral, RANGE_SUBQUERY);
}

/* ---- joins ---- */

static Node *from_item(Scope *s, const PNode *n, List *ns_out);

static void
set_lateral(List *ns, bool only, bool ok)
{
    for (int i = 0; i < list_count(ns); i++) {
        NsItem *it = ns->items[i];
        it->lateral_only = only;
        it->lateral_ok = ok;
    }
}

static void
check_name_conflicts(Scope *s, const List *x, const List *y)
{
    (void)s;
    for (int i = 0; i < list_count(x); i++)
        for (int j = 0; j < list_count(y); j++) {
            NsItem *a = x->items[i], *b = y->items[j];
            if (a == b || !a->name_visible || !b->name_visible || a->name == NULL || b->name == NULL || strcmp(a->name, b->name) != 0)
                continue;
            if (a->entry && b->entry && a->entry->kind == RANGE_RELATION && b->entry->kind == RANGE_RELATION && a->entry->alias == NULL &&
                b->entry->alias == NULL && a->entry->rel != b->entry->rel)
                continue; /* s1.t, s2.t */
            RAISE(SQLSTATE_DUPLICATE_ALIAS, "table name \"%s\" specified more than once", b->name);
        }
}

/* All unqualified-visible columns of one side, in order. */
static NsColumn *
side_columns(Scope *s, const List *ns, int *n_out)
{
    int n = 0;
    for (int i = 0; i < list_count(ns); i++)
        if (((NsItem *)ns->items[i])->columns_visible)
            n += ((NsItem *)ns->items[i])->ncols;
    NsColumn *cols = ARENA_ARRAY(s->arena, NsColumn, n + 1);
    n = 0;
    for (int i = 0; i < list_count(ns); i++) {
        NsItem *it = ns->items[i];
        for (int c = 0; it->columns_visible && c < it->ncols; c++)
            if (it->cols[c].name)
                cols[n++] = it->cols[c];
    }
    *n_out = n;
    return cols;
}

static int
find_side_column(const NsColumn *cols, int n, const char *name, const char *side)
{
    int found = -1;
    for (int i = 0; i < n; i++)
        if (strcmp(cols[i].name, name) == 0) {
            if (found >= 0)
                RAISE(SQLSTATE_AMBIGUOUS_COLUMN, "common column name \"%s\" appears more than once in %s table", name, side);
            found = i;
        }
    return found;
}

/* What a merged column stands for, by join kind. */
static Expr *
merged_column(Scope *s, int kind, Expr *l, Expr *r)
{
    List *two = list_new(s->arena);
    list_push(two, node_copy(s->arena, l));
    list_push(two, node_copy(s->arena, r));
    Oid type = select_common_type(s, two, "JOIN/USING", NULL);
    int32_t mod = select_common_typmod(two, type);
    Expr *cl = coerce_to_common(s, two->items[0], type, "JOIN/USING"), *cr = coerce_to_common(s, two->items[1], type, "JOIN/USING");
    if (kind == JOIN_FULL) {
        CoalesceExpr *c = node_new(s->arena, CoalesceExpr);
        c->args = list_new(s->arena);
        list_push(c->args, cl);
        list_push(c->args, cr);
        c->expr.type = type;
        c->expr.typmod = mod;
        c->expr.collation = cl->collation;
        return &c->expr;
    }
    if (kind == JOIN_RIGHT)
        return cr;
    if (kind == JOIN_INNER && !IS(cl, Var) && IS(cr, Var))
        return cr;
    return cl;
}

static Node *
from_join(Scope *s, const PgQuery__JoinExpr *j, List *ns_out)
{
    JoinNode *out = node_new(s->arena, JoinNode);
    List *left_ns = list_new(s->arena), *right_ns = list_new(s->arena);
    switch (j->jointype) {
    case PG_QUERY__JOIN_TYPE__JOIN_LEFT: out->kind = JOIN_LEFT; break;
    case PG_QUERY__JOIN_TYPE__JOIN_FULL: out->kind = JOIN_FULL; break;
    case PG_QUERY__JOIN_TYPE__JOIN_RIGHT: out->kind = JOIN_RIGHT; break;
    default: out->kind = JOIN_INNER; break;
    }
    out->left = from_item(s, j->larg, left_ns);
    /* The left side is visible laterally while the right side is analysed. */
    int outer_count = list_count(s->ns);
    bool lateral_ok = out->kind == JOIN_INNER || out->kind == JOIN_LEFT;
    set_lateral(left_ns, true, lateral_ok);
    list_concat(s->ns, left_ns);
    out->right = from_item(s, j->rarg, right_ns);
    s->ns->count = outer_count;
    set_lateral(left_ns, false, true);
    check_name_conflicts(s, left_ns, right_ns);

    int nl, nr;
    NsColumn *lc = side_columns(s, left_ns, &nl), *rc = side_columns(s, right_ns, &nr);
    List *using_names = list_new(s->arena);
    if (j->is_natural) {
        for (int i = 0; i < nl; i++)
            for (int k = 0; k < nr; k++)
                if (strcmp(lc[i].name, rc[k].name) == 0) {
                    list_push(using_names, arena_strdup(s->arena, lc[i].name));
                    break;
                }
    } else
        for (size_t i = 0; i < j->n_using_clause; i++)
            list_push(using_names, arena_strdup(s->arena, pstr(j->using_clause[i])));

    NsColumn *cols = ARENA_ARRAY(s->arena, NsColumn, nl + nr + 1);
    int n = 0;
    bool *lu = ARENA_ARRAY(s->arena, bool, nl + 1), *ru = ARENA_ARRAY(s->arena, bool, nr + 1);
    List *quals = list_new(s->arena);
    for (int i = 0; i < using_names->count; i++) {
        const char *name = using_names->items[i];
        for (int k = 0; k < i; k++)
            if (strcmp(using_names->items[k], name) == 0)
                RAISE(SQLSTATE_DUPLICATE_COLUMN, "column name \"%s\" appears more than once in USING clause", name);
        int l = find_side_column(lc, nl, name, "left"), r = find_side_column(rc, nr, name, "right");
        if (l < 0)
            RAISE(SQLSTATE_UNDEFINED_COLUMN, "column \"%s\" specified in USING clause does not exist in left table", name);
        if (r < 0)
            RAISE(SQLSTATE_UNDEFINED_COLUMN, "column \"%s\" specified in USING clause does not exist in right table", name);
        lu[l] = ru[r] = true;
        Expr *eq = make_op_named(s, NULL, "=", node_copy(s->arena, lc[l].expr), node_copy(s->arena, rc[r].expr), -1);
        list_push(quals, coerce_to_boolean(s, eq, "JOIN/USING"));
        for (int side = 0; side < 2; side++) {
            Expr *t = side ? rc[r].expr : lc[l].expr;
            if (IS(t, Var))
                mark_column_used(s, ((Var *)t)->rel, ((Var *)t)->attno, ACL_SELECT);
        }
        cols[n++] = (NsColumn){name, merged_column(s, out->kind, lc[l].expr, rc[r].expr)};
    }
    int merged = n;
    for (int i = 0; i < nl; i++)
        if (!lu[i])
            cols[n++] = lc[i];
    for (int i = 0; i < nr; i++)
        if (!ru[i])
            cols[n++] = rc[i];

    if (quals->count == 1)
        out->quals = quals->items[0];
    else if (quals->count > 1) {
        BoolExpr *b = node_new(s->arena, BoolExpr);
        b->kind = BOOL_AND;
        b->args = quals;
        b->expr.type = BOOL_OID;
        out->quals = &b->expr;
    }
    if (j->quals) {
        List *saved = s->ns; /* items of the FROM clause outside this join are not visible in ON */
        s->ns = list_new(s->arena);
        list_concat(s->ns, left_ns);
        list_concat(s->ns, right_ns);
        out->quals = coerce_to_boolean(s, analyze_expr(s, j->quals, EK_JOIN_ON), "JOIN/ON");
        s->ns = saved;
    }
    out->natural = j->is_natural;
    out->using_names = using_names->count ? using_names : NULL;

    RangeEntry *e = entry_new(s, RANGE_JOIN);
    e->join_kind = out->kind;
    e->join_merged = merged;
    e->join_vars = list_new(s->arena);
    for (int i = 0; i < n; i++) {
        add_entry_column(e, cols[i].name, cols[i].expr->type, cols[i].expr->typmod, cols[i].expr->collation);
        list_push(e->join_vars, node_copy(s->arena, cols[i].expr));
    }
    e->alias = j->alias ? arena_strdup(s->arena, j->alias->aliasname) : NULL;
    e->eref = e->alias ? e->alias : arena_strdup(s->arena, "unnamed_join");
    apply_alias_columns(s, e, j->alias);
    out->rel = push_range_entry(s, e);

    NsItem *it = ARENA_NEW(s->arena, NsItem);
    it->rel = 0;
    it->entry = e;
    it->name = e->alias;
    it->cols = cols;
    it->ncols = n;
    for (int i = 0; i < n; i++)
        it->cols[i].name = e->columns->items[i];
    it->columns_visible = true;
    it->name_visible = e->alias != NULL;
    /* Below an alias the parts are hidden; else their names stay, their columns are reached through the join. */
    if (e->alias == NULL) {
        for (int side = 0; side < 2; side++) {
            List *l = side ? right_ns : left_ns;
            for (int i = 0; i < list_count(l); i++) {
                ((NsItem *)l->items[i])->columns_visible = false;
                if (((NsItem *)l->items[i])->name)
                    list_push(ns_out, l->items[i]);
            }
        }
    }
    list_push(ns_out, it);
    return (Node *)out;
}

static Node *
range_ref(Scope *s, NsItem *it, List *ns_out)
{
    list_push(ns_out, it);
    RangeRef *r = node_new(s->arena, RangeRef);
    r->rel = it->rel;
    return (Node *)r;
}

static Node *
from_item(Scope *s, const PNode *n, List *ns_out)
{
    CHECK_STACK();
    switch (n->node_case) {
    case PN(RANGE_VAR): return range_ref(s, from_relation(s, n->range_var), ns_out);
    case PN(RANGE_SUBSELECT): return range_ref(s, from_subselect(s, n->range_subselect), ns_out);
    case PN(RANGE_FUNCTION): return range_ref(s, from_function(s, n->range_function), ns_out);
    case PN(JOIN_EXPR): return from_join(s, n->join_expr, ns_out);
    case PN(RANGE_TABLE_SAMPLE): RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "TABLESAMPLE is not supported");
    case PN(RANGE_TABLE_FUNC): RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "XMLTABLE is not supported");
    default: INTERNAL_ERROR("unrecognized node type: %d", (int)n->node_case);
    }
}

void
analyze_from(Scope *s, PNode **items, size_t n, FromNode *out)
{
    for (size_t i = 0; i < n; i++) {
        List *ns = list_new(s->arena);
        Node *item = from_item(s, items[i], ns);
        check_name_conflicts(s, s->ns, ns);
        list_push(out->items, item);
        set_lateral(ns, true, true);
        list_concat(s->ns, ns);
    }
    set_lateral(s->ns, false, true);
}
