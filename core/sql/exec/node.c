/*
 * What all operators share: creation by plan tag, compiling targets and quals, filtering and projecting
 * a batch. A projection copies no values: an output column is the Vec the target's program left.
 */
#include "core/sql/exec/exec_internal.h"

#include <time.h>

typedef ExecNode *(*NodeCreate)(Exec *x, const Plan *p);

static const NodeCreate creators[] = {
    [PLAN_RESULT - TAG_PLAN_FIRST] = node_result_create,
    [PLAN_PROJECT_SET - TAG_PLAN_FIRST] = node_project_set_create,
    [PLAN_SEQ_SCAN - TAG_PLAN_FIRST] = node_seq_scan_create,
    [PLAN_INDEX_SCAN - TAG_PLAN_FIRST] = node_index_scan_create,
    [PLAN_INDEX_ONLY_SCAN - TAG_PLAN_FIRST] = node_index_only_create,
    [PLAN_BITMAP_SCAN - TAG_PLAN_FIRST] = node_bitmap_create,
    [PLAN_TID_SCAN - TAG_PLAN_FIRST] = node_tid_scan_create,
    [PLAN_SUBQUERY_SCAN - TAG_PLAN_FIRST] = node_subquery_create,
    [PLAN_FUNCTION_SCAN - TAG_PLAN_FIRST] = node_function_create,
    [PLAN_VALUES_SCAN - TAG_PLAN_FIRST] = node_values_create,
    [PLAN_CTE_SCAN - TAG_PLAN_FIRST] = node_cte_create,
    [PLAN_WORKTABLE_SCAN - TAG_PLAN_FIRST] = node_worktable_create,
    [PLAN_NEST_LOOP - TAG_PLAN_FIRST] = node_nest_loop_create,
    [PLAN_HASH_JOIN - TAG_PLAN_FIRST] = node_hash_join_create,
    [PLAN_MATERIAL - TAG_PLAN_FIRST] = node_material_create,
    [PLAN_MEMOIZE - TAG_PLAN_FIRST] = node_material_create,
    [PLAN_SORT - TAG_PLAN_FIRST] = node_sort_create,
    [PLAN_INCREMENTAL_SORT - TAG_PLAN_FIRST] = node_sort_create,
    [PLAN_GROUP - TAG_PLAN_FIRST] = node_unique_create,
    [PLAN_AGG - TAG_PLAN_FIRST] = node_agg_create,
    [PLAN_WINDOW - TAG_PLAN_FIRST] = node_window_create,
    [PLAN_UNIQUE - TAG_PLAN_FIRST] = node_unique_create,
    [PLAN_SETOP - TAG_PLAN_FIRST] = node_setop_create,
    [PLAN_LIMIT - TAG_PLAN_FIRST] = node_limit_create,
    [PLAN_APPEND - TAG_PLAN_FIRST] = node_append_create,
    [PLAN_MERGE_APPEND - TAG_PLAN_FIRST] = node_merge_append_create,
    [PLAN_RECURSIVE_UNION - TAG_PLAN_FIRST] = node_recursive_create,
    [PLAN_LOCK_ROWS - TAG_PLAN_FIRST] = node_lock_rows_create,
    [PLAN_MODIFY_TABLE - TAG_PLAN_FIRST] = node_modify_create,
};

ExecNode *
node_create(Exec *x, const Plan *p)
{
    unsigned i = (unsigned)p->tag - TAG_PLAN_FIRST;

    if (i >= COUNT_OF(creators) || creators[i] == NULL)
        UNSUPPORTED("plan node of kind %d is not implemented", (int)p->tag);
    ExecNode *n = creators[i](x, p);
    n->complete = true;
    return n;
}

void *
node_new_exec(Exec *x, const Plan *p, size_t bytes, NodeNext next)
{
    ExecNode *n = arena_alloc0(x->arena, bytes);

    n->next = next;
    n->plan = p;
    n->x = x;
    n->arena = arena_create(x->arena, "batch");
    n->env = (ExprEnv){
        .arena = n->arena, .state = x->arena, .x = x, .lanes = plan_lanes(x, p), .node = n};
    if (x->stats && p->id >= 0 && x->epq == NULL)
        n->stats = &x->stats[p->id];
    if (x->nnodes == x->nodes_cap) {
        int cap = MAX(16, x->nodes_cap * 2);
        ExecNode **all = ARENA_ARRAY(x->arena, ExecNode *, cap);
        if (x->nnodes)
            memcpy(all, x->all_nodes, sizeof(*all) * (size_t)x->nnodes);
        x->all_nodes = all;
        x->nodes_cap = cap;
    }
    x->all_nodes[x->nnodes++] = n;
    return n;
}

static bool
targets_are_input(const ExecNode *n)
{
    const Plan *p = n->plan;

    if (p->left == NULL || list_count(p->targets) != list_count(p->left->targets))
        return false;
    for (int i = 0; i < list_count(p->targets); i++) {
        const TargetEntry *te = list_at(p->targets, i);
        const Var *v = (const Var *)te->expr;
        if (!IS(v, Var) || v->rel != VAR_OUTER || v->attno != i + 1)
            return false;
    }
    return true;
}

void
node_compile(ExecNode *n)
{
    const List *targets = n->plan->targets;

    n->quals = expr_compile_quals(&n->env, n->plan->quals);
    n->identity = targets_are_input(n);
    n->sel = env_rows(&n->env);
    n->ntargets = list_count(targets);
    n->out.ncols = n->ntargets;
    n->out.cols = ARENA_ARRAY(n->env.state, Vec, n->ntargets + 1);
    n->targets = ARENA_ARRAY(n->env.state, Prim *, n->ntargets + 1);
    if (n->identity)
        return;
    for (int i = 0; i < n->ntargets; i++)
        n->targets[i] = expr_compile(&n->env, ((const TargetEntry *)list_at(targets, i))->expr);
}

