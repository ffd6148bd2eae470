/*
 * Comparison of text, bpchar, name and bytea in all the forms SQL names: operators, btree support,
 * pattern operators (by bytes whatever the collation), hash functions, min and max; and kernels
 * over batches for the operators that filters use.
 */
#include "core/types/collation.h"
#include "core/types/pg_hash.h"
#include "core/types/text_type.h"

/* ---- scalar ---- */

#define COMPARE_FN(name, left, right, order, test)                                                   \
    Datum name(FnCtx *c, const Datum *args, bool *isnull)                                            \
    {                                                                                                \
        return bool_datum(order(c, left(args[0]), right(args[1])) test 0);                           \
    }
#define COMPARE_SET(prefix, suffix, left, right, order)                                              \
    COMPARE_FN(prefix##lt##suffix, left, right, order, <)                                            \
    COMPARE_FN(prefix##le##suffix, left, right, order, <=)                                           \
    COMPARE_FN(prefix##gt##suffix, left, right, order, >)                                            \
    COMPARE_FN(prefix##ge##suffix, left, right, order, >=)
#define CMP_FN(name, left, right, order)                                                             \
    Datum name(FnCtx *c, const Datum *args, bool *isnull)                                            \
    {                                                                                                \
        return int32_datum(order(c, left(args[0]), right(args[1])));                                 \
    }

static inline int
by_collation(FnCtx *c, Span a, Span b)
{
    if (UNLIKELY(c->collation == 0))
        collation_require(0, "string comparison");
    return span_compare(c->collation, a, b);
}

static inline int
by_bytes(FnCtx *c, Span a, Span b)
{
    return span_memcmp(a, b);
}

static inline bool
equal_by_collation(FnCtx *c, Span a, Span b)
{
    if (LIKELY(collation_is_deterministic(c->collation)))
        return span_equal(a, b);
    return span_compare(c->collation, a, b) == 0;
}

#define EQUAL_FN(name, left, right, expected)                                                        \
    Datum name(FnCtx *c, const Datum *args, bool *isnull)                                            \
    {                                                                                                \
        return bool_datum(equal_by_collation(c, left(args[0]), right(args[1])) == (expected));       \
    }

EQUAL_FN(fn_texteq, var_span, var_span, true)
EQUAL_FN(fn_textne, var_span, var_span, false)
COMPARE_SET(fn_text_, , var_span, var_span, by_collation)
CMP_FN(fn_bttextcmp, var_span, var_span, by_collation)
COMPARE_SET(fn_text_pattern_, , var_span, var_span, by_bytes)
CMP_FN(fn_bttext_pattern_cmp, var_span, var_span, by_bytes)

EQUAL_FN(fn_bpchareq, bpchar_span, bpchar_span, true)
EQUAL_FN(fn_bpcharne, bpchar_span, bpchar_span, false)
COMPARE_SET(fn_bpchar, , bpchar_span, bpchar_span, by_collation)
CMP_FN(fn_bpcharcmp, bpchar_span, bpchar_span, by_collation)
COMPARE_SET(fn_bpchar_pattern_, , bpchar_span, bpchar_span, by_bytes)
CMP_FN(fn_btbpchar_pattern_cmp, bpchar_span, bpchar_span, by_bytes)

EQUAL_FN(fn_nameeq, name_span, name_span, true)
EQUAL_FN(fn_namene, name_span, name_span, false)
COMPARE_SET(fn_name, , name_span, name_span, by_collation)
CMP_FN(fn_btnamecmp, name_span, name_span, by_collation)
EQUAL_FN(fn_nameeqtext, name_span, var_span, true)
EQUAL_FN(fn_namenetext, name_span, var_span, false)
COMPARE_SET(fn_name, text, name_span, var_span, by_collation)
CMP_FN(fn_btnametextcmp, name_span, var_span, by_collation)
EQUAL_FN(fn_texteqname, var_span, name_span, true)
EQUAL_FN(fn_textnename, var_span, name_span, false)
COMPARE_SET(fn_text, name, var_span, name_span, by_collation)
CMP_FN(fn_bttextnamecmp, var_span, name_span, by_collation)

Datum
fn_byteaeq(FnCtx *c, const Datum *args, bool *isnull)
{
    return bool_datum(var_equal(args[0], args[1]));
}

Datum
fn_byteane(FnCtx *c, const Datum *args, bool *isnull)
{
    return bool_datum(!var_equal(args[0], args[1]));
}
COMPARE_SET(fn_bytea, , var_span, var_span, by_bytes)
CMP_FN(fn_byteacmp, var_span, var_span, by_bytes)

Datum
fn_text_larger(FnCtx *c, const Datum *args, bool *isnull)
{
    return by_collation(c, var_span(args[0]), var_span(args[1])) > 0 ? args[0] : args[1];
}

Datum
fn_text_smaller(FnCtx *c, const Datum *args, bool *isnull)
{
    return by_collation(c, var_span(args[0]), var_span(args[1])) < 0 ? args[0] : args[1];
}

Datum
fn_bpchar_larger(FnCtx *c, const Datum *args, bool *isnull)
{
    return by_collation(c, bpchar_span(args[0]), bpchar_span(args[1])) >= 0 ? args[0] : args[1];
}

Datum
fn_bpchar_smaller(FnCtx *c, const Datum *args, bool *isnull)
{
    return by_collation(c, bpchar_span(args[0]), bpchar_span(args[1])) <= 0 ? args[0] : args[1];
}

/* ---- hash functions, PostgreSQL's numbers ---- */

static Span
hashed_form(FnCtx *c, Span s)
{
    if (UNLIKELY(c->collation == 0))
        collation_require(0, "string hashing");
    if (LIKELY(collation_is_deterministic(c->collation)))
        return s;
    StrBuf key;
    str_init(&key, c->arena);
    collation_key(c->collation, s.p, s.n, &key);
    return (Span){key.data, key.len + 1}; /* ICU's closing zero counts */
}

#define HASH_FN(name, span)                                                                          \
    Datum name(FnCtx *c, const Datum *args, bool *isnull)                                            \
    {                                                                                                \
        Span s = span;                                                                               \
        return int32_datum((int32_t)pg_hash_bytes(s.p, s.n));                                        \
    }                                                                                                \
    Datum name##extended(FnCtx *c, const Datum *args, bool *isnull)                                  \
    {                                                                                                \
        Span s = span;                                                                               \
        return int64_datum((int64_t)pg_hash_bytes_extended(s.p, s.n, (uint64_t)args[1]));            \
    }
HASH_FN(fn_hashtext, hashed_form(c, var_span(args[0])))
HASH_FN(fn_hashbpchar, hashed_form(c, bpchar_span(args[0])))
HASH_FN(fn_hashname, name_span(args[0]))
HASH_FN(fn_hashvarlena, var_span(args[0]))

/* ---- kernels ---- */

/* Equality of lengths settles most rows before any byte of the text is read. */
static int
equal_batch(FnCtx *c, int n, const uint16_t *sel, const Vec *const *args, Vec *out, bool expected)
{
    const Vec *l = args[0], *r = args[1];

    if (l->is_const) {
        const Vec *swap = l;
        l = r;
        r = swap;
    }
    if (r->is_const && !l->is_const) {
        Span k = var_span(r->v[0]);
        FOR_ROWS(row, n, sel) {
            Datum d = l->v[row];
            out->v[row] = (var_len(d) == k.n && memcmp(var_data(d), k.p, k.n) == 0) == expected;
        }
    } else {
        FOR_ROWS(row, n, sel)
            out->v[row] = var_equal(vec_get(l, row), vec_get(r, row)) == expected;
    }
    return -1;
}

static int
order_batch(FnCtx *c, int n, const uint16_t *sel, const Vec *const *args, Vec *out, ScalarFn scalar,
            bool less, bool or_equal)
{
    const Vec *l = args[0], *r = args[1];

    if (UNLIKELY(c->collation == 0))
        return n > 0 ? (sel ? sel[0] : 0) : -1;
    if (collation_is_c(c->collation)) {
        FOR_ROWS(row, n, sel) {
            int cmp = span_memcmp(var_span(vec_get(l, row)), var_span(vec_get(r, row)));
            out->v[row] = cmp == 0 ? or_equal : (cmp < 0) == less;
        }
    } else {
        FOR_ROWS(row, n, sel) {
            Datum pair[2] = {vec_get(l, row), vec_get(r, row)};
            bool isnull = false;
            out->v[row] = scalar(c, pair, &isnull);
        }
    }
    return -1;
}

#define EQUAL_BATCH(name, scalar, expected)                                                          \
    int name(FnCtx *c, int n, const uint16_t *sel, const Vec *const *args, Vec *out)                 \
    {                                                                                                \
        if (UNLIKELY(!collation_is_deterministic(c->collation)))                                     \
            return order_batch(c, n, sel, args, out, scalar, false, false);                          \
        return equal_batch(c, n, sel, args, out, expected);                                          \
    }
EQUAL_BATCH(fnb_texteq, fn_texteq, true)
EQUAL_BATCH(fnb_textne, fn_textne, false)

#define ORDER_BATCH(name, scalar, less, or_equal)                                                    \
    int name(FnCtx *c, int n, const uint16_t *sel, const Vec *const *args, Vec *out)                 \
    {                                                                                                \
        return order_batch(c, n, sel, args, out, scalar, less, or_equal);                            \
    }
ORDER_BATCH(fnb_text_lt, fn_text_lt, true, false)
ORDER_BATCH(fnb_text_le, fn_text_le, true, true)
ORDER_BATCH(fnb_text_gt, fn_text_gt, false, false)
ORDER_BATCH(fnb_text_ge, fn_text_ge, false, true)

/* ---- min and max: the best value so far, in a buffer that only grows ---- */

typedef struct BestState {
    char *value;
    uint32_t cap;
    bool any;
} BestState;

static inline void
keep_best(AggCtx *c, BestState *s, Datum d, bool larger, Span (*span)(Datum))
{
    if (s->any) {
        int cmp = by_collation(&c->fn, span(d), span(ptr_datum(s->value)));
        if (larger ? cmp <= 0 : cmp >= 0)
            return;
    }
    uint32_t size = var_size(datum_ptr(d));
    if (size > s->cap) {
        s->cap = MAX(size, 32) * 2;
        s->value = arena_alloc(c->arena, s->cap);
    }
    memcpy(s->value, datum_ptr(d), size);
    s->any = true;
}

static Datum
best_final(AggCtx *c, const void *state, bool *isnull)
{
    const BestState *s = state;

    if (!s->any) {
        *isnull = true;
        return 0;
    }
    return datum_copy(c->fn.arena, ptr_datum(s->value), false, -1);
}

#define BEST_AGG(name, larger, span)                                                                 \
    static void name##_step(AggCtx *c, void *state, const Datum *args, const bool *nulls)            \
    {                                                                                                \
        keep_best(c, state, args[0], larger, span);                                                  \
    }                                                                                                \
    static void name##_many(AggCtx *c, void *state, int n, const uint16_t *sel,                      \
                            const Vec *const *args)                                                  \
    {                                                                                                \
        FOR_ROWS(row, n, sel)                                                                        \
            keep_best(c, state, vec_get(args[0], row), larger, span);                                \
    }                                                                                                \
    static void name##_merge(AggCtx *c, void *state, const void *other)                              \
    {                                                                                                \
        const BestState *o = other;                                                                  \
        if (o->any)                                                                                  \
            keep_best(c, state, ptr_datum(o->value), larger, span);                                  \
    }                                                                                                \
    const AggImpl name = {                                                                           \
        .state_bytes = sizeof(BestState),                                                            \
        .strict = true,                                                                              \
        .step = name##_step,                                                                         \
        .step_many = name##_many,                                                                    \
        .merge = name##_merge,                                                                       \
        .final = best_final,                                                                         \
    };
BEST_AGG(agg_max_text, true, var_span)
BEST_AGG(agg_min_text, false, var_span)
BEST_AGG(agg_max_bpchar, true, bpchar_span)
BEST_AGG(agg_min_bpchar, false, bpchar_span)
