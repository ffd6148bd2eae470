/*
 * xmax: who changed or locks a tuple, who has to wait for whom, and what a further change writes
 * there.
 *
 * The protocol is PostgreSQL's: lock modes in the tuple header, several lockers as a multixact, the
 * heavyweight tuple lock as the queue in which waiters stand. Waiting is a loop: look at the tuple
 * under the page's lock; if somebody's lock conflicts, let go of the page, take the tuple lock,
 * wait for those transactions, and look again from the start. The pin keeps the tuple in its place
 * meanwhile.
 */
#include "core/access/heap/heap_internal.h"

static const uint8_t mode_conflicts[4] = {
    [ROW_KEY_SHARE] = 1u << ROW_EXCLUSIVE,
    [ROW_SHARE] = 1u << ROW_NO_KEY_EXCLUSIVE | 1u << ROW_EXCLUSIVE,
    [ROW_NO_KEY_EXCLUSIVE] = 1u << ROW_SHARE | 1u << ROW_NO_KEY_EXCLUSIVE | 1u << ROW_EXCLUSIVE,
    [ROW_EXCLUSIVE] = 15,
};

bool
row_modes_conflict(RowLockMode a, RowLockMode b)
{
    return mode_conflicts[a] >> b & 1;
}

LockMode
row_lock_heavy(RowLockMode m)
{
    static const LockMode heavy[4] = {LOCK_ACCESS_SHARE, LOCK_ROW_SHARE, LOCK_EXCLUSIVE,
                                      LOCK_ACCESS_EXCLUSIVE};

    return heavy[m];
}

static RowLockMode
status_mode(MultiStatus st)
{
    static const RowLockMode modes[] = {ROW_KEY_SHARE,        ROW_SHARE,
                                        ROW_NO_KEY_EXCLUSIVE, ROW_EXCLUSIVE,
                                        ROW_NO_KEY_EXCLUSIVE, ROW_EXCLUSIVE};

    return modes[st];
}

static MultiStatus
mode_status(RowLockMode m, bool is_update)
{
    if (is_update)
        return m == ROW_EXCLUSIVE ? MULTI_UPDATE : MULTI_NO_KEY_UPDATE;
    return (MultiStatus)m; /* the first four are in the order of the modes */
}

static inline bool
status_is_update(MultiStatus st)
{
    return st >= MULTI_NO_KEY_UPDATE;
}

/* Status of a plain xmax by its flags. */
static MultiStatus
plain_status(uint16_t flags)
{
    if (!(flags & HEAP_XMAX_LOCK_ONLY))
        return flags & HEAP_KEYS_UPDATED ? MULTI_UPDATE : MULTI_NO_KEY_UPDATE;
    switch (flags & HEAP_LOCK_BITS) {
    case HEAP_LOCK_KEY_SHARE:
        return MULTI_KEY_SHARE;
    case HEAP_LOCK_BITS:
        return MULTI_SHARE;
    default:
        return flags & HEAP_KEYS_UPDATED ? MULTI_UPDATE_LOCK : MULTI_NO_KEY_UPDATE_LOCK;
    }
}

static uint16_t
lock_flags(RowLockMode m)
{
    static const uint16_t flags[4] = {HEAP_LOCK_KEY_SHARE, HEAP_LOCK_BITS, HEAP_LOCK_EXCLUSIVE,
                                      HEAP_LOCK_EXCLUSIVE | HEAP_KEYS_UPDATED};

    return flags[m];
}

/* The lockers and updater of xmax as a list, whatever its form; one plain xmax needs no allocation.
 */
static int
xmax_members(const char *t, Arena *a, MultiMember *one, MultiMember **out)
{
    uint16_t flags = tuple_flags(t);

    if (flags & HEAP_XMAX_INVALID)
        return 0;
    if (flags & HEAP_XMAX_MULTI)
        return multi_members(tuple_xmax(t), a, out);
    one->xid = tuple_xmax(t);
    one->status = plain_status(flags);
    *out = one;
    return 1;
}

static Arena *
scratch_begin(ArenaMark *m)
{
    static Arena *scratch;

    if (!scratch)
        scratch = arena_create(arena_top(), "row locks");
    *m = arena_mark(scratch);
    return scratch;
}

