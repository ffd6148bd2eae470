/*
 * Rewriting: views become subqueries; a change of a simple view becomes a change of its table.
 *
 * A view's entry stays in the range table as RANGE_SUBQUERY with its OID, so that the user's privileges on
 * the view are checked; the tables inside are checked as the view's owner.
 */
#include "core/base/stack.h"
#include "core/sql/sql.h"

typedef struct Rewrite {
    Arena *arena;
    List *open_views; /* names' OIDs, against infinite recursion */
} Rewrite;

static void rewrite_query(Rewrite *r, Query *q);

static bool
rewrite_nested(void *n, void *arg)
{
    if (IS(n, Query)) {
        rewrite_query(arg, n);
        return false;
    }
    return node_walk_children(n, rewrite_nested, arg, true);
}

/* Locks what a stored query mentions, and sets whose privileges count. */
static bool
adopt_stored(void *n, void *arg)
{
    Oid owner = *(Oid *)arg;
    if (IS(n, RangeEntry)) {
        RangeEntry *e = n;
        if (e->kind == RANGE_RELATION) {
            RelDesc *d = rel_open(e->rel, LOCK_ACCESS_SHARE);
            /* columns added to the table since are invisible to the view, but plans number all columns */
            for (int i = list_count(e->columns); i < d->natts; i++) {
                list_push(e->columns, NULL);
                ints_push(e->col_types, INT4_OID);
                ints_push(e->col_typmods, -1);
                ints_push(e->col_collations, 0);
            }
        }
        if (e->check_as_user == 0)
            e->check_as_user = owner;
    }
    return node_walk_children(n, adopt_stored, arg, true);
}

static Query *
view_query(Rewrite *r, RelDesc *view)
{
    for (int i = 0; i < r->open_views->count; i++)
        if ((Oid)(uintptr_t)r->open_views->items[i] == view->oid)
            RAISE(SQLSTATE_INVALID_OBJECT_DEFINITION, "infinite recursion detected in rules for relation \"%s\"", view->name);
    if (view->view_tree == NULL)
        INTERNAL_ERROR("view \"%s\" has no rule", view->name);
    Query *q = node_read(r->arena, view->view_tree);
    node_walk_children(q, adopt_stored, &view->owner, true);
    return q;
}

static void
expand_view(Rewrite *r, RangeEntry *e)
{
    RelDesc *view = rel_open(e->rel, LOCK_ACCESS_SHARE);
    Query *q = view_query(r, view);
    list_push(r->open_views, (void *)(uintptr_t)view->oid);
    rewrite_query(r, q);
    r->open_views->count--;
    e->kind = RANGE_SUBQUERY;
    e->subquery = q;
    e->inherit = false;
    for (int i = 0; view->options && view->options[i]; i++)
        if (strcmp(view->options[i], "security_barrier=true") == 0)
            e->security_barrier = true;
}

static void
rewrite_query(Rewrite *r, Query *q)
{
    CHECK_STACK();
    for (int i = 0; i < list_count(q->range_table); i++) {
        RangeEntry *e = q->range_table->items[i];
        if (e->kind == RANGE_RELATION && e->relkind == 'v' && i + 1 != q->result_rel)
            expand_view(r, e);
    }
    node_walk_children(q, rewrite_nested, r, true);
}

/* ---- changing views ---- */

static NORETURN void
not_updatable(RelDesc *view, int command, const char *detail)
{
    static const char *const verbs[] = {[CMD_INSERT] = "insert into", [CMD_UPDATE] = "update", [CMD_DELETE] = "delete from"};
    static const char *const names[] = {[CMD_INSERT] = "inserting into", [CMD_UPDATE] = "updating", [CMD_DELETE] = "deleting from"};
    static const char *const kinds[] = {[CMD_INSERT] = "INSERT", [CMD_UPDATE] = "UPDATE", [CMD_DELETE] = "DELETE"};
    RAISE_ERR(SQLSTATE_OBJECT_NOT_IN_PREREQUISITE_STATE, err_message("cannot %s view \"%s\"", verbs[command], view->name), err_detail("%s", detail),
              err_hint("To enable %s the view, provide an INSTEAD OF %s trigger or an unconditional ON %s DO INSTEAD rule.", names[command], kinds[command], kinds[command]));
}

