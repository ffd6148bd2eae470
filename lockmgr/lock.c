/*
 * Acquiring and releasing heavyweight locks: what the process holds already is answered from its own
 * table (lock_local.h), the rest by the fast path (fastpath.c) or the shared table (lock_table.c).
 */
#include <string.h>

#include "core/base/interrupt.h"
#include "lockmgr/lock_internal.h"
#include "lockmgr/lock_local.h"
#include "lockmgr/lockmgr.h"

int lock_current_level = 1;
PROCESS_LOCAL uint64_t lock_strong_acquired, lock_strong_relation_acquired;

static void
release_at_exit(void *arg)
{
    if (local.owner && local.owner == proc_self)
        lock_release_all(true);
    local.owner = NULL; /* the process may get this slot again: after another had it */
}

/* ---- taking and giving back the real lock ---- */

static void
strong_lower(const LocalLock *l)
{
    /* release: the table's change is visible to whoever then takes the fast path */
    atomic_fetch_sub_explicit(&lock_shared->strong[strong_class(l->hash)], 1, memory_order_release);
}

static void
release_in_table(const LocalLock *l)
{
    LwLock *partition = partition_lock(l->hash);
    LockMode mode = (LockMode)l->mode;

    lw_acquire(partition, LW_EXCLUSIVE);
    Holder *h;
    if (l->kind == LOCAL_TABLE) {
        h = &holder_pool[l->holder];
    } else { /* came here from the fast path */
        Lock *found = lock_find(&l->tag, l->hash);
        h = found ? holder_find(found, proc_self->index) : NULL;
    }
    if (UNLIKELY(!h || h->slot != proc_self->index || !(h->hold_mask & LOCK_BIT(mode))))
        PANIC("lock table corrupted: %s is not held", lock_mode_name(mode));
    Lock *lock = &lock_pool[h->lock];
    lock_ungrant(lock, h, mode);
    if (lock->wait_mask & lock_conflict_mask[mode])
        lock_wake_waiters(lock);
    holder_put(h);
    lw_release(partition);
}

/* Gives the lock back to the others. */
static void
release_shared(LocalLock *l)
{
    bool done = l->kind == LOCAL_NOWHERE;

    if (l->kind == LOCAL_FAST)
        done = fast_path_release(UINT64_C(1) << l->fast_entry) == 0;
    else if (l->kind == LOCAL_FAST_XID)
        done = fast_path_xid_release(l->fast_entry);
    else if (l->kind == LOCAL_FAST_VXID)
        done = fast_path_vxid_release();
    if (!done)
        release_in_table(l);
    if (l->strong)
        strong_lower(l);
    local_set_kind(l, LOCAL_NOWHERE);
}

/* And forgets the local entry. */
static void
release_entirely(LocalLock *l)
{
    release_shared(l);
    local_remove(l);
}

/* Where in the queue the process has to wait: behind all, except ahead of the first that waits for
 * something it already holds. *deadlock: that one also blocks us, nobody can ever proceed. */
static Holder *
queue_position(Lock *lock, Holder *h, LockMode mode, uint16_t *ahead, bool *deadlock)
{
    *ahead = 0;
    *deadlock = false;
    for (int32_t i = lock->wait_head; i != LOCK_NIL; i = holder_pool[i].wait_next) {
        Holder *w = &holder_pool[i];
        LockMode wanted = (LockMode)w->wait_mode;
        if (lock_conflict_mask[wanted] & h->hold_mask) {
            *deadlock = lock_conflicts(mode, wanted) && (lock_conflict_mask[mode] & w->hold_mask);
            return w;
        }
        *ahead |= (uint16_t)LOCK_BIT(wanted);
    }
    return NULL;
}

static LockResult
acquire_in_table(const LockTag *tag, LocalLock *l, bool dont_wait)
{
    LockMode mode = (LockMode)l->mode;
    uint32_t hash = l->hash;
    LwLock *partition = partition_lock(hash);

    lw_acquire(partition, LW_EXCLUSIVE);
    Holder *h = holder_get(tag, hash, proc_self->index);
    if (!h) {
        lw_release(partition);
        return LOCK_TABLE_FULL;
    }
    Lock *lock = &lock_pool[h->lock];
    local_set_kind(l, LOCAL_TABLE);
    l->holder = holder_index(h);

    uint16_t ahead = 0;
    bool deadlock = false;
    Holder *before = NULL;
    bool wait = lock_conflicts_with_granted(lock, h, mode);
    if (lock->wait_mask && (wait || (lock_conflict_mask[mode] & lock->wait_mask))) {
        before = queue_position(lock, h, mode, &ahead, &deadlock);
        wait = wait || (lock_conflict_mask[mode] & ahead);
    }
    if (!wait) {
        lock_grant(lock, h, mode);
        lw_release(partition);
        return LOCK_OK;
    }
    if (dont_wait) {
        holder_put(h);
        lw_release(partition);
        return LOCK_NOT_AVAILABLE;
    }
    /* A certain deadlock is left to the detector as well, which describes it, but runs at once. */
    lock_queue_insert(lock, h, mode, before);
    return lock_wait(tag, hash, h, mode, deadlock);
}

