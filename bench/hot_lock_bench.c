/*
 * LWLocks alone and fought for by 16 processes, beside the textbook's; and heavyweight locks that nobody else
 * wants. Contended means: a counter raised under an exclusive lock, with a little work under and between the locks,
 * so that what is measured is the lock and not the work.
 */
#include <stdlib.h>
#include <sys/mman.h>

#include "bench.h"
#include "core/base/cpu.h"
#include "core/shm/shm.h"
#include "textbook_lwlock.h"

#define PROCESSES 16

static struct Shared {
    LwLockPadded ours;
    TextbookLock textbook;
    TextbookProcess processes[PROCESSES];
    CACHE_ALIGNED uint64_t counter; /* under the lock */
} *shared;

static void
setup(void)
{
    cpu_init();
    proc_shm_register();
    lock_shm_register();
    shm_create_for_test();
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED || proc_attach(PROC_STANDALONE) != ERR_OK)
        abort();
    lw_init(&shared->ours.lock, LWT_TEST);
    for (int i = 0; i < PROCESSES; i++)
        sem_init(&shared->processes[i].semaphore, 1, 0);
}

static void
attach(Bench *b)
{
    proc_exit_reset();
    proc_self = NULL;
    if (proc_attach(PROC_BACKEND) != ERR_OK)
        abort();
}

static void
detach(Bench *b)
{
    proc_detach();
}

static void
spend(int rounds)
{
    for (int i = 0; i < rounds; i++)
        __asm__ volatile("" ::: "memory");
}

static void
alone(Bench *b, LwMode mode)
{
    LwLock *l = &shared->ours.lock;
    while (bench_next(b)) {
        lw_acquire(l, mode);
        lw_release(l);
    }
}

static void
alone_textbook(Bench *b, LwMode mode)
{
    while (bench_next(b)) {
        textbook_acquire(&shared->textbook, shared->processes, 0, mode);
        textbook_release(&shared->textbook, shared->processes, mode);
    }
}

static void exclusive(Bench *b) { alone(b, LW_EXCLUSIVE); }
static void shared_mode(Bench *b) { alone(b, LW_SHARED); }
static void exclusive_textbook(Bench *b) { alone_textbook(b, LW_EXCLUSIVE); }
static void shared_textbook(Bench *b) { alone_textbook(b, LW_SHARED); }

/* arg: rounds of work under the lock, about a quarter of a nanosecond each; twice as many outside. */
static void
contended(Bench *b)
{
    LwLock *l = &shared->ours.lock;
    int work = (int)bench_arg(b);
    while (bench_next(b)) {
        lw_acquire(l, LW_EXCLUSIVE);
        shared->counter++;
        spend(work);
        lw_release(l);
        spend(2 * work);
    }
}

static void
contended_textbook(Bench *b)
{
    int work = (int)bench_arg(b), me = bench_index(b);
    while (bench_next(b)) {
        textbook_acquire(&shared->textbook, shared->processes, me, LW_EXCLUSIVE);
        shared->counter++;
        spend(work);
        textbook_release(&shared->textbook, shared->processes, LW_EXCLUSIVE);
        spend(2 * work);
    }
}

static void
must_get(LockTag tag, LockMode mode)
{
    if (lock_acquire(tag, mode, false, false) != LOCK_OK)
        abort();
}

static void
relation(Bench *b)
{
    while (bench_next(b)) {
        for (Oid r = 0; r < 4; r++)
            must_get(lock_tag_relation(5, 16384 + r), LOCK_ACCESS_SHARE);
        lock_release_all(false);
    }
    bench_items(b, 4);
}

/* The same through the shared table: what a mode that is neither weak nor strong costs. */
static void
relation_table(Bench *b)
{
    while (bench_next(b)) {
        for (Oid r = 0; r < 4; r++)
            must_get(lock_tag_relation(5, 16384 + r), LOCK_SHARE_UPDATE_EXCLUSIVE);
        lock_release_all(false);
    }
    bench_items(b, 4);
}

static void
transaction(Bench *b)
{
    Xid xid = 1000;
    while (bench_next(b)) {
        must_get(lock_tag_xid(xid++), LOCK_EXCLUSIVE);
        lock_release_all(false);
    }
}

static void
transaction_table(Bench *b)
{
    Xid xid = 1000;
    while (bench_next(b)) {
        must_get(lock_tag_object(5, 1, (Oid)xid++, 0), LOCK_EXCLUSIVE);
        lock_release_all(false);
    }
}

int
main(int argc, char **argv)
{
    enum { SHORT = 20, LONG = 2000 };
    static const BenchCase cases[] = {
        {.name = "lw_exclusive", .fn = exclusive},
        {.name = "lw_exclusive_textbook", .fn = exclusive_textbook},
        {.name = "lw_shared", .fn = shared_mode},
        {.name = "lw_shared_textbook", .fn = shared_textbook},
        {.name = "lw_contended", .fn = contended, .args = {SHORT, LONG}, .processes = PROCESSES, .begin = attach, .end = detach},
        {.name = "lw_contended_textbook", .fn = contended_textbook, .args = {SHORT, LONG}, .processes = PROCESSES, .begin = attach, .end = detach},
        {.name = "lock_relation", .fn = relation},
        {.name = "lock_relation_table", .fn = relation_table},
        {.name = "lock_transaction", .fn = transaction},
        {.name = "lock_transaction_table", .fn = transaction_table},
    };
    static const BenchRow rows[] = {
        {.what = "LWLock, exclusive: acquire + release", .ours = "lw_exclusive", .textbook = "lw_exclusive_textbook", .goal = 10},
        {.what = "  shared", .ours = "lw_shared", .textbook = "lw_shared_textbook", .goal = 10},
        {.what = "  exclusive, 16 processes, 5 ns under the lock", .ours = "lw_contended", .textbook = "lw_contended_textbook", .arg = SHORT, .goal_ratio = 2},
        {.what = "  the same with 0.5 us under the lock", .ours = "lw_contended", .textbook = "lw_contended_textbook", .arg = LONG},
        {.what = "Relation lock + release, fast path; beside the table", .ours = "lock_relation", .textbook = "lock_relation_table"},
        {.what = "Own transaction's lock + release; beside the table", .ours = "lock_transaction", .textbook = "lock_transaction_table"},
    };
    return bench_main(argc, argv, cases, COUNT_OF(cases), rows, COUNT_OF(rows), setup);
}
