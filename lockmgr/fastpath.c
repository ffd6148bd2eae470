/*
 * The fast path: locks that nobody else cares about as a rule are noted in the process's own slot, so
 * that the common statement and transaction write no shared cache line.
 *
 * Weak relation locks (ACCESS SHARE, ROW SHARE, ROW EXCLUSIVE conflict with none of each other). The
 * owner notes and removes entries with plain stores; no atomic operation, no fence instruction:
 *
 *   acquire:  store the entry, raise its bit in `used`; look at the strong counter of its class.
 *             Zero: held. Else take the entry back, under the slot's spinlock, and go to the table.
 *   release:  lower the bits in `used`; look at `visits`. Unchanged: done. Else ask under the spinlock
 *             which of the entries were moved.
 *
 * A strong locker is the visitor:
 *   (1) raises the strong counter of the class, heavy fence, looks at every slot. Slots without the
 *       relation are left alone.
 *   (2) counts itself into `visits` of those that have it, heavy fence, then under the partition lock and
 *       each slot's spinlock grants in the table what is still there, marks it in `moved`, and leaves.
 *
 * Both are store-then-look against store-then-look, which needs a full fence on either side. The
 * visitor's fence is membarrier(2), which makes every running process of the server execute one; for
 * the owner a compiler barrier is then enough (asymmetric fences: Goldblatt, WG21 P1202). So in (1)
 * the owner sees the counter or the visitor the entry; and in (2) the owner sees the visitor (and waits
 * for it at the spinlock) or the visitor sees the bit lowered. After the fence in (2) the owner can
 * complete the stores of one operation at most before it comes to the spinlock, so an entry is never
 * seen half old, half new. Where membarrier is missing both sides execute a fence. A visitor costs two system calls with an interrupt to each processor: 2 us each
 * on two processors, next to which nothing else of a strong lock counts.
 *
 * The own transaction's id is exclusively locked by its owner from beginning to end. It is an entry of
 * one word; who waits for it (he has met the id on a tuple, which was written after the word) grants it
 * in the table in its owner's name and marks the word. Releasing is one exchange: it tells the mark.
 * Only a transaction's owner may ask for LOCK_EXCLUSIVE on its id.
 *
 * The own virtual transaction is the same under the spinlock; it is not on a hot path.
 */
#include <stdlib.h>
#include <unistd.h>
#if defined(__linux__)
#include <linux/membarrier.h>
#include <sys/syscall.h>
#endif

#include "lockmgr/lock_internal.h"
#include "lockmgr/lockmgr.h"

/* This process is registered: membarrier of others reaches it. */
static PROCESS_LOCAL bool registered;
/* `visits` when this process last knew that none of its entries had been moved. */
static PROCESS_LOCAL uint64_t visits_seen;

/* ---- fences ---- */

static bool
membarrier_do(int command)
{
#if defined(__linux__) && defined(__NR_membarrier)
    return syscall(__NR_membarrier, command, 0, 0) == 0;
#else
    return false;
#endif
}

#if defined(__linux__) && defined(__NR_membarrier)
#define BARRIER_REGISTER MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED
#define BARRIER_FAST MEMBARRIER_CMD_GLOBAL_EXPEDITED
#define BARRIER_SLOW MEMBARRIER_CMD_GLOBAL
#else
#define BARRIER_REGISTER 0
#define BARRIER_FAST 0
#define BARRIER_SLOW 0
#endif

void
fast_path_shared_init(void)
{
    /* The environment variable is for tests of the other way. */
    lock_shared->asymmetric = !getenv("POSTHASTE_NO_MEMBARRIER") && membarrier_do(BARRIER_REGISTER) &&
                              membarrier_do(BARRIER_FAST);
}

static inline void
light_fence(void)
{
    if (LIKELY(registered))
        atomic_signal_fence(memory_order_seq_cst); /* the compiler only: pairs with fast_path_heavy_fence */
    else
        atomic_thread_fence(memory_order_seq_cst); /* as above */
}

void
fast_path_heavy_fence(void)
{
    atomic_thread_fence(memory_order_seq_cst); /* ours, against processes that are not registered */
    if (!lock_shared->asymmetric)
        return;
    lock_count(&lock_stats->barriers);
    /* The fast command can lack memory in the kernel; the slow one takes a grace period, some 10 ms. */
    if (!membarrier_do(BARRIER_FAST) && !membarrier_do(BARRIER_SLOW))
        PANIC("could not fence other processes: %m");
}

