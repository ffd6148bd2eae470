/* One table, best first, and one choice, made by cpu_init before the first fork. */
#include "core/base/crc32c.h"

#include <stdbool.h>

#include "core/base/cpu.h"
#include "core/base/crc32c_internal.h"

void crc32c_select(void);

Crc32cFn crc32c_update = crc32c_scalar;

int
crc32c_variants(Crc32cVariant *out, int max)
{
    int n = 0;
#if defined(__x86_64__)
    bool sse42 = cpu_features.sse42 && cpu_features.pclmul;
    if (sse42 && cpu_features.avx512 && cpu_features.vpclmul && n < max)
        out[n++] = (Crc32cVariant){"avx512", crc32c_x86_avx512};
    if (sse42 && n < max)
        out[n++] = (Crc32cVariant){"sse42", crc32c_x86_sse42};
#elif defined(__aarch64__)
    if (cpu_features.arm_crc && cpu_features.pmull && n < max)
        out[n++] = (Crc32cVariant){"arm64", crc32c_arm64};
#endif
    if (n < max)
        out[n++] = (Crc32cVariant){"scalar", crc32c_scalar};
    return n;
}

void
crc32c_select(void)
{
    Crc32cVariant best;
    crc32c_variants(&best, 1);
    crc32c_update = best.fn;
}
