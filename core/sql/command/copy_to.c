/*
 * COPY TO: rows of a table or query as text, CSV or binary, to the client or a file. Runs the query
 * through the executor with a destination that formats whole batches.
 */
#include <errno.h>
#include <sys/stat.h>

#include "core/sql/command/copy.h"
#include "core/sql/command/copy_scan.h"

#define FLUSH_BYTES 65536

typedef struct CopyDest {
    Dest dest;
    CopyJob *j;
    StrBuf buf, field;
    FILE *f;
    const RowDesc *desc;
    const TypeOps **ops;
    FnCtx *ctx;
    bool *force_quote;
    uint64_t rows;
    Arena *scratch; /* of the output functions, emptied for each batch */
} CopyDest;

static void
flush(CopyDest *d)
{
    if (d->buf.len == 0)
        return;
    if (d->f) {
        if (fwrite(d->buf.data, 1, d->buf.len, d->f) != d->buf.len)
            RAISE(errno == ENOSPC ? SQLSTATE_DISK_FULL : SQLSTATE_IO_ERROR, "could not write to COPY file: %m");
    } else
        session_hooks.copy->write(session_hooks.copy->arg, d->buf.data, d->buf.len);
    str_reset(&d->buf);
}

/* To the client every row is one message. */
static void
row_done(CopyDest *d)
{
    if (d->f == NULL || d->buf.len >= FLUSH_BYTES)
        flush(d);
}

static void
put_text_field(CopyDest *d, const char *s, size_t n)
{
    char delim = d->j->o.delim;
    size_t start = 0;
    for (size_t i = scan_escape(s, n, delim); i < n; i = i + 1 + scan_escape(s + i + 1, n - i - 1, delim)) {
        char c = s[i], esc = 0;
        switch (c) {
        case '\b': esc = 'b'; break;
        case '\f': esc = 'f'; break;
        case '\n': esc = 'n'; break;
        case '\r': esc = 'r'; break;
        case '\t': esc = 't'; break;
        case '\v': esc = 'v'; break;
        case '\\': esc = '\\'; break;
        default: break;
        }
        if (esc == 0 && c == delim)
            esc = c;
        if (esc == 0)
            continue;
        str_add_bytes(&d->buf, s + start, i - start);
        str_add_char(&d->buf, '\\');
        str_add_char(&d->buf, esc);
        start = i + 1;
    }
    str_add_bytes(&d->buf, s + start, n - start);
}

static void
put_csv_field(CopyDest *d, const char *s, size_t n, bool force, bool single)
{
    const CopyOptions *o = &d->j->o;
    bool quote = force || (n == o->null_len && memcmp(s, o->null, n) == 0);
    if (!quote && single && n == 2 && memcmp(s, "\\.", 2) == 0)
        quote = true;
    if (!quote)
        quote = scan_four(s, n, o->delim, o->quote, '\n', '\r') < n;
    if (!quote) {
        str_add_bytes(&d->buf, s, n);
        return;
    }
    str_add_char(&d->buf, o->quote);
    for (size_t i = 0; i < n; i++) {
        if (s[i] == o->quote || s[i] == o->escape)
            str_add_char(&d->buf, o->escape);
        str_add_char(&d->buf, s[i]);
    }
    str_add_char(&d->buf, o->quote);
}

static void
put_be16(StrBuf *b, int v)
{
    char x[2];
    store_be16(x, (uint16_t)v);
    str_add_bytes(b, x, 2);
}

static void
put_be32(StrBuf *b, int32_t v)
{
    char x[4];
    store_be32(x, (uint32_t)v);
    str_add_bytes(b, x, 4);
}

