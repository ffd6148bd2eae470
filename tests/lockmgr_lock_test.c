/*
 * The heavyweight lock table: modes, counts per level, the fast path and its transfer, queueing,
 * timeouts, interrupts, deadlocks and their report; then processes that lock at random while shared
 * counters check that conflicting modes are never held together. An argument is the seed.
 */
#include "lockmgr_util.h"

#include <string.h>

#include "core/base/clock.h"
#include "core/base/interrupt.h"
#include "lockmgr/lock_internal.h"

#define CHILDREN 8

static struct Shared {
    _Atomic int step;
    _Atomic int order_count;
    int order[8];
    uint32_t pids[2];
    char detail[2048];
    _Atomic int victims, grants;
    _Atomic int held[16][LOCK_MODE_COUNT]; /* stress: processes that hold object, mode */
    LwLockPadded lw;
    _Atomic int weak_inside[4], strong_inside[4], weak_children;
    _Atomic uint64_t current_xid, ended_xid;
} *sh;

static const LockTag rel = {5, 1259, 0, 0, LOCKTAG_RELATION, 0};

static void
wait_step(int step)
{
    while (atomic_load_explicit(&sh->step, memory_order_acquire) < step) /* pairs with set_step */
        test_sleep_ms(1);
}

static void
set_step(int step)
{
    atomic_store_explicit(&sh->step, step, memory_order_release); /* pairs with wait_step */
}

/* Until n requests wait in the table. */
static void
wait_for_waiters(int n)
{
    for (int tries = 0; tries < 10000; tries++) {
        Arena *a = arena_create(NULL, "waiters");
        LockView *views;
        int count = lock_snapshot(a, &views), waiting = 0;
        for (int i = 0; i < count; i++)
            waiting += !views[i].granted;
        arena_destroy(a);
        if (waiting >= n)
            return;
        test_sleep_ms(1);
    }
    MUST(false);
}

static int
table_entries(void)
{
    Arena *a = arena_create(NULL, "entries");
    LockView *views;
    int n = lock_snapshot(a, &views);
    arena_destroy(a);
    return n;
}

static void
conflicts_are_postgresqls(void)
{
    /* rows and columns: AS RS RE SUE S SRE E AE, from the documentation's table */
    static const char *const table[] = {".......X", "......XX", "....XXXX", "...XXXXX", "..XX.XXX", "..XXXXXX", ".XXXXXXX", "XXXXXXXX"};
    for (int a = 1; a <= 8; a++)
        for (int b = 1; b <= 8; b++)
            CU_ASSERT_EQUAL(lock_conflicts((LockMode)a, (LockMode)b), table[a - 1][b - 1] == 'X');
    CU_ASSERT_STRING_EQUAL(lock_mode_name(LOCK_SHARE_UPDATE_EXCLUSIVE), "ShareUpdateExclusiveLock");
}

static void
levels_are_counted(void)
{
    lock_current_level = 1;
    CU_ASSERT_EQUAL(lock_acquire(rel, LOCK_ACCESS_SHARE, false, false), LOCK_OK);
    CU_ASSERT_EQUAL(lock_acquire(rel, LOCK_ACCESS_SHARE, false, false), LOCK_ALREADY_HELD);
    lock_current_level = 2;
    CU_ASSERT_EQUAL(lock_acquire(rel, LOCK_ACCESS_SHARE, false, false), LOCK_ALREADY_HELD);
    CU_ASSERT_EQUAL(lock_acquire(rel, LOCK_EXCLUSIVE, false, false), LOCK_OK);
    lock_current_level = 3;
    CU_ASSERT_EQUAL(lock_acquire(rel, LOCK_SHARE, false, false), LOCK_OK);
    CU_ASSERT_EQUAL(lock_acquire(rel, LOCK_EXCLUSIVE, false, false), LOCK_ALREADY_HELD);
    lock_level_commit(3); /* SHARE now belongs to level 2 */
    lock_current_level = 2;
    CU_ASSERT_TRUE(lock_held(rel, LOCK_SHARE));
    lock_level_abort(2);
    lock_current_level = 1;
    CU_ASSERT_FALSE(lock_held(rel, LOCK_SHARE));
    CU_ASSERT_TRUE(lock_held(rel, LOCK_ACCESS_SHARE));
    CU_ASSERT_TRUE(lock_release(rel, LOCK_ACCESS_SHARE, false));
    CU_ASSERT_TRUE(lock_held(rel, LOCK_ACCESS_SHARE));
    CU_ASSERT_TRUE(lock_release(rel, LOCK_ACCESS_SHARE, false));
    CU_ASSERT_FALSE(lock_release(rel, LOCK_ACCESS_SHARE, false));
    CU_ASSERT_FALSE(lock_held(rel, LOCK_ACCESS_SHARE));
    CU_ASSERT_EQUAL(table_entries(), 0);
}

