/*
 * What EXPLAIN says of one node: its target, conditions, keys, and what was counted while it ran.
 */
#include "core/sql/plan/explain_internal.h"

const NodeStats *
ex_stats(const Explain *x, const Plan *p)
{
    return x->run ? exec_node_stats(x->run, p->id) : NULL;
}

/* ---- targets of scans and changes ---- */

static void
name_target(Explain *x, const char *tag, const char *schema, const char *object, const char *ref)
{
    Arena *a = x->arena;
    if (ex_is_text(x)) {
        str_add(x->out, " on");
        if (schema)
            str_printf(x->out, " %s.%s", sql_quote_ident(a, schema), sql_quote_ident(a, object));
        else if (object)
            str_printf(x->out, " %s", sql_quote_ident(a, object));
        if (object == NULL || strcmp(ref, object) != 0)
            str_printf(x->out, " %s", sql_quote_ident(a, ref));
        return;
    }
    if (tag && object)
        ex_text(x, tag, object);
    if (schema)
        ex_text(x, "Schema", schema);
    ex_text(x, "Alias", ref);
}

static const char *
schema_of(Explain *x, Oid nsp)
{
    return !x->o->verbose ? NULL : nsp_is_temp(nsp) ? "pg_temp" : nsp_name(x->arena, nsp);
}

static void
target_of_rel(Explain *x, const Plan *p, int rel)
{
    const RangeEntry *e = x->stmt->range_table->items[rel - 1];
    const char *ref = x->names->rels[rel].ref;
    switch (e->kind) {
    case RANGE_RELATION: {
        const RelDesc *r = rel_cached(e->rel);
        name_target(x, "Relation Name", schema_of(x, r->nsp), r->name, ref);
        break;
    }
    case RANGE_FUNCTION: {
        const RangeFunction *f = list_count(e->functions) == 1 ? e->functions->items[0] : NULL;
        if (f && IS(f->call, FuncCall)) {
            const FnInfo *fi = fn_info(((const FuncCall *)f->call)->fn);
            name_target(x, "Function Name", schema_of(x, fi->nsp), fi->name, ref);
        } else
            name_target(x, NULL, NULL, NULL, ref);
        break;
    }
    case RANGE_CTE: name_target(x, "CTE Name", NULL, e->cte_name, ref); break;
    default: name_target(x, NULL, NULL, NULL, ref); break;
    }
    (void)p;
}

static void
index_details(Explain *x, const IndexScanPlan *ix)
{
    const RelDesc *index = rel_cached(ix->index);
    if (ex_is_text(x)) {
        if (ix->backward)
            str_add(x->out, " Backward");
        str_printf(x->out, " using %s", sql_quote_ident(x->arena, index->name));
        return;
    }
    ex_text(x, "Scan Direction", ix->backward ? "Backward" : "Forward");
    ex_text(x, "Index Name", index->name);
}

void
ex_target(Explain *x, const Plan *p)
{
    switch ((int)p->tag) {
    case PLAN_INDEX_SCAN: case PLAN_INDEX_ONLY_SCAN: index_details(x, (const IndexScanPlan *)p); break;
    case PLAN_MODIFY_TABLE: target_of_rel(x, p, ((const ModifyPlan *)p)->rel); return;
    default: break;
    }
    if (is_scan(p))
        target_of_rel(x, p, ((const ScanPlan *)p)->rel);
}

/* ---- conditions ---- */

void
ex_condition(Explain *x, const Frame *f, const char *label, const List *quals, bool prefix)
{
    if (list_count(quals) == 0)
        return;
    const Expr *e = quals->items[0];
    BoolExpr all = {.expr = {.tag = TAG_BoolExpr, .type = BOOL_OID, .typmod = -1}, .kind = BOOL_AND, .args = (List *)(uintptr_t)quals};
    if (quals->count > 1)
        e = &all.expr;
    ex_text(x, label, ex_expr(x, f, e, prefix, false));
}

