/*
 * Temporary files: base/pgsql_tmp/pgsql_tmp<pid>.<n>, unlinked as soon as they are open, so that no end
 * of the process leaves one behind. Written and read sequentially through one buffer each; a file is
 * written, then rewound and read (or read while it grows at the end: the position switches flush).
 */
#include "core/sql/exec/exec_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEMP_DIR "base/pgsql_tmp"
#define BUFFER_BYTES (64u * 1024)

struct TempFile {
    int fd;
    uint64_t size;        /* on disk and in the write buffer */
    char *wbuf; size_t wlen; /* bytes at the end of the file not yet written */
    TempReader reader;    /* of temp_file_read */
    Arena *arena;
    char name[64];
};

uint64_t temp_files_made;

static void
close_file(void *arg)
{
    TempFile *f = arg;

    if (f->fd >= 0) {
        close(f->fd);
        stats_db.temp_files++;
        stats_db.temp_bytes += (int64_t)f->size;
    }
    f->fd = -1;
}

TempFile *
temp_file_create(Arena *a)
{
    static unsigned counter;
    TempFile *f = ARENA_NEW(a, TempFile);

    f->arena = a;
    f->fd = -1;
    snprintf(f->name, sizeof(f->name), TEMP_DIR "/pgsql_tmp%d.%u", (int)getpid(), counter++);
    arena_on_reset(a, close_file, f);
    f->fd = open(f->name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (f->fd < 0 && errno == ENOENT) {
        (void)mkdir("base", 0700); /* tests run outside of a data directory */
        (void)mkdir(TEMP_DIR, 0700);
        f->fd = open(f->name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    }
    if (f->fd < 0)
        RAISE(err_sqlstate_of_errno(errno), "could not create temporary file \"%s\": %m", f->name);
    unlink(f->name);
    f->wbuf = arena_alloc(a, BUFFER_BYTES);
    temp_files_made++;
    return f;
}

static void
flush(TempFile *f)
{
    size_t done = 0;

    while (done < f->wlen) {
        ssize_t n =
            pwrite(f->fd, f->wbuf + done, f->wlen - done, (off_t)(f->size - f->wlen + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            if (n == 0)
                errno = ENOSPC;
            RAISE(err_sqlstate_of_errno(errno), "could not write to file \"%s\": %m", f->name);
        }
        done += (size_t)n;
    }
    f->wlen = 0;
}

void
temp_file_write(TempFile *f, const void *p, size_t n)
{
    const char *b = p;

    while (n > 0) {
        size_t part = MIN(n, BUFFER_BYTES - f->wlen);
        memcpy(f->wbuf + f->wlen, b, part);
        f->wlen += part;
        f->size += part;
        b += part;
        n -= part;
        if (f->wlen == BUFFER_BYTES)
            flush(f);
    }
}

void
temp_reader_init(TempReader *r, TempFile *f, Arena *a, size_t buffer_bytes, uint64_t from,
                 uint64_t end)
{
    *r = (TempReader){.file = f, .pos = from, .end = end, .cap = buffer_bytes, .buf = arena_alloc(a, buffer_bytes)};
}

bool
temp_reader_get(TempReader *r, void *p, size_t n)
{
    TempFile *f = r->file;
    char *to = p;
    uint64_t end = MIN(r->end, f->size);

    if (r->pos + n > end) {
        if (r->pos < end)
            INTERNAL_ERROR("temporary file ends inside a value");
        return false;
    }
    while (n > 0) {
        if (r->pos >= r->at && r->pos < r->at + r->len) {
            size_t part = MIN(n, (size_t)(r->at + r->len - r->pos));
            memcpy(to, r->buf + (r->pos - r->at), part);
            to += part;
            n -= part;
            r->pos += part;
            continue;
        }
        if (f->wlen > 0)
            flush(f);
        ssize_t got = pread(f->fd, r->buf, r->cap, (off_t)r->pos);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            RAISE(err_sqlstate_of_errno(errno), "could not read file \"%s\": %m", f->name);
        if (got == 0)
            RAISE(SQLSTATE_INTERNAL_ERROR, "could not read file \"%s\": read too few bytes",
                  f->name);
        r->at = r->pos;
        r->len = (size_t)got;
    }
    return true;
}

bool
temp_file_read(TempFile *f, void *p, size_t n)
{
    if (f->reader.buf == NULL) {
        uint64_t pos = f->reader.pos;
        temp_reader_init(&f->reader, f, f->arena, BUFFER_BYTES, pos, UINT64_MAX);
    }
    return temp_reader_get(&f->reader, p, n);
}

void
temp_file_rewind(TempFile *f)
{
    f->reader.pos = 0;
}

void
temp_file_seek(TempFile *f, uint64_t pos)
{
    f->reader.pos = pos;
}

uint64_t
temp_file_tell(const TempFile *f)
{
    return f->reader.pos;
}

uint64_t
temp_file_size(const TempFile *f)
{
    return f->size;
}

void
temp_file_close(TempFile *f)
{
    close_file(f);
}

void
temp_file_truncate(TempFile *f)
{
    f->size = f->reader.pos = f->reader.at = 0;
    f->wlen = f->reader.len = 0;
    if (ftruncate(f->fd, 0) != 0)
        RAISE(err_sqlstate_of_errno(errno), "could not truncate file \"%s\": %m", f->name);
}
