/*
 * Column references: from names to Vars, through the levels of the query.
 */
#include "core/sql/analyze/analyze_internal.h"

void
mark_column_used(Scope *s, int rel, int attno, uint32_t perm)
{
    RangeEntry *e = list_at(s->query->range_table, rel - 1);
    if (e->kind != RANGE_RELATION)
        return;
    e->required_perms |= (int)perm;
    IntList **cols = perm == ACL_SELECT ? &e->select_cols : perm == ACL_INSERT ? &e->insert_cols : &e->update_cols;
    if (*cols == NULL)
        *cols = ints_new(s->arena);
    if (!ints_has(*cols, attno))
        ints_push(*cols, attno);
}

/* Copies a template with adjusted levels: templates are Vars, or expressions over them for merged columns. */
typedef struct Raise { Scope *s; int levels; int location; } Raise;

static void *
raise_levels(void *n, void *arg)
{
    Raise *r = arg;
    if (IS(n, Var)) {
        Var *v = node_copy(r->s->arena, n);
        v->levels_up += r->levels;
        v->expr.location = r->location;
        return v;
    }
    void *c = node_mutate_children(r->s->arena, n, raise_levels, arg, false);
    if (node_is_expr(c))
        ((Expr *)c)->location = r->location;
    return c;
}

static bool
mark_vars(void *n, void *arg)
{
    Scope *s = arg;
    if (IS(n, Var) && ((Var *)n)->levels_up == 0)
        mark_column_used(s, ((Var *)n)->rel, ((Var *)n)->attno, ACL_SELECT);
    return node_walk_children(n, mark_vars, arg, false);
}

Expr *
make_var(Scope *s, NsItem *item, int column_index, int levels_up, int location)
{
    Scope *owner = s;
    for (int i = 0; i < levels_up; i++)
        owner = owner->parent;
    mark_vars(item->cols[column_index].expr, owner);
    Raise r = {s, levels_up, location};
    return raise_levels(item->cols[column_index].expr, &r);
}

static const struct {
    const char *name;
    int attno;
    Oid type;
} system_columns[] = {
    {"ctid", -1, TID_OID}, {"xmin", -2, XID_OID}, {"cmin", -3, CID_OID},
    {"xmax", -4, XID_OID}, {"cmax", -5, CID_OID}, {"tableoid", -6, OID_OID},
};

static Expr *
system_column(Scope *s, NsItem *item, const char *name, int levels_up, int location)
{
    if (item->entry == NULL || item->entry->kind != RANGE_RELATION || item->rel == 0 || item->entry->relkind == 'v')
        return NULL;
    for (size_t i = 0; i < COUNT_OF(system_columns); i++) {
        if (strcmp(system_columns[i].name, name) != 0)
            continue;
        Var *v = node_new(s->arena, Var);
        v->rel = item->rel;
        v->attno = system_columns[i].attno;
        v->levels_up = levels_up;
        v->orig_rel = item->rel;
        v->orig_attno = v->attno;
        v->expr.type = system_columns[i].type;
        v->expr.location = location;
        Scope *owner = s;
        for (int k = 0; k < levels_up; k++)
            owner = owner->parent;
        mark_column_used(owner, item->rel, v->attno, ACL_SELECT);
        return &v->expr;
    }
    return NULL;
}

/* Column `name` of one item; -1: not there. Raises when the item has it twice. */
static int
column_in_item(Scope *s, NsItem *item, const char *name, int location)
{
    int found = -1;
    for (int i = 0; i < item->ncols; i++) {
        if (item->cols[i].name == NULL || strcmp(item->cols[i].name, name) != 0)
            continue;
        if (found >= 0)
            RAISE_AT(SQLSTATE_AMBIGUOUS_COLUMN, location, "column reference \"%s\" is ambiguous", name);
        found = i;
    }
    (void)s;
    return found;
}

static void
check_lateral(Scope *s, NsItem *item, int location)
{
    if (item->lateral_only && !item->lateral_ok)
        RAISE_ERR(SQLSTATE_INVALID_COLUMN_REFERENCE, err_message("invalid reference to FROM-clause entry for table \"%s\"", item->name ? item->name : ""),
                  err_detail("The combining JOIN type must be INNER or LEFT for a LATERAL reference."), err_position(location));
    (void)s;
}

