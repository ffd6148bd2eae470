/*
 * Redo of heap records. Each page is handled by itself and only if its LSN is older than the
 * record.
 */
#include "core/access/heap/heap_internal.h"

NORETURN static void
damaged(const WalRecord *r, const char *what)
{
    PANIC("heap record at %s: %s", lsn_text(r->start), what);
}

static void
page_done(const WalRecord *r, Buf b)
{
    page_set_lsn(buf_page(b), r->end);
    buf_mark_dirty(b);
}

/* The map's bits and the page's flag. The flag is cleared with the page, in the handlers. */
static void
map_clear(const WalRecord *r)
{
    uint8_t flags = r->data_bytes ? (uint8_t)r->data[0] : 0;

    if (flags & LOG_VM_CLEARED)
        vm_redo_clear(r->refs[0].locator, r->refs[0].block);
    if (flags & LOG_VM_CLEARED_REF1)
        vm_redo_clear(r->refs[1].locator, r->refs[1].block);
}

static Buf
ref_page(const WalRecord *r, int ref, RedoAction *action)
{
    Buf b;

    *action = redo_read(r, ref, &b);
    if (*action == REDO_NEEDED && (r->refs[ref].flags & WAL_REF_WILL_INIT))
        page_init(buf_page(b), 0);
    return b;
}

static char *
tuple_at(const WalRecord *r, char *page, OffsetNo line)
{
    char *t = page_tuple(page, line, NULL);

    if (!t)
        damaged(r, "no tuple at the line it changes");
    return t;
}

static char *
tuple_new(const WalRecord *r, char *page, OffsetNo line, size_t size, uint16_t flags, BlockNo block)
{
    char *t = page_place_at(page, size, line);

    if (!t)
        damaged(r, "a new tuple does not fit");
    tuple_set_xmin(t, r->xid);
    tuple_set_xmax(t, XID_INVALID);
    tuple_set_cid(t, 0);
    tuple_set_ctid(t, block, line);
    tuple_set_flags(t, flags);
    page_header(page)->flags &= (uint16_t)~PAGE_FLAG_ALL_VISIBLE;
    return t;
}

static void
redo_insert(const WalRecord *r)
{
    const WalBlockRef *ref = &r->refs[0];
    RedoAction action;
    Buf b;

    map_clear(r);
    b = ref_page(r, 0, &action);
    if (action == REDO_NEEDED) {
        size_t body = ref->data_bytes - 4;
        char *t = tuple_new(r, buf_page(b), load_u16(ref->data), HEAP_HEADER_BYTES + body,
                            load_u16(ref->data + 2), ref->block);

        memcpy(t + HEAP_HEADER_BYTES, ref->data + 4, body);
        page_done(r, b);
    }
    if (b != BUF_INVALID)
        buf_release(b);
}

/* xmax, flags and ctid of a version that was changed. */
static void
old_version(const WalRecord *r, char *page, OffsetNo line, uint16_t flags, const char *xmax,
            ItemPtr ctid)
{
    char *t = tuple_at(r, page, line);

    tuple_set_xmax(t, flags & HEAP_XMAX_MULTI ? load_u48(xmax) : r->xid);
    tuple_set_cid(t, 0);
    tuple_set_flags(t, flags);
    tuple_set_ctid(t, ctid.block, ctid.off);
    page_note_prunable(page, r->xid);
    page_header(page)->flags &= (uint16_t)~PAGE_FLAG_ALL_VISIBLE;
}

static void
redo_delete(const WalRecord *r)
{
    const WalBlockRef *ref = &r->refs[0];
    RedoAction action;
    Buf b;

    map_clear(r);
    b = ref_page(r, 0, &action);
    if (action == REDO_NEEDED) {
        OffsetNo line = load_u16(ref->data);

        old_version(r, buf_page(b), line, load_u16(ref->data + 2), ref->data + 4,
                    (ItemPtr){ref->block, line});
        page_done(r, b);
    }
    if (b != BUF_INVALID)
        buf_release(b);
}

