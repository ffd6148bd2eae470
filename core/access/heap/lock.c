/*
 * Row locks: SELECT ... FOR UPDATE and its weaker kin, and the locks of foreign key checks.
 *
 * A key-share lock may be taken on a version that a no-key update has superseded or is superseding.
 * The versions after it are then locked as well, so that a later change of the key there meets the
 * lock.
 */
#include "core/access/heap/heap_internal.h"

/*
 * Locks the versions from tid on. prior: xmax of the version before, whose xmin the next must have.
 * TM_OK; TM_UPDATED or TM_DELETED: a committed change there conflicts.
 */
static TmResult
lock_updated_chain(HeapRel *rel, ItemPtr tid, Xid prior, RowLockMode mode)
{
    for (;;) {
        Buf b = rbuf_read(rel->locator, FORK_MAIN, tid.block);
        TmResult r = TM_OK;
        Xid upd;
        char *t;

        buf_lock(b, LW_EXCLUSIVE);
        t = page_tuple(buf_page(b), tid.off, NULL);
        if (!t || tuple_xmin(t) != prior || xid_status(prior, NULL) == XS_STATUS_ABORTED) {
            rbuf_release(b);
            return TM_OK; /* the chain ends: that update came to nothing */
        }
        for (;;) { /* wait for what conflicts; an uncommitted insertion by the updater is no
                      obstacle */
            Xid *xids;
            int n = xmax_blockers(t, mode, txn_arena(), &xids);

            if (n <= 0)
                break; /* a change committed just now is judged below */
            buf_unlock(b);
            for (int i = 0; i < n; i++)
                xid_wait(xids[i]);
            buf_lock(b, LW_EXCLUSIVE);
        }
        upd = tuple_update_xid(t);
        if (upd != XID_INVALID && xid_status(upd, NULL) == XS_STATUS_ABORTED)
            upd = XID_INVALID;
        if (upd != XID_INVALID && !xid_is_current(upd) && xid_committed_now(upd) &&
            row_modes_conflict(mode, tuple_flags(t) & HEAP_KEYS_UPDATED ? ROW_EXCLUSIVE
                                                                        : ROW_NO_KEY_EXCLUSIVE))
            r = tuple_ctid_is(t, tid) ? TM_DELETED : TM_UPDATED;
        if (r == TM_OK && !xmax_own_lock(t, mode))
            tuple_write_lock(rel, b, t, tid.off, xmax_combine(t, txn_xid(), mode, false));
        prior = upd;
        if (r != TM_OK || upd == XID_INVALID || tuple_ctid_is(t, tid)) {
            rbuf_release(b);
            return r;
        }
        tid = tuple_ctid(t);
        rbuf_release(b);
    }
}

/* The update that has superseded t, if it was (or may still be) successful. */
static Xid
live_updater(const char *t)
{
    Xid upd = tuple_update_xid(t);

    if (upd == XID_INVALID || xid_is_current(upd) || xid_status(upd, NULL) == XS_STATUS_ABORTED)
        return XID_INVALID;
    return upd;
}

TmResult
heap_lock(HeapRel *rel, ItemPtr tid, RowLockMode mode, CommandId cid, const Snapshot *s,
          WaitPolicy policy, bool follow_updates, TmFailure *fail)
{
    CountIo io = count_io_begin();
    Buf b = rbuf_read(rel->locator, FORK_MAIN, tid.block);
    bool have_lock = false;
    Xid followed = XID_INVALID;
    TmResult r;
    char *t;

    buf_lock(b, LW_EXCLUSIVE);
    t = page_tuple(buf_page(b), tid.off, NULL);
    if (!t) {
        rbuf_release(b);
        if (fail)
            *fail = (TmFailure){.ctid = tid};
        return TM_DELETED;
    }
    for (;;) {
        Xid upd;

        r = tuple_update_state(t, tid, cid);
        if (r == TM_BEING_MODIFIED && xmax_own_lock(t, mode)) {
            r = TM_OK; /* we hold it, or better, already */
            rbuf_release(b);
            goto out;
        }
        if (r == TM_BEING_MODIFIED)
            r = tuple_wait_ready(rel, b, t, tid, cid, mode, policy, &have_lock);
        /* The key stands: a key-share lock goes with the committed update. */
        if (r == TM_UPDATED && mode == ROW_KEY_SHARE && !(tuple_flags(t) & HEAP_KEYS_UPDATED))
            r = TM_OK;
        if (r != TM_OK || !follow_updates)
            break;
        upd = live_updater(t);
        if (upd == XID_INVALID || upd == followed)
            break;
        followed = upd;
        if (!tuple_ctid_is(t, tid)) {
            ItemPtr next = tuple_ctid(t);

            buf_unlock(b);
            r = lock_updated_chain(rel, next, upd, mode);
            buf_lock(b, LW_EXCLUSIVE);
            if (r != TM_OK)
                break;
        }
    }
    if (r == TM_OK) {
        Xid xid = txn_xid();

        tuple_write_lock(rel, b, t, tid.off, xmax_combine(t, xid, mode, false));
    } else {
        tuple_fail_info(t, r, fail);
    }
    rbuf_release(b);
out:
    tuple_lock_release(rel, tid, mode, &have_lock);
    count_io_end(count_heap(rel), io);
    return r;
}
