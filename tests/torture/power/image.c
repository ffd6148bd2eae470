/*
 * Writing an image: names first, then contents. A file of the former image is left as it is when it has
 * what is wanted and nobody has touched it since (mtime, size, inode), so an image costs what differs.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/hash.h"
#include "model_internal.h"

typedef struct Choice {
    ImageMode mode;
    uint64_t random, hash;
    uint32_t percent; /* of pending changes that happened */
} Choice;

static void
note(Choice *c, uint64_t what)
{
    c->hash = hash_combine(c->hash, what);
}

static bool
happened(Choice *c)
{
    switch (c->mode) {
    case IMAGE_DURABLE:
        return false;
    case IMAGE_ALL:
        return true;
    default:
        return mix(&c->random) % 100 < c->percent;
    }
}

/* ---- names ---- */

static void
apply_name(Model *m, const NameOp *op)
{
    if (op->kind == IO_TRACE_RENAME) {
        m->chosen[op->path2] = op->file;
        m->chosen[op->path] = 0;
    } else if (op->kind == IO_TRACE_MKDIR) {
        m->chosen[op->path] = DIRECTORY;
    } else if (op->kind == IO_TRACE_UNLINK || op->kind == IO_TRACE_RMDIR) {
        m->chosen[op->path] = 0;
    } else {
        m->chosen[op->path] = op->file;
    }
}

static void
choose_names(Model *m, Choice *c)
{
    memcpy(m->chosen, m->durable, (m->path_count + 1) * sizeof(m->chosen[0]));
    for (uint32_t d = 1; d <= m->path_count; d++) {
        Path *dir = &m->paths[d];
        uint64_t n = c->mode == IMAGE_DURABLE ? 0 : dir->op_count;
        if (n && c->mode != IMAGE_ALL)
            n = mix(&c->random) % (n + 1);
        for (uint64_t i = 0; i < n; i++)
            apply_name(m, &dir->ops[i]);
        if (dir->op_base + n > 0) {
            note(c, d);
            note(c, dir->op_base + n);
        }
    }
}

/* A name counts only if its directories are there. */
static bool
reachable(const Model *m, uint32_t path)
{
    for (uint32_t d = m->paths[path].dir; d; d = m->paths[d].dir)
        if (m->chosen[d] != DIRECTORY)
            return false;
    return true;
}

/* ---- contents ---- */

static void
write_at(int fd, const char *p, uint64_t n, uint64_t at, const char *path)
{
    while (n > 0) {
        ssize_t put = pwrite(fd, p, n, (off_t)at);
        if (put <= 0)
            fatal("cannot write", path);
        p += put;
        at += (uint64_t)put;
        n -= (uint64_t)put;
    }
}

/* Zero runs are left as holes: most of a fresh log segment is one. */
static void
write_durable(int fd, const File *f, const char *path)
{
    static const char zeros[65536];
    if (ftruncate(fd, 0) != 0 || ftruncate(fd, (off_t)f->size) != 0)
        fatal("cannot cut", path);
    for (uint64_t at = 0; at < f->size; at += sizeof(zeros)) {
        uint64_t n = f->size - at < sizeof(zeros) ? f->size - at : sizeof(zeros);
        if (memcmp(f->data + at, zeros, n) != 0)
            write_at(fd, f->data + at, n, at, path);
    }
}

static void
write_part(Model *m, int fd, const Op *op, uint64_t from, uint64_t n, const char *path)
{
    static const char zeros[65536];
    if (op->kind == IO_TRACE_WRITE) {
        write_at(fd, record_content(m->trace, op->record) + from, n, op->at + from, path);
        return;
    }
    for (uint64_t done = 0; done < n; done += sizeof(zeros))
        write_at(fd, zeros, n - done < sizeof(zeros) ? n - done : sizeof(zeros), op->at + from + done, path);
}

static void
write_torn(Model *m, Choice *c, int fd, const Op *op, const char *path)
{
    for (uint64_t from = 0; from < op->bytes;) {
        uint64_t n = SECTOR_BYTES - (op->at + from) % SECTOR_BYTES;
        if (n > op->bytes - from)
            n = op->bytes - from;
        if (mix(&c->random) & 1) {
            write_part(m, fd, op, from, n, path);
            note(c, op->record);
            note(c, from);
        }
        from += n;
    }
}

