/*
 * The table of statistics in shared memory: partitions, each a hash table under one lock.
 *
 * A process comes here at most about once a second, so nothing is clever: a lock, a few additions. The
 * table never grows: when a partition is full, the entry that was changed longest ago makes room.
 */
#include "core/stats/stats_internal.h"

#include "core/base/clock.h"
#include "core/base/hash.h"
#include "core/base/settings.h"
#include "core/shm/shm.h"

StatsShared *stats_shared;
static int table_entries = 10000;
static int64_t (*external[STATS_FIXED_COUNT])(void);

const char *const stats_slru_names[STATS_SLRU_COUNT] = {
    "CommitTs", "MultiXactMember", "MultiXactOffset", "Notify", "Serial", "Subtrans", "Xact", "other",
};

STATIC_ASSERT(STATS_SLRU_LAST - STATS_SLRU_FIRST + 1 == STATS_SLRU_COUNT * SLRU_COUNTER_COUNT);

/* ---- making it ---- */

static const SettingDef shared_settings[] = {
    {.name = "posthaste.stats_entries", .type = SETTING_INT, .context = CONTEXT_POSTMASTER,
     .group = "Statistics / Cumulative Query and Index Statistics",
     .description = "Relations and databases that statistics are kept of.", .variable = &table_entries,
     .boot = "10000", .min = 1000, .max = 10000000},
};

static size_t
partition_entries(void)
{
    return (size_t)table_entries / STATS_PARTITIONS + 1;
}

static size_t
partition_bytes(void)
{
    return ALIGN_UP(shm_hash_size(sizeof(StatsKey), sizeof(StatsEntry), partition_entries()), (size_t)CACHE_LINE);
}

static size_t
shared_size(void)
{
    return ALIGN_UP(sizeof(StatsShared), (size_t)CACHE_LINE) + STATS_PARTITIONS * partition_bytes();
}

static void
shared_init(void *base)
{
    char *at = (char *)base + ALIGN_UP(sizeof(StatsShared), (size_t)CACHE_LINE);
    TimestampTz now = clock_now();

    stats_shared = base;
    for (int i = 0; i < STATS_PARTITIONS; i++, at += partition_bytes()) {
        lw_init(&stats_shared->part[i].lock.lock, LWT_STATS);
        stats_shared->part[i].hash = shm_hash_init(at, sizeof(StatsKey), sizeof(StatsEntry), partition_entries());
    }
    for (int i = 0; i < STATS_RESET_COUNT; i++) /* relaxed: nobody else yet */
        atomic_store_explicit(&stats_shared->reset_time[i], now, memory_order_relaxed);
}

void
stats_shm_register(void)
{
    static const ShmRequest request = {"cumulative statistics", SHM_STATS, shared_size, shared_init};

    settings_register(shared_settings, COUNT_OF(shared_settings));
    stats_settings_register();
    shm_register(&request);
}

/* ---- entries ---- */

StatsPartition *
stats_partition(const StatsKey *k)
{
    return &stats_shared->part[hash_bytes(k, sizeof *k) >> 32 & (STATS_PARTITIONS - 1)];
}

/* The one changed longest ago goes. Rare (a table of many thousands is full), so a walk will do. */
static void
evict(StatsPartition *p)
{
    size_t cursor = 0;
    void *key, *value;
    StatsKey oldest;
    int64_t oldest_at = INT64_MAX;

    while (shm_hash_next(p->hash, &cursor, &key, &value)) {
        const StatsEntry *e = value;

        if (((StatsKey *)key)->kind == STATS_KIND_REL && e->used_at < oldest_at) {
            oldest_at = e->used_at;
            oldest = *(StatsKey *)key;
        }
    }
    if (oldest_at != INT64_MAX && shm_hash_remove(p->hash, &oldest))
        p->evicted++;
}

StatsEntry *
stats_entry_make(StatsPartition *p, const StatsKey *k, int64_t now)
{
    bool found;
    StatsEntry *e = shm_hash_find(p->hash, k);

    if (e == NULL) {
        e = shm_hash_insert(p->hash, k, &found);
        if (e == NULL) {
            evict(p);
            e = shm_hash_insert(p->hash, k, &found);
            if (e == NULL)
                return NULL; /* databases only: not counted */
        }
        memset(e, 0, sizeof *e);
    }
    e->used_at = now;
    return e;
}

bool
stats_entry_copy(const StatsKey *k, StatsEntry *out)
{
    StatsPartition *p;
    const StatsEntry *e;

    memset(out, 0, sizeof *out);
    if (stats_shared == NULL)
        return false;
    p = stats_partition(k);
    lw_acquire(&p->lock.lock, LW_SHARED);
    e = shm_hash_find(p->hash, k);
    if (e)
        *out = *e;
    lw_release(&p->lock.lock);
    return e != NULL;
}

