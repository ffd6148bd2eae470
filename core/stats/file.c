/*
 * Statistics on disk, from a clean shutdown to the next start.
 *
 * pg_stat/pgstat.stat: header, then entries (key, entry), then the counters of the instance. One CRC
 * over all that follows the header. Written beside and renamed, so it is there whole or not at all; read
 * once and removed, so that after a crash no older state can come back: what a crash loses is lost, as in
 * PostgreSQL. Nothing in it is worth failing a start for: a file that does not hold is logged and dropped.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/crc32c.h"
#include "core/base/str.h"
#include "core/stats/stats_internal.h"

#define MAGIC UINT64_C(0x5354415450534830)
#define TMP_FILE STATS_FILE ".tmp"

typedef struct FileHeader {
    uint64_t magic;
    uint32_t entry_bytes, fixed_count; /* a file of another layout is of no use */
    uint64_t entries;
    uint32_t crc, pad;
} FileHeader;
typedef struct FileEntry {
    StatsKey key;
    uint32_t pad;
    StatsEntry entry;
} FileEntry;
typedef struct FileFixed {
    int64_t value[STATS_FIXED_COUNT];
    TimestampTz reset_time[STATS_RESET_COUNT];
} FileFixed;

typedef struct Saving {
    StrBuf *out;
    uint64_t entries;
} Saving;

/* The other processes are gone: the locks that are held while this allocates have no waiters. */
static bool
save_one(const StatsKey *k, StatsEntry *e, void *arg)
{
    Saving *s = arg;
    FileEntry f = {.key = *k, .entry = *e};

    str_add_bytes(s->out, (const char *)&f, sizeof f);
    s->entries++;
    return false;
}

static bool
write_file(const char *bytes, size_t n)
{
    int fd = open(TMP_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool ok = fd >= 0;

    for (size_t at = 0; ok && at < n;) {
        ssize_t w = write(fd, bytes + at, n - at);

        if (w < 0 && errno != EINTR)
            ok = false;
        else if (w > 0)
            at += (size_t)w;
    }
    if (fd >= 0 && close(fd) != 0)
        ok = false;
    ok = ok && rename(TMP_FILE, STATS_FILE) == 0;
    if (!ok) {
        LOG("could not write statistics file \"%s\": %m", STATS_FILE);
        unlink(TMP_FILE);
    }
    return ok;
}

void
stats_save(void)
{
    Arena *a;
    StrBuf out;
    FileHeader h = {.magic = MAGIC, .entry_bytes = sizeof(FileEntry), .fixed_count = STATS_FIXED_COUNT};
    FileFixed f;
    Saving s = {&out, 0};

    if (stats_shared == NULL)
        return;
    if (mkdir("pg_stat", 0700) != 0 && errno != EEXIST) {
        LOG("could not create directory \"%s\": %m", "pg_stat");
        return;
    }
    a = arena_create(arena_top(), "statistics file");
    str_init(&out, a);
    str_add_bytes(&out, (const char *)&h, sizeof h);
    stats_for_each(save_one, &s);
    for (int i = 0; i < STATS_FIXED_COUNT; i++)
        f.value[i] = stats_fixed_value((StatsFixed)i);
    for (int i = 0; i < STATS_RESET_COUNT; i++)
        f.reset_time[i] = stats_reset_time((StatsReset)i);
    str_add_bytes(&out, (const char *)&f, sizeof f);
    h.entries = s.entries;
    h.crc = crc32c(out.data + sizeof h, out.len - sizeof h);
    memcpy(out.data, &h, sizeof h);
    (void)write_file(out.data, out.len);
    arena_destroy(a);
}

static bool
holds(const char *bytes, size_t n, FileHeader *h)
{
    if (n < sizeof *h)
        return false;
    memcpy(h, bytes, sizeof *h);
    return h->magic == MAGIC && h->entry_bytes == sizeof(FileEntry) && h->fixed_count == STATS_FIXED_COUNT &&
           h->entries <= n / sizeof(FileEntry) && n == sizeof *h + h->entries * sizeof(FileEntry) + sizeof(FileFixed) &&
           h->crc == crc32c(bytes + sizeof *h, n - sizeof *h);
}

static void
restore(const char *bytes, const FileHeader *h)
{
    FileFixed f;

    bytes += sizeof *h;
    for (uint64_t i = 0; i < h->entries; i++, bytes += sizeof(FileEntry)) {
        FileEntry one;
        StatsPartition *p;
        StatsEntry *e;

        memcpy(&one, bytes, sizeof one);
        p = stats_partition(&one.key);
        lw_acquire(&p->lock.lock, LW_EXCLUSIVE);
        e = stats_entry_make(p, &one.key, one.entry.used_at);
        if (e)
            *e = one.entry;
        lw_release(&p->lock.lock);
    }
    memcpy(&f, bytes, sizeof f);
    for (int i = 0; i < STATS_FIXED_COUNT; i++)
        stats_fixed_set((StatsFixed)i, f.value[i]);
    for (int i = 0; i < STATS_RESET_COUNT; i++) /* relaxed: the startup process is alone */
        atomic_store_explicit(&stats_shared->reset_time[i], f.reset_time[i], memory_order_relaxed);
}

/* Whole file into the arena; NULL: there is none, or it cannot be read (logged). */
static char *
read_file(Arena *a, size_t *n)
{
    struct stat st;
    char *bytes = NULL;
    size_t at = 0;
    int fd = open(STATS_FILE, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        if (errno != ENOENT)
            LOG("could not open statistics file \"%s\": %m", STATS_FILE);
        return NULL;
    }
    if (fstat(fd, &st) == 0 && (uint64_t)st.st_size < UINT64_C(1) << 30) {
        bytes = arena_alloc(a, (size_t)st.st_size + 1);
        while (at < (size_t)st.st_size) {
            ssize_t r = read(fd, bytes + at, (size_t)st.st_size - at);

            if (r < 0 && errno == EINTR)
                continue;
            if (r <= 0)
                break;
            at += (size_t)r;
        }
    }
    close(fd);
    *n = at;
    return bytes;
}

void
stats_load(void)
{
    Arena *a;
    FileHeader h;
    size_t n = 0;
    char *bytes;

    if (stats_shared == NULL)
        return;
    a = arena_create(arena_top(), "statistics file");
    bytes = read_file(a, &n);
    if (bytes && holds(bytes, n, &h))
        restore(bytes, &h);
    else if (bytes)
        LOG("corrupted statistics file \"%s\"", STATS_FILE);
    arena_destroy(a);
    stats_discard_file();
}

void
stats_discard_file(void)
{
    if (unlink(STATS_FILE) != 0 && errno != ENOENT)
        LOG("could not remove file \"%s\": %m", STATS_FILE);
    unlink(TMP_FILE);
}
