/*
 * Clock sweep: the choice of kernel. The postmaster chooses before its first fork.
 */
#include "bufmgr/buf_internal.h"
#include "core/base/cpu.h"

SweepFn sweep_step = sweep_step_scalar;

int
sweep_variants(SweepVariant *out, int max)
{
    int n = 0;

    if (n < max)
        out[n++] = (SweepVariant){"scalar", sweep_step_scalar};
#if defined(__x86_64__)
    if (n < max && cpu_features.avx2)
        out[n++] = (SweepVariant){"avx2", sweep_step_avx2};
    if (n < max && cpu_features.avx512)
        out[n++] = (SweepVariant){"avx512", sweep_step_avx512};
#elif defined(__aarch64__)
    if (n < max && cpu_features.neon)
        out[n++] = (SweepVariant){"neon", sweep_step_neon};
#endif
    return n;
}

void
sweep_select(void)
{
    SweepVariant variants[4];

    cpu_init();
    sweep_step = variants[sweep_variants(variants, COUNT_OF(variants)) - 1].fn; /* the last is the widest */
}
