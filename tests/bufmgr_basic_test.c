/*
 * The buffer manager in one process, tiny pool: hits, misses, pins, locks, rings, extension, sizes,
 * drops, checkpoints, errors; then a random run against a plain model. An argument is the seed.
 */
#include "bufmgr_util.h"

static const RelLocator rel = {1663, 5, 16384};

static void
extended_pages_are_found_again(void)
{
    BlockNo first, blocks;
    Buf b, again;
    CU_ASSERT_EQUAL_FATAL(buf_extend(rel, FORK_MAIN, NULL, 3, &first, &b), ERR_OK);
    CU_ASSERT_EQUAL(first, 0);
    CU_ASSERT_EQUAL(buf_fork_blocks(rel, FORK_MAIN, &blocks), ERR_OK);
    CU_ASSERT_EQUAL(blocks, 3);
    CU_ASSERT_TRUE(page_is_new(buf_page(b)));
    write_page(b, 7);
    buf_release(b);
    CU_ASSERT_EQUAL_FATAL(buf_read(rel, FORK_MAIN, 0, BUF_NORMAL, NULL, &again), ERR_OK);
    CU_ASSERT_EQUAL(again, b);
    CU_ASSERT_TRUE(page_holds(again, 7));
    CU_ASSERT_EQUAL(buf_block(again), 0);
    buf_unpin(again);
    CU_ASSERT_EQUAL(buf_my_pin_count(), 0);
    CU_ASSERT_TRUE(pool_is_sound());
}

static void
pins_nest_and_hints_are_confirmed(void)
{
    Buf a, b, c;
    uint64_t hits = buf_stats.hit;
    CU_ASSERT_EQUAL_FATAL(buf_read(rel, FORK_MAIN, 0, BUF_NORMAL, NULL, &a), ERR_OK);
    CU_ASSERT_EQUAL_FATAL(buf_read(rel, FORK_MAIN, 0, BUF_NORMAL, NULL, &b), ERR_OK);
    CU_ASSERT_EQUAL_FATAL(buf_read_hint(rel, FORK_MAIN, 0, a, &c), ERR_OK);
    CU_ASSERT_EQUAL(a, b);
    CU_ASSERT_EQUAL(a, c);
    buf_pin_again(a);
    CU_ASSERT_EQUAL(buf_my_pin_count(), 4);
    BufView v;
    CU_ASSERT_TRUE(buf_view(a, &v));
    CU_ASSERT_EQUAL(v.pins, 1); /* one for the process */
    CU_ASSERT_EQUAL(buf_stats.hit - hits, 3);
    for (int i = 0; i < 4; i++)
        buf_unpin(a);
    CU_ASSERT_FALSE(buf_is_pinned_by_me(a));
    /* a hint that is wrong is refuted, not followed */
    CU_ASSERT_EQUAL_FATAL(buf_read_hint(rel, FORK_MAIN, 1, a, &c), ERR_OK);
    CU_ASSERT_NOT_EQUAL(c, a);
    CU_ASSERT_EQUAL(buf_block(c), 1);
    buf_unpin(c);
    CU_ASSERT_EQUAL_FATAL(buf_read_hint(rel, FORK_MAIN, 0, BUF_INVALID, &c), ERR_OK);
    buf_unpin(c);
}

/* A second process's view: it can share the lock, or it has to wait. */
static void
try_exclusive(int number)
{
    Buf b;
    buf_process_init();
    MUST(buf_read(rel, FORK_MAIN, 0, BUF_NORMAL, NULL, &b) == ERR_OK);
    MUST(buf_try_lock(b, LW_EXCLUSIVE) == (number != 0));
    if (number != 0)
        buf_unlock(b);
    buf_unpin(b);
}

