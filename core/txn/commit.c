/*
 * Commit and abort records: what they hold, how they are written, what redo makes of them.
 *
 *   u8 flags (which parts follow), i64 time,
 *   [varint count, then the subtransactions' ids as ascending differences from the top's],
 *   [varint count, then 12 bytes per relation to be removed],
 *   [varint bytes, then the registered parts: u8 number, varint length, bytes]
 */
#include "core/base/clock.h"
#include "core/txn/txn_internal.h"
#include "lockmgr/predicate.h"

#define END_HAS_SUBS 1u
#define END_HAS_DROPS 2u
#define END_HAS_PARTS 4u
#define PARTS_MAX 8

static struct {
    TxnRecordFill fill;
    TxnRecordRedo redo;
} record_parts[PARTS_MAX];
static int record_part_count;

void
txn_register_record_part(TxnRecordFill fill, TxnRecordRedo redo)
{
    CHECK(record_part_count < PARTS_MAX);
    record_parts[record_part_count].fill = fill;
    record_parts[record_part_count++].redo = redo;
}

void
record_parts_collect(bool commit, StrBuf *out)
{
    for (int i = 0; i < record_part_count; i++) {
        StrBuf one;

        str_init(&one, txn_state.arena);
        record_parts[i].fill(commit, &one);
        if (one.len == 0)
            continue;
        str_add_char(out, (char)i);
        put_varint(out, one.len);
        str_add_bytes(out, one.data, one.len);
    }
}

void
end_record_build(StrBuf *out, const TxnEndRecord *e)
{
    char head[9];
    Xid prev = e->xid;

    head[0] = (char)((e->nsubs ? END_HAS_SUBS : 0) | (e->ndrops ? END_HAS_DROPS : 0) |
                     (e->parts_bytes ? END_HAS_PARTS : 0));
    store_u64(head + 1, (uint64_t)e->time);
    str_add_bytes(out, head, sizeof head);
    if (e->nsubs) {
        put_varint(out, (uint64_t)e->nsubs);
        for (int i = 0; i < e->nsubs; i++) {
            put_varint(out, e->subs[i] - prev);
            prev = e->subs[i];
        }
    }
    if (e->ndrops) {
        put_varint(out, (uint64_t)e->ndrops);
        str_add_bytes(out, e->drops, sizeof(RelLocator) * (size_t)e->ndrops);
    }
    if (e->parts_bytes) {
        put_varint(out, e->parts_bytes);
        str_add_bytes(out, e->parts, e->parts_bytes);
    }
}

bool
end_record_parse(Arena *a, const char *p, size_t n, TxnEndRecord *e)
{
    const char *end = p + n;
    unsigned flags;
    uint64_t v, count;

    if (n < 9)
        return false;
    flags = (unsigned char)p[0];
    e->time = (TimestampTz)load_u64(p + 1);
    e->nsubs = e->ndrops = 0;
    e->parts_bytes = 0;
    p += 9;
    if (flags & END_HAS_SUBS) {
        Xid *subs, prev = e->xid;

        if (!get_varint(&p, end, &count) || count > n)
            return false;
        subs = arena_alloc(a, sizeof(Xid) * count);
        for (uint64_t i = 0; i < count; i++) {
            if (!get_varint(&p, end, &v))
                return false;
            prev = subs[i] = prev + v;
        }
        e->subs = subs;
        e->nsubs = (int)count;
    }
    if (flags & END_HAS_DROPS) {
        if (!get_varint(&p, end, &count) || count * sizeof(RelLocator) > (size_t)(end - p))
            return false;
        e->drops = arena_memdup(a, p, sizeof(RelLocator) * count);
        e->ndrops = (int)count;
        p += sizeof(RelLocator) * count;
    }
    if (flags & END_HAS_PARTS) {
        if (!get_varint(&p, end, &count) || count > (size_t)(end - p))
            return false;
        e->parts = p;
        e->parts_bytes = count;
    }
    return true;
}

