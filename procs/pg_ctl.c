/*
 * pg_ctl: starts, stops and asks after a server, with PostgreSQL's options, words and exit codes.
 *
 * Whether a server runs is told by the lock on postmaster.pid, not by the process id in it, which may
 * belong to anybody by now. Progress is line 8 of that file.
 */
#define _GNU_SOURCE
#include "procs/procs.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/limits.h"
#include "walmgr/walmgr.h"

#define POLLS_PER_SECOND 10
#define DEFAULT_WAIT_S 60

static const char *data_dir, *log_file, *server_options, *server_path;
static char data_dir_option[MAX_PATH_BYTES + 16];
static bool silent, do_wait = true, core_files;
static int wait_seconds = DEFAULT_WAIT_S;
static int stop_signal = SIGINT;

/* ---- words ---- */

static void PRINTF_LIKE(1, 2)
say(const char *fmt, ...)
{
    va_list ap;
    if (silent)
        return;
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    fflush(stdout);
}

static void PRINTF_LIKE(1, 2)
complain(const char *fmt, ...)
{
    va_list ap;
    fflush(stdout);
    fprintf(stderr, "pg_ctl: ");
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
}

static NORETURN void
usage_hint(void)
{
    fprintf(stderr, "Try \"pg_ctl --help\" for more information.\n");
    exit(1);
}

static void
print_help(void)
{
    printf("pg_ctl is a utility to initialize, start, stop, or control a PostgreSQL server.\n\n"
           "Usage:\n"
           "  pg_ctl init[db]   [-D DATADIR] [-s] [-o OPTIONS]\n"
           "  pg_ctl start      [-D DATADIR] [-l FILENAME] [-W] [-t SECS] [-s]\n"
           "                    [-o OPTIONS] [-p PATH] [-c]\n"
           "  pg_ctl stop       [-D DATADIR] [-m SHUTDOWN-MODE] [-W] [-t SECS] [-s]\n"
           "  pg_ctl restart    [-D DATADIR] [-m SHUTDOWN-MODE] [-W] [-t SECS] [-s]\n"
           "                    [-o OPTIONS] [-c]\n"
           "  pg_ctl reload     [-D DATADIR] [-s]\n"
           "  pg_ctl status     [-D DATADIR]\n"
           "  pg_ctl promote    [-D DATADIR] [-W] [-t SECS] [-s]\n"
           "  pg_ctl logrotate  [-D DATADIR] [-s]\n"
           "  pg_ctl kill       SIGNALNAME PID\n\n"
           "Common options:\n"
           "  -D, --pgdata=DATADIR   location of the database storage area\n"
           "  -s, --silent           only print errors, no informational messages\n"
           "  -t, --timeout=SECS     seconds to wait when using -w option\n"
           "  -V, --version          output version information, then exit\n"
           "  -w, --wait             wait until operation completes (default)\n"
           "  -W, --no-wait          do not wait until operation completes\n"
           "  -?, --help             show this help, then exit\n"
           "If the -D option is omitted, the environment variable PGDATA is used.\n\n"
           "Options for start or restart:\n"
           "  -c, --core-files       allow postgres to produce core files\n"
           "  -l, --log=FILENAME     write (or append) server log to FILENAME\n"
           "  -o, --options=OPTIONS  command line options to pass to postgres\n"
           "                         (PostgreSQL server executable) or initdb\n"
           "  -p PATH-TO-POSTGRES    normally not necessary\n\n"
           "Options for stop or restart:\n"
           "  -m, --mode=MODE        MODE can be \"smart\", \"fast\", or \"immediate\"\n\n"
           "Shutdown modes are:\n"
           "  smart       quit after all clients have disconnected\n"
           "  fast        quit directly, with proper shutdown (default)\n"
           "  immediate   quit without complete shutdown; will lead to recovery on restart\n\n"
           "Allowed signal names for kill:\n"
           "  ABRT HUP INT KILL QUIT TERM USR1 USR2\n");
}

/* ---- the server's state ---- */

