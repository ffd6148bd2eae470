/*
 * min() and max() for any type with an order: AGG_MIN and AGG_MAX define the AggImpl of a type from
 * its TypeOps; AGG_MIN_LANE and AGG_MAX_LANE that of a type whose lanes compare as signed integers
 * (int2/4/8, oid, bool, date, time, timestamp ...), with tight loops.
 *
 *   AGG_MAX(agg_max_text, &type_ops_text)      AGG_MAX_LANE(agg_max_date)
 *
 * A by-reference value is copied into a buffer of the group that is reused while values fit.
 */
#ifndef CORE_TYPES_AGG_MINMAX_H
#define CORE_TYPES_AGG_MINMAX_H

#include "core/types/type.h"

typedef struct AggMinMax {
    Datum value;
    uint32_t capacity; /* bytes at value, by-reference types only */
    uint32_t has;
} AggMinMax;

static inline void
agg_minmax_keep(AggCtx *c, AggMinMax *s, Datum d, const TypeOps *ops)
{
    s->has = 1;
    if (ops->byval) {
        s->value = d;
        return;
    }
    size_t n = datum_bytes(d, ops->len);
    if (n > s->capacity) {
        size_t room = MAX(n + n / 2, 32);
        s->value = ptr_datum(arena_alloc(c->arena, room));
        s->capacity = (uint32_t)room;
    }
    memcpy((char *)(uintptr_t)s->value, datum_ptr(d), n);
}

static inline void
agg_minmax_step(AggCtx *c, AggMinMax *s, Datum d, const TypeOps *ops, int sign)
{
    if (!s->has || sign * ops->cmp(d, s->value, c->fn.collation) > 0)
        agg_minmax_keep(c, s, d, ops);
}

#define AGG_MINMAX_(name, ops, sign)                                                                 \
    static void name##_step(AggCtx *c, void *state, const Datum *args, const bool *nulls)            \
    {                                                                                                \
        agg_minmax_step(c, state, args[0], ops, sign);                                               \
    }                                                                                                \
    static void name##_many(AggCtx *c, void *state, int n, const uint16_t *sel, const Vec *const *args) \
    {                                                                                                \
        FOR_ROWS (row, n, sel)                                                                       \
            agg_minmax_step(c, state, vec_get(args[0], row), ops, sign);                             \
    }                                                                                                \
    static void name##_merge(AggCtx *c, void *state, const void *other)                              \
    {                                                                                                \
        const AggMinMax *o = other;                                                                  \
        if (o->has)                                                                                  \
            agg_minmax_step(c, state, o->value, ops, sign);                                          \
    }                                                                                                \
    static Datum name##_final(AggCtx *c, const void *state, bool *isnull)                            \
    {                                                                                                \
        const AggMinMax *s = state;                                                                  \
        *isnull = !s->has;                                                                           \
        return s->value;                                                                             \
    }                                                                                                \
    const AggImpl name = {                                                                           \
        .state_bytes = sizeof(AggMinMax),                                                            \
        .strict = true,                                                                              \
        .step = name##_step,                                                                         \
        .step_many = name##_many,                                                                    \
        .merge = name##_merge,                                                                       \
        .final = name##_final,                                                                       \
    };

#define AGG_MIN(name, ops) AGG_MINMAX_(name, ops, -1)
#define AGG_MAX(name, ops) AGG_MINMAX_(name, ops, 1)

#define AGG_MINMAX_LANE_(name, OP)                                                                   \
    static void name##_step(AggCtx *c, void *state, const Datum *args, const bool *nulls)            \
    {                                                                                                \
        AggMinMax *s = state;                                                                        \
        if (!s->has || (int64_t)args[0] OP(int64_t) s->value)                                        \
            s->value = args[0];                                                                      \
        s->has = 1;                                                                                  \
    }                                                                                                \
    static void name##_many(AggCtx *c, void *state, int n, const uint16_t *sel, const Vec *const *args) \
    {                                                                                                \
        AggMinMax *s = state;                                                                        \
        if (n == 0)                                                                                  \
            return;                                                                                  \
        const int64_t *v = (const int64_t *)args[0]->v;                                              \
        int64_t best = s->has ? (int64_t)s->value : v[args[0]->is_const || !sel ? 0 : sel[0]];       \
        if (args[0]->is_const) {                                                                     \
            best = v[0] OP best ? v[0] : best;                                                       \
        } else if (sel == NULL) {                                                                    \
            for (int i = 0; i < n; i++)                                                              \
                best = v[i] OP best ? v[i] : best;                                                   \
        } else {                                                                                     \
            for (int k = 0; k < n; k++)                                                              \
                best = v[sel[k]] OP best ? v[sel[k]] : best;                                         \
        }                                                                                            \
        s->value = (Datum)best;                                                                      \
        s->has = 1;                                                                                  \
    }                                                                                                \
    static void name##_scatter(AggCtx *c, char **states, size_t offset, int n, const uint16_t *sel,  \
                               const Vec *const *args)                                               \
    {                                                                                                \
        FOR_ROWS (row, n, sel) {                                                                     \
            AggMinMax *s = (AggMinMax *)(states[row] + offset);                                      \
            int64_t v = (int64_t)vec_get(args[0], row);                                              \
            if (!s->has || v OP(int64_t) s->value)                                                   \
                s->value = (Datum)v;                                                                 \
            s->has = 1;                                                                              \
        }                                                                                            \
    }                                                                                                \
    static void name##_merge(AggCtx *c, void *state, const void *other)                              \
    {                                                                                                \
        const AggMinMax *o = other;                                                                  \
        if (o->has)                                                                                  \
            name##_step(c, state, &o->value, NULL);                                                  \
    }                                                                                                \
    static Datum name##_final(AggCtx *c, const void *state, bool *isnull)                            \
    {                                                                                                \
        const AggMinMax *s = state;                                                                  \
        *isnull = !s->has;                                                                           \
        return s->value;                                                                             \
    }                                                                                                \
    const AggImpl name = {                                                                           \
        .state_bytes = sizeof(AggMinMax),                                                            \
        .strict = true,                                                                              \
        .step = name##_step,                                                                         \
        .step_many = name##_many,                                                                    \
        .step_scatter = name##_scatter,                                                              \
        .merge = name##_merge,                                                                       \
        .final = name##_final,                                                                       \
    };

#define AGG_MIN_LANE(name) AGG_MINMAX_LANE_(name, <)
#define AGG_MAX_LANE(name) AGG_MINMAX_LANE_(name, >)

#endif
