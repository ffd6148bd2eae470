/*
 * Segment files: names, making, writing, syncing, recycling, and cleaning behind the end of the log.
 *
 * A new segment is filled with zeros and synced before it gets its name, so that a commit's fdatasync
 * has no metadata to write and cannot meet a full disk half way. Segments behind the redo point are
 * renamed to numbers to come. All failures on the write path are PANICs: bytes that others wait for
 * cannot be given up (and after a failed fsync the kernel may have dropped them).
 */
#define _GNU_SOURCE
#include "walmgr/wal_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file/io.h"
#include "core/file/relfile.h"

void (*wal_segment_done_hook)(uint64_t segment, uint32_t timeline);
bool (*wal_segment_removable_hook)(uint64_t segment, uint32_t timeline);

#define SEGMENTS_PER_XLOGID 256u /* 4 GiB / 16 MiB */
static const char zeros[128 * 1024];

/* The two this process uses: where it writes, and what it syncs (usually the same). */
static struct OpenSegment { int fd; uint64_t segment; } open_segments[2] = {{-1, 0}, {-1, 0}};

void
wal_segment_name(uint64_t segment, uint32_t timeline, char *out, size_t n)
{
    snprintf(out, n, "%08X%08X%08X", timeline, (unsigned)(segment / SEGMENTS_PER_XLOGID),
             (unsigned)(segment % SEGMENTS_PER_XLOGID));
}

void
wal_segment_path(uint64_t segment, uint32_t timeline, char *out, size_t n)
{
    char name[40];
    wal_segment_name(segment, timeline, name, sizeof(name));
    snprintf(out, n, "%s/%s", WAL_DIR, name);
}

bool
wal_segment_parse(const char *name, uint64_t *segment, uint32_t *timeline)
{
    unsigned parts[3];
    if (strlen(name) != 24 || strspn(name, "0123456789ABCDEF") != 24 ||
        sscanf(name, "%8X%8X%8X", &parts[0], &parts[1], &parts[2]) != 3 || parts[2] >= SEGMENTS_PER_XLOGID)
        return false;
    *timeline = parts[0];
    *segment = (uint64_t)parts[1] * SEGMENTS_PER_XLOGID + parts[2];
    return true;
}

static bool
sync_fd(int fd)
{
    return !enable_fsync || io_fsync(fd) == 0;
}

static bool
fill_segment(int fd)
{
    if (!wal_init_zero) {
        if (io_ftruncate(fd, WAL_SEGMENT_BYTES) != 0)
            return false;
        return sync_fd(fd);
    }
    for (off_t at = 0; at < (off_t)WAL_SEGMENT_BYTES; at += (off_t)sizeof(zeros))
        if (!io_pwrite_all(fd, zeros, sizeof(zeros), at))
            return false;
    return sync_fd(fd);
}

/* Gives a finished file its name unless the name is taken. */
static bool
install_file(const char *from, const char *to, bool *taken)
{
    *taken = false;
    int rc = io_rename_new(from, to);
    if (rc != 0 && (errno == EINVAL || errno == ENOSYS)) { /* file system without it */
        rc = io_link(from, to);
        if (rc == 0)
            io_unlink(from);
    }
    if (rc != 0) {
        *taken = errno == EEXIST;
        return false;
    }
    FAULT_POINT("wal_segment_named");
    return file_sync_dir(WAL_DIR) == ERR_OK;
}