/* 0: none. */
static long
running_pid(void)
{
    PidFile f;
    if (!pidfile_read(data_dir, &f))
        return 0;
    return f.locked && f.pid > 0 && kill((pid_t)f.pid, 0) == 0 ? f.pid : 0;
}

static char *
path_in_data_dir(const char *name)
{
    static char path[MAX_PATH_BYTES];
    snprintf(path, sizeof(path), "%s/%s", data_dir, name);
    return path;
}

/* The first line of postmaster.opts without its end; NULL if there is none. */
static char *
read_opts_file(void)
{
    static char line[8192];
    FILE *f = fopen(path_in_data_dir("postmaster.opts"), "r");
    if (f == NULL)
        return NULL;
    char *got = fgets(line, sizeof(line), f);
    fclose(f);
    if (got)
        line[strcspn(line, "\n")] = '\0';
    return got;
}

/* The file is left by a server that has gone without removing it: as good as none. */
static bool
pid_file_stands(PidFile *f)
{
    return pidfile_read(data_dir, f) && f->locked;
}

static NORETURN void
no_pid_file(void)
{
    complain("PID file \"%s\" does not exist\n", path_in_data_dir(PID_FILE));
    fprintf(stderr, "Is server running?\n");
    exit(1);
}

static void
send_signal(long pid, int sig, const char *what)
{
    if (kill((pid_t)pid, sig) != 0) {
        complain("could not send %s signal (PID: %ld): %s\n", what, pid, strerror(errno));
        exit(1);
    }
}

static void
pause_between_polls(int round)
{
    if (round % POLLS_PER_SECOND == 0)
        say(".");
    struct timespec t = {0, 1000000000L / POLLS_PER_SECOND};
    nanosleep(&t, NULL);
}

/* ---- start ---- */

/* sh runs the command, so that -o may hold several quoted words; exec keeps the pid. */
static pid_t
launch(void)
{
    size_t n = strlen(server_path) + strlen(data_dir_option) + (server_options ? strlen(server_options) : 0) +
               (log_file ? strlen(log_file) : 0) + 128;
    char *command = malloc(n);
    if (command == NULL)
        exit(1);
    snprintf(command, n, "exec \"%s\" %s%s < \"/dev/null\"%s%s%s 2>&1", server_path, data_dir_option,
             server_options ? server_options : "", log_file ? " >> \"" : "", log_file ? log_file : "",
             log_file ? "\"" : "");
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0) {
        complain("could not start server: %s\n", strerror(errno));
        exit(1);
    }
    if (pid == 0) {
        if (setsid() < 0)
            complain("could not start server due to setsid() failure: %s\n", strerror(errno));
        execl("/bin/sh", "/bin/sh", "-c", command, (char *)NULL);
        complain("could not start server: %s\n", strerror(errno));
        _exit(1);
    }
    free(command);
    return pid;
}

typedef enum WaitResult { WAIT_READY, WAIT_STILL_STARTING, WAIT_FAILED } WaitResult;

static WaitResult
wait_for_start(pid_t pid, time_t started)
{
    for (int i = 0; i < wait_seconds * POLLS_PER_SECOND; i++) {
        PidFile f;
        int status;
        if (pidfile_read(data_dir, &f) && f.pid == (long)pid && f.start_time >= (long long)started - 2 &&
            (strncmp(f.status, "ready", 5) == 0 || strncmp(f.status, "standby", 7) == 0))
            return WAIT_READY;
        if (waitpid(pid, &status, WNOHANG) == pid)
            return WAIT_FAILED;
        pause_between_polls(i);
    }
    return WAIT_STILL_STARTING;
}

static void
check_log_file(void)
{
    if (log_file == NULL)
        return;
    int fd = open(log_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd); /* else sh says why */
}

