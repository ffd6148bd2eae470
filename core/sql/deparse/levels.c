/*
 * Names in scope: every query level gives its range table entries names that differ from each other and
 * from those of the levels around it, and columns are printed through them.
 *
 * Analysis resolves columns of joins to what they stand for. Two things need the way back: a join with an
 * alias hides the names inside of it, and a merged column (USING, NATURAL) of a full or converting join is
 * an expression that can only be named through the join.
 */
#include "core/access/heap/heap.h"
#include "core/sql/deparse/deparse_internal.h"

/* ---- making levels ---- */

static bool
name_taken(const Level *l, int upto, const char *name)
{
    for (int i = 1; i < upto; i++)
        if (l->rels[i].ref && strcmp(l->rels[i].ref, name) == 0)
            return true;
    for (const Level *p = l->parent; p; p = p->parent)
        for (int i = 1; i <= p->nrels; i++)
            if (p->rels[i].ref && strcmp(p->rels[i].ref, name) == 0)
                return true;
    return false;
}

static const char *
unique_name(Arena *a, const Level *l, int upto, const char *name)
{
    if (name == NULL || !name_taken(l, upto, name))
        return name;
    for (int n = 1;; n++) {
        size_t keep = utf8_clip(name, strlen(name), NAME_BYTES - 12);
        char *other = arena_printf(a, "%.*s_%d", (int)keep, name, n);
        if (!name_taken(l, upto, other))
            return other;
    }
}

static bool
column_taken(const RelNames *n, int upto, int except, const char *name)
{
    for (int i = 0; i < upto; i++)
        if (i != except && n->cols[i] && strcmp(n->cols[i], name) == 0)
            return true;
    return false;
}

/* Columns of one item must be told apart: a subquery's may have come with equal names. True: some changed. */
static bool
make_columns_unique(Arena *a, RelNames *n)
{
    bool changed = false;
    for (int i = 0; i < n->ncols; i++) {
        const char *name = n->cols[i];
        if (name == NULL || !column_taken(n, i, -1, name))
            continue;
        for (int k = 1; column_taken(n, n->ncols, i, n->cols[i]); k++)
            n->cols[i] = arena_printf(a, "%s_%d", name, k);
        changed = true;
    }
    return changed;
}

/* The columns as they are called now: the relation's own may have been renamed since analysis. */
static void
name_columns(Arena *a, RelNames *n, const RangeEntry *e)
{
    RelDesc *rel = e->kind == RANGE_RELATION && e->rel ? rel_cached(e->rel) : NULL;
    n->ncols = MAX(list_count(e->columns), rel ? rel->natts : 0);
    n->cols = ARENA_ARRAY(a, const char *, n->ncols + 1);
    int given = 0;
    for (int i = 0; i < n->ncols; i++) {
        const char *name = i < list_count(e->columns) ? e->columns->items[i] : NULL;
        if (rel == NULL) {
            n->cols[i] = name;
            continue;
        }
        if (i >= rel->natts || rel->cols[i].dropped) {
            if (name)
                given++;
            continue;
        }
        n->cols[i] = given < list_count(e->alias_columns) ? e->alias_columns->items[given] : rel->cols[i].name;
        given++;
        n->print_cols |= strcmp(n->cols[i], rel->cols[i].name) != 0;
    }
    if (rel == NULL)
        n->print_cols = e->kind == RANGE_FUNCTION || list_count(e->alias_columns) > 0;
    if (rel == NULL && (e->kind != RANGE_JOIN || e->alias))
        n->print_cols |= make_columns_unique(a, n);
}

static const char *
base_name(Arena *a, const RangeEntry *e)
{
    if (e->alias)
        return e->alias;
    if (e->kind == RANGE_RELATION && e->rel)
        return arena_strdup(a, rel_cached(e->rel)->name);
    if (e->kind == RANGE_JOIN)
        return NULL;
    return e->eref ? e->eref : "unnamed";
}

static void
note_hiding_joins(Level *l, const Node *n, int join)
{
    if (IS(n, RangeRef)) {
        l->rels[((const RangeRef *)n)->rel].hidden_by = join;
        return;
    }
    if (!IS(n, JoinNode))
        return;
    const JoinNode *j = (const JoinNode *)n;
    l->rels[j->rel].hidden_by = join;
    const RangeEntry *e = l->range_table->items[j->rel - 1];
    if (e->alias)
        join = j->rel;
    note_hiding_joins(l, j->left, join);
    note_hiding_joins(l, j->right, join);
}

