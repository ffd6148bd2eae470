/*
 * The disk as a model: files by life of an inode number, names by path; both with what is durable and
 * what is pending (model.h has the rules).
 */
#include "model.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model_internal.h"

void
fatal(const char *what, const char *which)
{
    fprintf(stderr, "power: %s \"%s\": %s\n", what, which, strerror(errno));
    exit(2);
}

void *
grow(void *p, uint64_t count, uint64_t *cap, size_t each)
{
    if (count < *cap)
        return p;
    *cap = *cap ? *cap * 2 : 16;
    p = realloc(p, *cap * each);
    if (!p)
        fatal("no memory", "");
    return p;
}

bool
trace_load(const char *path, Trace *out)
{
    struct stat st;
    int fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &st) != 0)
        return false;
    memset(out, 0, sizeof(*out));
    out->size = (uint64_t)st.st_size;
    out->bytes = out->size ? mmap(NULL, out->size, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
    close(fd);
    if (out->bytes == MAP_FAILED)
        return false;
    uint64_t cap = 0;
    for (uint64_t at = 0; at + sizeof(IoTraceHead) <= out->size;) {
        IoTraceHead h;
        memcpy(&h, out->bytes + at, sizeof(h));
        uint64_t next = at + sizeof(h) + h.path_bytes + h.data_bytes;
        if (h.magic != IO_TRACE_MAGIC) {
            errno = EINVAL;
            return false;
        }
        if (next > out->size)
            break;
        out->at = grow(out->at, out->count, &cap, sizeof(*out->at));
        out->at[out->count++] = at;
        at = next;
    }
    return true;
}

/* ---- tables ---- */

static uint32_t *
path_slot(Model *m, const char *text, size_t n)
{
    uint64_t h = 1469598103934665603u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)text[i]) * 1099511628211u;
    for (uint32_t i = (uint32_t)(h >> 20) & (PATHS_MAX - 1);; i = (i + 1) & (PATHS_MAX - 1)) {
        uint32_t p = m->path_slots[i];
        if (p == 0 || (strlen(m->paths[p].text) == n && memcmp(m->paths[p].text, text, n) == 0))
            return &m->path_slots[i];
    }
}

/* Interned path: 0 is none. A directory's number is below those of what is in it. */
uint32_t
model_path(Model *m, const char *text, size_t n)
{
    uint32_t *slot = path_slot(m, text, n), dir = m->root;
    if (*slot)
        return *slot;
    const char *slash = memrchr(text, '/', n);
    if (slash)
        dir = model_path(m, text, (size_t)(slash - text));
    if (m->path_count + 2 >= PATHS_MAX / 2)
        fatal("too many paths", "");
    slot = path_slot(m, text, n);
    *slot = ++m->path_count;
    m->paths[*slot].text = strndup(text, n);
    m->paths[*slot].dir = dir;
    return *slot;
}

static uint32_t
new_file(Model *m, uint64_t inode)
{
    m->files = grow(m->files, m->file_count + 1, &m->file_cap, sizeof(File));
    uint32_t id = (uint32_t)++m->file_count;
    m->files[id] = (File){.inode = inode};
    /* the newest life of the number: found from the end */
    return id;
}

/* The living file of an inode number. */
static uint32_t
find_file(Model *m, uint64_t inode)
{
    uint64_t slot = inode % INODE_SLOTS;
    uint32_t id = m->inode_cache[slot];
    if (id && m->files[id].inode == inode)
        return id;
    for (id = (uint32_t)m->file_count; id > 0; id--)
        if (m->files[id].inode == inode)
            return m->inode_cache[slot] = id;
    return 0;
}

/* ---- content ---- */

static void
file_room(File *f, uint64_t size)
{
    if (size <= f->cap)
        return;
    uint64_t cap = f->cap ? f->cap : 8192;
    while (cap < size)
        cap *= 2;
    char *data = mmap(NULL, cap, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED)
        fatal("no memory", "");
    if (f->data) {
        memcpy(data, f->data, f->size);
        munmap(f->data, f->cap);
    }
    f->data = data;
    f->cap = cap;
}

