/*
 * The test build's side of io.h: each call asks whether it shall fail, does its work, and records it.
 *
 * A descriptor's path and inode are noted when it is opened; a forked child has a copy of the table.
 * What fails leaves nothing behind, except "short", which does the first half: callers must go on from
 * there or report what the next call says.
 */
#include "core/file/io.h"

#ifdef ENABLE_FAULT_POINTS

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/fault.h"
#include "core/file/io_trace.h"

#define IOV_MAX_HERE 130

typedef struct Opened {
    uint64_t inode;
    bool is_dir, sync_writes;
    char path[FAULT_PATH_BYTES];
} Opened;

static Opened *opened; /* by descriptor */
static int opened_cap;

static Opened *
opened_slot(int fd)
{
    if (fd >= opened_cap) {
        int cap = fd + 64;
        opened = realloc(opened, (size_t)cap * sizeof(Opened));
        CHECK(opened != NULL);
        memset(opened + opened_cap, 0, (size_t)(cap - opened_cap) * sizeof(Opened));
        opened_cap = cap;
    }
    return &opened[fd];
}

static const char *
path_of(int fd)
{
    return fd >= 0 && fd < opened_cap ? opened[fd].path : "";
}

static bool
fails(const char *op, const char *path, FaultAction *what)
{
    *what = fault_ask_file(op, path);
    if (*what == FAULT_EIO || *what == FAULT_ENOSPC || *what == FAULT_ERROR) {
        errno = *what == FAULT_ENOSPC ? ENOSPC : EIO;
        return true;
    }
    return false;
}

void
io_init(void)
{
    fault_init();
    (void)io_trace_on();
}

/* ---- opening ---- */

static void
note_opened(int fd, const char *path, int flags, bool created)
{
    struct stat st;
    Opened *o = opened_slot(fd);
    CHECK(fstat(fd, &st) == 0);
    *o = (Opened){.inode = st.st_ino, .is_dir = S_ISDIR(st.st_mode), .sync_writes = (flags & (O_SYNC | O_DSYNC)) != 0};
    snprintf(o->path, sizeof(o->path), "%s", path);
    if (!io_trace_on())
        return;
    if (created)
        io_trace(IO_TRACE_CREATE, o->inode, 0, 0, path, NULL, 0);
    else if (flags & O_TRUNC)
        io_trace(IO_TRACE_TRUNCATE, o->inode, 0, 0, path, NULL, 0);
}

int
io_open(const char *path, int flags, ...)
{
    FaultAction what;
    mode_t mode = 0;
    int fd;

    if (flags & O_CREAT) {
        va_list ap;
        va_start(ap, flags);
        mode = (mode_t)va_arg(ap, int);
        va_end(ap);
    }
    if (fails(flags & O_CREAT ? "create" : "open", path, &what))
        return -1;
    if (!(flags & O_CREAT)) {
        fd = open(path, flags);
        if (fd >= 0)
            note_opened(fd, path, flags, false);
        return fd;
    }
    io_trace_lock_names();
    do { /* made or found: the record must know */
        fd = flags & O_EXCL ? -1 : open(path, flags & ~O_CREAT);
        if (fd >= 0) {
            note_opened(fd, path, flags, false);
        } else if ((flags & O_EXCL) || errno == ENOENT) {
            fd = open(path, flags | O_EXCL, mode);
            if (fd >= 0)
                note_opened(fd, path, flags, true);
            else if (errno == EEXIST && !(flags & O_EXCL))
                continue;
        }
        break;
    } while (true);
    int saved = errno;
    io_trace_unlock_names();
    errno = saved;
    return fd;
}

int
io_close(int fd)
{
    if (fd >= 0 && fd < opened_cap)
        opened[fd].path[0] = '\0';
    return close(fd);
}

/* ---- reading ---- */

static void
flip_bit(char *bytes, size_t n)
{
    if (n > 0) {
        uint64_t bit = fault_random() % (n * 8);
        bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
    }
}

