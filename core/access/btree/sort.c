/*
 * Sorting entries for a build: runs in memory up to maintenance_work_mem, written to one temporary file
 * when that is full, merged by a heap of readers.
 *
 * An entry is compared by the first eight bytes of its item, kept beside the pointer, and only then by the
 * bytes themselves. Input that is in order already is noticed and not sorted.
 */
#include "core/access/btree/sort.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/access/btree/btree_internal.h"

#define CHUNK_BYTES (1u << 20)
#define READER_BYTES (64u << 10)
#define WRITE_BYTES (256u << 10)

typedef struct Entry {
    uint64_t head;
    char *bytes;   /* u16 length, u8 flags, item */
} Entry;

typedef struct Run { uint64_t from, end; } Run;

typedef struct Reader {
    uint64_t pos, end;   /* of the file, not yet buffered */
    char *buf;
    size_t len, at;
    uint64_t head;
    const char *item;
    uint16_t n;
    uint8_t flags;
} Reader;

struct BtSort {
    Arena *arena, *chunks;
    Entry *entries;
    size_t count, cap, bytes, limit;
    char *chunk, *chunk_end;
    bool ordered;
    int fd;
    uint64_t file_bytes;
    Run *runs;
    int nruns, run_cap;
    size_t next;          /* in memory: next entry handed out */
    Reader *readers;
    int *heap, nheap;
    char *wbuf;
    size_t wlen;
};

static inline uint16_t entry_n(const char *p) { return load_u16(p); }
static inline const char *entry_item(const char *p) { return p + 3; }

static void
close_file(void *arg)
{
    BtSort *s = arg;

    if (s->fd >= 0)
        close(s->fd);
}

BtSort *
bt_sort_begin(Arena *a)
{
    BtSort *s = ARENA_NEW(a, BtSort);

    s->arena = a;
    s->chunks = arena_create(a, "index build entries");
    s->limit = (size_t)maintenance_work_mem_kb * 1024;
    s->fd = -1;
    s->ordered = true;
    arena_on_reset(a, close_file, s);
    return s;
}

/* ---- in memory ---- */

static inline uint64_t
item_head(const char *item, uint16_t n)
{
    return bt_probe(item, n, false).head;
}

static int
compare_rest(const char *a, uint32_t an, const char *b, uint32_t bn)
{
    int c = memcmp(a, b, MIN(an, bn));

    return c ? c : (an > bn) - (an < bn);
}

static inline bool
entry_less(const Entry *a, const Entry *b)
{
    if (a->head != b->head)
        return a->head < b->head;
    return compare_rest(entry_item(a->bytes), entry_n(a->bytes), entry_item(b->bytes), entry_n(b->bytes)) < 0;
}

static void
insertion_sort(Entry *e, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        Entry x = e[i];
        size_t k = i;

        for (; k > 0 && entry_less(&x, &e[k - 1]); k--)
            e[k] = e[k - 1];
        e[k] = x;
    }
}

static void
sift(Entry *e, size_t i, size_t n)
{
    Entry x = e[i];

    for (size_t c; (c = 2 * i + 1) < n; i = c) {
        if (c + 1 < n && entry_less(&e[c], &e[c + 1]))
            c++;
        if (!entry_less(&x, &e[c]))
            break;
        e[i] = e[c];
    }
    e[i] = x;
}

static void
heap_sort(Entry *e, size_t n)
{
    for (size_t i = n / 2; i-- > 0;)
        sift(e, i, n);
    for (size_t i = n; i-- > 1;) {
        Entry x = e[0];

        e[0] = e[i];
        e[i] = x;
        sift(e, 0, i);
    }
}

