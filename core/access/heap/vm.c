/*
 * Visibility map: two bits for each heap page (all-visible, all-frozen), in a fork of its own.
 *
 * Rule V1: a set bit implies the heap page's PAGE_FLAG_ALL_VISIBLE. Bits are set in one log record
 * with the flag, under the heap page's lock; who changes the page clears flag and bits in the
 * critical section of his change, having pinned the map page before he locked the heap page. Rule
 * V2: clearing is not logged by itself: the change's record says so (LOG_VM_CLEARED). A map page
 * lost to a torn write reads as zeros, which is always right.
 */
#include "core/access/heap/heap_internal.h"

#define VM_HEADER sizeof(PageHeader)
#define VM_PER_PAGE ((PAGE_BYTES - (unsigned)VM_HEADER) * 4u)

static inline BlockNo
vm_block_of(BlockNo block)
{
    return block / VM_PER_PAGE;
}
static inline char *
vm_byte(char *page, BlockNo block, unsigned *shift)
{
    unsigned in = block % VM_PER_PAGE;

    *shift = in % 4 * 2;
    return page + VM_HEADER + in / 4;
}

void
vm_release(Buf *vm)
{
    if (*vm != BUF_INVALID)
        rbuf_unpin(*vm);
    *vm = BUF_INVALID;
}

/* Makes the fork long enough. */
static void
vm_extend(HeapRel *rel, BlockNo want)
{
    BlockNo have;

    RAISE_ON(relfile_create(rel->locator, FORK_VM, true));
    while ((have = rbuf_blocks(rel->locator, FORK_VM)) <= want) {
        BlockNo first;
        Buf b = rbuf_extend(rel->locator, FORK_VM, NULL, 1, &first);

        page_init(buf_page(b), 0);
        buf_mark_dirty(b);
        rbuf_release(b);
    }
}

static bool
vm_fork_has(HeapRel *rel, BlockNo block)
{
    BlockNo have;

    return buf_fork_blocks(rel->locator, FORK_VM, &have) == ERR_OK && have > block;
}

void
vm_pin(HeapRel *rel, BlockNo block, Buf *vm)
{
    BlockNo b = vm_block_of(block);

    if (*vm != BUF_INVALID) {
        if (buf_block(*vm) == b)
            return;
        vm_release(vm);
    }
    if (!vm_fork_has(rel, b))
        vm_extend(rel, b);
    *vm = rbuf_read_mode(rel->locator, FORK_VM, b, BUF_ZERO_ON_ERROR, NULL);
}

bool
vm_covers(Buf vm, BlockNo block)
{
    return vm != BUF_INVALID && buf_block(vm) == vm_block_of(block);
}

void
vm_clear(BlockNo block, Buf vm)
{
    unsigned shift;
    char *p;

    buf_lock(vm, LW_EXCLUSIVE);
    p = vm_byte(buf_page(vm), block, &shift);
    if ((unsigned char)*p >> shift & 3u) {
        *p = (char)((unsigned char)*p & ~(3u << shift));
        buf_mark_dirty(vm);
    }
    buf_unlock(vm);
}

unsigned
vm_bits(HeapRel *rel, BlockNo block, Buf *vm)
{
    BlockNo b = vm_block_of(block);
    unsigned shift;
    char *p;

    if (*vm == BUF_INVALID || buf_block(*vm) != b) {
        vm_release(vm);
        if (!vm_fork_has(rel, b))
            return 0;
        *vm = rbuf_read_mode(rel->locator, FORK_VM, b, BUF_ZERO_ON_ERROR, NULL);
    }
    /* One byte, read without the lock: a reader that must not be late holds back clearing by its
     * own means (index-only scans: the index page's pin; vacuum: it re-checks under the heap page's
     * lock). */
    p = vm_byte(buf_page(*vm), block, &shift);
    return (unsigned)__atomic_load_n((unsigned char *)p, __ATOMIC_ACQUIRE) >> shift & 3u;
}

bool
vm_all_visible(HeapRel *rel, BlockNo block, Buf *vm)
{
    return vm_bits(rel, block, vm) & VM_VISIBLE;
}

