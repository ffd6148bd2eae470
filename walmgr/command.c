/*
 * Shell commands of the administrator (archive_command, restore_command, ...): their templates, and how
 * they are run and waited for.
 *
 * system() would leave the process deaf until the command ends, and a command may hang. So it is waited
 * for on a pidfd beside the own latch: a reload is taken over, and a request to end kills the command's
 * process group first, as does SIGQUIT (procs/child.c). If the process is killed, the kernel still ends the
 * shell (PR_SET_PDEATHSIG).
 */
#define _GNU_SOURCE
#include "walmgr/wal_internal.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/interrupt.h"

volatile sig_atomic_t wal_command_group;

#define POLL_MS 20             /* where there is no pidfd */
#define KILL_AFTER_US 5000000  /* between SIGTERM and SIGKILL */

char *
wal_expand_command(Arena *a, const char *template, const char *path, const char *file, const char *restart)
{
    StrBuf s;
    str_init(&s, a);
    for (const char *p = template; *p; p++) {
        const char *value = p[0] != '%' ? NULL : p[1] == 'p' ? path : p[1] == 'f' ? file : p[1] == 'r' ? restart : NULL;
        if (value) {
            str_add(&s, value);
            p++;
        } else {
            str_add_char(&s, *p);
            if (p[0] == '%' && p[1] == '%')
                p++;
        }
    }
    return s.data;
}

static NORETURN void
run_shell(const char *command, pid_t parent)
{
    sigset_t none;
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(127);
    for (int sig = 1; sig < NSIG; sig++)
        signal(sig, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
}

/* True when there is a status. */
static bool
reap(pid_t pid, int *status)
{
    pid_t got;
    do
        got = waitpid(pid, status, WNOHANG);
    while (got < 0 && errno == EINTR);
    if (got < 0) /* somebody else has taken it: that it failed is the safe answer */
        *status = 255 << 8;
    return got != 0;
}

static void
end_command(pid_t pid)
{
    int status;
    uint64_t began = clock_monotonic_us();
    kill(-pid, SIGTERM);
    while (!reap(pid, &status)) {
        if (clock_monotonic_us() - began > KILL_AFTER_US)
            kill(-pid, SIGKILL);
        poll(NULL, 0, POLL_MS);
    }
}

int
wal_run_command(const char *command, uint32_t wait_event)
{
    int status, fd;
    pid_t parent = getpid();
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        return -1;
    if (pid == 0)
        run_shell(command, parent);
    setpgid(pid, pid); /* here too: whoever is first */
    wal_command_group = (sig_atomic_t)pid;
    fd = (int)syscall(SYS_pidfd_open, pid, 0);
    while (!reap(pid, &status)) {
        if (interrupts_pending & INTERRUPT_TERMINATE) {
            end_command(pid);
            status = SIGTERM;
            break;
        }
        interrupts_act();
        if (!proc_self) { /* a program without a latch */
            struct pollfd p = {.fd = fd, .events = POLLIN};
            poll(&p, fd >= 0 ? 1 : 0, fd >= 0 ? 1000 : POLL_MS);
            continue;
        }
        latch_wait(WAIT_LATCH | WAIT_TIMEOUT | (fd >= 0 ? WAIT_READABLE : 0), fd, fd >= 0 ? 1000 : POLL_MS, wait_event);
        latch_reset(&proc_self->latch);
    }
    wal_command_group = 0;
    if (fd >= 0) {
        latch_forget_fd(fd);
        close(fd);
    }
    return status;
}
