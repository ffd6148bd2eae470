/*
 * Process slots: an array in SHM_CONTROL. Sessions take from the first max_connections slots, every
 * other kind of process from the rest, so that neither can use up the other's. A slot is claimed by
 * a compare-and-swap of its pid from 0.
 */
#define _GNU_SOURCE
#include "core/shm/proc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/interrupt.h"
#include "core/base/settings.h"
#include "core/base/str.h"
#include "core/shm/shm.h"

/* Startup, checkpointer, background writer, WAL writer, archiver, WAL receiver, launchers, statistics,
 * and as many again: at a restart of one, the old slot may not be free yet. */
#define AUXILIARY_SLOTS 20
#define EXIT_CALLBACKS_MAX 64

ProcSlot *proc_slots;
int proc_slot_count;
PROCESS_LOCAL ProcSlot *proc_self;

int max_connections = 100;
int superuser_reserved_connections = 3;
int max_worker_processes = 8;
int autovacuum_max_workers = 3;
int max_wal_senders = 10;
static int activity_query_size = PROC_ACTIVITY_BYTES;

static bool
check_activity_size(const SettingDef *def, const char **value, SettingSource source)
{
    int v;
    if (settings_parse_int(*value, &v, UNIT_BYTE, NULL) && v <= PROC_ACTIVITY_BYTES)
        return true;
    settings_check_error("This server keeps at most %d bytes.", PROC_ACTIVITY_BYTES);
    return false;
}

#define CONNECTIONS "Connections and Authentication / Connection Settings"

static const SettingDef proc_settings[] = {
    {.name = "max_connections", .type = SETTING_INT, .context = CONTEXT_POSTMASTER, .group = CONNECTIONS,
     .description = "How many sessions there may be at once.", .variable = &max_connections,
     .boot = "100", .min = 1, .max = MAX_PROCS_LIMIT},
    {.name = "superuser_reserved_connections", .type = SETTING_INT, .context = CONTEXT_POSTMASTER,
     .group = CONNECTIONS, .description = "How many of them are kept for superusers.",
     .variable = &superuser_reserved_connections, .boot = "3", .min = 0, .max = MAX_PROCS_LIMIT},
    {.name = "max_worker_processes", .type = SETTING_INT, .context = CONTEXT_POSTMASTER,
     .group = "Resource Usage / Asynchronous Behavior",
     .description = "How many background workers there may be at once.", .variable = &max_worker_processes,
     .boot = "8", .min = 0, .max = 1024},
    {.name = "autovacuum_max_workers", .type = SETTING_INT, .context = CONTEXT_POSTMASTER, .group = "Autovacuum",
     .description = "How many autovacuum workers there may be at once.", .variable = &autovacuum_max_workers,
     .boot = "3", .min = 1, .max = 1024},
    {.name = "max_wal_senders", .type = SETTING_INT, .context = CONTEXT_POSTMASTER,
     .group = "Replication / Sending Servers",
     .description = "How many processes may send WAL at once.", .variable = &max_wal_senders, .boot = "10",
     .min = 0, .max = 1024},
    {.name = "track_activity_query_size", .type = SETTING_INT, .context = CONTEXT_POSTMASTER, .unit = UNIT_BYTE,
     .group = "Statistics / Cumulative Query and Index Statistics",
     .description = "How much of a statement pg_stat_activity shows.", .variable = &activity_query_size,
     .boot = "1024", .min = 100, .max = 1048576, .check = check_activity_size},
};

void
proc_settings_register(void)
{
    settings_register(proc_settings, COUNT_OF(proc_settings));
    proc_title_settings_register();
}

static int
slots_needed(void)
{
    return max_connections + max_worker_processes + autovacuum_max_workers + max_wal_senders + AUXILIARY_SLOTS;
}

static size_t
slots_bytes(void)
{
    return sizeof(ProcSlot) * (size_t)slots_needed();
}