static void
filtered(Explain *x, const Plan *p, const char *label)
{
    const NodeStats *s = ex_stats(x, p);
    if (s == NULL)
        return;
    double n = (double)s->filtered / (double)MAX(s->loops, 1);
    if (s->filtered > 0 || !ex_is_text(x))
        ex_float(x, label, n, 0);
}

/* A TID scan tests its own condition again: that is not shown as a filter. */
static bool
is_tid_condition(const Plan *p, const Expr *e)
{
    const TidScanPlan *t = (const TidScanPlan *)p;
    const List *args = IS(e, OpCall) ? ((const OpCall *)e)->args : IS(e, ScalarArrayOp) ? ((const ScalarArrayOp *)e)->args : NULL;
    if ((int)p->tag != PLAN_TID_SCAN)
        return false;
    for (int i = 0; i < list_count(t->tids); i++) {
        if (node_equal(t->tids->items[i], e))
            return true;
        for (int k = 0; k < list_count(args); k++)
            if (node_equal(t->tids->items[i], args->items[k]))
                return true;
    }
    return false;
}

static void
scan_filter(Explain *x, const Frame *f)
{
    bool prefix = (int)f->plan->tag == PLAN_SUBQUERY_SCAN || x->o->verbose;
    List *quals = list_new(x->arena);
    for (int i = 0; i < list_count(f->plan->quals); i++)
        if (!is_tid_condition(f->plan, f->plan->quals->items[i]))
            list_push(quals, f->plan->quals->items[i]);
    if (quals->count == 0)
        return;
    ex_condition(x, f, "Filter", quals, prefix);
    filtered(x, f->plan, "Rows Removed by Filter");
}

static bool
upper_prefix(const Explain *x)
{
    return ex_many_relations(x) || x->o->verbose;
}

static void
upper_filter(Explain *x, const Frame *f)
{
    if (list_count(f->plan->quals) == 0)
        return;
    ex_condition(x, f, "Filter", f->plan->quals, upper_prefix(x));
    filtered(x, f->plan, "Rows Removed by Filter");
}

/* Index conditions have the indexed column on the left, whichever way they were written. */
static const List *
column_first(Explain *x, const List *conds)
{
    List *out = list_new(x->arena);
    for (int i = 0; i < list_count(conds); i++) {
        const OpCall *o = conds->items[i];
        const Expr *r = IS(o, OpCall) && o->args->count == 2 ? o->args->items[1] : NULL;
        while (IS(r, Relabel))
            r = ((const Relabel *)r)->arg;
        Oid commuted = r && IS(r, Var) && ((const Var *)r)->rel == VAR_SCAN ? op_info(o->op)->commutator : 0;
        const Expr *l = commuted ? o->args->items[0] : NULL;
        while (IS(l, Relabel))
            l = ((const Relabel *)l)->arg;
        if (commuted && !(IS(l, Var) && ((const Var *)l)->rel == VAR_SCAN)) {
            OpCall *c = arena_memdup(x->arena, o, sizeof *o);
            c->op = commuted;
            c->args = list_new(x->arena);
            list_push(c->args, o->args->items[1]);
            list_push(c->args, o->args->items[0]);
            o = c;
        }
        list_push(out, (void *)(uintptr_t)o);
    }
    return out;
}

void
ex_index_condition(Explain *x, const Frame *f, const char *label)
{
    ex_condition(x, f, label, column_first(x, ((const IndexScanPlan *)f->plan)->orig_conds), x->o->verbose);
}

/* ---- keys ---- */

