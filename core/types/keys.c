/*
 * Order-preserving key encoding shared by type families (type.h).
 *
 * Byte strings: every 0x00 becomes 00 FF and the end is marked by 00 01, so that a string sorts
 * before its extensions and no encoding is a prefix of another.
 */
#include "core/types/type.h"

void
key_put_bytes(StrBuf *s, const void *p, size_t n)
{
    const char *from = p, *end = from + n;
    while (from < end) {
        const char *zero = memchr(from, 0, (size_t)(end - from));
        if (zero == NULL)
            break;
        str_add_bytes(s, from, (size_t)(zero - from));
        str_add_bytes(s, "\x00\xFF", 2);
        from = zero + 1;
    }
    str_add_bytes(s, from, (size_t)(end - from));
    str_add_bytes(s, "\x00\x01", 2);
}
