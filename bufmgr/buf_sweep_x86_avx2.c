/*
 * Clock sweep kernel, AVX2: two halves of 32 counts; saturating subtract leaves zeros at zero.
 * Counts are bumped by others meanwhile; an increment lost here costs a page one round of the hand.
 */
#include <immintrin.h>

#include "bufmgr/buf_internal.h"

uint64_t
sweep_step_avx2(uint8_t *usage)
{
    __m256i *p = (__m256i *)(void *)usage;
    __m256i lo = _mm256_load_si256(p), hi = _mm256_load_si256(p + 1);
    __m256i zero = _mm256_setzero_si256(), one = _mm256_set1_epi8(1);
    uint32_t lo_mask = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(lo, zero));
    uint32_t hi_mask = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(hi, zero));

    _mm256_store_si256(p, _mm256_subs_epu8(lo, one));
    _mm256_store_si256(p + 1, _mm256_subs_epu8(hi, one));
    return (uint64_t)hi_mask << 32 | lo_mask;
}
