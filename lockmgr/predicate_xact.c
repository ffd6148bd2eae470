/*
 * The life of a serializable transaction: registered with its snapshot, active, prepared, finished, and
 * forgotten when no snapshot in use or to come is older than its end.
 *
 *   pred_begin -> ACTIVE -> pred_commit_check -> PREPARED -> pred_committed -> COMMITTED (finished list)
 *                   |                                                             |
 *                   +-> pred_abort, or found safe: free     cleanup: free; no room: pred_summarise
 *
 * A transaction that is read only is safe when no unfinished writer has an older snapshot and none that
 * has finished, unseen by it, has read past something it does see (rule 6).
 */
#include "core/base/interrupt.h"
#include "lockmgr/predicate_internal.h"

bool pred_tracking;
PredXact *pred_me;

/* ---- finding by id and csn ---- */

static inline int32_t *
xid_bucket(Xid xid)
{
    return &pred_by_xid[xid & (pred_shared->xid_buckets - 1)];
}

static inline int32_t *
csn_bucket(Lsn csn)
{
    return &pred_by_csn[csn / 8 & (pred_shared->xid_buckets - 1)]; /* records are 8-aligned */
}

PredXact *
pred_find(Xid xid, Lsn csn)
{
    int32_t i = *xid_bucket(xid);

    while (i != PRED_NIL && pred_xacts[i].xid != xid)
        i = pred_xacts[i].xid_next;
    if (i == PRED_NIL && csn != 0) { /* a subtransaction's id: its commit is its top's */
        for (i = *csn_bucket(csn); i != PRED_NIL && pred_xacts[i].low != csn; i = pred_xacts[i].csn_next)
            ;
        if (i == PRED_NIL) /* its top has published the csn and is about to tell us */
            for (i = pred_shared->active_head; i != PRED_NIL; i = pred_xacts[i].next)
                if (pred_xacts[i].state == PX_PREPARED && xid > pred_xacts[i].xid && xid <= pred_xacts[i].last_sub &&
                    pred_xacts[i].low <= csn)
                    break;
    }
    return i == PRED_NIL ? NULL : &pred_xacts[i];
}

static void
xid_unlink(PredXact *x)
{
    int32_t *link = xid_bucket(x->xid);

    while (*link != pred_index(x))
        link = &pred_xacts[*link].xid_next;
    *link = x->xid_next;
}

static void
csn_unlink(PredXact *x)
{
    int32_t *link = csn_bucket(x->low);

    while (*link != pred_index(x))
        link = &pred_xacts[*link].csn_next;
    *link = x->csn_next;
}

void
pred_set_xid(Xid xid)
{
    PredXact *me = pred_me;

    if (!pred_tracking)
        return;
    lw_acquire(pred_graph(), LW_EXCLUSIVE);
    me->xid = xid;
    me->xid_next = *xid_bucket(xid);
    *xid_bucket(xid) = pred_index(me);
    lw_release(pred_graph());
}

/* ---- lists ---- */

static void
list_unlink(PredXact *x, int32_t *head, int32_t *tail)
{
    if (x->prev != PRED_NIL)
        pred_xacts[x->prev].next = x->next;
    else
        *head = x->next;
    if (x->next != PRED_NIL)
        pred_xacts[x->next].prev = x->prev;
    else
        *tail = x->prev;
}

/* Behind `after`, or first. */
static void
list_insert(PredXact *x, int32_t after, int32_t *head, int32_t *tail)
{
    int32_t i = pred_index(x);

    x->prev = after;
    x->next = after != PRED_NIL ? pred_xacts[after].next : *head;
    if (after != PRED_NIL)
        pred_xacts[after].next = i;
    else
        *head = i;
    if (x->next != PRED_NIL)
        pred_xacts[x->next].prev = i;
    else
        *tail = i;
}

static void active_unlink(PredXact *x) { list_unlink(x, &pred_shared->active_head, &pred_shared->active_tail); }
void pred_finished_unlink(PredXact *x) { list_unlink(x, &pred_shared->finished_head, &pred_shared->finished_tail); }

