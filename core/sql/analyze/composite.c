/*
 * Composite values: which columns a row-valued expression has, taking one (x.field), all (x.*), and making
 * a row of a named type out of ROW(...).
 */
#include "core/sql/analyze/analyze_internal.h"

/* A query and those around it: Vars of a subquery's targets are of its own range table. */
typedef struct Level { const Query *q; const List *ctes; const struct Level *up; } Level;

static RowColumns *
columns_new(Scope *s, int n)
{
    RowColumns *c = ARENA_NEW(s->arena, RowColumns);

    c->names = ARENA_ARRAY(s->arena, const char *, n + 1);
    c->types = ARENA_ARRAY(s->arena, Oid, n + 1);
    c->typmods = ARENA_ARRAY(s->arena, int32_t, n + 1);
    c->collations = ARENA_ARRAY(s->arena, Oid, n + 1);
    c->fields = ARENA_ARRAY(s->arena, int, n + 1);
    return c;
}

static void
columns_add(RowColumns *c, const char *name, Oid type, int32_t typmod, Oid collation, int field)
{
    c->names[c->n] = name;
    c->types[c->n] = type;
    c->typmods[c->n] = typmod;
    c->collations[c->n] = collation;
    c->fields[c->n++] = field;
}

static RowColumns *
columns_of_type(Scope *s, Oid type)
{
    RelDesc *rel = rel_open(type_info(type)->rel, LOCK_ACCESS_SHARE);
    RowColumns *c = columns_new(s, rel->natts);

    for (int i = 0; i < rel->natts; i++)
        if (!rel->cols[i].dropped)
            columns_add(c, rel->cols[i].name, rel->cols[i].type, rel->cols[i].typmod, rel->cols[i].collation, i + 1);
    return c;
}

static RowColumns *
columns_of_row(Scope *s, const RowExpr *r)
{
    RowColumns *c = columns_new(s, list_count(r->args));

    for (int i = 0; i < list_count(r->args); i++) {
        const Expr *e = r->args->items[i];
        columns_add(c, r->names->items[i], e->type, e->typmod, e->collation, i + 1);
    }
    return c;
}

static RowColumns *
columns_of_function(Scope *s, const FuncCall *f)
{
    const FnInfo *info = fn_info(f->fn);

    if (info->nout == 0)
        return NULL;
    RowColumns *c = columns_new(s, info->nout);
    for (int i = 0; i < info->nout; i++)
        columns_add(c, info->out_names[i], info->out_types[i], -1, type_info(info->out_types[i])->collation, i + 1);
    return c;
}

static const Query *
find_cte_query(const Level *l, const RangeEntry *e, const Level **at)
{
    const Level *p = l;

    for (int i = 0; i < e->cte_levels_up && p != NULL; i++)
        p = p->up;
    if (p == NULL)
        return NULL;
    *at = p;
    for (int pass = 0; pass < 2; pass++) {
        const List *ctes = pass ? p->ctes : p->q->ctes;
        for (int i = 0; i < list_count(ctes); i++) {
            const CommonTable *c = ctes->items[i];
            if (strcmp(c->name, e->cte_name) == 0)
                return c->query;
        }
    }
    return NULL;
}

static RowColumns *columns_at(Scope *s, const Expr *e, const Level *l);

static RowColumns *
columns_of_target(Scope *s, const Query *q, int attno, const Level *up)
{
    Level l = {q, q->ctes, up};
    int k = 0;

    for (int i = 0; q != NULL && i < list_count(q->targets); i++) {
        const TargetEntry *te = q->targets->items[i];
        if (!te->junk && ++k == attno)
            return columns_at(s, te->expr, &l);
    }
    return NULL;
}

