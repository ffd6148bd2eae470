/*
 * Scans: one leaf at a time is copied under its shared lock, then nothing is held.
 *
 * Between leaves the tree may change. Forward, the right link read with the page leads on: what a split
 * has moved right of it was copied before. Backward, the left link is right only if the page there still
 * links to ours. In every other case (a page deleted, split or not ours) the scan descends again with
 * the outermost key it has seen (rule 6).
 *
 * Index-only scans keep the leaf pinned until its entries are used: vacuum needs a cleanup lock before it
 * removes entries, so a heap page cannot be cleaned and marked all-visible in between (rule 7).
 */
#include "core/access/btree/btree_internal.h"

typedef struct ScanKey {
    char *bytes;
    uint32_t n, cap;
    bool given;
    BtProbe p;
} ScanKey;

struct BtreeScan {
    BtreeIndex *ix;
    Arena *arena;
    bool want_entries, backward, started, ended;
    bool tracked;
    ScanKey lower, upper;     /* p: first entry not before the range / first one behind it */
    ScanKey resume;           /* the last entry seen (forward), the first one (backward) */
    BlockNo block, next;      /* the leaf copied; its sibling in the scan's direction */
    Buf hint, pin;
    Lsn lsn;                  /* of the leaf as copied */
    int n, pos, batch;        /* entries copied, handed out, handed out before the last batch */
    int nkilled;
    uint16_t killed[BT_PAGE_ITEMS_MAX];
    OffsetNo lines[BT_PAGE_ITEMS_MAX];
    ItemPtr tids[BT_PAGE_ITEMS_MAX];
    const char **entries;     /* into copy; only if wanted */
    uint16_t *entry_bytes;
    char *copy;
};

BtreeScan *
btree_scan_begin(Arena *a, BtreeIndex *ix, bool want_entries)
{
    BtreeScan *s = arena_alloc(a, sizeof(BtreeScan));

    s->ix = ix;
    s->arena = a;
    s->want_entries = want_entries;
    s->backward = s->started = s->tracked = false;
    s->ended = true;
    memset(&s->lower, 0, sizeof s->lower);
    memset(&s->upper, 0, sizeof s->upper);
    memset(&s->resume, 0, sizeof s->resume);
    s->pin = s->hint = BUF_INVALID;
    s->n = s->pos = s->batch = s->nkilled = 0;
    s->entries = NULL;
    s->entry_bytes = NULL;
    s->copy = NULL;
    if (want_entries) {
        s->entries = arena_alloc(a, sizeof(char *) * BT_PAGE_ITEMS_MAX);
        s->entry_bytes = arena_alloc(a, sizeof(uint16_t) * BT_PAGE_ITEMS_MAX);
        s->copy = arena_alloc(a, PAGE_BYTES);
    }
    return s;
}

static void
key_set(BtreeScan *s, ScanKey *k, const char *bytes, size_t n, bool given, bool after)
{
    if (!given)
        n = 0;
    if (n > k->cap) {
        k->cap = (uint32_t)MAX((size_t)64, n * 2);
        k->bytes = arena_alloc(s->arena, k->cap);
    }
    if (n)
        memcpy(k->bytes, bytes, n);
    k->n = (uint32_t)n;
    k->given = given;
    k->p = bt_probe(k->bytes, n, after);
}

/* ---- marks for dead entries ---- */

static void
apply_kills(BtreeScan *s)
{
    Buf b = rbuf_read_shared(s->ix->locator, FORK_MAIN, s->block, s->hint);
    char *page = buf_page(b);

    /* Unchanged since: each line is still the entry that was handed out. */
    if (page_lsn(page) == s->lsn && !page_is_new(page) && buf_hint_begin(b)) {
        for (int i = 0; i < s->nkilled; i++) {
            OffsetNo line = s->lines[s->killed[i]];

            page_lines(page)[line - 1] = (page_line(page, line) & ~(3u << 15)) | (LinePtr)LINE_DEAD << 15;
        }
        bt_special(page)->flags |= BT_GARBAGE;
        buf_hint_end(b, true);
    }
    rbuf_release(b);
    s->nkilled = 0;
}

