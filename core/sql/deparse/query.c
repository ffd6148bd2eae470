/*
 * SELECT: clauses in order, each on a line of its own where the layout breaks lines. The list of targets
 * and the FROM items are measured, so that a wrap column can put several on one line.
 */
#include "core/sql/deparse/deparse_internal.h"

/* Bits of WindowClause.frame_options, as the grammar sets them. */
enum {
    FRAME_NONDEFAULT = 0x1, FRAME_RANGE = 0x2, FRAME_ROWS = 0x4, FRAME_GROUPS = 0x8, FRAME_BETWEEN = 0x10,
    FRAME_START_UNBOUNDED_PRECEDING = 0x20, FRAME_END_UNBOUNDED_FOLLOWING = 0x100, FRAME_START_CURRENT_ROW = 0x200,
    FRAME_END_CURRENT_ROW = 0x400, FRAME_START_PRECEDING = 0x800, FRAME_END_PRECEDING = 0x1000, FRAME_START_FOLLOWING = 0x2000,
    FRAME_END_FOLLOWING = 0x4000, FRAME_EXCLUDE_CURRENT_ROW = 0x8000, FRAME_EXCLUDE_GROUP = 0x10000, FRAME_EXCLUDE_TIES = 0x20000
};

static void
put_clause(Deparse *d, const char *keyword, int plus)
{
    put_break(d, keyword, -INDENT_STD, INDENT_STD, plus);
}

/* ---- target list ---- */

void
put_targets(Deparse *d, const List *targets, const List *names, bool names_visible)
{
    bool last_multiline = false;
    int n = 0;
    for (int i = 0; i < list_count(targets); i++) {
        const TargetEntry *te = targets->items[i];
        if (te->junk)
            continue;
        put(d, n ? ", " : " ");
        n++;
        StrBuf item, *out = capture_begin(d, &item);
        const char *own = put_item(d, te->expr, true); /* the name the column would get anyway */
        if (own == NULL && !names_visible && !IS(te->expr, RowExpr))
            own = "?column?";
        const char *name = names && n <= names->count ? names->items[n - 1] : te->name;
        if (name && (own == NULL || strcmp(own, name) != 0)) {
            put(d, " AS ");
            put_ident(d, name);
        }
        capture_end(d, out);
        if (HAS(d, PRETTY_INDENT) && d->wrap >= 0) {
            bool own_line = item.len > 0 && item.data[0] == '\n';
            if (own_line) {
                while (out->len > 0 && out->data[out->len - 1] == ' ')
                    out->data[--out->len] = '\0';
            } else {
                const char *line = strrchr(out->data, '\n');
                size_t used = strlen(line ? line + 1 : out->data);
                if (n > 1 && (used + item.len > (size_t)d->wrap || last_multiline))
                    put_break(d, "", -INDENT_STD, INDENT_STD, INDENT_VAR);
            }
            last_multiline = strchr(item.data + (own_line ? 1 : 0), '\n') != NULL;
        }
        str_add_bytes(out, item.data, item.len);
    }
}

/* ---- sorting and grouping items ---- */

static const TargetEntry *
target_of(const List *targets, int ref)
{
    for (int i = 0; i < list_count(targets); i++)
        if (((TargetEntry *)targets->items[i])->sort_ref == ref)
            return targets->items[i];
    INTERNAL_ERROR("ORDER/GROUP BY expression not found in targetlist");
}

const Expr *
put_sort_item(Deparse *d, int ref, const List *targets, bool as_number)
{
    const TargetEntry *te = target_of(targets, ref);
    const Expr *e = te->expr;
    if (as_number)
        str_printf(d->out, "%d", te->resno);
    else if (IS(e, Const)) /* a bare number would be a column's */
        put_const(d, (const Const *)e, 1);
    else if (IS(e, Var))
        put_expr(d, e, true);
    else if (put_merged_column(d, e) == NULL) {
        /* parentheses, lest it reads as ROLLUP or CUBE; operators bring their own unless pretty */
        bool paren = HAS(d, PRETTY_PAREN) || IS(e, FuncCall) || IS(e, Aggref) || IS(e, WindowFunc);
        if (paren)
            str_add_char(d->out, '(');
        put_expr(d, e, true);
        if (paren)
            str_add_char(d->out, ')');
    }
    return e;
}

