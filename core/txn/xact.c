/*
 * The life of a transaction and its subtransactions.
 *
 * Order at commit (architecture, section 4; README rules 4 to 7): commit record in the log, csn
 * published, callbacks, locks released, and only then the flush that the client waits for. Where
 * others could learn of the commit by anything but rows (strong relation locks, cache
 * invalidations, removed files) the flush comes first.
 */
#include "core/base/clock.h"
#include "core/base/interrupt.h"
#include "core/base/settings.h"
#include "core/stats/stats.h"
#include "core/txn/txn_internal.h"
#include "lockmgr/predicate.h"

#define CALLBACKS_MAX 32

TxnState txn_state;
Xid txn_own_floor = UINT64_MAX;

static TxnCallback callbacks[CALLBACKS_MAX];
static int callback_count;
static TxnLevel *free_levels;

void
txn_on_event(TxnCallback fn)
{
    CHECK(callback_count < CALLBACKS_MAX);
    callbacks[callback_count++] = fn;
}

void
txn_fire(TxnEvent e, int nesting)
{
    for (int i = 0; i < callback_count; i++)
        callbacks[i](e, nesting);
}

/* For events that may not raise: one that does anyway is logged and does not stop the others. */
static void
fire_safely(TxnEvent e, int nesting)
{
    for (volatile int i = 0; i < callback_count; i++) {
        ERR_TRY
        {
            callbacks[i](e, nesting);
        }
        ERR_CATCH
        {
            const ErrReport *r = err_current();

            LOG("error in a callback at the end of a transaction: %s",
                r && r->message ? r->message : "unknown");
            err_clear();
        }
        ERR_END;
    }
}

/* ---- begin ---- */

void
xact_process_init(void)
{
    txn_state.phase = TXN_PHASE_NONE;
    txn_state.level = NULL;
    txn_state.top.xid = XID_INVALID;
    txn_state.subxid_count = 0;
    txn_own_floor = UINT64_MAX;
    res_current = NULL;
}

static void
level_enter(TxnLevel *l, TxnLevel *parent)
{
    l->parent = parent;
    l->nesting = parent ? parent->nesting + 1 : 1;
    l->sub_id = ++txn_state.next_sub_id;
    l->xid = XID_INVALID;
    l->xid_index = -1;
    l->saved_owner = res_current;
    l->owner = res_create(parent ? parent->owner : NULL, parent ? "subtransaction" : "transaction");
    res_current = l->owner;
    txn_state.level = l;
    lock_current_level = l->nesting;
}

void
txn_begin(void)
{
    TxnState *t = &txn_state;

    ASSERT(t->phase == TXN_PHASE_NONE && t->level == NULL);
    if (UNLIKELY(!t->arena))
        t->arena = arena_create(arena_top(), "transaction");
    t->next_sub_id = 0;
    t->subxid_count = 0;
    t->command = 0;
    t->command_used = false;
    t->depends = 0;
    t->flush_first = t->force_sync = false;
    t->strong_locks_seen = lock_strong_acquired;
    t->strong_locks_at_start = lock_strong_relation_acquired;
    t->start_time = 0;
    if (proc_self) {
        /* The transaction starts with its first statement, whose time the session has noted. */
        t->start_time = atomic_load_explicit(&proc_self->statement_start, memory_order_relaxed);
        proc_self->local_xact++;
    }
    if (t->start_time == 0)
        t->start_time = clock_now();
    if (proc_self) /* relaxed: observers only */
        atomic_store_explicit(&proc_self->xact_start, t->start_time, memory_order_relaxed);
    txn_isolation = default_txn_isolation;
    txn_read_only = default_txn_read_only;
    txn_deferrable = default_txn_deferrable;
    t->top.arena = t->arena;
    level_enter(&t->top, NULL);
    settings_at_subxact_start(1);
    t->phase = TXN_PHASE_RUNNING;
    snapshot_at_begin();
}

void
txn_begin_sub(void)
{
    TxnLevel *parent = txn_state.level, *l = free_levels;

    ASSERT(txn_state.phase == TXN_PHASE_RUNNING);
    if (l)
        free_levels = l->parent;
    else
        l = ARENA_NEW(arena_top(), TxnLevel);
    l->arena = NULL;
    level_enter(l, parent);
    wal_set_xid(XID_INVALID);
    settings_at_subxact_start(l->nesting);
    txn_fire(TXN_SUB_START, l->nesting);
}

