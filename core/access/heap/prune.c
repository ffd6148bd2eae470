/*
 * Pruning: the dead versions of one page give back their bytes.
 *
 * A root line is what indexes point to. Of its HOT chain the dead front is cut off: the root
 * becomes a redirect to the first version somebody may still see, or a dead line if there is none
 * (its index entries go first, vacuum.c); heap-only lines in between become unused at once, nothing
 * points to them.
 *
 * Needs the cleanup lock, since bytes move: so it is done when a page is pinned anew, never later.
 */
#include "core/access/heap/heap_internal.h"

typedef struct PruneState {
    char *page;
    PruneWork *w;
    int count;
    BlockNo block;
    int8_t state[HEAP_TUPLES_PER_PAGE_MAX + 1]; /* TupleState, -1 not a tuple */
    bool done[HEAP_TUPLES_PER_PAGE_MAX + 1];
} PruneState;

/* The page may be pruned again once this deleter is over. */
static void
note_prunable(PruneWork *w, const char *t)
{
    Xid x = tuple_update_xid(t);

    if (x != XID_INVALID && (w->next_prune_xid == 0 || x < w->next_prune_xid))
        w->next_prune_xid = x;
}

static void
make_unused(PruneState *p, OffsetNo off)
{
    p->w->unused[p->w->nunused++] = off;
    p->w->removed++;
    p->done[off] = true;
}

/* A heap-only tuple no chain leads to: left by an update that was rolled back. */
static void
prune_orphan(PruneState *p, OffsetNo off)
{
    const char *t = page_item(p->page, page_line(p->page, off));
    uint16_t flags = tuple_flags(t);
    /* What a transaction updated of its own and rolled back leads to nothing that lives. */
    bool undone = (flags & HEAP_XMIN_FROZEN) == HEAP_XMIN_ABORTED;

    if (p->state[off] == TUPLE_DEAD && (undone || !(flags & HEAP_HOT_UPDATED)))
        make_unused(p, off);
    else if (p->state[off] == TUPLE_DEAD || p->state[off] == TUPLE_RECENTLY_DEAD ||
             p->state[off] == TUPLE_DELETE_IN_PROGRESS)
        note_prunable(p->w, t);
}

/* Collects the chain from root; returns how many of it are in a dead front (root included). */
static int
chain_collect(PruneState *p, OffsetNo root, OffsetNo *chain, int *n)
{
    OffsetNo off = root;
    Xid prior = XID_INVALID;
    int dead = 0;

    *n = 0;
    for (;;) {
        LinePtr lp;
        const char *t;
        uint16_t flags;

        if (off < OFFSET_FIRST || off > p->count || *n >= HEAP_TUPLES_PER_PAGE_MAX ||
            (off != root && p->done[off]))
            break;
        lp = page_line(p->page, off);
        if (LINE_STATE(lp) == LINE_REDIRECT) {
            if (*n > 0)
                break;
            chain[(*n)++] = off;
            off = (OffsetNo)LINE_OFFSET(lp);
            continue;
        }
        if (LINE_STATE(lp) != LINE_NORMAL)
            break;
        t = page_item(p->page, lp);
        if (prior != XID_INVALID && tuple_xmin(t) != prior)
            break;
        chain[(*n)++] = off;
        flags = tuple_flags(t);
        if (p->state[off] == TUPLE_DEAD)
            dead = *n;
        else if (p->state[off] == TUPLE_RECENTLY_DEAD || p->state[off] == TUPLE_DELETE_IN_PROGRESS)
            note_prunable(p->w, t);
        if (p->state[off] != TUPLE_DEAD && p->state[off] != TUPLE_RECENTLY_DEAD)
            break;
        if (!(flags & HEAP_HOT_UPDATED) || tuple_ctid(t).block != p->block)
            break;
        prior = tuple_update_xid(t);
        if (prior == XID_INVALID)
            break;
        off = tuple_ctid(t).off;
    }
    return dead;
}

static void
prune_root(PruneState *p, OffsetNo root)
{
    OffsetNo chain[HEAP_TUPLES_PER_PAGE_MAX + 1];
    bool redirect = LINE_STATE(page_line(p->page, root)) == LINE_REDIRECT;
    int n, dead = chain_collect(p, root, chain, &n);

    for (int i = 0; i < n; i++)
        p->done[chain[i]] = true;
    if (dead == 0) {
        if (redirect && n < 2) /* leads nowhere */
            p->w->dead[p->w->ndead++] = root;
        return;
    }
    for (int i = 1; i < dead; i++)
        make_unused(p, chain[i]);
    if (!redirect)
        p->w->removed++;
    if (dead >= n) {
        p->w->dead[p->w->ndead++] = root;
    } else {
        p->w->redirect[2 * p->w->nredirect] = root;
        p->w->redirect[2 * p->w->nredirect++ + 1] = chain[dead];
    }
}

void
lines_set_unused(char *page, const OffsetNo *lines, int n)
{
    for (int i = 0; i < n; i++)
        page_lines(page)[lines[i] - 1] = LINE_MAKE(0, LINE_UNUSED, 0);
    /* Unused lines at the end of the array go altogether. */
    while (page_line_count(page) > 0 &&
           LINE_STATE(page_line(page, (OffsetNo)page_line_count(page))) == LINE_UNUSED)
        page_header(page)->lower = (uint16_t)(page_header(page)->lower - sizeof(LinePtr));
    if (n > 0)
        page_header(page)->flags |= PAGE_FLAG_HAS_FREE_LINES;
}

