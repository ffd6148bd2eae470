/*
 * UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF; and no zero
 * byte, which PostgreSQL does not allow in text. ASCII runs are skipped eight bytes at a time.
 */
#include "core/base/str.h"

#define HIGH_BITS UINT64_C(0x8080808080808080)
#define LOW_ONES UINT64_C(0x0101010101010101)

/* Length of the valid sequence at s (lead byte >= 0x80), 0 when it is not one. */
static size_t
sequence_bytes(const unsigned char *s, size_t left)
{
    unsigned c = s[0];
    if (c < 0xC2)
        return 0; /* a continuation byte, or an overlong two-byte form */
    if (c < 0xE0)
        return left >= 2 && (s[1] & 0xC0) == 0x80 ? 2 : 0;
    if (c < 0xF0) {
        if (left < 3 || (s[1] & 0xC0) != 0x80 || (s[2] & 0xC0) != 0x80)
            return 0;
        if (c == 0xE0 && s[1] < 0xA0)
            return 0; /* overlong */
        if (c == 0xED && s[1] > 0x9F)
            return 0; /* surrogates */
        return 3;
    }
    if (c > 0xF4 || left < 4 || (s[1] & 0xC0) != 0x80 || (s[2] & 0xC0) != 0x80 ||
        (s[3] & 0xC0) != 0x80)
        return 0;
    if (c == 0xF0 && s[1] < 0x90)
        return 0; /* overlong */
    if (c == 0xF4 && s[1] > 0x8F)
        return 0; /* above U+10FFFF */
    return 4;
}

size_t
utf8_valid_prefix(const char *s, size_t len)
{
    const unsigned char *p = (const unsigned char *)s;
    size_t i = 0;
    while (i < len) {
        if (len - i >= 8) {
            uint64_t w = load_u64(p + i);
            /* No byte has its high bit, and none is zero (w - 1 borrows into a zero byte's high bit). */
            if (((w | (w - LOW_ONES)) & HIGH_BITS) == 0) {
                i += 8;
                continue;
            }
        }
        if (p[i] < 0x80) {
            if (p[i] == 0)
                return i;
            i++;
            continue;
        }
        size_t n = sequence_bytes(p + i, len - i);
        if (n == 0)
            return i;
        i += n;
    }
    return len;
}

/* Of valid text: every byte but continuation bytes starts a character. */
size_t
utf8_count_chars(const char *s, size_t len)
{
    size_t count = 0, i = 0;
    for (; i + 8 <= len; i += 8) {
        uint64_t w = load_u64(s + i);
        /* Bit 7 set and bit 6 clear: a continuation byte. */
        uint64_t cont = (w & HIGH_BITS) & ~(w << 1);
        count += 8 - (size_t)__builtin_popcountll(cont);
    }
    for (; i < len; i++)
        count += ((unsigned char)s[i] & 0xC0) != 0x80;
    return count;
}

int
utf8_char_bytes(unsigned char lead)
{
    if (lead < 0xC0)
        return 1;
    if (lead < 0xE0)
        return 2;
    return lead < 0xF0 ? 3 : 4;
}

size_t
utf8_clip(const char *s, size_t len, size_t max_bytes)
{
    if (len <= max_bytes)
        return len;
    size_t n = max_bytes;
    while (n > 0 && ((unsigned char)s[n] & 0xC0) == 0x80)
        n--;
    return n;
}
