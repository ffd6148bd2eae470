/*
 * Clock sweep kernel, NEON: four registers of 16 counts; lanes are weighed and added up to a bit mask.
 */
#include <arm_neon.h>

#include "bufmgr/buf_internal.h"

uint64_t
sweep_step_neon(uint8_t *usage)
{
    static const uint8_t weights[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    uint8x16_t weight = vld1q_u8(weights), one = vdupq_n_u8(1);
    uint64_t mask = 0;

    for (int i = 0; i < 4; i++) {
        uint8x16_t counts = vld1q_u8(usage + 16 * i);
        uint8x16_t bits = vandq_u8(vceqzq_u8(counts), weight);
        uint64_t m = vaddv_u8(vget_low_u8(bits)) | (uint64_t)vaddv_u8(vget_high_u8(bits)) << 8;
        mask |= m << (16 * i);
        vst1q_u8(usage + 16 * i, vqsubq_u8(counts, one));
    }
    return mask;
}
