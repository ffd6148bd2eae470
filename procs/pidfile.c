/*
 * postmaster.pid: the instance's lock and what other programs read of it. PostgreSQL's eight lines:
 * pid, data directory, start time, port, first socket directory, first listen address, shared memory
 * key, status.
 *
 * The lock is an open-file-description lock (fcntl) on the file. Children inherit the description, so
 * the lock is held until the postmaster and all its children are gone: a new postmaster cannot start
 * beside an orphan that still writes. A stale file is told by its lock being free, never by its pid,
 * which may long belong to another process.
 *
 * Race: a dying owner removes the name after we have opened the file. So after locking, the file under
 * the name must still be the one that is locked, else it is tried again.
 *
 * Beside each Unix socket stands a file of the same form. There PostgreSQL's own servers, which do not
 * lock, may be the other side; whether one still listens is asked by connecting.
 */
#define _GNU_SOURCE
#include "procs/procs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/limits.h"

#define PID_LINES 8
#define ORPHANS_WAIT_MS 5000

static int pid_fd = -1;
static char lines[PID_LINES][MAX_PATH_BYTES];
static char data_dir[MAX_PATH_BYTES];
static pid_t owner;

static struct {
    char path[256];
    int fd;
} socket_locks[16];
static int socket_lock_count;

static bool
lock_whole(int fd)
{
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(fd, F_OFD_SETLK, &l) == 0;
}

/* Opens and locks; -1 with errno, EWOULDBLOCK when another process holds the lock. */
static int
open_locked(const char *path)
{
    for (;;) {
        struct stat here, there;
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, datadir_file_mode());
        if (fd < 0)
            return -1;
        if (!lock_whole(fd)) {
            int saved = errno == EAGAIN || errno == EACCES ? EWOULDBLOCK : errno;
            close(fd);
            errno = saved;
            return -1;
        }
        if (fstat(fd, &here) == 0 && stat(path, &there) == 0 && here.st_ino == there.st_ino &&
            here.st_dev == there.st_dev)
            return fd;
        close(fd);
    }
}

static size_t
read_text(const char *path, char *out, size_t out_bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, out, out_bytes - 1);
    if (fd >= 0)
        close(fd);
    out[n > 0 ? n : 0] = '\0';
    return n > 0 ? (size_t)n : 0;
}

/* Line `number` (1-based) of text, without its end. */
static void
copy_line(const char *text, int number, char *out, size_t out_bytes)
{
    out[0] = '\0';
    for (int i = 1; i < number; i++) {
        text = strchr(text, '\n');
        if (text == NULL)
            return;
        text++;
    }
    size_t n = strcspn(text, "\n");
    snprintf(out, out_bytes, "%.*s", (int)MIN(n, out_bytes - 1), text);
}

static void
write_lines(void)
{
    char text[PID_LINES * MAX_PATH_BYTES];
    int n = 0, last = PID_LINES;
    while (last > 0 && lines[last - 1][0] == '\0')
        last--;
    for (int i = 0; i < last; i++)
        n += snprintf(text + n, sizeof(text) - (size_t)n, "%s\n", lines[i]);
    if (pwrite(pid_fd, text, (size_t)n, 0) != n || ftruncate(pid_fd, n) != 0)
        REPORT(LEVEL_LOG, err_sqlstate_of_errno(errno), err_message("could not write to file \"%s\": %m", PID_FILE));
}

static NORETURN void
raise_running(const char *text)
{
    char pid[32];
    copy_line(text, 1, pid, sizeof(pid));
    err_start(LEVEL_FATAL, SQLSTATE_LOCK_FILE_EXISTS, __FILE__, __LINE__, __func__);
    if (pid[0] && kill((pid_t)atol(pid), 0) != 0 && errno == ESRCH) {
        err_message("server processes of an earlier postmaster (PID %s) are still running", pid);
        err_hint("Terminate any old server processes associated with data directory \"%s\".", data_dir);
    } else {
        err_message("lock file \"%s\" already exists", PID_FILE);
        err_hint("Is another postmaster (PID %s) running in data directory \"%s\"?", pid, data_dir);
    }
    err_throw();
}

/* Waits a little for the orphans of a postmaster that was killed: they die with it, but not at once. */
static int
open_pid_file(void)
{
    for (int waited = 0;; waited += 50) {
        char text[8192], pid[32];
        int fd = open_locked(PID_FILE);
        if (fd >= 0)
            return fd;
        if (errno != EWOULDBLOCK)
            RAISE_FATAL(err_sqlstate_of_errno(errno), "could not create lock file \"%s\": %m", PID_FILE);
        read_text(PID_FILE, text, sizeof(text));
        copy_line(text, 1, pid, sizeof(pid));
        bool gone = pid[0] == '\0' || (kill((pid_t)atol(pid), 0) != 0 && errno == ESRCH);
        if (!gone || waited >= ORPHANS_WAIT_MS)
            raise_running(text);
        usleep(50000);
    }
}