void
fast_path_attach(void)
{
    FastPath *fp = fast_path_of(proc_self);

    registered = lock_shared->asymmetric && membarrier_do(BARRIER_REGISTER);
    spin_lock(&fp->lock); /* somebody may be looking through all slots */
    /* The slot's former owner has released everything. relaxed: published by the spinlock */
    uint64_t used = atomic_load_explicit(&fp->used, memory_order_relaxed);
    atomic_store_explicit(&fp->used, used & ~FAST_USED_MASK, memory_order_relaxed);
    for (int i = 0; i < FAST_XIDS; i++)
        atomic_store_explicit(&fp->xids[i], 0, memory_order_relaxed);
    fp->moved = 0;
    fp->vxid_held = 0;
    visits_seen = UINT64_MAX; /* the first release asks */
    spin_unlock(&fp->lock);
}

/* ---- weak relation locks: the owner ---- */

static NOINLINE int
take_back(FastPath *fp, int entry)
{
    uint64_t bit = UINT64_C(1) << entry;

    spin_lock(&fp->lock);
    bool moved = (fp->moved & bit) != 0;
    fp->moved &= ~bit;
    /* relaxed: our own word, and visitors look under the spinlock */
    uint64_t used = atomic_load_explicit(&fp->used, memory_order_relaxed);
    atomic_store_explicit(&fp->used, used & ~bit, memory_order_relaxed);
    spin_unlock(&fp->lock);
    return moved ? FAST_PATH_MOVED : FAST_PATH_FULL;
}

int
fast_path_acquire(const LockTag *tag, uint32_t hash, LockMode mode)
{
    FastPath *fp = fast_path_of(proc_self);
    const _Atomic uint32_t *strong = &lock_shared->strong[strong_class(hash)];
    /* relaxed: only this process writes it */
    uint64_t used = atomic_load_explicit(&fp->used, memory_order_relaxed), unused = ~used & FAST_USED_MASK;

    if (UNLIKELY(!unused))
        return FAST_PATH_FULL;
    int entry = __builtin_ctzll(unused);
    /* release: after the store that freed the entry, so that an observer who reads this relation under an
     * older `used` notices; pairs with the acquire fence in fast_path_read */
    atomic_store_explicit(&fp->relations[entry], lock_tag_key(tag), memory_order_release);
    atomic_store_explicit(&fp->modes[entry], (uint8_t)mode, memory_order_release); /* as above */
    /* release: publishes the entry; pairs with the acquire loads of visitors and observers */
    atomic_store_explicit(&fp->used, (used | UINT64_C(1) << entry) + FAST_GENERATION, memory_order_release);
    light_fence();
    /* relaxed: ordered by the fences, see above */
    if (LIKELY(atomic_load_explicit(strong, memory_order_relaxed) == 0))
        return entry;
    return take_back(fp, entry);
}

static NOINLINE uint64_t
ask_what_was_moved(FastPath *fp, uint64_t entries)
{
    spin_lock(&fp->lock);
    uint64_t moved = fp->moved & entries;
    fp->moved &= ~entries;
    /* relaxed: ended visits were counted under this spinlock */
    uint64_t visits = atomic_load_explicit(&fp->visits, memory_order_relaxed);
    /* With entries left that were moved, or a visitor under way, the next release must ask again. */
    visits_seen = fp->moved == 0 && visits % FAST_VISIT_DONE == 0 ? visits : UINT64_MAX;
    spin_unlock(&fp->lock);
    return moved;
}

uint64_t
fast_path_release(uint64_t entries)
{
    FastPath *fp = fast_path_of(proc_self);
    /* relaxed: only this process writes it */
    uint64_t used = atomic_load_explicit(&fp->used, memory_order_relaxed);

    ASSERT((used & entries) == entries && !(entries & ~FAST_USED_MASK));
    /* release: what was done under the locks comes before; pairs with the visitor's acquire */
    atomic_store_explicit(&fp->used, used & ~entries, memory_order_release);
    light_fence();
    /* relaxed: ordered by the fences, see above */
    if (LIKELY(atomic_load_explicit(&fp->visits, memory_order_relaxed) == visits_seen))
        return 0;
    return ask_what_was_moved(fp, entries);
}

/* ---- the own virtual transaction ---- */

bool
fast_path_vxid_acquire(const LockTag *tag)
{
    FastPath *fp = fast_path_of(proc_self);
    bool taken = false;

    spin_lock(&fp->lock);
    if (!fp->vxid_held) {
        fp->vxid = (uint64_t)tag->f3 << 32 | tag->f2;
        fp->vxid_held = 1;
        taken = true;
    }
    spin_unlock(&fp->lock);
    return taken;
}

