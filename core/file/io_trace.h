/*
 * The trace of file operations that a power-loss replay starts from (test builds only).
 *
 * One file, appended to by all processes. A record is appended after its operation and before the call
 * returns, so what one process does after it learned of another's operation stands behind it. Changes
 * of names hold a lock over operation and record, which every append takes: nobody's record can stand
 * before that of a name it has used. A sync is two records: what stands before the first is durable
 * when the second is there. Files are known by inode number (a rename does not change what a descriptor
 * writes to); IO_TRACE_CREATE begins a new life of a number.
 *
 * The client of the test appends IO_TRACE_ACK itself when a commit has been acknowledged.
 */
#ifndef CORE_FILE_IO_TRACE_H
#define CORE_FILE_IO_TRACE_H

#include <stdint.h>

#define IO_TRACE_MAGIC 0x544F4950u /* "PIOT" */

typedef enum IoTraceKind {
    IO_TRACE_CREATE = 1, /* inode, path: an empty file */
    IO_TRACE_WRITE,      /* inode, a: offset; content */
    IO_TRACE_ZERO,       /* inode, a: offset, b: bytes: a write of zeros */
    IO_TRACE_TRUNCATE,   /* inode, a: size */
    IO_TRACE_EXTEND,     /* inode, a: offset, b: bytes: allocated, reads as zeros if new */
    IO_TRACE_SYNC_BEGIN, /* inode, a: number of the sync; path: a directory's, else empty */
    IO_TRACE_SYNC_END,   /* a: the same number */
    IO_TRACE_UNLINK,     /* path */
    IO_TRACE_RENAME,     /* path, content: new path */
    IO_TRACE_LINK,       /* path, content: new path */
    IO_TRACE_MKDIR,      /* path */
    IO_TRACE_RMDIR,      /* path */
    IO_TRACE_ACK,        /* a: client, b: its sequence number */
    IO_TRACE_NOTE        /* content: text for people */
} IoTraceKind;

/* Packed, since records follow each other in the file at any address. */
typedef struct __attribute__((packed)) IoTraceHead {
    uint32_t magic;
    uint16_t kind, path_bytes;
    uint32_t pid, data_bytes;
    uint64_t inode, a, b;
} IoTraceHead; /* then path, then content; no padding */

#ifdef ENABLE_FAULT_POINTS
#include <stdbool.h>
#include <sys/uio.h>

bool io_trace_on(void);
void io_trace(IoTraceKind kind, uint64_t inode, uint64_t a, uint64_t b, const char *path, const struct iovec *data,
              int count);
uint64_t io_trace_sync_number(void);
void io_trace_lock_names(void); /* around a change of names and its records */
void io_trace_unlock_names(void);
#endif

#endif
