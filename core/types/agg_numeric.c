/*
 * Aggregates whose results are numeric: sum and avg of numeric and int8, the variance family of
 * integers and numerics.
 *
 * A Total adds exactly: in 128 bits at one scale while it can, else into an array of limbs that each
 * have room for 2^33 additions before a carry must be passed on, so that adding is one loop without
 * carries. PostgreSQL's results depend on the sum's scale (the largest of the inputs'), which is
 * kept apart from the scale of the 128-bit part.
 */
#include "core/types/agg_minmax.h"
#include "core/types/kernel.h"
#include "core/types/number.h"
#include "core/types/numeric.h"
#include "core/types/ops_list.h"

typedef struct Total {
    Int128Unaligned quick; /* in units of 10^-quick_scale */
    int32_t quick_scale;
    int32_t scale;         /* largest of what was added */
    int64_t *limb;         /* limb[i] has weight `lowest` + i; NULL until needed */
    int32_t lowest, limbs;
    int64_t pending;       /* additions since carries were passed on */
} Total;

/* Two values within it add up inside 128 bits. */
#define QUICK_LIMIT ((Int128)1 << 126)
#define CARRY_AFTER (INT64_C(1) << 32)

static void
pass_carries(Total *t)
{
    int64_t carry = 0;
    for (int i = 0; i < t->limbs; i++) {
        int64_t v = t->limb[i] + carry;
        carry = v / LIMB_BASE;
        t->limb[i] = v % LIMB_BASE;
        if (i == t->limbs - 1)
            t->limb[i] = v; /* the top limb keeps what is beyond */
    }
    t->pending = 0;
}

/* Makes limbs of weights lowest..highest exist, and one more on top for carries. */
static void
cover(Arena *a, Total *t, int lowest, int highest)
{
    highest += 2;
    if (t->limb != NULL && lowest >= t->lowest && highest < t->lowest + t->limbs)
        return;
    if (t->limb != NULL) {
        lowest = MIN(lowest, t->lowest);
        highest = MAX(highest, t->lowest + t->limbs - 1);
    }
    int n = highest - lowest + 1;
    int64_t *limb = arena_alloc0(a, sizeof(int64_t) * (size_t)n);
    if (t->limb != NULL)
        memcpy(limb + (t->lowest - lowest), t->limb, sizeof(int64_t) * (size_t)t->limbs);
    t->limb = limb;
    t->lowest = lowest;
    t->limbs = n;
    pass_carries(t);
}

static void
total_add_num(Arena *a, Total *t, const Num *x)
{
    t->scale = MAX(t->scale, x->scale);
    if (x->n == 0)
        return;
    cover(a, t, x->weight - x->n + 1, x->weight);
    int64_t *at = t->limb + (x->weight - t->lowest);
    for (int i = 0; i < x->n; i++)
        at[-i] += x->negative ? -(int64_t)x->limb[i] : (int64_t)x->limb[i];
    if (++t->pending >= CARRY_AFTER)
        pass_carries(t);
}

/* Moves the 128-bit part into the limbs. scratch is given back. */
static void
flush_quick(Arena *a, Arena *scratch, Total *t)
{
    if (t->quick == 0)
        return;
    ArenaMark mark = arena_mark(scratch);
    Num x;
    num_from_int128(scratch, t->quick, t->quick_scale, &x);
    t->quick = 0;
    if (a != scratch) {
        total_add_num(a, t, &x);
        arena_release(scratch, mark);
    } else {
        total_add_num(a, t, &x);
    }
}

static void
add_wide(Arena *a, Arena *scratch, Total *t, Int128 v, int scale)
{
    flush_quick(a, scratch, t);
    t->quick = v;
    t->quick_scale = scale;
    if (UNLIKELY(v >= QUICK_LIMIT)) /* the square of the smallest int8 */
        flush_quick(a, scratch, t);
}