static void
redo_update_same(const WalRecord *r)
{
    const WalBlockRef *ref = &r->refs[0];
    RedoAction action;
    Buf b;

    map_clear(r);
    b = ref_page(r, 0, &action);
    if (action == REDO_NEEDED) {
        const char *d = ref->data, *end = d + ref->data_bytes, *old_xmax = d + 12;
        OffsetNo old_line = load_u16(d), new_line = load_u16(d + 2);
        uint16_t old_flags = load_u16(d + 4), new_flags = load_u16(d + 6);
        size_t prefix = load_u16(d + 8), suffix = load_u16(d + 10), middle;
        char *page = buf_page(b), *t, *old;
        Xid new_xmax = XID_INVALID;
        uint32_t old_size;

        d += 12 + (old_flags & HEAP_XMAX_MULTI ? 6 : 0);
        if (!(new_flags & HEAP_XMAX_INVALID)) {
            new_xmax = load_u48(d);
            d += 6;
        }
        middle = (size_t)(end - d);
        old = page_tuple(page, old_line, &old_size);
        if (!old || prefix + suffix > old_size - HEAP_HEADER_BYTES)
            damaged(r, "the old version is not as it was");
        old_version(r, page, old_line, old_flags, old_xmax, (ItemPtr){ref->block, new_line});
        t = tuple_new(r, page, new_line, HEAP_HEADER_BYTES + prefix + middle + suffix, new_flags,
                      ref->block);
        tuple_set_xmax(t, new_xmax);
        memcpy(t + HEAP_HEADER_BYTES, old + HEAP_HEADER_BYTES, prefix);
        memcpy(t + HEAP_HEADER_BYTES + prefix, d, middle);
        memcpy(t + HEAP_HEADER_BYTES + prefix + middle, old + old_size - suffix, suffix);
        page_done(r, b);
    }
    if (b != BUF_INVALID)
        buf_release(b);
}

static void
redo_update(const WalRecord *r)
{
    const WalBlockRef *nref = &r->refs[0], *oref = &r->refs[1];
    RedoAction action;
    Buf b;

    map_clear(r);
    b = ref_page(r, 1, &action);
    if (action == REDO_NEEDED) {
        old_version(r, buf_page(b), load_u16(oref->data), load_u16(oref->data + 2), oref->data + 6,
                    (ItemPtr){nref->block, load_u16(oref->data + 4)});
        page_done(r, b);
    }
    if (b != BUF_INVALID)
        buf_release(b);
    b = ref_page(r, 0, &action);
    if (action == REDO_NEEDED) {
        const char *d = nref->data + 4;
        uint16_t flags = load_u16(nref->data + 2);
        Xid xmax = XID_INVALID;
        size_t body;
        char *t;

        if (!(flags & HEAP_XMAX_INVALID)) {
            xmax = load_u48(d);
            d += 6;
        }
        body = (size_t)(nref->data + nref->data_bytes - d);
        t = tuple_new(r, buf_page(b), load_u16(nref->data), HEAP_HEADER_BYTES + body, flags,
                      nref->block);
        tuple_set_xmax(t, xmax);
        memcpy(t + HEAP_HEADER_BYTES, d, body);
        page_done(r, b);
    }
    if (b != BUF_INVALID)
        buf_release(b);
}