static void
reading_shared_pins_and_locks(void)
{
    Buf a, b;
    BufView v;
    CU_ASSERT_EQUAL_FATAL(buf_read_shared(rel, FORK_MAIN, 0, NULL, BUF_INVALID, &a), ERR_OK);
    CU_ASSERT_TRUE(buf_is_pinned_by_me(a));
    CU_ASSERT_TRUE(lw_held_by_me(&buf_frames[a].content));
    CU_ASSERT_TRUE(buf_view(a, &v) && v.pins == 1);
    CU_ASSERT_EQUAL(test_wait_child(test_child(try_exclusive, 0)), 0);
    /* again, pinned already (locked already it must not be: no lock is taken twice) */
    buf_unlock(a);
    CU_ASSERT_EQUAL(test_wait_child(test_child(try_exclusive, 1)), 0);
    CU_ASSERT_EQUAL_FATAL(buf_read_shared(rel, FORK_MAIN, 0, NULL, a, &b), ERR_OK);
    CU_ASSERT_EQUAL(a, b);
    CU_ASSERT_EQUAL(buf_my_pin_count(), 2);
    CU_ASSERT_EQUAL(proc_self->lw_held_count, 1);
    CU_ASSERT_EQUAL(test_wait_child(test_child(try_exclusive, 0)), 0);
    buf_release(b);
    CU_ASSERT_EQUAL(buf_my_pin_count(), 1);
    CU_ASSERT_EQUAL(test_wait_child(test_child(try_exclusive, 1)), 0);
    buf_lock(a, LW_SHARED);
    buf_release(a);
    CU_ASSERT_EQUAL(buf_my_pin_count(), 0);
    CU_ASSERT_EQUAL(proc_self->lw_held_count, 0);
    CU_ASSERT_TRUE(buf_view(a, &v) && v.pins == 0);
    /* a wrong hint */
    CU_ASSERT_EQUAL_FATAL(buf_read_shared(rel, FORK_MAIN, 1, NULL, a, &b), ERR_OK);
    CU_ASSERT_TRUE(b != a && buf_block(b) == 1);
    buf_release(b);
    /* exclusive locks are released the same way */
    CU_ASSERT_EQUAL_FATAL(buf_read(rel, FORK_MAIN, 0, BUF_NORMAL, NULL, &a), ERR_OK);
    buf_lock(a, LW_EXCLUSIVE);
    buf_release(a);
    CU_ASSERT_EQUAL(test_wait_child(test_child(try_exclusive, 1)), 0);
    CU_ASSERT_TRUE(pool_is_sound());
}

static void
rewrite_block(int number)
{
    Buf b;
    buf_process_init();
    MUST(buf_read(rel, FORK_MAIN, 0, BUF_NORMAL, NULL, &b) == ERR_OK);
    buf_lock(b, LW_EXCLUSIVE);
    write_page(b, (unsigned)number);
    buf_release(b);
}

/* Makes pages until the frame has gone to another one. */
static void
evict_frame(Buf frame)
{
    BlockNo first;
    BufView v;
    Buf b;
    for (int i = 0; i < 1000 && buf_view(frame, &v) && v.tag.fork == FORK_MAIN; i++) {
        CU_ASSERT_EQUAL_FATAL(buf_extend(rel, FORK_VM, NULL, 1, &first, &b), ERR_OK);
        buf_release(b);
    }
    CU_ASSERT_EQUAL(v.tag.fork, FORK_VM);
}

