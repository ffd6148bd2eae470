/*
 * Shared memory segments.
 *
 * Memory is reserved when a segment is made (posix_fallocate, or populating its huge pages), so that
 * a /dev/shm too small is an error here that names the setting, and not a SIGBUS later. A segment is
 * mapped at an address aligned for huge pages, before the first fork; children inherit the mapping.
 *
 * Layout: a page with ShmHeader, then the requests' blocks in order of registration, each aligned to
 * a cache line, blocks of a megabyte and more to a page.
 */
#define _GNU_SOURCE
#include "core/shm/shm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/base/settings.h"
#include "core/shm/wait.h"

#define SHM_MAGIC UINT64_C(0x506f737468617374)
#define SHM_LAYOUT_VERSION 1
#define HEADER_BYTES 4096u
#define HUGE_BYTES ((size_t)2 * 1024 * 1024)
#define REQUESTS_MAX 128
#define LARGE_BLOCK_BYTES ((size_t)1024 * 1024)

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

typedef struct Segment {
    void *base;
    size_t bytes;      /* mapped */
    void *reserved;    /* the address range around it, to unmap */
    size_t reserved_bytes;
    bool named;
} Segment;

enum { HUGE_OFF, HUGE_ON, HUGE_TRY };

static const ShmRequest *requests[REQUESTS_MAX];
static size_t request_bytes[REQUESTS_MAX];
static int request_count;
static Segment segments[SHM_SEGMENT_COUNT];
static uint64_t instance;
static bool created, for_test;
static int huge_pages = HUGE_TRY;

static const SettingEnum huge_options[] = {
    {"off", HUGE_OFF, false}, {"on", HUGE_ON, false}, {"try", HUGE_TRY, false}, {"true", HUGE_ON, true},
    {"false", HUGE_OFF, true}, {"yes", HUGE_ON, true}, {"no", HUGE_OFF, true}, {"1", HUGE_ON, true},
    {"0", HUGE_OFF, true},     {NULL, 0, false},
};
static const SettingDef shm_settings[] = {
    {.name = "huge_pages", .type = SETTING_ENUM, .context = CONTEXT_POSTMASTER,
     .group = "Resource Usage / Memory", .description = "Use of huge pages for shared memory.",
     .variable = &huge_pages, .boot = "try", .options = huge_options},
};

/* What makes each segment large: named when it does not fit. */
static const char *const segment_names[SHM_SEGMENT_COUNT] = {"control", "buffers", "wal", "locks", "stats"};
static const char *const segment_settings[SHM_SEGMENT_COUNT] = {
    "max_connections", "shared_buffers", "wal_buffers", "max_locks_per_transaction", "max_connections",
};

void
shm_settings_register(void)
{
    settings_register(shm_settings, COUNT_OF(shm_settings));
}

void
shm_register(const ShmRequest *request)
{
    ASSERT(!created);
    if (request_count == 0)
        shm_settings_register();
    for (int i = 0; i < request_count; i++)
        if (requests[i] == request)
            return;
    CHECK(request_count < REQUESTS_MAX);
    CHECK(request->segment < SHM_SEGMENT_COUNT);
    requests[request_count++] = request;
}

static size_t
block_align(size_t bytes)
{
    return bytes >= LARGE_BLOCK_BYTES ? 4096 : CACHE_LINE;
}

static size_t
segment_bytes(ShmSegmentId id)
{
    size_t at = HEADER_BYTES;
    for (int i = 0; i < request_count; i++)
        if (requests[i]->segment == id)
            at = ALIGN_UP(at, block_align(request_bytes[i])) + request_bytes[i];
    return at == HEADER_BYTES ? 0 : ALIGN_UP(at, (size_t)4096);
}

static void
segment_path(char out[64], uint64_t key, int id)
{
    snprintf(out, 64, "/posthaste.%016llx.%d", (unsigned long long)key, id);
}

