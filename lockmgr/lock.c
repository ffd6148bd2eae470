/*
 * Acquiring and releasing heavyweight locks, and the process-local table of what is held.
 *
 * The local table answers a repeated request without touching shared memory, counts acquisitions per
 * nesting level (subtransaction), and remembers where a lock stands: in the process slot (fast path)
 * or in the shared table. Its entries lie densely in an array, so that the end of a transaction walks
 * exactly what is held; a small open-addressed index finds one by tag and mode. Its memory is an
 * arena of its own, grown by doubling and never given back.
 */
#include <string.h>

#include "core/base/hash.h"
#include "core/base/interrupt.h"
#include "lockmgr/lock_internal.h"
#include "lockmgr/lockmgr.h"

int lock_current_level = 1;
uint64_t lock_strong_acquired, lock_strong_relation_acquired;

typedef enum LocalKind { LOCAL_NOWHERE, LOCAL_FAST, LOCAL_FAST_VXID, LOCAL_TABLE } LocalKind;

typedef struct LocalLock {
    LockTag tag;
    uint32_t hash;       /* of the tag */
    uint8_t mode, kind;  /* LockMode, LocalKind */
    bool strong;         /* we raised the strong counter */
    int8_t fast_entry;
    int32_t holder;      /* LOCAL_TABLE: index of our Holder */
    uint32_t total;      /* session + all levels */
    uint32_t session;
    /* Acquisitions of transaction level: the deepest nesting level here, shallower ones chained. */
    int32_t level;
    uint32_t level_count;
    int32_t outer;       /* index into outer_levels, -1 none */
} LocalLock;

typedef struct OuterLevel { int32_t level; uint32_t count; int32_t outer; } OuterLevel;

static struct {
    ProcSlot *owner;  /* whose table it is: a forked child starts afresh */
    Arena *arena;
    LocalLock *locks;
    int count, cap;
    int32_t *index;   /* position + 1, 0 empty; size index_mask + 1 */
    uint32_t index_mask;
    OuterLevel *outers;
    int32_t outer_free;
    int outer_cap;
} local;

#define LOCAL_CAP_MIN 64
STATIC_ASSERT(FAST_SLOTS <= INT8_MAX);

/* ---- the local table ---- */

static void
release_at_exit(void *arg)
{
    if (local.owner && local.owner == proc_self)
        lock_release_all(true);
}

static void
local_init(void)
{
    if (local.arena)
        arena_reset(local.arena);
    else
        local.arena = arena_create(arena_top(), "local locks");
    local.cap = LOCAL_CAP_MIN;
    local.count = 0;
    local.locks = ARENA_ARRAY(local.arena, LocalLock, local.cap);
    local.index_mask = 4 * LOCAL_CAP_MIN - 1;
    local.index = ARENA_ARRAY(local.arena, int32_t, local.index_mask + 1);
    local.outers = NULL;
    local.outer_cap = 0;
    local.outer_free = -1;
    local.owner = proc_self;
    FastPath *fp = fast_path_of(proc_self);
    spin_lock(&fp->lock); /* somebody may be looking through all slots */
    fp->used = 0;
    fp->vxid_held = 0;
    spin_unlock(&fp->lock);
    proc_on_exit(release_at_exit, NULL);
}

static inline uint32_t
local_home(uint32_t hash, LockMode mode)
{
    return (hash + (uint32_t)mode * 0x9E3779B1u) & local.index_mask;
}

static inline LocalLock *
local_find(const LockTag *tag, uint32_t hash, LockMode mode)
{
    for (uint32_t i = local_home(hash, mode); local.index[i]; i = (i + 1) & local.index_mask) {
        LocalLock *l = &local.locks[local.index[i] - 1];
        if (l->hash == hash && l->mode == mode && lock_tags_equal(&l->tag, tag))
            return l;
    }
    return NULL;
}

static void
local_index_add(int position)
{
    const LocalLock *l = &local.locks[position];
    uint32_t i = local_home(l->hash, (LockMode)l->mode);

    while (local.index[i])
        i = (i + 1) & local.index_mask;
    local.index[i] = position + 1;
}

static void
local_grow(void)
{
    int cap = local.cap * 2;
    LocalLock *locks = ARENA_ARRAY(local.arena, LocalLock, cap);
    int32_t *index = ARENA_ARRAY(local.arena, int32_t, 4 * cap);

    memcpy(locks, local.locks, sizeof(LocalLock) * (size_t)local.count);
    local.locks = locks;
    local.index = index;
    local.index_mask = 4 * (uint32_t)cap - 1;
    local.cap = cap;
    for (int i = 0; i < local.count; i++)
        local_index_add(i);
}

