/*
 * Shared by the walmgr tests: a temporary data directory, instances in forked processes (each test
 * step is a fresh shared memory, as after a restart), random records whose contents follow from their
 * seed, so that what is read back can be checked without keeping it.
 */
#ifndef TESTS_WALMGR_UTIL_H
#define TESTS_WALMGR_UTIL_H

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/cpu.h"
#include "core/file/page.h"
#include "core/file/relfile.h"
#include "core/shm/shm.h"
#include "walmgr/wal_internal.h"

static unsigned test_seed;
static char test_root[256];

static inline uint64_t
test_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* In an instance's process: a failure ends it, the parent counts it. */
#define MUST(cond)                                                                                   \
    do {                                                                                             \
        if (!(cond)) {                                                                               \
            fprintf(stderr, "\n%s:%d: failed: %s (seed %u)\n", __FILE__, __LINE__, #cond, test_seed);  \
            _exit(1);                                                                                \
        }                                                                                            \
    } while (0)

static void UNUSED
test_directory(const char *name)
{
    char path[512], command[600];
    snprintf(path, sizeof(path), "%s/%s", test_root, name);
    snprintf(command, sizeof(command), "rm -rf '%s'", path);
    if (system(command) != 0 || mkdir(path, 0700) != 0 || chdir(path) != 0)
        abort();
}

/* Runs fn(arg) as an instance of its own: new shared memory, attached. Returns its exit status. */
static int UNUSED
test_instance(void (*fn)(void *), void *arg)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        shm_create_for_test();
        MUST(proc_attach(PROC_STANDALONE) == ERR_OK);
        fn(arg);
        _exit(0);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    return status;
}
#define RUN_INSTANCE(fn, arg) CU_ASSERT_EQUAL(test_instance(fn, arg), 0)

static pid_t UNUSED
test_fork(void (*fn)(int), int number)
{
    fflush(NULL);
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) /* it failed before the line above */
            _exit(1);
        proc_self = NULL;
        MUST(proc_attach(PROC_BACKEND) == ERR_OK);
        fn(number);
        proc_detach();
        _exit(0);
    }
    return pid;
}

static void UNUSED
test_wait_all(pid_t *pids, int n)
{
    for (int i = 0; i < n; i++) {
        int status = -1;
        MUST(waitpid(pids[i], &status, 0) == pids[i]);
        MUST(status == 0);
    }
}

/* ---- random records ---- */
typedef struct RandomRecord {
    uint64_t seed;
    int refs;
    bool absent[4];
    RelLocator locator[4];
    ForkNo fork[4];
    BlockNo block[4];
    unsigned flags[4];
    uint32_t data_bytes[4], main_bytes;
    Xid xid;
    uint8_t rmgr, info;
} RandomRecord;

static char random_pages[4][PAGE_BYTES];
static char random_data[1 << 20];

static void UNUSED
fill_random(char *p, size_t n, uint64_t seed)
{
    for (size_t i = 0; i < n; i += 8) {
        uint64_t v = test_random(&seed);
        memcpy(p + i, &v, MIN(n - i, 8));
    }
}

/* A page whose LSN is `lsn`, with a hole or not, half of it compressible. */
static void UNUSED
random_page(char *page, uint64_t seed, Lsn lsn)
{
    uint64_t s = seed;
    memset(page, (int)(seed & 0xFF), PAGE_BYTES);
    fill_random(page + 4096, 3000, seed);
    PageHeader *h = page_header(page);
    memset(h, 0, sizeof(*h));
    h->lsn = lsn;
    h->lower = (uint16_t)(sizeof(PageHeader) + test_random(&s) % 2000);
    h->upper = (uint16_t)(h->lower + test_random(&s) % (PAGE_BYTES - h->lower));
    h->special = PAGE_BYTES;
    memset(page + h->lower, 0, (size_t)(h->upper - h->lower));
}

static void UNUSED
describe_random(RandomRecord *r, uint64_t seed, uint32_t max_main)
{
    uint64_t s = seed;
    memset(r, 0, sizeof(*r));
    r->seed = seed;
    r->refs = (int)(test_random(&s) % 5);
    for (int i = 0; i < r->refs; i++) {
        r->absent[i] = test_random(&s) % 8 == 0 && i < r->refs - 1;
        bool same = test_random(&s) % 2 && i > 0;
        r->locator[i] = same ? r->locator[i - 1] : (RelLocator){1663, 5, (Oid)(16384 + test_random(&s) % 100)};
        r->fork[i] = (ForkNo)(test_random(&s) % FORK_COUNT);
        r->block[i] = (BlockNo)(test_random(&s) % 1000000);
        static const unsigned choices[] = {WAL_REF_STANDARD, WAL_REF_STANDARD | WAL_REF_FORCE_IMAGE, WAL_REF_NO_IMAGE,
                                           WAL_REF_WILL_INIT, WAL_REF_FORCE_IMAGE, WAL_REF_WILL_INIT};
        r->flags[i] = choices[test_random(&s) % COUNT_OF(choices)];
        r->data_bytes[i] = test_random(&s) % 3 ? (uint32_t)(test_random(&s) % 300) : 0;
    }
    uint64_t kind = test_random(&s) % 100;
    r->main_bytes = (uint32_t)(test_random(&s) % (kind < 80 ? 200 : kind < 98 ? 5000 : max_main));
    r->xid = test_random(&s) & XID_MASK_48;
    r->rmgr = (uint8_t)(RMGR_HEAP + test_random(&s) % 3);
    r->info = (uint8_t)test_random(&s);
}

