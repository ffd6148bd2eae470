/*
 * Type coercion: which casts may be applied where, and building them. Follows PostgreSQL's documented
 * rules for value storage, UNION/CASE resolution and polymorphic types.
 */
#include "core/sql/analyze/analyze_internal.h"

bool
is_polymorphic(Oid t)
{
    switch (t) {
    case ANYELEMENT_OID: case ANYARRAY_OID: case ANYNONARRAY_OID: case ANYENUM_OID: case ANYRANGE_OID:
    case ANYMULTIRANGE_OID: case ANYCOMPATIBLE_OID: case ANYCOMPATIBLEARRAY_OID: case ANYCOMPATIBLENONARRAY_OID:
    case ANYCOMPATIBLERANGE_OID: case ANYCOMPATIBLEMULTIRANGE_OID: return true;
    default: return false;
    }
}

static bool
is_composite(Oid t)
{
    return t == RECORD_OID || type_info(t)->typtype == 'c';
}

static bool
is_row_array(Oid t)
{
    Oid elem = type_element_of(type_base(t, NULL));

    return elem != 0 && is_composite(elem);
}

bool
is_binary_coercible(Oid from, Oid to)
{
    if (from == to || to == ANY_OID || to == ANYELEMENT_OID || to == ANYCOMPATIBLE_OID)
        return true;
    from = type_base(from, NULL);
    if (from == to)
        return true;
    if (to == ANYARRAY_OID || to == ANYCOMPATIBLEARRAY_OID)
        return type_element_of(from) != 0;
    if (to == ANYNONARRAY_OID || to == ANYCOMPATIBLENONARRAY_OID)
        return type_element_of(from) == 0;
    if (to == ANYENUM_OID)
        return type_info(from)->typtype == 'e';
    if (to == RECORD_OID && is_composite(from))
        return true;
    const CastInfo *c = cast_lookup(from, to);
    return c != NULL && c->method == 'b' && c->context == 'i';
}

typedef enum Path { PATH_NONE, PATH_FUNC, PATH_RELABEL, PATH_ARRAY, PATH_IO } Path;

static Path
find_path(Oid to, Oid from, Coercion ctx, Oid *fn)
{
    *fn = 0;
    from = type_base(from, NULL);
    to = type_base(to, NULL);
    if (from == to)
        return PATH_RELABEL;
    const CastInfo *c = cast_lookup(from, to);
    if (c != NULL) {
        Coercion allowed = c->context == 'i' ? COERCE_IMPLICIT : c->context == 'a' ? COERCE_ASSIGNMENT : COERCE_EXPLICIT;
        if (ctx < allowed)
            return PATH_NONE;
        *fn = c->fn;
        return c->method == 'f' ? PATH_FUNC : c->method == 'i' ? PATH_IO : PATH_RELABEL;
    }
    if (to != OIDVECTOR_OID && to != INT2VECTOR_OID) {
        Oid to_elem = type_element_of(to), from_elem = type_element_of(from);
        if (to_elem && from_elem) {
            Path p = find_path(to_elem, from_elem, ctx, fn);
            if (p != PATH_NONE)
                return p == PATH_RELABEL ? PATH_RELABEL : PATH_ARRAY;
        }
    }
    if (ctx >= COERCE_ASSIGNMENT && type_info(to)->category == 'S')
        return PATH_IO;
    if (ctx >= COERCE_EXPLICIT && type_info(from)->category == 'S')
        return PATH_IO;
    return PATH_NONE;
}

bool
can_coerce(const Oid *from, const Oid *to, int n, Coercion ctx)
{
    bool poly = false;
    for (int i = 0; i < n; i++) {
        Oid f = from[i], t = to[i];
        Oid fn;
        if (f == t || t == ANY_OID)
            continue;
        if (is_polymorphic(t)) {
            poly = true;
            continue;
        }
        if (f == UNKNOWN_OID)
            continue;
        if (find_path(t, f, ctx, &fn) != PATH_NONE)
            continue;
        if (f == RECORD_OID && is_composite(type_base(t, NULL)))
            continue;
        if (t == RECORD_OID && is_composite(f))
            continue;
        if (t == RECORD_ARRAY_OID && is_row_array(f))
            continue;
        return false;
    }
    if (poly) {
        Oid declared[MAX_FN_ARGS];
        memcpy(declared, to, sizeof(Oid) * (size_t)n);
        if (!resolve_polymorphic(from, declared, n, 0))
            return false;
    }
    return true;
}

