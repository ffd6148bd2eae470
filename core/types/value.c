/*
 * Making and copying values (value.h).
 */
#include "core/types/value.h"

#include "core/base/limits.h"

Datum
var_alloc(Arena *a, size_t n, char **payload)
{
    if (UNLIKELY(n > MAX_VALUE_BYTES - 4))
        RAISE(SQLSTATE_PROGRAM_LIMIT_EXCEEDED, "invalid memory alloc request size %zu", n);
    /* Short values take n + 1 bytes; the three spare ones keep one size rule. */
    char *p = arena_alloc(a, n + 4);
    *payload = var_header(p, n);
    return ptr_datum(p);
}

Datum
var_make(Arena *a, const void *bytes, size_t n)
{
    char *payload;
    Datum d = var_alloc(a, n, &payload);
    memcpy(payload, bytes, n);
    return d;
}

char *
var_to_cstring(Arena *a, Datum d)
{
    return arena_strndup(a, var_data(d), var_len(d));
}

Datum
datum_copy(Arena *a, Datum d, bool byval, int16_t len)
{
    if (byval)
        return d;
    const char *p = datum_ptr(d);
    size_t n = len == -2 ? strlen(p) + 1 : datum_bytes(d, len);
    return ptr_datum(arena_memdup(a, p, n));
}