Xid
tuple_update_xid(const char *t)
{
    uint16_t flags = tuple_flags(t);
    MultiMember *m;
    ArenaMark mark;
    Arena *a;
    Xid r = XID_INVALID;
    int n;

    if (flags & (HEAP_XMAX_INVALID | HEAP_XMAX_LOCK_ONLY))
        return XID_INVALID;
    if (LIKELY(!(flags & HEAP_XMAX_MULTI)))
        return tuple_xmax(t);
    a = scratch_begin(&mark);
    n = multi_members(tuple_xmax(t), a, &m);
    for (int i = 0; i < n; i++)
        if (status_is_update(m[i].status))
            r = m[i].xid;
    arena_release(a, mark);
    return r;
}

/* ---- is the tuple there to be changed ---- */

/* Is any member of the multixact in progress (ours included)? Notes those that committed. */
static bool
multi_running(const char *t)
{
    ArenaMark mark;
    Arena *a = scratch_begin(&mark);
    MultiMember *m;
    bool running = false;
    int n = multi_members(tuple_xmax(t), a, &m);

    for (int i = 0; i < n && !running; i++)
        running = xid_is_current(m[i].xid) || (!xid_committed_now(m[i].xid) &&
                                               xid_status(m[i].xid, NULL) == XS_STATUS_IN_PROGRESS);
    arena_release(a, mark);
    return running;
}

static TmResult
gone(const char *t, ItemPtr self)
{
    return tuple_ctid_is(t, self) ? TM_DELETED : TM_UPDATED;
}

static TmResult
own_changed(const char *t, CommandId cid)
{
    return tuple_own_cmax(t) >= cid ? TM_SELF_MODIFIED : TM_INVISIBLE;
}

/* The lock or change in xmax came to nothing. Committed lockers leave the hint only once durable:
 * who waited for them must come to know of their commit (core/txn rule 6). */
static void
xmax_forget(char *t, Xid plain)
{
    if (plain == XID_INVALID ||
        xid_hint_allowed(plain, xid_status(plain, NULL) == XS_STATUS_COMMITTED))
        tuple_set_flags(t, tuple_flags(t) | HEAP_XMAX_INVALID);
}

static TmResult
state_by_xmax(char *t, ItemPtr self, CommandId cid, bool own_xmin)
{
    uint16_t flags = tuple_flags(t);
    Xid xmax;

    if (flags & HEAP_XMAX_INVALID)
        return TM_OK;
    if ((flags & (HEAP_XMAX_COMMITTED | HEAP_XMAX_MULTI)) == HEAP_XMAX_COMMITTED)
        return flags & HEAP_XMAX_LOCK_ONLY ? TM_OK : gone(t, self);
    if (flags & HEAP_XMAX_MULTI) {
        Xid upd = tuple_update_xid(t);

        if (upd != XID_INVALID && xid_is_current(upd))
            return own_changed(t, cid);
        if (multi_running(t))
            return TM_BEING_MODIFIED;
        if (upd != XID_INVALID && !own_xmin && xid_committed_now(upd))
            return gone(t, self);
        return TM_OK; /* the set is replaced by the next change; no hint, its members may not be
                         durable */
    }
    xmax = tuple_xmax(t);
    if (xid_is_current(xmax))
        return flags & HEAP_XMAX_LOCK_ONLY ? TM_BEING_MODIFIED : own_changed(t, cid);
    if (xid_committed_now(xmax)) {
        if (flags & HEAP_XMAX_LOCK_ONLY) {
            xmax_forget(t, xmax);
            return TM_OK;
        }
        if (xid_hint_allowed(xmax, true))
            tuple_set_flags(t, flags | HEAP_XMAX_COMMITTED);
        return gone(t, self);
    }
    if (xid_status(xmax, NULL) == XS_STATUS_IN_PROGRESS)
        return TM_BEING_MODIFIED;
    if (xid_status(xmax, NULL) == XS_STATUS_COMMITTED) /* between the questions */
        return state_by_xmax(t, self, cid, own_xmin);
    xmax_forget(t, XID_INVALID);
    return TM_OK;
}

TmResult
tuple_update_state(char *t, ItemPtr self, CommandId cid)
{
    uint16_t flags = tuple_flags(t);

    if (!(flags & HEAP_XMIN_COMMITTED)) {
        Xid xmin = tuple_xmin(t);

        if (flags & HEAP_XMIN_ABORTED)
            return TM_INVISIBLE;
        if (xid_is_current(xmin))
            return tuple_own_cmin(t) >= cid ? TM_INVISIBLE : state_by_xmax(t, self, cid, true);
        if (!xid_committed_now(xmin))
            return TM_INVISIBLE;
        if (xid_hint_allowed(xmin, true))
            tuple_set_flags(t, flags | HEAP_XMIN_COMMITTED);
    }
    return state_by_xmax(t, self, cid, false);
}

