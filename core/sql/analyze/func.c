/*
 * Function calls: plain functions, aggregates, window functions, casts in function form.
 */
#include "core/sql/analyze/analyze_internal.h"

static NORETURN void
not_found(Scope *s, const char *nsp, const char *name, const Oid *types, int n, const char *const *names, bool ambiguous, const PgQuery__FuncCall *f, int location)
{
    char *full = nsp ? arena_printf(s->arena, "%s.%s", nsp, name) : (char *)(uintptr_t)name;
    char *sig = signature_text(s->arena, full, types, n, names);
    if (ambiguous)
        RAISE_ERR(SQLSTATE_AMBIGUOUS_FUNCTION, err_message("function %s is not unique", sig),
                  err_hint("Could not choose a best candidate function. You might need to add explicit type casts."), err_position(location));
    if (f && f->n_agg_order > 0 && !f->agg_within_group)
        RAISE_ERR(SQLSTATE_UNDEFINED_FUNCTION, err_message("function %s does not exist", sig),
                  err_hint("No aggregate function matches the given name and argument types. Perhaps you misplaced ORDER BY; ORDER BY must "
                           "appear after all regular arguments of the aggregate."), err_position(location));
    RAISE_ERR(SQLSTATE_UNDEFINED_FUNCTION, err_message("function %s does not exist", sig),
              err_hint("No function matches the given name and argument types. You might need to add explicit type casts."),
              err_position(location));
}

/* ---- where aggregates may stand, and which query level they belong to ---- */

typedef struct AggScan { int depth; int min_var; int min_agg; int location; } AggScan;

static bool
scan_levels(void *n, void *arg)
{
    AggScan *x = arg;
    if (IS(n, Var)) {
        int up = ((Var *)n)->levels_up - x->depth;
        if (up >= 0 && (x->min_var < 0 || up < x->min_var))
            x->min_var = up;
        return false;
    }
    if (IS(n, Aggref)) {
        int up = ((Aggref *)n)->levels_up - x->depth;
        if (up >= 0 && (x->min_agg < 0 || up < x->min_agg)) {
            x->min_agg = up;
            x->location = ((Aggref *)n)->expr.location;
        }
    }
    const Expr *set = x->depth > 0 ? NULL : IS(n, FuncCall) && ((FuncCall *)n)->returns_set ? n : IS(n, OpCall) && ((OpCall *)n)->returns_set ? n : NULL;
    if (set)
        RAISE_ERR(SQLSTATE_FEATURE_NOT_SUPPORTED, err_message("aggregate function calls cannot contain set-returning function calls"),
                  err_hint("You might be able to move the set-returning function into a LATERAL FROM item."), err_position(set->location));
    if (IS(n, Query)) {
        x->depth++;
        node_walk_children(n, scan_levels, arg, true);
        x->depth--;
        return false;
    }
    return node_walk_children(n, scan_levels, arg, true);
}

static void
check_agg_place(Scope *s, int location)
{
    const char *err = NULL;
    switch (s->kind) {
    case EK_HAVING: case EK_SELECT_TARGET: case EK_ORDER_BY: case EK_DISTINCT_ON: case EK_WINDOW: case EK_NONE: return;
    case EK_JOIN_ON: err = "aggregate functions are not allowed in JOIN conditions"; break;
    case EK_FROM_FUNCTION: err = "aggregate functions are not allowed in functions in FROM"; break;
    case EK_CHECK: err = "aggregate functions are not allowed in check constraints"; break;
    case EK_DEFAULT: err = "aggregate functions are not allowed in DEFAULT expressions"; break;
    case EK_INDEX_EXPR: err = "aggregate functions are not allowed in index expressions"; break;
    case EK_INDEX_PRED: err = "aggregate functions are not allowed in index predicates"; break;
    case EK_ALTER_USING: err = "aggregate functions are not allowed in transform expressions"; break;
    case EK_EXECUTE_PARAM: err = "aggregate functions are not allowed in EXECUTE parameters"; break;
    case EK_COPY_WHERE: err = "aggregate functions are not allowed in COPY FROM WHERE conditions"; break;
    case EK_GENERATED: err = "aggregate functions are not allowed in column generation expressions"; break;
    default: break;
    }
    if (err)
        RAISE_AT(SQLSTATE_GROUPING_ERROR, location, "%s", err);
    RAISE_AT(SQLSTATE_GROUPING_ERROR, location, "aggregate functions are not allowed in %s", kind_name(s->kind));
}

