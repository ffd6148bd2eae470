/*
 * Expressions that table definitions hold: defaults, generated columns, checks. Made from the grammar's
 * tree, coerced, stored as text with their dependencies.
 */
#include "core/sql/command/command_internal.h"

#include "core/sql/analyze/analyze_internal.h"

static bool
has_rel_column(void *n, void *arg)
{
    if (IS(n, Var))
        return true;
    return node_walk_children(n, has_rel_column, arg, false);
}

static bool
refers_to_generated(void *n, void *arg)
{
    RelDesc *rel = arg;

    if (IS(n, Var)) {
        const Var *v = n;
        if (v->attno == 0)
            RAISE_ERR(SQLSTATE_INVALID_OBJECT_DEFINITION, err_message("cannot use whole-row variable in column generation expression"),
                      err_detail("This would cause the generated column to depend on its own value."), err_position(v->expr.location));
        if (v->attno < 0 && v->attno != -6)
            RAISE_AT(SQLSTATE_INVALID_COLUMN_REFERENCE, v->expr.location, "cannot use system column \"%s\" in column generation expression",
                     v->attno == -1 ? "ctid" : v->attno == -2 ? "xmin" : v->attno == -3 ? "cmin" : v->attno == -4 ? "xmax" : "cmax");
        if (v->attno > 0 && rel->cols[v->attno - 1].generated)
            RAISE_ERR(SQLSTATE_INVALID_OBJECT_DEFINITION,
                      err_message("cannot use generated column \"%s\" in column generation expression", rel->cols[v->attno - 1].name),
                      err_detail("A generated column cannot reference another generated column."), err_position(v->expr.location));
        return false;
    }
    return node_walk_children(n, refers_to_generated, arg, false);
}

static Expr *
cook_default_at(Arena *a, const PNode *raw, RelDesc *rel, const ColDesc *col, const char *text, bool generated)
{
    Expr *e = sql_analyze_expr(a, raw, rel, text, generated ? "column generation expressions" : "DEFAULT expressions");

    if (generated) {
        refers_to_generated(e, rel);
        if (expr_contains_mutable(e))
            RAISE(SQLSTATE_INVALID_OBJECT_DEFINITION, "generation expression is not immutable");
    } else if (has_rel_column(e, NULL))
        INTERNAL_ERROR("default expression refers to a column");
    Scope *s = scope_new(a, NULL, text, NULL);
    Expr *out = coerce_to_target(s, e, col->type, col->typmod, COERCE_ASSIGNMENT, FORM_IMPLICIT_CAST, -1);
    if (out == NULL)
        RAISE_ERR(SQLSTATE_DATATYPE_MISMATCH,
                  err_message(generated ? "column \"%s\" is of type %s but generation expression is of type %s"
                                        : "column \"%s\" is of type %s but default expression is of type %s",
                              col->name, type_format(a, col->type, -1, false), type_format(a, e->type, -1, false)),
                  err_hint("You will need to rewrite or cast the expression."));
    assign_collations_expr(a, out);
    return out;
}

static Expr *
cook_check_at(Arena *a, const PNode *raw, RelDesc *rel, const char *text)
{
    Expr *e = sql_analyze_expr(a, raw, rel, text, "check constraints");
    Scope *s = scope_new(a, NULL, text, NULL);
    Expr *b = coerce_to_boolean(s, e, "CHECK");

    assign_collations_expr(a, b);
    return b;
}

/* Raises again what is current, without its position: the statement's text is not at hand (ALTER). */
static NORETURN void
rethrow_without_position(Arena *a)
{
    ErrReport *r = err_copy(a, err_current());

    r->position = -1;
    err_clear();
    err_throw_report(r);
}

Expr *
cook_default(Arena *a, const PNode *raw, RelDesc *rel, const ColDesc *col, const char *text, bool generated)
{
    Expr *e = NULL;

    if (text)
        return cook_default_at(a, raw, rel, col, text, generated);
    ERR_TRY
    {
        e = cook_default_at(a, raw, rel, col, text, generated);
    }
    ERR_CATCH
    {
        rethrow_without_position(a);
    }
    ERR_END;
    return e;
}

