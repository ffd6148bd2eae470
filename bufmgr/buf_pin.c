/*
 * Pins, content locks, dirtying, hint bits: what every page access goes through.
 *
 * A hit costs: one look at a bucket, one at the frame's tag, one fetch-add for the pin, a store in the
 * private pin table; a page this process has pinned already costs no atomic at all. The shared count
 * knows one pin per process, the private table how many the process has of it.
 */
#include "bufmgr/buf_internal.h"

#include <limits.h>
#include <string.h>

#include "walmgr/walmgr.h"

/* Without a process slot (initdb's first phase, unit tests) the pins live here. */
static uint64_t own_pins[PIN_SETS * PIN_WAYS];
STATIC_ASSERT(sizeof(own_pins) == sizeof(((ProcSlot *)0)->buf_private));
uint64_t *buf_pins = own_pins;
uint32_t pins_deep;
static int overflow_count; /* and in the slot, for others */
static uint64_t *overflow_words; /* beyond the 64: as buf_pins; 0 empty */
static uint32_t overflow_mask;

static void
overflow_count_set(int count)
{
    overflow_count = count;
    if (proc_self) /* relaxed: read by others only once this process is dead */
        atomic_store_explicit(&proc_self->buf_pins_beyond, (uint32_t)count, memory_order_relaxed);
}

static void
release_pins_at_exit(void *arg)
{
    buf_release_all_pins();
}

void
buf_process_init(void)
{
    buf_pins = proc_self ? proc_self->buf_private : own_pins;
    memset(buf_pins, 0, sizeof(own_pins));
    overflow_count_set(0);
    pins_deep = 0;
    if (overflow_words) /* a parent's */
        memset(overflow_words, 0, sizeof(uint64_t) * ((size_t)overflow_mask + 1));
    memset(&buf_stats, 0, sizeof(buf_stats));
    relfile_init();
    proc_on_exit(release_pins_at_exit, NULL);
}

/* ---- private pins beyond the 64 of the slot: an open-addressed table that grows ---- */

static uint32_t
overflow_home(Buf b)
{
    return ((uint32_t)b * 0x9E3779B1u >> 8) & overflow_mask;
}

static uint64_t *
overflow_find(Buf b)
{
    for (uint32_t i = overflow_home(b); overflow_words[i]; i = (i + 1) & overflow_mask)
        if ((uint32_t)overflow_words[i] == (uint32_t)b + 1)
            return &overflow_words[i];
    return NULL;
}

static void
overflow_place(uint64_t word)
{
    uint32_t i = overflow_home((Buf)((uint32_t)word - 1));
    while (overflow_words[i])
        i = (i + 1) & overflow_mask;
    overflow_words[i] = word;
}

static void
overflow_add(Buf b)
{
    if (!overflow_words || (uint32_t)overflow_count * 2 > overflow_mask) {
        uint64_t *old = overflow_words;
        uint32_t old_count = old ? overflow_mask + 1 : 0, count = old ? old_count * 2 : 256;
        overflow_words = ARENA_ARRAY(arena_top(), uint64_t, count); /* doubling: the old ones are as much again */
        overflow_mask = count - 1;
        for (uint32_t i = 0; i < old_count && overflow_count; i++)
            if (old[i])
                overflow_place(old[i]);
    }
    overflow_count_set(overflow_count + 1); /* before the pin is noted: it must not be thought to be in the slot */
    overflow_place(pin_word(b));
}

static void
overflow_remove(Buf b)
{
    uint32_t hole = (uint32_t)(overflow_find(b) - overflow_words);

    for (uint32_t i = (hole + 1) & overflow_mask; overflow_words[i]; i = (i + 1) & overflow_mask) {
        uint32_t home = overflow_home((Buf)((uint32_t)overflow_words[i] - 1));
        if (((i - home) & overflow_mask) >= ((i - hole) & overflow_mask)) {
            overflow_words[hole] = overflow_words[i];
            hole = i;
        }
    }
    overflow_words[hole] = 0;
    overflow_count_set(overflow_count - 1);
}

