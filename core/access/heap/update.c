/*
 * Updating rows: a new version, on the same page where it fits. If no indexed column changes it is
 * then a heap-only tuple, which needs no index entries (HOT).
 *
 * When the page has no room, or values must be moved out of line, the old version is first locked
 * by us (xmax, logged) and the page let go: nobody can change the row while we look for a place,
 * and both pages are then locked in order. What may have come meanwhile are key-share lockers; xmax
 * is therefore computed only at the end.
 */
#include "core/access/heap/heap_internal.h"

typedef struct Update {
    HeapRel *rel;
    const Datum *values;
    const bool *nulls;
    CommandId cid;
    Xid xid;
    RowLockMode mode;
    size_t size;
    bool hot;
    Buf b, nb; /* old and new page; the same one or two */
    Buf vm, vm_new;
    char *t; /* old version */
    uint32_t old_size;
    ItemPtr tid, new_tid;
} Update;

static size_t
common_prefix(const char *a, const char *b, size_t n)
{
    size_t i = 0;

    while (i + 8 <= n) {
        uint64_t x = load_u64(a + i) ^ load_u64(b + i);

        if (x)
            return i + (size_t)__builtin_ctzll(x) / 8;
        i += 8;
    }
    while (i < n && a[i] == b[i])
        i++;
    return i;
}

static size_t
common_suffix(const char *a_end, const char *b_end, size_t n)
{
    size_t i = 0;

    while (i + 8 <= n) {
        uint64_t x = load_u64(a_end - i - 8) ^ load_u64(b_end - i - 8);

        if (x)
            return i + (size_t)__builtin_clzll(x) / 8;
        i += 8;
    }
    while (i < n && a_end[-1 - (ptrdiff_t)i] == b_end[-1 - (ptrdiff_t)i])
        i++;
    return i;
}

/* Old and new version on one page: only what differs is logged. */
static void
log_same_page(const Update *u, const char *nt, uint16_t old_flags, uint16_t new_flags,
              uint8_t *log_flags)
{
    char *page = buf_page(u->b), head[24];
    size_t old_n = u->old_size - HEAP_HEADER_BYTES, new_n = u->size - HEAP_HEADER_BYTES;
    const char *old_body = u->t + HEAP_HEADER_BYTES, *new_body = nt + HEAP_HEADER_BYTES;
    size_t n = MIN(old_n, new_n), prefix = common_prefix(old_body, new_body, n);
    size_t suffix = common_suffix(old_body + old_n, new_body + new_n, n - prefix);
    uint32_t h = 12;

    store_u16(head, u->tid.off);
    store_u16(head + 2, u->new_tid.off);
    store_u16(head + 4, old_flags);
    store_u16(head + 6, new_flags);
    store_u16(head + 8, (uint16_t)prefix);
    store_u16(head + 10, (uint16_t)suffix);
    if (old_flags & HEAP_XMAX_MULTI) {
        store_u48(head + h, tuple_xmax(u->t));
        h += 6;
    }
    if (!(new_flags & HEAP_XMAX_INVALID)) {
        store_u48(head + h, tuple_xmax(nt));
        h += 6;
    }
    wal_begin();
    wal_add_block(0, u->rel->locator, FORK_MAIN, u->tid.block, page, WAL_REF_STANDARD);
    wal_add_block_data(0, head, h);
    if (new_n - prefix - suffix)
        wal_add_block_data(0, new_body + prefix, (uint32_t)(new_n - prefix - suffix));
    heap_note_vm(log_flags);
    page_set_lsn(page, wal_insert(RMGR_HEAP, HEAP_OP_UPDATE_SAME, NULL));
}

static void
log_two_pages(const Update *u, const char *nt, uint16_t old_flags, uint16_t new_flags, bool init,
              uint8_t *log_flags)
{
    char new_head[10], old_head[12];
    Lsn lsn;

    store_u16(new_head, u->new_tid.off);
    store_u16(new_head + 2, new_flags);
    store_u48(new_head + 4, tuple_xmax(nt));
    store_u16(old_head, u->tid.off);
    store_u16(old_head + 2, old_flags);
    store_u16(old_head + 4, u->new_tid.off);
    store_u48(old_head + 6, tuple_xmax(u->t));
    wal_begin();
    wal_add_block(0, u->rel->locator, FORK_MAIN, u->new_tid.block, buf_page(u->nb),
                  WAL_REF_STANDARD | (init ? WAL_REF_WILL_INIT : 0));
    wal_add_block_data(0, new_head, new_flags & HEAP_XMAX_INVALID ? 4 : 10);
    wal_add_block_data(0, nt + HEAP_HEADER_BYTES, (uint32_t)u->size - HEAP_HEADER_BYTES);
    wal_add_block(1, u->rel->locator, FORK_MAIN, u->tid.block, buf_page(u->b), WAL_REF_STANDARD);
    wal_add_block_data(1, old_head, old_flags & HEAP_XMAX_MULTI ? 12 : 6);
    heap_note_vm(log_flags);
    lsn = wal_insert(RMGR_HEAP, HEAP_OP_UPDATE, NULL);
    page_set_lsn(buf_page(u->nb), lsn);
    page_set_lsn(buf_page(u->b), lsn);
}

