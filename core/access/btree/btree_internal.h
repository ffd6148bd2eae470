/*
 * What the files of core/access/btree share: the page, the items, probes, log record formats.
 *
 * Leaf item:  key bytes | tid (block 4, line 2, big-endian) [ | included values | u16 key bytes ]
 * Inner item: child block 4 | pivot: a prefix of some key that separates the child from its left sibling
 * A page that is not rightmost has its high key as line 1. Order is memcmp, a prefix before what extends
 * it; no entry's key is a prefix of another's. Rules are numbered in README.md.
 */
#ifndef CORE_ACCESS_BTREE_BTREE_INTERNAL_H
#define CORE_ACCESS_BTREE_BTREE_INTERNAL_H

#include "core/access/btree/btree.h"
#include "core/access/count.h"
#include "core/base/interrupt.h"
#include "lockmgr/predicate.h"

#define BT_META_BLOCK 0u
#define BT_NONE 0u                   /* no sibling: block 0 is the meta page */
#define BT_TID_BYTES 6u
#define BT_ITEM_MAX 2700u            /* three with their lines fit on an inner page, 4 bytes longer each */
#define BT_PAGE_ITEMS_MAX 678        /* (8192 - 32 - 16) / (8 + 4) */
#define BT_FILL_LEAF 90
#define BT_FILL_INNER 80
#define BT_FILL_ONE_VALUE 96

#define BT_LEAF 1u
#define BT_ROOT 2u
#define BT_META 4u
#define BT_DELETED 8u                /* unlinked; links still lead on; prune_xid: log position, see rule 9 */
#define BT_INCOMPLETE 16u            /* the right sibling has no downlink yet */
#define BT_GARBAGE 32u               /* some lines are marked dead */

typedef struct BtSpecial {
    BlockNo left, right;
    uint16_t level;                  /* 0: leaf */
    uint16_t flags;
    uint32_t cycle;                  /* unused */
} BtSpecial;
STATIC_ASSERT(sizeof(BtSpecial) == 16);
STATIC_ASSERT(3 * (BT_ITEM_MAX + 4 + 4) + 8 <= PAGE_BYTES - 32 - sizeof(BtSpecial));

/* The meta page has this in front of its BtSpecial. */
typedef struct BtMeta {
    uint32_t magic, version;
    BlockNo root;
    uint32_t level;
} BtMeta;
#define BT_MAGIC 0x48504254u
#define BT_VERSION 1u

static inline BtSpecial *bt_special(const char *page) { return (BtSpecial *)(uintptr_t)(page + PAGE_BYTES - sizeof(BtSpecial)); }
static inline BtMeta *bt_meta(const char *page) { return (BtMeta *)(uintptr_t)(page + PAGE_BYTES - sizeof(BtSpecial) - sizeof(BtMeta)); }
static inline OffsetNo bt_first(const char *page) { return bt_special(page)->right == BT_NONE ? 1 : 2; }
static inline BlockNo bt_child(const char *item) { return load_u32(item); }

/* ---- probes: what is searched for ---- */
typedef struct BtProbe {
    const char *key;
    uint32_t n;
    bool after;     /* behind everything that begins with the key */
    int32_t guess;  /* how far into the leaf that the descent led to, in 65536ths; -1 unknown. Set there */
    uint64_t head;  /* first 8 bytes, padded with 00 or, after, FF */
} BtProbe;

static inline BtProbe
bt_probe(const char *key, size_t n, bool after)
{
    BtProbe p = {key, (uint32_t)n, after, -1, after ? UINT64_MAX : 0};
    unsigned char b[8];

    if (n >= 8) {
        p.head = load_be64(key);
    } else {
        memset(b, after ? 0xFF : 0, 8);
        if (n)
            memcpy(b, key, n);
        p.head = load_be64(b);
    }
    return p;
}

int bt_compare_rest(const BtProbe *p, const char *item, uint32_t n);
/* Item against probe: < 0 the item stands before it. Eight bytes at item are readable. */
static inline int
bt_compare(const BtProbe *p, const char *item, uint32_t n)
{
    uint64_t h = load_be64(item);

    if (UNLIKELY(n < 8))
        h = n ? h & ~UINT64_C(0) << (64 - 8 * n) : 0;
    if (h != p->head)
        return h < p->head ? -1 : 1;
    return bt_compare_rest(p, item, n);
}
/* Does an entry begin with these key bytes? */
static inline bool
bt_starts_with(const char *item, uint32_t n, const char *key, uint32_t keyn)
{
    return n >= keyn && memcmp(item, key, keyn) == 0;
}

