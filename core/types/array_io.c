/*
 * Text and binary forms of arrays.
 *
 * The text is read in one pass that checks braces by a small state machine and keeps the raw
 * elements; only when the whole literal is well formed are the elements given to their type, so
 * that a malformed literal is reported before a bad element.
 */
#include <stdlib.h>
#include <strings.h>

#include "core/types/array.h"

bool
array_is_space(char ch)
{
    return ch == ' ' || (ch >= '\t' && ch <= '\r');
}

/*
 * What the elements' functions are called with. Types of users (rows, enums) look there for which they are;
 * all others share the array's context and what it remembers between calls.
 */
static FnCtx *
element_context(FnCtx *c, const Oid *elem, FnCtx *own)
{
    if (type_builtin_array(*elem) != 0)
        return c;
    *own = *c;
    own->arg_types = elem;
    own->ret_type = *elem;
    own->state = NULL;
    return own;
}

/* ---- text in ---- */

typedef enum State {
    NO_LEVEL, LEVEL_STARTED, ELEM_STARTED, QUOTED_STARTED, QUOTED_DONE, ELEM_DELIMITED, LEVEL_DONE,
    LEVEL_DELIMITED
} State;

typedef struct RawElem {
    size_t start, len; /* in the buffer */
    bool isnull;
} RawElem;

typedef struct Reader {
    const char *text; /* whole literal, for messages */
    size_t len;
    StrBuf buf;       /* elements, unescaped, zero after each */
    RawElem *elems;
    int count, cap;
    Arena *arena;
    int ndim, dims[ARRAY_DIMS_MAX];
} Reader;

NORETURN static void
malformed(const Reader *r, const char *detail)
{
    RAISE_ERR(SQLSTATE_INVALID_TEXT_REPRESENTATION,
              err_message("malformed array literal: \"%.*s\"", (int)r->len, r->text),
              err_detail("%s", detail));
}

NORETURN static void
unexpected(const Reader *r, char ch)
{
    RAISE_ERR(SQLSTATE_INVALID_TEXT_REPRESENTATION,
              err_message("malformed array literal: \"%.*s\"", (int)r->len, r->text),
              err_detail("Unexpected \"%c\" character.", ch));
}

static int
bound_number(const char *p)
{
    int64_t v = strtoll(p, NULL, 10);
    return (int)v;
}

/* [l:u][l:u]...= before the braces. Returns the number of dimensions given. */
static int
read_dimensions(Reader *r, const char **pp, int *dims, int *lbound)
{
    const char *p = *pp;
    int ndim = 0;

    for (;;) {
        while (array_is_space(*p))
            p++;
        if (*p != '[')
            break;
        p++;
        if (ndim >= ARRAY_DIMS_MAX)
            RAISE(SQLSTATE_PROGRAM_LIMIT_EXCEEDED,
                  "number of array dimensions (%d) exceeds the maximum allowed (%d)", ndim + 1,
                  ARRAY_DIMS_MAX);
        const char *q = p;
        while ((*q >= '0' && *q <= '9') || *q == '-' || *q == '+')
            q++;
        if (q == p)
            malformed(r, "\"[\" must introduce explicitly-specified array dimensions.");
        lbound[ndim] = 1;
        if (*q == ':') {
            lbound[ndim] = bound_number(p);
            p = q + 1;
            for (q = p; (*q >= '0' && *q <= '9') || *q == '-' || *q == '+';)
                q++;
            if (q == p)
                malformed(r, "Missing array dimension value.");
        }
        if (*q != ']')
            malformed(r, "Missing \"]\" after array dimensions.");
        int upper = bound_number(p);
        p = q + 1;
        if (upper < lbound[ndim])
            RAISE(SQLSTATE_ARRAY_SUBSCRIPT_ERROR, "upper bound cannot be less than lower bound");
        int64_t length = (int64_t)upper - lbound[ndim] + 1;
        if (length > INT32_MAX)
            RAISE(SQLSTATE_PROGRAM_LIMIT_EXCEEDED, "array size exceeds the maximum allowed (%d)",
                  ARRAY_ELEMENTS_MAX);
        dims[ndim++] = (int)length;
    }
    if (ndim == 0) {
        if (*p != '{')
            malformed(r, "Array value must start with \"{\" or dimension information.");
    } else {
        if (*p != '=')
            malformed(r, "Missing \"=\" after array dimensions.");
        p++;
        while (array_is_space(*p))
            p++;
        if (*p != '{')
            malformed(r, "Array contents must start with \"{\".");
    }
    *pp = p;
    return ndim;
}

/* Ends the element that started at `start`; `keep` is the length trailing blanks may not cut into.
 */
