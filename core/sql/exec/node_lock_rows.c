/*
 * FOR UPDATE, FOR NO KEY UPDATE, FOR SHARE, FOR KEY SHARE: locks the rows that pass through. A row that
 * another transaction has changed meanwhile is locked in its newest version and the plan evaluated again
 * for it (READ COMMITTED).
 */
#include "core/sql/exec/modify.h"

typedef struct LockNode {
    ExecNode n;
    int nmarks; const PlanRowMark **marks;
    EpqState *epq;
    CommandId cid;
    Batch *in; int at;      /* rows of `in` not yet looked at */
    EpqRow *rows;           /* of the row in hand, by mark */
    int nrows;
    int ncols;
    Vec *own;               /* lanes for rows a recheck replaced */
    bool replaced;
    uint16_t *kept;
} LockNode;

static RowLockMode
lock_mode(int strength)
{
    switch (strength) {
    case STRENGTH_KEY_SHARE: return ROW_KEY_SHARE;
    case STRENGTH_SHARE: return ROW_SHARE;
    case STRENGTH_NO_KEY_UPDATE: return ROW_NO_KEY_EXCLUSIVE;
    default: return ROW_EXCLUSIVE;
    }
}

/* Locks one row of one relation. False: skip the row. *moved: it is another version now. */
static bool
lock_one(LockNode *l, const PlanRowMark *k, EpqRow *r, bool *moved)
{
    RelDesc *rel = exec_rel(l->n.x, k->rel);
    RowLockMode mode = lock_mode(k->strength);
    TmFailure f;
    bool would_block = false;

    switch (heap_lock(&rel->heap, r->tid, mode, l->cid, exec_snapshot(l->n.x),
                      (WaitPolicy)k->wait_policy, true, &f)) {
    case TM_OK:
        return true;
    case TM_SELF_MODIFIED:
        return false;
    case TM_WOULD_BLOCK:
        if (k->wait_policy == WAIT_ERROR)
            RAISE(SQLSTATE_LOCK_NOT_AVAILABLE, "could not obtain lock on row in relation \"%s\"",
                  rel->name);
        return false;
    case TM_UPDATED:
        if (txn_isolation >= ISO_REPEATABLE_READ)
            raise_concurrent(false);
        if (item_ptr_equal(f.ctid, r->tid))
            return false;
        r->tid = f.ctid;
        if (!lock_newest(&rel->heap, &r->tid, mode, l->cid, exec_snapshot(l->n.x),
                         (WaitPolicy)k->wait_policy, &would_block)) {
            if (would_block && k->wait_policy == WAIT_ERROR)
                RAISE(SQLSTATE_LOCK_NOT_AVAILABLE,
                      "could not obtain lock on row in relation \"%s\"", rel->name);
            return false;
        }
        *moved = true;
        return true;
    case TM_DELETED:
        if (txn_isolation >= ISO_REPEATABLE_READ)
            raise_concurrent(false);
        return false;
    default:
        INTERNAL_ERROR("attempted to lock invisible tuple");
    }
}

static void
replace_row(LockNode *l, int row, const Batch *src, int at)
{
    const Batch *in = l->in;

    for (int c = 0; c < l->ncols; c++) {
        Vec *v = &l->own[c];
        int16_t len;
        bool byval;
        if (!l->replaced) {
            v->has_nulls = false;
            vec_copy_rows(v, &in->cols[c], in->nsel, in->sel);
        }
        type_physical(((const TargetEntry *)list_at(l->n.plan->left->targets, c))->expr->type, &len,
                      &byval);
        if (v->has_nulls)
            v->nulls[row >> 6] &= ~(UINT64_C(1) << (row & 63));
        if (vec_null(&src->cols[c], at))
            vec_set_null(v, row);
        else
            v->v[row] = datum_copy(l->n.arena, vec_get(&src->cols[c], at), byval, len);
    }
    l->replaced = true;
}

static bool
lock_row(LockNode *l, int row)
{
    bool moved = false;

    l->nrows = 0;
    for (int i = 0; i < l->nmarks; i++) {
        const PlanRowMark *k = l->marks[i];
        const Vec *v = &l->in->cols[k->ctid_column - 1];
        if (vec_null(v, row))
            continue; /* the null side of an outer join */
        Datum d = vec_get(v, row);
        EpqRow *r = &l->rows[l->nrows++];
        *r = (EpqRow){k->rel, {datum_tid_block(d), datum_tid_offset(d)}};
        if (!lock_one(l, k, r, &moved))
            return false;
    }
    if (!moved)
        return true;
    const Batch *b = epq_run(l->epq, l->rows, l->nrows);
    if (b == NULL)
        return false;
    replace_row(l, row, b, batch_row(b, 0));
    return true;
}

static Batch *
lock_rows_next(ExecNode *n)
{
    LockNode *l = (LockNode *)n;

    if (!n->opened) {
        if (txn_read_only)
            RAISE(SQLSTATE_READ_ONLY_SQL_TRANSACTION,
                  "cannot execute %s in a read-only transaction", "SELECT FOR UPDATE");
        n->opened = true;
        l->in = NULL;
        l->cid = txn_command(false);
    }
    for (;;) {
        int k = 0, limit = n->want > 0 ? n->want : BATCH_ROWS;
        if (l->in == NULL || l->at >= l->in->nsel) {
            n->left->want = n->want;
            l->in = node_next(n->left);
            l->at = 0;
            l->replaced = false;
            arena_reset(n->arena);
            if (l->in == NULL)
                return NULL;
        }
        while (l->at < l->in->nsel && k < limit) {
            int row = batch_row(l->in, l->at++);
            if (lock_row(l, row))
                l->kept[k++] = (uint16_t)row;
        }
        CHECK_INTERRUPTS();
        if (k == 0)
            continue;
        memcpy(n->out.cols, l->replaced ? l->own : l->in->cols, sizeof(Vec) * (size_t)l->ncols);
        n->out.n = l->in->n;
        n->out.nsel = k;
        n->out.sel = l->kept;
        return &n->out;
    }
}

static void
lock_rows_rescan(ExecNode *n)
{
    ((LockNode *)n)->in = NULL;
    node_rescan(n->left);
}

static void
lock_rows_close(ExecNode *n)
{
    epq_end(((LockNode *)n)->epq, n->x->aborting);
}

ExecNode *
node_lock_rows_create(Exec *x, const Plan *p)
{
    LockNode *l = node_new_exec(x, p, sizeof(*l), lock_rows_next);
    const List *marks = ((const LockRowsPlan *)p)->marks;

    l->n.rescan = lock_rows_rescan;
    l->n.close = lock_rows_close;
    l->n.left = node_create(x, p->left);
    l->epq = epq_create(x, p->left);
    l->nmarks = list_count(marks);
    l->marks = ARENA_ARRAY(x->arena, const PlanRowMark *, l->nmarks + 1);
    for (int i = 0; i < l->nmarks; i++)
        l->marks[i] = list_at(marks, i);
    l->rows = ARENA_ARRAY(x->arena, EpqRow, l->nmarks + 1);
    l->ncols = list_count(p->left->targets);
    l->n.out.ncols = l->ncols;
    l->n.out.cols = ARENA_ARRAY(x->arena, Vec, l->ncols + 1);
    l->own = ARENA_ARRAY(x->arena, Vec, l->ncols + 1);
    for (int c = 0; c < l->ncols; c++)
        env_vec(&l->n.env, &l->own[c]);
    l->kept = env_rows(&l->n.env);
    return &l->n;
}
