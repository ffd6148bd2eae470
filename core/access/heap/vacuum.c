/*
 * Vacuum: two passes. The first prunes each page and notes the dead lines that indexes may still
 * point to; then the indexes drop their entries for them; the second pass makes those lines unused.
 * Pages all of whose tuples everybody sees are marked in the visibility map and not looked at
 * again.
 *
 * A page is left half-done at no point: each step is one log record, and dead lines stay dead until
 * some vacuum finishes the indexes.
 */
#include "core/access/btree/btree.h"
#include "core/access/heap/heap_internal.h"
#include "core/base/interrupt.h"

#define SKIP_RUN                                                                                   \
    32u /* shorter runs of all-visible pages are read anyway: read-ahead works better */
#define TRUNCATE_MIN 1000u   /* empty pages at the end worth an exclusive lock */

/* pg_stat_progress_vacuum: parameters and phases by PostgreSQL's numbers. */
enum { PROGRESS_PHASE, PROGRESS_TOTAL, PROGRESS_SCANNED, PROGRESS_VACUUMED, PROGRESS_INDEX_ROUNDS, PROGRESS_MAX_DEAD, PROGRESS_DEAD };
enum { PHASE_SCAN = 1, PHASE_INDEXES, PHASE_HEAP, PHASE_CLEANUP, PHASE_TRUNCATE, PHASE_FINAL };

int vacuum_freeze_min_age = 50000000, vacuum_freeze_table_age = 150000000;

typedef struct Vacuum {
    HeapRel *rel;
    struct BtreeIndex **indexes;
    int nindexes;
    const VacuumOptions *o;
    VacuumStats *out;
    Arena *arena, *scratch;
    BufRing *ring;
    Lsn horizon;
    Xid horizon_xid, freeze_limit;
    uint64_t *dead; /* block << 16 | line, ascending */
    size_t ndead, dead_cap, dead_max;
    Xid min_xid;      /* of what pages still hold: frozen_xid */
    MultiId min_multi;
    bool skipped_unfrozen;
    BlockNo nonempty; /* one past the last page with anything in it */
    Buf vm;
} Vacuum;

/* ---- dead lines ---- */

static void
dead_add(Vacuum *v, BlockNo block, OffsetNo line)
{
    if (v->ndead == v->dead_cap) {
        size_t cap = MIN(v->dead_max, v->dead_cap ? v->dead_cap * 2 : (size_t)4096);

        v->dead = arena_realloc(v->arena, v->dead, v->dead_cap * 8, cap * 8);
        v->dead_cap = cap;
    }
    v->dead[v->ndead++] = (uint64_t)block << 16 | line;
}

static bool
dead_is(void *arg, ItemPtr tid)
{
    Vacuum *v = arg;
    uint64_t key = (uint64_t)tid.block << 16 | tid.off;
    size_t lo = 0, hi = v->ndead;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;

        if (v->dead[mid] < key)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < v->ndead && v->dead[lo] == key;
}

/* ---- what a page holds after pruning ---- */

typedef struct PageView {
    int live, kept, missed, dead_lines, tuples;
    bool all_visible, all_frozen;
    int nfreeze;
    uint16_t freeze[HEAP_TUPLES_PER_PAGE_MAX];
} PageView;

static bool
xid_over(Xid x)
{
    Lsn csn;

    switch (xid_status(x, &csn)) {
    case XS_STATUS_IN_PROGRESS:
        return false;
    case XS_STATUS_ABORTED:
        return true;
    default:
        return csn <= wal_flushed();
    }
}

/* Is what stands in xmax over without effect, and durably so? Else somebody may have to learn of
 * it. */
static bool
xmax_is_void(char *t)
{
    uint16_t flags = tuple_flags(t);
    MultiMember *m;
    int n;

    if (flags & HEAP_XMAX_INVALID)
        return true;
    /* The tuple lives: an updater in a multixact has been rolled back. */
    if (!(flags & (HEAP_XMAX_LOCK_ONLY | HEAP_XMAX_MULTI)))
        return false;
    if (!(flags & HEAP_XMAX_MULTI))
        return xid_over(tuple_xmax(t));
    n = multi_members(tuple_xmax(t), txn_arena(), &m);
    for (int i = 0; i < n; i++)
        if (!xid_over(m[i].xid))
            return false;
    return true;
}

