/*
 * Deleting rows, overwriting them in place, and what changes to existing tuples have in common.
 */
#include "core/access/heap/heap_internal.h"

char *
page_tuple(char *page, OffsetNo line, uint32_t *size)
{
    LinePtr lp;

    if (line < OFFSET_FIRST || line > page_line_count(page))
        return NULL;
    lp = page_line(page, line);
    if (LINE_STATE(lp) != LINE_NORMAL)
        return NULL;
    if (size)
        *size = LINE_LENGTH(lp);
    return page_item(page, lp);
}

bool
page_pin_map(HeapRel *rel, Buf b, Buf *vm)
{
    if (LIKELY(!(page_header(buf_page(b))->flags & PAGE_FLAG_ALL_VISIBLE)) ||
        vm_covers(*vm, buf_block(b)))
        return false;
    buf_unlock(b);
    vm_pin(rel, buf_block(b), vm);
    buf_lock(b, LW_EXCLUSIVE);
    return true;
}

void
tuple_write_lock(HeapRel *rel, Buf b, char *t, OffsetNo line, NewXmax x)
{
    char *page = buf_page(b);
    uint16_t flags = (tuple_flags(t) & (uint16_t)~HEAP_XMAX_BITS) | x.flags;
    char head[10];

    if (x.flags & HEAP_XMAX_LOCK_ONLY) {
        flags &= (uint16_t)~HEAP_HOT_UPDATED; /* an updater that was there has aborted */
    }
    critical_enter();
    tuple_set_xmax(t, x.xmax);
    tuple_set_flags(t, flags);
    if (x.flags & HEAP_XMAX_LOCK_ONLY)
        tuple_set_ctid(t, buf_block(b), line);
    buf_mark_dirty(b);
    if (rel->logged) {
        store_u16(head, line);
        store_u16(head + 2, flags);
        store_u48(head + 4, x.xmax);
        wal_begin();
        wal_add_block(0, rel->locator, FORK_MAIN, buf_block(b), page, WAL_REF_STANDARD);
        wal_add_block_data(0, head, sizeof head);
        page_set_lsn(page, wal_insert(RMGR_HEAP, HEAP_OP_LOCK, NULL));
    }
    critical_leave();
}

/* Serializable and repeatable read change only what their snapshot sees. */
static bool
crosscheck_fails(char *t, const Snapshot *s, Buf b)
{
    return s != NULL && txn_isolation >= ISO_REPEATABLE_READ && s->kind == SNAPSHOT_MVCC &&
           !tuple_visible(t, s, b);
}

static void
delete_write(HeapRel *rel, Buf b, Buf vm, char *t, OffsetNo line, NewXmax x, CommandId cid,
             bool combo, Xid xid)
{
    char *page = buf_page(b), head[10];
    uint16_t flags =
        (tuple_flags(t) & (uint16_t) ~(HEAP_XMAX_BITS | HEAP_HOT_UPDATED | HEAP_COMBO_CID)) |
        x.flags;
    uint8_t log_flags = 0;

    if (combo)
        flags |= HEAP_COMBO_CID;
    critical_enter();
    tuple_set_xmax(t, x.xmax);
    tuple_set_cid(t, cid);
    tuple_set_flags(t, flags);
    tuple_set_ctid(t, buf_block(b), line);
    page_note_prunable(page, xid);
    if (UNLIKELY(page_header(page)->flags & PAGE_FLAG_ALL_VISIBLE)) {
        page_header(page)->flags &= (uint16_t)~PAGE_FLAG_ALL_VISIBLE;
        vm_clear(buf_block(b), vm);
        log_flags |= LOG_VM_CLEARED;
    }
    buf_mark_dirty(b);
    if (rel->logged) {
        store_u16(head, line);
        store_u16(head + 2, flags & (uint16_t)~HEAP_COMBO_CID);
        store_u48(head + 4, x.xmax);
        wal_begin();
        wal_add_block(0, rel->locator, FORK_MAIN, buf_block(b), page, WAL_REF_STANDARD);
        wal_add_block_data(0, head, flags & HEAP_XMAX_MULTI ? 10 : 4);
        heap_note_vm(&log_flags);
        page_set_lsn(page, wal_insert(RMGR_HEAP, HEAP_OP_DELETE, NULL));
    }
    critical_leave();
}

