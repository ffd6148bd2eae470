/*
 * The one layer that all file I/O on the data directory passes: relation files, the log, the small
 * paged files, the control file. In a release build each name is the system call itself. In a test
 * build (ENABLE_FAULT_POINTS) each call can fail on purpose (core/base/fault.h) and is recorded, with
 * its content, when POSTHASTE_IO_TRACE names a file (io_trace.h): the power-loss replay works on that.
 *
 * Contracts are the system calls' own, except
 *   io_fallocate   posix_fallocate: returns the error number
 *   io_rename_new  fails with EEXIST if the new name is taken
 *   io_copy_range  copy_file_range; in a test build it refuses with EXDEV, so that the caller's loop of
 *                  reads and writes is seen
 * A descriptor from io_open is closed by io_close and by nothing else.
 */
#ifndef CORE_FILE_IO_H
#define CORE_FILE_IO_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef ENABLE_FAULT_POINTS

#define io_open open
#define io_close close
#define io_read read
#define io_pread pread
#define io_preadv preadv
#define io_write write
#define io_pwrite pwrite
#define io_pwritev pwritev
#define io_fsync fsync
#define io_fdatasync fdatasync
#define io_syncfs syncfs
#define io_ftruncate ftruncate
#define io_truncate truncate
#define io_fallocate posix_fallocate
#define io_copy_range copy_file_range
#define io_unlink unlink
#define io_rename rename
#define io_rename_new(from, to) renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE)
#define io_link link
#define io_mkdir mkdir
#define io_rmdir rmdir
#define IO_INIT() ((void)0)

#else

#define IO_INIT() io_init()
void io_init(void); /* by the postmaster, before its first fork */

int io_open(const char *path, int flags, ...);
int io_close(int fd);
ssize_t io_read(int fd, void *to, size_t n);
ssize_t io_pread(int fd, void *to, size_t n, off_t at);
ssize_t io_preadv(int fd, const struct iovec *v, int count, off_t at);
ssize_t io_write(int fd, const void *from, size_t n);
ssize_t io_pwrite(int fd, const void *from, size_t n, off_t at);
ssize_t io_pwritev(int fd, const struct iovec *v, int count, off_t at);
int io_fsync(int fd);
int io_fdatasync(int fd);
int io_syncfs(int fd);
int io_ftruncate(int fd, off_t size);
int io_truncate(const char *path, off_t size);
int io_fallocate(int fd, off_t at, off_t n);
ssize_t io_copy_range(int in, off_t *in_at, int out, off_t *out_at, size_t n, unsigned flags);
int io_unlink(const char *path);
int io_rename(const char *from, const char *to);
int io_rename_new(const char *from, const char *to);
int io_link(const char *from, const char *to);
int io_mkdir(const char *path, mode_t mode);
int io_rmdir(const char *path);

#endif

/* Goes on after a part. Reading: bytes, fewer than n only at the end of the file; -1 with errno. Writing: false with
 * errno. */
ssize_t io_pread_all(int fd, void *to, size_t n, off_t at);
bool io_pwrite_all(int fd, const void *from, size_t n, off_t at);

#endif
