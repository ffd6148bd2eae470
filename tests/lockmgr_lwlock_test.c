/*
 * Spinlocks and LWLocks: exclusion, shared holders, no lost wakeup, writers among readers, in one
 * process without a slot and in many. An argument is the seed.
 */
#include "lockmgr_util.h"

#include <sys/resource.h>

#include "core/base/clock.h"
#include "core/base/interrupt.h"
#include "lockmgr/lock_internal.h"

#define CHILDREN 8
#define ROUNDS 20000

static struct Shared {
    LwLockPadded lock, other;
    Spinlock spin;
    uint64_t a, b;       /* equal whenever the lock is free or held shared */
    uint64_t spin_count;
    _Atomic uint64_t writes, reads;
    _Atomic int stop, inside, writers_inside;
    _Atomic uint64_t longest_write_wait_us;
} *sh;

static void
without_a_slot_locks_work(void)
{
    ProcSlot *self = proc_self;
    proc_self = NULL;
    lw_acquire(&sh->lock.lock, LW_EXCLUSIVE);
    CU_ASSERT_FALSE(lw_try_acquire(&sh->lock.lock, LW_SHARED));
    CU_ASSERT_TRUE(lw_held_by_me(&sh->lock.lock));
    CU_ASSERT_EQUAL(interrupts_held, 1);
    lw_release(&sh->lock.lock);
    CU_ASSERT_TRUE(lw_try_acquire(&sh->lock.lock, LW_SHARED));
    CU_ASSERT_TRUE(lw_try_acquire(&sh->lock.lock, LW_SHARED));
    CU_ASSERT_FALSE(lw_try_acquire(&sh->lock.lock, LW_EXCLUSIVE));
    lw_release(&sh->lock.lock);
    lw_release(&sh->lock.lock);
    CU_ASSERT_EQUAL(interrupts_held, 0);
    CU_ASSERT_FALSE(lw_held_by_me(&sh->lock.lock));
    proc_self = self;
}

static void
held_locks_are_noted_in_the_slot(void)
{
    lw_acquire(&sh->lock.lock, LW_EXCLUSIVE);
    lw_acquire(&sh->other.lock, LW_SHARED);
    CU_ASSERT_EQUAL(proc_self->lw_held_count, 2);
    CU_ASSERT_TRUE(lw_held_by_me(&sh->lock.lock));
    lw_release(&sh->lock.lock); /* not the last one taken */
    CU_ASSERT_FALSE(lw_held_by_me(&sh->lock.lock));
    CU_ASSERT_TRUE(lw_held_by_me(&sh->other.lock));
    lw_acquire(&sh->lock.lock, LW_SHARED);
    char text[200];
    lw_dump(&sh->lock.lock, text, sizeof(text));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "1 shared"));
    lw_release_all();
    CU_ASSERT_EQUAL(proc_self->lw_held_count, 0);
    CU_ASSERT_EQUAL(interrupts_held, 0);
    CU_ASSERT_TRUE(lw_try_acquire(&sh->lock.lock, LW_EXCLUSIVE));
    lw_release(&sh->lock.lock);
}

static void
mixed_child(int number)
{
    uint64_t rnd = test_seed + (unsigned)number;
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t r = test_random(&rnd);
        if (r % 4 == 0) {
            lw_acquire(&sh->lock.lock, LW_EXCLUSIVE);
            MUST(sh->a == sh->b);
            sh->a++;
            if (r % 64 == 0)
                sched_yield();
            sh->b++;
            lw_release(&sh->lock.lock);
            atomic_fetch_add_explicit(&sh->writes, 1, memory_order_relaxed); /* a counter */
        } else if (r % 4 == 1) {
            if (lw_try_acquire(&sh->lock.lock, LW_SHARED)) {
                MUST(sh->a == sh->b);
                lw_release(&sh->lock.lock);
            }
        } else {
            lw_acquire(&sh->lock.lock, LW_SHARED);
            uint64_t a = sh->a;
            if (r % 128 == 2)
                sched_yield();
            MUST(a == sh->b);
            lw_release(&sh->lock.lock);
        }
        MUST(proc_self->lw_held_count == 0);
    }
}

