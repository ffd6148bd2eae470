/*
 * Shared by the files of core/file only.
 */
#ifndef CORE_FILE_FILE_INTERNAL_H
#define CORE_FILE_FILE_INTERNAL_H

#include "core/file/relfile.h"

/* A file of a fork: what the descriptor cache and the fsync queue are keyed by. */
typedef struct SegmentKey {
    RelLocator rel;
    uint16_t fork;
    uint16_t pad;
    uint32_t segment;
} SegmentKey;
STATIC_ASSERT(sizeof(SegmentKey) == 20);

static inline SegmentKey
segment_key(RelLocator r, ForkNo f, uint32_t segment)
{
    return (SegmentKey){r, (uint16_t)f, 0, segment};
}

/* fsyncs one segment through a fresh or cached descriptor. ERR_NOT_FOUND: the file is gone. */
ErrCode file_sync_segment(SegmentKey key) MUST_USE;
ErrCode file_sync_fd(int fd, const char *path) MUST_USE;
ErrCode file_sync_path(const char *path) MUST_USE;
/* ERR_IO or ERR_NO_SPACE by errno; fmt as err_sys_set. */
ErrCode file_error(int errnum, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Descriptor generation: bumped when a file's name may be used again, so that every process closes
 * its descriptors before it trusts one of them. */
uint64_t fsyncq_generation(void);
void fsyncq_generation_bump(void);
/* Keeps the truncated first segment until a later checkpoint; false: no room, remove it at once. */
bool fsyncq_unlink_later(RelLocator r);

#endif
