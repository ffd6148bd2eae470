/*
 * Record values as a type: text and binary forms, order, equality, hashing. The form of the value is
 * record_make's (expr_row.c); the operations go column by column through the columns' own types.
 */
#include "core/sql/exec/exec_internal.h"

#include "core/base/interrupt.h"

static const TypeOps *
column_ops(Oid type)
{
    const TypeOps *ops = type_ops(type);

    if (ops == NULL)
        RAISE(SQLSTATE_UNDEFINED_OBJECT, "cache lookup failed for type %u", type);
    return ops;
}

/*
 * Walks the columns of a record in order. Those of a named type follow its descriptor: dropped ones are
 * passed over, those added after the value was made are null.
 */
typedef struct Walk {
    const RelDesc *rel;  /* NULL: anonymous */
    int stored, places;  /* columns in the value; in the type */
    int at, i;           /* places passed; columns shown so far */
    const char *p;
    Oid type;
    bool isnull;
    Datum value;
} Walk;

static const RelDesc *
row_type_desc(Oid row_type)
{
    Oid rel = row_type == RECORD_OID || row_type == 0 ? 0 : type_info(row_type)->rel;

    return rel ? rel_cached(rel) : NULL;
}

static Walk
walk_begin(Datum d)
{
    Walk w = {.rel = row_type_desc(load_u32(var_data(d) + 4)), .stored = record_columns(d), .p = var_data(d) + 8};

    w.places = w.rel ? w.rel->natts : w.stored;
    return w;
}

static void
walk_stored(Walk *w)
{
    int16_t len;
    bool byval;

    w->type = load_u32(w->p);
    w->isnull = w->p[4];
    w->p += 5;
    w->value = 0;
    if (w->isnull)
        return;
    type_physical(w->type, &len, &byval);
    if (byval) {
        w->value = load_u64(w->p);
        w->p += 8;
    } else {
        w->value = ptr_datum(w->p);
        w->p += datum_bytes(w->value, len);
    }
}

static bool
walk_next(Walk *w)
{
    while (w->at < w->places) {
        int at = w->at++;
        if (at < w->stored) {
            walk_stored(w);
        } else {
            w->isnull = true;
            w->value = 0;
        }
        if (w->rel) {
            if (w->rel->cols[at].dropped)
                continue;
            w->type = w->rel->cols[at].type;
        }
        w->i++;
        return true;
    }
    return false;
}

