/*
 * Reading pages in and writing them out.
 *
 * One process at a time does IO on a frame (the IO flag); others sleep on io_wait. A write copies the
 * page under a shared content lock and lets go of it: checksum, log flush (rule 5) and the write work
 * on the copy, so that the page can be changed meanwhile; JUST_DIRTIED tells that it was, and then it
 * stays dirty. DIRTY is cleared only after the write has been handed to the fsync queue.
 *
 * A reader that misses in sequence (a ring for bulk reads, or the block after its last miss) reads up
 * to sixteen neighbours in one call.
 */
#include "bufmgr/buf_internal.h"

#include <sched.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/stats/stats.h"
#include "walmgr/walmgr.h"

#define READ_RUN_MAX 16

/* Copies on their way to disk. Aligned for the kernel's sake; a process writes one run at a time. */
static char copies[WRITE_RUN_MAX][PAGE_BYTES] __attribute__((aligned(4096)));

/* ---- the IO flag ---- */

void
frame_wait_io(Frame *f)
{
    for (;;) {
        /* acquire: read before the flag, so that the end of IO in between changes it */
        uint32_t seq = atomic_load_explicit(&f->io_wait, memory_order_acquire);
        /* acquire: pairs with the release in frame_io_end */
        uint64_t s = atomic_load_explicit(&f->state, memory_order_acquire);
        if (!(s & BUF_STATE_IO))
            return;
        if (!(s & BUF_STATE_IO_WAITERS) &&
            /* relaxed: asks for a wake only */
            !atomic_compare_exchange_weak_explicit(&f->state, &s, s | BUF_STATE_IO_WAITERS, memory_order_relaxed, memory_order_relaxed))
            continue;
        proc_wait_begin(WAIT_EVENT_BUFFER_IO);
        wait_word_sleep(&f->io_wait, seq, 1000 * 1000);
        proc_wait_end();
    }
}

void
frame_io_end(Frame *f, uint64_t set, bool clear_dirty)
{
    /* relaxed: validated by the compare-and-swap */
    uint64_t s = atomic_load_explicit(&f->state, memory_order_relaxed), next;

    /* A page that nobody has seen yet becomes readable, unless we hold it locked. */
    if ((set & BUF_STATE_VALID) && !(s & LW_EXCL))
        version_close(f);
    do {
        next = (s & ~(BUF_STATE_IO | BUF_STATE_IO_WAITERS | BUF_STATE_IO_ERROR)) | set;
        if (clear_dirty && !(s & BUF_STATE_JUST_DIRTIED))
            next &= ~(BUF_STATE_DIRTY | BUF_STATE_CHECKPOINT);
        /* release: the page read in is visible to whoever sees VALID */
    } while (!atomic_compare_exchange_weak_explicit(&f->state, &s, next, memory_order_release, memory_order_relaxed));
    if (s & BUF_STATE_IO_WAITERS)
        frame_wake(f);
    critical_leave();
}

bool
frame_io_begin_read(Frame *f)
{
    for (;;) {
        /* acquire: VALID makes the page readable */
        uint64_t s = atomic_load_explicit(&f->state, memory_order_acquire);
        if (s & BUF_STATE_VALID)
            return false;
        if (s & BUF_STATE_IO) {
            frame_wait_io(f);
            continue;
        }
        /* acquire: pairs with the release of the process that failed before us */
        critical_enter(); /* until frame_io_end: others wait for the end of our IO */
        if (atomic_compare_exchange_weak_explicit(&f->state, &s, s | BUF_STATE_IO, memory_order_acquire, memory_order_relaxed))
            return true;
        critical_leave();
    }
}

/* ---- reading ---- */

/* Whether what was read may be used. */
static ErrCode
check_page(Buf b, BufMode mode)
{
    const BufTag *t = &buf_frames[b].tag;
    char path[MAX_PATH_BYTES];

    if (LIKELY(page_check(buf_page(b), t->block, true)))
        return ERR_OK;
    if (page_check(buf_page(b), t->block, false)) { /* a sound header: it is the checksum */
        REPORT(LEVEL_WARNING, SQLSTATE_DATA_CORRUPTED,
               err_message("page verification failed, calculated checksum %u but expected %u", page_checksum(buf_page(b), t->block),
                           page_header(buf_page(b))->checksum));
        if (buf_ignore_checksum_failure)
            return ERR_OK;
    }
    relfile_path(t->rel, (ForkNo)t->fork, 0, path, sizeof(path));
    if (mode == BUF_ZERO_ON_ERROR || buf_zero_damaged_pages) {
        REPORT(LEVEL_WARNING, SQLSTATE_DATA_CORRUPTED, err_message("invalid page in block %u of relation %s; zeroing out page", t->block, path));
        memset(buf_page(b), 0, PAGE_BYTES);
        return ERR_OK;
    }
    err_sys_set(0, "invalid page in block %u of relation %s", t->block, path);
    return ERR_CORRUPT;
}

