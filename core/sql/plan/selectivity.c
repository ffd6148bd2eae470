/*
 * Estimates: how many rows a relation has, how many a condition keeps, how many distinct values an
 * expression takes. Statistics come from pg_statistic as ANALYZE wrote them.
 */
#include <math.h>

#include "core/sql/plan/plan_internal.h"

#define DEFAULT_EQ 0.005
#define DEFAULT_INEQ 0.3333333333333333
#define DEFAULT_RANGE 0.005
#define DEFAULT_MATCH 0.005
#define DEFAULT_DISTINCT 200.0
#define DEFAULT_NULL 0.005
#define STATISTIC_MCV 1
#define STATISTIC_HISTOGRAM 2
#define STATISTIC_SLOTS 5

/* What is known of one column. */
typedef struct ColumnStats {
    bool known;
    double null_fraction, distinct, tuples;
    Datum *mcv; bool *mcv_nulls; double *mcv_freq; int nmcv;
    Datum *histogram; int nhistogram;
    const TypeOps *ops; Oid collation;
    bool unique;
} ColumnStats;

static Expr *
strip(Expr *e)
{
    while (IS(e, Relabel))
        e = ((Relabel *)e)->arg;
    return e;
}

static void
read_slot(Root *root, const CatRow *r, int slot, ColumnStats *out)
{
    int kind = datum_int16(cat_val(r, PG_STATISTIC_STAKIND1 + slot));
    int vcol = PG_STATISTIC_STAVALUES1 + slot, ncol = PG_STATISTIC_STANUMBERS1 + slot;
    if (cat_null(r, vcol))
        return;
    if (kind == STATISTIC_MCV && !cat_null(r, ncol)) {
        Datum *nums;
        bool *nulls;
        int n;
        array_deconstruct(root->arena, cat_val(r, vcol), &out->mcv, &out->mcv_nulls, &out->nmcv);
        array_deconstruct(root->arena, cat_val(r, ncol), &nums, &nulls, &n);
        out->nmcv = MIN(out->nmcv, n);
        out->mcv_freq = ARENA_ARRAY(root->arena, double, n + 1);
        for (int i = 0; i < n; i++)
            out->mcv_freq[i] = datum_float4(nums[i]);
    } else if (kind == STATISTIC_HISTOGRAM) {
        bool *nulls;
        array_deconstruct(root->arena, cat_val(r, vcol), &out->histogram, &nulls, &out->nhistogram);
    }
}

static bool
column_is_unique(const RelDesc *rel, int attno)
{
    for (int i = 0; i < rel->nindexes; i++) {
        IndexDesc *ix = index_open(rel->indexes[i], LOCK_ACCESS_SHARE);
        if (ix->unique && ix->nkeys == 1 && ix->attnums[0] == attno && !ix->predicate_tree)
            return true;
    }
    return false;
}

static ColumnStats
column_stats(Root *root, Expr *e)
{
    ColumnStats s = {0};
    e = strip(e);
    if (!IS(e, Var) || ((Var *)e)->levels_up != 0 || ((Var *)e)->rel <= 0)
        return s;
    const Var *v = (Var *)e;
    BaseRel *b = root->rels ? root->rels[v->rel] : NULL;
    if (b == NULL)
        return s;
    s.tuples = b->tuples;
    if (b->desc == NULL || v->attno <= 0)
        return s;
    s.ops = type_info(v->expr.type)->ops;
    s.collation = v->expr.collation;
    s.unique = column_is_unique(b->desc, v->attno);
    const CatRow *r = cat_get(IDX_PG_STATISTIC_RELID_ATT_INH_INDEX, oid_datum(b->desc->oid), int16_datum((int16_t)v->attno), bool_datum(false), 0);
    if (r == NULL)
        return s;
    s.known = true;
    s.null_fraction = datum_float4(cat_val(r, PG_STATISTIC_STANULLFRAC));
    double d = datum_float4(cat_val(r, PG_STATISTIC_STADISTINCT));
    s.distinct = d < 0 ? -d * s.tuples : d;
    for (int i = 0; i < STATISTIC_SLOTS; i++)
        read_slot(root, r, i, &s);
    return s;
}

static double
distinct_of(const ColumnStats *s, Expr *e)
{
    double d;
    if (s->unique)
        return MAX(1.0, s->tuples);
    if (s->known && s->distinct > 0)
        return s->distinct;
    if (e->type == BOOL_OID)
        return 2;
    d = s->tuples > 0 && s->tuples < DEFAULT_DISTINCT ? s->tuples : DEFAULT_DISTINCT;
    return MAX(1.0, d);
}