void
put_order_by(Deparse *d, const List *clauses, const List *targets, bool as_number)
{
    for (int i = 0; i < list_count(clauses); i++) {
        const SortClause *c = clauses->items[i];
        if (i)
            put(d, ", ");
        const Expr *e = put_sort_item(d, c->ref, targets, as_number);
        TypeSortOps ops = type_sort_ops(e->type);
        if (c->sort_op == ops.lt) {
            if (c->nulls_first)
                put(d, " NULLS FIRST");
        } else if (c->sort_op == ops.gt) {
            put(d, " DESC");
            if (!c->nulls_first)
                put(d, " NULLS LAST");
        } else
            str_printf(d->out, " USING %s NULLS %s", operator_name(d->arena, c->sort_op, e->type, e->type), c->nulls_first ? "FIRST" : "LAST");
    }
}

/* The grouping sets of a query are kept expanded: what ROLLUP and CUBE expand to is recognised again. */
static bool
is_rollup(const List *sets, int n)
{
    if (list_count(sets) != n + 1 || n < 1)
        return false;
    const GroupingSet *first = sets->items[0];
    for (int i = 0; i <= n; i++) {
        const GroupingSet *g = sets->items[i];
        if (ints_count(g->refs) != n - i)
            return false;
        for (int k = 0; k < n - i; k++)
            if (g->refs->items[k] != first->refs->items[k])
                return false;
    }
    return true;
}

static bool
is_cube(const List *sets, int n)
{
    if (n < 2 || n > 12 || list_count(sets) != 1 << n)
        return false;
    const GroupingSet *first = sets->items[0];
    if (ints_count(first->refs) != n)
        return false;
    bool *have = ARENA_ARRAY(sets->arena, bool, 1 << n);
    for (int i = 0; i < sets->count; i++) {
        const GroupingSet *g = sets->items[i];
        int mask = 0;
        for (int k = 0; k < ints_count(g->refs); k++)
            for (int m = 0; m < n; m++)
                if (first->refs->items[m] == g->refs->items[k])
                    mask |= 1 << m;
        if (have[mask])
            return false;
        have[mask] = true;
    }
    return true;
}

static void
put_set(Deparse *d, const IntList *refs, const List *targets, bool paren)
{
    if (paren)
        str_add_char(d->out, '(');
    for (int k = 0; k < ints_count(refs); k++) {
        if (k)
            put(d, ", ");
        put_sort_item(d, (int)refs->items[k], targets, false);
    }
    if (paren)
        str_add_char(d->out, ')');
}

static void
put_group_by(Deparse *d, const Query *q)
{
    put_clause(d, " GROUP BY ", 1);
    if (q->group_distinct)
        put(d, "DISTINCT ");
    if (list_count(q->grouping_sets) == 0) {
        for (int i = 0; i < q->group->count; i++) {
            if (i)
                put(d, ", ");
            put_sort_item(d, ((SortClause *)q->group->items[i])->ref, q->targets, false);
        }
        return;
    }
    const List *sets = q->grouping_sets;
    const IntList *first = ((GroupingSet *)sets->items[0])->refs;
    int n = ints_count(first);
    if (sets->count == 1) {
        put_set(d, first, q->targets, n == 0);
        return;
    }
    if (is_rollup(sets, n) || is_cube(sets, n)) {
        put(d, sets->count == n + 1 ? "ROLLUP(" : "CUBE(");
        put_set(d, first, q->targets, false);
        str_add_char(d->out, ')');
        return;
    }
    put(d, "GROUPING SETS (");
    for (int i = 0; i < sets->count; i++) {
        const GroupingSet *g = sets->items[i];
        if (i)
            put(d, ", ");
        put_set(d, g->refs, q->targets, true);
    }
    str_add_char(d->out, ')');
}