static Level *
level_new(Arena *a, const List *range_table, Level *parent)
{
    Level *l = ARENA_NEW(a, Level);
    l->parent = parent;
    l->range_table = range_table;
    l->nrels = list_count(range_table);
    l->rels = ARENA_ARRAY(a, RelNames, l->nrels + 1);
    return l;
}

Level *
level_of_query(Arena *a, const Query *q, Level *parent)
{
    Level *l = level_new(a, q->range_table, parent);
    l->query = q;
    for (int i = 1; i <= l->nrels; i++) {
        const RangeEntry *e = q->range_table->items[i - 1];
        l->rels[i].ref = unique_name(a, l, i, base_name(a, e));
        name_columns(a, &l->rels[i], e);
    }
    for (int i = 0; q->join_tree && i < list_count(q->join_tree->items); i++)
        note_hiding_joins(l, q->join_tree->items->items[i], 0);
    return l;
}

Level *
level_of_relation(Arena *a, RelDesc *rel)
{
    Level *l = ARENA_NEW(a, Level);
    l->nrels = 1;
    l->rels = ARENA_ARRAY(a, RelNames, 2);
    RelNames *n = &l->rels[1];
    n->ref = rel->name;
    n->ncols = rel->natts;
    n->cols = ARENA_ARRAY(a, const char *, rel->natts + 1);
    for (int i = 0; i < rel->natts; i++)
        n->cols[i] = rel->cols[i].dropped ? NULL : rel->cols[i].name;
    return l;
}

Level *
level_of_names(Arena *a, const List *range_table, const char *const *refs)
{
    Level *l = level_new(a, range_table, NULL);
    for (int i = 1; i <= l->nrels; i++) {
        const RangeEntry *e = range_table->items[i - 1];
        if (refs[i] == NULL)
            continue;
        l->rels[i].ref = refs[i];
        name_columns(a, &l->rels[i], e);
    }
    return l;
}

/* ---- columns ---- */

static const char *
system_column(int attno)
{
    static const char *const names[] = {"ctid", "xmin", "cmin", "xmax", "cmax", "tableoid"};
    int i = -attno - 1;
    if (i < 0 || i >= (int)COUNT_OF(names))
        INTERNAL_ERROR("invalid system attribute number %d", attno);
    return names[i];
}

const char *
column_name(const Level *l, int rel, int attno)
{
    if (attno < 0)
        return system_column(attno);
    if (rel < 1 || rel > l->nrels)
        INTERNAL_ERROR("bogus varno: %d", rel);
    const RelNames *n = &l->rels[rel];
    if (attno > n->ncols || n->cols[attno - 1] == NULL)
        return "?dropped?column?";
    return n->cols[attno - 1];
}

static Level *
level_up(Deparse *d, int up)
{
    Level *l = d->level;
    while (l && up-- > 0)
        l = l->parent;
    if (l == NULL)
        INTERNAL_ERROR("bogus varlevelsup in an expression to be printed");
    return l;
}

/* The outermost join with an alias around rel that is not being printed itself: 0 none. */
static int
hiding_join(const Level *l, int rel)
{
    int found = 0;
    for (int j = l->rels[rel].hidden_by; j; j = l->rels[j].hidden_by)
        if (!l->rels[j].open)
            found = j;
    return found;
}

static int
join_column_of(const Level *l, int join, const Var *v)
{
    const RangeEntry *e = l->range_table->items[join - 1];
    for (int i = 0; i < list_count(e->join_vars); i++) {
        const Var *x = e->join_vars->items[i];
        if (IS(x, Var) && x->rel == v->rel && x->attno == v->attno)
            return i + 1;
    }
    return 0;
}

const char *
put_var(Deparse *d, const Var *v, bool top)
{
    if (v->rel < 0 && d->resolve) {
        if (d->resolve(d, &v->expr, d->resolve_arg))
            return NULL;
        INTERNAL_ERROR("a column of a plan could not be resolved");
    }
    Level *l = level_up(d, v->levels_up);
    int rel = v->rel == VAR_SCAN ? 1 : v->rel, attno = v->attno;
    if (rel < 1 || rel > l->nrels)
        INTERNAL_ERROR("bogus varno: %d", rel);
    int join = l->query && attno != 0 ? hiding_join(l, rel) : 0;
    if (join) {
        int column = join_column_of(l, join, v);
        if (column) {
            rel = join;
            attno = column;
        }
    }
    const char *name = attno == 0 ? NULL : column_name(l, rel, attno);
    const char *ref = l->rels[rel].ref;
    if (ref && (d->prefix || name == NULL)) {
        put_ident(d, ref);
        str_add_char(d->out, '.');
    }
    if (name)
        put_ident(d, name);
    else {
        str_add_char(d->out, '*');
        if (top)
            str_printf(d->out, "::%s", type_text(d->arena, v->expr.type, v->expr.typmod));
    }
    return name;
}