/* v in units of 10^-scale, |v| <= 2^126. */
static inline void
total_add(Arena *a, Arena *scratch, Total *t, Int128 v, int scale)
{
    if (LIKELY(scale == t->quick_scale)) {
        Int128 sum = t->quick + v;
        if (LIKELY(sum < QUICK_LIMIT && sum > -QUICK_LIMIT))
            t->quick = sum;
        else
            add_wide(a, scratch, t, v, scale);
        return;
    }
    t->scale = MAX(t->scale, scale);
    if (t->quick == 0) {
        t->quick = v;
        t->quick_scale = scale;
        return;
    }
    /* Bring the coarser one to the finer scale if that stays inside 128 bits. */
    int shift = scale - t->quick_scale;
    Int128 coarse = shift > 0 ? t->quick : v, fine = shift > 0 ? v : t->quick;
    int by = shift > 0 ? shift : -shift;
    if (by <= 18 && coarse < QUICK_LIMIT / (int64_t)pow10_u64[by] && coarse > -QUICK_LIMIT / (int64_t)pow10_u64[by]) {
        Int128 sum = coarse * (int64_t)pow10_u64[by] + fine;
        if (sum < QUICK_LIMIT && sum > -QUICK_LIMIT) {
            t->quick = sum;
            t->quick_scale = MAX(scale, t->quick_scale);
            return;
        }
    }
    add_wide(a, scratch, t, v, scale);
}

/* The sum as a number; the state stays usable. */
static void
total_value(Arena *a, const Total *t, Num *out)
{
    Num quick;
    num_from_int128(a, t->quick, t->quick_scale, &quick);
    if (t->limb == NULL) {
        *out = quick;
        out->scale = t->scale;
        return;
    }
    /* Carries: first to limbs in -BASE..BASE, then borrow so that all have the sign of the whole. */
    int n = t->limbs + 3;
    int64_t *limb = arena_alloc0(a, sizeof(int64_t) * (size_t)n);
    int64_t carry = 0;
    for (int i = 0; i < n; i++) {
        int64_t v = (i < t->limbs ? t->limb[i] : 0) + carry;
        carry = v / LIMB_BASE;
        limb[i] = v % LIMB_BASE;
    }
    int top = n - 1;
    while (top >= 0 && limb[top] == 0)
        top--;
    bool negative = top >= 0 && limb[top] < 0;
    for (int i = 0; i <= top; i++) {
        int64_t v = negative ? -limb[i] : limb[i];
        v -= carry;
        carry = v < 0;
        limb[i] = carry ? v + LIMB_BASE : v;
    }
    uint32_t *ordered = arena_alloc(a, sizeof(uint32_t) * (size_t)n);
    int from = 0;
    while (top >= 0 && limb[top] == 0)
        top--;
    while (from < top && limb[from] == 0)
        from++;
    Num sum = num_zero;
    if (top >= 0) {
        for (int i = top; i >= from; i--)
            ordered[top - i] = (uint32_t)limb[i];
        sum = (Num){.limb = ordered, .n = top - from + 1, .weight = t->lowest + top, .negative = negative};
    }
    sum.scale = t->scale;
    num_add(a, &sum, &quick, out);
    out->scale = t->scale;
}

static void
total_merge(Arena *a, Total *t, const Total *o)
{
    Num x;
    total_value(a, o, &x);
    total_add_num(a, t, &x);
}

/* ---- sum and avg of int8: 128 bits hold 2^64 of them ---- */

typedef struct Int8Sum {
    Int128Unaligned sum;
    int64_t count;
} Int8Sum;

static void
int8_sum_step(AggCtx *c, void *state, const Datum *args, const bool *nulls)
{
    Int8Sum *s = state;
    s->sum += datum_int64(args[0]);
    s->count++;
}

/* Halves apart, so that both sums stay in 64 bits and vectorise; the bias makes all values unsigned,
 * since wide registers of older processors have no arithmetic 64-bit shift. */
KERNEL static void
sum_halves(const uint64_t *v, int n, uint64_t *high, uint64_t *low)
{
    uint64_t h = 0, l = 0;
    for (int i = 0; i < n; i++) {
        h += (v[i] ^ UINT64_C(1) << 63) >> 32;
        l += v[i] & 0xFFFFFFFFu;
    }
    *high = h;
    *low = l;
}

