/*
 * Placing new tuples: the page, the line, the log record.
 *
 * A tuple is formed right in its page: sizes are known before the page is chosen, so there is no
 * copy in between, and the log record takes the bytes from the page too.
 */
#include "core/access/heap/heap_internal.h"

/* ---- room on a page ---- */

/* The lines of a page are bounded: redirects and dead lines take no tuple space and could fill it.
 */
static bool
has_unused_line(const char *page)
{
    int n = page_line_count(page);

    for (int i = 1; i <= n; i++)
        if (LINE_STATE(page_line(page, (OffsetNo)i)) == LINE_UNUSED)
            return true;
    return false;
}

size_t
page_room(const char *page)
{
    size_t n = page_exact_free_bytes(page);

    if (UNLIKELY(page_line_count(page) >= HEAP_TUPLES_PER_PAGE_MAX))
        return has_unused_line(page) ? n : 0;
    return n < sizeof(LinePtr) ? 0 : n - sizeof(LinePtr);
}

char *
page_place_at(char *page, size_t size, OffsetNo line)
{
    PageHeader *h = page_header(page);
    size_t bytes = ALIGN_UP(size, (size_t)8);
    unsigned lower =
        MAX((unsigned)h->lower, (unsigned)(sizeof(PageHeader) + line * sizeof(LinePtr)));

    if (lower + bytes > h->upper)
        return NULL;
    /* Lines skipped are unused ones. */
    for (unsigned at = h->lower; at < lower; at += sizeof(LinePtr))
        store_u32(page + at, LINE_MAKE(0, LINE_UNUSED, 0));
    h->lower = (uint16_t)lower;
    h->upper = (uint16_t)(h->upper - bytes);
    page_lines(page)[line - 1] = LINE_MAKE(h->upper, LINE_NORMAL, size);
    return page + h->upper;
}

char *
page_place(char *page, size_t size, OffsetNo *line)
{
    PageHeader *h = page_header(page);
    int n = page_line_count(page);

    *line = (OffsetNo)(n + 1);
    if (UNLIKELY(h->flags & PAGE_FLAG_HAS_FREE_LINES)) {
        int i;

        for (i = 1; i <= n; i++)
            if (LINE_STATE(page_line(page, (OffsetNo)i)) == LINE_UNUSED)
                break;
        if (i <= n)
            *line = (OffsetNo)i;
        else
            h->flags &= (uint16_t)~PAGE_FLAG_HAS_FREE_LINES;
    }
    return page_place_at(page, size, *line);
}

/* ---- choosing a page ---- */

/* New pages: a few more for a growing table; the others go to the free space map. */
static Buf
extend_for(HeapRel *rel, BufRing *ring, unsigned options)
{
    BlockNo have = rbuf_blocks(rel->locator, FORK_MAIN), first;
    int n = have < 16 ? 1 : (int)MIN(have / 16, 16u);
    Buf b;

    if (options & HEAP_INSERT_SKIP_FSM)
        n = 1;
    b = rbuf_extend(rel->locator, FORK_MAIN, ring, n, &first);
    page_init(buf_page(b), 0);
    buf_mark_dirty(b);
    for (int i = n - 1; i > 0; i--)
        fsm_record(rel, first + (BlockNo)i, PAGE_BYTES - sizeof(PageHeader) - sizeof(LinePtr));
    return b;
}

/* Both pages of an update are locked in the order of their numbers. */
static void
lock_pair(Buf b, Buf other)
{
    if (other == BUF_INVALID || other == b) {
        buf_lock(b, LW_EXCLUSIVE);
    } else if (buf_block(b) < buf_block(other)) {
        buf_lock(b, LW_EXCLUSIVE);
        buf_lock(other, LW_EXCLUSIVE);
    } else {
        buf_lock(other, LW_EXCLUSIVE);
        buf_lock(b, LW_EXCLUSIVE);
    }
}

/* The page claims to be all-visible and its map page is not pinned yet. */
static inline bool
vm_missing(Buf b, Buf vm)
{
    return UNLIKELY(page_header(buf_page(b))->flags & PAGE_FLAG_ALL_VISIBLE) &&
           !vm_covers(vm, buf_block(b));
}

/* Locks b (and other), map pages pinned where needed: those are read before the locks are taken. */
static void
lock_with_map(HeapRel *rel, Buf b, Buf other, Buf *vm, Buf *vm_other)
{
    lock_pair(b, other);
    while (vm_missing(b, *vm) ||
           (other != BUF_INVALID && vm_other && vm_missing(other, *vm_other))) {
        bool first = vm_missing(b, *vm);

        if (other != BUF_INVALID)
            buf_unlock(other);
        buf_unlock(b);
        if (first)
            vm_pin(rel, buf_block(b), vm);
        else
            vm_pin(rel, buf_block(other), vm_other);
        lock_pair(b, other);
    }
}

