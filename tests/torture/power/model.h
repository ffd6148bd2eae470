/*
 * What a disk may hold after a loss of power, computed from a trace of file operations
 * (core/file/io_trace.h).
 *
 * The model: what a sync covered is there. Of the writes to a file since, any subset may be, each whole
 * or in any of its 512-byte sectors. Size changes likewise, in order. Names (files made, renamed,
 * removed) change in order within a directory, of which any prefix may have reached the disk; a sync of
 * the directory fixes them, a sync of the file does not.
 */
#ifndef TESTS_TORTURE_POWER_MODEL_H
#define TESTS_TORTURE_POWER_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/file/io_trace.h"

typedef struct Trace {
    const char *bytes;
    uint64_t size;
    uint64_t *at; /* offset of each record */
    uint64_t count;
} Trace;

typedef struct Model Model;

/* How an image is chosen among those that a moment allows. */
typedef enum ImageMode { IMAGE_DURABLE, IMAGE_ALL, IMAGE_SOME, IMAGE_TORN } ImageMode;

bool trace_load(const char *path, Trace *out); /* a torn last record is left out */
static inline const IoTraceHead *
trace_record(const Trace *t, uint64_t i)
{
    return (const IoTraceHead *)(const void *)(t->bytes + t->at[i]);
}
/* The lines of the manifest: "D path" and "F inode path", for what stands in `base`. */
Model *model_open(const Trace *t, const char *base, const char *manifest);
void model_advance(Model *m, uint64_t to); /* records below `to` have happened */
/* Makes `dir` the image; what a former image left there is used where it is right. Returns a hash of
 * the choice: equal hashes are equal images. */
uint64_t model_image(Model *m, const char *dir, ImageMode mode, uint64_t seed);

static inline uint64_t
mix(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

#endif