/* ---- merged columns ---- */

static const Expr *
below_casts(const Expr *e)
{
    for (;;) {
        if (IS(e, Relabel))
            e = ((const Relabel *)e)->arg;
        else if (IS(e, CoerceViaIO))
            e = ((const CoerceViaIO *)e)->arg;
        else if (IS(e, FuncCall) && ((const FuncCall *)e)->form == FORM_IMPLICIT_CAST)
            e = ((const FuncCall *)e)->args->items[0];
        else
            return e;
    }
}

/* Collations and the like may have been filled in later in one of the copies: what counts is which columns
 * meet, and how they are converted. */
static bool
same_merge(const Expr *x, const Expr *y)
{
    if (x->tag != y->tag || x->type != y->type)
        return false;
    if (IS(x, CoalesceExpr)) {
        const List *a = ((const CoalesceExpr *)x)->args, *b = ((const CoalesceExpr *)y)->args;
        if (list_count(a) != list_count(b))
            return false;
        for (int i = 0; i < list_count(a); i++)
            if (!same_merge(a->items[i], b->items[i]))
                return false;
        return true;
    }
    const Expr *a = below_casts(x), *b = below_casts(y);
    if (IS(a, CoalesceExpr) && a != x)
        return same_merge(a, b);
    return IS(a, Var) && IS(b, Var) && ((const Var *)a)->rel == ((const Var *)b)->rel && ((const Var *)a)->attno == ((const Var *)b)->attno &&
           ((const Var *)a)->levels_up == 0 && ((const Var *)b)->levels_up == 0;
}

const char *
put_merged_column(Deparse *d, const Expr *e)
{
    Level *l = d->level;
    if (l == NULL || l->query == NULL)
        return NULL;
    for (int i = l->nrels; i >= 1; i--) {
        const RangeEntry *r = l->range_table->items[i - 1];
        if (r->kind != RANGE_JOIN || l->rels[i].open || r->join_merged == 0)
            continue;
        for (int k = 0; k < r->join_merged; k++) {
            const Expr *m = r->join_vars->items[k];
            if (IS(m, Var) || !same_merge(m, e))
                continue;
            if (l->rels[i].ref) {
                put_ident(d, l->rels[i].ref);
                str_add_char(d->out, '.');
            }
            put_ident(d, l->rels[i].cols[k]);
            return l->rels[i].cols[k];
        }
    }
    return NULL;
}

/* ---- whole rows ---- */

/* Analysis makes a row of all columns of a reference to a relation; ROW(...) written out names them f1, f2 ... */
bool
put_whole_row(Deparse *d, const RowExpr *r, bool top)
{
    int n = list_count(r->args), k = 0;
    const Var *first = n ? r->args->items[0] : NULL;
    if (r->form != FORM_IMPLICIT_CAST || !IS(first, Var) || first->rel < 1 || d->level == NULL)
        return false;
    const Level *l = level_up(d, first->levels_up);
    if (l->query == NULL || first->rel > l->nrels)
        return false;
    const RangeEntry *e = l->range_table->items[first->rel - 1];
    for (int i = 0; i < list_count(e->columns); i++) {
        const char *name = e->columns->items[i];
        if (name == NULL && e->kind == RANGE_RELATION && k < n && IS(r->args->items[k], Const)) {
            k++; /* a dropped column */
            continue;
        }
        if (name == NULL)
            continue;
        const Var *v = k < n ? r->args->items[k] : NULL;
        if (!IS(v, Var) || v->rel != first->rel || v->levels_up != first->levels_up || v->attno != i + 1 || strcmp(r->names->items[k], name) != 0)
            return false;
        k++;
    }
    if (k != n)
        return false;
    Var row = *first;
    row.attno = 0;
    row.expr.type = r->expr.type;
    row.expr.typmod = -1;
    put_var(d, &row, top);
    return true;
}
