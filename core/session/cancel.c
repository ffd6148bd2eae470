/*
 * A cancel request: a connection of its own that names a session by process id and secret key. The
 * session's process gets SIGINT; whether a statement is running is for that process to find out.
 */
#include <errno.h>
#include <signal.h>

#include "core/session/session_internal.h"

void
session_forward_cancel(uint32_t pid, uint32_t key)
{
    ProcSlot *s = proc_find_pid(pid);
    /* acquire: the slot is filled before its kind is set; pairs with proc_attach */
    if (s == NULL || atomic_load_explicit(&s->kind, memory_order_acquire) != PROC_BACKEND) {
        LOG("PID %u in cancel request did not match any process", pid);
        return;
    }
    if (s->cancel_key != key) {
        LOG("wrong key in cancel request for process %u", pid);
        return;
    }
    if (kill((pid_t)pid, SIGINT) != 0)
        LOG("could not send signal to process %u: %m", pid);
}
