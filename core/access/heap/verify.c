/*
 * Looks at every line and tuple of a heap page without trusting any byte of it, and reports what cannot
 * be. Texts are those of PostgreSQL's verify_heapam where the same thing is looked at.
 *
 * The page is checked on a copy: what it says is one moment's. Only tuples that the caller's snapshot
 * sees are followed into the toast table, since others' values may be gone.
 */
#include "core/access/heap/heap_internal.h"

#include <stdarg.h>
#include <stdio.h>

typedef struct Verify {
    HeapRel *rel;
    BlockNo block;
    bool check_toast;
    HeapVerifyReport report;
    void *arg;
    int found;
    Xid next_xid;
    const char *page;
} Verify;

static void __attribute__((format(printf, 4, 5)))
found(Verify *v, OffsetNo off, int attnum, const char *fmt, ...)
{
    char text[300];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    v->found++;
    v->report(v->arg, v->block, off, attnum, text);
}

/* ---- lines ---- */

static bool
check_redirect(Verify *v, OffsetNo off, LinePtr l)
{
    unsigned to = LINE_OFFSET(l), count = (unsigned)page_line_count(v->page);

    if (to < 1) {
        found(v, off, -1, "line pointer redirection to item at offset %u precedes minimum offset %u", to, 1u);
        return false;
    }
    if (to > count) {
        found(v, off, -1, "line pointer redirection to item at offset %u exceeds maximum offset %u", to, count);
        return false;
    }
    LinePtr target = page_line(v->page, (OffsetNo)to);
    if (LINE_STATE(target) == LINE_UNUSED)
        found(v, off, -1, "line pointer redirection to unused item at offset %u", to);
    else if (LINE_STATE(target) != LINE_NORMAL)
        found(v, off, -1, "line pointer redirection to item at offset %u, which is not a tuple", to);
    return false;
}

/* True: there is a tuple whose header can be read. */
static bool
check_line(Verify *v, OffsetNo off, LinePtr l)
{
    unsigned at = LINE_OFFSET(l), length = LINE_LENGTH(l);
    const PageHeader *h = page_header(v->page);

    if (LINE_STATE(l) == LINE_REDIRECT)
        return check_redirect(v, off, l);
    if (LINE_STATE(l) != LINE_NORMAL)
        return false;
    if (at % 8 != 0)
        found(v, off, -1, "line pointer to page offset %u is not maximally aligned", at);
    else if (length < HEAP_HEADER_BYTES)
        found(v, off, -1, "line pointer length %u is less than the minimum tuple header size %u", length, HEAP_HEADER_BYTES);
    else if (at + length > h->special)
        found(v, off, -1, "line pointer to page offset %u with length %u ends beyond maximum page offset %u", at, length, h->special);
    else if (at < h->upper)
        found(v, off, -1, "line pointer to page offset %u lies before the page's items at %u", at, h->upper);
    else
        return true;
    return false;
}

/* ---- headers ---- */

static void
check_xids(Verify *v, OffsetNo off, const char *t)
{
    Xid xmin = tuple_xmin(t), xmax = tuple_xmax(t);
    uint16_t flags = tuple_flags(t);

    if (xmin >= v->next_xid)
        found(v, off, -1, "xmin %llu equals or exceeds next valid transaction ID %llu", (unsigned long long)xmin,
              (unsigned long long)v->next_xid);
    if (!(flags & (HEAP_XMAX_MULTI | HEAP_XMAX_INVALID)) && xmax >= v->next_xid)
        found(v, off, -1, "xmax %llu equals or exceeds next valid transaction ID %llu", (unsigned long long)xmax,
              (unsigned long long)v->next_xid);
    if (xmin == XID_INVALID)
        found(v, off, -1, "tuple has no inserting transaction");
}

/* Rule 3: the newer version on this page is heap-only and was inserted by who ended this one. */
static void
check_chain(Verify *v, OffsetNo off, const char *t)
{
    ItemPtr next = tuple_ctid(t);
    uint16_t flags = tuple_flags(t);

    if (!(flags & HEAP_HOT_UPDATED) || (flags & HEAP_XMAX_INVALID) || next.block != v->block || next.off == off)
        return;
    if (next.off < 1 || next.off > page_line_count(v->page)) {
        found(v, off, -1, "updated version at offset %u does not exist", next.off);
        return;
    }
    LinePtr l = page_line(v->page, next.off);
    if (LINE_STATE(l) != LINE_NORMAL || LINE_OFFSET(l) + LINE_LENGTH(l) > page_header(v->page)->special ||
        LINE_LENGTH(l) < HEAP_HEADER_BYTES)
        return; /* removed after an abort, or reported on its own */
    const char *newer = page_item(v->page, l);
    if (tuple_xmin(newer) == tuple_xmax(t) && !(tuple_flags(newer) & HEAP_HEAP_ONLY))
        found(v, off, -1, "tuple is marked as updated in place, but its new version at offset %u is not heap-only", next.off);
}

/* ---- attributes ---- */

