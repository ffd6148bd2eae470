/*
 * Choosing a frame for a new page: rings, the clock hand, taking the victim from its old page.
 *
 * The hand moves over groups of 64 frames with one shared fetch-add per group. A step decays the
 * group's usage counts and returns those that stood at zero; the process keeps that mask and uses up
 * its candidates, one group behind the hand, before it moves it again. There is no free list: a frame that was dropped has
 * usage zero and no tag, and is the cheapest candidate of its group.
 *
 * Pinned frames are not looked up in a bitmap (keeping one would cost every pin and unpin a shared
 * write): a candidate's own state is looked at, and there are few candidates.
 */
#include <sched.h>

#include "bufmgr/buf_internal.h"
#include "walmgr/walmgr.h"

#define ROUNDS_MAX 16      /* passes of the whole pool; USAGE_MAX + 1 empty it of usage */
#define YIELD_ROUNDS 4     /* from here on let the pinners run */

/* Candidates of the last steps by this process: those of `ready` are used up first; the headers of those of
 * `coming` are on their way from memory meanwhile. */
typedef struct Candidates {
    uint64_t mask;
    uint32_t group;
} Candidates;
static Candidates ready, coming;

#define CANDIDATES_FETCHED 16 /* a pool that is cold as a whole needs no more */

static inline uint32_t
group_count(void)
{
    return (buf_frame_count + SWEEP_GROUP - 1) / SWEEP_GROUP;
}

/* Moves the hand over one group; returns the candidates it found there. */
uint64_t
sweep_next_group(void)
{
    /* relaxed: a ticket; the counts it leads to are hints */
    uint64_t ticket = atomic_fetch_add_explicit(&buf_shared->hand, 1, memory_order_relaxed);
    uint32_t group = (uint32_t)(ticket % group_count());
    uint32_t frames = MIN(buf_frame_count - group * SWEEP_GROUP, (uint32_t)SWEEP_GROUP);

    coming.group = group;
    coming.mask = sweep_step(buf_usage + (size_t)group * SWEEP_GROUP);
    if (frames < SWEEP_GROUP)
        coming.mask &= (UINT64_C(1) << frames) - 1;
    return coming.mask;
}

/*
 * A victim costs two cache misses, its header and its bucket, and in a pool of many gigabytes they go to memory.
 * So the hand is one group ahead: the headers of the group to come are sent for, and the buckets of the group
 * at hand, whose headers have arrived by now.
 */
static void
next_candidates(void)
{
    ready = coming;
    sweep_next_group();
    uint64_t left = coming.mask;
    for (int n = 0; left && n < CANDIDATES_FETCHED; n++, left &= left - 1)
        __builtin_prefetch(&buf_frames[coming.group * SWEEP_GROUP + (uint32_t)__builtin_ctzll(left)], 0);
    left = ready.mask;
    for (int n = 0; left && n < CANDIDATES_FETCHED; n++, left &= left - 1) {
        BufTag tag = buf_frames[ready.group * SWEEP_GROUP + (uint32_t)__builtin_ctzll(left)].tag; /* a guess */
        __builtin_prefetch(&buf_buckets[hash_bucket(tag_hash(&tag))], 1);
    }
}

uint64_t
sweep_position(void)
{
    /* relaxed: the background writer aims, it does not rely */
    return atomic_load_explicit(&buf_shared->hand, memory_order_relaxed);
}

/* Takes the frame out of the table; false: somebody pinned or dirtied it meanwhile. */
static bool
evict(Buf b)
{
    Frame *f = &buf_frames[b];
    /* relaxed: our pin holds tag and TAG_VALID still */
    uint64_t s = atomic_load_explicit(&f->state, memory_order_relaxed);

    if (!(s & BUF_STATE_TAG_VALID))
        return true;
    uint64_t hash = tag_hash(&f->tag);
    LwLock *partition = partition_lock(hash);
    bool done = false;
    lw_acquire(partition, LW_EXCLUSIVE);
    s = atomic_load_explicit(&f->state, memory_order_relaxed); /* validated below */
    while (state_pins(s) == 1 && !(s & (BUF_STATE_DIRTY | BUF_STATE_IO))) {
        /* acquire: pairs with the release of the last unpin */
        if (atomic_compare_exchange_weak_explicit(&f->state, &s, s & ~BUF_STATE_FLAGS, memory_order_acquire, memory_order_relaxed)) {
            version_open(f); /* under the partition lock: before the page can come back in another frame */
            table_delete(hash, b);
            done = true;
            break;
        }
    }
    lw_release(partition);
    return done;
}