static void
finish_element(Reader *r, size_t start, size_t keep, bool literal)
{
    while (r->buf.len > keep && array_is_space(r->buf.data[r->buf.len - 1]))
        r->buf.len--;
    if (r->count == r->cap) {
        int cap = r->cap ? r->cap * 2 : 32;
        r->elems = arena_realloc(r->arena, r->elems, sizeof(RawElem) * (size_t)r->cap,
                                 sizeof(RawElem) * (size_t)cap);
        r->cap = cap;
    }
    size_t n = r->buf.len - start;
    bool isnull = !literal && n == 4 && strncasecmp(r->buf.data + start, "NULL", 4) == 0;
    r->elems[r->count++] = (RawElem){start, n, isnull};
    str_add_char(&r->buf, 0);
}

static const char *
read_braces(Reader *r, const char *p)
{
    State state = NO_LEVEL;
    int level = 0, length[ARRAY_DIMS_MAX] = {0}, last[ARRAY_DIMS_MAX] = {0};
    bool quoted = false, literal = false, open = false;
    size_t start = 0, keep = 0;

    for (int i = 0; i < ARRAY_DIMS_MAX; i++)
        length[i] = 1;
    str_reserve(&r->buf, r->len + 1);
    for (;; p++) {
        char ch = *p;
        if (ch == 0)
            malformed(r, "Unexpected end of input.");
        if (!open && !quoted) {
            start = keep = r->buf.len;
            literal = false;
        }
        if (ch == '\\') {
            if (state != LEVEL_STARTED && state != ELEM_STARTED && state != QUOTED_STARTED &&
                state != ELEM_DELIMITED)
                unexpected(r, '\\');
            if (state != QUOTED_STARTED)
                state = ELEM_STARTED;
            if (*++p == 0)
                malformed(r, "Unexpected end of input.");
            str_add_char(&r->buf, *p);
            keep = r->buf.len;
            open = literal = true;
        } else if (ch == '"') {
            if (state != LEVEL_STARTED && state != QUOTED_STARTED && state != ELEM_DELIMITED)
                malformed(r, "Unexpected array element.");
            quoted = !quoted;
            state = quoted ? QUOTED_STARTED : QUOTED_DONE;
            open = literal = true;
            keep = r->buf.len;
        } else if (quoted) {
            str_add_char(&r->buf, ch);
        } else if (ch == '{') {
            if (state != NO_LEVEL && state != LEVEL_STARTED && state != LEVEL_DELIMITED)
                unexpected(r, '{');
            state = LEVEL_STARTED;
            if (level >= ARRAY_DIMS_MAX)
                RAISE(SQLSTATE_PROGRAM_LIMIT_EXCEEDED,
                      "number of array dimensions (%d) exceeds the maximum allowed (%d)", level + 1,
                      ARRAY_DIMS_MAX);
            level++;
            r->ndim = MAX(r->ndim, level);
        } else if (ch == '}') {
            bool empty = level == 1 && state == LEVEL_STARTED;
            if (state != ELEM_STARTED && state != QUOTED_DONE && state != LEVEL_DONE && !empty)
                unexpected(r, '}');
            if (open)
                finish_element(r, start, keep, literal);
            open = false;
            state = LEVEL_DONE;
            level--;
            if (last[level] != 0 && length[level] != last[level])
                malformed(r,
                          "Multidimensional arrays must have sub-arrays with matching dimensions.");
            last[level] = length[level];
            length[level] = 1;
            if (level == 0)
                break;
        } else if (ch == ',') {
            if (state != ELEM_STARTED && state != QUOTED_DONE && state != LEVEL_DONE)
                unexpected(r, ',');
            if (open)
                finish_element(r, start, keep, literal);
            open = false;
            state = state == LEVEL_DONE ? LEVEL_DELIMITED : ELEM_DELIMITED;
            length[level - 1]++;
        } else if (!array_is_space(ch)) {
            if (state != LEVEL_STARTED && state != ELEM_STARTED && state != ELEM_DELIMITED)
                malformed(r, "Unexpected array element.");
            state = ELEM_STARTED;
            open = true;
            str_add_char(&r->buf, ch);
            keep = r->buf.len;
        } else if (open && state == ELEM_STARTED) {
            str_add_char(&r->buf, ch); /* cut off again if nothing follows */
        }
    }
    memcpy(r->dims, last, sizeof r->dims);
    return p + 1;
}

