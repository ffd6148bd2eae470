/*
 * The vacuum horizon: how far back anybody may still look (rule 8), and the status questions that
 * vacuum, hint bits and waiters ask.
 */
#include "core/base/clock.h"
#include "core/base/interrupt.h"
#include "core/txn/txn_internal.h"

/* ---- status ---- */

XidStatus
xid_status(Xid xid, Lsn *csn_out)
{
    uint64_t w;

    if (csn_out)
        *csn_out = 0;
    if (!xid_is_normal(xid))
        return xid == XID_INVALID ? XS_STATUS_ABORTED : XS_STATUS_COMMITTED;
    w = csn_resolve(xid, true);
    if (w == 0)
        return XS_STATUS_IN_PROGRESS;
    if (CSN_GET_TAG(w) == CSN_TAG_CSN) {
        if (csn_out && w != CSN_ANCIENT)
            *csn_out = CSN_PAYLOAD(w);
        return XS_STATUS_COMMITTED;
    }
    return CSN_GET_TAG(w) == CSN_TAG_ABORTED ? XS_STATUS_ABORTED : XS_STATUS_IN_PROGRESS;
}

bool
xid_committed_now(Xid xid)
{
    Lsn csn;

    if (xid_status(xid, &csn) != XS_STATUS_COMMITTED)
        return false;
    txn_depend_on(csn);
    return true;
}

bool
xid_hint_allowed(Xid xid, bool committed)
{
    Lsn csn;

    if (!committed)
        return true;
    return xid_status(xid, &csn) == XS_STATUS_COMMITTED && csn <= wal_flushed();
}

void
xid_make_durable(Xid xid)
{
    Lsn csn;

    if (xid_status(xid, &csn) == XS_STATUS_COMMITTED && csn > wal_flushed())
        wal_flush_to(csn);
}

Xid
xid_next(void)
{
    return atomic_load_explicit(&txn_shared->next_xid, memory_order_relaxed);
}

/* ---- waiting for a transaction ---- */

bool
xid_wait_try(Xid xid)
{
    LockTag tag = lock_tag_xid(xid);

    if (xid_status(xid, NULL) != XS_STATUS_IN_PROGRESS)
        return true;
    switch (lock_acquire(tag, LOCK_SHARE, false, true)) {
    case LOCK_OK:
    case LOCK_ALREADY_HELD:
        (void)lock_release(tag, LOCK_SHARE, false);
        return xid_status(xid, NULL) != XS_STATUS_IN_PROGRESS;
    default:
        return false;
    }
}

void
xid_wait(Xid xid)
{
    int round = 0;

    ASSERT(!xid_is_current(xid));
    while (xid_status(xid, NULL) == XS_STATUS_IN_PROGRESS) {
        LockTag tag = lock_tag_xid(xid);

        lock_acquire_or_raise(tag, LOCK_SHARE);
        (void)lock_release(tag, LOCK_SHARE, false);
        /* The id was given out but its owner has not locked it yet, or a subtransaction ended whose
         * top has not: the window is short, or the top's own lock makes us wait. */
        if (xid_status(xid, NULL) == XS_STATUS_IN_PROGRESS) {
            uint64_t w = csn_read(xid);

            if (CSN_GET_TAG(w) == CSN_TAG_SUB)
                xid = CSN_PAYLOAD(w);
            CHECK_INTERRUPTS();
            csn_wait_pause(&round);
        }
    }
    (void)xid_committed_now(xid); /* whoever waited builds on the outcome */
}

/* ---- the horizon ---- */

Lsn
horizon_compute(void)
{
    TxnShared *t = txn_shared;
    Lsn h = visible_end(), pub, known;

    /* The bound first, then the slots; a snapshot taker stores its slot, then looks at the bound.
     */
    pub = atomic_load_explicit(&t->horizon_published, memory_order_relaxed);
    while (pub < h &&
           !atomic_compare_exchange_weak_explicit(&t->horizon_published, &pub, h,
                                                  memory_order_seq_cst, memory_order_relaxed))
        ;
    atomic_thread_fence(memory_order_seq_cst);
    for (int i = 0; i < proc_slot_count; i++) {
        ProcSlot *p = &proc_slots[i];
        Lsn l;

        if (atomic_load_explicit(&p->pid, memory_order_relaxed) == 0)
            continue;
        /* acquire: pairs with publish(): what the process read before it let go of the snapshot */
        l = atomic_load_explicit(&p->snapshot_lsn, memory_order_acquire);
        if (l != 0 && l < h)
            h = l;
    }
    known = atomic_load_explicit(&t->horizon_known, memory_order_relaxed);
    while (known < h &&
           !atomic_compare_exchange_weak_explicit(&t->horizon_known, &known, h,
                                                  memory_order_relaxed, memory_order_relaxed))
        ;
    /* relaxed: a time for rate limiting */
    atomic_store_explicit(&t->horizon_time_us, clock_monotonic_us(), memory_order_relaxed);
    return MAX(known, h);
}

Lsn
horizon_lsn(bool shared_relation)
{
    return horizon_compute();
}

Lsn
horizon_lsn_cached(void)
{
    TxnShared *t = txn_shared;
    uint64_t now = clock_monotonic_us();

    if (now - atomic_load_explicit(&t->horizon_time_us, memory_order_relaxed) > 200)
        return horizon_compute();
    return atomic_load_explicit(&t->horizon_known, memory_order_relaxed);
}

Xid
horizon_xid(void)
{
    TxnShared *t = txn_shared;
    Lsn h = horizon_compute();
    Xid end = atomic_load_explicit(&t->decided_xid, memory_order_acquire), x;

    if (atomic_load_explicit(&t->decided_lsn, memory_order_acquire) <= h)
        return end; /* the common case: every snapshot sees all of the decided prefix */
    spin_lock(&t->settled_lock);
    x = t->settled_xid;
    spin_unlock(&t->settled_lock);
    while (x < end) {
        uint64_t w = csn_resolve(x, false);

        if (!csn_is_decided(w) || (CSN_GET_TAG(w) == CSN_TAG_CSN && CSN_PAYLOAD(w) > h))
            break;
        x++;
    }
    spin_lock(&t->settled_lock);
    if (x > t->settled_xid)
        t->settled_xid = x;
    spin_unlock(&t->settled_lock);
    return x;
}
