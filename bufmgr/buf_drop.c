/*
 * Whole relations and databases: dropping their frames, writing them out.
 */
#include <sched.h>

#include "bufmgr/buf_internal.h"

/*
 * Takes the frame from its page, unwritten. Nobody reads the relation any more, so a pin can only be
 * the background writer's or the checkpointer's: it goes away by itself.
 */
static void
drop_frame(Buf b, const BufTag *tag)
{
    Frame *f = &buf_frames[b];
    uint64_t hash = tag_hash(tag);
    LwLock *partition = partition_lock(hash);

    ASSERT(!pins_find(b));
    for (;;) {
        bool gone = false;
        lw_acquire(partition, LW_EXCLUSIVE);
        /* relaxed: validated by the compare-and-swap */
        uint64_t s = atomic_load_explicit(&f->state, memory_order_relaxed);
        if (!(s & BUF_STATE_TAG_VALID) || !tags_equal(&f->tag, tag)) {
            gone = true;
        } else if (state_pins(s) == 0 && !(s & BUF_STATE_IO) &&
                   /* acquire: pairs with the release of the last unpin */
                   atomic_compare_exchange_strong_explicit(&f->state, &s, s & ~BUF_STATE_FLAGS, memory_order_acquire, memory_order_relaxed)) {
            version_open(f);
            table_delete(hash, b);
            buf_usage[b] = 0;
            gone = true;
        }
        lw_release(partition);
        if (gone)
            return;
        if (s & BUF_STATE_IO)
            frame_wait_io(f);
        else
            sched_yield();
    }
}

/* A look at the frame's tag that needs no pin: false if it has none. A concurrent change of the tag is
 * found out by who acts on it. */
static inline bool
peek_tag(Buf b, BufTag *tag)
{
    /* acquire: the tag is read after */
    if (!(atomic_load_explicit(&buf_frames[b].state, memory_order_acquire) & BUF_STATE_TAG_VALID))
        return false;
    *tag = buf_frames[b].tag;
    return true;
}

static bool
drop_wanted(const BufTag *t, RelLocator r, BlockNo first_block)
{
    if (!rel_locator_equal(t->rel, r))
        return false;
    return t->fork == FORK_MAIN ? t->block >= first_block : first_block == 0;
}

/* Small relations of known size: looking their blocks up beats walking all frames. */
static bool
drop_by_lookup(RelLocator r, BlockNo first_block)
{
    BlockNo sizes[FORK_COUNT] = {0};
    uint64_t total = 0;
    int forks = first_block == 0 ? FORK_COUNT : 1;

    for (int f = 0; f < forks; f++) {
        if (!size_cached(r, (ForkNo)f, &sizes[f])) {
            if (f == FORK_MAIN || relfile_exists(r, (ForkNo)f))
                return false;
            sizes[f] = 0;
        }
        total += sizes[f];
    }
    if (total >= buf_frame_count / 32)
        return false;
    for (int f = 0; f < forks; f++)
        for (BlockNo block = f == FORK_MAIN ? first_block : 0; block < sizes[f]; block++) {
            BufTag tag = tag_make(r, (ForkNo)f, block);
            uint64_t hash = tag_hash(&tag);
            LwLock *partition = partition_lock(hash);
            lw_acquire(partition, LW_SHARED); /* exact: a lookup without may miss a bucket in change */
            Buf b = table_lookup(hash, &tag);
            lw_release(partition);
            if (b >= 0)
                drop_frame(b, &tag);
        }
    return true;
}

void
buf_drop_relation(RelLocator r, BlockNo first_block)
{
    if (!drop_by_lookup(r, first_block)) {
        for (Buf b = 0; b < (Buf)buf_frame_count; b++) {
            BufTag tag;
            if (peek_tag(b, &tag) && drop_wanted(&tag, r, first_block))
                drop_frame(b, &tag);
        }
    }
    size_forget(r);
}

void
buf_drop_database(Oid db)
{
    for (Buf b = 0; b < (Buf)buf_frame_count; b++) {
        BufTag tag;
        if (peek_tag(b, &tag) && tag.rel.db == db)
            drop_frame(b, &tag);
    }
    size_forget_database(db);
}

/* Writes the dirty frames that match; whoever could dirty more is kept off by the caller's lock. */
static ErrCode
flush_matching(const RelLocator *r, Oid db)
{
    for (Buf b = 0; b < (Buf)buf_frame_count; b++) {
        BufTag tag;
        uint64_t state;
        bool written;
        if (!peek_tag(b, &tag) || (r ? !rel_locator_equal(tag.rel, *r) : tag.rel.db != db))
            continue;
        if (!frame_pin_if(b, &tag, false, &state))
            continue;
        ErrCode rc = ERR_OK;
        if (state & BUF_STATE_DIRTY)
            rc = frame_flush(b, FLUSH_WAIT, &written);
        else if (state & BUF_STATE_IO)
            frame_wait_io(&buf_frames[b]);
        buf_unpin(b);
        if (rc != ERR_OK)
            return rc;
    }
    return ERR_OK;
}

ErrCode
buf_flush_relation(RelLocator r)
{
    return flush_matching(&r, OID_INVALID);
}

ErrCode
buf_flush_database(Oid db)
{
    return flush_matching(NULL, db);
}
