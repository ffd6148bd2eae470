/*
 * What the engine must know of a type to move, print, compare, hash and index its values: TypeOps,
 * one constant per type, each type family in one file. Reached by OID through type_ops().
 */
#ifndef CORE_TYPES_TYPE_H
#define CORE_TYPES_TYPE_H

#include "core/types/fn.h"
#include "core/types/type_oids.h"

typedef struct TypeOps {
    Oid oid;
    int16_t len;     /* physical: 1, 2, 4, 8, 12, 16 ... bytes, -1 var */
    bool byval;      /* len 1, 2, 4 or 8 only */

    /* Text and binary forms. in/recv raise 22P02, 22003, 22P03 ... as PostgreSQL does. text need not be
     * zero-terminated at len in recv; for `in` it is. elem: element type of arrays, else 0. */
    Datum (*in)(FnCtx *c, const char *text, size_t len, Oid elem, int32_t typmod);
    void (*out)(FnCtx *c, Datum d, StrBuf *s);          /* appends */
    Datum (*recv)(FnCtx *c, const char *bytes, size_t len, Oid elem, int32_t typmod);
    void (*send)(FnCtx *c, Datum d, StrBuf *s);         /* appends */

    /* Default btree order and hash; NULL when the type has none. collation: for text types. */
    int (*cmp)(Datum a, Datum b, Oid collation);
    bool (*eq)(Datum a, Datum b, Oid collation);
    uint64_t (*hash)(Datum d, Oid collation); /* equal values hash equal; in-memory only */

    /*
     * Order-preserving key: memcmp order of the encodings is cmp order, no encoding is a prefix of a
     * different one's, equal values encode equally. B-tree pages hold these bytes.
     * decode: back to the value, reading from *p, advancing it; NULL if the encoding loses the value
     * (then an index-only scan is not possible). Fixed-width integers: big-endian, sign flipped.
     */
    void (*key_encode)(Datum d, Oid collation, StrBuf *out);
    Datum (*key_decode)(Arena *a, const char **p, const char *end);
    const char *(*key_skip)(const char *p, const char *end); /* end of one encoded value; NULL when decode is */

    int32_t (*typmod_in)(FnCtx *c, const char *const *mods, int n); /* "10","2" -> typmod; raises */
    void (*typmod_out)(int32_t typmod, StrBuf *s);                  /* "(10,2)" */
    /* Coerces a value to typmod; explicit_cast truncates where SQL says so. NULL: typmod has no effect. */
    Datum (*apply_typmod)(FnCtx *c, Datum d, int32_t typmod, bool explicit_cast);
} TypeOps;

/* NULL for an unknown type. Array types of any element share one TypeOps; enums, domains and composites
 * are resolved by the catalog to their base. */
const TypeOps *type_ops(Oid type);
/* Element type of a built-in array type and the reverse; 0 if none. */
Oid type_builtin_element(Oid array);
Oid type_builtin_array(Oid element);
/* The catalog registers how to resolve types that are not built in (user arrays, domains, enums). */
extern const TypeOps *(*type_resolve_hook)(Oid type);

/* Names of the reg* types (regclass ...): the catalog registers these. False: print or read the number. */
extern bool (*type_reg_in_hook)(FnCtx *c, Oid reg_type, const char *text, Oid *out);
extern bool (*type_reg_out_hook)(FnCtx *c, Oid reg_type, Oid value, StrBuf *s);
/* As messages name a type: "character varying"; "???" if there is none such. */
const char *type_name_of(FnCtx *c, Oid type);

/* Session-wide output settings: registered by types_settings_register(). */
void types_settings_register(void); /* DateStyle, IntervalStyle, TimeZone, timezone_abbreviations, extra_float_digits, bytea_output, lc_* */
/* Hooks by which types learn of the transaction: set by txn/session. */
extern TimestampTz (*types_xact_start_time)(void);
extern TimestampTz (*types_statement_start_time)(void);

/* Keys: generic encoders for type families. */
static inline void
key_put_be64(StrBuf *s, uint64_t v)
{
    char b[8];
    store_be64(b, v);
    str_add_bytes(s, b, 8);
}
void key_put_bytes(StrBuf *s, const void *p, size_t n); /* 0x00 -> 00 FF escape, terminated by 00 01 */

/* ---- collation (core/types/collation.c) ---- */
#define COLLATION_DEFAULT 100u
#define COLLATION_C 950u
#define COLLATION_POSIX 951u
/* Resolves to memcmp where the collation allows it: true for C, POSIX, and a default that is C or C.UTF-8. */
bool collation_is_c(Oid collation);
int collation_compare(Oid collation, const char *a, size_t an, const char *b, size_t bn); /* ties broken by memcmp */
void collation_key(Oid collation, const char *s, size_t n, StrBuf *out);
void collation_set_default(const char *collate, const char *ctype); /* of the database */
/* Case mapping by the collation's ctype. */
void collation_upper(Oid collation, const char *s, size_t n, StrBuf *out);
void collation_lower(Oid collation, const char *s, size_t n, StrBuf *out);
void collation_initcap(Oid collation, const char *s, size_t n, StrBuf *out);

/* ---- arrays (core/types/array.c): payload of a var value ----
 *  0  4  element type   4  4  number of dimensions (0: empty)   8  4  flags (1: null bitmap present)
 *  12 .. per dimension: int32 length, int32 lower bound; then the null bitmap (1 = present); then the
 *  elements, unaligned, fixed width or var.
 */
typedef struct ArrayView { Oid elem; int ndim; int dims[6], lbound[6]; int count; const unsigned char *bitmap; const char *data; const char *end; } ArrayView;
void array_view(Datum d, ArrayView *out);
void array_deconstruct(Arena *a, Datum d, Datum **values, bool **nulls, int *count);
Datum array_construct(Arena *a, Oid elem, int ndim, const int *dims, const int *lbound, const Datum *values, const bool *nulls);
Datum array_construct_1d(Arena *a, Oid elem, const Datum *values, const bool *nulls, int n);
/* Subscripting, as expressions need it. subs are the given subscripts; isnull if out of range. */
Datum array_get_element(Arena *a, Datum array, int nsubs, const int *subs, bool *isnull);
Datum array_get_slice(Arena *a, Datum array, int n, const int *lower, const int *upper, const bool *lower_given, const bool *upper_given, bool *isnull);
Datum array_set_element(Arena *a, Datum array_or_null, bool array_isnull, Oid elem, int nsubs, const int *subs, Datum value, bool value_null);
Datum array_set_slice(Arena *a, Datum array_or_null, bool array_isnull, Oid elem, int n, const int *lower, const int *upper, const bool *lower_given, const bool *upper_given, Datum source);

/* ---- numeric helpers others need (core/types/numeric.c) ---- */
Datum numeric_from_int64(Arena *a, int64_t v);
Datum numeric_from_text(Arena *a, const char *text, size_t len, int32_t typmod); /* raises */
double numeric_to_float8(Datum d);
bool numeric_to_int64(Datum d, int64_t *out); /* rounds half away from zero; false: out of range, NaN, infinity */

#endif
