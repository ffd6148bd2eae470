/*
 * Transactions: ids, status, snapshots, the life of a transaction and its subtransactions, resource
 * owners, serializable isolation, two-phase commit.
 *
 * One order, the log's: a transaction's commit sequence number (CSN) is the end LSN of its commit
 * record. A snapshot is one LSN, the durable end of the log when it is taken (or beyond it where an
 * asynchronous commit has moved the visible end). xid is visible to snapshot s iff csn(xid) <= s.lsn.
 *
 * The ring (SHM_CONTROL): one 64-bit word per recent xid:
 *   XS_IN_PROGRESS | XS_COMMITTING | XS_ABORTED | XS_SUB(parent xid) | csn
 * Rule 1: a committer sets COMMITTING before it reserves its commit record, and the csn after the
 *   record is copied. Whoever meets COMMITTING spins until it is resolved (never across a flush).
 * Rule 2: a subtransaction's word names its parent until the top transaction is decided, so that the
 *   one store to the top's word publishes all.
 * Rule 3: words leave the ring only when their xid is older than every snapshot's xmin; older xids ask
 *   the commit log (2 bits an xid, pg_xact/); words some snapshot still needs are spilled to pg_csn/.
 * Rule 4: locks are released after the csn is published and before the flush; an acknowledged commit
 *   has been flushed. What an undurable commit would reveal in an error text is flushed first.
 */
#ifndef CORE_TXN_TXN_H
#define CORE_TXN_TXN_H

#include "bufmgr/bufmgr.h"
#include "walmgr/walmgr.h"

void txn_shm_register(void);
void txn_settings_register(void); /* default_transaction_isolation, _read_only, _deferrable, transaction_*, max_prepared_transactions ... */
void txn_register_redo(void);     /* RMGR_TXN, RMGR_CLOG, RMGR_MULTIXACT, checkpoint steps and fill */
void txn_process_init(void);
void txn_startup(void);           /* startup process, after wal_startup: takes over the counters if redo has not */
void txn_bootstrap_files(void);   /* initdb: pg_xact, pg_multixact ... */

/* ---- status of any transaction id ---- */
typedef enum XidStatus { XS_STATUS_IN_PROGRESS, XS_STATUS_COMMITTED, XS_STATUS_ABORTED } XidStatus;
XidStatus xid_status(Xid xid, Lsn *csn_out /* may be NULL; 0 = older than every snapshot */);
static inline bool xid_is_normal(Xid x) { return x >= XID_FIRST_NORMAL; }
extern Xid txn_own_floor;             /* ids below are surely not own; UINT64_MAX: none assigned */
bool xid_is_current_slow(Xid xid);
/* This transaction or one of its live subtransactions. */
static inline bool xid_is_current(Xid xid) { return xid >= txn_own_floor && xid_is_current_slow(xid); }
/* Has it committed, as of now (not of a snapshot)? Whoever builds on the answer comes after that
 * commit: the current transaction's later snapshots see it and its end waits for it (rule 6). */
bool xid_committed_now(Xid xid);
/* The answer may be kept on a page: the transaction is over, and if it committed, durably so. */
bool xid_hint_allowed(Xid xid, bool committed);
/* Returns when the commit of xid (if it has committed) is durable: before telling a client about it. */
void xid_make_durable(Xid xid);
Xid xid_next(void);                   /* the next id that would be given out */
/* Waits until xid has ended (heavyweight lock on it; deadlock detection applies). Raises. */
void xid_wait(Xid xid);
bool xid_wait_try(Xid xid);           /* false: still running */