double
distinct_values(Root *root, Expr *e, double rows)
{
    ColumnStats s = column_stats(root, e);
    List *vars;
    double d;
    if (s.tuples > 0)
        d = distinct_of(&s, e);
    else {
        vars = vars_of(root->arena, e, NULL);
        if (vars->count == 0)
            return is_volatile(e) ? rows : 1;
        d = 1;
        for (int i = 0; i < vars->count; i++) {
            if (vars->items[i] == e)
                return MIN(rows, DEFAULT_DISTINCT);
            d *= distinct_values(root, vars->items[i], rows);
        }
    }
    return MAX(1.0, MIN(d, rows));
}

static double
clamp(double s)
{
    return s < 0 ? 0 : s > 1 ? 1 : s;
}

static double
eq_const(const ColumnStats *s, Expr *var, const Const *c)
{
    if (c->isnull)
        return 0;
    if (s->unique)
        return s->tuples > 0 ? 1.0 / s->tuples : DEFAULT_EQ;
    if (!s->known)
        return 1.0 / distinct_of(s, var);
    double rest = 1 - s->null_fraction;
    for (int i = 0; i < s->nmcv; i++) {
        if (s->ops && s->ops->eq && s->ops->eq(s->mcv[i], c->value, s->collation))
            return s->mcv_freq[i];
        rest -= s->mcv_freq[i];
    }
    double others = distinct_of(s, var) - s->nmcv;
    double sel = clamp(rest) / MAX(1.0, others);
    if (s->nmcv > 0) /* not more common than the least common of the common */
        sel = MIN(sel, s->mcv_freq[s->nmcv - 1]);
    return clamp(sel);
}

static double
to_scale(Oid type, Datum d, bool *ok)
{
    double v = 0;
    *ok = true;
    switch (type) {
    case INT2_OID: case INT4_OID: case DATE_OID: return datum_int32(d);
    case INT8_OID: case TIMESTAMP_OID: case TIMESTAMPTZ_OID: case TIME_OID: return (double)datum_int64(d);
    case OID_OID: return datum_oid(d);
    case FLOAT8_OID: v = datum_float8(d); break;
    case FLOAT4_OID: v = datum_float4(d); break;
    case NUMERIC_OID: v = numeric_to_float8(d); break;
    default: *ok = false; return 0;
    }
    *ok = isfinite(v);
    return v;
}

/* Share of the histogram below c. */
static double
histogram_below(const ColumnStats *s, Oid type, Datum c)
{
    int lo = 0, hi = s->nhistogram - 1;
    if (s->ops->cmp(c, s->histogram[0], s->collation) < 0)
        return 0;
    if (s->ops->cmp(c, s->histogram[hi], s->collation) >= 0)
        return 1;
    while (hi - lo > 1) {
        int mid = (lo + hi) / 2;
        if (s->ops->cmp(s->histogram[mid], c, s->collation) <= 0)
            lo = mid;
        else
            hi = mid;
    }
    bool ok1, ok2, ok3;
    double a = to_scale(type, s->histogram[lo], &ok1), b = to_scale(type, s->histogram[hi], &ok2), x = to_scale(type, c, &ok3);
    double part = ok1 && ok2 && ok3 && b > a ? clamp((x - a) / (b - a)) : 0.5;
    return (lo + part) / (s->nhistogram - 1);
}

static double
inequality(const ColumnStats *s, Oid type, int strategy, const Const *c)
{
    if (c->isnull)
        return 0;
    if (!s->known || s->ops == NULL || s->ops->cmp == NULL)
        return DEFAULT_INEQ;
    bool less = strategy <= 2;
    double mcv_sel = 0, mcv_total = 0;
    for (int i = 0; i < s->nmcv; i++) {
        int cmp = s->ops->cmp(s->mcv[i], c->value, s->collation);
        bool match = strategy == 1 ? cmp < 0 : strategy == 2 ? cmp <= 0 : strategy == 4 ? cmp >= 0 : cmp > 0;
        mcv_total += s->mcv_freq[i];
        mcv_sel += match ? s->mcv_freq[i] : 0;
    }
    double rest = clamp(1 - s->null_fraction - mcv_total), part = DEFAULT_INEQ;
    if (s->nhistogram > 1) {
        part = histogram_below(s, type, c->value);
        if (!less)
            part = 1 - part;
        part = part < 0.0001 ? 0.0001 : part > 0.9999 ? 0.9999 : part;
    } else if (s->nmcv > 0 && rest < 0.0001)
        part = 0;
    return clamp(mcv_sel + part * rest);
}

