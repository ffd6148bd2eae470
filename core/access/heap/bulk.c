/*
 * Many rows at once (COPY, INSERT ... SELECT): pages are filled whole under one lock, one log
 * record for each page and call. New pages come in groups, through a small ring of frames.
 */
#include "core/access/heap/heap_internal.h"

#define BULK_EXTEND 32
#define BULK_CHUNK 1024

struct HeapBulk {
    Arena *arena;
    HeapRel *rel;
    CommandId cid;
    unsigned options;
    BufRing *ring;
    BlockNo next, end; /* pages that the last extension made and nobody else knows */
    BlockNo current;   /* page filled last */
    Buf hint;
    uint32_t sizes[BULK_CHUNK];
    char log[PAGE_BYTES * 2];
};

HeapBulk *
heap_bulk_begin(Arena *a, HeapRel *rel, CommandId cid, unsigned options)
{
    HeapBulk *k = arena_alloc(a, sizeof *k);

    k->arena = a;
    k->rel = rel;
    k->cid = cid;
    k->options = options;
    k->ring = buf_ring_create(a, BUF_RING_BULK_WRITE);
    k->next = k->end = 0;
    k->current = BLOCK_INVALID;
    k->hint = BUF_INVALID;
    return k;
}

static size_t
bulk_keep(const HeapRel *rel)
{
    return (size_t)PAGE_BYTES * (size_t)(100 - (rel->fillfactor ? rel->fillfactor : 100)) / 100;
}

/* A fresh page, locked. */
static Buf
bulk_new_page(HeapBulk *k)
{
    Buf b;

    if (k->next < k->end) {
        b = rbuf_read_mode(k->rel->locator, FORK_MAIN, k->next++, BUF_NORMAL, k->ring);
        buf_lock(b, LW_EXCLUSIVE);
    } else {
        BlockNo have = rbuf_blocks(k->rel->locator, FORK_MAIN), first;
        int n = have < 8 ? 1 : (int)MIN(have / 4, (BlockNo)BULK_EXTEND);

        b = rbuf_extend(k->rel->locator, FORK_MAIN, k->ring, n, &first);
        k->next = first + 1;
        k->end = first + (BlockNo)n;
    }
    page_init(buf_page(b), 0);
    buf_mark_dirty(b);
    return b;
}

/* A page with room for a tuple of `need` bytes, locked. */
static Buf
bulk_page(HeapBulk *k, size_t need, Buf *vm)
{
    size_t want = need + bulk_keep(k->rel);
    Buf b;

    if (k->current == BLOCK_INVALID) {
        /* First the table's last pages, if they have room. */
        b = page_for_tuple(k->rel, need, k->options, k->ring, BUF_INVALID, vm, NULL);
        if (page_line_count(buf_page(b)) >=
            HEAP_TUPLES_PER_PAGE_MAX) { /* only reused lines are left there */
            rbuf_release(b);
            b = bulk_new_page(k);
        }
    } else {
        b = rbuf_read_hint(k->rel->locator, FORK_MAIN, k->current, k->hint);
        buf_lock(b, LW_EXCLUSIVE);
        if (page_room(buf_page(b)) < want ||
            page_line_count(buf_page(b)) >= HEAP_TUPLES_PER_PAGE_MAX ||
            (page_header(buf_page(b))->flags & PAGE_FLAG_ALL_VISIBLE)) {
            rbuf_release(b);
            b = bulk_new_page(k);
        }
    }
    k->current = buf_block(b);
    k->hint = b;
    return b;
}