static void
put_row(CopyDest *d, const Batch *b, int row)
{
    const CopyOptions *o = &d->j->o;
    int n = d->desc->n;
    if (o->format == COPY_BINARY)
        put_be16(&d->buf, n);
    for (int i = 0; i < n; i++) {
        const Vec *v = &b->cols[i];
        if (i && o->format != COPY_BINARY)
            str_add_char(&d->buf, o->delim);
        if (vec_null(v, row)) {
            if (o->format == COPY_BINARY)
                put_be32(&d->buf, -1);
            else
                str_add_bytes(&d->buf, o->null, o->null_len);
            continue;
        }
        d->field.len = 0;
        if (o->format == COPY_BINARY) {
            d->ops[i]->send(&d->ctx[i], vec_get(v, row), &d->field);
            put_be32(&d->buf, (int32_t)d->field.len);
            str_add_bytes(&d->buf, d->field.data, d->field.len);
            continue;
        }
        if (o->format == COPY_TEXT) { /* straight into the row; taken back when something must be escaped */
            size_t at = d->buf.len;
            d->ops[i]->out(&d->ctx[i], vec_get(v, row), &d->buf);
            size_t len = d->buf.len - at;
            if (UNLIKELY(scan_escape(d->buf.data + at, len, o->delim) < len)) {
                str_add_bytes(&d->field, d->buf.data + at, len);
                d->buf.len = at;
                put_text_field(d, d->field.data, d->field.len);
            }
            continue;
        }
        d->ops[i]->out(&d->ctx[i], vec_get(v, row), &d->field);
        put_csv_field(d, d->field.data, d->field.len, d->force_quote[i], n == 1);
    }
    if (o->format != COPY_BINARY)
        str_add_char(&d->buf, '\n');
    d->rows++;
    row_done(d);
}

static void
header_line(CopyDest *d)
{
    for (int i = 0; i < d->desc->n; i++) {
        const char *name = d->desc->cols[i].name;
        if (i)
            str_add_char(&d->buf, d->j->o.delim);
        if (d->j->o.format == COPY_CSV)
            put_csv_field(d, name, strlen(name), false, d->desc->n == 1);
        else
            put_text_field(d, name, strlen(name));
    }
    str_add_char(&d->buf, '\n');
    row_done(d);
}

static void
mark_forced(CopyDest *d)
{
    const CopyOptions *o = &d->j->o;
    d->force_quote = ARENA_ARRAY(d->j->c->arena, bool, d->desc->n + 1);
    for (int i = 0; i < d->desc->n; i++)
        d->force_quote[i] = o->force_quote_all;
    for (int k = 0; k < list_count(o->force_quote); k++) {
        const char *name = o->force_quote->items[k];
        bool found = false;
        for (int i = 0; i < d->desc->n; i++)
            if (strcmp(d->desc->cols[i].name, name) == 0)
                d->force_quote[i] = found = true;
        if (found)
            continue;
        if (d->j->rel && rel_attnum(d->j->rel, name) > 0)
            RAISE(SQLSTATE_INVALID_COLUMN_REFERENCE, "FORCE_QUOTE column \"%s\" not referenced by COPY", name);
        if (d->j->rel)
            RAISE(SQLSTATE_UNDEFINED_COLUMN, "column \"%s\" of relation \"%s\" does not exist", name, d->j->rel->name);
        RAISE(SQLSTATE_UNDEFINED_COLUMN, "column \"%s\" does not exist", name);
    }
}

static void
start(Dest *dest, const RowDesc *desc)
{
    CopyDest *d = (CopyDest *)dest;
    Arena *a = d->j->c->arena;
    d->desc = desc;
    d->ops = ARENA_ARRAY(a, const TypeOps *, desc->n + 1);
    d->ctx = ARENA_ARRAY(a, FnCtx, desc->n + 1);
    for (int i = 0; i < desc->n; i++) {
        Oid base = type_base(desc->cols[i].type, NULL);
        d->ops[i] = type_info(base)->ops;
        if (d->ops[i] == NULL || (d->j->o.format == COPY_BINARY && d->ops[i]->send == NULL))
            UNSUPPORTED("COPY of type %s is not supported", type_format(a, desc->cols[i].type, -1, false));
        d->ctx[i] = (FnCtx){.arena = d->scratch, .state_arena = a, .ret_type = base, .ret_typmod = -1};
    }
    mark_forced(d);
    if (d->f == NULL)
        session_hooks.copy->begin_out(session_hooks.copy->arg, desc->n, d->j->o.format == COPY_BINARY);
    if (d->j->o.format == COPY_BINARY) {
        str_add_bytes(&d->buf, "PGCOPY\n\377\r\n\0", 11);
        put_be32(&d->buf, 0);
        put_be32(&d->buf, 0);
        flush(d);
    } else if (d->j->o.header == HEADER_ON)
        header_line(d);
}