uint64_t *
pins_find_deep(Buf b)
{
    uint64_t *w = &buf_pins[pin_set(b) * PIN_WAYS];

    for (int i = 1; i < PIN_WAYS; i++)
        if ((uint32_t)w[i] == (uint32_t)b + 1)
            return &w[i];
    return overflow_count ? overflow_find(b) : NULL;
}

void
pins_add_deep(Buf b)
{
    uint64_t *w = &buf_pins[pin_set(b) * PIN_WAYS];

    for (int i = 1; i < PIN_WAYS; i++)
        if (w[i] == 0) {
            pins_deep |= 1u << pin_set(b);
            w[i] = pin_word(b);
            return;
        }
    overflow_add(b);
    pins_deep = UINT32_MAX;
}

static uint32_t
deep_bits(void)
{
    uint32_t bits = 0;

    if (overflow_count)
        return UINT32_MAX;
    for (int i = 0; i < PIN_SETS * PIN_WAYS; i++)
        if (i % PIN_WAYS != 0 && buf_pins[i])
            bits |= 1u << i / PIN_WAYS;
    return bits;
}

void
pins_remove_deep(Buf b, uint64_t *w)
{
    uint64_t *set = &buf_pins[pin_set(b) * PIN_WAYS];

    if (w > set && w < set + PIN_WAYS)
        *w = 0;
    else
        overflow_remove(b);
    pins_deep = overflow_count ? UINT32_MAX : deep_bits();
}

/* ---- pinning ---- */

static inline void
bump_usage(Buf b)
{
    /* Plain byte: a lost update costs a page one round of the hand. Hot pages stand at the maximum
     * and are only read here, so their line stays shared. */
    if (buf_usage[b] < USAGE_MAX)
        buf_usage[b]++;
}

/* Gives back pins and lock (a shared count or the exclusive bit) in one step. */
static inline void
release_both(Frame *f, uint64_t pins, uint64_t lock)
{
    /* release: our accesses of the page come before those of the next holder or evictor */
    uint64_t old = atomic_fetch_sub_explicit(&f->state, pins + lock, memory_order_release);
    lw_dropped(&f->content, old, lock);
    if (UNLIKELY((old & BUF_STATE_PIN_WAITER) && state_pins(old) == 2))
        frame_unpin_wake(f);
}

bool
frame_pin_key(Buf b, const TagKey *key, bool bump, uint64_t *state_out)
{
    Frame *f = &buf_frames[b];
    uint64_t *own = pins_find(b);

    if (own) { /* our pin holds the tag still */
        if (!key_is(key, &f->tag))
            return false;
        *own += UINT64_C(1) << 32;
        /* acquire: pairs with the reader's release when it makes the page valid */
        *state_out = atomic_load_explicit(&f->state, memory_order_acquire);
        return true;
    }
    /* acquire: tag and page are read after; pairs with the release in victim_install and frame_io_end */
    uint64_t old = atomic_fetch_add_explicit(&f->state, BUF_ONE_PIN, memory_order_acquire);
    if (UNLIKELY(!(old & BUF_STATE_TAG_VALID) || !key_is(key, &f->tag))) {
        frame_unpin_shared(f);
        return false;
    }
    pins_add(b);
    PROBE2(buf_pin, b, key->block);
    if (bump)
        bump_usage(b);
    *state_out = old;
    return true;
}

/* The frame remembered for the page, if it still holds it by the look of it; else what the table says. */
static inline Buf
find_frame(const TagKey *key, Buf hint)
{
    if ((uint32_t)hint < buf_frame_count && key_is(key, &buf_frames[hint].tag))
        return hint;
    return table_probe(key_hash(key));
}

/*
 * What is not a plain hit continues out of line, from scratch: the hit path then needs few registers and no
 * stack. It takes the key's words one by one for the same reason.
 */
static __attribute__((noinline)) ErrCode
read_miss(uint64_t space, uint64_t rel, BlockNo block, BufMode mode, BufRing *ring, Buf *out)
{
    BufTag tag = {{(Oid)space, (Oid)(space >> 32), (Oid)rel}, (uint32_t)(rel >> 32), block};

    return read_slow(&tag, tag_hash(&tag), mode, ring, out);
}

