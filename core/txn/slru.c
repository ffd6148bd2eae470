/*
 * Small paged files in shared memory (slru.h).
 *
 * A dirty page leaves memory only through slru_flush: copies are taken under the bank locks and
 * marked "writing" (so that nobody evicts the page and reads the old one back), the log is flushed
 * to their LSNs, the copies go to the double-write file and are synced, then to their places and
 * are synced. A crash in between leaves either a whole double-write file, replayed at start, or
 * whole pages. A write that fails is an error and leaves the pages dirty; if it was one to their places,
 * which may be torn now, the double-write file is not used again before it has been replayed. A failed
 * sync is a PANIC.
 */
#include "core/txn/slru.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/hash.h"
#include "core/file/io.h"
#include "core/file/relfile.h"
#include "walmgr/walmgr.h"

#define PAGE_NONE UINT64_MAX
#define FLUSH_PAGES 32
#define DOUBLE_MAGIC UINT64_C(0x3152444c42554f44)

typedef struct SlruSlot {
    uint64_t page;
    Lsn lsn; /* the log must be durable to here before the page is written */
    bool dirty, writing;
    _Atomic uint32_t used; /* relaxed: only a hint for the choice of a victim */
} SlruSlot;

struct SlruShared {
    LwLock io; /* one flusher at a time */
    bool home_failed; /* under io: the double-write file is needed before it may be overwritten */
    LwLockPadded *locks;
    SlruSlot *slots;
    char *pages;
};

/* The double-write file: header, then the pages. */
typedef struct DoubleHeader {
    uint64_t magic;
    uint32_t count, pad;
    uint64_t checksum; /* of the page numbers and the pages */
    uint64_t page[FLUSH_PAGES];
} DoubleHeader;

static uint32_t
page_sum(const char *p, uint64_t page)
{
    uint64_t h = hash_bytes_seed(p + SLRU_PAGE_HEADER, SLRU_PAYLOAD, page + 1);

    h = hash_combine(h, load_u64(p));
    return (uint32_t)(h ^ h >> 32) | 1u;
}

size_t
slru_shm_size(const Slru *s)
{
    size_t n = (size_t)s->banks * SLRU_BANK;

    return sizeof(SlruShared) + 128 + (size_t)s->banks * sizeof(LwLockPadded) +
           n * sizeof(SlruSlot) + 4096 + n * PAGE_BYTES;
}

void
slru_shm_init(Slru *s, void *base)
{
    SlruShared *sh = base;
    char *p = (char *)base + ALIGN_UP(sizeof *sh, (size_t)64);
    size_t n = (size_t)s->banks * SLRU_BANK;

    lw_init(&sh->io, s->tranche);
    sh->locks = (LwLockPadded *)(void *)p;
    p += (size_t)s->banks * sizeof(LwLockPadded);
    sh->slots = (SlruSlot *)(void *)p;
    p += n * sizeof(SlruSlot);
    sh->pages = (char *)ALIGN_UP((uintptr_t)p, (uintptr_t)64);
    for (int i = 0; i < s->banks; i++)
        lw_init(&sh->locks[i].lock, s->tranche);
    for (size_t i = 0; i < n; i++)
        sh->slots[i].page = PAGE_NONE;
    s->shared = sh;
}

static void
segment_path(const Slru *s, uint64_t segment, char *out, size_t n)
{
    snprintf(out, n, "%s/%04llX", s->dir, (unsigned long long)segment);
}

static char *
slot_page(const Slru *s, int slot)
{
    return s->shared->pages + (size_t)slot * PAGE_BYTES;
}

/* Reads page `no` into p; what no file has is zeros. False: damaged or unreadable. */
static bool
page_load(Slru *s, uint64_t no, char *p)
{
    char path[MAX_PATH_BYTES];
    int fd;
    ssize_t got;

    segment_path(s, no / SLRU_SEGMENT_PAGES, path, sizeof path);
    fd = io_open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        if (errno != ENOENT) {
            err_sys_set(errno, "could not open file \"%s\"", path);
            return false;
        }
        memset(p, 0, PAGE_BYTES);
        s->counts[SLRU_ZEROED]++;
        return true;
    }
    s->counts[SLRU_READ]++;
    got = io_pread_all(fd, p, PAGE_BYTES, (off_t)(no % SLRU_SEGMENT_PAGES) * PAGE_BYTES);
    if (got < 0) {
        err_sys_set(errno, "could not read file \"%s\"", path);
        io_close(fd);
        return false;
    }
    io_close(fd);
    if (got < (ssize_t)PAGE_BYTES)
        memset(p + got, 0, PAGE_BYTES - (size_t)got);
    /* A page that was never written is all zeros, its checksum field too. */
    if (load_u32(p + 8) == 0 && load_u64(p) == 0) {
        for (unsigned i = 0; i < PAGE_BYTES; i += 8)
            if (load_u64(p + i) != 0) {
                err_sys_set(0, "page %llu of \"%s\" has no checksum", (unsigned long long)no,
                            s->dir);
                return false;
            }
        return true;
    }
    if (load_u32(p + 8) != page_sum(p, no)) {
        err_sys_set(0, "page %llu of \"%s\" has a wrong checksum", (unsigned long long)no, s->dir);
        return false;
    }
    return true;
}