NsItem *
find_ns_item(Scope *s, const char *schema, const char *name, int *levels_up, int location)
{
    *levels_up = 0;
    Oid rel = 0;
    if (schema) {
        Oid nsp = nsp_oid(schema, true);
        rel = nsp ? rel_lookup(schema, name) : 0;
        if (rel == 0)
            return NULL;
    }
    for (Scope *p = s; p != NULL; p = p->parent, (*levels_up)++) {
        NsItem *found = NULL;
        for (int i = 0; i < list_count(p->ns); i++) {
            NsItem *it = p->ns->items[i];
            if (!it->name_visible || it->name == NULL)
                continue;
            if (schema) {
                if (it->entry == NULL || it->entry->kind != RANGE_RELATION || it->entry->rel != rel || it->entry->alias != NULL)
                    continue;
            } else if (strcmp(it->name, name) != 0)
                continue;
            if (found)
                RAISE_AT(SQLSTATE_AMBIGUOUS_ALIAS, location, "table reference \"%s\" is ambiguous", name);
            check_lateral(p, it, location);
            found = it;
        }
        if (found)
            return found;
    }
    return NULL;
}

static bool
contains_rel(const void *n, int rel)
{
    if (IS(n, RangeRef))
        return ((const RangeRef *)n)->rel == rel;
    if (IS(n, JoinNode))
        return contains_rel(((const JoinNode *)n)->left, rel) || contains_rel(((const JoinNode *)n)->right, rel);
    return false;
}

/* May an outer join put nulls where the relation has no row? */
static bool
null_extended(const void *n, int rel)
{
    if (!IS(n, JoinNode))
        return false;
    const JoinNode *j = n;
    bool left = contains_rel(j->left, rel), right = contains_rel(j->right, rel);
    if ((left && (j->kind == JOIN_RIGHT || j->kind == JOIN_FULL)) || (right && (j->kind == JOIN_LEFT || j->kind == JOIN_FULL)))
        return true;
    return (left && null_extended(j->left, rel)) || (right && null_extended(j->right, rel));
}

/* What is null exactly where the relation has no row; NULL: it has one everywhere, or cannot tell (views, subqueries). */
static Expr *
presence(Scope *s, const NsItem *item, int levels_up)
{
    const Scope *owner = s;
    for (int i = 0; i < levels_up; i++)
        owner = owner->parent;
    if (item->rel == 0 || item->entry == NULL || item->entry->kind != RANGE_RELATION || item->entry->relkind == 'v')
        return NULL;
    const FromNode *from = owner->query->join_tree;
    for (int i = 0; from != NULL && i < list_count(from->items); i++) {
        if (!null_extended(from->items->items[i], item->rel))
            continue;
        Var *v = node_new(s->arena, Var);
        v->rel = v->orig_rel = item->rel;
        v->attno = v->orig_attno = -1; /* ctid */
        v->levels_up = levels_up;
        v->expr.type = TID_OID;
        return &v->expr;
    }
    return NULL;
}

static Expr *
whole_row(Scope *s, NsItem *item, int levels_up, int location)
{
    RowExpr *r = node_new(s->arena, RowExpr);
    r->args = list_new(s->arena);
    r->names = list_new(s->arena);
    for (int i = 0; i < item->ncols; i++) {
        bool dropped = item->cols[i].name == NULL;
        if (dropped && (item->entry == NULL || item->entry->kind != RANGE_RELATION))
            continue;
        list_push(r->args, dropped ? make_const(s->arena, INT4_OID, -1, 0, 0, true, -1) : make_var(s, item, i, levels_up, location));
        list_push(r->names, dropped ? "" : arena_strdup(s->arena, item->cols[i].name));
    }
    r->form = FORM_IMPLICIT_CAST;
    r->present = presence(s, item, levels_up);
    r->expr.type = item->entry && item->entry->kind == RANGE_RELATION ? rel_cached(item->entry->rel)->row_type : RECORD_OID;
    r->expr.location = location;
    return &r->expr;
}

