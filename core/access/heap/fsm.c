/*
 * Free space map: one byte per heap page (free bytes / 32), in a fork of its own. It is only ever a
 * hint: not logged, not exact; a page taken from it is checked. A damaged page reads as zeros.
 *
 * Pages of the fork come in groups: one directory page and FSM_SLOTS leaf pages. A leaf has a byte
 * per heap page and, for each 64 of them, their maximum; the directory has the same for the leaves'
 * maxima. A search looks at group maxima, then at 64 bytes. Where it starts depends on the process,
 * so that concurrent inserters spread.
 */
#include "core/access/heap/heap_internal.h"

#define FSM_GROUP 64u
#define FSM_GROUPS 125u
#define FSM_SLOTS (FSM_GROUP * FSM_GROUPS) /* 8000 */
#define FSM_UNIT 32u
STATIC_ASSERT(sizeof(PageHeader) + FSM_SLOTS + FSM_GROUPS <= PAGE_BYTES);

typedef struct FsmPage {
    uint8_t slot[FSM_SLOTS];
    uint8_t top[FSM_GROUPS];
} FsmPage;

static inline FsmPage *
fsm_page(Buf b)
{
    return (FsmPage *)(void *)(buf_page(b) + sizeof(PageHeader));
}
static inline BlockNo
leaf_block(BlockNo leaf)
{
    return leaf / FSM_SLOTS * (FSM_SLOTS + 1) + 1 + leaf % FSM_SLOTS;
}
static inline BlockNo
dir_block(BlockNo dir)
{
    return dir * (FSM_SLOTS + 1);
}

/* Rounded down when free space is noted, up when it is wanted. */
static inline uint8_t
category_has(size_t bytes)
{
    return (uint8_t)MIN(bytes / FSM_UNIT, 255u);
}
static inline uint8_t
category_needs(size_t bytes)
{
    return (uint8_t)MIN((bytes + FSM_UNIT - 1) / FSM_UNIT, 255u);
}

static bool
fork_has(HeapRel *rel, BlockNo block)
{
    BlockNo have;

    return buf_fork_blocks(rel->locator, FORK_FSM, &have) == ERR_OK && have > block;
}

static Buf
fsm_read(HeapRel *rel, BlockNo block)
{
    return rbuf_read_mode(rel->locator, FORK_FSM, block, BUF_ZERO_ON_ERROR, NULL);
}

static void
fsm_extend(HeapRel *rel, BlockNo want)
{
    BlockNo have;

    RAISE_ON(relfile_create(rel->locator, FORK_FSM, true));
    while ((have = rbuf_blocks(rel->locator, FORK_FSM)) <= want) {
        BlockNo first;
        Buf b = rbuf_extend(rel->locator, FORK_FSM, NULL, 1, &first);

        page_init(buf_page(b), 0);
        page_header(buf_page(b))->lower =
            page_header(buf_page(b))->upper; /* no hole to leave out */
        buf_mark_dirty(b);
        rbuf_release(b);
    }
}

/* Stores v in the slot; returns the page's new maximum, *changed_max: it differs from before. */
static uint8_t
slot_store(HeapRel *rel, BlockNo block, unsigned slot, uint8_t v, bool *changed_max)
{
    Buf b = fsm_read(rel, block);
    FsmPage *f;
    unsigned g = slot / FSM_GROUP;
    uint8_t old_max = 0, new_max = 0, top = 0;

    buf_lock(b, LW_EXCLUSIVE);
    if (page_is_new(buf_page(b))) {
        page_init(buf_page(b), 0);
        page_header(buf_page(b))->lower = page_header(buf_page(b))->upper;
    }
    f = fsm_page(b);
    if (f->slot[slot] == v) {
        rbuf_release(b);
        *changed_max = false;
        return 0;
    }
    f->slot[slot] = v;
    for (unsigned i = g * FSM_GROUP; i < (g + 1) * FSM_GROUP; i++)
        top = MAX(top, f->slot[i]);
    for (unsigned i = 0; i < FSM_GROUPS; i++) {
        old_max = MAX(old_max, f->top[i]);
        if (i == g)
            f->top[i] = top;
        new_max = MAX(new_max, f->top[i]);
    }
    buf_mark_dirty(b);
    rbuf_release(b);
    *changed_max = old_max != new_max;
    return new_max;
}

void
fsm_record(HeapRel *rel, BlockNo block, size_t free_bytes)
{
    BlockNo leaf = block / FSM_SLOTS;
    bool changed;
    uint8_t max;

    if (!fork_has(rel, leaf_block(leaf))) {
        if (category_has(free_bytes) == 0)
            return;
        fsm_extend(rel, leaf_block(leaf));
    }
    max = slot_store(rel, leaf_block(leaf), block % FSM_SLOTS, category_has(free_bytes), &changed);
    if (changed)
        (void)slot_store(rel, dir_block(leaf / FSM_SLOTS), leaf % FSM_SLOTS, max, &changed);
}