static struct {
    BufTag tag; /* of the last miss by this process */
    int streak;
} last_miss;

/* How many blocks from tag on are worth reading at once. */
static int
read_run_wanted(const BufTag *tag, const BufRing *ring)
{
    BufTag next = last_miss.tag;

    next.block++;
    last_miss.streak = tags_equal(&next, tag) ? last_miss.streak + 1 : 0;
    last_miss.tag = *tag;
    int wanted = ring && ring->kind != BUF_RING_BULK_WRITE ? READ_RUN_MAX : last_miss.streak >= 2 ? READ_RUN_MAX / 2 : 1;
    return MIN(wanted, MAX(1, MIN((int)buf_frame_count / 32, ring ? ring->size / 2 : READ_RUN_MAX)));
}

/* Reads the page of `first` (IO flag ours) and the run of absent pages after it. */
static ErrCode
read_run(Buf first, int wanted, BufRing *ring)
{
    BufTag tag = buf_frames[first].tag;
    Buf bufs[READ_RUN_MAX];
    void *pages[READ_RUN_MAX];
    BlockNo blocks;
    int n = 1;

    bufs[0] = first;
    /* Only the cached size: who holds an IO flag must not wait for the extension lock, whose holder may
     * wait for the flag. */
    if (wanted > 1 && size_cached(tag.rel, (ForkNo)tag.fork, &blocks) && tag.block < blocks)
        wanted = (int)MIN((uint32_t)wanted, blocks - tag.block);
    else
        wanted = 1;
    for (; n < wanted; n++) {
        BufTag next = tag;
        next.block += (BlockNo)n;
        uint64_t hash = tag_hash(&next);
        Buf victim, existing;
        if (table_lookup(hash, &next) >= 0 || victim_get(ring, &victim) != ERR_OK)
            break;
        if (!victim_install(victim, &next, hash, &existing)) {
            buf_unpin(existing);
            break;
        }
        bufs[n] = victim;
    }
    for (int i = 0; i < n; i++)
        pages[i] = buf_page(bufs[i]);
    last_miss.tag.block = tag.block + (BlockNo)n - 1; /* the next miss in sequence follows the run */
    ErrCode rc = relfile_read(tag.rel, (ForkNo)tag.fork, tag.block, pages, n);
    if (rc != ERR_OK && n > 1) /* the error must be the first page's own */
        rc = relfile_read(tag.rel, (ForkNo)tag.fork, tag.block, pages, 1);
    else if (rc == ERR_OK)
        for (int i = 1; i < n; i++) {
            bool good = page_check(pages[i], tag.block + (BlockNo)i, true);
            frame_io_end(&buf_frames[bufs[i]], good ? BUF_STATE_VALID : BUF_STATE_IO_ERROR, false);
            buf_unpin(bufs[i]); /* its reader will meet the error itself */
            bufs[i] = BUF_INVALID;
            buf_stats.read++;
        }
    for (int i = 1; i < n; i++)
        if (bufs[i] >= 0) {
            frame_io_end(&buf_frames[bufs[i]], BUF_STATE_IO_ERROR, false);
            buf_unpin(bufs[i]);
        }
    return rc;
}

/* Fills the pinned frame, whose IO flag is ours. */
static ErrCode
fill_frame(Buf b, BufMode mode, BufRing *ring)
{
    Frame *f = &buf_frames[b];
    ErrCode rc;

    if (mode == BUF_ZERO_LOCK) {
        memset(buf_page(b), 0, PAGE_BYTES);
        rc = ERR_OK;
    } else {
        uint64_t began = UNLIKELY(track_io_timing) ? clock_monotonic_us() : 0;
        proc_wait_begin(WAIT_EVENT_DATA_FILE_READ);
        rc = read_run(b, mode == BUF_NORMAL ? read_run_wanted(&f->tag, ring) : 1, ring);
        proc_wait_end();
        buf_stats.read++;
        if (UNLIKELY(began != 0))
            buf_stats.read_us += clock_monotonic_us() - began;
        if (rc == ERR_OK)
            rc = check_page(b, mode);
    }
    if (rc == ERR_OK && mode == BUF_ZERO_LOCK)
        buf_lock(b, LW_EXCLUSIVE); /* before anybody can see the page as valid */
    frame_io_end(f, rc == ERR_OK ? BUF_STATE_VALID : BUF_STATE_IO_ERROR, false);
    return rc;
}