static void
session_locks_outlive_the_transaction(void)
{
    LockTag tag = lock_tag_advisory(5, 0, 42, 1);
    CU_ASSERT_EQUAL(lock_acquire(tag, LOCK_EXCLUSIVE, true, false), LOCK_OK);
    CU_ASSERT_EQUAL(lock_acquire(tag, LOCK_EXCLUSIVE, false, false), LOCK_ALREADY_HELD);
    CU_ASSERT_EQUAL(lock_acquire(rel, LOCK_ROW_EXCLUSIVE, false, false), LOCK_OK);
    lock_release_all(false);
    CU_ASSERT_FALSE(lock_held(rel, LOCK_ROW_EXCLUSIVE));
    CU_ASSERT_TRUE(lock_held(tag, LOCK_EXCLUSIVE));
    CU_ASSERT_FALSE(lock_release(tag, LOCK_EXCLUSIVE, false));
    CU_ASSERT_TRUE(lock_release(tag, LOCK_EXCLUSIVE, true));
    CU_ASSERT_EQUAL(table_entries(), 0);
}

static void
many_locks_and_a_full_table(void)
{
    int n = 0;
    LockResult rc;
    while ((rc = lock_acquire(lock_tag_object(5, 1, (Oid)n, 0), LOCK_SHARE, false, false)) == LOCK_OK)
        n++;
    CU_ASSERT_EQUAL(rc, LOCK_TABLE_FULL);
    CU_ASSERT_TRUE(n >= max_locks_per_transaction * max_connections);
    for (int i = 0; i < n; i += 97)
        CU_ASSERT_TRUE(lock_held(lock_tag_object(5, 1, (Oid)i, 0), LOCK_SHARE));
    lock_release_all(false);
    CU_ASSERT_EQUAL(table_entries(), 0);
    CU_ASSERT_EQUAL(lock_acquire(rel, LOCK_ACCESS_EXCLUSIVE, false, false), LOCK_OK);
    lock_release_all(false);
    /* more weak locks than the fast path has room for */
    for (Oid i = 0; i < 200; i++)
        CU_ASSERT_EQUAL(lock_acquire(lock_tag_relation(5, i), LOCK_ACCESS_SHARE, false, false), LOCK_OK);
    CU_ASSERT_EQUAL(table_entries(), 200);
    lock_release_all(false);
    CU_ASSERT_EQUAL(table_entries(), 0);
}

/* ---- the fast path meets a strong lock ---- */

static void
strong_child(int number)
{
    MUST(lock_acquire(rel, LOCK_ACCESS_EXCLUSIVE, false, true) == LOCK_NOT_AVAILABLE);
    set_step(1);
    MUST(lock_acquire(rel, LOCK_ACCESS_EXCLUSIVE, false, false) == LOCK_OK);
    set_step(2);
    wait_step(3);
    lock_release_all(false);
}

