/*
 * Backends: forked ahead of need as spares, or at once for a client when none is spare.
 *
 * A spare has everything of the process in place but a slot: so it counts against no limit and nobody
 * sees it in pg_stat_activity. It sleeps on its end of a socket pair until a client's socket comes
 * (SCM_RIGHTS), then takes a slot and serves. When the client has left and nothing of it stays in the
 * process, it gives its slot back and says so on the channel: it is a spare again, with warm caches.
 * The channel's end of file means that it is no longer wanted.
 *
 * A refused client gets its error from a child too, since reading its startup packet may take as long
 * as the client likes. That child touches nothing shared.
 */
#define _GNU_SOURCE
#include "procs/procs.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/interrupt.h"
#include "core/base/log.h"
#include "core/base/settings.h"
#include "core/session/session.h"

static uint64_t started_us;

/* ---- the log's view of a connection ---- */

static void
log_received(int fd)
{
    struct sockaddr_storage addr;
    socklen_t n = sizeof(addr);
    char host[NI_MAXHOST] = "[local]", port[NI_MAXSERV] = "";
    if (getpeername(fd, (struct sockaddr *)&addr, &n) == 0 && addr.ss_family != AF_UNIX)
        getnameinfo((struct sockaddr *)&addr, n, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV);
    if (port[0])
        LOG("connection received: host=%s port=%s", host, port);
    else
        LOG("connection received: host=%s", host);
}

static void
log_disconnection(void *arg)
{
    if (!log_disconnections || proc_self == NULL || proc_self->user_name[0] == '\0')
        return;
    uint64_t us = clock_monotonic_us() - started_us;
    unsigned s = (unsigned)(us / 1000000);
    char port[24] = "";
    if (proc_self->client_port > 0)
        snprintf(port, sizeof(port), " port=%d", proc_self->client_port);
    REPORT(LEVEL_LOG, SQLSTATE_SUCCESS,
           err_message("disconnection: session time: %u:%02u:%02u.%03u user=%s database=%s host=%s%s", s / 3600, s / 60 % 60,
                       s % 60, (unsigned)(us / 1000 % 1000), proc_self->user_name, proc_self->database_name,
                       proc_self->client_addr, port),
           err_hide_statement());
}

/* ---- authentication_timeout ---- */

static void
on_alarm(int sig)
{
    /* relaxed: own */
    if (proc_self && atomic_load_explicit(&proc_self->database, memory_order_relaxed) != 0)
        return; /* the session stands */
    interrupts_raise(INTERRUPT_TERMINATE);
    if (proc_self)
        latch_set(&proc_self->latch);
}

/* One more timer of the process until the session sets its own over it. */
static void
start_authentication_timer(void)
{
    const SettingDef *def = settings_find_def("authentication_timeout");
    int seconds = def && def->type == SETTING_INT ? *(int *)def->variable : 60;
    struct sigaction sa = {.sa_handler = on_alarm};
    struct itimerval t = {.it_value = {.tv_sec = seconds}};
    sigemptyset(&sa.sa_mask);
    sigaction(SIGALRM, &sa, NULL);
    setitimer(ITIMER_REAL, &t, NULL);
}

/* ---- serving and refusing ---- */

static NORETURN void
refuse(int fd, uint32_t sqlstate, const char *message)
{
    WireStartup w = {0};
    wire_init(fd);
    wire_read_startup(&w);
    if (w.is_cancel && sqlstate == SQLSTATE_TOO_MANY_CONNECTIONS)
        session_forward_cancel(w.cancel_pid, w.cancel_key); /* needs no slot */
    if (w.is_cancel)
        proc_exit(0);
    err_client_hook = NULL;
    err_start(LEVEL_FATAL, sqlstate, __FILE__, __LINE__, __func__);
    err_message("%s", message);
    ErrReport *r = err_copy(arena_top(), err_current());
    wire_send_error(r, NULL);
    wire_flush();
    err_throw();
}

static void
identify_session(void)
{
    log_identity = (LogIdentity){
        .backend_type = kind_row(PROC_BACKEND)->name,
        .session_start_us = (uint64_t)(clock_now() + CLOCK_PG_EPOCH_UNIX_S * 1000000),
        .is_session = true,
        .virtual_xid = log_identity.virtual_xid,
        .xid = log_identity.xid,
    };
}