/* LOCK, OVERWRITE, UNINSERT: one tuple of one page. */
static void
redo_one(const WalRecord *r)
{
    const WalBlockRef *ref = &r->refs[0];
    RedoAction action;
    Buf b = ref_page(r, 0, &action);

    if (action == REDO_NEEDED) {
        OffsetNo line = load_u16(ref->data);
        char *page = buf_page(b), *t = tuple_at(r, page, line);

        switch (r->info) {
        case HEAP_OP_LOCK:
            tuple_set_flags(t, load_u16(ref->data + 2));
            tuple_set_xmax(t, load_u48(ref->data + 4));
            if (tuple_flags(t) & HEAP_XMAX_LOCK_ONLY)
                tuple_set_ctid(t, ref->block, line);
            break;
        case HEAP_OP_OVERWRITE:
            if (ref->data_bytes - 4 + HEAP_HEADER_BYTES != LINE_LENGTH(page_line(page, line)))
                damaged(r, "an overwrite of another length");
            tuple_set_flags(
                t, (tuple_flags(t) & (uint16_t) ~(HEAP_HAS_EXTERNAL | HEAP_HAS_COMPRESSED)) |
                       load_u16(ref->data + 2));
            memcpy(t + HEAP_HEADER_BYTES, ref->data + 4, ref->data_bytes - 4);
            break;
        default:
            tuple_set_xmin(t, XID_INVALID);
            tuple_set_flags(t,
                            (tuple_flags(t) & (uint16_t)~HEAP_XMIN_COMMITTED) | HEAP_XMIN_ABORTED);
            page_note_prunable(page, r->xid);
        }
        page_done(r, b);
    }
    if (b != BUF_INVALID)
        buf_release(b);
}

static void
heap_redo(const WalRecord *r)
{
    switch (r->info) {
    case HEAP_OP_INSERT:
        redo_insert(r);
        break;
    case HEAP_OP_DELETE:
        redo_delete(r);
        break;
    case HEAP_OP_UPDATE:
        redo_update(r);
        break;
    case HEAP_OP_UPDATE_SAME:
        redo_update_same(r);
        break;
    case HEAP_OP_LOCK:
    case HEAP_OP_OVERWRITE:
    case HEAP_OP_UNINSERT:
        redo_one(r);
        break;
    default:
        damaged(r, "unknown operation");
    }
}

/* ---- HEAP2 ---- */

static void
prune_decode(const WalRecord *r, PruneWork *w)
{
    const char *d = r->refs[0].data;

    w->nredirect = load_u16(d);
    w->ndead = load_u16(d + 2);
    w->nunused = load_u16(d + 4);
    if (w->nredirect > HEAP_TUPLES_PER_PAGE_MAX || w->ndead > HEAP_TUPLES_PER_PAGE_MAX ||
        w->nunused > HEAP_TUPLES_PER_PAGE_MAX)
        damaged(r, "too many lines");
    d += 6;
    memcpy(w->redirect, d, w->nredirect * 4u);
    d += w->nredirect * 4u;
    memcpy(w->dead, d, w->ndead * 2u);
    d += w->ndead * 2u;
    memcpy(w->unused, d, w->nunused * 2u);
}

static void
freeze_apply(char *page, const char *d, size_t n)
{
    for (size_t i = 0; i + 2 <= n; i += 2) {
        uint16_t v = load_u16(d + i);
        char *t = page_tuple(page, v & 0x7FFF, NULL);

        if (!t)
            continue;
        tuple_freeze(t, v & 0x8000);
    }
}

static void
redo_multi_insert(const WalRecord *r, Buf b)
{
    const WalBlockRef *ref = &r->refs[0];
    const char *d = ref->data + 4, *end = ref->data + ref->data_bytes;
    OffsetNo line = load_u16(ref->data);

    for (int n = load_u16(ref->data + 2); n > 0; n--, line++) {
        size_t body;
        char *t;

        if (d + 4 > end || d + 4 + load_u16(d + 2) > end)
            damaged(r, "tuples run past the record");
        body = load_u16(d + 2);
        t = tuple_new(r, buf_page(b), line, HEAP_HEADER_BYTES + body, load_u16(d), ref->block);
        memcpy(t + HEAP_HEADER_BYTES, d + 4, body);
        d += 4 + body;
    }
}

