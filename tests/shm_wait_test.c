/* Wait words and latches between forked processes: no wake-up is lost, sockets and timeouts are told. */
#include <CUnit/Basic.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/shm/proc.h"

#define ROUNDS 20000
#define LATCH_ROUNDS 20000

typedef struct Area {
    WaitWord ping, pong, word;
    _Atomic uint32_t woken, turn, ready;
    Latch a, b;
} Area;

static Area *area;

static pid_t
start(void (*fn)(void))
{
    fflush(stdout);
    pid_t pid = fork();
    CU_ASSERT_FATAL(pid >= 0);
    if (pid == 0) {
        alarm(120);
        fn();
        _exit(0);
    }
    return pid;
}

static bool
ended_well(pid_t pid)
{
    int status;
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void
pong_child(void)
{
    for (uint32_t i = 1; i <= ROUNDS; i++) {
        uint32_t v;
        while ((v = atomic_load(&area->ping)) != i)
            wait_word_sleep(&area->ping, v, -1);
        atomic_store(&area->pong, i);
        wait_word_wake(&area->pong, 1);
    }
}

static void
wait_words_hand_over(void)
{
    pid_t child = start(pong_child);
    for (uint32_t i = 1; i <= ROUNDS; i++) {
        atomic_store(&area->ping, i);
        wait_word_wake(&area->ping, 1);
        uint32_t v;
        while ((v = atomic_load(&area->pong)) != i)
            wait_word_sleep(&area->pong, v, -1);
    }
    CU_ASSERT_TRUE(ended_well(child));
}

static void
sleeper_child(void)
{
    while (atomic_load(&area->word) == 0)
        wait_word_sleep(&area->word, 0, -1);
    atomic_fetch_add(&area->woken, 1);
}

static void
one_wake_reaches_all(void)
{
    pid_t children[5];
    for (int i = 0; i < 5; i++)
        children[i] = start(sleeper_child);
    usleep(50000);
    CU_ASSERT_EQUAL(atomic_load(&area->woken), 0);
    atomic_store(&area->word, 1);
    wait_word_wake(&area->word, INT_MAX);
    for (int i = 0; i < 5; i++)
        CU_ASSERT_TRUE(ended_well(children[i]));
    CU_ASSERT_EQUAL(atomic_load(&area->woken), 5);
}

static void
sleeping_times_out(void)
{
    WaitWord w = 3;
    uint64_t t = clock_monotonic_us();
    CU_ASSERT_FALSE(wait_word_sleep(&w, 3, 30000));
    CU_ASSERT(clock_monotonic_us() - t >= 29000);
    CU_ASSERT_TRUE(wait_word_sleep(&w, 4, 1000000)); /* another value: no sleep */
}

/* Two processes set each other's latch; each takes its turn only when the counter says so. */
static void
latch_side(Latch *mine, Latch *other, uint32_t parity)
{
    latch_own(mine);
    atomic_fetch_add(&area->ready, 1);
    while (atomic_load(&area->ready) < 2)
        usleep(100);
    for (;;) {
        latch_reset(mine);
        uint32_t turn = atomic_load(&area->turn);
        if (turn >= LATCH_ROUNDS)
            break;
        if (turn % 2 == parity) {
            atomic_store(&area->turn, turn + 1);
            latch_set(other);
            continue;
        }
        latch_wait(WAIT_LATCH, -1, -1, 0);
    }
    latch_set(other);
}

static void
latch_child(void)
{
    latch_side(&area->b, &area->a, 1);
}

static void
latches_lose_no_wakeup(void)
{
    pid_t child = start(latch_child);
    latch_side(&area->a, &area->b, 0);
    CU_ASSERT_TRUE(ended_well(child));
    CU_ASSERT_EQUAL(atomic_load(&area->turn), LATCH_ROUNDS);
}

static void
sockets_and_timeouts_are_told(void)
{
    int s[2];
    char c;
    CU_ASSERT_FATAL(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
    latch_own(&area->a);
    CU_ASSERT_EQUAL(latch_wait(WAIT_LATCH | WAIT_READABLE | WAIT_TIMEOUT, s[0], 20, 0), WAIT_TIMEOUT);
    CU_ASSERT_EQUAL(latch_wait(WAIT_WRITABLE, s[0], -1, 0), WAIT_WRITABLE);
    CU_ASSERT_EQUAL(write(s[1], "x", 1), 1);
    CU_ASSERT_EQUAL(latch_wait(WAIT_LATCH | WAIT_READABLE, s[0], -1, 0), WAIT_READABLE);
    CU_ASSERT_EQUAL(read(s[0], &c, 1), 1);
    latch_set(&area->a);
    CU_ASSERT_EQUAL(latch_wait(WAIT_LATCH | WAIT_READABLE, s[0], -1, 0), WAIT_LATCH);
    CU_ASSERT_EQUAL(write(s[1], "x", 1), 1);
    CU_ASSERT_EQUAL(latch_wait(WAIT_LATCH | WAIT_READABLE, s[0], -1, 0), WAIT_LATCH | WAIT_READABLE);
    latch_reset(&area->a);
    CU_ASSERT_EQUAL(latch_wait(WAIT_LATCH | WAIT_TIMEOUT, -1, 10, 0), WAIT_TIMEOUT);
    /* Another socket under the number of one that was closed. */
    int old = s[0];
    latch_forget_fd(s[0]);
    close(s[0]);
    close(s[1]);
    CU_ASSERT_FATAL(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
    CU_ASSERT_EQUAL(s[0], old);
    CU_ASSERT_EQUAL(write(s[1], "x", 1), 1);
    CU_ASSERT_EQUAL(latch_wait(WAIT_LATCH | WAIT_READABLE, s[0], -1, 0), WAIT_READABLE);
    /* The same without a word: found within about a second. */
    close(s[0]);
    close(s[1]);
    CU_ASSERT_FATAL(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
    CU_ASSERT_EQUAL(write(s[1], "x", 1), 1);
    CU_ASSERT_EQUAL(latch_wait(WAIT_LATCH | WAIT_READABLE, s[0], -1, 0), WAIT_READABLE);
    close(s[1]);
    CU_ASSERT_EQUAL(latch_wait(WAIT_READABLE, s[0], -1, 0), WAIT_READABLE); /* end of file */
    latch_forget_fd(s[0]);
    close(s[0]);
    latch_disown(&area->a);
    latch_set(&area->a);
    CU_ASSERT_EQUAL(atomic_load(&area->a.set), 0);
}

static void
orphan(void)
{
    postmaster_death_watch_child();
    latch_own(&area->a);
    if (!postmaster_is_alive())
        _exit(2);
    atomic_store(&area->ready, 10);
    int r = latch_wait(WAIT_LATCH | WAIT_POSTMASTER_DEATH, -1, 20000, 0);
    atomic_store(&area->ready, r == WAIT_POSTMASTER_DEATH && !postmaster_is_alive() ? 11 : 12);
}

static void
postmaster(void)
{
    postmaster_death_watch_init();
    start(orphan);
    while (atomic_load(&area->ready) != 10)
        usleep(1000);
    _exit(0);
}

static void
children_learn_of_the_postmasters_death(void)
{
    atomic_store(&area->ready, 0);
    CU_ASSERT_TRUE(ended_well(start(postmaster)));
    for (int i = 0; i < 2000 && atomic_load(&area->ready) <= 10; i++)
        usleep(10000);
    CU_ASSERT_EQUAL(atomic_load(&area->ready), 11);
}

int
main(void)
{
    area = mmap(NULL, sizeof(Area), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    alarm(300);
    CU_initialize_registry();
    CU_pSuite s = CU_add_suite("shm_wait", NULL, NULL);
    CU_ADD_TEST(s, wait_words_hand_over);
    CU_ADD_TEST(s, one_wake_reaches_all);
    CU_ADD_TEST(s, sleeping_times_out);
    CU_ADD_TEST(s, latches_lose_no_wakeup);
    CU_ADD_TEST(s, sockets_and_timeouts_are_told);
    CU_ADD_TEST(s, children_learn_of_the_postmasters_death);
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    unsigned failed = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failed != 0;
}