/* False with errno set on failure; an existing segment is success. */
static bool
create_segment(uint64_t segment)
{
    char path[MAX_PATH_BYTES], temporary[MAX_PATH_BYTES];
    bool taken = false;
    wal_segment_path(segment, wal_timeline(), path, sizeof(path));
    snprintf(temporary, sizeof(temporary), "%s/xlogtemp.%d", WAL_DIR, (int)getpid());
    int fd = io_open(temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    bool ok = fill_segment(fd);
    int saved = errno;
    io_close(fd);
    FAULT_POINT("wal_segment_filled");
    if (ok) {
        ok = install_file(temporary, path, &taken) || taken;
        saved = errno;
        if (ok && !taken)
            wal_checkpoint_stats.segments_added++;
    }
    if (!ok || taken)
        io_unlink(temporary);
    errno = saved;
    return ok;
}

static int
open_flags(void)
{
    int flags = O_RDWR | O_CLOEXEC;
    if (enable_fsync && wal_sync_method == WAL_SYNC_OPEN)
        flags |= O_SYNC;
    if (enable_fsync && wal_sync_method == WAL_SYNC_OPEN_DSYNC)
        flags |= O_DSYNC;
    return flags;
}

static int
open_segment(uint64_t segment, struct OpenSegment *slot)
{
    char path[MAX_PATH_BYTES];
    if (slot->fd >= 0 && slot->segment == segment)
        return slot->fd;
    if (slot->fd >= 0)
        io_close(slot->fd);
    wal_segment_path(segment, wal_timeline(), path, sizeof(path));
    slot->fd = io_open(path, open_flags());
    if (slot->fd < 0 && errno == ENOENT) {
        if (!create_segment(segment))
            PANIC("could not create file \"%s\": %m", path);
        slot->fd = io_open(path, open_flags());
    }
    if (slot->fd < 0)
        PANIC("could not open file \"%s\": %m", path);
    slot->segment = segment;
    return slot->fd;
}

int
wal_segment_fd(uint64_t segment)
{
    return open_segment(segment, &open_segments[0]);
}

void
wal_segment_close(void)
{
    for (size_t i = 0; i < COUNT_OF(open_segments); i++) {
        if (open_segments[i].fd >= 0)
            io_close(open_segments[i].fd);
        open_segments[i].fd = -1;
    }
}

void
wal_segment_write(Lsn at, const char *bytes, size_t n)
{
    uint64_t segment = wal_segment_of(at);
    ASSERT(n > 0 && wal_segment_of(at + n - 1) == segment);
    int fd = wal_segment_fd(segment);
    proc_wait_begin(WAL_WAIT_WRITE);
    if (!io_pwrite_all(fd, bytes, n, (off_t)(at % WAL_SEGMENT_BYTES))) {
        int saved = errno;
        char name[40];
        wal_segment_name(segment, wal_timeline(), name, sizeof(name));
        errno = saved;
        PANIC("could not write to log file %s at offset %u, length %zu: %m", name,
              (unsigned)(at % WAL_SEGMENT_BYTES), n);
    }
    proc_wait_end();
}

void
wal_segment_sync(uint64_t segment)
{
    struct OpenSegment *slot = open_segments[0].fd >= 0 && open_segments[0].segment == segment
                                   ? &open_segments[0] : &open_segments[1];
    int fd = open_segment(segment, slot);
    int rc = wal_sync_method == WAL_SYNC_FSYNC ? io_fsync(fd) : io_fdatasync(fd);
    if (rc != 0) {
        int saved = errno;
        char name[40];
        wal_segment_name(segment, wal_timeline(), name, sizeof(name));
        errno = saved;
        PANIC("could not fsync file \"%s\": %m", name);
    }
}

void
wal_segment_load_block(Lsn at)
{
    Lsn first = at & ~(Lsn)(WAL_WRITE_BLOCK - 1);
    char path[MAX_PATH_BYTES];
    if (first == at)
        return;
    wal_segment_path(wal_segment_of(at), wal_timeline(), path, sizeof(path));
    int fd = io_open(path, O_RDONLY | O_CLOEXEC);
    ssize_t want = (ssize_t)(at - first);
    if (fd < 0 || io_pread_all(fd, wal_ring + (first & wal_ring_mask), (size_t)want,
                               (off_t)(first % WAL_SEGMENT_BYTES)) != want)
        PANIC("could not read file \"%s\": %m", path);
    io_close(fd);
}

void
wal_segment_preallocate(uint64_t segment)
{
    char path[MAX_PATH_BYTES];
    wal_segment_path(segment, wal_timeline(), path, sizeof(path));
    if (access(path, F_OK) == 0)
        return;
    if (!create_segment(segment))
        LOG("could not create file \"%s\": %m", path);
}

/* ---- recycling ---- */

double
wal_checkpoint_segments(void)
{
    double segments = (double)max_wal_size_mb / (WAL_SEGMENT_BYTES >> 20) / (1.0 + checkpoint_completion_target);
    return segments < 1 ? 1 : floor(segments);
}

bool
wal_checkpoint_size_due(uint64_t segment)
{
    return segment >= wal_segment_of(wal_redo_point()) + (uint64_t)wal_checkpoint_segments() - 1;
}

/* The highest number worth having a file for: what two checkpoints' distance will need. */
static uint64_t
recycle_ceiling(Lsn redo)
{
    uint64_t here = wal_segment_of(redo);
    uint64_t least = here + (uint64_t)(min_wal_size_mb / (int)(WAL_SEGMENT_BYTES >> 20)) - 1;
    uint64_t most = here + (uint64_t)(max_wal_size_mb / (int)(WAL_SEGMENT_BYTES >> 20)) - 1;
    double distance = (1.0 + checkpoint_completion_target) * wal_shared->distance_estimate * 1.10;
    uint64_t expected = (uint64_t)ceil(((double)redo + distance) / WAL_SEGMENT_BYTES);
    return expected < least ? least : expected > most ? most : expected;
}

static void
retire_segment(const char *name, uint64_t *free_number, uint64_t ceiling)
{
    char path[MAX_PATH_BYTES], target[MAX_PATH_BYTES];
    bool taken;
    struct stat st;
    snprintf(path, sizeof(path), "%s/%s", WAL_DIR, name);
    FAULT_POINT("wal_segment_retire");
    if (wal_recycle && lstat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == WAL_SEGMENT_BYTES) {
        while (*free_number <= ceiling) {
            wal_segment_path((*free_number)++, wal_timeline(), target, sizeof(target));
            if (install_file(path, target, &taken)) {
                wal_checkpoint_stats.segments_recycled++;
                return;
            }
            if (!taken)
                break;
        }
    }
    if (io_unlink(path) != 0)
        LOG("could not remove file \"%s\": %m", path);
    else
        wal_checkpoint_stats.segments_removed++;
}

void
wal_segments_recycle(Lsn redo, Lsn end)
{
    uint64_t keep_from = wal_segment_of(redo);
    uint64_t keep_more = (uint64_t)wal_keep_size_mb / (WAL_SEGMENT_BYTES >> 20);
    uint64_t free_number = wal_segment_of(end) + 1;
    /* Replaying, the names to come are those of files in the archive. */
    uint64_t ceiling = wal_in_archive_recovery() ? 0 : recycle_ceiling(redo);
    if (keep_more && keep_from > wal_segment_of(end) - MIN(wal_segment_of(end), keep_more))
        keep_from = wal_segment_of(end) - MIN(wal_segment_of(end), keep_more);
    wal_slots_save(); /* first: what is on disk must not name log that is gone */
    keep_from = MIN(keep_from, wal_segment_of(wal_slots_minimum(end)));
    DIR *d = opendir(WAL_DIR);
    if (!d) {
        LOG("could not open directory \"%s\": %m", WAL_DIR);
        return;
    }
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        uint64_t segment;
        uint32_t timeline;
        if (!wal_segment_parse(e->d_name, &segment, &timeline) || segment >= keep_from)
            continue;
        if (wal_segment_removable_hook && !wal_segment_removable_hook(segment, timeline))
            continue;
        if (!wal_archive_may_remove(e->d_name))
            continue;
        retire_segment(e->d_name, &free_number, ceiling);
        wal_archive_forget(e->d_name);
    }
    closedir(d);
    if (file_sync_dir(WAL_DIR) != ERR_OK)
        LOG("could not fsync directory \"%s\"", WAL_DIR);
}

