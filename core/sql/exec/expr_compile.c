/*
 * Expressions to programs. A program is a tree of primitives; each evaluates its arguments for a
 * selection of rows and then itself, one call per primitive and batch. Laziness (AND, OR, CASE,
 * COALESCE) is narrowing the selection before an argument is evaluated, which is why the program keeps
 * the expression's shape: what is not selected is never computed and cannot raise.
 *
 * This file: constants, variables, parameters, and what all primitives share.
 */
#include "core/sql/exec/exec_internal.h"

#include "core/base/stack.h"

static Datum null_lane[1], true_lane[1] = {1}, false_lane[1] = {0};
static uint64_t null_bits[BATCH_ROWS / 64] = {1}, no_bits[BATCH_ROWS / 64];
const Vec vec_null_const = {
    .v = null_lane, .nulls = null_bits, .has_nulls = true, .is_const = true};
const Vec vec_true_const = {.v = true_lane, .nulls = no_bits, .is_const = true};
const Vec vec_false_const = {.v = false_lane, .nulls = no_bits, .is_const = true};

const Vec **compile_case_value, **compile_domain_value;

/* ---- shared by all primitives ---- */

Prim *
prim_new(ExprEnv *env, PrimFn fn, int nargs)
{
    Prim *p = ARENA_NEW(env->state, Prim);

    p->fn = fn;
    p->env = env;
    p->nargs = nargs;
    if (nargs > 0) {
        p->args = ARENA_ARRAY(env->state, Prim *, nargs);
        p->argv = ARENA_ARRAY(env->state, const Vec *, nargs);
    }
    return p;
}

void
env_vec(ExprEnv *env, Vec *v)
{
    v->v = arena_alloc_aligned(env->state, (size_t)env->lanes * sizeof(Datum), CACHE_LINE);
    v->nulls = arena_alloc_aligned(env->state, BATCH_ROWS / 8, CACHE_LINE);
    v->has_nulls = v->is_const = false;
}

void
prim_lanes(Prim *p)
{
    if (p->out.v == NULL)
        env_vec(p->env, &p->out);
}

uint16_t *
env_rows(ExprEnv *env)
{
    return arena_alloc(env->state, (size_t)env->lanes * sizeof(uint16_t));
}

const Vec *
vec_const(Arena *a, Datum d, bool isnull)
{
    if (isnull)
        return &vec_null_const;
    Vec *v = ARENA_NEW(a, Vec);
    v->v = arena_alloc(a, sizeof(Datum));
    v->v[0] = d;
    v->nulls = no_bits;
    v->is_const = true;
    return v;
}

void
vec_copy_rows(Vec *to, const Vec *from, int n, const uint16_t *sel)
{
    if (!from->has_nulls) {
        if (from->is_const) {
            FOR_ROWS (row, n, sel)
                to->v[row] = from->v[0];
        } else {
            FOR_ROWS (row, n, sel)
                to->v[row] = from->v[row];
        }
        return;
    }
    FOR_ROWS (row, n, sel) {
        if (vec_null(from, row))
            vec_set_null(to, row);
        else
            to->v[row] = vec_get(from, row);
    }
}

int
rows_subtract(uint16_t *a, int n, const uint16_t *b, int m)
{
    int k = 0, j = 0;

    for (int i = 0; i < n; i++) {
        if (j < m && a[i] == b[j])
            j++;
        else
            a[k++] = a[i];
    }
    return k;
}

int
prim_filter(Prim *p, int n, const uint16_t *sel, uint16_t *out)
{
    if (n == 0)
        return 0;
    if (p->filter)
        return p->filter(p, n, sel, out);
    const Vec *v = prim_eval(p, n, sel);
    if (v->is_const) {
        if (vec_null(v, 0) || v->v[0] == 0)
            return 0;
        rows_all(out, n, sel);
        return n;
    }
    int k = 0;
    if (!v->has_nulls) {
        FOR_ROWS (row, n, sel) {
            out[k] = (uint16_t)row;
            k += v->v[row] != 0;
        }
    } else {
        FOR_ROWS (row, n, sel) {
            out[k] = (uint16_t)row;
            k += !vec_null(v, row) && v->v[row] != 0;
        }
    }
    return k;
}

