/*
 * Updating and deleting one row, with what READ COMMITTED does when another transaction got there first:
 * wait for it, lock the newest version, evaluate the plan again for that version, and go on with what
 * comes out. REPEATABLE READ raises 40001 instead.
 */
#include "core/sql/exec/modify.h"

void
raise_concurrent(bool deleted)
{
    RAISE(SQLSTATE_T_R_SERIALIZATION_FAILURE, "could not serialize access due to concurrent %s",
          deleted ? "delete" : "update");
}

static NORETURN void
raise_self_modified(const char *what)
{
    RAISE_ERR(
        SQLSTATE_TRIGGERED_DATA_CHANGE_VIOLATION,
        err_message(
            "tuple to be %s was already modified by an operation triggered by the current command",
            what),
        err_hint("Consider using an AFTER trigger instead of a BEFORE trigger to propagate changes "
                 "to other rows."));
}

bool
lock_newest(HeapRel *heap, ItemPtr *tid, RowLockMode mode, CommandId cid, const Snapshot *s,
            WaitPolicy policy, bool *would_block)
{
    for (;;) {
        TmFailure f;
        TmResult r = heap_lock(heap, *tid, mode, cid, s, policy, true, &f);
        switch (r) {
        case TM_OK:
            return true;
        case TM_UPDATED:
            if (item_ptr_equal(f.ctid, *tid))
                return false;
            *tid = f.ctid;
            break;
        case TM_WOULD_BLOCK:
            if (would_block)
                *would_block = true;
            return false;
        default:
            return false; /* deleted, or changed by this very command */
        }
    }
}

bool
datum_same(const AttrPhys *p, Datum a, bool anull, Datum b, bool bnull)
{
    if (anull || bnull)
        return anull == bnull;
    if (p->byval)
        return a == b;
    if (p->kind != PHYS_VAR)
        return memcmp(datum_ptr(a), datum_ptr(b), (size_t)p->len) == 0;
    const char *x = datum_ptr(a), *y = datum_ptr(b);
    if (x == y)
        return true;
    if (var_is_external(x) || var_is_external(y))
        return var_is_external(x) && var_is_external(y) && memcmp(x, y, TOAST_POINTER_BYTES) == 0;
    if (var_is_compressed(x) || var_is_compressed(y))
        return var_size(x) == var_size(y) && memcmp(x, y, var_size(x)) == 0;
    return var_equal(a, b);
}

static inline bool
bit_set(const uint64_t *bits, int attnum)
{
    return bits && (bits[attnum >> 6] >> (attnum & 63) & 1);
}

/* Which of the changed columns matter to indexes. */
static void
changed_columns(ModifyNode *m, bool *key_changed, bool *index_changed)
{
    const RelDesc *rel = m->rel;
    const TupleLayout *l = rel->heap.layout;

    *key_changed = *index_changed = false;
    for (int pass = 0; pass < 2; pass++) {
        int n = pass == 0 ? m->nset : m->checks->ngenerated;
        for (int i = 0; i < n; i++) {
            int c = pass == 0 ? m->set_atts[i] : m->checks->generated_cols[i];
            bool key = bit_set(rel->key_columns, c + 1),
                 indexed = bit_set(rel->indexed_columns, c + 1);
            if ((!key || *key_changed) && (!indexed || *index_changed))
                continue;
            if (datum_same(&l->atts[c], m->old_values[c], m->old_nulls[c], m->values[c],
                           m->nulls[c]))
                continue;
            *key_changed |= key;
            *index_changed |= indexed;
        }
    }
}

static bool
is_update(const ModifyNode *m)
{
    return m->nset > 0;
}

/* The row's newest version after a failure; evaluates the plan for it. False: the row is out. */
static bool
recheck(ModifyNode *m, TmResult r, const TmFailure *f, RowLockMode mode, ItemPtr *tid,
        const Batch **src, int *row)
{
    if (txn_isolation >= ISO_REPEATABLE_READ)
        raise_concurrent(r == TM_DELETED);
    if (r == TM_DELETED)
        return false;
    *tid = f->ctid;
    if (!lock_newest(&m->rel->heap, tid, mode, m->cid, exec_snapshot(m->n.x), WAIT_BLOCK, NULL))
        return false;
    if (m->still)
        return m->still(m, *tid, m->still_arg);
    EpqRow er = {m->p->rel, *tid};
    const Batch *b = epq_run(m->epq, &er, 1);
    if (b == NULL)
        return false;
    *src = b;
    *row = batch_row(b, 0);
    if (is_update(m))
        for (int i = 0; i < m->nset; i++) {
            m->set_nulls[i] = vec_null(&b->cols[i], *row);
            m->set_values[i] = m->set_nulls[i] ? 0 : vec_get(&b->cols[i], *row);
        }
    return true;
}

static const Snapshot any_version = {.kind = SNAPSHOT_ANY};

