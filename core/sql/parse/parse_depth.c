/*
 * How deep a parse tree may be, and on which stack it is made.
 *
 * libpg_query and protobuf recurse once or twice for each level of the tree and know no limit, and a text of a
 * few kilobytes can be thousands of levels deep. So a long text is refused if its chains are too long (parse_chain.c),
 * and else parsed on a stack that is large enough for the deepest it can be; the depth of the packed tree is then
 * measured without recursion, refused beyond a limit (below it our own passes meet theirs, max_stack_depth), and a
 * deep tree is unpacked on a stack that fits its depth.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/stack.h"
#include "core/sql/parse/parse_internal.h"

#define SHORT_TEXT_BYTES 8192        /* parsed on the process's own stack: 2 MB at the worst ("1+": 160 to 400 bytes) */
#define CHAIN_MAX 10000              /* packed in half a second; PostgreSQL gives up at 3000 to 8000, by the kind of link */
#define PARSE_STACK_BYTES (64u * 1024 * 1024) /* CHAIN_MAX links and 10,000 states of the grammar need a quarter of it */
#define SHALLOW_LEVELS 500           /* unpacked on the process's own stack */
#define UNPACK_BYTES_PER_LEVEL 2048u /* measured: 0.8 to 1.4 KB */
#define SPARE_BYTES (256u * 1024)    /* what unpacking takes for anything else */
#define LEVELS_MAX 20000             /* PostgreSQL at 2 MB of stack gives up between 6000 and 12000 of them */

/* ---- parsing ---- */

typedef struct ParseCall {
    const char *text;
    PgQueryProtobufParseResult result;
} ParseCall;

static void
call_parser(void *arg)
{
    ParseCall *c = arg;
    c->result = pg_query_parse_protobuf(c->text);
}

PgQueryProtobufParseResult
parse_to_protobuf(Arena *a, const char *text)
{
    ParseCall c = {.text = text};
    if (strlen(text) <= SHORT_TEXT_BYTES)
        call_parser(&c);
    else if (parse_longest_chain(a, text) > CHAIN_MAX || !stack_run(PARSE_STACK_BYTES, call_parser, &c))
        stack_check_failed();
    return c.result;
}

/* ---- depth of a packed message ---- */

typedef struct Level {
    const ProtobufCMessageDescriptor *message;
    const uint8_t *end;
} Level;

static uint64_t
take_varint(const uint8_t **p, const uint8_t *end)
{
    uint64_t v = 0;
    for (int shift = 0; *p < end && shift < 64; shift += 7) {
        uint8_t byte = *(*p)++;
        v |= (uint64_t)(byte & 127) << shift;
        if (byte < 128)
            break;
    }
    return v;
}

/* Levels of messages within messages; LEVELS_MAX + 1 for any more. The bytes are the packer's own, so sound. */
static int
packed_depth(const uint8_t *p, size_t bytes, Level *levels)
{
    int depth = 0, deepest = 0;
    levels[0] = (Level){&pg_query__parse_result__descriptor, p + bytes};
    for (;;) {
        while (p >= levels[depth].end)
            if (depth-- == 0)
                return deepest;
        uint64_t key = take_varint(&p, levels[depth].end);
        switch (key & 7) {
        case 0: take_varint(&p, levels[depth].end); break;
        case 1: p += 8; break;
        case 5: p += 4; break;
        default: {
            uint64_t len = take_varint(&p, levels[depth].end);
            const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field(levels[depth].message, (unsigned)(key >> 3));
            if (f == NULL || f->type != PROTOBUF_C_TYPE_MESSAGE) {
                p += len;
                break;
            }
            if (++depth > LEVELS_MAX)
                return depth;
            deepest = MAX(deepest, depth);
            levels[depth] = (Level){f->descriptor, p + len};
        }
        }
    }
}

/* ---- unpacking ---- */

typedef struct UnpackCall {
    ProtobufCAllocator allocator;
    const PgQueryProtobuf *packed;
    PgQuery__ParseResult *tree;
} UnpackCall;

static void
call_unpack(void *arg)
{
    UnpackCall *c = arg;
    c->tree = pg_query__parse_result__unpack(&c->allocator, c->packed->len, (const uint8_t *)c->packed->data);
}

PgQuery__ParseResult *
parse_unpack(Arena *a, const PgQueryProtobuf *packed)
{
    UnpackCall c = {{parse_alloc, parse_free, a}, packed, NULL};
    int depth = 0;
    if (packed->len > SHALLOW_LEVELS * 4) { /* a level has a key and a length, and is mostly in a node that has both too */
        Level *levels = malloc(sizeof(Level) * (LEVELS_MAX + 2));
        if (levels == NULL)
            RAISE(SQLSTATE_OUT_OF_MEMORY, "out of memory");
        depth = packed_depth((const uint8_t *)packed->data, packed->len, levels);
        free(levels);
    }
    if (depth > LEVELS_MAX)
        stack_check_failed();
    if (depth <= SHALLOW_LEVELS)
        call_unpack(&c);
    else if (!stack_run((size_t)depth * UNPACK_BYTES_PER_LEVEL + SPARE_BYTES, call_unpack, &c))
        stack_check_failed();
    return c.tree;
}
