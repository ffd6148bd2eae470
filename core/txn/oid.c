/*
 * Object ids: a counter; the log promises them 8192 ahead, so a crash may leave a gap but never
 * gives one out twice.
 */
#include "core/txn/txn_internal.h"

#define OID_PREFETCH 8192u

Oid
oid_next(void)
{
    TxnShared *t = txn_shared;
    Oid r;

    lw_acquire(&t->oid_gen, LW_EXCLUSIVE);
    if (t->next_oid < OID_FIRST_USER) /* wrapped, or a cluster under construction */
        t->next_oid = t->oid_logged_end = OID_FIRST_USER;
    if (t->next_oid >= t->oid_logged_end) {
        Oid end = t->next_oid > UINT32_MAX - OID_PREFETCH ? UINT32_MAX : t->next_oid + OID_PREFETCH;

        critical_enter();
        (void)wal_log_next_oid(end);
        t->oid_logged_end = end;
        critical_leave();
    }
    r = t->next_oid++;
    if (t->next_oid == UINT32_MAX)
        t->next_oid = 0;
    lw_release(&t->oid_gen);
    return r;
}

void
oid_recovered(Oid next)
{
    txn_shared->next_oid = next;
    txn_shared->oid_logged_end = next;
}

void
oid_checkpoint_fill(WalCheckpoint *c)
{
    TxnShared *t = txn_shared;

    lw_acquire(&t->oid_gen, LW_SHARED);
    /* What is promised: a crash right after must not give out an id between. */
    c->next_oid = MAX(t->next_oid, t->oid_logged_end);
    lw_release(&t->oid_gen);
}
