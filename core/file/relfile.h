/*
 * Relation files: forks split in 1 GiB segments under PostgreSQL's paths (base/DB/REL, global/REL,
 * pg_tblspc/SPC/PG_15_202209061/DB/REL; _fsm, _vm, _init; .1, .2 ...), read and written in whole
 * pages, with a per-process cache of open descriptors.
 *
 * No call raises. A read past the end is ERR_CORRUPT (short read). Writes go to the kernel; durability
 * comes from the fsync queue: every written segment is registered and synced by the next checkpoint.
 * A failed fsync is a PANIC of the caller's, never retried.
 */
#ifndef CORE_FILE_RELFILE_H
#define CORE_FILE_RELFILE_H

#include "core/base/err.h"
#include "core/file/page.h"

void file_settings_register(void);    /* fsync, max_files_per_process; fsyncq_shm_register calls it */
void relfile_init(void);              /* per process; cwd must be the data directory */
void relfile_path(RelLocator r, ForkNo f, uint32_t segment, char *out, size_t out_bytes);
ErrCode relfile_create(RelLocator r, ForkNo f, bool redo) MUST_USE; /* redo: existing is fine */
bool relfile_exists(RelLocator r, ForkNo f);
ErrCode relfile_block_count(RelLocator r, ForkNo f, BlockNo *out) MUST_USE;
ErrCode relfile_read(RelLocator r, ForkNo f, BlockNo first, void *const *pages, int n) MUST_USE;  /* preadv, contiguous blocks */
ErrCode relfile_write(RelLocator r, ForkNo f, BlockNo first, const void *const *pages, int n) MUST_USE; /* checksums must be set */
ErrCode relfile_extend(RelLocator r, ForkNo f, BlockNo first, int n) MUST_USE; /* zero pages, fallocate where it helps */
ErrCode relfile_truncate(RelLocator r, ForkNo f, BlockNo blocks) MUST_USE;
ErrCode relfile_prefetch(RelLocator r, ForkNo f, BlockNo first, int n);
void relfile_writeback(RelLocator r, ForkNo f, BlockNo first, int n); /* asks the kernel to start writing */
ErrCode relfile_sync(RelLocator r, ForkNo f) MUST_USE;   /* immediate, all segments */
/* Removes all forks. The first segment of the main fork is truncated and kept until the next
 * checkpoint so that the number is not reused; redo removes at once. */
ErrCode relfile_unlink(RelLocator r, bool redo) MUST_USE;
void relfile_forget(RelLocator r);    /* close own descriptors */
void relfile_forget_all(void);
ErrCode relfile_copy_dir(const char *from, const char *to) MUST_USE; /* CREATE DATABASE: fsyncs everything */
ErrCode relfile_remove_dir(const char *path) MUST_USE;
void relfile_db_path(Oid spc, Oid db, char *out, size_t out_bytes);

/* fsync queue: shared, filled by writers, drained by the checkpointer. A full queue makes the writer
 * sync by itself: no request is ever lost. */
void fsyncq_shm_register(void);
void fsyncq_add(RelLocator r, ForkNo f, uint32_t segment);
void fsyncq_forget_relation(RelLocator r);
void fsyncq_forget_database(Oid db);
/* Syncs all requests queued before the call; ERR_IO is fatal to the instance. count: files synced. */
extern uint64_t fsyncq_longest_us, fsyncq_total_us; /* of the files of this process's last call */
ErrCode fsyncq_process(int *count) MUST_USE;
void fsyncq_unlink_pending(void);     /* after the checkpoint: removes the kept first segments */

/* Small files: whole-file durable replace (write temp, fsync, rename, fsync dir). */
ErrCode file_replace_durable(const char *path, const void *bytes, size_t n) MUST_USE;
ErrCode file_read_all(const char *path, Arena *a, char **out, size_t *n) MUST_USE;
ErrCode file_sync_dir(const char *dir) MUST_USE;
extern bool enable_fsync; /* setting fsync */
typedef enum RelfileMode { RELFILE_BUFFERED, RELFILE_DIRECT } RelfileMode;
extern int relfile_direct; /* setting debug_io_direct; a file system that refuses is used buffered */

#endif
