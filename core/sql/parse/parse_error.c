/*
 * Syntax errors: libpg_query hands over message and position, but drops SQLSTATE, HINT and DETAIL, and its
 * lexer is older than the server's. All follow from the message and the place that raised it.
 */
#include <string.h>

#include "core/sql/parse/parse_internal.h"

/* libpg_query counts the error position in characters from 1. */
static int
byte_offset_of_char(const char *text, int char_number)
{
    const char *p = text;
    for (int i = 1; i < char_number && *p; i++)
        p += utf8_char_bytes((unsigned char)*p);
    return (int)(p - text);
}

typedef struct Known {
    const char *part;       /* of the message */
    uint32_t state;
    const char *hint;
} Known;

/* All that is not a plain syntax error without a hint. The first that fits counts. */
static const Known known[] = {
    {"LIMIT #,# syntax is not supported", SQLSTATE_SYNTAX_ERROR, "Use separate LIMIT and OFFSET clauses."},
    {"UNENCRYPTED PASSWORD is no longer supported", SQLSTATE_FEATURE_NOT_SUPPORTED,
     "Remove UNENCRYPTED to store the password in encrypted form instead."},
    {"not supported", SQLSTATE_FEATURE_NOT_SUPPORTED, NULL},
    {"not implemented", SQLSTATE_FEATURE_NOT_SUPPORTED, NULL},
    {"not yet implemented", SQLSTATE_FEATURE_NOT_SUPPORTED, NULL},
    {"current database cannot be changed", SQLSTATE_FEATURE_NOT_SUPPORTED, NULL},
    {"constraints cannot be marked", SQLSTATE_FEATURE_NOT_SUPPORTED, NULL},
    {"stack depth limit exceeded", SQLSTATE_STATEMENT_TOO_COMPLEX, NULL},
    {"memory exhausted", SQLSTATE_OUT_OF_MEMORY, NULL},
    {"out of memory", SQLSTATE_OUT_OF_MEMORY, NULL},
    {"invalid byte sequence", SQLSTATE_CHARACTER_NOT_IN_REPERTOIRE, NULL},
    {"unsafe use of string constant", SQLSTATE_FEATURE_NOT_SUPPORTED, NULL},
    {"unsafe use of \\' in a string literal", SQLSTATE_NONSTANDARD_USE_OF_ESCAPE_CHARACTER, NULL},
    {"frame starting from", SQLSTATE_WINDOWING_ERROR, NULL},
    {"frame start cannot be", SQLSTATE_WINDOWING_ERROR, NULL},
    {"frame end cannot be", SQLSTATE_WINDOWING_ERROR, NULL},
    {"precision for type float", SQLSTATE_INVALID_PARAMETER_VALUE, NULL},
    {"column number must be in range", SQLSTATE_INVALID_PARAMETER_VALUE, NULL},
    {"subquery in FROM must have an alias", SQLSTATE_SYNTAX_ERROR, "For example, FROM (SELECT ...) [AS] foo."},
    {"VALUES in FROM must have an alias", SQLSTATE_SYNTAX_ERROR, "For example, FROM (VALUES ...) [AS] foo."},
};

static const char *
hint_of_escape(const PgQueryError *e)
{
    if (strcmp(e->message, "invalid Unicode escape") != 0 || e->funcname == NULL)
        return NULL;
    return strcmp(e->funcname, "str_udeescape") == 0 ? "Unicode escapes must be \\XXXX or \\+XXXXXX."
                                                     : "Unicode escapes must be \\uXXXX or \\UXXXXXXXX.";
}

static bool
continues_identifier(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$' ||
           (unsigned char)c >= 0x80;
}

/* The library's lexer stops at the first letter behind a number; PostgreSQL's takes the whole word. */
static const char *
whole_junk(Arena *a, const char *text, int at, const char *message)
{
    const char *quote = strrchr(message, '"'), *open = strchr(message, '"');

    if (strncmp(message, "trailing junk after ", 20) != 0 || open == quote || at < 0)
        return message;
    size_t n = (size_t)(quote - open - 1);
    if (n == 0 || strncmp(text + at, open + 1, n) != 0 || !continues_identifier(text[at + (int)n - 1]))
        return message;
    while (continues_identifier(text[at + (int)n]))
        n++;
    return arena_printf(a, "%.*s\"%.*s\"", (int)(open - message), message, (int)n, text + at);
}

void
parse_raise(Arena *a, const char *text, const PgQueryError *e, bool aloud)
{
    int position = e->cursorpos > 0 ? byte_offset_of_char(text, e->cursorpos) : -1;
    uint32_t state = SQLSTATE_SYNTAX_ERROR;
    const char *hint = hint_of_escape(e), *message = whole_junk(a, text, position, e->message);

    if (aloud && position > 0)
        parse_notices(a, text, position, true);
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (strstr(message, known[i].part) != NULL) {
            state = known[i].state;
            hint = hint ? hint : known[i].hint;
            break;
        }
    err_start(LEVEL_ERROR, state, __FILE__, __LINE__, __func__);
    err_message("%s", message);
    if (hint)
        err_hint("%s", hint);
    err_position(position);
    err_throw();
}