/* Only as many rows as are wanted: LIMIT 1 must not compute (and perhaps raise) for a thousand. */
static const uint16_t *
hold_back(ExecNode *n, int total, int nrows, const uint16_t *sel)
{
    if (n->rest_rows == NULL)
        n->rest_rows = env_rows(&n->env);
    if (sel == NULL || sel != n->rest)
        rows_all(n->rest_rows, nrows, sel), sel = n->rest_rows;
    n->rest = sel + n->want;
    n->nrest = nrows - n->want;
    n->rest_total = total;
    return sel;
}

Batch *
node_next_rest(ExecNode *n)
{
    int nrows = n->nrest;

    n->nrest = 0;
    Batch *b = node_project(n, n->rest_total, nrows, n->rest);
    if (n->stats)
        n->stats->rows += (uint64_t)b->nsel;
    return b;
}

void
node_rescan(ExecNode *n)
{
    if (n == NULL)
        return;
    n->nrest = 0;
    if (n->stats)
        n->stats->loops++;
    if (n->rescan)
        n->rescan(n);
}

Batch *
node_project(ExecNode *n, int total, int nrows, const uint16_t *sel)
{
    Batch *out = &n->out;

    if (UNLIKELY(n->want > 0 && nrows > n->want)) {
        sel = hold_back(n, total, nrows, sel);
        nrows = n->want;
    }
    for (int i = 0; i < n->ntargets; i++)
        out->cols[i] = *prim_eval(n->targets[i], nrows, sel);
    out->n = total;
    out->nsel = nrows;
    out->sel = sel;
    return out;
}

Batch *
node_filter_project(ExecNode *n, int total, int nrows, const uint16_t *sel)
{
    if (n->quals) {
        int m = prim_filter(n->quals, nrows, sel, n->sel);
        if (m != nrows) {
            node_note_filtered(n, nrows - m);
            sel = n->sel;
            nrows = m;
        }
        if (m == 0)
            return NULL;
    }
    if (n->identity) {
        Batch *in = n->env.in[ENV_OUTER];
        n->out.n = total;
        n->out.nsel = nrows;
        n->out.sel = sel;
        memcpy(n->out.cols, in->cols, sizeof(Vec) * (size_t)n->ntargets);
        return &n->out;
    }
    return node_project(n, total, nrows, sel);
}

void
node_note_filtered(ExecNode *n, int rows)
{
    if (n->stats)
        n->stats->filtered += (uint64_t)rows;
}

static int64_t
now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

Batch *
node_next_timed(ExecNode *n)
{
    NodeStats *s = n->stats;
    BufStats before = buf_stats;
    int64_t from = n->x->options.timing ? now_ns() : 0;
    Batch *b = n->next(n);

    if (s->loops == 0)
        s->loops = 1;
    if (n->x->options.timing) {
        double ms = (double)(now_ns() - from) / 1e6;
        if (s->rows == 0 && s->total_ms == 0)
            s->startup_ms = ms;
        s->total_ms += ms;
    }
    if (b)
        s->rows += (uint64_t)b->nsel;
    s->buffers.hit += buf_stats.hit - before.hit;
    s->buffers.read += buf_stats.read - before.read;
    s->buffers.dirtied += buf_stats.dirtied - before.dirtied;
    s->buffers.written += buf_stats.written - before.written;
    s->buffers.read_us += buf_stats.read_us - before.read_us;
    s->buffers.write_us += buf_stats.write_us - before.write_us;
    return b;
}

void
node_close(ExecNode *n)
{
    n->nrest = 0;
    if (n->close && n->complete)
        n->close(n);
    n->opened = false;
}

void
node_types(const Plan *p, Oid *out)
{
    for (int i = 0; i < list_count(p->targets); i++)
        out[i] = ((const TargetEntry *)list_at(p->targets, i))->expr->type;
}

/* Equality conditions on all columns of a unique index find one row at most. */
static bool
finds_one_row(const IndexScanPlan *s)
{
    const IndexDesc *ix = index_open(s->index, LOCK_ACCESS_SHARE);

    if (!ix->unique || list_count(s->conds) < ix->nkeys)
        return false;
    for (int i = 0; i < list_count(s->conds); i++)
        if (((const IndexCond *)list_at(s->conds, i))->strategy != 3)
            return false;
    return true;
}

int
plan_lanes(const Exec *x, const Plan *p)
{
    switch ((PlanTag)p->tag) {
    case PLAN_RESULT:
        return p->left ? plan_lanes(x, p->left) : FEW_LANES;
    case PLAN_INDEX_SCAN:
        return finds_one_row((const IndexScanPlan *)p) ? FEW_LANES : BATCH_ROWS;
    case PLAN_TID_SCAN:
        return BATCH_ROWS;
    case PLAN_VALUES_SCAN:
        return list_count(((const ValuesScanPlan *)p)->rows) <= FEW_LANES ? FEW_LANES : BATCH_ROWS;
    case PLAN_SUBQUERY_SCAN:
        return plan_lanes(x, ((const SubqueryScanPlan *)p)->subplan);
    case PLAN_NEST_LOOP:
        return MAX(plan_lanes(x, p->left), plan_lanes(x, p->right));
    case PLAN_LIMIT:
    case PLAN_MODIFY_TABLE:
    case PLAN_LOCK_ROWS:
        return plan_lanes(x, p->left);
    default:
        return BATCH_ROWS;
    }
}
