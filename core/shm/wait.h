/*
 * Wait words and latches: how a process sleeps until another one wakes it.
 *
 * A wait word is a 32-bit futex in shared memory. A latch is a per-process flag whose owner can wait
 * on it together with sockets (its eventfd-free form: SIGURG interrupts epoll_pwait via signalfd).
 * Where there is no futex (POSTHASTE_SEMAPHORES build option) a POSIX sem_t per slot serves.
 */
#ifndef CORE_SHM_WAIT_H
#define CORE_SHM_WAIT_H

#include <stdatomic.h>

#include "core/base/err.h"

typedef _Atomic uint32_t WaitWord;
/* Sleeps while *word == expected. timeout_us < 0: for ever. Spurious returns are possible.
 * Returns false on timeout. */
bool wait_word_sleep(WaitWord *word, uint32_t expected, int64_t timeout_us);
void wait_word_wake(WaitWord *word, int count /* INT_MAX: all */);
void wait_words_reinit(void); /* by shm_create: forgets sleepers of a crashed instance */

typedef struct Latch {
    _Atomic uint32_t set;   /* 1 when set; the owner clears */
    _Atomic uint32_t owner_pid;
    _Atomic uint32_t polling; /* owner sleeps in epoll: a setter must also signal (SIGURG) */
} Latch;
void latch_own(Latch *l);   /* by the owning process, once per process */
void latch_disown(Latch *l);
void latch_set(Latch *l);   /* async-signal-safe; no-op for a latch without owner */
void latch_reset(Latch *l);

#define WAIT_LATCH 1
#define WAIT_READABLE 2
#define WAIT_WRITABLE 4
#define WAIT_TIMEOUT 8
#define WAIT_POSTMASTER_DEATH 16 /* always watched; returned as an event */
/* Waits for any of `events` (bit set) on the own latch and socket fd (-1: none). timeout_ms < 0: for
 * ever. Returns the bit set that happened. wait_event: for pg_stat_activity, see proc.h. Postmaster
 * death while not asked for: the process exits. */
int latch_wait(int events, int fd, long timeout_ms, uint32_t wait_event);
void latch_forget_fd(int fd); /* before close() of a socket that was waited for; harmless otherwise */
/* A pipe whose read end every child holds; EOF means the postmaster has died. */
void postmaster_death_watch_init(void);        /* by the postmaster, before its first fork */
void postmaster_death_watch_child(void);       /* by each child, first thing */
bool postmaster_is_alive(void);

#endif
