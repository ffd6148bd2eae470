/*
 * Writing the ring to the segments and making it durable: group commit.
 *
 * Two locks. The write lock covers pwrite and the `written` position; an inserter that lacks room takes
 * it too, so it is never held over a sync. The sync lock makes its holder the leader: it writes all
 * that is complete, syncs once, and serves everybody whose target lies below. Who comes meanwhile
 * sleeps; see README, rule 8, for who is woken when. The sleeping words are four in turn so that the
 * end of a sync does not wake those who need the next one, except for its new leader.
 *
 * Source: group commit as in DeWitt et al. 1984; the leader hand-over follows InnoDB's idea.
 */
#include "walmgr/wal_internal.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/probe.h"
#include "core/file/relfile.h"

void (*wal_flushed_hook)(Lsn flushed);

/* Pauses spent hoping that copies in progress end, so that one more commit rides along. */
#define COPY_SPINS 200
/* A lost wake-up cannot happen (rule 8); this is the belt to those braces. */
#define FOLLOWER_SLEEP_US 20000

Lsn
wal_flushed(void)
{
    /* acquire: pairs with the release in publish_flushed */
    return atomic_load_explicit(&wal_shared->flushed, memory_order_acquire);
}

static Lsn
written(void)
{
    /* relaxed: callers hold the write lock, or only want a lower bound */
    return atomic_load_explicit(&wal_shared->written, memory_order_relaxed);
}

static void
raise_lsn(_Atomic Lsn *word, Lsn to)
{
    /* relaxed: a hint to the leader; a missed one is caught when its owner leads */
    Lsn now = atomic_load_explicit(word, memory_order_relaxed);
    while (now < to && !atomic_compare_exchange_weak_explicit(word, &now, to, memory_order_relaxed,
                                                              memory_order_relaxed))
        ;
}

Lsn
wal_complete_end(void)
{
    /* acquire: with this position comes every bound stored before a reservation it covers (rule 1) */
    Lsn end = atomic_load_explicit(&wal_shared->insert_pos, memory_order_acquire);
    for (int i = 0; i < proc_slot_count; i++) {
        /* acquire: an idle bound means that the copied bytes are visible */
        Lsn bound = atomic_load_explicit(&proc_slots[i].wal_inserting_at, memory_order_acquire);
        if (bound != 0 && bound < end)
            end = bound;
    }
    Lsn spare = atomic_load_explicit(&wal_shared->spare_inserting_at, memory_order_acquire); /* same */
    if (spare != 0 && spare < end)
        end = spare;
    Lsn known = written();
    return MAX(end, known);
}

/* After a segment is full: tell the checkpointer if the log has grown enough. */
static void
segment_filled(uint64_t segment)
{
    if (wal_checkpoint_size_due(segment + 1))
        wal_request_checkpoint(CHECKPOINT_CAUSE_XLOG);
}

static void
write_to(Lsn end)
{
    Lsn at = written();
    uint64_t began = clock_monotonic_us();
    while (at < end) {
        Lsn first = at & ~(Lsn)(WAL_WRITE_BLOCK - 1);
        Lsn segment_end = ALIGN_UP(at + 1, (Lsn)WAL_SEGMENT_BYTES);
        Lsn part = MIN(end, segment_end);
        Lsn last = ALIGN_UP(part, (Lsn)WAL_WRITE_BLOCK);
        uint64_t offset = first & wal_ring_mask;
        if (last - first > wal_ring_mask + 1 - offset) { /* wraps: this part to the ring's end */
            last = first + (wal_ring_mask + 1 - offset);
            part = last;
        }
        FAULT_POINT("wal_before_write");
        wal_segment_write(first, wal_ring + offset, last - first);
        FAULT_POINT("wal_after_write");
        wal_stats.write_count++;
        at = part;
        /* release: the ring's bytes below have been read; pairs with current_room_limit in insert.c */
        atomic_store_explicit(&wal_shared->written, at, memory_order_release);
        if (at == segment_end)
            segment_filled(wal_segment_of(at) - 1);
    }
    wal_stats.write_us += clock_monotonic_us() - began;
}

void
wal_write_complete(void)
{
    Lsn end = wal_complete_end();
    if (end > written())
        write_to(end);
}

/* Writes at least to `must`, and to `want` if the copies in between end soon. *wrote_from: where the
 * part begins that this process has written itself. */
static Lsn
write_until(Lsn must, Lsn want, Lsn *wrote_from)
{
    wal_lock_take(&wal_shared->write_lock, WAL_WAIT_WRITE_LOCK);
    *wrote_from = written();
    for (int spin = 0; spin < COPY_SPINS && wal_complete_end() < want; spin++)
        wal_cpu_relax();
    for (int round = 0;; round++) {
        wal_write_complete(); /* also what is short of the target: it may be what makes room */
        if (written() >= must)
            break;
        if (round > 100)
            sched_yield(); /* an inserter was preempted in its copy */
        else
            wal_cpu_relax();
    }
    Lsn end = written();
    wal_lock_release(&wal_shared->write_lock);
    return end;
}