static LockResult
acquire_really(const LockTag *tag, LocalLock *l, bool dont_wait)
{
    LockMode mode = (LockMode)l->mode;

    if (LIKELY(lock_is_weak(tag, mode))) {
        int entry = fast_path_acquire(tag, l->hash, mode);
        if (LIKELY(entry >= 0)) {
            local_set_fast(l, entry);
            return LOCK_OK;
        }
        if (entry == FAST_PATH_MOVED) {
            local_set_kind(l, LOCAL_MOVED);
            return LOCK_OK;
        }
    } else if (tag->type == LOCKTAG_TRANSACTION) {
        int entry = mode == LOCK_EXCLUSIVE ? fast_path_xid_acquire(lock_tag_to_xid(tag)) : FAST_PATH_FULL;
        if (LIKELY(entry >= 0)) {
            local_set_kind(l, LOCAL_FAST_XID);
            l->fast_entry = (int8_t)entry;
            return LOCK_OK;
        }
        if (mode != LOCK_EXCLUSIVE && !fast_path_transfer(tag, l->hash))
            return LOCK_TABLE_FULL;
    } else if (lock_is_strong(tag, mode)) {
        /* relaxed: ordered for weak lockers by the heavy fence in fast_path_transfer */
        atomic_fetch_add_explicit(&lock_shared->strong[strong_class(l->hash)], 1, memory_order_relaxed);
        l->strong = true;
        if (!fast_path_transfer(tag, l->hash))
            return LOCK_TABLE_FULL;
    } else if (tag->type == LOCKTAG_VIRTUALXID) {
        if (tag->f1 == proc_self->index && mode == LOCK_EXCLUSIVE && fast_path_vxid_acquire(tag)) {
            local_set_kind(l, LOCAL_FAST_VXID);
            return LOCK_OK;
        }
        if (!fast_path_transfer(tag, l->hash))
            return LOCK_TABLE_FULL;
    }
    return acquire_in_table(tag, l, dont_wait);
}

LockResult
lock_acquire_tag(const LockTag *tag, LockMode mode, bool session, bool dont_wait)
{
    ASSERT(proc_self && lock_shared);
    ASSERT(mode > LOCK_NONE && mode < LOCK_MODE_COUNT);
    if (UNLIKELY(local.owner != proc_self)) {
        local_init();
        proc_on_exit(release_at_exit, NULL);
    }

    uint32_t hash = lock_tag_hash(tag), at;
    LocalLock *l = local_find(tag, hash, mode, &at);
    if (l) {
        local_count_acquisition(l, session);
        return LOCK_ALREADY_HELD;
    }
    l = local_insert(tag, hash, mode, at);
    LockResult result = acquire_really(tag, l, dont_wait);
    if (LIKELY(result == LOCK_OK)) {
        local_count_first(l, session);
        if (LIKELY(tag->type == LOCKTAG_RELATION)) {
            if (mode > LOCK_ROW_EXCLUSIVE) {
                lock_strong_acquired++;
                lock_strong_relation_acquired++;
            }
        } else if (tag->type == LOCKTAG_OBJECT || tag->type == LOCKTAG_ADVISORY || tag->type == LOCKTAG_USERLOCK) {
            lock_strong_acquired++;
        }
        return LOCK_OK;
    }
    if (l->strong)
        strong_lower(l);
    local_set_kind(l, LOCAL_NOWHERE); /* it stands nowhere */
    local_remove(l);
    return result;
}