static void
apply_op(Model *m, Choice *c, int fd, const Op *op, const char *path)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        fatal("cannot stat", path);
    note(c, op->record);
    if (op->kind == IO_TRACE_TRUNCATE) {
        if (ftruncate(fd, (off_t)op->at) != 0)
            fatal("cannot cut", path);
    } else if (op->kind == IO_TRACE_EXTEND) {
        if ((uint64_t)st.st_size < op->at + op->bytes && ftruncate(fd, (off_t)(op->at + op->bytes)) != 0)
            fatal("cannot extend", path);
    } else if (c->mode == IMAGE_TORN && op->bytes > SECTOR_BYTES && mix(&c->random) % 3 == 0) {
        write_torn(m, c, fd, op, path);
    } else {
        write_part(m, fd, op, 0, op->bytes, path);
    }
}

static bool
is_untouched(const Placed *p, const char *path)
{
    struct stat st;
    return p->file && stat(path, &st) == 0 && (uint64_t)st.st_size == p->size && (uint64_t)st.st_ino == p->inode &&
           st.st_mtim.tv_sec == p->mtime.tv_sec && st.st_mtim.tv_nsec == p->mtime.tv_nsec;
}

static void
place_file(Model *m, Choice *c, const char *dir, uint32_t path, uint32_t id)
{
    Placed *placed = &m->paths[path].placed;
    const File *f = &m->files[id];
    char full[1200];
    struct stat st;
    int fd = -1;
    bool changed = false;

    snprintf(full, sizeof(full), "%s/%s", dir, m->paths[path].text);
    bool right = placed->exact && placed->file == id && placed->version == f->version && is_untouched(placed, full);
    for (uint64_t i = 0; i < f->op_count; i++) {
        if (!happened(c))
            continue;
        if (!changed) {
            fd = open(full, O_RDWR | O_CREAT, 0600);
            if (fd < 0)
                fatal("cannot make", full);
            if (!right)
                write_durable(fd, f, full);
            changed = true;
        }
        apply_op(m, c, fd, &f->ops[i], full);
    }
    if (!changed && right)
        return;
    if (fd < 0) {
        fd = open(full, O_RDWR | O_CREAT, 0600);
        if (fd < 0)
            fatal("cannot make", full);
        write_durable(fd, f, full);
    }
    /* A time long ago: the clock of files is coarse, and a change right after this must show. */
    struct timespec long_ago[2] = {{1, 0}, {1, 0}};
    if (futimens(fd, long_ago) != 0 || fstat(fd, &st) != 0)
        fatal("cannot stat", full);
    *placed = (Placed){id, f->version, !changed, st.st_mtim, (uint64_t)st.st_size, (uint64_t)st.st_ino};
    close(fd);
}

/* Removes what the image does not have; what it should have as the other kind goes too. */
static void
sweep(Model *m, const char *dir, const char *below)
{
    char full[1200], path[1000];
    snprintf(full, sizeof(full), "%s/%s", dir, below);
    DIR *d = opendir(full);
    if (!d)
        return;
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
            continue;
        snprintf(path, sizeof(path), "%s%s%s", below, *below ? "/" : "", e->d_name);
        snprintf(full, sizeof(full), "%s/%s", dir, path);
        uint32_t p = model_path(m, path, strlen(path)), want = reachable(m, p) ? m->chosen[p] : 0;
        if (e->d_type == DT_DIR) {
            sweep(m, dir, path);
            if (want != DIRECTORY && rmdir(full) != 0)
                fatal("cannot remove", full);
        } else if (want == 0 || want == DIRECTORY) {
            if (unlink(full) != 0)
                fatal("cannot remove", full);
            m->paths[p].placed.file = 0;
        }
    }
    closedir(d);
}

uint64_t
model_image(Model *m, const char *dir, ImageMode mode, uint64_t seed)
{
    Choice c = {.mode = mode, .random = seed};
    char full[1200];
    c.percent = (uint32_t)(5 + mix(&c.random) % 91);
    m->image_number++;
    choose_names(m, &c);
    sweep(m, dir, "");
    for (uint32_t p = 1; p <= m->path_count; p++) /* a directory's number is below its contents' */
        if (m->chosen[p] == DIRECTORY && p != m->root && reachable(m, p)) {
            snprintf(full, sizeof(full), "%s/%s", dir, m->paths[p].text);
            if (mkdir(full, 0700) != 0 && errno != EEXIST)
                fatal("cannot make", full);
        }
    for (uint32_t p = 1; p <= m->path_count; p++) {
        uint32_t id = m->chosen[p];
        if (id == 0 || id == DIRECTORY || !reachable(m, p))
            continue;
        note(&c, (uint64_t)p << 32 | id);
        note(&c, m->files[id].version);
        place_file(m, &c, dir, p, id);
    }
    return c.hash;
}