static void
view_live(Vacuum *v, PageView *p, char *t, OffsetNo line)
{
    uint16_t flags = tuple_flags(t);
    Xid xmin = tuple_xmin(t);
    bool frozen = tuple_is_frozen(flags), has_xmax = tuple_xmax(t) != XID_INVALID;
    Lsn csn = 0;

    p->live++;
    if (!frozen && (xid_status(xmin, &csn) != XS_STATUS_COMMITTED || csn > v->horizon)) {
        p->all_visible = p->all_frozen = false;
        return;
    }
    if (!(flags & HEAP_XMAX_INVALID) && !(flags & HEAP_XMAX_LOCK_ONLY))
        p->all_visible = false; /* an aborted or multixact updater: let it be judged anew */
    if (has_xmax && !xmax_is_void(t)) {
        p->all_frozen = false;
        return;
    }
    if (frozen && !has_xmax)
        return;
    if (xmin < v->freeze_limit && xmin < v->horizon_xid)
        p->freeze[p->nfreeze++] = (uint16_t)(line | (has_xmax ? 0x8000u : 0));
    else
        p->all_frozen = false;
}

/* clean: the page was pruned under a cleanup lock. */
static void
page_view(Vacuum *v, Buf b, PageView *p)
{
    char *page = buf_page(b);
    int n = page_line_count(page);

    *p = (PageView){.all_visible = true, .all_frozen = true};
    for (int i = 1; i <= n; i++) {
        LinePtr lp = page_line(page, (OffsetNo)i);
        char *t;

        if (LINE_STATE(lp) == LINE_DEAD) {
            dead_add(v, buf_block(b), (OffsetNo)i);
            p->dead_lines++;
            p->all_visible = p->all_frozen = false;
            continue;
        }
        if (LINE_STATE(lp) != LINE_NORMAL)
            continue;
        t = page_item(page, lp);
        p->tuples++;
        switch (tuple_vacuum_state(t, v->horizon, b)) {
        case TUPLE_LIVE:
            view_live(v, p, t, (OffsetNo)i);
            break;
        case TUPLE_INSERT_IN_PROGRESS:
        case TUPLE_DELETE_IN_PROGRESS:
            p->live++;
            p->all_visible = p->all_frozen = false;
            break;
        case TUPLE_DEAD: /* only where the page could not be pruned */
            p->missed++;
            p->all_visible = p->all_frozen = false;
            break;
        default:
            p->kept++;
            p->all_visible = p->all_frozen = false;
        }
    }
}

static void
page_freeze(Vacuum *v, Buf b, const PageView *p)
{
    char *page = buf_page(b);

    if (p->nfreeze == 0)
        return;
    critical_enter();
    for (int i = 0; i < p->nfreeze; i++)
        tuple_freeze(page_tuple(page, p->freeze[i] & 0x7FFF, NULL), p->freeze[i] & 0x8000);
    buf_mark_dirty(b);
    if (v->rel->logged) {
        wal_begin();
        wal_add_block(0, v->rel->locator, FORK_MAIN, buf_block(b), page, WAL_REF_STANDARD);
        wal_add_block_data(0, p->freeze, (uint32_t)p->nfreeze * 2);
        page_set_lsn(page, wal_insert(RMGR_HEAP2, HEAP2_OP_FREEZE, NULL));
    }
    critical_leave();
    v->out->frozen += (uint64_t)p->nfreeze;
}

/*
 * The lowest ids the page still holds, after freezing. Every xmax counts, even one marked invalid: the mark
 * is a hint and may be lost with the page.
 */
static void
note_ids(Vacuum *v, Buf b)
{
    char *page = buf_page(b);

    for (int i = 1; i <= page_line_count(page); i++) {
        LinePtr lp = page_line(page, (OffsetNo)i);
        const char *t;
        MultiMember *m;
        int n;

        if (LINE_STATE(lp) != LINE_NORMAL)
            continue;
        t = page_item(page, lp);
        if (!tuple_is_frozen(tuple_flags(t)) && xid_is_normal(tuple_xmin(t)))
            v->min_xid = MIN(v->min_xid, tuple_xmin(t));
        if (tuple_xmax(t) == XID_INVALID)
            continue;
        if (!(tuple_flags(t) & HEAP_XMAX_MULTI)) {
            v->min_xid = MIN(v->min_xid, tuple_xmax(t));
            continue;
        }
        v->min_multi = MIN(v->min_multi, tuple_xmax(t));
        n = multi_members(tuple_xmax(t), v->scratch, &m);
        for (int k = 0; k < n; k++)
            v->min_xid = MIN(v->min_xid, m[k].xid);
        arena_reset(v->scratch);
    }
}

