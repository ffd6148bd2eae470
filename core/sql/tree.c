/*
 * Generic operations on the typed tree, made from tree.def: allocation, deep copy, equality, walking and
 * rebuilding. Text form: tree_text.c.
 */
#include "core/sql/tree.h"

#include "core/sql/tree_internal.h"
#include "core/types/type.h"

void *
node_new_size(Arena *a, NodeTag tag, size_t bytes)
{
    Node *n = arena_alloc0(a, bytes);
    n->tag = tag;
    if (node_is_expr(n)) {
        ((Expr *)n)->typmod = -1;
        ((Expr *)n)->location = -1;
    }
    return n;
}

IntList *
ints_new(Arena *a)
{
    IntList *l = ARENA_NEW(a, IntList);
    l->arena = a;
    return l;
}

void
ints_push(IntList *l, int64_t v)
{
    if (l->count == l->cap) {
        int cap = l->cap ? l->cap * 2 : 8;
        l->items = arena_realloc(l->arena, l->items, sizeof(int64_t) * (size_t)l->cap,
                                 sizeof(int64_t) * (size_t)cap);
        l->cap = cap;
    }
    l->items[l->count++] = v;
}

bool
ints_has(const IntList *l, int64_t v)
{
    for (int i = 0; i < ints_count(l); i++)
        if (l->items[i] == v)
            return true;
    return false;
}

const TreeNodeInfo tree_nodes[TAG_LAST_TREE] = {
#define EXPR(name, fields) [TAG_##name] = {#name, sizeof(name), true},
#define NODE(name, fields) [TAG_##name] = {#name, sizeof(name), false},
#include "core/sql/tree.def"
#undef EXPR
#undef NODE
};

bool
node_is_expr(const void *n)
{
    NodeTag tag = node_tag(n);
    return (tag < TAG_LAST_TREE && tree_nodes[tag].is_expr) || tag == TAG_SubPlanRef;
}

/* ---- copy ---- */

static IntList *
copy_ints(Arena *a, const IntList *l)
{
    if (l == NULL)
        return NULL;
    IntList *c = ints_new(a);
    for (int i = 0; i < l->count; i++)
        ints_push(c, l->items[i]);
    return c;
}

static List *
copy_strs(Arena *a, const List *l)
{
    if (l == NULL)
        return NULL;
    List *c = list_new(a);
    for (int i = 0; i < l->count; i++)
        list_push(c, l->items[i] ? arena_strdup(a, l->items[i]) : NULL);
    return c;
}

List *
list_copy_nodes(Arena *a, const List *l)
{
    if (l == NULL)
        return NULL;
    List *c = list_new(a);
    for (int i = 0; i < l->count; i++)
        list_push(c, node_copy(a, l->items[i]));
    return c;
}

static Datum
copy_datum(Arena *a, const Const *c)
{
    if (c->isnull || c->byval)
        return c->value;
    return datum_copy(a, c->value, false, (int16_t)c->len);
}

#define F_INT(n) to->n = from->n;
#define F_BOOL(n) to->n = from->n;
#define F_OID(n) to->n = from->n;
#define F_CHAR(n) to->n = from->n;
#define F_DOUBLE(n) to->n = from->n;
#define F_STR(n) to->n = from->n ? arena_strdup(a, from->n) : NULL;
#define F_NODE(T, n) to->n = (T *)node_copy(a, from->n);
#define F_LIST(n) to->n = list_copy_nodes(a, from->n);
#define F_STRS(n) to->n = copy_strs(a, from->n);
#define F_INTS(n) to->n = copy_ints(a, from->n);
#define F_DATUM(n) to->n = copy_datum(a, from);
#define EXPR(name, fields)                                                                           \
    static void copy_##name(Arena *a UNUSED, name *to, const name *from)                             \
    {                                                                                                \
        to->expr = from->expr;                                                                       \
        fields                                                                                       \
    }