/* The copied leaf is not needed any more. */
static inline void
leaf_done(BtreeScan *s)
{
    if (UNLIKELY(s->nkilled > 0))
        apply_kills(s);
    if (s->pin != BUF_INVALID) {
        rbuf_unpin(s->pin);
        s->pin = BUF_INVALID;
    }
}

void
btree_scan_kill(BtreeScan *s, int k)
{
    k += s->batch;
    /* Without log positions nothing tells whether the page has changed. */
    if (k >= s->pos || !s->ix->logged || s->nkilled == BT_PAGE_ITEMS_MAX)
        return;
    s->killed[s->nkilled++] = (uint16_t)k;
}

void
btree_scan_set(BtreeScan *s, BtreeBound lower, BtreeBound upper, bool backward)
{
    leaf_done(s);
    key_set(s, &s->lower, lower.key, lower.n, lower.given, lower.given && !lower.inclusive);
    key_set(s, &s->upper, upper.key, upper.n, upper.given, !upper.given || upper.inclusive);
    s->backward = backward;
    s->started = s->ended = false;
    s->resume.given = false;
    s->n = s->pos = s->batch = 0;
}

void
btree_scan_end(BtreeScan *s)
{
    leaf_done(s);
    s->n = s->pos = 0;
    s->ended = true;
}

void
btree_scan_track(BtreeScan *s)
{
    s->tracked = !s->ix->is_temp;
}

/* ---- copying a leaf ---- */

static inline void
copy_item(BtreeScan *s, const char *page, OffsetNo line, LinePtr l)
{
    const char *item = page_item(page, l);
    uint32_t n = LINE_LENGTH(l);
    int i = s->n++;

    s->lines[i] = line;
    s->tids[i] = bt_tid(s->ix, item, n);
    if (s->want_entries) {
        char *to = i == 0 ? s->copy : (char *)(uintptr_t)s->entries[i - 1] + s->entry_bytes[i - 1];

        memcpy(to, item, n);
        s->entries[i] = to;
        s->entry_bytes[i] = (uint16_t)n;
    }
}

/* First line behind the range, looking from `from` on: often the next one, or none on this page. */
static OffsetNo
range_end(const BtreeScan *s, const char *page, OffsetNo from, int count)
{
    LinePtr l;

    if (!s->upper.given || from > count)
        return (OffsetNo)(count + 1);
    for (int i = 0; i < 2; i++, from++) {
        if (from > count)
            return from;
        l = page_line(page, from);
        if (bt_compare(&s->upper.p, page_item(page, l), LINE_LENGTH(l)) >= 0)
            return from;
    }
    l = page_line(page, (OffsetNo)count);
    if (bt_compare(&s->upper.p, page_item(page, l), LINE_LENGTH(l)) < 0)
        return (OffsetNo)(count + 1);
    return bt_search_leaf(page, &s->upper.p);
}

static void
remember(BtreeScan *s, const char *page, OffsetNo line, bool after)
{
    LinePtr l = page_line(page, line);

    key_set(s, &s->resume, page_item(page, l), bt_key_bytes(s->ix, page_item(page, l), LINE_LENGTH(l)) + BT_TID_BYTES, true, after);
}

static void
copy_forward(BtreeScan *s, const char *page, OffsetNo from)
{
    int count = page_line_count(page);
    OffsetNo end = range_end(s, page, from, count);

    s->next = bt_special(page)->right;
    if (end <= count || s->next == BT_NONE)
        s->ended = true;
    else if (s->upper.given) {
        LinePtr l = page_line(page, 1);

        /* All at the right is not before the high key. */
        s->ended = bt_compare(&s->upper.p, page_item(page, l), LINE_LENGTH(l)) >= 0;
    }
    for (OffsetNo i = from; i < end; i++) {
        LinePtr l = page_line(page, i);

        if (LIKELY(LINE_STATE(l) == LINE_NORMAL))
            copy_item(s, page, i, l);
    }
    if (!s->ended && count >= bt_first(page))
        remember(s, page, (OffsetNo)count, true);
}

