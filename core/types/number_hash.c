/*
 * The SQL-visible hash functions of number types: hashint4() and its kin, with and without a seed.
 * Equal values of different integer widths hash equally, as cross-type hash joins need.
 */
#include "core/types/number.h"

#include "core/types/pg_hash.h"

/* Folds an int8 so that it hashes like the int4 or int2 of the same value. */
static inline uint32_t
fold_int8(int64_t v)
{
    uint32_t low = (uint32_t)v, high = (uint32_t)((uint64_t)v >> 32);
    return low ^ (v >= 0 ? high : ~high);
}

#define HASH_FNS(name, as_u32)                                                                       \
    Datum fn_hash_##name(FnCtx *c, const Datum *args, bool *isnull)                                  \
    {                                                                                                \
        return int32_datum((int32_t)pg_hash_uint32(as_u32));                                       \
    }                                                                                                \
    Datum fn_hash_##name##_extended(FnCtx *c, const Datum *args, bool *isnull)                       \
    {                                                                                                \
        return pg_hash_uint32_extended(as_u32, args[1]);                                           \
    }

HASH_FNS(u32, (uint32_t)args[0]) /* int2, int4, oid: sign-extended low half */
HASH_FNS(char, (uint32_t)(int32_t)(int8_t)args[0])
HASH_FNS(int8, fold_int8(datum_int64(args[0])))

/* Zeros of both signs hash alike, and all NaNs; float4 hashes as the float8 it equals. */
static uint32_t
hash_double(double v)
{
    if (v == 0)
        return 0;
    if (isnan(v))
        v = (double)__builtin_nan("");
    return pg_hash_bytes(&v, 8);
}

static uint64_t
hash_double_extended(double v, uint64_t seed)
{
    if (v == 0)
        return seed;
    if (isnan(v))
        v = (double)__builtin_nan("");
    return pg_hash_bytes_extended(&v, 8, seed);
}

Datum
fn_hash_float8(FnCtx *c, const Datum *args, bool *isnull)
{
    return int32_datum((int32_t)hash_double(datum_float8(args[0])));
}

Datum
fn_hash_float8_extended(FnCtx *c, const Datum *args, bool *isnull)
{
    return hash_double_extended(datum_float8(args[0]), args[1]);
}

Datum
fn_hash_float4(FnCtx *c, const Datum *args, bool *isnull)
{
    return int32_datum((int32_t)hash_double((double)datum_float4(args[0])));
}

Datum
fn_hash_float4_extended(FnCtx *c, const Datum *args, bool *isnull)
{
    return hash_double_extended((double)datum_float4(args[0]), args[1]);
}

/* A tid as PostgreSQL lays it out: block high half, low half, offset, two bytes each. */
static void
tid_bytes(Datum d, char *b)
{
    store_u16(b, (uint16_t)(datum_tid_block(d) >> 16));
    store_u16(b + 2, (uint16_t)datum_tid_block(d));
    store_u16(b + 4, datum_tid_offset(d));
}

Datum
fn_hash_tid(FnCtx *c, const Datum *args, bool *isnull)
{
    char b[6];
    tid_bytes(args[0], b);
    return int32_datum((int32_t)pg_hash_bytes(b, 6));
}

Datum
fn_hash_tid_extended(FnCtx *c, const Datum *args, bool *isnull)
{
    char b[6];
    tid_bytes(args[0], b);
    return pg_hash_bytes_extended(b, 6, args[1]);
}