/* ---- snapshots ---- */
typedef enum SnapshotKind {
    SNAPSHOT_MVCC,
    SNAPSHOT_SELF,   /* everything committed, and own changes */
    SNAPSHOT_ANY,    /* all tuples */
    SNAPSHOT_DIRTY,  /* SELF plus in-progress; in_progress_* tell who */
    SNAPSHOT_TOAST
} SnapshotKind;
typedef struct Snapshot {
    SnapshotKind kind;
    Lsn lsn;
    CommandId command;      /* own changes of commands < this are visible */
    Xid decided_xid;        /* every id below is decided and, if it committed, is seen (fast test) */
    Xid in_progress_xmin, in_progress_xmax; /* set by a DIRTY test */
    int registrations;
    bool serializable;      /* whoever uses it for reading tells the conflict graph (serial_conflict_out, pred_lock_*) */
} Snapshot;
bool xid_in_snapshot(Xid xid, const Snapshot *s); /* true: committed as of s (own transaction excluded) */
/* All a visibility test can learn from one look at xid, which is not the current transaction's. */
#define XID_LOOK_VISIBLE 1u      /* committed as of s; stable for one s->lsn */
#define XID_LOOK_HINT_COMMITTED 2u /* durably committed: may be noted on the page */
#define XID_LOOK_ABORTED 4u      /* may be noted on the page */
unsigned xid_look(Xid xid, const Snapshot *s);
/* The same for an id that a hint bit says committed: mostly one comparison. */
bool xid_csn_in_snapshot(Xid xid, const Snapshot *s);
static inline bool xid_hinted_in_snapshot(Xid xid, const Snapshot *s) { return xid < s->decided_xid || xid_csn_in_snapshot(xid, s); }
/* Called of a serializable snapshot when it does not see what xid wrote or deleted. Raises 40001. */
void serial_conflict_out(Xid xid);
const Snapshot *snapshot_latest(void);     /* fresh: for catalogs and constraints; registered until released with the statement */
const Snapshot *snapshot_for_statement(void); /* by isolation level: fresh, or the transaction's */
/* Registered snapshots hold back the vacuum horizon until unregistered (resource owner releases on error). */
Snapshot *snapshot_register(const Snapshot *s);
void snapshot_unregister(Snapshot *s);
Snapshot *snapshot_active(void);
void snapshot_push_active(const Snapshot *s); /* copies */
void snapshot_pop_active(void);
void snapshot_update_active_command(void);
/* Deleters with csn <= this, and ids below the xid part, are over for everybody. */
Lsn horizon_lsn(bool shared_relation);
Lsn horizon_lsn_cached(void);  /* a little old, nearly free: pruning in passing */
/* The newest xid such that all below are decided and seen the same by every snapshot: freeze limit. */
Xid horizon_xid(void);

/* How far back (truncate.c, README rule 13): ids below are frozen everywhere. */
Xid xid_oldest(void);
MultiId multi_oldest(void);
MultiId multi_next(void);
MultiId multi_safe_bound(void);       /* below it no multixact is put on a tuple any more */
void txn_raise_oldest(Xid xid, MultiId multi); /* logged and flushed; never lowers */
/* pg_class.relfrozenxid and its kin: 32 bits, relative to the oldest. */
uint32_t xid_to_catalog(Xid xid);
Xid xid_from_catalog(uint32_t low);
uint32_t multi_to_catalog(MultiId id);
MultiId multi_from_catalog(uint32_t low);

/* ---- the current transaction ---- */
typedef enum TxnIsolation { ISO_READ_UNCOMMITTED, ISO_READ_COMMITTED, ISO_REPEATABLE_READ, ISO_SERIALIZABLE } TxnIsolation;
extern int txn_isolation;        /* of the current transaction */
extern bool txn_read_only, txn_deferrable;
extern int default_txn_isolation;
extern bool default_txn_read_only;
Xid txn_xid(void);               /* of the current (sub)transaction; assigned on first call */
Xid txn_top_xid(void);
Xid txn_xid_if_assigned(void);   /* of the current subtransaction, or 0 */
Xid txn_top_xid_if_assigned(void);
CommandId txn_command(bool mark_used);
void txn_command_increment(void); /* makes own changes visible to the next command */
/* Command ids of a row that one transaction both inserted and changed: a combo id stands for the pair. */
CommandId combo_make(CommandId cmin, CommandId cmax);
CommandId combo_cmin(CommandId combo);
CommandId combo_cmax(CommandId combo);
int txn_nesting(void);           /* 0 outside, 1 top, 2.. subtransactions */
int txn_sub_id(void);            /* unique number of the current (sub)transaction, 1 = top */
bool txn_in_progress(void);
TimestampTz txn_start_time(void);
Arena *txn_arena(void);          /* freed at the end of the top transaction */
Arena *txn_current_arena(void);  /* freed at the end of the current subtransaction */

/* Low level: one transaction and its subtransactions. The session's block state machine (BEGIN, implicit
 * blocks, aborted state) stands in core/session/xact_block.c on top of this. */
