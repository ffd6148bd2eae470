/*
 * The heap: MVCC tuples on pages.
 *
 * Tuple on the page (all integers little endian, tuple starts 8-aligned):
 *    0  6  xmin        inserter
 *    6  6  xmax        deleter, updater or locker; a MultiId with HEAP_XMAX_MULTI
 *   12  4  cid         command of the inserter or, when xmax is the same transaction, a combo id
 *   16  6  ctid        block 4, line 2: the next version; itself for the newest
 *   22  2  flags       HEAP_*
 *   24  .. null bits of the fixed columns (layout->null_bytes; bit set = null), then the fixed columns
 *          at constant offsets (a null keeps its place), then the tail: the variable columns and those
 *          added later, in tail order, each self-describing: a value's bytes for var types; for late
 *          fixed columns a short header and the bytes; VAR_NULL_MARK for null. A tail that ends
 *          early: the missing columns take their `missing` value (or null).
 */
#ifndef CORE_ACCESS_HEAP_HEAP_H
#define CORE_ACCESS_HEAP_HEAP_H

#include "core/stats/stats.h"
#include "core/txn/txn.h"
#include "core/types/type.h"

#define HEAP_HEADER_BYTES 24
#define HEAP_XMIN_COMMITTED 0x0001u
#define HEAP_XMIN_ABORTED 0x0002u
#define HEAP_XMIN_FROZEN (HEAP_XMIN_COMMITTED | HEAP_XMIN_ABORTED)
#define HEAP_XMAX_COMMITTED 0x0004u
#define HEAP_XMAX_INVALID 0x0008u   /* aborted, or none */
#define HEAP_XMAX_MULTI 0x0010u
#define HEAP_XMAX_LOCK_ONLY 0x0020u
#define HEAP_LOCK_KEY_SHARE 0x0040u
#define HEAP_LOCK_EXCLUSIVE 0x0080u /* with KEY_SHARE both: SHARE */
#define HEAP_KEYS_UPDATED 0x0100u   /* delete, or update of key columns */
#define HEAP_HOT_UPDATED 0x0200u
#define HEAP_HEAP_ONLY 0x0400u
#define HEAP_UPDATED 0x0800u        /* this version came from an UPDATE */
#define HEAP_COMBO_CID 0x1000u
#define HEAP_HAS_EXTERNAL 0x2000u
#define HEAP_HAS_COMPRESSED 0x4000u

typedef enum PhysKind { /* how a value's bytes become a lane */
    PHYS_U8, PHYS_I16, PHYS_I32, PHYS_U32, PHYS_64, PHYS_REF /* fixed width, by reference */, PHYS_VAR
} PhysKind;
typedef struct AttrPhys {
    uint8_t kind;       /* PhysKind */
    Oid type;           /* 0: dropped; its bytes are skipped and read as null */
    int16_t len;        /* physical: > 0 fixed, -1 var */
    bool byval;
    bool not_null;
    int16_t fixed_offset; /* from tuple start; -1: in the tail */
    int16_t null_bit;     /* in the null bits; -1: in the tail */
    int16_t tail_index;   /* -1: fixed */
    bool has_missing;
    Datum missing;        /* value for tuples older than the column */
    char storage;         /* pg_attribute.attstorage: p, e, m, x */
    char compression;     /* 0, 'p' -> our LZ4, 'l' */
} AttrPhys;

typedef struct TupleLayout {
    int natts;
    AttrPhys *atts;      /* [attnum - 1] */
    int null_bytes;
    int fixed_end;       /* offset of the tail */
    int ntail;
    int16_t *tail_atts;  /* tail_index -> attnum - 1 */
    int nfixed;
    int16_t *fixed_atts; /* by offset */
} TupleLayout;
typedef struct AttrSpec { Oid type; int16_t len; bool byval; bool not_null; int late_rank; /* -1: created with the table; else n-th added later */ bool has_missing; Datum missing; char storage, compression; bool dropped; } AttrSpec;
/* Deterministic: fixed columns by width (widest first), then column order; the tail in column order,
 * late columns after it by rank. */
