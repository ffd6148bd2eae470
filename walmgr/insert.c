/*
 * Insertion: reserve with one fetch-add, patch, copy into the ring.
 *
 * The order of the stores to the process's bound is the whole protocol (README, rules 1 and 2):
 * "unknown" before the reservation, the start after it, idle after the copy.
 */
#include "walmgr/wal_internal.h"

#include <sched.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/base/crc32c.h"
#include "core/base/probe.h"
#include "core/file/page.h"

/* Copying is free below this; a stale value is only too low. Never kept across wal_positions_init. */
static Lsn room_limit;

static Lsn
current_room_limit(void)
{
    /* acquire: the writer has read the bytes we are about to overwrite; pairs with its release */
    Lsn w = atomic_load_explicit(&wal_shared->written, memory_order_acquire);
    return (w & ~(Lsn)(WAL_WRITE_BLOCK - 1)) + wal_ring_mask + 1;
}

static inline void
ring_copy(Lsn at, const char *from, uint64_t n)
{
    uint64_t offset = at & wal_ring_mask;
    uint64_t first = wal_ring_mask + 1 - offset;
    if (LIKELY(n <= first)) {
        memcpy(wal_ring + offset, from, n);
    } else {
        memcpy(wal_ring + offset, from, first);
        memcpy(wal_ring, from + first, n - first);
    }
}

/* Bytes up to `at` of our record are in the ring: lets the writer take them and makes room. */
static void
wait_for_room(Lsn at)
{
    /* release: publishes the bytes copied so far; pairs with wal_complete_end */
    atomic_store_explicit(wal_my_bound(), at, memory_order_release);
    wal_stats.buffers_full++;
    for (int round = 0; at >= (room_limit = current_room_limit()); round++) {
        /* Never sleep on the lock: its holder may be waiting for our copy (README, rule 2). */
        if (wal_lock_try(&wal_shared->write_lock)) {
            if (at >= current_room_limit())
                wal_write_complete();
            wal_lock_release(&wal_shared->write_lock);
        }
        if (round < 64)
            wal_cpu_relax();
        else if (round < 256)
            sched_yield(); /* the one that everybody waits for may need this processor */
        else
            nanosleep(&(struct timespec){0, 20000}, NULL); /* a segment is being made */
    }
}

static Lsn
copy_slowly(Lsn at, const char *from, uint64_t n)
{
    while (n > 0) {
        if (at >= room_limit)
            wait_for_room(at);
        uint64_t part = MIN(n, room_limit - at);
        ring_copy(at, from, part);
        at += part;
        from += part;
        n -= part;
    }
    return at;
}

static void
copy_record(const WalBuilt *b, Lsn start, Lsn end)
{
    static const char zeros[8];
    if (UNLIKELY(end > room_limit) && end > (room_limit = current_room_limit())) {
        Lsn at = copy_slowly(start, b->head, b->head_bytes);
        for (int i = 0; i < b->piece_count; i++)
            at = copy_slowly(at, b->pieces[i].p, b->pieces[i].n);
        copy_slowly(at, zeros, end - at);
        return;
    }
    if (LIKELY(b->piece_count == 0)) { /* the head is padded */
        char *to = wal_ring + (start & wal_ring_mask);
        if (LIKELY(to + (end - start) <= wal_ring + wal_ring_mask + 1)) {
            const volatile uint64_t *words = (const volatile uint64_t *)(void *)b->head;
            store_u64(to, words[0]); /* one by one, volatile against merging: see finish_header */
            store_u64(to + 8, words[1]);
            store_u64(to + 16, words[2]);
            memcpy(to + WAL_HEADER_BYTES, b->head + WAL_HEADER_BYTES, end - start - WAL_HEADER_BYTES);
        } else {
            ring_copy(start, b->head, end - start);
        }
        return;
    }
    ring_copy(start, b->head, b->head_bytes);
    Lsn at = start + b->head_bytes;
    for (int i = 0; i < b->piece_count; i++) {
        ring_copy(at, b->pieces[i].p, b->pieces[i].n);
        at += b->pieces[i].n;
    }
    ring_copy(at, zeros, end - at);
}

/* In whole words: the CRC's loads of words made of several stores would wait for these to reach the
 * cache (measured: some 10 ns). */
static inline void
finish_header(const WalBuilt *b, Lsn start)
{
    uint64_t *words = (uint64_t *)(void *)b->head;
    words[0] = start;
    words[1] = b->length;
    words[2] = b->identity;
    words[1] |= (uint64_t)crc32c_update(b->body_crc, words, WAL_HEADER_BYTES) << 32;
}

static void
check_ready(void)
{
    /* relaxed: set once, before any inserter is started */
    if (UNLIKELY(!atomic_load_explicit(&wal_shared->ready, memory_order_relaxed) || wal_in_redo))
        PANIC("cannot make new WAL entries during recovery");
}