static void
key_order(Explain *x, StrBuf *s, const SortKey *k)
{
    if (k->collation && k->collation != COLLATION_DEFAULT)
        str_printf(s, " COLLATE %s", collation_name(x->arena, k->collation));
    TypeSortOps ops = type_sort_ops(k->type);
    bool reverse = k->desc;
    if (k->sort_op == ops.gt && ops.gt)
        str_add(s, " DESC");
    else if (k->sort_op != ops.lt)
        str_printf(s, " USING %s", op_info(k->sort_op)->name);
    if (k->nulls_first && !reverse)
        str_add(s, " NULLS FIRST");
    else if (!k->nulls_first && reverse)
        str_add(s, " NULLS LAST");
}

/* A key sorted in another collation: the collation is said by the order, the column stands bare. */
static char *
sort_key_text(Explain *x, const Frame *f, const Expr *e)
{
    Frame *at = arena_memdup(x->arena, f, sizeof *f);
    const Expr *below = e;
    while (IS(below, Var) && ((const Var *)below)->rel == VAR_OUTER && outer_plan(at->plan)) {
        const Plan *child = outer_plan(at->plan);
        Frame *next = ARENA_NEW(x->arena, Frame);
        *next = (Frame){.plan = child, .parent = at};
        below = ((TargetEntry *)child->targets->items[((const Var *)below)->attno - 1])->expr;
        at = next;
    }
    if (IS(below, CollateExpr) && IS(((const CollateExpr *)below)->arg, Var))
        return ex_expr(x, at, ((const CollateExpr *)below)->arg, upper_prefix(x), true);
    return ex_expr(x, f, e, upper_prefix(x), true);
}

/* Keys as columns of the frame's node. */
static List *
key_texts(Explain *x, const Frame *f, const List *keys, int first, int n, bool order)
{
    List *out = list_new(x->arena);
    for (int i = first; i < first + n; i++) {
        const SortKey *k = keys->items[i];
        if (k->column < 1 || k->column > list_count(f->plan->targets))
            INTERNAL_ERROR("bogus key column %d", k->column);
        StrBuf s;
        str_init(&s, x->arena);
        const Expr *e = ((TargetEntry *)f->plan->targets->items[k->column - 1])->expr;
        str_add(&s, order ? sort_key_text(x, f, e) : ex_expr(x, f, e, upper_prefix(x), true));
        if (order)
            key_order(x, &s, k);
        list_push(out, s.data);
    }
    return out;
}

static void
sort_keys(Explain *x, const Frame *f)
{
    const SortPlan *s = (const SortPlan *)f->plan;
    if (list_count(s->keys) == 0)
        return;
    ex_list(x, "Sort Key", key_texts(x, f, s->keys, 0, s->keys->count, true));
    if ((int)f->plan->tag == PLAN_INCREMENTAL_SORT && s->presorted > 0)
        ex_list(x, "Presorted Key", key_texts(x, f, s->keys, 0, s->presorted, false));
}

static void
sort_numbers(Explain *x, const Plan *p)
{
    const NodeStats *s = ex_stats(x, p);
    if (s == NULL || s->sort_method == NULL)
        return;
    const char *space = strncmp(s->sort_method, "external", 8) == 0 ? "Disk" : "Memory";
    if (ex_is_text(x)) {
        ex_indent(x);
        str_printf(x->out, "Sort Method: %s  %s: %llukB\n", s->sort_method, space, (unsigned long long)s->sort_kb);
        return;
    }
    ex_text(x, "Sort Method", s->sort_method);
    ex_int(x, "Sort Space Used", (int64_t)s->sort_kb);
    ex_text(x, "Sort Space Type", space);
}

