/*
 * Batch kernels over float8 and float4: PostgreSQL's order (NaN equal to itself and above all else),
 * and arithmetic that reports rows whose result overflowed or underflowed from finite arguments.
 */
#include "core/types/kernel.h"

/* x != x only for NaN; written so that the compiler keeps it branch-free. */
#define IS_NAN(x) ((x) != (x))
#define F_EQ ((x == y) | (IS_NAN(x) & IS_NAN(y)))
#define F_LT ((x < y) | (IS_NAN(y) & !IS_NAN(x)))
#define F_LE ((x <= y) | IS_NAN(y))
#define F_GT ((y < x) | (IS_NAN(x) & !IS_NAN(y)))
#define F_GE ((y <= x) | IS_NAN(x))

#define COMPARISONS(prefix, T, load)                                                                 \
    KERNEL_BINARY(batch_##prefix##_eq, T, load, to_lane_int, F_EQ)                                   \
    KERNEL_BINARY(batch_##prefix##_ne, T, load, to_lane_int, !(F_EQ))                                \
    KERNEL_BINARY(batch_##prefix##_lt, T, load, to_lane_int, F_LT)                                   \
    KERNEL_BINARY(batch_##prefix##_le, T, load, to_lane_int, F_LE)                                   \
    KERNEL_BINARY(batch_##prefix##_gt, T, load, to_lane_int, F_GT)                                   \
    KERNEL_BINARY(batch_##prefix##_ge, T, load, to_lane_int, F_GE)

COMPARISONS(float8, double, lane_double)
COMPARISONS(float4, float, lane_float)

#define IS_INF(x) (__builtin_fabs(x) == (double)__builtin_inff())
#define OVERFLOWED (uint64_t)(IS_INF(r) & !IS_INF(x) & !IS_INF(y))

#define ARITHMETIC(prefix, T, load, store)                                                           \
    KERNEL_CHECKED(batch_##prefix##_add, T, T, load, store, x + y, OVERFLOWED)                       \
    KERNEL_CHECKED(batch_##prefix##_sub, T, T, load, store, x - y, OVERFLOWED)                       \
    KERNEL_CHECKED(batch_##prefix##_mul, T, T, load, store, x *y,                                    \
                   OVERFLOWED | (uint64_t)((r == 0) & (x != 0) & (y != 0)))                          \
    KERNEL_CHECKED(batch_##prefix##_div, T, T, load, store, x / y,                                   \
                   (uint64_t)((y == 0) & !IS_NAN(x)) | (uint64_t)(IS_INF(r) & !IS_INF(x)) |          \
                       (uint64_t)((r == 0) & (x != 0) & !IS_INF(y)))

ARITHMETIC(float8, double, lane_double, to_lane_double)
ARITHMETIC(float4, float, lane_float, to_lane_float)

KERNEL_UNARY(batch_float8_from_float4, float, lane_float, to_lane_double, (double)x)
KERNEL_UNARY(batch_float8_neg, double, lane_double, to_lane_double, -x)