/*
 * Resolves polymorphic declared types in place by the actual ones. ret: declared result, returns the
 * actual result type; ret == 0 only checks and returns non-zero on success.
 */
Oid
resolve_polymorphic(const Oid *actual, Oid *declared, int n, Oid ret)
{
    Oid elem = 0, array = 0, celem = 0;
    bool any_unknown = false, have_poly = false, have_nonarray = false, have_enum = false, have_compat = false;

    for (int i = 0; i < n; i++) {
        Oid d = declared[i], t = actual[i];
        if (!is_polymorphic(d))
            continue;
        if (d == ANYRANGE_OID || d == ANYMULTIRANGE_OID || d == ANYCOMPATIBLERANGE_OID || d == ANYCOMPATIBLEMULTIRANGE_OID)
            return 0;
        if (t == UNKNOWN_OID) {
            any_unknown = true;
            have_poly = true;
            have_compat |= d == ANYCOMPATIBLE_OID || d == ANYCOMPATIBLEARRAY_OID || d == ANYCOMPATIBLENONARRAY_OID;
            continue;
        }
        have_poly = true;
        switch (d) {
        case ANYNONARRAY_OID: case ANYENUM_OID: case ANYELEMENT_OID:
            have_nonarray |= d == ANYNONARRAY_OID;
            have_enum |= d == ANYENUM_OID;
            if (elem && elem != t)
                return 0;
            elem = t;
            break;
        case ANYARRAY_OID:
            t = type_base(t, NULL);
            if (array && array != t)
                return 0;
            if (t != ANYARRAY_OID && !type_element_of(t))
                return 0;
            array = t;
            break;
        case ANYCOMPATIBLE_OID: case ANYCOMPATIBLENONARRAY_OID: case ANYCOMPATIBLEARRAY_OID: {
            have_compat = true;
            Oid e = t;
            if (d == ANYCOMPATIBLEARRAY_OID) {
                e = type_element_of(type_base(t, NULL));
                if (!e)
                    return 0;
            }
            if (!celem || celem == e)
                celem = e;
            else {
                const TypeInfo *x = type_info(celem), *y = type_info(e);
                if (x->category != y->category)
                    return 0;
                if (!x->preferred && can_coerce(&celem, &e, 1, COERCE_IMPLICIT) && !can_coerce(&e, &celem, 1, COERCE_IMPLICIT))
                    celem = e;
            }
            break;
        }
        default: break;
        }
    }
    if (!have_poly)
        return ret ? ret : 1;
    if (array) {
        Oid e = array == ANYARRAY_OID ? ANYELEMENT_OID : type_element_of(array);
        if (elem && elem != e)
            return 0;
        elem = e;
    }
    if (have_compat && !celem)
        celem = TEXT_OID;
    if (!elem && any_unknown && !have_compat)
        elem = TEXT_OID;
    if (elem) {
        if (have_nonarray && type_element_of(elem))
            return 0;
        if (have_enum && type_info(elem)->typtype != 'e')
            return 0;
        if (!array)
            array = type_array_of(elem);
    }
    for (int i = 0; i < n; i++) {
        switch (declared[i]) {
        case ANYELEMENT_OID: case ANYNONARRAY_OID: case ANYENUM_OID: declared[i] = elem ? elem : TEXT_OID; break;
        case ANYARRAY_OID: declared[i] = array ? array : TEXT_ARRAY_OID; break;
        case ANYCOMPATIBLE_OID: case ANYCOMPATIBLENONARRAY_OID: declared[i] = celem; break;
        case ANYCOMPATIBLEARRAY_OID: declared[i] = type_array_of(celem); break;
        default: break;
        }
    }
    switch (ret) {
    case 0: return 1;
    case ANYELEMENT_OID: case ANYNONARRAY_OID: case ANYENUM_OID: return elem;
    case ANYARRAY_OID: return array;
    case ANYCOMPATIBLE_OID: case ANYCOMPATIBLENONARRAY_OID: return celem;
    case ANYCOMPATIBLEARRAY_OID: return type_array_of(celem);
    default: return ret;
    }
}