static void
apply_durably(Model *m, File *f, const Op *op)
{
    const char *content = op->record == NO_RECORD ? NULL : record_content(m->trace, op->record);
    f->version++;
    if (op->kind == IO_TRACE_TRUNCATE) {
        file_room(f, op->at);
        if (op->at > f->size)
            memset(f->data + f->size, 0, op->at - f->size);
        f->size = op->at;
        return;
    }
    file_room(f, op->at + op->bytes);
    if (op->at + op->bytes > f->size) {
        memset(f->data + f->size, 0, op->at + op->bytes - f->size);
        f->size = op->at + op->bytes;
    }
    if (op->kind == IO_TRACE_WRITE)
        memcpy(f->data + op->at, content, op->bytes);
    else if (op->kind == IO_TRACE_ZERO)
        memset(f->data + op->at, 0, op->bytes);
}

static void
file_pending(Model *m, uint32_t id, IoTraceKind kind, uint64_t record, uint64_t at, uint64_t bytes)
{
    File *f = &m->files[id];
    f->ops = grow(f->ops, f->op_count, &f->op_cap, sizeof(Op));
    f->ops[f->op_count++] = (Op){kind, record, at, bytes};
}

static void
file_make_durable(Model *m, uint32_t id, uint64_t upto)
{
    File *f = &m->files[id];
    uint64_t n = upto > f->op_base ? upto - f->op_base : 0;
    if (n > f->op_count)
        n = f->op_count;
    for (uint64_t i = 0; i < n; i++)
        apply_durably(m, f, &f->ops[i]);
    if (n > 0)
        memmove(f->ops, f->ops + n, (f->op_count - n) * sizeof(Op));
    f->op_count -= n;
    f->op_base += n;
}

/* ---- names ---- */

static void
name_apply(Model *m, NameOp *op, uint32_t *table)
{
    switch (op->kind) {
    case IO_TRACE_CREATE:
    case IO_TRACE_LINK:
        table[op->path] = op->file;
        break;
    case IO_TRACE_MKDIR:
        table[op->path] = DIRECTORY;
        break;
    case IO_TRACE_RENAME:
        table[op->path2] = op->file;
        table[op->path] = 0;
        break;
    default: /* UNLINK, RMDIR */
        table[op->path] = 0;
        break;
    }
}

static void
name_pending(Model *m, IoTraceKind kind, uint32_t path, uint32_t path2, uint32_t file)
{
    Path *dir = &m->paths[m->paths[path].dir];
    dir->ops = grow(dir->ops, dir->op_count, &dir->op_cap, sizeof(NameOp));
    NameOp *op = &dir->ops[dir->op_count++];
    *op = (NameOp){kind, path, path2, file};
    name_apply(m, op, m->now);
}

static void
names_make_durable(Model *m, uint32_t path, uint64_t upto)
{
    Path *dir = &m->paths[path];
    uint64_t n = upto > dir->op_base ? upto - dir->op_base : 0;
    if (n > dir->op_count)
        n = dir->op_count;
    for (uint64_t i = 0; i < n; i++)
        name_apply(m, &dir->ops[i], m->durable);
    if (n > 0)
        memmove(dir->ops, dir->ops + n, (dir->op_count - n) * sizeof(NameOp));
    dir->op_count -= n;
    dir->op_base += n;
}

/* ---- the trace ---- */

static void
sync_begin(Model *m, const IoTraceHead *h)
{
    m->syncs = grow(m->syncs, m->sync_count, &m->sync_cap, sizeof(Sync));
    Sync *s = &m->syncs[m->sync_count++];
    *s = (Sync){.number = h->a};
    if (h->path_bytes) {
        const char *text = (const char *)(h + 1);
        s->path = h->path_bytes == 1 && text[0] == '.' ? m->root : model_path(m, text, h->path_bytes);
        s->upto = m->paths[s->path].op_base + m->paths[s->path].op_count;
    } else if ((s->file = find_file(m, h->inode)) != 0) {
        s->upto = m->files[s->file].op_base + m->files[s->file].op_count;
    }
}

