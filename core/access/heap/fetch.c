/*
 * One row by its address: index scans come here.
 *
 * The address names the root of a HOT chain: a normal line, or a redirect to one. The walk follows
 * ctid inside the page while each version's xmin is the previous one's xmax, to the first that the
 * snapshot sees. A chain none of whose members anybody can see any more is reported, so that the
 * index entry can be marked dead.
 */
#include "core/access/heap/heap_internal.h"

static inline __attribute__((always_inline)) bool
chain_walk(Buf buf, ItemPtr tid, const Snapshot *s, Tuple *out, bool *all_dead)
{
    char *page = buf_page(buf);
    OffsetNo off = tid.off;
    Xid prev_xmax = XID_INVALID;
    bool first = true, dead = true;
    Lsn horizon = 0;

    for (;;) {
        LinePtr lp;
        char *t;
        uint16_t flags;

        if (off < OFFSET_FIRST || off > page_line_count(page))
            break;
        lp = page_line(page, off);
        if (LINE_STATE(lp) != LINE_NORMAL) {
            if (LINE_STATE(lp) == LINE_REDIRECT && first) {
                off = (OffsetNo)LINE_OFFSET(lp);
                first = false;
                continue;
            }
            break;
        }
        t = page_item(page, lp);
        flags = tuple_flags(t);
        if (first && (flags & HEAP_HEAP_ONLY))
            break; /* the entry is stale: its line was reused */
        if (prev_xmax != XID_INVALID && prev_xmax != tuple_xmin(t))
            break;
        if (tuple_visible(t, s, buf)) {
            out->bytes = t;
            out->size = LINE_LENGTH(lp);
            out->tid = (ItemPtr){tid.block, off};
            if (all_dead)
                *all_dead = false;
            return true;
        }
        if (all_dead && dead) {
            if (horizon == 0)
                horizon = horizon_lsn_cached();
            dead = tuple_surely_dead(t, horizon);
        }
        flags = tuple_flags(t);
        if (!(flags & HEAP_HOT_UPDATED) || (flags & (HEAP_XMAX_INVALID | HEAP_XMAX_LOCK_ONLY)))
            break;
        prev_xmax = tuple_update_xid(t);
        off = tuple_ctid(t).off;
        first = false;
    }
    if (all_dead)
        *all_dead = dead;
    return false;
}

/* The page of tid, pinned in *buf (which may hold another one) and locked shared. */
static inline __attribute__((always_inline)) Buf
fetch_page(HeapRel *rel, ItemPtr tid, const Snapshot *s, Buf *buf)
{
    Buf b = *buf;

    if (b == BUF_INVALID || buf_block(b) != tid.block) {
        CountIo io = count_io_begin();

        if (b != BUF_INVALID)
            rbuf_unpin(b);
        *buf = BUF_INVALID;
        *buf = b = heap_read_shared(rel, tid.block, NULL, s->kind == SNAPSHOT_MVCC);
        count_io_end(count_heap(rel), io);
    } else {
        buf_lock(b, LW_SHARED);
    }
    return b;
}

/* With a serializable snapshot. Apart, and entered by a tail call, so that the others do not pay for it. */
__attribute__((noinline)) static bool
fetch_next_tracked(HeapRel *rel, ItemPtr tid, const Snapshot *s, Buf *buf, Tuple *out, bool *all_dead)
{
    Buf b = fetch_page(rel, tid, s, buf);
    Snapshot plain;
    bool found;

    if (!heap_tracks_reads(rel))
        s = snapshot_untracked(s, &plain);
    found = chain_walk(b, tid, s, out, all_dead);
    if (found && s->serializable)
        pred_lock_tuple(rel->db, rel->oid, out->tid.block, out->tid.off);
    buf_unlock(b);
    return found;
}

bool
heap_fetch_next(HeapRel *rel, ItemPtr tid, const Snapshot *s, Buf *buf, Tuple *out, bool *all_dead)
{
    bool found;
    Buf b;

    if (UNLIKELY(s->serializable))
        return fetch_next_tracked(rel, tid, s, buf, out, all_dead);
    b = fetch_page(rel, tid, s, buf);
    found = chain_walk(b, tid, s, out, all_dead);
    buf_unlock(b);
    return found;
}

bool
heap_fetch(HeapRel *rel, ItemPtr tid, const Snapshot *s, Buf *buf, Tuple *out, bool *all_dead)
{
    *buf = BUF_INVALID;
    if (heap_fetch_next(rel, tid, s, buf, out, all_dead))
        return true;
    rbuf_unpin(*buf);
    *buf = BUF_INVALID;
    return false;
}

bool
heap_fetch_version(HeapRel *rel, ItemPtr tid, const Snapshot *s, Buf *buf, Tuple *out)
{
    Buf b;
    char *page;
    bool found = false;
    Snapshot plain;

    *buf = BUF_INVALID;
    if (UNLIKELY(s->serializable) && !heap_tracks_reads(rel))
        s = snapshot_untracked(s, &plain);
    if (tid.block >= heap_blocks(rel))
        return false;
    b = heap_read_shared(rel, tid.block, NULL, false);
    page = buf_page(b);
    if (tid.off >= OFFSET_FIRST && tid.off <= page_line_count(page) &&
        LINE_STATE(page_line(page, tid.off)) == LINE_NORMAL) {
        LinePtr lp = page_line(page, tid.off);
        char *t = page_item(page, lp);

        if (tuple_visible(t, s, b)) {
            *out = (Tuple){t, LINE_LENGTH(lp), tid};
            found = true;
            if (UNLIKELY(s->serializable))
                pred_lock_tuple(rel->db, rel->oid, tid.block, tid.off);
        }
    }
    buf_unlock(b);
    if (found)
        *buf = b;
    else
        rbuf_unpin(b);
    return found;
}

/* One step of the way: is the version at tid that of the chain, is it seen, and where is the next? */
static bool
version_step(HeapRel *rel, ItemPtr tid, Xid made_by, const Snapshot *s, bool *seen, ItemPtr *next, Xid *next_by)
{
    Buf b;
    char *page;
    bool found = false;

    if (tid.block >= heap_blocks(rel))
        return false;
    b = rbuf_read(rel->locator, FORK_MAIN, tid.block);
    page = buf_page(b);
    buf_lock(b, LW_SHARED);
    if (tid.off >= OFFSET_FIRST && tid.off <= page_line_count(page) &&
        LINE_STATE(page_line(page, tid.off)) == LINE_NORMAL) {
        char *t = page_item(page, page_line(page, tid.off));

        if (made_by == XID_INVALID || tuple_xmin(t) == made_by) {
            found = true;
            *seen = tuple_visible(t, s, b);
            *next = tuple_ctid(t);
            *next_by = tuple_flags(t) & (HEAP_XMAX_INVALID | HEAP_XMAX_LOCK_ONLY) ? XID_INVALID : tuple_update_xid(t);
        }
    }
    buf_unlock(b);
    rbuf_unpin(b);
    return found;
}

ItemPtr
heap_latest_visible(HeapRel *rel, ItemPtr tid, const Snapshot *s)
{
    ItemPtr latest = tid, at = tid, next;
    Xid by = XID_INVALID, next_by;
    bool seen;

    while (version_step(rel, at, by, s, &seen, &next, &next_by)) {
        if (seen)
            latest = at;
        if (next_by == XID_INVALID || (next.block == at.block && next.off == at.off))
            break;
        at = next;
        by = next_by;
    }
    return latest;
}
