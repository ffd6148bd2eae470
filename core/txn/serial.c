/*
 * Serializable transactions: the snapshot that registers them with lockmgr's conflict graph, and the
 * question which transaction a version's id belongs to. Rules: README.md, "Serializable".
 */
#include "core/txn/txn_internal.h"
#include "lockmgr/predicate.h"

static Snapshot *taking;

static Lsn
take_for_graph(void)
{
    snapshot_take(taking);
    return taking->lsn;
}

/*
 * The snapshot of a serializable transaction. One that is read only must not see further than others do
 * (pred_begin): what it depends on is made durable first.
 */
void
serial_take_snapshot(Snapshot *s)
{
    bool tracked;

    for (;;) {
        if (txn_read_only) {
            snapshot_note_strong_locks();
            if (txn_state.depends > visible_end())
                wal_flush_to(txn_state.depends);
        }
        taking = s;
        tracked = pred_begin(txn_read_only, take_for_graph);
        if (!tracked || !txn_read_only || !txn_deferrable || pred_wait_safe())
            break;
        pred_abort(visible_end());
        snapshot_discard();
    }
    s->serializable = pred_tracking;
    if (txn_state.top.xid != XID_INVALID)
        pred_set_xid(txn_state.top.xid);
}

/*
 * A snapshot of ours does not see what xid wrote. While the writer is in progress its top transaction's id
 * is known; of one that has committed the csn serves, which lockmgr learns before a subtransaction's word
 * shows it (txn_write_commit_record).
 */
void
serial_conflict_out(Xid xid)
{
    uint64_t w;
    Lsn csn = 0;

    if (!pred_tracking || !xid_is_normal(xid))
        return;
    w = csn_read(xid);
    if (CSN_GET_TAG(w) == CSN_TAG_SUB) {
        xid = CSN_PAYLOAD(w);
        w = csn_read(xid);
    }
    if (CSN_GET_TAG(w) == CSN_TAG_ABORTED)
        return;
    if (CSN_GET_TAG(w) == CSN_TAG_CSN)
        csn = CSN_PAYLOAD(w);
    pred_conflict_out(xid, csn);
}
