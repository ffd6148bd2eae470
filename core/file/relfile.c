/*
 * Relation files: paths, the descriptor cache, page reads and writes.
 *
 * The cache maps (locator, fork, segment) to an open descriptor; it is private to the process, bounded
 * by max_files_per_process and evicts the least recently used. Lookups happen only where a system call
 * follows anyway, so a chained hash with an intrusive LRU list is enough.
 *
 * A descriptor may outlive its file: another process can unlink it. Such a descriptor is harmless as
 * long as the name cannot come back; when it can (after the checkpoint that ends the wait for the first
 * segment), the shared generation is bumped and every process closes everything before its next use.
 */
#include "core/file/relfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/base/hash.h"
#include "core/base/settings.h"
#include "core/file/file_internal.h"
#include "core/file/io.h"
#include "core/shm/proc.h"

#define SPC_DEFAULT 1663u
#define SPC_GLOBAL 1664u
#define SPC_VERSION_DIR "PG_15_202209061"
#define DIR_MODE 0700
#define FILE_MODE 0600
#define IOV_PAGES_MAX 128
#define CACHE_BUCKETS 1024u /* power of two */
#define CACHE_FILES_LIMIT 8192
#define RESERVED_FDS 32 /* sockets, log, epoll and the like */
/* Above this many pages posix_fallocate beats writing zeros; below, the write avoids a second trip
 * through the allocator when the page is written for real. */
#define FALLOCATE_PAGES_MIN 9

/* What direct I/O wants of addresses; devices with larger blocks refuse, and are then read through the cache. */
#define DIRECT_ALIGN 4096u

bool enable_fsync = true;
int relfile_direct = RELFILE_BUFFERED;
static int max_files_per_process = 1000;
static bool direct_refused; /* by the file system, once is enough */

typedef struct CachedFile {
    SegmentKey key;
    int fd;               /* -1: entry unused */
    int32_t hash_next;    /* chain of a bucket, or of the free entries */
    int32_t newer, older; /* LRU list */
} CachedFile;

static struct {
    CachedFile *files;
    pid_t owner; /* whose descriptors these are */
    int32_t *buckets;
    int cap, used;
    int32_t free_head, newest, oldest;
    uint64_t generation;
} cache;

static const SettingEnum direct_options[] = {{"off", RELFILE_BUFFERED, false}, {"data", RELFILE_DIRECT, false}, {NULL, 0, false}};

static const SettingDef file_settings[] = {
    {.name = "debug_io_direct", .type = SETTING_ENUM, .context = CONTEXT_POSTMASTER, .group = "Developer Options",
     .description = "Reads and writes relation files past the kernel's page cache.", .variable = &relfile_direct,
     .options = direct_options, .boot = "off"},
    {.name = "fsync", .type = SETTING_BOOL, .context = CONTEXT_SIGHUP, .group = "Write-Ahead Log / Settings",
     .description = "Forces synchronization of updates to disk.", .variable = &enable_fsync, .boot = "on"},
    {.name = "max_files_per_process", .type = SETTING_INT, .context = CONTEXT_POSTMASTER,
     .group = "Resource Usage / Kernel Resources",
     .description = "Sets the maximum number of simultaneously open files for each server process.",
     .variable = &max_files_per_process, .boot = "1000", .min = 64, .max = 2147483647},
};

void
file_settings_register(void)
{
    static bool done;

    if (done)
        return;
    done = true;
    settings_register(file_settings, COUNT_OF(file_settings));
}

/* ---- paths ---- */

static const char *const fork_suffix[FORK_COUNT] = {"", "_fsm", "_vm", "_init"};

void
relfile_db_path(Oid spc, Oid db, char *out, size_t out_bytes)
{
    if (spc == SPC_GLOBAL || db == OID_INVALID)
        snprintf(out, out_bytes, "global");
    else if (spc == SPC_DEFAULT || spc == OID_INVALID)
        snprintf(out, out_bytes, "base/%u", db);
    else
        snprintf(out, out_bytes, "pg_tblspc/%u/" SPC_VERSION_DIR "/%u", spc, db);
}