/* The target remembered from the last insertion; 0 and BLOCK_INVALID: none. */
static inline BlockNo
target_get(HeapRel *rel, BlockNo blocks)
{
    BlockNo t = rel->insert_block - 1;

    return rel->insert_block != BLOCK_INVALID && t < blocks ? t : BLOCK_INVALID;
}

static inline void
target_set(HeapRel *rel, Buf b)
{
    rel->insert_block = buf_block(b) + 1;
    rel->insert_hint = b;
}

/* A page past the end; locked together with other. */
static Buf
page_new_for(HeapRel *rel, size_t need, unsigned options, BufRing *ring, Buf other, Buf *vm,
             Buf *vm_other)
{
    for (;;) {
        Buf b = extend_for(rel, ring, options);

        if (other != BUF_INVALID) {
            /* It comes locked and has the higher number: let go, lock in order. */
            buf_unlock(b);
            lock_with_map(rel, b, other, vm, vm_other);
            if (page_room(buf_page(b)) < need) {
                buf_unlock(other);
                rbuf_release(b);
                continue;
            }
        }
        target_set(rel, b);
        return b;
    }
}

/* other: pinned, not locked on entry; both locked on return. */
Buf
page_for_tuple(HeapRel *rel, size_t need, unsigned options, BufRing *ring, Buf other, Buf *vm,
               Buf *vm_other)
{
    size_t keep =
        (size_t)PAGE_BYTES * (size_t)(100 - (rel->fillfactor ? rel->fillfactor : 100)) / 100;
    BlockNo blocks = rbuf_blocks(rel->locator, FORK_MAIN), target = target_get(rel, blocks);
    size_t want = need + keep > MAX_TUPLE_BYTES ? need : need + keep;
    bool hinted = target != BLOCK_INVALID;

    if (!hinted) {
        target = options & HEAP_INSERT_SKIP_FSM ? BLOCK_INVALID : fsm_search(rel, want);
        if (target == BLOCK_INVALID && blocks > 0)
            target = blocks - 1; /* the last page, before the table grows */
    }
    for (int tries = 0; target != BLOCK_INVALID && tries < 64; tries++) {
        size_t room = 0;
        Buf b;

        if (other != BUF_INVALID && buf_block(other) == target) {
            /* An update whose page has no room does not ask it again. */
            room = page_room(buf_page(other));
        } else {
            b = hinted ? rbuf_read_hint(rel->locator, FORK_MAIN, target, rel->insert_hint)
                       : rbuf_read_mode(rel->locator, FORK_MAIN, target, BUF_NORMAL, ring);
            lock_with_map(rel, b, other, vm, vm_other);
            if (UNLIKELY(page_is_new(buf_page(b)))) {
                page_init(buf_page(b), 0);
                buf_mark_dirty(b);
            }
            room = page_room(buf_page(b));
            if (LIKELY(room >= want || (room >= need && page_line_count(buf_page(b)) == 0))) {
                target_set(rel, b);
                return b;
            }
            if (other != BUF_INVALID)
                buf_unlock(other);
            rbuf_release(b);
        }
        rel->insert_block = 0;
        hinted = false;
        if (options & HEAP_INSERT_SKIP_FSM)
            break;
        target = fsm_record_and_search(rel, target, room, want);
    }
    return page_new_for(rel, need, options, ring, other, vm, vm_other);
}

/* ---- inserting ---- */

void
heap_note_vm(uint8_t *flags)
{
    if (*flags)
        wal_add_data(flags, 1);
}

/* Values too big for the page are compressed and moved out; works on a copy of values. */
static const Datum *
row_toast(HeapRel *rel, const Datum *values, const bool *nulls, CommandId cid, Arena **scratch)
{
    int n = rel->layout->natts;
    Datum *copy;
    static const bool no_nulls[MAX_COLUMNS];

    *scratch = arena_create(txn_arena(), "toast");
    copy = arena_memdup(*scratch, values, sizeof(Datum) * (size_t)n);
    toast_row(*scratch, rel, copy, nulls ? nulls : no_nulls, NULL, NULL, cid);
    return copy;
}