/* Grouping columns are the child's. */
static void
group_keys(Explain *x, const Frame *f)
{
    const AggPlan *g = (const AggPlan *)f->plan;
    Frame child = {.plan = f->plan->left, .parent = f};
    if (list_count(g->grouping_sets) == 0) {
        if (list_count(g->keys))
            ex_list(x, "Group Key", key_texts(x, &child, g->keys, 0, g->keys->count, false));
        return;
    }
    if (!ex_is_text(x))
        ex_open(x, "Grouping Sets", "Grouping Sets", false);
    for (int pass = 0; pass < 2; pass++) /* hashed sets first, the empty ones after */
        for (int i = 0; i < g->grouping_sets->count; i++) {
            const IntList *set = g->grouping_sets->items[i];
            if ((ints_count(set) == 0) != (pass == 1))
                continue;
            List *keys = list_new(x->arena), *texts;
            for (int k = 0; k < ints_count(set); k++)
                list_push(keys, g->keys->items[set->items[k]]);
            texts = key_texts(x, &child, keys, 0, keys->count, false);
            if (keys->count == 0)
                list_push(texts, (void *)(uintptr_t)"()");
            ex_list(x, keys->count && g->strategy == AGG_HASHED ? "Hash Key" : "Group Key", texts);
        }
    if (!ex_is_text(x))
        ex_close(x, "Grouping Sets", false);
}

void
ex_hash_numbers(Explain *x, const NodeStats *s, double rows)
{
    if (s == NULL || s->hash_kb == 0)
        return;
    int64_t buckets = 1024, batches = s->hash_batches ? (int64_t)s->hash_batches : 1;
    while (buckets < rows && buckets < INT64_C(1) << 40)
        buckets *= 2;
    if (ex_is_text(x)) {
        ex_indent(x);
        str_printf(x->out, "Buckets: %lld  Batches: %lld  Memory Usage: %llukB\n", (long long)buckets, (long long)batches, (unsigned long long)s->hash_kb);
        return;
    }
    ex_int(x, "Hash Buckets", buckets);
    ex_int(x, "Original Hash Buckets", buckets);
    ex_int(x, "Hash Batches", batches);
    ex_int(x, "Original Hash Batches", batches);
    ex_int(x, "Peak Memory Usage", (int64_t)s->hash_kb);
}

static void
hash_agg_numbers(Explain *x, const Plan *p)
{
    const NodeStats *s = ex_stats(x, p);
    if (s == NULL || ((const AggPlan *)p)->strategy != AGG_HASHED || s->hash_kb == 0)
        return;
    int64_t batches = s->hash_batches ? (int64_t)s->hash_batches : 1;
    if (ex_is_text(x)) {
        ex_indent(x);
        str_printf(x->out, "Batches: %lld  Memory Usage: %llukB\n", (long long)batches, (unsigned long long)s->hash_kb);
        return;
    }
    ex_int(x, "HashAgg Batches", batches);
    ex_int(x, "Peak Memory Usage", (int64_t)s->hash_kb);
    ex_int(x, "Disk Usage", 0);
}

/* ---- joins ---- */

/* The equality keys of a hash or merge join as the conditions they were. */
static List *
key_conditions(Explain *x, const JoinPlan *j)
{
    List *out = list_new(x->arena);
    for (int i = 0; i < list_count(j->hash_outer); i++) {
        OpCall *o = node_new(x->arena, OpCall);
        o->op = (Oid)j->hash_ops->items[i];
        o->fn = op_info(o->op)->fn;
        o->expr.type = BOOL_OID;
        o->args = list_new(x->arena);
        list_push(o->args, j->hash_outer->items[i]);
        list_push(o->args, j->hash_inner->items[i]);
        list_push(out, o);
    }
    return out;
}

static void
join_properties(Explain *x, const Frame *f)
{
    const JoinPlan *j = (const JoinPlan *)f->plan;
    if ((int)f->plan->tag != PLAN_NEST_LOOP)
        ex_condition(x, f, (int)f->plan->tag == PLAN_HASH_JOIN ? "Hash Cond" : "Merge Cond", key_conditions(x, j), upper_prefix(x));
    ex_condition(x, f, "Join Filter", j->join_quals, upper_prefix(x));
    bool both = list_count(j->join_quals) && list_count(j->p.quals);
    if (list_count(j->join_quals) && !both)
        filtered(x, f->plan, "Rows Removed by Join Filter");
    upper_filter(x, f);
}

