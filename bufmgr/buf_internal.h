/*
 * Shared by the files of bufmgr only: frames, the table's buckets, private pins, inner calls.
 */
#ifndef BUFMGR_BUF_INTERNAL_H
#define BUFMGR_BUF_INTERNAL_H

#include <stdatomic.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "bufmgr/bufmgr.h"
#include "core/base/probe.h"
#include "lockmgr/lw_embed.h"

extern bool buf_ignore_checksum_failure, buf_zero_damaged_pages; /* settings */

/*
 * Frame state, one 64-bit word
 *   bits 0..15, 60..63  the content lock's (lockmgr/lw_embed.h)
 *   bits 16..33         pins    processes that pin the frame (one each), and lookups in passing
 *   bits 34..           BUF_STATE_* flags
 * The tag may change only between a compare-and-swap that finds one pin (the evictor's own) and clears
 * TAG_VALID, and the fetch-or that sets TAG_VALID again. So who adds a pin and sees TAG_VALID in the old
 * value may read the tag, and it stays what it is until the pin is gone.
 *
 * Pins and the content lock share the word so that the common case, a page looked up to be read, costs one
 * atomic operation before and one after.
 */
#define BUF_ONE_PIN (UINT64_C(1) << LW_OWNER_SHIFT)
#define BUF_PIN_BITS 18
#define BUF_STATE_PINS (((UINT64_C(1) << BUF_PIN_BITS) - 1) << LW_OWNER_SHIFT)
#define BUF_FLAG(i) (UINT64_C(1) << (LW_OWNER_SHIFT + BUF_PIN_BITS + (i)))
#define BUF_STATE_TAG_VALID BUF_FLAG(0)    /* in the table */
#define BUF_STATE_VALID BUF_FLAG(1)        /* the page's bytes are there */
#define BUF_STATE_DIRTY BUF_FLAG(2)
#define BUF_STATE_JUST_DIRTIED BUF_FLAG(3) /* since the running write took its copy */
#define BUF_STATE_IO BUF_FLAG(4)           /* one process reads or writes the page */
#define BUF_STATE_IO_ERROR BUF_FLAG(5)     /* the last attempt failed */
#define BUF_STATE_IO_WAITERS BUF_FLAG(6)   /* sleepers on io_wait, for the end of IO */
#define BUF_STATE_CHECKPOINT BUF_FLAG(7)   /* the running checkpoint must write it */
#define BUF_STATE_PIN_WAITER BUF_FLAG(8)   /* sleepers on io_wait, for pins == 1 */
#define BUF_STATE_HINT BUF_FLAG(9)         /* somebody sets hint bits under a shared lock */
#define BUF_STATE_FLAGS (((UINT64_C(1) << 10) - 1) << (LW_OWNER_SHIFT + BUF_PIN_BITS))
STATIC_ASSERT(BUF_PIN_BITS + 10 <= LW_OWNER_BITS);
STATIC_ASSERT(MAX_PROCS_LIMIT * 4 < 1 << BUF_PIN_BITS);
static inline uint32_t state_pins(uint64_t s) { return (uint32_t)((s & BUF_STATE_PINS) >> LW_OWNER_SHIFT); }

typedef struct Frame {
    union {
        LwLock content;
        _Atomic uint64_t state; /* content.word */
    };
    /* Odd: locked exclusively, or no valid page here. Written by the exclusive holder, by who takes the frame
     * from its page, and by who makes the page valid: never by two at a time. */
    _Atomic uint64_t version;
    BufTag tag;               /* see above */
    WaitWord io_wait;         /* sequence: bumped when IO ends with sleepers, or pins fall to 1 */
} CACHE_ALIGNED Frame;
STATIC_ASSERT(sizeof(Frame) == CACHE_LINE);
STATIC_ASSERT(offsetof(Frame, state) == offsetof(Frame, content) + offsetof(LwLock, word));

#define USAGE_MAX 5
#define SWEEP_GROUP 64 /* frames per step of the clock hand */

