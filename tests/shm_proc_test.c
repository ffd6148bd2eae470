/* Segments and process slots: creation, stale removal, claims by many processes, titles, exit callbacks. */
#include <CUnit/Basic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/settings.h"
#include "core/shm/proc.h"
#include "core/shm/shm.h"

static char *small_block, *large_block;
static int inits;
static size_t large_bytes = 3u << 20;

static size_t
small_size(void)
{
    return 100;
}

static size_t
large_size(void)
{
    return large_bytes;
}

static void
small_init(void *base)
{
    small_block = base;
    inits++;
}

static void
large_init(void *base)
{
    large_block = base;
    inits++;
}

static const ShmRequest small_request = {"small", SHM_CONTROL, small_size, small_init};
static const ShmRequest large_request = {"large", SHM_BUFFERS, large_size, large_init};

static pid_t
start(void (*fn)(void))
{
    fflush(stdout);
    pid_t pid = fork();
    CU_ASSERT_FATAL(pid >= 0);
    if (pid == 0) {
        fn();
        _exit(0);
    }
    return pid;
}

static int
exit_code(pid_t pid)
{
    int status;
    if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return -1;
    return WEXITSTATUS(status);
}

static void
write_child(void)
{
    small_block[0] = 42;
    large_block[large_bytes - 1] = 43;
}

static void
segments_are_shared_and_removed(void)
{
    uint64_t key = 0x7e57000000000000u + (uint64_t)getpid();
    CU_ASSERT_FALSE(shm_stale_exists(key));
    shm_create(key);
    CU_ASSERT_TRUE(shm_stale_exists(key));
    CU_ASSERT_EQUAL(inits, 2);
    CU_ASSERT_EQUAL((uintptr_t)small_block % 64, 0);
    CU_ASSERT_EQUAL((uintptr_t)large_block % 4096, 0);
    CU_ASSERT_EQUAL(small_block[0], 0);
    CU_ASSERT(shm_total_bytes() > large_bytes);
    CU_ASSERT_EQUAL(exit_code(start(write_child)), 0);
    CU_ASSERT_EQUAL(small_block[0], 42);
    CU_ASSERT_EQUAL(large_block[large_bytes - 1], 43);
    shm_check();
    shm_reinit();
    CU_ASSERT_EQUAL(inits, 4);
    CU_ASSERT_EQUAL(small_block[0], 0);
    CU_ASSERT_EQUAL(large_block[large_bytes - 1], 0);
    shm_destroy();
    CU_ASSERT_FALSE(shm_stale_exists(key));
    CU_ASSERT_EQUAL(shm_total_bytes(), 0);
}

static uint64_t stale_key;

static void
leave_segments(void)
{
    shm_create(stale_key);
    _exit(0);
}

static void
what_a_dead_instance_left_is_removed(void)
{
    stale_key = 0x7e57100000000000u + (uint64_t)getpid();
    CU_ASSERT_EQUAL(exit_code(start(leave_segments)), 0);
    CU_ASSERT_TRUE(shm_stale_exists(stale_key));
    shm_remove_stale(stale_key);
    CU_ASSERT_FALSE(shm_stale_exists(stale_key));
}

static void
too_large_is_an_error_that_names_the_setting(void)
{
    size_t keep = large_bytes;
    volatile int raised = 0;
    large_bytes = (size_t)1 << 45;
    ERR_TRY {
        shm_create(0x7e57200000000000u + (uint64_t)getpid());
    } ERR_CATCH {
        raised = 1;
        CU_ASSERT_EQUAL(err_current()->sqlstate, SQLSTATE_OUT_OF_MEMORY);
        CU_ASSERT_PTR_NOT_NULL_FATAL(err_current()->hint);
        CU_ASSERT_PTR_NOT_NULL(strstr(err_current()->hint, "shared_buffers"));
        err_clear();
    } ERR_END;
    large_bytes = keep;
    CU_ASSERT(raised);
    CU_ASSERT_FALSE(shm_stale_exists(0x7e57200000000000u + (uint64_t)getpid()));
}

static int
create_slots(void)
{
    proc_shm_register();
    shm_create_for_test();
    return 0;
}

static void
attach_child(void)
{
    if (proc_attach(PROC_BACKEND) != ERR_OK)
        proc_exit(9);
    if (atomic_load(&proc_self->pid) != (uint32_t)getpid() || proc_find_pid((uint32_t)getpid()) != proc_self)
        proc_exit(8);
    usleep(100000);
    proc_exit(0);
}

static void
slots_are_claimed_once(void)
{
    enum { CHILDREN = 12 };
    pid_t pids[CHILDREN];
    int ok = 0, full = 0;
    for (int i = 0; i < CHILDREN; i++)
        pids[i] = start(attach_child);
    for (int i = 0; i < CHILDREN; i++) {
        int code = exit_code(pids[i]);
        ok += code == 0;
        full += code == 9;
    }
    CU_ASSERT(ok >= max_connections);
    CU_ASSERT_EQUAL(ok + full, CHILDREN);
    for (int i = 0; i < proc_slot_count; i++)
        CU_ASSERT_EQUAL(atomic_load(&proc_slots[i].pid), 0);
}

