/*
 * The shared table of heavyweight locks: a Lock per tag in use, a Holder per lock and process.
 *
 * Locks are found by a chained hash; tag hash modulo 16 names the partition, whose LWLock guards the
 * chains, the locks and their holders. Objects live in two pools whose free lists are split by
 * partition; an empty list steals from the next, so the table is full only when all of it is.
 *
 * Modes and conflicts are PostgreSQL's. A request waits when it conflicts with what others hold, or
 * with what others already wait for (so that a stream of weak locks cannot starve a strong one),
 * except that who already holds the lock passes those that wait for him.
 */
#include <string.h>

#include "core/base/settings.h"
#include "core/shm/shm.h"
#include "lockmgr/lock_internal.h"
#include "lockmgr/lockmgr.h"
#include "lockmgr/predicate.h"

int deadlock_timeout_ms = 1000, lock_timeout_ms, max_locks_per_transaction = 64;
bool log_lock_waits;

LockShared *lock_shared;
Lock *lock_pool;
Holder *holder_pool;
int32_t *lock_buckets;

#define AS LOCK_BIT(LOCK_ACCESS_SHARE)
#define RS LOCK_BIT(LOCK_ROW_SHARE)
#define RE LOCK_BIT(LOCK_ROW_EXCLUSIVE)
#define SUE LOCK_BIT(LOCK_SHARE_UPDATE_EXCLUSIVE)
#define S LOCK_BIT(LOCK_SHARE)
#define SRE LOCK_BIT(LOCK_SHARE_ROW_EXCLUSIVE)
#define E LOCK_BIT(LOCK_EXCLUSIVE)
#define AE LOCK_BIT(LOCK_ACCESS_EXCLUSIVE)

const uint16_t lock_conflict_mask[LOCK_MODE_COUNT] = {
    [LOCK_NONE] = 0,
    [LOCK_ACCESS_SHARE] = AE,
    [LOCK_ROW_SHARE] = E | AE,
    [LOCK_ROW_EXCLUSIVE] = S | SRE | E | AE,
    [LOCK_SHARE_UPDATE_EXCLUSIVE] = SUE | S | SRE | E | AE,
    [LOCK_SHARE] = RE | SUE | SRE | E | AE,
    [LOCK_SHARE_ROW_EXCLUSIVE] = RE | SUE | S | SRE | E | AE,
    [LOCK_EXCLUSIVE] = RS | RE | SUE | S | SRE | E | AE,
    [LOCK_ACCESS_EXCLUSIVE] = AS | RS | RE | SUE | S | SRE | E | AE,
};

static const SettingDef lock_settings[] = {
    {.name = "deadlock_timeout", .type = SETTING_INT, .context = CONTEXT_SUPERUSER, .flags = SETTING_NOT_IN_PLANS, .unit = UNIT_MS, .group = "Lock Management",
     .description = "Sets the time to wait on a lock before checking for deadlock.", .variable = &deadlock_timeout_ms,
     .boot = "1s", .min = 1, .max = 2147483647},
    {.name = "lock_timeout", .type = SETTING_INT, .context = CONTEXT_USER, .flags = SETTING_NOT_IN_PLANS, .unit = UNIT_MS,
     .group = "Client Connection Defaults / Statement Behavior",
     .description = "Sets the maximum allowed duration of any wait for a lock.", .variable = &lock_timeout_ms,
     .boot = "0", .min = 0, .max = 2147483647},
    {.name = "max_locks_per_transaction", .type = SETTING_INT, .context = CONTEXT_POSTMASTER, .group = "Lock Management",
     .description = "Sets the maximum number of locks per transaction.", .variable = &max_locks_per_transaction,
     .boot = "64", .min = 10, .max = 2147483647},
    {.name = "log_lock_waits", .type = SETTING_BOOL, .context = CONTEXT_SUPERUSER, .group = "Reporting and Logging / What to Log",
     .description = "Logs long lock waits.", .variable = &log_lock_waits, .boot = "off"},
};