static void
a_strong_lock_finds_the_fast_path(void)
{
    Arena *a = arena_create(NULL, "test");
    LockView *views;
    uint64_t (*vxids)[2];
    set_step(0);
    CU_ASSERT_EQUAL(lock_acquire(rel, LOCK_ACCESS_SHARE, false, false), LOCK_OK);
    CU_ASSERT_EQUAL(lock_acquire(lock_tag_relation(5, 1260), LOCK_ROW_EXCLUSIVE, false, false), LOCK_OK);
    CU_ASSERT_EQUAL(lock_snapshot(a, &views), 2);
    CU_ASSERT_TRUE(views[0].fastpath && views[0].granted);
    pid_t child = test_child(strong_child, 0);
    wait_step(1);
    wait_for_waiters(1);
    int n = lock_snapshot(a, &views), fast = 0;
    for (int i = 0; i < n; i++)
        fast += views[i].fastpath;
    CU_ASSERT_EQUAL(fast, 1); /* the lock on rel was moved, the other was not */
    CU_ASSERT_EQUAL(lock_conflicting(rel, LOCK_ACCESS_SHARE, a, &vxids), 0);
    CU_ASSERT_EQUAL(atomic_load_explicit(&sh->step, memory_order_relaxed), 1); /* it sleeps */
    /* a weak request now waits behind it */
    CU_ASSERT_EQUAL(lock_acquire(rel, LOCK_ROW_SHARE, false, true), LOCK_OK); /* but holders pass */
    lock_release_all(false);
    wait_step(2);
    CU_ASSERT_EQUAL(lock_acquire(rel, LOCK_ACCESS_SHARE, false, true), LOCK_NOT_AVAILABLE);
    CU_ASSERT_EQUAL(lock_conflicting(rel, LOCK_ACCESS_SHARE, a, &vxids), 1);
    set_step(3);
    CU_ASSERT_EQUAL(lock_acquire(rel, LOCK_ACCESS_SHARE, false, false), LOCK_OK);
    CU_ASSERT_EQUAL(test_wait_child(child), 0);
    lock_release_all(false);
    CU_ASSERT_EQUAL(table_entries(), 0);
    for (unsigned i = 0; i < STRONG_COUNTERS; i++)
        CU_ASSERT_EQUAL(atomic_load_explicit(&lock_shared->strong[i], memory_order_relaxed), 0);
    arena_destroy(a);
}

static void
vxid_child(int number)
{
    LockTag tag = lock_tag_vxid(sh->pids[0], UINT64_C(0x500000007));
    MUST(lock_acquire(tag, LOCK_SHARE, false, true) == LOCK_NOT_AVAILABLE);
    set_step(1);
    MUST(lock_acquire(tag, LOCK_SHARE, false, false) == LOCK_OK);
    lock_release_all(false);
}

static void
virtual_transactions_can_be_waited_for(void)
{
    LockTag tag = lock_tag_vxid(proc_self->index, UINT64_C(0x500000007));
    set_step(0);
    sh->pids[0] = proc_self->index;
    CU_ASSERT_EQUAL(lock_acquire(tag, LOCK_EXCLUSIVE, false, false), LOCK_OK);
    pid_t child = test_child(vxid_child, 0);
    wait_step(1);
    wait_for_waiters(1);
    lock_release_all(false);
    CU_ASSERT_EQUAL(test_wait_child(child), 0);
    CU_ASSERT_EQUAL(lock_acquire(tag, LOCK_EXCLUSIVE, false, false), LOCK_OK);
    lock_release_all(false);
    CU_ASSERT_EQUAL(table_entries(), 0);
}

/* ---- queueing ---- */

static void
queue_child(int number)
{
    static const LockMode modes[] = {LOCK_ACCESS_EXCLUSIVE, LOCK_ACCESS_SHARE, LOCK_EXCLUSIVE};
    wait_for_waiters(number);
    MUST(lock_acquire(rel, modes[number], false, false) == LOCK_OK);
    sh->order[atomic_fetch_add_explicit(&sh->order_count, 1, memory_order_relaxed)] = number; /* under the lock */
    test_sleep_ms(5);
    lock_release_all(false);
}

