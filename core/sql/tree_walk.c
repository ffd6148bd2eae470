/*
 * Walking and rebuilding the typed tree, one level at a time; the callbacks recurse.
 */
#include "core/sql/tree_internal.h"

#include "core/sql/plan/plan.h"

static bool
walk_list(const List *l, NodeWalker fn, void *arg, bool into_queries)
{
    for (int i = 0; i < list_count(l); i++) {
        void *item = l->items[i];
        if (item == NULL || (!into_queries && IS(item, Query)))
            continue;
        if (fn(item, arg))
            return true;
    }
    return false;
}

static bool
walk_one(void *child, NodeWalker fn, void *arg, bool into_queries)
{
    if (child == NULL || (!into_queries && IS(child, Query)))
        return false;
    return fn(child, arg);
}

#define F_INT(n)
#define F_BOOL(n)
#define F_OID(n)
#define F_CHAR(n)
#define F_DOUBLE(n)
#define F_STR(n)
#define F_NODE(T, n) if (walk_one(x->n, fn, arg, into_queries)) return true;
#define F_LIST(n) if (walk_list(x->n, fn, arg, into_queries)) return true;
#define F_STRS(n)
#define F_INTS(n)
#define F_DATUM(n)
#define EXPR(name, fields)                                                                           \
    static bool walk_##name(name *x UNUSED, NodeWalker fn UNUSED, void *arg UNUSED, bool into_queries UNUSED) \
    {                                                                                                \
        fields return false;                                                                         \
    }
#define NODE(name, fields) EXPR(name, fields)
#include "core/sql/tree.def"
#undef EXPR
#undef NODE
#undef F_NODE
#undef F_LIST

bool
node_walk_children(void *n, NodeWalker fn, void *arg, bool into_queries)
{
    if (n == NULL)
        return false;
    switch ((int)node_tag(n)) {
#define EXPR(name, fields)                                                                           \
    case TAG_##name: return walk_##name(n, fn, arg, into_queries);
#define NODE(name, fields) EXPR(name, fields)
#include "core/sql/tree.def"
#undef EXPR
#undef NODE
    case TAG_LIST_NODE: return walk_list(((ListNode *)n)->list, fn, arg, into_queries);
    case TAG_SubPlanRef: {
        SubPlanRef *s = n;
        return walk_one(s->test, fn, arg, into_queries) || walk_list(s->args, fn, arg, into_queries) ||
               walk_list(s->hash_left, fn, arg, into_queries);
    }
    default: return false;
    }
}

/* ---- rebuilding ---- */

static List *
mutate_list(Arena *a, const List *l, NodeMutator fn, void *arg, bool into_queries)
{
    if (l == NULL)
        return NULL;
    List *c = list_new(a);
    for (int i = 0; i < l->count; i++) {
        void *item = l->items[i];
        list_push(c, item == NULL || (!into_queries && IS(item, Query)) ? item : fn(item, arg));
    }
    return c;
}

static void *
mutate_one(void *child, NodeMutator fn, void *arg, bool into_queries)
{
    if (child == NULL || (!into_queries && IS(child, Query)))
        return child;
    return fn(child, arg);
}

#define F_NODE(T, n) x->n = (T *)mutate_one(x->n, fn, arg, into_queries);
#define F_LIST(n) x->n = mutate_list(a, x->n, fn, arg, into_queries);
#define EXPR(name, fields)                                                                           \
    static void mutate_##name(Arena *a UNUSED, name *x UNUSED, NodeMutator fn UNUSED, void *arg UNUSED, \
                              bool into_queries UNUSED)                                              \
    {                                                                                                \
        fields                                                                                       \
    }
#define NODE(name, fields) EXPR(name, fields)
#include "core/sql/tree.def"
#undef EXPR
#undef NODE

void *
node_mutate_children(Arena *a, void *n, NodeMutator fn, void *arg, bool into_queries)
{
    if (n == NULL)
        return NULL;
    int tag = (int)node_tag(n);
    if (tag == TAG_LIST_NODE) {
        ListNode *c = list_node_new(a);
        c->list = mutate_list(a, ((ListNode *)n)->list, fn, arg, into_queries);
        return c;
    }
    if (tag == TAG_SubPlanRef) {
        SubPlanRef *c = arena_memdup(a, n, sizeof(SubPlanRef));
        c->test = mutate_one(c->test, fn, arg, into_queries);
        c->args = mutate_list(a, c->args, fn, arg, into_queries);
        c->hash_left = mutate_list(a, c->hash_left, fn, arg, into_queries);
        return c;
    }
    ASSERT(tag < TAG_LAST_TREE);
    void *c = arena_memdup(a, n, tree_nodes[tag].size);
    switch (tag) {
#define EXPR(name, fields)                                                                           \
    case TAG_##name: mutate_##name(a, c, fn, arg, into_queries); break;
#define NODE(name, fields) EXPR(name, fields)
#include "core/sql/tree.def"
#undef EXPR
#undef NODE
    default: INTERNAL_ERROR("unrecognized node type: %d", tag);
    }
    return c;
}
