/*
 * The buffer manager: 8 KiB frames shared by all processes.
 *
 * Access rules (cite as buf rule N):
 *  1. A page's bytes may be touched only while holding a pin (or between buf_peek_begin and _valid).
 *  2. Reading tuples' headers and line pointers needs pin + content lock (shared). A tuple once found
 *     visible may be read with the pin alone, for as long as the pin is held.
 *  3. Adding a tuple or changing line pointers or tuple headers needs pin + exclusive content lock;
 *     hint bits may be set under a shared lock through buf_hint_begin/end.
 *  4. Removing or moving tuple bytes (prune, vacuum) needs the cleanup lock: exclusive while holding
 *     the only pin.
 *  5. A page is written only after the log is flushed to its LSN.
 */
#ifndef BUFMGR_BUFMGR_H
#define BUFMGR_BUFMGR_H

#include "core/file/relfile.h"
#include "lockmgr/lockmgr.h"

typedef int32_t Buf; /* frame index; BUF_INVALID */
#define BUF_INVALID ((Buf)-1)

typedef struct BufTag { RelLocator rel; uint32_t fork; BlockNo block; } BufTag;
STATIC_ASSERT(sizeof(BufTag) == 20);

typedef enum BufMode {
    BUF_NORMAL,      /* read and verify; a damaged page is ERR_CORRUPT */
    BUF_ZERO_LOCK,   /* do not read: zeroed page, exclusively locked; the caller initialises it */
    BUF_ZERO_ON_ERROR,
    BUF_NORMAL_NO_LOG/* redo: ERR_NOT_FOUND if the block does not exist */
} BufMode;
typedef struct BufRing BufRing; /* NULL: the whole pool */
typedef enum BufRingKind { BUF_RING_BULK_READ, BUF_RING_BULK_WRITE, BUF_RING_VACUUM } BufRingKind;

void buf_shm_register(void);
void buf_settings_register(void);   /* shared_buffers, bgwriter_*, effective_io_concurrency ... */
void buf_process_init(void);        /* after proc_attach */
extern char *buf_pages;             /* frame i's page is at buf_pages + i * PAGE_BYTES */
static inline char *buf_page(Buf b) { return buf_pages + (size_t)b * PAGE_BYTES; }
int buf_count(void);

/* Pin the page, reading it on a miss. See style.md for the doc shape.
 * errors   ERR_IO, ERR_CORRUPT, ERR_NO_VICTIM, ERR_NO_SPACE. Caller owns one pin on success. */
ErrCode buf_read(RelLocator r, ForkNo f, BlockNo b, BufMode mode, BufRing *ring, Buf *out) MUST_USE;
/* As buf_read, trying frame `hint` first: the frame's own tag confirms or refutes. */
ErrCode buf_read_hint(RelLocator r, ForkNo f, BlockNo b, Buf hint, Buf *out) MUST_USE;
/* As buf_read_hint (BUF_INVALID: no hint) with buf_lock(LW_SHARED): on a hit one atomic operation does both.
 * cost     with buf_release two atomic operations; bench/hot_buf_cycle_bench.c */
ErrCode buf_read_shared(RelLocator r, ForkNo f, BlockNo b, BufRing *ring, Buf hint, Buf *out) MUST_USE;
void buf_prefetch(RelLocator r, ForkNo f, BlockNo b, int n);
/* Extends the fork by n zeroed pages (under the relation's extension lock taken inside); the first new
 * page is returned pinned and exclusively locked. *first: its number. Others are in the pool unpinned. */
ErrCode buf_extend(RelLocator r, ForkNo f, BufRing *ring, int n, BlockNo *first, Buf *out) MUST_USE;
/* Size of the fork in blocks, cached; exact for the caller holding any lock on the relation. */
ErrCode buf_fork_blocks(RelLocator r, ForkNo f, BlockNo *out) MUST_USE;

