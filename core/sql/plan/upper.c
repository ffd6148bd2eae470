/*
 * Set operations, and the top of INSERT, UPDATE and DELETE.
 */
#include "core/sql/plan/plan_internal.h"
#include "core/sql/sql.h"

/* ---- UNION, INTERSECT, EXCEPT ---- */

static List *
set_targets(Root *root, const SetOpNode *n, const List *names)
{
    List *out = list_new(root->arena);
    for (int i = 0; i < ints_count(n->types); i++) {
        Var *v = node_new(root->arena, Var);
        v->rel = VAR_OUTER;
        v->attno = i + 1;
        v->expr.type = (Oid)n->types->items[i];
        v->expr.typmod = (int32_t)n->typmods->items[i];
        v->expr.collation = (Oid)n->collations->items[i];
        const TargetEntry *te = names && i < names->count ? names->items[i] : NULL;
        list_push(out, tle(root->arena, &v->expr, i + 1, te ? te->name : NULL));
    }
    return out;
}

static List *
set_keys(Root *root, const SetOpNode *n)
{
    List *keys = list_new(root->arena);
    for (int i = 0; i < list_count(n->group_clauses); i++) {
        const SortClause *g = n->group_clauses->items[i];
        SortKey *k = ARENA_NEW(root->arena, SortKey);
        k->column = i + 1;
        k->sort_op = g->sort_op;
        k->eq_op = g->eq_op;
        k->type = (Oid)n->types->items[i];
        k->collation = (Oid)n->collations->items[i];
        list_push(keys, k);
    }
    return keys;
}

static Plan *set_op_tree(Root *root, Node *n, const List *names);

/* Children of nested UNION ALLs (or UNIONs below a UNION) side by side. */
static void
append_children(Root *root, Node *n, bool all, const List *names, List *out)
{
    if (IS(n, SetOpNode) && ((SetOpNode *)n)->op == SETOP_UNION && (((SetOpNode *)n)->all || !all)) {
        append_children(root, ((SetOpNode *)n)->left, all, names, out);
        append_children(root, ((SetOpNode *)n)->right, all, names, out);
        return;
    }
    list_push(out, set_op_tree(root, n, names));
}

static Plan *
leaf(Root *root, const RangeRef *r)
{
    RangeEntry *e = list_at(root->q->range_table, r->rel - 1);
    List *saved = root->outer_params;
    root->outer_params = NULL;
    Root *sub = root_new(root->g, root, node_copy(root->arena, e->subquery));
    Plan *p = plan_query_level(sub);
    set_references(sub, p);
    root->outer_params = saved;
    /* junk columns (sort keys) are cut off */
    int visible = 0;
    for (int i = 0; i < p->targets->count; i++)
        visible += !((TargetEntry *)p->targets->items[i])->junk;
    if (visible == p->targets->count)
        return p;
    ResultPlan *cut = PLAN_NEW(root, PLAN_RESULT, ResultPlan);
    cut->p.left = p;
    for (int i = 0; i < p->targets->count; i++) {
        TargetEntry *te = p->targets->items[i];
        if (te->junk)
            continue;
        Var *v = node_new(root->arena, Var);
        v->expr = *te->expr;
        v->expr.tag = TAG_Var;
        v->rel = VAR_OUTER;
        v->attno = i + 1;
        v->levels_up = 0;
        list_push(cut->p.targets, tle(root->arena, &v->expr, cut->p.targets->count + 1, te->name));
    }
    plan_cost(&cut->p, p->startup_cost, p->total_cost, p->rows, p->width);
    return &cut->p;
}

