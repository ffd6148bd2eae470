/*
 * The stream of a base backup: a tar file in CopyData messages of PostgreSQL 15's kinds ('n' new archive, 'd' data,
 * 'p' progress), made from files that are being written meanwhile.
 *
 * A page that was changed since the backup began is made whole by redo, however it was caught. An older one must
 * be right as read: its checksum is looked at, and since a torn read of a page that is being written differs from the
 * next one, it is read again before it counts as damaged. The small paged files (commit log ...) are written
 * without images in the log, so each of their pages has to be right.
 */
#include "core/session/replication.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/file/io.h"
#include "core/file/page.h"
#include "core/txn/slru.h"

#define TAR_BLOCK 512u
#define PIECE_BYTES (32u * 1024)
#define PROGRESS_US 1000000
#define REREADS 50

/* ---- messages ---- */

static void
progress(BackupSink *s, bool now)
{
    uint64_t us = clock_monotonic_us();
    if (!now && us - s->last_progress_us < PROGRESS_US)
        return;
    s->last_progress_us = us;
    wire_begin('d');
    wire_put_byte('p');
    wire_put_int32((int32_t)(s->done_bytes >> 32));
    wire_put_int32((int32_t)s->done_bytes);
    wire_end();
    wire_flush();
}

/* MAX_RATE: sleeps as long as the stream is ahead of it. */
static void
throttle(const BackupSink *s)
{
    if (s->max_rate_kb == 0)
        return;
    uint64_t due_us = s->done_bytes * 1000000 / ((uint64_t)s->max_rate_kb * 1024);
    for (uint64_t now; (now = clock_monotonic_us() - s->began_us) < due_us;) {
        latch_wait(WAIT_LATCH | WAIT_TIMEOUT, -1, (long)((due_us - now) / 1000 + 1), WAIT_EVENT_BASE_BACKUP_THROTTLE);
        latch_reset(&proc_self->latch);
        CHECK_INTERRUPTS();
    }
}

void
sink_send(BackupSink *s, const void *p, size_t n)
{
    const char *c = p;
    while (n > 0) {
        size_t part = MIN(n, (size_t)PIECE_BYTES);
        wire_begin('d');
        wire_put_byte('d');
        wire_put_bytes(c, part);
        wire_end();
        s->done_bytes += part;
        c += part;
        n -= part;
    }
    CHECK_INTERRUPTS();
    throttle(s);
    progress(s, false);
}

void
sink_begin_archive(BackupSink *s, const char *name)
{
    wire_begin('d');
    wire_put_byte('n');
    wire_put_string(name);
    wire_put_string(""); /* the data directory itself */
    wire_end();
    s->began_us = clock_monotonic_us();
    progress(s, true);
}

void
sink_end_archive(BackupSink *s)
{
    static const char zeros[2 * TAR_BLOCK];
    sink_send(s, zeros, sizeof(zeros));
    progress(s, true);
}

/* ---- tar ---- */

static void
put_octal(char *to, int digits, uint64_t v)
{
    char text[32];
    snprintf(text, sizeof(text), "%0*llo", digits, (unsigned long long)v);
    memcpy(to, text, (size_t)digits); /* the byte behind stays zero */
}

static void
put_header(BackupSink *s, const char *path, char type, uint64_t bytes, const struct stat *st)
{
    char h[TAR_BLOCK] = {0};
    unsigned sum = 0;
    size_t n = strlen(path);
    if (n > 99 - (type == '5'))
        RAISE(SQLSTATE_INTERNAL_ERROR, "file name too long for tar format: \"%s\"", path);
    memcpy(h, path, n);
    if (type == '5')
        h[n] = '/';
    put_octal(h + 100, 7, st->st_mode & 07777);
    put_octal(h + 108, 7, st->st_uid & 07777777);
    put_octal(h + 116, 7, st->st_gid & 07777777);
    put_octal(h + 124, 11, type == '5' ? 0 : bytes);
    put_octal(h + 136, 11, (uint64_t)st->st_mtime);
    memset(h + 148, ' ', 8);
    h[156] = type;
    memcpy(h + 257, "ustar\0" "00", 8);
    memcpy(h + 265, "postgres", 8);
    memcpy(h + 297, "postgres", 8);
    put_octal(h + 329, 7, 0);
    put_octal(h + 337, 7, 0);
    for (size_t i = 0; i < sizeof(h); i++)
        sum += (unsigned char)h[i];
    put_octal(h + 148, 6, sum);
    h[154] = '\0';
    sink_send(s, h, sizeof(h));
}

static void
put_padding(BackupSink *s, uint64_t bytes)
{
    static const char zeros[TAR_BLOCK];
    size_t n = (size_t)(ALIGN_UP(bytes, (uint64_t)TAR_BLOCK) - bytes);
    if (n)
        sink_send(s, zeros, n);
}

static void
fake_stat(struct stat *st, mode_t mode)
{
    if (stat(".", st) != 0)
        RAISE(err_sqlstate_of_errno(errno), "could not stat file \".\": %m");
    st->st_mode = S_IFREG | (st->st_mode & 0070 ? mode | 0040 : mode);
    st->st_mtime = (time_t)(clock_now() / 1000000 + CLOCK_PG_EPOCH_UNIX_S);
}

void
sink_directory(BackupSink *s, const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        if (errno == ENOENT)
            return;
        RAISE(err_sqlstate_of_errno(errno), "could not stat file or directory \"%s\": %m", path);
    }
    put_header(s, path, '5', 0, &st);
}