static bool
rows(Dest *dest, const Batch *b)
{
    CopyDest *d = (CopyDest *)dest;
    for (int k = 0; k < b->nsel; k++)
        put_row(d, b, batch_row(b, k));
    arena_reset(d->scratch);
    return true;
}

static void
finish(Dest *dest)
{
    (void)dest;
}

/* ---- the statement to run ---- */

static char *
select_text(CopyJob *j)
{
    StrBuf s;
    Arena *a = j->c->arena;
    str_init(&s, a);
    str_add(&s, "SELECT ");
    for (int i = 0; i < j->ncols; i++)
        str_printf(&s, "%s%s", i ? ", " : "", sql_quote_ident(a, j->rel->cols[j->attnums[i] - 1].name));
    str_printf(&s, " FROM ONLY %s.%s", sql_quote_ident(a, j->rel->nsp_name), sql_quote_ident(a, j->rel->name));
    return s.data;
}

static void
check_query(const PNode *q)
{
    bool returning = true;

    switch (q->node_case) {
    case PN(SELECT_STMT):
        if (q->select_stmt->into_clause)
            UNSUPPORTED("COPY (SELECT INTO) is not supported");
        break;
    case PN(INSERT_STMT): returning = q->insert_stmt->n_returning_list > 0; break;
    case PN(UPDATE_STMT): returning = q->update_stmt->n_returning_list > 0; break;
    case PN(DELETE_STMT): returning = q->delete_stmt->n_returning_list > 0; break;
    default: break;
    }
    if (!returning)
        RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "COPY query must have a RETURNING clause");
}

static const PNode *
source_of(CopyJob *j, const PgQuery__CopyStmt *s)
{
    if (j->rel == NULL) {
        check_query(s->query);
        return s->query;
    }
    switch (j->rel->kind) {
    case 'r': case 'm': case 't': break;
    case 'v':
        RAISE_ERR(SQLSTATE_WRONG_OBJECT_TYPE, err_message("cannot copy from view \"%s\"", j->rel->name), err_hint("Try the COPY (SELECT ...) TO variant."));
    case 'S': RAISE(SQLSTATE_WRONG_OBJECT_TYPE, "cannot copy from sequence \"%s\"", j->rel->name);
    default: RAISE(SQLSTATE_WRONG_OBJECT_TYPE, "cannot copy from non-table relation \"%s\"", j->rel->name);
    }
    List *raws = sql_parse(j->c->arena, select_text(j));
    return ((RawStmt *)raws->items[0])->node;
}

static void
close_file(void *arg)
{
    fclose(arg);
}

uint64_t
copy_to(CopyJob *j, const PgQuery__CopyStmt *s)
{
    CopyDest d = {.dest = {start, rows, finish, NULL}, .j = j};
    const PNode *q = source_of(j, s);

    str_init(&d.buf, j->c->arena);
    str_init(&d.field, j->c->arena);
    d.scratch = arena_create(j->c->arena, "copy output");
    if (j->file) {
        mode_t old = umask(022);
        d.f = fopen(j->file, "w");
        umask(old);
        if (d.f == NULL)
            RAISE_ERR(errno == ENOENT ? SQLSTATE_UNDEFINED_FILE : SQLSTATE_INSUFFICIENT_PRIVILEGE, err_message("could not open file \"%s\" for writing: %m", j->file),
                      err_hint("COPY TO instructs the PostgreSQL server process to write a file. You may want a client-side facility such as psql's \\copy."));
        res_remember(res_current, close_file, d.f);
    }
    run_query(j->c, q, &d.dest, NULL);
    if (j->o.format == COPY_BINARY) {
        put_be16(&d.buf, -1);
        flush(&d);
    }
    flush(&d);
    if (d.f) {
        res_forget(res_current, close_file, d.f);
        if (fclose(d.f) != 0)
            RAISE(SQLSTATE_IO_ERROR, "could not close file \"%s\": %m", j->file);
    } else
        session_hooks.copy->end_out(session_hooks.copy->arg);
    return d.rows;
}