/* ---- building casts ---- */

static Expr *
literal_to_type(Scope *s, Const *c, Oid to, int32_t typmod, int form, int location)
{
    int32_t base_mod = typmod;
    Oid base = type_base(to, &base_mod);
    const TypeInfo *ti = type_info(base);
    Datum v = 0;
    if (!c->isnull) {
        if (ti->ops == NULL || ti->ops->in == NULL)
            RAISE_AT(SQLSTATE_FEATURE_NOT_SUPPORTED, location, "type %s is not supported", type_format(s->arena, to, -1, false));
        FnCtx fc = {.arena = s->arena, .state_arena = s->arena, .ret_type = base, .ret_typmod = base_mod, .collation = ti->collation};
        bool argnull[3] = {false};
        fc.argnull = argnull;
        char *text = var_to_cstring(s->arena, c->value);
        ERR_TRY
        {
            /* Typmods other than an interval's are applied by the length coercion, which an explicit cast may
             * round or cut; input gets -1 as in PostgreSQL's rule for string literals. */
            v = ti->ops->in(&fc, text, strlen(text), ti->elem, base == INTERVAL_OID ? base_mod : -1);
        }
        ERR_CATCH
        {
            ErrReport *r = err_copy(s->arena, err_current());
            if (r->position < 0)
                r->position = c->expr.location;
            err_clear();
            err_throw_report(r);
        }
        ERR_END;
    }
    Expr *e = make_const(s->arena, base, -1, ti->collation, v, c->isnull, c->expr.location);
    if (base == INTERVAL_OID)
        e->typmod = base_mod;
    if (base != to) {
        CoerceToDomain *d = node_new(s->arena, CoerceToDomain);
        d->expr.type = to;
        d->expr.typmod = typmod;
        d->expr.location = location;
        d->form = form;
        d->arg = e;
        return &d->expr;
    }
    return e;
}

static Expr *
param_to_type(Scope *s, Param *p, Oid to, int location)
{
    ParamTypes *pt = s->params;
    if (pt == NULL || p->kind != PARAM_EXTERN || p->expr.type != UNKNOWN_OID)
        return NULL;
    if (p->id > pt->count || !pt->variable)
        return NULL;
    Oid *slot = &pt->types[p->id - 1];
    if (*slot == 0 || *slot == UNKNOWN_OID)
        *slot = to;
    else if (*slot != to)
        RAISE_ERR(SQLSTATE_AMBIGUOUS_PARAMETER, err_message("inconsistent types deduced for parameter $%d", p->id),
                  err_detail("%s versus %s", type_format(s->arena, *slot, -1, false), type_format(s->arena, to, -1, false)),
                  err_position(p->expr.location));
    p->expr.type = to;
    p->expr.typmod = -1;
    p->expr.collation = type_info(to)->collation;
    (void)location;
    return &p->expr;
}

static Expr *
relabel(Scope *s, Expr *e, Oid to, int32_t typmod, int form, int location)
{
    Relabel *r = node_new(s->arena, Relabel);
    r->expr.type = to;
    r->expr.typmod = typmod;
    r->expr.collation = e->collation;
    r->expr.location = location;
    r->arg = e;
    r->form = form;
    return &r->expr;
}

