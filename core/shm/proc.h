/*
 * Process slots: what others must know of, or clean up after, a process. Written by the owner unless
 * a field says otherwise. Slots are never freed; a free slot has pid 0.
 *
 * Fields on the hot paths of different modules stand on cache lines of their own.
 */
#ifndef CORE_SHM_PROC_H
#define CORE_SHM_PROC_H

#include <stdatomic.h>

#include "core/base/limits.h"
#include "core/shm/wait.h"

typedef enum ProcKind { /* pg_stat_activity.backend_type follows; the table of kinds is procs/kinds.c */
    PROC_NONE = 0,
    PROC_POSTMASTER, PROC_BACKEND, PROC_STARTUP, PROC_CHECKPOINTER, PROC_BGWRITER, PROC_WALWRITER,
    PROC_ARCHIVER, PROC_AUTOVAC_LAUNCHER, PROC_AUTOVAC_WORKER, PROC_LOGICAL_LAUNCHER, PROC_WALSENDER,
    PROC_WALRECEIVER, PROC_BGWORKER, PROC_STATS, PROC_STANDALONE,
    PROC_KIND_COUNT
} ProcKind;

typedef enum ProcState { STATE_UNDEFINED, STATE_IDLE, STATE_RUNNING, STATE_IDLE_IN_XACT, STATE_FASTPATH, STATE_IDLE_ABORTED, STATE_DISABLED } ProcState;

/* wait_event: class in the high byte, number below. Names: core/shm/wait_events.def. */
#define WAIT_CLASS_NONE 0u
#define WAIT_CLASS_LWLOCK 0x01000000u
#define WAIT_CLASS_LOCK 0x03000000u
#define WAIT_CLASS_BUFFERPIN 0x04000000u
#define WAIT_CLASS_ACTIVITY 0x05000000u
#define WAIT_CLASS_CLIENT 0x06000000u
#define WAIT_CLASS_IPC 0x08000000u
#define WAIT_CLASS_TIMEOUT 0x09000000u
#define WAIT_CLASS_IO 0x0A000000u

enum { /* WAIT_EVENT_CLIENT_READ and so on: class and number in one word */
#define WAIT_EVENT(class, number, ident, text) WAIT_EVENT_##ident = WAIT_CLASS_##class | (number),
#include "core/shm/wait_events.def"
#undef WAIT_EVENT
};

#define PROC_ACTIVITY_BYTES 1024
#define PROC_PROGRESS_PARAMS 20
typedef enum ProcProgressCommand { PROGRESS_NONE, PROGRESS_VACUUM, PROGRESS_ANALYZE, PROGRESS_CLUSTER, PROGRESS_CREATE_INDEX, PROGRESS_BASEBACKUP, PROGRESS_COPY } ProcProgressCommand;
#define PROC_SUBXIDS_MAX 64

typedef struct ProcSlot {
    /* line 0: identity */
    _Atomic uint32_t pid;        /* 0: free. claimed by CAS in proc_attach */
    _Atomic uint32_t kind;       /* ProcKind */
    uint32_t index;              /* position in the slot array */
    uint32_t cancel_key;
    _Atomic Oid database;
    _Atomic Oid role;
    _Atomic uint32_t wait_event; /* relaxed: observers only */
    _Atomic uint32_t critical;   /* > 0 while shared state is being changed */
    _Atomic uint32_t state;      /* ProcState */
    _Atomic uint32_t flags;      /* PROC_FLAG_* */
    Latch latch;

    /* line: WAL insertion (walmgr): lower bound of what is still being copied; UINT64_MAX: idle */
    CACHE_ALIGNED _Atomic Lsn wal_inserting_at;
    _Atomic uint32_t wal_insert_phase; /* FPI epoch the current insertion read; 0 idle */
    _Atomic Lsn wal_waiting_for;       /* flush target while sleeping, 0 none */

    /* line: transaction (txn) */
    CACHE_ALIGNED _Atomic Xid xid;      /* top transaction's id, 0 none */
    _Atomic Lsn snapshot_lsn;           /* oldest snapshot in use, UINT64_MAX none: vacuum horizon */
    _Atomic Xid xmin;                   /* oldest xid that may be in progress for that snapshot */
    uint64_t local_xact;                /* virtual transaction id: counter */
    _Atomic uint32_t xact_flags;
    _Atomic TimestampTz xact_start, statement_start, state_change, backend_start;

    /* line: sleeping on an LWLock or content lock (lockmgr) */
    CACHE_ALIGNED WaitWord lw_wait;     /* futex word */
    uint32_t lw_next;                   /* wait list link, slot index + 1 */
    uint32_t lw_mode;
    uint32_t lw_held_count;
    void *lw_held[LW_HELD_MAX];         /* for crash containment and debugging */

    /* heavyweight lock wait (lockmgr) */
    CACHE_ALIGNED WaitWord lock_wait;
    _Atomic uint32_t lock_wait_state;   /* 0 not waiting, 1 waiting, 2 granted, 3 deadlock victim */
    void *lock_waiting_for;             /* under the partition lock */
    uint64_t lock_private[96];          /* fast-path relation locks and links; layout in lockmgr */

    /* bufmgr: own pins as (buffer, count) pairs; layout in bufmgr */
    CACHE_ALIGNED uint64_t buf_private[64];
    _Atomic uint32_t buf_pins_beyond;   /* pins that did not fit there: known to the process only */

    /* observers */
    char user_name[NAME_BYTES], database_name[NAME_BYTES], application_name[NAME_BYTES], client_addr[64];
    int client_port;
    _Atomic uint32_t activity_seq;      /* seqlock around activity */
    char activity[PROC_ACTIVITY_BYTES];
    _Atomic Oid temp_nsp;               /* the session's schema of temporary objects, 0 none */
    _Atomic uint32_t progress_command;  /* ProcProgressCommand */
    _Atomic Oid progress_rel;
    _Atomic int64_t progress[PROC_PROGRESS_PARAMS]; /* meaning by command, as PostgreSQL's views read them */
} ProcSlot;

