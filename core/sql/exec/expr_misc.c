/*
 * The rest of expressions: casts by way of text, domains, CURRENT_*, identity values, GROUPING().
 */
#include "core/sql/exec/exec_internal.h"

#include "core/types/datetime.h"

/* ---- casts by way of text ---- */

typedef struct ViaIo { const TypeOps *from, *to; FnCtx *out, *in; Oid elem; } ViaIo;

static const Vec *
run_via_io(Prim *p, int n, const uint16_t *sel)
{
    ViaIo *c = p->data;
    const Vec *v = prim_eval(p->args[0], n, sel);
    Vec *out = prim_out(p);
    StrBuf s;

    if (v->is_const) {
        if (vec_null(v, 0))
            return &vec_null_const;
        out->is_const = true;
        n = 1;
        sel = NULL;
    }
    str_init(&s, p->env->arena);
    FOR_ROWS (row, n, sel) {
        if (vec_null(v, row)) {
            vec_set_null(out, row);
            continue;
        }
        str_reset(&s);
        c->from->out(c->out, vec_get(v, row), &s);
        out->v[row] = c->to->in(c->in, s.data, s.len, c->elem, -1);
    }
    return out;
}

static FnCtx *
io_context(ExprEnv *env, Oid arg, Oid ret)
{
    FnCtx *c = ARENA_NEW(env->state, FnCtx);
    Oid *types = ARENA_ARRAY(env->state, Oid, 3);

    types[0] = arg;
    *c = (FnCtx){.arena = env->arena, .state_arena = env->state, .argnull = ARENA_ARRAY(env->state, bool, 3), .nargs = 1,
                 .ret_type = ret, .ret_typmod = -1, .arg_types = types};
    return c;
}

static Prim *
compile_via_io(ExprEnv *env, const CoerceViaIO *e)
{
    Prim *p = prim_new(env, run_via_io, 1);
    ViaIo *c = ARENA_NEW(env->state, ViaIo);
    Oid from = e->arg->type, to = e->expr.type;

    p->args[0] = expr_compile(env, e->arg);
    c->from = type_ops(from);
    c->to = type_ops(to);
    if (c->from == NULL || c->from->out == NULL || c->to == NULL || c->to->in == NULL)
        UNSUPPORTED("cast from type %s to %s is not implemented",
                    type_format(env->state, from, -1, false),
                    type_format(env->state, to, -1, false));
    c->out = io_context(env, from, CSTRING_OID);
    c->in = io_context(env, CSTRING_OID, to);
    c->elem = type_element_of(to);
    p->data = c;
    prim_lanes(p);
    return p;
}

/* ---- domains ---- */

typedef struct DomainCheck { char *name; Prim *check; } DomainCheck;
typedef struct DomainProgram {
    const Vec *value;     /* DomainValue */
    char *name;
    bool not_null;
    int n; DomainCheck *checks;
} DomainProgram;

static const Vec *
run_domain(Prim *p, int n, const uint16_t *sel)
{
    DomainProgram *d = p->data;
    const Vec *v = d->value = prim_eval(p->args[0], n, sel);

    if (d->not_null && v->has_nulls)
        FOR_ROWS (row, n, sel)
            if (vec_null(v, row))
                RAISE_ERR(SQLSTATE_NOT_NULL_VIOLATION,
                          err_message("domain %s does not allow null values", d->name),
                          err_object(NULL, NULL, NULL, d->name, NULL));
    for (int i = 0; i < d->n; i++) {
        const Vec *c = prim_eval(d->checks[i].check, n, sel);
        FOR_ROWS (row, n, sel)
            if (!vec_null(c, row) && !vec_get(c, row))
                RAISE_ERR(SQLSTATE_CHECK_VIOLATION,
                          err_message("value for domain %s violates check constraint \"%s\"",
                                      d->name, d->checks[i].name),
                          err_object(NULL, NULL, NULL, d->name, d->checks[i].name));
    }
    return v;
}

/* Checks of a domain and of those it is based on, from pg_constraint. */
static Prim *
compile_domain(ExprEnv *env, const CoerceToDomain *e)
{
    Prim *p = prim_new(env, run_domain, 1);
    DomainProgram *d = ARENA_NEW(env->state, DomainProgram);
    const Vec **saved = compile_domain_value;
    List *found = list_new(env->state);

    p->args[0] = expr_compile(env, e->arg);
    d->name = type_format(env->state, e->expr.type, -1, false);
    for (const TypeInfo *t = type_info(e->expr.type); t->typtype == 'd'; t = type_info(t->base)) {
        Datum key = oid_datum(t->oid);
        d->not_null |= t->not_null;
        CatScan *scan =
            cat_scan_begin(CAT_PG_CONSTRAINT, IDX_PG_CONSTRAINT_CONTYPID_INDEX, 1, &key);
        for (const CatRow *r; (r = cat_scan_next(scan)) != NULL;) {
            if (cat_null(r, PG_CONSTRAINT_CONBIN) || (char)cat_val(r, PG_CONSTRAINT_CONTYPE) != 'c')
                continue;
            list_push(found, cat_name(env->state, r, PG_CONSTRAINT_CONNAME));
            list_push(found, cat_name(env->state, r, PG_CONSTRAINT_CONBIN));
        }
        cat_scan_end(scan);
    }
    d->n = found->count / 2;
    d->checks = ARENA_ARRAY(env->state, DomainCheck, d->n + 1);
    compile_domain_value = &d->value;
    for (int i = 0; i < d->n; i++) {
        d->checks[i].name = list_at(found, 2 * i);
        d->checks[i].check = expr_compile(env, node_read(env->state, list_at(found, 2 * i + 1)));
    }
    compile_domain_value = saved;
    p->data = d;
    return p;
}

