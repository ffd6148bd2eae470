/*
 * Clock sweep kernel, reference: plain and obviously right; never optimised.
 */
#include "bufmgr/buf_internal.h"

uint64_t
sweep_step_scalar(uint8_t *usage)
{
    uint64_t zero = 0;

    for (int i = 0; i < SWEEP_GROUP; i++) {
        if (usage[i] == 0)
            zero |= UINT64_C(1) << i;
        else
            usage[i]--;
    }
    return zero;
}