static void
int8_sum_many(AggCtx *c, void *state, int n, const uint16_t *sel, const Vec *const *args)
{
    Int8Sum *s = state;
    const int64_t *v = (const int64_t *)args[0]->v;
    Int128 sum = 0;
    if (args[0]->is_const) {
        sum = (Int128)v[0] * n;
    } else if (sel == NULL) {
        uint64_t high, low;
        sum_halves(args[0]->v, n, &high, &low);
        sum = ((Int128)high - ((Int128)n << 31)) * ((int64_t)1 << 32) + low;
    } else {
        for (int k = 0; k < n; k++)
            sum += v[sel[k]];
    }
    s->sum += sum;
    s->count += n;
}

static void
int8_sum_scatter(AggCtx *c, char **states, size_t offset, int n, const uint16_t *sel, const Vec *const *args)
{
    FOR_ROWS (row, n, sel) {
        Int8Sum *s = (Int8Sum *)(states[row] + offset);
        s->sum += datum_int64(vec_get(args[0], row));
        s->count++;
    }
}

static void
int8_sum_merge(AggCtx *c, void *state, const void *other)
{
    Int8Sum *s = state;
    const Int8Sum *o = other;
    s->sum += o->sum;
    s->count += o->count;
}

static Datum
int8_sum_final(AggCtx *c, const void *state, bool *isnull)
{
    const Int8Sum *s = state;
    if (s->count == 0) {
        *isnull = true;
        return 0;
    }
    return numeric_pack_int128(c->fn.arena, s->sum, 0);
}

static Datum
int8_avg_final(AggCtx *c, const void *state, bool *isnull)
{
    const Int8Sum *s = state;
    if (s->count == 0) {
        *isnull = true;
        return 0;
    }
    Arena *a = c->fn.arena;
    return numeric_div(a, numeric_pack_int128(a, s->sum, 0), numeric_from_int64(a, s->count));
}

#define INT8_IMPL(name, final_)                                                                      \
    const AggImpl name = {                                                                           \
        .state_bytes = sizeof(Int8Sum),                                                              \
        .strict = true,                                                                              \
        .step = int8_sum_step,                                                                       \
        .step_many = int8_sum_many,                                                                  \
        .step_scatter = int8_sum_scatter,                                                            \
        .merge = int8_sum_merge,                                                                     \
        .final = final_,                                                                             \
    };
INT8_IMPL(agg_sum_int8, int8_sum_final)
INT8_IMPL(agg_avg_int8, int8_avg_final)

/* ---- sum, avg and variance of numeric ---- */

typedef struct NumericSum {
    int64_t count; /* finite values */
    int64_t nans, infinities, neg_infinities;
    Total x;
    Total xx; /* squares; only the variance family adds to it */
} NumericSum;

#define SUM_BYTES offsetof(NumericSum, xx) /* sum and avg keep no squares */

static void
note_special(NumericSum *s, NumKind kind)
{
    s->nans += kind == NUM_NAN;
    s->infinities += kind == NUM_INF;
    s->neg_infinities += kind == NUM_NEG_INF;
}

static void
add_large(AggCtx *c, NumericSum *s, Datum d, bool squares)
{
    Arena *scratch = c->fn.arena;
    NumKind kind = numeric_kind(d);
    if (kind != NUM_FINITE) {
        note_special(s, kind);
        return;
    }
    Num x, xx;
    numeric_unpack(scratch, d, &x);
    s->count++;
    total_add_num(c->arena, &s->x, &x);
    if (squares) {
        num_mul_exact(scratch, &x, &x, &xx);
        total_add_num(c->arena, &s->xx, &xx);
    }
}

static inline void
numeric_sum_add(AggCtx *c, NumericSum *s, Datum d)
{
    int64_t v;
    int scale;
    if (LIKELY(numeric_small(d, &v, &scale))) {
        s->count++;
        total_add(c->arena, c->fn.arena, &s->x, v, scale);
    } else {
        add_large(c, s, d, false);
    }
}

