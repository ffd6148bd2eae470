/*
 * Transaction ids and what became of them: the ring of commit sequence numbers.
 *
 * One word per recent id in shared memory, read without a lock. An id's way:
 *
 *   0 --csn_assign--> IN_PROGRESS --set_committing--> COMMITTING --set_committed--> csn
 *                       |   SUB(top) --set_sub_committed-----------------------------^
 *                       +-------------- set_aborted --> ABORTED
 *
 * The ring is short; before a word is used again its old id is retired: its fate goes to the commit
 * log (which no commit ever touches otherwise), and a word that is undecided, or whose csn some
 * snapshot may still have to compare, is spilled to a file of words, pg_csn/, emptied at every
 * start.
 *
 * Readers (csn_read) load the word and then check that the id has not left the ring: the retirer
 * first moves ring_low past the batch, then clears the words, so a reader that saw a cleared or
 * reused word also sees the new ring_low (release/acquire on the word itself) and asks the slow
 * path, which waits on the spill lock until the batch is settled.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/file/io.h"
#include "core/txn/txn_internal.h"

#define SPILL_DIR "pg_csn"
#define SPILL_SEGMENT_WORDS (UINT64_C(1) << 20)

/* Committing went through the ring: only this process writes the word until it is decided. */
static bool committing_in_ring;

void
csn_wait_pause(int *round)
{
    if (++*round < 64) {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        __asm__ volatile("isb");
#endif
    } else if (*round < 256) {
        sched_yield();
    } else {
        usleep(50);
    }
}

/* ---- the spill files ---- */

static int
spill_open(Xid xid, bool create)
{
    static int fd = -1;
    static uint64_t fd_segment;
    static uint32_t fd_generation;
    uint64_t segment = xid / SPILL_SEGMENT_WORDS;
    /* relaxed: bumped under the spill lock, which we hold */
    uint32_t generation = atomic_load_explicit(&txn_shared->spill_generation, memory_order_relaxed);
    char path[64];

    if (fd >= 0 && (fd_segment != segment || fd_generation != generation)) {
        io_close(fd);
        fd = -1;
    }
    if (fd < 0) {
        snprintf(path, sizeof path, SPILL_DIR "/%08llX", (unsigned long long)segment);
        fd = io_open(path, O_RDWR | O_CLOEXEC | (create ? O_CREAT : 0), 0600);
        fd_segment = segment;
        fd_generation = generation;
    }
    return fd;
}

/* spill lock held exclusively */
static void
spill_write(Xid xid, uint64_t word)
{
    int fd = spill_open(xid, true);

    if (fd < 0 || !io_pwrite_all(fd, &word, 8, (off_t)(xid % SPILL_SEGMENT_WORDS) * 8))
        PANIC("could not write to \"" SPILL_DIR "\": %m");
    if (xid >= atomic_load_explicit(&txn_shared->spill_high, memory_order_relaxed))
        /* release: pairs with the acquire in csn_old_word; the word is in the file before */
        atomic_store_explicit(&txn_shared->spill_high, xid + 1, memory_order_release);
}

/* spill lock held; 0: not spilled */
static uint64_t
spill_read(Xid xid)
{
    int fd = spill_open(xid, false);
    uint64_t w = 0;

    if (fd < 0 && errno == ENOENT)
        return 0;
    /* "Not spilled" would send the reader to the commit log, which need not know yet: no guess here. */
    ssize_t got = fd < 0 ? -1 : io_pread_all(fd, &w, 8, (off_t)(xid % SPILL_SEGMENT_WORDS) * 8);
    if (got < 0)
        RAISE(err_sqlstate_of_errno(errno), "could not read from \"" SPILL_DIR "\": %m");
    return got == 8 ? w : 0;
}

/* Removes spill files; below = UINT64_MAX: all. */
static void
spill_remove(Xid below)
{
    DIR *d = opendir(SPILL_DIR);
    struct dirent *e;

    if (!d)
        return;
    while ((e = readdir(d)) != NULL) {
        char *end, path[300];
        uint64_t segment = strtoull(e->d_name, &end, 16);

        if (*end != 0 || end - e->d_name != 8)
            continue;
        if (below != UINT64_MAX && (segment + 1) * SPILL_SEGMENT_WORDS > below)
            continue;
        snprintf(path, sizeof path, SPILL_DIR "/%s", e->d_name);
        (void)io_unlink(path);
    }
    closedir(d);
}

void
csn_empty_spill(void)
{
    spill_remove(UINT64_MAX);
}

