/*
 * Listening sockets: TCP addresses of listen_addresses, Unix sockets in unix_socket_directories.
 *
 * A Unix directory that cannot be used is a warning as long as another one can (the default names
 * both /var/run/postgresql, where Debian's clients look, and /tmp, where all others do). A socket that
 * another server is using is FATAL, as in PostgreSQL.
 */
#define _GNU_SOURCE
#include "procs/procs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/limits.h"

int listen_fds[LISTEN_MAX];
int listen_count;
static char *unix_paths[LISTEN_MAX]; /* beside listen_fds; NULL: TCP */

static int
backlog(void)
{
    return MIN(max_connections * 2, 10000);
}

static void
add_listener(int fd, const char *unix_path)
{
    listen_fds[listen_count] = fd;
    unix_paths[listen_count] = unix_path ? strdup(unix_path) : NULL;
    listen_count++;
}

/* ---- TCP ---- */

static void
report_bind(int errnum, const char *family, const char *host)
{
    errno = errnum;
    if (errnum == EADDRINUSE)
        REPORT(LEVEL_LOG, err_sqlstate_of_errno(errnum),
               err_message("could not bind %s address \"%s\": %m", family, host),
               err_hint("Is another postmaster already running on port %d? If not, wait a few seconds and retry.",
                        server_port));
    else
        REPORT(LEVEL_LOG, err_sqlstate_of_errno(errnum),
               err_message("could not bind %s address \"%s\": %m", family, host));
}

static bool
listen_address(const struct addrinfo *ai)
{
    char host[NI_MAXHOST];
    int one = 1;
    const char *family = ai->ai_family == AF_INET6 ? "IPv6" : "IPv4";
    if (getnameinfo(ai->ai_addr, ai->ai_addrlen, host, sizeof(host), NULL, 0, NI_NUMERICHOST) != 0)
        snprintf(host, sizeof(host), "???");
    int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        if (errno != EAFNOSUPPORT)
            LOG("could not create %s socket for address \"%s\": %m", family, host);
        return false;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (ai->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
    if (bind(fd, ai->ai_addr, ai->ai_addrlen) != 0) {
        if (errno != EADDRNOTAVAIL || ai->ai_family != AF_INET6)
            report_bind(errno, family, host);
        close(fd);
        return false;
    }
    if (listen(fd, backlog()) != 0) {
        LOG("could not listen on %s address \"%s\": %m", family, host);
        close(fd);
        return false;
    }
    add_listener(fd, NULL);
    LOG("listening on %s address \"%s\", port %d", family, host, server_port);
    return true;
}

static bool
listen_host(const char *host)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *all;
    char service[16];
    bool any = false;
    snprintf(service, sizeof(service), "%d", server_port);
    int rc = getaddrinfo(strcmp(host, "*") == 0 ? NULL : host, service, &hints, &all);
    if (rc != 0) {
        LOG("could not translate host name \"%s\", service \"%s\" to address: %s", host, service, gai_strerror(rc));
        return false;
    }
    for (struct addrinfo *ai = all; ai && listen_count < LISTEN_MAX; ai = ai->ai_next)
        any |= listen_address(ai);
    freeaddrinfo(all);
    return any;
}

/* ---- Unix sockets ---- */

static bool
set_access(const char *path)
{
    if (unix_socket_group && unix_socket_group[0]) {
        char *end;
        unsigned long gid = strtoul(unix_socket_group, &end, 10);
        if (*end) {
            struct group *g = getgrnam(unix_socket_group);
            if (g == NULL) {
                LOG("group \"%s\" does not exist", unix_socket_group);
                return false;
            }
            gid = g->gr_gid;
        }
        if (chown(path, (uid_t)-1, (gid_t)gid) != 0) {
            LOG("could not set group of file \"%s\": %m", path);
            return false;
        }
    }
    if (chmod(path, (mode_t)unix_socket_permissions) != 0) {
        LOG("could not set permissions of file \"%s\": %m", path);
        return false;
    }
    return true;
}