Datum
prim_value(Prim *p, bool *isnull)
{
    const Vec *v = prim_eval(p, 1, NULL);

    *isnull = vec_null(v, 0);
    return *isnull ? 0 : v->v[0];
}

static const Vec *
run_alias(Prim *p, int n, const uint16_t *sel)
{
    return *(const Vec **)p->data;
}

Prim *
prim_alias(ExprEnv *env, const Vec **src)
{
    Prim *p = prim_new(env, run_alias, 0);

    p->data = src;
    return p;
}

Prim *
compile_case_test(ExprEnv *env)
{
    if (compile_case_value == NULL)
        INTERNAL_ERROR("CaseTest outside of a CASE");
    return prim_alias(env, compile_case_value);
}

/* ---- variables ---- */

static const Vec *
run_var_scan(Prim *p, int n, const uint16_t *sel)
{
    return &p->env->in[ENV_SCAN]->cols[p->i];
}

static const Vec *
run_var_outer(Prim *p, int n, const uint16_t *sel)
{
    return &p->env->in[ENV_OUTER]->cols[p->i];
}

static const Vec *
run_var_inner(Prim *p, int n, const uint16_t *sel)
{
    return &p->env->in[ENV_INNER]->cols[p->i];
}

static const Vec *
run_var_heap(Prim *p, int n, const uint16_t *sel)
{
    ScanColumns *s = p->env->scan;
    int slot = p->i;

    if (s->seen[slot] != s->batch) {
        tuple_gather(s->heap, s->tuples, s->n, s->sel, slot - SCAN_SYSTEM, s->arena,
                     &s->cols[slot]);
        s->seen[slot] = s->batch;
    }
    return &s->cols[slot];
}

typedef struct WholeRow {
    Oid type;
    int n;
    Oid *types;
    Prim **cols;
    Datum *values;
    bool *nulls;
} WholeRow;

static const Vec *
run_whole_row(Prim *p, int n, const uint16_t *sel)
{
    WholeRow *w = p->data;
    Vec *out = prim_out(p);

    for (int c = 0; c < w->n; c++)
        p->argv[c] = prim_eval(w->cols[c], n, sel);
    FOR_ROWS (row, n, sel) {
        for (int c = 0; c < w->n; c++) {
            w->nulls[c] = vec_null(p->argv[c], row);
            w->values[c] = w->nulls[c] ? 0 : vec_get(p->argv[c], row);
        }
        out->v[row] = record_make(p->env->arena, w->type, w->n, w->types, w->values, w->nulls);
    }
    return out;
}

static Prim *
compile_whole_row(ExprEnv *env, const Var *v)
{
    RelDesc *rel = env->rel;
    const Plan *child = NULL;
    int n;

    if (v->rel == VAR_OUTER && env->node && env->node->plan->left)
        child = env->node->plan->left;
    else if (v->rel == VAR_INNER && env->node && env->node->plan->right)
        child = env->node->plan->right;
    if (child == NULL && rel == NULL) {
        if (env->node && (int)env->node->plan->tag == PLAN_SUBQUERY_SCAN)
            child = ((const SubqueryScanPlan *)env->node->plan)->subplan;
        else if (env->node && v->rel == VAR_SCAN) {
            /* Other scans: the range table names their columns. */
            const RangeEntry *re =
                list_at(env->x->p->range_table, ((const ScanPlan *)env->node->plan)->rel - 1);
            n = ints_count(re->col_types);
            Prim *p = prim_new(env, run_whole_row, n);
            WholeRow *w = ARENA_NEW(env->state, WholeRow);
            *w = (WholeRow){.type = v->expr.type,
                            .n = n,
                            .types = ARENA_ARRAY(env->state, Oid, n + 1),
                            .cols = p->args,
                            .values = ARENA_ARRAY(env->state, Datum, n + 1),
                            .nulls = ARENA_ARRAY(env->state, bool, n + 1)};
            for (int i = 0; i < n; i++) {
                w->types[i] = (Oid)re->col_types->items[i];
                p->args[i] = prim_new(env, run_var_scan, 0);
                p->args[i]->i = i;
            }
            p->data = w;
            prim_lanes(p);
            return p;
        } else {
            UNSUPPORTED("whole-row reference is not supported here");
        }
    }
    n = child ? list_count(child->targets) : rel->natts;
    Prim *p = prim_new(env, run_whole_row, n);
    WholeRow *w = ARENA_NEW(env->state, WholeRow);
    *w = (WholeRow){.type = v->expr.type,
                    .types = ARENA_ARRAY(env->state, Oid, n + 1),
                    .cols = p->args,
                    .values = ARENA_ARRAY(env->state, Datum, n + 1),
                    .nulls = ARENA_ARRAY(env->state, bool, n + 1)};
    for (int i = 0; i < n; i++) {
        Oid type;
        if (child) {
            const TargetEntry *te = list_at(child->targets, i);
            if (te->junk)
                continue;
            type = te->expr->type;
        } else {
            if (rel->cols[i].dropped)
                continue;
            type = rel->cols[i].type;
        }
        Var one = *v;
        one.expr.type = type;
        one.attno = i + 1;
        w->types[w->n] = type;
        w->cols[w->n++] = expr_compile(env, &one.expr);
    }
    p->data = w;
    prim_lanes(p);
    return p;
}