bool
xmax_own_lock(const char *t, RowLockMode mode)
{
    ArenaMark mark;
    Arena *a;
    MultiMember one, *m;
    bool own = false;
    int n;

    if (tuple_flags(t) & HEAP_XMAX_INVALID)
        return false;
    a = scratch_begin(&mark);
    n = xmax_members(t, a, &one, &m);
    for (int i = 0; i < n; i++)
        own |= status_mode(m[i].status) >= mode && xid_is_current(m[i].xid);
    arena_release(a, mark);
    return own;
}

int
xmax_blockers(const char *t, RowLockMode mode, Arena *a, Xid **out)
{
    MultiMember one, *m;
    int n = xmax_members(t, a, &one, &m), k = 0;
    bool changed = false;

    *out = NULL;
    for (int i = 0; i < n; i++) {
        XidStatus st;

        if (!row_modes_conflict(mode, status_mode(m[i].status)) || xid_is_current(m[i].xid))
            continue;
        st = xid_status(m[i].xid, NULL);
        if (st != XS_STATUS_IN_PROGRESS) {
            changed |= status_is_update(m[i].status) && xid_committed_now(m[i].xid);
            continue;
        }
        if (!*out)
            *out = arena_alloc(a, sizeof(Xid) * (size_t)n);
        (*out)[k++] = m[i].xid;
    }
    return k == 0 && changed ? -1 : k;
}

/* ---- waiting ---- */

void
tuple_lock_release(HeapRel *rel, ItemPtr tid, RowLockMode mode, bool *have)
{
    if (*have)
        (void)lock_release(lock_tag_tuple(rel->db, rel->oid, tid.block, tid.off),
                           row_lock_heavy(mode), false);
    *have = false;
}

/* The queue for the row. False: it would block. */
static bool
tuple_lock_take(HeapRel *rel, ItemPtr tid, RowLockMode mode, WaitPolicy policy, bool *have)
{
    LockTag tag = lock_tag_tuple(rel->db, rel->oid, tid.block, tid.off);

    if (*have)
        return true;
    if (policy == WAIT_BLOCK) {
        lock_acquire_or_raise(tag, row_lock_heavy(mode));
    } else {
        LockResult r = lock_acquire(tag, row_lock_heavy(mode), false, true);

        if (r != LOCK_OK && r != LOCK_ALREADY_HELD)
            return false;
    }
    *have = true;
    return true;
}

NORETURN static void
raise_not_available(HeapRel *rel)
{
    RAISE(SQLSTATE_LOCK_NOT_AVAILABLE, "could not obtain lock on row in relation \"%s\"",
          rel->name);
}

TmResult
tuple_wait_ready(HeapRel *rel, Buf buf, char *t, ItemPtr self, CommandId cid, RowLockMode mode,
                 WaitPolicy policy, bool *have_tuple_lock)
{
    for (;;) {
        TmResult r = tuple_update_state(t, self, cid);
        ArenaMark mark;
        Arena *a;
        Xid *xids;
        int n;

        if (LIKELY(r != TM_BEING_MODIFIED))
            return r;
        a = scratch_begin(&mark);
        n = xmax_blockers(t, mode, a, &xids);
        if (n <= 0) {
            arena_release(a, mark);
            if (n < 0)
                return gone(t, self); /* committed since we looked, or beside lockers that go on */
            return TM_OK;             /* only we ourselves, or locks that go with ours */
        }
        buf_unlock(buf);
        if (!tuple_lock_take(rel, self, mode, policy, have_tuple_lock)) {
            arena_release(a, mark);
            if (policy == WAIT_ERROR)
                raise_not_available(rel);
            buf_lock(buf, LW_EXCLUSIVE);
            return TM_WOULD_BLOCK;
        }
        for (int i = 0; i < n; i++) {
            Xid x = xids[i]; /* the scratch may be used while we sleep: copy before */

            if (policy == WAIT_BLOCK) {
                xid_wait(x);
            } else if (!xid_wait_try(x)) {
                arena_release(a, mark);
                tuple_lock_release(rel, self, mode, have_tuple_lock);
                if (policy == WAIT_ERROR)
                    raise_not_available(rel);
                buf_lock(buf, LW_EXCLUSIVE);
                return TM_WOULD_BLOCK;
            }
        }
        arena_release(a, mark);
        buf_lock(buf, LW_EXCLUSIVE);
    }
}

/* ---- writing xmax ---- */