void
stats_entry_remove(const StatsKey *k)
{
    StatsPartition *p;

    if (stats_shared == NULL)
        return;
    p = stats_partition(k);
    lw_acquire(&p->lock.lock, LW_EXCLUSIVE);
    shm_hash_remove(p->hash, k);
    lw_release(&p->lock.lock);
}

/* Entries to be removed are collected first: removal moves others past a running iteration. */
static void
walk_partition(StatsPartition *p, bool (*fn)(const StatsKey *k, StatsEntry *e, void *arg), void *arg)
{
    enum { AT_ONCE = 256 };
    StatsKey gone[AT_ONCE];
    bool again = true;

    lw_acquire(&p->lock.lock, LW_EXCLUSIVE);
    while (again) {
        size_t cursor = 0;
        void *key, *value;
        int n = 0;

        while (n < AT_ONCE && shm_hash_next(p->hash, &cursor, &key, &value))
            if (fn(key, value, arg))
                gone[n++] = *(StatsKey *)key;
        again = n == AT_ONCE;
        while (n > 0)
            shm_hash_remove(p->hash, &gone[--n]);
    }
    lw_release(&p->lock.lock);
}

void
stats_for_each(bool (*fn)(const StatsKey *k, StatsEntry *e, void *arg), void *arg)
{
    for (int i = 0; stats_shared && i < STATS_PARTITIONS; i++)
        walk_partition(&stats_shared->part[i], fn, arg);
}

void
stats_drop_rel(Oid db, Oid oid)
{
    StatsKey k = stats_rel_key(db, oid);

    stats_entry_remove(&k);
}

static bool
is_of_database(const StatsKey *k, StatsEntry *e, void *arg)
{
    return k->db == *(Oid *)arg;
}

void
stats_drop_database(Oid db)
{
    stats_for_each(is_of_database, &db);
}

typedef struct Listing {
    Arena *arena;
    Oid db, *oids;
    int n, cap;
} Listing;

static bool
note_oid(const StatsKey *k, StatsEntry *e, void *arg)
{
    Listing *l = arg;

    if (k->kind == STATS_KIND_REL && k->db == l->db && l->n < l->cap)
        l->oids[l->n++] = k->oid;
    return false;
}

int
stats_list_rels(Arena *a, Oid db, Oid **out)
{
    Listing l = {.arena = a, .db = db, .cap = table_entries + STATS_PARTITIONS};

    l.oids = ARENA_ARRAY(a, Oid, l.cap); /* nothing is allocated under the lock */
    stats_for_each(note_oid, &l);
    *out = l.oids;
    return l.n;
}

/* ---- counters of the instance ---- */

void
stats_fixed_external(StatsFixed which, int64_t (*read)(void))
{
    external[which] = read;
}

void
stats_fixed_add(StatsFixed which, int64_t n)
{
    if (n != 0 && stats_shared) /* relaxed: see StatsShared */
        atomic_fetch_add_explicit(&stats_shared->fixed[which], n, memory_order_relaxed);
}

int64_t
stats_fixed_value(StatsFixed which)
{
    if (stats_shared == NULL)
        return 0;
    return atomic_load_explicit(&stats_shared->fixed[which], memory_order_relaxed) +
           (external[which] ? external[which]() : 0);
}

/* An external counter goes on by itself: what is kept here is the difference. */
void
stats_fixed_set(StatsFixed which, int64_t value)
{
    atomic_store_explicit(&stats_shared->fixed[which], value - (external[which] ? external[which]() : 0),
                          memory_order_relaxed);
}

static void
zero_range(int first, int last)
{
    for (int i = first; i <= last; i++)
        stats_fixed_set((StatsFixed)i, 0);
}

void
stats_reset_fixed(StatsReset which)
{
    if (stats_shared == NULL)
        return;
    if (which == STATS_RESET_WAL)
        zero_range(STATS_WAL_RECORDS, STATS_WAL_SYNC_US);
    else if (which == STATS_RESET_BGWRITER)
        zero_range(STATS_CHECKPOINTS_TIMED, STATS_BUFFERS_ALLOC);
    else if (which >= STATS_RESET_SLRU_FIRST)
        zero_range(STATS_SLRU(which - STATS_RESET_SLRU_FIRST, 0),
                   STATS_SLRU(which - STATS_RESET_SLRU_FIRST, SLRU_COUNTER_COUNT - 1));
    atomic_store_explicit(&stats_shared->reset_time[which], clock_now(), memory_order_relaxed);
}

TimestampTz
stats_reset_time(StatsReset which)
{
    return stats_shared ? atomic_load_explicit(&stats_shared->reset_time[which], memory_order_relaxed) : 0;
}