Lsn
wal_insert(WalRmgr rmgr, uint8_t info, Lsn *start_out)
{
    WalBuilt b;
    _Atomic Lsn *bound = wal_my_bound();
    check_ready();
    critical_enter();
    WAL_RECORD_POINT("log", rmgr, info); /* the pages are changed, nothing is logged */
    wal_build(rmgr, info, &b);
    uint64_t bytes = WAL_ALIGN(b.length);

    /* relaxed: the release of the fetch_add carries it to whoever sees the reservation */
    atomic_store_explicit(bound, WAL_BOUND_UNKNOWN, memory_order_relaxed);
    /* release: see above, pairs with the acquire in wal_complete_end. acquire: a checkpoint that
     * reserves its redo record sees all that earlier inserters did before theirs. */
    Lsn start = atomic_fetch_add_explicit(&wal_shared->insert_pos, bytes, memory_order_acq_rel);
    /* relaxed: only makes the bound tighter */
    atomic_store_explicit(bound, start, memory_order_relaxed);
    if (b.head[WAL_HEADER_BYTES] != 0)
        wal_phase_end();
    FAULT_POINT("wal_reserved");
    finish_header(&b, start);
    copy_record(&b, start, start + bytes);
    /* release: the copied bytes are visible to the flusher that sees us idle */
    atomic_store_explicit(bound, WAL_BOUND_IDLE, memory_order_release);
    WAL_RECORD_POINT("logged", rmgr, info);
    critical_leave();

    PROBE4(wal_insert, start, b.length, rmgr, info);
    wal_stats.records++;
    wal_stats.bytes += b.length;
    if (start_out)
        *start_out = start;
    return start + bytes;
}

Lsn
wal_log_next_oid(Oid next)
{
    wal_begin();
    wal_add_data(&next, sizeof(next));
    return wal_insert(RMGR_XLOG, XLOG_NEXTOID, NULL);
}

Lsn
wal_log_restore_point(const char *name)
{
    WalRestorePoint p = {.time = clock_now()};
    memcpy(p.name, name, MIN(strlen(name), sizeof(p.name) - 1));
    wal_begin();
    wal_add_data(&p, sizeof(p));
    Lsn end = wal_insert(RMGR_XLOG, XLOG_RESTORE_POINT, NULL);
    wal_flush_to(end);
    LOG("restore point \"%s\" created at %s", p.name, lsn_text(end));
    return end;
}

Lsn
wal_hint_image(RelLocator r, ForkNo f, BlockNo b, const char *page)
{
    /* Others may set hint bits meanwhile, and the CRC must fit what is copied: work on a copy. */
    static char copy[PAGE_BYTES];
    Lsn rule = wal_current_rule();
    if (rule == WAL_RULE_NEVER || page_lsn(page) > rule)
        return 0;
    memcpy(copy, page, PAGE_BYTES);
    wal_begin();
    wal_add_block(0, r, f, b, copy, WAL_REF_STANDARD | WAL_REF_FORCE_IMAGE);
    return wal_insert(RMGR_XLOG, XLOG_FPI_FOR_HINT, NULL);
}

/*
 * Ends the current segment: the record is an ordinary one, but its reservation goes on to the
 * segment's end, so it needs a compare-and-swap loop instead of the fetch-add. The rest is zeros (an
 * archived segment then compresses to nothing).
 */
Lsn
wal_switch_segment(void)
{
    static const char zeros[8192];
    WalBuilt b;
    _Atomic Lsn *bound = wal_my_bound();
    check_ready();
    Lsn start = wal_insert_position(), record_end, end;
    critical_enter();
    wal_begin();
    wal_build(RMGR_XLOG, XLOG_SWITCH, &b);
    atomic_store_explicit(bound, WAL_BOUND_UNKNOWN, memory_order_relaxed); /* as in wal_insert */
    do {
        if (start % WAL_SEGMENT_BYTES == 0) { /* nothing in this segment yet */
            atomic_store_explicit(bound, WAL_BOUND_IDLE, memory_order_relaxed);
            critical_leave();
            return start;
        }
        record_end = start + WAL_ALIGN(b.length);
        end = ALIGN_UP(record_end, (Lsn)WAL_SEGMENT_BYTES);
        /* orders as in wal_insert */
    } while (!atomic_compare_exchange_weak_explicit(&wal_shared->insert_pos, &start, end,
                                                    memory_order_acq_rel, memory_order_relaxed));
    atomic_store_explicit(bound, start, memory_order_relaxed); /* as in wal_insert */
    finish_header(&b, start);
    room_limit = current_room_limit();
    copy_slowly(start, b.head, record_end - start);
    for (Lsn at = record_end; at < end;)
        at = copy_slowly(at, zeros, MIN(sizeof(zeros), end - at));
    atomic_store_explicit(bound, WAL_BOUND_IDLE, memory_order_release); /* as in wal_insert */
    critical_leave();
    wal_stats.records++;
    return record_end;
}

Lsn
wal_switch_and_flush(void)
{
    Lsn end = wal_switch_segment();
    wal_flush_to(ALIGN_UP(end, (Lsn)WAL_SEGMENT_BYTES));
    return end;
}

void
wal_positions_init(Lsn end, uint32_t timeline)
{
    WalShared *s = wal_shared;
    ASSERT(end % 8 == 0 && end >= WAL_START_LSN);
    room_limit = 0;
    /* relaxed throughout: no other process uses the log before `ready` */
    atomic_store_explicit(&s->timeline, timeline, memory_order_relaxed);
    atomic_store_explicit(&s->insert_pos, end, memory_order_relaxed);
    atomic_store_explicit(&s->written, end, memory_order_relaxed);
    atomic_store_explicit(&s->flushed, end, memory_order_relaxed);
    atomic_store_explicit(&s->flush_request, end, memory_order_relaxed);
    atomic_store_explicit(&s->sync_target, end, memory_order_relaxed);
    atomic_store_explicit(&s->async_lsn, 0, memory_order_relaxed);
    memset(wal_ring, 0, wal_ring_mask + 1);
    wal_segment_load_block(end);
    for (int i = 0; i < proc_slot_count; i++) /* slots never used before: not trusted to say idle */
        atomic_store_explicit(&proc_slots[i].wal_inserting_at, WAL_BOUND_IDLE, memory_order_relaxed);
}
