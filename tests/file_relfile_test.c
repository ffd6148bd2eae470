/*
 * Relation files: paths, segments, extension, truncation, removal and its delay, the descriptor cache
 * under pressure, the fsync queue, small files and directories.
 */
#include "lockmgr_util.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "core/file/file_internal.h"

static char test_dir[64];
static pid_t test_owner;
static const RelLocator rel = {1663, 5, 16384};

static void
remove_test_dir(void)
{
    char command[128];
    if (getpid() != test_owner || chdir("/") != 0)
        return;
    snprintf(command, sizeof(command), "rm -rf '%s'", test_dir);
    if (system(command) != 0)
        fprintf(stderr, "%s is left\n", test_dir);
}

static void
make_page(char *p, unsigned number, BlockNo block)
{
    page_init(p, 0);
    store_u32(p + 4096, number);
    page_header(p)->checksum = page_checksum(p, block);
}

static ErrCode
write_one(RelLocator r, BlockNo block, unsigned number)
{
    static char page[PAGE_BYTES];
    const void *pages[1] = {page};
    make_page(page, number, block);
    return relfile_write(r, FORK_MAIN, block, pages, 1);
}

static bool
reads_as(RelLocator r, BlockNo block, unsigned number)
{
    static char page[PAGE_BYTES];
    void *pages[1] = {page};
    if (relfile_read(r, FORK_MAIN, block, pages, 1) != ERR_OK || !page_check(page, block, true))
        return false;
    return number == 0 ? page_is_new(page) : load_u32(page + 4096) == number;
}

static void
paths_are_postgresqls(void)
{
    char path[200];
    relfile_path(rel, FORK_MAIN, 0, path, sizeof(path));
    CU_ASSERT_STRING_EQUAL(path, "base/5/16384");
    relfile_path(rel, FORK_VM, 3, path, sizeof(path));
    CU_ASSERT_STRING_EQUAL(path, "base/5/16384_vm.3");
    relfile_path((RelLocator){1664, 0, 1260}, FORK_FSM, 0, path, sizeof(path));
    CU_ASSERT_STRING_EQUAL(path, "global/1260_fsm");
    relfile_path((RelLocator){16500, 5, 17}, FORK_INIT, 0, path, sizeof(path));
    CU_ASSERT_STRING_EQUAL(path, "pg_tblspc/16500/PG_15_202209061/5/17_init");
}

static void
pages_come_back_as_written(void)
{
    BlockNo n;
    CU_ASSERT_FALSE(relfile_exists(rel, FORK_MAIN));
    CU_ASSERT_EQUAL(relfile_block_count(rel, FORK_MAIN, &n), ERR_NOT_FOUND);
    CU_ASSERT_EQUAL_FATAL(relfile_create(rel, FORK_MAIN, false), ERR_OK);
    CU_ASSERT_EQUAL(relfile_create(rel, FORK_MAIN, false), ERR_EXISTS);
    CU_ASSERT_EQUAL(relfile_create(rel, FORK_MAIN, true), ERR_OK);
    CU_ASSERT_EQUAL(relfile_block_count(rel, FORK_MAIN, &n), ERR_OK);
    CU_ASSERT_EQUAL(n, 0);
    CU_ASSERT_EQUAL(relfile_extend(rel, FORK_MAIN, 0, 5), ERR_OK);
    CU_ASSERT_EQUAL(relfile_extend(rel, FORK_MAIN, 5, 100), ERR_OK);
    CU_ASSERT_EQUAL(relfile_block_count(rel, FORK_MAIN, &n), ERR_OK);
    CU_ASSERT_EQUAL(n, 105);
    CU_ASSERT_TRUE(reads_as(rel, 104, 0));

    static char pages[40][PAGE_BYTES], back[40][PAGE_BYTES];
    const void *out[40];
    void *in[40];
    for (unsigned i = 0; i < 40; i++) {
        make_page(pages[i], 500 + i, 20 + i);
        out[i] = pages[i];
        in[i] = back[i];
    }
    CU_ASSERT_EQUAL(relfile_write(rel, FORK_MAIN, 20, out, 40), ERR_OK);
    CU_ASSERT_EQUAL(relfile_read(rel, FORK_MAIN, 20, in, 40), ERR_OK);
    CU_ASSERT_EQUAL(memcmp(pages, back, sizeof(pages)), 0);
    CU_ASSERT_EQUAL(relfile_read(rel, FORK_MAIN, 90, in, 40), ERR_CORRUPT);
    CU_ASSERT_STRING_EQUAL(err_sys()->what, "could not read block 105 in file \"base/5/16384\": read only 0 of 8192 bytes");
    CU_ASSERT_EQUAL(relfile_sync(rel, FORK_MAIN), ERR_OK);
    CU_ASSERT_EQUAL(relfile_truncate(rel, FORK_MAIN, 21), ERR_OK);
    CU_ASSERT_EQUAL(relfile_block_count(rel, FORK_MAIN, &n), ERR_OK);
    CU_ASSERT_EQUAL(n, 21);
    CU_ASSERT_TRUE(reads_as(rel, 20, 500));
}

