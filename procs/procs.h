/*
 * The processes: the postmaster with its supervisor, the kinds of process it starts, and the programs
 * around the server (initdb, pg_ctl, pg_controldata). One multi-call binary; see README.md.
 *
 * This is the top of the house: nothing includes it but the files of this folder.
 */
#ifndef PROCS_PROCS_H
#define PROCS_PROCS_H

#include <signal.h>
#include <stdio.h>
#include <sys/types.h>

#include "core/base/str.h"
#include "core/shm/proc.h"

#define PG_MAJOR "15"
#define PG_VERSION_TEXT "15.20"
#define POSTHASTE_VERSION "PostgreSQL " PG_VERSION_TEXT " (Posthaste)"
#define PROGRAM_VERSION "(PostgreSQL) " PG_VERSION_TEXT " (Posthaste)"

/* ---- programs (main.c chooses one) ---- */
int postmaster_main(int argc, char **argv);
int initdb_main(int argc, char **argv);
int pg_ctl_main(int argc, char **argv);
int pg_controldata_main(int argc, char **argv);
/* The path by which this program can be started again under another name of its own; static buffer. */
const char *program_sibling(const char *name);

/* ---- the table of kinds (kinds.c) ---- */
typedef enum StartWhen {
    START_REDO,   /* alone, before the instance opens */
    START_RUN,    /* when redo is done, and again if it ends */
    START_DEMAND  /* by a connection or by another process's wish */
} StartWhen;
typedef enum ExitPolicy {
    EXIT_STRICT,  /* anything but exit 0 counts as a crash */
    EXIT_SESSION  /* exit 1 is a FATAL of its own and harms nobody */
} ExitPolicy;
/* Shutdown: a phase begins when all processes of the one before are gone. */
typedef enum StopPhase {
    STOP_HELPERS = 1, /* at once, even while a smart stop waits for clients */
    STOP_SESSIONS,    /* sessions, and who works for them */
    STOP_CHECKPOINT,  /* alone: writes the shutdown checkpoint */
    STOP_LAST         /* after the last record is written */
} StopPhase;
typedef struct KindRow {
    ProcKind kind;
    const char *name;         /* pg_stat_activity.backend_type and in the log */
    const char *title;        /* in ps, after "postgres: "; NULL: sets its own */
    const char *log_name;     /* "checkpointer process": as the log speaks of its end */
    void (*main)(void);       /* NULL: started with a socket (backend.c) */
    StartWhen start;
    bool (*wanted)(void);     /* NULL: always */
    int restart_delay_ms;     /* between its end and its next start */
    ExitPolicy exit_policy;
    StopPhase stop_phase;
    int stop_signal;          /* how it is asked to stop in its phase */
    bool hears_reload, hears_cancel;
} KindRow;
extern const KindRow kind_rows[];
extern const int kind_row_count;
const KindRow *kind_row(ProcKind kind);

/* ---- modules (modules.c): the same registration for the server and for initdb ---- */
void modules_register(void);      /* all settings, shared memory, redo handlers, checkpoint steps */
void modules_process_init(void);  /* per process, after proc_attach */

/* ---- settings (settings.c) ---- */
void procs_settings_register(void);
extern char *listen_addresses, *unix_socket_directories, *unix_socket_group, *external_pid_file;
extern char *setting_data_directory, *setting_config_file, *setting_hba_file, *setting_ident_file;
extern int server_port, unix_socket_permissions, spare_backends, kept_backends, autovacuum_naptime_s, listen_backlog;
extern bool restart_after_crash, log_connections, log_disconnections, autovacuum_enabled;
/* Gives a setting its path made absolute; for data_directory, config_file, hba_file, ident_file. */
void settings_set_path(const char *name, const char *value);

/* ---- data directory (datadir.c, pidfile.c) ---- */
#define PID_FILE "postmaster.pid"
#define PID_STATUS_STARTING "starting"
#define PID_STATUS_STOPPING "stopping"
#define PID_STATUS_READY "ready   "
/* Refuses root, with PostgreSQL's words; exits. */
void refuse_root(const char *program);
/* Existence, ownership, mode, PG_VERSION; sets the umask. Raises FATAL. */
void datadir_check(const char *dir);
mode_t datadir_file_mode(void);
/* Takes the instance's lock and writes lines 1 to 3; FATAL if another one holds it. *stale_key: the
 * shared memory key of a dead instance, 0 none. */
