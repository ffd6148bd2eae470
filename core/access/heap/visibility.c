/*
 * Which tuples a snapshot sees.
 *
 * A hint bit says that the transaction is over, durably so if it committed (core/txn rule 5);
 * whether a given snapshot comes after it is then mostly one comparison with the snapshot's
 * decided_xid. Hints learnt while a page is under a shared lock are collected and written together.
 */
#include "core/access/heap/heap_internal.h"

void
hint_write(HintState *h)
{
    if (buf_hint_begin(h->buf)) {
        for (int i = 0; i < h->n; i++)
            tuple_set_flags(h->e[i].t, tuple_flags(h->e[i].t) | h->e[i].flags);
        buf_hint_end(h->buf, true);
    }
    h->n = 0;
}

/* The last answer: loads and single transactions leave runs of equal ids. */
static struct {
    Xid xid;
    Lsn lsn;
    unsigned bits;
} last_look;

static inline unsigned
look(Xid xid, const Snapshot *s)
{
    if (xid == last_look.xid && s->lsn == last_look.lsn)
        return last_look.bits;
    last_look.bits = xid_look(xid, s);
    last_look.xid = xid;
    last_look.lsn = s->lsn;
    return last_look.bits;
}

/* The hint a look justifies, if any. */
static inline uint16_t
look_hint(unsigned bits, uint16_t committed, uint16_t aborted)
{
    return bits & XID_LOOK_ABORTED ? aborted : bits & XID_LOOK_HINT_COMMITTED ? committed : 0;
}

/* xmin is ours. */
static bool
own_insert_visible(const char *t, uint16_t flags, CommandId command)
{
    Xid xmax;

    if (tuple_own_cmin(t) >= command)
        return false; /* inserted by this command or a later one */
    if (flags & (HEAP_XMAX_INVALID | HEAP_XMAX_LOCK_ONLY))
        return true;
    xmax = tuple_update_xid(t);
    if (!xid_is_current(xmax))
        return true; /* a subtransaction of ours that was rolled back */
    return tuple_own_cmax(t) >= command;
}

/* A call in tail position: nothing need be kept across it, so the others do not pay for it. */
__attribute__((noinline)) static bool
read_past_tracked(Xid xid, bool visible)
{
    serial_conflict_out(xid);
    return visible;
}

/* The snapshot does not see what xid did to the row. Tells a serializable transaction's conflicts. */
static inline bool
read_past(Xid xid, const Snapshot *s, bool visible)
{
    return UNLIKELY(s->serializable) ? read_past_tracked(xid, visible) : visible;
}

static bool
visible_mvcc(char *t, const Snapshot *s, HintState *h)
{
    uint16_t flags = tuple_flags(t);
    unsigned bits;
    Xid xmax;

    if (LIKELY(flags & HEAP_XMIN_COMMITTED)) {
        if (!tuple_is_frozen(flags)) {
            Xid xmin = tuple_xmin(t);

            if (xmin >= s->decided_xid && !(look(xmin, s) & XID_LOOK_VISIBLE))
                return read_past(xmin, s, false);
        }
    } else {
        Xid xmin = tuple_xmin(t);
        uint16_t hint;

        if (flags & HEAP_XMIN_ABORTED)
            return false;
        if (xid_is_current(xmin))
            return own_insert_visible(t, flags, s->command);
        bits = look(xmin, s);
        hint = look_hint(bits, HEAP_XMIN_COMMITTED, HEAP_XMIN_ABORTED);
        if (hint)
            hint_note(h, t, hint);
        if (!(bits & XID_LOOK_VISIBLE))
            return read_past(xmin, s, false);
    }
    if (LIKELY(flags & (HEAP_XMAX_INVALID | HEAP_XMAX_LOCK_ONLY)))
        return true;
    if (UNLIKELY(flags & HEAP_XMAX_MULTI)) {
        xmax = tuple_update_xid(t);
        if (xid_is_current(xmax))
            return tuple_own_cmax(t) >= s->command;
        return !(look(xmax, s) & XID_LOOK_VISIBLE) && read_past(xmax, s, true);
    }
    xmax = tuple_xmax(t);
    if (flags & HEAP_XMAX_COMMITTED)
        return xmax >= s->decided_xid && !(look(xmax, s) & XID_LOOK_VISIBLE) && read_past(xmax, s, true);
    if (xid_is_current(xmax))
        return tuple_own_cmax(t) >= s->command;
    bits = look(xmax, s);
    if (bits & (XID_LOOK_ABORTED | XID_LOOK_HINT_COMMITTED))
        hint_note(h, t, look_hint(bits, HEAP_XMAX_COMMITTED, HEAP_XMAX_INVALID));
    return !(bits & XID_LOOK_VISIBLE) && read_past(xmax, s, true);
}

/* As of now: committed, or ours. in_progress: as DIRTY, told through s. */
static bool
visible_now(char *t, Snapshot *s, bool dirty)
{
    uint16_t flags = tuple_flags(t);
    Xid x;

    if (dirty)
        s->in_progress_xmin = s->in_progress_xmax = XID_INVALID;
    if (!(flags & HEAP_XMIN_COMMITTED)) {
        x = tuple_xmin(t);
        if (flags & HEAP_XMIN_ABORTED)
            return false;
        if (xid_is_current(x)) {
            if (flags & (HEAP_XMAX_INVALID | HEAP_XMAX_LOCK_ONLY))
                return true;
            return !xid_is_current(tuple_update_xid(t));
        }
        if (!xid_committed_now(x)) {
            if (!dirty || xid_status(x, NULL) != XS_STATUS_IN_PROGRESS)
                /* It may have committed between the two questions. */
                return dirty && xid_committed_now(x) ? visible_now(t, s, dirty) : false;
            s->in_progress_xmin = x;
            return true; /* in the insertion by another */
        }
    }
    if (flags & (HEAP_XMAX_INVALID | HEAP_XMAX_LOCK_ONLY))
        return true;
    x = tuple_update_xid(t);
    if (x == XID_INVALID)
        return true;
    if (xid_is_current(x))
        return false;
    if (xid_committed_now(x))
        return false;
    if (dirty && xid_status(x, NULL) == XS_STATUS_IN_PROGRESS)
        s->in_progress_xmax = x;
    else if (dirty && xid_committed_now(x))
        return false;
    return true;
}