static void
a_peek_counts_only_if_nothing_has_changed(void)
{
    BufPeek p, q;
    Buf b;
    CU_ASSERT_EQUAL_FATAL(buf_read(rel, FORK_MAIN, 0, BUF_NORMAL, NULL, &b), ERR_OK);
    buf_unpin(b);
    CU_ASSERT_TRUE_FATAL(buf_peek_begin(rel, FORK_MAIN, 0, BUF_INVALID, &p));
    CU_ASSERT_EQUAL(p.buf, b);
    CU_ASSERT_EQUAL(buf_my_pin_count(), 0);
    CU_ASSERT_TRUE(page_holds(b, 7));
    CU_ASSERT_TRUE(buf_peek_valid(&p));
    CU_ASSERT_TRUE(buf_peek_begin(rel, FORK_MAIN, 0, b, &q)); /* by hint */
    CU_ASSERT_TRUE(buf_peek_valid(&q));
    CU_ASSERT_FALSE(buf_peek_begin(rel, FORK_MAIN, 9999, b, &q)); /* not there, whatever the hint says */
    /* shared locks and pins change nothing */
    CU_ASSERT_EQUAL_FATAL(buf_read_shared(rel, FORK_MAIN, 0, NULL, BUF_INVALID, &b), ERR_OK);
    CU_ASSERT_TRUE(buf_peek_valid(&p));
    CU_ASSERT_TRUE(buf_peek_begin(rel, FORK_MAIN, 0, BUF_INVALID, &q));
    buf_release(b);
    CU_ASSERT_TRUE(buf_peek_valid(&p));
    /* an exclusive lock does, for as long as it is held and after */
    CU_ASSERT_EQUAL_FATAL(buf_read(rel, FORK_MAIN, 0, BUF_NORMAL, NULL, &b), ERR_OK);
    buf_lock(b, LW_EXCLUSIVE);
    CU_ASSERT_FALSE(buf_peek_valid(&p));
    CU_ASSERT_FALSE(buf_peek_begin(rel, FORK_MAIN, 0, BUF_INVALID, &q));
    buf_release(b);
    CU_ASSERT_FALSE(buf_peek_valid(&p));
    CU_ASSERT_TRUE_FATAL(buf_peek_begin(rel, FORK_MAIN, 0, BUF_INVALID, &p));
    CU_ASSERT_EQUAL(test_wait_child(test_child(rewrite_block, 7)), 0);
    CU_ASSERT_FALSE(buf_peek_valid(&p));
    /* and so does the frame's going to another page, also if the page comes back */
    CU_ASSERT_EQUAL_FATAL(buf_flush_relation(rel), ERR_OK);
    CU_ASSERT_TRUE_FATAL(buf_peek_begin(rel, FORK_MAIN, 0, BUF_INVALID, &p));
    CU_ASSERT_EQUAL_FATAL(relfile_create(rel, FORK_VM, false), ERR_OK);
    evict_frame(p.buf);
    CU_ASSERT_FALSE(buf_peek_valid(&p));
    CU_ASSERT_EQUAL_FATAL(buf_read(rel, FORK_MAIN, 0, BUF_NORMAL, NULL, &b), ERR_OK);
    CU_ASSERT_FALSE(buf_peek_valid(&p));
    CU_ASSERT_TRUE(page_holds(b, 7));
    CU_ASSERT_TRUE(buf_peek_begin(rel, FORK_MAIN, 0, b, &p) && buf_peek_valid(&p));
    buf_unpin(b);
    CU_ASSERT_TRUE(pool_is_sound());
}

/* Dies holding pins, as by the OOM killer between two operations. */
static void
die_with_pins(int number)
{
    Buf b;
    buf_process_init();
    for (BlockNo i = 0; i < 3; i++) {
        MUST(buf_read(rel, FORK_MAIN, i, BUF_NORMAL, NULL, &b) == ERR_OK);
        buf_pin_again(b);
    }
    if (number)
        buf_lock(b, LW_EXCLUSIVE);
    kill(getpid(), SIGKILL);
}

