/*
 * Writing the trace (io_trace.h). A lock word in a shared page orders the appends; a process killed
 * while it holds it would stop the others, so traces are taken of servers that nobody kills.
 */
#include "core/file/io_trace.h"

#ifdef ENABLE_FAULT_POINTS

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/macros.h"

typedef struct TraceShared { _Atomic uint32_t lock; _Atomic uint64_t sync_number; } TraceShared;

static TraceShared *shared; /* made by the first process that asks, before it forks */
static int trace_fd = -1;
static bool names_held;

bool
io_trace_on(void)
{
    static bool asked;
    const char *path;

    if (LIKELY(asked))
        return trace_fd >= 0;
    asked = true;
    path = getenv("POSTHASTE_IO_TRACE");
    if (!path || !*path)
        return false;
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED);
    trace_fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (trace_fd < 0)
        PANIC("could not open file \"%s\": %m", path);
    return true;
}

static void
lock(void)
{
    /* acquire: pairs with the release in unlock */
    while (atomic_exchange_explicit(&shared->lock, 1, memory_order_acquire) != 0)
        sched_yield();
}

static void
unlock(void)
{
    atomic_store_explicit(&shared->lock, 0, memory_order_release);
}

void
io_trace_lock_names(void)
{
    if (!io_trace_on())
        return;
    lock();
    names_held = true;
}

void
io_trace_unlock_names(void)
{
    if (!names_held)
        return;
    names_held = false;
    unlock();
}

uint64_t
io_trace_sync_number(void)
{
    return atomic_fetch_add_explicit(&shared->sync_number, 1, memory_order_relaxed) + 1; /* only unique */
}

static void
append(const struct iovec *v, int count, size_t bytes)
{
    ssize_t put = writev(trace_fd, v, count);
    if (put != (ssize_t)bytes)
        PANIC("could not write the trace of file operations: %m");
}

void
io_trace(IoTraceKind kind, uint64_t inode, uint64_t a, uint64_t b, const char *path, const struct iovec *data,
         int count)
{
    int saved = errno;
    IoTraceHead h = {.magic = IO_TRACE_MAGIC, .kind = (uint16_t)kind, .pid = (uint32_t)getpid(), .inode = inode,
                     .a = a, .b = b};
    struct iovec v[2 + 130];
    size_t bytes = sizeof(h);

    CHECK(count <= 130);
    h.path_bytes = path ? (uint16_t)strlen(path) : 0;
    v[0] = (struct iovec){&h, sizeof(h)};
    v[1] = (struct iovec){(char *)path, h.path_bytes};
    for (int i = 0; i < count; i++) {
        v[2 + i] = data[i];
        h.data_bytes += (uint32_t)data[i].iov_len;
    }
    bytes += h.path_bytes + (size_t)h.data_bytes;
    bool mine = !names_held;
    if (mine)
        lock();
    append(v, 2 + count, bytes);
    if (mine)
        unlock();
    errno = saved;
}
#endif
