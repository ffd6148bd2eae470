/*
 * Members of TypeOps that text-like types share.
 */
#ifndef CORE_TYPES_TEXT_TYPE_H
#define CORE_TYPES_TEXT_TYPE_H

#include <stdio.h>

#include "core/types/text.h"

Datum text_type_in(FnCtx *c, const char *text, size_t len, Oid elem, int32_t typmod);
void text_type_out(FnCtx *c, Datum d, StrBuf *s);
Datum text_type_recv(FnCtx *c, const char *bytes, size_t len, Oid elem, int32_t typmod);
int text_type_cmp(Datum a, Datum b, Oid collation);
bool text_type_eq(Datum a, Datum b, Oid collation);
uint64_t text_type_hash(Datum d, Oid collation);
void text_type_key(Datum d, Oid collation, StrBuf *out);
Datum text_type_key_decode(Arena *a, const char **p, const char *end);
const char *text_type_key_skip(const char *p, const char *end);

uint64_t span_hash(Span s, Oid collation);
void span_key_encode(Span s, Oid collation, StrBuf *out);

/* varchar and bpchar: typmod is the limit in characters plus 4, -1 none. */
Datum varchar_coerce(Arena *a, Span s, int32_t typmod, bool explicit_cast);
Datum bpchar_coerce(Arena *a, Span s, int32_t typmod, bool explicit_cast);

#endif