static void
pins_of_the_dead_are_given_back(void)
{
    BufView v;
    Buf b;
    for (int locked = 0; locked < 2; locked++) {
        pid_t pid = test_child(die_with_pins, locked);
        CU_ASSERT_TRUE(WIFSIGNALED(test_wait_child(pid)));
        ProcSlot *slot = proc_find_pid((uint32_t)pid);
        CU_ASSERT_PTR_NOT_NULL_FATAL(slot);
        CU_ASSERT_EQUAL(buf_release_dead(slot), !locked);
        if (locked) { /* not to be had by rights; here nobody else is about */
            CU_ASSERT_EQUAL_FATAL(buf_read(rel, FORK_MAIN, 2, BUF_NORMAL, NULL, &b), ERR_OK);
            CU_ASSERT_FALSE(buf_try_lock(b, LW_SHARED));
            lw_init(&buf_frames[b].content, LWT_BUFFER_CONTENT);
            atomic_store_explicit(&buf_frames[b].state, BUF_STATE_TAG_VALID | BUF_STATE_VALID | 2 * BUF_ONE_PIN, memory_order_relaxed); /* alone */
            version_close(&buf_frames[b]);
            buf_unpin(b);
            slot->lw_held_count = 0;
            CU_ASSERT_TRUE(buf_release_dead(slot));
        }
        proc_free_dead(slot);
        for (b = 0; b < buf_count(); b++)
            CU_ASSERT_TRUE(buf_view(b, &v) && v.pins == 0);
    }
    CU_ASSERT_TRUE(pool_is_sound());
}

static void
a_pool_full_of_pins_is_an_error(void)
{
    static Buf bufs[4096];
    RelLocator r = {1663, 5, 16385};
    BlockNo first;
    int n = 0;
    Buf b;
    ErrCode rc;
    CU_ASSERT_EQUAL_FATAL(relfile_create(r, FORK_MAIN, false), ERR_OK);
    while ((rc = buf_extend(r, FORK_MAIN, NULL, 1, &first, &b)) == ERR_OK) {
        write_page(b, first);
        buf_unlock(b);
        bufs[n++] = b;
    }
    CU_ASSERT_EQUAL(rc, ERR_NO_VICTIM);
    CU_ASSERT_EQUAL(n, buf_count());
    CU_ASSERT_EQUAL(buf_my_pin_count(), n);
    for (int i = 0; i < n; i++)
        CU_ASSERT_TRUE(buf_is_pinned_by_me(bufs[i]));
    while (n > 0)
        buf_unpin(bufs[--n]);
    CU_ASSERT_EQUAL(buf_my_pin_count(), 0);
    CU_ASSERT_TRUE(pool_is_sound());
    buf_drop_relation(r, 0);
    CU_ASSERT_EQUAL(relfile_unlink(r, false), ERR_OK);
}

static void
cleanup_lock_needs_the_only_pin(void)
{
    Buf b;
    CU_ASSERT_EQUAL_FATAL(buf_read(rel, FORK_MAIN, 0, BUF_NORMAL, NULL, &b), ERR_OK);
    buf_pin_again(b);
    CU_ASSERT_FALSE(buf_try_lock_cleanup(b));
    buf_unpin(b);
    CU_ASSERT_TRUE(buf_try_lock_cleanup(b));
    buf_unlock(b);
    buf_lock_cleanup(b);
    buf_release(b);
}

static void
versions_tell_of_changes(void)
{
    Buf b;
    CU_ASSERT_EQUAL_FATAL(buf_read(rel, FORK_MAIN, 0, BUF_NORMAL, NULL, &b), ERR_OK);
    uint64_t v = buf_version_begin(b);
    CU_ASSERT_NOT_EQUAL(v, 0);
    CU_ASSERT_TRUE(buf_version_valid(b, v));
    buf_lock(b, LW_SHARED);
    buf_unlock(b);
    CU_ASSERT_TRUE(buf_version_valid(b, v));
    buf_lock(b, LW_EXCLUSIVE);
    CU_ASSERT_EQUAL(buf_version_begin(b), 0);
    CU_ASSERT_FALSE(buf_version_valid(b, v));
    buf_unlock(b);
    CU_ASSERT_FALSE(buf_version_valid(b, v));
    CU_ASSERT_NOT_EQUAL(buf_version_begin(b), 0);
    /* an error lets go of the lock only: the version must recover */
    for (int i = 0; i < 2; i++) {
        buf_lock(b, LW_EXCLUSIVE);
        lw_release_all();
        CU_ASSERT_EQUAL(buf_version_begin(b), 0); /* readers take the lock */
        buf_lock(b, i == 0 ? LW_SHARED : LW_EXCLUSIVE);
        CU_ASSERT_EQUAL(buf_version_begin(b), 0);
        buf_unlock(b);
        v = buf_version_begin(b);
        CU_ASSERT_NOT_EQUAL(v, 0);
        buf_lock(b, LW_EXCLUSIVE);
        CU_ASSERT_FALSE(buf_version_valid(b, v));
        CU_ASSERT_EQUAL(buf_version_begin(b), 0);
        buf_unlock(b);
    }
    buf_unpin(b);
}

