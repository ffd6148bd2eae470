/*
 * initdb: options and the order of work, with PostgreSQL's words. The files are written by
 * initdb_files.c; the catalogs are made by a child process (initdb_cluster.c), so that whatever
 * happens there, this process can remove what was begun.
 */
#define _GNU_SOURCE
#include "procs/procs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <getopt.h>
#include <langinfo.h>
#include <locale.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "core/base/limits.h"

static InitdbOptions opt;
static const char *locale_all, *encoding_name, *auth_both, *password_file;
static bool ask_password, sync_only, no_locale;
static bool made_dir, found_dir, made_wal, found_wal; /* for the clean-up */

/* ---- words ---- */

static void
say_error(const char *kind, const char *fmt, va_list ap)
{
    fflush(stdout);
    fprintf(stderr, "initdb: %s: ", kind);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
}

static void PRINTF_LIKE(1, 2)
hint(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    say_error("hint", fmt, ap);
    va_end(ap);
}

static void PRINTF_LIKE(1, 2)
complain(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    say_error("error", fmt, ap);
    va_end(ap);
}

static NORETURN void usage_hint(void);
static NORETURN void give_up(void);

static NORETURN void PRINTF_LIKE(1, 2)
fail(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    say_error("error", fmt, ap);
    va_end(ap);
    give_up();
}

static void
print_help(void)
{
    printf("initdb initializes a PostgreSQL database cluster (Posthaste).\n\n"
           "Usage:\n  initdb [OPTION]... [DATADIR]\n\n"
           "Options:\n"
           "  -A, --auth=METHOD         default authentication method for local connections\n"
           "      --auth-host=METHOD    default authentication method for local TCP/IP connections\n"
           "      --auth-local=METHOD   default authentication method for local-socket connections\n"
           " [-D, --pgdata=]DATADIR     location for this database cluster\n"
           "  -E, --encoding=ENCODING   set default encoding for new databases (UTF8)\n"
           "  -g, --allow-group-access  allow group read/execute on data directory\n"
           "  -k, --data-checksums      use data page checksums (always on)\n"
           "      --locale=LOCALE       set default locale for new databases\n"
           "      --lc-collate=, --lc-ctype=, --lc-messages=LOCALE\n"
           "      --lc-monetary=, --lc-numeric=, --lc-time=LOCALE\n"
           "                            set default locale in the respective category for\n"
           "                            new databases (default taken from environment)\n"
           "      --no-locale           equivalent to --locale=C\n"
           "      --pwfile=FILE         read password for the new superuser from file\n"
           "  -T, --text-search-config=CFG\n"
           "                            default text search configuration\n"
           "  -U, --username=NAME       database superuser name\n"
           "  -W, --pwprompt            prompt for a password for the new superuser\n"
           "  -X, --waldir=WALDIR       location for the write-ahead log directory\n\n"
           "Less commonly used options:\n"
           "  -n, --no-clean            do not clean up after errors\n"
           "  -N, --no-sync             do not wait for changes to be written safely to disk\n"
           "      --no-instructions     do not print instructions for next steps\n"
           "  -S, --sync-only           only sync database files to disk, then exit\n\n"
           "Other options:\n"
           "  -V, --version             output version information, then exit\n"
           "  -?, --help                show this help, then exit\n\n"
           "If the data directory is not specified, the environment variable PGDATA\nis used.\n");
}

static NORETURN void
usage_hint(void)
{
    fflush(stdout);
    fprintf(stderr, "initdb: hint: Try \"initdb --help\" for more information.\n");
    exit(1);
}

/* ---- cleaning up ---- */

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return ftw->level == 0 ? 0 : remove(path);
}

static void
remove_tree(const char *path, bool itself)
{
    nftw(path, remove_one, 64, FTW_DEPTH | FTW_PHYS);
    if (itself && rmdir(path) != 0)
        complain("failed to remove data directory");
}

static void
give_up(void)
{
    fflush(stdout);
    if (opt.no_clean && (made_dir || found_dir)) {
        fprintf(stderr, "initdb: data directory \"%s\" not removed at user's request\n", opt.data_dir);
        exit(1);
    }
    if (made_dir || found_dir) {
        fprintf(stderr, made_dir ? "initdb: removing data directory \"%s\"\n" : "initdb: removing contents of data directory \"%s\"\n",
                opt.data_dir);
        remove_tree(opt.data_dir, made_dir);
    }
    if (made_wal || found_wal) {
        fprintf(stderr, made_wal ? "initdb: removing WAL directory \"%s\"\n" : "initdb: removing contents of WAL directory \"%s\"\n",
                opt.wal_dir);
        remove_tree(opt.wal_dir, made_wal);
    }
    exit(1);
}

