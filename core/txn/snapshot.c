/*
 * Snapshots: one LSN each. Taking one costs a few loads and, if this process does not hold an older
 * one already, one store and one fence that let the vacuum horizon know of it (rule 8).
 */
#include "core/txn/txn_internal.h"

#define LATEST_SLOTS 64

typedef struct SnapEntry { /* a pooled snapshot: active stack or registered */
    Snapshot s;            /* first: handed out as Snapshot * */
    struct SnapEntry *next;
    int nesting;     /* of the transaction level that pushed it */
    ResOwner *owner; /* registered: who releases it on error */
} SnapEntry;

static struct {
    SnapEntry *active;     /* stack */
    SnapEntry *registered; /* list, newest first */
    SnapEntry *free;
    Snapshot latest[LATEST_SLOTS]; /* rotating: users that need one for long copy it */
    unsigned latest_pos;
    Lsn latest_oldest; /* oldest handed out by snapshot_latest since nothing was active; MAX: none
                        */
    Snapshot statement;
    bool has_transaction_snapshot;
    Snapshot transaction; /* repeatable read and serializable */
    bool taken;
    Lsn published; /* mirror of proc_self->snapshot_lsn */
    /* A pair known to hold for all later snapshots, and one that will once its lsn is visible. */
    Xid floor_xid, pending_xid;
    Lsn pending_lsn;
} snap = {.latest_oldest = UINT64_MAX, .published = UINT64_MAX};

/* ---- the visible end of the log ---- */

Lsn
visible_end(void)
{
    /* acquire: what is committed below this LSN is at least COMMITTING for us */
    Lsn a = atomic_load_explicit(&txn_shared->async_visible, memory_order_acquire);
    Lsn f = wal_flushed();

    return MAX(a, f);
}

void
visible_end_move(Lsn csn)
{
    Lsn cur = atomic_load_explicit(&txn_shared->async_visible, memory_order_relaxed);

    /* release: pairs with visible_end's acquire */
    while (cur < csn &&
           !atomic_compare_exchange_weak_explicit(&txn_shared->async_visible, &cur, csn,
                                                  memory_order_release, memory_order_relaxed))
        ;
}

/* ---- publication ---- */

static void
publish(Lsn l, Xid xmin)
{
    snap.published = l;
    if (!proc_self)
        return;
    atomic_store_explicit(&proc_self->xmin, xmin, memory_order_relaxed); /* observers only */
    /* release: who reads MAX may prune what this process no longer looks at */
    atomic_store_explicit(&proc_self->snapshot_lsn, l, memory_order_release);
}

/* Takes the LSN of a new snapshot and makes sure the horizon respects it. */
static Lsn
take_lsn(void)
{
    for (;;) {
        Lsn l = visible_end();

        if (UNLIKELY(txn_state.depends > l))
            l = txn_state.depends;
        if (snap.published <= l)
            return l; /* an older one already holds the horizon back */
        publish(l, snap.floor_xid);
        /* Between our store and our load, while horizon_compute stores the bound and loads the
         * slots: either it sees our LSN, or we see its bound. */
        atomic_thread_fence(memory_order_seq_cst);
        if (LIKELY(atomic_load_explicit(&txn_shared->horizon_published, memory_order_relaxed) <= l))
            return l;
        snap.published = UINT64_MAX; /* too old already: take a newer one */
    }
}

/* Publishes the oldest LSN still in use. */
static void
republish(void)
{
    Lsn oldest = snap.latest_oldest;

    for (SnapEntry *e = snap.active; e; e = e->next)
        if (e->s.kind == SNAPSHOT_MVCC) /* the others look at what is there now and have no LSN */
            oldest = MIN(oldest, e->s.lsn);
    for (SnapEntry *e = snap.registered; e; e = e->next)
        if (e->s.kind == SNAPSHOT_MVCC)
            oldest = MIN(oldest, e->s.lsn);
    if (snap.has_transaction_snapshot)
        oldest = MIN(oldest, snap.transaction.lsn);
    if (oldest != snap.published)
        publish(oldest, oldest == UINT64_MAX ? 0 : snap.floor_xid);
}

/* ---- building ---- */

