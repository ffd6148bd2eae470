/*
 * Making room: splitting pages, new roots, new pages.
 *
 * A split is one record for the two halves and a second one that brings the downlink into the parent;
 * until then the left page is marked incomplete, and searches reach the right one through it. The left
 * page stays locked from the first to the second, the right one until the parent is locked, so only an
 * error or a crash leaves the mark behind; the next writer that passes completes the split (rule 5).
 *
 * No stack of ancestors is kept: a split is rare, and the parent is found by descending to the level above
 * with the separator, which is right however the tree has changed meanwhile.
 */
#include "core/access/btree/btree_internal.h"

#define MAP_SKIP 32u /* an index without free pages asks for one at every 32nd split: it costs a system call */

/* ---- pages ---- */

void
bt_page_init(char *page, uint16_t level, uint16_t flags, BlockNo left, BlockNo right)
{
    page_init(page, sizeof(BtSpecial));
    *bt_special(page) = (BtSpecial){.left = left, .right = right, .level = level, .flags = flags};
}

void
bt_make_meta(char *page, BlockNo root, uint32_t level)
{
    page_init(page, sizeof(BtMeta) + sizeof(BtSpecial));
    *bt_special(page) = (BtSpecial){.flags = BT_META};
    *bt_meta(page) = (BtMeta){BT_MAGIC, BT_VERSION, root, level};
}

/* The free space map is the heap's; it only looks at the locator. */
static HeapRel
map_rel(BtreeIndex *ix)
{
    return (HeapRel){.locator = ix->locator, .oid = ix->oid, .name = ix->name};
}

void
bt_free_page(BtreeIndex *ix, BlockNo block)
{
    HeapRel rel = map_rel(ix);

    fsm_record(&rel, block, PAGE_BYTES - 1);
}

/* A page nobody can come to: from the map if its deletion is older than every snapshot, or a new one. */
Buf
bt_new_page(BtreeIndex *ix)
{
    HeapRel rel = map_rel(ix);
    BlockNo block = BLOCK_INVALID;
    Buf b;

    if (ix->map_skip > 0)
        ix->map_skip--;
    else if ((block = fsm_search(&rel, PAGE_BYTES / 2)) == BLOCK_INVALID)
        ix->map_skip = MAP_SKIP;
    if (block != BLOCK_INVALID) {
        fsm_record(&rel, block, 0);
        b = rbuf_read(ix->locator, FORK_MAIN, block);
        if (buf_try_lock(b, LW_EXCLUSIVE)) {
            const char *page = buf_page(b);
            bool deleted = !page_is_new(page) && (bt_special(page)->flags & BT_DELETED);

            if (page_is_new(page) || (deleted && page_header(page)->prune_xid <= horizon_lsn(ix->db == 0)))
                return b;
            buf_unlock(b);
            if (deleted)
                bt_free_page(ix, block); /* somebody may still be on the way to it */
        }
        rbuf_unpin(b);
    }
    return rbuf_extend(ix->locator, FORK_MAIN, NULL, 1, &block);
}

/* ---- the parent ---- */

void
bt_make_root(char *page, BlockNo left, BlockNo right, uint16_t level, const char *pivot, uint32_t n)
{
    char item[4 + BT_ITEM_MAX];

    bt_page_init(page, level, BT_ROOT, BT_NONE, BT_NONE);
    store_u32(item, left);
    (void)page_add_item(page, item, 4, 1, false, false);
    store_u32(item, right);
    memcpy(item + 4, pivot, n);
    (void)page_add_item(page, item, n + 4, 2, false, false);
}

static void
clear_incomplete(Buf b, uint16_t more)
{
    bt_special(buf_page(b))->flags &= (uint16_t)~(BT_INCOMPLETE | more);
    buf_mark_dirty(b);
}

