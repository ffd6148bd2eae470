/*
 * The postmaster: command line, data directory, sockets, shared memory, and a reactor over one epoll
 * set (listening sockets, a signalfd). What follows from an event is the supervisor's decision.
 *
 * All signals are blocked here for good and read from the signalfd, so that nothing runs in a handler.
 */
#define _GNU_SOURCE
#include "procs/procs.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/limits.h"
#include "core/base/settings.h"
#include "core/file/io.h"
#include "core/shm/shm.h"
#include "core/wire/wire.h"
#include "walmgr/walmgr.h"

#define LOCK_CHECK_US 60000000 /* how often the pid file is looked after */
#define ACCEPT_BURST 32
#define CHANNEL_TAG (UINT64_C(1) << 32) /* an event of the channel of the child whose pid stands below */

static int epoll_fd = -1, signal_fd = -1;
static pid_t postmaster_pid;

/* ---- command line ---- */

typedef struct Options {
    const char *data_dir, *print_name;
} Options;

static void
print_help(void)
{
    printf("postgres is the PostgreSQL server (Posthaste).\n\n"
           "Usage:\n  postgres [OPTION]...\n\n"
           "Options:\n"
           "  -B NBUFFERS        number of shared buffers\n"
           "  -c NAME=VALUE      set run-time parameter\n"
           "  -C NAME            print value of run-time parameter, then exit\n"
           "  -d 1-5             debugging level\n"
           "  -D DATADIR         database directory\n"
           "  -e                 use European date input format (DMY)\n"
           "  -F                 turn fsync off\n"
           "  -h HOSTNAME        host name or IP address to listen on\n"
           "  -i                 enable TCP/IP connections\n"
           "  -k DIRECTORY       Unix-domain socket location\n"
           "  -l                 enable SSL connections\n"
           "  -N MAX-CONNECT     maximum number of allowed connections\n"
           "  -p PORT            port number to listen on\n"
           "  -S WORK-MEM        set amount of memory for sorts (in kB)\n"
           "  -V, --version      output version information, then exit\n"
           "  --NAME=VALUE       set run-time parameter\n"
           "  -?, --help         show this help, then exit\n\n"
           "Please read the documentation for the complete list of run-time\n"
           "configuration settings and how to set them on the command line or in\n"
           "the configuration file.\n");
}

static NORETURN void
usage_error(void)
{
    fprintf(stderr, "Try \"postgres --help\" for more information.\n");
    exit(1);
}

/* name=value; the whole word is changed. */
static void
set_pair(char *word, const char *option)
{
    char *eq = strchr(word, '=');
    if (eq == NULL)
        RAISE_FATAL(SQLSTATE_SYNTAX_ERROR, "%s%s requires a value", option, word);
    *eq = '\0';
    settings_set_argv(word, eq + 1);
}

/* -f: plan types to do without. */
static void
forbid_plan(const char *which)
{
    static const struct {
        char letter;
        const char *setting;
    } plans[] = {{'s', "enable_seqscan"},  {'i', "enable_indexscan"}, {'o', "enable_indexonlyscan"}, {'b', "enable_bitmapscan"},
                 {'t', "enable_tidscan"},  {'n', "enable_nestloop"},  {'m', "enable_mergejoin"},     {'h', "enable_hashjoin"}};
    for (size_t i = 0; i < COUNT_OF(plans); i++)
        if (which[0] == plans[i].letter && which[1] == '\0') {
            settings_set_argv(plans[i].setting, "off");
            return;
        }
    fprintf(stderr, "postgres: invalid argument for option -f: \"%s\"\n", which);
    usage_error();
}