bool
fast_path_vxid_release(void)
{
    FastPath *fp = fast_path_of(proc_self);

    spin_lock(&fp->lock);
    bool mine = fp->vxid_held;
    fp->vxid_held = 0;
    spin_unlock(&fp->lock);
    return mine;
}

/* ---- own transactions ---- */

int
fast_path_xid_acquire(Xid xid)
{
    FastPath *fp = fast_path_of(proc_self);

    for (int i = 0; i < FAST_XIDS; i++)
        /* relaxed: only the owner changes 0 */
        if (atomic_load_explicit(&fp->xids[i], memory_order_relaxed) == 0) {
            /* release: for whoever looks without having met the id on a page */
            atomic_store_explicit(&fp->xids[i], xid, memory_order_release);
            return i;
        }
    return FAST_PATH_FULL;
}

bool
fast_path_xid_release(int entry)
{
    /* release: the transaction's outcome is visible to who finds the word gone; acquire: and the grant
     * in the table to us, if it was marked */
    uint64_t word = atomic_exchange_explicit(&fast_path_of(proc_self)->xids[entry], 0, memory_order_acq_rel);
    return !(word & FAST_XID_MOVED);
}

/* ---- moving locks to the table ---- */

static Holder *
grant_in_table(const LockTag *tag, uint32_t hash, uint32_t slot, LockMode mode)
{
    Holder *h = holder_get(tag, hash, slot);

    if (h && !(h->hold_mask & LOCK_BIT(mode)))
        lock_grant(&lock_pool[h->lock], h, mode);
    if (h)
        lock_count(&lock_stats->transfers);
    return h;
}

/* Entries of `used` that hold the relation. */
static uint64_t
entries_of(const FastPath *fp, uint64_t used, uint64_t relation)
{
    uint64_t found = 0;

    for (uint64_t left = used & FAST_USED_MASK; left; left &= left - 1) {
        int entry = __builtin_ctzll(left);
        /* relaxed: ordered by the acquire load of `used` */
        if (atomic_load_explicit(&fp->relations[entry], memory_order_relaxed) == relation)
            found |= UINT64_C(1) << entry;
    }
    return found;
}

/* Step (2) for one slot; the partition is held. */
static bool
visit(const LockTag *tag, uint32_t hash, uint32_t slot, uint64_t relation)
{
    FastPath *fp = fast_path_of(&proc_slots[slot]);
    bool ok = true;

    spin_lock(&fp->lock);
    /* acquire: pairs with the owner's release stores */
    uint64_t used = atomic_load_explicit(&fp->used, memory_order_acquire);
    for (uint64_t left = entries_of(fp, used, relation) & ~fp->moved; left && ok; left &= left - 1) {
        int entry = __builtin_ctzll(left);
        LockMode mode = (LockMode)atomic_load_explicit(&fp->modes[entry], memory_order_relaxed); /* as in entries_of */
        ok = grant_in_table(tag, hash, slot, mode) != NULL;
        if (ok)
            fp->moved |= UINT64_C(1) << entry;
    }
    /* relaxed: read under the spinlock, or by the owner who only compares it (see there) */
    atomic_fetch_add_explicit(&fp->visits, FAST_VISIT_DONE - FAST_VISITOR, memory_order_relaxed);
    spin_unlock(&fp->lock);
    return ok;
}

static bool
transfer_relation(const LockTag *tag, uint32_t hash)
{
    static PROCESS_LOCAL uint32_t found[LOCK_SLOTS_MAX];
    uint64_t relation = lock_tag_key(tag);
    int count = 0;
    bool ok = true;

    fast_path_heavy_fence(); /* after the strong counter was raised */
    for (uint32_t slot = 0; slot < (uint32_t)proc_slot_count; slot++) {
        FastPath *fp = fast_path_of(&proc_slots[slot]);
        /* acquire: pairs with the owner's release stores */
        uint64_t used = atomic_load_explicit(&fp->used, memory_order_acquire);
        if (!entries_of(fp, used, relation))
            continue;
        /* relaxed: the fence that follows orders it before our second look */
        atomic_fetch_add_explicit(&fp->visits, FAST_VISITOR, memory_order_relaxed);
        found[count++] = slot;
    }
    if (count == 0)
        return true;
    fast_path_heavy_fence();
    LwLock *partition = partition_lock(hash);
    lw_acquire(partition, LW_EXCLUSIVE);
    for (int i = 0; i < count; i++)
        ok &= visit(tag, hash, found[i], relation); /* each must be left again, also with a full table */
    lw_release(partition);
    return ok;
}

