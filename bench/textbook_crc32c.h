/*
 * What the variants of CRC-32C are measured beside: the byte table (Sarwate 1988) and the processor's crc32
 * instruction in a single stream, which its latency of three cycles keeps at 8 bytes per three cycles.
 */
#ifndef BENCH_TEXTBOOK_CRC32C_H
#define BENCH_TEXTBOOK_CRC32C_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/macros.h"

static uint32_t textbook_crc_table[256];

static inline void
textbook_crc_init(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t r = i;
        for (int bit = 0; bit < 8; bit++)
            r = r >> 1 ^ (r & 1 ? 0x82F63B78u : 0);
        textbook_crc_table[i] = r;
    }
}

static inline uint32_t
textbook_crc_bytes(uint32_t crc, const void *p, size_t n)
{
    const unsigned char *s = p;
    crc = ~crc;
    for (size_t i = 0; i < n; i++)
        crc = crc >> 8 ^ textbook_crc_table[(crc ^ s[i]) & 0xFF];
    return ~crc;
}

#if defined(__x86_64__)
#define TEXTBOOK_CRC_TARGET __attribute__((target("sse4.2")))
#define TEXTBOOK_CRC_8(c, v) ((uint32_t)__builtin_ia32_crc32di((c), (v)))
#define TEXTBOOK_CRC_1(c, v) __builtin_ia32_crc32qi((c), (v))
#elif defined(__aarch64__)
#define TEXTBOOK_CRC_TARGET __attribute__((target("+crc")))
#define TEXTBOOK_CRC_8(c, v) __builtin_aarch64_crc32cx((c), (v))
#define TEXTBOOK_CRC_1(c, v) __builtin_aarch64_crc32cb((c), (v))
#endif

#ifdef TEXTBOOK_CRC_TARGET
TEXTBOOK_CRC_TARGET static inline uint32_t
textbook_crc_instruction(uint32_t crc, const void *p, size_t n)
{
    const unsigned char *s = p;
    crc = ~crc;
    for (; n >= 8; n -= 8, s += 8)
        crc = TEXTBOOK_CRC_8(crc, load_u64(s));
    for (; n > 0; n--, s++)
        crc = TEXTBOOK_CRC_1(crc, *s);
    return ~crc;
}
#else
static inline uint32_t textbook_crc_instruction(uint32_t crc, const void *p, size_t n) { return textbook_crc_bytes(crc, p, n); }
#endif

#endif