void
sink_text(BackupSink *s, const char *path, const char *text, bool in_manifest)
{
    struct stat st;
    size_t n = strlen(text);
    fake_stat(&st, 0600);
    put_header(s, path, '0', n, &st);
    if (n)
        sink_send(s, text, n);
    put_padding(s, n);
    if (s->manifest && in_manifest) {
        manifest_file_begin(s->manifest, path);
        manifest_file_add(s->manifest, text, n);
        manifest_file_end(s->manifest, n, st.st_mtime);
    }
}

/* ---- pages ---- */

typedef enum PageKind { PAGES_NONE, PAGES_RELATION, PAGES_SLRU } PageKind;
typedef struct Pages {
    PageKind kind;
    uint64_t first; /* number of the file's first page */
} Pages;

/* digits [_fork] [.segment] in base/N or global; hexadecimal segments of the small paged files. */
static Pages
pages_of(const char *path)
{
    const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    char *end;
    if (strncmp(path, "pg_xact/", 8) == 0 || strncmp(path, "pg_multixact/", 13) == 0) {
        uint64_t segment = strtoull(name, &end, 16);
        if (*end == '\0' && end - name >= 4)
            return (Pages){PAGES_SLRU, segment * SLRU_SEGMENT_PAGES};
    }
    if (strncmp(path, "base/", 5) != 0 && strncmp(path, "global/", 7) != 0)
        return (Pages){PAGES_NONE, 0};
    size_t digits = strspn(name, "0123456789");
    const char *rest = name + digits;
    if (digits == 0)
        return (Pages){PAGES_NONE, 0};
    if (*rest == '_')
        rest += strcspn(rest, ".");
    uint64_t segment = *rest == '.' ? strtoull(rest + 1, &end, 10) : 0;
    return (Pages){PAGES_RELATION, segment * REL_SEGMENT_PAGES};
}

static bool
page_is_right(const BackupSink *s, const Pages *k, const char *page, uint64_t number)
{
    if (k->kind == PAGES_SLRU)
        return slru_page_is_valid(page, number);
    if (page_is_new(page) || page_lsn(page) >= s->start)
        return true;
    return page_header(page)->checksum == page_checksum(page, (BlockNo)number);
}

static void
check_pages(BackupSink *s, const Pages *k, int fd, const char *path, char *bytes, size_t n, off_t at)
{
    for (size_t i = 0; i + PAGE_BYTES <= n; i += PAGE_BYTES) {
        uint64_t in_file = ((uint64_t)at + i) / PAGE_BYTES, number = k->first + in_file;
        int tries = 0;
        while (!page_is_right(s, k, bytes + i, number) && tries++ < REREADS) {
            if (tries > 1)
                usleep(2000);
            if (io_pread(fd, bytes + i, PAGE_BYTES, at + (off_t)i) != PAGE_BYTES)
                break; /* cut meanwhile: redo knows */
        }
        if (tries <= REREADS)
            continue;
        if (s->damaged_pages++ < 5)
            REPORT(LEVEL_WARNING, SQLSTATE_DATA_CORRUPTED,
                   err_message("checksum verification failed in file \"%s\", block %llu: calculated %X but expected %X", path,
                               (unsigned long long)in_file, page_checksum(bytes + i, (BlockNo)number), page_header(bytes + i)->checksum));
    }
}

/* ---- files ---- */

typedef struct OpenFile { int fd; } OpenFile;

static void
close_file(void *arg)
{
    OpenFile *f = arg;
    if (f->fd >= 0)
        io_close(f->fd);
    f->fd = -1;
}

/* Sends exactly `size` bytes: what a file has lost meanwhile is zeros, what it has gained is left out. */
static void
send_contents(BackupSink *s, int fd, const char *path, uint64_t size, bool in_manifest)
{
    static char *bytes;
    Pages k = s->verify || strncmp(path, "pg_", 3) == 0 ? pages_of(path) : (Pages){PAGES_NONE, 0};
    if (!bytes)
        bytes = arena_alloc(arena_top(), PIECE_BYTES);
    for (uint64_t at = 0; at < size;) {
        size_t want = (size_t)MIN(size - at, (uint64_t)PIECE_BYTES);
        ssize_t got = io_pread(fd, bytes, want, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            RAISE(err_sqlstate_of_errno(errno), "could not read file \"%s\": %m", path);
        if (got == 0) {
            memset(bytes, 0, want);
            got = (ssize_t)want;
        } else if (k.kind != PAGES_NONE) {
            check_pages(s, &k, fd, path, bytes, (size_t)got, (off_t)at);
        }
        if (s->manifest && in_manifest)
            manifest_file_add(s->manifest, bytes, (size_t)got);
        sink_send(s, bytes, (size_t)got);
        at += (uint64_t)got;
    }
}

bool
sink_file(BackupSink *s, const char *path, bool in_manifest)
{
    struct stat st;
    Arena *a = arena_create(message_arena, "backup file");
    OpenFile *f = ARENA_NEW(a, OpenFile);
    f->fd = io_open(path, O_RDONLY | O_CLOEXEC);
    arena_on_reset(a, close_file, f); /* also when the client goes away in the middle */
    if (f->fd < 0 || fstat(f->fd, &st) != 0) {
        if (errno != ENOENT)
            RAISE(err_sqlstate_of_errno(errno), "could not open file \"%s\": %m", path);
        arena_destroy(a);
        return false;
    }
    uint64_t size = (uint64_t)st.st_size;
    put_header(s, path, '0', size, &st);
    if (s->manifest && in_manifest)
        manifest_file_begin(s->manifest, path);
    send_contents(s, f->fd, path, size, in_manifest);
    put_padding(s, size);
    if (s->manifest && in_manifest)
        manifest_file_end(s->manifest, size, st.st_mtime);
    arena_destroy(a);
    return true;
}