static void
finished_insert(PredXact *x)
{
    int32_t after = pred_shared->finished_tail;

    while (after != PRED_NIL && pred_end(&pred_xacts[after]) > pred_end(x))
        after = pred_xacts[after].prev;
    list_insert(x, after, &pred_shared->finished_head, &pred_shared->finished_tail);
}

/* On no list, without locks and edges. */
void
pred_xact_free(PredXact *x)
{
    PredShared *s = pred_shared;

    ASSERT(x->locks == PRED_NIL && x->in == PRED_NIL && x->out == PRED_NIL);
    if (x->xid != XID_INVALID)
        xid_unlink(x);
    if (x->state == PX_COMMITTED && !x->read_only)
        csn_unlink(x);
    if (x->covers_all)
        atomic_fetch_sub_explicit(&s->covering, 1, memory_order_relaxed); /* late is harmless */
    x->state = PX_FREE;
    x->next = s->free_xacts;
    s->free_xacts = pred_index(x);
    atomic_fetch_sub_explicit(&s->users, 1, memory_order_relaxed); /* late is harmless */
}

/* ---- forgetting ---- */

static void
cleanup(Lsn visible)
{
    PredShared *s = pred_shared;
    Lsn limit = visible, writers = visible;

    for (int32_t i = s->active_head; i != PRED_NIL; i = pred_xacts[i].next) {
        const PredXact *x = &pred_xacts[i];

        limit = MIN(limit, x->snapshot);
        if (!x->read_only)
            writers = MIN(writers, x->snapshot);
    }
    while (s->finished_head != PRED_NIL && pred_end(&pred_xacts[s->finished_head]) <= limit) {
        PredXact *x = &pred_xacts[s->finished_head];

        pred_finished_unlink(x);
        pred_release_locks(x);
        pred_xact_free(x);
    }
    /* Locks are there for writers; read-only transactions need the rest. */
    for (int32_t i = s->finished_head; i != PRED_NIL && pred_end(&pred_xacts[i]) <= writers; i = pred_xacts[i].next)
        if (!pred_xacts[i].locks_gone) {
            pred_release_locks(&pred_xacts[i]);
            pred_xacts[i].locks_gone = true;
        }
    pred_summary_cleanup(limit);
}

void
pred_cleanup(Lsn visible)
{
    /* relaxed: what is missed is for the next one */
    if (atomic_load_explicit(&pred_shared->users, memory_order_relaxed) == 0)
        return;
    lw_acquire(pred_graph(), LW_EXCLUSIVE);
    cleanup(visible);
    lw_release(pred_graph());
}

/* ---- read-only transactions ---- */

static void
wake(PredXact *x)
{
    if (x->waiting)
        latch_set(&proc_slots[x->slot].latch);
}

/* An unfinished writer might still come to threaten r. */
static bool
is_pending(const PredXact *r)
{
    for (int32_t i = pred_shared->active_head; i != PRED_NIL; i = pred_xacts[i].next)
        if (!pred_xacts[i].read_only && pred_xacts[i].snapshot < r->snapshot)
            return true;
    return false;
}

/* r does not see w, which has read past something that r does see: r -> w -> T3. */
static bool
threatens(const PredXact *w, const PredXact *r)
{
    return !w->read_only && w->low > r->snapshot && w->earliest_out <= r->snapshot;
}

static bool
finished_threaten(const PredXact *r)
{
    for (int32_t i = pred_shared->finished_tail; i != PRED_NIL && pred_end(&pred_xacts[i]) > r->snapshot; i = pred_xacts[i].prev)
        if (threatens(&pred_xacts[i], r))
            return true;
    return pred_summary_threatens(r->snapshot);
}

/* `ended` has left the active list. */
static void
settle_readers(const PredXact *ended, bool committed)
{
    for (int32_t i = pred_shared->active_head; i != PRED_NIL; i = pred_xacts[i].next) {
        PredXact *r = &pred_xacts[i];

        if (!r->read_only || r->unsafe || ended->snapshot >= r->snapshot)
            continue;
        if (committed && threatens(ended, r))
            r->unsafe = true;
        else if (!is_pending(r))
            /* relaxed: the owner takes the graph lock before it acts on it */
            atomic_store_explicit(&r->safe, 1, memory_order_relaxed);
        else
            continue;
        wake(r);
    }
}