bool
modify_update_row(ModifyNode *m, ItemPtr tid, const Batch **src, int *row, int ret_row, bool locked)
{
    HeapRel *heap = &m->rel->heap;
    const TupleLayout *l = heap->layout;

    for (;;) {
        Buf buf;
        Tuple old;
        TmFailure f;
        ItemPtr new_tid;
        bool key_changed, index_changed, hot;

        if (!heap_fetch_version(heap, tid, &any_version, &buf, &old))
            return false; /* vacuumed away: it was deleted */
        tuple_deform(l, old.bytes, old.size, m->old_values, m->old_nulls, m->natts);
        memcpy(m->values, m->old_values, sizeof(Datum) * (size_t)m->natts);
        memcpy(m->nulls, m->old_nulls, (size_t)m->natts);
        for (int i = 0; i < m->nset; i++) {
            m->values[m->set_atts[i]] = m->set_values[i];
            m->nulls[m->set_atts[i]] = m->set_nulls[i];
        }
        bool stored = (tuple_flags(old.bytes) & (HEAP_HAS_EXTERNAL | HEAP_HAS_COMPRESSED)) != 0;
        const Datum *plain =
            stored ? values_plain(m->row_arena, l, m->values, m->nulls, m->plain_buffer)
                   : m->values;
        if (m->checks->ngenerated > 0) {
            if (plain == m->values) {
                memcpy(m->plain_buffer, m->values, sizeof(Datum) * (size_t)m->natts);
                plain = m->plain_buffer;
            }
            checks_generated(m->checks, m->row_arena, m->plain_buffer, m->nulls);
            for (int i = 0; i < m->checks->ngenerated; i++)
                m->values[m->checks->generated_cols[i]] =
                    m->plain_buffer[m->checks->generated_cols[i]];
        }
        checks_row(m->checks, plain, m->nulls);
        changed_columns(m, &key_changed, &index_changed);
        TmResult r = heap_update(heap, tid, m->values, m->nulls, m->cid, exec_snapshot(m->n.x),
                                 true, key_changed, index_changed, &new_tid, &hot, &f);
        if (LIKELY(r == TM_OK)) {
            if (!hot)
                (void)checks_index_insert(m->checks, plain, m->nulls, new_tid, NULL);
            if (m->rel->nfks + m->rel->nrefs > 0) {
                const Datum *old_plain = stored ? values_plain(m->row_arena, l, m->old_values,
                                                               m->old_nulls, m->old_plain_buffer)
                                                : m->old_values;
                fk_after_update(m->rel, tid, new_tid, old_plain, m->old_nulls, plain, m->nulls);
            }
            if (m->returning)
                modify_return(m, ret_row, plain, m->nulls, new_tid);
            rbuf_unpin(buf);
            arena_reset(m->checks->row_arena);
            return true;
        }
        rbuf_unpin(buf);
        if (r == TM_SELF_MODIFIED) {
            if (f.cmax != m->cid)
                raise_self_modified("updated");
            return false;
        }
        if (locked)
            INTERNAL_ERROR("a locked row was changed by another transaction");
        if (!recheck(m, r, &f, key_changed ? ROW_EXCLUSIVE : ROW_NO_KEY_EXCLUSIVE, &tid, src, row))
            return false;
    }
}

bool
modify_delete_row(ModifyNode *m, ItemPtr tid, const Batch **src, int *row, int ret_row)
{
    HeapRel *heap = &m->rel->heap;
    const TupleLayout *l = heap->layout;
    bool want_row = m->returning || fk_wants_delete(m->rel);

    for (;;) {
        Buf buf = BUF_INVALID;
        Tuple old;
        TmFailure f;

        if (want_row && !heap_fetch_version(heap, tid, &any_version, &buf, &old))
            return false;
        const Datum *plain = NULL;
        if (want_row) {
            tuple_deform(l, old.bytes, old.size, m->old_values, m->old_nulls, m->natts);
            /* out-of-line values go with the row: fetch them first */
            plain = values_plain(m->row_arena, l, m->old_values, m->old_nulls, m->old_plain_buffer);
        }
        TmResult r = heap_delete(heap, tid, m->cid, exec_snapshot(m->n.x), true, &f);
        if (LIKELY(r == TM_OK)) {
            if (want_row) {
                fk_after_delete(m->rel, tid, plain, m->old_nulls);
                if (m->returning)
                    modify_return(m, ret_row, plain, m->old_nulls, tid);
                rbuf_unpin(buf);
            }
            return true;
        }
        if (buf != BUF_INVALID)
            rbuf_unpin(buf);
        if (r == TM_SELF_MODIFIED) {
            if (f.cmax != m->cid)
                raise_self_modified("deleted");
            return false;
        }
        if (!recheck(m, r, &f, ROW_EXCLUSIVE, &tid, src, row))
            return false;
    }
}