static void
segments_split_at_one_gigabyte(void)
{
    RelLocator r = {1663, 5, 16400};
    BlockNo n, edge = REL_SEGMENT_PAGES;
    struct stat st;
    CU_ASSERT_EQUAL_FATAL(relfile_create(r, FORK_MAIN, false), ERR_OK);
    /* a sparse first segment; the extension crosses its end */
    CU_ASSERT_EQUAL_FATAL(truncate("base/5/16400", (off_t)(edge - 3) * PAGE_BYTES), 0);
    CU_ASSERT_EQUAL(relfile_extend(r, FORK_MAIN, edge - 3, 8), ERR_OK);
    CU_ASSERT_EQUAL(relfile_block_count(r, FORK_MAIN, &n), ERR_OK);
    CU_ASSERT_EQUAL(n, edge + 5);
    CU_ASSERT_EQUAL(stat("base/5/16400.1", &st), 0);
    CU_ASSERT_EQUAL(st.st_size, 5 * PAGE_BYTES);
    static char pages[8][PAGE_BYTES];
    const void *out[8];
    for (unsigned i = 0; i < 8; i++) {
        make_page(pages[i], 900 + i, edge - 3 + i);
        out[i] = pages[i];
    }
    CU_ASSERT_EQUAL(relfile_write(r, FORK_MAIN, edge - 3, out, 8), ERR_OK);
    for (unsigned i = 0; i < 8; i++)
        CU_ASSERT_TRUE(reads_as(r, edge - 3 + i, 900 + i));
    CU_ASSERT_EQUAL(relfile_truncate(r, FORK_MAIN, edge - 1), ERR_OK);
    CU_ASSERT_EQUAL(relfile_block_count(r, FORK_MAIN, &n), ERR_OK);
    CU_ASSERT_EQUAL(n, edge - 1);
    CU_ASSERT_TRUE(reads_as(r, edge - 2, 901));
    CU_ASSERT_EQUAL(relfile_unlink(r, true), ERR_OK);
    CU_ASSERT_NOT_EQUAL(stat("base/5/16400", &st), 0);
    CU_ASSERT_NOT_EQUAL(stat("base/5/16400.1", &st), 0);
}

static void
more_files_than_descriptors(void)
{
    for (int round = 0; round < 2; round++)
        for (Oid i = 0; i < 300; i++) {
            RelLocator r = {1663, 5, 40000 + i};
            if (round == 0) {
                CU_ASSERT_EQUAL_FATAL(relfile_create(r, FORK_MAIN, false), ERR_OK);
                CU_ASSERT_EQUAL_FATAL(relfile_extend(r, FORK_MAIN, 0, 2), ERR_OK);
            }
            CU_ASSERT_EQUAL_FATAL(write_one(r, round == 0 ? 0 : 1, 1000 + i), ERR_OK);
        }
    for (Oid i = 0; i < 300; i += 7)
        CU_ASSERT_TRUE(reads_as((RelLocator){1663, 5, 40000 + i}, 1, 1000 + i));
    int count;
    CU_ASSERT_EQUAL(fsyncq_process(&count), ERR_OK);
    CU_ASSERT_TRUE(count >= 300 && count <= 310); /* each once */
    CU_ASSERT_EQUAL(fsyncq_process(&count), ERR_OK);
    CU_ASSERT_EQUAL(count, 0);
    for (Oid i = 0; i < 300; i++)
        CU_ASSERT_EQUAL(relfile_unlink((RelLocator){1663, 5, 40000 + i}, true), ERR_OK);
}

