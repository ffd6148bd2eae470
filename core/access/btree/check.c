/*
 * Walks the whole tree, level by level, and raises XX002 for the first thing that is not as it must be:
 * order inside pages and between them, bounds by the high keys and by the parents' pivots, links both
 * ways, levels, and that every row a snapshot sees has an entry.
 *
 * btree_check: the caller's lock keeps writers off; the pages are read under shared locks one at a time.
 * btree_check_online goes beside writers and therefore compares nothing between levels. What holds all the
 * same: a page's high key, once read, is a lower bound of whatever its right link led to (a split only
 * puts pages in between, an unlinked page's range goes to the right); an entry the snapshot's rows need is
 * not removed, and moves only to the right, where the walk still comes.
 */
#include "core/access/btree/btree_internal.h"

typedef struct Check {
    BtreeIndex *ix;
    Arena *arena;
    uint64_t *tids;          /* set of addresses in the leaves: block << 16 | line, 0 empty */
    size_t cap, count;
} Check;

/* ---- the set of addresses ---- */

static inline size_t
home(uint64_t key, size_t cap)
{
    return (size_t)((key * UINT64_C(0x9E3779B97F4A7C15)) >> 20) & (cap - 1);
}

static bool
tids_find(const Check *c, uint64_t key, size_t *at)
{
    size_t i = home(key, c->cap);

    while (c->tids[i] && c->tids[i] != key)
        i = (i + 1) & (c->cap - 1);
    *at = i;
    return c->tids[i] == key;
}

static void
tids_add(Check *c, ItemPtr tid)
{
    uint64_t key = (uint64_t)tid.block << 16 | tid.off;
    size_t at;

    if ((c->count + 1) * 2 > c->cap) {
        uint64_t *old = c->tids;
        size_t n = c->cap;

        c->cap = n ? n * 2 : 1024;
        c->tids = ARENA_ARRAY(c->arena, uint64_t, c->cap);
        for (size_t i = 0; i < n; i++)
            if (old[i]) {
                (void)tids_find(c, old[i], &at);
                c->tids[at] = old[i];
            }
    }
    if (!tids_find(c, key, &at)) {
        c->tids[at] = key;
        c->count++;
    }
}

/* ---- pages ---- */

static int
compare(const char *a, uint32_t an, const char *b, uint32_t bn)
{
    int c = memcmp(a, b, MIN(an, bn));

    return c ? c : (an > bn) - (an < bn);
}

static void
check_lines(Check *c, BlockNo block, const char *page)
{
    const PageHeader *h = page_header(page);
    int count = page_line_count(page);
    bool leaf = bt_special(page)->level == 0;

    if (h->special != PAGE_BYTES - sizeof(BtSpecial) || h->upper > h->special || h->lower > h->upper)
        bt_damaged(c->ix, block, "its header is not a btree page's");
    for (int i = 1; i <= count; i++) {
        LinePtr l = page_line(page, (OffsetNo)i);
        bool item = i >= bt_first(page);

        if (LINE_OFFSET(l) < h->upper || LINE_OFFSET(l) + LINE_LENGTH(l) > h->special || LINE_LENGTH(l) > BT_ITEM_MAX + 4)
            bt_damaged(c->ix, block, "an item lies outside of the page's items");
        if (LINE_STATE(l) != LINE_NORMAL && !(leaf && item && LINE_STATE(l) == LINE_DEAD))
            bt_damaged(c->ix, block, "a line has an unexpected state");
        if (item && LINE_LENGTH(l) < (leaf ? BT_TID_BYTES + 1 : 4))
            bt_damaged(c->ix, block, "an item is too short");
    }
    if (!leaf && count < bt_first(page))
        bt_damaged(c->ix, block, "an inner page is empty");
}

