/*
 * Aggregates over integers and booleans: count, sum, min, max, bit_and, bit_or, bit_xor, bool_and,
 * bool_or. Averages and variances, whose results are numeric, are in agg_numeric.c.
 *
 * Sums of int2 and int4 stay in an int8, unchecked, as in PostgreSQL: 2^32 rows of the largest int4
 * are needed to leave it.
 */
#include "core/types/agg_minmax.h"
#include "core/types/kernel.h"
#include "core/types/ops_list.h"

/* ---- count ---- */

static void
count_step(AggCtx *c, void *state, const Datum *args, const bool *nulls)
{
    ++*(int64_t *)state;
}

static void
count_many(AggCtx *c, void *state, int n, const uint16_t *sel, const Vec *const *args)
{
    *(int64_t *)state += n;
}

static void
count_scatter(AggCtx *c, char **states, size_t offset, int n, const uint16_t *sel, const Vec *const *args)
{
    FOR_ROWS (row, n, sel)
        ++*(int64_t *)(states[row] + offset);
}

static void
count_merge(AggCtx *c, void *state, const void *other)
{
    *(int64_t *)state += *(const int64_t *)other;
}

static Datum
count_final(AggCtx *c, const void *state, bool *isnull)
{
    return int64_datum(*(const int64_t *)state);
}

#define COUNT_IMPL(name, strict_)                                                                    \
    const AggImpl name = {                                                                           \
        .state_bytes = 8,                                                                            \
        .strict = strict_,                                                                           \
        .step = count_step,                                                                          \
        .step_many = count_many,                                                                     \
        .step_scatter = count_scatter,                                                               \
        .merge = count_merge,                                                                        \
        .final = count_final,                                                                        \
    };

COUNT_IMPL(agg_count_star, false)
COUNT_IMPL(agg_count_any, true) /* strict: rows with a null argument never arrive */

/* ---- sum(int2), sum(int4) ---- */

typedef struct IntSum {
    int64_t sum, count;
} IntSum;

static void
int_sum_step(AggCtx *c, void *state, const Datum *args, const bool *nulls)
{
    IntSum *s = state;
    s->sum += datum_int64(args[0]);
    s->count++;
}

KERNEL static int64_t
sum_lanes(const int64_t *v, int n)
{
    int64_t sum = 0;
    for (int i = 0; i < n; i++)
        sum += v[i];
    return sum;
}

static void
int_sum_many(AggCtx *c, void *state, int n, const uint16_t *sel, const Vec *const *args)
{
    IntSum *s = state;
    const int64_t *v = (const int64_t *)args[0]->v;
    if (args[0]->is_const) {
        s->sum += v[0] * n;
    } else if (sel == NULL) {
        s->sum += sum_lanes(v, n);
    } else {
        for (int k = 0; k < n; k++)
            s->sum += v[sel[k]];
    }
    s->count += n;
}

static void
int_sum_scatter(AggCtx *c, char **states, size_t offset, int n, const uint16_t *sel, const Vec *const *args)
{
    FOR_ROWS (row, n, sel) {
        IntSum *s = (IntSum *)(states[row] + offset);
        s->sum += datum_int64(vec_get(args[0], row));
        s->count++;
    }
}

static void
int_sum_merge(AggCtx *c, void *state, const void *other)
{
    IntSum *s = state;
    const IntSum *o = other;
    s->sum += o->sum;
    s->count += o->count;
}

static Datum
int_sum_final(AggCtx *c, const void *state, bool *isnull)
{
    const IntSum *s = state;
    *isnull = s->count == 0;
    return int64_datum(s->sum);
}

const AggImpl agg_sum_int = {
    .state_bytes = sizeof(IntSum),
    .strict = true,
    .step = int_sum_step,
    .step_many = int_sum_many,
    .step_scatter = int_sum_scatter,
    .merge = int_sum_merge,
    .final = int_sum_final,
};

/* avg(int2), avg(int4): the same state, a numeric quotient at the end. */
Datum numeric_quotient_int64(Arena *a, int64_t sum, int64_t count);

static Datum
int_avg_final(AggCtx *c, const void *state, bool *isnull)
{
    const IntSum *s = state;
    if (s->count == 0) {
        *isnull = true;
        return 0;
    }
    return numeric_quotient_int64(c->fn.arena, s->sum, s->count);
}

const AggImpl agg_avg_int = {
    .state_bytes = sizeof(IntSum),
    .strict = true,
    .step = int_sum_step,
    .step_many = int_sum_many,
    .step_scatter = int_sum_scatter,
    .merge = int_sum_merge,
    .final = int_avg_final,
};

/* ---- min, max ---- */

AGG_MIN_LANE(agg_min_int)
AGG_MAX_LANE(agg_max_int)
AGG_MIN(agg_min_uint8, &type_ops_xid8)
AGG_MAX(agg_max_uint8, &type_ops_xid8)

/* ---- bit and bool aggregates: a fold whose first value is taken as it is ---- */

typedef struct Fold {
    Datum value;
    uint64_t has;
} Fold;

#define FOLD(name, OP)                                                                               \
    static void name##_step(AggCtx *c, void *state, const Datum *args, const bool *nulls)            \
    {                                                                                                \
        Fold *s = state;                                                                             \
        s->value = s->has ? s->value OP args[0] : args[0];                                           \
        s->has = 1;                                                                                  \
    }                                                                                                \
    static void name##_many(AggCtx *c, void *state, int n, const uint16_t *sel, const Vec *const *args) \
    {                                                                                                \
        FOR_ROWS (row, n, sel) {                                                                     \
            Datum d = vec_get(args[0], row);                                                         \
            name##_step(c, state, &d, NULL);                                                         \
        }                                                                                            \
    }                                                                                                \
    static void name##_merge(AggCtx *c, void *state, const void *other)                              \
    {                                                                                                \
        const Fold *o = other;                                                                       \
        if (o->has)                                                                                  \
            name##_step(c, state, &o->value, NULL);                                                  \
    }                                                                                                \
    static Datum name##_final(AggCtx *c, const void *state, bool *isnull)                            \
    {                                                                                                \
        const Fold *s = state;                                                                       \
        *isnull = !s->has;                                                                           \
        return s->value;                                                                             \
    }                                                                                                \
    const AggImpl name = {                                                                           \
        .state_bytes = sizeof(Fold),                                                                 \
        .strict = true,                                                                              \
        .step = name##_step,                                                                         \
        .step_many = name##_many,                                                                    \
        .merge = name##_merge,                                                                       \
        .final = name##_final,                                                                       \
    };

FOLD(agg_fold_and, &) /* bit_and, bool_and, every */
FOLD(agg_fold_or, |)  /* bit_or, bool_or */
FOLD(agg_fold_xor, ^)