static void
parse_options(int argc, char **argv, Options *o)
{
    int c;
    char text[64];
    opterr = 1;
    while ((c = getopt(argc, argv, "B:C:c:D:d:eFf:h:ik:lN:nOPp:S:sTt:W:-:")) != -1) {
        switch (c) {
        case 'B': settings_set_argv("shared_buffers", optarg); break;
        case 'C': o->print_name = optarg; break;
        case 'c': set_pair(optarg, "-c "); break;
        case '-': set_pair(optarg, "--"); break;
        case 'D': o->data_dir = optarg; break;
        case 'd':
            snprintf(text, sizeof(text), "debug%s", optarg);
            settings_set_argv("log_min_messages", strcmp(optarg, "0") == 0 ? "notice" : text);
            break;
        case 'e': settings_set_argv("datestyle", "euro"); break;
        case 'F': settings_set_argv("fsync", "off"); break;
        case 'f': forbid_plan(optarg); break;
        case 'h': settings_set_argv("listen_addresses", optarg); break;
        case 'i': settings_set_argv("listen_addresses", "*"); break;
        case 'k': settings_set_argv("unix_socket_directories", optarg); break;
        case 'l': settings_set_argv("ssl", "on"); break;
        case 'N': settings_set_argv("max_connections", optarg); break;
        case 'O': settings_set_argv("allow_system_table_mods", "on"); break;
        case 'p': settings_set_argv("port", optarg); break;
        case 'S': settings_set_argv("work_mem", optarg); break;
        case 'n': case 'T': case 'P': case 's': case 't': case 'W': break; /* developers' options */
        default: usage_error();
        }
    }
    if (optind < argc) {
        fprintf(stderr, "postgres: invalid argument: \"%s\"\n", argv[optind]);
        usage_error();
    }
}

/* What must be looked at before anything else. */
static void
early_options(int argc, char **argv)
{
    static const char *const modes[] = {"--single", "--boot", "--check", "--describe-config"};
    const char *first = argc > 1 ? argv[1] : "";
    if (strcmp(first, "--help") == 0 || strcmp(first, "-?") == 0) {
        print_help();
        exit(0);
    }
    if (strcmp(first, "--version") == 0 || strcmp(first, "-V") == 0) {
        printf("postgres %s\n", PROGRAM_VERSION);
        exit(0);
    }
    for (size_t i = 0; i < COUNT_OF(modes); i++)
        if (strcmp(first, modes[i]) == 0)
            die("%s is not supported by Posthaste; start the server with pg_ctl and use psql", modes[i]);
}

/* ---- configuration ---- */

static void
load_configuration(const char *data_dir)
{
    char path[MAX_PATH_BYTES];
    struct stat st;
    const char *dir = data_dir ? data_dir : getenv("PGDATA");
    if (dir && stat(dir, &st) != 0) {
        fprintf(stderr, "postgres: could not access directory \"%s\": %s\n"
                        "Run initdb or pg_basebackup to initialize a PostgreSQL data directory.\n", dir, strerror(errno));
        exit(1);
    }
    if (setting_config_file == NULL || setting_config_file[0] == '\0') {
        if (dir == NULL) {
            fprintf(stderr, "postgres does not know where to find the server configuration file.\n"
                            "You must specify the --config-file or -D invocation option or set the PGDATA environment variable.\n");
            exit(1);
        }
        snprintf(path, sizeof(path), "%s/postgresql.conf", dir);
    } else {
        snprintf(path, sizeof(path), "%s", setting_config_file);
    }
    settings_set_path("config_file", path);
    if (stat(setting_config_file, &st) != 0) {
        fprintf(stderr, "postgres: could not access the server configuration file \"%s\": %s\n", setting_config_file,
                strerror(errno));
        exit(1);
    }
    settings_load_files(setting_config_file, false);
    if (setting_data_directory && setting_data_directory[0])
        dir = setting_data_directory;
    if (dir == NULL) {
        fprintf(stderr, "postgres does not know where to find the database system data.\n"
                        "This can be specified as \"data_directory\" in \"%s\", or by the -D invocation option, or by the "
                        "PGDATA environment variable.\n", setting_config_file);
        exit(1);
    }
    settings_set_path("data_directory", dir);
    const char *config_dir = data_dir ? data_dir : getenv("PGDATA") ? getenv("PGDATA") : dir;
    snprintf(path, sizeof(path), "%s/pg_hba.conf", config_dir);
    settings_set_path("hba_file", setting_hba_file && setting_hba_file[0] ? setting_hba_file : path);
    snprintf(path, sizeof(path), "%s/pg_ident.conf", config_dir);
    settings_set_path("ident_file", setting_ident_file && setting_ident_file[0] ? setting_ident_file : path);
}

static void
check_settings_fit(void)
{
    if (superuser_reserved_connections >= max_connections)
        die("superuser_reserved_connections (%d) must be less than max_connections (%d)", superuser_reserved_connections,
            max_connections);
    if (archive_mode != ARCHIVE_OFF && wal_level == WAL_LEVEL_MINIMAL)
        RAISE_FATAL(SQLSTATE_INVALID_PARAMETER_VALUE, "WAL archival cannot be enabled when wal_level is \"minimal\"");
    if (max_wal_senders > 0 && wal_level == WAL_LEVEL_MINIMAL)
        RAISE_FATAL(SQLSTATE_INVALID_PARAMETER_VALUE,
                    "WAL streaming (max_wal_senders > 0) requires wal_level \"replica\" or \"logical\"");
}