TupleLayout *layout_build(Arena *a, const AttrSpec *specs, int natts);

/* ---- tuples in memory: the bytes of a heap tuple, header included ---- */
typedef struct Tuple { char *bytes; uint32_t size; ItemPtr tid; } Tuple;
/* Values by attnum - 1; plain or external. Header zeroed except ctid. Raises 54000 row is too big. */
Tuple *tuple_form(Arena *a, const TupleLayout *l, const Datum *values, const bool *nulls);
/* One column, detoasted only if `arena` is not NULL. */
Datum tuple_get(const TupleLayout *l, const char *tup, uint32_t size, int attnum, bool *isnull);
void tuple_deform(const TupleLayout *l, const char *tup, uint32_t size, Datum *values, bool *nulls, int natts);
static inline Xid tuple_xmin(const char *t) { return load_u48(t); }
static inline Xid tuple_xmax(const char *t) { return load_u48(t + 6); }
static inline uint32_t tuple_cid(const char *t) { return load_u32(t + 12); }
static inline ItemPtr tuple_ctid(const char *t) { return (ItemPtr){load_u32(t + 16), load_u16(t + 20)}; }
static inline uint16_t tuple_flags(const char *t) { return load_u16(t + 22); }

/* ---- relations as access sees them; the catalog builds these ---- */
typedef struct HeapRel {
    RelLocator locator;
    Oid oid;
    Oid db;             /* 0: shared */
    const char *name;   /* for errors */
    const TupleLayout *layout;
    bool logged;        /* false: temporary or unlogged */
    bool is_temp;
    int fillfactor;
    struct HeapRel *toast;          /* NULL: no toast table */
    struct BtreeIndex *toast_index; /* on (chunk_id, chunk_seq) */
    /* Process-local hints. */
    BlockNo insert_block;
    Buf insert_hint;
    StatsLink stats;    /* of its statistics: count.h */
} HeapRel;

/* ---- visibility ---- */
bool tuple_visible(char *tup, const Snapshot *s, Buf buf); /* sets hint bits; buf locked shared at least */
typedef enum TupleState { TUPLE_DEAD, TUPLE_LIVE, TUPLE_RECENTLY_DEAD, TUPLE_INSERT_IN_PROGRESS, TUPLE_DELETE_IN_PROGRESS } TupleState;
TupleState tuple_vacuum_state(char *tup, Lsn horizon, Buf buf);

/* ---- scans ---- */
typedef struct TupleBatch {
    int n;
    const char *tup[BATCH_ROWS]; /* into pinned pages, valid until the next call */
    uint16_t size[BATCH_ROWS];
    ItemPtr tid[BATCH_ROWS];
    bool tail_cached;            /* tuple_gather's: tail_at is filled in (index << 16 | offset); reset by the scan */
    uint32_t tail_at[BATCH_ROWS];
} TupleBatch;
typedef struct HeapScan HeapScan;
HeapScan *heap_scan_begin(Arena *a, HeapRel *rel, const Snapshot *s);
/* Fills up to BATCH_ROWS visible tuples (several pages stay pinned until the next call); false at the end. */
bool heap_scan_next(HeapScan *scan, TupleBatch *out);
void heap_scan_restart(HeapScan *scan);
void heap_scan_end(HeapScan *scan);
void heap_scan_set_range(HeapScan *scan, BlockNo first, BlockNo count); /* for parallel and TID range scans, ANALYZE */
/* Gathers one column of tuples sel[0..n) (sel NULL: first n) into out lanes of the same row numbers.
 * attnum > 0 user columns; system columns -1 ctid, -2 xmin, -3 cmin, -4 xmax, -5 cmax, -6 tableoid.
 * External and compressed values are detoasted into `a`. */
void tuple_gather(HeapRel *rel, const TupleBatch *b, int n, const uint16_t *sel, int attnum, Arena *a, Vec *out);