/* The bytes of one stored tail value that lie before `end`; 0: it is cut or impossible. */
static size_t
tail_bytes(const char *p, const char *end)
{
    size_t left = (size_t)(end - p), n;
    unsigned char b = (unsigned char)*p;

    if (b == VAR_NULL_MARK)
        return 1;
    if (b == VAR_EXTERNAL)
        n = TOAST_POINTER_BYTES;
    else if (var_is_short(p))
        n = var_size(p);
    else
        n = left < 4 || var_size(p) < 4 ? 0 : var_size(p);
    return n > left ? 0 : n;
}

static bool
check_tail(Verify *v, OffsetNo off, const char *t, uint32_t size)
{
    const TupleLayout *l = v->rel->layout;
    const char *p = t + l->fixed_end, *end = t + size;

    if ((uint32_t)l->fixed_end > size) {
        found(v, off, -1, "data of fixed width ends at offset %d beyond total tuple length %u", l->fixed_end, size);
        return false;
    }
    for (int k = 0; k < l->ntail && p < end; k++) {
        int att = l->tail_atts[k];
        size_t n = tail_bytes(p, end);

        if (n == 0) {
            found(v, off, att, "attribute with length %u ends at offset %u beyond total tuple length %u",
                  (unsigned)(end - p >= 4 || var_is_short(p) ? var_size(p) : 0), (unsigned)(p - t), size);
            return false;
        }
        if (l->atts[att].len > 0 && (unsigned char)*p != VAR_NULL_MARK && n != (size_t)l->atts[att].len + 1) {
            found(v, off, att, "attribute has %zu bytes where its type has %d", n - 1, l->atts[att].len);
            return false;
        }
        p += n;
    }
    if (p < end)
        found(v, off, -1, "%u bytes follow the tuple's last attribute", (unsigned)(end - p));
    return p == end;
}

static void
check_toasted(Verify *v, OffsetNo off, const char *t, uint32_t size)
{
    const TupleLayout *l = v->rel->layout;

    for (int k = 0; k < l->ntail; k++) {
        int att = l->tail_atts[k];
        Arena *a = arena_create(txn_arena(), "verify toast");

        ERR_TRY {
            bool isnull;
            Datum d = tuple_get(l, t, size, att + 1, &isnull);
            if (!isnull && l->atts[att].len < 0 && (var_is_external(datum_ptr(d)) || var_is_compressed(datum_ptr(d))))
                (void)toast_fetch(a, d);
        } ERR_CATCH {
            uint32_t state = err_current()->sqlstate;
            if (state != SQLSTATE_DATA_CORRUPTED && state != SQLSTATE_INDEX_CORRUPTED && state != SQLSTATE_INTERNAL_ERROR)
                err_rethrow();
            found(v, off, att, "%s", err_current()->message);
            err_clear();
        } ERR_END;
        arena_destroy(a);
    }
}

static void
check_tuple(Verify *v, OffsetNo off, LinePtr l, bool visible)
{
    const char *t = page_item(v->page, l);
    uint32_t size = LINE_LENGTH(l);

    check_xids(v, off, t);
    check_chain(v, off, t);
    if (check_tail(v, off, t, size) && visible && v->check_toast && (tuple_flags(t) & (HEAP_HAS_EXTERNAL | HEAP_HAS_COMPRESSED)))
        check_toasted(v, off, t, size);
}

/* ---- the page ---- */

/* Which tuples the snapshot sees, judged on the page itself (hints go there); lines are checked first. */
static void
look_at_page(Verify *v, char *copy, bool *sound, bool *visible, const Snapshot *s)
{
    Buf b = rbuf_read(v->rel->locator, FORK_MAIN, v->block);
    int count;

    buf_lock(b, LW_SHARED);
    memcpy(copy, buf_page(b), PAGE_BYTES);
    v->page = copy;
    count = page_is_new(copy) ? 0 : page_line_count(copy);
    for (int i = 1; i <= count && i <= HEAP_VERIFY_LINES_MAX; i++) {
        LinePtr l = page_line(copy, (OffsetNo)i);

        sound[i] = check_line(v, (OffsetNo)i, l);
        visible[i] = sound[i] && v->check_toast && tuple_visible(page_item(buf_page(b), l), s, b);
    }
    rbuf_release(b);
}

int
heap_verify_block(HeapRel *rel, BlockNo block, bool check_toast, HeapVerifyReport report, void *arg)
{
    static char copy[PAGE_BYTES] __attribute__((aligned(8)));
    static bool sound[HEAP_VERIFY_LINES_MAX + 1], visible[HEAP_VERIFY_LINES_MAX + 1];
    Verify v = {.rel = rel, .block = block, .check_toast = check_toast && rel->toast, .report = report, .arg = arg,
                .next_xid = xid_next()};

    look_at_page(&v, copy, sound, visible, snapshot_latest());
    v.next_xid = xid_next(); /* nothing on the copy is newer */
    if (page_is_new(copy))
        return v.found;
    for (int i = 1; i <= page_line_count(copy) && i <= HEAP_VERIFY_LINES_MAX; i++)
        if (sound[i])
            check_tuple(&v, (OffsetNo)i, page_line(copy, (OffsetNo)i), visible[i]);
    return v.found;
}

bool
heap_verify_skips(HeapRel *rel, BlockNo block, bool only_frozen, Buf *vm)
{
    unsigned bits = vm_bits(rel, block, vm);

    return only_frozen ? (bits & VM_FROZEN) != 0 : (bits & VM_VISIBLE) != 0;
}