/* A column of type record is what the subquery, VALUES or function puts there. */
static RowColumns *
columns_of_var(Scope *s, const Var *v, const Level *l)
{
    for (int i = 0; i < v->levels_up && l != NULL; i++)
        l = l->up;
    if (l == NULL || v->rel < 1)
        return NULL;
    const RangeEntry *e = list_at(l->q->range_table, v->rel - 1);
    const Level *at = NULL;
    switch (e->kind) {
    case RANGE_SUBQUERY:
        return columns_of_target(s, e->subquery, v->attno, l);
    case RANGE_CTE: {
        const Query *q = find_cte_query(l, e, &at);
        return q ? columns_of_target(s, q, v->attno, at) : NULL;
    }
    case RANGE_VALUES: {
        const List *row = ((const ListNode *)e->values->items[0])->list;
        return v->attno <= row->count ? columns_at(s, row->items[v->attno - 1], l) : NULL;
    }
    default:
        return NULL;
    }
}

static RowColumns *
columns_at(Scope *s, const Expr *e, const Level *l)
{
    CHECK_STACK();
    if (e->type == UNKNOWN_OID)
        return NULL;
    Oid base = type_base(e->type, NULL);
    if (base != RECORD_OID)
        return type_info(base)->typtype == 'c' ? columns_of_type(s, base) : NULL;
    switch ((int)e->tag) {
    case TAG_RowExpr: return columns_of_row(s, (const RowExpr *)e);
    case TAG_FuncCall: return columns_of_function(s, (const FuncCall *)e);
    case TAG_Var: return columns_of_var(s, (const Var *)e, l);
    default: return NULL;
    }
}

RowColumns *
row_columns(Scope *s, const Expr *e)
{
    int depth = 0;
    for (Scope *p = s; p != NULL; p = p->parent)
        depth++;
    Level *levels = ARENA_ARRAY(s->arena, Level, depth + 1);
    int i = 0;
    for (Scope *p = s; p != NULL; p = p->parent, i++)
        levels[i] = (Level){p->query, p->ctes, p->parent ? &levels[i + 1] : NULL};
    return columns_at(s, e, levels);
}

/* Is x the name of one of the query's relations, standing for its rows (and not a ROW written out)? */
static const RangeEntry *
whole_row_of(Scope *s, const Expr *x)
{
    const RowExpr *r = (const RowExpr *)x;

    if (!IS(x, RowExpr) || r->form != FORM_IMPLICIT_CAST)
        return NULL;
    for (int i = 0; i < list_count(r->args); i++) {
        const Var *v = r->args->items[i];
        if (!IS(v, Var) || v->rel < 1)
            continue;
        Scope *p = s;
        for (int up = 0; up < v->levels_up && p; up++)
            p = p->parent;
        const RangeEntry *e = p ? list_at(p->query->range_table, v->rel - 1) : NULL;
        bool named = e && v->attno >= 1 && v->attno <= list_count(e->columns) && e->columns->items[v->attno - 1] != NULL;
        return named && strcmp(e->columns->items[v->attno - 1], r->names->items[i]) == 0 ? e : NULL;
    }
    return NULL;
}

/* Column k of x. A whole row of the query's own relations gives the column itself. */
static Expr *
take_column(Scope *s, Expr *x, const RowColumns *c, int k)
{
    if (whole_row_of(s, x) && c->fields[k] <= list_count(((RowExpr *)x)->args))
        return ((RowExpr *)x)->args->items[c->fields[k] - 1];
    FieldSelect *f = node_new(s->arena, FieldSelect);
    f->arg = x;
    f->field = c->fields[k];
    f->expr.type = c->types[k];
    f->expr.typmod = c->typmods[k];
    f->expr.collation = c->collations[k];
    f->expr.location = x->location;
    return &f->expr;
}

Expr *
find_field(Scope *s, Expr *x, const char *name)
{
    const RowColumns *c = row_columns(s, x);

    for (int k = 0; c != NULL && k < c->n; k++)
        if (strcmp(c->names[k], name) == 0)
            return take_column(s, x, c, k);
    return NULL;
}