static void
clear_all_visible(Buf b, Buf vm, uint8_t flag, uint8_t *log_flags)
{
    PageHeader *h = page_header(buf_page(b));

    if (LIKELY(!(h->flags & PAGE_FLAG_ALL_VISIBLE)))
        return;
    h->flags &= (uint16_t)~PAGE_FLAG_ALL_VISIBLE;
    vm_clear(buf_block(b), vm);
    *log_flags |= flag;
}

/* Both pages are locked and there is room. Nothing here fails. */
static void
update_write(Update *u)
{
    char *new_page = buf_page(u->nb), *nt;
    NewXmax old_xmax = xmax_combine(u->t, u->xid, u->mode, true), carry = xmax_carry_lockers(u->t);
    bool combo, init, same = u->b == u->nb;
    CommandId old_cid = tuple_delete_cid(u->t, u->cid, &combo);
    uint16_t old_flags, new_flags;
    uint8_t log_flags = 0;

    critical_enter();
    nt = page_place(new_page, u->size, &u->new_tid.off);
    if (UNLIKELY(!nt))
        PANIC("no room on the page chosen for a tuple");
    u->new_tid.block = buf_block(u->nb);
    init = u->new_tid.off == 1 && page_line_count(new_page) == 1;
    new_flags = HEAP_UPDATED | carry.flags | (u->hot ? HEAP_HEAP_ONLY : 0) |
                tuple_fill(u->rel->layout, nt, u->values, u->nulls);
    tuple_set_xmin(nt, u->xid);
    tuple_set_xmax(nt, carry.xmax);
    tuple_set_cid(nt, u->cid);
    tuple_set_ctid(nt, u->new_tid.block, u->new_tid.off);
    tuple_set_flags(nt, new_flags);

    old_flags =
        (tuple_flags(u->t) & (uint16_t) ~(HEAP_XMAX_BITS | HEAP_HOT_UPDATED | HEAP_COMBO_CID)) |
        old_xmax.flags | (u->hot ? HEAP_HOT_UPDATED : 0);
    tuple_set_xmax(u->t, old_xmax.xmax);
    tuple_set_cid(u->t, old_cid);
    tuple_set_ctid(u->t, u->new_tid.block, u->new_tid.off);
    tuple_set_flags(u->t, old_flags | (combo ? HEAP_COMBO_CID : 0));

    page_note_prunable(buf_page(u->b), u->xid);
    clear_all_visible(u->b, u->vm, same ? LOG_VM_CLEARED : LOG_VM_CLEARED_REF1, &log_flags);
    buf_mark_dirty(u->b);
    if (!same) {
        clear_all_visible(u->nb, u->vm_new, LOG_VM_CLEARED, &log_flags);
        buf_mark_dirty(u->nb);
    }
    if (u->rel->logged) {
        if (same)
            log_same_page(u, nt, old_flags, new_flags, &log_flags);
        else
            log_two_pages(u, nt, old_flags, new_flags, init, &log_flags);
    }
    critical_leave();
}

/* Locks the old version for ourselves, so that the page may be let go. */
static void
hold_row(Update *u)
{
    if (!xmax_own_lock(u->t, u->mode))
        tuple_write_lock(u->rel, u->b, u->t, u->tid.off,
                         xmax_combine(u->t, u->xid, u->mode, false));
}

/* Compresses values and moves them out of line. Old page locked on entry and exit. */
static Arena *
toast_new_row(Update *u)
{
    int n = u->rel->layout->natts;
    Arena *a = arena_create(txn_arena(), "toast");
    Datum *values = arena_memdup(a, u->values, sizeof(Datum) * (size_t)n),
          *old = ARENA_ARRAY(a, Datum, n);
    bool *nulls = ARENA_ARRAY(a, bool, n), *old_nulls = ARENA_ARRAY(a, bool, n);

    hold_row(u);
    buf_unlock(u->b);
    if (u->nulls)
        memcpy(nulls, u->nulls, (size_t)n);
    tuple_deform(u->rel->layout, u->t, u->old_size, old, old_nulls, n);
    toast_row(a, u->rel, values, nulls, old, old_nulls, u->cid);
    u->values = values;
    u->nulls = nulls;
    u->size = tuple_size_of(u->rel->layout, values, nulls, NULL);
    if (u->size > MAX_TUPLE_BYTES)
        tuple_too_big(u->size);
    buf_lock(u->b, LW_EXCLUSIVE);
    return a;
}

