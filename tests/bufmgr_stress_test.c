/*
 * Many processes on one tiny pool: pin, check, change, evict, extend, hint, clean up, flush; a writer
 * process makes checkpoints and background rounds. Each page holds its own number and a counter, all
 * of whose bytes follow from them, and a shared array holds the counter it must show. Now and then a
 * process dies by SIGKILL between two operations, pins held, and another takes its place. At the end the
 * files alone must show it too. An argument is the seed; BUFMGR_STRESS_SECONDS=60 makes it long.
 */
#include "bufmgr_util.h"

#define CHILDREN 16
#define RELS 3
#define BLOCKS_MAX 3000
#define SECONDS 2        /* by default */
#define KILL_ONE_IN 3000 /* steps */

static struct Shared {
    _Atomic uint32_t content[RELS][BLOCKS_MAX]; /* changed under the page's exclusive lock */
    _Atomic uint32_t hints[RELS][BLOCKS_MAX];
    _Atomic int running;
    _Atomic uint64_t evictions, cleanups, extends, steps, peeks, peeks_lost;
} *sh;

static RelLocator
stress_rel(int i)
{
    return (RelLocator){1663, 5, 30000 + (Oid)i};
}

static uint32_t
expected(int rel, BlockNo block)
{
    return atomic_load_explicit(&sh->content[rel][block], memory_order_relaxed); /* under the page lock */
}

/* Byte 48 is the hint, outside what fill_page checks. */
static int me; /* the worker's number */

/* Without pin or lock: what is read counts if the version says so, and then it is one state of the page. */
static void
peek_page(int rel, BlockNo block)
{
    char copy[PAGE_BYTES];
    uint32_t before = expected(rel, block);
    BufPeek p;
    if (!buf_peek_begin(stress_rel(rel), FORK_MAIN, block, BUF_INVALID, &p))
        return;
    memcpy(copy, buf_page(p.buf), PAGE_BYTES);
    uint32_t after = expected(rel, block);
    if (!buf_peek_valid(&p)) {
        atomic_fetch_add_explicit(&sh->peeks_lost, 1, memory_order_relaxed); /* a counter */
        return;
    }
    atomic_fetch_add_explicit(&sh->peeks, 1, memory_order_relaxed); /* a counter */
    /* `content` is changed while the page is locked: equal before and after means that it is the page's */
    if (before == after)
        MUST(page_text_holds(copy, before));
}

static void
read_page_shared(int rel, BlockNo block)
{
    Buf b;
    MUST(buf_read_shared(stress_rel(rel), FORK_MAIN, block, NULL, BUF_INVALID, &b) == ERR_OK);
    MUST(buf_block(b) == block && lw_held_by_me(&buf_frames[b].content));
    MUST(page_holds(b, expected(rel, block)));
    buf_release(b);
}

static void
touch_page(int rel, BlockNo block, uint64_t *rnd)
{
    Buf b;
    ErrCode rc = buf_read(stress_rel(rel), FORK_MAIN, block, BUF_NORMAL, NULL, &b);
    MUST(rc == ERR_OK);
    MUST(buf_block(b) == block);
    unsigned what = (unsigned)(test_random(rnd) % 100);
    if (what < 30) {
        buf_lock(b, LW_EXCLUSIVE);
        MUST(page_holds(b, expected(rel, block)));
        uint32_t next = 1 + (uint32_t)(test_random(rnd) % 1000000000);
        uint64_t hint = load_u64(buf_page(b) + 48);
        write_page(b, next);
        store_u64(buf_page(b) + 48, hint);
        atomic_store_explicit(&sh->content[rel][block], next, memory_order_relaxed); /* under the page lock */
        buf_unlock(b);
    } else if (what < 45) {
        buf_lock(b, LW_SHARED);
        MUST(page_holds(b, expected(rel, block)));
        if (expected(rel, block) != 0 && buf_hint_begin(b)) {
            store_u64(buf_page(b) + 48, test_random(rnd));
            buf_hint_end(b, true);
        }
        buf_unlock(b);
    } else if (what < 50) {
        /* Only one process at a time may wait for it: who holds SHARE UPDATE EXCLUSIVE on the table. */
        if (me == 0) {
            buf_lock_cleanup(b);
        } else if (!buf_try_lock_cleanup(b)) {
            buf_unpin(b);
            return;
        }
        MUST(page_holds(b, expected(rel, block)));
        uint32_t next = 1 + (uint32_t)(test_random(rnd) % 1000000000);
        write_page(b, next);
        atomic_store_explicit(&sh->content[rel][block], next, memory_order_relaxed); /* under the page lock */
        buf_unlock(b);
        atomic_fetch_add_explicit(&sh->cleanups, 1, memory_order_relaxed); /* a counter */
    } else if (what < 70) {
        /* optimistic read: valid means nobody changed the page meanwhile */
        uint64_t version = buf_version_begin(b);
        uint32_t before = expected(rel, block);
        char copy[PAGE_BYTES];
        if (version) {
            memcpy(copy, buf_page(b), PAGE_BYTES);
            uint32_t after = expected(rel, block);
            if (buf_version_valid(b, version) && before == after)
                MUST(page_text_holds(copy, before));
        }
    } else {
        buf_lock(b, LW_SHARED);
        MUST(page_holds(b, expected(rel, block)));
        buf_unlock(b);
        Buf again;
        if (what < 80) {
            MUST(buf_read_hint(stress_rel(rel), FORK_MAIN, block, b, &again) == ERR_OK && again == b);
            buf_unpin(again);
        }
    }
    buf_unpin(b);
}