/* Flags for a multixact: the strongest member decides the lock bits. */
static uint16_t
multi_flags(const MultiMember *m, int n)
{
    RowLockMode strongest = ROW_KEY_SHARE;
    uint16_t flags = HEAP_XMAX_MULTI | HEAP_XMAX_LOCK_ONLY;

    for (int i = 0; i < n; i++) {
        if (status_mode(m[i].status) > strongest)
            strongest = status_mode(m[i].status);
        if (status_is_update(m[i].status)) {
            flags &= (uint16_t)~HEAP_XMAX_LOCK_ONLY;
            if (m[i].status == MULTI_UPDATE)
                flags |= HEAP_KEYS_UPDATED;
        }
    }
    return flags | lock_flags(strongest);
}

static NewXmax
plain_xmax(Xid me, RowLockMode mode, bool is_update)
{
    if (is_update)
        return (NewXmax){me, mode == ROW_EXCLUSIVE ? HEAP_KEYS_UPDATED : 0};
    return (NewXmax){me, HEAP_XMAX_LOCK_ONLY | lock_flags(mode)};
}

/* Drops members that are over and do not matter; a committed updater stays. Returns how many are
 * left. */
static int
members_prune(MultiMember *m, int n)
{
    int k = 0;

    for (int i = 0; i < n; i++) {
        bool keep =
            xid_is_current(m[i].xid) || xid_status(m[i].xid, NULL) == XS_STATUS_IN_PROGRESS ||
            (status_is_update(m[i].status) && xid_status(m[i].xid, NULL) == XS_STATUS_COMMITTED);

        if (keep)
            m[k++] = m[i];
    }
    return k;
}

NewXmax
xmax_combine(const char *t, Xid me, RowLockMode mode, bool is_update)
{
    ArenaMark mark;
    Arena *a;
    MultiMember one, *old, *all;
    NewXmax r;
    int n;

    if (LIKELY(tuple_flags(t) & HEAP_XMAX_INVALID))
        return plain_xmax(me, mode, is_update);
    a = scratch_begin(&mark);
    n = xmax_members(t, a, &one, &old);
    all = arena_alloc(a, sizeof(MultiMember) * (size_t)(n + 1));
    memcpy(all, old, sizeof(MultiMember) * (size_t)n);
    n = members_prune(all, n);
    /* Our own earlier lock by the same (sub)transaction is merged; one of another level of ours
     * stays: rolling this level back must leave it in force. */
    for (int i = 0; i < n; i++)
        if (all[i].xid == me && !status_is_update(all[i].status)) {
            if (status_mode(all[i].status) > mode)
                mode = status_mode(all[i].status);
            all[i] = all[--n];
            i--;
        }
    if (n == 0) {
        arena_release(a, mark);
        return plain_xmax(me, mode, is_update);
    }
    all[n++] = (MultiMember){me, mode_status(mode, is_update)};
    r.xmax = multi_create(all, n);
    r.flags = multi_flags(all, n);
    arena_release(a, mark);
    return r;
}

NewXmax
xmax_carry_lockers(const char *t)
{
    uint16_t flags = tuple_flags(t);
    ArenaMark mark;
    Arena *a;
    MultiMember one, *m;
    NewXmax r = {XID_INVALID, HEAP_XMAX_INVALID};
    int n, k = 0;

    if (flags & HEAP_XMAX_INVALID)
        return r;
    a = scratch_begin(&mark);
    n = xmax_members(t, a, &one, &m);
    for (int i = 0; i < n; i++)
        if (!status_is_update(m[i].status) && !xid_is_current(m[i].xid) &&
            xid_status(m[i].xid, NULL) == XS_STATUS_IN_PROGRESS)
            m[k++] = m[i];
    if (k == 1) {
        r = plain_xmax(m[0].xid, status_mode(m[0].status), false);
    } else if (k > 1) {
        r.xmax = multi_create(m, k);
        r.flags = multi_flags(m, k);
    }
    arena_release(a, mark);
    return r;
}

/* The command field for a change of t by us: a combo id where the row is our own insertion. */
CommandId
tuple_delete_cid(const char *t, CommandId cid, bool *combo)
{
    uint16_t flags = tuple_flags(t);

    *combo = !(flags & HEAP_XMIN_COMMITTED) && xid_is_current(tuple_xmin(t));
    return *combo ? combo_make(tuple_own_cmin(t), cid) : cid;
}

void
tuple_fail_info(const char *t, TmResult r, TmFailure *fail)
{
    if (!fail)
        return;
    fail->ctid = tuple_ctid(t);
    fail->xmax = tuple_update_xid(t);
    fail->cmax = r == TM_SELF_MODIFIED ? tuple_own_cmax(t) : UINT32_MAX;
    fail->traversed = false;
}