/* ---- first pass ---- */

/* Somebody else has the page pinned: no bytes may move, but it is counted. */
static void
scan_unclean(Vacuum *v, Buf b)
{
    PageView p;

    buf_lock(b, LW_EXCLUSIVE);
    if (!page_is_new(buf_page(b))) {
        page_view(v, b, &p);
        v->out->tuples_live += (uint64_t)p.live;
        v->out->tuples_dead_kept += (uint64_t)p.kept;
        v->out->missed_dead += (uint64_t)p.missed;
        v->out->missed_pages += p.missed > 0;
        note_ids(v, b);
        if (page_line_count(buf_page(b)) > 0)
            v->nonempty = buf_block(b) + 1;
    }
    buf_unlock(b);
}

static void
scan_page(Vacuum *v, BlockNo block, Buf b)
{
    char *page = buf_page(b);
    size_t room;
    PageView p;
    int dead_lines;

    if (page_is_new(page)) {
        buf_unlock(b);
        fsm_record(v->rel, block, PAGE_BYTES - sizeof(PageHeader) - sizeof(LinePtr));
        return;
    }
    v->out->tuples_removed += (uint64_t)heap_prune_page(v->rel, b, v->horizon, v->nindexes == 0, &dead_lines);
    page_view(v, b, &p);
    v->out->tuples_live += (uint64_t)p.live;
    v->out->tuples_dead_kept += (uint64_t)(p.kept + p.missed);
    page_freeze(v, b, &p);
    note_ids(v, b);
    if (p.all_visible) {
        unsigned bits = VM_VISIBLE | (p.all_frozen ? VM_FROZEN : 0);

        if (vm_bits(v->rel, block, &v->vm) != bits ||
            !(page_header(page)->flags & PAGE_FLAG_ALL_VISIBLE))
            vm_set(v->rel, block, b, v->vm, bits);
        v->out->all_visible++;
    }
    v->out->dead_lines += (uint64_t)p.dead_lines;
    v->out->dead_pages += p.dead_lines > 0;
    /* Dead lines will be gone by the second pass; the end is looked at again before it is cut off. */
    if (p.tuples > 0 || (p.dead_lines > 0 && !v->o->index_cleanup))
        v->nonempty = block + 1;
    room = page_room(page);
    buf_unlock(b);
    if (p.dead_lines == 0)
        fsm_record(v->rel, block, room);
}

/* How many pages from block on need not be looked at. */
static BlockNo
skippable(Vacuum *v, BlockNo block, BlockNo end, bool *all_frozen)
{
    BlockNo n = 0;
    unsigned want = v->o->freeze || v->o->aggressive ? VM_VISIBLE | VM_FROZEN : VM_VISIBLE;

    *all_frozen = true;
    /* The last page is always read: whether the end can be cut off depends on it. */
    while (block + n + 1 < end) {
        unsigned bits = vm_bits(v->rel, block + n, &v->vm);

        if ((bits & want) != want)
            break;
        *all_frozen &= (bits & VM_FROZEN) != 0;
        n++;
    }
    return n;
}

static void clean_indexes_and_lines(Vacuum *v);

static BlockNo
first_pass(Vacuum *v, BlockNo end)
{
    BlockNo skipped = 0;

    for (BlockNo block = 0; block < end; block++) {
        bool all_frozen;
        BlockNo skip = skippable(v, block, end, &all_frozen);
        Buf b;

        if (skip >= SKIP_RUN || (skip > 0 && end <= SKIP_RUN)) {
            skipped += skip;
            v->skipped_unfrozen |= !all_frozen;
            block += skip;
            v->nonempty = block;
            v->out->all_visible += skip;
        }
        vacuum_pace_point();
        if (v->ndead + HEAP_TUPLES_PER_PAGE_MAX > v->dead_max)
            clean_indexes_and_lines(v);
        if ((block & 31) == 0)
            buf_prefetch(v->rel->locator, FORK_MAIN, block, (int)MIN(32u, end - block));
        vm_pin(v->rel, block, &v->vm);
        b = rbuf_read_mode(v->rel->locator, FORK_MAIN, block, BUF_NORMAL, v->ring);
        v->out->scanned++;
        proc_progress_set(PROGRESS_SCANNED, block);
        if (buf_try_lock_cleanup(b)) {
            scan_page(v, block, b);
        } else if (v->o->freeze || v->o->aggressive) {
            buf_lock_cleanup(b);
            scan_page(v, block, b);
        } else {
            scan_unclean(v, b);
        }
        rbuf_unpin(b);
    }
    return skipped;
}

