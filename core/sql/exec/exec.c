/*
 * The life of a plan's run-time state: made once, run many times. What a run allocates lies in an arena
 * that the end of the run resets; programs, vectors and operators stay. Starting again costs: a
 * registered snapshot, parameters copied to their lanes, relation locks.
 */
#include "core/sql/exec/exec_internal.h"

static void none_start(Dest *d, const RowDesc *desc) {}
static bool none_rows(Dest *d, const Batch *b) { return true; }
static void none_finish(Dest *d) {}
Dest dest_none = {none_start, none_rows, none_finish, NULL};

RowDesc *
row_desc_of_targets(Arena *a, const List *targets)
{
    RowDesc *d = ARENA_NEW(a, RowDesc);

    d->cols = ARENA_ARRAY(a, RowColumn, list_count(targets) + 1);
    for (int i = 0; i < list_count(targets); i++) {
        const TargetEntry *te = list_at(targets, i);
        if (te->junk)
            continue;
        d->cols[d->n++] = (RowColumn){te->name ? te->name : "?column?", te->expr->type,
                                      te->expr->typmod, te->orig_table, (int16_t)te->orig_column};
    }
    return d;
}

/* ---- creation ---- */

SubPlanState *
exec_subplan(Exec *x, int id)
{
    SubPlanState *s;

    if (id < 0 || id >= x->nsubplans)
        INTERNAL_ERROR("subplan %d does not exist", id);
    s = &x->subplans[id];
    if (s->plan == NULL) {
        s->id = id;
        s->plan = list_at(x->p->subplans, id);
        s->root = node_create(x, s->plan);
    }
    return s;
}

ExternParam *
exec_extern(Exec *x, int id)
{
    if (id < 1 || id > 65535)
        RAISE(SQLSTATE_UNDEFINED_PARAMETER, "there is no parameter $%d", id);
    if (id > x->nextern) {
        ExternParam **e = ARENA_ARRAY(x->arena, ExternParam *, id);
        if (x->nextern)
            memcpy(e, x->externs, sizeof(*e) * (size_t)x->nextern);
        x->externs = e;
        x->nextern = id;
    }
    if (x->externs[id - 1] == NULL) {
        ExternParam *e = x->externs[id - 1] = ARENA_NEW(x->arena, ExternParam);
        e->vec = (Vec){.v = &e->lane, .nulls = e->nulls, .is_const = true};
    }
    return x->externs[id - 1];
}

RelDesc *
exec_rel(Exec *x, int rel)
{
    RelSlot *s;

    if (rel < 1 || rel > x->nrels)
        INTERNAL_ERROR("range table has no entry %d", rel);
    s = &x->rels[rel - 1];
    if (s->rel == NULL)
        s->rel = rel_cached(((const RangeEntry *)list_at(x->p->range_table, rel - 1))->rel);
    if (s->rel == NULL)
        INTERNAL_ERROR("relation %u is not open",
                       ((const RangeEntry *)list_at(x->p->range_table, rel - 1))->rel);
    return s->rel;
}

static bool
modifies(const PlannedStmt *p)
{
    return p->command == CMD_INSERT || p->command == CMD_UPDATE || p->command == CMD_DELETE ||
           p->has_modifying_cte;
}

static void
make_result_columns(Exec *x)
{
    const PlannedStmt *p = x->p;
    const List *targets = p->plan->targets;
    bool returns = p->command == CMD_SELECT || p->has_returning;

    if (modifies(p) && (int)p->plan->tag == PLAN_MODIFY_TABLE)
        targets = ((const ModifyPlan *)p->plan)->returning;
    if (!returns)
        targets = NULL;
    x->desc = row_desc_of_targets(x->arena, targets);
    x->out_cols = ARENA_ARRAY(x->arena, int, x->desc->n + 1);
    for (int i = 0; i < list_count(targets); i++)
        if (!((const TargetEntry *)list_at(targets, i))->junk)
            x->out_cols[x->nout++] = i;
    x->out_is_all = x->nout == list_count(targets);
    x->out.ncols = x->nout;
    x->out.cols = ARENA_ARRAY(x->arena, Vec, x->nout + 1);
}

static void
build(Exec *x)
{
    const PlannedStmt *p = x->p;

    x->building = true;
    x->root = node_create(x, p->plan);
    for (int i = 0; i < list_count(p->modifying_ctes); i++)
        (void)exec_subplan(x, (int)(intptr_t)list_at(p->modifying_ctes, i));
    x->building = false;
}