static void
clear_slot(ProcSlot *s)
{
    /* relaxed: nobody looks at a slot whose pid is 0; the claim's and the release's order suffices */
    atomic_store_explicit(&s->database, 0, memory_order_relaxed);
    atomic_store_explicit(&s->role, 0, memory_order_relaxed);
    atomic_store_explicit(&s->wait_event, 0, memory_order_relaxed);
    atomic_store_explicit(&s->critical, 0, memory_order_relaxed);
    atomic_store_explicit(&s->state, STATE_UNDEFINED, memory_order_relaxed);
    atomic_store_explicit(&s->flags, 0, memory_order_relaxed);
    atomic_store_explicit(&s->wal_inserting_at, UINT64_MAX, memory_order_relaxed);
    atomic_store_explicit(&s->wal_insert_phase, 0, memory_order_relaxed);
    atomic_store_explicit(&s->wal_waiting_for, 0, memory_order_relaxed);
    atomic_store_explicit(&s->xid, XID_INVALID, memory_order_relaxed);
    atomic_store_explicit(&s->snapshot_lsn, UINT64_MAX, memory_order_relaxed);
    atomic_store_explicit(&s->xmin, XID_INVALID, memory_order_relaxed);
    atomic_store_explicit(&s->xact_flags, 0, memory_order_relaxed);
    atomic_store_explicit(&s->xact_start, 0, memory_order_relaxed);
    atomic_store_explicit(&s->statement_start, 0, memory_order_relaxed);
    atomic_store_explicit(&s->state_change, 0, memory_order_relaxed);
    atomic_store_explicit(&s->lw_wait, 0, memory_order_relaxed);
    atomic_store_explicit(&s->lock_wait, 0, memory_order_relaxed);
    atomic_store_explicit(&s->lock_wait_state, 0, memory_order_relaxed);
    s->lw_next = s->lw_mode = s->lw_held_count = 0;
    s->lock_waiting_for = NULL;
    memset(s->buf_private, 0, sizeof(s->buf_private));
    atomic_store_explicit(&s->buf_pins_beyond, 0, memory_order_relaxed); /* relaxed: as the rest of the slot */
    s->user_name[0] = s->database_name[0] = s->application_name[0] = s->client_addr[0] = '\0';
    s->client_port = 0;
    s->activity[0] = '\0';
    atomic_store_explicit(&s->temp_nsp, 0, memory_order_relaxed);
    atomic_store_explicit(&s->progress_command, PROGRESS_NONE, memory_order_relaxed);
    /* local_xact goes on counting and lock_private is the lock manager's: both outlive the process */
}

static void
init_slots(void *base)
{
    proc_slots = base;
    proc_slot_count = slots_needed();
    proc_self = NULL;
    for (int i = 0; i < proc_slot_count; i++) {
        proc_slots[i].index = (uint32_t)i;
        clear_slot(&proc_slots[i]);
    }
}

void
proc_shm_register(void)
{
    static const ShmRequest request = {
        .name = "process slots", .segment = SHM_CONTROL, .size = slots_bytes, .init = init_slots};
    proc_settings_register();
    shm_register(&request);
}

static ProcSlot *
claim(int from, int to)
{
    uint32_t pid = (uint32_t)getpid();
    for (int i = from; i < to; i++) {
        uint32_t expected = 0;
        /* relaxed look: only a hint. acquire on success: the former owner's last writes come first;
         * pairs with the release in proc_detach */
        if (atomic_load_explicit(&proc_slots[i].pid, memory_order_relaxed) == 0 &&
            atomic_compare_exchange_strong_explicit(&proc_slots[i].pid, &expected, pid, memory_order_acquire,
                                                    memory_order_relaxed))
            return &proc_slots[i];
    }
    return NULL;
}

ErrCode
proc_attach(ProcKind kind)
{
    ASSERT(proc_slots != NULL && proc_self == NULL);
    bool session = kind == PROC_BACKEND || kind == PROC_STANDALONE;
    int sessions = MIN(max_connections, proc_slot_count);
    ProcSlot *s = session ? claim(0, sessions) : claim(sessions, proc_slot_count);
    if (s == NULL)
        return ERR_NO_SLOT;
    clear_slot(s);
    if (getrandom(&s->cancel_key, sizeof(s->cancel_key), 0) != sizeof(s->cancel_key))
        s->cancel_key = (uint32_t)(clock_monotonic_us() * 2654435761u);
    latch_own(&s->latch);
    /* relaxed: for observers */
    atomic_store_explicit(&s->backend_start, clock_now(), memory_order_relaxed);
    /* release: an observer that sees the kind sees the slot cleared; pairs with acquire readers */
    atomic_store_explicit(&s->kind, kind, memory_order_release);
    critical_depth = 0;
    proc_self = s;
    return ERR_OK;
}

static void
free_slot(ProcSlot *s)
{
    latch_disown(&s->latch);
    clear_slot(s);
    atomic_store_explicit(&s->kind, PROC_NONE, memory_order_relaxed); /* relaxed: before the release below */
    /* release: the slot is clean before it is free; pairs with the acquire in claim */
    atomic_store_explicit(&s->pid, 0, memory_order_release);
}

void
proc_free_dead(ProcSlot *slot)
{
    free_slot(slot);
}

ProcSlot *
proc_find_pid(uint32_t pid)
{
    for (int i = 0; i < proc_slot_count && pid != 0; i++)
        /* acquire: the slot's fields are those of that process; pairs with claim and proc_attach */
        if (atomic_load_explicit(&proc_slots[i].pid, memory_order_acquire) == pid)
            return &proc_slots[i];
    return NULL;
}

void
proc_detach(void)
{
    ProcSlot *s = proc_self;
    if (s == NULL)
        return;
    /* A child that was forked from the owner does not own the slot. relaxed: own pid or not */
    proc_self = NULL;
    if (atomic_load_explicit(&s->pid, memory_order_relaxed) != (uint32_t)getpid())
        return;
    free_slot(s);
}

