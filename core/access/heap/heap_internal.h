/*
 * What the files of core/access/heap share: placing tuples on pages, log record formats, the protocol
 * of xmax. Rules are numbered in README.md.
 */
#ifndef CORE_ACCESS_HEAP_HEAP_INTERNAL_H
#define CORE_ACCESS_HEAP_HEAP_INTERNAL_H

#include "core/access/count.h"
#include "core/access/heap/heap.h"
#include "core/access/toast/toast.h"
#include "lockmgr/predicate.h"

#define HEAP_TUPLES_PER_PAGE_MAX 291 /* (8192 - 32) / (24 + 4) */
#define HEAP_LOCK_BITS (HEAP_LOCK_KEY_SHARE | HEAP_LOCK_EXCLUSIVE)
#define HEAP_XMAX_BITS (HEAP_XMAX_COMMITTED | HEAP_XMAX_INVALID | HEAP_XMAX_MULTI | HEAP_XMAX_LOCK_ONLY | HEAP_LOCK_BITS | HEAP_KEYS_UPDATED)

/* ---- log records. References' data; main data is one byte of LOG_* flags, or absent ---- */
#define HEAP_OP_INSERT 0x00      /* u16 line, u16 flags, body */
#define HEAP_OP_DELETE 0x10      /* u16 line, u16 flags, [6 xmax if multi] */
#define HEAP_OP_UPDATE 0x20      /* two pages: ref 0 new: u16 line, u16 flags, [6 xmax], body;
                                    ref 1 old: u16 line, u16 flags, u16 new line, [6 xmax] */
#define HEAP_OP_UPDATE_SAME 0x30 /* one page: u16 old line, u16 new line, u16 old flags, u16 new flags,
                                    u16 prefix, u16 suffix, [6 old xmax], [6 new xmax], middle */
#define HEAP_OP_LOCK 0x40        /* u16 line, u16 flags, 6 xmax */
#define HEAP_OP_OVERWRITE 0x50   /* u16 line, u16 flags, body */
#define HEAP_OP_UNINSERT 0x60    /* u16 line: a speculative insertion taken back */
#define HEAP2_OP_PRUNE 0x10      /* u16 redirects, u16 dead, u16 unused; pairs, lines, lines */
#define HEAP2_OP_UNUSED 0x20     /* lines: dead to unused */
#define HEAP2_OP_FREEZE 0x30     /* lines; bit 15: xmax is cleared too */
#define HEAP2_OP_VISIBLE 0x40    /* ref 0 map page, ref 1 heap page; main: u32 heap block, u8 bits */
#define HEAP2_OP_MULTI_INSERT 0x50 /* u16 first line, u16 count; per tuple u16 flags, u16 bytes of body, body */
#define LOG_VM_CLEARED 1u        /* of ref 0's page */
#define LOG_VM_CLEARED_REF1 2u

/* ---- tuple header ---- */
static inline void tuple_set_xmin(char *t, Xid x) { store_u48(t, x); }
static inline void tuple_set_xmax(char *t, Xid x) { store_u48(t + 6, x); }
static inline void tuple_set_cid(char *t, CommandId c) { store_u32(t + 12, c); }
static inline void tuple_set_ctid(char *t, BlockNo b, OffsetNo o) { store_u32(t + 16, b); store_u16(t + 20, o); }
static inline void tuple_set_flags(char *t, uint16_t f) { store_u16(t + 22, f); }
static inline CommandId
tuple_own_cmin(const char *t)
{
    return tuple_flags(t) & HEAP_COMBO_CID ? combo_cmin(tuple_cid(t)) : tuple_cid(t);
}
static inline CommandId
tuple_own_cmax(const char *t)
{
    return tuple_flags(t) & HEAP_COMBO_CID ? combo_cmax(tuple_cid(t)) : tuple_cid(t);
}
static inline bool tuple_ctid_is(const char *t, ItemPtr p) { return load_u32(t + 16) == p.block && load_u16(t + 20) == p.off; }
/* xmin as chain walkers compare it. */
static inline bool tuple_is_frozen(uint16_t flags) { return (flags & HEAP_XMIN_FROZEN) == HEAP_XMIN_FROZEN; }