/* The highest id below which everything is decided and visible for snapshots at or after lsn. */
static Xid
decided_floor(Lsn lsn)
{
    TxnShared *t = txn_shared;

    if (snap.pending_xid > snap.floor_xid && snap.pending_lsn <= lsn)
        snap.floor_xid = snap.pending_xid;
    /* acquire: xid before lsn, the writer stores in the other order; so lsn is not too low for xid
     */
    Xid x = atomic_load_explicit(&t->decided_xid, memory_order_acquire);
    if (x > snap.floor_xid) {
        Lsn l = atomic_load_explicit(&t->decided_lsn, memory_order_acquire);

        if (l <= lsn) {
            snap.floor_xid = x;
        } else if (snap.pending_xid <= snap.floor_xid) {
            snap.pending_xid = x;
            snap.pending_lsn = l;
        }
    }
    return snap.floor_xid;
}

/* Strong locks were taken since: what their earlier holders committed must be seen, durable or not. */
void
snapshot_note_strong_locks(void)
{
    if (UNLIKELY(lock_strong_acquired != txn_state.strong_locks_seen)) {
        txn_state.strong_locks_seen = lock_strong_acquired;
        txn_depend_on(wal_insert_position());
    }
}

void
snapshot_take(Snapshot *s)
{
    s->kind = SNAPSHOT_MVCC;
    s->serializable = false;
    snapshot_note_strong_locks();
    s->lsn = take_lsn();
    s->decided_xid = decided_floor(s->lsn);
    s->command = txn_state.command;
    s->registrations = 0;
    snap.taken = true;
}

const Snapshot *
snapshot_latest(void)
{
    Snapshot *s = &snap.latest[++snap.latest_pos % LATEST_SLOTS];

    snapshot_take(s);
    if (s->lsn < snap.latest_oldest)
        snap.latest_oldest = s->lsn;
    return s;
}

const Snapshot *
snapshot_for_statement(void)
{
    if (txn_isolation <= ISO_READ_COMMITTED) {
        snapshot_take(&snap.statement);
        /* Until it is pushed or registered the horizon knows it as one of the latest. */
        if (snap.statement.lsn < snap.latest_oldest)
            snap.latest_oldest = snap.statement.lsn;
        return &snap.statement;
    }
    if (!snap.has_transaction_snapshot) {
        if (UNLIKELY(txn_isolation == ISO_SERIALIZABLE))
            serial_take_snapshot(&snap.transaction);
        else
            snapshot_take(&snap.transaction);
        snap.has_transaction_snapshot = true;
    }
    snap.transaction.command = txn_state.command;
    return &snap.transaction;
}

void
snapshot_discard(void)
{
    republish(); /* it is not on record yet: only what was published remembers it */
}

/* ---- the pool ---- */

static SnapEntry *
entry_new(const Snapshot *s)
{
    SnapEntry *e = snap.free;

    if (e)
        snap.free = e->next;
    else
        e = arena_alloc(arena_top(), sizeof *e);
    e->s = *s;
    e->nesting = txn_state.level ? txn_state.level->nesting : 0;
    return e;
}

static void
entry_free(SnapEntry *e)
{
    e->next = snap.free;
    snap.free = e;
}

static void
registered_drop(void *arg)
{
    SnapEntry *e = arg;

    for (SnapEntry **p = &snap.registered; *p; p = &(*p)->next)
        if (*p == e) {
            *p = e->next;
            entry_free(e);
            republish();
            return;
        }
}

Snapshot *
snapshot_register(const Snapshot *s)
{
    SnapEntry *e;

    for (e = snap.registered; e; e = e->next)
        if (&e->s == s) {
            e->s.registrations++;
            return &e->s;
        }
    e = entry_new(s);
    e->s.registrations = 1;
    e->next = snap.registered;
    snap.registered = e;
    e->owner = res_current;
    if (e->owner)
        res_remember(e->owner, registered_drop, e);
    return &e->s;
}

void
snapshot_unregister(Snapshot *s)
{
    SnapEntry *e = (SnapEntry *)(void *)s;

    ASSERT(s->registrations > 0);
    if (--s->registrations > 0)
        return;
    if (e->owner)
        res_forget(e->owner, registered_drop, e);
    registered_drop(e);
}

Snapshot *
snapshot_active(void)
{
    return snap.active ? &snap.active->s : NULL;
}

