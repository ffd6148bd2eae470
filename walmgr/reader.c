/*
 * Reading the log from its segment files, for redo, waldump and log shippers.
 *
 * A window of the stream is kept in memory, filled by pread across segment borders, and records are
 * decoded in place; the window grows for a record that does not fit. pread and not mmap: a segment
 * that is recycled or cut under a mapping would be a SIGBUS. A record is believed only if its own LSN,
 * length and CRC are right, in that order of cost. The window may be older than the file when a live
 * log is followed, so before the end of the log is reported the place is read again.
 */
#include "walmgr/wal_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "core/file/io.h"

#define WINDOW_BYTES (256u * 1024)

struct WalReader {
    Arena *arena;        /* of the reader, child of the caller's */
    Arena *window_arena; /* of the window, replaced when it grows */
    char *window;
    size_t capacity;
    Lsn window_start;    /* stream position of window[0] */
    size_t window_bytes; /* valid bytes */
    Lsn next;            /* where the next record should start */
    uint32_t timeline;
    int fd;
    uint64_t fd_segment;
    Lsn fd_limit;        /* the file belongs to this stream below here only */
    WalSegmentSource source; /* NULL: pg_wal, this timeline */
    char why[256];
    WalRecord record;
};

static void
close_fd(void *arg)
{
    WalReader *r = arg;
    if (r->fd >= 0)
        io_close(r->fd);
    r->fd = -1;
}

WalReader *
wal_reader_open(Arena *a, Lsn start, uint32_t timeline)
{
    Arena *mine = arena_create(a, "wal reader");
    WalReader *r = ARENA_NEW(mine, WalReader);
    r->arena = mine;
    r->window_arena = arena_create(mine, "wal window");
    r->capacity = WINDOW_BYTES;
    r->window = arena_alloc(r->window_arena, r->capacity);
    r->window_start = r->next = start;
    r->timeline = timeline;
    r->fd = -1;
    arena_on_reset(mine, close_fd, r);
    return r;
}

void
wal_reader_close(WalReader *r)
{
    close_fd(r);
    arena_destroy(r->arena);
}

/* One pread, inside one segment. Returns bytes, 0 if there is no more; r->why says why. */
static size_t
read_some(WalReader *r, Lsn at, char *to, size_t n)
{
    uint64_t segment = wal_segment_of(at);
    char path[MAX_PATH_BYTES];
    wal_segment_path(segment, r->timeline, path, sizeof(path));
    if (r->fd < 0 || r->fd_segment != segment || at >= r->fd_limit) {
        close_fd(r);
        r->fd_limit = UINT64_MAX;
        r->fd = r->source ? r->source(segment, at, path, sizeof(path), &r->fd_limit) : io_open(path, O_RDONLY | O_CLOEXEC);
        r->fd_segment = segment;
        if (r->fd < 0) {
            snprintf(r->why, sizeof(r->why), "could not open file \"%.150s\": %s", path, strerror(errno));
            return 0;
        }
    }
    uint32_t offset = (uint32_t)(at % WAL_SEGMENT_BYTES);
    n = MIN(n, (size_t)(WAL_SEGMENT_BYTES - offset));
    n = (size_t)MIN((Lsn)n, r->fd_limit - at);
    ssize_t got;
    do
        got = io_pread(r->fd, to, n, offset);
    while (got < 0 && errno == EINTR);
    if (got <= 0)
        snprintf(r->why, sizeof(r->why), "could not read from log segment %.150s, offset %u: %s", path, offset,
                 got < 0 ? strerror(errno) : "end of file");
    return got > 0 ? (size_t)got : 0;
}

static void
drop_window(WalReader *r)
{
    r->window_start = r->next;
    r->window_bytes = 0;
}

void
wal_reader_set_source(WalReader *r, WalSegmentSource source)
{
    r->source = source;
}

void
wal_reader_retry(WalReader *r)
{
    close_fd(r);
    drop_window(r);
}