static const char *
why_not_updatable(const Query *v)
{
    if (v->distinct)
        return "Views containing DISTINCT are not automatically updatable.";
    if (v->group || v->grouping_sets)
        return "Views containing GROUP BY are not automatically updatable.";
    if (v->having)
        return "Views containing HAVING are not automatically updatable.";
    if (v->set_ops)
        return "Views containing UNION, INTERSECT, or EXCEPT are not automatically updatable.";
    if (list_count(v->ctes))
        return "Views containing WITH are not automatically updatable.";
    if (v->limit_count || v->limit_offset)
        return "Views containing LIMIT or OFFSET are not automatically updatable.";
    if (v->has_aggs)
        return "Views that return aggregate functions are not automatically updatable.";
    if (v->has_windows)
        return "Views that return window functions are not automatically updatable.";
    if (v->has_srfs)
        return "Views that return set-returning functions are not automatically updatable.";
    if (v->join_tree->items->count != 1 || !IS(v->join_tree->items->items[0], RangeRef))
        return "Views that do not select from a single table or view are not automatically updatable.";
    const RangeRef *ref = v->join_tree->items->items[0];
    const RangeEntry *e = list_at(v->range_table, ref->rel - 1);
    if (e->kind != RANGE_RELATION || (e->relkind != 'r' && e->relkind != 'v' && e->relkind != 'p'))
        return "Views that do not select from a single table or view are not automatically updatable.";
    return NULL;
}

typedef struct Map { Arena *arena; int rel; const Query *view; int depth; int base_rel; } Map;

/* Columns of the view in the statement become the view's expressions over the table (same rel number). */
static void *
map_columns(void *n, void *arg)
{
    Map *m = arg;
    if (IS(n, Var)) {
        Var *v = n;
        if (v->levels_up != m->depth || v->rel != m->rel || v->attno <= 0)
            return n;
        const TargetEntry *te = list_at(m->view->targets, v->attno - 1);
        Expr *e = node_copy(m->arena, te->expr);
        if (IS(e, Var))
            ((Var *)e)->levels_up += m->depth;
        else if (m->depth > 0)
            UNSUPPORTED("a computed view column in a subquery of a statement that changes the view is not supported");
        return e;
    }
    if (IS(n, Query)) {
        m->depth++;
        void *c = node_mutate_children(m->arena, n, map_columns, arg, true);
        m->depth--;
        return c;
    }
    return node_mutate_children(m->arena, n, map_columns, arg, true);
}

typedef struct Renumber { Arena *arena; int from, to; } Renumber;

static void *
renumber(void *n, void *arg)
{
    Renumber *r = arg;
    if (IS(n, Var)) {
        Var *v = node_copy(r->arena, n);
        if (v->rel == r->from && v->levels_up == 0)
            v->rel = v->orig_rel = r->to;
        return v;
    }
    return node_mutate_children(r->arena, n, renumber, arg, false);
}

static int
map_target(Rewrite *r, RelDesc *view, const Query *v, int resno, int base_rel, int command)
{
    (void)r;
    const TargetEntry *te = list_at(v->targets, resno - 1);
    if (!IS(te->expr, Var) || ((Var *)te->expr)->rel != base_rel || ((Var *)te->expr)->attno <= 0)
        RAISE_ERR(SQLSTATE_FEATURE_NOT_SUPPORTED, err_message("cannot %s column \"%s\" of view \"%s\"", command == CMD_INSERT ? "insert into" : "update", te->name, view->name),
                  err_detail("View columns that are not columns of their base relation are not updatable."));
    return ((Var *)te->expr)->attno;
}