static inline ErrCode
read_found(Buf found, const TagKey *key, BufMode mode, BufRing *ring, Buf *out)
{
    uint64_t state;

    if (LIKELY(found >= 0 && frame_pin_key(found, key, !ring || buf_usage[found] == 0, &state))) {
        if (LIKELY((state & BUF_STATE_VALID) && mode != BUF_ZERO_LOCK)) {
            buf_stats.hit++;
            *out = found;
            return ERR_OK;
        }
        buf_unpin(found);
    }
    return read_miss(key->space, key->rel, key->block, mode, ring, out);
}

ErrCode
buf_read(RelLocator r, ForkNo f, BlockNo b, BufMode mode, BufRing *ring, Buf *out)
{
    TagKey key = key_make(r, f, b);

    return read_found(table_probe(key_hash(&key)), &key, mode, ring, out);
}

ErrCode
buf_read_hint(RelLocator r, ForkNo f, BlockNo b, Buf hint, Buf *out)
{
    TagKey key = key_make(r, f, b);

    return read_found(find_frame(&key, hint), &key, BUF_NORMAL, NULL, out);
}

/* undo: a frame that has been pinned and locked in vain. */
static __attribute__((noinline)) ErrCode
read_shared_slow(uint64_t space, uint64_t rel, BlockNo block, BufRing *ring, Frame *undo, Buf *out)
{
    TagKey key = {space, rel, block};

    if (undo) {
        release_both(undo, BUF_ONE_PIN, LW_ONE_SHARED);
        lw_forget_held(&undo->content);
    }
    ErrCode rc = read_found(table_probe(key_hash(&key)), &key, BUF_NORMAL, ring, out);
    if (rc == ERR_OK)
        buf_lock(*out, LW_SHARED);
    return rc;
}

/*
 * Pin and shared content lock in one step: both are counts in the frame's state, and one addition raises them.
 * Whatever is not as hoped for (another page, none yet, the lock not to be had at once, a pin of ours already)
 * goes the long way.
 */
ErrCode
buf_read_shared(RelLocator r, ForkNo fork, BlockNo b, BufRing *ring, Buf hint, Buf *out)
{
    const uint64_t wanted = BUF_STATE_TAG_VALID | BUF_STATE_VALID;
    TagKey key = key_make(r, fork, b);
    Buf found = find_frame(&key, hint);
    uint64_t *pin = pins_place(found);

    if (UNLIKELY(found < 0 || (!pin && pins_find(found))))
        return read_shared_slow(key.space, key.rel, key.block, ring, NULL, out);
    Frame *f = &buf_frames[found];
    __builtin_prefetch(buf_page(found)); /* the header: whoever locks a page looks at it first */
    lw_note_held(&f->content);
    /* acquire: as in frame_pin_key and lw_acquire */
    uint64_t old = atomic_fetch_add_explicit(&f->state, BUF_ONE_PIN + LW_ONE_SHARED, memory_order_acquire);
    if (UNLIKELY((old & (wanted | LW_SHARED_BARRED)) != wanted || !key_is(&key, &f->tag)))
        return read_shared_slow(key.space, key.rel, key.block, ring, f, out);
    if (LIKELY(pin != NULL))
        *pin = pin_word(found);
    else
        pins_add(found);
    PROBE2(buf_pin, found, b);
    if (buf_usage[found] < (ring ? 1 : USAGE_MAX))
        buf_usage[found]++;
    buf_stats.hit++;
    *out = found;
    return ERR_OK;
}

void
buf_pin_again(Buf b)
{
    uint64_t *own = pins_find(b);

    ASSERT(own);
    *own += UINT64_C(1) << 32;
}

void
buf_unpin(Buf b)
{
    uint64_t *own = pins_find(b);

    if (UNLIKELY(!own))
        PANIC("buffer %d is not pinned by this process", b);
    *own -= UINT64_C(1) << 32;
    if (*own >> 32)
        return;
    pins_remove(b, own);
    frame_unpin_shared(&buf_frames[b]);
}