/* The root's split: a new root above both. All locks are released. */
static void
grow_root(BtreeIndex *ix, Buf left, Buf right, const char *pivot, uint32_t n)
{
    Buf meta = rbuf_read(ix->locator, FORK_MAIN, BT_META_BLOCK), root;
    uint16_t level = (uint16_t)(bt_special(buf_page(left))->level + 1);
    struct { BlockNo left, right; uint16_t level; } data = {buf_block(left), buf_block(right), level};

    root = bt_new_page(ix);
    buf_lock(meta, LW_EXCLUSIVE);
    critical_enter();
    bt_make_root(buf_page(root), data.left, data.right, level, pivot, n);
    buf_mark_dirty(root);
    clear_incomplete(left, BT_ROOT);
    bt_make_meta(buf_page(meta), buf_block(root), level);
    buf_mark_dirty(meta);
    if (ix->logged) {
        Lsn lsn;

        wal_begin();
        wal_add_block(0, ix->locator, FORK_MAIN, buf_block(root), buf_page(root), WAL_REF_STANDARD | WAL_REF_WILL_INIT);
        wal_add_block_data(0, &data, 10);
        wal_add_block_data(0, pivot, n);
        wal_add_block(1, ix->locator, FORK_MAIN, data.left, buf_page(left), WAL_REF_STANDARD);
        wal_add_block(2, ix->locator, FORK_MAIN, BT_META_BLOCK, buf_page(meta), WAL_REF_STANDARD | WAL_REF_WILL_INIT);
        lsn = wal_insert(RMGR_BTREE, BT_OP_NEW_ROOT, NULL);
        page_set_lsn(buf_page(root), lsn);
        page_set_lsn(buf_page(left), lsn);
        page_set_lsn(buf_page(meta), lsn);
    }
    critical_leave();
    ix->root_block = buf_block(root);
    ix->root_level = level;
    ix->root_hint = root;
    rbuf_release(meta);
    rbuf_release(root);
    rbuf_release(right);
    rbuf_release(left);
}

static void
insert_downlink(BtreeIndex *ix, Buf parent, OffsetNo line, const char *item, uint32_t n, Buf child)
{
    char *page = buf_page(parent);

    critical_enter();
    if (!page_add_item(page, item, n, line, true, false))
        PANIC("a downlink does not fit");
    buf_mark_dirty(parent);
    clear_incomplete(child, 0);
    if (ix->logged) {
        Lsn lsn;

        wal_begin();
        wal_add_block(0, ix->locator, FORK_MAIN, buf_block(parent), page, WAL_REF_STANDARD);
        wal_add_block_data(0, &line, 2);
        wal_add_block_data(0, item, n);
        wal_add_block(1, ix->locator, FORK_MAIN, buf_block(child), buf_page(child), WAL_REF_STANDARD);
        lsn = wal_insert(RMGR_BTREE, BT_OP_INSERT_INNER, NULL);
        page_set_lsn(page, lsn);
        page_set_lsn(buf_page(child), lsn);
    }
    critical_leave();
    rbuf_release(parent);
    rbuf_release(child);
}

/* Second half of a split: the parent learns of right. Both are locked and are released. */
static void
complete_split(BtreeIndex *ix, Buf left, Buf right, const char *pivot, uint32_t n)
{
    const BtSpecial *s = bt_special(buf_page(left));
    char item[4 + BT_ITEM_MAX];
    BtProbe p = bt_probe(pivot, n, false);
    OffsetNo line;
    LinePtr lp;
    Buf parent;

    if (s->flags & BT_ROOT) {
        grow_root(ix, left, right, pivot, n);
        return;
    }
    store_u32(item, buf_block(right));
    memcpy(item + 4, pivot, n);
    parent = bt_descend(ix, &p, s->level + 1u, LW_EXCLUSIVE, true);
    rbuf_release(right);
    line = bt_search_inner(buf_page(parent), &p);
    lp = page_line(buf_page(parent), line);
    if (bt_child(page_item(buf_page(parent), lp)) != buf_block(left))
        bt_damaged(ix, buf_block(left), "its downlink is not where its keys lead to");
    if (bt_has_room(buf_page(parent), n + 4))
        insert_downlink(ix, parent, (OffsetNo)(line + 1), item, n + 4, left);
    else
        bt_split(ix, parent, (OffsetNo)(line + 1), item, n + 4, left);
}

void
bt_finish_split(BtreeIndex *ix, Buf left)
{
    const char *page = buf_page(left);
    char pivot[BT_ITEM_MAX];
    LinePtr high = page_line(page, 1);
    uint32_t n = LINE_LENGTH(high);
    Buf right;

    if (bt_special(page)->right == BT_NONE || n > sizeof pivot)
        bt_damaged(ix, buf_block(left), "it is marked as split but has no right sibling");
    memcpy(pivot, page_item(page, high), n);
    right = rbuf_read(ix->locator, FORK_MAIN, bt_special(page)->right);
    buf_lock(right, LW_EXCLUSIVE);
    complete_split(ix, left, right, pivot, n);
}

/* ---- where to split ---- */

uint32_t
bt_separator(const char *a, uint32_t an, const char *b, uint32_t bn)
{
    uint32_t i = 0, m = MIN(an, bn);

    while (i < m && a[i] == b[i])
        i++;
    return MIN(i + 1, bn);
}

/* The items of the page with the new one in its place: old line i is at(i), the new one counts as one. */
typedef struct Virtual {
    const char *page;
    OffsetNo first, new_line;
    const char *item;
    uint32_t n;
    int count;
} Virtual;