/* ---- indexes, and the second pass ---- */

/* All dead lines of one page, dead[from, to), become unused. */
static void
second_pass_page(Vacuum *v, BlockNo block, size_t from, size_t to)
{
    OffsetNo lines[HEAP_TUPLES_PER_PAGE_MAX];
    int n = 0;
    PageView p;
    size_t room, ndead = v->ndead;
    char *page;
    Buf b;

    vm_pin(v->rel, block, &v->vm);
    b = rbuf_read_mode(v->rel->locator, FORK_MAIN, block, BUF_NORMAL, v->ring);
    page = buf_page(b);
    buf_lock(b, LW_EXCLUSIVE);
    for (size_t i = from; i < to; i++) {
        OffsetNo off = (OffsetNo)(v->dead[i] & 0xFFFF);

        if (off <= page_line_count(page) && LINE_STATE(page_line(page, off)) == LINE_DEAD)
            lines[n++] = off;
    }
    critical_enter();
    lines_set_unused(page, lines, n);
    buf_mark_dirty(b);
    if (v->rel->logged && n > 0) {
        wal_begin();
        wal_add_block(0, v->rel->locator, FORK_MAIN, block, page, WAL_REF_STANDARD);
        wal_add_block_data(0, lines, (uint32_t)n * 2);
        page_set_lsn(page, wal_insert(RMGR_HEAP2, HEAP2_OP_UNUSED, NULL));
    }
    critical_leave();
    page_view(v, b, &p);
    v->ndead = ndead; /* what it met again belongs to the next round */
    if (p.all_visible) {
        vm_set(v->rel, block, b, v->vm,
               VM_VISIBLE | (p.all_frozen && p.nfreeze == 0 ? VM_FROZEN : 0));
        v->out->all_visible++;
    }
    room = page_room(page);
    rbuf_release(b);
    fsm_record(v->rel, block, room);
}

static void
clean_indexes_and_lines(Vacuum *v)
{
    if (v->ndead == 0)
        return;
    if (!v->o->index_cleanup) { /* the lines stay dead for another vacuum */
        v->ndead = 0;
        return;
    }
    proc_progress_set(PROGRESS_DEAD, (int64_t)v->ndead);
    proc_progress_set(PROGRESS_PHASE, PHASE_INDEXES);
    for (int i = 0; i < v->nindexes; i++) {
        uint64_t removed = 0, entries;
        BlockNo pages;

        btree_vacuum(v->indexes[i], dead_is, v, &removed, &pages, &entries);
        v->out->index_entries_removed += removed;
        if (i < VACUUM_INDEXES_MAX) {
            v->out->index_done[i] = true;
            v->out->index_pages[i] = pages;
        }
    }
    v->out->index_scans++;
    proc_progress_set(PROGRESS_INDEX_ROUNDS, v->out->index_scans);
    proc_progress_set(PROGRESS_PHASE, PHASE_HEAP);
    for (size_t i = 0; i < v->ndead;) {
        BlockNo block = (BlockNo)(v->dead[i] >> 16);
        size_t to = i;

        while (to < v->ndead && v->dead[to] >> 16 == block)
            to++;
        vacuum_pace_point();
        second_pass_page(v, block, i, to);
        proc_progress_set(PROGRESS_VACUUMED, block);
        i = to;
    }
    v->ndead = 0;
    proc_progress_set(PROGRESS_DEAD, 0);
    proc_progress_set(PROGRESS_PHASE, PHASE_SCAN);
}

/* ---- cutting off the end ---- */

