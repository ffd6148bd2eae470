/*
 * The supervisor: a state machine over the table of kinds (kinds.c), driven by the reactor in
 * postmaster.c. It knows its children by pid only, takes no lock and follows no pointer in shared
 * memory: it must outlive anything they do there.
 *
 *   STARTUP --startup process exits 0: open_instance--> RUN
 *   RUN, STARTUP --supervisor_stop--> STOPPING --phase by phase: advance_stop--> exit
 *   any --a child dies abnormally: begin_crash--> CRASH --all gone: restart_after--> STARTUP
 */
#include "procs/procs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/shm/shm.h"
#include "core/wire/wire.h"
#include "walmgr/walmgr.h"

#define KILL_AFTER_US 5000000    /* patience with children after SIGQUIT */
#define FORK_RETRY_US 1000000
#define CHILDREN_SPARE_ROOM 64
#define CHANNELS_MAX 256         /* of sessions that may come back: each is a descriptor of the postmaster */

typedef enum Role { ROLE_HELPER, ROLE_SPARE, ROLE_SESSION, ROLE_REFUSER } Role;
typedef struct Child {
    pid_t pid;
    const KindRow *row;
    Role role;
    int channel;       /* of a spare, and of a session that began as one; -1 */
    uint64_t returned; /* when its last client left, counted; 0: it has had none */
} Child;

static SupervisorState state;
static StopMode stop_mode;
static StopPhase stop_phase;
static bool after_crash;          /* until the instance is open again */
static bool was_open;             /* there is something to write at the end */
static Child *children;
static int child_count, child_cap;
static uint64_t kill_at_us;       /* 0: nobody to kill */
static uint64_t fork_again_us;    /* after a failed fork */
static uint64_t start_again_us[32]; /* by row */

/* ---- children ---- */

static Child *
add_child(pid_t pid, const KindRow *row, Role role)
{
    if (child_count == child_cap) {
        child_cap = child_cap ? child_cap * 2 : 64;
        children = realloc(children, sizeof(Child) * (size_t)child_cap);
        if (children == NULL)
            RAISE_FATAL(SQLSTATE_OUT_OF_MEMORY, "out of memory");
    }
    Child *c = &children[child_count++];
    *c = (Child){.pid = pid, .row = row, .role = role, .channel = -1};
    return c;
}

static int
count_children(Role role)
{
    int n = 0;
    for (int i = 0; i < child_count; i++)
        n += children[i].role == role;
    return n;
}

static bool
kind_lives(const KindRow *row)
{
    for (int i = 0; i < child_count; i++)
        if (children[i].row == row && children[i].role == ROLE_HELPER)
            return true;
    return false;
}

/* Who only refuses clients does not hold up a stop. */
static bool
phase_lives(StopPhase last)
{
    for (int i = 0; i < child_count; i++)
        if (children[i].row->stop_phase <= last && children[i].role != ROLE_REFUSER)
            return true;
    return false;
}

static void
signal_phases(StopPhase first, StopPhase last)
{
    for (int i = 0; i < child_count; i++)
        if (children[i].row->stop_phase >= first && children[i].row->stop_phase <= last)
            kill(children[i].pid, children[i].row->stop_signal);
}

static void
signal_all(int sig)
{
    for (int i = 0; i < child_count; i++)
        kill(children[i].pid, sig);
}

void
supervisor_forget_in_child(void)
{
    for (int i = 0; i < child_count; i++)
        if (children[i].channel >= 0)
            close(children[i].channel);
    child_count = 0;
}

/* The child's pid in the postmaster, 0 in the child, -1 when there can be none now. */
static pid_t
fork_for(const KindRow *row)
{
    if (clock_monotonic_us() < fork_again_us)
        return -1;
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0) {
        LOG("could not fork %s: %m", row->log_name);
        fork_again_us = clock_monotonic_us() + FORK_RETRY_US;
    }
    return pid;
}

static void
start_helper(const KindRow *row)
{
    pid_t pid = fork_for(row);
    if (pid == 0) {
        row->main();
        proc_exit(0);
    }
    if (pid > 0)
        add_child(pid, row, ROLE_HELPER);
}

static void
start_spare(void)
{
    int pair[2];
    const KindRow *row = kind_row(PROC_BACKEND);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0) {
        LOG("could not create socket pair for a spare backend: %m");
        fork_again_us = clock_monotonic_us() + FORK_RETRY_US;
        return;
    }
    pid_t pid = fork_for(row);
    if (pid == 0) {
        close(pair[0]);
        backend_main_spare(pair[1]);
    }
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        return;
    }
    add_child(pid, row, ROLE_SPARE)->channel = pair[0];
    if (!postmaster_watch_channel(pair[0], pid))
        LOG("epoll_ctl() failed: %m"); /* it serves one client, and nobody hears that it is ready for more */
}