/* ---- tuple.c ---- */
size_t tuple_size_of(const TupleLayout *l, const Datum *values, const bool *nulls, bool *needs_toast);
/* Fills null bits, columns and tail at t (size from tuple_size_of); the header beyond them is the caller's. */
uint16_t tuple_fill(const TupleLayout *l, char *t, const Datum *values, const bool *nulls);
NORETURN void tuple_too_big(size_t size);
const char *tail_skip(const char *p); /* end of one stored tail value */

/* ---- hints learnt on one page under a shared lock, written together at the end ---- */
typedef struct HintState {
    Buf buf;
    int n;
    struct { char *t; uint16_t flags; } e[HEAP_TUPLES_PER_PAGE_MAX * 2];
} HintState;
static inline void
hint_note(HintState *h, char *t, uint16_t flags)
{
    if (h->n < (int)COUNT_OF(h->e)) {
        h->e[h->n].t = t;
        h->e[h->n++].flags = flags;
    }
}
void hint_write(HintState *h);
static inline void
hint_end(HintState *h)
{
    if (h->n)
        hint_write(h);
}
/* Nobody can see the tuple any more; asks without changing anything: for a shared lock. */
bool tuple_surely_dead(const char *t, Lsn horizon);
bool tuple_visible_hints(char *t, const Snapshot *s, HintState *h);

/* ---- serializable reads and writes (lockmgr/predicate.h) ---- */
static inline bool heap_tracks_reads(const HeapRel *rel) { return pred_tracks_relation(rel->oid) && !rel->is_temp; }
static inline const Snapshot *
snapshot_untracked(const Snapshot *s, Snapshot *copy)
{
    *copy = *s;
    copy->serializable = false;
    return copy;
}
/* Before a row is changed or, with line 0, added. Page locked exclusively until the change is done. Raises 40001. */
static inline void
heap_check_write(const HeapRel *rel, BlockNo block, OffsetNo line)
{
    if (UNLIKELY(pred_tracking))
        pred_check_write(rel->db, rel->oid, line ? block : BLOCK_INVALID, line);
}

/* ---- xmax protocol (xmax.c) ---- */
TmResult tuple_update_state(char *t, ItemPtr self, CommandId cid);
Xid tuple_update_xid(const char *t);  /* who updated or deleted it: plain xmax or the multixact's updater; 0 none */
bool row_modes_conflict(RowLockMode a, RowLockMode b);
/* Transactions in progress other than our own that keep us from taking mode; ids into out (arena).
 * -1: none is in progress any more, but one of them has committed a change: look at the tuple again. */
int xmax_blockers(const char *t, RowLockMode mode, Arena *a, Xid **out);
/* Do we hold a lock at least as strong already? */
bool xmax_own_lock(const char *t, RowLockMode mode);
typedef struct NewXmax { Xid xmax; uint16_t flags; /* HEAP_XMAX_BITS to set */ } NewXmax;
NewXmax xmax_combine(const char *t, Xid me, RowLockMode mode, bool is_update);
/* What of the old version's lockers the new version must carry on; flags HEAP_XMAX_INVALID: nobody. */
NewXmax xmax_carry_lockers(const char *t);
CommandId tuple_delete_cid(const char *t, CommandId cid, bool *combo);
void tuple_fail_info(const char *t, TmResult r, TmFailure *fail);
LockMode row_lock_heavy(RowLockMode m);
/* Waits out what keeps us from changing the tuple in `mode`; buf locked exclusively on entry and exit. */
TmResult tuple_wait_ready(HeapRel *rel, Buf buf, char *t, ItemPtr self, CommandId cid, RowLockMode mode,
                          WaitPolicy policy, bool *have_tuple_lock);
void tuple_lock_release(HeapRel *rel, ItemPtr tid, RowLockMode mode, bool *have);

