/*
 * Fork sizes and extension.
 *
 * The size of a fork is its file's. A cache in shared memory saves the lseek: sets of three entries on
 * one cache line, read by seqlock, written under the fork's extension lock (a lock by hash) and the
 * set's own writer bit. It is written through: an entry may be evicted at any time.
 *
 * Extension puts the new pages into the table, the first one locked, before the new size is published:
 * nobody can read a new page from disk beside the one in the pool.
 */
#include "bufmgr/buf_internal.h"

#include <string.h>

#include "core/base/hash.h"

#define EXTEND_VICTIMS_MAX 32

static uint64_t
fork_hash(RelLocator r, ForkNo f)
{
    return hash_combine((uint64_t)r.spc << 32 | r.db, (uint64_t)r.rel << 8 | (uint64_t)f);
}

LwLock *
extend_lock(RelLocator r, ForkNo f)
{
    return &buf_shared->extend_locks[(fork_hash(r, f) >> 40) % EXTEND_LOCKS].lock;
}

static inline SizeSet *
set_of(RelLocator r, ForkNo f)
{
    return &buf_shared->sizes[fork_hash(r, f) % SIZE_SETS];
}

static inline bool
entry_is(const SizeEntry *e, RelLocator r, ForkNo f)
{
    return rel_locator_equal(e->rel, r) && e->fork == (uint32_t)f;
}

bool
size_cached(RelLocator r, ForkNo f, BlockNo *out)
{
    SizeSet *set = set_of(r, f);

    for (;;) {
        /* acquire: the entries are read after; pairs with the release in set_unlock */
        uint32_t seq = atomic_load_explicit(&set->seq, memory_order_acquire);
        bool found = false;
        BlockNo blocks = 0;
        if (UNLIKELY(seq & 1)) {
            cpu_relax();
            continue;
        }
        for (int i = 0; i < SIZE_WAYS && !found; i++)
            if (entry_is(&set->ways[i], r, f)) {
                blocks = set->ways[i].blocks;
                found = true;
            }
        /* acquire fence: the entries have been read; relaxed: ordered by it */
        atomic_thread_fence(memory_order_acquire);
        if (LIKELY(atomic_load_explicit(&set->seq, memory_order_relaxed) == seq)) {
            if (found)
                *out = blocks;
            return found;
        }
    }
}

static void
set_lock(SizeSet *set)
{
    critical_enter(); /* a process killed in here would leave readers spinning */
    for (;;) {
        uint32_t seq = atomic_load_explicit(&set->seq, memory_order_relaxed); /* validated below */
        /* acquire: pairs with the release of the last writer */
        if (!(seq & 1) && atomic_compare_exchange_weak_explicit(&set->seq, &seq, seq + 1, memory_order_acquire, memory_order_relaxed))
            break;
        cpu_relax();
    }
    /* release fence: the odd sequence is visible before the changes */
    atomic_thread_fence(memory_order_release);
}

static void
set_unlock(SizeSet *set)
{
    /* release: the changes are visible before the even sequence */
    atomic_fetch_add_explicit(&set->seq, 1, memory_order_release);
    critical_leave();
}

void
size_store(RelLocator r, ForkNo f, BlockNo blocks)
{
    SizeSet *set = set_of(r, f);
    int way = -1;

    set_lock(set);
    for (int i = 0; i < SIZE_WAYS; i++)
        if (entry_is(&set->ways[i], r, f))
            way = i;
    for (int i = 0; i < SIZE_WAYS && way < 0; i++)
        if (set->ways[i].rel.rel == 0)
            way = i;
    if (way < 0) /* any one will do; relaxed: we are the writer */
        way = (int)((atomic_load_explicit(&set->seq, memory_order_relaxed) >> 1) % SIZE_WAYS);
    set->ways[way] = (SizeEntry){r, (uint32_t)f, blocks};
    set_unlock(set);
}

void
size_forget(RelLocator r)
{
    for (int f = 0; f < FORK_COUNT; f++) {
        SizeSet *set = set_of(r, (ForkNo)f);
        set_lock(set);
        for (int i = 0; i < SIZE_WAYS; i++)
            if (entry_is(&set->ways[i], r, (ForkNo)f))
                memset(&set->ways[i], 0, sizeof(set->ways[i]));
        set_unlock(set);
    }
}

void
size_forget_database(Oid db)
{
    for (int s = 0; s < SIZE_SETS; s++) {
        SizeSet *set = &buf_shared->sizes[s];
        set_lock(set);
        for (int i = 0; i < SIZE_WAYS; i++)
            if (set->ways[i].rel.db == db)
                memset(&set->ways[i], 0, sizeof(set->ways[i]));
        set_unlock(set);
    }
}

