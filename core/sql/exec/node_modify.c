/*
 * ModifyTable: the frame of INSERT, UPDATE and DELETE. Takes the child's batches, changes the table row
 * by row (inserts in groups), and gives the RETURNING rows of each batch.
 */
#include "core/sql/exec/modify.h"

/* ---- RETURNING ---- */

void
modify_return(ModifyNode *m, int row, const Datum *values, const bool *nulls, ItemPtr tid)
{
    const TupleLayout *l = m->rel->heap.layout;

    for (int c = 0; c < m->natts; c++) {
        Vec *v = &m->ret->cols[c];
        if (!m->ret_used[c])
            continue;
        if (nulls[c])
            vec_set_null(v, row);
        else
            v->v[row] = datum_copy(m->n.arena, values[c], l->atts[c].byval, l->atts[c].len);
    }
    Vec *sys = m->ret->cols + m->natts;
    for (int k = 0; k < RET_SYSTEM; k++) {
        if (!m->ret_used[m->natts + k])
            continue;
        Datum d;
        switch (k) {
        case RET_CTID: d = tid_datum(tid.block, tid.off); break;
        case RET_XMIN: d = txn_xid(); break;
        case RET_TABLEOID: d = oid_datum(m->rel->oid); break;
        case RET_XMAX: d = 0; break;
        default: d = m->cid; break;
        }
        sys[k].v[row] = d;
    }
    m->ret_rows[m->nret++] = (uint16_t)row;
}

typedef struct MarkSystem { bool *used; int natts; } MarkSystem;

static bool
mark_scan_columns(void *node, void *arg)
{
    MarkSystem *k = arg;

    if (IS(node, Var)) {
        const Var *v = node;
        if (v->rel == VAR_OUTER || v->rel == VAR_INNER)
            return false;
        if (v->attno < 0 && v->attno >= -RET_SYSTEM)
            k->used[k->natts - v->attno - 1] = true;
        if (v->attno > 0)
            k->used[v->attno - 1] = true;
        for (int i = 0; v->attno == 0 && i < k->natts; i++)
            k->used[i] = true;
        return false;
    }
    return node_walk_children(node, mark_scan_columns, arg, false);
}

static void
returning_init(ModifyNode *m)
{
    ExecNode *n = &m->n;
    Exec *x = n->x;
    const List *targets = m->p->returning;
    int nouter = list_count(n->plan->left->targets);

    m->returning = true;
    m->ret_used = ARENA_ARRAY(x->arena, bool, m->natts + RET_SYSTEM);
    m->outer_cols = ARENA_ARRAY(x->arena, bool, nouter + 1);
    MarkSystem k = {m->ret_used, m->natts};
    for (int i = 0; i < list_count(targets); i++)
        mark_scan_columns(((TargetEntry *)list_at(targets, i))->expr, &k);
    exprs_mark_columns(targets, VAR_OUTER, m->outer_cols, nouter);
    for (int c = 0; c < nouter; c++)
        m->outer_used |= m->outer_cols[c];
    m->ret = ARENA_NEW(x->arena, Batch);
    m->ret->ncols = m->natts + RET_SYSTEM;
    m->ret->cols = ARENA_ARRAY(x->arena, Vec, m->ret->ncols);
    for (int c = 0; c < m->ret->ncols; c++)
        if (m->ret_used[c])
            env_vec(&n->env, &m->ret->cols[c]);
    m->ret_rows = env_rows(&n->env);
    n->env.in[ENV_SCAN] = m->ret;
    n->env.system_base = m->natts;
    n->env.rel = m->rel;
    n->ntargets = list_count(targets);
    n->out.ncols = n->ntargets;
    n->out.cols = ARENA_ARRAY(x->arena, Vec, n->ntargets + 1);
    n->targets = ARENA_ARRAY(x->arena, Prim *, n->ntargets + 1);
    for (int i = 0; i < n->ntargets; i++)
        n->targets[i] = expr_compile(&n->env, ((const TargetEntry *)list_at(targets, i))->expr);
}

