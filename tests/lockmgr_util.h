/*
 * Shared by the lockmgr, file and bufmgr tests: a seeded generator and children that attach to the
 * test's shared memory. A child reports failure by its exit status.
 */
#ifndef TESTS_LOCKMGR_UTIL_H
#define TESTS_LOCKMGR_UTIL_H

#include <CUnit/Basic.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/cpu.h"
#include "core/shm/proc.h"
#include "core/shm/shm.h"

static unsigned test_seed;

static inline uint64_t
test_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static inline void
test_seed_init(int argc, char **argv)
{
    test_seed = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 0) : (unsigned)time(NULL);
    printf("seed %u\n", test_seed);
    fflush(stdout);
}

/* In a child: a failure ends it and the parent counts it. */
#define MUST(cond)                                                                                   \
    do {                                                                                             \
        if (!(cond)) {                                                                               \
            fprintf(stderr, "\n%s:%d: failed: %s (seed %u)\n", __FILE__, __LINE__, #cond, test_seed);  \
            _exit(1);                                                                                \
        }                                                                                            \
    } while (0)

/* A child process attached to the shared memory of the test; it dies with the test. */
static pid_t UNUSED
test_child(void (*fn)(int), int number)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(120); /* a hang is a failure */
    proc_exit_reset();
    proc_self = NULL;
    MUST(proc_attach(PROC_BACKEND) == ERR_OK);
    fn(number);
    proc_exit(0);
}

static int UNUSED
test_wait_child(pid_t pid)
{
    int status = -1;
    waitpid(pid, &status, 0);
    return status;
}

/* Runs n children of fn and returns how many failed. */
static int UNUSED
test_children(void (*fn)(int), int n)
{
    pid_t pids[64];
    int failed = 0;
    for (int i = 0; i < n; i++)
        pids[i] = test_child(fn, i);
    for (int i = 0; i < n; i++)
        failed += test_wait_child(pids[i]) != 0;
    return failed;
}

/* Zeroed memory shared with children forked later. */
UNUSED static void *
test_shared(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        abort();
    return p;
}

static void UNUSED
test_sleep_ms(long ms)
{
    struct timespec ts = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&ts, NULL);
}

#define TEST_MAIN_END()                                                                              \
    do {                                                                                             \
        CU_basic_set_mode(CU_BRM_VERBOSE);                                                           \
        CU_basic_run_tests();                                                                        \
        unsigned failures_ = CU_get_number_of_failures();                                            \
        CU_cleanup_registry();                                                                       \
        return failures_ ? 1 : 0;                                                                    \
    } while (0)

#endif