/* ---- CURRENT_DATE and its kin: one value for the batch ---- */

#define FN_CURRENT_USER 745u
#define FN_SESSION_USER 746u
#define FN_CURRENT_DATABASE 861u
#define FN_CURRENT_SCHEMA 1402u
#define FN_NEXTVAL 1574u

static const Vec *
run_sql_value(Prim *p, int n, const uint16_t *sel)
{
    Vec *out = prim_out(p);
    FnCtx *c = p->ctx;
    int32_t typmod = c->ret_typmod;
    Datum d;

    out->is_const = true;
    switch ((SqlValueOp)p->i) {
    case SQLVALUE_CURRENT_DATE: d = sqlvalue_current_date(c); break;
    case SQLVALUE_CURRENT_TIME:
    case SQLVALUE_CURRENT_TIME_N: d = sqlvalue_current_time(c, typmod); break;
    case SQLVALUE_CURRENT_TIMESTAMP:
    case SQLVALUE_CURRENT_TIMESTAMP_N: d = sqlvalue_current_timestamp(c, typmod); break;
    case SQLVALUE_LOCALTIME:
    case SQLVALUE_LOCALTIME_N: d = sqlvalue_localtime(c, typmod); break;
    default: d = sqlvalue_localtimestamp(c, typmod); break;
    }
    out->v[0] = d;
    return out;
}

static Prim *
compile_sql_value(ExprEnv *env, const SqlValue *e)
{
    Oid fn = 0;

    switch ((SqlValueOp)e->op) {
    case SQLVALUE_CURRENT_ROLE:
    case SQLVALUE_CURRENT_USER:
    case SQLVALUE_USER: fn = FN_CURRENT_USER; break;
    case SQLVALUE_SESSION_USER: fn = FN_SESSION_USER; break;
    case SQLVALUE_CURRENT_CATALOG: fn = FN_CURRENT_DATABASE; break;
    case SQLVALUE_CURRENT_SCHEMA: fn = FN_CURRENT_SCHEMA; break;
    default: break;
    }
    if (fn)
        return compile_call(env, fn, 0, NULL, NAME_OID, -1, false);
    Prim *p = prim_new(env, run_sql_value, 0);
    p->i = e->op;
    p->ctx = io_context(env, 0, e->expr.type);
    p->ctx->nargs = 0;
    p->ctx->ret_typmod = e->expr.typmod;
    prim_lanes(p);
    return p;
}

static Prim *
compile_next_value(ExprEnv *env, const NextValue *e)
{
    Prim *arg = prim_new(env, NULL, 0);
    Oid type = REGCLASS_OID;

    arg->fixed = vec_const(env->state, oid_datum(e->sequence), false);
    return compile_call_prims(env, FN_NEXTVAL, 0, &arg, &type, 1, INT8_OID, -1, false);
}

/* ---- GROUPING() ---- */

static const Vec *
run_grouping(Prim *p, int n, const uint16_t *sel)
{
    const int *keys = p->data; /* positions among the grouping keys, by argument */
    int64_t v = 0;
    Vec *out = prim_out(p);

    for (int i = 0; i < p->i; i++)
        v = v << 1 | (p->env->grouping && keys[i] >= 0 && !p->env->grouping[keys[i]]);
    out->is_const = true;
    out->v[0] = int64_datum(v);
    return out;
}

static Prim *
compile_grouping(ExprEnv *env, const GroupingFunc *g)
{
    Prim *p = prim_new(env, run_grouping, 0);
    int *keys = ARENA_ARRAY(env->state, int, list_count(g->args) + 1);

    p->i = list_count(g->args);
    for (int i = 0; i < p->i; i++) {
        const Var *v = list_at(g->args, i);
        keys[i] = -1;
        if (g->refs && i < g->refs->count && !IS(v, Var))
            keys[i] = (int)g->refs->items[i];
        for (int k = 0; IS(v, Var) && k < list_count(env->group_keys); k++)
            if (((const SortKey *)list_at(env->group_keys, k))->column == v->attno)
                keys[i] = k;
    }
    p->data = keys;
    prim_lanes(p);
    return p;
}

Prim *
compile_misc(ExprEnv *env, const Expr *e)
{
    switch ((int)e->tag) {
    case TAG_CoerceViaIO:
        return compile_via_io(env, (const CoerceViaIO *)e);
    case TAG_CoerceToDomain:
        return compile_domain(env, (const CoerceToDomain *)e);
    case TAG_SqlValue:
        return compile_sql_value(env, (const SqlValue *)e);
    case TAG_NextValue:
        return compile_next_value(env, (const NextValue *)e);
    case TAG_GroupingFunc:
        return compile_grouping(env, (const GroupingFunc *)e);
    case TAG_CurrentOf:
        UNSUPPORTED("WHERE CURRENT OF is not supported for this table type");
    case TAG_SetToDefault:
        RAISE(SQLSTATE_SYNTAX_ERROR, "DEFAULT is not allowed in this context");
    default:
        INTERNAL_ERROR("unrecognized expression type: %d", (int)e->tag);
    }
}
