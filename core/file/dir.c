/*
 * Directories and small files: durable replacement, whole-directory copy and removal.
 *
 * Durable replace: temporary file, fsync, rename, fsync of the directory. A crash leaves the old or
 * the new content under the name, never a mixture.
 */
#include "core/file/relfile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/interrupt.h"
#include "core/file/file_internal.h"
#include "core/file/io.h"

#define COPY_CHUNK_BYTES (64u * 1024)

ErrCode
file_sync_fd(int fd, const char *path)
{
    if (!enable_fsync)
        return ERR_OK;
    int failed;
    do
        failed = io_fsync(fd);
    while (failed != 0 && errno == EINTR);
    return failed == 0 ? ERR_OK : file_error(errno, "could not fsync file \"%s\"", path);
}

ErrCode
file_sync_path(const char *path)
{
    struct stat st;
    int fd = io_open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return file_error(errno, "could not open file \"%s\"", path);
    ErrCode rc = file_sync_fd(fd, path);
    /* Some file systems refuse to sync directories; they do not need it. */
    if (rc != ERR_OK && (err_sys()->errnum == EBADF || err_sys()->errnum == EINVAL) && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
        rc = ERR_OK;
    io_close(fd);
    return rc;
}

ErrCode
file_sync_dir(const char *dir)
{
    return enable_fsync ? file_sync_path(dir) : ERR_OK;
}

static ErrCode
write_all(int fd, const void *bytes, size_t n, const char *path)
{
    const char *p = bytes;

    while (n > 0) {
        ssize_t put = io_write(fd, p, n);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return file_error(put == 0 ? ENOSPC : errno, "could not write file \"%s\"", path);
        p += put;
        n -= (size_t)put;
    }
    return ERR_OK;
}

/* The directory part of path, "." when there is none. */
static void
parent_dir(const char *path, char *out, size_t out_bytes)
{
    snprintf(out, out_bytes, "%s", path);
    char *slash = strrchr(out, '/');
    if (!slash)
        snprintf(out, out_bytes, ".");
    else if (slash == out)
        out[1] = '\0';
    else
        *slash = '\0';
}

ErrCode
file_replace_durable(const char *path, const void *bytes, size_t n)
{
    char temp[MAX_PATH_BYTES], dir[MAX_PATH_BYTES];

    if (snprintf(temp, sizeof(temp), "%s.tmp", path) >= (int)sizeof(temp))
        return file_error(ENAMETOOLONG, "could not create file \"%s\"", path);
    int fd = io_open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return file_error(errno, "could not create file \"%s\"", temp);
    ErrCode rc = write_all(fd, bytes, n, temp);
    if (rc == ERR_OK)
        rc = file_sync_fd(fd, temp);
    if (io_close(fd) != 0 && rc == ERR_OK)
        rc = file_error(errno, "could not close file \"%s\"", temp);
    if (rc == ERR_OK && io_rename(temp, path) != 0)
        rc = file_error(errno, "could not rename file \"%s\" to \"%s\"", temp, path);
    if (rc != ERR_OK) {
        io_unlink(temp);
        return rc;
    }
    parent_dir(path, dir, sizeof(dir));
    return file_sync_dir(dir);
}

ErrCode
file_read_all(const char *path, Arena *a, char **out, size_t *n)
{
    struct stat st;
    int fd = io_open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        int saved = errno;
        ErrCode rc = file_error(saved, "could not open file \"%s\"", path);
        return saved == ENOENT ? ERR_NOT_FOUND : rc;
    }
    if (fstat(fd, &st) != 0) {
        ErrCode rc = file_error(errno, "could not stat file \"%s\"", path);
        io_close(fd);
        return rc;
    }
    size_t cap = st.st_size > 0 ? (size_t)st.st_size : 4096, have = 0;
    char *buf = arena_alloc(a, cap + 1);
    for (;;) {
        if (have == cap) { /* grown meanwhile, or a file without a size (proc) */
            buf = arena_realloc(a, buf, cap + 1, cap * 2 + 1);
            cap *= 2;
        }
        ssize_t got = io_read(fd, buf + have, cap - have);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            ErrCode rc = file_error(errno, "could not read file \"%s\"", path);
            io_close(fd);
            return rc;
        }
        if (got == 0)
            break;
        have += (size_t)got;
    }
    io_close(fd);
    buf[have] = '\0';
    *out = buf;
    *n = have;
    return ERR_OK;
}

/* ---- directories ---- */