#define NODE(name, fields)                                                                           \
    static void copy_##name(Arena *a UNUSED, name *to, const name *from)                             \
    {                                                                                                \
        to->tag = from->tag;                                                                         \
        fields                                                                                       \
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

void *
node_copy(Arena *a, const void *n)
{
    if (n == NULL)
        return NULL;
    NodeTag tag = node_tag(n);
    if (tag == TAG_LIST_NODE) {
        ListNode *to = list_node_new(a);
        to->list = list_copy_nodes(a, ((const ListNode *)n)->list);
        return to;
    }
    if (tag >= TAG_LAST_TREE)
        return (void *)(uintptr_t)n; /* plan-only nodes are immutable */
    void *to = arena_alloc0(a, tree_nodes[tag].size);
    switch (tag) {
#define EXPR(name, fields)                                                                           \
    case TAG_##name: copy_##name(a, to, n); break;
#define NODE(name, fields) EXPR(name, fields)
#include "core/sql/tree.def"
#undef EXPR
#undef NODE
    default: INTERNAL_ERROR("unrecognized node type: %d", (int)tag);
    }
    return to;
}

/* ---- equality ---- */

static bool
equal_strs(const List *x, const List *y)
{
    if (list_count(x) != list_count(y))
        return false;
    for (int i = 0; i < list_count(x); i++) {
        const char *s = x->items[i], *t = y->items[i];
        if ((s == NULL) != (t == NULL) || (s && strcmp(s, t) != 0))
            return false;
    }
    return true;
}

static bool
equal_ints(const IntList *x, const IntList *y)
{
    return ints_count(x) == ints_count(y) &&
           (ints_count(x) == 0 || memcmp(x->items, y->items, sizeof(int64_t) * (size_t)x->count) == 0);
}

static bool
equal_lists(const List *x, const List *y)
{
    if (list_count(x) != list_count(y))
        return false;
    for (int i = 0; i < list_count(x); i++)
        if (!node_equal(x->items[i], y->items[i]))
            return false;
    return true;
}

static bool
equal_const(const Const *x, const Const *y)
{
    if (x->isnull || y->isnull)
        return x->isnull == y->isnull;
    if (x->byval)
        return x->value == y->value;
    if (x->len > 0)
        return memcmp(datum_ptr(x->value), datum_ptr(y->value), (size_t)x->len) == 0;
    return var_equal(x->value, y->value);
}

static bool
equal_str(const char *x, const char *y)
{
    return x == y || (x && y && strcmp(x, y) == 0);
}

#define F_INT(n) if (x->n != y->n) return false;
#define F_BOOL(n) F_INT(n)
#define F_OID(n) F_INT(n)
#define F_CHAR(n) F_INT(n)
#define F_DOUBLE(n) F_INT(n)
#define F_STR(n) if (!equal_str(x->n, y->n)) return false;
#define F_NODE(T, n) if (!node_equal(x->n, y->n)) return false;
#define F_LIST(n) if (!equal_lists(x->n, y->n)) return false;
#define F_STRS(n) if (!equal_strs(x->n, y->n)) return false;
#define F_INTS(n) if (!equal_ints(x->n, y->n)) return false;
#define F_DATUM(n) if (!equal_const(x, y)) return false;
#define EXPR(name, fields)                                                                           \
    static bool equal_##name(const name *x, const name *y)                                           \
    {                                                                                                \
        if (x->expr.type != y->expr.type || x->expr.typmod != y->expr.typmod ||                      \
            x->expr.collation != y->expr.collation)                                                  \
            return false;                                                                            \
        fields return true;                                                                          \
    }
#define NODE(name, fields)                                                                           \
    static bool equal_##name(const name *x, const name *y)                                           \
    {                                                                                                \
        fields return true;                                                                          \
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

bool
node_equal(const void *x, const void *y)
{
    if (x == y)
        return true;
    if (x == NULL || y == NULL || node_tag(x) != node_tag(y))
        return false;
    switch (node_tag(x)) {
#define EXPR(name, fields)                                                                           \
    case TAG_##name: return equal_##name(x, y);
#define NODE(name, fields) EXPR(name, fields)
#include "core/sql/tree.def"
#undef EXPR
#undef NODE
    case TAG_LIST_NODE: return equal_lists(((const ListNode *)x)->list, ((const ListNode *)y)->list);
    default: return false;
    }
}

ListNode *
list_node_new(Arena *a)
{
    ListNode *n = ARENA_NEW(a, ListNode);
    n->tag = TAG_LIST_NODE;
    n->list = list_new(a);
    return n;
}
