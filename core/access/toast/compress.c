/*
 * Compression of values in line. A compressed value: 32-bit header (whole length << 2 | 2), 32 bits of
 * payload size, then the LZ4 block.
 */
#include "core/access/toast/toast_internal.h"

#ifdef HAVE_LZ4
#include <lz4.h>
#endif

#define COMPRESS_MIN 32u

bool
toast_compress(Arena *a, Datum d, Datum *out)
{
#ifdef HAVE_LZ4
    uint32_t n = var_len(d);
    char *p;
    int size, bound;

    if (n < COMPRESS_MIN || n > LZ4_MAX_INPUT_SIZE)
        return false;
    bound = LZ4_compressBound((int)n);
    p = arena_alloc(a, (size_t)bound + 8);
    /* A result that saves nothing is not wanted: the room ends there. */
    size = LZ4_compress_default(var_data(d), p + 8, (int)n, MIN(bound, (int)n - 8));
    if (size <= 0)
        return false;
    store_u32(p, ((uint32_t)size + 8) << 2 | 2);
    store_u32(p + 4, n);
    *out = ptr_datum(p);
    return true;
#else
    return false;
#endif
}

Datum
toast_decompress(Arena *a, const char *block, uint32_t bytes, uint32_t raw_bytes)
{
    char *payload;
    Datum d = var_alloc(a, raw_bytes, &payload);

#ifdef HAVE_LZ4
    if (LZ4_decompress_safe(block, payload, (int)bytes, (int)raw_bytes) != (int)raw_bytes)
        RAISE(SQLSTATE_DATA_CORRUPTED, "compressed lz4 data is corrupt");
#else
    UNSUPPORTED("compression method lz4 not supported");
#endif
    return d;
}