static void
dropped_numbers_stay_taken_for_a_while(void)
{
    RelLocator r = {1663, 5, 16401};
    int count;
    fsyncq_unlink_pending();
    CU_ASSERT_EQUAL_FATAL(relfile_create(r, FORK_MAIN, false), ERR_OK);
    CU_ASSERT_EQUAL_FATAL(relfile_create(r, FORK_VM, false), ERR_OK);
    CU_ASSERT_EQUAL(relfile_extend(r, FORK_MAIN, 0, 3), ERR_OK);
    CU_ASSERT_EQUAL(relfile_unlink(r, false), ERR_OK);
    CU_ASSERT_TRUE(relfile_exists(r, FORK_MAIN));
    CU_ASSERT_FALSE(relfile_exists(r, FORK_VM));
    struct stat st;
    CU_ASSERT_TRUE(stat("base/5/16401", &st) == 0 && st.st_size == 0);
    CU_ASSERT_EQUAL(fsyncq_process(&count), ERR_OK);
    CU_ASSERT_EQUAL(count, 0); /* its requests are forgotten */
    fsyncq_unlink_pending();
    CU_ASSERT_TRUE(relfile_exists(r, FORK_MAIN)); /* may be younger than that checkpoint's redo point */
    CU_ASSERT_EQUAL(fsyncq_process(&count), ERR_OK);
    fsyncq_unlink_pending();
    CU_ASSERT_FALSE(relfile_exists(r, FORK_MAIN));
    /* a file that vanished behind the queue's back is no error */
    CU_ASSERT_EQUAL_FATAL(relfile_create(r, FORK_MAIN, false), ERR_OK);
    CU_ASSERT_EQUAL(unlink("base/5/16401"), 0);
    relfile_forget(r);
    CU_ASSERT_EQUAL(fsyncq_process(&count), ERR_OK);
}

/* Another process's descriptor must not point to the file that had the number before. */
static _Atomic int *step;

static void
stale_child(int number)
{
    RelLocator r = {1663, 5, 16402};
    MUST(write_one(r, 0, 111) == ERR_OK);
    atomic_store_explicit(step, 1, memory_order_release); /* pairs with the waits */
    while (atomic_load_explicit(step, memory_order_acquire) != 2)
        test_sleep_ms(1);
    MUST(write_one(r, 0, 222) == ERR_OK);
}

static void
descriptors_do_not_outlive_their_names(void)
{
    RelLocator r = {1663, 5, 16402};
    step = test_shared(sizeof(*step));
    CU_ASSERT_EQUAL_FATAL(relfile_create(r, FORK_MAIN, false), ERR_OK);
    CU_ASSERT_EQUAL_FATAL(relfile_extend(r, FORK_MAIN, 0, 1), ERR_OK);
    pid_t child = test_child(stale_child, 0);
    while (atomic_load_explicit(step, memory_order_acquire) != 1)
        test_sleep_ms(1);
    CU_ASSERT_EQUAL(relfile_unlink(r, true), ERR_OK);
    CU_ASSERT_EQUAL_FATAL(relfile_create(r, FORK_MAIN, false), ERR_OK);
    CU_ASSERT_EQUAL_FATAL(relfile_extend(r, FORK_MAIN, 0, 1), ERR_OK);
    atomic_store_explicit(step, 2, memory_order_release); /* pairs with stale_child */
    CU_ASSERT_EQUAL(test_wait_child(child), 0);
    CU_ASSERT_TRUE(reads_as(r, 0, 222));
    CU_ASSERT_EQUAL(relfile_unlink(r, true), ERR_OK);
}