static void
close_channel(Child *c)
{
    close(c->channel);
    c->channel = -1;
}

/* Closing its channel ends a spare. */
static void
dismiss_spares(int keep)
{
    for (int i = 0; i < child_count; i++)
        if (children[i].role == ROLE_SPARE && children[i].channel >= 0 && keep-- <= 0)
            close_channel(&children[i]);
}

static int
count_spares(void)
{
    int n = 0;
    for (int i = 0; i < child_count; i++)
        n += children[i].role == ROLE_SPARE && children[i].channel >= 0;
    return n;
}

static int
count_channels(void)
{
    int n = 0;
    for (int i = 0; i < child_count; i++)
        n += children[i].channel >= 0;
    return n;
}

/* A session's client has left, and the backend is as good as new. Or it says so: nothing else is believed of it. */
void
supervisor_channel_readable(pid_t pid)
{
    static uint64_t returns;
    Child *c = NULL;
    char byte = 0;
    for (int i = 0; i < child_count && c == NULL; i++)
        if (children[i].pid == pid && children[i].channel >= 0)
            c = &children[i];
    if (c == NULL)
        return;
    ssize_t n = recv(c->channel, &byte, 1, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n == 1 && byte == SPARE_AGAIN && c->role == ROLE_SESSION && state == SUP_RUN && stop_mode == STOP_NOT &&
        count_spares() < spare_backends + kept_backends) {
        c->role = ROLE_SPARE;
        c->returned = ++returns;
    } else
        close_channel(c); /* it has ended, or will on reading this */
}

/* ---- connections ---- */

static Refusal
refusal_now(void)
{
    if (stop_mode != STOP_NOT)
        return REFUSE_SHUTDOWN;
    if (state == SUP_CRASH || after_crash)
        return REFUSE_RECOVERY;
    if (state == SUP_STARTUP)
        return REFUSE_STARTUP;
    return REFUSE_NOT;
}

/* The one that served last has the warmest caches. */
static Child *
best_spare(void)
{
    Child *best = NULL;
    for (int i = 0; i < child_count; i++)
        if (children[i].role == ROLE_SPARE && children[i].channel >= 0 && (best == NULL || children[i].returned > best->returned))
            best = &children[i];
    return best;
}

static bool
give_to_spare(int fd)
{
    Child *c;
    while ((c = best_spare()) != NULL) {
        bool given = spare_hand_over(c->channel, fd);
        if (given)
            c->role = ROLE_SESSION;
        if (!given || count_channels() > CHANNELS_MAX)
            close_channel(c);
        if (given)
            return true;
    }
    return false;
}

void
supervisor_connection(int fd)
{
    const KindRow *row = kind_row(PROC_BACKEND);
    Refusal why = refusal_now();
    /* A session that finds no slot refuses by itself; this bounds those that are on their way. */
    if (why == REFUSE_NOT && count_children(ROLE_SESSION) >= 2 * max_connections)
        why = REFUSE_TOO_MANY;
    if (why != REFUSE_NOT && count_children(ROLE_REFUSER) >= max_connections + CHILDREN_SPARE_ROOM) {
        close(fd); /* a flood of connections: nobody is left to explain */
        return;
    }
    if (why == REFUSE_NOT && give_to_spare(fd)) {
        close(fd);
        return;
    }
    pid_t pid = fork_for(row);
    if (pid == 0) {
        if (why == REFUSE_NOT)
            backend_main_socket(fd);
        backend_main_refuse(fd, why);
    }
    close(fd);
    if (pid > 0)
        add_child(pid, row, why == REFUSE_NOT ? ROLE_SESSION : ROLE_REFUSER);
}

/* ---- starting ---- */

static void
start_due(void)
{
    uint64_t now = clock_monotonic_us();
    for (int i = 0; i < kind_row_count; i++) {
        const KindRow *row = &kind_rows[i];
        if (row->start != START_RUN || kind_lives(row) || (row->wanted && !row->wanted()) || now < start_again_us[i])
            continue;
        if (stop_mode != STOP_NOT && row->stop_phase <= STOP_HELPERS)
            continue;
        start_helper(row);
    }
}

/* Only the launcher's word counts, and only while there is work to be done. Its slots bound the number of
 * workers; this is the postmaster's own bound. */
void
supervisor_asked(pid_t pid)
{
    const KindRow *row = kind_row(PROC_AUTOVAC_WORKER);
    int workers = 0;
    bool launcher = false;

    for (int i = 0; i < child_count; i++) {
        workers += children[i].row == row;
        launcher |= children[i].pid == pid && children[i].row->kind == PROC_AUTOVAC_LAUNCHER;
    }
    if (launcher && state == SUP_RUN && stop_mode == STOP_NOT && workers < autovacuum_max_workers)
        start_helper(row);
}

