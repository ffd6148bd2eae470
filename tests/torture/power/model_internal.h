/*
 * The model's structures, for model.c and image.c.
 */
#ifndef TESTS_TORTURE_POWER_MODEL_INTERNAL_H
#define TESTS_TORTURE_POWER_MODEL_INTERNAL_H

#include <time.h>

#include "model.h"

#define PATHS_MAX 65536u /* power of two */
#define INODE_SLOTS 65536u
#define NO_RECORD UINT64_MAX
#define DIRECTORY UINT32_MAX /* in a table of names */
#define SECTOR_BYTES 512u

typedef struct Op { IoTraceKind kind; uint64_t record, at, bytes; } Op; /* a change of a file, pending */
typedef struct NameOp { IoTraceKind kind; uint32_t path, path2, file; } NameOp;

typedef struct File {
    uint64_t inode, size, cap, version; /* version: raised with each durable change */
    char *data;                         /* the durable content */
    Op *ops;                            /* since; op_base have been made durable before ops[0] */
    uint64_t op_count, op_cap, op_base;
} File;

/* What stands under a path in the image's directory. */
typedef struct Placed {
    uint32_t file;
    uint64_t version;
    bool exact; /* the durable content of that version, nothing else */
    struct timespec mtime;
    uint64_t size, inode;
} Placed;

typedef struct Path {
    char *text;
    uint32_t dir;
    NameOp *ops; /* of a directory: pending changes of the names in it */
    uint64_t op_count, op_cap, op_base;
    Placed placed;
    uint64_t mark; /* number of the last image that had it */
} Path;

typedef struct Sync { uint64_t number, upto; uint32_t path, file; } Sync;

struct Model {
    const Trace *trace;
    const char *base;
    uint64_t position;
    uint32_t root, path_count;
    uint32_t path_slots[PATHS_MAX];
    Path paths[PATHS_MAX];
    uint32_t now[PATHS_MAX], durable[PATHS_MAX], chosen[PATHS_MAX]; /* path to file, DIRECTORY or 0 */
    File *files; /* from 1 */
    uint64_t file_count, file_cap;
    uint32_t inode_cache[INODE_SLOTS];
    Sync *syncs;
    uint64_t sync_count, sync_cap;
    uint64_t image_number;
};

static inline const char *
record_content(const Trace *t, uint64_t i)
{
    const IoTraceHead *h = trace_record(t, i);
    return (const char *)(h + 1) + h->path_bytes;
}

void fatal(const char *what, const char *which) __attribute__((noreturn));
uint32_t model_path(Model *m, const char *text, size_t n);
void *grow(void *p, uint64_t count, uint64_t *cap, size_t each);

#endif