/* Quicksort by the median of three; what degenerates is heap-sorted. No entries are equal. */
static void
sort_entries(Entry *e, size_t n, int depth)
{
    while (n > 24) {
        Entry *m = &e[n / 2], *a = &e[0], *b = &e[n - 1], pivot;
        size_t i = 0, j = n - 1;

        CHECK_INTERRUPTS();
        if (depth-- == 0) {
            heap_sort(e, n);
            return;
        }
        if (entry_less(a, m))
            pivot = entry_less(m, b) ? *m : entry_less(a, b) ? *b : *a;
        else
            pivot = entry_less(a, b) ? *a : entry_less(m, b) ? *b : *m;
        for (;;) {
            Entry x;

            while (entry_less(&e[i], &pivot))
                i++;
            while (entry_less(&pivot, &e[j]))
                j--;
            if (i >= j)
                break;
            x = e[i];
            e[i++] = e[j];
            e[j--] = x;
        }
        sort_entries(e, j + 1, depth);
        e += j + 1;
        n -= j + 1;
    }
    insertion_sort(e, n);
}

static void
sort_memory(BtSort *s)
{
    int depth = 8;

    for (size_t n = s->count; n > 1; n >>= 1)
        depth += 2;
    if (!s->ordered)
        sort_entries(s->entries, s->count, depth);
}

/* ---- the file ---- */

static void
open_file(BtSort *s)
{
    static unsigned counter;
    char name[64];

    snprintf(name, sizeof name, "base/pgsql_tmp/pgsql_tmp%d.b%u", (int)getpid(), counter++);
    s->fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (s->fd < 0 && errno == ENOENT) {
        (void)mkdir("base/pgsql_tmp", 0700);
        s->fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    }
    if (s->fd < 0)
        RAISE(err_sqlstate_of_errno(errno), "could not create temporary file \"%s\": %m", name);
    unlink(name); /* no end of the process leaves it behind */
    s->wbuf = arena_alloc(s->arena, WRITE_BYTES);
}

