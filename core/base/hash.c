/* XXH3, header-only: libpg_query exports XXH symbols of its own, of another version. */
#include "core/base/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t
hash_bytes(const void *p, size_t n)
{
    return XXH3_64bits(p, n);
}

uint64_t
hash_bytes_seed(const void *p, size_t n, uint64_t seed)
{
    return XXH3_64bits_withSeed(p, n, seed);
}
