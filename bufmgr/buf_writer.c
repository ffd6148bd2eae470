/*
 * The checkpoint's and the background writer's work.
 *
 * Checkpoint: collect the frames that are dirty now, mark them (so that what is dirtied later does not
 * prolong it), sort by place on disk, write runs of neighbours, paced. A frame that somebody else
 * writes meanwhile loses the mark and is skipped.
 *
 * Background writer: runs ahead of the clock hand and writes dirty frames the hand would find at usage
 * zero, as many as the next round is expected to need. Estimates as in PostgreSQL: a moving average of
 * allocations (fast up, slow down) times the multiplier.
 */
#include "bufmgr/buf_internal.h"

#include <stdlib.h>
#include <string.h>

#include "walmgr/walmgr.h"

typedef struct DirtyFrame {
    BufTag tag;
    Buf frame;
} DirtyFrame;

static int
compare_dirty(const void *a, const void *b)
{
    const BufTag *x = &((const DirtyFrame *)a)->tag, *y = &((const DirtyFrame *)b)->tag;

    if (x->rel.spc != y->rel.spc)
        return x->rel.spc < y->rel.spc ? -1 : 1;
    if (x->rel.db != y->rel.db)
        return x->rel.db < y->rel.db ? -1 : 1;
    if (x->rel.rel != y->rel.rel)
        return x->rel.rel < y->rel.rel ? -1 : 1;
    if (x->fork != y->fork)
        return x->fork < y->fork ? -1 : 1;
    return x->block < y->block ? -1 : x->block > y->block;
}

/* Marks the frame for this checkpoint if it is dirty. The caller has cleared its bit. */
static bool
mark_if_dirty(Buf b, DirtyFrame *out)
{
    Frame *f = &buf_frames[b];
    /* seq_cst: after the bit was cleared; pairs with frame_mark_dirty */
    uint64_t s = atomic_load_explicit(&f->state, memory_order_seq_cst);

    while (s & BUF_STATE_DIRTY) {
        /* A dirty frame cannot be evicted, and a dropped one is recognised later by its tag.
         * acquire: the tag is read after */
        if (atomic_compare_exchange_weak_explicit(&f->state, &s, s | BUF_STATE_CHECKPOINT, memory_order_acquire, memory_order_acquire)) {
            *out = (DirtyFrame){f->tag, b};
            return true;
        }
    }
    return false;
}

static int
collect_dirty(DirtyFrame *list)
{
    uint32_t words = (buf_frame_count + 63) / 64;
    int count = 0;

    for (uint32_t w = 0; w < words; w++) {
        /* relaxed: a bit set later belongs to a record after our redo point */
        if (atomic_load_explicit(&buf_dirty_bits[w], memory_order_relaxed) == 0)
            continue;
        /* seq_cst: before the flags are looked at; pairs with frame_mark_dirty */
        uint64_t bits = atomic_exchange_explicit(&buf_dirty_bits[w], 0, memory_order_seq_cst), keep = 0;
        for (uint64_t left = bits; left; left &= left - 1) {
            int bit = __builtin_ctzll(left);
            if (mark_if_dirty((Buf)(w * 64 + (uint32_t)bit), &list[count])) {
                keep |= UINT64_C(1) << bit;
                count++;
            }
        }
        if (keep) /* still dirty: the bit must stand until a later collector finds it clean */
            atomic_fetch_or_explicit(&buf_dirty_bits[w], keep, memory_order_seq_cst);
    }
    return count;
}

/* Pins list[i] if this checkpoint still has to write it. */
static bool
pin_marked(const DirtyFrame *d)
{
    uint64_t state;

    /* relaxed: a cheap look before the pin */
    if (!(atomic_load_explicit(&buf_frames[d->frame].state, memory_order_relaxed) & BUF_STATE_CHECKPOINT))
        return false;
    if (!frame_pin_if(d->frame, &d->tag, false, &state))
        return false;
    if (state & BUF_STATE_CHECKPOINT)
        return true;
    buf_unpin(d->frame);
    return false;
}

static bool
follows(const BufTag *a, const BufTag *b, int distance)
{
    return rel_locator_equal(a->rel, b->rel) && a->fork == b->fork && a->block + (BlockNo)distance == b->block &&
           a->block / REL_SEGMENT_PAGES == b->block / REL_SEGMENT_PAGES;
}

/* Writes the run of neighbours that begins at list[at]; returns how many entries are dealt with. */
static int
write_run(const DirtyFrame *list, int at, int count, WritebackRun *back)
{
    Buf bufs[WRITE_RUN_MAX];
    int n = 0, written;

    if (!pin_marked(&list[at]))
        return 1;
    bufs[n++] = list[at].frame;
    while (n < WRITE_RUN_MAX && at + n < count && follows(&list[at].tag, &list[at + n].tag, n) && pin_marked(&list[at + n])) {
        bufs[n] = list[at + n].frame;
        n++;
    }
    ErrCode rc = frames_flush_run(bufs, n, &written);
    for (int i = 0; i < n; i++)
        buf_unpin(bufs[i]);
    if (rc != ERR_OK)
        err_raise_code(rc); /* the checkpoint fails; what it did not write stays marked and dirty */
    if (written > 0) {
        writeback_add(back, &list[at].tag, written);
        wal_checkpoint_stats.buffers_written += (uint64_t)written;
        /* relaxed: a counter */
        atomic_fetch_add_explicit(&buf_shared_stats->checkpoint_written, (uint64_t)written, memory_order_relaxed);
    }
    return MAX(written, 1);
}