/* Keys ascend, stand below the high key and not below `low`, the high key of the left sibling. */
static void
check_order(Check *c, BlockNo block, const char *page, const char *low, uint32_t low_n)
{
    bool leaf = bt_special(page)->level == 0;
    OffsetNo first = bt_first(page);
    int count = page_line_count(page);
    const char *prev = low;
    uint32_t prev_n = low_n;

    for (int i = first; i <= count; i++) {
        LinePtr l = page_line(page, (OffsetNo)i);
        const char *key = page_item(page, l) + (leaf ? 0 : 4);
        uint32_t n = leaf ? bt_key_bytes(c->ix, key, LINE_LENGTH(l)) + BT_TID_BYTES : LINE_LENGTH(l) - 4;
        int d = compare(prev, prev_n, key, n);

        if (i == first ? d > 0 : d >= 0)
            bt_damaged(c->ix, block, i == first ? "its first key belongs to the left of it" : "its keys are not in order");
        prev = key;
        prev_n = n;
        if (leaf && LINE_STATE(l) == LINE_NORMAL)
            tids_add(c, bt_tid(c->ix, page_item(page, l), LINE_LENGTH(l)));
    }
    if (first == 2) {
        LinePtr l = page_line(page, 1);

        if (compare(prev, prev_n, page_item(page, l), LINE_LENGTH(l)) >= 0)
            bt_damaged(c->ix, block, "its high key is not above its keys");
    }
}

typedef struct Downlink { BlockNo child; const char *pivot; uint32_t n; } Downlink;
typedef struct LevelList { Downlink *d; int n, cap; } LevelList;

static void
list_add(Check *c, LevelList *l, BlockNo child, const char *pivot, uint32_t n)
{
    if (l->n == l->cap) {
        int cap = l->cap ? l->cap * 2 : 64;

        l->d = arena_realloc(c->arena, l->d, sizeof(Downlink) * (size_t)l->cap, sizeof(Downlink) * (size_t)cap);
        l->cap = cap;
    }
    l->d[l->n++] = (Downlink){child, arena_memdup(c->arena, pivot, MAX(n, 1u)), n};
}

static void
note_children(Check *c, const char *page, LevelList *out)
{
    int count = page_line_count(page);

    for (int i = bt_first(page); i <= count; i++) {
        LinePtr l = page_line(page, (OffsetNo)i);

        list_add(c, out, bt_child(page_item(page, l)), page_item(page, l) + 4, LINE_LENGTH(l) - 4);
    }
}

/* Walks one level by its right links beside the downlinks of the level above; collects the next ones. */
static void
check_level(Check *c, uint32_t level, const LevelList *above, LevelList *below)
{
    BlockNo block = above->d[0].child, left = BT_NONE;
    char low[BT_ITEM_MAX];
    uint32_t low_n = 0;
    int k = 0;
    bool incomplete = false;

    while (block != BT_NONE) {
        Buf b = rbuf_read(c->ix->locator, FORK_MAIN, block);
        static char page[PAGE_BYTES] __attribute__((aligned(8)));
        const BtSpecial *s = bt_special(page);

        CHECK_INTERRUPTS();
        buf_lock(b, LW_SHARED);
        memcpy(page, buf_page(b), PAGE_BYTES);
        rbuf_release(b);
        if (page_is_new(page) || (s->flags & (BT_META | BT_DELETED)) || s->level != level || ((s->flags & BT_LEAF) != 0) != (level == 0))
            bt_damaged(c->ix, block, "it is not a page of the level that leads to it");
        if (s->left != left)
            bt_damaged(c->ix, block, "its left link is wrong");
        check_lines(c, block, page);
        check_order(c, block, page, low, low_n);
        if (k < above->n && above->d[k].child == block) {
            if (k > 0 && (above->d[k].n != low_n || memcmp(above->d[k].pivot, low, low_n) != 0))
                bt_damaged(c->ix, block, "its downlink differs from its left sibling's high key");
            k++;
        } else if (!incomplete) {
            bt_damaged(c->ix, block, "it has no downlink");
        }
        if (below && level > 0)
            note_children(c, page, below);
        incomplete = (s->flags & BT_INCOMPLETE) != 0;
        if (s->right != BT_NONE) {
            low_n = LINE_LENGTH(page_line(page, 1));
            memcpy(low, page_item(page, page_line(page, 1)), low_n);
        }
        left = block;
        block = s->right;
    }
    if (k != above->n)
        bt_damaged(c->ix, left, "downlinks above lead elsewhere");
}

/* A copy of the page; false: it has been unlinked, only its right link counts. */
static bool
read_beside_writers(Check *c, BlockNo block, char *page)
{
    Buf b = rbuf_read(c->ix->locator, FORK_MAIN, block);

    CHECK_INTERRUPTS();
    buf_lock(b, LW_SHARED);
    memcpy(page, buf_page(b), PAGE_BYTES);
    rbuf_release(b);
    if (page_is_new(page) || (bt_special(page)->flags & BT_META))
        bt_damaged(c->ix, block, "a link leads to it, but it is not a page of the tree");
    return (bt_special(page)->flags & BT_DELETED) == 0;
}