static void
hint_bits_log_an_image_once(void)
{
    Buf b;
    buf_checkpoint(0);
    CU_ASSERT_EQUAL_FATAL(buf_read(rel, FORK_MAIN, 0, BUF_NORMAL, NULL, &b), ERR_OK);
    fake_redo = fake_insert; /* as a checkpoint does */
    uint64_t images = fake_images;
    BufView v;
    buf_lock(b, LW_SHARED);
    CU_ASSERT_TRUE_FATAL(buf_hint_begin(b));
    CU_ASSERT_FALSE(buf_hint_begin(b)); /* one at a time */
    buf_hint_end(b, false);
    CU_ASSERT_EQUAL(fake_images, images);
    CU_ASSERT_TRUE(buf_view(b, &v) && !v.dirty);
    CU_ASSERT_TRUE_FATAL(buf_hint_begin(b));
    buf_hint_end(b, true);
    CU_ASSERT_EQUAL(fake_images, images + 1);
    CU_ASSERT_TRUE(buf_view(b, &v) && v.dirty);
    CU_ASSERT_TRUE(page_lsn(buf_page(b)) > fake_redo);
    CU_ASSERT_TRUE_FATAL(buf_hint_begin(b));
    buf_hint_end(b, true);
    CU_ASSERT_EQUAL(fake_images, images + 1);
    buf_release(b);
    CU_ASSERT_EQUAL(fake_holds, 0);
    buf_checkpoint(0);
    CU_ASSERT_TRUE(buf_view(b, &v) && !v.dirty);
    CU_ASSERT_TRUE(pool_is_sound());
}

static void
damaged_pages_are_refused(void)
{
    RelLocator r = {1663, 5, 16386};
    BlockNo first;
    Buf b;
    char path[256], byte = 0x55;
    CU_ASSERT_EQUAL_FATAL(relfile_create(r, FORK_MAIN, false), ERR_OK);
    CU_ASSERT_EQUAL_FATAL(buf_extend(r, FORK_MAIN, NULL, 2, &first, &b), ERR_OK);
    write_page(b, 1);
    buf_release(b);
    CU_ASSERT_EQUAL(buf_flush_relation(r), ERR_OK);
    buf_drop_relation(r, 0);
    relfile_path(r, FORK_MAIN, 0, path, sizeof(path));
    int fd = open(path, O_WRONLY);
    CU_ASSERT_EQUAL(pwrite(fd, &byte, 1, 4000), 1);
    close(fd);
    CU_ASSERT_EQUAL(buf_read(r, FORK_MAIN, 0, BUF_NORMAL, NULL, &b), ERR_CORRUPT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_sys()->what, "invalid page in block 0 of relation base/5/16386"));
    CU_ASSERT_EQUAL(buf_my_pin_count(), 0);
    CU_ASSERT_EQUAL(buf_read(r, FORK_MAIN, 5, BUF_NORMAL, NULL, &b), ERR_CORRUPT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_sys()->what, "could not read block 5 in file \"base/5/16386\": read only 0 of 8192 bytes"));
    CU_ASSERT_EQUAL(buf_read(r, FORK_MAIN, 5, BUF_NORMAL_NO_LOG, NULL, &b), ERR_NOT_FOUND);
    CU_ASSERT_EQUAL(buf_read((RelLocator){1663, 5, 99}, FORK_MAIN, 0, BUF_NORMAL_NO_LOG, NULL, &b), ERR_NOT_FOUND);
    CU_ASSERT_EQUAL_FATAL(buf_read(r, FORK_MAIN, 0, BUF_ZERO_ON_ERROR, NULL, &b), ERR_OK);
    CU_ASSERT_TRUE(page_is_new(buf_page(b)));
    buf_unpin(b);
    /* redo makes what is missing */
    CU_ASSERT_EQUAL_FATAL(buf_read(r, FORK_MAIN, 9, BUF_ZERO_LOCK, NULL, &b), ERR_OK);
    write_page(b, 9);
    buf_release(b);
    BlockNo blocks;
    CU_ASSERT_EQUAL(buf_fork_blocks(r, FORK_MAIN, &blocks), ERR_OK);
    CU_ASSERT_EQUAL(blocks, 10);
    CU_ASSERT_TRUE(pool_is_sound());
    buf_drop_relation(r, 0);
    CU_ASSERT_EQUAL(relfile_unlink(r, true), ERR_OK);
}

