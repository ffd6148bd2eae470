/*
 * Wait words on futexes. The futex is shared between processes (not FUTEX_PRIVATE): the kernel finds
 * the waiters by the page behind the address, so a word may be mapped anywhere.
 */
#ifndef POSTHASTE_SEMAPHORES
#define _GNU_SOURCE
#include "core/shm/wait.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

bool
wait_word_sleep(WaitWord *word, uint32_t expected, int64_t timeout_us)
{
    struct timespec ts, *limit = NULL;
    int saved = errno;
    if (timeout_us >= 0) {
        ts.tv_sec = timeout_us / 1000000;
        ts.tv_nsec = (long)(timeout_us % 1000000) * 1000;
        limit = &ts;
    }
    /* The kernel compares and sleeps as one step: a wake after a change of the word is never lost. */
    long rc = syscall(SYS_futex, word, FUTEX_WAIT, expected, limit, NULL, 0);
    bool in_time = !(rc != 0 && errno == ETIMEDOUT);
    errno = saved;
    return in_time;
}

void
wait_word_wake(WaitWord *word, int count)
{
    int saved = errno;
    syscall(SYS_futex, word, FUTEX_WAKE, count, NULL, NULL, 0);
    errno = saved;
}

void
wait_words_reinit(void)
{
}
#else
typedef int wait_word_uses_semaphores; /* wait_word_sem.c */
#endif
