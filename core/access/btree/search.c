/*
 * From the root to a page.
 *
 * Lehman and Yao: whoever comes to a page that does not cover his probe any more goes right. Inner pages
 * are read without a lock or pin, writing nothing that others read, and the result is thrown away if the
 * frame's version has moved (rule 3); a page of the target level is locked. At most one page is locked or
 * pinned at a time.
 */
#include "core/access/btree/btree_internal.h"

#define RESTARTS_MAX 10000

void
bt_damaged(const BtreeIndex *ix, BlockNo block, const char *what)
{
    RAISE_ERR(SQLSTATE_INDEX_CORRUPTED, err_message("index \"%s\" contains unexpected data at block %u: %s", ix->name, block, what),
              err_hint("Please REINDEX it."));
}

/* The heads are equal: every byte that both have among the first eight. */
int
bt_compare_rest(const BtProbe *p, const char *item, uint32_t n)
{
    uint32_t m = MIN(n, p->n);

    if (m > 8) {
        int c = memcmp(item + 8, p->key + 8, m - 8);

        if (c != 0)
            return c;
    }
    if (n < p->n)
        return -1;
    if (p->after)
        return -1;
    return n > p->n;
}

void
bt_meta_load(BtreeIndex *ix)
{
    Buf b = rbuf_read(ix->locator, FORK_MAIN, BT_META_BLOCK);
    const char *page = buf_page(b);
    BtMeta m = {0};

    buf_lock(b, LW_SHARED);
    if (!page_is_new(page) && bt_special(page)->flags & BT_META)
        m = *bt_meta(page);
    rbuf_release(b);
    if (m.magic != BT_MAGIC)
        RAISE(SQLSTATE_INDEX_CORRUPTED, "index \"%s\" is not a btree", ix->name);
    if (m.version != BT_VERSION)
        RAISE(SQLSTATE_INDEX_CORRUPTED, "version mismatch in index \"%s\": file version %u, current version %u", ix->name, m.version, BT_VERSION);
    ix->root_block = m.root;
    ix->root_level = m.level;
    ix->root_hint = BUF_INVALID;
}

static inline int
line_compare(const char *page, const BtProbe *p, LinePtr l)
{
    return bt_compare(p, page_item(page, l), LINE_LENGTH(l));
}