void
csn_trim_spill(Xid below)
{
    if (atomic_load_explicit(&txn_shared->spill_high, memory_order_relaxed) == 0)
        return;
    lw_acquire(&txn_shared->spill, LW_EXCLUSIVE);
    if (below >= atomic_load_explicit(&txn_shared->spill_high, memory_order_relaxed)) {
        /* Nothing spilled is needed any more: old ids are spared the look into the files. */
        spill_remove(UINT64_MAX);
        atomic_store_explicit(&txn_shared->spill_high, 0, memory_order_relaxed);
    } else {
        spill_remove(below);
    }
    atomic_fetch_add_explicit(&txn_shared->spill_generation, 1, memory_order_relaxed);
    lw_release(&txn_shared->spill);
}

/* ---- reading ---- */

static uint64_t
csn_old_word(Xid xid)
{
    TxnShared *t = txn_shared;
    uint64_t w = 0;

    /* acquire: if xid is not below retired_low its batch may be in work: wait for it on the lock */
    if (xid >= atomic_load_explicit(&t->retired_low, memory_order_acquire) ||
        xid < atomic_load_explicit(&t->spill_high, memory_order_acquire)) {
        bool mine =
            lw_held_by_me(&t->spill); /* the retirer resolves subtransactions of older ids */

        if (!mine)
            lw_acquire(&t->spill, LW_SHARED);
        w = spill_read(xid);
        if (!mine)
            lw_release(&t->spill);
        if (w != 0)
            return w;
    }
    /* Neither in the ring nor spilled: the commit log knows; no mark means lost in a crash. */
    return clog_get(xid) == CLOG_COMMITTED ? CSN_WORD(CSN_TAG_CSN, CSN_ANCIENT)
                                           : CSN_WORD(CSN_TAG_ABORTED, 0);
}

uint64_t
csn_read(Xid xid)
{
    /* acquire: pairs with the release stores of words; the check of ring_low must come after */
    uint64_t w = atomic_load_explicit(&csn_ring[xid & csn_ring_mask], memory_order_acquire);

    if (LIKELY(xid >= atomic_load_explicit(&txn_shared->ring_low, memory_order_relaxed)))
        return w;
    return csn_old_word(xid);
}

uint64_t
csn_resolve(Xid xid, bool wait_committing)
{
    int round = 0;

    for (;;) {
        uint64_t w = csn_read(xid);

        switch (CSN_GET_TAG(w)) {
        case CSN_TAG_SUB:
            xid = CSN_PAYLOAD(w);
            continue;
        case CSN_TAG_COMMITTING:
            if (!wait_committing)
                return w;
            csn_wait_pause(&round);
            continue;
        default:
            return w;
        }
    }
}

/* ---- giving out ids, retiring old ones ---- */

/* Takes one word out of the ring. Spins over COMMITTING: its owner alone may leave that state. */
static uint64_t
ring_take(Xid xid)
{
    _Atomic uint64_t *slot = &csn_ring[xid & csn_ring_mask];
    int round = 0;

    for (;;) {
        uint64_t w = atomic_load_explicit(slot, memory_order_acquire);

        if (CSN_GET_TAG(w) == CSN_TAG_COMMITTING) {
            csn_wait_pause(&round);
            continue;
        }
        /* release: whoever reads the 0 also reads the ring_low stored before */
        if (atomic_compare_exchange_weak_explicit(slot, &w, 0, memory_order_acq_rel,
                                                  memory_order_relaxed))
            return w;
    }
}

/* A word whose top transaction has been decided meanwhile is decided too. */
static uint64_t
word_settle(uint64_t w)
{
    if (CSN_GET_TAG(w) == CSN_TAG_SUB) {
        uint64_t r = csn_resolve(CSN_PAYLOAD(w), true);

        return csn_is_decided(r) ? r : w;
    }
    return w;
}

/* Moves the oldest batch of ids out of the ring. xid_gen held. */
static void
ring_retire(void)
{
    TxnShared *t = txn_shared;
    Xid lo = atomic_load_explicit(&t->ring_low, memory_order_relaxed);
    unsigned batch = (unsigned)MIN((uint64_t)CSN_RETIRE_BATCH, (csn_ring_mask + 1) / 2);
    uint8_t statuses[CSN_RETIRE_BATCH];
    Lsn horizon = horizon_compute(), lsn = 0;

    lw_acquire(&t->spill, LW_EXCLUSIVE);
    /* release: pairs with the relaxed load in csn_read that follows an acquire of a cleared word */
    atomic_store_explicit(&t->ring_low, lo + batch, memory_order_release);
    atomic_thread_fence(memory_order_seq_cst); /* ring_low before the words are taken */
    for (unsigned i = 0; i < batch; i++) {
        uint64_t w = word_settle(ring_take(lo + i));

        statuses[i] = CLOG_NONE;
        if (!csn_is_decided(w)) {
            if (w != 0)
                spill_write(lo + i, w);
        } else if (CSN_GET_TAG(w) == CSN_TAG_ABORTED) {
            statuses[i] = CLOG_ABORTED;
        } else {
            statuses[i] = CLOG_COMMITTED;
            lsn = MAX(lsn, CSN_PAYLOAD(w));
            if (CSN_PAYLOAD(w) > horizon)
                spill_write(lo + i, w);
        }
    }
    clog_set_range(lo, statuses, (int)batch, lsn);
    atomic_store_explicit(&t->retired_low, lo + batch, memory_order_release);
    lw_release(&t->spill);
    /* release: the cleared words are there before anybody may fill them */
    atomic_store_explicit(&t->ring_limit, lo + batch + csn_ring_mask + 1, memory_order_release);
}