#define PROC_FLAG_IN_VACUUM 1u
#define PROC_FLAG_WALSENDER 2u

extern ProcSlot *proc_slots; /* array in SHM_CONTROL */
extern int proc_slot_count;
extern PROCESS_LOCAL ProcSlot *proc_self;  /* NULL in the postmaster */

/* max_connections, superuser_reserved_connections, max_worker_processes, autovacuum_max_workers,
 * max_wal_senders, update_process_title, track_activity_query_size. */
void proc_settings_register(void);
extern int max_connections, superuser_reserved_connections, max_worker_processes, autovacuum_max_workers,
    max_wal_senders;
void proc_shm_register(void); /* also registers the settings */
/* Claims a free slot for this process. ERR_NO_SLOT: raise 53300 naming max_connections. */
ErrCode proc_attach(ProcKind kind) MUST_USE;
void proc_detach(void);      /* idempotent; last act of a process */
/* For whoever reaps a dead process: frees its slot after its locks, pins and transaction are gone. */
void proc_free_dead(ProcSlot *slot);
ProcSlot *proc_find_pid(uint32_t pid); /* NULL: no slot has it */
/* A process may attach without a postmaster (tests, initdb): pid is enough. */

static inline void
proc_wait_begin(uint32_t event)
{
    if (proc_self) /* relaxed: read by observers only */
        atomic_store_explicit(&proc_self->wait_event, event, memory_order_relaxed);
}
static inline void
proc_wait_end(void)
{
    proc_wait_begin(0);
}
/* Critical section: nothing inside raises, allocates or sleeps on a latch; an error is a PANIC. */
extern PROCESS_LOCAL int critical_depth; /* process-local mirror */
static inline void
critical_enter(void)
{
    critical_depth++;
    if (proc_self)
        atomic_store_explicit(&proc_self->critical, (uint32_t)critical_depth, memory_order_relaxed);
}
static inline void
critical_leave(void)
{
    critical_depth--;
    if (proc_self)
        atomic_store_explicit(&proc_self->critical, (uint32_t)critical_depth, memory_order_relaxed);
}
void proc_set_title(const char *fmt, ...) PRINTF_LIKE(1, 2); /* what ps shows: postgres: ... */
void proc_set_title_activity(const char *activity); /* replaces what follows the title last set */
void proc_title_settings_register(void); /* proc_settings_register calls it */
void proc_title_init(int argc, char **argv);
void proc_set_activity(ProcState state, const char *query /* NULL keeps it */);
/* How far a long command is: pg_stat_progress_*. begin zeroes all; i counts from 0. */
void proc_progress_begin(ProcProgressCommand command, Oid rel);
void proc_progress_end(void);
static inline void
proc_progress_set(int i, int64_t value)
{
    if (proc_self) /* relaxed: observers only */
        atomic_store_explicit(&proc_self->progress[i], value, memory_order_relaxed);
}
ProcProgressCommand proc_progress_command(const char *name); /* "VACUUM" ...; PROGRESS_NONE: no such */
/* A consistent copy of a slot's activity text; false when the slot is free. */
bool proc_read_activity(const ProcSlot *slot, char out[PROC_ACTIVITY_BYTES]);
const char *wait_event_name(uint32_t event);
const char *wait_event_class_name(uint32_t event);

/* At exit of a process, in reverse order of registration; also run after a FATAL. What is registered already is so once. */
void proc_on_exit(void (*fn)(void *arg), void *arg);
NORETURN void proc_exit(int code);
void proc_exit_reset(void); /* a child after fork: forget the parent's callbacks */
/* As proc_exit, but the process goes on without a slot and may attach again: the callbacks run, what waits of interrupts stays. */
void proc_retire(void);

#endif
