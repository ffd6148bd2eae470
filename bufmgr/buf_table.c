/*
 * The buffer table: open addressing in buckets of one cache line.
 *
 * A lookup loads the bucket's ten 16-bit tags, compares them at once and names the frame of the one that
 * matches (a wrong one in 10 000 matches by chance): table_probe. The frame's own tag decides, compared after
 * the pin, or before it by table_lookup, which follows every match. It takes no lock: the caller pins the
 * frame and compares its tag again, so a wrong frame is never used; and a page that is not found is
 * looked for again under the partition lock before it is inserted, so a lookup may miss what is being
 * written. The version only saves it from giving up on a bucket caught in the middle of a change.
 *
 * A full bucket overflows to the next one inside the partition. The count of entries that went past a
 * bucket stands in its version word: while it is zero a lookup stops there. A count that would exceed
 * its field sticks at the maximum, which costs probes and nothing else.
 */
#include "bufmgr/buf_internal.h"

#define VERSION_WRITING 1u
#define OVERFLOW_SHIFT 1 /* as in bucket_overflow */
#define OVERFLOW_MASK 0xFFu
#define OVERFLOW_MAX OVERFLOW_MASK
#define COUNTER_STEP (1u << 9)


static inline uint32_t
next_bucket(uint32_t b)
{
    uint32_t mask = buf_bucket_count / buf_partition_count - 1;
    return (b & ~mask) | ((b + 1) & mask);
}

Buf
table_probe_chain(uint64_t hash)
{
    uint16_t tag16 = hash_tag16(hash);
    uint32_t index = hash_bucket(hash);

    for (uint32_t left = buf_bucket_count / buf_partition_count - 1; left > 0; left--) {
        index = next_bucket(index);
        const Bucket *b = &buf_buckets[index];
        uint32_t m = match_tags(b, tag16);
        if (m) /* relaxed: as in table_probe */
            return __atomic_load_n(&b->frames[__builtin_ctz(m)], __ATOMIC_RELAXED);
        /* relaxed: a wrong answer costs a look under the lock */
        if (bucket_overflow(atomic_load_explicit(&b->version, memory_order_relaxed)) == 0)
            break;
    }
    return BUF_INVALID;
}

Buf
table_lookup(uint64_t hash, const BufTag *tag)
{
    uint16_t tag16 = hash_tag16(hash);
    uint32_t index = hash_bucket(hash);
    uint32_t left = buf_bucket_count / buf_partition_count;

    for (;;) {
        const Bucket *b = &buf_buckets[index];
        /* acquire: the slots are read after the version; pairs with the release in bucket_end */
        uint32_t version = atomic_load_explicit(&b->version, memory_order_acquire);
        for (uint32_t m = match_tags(b, tag16); m; m &= m - 1) {
            uint32_t frame = (uint32_t)b->frames[__builtin_ctz(m)];
            /* A torn slot may hold anything; the range check makes the look at the tag safe. */
            if (LIKELY(frame < buf_frame_count && tags_equal(&buf_frames[frame].tag, tag)))
                return (Buf)frame;
        }
        if (UNLIKELY(version & VERSION_WRITING))
            return BUF_INVALID; /* the locked path will tell */
        if (LIKELY(bucket_overflow(version) == 0) || --left == 0)
            return BUF_INVALID;
        index = next_bucket(index);
    }
}

static void
bucket_begin(Bucket *b)
{
    /* relaxed: written under the partition lock only */
    uint32_t v = atomic_load_explicit(&b->version, memory_order_relaxed);
    atomic_store_explicit(&b->version, v | VERSION_WRITING, memory_order_relaxed);
    /* release fence: the odd version is seen before the changed slots */
    atomic_thread_fence(memory_order_release);
}

static void
bucket_end(Bucket *b, int overflow_change)
{
    uint32_t v = atomic_load_explicit(&b->version, memory_order_relaxed); /* as above */
    uint32_t overflow = bucket_overflow(v);

    if (overflow_change > 0 && overflow < OVERFLOW_MAX)
        overflow++;
    else if (overflow_change < 0 && overflow < OVERFLOW_MAX)
        overflow--;
    v = (v & ~(VERSION_WRITING | OVERFLOW_MASK << OVERFLOW_SHIFT)) | overflow << OVERFLOW_SHIFT;
    /* release: the slots are visible before the new version */
    atomic_store_explicit(&b->version, v + COUNTER_STEP, memory_order_release);
}

bool
table_insert(uint64_t hash, Buf frame)
{
    uint32_t home = hash_bucket(hash), index = home;
    uint32_t left = buf_bucket_count / buf_partition_count;

    for (;;) {
        Bucket *b = &buf_buckets[index];
        uint32_t empty = match_tags(b, 0);
        if (empty) {
            int slot = __builtin_ctz(empty);
            bucket_begin(b);
            b->frames[slot] = frame;
            b->tags[slot] = hash_tag16(hash);
            bucket_end(b, 0);
            break;
        }
        if (--left == 0)
            return false;
        index = next_bucket(index);
    }
    for (uint32_t i = home; i != index; i = next_bucket(i)) {
        bucket_begin(&buf_buckets[i]);
        bucket_end(&buf_buckets[i], 1);
    }
    return true;
}

void
table_delete(uint64_t hash, Buf frame)
{
    uint16_t tag16 = hash_tag16(hash);
    uint32_t home = hash_bucket(hash), index = home;
    uint32_t left = buf_bucket_count / buf_partition_count;

    for (; left > 0; left--, index = next_bucket(index)) {
        Bucket *b = &buf_buckets[index];
        for (uint32_t m = match_tags(b, tag16); m; m &= m - 1) {
            int slot = __builtin_ctz(m);
            if (b->frames[slot] != frame)
                continue;
            bucket_begin(b);
            b->tags[slot] = 0;
            bucket_end(b, 0);
            for (uint32_t i = home; i != index; i = next_bucket(i)) {
                bucket_begin(&buf_buckets[i]);
                bucket_end(&buf_buckets[i], -1);
            }
            return;
        }
    }
    PANIC("buffer table corrupted: frame %d is not in it", frame);
}