/* ---- windows ---- */

static void
put_bound(Deparse *d, const Expr *offset, const char *word)
{
    put_expr(d, offset, false);
    put(d, word);
}

static void
put_frame(Deparse *d, const WindowClause *w)
{
    int f = w->frame_options;
    put(d, f & FRAME_RANGE ? "RANGE " : f & FRAME_ROWS ? "ROWS " : "GROUPS ");
    if (f & FRAME_BETWEEN)
        put(d, "BETWEEN ");
    if (f & FRAME_START_UNBOUNDED_PRECEDING)
        put(d, "UNBOUNDED PRECEDING");
    else if (f & FRAME_START_CURRENT_ROW)
        put(d, "CURRENT ROW");
    else
        put_bound(d, w->start_offset, f & FRAME_START_PRECEDING ? " PRECEDING" : " FOLLOWING");
    if (f & FRAME_BETWEEN) {
        put(d, " AND ");
        if (f & FRAME_END_UNBOUNDED_FOLLOWING)
            put(d, "UNBOUNDED FOLLOWING");
        else if (f & FRAME_END_CURRENT_ROW)
            put(d, "CURRENT ROW");
        else
            put_bound(d, w->end_offset, f & FRAME_END_PRECEDING ? " PRECEDING" : " FOLLOWING");
    }
    if (f & FRAME_EXCLUDE_CURRENT_ROW)
        put(d, " EXCLUDE CURRENT ROW");
    else if (f & FRAME_EXCLUDE_GROUP)
        put(d, " EXCLUDE GROUP");
    else if (f & FRAME_EXCLUDE_TIES)
        put(d, " EXCLUDE TIES");
}

void
put_window_spec(Deparse *d, const WindowClause *w, const List *windows, const List *targets)
{
    const WindowClause *base = NULL;
    for (int i = 0; w->refname && i < list_count(windows); i++) {
        const WindowClause *x = windows->items[i];
        if (x->name && strcmp(x->name, w->refname) == 0)
            base = x;
    }
    const char *space = "";
    str_add_char(d->out, '(');
    if (w->refname) {
        put_ident(d, w->refname);
        space = " ";
    }
    if (list_count(w->partition) && !w->refname) { /* else inherited */
        put(d, "PARTITION BY ");
        for (int i = 0; i < w->partition->count; i++) {
            if (i)
                put(d, ", ");
            put_sort_item(d, ((SortClause *)w->partition->items[i])->ref, targets, false);
        }
        space = " ";
    }
    if (list_count(w->order) && !(base && list_count(base->order))) {
        put(d, space);
        put(d, "ORDER BY ");
        put_order_by(d, w->order, targets, false);
        space = " ";
    }
    if (w->frame_options & FRAME_NONDEFAULT) {
        put(d, space);
        put_frame(d, w);
    }
    str_add_char(d->out, ')');
}

static void
put_windows(Deparse *d, const Query *q)
{
    bool first = true;
    for (int i = 0; i < list_count(q->windows); i++) {
        const WindowClause *w = q->windows->items[i];
        if (w->name == NULL)
            continue;
        if (first)
            put_clause(d, " WINDOW ", 1);
        else
            put(d, ", ");
        first = false;
        put_ident(d, w->name);
        put(d, " AS ");
        put_window_spec(d, w, q->windows, q->targets);
    }
}

/* ---- one SELECT ---- */