/* First of lines[lo, hi) not before the probe; hi: none. */
static inline int
search_binary(const char *page, const BtProbe *p, const LinePtr *lines, int lo, int hi)
{
    while (lo < hi) {
        int mid = (lo + hi) >> 1;

        if (line_compare(page, p, lines[mid]) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* The eight bytes at `skip`; what lies beyond the item counts as zeros. */
static inline uint64_t
head_at(const char *item, uint32_t n, uint32_t skip)
{
    uint64_t h;

    if (n >= skip + 8)
        return load_be64(item + skip);
    if (n <= skip)
        return 0;
    h = load_be64(item + skip); /* inside the page: the special space follows */
    return h & ~UINT64_C(0) << (64 - 8 * (n - skip));
}

/*
 * Where the probe would be between a and b if keys were spread evenly, by the eight bytes from where
 * those two begin to differ, in 65536ths; -1: no idea. A leaf is mostly cold: each item looked at costs
 * two cache misses, and the halves of a binary search are far apart. The pivots around the downlink,
 * which are warm, tell about where to look.
 */
static inline int
guess(const BtProbe *p, const char *a, uint32_t an, const char *b, uint32_t bn)
{
    uint32_t skip = 0, m = MIN(MIN(an, bn), p->n);
    uint64_t low, high, at;

    while (skip + 8 <= m) {
        uint64_t x = load_u64(a + skip) ^ load_u64(b + skip);

        if (x) {
            skip += (uint32_t)__builtin_ctzll(x) >> 3;
            break;
        }
        skip += 8;
    }
    if (skip + 1 > p->n || memcmp(p->key, a, skip) != 0)
        return -1;
    low = head_at(a, an, skip);
    high = head_at(b, bn, skip);
    at = skip + 8 <= p->n ? load_be64(p->key + skip) : bt_probe(p->key + skip, p->n - skip, p->after).head;
    if (at <= low || at >= high)
        return -1;
    return (int)((double)(at - low) / (double)(high - low) * 65535);
}

OffsetNo
bt_search_leaf(const char *page, const BtProbe *p)
{
    OffsetNo first = bt_first(page);
    const LinePtr *lines = page_lines(page) + first - 1;
    int n = page_line_count(page) - (int)first + 1, lo = 0, hi = n, g;

    if (n > 0 && p->guess >= 0) {
        /* Steps away from the guess that grow, a few times. */
        g = (int)((uint32_t)p->guess * (uint32_t)n >> 16);
        if (line_compare(page, p, lines[g]) < 0) {
            lo = g + 1;
            for (int step = 1; step <= 16 && lo + step < hi; step *= 4) {
                if (line_compare(page, p, lines[lo + step - 1]) >= 0) {
                    hi = lo + step - 1;
                    break;
                }
                lo += step;
            }
        } else {
            hi = g;
            for (int step = 1; step <= 16 && hi - step >= lo; step *= 4) {
                if (line_compare(page, p, lines[hi - step]) < 0) {
                    lo = hi - step + 1;
                    break;
                }
                hi -= step;
            }
        }
    } else if (n > 0) {
        if (line_compare(page, p, lines[n - 1]) < 0)
            return (OffsetNo)(first + n); /* ascending insertion */
        hi = n - 1;
    }
    return (OffsetNo)(first + search_binary(page, p, lines, lo, hi));
}

/* A line pointer of a page that may be changing: read once, so that what is checked is what is used. */
static inline LinePtr
line_once(const LinePtr *l)
{
    return __atomic_load_n(l, __ATOMIC_RELAXED); /* relaxed: the version tells whether it counts */
}

/* Also of a page that may be changing: nothing outside of it is read, whatever it holds. */
static inline OffsetNo
search_pivots(const char *page, const BtProbe *p, OffsetNo first, int count)
{
    const LinePtr *lines = page_lines(page) + first;
    int n = count - (int)first;

    while (n > 0) {
        int half = n >> 1;
        LinePtr l = line_once(&lines[half]);
        uint32_t off = MIN(LINE_OFFSET(l), PAGE_BYTES - 16), len = MIN(LINE_LENGTH(l), PAGE_BYTES - off);

        if (bt_compare(p, page + off + 4, len > 4 ? len - 4 : 0) <= 0) {
            lines += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return (OffsetNo)(lines - page_lines(page));
}

OffsetNo
bt_search_inner(const char *page, const BtProbe *p)
{
    return search_pivots(page, p, bt_first(page), page_line_count(page));
}

/* Also of a page that may be changing. */
static inline const char *
pivot_of(const char *page, OffsetNo line, uint32_t *n)
{
    LinePtr l = line_once(&page_lines(page)[line - 1]);
    uint32_t off = MIN(LINE_OFFSET(l), PAGE_BYTES - 16), len = MIN(LINE_LENGTH(l), PAGE_BYTES - 16 - off);

    *n = len > 4 ? len - 4 : 0;
    return page + off + 4;
}

/* Where to go from an inner page: a child or, *right, the sibling. False: not such a page, or it is
 * changing. */
static inline bool
inner_step(const char *page, BtProbe *p, uint32_t level, BlockNo *next, bool *right)
{
    const BtSpecial *s = bt_special(page);
    BlockNo sibling = __atomic_load_n(&s->right, __ATOMIC_RELAXED); /* relaxed: as in line_once; so below */
    OffsetNo first = sibling == BT_NONE ? 1 : 2, line;
    uint32_t lower = __atomic_load_n(&page_header(page)->lower, __ATOMIC_RELAXED), off;
    int count;

    if (UNLIKELY(s->level != level || (s->flags & (BT_DELETED | BT_META | BT_LEAF)) || lower < sizeof(PageHeader) || lower > PAGE_BYTES - sizeof(BtSpecial)))
        return false;
    count = (int)((lower - sizeof(PageHeader)) / sizeof(LinePtr));
    if (UNLIKELY(count < (int)first))
        return false;
    if (sibling != BT_NONE) {
        LinePtr l = line_once(page_lines(page));

        off = MIN(LINE_OFFSET(l), PAGE_BYTES - 16);
        if (UNLIKELY(bt_compare(p, page + off, MIN(LINE_LENGTH(l), PAGE_BYTES - off)) <= 0)) {
            *next = sibling;
            *right = true;
            return true;
        }
    }
    line = search_pivots(page, p, first, count);
    if (level == 1) {
        uint32_t n, high_n;
        const char *low = pivot_of(page, line, &n), *high;

        p->guess = -1;
        if (line < count) {
            high = pivot_of(page, (OffsetNo)(line + 1), &high_n);
            p->guess = guess(p, low, n, high, high_n);
        }
    }
    off = MIN(LINE_OFFSET(line_once(&page_lines(page)[line - 1])), PAGE_BYTES - 16);
    *next = load_u32(page + off);
    *right = false;
    return true;
}

typedef enum Step { STEP_DONE, STEP_RESTART, STEP_ROOT_STALE } Step;

/* A root that has been split since we saw it still leads to everything, but the long way. */
static inline bool
is_root(const char *page)
{
    return bt_special(page)->flags & BT_ROOT;
}

/* The page is changing, or not in the pool: with pin and lock. */
static Step
step_down_locked(const BtreeIndex *ix, BtProbe *p, uint32_t level, BlockNo block, bool root, BlockNo *next, bool *right)
{
    Step result;
    Buf b;

    RAISE_ON(buf_read_shared(ix->locator, FORK_MAIN, block, NULL, BUF_INVALID, &b));
    if (root && !is_root(buf_page(b)))
        result = STEP_ROOT_STALE;
    else
        result = inner_step(buf_page(b), p, level, next, right) ? STEP_DONE : STEP_RESTART;
    buf_release(b);
    return result;
}

/* One step from the inner page *block. root: it must be the root; *hint: its frame, perhaps. */
static inline Step
step_down(const BtreeIndex *ix, BtProbe *p, uint32_t *level, BlockNo *block, bool root, Buf *hint)
{
    Step result = STEP_DONE;
    BlockNo next = BT_NONE;
    BufPeek peek;
    bool right = false, seen = false;

    if (LIKELY(buf_peek_begin(ix->locator, FORK_MAIN, *block, *hint, &peek))) {
        const char *page = buf_page(peek.buf);

        if (UNLIKELY(root && !is_root(page)))
            result = STEP_ROOT_STALE;
        else if (UNLIKELY(!inner_step(page, p, *level, &next, &right)))
            result = STEP_RESTART;
        seen = buf_peek_valid(&peek);
        *hint = peek.buf;
    }
    if (UNLIKELY(!seen))
        result = step_down_locked(ix, p, *level, *block, root, &next, &right);
    if (LIKELY(result == STEP_DONE)) {
        *block = next;
        if (LIKELY(!right))
            (*level)--;
    }
    return result;
}

static inline bool
root_known(const BtreeIndex *ix)
{
    return ix->root_block != BLOCK_INVALID && ix->root_block != BT_META_BLOCK;
}

/* A page to land on, locked. */
static inline Buf
read_locked(BtreeIndex *ix, BlockNo block, Buf hint, LwMode mode)
{
    Buf b;

    if (mode == LW_SHARED)
        return rbuf_read_shared(ix->locator, FORK_MAIN, block, hint);
    b = rbuf_read_hint(ix->locator, FORK_MAIN, block, hint);
    __builtin_prefetch(buf_page(b));                   /* header and the first lines */
    __builtin_prefetch(buf_page(b) + PAGE_BYTES - 64); /* special space and, mostly, the high key */
    buf_lock(b, mode);
    return b;
}

/* From a locked page of the wanted level to the one that covers the probe; BUF_INVALID: start again. */
static Buf
land(BtreeIndex *ix, BtProbe *p, Buf b, uint32_t level, LwMode mode, bool for_write)
{
    for (;;) {
        const char *page = buf_page(b);
        const BtSpecial *s = bt_special(page);
        BlockNo next;

        if (UNLIKELY(page_is_new(page) || s->level != level || (s->flags & (BT_DELETED | BT_META)))) {
            rbuf_release(b);
            return BUF_INVALID;
        }
        if (for_write && UNLIKELY(s->flags & BT_INCOMPLETE)) {
            bt_finish_split(ix, b);
            return BUF_INVALID;
        }
        if (LIKELY(!bt_beyond(page, p)))
            return b;
        next = s->right;
        p->guess = -1;
        rbuf_release(b);
        b = read_locked(ix, next, BUF_INVALID, mode);
    }
}

/* From the root to the page of the target level, locked. BUF_INVALID: start again, *stale: with another root. */
static Buf
descend_once(BtreeIndex *ix, BtProbe *p, uint32_t target, LwMode mode, bool fresh, bool *stale)
{
    uint32_t level = ix->root_level;
    BlockNo block = ix->root_block;
    Buf hint = ix->root_hint, b;

    if (level > target) {
        Step step = step_down(ix, p, &level, &block, !fresh, &hint);

        ix->root_hint = hint;
        while (LIKELY(step == STEP_DONE) && level > target) {
            hint = BUF_INVALID;
            step = step_down(ix, p, &level, &block, false, &hint);
        }
        *stale = step == STEP_ROOT_STALE;
        return step == STEP_DONE ? read_locked(ix, block, BUF_INVALID, mode) : BUF_INVALID;
    }
    b = read_locked(ix, block, hint, mode);
    ix->root_hint = b;
    *stale = !fresh && UNLIKELY(!is_root(buf_page(b)));
    if (*stale) {
        rbuf_release(b);
        return BUF_INVALID;
    }
    return b;
}

Buf
bt_descend(BtreeIndex *ix, BtProbe *p, uint32_t target, LwMode mode, bool for_write)
{
    bool stale = false;

    p->guess = -1;
    for (int tries = 0; tries < RESTARTS_MAX; tries++) {
        bool fresh = tries > 0 || !root_known(ix) || ix->root_level < target;
        Buf b;

        if (UNLIKELY(fresh))
            bt_meta_load(ix);
        if (UNLIKELY(ix->root_level < target))
            bt_damaged(ix, ix->root_block, "the root is too low");
        b = descend_once(ix, p, target, mode, fresh, &stale);
        if (UNLIKELY(stale))
            ix->root_block = BLOCK_INVALID;
        if (LIKELY(b != BUF_INVALID))
            b = land(ix, p, b, target, mode, for_write);
        if (LIKELY(b != BUF_INVALID))
            return b;
    }
    bt_damaged(ix, ix->root_block, "no way from the root to a leaf");
}

BlockNo
btree_blocks(BtreeIndex *ix)
{
    return rbuf_blocks(ix->locator, FORK_MAIN);
}

void
btree_tree_height(BtreeIndex *ix, int *levels)
{
    bt_meta_load(ix);
    *levels = (int)ix->root_level;
}