/* One past the last page from the end that has anything. Nobody else can add: exclusive lock. */
static BlockNo
used_end(Vacuum *v, BlockNo end, BlockNo floor)
{
    while (end > floor) {
        Buf b = rbuf_read_mode(v->rel->locator, FORK_MAIN, end - 1, BUF_NORMAL, v->ring);
        bool empty;

        CHECK_INTERRUPTS(); /* others may wait for our lock: autovacuum is then cancelled */
        buf_lock(b, LW_SHARED);
        empty = page_is_new(buf_page(b)) || page_line_count(buf_page(b)) == 0;
        rbuf_release(b);
        if (!empty)
            break;
        end--;
    }
    return end;
}

static void
cut_off(Vacuum *v, BlockNo scanned_end)
{
    LockTag tag = lock_tag_relation(v->rel->db, v->rel->oid);
    BlockNo empty = scanned_end - v->nonempty, end, keep;
    LockResult r;

    if (!v->o->truncate || empty == 0 || (empty < TRUNCATE_MIN && empty < scanned_end / 16))
        return;
    r = lock_acquire(tag, LOCK_ACCESS_EXCLUSIVE, false, true);
    if (r != LOCK_OK && r != LOCK_ALREADY_HELD)
        return; /* in use: the next vacuum tries again */
    end = heap_blocks(v->rel);
    if (end == scanned_end) {
        keep = used_end(v, end, v->nonempty);
        if (keep < end) {
            vm_release(&v->vm);
            fsm_truncate(v->rel, keep);
            vm_truncate(v->rel, keep);
            storage_truncate(v->rel->locator, keep);
            v->rel->insert_block = 0;
            v->out->removed_pages = end - keep;
        }
    }
    (void)lock_release(tag, LOCK_ACCESS_EXCLUSIVE, false);
}

void
heap_vacuum(HeapRel *rel, struct BtreeIndex **indexes, int nindexes, const VacuumOptions *o,
            VacuumStats *out)
{
    Vacuum v = {.rel = rel,
                .indexes = indexes,
                .nindexes = nindexes,
                .o = o,
                .out = out,
                .vm = BUF_INVALID};
    BlockNo end = heap_blocks(rel), skipped;
    CountIo io = count_io_begin();
    Xid next = xid_next(), age = o->freeze_after > 0 ? (Xid)o->freeze_after - 1 : (Xid)vacuum_freeze_min_age;

    *out = (VacuumStats){.pages = end};
    v.arena = arena_create(txn_arena(), "vacuum");
    v.scratch = arena_create(v.arena, "members");
    v.ring = buf_ring_create(v.arena, BUF_RING_VACUUM);
    v.horizon = horizon_lsn(rel->db == 0);
    v.horizon_xid = horizon_xid();
    out->cutoff = v.min_xid = v.horizon_xid;
    v.min_multi = multi_safe_bound();
    v.freeze_limit = o->freeze ? v.horizon_xid : next > age ? next - age : 0;
    v.dead_max = MAX((size_t)(o->work_mem_kb > 0 ? o->work_mem_kb : maintenance_work_mem_kb) * 1024 / 8,
                     (size_t)2 * HEAP_TUPLES_PER_PAGE_MAX);
    proc_progress_begin(PROGRESS_VACUUM, rel->oid);
    proc_progress_set(PROGRESS_TOTAL, end);
    proc_progress_set(PROGRESS_MAX_DEAD, (int64_t)v.dead_max);
    proc_progress_set(PROGRESS_PHASE, PHASE_SCAN);
    skipped = first_pass(&v, end);
    proc_progress_set(PROGRESS_SCANNED, end);
    clean_indexes_and_lines(&v);
    if (skipped > 0 && out->scanned > 0) /* the density found stands for the pages not read */
        out->tuples_live += (uint64_t)((double)out->tuples_live / out->scanned * skipped);
    if (!v.skipped_unfrozen) {
        out->frozen_xid = v.min_xid;
        out->min_multi = v.min_multi;
    }
    proc_progress_set(PROGRESS_PHASE, PHASE_TRUNCATE);
    cut_off(&v, end);
    proc_progress_set(PROGRESS_PHASE, PHASE_FINAL);
    vm_release(&v.vm);
    fsm_vacuum(rel);
    proc_progress_end();
    arena_destroy(v.arena);
    count_io_end(count_heap(rel), io);
}