static void
extend_some(int rel, uint64_t *rnd)
{
    BlockNo first, blocks;
    Buf b;
    int n = 1 + (int)(test_random(rnd) % 4);
    MUST(buf_fork_blocks(stress_rel(rel), FORK_MAIN, &blocks) == ERR_OK);
    if (blocks + 64 > BLOCKS_MAX)
        return;
    MUST(buf_extend(stress_rel(rel), FORK_MAIN, NULL, n, &first, &b) == ERR_OK);
    MUST(page_is_new(buf_page(b)));
    uint32_t next = 1 + (uint32_t)(test_random(rnd) % 1000000000);
    write_page(b, next);
    atomic_store_explicit(&sh->content[rel][first], next, memory_order_relaxed); /* under the page lock */
    buf_release(b);
    atomic_fetch_add_explicit(&sh->extends, 1, memory_order_relaxed); /* a counter */
}

/* The OOM killer's way: some pages pinned, nothing under way. */
static void
die(uint64_t *rnd)
{
    for (int i = (int)(test_random(rnd) % 4); i > 0; i--) {
        BlockNo blocks;
        Buf b;
        int rel = (int)(test_random(rnd) % RELS);
        MUST(buf_fork_blocks(stress_rel(rel), FORK_MAIN, &blocks) == ERR_OK);
        if (blocks > 0)
            MUST(buf_read(stress_rel(rel), FORK_MAIN, (BlockNo)(test_random(rnd) % blocks), BUF_NORMAL, NULL, &b) == ERR_OK);
    }
    kill(getpid(), SIGKILL);
}

static void
worker(int number)
{
    uint64_t rnd = test_seed + (unsigned)number * 7919u;
    me = number;
    buf_process_init();
    while (atomic_load_explicit(&sh->running, memory_order_relaxed)) { /* only ends the loop */
        int rel = (int)(test_random(&rnd) % RELS);
        BlockNo blocks;
        MUST(buf_fork_blocks(stress_rel(rel), FORK_MAIN, &blocks) == ERR_OK);
        if (blocks == 0 || test_random(&rnd) % 200 == 0) {
            extend_some(rel, &rnd);
            continue;
        }
        /* most traffic on a few hot pages */
        BlockNo block = (BlockNo)(test_random(&rnd) % (test_random(&rnd) % 3 ? MIN(blocks, 12u) : blocks));
        unsigned how = (unsigned)(test_random(&rnd) % 10);
        if (how < 2)
            peek_page(rel, block);
        else if (how < 4)
            read_page_shared(rel, block);
        else
            touch_page(rel, block, &rnd);
        /* Process 0 waits for cleanup locks and lives: a dead waiter's mark would only cost a wake. */
        if (number != 0 && test_random(&rnd) % KILL_ONE_IN == 0)
            die(&rnd);
        atomic_fetch_add_explicit(&sh->steps, 1, memory_order_relaxed); /* a counter */
        MUST(buf_my_pin_count() == 0);
        MUST(proc_self->lw_held_count == 0);
        MUST(critical_depth == 0);
    }
    atomic_fetch_add_explicit(&sh->evictions, buf_stats.read, memory_order_relaxed); /* a counter */
}