/* at < 0: from the descriptor's own position */
ssize_t
io_preadv(int fd, const struct iovec *v, int count, off_t at)
{
    FaultAction what;
    struct iovec half = v[0];

    if (fails("read", path_of(fd), &what))
        return -1;
    if (what == FAULT_SHORT && half.iov_len > 1) {
        half.iov_len /= 2;
        v = &half;
        count = 1;
    }
    ssize_t got = at < 0 ? readv(fd, v, count) : preadv(fd, v, count, at);
    if (what == FAULT_FLIP && got > 0)
        flip_bit(v[0].iov_base, (size_t)got < v[0].iov_len ? (size_t)got : v[0].iov_len);
    return got;
}

ssize_t
io_pread(int fd, void *to, size_t n, off_t at)
{
    struct iovec v = {to, n};
    return io_preadv(fd, &v, 1, at);
}

ssize_t
io_read(int fd, void *to, size_t n)
{
    struct iovec v = {to, n};
    return io_preadv(fd, &v, 1, -1);
}

/* ---- writing ---- */

static bool
all_zeros(const struct iovec *v, int count)
{
    for (int i = 0; i < count; i++) {
        const char *p = v[i].iov_base;
        size_t n = v[i].iov_len;
        if (n > 0 && (p[0] != 0 || memcmp(p, p + 1, n - 1) != 0))
            return false;
    }
    return true;
}

/* The record of the first `put` bytes of what v holds. */
static void
trace_write(int fd, const struct iovec *v, int count, off_t at, size_t put)
{
    struct iovec part[IOV_MAX_HERE];
    size_t left = put;
    int n = 0;
    const Opened *o = opened_slot(fd);

    for (; n < count && left > 0; n++) {
        part[n] = v[n];
        part[n].iov_len = part[n].iov_len < left ? part[n].iov_len : left;
        left -= part[n].iov_len;
    }
    if (all_zeros(part, n))
        io_trace(IO_TRACE_ZERO, o->inode, (uint64_t)at, put, NULL, NULL, 0);
    else
        io_trace(IO_TRACE_WRITE, o->inode, (uint64_t)at, 0, NULL, part, n);
    if (o->sync_writes) {
        uint64_t number = io_trace_sync_number();
        io_trace(IO_TRACE_SYNC_BEGIN, o->inode, number, 0, NULL, NULL, 0);
        io_trace(IO_TRACE_SYNC_END, o->inode, number, 0, NULL, NULL, 0);
    }
}

ssize_t
io_pwritev(int fd, const struct iovec *v, int count, off_t at)
{
    FaultAction what;
    struct iovec changed[IOV_MAX_HERE];
    char *flipped = NULL;

    CHECK(count > 0 && count <= IOV_MAX_HERE);
    if (fails("write", path_of(fd), &what))
        return -1;
    memcpy(changed, v, (size_t)count * sizeof(*v));
    if (what == FAULT_SHORT && v[0].iov_len > 1) {
        changed[0].iov_len /= 2;
        count = 1;
    } else if (what == FAULT_FLIP) {
        flipped = malloc(v[0].iov_len);
        CHECK(flipped != NULL);
        memcpy(flipped, v[0].iov_base, v[0].iov_len);
        flip_bit(flipped, v[0].iov_len);
        changed[0].iov_base = flipped;
    }
    if (at < 0 && io_trace_on())
        at = lseek(fd, 0, SEEK_CUR);
    ssize_t put = at < 0 ? writev(fd, changed, count) : pwritev(fd, changed, count, at);
    if (put > 0 && io_trace_on())
        trace_write(fd, changed, count, at, (size_t)put);
    free(flipped);
    return put;
}

ssize_t
io_pwrite(int fd, const void *from, size_t n, off_t at)
{
    struct iovec v = {(void *)from, n};
    return io_pwritev(fd, &v, 1, at);
}

ssize_t
io_write(int fd, const void *from, size_t n)
{
    off_t at = lseek(fd, 0, SEEK_CUR);
    ssize_t put = io_pwrite(fd, from, n, at);
    if (put > 0)
        (void)lseek(fd, at + put, SEEK_SET);
    return put;
}

int
io_ftruncate(int fd, off_t size)
{
    FaultAction what;
    if (fails("truncate", path_of(fd), &what))
        return -1;
    int rc = ftruncate(fd, size);
    if (rc == 0 && io_trace_on())
        io_trace(IO_TRACE_TRUNCATE, opened_slot(fd)->inode, (uint64_t)size, 0, NULL, NULL, 0);
    return rc;
}