static Expr *
cast_call(Scope *s, Oid fn, Expr *arg, Oid to, int32_t typmod, Coercion ctx, int form, int location)
{
    const FnInfo *f = fn_info(fn);
    FuncCall *c = node_new(s->arena, FuncCall);
    c->fn = fn;
    c->form = form;
    c->expr.type = to;
    c->expr.location = location;
    c->args = list_new(s->arena);
    list_push(c->args, arg);
    if (f->nargs > 1)
        list_push(c->args, make_const(s->arena, INT4_OID, -1, 0, int32_datum(typmod), false, -1));
    if (f->nargs > 2)
        list_push(c->args, make_const(s->arena, BOOL_OID, -1, 0, bool_datum(ctx == COERCE_EXPLICIT), false, -1));
    return &c->expr;
}

/* Element-wise cast of an array. */
static Expr *
array_cast(Scope *s, Expr *e, Oid to, int32_t typmod, Coercion ctx, int form, int location)
{
    Oid from_elem = type_element_of(type_base(e->type, NULL)), to_elem = type_element_of(to);
    CaseTest *t = node_new(s->arena, CaseTest);
    t->expr.type = from_elem;
    t->expr.typmod = e->typmod;
    t->expr.collation = type_info(from_elem)->collation;
    ArrayCoerce *c = node_new(s->arena, ArrayCoerce);
    c->arg = e;
    c->element = coerce_to_target(s, &t->expr, to_elem, typmod, ctx, form, location);
    c->form = form;
    c->expr.type = to;
    c->expr.typmod = typmod;
    c->expr.location = location;
    return &c->expr;
}

/* One cast was written where two are made: the inner one is not shown again. */
static void
hide_cast(Expr *e)
{
    switch ((int)e->tag) {
    case TAG_FuncCall: ((FuncCall *)e)->form = FORM_IMPLICIT_CAST; break;
    case TAG_Relabel: ((Relabel *)e)->form = FORM_IMPLICIT_CAST; break;
    case TAG_CoerceViaIO: ((CoerceViaIO *)e)->form = FORM_IMPLICIT_CAST; break;
    case TAG_ArrayCoerce: ((ArrayCoerce *)e)->form = FORM_IMPLICIT_CAST; break;
    default: break;
    }
}