/* Does the kernel give huge pages to shared memory that asks for them? */
static bool
huge_pages_possible(void)
{
    char text[128] = "";
    int fd = open("/sys/kernel/mm/transparent_hugepage/shmem_enabled", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    return n > 0 && (strstr(text, "[advise]") || strstr(text, "[always]") || strstr(text, "[within_size]") ||
                     strstr(text, "[force]"));
}

static NORETURN void
raise_too_small(ShmSegmentId id, size_t bytes, int errnum)
{
    struct statvfs fs;
    unsigned long long free_mb = 0, need_mb = (bytes + 1048575) / 1048576;
    const char *setting = segment_settings[id];
    const char *value = settings_get(arena_top(), setting, true);
    if (statvfs("/dev/shm", &fs) == 0)
        free_mb = (unsigned long long)fs.f_bavail * fs.f_frsize / 1048576;
    shm_destroy();
    errno = errnum;
    RAISE_ERR(SQLSTATE_OUT_OF_MEMORY,
              err_message("could not create shared memory segment \"%s\" of %llu MB: %m", segment_names[id], need_mb),
              err_detail("/dev/shm has %llu MB free.", free_mb),
              err_hint("Make /dev/shm larger (at least %llu MB for this segment) or reduce \"%s\"%s%s.", need_mb,
                       setting, value ? ", currently " : "", value ? value : ""));
}

/* Asked first, so that a size far off does not fill memory before it is refused. */
static bool
has_room(int fd, size_t bytes)
{
    struct statvfs fs;
    return fstatvfs(fd, &fs) != 0 || fs.f_blocks == 0 || fs.f_bavail >= bytes / fs.f_frsize;
}

/* Reserves the segment's memory. 0 or an errno. */
static int
commit_memory(int fd, Segment *s, bool huge)
{
    if (huge) {
        madvise(s->base, s->bytes, MADV_HUGEPAGE);
        if (madvise(s->base, s->bytes, MADV_POPULATE_WRITE) == 0)
            return 0;
        if (errno != EINVAL) /* an old kernel */
            return errno == EFAULT || errno == ENOMEM ? ENOSPC : errno;
    }
    int rc;
    do {
        rc = posix_fallocate(fd, 0, (off_t)s->bytes);
    } while (rc == EINTR);
    return rc;
}

/* Maps fd (-1: anonymous) so that a huge page can back it from its first byte. */
static int
map_segment(int fd, Segment *s)
{
    s->reserved_bytes = s->bytes >= HUGE_BYTES ? s->bytes + HUGE_BYTES : s->bytes;
    s->reserved = mmap(NULL, s->reserved_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (s->reserved == MAP_FAILED) {
        s->reserved = NULL;
        return errno;
    }
    void *at = s->reserved;
    if (s->bytes >= HUGE_BYTES)
        at = (void *)ALIGN_UP((uintptr_t)at, (uintptr_t)HUGE_BYTES);
    int flags = MAP_SHARED | MAP_FIXED | (fd < 0 ? MAP_ANONYMOUS : 0);
    s->base = mmap(at, s->bytes, PROT_READ | PROT_WRITE, flags, fd, 0);
    if (s->base == MAP_FAILED) {
        int saved = errno;
        s->base = NULL;
        munmap(s->reserved, s->reserved_bytes);
        s->reserved = NULL;
        return saved;
    }
    return 0;
}

static void
make_segment(ShmSegmentId id, size_t bytes)
{
    Segment *s = &segments[id];
    char path[64];
    s->bytes = bytes;
    if (for_test) {
        int rc = map_segment(-1, s);
        if (rc)
            raise_too_small(id, bytes, rc);
        return;
    }
    segment_path(path, instance, (int)id);
    bool huge = huge_pages != HUGE_OFF && bytes >= HUGE_BYTES && huge_pages_possible();
    if (huge_pages == HUGE_ON && bytes >= HUGE_BYTES && !huge)
        RAISE_ERR(SQLSTATE_OUT_OF_MEMORY, err_message("huge pages are not available for shared memory"),
                  err_hint("Set /sys/kernel/mm/transparent_hugepage/shmem_enabled to \"advise\", or "
                           "\"huge_pages\" to \"try\"."));
    int fd = shm_open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        int saved = errno;
        shm_destroy();
        errno = saved;
        RAISE(err_sqlstate_of_errno(errno), "could not create shared memory segment \"%s\": %m", path);
    }
    s->named = true;
    int rc = has_room(fd, bytes) ? 0 : ENOSPC;
    if (rc == 0)
        rc = ftruncate(fd, (off_t)bytes) == 0 ? 0 : errno;
    if (rc == 0)
        rc = map_segment(fd, s);
    if (rc == 0)
        rc = commit_memory(fd, s, huge);
    close(fd);
    if (rc)
        raise_too_small(id, bytes, rc);
}

static void
init_header(ShmSegmentId id)
{
    ShmHeader *h = segments[id].base;
    h->magic = SHM_MAGIC;
    h->layout_version = SHM_LAYOUT_VERSION;
    h->owner_pid = (uint32_t)getpid();
    h->size_bytes = segments[id].bytes;
    h->used_bytes = HEADER_BYTES;
}

static void
create_all(void)
{
    for (int i = 0; i < request_count; i++)
        request_bytes[i] = ALIGN_UP(requests[i]->size(), (size_t)CACHE_LINE);
    created = true;
    for (int id = 0; id < SHM_SEGMENT_COUNT; id++) {
        size_t bytes = segment_bytes((ShmSegmentId)id);
        if (bytes == 0)
            continue;
        make_segment((ShmSegmentId)id, bytes);
        init_header((ShmSegmentId)id);
    }
    wait_words_reinit();
    for (int i = 0; i < request_count; i++) {
        char *base = segments[requests[i]->segment].base;
        ShmHeader *h = (ShmHeader *)base;
        size_t at = ALIGN_UP((size_t)h->used_bytes, block_align(request_bytes[i]));
        h->used_bytes = at + request_bytes[i];
        CHECK(h->used_bytes <= h->size_bytes);
        requests[i]->init(base + at);
    }
}

void
shm_create(uint64_t instance_key)
{
    ASSERT(!created);
    instance = instance_key;
    for_test = false;
    create_all();
}

void
shm_create_for_test(void)
{
    ASSERT(!created);
    for_test = true;
    create_all();
}

void
shm_destroy(void)
{
    char path[64];
    for (int id = 0; id < SHM_SEGMENT_COUNT; id++) {
        Segment *s = &segments[id];
        if (s->reserved)
            munmap(s->reserved, s->reserved_bytes);
        if (s->named) {
            segment_path(path, instance, id);
            shm_unlink(path);
        }
        memset(s, 0, sizeof(*s));
    }
    created = false;
}

void
shm_reinit(void)
{
    shm_destroy();
    create_all();
}

void
shm_check(void)
{
    for (int id = 0; id < SHM_SEGMENT_COUNT; id++) {
        const ShmHeader *h = segments[id].base;
        if (h && (h->magic != SHM_MAGIC || h->layout_version != SHM_LAYOUT_VERSION ||
                  h->size_bytes != segments[id].bytes || h->used_bytes > h->size_bytes))
            PANIC("header of shared memory segment \"%s\" is damaged", segment_names[id]);
    }
}

void
shm_remove_stale(uint64_t instance_key)
{
    char path[64];
    for (int id = 0; id < SHM_SEGMENT_COUNT; id++) {
        segment_path(path, instance_key, id);
        if (shm_unlink(path) != 0 && errno != ENOENT)
            LOG("could not remove shared memory segment \"%s\": %m", path);
    }
}

bool
shm_stale_exists(uint64_t instance_key)
{
    char path[64];
    for (int id = 0; id < SHM_SEGMENT_COUNT; id++) {
        segment_path(path, instance_key, id);
        int fd = shm_open(path, O_RDONLY | O_CLOEXEC, 0);
        if (fd >= 0) {
            close(fd);
            return true;
        }
    }
    return false;
}

size_t
shm_total_bytes(void)
{
    size_t sum = 0;
    for (int id = 0; id < SHM_SEGMENT_COUNT; id++)
        sum += segments[id].bytes;
    return sum;
}