/* ---- scans ---- */

static void
tid_condition(Explain *x, const Frame *f)
{
    const TidScanPlan *t = (const TidScanPlan *)f->plan;
    List *conds = list_new(x->arena);
    for (int i = 0; i < list_count(t->tids); i++) {
        const Expr *e = t->tids->items[i];
        bool array = type_element_of(e->type) != 0;
        char *value = ex_expr(x, f, e, x->o->verbose, true);
        const char *prefix = x->o->verbose ? arena_printf(x->arena, "%s.", sql_quote_ident(x->arena, x->names->rels[t->s.rel].ref)) : "";
        if (IS(e, CurrentOf))
            list_push(conds, value);
        else
            list_push(conds, arena_printf(x->arena, array ? "(%sctid = ANY (%s))" : "(%sctid = %s)", prefix, value));
    }
    if (conds->count == 1)
        ex_text(x, "TID Cond", conds->items[0]);
    else if (conds->count > 1) {
        StrBuf s;
        str_init(&s, x->arena);
        for (int i = 0; i < conds->count; i++)
            str_printf(&s, "%s%s", i ? " OR " : "(", (const char *)conds->items[i]);
        str_add_char(&s, ')');
        ex_text(x, "TID Cond", s.data);
    }
}

static void
function_call(Explain *x, const Frame *f)
{
    const FunctionScanPlan *s = (const FunctionScanPlan *)f->plan;
    if (!x->o->verbose || list_count(s->functions) == 0)
        return;
    List *calls = list_new(x->arena);
    for (int i = 0; i < s->functions->count; i++)
        list_push(calls, ex_expr(x, f, ((RangeFunction *)s->functions->items[i])->call, true, false));
    StrBuf b;
    str_init(&b, x->arena);
    for (int i = 0; i < calls->count; i++)
        str_printf(&b, "%s%s", i ? ", " : "", (const char *)calls->items[i]);
    ex_text(x, "Function Call", b.data);
}

/* Index conditions are exact: nothing is ever removed by a recheck. */
static void
recheck_removed(Explain *x, const Plan *p)
{
    if (ex_stats(x, p) && !ex_is_text(x) && list_count(((const IndexScanPlan *)p)->orig_conds))
        ex_float(x, "Rows Removed by Index Recheck", 0, 0);
}

static void
conflict_properties(Explain *x, const Frame *f)
{
    const ModifyPlan *m = (const ModifyPlan *)f->plan;
    const OnConflict *c = m->on_conflict;
    if (c == NULL)
        return;
    ex_text(x, "Conflict Resolution", c->action == CONFLICT_NOTHING ? "NOTHING" : "UPDATE");
    List *names = list_new(x->arena);
    for (int i = 0; i < list_count(c->arbiter_indexes); i++) {
        const Const *ix = c->arbiter_indexes->items[i];
        if (IS(ix, Const))
            list_push(names, sql_quote_ident(x->arena, rel_cached(datum_oid(ix->value))->name));
    }
    if (names->count)
        ex_list(x, "Conflict Arbiter Indexes", names);
    if (c->where) {
        List *one = list_new(x->arena);
        list_push(one, c->where);
        ex_condition(x, f, "Conflict Filter", one, true);
    }
}