static void
writer(int number)
{
    buf_process_init();
    for (int round = 0; atomic_load_explicit(&sh->running, memory_order_relaxed); round++) { /* only ends the loop */
        if (round % 8 == 0) {
            fake_log->redo = fake_log->insert;
            buf_checkpoint(0);
            int synced;
            MUST(fsyncq_process(&synced) == ERR_OK);
        } else {
            buf_bgwriter_round();
        }
        test_sleep_ms(1);
    }
}

static void
bury(pid_t pid)
{
    ProcSlot *slot = proc_find_pid((uint32_t)pid);
    CU_ASSERT_PTR_NOT_NULL_FATAL(slot);
    CU_ASSERT_TRUE_FATAL(buf_release_dead(slot));
    proc_free_dead(slot);
}

static void
many_processes_agree_on_every_page(void)
{
    pid_t pids[CHILDREN], w;
    int failed = 0, born = CHILDREN, killed = 0;
    const char *seconds = getenv("BUFMGR_STRESS_SECONDS");
    time_t end = time(NULL) + (seconds ? atoi(seconds) : SECONDS);
    for (int i = 0; i < RELS; i++)
        CU_ASSERT_EQUAL_FATAL(relfile_create(stress_rel(i), FORK_MAIN, false), ERR_OK);
    atomic_store_explicit(&sh->running, 1, memory_order_relaxed); /* before the fork */
    w = test_child(writer, 0);
    for (int i = 0; i < CHILDREN; i++)
        pids[i] = test_child(worker, i);
    while (time(NULL) < end && !failed) {
        test_sleep_ms(1);
        for (int i = 0; i < CHILDREN; i++) {
            int status;
            if (waitpid(pids[i], &status, WNOHANG) != pids[i])
                continue;
            if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
                failed++;
                pids[i] = 0;
                break;
            }
            bury(pids[i]);
            killed++;
            pids[i] = test_child(worker, born++);
        }
    }
    atomic_store_explicit(&sh->running, 0, memory_order_relaxed); /* only ends the loop */
    for (int i = 0; i < CHILDREN; i++) {
        int status = pids[i] ? test_wait_child(pids[i]) : 0;
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
            bury(pids[i]);
        else
            failed += status != 0;
    }
    failed += test_wait_child(w) != 0;
    CU_ASSERT_EQUAL_FATAL(failed, 0);
    CU_ASSERT_TRUE(pool_is_sound());
    BufView v;
    for (Buf b = 0; b < buf_count(); b++)
        CU_ASSERT_TRUE(buf_view(b, &v) && v.pins == 0);
    printf("%d killed, %llu steps, %llu peeks (%llu more in vain), %llu reads, %llu extends, %llu cleanups, %llu images, %llu written by backends ",
           killed, (unsigned long long)sh->steps, (unsigned long long)sh->peeks, (unsigned long long)sh->peeks_lost,
           (unsigned long long)sh->evictions, (unsigned long long)sh->extends, (unsigned long long)sh->cleanups,
           (unsigned long long)fake_log->images, (unsigned long long)buf_shared_stats->backend_written);
}

static void
the_files_alone_show_it_too(void)
{
    buf_checkpoint(0);
    buf_drop_database(5);
    relfile_forget_all();
    for (int i = 0; i < RELS; i++) {
        BlockNo blocks;
        static char page[PAGE_BYTES];
        CU_ASSERT_EQUAL_FATAL(relfile_block_count(stress_rel(i), FORK_MAIN, &blocks), ERR_OK);
        for (BlockNo b = 0; b < blocks; b++) {
            void *pages[1] = {page};
            CU_ASSERT_EQUAL_FATAL(relfile_read(stress_rel(i), FORK_MAIN, b, pages, 1), ERR_OK);
            CU_ASSERT_TRUE_FATAL(page_check(page, b, true));
            CU_ASSERT_TRUE_FATAL(page_text_holds(page, expected(i, b)));
        }
    }
    CU_ASSERT_TRUE(pool_is_sound());
}

int
main(int argc, char **argv)
{
    test_seed_init(argc, argv);
    sh = test_shared(sizeof(*sh));
    bufmgr_test_start(200); /* not a multiple of 64 */
    if (CU_initialize_registry() != CUE_SUCCESS)
        return 1;
    CU_pSuite s = CU_add_suite("bufmgr stress", NULL, NULL);
    CU_ADD_TEST(s, many_processes_agree_on_every_page);
    CU_ADD_TEST(s, the_files_alone_show_it_too);
    TEST_MAIN_END();
}