static void
do_start(bool restarting)
{
    if (!restarting && running_pid() != 0)
        complain("another server might be running; trying to start server anyway\n");
    if (server_path == NULL)
        server_path = strdup(program_sibling("postgres"));
    if (restarting && server_options == NULL) {
        char *line = read_opts_file();
        if (line == NULL) {
            complain("could not read file \"%s\"\n", path_in_data_dir("postmaster.opts"));
            exit(1);
        }
        char *arguments = strstr(line, " \"");
        if (arguments) {
            *arguments = '\0';
            server_options = strdup(arguments + 1);
            data_dir_option[0] = '\0'; /* it is among them */
        }
    }
    if (core_files) {
        struct rlimit r;
        if (getrlimit(RLIMIT_CORE, &r) == 0 && r.rlim_max == 0)
            complain("cannot set core file size limit; disallowed by hard limit\n");
        else if (getrlimit(RLIMIT_CORE, &r) == 0 && r.rlim_cur < r.rlim_max) {
            r.rlim_cur = r.rlim_max;
            setrlimit(RLIMIT_CORE, &r);
        }
    }
    umask(0077);
    check_log_file();
    time_t started = time(NULL);
    pid_t pid = launch();
    if (!do_wait) {
        say("server starting\n");
        return;
    }
    say("waiting for server to start...");
    WaitResult result = wait_for_start(pid, started);
    if (result == WAIT_READY) {
        say(" done\n");
        say("server started\n");
        return;
    }
    say(" stopped waiting\n");
    if (result == WAIT_STILL_STARTING) {
        complain("server did not start in time\n");
        exit(1);
    }
    complain("could not start server\n");
    fprintf(stderr, "Examine the log output.\n");
    exit(1);
}

/* ---- stop, restart ---- */

static bool
wait_for_stop(long pid)
{
    for (int i = 0; i < wait_seconds * POLLS_PER_SECOND; i++) {
        PidFile f;
        if (!pidfile_read(data_dir, &f) || !f.locked || f.pid != pid)
            return true;
        pause_between_polls(i);
    }
    return false;
}

static void
stop_failed(void)
{
    say(" failed\n");
    complain("server does not shut down\n");
    if (stop_signal == SIGTERM)
        fprintf(stderr, "HINT: The \"-m fast\" option immediately disconnects sessions rather than\n"
                        "waiting for session-initiated disconnection.\n");
    exit(1);
}

static void
do_stop(void)
{
    PidFile f;
    if (!pid_file_stands(&f))
        no_pid_file();
    send_signal(f.pid, stop_signal, "stop");
    if (!do_wait) {
        say("server shutting down\n");
        return;
    }
    say("waiting for server to shut down...");
    if (!wait_for_stop(f.pid))
        stop_failed();
    say(" done\n");
    say("server stopped\n");
}

static void
do_restart(void)
{
    PidFile f;
    if (!pid_file_stands(&f)) {
        complain("PID file \"%s\" does not exist\n", path_in_data_dir(PID_FILE));
        fprintf(stderr, "Is server running?\ntrying to start server anyway\n");
        do_start(false);
        return;
    }
    send_signal(f.pid, stop_signal, "stop");
    say("waiting for server to shut down...");
    if (!wait_for_stop(f.pid))
        stop_failed();
    say(" done\n");
    say("server stopped\n");
    do_start(true);
}

/* ---- the small ones ---- */

static void
do_reload(void)
{
    PidFile f;
    if (!pid_file_stands(&f))
        no_pid_file();
    send_signal(f.pid, SIGHUP, "reload");
    say("server signaled\n");
}

static void
do_logrotate(void)
{
    PidFile f;
    if (!pid_file_stands(&f))
        no_pid_file();
    send_signal(f.pid, SIGUSR1, "log rotation");
    say("server signaled to rotate log file\n");
}

/* DB_STARTUP if the control file cannot be read: some other state than is waited for. */
static DbState
control_state(void)
{
    ControlFile c;
    if (chdir(data_dir) != 0 || control_read(&c) != ERR_OK)
        return DB_STARTUP;
    return (DbState)c.state;
}

