/*
 * DataRow messages: rows of a batch written straight into the output buffer.
 *
 * Each column has a writer chosen once per portal: the common types are written by code in this file,
 * into space that was reserved for the whole row, without a call through TypeOps; all others by their
 * type's out or send, whose length is patched in after.
 */
#include "core/wire/wire_internal.h"

#include "core/catalog/catalog.h"
#include "core/types/number.h"

typedef enum Writer {
    WRITE_OPS, WRITE_OPS_BINARY,
    WRITE_INT_TEXT, WRITE_OID_TEXT, WRITE_BOOL_TEXT, WRITE_BYTES,
    WRITE_INT1_BINARY, WRITE_INT2_BINARY, WRITE_INT4_BINARY, WRITE_INT8_BINARY
} Writer;

#define FIXED_BYTES_MAX 28 /* length word and the longest of the fixed writers: -9223372036854775808 */

typedef struct SenderColumn {
    Writer writer;
    const TypeOps *ops;
    FnCtx ctx;
    Oid type;
} SenderColumn;

struct RowSender {
    Arena *scratch; /* what out functions allocate; released after each batch */
    int n;
    size_t reserve_bytes;
    SenderColumn cols[];
};

static Writer
choose_text_writer(Oid type)
{
    switch (type) {
    case INT2_OID: case INT4_OID: case INT8_OID:
        return WRITE_INT_TEXT;
    case OID_OID: case XID_OID: case CID_OID:
        return WRITE_OID_TEXT;
    case BOOL_OID:
        return WRITE_BOOL_TEXT;
    case TEXT_OID: case VARCHAR_OID: case BPCHAR_OID:
        return WRITE_BYTES;
    default:
        return WRITE_OPS;
    }
}

static Writer
choose_binary_writer(Oid type)
{
    switch (type) {
    case INT2_OID:
        return WRITE_INT2_BINARY;
    case INT4_OID: case OID_OID: case FLOAT4_OID: case DATE_OID:
        return WRITE_INT4_BINARY;
    case INT8_OID: case FLOAT8_OID: case TIMESTAMP_OID: case TIMESTAMPTZ_OID: case TIME_OID:
        return WRITE_INT8_BINARY;
    case BOOL_OID:
        return WRITE_INT1_BINARY;
    case TEXT_OID: case VARCHAR_OID: case BPCHAR_OID: case BYTEA_OID:
        return WRITE_BYTES;
    default:
        return WRITE_OPS_BINARY;
    }
}

static void
init_column(SenderColumn *c, Arena *a, Arena *scratch, const RowColumn *rc, int format)
{
    const TypeInfo *t = type_info(rc->type);
    if (t->typtype == 'd')
        t = type_info(type_base(rc->type, NULL));
    c->type = t->oid;
    c->ops = t->ops;
    c->ctx = (FnCtx){.arena = scratch, .state_arena = a, .nargs = 1, .ret_typmod = -1, .arg_types = &c->type};
    if (c->ops == NULL || c->ops->out == NULL)
        RAISE(SQLSTATE_UNDEFINED_FUNCTION, "no output function available for type %s",
              type_format(a, rc->type, -1, false));
    if (format == 0) {
        c->writer = choose_text_writer(c->type);
    } else if (format == 1) {
        c->writer = choose_binary_writer(c->type);
        if (c->writer == WRITE_OPS_BINARY && c->ops->send == NULL)
            RAISE(SQLSTATE_UNDEFINED_FUNCTION, "no binary output function available for type %s",
                  type_format(a, rc->type, -1, false));
    } else {
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "unsupported format code: %d", format);
    }
}

RowSender *
row_sender_new(Arena *a, const RowDesc *d, const int16_t *formats, int nformats)
{
    RowSender *s = arena_alloc0(a, sizeof(RowSender) + (size_t)d->n * sizeof(SenderColumn));
    bool scratch = false;
    s->n = d->n;
    for (int i = 0; i < d->n; i++) {
        init_column(&s->cols[i], a, NULL, &d->cols[i], nformats == 0 ? 0 : nformats == 1 ? formats[0] : formats[i]);
        scratch |= s->cols[i].writer <= WRITE_OPS_BINARY;
    }
    s->reserve_bytes = 8 + (size_t)d->n * FIXED_BYTES_MAX;
    if (scratch) {
        s->scratch = arena_create(a, "row output");
        for (int i = 0; i < d->n; i++)
            s->cols[i].ctx.arena = s->scratch;
    }
    return s;
}