void
snapshot_push_active(const Snapshot *s)
{
    SnapEntry *e = entry_new(s);

    e->next = snap.active;
    snap.active = e;
}

static void
active_emptied(void)
{
    if (!snap.active)
        snap.latest_oldest = UINT64_MAX;
    republish();
}

void
snapshot_pop_active(void)
{
    SnapEntry *e = snap.active;

    ASSERT(e);
    snap.active = e->next;
    entry_free(e);
    active_emptied();
}

void
snapshot_update_active_command(void)
{
    ASSERT(snap.active);
    snap.active->s.command = txn_state.command;
}

/* ---- transaction life ---- */

/* A new process: what it was forked with is its parent's. */
void
snapshot_process_init(void)
{
    memset(&snap, 0, sizeof snap);
    snap.latest_oldest = snap.published = UINT64_MAX;
}

void
snapshot_at_begin(void)
{
    snap.taken = false;
    ASSERT(!snap.active && !snap.has_transaction_snapshot);
}

bool
snapshot_was_taken(void)
{
    return snap.taken;
}

void
snapshot_at_sub_end(int nesting)
{
    bool changed = false;

    while (snap.active && snap.active->nesting >= nesting) {
        SnapEntry *e = snap.active;

        snap.active = e->next;
        entry_free(e);
        changed = true;
    }
    if (changed)
        active_emptied();
}

void
snapshot_at_end(void)
{
    while (snap.active) {
        SnapEntry *e = snap.active;

        snap.active = e->next;
        entry_free(e);
    }
    while (snap.registered) { /* the owners have been released: these have none */
        SnapEntry *e = snap.registered;

        snap.registered = e->next;
        entry_free(e);
    }
    snap.has_transaction_snapshot = false;
    snap.latest_oldest = UINT64_MAX;
    if (snap.published != UINT64_MAX)
        publish(UINT64_MAX, 0);
}

/* ---- asking a snapshot ---- */

bool
xid_csn_in_snapshot(Xid xid, const Snapshot *s)
{
    if (xid < s->decided_xid)
        return true;
    for (;;) {
        uint64_t w = csn_read(xid);

        switch (CSN_GET_TAG(w)) {
        case CSN_TAG_CSN:
            return w != 0 && CSN_PAYLOAD(w) <= s->lsn;
        case CSN_TAG_SUB:
            xid = CSN_PAYLOAD(w);
            continue;
        case CSN_TAG_COMMITTING:
            if (CSN_PAYLOAD(w) >= s->lsn)
                return false; /* its csn will be greater still */
            w = csn_resolve(xid, true);
            return CSN_GET_TAG(w) == CSN_TAG_CSN && w != 0 && CSN_PAYLOAD(w) <= s->lsn;
        default:
            return false;
        }
    }
}

bool
xid_in_snapshot(Xid xid, const Snapshot *s)
{
    if (!xid_is_normal(xid))
        return xid != XID_INVALID;
    if (xid < s->decided_xid) {
        uint64_t w = csn_resolve(xid, true);

        return CSN_GET_TAG(w) == CSN_TAG_CSN && w != 0;
    }
    return xid_csn_in_snapshot(xid, s);
}

unsigned
xid_look(Xid xid, const Snapshot *s)
{
    uint64_t w;
    Lsn csn;

    if (!xid_is_normal(xid))
        return xid == XID_INVALID ? XID_LOOK_ABORTED : XID_LOOK_VISIBLE | XID_LOOK_HINT_COMMITTED;
    w = csn_resolve(xid, false);
    if (CSN_GET_TAG(w) == CSN_TAG_COMMITTING) {
        if (CSN_PAYLOAD(w) >= s->lsn)
            return 0; /* its csn will be greater still */
        w = csn_resolve(xid, true);
    }
    if (CSN_GET_TAG(w) == CSN_TAG_ABORTED)
        return XID_LOOK_ABORTED;
    if (CSN_GET_TAG(w) != CSN_TAG_CSN || w == 0)
        return 0;
    csn = CSN_PAYLOAD(w);
    return (csn <= s->lsn ? XID_LOOK_VISIBLE : 0) |
           (csn <= wal_flushed() ? XID_LOOK_HINT_COMMITTED : 0);
}
