/*
 * Looking at the pool from outside: views for pg_buffercache, and the walk over every invariant.
 */
#include <stdio.h>
#include <string.h>

#include "bufmgr/buf_internal.h"

bool
buf_view(Buf b, BufView *out)
{
    if (b < 0 || b >= (Buf)buf_frame_count)
        return false;
    Frame *f = &buf_frames[b];
    /* acquire: the tag is read after; an observer may still see a tag in change */
    uint64_t s = atomic_load_explicit(&f->state, memory_order_acquire);
    memset(out, 0, sizeof(*out));
    if (s & BUF_STATE_TAG_VALID)
        out->tag = f->tag;
    out->valid = (s & BUF_STATE_TAG_VALID) && (s & BUF_STATE_VALID);
    out->dirty = (s & BUF_STATE_DIRTY) != 0;
    out->pins = state_pins(s);
    out->usage = buf_usage[b];
    return true;
}

#define FAIL_IF(cond, ...)                                                                           \
    do { if (cond) { snprintf(why, n, __VA_ARGS__); return false; } } while (0)

static bool
check_frames(char *why, size_t n, uint32_t *tagged)
{
    *tagged = 0;
    for (Buf b = 0; b < (Buf)buf_frame_count; b++) {
        /* relaxed: nobody else is at work during the check, or the result means nothing */
        uint64_t s = atomic_load_explicit(&buf_frames[b].state, memory_order_relaxed);
        const BufTag *t = &buf_frames[b].tag;
        FAIL_IF(!(s & BUF_STATE_TAG_VALID) && (s & (BUF_STATE_VALID | BUF_STATE_DIRTY | BUF_STATE_IO)),
                "frame %d has no tag but state %llx", b, (unsigned long long)s);
        FAIL_IF((s & BUF_STATE_DIRTY) && !(s & BUF_STATE_VALID), "frame %d is dirty and not valid", b);
        FAIL_IF((s & BUF_STATE_JUST_DIRTIED) && !(s & BUF_STATE_DIRTY), "frame %d is just dirtied and not dirty", b);
        FAIL_IF((s & BUF_STATE_DIRTY) &&
                    !(atomic_load_explicit(&buf_dirty_bits[b / 64], memory_order_relaxed) >> (b % 64) & 1), /* as above */
                "frame %d is dirty but its bit is clear", b);
        FAIL_IF(pins_find(b) && state_pins(s) == 0, "frame %d is pinned by us and has no pins", b);
        FAIL_IF(buf_usage[b] > USAGE_MAX, "frame %d has usage %d", b, buf_usage[b]);
        FAIL_IF(!(s & BUF_STATE_VALID) && !(atomic_load_explicit(&buf_frames[b].version, memory_order_relaxed) & 1), /* as above */
                "frame %d has no valid page but could be read without a lock", b);
        if (!(s & BUF_STATE_TAG_VALID))
            continue;
        ++*tagged;
        FAIL_IF(table_lookup(tag_hash(t), t) != b, "frame %d is not found by its tag", b);
        FAIL_IF((s & BUF_STATE_VALID) && !(s & BUF_STATE_IO) && !page_check(buf_page(b), t->block, false),
                "the page in frame %d is damaged", b);
    }
    return true;
}

bool
buf_check_all(char *why, size_t n)
{
    uint32_t tagged, entries = 0;

    if (!check_frames(why, n, &tagged))
        return false;
    for (uint32_t i = 0; i < buf_bucket_count; i++) {
        const Bucket *bucket = &buf_buckets[i];
        FAIL_IF(atomic_load_explicit(&bucket->version, memory_order_relaxed) & 1, "bucket %u is being written", i); /* as above */
        for (int s = 0; s < BUCKET_SLOTS; s++) {
            if (bucket->tags[s] == 0)
                continue;
            entries++;
            int32_t frame = bucket->frames[s];
            FAIL_IF(frame < 0 || frame >= (int32_t)buf_frame_count, "bucket %u refers to frame %d", i, frame);
            uint64_t state = atomic_load_explicit(&buf_frames[frame].state, memory_order_relaxed); /* as above */
            FAIL_IF(!(state & BUF_STATE_TAG_VALID), "bucket %u refers to frame %d, which has no tag", i, frame);
            FAIL_IF(hash_tag16(tag_hash(&buf_frames[frame].tag)) != bucket->tags[s], "bucket %u has a wrong tag for frame %d", i, frame);
        }
    }
    FAIL_IF(entries != tagged, "%u table entries for %u frames with tags", entries, tagged);
    return true;
}
