/*
 * What libpg_query keeps to itself and PostgreSQL tells its clients. Shared by the files of this folder only.
 */
#ifndef CORE_SQL_PARSE_PARSE_INTERNAL_H
#define CORE_SQL_PARSE_PARSE_INTERNAL_H

#include <pg_query.h>

#include "core/sql/sql.h"

/* Protobuf's allocator over an arena (the data). */
void *parse_alloc(void *data, size_t bytes);
void parse_free(void *data, void *p);
/* Both on a stack that fits; a tree that is too deep raises 54001. parse_unpack may raise: call stack_abandon then. */
PgQueryProtobufParseResult parse_to_protobuf(Arena *a, const char *text);
PgQuery__ParseResult *parse_unpack(Arena *a, const PgQueryProtobuf *packed);
/* An upper bound of how deep to the left the tree of a text will be. */
int parse_longest_chain(Arena *a, const char *text);
/* Raises a syntax error as PostgreSQL words it; aloud: after the notices that precede it. */
NORETURN void parse_raise(Arena *a, const char *text, const PgQueryError *e, bool aloud);
/* Notices about the text up to byte `upto`. Returns whether there are any; tell: reports them. */
bool parse_notices(Arena *a, const char *text, int upto, bool tell);

#endif