/* ---- ids ---- */

static void
subxids_add(TxnLevel *l)
{
    TxnState *t = &txn_state;

    if (t->subxid_count == t->subxid_cap) {
        int cap = t->subxid_cap ? t->subxid_cap * 2 : 64;
        Xid *p = ARENA_ARRAY(arena_top(), Xid, cap);

        if (t->subxid_count)
            memcpy(p, t->subxids, sizeof(Xid) * (size_t)t->subxid_count);
        t->subxids = p;
        t->subxid_cap = cap;
    }
    l->xid_index = t->subxid_count;
    t->subxids[t->subxid_count++] = l->xid;
}

/* Gives the level an id, its ancestors first: a child's id is always greater. */
void
txn_assign_xid(TxnLevel *l)
{
    int level = lock_current_level;
    bool sub = l->parent != NULL;

    if (sub && l->parent->xid == XID_INVALID)
        txn_assign_xid(l->parent);
    if (UNLIKELY(txn_isolation == ISO_SERIALIZABLE && !sub))
        (void)snapshot_for_statement(); /* what it is about to write must be checked from the first row on */
    l->xid = csn_assign(sub ? txn_state.top.xid : XID_INVALID);
    if (sub) {
        subxids_add(l);
    } else {
        txn_own_floor = l->xid;
        if (UNLIKELY(pred_tracking))
            pred_set_xid(l->xid);
        if (proc_self) /* relaxed: observers only */
            atomic_store_explicit(&proc_self->xid, l->xid, memory_order_relaxed);
    }
    if (l == txn_state.level)
        wal_set_xid(l->xid);
    lock_current_level = l->nesting;
    ERR_TRY
    {
        lock_acquire_or_raise(lock_tag_xid(l->xid), LOCK_EXCLUSIVE);
    }
    ERR_CATCH
    {
        lock_current_level = level;
        err_rethrow();
    }
    ERR_END;
    lock_current_level = level;
}

Xid
txn_xid(void)
{
    TxnLevel *l = txn_state.level;

    ASSERT(l);
    if (UNLIKELY(l->xid == XID_INVALID))
        txn_assign_xid(l);
    return l->xid;
}

Xid
txn_top_xid(void)
{
    if (txn_state.top.xid == XID_INVALID)
        txn_assign_xid(&txn_state.top);
    return txn_state.top.xid;
}

Xid
txn_xid_if_assigned(void)
{
    return txn_state.level ? txn_state.level->xid : XID_INVALID;
}

Xid
txn_top_xid_if_assigned(void)
{
    return txn_state.level ? txn_state.top.xid : XID_INVALID;
}

bool
xid_is_current_slow(Xid xid)
{
    int lo = 0, hi = txn_state.subxid_count - 1;

    if (xid == txn_state.top.xid)
        return true;
    while (lo <= hi) {
        int mid = (lo + hi) / 2;

        if (txn_state.subxids[mid] == xid)
            return true;
        if (txn_state.subxids[mid] < xid)
            lo = mid + 1;
        else
            hi = mid - 1;
    }
    return false;
}

/* ---- questions ---- */

CommandId
txn_command(bool mark_used)
{
    txn_state.command_used |= mark_used;
    return txn_state.command;
}

void
txn_command_increment(void)
{
    if (!txn_state.command_used)
        return;
    if (txn_state.command >= UINT32_MAX - 1)
        RAISE(SQLSTATE_PROGRAM_LIMIT_EXCEEDED,
              "cannot have more than 2^32-2 commands in a transaction");
    txn_state.command++;
    txn_state.command_used = false;
}

int
txn_nesting(void)
{
    return txn_state.level ? txn_state.level->nesting : 0;
}
int
txn_sub_id(void)
{
    return txn_state.level ? txn_state.level->sub_id : 0;
}
bool
txn_in_progress(void)
{
    return txn_state.phase == TXN_PHASE_RUNNING;
}
TimestampTz
txn_start_time(void)
{
    return txn_state.start_time;
}
Arena *
txn_arena(void)
{
    return txn_state.arena;
}