static void
waiters_are_served_in_order(void)
{
    pid_t pids[3];
    atomic_store_explicit(&sh->order_count, 0, memory_order_relaxed); /* before the fork */
    CU_ASSERT_EQUAL(lock_acquire(rel, LOCK_ACCESS_SHARE, false, false), LOCK_OK);
    for (int i = 0; i < 3; i++)
        pids[i] = test_child(queue_child, i);
    wait_for_waiters(3);
    lock_release_all(false);
    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(test_wait_child(pids[i]), 0);
    CU_ASSERT_EQUAL(sh->order[0], 0); /* ACCESS EXCLUSIVE was first, though ACCESS SHARE fitted */
    CU_ASSERT_EQUAL(table_entries(), 0);
}

/* 0 holds ROW EXCLUSIVE beside the test; 1 wants EXCLUSIVE; 2 wants ROW SHARE, which fits the holders
 * but not the one ahead of it. */
static void
overtake_child(int number)
{
    LockTag tag = lock_tag_object(5, 1, 9, 0);
    if (number == 0) {
        MUST(lock_acquire(tag, LOCK_ROW_EXCLUSIVE, false, false) == LOCK_OK);
        set_step(1);
        wait_step(2);
    } else {
        wait_step(1);
        wait_for_waiters(number - 1);
        MUST(lock_acquire(tag, number == 1 ? LOCK_EXCLUSIVE : LOCK_ROW_SHARE, false, false) == LOCK_OK);
        sh->order[atomic_fetch_add_explicit(&sh->order_count, 1, memory_order_relaxed)] = number; /* one at a time */
    }
    lock_release_all(false);
}

static void
a_release_lets_nobody_overtake(void)
{
    LockTag tag = lock_tag_object(5, 1, 9, 0);
    pid_t pids[3];
    set_step(0);
    atomic_store_explicit(&sh->order_count, 0, memory_order_relaxed); /* before the fork */
    CU_ASSERT_EQUAL(lock_acquire(tag, LOCK_ROW_EXCLUSIVE, false, false), LOCK_OK);
    for (int i = 0; i < 3; i++)
        pids[i] = test_child(overtake_child, i);
    wait_for_waiters(2);
    lock_release_all(false); /* looks through the queue while the first waiter still has to wait */
    test_sleep_ms(30);
    CU_ASSERT_EQUAL(atomic_load_explicit(&sh->order_count, memory_order_relaxed), 0); /* a look */
    set_step(2);
    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(test_wait_child(pids[i]), 0);
    CU_ASSERT_EQUAL(sh->order[0], 1);
    CU_ASSERT_EQUAL(table_entries(), 0);
}

static void
holding_child(int number)
{
    MUST(lock_acquire(rel, LOCK_ACCESS_EXCLUSIVE, false, false) == LOCK_OK);
    set_step(1);
    wait_step(2);
}

static void
waits_end_by_timeout_and_interrupt(void)
{
    set_step(0);
    pid_t child = test_child(holding_child, 0);
    wait_step(1);
    lock_timeout_ms = 30;
    uint64_t start = clock_monotonic_us();
    CU_ASSERT_EQUAL(lock_acquire(rel, LOCK_ACCESS_SHARE, false, false), LOCK_TIMED_OUT);
    uint64_t waited = clock_monotonic_us() - start;
    CU_ASSERT_TRUE(waited >= 30000 && waited < 5000000);
    lock_timeout_ms = 0;
    interrupts_raise(INTERRUPT_CANCEL);
    CU_ASSERT_EQUAL(lock_acquire(rel, LOCK_SHARE, false, false), LOCK_INTERRUPTED);
    interrupts_clear(INTERRUPT_CANCEL);
    CU_ASSERT_FALSE(lock_held(rel, LOCK_ACCESS_SHARE));
    set_step(2); /* the child ends without releasing: its exit does */
    CU_ASSERT_EQUAL(test_wait_child(child), 0);
    CU_ASSERT_EQUAL(lock_acquire(rel, LOCK_ACCESS_EXCLUSIVE, false, true), LOCK_OK);
    lock_release_all(false);
    CU_ASSERT_EQUAL(table_entries(), 0);
}

