/*
 * Record values as a type: text and binary forms, order, equality, hashing. The form of the value is
 * record_make's (expr_row.c); the operations go column by column through the columns' own types.
 */
#include "core/sql/exec/exec_internal.h"

static const TypeOps *
column_ops(Oid type)
{
    const TypeOps *ops = type_ops(type);

    if (ops == NULL)
        RAISE(SQLSTATE_UNDEFINED_OBJECT, "cache lookup failed for type %u", type);
    return ops;
}

/* Walks the columns of a record in order. */
typedef struct Walk { Datum d; int n, i; const char *p; Oid type; bool isnull; Datum value; } Walk;

static Walk
walk_begin(Datum d)
{
    return (Walk){.d = d, .n = record_columns(d), .p = var_data(d) + 8};
}

static bool
walk_next(Walk *w)
{
    int16_t len;
    bool byval;

    if (w->i++ >= w->n)
        return false;
    w->type = load_u32(w->p);
    w->isnull = w->p[4];
    w->p += 5;
    w->value = 0;
    if (w->isnull)
        return true;
    type_physical(w->type, &len, &byval);
    if (byval) {
        w->value = load_u64(w->p);
        w->p += 8;
    } else {
        w->value = ptr_datum(w->p);
        w->p += datum_bytes(w->value, len);
    }
    return true;
}

static FnCtx
column_context(const FnCtx *c, const Oid *type)
{
    FnCtx x = *c;

    x.arg_types = type;
    x.ret_type = *type;
    x.ret_typmod = -1;
    x.state = NULL;
    return x;
}

static bool
needs_quotes(const char *p, size_t n)
{
    if (n == 0)
        return true;
    for (size_t i = 0; i < n; i++)
        if (strchr("\"\\(), \t\n\r\v\f", p[i]))
            return true;
    return false;
}

static void
record_out(FnCtx *c, Datum d, StrBuf *s)
{
    Walk w = walk_begin(d);
    StrBuf one;

    str_init(&one, c->arena);
    str_add_char(s, '(');
    for (int i = 0; walk_next(&w); i++) {
        if (i)
            str_add_char(s, ',');
        if (w.isnull)
            continue;
        FnCtx x = column_context(c, &w.type);
        str_reset(&one);
        column_ops(w.type)->out(&x, w.value, &one);
        if (!needs_quotes(one.data, one.len)) {
            str_add_bytes(s, one.data, one.len);
            continue;
        }
        str_add_char(s, '"');
        for (size_t k = 0; k < one.len; k++) {
            if (one.data[k] == '"' || one.data[k] == '\\')
                str_add_char(s, one.data[k]);
            str_add_char(s, one.data[k]);
        }
        str_add_char(s, '"');
    }
    str_add_char(s, ')');
}

static NORETURN void
raise_malformed(const char *text, const char *detail)
{
    RAISE_ERR(SQLSTATE_INVALID_TEXT_REPRESENTATION,
              err_message("malformed record literal: \"%s\"", text), err_detail("%s", detail));
}

/* One column's text from p on; NULL: it is null. Returns where the next begins. */
static const char *
column_text(const char *whole, const char *p, StrBuf *out, bool *isnull)
{
    bool quoted = false;

    str_reset(out);
    *isnull = *p == ',' || *p == ')';
    while (quoted || !(*p == ',' || *p == ')')) {
        if (*p == '\0')
            raise_malformed(whole, "Unexpected end of input.");
        if (*p == '\\') {
            if (*++p == '\0')
                raise_malformed(whole, "Unexpected end of input.");
            str_add_char(out, *p++);
        } else if (*p == '"') {
            if (quoted && p[1] == '"') {
                str_add_char(out, '"');
                p++;
            } else {
                quoted = !quoted;
            }
            p++;
        } else {
            str_add_char(out, *p++);
        }
    }
    return p;
}

static Datum
record_in(FnCtx *c, const char *text, size_t len, Oid elem, int32_t typmod)
{
    const TypeInfo *t = c->ret_type == RECORD_OID ? NULL : type_info(c->ret_type);
    const char *p = text;
    StrBuf one;
    int n = 0;

    if (t == NULL || t->rel == 0)
        UNSUPPORTED("input of anonymous composite types is not implemented");
    RelDesc *rel = rel_open(t->rel, LOCK_ACCESS_SHARE);
    Datum *values = ARENA_ARRAY(c->arena, Datum, rel->natts + 1);
    bool *nulls = ARENA_ARRAY(c->arena, bool, rel->natts + 1);
    Oid *types = ARENA_ARRAY(c->arena, Oid, rel->natts + 1);
    str_init(&one, c->arena);
    while (*p == ' ' || *p == '\t' || *p == '\n')
        p++;
    if (*p++ != '(')
        raise_malformed(text, "Missing left parenthesis.");
    for (int i = 0; i < rel->natts; i++) {
        const ColDesc *col = &rel->cols[i];
        if (col->dropped)
            continue;
        if (n > 0) {
            if (*p != ',')
                raise_malformed(text, "Too few columns.");
            p++;
        }
        p = column_text(text, p, &one, &nulls[n]);
        types[n] = col->type;
        if (!nulls[n]) {
            FnCtx x = column_context(c, &col->type);
            char *copy = arena_strndup(c->arena, one.data, one.len);
            values[n] = column_ops(col->type)->in(&x, copy, one.len, type_element_of(col->type),
                                                  col->typmod);
        }
        n++;
    }
    if (*p != ')')
        raise_malformed(text, "Too many columns.");
    for (p++; *p; p++)
        if (*p != ' ' && *p != '\t' && *p != '\n')
            raise_malformed(text, "Junk after right parenthesis.");
    return record_make(c->arena, c->ret_type, n, types, values, nulls);
}