/* ---- begin and end ---- */

static PredXact *
xact_new(bool read_only, Lsn (*take)(void))
{
    PredShared *s = pred_shared;
    PredXact *x;

    if (s->free_xacts == PRED_NIL)
        pred_summarise(&pred_xacts[s->finished_head]); /* the active ones alone never fill the pool */
    x = &pred_xacts[s->free_xacts];
    s->free_xacts = x->next;
    x->state = PX_ACTIVE;
    x->read_only = read_only;
    x->waiting = x->unsafe = x->covers_all = x->locks_gone = false;
    /* relaxed: published by the graph lock */
    atomic_store_explicit(&x->doomed, 0, memory_order_relaxed);
    atomic_store_explicit(&x->safe, 0, memory_order_relaxed);
    x->seq = s->next_seq++;
    x->xid = x->last_sub = XID_INVALID;
    x->low = x->earliest_out = PRED_LSN_NEVER;
    x->latest_in = 0;
    x->slot = proc_self->index;
    x->pid = atomic_load_explicit(&proc_self->pid, memory_order_relaxed); /* our own */
    x->local_xact = proc_self->local_xact;
    x->snapshot = take();
    /* relaxed: who looks without the graph lock is ordered by the lock of the page we read */
    atomic_fetch_add_explicit(&s->users, 1, memory_order_relaxed);
    return x;
}

bool
pred_begin(bool read_only, Lsn (*take)(void))
{
    PredXact *x;

    ASSERT(!pred_me && !pred_tracking);
    pred_local_reset();
    lw_acquire(pred_graph(), LW_EXCLUSIVE);
    x = xact_new(read_only, take);
    if (read_only) {
        x->unsafe = finished_threaten(x);
        if (!x->unsafe && !is_pending(x)) {
            pred_xact_free(x);
            lw_release(pred_graph());
            return false;
        }
    }
    list_insert(x, pred_shared->active_tail, &pred_shared->active_head, &pred_shared->active_tail);
    pred_me = x;
    pred_tracking = true;
    lw_release(pred_graph());
    return true;
}

static void
forget_me(Lsn visible)
{
    PredXact *me = pred_me;

    lw_acquire(pred_graph(), LW_EXCLUSIVE);
    active_unlink(me);
    pred_drop_edges(me);
    pred_release_locks(me);
    settle_readers(me, false);
    pred_xact_free(me);
    cleanup(visible);
    pred_me = NULL;
    pred_tracking = false;
    lw_release(pred_graph());
}

void
pred_abort(Lsn visible)
{
    if (pred_me)
        forget_me(visible);
}

void
pred_leave_if_safe_slow(void)
{
    forget_me(0);
}

void
pred_committed(Lsn csn, Lsn visible)
{
    PredXact *me = pred_me;

    if (!me)
        return;
    lw_acquire(pred_graph(), LW_EXCLUSIVE);
    me->state = PX_COMMITTED;
    if (csn != 0) {
        me->low = csn;
        me->csn_next = *csn_bucket(csn);
        *csn_bucket(csn) = pred_index(me);
    } else {
        me->read_only = true; /* it has turned out so */
        me->low = PRED_LSN_NEVER;
    }
    active_unlink(me);
    pred_fold_edges(me);
    settle_readers(me, true);
    finished_insert(me);
    cleanup(visible);
    pred_me = NULL;
    pred_tracking = false;
    lw_release(pred_graph());
}

bool
pred_wait_safe(void)
{
    PredXact *me = pred_me;
    bool unsafe, safe;

    for (;;) {
        latch_reset(&proc_self->latch);
        lw_acquire(pred_graph(), LW_EXCLUSIVE);
        unsafe = me->unsafe;
        safe = atomic_load_explicit(&me->safe, memory_order_relaxed) != 0;
        me->waiting = !unsafe && !safe;
        lw_release(pred_graph());
        if (unsafe)
            return false;
        if (safe) {
            pred_leave_if_safe_slow();
            return true;
        }
        CHECK_INTERRUPTS();
        (void)latch_wait(WAIT_LATCH, -1, -1, WAIT_EVENT_SAFE_SNAPSHOT);
    }
}