/* What must hold of the file before the page can be asked for. */
static ErrCode
prepare_file(const BufTag *tag, BufMode mode)
{
    BlockNo blocks;

    if (mode == BUF_ZERO_LOCK)
        return size_ensure(tag->rel, (ForkNo)tag->fork, tag->block);
    if (mode == BUF_NORMAL_NO_LOG) {
        ErrCode rc = buf_fork_blocks(tag->rel, (ForkNo)tag->fork, &blocks);
        if (rc != ERR_OK)
            return rc;
        return tag->block < blocks ? ERR_OK : ERR_NOT_FOUND;
    }
    return ERR_OK;
}

/* A pinned frame for the page, present or new; *io: its IO flag is ours and the page must be filled. */
static ErrCode
pin_or_install(const BufTag *tag, uint64_t hash, BufRing *ring, Buf *out, bool *io)
{
    uint64_t state;
    Buf b = table_lookup(hash, tag);

    if (b < 0 || !frame_pin_if(b, tag, true, &state)) {
        Buf victim;
        ErrCode rc = victim_get(ring, &victim);
        if (rc != ERR_OK)
            return rc;
        if (victim_install(victim, tag, hash, &b)) {
            *out = victim;
            *io = true;
            return ERR_OK;
        }
    }
    *out = b;
    *io = frame_io_begin_read(&buf_frames[b]);
    return ERR_OK;
}

ErrCode
read_slow(const BufTag *tag, uint64_t hash, BufMode mode, BufRing *ring, Buf *out)
{
    Buf b;
    bool io;
    ErrCode rc = prepare_file(tag, mode);

    if (rc == ERR_OK)
        rc = pin_or_install(tag, hash, ring, &b, &io);
    if (rc != ERR_OK)
        return rc;
    if (io) {
        PROBE4(buf_miss, tag->rel.db, tag->rel.rel, tag->fork, tag->block);
        rc = fill_frame(b, mode, ring);
        if (rc != ERR_OK) {
            buf_unpin(b);
            return rc;
        }
    } else {
        buf_stats.hit++;
        if (mode == BUF_ZERO_LOCK) {
            buf_lock(b, LW_EXCLUSIVE);
            memset(buf_page(b), 0, PAGE_BYTES);
        }
    }
    *out = b;
    return ERR_OK;
}

void
buf_prefetch(RelLocator r, ForkNo f, BlockNo b, int n)
{
    BlockNo blocks;

    if (effective_io_concurrency == 0 || buf_fork_blocks(r, f, &blocks) != ERR_OK)
        return;
    BlockNo end = MIN(blocks, b + (BlockNo)MAX(n, 0));
    for (BlockNo first = b; first < end;) {
        BufTag tag = tag_make(r, f, first);
        BlockNo run = 0;
        while (first + run < end && (tag.block = first + run, table_lookup(tag_hash(&tag), &tag) < 0))
            run++;
        if (run > 0)
            (void)relfile_prefetch(r, f, first, (int)run); /* only a hint */
        first += run + 1;
    }
}

/* ---- writing ---- */

/* Takes the IO flag of a dirty frame for writing. ERR_NOT_FOUND: it is clean. Content lock held. */
static ErrCode
begin_write(Frame *f, unsigned flags)
{
    for (;;) {
        /* relaxed: validated by the compare-and-swap */
        uint64_t s = atomic_load_explicit(&f->state, memory_order_relaxed);
        if (!(s & BUF_STATE_DIRTY))
            return ERR_NOT_FOUND;
        if (s & BUF_STATE_HINT) { /* a few instructions, at worst the insertion of a page image */
            sched_yield();
            continue;
        }
        if (s & BUF_STATE_IO) {
            if (!(flags & FLUSH_WAIT))
                return ERR_BUSY;
            frame_wait_io(f);
            continue;
        }
        critical_enter(); /* until frame_io_end: others wait for the end of our IO */
        /* acquire: hints set before are in the copy; pairs with the release in buf_hint_end */
        if (atomic_compare_exchange_weak_explicit(&f->state, &s, (s | BUF_STATE_IO) & ~BUF_STATE_JUST_DIRTIED,
                                                  memory_order_acquire, memory_order_relaxed))
            return ERR_OK;
        critical_leave();
    }
}