static char order[8];

static void
note(void *arg)
{
    strcat(order, arg);
}

static void
fail_in_callback(void *arg)
{
    RAISE(SQLSTATE_INTERNAL_ERROR, "in a callback");
}

static void
check_order(void *arg)
{
    _exit(strcmp(order, "21") == 0 && proc_self != NULL ? 5 : 6);
}

static void
exit_child(void)
{
    if (!freopen("/dev/null", "w", stderr))
        _exit(7);
    if (proc_attach(PROC_CHECKPOINTER) != ERR_OK)
        _exit(9);
    proc_on_exit(check_order, NULL);
    proc_on_exit(note, "1");
    proc_on_exit(fail_in_callback, NULL);
    proc_on_exit(note, "2");
    RAISE_FATAL(SQLSTATE_ADMIN_SHUTDOWN, "terminating connection due to administrator command");
}

static void
exit_callbacks_run_backwards_even_after_errors(void)
{
    CU_ASSERT_EQUAL(exit_code(start(exit_child)), 5);
    /* It ended by _exit before proc_detach: the slot is for the reaper. */
    int left = 0;
    for (int i = 0; i < proc_slot_count; i++)
        if (atomic_load(&proc_slots[i].pid)) {
            left++;
            CU_ASSERT_EQUAL(atomic_load(&proc_slots[i].kind), PROC_CHECKPOINTER);
            proc_free_dead(&proc_slots[i]);
        }
    CU_ASSERT_EQUAL(left, 1);
}

static void
activity_is_seen_whole(void)
{
    char text[PROC_ACTIVITY_BYTES], query[3000];
    CU_ASSERT_EQUAL_FATAL(proc_attach(PROC_BACKEND), ERR_OK);
    proc_set_activity(STATE_RUNNING, "select 1");
    CU_ASSERT_TRUE(proc_read_activity(proc_self, text));
    CU_ASSERT_STRING_EQUAL(text, "select 1");
    proc_set_activity(STATE_IDLE, NULL);
    proc_read_activity(proc_self, text);
    CU_ASSERT_STRING_EQUAL(text, "select 1");
    CU_ASSERT_EQUAL(atomic_load(&proc_self->state), STATE_IDLE);
    memset(query, 'x', sizeof(query));
    memcpy(query + 1022, "\xC3\xA9", 2); /* a character across the end */
    query[2999] = '\0';
    proc_set_activity(STATE_RUNNING, query);
    proc_read_activity(proc_self, text);
    CU_ASSERT_EQUAL(strlen(text), 1022);
    critical_enter();
    CU_ASSERT_EQUAL(atomic_load(&proc_self->critical), 1);
    critical_leave();
    proc_wait_begin(WAIT_EVENT_CLIENT_READ);
    CU_ASSERT_STRING_EQUAL(wait_event_name(atomic_load(&proc_self->wait_event)), "ClientRead");
    CU_ASSERT_STRING_EQUAL(wait_event_class_name(atomic_load(&proc_self->wait_event)), "Client");
    proc_wait_end();
    CU_ASSERT_PTR_NULL(wait_event_name(0));
    proc_detach();
    proc_detach();
    CU_ASSERT_PTR_NULL(proc_self);
}

static void
read_title(char *out, size_t n)
{
    FILE *f = fopen("/proc/self/cmdline", "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    size_t got = fread(out, 1, n - 1, f);
    out[got] = '\0';
    fclose(f);
}

static void
titles_show_in_ps(void)
{
    char text[512];
    proc_set_title("user db [local]");
    proc_set_title_activity("SELECT waiting");
#ifdef POSTHASTE_EMULATED
    return; /* qemu answers for /proc/self/cmdline itself */
#endif
    read_title(text, sizeof(text));
    CU_ASSERT_STRING_EQUAL(text, "postgres: user db [local] SELECT waiting");
    proc_set_title_activity("idle");
    read_title(text, sizeof(text));
    CU_ASSERT_STRING_EQUAL(text, "postgres: user db [local] idle");
    CU_ASSERT_PTR_NOT_NULL(getenv("PATH"));
}

int
main(int argc, char **argv)
{
    proc_title_init(argc, argv);
    max_connections = 5;
    shm_register(&small_request);
    shm_register(&large_request);
    CU_initialize_registry();
    CU_pSuite s = CU_add_suite("shm_proc", NULL, NULL);
    CU_ADD_TEST(s, segments_are_shared_and_removed);
    CU_ADD_TEST(s, what_a_dead_instance_left_is_removed);
    CU_ADD_TEST(s, too_large_is_an_error_that_names_the_setting);
    CU_pSuite p = CU_add_suite("shm_proc slots", create_slots, NULL);
    CU_ADD_TEST(p, slots_are_claimed_once);
    CU_ADD_TEST(p, exit_callbacks_run_backwards_even_after_errors);
    CU_ADD_TEST(p, activity_is_seen_whole);
    CU_ADD_TEST(p, titles_show_in_ps);
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    unsigned failed = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failed != 0;
}