Exec *
exec_create(Arena *parent, PlannedStmt *p)
{
    Arena *a = arena_create(parent, "executor");
    Exec *x = ARENA_NEW(a, Exec);

    x->arena = a;
    x->p = p;
    x->run = arena_create(a, "execution");
    x->nrels = list_count(p->range_table);
    x->rels = ARENA_ARRAY(a, RelSlot, x->nrels + 1);
    x->nparams = p->param_exec_count;
    x->params = ARENA_ARRAY(a, ExecParam, x->nparams + 1);
    for (int i = 0; i < x->nparams; i++)
        x->params[i].vec =
            (Vec){.v = &x->params[i].lane, .nulls = x->params[i].nulls, .is_const = true};
    x->nsubplans = list_count(p->subplans);
    x->subplans = ARENA_ARRAY(a, SubPlanState, x->nsubplans + 1);
    x->worktables = ARENA_ARRAY(a, WorkTable, x->nparams + 1);
    x->writes = modifies(p);
    x->pending_sel = arena_alloc(a, BATCH_ROWS * sizeof(uint16_t));
    make_result_columns(x);
    return x;
}

void
exec_instrument(Exec *x, const ExplainOptions *o)
{
    x->options = *o;
    x->stats = ARENA_ARRAY(x->arena, NodeStats, x->p->plan_count + 1);
}

const NodeStats *
exec_node_stats(const Exec *x, int plan_id)
{
    return x->stats && plan_id >= 0 && plan_id < x->p->plan_count ? &x->stats[plan_id] : NULL;
}

const RowDesc *
exec_row_desc(Exec *x)
{
    return x->desc;
}

/* ---- a run ---- */

static void
bind_params(Exec *x, const ParamValues *params)
{
    for (int i = 0; i < x->nextern; i++) {
        ExternParam *e = x->externs[i];
        if (e == NULL)
            continue;
        if (params == NULL || i >= params->count)
            RAISE(SQLSTATE_UNDEFINED_PARAMETER, "there is no parameter $%d", i + 1);
        e->vec.has_nulls = params->nulls && params->nulls[i];
        e->nulls[0] = e->vec.has_nulls;
        e->lane = e->vec.has_nulls ? 0 : params->values[i];
    }
}

void
exec_start(Exec *x, const Snapshot *s, const ParamValues *params, bool read_only_portal)
{
    if (x->running)
        INTERNAL_ERROR("executor state is in use");
    exec_lock_relations(x);
    if (x->root == NULL)
        build(x);
    exec_check_permissions(x);
    bind_params(x, params);
    x->run_id++;
    x->read_only = read_only_portal;
    x->snapshot = snapshot_register(s);
    if (x->writes)
        x->command = txn_command(true);
    x->running = true;
    x->at_end = false;
    x->processed = 0;
    x->pending = NULL;
    x->scroll_pos = 0;
    x->scroll_done = false;
    if (x->scroll)
        store_clear(x->scroll);
    for (int i = 0; i < x->nworktables; i++)
        x->worktables[i].version++;
}

/* The next batch of result rows, junk columns left out; part of one if max_rows ends inside. */
static Batch *
next_result(Exec *x, uint64_t max_rows)
{
    Batch *in = x->pending;
    Batch *out = &x->out;
    int from = x->pending_at;

    if (in == NULL) {
        in = node_next(x->root);
        from = 0;
        if (in == NULL)
            return NULL;
    }
    int left = in->nsel - from, take = max_rows && max_rows < (uint64_t)left ? (int)max_rows : left;
    for (int i = 0; i < x->nout; i++)
        out->cols[i] = in->cols[x->out_cols[i]];
    out->n = in->n;
    out->nsel = take;
    if (in->sel) {
        out->sel = in->sel + from;
    } else if (from == 0) {
        out->sel = NULL;
        out->n = take;
    } else {
        for (int i = 0; i < take; i++)
            x->pending_sel[i] = (uint16_t)(from + i);
        out->sel = x->pending_sel;
    }
    x->pending = take < left ? in : NULL;
    x->pending_at = from + take;
    return out;
}

/* ---- scrollable: every row that comes is kept ---- */

void
exec_make_scrollable(Exec *x)
{
    Oid *types = ARENA_ARRAY(x->arena, Oid, x->nout + 1);

    if (x->scroll)
        return;
    for (int i = 0; i < x->nout; i++)
        types[i] = x->desc->cols[i].type;
    row_shape_init(&x->scroll_shape, x->arena, x->nout, types);
    x->scroll = store_create(x->arena, &x->scroll_shape);
    store_reader_init(&x->scroll_reader, x->scroll, x->arena);
    x->scroll_batch = batch_new(x->arena, x->nout);
}

