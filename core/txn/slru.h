/*
 * Small paged files kept in shared memory: the commit log and the multixact files. Pages of 8 KiB, each
 * with a checksum and the LSN up to which the log must be durable before the page is written.
 *
 * Banks of 16 buffers, one LwLock each. Pages reach the disk in batches through a double-write file
 * (DIR/double_write: synced first, replayed at start), so that a torn page cannot lose statuses that
 * no log record restores any more.
 */
#ifndef CORE_TXN_SLRU_H
#define CORE_TXN_SLRU_H

#include "core/stats/stats.h"

#define SLRU_PAGE_HEADER 16u /* lsn 8, checksum 4, reserved 4 */
#define SLRU_PAYLOAD (PAGE_BYTES - SLRU_PAGE_HEADER)
#define SLRU_BANK 16
#define SLRU_SEGMENT_PAGES 32u

typedef struct SlruShared SlruShared;
typedef struct Slru {
    const char *dir;
    LwTranche tranche;
    int banks;
    StatsSlru stats;   /* its row of pg_stat_slru */
    SlruShared *shared;
    int64_t counts[SLRU_COUNTER_COUNT]; /* this process's, since they were last moved to core/stats */
} Slru;
void slru_counts_flush(Slru *s);
typedef struct SlruHandle { Slru *s; int slot; char *payload; } SlruHandle;

size_t slru_shm_size(const Slru *s);
void slru_shm_init(Slru *s, void *base);
/* Opens the page under its bank's lock. A page that was never written reads as zeros. Raises XX001. */
void slru_open(Slru *s, uint64_t page, LwMode mode, SlruHandle *h);
void slru_mark_dirty(SlruHandle *h, Lsn lsn); /* exclusive */
void slru_close(SlruHandle *h);
bool slru_page_is_valid(const char *page, uint64_t number); /* as read from a file: zeros, or its checksum is right */
void slru_flush(Slru *s);     /* all dirty pages, durably; raises if a write fails, PANIC if a sync does */
void slru_bootstrap(const char *dir);
void slru_recover(Slru *s);   /* start: replays the double-write file */
void slru_truncate(Slru *s, uint64_t first_kept_page); /* removes whole segments below */

#endif