/* One tuple by address: follows a HOT chain from its root to the version visible to s. On success the
 * page is pinned into *buf (caller: rbuf_unpin) and out->bytes points into it, out->tid is the version's. */
bool heap_fetch(HeapRel *rel, ItemPtr tid, const Snapshot *s, Buf *buf, Tuple *out, bool *all_dead);
/* As heap_fetch with a page the caller already holds pinned in *buf from a previous fetch (BUF_INVALID: none). */
bool heap_fetch_next(HeapRel *rel, ItemPtr tid, const Snapshot *s, Buf *buf, Tuple *out, bool *all_dead);
/* The address of the newest version of tid's row that s sees; tid itself if it sees none. */
ItemPtr heap_latest_visible(HeapRel *rel, ItemPtr tid, const Snapshot *s);
bool heap_fetch_version(HeapRel *rel, ItemPtr tid, const Snapshot *s, Buf *buf, Tuple *out); /* exactly this line */

/* ---- changes ---- */
typedef enum TmResult { TM_OK, TM_INVISIBLE, TM_SELF_MODIFIED, TM_UPDATED, TM_DELETED, TM_BEING_MODIFIED, TM_WOULD_BLOCK } TmResult;
typedef struct TmFailure { ItemPtr ctid; Xid xmax; CommandId cmax; bool traversed; } TmFailure;
typedef enum RowLockMode { ROW_KEY_SHARE, ROW_SHARE, ROW_NO_KEY_EXCLUSIVE, ROW_EXCLUSIVE } RowLockMode;
typedef enum WaitPolicy { WAIT_BLOCK, WAIT_SKIP, WAIT_ERROR } WaitPolicy;
#define HEAP_INSERT_SKIP_FSM 1u
#define HEAP_INSERT_FROZEN 2u
#define HEAP_INSERT_UNCOUNTED 4u /* rows that only move: not in the statistics */
/* Toasts values as needed, places the tuple, logs it. Returns its address. */
ItemPtr heap_insert(HeapRel *rel, const Datum *values, const bool *nulls, CommandId cid, unsigned options);
/* Many rows at once: fills pages and logs one record a page. tids_out may be NULL. */
typedef struct HeapBulk HeapBulk;
HeapBulk *heap_bulk_begin(Arena *a, HeapRel *rel, CommandId cid, unsigned options); /* ring, bulk extension */
void heap_bulk_insert(HeapBulk *b, const Datum *const *rows_values, const bool *const *rows_nulls, int n, ItemPtr *tids_out);
void heap_bulk_end(HeapBulk *b);
/* Waits for concurrent changers if wait. crosscheck as in PostgreSQL's TM protocol. */
TmResult heap_delete(HeapRel *rel, ItemPtr tid, CommandId cid, const Snapshot *s, bool wait, TmFailure *fail);
/* key_changed: a column some unique index or foreign key needs differs (lock mode). index_changed: a
 * column of any index differs: no heap-only update. *hot_out: no new index entries are needed. */
TmResult heap_update(HeapRel *rel, ItemPtr tid, const Datum *values, const bool *nulls, CommandId cid, const Snapshot *s,
                     bool wait, bool key_changed, bool index_changed, ItemPtr *new_tid, bool *hot_out, TmFailure *fail);
TmResult heap_lock(HeapRel *rel, ItemPtr tid, RowLockMode mode, CommandId cid, const Snapshot *s, WaitPolicy policy, bool follow_updates, TmFailure *fail);
/* Same-size overwrite without MVCC (statistics columns, sequences); logged. */
void heap_overwrite(HeapRel *rel, ItemPtr tid, const Datum *values, const bool *nulls);
/* Speculative insertion for ON CONFLICT. */
void heap_finish_speculative(HeapRel *rel, ItemPtr tid);
void heap_abort_speculative(HeapRel *rel, ItemPtr tid);