/* Not the last pin, an exclusive lock, or somebody waits. */
static __attribute__((noinline)) void
release_slow(Buf b)
{
    buf_unlock(b);
    buf_unpin(b);
}

static __attribute__((noinline)) void
release_wake(Frame *f, uint64_t old)
{
    lw_dropped(&f->content, old, LW_ONE_SHARED);
    if ((old & BUF_STATE_PIN_WAITER) && state_pins(old) == 2)
        frame_unpin_wake(f);
    lw_forget_held(&f->content);
}

void
buf_release(Buf b)
{
    Frame *f = &buf_frames[b];
    uint64_t *pin = &buf_pins[pin_set(b) * PIN_WAYS];

    /* An odd version: the lock is exclusive. relaxed: only its holder makes it odd */
    if (UNLIKELY(*pin != pin_word(b) || (atomic_load_explicit(&f->version, memory_order_relaxed) & 1))) {
        release_slow(b);
        return;
    }
    *pin = 0; /* before: a process that dies in between must not be thought to have the pin still */
    /* release: our reads of the page come before the changes of the next holder or evictor */
    uint64_t old = atomic_fetch_sub_explicit(&f->state, BUF_ONE_PIN + LW_ONE_SHARED, memory_order_release);
    if (UNLIKELY(old & (LW_WAITERS | BUF_STATE_PIN_WAITER)))
        release_wake(f, old);
    else
        lw_forget_held(&f->content);
}

void
frame_wake(Frame *f)
{
    /* release: what ended the wait is visible to whoever sees the new sequence */
    atomic_fetch_add_explicit(&f->io_wait, 1, memory_order_release);
    wait_word_wake(&f->io_wait, INT_MAX);
}

void
frame_unpin_wake(Frame *f)
{
    /* relaxed: the bit only asks for a wake, which follows */
    atomic_fetch_and_explicit(&f->state, ~BUF_STATE_PIN_WAITER, memory_order_relaxed);
    frame_wake(f);
}

bool
buf_is_pinned_by_me(Buf b)
{
    return pins_find(b) != NULL;
}

int
buf_my_pin_count(void)
{
    int count = 0;

    for (int i = 0; i < PIN_SETS * PIN_WAYS; i++)
        count += (int)(buf_pins[i] >> 32);
    for (uint32_t i = 0; overflow_count && i <= overflow_mask; i++)
        count += (int)(overflow_words[i] >> 32);
    return count;
}

void
buf_release_all_pins(void)
{
    if (!buf_frames)
        return;
    for (int i = 0; i < PIN_SETS * PIN_WAYS; i++) {
        if (!buf_pins[i])
            continue;
        Buf b = (Buf)((uint32_t)buf_pins[i] - 1);
        buf_pins[i] = 0;
        frame_unpin_shared(&buf_frames[b]);
    }
    for (uint32_t i = 0; overflow_count && i <= overflow_mask; i++) {
        if (!overflow_words[i])
            continue;
        Buf b = (Buf)((uint32_t)overflow_words[i] - 1);
        overflow_words[i] = 0;
        overflow_count_set(overflow_count - 1);
        frame_unpin_shared(&buf_frames[b]);
    }
    pins_deep = 0;
}

bool
buf_release_dead(ProcSlot *slot)
{
    /* relaxed: the process is dead, and its parent has seen it */
    if (atomic_load_explicit(&slot->critical, memory_order_relaxed) != 0 || slot->lw_held_count != 0 ||
        atomic_load_explicit(&slot->buf_pins_beyond, memory_order_relaxed) != 0)
        return false;
    for (int i = 0; i < PIN_SETS * PIN_WAYS; i++) {
        uint64_t word = slot->buf_private[i];
        if (word == 0)
            continue;
        slot->buf_private[i] = 0;
        frame_unpin_shared(&buf_frames[(Buf)((uint32_t)word - 1)]);
    }
    return true;
}

/* ---- content locks ---- */

