/*
 * Sequential scans: whole pages into batches.
 *
 * Of each page all lines are judged under one shared lock (or none is, where the page is known to
 * be visible to all), the pointers are noted, and the lock is let go; the pin keeps the bytes in
 * place until the next call. A batch spans as many pages as fit.
 */
#include "core/access/heap/heap_internal.h"
#include "core/base/interrupt.h"

#define SCAN_PINS_MAX 32
#define SCAN_PREFETCH 32u /* blocks asked for ahead */

struct HeapScan {
    HeapRel *rel;
    Snapshot *snapshot; /* registered */
    BlockNo first, end; /* blocks [first, end) */
    BlockNo next, prefetched;
    BufRing *ring;
    int npins;
    Buf pins[SCAN_PINS_MAX];
    HintState hints;
    bool counted;       /* this pass is in the statistics */
};

HeapScan *
heap_scan_begin(Arena *a, HeapRel *rel, const Snapshot *s)
{
    HeapScan *scan = arena_alloc(a, sizeof *scan);
    Snapshot plain;

    scan->rel = rel;
    if (UNLIKELY(s->serializable)) {
        if (heap_tracks_reads(rel))
            pred_lock_relation(rel->db, rel->oid); /* before the size is known */
        else
            s = snapshot_untracked(s, &plain);
    }
    scan->snapshot = snapshot_register(s);
    scan->first = 0;
    scan->end = heap_blocks(rel);
    scan->next = scan->prefetched = 0;
    scan->npins = 0;
    scan->hints.n = 0;
    scan->counted = false;
    scan->ring =
        scan->end > (BlockNo)buf_count() / 4 ? buf_ring_create(a, BUF_RING_BULK_READ) : NULL;
    return scan;
}

void
heap_scan_set_range(HeapScan *scan, BlockNo first, BlockNo count)
{
    BlockNo blocks = heap_blocks(scan->rel);

    scan->first = MIN(first, blocks);
    scan->end = count < blocks - scan->first ? scan->first + count : blocks;
    scan->next = scan->prefetched = scan->first;
}

static void
pins_release(HeapScan *scan)
{
    while (scan->npins > 0)
        rbuf_unpin(scan->pins[--scan->npins]);
}

void
heap_scan_restart(HeapScan *scan)
{
    pins_release(scan);
    scan->next = scan->prefetched = scan->first;
    scan->counted = false;
}

void
heap_scan_end(HeapScan *scan)
{
    pins_release(scan);
    if (scan->snapshot)
        snapshot_unregister(scan->snapshot);
    scan->snapshot = NULL;
}

static void
count_batch(HeapScan *scan, int rows, CountIo io)
{
    StatsRel *r = count_heap(scan->rel);

    if (r) {
        r->scans += !scan->counted;
        r->returned += rows;
    }
    scan->counted = true;
    count_io_end(r, io);
}

/* Adds the page's visible tuples to out, which has room for all its lines. Page locked shared. */
static void
page_collect(HeapScan *scan, Buf b, TupleBatch *out)
{
    char *page = buf_page(b);
    const LinePtr *lines = page_lines(page);
    int count = page_line_count(page), n = out->n;
    BlockNo block = scan->next;
    const Snapshot *s = scan->snapshot;
    bool all = (page_header(page)->flags & PAGE_FLAG_ALL_VISIBLE) && s->kind == SNAPSHOT_MVCC;

    scan->hints.buf = b;
    for (int i = 0; i < count; i++) {
        LinePtr lp = lines[i];
        char *t;

        if (LINE_STATE(lp) != LINE_NORMAL)
            continue;
        t = page_item(page, lp);
        if (!all && !tuple_visible_hints(t, s, &scan->hints))
            continue;
        out->tup[n] = t;
        out->size[n] = (uint16_t)LINE_LENGTH(lp);
        out->tid[n] = (ItemPtr){block, (OffsetNo)(i + 1)};
        n++;
    }
    hint_end(&scan->hints);
    out->n = n;
}

static void
prefetch_ahead(HeapScan *scan)
{
    BlockNo upto = MIN(scan->end, scan->next + SCAN_PREFETCH);

    if (scan->next + SCAN_PREFETCH / 2 < scan->prefetched || scan->prefetched >= scan->end)
        return;
    if (scan->prefetched < scan->next)
        scan->prefetched = scan->next;
    if (upto > scan->prefetched)
        buf_prefetch(scan->rel->locator, FORK_MAIN, scan->prefetched,
                     (int)(upto - scan->prefetched));
    scan->prefetched = upto;
}

bool
heap_scan_next(HeapScan *scan, TupleBatch *out)
{
    HeapRel *rel = scan->rel;
    CountIo io = count_io_begin();

    pins_release(scan);
    out->n = 0;
    out->tail_cached = false;
    while (scan->next < scan->end && scan->npins < SCAN_PINS_MAX) {
        Buf b;
        int before = out->n;

        CHECK_INTERRUPTS();
        prefetch_ahead(scan);
        b = heap_read_shared(rel, scan->next, scan->ring, scan->snapshot->kind == SNAPSHOT_MVCC);
        if (out->n + page_line_count(buf_page(b)) > BATCH_ROWS) {
            rbuf_release(b); /* it comes first next time */
            break;
        }
        page_collect(scan, b, out);
        buf_unlock(b);
        scan->next++;
        if (out->n > before)
            scan->pins[scan->npins++] = b;
        else
            rbuf_unpin(b);
    }
    count_batch(scan, out->n, io);
    return out->n > 0;
}