/*
 * A clean frame that nobody pins goes from its page to us by one compare-and-swap under its partition's lock.
 * The tag is read without a pin. If it still stands there with TAG_VALID once the lock of its own partition is
 * held, it is the frame's: it cannot have come, nor can it go, without that lock.
 */
static bool
take_clean(Buf b)
{
    Frame *f = &buf_frames[b];
    BufTag tag = f->tag;
    uint64_t hash = tag_hash(&tag);
    LwLock *partition = partition_lock(hash);
    bool done = false;

    lw_acquire(partition, LW_EXCLUSIVE);
    /* relaxed: validated by the compare-and-swap */
    uint64_t s = atomic_load_explicit(&f->state, memory_order_relaxed);
    if ((s & BUF_STATE_TAG_VALID) && tags_equal(&f->tag, &tag))
        while (state_pins(s) == 0 && !(s & (BUF_STATE_DIRTY | BUF_STATE_IO))) {
            /* acquire: pairs with the release of the last unpin */
            if (atomic_compare_exchange_weak_explicit(&f->state, &s, (s & ~BUF_STATE_FLAGS) + BUF_ONE_PIN, memory_order_acquire, memory_order_relaxed)) {
                version_open(f); /* under the partition lock: before the page can come back in another frame */
                pins_add(b);
                table_delete(hash, b);
                done = true;
                break;
            }
        }
    lw_release(partition);
    return done;
}

/* A dirty frame: pinned, written, then taken from its page. ERR_BUSY: not this one. */
static ErrCode
take_dirty(Buf b, uint64_t s)
{
    static WritebackRun run;
    Frame *f = &buf_frames[b];
    bool written = false;

    /* acquire: as in frame_pin_if */
    if (!atomic_compare_exchange_strong_explicit(&f->state, &s, s + BUF_ONE_PIN, memory_order_acquire, memory_order_relaxed))
        return ERR_BUSY;
    pins_add(b);
    ErrCode rc = frame_flush(b, 0, &written);
    if (rc == ERR_OK && written) {
        /* relaxed: a counter */
        atomic_fetch_add_explicit(&buf_shared_stats->backend_written, 1, memory_order_relaxed);
        run.limit = backend_flush_after;
        writeback_add(&run, &f->tag, 1);
    }
    if (rc == ERR_OK && !evict(b))
        rc = ERR_BUSY;
    if (rc != ERR_OK)
        buf_unpin(b);
    return rc;
}

/*
 * Tries to make b ours: unpinned, written out if dirty, without a page. ERR_BUSY: not this one.
 */
static ErrCode
claim(Buf b)
{
    Frame *f = &buf_frames[b];
    /* relaxed: validated by the compare-and-swap */
    uint64_t s = atomic_load_explicit(&f->state, memory_order_relaxed);

    if (state_pins(s) != 0 || (s & BUF_STATE_IO))
        return ERR_BUSY;
    if (s & BUF_STATE_DIRTY)
        return take_dirty(b, s);
    if (s & BUF_STATE_TAG_VALID)
        return take_clean(b) ? ERR_OK : ERR_BUSY;
    /* acquire: as in frame_pin_if */
    if (!atomic_compare_exchange_strong_explicit(&f->state, &s, s + BUF_ONE_PIN, memory_order_acquire, memory_order_relaxed))
        return ERR_BUSY;
    pins_add(b);
    return ERR_OK;
}

/* ---- rings ---- */