/* A slot of the page that has at least `want`, from `start` on and around; -1 none. */
static int
slot_search(const FsmPage *f, uint8_t want, unsigned start)
{
    for (unsigned k = 0; k < FSM_GROUPS; k++) {
        unsigned g = (start / FSM_GROUP + k) % FSM_GROUPS;

        if (f->top[g] < want)
            continue;
        for (unsigned i = 0; i < FSM_GROUP; i++) {
            unsigned s = g * FSM_GROUP + (start + i) % FSM_GROUP;

            if (f->slot[s] >= want)
                return (int)s;
        }
    }
    return -1;
}

static int
page_search(HeapRel *rel, BlockNo block, uint8_t want, unsigned start)
{
    Buf b = fsm_read(rel, block);
    int s = -1;

    buf_lock(b, LW_SHARED);
    if (!page_is_new(buf_page(b)))
        s = slot_search(fsm_page(b), want, start);
    rbuf_release(b);
    return s;
}

BlockNo
fsm_search(HeapRel *rel, size_t bytes)
{
    uint8_t want = MAX(category_needs(bytes), 1);
    BlockNo heap_blocks_now = 0, dirs;
    unsigned spread = proc_self ? proc_self->index * 17u : 0;

    if (!fork_has(rel, 1))
        return BLOCK_INVALID;
    heap_blocks_now = rbuf_blocks(rel->locator, FORK_MAIN);
    dirs = heap_blocks_now / FSM_SLOTS / FSM_SLOTS + 1;
    for (BlockNo d = 0; d < dirs; d++) {
        /* Each failed leaf corrects its entry in the directory: the loop ends. */
        for (int tries = 0; tries < 64 && fork_has(rel, dir_block(d)); tries++) {
            int leaf = page_search(rel, dir_block(d), want, 0), s;
            BlockNo block;
            bool changed;

            if (leaf < 0)
                break;
            if (!fork_has(rel, leaf_block(d * FSM_SLOTS + (BlockNo)leaf))) {
                (void)slot_store(rel, dir_block(d), (unsigned)leaf, 0, &changed);
                continue;
            }
            s = page_search(rel, leaf_block(d * FSM_SLOTS + (BlockNo)leaf), want,
                            spread % FSM_SLOTS);
            if (s < 0) {
                (void)slot_store(rel, dir_block(d), (unsigned)leaf, (uint8_t)(want - 1), &changed);
                continue;
            }
            block = (d * FSM_SLOTS + (BlockNo)leaf) * FSM_SLOTS + (BlockNo)s;
            if (block < heap_blocks_now)
                return block;
            fsm_record(rel, block, 0); /* beyond the end: left from before a truncation or crash */
        }
    }
    return BLOCK_INVALID;
}

BlockNo
fsm_record_and_search(HeapRel *rel, BlockNo full, size_t has, size_t need)
{
    fsm_record(rel, full, has);
    return fsm_search(rel, need);
}

/* Recomputes the maxima from below: what a crash or a lost page has left wrong. */
void
fsm_vacuum(HeapRel *rel)
{
    BlockNo blocks = heap_blocks(rel), leaves = blocks / FSM_SLOTS + 1;

    for (BlockNo leaf = 0; leaf < leaves; leaf++) {
        uint8_t max = 0;
        bool changed;
        Buf b;

        if (!fork_has(rel, leaf_block(leaf)))
            return;
        b = fsm_read(rel, leaf_block(leaf));
        buf_lock(b, LW_SHARED);
        if (!page_is_new(buf_page(b)))
            for (unsigned i = 0; i < FSM_GROUPS; i++)
                max = MAX(max, fsm_page(b)->top[i]);
        rbuf_release(b);
        (void)slot_store(rel, dir_block(leaf / FSM_SLOTS), leaf % FSM_SLOTS, max, &changed);
    }
}

void
fsm_truncate(HeapRel *rel, BlockNo blocks)
{
    BlockNo leaf = blocks / FSM_SLOTS;

    if (!fork_has(rel, leaf_block(leaf)))
        return;
    Buf b = fsm_read(rel, leaf_block(leaf));
    buf_lock(b, LW_EXCLUSIVE);
    if (!page_is_new(buf_page(b))) {
        FsmPage *f = fsm_page(b);

        memset(&f->slot[blocks % FSM_SLOTS], 0, FSM_SLOTS - blocks % FSM_SLOTS);
        for (unsigned g = 0; g < FSM_GROUPS; g++) {
            f->top[g] = 0;
            for (unsigned i = g * FSM_GROUP; i < (g + 1) * FSM_GROUP; i++)
                f->top[g] = MAX(f->top[g], f->slot[i]);
        }
        buf_mark_dirty(b);
    }
    rbuf_release(b);
    fsm_vacuum(rel);
}