/* ---- options ---- */

enum { OPT_AUTH_HOST = 256, OPT_AUTH_LOCAL, OPT_LOCALE, OPT_COLLATE, OPT_CTYPE, OPT_MESSAGES, OPT_MONETARY, OPT_NUMERIC,
       OPT_TIME, OPT_NO_LOCALE, OPT_PWFILE, OPT_NO_INSTRUCTIONS, OPT_SEGSIZE, OPT_ICU, OPT_PROVIDER, OPT_DISCARD };

static const struct option long_options[] = {
    {"pgdata", required_argument, NULL, 'D'}, {"encoding", required_argument, NULL, 'E'},
    {"locale", required_argument, NULL, OPT_LOCALE}, {"lc-collate", required_argument, NULL, OPT_COLLATE},
    {"lc-ctype", required_argument, NULL, OPT_CTYPE}, {"lc-monetary", required_argument, NULL, OPT_MONETARY},
    {"lc-numeric", required_argument, NULL, OPT_NUMERIC}, {"lc-time", required_argument, NULL, OPT_TIME},
    {"lc-messages", required_argument, NULL, OPT_MESSAGES}, {"no-locale", no_argument, NULL, OPT_NO_LOCALE},
    {"text-search-config", required_argument, NULL, 'T'}, {"auth", required_argument, NULL, 'A'},
    {"auth-local", required_argument, NULL, OPT_AUTH_LOCAL}, {"auth-host", required_argument, NULL, OPT_AUTH_HOST},
    {"pwprompt", no_argument, NULL, 'W'}, {"pwfile", required_argument, NULL, OPT_PWFILE},
    {"username", required_argument, NULL, 'U'}, {"help", no_argument, NULL, '?'}, {"version", no_argument, NULL, 'V'},
    {"debug", no_argument, NULL, 'd'}, {"show", no_argument, NULL, 's'}, {"no-clean", no_argument, NULL, 'n'},
    {"no-sync", no_argument, NULL, 'N'}, {"nosync", no_argument, NULL, 'N'}, {"sync-only", no_argument, NULL, 'S'},
    {"waldir", required_argument, NULL, 'X'}, {"wal-segsize", required_argument, NULL, OPT_SEGSIZE},
    {"data-checksums", no_argument, NULL, 'k'}, {"allow-group-access", no_argument, NULL, 'g'},
    {"discard-caches", no_argument, NULL, OPT_DISCARD}, {"locale-provider", required_argument, NULL, OPT_PROVIDER},
    {"icu-locale", required_argument, NULL, OPT_ICU}, {"no-instructions", no_argument, NULL, OPT_NO_INSTRUCTIONS},
    {NULL, 0, NULL, 0},
};

static NORETURN void
refuse(const char *what)
{
    complain("%s is not supported by Posthaste", what);
    exit(1);
}

static void
take_option(int c)
{
    switch (c) {
    case 'A': auth_both = optarg; break;
    case 'D': opt.data_dir = optarg; break;
    case 'E': encoding_name = optarg; break;
    case 'g': opt.group_access = true; break;
    case 'k': case 'd': case OPT_DISCARD: break;
    case 'n': opt.no_clean = true; break;
    case 'N': opt.no_sync = true; break;
    case 'S': sync_only = true; break;
    case 'T': opt.text_search = optarg; break;
    case 'U': opt.user = optarg; break;
    case 'W': ask_password = true; break;
    case 'X': opt.wal_dir = optarg; break;
    case OPT_AUTH_HOST: opt.auth_host = optarg; break;
    case OPT_AUTH_LOCAL: opt.auth_local = optarg; break;
    case OPT_LOCALE: locale_all = optarg; break;
    case OPT_NO_LOCALE: no_locale = true; break;
    case OPT_COLLATE: opt.collate = optarg; break;
    case OPT_CTYPE: opt.ctype = optarg; break;
    case OPT_MESSAGES: opt.messages = optarg; break;
    case OPT_MONETARY: opt.monetary = optarg; break;
    case OPT_NUMERIC: opt.numeric = optarg; break;
    case OPT_TIME: opt.time = optarg; break;
    case OPT_PWFILE: password_file = optarg; break;
    case OPT_NO_INSTRUCTIONS: opt.no_instructions = true; break;
    case OPT_SEGSIZE:
        if (atoi(optarg) != (int)(WAL_SEGMENT_BYTES >> 20))
            refuse("a WAL segment size other than 16");
        break;
    case OPT_PROVIDER:
        if (strcmp(optarg, "libc") != 0) {
            if (strcmp(optarg, "icu") == 0)
                refuse("locale provider \"icu\"");
            fail("unrecognized locale provider: %s", optarg);
        }
        break;
    case OPT_ICU: refuse("--icu-locale");
    case 's': refuse("--show");
    default: usage_hint();
    }
}