Expr *
coerce_type(Scope *s, Expr *e, Oid from, Oid to, int32_t typmod, Coercion ctx, int form, int location)
{
    if (from == to)
        return e;
    if (to == ANY_OID || to == ANYELEMENT_OID || to == ANYNONARRAY_OID || to == ANYCOMPATIBLE_OID || to == ANYCOMPATIBLENONARRAY_OID)
        return e;
    if (to == ANYARRAY_OID || to == ANYENUM_OID || to == ANYCOMPATIBLEARRAY_OID)
        return e;
    if (from == UNKNOWN_OID && IS(e, Const))
        return literal_to_type(s, (Const *)e, to, typmod, form, location);
    if (IS(e, Param)) {
        Expr *p = param_to_type(s, (Param *)e, to, location);
        if (p != NULL && type_info(to)->typtype == 'd') { /* its value is read as the base type's: not checked yet */
            CoerceToDomain *d = node_new(s->arena, CoerceToDomain);
            d->arg = relabel(s, p, type_base(to, NULL), -1, FORM_IMPLICIT_CAST, location);
            d->form = FORM_IMPLICIT_CAST;
            d->expr.type = to;
            d->expr.typmod = typmod;
            d->expr.collation = type_info(to)->collation;
            d->expr.location = location;
            return &d->expr;
        }
        if (p != NULL)
            return p;
    }
    if (IS(e, CollateExpr)) {
        CollateExpr *c = (CollateExpr *)e;
        CollateExpr *n = node_new(s->arena, CollateExpr);
        n->arg = coerce_type(s, c->arg, from, to, typmod, ctx, form, location);
        n->expr = c->expr;
        n->expr.type = n->arg->type;
        return &n->expr;
    }
    if (from == UNKNOWN_OID && IS(e, FieldSelect)) /* of ROW('x'): no literal any more, and no type either */
        INTERNAL_ERROR("failed to find conversion function from unknown to %s", type_format(s->arena, to, -1, false));
    if (from == UNKNOWN_OID) {
        CoerceViaIO *io = node_new(s->arena, CoerceViaIO);
        io->arg = e;
        io->form = form;
        io->expr.type = to;
        io->expr.location = location;
        io->expr.collation = type_info(to)->collation;
        return &io->expr;
    }
    Oid fn;
    Path path = find_path(to, from, ctx, &fn);
    int32_t base_mod = typmod;
    Oid base = type_base(to, &base_mod);
    Expr *out = NULL;
    switch (path) {
    case PATH_FUNC: out = cast_call(s, fn, e, base, base_mod, ctx, form, location); break;
    case PATH_IO: {
        CoerceViaIO *io = node_new(s->arena, CoerceViaIO);
        io->arg = e;
        io->form = form;
        io->expr.type = base;
        io->expr.location = location;
        io->expr.collation = type_info(base)->collation;
        out = &io->expr;
        break;
    }
    case PATH_ARRAY: out = array_cast(s, e, base, base_mod, ctx, form, location); break;
    case PATH_RELABEL: {
        if (type_base(from, NULL) == base && base == to) {
            out = from == to ? e : relabel(s, e, to, -1, form, location);
            break;
        }
        if (from == base) {
            out = e;
            break;
        }
        out = relabel(s, e, base, type_base(from, NULL) == base ? e->typmod : -1, form, location);
        break;
    }
    case PATH_NONE: break;
    }
    if (out == NULL && from == RECORD_OID && is_composite(base))
        out = coerce_row(s, e, base, ctx, base == to ? form : FORM_IMPLICIT_CAST, location);
    if (out == NULL) {
        if (to == RECORD_OID && is_composite(from))
            return e; /* a row is a record as it is */
        if (to == RECORD_ARRAY_OID && is_row_array(from))
            return e;
        INTERNAL_ERROR("failed to find conversion function from %s to %s", type_format(s->arena, from, -1, false),
                       type_format(s->arena, to, -1, false));
    }
    if (out->collation == 0 && type_info(out->type)->collation != 0)
        out->collation = type_info(out->type)->collation;
    if (base != to) {
        CoerceToDomain *d = node_new(s->arena, CoerceToDomain);
        if (out != e)
            hide_cast(out);
        d->arg = out;
        d->form = form;
        d->expr.type = to;
        d->expr.typmod = typmod;
        d->expr.collation = out->collation;
        d->expr.location = location;
        out = &d->expr;
    }
    return out;
}

static bool
carries_typmod(const Expr *e, Oid type, int32_t typmod)
{
    return e->type == type && e->typmod == typmod;
}

/* The length coercion of a type: its cast to itself. */
static Expr *
apply_typmod(Scope *s, Expr *e, Oid to, int32_t typmod, Coercion ctx, int form, int location)
{
    int32_t base_mod = typmod;
    Oid base = type_base(to, &base_mod);
    if (base_mod < 0 || carries_typmod(e, to, typmod))
        return e;
    const CastInfo *c = cast_lookup(base, base);
    if (c != NULL && c->fn) {
        Expr *out = cast_call(s, c->fn, e, base, base_mod, ctx, form, location);
        out->typmod = base_mod;
        out->collation = e->collation;
        return out;
    }
    Oid elem = type_element_of(base);
    if (elem && (c = cast_lookup(elem, elem)) != NULL && c->fn && ((Expr *)e)->typmod != base_mod)
        return array_cast(s, e, base, base_mod, ctx, form, location);
    return e;
}

Expr *
coerce_to_target(Scope *s, Expr *e, Oid to, int32_t typmod, Coercion ctx, int form, int location)
{
    Oid from = e->type;
    if (!can_coerce(&from, &to, 1, ctx))
        return NULL;
    CollateExpr *collate = NULL;
    if (IS(e, CollateExpr)) { /* keep COLLATE outermost */
        collate = (CollateExpr *)e;
        e = collate->arg;
        from = e->type;
    }
    Expr *out = coerce_type(s, e, from, to, typmod, ctx, form, location);
    if (!IS(out, CoerceToDomain)) {
        Expr *typed = apply_typmod(s, out, to, typmod, ctx, form, location);
        if (typed != out && out != e)
            hide_cast(out);
        out = typed;
    }
    if (collate != NULL && type_info(to)->collation != 0) {
        CollateExpr *n = node_new(s->arena, CollateExpr);
        n->expr = collate->expr;
        n->expr.type = out->type;
        n->expr.typmod = out->typmod;
        n->arg = out;
        out = &n->expr;
    }
    return out;
}