Arena *
txn_current_arena(void)
{
    TxnLevel *l = txn_state.level;

    if (!l->arena)
        l->arena = arena_create(txn_state.arena, "subtransaction");
    return l->arena;
}

void
txn_force_sync_commit(void)
{
    txn_state.force_sync = true;
}

/* ---- end ---- */

/* Releases what belongs to this process alone. Locks go last: they tell others that all is done. */
static void
release_everything(bool commit)
{
    TxnState *t = &txn_state;
    ResOwner *top = t->top.owner;

    res_current = NULL;
    if (top) {
        res_release(top, commit);
        res_destroy(top);
        t->top.owner = NULL;
    }
    snapshot_at_end();
    lock_release_all(false);
    lock_current_level = 1;
    combo_at_end();
    multixact_at_end();
    while (t->level && t->level != &t->top) {
        TxnLevel *l = t->level;

        t->level = l->parent;
        l->parent = free_levels;
        free_levels = l;
    }
    t->level = NULL;
    t->top.xid = XID_INVALID;
    t->subxid_count = 0;
    txn_own_floor = UINT64_MAX;
    wal_set_xid(XID_INVALID);
    if (proc_self) { /* relaxed: observers only */
        atomic_store_explicit(&proc_self->xid, XID_INVALID, memory_order_relaxed);
        atomic_store_explicit(&proc_self->xact_start, 0, memory_order_relaxed);
    }
    t->phase = TXN_PHASE_NONE;
    arena_reset(t->arena);
}

void
txn_commit(void)
{
    TxnState *t = &txn_state;
    StrBuf parts;
    Xid xid;
    Lsn csn = 0;
    bool sync, tracked;

    ASSERT(t->phase == TXN_PHASE_RUNNING && t->level == &t->top);
    txn_fire(TXN_PRE_COMMIT, 1);
    CHECK_INTERRUPTS();
    str_init(&parts, t->arena);
    record_parts_collect(true, &parts);
    if (parts.len > 0 || storage_pending_drops(true, NULL, NULL) > 0) {
        (void)txn_top_xid();
        t->flush_first = true;
    }
    if (lock_strong_relation_acquired != t->strong_locks_at_start)
        t->flush_first = true;
    xid = t->top.xid;
    tracked = pred_tracking;
    if (UNLIKELY(tracked))
        pred_commit_check(wal_insert_position, t->subxid_count ? t->subxids[t->subxid_count - 1] : XID_INVALID);
    interrupts_held++;
    t->phase = TXN_PHASE_COMMITTING;
    /* Files are removed only after a durable commit. */
    sync = synchronous_commit != SYNC_COMMIT_OFF || t->force_sync ||
           storage_pending_drops(true, NULL, NULL) > 0;
    if (xid != XID_INVALID) {
        csn = txn_write_commit_record(&parts);
        if (!sync)
            visible_end_move(csn);
        else if (t->flush_first) /* rule 7 */
            wal_flush_to(csn);
    } else if (UNLIKELY(tracked)) {
        pred_committed(0, visible_end());
    }
    fire_safely(TXN_COMMIT, 1);
    settings_at_end(1, true);
    storage_at_end(true);
    release_everything(true);
    FAULT_POINT("txn_released");
    stats_at_end(true);
    if (csn != 0) {
        if (sync)
            wal_flush_to(csn);
        else
            wal_flush_async_hint(csn);
    } else if (t->depends > visible_end()) {
        wal_flush_to(t->depends); /* rule 6: it may have been shown what it depends on */
    }
    if (UNLIKELY(tracked))
        pred_cleanup(visible_end()); /* snapshots see it from now on */
    interrupts_held--;
}

/* Marks the ids of a transaction that ends badly. The top first: its word decides for all. */
static void
abort_ids(void)
{
    TxnState *t = &txn_state;

    if (t->top.xid == XID_INVALID)
        return;
    csn_set_aborted(t->top.xid, XID_INVALID);
    for (int i = 0; i < t->subxid_count; i++)
        csn_set_aborted(t->subxids[i], t->top.xid);
    csn_decided_advance();
}

