/*
 * Text to raw statements: libpg_query parses with PostgreSQL 15's own grammar and hands the tree over as
 * protobuf, which is unpacked into the statement's arena.
 */
#include <pg_query.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/stack.h"
#include "core/sql/parse/parse_internal.h"

void *
parse_alloc(void *data, size_t bytes)
{
    return arena_alloc(data, bytes);
}

void
parse_free(void *data, void *p)
{
    (void)data;
    (void)p; /* the arena frees */
}

static List *
parse(Arena *a, const char *text, bool aloud, bool *noticed)
{
    List *out = list_new(a);
    PgQueryProtobufParseResult r = parse_to_protobuf(a, text);

    if (r.error != NULL) {
        PgQueryError e = *r.error;
        e.message = arena_strdup(a, e.message ? e.message : "syntax error");
        e.funcname = e.funcname ? arena_strdup(a, e.funcname) : NULL;
        pg_query_free_protobuf_parse_result(r);
        parse_raise(a, text, &e, aloud);
    }
    PgQuery__ParseResult *tree = NULL;
    ERR_TRY
    {
        tree = parse_unpack(a, &r.parse_tree);
    }
    ERR_CATCH
    {
        stack_abandon();
        pg_query_free_protobuf_parse_result(r);
        err_rethrow();
    }
    ERR_END;
    pg_query_free_protobuf_parse_result(r);
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
    if (aloud)
        *noticed = parse_notices(a, text, text_len, true);
    return out;
}

List *
sql_parse(Arena *a, const char *text)
{
    return parse(a, text, false, NULL);
}

List *
sql_parse_aloud(Arena *a, const char *text, bool *noticed)
{
    return parse(a, text, true, noticed);
}

bool
sql_has_notices(const char *text)
{
    return parse_notices(txn_current_arena(), text, (int)strlen(text), false);
}