/* ---- deadlocks ---- */

static void
deadlock_child(int number)
{
    LockTag mine = lock_tag_xid((Xid)(700 + number)), other = lock_tag_xid((Xid)(701 - number));
    deadlock_timeout_ms = number == 0 ? 20 : 2000;
    sh->pids[number] = (uint32_t)getpid();
    MUST(lock_acquire(mine, LOCK_EXCLUSIVE, false, false) == LOCK_OK);
    atomic_fetch_add_explicit(&sh->step, 1, memory_order_acq_rel); /* both must hold theirs */
    wait_step(2);
    if (number == 0)
        wait_for_waiters(1);
    LockResult rc = lock_acquire(other, LOCK_SHARE, false, false);
    if (number == 0) {
        MUST(rc == LOCK_DEADLOCK);
        snprintf(sh->detail, sizeof(sh->detail), "%s", lock_deadlock_detail());
    } else {
        MUST(rc == LOCK_OK);
    }
    lock_release_all(false);
}

static void
a_deadlock_has_one_victim_and_a_report(void)
{
    char expected[512];
    set_step(0);
    CU_ASSERT_EQUAL(test_children(deadlock_child, 2), 0);
    snprintf(expected, sizeof(expected),
             "Process %u waits for ShareLock on transaction 701; blocked by process %u.\n"
             "Process %u waits for ShareLock on transaction 700; blocked by process %u.",
             sh->pids[0], sh->pids[1], sh->pids[1], sh->pids[0]);
    CU_ASSERT_STRING_EQUAL(sh->detail, expected);
    CU_ASSERT_EQUAL(table_entries(), 0);
}

/* Two hold SHARE and both want EXCLUSIVE: found without waiting for the timeout. */
static void
upgrade_child(int number)
{
    deadlock_timeout_ms = 60000;
    MUST(lock_acquire(rel, LOCK_SHARE, false, false) == LOCK_OK);
    atomic_fetch_add_explicit(&sh->step, 1, memory_order_acq_rel); /* both must hold theirs */
    wait_step(2);
    LockResult rc = lock_acquire(rel, LOCK_EXCLUSIVE, false, false);
    MUST(rc == LOCK_OK || rc == LOCK_DEADLOCK);
    atomic_fetch_add_explicit(rc == LOCK_OK ? &sh->grants : &sh->victims, 1, memory_order_relaxed); /* counters */
    lock_release_all(false);
}

static void
certain_deadlocks_are_found_at_once(void)
{
    set_step(0);
    uint64_t start = clock_monotonic_us();
    CU_ASSERT_EQUAL(test_children(upgrade_child, 2), 0);
    CU_ASSERT_TRUE(clock_monotonic_us() - start < 20000000);
    CU_ASSERT_EQUAL(atomic_load_explicit(&sh->victims, memory_order_relaxed), 1);
    CU_ASSERT_EQUAL(atomic_load_explicit(&sh->grants, memory_order_relaxed), 1);
    CU_ASSERT_EQUAL(table_entries(), 0);
}

/*
 * A soft cycle: 0 holds A; 1 waits for A in ACCESS EXCLUSIVE while holding B; 2 shares A's queue behind
 * 1; 0 wants B ... is a hard cycle. So: 0 holds A SHARE; 1 wants A EXCLUSIVE (waits); 2 holds B and
 * wants A SHARE (waits behind 1 only); 0 wants B (waits for 2). Letting 2 pass 1 dissolves it.
 */