static bool
listen_unix(const char *dir)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    pid_t other;
    if (snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/.s.PGSQL.%d", dir, server_port) >=
        (int)sizeof(addr.sun_path)) {
        LOG("Unix-domain socket path \"%s/.s.PGSQL.%d\" is too long (maximum %d bytes)", dir, server_port,
            (int)sizeof(addr.sun_path) - 1);
        return false;
    }
    ErrCode rc = socket_lock_create(addr.sun_path, server_port, dir, &other);
    if (rc == ERR_BUSY) {
        err_start(LEVEL_FATAL, SQLSTATE_LOCK_FILE_EXISTS, __FILE__, __LINE__, __func__);
        err_message("lock file \"%s.lock\" already exists", addr.sun_path);
        err_hint("Is another postmaster (PID %d) using socket file \"%s\"?", (int)other, addr.sun_path);
        err_throw();
    }
    if (rc != ERR_OK) {
        REPORT(LEVEL_LOG, err_sqlstate_of_errno(err_sys()->errnum),
               err_message("%s: %s", err_sys()->what, strerror(err_sys()->errnum)));
        return false;
    }
    unlink(addr.sun_path); /* left by a dead server: the lock is ours */
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0) {
        report_bind(errno, "Unix", addr.sun_path);
        if (fd >= 0)
            close(fd);
        return false;
    }
    if (!set_access(addr.sun_path) || listen(fd, backlog()) != 0) {
        close(fd);
        unlink(addr.sun_path);
        return false;
    }
    add_listener(fd, addr.sun_path);
    LOG("listening on Unix socket \"%s\"", addr.sun_path);
    return true;
}

/* ---- all of them ---- */

/* Calls fn for each element of a comma-separated list; counts elements and successes. */
static void
each_element(const char *list, bool (*fn)(const char *), const char *warning, int *tried, int *good, char *first, size_t first_bytes)
{
    Arena *a = arena_create(arena_top(), "list");
    for (char *rest = arena_strdup(a, list), *item; (item = strsep(&rest, ",")) != NULL;) {
        item += strspn(item, " \t");
        size_t n = strlen(item);
        while (n > 0 && (item[n - 1] == ' ' || item[n - 1] == '\t'))
            item[--n] = '\0';
        if (n >= 2 && item[0] == '"' && item[n - 1] == '"') {
            item[n - 1] = '\0';
            item++;
        }
        if (item[0] == '\0')
            continue;
        (*tried)++;
        if (listen_count >= LISTEN_MAX || !fn(item)) {
            REPORT(LEVEL_WARNING, SQLSTATE_SUCCESS, err_message(warning, item));
            continue;
        }
        if ((*good)++ == 0)
            snprintf(first, first_bytes, "%s", item);
    }
    arena_destroy(a);
}

void
sockets_open(void)
{
    char first_host[256] = "", first_dir[512] = "", port[16];
    int tried = 0, good = 0;
    each_element(listen_addresses, listen_host, "could not create listen socket for \"%s\"", &tried, &good,
                 first_host, sizeof(first_host));
    if (tried > 0 && good == 0)
        RAISE_FATAL(SQLSTATE_SYSTEM_ERROR, "could not create any TCP/IP sockets");
    tried = good = 0;
    each_element(unix_socket_directories, listen_unix, "could not create Unix-domain socket in directory \"%s\"",
                 &tried, &good, first_dir, sizeof(first_dir));
    if (tried > 0 && good == 0)
        RAISE_FATAL(SQLSTATE_SYSTEM_ERROR, "could not create any Unix-domain sockets");
    if (listen_count == 0)
        RAISE_FATAL(SQLSTATE_SYSTEM_ERROR, "no socket created for listening");
    snprintf(port, sizeof(port), "%d", server_port);
    pidfile_set_line(4, port);
    pidfile_set_line(5, first_dir);
    pidfile_set_line(6, first_host);
}

void
sockets_close(bool unlink_files)
{
    for (int i = 0; i < listen_count; i++) {
        close(listen_fds[i]);
        if (unlink_files && unix_paths[i])
            unlink(unix_paths[i]);
    }
    listen_count = 0;
    if (unlink_files)
        socket_locks_remove();
}

bool
socket_accept(int listen_fd, int *out)
{
    int one = 1;
    int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return false;
    struct sockaddr_storage addr;
    socklen_t n = sizeof(addr);
    if (getsockname(fd, (struct sockaddr *)&addr, &n) == 0 && addr.ss_family != AF_UNIX) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
    }
    *out = fd;
    return true;
}