static void
check_control_file(void)
{
    char path[MAX_PATH_BYTES];
    snprintf(path, sizeof(path), "%s/global/pg_control", setting_data_directory);
    if (access(path, R_OK) == 0)
        return;
    fprintf(stderr, "postgres: could not find the database system\nExpected to find it in the directory \"%s\",\n"
                    "but could not open file \"%s\": %s\n", setting_data_directory, path, strerror(errno));
    proc_exit(2);
}

/* What pg_ctl status and restart read: the program and its arguments, each quoted. */
static void
write_opts_file(int argc, char **argv)
{
    FILE *f = fopen("postmaster.opts", "w");
    if (f == NULL) {
        LOG("could not create file \"%s\": %m", "postmaster.opts");
        return;
    }
    fputs(program_sibling("postgres"), f);
    for (int i = 1; i < argc; i++)
        fprintf(f, " \"%s\"", argv[i]);
    fputc('\n', f);
    fclose(f);
}

static void
write_external_pid_file(void)
{
    if (external_pid_file == NULL || external_pid_file[0] == '\0')
        return;
    FILE *f = fopen(external_pid_file, "w");
    if (f == NULL) {
        fprintf(stderr, "postgres: could not write external PID file \"%s\": %s\n", external_pid_file, strerror(errno));
        return;
    }
    fprintf(f, "%d\n", (int)getpid());
    fchmod(fileno(f), 0644);
    fclose(f);
}

/* ---- the end ---- */

/* Also after a FATAL while starting. */
static void
clean_up(void *arg)
{
    if (getpid() != postmaster_pid)
        return;
    sockets_close(true);
    shm_destroy();
    if (external_pid_file && external_pid_file[0])
        unlink(external_pid_file);
    pidfile_remove();
}

void
postmaster_exit(int code)
{
    proc_exit(code);
}

void
postmaster_forget_in_child(void)
{
    if (epoll_fd >= 0)
        close(epoll_fd);
    if (signal_fd >= 0)
        close(signal_fd);
    epoll_fd = signal_fd = -1;
    sockets_close(false);
}

/* ---- the reactor ---- */

static void
watch(int fd, uint64_t tag)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.u64 = tag};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev) != 0)
        RAISE_FATAL(SQLSTATE_SYSTEM_ERROR, "epoll_ctl() failed: %m");
}

bool
postmaster_watch_channel(int fd, pid_t pid)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.u64 = CHANNEL_TAG | (uint64_t)pid};
    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev) == 0;
}

static void
reactor_init(void)
{
    static const int watched[] = {SIGHUP, SIGINT, SIGTERM, SIGQUIT, SIGCHLD, SIGUSR1, SIGUSR2};
    sigset_t set, all;
    sigemptyset(&set);
    for (size_t i = 0; i < COUNT_OF(watched); i++)
        sigaddset(&set, watched[i]);
    all = set;
    sigaddset(&all, SIGURG);
    sigaddset(&all, SIGALRM);
    sigprocmask(SIG_BLOCK, &all, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTTIN, SIG_IGN);
    signal(SIGTTOU, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (epoll_fd < 0 || signal_fd < 0)
        RAISE_FATAL(SQLSTATE_SYSTEM_ERROR, "could not create the postmaster's event set: %m");
    watch(signal_fd, UINT64_MAX);
    for (int i = 0; i < listen_count; i++)
        watch(listen_fds[i], (uint64_t)i);
}

static void
reload(void)
{
    LOG("received SIGHUP, reloading configuration files");
    ERR_TRY
    {
        server_reload();
        if (!wire_load_hba(true))
            LOG("\"%s\" was not reloaded", setting_hba_file);
    }
    ERR_CATCH
    {
        err_emit(err_current());
        err_clear();
    }
    ERR_END;
    supervisor_reload();
}

static void
reap_children(void)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        supervisor_child_exited(pid, status);
}

static void
handle_signals(void)
{
    struct signalfd_siginfo info;
    while (read(signal_fd, &info, sizeof(info)) == sizeof(info)) {
        switch (info.ssi_signo) {
        case SIGHUP: reload(); break;
        case SIGTERM: supervisor_stop(STOP_SMART); break;
        case SIGINT: supervisor_stop(STOP_FAST); break;
        case SIGQUIT: supervisor_stop(STOP_IMMEDIATE); break;
        case SIGCHLD: reap_children(); break;
        case SIGUSR1: /* the autovacuum launcher, or pg_ctl promote */
            supervisor_asked((pid_t)info.ssi_pid);
            supervisor_look();
            break;
        default: break;
        }
    }
}