/* A query that is nothing but VALUES: its rows. */
static const RangeEntry *
plain_values(const Query *q, const List *names)
{
    const RangeEntry *found = NULL;
    for (int i = 0; i < list_count(q->range_table); i++) {
        const RangeEntry *e = q->range_table->items[i];
        if (e->kind != RANGE_VALUES || !e->in_from || found)
            return NULL;
        found = e;
    }
    if (found == NULL || q->join_tree->quals || q->group || q->grouping_sets || q->having || q->windows || q->distinct)
        return NULL;
    if (list_count(q->targets) != list_count(found->columns))
        return NULL;
    for (int i = 0; i < q->targets->count; i++) {
        const TargetEntry *te = q->targets->items[i];
        const char *column = found->columns->items[i], *name = names && i < names->count ? names->items[i] : te->name;
        if (te->junk || !IS(te->expr, Var) || ((Var *)te->expr)->attno != i + 1 || name == NULL || strcmp(name, column) != 0)
            return NULL;
    }
    return found;
}

void
put_values(Deparse *d, const List *rows)
{
    put(d, "VALUES ");
    for (int i = 0; i < rows->count; i++) {
        const List *row = ((ListNode *)rows->items[i])->list;
        put(d, i ? ", (" : "(");
        for (int k = 0; k < row->count; k++) {
            if (k)
                str_add_char(d->out, ',');
            put_item(d, row->items[k], false);
        }
        str_add_char(d->out, ')');
    }
}

static void
put_basic_select(Deparse *d, const Query *q, const List *names, bool names_visible)
{
    if (HAS(d, PRETTY_INDENT)) {
        d->indent += INDENT_STD;
        str_add_char(d->out, ' ');
    }
    const RangeEntry *values = plain_values(q, names);
    if (values) {
        put_values(d, values->values);
        return;
    }
    put(d, "SELECT");
    if (list_count(q->distinct)) {
        put(d, " DISTINCT");
        if (q->has_distinct_on) {
            put(d, " ON (");
            for (int i = 0; i < q->distinct->count; i++) {
                if (i)
                    put(d, ", ");
                put_sort_item(d, ((SortClause *)q->distinct->items[i])->ref, q->targets, false);
            }
            str_add_char(d->out, ')');
        }
    }
    put_targets(d, q->targets, names, names_visible);
    put_from(d, q, " FROM ");
    if (q->join_tree->quals) {
        put_clause(d, " WHERE ", 1);
        put_expr(d, q->join_tree->quals, false);
    }
    if (list_count(q->group) || list_count(q->grouping_sets))
        put_group_by(d, q);
    if (q->having) {
        put_clause(d, " HAVING ", 0);
        put_expr(d, q->having, false);
    }
    put_windows(d, q);
}

/* ---- set operations ---- */

static void put_setop(Deparse *d, const Node *n, const Query *q, const List *names, bool names_visible);

static void
put_setop_leaf(Deparse *d, const RangeEntry *e, const List *names, bool names_visible)
{
    const Query *sub = e->subquery;
    bool paren = list_count(sub->ctes) || list_count(sub->sort) || list_count(sub->row_marks) || sub->limit_offset || sub->limit_count;
    if (paren)
        str_add_char(d->out, '(');
    int indent = d->indent;
    put_query(d, sub, names, names_visible);
    d->indent = indent;
    if (paren)
        str_add_char(d->out, ')');
}