/* Rule 5: when the log is flushed, the file still has the old page; afterwards the new one. */
static Lsn lsn_on_disk_at_flush, flushed_to;

static Lsn
lsn_on_disk(void)
{
    char page[PAGE_BYTES];
    int fd = open("base/5/16384", O_RDONLY);
    CU_ASSERT_EQUAL(pread(fd, page, sizeof(page), 0), (ssize_t)sizeof(page));
    close(fd);
    return page_lsn(page);
}

static void
note_flush(Lsn lsn)
{
    flushed_to = lsn;
    lsn_on_disk_at_flush = lsn_on_disk();
}

static void
the_log_goes_first(void)
{
    Buf b;
    CU_ASSERT_EQUAL_FATAL(buf_read(rel, FORK_MAIN, 0, BUF_NORMAL, NULL, &b), ERR_OK);
    buf_lock(b, LW_EXCLUSIVE);
    write_page(b, 4711);
    Lsn lsn = page_lsn(buf_page(b));
    buf_release(b);
    flushed_to = 0;
    fake_flush_hook = note_flush;
    CU_ASSERT_EQUAL(buf_flush_relation(rel), ERR_OK);
    fake_flush_hook = NULL;
    CU_ASSERT_TRUE(flushed_to >= lsn);
    CU_ASSERT_TRUE(lsn_on_disk_at_flush < lsn);
    CU_ASSERT_EQUAL(lsn_on_disk(), lsn);
}

/* What rule 6 protects from: a frame found in the table that has got another page before the pin. */
static void
a_pin_is_confirmed_by_the_tag(void)
{
    Buf b;
    BufView v;
    uint64_t state;
    CU_ASSERT_EQUAL_FATAL(buf_read(rel, FORK_MAIN, 0, BUF_NORMAL, NULL, &b), ERR_OK);
    buf_unpin(b);
    BufTag right = tag_make(rel, FORK_MAIN, 0), wrong = tag_make(rel, FORK_MAIN, 1);
    CU_ASSERT_FALSE(frame_pin_if(b, &wrong, true, &state));
    CU_ASSERT_TRUE(buf_view(b, &v) && v.pins == 0);
    CU_ASSERT_FALSE(buf_is_pinned_by_me(b));
    CU_ASSERT_TRUE(frame_pin_if(b, &right, true, &state));
    CU_ASSERT_FALSE(frame_pin_if(b, &wrong, true, &state)); /* pinned by us already: no atomics, same answer */
    CU_ASSERT_EQUAL(buf_my_pin_count(), 1);
    buf_unpin(b);
}

