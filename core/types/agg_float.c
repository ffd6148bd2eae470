/*
 * Aggregates over floats: sum, avg, min, max, the variance family and the two-argument statistics.
 *
 * Averages and variances keep N, Sx and Sxx updated by Youngs and Cramer's recurrence (1971), the
 * one PostgreSQL uses, in input order: the last digit of a float sum depends on the order, so no
 * kernel here may add lanes in parallel.
 */
#include "core/types/agg_minmax.h"
#include "core/types/number.h"
#include "core/types/ops_list.h"

/* ---- sum ---- */

typedef struct FloatSum {
    double sum;
    uint64_t has;
} FloatSum;

static inline void
float8_sum_add(FloatSum *s, double v)
{
    double r = s->sum + v;
    if (UNLIKELY(isinf(r)) && !isinf(s->sum) && !isinf(v))
        raise_float_overflow();
    /* The first value is taken as it is: 0 + -0 would lose its sign. */
    s->sum = s->has ? r : v;
    s->has = 1;
}

static void
float8_sum_step(AggCtx *c, void *state, const Datum *args, const bool *nulls)
{
    float8_sum_add(state, datum_float8(args[0]));
}

static void
float8_sum_many(AggCtx *c, void *state, int n, const uint16_t *sel, const Vec *const *args)
{
    FOR_ROWS (row, n, sel)
        float8_sum_add(state, datum_float8(vec_get(args[0], row)));
}

static void
float8_sum_scatter(AggCtx *c, char **states, size_t offset, int n, const uint16_t *sel, const Vec *const *args)
{
    FOR_ROWS (row, n, sel)
        float8_sum_add((FloatSum *)(states[row] + offset), datum_float8(vec_get(args[0], row)));
}

static void
float8_sum_merge(AggCtx *c, void *state, const void *other)
{
    const FloatSum *o = other;
    if (o->has)
        float8_sum_add(state, o->sum);
}

static Datum
float8_sum_final(AggCtx *c, const void *state, bool *isnull)
{
    const FloatSum *s = state;
    *isnull = !s->has;
    return float8_datum(s->sum);
}

const AggImpl agg_sum_float8 = {
    .state_bytes = sizeof(FloatSum),
    .strict = true,
    .step = float8_sum_step,
    .step_many = float8_sum_many,
    .step_scatter = float8_sum_scatter,
    .merge = float8_sum_merge,
    .final = float8_sum_final,
};

/* sum(float4) is a float4, added in float4. */
static inline void
float4_sum_add(FloatSum *s, float v)
{
    float old = (float)s->sum, r = s->has ? old + v : v;
    if (UNLIKELY(isinf(r)) && !isinf(old) && !isinf(v))
        raise_float_overflow();
    s->sum = (double)r;
    s->has = 1;
}

static void
float4_sum_step(AggCtx *c, void *state, const Datum *args, const bool *nulls)
{
    float4_sum_add(state, datum_float4(args[0]));
}

static void
float4_sum_merge(AggCtx *c, void *state, const void *other)
{
    const FloatSum *o = other;
    if (o->has)
        float4_sum_add(state, (float)o->sum);
}

static Datum
float4_sum_final(AggCtx *c, const void *state, bool *isnull)
{
    const FloatSum *s = state;
    *isnull = !s->has;
    return float4_datum((float)s->sum);
}

const AggImpl agg_sum_float4 = {
    .state_bytes = sizeof(FloatSum),
    .strict = true,
    .step = float4_sum_step,
    .merge = float4_sum_merge,
    .final = float4_sum_final,
};

AGG_MIN(agg_min_float8, &type_ops_float8)
AGG_MAX(agg_max_float8, &type_ops_float8)
AGG_MIN(agg_min_float4, &type_ops_float4)
AGG_MAX(agg_max_float4, &type_ops_float4)

/* ---- avg and the variance family ---- */

typedef struct Moments {
    double n, sx, sxx;
} Moments;