static void
write_out(BtSort *s)
{
    size_t done = 0;

    while (done < s->wlen) {
        ssize_t n = pwrite(s->fd, s->wbuf + done, s->wlen - done, (off_t)(s->file_bytes + done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            RAISE(err_sqlstate_of_errno(n == 0 ? ENOSPC : errno), "could not write to temporary file: %m");
        done += (size_t)n;
    }
    s->file_bytes += s->wlen;
    s->wlen = 0;
}

static void
write_run(BtSort *s)
{
    sort_memory(s);
    if (s->fd < 0)
        open_file(s);
    if (s->nruns == s->run_cap) {
        int cap = s->run_cap ? s->run_cap * 2 : 16;

        s->runs = arena_realloc(s->arena, s->runs, sizeof(Run) * (size_t)s->run_cap, sizeof(Run) * (size_t)cap);
        s->run_cap = cap;
    }
    s->runs[s->nruns].from = s->file_bytes;
    for (size_t i = 0; i < s->count; i++) {
        const char *p = s->entries[i].bytes;
        size_t n = 3u + entry_n(p);

        if (s->wlen + n > WRITE_BYTES) {
            CHECK_INTERRUPTS();
            write_out(s);
        }
        memcpy(s->wbuf + s->wlen, p, n);
        s->wlen += n;
    }
    write_out(s);
    s->runs[s->nruns++].end = s->file_bytes;
    arena_reset(s->chunks);
    s->chunk = s->chunk_end = NULL;
    s->count = s->bytes = 0;
    s->ordered = true;
}

void
bt_sort_add(BtSort *s, const char *item, uint32_t n, uint8_t flags)
{
    Entry *e;
    char *p;

    if (s->bytes + s->cap * sizeof(Entry) > s->limit && s->count > 1000)
        write_run(s);
    if (s->count == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 1024;

        s->entries = arena_realloc(s->arena, s->entries, sizeof(Entry) * s->cap, sizeof(Entry) * cap);
        s->cap = cap;
    }
    if ((size_t)(s->chunk_end - s->chunk) < n + 3u) {
        s->chunk = arena_alloc(s->chunks, CHUNK_BYTES);
        s->chunk_end = s->chunk + CHUNK_BYTES;
        s->bytes += CHUNK_BYTES;
        CHECK_INTERRUPTS();
    }
    p = s->chunk;
    s->chunk += n + 3u;
    store_u16(p, (uint16_t)n);
    p[2] = (char)flags;
    memcpy(p + 3, item, n);
    e = &s->entries[s->count];
    e->head = item_head(item, (uint16_t)n);
    e->bytes = p;
    if (s->ordered && s->count > 0 && entry_less(e, e - 1))
        s->ordered = false;
    s->count++;
}

/* ---- merging ---- */

static void
reader_fill(BtSort *s, Reader *r)
{
    size_t left = r->len - r->at, want;

    memmove(r->buf, r->buf + r->at, left);
    r->at = 0;
    r->len = left;
    want = MIN((size_t)READER_BYTES - left, (size_t)(r->end - r->pos));
    while (want > 0) {
        ssize_t n = pread(s->fd, r->buf + r->len, want, (off_t)r->pos);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            RAISE(n < 0 ? err_sqlstate_of_errno(errno) : SQLSTATE_INTERNAL_ERROR, "could not read from temporary file: %s",
                  n < 0 ? strerror(errno) : "read too few bytes");
        r->pos += (uint64_t)n;
        r->len += (size_t)n;
        want -= (size_t)n;
    }
}

static bool
reader_next(BtSort *s, Reader *r)
{
    if (r->len - r->at < 3u + BT_ITEM_MAX && r->pos < r->end)
        reader_fill(s, r);
    if (r->at == r->len)
        return false;
    r->n = load_u16(r->buf + r->at);
    r->flags = (uint8_t)r->buf[r->at + 2];
    r->item = r->buf + r->at + 3;
    r->head = item_head(r->item, r->n);
    r->at += 3u + r->n;
    return true;
}

static inline bool
reader_less(const BtSort *s, int a, int b)
{
    const Reader *x = &s->readers[a], *y = &s->readers[b];

    if (x->head != y->head)
        return x->head < y->head;
    return compare_rest(x->item, x->n, y->item, y->n) < 0;
}

static void
merge_sift(BtSort *s, int i)
{
    int x = s->heap[i];

    for (int c; (c = 2 * i + 1) < s->nheap; i = c) {
        if (c + 1 < s->nheap && reader_less(s, s->heap[c + 1], s->heap[c]))
            c++;
        if (!reader_less(s, s->heap[c], x))
            break;
        s->heap[i] = s->heap[c];
    }
    s->heap[i] = x;
}

void
bt_sort_finish(BtSort *s)
{
    if (s->nruns == 0) {
        sort_memory(s);
        return;
    }
    if (s->count > 0)
        write_run(s);
    s->readers = ARENA_ARRAY(s->arena, Reader, s->nruns);
    s->heap = ARENA_ARRAY(s->arena, int, s->nruns);
    for (int i = 0; i < s->nruns; i++) {
        Reader *r = &s->readers[i];

        r->pos = s->runs[i].from;
        r->end = s->runs[i].end;
        r->buf = arena_alloc(s->arena, READER_BYTES);
        if (reader_next(s, r))
            s->heap[s->nheap++] = i;
    }
    for (int i = s->nheap / 2; i-- > 0;)
        merge_sift(s, i);
    s->next = 0;
}

/* The entry stays valid until the next call. */
bool
bt_sort_next(BtSort *s, const char **item, uint32_t *n, uint8_t *flags)
{
    Reader *r;

    if (s->nruns == 0) {
        const char *p;

        if (s->next == s->count)
            return false;
        p = s->entries[s->next++].bytes;
        *item = entry_item(p);
        *n = entry_n(p);
        *flags = (uint8_t)p[2];
        return true;
    }
    if (s->next++ > 0) { /* the one handed out last is replaced first */
        r = &s->readers[s->heap[0]];
        if (!reader_next(s, r))
            s->heap[0] = s->heap[--s->nheap];
        if (s->nheap > 0)
            merge_sift(s, 0);
    }
    if (s->nheap == 0)
        return false;
    r = &s->readers[s->heap[0]];
    *item = r->item;
    *n = r->n;
    *flags = r->flags;
    return true;
}