void
buf_lock(Buf b, LwMode mode)
{
    Frame *f = &buf_frames[b];

    ASSERT(pins_find(b));
    lw_acquire(&f->content, mode);
    if (mode == LW_EXCLUSIVE)
        version_open(f);
}

bool
buf_try_lock(Buf b, LwMode mode)
{
    Frame *f = &buf_frames[b];

    ASSERT(pins_find(b));
    if (!lw_try_acquire(&f->content, mode))
        return false;
    if (mode == LW_EXCLUSIVE)
        version_open(f);
    return true;
}

void
buf_unlock(Buf b)
{
    Frame *f = &buf_frames[b];
    version_close(f);
    lw_release(&f->content);
}

/* Only our own pin; a lookup in passing may count for a moment, which is a miss, not an error. */
static bool
only_my_pin(Buf b)
{
    const uint64_t *own = pins_find(b);

    ASSERT(own);
    /* acquire: the last reads of who has unpinned come before our changes */
    return *own >> 32 == 1 && state_pins(atomic_load_explicit(&buf_frames[b].state, memory_order_acquire)) == 1;
}

bool
buf_try_lock_cleanup(Buf b)
{
    if (!buf_try_lock(b, LW_EXCLUSIVE))
        return false;
    if (only_my_pin(b))
        return true;
    buf_unlock(b);
    return false;
}

void
buf_lock_cleanup(Buf b)
{
    Frame *f = &buf_frames[b];

    if (UNLIKELY(*pins_find(b) >> 32 != 1))
        PANIC("cleanup lock wanted on buffer %d, pinned more than once by this process", b);
    for (;;) {
        buf_lock(b, LW_EXCLUSIVE);
        /* acquire: read before the state is looked at, so that a wake in between changes it */
        uint32_t seq = atomic_load_explicit(&f->io_wait, memory_order_acquire);
        /* acquire: as in only_my_pin */
        uint64_t s = atomic_load_explicit(&f->state, memory_order_acquire);
        while (state_pins(s) > 1 && !(s & BUF_STATE_PIN_WAITER)) {
            /* acquire: a failure reloads as above */
            if (atomic_compare_exchange_weak_explicit(&f->state, &s, s | BUF_STATE_PIN_WAITER, memory_order_acquire, memory_order_acquire))
                break;
        }
        if (state_pins(s) == 1)
            return;
        buf_unlock(b);
        proc_wait_begin(WAIT_EVENT_BUFFER_PIN);
        wait_word_sleep(&f->io_wait, seq, 1000 * 1000);
        proc_wait_end();
    }
}

/* ---- reading without lock or pin ---- */

bool
buf_peek_begin(RelLocator r, ForkNo fork, BlockNo b, Buf hint, BufPeek *out)
{
    TagKey key = key_make(r, fork, b);
    Buf found = find_frame(&key, hint);

    if (UNLIKELY(found < 0))
        return false;
    Frame *f = &buf_frames[found];
    /* acquire: tag and page are read after; pairs with the release in version_close. The tag changes only
     * while the version is odd, so a tag that is not the page's is found out by buf_peek_valid at last. */
    uint64_t v = atomic_load_explicit(&f->version, memory_order_acquire);
    if (UNLIKELY((v & 1) || !key_is(&key, &f->tag)))
        return false;
    bump_usage(found);
    buf_stats.hit++;
    out->buf = found;
    out->version = v;
    return true;
}

bool
buf_peek_valid(const BufPeek *p)
{
    /* acquire fence: the page has been read before; pairs with the release fence in version_open */
    atomic_thread_fence(memory_order_acquire);
    /* relaxed: ordered by the fence */
    return atomic_load_explicit(&buf_frames[p->buf].version, memory_order_relaxed) == p->version;
}

uint64_t
buf_version_begin(Buf b)
{
    /* acquire: the page is read after; pairs with the release in buf_unlock */
    uint64_t v = atomic_load_explicit(&buf_frames[b].version, memory_order_acquire);
    return v & 1 ? 0 : v + 2; /* + 2: never 0 */
}