/*
 * A segment gets its name by a rename, which is durable only when the directory is. Whoever renamed it syncs the
 * directory, but may not have come so far (or have died) when another process finds the file under its name, writes
 * into it and flushes: without a sync of its own a loss of power would leave the commits in a file of another name.
 */
static void
sync_names(uint64_t last)
{
    if (LIKELY(wal_shared->named_segment >= last))
        return;
    if (file_sync_dir(WAL_DIR) != ERR_OK)
        PANIC("could not fsync directory \"%s\": %m", WAL_DIR);
    wal_shared->named_segment = last;
}

/* With the open_* methods a write is durable at once, but only what this process wrote: another one
 * may not have heard yet that the setting has changed. */
static void
sync_range(Lsn from, Lsn to, Lsn wrote_from)
{
    bool by_open = wal_sync_method == WAL_SYNC_OPEN || wal_sync_method == WAL_SYNC_OPEN_DSYNC;
    if (!enable_fsync)
        return;
    sync_names(wal_segment_of(to - 1));
    if (by_open && wrote_from <= from)
        return;
    uint64_t began = clock_monotonic_us();
    PROBE2(wal_sync_start, from, to);
    proc_wait_begin(WAL_WAIT_SYNC);
    for (uint64_t s = wal_segment_of(from); s <= wal_segment_of(to - 1); s++) {
        wal_segment_sync(s);
        wal_stats.sync_count++;
    }
    proc_wait_end();
    PROBE2(wal_sync_end, from, to);
    wal_stats.sync_us += clock_monotonic_us() - began;
}

static bool
enough_siblings(void)
{
    int active = 0;
    for (int i = 0; i < proc_slot_count && active < commit_siblings; i++) {
        /* relaxed: a guess */
        if (&proc_slots[i] != proc_self &&
            atomic_load_explicit(&proc_slots[i].xid, memory_order_relaxed) != 0)
            active++;
    }
    return active >= commit_siblings;
}

static void
publish_flushed(Lsn from, Lsn end)
{
    /* release: pairs with the acquire in wal_flushed */
    atomic_store_explicit(&wal_shared->flushed, end, memory_order_release);
    wal_senders_wake();
    if (wal_flushed_hook)
        wal_flushed_hook(end);
    for (uint64_t s = wal_segment_of(from); s < wal_segment_of(end); s++) {
        wal_archive_segment_filled(s, wal_timeline());
        if (wal_segment_done_hook)
            wal_segment_done_hook(s, wal_timeline());
    }
}

/* The leader's work; the sync lock is held. */
static void
flush_as_leader(Lsn target)
{
    if (commit_delay_us > 0 && enable_fsync && enough_siblings()) {
        struct timespec pause = {0, commit_delay_us * 1000L};
        nanosleep(&pause, NULL);
    }
    Lsn from = wal_flushed();
    /* relaxed: see raise_lsn */
    Lsn want = atomic_load_explicit(&wal_shared->flush_request, memory_order_relaxed);
    Lsn wrote_from, end = write_until(target, MAX(want, target), &wrote_from);
    if (end <= from)
        return;
    /* release: pairs with choose_word; a stale value only means a needless second look */
    atomic_store_explicit(&wal_shared->sync_target, end, memory_order_release);
    FAULT_POINT("wal_before_sync");
    sync_range(from, end, wrote_from);
    FAULT_POINT("wal_after_sync");
    publish_flushed(from, end);
    FAULT_POINT("wal_flush_published");
}

static void
bump_and_wake(SyncWord *w, int count)
{
    /* seq_cst: a sleeper counted itself before its futex call; either we see the count, or its call
     * sees the new value */
    atomic_fetch_add_explicit(&w->word, 1, memory_order_seq_cst);
    if (atomic_load_explicit(&w->sleepers, memory_order_seq_cst) > 0)
        wait_word_wake(&w->word, count);
}

static void
end_leadership(void)
{
    WalShared *s = wal_shared;
    /* release: after the store to flushed; pairs with choose_word */
    uint32_t n = atomic_fetch_add_explicit(&s->sync_number, 1, memory_order_acq_rel);
    bump_and_wake(&s->sync_words[n % SYNC_WORDS], INT_MAX);
    wal_lock_release(&s->sync_lock);
    bump_and_wake(&s->sync_words[(n + 1) % SYNC_WORDS], 1); /* unlocked: it can lead at once */
}

/* The word on which a flusher of `lsn` waits: of the sync in flight if it covers lsn, else the next. */
static SyncWord *
choose_word(Lsn lsn, uint32_t *number, bool *is_next)
{
    WalShared *s = wal_shared;
    /* acquire: pair with the leader's stores; the caller looks again at sync_number afterwards */
    uint32_t n = atomic_load_explicit(&s->sync_number, memory_order_acquire);
    *is_next = atomic_load_explicit(&s->sync_target, memory_order_acquire) < lsn;
    *number = n;
    return &s->sync_words[(*is_next ? n + 1 : n) % SYNC_WORDS];
}