/* Position p: 0 before the first row, k on row k, count + 1 after the last. */
static uint64_t
scroll_forward(Exec *x, uint64_t max_rows, Dest *dest)
{
    uint64_t sent = 0;

    while (max_rows == 0 || sent < max_rows) {
        while (store_count(x->scroll) <= x->scroll_pos && !x->scroll_done) {
            Batch *b = next_result(x, 0);
            if (b == NULL)
                x->scroll_done = true;
            else
                store_put_batch(x->scroll, b);
        }
        if (store_count(x->scroll) <= x->scroll_pos) {
            x->scroll_pos = store_count(x->scroll) + 1;
            x->at_end = true;
            break;
        }
        x->scroll_reader.at = x->scroll_pos;
        int n = store_read(&x->scroll_reader, x->scroll_batch,
                           max_rows ? (int)MIN(max_rows - sent, (uint64_t)BATCH_ROWS) : BATCH_ROWS,
                           NULL);
        x->scroll_pos += (uint64_t)n;
        sent += (uint64_t)n;
        if (!dest->rows(dest, x->scroll_batch))
            break;
        CHECK_INTERRUPTS();
    }
    return sent;
}

static uint64_t
scroll_backward(Exec *x, uint64_t max_rows, Dest *dest)
{
    uint64_t sent = 0;

    x->at_end = false;
    while (max_rows == 0 || sent < max_rows) {
        if (x->scroll_pos <= 1) {
            x->scroll_pos = 0;
            break;
        }
        x->scroll_pos--;
        x->scroll_reader.at = x->scroll_pos - 1;
        (void)store_read(&x->scroll_reader, x->scroll_batch, 1, NULL);
        sent++;
        if (!dest->rows(dest, x->scroll_batch))
            break;
        CHECK_INTERRUPTS();
    }
    return sent;
}

uint64_t
exec_run(Exec *x, uint64_t max_rows, bool backward, Dest *dest)
{
    uint64_t sent = 0, before = x->processed;
    bool go_on = true;

    ASSERT(x->running);
    if (dest->start)
        dest->start(dest, x->desc);
    if (x->scroll) {
        sent = backward ? scroll_backward(x, max_rows, dest) : scroll_forward(x, max_rows, dest);
        x->processed += sent;
    } else if (backward) {
        RAISE_ERR(SQLSTATE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                  err_message("cursor can only scan forward"),
                  err_hint("Declare it with SCROLL option to enable backward scan."));
    } else {
        while (go_on && !x->at_end && (max_rows == 0 || sent < max_rows)) {
            Batch *b = next_result(x, max_rows ? max_rows - sent : 0);
            if (b == NULL) {
                x->at_end = true;
                break;
            }
            sent += (uint64_t)b->nsel;
            go_on = dest->rows(dest, b);
        }
        if (!x->writes || (int)x->p->plan->tag != PLAN_MODIFY_TABLE)
            x->processed += sent;
    }
    if (dest->finish)
        dest->finish(dest);
    return x->p->command == CMD_SELECT || x->p->has_returning ? sent : x->processed - before;
}

bool
exec_at_end(const Exec *x)
{
    return x->at_end;
}

uint64_t
exec_rows_processed(const Exec *x)
{
    return x->processed;
}

/* Data-modifying CTEs run to their end whether or not they were read. */
static void
run_modifying_ctes(Exec *x)
{
    for (int i = list_count(x->p->modifying_ctes) - 1; i >= 0; i--) {
        SubPlanState *s = exec_subplan(x, (int)(intptr_t)list_at(x->p->modifying_ctes, i));
        cte_run_to_end(x, s);
    }
}

static void
end_run(Exec *x)
{
    x->running = false;
    x->pending = NULL;
    for (int i = 0; i < x->nrels; i++)
        x->rels[i].rel = NULL;
    for (int i = 0; i < x->nsubplans; i++)
        x->subplans[i].done = x->subplans[i].started = false;
    arena_reset(x->run);
}

void
exec_finish(Exec *x)
{
    if (!x->running)
        return;
    if (list_count(x->p->modifying_ctes) > 0)
        run_modifying_ctes(x);
    for (int i = 0; i < x->nnodes; i++)
        node_close(x->all_nodes[i]);
    if (x->snapshot)
        snapshot_unregister(x->snapshot);
    x->snapshot = NULL;
    end_run(x);
}

void
exec_abort(Exec *x)
{
    x->snapshot = NULL; /* its owner released it */
    x->aborting = true;
    for (int i = 0; i < x->nnodes; i++)
        node_close(x->all_nodes[i]);
    x->aborting = false;
    if (x->root == NULL || x->building) {
        /* half built: begin again */
        x->root = NULL;
        x->nnodes = 0;
        memset(x->subplans, 0, sizeof(*x->subplans) * (size_t)x->nsubplans);
    }
    end_run(x);
}

void
exec_destroy(Exec *x)
{
    arena_destroy(x->arena);
}