/* Requests made while the checkpointer syncs are never lost: what was written is synced or queued. */
static void
queue_child(int number)
{
    for (int i = 0; i < 300; i++)
        fsyncq_add((RelLocator){1663, 5, (Oid)(50000 + number)}, FORK_MAIN, 0);
}

static void
the_queue_takes_requests_from_many(void)
{
    int count;
    for (int i = 0; i < 6; i++)
        CU_ASSERT_EQUAL_FATAL(relfile_create((RelLocator){1663, 5, (Oid)(50000 + i)}, FORK_MAIN, false), ERR_OK);
    CU_ASSERT_EQUAL(fsyncq_process(&count), ERR_OK);
    CU_ASSERT_EQUAL(test_children(queue_child, 6), 0);
    CU_ASSERT_EQUAL(fsyncq_process(&count), ERR_OK);
    CU_ASSERT_EQUAL(count, 6);
    /* more segments than the queue holds: writers sync by themselves (here: find no file) */
    for (uint32_t i = 0; i < 10000; i++)
        fsyncq_add((RelLocator){1663, 5, 60000}, FORK_MAIN, i);
    CU_ASSERT_EQUAL(fsyncq_process(&count), ERR_OK);
    CU_ASSERT_EQUAL(count, 0);
    fsyncq_add((RelLocator){1663, 5, 50000}, FORK_MAIN, 0);
    fsyncq_forget_database(5);
    CU_ASSERT_EQUAL(fsyncq_process(&count), ERR_OK);
    CU_ASSERT_EQUAL(count, 0);
}

/* The same pages, also from addresses that direct I/O does not take; and buffered again they are still there. */
static void
direct_io_reads_and_writes_the_same(void)
{
    static const RelLocator r = {1663, 5, 16500};
    static char memory[4 * PAGE_BYTES + 8];
    relfile_direct = RELFILE_DIRECT;
    CU_ASSERT_EQUAL_FATAL(relfile_create(r, FORK_MAIN, false), ERR_OK);
    CU_ASSERT_EQUAL_FATAL(relfile_extend(r, FORK_MAIN, 0, 3), ERR_OK);
    CU_ASSERT_EQUAL_FATAL(relfile_extend(r, FORK_MAIN, 3, 20), ERR_OK);
    for (BlockNo b = 0; b < 23; b += 2)
        CU_ASSERT_EQUAL_FATAL(write_one(r, b, b + 100), ERR_OK);
    for (BlockNo b = 0; b < 23; b++)
        CU_ASSERT_TRUE(reads_as(r, b, b % 2 ? 0 : b + 100));
    for (int shift = 0; shift < 16; shift += 8) { /* at most one of the two is aligned */
        void *pages[3];
        for (int i = 0; i < 3; i++)
            pages[i] = memory + shift + (size_t)i * PAGE_BYTES;
        CU_ASSERT_EQUAL_FATAL(relfile_read(r, FORK_MAIN, 2, pages, 3), ERR_OK);
        CU_ASSERT_EQUAL(load_u32((char *)pages[0] + 4096), 102);
        CU_ASSERT_TRUE(page_is_new(pages[1]));
        CU_ASSERT_EQUAL(load_u32((char *)pages[2] + 4096), 104);
        CU_ASSERT_EQUAL(relfile_write(r, FORK_MAIN, 2, (const void *const *)pages, 3), ERR_OK);
    }
    CU_ASSERT_EQUAL(relfile_prefetch(r, FORK_MAIN, 0, 10), ERR_OK);
    relfile_writeback(r, FORK_MAIN, 0, 10);
    void *page[1] = {memory};
    CU_ASSERT_EQUAL(relfile_read(r, FORK_MAIN, 23, page, 1), ERR_CORRUPT); /* past the end */
    relfile_forget_all();
    relfile_direct = RELFILE_BUFFERED;
    for (BlockNo b = 0; b < 23; b++)
        CU_ASSERT_TRUE(reads_as(r, b, b % 2 ? 0 : b + 100));
    CU_ASSERT_EQUAL(relfile_unlink(r, false), ERR_OK);
}

