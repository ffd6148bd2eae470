/*
 * Predicate locks and the conflict graph in shared memory: settings, sizes, creation.
 *
 * Everything lies in pools of fixed size with free lists. None of them running out is an error: edges
 * and locks fall back to coarser, conservative forms (rules 7 to 9).
 */
#include <string.h>

#include "core/base/settings.h"
#include "core/shm/shm.h"
#include "lockmgr/predicate_internal.h"

int max_pred_locks_per_transaction = 64, max_pred_locks_per_relation = -2, max_pred_locks_per_page = 2;

PredShared *pred_shared;
PredXact *pred_xacts;
PredEdge *pred_edges;
PredTarget *pred_targets;
PredLock *pred_locks;
int32_t *pred_buckets, *pred_by_xid, *pred_by_csn;
_Atomic uint32_t *pred_users;

static const SettingDef pred_settings[] = {
    {.name = "max_pred_locks_per_transaction", .type = SETTING_INT, .context = CONTEXT_POSTMASTER, .group = "Lock Management",
     .description = "Sets the maximum number of predicate locks per transaction.",
     .variable = &max_pred_locks_per_transaction, .boot = "64", .min = 10, .max = 2147483647},
    {.name = "max_pred_locks_per_relation", .type = SETTING_INT, .context = CONTEXT_SIGHUP, .group = "Lock Management",
     .description = "Sets the maximum number of predicate-locked pages and tuples per relation.",
     .variable = &max_pred_locks_per_relation, .boot = "-2", .min = -2147483647 - 1, .max = 2147483647},
    {.name = "max_pred_locks_per_page", .type = SETTING_INT, .context = CONTEXT_SIGHUP, .group = "Lock Management",
     .description = "Sets the maximum number of predicate-locked tuples per page.",
     .variable = &max_pred_locks_per_page, .boot = "2", .min = 0, .max = 2147483647},
};

void
pred_settings_register(void)
{
    static bool done;

    if (done)
        return;
    done = true;
    settings_register(pred_settings, COUNT_OF(pred_settings));
}

/* Sizes are asked for before the slots exist, so the count of processes comes from the settings. */
static uint32_t
process_count(void)
{
    return (uint32_t)max_connections + (uint32_t)max_worker_processes + (uint32_t)autovacuum_max_workers +
           (uint32_t)max_wal_senders + 20;
}

static uint32_t
power_of_two(uint32_t least)
{
    uint32_t n = 64;

    while (n < least)
        n *= 2;
    return n;
}

/* Ten transactions per process: most of them finished ones that a slow concurrent one keeps. */
static uint32_t xact_count(void) { return 10 * process_count() + 1; }
static uint32_t edge_count(void) { return 5 * xact_count(); }
static uint32_t
target_count(void)
{
    return (uint32_t)MIN((uint64_t)max_pred_locks_per_transaction * process_count(), UINT64_C(1) << 26);
}
static uint32_t lock_count(void) { return 2 * target_count(); }
static size_t lines(size_t bytes) { return ALIGN_UP(bytes, (size_t)CACHE_LINE); }

static size_t
pred_size(void)
{
    return lines(sizeof(PredShared)) + lines(xact_count() * sizeof(PredXact)) + lines(edge_count() * sizeof(PredEdge)) +
           lines((size_t)target_count() * sizeof(PredTarget)) + lines((size_t)lock_count() * sizeof(PredLock)) +
           lines((size_t)power_of_two(target_count()) * sizeof(int32_t)) + 2 * lines((size_t)power_of_two(xact_count()) * sizeof(int32_t));
}

static void *
carve(char **p, size_t bytes)
{
    void *at = *p;

    *p += lines(bytes);
    return at;
}

static void
pools_init(void)
{
    PredShared *s = pred_shared;

    s->free_xacts = s->free_edges = s->free_targets = s->free_locks = PRED_NIL;
    s->active_head = s->active_tail = s->finished_head = s->finished_tail = PRED_NIL;
    for (uint32_t i = s->xact_count; i-- > 0;) {
        PredXact *x = &pred_xacts[i];

        spin_init(&x->list_lock);
        x->locks = x->out = x->in = PRED_NIL;
        if (i == PRED_SUMMARY)
            continue;
        x->next = s->free_xacts;
        s->free_xacts = (int32_t)i;
    }
    for (uint32_t i = s->edge_count; i-- > 0;) {
        pred_edges[i].out_next = s->free_edges;
        s->free_edges = (int32_t)i;
    }
    for (uint32_t i = s->target_count; i-- > 0;) {
        pred_targets[i].next = s->free_targets;
        s->free_targets = (int32_t)i;
    }
    for (uint32_t i = s->lock_count; i-- > 0;) {
        pred_locks[i].next = s->free_locks;
        s->free_locks = (int32_t)i;
    }
}

static void
pred_init(void *base)
{
    char *p = base;
    PredShared *s = pred_shared = carve(&p, sizeof(PredShared));

    s->xact_count = xact_count();
    s->edge_count = edge_count();
    s->target_count = target_count();
    s->lock_count = lock_count();
    s->bucket_count = power_of_two(target_count());
    s->xid_buckets = power_of_two(xact_count());
    pred_xacts = carve(&p, s->xact_count * sizeof(PredXact));
    pred_edges = carve(&p, s->edge_count * sizeof(PredEdge));
    pred_targets = carve(&p, (size_t)s->target_count * sizeof(PredTarget));
    pred_locks = carve(&p, (size_t)s->lock_count * sizeof(PredLock));
    pred_buckets = carve(&p, (size_t)s->bucket_count * sizeof(int32_t));
    pred_by_xid = carve(&p, (size_t)s->xid_buckets * sizeof(int32_t));
    pred_by_csn = carve(&p, (size_t)s->xid_buckets * sizeof(int32_t));
    for (uint32_t i = 0; i < s->bucket_count; i++)
        pred_buckets[i] = PRED_NIL;
    for (uint32_t i = 0; i < s->xid_buckets; i++)
        pred_by_xid[i] = pred_by_csn[i] = PRED_NIL;
    for (uint32_t i = 0; i < PRED_PARTITIONS; i++)
        lw_init(&s->partitions[i].lock, LWT_PREDICATE_LOCK);
    lw_init(&s->graph.lock, LWT_SERIALIZABLE);
    spin_init(&s->free_lock);
    s->next_seq = 1;
    s->lost_earliest_out = PRED_LSN_NEVER;
    pools_init();
    pred_users = &s->users;
    pred_me = NULL;
    pred_tracking = false;
}

void
pred_shm_register(void)
{
    static const ShmRequest request = {"predicate locks", SHM_LOCKS, pred_size, pred_init};

    pred_settings_register();
    shm_register(&request);
}