static void
place_aggregate(Scope *s, Aggref *a)
{
    AggScan x = {0, -1, -1, -1};
    for (int i = 0; i < list_count(a->args); i++)
        scan_levels(((TargetEntry *)a->args->items[i])->expr, &x);
    for (int i = 0; i < list_count(a->direct_args); i++)
        scan_levels(a->direct_args->items[i], &x);
    if (a->filter)
        scan_levels(a->filter, &x);
    int level = x.min_var < 0 ? (x.min_agg < 0 ? 0 : x.min_agg) : x.min_var;
    if (x.min_agg >= 0 && x.min_agg == level && (x.min_var < 0 || x.min_agg <= x.min_var))
        RAISE_AT(SQLSTATE_GROUPING_ERROR, x.location, "aggregate function calls cannot be nested");
    a->levels_up = level;
    Scope *owner = s;
    for (int i = 0; i < level && owner->parent; i++)
        owner = owner->parent;
    check_agg_place(owner, a->expr.location);
    owner->has_aggs = true;
}

static Expr *
make_aggregate(Scope *s, const FnChoice *c, Oid ret, List *args, const PgQuery__FuncCall *f, int location)
{
    Aggref *a = node_new(s->arena, Aggref);
    a->fn = c->fn->oid;
    a->expr.type = ret;
    a->expr.location = location;
    a->star = f && f->agg_star;
    a->kind = 'n';
    a->variadic = c->nvargs > 0;
    a->args = list_new(s->arena);
    for (int i = 0; i < list_count(args); i++)
        list_push(a->args, target_new(s->arena, args->items[i], i + 1, NULL, false));
    int direct = builtin_agg_direct(c->fn->oid);
    if (direct >= 0) { /* the direct arguments, kept for printing, then those that sort */
        a->kind = 'o';
        a->direct_args = list_new(s->arena);
        for (int i = 0; i < direct; i++)
            list_push(a->direct_args, node_copy(s->arena, args->items[i]));
        a->order = list_new(s->arena);
        for (size_t i = 0; i < f->n_agg_order; i++)
            sort_by_target(s, a->order, a->args->items[direct + (int)i], a->args, f->agg_order[i]->sort_by);
    } else if (f && f->n_agg_order) {
        ExprKind saved = s->kind;
        a->order = analyze_sort(s, f->agg_order, f->n_agg_order, a->args, saved, true);
    }
    if (f && f->agg_distinct) {
        a->distinct = analyze_distinct(s, a->args, a->order, true);
        for (int i = 0; i < list_count(a->distinct); i++) {
            SortClause *sc = a->distinct->items[i];
            if (sc->sort_op == 0) {
                TargetEntry *te = target_by_ref(a->args, sc->ref);
                RAISE_ERR(SQLSTATE_UNDEFINED_FUNCTION,
                          err_message("could not identify an ordering operator for type %s", type_format(s->arena, te->expr->type, -1, false)),
                          err_detail("Aggregates with DISTINCT must be able to sort their inputs."), err_position(expr_location(te->expr)));
            }
        }
    }
    if (f && f->agg_filter) {
        ExprKind saved = s->kind;
        s->kind = EK_FILTER;
        a->filter = coerce_to_boolean(s, analyze_expr_inner(s, f->agg_filter), "FILTER");
        s->kind = saved;
    }
    place_aggregate(s, a);
    return &a->expr;
}

/* WITHIN GROUP belongs to ordered-set aggregates, and to them always. */
static void
check_within_group(const FnChoice *c, const char *name, const PgQuery__FuncCall *f, int location)
{
    bool ordered = builtin_agg_direct(c->fn->oid) >= 0, given = f && f->agg_within_group;

    if (ordered && !given)
        RAISE_AT(SQLSTATE_WRONG_OBJECT_TYPE, location, "WITHIN GROUP is required for ordered-set aggregate %s", name);
    if (ordered && f->over)
        RAISE_AT(SQLSTATE_FEATURE_NOT_SUPPORTED, location, "OVER is not supported for ordered-set aggregate %s", name);
    if (!ordered && given)
        RAISE_AT(SQLSTATE_WRONG_OBJECT_TYPE, location, "%s is not an ordered-set aggregate, so it cannot have WITHIN GROUP", name);
}

/* ---- window functions ---- */

