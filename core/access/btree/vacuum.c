/*
 * Vacuum: from the leftmost leaf to the right, entries whose rows are dead are removed.
 *
 * In key order a split cannot hide anything: items only ever move to pages further right, which come
 * later. An emptied leaf is unlinked from its siblings and its parent in one record, if its right sibling
 * has the same parent: the sibling takes over its range. It is given back to the free space map at once,
 * but taken from there only when every snapshot is younger than the unlinking (rule 9).
 */
#include "core/access/btree/btree_internal.h"

typedef struct Vacuum {
    BtreeIndex *ix;
    BtreeIsDead is_dead;
    void *arg;
    BufRing *ring;
    uint64_t removed, entries;
    BlockNo pages, unlinked;
} Vacuum;

/* Lines to remove; also counts. */
static int
find_dead(Vacuum *v, const char *page, OffsetNo *lines)
{
    int n = 0, count = page_line_count(page);

    for (int i = bt_first(page); i <= count; i++) {
        LinePtr l = page_line(page, (OffsetNo)i);

        if (LINE_STATE(l) == LINE_DEAD || v->is_dead(v->arg, bt_tid(v->ix, page_item(page, l), LINE_LENGTH(l))))
            lines[n++] = (OffsetNo)i;
    }
    return n;
}

/* ---- unlinking an empty page ---- */

/* All four locked, left to right, then the parent. */
static void
unlink_page(BtreeIndex *ix, Buf left, Buf b, Buf right, Buf parent, OffsetNo line)
{
    BtSpecial *s = bt_special(buf_page(b));
    Buf pages[4] = {b, left, right, parent};
    BlockNo right_block = buf_block(right);

    pred_page_split(ix->db, ix->oid, buf_block(b), right_block); /* it takes over the range */
    critical_enter();
    s->flags |= BT_DELETED;
    page_header(buf_page(b))->prune_xid = wal_insert_position();
    bt_special(buf_page(left))->right = s->right;
    bt_special(buf_page(right))->left = s->left;
    /* The page's downlink now leads to its sibling, whose own goes. */
    store_u32(page_item(buf_page(parent), page_line(buf_page(parent), line)), right_block);
    page_delete_item_shift(buf_page(parent), (OffsetNo)(line + 1));
    for (int i = 0; i < 4; i++)
        buf_mark_dirty(pages[i]);
    if (ix->logged) {
        Lsn lsn;

        wal_begin();
        for (int i = 0; i < 4; i++)
            wal_add_block(i, ix->locator, FORK_MAIN, buf_block(pages[i]), buf_page(pages[i]), WAL_REF_STANDARD);
        wal_add_block_data(3, &line, 2);
        lsn = wal_insert(RMGR_BTREE, BT_OP_UNLINK, NULL);
        for (int i = 0; i < 4; i++)
            page_set_lsn(buf_page(pages[i]), lsn);
    }
    critical_leave();
}

/* The parent, locked, and the line of b's downlink, if the next one is right's. BUF_INVALID: not so. */
static Buf
find_parent(BtreeIndex *ix, Buf b, Buf right, OffsetNo *line)
{
    const char *page = buf_page(b);
    LinePtr high = page_line(page, 1), lp;
    BtProbe p = bt_probe(page_item(page, high), LINE_LENGTH(high), false);
    Buf parent = bt_descend(ix, &p, 1, LW_EXCLUSIVE, true);
    char *pp = buf_page(parent);
    OffsetNo at = bt_search_inner(pp, &p);

    if (at > bt_first(pp) && bt_child(page_item(pp, page_line(pp, at))) == buf_block(right)) {
        lp = page_line(pp, (OffsetNo)(at - 1));
        if (bt_child(page_item(pp, lp)) == buf_block(b)) {
            *line = (OffsetNo)(at - 1);
            return parent;
        }
    }
    rbuf_release(parent);
    return BUF_INVALID;
}