/* ---- housekeeping ---- */
void heap_prune_opportunistic(HeapRel *rel, Buf buf); /* when the page is full and something is dead */
bool heap_prune_wanted(const HeapRel *rel, const char *page);
/* The page, pinned (owned) and locked shared; prune: opportunistically before. */
Buf heap_read_shared(HeapRel *rel, BlockNo block, BufRing *ring, bool prune);
#define VACUUM_INDEXES_MAX 64 /* whose figures are reported; all are vacuumed */
typedef struct VacuumStats {
    BlockNo pages /* before */, scanned, removed_pages, all_visible;
    uint64_t tuples_removed, tuples_live, tuples_dead_kept, index_entries_removed, frozen;
    uint64_t dead_lines; BlockNo dead_pages; /* what indexes had to be cleaned for */
    uint64_t missed_dead; BlockNo missed_pages; /* somebody had the page pinned */
    int index_scans;
    Xid cutoff;     /* horizon_xid() at its start */
    Xid frozen_xid; MultiId min_multi; /* no tuple holds lower ones that matter; 0: not all pages were looked at */
    BlockNo index_pages[VACUUM_INDEXES_MAX]; bool index_done[VACUUM_INDEXES_MAX];
} VacuumStats;
typedef struct VacuumOptions { bool freeze, truncate, index_cleanup; bool aggressive; /* skip only pages all frozen */ int64_t freeze_after; /* ids as old as this minus 1 are frozen; 0: vacuum_freeze_min_age */ int work_mem_kb; /* 0: maintenance_work_mem */ } VacuumOptions;
/* How fast vacuum and analyze go: at `limit` points of cost a pause of delay_ms (0: none). */
typedef struct VacuumPace { double delay_ms; int limit; } VacuumPace;
extern VacuumPace vacuum_pace;
extern void (*vacuum_pace_refresh)(void); /* after each pause: autovacuum shares the limit between workers */
extern int vacuum_cost_page_hit, vacuum_cost_page_miss, vacuum_cost_page_dirty, vacuum_cost_limit, vacuum_freeze_min_age, vacuum_freeze_table_age;
extern double vacuum_cost_delay_ms;
void vacuum_pace_begin(double delay_ms, int limit);
void vacuum_pace_point(void); /* serves interrupts; pauses if it is time */
void heap_vacuum(HeapRel *rel, struct BtreeIndex **indexes, int nindexes, const VacuumOptions *o, VacuumStats *out);
BlockNo heap_blocks(HeapRel *rel);
/* Random sample of `want` live rows for ANALYZE (block sampling, then reservoir): returns rows kept. */
int heap_sample(Arena *a, HeapRel *rel, const Snapshot *s, int want, Tuple **out, double *live_rows, double *dead_rows);
bool vm_all_visible(HeapRel *rel, BlockNo block, Buf *vm_buf); /* index-only scans; vm_buf cached by the caller */
void vm_release(Buf *vm_buf);
/* A serializable index-only scan that the map spares the heap page: locks the page as if it had been read. False: it
 * is not all-visible any more. */
bool heap_lock_unread_page(HeapRel *rel, BlockNo block, Buf *vm_buf);

/* ---- verification ---- */
#define HEAP_VERIFY_LINES_MAX 2040 /* a page full of line pointers */
/* attnum: index of the column, -1: the tuple as a whole. */
typedef void (*HeapVerifyReport)(void *arg, BlockNo block, OffsetNo off, int attnum, const char *text);
/* Checks one page; check_toast: fetches the long values of visible tuples too. How many findings were
 * reported. An unreadable page raises as any read of it does. */
int heap_verify_block(HeapRel *rel, BlockNo block, bool check_toast, HeapVerifyReport report, void *arg);
/* The visibility map says that the page is all-visible (all-frozen). */
bool heap_verify_skips(HeapRel *rel, BlockNo block, bool only_frozen, Buf *vm);
void heap_register_redo(void);

/* Free space map: category per page. */
BlockNo fsm_search(HeapRel *rel, size_t bytes);
void fsm_record(HeapRel *rel, BlockNo block, size_t free_bytes);
void fsm_vacuum(HeapRel *rel);

#endif