static void
parse_options(int argc, char **argv)
{
    int c;
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-?") == 0)) {
        print_help();
        exit(0);
    }
    if (argc > 1 && (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)) {
        printf("initdb %s\n", PROGRAM_VERSION);
        exit(0);
    }
    while ((c = getopt_long(argc, argv, "A:dD:E:gkL:nNsST:U:WX:", long_options, NULL)) != -1)
        if (c != 'L')
            take_option(c);
    if (optind < argc && opt.data_dir == NULL)
        opt.data_dir = argv[optind++];
    if (optind < argc) {
        complain("too many command-line arguments (first is \"%s\")", argv[optind]);
        usage_hint();
    }
    if (ask_password && password_file)
        fail("password prompt and password file cannot be specified together");
}

static void
check_auth(const char **method, const char *kind)
{
    static const char *const both[] = {"trust", "reject", "scram-sha-256", "md5", "password", "ident", "peer", "cert", NULL};
    bool local = strcmp(kind, "local") == 0;
    bool known = false;
    if (*method == NULL)
        *method = auth_both ? auth_both : "trust";
    /* peer is for local connections, ident for TCP: one stands for the other */
    if (local && strcmp(*method, "ident") == 0)
        *method = "peer";
    else if (!local && strcmp(*method, "peer") == 0)
        *method = "ident";
    for (int i = 0; both[i]; i++)
        known |= strcmp(both[i], *method) == 0;
    if (!known || (local && strcmp(*method, "cert") == 0)) {
        complain("invalid authentication method \"%s\" for \"%s\" connections", *method, kind);
        exit(1);
    }
}

static bool
needs_password(const char *method)
{
    return strcmp(method, "md5") == 0 || strcmp(method, "password") == 0 || strcmp(method, "scram-sha-256") == 0;
}

static void
read_prompt(const char *prompt, char *out, size_t n)
{
    struct termios old, quiet;
    FILE *tty = fopen("/dev/tty", "r+");
    FILE *in = tty ? tty : stdin;
    bool hidden = tcgetattr(fileno(in), &old) == 0;
    fprintf(tty ? tty : stderr, "%s", prompt);
    fflush(tty ? tty : stderr);
    if (hidden) {
        quiet = old;
        quiet.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(fileno(in), TCSAFLUSH, &quiet);
    }
    if (fgets(out, (int)n, in) == NULL)
        out[0] = '\0';
    out[strcspn(out, "\r\n")] = '\0';
    if (hidden)
        tcsetattr(fileno(in), TCSAFLUSH, &old);
    fprintf(tty ? tty : stderr, "\n");
    if (tty)
        fclose(tty);
}

static void
get_password(void)
{
    static char first[1024], again[1024];
    if (password_file) {
        FILE *f = fopen(password_file, "r");
        if (f == NULL)
            fail("could not open file \"%s\" for reading: %s", password_file, strerror(errno));
        if (fgets(first, sizeof(first), f) == NULL)
            fail("password file \"%s\" is empty", password_file);
        fclose(f);
        first[strcspn(first, "\r\n")] = '\0';
    } else {
        read_prompt("Enter new superuser password: ", first, sizeof(first));
        read_prompt("Enter it again: ", again, sizeof(again));
        if (strcmp(first, again) != 0) {
            fprintf(stderr, "Passwords didn't match.\n");
            exit(1);
        }
    }
    opt.password = first;
}

/* ---- locale ---- */