Expr *
select_field(Scope *s, Expr *x, const char *name, int location)
{
    Expr *e = find_field(s, x, name);
    Oid base = x->type == UNKNOWN_OID ? UNKNOWN_OID : type_base(x->type, NULL);

    if (e != NULL)
        return e;
    const RangeEntry *entry = whole_row_of(s, x);
    if (entry)
        column_missing(s, entry->eref, name, location);
    if (base == RECORD_OID)
        RAISE_AT(SQLSTATE_UNDEFINED_COLUMN, location, "could not identify column \"%s\" in record data type", name);
    if (base == UNKNOWN_OID || type_info(base)->typtype != 'c')
        RAISE_AT(SQLSTATE_WRONG_OBJECT_TYPE, location, "column notation .%s applied to type %s, which is not a composite type", name,
                 type_format(s->arena, x->type, -1, false));
    RAISE_AT(SQLSTATE_UNDEFINED_COLUMN, location, "column \"%s\" not found in data type %s", name, type_format(s->arena, x->type, -1, false));
}

void
expand_row(Scope *s, Expr *x, List *targets)
{
    const RowColumns *c = row_columns(s, x);
    Oid base = x->type == UNKNOWN_OID ? UNKNOWN_OID : type_base(x->type, NULL);

    if (c == NULL && base == RECORD_OID)
        RAISE(SQLSTATE_WRONG_OBJECT_TYPE, "record type has not been registered");
    if (c == NULL)
        RAISE_AT(SQLSTATE_WRONG_OBJECT_TYPE, expr_location(x), "type %s is not composite", type_format(s->arena, x->type, -1, false));
    for (int k = 0; k < c->n; k++)
        list_push(targets, target_new(s->arena, take_column(s, k ? node_copy(s->arena, x) : x, c, k), 0, c->names[k], false));
}

/* x.* where x is an expression: (f(1)).*, (t.col).*; NULL: not of that form. */
bool
expand_row_star(Scope *s, const PNode *n, List *targets)
{
    if (n->node_case != PN(A_INDIRECTION))
        return false;
    const PgQuery__AIndirection *ind = n->a_indirection;
    if (ind->n_indirection == 0 || ind->indirection[ind->n_indirection - 1]->node_case != PN(A_STAR))
        return false;
    expand_row(s, analyze_indirection(s, ind->arg, ind->indirection, ind->n_indirection - 1), targets);
    return true;
}

/* ---- ROW(...) as a row of a named type ---- */

static NORETURN void
raise_row_cast(Scope *s, Oid to, const char *detail, int location)
{
    RAISE_ERR(SQLSTATE_CANNOT_COERCE, err_message("cannot cast type record to %s", type_format(s->arena, to, -1, false)),
              err_detail("%s", detail), err_position(location));
}

Expr *
coerce_row(Scope *s, Expr *e, Oid to, Coercion ctx, int form, int location)
{
    RelDesc *rel = rel_open(type_info(to)->rel, LOCK_ACCESS_SHARE);
    const RowExpr *from = (const RowExpr *)e;
    int at = location >= 0 ? location : expr_location(e);
    RowExpr *out = node_new(s->arena, RowExpr);
    int given = 0;

    if (!IS(e, RowExpr))
        RAISE_AT(SQLSTATE_CANNOT_COERCE, at, "cannot cast type record to %s", type_format(s->arena, to, -1, false));
    out->args = list_new(s->arena);
    out->names = list_new(s->arena);
    for (int i = 0; i < rel->natts; i++) {
        const ColDesc *col = &rel->cols[i];
        list_push(out->names, col->name);
        if (col->dropped) {
            list_push(out->args, make_const(s->arena, INT4_OID, -1, 0, 0, true, -1));
            continue;
        }
        if (given == list_count(from->args))
            raise_row_cast(s, to, "Input has too few columns.", at);
        Expr *arg = from->args->items[given++];
        Oid type = arg->type;
        Expr *c = coerce_to_target(s, arg, col->type, col->typmod, ctx, FORM_IMPLICIT_CAST, -1);
        if (c == NULL)
            raise_row_cast(s, to, arena_printf(s->arena, "Cannot cast type %s to %s in column %d.", type_format(s->arena, type, -1, false),
                                               type_format(s->arena, col->type, -1, false), given), location >= 0 ? location : expr_location(arg));
        list_push(out->args, c);
    }
    if (given < list_count(from->args))
        raise_row_cast(s, to, "Input has too many columns.", at);
    out->form = form;
    out->expr.type = to;
    out->expr.location = location;
    return &out->expr;
}