/* Makes room for `bytes` from r->next on. */
static void
prepare_window(WalReader *r, size_t bytes)
{
    size_t kept = (size_t)(r->window_start + r->window_bytes - r->next);
    const char *from = r->window + (r->next - r->window_start);
    if (bytes > r->capacity) {
        size_t capacity = r->capacity;
        while (capacity < bytes)
            capacity *= 2;
        Arena *arena = arena_create(r->arena, "wal window");
        char *window = arena_alloc(arena, capacity);
        memcpy(window, from, kept);
        arena_destroy(r->window_arena);
        r->window_arena = arena;
        r->window = window;
        r->capacity = capacity;
    } else {
        memmove(r->window, from, kept);
    }
    r->window_start = r->next;
    r->window_bytes = kept;
}

/* The bytes at r->next, at least `bytes` of them, or NULL at the end of the files. The window grows
 * with what was really read, so that a wild length costs no memory. */
static const char *
need(WalReader *r, size_t bytes)
{
    if (r->next < r->window_start || r->next > r->window_start + r->window_bytes)
        drop_window(r);
    while (r->window_start + r->window_bytes - r->next < bytes) {
        size_t have = (size_t)(r->window_start + r->window_bytes - r->next);
        size_t room = r->capacity - (size_t)(r->next - r->window_start) - have;
        if (room == 0 || r->next != r->window_start)
            prepare_window(r, MAX(MIN(bytes, have * 2), MIN(bytes, (size_t)WINDOW_BYTES)));
        room = r->capacity - r->window_bytes;
        size_t got = read_some(r, r->window_start + r->window_bytes, r->window + r->window_bytes, room);
        if (got == 0)
            return NULL;
        r->window_bytes += got;
    }
    return r->window + (r->next - r->window_start);
}

static bool
header_is_plausible(WalReader *r, const char *p)
{
    Lsn own = load_u64(p);
    uint32_t length = load_u32(p + 8);
    if (length < WAL_RECORD_MIN_BYTES) {
        snprintf(r->why, sizeof(r->why), "invalid record length at %s: wanted %u, got %u", lsn_text(r->next),
                 WAL_HEADER_BYTES, length);
        return false;
    }
    if (own != r->next) {
        snprintf(r->why, sizeof(r->why), "record of another place (%s) at %s", lsn_text(own), lsn_text(r->next));
        return false;
    }
    if (length > WAL_RECORD_BYTES_MAX) {
        snprintf(r->why, sizeof(r->why), "record length %u at %s too long", length, lsn_text(r->next));
        return false;
    }
    if ((unsigned char)p[22] >= RMGR_COUNT) {
        snprintf(r->why, sizeof(r->why), "invalid resource manager ID %u at %s", (unsigned char)p[22],
                 lsn_text(r->next));
        return false;
    }
    return true;
}

static bool
read_record(WalReader *r)
{
    const char *p = need(r, WAL_HEADER_BYTES);
    if (!p || !header_is_plausible(r, p))
        return false;
    uint32_t length = load_u32(p + 8);
    p = need(r, length);
    if (!p)
        return false;
    if (load_u32(p + 12) != wal_record_crc(p, length)) {
        snprintf(r->why, sizeof(r->why), "incorrect resource manager data checksum in record at %s",
                 lsn_text(r->next));
        return false;
    }
    const char *why;
    if (!wal_decode(p, length, r->next, &r->record, &why)) {
        snprintf(r->why, sizeof(r->why), "%s", why);
        return false;
    }
    return true;
}

const WalRecord *
wal_reader_next(WalReader *r, const char **why)
{
    bool fresh = r->window_bytes == 0;
    ASSERT(r->next % 8 == 0);
    bool ok = read_record(r);
    if (!ok && !fresh) {
        drop_window(r);
        ok = read_record(r);
    }
    if (!ok) {
        drop_window(r);
        if (why)
            *why = r->why;
        return NULL;
    }
    r->next = r->record.end;
    if (r->record.rmgr == RMGR_XLOG && r->record.info == XLOG_SWITCH) {
        r->next = ALIGN_UP(r->next, (Lsn)WAL_SEGMENT_BYTES);
        r->record.end = r->next;
    }
    return &r->record;
}