void pidfile_create(uint64_t *stale_key);
void pidfile_set_line(int line, const char *text); /* 4 .. 8 */
bool pidfile_is_ours(void);                        /* the file under the name is still the locked one */
void pidfile_remove(void);
/* The lock beside a Unix socket: ERR_BUSY after *owner_pid was set when another server is using it. */
ErrCode socket_lock_create(const char *socket_path, int port, const char *dir, pid_t *owner_pid) MUST_USE;
void socket_locks_remove(void);
/* Is the pid file's lock held by a live server? For pg_ctl. *pid: line 1. */
typedef struct PidFile {
    bool exists, locked;
    long pid;
    long long start_time;
    int port;
    char socket_dir[512], host[256], status[16];
} PidFile;
bool pidfile_read(const char *data_dir, PidFile *out);

/* ---- sockets (sockets.c) ---- */
#define LISTEN_MAX 64
extern int listen_fds[LISTEN_MAX];
extern int listen_count;
void sockets_open(void);       /* all addresses and directories; FATAL when nothing is left */
void sockets_close(bool unlink_files);
bool socket_accept(int listen_fd, int *fd); /* false: nothing more, errno set */

/* ---- signals of children (child.c) ---- */
/* In the child after fork: undoes what it has of the postmaster, sets signals, titles, attaches. */
void child_begin(const KindRow *row, bool attach);
void child_release_at_exit(void); /* after proc_attach: locks and pins go before the slot */
/* What latch loops of auxiliary processes call: reload and terminate. */
void child_process_interrupts(void);
void server_reload(void); /* this process reads the files again */
/* Set by SIGUSR2 in kinds that stop by it: finish what there is, then end. */
extern volatile sig_atomic_t child_finish;

/* ---- backends (backend.c) ---- */
typedef enum Refusal { REFUSE_NOT, REFUSE_STARTUP, REFUSE_SHUTDOWN, REFUSE_RECOVERY, REFUSE_TOO_MANY } Refusal;
NORETURN void backend_main_socket(int fd);    /* forked for this client */
NORETURN void backend_main_spare(int channel);/* waits for a socket to come over the channel */
NORETURN void backend_main_refuse(int fd, Refusal why);
#define SPARE_AGAIN 'R'                       /* what a backend writes on its channel when its client has left */
bool spare_hand_over(int channel, int fd);    /* postmaster's side; false: the spare is gone */

/* ---- auxiliary processes (auxiliary.c, autovacuum.c, archiver.c) ---- */
/* Runs one round of a process's work; an ERROR is logged and what was held given back. False: error. */
bool run_protected(void (*fn)(void));
void startup_main(void);
void checkpointer_main(void);
void bgwriter_main(void);
void walwriter_main(void);
void archiver_main(void); /* archiver.c */
void autovac_launcher_main(void);
void autovac_worker_main(void);
void logical_launcher_main(void);

/* ---- supervisor (supervisor.c): state over the table of kinds; called by the reactor ---- */
typedef enum SupervisorState { SUP_STARTUP, SUP_RUN, SUP_STOPPING, SUP_CRASH } SupervisorState;
typedef enum StopMode { STOP_NOT, STOP_SMART, STOP_FAST, STOP_IMMEDIATE } StopMode;
void supervisor_start(void);                 /* enters STARTUP */
void supervisor_connection(int fd);
void supervisor_stop(StopMode mode);
void supervisor_asked(pid_t pid); /* SIGUSR1 of a child: the launcher wants a worker */
void supervisor_child_exited(pid_t pid, int status);
void supervisor_reload(void);
void supervisor_look(void); /* SIGUSR1: a promote file may be there, or recovery has changed its state */
/* What is due by time; returns milliseconds until it must be called again, -1: nothing pending. */
long supervisor_tick(void);
/* In a child: closes what belongs to the postmaster only. */
void supervisor_forget_in_child(void);
void postmaster_forget_in_child(void);
/* Asks the reactor to call supervisor_channel_readable(pid) when fd can be read; close() ends it. */
bool postmaster_watch_channel(int fd, pid_t pid);
void supervisor_channel_readable(pid_t pid);
NORETURN void postmaster_exit(int code);

/* ---- initdb's parts ---- */
typedef struct InitdbOptions {
    const char *data_dir, *user, *auth_local, *auth_host, *password;
    const char *collate, *ctype, *messages, *monetary, *numeric, *time, *wal_dir, *text_search;
    const char *time_zone; /* TZ as it was at the start: log_timezone sets it */
    bool no_sync, group_access, no_instructions, no_clean;
    int encoding;
} InitdbOptions;
void initdb_write_files(const InitdbOptions *o);     /* configuration files (initdb_files.c) */
void initdb_fill_cluster(const InitdbOptions *o);    /* catalogs and databases (initdb_cluster.c); in a child */

/* Text after the program's name on stderr, then exit 1. */
NORETURN void die(const char *fmt, ...) PRINTF_LIKE(1, 2);
extern const char *program_name;

#endif