static Expr *
unqualified(Scope *s, const char *name, int location)
{
    int levels = 0;
    for (Scope *p = s; p != NULL; p = p->parent, levels++) {
        NsItem *found = NULL;
        int col = -1;
        for (int i = 0; i < list_count(p->ns); i++) {
            NsItem *it = p->ns->items[i];
            if (!it->columns_visible)
                continue;
            int c = column_in_item(s, it, name, location);
            if (c < 0)
                continue;
            if (found)
                RAISE_AT(SQLSTATE_AMBIGUOUS_COLUMN, location, "column reference \"%s\" is ambiguous", name);
            check_lateral(p, it, location);
            found = it;
            col = c;
        }
        if (found)
            return make_var(s, found, col, levels, location);
        if (list_count(p->ns) >= 1)
            for (int i = 0; i < list_count(p->ns); i++) {
                NsItem *it = p->ns->items[i];
                Expr *e = it->columns_visible ? system_column(s, it, name, levels, location) : NULL;
                if (e)
                    return e;
            }
    }
    int up;
    NsItem *item = find_ns_item(s, NULL, name, &up, location);
    if (item) {
        if (item->entry && item->entry->kind == RANGE_FUNCTION && item->ncols == 1)
            return make_var(s, item, 0, up, location);
        return whole_row(s, item, up, location);
    }
    return NULL;
}

Expr *
analyze_column_ref(Scope *s, const PgQuery__ColumnRef *c)
{
    const char *schema = NULL, *rel = NULL, *col;
    size_t n = c->n_fields;

    if (s->kind == EK_DEFAULT)
        RAISE_AT(SQLSTATE_FEATURE_NOT_SUPPORTED, c->location, "cannot use column reference in DEFAULT expression");
    if (c->fields[n - 1]->node_case == PN(A_STAR)) {
        if (n == 1)
            RAISE_AT(SQLSTATE_SYNTAX_ERROR, c->location, "row expansion via \"*\" is not supported here");
        int up;
        NsItem *it = find_ns_item(s, n > 2 ? pstr(c->fields[n - 3]) : NULL, pstr(c->fields[n - 2]), &up, c->location);
        if (it == NULL)
            relation_missing(s, NULL, pstr(c->fields[n - 2]), c->location);
        return whole_row(s, it, up, c->location);
    }
    col = pstr(c->fields[n - 1]);
    if (n == 1) {
        Expr *e = unqualified(s, col, c->location);
        if (e == NULL)
            column_missing(s, NULL, col, c->location);
        return e;
    }
    rel = pstr(c->fields[n - 2]);
    if (n >= 3)
        schema = pstr(c->fields[n - 3]);
    if (n > 4)
        RAISE_AT(SQLSTATE_SYNTAX_ERROR, c->location, "improper qualified name (too many dotted names): %s", col);
    int up;
    NsItem *item = find_ns_item(s, schema, rel, &up, c->location);
    if (item == NULL)
        relation_missing(s, schema, rel, c->location);
    int i = column_in_item(s, item, col, c->location);
    if (i >= 0)
        return make_var(s, item, i, up, c->location);
    Expr *sys = system_column(s, item, col, up, c->location);
    if (sys)
        return sys;
    column_missing(s, rel, col, c->location);
}

void
expand_star(Scope *s, const PgQuery__ColumnRef *c, List *out)
{
    size_t n = c->n_fields;
    if (n == 1) {
        bool any = false;
        for (int i = 0; i < list_count(s->ns); i++) {
            NsItem *it = s->ns->items[i];
            if (!it->columns_visible || it->lateral_only)
                continue;
            any = true;
            if (it->entry && it->entry->kind == RANGE_RELATION)
                it->entry->required_perms |= (int)ACL_SELECT;
            for (int k = 0; k < it->ncols; k++)
                if (it->cols[k].name != NULL)
                    list_push(out, target_new(s->arena, make_var(s, it, k, 0, c->location), 0, it->cols[k].name, false));
        }
        if (!any)
            RAISE_AT(SQLSTATE_SYNTAX_ERROR, c->location, "SELECT * with no tables specified is not valid");
        return;
    }
    int up;
    NsItem *it = find_ns_item(s, n > 2 ? pstr(c->fields[n - 3]) : NULL, pstr(c->fields[n - 2]), &up, c->location);
    if (it == NULL)
        relation_missing(s, n > 2 ? pstr(c->fields[n - 3]) : NULL, pstr(c->fields[n - 2]), c->location);
    for (int k = 0; k < it->ncols; k++)
        if (it->cols[k].name != NULL)
            list_push(out, target_new(s->arena, make_var(s, it, k, up, c->location), 0, it->cols[k].name, false));
}