bool
slru_page_is_valid(const char *page, uint64_t number)
{
    if (load_u32(page + 8) != 0 || load_u64(page) != 0)
        return load_u32(page + 8) == page_sum(page, number);
    for (unsigned i = 0; i < PAGE_BYTES; i += 8)
        if (load_u64(page + i) != 0)
            return false;
    return true;
}

/* A slot of the bank that may be reused, or -1: all are dirty or being written. */
static int
bank_victim(const Slru *s, int bank)
{
    int best = -1;
    uint32_t best_used = 0;

    for (int i = bank * SLRU_BANK; i < (bank + 1) * SLRU_BANK; i++) {
        SlruSlot *sl = &s->shared->slots[i];
        uint32_t used;

        if (sl->page == PAGE_NONE)
            return i;
        if (sl->dirty || sl->writing)
            continue;
        used = atomic_load_explicit(&sl->used, memory_order_relaxed);
        if (best < 0 || used < best_used) {
            best = i;
            best_used = used;
        }
    }
    return best;
}

static int
bank_find(const Slru *s, int bank, uint64_t page)
{
    for (int i = bank * SLRU_BANK; i < (bank + 1) * SLRU_BANK; i++)
        if (s->shared->slots[i].page == page)
            return i;
    return -1;
}

void
slru_open(Slru *s, uint64_t page, LwMode mode, SlruHandle *h)
{
    int bank = (int)(page % (unsigned)s->banks);
    LwLock *lock = &s->shared->locks[bank].lock;
    static uint32_t stamp;
    int slot;

    lw_acquire(lock, mode);
    slot = bank_find(s, bank, page);
    s->counts[SLRU_HIT] += slot >= 0;
    if (UNLIKELY(slot < 0)) {
        if (mode == LW_SHARED) {
            lw_release(lock);
            lw_acquire(lock, LW_EXCLUSIVE);
            slot = bank_find(s, bank, page);
        }
        while (slot < 0) {
            int v = bank_victim(s, bank);

            if (v < 0) {
                lw_release(lock);
                critical_enter(); /* the callers cannot undo what they have begun */
                slru_flush(s);
                critical_leave();
                lw_acquire(lock, LW_EXCLUSIVE);
                slot = bank_find(s, bank, page);
                continue;
            }
            s->shared->slots[v].page = PAGE_NONE;
            if (!page_load(s, page, slot_page(s, v))) {
                lw_release(lock);
                if (wal_in_redo)
                    PANIC("could not access transaction status: %s", err_sys()->what);
                RAISE_ERR(SQLSTATE_DATA_CORRUPTED,
                          err_message("could not access transaction status"),
                          err_detail("%s", err_sys()->what));
            }
            s->shared->slots[v].page = page;
            s->shared->slots[v].lsn = load_u64(slot_page(s, v));
            s->shared->slots[v].dirty = false;
            slot = v;
        }
    }
    atomic_store_explicit(&s->shared->slots[slot].used, ++stamp, memory_order_relaxed);
    h->s = s;
    h->slot = slot;
    h->payload = slot_page(s, slot) + SLRU_PAGE_HEADER;
}

void
slru_mark_dirty(SlruHandle *h, Lsn lsn)
{
    SlruSlot *sl = &h->s->shared->slots[h->slot];

    sl->dirty = true;
    if (lsn > sl->lsn)
        sl->lsn = lsn;
}

void
slru_close(SlruHandle *h)
{
    lw_release(&h->s->shared->locks[h->slot / SLRU_BANK].lock);
    h->s = NULL;
}

MUST_USE static bool
write_all(int fd, const void *p, size_t n, off_t at, const char *path)
{
    if (io_pwrite_all(fd, p, n, at))
        return true;
    err_sys_set(errno, "Could not write to file \"%s\" at offset %lld", path, (long long)at);
    return false;
}

static void
sync_fd(int fd, const char *path)
{
    if (enable_fsync && io_fdatasync(fd) != 0)
        PANIC("could not fsync file \"%s\": %m", path);
}

