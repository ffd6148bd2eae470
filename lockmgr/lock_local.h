/*
 * The process-local table of heavyweight locks held; included by lock.c alone.
 *
 * It answers a repeated request without touching shared memory, counts acquisitions per nesting level
 * (subtransaction), and remembers where a lock stands. Entries lie densely in an array, so that the end
 * of a transaction walks exactly what is held; a small open-addressed index finds one by tag and mode,
 * and each entry knows its place there. Its memory is an arena of its own, grown by doubling and never
 * given back.
 *
 * `fast_entries`, `slow_count` and `session_count` summarise the entries, for the common end of a
 * transaction: nothing but fast-path locks, none of them of session level.
 */
#ifndef LOCKMGR_LOCK_LOCAL_H
#define LOCKMGR_LOCK_LOCAL_H

#include "lockmgr/lock_internal.h"

typedef enum LocalKind {
    LOCAL_NOWHERE,   /* not acquired yet, or released already */
    LOCAL_FAST,      /* weak relation lock in the slot */
    LOCAL_FAST_VXID,
    LOCAL_FAST_XID,
    LOCAL_MOVED,     /* was in the slot; somebody put it into the table */
    LOCAL_TABLE
} LocalKind;

typedef struct LocalLock {
    LockTag tag;
    uint32_t hash;       /* of the tag */
    uint8_t mode, kind;  /* LockMode, LocalKind */
    bool strong;         /* we raised the strong counter */
    int8_t fast_entry;
    uint32_t index_at;   /* where the index refers to us */
    int32_t holder;      /* LOCAL_TABLE: index of our Holder */
    uint32_t total;      /* session + all levels */
    uint32_t session;
    /* Acquisitions of transaction level: the deepest nesting level here, shallower ones chained. */
    int32_t level;
    uint32_t level_count;
    int32_t outer;       /* index into outers, -1 none */
} LocalLock;

typedef struct OuterLevel { int32_t level; uint32_t count; int32_t outer; } OuterLevel;

static PROCESS_LOCAL struct {
    ProcSlot *owner;       /* whose table it is: a forked child starts afresh */
    Arena *arena;
    LocalLock *locks;
    int count, cap;
    int32_t *index;        /* position + 1, 0 empty; size index_mask + 1 */
    uint32_t index_mask;
    uint64_t fast_entries; /* of all entries of kind LOCAL_FAST */
    int slow_count;        /* entries that are neither LOCAL_FAST nor LOCAL_NOWHERE */
    int session_count;     /* entries with a session lock */
    OuterLevel *outers;
    int32_t outer_free;
    int outer_cap, outer_used;
} local;

#define LOCAL_CAP_MIN 64
STATIC_ASSERT(FAST_SLOTS <= INT8_MAX);

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
    local.fast_entries = 0;
    local.slow_count = local.session_count = 0;
    local.outers = NULL;
    local.outer_cap = local.outer_used = 0;
    local.outer_free = -1;
    local.owner = proc_self;
    fast_path_attach();
}

static inline uint32_t
local_home(uint32_t hash, LockMode mode)
{
    return (hash + (uint32_t)mode * 0x9E3779B1u) & local.index_mask;
}

/* *at (may be NULL): the empty place of the index where the search ended. */
static inline LocalLock *
local_find(const LockTag *tag, uint32_t hash, LockMode mode, uint32_t *at)
{
    uint32_t i = local_home(hash, mode);

    for (; local.index[i]; i = (i + 1) & local.index_mask) {
        LocalLock *l = &local.locks[local.index[i] - 1];
        if (l->hash == hash && l->mode == mode && lock_tags_equal(&l->tag, tag))
            return l;
    }
    if (at)
        *at = i;
    return NULL;
}

static uint32_t
local_index_add(int position)
{
    LocalLock *l = &local.locks[position];
    uint32_t i = local_home(l->hash, (LockMode)l->mode);

    while (local.index[i])
        i = (i + 1) & local.index_mask;
    local.index[i] = position + 1;
    return l->index_at = i;
}

static NOINLINE void
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