void
relfile_path(RelLocator r, ForkNo f, uint32_t segment, char *out, size_t out_bytes)
{
    char dir[MAX_PATH_BYTES / 2];

    relfile_db_path(r.spc, r.db, dir, sizeof(dir));
    if (segment == 0)
        snprintf(out, out_bytes, "%s/%u%s", dir, r.rel, fork_suffix[f]);
    else
        snprintf(out, out_bytes, "%s/%u%s.%u", dir, r.rel, fork_suffix[f], segment);
}

static void
key_path(SegmentKey key, char *out, size_t out_bytes)
{
    relfile_path(key.rel, (ForkNo)key.fork, key.segment, out, out_bytes);
}

ErrCode
file_error(int errnum, const char *fmt, ...)
{
    char text[sizeof(((ErrSys *)0)->what)];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    err_sys_set(errnum, "%s", text);
    return errnum == ENOSPC || errnum == EDQUOT ? ERR_NO_SPACE : ERR_IO;
}

/* ---- descriptor cache ---- */

void
relfile_init(void)
{
    struct rlimit limit;
    int cap = max_files_per_process;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
        (rlim_t)cap + RESERVED_FDS > limit.rlim_cur)
        cap = (int)limit.rlim_cur - RESERVED_FDS;
    cap = MAX(16, MIN(cap, CACHE_FILES_LIMIT));
    if (cache.files) {
        if (cache.owner != getpid())
            relfile_forget_all(); /* after fork: the inherited descriptors work, but start clean */
        cache.owner = getpid();
        return;
    }
    cache.owner = getpid();
    cache.files = ARENA_ARRAY(arena_top(), CachedFile, cap);
    cache.buckets = ARENA_ARRAY(arena_top(), int32_t, CACHE_BUCKETS);
    cache.cap = cap;
    cache.newest = cache.oldest = -1;
    for (uint32_t i = 0; i < CACHE_BUCKETS; i++)
        cache.buckets[i] = -1;
    cache.free_head = -1;
    for (int i = cap - 1; i >= 0; i--) {
        cache.files[i].fd = -1;
        cache.files[i].hash_next = cache.free_head;
        cache.free_head = i;
    }
    cache.generation = fsyncq_generation();
}

static uint32_t
key_bucket(const SegmentKey *key)
{
    uint64_t a = (uint64_t)key->rel.rel << 32 | key->segment;
    uint64_t b = (uint64_t)key->rel.db << 32 | (key->rel.spc ^ (uint32_t)key->fork << 24);
    return (uint32_t)hash_combine(a, b) & (CACHE_BUCKETS - 1);
}