static inline void
numeric_square_add(AggCtx *c, NumericSum *s, Datum d)
{
    int64_t v;
    int scale;
    if (LIKELY(numeric_small(d, &v, &scale))) {
        s->count++;
        total_add(c->arena, c->fn.arena, &s->x, v, scale);
        total_add(c->arena, c->fn.arena, &s->xx, (Int128)v * v, 2 * scale);
    } else {
        add_large(c, s, d, true);
    }
}

static void
numeric_sum_step(AggCtx *c, void *state, const Datum *args, const bool *nulls)
{
    numeric_sum_add(c, state, args[0]);
}

static void
numeric_sum_many(AggCtx *c, void *state, int n, const uint16_t *sel, const Vec *const *args)
{
    FOR_ROWS (row, n, sel)
        numeric_sum_add(c, state, vec_get(args[0], row));
}

static void
numeric_sum_scatter(AggCtx *c, char **states, size_t offset, int n, const uint16_t *sel, const Vec *const *args)
{
    FOR_ROWS (row, n, sel)
        numeric_sum_add(c, (NumericSum *)(states[row] + offset), vec_get(args[0], row));
}

static void
merge_counts(NumericSum *s, const NumericSum *o)
{
    s->count += o->count;
    s->nans += o->nans;
    s->infinities += o->infinities;
    s->neg_infinities += o->neg_infinities;
}

static void
numeric_sum_merge(AggCtx *c, void *state, const void *other)
{
    NumericSum *s = state;
    const NumericSum *o = other;
    merge_counts(s, o);
    total_merge(c->arena, &s->x, &o->x);
}

/* NaN and infinities decide alone; false: only finite values were seen. */
static bool
special_sum(Arena *a, const NumericSum *s, Datum *out)
{
    if (s->nans == 0 && s->infinities == 0 && s->neg_infinities == 0)
        return false;
    if (s->nans > 0 || (s->infinities > 0 && s->neg_infinities > 0))
        *out = numeric_pack_special(a, NUM_NAN);
    else
        *out = numeric_pack_special(a, s->infinities > 0 ? NUM_INF : NUM_NEG_INF);
    return true;
}

static Datum
numeric_sum_final(AggCtx *c, const void *state, bool *isnull)
{
    const NumericSum *s = state;
    Arena *a = c->fn.arena;
    Datum special;
    Num sum;
    if (special_sum(a, s, &special))
        return special;
    if (s->count == 0) {
        *isnull = true;
        return 0;
    }
    if (LIKELY(s->x.limb == NULL && s->x.quick_scale == s->x.scale))
        return numeric_pack_int128(a, s->x.quick, s->x.scale);
    total_value(a, &s->x, &sum);
    return numeric_pack(a, &sum);
}

static Datum
numeric_avg_final(AggCtx *c, const void *state, bool *isnull)
{
    const NumericSum *s = state;
    Datum sum = numeric_sum_final(c, state, isnull);
    if (*isnull || numeric_kind(sum) != NUM_FINITE)
        return sum;
    return numeric_div(c->fn.arena, sum, numeric_from_int64(c->fn.arena, s->count));
}

#define SUM_IMPL(name, final_)                                                                       \
    const AggImpl name = {                                                                           \
        .state_bytes = SUM_BYTES,                                                                    \
        .strict = true,                                                                              \
        .step = numeric_sum_step,                                                                    \
        .step_many = numeric_sum_many,                                                               \
        .step_scatter = numeric_sum_scatter,                                                         \
        .merge = numeric_sum_merge,                                                                  \
        .final = final_,                                                                             \
    };
SUM_IMPL(agg_sum_numeric, numeric_sum_final)
SUM_IMPL(agg_avg_numeric, numeric_avg_final)

AGG_MIN(agg_min_numeric, &type_ops_numeric)
AGG_MAX(agg_max_numeric, &type_ops_numeric)

/* ---- variance: (n * sum(x^2) - sum(x)^2) / (n * (n - 1)) or n^2, exactly but for the last division ---- */