/* One cache line of the table: a lookup compares all tags at once. Written under the partition's lock;
 * read without: version (odd while written) and the frame's own tag validate. */
#define BUCKET_SLOTS 10
typedef struct Bucket {
    CACHE_ALIGNED _Atomic uint32_t version; /* bit 0 writing, bits 1..8 overflow count, rest counter */
    uint16_t tags[BUCKET_SLOTS];            /* 0: empty slot */
    int32_t frames[BUCKET_SLOTS];
} Bucket;
STATIC_ASSERT(sizeof(Bucket) == CACHE_LINE);

static inline uint32_t bucket_overflow(uint32_t version) { return version >> 1 & 0xFF; }

/* Bit i set: slot i's tag equals. The tags are read while others may write them: see buf_table.c. */
#if defined(__SSE2__)
static inline uint32_t
match_tags(const Bucket *b, uint16_t tag)
{
    /* The line's first 32 bytes are version (two 16-bit lanes), ten tags, and frames[0..1]. */
    __m128i want = _mm_set1_epi16((short)tag);
    __m128i lo = _mm_cmpeq_epi16(_mm_load_si128((const __m128i *)(const void *)b), want);
    __m128i hi = _mm_cmpeq_epi16(_mm_load_si128((const __m128i *)(const void *)b + 1), want);
    return ((uint32_t)_mm_movemask_epi8(_mm_packs_epi16(lo, hi)) >> 2) & 0x3FFu;
}
#elif defined(__aarch64__) && !defined(__SANITIZE_ADDRESS__)
static inline uint32_t
match_tags(const Bucket *b, uint16_t tag)
{
    static const uint8_t weights[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    const uint16_t *line = (const uint16_t *)(const void *)b;
    uint16x8_t want = vdupq_n_u16(tag);
    uint8x16_t equal = vcombine_u8(vmovn_u16(vceqq_u16(vld1q_u16(line), want)), vmovn_u16(vceqq_u16(vld1q_u16(line + 8), want)));
    uint8x16_t bits = vandq_u8(equal, vld1q_u8(weights));
    uint32_t mask = vaddv_u8(vget_low_u8(bits)) | (uint32_t)vaddv_u8(vget_high_u8(bits)) << 8;
    return (mask >> 2) & 0x3FFu;
}
#else
#define match_tags match_tags_scalar
#endif
/* The reference: plain and obviously right; never optimised. */
static inline uint32_t
match_tags_scalar(const Bucket *b, uint16_t tag)
{
    uint32_t mask = 0;
    for (uint32_t i = 0; i < BUCKET_SLOTS; i++)
        mask |= (uint32_t)(b->tags[i] == tag) << i;
    return mask;
}

#define PARTITIONS_MAX 128
#define EXTEND_LOCKS 64
#define SIZE_SETS 4096
#define SIZE_WAYS 3

typedef struct SizeEntry { RelLocator rel; uint32_t fork; BlockNo blocks; } SizeEntry; /* rel.rel 0: empty */
typedef struct SizeSet {
    CACHE_ALIGNED _Atomic uint32_t seq; /* seqlock: odd while written */
    SizeEntry ways[SIZE_WAYS];
} SizeSet;
STATIC_ASSERT(sizeof(SizeSet) == CACHE_LINE);

typedef struct BufShared {
    CACHE_ALIGNED _Atomic uint64_t hand; /* groups the clock hand has passed since start */
    CACHE_ALIGNED BufSharedStats stats;
    LwLockPadded checkpoint_lock;        /* one collector of dirty frames at a time */
    LwLockPadded extend_locks[EXTEND_LOCKS];
    LwLockPadded partitions[PARTITIONS_MAX];
    SizeSet sizes[SIZE_SETS];
} BufShared;

extern BufShared *buf_shared;
extern Frame *buf_frames;
extern uint8_t *buf_usage;               /* dense, per frame; padded to whole groups */
extern _Atomic uint64_t *buf_dirty_bits; /* per frame: may be dirty; only the collector clears */
extern Bucket *buf_buckets;
extern uint32_t buf_frame_count, buf_bucket_count, buf_bucket_mask, buf_partition_count;

static inline BufTag
tag_make(RelLocator r, ForkNo f, BlockNo b)
{
    return (BufTag){r, (uint32_t)f, b};
}

/* A tag as machine words: what the hit path keeps in registers. */
typedef struct TagKey { uint64_t space, rel; uint32_t block; } TagKey;
STATIC_ASSERT(offsetof(BufTag, rel) == 0 && offsetof(RelLocator, rel) == 8 && offsetof(BufTag, fork) == 12 && offsetof(BufTag, block) == 16);

static inline TagKey
key_make(RelLocator r, ForkNo f, BlockNo b)
{
    return (TagKey){r.spc | (uint64_t)r.db << 32, r.rel | (uint64_t)f << 32, b};
}

static inline TagKey
key_of(const BufTag *t)
{
    return (TagKey){load_u64(t), load_u64(&t->rel.rel), t->block};
}

static inline bool
key_is(const TagKey *k, const BufTag *t)
{
    return ((load_u64(t) ^ k->space) | (load_u64(&t->rel.rel) ^ k->rel) | (uint64_t)(t->block ^ k->block)) == 0;
}

static inline bool
tags_equal(const BufTag *a, const BufTag *b)
{
    TagKey k = key_of(a);
    return key_is(&k, b);
}

/* Two multiplications deep. Every bit from 16 up depends on the whole of the key. */
static inline uint64_t
key_hash(const TagKey *k)
{
    uint64_t x = k->space * UINT64_C(0x9E3779B97F4A7C15) ^ (k->rel << 32 ^ k->rel >> 2 ^ k->block) * UINT64_C(0xD6E8FEB86659FD93);
    x ^= x >> 32;
    return x * UINT64_C(0xA0761D6478BD642F);
}

static inline uint64_t
tag_hash(const BufTag *t)
{
    TagKey k = key_of(t);
    return key_hash(&k);
}

static inline uint32_t hash_bucket(uint64_t h) { return (uint32_t)(h >> 32) & buf_bucket_mask; }
static inline uint16_t hash_tag16(uint64_t h) { return (uint16_t)(h >> 16 | 1); } /* never 0 */
/* A partition is a run of buckets; overflow wraps inside it, so its lock covers whole probe chains. */
static inline uint32_t hash_partition(uint64_t h) { return hash_bucket(h) / (buf_bucket_count / buf_partition_count); }
static inline LwLock *partition_lock(uint64_t h) { return &buf_shared->partitions[hash_partition(h)].lock; }

/* ---- buf_shared.c: all but the pages, for shared_buffers frames, on any zeroed memory (benches) ---- */
size_t buf_frames_size(void);
void buf_frames_init(void *base);
void buf_frames_attach(void *base); /* of the same size, initialised before */

/* ---- buf_table.c ---- */
Buf table_probe_chain(uint64_t hash); /* the buckets after the first */
/* Without a lock: a frame whose tag reads as *tag, -1 if none was seen (which proves nothing).
 * table_probe does not even look at the frame: one page in 10 000 it names is another one's. */
static inline Buf
table_probe(uint64_t hash)
{
    const Bucket *b = &buf_buckets[hash_bucket(hash)];
    uint32_t m = match_tags(b, hash_tag16(hash));

    if (LIKELY(m)) /* relaxed: whatever frame was there once is a frame */
        return __atomic_load_n(&b->frames[__builtin_ctz(m)], __ATOMIC_RELAXED);
    /* relaxed: a wrong answer costs a look under the lock */
    if (LIKELY(bucket_overflow(atomic_load_explicit(&b->version, memory_order_relaxed)) == 0))
        return BUF_INVALID;
    return table_probe_chain(hash);
}
Buf table_lookup(uint64_t hash, const BufTag *tag);
/* Under the partition lock: exact. */
bool table_insert(uint64_t hash, Buf frame); /* false: the partition is full */
void table_delete(uint64_t hash, Buf frame);

/*
 * ---- private pins: word = (buffer + 1) | count << 32 ----
 * Sixteen sets of four words, beyond that a table of its own. The first word of a set is used first; pins_deep
 * has a bit for each set of which other words, or the table, are in use. So one look tells of most pages that
 * they are not pinned.
 */
#define PIN_SETS 16
#define PIN_WAYS 4
extern uint64_t *buf_pins;   /* proc_self->buf_private, or process-local without a slot */
extern uint32_t pins_deep;
uint64_t *pins_find_deep(Buf b);
void pins_add_deep(Buf b);
void pins_remove_deep(Buf b, uint64_t *w); /* count has become 0; w not the set's first word */

static inline uint32_t pin_set(Buf b) { return (uint32_t)b % PIN_SETS; }

static inline uint64_t *
pins_find(Buf b)
{
    uint64_t *w = &buf_pins[pin_set(b) * PIN_WAYS];

    if ((uint32_t)*w == (uint32_t)b + 1)
        return w;
    return UNLIKELY(pins_deep >> pin_set(b) & 1) ? pins_find_deep(b) : NULL;
}

static inline uint64_t pin_word(Buf b) { return ((uint64_t)(uint32_t)b + 1) | UINT64_C(1) << 32; } /* pinned once */

/* The word in which a page that we have not pinned can be noted; NULL: we have, or it takes a longer look. */
static inline uint64_t *
pins_place(Buf b)
{
    uint64_t *w = &buf_pins[pin_set(b) * PIN_WAYS];

    return LIKELY(*w == 0 && !(pins_deep >> pin_set(b) & 1)) ? w : NULL;
}

/* The page is not pinned by us yet. */
static inline void
pins_add(Buf b)
{
    uint64_t *w = &buf_pins[pin_set(b) * PIN_WAYS];

    if (LIKELY(*w == 0))
        *w = pin_word(b);
    else
        pins_add_deep(b);
}

static inline void
pins_remove(Buf b, uint64_t *w)
{
    if (LIKELY(w == &buf_pins[pin_set(b) * PIN_WAYS]))
        *w = 0;
    else
        pins_remove_deep(b, w);
}

/* ---- buf_pin.c ---- */
void frame_wake(Frame *f);                       /* bumps io_wait and wakes all */
void frame_unpin_wake(Frame *f);                 /* pins fell to 1 with a waiter */
static inline void
frame_unpin_shared(Frame *f)
{
    /* release: our reads and writes of the page come before an evictor's change of it */
    uint64_t old = atomic_fetch_sub_explicit(&f->state, BUF_ONE_PIN, memory_order_release);
    if (UNLIKELY((old & BUF_STATE_PIN_WAITER) && state_pins(old) == 2))
        frame_unpin_wake(f);
}
/*
 * The version is odd from before the first change of the page, or of the frame's tag, to after the last. The
 * callers see to it that there is one of them at a time.
 */
static inline void
version_open(Frame *f)
{
    /* relaxed: only we write it */
    uint64_t v = atomic_load_explicit(&f->version, memory_order_relaxed);
    /* Odd already: a holder before us ended in an error, and lw_release_all let go of the lock only. */
    atomic_store_explicit(&f->version, v + 1 + (v & 1), memory_order_relaxed);
    /* release fence: the odd version is visible before any change */
    atomic_thread_fence(memory_order_release);
}

static inline void
version_close(Frame *f)
{
    /* relaxed: odd if we opened it, and then only we write it; or left so by an error, and then all who hold
     * the lock shared write the same even value */
    uint64_t v = atomic_load_explicit(&f->version, memory_order_relaxed);

    if (v & 1) /* release: all changes are visible before the even version */
        atomic_store_explicit(&f->version, v + 1, memory_order_release);
}
/* Pins frame b if it holds the page; *state_out: its state then. */
bool frame_pin_key(Buf b, const TagKey *key, bool bump_usage, uint64_t *state_out);
static inline bool
frame_pin_if(Buf b, const BufTag *tag, bool bump_usage, uint64_t *state_out)
{
    TagKey key = key_of(tag);
    return frame_pin_key(b, &key, bump_usage, state_out);
}
void frame_wait_io(Frame *f);
void frame_mark_dirty(Buf b);

/* ---- buf_sweep*.c: decays 64 usage counts by one, returns the mask of those that were zero ---- */
typedef uint64_t (*SweepFn)(uint8_t *usage);
extern SweepFn sweep_step;
uint64_t sweep_step_scalar(uint8_t *usage);
uint64_t sweep_step_avx2(uint8_t *usage);
uint64_t sweep_step_avx512(uint8_t *usage);
uint64_t sweep_step_neon(uint8_t *usage);
void sweep_select(void);
typedef struct SweepVariant { const char *name; SweepFn fn; } SweepVariant;
int sweep_variants(SweepVariant *out, int max);

/* ---- buf_alloc.c ---- */
struct BufRing {
    BufRingKind kind;
    int size, current;
    bool from_ring; /* the last victim came from the ring */
    Buf frames[];
};
/* A frame pinned once by us, with no tag, in nobody's way. */
ErrCode victim_get(BufRing *ring, Buf *out) MUST_USE;
void victim_put_back(Buf b);
/* Gives the victim the identity *tag with IO in progress, or finds that the page is there already:
 * then the victim is put back, *existing is pinned and false is returned. */
bool victim_install(Buf victim, const BufTag *tag, uint64_t hash, Buf *existing);
uint64_t sweep_position(void);
uint64_t sweep_next_group(void);

/* ---- buf_io.c ---- */
ErrCode read_slow(const BufTag *tag, uint64_t hash, BufMode mode, BufRing *ring, Buf *out) MUST_USE;
/* Ends IO begun by us. set: flags to set; clear_dirty: unless dirtied again. */
void frame_io_end(Frame *f, uint64_t set, bool clear_dirty);
/* Begins a read of a pinned frame that is not valid; false: it has become valid. */
bool frame_io_begin_read(Frame *f);
#define FLUSH_WAIT 1u /* wait for locks and others' IO, otherwise ERR_BUSY */
ErrCode frame_flush(Buf b, unsigned flags, bool *written) MUST_USE;
/* Writes as many pages of consecutive blocks as are ready: bufs[0..n), all pinned, consecutive. */
#define WRITE_RUN_MAX 16
ErrCode frames_flush_run(const Buf *bufs, int n, int *written) MUST_USE;

/* ---- buf_size.c ---- */
bool size_cached(RelLocator r, ForkNo f, BlockNo *out);
void size_store(RelLocator r, ForkNo f, BlockNo blocks);
void size_forget(RelLocator r);
void size_forget_database(Oid db);
LwLock *extend_lock(RelLocator r, ForkNo f);
ErrCode size_exact_locked(RelLocator r, ForkNo f, BlockNo *out) MUST_USE; /* extend lock held */
ErrCode size_ensure(RelLocator r, ForkNo f, BlockNo block) MUST_USE;      /* extends so that block exists */

extern int bgwriter_delay_ms, bgwriter_lru_maxpages, bgwriter_flush_after, backend_flush_after;
extern int checkpoint_flush_after, effective_io_concurrency, buf_shared_buffers;
extern double bgwriter_lru_multiplier;

/* Write-back hints: tells the kernel to start writing after `limit` pages. */
typedef struct WritebackRun { BufTag first; int pages, limit; } WritebackRun;
void writeback_add(WritebackRun *w, const BufTag *tag, int n);
void writeback_finish(WritebackRun *w);

static inline void
cpu_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
}

#endif
