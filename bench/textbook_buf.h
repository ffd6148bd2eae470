/*
 * The textbook buffer manager, PostgreSQL's algorithms up to version 15, written for the benches: a chained
 * hash table under 128 partition locks, a header per frame whose state word (pins, usage count, flags) is
 * changed by compare-and-swap, a content lock in the header, a clock hand that moves frame by frame. Only what
 * is measured is there; waiting for a lock is spinning, since nothing here is contended.
 */
#ifndef BENCH_TEXTBOOK_BUF_H
#define BENCH_TEXTBOOK_BUF_H

#include <stdatomic.h>
#include <stdbool.h>

#include "bufmgr/bufmgr.h"

typedef struct TextLock { _Atomic uint32_t state; uint16_t tranche; uint32_t waiters[2]; } TextLock; /* as an LWLock: 16 bytes */

typedef struct TextFrame {
    CACHE_ALIGNED BufTag tag;
    int id;
    _Atomic uint32_t state; /* bits 0..17 pins, 18..21 usage, 22.. flags */
    int wait_backend, free_next;
    TextLock content;
} TextFrame;

typedef struct TextEntry { struct TextEntry *next; uint32_t hash; BufTag tag; int id; } TextEntry;
typedef struct TextRing { int size, current; int frames[64]; } TextRing;

typedef struct TextPool {
    uint32_t frame_count, bucket_count;
    TextFrame *frames;
    TextEntry **buckets, *entries, *free_entries[32];
    CACHE_ALIGNED _Atomic uint32_t hand;
    struct { CACHE_ALIGNED TextLock lock; } partitions[128];
} TextPool;

TextPool *text_pool_create(uint32_t frames); /* on shared memory */
int text_lookup(TextPool *p, const BufTag *tag);
/* The page's frame, pinned; -1 if it is not there. in_ring: for a scan, which raises no usage count beyond 1. */
int text_read(TextPool *p, const BufTag *tag, bool in_ring);
void text_unpin(TextPool *p, int id);
void text_lock_shared(TextLock *l);
void text_unlock(TextLock *l);
/* Moves the hand over one frame; returns it if it could be taken (then its header is locked), else -1. */
int text_tick(TextPool *p);
/* A frame pinned by us, out of the table. */
int text_victim(TextPool *p, TextRing *ring);
void text_install(TextPool *p, int id, const BufTag *tag);
void text_set_usage(TextPool *p, int id, uint32_t usage);

#endif