static inline void
moments_add(Moments *m, double v)
{
    double old_n = m->n, old_sx = m->sx;
    m->n += 1;
    m->sx += v;
    if (old_n > 0) {
        double t = v * m->n - m->sx;
        m->sxx += t * t / (m->n * old_n);
        /* Only finite inputs can overflow; infinite ones make the variance NaN, never infinite. */
        if (UNLIKELY(isinf(m->sx) || isinf(m->sxx))) {
            if (!isinf(old_sx) && !isinf(v))
                raise_float_overflow();
            m->sxx = (double)NAN;
        }
    } else if (UNLIKELY(!isfinite(v))) {
        m->sxx = (double)NAN;
    }
}

static void
moments8_step(AggCtx *c, void *state, const Datum *args, const bool *nulls)
{
    moments_add(state, datum_float8(args[0]));
}

static void
moments8_many(AggCtx *c, void *state, int n, const uint16_t *sel, const Vec *const *args)
{
    FOR_ROWS (row, n, sel)
        moments_add(state, datum_float8(vec_get(args[0], row)));
}

static void
moments8_scatter(AggCtx *c, char **states, size_t offset, int n, const uint16_t *sel, const Vec *const *args)
{
    FOR_ROWS (row, n, sel)
        moments_add((Moments *)(states[row] + offset), datum_float8(vec_get(args[0], row)));
}

static void
moments4_step(AggCtx *c, void *state, const Datum *args, const bool *nulls)
{
    moments_add(state, (double)datum_float4(args[0]));
}

static void
moments_merge(AggCtx *c, void *state, const void *other)
{
    Moments *a = state;
    const Moments *b = other;
    if (b->n == 0)
        return;
    if (a->n == 0) {
        *a = *b;
        return;
    }
    double n = a->n + b->n, t = a->sx / a->n - b->sx / b->n;
    double sx = a->sx + b->sx, sxx = a->sxx + b->sxx + a->n * b->n * t * t / n;
    if (isinf(sx) && !isinf(a->sx) && !isinf(b->sx))
        raise_float_overflow();
    if (isinf(sxx) && !isinf(a->sxx) && !isinf(b->sxx))
        raise_float_overflow();
    *a = (Moments){n, sx, sxx};
}

#define MOMENTS_FINAL(name, least, expr)                                                             \
    static Datum name(AggCtx *c, const void *state, bool *isnull)                                    \
    {                                                                                                \
        const Moments *m = state;                                                                    \
        if (m->n < (least)) {                                                                        \
            *isnull = true;                                                                          \
            return 0;                                                                                \
        }                                                                                            \
        return float8_datum(expr);                                                                   \
    }

MOMENTS_FINAL(avg_final, 1, m->sx / m->n)
MOMENTS_FINAL(var_pop_final, 1, m->sxx / m->n)
MOMENTS_FINAL(var_samp_final, 2, m->sxx / (m->n - 1))
MOMENTS_FINAL(stddev_pop_final, 1, sqrt(m->sxx / m->n))
MOMENTS_FINAL(stddev_samp_final, 2, sqrt(m->sxx / (m->n - 1)))

#define MOMENTS_IMPLS(name, final_)                                                                  \
    const AggImpl agg_##name##_float8 = {                                                            \
        .state_bytes = sizeof(Moments),                                                              \
        .strict = true,                                                                              \
        .step = moments8_step,                                                                       \
        .step_many = moments8_many,                                                                  \
        .step_scatter = moments8_scatter,                                                            \
        .merge = moments_merge,                                                                      \
        .final = final_,                                                                             \
    };                                                                                               \
    const AggImpl agg_##name##_float4 = {                                                            \
        .state_bytes = sizeof(Moments),                                                              \
        .strict = true,                                                                              \
        .step = moments4_step,                                                                       \
        .merge = moments_merge,                                                                      \
        .final = final_,                                                                             \
    };

MOMENTS_IMPLS(avg, avg_final)
MOMENTS_IMPLS(var_pop, var_pop_final)
MOMENTS_IMPLS(var_samp, var_samp_final)
MOMENTS_IMPLS(stddev_pop, stddev_pop_final)
MOMENTS_IMPLS(stddev_samp, stddev_samp_final)

/* ---- two-argument statistics: arguments are (Y, X) ---- */

typedef struct Regression {
    double n, sx, sxx, sy, syy, sxy;
} Regression;

