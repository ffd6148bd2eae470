/*
 * CRC-32C by the ARMv8 CRC instructions, three stretches side by side, joined by PMULL; the same
 * plan as crc32c_x86_sse42.c.
 */
#include "core/base/crc32c_internal.h"

#include <arm_acle.h>
#include <arm_neon.h>

#include "core/base/macros.h"

#define LONG_BYTES 512
#define SHORT_BYTES 64

static inline uint64_t
shift(uint32_t crc, uint32_t constant)
{
    poly128_t product = vmull_p64((poly64_t)crc, (poly64_t)constant);
    return (uint64_t)product; /* at most 63 bits; the caller's crc32 instruction reduces it */
}

static inline uint32_t
three_ways(uint32_t a, const unsigned char *s, size_t stretch, uint32_t by_one, uint32_t by_two)
{
    uint32_t b = 0, c = 0;
    for (size_t i = 0; i < stretch; i += 8) {
        a = __crc32cd(a, load_u64(s + i));
        b = __crc32cd(b, load_u64(s + stretch + i));
        c = __crc32cd(c, load_u64(s + 2 * stretch + i));
    }
    return __crc32cd(0, shift(a, by_two) ^ shift(b, by_one)) ^ c;
}

uint32_t
crc32c_arm64(uint32_t crc, const void *p, size_t n)
{
    const unsigned char *s = p;
    uint32_t c = ~crc;
    for (; n >= 3 * LONG_BYTES; n -= 3 * LONG_BYTES, s += 3 * LONG_BYTES)
        c = three_ways(c, s, LONG_BYTES, CRC_SHIFT_512, CRC_SHIFT_1024);
    for (; n >= 3 * SHORT_BYTES; n -= 3 * SHORT_BYTES, s += 3 * SHORT_BYTES)
        c = three_ways(c, s, SHORT_BYTES, CRC_SHIFT_64, CRC_SHIFT_128);
    for (; n >= 8; n -= 8, s += 8)
        c = __crc32cd(c, load_u64(s));
    if (n & 4) {
        c = __crc32cw(c, load_u32(s));
        s += 4;
    }
    if (n & 2) {
        c = __crc32ch(c, load_u16(s));
        s += 2;
    }
    if (n & 1)
        c = __crc32cb(c, *s);
    return ~c;
}