static const char digit_pairs[] =
    "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748495051525354"
    "5556575859606162636465666768697071727374757677787980818283848586878889909192939495969798" "99";

/* Digits of v at p; returns how many. */
static inline size_t
put_digits(char *p, uint64_t v)
{
    char tmp[20];
    char *t = tmp + sizeof(tmp);
    if (v < 10) {
        *p = (char)('0' + v);
        return 1;
    }
    while (v >= 100) {
        uint64_t q = v / 100;
        t -= 2;
        memcpy(t, digit_pairs + (v - q * 100) * 2, 2);
        v = q;
    }
    if (v >= 10) {
        t -= 2;
        memcpy(t, digit_pairs + v * 2, 2);
    } else {
        *--t = (char)('0' + v);
    }
    size_t n = (size_t)(tmp + sizeof(tmp) - t);
    memcpy(p, t, n);
    return n;
}

/* `left` bytes stay reserved behind the value, so that the fixed writers need not look at the space. */
static void
put_bytes_value(StrBuf *o, Datum d, size_t left)
{
    uint32_t n = var_len(d);
    str_reserve(o, n + left + 4);
    char *p = o->data + o->len;
    store_be32(p, n);
    memcpy(p + 4, var_data(d), n);
    o->len += n + 4;
}

static void
put_ops_value(StrBuf *o, SenderColumn *c, Datum d, size_t left)
{
    size_t at = o->len;
    str_reserve(o, FIXED_BYTES_MAX);
    o->len += 4;
    if (c->writer == WRITE_OPS)
        c->ops->out(&c->ctx, d, o);
    else
        c->ops->send(&c->ctx, d, o);
    store_be32(o->data + at, (uint32_t)(o->len - at - 4));
    str_reserve(o, left);
}

static inline void
put_value(StrBuf *o, SenderColumn *c, Datum d, size_t left)
{
    char *p = o->data + o->len;
    size_t n;
    switch (c->writer) {
    case WRITE_INT_TEXT: {
        int64_t v = datum_int64(d);
        uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
        p[4] = '-';
        n = (size_t)(v < 0);
        n += put_digits(p + 4 + n, u);
        break;
    }
    case WRITE_OID_TEXT:
        n = put_digits(p + 4, (uint32_t)d);
        break;
    case WRITE_BOOL_TEXT:
        p[4] = datum_bool(d) ? 't' : 'f';
        n = 1;
        break;
    case WRITE_INT1_BINARY:
        p[4] = (char)datum_bool(d);
        n = 1;
        break;
    case WRITE_INT2_BINARY:
        store_be16(p + 4, (uint16_t)d);
        n = 2;
        break;
    case WRITE_INT4_BINARY:
        store_be32(p + 4, (uint32_t)d);
        n = 4;
        break;
    case WRITE_INT8_BINARY:
        store_be64(p + 4, d);
        n = 8;
        break;
    case WRITE_BYTES:
        put_bytes_value(o, d, left);
        return;
    default:
        put_ops_value(o, c, d, left);
        return;
    }
    store_be32(p, (uint32_t)n);
    o->len += n + 4;
}

void
row_sender_send(RowSender *s, const Batch *b)
{
    StrBuf *o = wire_out();
    ArenaMark mark = {0};
    if (s->scratch)
        mark = arena_mark(s->scratch);
    int n = b->sel ? b->nsel : b->n;
    for (int k = 0; k < n; k++) {
        int row = batch_row(b, k);
        wire_begin('D');
        str_reserve(o, s->reserve_bytes);
        store_be16(o->data + o->len, (uint16_t)s->n);
        o->len += 2;
        for (int i = 0; i < s->n; i++) {
            const Vec *v = &b->cols[i];
            if (UNLIKELY(vec_null(v, row))) {
                store_be32(o->data + o->len, UINT32_MAX);
                o->len += 4;
            } else {
                put_value(o, &s->cols[i], vec_get(v, row), s->reserve_bytes);
            }
        }
        wire_end();
    }
    if (s->scratch)
        arena_release(s->scratch, mark);
}