static void
many_processes_keep_the_invariant(void)
{
    sh->a = sh->b = 0;
    atomic_store_explicit(&sh->writes, 0, memory_order_relaxed); /* before the fork */
    CU_ASSERT_EQUAL(test_children(mixed_child, CHILDREN), 0);
    CU_ASSERT_EQUAL(sh->a, atomic_load_explicit(&sh->writes, memory_order_relaxed)); /* after the waits */
    CU_ASSERT_EQUAL(sh->a, sh->b);
    /* nothing is left behind: no waiter, no bit */
    CU_ASSERT_EQUAL(atomic_load_explicit(&sh->lock.lock.word, memory_order_relaxed), 0);
}

/* Long holders make everybody sleep: a lost wakeup would hang a child until its alarm. */
static void
sleepy_child(int number)
{
    uint64_t rnd = test_seed * 7 + (unsigned)number;
    for (int i = 0; i < 150; i++) {
        LwMode mode = test_random(&rnd) % 3 == 0 ? LW_EXCLUSIVE : LW_SHARED;
        lw_acquire(&sh->lock.lock, mode);
        int inside = atomic_fetch_add_explicit(&sh->inside, 1, memory_order_seq_cst); /* checks exclusion */
        if (mode == LW_EXCLUSIVE)
            MUST(inside == 0);
        struct timespec ts = {0, 200000};
        nanosleep(&ts, NULL);
        atomic_fetch_sub_explicit(&sh->inside, 1, memory_order_seq_cst); /* as above */
        lw_release(&sh->lock.lock);
    }
}

static void
sleepers_are_always_woken(void)
{
    CU_ASSERT_EQUAL(test_children(sleepy_child, CHILDREN), 0);
    CU_ASSERT_EQUAL(atomic_load_explicit(&sh->lock.lock.word, memory_order_relaxed), 0);
}

/* Readers that overlap without a gap; a writer must still get in. */
static void
overlapping_child(int number)
{
    if (number < CHILDREN - 1) {
        while (!atomic_load_explicit(&sh->stop, memory_order_relaxed)) { /* only ends the loop */
            lw_acquire(&sh->lock.lock, LW_SHARED);
            struct timespec ts = {0, 300000};
            nanosleep(&ts, NULL);
            lw_release(&sh->lock.lock);
        }
        return;
    }
    for (int i = 0; i < 50; i++) {
        uint64_t start = clock_monotonic_us();
        lw_acquire(&sh->lock.lock, LW_EXCLUSIVE);
        uint64_t waited = clock_monotonic_us() - start;
        lw_release(&sh->lock.lock);
        if (waited > sh->longest_write_wait_us)
            sh->longest_write_wait_us = waited;
    }
    atomic_store_explicit(&sh->stop, 1, memory_order_relaxed); /* only ends the loop */
}

static void
writers_do_not_starve(void)
{
    atomic_store_explicit(&sh->stop, 0, memory_order_relaxed); /* before the fork */
    CU_ASSERT_EQUAL(test_children(overlapping_child, CHILDREN), 0);
    printf("longest wait of a writer %llu us ", (unsigned long long)sh->longest_write_wait_us);
    CU_ASSERT_TRUE(sh->longest_write_wait_us < 2000000);
}

static void
spin_child(int number)
{
    for (int i = 0; i < ROUNDS; i++) {
        spin_lock(&sh->spin);
        sh->spin_count++;
        spin_unlock(&sh->spin);
    }
}

static void
spinlock_excludes(void)
{
    spin_init(&sh->spin);
    CU_ASSERT_TRUE(spin_try_lock(&sh->spin));
    CU_ASSERT_FALSE(spin_try_lock(&sh->spin));
    spin_unlock(&sh->spin);
    sh->spin_count = 0;
    CU_ASSERT_EQUAL(test_children(spin_child, CHILDREN), 0);
    CU_ASSERT_EQUAL(sh->spin_count, (uint64_t)CHILDREN * ROUNDS);
}