/* Entries before line `to`, last first. */
static void
copy_backward(BtreeScan *s, const char *page, OffsetNo to)
{
    OffsetNo first = bt_first(page), from = first;

    if (s->lower.given)
        from = bt_search_leaf(page, &s->lower.p);
    s->next = bt_special(page)->left;
    s->ended = s->next == BT_NONE || from > first;
    for (OffsetNo i = (OffsetNo)(to - 1); i >= from && i > 0; i--) {
        LinePtr l = page_line(page, i);

        if (LIKELY(LINE_STATE(l) == LINE_NORMAL))
            copy_item(s, page, i, l);
    }
    if (!s->ended && page_line_count(page) >= first)
        remember(s, page, first, false);
}

/* ---- from leaf to leaf ---- */

static inline bool
leaf_usable(const char *page)
{
    return !page_is_new(page) && bt_special(page)->level == 0 && (bt_special(page)->flags & (BT_LEAF | BT_DELETED)) == BT_LEAF;
}

/* The leaf to start at, locked; *line: where the range (or what is left of it) begins or ends there. */
static Buf
find_leaf(BtreeScan *s, OffsetNo *line)
{
    BtProbe *p = s->resume.given ? &s->resume.p : s->backward ? &s->upper.p : &s->lower.p;
    Buf b = bt_descend(s->ix, p, 0, LW_SHARED, false);

    *line = bt_search_leaf(buf_page(b), p);
    p->guess = -1;
    return b;
}

static Buf
next_leaf(BtreeScan *s, OffsetNo *line)
{
    Buf b = rbuf_read_shared(s->ix->locator, FORK_MAIN, s->next, BUF_INVALID);
    const char *page = buf_page(b);

    if (LIKELY(leaf_usable(page))) {
        int count = page_line_count(page);
        OffsetNo first = bt_first(page);

        if (!s->backward) {
            *line = first;
            if (s->resume.given && count >= first) {
                LinePtr l = page_line(page, first);

                /* A deleted neighbour's range may have come here, and new entries with it. */
                if (UNLIKELY(bt_compare(&s->resume.p, page_item(page, l), LINE_LENGTH(l)) < 0))
                    *line = bt_search_leaf(page, &s->resume.p);
            }
            return b;
        }
        if (LIKELY(bt_special(page)->right == s->block)) {
            *line = (OffsetNo)(count + 1);
            return b;
        }
    }
    rbuf_release(b);
    return find_leaf(s, line);
}

static void
read_leaf(BtreeScan *s)
{
    StatsRel *r = count_index(s->ix);
    CountIo io = count_io_begin();
    OffsetNo line;
    Buf b;

    leaf_done(s);
    s->n = s->pos = s->batch = 0;
    if (LIKELY(!s->started)) {
        s->started = true;
        if (r)
            r->scans++;
        b = find_leaf(s, &line);
    } else {
        CHECK_INTERRUPTS();
        b = next_leaf(s, &line);
    }
    s->block = buf_block(b);
    if (UNLIKELY(s->tracked))
        pred_lock_page(s->ix->db, s->ix->oid, s->block);
    s->hint = b;
    s->lsn = page_lsn(buf_page(b));
    if (s->backward)
        copy_backward(s, buf_page(b), line);
    else
        copy_forward(s, buf_page(b), line);
    buf_unlock(b);
    if (s->want_entries && s->n > 0)
        s->pin = b;
    else
        rbuf_unpin(b);
    if (r)
        r->returned += s->n;
    count_io_end(r, io);
}

int
btree_scan_next(BtreeScan *s, ItemPtr *tids, int max, const char **entries, uint16_t *entry_bytes)
{
    int n;

    while (s->pos == s->n) {
        if (s->ended) {
            leaf_done(s);
            s->batch = s->pos;
            return 0;
        }
        read_leaf(s);
    }
    n = MIN(max, s->n - s->pos);
    memcpy(tids, s->tids + s->pos, sizeof(ItemPtr) * (size_t)n);
    if (entries) {
        memcpy(entries, s->entries + s->pos, sizeof(char *) * (size_t)n);
        memcpy(entry_bytes, s->entry_bytes + s->pos, sizeof(uint16_t) * (size_t)n);
    }
    s->batch = s->pos;
    s->pos += n;
    return n;
}