/* Puts as many of the n rows as fit on the page; logs them; returns how many. */
static int
bulk_fill(HeapBulk *k, Buf b, Buf vm, const Datum *const *values, const bool *const *nulls,
          const uint32_t *sizes, int n, ItemPtr *tids)
{
    char *page = buf_page(b), *log = k->log;
    BlockNo block = buf_block(b);
    OffsetNo first = (OffsetNo)(page_line_count(page) + 1);
    Xid xid = txn_xid();
    size_t keep = bulk_keep(k->rel);
    uint8_t log_flags = 0;
    int done = 0;

    heap_check_write(k->rel, BLOCK_INVALID, 0);
    critical_enter();
    log += 4;
    while (done < n) {
        OffsetNo line = (OffsetNo)(first + done);
        size_t bytes = ALIGN_UP((size_t)sizes[done], (size_t)8);
        uint16_t flags;
        char *t;

        if (page_room(page) < bytes + (done == 0 ? 0 : keep) || line > HEAP_TUPLES_PER_PAGE_MAX)
            break;
        t = page_place_at(page, sizes[done], line);
        flags = HEAP_XMAX_INVALID |
                tuple_fill(k->rel->layout, t, values[done], nulls ? nulls[done] : NULL);
        if (k->options & HEAP_INSERT_FROZEN)
            flags |= HEAP_XMIN_FROZEN;
        tuple_set_xmin(t, xid);
        tuple_set_xmax(t, XID_INVALID);
        tuple_set_cid(t, k->cid);
        tuple_set_ctid(t, block, line);
        tuple_set_flags(t, flags);
        store_u16(log, flags);
        store_u16(log + 2, (uint16_t)(sizes[done] - HEAP_HEADER_BYTES));
        memcpy(log + 4, t + HEAP_HEADER_BYTES, sizes[done] - HEAP_HEADER_BYTES);
        log += 4 + sizes[done] - HEAP_HEADER_BYTES;
        if (tids)
            tids[done] = (ItemPtr){block, line};
        done++;
    }
    if (page_header(page)->flags & PAGE_FLAG_ALL_VISIBLE) {
        page_header(page)->flags &= (uint16_t)~PAGE_FLAG_ALL_VISIBLE;
        vm_clear(block, vm);
        log_flags |= LOG_VM_CLEARED;
    }
    buf_mark_dirty(b);
    if (k->rel->logged) {
        store_u16(k->log, first);
        store_u16(k->log + 2, (uint16_t)done);
        wal_begin();
        wal_add_block(0, k->rel->locator, FORK_MAIN, block, page,
                      WAL_REF_STANDARD | (first == 1 ? WAL_REF_WILL_INIT : 0));
        wal_add_block_data(0, k->log, (uint32_t)(log - k->log));
        heap_note_vm(&log_flags);
        page_set_lsn(page, wal_insert(RMGR_HEAP2, HEAP2_OP_MULTI_INSERT, NULL));
    }
    critical_leave();
    return done;
}

static void
bulk_chunk(HeapBulk *k, const Datum *const *values, const bool *const *nulls, int n, ItemPtr *tids)
{
    static const bool no_nulls[MAX_COLUMNS];
    const TupleLayout *l = k->rel->layout;
    const Datum **copy = NULL;
    Arena *scratch = NULL;

    for (int i = 0; i < n; i++) {
        bool toast;
        const Datum *v = values[i];

        k->sizes[i] = (uint32_t)tuple_size_of(l, v, nulls ? nulls[i] : NULL, &toast);
        if (UNLIKELY(toast && k->rel->toast)) {
            Datum *mine;

            if (!scratch) {
                scratch = arena_create(txn_arena(), "toast");
                copy = arena_memdup(scratch, values, sizeof(Datum *) * (size_t)n);
            }
            mine = arena_memdup(scratch, v, sizeof(Datum) * (size_t)l->natts);
            toast_row(scratch, k->rel, mine, nulls && nulls[i] ? nulls[i] : no_nulls, NULL, NULL,
                      k->cid);
            copy[i] = mine;
            k->sizes[i] = (uint32_t)tuple_size_of(l, mine, nulls ? nulls[i] : NULL, NULL);
        }
        if (UNLIKELY(k->sizes[i] > MAX_TUPLE_BYTES))
            tuple_too_big(k->sizes[i]);
    }
    if (copy)
        values = (const Datum *const *)copy;
    for (int i = 0; i < n;) {
        Buf vm = BUF_INVALID;
        Buf b = bulk_page(k, ALIGN_UP((size_t)k->sizes[i], (size_t)8), &vm);

        i += bulk_fill(k, b, vm, values + i, nulls ? nulls + i : NULL, k->sizes + i, n - i,
                       tids ? tids + i : NULL);
        rbuf_release(b);
        vm_release(&vm);
    }
    if (scratch)
        arena_destroy(scratch);
}

void
heap_bulk_insert(HeapBulk *k, const Datum *const *values, const bool *const *nulls, int n,
                 ItemPtr *tids)
{
    CountIo io = count_io_begin();

    (void)txn_xid();
    for (int at = 0; at < n; at += BULK_CHUNK) {
        int count = MIN(n - at, BULK_CHUNK);

        bulk_chunk(k, values + at, nulls ? nulls + at : NULL, count, tids ? tids + at : NULL);
        if (!(k->options & HEAP_INSERT_UNCOUNTED))
            count_insert(k->rel, count);
    }
    count_io_end(count_heap(k->rel), io);
}

void
heap_bulk_end(HeapBulk *k)
{
    /* What the last extension made in excess is for others. */
    for (BlockNo b = k->next; b < k->end; b++)
        fsm_record(k->rel, b, PAGE_BYTES - sizeof(PageHeader) - sizeof(LinePtr));
    k->next = k->end;
    if (k->current != BLOCK_INVALID) {
        k->rel->insert_block = k->current + 1;
        k->rel->insert_hint = k->hint;
    }
}