/* --- what observers see ------------------------------------------------------------------------ */

void
proc_set_activity(ProcState state, const char *query)
{
    ProcSlot *s = proc_self;
    if (s == NULL)
        return;
    /* relaxed: one writer; the fences order it for readers */
    uint32_t seq = atomic_load_explicit(&s->activity_seq, memory_order_relaxed);
    atomic_store_explicit(&s->activity_seq, seq + 1, memory_order_relaxed);
    /* release: the odd number comes before the text; pairs with the acquire fence in proc_read_activity */
    atomic_thread_fence(memory_order_release);
    if (query) {
        size_t n = strnlen(query, PROC_ACTIVITY_BYTES);
        n = utf8_clip(query, n, PROC_ACTIVITY_BYTES - 1);
        memcpy(s->activity, query, n);
        s->activity[n] = '\0';
    }
    /* relaxed: observers read them one by one */
    atomic_store_explicit(&s->state, state, memory_order_relaxed);
    atomic_store_explicit(&s->state_change, clock_now(), memory_order_relaxed);
    /* release: the text comes before the even number */
    atomic_store_explicit(&s->activity_seq, seq + 2, memory_order_release);
}

bool
proc_read_activity(const ProcSlot *slot, char out[PROC_ACTIVITY_BYTES])
{
    for (int tries = 0; tries < 1000; tries++) {
        /* acquire: the text is read after the number */
        uint32_t before = atomic_load_explicit(&slot->activity_seq, memory_order_acquire);
        memcpy(out, slot->activity, PROC_ACTIVITY_BYTES);
        /* acquire fence: and before the number is read again */
        atomic_thread_fence(memory_order_acquire);
        if (!(before & 1) && atomic_load_explicit(&slot->activity_seq, memory_order_relaxed) == before)
            break;
    }
    out[PROC_ACTIVITY_BYTES - 1] = '\0'; /* a writer that died half-way leaves at worst mixed text */
    /* relaxed: the slot may be freed at any moment anyway */
    return atomic_load_explicit(&slot->pid, memory_order_relaxed) != 0;
}

void
proc_progress_begin(ProcProgressCommand command, Oid rel)
{
    ProcSlot *s = proc_self;

    if (s == NULL)
        return;
    /* relaxed, all: observers only, and a mixed picture harms nobody */
    for (int i = 0; i < PROC_PROGRESS_PARAMS; i++)
        atomic_store_explicit(&s->progress[i], 0, memory_order_relaxed);
    atomic_store_explicit(&s->progress_rel, rel, memory_order_relaxed);
    atomic_store_explicit(&s->progress_command, command, memory_order_relaxed);
}

void
proc_progress_end(void)
{
    if (proc_self)
        atomic_store_explicit(&proc_self->progress_command, PROGRESS_NONE, memory_order_relaxed);
}

ProcProgressCommand
proc_progress_command(const char *name)
{
    static const char *const names[] = {NULL, "VACUUM", "ANALYZE", "CLUSTER", "CREATE INDEX", "BASEBACKUP", "COPY"};

    for (size_t i = 1; i < COUNT_OF(names); i++)
        if (strcasecmp(name, names[i]) == 0)
            return (ProcProgressCommand)i;
    return PROGRESS_NONE;
}

/* --- the end of a process ------------------------------------------------------------------------ */

static PROCESS_LOCAL struct {
    void (*fn)(void *arg);
    void *arg;
} exit_callbacks[EXIT_CALLBACKS_MAX];
static PROCESS_LOCAL int exit_callback_count;

void
proc_on_exit(void (*fn)(void *arg), void *arg)
{
    for (int i = 0; i < exit_callback_count; i++)
        if (exit_callbacks[i].fn == fn && exit_callbacks[i].arg == arg)
            return;
    CHECK(exit_callback_count < EXIT_CALLBACKS_MAX);
    exit_callbacks[exit_callback_count].fn = fn;
    exit_callbacks[exit_callback_count].arg = arg;
    exit_callback_count++;
}

/* No cancel may interrupt the clean-up, and an error in it has nobody to go to: it is FATAL and comes to
 * proc_exit, to go on with the callbacks that are left. */
static void
run_exit_callbacks(void)
{
    err_top = NULL;
    while (exit_callback_count > 0) {
        exit_callback_count--;
        exit_callbacks[exit_callback_count].fn(exit_callbacks[exit_callback_count].arg);
    }
    proc_detach();
}

NORETURN void
proc_exit(int code)
{
    interrupts_held++;
    interrupts_clear(~0u);
    run_exit_callbacks();
    exit(code);
}

void
proc_retire(void)
{
    int held = interrupts_held++; /* callbacks that expect an end leave it raised */
    run_exit_callbacks();
    interrupts_held = held;
}

void
proc_exit_reset(void)
{
    exit_callback_count = 0;
}

static __attribute__((constructor)) void
end_fatal_by_proc_exit(void)
{
    err_fatal_hook = proc_exit;
}