Xid
csn_assign(Xid top)
{
    TxnShared *t = txn_shared;
    /* relaxed: uniqueness is all that is needed; the word below publishes the id's state */
    Xid xid = atomic_fetch_add_explicit(&t->next_xid, 1, memory_order_relaxed);

    if (UNLIKELY(xid >= XID_MASK_48 - 1))
        PANIC("transaction ids are used up");
    while (UNLIKELY(xid >= atomic_load_explicit(&t->ring_limit, memory_order_acquire))) {
        lw_acquire(&t->xid_gen, LW_EXCLUSIVE);
        if (xid >= atomic_load_explicit(&t->ring_limit, memory_order_relaxed))
            ring_retire();
        lw_release(&t->xid_gen);
    }
    /* release: pairs with csn_read's acquire. Nobody can have met the id before it is on a tuple.
     */
    atomic_store_explicit(&csn_ring[xid & csn_ring_mask],
                          top ? CSN_WORD(CSN_TAG_SUB, top) : CSN_WORD(CSN_TAG_IN_PROGRESS, xid),
                          memory_order_release);
    return xid;
}

/* ---- deciding ---- */

/* Replaces `expected` by `word` in the ring, or writes the spilled word. True: in the ring. */
static bool
word_change(Xid xid, uint64_t expected, uint64_t word, Lsn clog_lsn, ClogStatus st)
{
    TxnShared *t = txn_shared;

    if (xid >= atomic_load_explicit(&t->ring_low, memory_order_relaxed)) {
        /* seq_cst: for COMMITTING the store must precede the reservation of the log record */
        if (atomic_compare_exchange_strong_explicit(&csn_ring[xid & csn_ring_mask], &expected, word,
                                                    memory_order_seq_cst, memory_order_relaxed))
            return true;
    }
    /* Not there: retired. A mismatch within the ring cannot be, the word is its owner's. */
    lw_acquire(&t->spill, LW_EXCLUSIVE);
    spill_write(xid, word);
    if (st != CLOG_NONE)
        clog_set(xid, st, clog_lsn);
    lw_release(&t->spill);
    return false;
}

void
csn_set_committing(Xid xid)
{
    /* The commit record will end beyond what is reserved now, so older snapshots need not wait. */
    committing_in_ring =
        word_change(xid, CSN_WORD(CSN_TAG_IN_PROGRESS, xid),
                    CSN_WORD(CSN_TAG_COMMITTING, wal_insert_position()), 0, CLOG_NONE);
    atomic_thread_fence(
        memory_order_seq_cst); /* pairs with the fence in csn_set_committed of later commits */
}

void
csn_set_committed(Xid xid, Lsn csn)
{
    /* Whoever takes this csn as its snapshot must see COMMITTING (or later) of all records before.
     */
    atomic_thread_fence(memory_order_seq_cst);
    if (LIKELY(committing_in_ring)) {
        /* release: publishes all the transaction did; pairs with csn_read */
        atomic_store_explicit(&csn_ring[xid & csn_ring_mask], CSN_WORD(CSN_TAG_CSN, csn),
                              memory_order_release);
        return;
    }
    lw_acquire(&txn_shared->spill, LW_EXCLUSIVE);
    spill_write(xid, CSN_WORD(CSN_TAG_CSN, csn));
    clog_set(xid, CLOG_COMMITTED, csn);
    lw_release(&txn_shared->spill);
}

void
csn_set_sub_committed(Xid sub, Xid top, Lsn csn)
{
    (void)word_change(sub, CSN_WORD(CSN_TAG_SUB, top), CSN_WORD(CSN_TAG_CSN, csn), csn,
                      CLOG_COMMITTED);
}