void
pidfile_create(uint64_t *stale_key)
{
    char text[8192], key[64];
    *stale_key = 0;
    if (getcwd(data_dir, sizeof(data_dir)) == NULL)
        RAISE_FATAL(err_sqlstate_of_errno(errno), "could not identify current directory: %m");
    pid_fd = open_pid_file();
    owner = getpid();
    if (read_text(PID_FILE, text, sizeof(text)) > 0) {
        copy_line(text, 7, key, sizeof(key));
        *stale_key = strtoull(key, NULL, 10);
    }
    memset(lines, 0, sizeof(lines));
    snprintf(lines[0], sizeof(lines[0]), "%d", (int)owner);
    snprintf(lines[1], sizeof(lines[1]), "%s", data_dir);
    snprintf(lines[2], sizeof(lines[2]), "%lld", (long long)time(NULL));
    write_lines();
}

void
pidfile_set_line(int line, const char *text)
{
    if (pid_fd < 0 || getpid() != owner)
        return;
    snprintf(lines[line - 1], sizeof(lines[0]), "%s", text);
    write_lines();
}

bool
pidfile_is_ours(void)
{
    struct stat here, there;
    return pid_fd >= 0 && fstat(pid_fd, &here) == 0 && stat(PID_FILE, &there) == 0 &&
           here.st_ino == there.st_ino && here.st_dev == there.st_dev;
}

void
pidfile_remove(void)
{
    if (pid_fd < 0 || getpid() != owner)
        return;
    if (pidfile_is_ours())
        unlink(PID_FILE);
    close(pid_fd);
    pid_fd = -1;
}

/* ---- locks beside sockets ---- */

static bool
someone_listens(const char *socket_path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    if (strlen(socket_path) >= sizeof(addr.sun_path))
        return false;
    strcpy(addr.sun_path, socket_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    bool yes = connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 || errno == EAGAIN || errno == EACCES;
    close(fd);
    return yes;
}

ErrCode
socket_lock_create(const char *socket_path, int port, const char *dir, pid_t *owner_pid)
{
    char path[256], text[4096], first[32];
    if (snprintf(path, sizeof(path), "%s.lock", socket_path) >= (int)sizeof(path) ||
        socket_lock_count == (int)COUNT_OF(socket_locks)) {
        err_sys_set(ENAMETOOLONG, "could not create lock file \"%s.lock\"", socket_path);
        return ERR_IO;
    }
    int fd = open_locked(path);
    if (fd < 0 && errno != EWOULDBLOCK) {
        err_sys_set(errno, "could not create lock file \"%s\"", path);
        return ERR_IO;
    }
    read_text(path, text, sizeof(text));
    copy_line(text, 1, first, sizeof(first));
    *owner_pid = (pid_t)atol(first);
    if (fd < 0)
        return ERR_BUSY;
    if (someone_listens(socket_path)) {
        close(fd);
        return ERR_BUSY;
    }
    int n = snprintf(text, sizeof(text), "%d\n%s\n%s\n%d\n%s\n", (int)getpid(), data_dir, lines[2], port, dir);
    if (pwrite(fd, text, (size_t)n, 0) != n || ftruncate(fd, n) != 0) {
        err_sys_set(errno, "could not write lock file \"%s\"", path);
        close(fd);
        return ERR_IO;
    }
    snprintf(socket_locks[socket_lock_count].path, sizeof(socket_locks[0].path), "%s", path);
    socket_locks[socket_lock_count++].fd = fd;
    return ERR_OK;
}

void
socket_locks_remove(void)
{
    for (int i = 0; i < socket_lock_count && getpid() == owner; i++) {
        unlink(socket_locks[i].path);
        close(socket_locks[i].fd);
    }
    socket_lock_count = 0;
}

/* ---- pg_ctl's side ---- */

bool
pidfile_read(const char *dir, PidFile *out)
{
    char path[MAX_PATH_BYTES], text[8192], line[MAX_PATH_BYTES];
    memset(out, 0, sizeof(*out));
    snprintf(path, sizeof(path), "%s/" PID_FILE, dir);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 && errno == EACCES)
        fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, sizeof(text) - 1);
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    out->exists = true;
    out->locked = fcntl(fd, F_OFD_GETLK, &l) != 0 || l.l_type != F_UNLCK;
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    copy_line(text, 1, line, sizeof(line));
    out->pid = atol(line);
    copy_line(text, 3, line, sizeof(line));
    out->start_time = atoll(line);
    copy_line(text, 4, line, sizeof(line));
    out->port = atoi(line);
    copy_line(text, 5, out->socket_dir, sizeof(out->socket_dir));
    copy_line(text, 6, out->host, sizeof(out->host));
    copy_line(text, 8, out->status, sizeof(out->status));
    return true;
}