static LocalLock *
local_insert(const LockTag *tag, uint32_t hash, LockMode mode)
{
    if (local.count == local.cap)
        local_grow();
    LocalLock *l = &local.locks[local.count];
    *l = (LocalLock){.tag = *tag, .hash = hash, .mode = (uint8_t)mode, .holder = LOCK_NIL, .outer = -1};
    local_index_add(local.count++);
    return l;
}

static uint32_t
local_index_slot(int position)
{
    const LocalLock *l = &local.locks[position];
    uint32_t i = local_home(l->hash, (LockMode)l->mode);

    while (local.index[i] != position + 1)
        i = (i + 1) & local.index_mask;
    return i;
}

/* Backward-shift deletion keeps probe runs free of tombstones; the last entry fills the gap. */
static void
local_remove(LocalLock *l)
{
    int position = (int)(l - local.locks);
    uint32_t hole = local_index_slot(position);

    for (uint32_t i = (hole + 1) & local.index_mask; local.index[i]; i = (i + 1) & local.index_mask) {
        const LocalLock *other = &local.locks[local.index[i] - 1];
        uint32_t home = local_home(other->hash, (LockMode)other->mode);
        if (((i - home) & local.index_mask) >= ((i - hole) & local.index_mask)) {
            local.index[hole] = local.index[i];
            hole = i;
        }
    }
    local.index[hole] = 0;
    int last = --local.count;
    if (position != last) {
        local.index[local_index_slot(last)] = position + 1;
        local.locks[position] = local.locks[last];
    }
}

/* ---- counts per nesting level ---- */

static int32_t
outer_alloc(void)
{
    if (local.outer_free < 0) {
        int cap = local.outer_cap ? local.outer_cap * 2 : 64;
        OuterLevel *outers = ARENA_ARRAY(local.arena, OuterLevel, cap);
        if (local.outer_cap)
            memcpy(outers, local.outers, sizeof(OuterLevel) * (size_t)local.outer_cap);
        for (int i = cap - 1; i >= local.outer_cap; i--) {
            outers[i].outer = local.outer_free;
            local.outer_free = i;
        }
        local.outers = outers;
        local.outer_cap = cap;
    }
    int32_t i = local.outer_free;
    local.outer_free = local.outers[i].outer;
    return i;
}

static void
outer_pop(LocalLock *l)
{
    int32_t i = l->outer;

    if (i < 0) {
        l->level = 0;
        l->level_count = 0;
        return;
    }
    l->level = local.outers[i].level;
    l->level_count = local.outers[i].count;
    l->outer = local.outers[i].outer;
    local.outers[i].outer = local.outer_free;
    local.outer_free = i;
}