void
csn_set_aborted(Xid xid, Xid top)
{
    uint64_t was = top ? CSN_WORD(CSN_TAG_SUB, top) : CSN_WORD(CSN_TAG_IN_PROGRESS, xid);

    (void)word_change(xid, was, CSN_WORD(CSN_TAG_ABORTED, 0), 0, CLOG_ABORTED);
}

/* ---- the decided prefix ---- */

/*
 * decided_xid is the oldest undecided id. Whoever decides an id calls this after its store; the
 * fences make sure that of "my word is decided" and "the cursor has reached my word" at least one
 * process sees both, so the cursor never stops before a decided word.
 */
void
csn_decided_advance(void)
{
    TxnShared *t = txn_shared;

    for (;;) {
        Xid x;
        Lsn m;

        atomic_thread_fence(memory_order_seq_cst);
        x = atomic_load_explicit(&t->decided_xid, memory_order_acquire);
        if (x >= atomic_load_explicit(&t->next_xid, memory_order_relaxed) ||
            !csn_is_decided(csn_resolve(x, false)))
            return;
        /* acquire: pairs with the release below of the previous holder */
        if (atomic_exchange_explicit(&t->decided_busy, 1, memory_order_acquire) != 0)
            return;
        x = atomic_load_explicit(&t->decided_xid, memory_order_relaxed);
        m = atomic_load_explicit(&t->decided_lsn, memory_order_relaxed);
        while (x < atomic_load_explicit(&t->next_xid, memory_order_relaxed)) {
            uint64_t w = csn_resolve(x, false);

            if (!csn_is_decided(w))
                break;
            if (CSN_GET_TAG(w) == CSN_TAG_CSN && CSN_PAYLOAD(w) > m)
                m = CSN_PAYLOAD(w);
            x++;
        }
        /* lsn first: a reader that takes xid, then lsn, gets a bound that is not too low */
        atomic_store_explicit(&t->decided_lsn, m, memory_order_release);
        atomic_store_explicit(&t->decided_xid, x, memory_order_release);
        atomic_store_explicit(&t->decided_busy, 0, memory_order_release);
    }
}

/* ---- start and checkpoint ---- */

void
csn_recovered(Xid next_xid, Xid decided)
{
    TxnShared *t = txn_shared;

    for (uint64_t i = 0; i <= csn_ring_mask; i++)
        atomic_store_explicit(&csn_ring[i], 0, memory_order_relaxed);
    atomic_store_explicit(&t->next_xid, next_xid, memory_order_relaxed);
    atomic_store_explicit(&t->ring_low, next_xid, memory_order_relaxed);
    atomic_store_explicit(&t->retired_low, next_xid, memory_order_relaxed);
    atomic_store_explicit(&t->decided_xid, decided, memory_order_relaxed);
    atomic_store_explicit(&t->decided_lsn, 0, memory_order_relaxed);
    t->clog_synced = decided;
    t->settled_xid = decided;
    atomic_store_explicit(&t->ring_limit, next_xid + csn_ring_mask + 1, memory_order_release);
}

void
csn_spill_in_progress(Xid xid, uint64_t word)
{
    lw_acquire(&txn_shared->spill, LW_EXCLUSIVE);
    spill_write(xid, word);
    lw_release(&txn_shared->spill);
}

/*
 * Checkpoint: every transaction whose commit record lies before the redo point gets its bits. It
 * set COMMITTING before it reserved that record, so here it is at least COMMITTING: wait for it.
 */
void
csn_sync_clog(void)
{
    TxnShared *t = txn_shared;
    uint8_t statuses[CSN_RETIRE_BATCH];
    Xid x, end, first_open = 0;

    lw_acquire(&t->clog_sync, LW_EXCLUSIVE);
    atomic_thread_fence(memory_order_seq_cst); /* after the redo point was set by this process */
    x = t->clog_synced;
    end = atomic_load_explicit(&t->next_xid, memory_order_relaxed);
    while (x < end) {
        int n = (int)MIN((uint64_t)CSN_RETIRE_BATCH, end - x);
        Lsn lsn = 0;

        for (int i = 0; i < n; i++) {
            uint64_t w = csn_resolve(x + (Xid)i, true);

            statuses[i] = CLOG_NONE;
            if (!csn_is_decided(w)) {
                if (first_open == 0)
                    first_open = x + (Xid)i;
            } else if (CSN_GET_TAG(w) == CSN_TAG_ABORTED) {
                statuses[i] = CLOG_ABORTED;
            } else {
                statuses[i] = CLOG_COMMITTED;
                lsn = MAX(lsn, CSN_PAYLOAD(w));
            }
        }
        clog_set_range(x, statuses, n, lsn);
        x += (Xid)n;
    }
    t->clog_synced = first_open ? first_open : end;
    lw_release(&t->clog_sync);
}