static void
add_be32(StrBuf *s, uint32_t v)
{
    char b[4];

    store_be32(b, v);
    str_add_bytes(s, b, 4);
}

static void
record_send(FnCtx *c, Datum d, StrBuf *s)
{
    Walk w = walk_begin(d);

    add_be32(s, (uint32_t)w.n);
    while (walk_next(&w)) {
        add_be32(s, w.type);
        if (w.isnull) {
            add_be32(s, UINT32_MAX);
            continue;
        }
        FnCtx x = column_context(c, &w.type);
        size_t at = s->len;
        add_be32(s, 0);
        column_ops(w.type)->send(&x, w.value, s);
        store_be32(s->data + at, (uint32_t)(s->len - at - 4));
    }
}

/* ---- order ---- */

static void
require_same_type(const Walk *a, const Walk *b)
{
    if (a->type != b->type)
        RAISE(SQLSTATE_DATATYPE_MISMATCH,
              "cannot compare dissimilar column types %s and %s at record column %d",
              type_format(txn_arena(), a->type, -1, false),
              type_format(txn_arena(), b->type, -1, false), a->i);
}

static NORETURN void
raise_no_order(Oid type, const char *what)
{
    RAISE(SQLSTATE_UNDEFINED_FUNCTION, "could not identify %s for type %s", what,
          type_format(txn_arena(), type, -1, false));
}

static void
require_same_count(const Walk *a, const Walk *b)
{
    if (a->n != b->n)
        RAISE(SQLSTATE_DATATYPE_MISMATCH,
              "cannot compare record types with different numbers of columns");
}

static int
record_cmp(Datum x, Datum y, Oid collation)
{
    Walk a = walk_begin(x), b = walk_begin(y);

    while (a.i < a.n && b.i < b.n && walk_next(&a) && walk_next(&b)) {
        require_same_type(&a, &b);
        if (a.isnull || b.isnull) {
            if (a.isnull != b.isnull)
                return a.isnull ? 1 : -1;
            continue;
        }
        const TypeOps *ops = column_ops(a.type);
        if (ops->cmp == NULL)
            raise_no_order(a.type, "a comparison function");
        int c = ops->cmp(a.value, b.value, COLLATION_DEFAULT);
        if (c)
            return c;
    }
    require_same_count(&a, &b);
    return 0;
}

static bool
record_eq(Datum x, Datum y, Oid collation)
{
    Walk a = walk_begin(x), b = walk_begin(y);

    while (a.i < a.n && b.i < b.n && walk_next(&a) && walk_next(&b)) {
        require_same_type(&a, &b);
        if (a.isnull || b.isnull) {
            if (a.isnull != b.isnull)
                return false;
            continue;
        }
        const TypeOps *ops = column_ops(a.type);
        if (ops->eq == NULL)
            raise_no_order(a.type, "an equality operator");
        if (!ops->eq(a.value, b.value, COLLATION_DEFAULT))
            return false;
    }
    require_same_count(&a, &b);
    return true;
}

static uint64_t
record_hash(Datum d, Oid collation)
{
    Walk w = walk_begin(d);
    uint64_t h = 7;

    while (walk_next(&w)) {
        uint64_t one = HASH_NULL;
        if (!w.isnull) {
            const TypeOps *ops = column_ops(w.type);
            if (ops->hash == NULL)
                raise_no_order(w.type, "a hash function");
            one = ops->hash(w.value, COLLATION_DEFAULT);
        }
        h = hash_combine(h, one);
    }
    return h;
}

/* Nulls last in each column; a record that ends first sorts first. */
static void
record_key(Datum d, Oid collation, StrBuf *out)
{
    Walk w = walk_begin(d);

    while (walk_next(&w)) {
        str_add_char(out, w.isnull ? 2 : 1);
        if (w.isnull)
            continue;
        const TypeOps *ops = column_ops(w.type);
        if (ops->key_encode == NULL)
            raise_no_order(w.type, "an ordering operator");
        ops->key_encode(w.value, COLLATION_DEFAULT, out);
    }
    str_add_char(out, 0);
}

const TypeOps type_ops_record = {
    .oid = RECORD_OID,
    .len = -1,
    .in = record_in,
    .out = record_out,
    .send = record_send,
    .cmp = record_cmp,
    .eq = record_eq,
    .hash = record_hash,
    .key_encode = record_key,
};