static void
heap2_redo(const WalRecord *r)
{
    const WalBlockRef *ref = &r->refs[0];
    RedoAction action;
    PruneWork w;
    Buf b;

    if (r->info == HEAP2_OP_VISIBLE) {
        vm_redo_visible(r);
        return;
    }
    if (r->info == HEAP2_OP_MULTI_INSERT)
        map_clear(r);
    b = ref_page(r, 0, &action);
    if (action == REDO_NEEDED) {
        switch (r->info) {
        case HEAP2_OP_PRUNE:
            prune_decode(r, &w);
            prune_apply(buf_page(b), &w);
            break;
        case HEAP2_OP_UNUSED: {
            OffsetNo lines[HEAP_TUPLES_PER_PAGE_MAX];

            memcpy(lines, ref->data, MIN((size_t)ref->data_bytes, sizeof lines));
            lines_set_unused(buf_page(b), lines, (int)(ref->data_bytes / 2));
            break;
        }
        case HEAP2_OP_FREEZE:
            freeze_apply(buf_page(b), ref->data, ref->data_bytes);
            break;
        case HEAP2_OP_MULTI_INSERT:
            redo_multi_insert(r, b);
            break;
        default:
            damaged(r, "unknown operation");
        }
        page_done(r, b);
    }
    if (b != BUF_INVALID)
        buf_release(b);
}

/* ---- describing ---- */

static const char *
heap_identify(uint8_t info)
{
    switch (info) {
    case HEAP_OP_INSERT:
        return "INSERT";
    case HEAP_OP_DELETE:
        return "DELETE";
    case HEAP_OP_UPDATE:
        return "UPDATE";
    case HEAP_OP_UPDATE_SAME:
        return "UPDATE_SAME_PAGE";
    case HEAP_OP_LOCK:
        return "LOCK";
    case HEAP_OP_OVERWRITE:
        return "INPLACE";
    case HEAP_OP_UNINSERT:
        return "UNINSERT";
    default:
        return NULL;
    }
}

static const char *
heap2_identify(uint8_t info)
{
    switch (info) {
    case HEAP2_OP_PRUNE:
        return "PRUNE";
    case HEAP2_OP_UNUSED:
        return "VACUUM";
    case HEAP2_OP_FREEZE:
        return "FREEZE_PAGE";
    case HEAP2_OP_VISIBLE:
        return "VISIBLE";
    case HEAP2_OP_MULTI_INSERT:
        return "MULTI_INSERT";
    default:
        return NULL;
    }
}

static void
heap_describe(const WalRecord *r, StrBuf *out)
{
    const WalBlockRef *ref = &r->refs[0];

    if (ref->data_bytes < 2)
        return; /* an image stands for it */
    if (r->info == HEAP_OP_UPDATE_SAME && ref->data_bytes >= 12)
        str_printf(out, "off %u new off %u prefix %u suffix %u", load_u16(ref->data),
                   load_u16(ref->data + 2), load_u16(ref->data + 8), load_u16(ref->data + 10));
    else
        str_printf(out, "off %u", load_u16(ref->data));
    if (ref->data_bytes >= 4 && r->info != HEAP_OP_UNINSERT && r->info != HEAP_OP_UPDATE_SAME)
        str_printf(out, " flags 0x%04X", load_u16(ref->data + 2));
}

static void
heap2_describe(const WalRecord *r, StrBuf *out)
{
    const WalBlockRef *ref = &r->refs[0];

    if (r->info == HEAP2_OP_VISIBLE)
        str_printf(out, "block %u bits %u", load_u32(r->data), (unsigned char)r->data[4]);
    else if (r->info == HEAP2_OP_PRUNE && ref->data_bytes >= 6)
        str_printf(out, "redirected %u dead %u unused %u", load_u16(ref->data),
                   load_u16(ref->data + 2), load_u16(ref->data + 4));
    else if (r->info == HEAP2_OP_MULTI_INSERT && ref->data_bytes >= 4)
        str_printf(out, "first off %u tuples %u", load_u16(ref->data), load_u16(ref->data + 2));
    else
        str_printf(out, "%u lines", ref->data_bytes / 2);
}

void
heap_register_redo(void)
{
    static const WalRmgrOps heap_ops = {"Heap",        heap_redo, heap_describe,
                                        heap_identify, NULL,      NULL};
    static const WalRmgrOps heap2_ops = {"Heap2",        heap2_redo, heap2_describe,
                                         heap2_identify, NULL,       NULL};

    wal_register_rmgr(RMGR_HEAP, &heap_ops);
    wal_register_rmgr(RMGR_HEAP2, &heap2_ops);
}