static int
open_file(const char *path)
{
    int fd = io_open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0)
        err_sys_set(errno, "Could not open file \"%s\"", path);
    return fd;
}

/* Writes the pages to their places and syncs each file touched. False: some may be torn now. */
MUST_USE static bool
pages_write_home(const Slru *s, const uint64_t *page, const char *bytes, int n)
{
    bool done[FLUSH_PAGES] = {false};
    bool created = false;

    for (int i = 0; i < n; i++) {
        char path[MAX_PATH_BYTES];
        uint64_t segment = page[i] / SLRU_SEGMENT_PAGES;
        int fd;

        if (done[i])
            continue;
        segment_path(s, segment, path, sizeof path);
        created |= access(path, F_OK) != 0;
        fd = open_file(path);
        if (fd < 0)
            return false;
        for (int k = i; k < n; k++)
            if (page[k] / SLRU_SEGMENT_PAGES == segment) {
                if (!write_all(fd, bytes + (size_t)k * PAGE_BYTES, PAGE_BYTES,
                               (off_t)(page[k] % SLRU_SEGMENT_PAGES) * PAGE_BYTES, path)) {
                    io_close(fd);
                    return false;
                }
                done[k] = true;
            }
        sync_fd(fd, path);
        io_close(fd);
    }
    if (created && file_sync_dir(s->dir) != ERR_OK)
        PANIC("could not fsync directory \"%s\"", s->dir);
    return true;
}

static uint64_t
double_sum(const DoubleHeader *d, const char *pages)
{
    return hash_combine(hash_bytes(d->page, sizeof d->page[0] * d->count),
                        hash_bytes(pages, (size_t)d->count * PAGE_BYTES));
}

/* Up to FLUSH_PAGES copies, through the double-write file. io lock held. */
MUST_USE static bool
pages_write(const Slru *s, const uint64_t *page, char *bytes, int n)
{
    char path[MAX_PATH_BYTES];
    DoubleHeader d = {.magic = DOUBLE_MAGIC, .count = (uint32_t)n};
    bool ok;
    int fd;

    for (int i = 0; i < n; i++) {
        d.page[i] = page[i];
        store_u32(bytes + (size_t)i * PAGE_BYTES + 8,
                  page_sum(bytes + (size_t)i * PAGE_BYTES, page[i]));
    }
    d.checksum = double_sum(&d, bytes);
    snprintf(path, sizeof path, "%s/double_write", s->dir);
    fd = open_file(path);
    if (fd < 0)
        return false;
    ok = write_all(fd, bytes, (size_t)n * PAGE_BYTES, sizeof d, path) && write_all(fd, &d, sizeof d, 0, path);
    if (ok) {
        sync_fd(fd, path);
        FAULT_POINT("slru_double_written");
        ok = pages_write_home(s, page, bytes, n);
        s->shared->home_failed = !ok;
        FAULT_POINT("slru_written");
    }
    io_close(fd);
    return ok;
}

/* Copies up to FLUSH_PAGES dirty pages from slot *cursor on. */
static int
collect_dirty(Slru *s, int *cursor, uint64_t *page, int *slots, char *bytes, Lsn *lsn)
{
    int n = 0, total = s->banks * SLRU_BANK;

    while (*cursor < total && n < FLUSH_PAGES) {
        LwLock *lock = &s->shared->locks[*cursor / SLRU_BANK].lock;

        lw_acquire(lock, LW_EXCLUSIVE);
        do {
            SlruSlot *sl = &s->shared->slots[*cursor];

            if (sl->page != PAGE_NONE && sl->dirty) {
                memcpy(bytes + (size_t)n * PAGE_BYTES, slot_page(s, *cursor), PAGE_BYTES);
                store_u64(bytes + (size_t)n * PAGE_BYTES, sl->lsn);
                sl->dirty = false;
                sl->writing = true;
                page[n] = sl->page;
                slots[n++] = *cursor;
                if (sl->lsn > *lsn)
                    *lsn = sl->lsn;
            }
            (*cursor)++;
        } while (*cursor % SLRU_BANK != 0 && n < FLUSH_PAGES);
        lw_release(lock);
    }
    return n;
}

/* Written, or dirty again if not: whoever evicts may take a page from now on. */
static void
end_writing(Slru *s, const int *slots, int n, bool written)
{
    for (int i = 0; i < n; i++) {
        LwLock *lock = &s->shared->locks[slots[i] / SLRU_BANK].lock;

        lw_acquire(lock, LW_EXCLUSIVE);
        s->shared->slots[slots[i]].writing = false;
        if (!written)
            s->shared->slots[slots[i]].dirty = true;
        lw_release(lock);
    }
}

