/*
 * Many processes: inserters with concurrent flushes, kill -9 of all at a random moment and recovery,
 * and the image rule under checkpoints.
 */
#include "walmgr_util.h"

#include <sys/time.h>

#define WORKERS 6

/* Shared by all processes of a test, parent included. */
typedef struct Board {
    _Atomic uint64_t inserted[WORKERS];       /* records inserted by worker i */
    _Atomic uint64_t acknowledged[WORKERS];   /* of these, whose flush has returned */
    _Atomic uint64_t recovered[WORKERS];      /* seen by redo */
    _Atomic uint64_t base[WORKERS];           /* number of the first record of this run */
    _Atomic Lsn hook_last;
    _Atomic int stop;
    Lsn run_start;
} Board;
static Board *board;

static void
new_board(void)
{
    if (board)
        munmap(board, sizeof(*board));
    board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

/* Worker records: a RandomRecord whose main data begin with (worker, number). */
typedef struct Mark { uint64_t worker, number; } Mark;

static Lsn
insert_marked(int worker, uint64_t number, Lsn *start)
{
    uint64_t s = (uint64_t)worker * 1000003 + number;
    Mark m = {(uint64_t)worker, number};
    uint64_t kind = test_random(&s) % 100;
    uint32_t n = (uint32_t)(test_random(&s) % (kind < 90 ? 150 : kind < 99 ? 3000 : 100000));
    fill_random(random_data, n, s);
    wal_begin();
    wal_add_data(&m, sizeof(m));
    wal_add_data(random_data, n);
    return wal_insert(RMGR_GENERIC, 0, start);
}

static Mark
check_marked(const WalRecord *w)
{
    Mark m;
    MUST(w->rmgr == RMGR_GENERIC && w->data_bytes >= sizeof(m));
    memcpy(&m, w->data, sizeof(m));
    uint64_t s = m.worker * 1000003 + m.number;
    uint64_t kind = test_random(&s) % 100;
    uint32_t n = (uint32_t)(test_random(&s) % (kind < 90 ? 150 : kind < 99 ? 3000 : 100000));
    fill_random(random_data, n, s);
    MUST(m.worker < WORKERS && w->data_bytes == sizeof(m) + n);
    MUST(memcmp(w->data + sizeof(m), random_data, n) == 0);
    return m;
}

static void
flushed_hook(Lsn flushed)
{
    /* relaxed: under the sync lock */
    MUST(atomic_load_explicit(&board->hook_last, memory_order_relaxed) <= flushed);
    atomic_store_explicit(&board->hook_last, flushed, memory_order_relaxed);
    MUST(wal_flushed() == flushed);
}

static void
insert_worker(int w)
{
    uint64_t s = test_seed + (uint64_t)w, count = 4000, base = atomic_load(&board->base[w]);
    for (uint64_t i = 0; i < count && !atomic_load(&board->stop); i++) {
        Lsn end = insert_marked(w, base + i, NULL);
        atomic_store(&board->inserted[w], base + i + 1);
        if (test_random(&s) % 4 == 0) {
            wal_flush_to(end);
            MUST(wal_flushed() >= end);
            atomic_store(&board->acknowledged[w], base + i + 1);
        }
        if (test_random(&s) % 64 == 0)
            wal_flush_async_hint(end);
        if (test_random(&s) % 4000 == 0)
            wal_switch_segment();
    }
}

static void
background_worker(int unused)
{
    (void)unused;
    while (!atomic_load(&board->stop)) {
        wal_background_flush();
        usleep(1000);
    }
}

static void
stress_instance(void *arg)
{
    (void)arg;
    pid_t pids[WORKERS], writer;
    wal_bootstrap(1, 100, 16384);
    wal_flushed_hook = flushed_hook;
    Lsn first = wal_insert_position();
    for (int i = 0; i < WORKERS; i++)
        pids[i] = test_fork(insert_worker, i);
    writer = test_fork(background_worker, 0);
    test_wait_all(pids, WORKERS);
    atomic_store(&board->stop, 1);
    test_wait_all(&writer, 1);
    wal_flush_to(wal_insert_position());

    uint64_t next[WORKERS] = {0};
    Lsn end = first;
    Arena *a = arena_create(NULL, "test");
    WalReader *reader = wal_reader_open(a, first, 1);
    for (const WalRecord *w; (w = wal_reader_next(reader, NULL)) != NULL;) {
        MUST(w->start == end);
        end = w->end;
        if (w->rmgr == RMGR_XLOG && w->info == XLOG_SWITCH)
            continue;
        Mark m = check_marked(w);
        MUST(m.number == next[m.worker]); /* a worker's records are in its order */
        next[m.worker]++;
    }
    MUST(end == wal_insert_position());
    for (int i = 0; i < WORKERS; i++)
        MUST(next[i] == atomic_load(&board->inserted[i]));
    arena_destroy(a);
}

static void
concurrent_insertions_all_come_back(void)
{
    const int rings[] = {8, 64, 1024};
    const int methods[] = {WAL_SYNC_FDATASYNC, WAL_SYNC_FDATASYNC, WAL_SYNC_OPEN_DSYNC};
    for (size_t i = 0; i < COUNT_OF(rings); i++) {
        new_board();
        wal_buffers_blocks = rings[i];
        wal_sync_method = methods[i];
        enable_fsync = i == 1;
        test_directory("stress");
        RUN_INSTANCE(stress_instance, NULL);
    }
    enable_fsync = false;
    wal_sync_method = WAL_SYNC_FDATASYNC;
}

/* ---- kill -9 ---- */

/* Looks at the log itself, before recovery: all that was acknowledged must be there. */
static void
scan_log(Lsn from)
{
    Arena *a = arena_create(NULL, "scan");
    WalReader *reader = wal_reader_open(a, from, 1);
    uint64_t next[WORKERS];
    for (int i = 0; i < WORKERS; i++)
        next[i] = atomic_load(&board->base[i]);
    for (const WalRecord *w; (w = wal_reader_next(reader, NULL)) != NULL;) {
        if (w->rmgr != RMGR_GENERIC)
            continue;
        Mark m = check_marked(w);
        MUST(m.number == next[m.worker]);
        next[m.worker]++;
    }
    for (int i = 0; i < WORKERS; i++) {
        MUST(next[i] >= atomic_load(&board->acknowledged[i]));  /* what was flushed is there */
        MUST(next[i] <= atomic_load(&board->inserted[i]) + 1);  /* the last may have died before the note */
        atomic_store(&board->recovered[i], next[i]);
    }
    arena_destroy(a);
}

/* Redo sees a contiguous piece of each worker's records, to the very last one. */
static uint64_t redone[WORKERS];
static int die_after;
static void
note_redo(const WalRecord *r)
{
    Mark m = check_marked(r);
    MUST(redone[m.worker] == 0 || m.number == redone[m.worker]);
    redone[m.worker] = m.number + 1;
    if (die_after > 0 && --die_after == 0)
        kill(getpid(), SIGKILL);
}

static const WalRmgrOps marked_ops = {.name = "marked", .redo = note_redo};
typedef struct CrashRun { int number; uint64_t life_us; int die_after; uint64_t die_us; } CrashRun;

static void
checkpoint_worker(int unused)
{
    (void)unused;
    for (;;) {
        wal_checkpoint(CHECKPOINT_FORCE | CHECKPOINT_IMMEDIATE);
        usleep(3000);
    }
}

/* A recovery that does not live to its end. */
static void
doomed_instance(void *arg)
{
    const CrashRun *run = arg;
    wal_register_rmgr(RMGR_GENERIC, &marked_ops);
    die_after = run->die_after;
    if (die_after == 0) {
        struct itimerval t = {{0, 0}, {0, (suseconds_t)run->die_us + 1}};
        setitimer(ITIMER_REAL, &t, NULL); /* SIGALRM kills */
    }
    wal_startup();
}

static void
crash_instance(void *arg)
{
    const CrashRun *run = arg;
    pid_t pids[WORKERS + 2];
    wal_register_rmgr(RMGR_GENERIC, &marked_ops);
    if (run->number == 0) {
        wal_bootstrap(1, 100, 16384);
        control_set_state(DB_IN_PRODUCTION);
    } else {
        wal_startup();
        for (int i = 0; i < WORKERS; i++)
            MUST(redone[i] == 0 || redone[i] == atomic_load(&board->recovered[i]));
    }
    board->run_start = wal_insert_position();
    for (int i = 0; i < WORKERS; i++) {
        uint64_t seen = atomic_load(&board->recovered[i]);
        atomic_store(&board->base[i], seen);
        atomic_store(&board->inserted[i], seen);
        atomic_store(&board->acknowledged[i], seen);
    }
    for (int i = 0; i < WORKERS; i++)
        pids[i] = test_fork(insert_worker, i);
    pids[WORKERS] = test_fork(background_worker, 0);
    pids[WORKERS + 1] = test_fork(checkpoint_worker, 0);
    usleep((useconds_t)run->life_us);
    for (int i = 0; i < WORKERS + 2; i++)
        kill(pids[i], SIGKILL);
    for (int i = 0; i < WORKERS + 2; i++)
        waitpid(pids[i], NULL, 0);
}

static void
scan_instance(void *arg)
{
    (void)arg;
    scan_log(board->run_start);
}

static void
flushed_records_survive_kill(void)
{
    uint64_t s = test_seed;
    new_board();
    wal_buffers_blocks = 16;
    wal_keep_size_mb = 1 << 20; /* scan_log wants the whole run */
    test_directory("crash");
    for (int i = 0; i < 25; i++) {
        CrashRun run = {i, test_random(&s) % 40000, 0, 0};
        RUN_INSTANCE(crash_instance, &run);
        RUN_INSTANCE(scan_instance, NULL);
        while (test_random(&s) % 3) {
            run.die_after = test_random(&s) % 2 ? (int)(1 + test_random(&s) % 200) : 0;
            run.die_us = test_random(&s) % 20000;
            int status = test_instance(doomed_instance, &run);
            CU_ASSERT(status == 0 || WIFSIGNALED(status));
            if (status == 0 || !WIFSIGNALED(status))
                break;
        }
    }
    wal_keep_size_mb = 0;
}

/* ---- images under checkpoints ---- */
#define PAGES 40
typedef struct PageBoard {
    struct { CACHE_ALIGNED _Atomic int lock; _Atomic uint64_t cleaned_at; } control[PAGES];
    char pages[PAGES][PAGE_BYTES];
    _Atomic int stop;
    _Atomic uint64_t changes;
} PageBoard;
static PageBoard *page_board;

static void
lock_page(int i)
{
    int expected = 0;
    while (!atomic_compare_exchange_weak(&page_board->control[i].lock, &expected, 1)) {
        expected = 0;
        usleep(1);
    }
}

static void
change_worker(int w)
{
    uint64_t s = test_seed * 31 + (uint64_t)w;
    while (!atomic_load(&page_board->stop)) {
        int a = (int)(test_random(&s) % PAGES), b = (int)(test_random(&s) % PAGES);
        if (a > b) {
            int t = a;
            a = b;
            b = t;
        }
        lock_page(a);
        if (a != b)
            lock_page(b);
        critical_enter();
        wal_begin();
        wal_add_block(0, (RelLocator){1, 2, 3}, FORK_MAIN, (BlockNo)a, page_board->pages[a], WAL_REF_STANDARD);
        wal_add_block_data(0, &a, sizeof(a));
        if (a != b) {
            wal_add_block(1, (RelLocator){1, 2, 3}, FORK_MAIN, (BlockNo)b, page_board->pages[b], 0);
            wal_add_block_data(1, &b, sizeof(b));
        }
        Lsn end = wal_insert(RMGR_HEAP, 0, NULL);
        page_set_lsn(page_board->pages[a], end);
        page_set_lsn(page_board->pages[b], end);
        critical_leave();
        atomic_store(&page_board->control[a].lock, 0);
        if (a != b)
            atomic_store(&page_board->control[b].lock, 0);
        atomic_fetch_add(&page_board->changes, 1);
    }
}

static void
images_instance(void *arg)
{
    (void)arg;
    pid_t pids[WORKERS];
    page_board = mmap(NULL, sizeof(*page_board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < PAGES; i++)
        random_page(page_board->pages[i], (uint64_t)i, 8);
    wal_bootstrap(1, 100, 16384);
    wal_keep_size_mb = 4096;
    Lsn first = wal_insert_position(), redo[40];
    for (int i = 0; i < WORKERS; i++)
        pids[i] = test_fork(change_worker, i);
    for (int c = 0; c < 40; c++) {
        uint64_t target = atomic_load(&page_board->changes) + 300;
        while (atomic_load(&page_board->changes) < target)
            usleep(100);
        wal_checkpoint(CHECKPOINT_FORCE | CHECKPOINT_IMMEDIATE);
        redo[c] = wal_redo_point();
    }
    atomic_store(&page_board->stop, 1);
    test_wait_all(pids, WORKERS);
    wal_flush_to(wal_insert_position());

    bool seen[PAGES] = {false};
    int passed = 0;
    uint64_t images = 0, without = 0;
    Arena *a = arena_create(NULL, "test");
    WalReader *reader = wal_reader_open(a, first, 1);
    const char *why = NULL;
    Lsn end = first;
    for (const WalRecord *w; (w = wal_reader_next(reader, &why)) != NULL; end = w->end) {
        if (passed < 40 && w->start == redo[passed]) {
            MUST(w->rmgr == RMGR_XLOG && w->info == XLOG_CHECKPOINT_REDO);
            passed++;
            memset(seen, 0, sizeof(seen));
        }
        for (int i = 0; i < w->ref_count; i++) {
            MUST(w->refs[i].block < PAGES);
            if (!seen[w->refs[i].block])
                MUST(w->refs[i].has_image);
            seen[w->refs[i].block] = true;
            images += w->refs[i].has_image;
            without += !w->refs[i].has_image;
        }
    }
    MUST(passed == 40 && end == wal_insert_position());
    printf("(%llu images, %llu without) ", (unsigned long long)images, (unsigned long long)without);
    fflush(stdout);
    MUST(without > images / 20); /* the rule is not just "always" */
    arena_destroy(a);
}

static void
first_change_after_a_redo_point_has_an_image(void)
{
    wal_buffers_blocks = 64;
    test_directory("images");
    RUN_INSTANCE(images_instance, NULL);
}

/* ---- holds ---- */
static void
hold_worker(int w)
{
    (void)w;
    while (!atomic_load(&page_board->stop)) {
        Lsn start;
        wal_checkpoint_hold();
        wal_begin();
        wal_add_data("commit", 6);
        wal_insert(RMGR_TXN, 0, &start);
        /* what a checkpoint behind this record must see done */
        atomic_store(&page_board->control[w].cleaned_at, start);
        for (volatile int i = 0; i < 1000; i++)
            ;
        atomic_store_explicit(&page_board->control[w + WORKERS].cleaned_at, start, memory_order_relaxed);
        wal_checkpoint_unhold();
        atomic_fetch_add(&page_board->changes, 1);
    }
}

static void
look_at_holds(unsigned flags)
{
    (void)flags;
    for (int w = 0; w < WORKERS; w++) {
        /* the later word first: if a record before the redo point were half done, we would see it */
        Lsn done = atomic_load(&page_board->control[w + WORKERS].cleaned_at);
        Lsn begun = atomic_load(&page_board->control[w].cleaned_at);
        MUST(done == begun || begun > wal_redo_point());
    }
}

static void
hold_instance(void *arg)
{
    (void)arg;
    pid_t pids[WORKERS];
    page_board = mmap(NULL, sizeof(*page_board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    wal_bootstrap(1, 100, 16384);
    wal_register_checkpoint_step(look_at_holds);
    for (int i = 0; i < WORKERS; i++)
        pids[i] = test_fork(hold_worker, i);
    for (int c = 0; c < 60; c++) {
        wal_checkpoint(CHECKPOINT_FORCE | CHECKPOINT_IMMEDIATE);
        usleep(500);
    }
    MUST(atomic_load(&page_board->changes) > 0);
    atomic_store(&page_board->stop, 1);
    test_wait_all(pids, WORKERS);
}

static void
checkpoints_wait_for_holds(void)
{
    wal_buffers_blocks = 64;
    test_directory("holds");
    RUN_INSTANCE(hold_instance, NULL);
}

/* ---- requests ---- */
static void
checkpointer(int unused)
{
    (void)unused;
    wal_checkpointer_main_loop();
}

static void
stop_checkpointer(int signal_number)
{
    (void)signal_number;
    wal_checkpointer_stop = 1;
}

static void
request_worker(int w)
{
    for (int i = 0; i < 20; i++) {
        Lsn before = wal_redo_point();
        insert_marked(w, (uint64_t)i, NULL);
        wal_request_checkpoint(CHECKPOINT_FORCE | CHECKPOINT_IMMEDIATE | CHECKPOINT_WAIT);
        MUST(wal_redo_point() > before);
        wal_request_checkpoint(CHECKPOINT_CAUSE_XLOG);
    }
}

static void
request_instance(void *arg)
{
    (void)arg;
    pid_t pids[WORKERS], writer;
    wal_bootstrap(1, 100, 16384);
    signal(SIGUSR2, stop_checkpointer);
    writer = test_fork(checkpointer, 0);
    for (int i = 0; i < WORKERS; i++)
        pids[i] = test_fork(request_worker, i);
    test_wait_all(pids, WORKERS);
    for (int status = 0; waitpid(writer, &status, WNOHANG) == 0; usleep(2000)) {
        kill(writer, SIGUSR2);
        latch_set(&proc_slots[atomic_load(&wal_shared->checkpointer_slot) ? atomic_load(&wal_shared->checkpointer_slot) - 1 : 0].latch);
    }
    wal_checkpoint(CHECKPOINT_IS_SHUTDOWN | CHECKPOINT_IMMEDIATE);
    MUST(control_file->state == DB_SHUTDOWNED);
}

static void
requested_checkpoints_are_made(void)
{
    wal_buffers_blocks = 64;
    test_directory("requests");
    RUN_INSTANCE(request_instance, NULL);
}

static void
add_tests(CU_pSuite s)
{
    CU_ADD_TEST(s, concurrent_insertions_all_come_back);
    CU_ADD_TEST(s, flushed_records_survive_kill);
    CU_ADD_TEST(s, first_change_after_a_redo_point_has_an_image);
    CU_ADD_TEST(s, checkpoints_wait_for_holds);
    CU_ADD_TEST(s, requested_checkpoints_are_made);
}

int
main(int argc, char **argv)
{
    return test_main(argc, argv, "walmgr_stress", add_tests);
}