static void
count_acquisition(LocalLock *l, bool session)
{
    l->total++;
    if (session) {
        l->session++;
        return;
    }
    if (LIKELY(l->level_count == 0)) {
        l->level = lock_current_level;
        l->level_count = 1;
    } else if (l->level >= lock_current_level) {
        l->level_count++; /* levels only deepen while something is held at them */
    } else {
        int32_t i = outer_alloc();
        local.outers[i] = (OuterLevel){l->level, l->level_count, l->outer};
        l->outer = i;
        l->level = lock_current_level;
        l->level_count = 1;
    }
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
    } else { /* was moved here from the fast path by somebody else */
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

/* Gives the lock back to the others and forgets the local entry. */
static void
release_entirely(LocalLock *l)
{
    bool fast = false;

    if (l->kind == LOCAL_FAST)
        fast = fast_path_release(&l->tag, (LockMode)l->mode, l->fast_entry);
    else if (l->kind == LOCAL_FAST_VXID)
        fast = fast_path_vxid_release();
    if (!fast)
        release_in_table(l);
    if (l->strong)
        strong_lower(l);
    while (l->outer >= 0)
        outer_pop(l);
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
acquire_in_table(LocalLock *l, bool dont_wait)
{
    LockMode mode = (LockMode)l->mode;
    LockTag tag = l->tag;
    uint32_t hash = l->hash;
    LwLock *partition = partition_lock(hash);

    lw_acquire(partition, LW_EXCLUSIVE);
    Holder *h = holder_get(&tag, hash, proc_self->index);
    if (!h) {
        lw_release(partition);
        return LOCK_TABLE_FULL;
    }
    Lock *lock = &lock_pool[h->lock];
    l->kind = LOCAL_TABLE;
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
    return lock_wait(&tag, hash, h, mode, deadlock);
}

static LockResult
acquire_really(LocalLock *l, bool dont_wait)
{
    LockTag tag = l->tag;
    LockMode mode = (LockMode)l->mode;

    if (LIKELY(lock_is_weak(&tag, mode))) {
        int entry = fast_path_acquire(&tag, l->hash, mode);
        if (LIKELY(entry >= 0)) {
            l->kind = LOCAL_FAST;
            l->fast_entry = (int8_t)entry;
            return LOCK_OK;
        }
    } else if (lock_is_strong(&tag, mode)) {
        /* relaxed: ordered for weak lockers by the slots' spinlocks that fast_path_transfer takes */
        atomic_fetch_add_explicit(&lock_shared->strong[strong_class(l->hash)], 1, memory_order_relaxed);
        l->strong = true;
        if (!fast_path_transfer(&tag, l->hash))
            return LOCK_TABLE_FULL;
    } else if (tag.type == LOCKTAG_VIRTUALXID) {
        if (tag.f1 == proc_self->index && mode == LOCK_EXCLUSIVE && fast_path_vxid_acquire(&tag)) {
            l->kind = LOCAL_FAST_VXID;
            return LOCK_OK;
        }
        if (!fast_path_transfer(&tag, l->hash))
            return LOCK_TABLE_FULL;
    }
    return acquire_in_table(l, dont_wait);
}

LockResult
lock_acquire(LockTag tag, LockMode mode, bool session, bool dont_wait)
{
    ASSERT(proc_self && lock_shared);
    ASSERT(mode > LOCK_NONE && mode < LOCK_MODE_COUNT);
    if (UNLIKELY(local.owner != proc_self))
        local_init();

    uint32_t hash = lock_tag_hash(&tag);
    LocalLock *l = local_find(&tag, hash, mode);
    if (l) {
        count_acquisition(l, session);
        return LOCK_ALREADY_HELD;
    }
    l = local_insert(&tag, hash, mode);
    LockResult result = acquire_really(l, dont_wait);
    if (LIKELY(result == LOCK_OK)) {
        count_acquisition(l, session);
        if (tag.type == LOCKTAG_RELATION) {
            if (mode > LOCK_ROW_EXCLUSIVE) {
                lock_strong_acquired++;
                lock_strong_relation_acquired++;
            }
        } else if (tag.type == LOCKTAG_OBJECT || tag.type == LOCKTAG_ADVISORY || tag.type == LOCKTAG_USERLOCK) {
            lock_strong_acquired++;
        }
        return LOCK_OK;
    }
    if (l->strong)
        strong_lower(l);
    local_remove(l);
    return result;
}

void
lock_acquire_or_raise(LockTag tag, LockMode mode)
{
    for (;;) {
        switch (lock_acquire(tag, mode, false, false)) {
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
            lock_tag_describe(&tag, what, sizeof(what));
            RAISE(SQLSTATE_LOCK_NOT_AVAILABLE, "could not obtain lock on %s", what);
        }
        case LOCK_TABLE_FULL:
            RAISE_ERR(SQLSTATE_OUT_OF_MEMORY, err_message("out of shared memory"),
                      err_hint("You might need to increase max_locks_per_transaction."));
        }
    }
}

bool
lock_release(LockTag tag, LockMode mode, bool session)
{
    if (local.owner != proc_self)
        return false;
    LocalLock *l = local_find(&tag, lock_tag_hash(&tag), mode);
    if (!l || (session ? l->session == 0 : l->level_count == 0))
        return false;
    l->total--;
    if (session)
        l->session--;
    else if (--l->level_count == 0)
        outer_pop(l);
    if (l->total == 0)
        release_entirely(l);
    return true;
}

/* Fast-path entries of the transaction, all under one turn of the spinlock; those that were moved to
 * the table stay for the loop that follows. */
static void
release_fast_entries(bool session_too)
{
    FastPath *fp = fast_path_of(proc_self);
    bool any = false;

    for (int i = 0; i < local.count && !any; i++)
        any = local.locks[i].kind == LOCAL_FAST;
    if (!any)
        return;
    spin_lock(&fp->lock);
    for (int i = 0; i < local.count; i++) {
        LocalLock *l = &local.locks[i];
        if (l->kind == LOCAL_FAST && (session_too || l->session == 0) &&
            fast_path_clear(fp, &l->tag, (LockMode)l->mode, l->fast_entry))
            l->kind = LOCAL_NOWHERE;
    }
    spin_unlock(&fp->lock);
}

void
lock_release_all(bool session_too)
{
    if (local.owner != proc_self || local.count == 0)
        return;
    release_fast_entries(session_too);
    for (int i = local.count - 1; i >= 0; i--) {
        LocalLock *l = &local.locks[i];
        if (session_too || l->session == 0) {
            if (l->kind == LOCAL_NOWHERE) {
                while (l->outer >= 0)
                    outer_pop(l);
                local_remove(l);
            } else {
                release_entirely(l);
            }
        } else {
            while (l->level_count > 0)
                outer_pop(l);
            l->total = l->session;
        }
    }
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
            outer_pop(l);
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
            outer_pop(l);
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
        if (local_find(&tag, hash, m))
            return true;
    return false;
}
