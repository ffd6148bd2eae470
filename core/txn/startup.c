/*
 * Shared state of the module: its creation, its recovery, its part in checkpoints.
 *
 * The counters come from the last checkpoint and move up with every record that redo sees. A start
 * without redo calls txn_startup, which takes the checkpoint's values as they are.
 */
#include <errno.h>
#include <sys/stat.h>

#include "core/shm/shm.h"
#include "core/txn/txn_internal.h"

TxnShared *txn_shared;
_Atomic uint64_t *csn_ring;
uint64_t csn_ring_mask;

/* ---- shared memory ---- */

static size_t
ring_words(void)
{
    size_t n = 2048;

    while (n < (size_t)csn_ring_words_setting)
        n *= 2;
    return n;
}

static size_t state_size(void) { return sizeof(TxnShared); }
static size_t ring_size(void) { return ring_words() * sizeof(uint64_t); }
static size_t clog_size(void) { return slru_shm_size(&clog_slru); }
static size_t offsets_size(void) { return slru_shm_size(&multi_offsets_slru); }
static size_t members_size(void) { return slru_shm_size(&multi_members_slru); }

static void
state_init(void *base)
{
    txn_shared = base;
    lw_init(&txn_shared->xid_gen, LWT_XID_GEN);
    lw_init(&txn_shared->spill, LWT_COMMIT_LOG);
    lw_init(&txn_shared->oid_gen, LWT_OID_GEN);
    lw_init(&txn_shared->multi_gen, LWT_MULTIXACT);
    lw_init(&txn_shared->clog_sync, LWT_COMMIT_LOG);
    spin_init(&txn_shared->settled_lock);
}

static void
ring_init(void *base)
{
    csn_ring = base;
    csn_ring_mask = ring_words() - 1;
}

static void clog_init(void *base) { slru_shm_init(&clog_slru, base); }
static void offsets_init(void *base) { slru_shm_init(&multi_offsets_slru, base); }
static void members_init(void *base) { slru_shm_init(&multi_members_slru, base); }

void
txn_shm_register(void)
{
    static const ShmRequest requests[] = {
        {"transactions", SHM_CONTROL, state_size, state_init},
        {"commit sequence numbers", SHM_CONTROL, ring_size, ring_init},
        {"commit log", SHM_CONTROL, clog_size, clog_init},
        {"multixact offsets", SHM_CONTROL, offsets_size, offsets_init},
        {"multixact members", SHM_CONTROL, members_size, members_init},
    };

    for (size_t i = 0; i < COUNT_OF(requests); i++)
        shm_register(&requests[i]);
    txn_register_counters();
}

/* A session that ends inside a transaction (FATAL) rolls it back. */
static void
abort_at_exit(void *arg)
{
    if (txn_state.phase == TXN_PHASE_RUNNING && critical_depth == 0)
        txn_abort();
}

void
txn_process_init(void)
{
    proc_on_exit(abort_at_exit, NULL);
    xact_process_init();
    snapshot_process_init();
    wal_set_xid(XID_INVALID);
    if (proc_self) {
        /* relaxed: nothing is held yet */
        atomic_store_explicit(&proc_self->snapshot_lsn, UINT64_MAX, memory_order_relaxed);
        atomic_store_explicit(&proc_self->xid, XID_INVALID, memory_order_relaxed);
        atomic_store_explicit(&proc_self->xmin, XID_INVALID, memory_order_relaxed);
    }
}

void
txn_bootstrap_files(void)
{
    slru_bootstrap("pg_xact");
    slru_bootstrap("pg_multixact");
    slru_bootstrap("pg_multixact/offsets");
    slru_bootstrap("pg_multixact/members");
    slru_bootstrap("pg_csn");
}

/* ---- start ---- */

static void
counters_from(const WalCheckpoint *c)
{
    TxnShared *t = txn_shared;

    /* relaxed: the startup process is alone */
    if (c->next_xid > atomic_load_explicit(&t->next_xid, memory_order_relaxed))
        atomic_store_explicit(&t->next_xid, c->next_xid, memory_order_relaxed);
    t->next_multi = MAX(t->next_multi, MAX(c->next_multi, 1u));
    t->next_member = MAX(t->next_member, MAX(c->next_multi_offset, 1u));
    t->next_oid = c->next_oid;
    truncate_recovered(c);
}

void
txn_redo_saw_xid(Xid xid)
{
    if (xid >= atomic_load_explicit(&txn_shared->next_xid, memory_order_relaxed))
        atomic_store_explicit(&txn_shared->next_xid, xid + 1, memory_order_relaxed);
}

static void
recovery_begin(void)
{
    csn_empty_spill();
    slru_recover(&clog_slru);
    slru_recover(&multi_offsets_slru);
    slru_recover(&multi_members_slru);
    counters_from(&control_file->checkpoint_copy);
}

