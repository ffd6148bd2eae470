/*
 * Notices of the lexer and the grammar that libpg_query swallows: identifiers cut to 63 bytes, and GLOBAL in
 * front of TEMPORARY. A cheap look at the text decides whether its tokens are worth reading once more.
 */
#include <stdlib.h>
#include <string.h>

#include "core/sql/parse/parse_internal.h"
#include "core/types/text.h"

#define IDENT_MAX (NAME_BYTES - 1)

static bool
word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$' ||
           (unsigned char)c >= 0x80;
}

/* False: certainly no token of the text is worth a notice. */
static bool
suspicious(const char *text)
{
    const char *quote = NULL;
    int run = 0;

    for (const char *p = text; *p; p++) {
        if (*p == '"') {
            if (quote && p - quote > IDENT_MAX)
                return true;
            quote = p;
        }
        run = word_char(*p) ? run + 1 : 0;
        if (run > IDENT_MAX)
            return true;
        if (run == 6 && strncasecmp(p - 5, "global", 6) == 0)
            return true;
    }
    return false;
}

static int
hex(const char *p, int digits, const char *end)
{
    char one[9] = {0};

    if (end - p < digits)
        return -1;
    memcpy(one, p, (size_t)digits);
    return strspn(one, "0123456789abcdefABCDEF") == (size_t)digits ? (int)strtol(one, NULL, 16) : -1;
}

/* The name within the quotes of "..." or U&"...", doubled quotes and escapes resolved. */
static char *
quoted_name(Arena *a, const char *p, const char *end, char escape)
{
    StrBuf s;

    str_init(&s, a);
    while (p < end) {
        bool has_more = p + 1 < end;
        if (*p == '"') {
            p++; /* of two only one counts */
            str_add_char(&s, '"');
            p += p < end;
        } else if (escape && *p == escape && has_more && p[1] == escape) {
            str_add_char(&s, escape);
            p += 2;
        } else if (escape && *p == escape) {
            int digits = has_more && p[1] == '+' ? 6 : 4;
            const char *from = p + (digits == 6 ? 2 : 1);
            int c = hex(from, digits, end);
            char bytes[4];
            if (c < 0)
                break; /* an error was raised over it */
            str_add_bytes(&s, bytes, (size_t)utf8_encode((uint32_t)c, bytes));
            p = from + digits;
        } else {
            str_add_char(&s, *p++);
        }
    }
    return s.data;
}

static char *
plain_name(Arena *a, const char *p, int n)
{
    char *s = arena_strndup(a, p, (size_t)n);

    for (char *c = s; *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    return s;
}

static bool
check_name(const char *name, bool tell)
{
    size_t n = strlen(name), keep = utf8_clip(name, n, IDENT_MAX);

    if (n <= IDENT_MAX)
        return false;
    if (tell)
        REPORT(LEVEL_NOTICE, SQLSTATE_NAME_TOO_LONG,
               err_message("identifier \"%s\" will be truncated to \"%.*s\"", name, (int)keep, name));
    return true;
}

static const char *
closing_quote(const char *p)
{
    while (*p && !(p[0] == '"' && p[1] != '"'))
        p += p[0] == '"' ? 2 : 1;
    return p;
}

static char
escape_after(const PgQuery__ScanResult *r, size_t i, const char *text)
{
    if (i + 2 < r->n_tokens && r->tokens[i + 1]->token == PG_QUERY__TOKEN__UESCAPE)
        return text[r->tokens[i + 2]->start + 1];
    return '\\';
}

static bool
check_token(Arena *a, const PgQuery__ScanResult *r, size_t i, const char *text, bool tell)
{
    const PgQuery__ScanToken *t = r->tokens[i], *next = i + 1 < r->n_tokens ? r->tokens[i + 1] : NULL;
    const char *p = text + t->start, *end = text + t->end;

    switch ((int)t->token) {
    case PG_QUERY__TOKEN__IDENT:
        if (end - p <= IDENT_MAX)
            return false;
        return check_name(*p == '"' ? quoted_name(a, p + 1, end - 1, 0) : plain_name(a, p, (int)(end - p)), tell);
    case PG_QUERY__TOKEN__UIDENT:
        end = closing_quote(p + 3); /* the library gives only the U for the token */
        return end - p > IDENT_MAX && check_name(quoted_name(a, p + 3, end, escape_after(r, i, text)), tell);
    case PG_QUERY__TOKEN__GLOBAL:
        if (i == 0 || next == NULL || (next->token != PG_QUERY__TOKEN__TEMP && next->token != PG_QUERY__TOKEN__TEMPORARY) ||
            (r->tokens[i - 1]->token != PG_QUERY__TOKEN__CREATE && r->tokens[i - 1]->token != PG_QUERY__TOKEN__INTO))
            return false;
        if (tell)
            REPORT(LEVEL_WARNING, SQLSTATE_WARNING, err_message("GLOBAL is deprecated in temporary table creation"),
                   err_position(t->start));
        return true;
    default:
        return false;
    }
}

static PgQuery__ScanResult *
tokens_of(Arena *a, const char *text)
{
    PgQueryScanResult scan = pg_query_scan(text);
    ProtobufCAllocator allocator = {parse_alloc, parse_free, a};
    PgQuery__ScanResult *r = NULL;

    if (scan.error == NULL)
        r = pg_query__scan_result__unpack(&allocator, scan.pbuf.len, (const uint8_t *)scan.pbuf.data);
    pg_query_free_scan_result(scan);
    return r;
}

bool
parse_notices(Arena *a, const char *text, int upto, bool tell)
{
    bool any = false;

    if (!suspicious(text))
        return false;
    const PgQuery__ScanResult *r = tokens_of(a, text);
    if (r == NULL) /* a text that does not lex: as far as it does */
        r = tokens_of(a, arena_strndup(a, text, (size_t)upto));
    for (size_t i = 0; r != NULL && i < r->n_tokens && r->tokens[i]->start <= upto; i++)
        any |= check_token(a, r, i, text, tell);
    return any;
}