static inline const char *
virtual_item(const Virtual *v, int i, uint32_t *n)
{
    int line = v->first + i;
    LinePtr l;

    if (line == v->new_line) {
        *n = v->n;
        return v->item;
    }
    l = page_line(v->page, (OffsetNo)(line > v->new_line ? line - 1 : line));
    *n = LINE_LENGTH(l);
    return page_item(v->page, l);
}

static inline uint32_t
item_space(uint32_t n)
{
    return ALIGN_UP(n, 8u) + (uint32_t)sizeof(LinePtr);
}

/* The key of an item as a separator to its left would have it at most. */
static inline uint32_t
pivot_bytes(const Virtual *v, int i, bool leaf, const char **key)
{
    uint32_t n, an;
    const char *b = virtual_item(v, i, &n), *a;

    if (!leaf) {
        *key = b + 4;
        return n - 4;
    }
    a = virtual_item(v, i - 1, &an);
    *key = b;
    return bt_separator(a, an, b, n);
}

/* How much of the space goes left, in percent. */
static int
fill_percent(const BtreeIndex *ix, const Virtual *v, bool leaf, bool rightmost)
{
    uint32_t n, last_n;
    const char *first, *last;

    if (v->new_line != v->first + v->count - 1)
        return 50;
    if (rightmost)
        return leaf ? BT_FILL_LEAF : BT_FILL_INNER;
    if (!leaf)
        return 50;
    /* Duplicates come in order of their addresses: the left page gets no more of them. */
    first = virtual_item(v, 0, &n);
    last = virtual_item(v, v->count - 1, &last_n);
    n = bt_key_bytes(ix, first, n);
    return n == bt_key_bytes(ix, last, last_n) && memcmp(first, last, n) == 0 ? BT_FILL_ONE_VALUE : 50;
}

/* How many items stay left: near the wanted fill, and among those near it the shortest separator. */
static int
choose_split(const BtreeIndex *ix, const Virtual *v, bool leaf, bool rightmost, uint32_t old_high)
{
    const uint32_t room = PAGE_BYTES - sizeof(PageHeader) - sizeof(BtSpecial);
    uint32_t total = 0, left = 0, n, right_high = rightmost ? 0 : item_space(old_high);
    int best = 0, best_distance = INT32_MAX, percent = fill_percent(ix, v, leaf, rightmost), target, slack;
    uint32_t best_sep = UINT32_MAX;

    for (int i = 0; i < v->count; i++) {
        (void)virtual_item(v, i, &n);
        total += item_space(n);
    }
    target = percent == 50 ? (int)(total / 2) : (int)(room * (uint32_t)percent / 100);
    slack = leaf ? (int)room / 32 : 0;
    for (int k = 1; k < v->count; k++) {
        const char *key;
        uint32_t sep = 0;
        int distance;

        (void)virtual_item(v, k - 1, &n);
        left += item_space(n);
        distance = (int)left > target ? (int)left - target : target - (int)left;
        if (distance > slack && distance >= best_distance)
            continue;
        sep = pivot_bytes(v, k, leaf, &key);
        if (left + item_space(sep) > room || total - left + right_high > room)
            continue;
        if (best && best_distance <= slack && (distance > slack || sep > best_sep || (sep == best_sep && distance >= best_distance)))
            continue;
        best = k;
        best_distance = distance;
        best_sep = sep;
    }
    return best;
}

/* ---- the split ---- */

void
bt_build_left(const char *old, char *out, const BtSplitLeft *s, const char *high, const char *item, uint32_t n)
{
    const BtSpecial *special = bt_special(old);
    Virtual v = {.page = old, .first = bt_first(old), .new_line = s->new_line ? s->new_line : UINT16_MAX, .item = item, .n = n};

    /* Not rightmost any more; the caller sets the link. */
    bt_page_init(out, special->level, special->flags & (uint16_t)~BT_GARBAGE, special->left, special->right);
    (void)page_add_item(out, high, s->high_bytes, 1, false, false);
    for (int i = 0; i < s->nleft; i++) {
        uint32_t bytes;
        const char *p = virtual_item(&v, i, &bytes);

        if (!page_add_item(out, p, bytes, (OffsetNo)(i + 2), false, false))
            PANIC("the left half of a split does not fit");
    }
    bt_special(out)->flags |= BT_INCOMPLETE;
    page_set_lsn(out, page_lsn(old));
}

static uint32_t
build_right(const Virtual *v, int from, const BtSplitRight *r, const char *high, uint32_t high_n, char *out, char *log)
{
    OffsetNo line = 1;
    char *to = log;

    bt_page_init(out, r->level, r->flags, r->left, r->right);
    if (r->right != BT_NONE) {
        (void)page_add_item(out, high, high_n, line++, false, false);
        store_u16(to, (uint16_t)high_n);
        memcpy(to + 2, high, high_n);
        to += 2 + high_n;
    }
    for (int i = from; i < v->count; i++) {
        uint32_t n;
        const char *p = virtual_item(v, i, &n);

        if (!page_add_item(out, p, n, line++, false, false))
            PANIC("the right half of a split does not fit");
        store_u16(to, (uint16_t)n);
        memcpy(to + 2, p, n);
        to += 2 + n;
    }
    return (uint32_t)(to - log);
}

