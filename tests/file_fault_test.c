/*
 * The file layer that fails on purpose, and its trace: what rules do to reads, writes and syncs, and
 * what is recorded.
 */
#include "lockmgr_util.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/fault.h"
#include "core/file/file_internal.h"
#include "core/file/io.h"
#include "core/file/io_trace.h"

static char test_dir[64];
static const RelLocator rel = {1663, 5, 16384};

static void
arm(const char *text)
{
    setenv("POSTHASTE_FAULT_RULES", text, 1);
}

/* Rules are read once per process: each case is a process. */
static bool
in_child(bool (*fn)(void), const char *rules)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        arm(rules);
        relfile_forget_all();
        _exit(fn() ? 0 : 1);
    }
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static ErrCode
write_pages(BlockNo first, int n)
{
    static char page[8][PAGE_BYTES];
    const void *pages[8];
    for (int i = 0; i < n; i++) {
        page_init(page[i], 0);
        store_u32(page[i] + 4096, first + (BlockNo)i);
        page_header(page[i])->checksum = page_checksum(page[i], first + (BlockNo)i);
        pages[i] = page[i];
    }
    return relfile_write(rel, FORK_MAIN, first, pages, n);
}

static ErrCode
read_pages(BlockNo first, int n, bool *sound)
{
    static char page[8][PAGE_BYTES];
    void *pages[8];
    for (int i = 0; i < n; i++)
        pages[i] = page[i];
    ErrCode rc = relfile_read(rel, FORK_MAIN, first, pages, n);
    *sound = true;
    for (int i = 0; rc == ERR_OK && i < n; i++)
        *sound &= page_check(page[i], first + (BlockNo)i, true) && load_u32(page[i] + 4096) == first + (BlockNo)i;
    return rc;
}

static bool
file_is_made(void)
{
    return relfile_create(rel, FORK_MAIN, false) == ERR_OK && write_pages(0, 8) == ERR_OK;
}

static bool
short_calls_are_gone_on_with(void)
{
    bool sound;
    return write_pages(0, 8) == ERR_OK && read_pages(0, 8, &sound) == ERR_OK && sound;
}

static bool
second_read_is_an_io_error(void)
{
    bool sound;
    return read_pages(0, 2, &sound) == ERR_OK && read_pages(0, 2, &sound) == ERR_IO &&
           err_sys()->errnum == EIO && read_pages(0, 2, &sound) == ERR_OK && sound;
}

static bool
full_disk_is_told_from_other_errors(void)
{
    return write_pages(3, 1) == ERR_NO_SPACE && relfile_extend(rel, FORK_MAIN, 8, 64) == ERR_NO_SPACE;
}

static bool
failed_sync_is_reported(void)
{
    return relfile_sync(rel, FORK_MAIN) == ERR_IO;
}

static bool
flipped_bit_fails_the_checksum(void)
{
    bool sound;
    for (BlockNo b = 0; b < 8; b++)
        if (read_pages(b, 1, &sound) != ERR_OK || sound)
            return false;
    return true;
}

static bool
nothing_else_happens(void)
{
    bool sound;
    return read_pages(0, 8, &sound) == ERR_OK && sound && relfile_sync(rel, FORK_MAIN) == ERR_OK;
}

static void
rules_make_calls_fail(void)
{
    CU_ASSERT_FATAL(in_child(file_is_made, ""));
    CU_ASSERT(in_child(short_calls_are_gone_on_with, "op=read,do=short,times=3;op=write,do=short,times=5"));
    CU_ASSERT(in_child(second_read_is_an_io_error, "op=read,path=base/5/*,nth=2,do=eio"));
    CU_ASSERT(in_child(full_disk_is_told_from_other_errors, "op=write,do=enospc,times=0;op=extend,do=enospc"));
    CU_ASSERT(in_child(failed_sync_is_reported, "op=sync,do=eio"));
    CU_ASSERT(in_child(flipped_bit_fails_the_checksum, "op=read,do=flip,times=0"));
    CU_ASSERT(in_child(nothing_else_happens, "op=read,path=pg_wal/*,do=eio,times=0;op=write,do=eio;"
                                             "op=sync,kind=walwriter,do=eio"));
}

static void
wrong_rules_are_refused(void)
{
    static const char *const wrong[] = {"do=eio", "op=read", "op=read,do=dance", "op=read,do=eio,when=now", "x"};
    FaultRule r;
    const char *why;
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        CU_ASSERT_FALSE(fault_rule_parse(wrong[i], &r, &why));
        CU_ASSERT_PTR_NOT_NULL(why);
    }
    CU_ASSERT_TRUE(fault_rule_parse("point=wal_*,kind=walwriter,do=crash,nth=3", &r, &why));
    CU_ASSERT(r.is_point && r.action == FAULT_CRASH && r.nth == 3 && r.times == 1);
}

/* ---- the fsync queue under writers ---- */

#define QUEUED 40

