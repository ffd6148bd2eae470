/*
 * CRC-32C by folding: sixteen 128-bit lanes in four ZMM registers are each multiplied over 256 bytes
 * and added to the next 256 bytes; at the end the lanes are folded together and the crc32
 * instruction reduces the last 16 bytes. Short inputs go to the SSE4.2 variant.
 */
#include "core/base/crc32c_internal.h"

#include <immintrin.h>

#include "core/base/macros.h"

#define FOLD_MIN_BYTES 256

/* lane * x^distance + data, for each of the four lanes. */
static inline __m512i
fold(__m512i lanes, __m512i constants, __m512i data)
{
    __m512i high = _mm512_clmulepi64_epi128(lanes, constants, 0x00);
    __m512i low = _mm512_clmulepi64_epi128(lanes, constants, 0x11);
    return _mm512_ternarylogic_epi64(high, low, data, 0x96); /* three-way xor */
}

static inline __m128i
fold_one(__m128i lane, __m128i constants, __m128i data)
{
    __m128i high = _mm_clmulepi64_si128(lane, constants, 0x00);
    __m128i low = _mm_clmulepi64_si128(lane, constants, 0x11);
    return _mm_ternarylogic_epi64(high, low, data, 0x96);
}

static inline __m512i
constants_of(uint32_t high, uint32_t low)
{
    return _mm512_broadcast_i32x4(_mm_set_epi64x(low, high));
}

uint32_t
crc32c_x86_avx512(uint32_t crc, const void *p, size_t n)
{
    const unsigned char *s = p;
    if (n < FOLD_MIN_BYTES)
        return crc32c_x86_sse42(crc, p, n);

    __m512i a = _mm512_loadu_si512(s), b = _mm512_loadu_si512(s + 64);
    __m512i c = _mm512_loadu_si512(s + 128), d = _mm512_loadu_si512(s + 192);
    a = _mm512_xor_si512(a, _mm512_zextsi128_si512(_mm_cvtsi32_si128((int)~crc)));
    s += 256;
    n -= 256;
    __m512i k256 = constants_of(CRC_FOLD_256_HIGH, CRC_FOLD_256_LOW);
    for (; n >= 256; n -= 256, s += 256) {
        a = fold(a, k256, _mm512_loadu_si512(s));
        b = fold(b, k256, _mm512_loadu_si512(s + 64));
        c = fold(c, k256, _mm512_loadu_si512(s + 128));
        d = fold(d, k256, _mm512_loadu_si512(s + 192));
    }
    __m512i k64 = constants_of(CRC_FOLD_64_HIGH, CRC_FOLD_64_LOW);
    a = fold(a, k64, b);
    a = fold(a, k64, c);
    a = fold(a, k64, d);
    for (; n >= 64; n -= 64, s += 64)
        a = fold(a, k64, _mm512_loadu_si512(s));

    __m128i k16 = _mm_set_epi64x(CRC_FOLD_16_LOW, CRC_FOLD_16_HIGH);
    __m128i x = _mm512_castsi512_si128(a);
    x = fold_one(x, k16, _mm512_extracti32x4_epi32(a, 1));
    x = fold_one(x, k16, _mm512_extracti32x4_epi32(a, 2));
    x = fold_one(x, k16, _mm512_extracti32x4_epi32(a, 3));
    for (; n >= 16; n -= 16, s += 16)
        x = fold_one(x, k16, _mm_loadu_si128((const __m128i *)s));

    uint64_t r = _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(x));
    r = _mm_crc32_u64(r, (uint64_t)_mm_extract_epi64(x, 1));
    if (n & 8) {
        r = _mm_crc32_u64(r, load_u64(s));
        s += 8;
    }
    if (n & 4) {
        r = _mm_crc32_u32((uint32_t)r, load_u32(s));
        s += 4;
    }
    if (n & 2) {
        r = _mm_crc32_u16((uint32_t)r, load_u16(s));
        s += 2;
    }
    if (n & 1)
        r = _mm_crc32_u8((uint32_t)r, *s);
    return ~(uint32_t)r;
}