static void
put_setop(Deparse *d, const Node *n, const Query *q, const List *names, bool names_visible)
{
    CHECK_STACK();
    if (IS(n, RangeRef)) {
        put_setop_leaf(d, list_at(q->range_table, ((const RangeRef *)n)->rel - 1), names, names_visible);
        return;
    }
    const SetOpNode *s = (const SetOpNode *)n;
    const SetOpNode *l = IS(s->left, SetOpNode) ? (const SetOpNode *)s->left : NULL;
    bool paren = l && (l->op != s->op || l->all != s->all);
    int sub = paren ? INDENT_STD : 0;
    if (paren) {
        str_add_char(d->out, '(');
        put_break(d, "", sub, 0, 0);
    }
    put_setop(d, s->left, q, names, names_visible);
    if (paren)
        put_break(d, ") ", -sub, 0, 0);
    else if (HAS(d, PRETTY_INDENT))
        put_break(d, "", -sub, 0, 0);
    else
        str_add_char(d->out, ' ');
    put(d, s->op == SETOP_UNION ? "UNION " : s->op == SETOP_INTERSECT ? "INTERSECT " : "EXCEPT ");
    if (s->all)
        put(d, "ALL ");
    paren = IS(s->right, SetOpNode);
    sub = paren ? INDENT_STD : 0;
    if (paren)
        str_add_char(d->out, '(');
    put_break(d, "", sub, 0, 0);
    put_setop(d, s->right, q, names, false);
    if (HAS(d, PRETTY_INDENT))
        d->indent -= sub;
    if (paren)
        put_break(d, ")", 0, 0, 0);
}

/* ---- the whole query ---- */

static void
put_limit(Deparse *d, const Query *q)
{
    if (q->limit_offset) {
        put_clause(d, " OFFSET ", 0);
        put_expr(d, q->limit_offset, false);
    }
    if (q->limit_count == NULL)
        return;
    if (q->limit_option == LIMIT_WITH_TIES) {
        put_clause(d, " FETCH FIRST ", 0);
        str_add_char(d->out, '(');
        put_expr(d, q->limit_count, false);
        put(d, ") ROWS WITH TIES");
        return;
    }
    put_clause(d, " LIMIT ", 0);
    put_expr(d, q->limit_count, false);
}

static void
put_row_locks(Deparse *d, const Query *q)
{
    static const char *const words[] = {[STRENGTH_KEY_SHARE] = " FOR KEY SHARE", [STRENGTH_SHARE] = " FOR SHARE",
                                        [STRENGTH_NO_KEY_UPDATE] = " FOR NO KEY UPDATE", [STRENGTH_UPDATE] = " FOR UPDATE"};
    for (int i = 0; i < list_count(q->row_marks); i++) {
        const RowMark *m = q->row_marks->items[i];
        if (m->pushed_down)
            continue;
        put_clause(d, words[m->strength], 0);
        put(d, " OF ");
        put_ident(d, d->level->rels[m->rel].ref);
        if (m->wait_policy == 1)
            put(d, " SKIP LOCKED");
        else if (m->wait_policy == 2)
            put(d, " NOWAIT");
    }
}

static void
put_select(Deparse *d, const Query *q, const List *names, bool names_visible)
{
    put_with(d, q);
    if (q->set_ops)
        put_setop(d, q->set_ops, q, names, names_visible);
    else
        put_basic_select(d, q, names, names_visible);
    if (list_count(q->sort)) {
        put_clause(d, " ORDER BY ", 1);
        put_order_by(d, q->sort, q->targets, q->set_ops != NULL);
    }
    put_limit(d, q);
    put_row_locks(d, q);
}

void
put_query(Deparse *d, const Query *q, const List *names, bool names_visible)
{
    CHECK_STACK();
    Deparse inner = *d;
    inner.level = level_of_query(d->arena, q, d->level);
    inner.prefix = true;
    inner.windows = q->windows;
    inner.window_targets = q->targets;
    if (q->command == CMD_SELECT)
        put_select(&inner, q, names, names_visible);
    else
        put_modification(&inner, q);
}

void
put_subquery(Deparse *d, const Query *q, bool names_visible)
{
    put_query(d, q, NULL, names_visible);
}

char *
sql_deparse_query(Arena *a, const Query *q, bool pretty, int wrap)
{
    StrBuf s;
    str_init(&s, a);
    Deparse d = {.arena = a, .out = &s, .flags = pretty ? PRETTY_ALL : PRETTY_INDENT, .wrap = wrap, .prefix = true};
    put_query(&d, q, NULL, true);
    return s.data;
}