void
lock_settings_register(void)
{
    static bool done;

    if (done)
        return;
    done = true;
    settings_register(lock_settings, COUNT_OF(lock_settings));
    pred_settings_register();
}

/* ---- creation ---- */

/* Sizes are asked for before the slots exist, so the count of processes comes from the settings. */
static uint32_t
lock_capacity(void)
{
    uint64_t processes = (uint64_t)max_connections + (uint64_t)max_worker_processes + (uint64_t)autovacuum_max_workers +
                         (uint64_t)max_wal_senders + 20;
    return (uint32_t)MIN((uint64_t)max_locks_per_transaction * processes, UINT64_C(1) << 26);
}

static uint32_t
bucket_capacity(void)
{
    uint32_t n = 256;
    while (n < lock_capacity())
        n *= 2;
    return n;
}

static size_t
lock_size(void)
{
    return ALIGN_UP(sizeof(LockShared), (size_t)CACHE_LINE) + (size_t)bucket_capacity() * sizeof(int32_t) +
           (size_t)lock_capacity() * sizeof(Lock) + 2 * (size_t)lock_capacity() * sizeof(Holder) + 4 * CACHE_LINE;
}

static void
lock_init(void *base)
{
    char *p = base;
    uint32_t locks = lock_capacity(), holders = 2 * locks, buckets = bucket_capacity();

    lock_shared = (LockShared *)(void *)p;
    p += ALIGN_UP(sizeof(LockShared), (size_t)CACHE_LINE);
    lock_pool = (Lock *)(void *)p;
    p += ALIGN_UP(locks * sizeof(Lock), (size_t)CACHE_LINE);
    holder_pool = (Holder *)(void *)p;
    p += ALIGN_UP(holders * sizeof(Holder), (size_t)CACHE_LINE);
    lock_buckets = (int32_t *)(void *)p;

    memset(lock_shared, 0, sizeof(*lock_shared));
    lock_stats = &lock_shared->stats;
    lock_wait_policy_select();
    fast_path_shared_init();
    lock_shared->lock_count = locks;
    lock_shared->holder_count = holders;
    lock_shared->bucket_count = buckets;
    for (uint32_t i = 0; i < LOCK_PARTITIONS; i++) {
        LockPartition *part = &lock_shared->partitions[i];
        lw_init(&part->lock, LWT_LOCK_MANAGER);
        spin_init(&part->free_lock);
        part->free_locks = part->free_holders = LOCK_NIL;
    }
    for (uint32_t i = 0; i < locks; i++) {
        LockPartition *part = &lock_shared->partitions[i % LOCK_PARTITIONS];
        lock_pool[i].next = part->free_locks;
        part->free_locks = (int32_t)i;
    }
    for (uint32_t i = 0; i < holders; i++) {
        LockPartition *part = &lock_shared->partitions[i % LOCK_PARTITIONS];
        holder_pool[i].next = part->free_holders;
        part->free_holders = (int32_t)i;
    }
    for (uint32_t i = 0; i < buckets; i++)
        lock_buckets[i] = LOCK_NIL;
}

void
lock_shm_register(void)
{
    lock_settings_register();
    static const ShmRequest request = {"lock table", SHM_LOCKS, lock_size, lock_init};
    shm_register(&request);
    pred_shm_register();
}

/* ---- names ---- */

const char *
lock_mode_name(LockMode m)
{
    static const char *const names[LOCK_MODE_COUNT] = {
        "INVALID", "AccessShareLock", "RowShareLock", "RowExclusiveLock", "ShareUpdateExclusiveLock",
        "ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock",
    };
    return m < LOCK_MODE_COUNT ? names[m] : "INVALID";
}

bool
lock_conflicts(LockMode a, LockMode b)
{
    return (lock_conflict_mask[a] & LOCK_BIT(b)) != 0;
}

/* ---- free lists ---- */