/* ---- delete.c ---- */
/* The tuple at a line of a page locked by the caller; NULL: none is there. */
char *page_tuple(char *page, OffsetNo line, uint32_t *size);
/* Writes xmax and flags of a lock on t, logged. Page exclusively locked; new from xmax_combine. */
void tuple_write_lock(HeapRel *rel, Buf b, char *t, OffsetNo line, NewXmax new_xmax);
/* Pins the map page if needed, page locked exclusively before and after. True: the lock was let go. */
bool page_pin_map(HeapRel *rel, Buf b, Buf *vm);
static inline void
page_note_prunable(char *page, Xid xid)
{
    PageHeader *h = page_header(page);

    if (h->prune_xid == 0 || xid < h->prune_xid)
        h->prune_xid = xid;
}

/* ---- pages (insert.c) ---- */
/* Room for a tuple of size bytes: its line and where its bytes go. The page has room. */
char *page_place(char *page, size_t size, OffsetNo *line);
/* Redo: the same at a given line. NULL: does not fit (damage). */
char *page_place_at(char *page, size_t size, OffsetNo line);
size_t page_room(const char *page);
/* A page with room for `need` bytes, pinned and exclusively locked; its map page pinned in *vm if it is
 * marked all-visible. other: a page locked by the caller too (update), or BUF_INVALID. */
Buf page_for_tuple(HeapRel *rel, size_t need, unsigned options, BufRing *ring, Buf other, Buf *vm, Buf *vm_other);

/* ---- vm.c ---- */
#define VM_VISIBLE 1u
#define VM_FROZEN 2u
void vm_pin(HeapRel *rel, BlockNo block, Buf *vm);
bool vm_covers(Buf vm, BlockNo block); /* vm is the map page of the heap block */
void vm_clear(BlockNo block, Buf vm);
unsigned vm_bits(HeapRel *rel, BlockNo block, Buf *vm);
/* Sets the bits and the page's flag, logged. Heap page exclusively locked. */
void vm_set(HeapRel *rel, BlockNo block, Buf heap_buf, Buf vm, unsigned bits);
void vm_redo_clear(RelLocator r, BlockNo block);
void vm_redo_visible(const WalRecord *r);
void vm_truncate(HeapRel *rel, BlockNo blocks);

/* ---- fsm.c ---- */
BlockNo fsm_record_and_search(HeapRel *rel, BlockNo full, size_t has, size_t need);
void fsm_truncate(HeapRel *rel, BlockNo blocks);

/* ---- prune.c ---- */
typedef struct PruneWork {
    uint16_t nredirect, ndead, nunused;
    OffsetNo redirect[2 * HEAP_TUPLES_PER_PAGE_MAX], dead[HEAP_TUPLES_PER_PAGE_MAX], unused[HEAP_TUPLES_PER_PAGE_MAX];
    int removed;         /* tuples whose bytes go */
    Xid next_prune_xid;  /* oldest deleter not prunable yet */
} PruneWork;
/* Decides and, if there is anything to do, changes and logs the page. Cleanup lock held. mark_unused:
 * no index can point here: dead lines become unused at once. Returns tuples removed. */
int heap_prune_page(HeapRel *rel, Buf buf, Lsn horizon, bool mark_unused, int *new_dead_lines);
void prune_apply(char *page, const PruneWork *w);
void lines_set_unused(char *page, const OffsetNo *lines, int n);

/* xmin as frozen; clear_xmax: what stands in xmax is over. */
static inline void
tuple_freeze(char *t, bool clear_xmax)
{
    uint16_t flags = tuple_flags(t) | HEAP_XMIN_FROZEN;

    if (clear_xmax) {
        tuple_set_xmax(t, XID_INVALID);
        flags = (flags & (uint16_t)~(HEAP_XMAX_BITS | HEAP_HOT_UPDATED)) | HEAP_XMAX_INVALID;
    }
    tuple_set_flags(t, flags);
}

void heap_note_vm(uint8_t *flags); /* registers the main data byte if it is not 0 */

/* Debug name of a relation's page for errors. */
#define HEAP_ERR_LINE(rel, tid) (rel)->name, (tid).block, (tid).off

#endif