/* Neighbours are read in one call, by sequence alone and by a ring. */
static void
sequential_misses_are_combined(void)
{
    RelLocator r = {1663, 5, 16388};
    BlockNo first;
    Buf b;
    CU_ASSERT_EQUAL_FATAL(relfile_create(r, FORK_MAIN, false), ERR_OK);
    CU_ASSERT_EQUAL_FATAL(buf_extend(r, FORK_MAIN, NULL, 64, &first, &b), ERR_OK);
    buf_release(b);
    for (BlockNo i = 0; i < 64; i++) {
        CU_ASSERT_EQUAL_FATAL(buf_read(r, FORK_MAIN, i, BUF_NORMAL, NULL, &b), ERR_OK);
        buf_lock(b, LW_EXCLUSIVE);
        write_page(b, i + 1);
        buf_release(b);
    }
    CU_ASSERT_EQUAL(buf_flush_relation(r), ERR_OK);
    buf_drop_relation(r, 0);
    CU_ASSERT_EQUAL(buf_fork_blocks(r, FORK_MAIN, &first), ERR_OK);
    uint64_t hits = buf_stats.hit;
    for (BlockNo i = 0; i < 64; i++) {
        CU_ASSERT_EQUAL_FATAL(buf_read(r, FORK_MAIN, i, BUF_NORMAL, NULL, &b), ERR_OK);
        CU_ASSERT_TRUE(page_holds(b, i + 1));
        buf_unpin(b);
    }
    CU_ASSERT_TRUE(buf_stats.hit - hits > 32);
    buf_prefetch(r, FORK_MAIN, 0, 64);
    CU_ASSERT_TRUE(pool_is_sound());
    buf_drop_relation(r, 0);
    CU_ASSERT_EQUAL(relfile_unlink(r, false), ERR_OK);
}

static void
rings_do_not_flood_the_pool(void)
{
    RelLocator r = {1663, 5, 16387};
    BlockNo first;
    Buf b;
    Arena *a = arena_create(NULL, "test");
    int n = buf_count() * 3;
    CU_ASSERT_EQUAL_FATAL(relfile_create(r, FORK_MAIN, false), ERR_OK);
    for (int i = 0; i < n; i++) {
        CU_ASSERT_EQUAL_FATAL(buf_extend(r, FORK_MAIN, NULL, 1, &first, &b), ERR_OK);
        write_page(b, first + 1);
        buf_release(b);
    }
    CU_ASSERT_EQUAL(buf_flush_relation(r), ERR_OK);
    buf_drop_relation(r, 0);
    BufRing *ring = buf_ring_create(a, BUF_RING_BULK_READ);
    for (int i = 0; i < n; i++) {
        CU_ASSERT_EQUAL_FATAL(buf_read(r, FORK_MAIN, (BlockNo)i, BUF_NORMAL, ring, &b), ERR_OK);
        CU_ASSERT_TRUE(page_holds(b, (unsigned)i + 1));
        buf_unpin(b);
    }
    int used = 0;
    BufView v;
    for (Buf i = 0; i < buf_count(); i++)
        used += buf_view(i, &v) && v.valid && v.tag.rel.rel == r.rel;
    CU_ASSERT_TRUE(used > 0 && used <= buf_count() / 4);
    CU_ASSERT_TRUE(pool_is_sound());
    buf_drop_relation(r, 0);
    CU_ASSERT_EQUAL(relfile_unlink(r, false), ERR_OK);
    arena_destroy(a);
}

/* ---- random run against a model ---- */

#define MODEL_RELS 3
#define MODEL_BLOCKS 400
static struct { BlockNo blocks; unsigned content[MODEL_BLOCKS]; } model[MODEL_RELS]; /* 0: new page */

static RelLocator
model_rel(int i)
{
    return (RelLocator){1663, 5, 20000 + (Oid)i};
}

