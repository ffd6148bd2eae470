/*
 * Wait words without futexes: a parking lot on POSIX semaphores.
 *
 * Every process parks on a semaphore of its own. Buckets, chosen by the word's address, hold the
 * queue of parked processes; a bucket's spin word makes "compare and enqueue" one step, as the
 * kernel does for a futex. The lot is mapped before main, so that all forked processes share it and
 * see wait words at the same addresses.
 *
 * A parked process that was killed stays queued; wakers step over it (kill(pid, 0) says ESRCH).
 */
#ifdef POSTHASTE_SEMAPHORES
#define _GNU_SOURCE
#include "core/shm/wait.h"

#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "core/base/hash.h"
#include "core/base/limits.h"

#define BUCKETS 1024u
#define PARKERS (MAX_PROCS_LIMIT + 256u)

typedef struct Parker {
    CACHE_ALIGNED sem_t sem;
    _Atomic uint32_t pid; /* 0: free */
    WaitWord *word;       /* what it waits for; under the bucket's lock; NULL: dequeued */
    uint32_t next;        /* index + 1 in the bucket's queue, under its lock */
} Parker;

typedef struct Bucket {
    CACHE_ALIGNED _Atomic uint32_t locked;
    uint32_t head; /* index + 1 of the longest waiting */
} Bucket;

typedef struct Lot {
    Bucket buckets[BUCKETS];
    Parker parkers[PARKERS];
} Lot;

static Lot *lot;
static Parker *own;
static pid_t own_pid;

static __attribute__((constructor)) void
map_lot(void)
{
    lot = mmap(NULL, sizeof(Lot), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(lot != MAP_FAILED);
}

static void
lock_bucket(Bucket *b)
{
    /* acquire: pairs with the release in unlock_bucket */
    while (atomic_exchange_explicit(&b->locked, 1, memory_order_acquire))
        sched_yield();
}

static void
unlock_bucket(Bucket *b)
{
    /* release: publishes the queue to the next holder */
    atomic_store_explicit(&b->locked, 0, memory_order_release);
}

static bool
is_dead(uint32_t pid)
{
    return kill((pid_t)pid, 0) != 0 && errno == ESRCH;
}

static Parker *
own_parker(void)
{
    pid_t pid = getpid();
    if (own_pid == pid)
        return own;
    for (uint32_t i = 0; i < PARKERS; i++) {
        Parker *p = &lot->parkers[(i + (uint32_t)pid) % PARKERS];
        uint32_t holder = atomic_load_explicit(&p->pid, memory_order_relaxed); /* a hint: the CAS decides */
        if (holder != 0 && !(p->word == NULL && is_dead(holder)))
            continue;
        /* acquire: the former owner's writes come before ours */
        if (!atomic_compare_exchange_strong_explicit(&p->pid, &holder, (uint32_t)pid, memory_order_acquire,
                                                     memory_order_relaxed))
            continue;
        CHECK(sem_init(&p->sem, 1, 0) == 0);
        own = p;
        own_pid = pid;
        return p;
    }
    CHECK(!"parking lot full");
    return NULL;
}

static Bucket *
bucket_of(WaitWord *word)
{
    return &lot->buckets[hash_u64((uint64_t)(uintptr_t)word) % BUCKETS];
}

/* Takes p out of the queue, if it is there. */
static bool
dequeue(Bucket *b, Parker *p)
{
    uint32_t want = (uint32_t)(p - lot->parkers) + 1;
    for (uint32_t *link = &b->head; *link; link = &lot->parkers[*link - 1].next)
        if (*link == want) {
            *link = p->next;
            p->word = NULL;
            return true;
        }
    return false;
}

bool
wait_word_sleep(WaitWord *word, uint32_t expected, int64_t timeout_us)
{
    int saved = errno;
    Parker *me = own_parker();
    Bucket *b = bucket_of(word);
    lock_bucket(b);
    /* acquire: as a futex's, the caller sees what came before the change of the word */
    if (atomic_load_explicit(word, memory_order_acquire) != expected) {
        unlock_bucket(b);
        errno = saved;
        return true;
    }
    me->word = word;
    me->next = 0;
    uint32_t *link = &b->head;
    while (*link)
        link = &lot->parkers[*link - 1].next;
    *link = (uint32_t)(me - lot->parkers) + 1;
    unlock_bucket(b);

    struct timespec until;
    if (timeout_us >= 0) {
        clock_gettime(CLOCK_REALTIME, &until);
        int64_t ns = until.tv_nsec + timeout_us % 1000000 * 1000;
        until.tv_sec += timeout_us / 1000000 + ns / 1000000000;
        until.tv_nsec = ns % 1000000000;
    }
    int rc = timeout_us < 0 ? sem_wait(&me->sem) : sem_timedwait(&me->sem, &until);
    bool timed_out = rc != 0 && errno == ETIMEDOUT;
    if (rc != 0) {
        lock_bucket(b);
        bool queued = dequeue(b, me);
        unlock_bucket(b);
        if (!queued) { /* a waker has taken us out: its post is ours to consume */
            while (sem_wait(&me->sem) != 0 && errno == EINTR)
                ;
            timed_out = false;
        }
    }
    errno = saved;
    return !timed_out;
}

void
wait_word_wake(WaitWord *word, int count)
{
    int saved = errno;
    Bucket *b = bucket_of(word);
    lock_bucket(b);
    uint32_t *link = &b->head;
    while (*link && count > 0) {
        Parker *p = &lot->parkers[*link - 1];
        if (p->word != word) {
            link = &p->next;
            continue;
        }
        *link = p->next;
        p->word = NULL;
        /* relaxed: the pid changes only when the parker is not queued */
        if (is_dead(atomic_load_explicit(&p->pid, memory_order_relaxed)))
            continue;
        sem_post(&p->sem);
        count--;
    }
    unlock_bucket(b);
    errno = saved;
}

/* After a crash, with no other process left. */
void
wait_words_reinit(void)
{
    memset(lot, 0, sizeof(*lot));
    own_pid = 0;
}
#else
typedef int wait_word_uses_futexes; /* wait_word.c */
#endif