TmResult
heap_delete(HeapRel *rel, ItemPtr tid, CommandId cid, const Snapshot *s, bool wait, TmFailure *fail)
{
    Xid xid = txn_xid();
    CountIo io = count_io_begin();
    Buf b = rbuf_read(rel->locator, FORK_MAIN, tid.block), vm = BUF_INVALID;
    bool have_lock = false, combo, all_visible;
    CommandId stored_cid;
    uint32_t size;
    TmResult r;
    char *t;

    buf_lock(b, LW_EXCLUSIVE);
    t = page_tuple(buf_page(b), tid.off, &size);
    if (UNLIKELY(!t)) { /* removed since the address was read: deleted for everybody */
        rbuf_release(b);
        if (fail)
            *fail = (TmFailure){.ctid = tid};
        return TM_DELETED;
    }
    do
        r = tuple_wait_ready(rel, b, t, tid, cid, ROW_EXCLUSIVE, wait ? WAIT_BLOCK : WAIT_SKIP,
                             &have_lock);
    while (r == TM_OK && page_pin_map(rel, b, &vm));
    if (r == TM_OK && crosscheck_fails(t, s, b))
        r = TM_UPDATED;
    if (r != TM_OK) {
        tuple_fail_info(t, r, fail);
        rbuf_release(b);
        vm_release(&vm);
        tuple_lock_release(rel, tid, ROW_EXCLUSIVE, &have_lock);
        if (r == TM_INVISIBLE)
            RAISE(SQLSTATE_OBJECT_NOT_IN_PREREQUISITE_STATE, "attempted to delete invisible tuple");
        return r == TM_WOULD_BLOCK && !wait ? TM_BEING_MODIFIED : r;
    }
    all_visible = page_header(buf_page(b))->flags & PAGE_FLAG_ALL_VISIBLE;
    heap_check_write(rel, tid.block, tid.off);
    stored_cid = tuple_delete_cid(t, cid, &combo);
    delete_write(rel, b, vm, t, tid.off, xmax_combine(t, xid, ROW_EXCLUSIVE, true), stored_cid,
                 combo, xid);
    if (UNLIKELY(all_visible)) /* rule 14 */
        heap_check_write(rel, tid.block, tid.off);
    buf_unlock(b);
    vm_release(&vm);
    if (UNLIKELY(tuple_flags(t) & HEAP_HAS_EXTERNAL) && rel->toast)
        toast_delete_row(rel, t, size); /* the pin keeps the bytes */
    rbuf_unpin(b);
    tuple_lock_release(rel, tid, ROW_EXCLUSIVE, &have_lock);
    count_delete(rel);
    count_io_end(count_heap(rel), io);
    return TM_OK;
}

void
heap_overwrite(HeapRel *rel, ItemPtr tid, const Datum *values, const bool *nulls)
{
    size_t size = tuple_size_of(rel->layout, values, nulls, NULL);
    Buf b = rbuf_read(rel->locator, FORK_MAIN, tid.block);
    char *page = buf_page(b), *t, head[4];
    uint16_t flags;
    uint32_t have;

    buf_lock(b, LW_EXCLUSIVE);
    t = page_tuple(page, tid.off, &have);
    if (!t || have != size) {
        rbuf_release(b);
        INTERNAL_ERROR("wrong tuple length in an overwrite of \"%s\"", rel->name);
    }
    critical_enter();
    flags = (tuple_flags(t) & (uint16_t) ~(HEAP_HAS_EXTERNAL | HEAP_HAS_COMPRESSED)) |
            tuple_fill(rel->layout, t, values, nulls);
    tuple_set_flags(t, flags);
    buf_mark_dirty(b);
    if (rel->logged) {
        store_u16(head, tid.off);
        store_u16(head + 2, flags & (HEAP_HAS_EXTERNAL | HEAP_HAS_COMPRESSED));
        wal_begin();
        wal_add_block(0, rel->locator, FORK_MAIN, tid.block, page, WAL_REF_STANDARD);
        wal_add_block_data(0, head, sizeof head);
        wal_add_block_data(0, t + HEAP_HEADER_BYTES, (uint32_t)size - HEAP_HEADER_BYTES);
        page_set_lsn(page, wal_insert(RMGR_HEAP, HEAP_OP_OVERWRITE, NULL));
    }
    critical_leave();
    rbuf_release(b);
}