static Datum
variance(Arena *a, int64_t count, const Num *sum, const Num *squares, bool sample, bool root)
{
    Num n, less, left, right, top, bottom, r;
    num_from_int64(a, count, &n);
    num_mul_exact(a, &n, squares, &left);
    num_mul_exact(a, sum, sum, &right);
    num_sub(a, &left, &right, &top);
    if (top.n == 0 || top.negative)
        return numeric_pack_small(a, 0, 0);
    top.scale = sum->scale * 2;
    num_from_int64(a, sample ? count - 1 : count, &less);
    num_mul_exact(a, &n, &less, &bottom);
    int scale = num_div_scale(&top, &bottom);
    num_div(a, &top, &bottom, scale, true, &r);
    if (root) {
        Num variance_value = r;
        num_sqrt(a, &variance_value, scale, &r);
    }
    return numeric_pack(a, &r);
}

static void
numeric_square_step(AggCtx *c, void *state, const Datum *args, const bool *nulls)
{
    numeric_square_add(c, state, args[0]);
}

static void
numeric_square_many(AggCtx *c, void *state, int n, const uint16_t *sel, const Vec *const *args)
{
    FOR_ROWS (row, n, sel)
        numeric_square_add(c, state, vec_get(args[0], row));
}

static void
numeric_square_merge(AggCtx *c, void *state, const void *other)
{
    NumericSum *s = state;
    const NumericSum *o = other;
    merge_counts(s, o);
    total_merge(c->arena, &s->x, &o->x);
    total_merge(c->arena, &s->xx, &o->xx);
}

/* Integers: the same totals at scale 0. */
static void
int_square_step(AggCtx *c, void *state, const Datum *args, const bool *nulls)
{
    NumericSum *s = state;
    int64_t v = datum_int64(args[0]);
    s->count++;
    total_add(c->arena, c->fn.arena, &s->x, v, 0);
    total_add(c->arena, c->fn.arena, &s->xx, (Int128)v * v, 0);
}

static void
int_square_many(AggCtx *c, void *state, int n, const uint16_t *sel, const Vec *const *args)
{
    FOR_ROWS (row, n, sel) {
        Datum d = vec_get(args[0], row);
        int_square_step(c, state, &d, NULL);
    }
}

static Datum
variance_final(AggCtx *c, const NumericSum *s, bool sample, bool root, bool *isnull)
{
    Arena *a = c->fn.arena;
    int64_t total = s->count + s->nans + s->infinities + s->neg_infinities;
    if (total <= (sample ? 1 : 0)) {
        *isnull = true;
        return 0;
    }
    if (total != s->count)
        return numeric_pack_special(a, NUM_NAN);
    Num sum, squares;
    total_value(a, &s->x, &sum);
    total_value(a, &s->xx, &squares);
    return variance(a, s->count, &sum, &squares, sample, root);
}

#define VARIANCE_FINAL(name, sample, root)                                                           \
    static Datum name##_final(AggCtx *c, const void *state, bool *isnull)                            \
    {                                                                                                \
        return variance_final(c, state, sample, root, isnull);                                       \
    }

VARIANCE_FINAL(var_pop, false, false)
VARIANCE_FINAL(var_samp, true, false)
VARIANCE_FINAL(stddev_pop, false, true)
VARIANCE_FINAL(stddev_samp, true, true)

#define VARIANCE_IMPL(name, final_, step_, many_)                                                    \
    const AggImpl name = {                                                                           \
        .state_bytes = sizeof(NumericSum),                                                           \
        .strict = true,                                                                              \
        .step = step_,                                                                               \
        .step_many = many_,                                                                          \
        .merge = numeric_square_merge,                                                               \
        .final = final_,                                                                             \
    };

#define VARIANCE_IMPLS(name)                                                                         \
    VARIANCE_IMPL(agg_##name##_numeric, name##_final, numeric_square_step, numeric_square_many)      \
    VARIANCE_IMPL(agg_##name##_int8, name##_final, int_square_step, int_square_many)                 \
    VARIANCE_IMPL(agg_##name##_int, name##_final, int_square_step, int_square_many)

VARIANCE_IMPLS(var_pop)
VARIANCE_IMPLS(var_samp)
VARIANCE_IMPLS(stddev_pop)
VARIANCE_IMPLS(stddev_samp)