void
txn_abort(void)
{
    TxnState *t = &txn_state;

    if (t->phase == TXN_PHASE_NONE)
        return;
    if (critical_depth > 0 || t->phase == TXN_PHASE_COMMITTING)
        PANIC("transaction failed after its commit record or inside a critical section");
    interrupts_held++;
    t->phase = TXN_PHASE_ABORTING;
    lw_release_all(); /* content locks of pages too */
    if (t->depends > visible_end())
        wal_flush_to(t->depends); /* rule 6 */
    if (t->top.xid != XID_INVALID) {
        StrBuf parts;

        str_init(&parts, t->arena);
        ERR_TRY
        {
            record_parts_collect(false, &parts);
            txn_write_abort_record(&parts, t->subxids, t->subxid_count);
        }
        ERR_CATCH
        {
            err_clear();
        }
        ERR_END;
        abort_ids();
    }
    if (UNLIKELY(pred_tracking))
        pred_abort(visible_end());
    fire_safely(TXN_ABORT, 1);
    settings_at_end(1, false);
    storage_at_end(false);
    release_everything(false);
    stats_at_end(false);
    proc_progress_end();
    interrupts_held--;
}

/* Leaves the innermost level; its owner is gone or handed over. */
static void
level_leave(TxnLevel *l)
{
    ResOwner *up = l->parent->owner;

    /* The owner that was current at the start may itself have been released since. */
    res_current = l->saved_owner ? l->saved_owner : up;
    txn_state.level = l->parent;
    lock_current_level = l->parent->nesting;
    wal_set_xid(l->parent->xid);
    if (l->arena)
        arena_destroy(l->arena);
    l->parent = free_levels;
    free_levels = l;
}

void
txn_commit_sub(void)
{
    TxnLevel *l = txn_state.level;

    ASSERT(l && l->parent && txn_state.phase == TXN_PHASE_RUNNING);
    txn_command_increment();
    fire_safely(TXN_SUB_COMMIT, l->nesting);
    settings_at_end(l->nesting, true);
    storage_at_sub_end(l->nesting, true);
    stats_at_sub_end(l->nesting, true);
    snapshot_at_sub_end(l->nesting);
    res_hand_over(l->owner, l->parent->owner);
    res_destroy(l->owner);
    lock_level_commit(l->nesting);
    /* What lived in the level's arena may be referred to by what the parent keeps: it lives on. */
    l->arena = NULL;
    level_leave(l);
}

void
txn_abort_sub(void)
{
    TxnLevel *l = txn_state.level;

    ASSERT(l && l->parent);
    if (critical_depth > 0)
        PANIC("subtransaction failed inside a critical section");
    interrupts_held++;
    lw_release_all(); /* content locks of pages too */
    if (l->xid != XID_INVALID) {
        Xid top = txn_state.top.xid;

        /* Its own id and those of its committed children; deeper levels have been left before. */
        for (int i = l->xid_index; i < txn_state.subxid_count; i++)
            csn_set_aborted(txn_state.subxids[i], top);
        csn_decided_advance();
        txn_state.subxid_count = l->xid_index;
    }
    fire_safely(TXN_SUB_ABORT, l->nesting);
    settings_at_end(l->nesting, false);
    storage_at_sub_end(l->nesting, false);
    stats_at_sub_end(l->nesting, false);
    res_current = l->parent->owner;
    res_release(l->owner, false);
    res_destroy(l->owner);
    snapshot_at_sub_end(l->nesting);
    lock_level_abort(l->nesting);
    level_leave(l);
    interrupts_held--;
}

/* ---- two-phase commit ---- */

void
txn_prepare(const char *gid)
{
    if (max_prepared_xacts == 0)
        RAISE_ERR(SQLSTATE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                  err_message("prepared transactions are disabled"),
                  err_hint("Set max_prepared_transactions to a nonzero value."));
    UNSUPPORTED("PREPARE TRANSACTION is not supported");
}

void
txn_finish_prepared(const char *gid, bool commit)
{
    RAISE(SQLSTATE_UNDEFINED_OBJECT, "prepared transaction with identifier \"%s\" does not exist",
          gid);
}