static void
model_step(uint64_t *rnd)
{
    int i = (int)(test_random(rnd) % MODEL_RELS);
    RelLocator r = model_rel(i);
    unsigned what = (unsigned)(test_random(rnd) % 1000);
    Buf b;
    BlockNo first;
    if (what < 40 && model[i].blocks < MODEL_BLOCKS - 20) {
        int n = 1 + (int)(test_random(rnd) % 12);
        CU_ASSERT_EQUAL_FATAL(buf_extend(r, FORK_MAIN, NULL, n, &first, &b), ERR_OK);
        CU_ASSERT_EQUAL_FATAL(first, model[i].blocks);
        buf_release(b);
        for (int k = 0; k < n; k++)
            model[i].content[model[i].blocks++] = 0;
    } else if (what < 44) {
        BlockNo keep = (BlockNo)(test_random(rnd) % (model[i].blocks + 1));
        buf_drop_relation(r, keep);
        CU_ASSERT_EQUAL_FATAL(relfile_truncate(r, FORK_MAIN, keep), ERR_OK);
        model[i].blocks = keep;
    } else if (what < 50) {
        buf_checkpoint(0);
    } else if (what < 60) {
        buf_bgwriter_round();
    } else if (what < 62) {
        CU_ASSERT_EQUAL_FATAL(buf_flush_relation(r), ERR_OK);
    } else if (model[i].blocks > 0) {
        BlockNo block = (BlockNo)(test_random(rnd) % model[i].blocks);
        CU_ASSERT_EQUAL_FATAL(buf_read(r, FORK_MAIN, block, BUF_NORMAL, NULL, &b), ERR_OK);
        buf_lock(b, what < 500 ? LW_EXCLUSIVE : LW_SHARED);
        CU_ASSERT_TRUE_FATAL(page_holds(b, model[i].content[block]));
        if (what < 500) {
            model[i].content[block] = 1 + (unsigned)(test_random(rnd) % 1000000);
            write_page(b, model[i].content[block]);
        }
        buf_release(b);
    }
}

static void
random_run_equals_the_model(void)
{
    uint64_t rnd = test_seed;
    for (int i = 0; i < MODEL_RELS; i++)
        CU_ASSERT_EQUAL_FATAL(relfile_create(model_rel(i), FORK_MAIN, false), ERR_OK);
    for (int step = 0; step < 30000; step++) {
        model_step(&rnd);
        if (step % 1000 == 0)
            CU_ASSERT_TRUE_FATAL(pool_is_sound());
    }
    CU_ASSERT_EQUAL(buf_my_pin_count(), 0);
    /* and from disk alone */
    buf_checkpoint(0);
    buf_drop_database(5);
    for (int i = 0; i < MODEL_RELS; i++)
        for (BlockNo block = 0; block < model[i].blocks; block++) {
            Buf b;
            CU_ASSERT_EQUAL_FATAL(buf_read(model_rel(i), FORK_MAIN, block, BUF_NORMAL, NULL, &b), ERR_OK);
            CU_ASSERT_TRUE_FATAL(page_holds(b, model[i].content[block]));
            buf_unpin(b);
        }
    CU_ASSERT_TRUE(pool_is_sound());
}

int
main(int argc, char **argv)
{
    test_seed_init(argc, argv);
    bufmgr_test_start(128);
    if (CU_initialize_registry() != CUE_SUCCESS || relfile_create(rel, FORK_MAIN, false) != ERR_OK)
        return 1;
    CU_pSuite s = CU_add_suite("bufmgr basic", NULL, NULL);
    CU_ADD_TEST(s, extended_pages_are_found_again);
    CU_ADD_TEST(s, pins_nest_and_hints_are_confirmed);
    CU_ADD_TEST(s, reading_shared_pins_and_locks);
    CU_ADD_TEST(s, a_peek_counts_only_if_nothing_has_changed);
    CU_ADD_TEST(s, pins_of_the_dead_are_given_back);
    CU_ADD_TEST(s, a_pool_full_of_pins_is_an_error);
    CU_ADD_TEST(s, cleanup_lock_needs_the_only_pin);
    CU_ADD_TEST(s, versions_tell_of_changes);
    CU_ADD_TEST(s, hint_bits_log_an_image_once);
    CU_ADD_TEST(s, damaged_pages_are_refused);
    CU_ADD_TEST(s, the_log_goes_first);
    CU_ADD_TEST(s, a_pin_is_confirmed_by_the_tag);
    CU_ADD_TEST(s, sequential_misses_are_combined);
    CU_ADD_TEST(s, rings_do_not_flood_the_pool);
    CU_ADD_TEST(s, random_run_equals_the_model);
    TEST_MAIN_END();
}