Datum
array_type_in(FnCtx *c, const char *text, size_t len, Oid elem, int32_t typmod)
{
    Reader r = {.text = text, .len = len, .arena = c->arena};
    int dims[ARRAY_DIMS_MAX], lbound[ARRAY_DIMS_MAX];
    const char *p = text;

    if (elem == 0)
        UNSUPPORTED("cannot accept a value of type %s", "anyarray");
    str_init(&r.buf, c->arena);
    int ndim = read_dimensions(&r, &p, dims, lbound);
    p = read_braces(&r, p);
    for (; *p; p++)
        if (!array_is_space(*p))
            malformed(&r, "Junk after closing right brace.");
    if (r.count == 0) {
        if (ndim > 0)
            malformed(&r, "Specified array dimensions do not match array contents.");
        return array_empty(c->arena, elem);
    }
    if (ndim == 0) {
        ndim = r.ndim;
        for (int i = 0; i < ndim; i++)
            lbound[i] = 1;
    } else {
        if (ndim != r.ndim || memcmp(dims, r.dims, sizeof(int) * (size_t)ndim) != 0)
            malformed(&r, "Specified array dimensions do not match array contents.");
    }
    const TypeOps *ops = array_elem_ops(elem);
    Oid sub = type_builtin_element(elem);
    Datum *values = arena_alloc(c->arena, sizeof(Datum) * (size_t)r.count);
    bool *nulls = arena_alloc(c->arena, (size_t)r.count);
    FnCtx own, *one = element_context(c, &elem, &own);
    for (int i = 0; i < r.count; i++) {
        nulls[i] = r.elems[i].isnull;
        values[i] =
            nulls[i] ? 0 : ops->in(one, r.buf.data + r.elems[i].start, r.elems[i].len, sub, typmod);
    }
    return array_construct(c->arena, elem, ndim, r.dims, lbound, values, nulls);
}

/* ---- text out ---- */

static bool
needs_quotes(const char *p, size_t n)
{
    if (n == 0 || (n == 4 && strncasecmp(p, "NULL", 4) == 0))
        return true;
    for (size_t i = 0; i < n; i++)
        if (p[i] == '"' || p[i] == '\\' || p[i] == '{' || p[i] == '}' || p[i] == ',' ||
            array_is_space(p[i]))
            return true;
    return false;
}

static void
add_element(FnCtx *c, const TypeOps *ops, Datum d, StrBuf *s)
{
    size_t start = s->len;

    ops->out(c, d, s);
    size_t n = s->len - start;
    if (!needs_quotes(s->data + start, n))
        return;
    /* Rare: take the element out again and put it back quoted. */
    char *raw = arena_memdup(c->arena, s->data + start, n + 1);
    s->len = start;
    str_add_char(s, '"');
    for (size_t i = 0; i < n; i++) {
        if (raw[i] == '"' || raw[i] == '\\')
            str_add_char(s, '\\');
        str_add_char(s, raw[i]);
    }
    str_add_char(s, '"');
}

void
array_type_out(FnCtx *c, Datum d, StrBuf *s)
{
    ArrayView v;
    ArrayIter it;
    int at[ARRAY_DIMS_MAX] = {0};
    bool odd_bounds = false;
    Datum value;
    bool isnull;

    array_view(d, &v);
    if (v.count == 0) {
        str_add_bytes(s, "{}", 2);
        return;
    }
    for (int i = 0; i < v.ndim; i++)
        odd_bounds |= v.lbound[i] != 1;
    if (odd_bounds) {
        for (int i = 0; i < v.ndim; i++)
            str_printf(s, "[%d:%d]", v.lbound[i], v.lbound[i] + v.dims[i] - 1);
        str_add_char(s, '=');
    }
    const TypeOps *ops = array_elem_ops(v.elem);
    FnCtx own, *one = element_context(c, &v.elem, &own);
    array_iter_init(&it, &v);
    for (int i = 0; i < v.ndim; i++)
        str_add_char(s, '{');
    while (array_next(&it, &value, &isnull)) {
        if (isnull)
            str_add_bytes(s, "NULL", 4);
        else
            add_element(one, ops, value, s);
        if (it.i == v.count)
            break;
        /* Count on like an odometer: as many braces close and open as digits wrap. */
        int dim = v.ndim - 1, wrapped = 0;
        while (dim >= 0 && ++at[dim] == v.dims[dim]) {
            at[dim--] = 0;
            wrapped++;
            str_add_char(s, '}');
        }
        str_add_char(s, ',');
        while (wrapped-- > 0)
            str_add_char(s, '{');
    }
    for (int i = 0; i < v.ndim; i++)
        str_add_char(s, '}');
}

/* ---- binary ---- */

static uint32_t
take_u32(const char **p, const char *end)
{
    if (end - *p < 4)
        RAISE(SQLSTATE_PROTOCOL_VIOLATION, "insufficient data left in message");
    uint32_t v = load_be32(*p);
    *p += 4;
    return v;
}