static int32_t
take_free(uint32_t home, bool holders)
{
    for (uint32_t i = 0; i < LOCK_PARTITIONS; i++) {
        LockPartition *part = &lock_shared->partitions[(home + i) % LOCK_PARTITIONS];
        spin_lock(&part->free_lock);
        int32_t got = holders ? part->free_holders : part->free_locks;
        if (got != LOCK_NIL) {
            if (holders)
                part->free_holders = holder_pool[got].next;
            else
                part->free_locks = lock_pool[got].next;
        }
        spin_unlock(&part->free_lock);
        if (got != LOCK_NIL)
            return got;
    }
    return LOCK_NIL;
}

static void
give_free(uint32_t home, bool holders, int32_t index)
{
    LockPartition *part = &lock_shared->partitions[home % LOCK_PARTITIONS];

    spin_lock(&part->free_lock);
    if (holders) {
        holder_pool[index].next = part->free_holders;
        part->free_holders = index;
    } else {
        lock_pool[index].next = part->free_locks;
        part->free_locks = index;
    }
    spin_unlock(&part->free_lock);
}

/* ---- finding and making ---- */

static int32_t *
bucket_of(uint32_t hash)
{
    return &lock_buckets[hash & (lock_shared->bucket_count - 1)]; /* low 4 bits: the partition */
}

Lock *
lock_find(const LockTag *tag, uint32_t hash)
{
    for (int32_t i = *bucket_of(hash); i != LOCK_NIL; i = lock_pool[i].next)
        if (lock_pool[i].hash == hash && lock_tags_equal(&lock_pool[i].tag, tag))
            return &lock_pool[i];
    return NULL;
}

Holder *
holder_find(const Lock *l, uint32_t slot)
{
    for (int32_t i = l->holders; i != LOCK_NIL; i = holder_pool[i].next)
        if (holder_pool[i].slot == slot)
            return &holder_pool[i];
    return NULL;
}

static void
lock_free_if_unused(Lock *l)
{
    if (l->holders != LOCK_NIL)
        return;
    ASSERT(l->grant_mask == 0 && l->wait_mask == 0 && l->wait_head == LOCK_NIL);
    int32_t index = lock_index(l), *link = bucket_of(l->hash);
    while (*link != index)
        link = &lock_pool[*link].next;
    *link = l->next;
    give_free(l->hash, false, index);
}

Holder *
holder_get(const LockTag *tag, uint32_t hash, uint32_t slot)
{
    Lock *l = lock_find(tag, hash);

    if (l) {
        Holder *h = holder_find(l, slot);
        if (h)
            return h;
    } else {
        int32_t index = take_free(hash, false);
        if (index == LOCK_NIL)
            return NULL;
        l = &lock_pool[index];
        *l = (Lock){.tag = *tag, .hash = hash, .next = *bucket_of(hash), .holders = LOCK_NIL,
                    .wait_head = LOCK_NIL, .wait_tail = LOCK_NIL};
        *bucket_of(hash) = index;
    }
    int32_t index = take_free(hash, true);
    if (index == LOCK_NIL) {
        lock_free_if_unused(l);
        return NULL;
    }
    Holder *h = &holder_pool[index];
    *h = (Holder){.lock = lock_index(l), .slot = slot, .next = l->holders, .prev = LOCK_NIL,
                  .wait_next = LOCK_NIL, .wait_prev = LOCK_NIL};
    if (l->holders != LOCK_NIL)
        holder_pool[l->holders].prev = index;
    l->holders = index;
    return h;
}

void
holder_put(Holder *h)
{
    if (h->hold_mask || h->wait_mode)
        return;
    Lock *l = &lock_pool[h->lock];
    if (h->prev != LOCK_NIL)
        holder_pool[h->prev].next = h->next;
    else
        l->holders = h->next;
    if (h->next != LOCK_NIL)
        holder_pool[h->next].prev = h->prev;
    give_free(l->hash, true, holder_index(h));
    lock_free_if_unused(l);
}

/* ---- granting, queueing ---- */

void
lock_grant(Lock *l, Holder *h, LockMode mode)
{
    ASSERT(!(h->hold_mask & LOCK_BIT(mode)));
    h->hold_mask |= (uint16_t)LOCK_BIT(mode);
    l->granted[mode]++;
    l->grant_mask |= (uint16_t)LOCK_BIT(mode);
}

