/*
 * Reading statistics. By stats_fetch_consistency a transaction sees each entry as of its first look at
 * it (cache), all as of its first look at any (snapshot), or always the latest (none).
 */
#include "core/base/clock.h"
#include "core/base/hash.h"
#include "core/base/settings.h"
#include "core/stats/stats_internal.h"

int stats_consistency = CONSISTENCY_CACHE;
bool stats_cached;

typedef struct Cached {
    StatsKey key;
    bool found;
    StatsEntry entry;
    struct Cached *next;
} Cached;

static Arena *arena;
static Cached **buckets;
static uint32_t bucket_mask, cached_count;
static TimestampTz snapshot_time;
static int64_t *fixed_copy;

void
stats_clear_snapshot(void)
{
    if (arena && buckets) {
        arena_reset(arena);
        buckets = NULL;
    }
    bucket_mask = cached_count = 0;
    snapshot_time = 0;
    fixed_copy = NULL;
    stats_cached = false;
}

static Cached **
bucket_of(const StatsKey *k)
{
    return &buckets[(uint32_t)hash_bytes(k, sizeof *k) & bucket_mask];
}

static void
buckets_grow(void)
{
    Cached **old = buckets;
    uint32_t n = old ? bucket_mask + 1 : 0, bigger = n ? n * 4 : 64;

    if (!arena)
        arena = arena_create(arena_top(), "statistics snapshot");
    buckets = ARENA_ARRAY(arena, Cached *, bigger);
    bucket_mask = bigger - 1;
    for (uint32_t i = 0; i < n; i++)
        for (Cached *c = old[i], *next; c; c = next) {
            Cached **b = bucket_of(&c->key);

            next = c->next;
            c->next = *b;
            *b = c;
        }
}

static Cached *
cache_add(const StatsKey *k, bool found, const StatsEntry *e)
{
    Cached *c, **b;

    if (buckets == NULL || cached_count > bucket_mask * 2)
        buckets_grow();
    c = arena_alloc(arena, sizeof *c);
    b = bucket_of(k);
    *c = (Cached){.key = *k, .found = found, .entry = *e, .next = *b};
    *b = c;
    cached_count++;
    stats_cached = true;
    return c;
}

typedef struct Copying {
    Oid db;
    int n, cap;
    struct { StatsKey key; StatsEntry entry; } *all;
} Copying;

static bool
copy_one(const StatsKey *k, StatsEntry *e, void *arg)
{
    Copying *c = arg;

    if (k->kind == STATS_KIND_REL && k->db != c->db && k->db != 0)
        return false;
    if (c->n < c->cap) {
        c->all[c->n].key = *k;
        c->all[c->n].entry = *e;
    }
    c->n++;
    return false;
}

static void
snapshot_take(void)
{
    Copying c = {.db = stats_database};

    if (!arena)
        arena = arena_create(arena_top(), "statistics snapshot");
    for (;;) { /* counts first, then with room for all: nothing is allocated under the lock */
        c.n = 0;
        stats_for_each(copy_one, &c);
        if (c.n <= c.cap)
            break;
        c.cap = c.n + 64;
        c.all = arena_alloc(arena, sizeof c.all[0] * (size_t)c.cap);
    }
    for (int i = 0; i < c.n; i++)
        cache_add(&c.all[i].key, true, &c.all[i].entry);
    if (buckets == NULL)
        buckets_grow();
    fixed_copy = ARENA_ARRAY(arena, int64_t, STATS_FIXED_COUNT);
    for (int i = 0; i < STATS_FIXED_COUNT; i++)
        fixed_copy[i] = stats_fixed_value((StatsFixed)i);
    snapshot_time = clock_now();
    stats_cached = true;
}

static bool
fetch(const StatsKey *k, StatsEntry *out)
{
    if (stats_consistency == CONSISTENCY_NONE)
        return stats_entry_copy(k, out);
    if (stats_consistency == CONSISTENCY_SNAPSHOT && snapshot_time == 0)
        snapshot_take();
    if (buckets)
        for (const Cached *c = *bucket_of(k); c; c = c->next)
            if (memcmp(&c->key, k, sizeof *k) == 0) {
                *out = c->entry;
                return c->found;
            }
    if (snapshot_time != 0) {
        memset(out, 0, sizeof *out);
        return false;
    }
    return cache_add(k, stats_entry_copy(k, out), out)->found;
}

bool
stats_fetch_rel(Oid db, Oid oid, StatsRelCounts *out)
{
    StatsKey k = stats_rel_key(db, oid);
    StatsEntry e;
    bool found = fetch(&k, &e);

    *out = e.rel;
    return found;
}

bool
stats_fetch_db(Oid db, StatsDbCounts *out)
{
    StatsKey k = stats_db_key(db);
    StatsEntry e;
    bool found = fetch(&k, &e);

    *out = e.db;
    return found;
}

int64_t
stats_fetch_fixed(StatsFixed which)
{
    if (stats_consistency == CONSISTENCY_SNAPSHOT && snapshot_time == 0)
        snapshot_take();
    return fixed_copy ? fixed_copy[which] : stats_fixed_value(which);
}

TimestampTz
stats_snapshot_time(void)
{
    return snapshot_time;
}

bool
stats_read_rel(Oid db, Oid oid, StatsRelCounts *out)
{
    StatsKey k = stats_rel_key(db, oid);
    StatsEntry e;
    bool found = stats_entry_copy(&k, &e);

    *out = e.rel;
    return found;
}

bool
stats_read_db(Oid db, StatsDbCounts *out)
{
    StatsKey k = stats_db_key(db);
    StatsEntry e;
    bool found = stats_entry_copy(&k, &e);

    *out = e.db;
    return found;
}