double
equijoin_selectivity(Root *root, Expr *l, Expr *r)
{
    ColumnStats x = column_stats(root, l), y = column_stats(root, r);
    double d = MAX(distinct_of(&x, l), distinct_of(&y, r));
    return clamp((1 - x.null_fraction) * (1 - y.null_fraction) / MAX(1.0, d));
}

static bool
is_pseudo_const(Expr *e)
{
    return expr_rels(e) == 0;
}

static double
op_selectivity(Root *root, OpCall *o)
{
    if (o->args->count != 2)
        return 0.5;
    Expr *l = o->args->items[0], *r = o->args->items[1];
    const OpInfo *oi = op_info(o->op);
    Oid lt, rt;
    int strategy = op_btree_strategy(o->op, &lt, &rt);
    if (strategy == 3 && !is_pseudo_const(l) && !is_pseudo_const(r))
        return equijoin_selectivity(root, l, r);
    if (is_pseudo_const(l) && !is_pseudo_const(r)) {
        Expr *t = l;
        l = r;
        r = t;
        strategy = strategy ? 6 - strategy : 0;
    }
    ColumnStats s = column_stats(root, l);
    Expr *rc = strip(r);
    if (strategy == 3)
        return IS(rc, Const) && rc->type == strip(l)->type ? eq_const(&s, l, (Const *)rc) : clamp((1 - s.null_fraction) / distinct_of(&s, l));
    if (strategy)
        return IS(rc, Const) && rc->type == strip(l)->type ? inequality(&s, strip(l)->type, strategy, (Const *)rc) : DEFAULT_INEQ;
    if (strcmp(oi->name, "<>") == 0) {
        double eq = IS(rc, Const) && rc->type == strip(l)->type ? eq_const(&s, l, (Const *)rc) : 1.0 / distinct_of(&s, l);
        return clamp(1 - s.null_fraction - eq);
    }
    if (oi->restrict_est && (strstr(oi->restrict_est, "like") || strstr(oi->restrict_est, "regex")))
        return strstr(oi->restrict_est, "nlike") || strstr(oi->restrict_est, "nregex") || strncmp(oi->restrict_est, "n", 1) == 0 ? 1 - DEFAULT_MATCH : DEFAULT_MATCH;
    return 0.5;
}

static double
array_selectivity(Root *root, ScalarArrayOp *a)
{
    Oid lt, rt;
    int strategy = op_btree_strategy(a->op, &lt, &rt);
    Expr *arr = a->args->items[1];
    double n = 10;
    ColumnStats s = column_stats(root, a->args->items[0]);
    if (IS(arr, Const) && !((Const *)arr)->isnull) {
        ArrayView v;
        array_view(((Const *)arr)->value, &v);
        n = v.count;
    } else if (IS(arr, ArrayExpr))
        n = list_count(((ArrayExpr *)arr)->elements);
    double each = strategy == 3 ? (1 - s.null_fraction) / distinct_of(&s, a->args->items[0]) : DEFAULT_INEQ;
    if (a->use_or)
        return clamp(each * n);
    return clamp(pow(1 - each, n));
}

double
clause_selectivity(Root *root, Expr *e, RelSet outer)
{
    (void)outer;
    switch ((int)e->tag) {
    case TAG_Const: return ((Const *)e)->isnull || !((Const *)e)->value ? 0 : 1;
    case TAG_OpCall: return op_selectivity(root, (OpCall *)e);
    case TAG_ScalarArrayOp: return array_selectivity(root, (ScalarArrayOp *)e);
    case TAG_BoolExpr: {
        BoolExpr *b = (BoolExpr *)e;
        double s = b->kind == BOOL_OR ? 0 : 1;
        if (b->kind == BOOL_NOT)
            return 1 - clause_selectivity(root, b->args->items[0], outer);
        if (b->kind == BOOL_AND)
            return clauses_selectivity(root, b->args);
        for (int i = 0; i < b->args->count; i++) {
            double x = clause_selectivity(root, b->args->items[i], outer);
            s = s + x - s * x;
        }
        return clamp(s);
    }
    case TAG_NullTest: {
        ColumnStats s = column_stats(root, ((NullTest *)e)->arg);
        double f = s.known ? s.null_fraction : DEFAULT_NULL;
        return ((NullTest *)e)->is_null ? f : 1 - f;
    }
    case TAG_BooleanTest: return 0.5;
    case TAG_Var: return 0.5;
    case TAG_CurrentOf: return 0.000001;
    default: return e->type == BOOL_OID ? 0.3333333 : 0.5;
    }
}

