/*
 * The fast path: weak relation locks (ACCESS SHARE, ROW SHARE, ROW EXCLUSIVE conflict with none of
 * each other) and the own virtual transaction id are noted in the process's own slot under its own
 * spinlock, so that the common statement writes no shared cache line.
 *
 * Who wants a strong lock raises the counter of the relation's hash class first and then visits every
 * slot, moving weak locks on the relation to the table. A weak request reads the counter inside its
 * slot's spinlock. Either it comes before the visit, then the visitor finds and moves its entry; or
 * after it, then the visitor's release of the spinlock shows it the raised counter and it goes to the
 * table, where it meets the strong request.
 */
#include "lockmgr/lock_internal.h"
#include "lockmgr/lockmgr.h"

int
fast_path_acquire(const LockTag *tag, uint32_t hash, LockMode mode)
{
    FastPath *fp = fast_path_of(proc_self);
    int entry = -1;

    spin_lock(&fp->lock);
    /* relaxed: ordered by the spinlock, see above */
    if (LIKELY(atomic_load_explicit(&lock_shared->strong[strong_class(hash)], memory_order_relaxed) == 0 && ~fp->used)) {
        entry = __builtin_ctzll(~fp->used);
        fp->used |= UINT64_C(1) << entry;
        fp->relations[entry] = (uint64_t)tag->f1 << 32 | tag->f2;
        fp->modes[entry] = (uint8_t)mode;
    }
    spin_unlock(&fp->lock);
    return entry;
}

bool
fast_path_release(const LockTag *tag, LockMode mode, int entry)
{
    FastPath *fp = fast_path_of(proc_self);

    spin_lock(&fp->lock);
    bool mine = fast_path_clear(fp, tag, mode, entry);
    spin_unlock(&fp->lock);
    return mine;
}

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

/* Grants in the table what slot holds by the fast path; false: table full. */
static bool
grant_in_table(const LockTag *tag, uint32_t hash, uint32_t slot, LockMode mode)
{
    Holder *h = holder_get(tag, hash, slot);

    if (!h)
        return false;
    if (!(h->hold_mask & LOCK_BIT(mode)))
        lock_grant(&lock_pool[h->lock], h, mode);
    return true;
}

static bool
transfer_relation(const LockTag *tag, uint32_t hash, uint32_t slot)
{
    FastPath *fp = fast_path_of(&proc_slots[slot]);
    uint64_t relation = (uint64_t)tag->f1 << 32 | tag->f2;
    bool ok = true;

    spin_lock(&fp->lock);
    for (uint64_t left = fp->used; left && ok; left &= left - 1) {
        int entry = __builtin_ctzll(left);
        if (fp->relations[entry] != relation)
            continue;
        ok = grant_in_table(tag, hash, slot, (LockMode)fp->modes[entry]);
        if (ok)
            fp->used &= ~(UINT64_C(1) << entry);
    }
    spin_unlock(&fp->lock);
    return ok;
}

/* Called without the partition lock. The spinlock is held over a few table operations, which take
 * no further lock than the free lists' spinlocks. */
bool
fast_path_transfer(const LockTag *tag, uint32_t hash)
{
    LwLock *partition = partition_lock(hash);
    bool ok = true;

    lw_acquire(partition, LW_EXCLUSIVE);
    if (tag->type == LOCKTAG_VIRTUALXID) {
        if (tag->f1 < (uint32_t)proc_slot_count) {
            FastPath *fp = fast_path_of(&proc_slots[tag->f1]);
            spin_lock(&fp->lock);
            if (fp->vxid_held && fp->vxid == ((uint64_t)tag->f3 << 32 | tag->f2)) {
                ok = grant_in_table(tag, hash, tag->f1, LOCK_EXCLUSIVE);
                if (ok)
                    fp->vxid_held = 0;
            }
            spin_unlock(&fp->lock);
        }
    } else {
        for (uint32_t slot = 0; slot < (uint32_t)proc_slot_count && ok; slot++)
            ok = transfer_relation(tag, hash, slot);
    }
    lw_release(partition);
    return ok;
}