static void
soft_child(int number)
{
    LockTag a = lock_tag_object(5, 1, 1, 0), b = lock_tag_object(5, 1, 2, 0);
    deadlock_timeout_ms = 20 + number;
    if (number == 0) {
        MUST(lock_acquire(a, LOCK_SHARE, false, false) == LOCK_OK);
        set_step(1);
        wait_for_waiters(2);
        MUST(lock_acquire(b, LOCK_SHARE, false, false) == LOCK_OK);
    } else if (number == 1) {
        wait_step(1);
        deadlock_timeout_ms = 5000;
        MUST(lock_acquire(a, LOCK_EXCLUSIVE, false, false) == LOCK_OK);
    } else {
        wait_step(1);
        deadlock_timeout_ms = 5000;
        MUST(lock_acquire(b, LOCK_EXCLUSIVE, false, false) == LOCK_OK);
        wait_for_waiters(1);
        MUST(lock_acquire(a, LOCK_SHARE, false, false) == LOCK_OK);
    }
    lock_release_all(false);
}

static void
a_soft_deadlock_is_dissolved_by_reordering(void)
{
    set_step(0);
    CU_ASSERT_EQUAL(test_children(soft_child, 3), 0);
    CU_ASSERT_EQUAL(table_entries(), 0);
}

/* ---- stress ---- */

static LockTag
stress_tag(int object)
{
    return object < 8 ? lock_tag_relation(5, (Oid)(3000 + object)) : lock_tag_object(5, 7, (Oid)object, 0);
}

static void
check_conflicts(int object, LockMode mode, const int own[LOCK_MODE_COUNT])
{
    for (LockMode m = LOCK_ACCESS_SHARE; m < LOCK_MODE_COUNT; m++)
        if (lock_conflicts(mode, m)) /* seq_cst: counts are raised after the grant, lowered before the release */
            MUST(atomic_load_explicit(&sh->held[object][m], memory_order_seq_cst) == own[m]);
}

static void
stress_child(int number)
{
    uint64_t rnd = test_seed + (unsigned)number * 1000003u;
    int own[16][LOCK_MODE_COUNT];
    deadlock_timeout_ms = 5;
    for (int xact = 0; xact < 400; xact++) {
        memset(own, 0, sizeof(own));
        int locks = 1 + (int)(test_random(&rnd) % 5);
        for (int i = 0; i < locks; i++) {
            int object = (int)(test_random(&rnd) % 16);
            LockMode mode = (LockMode)(1 + test_random(&rnd) % (test_random(&rnd) % 4 ? 3 : 8));
            LockResult rc = lock_acquire(stress_tag(object), mode, false, test_random(&rnd) % 8 == 0);
            if (rc == LOCK_DEADLOCK) {
                MUST(strlen(lock_deadlock_detail()) > 20);
                atomic_fetch_add_explicit(&sh->victims, 1, memory_order_relaxed); /* a counter */
                break;
            }
            if (rc == LOCK_OK) {
                check_conflicts(object, mode, own[object]);
                atomic_fetch_add_explicit(&sh->held[object][mode], 1, memory_order_seq_cst); /* see check_conflicts */
                own[object][mode] = 1;
            } else {
                MUST(rc == LOCK_ALREADY_HELD ? own[object][mode] : rc == LOCK_NOT_AVAILABLE);
            }
        }
        if (test_random(&rnd) % 8 == 0)
            sched_yield();
        for (int o = 0; o < 16; o++)
            for (LockMode m = LOCK_ACCESS_SHARE; m < LOCK_MODE_COUNT; m++)
                if (own[o][m]) {
                    check_conflicts(o, m, own[o]);
                    atomic_fetch_sub_explicit(&sh->held[o][m], 1, memory_order_seq_cst); /* see check_conflicts */
                    own[o][m] = 0;
                }
        lock_release_all(false);
    }
}