static Query *
change_through_view(Rewrite *r, Query *q)
{
    RangeEntry *e = list_at(q->range_table, q->result_rel - 1);
    RelDesc *view = rel_open(e->rel, LOCK_ROW_EXCLUSIVE);
    Query *v = view_query(r, view);
    const char *why = why_not_updatable(v);
    if (why)
        not_updatable(view, q->command, why);
    if (q->on_conflict && q->on_conflict->action == CONFLICT_UPDATE)
        UNSUPPORTED("INSERT ... ON CONFLICT DO UPDATE on a view is not supported");
    const RangeRef *ref = v->join_tree->items->items[0];
    RangeEntry *base = node_copy(r->arena, list_at(v->range_table, ref->rel - 1));
    RelDesc *table = rel_open(base->rel, LOCK_ROW_EXCLUSIVE);

    /* the view's expressions, over the statement's number of the target */
    Renumber rn = {r->arena, ref->rel, q->result_rel};
    Query mapped = *v;
    mapped.targets = list_new(r->arena);
    for (int i = 0; i < v->targets->count; i++)
        list_push(mapped.targets, renumber(v->targets->items[i], &rn));
    Expr *quals = v->join_tree->quals ? renumber(v->join_tree->quals, &rn) : NULL;

    for (int i = 0; i < list_count(q->targets) && q->command != CMD_DELETE; i++) {
        TargetEntry *te = q->targets->items[i];
        te->resno = map_target(r, view, &mapped, te->resno, q->result_rel, q->command);
        te->name = arena_strdup(r->arena, table->cols[te->resno - 1].name);
    }
    Map m = {r->arena, q->result_rel, &mapped, -1, q->result_rel};
    Query *out = map_columns(q, &m);
    RangeEntry *seen = node_copy(r->arena, e); /* privileges on the view itself */
    seen->kind = RANGE_RESULT;
    seen->in_from = false;
    base->alias = e->alias ? e->alias : e->eref;
    base->required_perms = e->required_perms;
    base->lock_mode = LOCK_ROW_EXCLUSIVE;
    base->select_cols = base->insert_cols = base->update_cols = NULL;
    base->check_as_user = view->owner;
    out->range_table->items[q->result_rel - 1] = base;
    list_push(out->range_table, seen);
    if (q->command != CMD_INSERT && quals) {
        if (out->join_tree->quals) {
            BoolExpr *b = node_new(r->arena, BoolExpr);
            b->kind = BOOL_AND;
            b->args = list_new(r->arena);
            list_push(b->args, quals);
            list_push(b->args, out->join_tree->quals);
            b->expr.type = BOOL_OID;
            out->join_tree->quals = &b->expr;
        } else
            out->join_tree->quals = quals;
    }
    if (table->kind == 'v')
        return change_through_view(r, out);
    return out;
}

List *
sql_rewrite(Arena *a, Query *q)
{
    Rewrite r = {a, list_new(a)};
    if (q->command != CMD_SELECT && q->result_rel) {
        const RangeEntry *e = list_at(q->range_table, q->result_rel - 1);
        if (e->relkind == 'v')
            q = change_through_view(&r, q);
    }
    rewrite_query(&r, q);
    List *out = list_new(a);
    list_push(out, q);
    return out;
}

List *
sql_plan_all(Arena *a, Node *analyzed, const char *text, const ParamValues *params, int cursor_options)
{
    List *out = list_new(a);
    if (node_tag(analyzed) == TAG_UTILITY) {
        UtilityStmt *u = (UtilityStmt *)analyzed;
        PlannedStmt *p = ARENA_NEW(a, PlannedStmt);
        p->command = CMD_UTILITY;
        p->utility = u;
        p->can_set_tag = true;
        p->arena = a;
        p->text = text;
        p->stmt_location = u->location;
        p->stmt_len = u->len;
        list_push(out, p);
        return out;
    }
    List *queries = sql_rewrite(a, (Query *)analyzed);
    for (int i = 0; i < queries->count; i++) {
        PlannedStmt *p = plan_query(a, queries->items[i], params, cursor_options);
        p->text = text;
        list_push(out, p);
    }
    return out;
}