void
lock_ungrant(Lock *l, Holder *h, LockMode mode)
{
    ASSERT(h->hold_mask & LOCK_BIT(mode));
    h->hold_mask &= (uint16_t)~LOCK_BIT(mode);
    if (--l->granted[mode] == 0)
        l->grant_mask &= (uint16_t)~LOCK_BIT(mode);
}

bool
lock_conflicts_with_granted(const Lock *l, const Holder *h, LockMode mode)
{
    uint16_t conflicts = lock_conflict_mask[mode] & l->grant_mask;

    if (!conflicts)
        return false;
    /* What this process holds itself does not count. */
    for (LockMode m = LOCK_ACCESS_SHARE; m < LOCK_MODE_COUNT; m++)
        if ((conflicts & LOCK_BIT(m)) && l->granted[m] > ((h->hold_mask & LOCK_BIT(m)) ? 1 : 0))
            return true;
    return false;
}

void
lock_queue_insert(Lock *l, Holder *h, LockMode mode, Holder *before)
{
    int32_t me = holder_index(h);

    ASSERT(h->wait_mode == LOCK_NONE);
    h->wait_mode = (uint16_t)mode;
    h->wait_next = before ? holder_index(before) : LOCK_NIL;
    h->wait_prev = before ? before->wait_prev : l->wait_tail;
    if (h->wait_prev != LOCK_NIL)
        holder_pool[h->wait_prev].wait_next = me;
    else
        l->wait_head = me;
    if (before)
        before->wait_prev = me;
    else
        l->wait_tail = me;
    l->waiting[mode]++;
    l->wait_mask |= (uint16_t)LOCK_BIT(mode);
}

void
lock_queue_remove(Lock *l, Holder *h)
{
    LockMode mode = (LockMode)h->wait_mode;

    ASSERT(mode != LOCK_NONE);
    if (h->wait_prev != LOCK_NIL)
        holder_pool[h->wait_prev].wait_next = h->wait_next;
    else
        l->wait_head = h->wait_next;
    if (h->wait_next != LOCK_NIL)
        holder_pool[h->wait_next].wait_prev = h->wait_prev;
    else
        l->wait_tail = h->wait_prev;
    h->wait_next = h->wait_prev = LOCK_NIL;
    h->wait_mode = LOCK_NONE;
    if (--l->waiting[mode] == 0)
        l->wait_mask &= (uint16_t)~LOCK_BIT(mode);
}

/* Grants, in queue order, what conflicts neither with the granted nor with a waiter further ahead. */
void
lock_wake_waiters(Lock *l)
{
    uint16_t ahead = 0;

    for (int32_t i = l->wait_head; i != LOCK_NIL;) {
        Holder *h = &holder_pool[i];
        LockMode mode = (LockMode)h->wait_mode;
        i = h->wait_next;
        if ((lock_conflict_mask[mode] & ahead) || lock_conflicts_with_granted(l, h, mode)) {
            ahead |= (uint16_t)LOCK_BIT(mode);
            continue;
        }
        lock_queue_remove(l, h);
        lock_grant(l, h, mode);
        ProcSlot *p = &proc_slots[h->slot];
        /* release: the waiter's acquire load in lock_wait sees what the releaser did before */
        atomic_store_explicit(&p->lock_wait_state, WAIT_GRANTED, memory_order_release);
        latch_set(&p->latch);
        /* seq_cst: after the latch was set; pairs with sleep_on_latch */
        if (atomic_load_explicit(&p->lock_wait, memory_order_seq_cst))
            wait_word_wake(&p->latch.set, 1);
    }
}

void
lock_lock_all_partitions(LwMode mode)
{
    for (uint32_t i = 0; i < LOCK_PARTITIONS; i++)
        lw_acquire(&lock_shared->partitions[i].lock, mode);
}

void
lock_unlock_all_partitions(void)
{
    for (uint32_t i = LOCK_PARTITIONS; i-- > 0;)
        lw_release(&lock_shared->partitions[i].lock);
}
