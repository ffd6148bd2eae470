/*
 * CRC-32C (Castagnoli, reflected polynomial 0x82F63B78). crc32c("123456789") = 0xE3069283.
 * crc is the running value of a previous call, 0 to begin. Variants per instruction set are chosen
 * once by cpu_init, before the first fork.
 * source   Intel's "Fast CRC computation using PCLMULQDQ", and folding as libdeflate derives it.
 */
#ifndef CORE_BASE_CRC32C_H
#define CORE_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

typedef uint32_t (*Crc32cFn)(uint32_t crc, const void *p, size_t n);
extern Crc32cFn crc32c_update; /* valid before cpu_init: the scalar reference */
uint32_t crc32c_scalar(uint32_t crc, const void *p, size_t n);
static inline uint32_t crc32c(const void *p, size_t n) { return crc32c_update(0, p, n); }
/* For tests and benches: the variants this machine can run. */
typedef struct Crc32cVariant { const char *name; Crc32cFn fn; } Crc32cVariant;
int crc32c_variants(Crc32cVariant *out, int max);

#endif
