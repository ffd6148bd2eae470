/*
 * Building an index from a table: entries are sorted, then pages are filled one level above the other
 * from left to right. Each level has one page under construction in local memory; it is written when the
 * next one begins, with its high key, and its block number and key go to the level above.
 *
 * Nobody else sees the index before the transaction commits, so pages are not locked against readers,
 * and each is logged whole when it is done.
 */
#include "core/access/btree/btree_internal.h"
#include "core/access/btree/sort.h"

#define ENTRY_ALIVE 1u
#define ENTRY_NULL 2u
#define LEVELS_MAX 16

void (*btree_unique_build_violation)(BtreeIndex *ix, const Datum *values, const bool *nulls);
void (*btree_unique_build_violation_at)(BtreeIndex *ix, ItemPtr tid);

typedef struct Level {
    char *page;          /* items from line 1 on; the high key comes in at the end */
    BlockNo block, left;
    int count;
    char *low;           /* pivot in front of the page: what the parent gets */
    uint32_t low_n;
} Level;

typedef struct Build {
    BtreeIndex *ix;
    Arena *arena;
    BufRing *ring;
    Level levels[LEVELS_MAX];
    int nlevels;
    BlockNo next_block, file_blocks;
} Build;

/* ---- pages ---- */

static void
write_page(Build *b, BlockNo block, const char *image)
{
    BtreeIndex *ix = b->ix;
    Buf buf;
    char *page;

    while (b->file_blocks <= block) {
        BlockNo first;
        Buf extended = rbuf_extend(ix->locator, FORK_MAIN, b->ring, 1, &first);

        rbuf_release(extended);
        b->file_blocks = first + 1;
    }
    buf = rbuf_read_mode(ix->locator, FORK_MAIN, block, BUF_ZERO_LOCK, b->ring);
    page = buf_page(buf);
    critical_enter();
    memcpy(page, image, PAGE_BYTES);
    buf_mark_dirty(buf);
    if (ix->logged) {
        wal_begin();
        wal_add_block(0, ix->locator, FORK_MAIN, block, page, WAL_REF_STANDARD | WAL_REF_FORCE_IMAGE);
        page_set_lsn(page, wal_insert(RMGR_XLOG, XLOG_FPI, NULL));
    }
    critical_leave();
    rbuf_release(buf);
}

static void add_item(Build *b, int level, const char *item, uint32_t n);

static void
level_begin(Build *b, int level, const char *low, uint32_t low_n, BlockNo left)
{
    Level *l = &b->levels[level];

    if (level == b->nlevels) {
        if (level == LEVELS_MAX)
            INTERNAL_ERROR("index \"%s\" has too many levels", b->ix->name);
        b->nlevels++;
        l->page = arena_alloc_aligned(b->arena, PAGE_BYTES, 8);
        l->low = arena_alloc(b->arena, BT_ITEM_MAX);
    }
    l->block = b->next_block++;
    l->left = left;
    l->count = 0;
    memcpy(l->low, low, low_n);
    l->low_n = low_n;
    bt_page_init(l->page, (uint16_t)level, level == 0 ? BT_LEAF : 0, left, BT_NONE);
}

static void
to_parent(Build *b, int level, BlockNo child, const char *pivot, uint32_t n)
{
    char item[4 + BT_ITEM_MAX];

    store_u32(item, child);
    memcpy(item + 4, pivot, n);
    if (level + 1 == b->nlevels)
        level_begin(b, level + 1, "", 0, BT_NONE);
    add_item(b, level + 1, item, n + 4);
}

/* The page is full: what comes next begins with the pivot. */
static void
level_end(Build *b, int level, const char *pivot, uint32_t n)
{
    Level *l = &b->levels[level];
    BlockNo done = l->block, left = l->block;
    char low[BT_ITEM_MAX];
    uint32_t low_n = l->low_n;

    if (!page_add_item(l->page, pivot, n, 1, l->count > 0, false))
        INTERNAL_ERROR("a high key does not fit");
    bt_special(l->page)->right = b->next_block;
    page_compact(l->page); /* in line order: the high key stands beside the special space */
    write_page(b, done, l->page);
    memcpy(low, l->low, low_n);
    level_begin(b, level, pivot, n, left);
    to_parent(b, level, done, low, low_n);
}

static void
put(Level *l, const char *item, uint32_t n)
{
    if (!page_add_item(l->page, item, n, (OffsetNo)(l->count + 1), false, false))
        INTERNAL_ERROR("an item does not fit");
    l->count++;
}

static uint32_t
space_of(uint32_t n)
{
    return ALIGN_UP(n, 8u) + (uint32_t)sizeof(LinePtr);
}

static void
add_item(Build *b, int level, const char *item, uint32_t n)
{
    Level *l = &b->levels[level];
    const uint32_t room = PAGE_BYTES - sizeof(PageHeader) - sizeof(BtSpecial);
    uint32_t free_now = (uint32_t)page_exact_free_bytes(l->page), used = room - free_now;
    uint32_t soft = room * (level == 0 ? BT_FILL_LEAF : BT_FILL_INNER) / 100;

    if (l->count >= 2 && (used + space_of(n) > soft || free_now < space_of(n))) {
        LinePtr last = page_line(l->page, (OffsetNo)l->count);
        const char *p = page_item(l->page, last);
        uint32_t last_n = LINE_LENGTH(last), sep = level == 0 ? bt_separator(p, last_n, item, n) : n - 4;
        char pivot[BT_ITEM_MAX];

        if (free_now >= space_of(sep)) {
            memcpy(pivot, level == 0 ? item : item + 4, sep);
            level_end(b, level, pivot, sep);
        } else {
            /* No room for the high key: the last item begins the next page and makes the room. */
            char moved[4 + BT_ITEM_MAX];

            memcpy(moved, p, last_n);
            if (level == 0) {
                LinePtr prev = page_line(l->page, (OffsetNo)(l->count - 1));

                sep = bt_separator(page_item(l->page, prev), LINE_LENGTH(prev), moved, last_n);
            } else {
                sep = last_n - 4;
            }
            memcpy(pivot, level == 0 ? moved : moved + 4, sep);
            page_delete_item_shift(l->page, (OffsetNo)l->count);
            l->count--;
            level_end(b, level, pivot, sep);
            put(l, moved, last_n);
        }
    }
    put(l, item, n);
}