/* ---- INSERT ---- */

static void
take_row(ModifyNode *m, const Batch *b, int row)
{
    for (int c = 0; c < m->natts; c++) {
        m->nulls[c] = vec_null(&b->cols[c], row);
        m->values[c] = m->nulls[c] ? 0 : vec_get(&b->cols[c], row);
    }
}

static uint64_t
insert_batch(ModifyNode *m, const Batch *b)
{
    uint64_t done = 0;

    if (m->conflict == NULL && !m->returning) {
        writer_insert_batch(m->writer, b);
        return (uint64_t)b->nsel;
    }
    FOR_ROWS (row, b->nsel, b->sel) {
        take_row(m, b, row);
        if (m->conflict) {
            done += (uint64_t)modify_insert_conflict(m, row);
        } else {
            const Datum *values;
            const bool *nulls;
            ItemPtr tid;
            writer_insert(m->writer, m->values, m->nulls, &tid);
            writer_last_row(m->writer, &values, &nulls);
            modify_return(m, row, values, nulls, tid);
            done++;
        }
    }
    return done;
}

/* ---- UPDATE, DELETE ---- */

static void
take_set(ModifyNode *m, const Batch *b, int row)
{
    for (int i = 0; i < m->nset; i++) {
        m->set_nulls[i] = vec_null(&b->cols[i], row);
        m->set_values[i] = m->set_nulls[i] ? 0 : vec_get(&b->cols[i], row);
    }
}

/* A recheck gave other values for the child's row: RETURNING must see those. */
static void
replace_outer_row(ModifyNode *m, const Batch *child, const Batch *src, int src_row, int row)
{
    const List *targets = m->n.plan->left->targets;

    if (m->ret_outer == NULL) {
        m->ret_outer = ARENA_NEW(m->n.x->arena, Batch);
        m->ret_outer->ncols = child->ncols;
        m->ret_outer->cols = ARENA_ARRAY(m->n.x->arena, Vec, child->ncols + 1);
        for (int c = 0; c < child->ncols; c++)
            if (m->outer_cols[c])
                env_vec(&m->n.env, &m->ret_outer->cols[c]);
    }
    for (int c = 0; c < child->ncols; c++) {
        Vec *v = &m->ret_outer->cols[c];
        int16_t len;
        bool byval;
        if (!m->outer_cols[c])
            continue;
        if (!m->outer_copied) {
            v->has_nulls = false;
            vec_copy_rows(v, &child->cols[c], child->nsel, child->sel);
        }
        type_physical(((const TargetEntry *)list_at(targets, c))->expr->type, &len, &byval);
        if (v->has_nulls)
            v->nulls[row >> 6] &= ~(UINT64_C(1) << (row & 63));
        if (vec_null(&src->cols[c], src_row))
            vec_set_null(v, row);
        else
            v->v[row] = datum_copy(m->n.arena, vec_get(&src->cols[c], src_row), byval, len);
    }
    m->outer_copied = true;
    m->n.env.in[ENV_OUTER] = m->ret_outer;
}

static uint64_t
change_batch(ModifyNode *m, const Batch *b)
{
    uint64_t done = 0;
    int ctid = m->p->ctid_column - 1;

    FOR_ROWS (row, b->nsel, b->sel) {
        const Batch *src = b;
        int at = row;
        bool changed;
        if (vec_null(&b->cols[ctid], row))
            INTERNAL_ERROR("ctid is NULL");
        Datum d = vec_get(&b->cols[ctid], row);
        ItemPtr tid = {datum_tid_block(d), datum_tid_offset(d)};
        if (m->p->command == CMD_UPDATE) {
            take_set(m, b, row);
            changed = modify_update_row(m, tid, &src, &at, row, false);
        } else {
            changed = modify_delete_row(m, tid, &src, &at, row);
        }
        if (changed && src != b && m->returning && m->outer_used)
            replace_outer_row(m, b, src, at, row);
        done += changed;
        arena_reset(m->row_arena);
    }
    CHECK_INTERRUPTS();
    return done;
}