static Plan *
set_op_tree(Root *root, Node *n, const List *names)
{
    CHECK_STACK();
    if (IS(n, RangeRef))
        return leaf(root, (RangeRef *)n);
    SetOpNode *s = (SetOpNode *)n;
    if (s->op == SETOP_UNION) {
        AppendPlan *a = PLAN_NEW(root, PLAN_APPEND, AppendPlan);
        a->children = list_new(root->arena);
        append_children(root, s->left, s->all, names, a->children);
        append_children(root, s->right, s->all, names, a->children);
        a->p.targets = set_targets(root, s, names);
        double total = 0, rows = 0;
        for (int i = 0; i < a->children->count; i++) {
            total += ((Plan *)a->children->items[i])->total_cost;
            rows += ((Plan *)a->children->items[i])->rows;
        }
        plan_cost(&a->p, 0, total, rows, ((Plan *)a->children->items[0])->width);
        if (s->all)
            return &a->p;
        AggPlan *g = PLAN_NEW(root, PLAN_AGG, AggPlan);
        g->strategy = AGG_HASHED;
        g->keys = set_keys(root, s);
        g->aggs = list_new(root->arena);
        g->groups = rows;
        g->p.left = &a->p;
        g->p.targets = set_targets(root, s, names);
        plan_cost(&g->p, total + rows * cpu_operator_cost, total + rows * (cpu_operator_cost + cpu_tuple_cost), rows, a->p.width);
        return &g->p;
    }
    SetOpPlan *p = PLAN_NEW(root, PLAN_SETOP, SetOpPlan);
    p->op = s->op;
    p->all = s->all;
    p->keys = set_keys(root, s);
    p->p.left = set_op_tree(root, s->left, names);
    p->p.right = set_op_tree(root, s->right, names);
    p->p.targets = set_targets(root, s, names);
    double l = p->p.left->rows, r = p->p.right->rows;
    plan_cost(&p->p, p->p.left->total_cost + p->p.right->total_cost, p->p.left->total_cost + p->p.right->total_cost + (l + r) * cpu_operator_cost, s->op == SETOP_INTERSECT ? MIN(l, r) : l,
              p->p.left->width);
    return &p->p;
}

Plan *
plan_set_ops(Root *root)
{
    Query *q = root->q;
    root->q->limit_count = prep_expr(root, q->limit_count);
    root->q->limit_offset = prep_expr(root, q->limit_offset);
    Plan *p = set_op_tree(root, q->set_ops, q->targets);
    if (q->sort) {
        List *keys = list_new(root->arena);
        for (int i = 0; i < q->sort->count; i++) {
            const SortClause *c = q->sort->items[i];
            int column = 0;
            for (int k = 0; k < q->targets->count; k++)
                if (((TargetEntry *)q->targets->items[k])->sort_ref == c->ref)
                    column = k + 1;
            const Expr *e = ((TargetEntry *)q->targets->items[column - 1])->expr;
            SortKey *k = ARENA_NEW(root->arena, SortKey);
            k->column = column;
            k->sort_op = c->sort_op;
            k->eq_op = c->eq_op;
            k->type = e->type;
            k->collation = e->collation;
            k->desc = c->desc;
            k->nulls_first = c->nulls_first;
            list_push(keys, k);
        }
        SortPlan *s = PLAN_NEW(root, PLAN_SORT, SortPlan);
        s->p.left = p;
        s->p.targets = set_targets(root, (SetOpNode *)q->set_ops, q->targets);
        s->keys = keys;
        s->bound = -1;
        double cost = sort_cost(p->rows, p->width, -1);
        plan_cost(&s->p, p->total_cost + cost, p->total_cost + cost, p->rows, p->width);
        p = &s->p;
    }
    if (q->limit_count || q->limit_offset) {
        LimitPlan *l = PLAN_NEW(root, PLAN_LIMIT, LimitPlan);
        l->p.left = p;
        l->p.targets = set_targets(root, (SetOpNode *)q->set_ops, q->targets);
        l->offset = process_sublinks(root, q->limit_offset);
        l->count = process_sublinks(root, q->limit_count);
        l->option = q->limit_option;
        if (q->limit_option == LIMIT_WITH_TIES && (int)p->tag == PLAN_SORT)
            l->keys = ((SortPlan *)p)->keys;
        plan_cost(&l->p, p->startup_cost, p->total_cost, p->rows, p->width);
        p = &l->p;
    }
    return p;
}

/* ---- INSERT: one target per column of the table, defaults filled in ---- */

static Expr *
null_of(Root *root, const ColDesc *c)
{
    Const *k = node_new(root->arena, Const);
    k->expr.type = c->dropped ? INT4_OID : c->type;
    k->expr.typmod = c->typmod;
    k->expr.collation = c->collation;
    k->isnull = true;
    k->byval = c->dropped ? true : c->byval;
    k->len = c->dropped ? 4 : c->len;
    return &k->expr;
}