/* The last page of each level; the topmost is the root. */
static void
finish(Build *b)
{
    static char meta[PAGE_BYTES] __attribute__((aligned(8)));

    for (int i = 0; i < b->nlevels; i++) {
        Level *l = &b->levels[i];

        if (i + 1 == b->nlevels && l->left == BT_NONE) {
            bt_special(l->page)->flags |= BT_ROOT;
            write_page(b, l->block, l->page);
            bt_make_meta(meta, l->block, (uint32_t)i);
            write_page(b, BT_META_BLOCK, meta);
            return;
        }
        write_page(b, l->block, l->page);
        to_parent(b, i, l->block, l->low, l->low_n);
    }
}

static void
build_begin(Build *b, BtreeIndex *ix)
{
    *b = (Build){.ix = ix, .next_block = 1};
    b->arena = arena_create(txn_arena(), "index build");
    b->ring = buf_ring_create(b->arena, BUF_RING_BULK_WRITE);
    b->file_blocks = rbuf_blocks(ix->locator, FORK_MAIN);
    level_begin(b, 0, "", 0, BT_NONE);
}

static void
forget_hints(BtreeIndex *ix)
{
    ix->root_block = ix->last_leaf = BLOCK_INVALID;
    ix->root_hint = ix->last_leaf_hint = BUF_INVALID;
}

/* ---- uniqueness ---- */

NORETURN static void
build_violation(BtreeIndex *ix, Arena *a, const char *item, uint32_t n)
{
    Datum values[MAX_INDEX_KEYS];
    bool nulls[MAX_INDEX_KEYS];

    if (btree_unique_build_violation && ix->can_return_values) {
        btree_decode(ix, a, item, n, values, nulls);
        btree_unique_build_violation(ix, values, nulls);
    }
    if (btree_unique_build_violation_at)
        btree_unique_build_violation_at(ix, bt_tid(ix, item, n));
    RAISE_ERR(SQLSTATE_UNIQUE_VIOLATION, err_message("could not create unique index \"%s\"", ix->name), err_detail("Duplicate keys exist."),
              err_object(NULL, NULL, NULL, NULL, ix->name));
}

/* The alive entry of the current key, if there was one. */
typedef struct UniqueRun {
    char key[BT_ITEM_MAX];
    uint32_t n;
    bool alive;
} UniqueRun;

static void
check_unique(Build *b, UniqueRun *u, const char *item, uint32_t n, uint8_t flags)
{
    uint32_t key_n = bt_key_bytes(b->ix, item, n);

    if ((flags & ENTRY_NULL) && !b->ix->nulls_not_distinct) {
        u->alive = false;
        return;
    }
    if (u->n != key_n || memcmp(u->key, item, key_n) != 0) {
        memcpy(u->key, item, key_n);
        u->n = key_n;
        u->alive = (flags & ENTRY_ALIVE) != 0;
        return;
    }
    if (u->alive && (flags & ENTRY_ALIVE))
        build_violation(b->ix, b->arena, item, n);
    u->alive |= (flags & ENTRY_ALIVE) != 0;
}

/* ---- entry points ---- */

void
btree_build(BtreeIndex *ix, HeapRel *heap, BtreeBuildNext next, void *arg, uint64_t *entries_out)
{
    Datum values[MAX_INDEX_KEYS];
    bool nulls[MAX_INDEX_KEYS], alive;
    UniqueRun *u;
    uint64_t count = 0, done = 0;
    const char *item;
    uint8_t flags;
    BtSort *sort;
    ItemPtr tid;
    uint32_t n;
    StrBuf k;
    Build b;

    build_begin(&b, ix);
    u = ARENA_NEW(b.arena, UniqueRun);
    sort = bt_sort_begin(b.arena);
    str_init(&k, b.arena);
    while (next(arg, values, nulls, &tid, &alive)) {
        uint32_t key_n;
        bool any_null;

        str_reset(&k);
        bt_encode_entry(ix, values, nulls, tid, &k, &key_n, &any_null);
        if (UNLIKELY(k.len > BT_ITEM_MAX))
            bt_entry_too_big(ix, k.len, tid, heap ? heap->name : "");
        bt_sort_add(sort, k.data, (uint32_t)k.len, (uint8_t)((alive ? ENTRY_ALIVE : 0) | (any_null ? ENTRY_NULL : 0)));
        count++;
    }
    bt_sort_finish(sort);
    while (bt_sort_next(sort, &item, &n, &flags)) {
        if (ix->unique)
            check_unique(&b, u, item, n, flags);
        add_item(&b, 0, item, n);
        if ((++done & 1023) == 0)
            CHECK_INTERRUPTS();
    }
    finish(&b);
    arena_destroy(b.arena);
    forget_hints(ix);
    if (entries_out)
        *entries_out = count;
}

void
btree_build_empty(BtreeIndex *ix)
{
    Build b;

    build_begin(&b, ix);
    finish(&b);
    arena_destroy(b.arena);
    forget_hints(ix);
}