/* An empty leaf, pinned and not locked. True if it was unlinked. */
static bool
try_unlink(Vacuum *v, Buf b, BlockNo left_block)
{
    BtreeIndex *ix = v->ix;
    char *page = buf_page(b);
    Buf left = rbuf_read(ix->locator, FORK_MAIN, left_block), right = BUF_INVALID, parent = BUF_INVALID;
    const BtSpecial *s = bt_special(page), *ls = bt_special(buf_page(left));
    bool done = false;
    OffsetNo line;

    buf_lock(left, LW_EXCLUSIVE);
    buf_lock(b, LW_EXCLUSIVE);
    if (ls->right == buf_block(b) && s->left == left_block && !((s->flags | ls->flags) & (BT_DELETED | BT_INCOMPLETE | BT_ROOT)) &&
        s->right != BT_NONE && page_line_count(page) == 1) {
        right = rbuf_read(ix->locator, FORK_MAIN, s->right);
        buf_lock(right, LW_EXCLUSIVE);
        parent = find_parent(ix, b, right, &line);
        if (parent != BUF_INVALID) {
            unlink_page(ix, left, b, right, parent, line);
            rbuf_release(parent);
            done = true;
        }
        rbuf_release(right);
    }
    buf_unlock(b);
    rbuf_release(left);
    if (done)
        bt_free_page(ix, buf_block(b));
    return done;
}

/* ---- the walk ---- */

static BlockNo
leftmost_leaf(BtreeIndex *ix)
{
    BtProbe p = bt_probe("", 0, false);
    Buf b = bt_descend(ix, &p, 0, LW_SHARED, false);
    BlockNo block = buf_block(b);

    rbuf_release(b);
    return block;
}

/* Returns the right sibling as of when the page was locked. */
static BlockNo
vacuum_leaf(Vacuum *v, BlockNo block)
{
    Buf b = rbuf_read_mode(v->ix->locator, FORK_MAIN, block, BUF_NORMAL, v->ring);
    char *page = buf_page(b);
    OffsetNo lines[BT_PAGE_ITEMS_MAX];
    BlockNo next, left;
    bool empty;
    int n;

    buf_lock(b, LW_SHARED);
    if (page_is_new(page) || bt_special(page)->level != 0 || !(bt_special(page)->flags & BT_LEAF)) {
        rbuf_release(b);
        bt_damaged(v->ix, block, "a leaf is expected");
    }
    n = find_dead(v, page, lines);
    if (n > 0) {
        /* Index-only scans hold a pin while they use what they copied (rule 7). */
        buf_unlock(b);
        buf_lock_cleanup(b);
        n = find_dead(v, page, lines);
        if (n > 0)
            bt_delete_lines(v->ix, b, lines, n, BT_OP_VACUUM);
        v->removed += (uint64_t)n;
    }
    v->entries += (uint64_t)(page_line_count(page) + 1 - (int)bt_first(page));
    next = bt_special(page)->right;
    left = bt_special(page)->left;
    empty = page_line_count(page) < (int)bt_first(page);
    buf_unlock(b);
    if (empty && left != BT_NONE && next != BT_NONE && try_unlink(v, b, left))
        v->unlinked++;
    rbuf_unpin(b);
    return next;
}

void
btree_vacuum(BtreeIndex *ix, BtreeIsDead is_dead, void *arg, uint64_t *removed, BlockNo *pages, uint64_t *entries)
{
    Vacuum v = {.ix = ix, .is_dead = is_dead, .arg = arg};
    CountIo io = count_io_begin();
    Arena *a = arena_create(txn_arena(), "index vacuum");
    BlockNo block;

    v.ring = buf_ring_create(a, BUF_RING_VACUUM);
    for (block = leftmost_leaf(ix); block != BT_NONE; block = vacuum_leaf(&v, block))
        vacuum_pace_point();
    arena_destroy(a);
    count_io_end(count_index(ix), io);
    if (v.unlinked > 0) {
        HeapRel rel = {.locator = ix->locator, .oid = ix->oid, .name = ix->name};

        fsm_vacuum(&rel);
    }
    *removed = v.removed;
    *pages = btree_blocks(ix);
    *entries = v.entries;
}
