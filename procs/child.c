/*
 * What every child does between its fork and its own work: lets go of what is the postmaster's, sets
 * its signals, takes a slot; and how auxiliary processes act on signals.
 *
 * All signals are blocked in the postmaster (it reads them from a signalfd), so none can arrive here
 * before its handler stands. Handlers only set flags and the latch. SIGQUIT, which a crash or an
 * immediate stop sends, ends the process at once: shared memory is not to be trusted, redo follows.
 * The kernel sends the same signal when the postmaster dies, so that no orphan goes on writing.
 */
#define _GNU_SOURCE
#include "procs/procs.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "bufmgr/bufmgr.h"
#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/interrupt.h"
#include "core/base/log.h"
#include "core/base/settings.h"
#include "walmgr/walmgr.h"

static void
wake_self(void)
{
    if (proc_self)
        latch_set(&proc_self->latch);
}

static void
on_reload(int sig)
{
    interrupts_raise(INTERRUPT_RELOAD);
    wake_self();
}

static void
on_cancel(int sig)
{
    interrupts_raise(INTERRUPT_CANCEL);
    wake_self();
}

static void
on_terminate(int sig)
{
    interrupts_raise(INTERRUPT_TERMINATE);
    wake_self();
}

static void
on_quit(int sig)
{
    if (wal_command_group > 0)
        kill(-(pid_t)wal_command_group, SIGTERM);
    _exit(2);
}

volatile sig_atomic_t child_finish;

static void
on_promote(int sig)
{
    wal_promote_signaled = 1;
    wake_self();
}

static void
on_finish(int sig)
{
    child_finish = 1;
    wal_checkpointer_stop = 1;
    wake_self();
}

/* No SA_RESTART: a futex or socket wait is to end, so that its caller looks at the flags. */
static void
handle(int sig, void (*fn)(int))
{
    struct sigaction sa = {.sa_handler = fn};
    sigfillset(&sa.sa_mask);
    sigdelset(&sa.sa_mask, SIGQUIT);
    sigaction(sig, &sa, NULL);
}

static void
set_signals(const KindRow *row)
{
    sigset_t none;
    handle(SIGHUP, row->hears_reload ? on_reload : SIG_IGN);
    handle(SIGINT, row->hears_cancel ? on_cancel : SIG_IGN);
    /* A stop of the whole machine sends SIGTERM to everybody: who has a later phase waits for its own. */
    handle(SIGTERM, row->stop_signal == SIGTERM ? on_terminate : SIG_IGN);
    handle(SIGQUIT, on_quit);
    handle(SIGUSR1, SIG_IGN);
    handle(SIGUSR2, row->kind == PROC_STARTUP ? on_promote : row->stop_signal == SIGUSR2 ? on_finish : SIG_IGN);
    handle(SIGPIPE, SIG_IGN);
    handle(SIGCHLD, SIG_DFL);
    handle(SIGALRM, SIG_IGN);
    sigemptyset(&none);
    sigaddset(&none, SIGURG); /* latches read it from a signalfd */
    sigprocmask(SIG_SETMASK, &none, NULL);
}

void
server_reload(void)
{
    Arena *a = arena_create(arena_top(), "reload");
    settings_load_files(arena_strdup(a, setting_config_file), true);
    arena_destroy(a);
}

void
child_process_interrupts(void)
{
    unsigned pending = (unsigned)interrupts_pending;
    if (pending & INTERRUPT_TERMINATE) {
        interrupts_clear(INTERRUPT_TERMINATE);
        proc_exit(0);
    }
    interrupts_clear(INTERRUPT_CANCEL);
    if (pending & INTERRUPT_RELOAD) {
        interrupts_clear(INTERRUPT_RELOAD);
        server_reload();
    }
}

/* What a process of this kind may still hold goes before its slot does. */
static void
release_all(void *arg)
{
    lw_release_all();
    lock_release_all(true);
    buf_release_all_pins();
}

void
child_release_at_exit(void)
{
    proc_on_exit(release_all, NULL);
}

void
child_begin(const KindRow *row, bool attach)
{
    pid_t parent = getppid();
    postmaster_death_watch_child();
    supervisor_forget_in_child();
    postmaster_forget_in_child();
    proc_exit_reset();
    err_top = NULL;
    proc_self = NULL;
    settings_under_postmaster = true;
    interrupts_clear(~0u);
    interrupts_held = 0;
    interrupts_process = child_process_interrupts;
    log_identity.backend_type = row->name;
    FAULT_SET_KIND(row->name);
    log_identity.session_start_us = (uint64_t)(clock_now() + CLOCK_PG_EPOCH_UNIX_S * 1000000);
    set_signals(row);
    prctl(PR_SET_PDEATHSIG, SIGQUIT);
    if (getppid() != parent || !postmaster_is_alive())
        _exit(2);
    if (row->title)
        proc_set_title("postgres: %s", row->title);
    if (!attach)
        return;
    RAISE_ON(proc_attach(row->kind));
    child_release_at_exit();
    modules_process_init();
}