void
bt_split(BtreeIndex *ix, Buf left, OffsetNo line, const char *item, uint32_t n, Buf child)
{
    static char left_image[PAGE_BYTES] __attribute__((aligned(8))), right_image[PAGE_BYTES] __attribute__((aligned(8)));
    static char log[PAGE_BYTES + 2 * BT_PAGE_ITEMS_MAX];
    char *page = buf_page(left);
    const BtSpecial old = *bt_special(page);
    bool leaf = old.level == 0;
    LinePtr hl = old.right == BT_NONE ? 0 : page_line(page, 1);
    Virtual v = {.page = page, .first = bt_first(page), .new_line = line, .item = item, .n = n};
    Buf right, sibling = BUF_INVALID;
    uint32_t log_n;
    const char *key;
    char pivot[BT_ITEM_MAX];
    BtSplitLeft sl;
    BtSplitRight sr;
    int k;

    v.count = page_line_count(page) - (int)v.first + 2;
    k = choose_split(ix, &v, leaf, old.right == BT_NONE, LINE_LENGTH(hl));
    if (k == 0)
        bt_damaged(ix, buf_block(left), "it cannot be split");
    sl = (BtSplitLeft){.nleft = (uint16_t)k, .new_line = line - v.first < k ? line : 0};
    sl.high_bytes = (uint16_t)pivot_bytes(&v, k, leaf, &key);
    memcpy(pivot, key, sl.high_bytes);
    right = bt_new_page(ix);
    if (old.right != BT_NONE) {
        sibling = rbuf_read(ix->locator, FORK_MAIN, old.right);
        buf_lock(sibling, LW_EXCLUSIVE);
        if (bt_special(buf_page(sibling))->left != buf_block(left))
            bt_damaged(ix, old.right, "its left link does not lead to the page whose right link leads to it");
    }
    sr = (BtSplitRight){buf_block(left), old.right, old.level, old.flags & BT_LEAF};
    if (leaf)
        pred_page_split(ix->db, ix->oid, buf_block(left), buf_block(right)); /* gaps that were read move too */
    bt_build_left(page, left_image, &sl, pivot, item, n);
    bt_special(left_image)->right = buf_block(right);
    log_n = build_right(&v, k, &sr, hl ? page_item(page, hl) : NULL, LINE_LENGTH(hl), right_image, log);

    critical_enter();
    memcpy(page, left_image, PAGE_BYTES);
    memcpy(buf_page(right), right_image, PAGE_BYTES);
    buf_mark_dirty(left);
    buf_mark_dirty(right);
    if (sibling != BUF_INVALID) {
        bt_special(buf_page(sibling))->left = buf_block(right);
        buf_mark_dirty(sibling);
    }
    if (child != BUF_INVALID)
        clear_incomplete(child, 0);
    if (ix->logged) {
        Lsn lsn;

        wal_begin();
        wal_add_block(0, ix->locator, FORK_MAIN, buf_block(left), page, WAL_REF_STANDARD);
        wal_add_block_data(0, &sl, sizeof sl);
        wal_add_block_data(0, pivot, sl.high_bytes);
        if (sl.new_line)
            wal_add_block_data(0, item, n);
        wal_add_block(1, ix->locator, FORK_MAIN, buf_block(right), buf_page(right), WAL_REF_STANDARD | WAL_REF_WILL_INIT);
        wal_add_block_data(1, &sr, sizeof sr);
        wal_add_block_data(1, log, log_n);
        if (sibling != BUF_INVALID)
            wal_add_block(2, ix->locator, FORK_MAIN, old.right, buf_page(sibling), WAL_REF_STANDARD);
        if (child != BUF_INVALID)
            wal_add_block(3, ix->locator, FORK_MAIN, buf_block(child), buf_page(child), WAL_REF_STANDARD);
        lsn = wal_insert(RMGR_BTREE, BT_OP_SPLIT, NULL);
        page_set_lsn(page, lsn);
        page_set_lsn(buf_page(right), lsn);
        if (sibling != BUF_INVALID)
            page_set_lsn(buf_page(sibling), lsn);
        if (child != BUF_INVALID)
            page_set_lsn(buf_page(child), lsn);
    }
    critical_leave();
    if (sibling != BUF_INVALID)
        rbuf_release(sibling);
    if (child != BUF_INVALID)
        rbuf_release(child);
    FAULT_POINT("btree_split");
    complete_split(ix, left, right, pivot, sl.high_bytes);
}