/* ---- at start ---- */

static bool
is_zero(int fd, size_t n, off_t at)
{
    static char bytes[sizeof(zeros)];
    return io_pread_all(fd, bytes, n, at) == (ssize_t)n && memcmp(bytes, zeros, n) == 0;
}

static void
zero_tail(Lsn end, uint32_t timeline)
{
    char path[MAX_PATH_BYTES];
    wal_segment_path(wal_segment_of(end), timeline, path, sizeof(path));
    int fd = io_open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return; /* the log ended exactly at the end of the last file */
    if (fd < 0)
        PANIC("could not open file \"%s\": %m", path);
    bool changed = false;
    for (off_t at = (off_t)(end % WAL_SEGMENT_BYTES); at < (off_t)WAL_SEGMENT_BYTES;) {
        size_t n = MIN(sizeof(zeros), (size_t)(WAL_SEGMENT_BYTES - at));
        if (!is_zero(fd, n, at)) { /* a fresh segment mostly is */
            if (!io_pwrite_all(fd, zeros, n, at))
                PANIC("could not write to file \"%s\": %m", path);
            changed = true;
        }
        at += (off_t)n;
    }
    if (changed && !sync_fd(fd))
        PANIC("could not fsync file \"%s\": %m", path);
    io_close(fd);
}