static bool
keys_equal(const SegmentKey *a, const SegmentKey *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

static void
lru_unlink(int32_t i)
{
    CachedFile *c = &cache.files[i];

    if (c->newer >= 0)
        cache.files[c->newer].older = c->older;
    else
        cache.newest = c->older;
    if (c->older >= 0)
        cache.files[c->older].newer = c->newer;
    else
        cache.oldest = c->newer;
}

static void
lru_push(int32_t i)
{
    CachedFile *c = &cache.files[i];

    c->newer = -1;
    c->older = cache.newest;
    if (cache.newest >= 0)
        cache.files[cache.newest].newer = i;
    else
        cache.oldest = i;
    cache.newest = i;
}

static void
cache_close(int32_t i)
{
    CachedFile *c = &cache.files[i];
    int32_t *link = &cache.buckets[key_bucket(&c->key)];

    while (*link != i)
        link = &cache.files[*link].hash_next;
    *link = c->hash_next;
    lru_unlink(i);
    io_close(c->fd);
    c->fd = -1;
    c->hash_next = cache.free_head;
    cache.free_head = i;
    cache.used--;
}

void
relfile_forget_all(void)
{
    while (cache.files && cache.newest >= 0)
        cache_close(cache.newest);
}

void
relfile_forget(RelLocator r)
{
    for (int32_t i = cache.files ? cache.newest : -1; i >= 0;) {
        int32_t older = cache.files[i].older;
        if (rel_locator_equal(cache.files[i].key.rel, r))
            cache_close(i);
        i = older;
    }
}

/* open(2) that gives up cached descriptors when the process or the system has none left. */
static int
open_retry(const char *path, int flags)
{
    for (;;) {
        int fd = io_open(path, flags | O_CLOEXEC, FILE_MODE);
        if (fd >= 0)
            return fd;
        if (errno == EINTR)
            continue;
        if ((errno != EMFILE && errno != ENFILE) || cache.oldest < 0)
            return -1;
        int saved = errno;
        cache_close(cache.oldest);
        errno = saved;
    }
}

/*
 * The descriptor of a segment. create: O_CREAT, or'ed with O_EXCL by the caller where it matters.
 * ERR_NOT_FOUND (err_sys set) when the file is not there.
 */
static ErrCode
segment_open(SegmentKey key, int create_flags, int *out)
{
    if (UNLIKELY(!cache.files))
        relfile_init();
    uint64_t generation = fsyncq_generation();
    if (UNLIKELY(generation != cache.generation)) {
        relfile_forget_all();
        cache.generation = generation;
    }

    uint32_t bucket = key_bucket(&key);
    if (!(create_flags & O_EXCL)) {
        for (int32_t i = cache.buckets[bucket]; i >= 0; i = cache.files[i].hash_next) {
            if (!keys_equal(&cache.files[i].key, &key))
                continue;
            if (cache.newest != i) {
                lru_unlink(i);
                lru_push(i);
            }
            *out = cache.files[i].fd;
            return ERR_OK;
        }
    }

    char path[MAX_PATH_BYTES];
    key_path(key, path, sizeof(path));
    if (cache.free_head < 0)
        cache_close(cache.oldest);
    bool direct = relfile_direct == RELFILE_DIRECT && !direct_refused;
    int fd = open_retry(path, O_RDWR | create_flags | (direct ? O_DIRECT : 0));
    if (UNLIKELY(fd < 0 && direct && errno == EINVAL)) {
        /* The file may have come into being all the same: O_EXCL would now find it. */
        direct_refused = true;
        fd = open_retry(path, O_RDWR | (create_flags & ~O_EXCL));
        if (fd >= 0)
            REPORT(LEVEL_LOG, SQLSTATE_FEATURE_NOT_SUPPORTED, err_message("direct I/O is not possible for file \"%s\"", path));
    }
    if (fd < 0) {
        int saved = errno;
        ErrCode rc = file_error(saved, create_flags ? "could not create file \"%s\"" : "could not open file \"%s\"", path);
        return saved == ENOENT ? ERR_NOT_FOUND : saved == EEXIST ? ERR_EXISTS : rc;
    }
    int32_t i = cache.free_head;
    cache.free_head = cache.files[i].hash_next;
    cache.files[i] = (CachedFile){key, fd, cache.buckets[bucket], -1, -1};
    cache.buckets[bucket] = i;
    lru_push(i);
    cache.used++;
    *out = fd;
    return ERR_OK;
}

/* As segment_open, for callers to whom a missing file is an I/O error. */
static ErrCode
segment_open_existing(SegmentKey key, int *out)
{
    ErrCode rc = segment_open(key, 0, out);
    return rc == ERR_NOT_FOUND ? ERR_IO : rc;
}

static void
forget_segment(SegmentKey key)
{
    for (int32_t i = cache.files ? cache.buckets[key_bucket(&key)] : -1; i >= 0; i = cache.files[i].hash_next)
        if (keys_equal(&cache.files[i].key, &key)) {
            cache_close(i);
            return;
        }
}

/* ---- creation, size ---- */

/* Redo may need a directory that a later, already replayed record would remove. */
static void
make_parent_dirs(const char *path)
{
    char dir[MAX_PATH_BYTES];

    snprintf(dir, sizeof(dir), "%s", path);
    for (char *slash = strchr(dir, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        io_mkdir(dir, DIR_MODE);
        *slash = '/';
    }
}

ErrCode
relfile_create(RelLocator r, ForkNo f, bool redo)
{
    SegmentKey key = segment_key(r, f, 0);
    int fd;
    ErrCode rc = segment_open(key, redo ? O_CREAT : O_CREAT | O_EXCL, &fd);

    if (rc == ERR_NOT_FOUND && redo) {
        char path[MAX_PATH_BYTES];
        key_path(key, path, sizeof(path));
        make_parent_dirs(path);
        rc = segment_open(key, O_CREAT, &fd);
    }
    if (rc == ERR_NOT_FOUND)
        rc = ERR_IO;
    FAULT_POINT("file_created");
    if (rc == ERR_OK)
        fsyncq_add(r, f, 0); /* the name must be durable by the next checkpoint, written to or not */
    return rc;
}

bool
relfile_exists(RelLocator r, ForkNo f)
{
    char path[MAX_PATH_BYTES];

    relfile_path(r, f, 0, path, sizeof(path));
    return access(path, F_OK) == 0;
}

static ErrCode
segment_blocks(SegmentKey key, BlockNo *out)
{
    int fd;
    ErrCode rc = segment_open(key, 0, &fd);
    if (rc != ERR_OK)
        return rc;
    off_t end = lseek(fd, 0, SEEK_END);
    if (end < 0) {
        char path[MAX_PATH_BYTES];
        int saved = errno;
        key_path(key, path, sizeof(path));
        return file_error(saved, "could not seek to end of file \"%s\"", path);
    }
    *out = (BlockNo)(end / (off_t)PAGE_BYTES); /* a torn last page does not count */
    return ERR_OK;
}

ErrCode
relfile_block_count(RelLocator r, ForkNo f, BlockNo *out)
{
    BlockNo total = 0;

    for (uint32_t segment = 0;; segment++) {
        BlockNo blocks;
        ErrCode rc = segment_blocks(segment_key(r, f, segment), &blocks);
        if (rc == ERR_NOT_FOUND && segment > 0)
            break;
        if (rc != ERR_OK)
            return rc;
        total += blocks;
        if (blocks < REL_SEGMENT_PAGES)
            break;
    }
    *out = total;
    return ERR_OK;
}

/* ---- reading and writing ---- */

/* Bytes that must still be moved after `done` bytes of the vector. */
static int
iov_advance(struct iovec *iov, int count, size_t done, struct iovec **rest)
{
    while (count > 0 && done >= iov->iov_len) {
        done -= iov->iov_len;
        iov++;
        count--;
    }
    if (count > 0) {
        iov->iov_base = (char *)iov->iov_base + done;
        iov->iov_len -= done;
    }
    *rest = iov;
    return count;
}

/* n <= IOV_PAGES_MAX pages, all in one segment. */
static ErrCode
read_run(RelLocator r, ForkNo f, BlockNo first, void *const *pages, int n)
{
    SegmentKey key = segment_key(r, f, first / REL_SEGMENT_PAGES);
    struct iovec iov[IOV_PAGES_MAX], *rest = iov;
    off_t offset = (off_t)(first % REL_SEGMENT_PAGES) * (off_t)PAGE_BYTES;
    size_t done = 0, total = (size_t)n * PAGE_BYTES;
    char path[MAX_PATH_BYTES];
    int fd, count = n;

    ErrCode rc = segment_open_existing(key, &fd);
    if (rc != ERR_OK)
        return rc;
    for (int i = 0; i < n; i++)
        iov[i] = (struct iovec){pages[i], PAGE_BYTES};
    while (done < total) {
        ssize_t got = count == 1 ? io_pread(fd, rest->iov_base, rest->iov_len, offset + (off_t)done)
                                 : io_preadv(fd, rest, count, offset + (off_t)done);
        if (got < 0 && errno == EINTR)
            continue;
        BlockNo at = first + (BlockNo)(done / PAGE_BYTES);
        if (got < 0) {
            int saved = errno;
            key_path(key, path, sizeof(path));
            return file_error(saved, "could not read block %u in file \"%s\"", at, path);
        }
        if (got == 0) {
            key_path(key, path, sizeof(path));
            err_sys_set(0, "could not read block %u in file \"%s\": read only %d of %d bytes", at, path,
                        (int)(done % PAGE_BYTES), (int)PAGE_BYTES);
            return ERR_CORRUPT;
        }
        done += (size_t)got;
        count = iov_advance(rest, count, (size_t)got, &rest);
    }
    return ERR_OK;
}

static ErrCode
write_run(RelLocator r, ForkNo f, BlockNo first, const void *const *pages, int n, bool extending)
{
    SegmentKey key = segment_key(r, f, first / REL_SEGMENT_PAGES);
    struct iovec iov[IOV_PAGES_MAX], *rest = iov;
    off_t offset = (off_t)(first % REL_SEGMENT_PAGES) * (off_t)PAGE_BYTES;
    size_t done = 0, total = (size_t)n * PAGE_BYTES;
    int fd, count = n;

    /* A segment beyond the first comes into being with its first page. */
    ErrCode rc = segment_open(key, key.segment > 0 ? O_CREAT : 0, &fd);
    if (rc != ERR_OK)
        return rc == ERR_NOT_FOUND ? ERR_IO : rc;
    for (int i = 0; i < n; i++)
        iov[i] = (struct iovec){(void *)(uintptr_t)pages[i], PAGE_BYTES};
    while (done < total) {
        ssize_t put = count == 1 ? io_pwrite(fd, rest->iov_base, rest->iov_len, offset + (off_t)done)
                                 : io_pwritev(fd, rest, count, offset + (off_t)done);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0) {
            char path[MAX_PATH_BYTES];
            int saved = put == 0 ? ENOSPC : errno; /* a write of nothing means a full disk */
            key_path(key, path, sizeof(path));
            if (extending)
                return file_error(saved, "could not extend file \"%s\"", path);
            return file_error(saved, "could not write block %u in file \"%s\"", first + (BlockNo)(done / PAGE_BYTES), path);
        }
        done += (size_t)put;
        count = iov_advance(rest, count, (size_t)put, &rest);
    }
    fsyncq_add(r, f, key.segment);
    return ERR_OK;
}

/* Direct I/O takes only aligned pages (the pool's are); others go through this one. */
static char bounce[PAGE_BYTES] __attribute__((aligned(DIRECT_ALIGN)));

static bool
must_bounce(const void *const *pages, int n)
{
    if (LIKELY(relfile_direct == RELFILE_BUFFERED) || direct_refused)
        return false;
    for (int i = 0; i < n; i++)
        if ((uintptr_t)pages[i] % DIRECT_ALIGN != 0)
            return true;
    return false;
}

/* Pages of the run that starts at first and neither leaves its segment nor exceeds one system call. */
static int
run_length(BlockNo first, int n)
{
    uint32_t in_segment = REL_SEGMENT_PAGES - first % REL_SEGMENT_PAGES;
    return (int)MIN(MIN((uint32_t)n, in_segment), (uint32_t)IOV_PAGES_MAX);
}

ErrCode
relfile_read(RelLocator r, ForkNo f, BlockNo first, void *const *pages, int n)
{
    while (n > 0) {
        int run = run_length(first, n);
        ErrCode rc;
        if (UNLIKELY(must_bounce((const void *const *)pages, run))) {
            void *page = bounce;
            run = 1;
            rc = read_run(r, f, first, &page, 1);
            if (rc == ERR_OK)
                memcpy(pages[0], bounce, PAGE_BYTES);
        } else {
            rc = read_run(r, f, first, pages, run);
        }
        if (rc != ERR_OK)
            return rc;
        first += (BlockNo)run;
        pages += run;
        n -= run;
    }
    return ERR_OK;
}

ErrCode
relfile_write(RelLocator r, ForkNo f, BlockNo first, const void *const *pages, int n)
{
    while (n > 0) {
        int run = run_length(first, n);
        ErrCode rc;
        if (UNLIKELY(must_bounce(pages, run))) {
            const void *page = memcpy(bounce, pages[0], PAGE_BYTES);
            run = 1;
            rc = write_run(r, f, first, &page, 1, false);
        } else {
            rc = write_run(r, f, first, pages, run, false);
        }
        if (rc != ERR_OK)
            return rc;
        first += (BlockNo)run;
        pages += run;
        n -= run;
    }
    return ERR_OK;
}

/* Reserves the blocks of one segment without writing them. False: not possible here, write zeros. */
static bool
extend_by_fallocate(RelLocator r, ForkNo f, BlockNo first, uint32_t n, ErrCode *rc)
{
    SegmentKey key = segment_key(r, f, first / REL_SEGMENT_PAGES);
    int fd, failed;

    *rc = segment_open(key, key.segment > 0 ? O_CREAT : 0, &fd);
    if (*rc != ERR_OK) {
        *rc = *rc == ERR_NOT_FOUND ? ERR_IO : *rc;
        return true;
    }
    do
        failed = io_fallocate(fd, (off_t)(first % REL_SEGMENT_PAGES) * (off_t)PAGE_BYTES, (off_t)n * (off_t)PAGE_BYTES);
    while (failed == EINTR);
    if (failed == EINVAL || failed == EOPNOTSUPP)
        return false;
    if (failed) {
        char path[MAX_PATH_BYTES];
        key_path(key, path, sizeof(path));
        *rc = file_error(failed, "could not extend file \"%s\"", path);
        return true;
    }
    fsyncq_add(r, f, key.segment);
    return true;
}

ErrCode
relfile_extend(RelLocator r, ForkNo f, BlockNo first, int n)
{
    static const char zero_page[PAGE_BYTES] __attribute__((aligned(DIRECT_ALIGN)));
    const void *zeros[IOV_PAGES_MAX];

    for (size_t i = 0; i < IOV_PAGES_MAX; i++)
        zeros[i] = zero_page;
    while (n > 0) {
        uint32_t in_segment = MIN(REL_SEGMENT_PAGES - first % REL_SEGMENT_PAGES, (uint32_t)n);
        int run = (int)in_segment;
        ErrCode rc = ERR_OK;
        if (run < FALLOCATE_PAGES_MIN || !extend_by_fallocate(r, f, first, in_segment, &rc)) {
            run = run_length(first, n);
            rc = write_run(r, f, first, zeros, run, true);
        }
        if (rc != ERR_OK)
            return rc;
        FAULT_POINT("file_extended");
        first += (BlockNo)run;
        n -= run;
    }
    return ERR_OK;
}

/*
 * Segments beyond the new end are cut to nothing but keep their names, so that a descriptor another
 * process holds stays the file's.
 */
ErrCode
relfile_truncate(RelLocator r, ForkNo f, BlockNo blocks)
{
    BlockNo current;
    ErrCode rc = relfile_block_count(r, f, &current);

    if (rc != ERR_OK || blocks >= current)
        return rc;
    for (int64_t segment = (int64_t)((current - 1) / REL_SEGMENT_PAGES); segment >= 0; segment--) {
        SegmentKey key = segment_key(r, f, (uint32_t)segment);
        BlockNo start = (BlockNo)segment * REL_SEGMENT_PAGES;
        BlockNo keep = blocks > start ? blocks - start : 0;
        int fd;
        if (keep >= REL_SEGMENT_PAGES)
            break;
        rc = segment_open_existing(key, &fd);
        if (rc != ERR_OK)
            return rc;
        if (io_ftruncate(fd, (off_t)keep * (off_t)PAGE_BYTES) != 0) {
            char path[MAX_PATH_BYTES];
            int saved = errno;
            key_path(key, path, sizeof(path));
            return file_error(saved, "could not truncate file \"%s\" to %u blocks", path, blocks);
        }
        FAULT_POINT("file_truncated");
        fsyncq_add(r, f, key.segment);
        if (keep > 0)
            break;
    }
    return ERR_OK;
}

ErrCode
relfile_prefetch(RelLocator r, ForkNo f, BlockNo first, int n)
{
    if (relfile_direct == RELFILE_DIRECT && !direct_refused)
        return ERR_OK; /* there is no cache to fetch it into */
    while (n > 0) {
        int run = (int)MIN(REL_SEGMENT_PAGES - first % REL_SEGMENT_PAGES, (uint32_t)n);
        int fd;
        ErrCode rc = segment_open(segment_key(r, f, first / REL_SEGMENT_PAGES), 0, &fd);
        if (rc != ERR_OK)
            return rc;
        posix_fadvise(fd, (off_t)(first % REL_SEGMENT_PAGES) * (off_t)PAGE_BYTES, (off_t)run * (off_t)PAGE_BYTES,
                      POSIX_FADV_WILLNEED);
        first += (BlockNo)run;
        n -= run;
    }
    return ERR_OK;
}

void
relfile_writeback(RelLocator r, ForkNo f, BlockNo first, int n)
{
#ifdef SYNC_FILE_RANGE_WRITE
    if (relfile_direct == RELFILE_DIRECT && !direct_refused)
        return; /* it is with the device already */
    while (n > 0) {
        int run = (int)MIN(REL_SEGMENT_PAGES - first % REL_SEGMENT_PAGES, (uint32_t)n);
        int fd;
        if (segment_open(segment_key(r, f, first / REL_SEGMENT_PAGES), 0, &fd) != ERR_OK)
            return; /* only a hint */
        (void)sync_file_range(fd, (off_t)(first % REL_SEGMENT_PAGES) * (off_t)PAGE_BYTES,
                              (off_t)run * (off_t)PAGE_BYTES, SYNC_FILE_RANGE_WRITE);
        first += (BlockNo)run;
        n -= run;
    }
#endif
}

/* ---- durability, removal ---- */

ErrCode
file_sync_segment(SegmentKey key)
{
    char path[MAX_PATH_BYTES];
    int fd;
    ErrCode rc = segment_open(key, 0, &fd);

    if (rc != ERR_OK)
        return rc;
    key_path(key, path, sizeof(path));
    return file_sync_fd(fd, path);
}

ErrCode
relfile_sync(RelLocator r, ForkNo f)
{
    for (uint32_t segment = 0;; segment++) {
        ErrCode rc = file_sync_segment(segment_key(r, f, segment));
        if (rc == ERR_NOT_FOUND)
            return segment > 0 ? ERR_OK : ERR_IO;
        if (rc != ERR_OK)
            return rc;
    }
}

/* Cuts the file first: descriptors held elsewhere must not keep its blocks allocated. */
static ErrCode
remove_file(const char *path, bool keep_name)
{
    if (io_truncate(path, 0) != 0 && errno != ENOENT)
        return file_error(errno, "could not truncate file \"%s\"", path);
    FAULT_POINT("file_cut_before_unlink");
    if (!keep_name && io_unlink(path) != 0 && errno != ENOENT)
        return file_error(errno, "could not remove file \"%s\"", path);
    return ERR_OK;
}

ErrCode
relfile_unlink(RelLocator r, bool redo)
{
    ErrCode result = ERR_OK;

    relfile_forget(r);
    fsyncq_forget_relation(r);
    for (int f = FORK_COUNT - 1; f >= 0; f--) {
        for (uint32_t segment = 0;; segment++) {
            char path[MAX_PATH_BYTES];
            relfile_path(r, (ForkNo)f, segment, path, sizeof(path));
            if (access(path, F_OK) != 0)
                break;
            bool keep = !redo && f == FORK_MAIN && segment == 0 && fsyncq_unlink_later(r);
            ErrCode rc = remove_file(path, keep);
            if (rc != ERR_OK)
                result = rc; /* go on: leave as little behind as possible */
        }
    }
    forget_segment(segment_key(r, FORK_MAIN, 0));
    if (redo)
        fsyncq_generation_bump();
    return result;
}