/* Serves one client. Returns when the process may serve another; else it ends here. */
static void
serve(int fd)
{
    started_us = clock_monotonic_us();
    identify_session();
    settings_session_begin();
    proc_set_title("postgres: %s", "initializing");
    if (log_connections)
        log_received(fd);
    start_authentication_timer();
    if (proc_attach(PROC_BACKEND) != ERR_OK)
        refuse(fd, SQLSTATE_TOO_MANY_CONNECTIONS, "sorry, too many clients already");
    child_release_at_exit();
    modules_process_init();
    proc_on_exit(log_disconnection, NULL);
    if (!session_serve(fd))
        proc_exit(0);
    proc_retire();
    settings_session_end();
    interrupts_process = child_process_interrupts;
    log_identity.is_session = false;
}

void
backend_main_socket(int fd)
{
    child_begin(kind_row(PROC_BACKEND), false);
    serve(fd);
    proc_exit(0); /* no channel: the postmaster had no spare when this client came */
}

void
backend_main_refuse(int fd, Refusal why)
{
    static const struct {
        uint32_t sqlstate;
        const char *message;
    } texts[] = {
        [REFUSE_NOT] = {SQLSTATE_INTERNAL_ERROR, "connection refused"},
        [REFUSE_STARTUP] = {SQLSTATE_CANNOT_CONNECT_NOW, "the database system is starting up"},
        [REFUSE_SHUTDOWN] = {SQLSTATE_CANNOT_CONNECT_NOW, "the database system is shutting down"},
        [REFUSE_RECOVERY] = {SQLSTATE_CANNOT_CONNECT_NOW, "the database system is in recovery mode"},
        [REFUSE_TOO_MANY] = {SQLSTATE_TOO_MANY_CONNECTIONS, "sorry, too many clients already"},
    };
    child_begin(kind_row(PROC_BACKEND), false);
    log_identity.is_session = true;
    proc_set_title("postgres: %s", "dead-end client backend");
    start_authentication_timer();
    refuse(fd, texts[why].sqlstate, texts[why].message);
}

/* ---- spares ---- */

bool
spare_hand_over(int channel, int fd)
{
    char byte = 'S';
    struct iovec iov = {&byte, 1};
    union {
        char space[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.space,
                         .msg_controllen = sizeof(control.space)};
    memset(&control, 0, sizeof(control));
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &fd, sizeof(int));
    return sendmsg(channel, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) == 1;
}

/* The client's socket; -1 at end of file. */
static int
receive_socket(int channel)
{
    char byte;
    struct iovec iov = {&byte, 1};
    union {
        char space[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.space,
                         .msg_controllen = sizeof(control.space)};
    ssize_t n = recvmsg(channel, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return -2;
    struct cmsghdr *c = n == 1 ? CMSG_FIRSTHDR(&msg) : NULL;
    int fd = -1;
    if (c && c->cmsg_type == SCM_RIGHTS)
        memcpy(&fd, CMSG_DATA(c), sizeof(int));
    return fd;
}

static void
spare_interrupts(void)
{
    unsigned pending = (unsigned)interrupts_pending;
    child_process_interrupts();
    if (pending & INTERRUPT_RELOAD)
        wire_load_hba(true);
}

/* The client has left and nothing of it is here: the postmaster may send the next. */
static void
offer_again(int channel)
{
    char byte = SPARE_AGAIN;
    proc_set_title("postgres: %s", "spare backend");
    if (send(channel, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1)
        proc_exit(0); /* it is no longer wanted */
}

void
backend_main_spare(int channel)
{
    child_begin(kind_row(PROC_BACKEND), false);
    proc_set_title("postgres: %s", "spare backend");
    for (;;) {
        if (interrupts_pending)
            spare_interrupts();
        int fd = receive_socket(channel);
        if (fd == -1)
            proc_exit(0);
        if (fd >= 0) {
            latch_forget_fd(channel);
            if (interrupts_pending)
                spare_interrupts();
            serve(fd);
            offer_again(channel);
            continue;
        }
        /* A signal between the look at the flags and the sleep is noticed a second later at most. */
        latch_wait(WAIT_READABLE | WAIT_TIMEOUT, channel, 1000, WAIT_EVENT_SPARE_MAIN);
    }
}