void
end_record_run_parts(const TxnEndRecord *e, bool commit)
{
    const char *p = e->parts, *end = p + e->parts_bytes;

    while (e->parts_bytes && p < end) {
        int number = (unsigned char)*p++;
        uint64_t n;

        if (!get_varint(&p, end, &n) || n > (size_t)(end - p))
            PANIC("damaged transaction end record");
        if (number < record_part_count && record_parts[number].redo)
            record_parts[number].redo(e->xid, commit, p, n);
        p += n;
    }
}

/*
 * Writes the commit record and publishes the csn. Rule 1: COMMITTING before the record's place is
 * reserved. Rule 2: the top's word decides for the subtransactions; theirs are only shortcuts.
 */
Lsn
txn_write_commit_record(const StrBuf *parts)
{
    TxnState *t = &txn_state;
    char small[9];
    StrBuf body;
    TxnEndRecord e = {.time = clock_now(),
                      .xid = t->top.xid,
                      .subs = t->subxids,
                      .nsubs = t->subxid_count,
                      .parts = parts->data,
                      .parts_bytes = parts->len};
    RelLocator *drops = NULL;
    Lsn csn;

    e.ndrops = storage_pending_drops(true, t->arena, &drops);
    e.drops = drops;
    str_init(&body, t->arena);
    if (e.nsubs || e.ndrops || e.parts_bytes) {
        end_record_build(&body, &e);
    } else {
        small[0] = 0;
        store_u64(small + 1, (uint64_t)e.time);
    }
    wal_set_xid(e.xid);
    critical_enter();
    FAULT_POINT("txn_before_commit_record");
    csn_set_committing(e.xid);
    wal_begin();
    if (body.len)
        wal_add_data(body.data, (uint32_t)body.len);
    else
        wal_add_data(small, sizeof small);
    csn = wal_insert(RMGR_TXN, TXN_OP_COMMIT, NULL);
    FAULT_POINT("txn_commit_logged");
    csn_set_committed(e.xid, csn);
    FAULT_POINT("txn_committed");
    critical_leave();
    if (UNLIKELY(pred_tracking)) /* before a subtransaction's word shows the csn alone (rule 12) */
        pred_committed(csn, visible_end());
    for (int i = 0; i < e.nsubs; i++)
        csn_set_sub_committed(e.subs[i], e.xid, csn);
    csn_decided_advance();
    return csn;
}

void
txn_write_abort_record(const StrBuf *parts, const Xid *subs, int nsubs)
{
    TxnState *t = &txn_state;
    StrBuf body;
    RelLocator *drops = NULL;
    TxnEndRecord e = {.time = clock_now(),
                      .xid = t->top.xid,
                      .subs = subs,
                      .nsubs = nsubs,
                      .parts = parts->data,
                      .parts_bytes = parts->len};

    e.ndrops = storage_pending_drops(false, t->arena, &drops);
    e.drops = drops;
    str_init(&body, t->arena);
    end_record_build(&body, &e);
    wal_set_xid(e.xid);
    critical_enter();
    wal_begin();
    wal_add_data(body.data, (uint32_t)body.len);
    (void)wal_insert(RMGR_TXN, TXN_OP_ABORT, NULL);
    critical_leave();
}

void
end_record_redo(const TxnEndRecord *e, bool commit, Lsn lsn)
{
    ClogStatus st = commit ? CLOG_COMMITTED : CLOG_ABORTED;

    txn_redo_saw_xid(e->xid);
    for (int i = 0; i < e->nsubs; i++) {
        txn_redo_saw_xid(e->subs[i]);
        clog_set(e->subs[i], st, lsn);
    }
    clog_set(e->xid, st, lsn);
    for (int i = 0; i < e->ndrops; i++)
        drop_relation_files(e->drops[i], true);
    storage_redo_forget(e->drops, e->ndrops, e->xid, e->subs, e->nsubs);
    end_record_run_parts(e, commit);
}