ErrCode
size_exact_locked(RelLocator r, ForkNo f, BlockNo *out)
{
    BlockNo blocks;

    if (size_cached(r, f, out))
        return ERR_OK;
    ErrCode rc = relfile_block_count(r, f, &blocks);
    if (rc == ERR_OK) {
        size_store(r, f, blocks);
        *out = blocks;
    }
    return rc;
}

ErrCode
buf_fork_blocks(RelLocator r, ForkNo f, BlockNo *out)
{
    if (LIKELY(size_cached(r, f, out)))
        return ERR_OK;
    LwLock *lock = extend_lock(r, f);
    lw_acquire(lock, LW_EXCLUSIVE);
    ErrCode rc = size_exact_locked(r, f, out);
    lw_release(lock);
    return rc;
}

/* Redo meets pages of files that a later record removed or cut: it makes them again, empty. */
ErrCode
size_ensure(RelLocator r, ForkNo f, BlockNo block)
{
    BlockNo blocks;
    ErrCode rc;

    if (LIKELY(size_cached(r, f, &blocks) && block < blocks))
        return ERR_OK;
    LwLock *lock = extend_lock(r, f);
    lw_acquire(lock, LW_EXCLUSIVE);
    rc = size_exact_locked(r, f, &blocks);
    if (rc == ERR_NOT_FOUND) {
        rc = relfile_create(r, f, true);
        blocks = 0;
    }
    if (rc == ERR_OK && block >= blocks) {
        rc = relfile_extend(r, f, blocks, (int)(block + 1 - blocks));
        if (rc == ERR_OK)
            size_store(r, f, block + 1);
    }
    lw_release(lock);
    return rc;
}

/* Puts a zeroed page for tag into the pool; pinned, and locked if wanted. victim is used up. */
static Buf
install_zeroed(Buf victim, const BufTag *tag, bool lock)
{
    Buf b = victim, existing;

    if (!victim_install(victim, tag, tag_hash(tag), &existing)) {
        /* Left behind by a read past the old end: never valid, or zero as the file is. */
        b = existing;
        if (!frame_io_begin_read(&buf_frames[b])) {
            if (lock) {
                buf_lock(b, LW_EXCLUSIVE);
                memset(buf_page(b), 0, PAGE_BYTES);
            }
            return b;
        }
    }
    memset(buf_page(b), 0, PAGE_BYTES);
    if (lock)
        buf_lock(b, LW_EXCLUSIVE);
    frame_io_end(&buf_frames[b], BUF_STATE_VALID, false);
    return b;
}

ErrCode
buf_extend(RelLocator r, ForkNo f, BufRing *ring, int n, BlockNo *first, Buf *out)
{
    Buf victims[EXTEND_VICTIMS_MAX];
    int wanted = MAX(1, MIN(MIN(n, EXTEND_VICTIMS_MAX), MIN((int)buf_frame_count / 16, ring ? ring->size / 2 : n)));
    int have = 0;
    BlockNo blocks = 0;
    ErrCode rc = ERR_OK;

    ASSERT(n >= 1);
    /* Victims first: making room may write pages, which must not happen under the extension lock. */
    while (have < wanted && (rc = victim_get(ring, &victims[have])) == ERR_OK)
        have++;
    if (have == 0)
        return rc;
    LwLock *lock = extend_lock(r, f);
    lw_acquire(lock, LW_EXCLUSIVE);
    rc = size_exact_locked(r, f, &blocks);
    if (rc == ERR_NOT_FOUND)
        rc = ERR_IO;
    if (rc == ERR_OK && (uint64_t)blocks + (uint64_t)n >= BLOCK_INVALID) {
        char path[MAX_PATH_BYTES];
        relfile_path(r, f, 0, path, sizeof(path));
        err_sys_set(0, "cannot extend relation %s beyond %u blocks", path, BLOCK_INVALID);
        rc = ERR_IO;
    }
    if (rc == ERR_OK)
        rc = relfile_extend(r, f, blocks, n);
    if (rc != ERR_OK) {
        lw_release(lock);
        while (have > 0)
            victim_put_back(victims[--have]);
        return rc;
    }
    for (int i = 0; i < have; i++) {
        BufTag tag = tag_make(r, f, blocks + (BlockNo)i);
        Buf b = install_zeroed(victims[i], &tag, i == 0);
        if (i == 0)
            *out = b;
        else
            buf_unpin(b);
    }
    *first = blocks;
    size_store(r, f, blocks + (BlockNo)n);
    lw_release(lock);
    return ERR_OK;
}
