/*
 * Clock sweep kernel, AVX-512: the whole group in one register, as buf_sweep_x86_avx2.c.
 */
#include <immintrin.h>

#include "bufmgr/buf_internal.h"

uint64_t
sweep_step_avx512(uint8_t *usage)
{
    __m512i counts = _mm512_load_si512(usage);
    uint64_t zero = _mm512_testn_epi8_mask(counts, counts);

    _mm512_store_si512(usage, _mm512_subs_epu8(counts, _mm512_set1_epi8(1)));
    return zero;
}