/* ---- common types ---- */

Oid
select_common_type(Scope *s, const List *exprs, const char *context, Expr **which)
{
    Expr *pick = list_at(exprs, 0);
    Oid ptype = type_base(pick->type, NULL);
    bool all_same = true;

    if (pick->type != UNKNOWN_OID) {
        for (int i = 1; i < exprs->count; i++)
            all_same &= ((Expr *)exprs->items[i])->type == pick->type;
        if (all_same) {
            if (which)
                *which = pick;
            return pick->type;
        }
    }
    for (int i = 1; i < exprs->count; i++) {
        Expr *e = exprs->items[i];
        Oid n = type_base(e->type, NULL);
        if (n == UNKNOWN_OID || n == ptype)
            continue;
        if (ptype == UNKNOWN_OID) {
            pick = e;
            ptype = n;
            continue;
        }
        const TypeInfo *p = type_info(ptype), *q = type_info(n);
        if (p->category != q->category) {
            if (context == NULL)
                return 0;
            RAISE_AT(SQLSTATE_DATATYPE_MISMATCH, expr_location(e), "%s types %s and %s cannot be matched", context,
                     type_format(s->arena, ptype, -1, false), type_format(s->arena, n, -1, false));
        }
        if (!p->preferred && can_coerce(&ptype, &n, 1, COERCE_IMPLICIT) && !can_coerce(&n, &ptype, 1, COERCE_IMPLICIT)) {
            pick = e;
            ptype = n;
        }
    }
    if (ptype == UNKNOWN_OID)
        ptype = TEXT_OID;
    if (which)
        *which = pick;
    return ptype;
}

int32_t
select_common_typmod(const List *exprs, Oid type)
{
    int32_t mod = -1;
    for (int i = 0; i < list_count(exprs); i++) {
        const Expr *e = exprs->items[i];
        if (e->type != type)
            return -1;
        if (i == 0)
            mod = e->typmod;
        else if (mod != e->typmod)
            return -1;
    }
    return mod;
}

Expr *
coerce_to_common(Scope *s, Expr *e, Oid to, const char *context)
{
    if (e->type == to)
        return e;
    if (!can_coerce(&e->type, &to, 1, COERCE_IMPLICIT))
        RAISE_AT(SQLSTATE_CANNOT_COERCE, expr_location(e), "%s could not convert type %s to %s", context,
                 type_format(s->arena, e->type, -1, false), type_format(s->arena, to, -1, false));
    return coerce_type(s, e, e->type, to, -1, COERCE_IMPLICIT, FORM_IMPLICIT_CAST, -1);
}

static bool
returns_set(void *n, void *arg)
{
    if ((IS(n, FuncCall) && ((FuncCall *)n)->returns_set) || (IS(n, OpCall) && ((OpCall *)n)->returns_set))
        return true;
    return node_walk_children(n, returns_set, arg, false);
}

Expr *
coerce_to_boolean(Scope *s, Expr *e, const char *what)
{
    Expr *n = e->type == BOOL_OID ? e : coerce_to_target(s, e, BOOL_OID, -1, COERCE_ASSIGNMENT, FORM_IMPLICIT_CAST, -1);
    if (n != NULL && returns_set(n, NULL))
        RAISE_AT(SQLSTATE_DATATYPE_MISMATCH, expr_location(e), "argument of %s must not return a set", what);
    if (n == NULL)
        RAISE_AT(SQLSTATE_DATATYPE_MISMATCH, expr_location(e), "argument of %s must be type %s, not type %s", what, "boolean",
                 type_format(s->arena, e->type, -1, false));
    return n;
}
