/*
 * Latches. A latch is a word; its owner sleeps in epoll, so that it can wait for a socket as well.
 *
 * The race to close is a set between the owner's last look and its sleep. Owner: polling = 1, look
 * at set, sleep. Setter: set = 1, look at polling, signal. Each writes before it reads, with
 * sequential consistency, so that at least one sees the other: either the owner does not sleep or
 * the setter signals. The signal (SIGURG) is blocked and read through a signalfd in the epoll set,
 * so one that comes before the sleep still ends it. A setter signals only an owner that polls, and
 * only the one that turned the word from 0 to 1: setting the latch of a running process, or one that
 * is set already, is one atomic instruction.
 *
 * The epoll set is kept between waits, with the socket last waited for. A socket that is closed
 * leaves the set without a word and its number may come back: latch_forget_fd is to be called
 * before close(). Should someone not, the registration is checked once after a second of waiting.
 */
#define _GNU_SOURCE
#include "core/shm/wait.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/shm/proc.h"

#define RECHECK_MS 1000

enum { TAG_SIGNAL, TAG_DEATH, TAG_SOCKET };

static Latch *own_latch;
static int epoll_fd = -1, signal_fd = -1;
static int socket_fd = -1;         /* in the epoll set; -1 none */
static uint32_t socket_events;     /* and what for */
static int death_read = -1, death_write = -1;
static bool death_in_set;

/* A child shares the parent's epoll set and signalfd, which report the parent's signals. */
static void
forget_after_fork(void)
{
    if (epoll_fd >= 0)
        close(epoll_fd);
    if (signal_fd >= 0)
        close(signal_fd);
    epoll_fd = signal_fd = socket_fd = -1;
    own_latch = NULL;
    death_in_set = false;
}

static void
add_fd(int fd, uint32_t events, int tag)
{
    struct epoll_event ev = {.events = events, .data.u32 = (uint32_t)tag};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev) != 0)
        PANIC("epoll_ctl() failed: %m");
}

static void
init_set(void)
{
    static bool fork_hook;
    sigset_t urg;
    if (!fork_hook) {
        pthread_atfork(NULL, NULL, forget_after_fork);
        fork_hook = true;
    }
    sigemptyset(&urg);
    sigaddset(&urg, SIGURG);
    sigprocmask(SIG_BLOCK, &urg, NULL);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    signal_fd = signalfd(-1, &urg, SFD_NONBLOCK | SFD_CLOEXEC);
    if (epoll_fd < 0 || signal_fd < 0)
        PANIC("could not create what a latch waits on: %m");
    add_fd(signal_fd, EPOLLIN, TAG_SIGNAL);
    if (death_read >= 0) {
        add_fd(death_read, EPOLLIN, TAG_DEATH);
        death_in_set = true;
    }
}

void
latch_own(Latch *l)
{
    if (epoll_fd < 0)
        init_set();
    own_latch = l;
    /* relaxed: the release below publishes them */
    atomic_store_explicit(&l->set, 0, memory_order_relaxed);
    atomic_store_explicit(&l->polling, 0, memory_order_relaxed);
    /* release: pairs with the acquire in latch_set */
    atomic_store_explicit(&l->owner_pid, (uint32_t)getpid(), memory_order_release);
}

void
latch_disown(Latch *l)
{
    if (own_latch == l)
        own_latch = NULL;
    /* release: a setter that sees the owner gone does nothing */
    atomic_store_explicit(&l->owner_pid, 0, memory_order_release);
}

void
latch_set(Latch *l)
{
    /* acquire: pairs with latch_own, so that its clearing does not come after our set */
    uint32_t pid = atomic_load_explicit(&l->owner_pid, memory_order_acquire);
    if (pid == 0)
        return;
    /* seq_cst: the caller's work and the set come before the look at polling; pairs with latch_wait */
    if (atomic_exchange_explicit(&l->set, 1, memory_order_seq_cst) != 0)
        return; /* who set it has signalled, and the owner has not yet looked */
    if (atomic_load_explicit(&l->polling, memory_order_seq_cst)) {
        int saved = errno;
        kill((pid_t)pid, SIGURG);
        errno = saved;
    }
}

void
latch_reset(Latch *l)
{
    /* seq_cst: what the owner looks at after the reset is read after it, so that a setter whose work
     * it misses finds 0 and sets again */
    atomic_exchange_explicit(&l->set, 0, memory_order_seq_cst);
}

void
latch_forget_fd(int fd)
{
    if (fd < 0 || fd != socket_fd)
        return;
    epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL); /* fails when it is closed already: no matter */
    socket_fd = -1;
}

static void
watch_socket(int fd, uint32_t events, bool recheck)
{
    struct epoll_event ev = {.events = events, .data.u32 = TAG_SOCKET};
    if (fd == socket_fd && events == socket_events && !recheck)
        return;
    if (fd != socket_fd)
        latch_forget_fd(socket_fd);
    int rc = -1;
    if (fd == socket_fd)
        rc = epoll_ctl(epoll_fd, EPOLL_CTL_MOD, fd, &ev);
    if (rc != 0)
        rc = epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev);
    if (rc != 0 && errno == EEXIST)
        rc = epoll_ctl(epoll_fd, EPOLL_CTL_MOD, fd, &ev);
    if (rc != 0)
        PANIC("epoll_ctl() failed: %m");
    socket_fd = fd;
    socket_events = events;
}