/* Finds the page for the new version; both locked, map pages pinned. */
static void
choose_page(Update *u)
{
    size_t need = ALIGN_UP(u->size, (size_t)8);

    while (page_room(buf_page(u->b)) >= need)
        if (!page_pin_map(u->rel, u->b, &u->vm)) {
            u->nb = u->b;
            return;
        }
    hold_row(u);
    /* Whoever reads the page next should prune it. Only a hint: not logged, not worth a write. */
    page_header(buf_page(u->b))->flags |= PAGE_FLAG_FULL;
    buf_unlock(u->b);
    u->nb = page_for_tuple(u->rel, need, 0, NULL, u->b, &u->vm_new, &u->vm);
    u->hot = false;
}

static TmResult
update_wait(Update *u, const Snapshot *s, bool wait, bool *have_lock)
{
    TmResult r;

    do
        r = tuple_wait_ready(u->rel, u->b, u->t, u->tid, u->cid, u->mode,
                             wait ? WAIT_BLOCK : WAIT_SKIP, have_lock);
    while (r == TM_OK && page_pin_map(u->rel, u->b, &u->vm));
    if (r == TM_OK && s && txn_isolation >= ISO_REPEATABLE_READ && s->kind == SNAPSHOT_MVCC &&
        !tuple_visible(u->t, s, u->b))
        return TM_UPDATED;
    return r == TM_WOULD_BLOCK && !wait ? TM_BEING_MODIFIED : r;
}

TmResult
heap_update(HeapRel *rel, ItemPtr tid, const Datum *values, const bool *nulls, CommandId cid,
            const Snapshot *s, bool wait, bool key_changed, bool index_changed, ItemPtr *new_tid,
            bool *hot_out, TmFailure *fail)
{
    Update u = {.rel = rel,
                .values = values,
                .nulls = nulls,
                .cid = cid,
                .xid = txn_xid(),
                .tid = tid,
                .mode = key_changed ? ROW_EXCLUSIVE : ROW_NO_KEY_EXCLUSIVE,
                .vm = BUF_INVALID,
                .vm_new = BUF_INVALID,
                .hot = !index_changed};
    Arena *scratch = NULL;
    CountIo io = count_io_begin();
    bool have_lock = false, toast, all_visible;
    TmResult r;

    u.size = tuple_size_of(rel->layout, values, nulls, &toast);
    if (UNLIKELY(u.size > MAX_TUPLE_BYTES && !rel->toast))
        tuple_too_big(u.size);
    u.b = rbuf_read(rel->locator, FORK_MAIN, tid.block);
    buf_lock(u.b, LW_EXCLUSIVE);
    u.t = page_tuple(buf_page(u.b), tid.off, &u.old_size);
    if (UNLIKELY(!u.t)) {
        rbuf_release(u.b);
        if (fail)
            *fail = (TmFailure){.ctid = tid};
        return TM_DELETED;
    }
    r = update_wait(&u, s, wait, &have_lock);
    if (UNLIKELY(r != TM_OK)) {
        tuple_fail_info(u.t, r, fail);
        rbuf_release(u.b);
        vm_release(&u.vm);
        tuple_lock_release(rel, tid, u.mode, &have_lock);
        if (r == TM_INVISIBLE)
            RAISE(SQLSTATE_OBJECT_NOT_IN_PREREQUISITE_STATE, "attempted to update invisible tuple");
        return r;
    }
    if (UNLIKELY(rel->toast && (toast || (tuple_flags(u.t) & HEAP_HAS_EXTERNAL))))
        scratch = toast_new_row(&u);
    choose_page(&u);
    all_visible = page_header(buf_page(u.b))->flags & PAGE_FLAG_ALL_VISIBLE;
    heap_check_write(rel, tid.block, tid.off);
    update_write(&u);
    if (UNLIKELY(all_visible)) /* rule 14 */
        heap_check_write(rel, tid.block, tid.off);
    buf_unlock(u.b);
    if (u.nb != u.b)
        rbuf_release(u.nb);
    rbuf_unpin(u.b);
    vm_release(&u.vm);
    vm_release(&u.vm_new);
    tuple_lock_release(rel, tid, u.mode, &have_lock);
    if (UNLIKELY(scratch != NULL))
        arena_destroy(scratch);
    *new_tid = u.new_tid;
    *hot_out = u.hot;
    count_update(rel, u.hot);
    count_io_end(count_heap(rel), io);
    return TM_OK;
}