void
wal_segments_clean_tail(Lsn end, uint32_t timeline)
{
    /* Zeros first: from then on the log ends here whatever the later segments hold. */
    zero_tail(end, timeline);
    FAULT_POINT("wal_tail_zeroed");
    DIR *d = opendir(WAL_DIR);
    if (!d)
        PANIC("could not open directory \"%s\": %m", WAL_DIR);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        uint64_t segment;
        uint32_t file_timeline;
        char path[MAX_PATH_BYTES];
        /* Of this timeline only: others' may still have to be archived, and are never written to. */
        if (!wal_segment_parse(e->d_name, &segment, &file_timeline) || file_timeline != timeline ||
            segment <= wal_segment_of(end))
            continue;
        snprintf(path, sizeof(path), "%s/%s", WAL_DIR, e->d_name);
        if (io_unlink(path) != 0)
            PANIC("could not remove file \"%s\": %m", path);
    }
    closedir(d);
    if (file_sync_dir(WAL_DIR) != ERR_OK)
        PANIC("could not fsync directory \"%s\"", WAL_DIR);
}

void
wal_segments_drop_left(Lsn end, uint32_t timeline)
{
    uint64_t last = wal_segment_of(end - 1), segment;
    uint32_t file_timeline;
    char path[MAX_PATH_BYTES];
    DIR *d = opendir(WAL_DIR);
    if (!d) {
        LOG("could not open directory \"%s\": %m", WAL_DIR);
        return;
    }
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        if (!wal_segment_parse(e->d_name, &segment, &file_timeline) || file_timeline >= timeline || segment <= last ||
            wal_archive_still_ready(e->d_name))
            continue;
        snprintf(path, sizeof(path), "%s/%s", WAL_DIR, e->d_name);
        if (io_unlink(path) != 0)
            LOG("could not remove file \"%s\": %m", path);
        wal_archive_forget(e->d_name);
    }
    closedir(d);
}

void
wal_segments_remove_temporary(void)
{
    DIR *d = opendir(WAL_DIR);
    if (!d)
        return;
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        char path[MAX_PATH_BYTES];
        if (strncmp(e->d_name, "xlogtemp.", 9) != 0)
            continue;
        snprintf(path, sizeof(path), "%s/%s", WAL_DIR, e->d_name);
        io_unlink(path);
    }
    closedir(d);
}

void
wal_segments_sync_from(Lsn redo, uint32_t timeline)
{
    char path[MAX_PATH_BYTES];
    if (!enable_fsync)
        return;
    for (uint64_t s = wal_segment_of(redo);; s++) {
        wal_segment_path(s, timeline, path, sizeof(path));
        int fd = io_open(path, O_RDWR | O_CLOEXEC);
        if (fd < 0)
            return;
        if (io_fsync(fd) != 0)
            PANIC("could not fsync file \"%s\": %m", path);
        io_close(fd);
    }
}