static void
drain_signals(void)
{
    struct signalfd_siginfo info;
    while (read(signal_fd, &info, sizeof(info)) > 0)
        ;
}

static int
socket_result(int events, uint32_t got)
{
    int r = 0;
    /* An error or a hang-up is for the reader or writer to find. */
    if ((events & WAIT_READABLE) && (got & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)))
        r |= WAIT_READABLE;
    if ((events & WAIT_WRITABLE) && (got & (EPOLLOUT | EPOLLHUP | EPOLLERR)))
        r |= WAIT_WRITABLE;
    return r;
}

/* One sleep. Returns what happened, 0 when it is to be repeated. */
static int
sleep_once(int events, int fd, int timeout_ms)
{
    struct epoll_event got[3];
    int n = epoll_wait(epoll_fd, got, 3, timeout_ms);
    int result = 0;
    if (n < 0 && errno != EINTR)
        PANIC("epoll_wait() failed: %m");
    for (int i = 0; i < n; i++) {
        switch (got[i].data.u32) {
        case TAG_SIGNAL:
            drain_signals();
            break;
        case TAG_DEATH:
            if (!(events & WAIT_POSTMASTER_DEATH))
                proc_exit(1);
            result |= WAIT_POSTMASTER_DEATH;
            break;
        default:
            if (fd >= 0)
                result |= socket_result(events, got[i].events);
            else
                latch_forget_fd(socket_fd); /* of an earlier wait, and it is ready: out of the way */
        }
    }
    return result;
}

/* Is the own latch set? Then the wait is over. */
static bool
latch_is_set(void)
{
    /* seq_cst: comes after polling = 1; pairs with latch_set */
    return atomic_load_explicit(&own_latch->set, memory_order_seq_cst) != 0;
}

static void
set_polling(uint32_t v)
{
    if (own_latch)
        /* seq_cst: before the look at set in latch_is_set; pairs with latch_set */
        atomic_store_explicit(&own_latch->polling, v, memory_order_seq_cst);
}

static int
wait_loop(int events, int fd, long timeout_ms)
{
    uint64_t start = timeout_ms > 0 || fd >= 0 ? clock_monotonic_us() : 0;
    bool rechecked = fd < 0;
    for (;;) {
        if ((events & WAIT_LATCH) && latch_is_set()) {
            /* A socket that is ready too is told as well, so that a busy latch cannot starve it. */
            return WAIT_LATCH | (fd >= 0 ? sleep_once(events, fd, 0) : 0);
        }
        long left = timeout_ms;
        long passed = start ? (long)((clock_monotonic_us() - start) / 1000) : 0;
        if (timeout_ms > 0)
            left = passed >= timeout_ms ? 0 : timeout_ms - passed;
        long slice = left;
        if (!rechecked && passed >= RECHECK_MS) {
            watch_socket(fd, socket_events, true);
            rechecked = true;
        } else if (!rechecked && (left < 0 || left > RECHECK_MS - passed)) {
            slice = RECHECK_MS - passed;
        }
        int result = sleep_once(events, fd, slice > 1000000000 ? 1000000000 : (int)slice);
        if (result)
            return result;
        if (left == 0 && timeout_ms >= 0)
            return (events & WAIT_LATCH) && latch_is_set() ? WAIT_LATCH : WAIT_TIMEOUT;
    }
}

int
latch_wait(int events, int fd, long timeout_ms, uint32_t wait_event)
{
    if (UNLIKELY(epoll_fd < 0))
        init_set();
    ASSERT(!(events & WAIT_LATCH) || own_latch != NULL);
    if (own_latch == NULL)
        events &= ~WAIT_LATCH;
    if (!(events & (WAIT_READABLE | WAIT_WRITABLE)))
        fd = -1;
    if (fd >= 0)
        watch_socket(fd, ((events & WAIT_READABLE) ? EPOLLIN | EPOLLRDHUP : 0) |
                             ((events & WAIT_WRITABLE) ? EPOLLOUT : 0), false);
    if ((events & WAIT_LATCH) && fd < 0 && latch_is_set())
        return WAIT_LATCH;
    proc_wait_begin(wait_event);
    set_polling(1);
    int result = wait_loop(events, fd, timeout_ms);
    set_polling(0);
    proc_wait_end();
    return result;
}

/* --- postmaster death ------------------------------------------------------------------------- */

void
postmaster_death_watch_init(void)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0)
        RAISE_FATAL(SQLSTATE_SYSTEM_ERROR, "could not create pipe to monitor postmaster death: %m");
    death_read = fds[0];
    death_write = fds[1];
}

void
postmaster_death_watch_child(void)
{
    if (death_write >= 0) {
        close(death_write); /* only the postmaster may keep it open */
        death_write = -1;
    }
    if (epoll_fd >= 0 && death_read >= 0 && !death_in_set) {
        add_fd(death_read, EPOLLIN, TAG_DEATH);
        death_in_set = true;
    }
}

bool
postmaster_is_alive(void)
{
    if (death_read < 0 || death_write >= 0)
        return true; /* no postmaster, or this is it */
    struct pollfd p = {.fd = death_read, .events = POLLIN};
    return poll(&p, 1, 0) <= 0;
}