void
lock_acquire_tag_or_raise(const LockTag *tag, LockMode mode)
{
    for (;;) {
        switch (lock_acquire_tag(tag, mode, false, false)) {
        case LOCK_OK:
        case LOCK_ALREADY_HELD:
            return;
        case LOCK_INTERRUPTED:
            CHECK_INTERRUPTS(); /* raises, or it was an interrupt that lets us go on */
            continue;
        case LOCK_DEADLOCK:
            RAISE_ERR(SQLSTATE_T_R_DEADLOCK_DETECTED, err_message("deadlock detected"),
                      err_detail("%s", lock_deadlock_detail()), err_hint("See server log for query details."));
        case LOCK_TIMED_OUT:
            RAISE(SQLSTATE_LOCK_NOT_AVAILABLE, "canceling statement due to lock timeout");
        case LOCK_NOT_AVAILABLE: {
            char what[128];
            lock_tag_describe(tag, what, sizeof(what));
            RAISE(SQLSTATE_LOCK_NOT_AVAILABLE, "could not obtain lock on %s", what);
        }
        case LOCK_TABLE_FULL:
            RAISE_ERR(SQLSTATE_OUT_OF_MEMORY, err_message("out of shared memory"),
                      err_hint("You might need to increase max_locks_per_transaction."));
        }
    }
}

bool
lock_release_tag(const LockTag *tag, LockMode mode, bool session)
{
    if (local.owner != proc_self)
        return false;
    LocalLock *l = local_find(tag, lock_tag_hash(tag), mode, NULL);
    if (!l || (session ? l->session == 0 : l->level_count == 0))
        return false;
    l->total--;
    if (session)
        local_session_less(l);
    else if (--l->level_count == 0)
        local_pop_level(l);
    if (l->total == 0)
        release_entirely(l);
    return true;
}

/* Fast-path entries that go, all with one look for visitors; those that were moved are left to the loop
 * that follows. */
static void
release_fast_entries(bool session_too)
{
    uint64_t entries = local.fast_entries;

    if (UNLIKELY(local.session_count > 0 && !session_too)) {
        entries = 0;
        for (int i = 0; i < local.count; i++)
            if (local.locks[i].kind == LOCAL_FAST && local.locks[i].session == 0)
                entries |= UINT64_C(1) << local.locks[i].fast_entry;
    }
    if (!entries)
        return;
    uint64_t moved = fast_path_release(entries);
    local.fast_entries &= ~entries;
    if (LIKELY(!moved && local.fast_entries == 0 && local.slow_count == 0))
        return; /* nobody looks at the kinds any more */
    for (int i = 0; i < local.count; i++) {
        LocalLock *l = &local.locks[i];
        if (l->kind == LOCAL_FAST && (entries >> l->fast_entry & 1))
            local_set_kind(l, moved >> l->fast_entry & 1 ? LOCAL_MOVED : LOCAL_NOWHERE);
    }
}

static void
release_but_session(void)
{
    for (int i = local.count - 1; i >= 0; i--) {
        LocalLock *l = &local.locks[i];
        if (l->session == 0) {
            release_entirely(l); /* the last entry moves to i: it has been looked at already */
        } else {
            while (l->level_count > 0)
                local_pop_level(l);
            l->total = l->session;
        }
    }
}

void
lock_release_all(bool session_too)
{
    if (local.owner != proc_self || local.count == 0)
        return;
    release_fast_entries(session_too);
    if (UNLIKELY(local.session_count > 0 && !session_too)) {
        release_but_session();
        return;
    }
    for (int i = local.count - 1; i >= 0 && local.slow_count > 0; i--) /* newest first */
        if (local.locks[i].kind != LOCAL_NOWHERE)
            release_shared(&local.locks[i]);
    local_clear();
}

void
lock_level_abort(int level)
{
    if (local.owner != proc_self)
        return;
    for (int i = local.count - 1; i >= 0; i--) {
        LocalLock *l = &local.locks[i];
        while (l->level_count > 0 && l->level >= level) {
            l->total -= l->level_count;
            local_pop_level(l);
        }
        if (l->total == 0)
            release_entirely(l); /* the last entry moves to i: it has been looked at already */
    }
}

void
lock_level_commit(int level)
{
    if (local.owner != proc_self)
        return;
    for (int i = 0; i < local.count; i++) {
        LocalLock *l = &local.locks[i];
        if (l->level_count == 0 || l->level < level)
            continue;
        if (l->outer >= 0 && local.outers[l->outer].level == level - 1) {
            uint32_t moved = l->level_count;
            local_pop_level(l);
            l->level_count += moved;
        } else {
            l->level = level - 1;
        }
    }
}

bool
lock_held(LockTag tag, LockMode mode)
{
    if (local.owner != proc_self)
        return false;
    uint32_t hash = lock_tag_hash(&tag);
    for (LockMode m = mode; m < LOCK_MODE_COUNT; m++)
        if (local_find(&tag, hash, m, NULL))
            return true;
    return false;
}