static void
conflicting_modes_are_never_held_together(void)
{
    atomic_store_explicit(&sh->victims, 0, memory_order_relaxed); /* before the fork */
    CU_ASSERT_EQUAL(test_children(stress_child, CHILDREN), 0);
    printf("%d deadlocks ", atomic_load_explicit(&sh->victims, memory_order_relaxed));
    CU_ASSERT_EQUAL(table_entries(), 0);
    for (unsigned i = 0; i < STRONG_COUNTERS; i++)
        CU_ASSERT_EQUAL(atomic_load_explicit(&lock_shared->strong[i], memory_order_relaxed), 0);
    CU_ASSERT_EQUAL(lock_acquire(rel, LOCK_ACCESS_EXCLUSIVE, false, true), LOCK_OK);
    lock_release_all(false);
}

static void
contending_child(int number)
{
    set_step(1);
    lw_acquire(&sh->lw.lock, LW_EXCLUSIVE);
    lw_release(&sh->lw.lock);
}

static void
contention_is_counted_by_tranche(void)
{
    LwStats before, after;
    lw_init(&sh->lw.lock, LWT_TEST);
    lw_stats_read(LWT_TEST, &before);
    set_step(0);
    lw_acquire(&sh->lw.lock, LW_SHARED);
    pid_t child = test_child(contending_child, 0);
    wait_step(1);
    test_sleep_ms(20);
    lw_release(&sh->lw.lock);
    CU_ASSERT_EQUAL(test_wait_child(child), 0);
    lw_stats_read(LWT_TEST, &after);
    CU_ASSERT_EQUAL(after.contended, before.contended + 1);
    CU_ASSERT_TRUE(after.slept > before.slept && after.spun == before.spun);
}

/* Weak lockers that do little else, so that strong ones arrive at any point of noting and removing. */
static void
weak_or_strong_child(int number)
{
    uint64_t rnd = test_seed * 3 + (unsigned)number;
    deadlock_timeout_ms = 60000;
    if (number >= 2) {
        for (int i = 0; i < 60000; i++) {
            int r = (int)(test_random(&rnd) % 4);
            LockTag tag = lock_tag_relation(5, (Oid)(4000 + r));
            MUST(lock_acquire(tag, LOCK_ROW_EXCLUSIVE, false, false) == LOCK_OK);
            /* seq_cst: raised after the grant; of two that hold conflicting modes one sees the other */
            atomic_fetch_add_explicit(&sh->weak_inside[r], 1, memory_order_seq_cst);
            MUST(atomic_load_explicit(&sh->strong_inside[r], memory_order_seq_cst) == 0);
            atomic_fetch_sub_explicit(&sh->weak_inside[r], 1, memory_order_seq_cst); /* as above */
            if (i % 3)
                MUST(lock_release(tag, LOCK_ROW_EXCLUSIVE, false));
            else
                lock_release_all(false);
        }
        atomic_fetch_sub_explicit(&sh->weak_children, 1, memory_order_relaxed); /* ends the others' loop */
        return;
    }
    while (atomic_load_explicit(&sh->weak_children, memory_order_relaxed) > 0) { /* only ends the loop */
        int r = (int)(test_random(&rnd) % 4);
        LockTag tag = lock_tag_relation(5, (Oid)(4000 + r));
        MUST(lock_acquire(tag, LOCK_ACCESS_EXCLUSIVE, false, false) == LOCK_OK);
        MUST(atomic_fetch_add_explicit(&sh->strong_inside[r], 1, memory_order_seq_cst) == 0); /* as above */
        MUST(atomic_load_explicit(&sh->weak_inside[r], memory_order_seq_cst) == 0);
        atomic_fetch_sub_explicit(&sh->strong_inside[r], 1, memory_order_seq_cst); /* as above */
        lock_release_all(false);
        for (int i = (int)(test_random(&rnd) % 2000); i > 0; i--)
            __asm__ volatile("" ::: "memory");
    }
}

static void
strong_lockers_meet_no_weak_one(void)
{
    atomic_store_explicit(&sh->weak_children, 4, memory_order_relaxed); /* before the fork */
    CU_ASSERT_EQUAL(test_children(weak_or_strong_child, 6), 0);
    CU_ASSERT_EQUAL(table_entries(), 0);
}