static bool
same_window(const PgQuery__WindowDef *x, const PgQuery__WindowDef *y)
{
    size_t n = pg_query__window_def__get_packed_size(x);
    if (x == y)
        return true;
    if (n != pg_query__window_def__get_packed_size(y) || n > 65536)
        return false;
    /* Locations differ between two spellings of the same window: they then become two windows, which is
     * correct, only less shared. */
    uint8_t bx[n + 1], by[n + 1];
    pg_query__window_def__pack(x, bx);
    pg_query__window_def__pack(y, by);
    return memcmp(bx, by, n) == 0;
}

static int
window_ref(Scope *s, const PgQuery__WindowDef *w)
{
    if (w->name[0]) { /* OVER name */
        for (int i = 0; i < s->nwindow_defs; i++)
            if (s->window_defs[i]->name[0] && strcmp(s->window_defs[i]->name, w->name) == 0)
                return i + 1;
        RAISE_AT(SQLSTATE_UNDEFINED_OBJECT, w->location, "window \"%s\" does not exist", w->name);
    }
    for (int i = 0; i < s->nwindow_defs; i++)
        if (same_window(s->window_defs[i], w))
            return i + 1;
    int n = s->nwindow_defs++;
    s->window_defs = arena_realloc(s->arena, s->window_defs, sizeof(void *) * (size_t)n, sizeof(void *) * (size_t)(n + 1));
    s->window_defs[n] = w;
    return n + 1;
}

static Expr *
make_window(Scope *s, const FnChoice *c, Oid ret, List *args, const PgQuery__FuncCall *f, int location)
{
    switch (s->kind) {
    case EK_SELECT_TARGET: case EK_ORDER_BY: case EK_DISTINCT_ON: case EK_NONE: break;
    case EK_WHERE: case EK_HAVING: case EK_GROUP_BY: case EK_LIMIT: case EK_OFFSET: case EK_RETURNING: case EK_VALUES:
    case EK_JOIN_ON: case EK_FILTER: default:
        RAISE_AT(SQLSTATE_WINDOWING_ERROR, location, "window functions are not allowed in %s", kind_name(s->kind));
    }
    if (f->agg_distinct)
        RAISE_AT(SQLSTATE_FEATURE_NOT_SUPPORTED, location, "DISTINCT is not implemented for window functions");
    if (f->n_agg_order)
        RAISE_AT(SQLSTATE_FEATURE_NOT_SUPPORTED, location, "aggregate ORDER BY is not implemented for window functions");
    WindowFunc *w = node_new(s->arena, WindowFunc);
    w->fn = c->fn->oid;
    w->args = args;
    w->star = f->agg_star;
    w->is_agg = c->fn->kind == 'a';
    w->expr.type = ret;
    w->expr.location = location;
    if (f->agg_filter) {
        if (!w->is_agg)
            RAISE_AT(SQLSTATE_FEATURE_NOT_SUPPORTED, location, "FILTER is not implemented for non-aggregate window functions");
        w->filter = coerce_to_boolean(s, analyze_expr(s, f->agg_filter, EK_FILTER), "FILTER");
    }
    w->window_ref = window_ref(s, f->over);
    s->has_windows = true;
    return &w->expr;
}

/* ---- calls ---- */

static void
check_srf_place(Scope *s, int location)
{
    switch (s->kind) {
    case EK_SELECT_TARGET: case EK_FROM_FUNCTION: case EK_GROUP_BY: case EK_ORDER_BY: case EK_DISTINCT_ON: case EK_NONE:
    case EK_INSERT_TARGET: s->has_srfs = true; return;
    case EK_WHERE: case EK_HAVING: case EK_FILTER: case EK_LIMIT: case EK_OFFSET: case EK_RETURNING: case EK_VALUES: case EK_UPDATE_SOURCE:
        RAISE_AT(SQLSTATE_FEATURE_NOT_SUPPORTED, location, "set-returning functions are not allowed in %s", kind_name(s->kind));
    default: RAISE_AT(SQLSTATE_FEATURE_NOT_SUPPORTED, location, "set-returning functions are not allowed in %s", kind_name(s->kind));
    }
}

static void
check_not_agg(const PgQuery__FuncCall *f, const char *name, int location)
{
    if (f == NULL)
        return;
    if (f->agg_star)
        RAISE_AT(SQLSTATE_WRONG_OBJECT_TYPE, location, "%s(*) specified, but %s is not an aggregate function", name, name);
    if (f->agg_distinct)
        RAISE_AT(SQLSTATE_WRONG_OBJECT_TYPE, location, "DISTINCT specified, but %s is not an aggregate function", name);
    if (f->agg_within_group)
        RAISE_AT(SQLSTATE_WRONG_OBJECT_TYPE, location, "WITHIN GROUP specified, but %s is not an aggregate function", name);
    if (f->n_agg_order)
        RAISE_AT(SQLSTATE_WRONG_OBJECT_TYPE, location, "ORDER BY specified, but %s is not an aggregate function", name);
    if (f->agg_filter)
        RAISE_AT(SQLSTATE_WRONG_OBJECT_TYPE, location, "FILTER specified, but %s is not an aggregate function", name);
}