static void
refill_spares(void)
{
    int want = MIN(spare_backends, max_connections - count_children(ROLE_SESSION));
    int have = count_spares();
    if (have > spare_backends + kept_backends)
        dismiss_spares(spare_backends + kept_backends);
    for (; have < want && clock_monotonic_us() >= fork_again_us; have++)
        start_spare();
}

void
supervisor_start(void)
{
    state = SUP_STARTUP;
    was_open = false;
    kill_at_us = 0;
    memset(start_again_us, 0, sizeof(start_again_us));
    pidfile_set_line(8, PID_STATUS_STARTING);
    for (int i = 0; i < kind_row_count; i++)
        if (kind_rows[i].start == START_REDO)
            start_helper(&kind_rows[i]);
    if (child_count == 0)
        RAISE_FATAL(SQLSTATE_SYSTEM_ERROR, "could not start the startup process");
}

static void
open_instance(void)
{
    state = SUP_RUN;
    was_open = true;
    after_crash = false;
    start_due();
    if (stop_mode == STOP_NOT) {
        refill_spares();
        pidfile_set_line(8, PID_STATUS_READY);
        LOG("database system is ready to accept connections");
    }
}

/* ---- stopping ---- */

static NORETURN void
finish(int code)
{
    LOG("database system is shut down");
    postmaster_exit(code);
}

static void
enter_phase(StopPhase phase)
{
    stop_phase = phase;
    if (phase >= STOP_SESSIONS)
        dismiss_spares(0);
    signal_phases(phase == STOP_SESSIONS ? STOP_HELPERS : phase, phase);
}

/* Moves to the next phase as soon as the present one has nobody left. */
static void
advance_stop(void)
{
    if (stop_mode == STOP_IMMEDIATE) {
        if (!phase_lives(STOP_LAST))
            finish(0);
        return;
    }
    if (stop_phase == STOP_HELPERS && count_children(ROLE_SESSION) == 0)
        enter_phase(STOP_SESSIONS);
    if (stop_phase == STOP_SESSIONS && !phase_lives(STOP_SESSIONS)) {
        if (was_open && !kind_lives(kind_row(PROC_CHECKPOINTER)))
            start_helper(kind_row(PROC_CHECKPOINTER));
        enter_phase(STOP_CHECKPOINT);
    }
    if (stop_phase == STOP_CHECKPOINT && !phase_lives(STOP_CHECKPOINT))
        enter_phase(STOP_LAST);
    if (stop_phase == STOP_LAST && !phase_lives(STOP_LAST))
        finish(0);
}

static void
begin_stop(void)
{
    state = SUP_STOPPING;
    if (stop_mode == STOP_SMART) {
        dismiss_spares(0);
        enter_phase(STOP_HELPERS);
    } else {
        if (was_open)
            LOG("aborting any active transactions");
        enter_phase(STOP_SESSIONS);
    }
    advance_stop();
}

void
supervisor_stop(StopMode mode)
{
    static const char *const names[] = {"", "smart", "fast", "immediate"};
    if (mode <= stop_mode)
        return;
    stop_mode = mode;
    LOG("received %s shutdown request", names[mode]);
    pidfile_set_line(8, PID_STATUS_STOPPING);
    if (mode == STOP_IMMEDIATE) {
        if (state != SUP_CRASH)
            state = SUP_STOPPING;
        signal_all(SIGQUIT);
        kill_at_us = clock_monotonic_us() + KILL_AFTER_US;
        advance_stop();
    } else if (state == SUP_RUN || (state == SUP_STARTUP && mode == STOP_FAST) || state == SUP_STOPPING) {
        begin_stop();
    } /* a smart stop waits for redo to end; a crash goes on, and then it ends */
}

/* ---- crash ---- */

static void
begin_crash(void)
{
    if (state == SUP_CRASH || stop_mode == STOP_IMMEDIATE)
        return;
    LOG("terminating any other active server processes");
    state = SUP_CRASH;
    after_crash = true;
    signal_all(SIGQUIT);
    kill_at_us = clock_monotonic_us() + KILL_AFTER_US;
}

static void
restart_after(void)
{
    if (child_count > 0)
        return;
    if (stop_mode != STOP_NOT) {
        LOG("abnormal database system shutdown");
        finish(1);
    }
    if (!restart_after_crash) {
        LOG("shutting down because restart_after_crash is off");
        finish(1);
    }
    LOG("all server processes terminated; reinitializing");
    shm_reinit();
    supervisor_start();
}