/* The name the system uses; NULL or "" asks the environment. */
static const char *
pick_locale(int category, const char *name)
{
    const char *got = setlocale(category, name ? name : "");
    if (got == NULL && name && name[0]) {
        complain("invalid locale name \"%s\"", name);
        exit(1);
    }
    if (got == NULL) {
        complain("invalid locale settings; check LANG and LC_* environment variables");
        exit(1);
    }
    char *copy = strdup(got);
    return copy ? copy : "C";
}

static void
pick_locales(void)
{
    if (no_locale)
        locale_all = "C";
    opt.collate = pick_locale(LC_COLLATE, opt.collate ? opt.collate : locale_all);
    opt.ctype = pick_locale(LC_CTYPE, opt.ctype ? opt.ctype : locale_all);
    const char *codeset = nl_langinfo(CODESET);
    opt.messages = pick_locale(LC_MESSAGES, opt.messages ? opt.messages : locale_all);
    opt.monetary = pick_locale(LC_MONETARY, opt.monetary ? opt.monetary : locale_all);
    opt.numeric = pick_locale(LC_NUMERIC, opt.numeric ? opt.numeric : locale_all);
    opt.time = pick_locale(LC_TIME, opt.time ? opt.time : locale_all);
    setlocale(LC_ALL, "C"); /* the rest speaks the C locale */
    bool plain = strcmp(opt.ctype, "C") == 0 || strcmp(opt.ctype, "POSIX") == 0;
    if (!plain && strcasecmp(codeset, "UTF-8") != 0 && strcasecmp(codeset, "utf8") != 0) {
        complain("encoding mismatch");
        fprintf(stderr, "initdb: detail: The encoding you selected (UTF8) and the encoding that the selected locale uses (%s) do not match. "
                        "This would lead to misbehavior in various character string processing functions.\n", codeset);
        hint("Rerun initdb and either do not specify an encoding explicitly, or choose a matching combination.");
        exit(1);
    }
    opt.encoding = 6; /* UTF8 */
    if (encoding_name && strcasecmp(encoding_name, "UTF8") != 0 && strcasecmp(encoding_name, "UTF-8") != 0 &&
        strcasecmp(encoding_name, "UNICODE") != 0)
        refuse("a server encoding other than UTF8");
}

static void
print_locales(void)
{
    bool same = strcmp(opt.collate, opt.ctype) == 0 && strcmp(opt.collate, opt.messages) == 0 &&
                strcmp(opt.collate, opt.monetary) == 0 && strcmp(opt.collate, opt.numeric) == 0 &&
                strcmp(opt.collate, opt.time) == 0;
    if (same)
        printf("The database cluster will be initialized with locale \"%s\".\n", opt.collate);
    else
        printf("The database cluster will be initialized with this locale configuration:\n"
               "  provider:    libc\n  LC_COLLATE:  %s\n  LC_CTYPE:    %s\n  LC_MESSAGES: %s\n"
               "  LC_MONETARY: %s\n  LC_NUMERIC:  %s\n  LC_TIME:     %s\n",
               opt.collate, opt.ctype, opt.messages, opt.monetary, opt.numeric, opt.time);
    if (encoding_name == NULL)
        printf("The default database encoding has accordingly been set to \"%s\".\n", "UTF8");
    if (opt.text_search == NULL)
        opt.text_search = strncmp(opt.ctype, "C", 1) == 0 || strncmp(opt.ctype, "en", 2) == 0 || strncmp(opt.ctype, "POSIX", 5) == 0
                              ? "english" : "simple";
    printf("The default text search configuration will be set to \"%s\".\n\n", opt.text_search);
    printf("Data page checksums are enabled.\n\n");
}

/* ---- directories ---- */

/* 0: does not exist, 1: empty, 2: holds only dot files or lost+found, 3: in use; -1 error. */
static int
look_at(const char *path)
{
    DIR *d = opendir(path);
    int result = 1;
    if (d == NULL)
        return errno == ENOENT ? 0 : -1;
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (e->d_name[0] == '.' || strcmp(e->d_name, "lost+found") == 0)
            result = MAX(result, 2);
        else
            result = 3;
    }
    closedir(d);
    return result;
}

static mode_t
dir_mode(void)
{
    return opt.group_access ? 0750 : 0700;
}

