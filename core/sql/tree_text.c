/*
 * The text form of trees, kept in catalog columns of type pg_node_tree (defaults, checks, views, index
 * expressions). Ours alone: no other program reads it.
 *
 *   node    {Name field field ...}    fields in the order of tree.def, expressions' heads first
 *   number  decimal      string  "..." with \ before " and \      null  -
 *   list    ( item item ... )         datum  h<hex bytes> or v<lane>
 *
 * Reading is defensive: malformed text raises XX000, it never crashes.
 */
#include <stdlib.h>

#include "core/sql/tree_internal.h"

/* ---- writing ---- */

static void write_node(StrBuf *s, const void *n);

static void
write_str(StrBuf *s, const char *z)
{
    if (z == NULL) {
        str_add(s, "- ");
        return;
    }
    str_add_char(s, '"');
    for (; *z; z++) {
        if (*z == '"' || *z == '\\')
            str_add_char(s, '\\');
        str_add_char(s, *z);
    }
    str_add(s, "\" ");
}

static void
write_list(StrBuf *s, const List *l)
{
    if (l == NULL) {
        str_add(s, "- ");
        return;
    }
    str_add(s, "( ");
    for (int i = 0; i < l->count; i++)
        write_node(s, l->items[i]);
    str_add(s, ") ");
}

static void
write_strs(StrBuf *s, const List *l)
{
    if (l == NULL) {
        str_add(s, "- ");
        return;
    }
    str_add(s, "( ");
    for (int i = 0; i < l->count; i++)
        write_str(s, l->items[i]);
    str_add(s, ") ");
}

static void
write_ints(StrBuf *s, const IntList *l)
{
    if (l == NULL) {
        str_add(s, "- ");
        return;
    }
    str_add(s, "( ");
    for (int i = 0; i < l->count; i++)
        str_printf(s, "%lld ", (long long)l->items[i]);
    str_add(s, ") ");
}

static void
write_datum(StrBuf *s, const Const *c)
{
    if (c->isnull) {
        str_add(s, "- ");
        return;
    }
    if (c->byval) {
        str_printf(s, "v%llx ", (unsigned long long)c->value);
        return;
    }
    const char *p = datum_ptr(c->value);
    size_t n = datum_bytes(c->value, (int16_t)c->len);
    str_add_char(s, 'h');
    for (size_t i = 0; i < n; i++) {
        str_add_char(s, "0123456789abcdef"[(unsigned char)p[i] >> 4]);
        str_add_char(s, "0123456789abcdef"[(unsigned char)p[i] & 15]);
    }
    str_add_char(s, ' ');
}

#define F_INT(n) str_printf(s, "%d ", (int)x->n);
#define F_BOOL(n) str_add(s, x->n ? "1 " : "0 ");
#define F_OID(n) str_printf(s, "%u ", x->n);
#define F_CHAR(n) str_printf(s, "%d ", (int)x->n);
#define F_DOUBLE(n) str_printf(s, "%.17g ", x->n);
#define F_STR(n) write_str(s, x->n);
#define F_NODE(T, n) write_node(s, x->n);
#define F_LIST(n) write_list(s, x->n);
#define F_STRS(n) write_strs(s, x->n);
#define F_INTS(n) write_ints(s, x->n);
#define F_DATUM(n) write_datum(s, x);
#define EXPR(name, fields)                                                                           \
    static void write_##name(StrBuf *s, const name *x)                                               \
    {                                                                                                \
        str_printf(s, "{" #name " %u %d %u %d ", x->expr.type, x->expr.typmod, x->expr.collation,    \
                   x->expr.location);                                                                \
        fields str_add(s, "} ");                                                                     \
    }
