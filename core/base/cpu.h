/*
 * CPU features, detected once. POSTHASTE_CPU_MASK=sse42,avx2 (test only) hides all features not named.
 */
#ifndef CORE_BASE_CPU_H
#define CORE_BASE_CPU_H

#include <stdbool.h>

typedef struct CpuFeatures {
    bool sse42, pclmul, avx2, avx512, vpclmul, bmi2; /* x86-64; avx512 = F+BW+VL+DQ */
    bool neon, arm_crc, pmull, lse;                  /* ARM64 */
} CpuFeatures;
extern CpuFeatures cpu_features;
void cpu_init(void); /* idempotent; call before the first fork; also selects the crc32c variant */
const char *cpu_features_text(void);

#endif