/* Copies the frame for writing; on success its IO flag is ours. */
static ErrCode
take_copy(Buf b, unsigned flags, char *copy)
{
    Frame *f = &buf_frames[b];

    if (flags & FLUSH_WAIT)
        lw_acquire(&f->content, LW_SHARED);
    else if (!lw_try_acquire(&f->content, LW_SHARED))
        return ERR_BUSY;
    ErrCode rc = begin_write(f, flags);
    if (rc == ERR_OK)
        memcpy(copy, buf_page(b), PAGE_BYTES);
    lw_release(&f->content);
    return rc;
}

/* Writes copies[0..n), blocks from tag on, whose log is durable up to their LSNs (rule 5). */
static ErrCode
write_copies(const BufTag *tag, int n)
{
    const void *pages[WRITE_RUN_MAX];
    Lsn lsn = 0;

    for (int i = 0; i < n; i++)
        lsn = MAX(lsn, page_lsn(copies[i]));
    if (lsn)
        wal_flush_to(lsn);
    for (int i = 0; i < n; i++) {
        if (!page_check(copies[i], tag->block + (BlockNo)i, false))
            PANIC("page %u of relation %u/%u/%u, fork %u, is damaged in memory", tag->block + (BlockNo)i, tag->rel.spc,
                  tag->rel.db, tag->rel.rel, tag->fork);
        if (!page_is_new(copies[i]))
            page_header(copies[i])->checksum = page_checksum(copies[i], tag->block + (BlockNo)i);
        pages[i] = copies[i];
    }
    FAULT_POINT("buf_before_write");
    uint64_t began = UNLIKELY(track_io_timing) ? clock_monotonic_us() : 0;
    proc_wait_begin(WAIT_EVENT_DATA_FILE_WRITE);
    ErrCode rc = relfile_write(tag->rel, (ForkNo)tag->fork, tag->block, pages, n);
    proc_wait_end();
    if (UNLIKELY(began != 0))
        buf_stats.write_us += clock_monotonic_us() - began;
    FAULT_POINT("buf_written");
    if (rc == ERR_OK)
        buf_stats.written += (uint64_t)n;
    return rc;
}

ErrCode
frame_flush(Buf b, unsigned flags, bool *written)
{
    Frame *f = &buf_frames[b];
    ErrCode rc = take_copy(b, flags, copies[0]);

    *written = false;
    if (rc != ERR_OK)
        return rc == ERR_NOT_FOUND ? ERR_OK : rc;
    rc = write_copies(&f->tag, 1);
    frame_io_end(f, rc == ERR_OK ? 0 : BUF_STATE_IO_ERROR, rc == ERR_OK);
    *written = rc == ERR_OK;
    return rc;
}

/*
 * Only the first frame is waited for: while its IO flag is held, waiting for a further one could close
 * a circle of processes that wait for each other.
 */
ErrCode
frames_flush_run(const Buf *bufs, int n, int *written)
{
    int taken = 0;
    ErrCode rc = ERR_OK;

    *written = 0;
    while (taken < MIN(n, WRITE_RUN_MAX)) {
        rc = take_copy(bufs[taken], taken == 0 ? FLUSH_WAIT : 0, copies[taken]);
        if (rc != ERR_OK)
            break;
        taken++;
    }
    if (taken == 0)
        return rc == ERR_NOT_FOUND ? ERR_OK : rc;
    rc = write_copies(&buf_frames[bufs[0]].tag, taken);
    for (int i = 0; i < taken; i++)
        frame_io_end(&buf_frames[bufs[i]], rc == ERR_OK ? 0 : BUF_STATE_IO_ERROR, rc == ERR_OK);
    if (rc == ERR_OK)
        *written = taken;
    return rc;
}

void
writeback_add(WritebackRun *w, const BufTag *tag, int n)
{
    if (w->limit <= 0)
        return;
    bool follows = w->pages > 0 && rel_locator_equal(w->first.rel, tag->rel) && w->first.fork == tag->fork &&
                   w->first.block + (BlockNo)w->pages == tag->block;
    if (!follows) {
        writeback_finish(w);
        w->first = *tag;
    }
    w->pages += n;
    if (w->pages >= w->limit)
        writeback_finish(w);
}

void
writeback_finish(WritebackRun *w)
{
    if (w->pages > 0)
        relfile_writeback(w->first.rel, (ForkNo)w->first.fork, w->first.block, w->pages);
    w->pages = 0;
}