/* Two inequalities on one column are a range: their selectivities overlap. */
static bool
inequality_side(Expr *e, Expr **var, int *side)
{
    if (!IS(e, OpCall) || ((OpCall *)e)->args->count != 2)
        return false;
    OpCall *o = (OpCall *)e;
    Oid l, r;
    int st = op_btree_strategy(o->op, &l, &r);
    if (st == 0 || st == 3)
        return false;
    Expr *a = o->args->items[0], *b = o->args->items[1];
    bool swap = is_pseudo_const(a);
    if (!swap && !is_pseudo_const(b))
        return false;
    *var = swap ? b : a;
    bool lower = st >= 4;
    *side = lower != swap ? 1 : 2;
    return true;
}

double
clauses_selectivity(Root *root, const List *clauses)
{
    double s = 1;
    int n = list_count(clauses);
    bool *used = ARENA_ARRAY(root->arena, bool, n + 1);
    for (int i = 0; i < n; i++) {
        Expr *v1, *v2;
        int side1, side2;
        if (used[i])
            continue;
        double x = clause_selectivity(root, clauses->items[i], 0);
        if (inequality_side(clauses->items[i], &v1, &side1))
            for (int k = i + 1; k < n; k++) {
                if (used[k] || !inequality_side(clauses->items[k], &v2, &side2) || side1 == side2 || !node_equal(v1, v2))
                    continue;
                used[k] = true;
                double y = clause_selectivity(root, clauses->items[k], 0);
                double range = x + y - 1;
                x = x == DEFAULT_INEQ || y == DEFAULT_INEQ ? DEFAULT_RANGE : range > 0 ? range : 1e-10;
                break;
            }
        s *= x;
    }
    return clamp(s);
}

void
rel_size_estimate(Root *root, BaseRel *r)
{
    RangeEntry *e = r->entry;
    r->width = 0;
    for (int i = 0; i < ints_count(e->col_types); i++)
        if (e->columns->items[i])
            r->width += type_width((Oid)e->col_types->items[i], (int32_t)e->col_typmods->items[i]);
    switch (e->kind) {
    case RANGE_RELATION: {
        r->pages = heap_blocks(&r->desc->heap);
        BlockNo counted = r->pages;
        if (counted < 10 && r->desc->relpages == 0 && r->desc->reltuples <= 0)
            counted = 10; /* a young table: it will grow before the plan is thrown away */
        if (r->desc->relpages > 0 && r->desc->reltuples >= 0)
            r->tuples = r->desc->reltuples / r->desc->relpages * counted;
        else
            r->tuples = counted * floor((PAGE_BYTES - 32) / (double)(ALIGN_UP((unsigned)r->width, 8u) + 28));
        r->tuples = rint(r->tuples);
        break;
    }
    case RANGE_FUNCTION: {
        double best = 1;
        for (int i = 0; i < e->functions->count; i++) {
            RangeFunction *f = e->functions->items[i];
            double n = 1;
            if (IS(f->call, FuncCall) && ((FuncCall *)f->call)->returns_set) {
                FuncCall *c = (FuncCall *)f->call;
                n = fn_info(c->fn)->rows > 0 ? fn_info(c->fn)->rows : 1000;
                if (c->args->count >= 2 && strcmp(fn_info(c->fn)->name, "generate_series") == 0 && IS(c->args->items[0], Const) && IS(c->args->items[1], Const) &&
                    (expr_rels(c) == 0) && (((Expr *)c->args->items[0])->type == INT4_OID || ((Expr *)c->args->items[0])->type == INT8_OID)) {
                    double span = (double)(int64_t)((Const *)c->args->items[1])->value - (double)(int64_t)((Const *)c->args->items[0])->value + 1;
                    n = MAX(1.0, span);
                }
            }
            best = MAX(best, n);
        }
        r->tuples = best;
        break;
    }
    case RANGE_VALUES: r->tuples = list_count(e->values); break;
    case RANGE_RESULT: r->tuples = 1; break;
    default: r->tuples = 100; break; /* subqueries and CTEs: set from their plans */
    }
    List *exprs = list_new(root->arena);
    for (int i = 0; i < list_count(r->clauses); i++)
        list_push(exprs, ((Clause *)r->clauses->items[i])->expr);
    double s = clauses_selectivity(root, exprs);
    r->rows = MAX(1.0, rint(r->tuples * s));
}
