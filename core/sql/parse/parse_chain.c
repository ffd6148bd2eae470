/*
 * How long the chains of a text are: "1+1+1+...", "x::int::int...", "... UNION SELECT ... UNION SELECT ...".
 *
 * The grammar bounds what nests to the right (its own stack holds 10,000 states), but a chain to the left is made
 * level by level without any: a text of 100 KB can be 50,000 levels deep. libpg_query then packs the tree in time
 * quadratic in its depth, minutes that no cancel reaches. So links are counted before parsing, from the text alone:
 * an upper bound of the depth that never is far above it, as a comma, AND and OR, and the clauses begin anew.
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "core/sql/parse/parse_internal.h"

#define PARENS_MAX 12000 /* deeper than the grammar goes */

typedef struct Chain {
    int links; /* operators since the last comma, AND, OR or clause */
    int sets;  /* UNION, JOIN ...: clauses are their operands */
} Chain;

typedef enum WordKind { WORD_OTHER, WORD_LINK, WORD_SET, WORD_FRESH } WordKind;

static WordKind
word_kind(const char *p, size_t n)
{
    static const struct { const char *word; WordKind kind; } words[] = {
        {"AND", WORD_FRESH}, {"OR", WORD_FRESH}, {"SELECT", WORD_FRESH}, {"FROM", WORD_FRESH}, {"WHERE", WORD_FRESH}, {"WHEN", WORD_FRESH},
        {"THEN", WORD_FRESH}, {"ELSE", WORD_FRESH}, {"ON", WORD_FRESH}, {"SET", WORD_FRESH}, {"UNION", WORD_SET}, {"EXCEPT", WORD_SET},
        {"INTERSECT", WORD_SET}, {"JOIN", WORD_SET}, {"IS", WORD_LINK}, {"ISNULL", WORD_LINK}, {"NOTNULL", WORD_LINK},
        {"COLLATE", WORD_LINK}, {"AT", WORD_LINK}, {"IN", WORD_LINK}, {"LIKE", WORD_LINK}, {"ILIKE", WORD_LINK}, {"SIMILAR", WORD_LINK},
    };
    for (size_t i = 0; n <= 9 && i < COUNT_OF(words); i++)
        if (strncasecmp(p, words[i].word, n) == 0 && words[i].word[n] == '\0')
            return words[i].kind;
    return WORD_OTHER;
}

static bool
is_word_byte(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '$' || (unsigned char)c >= 128;
}

/* Behind a quoted text, a dollar quote or a comment that begins at p; p itself if none does. */
static const char *
skip_quoted(const char *p, bool escapes)
{
    if (*p == '\'' || *p == '"') {
        char quote = *p++;
        for (; *p && *p != quote; p++)
            if (escapes && *p == '\\' && p[1])
                p++;
        return *p ? p + 1 : p; /* a doubled quote begins another text at once: the same */
    }
    if (*p == '-' && p[1] == '-')
        return p + strcspn(p, "\n");
    if (*p == '/' && p[1] == '*') {
        int depth = 0;
        do {
            depth += p[0] == '/' && p[1] == '*' ? 1 : p[0] == '*' && p[1] == '/' ? -1 : 0;
            p += (p[0] == '/' && p[1] == '*') || (p[0] == '*' && p[1] == '/') ? 2 : 1;
        } while (*p && depth > 0);
        return p;
    }
    if (*p == '$' && !isdigit((unsigned char)p[1])) {
        const char *end = p + 1;
        while (is_word_byte(*end) && *end != '$')
            end++;
        size_t n = (size_t)(end - p) + 1;
        if (*end != '$')
            return p;
        for (const char *q = end + 1; (q = strchr(q, '$')) != NULL; q++)
            if (strncmp(q, p, n) == 0)
                return q + n;
        return p + strlen(p);
    }
    return p;
}

int
parse_longest_chain(Arena *a, const char *text)
{
    Chain *open = ARENA_ARRAY(a, Chain, PARENS_MAX + 1); /* its first is all zero, as the arena gives it */
    int depth = 0, total = 0, longest = 0; /* total: of all that are open */
    for (const char *p = text; *p;) {
        Chain *c = &open[depth];
        const char *behind = skip_quoted(p, p > text && (p[-1] == 'E' || p[-1] == 'e'));
        if (behind != p) {
            p = behind;
        } else if (is_word_byte(*p)) {
            const char *start = p;
            while (is_word_byte(*p))
                p++;
            WordKind kind = word_kind(start, (size_t)(p - start));
            if (kind == WORD_FRESH) {
                total -= c->links;
                c->links = 0;
            } else if (kind != WORD_OTHER) {
                *(kind == WORD_SET ? &c->sets : &c->links) += 1;
                total++;
            }
        } else if (*p == '(' || *p == '[') {
            if (depth < PARENS_MAX)
                open[++depth] = (Chain){0, 0};
            p++;
        } else if (*p == ')' || *p == ']') {
            if (depth > 0) {
                total -= c->links + c->sets;
                depth--;
            }
            p++;
        } else if (*p == ',' || *p == ';') {
            total -= c->links + (*p == ';' ? c->sets : 0);
            *c = (Chain){0, *p == ';' ? 0 : c->sets};
            p++;
        } else if (strchr("+-*/<>=~!@#%^&|`?:", *p)) {
            c->links++;
            total++;
            p++;
            while (*p && strchr("<>=~!@#%^&|`?:", *p)) /* of one operator, most likely */
                p++;
        } else {
            p++;
        }
        longest = MAX(longest, total);
    }
    return longest;
}