static bool
make_with_parents(const char *path)
{
    char part[MAX_PATH_BYTES];
    snprintf(part, sizeof(part), "%s", path);
    for (char *p = part + 1; *p; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        if (mkdir(part, 0777) != 0 && errno != EEXIST)
            return false;
        *p = '/';
    }
    return mkdir(path, dir_mode()) == 0 || errno == EEXIST;
}

static void
make_directory(const char *path, bool wal, bool *made, bool *found)
{
    int state = look_at(path);
    if (state == 0) {
        printf("creating directory %s ... ", path);
        fflush(stdout);
        if (!make_with_parents(path))
            fail("could not create directory \"%s\": %s", path, strerror(errno));
        *made = true;
        printf("ok\n");
    } else if (state == 1) {
        printf("fixing permissions on existing directory %s ... ", path);
        fflush(stdout);
        if (chmod(path, dir_mode()) != 0)
            fail("could not change permissions of directory \"%s\": %s", path, strerror(errno));
        *found = true;
        printf("ok\n");
    } else if (state < 0) {
        fail("could not access directory \"%s\": %s", path, strerror(errno));
    } else {
        complain("directory \"%s\" exists but is not empty", path);
        if (state == 2)
            hint("Using a mount point directly as the data directory is not recommended.\nCreate a subdirectory under the mount point.");
        else if (wal)
            hint("If you want to store the WAL there, either remove or empty the directory \"%s\".", path);
        else
            hint("If you want to create a new database system, either remove or empty the directory \"%s\" or run initdb with an "
                 "argument other than \"%s\".", path, path);
        give_up();
    }
}

static void
make_subdirectories(void)
{
    static const char *const names[] = {
        "global", "pg_commit_ts", "pg_dynshmem", "pg_notify", "pg_serial", "pg_snapshots", "pg_subtrans", "pg_twophase",
        "pg_multixact", "pg_multixact/members", "pg_multixact/offsets", "base", "base/1", "pg_replslot", "pg_tblspc",
        "pg_stat", "pg_stat_tmp", "pg_xact", "pg_csn", "pg_logical", "pg_logical/snapshots", "pg_logical/mappings"};
    char path[MAX_PATH_BYTES];
    snprintf(path, sizeof(path), "%s/pg_wal", opt.data_dir);
    if (opt.wal_dir) {
        if (opt.wal_dir[0] != '/')
            fail("WAL directory location must be an absolute path");
        make_directory(opt.wal_dir, true, &made_wal, &found_wal);
        if (symlink(opt.wal_dir, path) != 0)
            fail("could not create symbolic link \"%s\": %s", path, strerror(errno));
    }
    printf("creating subdirectories ... ");
    fflush(stdout);
    if (!opt.wal_dir && mkdir(path, dir_mode()) != 0)
        fail("could not create directory \"%s\": %s", path, strerror(errno));
    snprintf(path, sizeof(path), "%s/pg_wal/archive_status", opt.data_dir);
    if (mkdir(path, dir_mode()) != 0)
        fail("could not create directory \"%s\": %s", path, strerror(errno));
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", opt.data_dir, names[i]);
        if (mkdir(path, dir_mode()) != 0)
            fail("could not create directory \"%s\": %s", path, strerror(errno));
    }
    printf("ok\n");
}

/* ---- durability ---- */

static int
sync_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    int fd = S_ISREG(st->st_mode) || S_ISDIR(st->st_mode) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return 0;
    int rc = fsync(fd);
    int saved = errno;
    close(fd);
    if (rc != 0 && saved != EBADF && saved != EINVAL)
        fail("could not fsync file \"%s\": %s", path, strerror(saved));
    return 0;
}

static void
sync_cluster(void)
{
    printf("syncing data to disk ... ");
    fflush(stdout);
    nftw(opt.data_dir, sync_one, 64, FTW_PHYS | FTW_DEPTH);
    char path[MAX_PATH_BYTES];
    snprintf(path, sizeof(path), "%s/pg_wal/.", opt.data_dir);
    nftw(path, sync_one, 64, FTW_PHYS | FTW_DEPTH); /* behind a symbolic link */
    snprintf(path, sizeof(path), "%s/..", opt.data_dir);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
    printf("ok\n");
}

/* ---- the whole ---- */

