/*
 * Ordered-set aggregates: percentile_disc, percentile_cont, mode. The executor hands over the rows in the
 * order of WITHIN GROUP, nulls left out, with the direct arguments in front of the value in every row; the
 * values are kept, and the answer is looked up by place.
 */
#include <math.h>


#include "core/types/datetime.h"

Datum fn_interval_mi(FnCtx *c, const Datum *args, bool *isnull);
Datum fn_interval_pl(FnCtx *c, const Datum *args, bool *isnull);
Datum fn_interval_mul(FnCtx *c, const Datum *args, bool *isnull);

typedef struct Ordered {
    int64_t n, cap;
    Datum *values;
    Datum direct;       /* the fraction or the array of fractions, of the first row */
} Ordered;

static Datum
keep(AggCtx *c, Datum d, Oid type)
{
    const TypeOps *ops = type_ops(type);

    return datum_copy(c->arena, d, ops->byval, ops->len);
}

static void
add_value(AggCtx *c, Ordered *s, Datum d, Oid type)
{
    if (s->n == s->cap) {
        int64_t cap = s->cap ? s->cap * 2 : 16;
        s->values = arena_realloc(c->arena, s->values, sizeof(Datum) * (size_t)s->cap, sizeof(Datum) * (size_t)cap);
        s->cap = cap;
    }
    s->values[s->n++] = keep(c, d, type);
}

static void
percentile_step(AggCtx *c, void *state, const Datum *args, const bool *nulls)
{
    Ordered *s = state;

    if (s->n == 0)
        s->direct = keep(c, args[0], c->fn.arg_types[0]);
    add_value(c, s, args[1], c->fn.arg_types[1]);
}

static double
checked_fraction(Datum d)
{
    double p = datum_float8(d);

    if (p < 0 || p > 1 || isnan(p))
        RAISE(SQLSTATE_NUMERIC_VALUE_OUT_OF_RANGE, "percentile value %g is not between 0 and 1", p);
    return p;
}

typedef Datum (*AtFraction)(AggCtx *c, const Ordered *s, double p);

static Datum
discrete(AggCtx *c, const Ordered *s, double p)
{
    int64_t row = (int64_t)ceil(p * (double)s->n);

    return s->values[MAX(row, 1) - 1];
}

/* The rows around the place, and how far it lies between them. */
static double
neighbours(const Ordered *s, double p, Datum *lo, Datum *hi)
{
    double at = p * (double)(s->n - 1);
    int64_t first = (int64_t)floor(at), second = (int64_t)ceil(at);

    *lo = s->values[first];
    *hi = s->values[second];
    return first == second ? 0 : at - (double)first;
}

static Datum
continuous_float8(AggCtx *c, const Ordered *s, double p)
{
    Datum lo, hi;
    double share = neighbours(s, p, &lo, &hi);

    if (share == 0)
        return lo;
    return float8_datum(datum_float8(lo) + share * (datum_float8(hi) - datum_float8(lo)));
}

static Datum
continuous_interval(AggCtx *c, const Ordered *s, double p)
{
    Datum lo, hi;
    double share = neighbours(s, p, &lo, &hi);
    Arena *a = c->fn.arena;

    if (share == 0)
        return lo;
    Datum part = fn_call2(fn_interval_mul, a, 0, fn_call2(fn_interval_mi, a, 0, hi, lo), float8_datum(share));
    return fn_call2(fn_interval_pl, a, 0, lo, part);
}

static Datum
one_fraction(AggCtx *c, const Ordered *s, bool *isnull, AtFraction at)
{
    *isnull = s->n == 0;
    return *isnull ? 0 : at(c, s, checked_fraction(s->direct));
}

/* An array of the shape of the fractions'; a null fraction gives null. */
static Datum
many_fractions(AggCtx *c, const Ordered *s, bool *isnull, AtFraction at, Oid elem)
{
    ArrayView v;
    Datum *p;
    bool *nulls;
    int n;

    *isnull = s->n == 0;
    if (*isnull)
        return 0;
    array_view(s->direct, &v);
    array_deconstruct(c->fn.arena, s->direct, &p, &nulls, &n);
    Datum *out = ARENA_ARRAY(c->fn.arena, Datum, n + 1);
    bool *outnull = ARENA_ARRAY(c->fn.arena, bool, n + 1);
    for (int i = 0; i < n; i++) {
        outnull[i] = nulls && nulls[i];
        if (!outnull[i])
            out[i] = at(c, s, checked_fraction(p[i]));
    }
    return array_construct(c->fn.arena, elem, v.ndim, v.dims, v.lbound, out, outnull);
}

static Datum disc_final(AggCtx *c, const void *s, bool *n) { return one_fraction(c, s, n, discrete); }
static Datum cont_final(AggCtx *c, const void *s, bool *n) { return one_fraction(c, s, n, continuous_float8); }
static Datum cont_interval_final(AggCtx *c, const void *s, bool *n) { return one_fraction(c, s, n, continuous_interval); }
static Datum disc_many(AggCtx *c, const void *s, bool *n) { return many_fractions(c, s, n, discrete, c->fn.arg_types[1]); }
static Datum cont_many(AggCtx *c, const void *s, bool *n) { return many_fractions(c, s, n, continuous_float8, FLOAT8_OID); }
static Datum cont_interval_many(AggCtx *c, const void *s, bool *n) { return many_fractions(c, s, n, continuous_interval, INTERVAL_OID); }

#define PERCENTILE(name, last) \
    const AggImpl name = {.state_bytes = sizeof(Ordered), .strict = true, .step = percentile_step, .final = last};
PERCENTILE(agg_percentile_disc, disc_final)
PERCENTILE(agg_percentile_cont, cont_final)
PERCENTILE(agg_percentile_cont_interval, cont_interval_final)
PERCENTILE(agg_percentile_disc_many, disc_many)
PERCENTILE(agg_percentile_cont_many, cont_many)
PERCENTILE(agg_percentile_cont_interval_many, cont_interval_many)

/* ---- mode: equal values stand together; the first of the longest runs ---- */

typedef struct Mode { int64_t run, best_run; Datum value, best; } Mode;

static void
mode_step(AggCtx *c, void *state, const Datum *args, const bool *nulls)
{
    Mode *m = state;
    Oid type = c->fn.arg_types[0];

    if (m->run > 0 && type_ops(type)->eq(m->value, args[0], c->fn.collation)) {
        m->run++;
    } else {
        m->value = keep(c, args[0], type);
        m->run = 1;
    }
    if (m->run > m->best_run) {
        m->best_run = m->run;
        m->best = m->value;
    }
}

static Datum
mode_final(AggCtx *c, const void *state, bool *isnull)
{
    const Mode *m = state;

    *isnull = m->best_run == 0;
    return m->best;
}

const AggImpl agg_mode = {.state_bytes = sizeof(Mode), .strict = true, .step = mode_step, .final = mode_final};