/* Bytes of the key in a leaf item, without tid and included values. */
static inline uint32_t
bt_key_bytes(const BtreeIndex *ix, const char *item, uint32_t n)
{
    return LIKELY(ix->ncolumns == ix->nkeys) ? n - BT_TID_BYTES : load_u16(item + n - 2);
}
static inline ItemPtr
bt_tid_at(const char *p)
{
    return (ItemPtr){load_be32(p), load_be16(p + 4)};
}
static inline ItemPtr
bt_tid(const BtreeIndex *ix, const char *item, uint32_t n)
{
    return bt_tid_at(item + bt_key_bytes(ix, item, n));
}
static inline void
bt_put_tid(char *p, ItemPtr tid)
{
    store_be32(p, tid.block);
    store_be16(p + 4, tid.off);
}

/* ---- log records; references' data ---- */
#define BT_OP_INSERT_LEAF 0x00   /* u16 line, item */
#define BT_OP_INSERT_INNER 0x10  /* the same; ref 1: child, whose split is complete now */
#define BT_OP_SPLIT 0x20         /* ref 0 left: BtSplitLeft, high key, [new item]; ref 1 right: BtSplitRight, items
                                    (u16 bytes, bytes); ref 2 its right sibling; ref 3 child as above */
#define BT_OP_NEW_ROOT 0x30      /* ref 0 root: u32 left, u32 right, u16 level, pivot; ref 1 left child; ref 2 meta */
#define BT_OP_DELETE 0x40        /* lines: marked dead in passing */
#define BT_OP_VACUUM 0x50        /* lines */
#define BT_OP_UNLINK 0x60        /* ref 0 page, ref 1 left sibling, ref 2 right sibling, ref 3 parent: u16 line */

typedef struct BtSplitLeft {
    uint16_t nleft;      /* items of the old page and the new one that stay, in order */
    uint16_t new_line;   /* where the new item comes in; 0: on the right */
    uint16_t high_bytes;
} BtSplitLeft;
typedef struct BtSplitRight {
    BlockNo left, right;
    uint16_t level, flags;
} BtSplitRight;

/* ---- search.c ---- */
NORETURN void bt_damaged(const BtreeIndex *ix, BlockNo block, const char *what);
void bt_meta_load(BtreeIndex *ix);
/* First line whose item is not before the probe; count + 1: none. */
OffsetNo bt_search_leaf(const char *page, const BtProbe *p);
/* Last line whose pivot is not after the probe; the first one stands for minus infinity. */
OffsetNo bt_search_inner(const char *page, const BtProbe *p);
/* The page of a level that covers the probe, pinned (owned) and locked. for_write: its split, if it was
 * left half-way, is completed before. */
Buf bt_descend(BtreeIndex *ix, BtProbe *p, uint32_t level, LwMode mode, bool for_write);
/* Does the page at its right cover the probe? */
static inline bool
bt_beyond(const char *page, const BtProbe *p)
{
    LinePtr high;

    if (bt_special(page)->right == BT_NONE)
        return false;
    high = page_line(page, 1);
    return bt_compare(p, page_item(page, high), LINE_LENGTH(high)) <= 0;
}

/* ---- split.c ---- */
void bt_page_init(char *page, uint16_t level, uint16_t flags, BlockNo left, BlockNo right);
Buf bt_new_page(BtreeIndex *ix);
/* Puts an item on a page that has no room for it. Page locked; child: the page whose split this is the
 * downlink of (locked), or BUF_INVALID. Everything is released. */
void bt_split(BtreeIndex *ix, Buf left, OffsetNo line, const char *item, uint32_t n, Buf child);
/* Completes a split left half-way; the page, locked exclusively, is released. */
void bt_finish_split(BtreeIndex *ix, Buf left);
/* The left page of a split as it is after it; also for redo. */
void bt_build_left(const char *old, char *out, const BtSplitLeft *s, const char *high, const char *item, uint32_t n);
/* Bytes of the shortest prefix of b that stands after a. */
uint32_t bt_separator(const char *a, uint32_t an, const char *b, uint32_t bn);
void bt_make_root(char *page, BlockNo left, BlockNo right, uint16_t level, const char *pivot, uint32_t n);
void bt_make_meta(char *page, BlockNo root, uint32_t level);
void bt_free_page(BtreeIndex *ix, BlockNo block);
static inline bool
bt_has_room(const char *page, uint32_t n)
{
    return page_free_bytes(page) >= ALIGN_UP(n, 8u);
}

/* ---- delete.c: removing items ---- */
void bt_delete_lines(BtreeIndex *ix, Buf b, const OffsetNo *lines, int n, uint8_t op);
/* Removes what is marked dead; true if anything was. Page locked exclusively. */
bool bt_delete_marked(BtreeIndex *ix, Buf b);

/* ---- key.c ---- */
void bt_encode_entry(const BtreeIndex *ix, const Datum *values, const bool *nulls, ItemPtr tid, StrBuf *out, uint32_t *key_bytes, bool *any_null);
NORETURN void bt_entry_too_big(const BtreeIndex *ix, size_t n, ItemPtr tid, const char *heap);

#endif