static void
fill_in_child(void)
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        fail("could not fork: %s", strerror(errno));
    if (pid == 0) {
        initdb_fill_cluster(&opt);
        fflush(NULL);
        _exit(0);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFSIGNALED(status))
        fail("child process was terminated by signal %d: %s", WTERMSIG(status), strsignal(WTERMSIG(status)));
    if (WEXITSTATUS(status) != 0)
        give_up();
}

static void
print_shell_word(const char *s)
{
    if (s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:")] == '\0' && s[0]) {
        fputs(s, stdout);
        return;
    }
    putchar('\'');
    for (; *s; s++) {
        if (*s == '\'')
            fputs("'\"'\"'", stdout);
        else
            putchar(*s);
    }
    putchar('\'');
}

static void
print_end(void)
{
    bool local = strcmp(opt.auth_local, "trust") == 0, host = strcmp(opt.auth_host, "trust") == 0;
    if ((local || host) && auth_both == NULL) {
        printf("\n");
        fflush(stdout);
        fprintf(stderr, "initdb: warning: enabling \"trust\" authentication for local connections\n");
        hint("You can change this by editing pg_hba.conf or using the option -A, or --auth-local and --auth-host, the next time you run initdb.");
    }
    if (opt.no_instructions)
        return;
    printf("\nSuccess. You can now start the database server using:\n\n    ");
    print_shell_word(program_sibling("pg_ctl"));
    printf(" -D ");
    print_shell_word(opt.data_dir);
    printf(" -l logfile start\n\n");
}

static void
choose_user(void)
{
    struct passwd *pw = getpwuid(geteuid());
    if (geteuid() == 0) {
        complain("cannot be run as root");
        hint("Please log in (using, e.g., \"su\") as the (unprivileged) user that will own the server process.");
        exit(1);
    }
    if (pw == NULL)
        fail("could not look up effective user ID %ld: %s", (long)geteuid(), "user does not exist");
    printf("The files belonging to this database system will be owned by user \"%s\".\n"
           "This user must also own the server process.\n\n", pw->pw_name);
    fflush(stdout);
    if (opt.user == NULL)
        opt.user = strdup(pw->pw_name);
    if (strncmp(opt.user, "pg_", 3) == 0)
        fail("superuser name \"%s\" is disallowed; role names cannot begin with \"pg_\"", opt.user);
    if (strlen(opt.user) >= NAME_BYTES)
        fail("superuser name \"%s\" is too long", opt.user);
}

int
initdb_main(int argc, char **argv)
{
    static char dir[MAX_PATH_BYTES];
    setvbuf(stdout, NULL, _IOLBF, 0);
    parse_options(argc, argv);
    if (getenv("TZ"))
        opt.time_zone = strdup(getenv("TZ"));
    if (geteuid() == 0)
        choose_user(); /* refuses before anything else is looked at */
    if (opt.data_dir == NULL)
        opt.data_dir = getenv("PGDATA");
    if (opt.data_dir == NULL || opt.data_dir[0] == '\0') {
        complain("no data directory specified");
        hint("You must identify the directory where the data for this database system will reside.  Do this with either the "
             "invocation option -D or the environment variable PGDATA.");
        exit(1);
    }
    snprintf(dir, sizeof(dir), "%s", opt.data_dir);
    for (size_t n = strlen(dir); n > 1 && dir[n - 1] == '/'; n--)
        dir[n - 1] = '\0';
    opt.data_dir = dir;
    if (sync_only) {
        sync_cluster();
        return 0;
    }
    check_auth(&opt.auth_local, "local");
    check_auth(&opt.auth_host, "host");
    if ((needs_password(opt.auth_local) || needs_password(opt.auth_host)) && !ask_password && !password_file)
        fail("must specify a password for the superuser to enable password authentication");
    umask(opt.group_access ? 0027 : 0077);
    choose_user();
    pick_locales();
    print_locales();
    if (ask_password || password_file)
        get_password();

    signal(SIGINT, SIG_IGN); /* the child takes it and dies of it; then this process cleans up */
    make_directory(opt.data_dir, false, &made_dir, &found_dir);
    make_subdirectories();
    modules_register();
    initdb_write_files(&opt);
    fill_in_child();
    if (opt.no_sync)
        printf("\nSync to disk skipped.\nThe data directory might become corrupt if the operating system crashes.\n");
    else
        sync_cluster();
    print_end();
    return 0;
}