static Prim *
compile_var(ExprEnv *env, const Var *v)
{
    if (v->attno == 0)
        return compile_whole_row(env, v);
    if (v->rel == VAR_OUTER || v->rel == VAR_INNER) {
        Prim *p = prim_new(env, v->rel == VAR_OUTER ? run_var_outer : run_var_inner, 0);
        p->i = v->attno - 1;
        return p;
    }
    if (env->scan == NULL) {
        if (v->attno < 0 && env->system_base > 0) {
            Prim *sys = prim_new(env, run_var_scan, 0);
            sys->i = env->system_base - v->attno - 1;
            return sys;
        }
        if (v->attno < 0)
            INTERNAL_ERROR("system column %d of something that is not a table scan", v->attno);
        Prim *p = prim_new(env, run_var_scan, 0);
        p->i = v->attno - 1;
        return p;
    }
    Prim *p = prim_new(env, run_var_heap, 0);
    p->i = v->attno + SCAN_SYSTEM;
    if (v->attno < -SCAN_SYSTEM || v->attno > env->scan->natts)
        INTERNAL_ERROR("column %d does not exist", v->attno);
    if (env->scan->cols[p->i].v == NULL)
        env_vec(env, &env->scan->cols[p->i]);
    return p;
}

/* ---- parameters ---- */

static const Vec *
run_param_exec(Prim *p, int n, const uint16_t *sel)
{
    ExecParam *pr = p->data;

    if (pr->plan)
        subplan_run_init(p->env->x, pr->plan, pr->plan_ref);
    return &pr->vec;
}

static Prim *
compile_param(ExprEnv *env, const Param *pa)
{
    if (pa->kind == PARAM_EXTERN) {
        if (env->x == NULL) {
            const ParamValues *v = env->params;
            if (v == NULL || pa->id < 1 || pa->id > v->count)
                RAISE(SQLSTATE_UNDEFINED_PARAMETER, "there is no parameter $%d", pa->id);
            Prim *p = prim_new(env, NULL, 0);
            p->fixed = vec_const(env->state, v->values[pa->id - 1], v->nulls[pa->id - 1]);
            return p;
        }
        Prim *p = prim_new(env, NULL, 0);
        ExternParam *e = exec_extern(env->x, pa->id);
        e->type = pa->expr.type;
        p->fixed = &e->vec;
        return p;
    }
    if (pa->kind != PARAM_EXEC || env->x == NULL || pa->id < 0 || pa->id >= env->x->nparams)
        INTERNAL_ERROR("unexpected parameter of kind %d, number %d", pa->kind, pa->id);
    Prim *p = prim_new(env, run_param_exec, 0);
    ExecParam *pr = &env->x->params[pa->id];
    if (!pr->typed) {
        type_physical(pa->expr.type, &pr->len, &pr->byval);
        pr->typed = true;
    }
    p->data = pr;
    return p;
}

static const Vec *
run_register(Prim *p, int n, const uint16_t *sel)
{
    return &p->env->regs[p->i];
}

/* ---- dispatch ---- */

