/*
 * Filters for comparisons of types whose lanes order as signed integers (int2, int4, int8, oid, date,
 * time, timestamp, timestamptz, and int2/int4/int8 mixed: lanes are sign-extended): one loop from two
 * columns, or a column and a constant, to a selection.
 */
#include "core/sql/exec/exec_internal.h"

/* Where either side is null, the row goes. */
static int
drop_nulls(const Vec *a, const Vec *b, uint16_t *rows, int n)
{
    int k = 0;

    for (int i = 0; i < n; i++) {
        int row = rows[i];
        rows[k] = (uint16_t)row;
        k += !vec_null(a, row) && !vec_null(b, row);
    }
    return k;
}

#define COMPARE_LOOP(X, OP, Y)                                                                       \
    if (sel == NULL) {                                                                               \
        for (int row = 0; row < n; row++) {                                                          \
            out[k] = (uint16_t)row;                                                                  \
            k += (X)OP(Y);                                                                           \
        }                                                                                            \
    } else {                                                                                         \
        for (int j = 0; j < n; j++) {                                                                \
            const int row = sel[j];                                                                  \
            out[k] = (uint16_t)row;                                                                  \
            k += (X)OP(Y);                                                                           \
        }                                                                                            \
    }

#define COMPARE_FILTER(name, OP)                                                                     \
    static int name(Prim *p, int n, const uint16_t *sel, uint16_t *out)                              \
    {                                                                                                \
        const Vec *a = prim_eval(p->args[0], n, sel), *b = prim_eval(p->args[1], n, sel);            \
        const int64_t *x = (const int64_t *)a->v, *y = (const int64_t *)b->v;                        \
        int k = 0;                                                                                   \
        if (a->is_const && b->is_const) {                                                            \
            if (vec_null(a, 0) || vec_null(b, 0) || !(x[0] OP y[0]))                                 \
                return 0;                                                                            \
            rows_all(out, n, sel);                                                                   \
            return n;                                                                                \
        }                                                                                            \
        if (b->is_const) {                                                                           \
            const int64_t c = y[0];                                                                  \
            COMPARE_LOOP(x[row], OP, c)                                                              \
        } else if (a->is_const) {                                                                    \
            const int64_t c = x[0];                                                                  \
            COMPARE_LOOP(c, OP, y[row])                                                              \
        } else {                                                                                     \
            COMPARE_LOOP(x[row], OP, y[row])                                                         \
        }                                                                                            \
        return a->has_nulls | b->has_nulls ? drop_nulls(a, b, out, k) : k;                           \
    }

COMPARE_FILTER(filter_eq, ==)
COMPARE_FILTER(filter_ne, !=)
COMPARE_FILTER(filter_lt, <)
COMPARE_FILTER(filter_le, <=)
COMPARE_FILTER(filter_gt, >)
COMPARE_FILTER(filter_ge, >=)

/* The kernels that all such types share (core/types/int_kernels.c) tell which functions these are. */
#define KERNEL_DECL(name)                                                                          \
    int name(FnCtx *c, int n, const uint16_t *sel, const Vec *const *args, Vec *out)
KERNEL_DECL(batch_int_eq);
KERNEL_DECL(batch_int_ne);
KERNEL_DECL(batch_int_lt);
KERNEL_DECL(batch_int_le);
KERNEL_DECL(batch_int_gt);
KERNEL_DECL(batch_int_ge);

void
compile_compare(Prim *p)
{
    static const struct { BatchFn batch; PrimFilter filter; } filters[] = {
        {batch_int_eq, filter_eq}, {batch_int_ne, filter_ne}, {batch_int_lt, filter_lt},
        {batch_int_le, filter_le}, {batch_int_gt, filter_gt}, {batch_int_ge, filter_ge},
    };

    if (p->nargs != 2 || p->batch == NULL)
        return;
    for (size_t i = 0; i < COUNT_OF(filters); i++)
        if (filters[i].batch == p->batch)
            p->filter = filters[i].filter;
}