static void
do_promote(void)
{
    PidFile f;
    if (!pid_file_stands(&f))
        no_pid_file();
    if (data_dir[0] != '/') /* control_state goes there */
        data_dir = realpath(data_dir, NULL);
    if (control_state() != DB_IN_ARCHIVE_RECOVERY) {
        complain("cannot promote server; server is not in standby mode\n");
        exit(1);
    }
    const char *path = path_in_data_dir(PROMOTE_SIGNAL_FILE);
    FILE *file = fopen(path, "w");
    if (file == NULL || fclose(file) != 0) {
        complain("could not create promote signal file \"%s\": %s\n", path, strerror(errno));
        exit(1);
    }
    if (kill((pid_t)f.pid, SIGUSR1) != 0) {
        complain("could not send promote signal (PID: %ld): %s\n", f.pid, strerror(errno));
        unlink(path);
        exit(1);
    }
    if (!do_wait) {
        say("server promoting\n");
        return;
    }
    say("waiting for server to promote...");
    for (int i = 0; i < wait_seconds * POLLS_PER_SECOND && running_pid() != 0; i++) {
        /* and takes connections: nobody could be served during recovery */
        if (control_state() == DB_IN_PRODUCTION && pidfile_read(data_dir, &f) && strncmp(f.status, "ready", 5) == 0) {
            say(" done\n");
            say("server promoted\n");
            return;
        }
        pause_between_polls(i);
    }
    say(" stopped waiting\n");
    complain("server did not promote in time\n");
    exit(1);
}

static void
do_status(void)
{
    long pid = running_pid();
    if (pid == 0) {
        printf("pg_ctl: no server running\n");
        exit(3);
    }
    if (!silent) {
        printf("pg_ctl: server is running (PID: %ld)\n", pid);
        char *line = read_opts_file();
        if (line)
            puts(line);
    }
}

static void
do_init(void)
{
    char *command = NULL;
    const char *initdb = program_sibling("initdb");
    if (asprintf(&command, "\"%s\" %s%s%s", initdb, data_dir_option, server_options ? server_options : "",
                 silent ? " > /dev/null" : "") < 0)
        exit(1);
    fflush(NULL);
    if (system(command) != 0) {
        complain("database system initialization failed\n");
        exit(1);
    }
    free(command);
}

static int
signal_by_name(const char *name)
{
    static const struct {
        const char *name;
        int number;
    } signals[] = {{"HUP", SIGHUP},   {"INT", SIGINT},   {"QUIT", SIGQUIT}, {"ABRT", SIGABRT},
                   {"KILL", SIGKILL}, {"TERM", SIGTERM}, {"USR1", SIGUSR1}, {"USR2", SIGUSR2}};
    for (size_t i = 0; i < COUNT_OF(signals); i++)
        if (strcmp(name, signals[i].name) == 0)
            return signals[i].number;
    complain("unrecognized signal name \"%s\"\n", name);
    usage_hint();
}

/* ---- main ---- */

static void
set_mode(const char *mode)
{
    if (strcmp(mode, "s") == 0 || strcmp(mode, "smart") == 0)
        stop_signal = SIGTERM;
    else if (strcmp(mode, "f") == 0 || strcmp(mode, "fast") == 0)
        stop_signal = SIGINT;
    else if (strcmp(mode, "i") == 0 || strcmp(mode, "immediate") == 0)
        stop_signal = SIGQUIT;
    else {
        complain("unrecognized shutdown mode \"%s\"\n", mode);
        usage_hint();
    }
}

static void
set_data_dir(const char *dir)
{
    char *copy = strdup(dir);
    for (size_t n = strlen(copy); n > 1 && copy[n - 1] == '/'; n--)
        copy[n - 1] = '\0';
    data_dir = copy;
    setenv("PGDATA", copy, 1);
    snprintf(data_dir_option, sizeof(data_dir_option), "-D \"%s\" ", copy);
}

static void
check_data_dir(bool status)
{
    struct stat st;
    if (data_dir == NULL) {
        complain("no database directory specified and environment variable PGDATA unset\n");
        usage_hint();
    }
    if (stat(data_dir, &st) != 0) {
        if (errno == ENOENT)
            complain("directory \"%s\" does not exist\n", data_dir);
        else
            complain("could not access directory \"%s\": %s\n", data_dir, strerror(errno));
        exit(status ? 4 : 1);
    }
    if (stat(path_in_data_dir("PG_VERSION"), &st) != 0 && errno == ENOENT) {
        complain("directory \"%s\" is not a database cluster directory\n", data_dir);
        exit(status ? 4 : 1);
    }
}

