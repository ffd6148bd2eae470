/*
 * The textbook's log insertion, for comparison only: eight insertion locks, one of which is held while a record
 * is inserted; under it the place is reserved under a spinlock (end of log and start of the previous record),
 * the header is completed and the CRC finished, and the bytes are copied. Who had to wait for its lock tries the
 * next one the next time. The flusher knows what is complete by waiting for each lock once, or until its holder
 * has said that it inserts behind the place asked for.
 */
#ifndef BENCH_TEXTBOOK_WAL_H
#define BENCH_TEXTBOOK_WAL_H

#include <sched.h>
#include <string.h>

#include "core/base/crc32c.h"
#include "textbook_lwlock.h"

#define TEXTBOOK_WAL_LOCKS 8
#define TEXTBOOK_WAL_HEADER 24u

typedef struct TextbookWal {
    CACHE_ALIGNED Spinlock position_lock;
    uint64_t end, previous;           /* under position_lock */
    CACHE_ALIGNED _Atomic uint64_t written;
    TextbookLock locks[TEXTBOOK_WAL_LOCKS];
    struct { CACHE_ALIGNED _Atomic uint64_t at; } inserting[TEXTBOOK_WAL_LOCKS]; /* under the lock; 0: not known */
} TextbookWal;

static inline void
textbook_wal_reserve(TextbookWal *w, uint64_t bytes, uint64_t *start, uint64_t *previous)
{
    spin_lock(&w->position_lock);
    *start = w->end;
    *previous = w->previous;
    w->end += bytes;
    w->previous = *start;
    spin_unlock(&w->position_lock);
}

/* record: header of 24 bytes (8 previous record, 4 length, 4 CRC, 8 identity), then the body; padded to 8. */
static inline uint64_t
textbook_wal_insert(TextbookWal *w, TextbookProcess *all, int me, int *my_lock, char *ring, uint64_t mask, char *record, uint32_t length)
{
    uint64_t bytes = ALIGN_UP((uint64_t)length, 8), start, previous;
    uint32_t crc = crc32c_update(0, record + TEXTBOOK_WAL_HEADER, length - TEXTBOOK_WAL_HEADER);
    TextbookLock *l = &w->locks[*my_lock];
    int lock = *my_lock;

    if (!textbook_try(l, LW_EXCLUSIVE)) {
        textbook_acquire(l, all, me, LW_EXCLUSIVE);
        *my_lock = (lock + 1) % TEXTBOOK_WAL_LOCKS;
    }
    textbook_wal_reserve(w, bytes, &start, &previous);
    store_u64(record, previous);
    store_u32(record + 8, length);
    store_u32(record + 12, 0);
    store_u32(record + 12, crc32c_update(crc, record, TEXTBOOK_WAL_HEADER));
    /* acquire: the writer has read what we overwrite */
    while (start + bytes > atomic_load_explicit(&w->written, memory_order_acquire) + mask + 1) {
        /* release: the writer need not wait for this lock below here */
        atomic_store_explicit(&w->inserting[lock].at, start, memory_order_release);
        sched_yield();
    }
    uint64_t at = start & mask, first = MIN(bytes, mask + 1 - at);
    memcpy(ring + at, record, first);
    memcpy(ring, record + first, bytes - first);
    atomic_store_explicit(&w->inserting[lock].at, 0, memory_order_relaxed); /* under the lock */
    textbook_release(l, all, LW_EXCLUSIVE);
    return start + bytes;
}

/* Up to where all is copied. */
static inline uint64_t
textbook_wal_complete(TextbookWal *w, TextbookProcess *all, int me)
{
    spin_lock(&w->position_lock);
    uint64_t end = w->end;
    spin_unlock(&w->position_lock);
    for (int i = 0; i < TEXTBOOK_WAL_LOCKS; i++) {
        for (;;) {
            if (textbook_try(&w->locks[i], LW_EXCLUSIVE)) {
                textbook_release(&w->locks[i], all, LW_EXCLUSIVE);
                break;
            }
            /* acquire: pairs with the inserter's release */
            uint64_t at = atomic_load_explicit(&w->inserting[i].at, memory_order_acquire);
            if (at != 0) {
                end = MIN(end, at);
                break;
            }
            sched_yield();
        }
    }
    return end;
}

#endif
