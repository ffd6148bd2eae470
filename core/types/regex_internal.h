/*
 * What the two files of the translator share: the walk's state, and characters.
 */
#ifndef CORE_TYPES_REGEX_INTERNAL_H
#define CORE_TYPES_REGEX_INTERNAL_H

#include "core/types/regex.h"

typedef enum Prefer { PREFER_NONE, PREFER_LONG, PREFER_SHORT } Prefer;

typedef struct Tr {
    const char *p, *end;
    StrBuf *out;
    unsigned flags;
    bool ctype_is_c;
    RegexShape *shape;
    int open_lookarounds;
    int depth;
    int closed_groups;
    bool any_greedy, any_lazy;
    bool complex;
    Prefer force; /* inside a group with {1,1}?: its quantifiers take this preference */
} Tr;

static inline bool
re_is_letter(uint32_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static inline bool
re_is_alnum(char c)
{
    return re_is_letter((unsigned char)c) || (c >= '0' && c <= '9');
}

uint32_t re_take_char(Tr *t);
/* One character in the output, standing for itself (and, without regard to case, its other form).
 */
void re_emit_literal(Tr *t, uint32_t c);
/* Escapes that stand for one character, in brackets and out; t->p is after the letter. -1: not one.
 */
int64_t re_char_escape(Tr *t, char letter);
/* A bracket expression; t->p is after its '['. */
void re_parse_bracket(Tr *t);

#endif
