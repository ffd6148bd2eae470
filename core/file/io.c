/*
 * Whole reads and writes on top of io.h: a system call may do a part of what it was asked, and what is not
 * an error must not be taken for one, nor a part of a file for all of it.
 */
#include "core/file/io.h"

#include <errno.h>

ssize_t
io_pread_all(int fd, void *to, size_t n, off_t at)
{
    size_t done = 0;

    while (done < n) {
        ssize_t got = io_pread(fd, (char *)to + done, n - done, at + (off_t)done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

bool
io_pwrite_all(int fd, const void *from, size_t n, off_t at)
{
    size_t done = 0;

    while (done < n) {
        ssize_t put = io_pwrite(fd, (const char *)from + done, n - done, at + (off_t)done);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0) {
            if (put == 0)
                errno = ENOSPC; /* a write of nothing means a full disk */
            return false;
        }
        done += (size_t)put;
    }
    return true;
}