static NORETURN void
raise_io_error(void)
{
    const ErrSys *e = err_sys();

    RAISE_ERR(err_sqlstate_of_errno(e->errnum), err_message("could not access transaction status"),
              err_detail("%s: %s.", e->what, strerror(e->errnum)));
}

void
slru_flush(Slru *s)
{
    static char *bytes;
    int cursor = 0;
    bool ok = true;

    if (!bytes)
        bytes = arena_alloc(arena_top(), (size_t)FLUSH_PAGES * PAGE_BYTES);
    lw_acquire(&s->shared->io, LW_EXCLUSIVE);
    s->counts[SLRU_FLUSHES]++;
    if (s->shared->home_failed) {
        slru_recover(s); /* raises if it fails again; the lock goes with the error */
        s->shared->home_failed = false;
    }
    while (ok) {
        uint64_t page[FLUSH_PAGES];
        int slots[FLUSH_PAGES];
        Lsn lsn = 0;
        int n = collect_dirty(s, &cursor, page, slots, bytes, &lsn);

        if (n == 0)
            break;
        if (lsn != 0)
            wal_flush_to(lsn);
        ok = pages_write(s, page, bytes, n);
        end_writing(s, slots, n, ok);
        s->counts[SLRU_WRITTEN] += n;
    }
    lw_release(&s->shared->io);
    if (!ok)
        raise_io_error();
}

void
slru_bootstrap(const char *dir)
{
    if (io_mkdir(dir, 0700) != 0 && errno != EEXIST)
        RAISE(SQLSTATE_IO_ERROR, "could not create directory \"%s\": %m", dir);
}

void
slru_recover(Slru *s)
{
    char path[MAX_PATH_BYTES];
    Arena *a = arena_create(NULL, "slru recover");
    bool ok = true;
    char *bytes;
    size_t n;

    snprintf(path, sizeof path, "%s/double_write", s->dir);
    ErrCode rc = file_read_all(path, a, &bytes, &n);
    if (rc != ERR_OK && rc != ERR_NOT_FOUND)
        raise_io_error();
    if (rc == ERR_OK && n >= sizeof(DoubleHeader)) {
        DoubleHeader d;

        memcpy(&d, bytes, sizeof d);
        if (d.magic == DOUBLE_MAGIC && d.count >= 1 && d.count <= FLUSH_PAGES &&
            n >= sizeof d + (size_t)d.count * PAGE_BYTES &&
            d.checksum == double_sum(&d, bytes + sizeof d))
            ok = pages_write_home(s, d.page, bytes + sizeof d, (int)d.count);
    }
    arena_destroy(a);
    if (!ok)
        raise_io_error();
}

/* Pages that go with their segment must not come back by a later flush. */
static void
drop_pages_below(Slru *s, uint64_t first_kept_page)
{
    for (int i = 0; i < s->banks * SLRU_BANK; i++) {
        LwLock *lock = &s->shared->locks[i / SLRU_BANK].lock;
        SlruSlot *sl = &s->shared->slots[i];

        lw_acquire(lock, LW_EXCLUSIVE);
        if (sl->page != PAGE_NONE && sl->page < first_kept_page && !sl->writing) {
            sl->page = PAGE_NONE;
            sl->dirty = false;
        }
        lw_release(lock);
    }
}

void
slru_truncate(Slru *s, uint64_t first_kept_page)
{
    DIR *d;
    struct dirent *e;

    first_kept_page -= first_kept_page % SLRU_SEGMENT_PAGES;
    if (first_kept_page == 0)
        return;
    d = opendir(s->dir);
    if (!d)
        return;
    lw_acquire(&s->shared->io, LW_EXCLUSIVE); /* nobody is writing pages */
    drop_pages_below(s, first_kept_page);
    s->counts[SLRU_TRUNCATES]++;
    while ((e = readdir(d)) != NULL) {
        char *end, path[MAX_PATH_BYTES];
        uint64_t segment = strtoull(e->d_name, &end, 16);

        if (*end != 0 || end - e->d_name < 4 ||
            (segment + 1) * SLRU_SEGMENT_PAGES > first_kept_page)
            continue;
        snprintf(path, sizeof path, "%s/%s", s->dir, e->d_name);
        if (io_unlink(path) != 0)
            LOG("could not remove file \"%s\": %m", path);
    }
    lw_release(&s->shared->io);
    closedir(d);
}

void
slru_counts_flush(Slru *s)
{
    for (int i = 0; i < SLRU_COUNTER_COUNT; i++) {
        stats_fixed_add(STATS_SLRU(s->stats, i), s->counts[i]);
        s->counts[i] = 0;
    }
}