/* text NULL: errors do not tell a position. */
Expr *
cook_check(Arena *a, const PNode *raw, RelDesc *rel, const char *text)
{
    Expr *e = NULL;

    if (text)
        return cook_check_at(a, raw, rel, text);
    ERR_TRY
    {
        e = cook_check_at(a, raw, rel, text);
    }
    ERR_CATCH
    {
        rethrow_without_position(a);
    }
    ERR_END;
    return e;
}

/* ---- properties ---- */

static char
worst_volatility(char a, char b)
{
    return a == 'v' || b == 'v' ? 'v' : a == 's' || b == 's' ? 's' : 'i';
}

static bool
volatility_walker(void *n, void *arg)
{
    char *worst = arg;
    Oid fn = 0;

    switch (node_tag(n)) {
    case TAG_FuncCall: fn = ((FuncCall *)n)->fn; break;
    case TAG_OpCall: fn = ((OpCall *)n)->fn; break;
    case TAG_DistinctExpr: fn = ((DistinctExpr *)n)->fn; break;
    case TAG_NullIfExpr: fn = ((NullIfExpr *)n)->fn; break;
    case TAG_ScalarArrayOp: fn = ((ScalarArrayOp *)n)->fn; break;
    case TAG_SqlValue: *worst = worst_volatility(*worst, 's'); break;
    case TAG_CurrentOf: case TAG_NextValue: *worst = 'v'; break;
    case TAG_CoerceViaIO: {
        const CoerceViaIO *v = n;
        const TypeInfo *from = type_info(v->arg->type), *to = type_info(v->expr.type);
        const FnInfo *out = from->out_fn ? fn_info(from->out_fn) : NULL, *in = to->in_fn ? fn_info(to->in_fn) : NULL;
        if (out)
            *worst = worst_volatility(*worst, out->volatility);
        if (in)
            *worst = worst_volatility(*worst, in->volatility);
        break;
    }
    default: break;
    }
    if (fn) {
        const FnInfo *f = fn_info(fn);
        if (f)
            *worst = worst_volatility(*worst, f->volatility);
    }
    return node_walk_children(n, volatility_walker, arg, true);
}

bool
expr_contains_volatile(const Expr *e)
{
    char worst = 'i';
    volatility_walker((void *)e, &worst);
    return worst == 'v';
}

bool
expr_contains_mutable(const Expr *e)
{
    char worst = 'i';
    volatility_walker((void *)e, &worst);
    return worst != 'i';
}

typedef struct Columns { int first; bool several, any; } Columns;

static bool
columns_walker(void *n, void *arg)
{
    Columns *c = arg;

    if (IS(n, Var)) {
        const Var *v = n;
        if (c->any && v->attno != c->first)
            c->several = true;
        c->first = v->attno;
        c->any = true;
        return false;
    }
    return node_walk_children(n, columns_walker, arg, false);
}

void
expr_columns(const void *e, int *only, bool *any)
{
    Columns c = {0};

    columns_walker((void *)e, &c);
    *only = c.any && !c.several && c.first > 0 ? c.first : 0;
    if (any)
        *any = c.any;
}

Expr *
make_nextval(Arena *a, Oid sequence)
{
    FuncCall *f = node_new(a, FuncCall);

    f->fn = FN_NEXTVAL;
    f->expr.type = INT8_OID;
    f->args = list_new(a);
    list_push(f->args, make_const(a, REGCLASS_OID, -1, 0, oid_datum(sequence), false, -1));
    return &f->expr;
}

/* ---- storage ---- */

void
store_default(Arena *a, RelDesc *rel, int attnum, Expr *e, bool generated)
{
    Oid oid = rel->oid;

    attrdef_create(oid, attnum, e, generated);
    rel_invalidate(oid);
    txn_command_increment();
}

void
remove_default(Arena *a, Oid rel, int attnum, bool cascade, bool internal)
{
    Oid def = attrdef_of(rel, attnum);
    ObjAddr addr = {CAT_PG_ATTRDEF, def, 0};

    if (def == 0)
        return;
    /* Only the default: what it depends on, the column among it, stays. */
    depend_delete_for(addr, 'i');
    txn_command_increment();
    objects_drop(&addr, 1, cascade, internal);
    rel_invalidate(rel);
    txn_command_increment();
}