void
prune_apply(char *page, const PruneWork *w)
{
    for (int i = 0; i < w->nredirect; i++)
        page_lines(page)[w->redirect[2 * i] - 1] =
            LINE_MAKE(w->redirect[2 * i + 1], LINE_REDIRECT, 0);
    for (int i = 0; i < w->ndead; i++)
        page_lines(page)[w->dead[i] - 1] = LINE_MAKE(0, LINE_DEAD, 0);
    lines_set_unused(page, w->unused, w->nunused);
    page_compact(page);
}

static void
prune_log(HeapRel *rel, Buf b, const PruneWork *w)
{
    uint16_t head[3] = {w->nredirect, w->ndead, w->nunused};
    char *page = buf_page(b);

    wal_begin();
    wal_add_block(0, rel->locator, FORK_MAIN, buf_block(b), page, WAL_REF_STANDARD);
    wal_add_block_data(0, head, sizeof head);
    if (w->nredirect)
        wal_add_block_data(0, w->redirect, w->nredirect * 4u);
    if (w->ndead)
        wal_add_block_data(0, w->dead, w->ndead * 2u);
    if (w->nunused)
        wal_add_block_data(0, w->unused, w->nunused * 2u);
    page_set_lsn(page, wal_insert(RMGR_HEAP2, HEAP2_OP_PRUNE, NULL));
}

int
heap_prune_page(HeapRel *rel, Buf b, Lsn horizon, bool mark_unused, int *new_dead_lines)
{
    PruneWork w;
    PruneState p;
    char *page = buf_page(b);

    w.nredirect = w.ndead = w.nunused = 0;
    w.removed = 0;
    w.next_prune_xid = 0;
    *new_dead_lines = 0;
    p.page = page;
    p.w = &w;
    p.count = page_line_count(page);
    p.block = buf_block(b);
    if (p.count > HEAP_TUPLES_PER_PAGE_MAX)
        RAISE(SQLSTATE_DATA_CORRUPTED, "page %u of relation \"%s\" has too many lines", p.block,
              rel->name);
    for (int i = 1; i <= p.count; i++) {
        LinePtr lp = page_line(page, (OffsetNo)i);

        p.done[i] = false;
        p.state[i] = LINE_STATE(lp) == LINE_NORMAL
                         ? (int8_t)tuple_vacuum_state(page_item(page, lp), horizon, b)
                         : (int8_t)-1;
    }
    for (int i = 1; i <= p.count; i++) {
        LinePtr lp = page_line(page, (OffsetNo)i);

        if (LINE_STATE(lp) == LINE_REDIRECT ||
            (LINE_STATE(lp) == LINE_NORMAL && !(tuple_flags(page_item(page, lp)) & HEAP_HEAP_ONLY)))
            prune_root(&p, (OffsetNo)i);
        else if (LINE_STATE(lp) == LINE_DEAD && mark_unused)
            w.unused[w.nunused++] = (OffsetNo)i;
    }
    for (int i = 1; i <= p.count; i++)
        if (p.state[i] >= 0 && !p.done[i])
            prune_orphan(&p, (OffsetNo)i);
    *new_dead_lines = w.ndead;
    if (mark_unused) {
        for (int i = 0; i < w.ndead; i++)
            w.unused[w.nunused++] = w.dead[i];
        w.ndead = 0;
    }
    if (w.nredirect + w.ndead + w.nunused == 0) {
        /* Only hints change. */
        page_header(page)->prune_xid = w.next_prune_xid;
        page_header(page)->flags &= (uint16_t)~PAGE_FLAG_FULL;
        return 0;
    }
    critical_enter();
    prune_apply(page, &w);
    page_header(page)->prune_xid = w.next_prune_xid;
    page_header(page)->flags &= (uint16_t)~PAGE_FLAG_FULL;
    buf_mark_dirty(b);
    if (rel->logged)
        prune_log(rel, b, &w);
    critical_leave();
    return w.removed;
}

bool
heap_prune_wanted(const HeapRel *rel, const char *page)
{
    const PageHeader *h = page_header(page);
    Xid xid = h->prune_xid;
    size_t spare =
        (size_t)PAGE_BYTES * (size_t)(100 - (rel->fillfactor ? rel->fillfactor : 100)) / 100;
    Lsn csn;

    if (LIKELY(xid == 0) || wal_in_redo)
        return false;
    if (!(h->flags & PAGE_FLAG_FULL) &&
        page_exact_free_bytes(page) >= MAX(spare, (size_t)PAGE_BYTES / 10))
        return false;
    switch (xid_status(xid, &csn)) {
    case XS_STATUS_IN_PROGRESS:
        return false;
    case XS_STATUS_COMMITTED:
        return csn <= horizon_lsn_cached();
    default:
        return true;
    }
}

void
heap_prune_opportunistic(HeapRel *rel, Buf b)
{
    PageHeader *h = page_header(buf_page(b));
    int removed = 0, dead_lines = 0;

    if (LIKELY(!heap_prune_wanted(rel, buf_page(b))) || !buf_try_lock_cleanup(b))
        return;
    if (h->prune_xid != 0)
        removed = heap_prune_page(rel, b, horizon_lsn_cached(), false, &dead_lines);
    buf_unlock(b);
    count_pruned(rel, removed - dead_lines); /* dead lines are still vacuum's work */
}

Buf
heap_read_shared(HeapRel *rel, BlockNo block, BufRing *ring, bool prune)
{
    Buf b = rbuf_read_shared_ring(rel->locator, FORK_MAIN, block, ring);

    if (prune && UNLIKELY(heap_prune_wanted(rel, buf_page(b)))) {
        buf_unlock(b);
        heap_prune_opportunistic(rel, b);
        buf_lock(b, LW_SHARED);
    }
    return b;
}