Prim *
expr_compile(ExprEnv *env, const Expr *e)
{
    Prim *p;

    CHECK_STACK();
    switch ((int)e->tag) {
    case TAG_Const: {
        const Const *c = (const Const *)e;
        p = prim_new(env, NULL, 0);
        p->fixed = vec_const(env->state, c->value, c->isnull);
        return p;
    }
    case TAG_Var:
        return compile_var(env, (const Var *)e);
    case TAG_Param:
        return compile_param(env, (const Param *)e);
    case TAG_FuncCall: {
        const FuncCall *f = call_complete(env->state, (FuncCall *)(uintptr_t)e);
        if (f->returns_set)
            UNSUPPORTED("set-returning functions are not supported in this place");
        return compile_call(env, f->fn, f->input_collation, f->args, e->type, e->typmod,
                            f->variadic);
    }
    case TAG_OpCall: {
        const OpCall *o = (const OpCall *)e;
        p = compile_call(env, o->fn ? o->fn : op_info(o->op)->fn, o->input_collation, o->args,
                         e->type, e->typmod, false);
        compile_compare(p);
        return p;
    }
    case TAG_BoolExpr:
    case TAG_NullTest:
    case TAG_BooleanTest:
    case TAG_DistinctExpr:
    case TAG_NullIfExpr:
        return compile_bool(env, e);
    case TAG_CaseExpr:
    case TAG_CoalesceExpr:
    case TAG_MinMaxExpr:
        return compile_cond(env, e);
    case TAG_CaseTest:
        return compile_case_test(env);
    case TAG_DomainValue:
        if (compile_domain_value == NULL)
            INTERNAL_ERROR("DomainValue outside of a domain's check");
        return prim_alias(env, compile_domain_value);
    case TAG_ScalarArrayOp:
    case TAG_ArrayExpr:
    case TAG_SubscriptRef:
    case TAG_ArrayCoerce:
        return compile_array(env, e);
    case TAG_RowExpr:
    case TAG_RowCompare:
    case TAG_FieldSelect:
    case TAG_FieldStore:
        return compile_row(env, e);
    case TAG_Relabel:
        return expr_compile(env, ((const Relabel *)e)->arg);
    case TAG_CollateExpr:
        return expr_compile(env, ((const CollateExpr *)e)->arg);
    case TAG_SubPlanRef:
        return compile_subplan(env, (const SubPlanRef *)e);
    case TAG_Aggref:
        p = prim_new(env, run_register, 0);
        p->i = ((const Aggref *)e)->index;
        return p;
    case TAG_WindowFunc:
        p = prim_new(env, run_register, 0);
        p->i = ((const WindowFunc *)e)->index;
        return p;
    default:
        return compile_misc(env, e);
    }
}

Prim **
expr_compile_list(ExprEnv *env, const List *exprs)
{
    Prim **p = ARENA_ARRAY(env->state, Prim *, list_count(exprs) + 1);

    for (int i = 0; i < list_count(exprs); i++)
        p[i] = expr_compile(env, list_at(exprs, i));
    return p;
}

Prim *
expr_compile_quals(ExprEnv *env, const List *quals)
{
    if (list_count(quals) == 0)
        return NULL;
    if (list_count(quals) == 1)
        return expr_compile(env, list_at(quals, 0));
    BoolExpr *b = node_new(env->state, BoolExpr);
    b->expr.type = BOOL_OID;
    b->kind = BOOL_AND;
    b->args = (List *)quals;
    return expr_compile(env, &b->expr);
}

/* ---- columns an expression reads ---- */

typedef struct MarkColumns { int rel; bool *used; int n; } MarkColumns;

static bool
mark_columns(void *node, void *arg)
{
    MarkColumns *m = arg;

    if (IS(node, Var)) {
        const Var *v = node;
        if (v->rel == m->rel) {
            if (v->attno == 0)
                for (int i = 0; i < m->n; i++)
                    m->used[i] = true;
            else if (v->attno > 0 && v->attno <= m->n)
                m->used[v->attno - 1] = true;
        }
        return false;
    }
    return node_walk_children(node, mark_columns, arg, false);
}

void
expr_mark_columns(const Expr *e, int rel, bool *used, int n)
{
    MarkColumns m = {rel, used, n};

    if (e)
        mark_columns((void *)e, &m);
}

void
exprs_mark_columns(const List *exprs, int rel, bool *used, int n)
{
    for (int i = 0; i < list_count(exprs); i++) {
        void *e = list_at(exprs, i);
        expr_mark_columns(IS(e, TargetEntry) ? ((TargetEntry *)e)->expr : e, rel, used, n);
    }
}