static void
sleep_on(SyncWord *w, uint32_t value, Lsn lsn)
{
    if (proc_self) /* relaxed: observers only */
        atomic_store_explicit(&proc_self->wal_waiting_for, lsn, memory_order_relaxed);
    proc_wait_begin(WAL_WAIT_WRITE_LOCK);
    atomic_fetch_add_explicit(&w->sleepers, 1, memory_order_seq_cst); /* see bump_and_wake */
    wait_word_sleep(&w->word, value, FOLLOWER_SLEEP_US);
    atomic_fetch_sub_explicit(&w->sleepers, 1, memory_order_relaxed); /* only a count */
    proc_wait_end();
    if (proc_self)
        atomic_store_explicit(&proc_self->wal_waiting_for, 0, memory_order_relaxed);
}

static void
flush_slowly(Lsn lsn)
{
    WalShared *s = wal_shared;
    SyncWord *slept_next = NULL;
    raise_lsn(&s->flush_request, lsn);
    while (wal_flushed() < lsn) {
        uint32_t number, value;
        bool is_next;
        SyncWord *w = choose_word(lsn, &number, &is_next);
        value = atomic_load_explicit(&w->word, memory_order_acquire); /* before the last looks */
        if (wal_lock_try(&s->sync_lock)) {
            if (wal_flushed() < lsn)
                flush_as_leader(lsn);
            end_leadership();
            return;
        }
        if (wal_flushed() >= lsn)
            break;
        /* acquire: pairs with end_leadership */
        if (atomic_load_explicit(&s->sync_number, memory_order_acquire) != number)
            continue;
        sleep_on(w, value, lsn);
        if (is_next)
            slept_next = w;
    }
    /* We may have been the one woken to lead: pass it on. */
    if (slept_next && atomic_load_explicit(&slept_next->sleepers, memory_order_relaxed) > 0)
        wait_word_wake(&slept_next->word, 1);
}

void
wal_flush_to(Lsn lsn)
{
    if (UNLIKELY(wal_in_redo)) {
        wal_note_page_write(lsn);
        return; /* what is replayed came from the files, which were synced before */
    }
    if (LIKELY(wal_flushed() >= lsn))
        return;
    Lsn reserved = wal_insert_position();
    if (UNLIKELY(lsn > reserved)) {
        /* A damaged page's LSN: must not take the instance down. */
        REPORT(LEVEL_WARNING, SQLSTATE_INTERNAL_ERROR,
               err_message("xlog flush request %s is not satisfied --- flushed only to %s", lsn_text(lsn),
                           lsn_text(reserved)));
        lsn = reserved;
    }
    PROBE1(wal_flush_start, lsn);
    flush_slowly(lsn);
    PROBE1(wal_flush_end, lsn);
}

/* ---- asynchronous commit and the walwriter ---- */

static void
wake_walwriter(void)
{
    /* relaxed: set once by the walwriter */
    uint32_t slot = atomic_load_explicit(&wal_shared->walwriter_slot, memory_order_relaxed);
    if (slot)
        latch_set(&proc_slots[slot - 1].latch);
}

void
wal_flush_async_hint(Lsn lsn)
{
    WalShared *s = wal_shared;
    raise_lsn(&s->async_lsn, lsn);
    Lsn flushed = wal_flushed();
    bool much = wal_writer_flush_after_blocks > 0 && lsn > flushed &&
                lsn - flushed >= (uint64_t)wal_writer_flush_after_blocks * 8192;
    /* seq_cst: pairs with the store in wal_background_flush; it sees async_lsn or we see it idle */
    if (much || (atomic_load_explicit(&s->walwriter_idle, memory_order_seq_cst) &&
                 atomic_exchange_explicit(&s->walwriter_idle, 0, memory_order_relaxed)))
        wake_walwriter();
}

bool
wal_background_flush(void)
{
    WalShared *s = wal_shared;
    if (!atomic_load_explicit(&s->ready, memory_order_acquire)) /* pairs with wal_startup's end */
        return false;
    if (proc_self) /* relaxed: read by wake_walwriter at any later time */
        atomic_store_explicit(&s->walwriter_slot, proc_self->index + 1, memory_order_relaxed);
    Lsn end = wal_complete_end();
    if (end <= wal_flushed()) {
        atomic_store_explicit(&s->walwriter_idle, 1, memory_order_seq_cst); /* see wal_flush_async_hint */
        if (wal_complete_end() <= wal_flushed())
            return false;
    }
    atomic_store_explicit(&s->walwriter_idle, 0, memory_order_relaxed);
    flush_slowly(MIN(MAX(end, wal_flushed()), wal_insert_position()));
    /* Have the next segment ready before somebody needs it with the write lock held. */
    if (end % WAL_SEGMENT_BYTES > WAL_SEGMENT_BYTES / 4)
        wal_segment_preallocate(wal_segment_of(end) + 1);
    return true;
}