static void
small_files_are_replaced_whole(void)
{
    Arena *a = arena_create(NULL, "test");
    char *text;
    size_t n;
    struct stat st;
    CU_ASSERT_EQUAL(file_read_all("missing", a, &text, &n), ERR_NOT_FOUND);
    CU_ASSERT_EQUAL(file_replace_durable("base/version", "one", 3), ERR_OK);
    CU_ASSERT_EQUAL(file_replace_durable("base/version", "second", 6), ERR_OK);
    CU_ASSERT_EQUAL(file_read_all("base/version", a, &text, &n), ERR_OK);
    CU_ASSERT_EQUAL(n, 6);
    CU_ASSERT_STRING_EQUAL(text, "second");
    CU_ASSERT_NOT_EQUAL(stat("base/version.tmp", &st), 0);
    CU_ASSERT_EQUAL(file_replace_durable("nowhere/version", "x", 1), ERR_IO);
    CU_ASSERT_EQUAL(err_sys()->errnum, ENOENT);
    arena_destroy(a);
}

static void
directories_are_copied_and_removed(void)
{
    RelLocator copy = {1663, 6, 16384};
    char path[200];
    struct stat st;
    CU_ASSERT_EQUAL(relfile_copy_dir("base/5", "base/6"), ERR_OK);
    CU_ASSERT_TRUE(reads_as(copy, 20, 500));
    CU_ASSERT_EQUAL(relfile_copy_dir("base/5", "base/6"), ERR_IO); /* exists */
    CU_ASSERT_EQUAL(mkdir("base/6/deep", 0700), 0);
    CU_ASSERT_EQUAL(file_replace_durable("base/6/deep/file", "x", 1), ERR_OK);
    relfile_db_path(1663, 6, path, sizeof(path));
    CU_ASSERT_EQUAL(relfile_remove_dir(path), ERR_OK);
    CU_ASSERT_NOT_EQUAL(stat("base/6", &st), 0);
    CU_ASSERT_TRUE(reads_as(rel, 20, 500));
    CU_ASSERT_EQUAL(relfile_remove_dir("base/6"), ERR_OK); /* again: nothing to do */
}

int
main(int argc, char **argv)
{
    test_seed_init(argc, argv);
    cpu_init();
    snprintf(test_dir, sizeof(test_dir), "/tmp/file_test.XXXXXX");
    if (!mkdtemp(test_dir) || chdir(test_dir) != 0 || mkdir("base", 0700) != 0 || mkdir("base/5", 0700) != 0 || mkdir("global", 0700) != 0)
        return 1;
    test_owner = getpid();
    atexit(remove_test_dir);
    struct rlimit limit = {90, 90}; /* few descriptors: the cache must evict */
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 1;
    proc_shm_register();
    fsyncq_shm_register();
    shm_create_for_test();
    if (proc_attach(PROC_BACKEND) != ERR_OK || CU_initialize_registry() != CUE_SUCCESS)
        return 1;
    relfile_init();
    CU_pSuite s = CU_add_suite("file relfile", NULL, NULL);
    CU_ADD_TEST(s, paths_are_postgresqls);
    CU_ADD_TEST(s, pages_come_back_as_written);
    CU_ADD_TEST(s, segments_split_at_one_gigabyte);
    CU_ADD_TEST(s, more_files_than_descriptors);
    CU_ADD_TEST(s, dropped_numbers_stay_taken_for_a_while);
    CU_ADD_TEST(s, descriptors_do_not_outlive_their_names);
    CU_ADD_TEST(s, the_queue_takes_requests_from_many);
    CU_ADD_TEST(s, direct_io_reads_and_writes_the_same);
    CU_ADD_TEST(s, small_files_are_replaced_whole);
    CU_ADD_TEST(s, directories_are_copied_and_removed);
    TEST_MAIN_END();
}