/* The sequence an identity column owns (pg_depend: internal dependency on the column). */
static Oid
identity_sequence(Oid rel, int attnum)
{
    Datum keys[3] = {oid_datum(CAT_PG_CLASS), oid_datum(rel), int32_datum(attnum)};
    CatScan *s = cat_scan_begin(CAT_PG_DEPEND, IDX_PG_DEPEND_REFERENCE_INDEX, 3, keys);
    const CatRow *r;
    Oid found = 0;
    while (found == 0 && (r = cat_scan_next(s)) != NULL) {
        if (datum_oid(cat_val(r, PG_DEPEND_CLASSID)) != CAT_PG_CLASS || (char)cat_val(r, PG_DEPEND_DEPTYPE) != 'i')
            continue;
        Oid obj = datum_oid(cat_val(r, PG_DEPEND_OBJID));
        RelDesc *d = rel_try_open(obj, LOCK_ACCESS_SHARE);
        if (d && d->kind == 'S')
            found = obj;
    }
    cat_scan_end(s);
    if (found == 0)
        INTERNAL_ERROR("no owned sequence found");
    return found;
}

/* A domain may have a default of its own, and refuse nulls. */
static Expr *
domain_default(Root *root, const ColDesc *c)
{
    if (c->dropped || type_base(c->type, NULL) == c->type)
        return null_of(root, c);
    for (Oid t = c->type; t != 0;) {
        const CatRow *r = cat_get_by_oid(CAT_PG_TYPE, t);
        if (r == NULL)
            break;
        if (!cat_null(r, PG_TYPE_TYPDEFAULTBIN)) {
            Expr *e = node_read(root->arena, var_to_cstring(root->arena, cat_val(r, PG_TYPE_TYPDEFAULTBIN)));
            return prep_expr(root, sql_coerce_assignment(root->arena, e, c->type, c->typmod, c->collation, c->name));
        }
        t = datum_oid(cat_val(r, PG_TYPE_TYPBASETYPE));
    }
    CoerceToDomain *d = node_new(root->arena, CoerceToDomain);
    ColDesc base = *c;
    base.type = type_base(c->type, &base.typmod);
    d->arg = null_of(root, &base);
    d->expr.type = c->type;
    d->expr.typmod = c->typmod;
    d->expr.collation = c->collation;
    return &d->expr;
}

static Expr *
column_default(Root *root, RelDesc *rel, int attnum)
{
    ColDesc *c = &rel->cols[attnum - 1];
    if (c->dropped)
        return null_of(root, c);
    if (c->identity) {
        NextValue *n = node_new(root->arena, NextValue);
        n->sequence = identity_sequence(rel->oid, attnum);
        n->expr.type = c->type;
        return &n->expr;
    }
    if (c->default_tree && !c->generated)
        return prep_expr(root, node_read(root->arena, c->default_tree));
    return domain_default(root, c);
}

/* A VALUES list may hold DEFAULT for some columns of some rows. */
static void
fill_values_defaults(Root *root, RelDesc *rel, RangeEntry *e, int column, int attnum)
{
    for (int i = 0; i < e->values->count; i++) {
        List *row = ((ListNode *)e->values->items[i])->list;
        if (column < row->count && IS(row->items[column], SetToDefault))
            row->items[column] = column_default(root, rel, attnum);
    }
}

/* A column that is DEFAULT in every row is computed above the VALUES list, which holds nulls for it. */
static void
clear_values_column(Root *root, RangeEntry *e, int column, const ColDesc *c)
{
    for (int i = 0; i < e->values->count; i++) {
        Const *k = node_new(root->arena, Const);
        k->expr.type = c->type;
        k->expr.typmod = c->typmod;
        k->expr.collation = c->collation;
        k->isnull = true;
        k->len = c->len;
        k->byval = c->byval;
        ((ListNode *)e->values->items[i])->list->items[column] = k;
    }
}