/* ---- the node ---- */

static void
modify_open(ModifyNode *m)
{
    m->n.opened = true;
    m->at_end = false;
    m->rel = exec_rel(m->n.x, m->p->rel);
    m->n.env.rel = m->rel;
    m->checks = checks_open(m->rel);
    m->cid = m->n.x->command;
    if (m->p->command == CMD_INSERT) {
        if (m->writer == NULL)
            m->writer = writer_open_group(m->n.x->arena, m->rel, m->n.env.lanes);
        writer_restart(m->writer, m->rel, m->n.x->run);
    }
    if (m->conflict)
        modify_conflict_start(m);
}

static Batch *
modify_next(ExecNode *n)
{
    ModifyNode *m = (ModifyNode *)n;
    Batch *b;

    if (!n->opened)
        modify_open(m);
    while (!m->at_end && (b = node_next(n->left)) != NULL) {
        uint64_t done;
        arena_reset(n->arena);
        n->env.in[ENV_OUTER] = b;
        m->nret = 0;
        m->outer_copied = false;
        if (m->returning)
            for (int c = 0; c < m->ret->ncols; c++)
                m->ret->cols[c].has_nulls = false;
        done = m->p->command == CMD_INSERT ? insert_batch(m, b) : change_batch(m, b);
        if (m->p->can_set_tag)
            n->x->processed += done;
        if (m->returning && m->nret > 0)
            return node_project(n, b->n, m->nret, m->ret_rows);
    }
    if (!m->at_end && m->writer)
        writer_end_run(m->writer);
    m->at_end = true;
    return NULL;
}

static void
modify_close(ExecNode *n)
{
    ModifyNode *m = (ModifyNode *)n;

    if (n->opened && !n->x->aborting && m->writer)
        writer_end_run(m->writer);
    epq_end(m->epq, n->x->aborting);
}

ExecNode *
node_modify_create(Exec *x, const Plan *p)
{
    ModifyNode *m = node_new_exec(x, p, sizeof(*m), modify_next);
    Arena *a = x->arena;

    m->p = (const ModifyPlan *)p;
    m->n.close = modify_close;
    m->rel = exec_rel(x, m->p->rel);
    m->natts = m->rel->natts;
    m->n.left = node_create(x, p->left);
    m->n.sel = env_rows(&m->n.env);
    m->epq = epq_create(x, p->left);
    m->row_arena = arena_create(a, "row being changed");
    m->values = ARENA_ARRAY(a, Datum, m->natts + 1);
    m->old_values = ARENA_ARRAY(a, Datum, m->natts + 1);
    m->plain_buffer = ARENA_ARRAY(a, Datum, m->natts + 1);
    m->old_plain_buffer = ARENA_ARRAY(a, Datum, m->natts + 1);
    m->nulls = ARENA_ARRAY(a, bool, m->natts + 1);
    m->old_nulls = ARENA_ARRAY(a, bool, m->natts + 1);
    m->nset = m->p->command == CMD_UPDATE ? ints_count(m->p->update_columns) : 0;
    m->set_atts = ARENA_ARRAY(a, int, m->natts + 1);
    m->set_values = ARENA_ARRAY(a, Datum, m->natts + 1);
    m->set_nulls = ARENA_ARRAY(a, bool, m->natts + 1);
    for (int i = 0; i < m->nset; i++)
        m->set_atts[i] = (int)m->p->update_columns->items[i] - 1;
    if (list_count(m->p->returning) > 0)
        returning_init(m);
    if (m->p->on_conflict && m->p->on_conflict->action != CONFLICT_NONE)
        modify_conflict_init(m);
    if (list_count(m->p->check_options) > 0)
        UNSUPPORTED("WITH CHECK OPTION is not supported");
    return &m->n;
}