static Lsn UNUSED
insert_random(const RandomRecord *r, Lsn page_lsn_value, Lsn *start)
{
    char *at = random_data;
    fill_random(random_data, r->main_bytes + 1300, r->seed);
    wal_set_xid(r->xid);
    wal_begin();
    for (int i = 0; i < r->refs; i++) {
        if (r->absent[i])
            continue;
        random_page(random_pages[i], r->seed + (uint64_t)i, page_lsn_value);
        wal_add_block(i, r->locator[i], r->fork[i], r->block[i], random_pages[i], r->flags[i]);
        wal_add_block_data(i, at, r->data_bytes[i] / 2);
        wal_add_block_data(i, at + r->data_bytes[i] / 2, r->data_bytes[i] - r->data_bytes[i] / 2);
        at += r->data_bytes[i];
    }
    wal_add_data(at, r->main_bytes / 3);
    wal_add_data(at + r->main_bytes / 3, r->main_bytes - r->main_bytes / 3);
    return wal_insert((WalRmgr)r->rmgr, r->info, start);
}

static void UNUSED
check_random(const WalRecord *w, const RandomRecord *r, Lsn page_lsn_value)
{
    char page[PAGE_BYTES], want[PAGE_BYTES];
    const char *at = random_data;
    fill_random(random_data, r->main_bytes + 1300, r->seed);
    MUST(w->xid == r->xid && w->rmgr == r->rmgr && w->info == r->info && w->ref_count == r->refs);
    for (int i = 0; i < r->refs; i++) {
        const WalBlockRef *ref = &w->refs[i];
        MUST(wal_has_ref(w, i) == !r->absent[i]);
        if (r->absent[i])
            continue;
        MUST(rel_locator_equal(ref->locator, r->locator[i]) && ref->fork == r->fork[i] && ref->block == r->block[i]);
        MUST(!(ref->flags & WAL_REF_WILL_INIT) == !(r->flags[i] & WAL_REF_WILL_INIT));
        if (r->flags[i] & WAL_REF_FORCE_IMAGE)
            MUST(ref->has_image);
        if (r->flags[i] & (WAL_REF_NO_IMAGE | WAL_REF_WILL_INIT))
            MUST(!ref->has_image);
        if (ref->has_image) {
            random_page(want, r->seed + (uint64_t)i, page_lsn_value);
            memset(page, 0xEE, sizeof(page));
            MUST(wal_restore_image(ref, page));
            MUST(memcmp(page, want, PAGE_BYTES) == 0);
            MUST(ref->data_bytes == 0);
        } else {
            MUST(ref->data_bytes == r->data_bytes[i]);
            MUST(ref->data_bytes == 0 || memcmp(ref->data, at, ref->data_bytes) == 0);
        }
        at += r->data_bytes[i];
    }
    MUST(w->data_bytes == r->main_bytes && memcmp(w->data, at, r->main_bytes) == 0);
}

static void UNUSED
test_no_redo(const WalRecord *r)
{
    (void)r;
}

static int UNUSED
test_main(int argc, char **argv, const char *suite, void (*add)(CU_pSuite))
{
    static const WalRmgrOps ignore = {.name = "ignored", .redo = test_no_redo};
    test_seed = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : (unsigned)time(NULL);
    printf("seed %u\n", test_seed);
    const char *tmp = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
    snprintf(test_root, sizeof(test_root), "%s/%s.XXXXXX", tmp, suite);
    if (!mkdtemp(test_root))
        return 1;
    cpu_init();
    enable_fsync = false; /* a test that needs it turns it on */
    log_checkpoints = false;
    log_min_messages = getenv("TEST_LOG") ? LEVEL_DEBUG1 : LEVEL_FATAL;
    proc_shm_register();
    fsyncq_shm_register();
    wal_shm_register();
    for (int i = RMGR_XLOG + 1; i < RMGR_COUNT; i++)
        wal_register_rmgr((WalRmgr)i, &ignore);
    CU_initialize_registry();
    add(CU_add_suite(suite, NULL, NULL));
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    unsigned failed = CU_get_number_of_failures();
    CU_cleanup_registry();
    char command[400];
    snprintf(command, sizeof(command), "rm -rf '%s'", test_root);
    if (chdir("/") != 0 || system(command) != 0)
        failed++;
    return failed != 0;
}

#endif
