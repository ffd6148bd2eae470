/*
 * Messages of the server other than rows: errors and notices, readiness, parameters, row descriptions.
 */
#include "core/wire/wire_internal.h"

#include <stdio.h>

#include "core/catalog/catalog.h"

#define FATAL_PATIENCE_MS 2000 /* how long a dying session waits for a client that does not read */

static const char *
severity(ErrLevel level)
{
    switch (level) {
    case LEVEL_DEBUG5: case LEVEL_DEBUG4: case LEVEL_DEBUG3: case LEVEL_DEBUG2: case LEVEL_DEBUG1:
        return "DEBUG";
    case LEVEL_LOG:
        return "LOG";
    case LEVEL_INFO:
        return "INFO";
    case LEVEL_NOTICE:
        return "NOTICE";
    case LEVEL_WARNING:
        return "WARNING";
    case LEVEL_ERROR:
        return "ERROR";
    case LEVEL_FATAL:
        return "FATAL";
    default:
        return "PANIC";
    }
}

static void
put_field(char code, const char *text)
{
    if (text == NULL)
        return;
    wire_put_byte(code);
    wire_put_string(text);
}

static void
put_number(char code, long v)
{
    char text[24];
    snprintf(text, sizeof(text), "%ld", v);
    put_field(code, text);
}

/* A byte offset as the number of a character, from 1. */
static long
char_position(const char *text, int offset)
{
    size_t n = text ? strnlen(text, (size_t)offset) : (size_t)offset;
    return (long)(text ? utf8_count_chars(text, n) : n) + 1;
}

static void
put_error_fields(const ErrReport *r, const char *statement)
{
    const char *slash = r->file ? strrchr(r->file, '/') : NULL;
    put_field('S', severity(r->level));
    put_field('V', severity(r->level));
    put_field('C', sqlstate_text(r->sqlstate));
    put_field('M', r->message ? r->message : "missing error text");
    put_field('D', r->detail);
    put_field('H', r->hint);
    put_field('W', r->context);
    put_field('s', r->schema);
    put_field('t', r->table);
    put_field('c', r->column);
    put_field('d', r->datatype);
    put_field('n', r->constraint);
    if (r->position >= 0)
        put_number('P', char_position(statement, r->position));
    if (r->internal_query && r->internal_position >= 0)
        put_number('p', char_position(r->internal_query, r->internal_position));
    put_field('q', r->internal_query);
    if (r->file) {
        put_field('F', slash ? slash + 1 : r->file);
        put_number('L', r->line);
    }
    put_field('R', r->func);
    wire_put_byte(0);
}

/* Clients of protocol 2 and before know errors as a text. */
static void
send_old_error(const ErrReport *r)
{
    StrBuf *out = wire_out();
    str_printf(out, "E%s:  %s\n", severity(r->level), r->message);
    str_add_char(out, '\0');
    buffer_flush(false, FATAL_PATIENCE_MS);
}

void
wire_send_error(const ErrReport *r, const char *statement)
{
    if (wire_conn.fd < 0 || wire_conn.broken)
        return;
    /* Building a message can fail for lack of memory only; then the client must do without it. */
    ERR_TRY {
        if (wire_conn.old_protocol) {
            send_old_error(r);
        } else {
            wire_begin(r->level >= LEVEL_ERROR ? 'E' : 'N');
            put_error_fields(r, statement);
            buffer_end_quietly();
        }
    } ERR_CATCH {
        err_clear();
    } ERR_END;
    if (r->level >= LEVEL_FATAL)
        buffer_flush(false, FATAL_PATIENCE_MS);
    else if (r->level < LEVEL_ERROR)
        buffer_flush(false, 0); /* a notice of a long statement is of use now */
}

void
wire_send_ready(char status)
{
    wire_begin('Z');
    wire_put_byte(status);
    wire_end();
}

void
wire_send_command_complete(const char *tag)
{
    wire_begin('C');
    wire_put_string(tag);
    wire_end();
}

void
wire_send_parameter_status(const char *name, const char *value)
{
    wire_begin('S');
    wire_put_string(name);
    wire_put_string(value ? value : "");
    wire_end();
}

void
wire_send_backend_key(uint32_t pid, uint32_t key)
{
    wire_begin('K');
    wire_put_int32((int32_t)pid);
    wire_put_int32((int32_t)key);
    wire_end();
}

void
wire_send_row_description(const RowDesc *d, const int16_t *formats, int nformats)
{
    wire_begin('T');
    wire_put_int16(d->n);
    for (int i = 0; i < d->n; i++) {
        const RowColumn *c = &d->cols[i];
        int32_t typmod = c->typmod;
        const TypeInfo *t = type_info(c->type);
        if (t->typtype == 'd') /* clients see what a domain is made of */
            t = type_info(type_base(c->type, &typmod));
        wire_put_string(c->name);
        wire_put_int32((int32_t)c->table);
        wire_put_int16(c->column);
        wire_put_int32((int32_t)t->oid);
        wire_put_int16(t->typlen);
        wire_put_int32(typmod);
        wire_put_int16(nformats == 0 ? 0 : nformats == 1 ? formats[0] : formats[i]);
    }
    wire_end();
}