/* Runs fn in a child that is to PANIC; what it wrote to stderr. */
static bool
panics_with(void (*fn)(int), const char *words)
{
    int ends[2];
    char text[4096];
    size_t n = 0;
    ssize_t got;

    CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDERR_FILENO);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        alarm(60);
        proc_self = NULL;
        if (proc_attach(PROC_BACKEND) == ERR_OK)
            fn(0);
        _exit(0);
    }
    close(ends[1]);
    while (n < sizeof(text) - 1 && (got = read(ends[0], text + n, sizeof(text) - 1 - n)) > 0)
        n += (size_t)got;
    text[n] = '\0';
    close(ends[0]);
    int status = test_wait_child(pid);
    for (int i = 0; i < proc_slot_count; i++) /* it died with its slot */
        if (atomic_load_explicit(&proc_slots[i].pid, memory_order_relaxed) == (uint32_t)pid)
            proc_free_dead(&proc_slots[i]);
    return WIFSIGNALED(status) && strstr(text, words) != NULL;
}

static void
stuck_child(int number)
{
    spin_stuck_us = 20000; /* instead of a minute */
    spin_lock(&sh->spin);
    spin_lock(&sh->spin);
}

static void
a_stuck_spinlock_panics_and_names_the_place(void)
{
    spin_init(&sh->spin);
    CU_ASSERT_TRUE(panics_with(stuck_child, "stuck spinlock detected at"));
    CU_ASSERT_TRUE(panics_with(stuck_child, "lockmgr_lwlock_test.c:"));
    char text[200];
    spin_dump(&sh->spin, text, sizeof(text));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "spinlock: held"));
    spin_init(&sh->spin);
}

#ifndef NDEBUG
static void
wrong_order_child(int number)
{
    LwLock table, content;
    lw_init(&table, LWT_LOCK_MANAGER);
    lw_init(&content, LWT_BUFFER_CONTENT);
    lw_acquire(&table, LW_SHARED);
    if (!lw_try_acquire(&content, LW_SHARED)) /* trying is free */
        return;
    lw_release(&content);
    lw_acquire(&content, LW_SHARED);
}

static void
the_lock_order_is_checked(void)
{
    CU_ASSERT_TRUE(panics_with(wrong_order_child, "lock order: BufferContent is taken while LockManager is held"));
}
#endif

static void
uncontended_cost_is_reported(void)
{
    const int n = 2000000;
    uint64_t start = clock_monotonic_us();
    for (int i = 0; i < n; i++) {
        lw_acquire(&sh->lock.lock, LW_SHARED);
        lw_release(&sh->lock.lock);
    }
    printf("%.1f ns a pair ", (double)(clock_monotonic_us() - start) * 1000.0 / n);
}

int
main(int argc, char **argv)
{
    test_seed_init(argc, argv);
    cpu_init();
    proc_shm_register();
    shm_create_for_test();
    if (proc_attach(PROC_BACKEND) != ERR_OK || CU_initialize_registry() != CUE_SUCCESS)
        return 1;
    sh = test_shared(sizeof(*sh));
    lw_init(&sh->lock.lock, LWT_TEST);
    lw_init(&sh->other.lock, LWT_TEST);
    CU_pSuite s = CU_add_suite("lockmgr lwlock", NULL, NULL);
    CU_ADD_TEST(s, without_a_slot_locks_work);
    CU_ADD_TEST(s, held_locks_are_noted_in_the_slot);
    CU_ADD_TEST(s, many_processes_keep_the_invariant);
    CU_ADD_TEST(s, sleepers_are_always_woken);
    CU_ADD_TEST(s, writers_do_not_starve);
    CU_ADD_TEST(s, spinlock_excludes);
    CU_ADD_TEST(s, a_stuck_spinlock_panics_and_names_the_place);
#ifndef NDEBUG
    CU_ADD_TEST(s, the_lock_order_is_checked);
#endif
    CU_ADD_TEST(s, uncontended_cost_is_reported);
    TEST_MAIN_END();
}