void
buf_checkpoint(unsigned flags)
{
    static Arena *arena; /* reset at the next one, also after a checkpoint that failed */
    if (!arena)
        arena = arena_create(arena_top(), "checkpoint");
    arena_reset(arena);
    DirtyFrame *list = arena_alloc(arena, sizeof(DirtyFrame) * ((size_t)buf_frame_count + 1));
    WritebackRun back = {.limit = checkpoint_flush_after};

    lw_acquire(&buf_shared->checkpoint_lock.lock, LW_EXCLUSIVE);
    int count = collect_dirty(list);
    lw_release(&buf_shared->checkpoint_lock.lock);
    wal_checkpoint_stats.buffers_total = (uint64_t)buf_frame_count;
    qsort(list, (size_t)count, sizeof(DirtyFrame), compare_dirty);
    for (int at = 0; at < count;) {
        at += write_run(list, at, count, &back);
        wal_checkpoint_delay(flags, (double)at / count);
    }
    writeback_finish(&back);
    arena_reset(arena);
}

/* ---- background writer ---- */

#define SMOOTHING_ROUNDS 16.0
#define SCAN_WHOLE_POOL_S 120.0 /* an idle pool is still walked in two minutes */

static struct {
    bool started;
    uint64_t last_hand, last_alloc; /* frames */
    uint64_t next;                  /* frames since start: how far we have cleaned */
    double smoothed_alloc, smoothed_density;
} bgw;

/* Whether the hand could take the frame now; writes it first if it is dirty. */
static bool
clean_if_reusable(Buf b, int *written, WritebackRun *back)
{
    Frame *f = &buf_frames[b];
    /* acquire: the tag is read after */
    uint64_t s = atomic_load_explicit(&f->state, memory_order_acquire);
    bool wrote;

    if (buf_usage[b] != 0 || state_pins(s) != 0)
        return false;
    if (!(s & BUF_STATE_DIRTY))
        return true;
    BufTag tag = f->tag;
    if (!frame_pin_if(b, &tag, false, &s))
        return false;
    ErrCode rc = frame_flush(b, 0, &wrote);
    buf_unpin(b);
    if (rc != ERR_OK && rc != ERR_BUSY)
        err_raise_code(rc);
    if (rc == ERR_OK && wrote) {
        (*written)++;
        writeback_add(back, &tag, 1);
    }
    return rc == ERR_OK;
}

bool
buf_bgwriter_round(void)
{
    uint64_t hand = sweep_position() * SWEEP_GROUP;
    /* relaxed: a counter */
    uint64_t alloc = atomic_load_explicit(&buf_shared_stats->alloc, memory_order_relaxed);
    uint64_t recent = alloc - bgw.last_alloc, passed = hand - bgw.last_hand;
    WritebackRun back = {.limit = bgwriter_flush_after};

    if (!bgw.started) {
        bgw.started = true;
        bgw.last_hand = bgw.next = hand;
        bgw.last_alloc = alloc;
        bgw.smoothed_density = 10.0;
        return false;
    }
    bgw.last_hand = hand;
    bgw.last_alloc = alloc;
    if (bgwriter_lru_maxpages <= 0)
        return true;
    if (bgw.next < hand) /* the hand has overtaken us: start from where it is */
        bgw.next = hand;

    /* Frames the hand passes per allocation, and how many allocations to expect. */
    if (passed > 0 && recent > 0)
        bgw.smoothed_density += ((double)passed / (double)recent - bgw.smoothed_density) / SMOOTHING_ROUNDS;
    if (bgw.smoothed_alloc <= (double)recent)
        bgw.smoothed_alloc = (double)recent;
    else
        bgw.smoothed_alloc += ((double)recent - bgw.smoothed_alloc) / SMOOTHING_ROUNDS;
    int predicted = (int)(bgw.smoothed_alloc * bgwriter_lru_multiplier);
    if (predicted == 0)
        bgw.smoothed_alloc = 0;
    int least = (int)(buf_frame_count / (SCAN_WHOLE_POOL_S * 1000.0 / bgwriter_delay_ms));
    /* What lies cleaned between the hand and us already counts. */
    int reusable = (int)((double)(bgw.next - hand) / MAX(bgw.smoothed_density, 1.0));
    int wanted = MAX(predicted, reusable + (int)(least / MAX(bgw.smoothed_density, 1.0)));

    int written = 0;
    while (bgw.next < hand + buf_frame_count && reusable < wanted) {
        if (clean_if_reusable((Buf)(bgw.next % ((uint64_t)((buf_frame_count + SWEEP_GROUP - 1) / SWEEP_GROUP) * SWEEP_GROUP) % buf_frame_count), &written, &back))
            reusable++;
        bgw.next++;
        if (written >= bgwriter_lru_maxpages) {
            /* relaxed: a counter */
            atomic_fetch_add_explicit(&buf_shared_stats->maxwritten_clean, 1, memory_order_relaxed);
            break;
        }
    }
    writeback_finish(&back);
    /* relaxed: a counter */
    atomic_fetch_add_explicit(&buf_shared_stats->clean_written, (uint64_t)written, memory_order_relaxed);
    return bgw.next >= hand + buf_frame_count && recent == 0;
}
