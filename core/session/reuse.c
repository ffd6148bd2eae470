/*
 * One process, one client after another: what a client may have left behind, and whether the next may come.
 *
 * The rule: after session_forget_client, proc_retire and settings_session_end (in that order, by the backend) the process
 * answers any client as a newly forked one would. What is kept on purpose are caches that invalidation keeps true (catalog
 * rows, descriptors, plans with the role and path they were made for) and open files. Whenever something happened whose
 * traces are not known one by one, the process ends instead, which costs the next client a fork and nothing else:
 *   - an internal error, data corruption, memory exhausted;
 *   - the configuration files were read again meanwhile;
 *   - the process has grown, or served long enough that a slow leak would show.
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "core/access/sequence.h"
#include "core/session/session_internal.h"
#include "core/sql/command/command.h"
#include "core/types/number.h"

#define SESSIONS_MAX 1000              /* then the fork costs each of them a thousandth */
#define PRIVATE_PAGES_MAX 16384        /* 64 MiB of private memory: a warm backend has 3 to 10 */
#define KEEP_STATEMENTS 64

static bool reusable;
static int sessions_served;

void
session_begin_reusable(void)
{
    reusable = ++sessions_served < SESSIONS_MAX;
}

void
session_not_reusable(void)
{
    reusable = false;
}

void
session_note_error(const ErrReport *r)
{
    uint32_t class = SQLSTATE_CLASS(r->sqlstate);
    if (class == SQLSTATE_CLASS(SQLSTATE_INTERNAL_ERROR) || class == SQLSTATE_CLASS(SQLSTATE_INSUFFICIENT_RESOURCES) ||
        class == SQLSTATE_CLASS(SQLSTATE_SYSTEM_ERROR))
        reusable = false;
}

void
session_drop_temporary(void)
{
    if (nsp_temp_if_any() == 0)
        return;
    interrupts_held++;
    ERR_TRY
    {
        xact_start_command();
        snapshot_push_active(snapshot_latest());
        catalog_drop_temp();
        snapshot_pop_active();
        xact_finish_command();
    }
    ERR_CATCH
    {
        /* What stays is dropped by the next one who makes a temporary schema of this slot. */
        session_note_error(err_current());
        err_emit(err_current());
        xact_abort_command();
        lw_release_all();
        err_clear();
        xact_reset();
    }
    ERR_END;
    interrupts_held--;
}

/* Private memory of the process in pages; the shared segments do not count. */
static long
private_pages(void)
{
    char text[128];
    long size, resident, shared;
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    return sscanf(text, "%ld %ld %ld", &size, &resident, &shared) == 3 ? resident - shared : 0;
}

bool
session_forget_client(void)
{
    if (!reusable || txn_in_progress() || private_pages() > PRIVATE_PAGES_MAX)
        return false;
    lock_release_all(true);
    prepared_drop_all();
    statement_cache_trim(KEEP_STATEMENTS);
    sequence_discard();
    random_forget_seed();
    command_session_end();
    session_timers_reset();
    interrupts_clear(~(INTERRUPT_TERMINATE | INTERRUPT_RELOAD));
    arena_reset(message_arena);
    session_query_text = NULL;
    return true;
}