static ErrCode
copy_bytes(int in, int out, const char *from, const char *to)
{
    static char chunk[COPY_CHUNK_BYTES];
    bool in_kernel = true;

    for (;;) {
        ssize_t got;
        if (interrupts_pending & (INTERRUPT_CANCEL | INTERRUPT_TERMINATE))
            return ERR_INTERRUPTED;
        if (in_kernel) {
            got = io_copy_range(in, NULL, out, NULL, 64u << 20, 0);
            if (got < 0 && errno != EINTR && errno != ENOSPC && errno != EDQUOT && errno != EIO) {
                in_kernel = false; /* EXDEV, ENOSYS, EOPNOTSUPP ...: copy by hand from where it stands */
                continue;
            }
            if (got < 0 && errno != EINTR)
                return file_error(errno, "could not write to file \"%s\"", to);
        } else {
            got = io_read(in, chunk, sizeof(chunk));
            if (got < 0 && errno != EINTR)
                return file_error(errno, "could not read file \"%s\"", from);
            if (got > 0) {
                ErrCode rc = write_all(out, chunk, (size_t)got, to);
                if (rc != ERR_OK)
                    return rc;
            }
        }
        if (got == 0)
            return ERR_OK;
    }
}

static ErrCode
copy_file(const char *from, const char *to)
{
    int in = io_open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0)
        return file_error(errno, "could not open file \"%s\"", from);
    int out = io_open(to, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (out < 0) {
        ErrCode rc = file_error(errno, "could not create file \"%s\"", to);
        io_close(in);
        return rc;
    }
    ErrCode rc = copy_bytes(in, out, from, to);
    if (rc == ERR_OK)
        rc = file_sync_fd(out, to);
    io_close(in);
    if (io_close(out) != 0 && rc == ERR_OK)
        rc = file_error(errno, "could not close file \"%s\"", to);
    return rc;
}

ErrCode
relfile_copy_dir(const char *from, const char *to)
{
    char source[MAX_PATH_BYTES], target[MAX_PATH_BYTES];
    ErrCode rc = ERR_OK;

    if (io_mkdir(to, 0700) != 0)
        return file_error(errno, "could not create directory \"%s\"", to);
    DIR *dir = opendir(from);
    if (!dir)
        return file_error(errno, "could not open directory \"%s\"", from);
    for (struct dirent *e; rc == ERR_OK && (errno = 0, e = readdir(dir));) {
        struct stat st;
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
            continue;
        if (snprintf(source, sizeof(source), "%s/%s", from, e->d_name) >= (int)sizeof(source) ||
            snprintf(target, sizeof(target), "%s/%s", to, e->d_name) >= (int)sizeof(target))
            rc = file_error(ENAMETOOLONG, "could not copy file \"%s/%s\"", from, e->d_name);
        else if (lstat(source, &st) != 0)
            rc = errno == ENOENT ? ERR_OK : file_error(errno, "could not stat file \"%s\"", source);
        else if (S_ISREG(st.st_mode))
            rc = copy_file(source, target);
    }
    closedir(dir);
    if (rc == ERR_OK)
        rc = file_sync_dir(to);
    if (rc == ERR_OK) {
        char parent[MAX_PATH_BYTES];
        parent_dir(to, parent, sizeof(parent));
        rc = file_sync_dir(parent);
    }
    return rc;
}

static ErrCode
remove_tree(const char *path, int depth)
{
    char child[MAX_PATH_BYTES];
    ErrCode result = ERR_OK;
    DIR *dir = opendir(path);

    if (!dir)
        return errno == ENOENT ? ERR_OK : file_error(errno, "could not open directory \"%s\"", path);
    for (struct dirent *e; (e = readdir(dir));) {
        struct stat st;
        ErrCode rc = ERR_OK;
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
            continue;
        if (snprintf(child, sizeof(child), "%s/%s", path, e->d_name) >= (int)sizeof(child))
            rc = file_error(ENAMETOOLONG, "could not remove file \"%s/%s\"", path, e->d_name);
        else if (lstat(child, &st) != 0)
            rc = errno == ENOENT ? ERR_OK : file_error(errno, "could not stat file \"%s\"", child);
        else if (S_ISDIR(st.st_mode))
            rc = depth > 16 ? file_error(ELOOP, "could not remove directory \"%s\"", child) : remove_tree(child, depth + 1);
        else if (io_unlink(child) != 0 && errno != ENOENT)
            rc = file_error(errno, "could not remove file \"%s\"", child);
        if (rc != ERR_OK)
            result = rc;
    }
    closedir(dir);
    if (result == ERR_OK && io_rmdir(path) != 0 && errno != ENOENT)
        result = file_error(errno, "could not remove directory \"%s\"", path);
    return result;
}

ErrCode
relfile_remove_dir(const char *path)
{
    relfile_forget_all();
    ErrCode rc = remove_tree(path, 0);
    fsyncq_generation_bump(); /* descriptors of other processes keep nothing alive, nor the names */
    return rc;
}