static const struct option long_options[] = {
    {"help", no_argument, NULL, '?'},          {"version", no_argument, NULL, 'V'}, {"log", required_argument, NULL, 'l'},
    {"mode", required_argument, NULL, 'm'},    {"pgdata", required_argument, NULL, 'D'}, {"options", required_argument, NULL, 'o'},
    {"silent", no_argument, NULL, 's'},        {"timeout", required_argument, NULL, 't'}, {"core-files", no_argument, NULL, 'c'},
    {"wait", no_argument, NULL, 'w'},          {"no-wait", no_argument, NULL, 'W'}, {NULL, 0, NULL, 0},
};

static void
add_options(const char *more)
{
    char *all;
    if (server_options == NULL)
        server_options = strdup(more);
    else if (asprintf(&all, "%s %s", server_options, more) >= 0)
        server_options = all;
}

static void
take_option(int c)
{
    switch (c) {
    case 'D': set_data_dir(optarg); break;
    case 'l': log_file = optarg; break;
    case 'm': set_mode(optarg); break;
    case 'o': add_options(optarg); break;
    case 'p': server_path = optarg; break;
    case 's': silent = true; break;
    case 't': wait_seconds = atoi(optarg); break;
    case 'w': do_wait = true; break;
    case 'W': do_wait = false; break;
    case 'c': core_files = true; break;
    default: usage_hint();
    }
}

int
pg_ctl_main(int argc, char **argv)
{
    const char *command = NULL;
    const char *env = getenv("PGDATA"), *timeout = getenv("PGCTLTIMEOUT");
    int c, kill_signal = 0;
    long kill_pid = 0;

    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-?") == 0)) {
        print_help();
        return 0;
    }
    if (argc > 1 && (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)) {
        printf("pg_ctl %s\n", PROGRAM_VERSION);
        return 0;
    }
    if (geteuid() == 0) {
        complain("cannot be run as root\n");
        fprintf(stderr, "Please log in (using, e.g., \"su\") as the (unprivileged) user that will\nown the server process.\n");
        return 1;
    }
    if (env && env[0]) {
        char *copy = strdup(env);
        for (size_t n = strlen(copy); n > 1 && copy[n - 1] == '/'; n--)
            copy[n - 1] = '\0';
        data_dir = copy; /* the server finds it in its environment too */
    }
    if (timeout)
        wait_seconds = atoi(timeout);
    while ((c = getopt_long(argc, argv, "cD:e:l:m:N:o:p:P:sS:t:U:wW", long_options, NULL)) != -1)
        take_option(c);
    for (; optind < argc; optind++) {
        if (command && strcmp(command, "kill") == 0 && kill_signal == 0) {
            kill_signal = signal_by_name(argv[optind]);
        } else if (command && strcmp(command, "kill") == 0 && kill_pid == 0) {
            kill_pid = atol(argv[optind]);
        } else if (command) {
            complain("too many command-line arguments (first is \"%s\")\n", argv[optind]);
            usage_hint();
        } else {
            command = argv[optind];
        }
    }
    if (command == NULL) {
        complain("no operation specified\n");
        usage_hint();
    }
    if (strcmp(command, "kill") == 0) {
        if (kill_signal == 0 || kill_pid == 0) {
            complain("missing arguments for kill mode\n");
            usage_hint();
        }
        send_signal(kill_pid, kill_signal, "kill");
        return 0;
    }
    bool init = strcmp(command, "init") == 0 || strcmp(command, "initdb") == 0;
    static const char *const commands[] = {"start", "stop", "restart", "reload", "status", "promote", "logrotate"};
    static void (*const actions[])(void) = {NULL, do_stop, do_restart, do_reload, do_status, do_promote, do_logrotate};
    if (init) {
        do_init();
        return 0;
    }
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        if (strcmp(command, commands[i]) != 0)
            continue;
        check_data_dir(strcmp(command, "status") == 0);
        if (actions[i])
            actions[i]();
        else
            do_start(false);
        return 0;
    }
    complain("unrecognized operation mode \"%s\"\n", command);
    usage_hint();
}