static void
queue_all(void)
{
    for (Oid i = 0; i < QUEUED; i++)
        fsyncq_add((RelLocator){1663, 5, 20000 + i}, FORK_MAIN, 0);
}

/* A request that is older than the checkpoint must be served by it, although the file is written and
 * queued again before its turn comes; the renewed one belongs to the next. */
static bool
renewed_requests_are_served_twice(void)
{
    int first, second, third;
    pid_t pid;
    fsyncq_shm_register();
    proc_shm_register();
    shm_create_for_test();
    if (proc_attach(PROC_CHECKPOINTER) != ERR_OK)
        return false;
    relfile_init();
    for (Oid i = 0; i < QUEUED; i++)
        if (relfile_create((RelLocator){1663, 5, 20000 + i}, FORK_MAIN, false) != ERR_OK)
            return false;
    if ((pid = fork()) == 0) {
        proc_self = NULL;
        usleep(500000); /* the first sync sleeps for a second */
        if (proc_attach(PROC_BACKEND) != ERR_OK)
            _exit(1);
        queue_all();
        proc_detach();
        _exit(0);
    }
    ErrCode rc = fsyncq_process(&first);
    waitpid(pid, NULL, 0);
    return rc == ERR_OK && first == QUEUED && fsyncq_process(&second) == ERR_OK && second == 1 &&
           fsyncq_process(&third) == ERR_OK && third == 0;
}

static void
checkpoints_sync_what_is_older(void)
{
    CU_ASSERT(in_child(renewed_requests_are_served_twice, "op=sync,path=base/5/2*,do=sleep"));
}

/* ---- the trace ---- */

static bool
traced_work(void)
{
    static const char zeros[64];
    int fd = io_open("a", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || io_pwrite(fd, "hello", 5, 100) != 5 || io_pwrite(fd, zeros, 64, 0) != 64 || io_fsync(fd) != 0 ||
        io_ftruncate(fd, 50) != 0 || io_close(fd) != 0 || io_rename("a", "b") != 0)
        return false;
    fd = io_open("b", O_RDWR | O_CREAT | O_CLOEXEC, 0600); /* exists: no second birth */
    return fd >= 0 && io_unlink("b") == 0;
}

static void
trace_tells_what_happened(void)
{
    static const IoTraceKind expected[] = {IO_TRACE_CREATE,   IO_TRACE_WRITE,    IO_TRACE_ZERO,  IO_TRACE_SYNC_BEGIN,
                                           IO_TRACE_SYNC_END, IO_TRACE_TRUNCATE, IO_TRACE_RENAME, IO_TRACE_UNLINK};
    char text[2000];
    setenv("POSTHASTE_IO_TRACE", "trace", 1);
    CU_ASSERT_FATAL(in_child(traced_work, ""));
    unsetenv("POSTHASTE_IO_TRACE");
    int fd = open("trace", O_RDONLY);
    ssize_t n = read(fd, text, sizeof(text)), at = 0;
    close(fd);
    uint64_t inode = 0;
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        IoTraceHead h;
        CU_ASSERT_FATAL(at + (ssize_t)sizeof(h) <= n);
        memcpy(&h, text + at, sizeof(h));
        CU_ASSERT_EQUAL_FATAL(h.magic, IO_TRACE_MAGIC);
        CU_ASSERT_EQUAL(h.kind, expected[i]);
        if (i == 0)
            inode = h.inode;
        CU_ASSERT(i >= 6 || h.inode == inode);
        const char *content = text + at + sizeof(h) + h.path_bytes;
        if (h.kind == IO_TRACE_WRITE)
            CU_ASSERT(h.a == 100 && h.data_bytes == 5 && memcmp(content, "hello", 5) == 0);
        if (h.kind == IO_TRACE_RENAME)
            CU_ASSERT(h.path_bytes == 1 && h.data_bytes == 1 && content[0] == 'b');
        at += (ssize_t)(sizeof(h) + h.path_bytes + h.data_bytes);
    }
    CU_ASSERT_EQUAL(at, n);
}

int
main(int argc, char **argv)
{
    snprintf(test_dir, sizeof(test_dir), "/tmp/file_fault_test.%d", (int)getpid());
    if (mkdir(test_dir, 0700) != 0 || chdir(test_dir) != 0 || mkdir("base", 0700) != 0 || mkdir("base/5", 0700) != 0)
        return 1;
    CU_initialize_registry();
    CU_pSuite s = CU_add_suite("file_fault", NULL, NULL);
    CU_ADD_TEST(s, rules_make_calls_fail);
    CU_ADD_TEST(s, wrong_rules_are_refused);
    CU_ADD_TEST(s, checkpoints_sync_what_is_older);
    CU_ADD_TEST(s, trace_tells_what_happened);
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    unsigned failed = CU_get_number_of_failures();
    CU_cleanup_registry();
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", test_dir);
    if (chdir("/") != 0 || system(command) != 0)
        fprintf(stderr, "%s is left\n", test_dir);
    return failed != 0;
}
