/*
 * How far back ids are still asked for, and what of the commit log and the multixact files may go.
 *
 * `oldest_xid`: no tuple of any relation holds a lower id whose fate matters (README rule 13). It rises when
 * vacuum has frozen what is older in every database: a log record, flushed, then the shared value. The
 * checkpoints that follow remove whole segments below it. A crash at any point leaves at worst segments
 * that the next checkpoint removes: the record is durable before the first of them can be missed, and the
 * freezing of every tuple lies before it in the log.
 *
 * Catalogs keep the low 32 bits of an id. All that they keep lies within 2^31 of oldest_xid: values are
 * stored no higher than that, and one that seems lower (a relation made while the bound rose) is as good as
 * the bound itself.
 */
#include "core/txn/txn_internal.h"

#define CLOG_OP_TRUNCATE 0
#define WINDOW (UINT64_C(1) << 31)

typedef struct TruncateRecord {
    Xid oldest_xid;
    MultiId oldest_multi;
} TruncateRecord;

/* ---- bounds ---- */

Xid
xid_oldest(void)
{
    /* acquire: pairs with raise(): who sees the bound sees that nobody asks below it */
    return atomic_load_explicit(&txn_shared->oldest_xid, memory_order_acquire);
}

MultiId
multi_oldest(void)
{
    return atomic_load_explicit(&txn_shared->oldest_multi, memory_order_acquire); /* as above */
}

MultiId
multi_next(void)
{
    MultiId next;

    lw_acquire(&txn_shared->multi_gen, LW_SHARED);
    next = txn_shared->next_multi;
    lw_release(&txn_shared->multi_gen);
    return next;
}

uint32_t
xid_to_catalog(Xid xid)
{
    return (uint32_t)MIN(xid, xid_oldest() + WINDOW - 1);
}

Xid
xid_from_catalog(uint32_t low)
{
    Xid oldest = xid_oldest();
    int32_t ahead = (int32_t)(low - (uint32_t)oldest);

    return ahead > 0 ? oldest + (Xid)ahead : oldest;
}

uint32_t
multi_to_catalog(MultiId id)
{
    return (uint32_t)MIN(id, multi_oldest() + WINDOW - 1);
}

MultiId
multi_from_catalog(uint32_t low)
{
    MultiId oldest = multi_oldest();
    int32_t ahead = (int32_t)(low - (uint32_t)oldest);

    return ahead > 0 ? oldest + (MultiId)ahead : oldest;
}

/*
 * No multixact below this will be put on a tuple again. A process reuses only sets it is a member of, so
 * only those made since its transaction got its id: once all ids below a sample's are decided, what
 * was made before the sample is never used anew.
 */
MultiId
multi_safe_bound(void)
{
    TxnShared *t = txn_shared;
    Xid decided = horizon_xid();
    MultiId safe;

    lw_acquire(&t->multi_gen, LW_EXCLUSIVE);
    if (t->multi_sample_xid <= decided) {
        t->multi_safe = MAX(t->multi_safe, t->multi_sample);
        t->multi_sample_xid = xid_next();
        t->multi_sample = t->next_multi;
    }
    safe = t->multi_safe;
    lw_release(&t->multi_gen);
    return MAX(safe, multi_oldest());
}

/* ---- raising them ---- */

static void
raise_bounds(Xid xid, MultiId multi)
{
    TxnShared *t = txn_shared;
    Xid x = atomic_load_explicit(&t->oldest_xid, memory_order_relaxed);
    MultiId m = atomic_load_explicit(&t->oldest_multi, memory_order_relaxed);

    while (x < xid && !atomic_compare_exchange_weak_explicit(&t->oldest_xid, &x, xid, memory_order_release, memory_order_relaxed))
        ;
    while (m < multi && !atomic_compare_exchange_weak_explicit(&t->oldest_multi, &m, multi, memory_order_release, memory_order_relaxed))
        ;
}

void
txn_raise_oldest(Xid xid, MultiId multi)
{
    TruncateRecord r = {MAX(xid, xid_oldest()), MAX(multi, multi_oldest())};
    Lsn lsn;

    ASSERT(r.oldest_xid <= horizon_xid());
    if (r.oldest_xid == xid_oldest() && r.oldest_multi == multi_oldest())
        return;
    critical_enter();
    wal_begin();
    wal_add_data(&r, sizeof r);
    lsn = wal_insert(RMGR_CLOG, CLOG_OP_TRUNCATE, NULL);
    critical_leave();
    wal_flush_to(lsn);
    raise_bounds(r.oldest_xid, r.oldest_multi);
}

void
truncate_recovered(const WalCheckpoint *c)
{
    raise_bounds(MAX(c->oldest_xid, XID_FIRST_NORMAL), MAX(c->oldest_multi, 1u));
}

/* A checkpoint's part: whole segments below the bounds. */
void
truncate_files(void)
{
    TxnShared *t = txn_shared;
    MultiId multi = multi_oldest(), next;
    uint64_t member;

    slru_truncate(&clog_slru, clog_page_of(xid_oldest()));
    lw_acquire(&t->multi_gen, LW_SHARED);
    next = t->next_multi;
    member = t->next_member;
    lw_release(&t->multi_gen);
    if (multi < next)
        member = multi_first_member(multi);
    if (member == 0)
        return; /* made just now, its words are not there yet */
    multi_truncate(multi, member);
}

/* ---- redo ---- */

static void
clog_redo(const WalRecord *r)
{
    TruncateRecord rec;

    memcpy(&rec, r->data, sizeof rec);
    raise_bounds(rec.oldest_xid, rec.oldest_multi);
}

static const char *
clog_identify(uint8_t info)
{
    return info == CLOG_OP_TRUNCATE ? "TRUNCATE" : NULL;
}

static void
clog_describe(const WalRecord *r, StrBuf *out)
{
    TruncateRecord rec;

    memcpy(&rec, r->data, sizeof rec);
    str_printf(out, "oldest xid %llu, oldest multi %llu", (unsigned long long)rec.oldest_xid, (unsigned long long)rec.oldest_multi);
}

void
truncate_register_redo(void)
{
    static const WalRmgrOps ops = {"CLOG", clog_redo, clog_describe, clog_identify, NULL, NULL};

    wal_register_rmgr(RMGR_CLOG, &ops);
}