int
io_truncate(const char *path, off_t size)
{
    FaultAction what;
    struct stat st;
    if (fails("truncate", path, &what))
        return -1;
    int rc = truncate(path, size);
    if (rc == 0 && io_trace_on() && stat(path, &st) == 0)
        io_trace(IO_TRACE_TRUNCATE, st.st_ino, (uint64_t)size, 0, NULL, NULL, 0);
    return rc;
}

int
io_fallocate(int fd, off_t at, off_t n)
{
    FaultAction what;
    if (fails("extend", path_of(fd), &what))
        return errno;
    int rc = posix_fallocate(fd, at, n);
    if (rc == 0 && io_trace_on())
        io_trace(IO_TRACE_EXTEND, opened_slot(fd)->inode, (uint64_t)at, (uint64_t)n, NULL, NULL, 0);
    return rc;
}

ssize_t
io_copy_range(int in, off_t *in_at, int out, off_t *out_at, size_t n, unsigned flags)
{
    errno = EXDEV;
    return -1;
}

/* ---- syncing ---- */

static int
sync_with(int fd, int (*fn)(int))
{
    FaultAction what;
    uint64_t number = 0;

    if (fails("sync", path_of(fd), &what))
        return -1;
    const Opened *o = opened_slot(fd);
    if (io_trace_on()) {
        number = io_trace_sync_number();
        io_trace(IO_TRACE_SYNC_BEGIN, o->inode, number, 0, o->is_dir ? o->path : NULL, NULL, 0);
    }
    int rc = fn(fd);
    if (rc == 0 && io_trace_on())
        io_trace(IO_TRACE_SYNC_END, o->inode, number, 0, NULL, NULL, 0);
    return rc;
}

int
io_fsync(int fd)
{
    return sync_with(fd, fsync);
}

int
io_fdatasync(int fd)
{
    return sync_with(fd, fdatasync);
}

int
io_syncfs(int fd)
{
    FaultAction what;
    return fails("sync", path_of(fd), &what) ? -1 : syncfs(fd); /* the trace leaves it out: less is durable */
}

/* ---- names ---- */

int
io_unlink(const char *path)
{
    FaultAction what;
    if (fails("unlink", path, &what))
        return -1;
    io_trace_lock_names();
    int rc = unlink(path), saved = errno;
    if (rc == 0 && io_trace_on())
        io_trace(IO_TRACE_UNLINK, 0, 0, 0, path, NULL, 0);
    io_trace_unlock_names();
    errno = saved;
    return rc;
}

static int
two_names(const char *op, IoTraceKind kind, const char *from, const char *to, int how)
{
    FaultAction what;
    if (fails(op, to, &what))
        return -1;
    io_trace_lock_names();
    int rc = kind == IO_TRACE_LINK ? link(from, to) : renameat2(AT_FDCWD, from, AT_FDCWD, to, (unsigned)how);
    int saved = errno;
    struct iovec v = {(void *)to, strlen(to)};
    if (rc == 0 && io_trace_on())
        io_trace(kind, 0, 0, 0, from, &v, 1);
    io_trace_unlock_names();
    errno = saved;
    return rc;
}

int
io_rename(const char *from, const char *to)
{
    return two_names("rename", IO_TRACE_RENAME, from, to, 0);
}

int
io_rename_new(const char *from, const char *to)
{
    return two_names("rename", IO_TRACE_RENAME, from, to, RENAME_NOREPLACE);
}

int
io_link(const char *from, const char *to)
{
    return two_names("link", IO_TRACE_LINK, from, to, 0);
}

static int
directory(const char *op, IoTraceKind kind, const char *path, mode_t mode)
{
    FaultAction what;
    if (fails(op, path, &what))
        return -1;
    io_trace_lock_names();
    int rc = kind == IO_TRACE_MKDIR ? mkdir(path, mode) : rmdir(path), saved = errno;
    if (rc == 0 && io_trace_on())
        io_trace(kind, 0, 0, 0, path, NULL, 0);
    io_trace_unlock_names();
    errno = saved;
    return rc;
}

int
io_mkdir(const char *path, mode_t mode)
{
    return directory("mkdir", IO_TRACE_MKDIR, path, mode);
}

int
io_rmdir(const char *path)
{
    return directory("rmdir", IO_TRACE_RMDIR, path, 0);
}
#endif
