/*
 * Text to raw statements: libpg_query parses with PostgreSQL 15's own grammar and hands the tree over as
 * protobuf, which is unpacked into the statement's arena.
 */
#include <pg_query.h>
#include <stdlib.h>
#include <string.h>

#include "core/sql/sql.h"

static void *
arena_pb_alloc(void *data, size_t bytes)
{
    return arena_alloc(data, bytes);
}

static void
arena_pb_free(void *data, void *p)
{
    (void)data;
    (void)p; /* the arena frees */
}

/* libpg_query counts the error position in characters from 1. */
static int
byte_offset_of_char(const char *text, int char_number)
{
    const char *p = text;
    for (int i = 1; i < char_number && *p; i++)
        p += utf8_char_bytes((unsigned char)*p);
    return (int)(p - text);
}

/* The library drops the SQLSTATE; nearly all its errors are syntax errors, the rest are told by text. */
static uint32_t
state_of_message(const char *m)
{
    static const struct {
        const char *part;
        uint32_t state;
    } table[] = {
        {"not supported", SQLSTATE_FEATURE_NOT_SUPPORTED},
        {"not implemented", SQLSTATE_FEATURE_NOT_SUPPORTED},
        {"stack depth limit exceeded", SQLSTATE_STATEMENT_TOO_COMPLEX},
        {"memory exhausted", SQLSTATE_OUT_OF_MEMORY},
        {"out of memory", SQLSTATE_OUT_OF_MEMORY},
        {"invalid Unicode", SQLSTATE_SYNTAX_ERROR},
        {"invalid byte sequence", SQLSTATE_CHARACTER_NOT_IN_REPERTOIRE},
        {"unsafe use of string constant", SQLSTATE_FEATURE_NOT_SUPPORTED},
        {"unsafe use of \\' in a string literal", SQLSTATE_NONSTANDARD_USE_OF_ESCAPE_CHARACTER},
        {"frame starting from", SQLSTATE_WINDOWING_ERROR},
        {"frame start cannot be", SQLSTATE_WINDOWING_ERROR},
        {"frame end cannot be", SQLSTATE_WINDOWING_ERROR},
        {"precision for type float", SQLSTATE_INVALID_PARAMETER_VALUE},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++)
        if (strstr(m, table[i].part) != NULL)
            return table[i].state;
    return SQLSTATE_SYNTAX_ERROR;
}

typedef struct PgResultHolder {
    PgQueryProtobufParseResult result;
} PgResultHolder;

static void
free_result(void *arg)
{
    pg_query_free_protobuf_parse_result(((PgResultHolder *)arg)->result);
}

/* Hints are dropped by the library, too. */
static const char *
hint_of_message(const char *m)
{
    if (strcmp(m, "subquery in FROM must have an alias") == 0)
        return "For example, FROM (SELECT ...) [AS] foo.";
    if (strcmp(m, "VALUES in FROM must have an alias") == 0)
        return "For example, FROM (VALUES ...) [AS] foo.";
    return NULL;
}

List *
sql_parse(Arena *a, const char *text)
{
    List *out = list_new(a);
    PgResultHolder *holder = ARENA_NEW(a, PgResultHolder);
    holder->result = pg_query_parse_protobuf(text);
    PgQueryProtobufParseResult *r = &holder->result;

    if (r->error != NULL) {
        char *message = arena_strdup(a, r->error->message ? r->error->message : "syntax error");
        int position = r->error->cursorpos > 0 ? byte_offset_of_char(text, r->error->cursorpos) : -1;
        free_result(holder);
        const char *hint = hint_of_message(message);
        err_start(LEVEL_ERROR, state_of_message(message), __FILE__, __LINE__, __func__);
        err_message("%s", message);
        if (hint)
            err_hint("%s", hint);
        err_position(position);
        err_throw();
    }
    ProtobufCAllocator allocator = {arena_pb_alloc, arena_pb_free, a};
    PgQuery__ParseResult *tree = pg_query__parse_result__unpack(
        &allocator, r->parse_tree.len, (const uint8_t *)r->parse_tree.data);
    free_result(holder);
    if (tree == NULL)
        INTERNAL_ERROR("could not unpack the parse tree");

    int text_len = (int)strlen(text);
    for (size_t i = 0; i < tree->n_stmts; i++) {
        RawStmt *s = ARENA_NEW(a, RawStmt);
        s->node = tree->stmts[i]->stmt;
        s->location = tree->stmts[i]->stmt_location;
        s->len = tree->stmts[i]->stmt_len;
        if (s->len == 0)
            s->len = text_len - s->location;
        list_push(out, s);
    }
    return out;
}