static void
sync_end(Model *m, const IoTraceHead *h)
{
    for (uint64_t i = m->sync_count; i-- > 0;) {
        Sync *s = &m->syncs[i];
        if (s->number != h->a)
            continue;
        if (s->path)
            names_make_durable(m, s->path, s->upto);
        else if (s->file)
            file_make_durable(m, s->file, s->upto);
        *s = m->syncs[--m->sync_count];
        return;
    }
}

static void
change_names(Model *m, const IoTraceHead *h, const char *text, const char *content)
{
    uint32_t path = model_path(m, text, h->path_bytes), path2 = 0, file = m->now[path];
    if (h->kind == IO_TRACE_CREATE) {
        file = new_file(m, h->inode);
        m->inode_cache[h->inode % INODE_SLOTS] = file;
    } else if (h->kind == IO_TRACE_RENAME || h->kind == IO_TRACE_LINK) {
        path2 = model_path(m, content, h->data_bytes);
    }
    if (h->kind == IO_TRACE_LINK)
        path = path2;
    name_pending(m, (IoTraceKind)h->kind, path, path2, file);
}

static void
happen(Model *m, uint64_t i)
{
    const IoTraceHead *h = trace_record(m->trace, i);
    const char *text = (const char *)(h + 1), *content = text + h->path_bytes;
    uint32_t file;

    switch ((IoTraceKind)h->kind) {
    case IO_TRACE_WRITE:
    case IO_TRACE_ZERO:
    case IO_TRACE_TRUNCATE:
    case IO_TRACE_EXTEND:
        file = find_file(m, h->inode);
        if (!file) {
            fprintf(stderr, "power: record %llu writes to inode %llu, which no file has\n", (unsigned long long)i,
                    (unsigned long long)h->inode);
            exit(2);
        }
        file_pending(m, file, (IoTraceKind)h->kind, i, h->a, h->kind == IO_TRACE_WRITE ? h->data_bytes : h->b);
        break;
    case IO_TRACE_SYNC_BEGIN:
        sync_begin(m, h);
        break;
    case IO_TRACE_SYNC_END:
        sync_end(m, h);
        break;
    case IO_TRACE_ACK:
    case IO_TRACE_NOTE:
        break;
    default:
        change_names(m, h, text, content);
        break;
    }
}

void
model_advance(Model *m, uint64_t to)
{
    for (; m->position < to; m->position++)
        happen(m, m->position);
}

/* ---- the beginning ---- */

static void
load_base_file(Model *m, uint32_t id, const char *path)
{
    char full[1200];
    struct stat st;
    snprintf(full, sizeof(full), "%s/%s", m->base, path);
    int fd = open(full, O_RDONLY);
    if (fd < 0 || fstat(fd, &st) != 0)
        fatal("cannot open", full);
    File *f = &m->files[id];
    f->size = (uint64_t)st.st_size;
    f->cap = f->size;
    if (f->size && (f->data = mmap(NULL, f->size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0)) == MAP_FAILED)
        fatal("cannot map", full);
    close(fd);
}

Model *
model_open(const Trace *t, const char *base, const char *manifest)
{
    Model *m = calloc(1, sizeof(*m));
    FILE *in = fopen(manifest, "r");
    char line[1200];
    if (!m || !in)
        fatal("cannot open", manifest);
    m->trace = t;
    m->base = base;
    m->root = model_path(m, ".", 1);
    m->durable[m->root] = m->now[m->root] = DIRECTORY;
    while (fgets(line, sizeof(line), in)) {
        unsigned long long inode;
        int at = 0;
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == 'D') {
            uint32_t p = model_path(m, line + 2, strlen(line + 2));
            m->durable[p] = m->now[p] = DIRECTORY;
        } else if (sscanf(line, "F %llu %n", &inode, &at) == 1 && at > 0) {
            uint32_t p = model_path(m, line + at, strlen(line + at)), id = new_file(m, inode);
            m->durable[p] = m->now[p] = id;
            load_base_file(m, id, line + at);
        }
    }
    fclose(in);
    return m;
}