static bool
transfer_virtual(const LockTag *tag, uint32_t hash)
{
    LwLock *partition = partition_lock(hash);
    bool ok = true;

    if (tag->f1 >= (uint32_t)proc_slot_count)
        return true;
    FastPath *fp = fast_path_of(&proc_slots[tag->f1]);
    lw_acquire(partition, LW_EXCLUSIVE);
    spin_lock(&fp->lock);
    if (fp->vxid_held && fp->vxid == ((uint64_t)tag->f3 << 32 | tag->f2)) {
        ok = grant_in_table(tag, hash, tag->f1, LOCK_EXCLUSIVE) != NULL;
        if (ok)
            fp->vxid_held = 0;
    }
    spin_unlock(&fp->lock);
    lw_release(partition);
    return ok;
}

/* Grants xid in the table in the name of its owner, unless that one is just letting go of it. */
static bool
move_xid(const LockTag *tag, uint32_t hash, uint32_t slot, _Atomic uint64_t *word, Xid xid)
{
    LwLock *partition = partition_lock(hash);
    uint64_t expected = xid;

    lw_acquire(partition, LW_EXCLUSIVE);
    Lock *l = lock_find(tag, hash);
    Holder *h = l ? holder_find(l, slot) : NULL;
    if (h && (h->hold_mask & LOCK_BIT(LOCK_EXCLUSIVE))) {
        lw_release(partition); /* another waiter has done it */
        return true;
    }
    h = grant_in_table(tag, hash, slot, LOCK_EXCLUSIVE);
    /* release: the grant comes before the mark; pairs with the acquire in fast_path_xid_release, which
     * then waits for the partition */
    if (h && !atomic_compare_exchange_strong_explicit(word, &expected, xid | FAST_XID_MOVED, memory_order_release,
                                                      memory_order_relaxed)) {
        lock_ungrant(&lock_pool[h->lock], h, LOCK_EXCLUSIVE);
        holder_put(h);
    }
    lw_release(partition);
    return h != NULL;
}

static bool
transfer_xid(const LockTag *tag, uint32_t hash)
{
    Xid xid = lock_tag_to_xid(tag);

    for (uint32_t slot = 0; slot < (uint32_t)proc_slot_count; slot++) {
        FastPath *fp = fast_path_of(&proc_slots[slot]);
        for (int i = 0; i < FAST_XIDS; i++) {
            /* acquire: with a word that is gone comes the outcome of its transaction */
            uint64_t word = atomic_load_explicit(&fp->xids[i], memory_order_acquire);
            if (word == (xid | FAST_XID_MOVED))
                return true;
            if (word == xid)
                return move_xid(tag, hash, slot, &fp->xids[i], xid);
        }
    }
    return true;
}

/* Called without the partition lock. Spinlocks are held over a few table operations, which take no
 * further lock than the free lists' spinlocks. */
bool
fast_path_transfer(const LockTag *tag, uint32_t hash)
{
    switch (tag->type) {
    case LOCKTAG_RELATION:
        return transfer_relation(tag, hash);
    case LOCKTAG_TRANSACTION:
        return transfer_xid(tag, hash);
    case LOCKTAG_VIRTUALXID:
        return transfer_virtual(tag, hash);
    default:
        return true;
    }
}

/* ---- observers ---- */

void
fast_path_read(uint32_t slot, FastView *out)
{
    FastPath *fp = fast_path_of(&proc_slots[slot]);
    uint64_t before, after;

    spin_lock(&fp->lock); /* no visitor moves anything meanwhile */
    for (int tries = 0;; tries++) {
        /* acquire: pairs with the owner's release stores */
        before = atomic_load_explicit(&fp->used, memory_order_acquire);
        for (int i = 0; i < FAST_SLOTS; i++) { /* relaxed: checked by the second look */
            out->modes[i] = atomic_load_explicit(&fp->modes[i], memory_order_relaxed);
            out->relations[i] = atomic_load_explicit(&fp->relations[i], memory_order_relaxed);
        }
        /* acquire: a relation of a later lock brings the change of `used` before it along */
        atomic_thread_fence(memory_order_acquire);
        after = atomic_load_explicit(&fp->used, memory_order_relaxed);
        if (before == after || tries == 100)
            break;
    }
    /* After so many tries: what stood still is right, if its entry was not used again. */
    out->used = (before & after) & FAST_USED_MASK & ~fp->moved;
    out->vxid_held = fp->vxid_held;
    out->vxid = fp->vxid;
    for (int i = 0; i < FAST_XIDS; i++) {
        uint64_t xid = atomic_load_explicit(&fp->xids[i], memory_order_relaxed); /* for observers */
        out->xids[i] = xid & FAST_XID_MOVED ? 0 : xid;
    }
    spin_unlock(&fp->lock);
}
