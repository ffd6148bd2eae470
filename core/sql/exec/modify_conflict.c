/*
 * INSERT ... ON CONFLICT. A row is inserted only after its keys were looked up in the arbiter indexes;
 * if another transaction enters the same key between the look-up and our own entry, the insertion is
 * taken back and all begins again, now with the other's row in view.
 */
#include "core/sql/exec/modify.h"

void
modify_conflict_init(ModifyNode *m)
{
    Exec *x = m->n.x;
    const OnConflict *oc = m->p->on_conflict;
    Arbiters *c = ARENA_NEW(x->arena, Arbiters);

    m->conflict = c;
    c->action = oc->action;
    if (list_count(oc->arbiter_indexes) > 0) {
        c->oids = ints_new(x->arena);
        for (int i = 0; i < oc->arbiter_indexes->count; i++)
            ints_push(c->oids,
                      (int64_t)datum_oid(((const Const *)list_at(oc->arbiter_indexes, i))->value));
    }
    c->is_arbiter = ARENA_ARRAY(x->arena, bool, MAX(m->rel->nindexes, 1) + 64);
    if (c->action != CONFLICT_UPDATE)
        return;
    c->env = m->n.env;
    c->env.lanes = FEW_LANES;
    c->env.arena = arena_create(x->arena, "conflicting row");
    c->existing = batch_new(x->arena, m->natts + RET_SYSTEM);
    c->excluded = batch_new(x->arena, m->natts);
    c->env.in[ENV_SCAN] = c->existing;
    c->env.in[ENV_INNER] = c->excluded;
    c->env.system_base = m->natts;
    c->env.rel = m->rel;
    c->where = oc->where ? expr_compile(&c->env, oc->where) : NULL;
    c->nset = list_count(oc->set);
    c->set = ARENA_ARRAY(x->arena, Prim *, c->nset + 1);
    c->set_atts = ARENA_ARRAY(x->arena, int, c->nset + 1);
    c->lock = ROW_NO_KEY_EXCLUSIVE;
    for (int i = 0; i < c->nset; i++) {
        const TargetEntry *te = list_at(oc->set, i);
        c->set[i] = expr_compile(&c->env, te->expr);
        c->set_atts[i] = te->resno - 1;
        if (m->rel->key_columns && (m->rel->key_columns[te->resno >> 6] >> (te->resno & 63) & 1))
            c->lock = ROW_EXCLUSIVE;
    }
}

void
modify_conflict_start(ModifyNode *m)
{
    Arbiters *c = m->conflict;

    for (int i = 0; i < m->checks->nindexes && i < m->rel->nindexes + 64; i++) {
        const OpenIndex *o = &m->checks->indexes[i];
        c->is_arbiter[i] =
            o->ix->unique && o->ix->ready && (c->oids == NULL || ints_has(c->oids, o->oid));
        if (c->is_arbiter[i] && c->oids && !o->ix->immediate)
            RAISE(SQLSTATE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                  "ON CONFLICT does not support deferrable unique constraints/exclusion "
                  "constraints as arbiters");
    }
}

/* A row with the same key in some arbiter index; waits for transactions that may still undo theirs. */
static bool
find_conflict(ModifyNode *m, ItemPtr *tid)
{
    TableChecks *k = m->checks;

    for (int i = 0; i < k->nindexes; i++) {
        if (!m->conflict->is_arbiter[i])
            continue;
        if (!checks_index_values(k, &k->indexes[i], m->values, m->nulls, k->ixvalues, k->ixnulls))
            continue;
        for (;;) {
            Xid wait = XID_INVALID;
            if (!btree_find_conflict(k->indexes[i].ix->btree, &m->rel->heap, k->ixvalues,
                                     k->ixnulls, (ItemPtr){BLOCK_INVALID, 0}, tid, &wait))
                break;
            if (wait == XID_INVALID)
                return true;
            xid_wait(wait);
            CHECK_INTERRUPTS();
        }
    }
    return false;
}

static NORETURN void
raise_second_time(void)
{
    RAISE_ERR(SQLSTATE_CARDINALITY_VIOLATION,
              err_message("ON CONFLICT DO UPDATE command cannot affect row a second time"),
              err_hint("Ensure that no rows proposed for insertion within the same command have "
                       "duplicate constrained values."));
}

/* REPEATABLE READ: a row the snapshot does not see must not decide anything. */
static void
require_visible(ModifyNode *m, char *tup, Buf buf)
{
    if (txn_isolation < ISO_REPEATABLE_READ)
        return;
    buf_lock(buf, LW_SHARED);
    bool seen = tuple_visible(tup, exec_snapshot(m->n.x), buf) || xid_is_current(tuple_xmin(tup));
    buf_unlock(buf);
    if (!seen)
        raise_concurrent(false);
}

static void
set_row(Batch *b, int natts, const Datum *values, const bool *nulls)
{
    b->n = b->nsel = 1;
    for (int c = 0; c < natts; c++) {
        b->cols[c].has_nulls = false;
        if (nulls[c])
            vec_set_null(&b->cols[c], 0);
        else
            b->cols[c].v[0] = values[c];
    }
}