ItemPtr
heap_insert(HeapRel *rel, const Datum *values, const bool *nulls, CommandId cid, unsigned options)
{
    Xid xid = txn_xid();
    Arena *scratch = NULL;
    bool toast, init;
    size_t size = tuple_size_of(rel->layout, values, nulls, &toast);
    CountIo io = count_io_begin();
    uint8_t log_flags = 0;
    uint16_t flags;
    char head[4], *page, *t;
    Buf b, vm = BUF_INVALID;
    OffsetNo line;
    ItemPtr tid;

    if (UNLIKELY(toast) && rel->toast) {
        values = row_toast(rel, values, nulls, cid, &scratch);
        size = tuple_size_of(rel->layout, values, nulls, NULL);
    }
    if (UNLIKELY(size > MAX_TUPLE_BYTES))
        tuple_too_big(size);
    b = page_for_tuple(rel, ALIGN_UP(size, (size_t)8), options, NULL, BUF_INVALID, &vm, NULL);
    page = buf_page(b);
    heap_check_write(rel, BLOCK_INVALID, 0);
    critical_enter();
    t = page_place(page, size, &line);
    if (UNLIKELY(!t))
        PANIC("no room on the page chosen for a tuple");
    tid = (ItemPtr){buf_block(b), line};
    init = line == 1 && page_line_count(page) == 1;
    flags = HEAP_XMAX_INVALID | tuple_fill(rel->layout, t, values, nulls);
    if (options & HEAP_INSERT_FROZEN)
        flags |= HEAP_XMIN_FROZEN;
    tuple_set_xmin(t, xid);
    tuple_set_xmax(t, XID_INVALID);
    tuple_set_cid(t, cid);
    tuple_set_ctid(t, tid.block, line);
    tuple_set_flags(t, flags);
    if (UNLIKELY(page_header(page)->flags & PAGE_FLAG_ALL_VISIBLE)) {
        page_header(page)->flags &= (uint16_t)~PAGE_FLAG_ALL_VISIBLE;
        vm_clear(tid.block, vm);
        log_flags |= LOG_VM_CLEARED;
    }
    buf_mark_dirty(b);
    if (rel->logged) {
        store_u16(head, line);
        store_u16(head + 2, flags);
        wal_begin();
        wal_add_block(0, rel->locator, FORK_MAIN, tid.block, page,
                      WAL_REF_STANDARD | (init ? WAL_REF_WILL_INIT : 0));
        wal_add_block_data(0, head, sizeof head);
        wal_add_block_data(0, t + HEAP_HEADER_BYTES, (uint32_t)size - HEAP_HEADER_BYTES);
        heap_note_vm(&log_flags);
        page_set_lsn(page, wal_insert(RMGR_HEAP, HEAP_OP_INSERT, NULL));
    }
    critical_leave();
    rbuf_release(b);
    vm_release(&vm);
    if (UNLIKELY(scratch != NULL))
        arena_destroy(scratch);
    count_insert(rel, 1);
    count_io_end(count_heap(rel), io);
    return tid;
}

BlockNo
heap_blocks(HeapRel *rel)
{
    return rbuf_blocks(rel->locator, FORK_MAIN);
}

/* ---- speculative insertion ---- */

void
heap_finish_speculative(HeapRel *rel, ItemPtr tid)
{
    /* Nothing marks a speculative tuple: whoever meets it waits for its transaction (btree_insert
     * lets only the later of two conflicting insertions see the other). */
}

/* Takes back an insertion of this command that met a conflict: dead to everybody at once. */
void
heap_abort_speculative(HeapRel *rel, ItemPtr tid)
{
    Buf b = rbuf_read(rel->locator, FORK_MAIN, tid.block);
    char *page = buf_page(b), *t;
    char head[2];
    LinePtr lp;

    buf_lock(b, LW_EXCLUSIVE);
    lp = page_line(page, tid.off);
    t = page_item(page, lp);
    if (LINE_STATE(lp) != LINE_NORMAL || !xid_is_current(tuple_xmin(t))) {
        rbuf_release(b);
        INTERNAL_ERROR("attempted to take back a tuple that is not ours");
    }
    if (tuple_flags(t) & HEAP_HAS_EXTERNAL) {
        /* Its chunks go with it, before: the page's lock must not be held then. */
        char *copy = arena_memdup(txn_arena(), t, LINE_LENGTH(lp));

        buf_unlock(b);
        toast_delete_row(rel, copy, LINE_LENGTH(lp));
        buf_lock(b, LW_EXCLUSIVE);
    }
    critical_enter();
    tuple_set_xmin(t, XID_INVALID);
    tuple_set_flags(t, (tuple_flags(t) & (uint16_t)~HEAP_XMIN_COMMITTED) | HEAP_XMIN_ABORTED);
    if (page_header(page)->prune_xid == 0 || txn_xid() < page_header(page)->prune_xid)
        page_header(page)->prune_xid = txn_xid();
    buf_mark_dirty(b);
    if (rel->logged) {
        store_u16(head, tid.off);
        wal_begin();
        wal_add_block(0, rel->locator, FORK_MAIN, tid.block, page, WAL_REF_STANDARD);
        wal_add_block_data(0, head, sizeof head);
        page_set_lsn(page, wal_insert(RMGR_HEAP, HEAP_OP_UNINSERT, NULL));
    }
    critical_leave();
    rbuf_release(b);
    count_delete(rel); /* as its insertion was counted */
}