/* A chunk is reached through its owner's row, whose visibility has been decided. */
static bool
visible_toast(char *t)
{
    uint16_t flags = tuple_flags(t);
    Xid xmin = tuple_xmin(t);

    if (flags & HEAP_XMIN_COMMITTED)
        return true;
    if (flags & HEAP_XMIN_ABORTED)
        return false;
    return xid_is_current(xmin) || xid_status(xmin, NULL) != XS_STATUS_ABORTED;
}

bool
tuple_visible_hints(char *t, const Snapshot *s, HintState *h)
{
    switch (s->kind) {
    case SNAPSHOT_MVCC:
        return visible_mvcc(t, s, h);
    case SNAPSHOT_SELF:
        return visible_now(t, (Snapshot *)(uintptr_t)s, false);
    case SNAPSHOT_DIRTY:
        return visible_now(t, (Snapshot *)(uintptr_t)s, true);
    case SNAPSHOT_TOAST:
        return visible_toast(t);
    default:
        return true;
    }
}

bool
tuple_visible(char *tup, const Snapshot *s, Buf buf)
{
    HintState h;
    bool r;

    h.buf = buf;
    h.n = 0;
    r = tuple_visible_hints(tup, s, &h);
    hint_end(&h);
    return r;
}

/* ---- what vacuum makes of a tuple ---- */

/* Writes a hint under the exclusive lock that vacuum and pruning hold; the page need not be
 * dirtied. */
static inline void
hint_locked(char *t, uint16_t add)
{
    tuple_set_flags(t, tuple_flags(t) | add);
}

static TupleState
deleter_state(char *t, uint16_t flags, Lsn horizon)
{
    Xid x = tuple_update_xid(t);
    Lsn csn;

    if (x == XID_INVALID)
        return TUPLE_LIVE;
    if (xid_is_current(x))
        return TUPLE_DELETE_IN_PROGRESS;
    switch (xid_status(x, &csn)) {
    case XS_STATUS_IN_PROGRESS:
        return TUPLE_DELETE_IN_PROGRESS;
    case XS_STATUS_ABORTED:
        if (!(flags & HEAP_XMAX_MULTI)) /* a multixact may still hold locks */
            hint_locked(t, HEAP_XMAX_INVALID);
        return TUPLE_LIVE;
    default:
        if (!(flags & HEAP_XMAX_MULTI) && csn <= wal_flushed())
            hint_locked(t, HEAP_XMAX_COMMITTED);
        return csn <= horizon ? TUPLE_DEAD : TUPLE_RECENTLY_DEAD;
    }
}

TupleState
tuple_vacuum_state(char *t, Lsn horizon, Buf buf)
{
    uint16_t flags = tuple_flags(t);
    Lsn csn;

    if (!(flags & HEAP_XMIN_COMMITTED)) {
        Xid xmin = tuple_xmin(t);

        if (flags & HEAP_XMIN_ABORTED)
            return TUPLE_DEAD;
        if (xid_is_current(xmin)) {
            if (flags & (HEAP_XMAX_INVALID | HEAP_XMAX_LOCK_ONLY))
                return TUPLE_INSERT_IN_PROGRESS;
            return xid_is_current(tuple_update_xid(t)) ? TUPLE_DELETE_IN_PROGRESS
                                                       : TUPLE_INSERT_IN_PROGRESS;
        }
        switch (xid_status(xmin, &csn)) {
        case XS_STATUS_IN_PROGRESS:
            return TUPLE_INSERT_IN_PROGRESS;
        case XS_STATUS_ABORTED:
            hint_locked(t, HEAP_XMIN_ABORTED);
            return TUPLE_DEAD;
        default:
            if (csn <= wal_flushed())
                hint_locked(t, HEAP_XMIN_COMMITTED);
        }
    }
    if (flags & (HEAP_XMAX_INVALID | HEAP_XMAX_LOCK_ONLY))
        return TUPLE_LIVE;
    return deleter_state(t, flags, horizon);
}

bool
tuple_surely_dead(const char *t, Lsn horizon)
{
    uint16_t flags = tuple_flags(t);
    Xid x;
    Lsn csn;

    if (!(flags & HEAP_XMIN_COMMITTED)) {
        x = tuple_xmin(t);
        if (flags & HEAP_XMIN_ABORTED)
            return true;
        if (xid_is_current(x))
            return false;
        switch (xid_status(x, NULL)) {
        case XS_STATUS_IN_PROGRESS:
            return false;
        case XS_STATUS_ABORTED:
            return true;
        default:
            break;
        }
    }
    if (flags & (HEAP_XMAX_INVALID | HEAP_XMAX_LOCK_ONLY | HEAP_XMAX_MULTI))
        return false;
    x = tuple_xmax(t);
    return !xid_is_current(x) && xid_status(x, &csn) == XS_STATUS_COMMITTED && csn <= horizon;
}