/* Arguments beyond the fixed ones of a variadic call become one array. */
static List *
gather_variadic(Scope *s, const FnChoice *c, List *args, const Oid *declared)
{
    if (c->nvargs == 0 || c->fn->variadic == ANY_OID)
        return args;
    int fixed = c->nargs - c->nvargs;
    List *out = list_new(s->arena);
    for (int i = 0; i < fixed; i++)
        list_push(out, args->items[i]);
    ArrayExpr *ar = node_new(s->arena, ArrayExpr);
    ar->elements = list_new(s->arena);
    ar->element_type = declared[fixed];
    ar->expr.type = type_array_of(declared[fixed]);
    for (int i = fixed; i < args->count; i++)
        list_push(ar->elements, args->items[i]);
    if (ar->element_type && is_polymorphic(ar->element_type))
        ar->element_type = expr_type(args->items[fixed]);
    if (ar->expr.type == 0)
        ar->expr.type = type_array_of(ar->element_type);
    list_push(out, ar);
    return out;
}

/* Types of the defaults that the call leaves to the function, after its own. The tree keeps the call as written. */
static int
types_with_defaults(const FnChoice *c, Oid *types, int n)
{
    for (int i = n; i < c->fn->nargs && c->nvargs == 0; i++)
        types[i] = c->true_args[i];
    return MAX(n, c->nvargs == 0 ? c->fn->nargs : n);
}

/* Per argument its name or NULL; NULL when no argument has one. */
static const char *const *
argument_names(Scope *s, const List *args)
{
    const char **names = ARENA_ARRAY(s->arena, const char *, args->count + 1);
    bool any = false;

    for (int i = 0; i < args->count; i++) {
        const NamedArg *x = args->items[i];
        if (!IS(x, NamedArg)) {
            if (any)
                RAISE_AT(SQLSTATE_SYNTAX_ERROR, expr_location(x), "positional argument cannot follow named argument");
            continue;
        }
        for (int k = 0; k < i; k++)
            if (names[k] != NULL && strcmp(names[k], x->name) == 0)
                RAISE_AT(SQLSTATE_SYNTAX_ERROR, x->expr.location, "argument name \"%s\" used more than once", x->name);
        names[i] = x->name;
        any = true;
    }
    return any ? names : NULL;
}

static Expr *
coerce_argument(Scope *s, Expr *e, Oid from, Oid to)
{
    if (IS(e, NamedArg)) {
        NamedArg *x = (NamedArg *)e;
        x->arg = coerce_argument(s, x->arg, from, to);
        x->expr.type = x->arg->type;
        x->expr.typmod = x->arg->typmod;
        return e;
    }
    return coerce_type(s, e, from, to, -1, COERCE_IMPLICIT, FORM_IMPLICIT_CAST, -1);
}

