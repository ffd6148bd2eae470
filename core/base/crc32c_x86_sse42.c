/*
 * CRC-32C by the crc32 instruction, which takes three cycles but starts one each cycle: three
 * stretches of the input are run side by side, and their remainders joined by carry-less
 * multiplication (Gopal et al., "Fast CRC Computation for iSCSI Polynomial Using CRC32
 * Instruction"). Long stretches for pages, short ones for log records.
 */
#include "core/base/crc32c_internal.h"

#include <immintrin.h>

#include "core/base/macros.h"

#define LONG_BYTES 512
#define SHORT_BYTES 64

/* The remainder `crc`, moved on by the bytes that `constant` stands for. */
static inline uint64_t
shift(uint64_t crc, uint32_t constant)
{
    __m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128((long long)crc),
                                           _mm_cvtsi32_si128((int)constant), 0);
    return (uint64_t)_mm_cvtsi128_si64(product); /* the caller feeds it to crc32, which reduces it */
}

static inline uint64_t
three_ways(uint64_t a, const unsigned char *s, size_t stretch, uint32_t by_one, uint32_t by_two)
{
    uint64_t b = 0, c = 0;
    for (size_t i = 0; i < stretch; i += 8) {
        a = _mm_crc32_u64(a, load_u64(s + i));
        b = _mm_crc32_u64(b, load_u64(s + stretch + i));
        c = _mm_crc32_u64(c, load_u64(s + 2 * stretch + i));
    }
    return _mm_crc32_u64(0, shift(a, by_two) ^ shift(b, by_one)) ^ c;
}

uint32_t
crc32c_x86_sse42(uint32_t crc, const void *p, size_t n)
{
    const unsigned char *s = p;
    uint64_t c = ~crc & 0xFFFFFFFFu;
    for (; n >= 3 * LONG_BYTES; n -= 3 * LONG_BYTES, s += 3 * LONG_BYTES)
        c = three_ways(c, s, LONG_BYTES, CRC_SHIFT_512, CRC_SHIFT_1024);
    for (; n >= 3 * SHORT_BYTES; n -= 3 * SHORT_BYTES, s += 3 * SHORT_BYTES)
        c = three_ways(c, s, SHORT_BYTES, CRC_SHIFT_64, CRC_SHIFT_128);
    for (; n >= 8; n -= 8, s += 8)
        c = _mm_crc32_u64(c, load_u64(s));
    if (n & 4) {
        c = _mm_crc32_u32((uint32_t)c, load_u32(s));
        s += 4;
    }
    if (n & 2) {
        c = _mm_crc32_u16((uint32_t)c, load_u16(s));
        s += 2;
    }
    if (n & 1)
        c = _mm_crc32_u8((uint32_t)c, *s);
    return ~(uint32_t)c;
}