void buf_pin_again(Buf b);  /* one more pin on a page already pinned by this process: no atomics */
void buf_unpin(Buf b);
void buf_lock(Buf b, LwMode mode);
bool buf_try_lock(Buf b, LwMode mode);
void buf_unlock(Buf b);
bool buf_try_lock_cleanup(Buf b);   /* exclusive, only if this process's is the only pin */
/* Waits until it is. Two processes that pin the same page and both wait would wait for each other: only
 * one may, which callers ensure by a lock on the relation (vacuum's SHARE UPDATE EXCLUSIVE). */
void buf_lock_cleanup(Buf b);
void buf_release(Buf b);            /* unlocks and unpins, in one atomic operation if it is the last pin */
void buf_mark_dirty(Buf b);         /* pin + exclusive lock */
/* Hint bits: may skip. True: this process may set hint bits under the shared lock until buf_hint_end. */
bool buf_hint_begin(Buf b);
void buf_hint_end(Buf b, bool changed);
BlockNo buf_block(Buf b);
BufTag buf_tag(Buf b);
bool buf_is_pinned_by_me(Buf b);

BufRing *buf_ring_create(Arena *a, BufRingKind kind);

/* Relations going away or shrinking: drops frames without writing them, and forgets the cached size.
 * Call before the file is cut or removed, under a lock that keeps everybody else off the relation. */
void buf_drop_relation(RelLocator r, BlockNo first_block /* main fork; other forks wholly when 0 */);
void buf_drop_database(Oid db);
ErrCode buf_flush_relation(RelLocator r) MUST_USE;
ErrCode buf_flush_database(Oid db) MUST_USE; /* CREATE DATABASE reads its template's files */
void buf_checkpoint(unsigned flags);         /* registered as a checkpoint step: sorted, paced writes */
bool buf_bgwriter_round(void);               /* cleans ahead of the clock hand; true: may hibernate */
/* Pins registered by this process and not yet released: at the end of a statement there must be none
 * beyond what `owner` knows; used by the resource owner and in assertions. */
int buf_my_pin_count(void);
/* Gives back the pins of a process that was killed between operations, from its slot. False: it was killed inside
 * one (critical, or a lock held), or not all its pins stand in the slot: shared memory must be made anew. */
bool buf_release_dead(ProcSlot *slot) MUST_USE;
void buf_release_all_pins(void); /* process exit and error cleanup of auxiliary processes */
/* Optimistic read of a page: content version before and after; 0 = locked exclusively now. */
uint64_t buf_version_begin(Buf b);
bool buf_version_valid(Buf b, uint64_t version);

/*
 * Optimistic read of a page without pin or lock, no shared memory written: if the page is in the pool and not
 * locked exclusively, begin returns true and the caller reads it, prepared to find anything in it, since the frame
 * may be changed or given to another page meanwhile. What it has read counts only if valid then says so. (rule 1's
 * one exception; the caller must do nothing with it that outlives a false answer.)
 */
typedef struct BufPeek { Buf buf; uint64_t version; } BufPeek;
bool buf_peek_begin(RelLocator r, ForkNo f, BlockNo b, Buf hint, BufPeek *out);
bool buf_peek_valid(const BufPeek *p);

typedef struct BufStats { uint64_t hit, read, dirtied, written, read_us, write_us, local_hit, local_read; } BufStats;
extern BufStats buf_stats; /* this process's */
/* Shared counters for pg_stat_bgwriter. */
typedef struct BufSharedStats { _Atomic uint64_t checkpoint_written, clean_written, maxwritten_clean, backend_written, backend_fsync, alloc; } BufSharedStats;
extern BufSharedStats *buf_shared_stats;
/* For pg_buffercache and tests. */
typedef struct BufView { BufTag tag; bool valid, dirty; uint32_t pins; uint8_t usage; } BufView;
bool buf_view(Buf b, BufView *out);
bool buf_check_all(char *why, size_t n); /* walks every invariant; tests */

#endif