void txn_begin(void);
void txn_commit(void);           /* raises before the commit record, never after */
void txn_abort(void);            /* never raises; frees everything; safe in any half-way state */
/* Something outside the engine's files was promised: the commit must be flushed before locks go. */
void txn_force_sync_commit(void);
void txn_begin_sub(void);
void txn_commit_sub(void);
void txn_abort_sub(void);
/* Two-phase. */
void txn_prepare(const char *gid);
void txn_finish_prepared(const char *gid, bool commit);

typedef enum TxnEvent { TXN_PRE_COMMIT, TXN_COMMIT, TXN_ABORT, TXN_PRE_PREPARE, TXN_PREPARE, TXN_SUB_START, TXN_SUB_COMMIT, TXN_SUB_ABORT } TxnEvent;
typedef void (*TxnCallback)(TxnEvent event, int nesting);
/* Higher layers: catalog invalidation, pending file removal, constraints, settings, portals, sequences.
 * PRE_COMMIT may raise; the others may not. Called in order of registration. */
void txn_on_event(TxnCallback fn);
/* Bytes that go into the commit (and abort) record and reach redo: invalidations, files to unlink. */
typedef void (*TxnRecordFill)(bool commit, StrBuf *out);
typedef void (*TxnRecordRedo)(Xid xid, bool commit, const char *bytes, size_t n);
void txn_register_record_part(TxnRecordFill fill, TxnRecordRedo redo);

/* Relation files created or to be removed with the end of the transaction (storage.c). */
void storage_create(RelLocator r, bool logged);       /* removed if the transaction aborts; WAL logged */
void storage_drop(RelLocator r);                      /* removed at commit */
bool storage_is_new(RelLocator r);                    /* created by the current subtransaction */
void storage_truncate(RelLocator r, BlockNo blocks);  /* immediate, WAL logged; vacuum */

/* ---- oids ---- */
Oid oid_next(void);              /* raw counter; the catalog checks uniqueness */

/* ---- multixacts: several lockers (and at most one updater) of one row ---- */
typedef enum MultiStatus { MULTI_KEY_SHARE, MULTI_SHARE, MULTI_NO_KEY_UPDATE_LOCK, MULTI_UPDATE_LOCK, MULTI_NO_KEY_UPDATE, MULTI_UPDATE } MultiStatus;
typedef struct MultiMember { Xid xid; MultiStatus status; } MultiMember;
MultiId multi_create(const MultiMember *members, int n);
int multi_members(MultiId id, Arena *a, MultiMember **out);

/* ---- resource owners: what an error must give back ---- */
typedef struct ResOwner ResOwner;
extern ResOwner *res_current;
ResOwner *res_create(ResOwner *parent, const char *name);
void res_release(ResOwner *o, bool commit); /* children first; warns about leaks on commit */
void res_destroy(ResOwner *o);
void res_hand_over(ResOwner *from, ResOwner *to); /* all of it, children too */
/* Anything else: fn(arg) runs on release unless forgotten before. */
void res_remember(ResOwner *o, void (*fn)(void *arg), void *arg);
void res_forget(ResOwner *o, void (*fn)(void *arg), void *arg);
/* Buffers with an owner: raise on error. Pins taken through these belong to res_current. */
Buf rbuf_read(RelLocator r, ForkNo f, BlockNo b);
Buf rbuf_read_mode(RelLocator r, ForkNo f, BlockNo b, BufMode mode, BufRing *ring);
Buf rbuf_read_hint(RelLocator r, ForkNo f, BlockNo b, Buf hint);
Buf rbuf_read_shared(RelLocator r, ForkNo f, BlockNo b, Buf hint); /* and locked shared: one atomic operation */
Buf rbuf_read_shared_ring(RelLocator r, ForkNo f, BlockNo b, BufRing *ring);
Buf rbuf_extend(RelLocator r, ForkNo f, BufRing *ring, int n, BlockNo *first);
BlockNo rbuf_blocks(RelLocator r, ForkNo f);
void rbuf_pin_again(Buf b);
void rbuf_unpin(Buf b);
void rbuf_release(Buf b); /* unlocks and unpins */

/* For redo: the page of reference `ref`, exclusively locked; *out BUF_INVALID with REDO_NOTFOUND. */
typedef enum RedoAction { REDO_NEEDED, REDO_DONE, REDO_RESTORED, REDO_NOTFOUND } RedoAction;
RedoAction redo_read(const WalRecord *r, int ref, Buf *out);
RedoAction redo_read_init(const WalRecord *r, int ref, Buf *out); /* WILL_INIT references: zeroed */

#endif