/* That the row is there, or what it says, decides what we do: a serializable transaction has read it. */
static void
note_read(ModifyNode *m, ItemPtr tid)
{
    const Snapshot *s = exec_snapshot(m->n.x);
    Buf buf;
    Tuple t;

    if (LIKELY(!s->serializable))
        return;
    if (heap_fetch_version(&m->rel->heap, tid, s, &buf, &t))
        rbuf_unpin(buf);
}

/* 1 updated, 0 left alone by WHERE, -1 start over: the row is gone. */
static int
update_existing(ModifyNode *m, ItemPtr tid, int ret_row)
{
    Arbiters *c = m->conflict;
    HeapRel *heap = &m->rel->heap;
    static const Snapshot any = {.kind = SNAPSHOT_ANY};
    Snapshot dirty = {.kind = SNAPSHOT_DIRTY};
    const Batch *src = NULL;
    int row = 0;
    Buf buf;
    Tuple t;
    TmFailure f;

    if (!heap_fetch(heap, tid, &dirty, &buf, &t, NULL))
        return -1;
    tid = t.tid;
    rbuf_unpin(buf);
    switch (heap_lock(heap, tid, c->lock, m->cid, exec_snapshot(m->n.x), WAIT_BLOCK, false, &f)) {
    case TM_OK:
        break;
    case TM_INVISIBLE:
    case TM_SELF_MODIFIED:
        raise_second_time();
    case TM_UPDATED:
    case TM_DELETED:
        if (txn_isolation >= ISO_REPEATABLE_READ)
            raise_concurrent(false);
        return -1;
    default:
        INTERNAL_ERROR("unrecognized result of locking a row");
    }
    if (!heap_fetch_version(heap, tid, &any, &buf, &t))
        return -1;
    require_visible(m, (char *)(uintptr_t)t.bytes, buf);
    note_read(m, tid);
    arena_reset(c->env.arena);
    set_row(c->excluded, m->natts, m->values, m->nulls);
    tuple_deform(heap->layout, t.bytes, t.size, m->old_values, m->old_nulls, m->natts);
    set_row(
        c->existing, m->natts,
        values_plain(c->env.arena, heap->layout, m->old_values, m->old_nulls, m->old_plain_buffer),
        m->old_nulls);
    Vec *sys = c->existing->cols + m->natts;
    Datum system[RET_SYSTEM] = {
        tid_datum(tid.block, tid.off), tuple_xmin(t.bytes), tuple_cid(t.bytes),
        tuple_xmax(t.bytes),           tuple_cid(t.bytes),  m->rel->oid};
    for (int k = 0; k < RET_SYSTEM; k++)
        sys[k].v[0] = system[k];
    bool isnull = false, go = c->where == NULL || (prim_value(c->where, &isnull) && !isnull);
    m->nset = 0;
    for (int i = 0; go && i < c->nset; i++) {
        m->set_atts[i] = c->set_atts[i];
        m->set_values[i] = prim_value(c->set[i], &m->set_nulls[i]);
        m->nset = i + 1;
    }
    int result = 0;
    if (go)
        result = modify_update_row(m, tid, &src, &row, ret_row, true) ? 1 : -1;
    rbuf_unpin(buf);
    return result;
}

int
modify_insert_conflict(ModifyNode *m, int ret_row)
{
    Arbiters *c = m->conflict;
    HeapRel *heap = &m->rel->heap;
    Datum *proposed;
    bool *proposed_nulls;

    checks_generated(m->checks, m->row_arena, m->values, m->nulls);
    checks_row(m->checks, m->values, m->nulls);
    /* Updating the other row takes m->values for its own purposes. */
    proposed = arena_memdup(m->row_arena, m->values, sizeof(Datum) * (size_t)(m->natts + 1));
    proposed_nulls = arena_memdup(m->row_arena, m->nulls, (size_t)m->natts + 1);
    for (int done = -1;;) {
        ItemPtr tid;
        CHECK_INTERRUPTS();
        memcpy(m->values, proposed, sizeof(Datum) * (size_t)m->natts);
        memcpy(m->nulls, proposed_nulls, (size_t)m->natts);
        if (find_conflict(m, &tid)) {
            if (c->action == CONFLICT_NOTHING) {
                Buf buf;
                Tuple t;
                Snapshot dirty = {.kind = SNAPSHOT_DIRTY};
                if (txn_isolation >= ISO_REPEATABLE_READ &&
                    heap_fetch(heap, tid, &dirty, &buf, &t, NULL)) {
                    require_visible(m, (char *)(uintptr_t)t.bytes, buf);
                    note_read(m, t.tid);
                    rbuf_unpin(buf);
                }
                done = 0;
            } else {
                done = update_existing(m, tid, ret_row);
            }
        } else {
            tid = heap_insert(heap, m->values, m->nulls, m->cid, 0);
            if (checks_index_insert(m->checks, m->values, m->nulls, tid, c->is_arbiter)) {
                heap_finish_speculative(heap, tid);
                if (fk_wants_insert(m->rel))
                    fk_after_insert(m->rel, tid, m->values, m->nulls);
                if (m->returning)
                    modify_return(m, ret_row, m->values, m->nulls, tid);
                done = 1;
            } else {
                heap_abort_speculative(heap, tid);
            }
        }
        if (done >= 0) {
            arena_reset(m->row_arena);
            arena_reset(m->checks->row_arena);
            return done;
        }
    }
}