Expr *
build_func_call(Scope *s, const char *nsp, const char *name, List *args, int location, const PgQuery__FuncCall *f)
{
    Oid types[MAX_FN_ARGS];
    int n = list_count(args);
    if (nsp && nsp_oid(nsp, true) == 0)
        RAISE_AT(SQLSTATE_INVALID_SCHEMA_NAME, location, "schema \"%s\" does not exist", nsp);
    if (n > MAX_FN_ARGS)
        RAISE_AT(SQLSTATE_TOO_MANY_ARGUMENTS, location, "cannot pass more than %d arguments to a function", MAX_FN_ARGS);
    for (int i = 0; i < n; i++)
        types[i] = expr_type(args->items[i]);
    const char *const *names = argument_names(s, args);
    FnChoice c;
    bool plain = f == NULL || (!f->agg_star && !f->agg_distinct && !f->n_agg_order && !f->agg_filter && !f->over && !f->func_variadic);
    FnLookup found = fn_choose(s, nsp, name, plain, types, n, names, !(f && f->func_variadic), &c);
    if (found == FN_COERCION) {
        Oid to = c.coercion_target;
        return coerce_type(s, args->items[0], types[0], to, -1, COERCE_EXPLICIT, FORM_CALL, location);
    }
    if (found == FN_NOTFOUND && plain && nsp == NULL && n == 1 && names == NULL && types[0] != UNKNOWN_OID) {
        Expr *field = find_field(s, args->items[0], name); /* name(row) is row.name */
        if (field)
            return field;
    }
    if (found != FN_NORMAL)
        not_found(s, nsp, name, types, n, names, found == FN_MULTIPLE, f, location);

    int all = types_with_defaults(&c, types, n);
    Oid declared[MAX_FN_ARGS];
    memcpy(declared, c.true_args, sizeof(Oid) * (size_t)all);
    Oid ret = resolve_polymorphic(types, declared, all, c.ret);
    if (ret == 0)
        not_found(s, nsp, name, types, n, names, false, f, location);
    if (is_polymorphic(ret))
        RAISE_AT(SQLSTATE_DATATYPE_MISMATCH, location, "could not determine polymorphic type because input has type %s", "unknown");
    for (int i = 0; i < n; i++) {
        if (declared[i] != types[i] && !(declared[i] == ANY_OID && (types[i] != UNKNOWN_OID || c.nvargs == 0)))
            args->items[i] = coerce_argument(s, args->items[i], types[i], declared[i] == ANY_OID ? TEXT_OID : declared[i]);
        if (names && names[i])
            ((NamedArg *)args->items[i])->number = c.places[i];
    }
    args = gather_variadic(s, &c, args, declared);

    if (c.fn->kind == 'p')
        RAISE_ERR(SQLSTATE_WRONG_OBJECT_TYPE, err_message("%s is a procedure", signature_text(s->arena, name, types, n, names)),
                  err_hint("To call a procedure, use CALL."), err_position(location));
    if (names && (c.fn->kind == 'a' || c.fn->kind == 'w'))
        RAISE_AT(SQLSTATE_FEATURE_NOT_SUPPORTED, location,
                 f && f->over ? "window functions cannot use named arguments" : "aggregates cannot use named arguments");
    if (f && f->over && c.fn->kind == 'a')
        check_within_group(&c, name, f, location);
    if (f && f->over && (c.fn->kind == 'a' || c.fn->kind == 'w'))
        return make_window(s, &c, ret, args, f, location);
    if (c.fn->kind == 'w')
        RAISE_AT(SQLSTATE_WRONG_OBJECT_TYPE, location, "window function %s requires an OVER clause", name);
    if (c.fn->kind == 'a') {
        if (f && f->agg_star && n > 0)
            RAISE_AT(SQLSTATE_WRONG_OBJECT_TYPE, location, "%s(*) must be used to call a parameterless aggregate function", name);
        if (f && !f->agg_star && n == 0 && !f->agg_within_group)
            RAISE_AT(SQLSTATE_WRONG_OBJECT_TYPE, location, "%s(*) must be used to call a parameterless aggregate function", name);
        check_within_group(&c, name, f, location);
        return make_aggregate(s, &c, ret, args, f, location);
    }
    check_not_agg(f, name, location);
    if (f && f->over)
        RAISE_AT(SQLSTATE_WRONG_OBJECT_TYPE, location, "OVER specified, but %s is not a window function nor an aggregate function", name);
    FuncCall *x = node_new(s->arena, FuncCall);
    x->fn = c.fn->oid;
    x->args = args;
    x->variadic = (f && f->func_variadic) || (c.nvargs > 0 && c.fn->variadic != ANY_OID);
    x->form = f && f->funcformat == PG_QUERY__COERCION_FORM__COERCE_SQL_SYNTAX ? FORM_SQL_SYNTAX : FORM_CALL;
    x->returns_set = c.retset;
    x->expr.type = ret;
    x->expr.location = location;
    if (c.retset)
        check_srf_place(s, location);
    return &x->expr;
}

Expr *
analyze_func_call(Scope *s, const PgQuery__FuncCall *f)
{
    const char *nsp, *name;
    split_name(f->funcname, f->n_funcname, &nsp, &name);
    List *args = list_new(s->arena);
    for (size_t i = 0; i < f->n_args; i++)
        list_push(args, analyze_expr_inner(s, f->args[i]));
    for (size_t i = 0; f->agg_within_group && i < f->n_agg_order; i++) /* what is sorted are arguments too */
        list_push(args, analyze_expr_inner(s, f->agg_order[i]->sort_by->node));
    return build_func_call(s, nsp, name, args, f->location, f);
}
