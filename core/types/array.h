/*
 * Walking and building arrays inside the module; the public calls are in type.h.
 */
#ifndef CORE_TYPES_ARRAY_H
#define CORE_TYPES_ARRAY_H

#include "core/types/text.h"

#define ARRAY_DIMS_MAX 6
#define ARRAY_ELEMENTS_MAX 134217727

/* Element after element, in storage order. */
typedef struct ArrayIter {
    const char *p;
    const unsigned char *bitmap;
    int i, count;
    int16_t len;
    bool byval;
    bool sign; /* by value: extend the sign */
} ArrayIter;

const TypeOps *array_elem_ops(Oid elem); /* raises for an unknown type */
bool array_is_type(Oid type);             /* an array type, built in or of a user's type */
void array_iter_init(ArrayIter *it, const ArrayView *v);

static inline Datum
array_load_elem(const char *p, int16_t len, bool byval, bool sign)
{
    if (!byval)
        return ptr_datum(p);
    switch (len) {
    case 1:
        return (unsigned char)*p;
    case 2:
        return sign ? int16_datum((int16_t)load_u16(p)) : load_u16(p);
    case 4:
        return sign ? int32_datum((int32_t)load_u32(p)) : load_u32(p);
    default:
        return load_u64(p);
    }
}

static inline bool
array_next(ArrayIter *it, Datum *value, bool *isnull)
{
    if (it->i >= it->count)
        return false;
    int i = it->i++;
    *isnull = it->bitmap && !(it->bitmap[i >> 3] >> (i & 7) & 1);
    if (*isnull) {
        *value = 0;
        return true;
    }
    *value = array_load_elem(it->p, it->len, it->byval, it->sign);
    it->p += it->len > 0 ? (size_t)it->len : var_size(it->p);
    return true;
}

/* Elements gathered one by one. */
typedef struct ArrayBuilder {
    Arena *arena;
    Datum *v;
    bool *nulls;
    int n, cap;
} ArrayBuilder;

void array_builder_init(ArrayBuilder *b, Arena *a);
void array_builder_add(ArrayBuilder *b, Datum d, bool isnull);

Datum array_empty(Arena *a, Oid elem);
/* Product of the lengths; raises 54000 when it is too large. */
int array_count_elements(int ndim, const int *dims);
void array_check_bounds(int ndim, const int *dims, const int *lbound);
int array_compare(Datum a, Datum b, Oid collation);
bool array_equal(Datum a, Datum b, Oid collation);
Datum array_type_in(FnCtx *c, const char *text, size_t len, Oid elem, int32_t typmod);
void array_type_out(FnCtx *c, Datum d, StrBuf *s);
Datum array_type_recv(FnCtx *c, const char *bytes, size_t len, Oid elem, int32_t typmod);
void array_type_send(FnCtx *c, Datum d, StrBuf *s);
bool array_is_space(char ch);

#endif
