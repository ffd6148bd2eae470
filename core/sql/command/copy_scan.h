/*
 * COPY's inner loops: looking for a few bytes in many. 16 at a time where the machine has SSE2 or NEON
 * (all of x86-64 and AArch64), else one by one. May look at, never act on, bytes up to 15 behind the end
 * only where the caller says they are there: these functions do not.
 */
#ifndef CORE_SQL_COMMAND_COPY_SCAN_H
#define CORE_SQL_COMMAND_COPY_SCAN_H

#include <stddef.h>
#include <stdint.h>

#if defined(__SSE2__)
#include <emmintrin.h>
typedef __m128i Scan16;
static inline Scan16 scan_load(const char *p) { return _mm_loadu_si128((const __m128i *)(const void *)p); }
static inline Scan16 scan_splat(char c) { return _mm_set1_epi8(c); }
static inline Scan16 scan_eq(Scan16 a, Scan16 b) { return _mm_cmpeq_epi8(a, b); }
static inline Scan16 scan_or(Scan16 a, Scan16 b) { return _mm_or_si128(a, b); }
static inline Scan16 scan_control(Scan16 a) { return _mm_cmpeq_epi8(_mm_min_epu8(a, _mm_set1_epi8(0x1F)), a); } /* < 0x20 */
/* Bit i * SCAN_BITS is set when byte i matches. */
#define SCAN_BITS 1
static inline uint64_t scan_mask(Scan16 a) { return (uint64_t)(uint32_t)_mm_movemask_epi8(a); }
#define HAVE_SCAN16 1
#elif defined(__aarch64__)
#include <arm_neon.h>
typedef uint8x16_t Scan16;
static inline Scan16 scan_load(const char *p) { return vld1q_u8((const uint8_t *)p); }
static inline Scan16 scan_splat(char c) { return vdupq_n_u8((uint8_t)c); }
static inline Scan16 scan_eq(Scan16 a, Scan16 b) { return vceqq_u8(a, b); }
static inline Scan16 scan_or(Scan16 a, Scan16 b) { return vorrq_u8(a, b); }
static inline Scan16 scan_control(Scan16 a) { return vcltq_u8(a, vdupq_n_u8(0x20)); }
#define SCAN_BITS 4
static inline uint64_t
scan_mask(Scan16 a)
{
    return vget_lane_u64(vreinterpret_u64_u8(vshrn_n_u16(vreinterpretq_u16_u8(a), 4)), 0) & UINT64_C(0x1111111111111111);
}
#define HAVE_SCAN16 1
#else
#define HAVE_SCAN16 0
#endif

/* The first of three bytes; n: none. */
static inline size_t
scan_three(const char *p, size_t n, char a, char b, char c)
{
    size_t i = 0;
#if HAVE_SCAN16
    const Scan16 va = scan_splat(a), vb = scan_splat(b), vc = scan_splat(c);
    for (; i + 16 <= n; i += 16) {
        const Scan16 x = scan_load(p + i);
        uint64_t m = scan_mask(scan_or(scan_or(scan_eq(x, va), scan_eq(x, vb)), scan_eq(x, vc)));
        if (m)
            return i + (size_t)__builtin_ctzll(m) / SCAN_BITS;
    }
#endif
    for (; i < n; i++)
        if (p[i] == a || p[i] == b || p[i] == c)
            return i;
    return n;
}

static inline size_t
scan_four(const char *p, size_t n, char a, char b, char c, char d)
{
    size_t i = 0;
#if HAVE_SCAN16
    const Scan16 va = scan_splat(a), vb = scan_splat(b), vc = scan_splat(c), vd = scan_splat(d);
    for (; i + 16 <= n; i += 16) {
        const Scan16 x = scan_load(p + i);
        uint64_t m = scan_mask(scan_or(scan_or(scan_eq(x, va), scan_eq(x, vb)), scan_or(scan_eq(x, vc), scan_eq(x, vd))));
        if (m)
            return i + (size_t)__builtin_ctzll(m) / SCAN_BITS;
    }
#endif
    for (; i < n; i++)
        if (p[i] == a || p[i] == b || p[i] == c || p[i] == d)
            return i;
    return n;
}

/* The first byte that text format must escape: a control character, a backslash, the delimiter. */
static inline size_t
scan_escape(const char *p, size_t n, char delim)
{
    size_t i = 0;
#if HAVE_SCAN16
    const Scan16 bs = scan_splat('\\'), vd = scan_splat(delim);
    for (; i + 16 <= n; i += 16) {
        const Scan16 x = scan_load(p + i);
        uint64_t m = scan_mask(scan_or(scan_control(x), scan_or(scan_eq(x, bs), scan_eq(x, vd))));
        if (m)
            return i + (size_t)__builtin_ctzll(m) / SCAN_BITS;
    }
#endif
    for (; i < n; i++)
        if ((unsigned char)p[i] < 0x20 || p[i] == '\\' || p[i] == delim)
            return i;
    return n;
}

#endif