void
ex_properties(Explain *x, const Frame *f)
{
    const Plan *p = f->plan;
    switch ((int)p->tag) {
    case PLAN_INDEX_SCAN: case PLAN_INDEX_ONLY_SCAN:
        ex_index_condition(x, f, "Index Cond");
        recheck_removed(x, p);
        scan_filter(x, f);
        if ((int)p->tag == PLAN_INDEX_ONLY_SCAN && ex_stats(x, p))
            ex_int(x, "Heap Fetches", (int64_t)ex_stats(x, p)->heap_fetches);
        break;
    case PLAN_BITMAP_SCAN:
        ex_index_condition(x, f, "Recheck Cond");
        recheck_removed(x, p);
        scan_filter(x, f);
        break;
    case PLAN_TID_SCAN:
        tid_condition(x, f);
        scan_filter(x, f);
        break;
    case PLAN_FUNCTION_SCAN:
        function_call(x, f);
        scan_filter(x, f);
        break;
    case PLAN_SEQ_SCAN: case PLAN_SUBQUERY_SCAN: case PLAN_VALUES_SCAN: case PLAN_CTE_SCAN: case PLAN_WORKTABLE_SCAN: scan_filter(x, f); break;
    case PLAN_NEST_LOOP: case PLAN_HASH_JOIN: case PLAN_MERGE_JOIN: join_properties(x, f); break;
    case PLAN_AGG:
        group_keys(x, f);
        upper_filter(x, f);
        hash_agg_numbers(x, p);
        break;
    case PLAN_GROUP: upper_filter(x, f); break;
    case PLAN_SORT: case PLAN_INCREMENTAL_SORT: case PLAN_MERGE_APPEND:
        sort_keys(x, f);
        sort_numbers(x, p);
        break;
    case PLAN_RESULT:
        ex_condition(x, f, "One-Time Filter", ((const ResultPlan *)p)->one_time_quals, upper_prefix(x));
        upper_filter(x, f);
        break;
    case PLAN_MODIFY_TABLE: conflict_properties(x, f); break;
    default: upper_filter(x, f); break;
    }
}

/* VERBOSE: the columns a node hands on. */
void
ex_output(Explain *x, const Frame *f)
{
    const Plan *p = f->plan;
    if ((int)p->tag == PLAN_APPEND || (int)p->tag == PLAN_MERGE_APPEND || (int)p->tag == PLAN_RECURSIVE_UNION || list_count(p->targets) == 0)
        return;
    List *items = list_new(x->arena);
    for (int i = 0; i < p->targets->count; i++)
        list_push(items, ex_expr(x, f, ((TargetEntry *)p->targets->items[i])->expr, ex_many_relations(x), false));
    ex_list(x, "Output", items);
}

void
ex_buffers(Explain *x, const BufStats *b)
{
    if (!ex_is_text(x)) {
        ex_int(x, "Shared Hit Blocks", (int64_t)b->hit);
        ex_int(x, "Shared Read Blocks", (int64_t)b->read);
        ex_int(x, "Shared Dirtied Blocks", (int64_t)b->dirtied);
        ex_int(x, "Shared Written Blocks", (int64_t)b->written);
        ex_int(x, "Local Hit Blocks", (int64_t)b->local_hit);
        ex_int(x, "Local Read Blocks", (int64_t)b->local_read);
        ex_int(x, "Local Dirtied Blocks", 0);
        ex_int(x, "Local Written Blocks", 0);
        ex_int(x, "Temp Read Blocks", 0);
        ex_int(x, "Temp Written Blocks", 0);
        return;
    }
    bool shared = b->hit || b->read || b->dirtied || b->written, local = b->local_hit || b->local_read;
    if (!shared && !local)
        return;
    ex_indent(x);
    str_add(x->out, "Buffers:");
    const struct { const char *name; uint64_t n; } counts[] = {{"hit", b->hit}, {"read", b->read}, {"dirtied", b->dirtied}, {"written", b->written}};
    if (shared)
        str_add(x->out, " shared");
    for (size_t i = 0; i < COUNT_OF(counts); i++)
        if (counts[i].n)
            str_printf(x->out, " %s=%llu", counts[i].name, (unsigned long long)counts[i].n);
    if (local) {
        str_add(x->out, shared ? ", local" : " local");
        if (b->local_hit)
            str_printf(x->out, " hit=%llu", (unsigned long long)b->local_hit);
        if (b->local_read)
            str_printf(x->out, " read=%llu", (unsigned long long)b->local_read);
    }
    str_add_char(x->out, '\n');
}