/* at: what local_find has just found empty. */
static inline LocalLock *
local_insert(const LockTag *tag, uint32_t hash, LockMode mode, uint32_t at)
{
    bool full = local.count == local.cap;

    if (UNLIKELY(full))
        local_grow();
    int position = local.count++;
    LocalLock *l = &local.locks[position];
    store_u64(&l->tag.f1, load_u64(&tag->f1)); /* by words: see lock_tag_make */
    store_u64(&l->tag.f3, load_u64(&tag->f3));
    store_u32(&l->tag.type, load_u32(&tag->type));
    l->hash = hash;
    l->mode = (uint8_t)mode;
    l->kind = LOCAL_NOWHERE;
    l->strong = false;
    l->holder = LOCK_NIL;
    l->total = l->session = l->level_count = 0;
    l->level = 0;
    l->outer = -1;
    if (UNLIKELY(full)) {
        local_index_add(position);
    } else {
        local.index[at] = position + 1;
        l->index_at = at;
    }
    return l;
}

static inline void
local_set_kind(LocalLock *l, LocalKind kind)
{
    if (l->kind == LOCAL_FAST)
        local.fast_entries &= ~(UINT64_C(1) << l->fast_entry);
    local.slow_count += (kind > LOCAL_FAST) - (l->kind > LOCAL_FAST);
    l->kind = (uint8_t)kind;
}

static inline void
local_set_fast(LocalLock *l, int entry)
{
    l->kind = LOCAL_FAST;
    l->fast_entry = (int8_t)entry;
    local.fast_entries |= UINT64_C(1) << entry;
}

/* ---- counts per nesting level ---- */

static int32_t
local_outer_alloc(void)
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
    local.outer_used++;
    return i;
}

static void
local_pop_level(LocalLock *l)
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
    local.outer_used--;
}

static void
local_count_acquisition(LocalLock *l, bool session)
{
    l->total++;
    if (session) {
        local.session_count += l->session++ == 0;
        return;
    }
    if (LIKELY(l->level_count == 0)) {
        l->level = lock_current_level;
        l->level_count = 1;
    } else if (l->level >= lock_current_level) {
        l->level_count++; /* levels only deepen while something is held at them */
    } else {
        int32_t i = local_outer_alloc();
        local.outers[i] = (OuterLevel){l->level, l->level_count, l->outer};
        l->outer = i;
        l->level = lock_current_level;
        l->level_count = 1;
    }
}

/* The first acquisition of a new entry. */
static inline void
local_count_first(LocalLock *l, bool session)
{
    l->total = 1;
    if (UNLIKELY(session)) {
        l->session = 1;
        local.session_count++;
    } else {
        l->level = lock_current_level;
        l->level_count = 1;
    }
}

static inline void
local_session_less(LocalLock *l)
{
    local.session_count -= --l->session == 0;
}

/* ---- forgetting ---- */

/* Backward-shift deletion keeps probe runs free of tombstones; the last entry fills the gap. */
static void
local_remove(LocalLock *l)
{
    int position = (int)(l - local.locks);
    uint32_t hole = l->index_at;

    ASSERT(l->kind == LOCAL_NOWHERE);
    while (UNLIKELY(l->outer >= 0))
        local_pop_level(l);
    if (UNLIKELY(l->session > 0))
        local.session_count--;
    for (uint32_t i = (hole + 1) & local.index_mask; local.index[i]; i = (i + 1) & local.index_mask) {
        LocalLock *other = &local.locks[local.index[i] - 1];
        uint32_t home = local_home(other->hash, (LockMode)other->mode);
        if (((i - home) & local.index_mask) >= ((i - hole) & local.index_mask)) {
            local.index[hole] = local.index[i];
            other->index_at = hole;
            hole = i;
        }
    }
    local.index[hole] = 0;
    int last = --local.count;
    if (position != last) {
        local.locks[position] = local.locks[last];
        local.index[local.locks[position].index_at] = position + 1;
    }
}

/* Forgets everything; what was held has been given back. */
static void
local_clear(void)
{
    if (UNLIKELY(local.outer_used > 0))
        for (int i = 0; i < local.count; i++)
            while (local.locks[i].outer >= 0)
                local_pop_level(&local.locks[i]);
    for (int i = 0; i < local.count; i++)
        local.index[local.locks[i].index_at] = 0;
    local.count = 0;
    local.fast_entries = 0;
    local.slow_count = local.session_count = 0;
}

#endif
