/*
 * Values in memory are the values on the page: a Datum of a by-reference type points at these bytes,
 * be they in an arena or in a pinned page (so never assume alignment: use the accessors).
 *
 * Variable-length ("var") values, first byte b:
 *   b odd, 3..253   short: whole length (header included) = b >> 1, payload up to 125 bytes
 *   b even          long: 32-bit little-endian header: whole length << 2 | flags; flag bit 1 (value 2)
 *                   = compressed in line
 *   b = 0xFF        external: points into a toast table (core/access/toast)
 *   b = 0x01        never a value: marks a null in a tuple's tail (core/access/heap)
 * Everything above core/access sees only plain short and long values: scans detoast.
 *
 * Fixed by-reference types (uuid 16, interval 16, timetz 12 ...) are their bytes, no header.
 */
#ifndef CORE_TYPES_VALUE_H
#define CORE_TYPES_VALUE_H

#include <string.h>

#include "core/base/err.h"
#include "core/base/str.h"

#define VAR_EXTERNAL 0xFFu
#define VAR_NULL_MARK 0x01u
#define VAR_SHORT_MAX 125u /* payload bytes of a short value */

static inline const char *datum_ptr(Datum d) { return (const char *)(uintptr_t)d; }
static inline Datum ptr_datum(const void *p) { return (Datum)(uintptr_t)p; }

static inline bool var_is_short(const char *p) { return ((unsigned char)*p & 1) != 0; }
static inline bool var_is_external(const char *p) { return (unsigned char)*p == VAR_EXTERNAL; }
static inline bool var_is_compressed(const char *p) { return ((unsigned char)*p & 3) == 2; }
/* Whole length with header; not for external values. */
static inline uint32_t
var_size(const char *p)
{
    return var_is_short(p) ? (unsigned char)*p >> 1 : load_u32(p) >> 2;
}
static inline uint32_t var_len(Datum d) { const char *p = datum_ptr(d); return var_is_short(p) ? ((unsigned char)*p >> 1) - 1u : (load_u32(p) >> 2) - 4u; }
static inline const char *var_data(Datum d) { const char *p = datum_ptr(d); return p + (var_is_short(p) ? 1 : 4); }
/* Writes a header for `n` payload bytes at p and returns where the payload goes; p needs n + 4 bytes. */
static inline char *
var_header(char *p, size_t n)
{
    if (n <= VAR_SHORT_MAX) {
        *p = (char)((n + 1) << 1 | 1);
        return p + 1;
    }
    store_u32(p, (uint32_t)((n + 4) << 2));
    return p + 4;
}
/* Allocates a value with room for n payload bytes; *payload gets the place to fill. Raises 54000 above 1 GiB. */
Datum var_alloc(Arena *a, size_t n, char **payload);
Datum var_make(Arena *a, const void *bytes, size_t n);
static inline Datum var_from_cstring(Arena *a, const char *z) { return var_make(a, z, strlen(z)); }
char *var_to_cstring(Arena *a, Datum d);
static inline bool var_equal(Datum x, Datum y) { uint32_t n = var_len(x); return n == var_len(y) && memcmp(var_data(x), var_data(y), n) == 0; }

/* By-value types. */
static inline Datum bool_datum(bool v) { return v ? 1 : 0; }
static inline bool datum_bool(Datum d) { return d != 0; }
static inline Datum int16_datum(int16_t v) { return (Datum)(int64_t)v; } /* integers are sign-extended to the lane */
static inline int16_t datum_int16(Datum d) { return (int16_t)d; }
static inline Datum int32_datum(int32_t v) { return (Datum)(int64_t)v; }
static inline int32_t datum_int32(Datum d) { return (int32_t)d; }
static inline Datum int64_datum(int64_t v) { return (Datum)v; }
static inline int64_t datum_int64(Datum d) { return (int64_t)d; }
static inline Datum oid_datum(Oid v) { return (Datum)v; }                /* unsigned: zero-extended */
static inline Oid datum_oid(Datum d) { return (Oid)d; }
static inline Datum float8_datum(double v) { Datum d; memcpy(&d, &v, 8); return d; }
static inline double datum_float8(Datum d) { double v; memcpy(&v, &d, 8); return v; }
static inline Datum float4_datum(float v) { uint32_t u; memcpy(&u, &v, 4); return u; } /* bits in the low half */
static inline float datum_float4(Datum d) { uint32_t u = (uint32_t)d; float v; memcpy(&v, &u, 4); return v; }
/* A tuple address: block << 16 | offset, by value, 8 bytes wide as a column. */
static inline Datum tid_datum(BlockNo block, OffsetNo off) { return (Datum)block << 16 | off; }
static inline BlockNo datum_tid_block(Datum d) { return (BlockNo)(d >> 16); }
static inline OffsetNo datum_tid_offset(Datum d) { return (OffsetNo)d; }
/* Canonical lanes: bool 0/1; int2/int4 (and date) sign-extended; oid, char zero-extended; float4 zero-extended
 * bits. Two by-value Datums of one type are the same value iff the lanes are equal (floats excepted). */

/* Copies a value of physical length `len` (>0 fixed, -1 var) into the arena; by-value: returns d. */
Datum datum_copy(Arena *a, Datum d, bool byval, int16_t len);
static inline size_t datum_bytes(Datum d, int16_t len) { return len > 0 ? (size_t)len : var_size(datum_ptr(d)); }

#endif