#define NODE(name, fields)                                                                           \
    static void write_##name(StrBuf *s, const name *x)                                               \
    {                                                                                                \
        str_add(s, "{" #name " ");                                                                   \
        fields str_add(s, "} ");                                                                     \
    }
#include "core/sql/tree.def"
#undef EXPR
#undef NODE
#undef F_INT
#undef F_BOOL
#undef F_OID
#undef F_CHAR
#undef F_DOUBLE
#undef F_STR
#undef F_NODE
#undef F_LIST
#undef F_STRS
#undef F_INTS
#undef F_DATUM

static void
write_node(StrBuf *s, const void *n)
{
    if (n == NULL) {
        str_add(s, "- ");
        return;
    }
    switch (node_tag(n)) {
#define EXPR(name, fields)                                                                           \
    case TAG_##name: write_##name(s, n); return;
#define NODE(name, fields) EXPR(name, fields)
#include "core/sql/tree.def"
#undef EXPR
#undef NODE
    case TAG_LIST_NODE:
        str_add(s, "{ListNode ");
        write_list(s, ((const ListNode *)n)->list);
        str_add(s, "} ");
        return;
    default: INTERNAL_ERROR("cannot write node of type %d", (int)node_tag(n));
    }
}

char *
node_write(Arena *a, const void *n)
{
    StrBuf s;
    str_init(&s, a);
    write_node(&s, n);
    return s.data;
}

char *
node_write_list(Arena *a, const List *l)
{
    StrBuf s;
    str_init(&s, a);
    write_list(&s, l);
    return s.data;
}

/* ---- reading ---- */

typedef struct Reader {
    Arena *arena;
    const char *p;
    int depth;
} Reader;

static void *read_node(Reader *r);

static NORETURN void
malformed(void)
{
    RAISE(SQLSTATE_INTERNAL_ERROR, "malformed node tree");
}

static void
skip_blank(Reader *r)
{
    while (*r->p == ' ')
        r->p++;
}

static bool
take(Reader *r, char c)
{
    skip_blank(r);
    if (*r->p != c)
        return false;
    r->p++;
    return true;
}

/* '-' followed by a blank stands for null; a negative number has a digit there. */
static bool
take_null(Reader *r)
{
    skip_blank(r);
    if (r->p[0] != '-' || (r->p[1] >= '0' && r->p[1] <= '9'))
        return false;
    r->p++;
    return true;
}

static int64_t
read_int(Reader *r)
{
    skip_blank(r);
    char *end;
    long long v = strtoll(r->p, &end, 10);
    if (end == r->p)
        malformed();
    r->p = end;
    return v;
}

static char *
read_str(Reader *r)
{
    if (take_null(r))
        return NULL;
    if (!take(r, '"'))
        malformed();
    StrBuf s;
    str_init(&s, r->arena);
    while (*r->p != '"') {
        if (*r->p == '\\')
            r->p++;
        if (*r->p == '\0')
            malformed();
        str_add_char(&s, *r->p++);
    }
    r->p++;
    return s.data;
}

static List *
read_list(Reader *r)
{
    if (take_null(r))
        return NULL;
    if (!take(r, '('))
        malformed();
    List *l = list_new(r->arena);
    while (!take(r, ')'))
        list_push(l, read_node(r));
    return l;
}

static List *
read_strs(Reader *r)
{
    if (take_null(r))
        return NULL;
    if (!take(r, '('))
        malformed();
    List *l = list_new(r->arena);
    while (!take(r, ')'))
        list_push(l, read_str(r));
    return l;
}

static IntList *
read_ints(Reader *r)
{
    if (take_null(r))
        return NULL;
    if (!take(r, '('))
        malformed();
    IntList *l = ints_new(r->arena);
    while (!take(r, ')'))
        ints_push(l, read_int(r));
    return l;
}

static int
hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

static Datum
read_datum(Reader *r)
{
    if (take_null(r))
        return 0;
    if (take(r, 'v')) {
        char *end;
        unsigned long long v = strtoull(r->p, &end, 16);
        r->p = end;
        return v;
    }
    if (!take(r, 'h'))
        malformed();
    size_t n = 0;
    while (hex_digit(r->p[n]) >= 0)
        n++;
    if (n % 2 != 0)
        malformed();
    char *bytes = arena_alloc(r->arena, n / 2 + 1);
    for (size_t i = 0; i < n / 2; i++)
        bytes[i] = (char)(hex_digit(r->p[2 * i]) << 4 | hex_digit(r->p[2 * i + 1]));
    r->p += n;
    return ptr_datum(bytes);
}

#define F_INT(n) x->n = (int)read_int(r);
#define F_BOOL(n) x->n = read_int(r) != 0;
#define F_OID(n) x->n = (Oid)read_int(r);
#define F_CHAR(n) x->n = (char)read_int(r);
#define F_DOUBLE(n) x->n = read_double(r);
#define F_STR(n) x->n = read_str(r);
#define F_NODE(T, n) x->n = (T *)read_node(r);
#define F_LIST(n) x->n = read_list(r);
#define F_STRS(n) x->n = read_strs(r);
#define F_INTS(n) x->n = read_ints(r);
#define F_DATUM(n) x->n = read_datum(r);
#define EXPR(name, fields)                                                                           \
    static void *read_##name(Reader *r)                                                              \
    {                                                                                                \
        name *x = node_new(r->arena, name);                                                          \
        x->expr.type = (Oid)read_int(r);                                                             \
        x->expr.typmod = (int32_t)read_int(r);                                                       \
        x->expr.collation = (Oid)read_int(r);                                                        \
        x->expr.location = (int)read_int(r);                                                         \
        fields return x;                                                                             \
    }
#define NODE(name, fields)                                                                           \
    static void *read_##name(Reader *r)                                                              \
    {                                                                                                \
        name *x = node_new(r->arena, name);                                                          \
        fields return x;                                                                             \
    }
#include "core/sql/tree.def"
#undef EXPR
#undef NODE

static void *
read_list_node(Reader *r)
{
    ListNode *n = list_node_new(r->arena);
    n->list = read_list(r);
    return n;
}

static const struct {
    const char *name;
    void *(*read)(Reader *r);
} readers[] = {
#define EXPR(name, fields) {#name, read_##name},
#define NODE(name, fields) {#name, read_##name},
#include "core/sql/tree.def"
#undef EXPR
#undef NODE
    {"ListNode", read_list_node},
};

static void *
read_node(Reader *r)
{
    if (take_null(r))
        return NULL;
    if (!take(r, '{') || ++r->depth > 2000)
        malformed();
    size_t n = 0;
    while (r->p[n] != ' ' && r->p[n] != '\0')
        n++;
    for (size_t i = 0; i < COUNT_OF(readers); i++) {
        if (strlen(readers[i].name) != n || memcmp(readers[i].name, r->p, n) != 0)
            continue;
        r->p += n;
        void *node = readers[i].read(r);
        if (!take(r, '}'))
            malformed();
        r->depth--;
        return node;
    }
    malformed();
}

void *
node_read(Arena *a, const char *text)
{
    Reader r = {a, text, 0};
    return read_node(&r);
}

List *
node_read_list(Arena *a, const char *text)
{
    Reader r = {a, text, 0};
    return read_list(&r);
}