BufRing *
buf_ring_create(Arena *a, BufRingKind kind)
{
    static const int pages[] = {[BUF_RING_BULK_READ] = 256 / 8, [BUF_RING_BULK_WRITE] = 16 * 1024 / 8, [BUF_RING_VACUUM] = 256 / 8};
    int size = MAX(1, MIN(pages[kind], (int)buf_frame_count / 8));
    BufRing *r = arena_alloc(a, sizeof(BufRing) + sizeof(Buf) * (size_t)size);

    r->kind = kind;
    r->size = size;
    r->current = 0;
    r->from_ring = false;
    for (int i = 0; i < size; i++)
        r->frames[i] = BUF_INVALID;
    return r;
}

/* The ring's next frame, if nobody else has taken an interest in it since. */
static ErrCode
claim_from_ring(BufRing *r, Buf *out)
{
    r->current = (r->current + 1) % r->size;
    Buf b = r->frames[r->current];
    if (b < 0 || buf_usage[b] > 1)
        return ERR_BUSY;
    if (r->kind == BUF_RING_BULK_READ) {
        /* A scan that sets hints must not wait for the log at every page. relaxed: a guess */
        uint64_t s = atomic_load_explicit(&buf_frames[b].state, memory_order_relaxed);
        if ((s & BUF_STATE_DIRTY) && page_lsn(buf_page(b)) > wal_flushed())
            return ERR_BUSY;
    }
    ErrCode rc = claim(b);
    if (rc == ERR_OK)
        *out = b;
    return rc;
}

ErrCode
victim_get(BufRing *ring, Buf *out)
{
    if (ring) {
        ErrCode rc = claim_from_ring(ring, out);
        if (rc != ERR_BUSY)
            return rc;
    }
    /* relaxed: a counter */
    atomic_fetch_add_explicit(&buf_shared_stats->alloc, 1, memory_order_relaxed);
    uint64_t groups_left = (uint64_t)group_count() * ROUNDS_MAX;
    uint64_t yield_below = (uint64_t)group_count() * (ROUNDS_MAX - YIELD_ROUNDS);
    for (;;) {
        while (ready.mask) {
            int bit = __builtin_ctzll(ready.mask);
            Buf b = (Buf)(ready.group * SWEEP_GROUP + (uint32_t)bit);
            ready.mask &= ready.mask - 1;
            if ((uint32_t)b >= buf_frame_count || buf_usage[b] != 0)
                continue;
            ErrCode rc = claim(b);
            if (rc == ERR_BUSY)
                continue;
            if (rc == ERR_OK) {
                PROBE1(buf_victim, b);
                if (ring)
                    ring->frames[ring->current] = b;
                *out = b;
            }
            return rc;
        }
        if (groups_left-- == 0) {
            err_sys_set(0, "no unpinned buffers available");
            return ERR_NO_VICTIM;
        }
        if (groups_left < yield_below && groups_left % group_count() == 0)
            sched_yield();
        next_candidates();
    }
}

void
victim_put_back(Buf b)
{
    buf_usage[b] = 0;
    buf_unpin(b);
}

bool
victim_install(Buf victim, const BufTag *tag, uint64_t hash, Buf *existing)
{
    Frame *f = &buf_frames[victim];
    LwLock *partition = partition_lock(hash);
    uint64_t state;

    lw_acquire(partition, LW_EXCLUSIVE);
    Buf found = table_lookup(hash, tag);
    if (found >= 0) {
        /* In the table and under its lock: the tag cannot go away. */
        if (!frame_pin_if(found, tag, true, &state))
            PANIC("buffer table corrupted: frame %d has another page", found);
        lw_release(partition);
        victim_put_back(victim);
        *existing = found;
        return false;
    }
    f->tag = *tag;
    buf_usage[victim] = 1;
    if (UNLIKELY(!table_insert(hash, victim)))
        PANIC("buffer table partition is full");
    critical_enter(); /* until frame_io_end: others wait for the end of our IO */
    /* release: publishes the tag to frame_pin_if */
    atomic_fetch_or_explicit(&f->state, BUF_STATE_TAG_VALID | BUF_STATE_IO, memory_order_release);
    lw_release(partition);
    return true;
}