/* 0 runs transactions, the others wait for the one they see. */
static void
xid_child(int number)
{
    enum { LAST = 4000 };
    for (uint64_t x = 1; number == 0 && x <= LAST; x++) {
        MUST(lock_acquire(lock_tag_xid(x), LOCK_EXCLUSIVE, false, false) == LOCK_OK);
        atomic_store_explicit(&sh->current_xid, x, memory_order_release); /* like a tuple with the id */
        if (x % 16 == 0)
            sched_yield();
        atomic_store_explicit(&sh->ended_xid, x, memory_order_relaxed); /* the release of the lock publishes it */
        lock_release_all(false);
    }
    for (uint64_t x = 0; number != 0 && x < LAST;) {
        x = atomic_load_explicit(&sh->current_xid, memory_order_acquire); /* pairs with the store above */
        if (x == 0)
            continue;
        MUST(lock_acquire(lock_tag_xid(x), LOCK_SHARE, false, false) == LOCK_OK);
        MUST(atomic_load_explicit(&sh->ended_xid, memory_order_relaxed) >= x); /* ordered by the lock */
        lock_release_all(false);
    }
}

static void
who_waits_for_a_transaction_sees_its_end(void)
{
    LockView *views;
    Arena *a = arena_create(NULL, "test");
    CU_ASSERT_EQUAL(lock_acquire(lock_tag_xid(77), LOCK_EXCLUSIVE, false, false), LOCK_OK);
    CU_ASSERT_EQUAL(lock_snapshot(a, &views), 1); /* visible though in no table */
    CU_ASSERT_TRUE(views[0].tag.type == LOCKTAG_TRANSACTION && views[0].granted && !views[0].fastpath);
    lock_release_all(false);
    /* more ids than the slot has room for: subtransactions */
    for (Xid x = 100; x < 120; x++)
        CU_ASSERT_EQUAL(lock_acquire(lock_tag_xid(x), LOCK_EXCLUSIVE, false, false), LOCK_OK);
    CU_ASSERT_EQUAL(table_entries(), 20);
    lock_release_all(false);
    CU_ASSERT_EQUAL(test_children(xid_child, 4), 0);
    CU_ASSERT_EQUAL(table_entries(), 0);
    arena_destroy(a);
}

int
main(int argc, char **argv)
{
    test_seed_init(argc, argv);
    cpu_init();
    proc_shm_register();
    lock_shm_register();
    max_locks_per_transaction = 10;
    shm_create_for_test();
    if (proc_attach(PROC_BACKEND) != ERR_OK || CU_initialize_registry() != CUE_SUCCESS)
        return 1;
    sh = test_shared(sizeof(*sh));
    CU_pSuite s = CU_add_suite("lockmgr lock", NULL, NULL);
    CU_ADD_TEST(s, conflicts_are_postgresqls);
    CU_ADD_TEST(s, levels_are_counted);
    CU_ADD_TEST(s, session_locks_outlive_the_transaction);
    CU_ADD_TEST(s, many_locks_and_a_full_table);
    CU_ADD_TEST(s, a_strong_lock_finds_the_fast_path);
    CU_ADD_TEST(s, virtual_transactions_can_be_waited_for);
    CU_ADD_TEST(s, waiters_are_served_in_order);
    CU_ADD_TEST(s, a_release_lets_nobody_overtake);
    CU_ADD_TEST(s, waits_end_by_timeout_and_interrupt);
    CU_ADD_TEST(s, a_deadlock_has_one_victim_and_a_report);
    CU_ADD_TEST(s, certain_deadlocks_are_found_at_once);
    CU_ADD_TEST(s, a_soft_deadlock_is_dissolved_by_reordering);
    CU_ADD_TEST(s, conflicting_modes_are_never_held_together);
    CU_ADD_TEST(s, contention_is_counted_by_tranche);
    CU_ADD_TEST(s, strong_lockers_meet_no_weak_one);
    CU_ADD_TEST(s, who_waits_for_a_transaction_sees_its_end);
    TEST_MAIN_END();
}