static void
recovery_end(void)
{
    TxnShared *t = txn_shared;
    Xid next = MAX(atomic_load_explicit(&t->next_xid, memory_order_relaxed), XID_FIRST_NORMAL);

    storage_redo_forget(NULL, 0, XID_INVALID, NULL, 0);
    oid_recovered(t->next_oid);
    csn_recovered(next, next);
    /* release: whoever finds the flag finds the counters */
    atomic_store_explicit(&t->recovered, 1, memory_order_release);
}

void
txn_startup(void)
{
    if (atomic_load_explicit(&txn_shared->recovered, memory_order_acquire))
        return; /* redo has done it */
    recovery_begin();
    recovery_end();
}

static void
redo_saw_record(const WalRecord *r)
{
    if (r->xid != XID_INVALID)
        txn_redo_saw_xid(r->xid);
}

static void redo_saw_checkpoint(const WalCheckpoint *c, bool shutdown) { counters_from(c); }
static void redo_saw_oid(Oid next) { txn_shared->next_oid = next; }

/* ---- checkpoints ---- */

static void
checkpoint_step(unsigned flags)
{
    if (atomic_load_explicit(&txn_shared->recovered, memory_order_acquire)) {
        csn_sync_clog();
        csn_trim_spill(horizon_xid());
    }
    slru_flush(&clog_slru);
    slru_flush(&multi_offsets_slru);
    slru_flush(&multi_members_slru);
    if (atomic_load_explicit(&txn_shared->recovered, memory_order_acquire))
        truncate_files();
    (void)stats_report(false, 0);
}

static void
checkpoint_fill(WalCheckpoint *c)
{
    TxnShared *t = txn_shared;

    c->next_xid = atomic_load_explicit(&t->next_xid, memory_order_relaxed);
    lw_acquire(&t->multi_gen, LW_SHARED);
    c->next_multi = t->next_multi;
    c->next_multi_offset = t->next_member;
    lw_release(&t->multi_gen);
    oid_checkpoint_fill(c);
    c->oldest_xid = xid_oldest();
    c->oldest_multi = multi_oldest();
    c->oldest_active_xid = atomic_load_explicit(&t->decided_xid, memory_order_relaxed);
}

/* ---- redo of RMGR_TXN ---- */

static void
txn_redo(const WalRecord *r)
{
    Arena *a = arena_create(NULL, "transaction redo");
    TxnEndRecord e = {.xid = r->xid};

    if (!end_record_parse(a, r->data, r->data_bytes, &e))
        PANIC("damaged transaction end record at %s", lsn_text(r->start));
    end_record_redo(&e, r->info == TXN_OP_COMMIT, r->end);
    arena_destroy(a);
}

static const char *
txn_identify(uint8_t info)
{
    return info == TXN_OP_COMMIT ? "COMMIT" : info == TXN_OP_ABORT ? "ABORT" : NULL;
}

static void
txn_describe(const WalRecord *r, StrBuf *out)
{
    Arena *a = arena_create(NULL, "describe");
    TxnEndRecord e = {.xid = r->xid};

    if (!end_record_parse(a, r->data, r->data_bytes, &e)) {
        str_add(out, "damaged");
    } else {
        str_printf(out, "time %lld", (long long)e.time);
        for (int i = 0; i < e.nsubs; i++)
            str_printf(out, "%s %llu", i ? "" : "; subxacts:", (unsigned long long)e.subs[i]);
        for (int i = 0; i < e.ndrops; i++)
            str_printf(out, "%s %u/%u/%u", i ? "" : "; rels:", e.drops[i].spc, e.drops[i].db, e.drops[i].rel);
        if (e.parts_bytes)
            str_printf(out, "; %zu bytes of parts", e.parts_bytes);
    }
    arena_destroy(a);
}

static bool
transaction_end(const WalRecord *r, WalTransactionEnd *out)
{
    if (r->rmgr != RMGR_TXN || r->data_bytes < 9 || (r->info != TXN_OP_COMMIT && r->info != TXN_OP_ABORT))
        return false;
    *out = (WalTransactionEnd){r->xid, (TimestampTz)load_u64(r->data + 1), r->info == TXN_OP_COMMIT};
    return true;
}

void
txn_register_redo(void)
{
    static const WalRmgrOps txn_ops = {"Transaction", txn_redo, txn_describe, txn_identify, recovery_begin, recovery_end};
    static const WalRmgrOps smgr_ops = {"Storage", storage_redo, storage_describe, storage_identify, NULL, NULL};
    static const WalRmgrOps multi_ops = {"MultiXact", multixact_redo, multixact_describe, multixact_identify, NULL, NULL};

    wal_register_rmgr(RMGR_TXN, &txn_ops);
    wal_register_rmgr(RMGR_SMGR, &smgr_ops);
    wal_register_rmgr(RMGR_MULTIXACT, &multi_ops);
    truncate_register_redo();
    wal_transaction_end_hook = transaction_end;
    wal_redo_record_hook = redo_saw_record;
    wal_redo_checkpoint_hook = redo_saw_checkpoint;
    wal_redo_next_oid_hook = redo_saw_oid;
    wal_register_checkpoint_step(checkpoint_step);
    wal_register_checkpoint_fill(checkpoint_fill);
}