static void
regression_step(AggCtx *c, void *state, const Datum *args, const bool *nulls)
{
    Regression *r = state;
    const Regression old = *r;
    double y = datum_float8(args[0]), x = datum_float8(args[1]);
    r->n += 1;
    r->sx += x;
    r->sy += y;
    if (old.n == 0) {
        if (!isfinite(x))
            r->sxx = r->sxy = (double)NAN;
        if (!isfinite(y))
            r->syy = r->sxy = (double)NAN;
        return;
    }
    double tx = x * r->n - r->sx, ty = y * r->n - r->sy, scale = 1.0 / (r->n * old.n);
    r->sxx += tx * tx * scale;
    r->syy += ty * ty * scale;
    r->sxy += tx * ty * scale;
    if (LIKELY(!isinf(r->sx) && !isinf(r->sxx) && !isinf(r->sy) && !isinf(r->syy) && !isinf(r->sxy)))
        return;
    bool x_finite = !isinf(old.sx) && !isinf(x), y_finite = !isinf(old.sy) && !isinf(y);
    if (((isinf(r->sx) || isinf(r->sxx)) && x_finite) || ((isinf(r->sy) || isinf(r->syy)) && y_finite) ||
        (isinf(r->sxy) && x_finite && y_finite))
        raise_float_overflow();
    if (isinf(r->sxx))
        r->sxx = (double)NAN;
    if (isinf(r->syy))
        r->syy = (double)NAN;
    if (isinf(r->sxy))
        r->sxy = (double)NAN;
}

static void
regression_merge(AggCtx *c, void *state, const void *other)
{
    Regression *a = state;
    const Regression *b = other;
    if (b->n == 0)
        return;
    if (a->n == 0) {
        *a = *b;
        return;
    }
    double n = a->n + b->n, w = a->n * b->n / n;
    double dx = a->sx / a->n - b->sx / b->n, dy = a->sy / a->n - b->sy / b->n;
    a->sxx += b->sxx + w * dx * dx;
    a->syy += b->syy + w * dy * dy;
    a->sxy += b->sxy + w * dx * dy;
    a->sx += b->sx;
    a->sy += b->sy;
    a->n = n;
}

static Datum
regr_count_final(AggCtx *c, const void *state, bool *isnull)
{
    return int64_datum((int64_t)((const Regression *)state)->n);
}

#define REGRESSION(name, least, undefined, expr)                                                     \
    static Datum name##_final(AggCtx *c, const void *state, bool *isnull)                            \
    {                                                                                                \
        const Regression *r = state;                                                                 \
        if (r->n < (least) || (undefined)) {                                                         \
            *isnull = true;                                                                          \
            return 0;                                                                                \
        }                                                                                            \
        return float8_datum(expr);                                                                   \
    }                                                                                                \
    REGRESSION_IMPL(name, name##_final)

#define REGRESSION_IMPL(name, final_)                                                                \
    const AggImpl agg_##name = {                                                                     \
        .state_bytes = sizeof(Regression),                                                           \
        .strict = true,                                                                              \
        .step = regression_step,                                                                     \
        .merge = regression_merge,                                                                   \
        .final = final_,                                                                             \
    };

REGRESSION_IMPL(regr_count, regr_count_final)
REGRESSION(regr_sxx, 1, false, r->sxx)
REGRESSION(regr_syy, 1, false, r->syy)
REGRESSION(regr_sxy, 1, false, r->sxy)
REGRESSION(regr_avgx, 1, false, r->sx / r->n)
REGRESSION(regr_avgy, 1, false, r->sy / r->n)
REGRESSION(covar_pop, 1, false, r->sxy / r->n)
REGRESSION(covar_samp, 2, false, r->sxy / (r->n - 1))
/* A horizontal or vertical line has no slope or correlation. */
REGRESSION(corr, 1, r->sxx == 0 || r->syy == 0, r->sxy / sqrt(r->sxx * r->syy))
REGRESSION(regr_r2, 1, r->sxx == 0, r->syy == 0 ? 1.0 : (r->sxy * r->sxy) / (r->sxx * r->syy))
REGRESSION(regr_slope, 1, r->sxx == 0, r->sxy / r->sxx)
REGRESSION(regr_intercept, 1, r->sxx == 0, (r->sy - r->sx * r->sxy / r->sxx) / r->n)