bool
record_test_null(Datum d, bool want)
{
    Walk w = walk_begin(d);

    while (walk_next(&w))
        if (w.isnull != want)
            return false;
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
        CHECK_INTERRUPTS(); /* records within records double their quotes at each level */
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

/* The values of a row being read, place by place; dropped columns stay null. */
typedef struct Reading { RelDesc *rel; Datum *values; bool *nulls; Oid *types; } Reading;

static Reading
reading_begin(FnCtx *c)
{
    const TypeInfo *t = c->ret_type == RECORD_OID ? NULL : type_info(c->ret_type);

    if (t == NULL || t->rel == 0)
        UNSUPPORTED("input of anonymous composite types is not implemented");
    RelDesc *rel = rel_open(t->rel, LOCK_ACCESS_SHARE);
    Reading r = {rel, ARENA_ARRAY(c->arena, Datum, rel->natts + 1), ARENA_ARRAY(c->arena, bool, rel->natts + 1),
                 ARENA_ARRAY(c->arena, Oid, rel->natts + 1)};
    for (int i = 0; i < rel->natts; i++) {
        r.nulls[i] = true;
        r.types[i] = rel->cols[i].dropped ? 0 : rel->cols[i].type;
    }
    return r;
}

/* What the base type's input let through must satisfy the domain. */
static void
check_domain_column(FnCtx *c, const ColDesc *col, Datum *value, bool *isnull)
{
    if (type_info(col->type)->typtype != 'd')
        return;
    int32_t typmod = -1;
    Oid base = type_base(col->type, &typmod);
    const TypeInfo *t = type_info(base);
    Const *k = node_new(c->arena, Const);
    CoerceToDomain *d = node_new(c->arena, CoerceToDomain);
    k->expr.type = base;
    k->expr.collation = col->collation;
    k->isnull = *isnull;
    k->value = *value;
    k->byval = t->byval;
    k->len = t->typlen;
    d->arg = &k->expr;
    d->expr.type = col->type;
    d->expr.collation = col->collation;
    *value = expr_eval_const(c->arena, &d->expr, isnull, NULL);
}

static Datum
reading_end(FnCtx *c, const Reading *r)
{
    for (int i = 0; i < r->rel->natts; i++)
        if (!r->rel->cols[i].dropped)
            check_domain_column(c, &r->rel->cols[i], &r->values[i], &r->nulls[i]);
    return record_make(c->arena, c->ret_type, r->rel->natts, r->types, r->values, r->nulls);
}

static bool
is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static Datum
record_in(FnCtx *c, const char *text, size_t len, Oid elem, int32_t typmod)
{
    Reading r = reading_begin(c);
    const char *p = text;
    bool first = true;
    StrBuf one;

    str_init(&one, c->arena);
    while (is_space(*p))
        p++;
    if (*p++ != '(')
        raise_malformed(text, "Missing left parenthesis.");
    for (int i = 0; i < r.rel->natts; i++) {
        const ColDesc *col = &r.rel->cols[i];
        if (col->dropped)
            continue;
        if (!first && *p++ != ',')
            raise_malformed(text, "Too few columns.");
        first = false;
        p = column_text(text, p, &one, &r.nulls[i]);
        if (r.nulls[i])
            continue;
        Oid base = type_base(col->type, NULL);
        FnCtx x = column_context(c, &base);
        char *copy = arena_strndup(c->arena, one.data, one.len);
        r.values[i] = column_ops(base)->in(&x, copy, one.len, type_element_of(base), col->typmod);
    }
    if (*p != ')')
        raise_malformed(text, "Too many columns.");
    for (p++; *p; p++)
        if (!is_space(*p))
            raise_malformed(text, "Junk after right parenthesis.");
    return reading_end(c, &r);
}

/* int32 columns, then for each its type, length (-1: null) and bytes. */
static Datum
record_recv(FnCtx *c, const char *bytes, size_t len, Oid elem, int32_t typmod)
{
    Reading r = reading_begin(c);
    const char *p = bytes, *end = bytes + len;
    int valid = 0, seen = 0;

    for (int i = 0; i < r.rel->natts; i++)
        valid += !r.rel->cols[i].dropped;
    if (end - p < 4)
        RAISE(SQLSTATE_PROTOCOL_VIOLATION, "insufficient data left in message");
    int given = (int)load_be32(p);
    p += 4;
    if (given != valid)
        RAISE(SQLSTATE_DATATYPE_MISMATCH, "wrong number of columns: %d, expected %d", given, valid);
    for (int i = 0; i < r.rel->natts; i++) {
        const ColDesc *col = &r.rel->cols[i];
        if (col->dropped)
            continue;
        seen++;
        if (end - p < 8)
            RAISE(SQLSTATE_PROTOCOL_VIOLATION, "insufficient data left in message");
        Oid type = load_be32(p);
        int32_t n = (int32_t)load_be32(p + 4);
        p += 8;
        if (type != col->type)
            RAISE(SQLSTATE_DATATYPE_MISMATCH, "binary data has type %u (%s) instead of expected %u (%s) in record column %d", type,
                  type_format(c->arena, type, -1, false), col->type, type_format(c->arena, col->type, -1, false), seen);
        if (n < -1 || n > end - p)
            RAISE(SQLSTATE_INVALID_BINARY_REPRESENTATION, "insufficient data left in message");
        r.nulls[i] = n < 0;
        if (n < 0)
            continue;
        Oid base = type_base(col->type, NULL);
        FnCtx x = column_context(c, &base);
        if (column_ops(base)->recv == NULL)
            RAISE(SQLSTATE_UNDEFINED_FUNCTION, "no binary input function available for type %s", type_format(c->arena, base, -1, false));
        r.values[i] = column_ops(base)->recv(&x, p, (size_t)n, type_element_of(base), col->typmod);
        p += n;
    }
    if (p != end)
        RAISE(SQLSTATE_INVALID_BINARY_REPRESENTATION, "improper binary format in record");
    return reading_end(c, &r);
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
    size_t count_at = s->len;

    add_be32(s, 0);
    while (walk_next(&w)) {
        add_be32(s, w.type);
        if (w.isnull) {
            add_be32(s, UINT32_MAX);
            continue;
        }
        FnCtx x = column_context(c, &w.type);
        size_t at = s->len;
        const TypeOps *ops = column_ops(w.type);
        if (ops->send == NULL)
            RAISE(SQLSTATE_UNDEFINED_FUNCTION, "no binary output function available for type %s", type_name_of(c, w.type));
        add_be32(s, 0);
        ops->send(&x, w.value, s);
        store_be32(s->data + at, (uint32_t)(s->len - at - 4));
    }
    store_be32(s->data + count_at, (uint32_t)w.i);
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

/* The next column of both; false: both have ended. */
static bool
next_pair(Walk *a, Walk *b)
{
    bool x = walk_next(a), y = walk_next(b);

    if (x != y)
        RAISE(SQLSTATE_DATATYPE_MISMATCH, "cannot compare record types with different numbers of columns");
    if (x)
        require_same_type(a, b);
    return x;
}

static int
record_cmp(Datum x, Datum y, Oid collation)
{
    Walk a = walk_begin(x), b = walk_begin(y);

    while (next_pair(&a, &b)) {
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
    return 0;
}

static bool
record_eq(Datum x, Datum y, Oid collation)
{
    Walk a = walk_begin(x), b = walk_begin(y);

    while (next_pair(&a, &b)) {
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
    .recv = record_recv,
    .send = record_send,
    .cmp = record_cmp,
    .eq = record_eq,
    .hash = record_hash,
    .key_encode = record_key,
};