Datum
array_type_recv(FnCtx *c, const char *bytes, size_t len, Oid elem, int32_t typmod)
{
    const char *p = bytes, *end = bytes + len;
    int dims[ARRAY_DIMS_MAX], lbound[ARRAY_DIMS_MAX];

    int32_t ndim = (int32_t)take_u32(&p, end);
    if (ndim < 0)
        RAISE(SQLSTATE_INVALID_BINARY_REPRESENTATION, "invalid number of dimensions: %d", ndim);
    if (ndim > ARRAY_DIMS_MAX)
        RAISE(SQLSTATE_PROGRAM_LIMIT_EXCEEDED,
              "number of array dimensions (%d) exceeds the maximum allowed (%d)", ndim,
              ARRAY_DIMS_MAX);
    int32_t flags = (int32_t)take_u32(&p, end);
    if (flags != 0 && flags != 1)
        RAISE(SQLSTATE_INVALID_BINARY_REPRESENTATION, "invalid array flags");
    Oid given = take_u32(&p, end);
    if (elem == 0)
        elem = given;
    if (given != elem)
        RAISE(SQLSTATE_DATATYPE_MISMATCH,
              "binary data has array element type %u (%s) instead of expected %u (%s)", given,
              type_name_of(c, given), elem, type_name_of(c, elem));
    for (int i = 0; i < ndim; i++) {
        dims[i] = (int)take_u32(&p, end);
        lbound[i] = (int)take_u32(&p, end);
    }
    int count = array_count_elements(ndim, dims);
    array_check_bounds(ndim, dims, lbound);
    if (count == 0) {
        if (p != end)
            RAISE(SQLSTATE_INVALID_BINARY_REPRESENTATION, "incorrect binary data format");
        return array_empty(c->arena, elem);
    }
    if ((int64_t)count * 4 > end - p) /* every element has a length: no allocation on a lie */
        RAISE(SQLSTATE_INVALID_BINARY_REPRESENTATION, "insufficient data left in message");
    const TypeOps *ops = array_elem_ops(elem);
    if (ops->recv == NULL)
        RAISE(SQLSTATE_UNDEFINED_FUNCTION, "no binary input function available for type %s", type_name_of(c, elem));
    Oid sub = type_builtin_element(elem);
    Datum *values = arena_alloc(c->arena, sizeof(Datum) * (size_t)count);
    bool *nulls = arena_alloc(c->arena, (size_t)count);
    FnCtx own, *one = element_context(c, &elem, &own);
    for (int i = 0; i < count; i++) {
        int32_t n = (int32_t)take_u32(&p, end);
        if (n < -1 || n > end - p)
            RAISE(SQLSTATE_INVALID_BINARY_REPRESENTATION, "insufficient data left in message");
        nulls[i] = n < 0;
        if (nulls[i]) {
            values[i] = 0;
            continue;
        }
        values[i] = ops->recv(one, p, (size_t)n, sub, typmod);
        p += n;
    }
    if (p != end)
        RAISE(SQLSTATE_INVALID_BINARY_REPRESENTATION, "incorrect binary data format");
    return array_construct(c->arena, elem, ndim, dims, lbound, values, nulls);
}

static void
put_u32(StrBuf *s, uint32_t v)
{
    char b[4];
    store_be32(b, v);
    str_add_bytes(s, b, 4);
}

void
array_type_send(FnCtx *c, Datum d, StrBuf *s)
{
    ArrayView v;
    ArrayIter it;
    Datum value;
    bool isnull;

    array_view(d, &v);
    put_u32(s, (uint32_t)v.ndim);
    put_u32(s, v.bitmap != NULL);
    put_u32(s, v.elem);
    for (int i = 0; i < v.ndim; i++) {
        put_u32(s, (uint32_t)v.dims[i]);
        put_u32(s, (uint32_t)v.lbound[i]);
    }
    const TypeOps *ops = array_elem_ops(v.elem);
    FnCtx own, *one = element_context(c, &v.elem, &own);
    if (ops->send == NULL)
        RAISE(SQLSTATE_UNDEFINED_FUNCTION, "no binary output function available for type %s", type_name_of(c, v.elem));
    array_iter_init(&it, &v);
    while (array_next(&it, &value, &isnull)) {
        if (isnull) {
            put_u32(s, UINT32_MAX);
            continue;
        }
        size_t at = s->len;
        put_u32(s, 0);
        ops->send(one, value, s);
        store_be32(s->data + at, (uint32_t)(s->len - at - 4));
    }
}