void
expand_insert_targets(Root *root)
{
    Query *q = root->q;
    RangeEntry *e = list_at(q->range_table, q->result_rel - 1);
    RelDesc *rel = rel_cached(e->rel);
    List *out = list_new(root->arena);
    for (int a = 1; a <= rel->natts; a++) {
        ColDesc *c = &rel->cols[a - 1];
        TargetEntry *given = NULL;
        for (int i = 0; i < q->targets->count; i++)
            if (((TargetEntry *)q->targets->items[i])->resno == a)
                given = q->targets->items[i];
        Expr *x = given ? given->expr : NULL;
        bool user_value = x && !IS(x, SetToDefault);
        RangeEntry *values = NULL;
        if (user_value && IS(x, Var)) {
            values = list_at(q->range_table, ((Var *)x)->rel - 1);
            if (values->kind != RANGE_VALUES)
                values = NULL;
        }
        bool all_default = values != NULL;
        for (int i = 0; values && i < values->values->count && all_default; i++) {
            List *row = ((ListNode *)values->values->items[i])->list;
            int col = ((Var *)x)->attno - 1;
            all_default = col < row->count && IS(row->items[col], SetToDefault);
        }
        if (all_default) {
            user_value = false;
            clear_values_column(root, values, ((Var *)x)->attno - 1, c);
        }
        if (user_value && c->identity == 'a' && q->override == OVERRIDE_USER)
            user_value = false;
        if (user_value && c->identity == 'd' && q->override == OVERRIDE_USER)
            user_value = false;
        if (user_value && c->identity == 'a' && q->override != OVERRIDE_SYSTEM)
            RAISE_ERR(SQLSTATE_GENERATED_ALWAYS, err_message("cannot insert a non-DEFAULT value into column \"%s\"", c->name),
                      err_detail("Column \"%s\" is an identity column defined as GENERATED ALWAYS.", c->name), err_hint("Use OVERRIDING SYSTEM VALUE to override."));
        if (user_value && c->generated)
            RAISE_ERR(SQLSTATE_GENERATED_ALWAYS, err_message("cannot insert a non-DEFAULT value into column \"%s\"", c->name),
                      err_detail("Column \"%s\" is a generated column.", c->name));
        if (user_value && values)
            fill_values_defaults(root, rel, values, ((Var *)x)->attno - 1, a);
        if (!user_value)
            x = column_default(root, rel, a);
        TargetEntry *te = tle(root->arena, x, a, c->name);
        list_push(out, te);
    }
    q->targets = out;
}

/* ---- the node that changes the table ---- */

static bool
update_allowed(const ColDesc *c, const TargetEntry *te)
{
    return IS(te->expr, SetToDefault) || (c->identity != 'a' && !c->generated);
}

Plan *
plan_modify(Root *root, Plan *child)
{
    Query *q = root->q;
    RangeEntry *e = list_at(q->range_table, q->result_rel - 1);
    ModifyPlan *m = PLAN_NEW(root, PLAN_MODIFY_TABLE, ModifyPlan);
    m->command = q->command;
    m->rel = q->result_rel;
    m->rel_oid = e->rel;
    m->can_set_tag = q->can_set_tag;
    m->p.left = child;
    m->returning = q->returning;
    m->p.targets = q->returning ? q->returning : list_new(root->arena);
    m->on_conflict = q->on_conflict;
    m->update_columns = root->update_columns;
    for (int i = 0; i < child->targets->count; i++) {
        TargetEntry *te = child->targets->items[i];
        if (te->junk && te->name && strcmp(te->name, "ctid") == 0 && IS(te->expr, Var) && ((Var *)te->expr)->attno == -1)
            m->ctid_column = i + 1;
    }
    plan_cost(&m->p, child->startup_cost, child->total_cost, child->rows, 0);
    return &m->p;
}

/* UPDATE: SET col = DEFAULT, and refusal of generated columns; called before the targets are planned. */
IntList *
prepare_update_targets(Root *root)
{
    Query *q = root->q;
    RangeEntry *e = list_at(q->range_table, q->result_rel - 1);
    RelDesc *rel = rel_cached(e->rel);
    IntList *columns = ints_new(root->arena);
    List *lists[2] = {q->command == CMD_UPDATE ? q->targets : NULL, q->on_conflict ? q->on_conflict->set : NULL};
    for (int l = 0; l < 2; l++)
        for (int i = 0; i < list_count(lists[l]); i++) {
            TargetEntry *te = lists[l]->items[i];
            ColDesc *c = &rel->cols[te->resno - 1];
            if (!update_allowed(c, te))
                RAISE_ERR(SQLSTATE_GENERATED_ALWAYS, err_message("column \"%s\" can only be updated to DEFAULT", c->name),
                          c->generated ? err_detail("Column \"%s\" is a generated column.", c->name)
                                       : err_detail("Column \"%s\" is an identity column defined as GENERATED ALWAYS.", c->name));
            if (IS(te->expr, SetToDefault))
                te->expr = column_default(root, rel, te->resno);
            if (l == 0)
                ints_push(columns, te->resno);
        }
    return columns;
}
