/*
 * The housekeeping processes. Each is a loop over its module's unit of work and the own latch; what
 * goes wrong in one round is logged and tried again, as long as shared state is sound.
 */
#include "procs/procs.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bufmgr/bufmgr.h"
#include "core/base/interrupt.h"
#include "core/base/settings.h"
#include "core/stats/stats.h"
#include "core/txn/txn.h"
#include "walmgr/walmgr.h"

#define HIBERNATE_FACTOR 5      /* an idle background writer wakes this much less often */
#define WALWRITER_IDLE_ROUNDS 50
#define WALWRITER_IDLE_FACTOR 25

/* ---- startup ---- */

/* Files of sorts and hashes that no longer have an owner. */
static void
remove_temporary_files(void)
{
    static const char dir[] = "base/pgsql_tmp";
    char path[512];
    DIR *d = opendir(dir);
    if (d == NULL)
        return;
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        if (strncmp(e->d_name, "pgsql_tmp", 9) != 0)
            continue;
        snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
        if (unlink(path) != 0)
            LOG("could not remove file \"%s\": %m", path);
    }
    closedir(d);
}

/* Counts of before a crash would be older than the data. */
static void
load_statistics(void)
{
    ControlFile c;

    if (control_read(&c) == ERR_OK && (c.state == DB_SHUTDOWNED || c.state == DB_SHUTDOWNED_IN_RECOVERY))
        stats_load();
    else
        stats_discard_file();
}

/* A stop in the middle of recovery: the next start goes on. Exit 0 would mean that it is done. */
static void
startup_interrupts(void)
{
    if (interrupts_pending & INTERRUPT_TERMINATE) {
        wal_recovery_interrupted();
        proc_exit(1);
    }
    child_process_interrupts();
}

void
startup_main(void)
{
    child_begin(kind_row(PROC_STARTUP), true);
    interrupts_process = startup_interrupts;
    remove_temporary_files();
    load_statistics();
    wal_startup();
    txn_startup();
    proc_exit(0);
}

/* ---- checkpointer ---- */

/* An error that gets out of the loop (a failed write: run again; the module has said why). */
bool
run_protected(void (*fn)(void))
{
    volatile bool ok = true;
    ERR_TRY
    {
        fn();
    }
    ERR_CATCH
    {
        ok = false;
        interrupts_held++;
        err_emit(err_current());
        err_clear();
        lw_release_all();
        buf_release_all_pins();
        interrupts_held = 0;
    }
    ERR_END;
    return ok;
}

static void
shutdown_checkpoint(void)
{
    if (wal_archiving()) /* all but the checkpoint record itself can be archived before the end */
        wal_switch_and_flush();
    wal_checkpoint(CHECKPOINT_IS_SHUTDOWN | CHECKPOINT_IMMEDIATE);
}

void
checkpointer_main(void)
{
    child_begin(kind_row(PROC_CHECKPOINTER), true);
    while (!run_protected(wal_checkpointer_main_loop))
        latch_wait(WAIT_TIMEOUT, -1, 1000, WAIT_EVENT_CHECKPOINTER_MAIN);
    LOG("shutting down");
    /* What cannot be written now is redone at the next start: the exit says so. */
    if (!run_protected(shutdown_checkpoint))
        proc_exit(1);
    (void)stats_report(true, 0);
    run_protected(stats_save);
    proc_exit(0);
}

/* ---- background writer and WAL writer ---- */

static bool round_result;

static void
bgwriter_round(void)
{
    CHECK_INTERRUPTS();
    round_result = buf_bgwriter_round();
}

static int
setting_int(const char *name, int otherwise)
{
    const SettingDef *def = settings_find_def(name);
    return def && def->type == SETTING_INT ? *(int *)def->variable : otherwise;
}

void
bgwriter_main(void)
{
    child_begin(kind_row(PROC_BGWRITER), true);
    for (;;) {
        latch_reset(&proc_self->latch);
        round_result = false;
        bool ok = run_protected(bgwriter_round);
        (void)stats_report(false, 0);
        long delay = !ok ? 1000 : setting_int("bgwriter_delay", 200) * (round_result ? HIBERNATE_FACTOR : 1);
        latch_wait(WAIT_LATCH | WAIT_TIMEOUT, -1, delay,
                   round_result ? WAIT_EVENT_BGWRITER_HIBERNATE : WAIT_EVENT_BGWRITER_MAIN);
    }
}

static void
walwriter_round(void)
{
    CHECK_INTERRUPTS();
    round_result = wal_background_flush();
}

void
walwriter_main(void)
{
    int idle = 0;
    child_begin(kind_row(PROC_WALWRITER), true);
    for (;;) {
        latch_reset(&proc_self->latch);
        round_result = false;
        run_protected(walwriter_round);
        (void)stats_report(false, 0);
        idle = round_result ? 0 : idle + 1;
        long delay = (long)wal_writer_delay_ms * (idle > WALWRITER_IDLE_ROUNDS ? WALWRITER_IDLE_FACTOR : 1);
        latch_wait(WAIT_LATCH | WAIT_TIMEOUT, -1, delay, WAIT_EVENT_WALWRITER_MAIN);
    }
}

/* ---- logical replication launcher ---- */

/* There are no subscriptions yet (CREATE SUBSCRIPTION says so), so there is nothing to launch. */
void
logical_launcher_main(void)
{
    child_begin(kind_row(PROC_LOGICAL_LAUNCHER), true);
    for (;;) {
        latch_reset(&proc_self->latch);
        if (interrupts_pending & INTERRUPT_TERMINATE)
            proc_exit(1); /* as background workers do: the log shows it */
        CHECK_INTERRUPTS();
        latch_wait(WAIT_LATCH | WAIT_TIMEOUT, -1, 180000, WAIT_EVENT_LOGICAL_LAUNCHER_MAIN);
    }
}
