/*
 * LIKE patterns, taken apart once. Also for the planner: what a pattern says about an index range.
 */
#ifndef CORE_TYPES_LIKE_H
#define CORE_TYPES_LIKE_H

#include "core/types/text.h"

typedef enum LikeKind {
    LIKE_EXACT,    /* abc */
    LIKE_PREFIX,   /* abc% */
    LIKE_SUFFIX,   /* %abc */
    LIKE_CONTAINS, /* %abc% */
    LIKE_ANY,      /* % */
    LIKE_GENERAL
} LikeKind;

typedef struct LikePattern {
    LikeKind kind;
    Span literal; /* unescaped; of the simple kinds */
    Span pattern;
} LikePattern;

/* The literal is allocated only when the pattern has escapes. */
void like_compile(Arena *a, Span pattern, LikePattern *out);
bool like_match(const LikePattern *p, Span s);          /* text: _ is a character */
bool like_match_bytes(const LikePattern *p, Span s);    /* bytea: _ is a byte */
/* Longest literal every match must begin with (unescaped, into out); true if it is the whole
 * pattern. */
bool like_fixed_prefix(Span pattern, StrBuf *out);

#endif
