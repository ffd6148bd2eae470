/*
 * Regular expressions: PostgreSQL's advanced ones (ARE), matched by PCRE2.
 */
#ifndef CORE_TYPES_REGEX_H
#define CORE_TYPES_REGEX_H

#include "core/types/text.h"

#define RE_ICASE 1u
#define RE_NEWLINE_DOT 2u     /* . and [^x] do not match a newline */
#define RE_NEWLINE_ANCHOR 4u  /* ^ and $ match at newlines */
#define RE_EXPANDED 8u        /* white space and comments are ignored */
#define RE_LITERAL 16u
#define RE_ERE 32u            /* no escapes beyond \x = x */
#define RE_NO_GROUPS 64u /* parentheses do not capture: the caller wants the whole match only */

/* What translation found out. */
typedef struct RegexShape {
    int groups;          /* capturing ones */
    bool prefer_short;   /* the expression as a whole prefers its shortest match */
    bool direct;         /* PCRE2's first match is the one PostgreSQL's rules pick */
    bool backrefs;
    bool icase;          /* after embedded options */
} RegexShape;

/* ARE to PCRE2 syntax, appended to out. Raises 2201B. */
void regex_translate(Span pattern, unsigned flags, bool ctype_is_c, StrBuf *out, RegexShape *shape);
NORETURN void regex_raise(const char *what); /* invalid regular expression: what */

typedef struct Regex Regex;

/* From the cache of this process, or compiled. Good until the next call. */
Regex *regex_get(Span pattern, unsigned flags, Oid collation);
int regex_groups(const Regex *r);
bool regex_test(Regex *r, Span s);
/*
 * Leftmost match at or after byte `start`. spans[0] is the match, spans[1..groups] the groups;
 * a group that took no part has p NULL. spans has room for `room`; with room 1 groups are not
 * found.
 */
bool regex_search(Regex *r, Span s, size_t start, Span *spans, int room);

/* Letters of a flags argument. */
typedef struct RegexFlags {
    unsigned flags;
    bool global;
} RegexFlags;
RegexFlags regex_parse_flags(Span letters);

#endif