/* ---- exits ---- */

static void
log_exit(const Child *c, int status)
{
    char activity[PROC_ACTIVITY_BYTES] = "";
    ProcSlot *slot = proc_find_pid((uint32_t)c->pid);
    if (slot == NULL || !proc_read_activity(slot, activity))
        activity[0] = '\0';
    if (WIFSIGNALED(status))
        REPORT(LEVEL_LOG, SQLSTATE_SUCCESS,
               err_message("%s (PID %d) was terminated by signal %d: %s", c->row->log_name, (int)c->pid,
                           WTERMSIG(status), strsignal(WTERMSIG(status))),
               activity[0] ? err_detail("Failed process was running: %s", activity) : (void)0);
    else
        REPORT(LEVEL_LOG, SQLSTATE_SUCCESS,
               err_message("%s (PID %d) exited with exit code %d", c->row->log_name, (int)c->pid, WEXITSTATUS(status)),
               activity[0] ? err_detail("Failed process was running: %s", activity) : (void)0);
}

static bool
exit_is_normal(const Child *c, int status)
{
    if (!WIFEXITED(status))
        return false;
    if (WEXITSTATUS(status) == 0)
        return true;
    return WEXITSTATUS(status) == 1 && c->row->exit_policy == EXIT_SESSION;
}

void
supervisor_look(void)
{
    if (access(PROMOTE_SIGNAL_FILE, F_OK) != 0)
        return;
    for (int i = 0; i < child_count; i++)
        if (children[i].row->kind == PROC_STARTUP)
            kill(children[i].pid, SIGUSR2);
}

/* The startup process decides what becomes of the instance. */
static void
startup_exited(const Child *c, int status)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        open_instance();
        if (stop_mode != STOP_NOT)
            begin_stop();
        return;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == WAL_EXIT_AT_TARGET) {
        LOG("shutdown at recovery target");
        finish(0);
    }
    if (stop_mode == STOP_NOT || !WIFEXITED(status) || WEXITSTATUS(status) != 1) {
        log_exit(c, status);
        LOG("aborting startup due to startup process failure");
        signal_all(SIGQUIT);
        finish(1);
    }
    advance_stop();
}

void
supervisor_child_exited(pid_t pid, int status)
{
    int at = 0;
    while (at < child_count && children[at].pid != pid)
        at++;
    if (at == child_count)
        return;
    Child c = children[at];
    children[at] = children[--child_count];
    if (c.channel >= 0)
        close(c.channel);
    if (c.row->start == START_RUN && c.row->restart_delay_ms)
        start_again_us[c.row - kind_rows] = clock_monotonic_us() + (uint64_t)c.row->restart_delay_ms * 1000;

    if (state == SUP_CRASH) {
        restart_after();
    } else if (stop_mode == STOP_IMMEDIATE) {
        advance_stop();
    } else if (c.row->start == START_REDO) {
        startup_exited(&c, status);
    } else if (!exit_is_normal(&c, status)) {
        log_exit(&c, status);
        begin_crash();
        restart_after();
    } else {
        if (c.role == ROLE_HELPER && c.row->start == START_RUN && WEXITSTATUS(status) != 0)
            log_exit(&c, status);
        if (state == SUP_STOPPING)
            advance_stop();
    }
}

void
supervisor_reload(void)
{
    for (int i = 0; i < child_count; i++)
        if (children[i].row->hears_reload)
            kill(children[i].pid, SIGHUP);
    if (!autovacuum_enabled)
        for (int i = 0; i < child_count; i++)
            if (children[i].row->kind == PROC_AUTOVAC_LAUNCHER)
                kill(children[i].pid, SIGTERM);
}

long
supervisor_tick(void)
{
    uint64_t now = clock_monotonic_us();
    if (kill_at_us && now >= kill_at_us) {
        if (child_count > 0) {
            LOG("issuing SIGKILL to recalcitrant children");
            signal_all(SIGKILL);
        }
        kill_at_us = 0;
    }
    if (state == SUP_RUN || (state == SUP_STOPPING && stop_mode == STOP_SMART && stop_phase == STOP_HELPERS)) {
        start_due();
        if (stop_mode == STOP_NOT)
            refill_spares();
    }
    uint64_t next = UINT64_MAX;
    if (kill_at_us)
        next = kill_at_us;
    if (fork_again_us > now)
        next = MIN(next, fork_again_us);
    for (int i = 0; i < kind_row_count; i++)
        if (start_again_us[i] > now)
            next = MIN(next, start_again_us[i]);
    return next == UINT64_MAX ? -1 : (long)((next - now) / 1000 + 1);
}
