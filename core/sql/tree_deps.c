/*
 * What the catalog must know of stored trees: which objects they mention (pg_depend), which columns, and the
 * type and name of an index expression. Filled into core/catalog/tree_hooks.h.
 */
#include "core/catalog/tree_hooks.h"
#include "core/sql/sql.h"
#include "core/sql/tree_deps.h"

typedef struct Deps {
    Arena *arena;
    ObjAddr dependent;
    ObjAddr *seen;
    int nseen, cap;
    Oid self_rel;
    char type;
    const Query *queries[64]; /* enclosing queries, innermost last */
    int depth;
} Deps;

static bool
is_builtin(Oid oid)
{
    return oid < OID_FIRST_USER; /* pinned: always there, no row needed */
}

static void
note(Deps *d, Oid cls, Oid obj, int32_t sub)
{
    if (obj == 0 || is_builtin(obj))
        return;
    ObjAddr ref = {cls, obj, sub};
    if (cls == d->dependent.cls && obj == d->dependent.obj && sub == d->dependent.sub)
        return;
    for (int i = 0; i < d->nseen; i++)
        if (d->seen[i].cls == cls && d->seen[i].obj == obj && d->seen[i].sub == sub)
            return;
    if (d->nseen == d->cap) {
        int cap = d->cap ? d->cap * 2 : 16;
        d->seen = arena_realloc(d->arena, d->seen, sizeof(ObjAddr) * (size_t)d->cap, sizeof(ObjAddr) * (size_t)cap);
        d->cap = cap;
    }
    d->seen[d->nseen++] = ref;
    bool self = cls == CAT_PG_CLASS && obj == d->self_rel;
    depend_add(d->dependent, ref, self ? d->type : 'n');
}

static void
note_column(Deps *d, const Var *v)
{
    if (v->attno <= 0)
        return;
    if (d->depth == 0) {
        if (d->self_rel)
            note(d, CAT_PG_CLASS, d->self_rel, v->attno);
        return;
    }
    int level = d->depth - 1 - v->levels_up;
    if (level < 0 || v->rel <= 0 || v->rel > list_count(d->queries[level]->range_table))
        return;
    const RangeEntry *e = list_at(d->queries[level]->range_table, v->rel - 1);
    if (e->kind == RANGE_RELATION)
        note(d, CAT_PG_CLASS, e->rel, v->attno);
}

static bool
collect(void *n, void *arg)
{
    Deps *d = arg;
    if (node_is_expr(n)) {
        note(d, CAT_PG_TYPE, ((Expr *)n)->type, 0);
        if (((Expr *)n)->collation > COLLATION_POSIX)
            note(d, CAT_PG_COLLATION, ((Expr *)n)->collation, 0);
    }
    switch ((int)node_tag(n)) {
    case TAG_Var: note_column(d, n); break;
    case TAG_Const: {
        const Const *c = n; /* 'seq'::regclass and its kin are references, too */
        if (!c->isnull && c->expr.type == REGCLASS_OID)
            note(d, CAT_PG_CLASS, datum_oid(c->value), 0);
        break;
    }
    case TAG_FuncCall: note(d, CAT_PG_PROC, ((FuncCall *)n)->fn, 0); break;
    case TAG_OpCall: note(d, CAT_PG_OPERATOR, ((OpCall *)n)->op, 0); break;
    case TAG_DistinctExpr: note(d, CAT_PG_OPERATOR, ((DistinctExpr *)n)->op, 0); break;
    case TAG_NullIfExpr: note(d, CAT_PG_OPERATOR, ((NullIfExpr *)n)->op, 0); break;
    case TAG_ScalarArrayOp: note(d, CAT_PG_OPERATOR, ((ScalarArrayOp *)n)->op, 0); break;
    case TAG_Aggref: note(d, CAT_PG_PROC, ((Aggref *)n)->fn, 0); break;
    case TAG_WindowFunc: note(d, CAT_PG_PROC, ((WindowFunc *)n)->fn, 0); break;
    case TAG_NextValue: note(d, CAT_PG_CLASS, ((NextValue *)n)->sequence, 0); break;
    case TAG_RangeEntry:
        if (((RangeEntry *)n)->kind == RANGE_RELATION)
            note(d, CAT_PG_CLASS, ((RangeEntry *)n)->rel, 0);
        if (((RangeEntry *)n)->kind == RANGE_JOIN) { /* the other columns are named by those who use them */
            const RangeEntry *e = n;
            for (int i = 0; i < e->join_merged && i < list_count(e->join_vars); i++)
                collect(e->join_vars->items[i], arg);
            return false;
        }
        break;
    case TAG_Query:
        if (d->depth >= (int)COUNT_OF(d->queries))
            RAISE(SQLSTATE_STATEMENT_TOO_COMPLEX, "query is nested too deeply");
        d->queries[d->depth++] = n;
        node_walk_children(n, collect, arg, true);
        d->depth--;
        return false;
    default: break;
    }
    return node_walk_children(n, collect, arg, true);
}

static void
depend_on_tree(ObjAddr dependent, const void *tree, Oid self_rel, char type)
{
    Deps d = {.arena = arena_create(txn_current_arena(), "dependencies"), .dependent = dependent, .self_rel = self_rel, .type = type};
    if (tree)
        collect((void *)(uintptr_t)tree, &d);
    arena_destroy(d.arena);
}

static void
expr_info(const void *expr, Oid *type, int32_t *typmod, Oid *collation, const char **name)
{
    const Expr *e = expr;
    *type = e->type;
    *typmod = e->typmod;
    *collation = e->collation;
    *name = "expr";
    while (IS(e, Relabel))
        e = ((const Relabel *)e)->arg;
    if (IS(e, FuncCall))
        *name = fn_info(((const FuncCall *)e)->fn)->name;
    else if (IS(e, CoalesceExpr))
        *name = "coalesce";
    else if (IS(e, CaseExpr))
        *name = "case";
    else if (IS(e, Var))
        *name = "expr";
}

typedef struct Columns { uint64_t *bitmap; int natts; } Columns;

static bool
collect_columns(void *n, void *arg)
{
    Columns *c = arg;
    if (IS(n, Var)) {
        int att = ((Var *)n)->attno;
        if (att > 0)
            c->bitmap[att >> 6] |= UINT64_C(1) << (att & 63);
        else if (att == 0)
            for (int i = 1; i <= c->natts; i++)
                c->bitmap[i >> 6] |= UINT64_C(1) << (i & 63);
        return false;
    }
    return node_walk_children(n, collect_columns, arg, true);
}

static void
columns_of_tree(const char *text, bool is_list, uint64_t *bitmap, int natts)
{
    Arena *a = arena_create(NULL, "tree columns");
    Columns c = {bitmap, natts};
    if (is_list) {
        List *l = node_read_list(a, text);
        for (int i = 0; i < list_count(l); i++)
            collect_columns(l->items[i], &c);
    } else {
        void *n = node_read(a, text);
        if (n)
            collect_columns(n, &c);
    }
    arena_destroy(a);
}

void
tree_deps_register(void)
{
    tree_write_hook = node_write;
    tree_write_list_hook = node_write_list;
    tree_depend_hook = depend_on_tree;
    tree_expr_info_hook = expr_info;
    tree_columns_hook = columns_of_tree;
}
