/*
 * Batch kernels over integers. Lanes are sign-extended, so one comparison kernel serves int2, int4,
 * int8 and every mix of them, and oid, bool and "char" whose lanes are never negative.
 */
#include "core/types/kernel.h"

KERNEL_BINARY(batch_int_eq, int64_t, lane_int, to_lane_int, x == y)
KERNEL_BINARY(batch_int_ne, int64_t, lane_int, to_lane_int, x != y)
KERNEL_BINARY(batch_int_lt, int64_t, lane_int, to_lane_int, x < y)
KERNEL_BINARY(batch_int_le, int64_t, lane_int, to_lane_int, x <= y)
KERNEL_BINARY(batch_int_gt, int64_t, lane_int, to_lane_int, x > y)
KERNEL_BINARY(batch_int_ge, int64_t, lane_int, to_lane_int, x >= y)
KERNEL_BINARY(batch_int_larger, int64_t, lane_int, to_lane_int, x > y ? x : y)
KERNEL_BINARY(batch_int_smaller, int64_t, lane_int, to_lane_int, x < y ? x : y)

KERNEL_BINARY(batch_int_and, int64_t, lane_int, to_lane_int, x & y)
KERNEL_BINARY(batch_int_or, int64_t, lane_int, to_lane_int, x | y)
KERNEL_BINARY(batch_int_xor, int64_t, lane_int, to_lane_int, x ^ y)
KERNEL_UNARY(batch_int_not, int64_t, lane_int, to_lane_int, ~x)

/* A lane outside of its width has bits above it after shifting the range to start at zero. */
#define OUT_OF_INT2 ((uint64_t)(r + INT64_C(0x8000)) >> 16)
#define OUT_OF_INT4 ((uint64_t)(r + INT64_C(0x80000000)) >> 32)

KERNEL_CHECKED(batch_int2_add, int64_t, int64_t, lane_int, to_lane_int, x + y, OUT_OF_INT2)
KERNEL_CHECKED(batch_int2_sub, int64_t, int64_t, lane_int, to_lane_int, x - y, OUT_OF_INT2)
KERNEL_CHECKED(batch_int2_mul, int64_t, int64_t, lane_int, to_lane_int, (int64_t)(int32_t)x * (int32_t)y, OUT_OF_INT2)
KERNEL_CHECKED(batch_int4_add, int64_t, int64_t, lane_int, to_lane_int, x + y, OUT_OF_INT4)
KERNEL_CHECKED(batch_int4_sub, int64_t, int64_t, lane_int, to_lane_int, x - y, OUT_OF_INT4)
KERNEL_CHECKED(batch_int4_mul, int64_t, int64_t, lane_int, to_lane_int, (int64_t)(int32_t)x * (int32_t)y, OUT_OF_INT4)

/* The sum overflowed when its sign differs from both summands'. */
KERNEL_CHECKED(batch_int8_add, int64_t, int64_t, lane_int, to_lane_int, (int64_t)((uint64_t)x + (uint64_t)y),
               (uint64_t)((x ^ r) & (y ^ r)) >> 63)
KERNEL_CHECKED(batch_int8_sub, int64_t, int64_t, lane_int, to_lane_int, (int64_t)((uint64_t)x - (uint64_t)y),
               (uint64_t)((x ^ y) & (x ^ r)) >> 63)

static inline bool
mul_overflows(int64_t x, int64_t y)
{
    int64_t r;
    return __builtin_mul_overflow(x, y, &r);
}
KERNEL_CHECKED(batch_int8_mul, int64_t, int64_t, lane_int, to_lane_int, (int64_t)((uint64_t)x * (uint64_t)y),
               mul_overflows(x, y))

/* A quotient that cannot be taken becomes 0 for the moment: the row is reported. */
#define SAFE_QUOTIENT (y == 0 ? 0 : y == -1 ? (int64_t)(0 - (uint64_t)x) : x / y)
KERNEL_CHECKED(batch_int2_div, int64_t, int64_t, lane_int, to_lane_int, SAFE_QUOTIENT, (y == 0) | OUT_OF_INT2)
KERNEL_CHECKED(batch_int4_div, int64_t, int64_t, lane_int, to_lane_int, SAFE_QUOTIENT, (y == 0) | OUT_OF_INT4)
KERNEL_CHECKED(batch_int8_div, int64_t, int64_t, lane_int, to_lane_int, SAFE_QUOTIENT,
               (y == 0) | ((x == INT64_MIN) & (y == -1)))
#define SAFE_REMAINDER (y == 0 || y == -1 ? 0 : x % y)
KERNEL_CHECKED(batch_int_mod, int64_t, int64_t, lane_int, to_lane_int, SAFE_REMAINDER, (uint64_t)(y == 0))

KERNEL_UNARY(batch_int_widen, int64_t, lane_int, to_lane_int, x)
KERNEL_UNARY(batch_float8_from_int, int64_t, lane_int, to_lane_double, (double)x)