/* The lock first, the map after: a writer clears the map and then looks for locks again (rule 14). */
bool
heap_lock_unread_page(HeapRel *rel, BlockNo block, Buf *vm)
{
    if (!heap_tracks_reads(rel))
        return true;
    pred_lock_page(rel->db, rel->oid, block);
    return vm_all_visible(rel, block, vm);
}

void
vm_set(HeapRel *rel, BlockNo block, Buf heap_buf, Buf vm, unsigned bits)
{
    struct {
        BlockNo block;
        uint8_t bits;
    } __attribute__((packed)) rec = {block, (uint8_t)bits};
    char *heap_page = buf_page(heap_buf), *map_page = buf_page(vm), *p;
    unsigned shift;

    buf_lock(vm, LW_EXCLUSIVE);
    if (page_is_new(map_page))
        page_init(map_page, 0);
    critical_enter();
    page_header(heap_page)->flags |= PAGE_FLAG_ALL_VISIBLE;
    buf_mark_dirty(heap_buf);
    p = vm_byte(map_page, block, &shift);
    *p = (char)(((unsigned char)*p & ~(3u << shift)) | bits << shift);
    buf_mark_dirty(vm);
    if (rel->logged) {
        Lsn lsn;

        wal_begin();
        wal_add_data(&rec, sizeof rec);
        wal_add_block(0, rel->locator, FORK_VM, buf_block(vm), map_page, 0);
        wal_add_block(1, rel->locator, FORK_MAIN, block, heap_page, WAL_REF_STANDARD);
        lsn = wal_insert(RMGR_HEAP2, HEAP2_OP_VISIBLE, NULL);
        page_set_lsn(map_page, lsn);
        page_set_lsn(heap_page, lsn);
    }
    critical_leave();
    buf_unlock(vm);
}

/* ---- redo ---- */

void
vm_redo_clear(RelLocator r, BlockNo block)
{
    BlockNo have, b = vm_block_of(block);
    Buf vm;

    if (buf_fork_blocks(r, FORK_VM, &have) != ERR_OK || have <= b)
        return;
    if (buf_read(r, FORK_VM, b, BUF_ZERO_ON_ERROR, NULL, &vm) != ERR_OK)
        PANIC("%s", err_sys()->what);
    vm_clear(block, vm);
    buf_unpin(vm);
}

void
vm_redo_visible(const WalRecord *r)
{
    BlockNo block = load_u32(r->data);
    unsigned bits = (unsigned char)r->data[4], shift;
    Buf heap_buf, vm;
    char *p;

    switch (redo_read(r, 1, &heap_buf)) {
    case REDO_NEEDED:
        page_header(buf_page(heap_buf))->flags |= PAGE_FLAG_ALL_VISIBLE;
        page_set_lsn(buf_page(heap_buf), r->end);
        buf_mark_dirty(heap_buf);
        break;
    case REDO_NOTFOUND:
        return;
    default:
        break;
    }
    buf_release(heap_buf);
    if (redo_read(r, 0, &vm) == REDO_NEEDED) {
        if (page_is_new(buf_page(vm)))
            page_init(buf_page(vm), 0);
        p = vm_byte(buf_page(vm), block, &shift);
        *p = (char)(((unsigned char)*p & ~(3u << shift)) | bits << shift);
        page_set_lsn(buf_page(vm), r->end);
        buf_mark_dirty(vm);
    }
    if (vm != BUF_INVALID)
        buf_release(vm);
}

/* After the heap has been cut to `blocks`: bits beyond mean nothing and must not come back. */
void
vm_truncate(HeapRel *rel, BlockNo blocks)
{
    BlockNo have;

    if (buf_fork_blocks(rel->locator, FORK_VM, &have) != ERR_OK)
        return;
    for (BlockNo m = vm_block_of(blocks); m < have; m++) {
        BlockNo from = MAX(blocks, m * VM_PER_PAGE);
        Buf vm = rbuf_read_mode(rel->locator, FORK_VM, m, BUF_ZERO_ON_ERROR, NULL);

        buf_lock(vm, LW_EXCLUSIVE);
        for (BlockNo b = from; b < (m + 1) * VM_PER_PAGE; b++) {
            unsigned shift;
            char *p = vm_byte(buf_page(vm), b, &shift);

            *p = (char)((unsigned char)*p & ~(3u << shift));
        }
        buf_mark_dirty(vm);
        rbuf_release(vm);
    }
}