/* One level from its leftmost page on. The first page's first child, for the level below. */
static BlockNo
check_level_online(Check *c, uint32_t level, BlockNo block)
{
    static char page[PAGE_BYTES] __attribute__((aligned(8)));
    char low[BT_ITEM_MAX];
    uint32_t low_n = 0;
    BlockNo child = BT_NONE, limit = rbuf_blocks(c->ix->locator, FORK_MAIN);

    for (BlockNo steps = 0; block != BT_NONE; steps++) {
        if (steps > limit && steps > (limit = rbuf_blocks(c->ix->locator, FORK_MAIN)))
            bt_damaged(c->ix, block, "the right links of its level form a circle");
        bool live = read_beside_writers(c, block, page);
        const BtSpecial *s = bt_special(page);
        if (live) {
            if (s->level != level || ((s->flags & BT_LEAF) != 0) != (level == 0))
                bt_damaged(c->ix, block, "it is not a page of the level that leads to it");
            check_lines(c, block, page);
            check_order(c, block, page, low, low_n);
            if (level > 0 && child == BT_NONE)
                child = bt_child(page_item(page, page_line(page, (OffsetNo)bt_first(page))));
            if (s->right != BT_NONE) {
                low_n = LINE_LENGTH(page_line(page, 1));
                memcpy(low, page_item(page, page_line(page, 1)), low_n);
            }
        }
        block = s->right;
    }
    return child;
}

/* ---- the heap ---- */

static void
check_heap_page(Check *c, HeapRel *heap, BlockNo block, const Snapshot *s)
{
    OffsetNo roots[PAGE_BYTES / 8];
    int n = 0;
    Buf b = rbuf_read(heap->locator, FORK_MAIN, block);
    const char *page = buf_page(b);
    Buf fetched = BUF_INVALID;

    buf_lock(b, LW_SHARED);
    for (int i = 1; !page_is_new(page) && i <= page_line_count(page); i++) {
        LinePtr l = page_line(page, (OffsetNo)i);

        if (LINE_STATE(l) == LINE_REDIRECT || (LINE_STATE(l) == LINE_NORMAL && !(tuple_flags(page_item(page, l)) & HEAP_HEAP_ONLY)))
            roots[n++] = (OffsetNo)i;
    }
    rbuf_release(b);
    for (int i = 0; i < n; i++) {
        ItemPtr tid = {block, roots[i]};
        size_t at;
        Tuple t;

        if (heap_fetch_next(heap, tid, s, &fetched, &t, NULL) && (c->cap == 0 || !tids_find(c, (uint64_t)block << 16 | roots[i], &at)))
            RAISE(SQLSTATE_INDEX_CORRUPTED, "heap tuple (%u,%u) from table \"%s\" lacks matching index tuple within index \"%s\"", block, roots[i],
                  heap->name, c->ix->name);
    }
    if (fetched != BUF_INVALID)
        rbuf_unpin(fetched);
}

static void
check_heap(Check *c, HeapRel *heap, const Snapshot *s)
{
    for (BlockNo b = 0, n = heap_blocks(heap); b < n; b++) {
        CHECK_INTERRUPTS();
        check_heap_page(c, heap, b, s);
    }
}

void
btree_check_online(BtreeIndex *ix, HeapRel *heap)
{
    Check c = {.ix = ix, .arena = arena_create(txn_arena(), "index check")};
    const Snapshot *s = snapshot_latest(); /* before the walk: what it sees is in the tree from now on */

    bt_meta_load(ix);
    BlockNo block = ix->root_block;
    for (uint32_t level = ix->root_level;; level--) {
        block = check_level_online(&c, level, block);
        if (level == 0)
            break;
    }
    if (heap)
        check_heap(&c, heap, s);
    arena_destroy(c.arena);
}

void
btree_check(BtreeIndex *ix, HeapRel *heap)
{
    Check c = {.ix = ix, .arena = arena_create(txn_arena(), "index check")};
    LevelList *above = ARENA_NEW(c.arena, LevelList), *below;

    bt_meta_load(ix);
    list_add(&c, above, ix->root_block, "", 0);
    for (uint32_t level = ix->root_level;; level--) {
        below = ARENA_NEW(c.arena, LevelList);
        check_level(&c, level, above, below);
        if (level == 0)
            break;
        above = below;
    }
    if (heap)
        check_heap(&c, heap, snapshot_latest());
    arena_destroy(c.arena);
}