bool
buf_version_valid(Buf b, uint64_t version)
{
    /* acquire fence: the page has been read before; pairs with the release fence in version_open */
    atomic_thread_fence(memory_order_acquire);
    /* relaxed: ordered by the fence */
    return atomic_load_explicit(&buf_frames[b].version, memory_order_relaxed) + 2 == version;
}

/* ---- dirtying ---- */

/*
 * The bitmap may say "dirty" of a clean frame, never the reverse for longer than a moment inside the
 * dirtier's critical section: it sets the flag, then looks at the bit; the collector of a checkpoint
 * clears the bit, then looks at the flag. Sequential consistency lets at least one of them see the
 * other.
 */
void
frame_mark_dirty(Buf b)
{
    Frame *f = &buf_frames[b];
    const uint64_t both = BUF_STATE_DIRTY | BUF_STATE_JUST_DIRTIED;

    /* relaxed: the flags are cleared only with the content lock held (JUST_DIRTIED) or without
     * JUST_DIRTIED set (DIRTY), so they stay while we hold the lock exclusively */
    if ((atomic_load_explicit(&f->state, memory_order_relaxed) & both) == both)
        return;
    uint64_t old = atomic_fetch_or_explicit(&f->state, both, memory_order_seq_cst); /* see above */
    if (old & BUF_STATE_DIRTY)
        return;
    uint64_t bit = UINT64_C(1) << (b % 64);
    if (!(atomic_load_explicit(&buf_dirty_bits[b / 64], memory_order_seq_cst) & bit))     /* see above */
        atomic_fetch_or_explicit(&buf_dirty_bits[b / 64], bit, memory_order_seq_cst); /* see above */
    buf_stats.dirtied++;
}

void
buf_mark_dirty(Buf b)
{
    ASSERT(pins_find(b));
    ASSERT(lw_held_by_me(&buf_frames[b].content));
    frame_mark_dirty(b);
}

/*
 * Hint bits change under a shared lock. The HINT flag keeps apart those who set them (one at a time)
 * and the writer that copies the page out: the copy never has a hint whose page image is not logged
 * up to the page's LSN.
 */
bool
buf_hint_begin(Buf b)
{
    Frame *f = &buf_frames[b];
    /* relaxed: validated by the compare-and-swap */
    uint64_t s = atomic_load_explicit(&f->state, memory_order_relaxed);

    ASSERT(pins_find(b));
    if (wal_in_redo)
        return false;
    critical_enter(); /* until buf_hint_end: a writer would wait for a dead process */
    do {
        if (s & (BUF_STATE_HINT | BUF_STATE_IO)) {
            critical_leave();
            return false; /* hints may wait for the next visitor */
        }
        /* acquire: pairs with the release in buf_hint_end */
    } while (!atomic_compare_exchange_weak_explicit(&f->state, &s, s | BUF_STATE_HINT, memory_order_acquire, memory_order_relaxed));
    return true;
}

void
buf_hint_end(Buf b, bool changed)
{
    Frame *f = &buf_frames[b];

    /* relaxed: DIRTY cannot be cleared while HINT keeps writers off */
    if (changed && !(atomic_load_explicit(&f->state, memory_order_relaxed) & BUF_STATE_DIRTY)) {
        char *page = buf_page(b);
        wal_checkpoint_hold();
        Lsn lsn = wal_hint_image(f->tag.rel, (ForkNo)f->tag.fork, f->tag.block, page);
        if (lsn)
            page_set_lsn(page, lsn);
        frame_mark_dirty(b);
        wal_checkpoint_unhold();
    }
    /* release: the hints are visible before the writer that waits for the flag copies the page */
    atomic_fetch_and_explicit(&f->state, ~BUF_STATE_HINT, memory_order_release);
    critical_leave();
}

BlockNo
buf_block(Buf b)
{
    ASSERT(pins_find(b));
    return buf_frames[b].tag.block;
}

BufTag
buf_tag(Buf b)
{
    ASSERT(pins_find(b));
    return buf_frames[b].tag;
}
