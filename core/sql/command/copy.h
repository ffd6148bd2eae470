/*
 * COPY: what its files share. copy.c reads the statement and its options, copy_to.c writes, copy_from.c
 * reads rows into a table, copy_parse.c splits text and CSV input into fields.
 */
#ifndef CORE_SQL_COMMAND_COPY_H
#define CORE_SQL_COMMAND_COPY_H

#include "core/sql/command/command_internal.h"

typedef enum CopyFormat { COPY_TEXT, COPY_CSV, COPY_BINARY } CopyFormat;
typedef enum CopyHeader { HEADER_OFF, HEADER_ON, HEADER_MATCH } CopyHeader;

typedef struct CopyOptions {
    CopyFormat format;
    char delim, quote, escape;
    const char *null; size_t null_len;
    CopyHeader header;
    bool freeze;
    bool force_quote_all;
    List *force_quote, *force_not_null, *force_null; /* char * */
} CopyOptions;

typedef struct CopyJob {
    CommandContext *c;
    CopyOptions o;
    RelDesc *rel;          /* NULL: COPY (query) */
    int ncols;
    int *attnums;          /* of the copied columns */
    const char *file;      /* NULL: client */
    bool program;
} CopyJob;

uint64_t copy_to(CopyJob *j, const PgQuery__CopyStmt *s);
uint64_t copy_from(CopyJob *j, const PgQuery__CopyStmt *s);

/* ---- input: text and CSV ---- */
typedef struct CopyField { char *text; size_t len; bool is_null, quoted; } CopyField;
typedef struct CopyReader CopyReader;
CopyReader *copy_reader_new(CopyJob *j);
/* The next line's fields (decoded, zero-terminated, valid until the next call); false at the end. */
bool copy_reader_line(CopyReader *r, CopyField **fields, int *n);
/* Raw bytes, for the binary format: false at the end of input. */
bool copy_reader_bytes(CopyReader *r, void *out, size_t n);
bool copy_reader_in_line(const CopyReader *r); /* a whole line has been read and is being split or converted */
uint64_t copy_reader_line_number(const CopyReader *r);
const char *copy_reader_line_text(const CopyReader *r, size_t *n); /* raw current line, for error contexts */
void copy_reader_close(CopyReader *r);
void copy_reader_skip_rest(CopyReader *r);

#endif
