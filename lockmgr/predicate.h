/*
 * Predicate (SIREAD) locks and the conflict graph of serializable transactions: serializable snapshot
 * isolation over snapshots that are log positions. Layout, rules and the argument: README.md.
 *
 * Sources: Cahill, Röhm, Fekete, "Serializable Isolation for Snapshot Databases" (SIGMOD 2008); Ports,
 * Grittner, "Serializable Snapshot Isolation in PostgreSQL" (VLDB 2012).
 *
 * core/txn drives the life of a transaction (pred_begin .. pred_committed, pred_abort) and says whom
 * a reader could not see; core/access says what is read and written. All but pred_page_split and
 * pred_relation_* are called only while pred_tracking is set.
 */
#ifndef LOCKMGR_PREDICATE_H
#define LOCKMGR_PREDICATE_H

#include "lockmgr/lockmgr.h"

/* This process's transaction is serializable, and what it reads and writes must be recorded. */
extern bool pred_tracking;
extern int max_pred_locks_per_transaction, max_pred_locks_per_relation, max_pred_locks_per_page;

void pred_settings_register(void); /* idempotent; pred_shm_register calls it */
void pred_shm_register(void);      /* lock_shm_register calls it */

/* ---- the life of a serializable transaction ---- */

/*
 * Registers the transaction and sets pred_tracking. take() returns the LSN of its new snapshot; it is called
 * with the graph locked, so that no transaction the snapshot does not see is forgotten in between. It must
 * not raise or wait. Not tracked (false) is what is read only and cannot take part in an anomaly: plain
 * snapshot isolation is enough for it. The snapshot of a read-only transaction must be where snapshots are
 * taken now, not beyond.
 */
bool pred_begin(bool read_only, Lsn (*take)(void));
/* Read only deferrable: sleeps until it is known whether the snapshot is safe. True: it is, and the transaction
 * is not tracked any more. False: pred_abort, then begin again. Raises for interrupts. */
bool pred_wait_safe(void);
/* The transaction's id, before it stands on any tuple. */
void pred_set_xid(Xid xid);
/* The last thing before the commit record that may raise (40001). log_end: of what has been reserved in
 * the log by now; asked with the graph locked. last_sub: the highest id of a subtransaction, 0 none. */
void pred_commit_check(Lsn (*log_end)(void), Xid last_sub);
/* Its csn is published, or it had no id (0). Never raises. visible: where snapshots are taken now; they never go
 * back. This and the next two do nothing if the transaction is not registered. */
void pred_committed(Lsn csn, Lsn visible);
void pred_abort(Lsn visible);   /* never raises */
/* Forgets what no present or future snapshot can be concurrent with. */
void pred_cleanup(Lsn visible);

/* ---- reading ---- */

static inline bool pred_tracks_relation(Oid rel) { return rel >= OID_FIRST_USER; } /* catalogs are not serializable */
/* The caller has the page locked that it reads (share is enough), or is yet to ask for the relation's
 * size: then the writer's look at these locks and the reader's at the row cannot miss each other. */
void pred_lock_relation(Oid db, Oid rel);
void pred_lock_page(Oid db, Oid rel, BlockNo block);
void pred_lock_tuple(Oid db, Oid rel, BlockNo block, OffsetNo off);
/* The reader met the work of xid (a top transaction; csn its commit's LSN, 0 not committed), which its snapshot
 * does not see. Of a committed subtransaction csn is enough. Raises 40001. */
void pred_conflict_out(Xid xid, Lsn csn);

/* ---- writing ---- */

/*
 * The transaction is about to write: a row that exists (block, off), an index entry on a page (block, 0), a new
 * row (BLOCK_INVALID, 0). The page is locked exclusively from before the call until the change stands on
 * it. Raises 40001.
 */
void pred_check_write(Oid db, Oid rel, BlockNo block, OffsetNo off);
/* All rows go at once (DROP, TRUNCATE): conflicts with whoever has read any. */
void pred_check_drop(Oid db, Oid rel);

/* ---- what moves under the locks; by any transaction ---- */

extern _Atomic uint32_t *pred_users; /* registered and remembered transactions */
void pred_page_split_slow(Oid db, Oid rel, BlockNo from, BlockNo to);
/* Keys of page `from` come to stand on `to`: a split, or an emptied page's range taken over. `from` is locked
 * exclusively. Never raises. */
static inline void
pred_page_split(Oid db, Oid rel, BlockNo from, BlockNo to)
{
    /* relaxed: who has read the page did so under its lock, before we took it */
    if (UNLIKELY(atomic_load_explicit(pred_users, memory_order_relaxed) != 0) && pred_tracks_relation(rel))
        pred_page_split_slow(db, rel, from, to);
}
/* Addresses in rel lose their meaning (rewritten, index dropped or rebuilt): all locks on it become locks on the
 * whole of heap. Called with rel locked ACCESS EXCLUSIVE. */
void pred_relation_moved(Oid db, Oid rel, Oid heap);

/* ---- observers ---- */

typedef struct PredLockView {
    Oid db, rel;
    BlockNo block;    /* BLOCK_INVALID: the relation */
    OffsetNo off;     /* 0: the page */
    uint32_t pid;     /* 0: of transactions that were summarised */
    uint32_t slot;
    uint64_t local_xact;
} PredLockView;
int pred_lock_snapshot(Arena *a, PredLockView **out);
void pred_dump(void); /* to the log */

#endif
