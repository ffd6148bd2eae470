/*
 * What the variants of CRC-32C share: their names for the dispatcher, and the constants that move a
 * remainder forward.
 *
 * In the reflected bit order used here, a carry-less product of two operands comes out one bit
 * short of its place, and a 32-bit constant in a 64-bit operand stands 32 bits too high. So to
 * multiply by x^D, the constant is x^(D - 33) mod P, bits reversed. For a remainder moved over n
 * bytes D = 8n; for folding a 128-bit lane over n bytes the half of higher degree (the low 64 bits)
 * takes x^(8n + 64 - 33), the other x^(8n - 33). power_of_x in tests/base_crc32c_test.c computes them
 * from this definition and holds them to it.
 */
#ifndef CORE_BASE_CRC32C_INTERNAL_H
#define CORE_BASE_CRC32C_INTERNAL_H

#include "core/base/crc32c.h"

uint32_t crc32c_x86_sse42(uint32_t crc, const void *p, size_t n);
uint32_t crc32c_x86_avx512(uint32_t crc, const void *p, size_t n);
uint32_t crc32c_arm64(uint32_t crc, const void *p, size_t n);

/* x^(8n - 33) mod P for n = the bytes in the name. */
#define CRC_SHIFT_64 0x9e4addf8u
#define CRC_SHIFT_128 0x0d3b6092u
#define CRC_SHIFT_512 0xdd7e3b0cu
#define CRC_SHIFT_1024 0x170076fau

/* Folding a 128-bit lane over n bytes: HIGH goes with the low 64 bits (higher degree). */
#define CRC_FOLD_16_HIGH 0xf20c0dfeu
#define CRC_FOLD_16_LOW 0x493c7d27u
#define CRC_FOLD_64_HIGH 0x740eef02u
#define CRC_FOLD_64_LOW 0x9e4addf8u
#define CRC_FOLD_256_HIGH 0xdcb17aa4u
#define CRC_FOLD_256_LOW 0xb9e02b86u

#endif