static void
accept_some(int listen_fd)
{
    for (int i = 0; i < ACCEPT_BURST; i++) {
        int fd;
        if (socket_accept(listen_fd, &fd)) {
            supervisor_connection(fd);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            LOG("could not accept new connection: %m");
            usleep(100000); /* the socket stays readable: without the pause this would spin */
        }
        return;
    }
}

static NORETURN void
react(void)
{
    uint64_t check_at = clock_monotonic_us() + LOCK_CHECK_US;
    for (;;) {
        struct epoll_event got[16];
        long due = supervisor_tick();
        uint64_t now = clock_monotonic_us();
        if (now >= check_at) {
            check_at = now + LOCK_CHECK_US;
            if (!pidfile_is_ours()) {
                LOG("performing immediate shutdown because data directory lock file is invalid");
                supervisor_stop(STOP_IMMEDIATE);
            }
        }
        long wait_ms = (long)((check_at - now) / 1000) + 1;
        int n = epoll_wait(epoll_fd, got, COUNT_OF(got), (int)(due >= 0 ? MIN(due, wait_ms) : wait_ms));
        /* Signals first: who has just died cannot take a connection. */
        for (int i = 0; i < n; i++)
            if (got[i].data.u64 == UINT64_MAX)
                handle_signals();
        /* Then who has become spare: the next connection is for him. */
        for (int i = 0; i < n; i++)
            if (got[i].data.u64 != UINT64_MAX && (got[i].data.u64 & CHANNEL_TAG))
                supervisor_channel_readable((pid_t)(got[i].data.u64 & 0xFFFFFFFFu));
        for (int i = 0; i < n; i++)
            if (got[i].data.u64 < CHANNEL_TAG)
                accept_some(listen_fds[got[i].data.u64]);
    }
}

static void
log_starting(void)
{
    struct utsname u;
    if (uname(&u) != 0)
        u.machine[0] = '\0';
    LOG("starting %s on %s-pc-linux-gnu, compiled by gcc %s, %d-bit", POSTHASTE_VERSION, u.machine, __VERSION__,
        (int)sizeof(void *) * 8);
}

int
postmaster_main(int argc, char **argv)
{
    Options o = {0};
    uint64_t stale_key, key;
    char text[64];

    early_options(argc, argv);
    if (!(argc > 1 && strncmp(argv[1], "-C", 2) == 0))
        refuse_root("postgres");
    char **args = argv; /* proc_title_init moves the texts */
    proc_title_init(argc, args);
    postmaster_pid = getpid();
    umask(0077);
    modules_register();
    Arena *a = arena_create(arena_top(), "arguments");
    char **copy = ARENA_ARRAY(a, char *, argc + 1);
    for (int i = 0; i < argc; i++)
        copy[i] = arena_strdup(a, argv[i]); /* set_pair cuts its words */
    parse_options(argc, copy, &o);
    load_configuration(o.data_dir);
    if (o.print_name) {
        printf("%s\n", settings_get(a, o.print_name, false));
        return 0;
    }
    datadir_check(setting_data_directory);
    if (chdir(setting_data_directory) != 0)
        RAISE_FATAL(err_sqlstate_of_errno(errno), "could not change directory to \"%s\": %m", setting_data_directory);
    check_settings_fit();
    IO_INIT();

    proc_on_exit(clean_up, NULL);
    pidfile_create(&stale_key);
    check_control_file();
    if (stale_key)
        shm_remove_stale(stale_key);
    log_starting();
    sockets_open();
    if (!wire_load_hba(false)) {
        err_start(LEVEL_FATAL, SQLSTATE_CONFIG_FILE_ERROR, __FILE__, __LINE__, __func__);
        err_message("could not load %s", setting_hba_file);
        err_throw();
    }
    write_external_pid_file();
    if (getrandom(&key, sizeof(key), 0) != sizeof(key))
        key = clock_monotonic_us() * 2654435761u + (uint64_t)postmaster_pid;
    shm_create(key);
    snprintf(text, sizeof(text), "%llu 0", (unsigned long long)key);
    pidfile_set_line(7, text);
    write_opts_file(argc, argv);
    postmaster_death_watch_init();
    reactor_init();
    supervisor_start();
    react();
}
