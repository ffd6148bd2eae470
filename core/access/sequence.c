/*
 * Sequences: one row on one page, changed in place under the page's exclusive lock, seen by everybody at
 * once and not undone by rollback.
 *
 * A record goes to the log for every 32 values fetched: it holds the row as it will be when those are
 * used up, so a crash skips values but never repeats one. The record rebuilds the page, so no page image
 * is ever needed, provided there is one after each checkpoint's redo point.
 */
#include "core/access/sequence.h"

#include "core/access/heap/heap_internal.h"

#define SEQ_OP_SET 0x00 /* ref 0: the tuple */
#define SEQ_LOG_VALUES 32
#define SEQ_COL_LAST 1
#define SEQ_COL_LOG 2
#define SEQ_COL_CALLED 3

static void
build_page(char *page, const char *tuple, uint32_t size)
{
    page_init(page, 0);
    if (!page_add_item(page, tuple, size, OFFSET_FIRST, false, false))
        PANIC("a sequence's row does not fit");
}

/* The row, on its page locked by the caller. */
static char *
seq_tuple(HeapRel *rel, Buf b, uint32_t *size)
{
    char *t = page_is_new(buf_page(b)) ? NULL : page_tuple(buf_page(b), OFFSET_FIRST, size);

    if (!t)
        RAISE(SQLSTATE_DATA_CORRUPTED, "sequence \"%s\" has no row", rel->name);
    return t;
}

static void
tuple_state_store(const HeapRel *rel, char *t, SeqState s)
{
    store_u64(t + rel->layout->atts[SEQ_COL_LAST - 1].fixed_offset, (uint64_t)s.last_value);
    store_u64(t + rel->layout->atts[SEQ_COL_LOG - 1].fixed_offset, (uint64_t)s.log_count);
    t[rel->layout->atts[SEQ_COL_CALLED - 1].fixed_offset] = s.is_called;
}

static SeqState
tuple_state_load(const HeapRel *rel, const char *t)
{
    SeqState s;

    s.last_value = (int64_t)load_u64(t + rel->layout->atts[SEQ_COL_LAST - 1].fixed_offset);
    s.log_count = (int64_t)load_u64(t + rel->layout->atts[SEQ_COL_LOG - 1].fixed_offset);
    s.is_called = t[rel->layout->atts[SEQ_COL_CALLED - 1].fixed_offset] != 0;
    return s;
}

/* Inside the critical section: logs the row as `logged` and leaves it as `state`. */
static void
seq_write(HeapRel *rel, Buf b, char *t, uint32_t size, SeqState state, const SeqState *logged)
{
    char *page = buf_page(b);

    buf_mark_dirty(b);
    if (logged && rel->logged) {
        tuple_state_store(rel, t, *logged);
        wal_begin();
        wal_add_block(0, rel->locator, FORK_MAIN, buf_block(b), page, WAL_REF_STANDARD | WAL_REF_WILL_INIT);
        wal_add_block_data(0, t, size);
        page_set_lsn(page, wal_insert(RMGR_SEQUENCE, SEQ_OP_SET, NULL));
    }
    tuple_state_store(rel, t, state);
}

void
seq_create(HeapRel *rel, const SeqParams *p, int64_t last_value, bool is_called)
{
    Arena *a = arena_create(txn_arena(), "sequence");
    Datum values[3] = {int64_datum(last_value), int64_datum(0), bool_datum(is_called)};
    static const bool no_nulls[3];
    Tuple *t = tuple_form(a, rel->layout, values, no_nulls);
    SeqState s = {last_value, 0, is_called};
    BlockNo block;
    Buf b;

    if (rel->logged)
        (void)txn_xid();
    tuple_set_xmin(t->bytes, XID_FROZEN);
    tuple_set_flags(t->bytes, HEAP_XMIN_FROZEN | HEAP_XMAX_INVALID);
    tuple_set_ctid(t->bytes, 0, OFFSET_FIRST);
    b = rbuf_extend(rel->locator, FORK_MAIN, NULL, 1, &block);
    if (block != 0)
        INTERNAL_ERROR("the file of sequence \"%s\" is not empty", rel->name);
    critical_enter();
    build_page(buf_page(b), t->bytes, t->size);
    seq_write(rel, b, page_tuple(buf_page(b), OFFSET_FIRST, NULL), t->size, s, &s);
    critical_leave();
    rbuf_release(b);
    arena_destroy(a);
}

NORETURN static void
limit_reached(const HeapRel *rel, const char *which, int64_t limit)
{
    RAISE(SQLSTATE_SEQUENCE_GENERATOR_LIMIT_EXCEEDED, "nextval: reached %s value of sequence \"%s\" (%lld)", which, rel->name, (long long)limit);
}

/* The value after `last`. False: there is none, and *limit tells which. */
static bool
next_value(const SeqParams *p, int64_t last, int64_t *next)
{
    if (p->increment > 0) {
        if ((p->max >= 0 && last > p->max - p->increment) || (p->max < 0 && last + p->increment > p->max)) {
            *next = p->min;
            return false;
        }
    } else if ((p->min < 0 && last < p->min - p->increment) || (p->min >= 0 && last + p->increment < p->min)) {
        *next = p->max;
        return false;
    }
    *next = last + p->increment;
    return true;
}

int64_t
seq_next(HeapRel *rel, const SeqParams *p, int64_t *last_out)
{
    Buf b = rbuf_read_hint(rel->locator, FORK_MAIN, 0, rel->insert_hint);
    int64_t cache = MAX(p->cache, 1), fetch = cache, reserved = 0, first = 0, last = 0, next, log;
    SeqState s, logged;
    bool log_it = false;
    uint32_t size;
    char *t;

    rel->insert_hint = b;
    buf_lock(b, LW_EXCLUSIVE);
    t = seq_tuple(rel, b, &size);
    s = tuple_state_load(rel, t);
    log = s.log_count;
    next = s.last_value;
    if (!s.is_called) {
        first = last = next;
        reserved = 1;
        fetch--;
    }
    if (log < fetch || !s.is_called || page_lsn(buf_page(b)) <= wal_redo_point()) {
        fetch += SEQ_LOG_VALUES;
        log = fetch;
        log_it = true;
    }
    while (fetch > 0) {
        int64_t v;

        if (!next_value(p, next, &v)) {
            if (reserved > 0)
                break; /* the values up to the limit are still good */
            if (!p->cycle) {
                rbuf_release(b);
                if (p->increment > 0)
                    limit_reached(rel, "maximum", p->max);
                limit_reached(rel, "minimum", p->min);
            }
        }
        next = v;
        fetch--;
        if (reserved < cache) {
            log--;
            if (reserved++ == 0)
                first = next;
            last = next;
        }
    }
    log -= fetch; /* what was not found */
    if (log_it && rel->logged)
        (void)txn_xid(); /* so that the commit waits for the record */
    logged = (SeqState){next, 0, true};
    critical_enter();
    seq_write(rel, b, t, size, (SeqState){last, log, true}, log_it ? &logged : NULL);
    critical_leave();
    rbuf_release(b);
    *last_out = last;
    return first;
}

void
seq_set(HeapRel *rel, const SeqParams *p, int64_t value, bool is_called)
{
    SeqState s = {value, 0, is_called};
    uint32_t size;
    char *t;
    Buf b;

    if (value < p->min || value > p->max)
        RAISE(SQLSTATE_NUMERIC_VALUE_OUT_OF_RANGE, "setval: value %lld is out of bounds for sequence \"%s\" (%lld..%lld)", (long long)value, rel->name,
              (long long)p->min, (long long)p->max);
    if (rel->logged)
        (void)txn_xid();
    b = rbuf_read(rel->locator, FORK_MAIN, 0);
    buf_lock(b, LW_EXCLUSIVE);
    t = seq_tuple(rel, b, &size);
    critical_enter();
    seq_write(rel, b, t, size, s, &s);
    critical_leave();
    rbuf_release(b);
}

SeqState
seq_read(HeapRel *rel)
{
    Buf b = rbuf_read(rel->locator, FORK_MAIN, 0);
    SeqState s;

    buf_lock(b, LW_SHARED);
    s = tuple_state_load(rel, seq_tuple(rel, b, NULL));
    rbuf_release(b);
    return s;
}

/* ---- redo ---- */

static void
seq_redo(const WalRecord *r)
{
    const WalBlockRef *ref = &r->refs[0];
    Buf b;
    RedoAction action = redo_read(r, 0, &b);

    if (r->info != SEQ_OP_SET)
        PANIC("sequence record at %s: unknown operation", lsn_text(r->start));
    if (action == REDO_NEEDED) {
        build_page(buf_page(b), ref->data, ref->data_bytes);
        page_set_lsn(buf_page(b), r->end);
        buf_mark_dirty(b);
    }
    if (b != BUF_INVALID)
        buf_release(b);
}

static const char *
seq_identify(uint8_t info)
{
    return info == SEQ_OP_SET ? "LOG" : NULL;
}

static void
seq_describe(const WalRecord *r, StrBuf *out)
{
    str_printf(out, "rel %u/%u/%u", r->refs[0].locator.spc, r->refs[0].locator.db, r->refs[0].locator.rel);
}

void
seq_register_redo(void)
{
    static const WalRmgrOps ops = {"Sequence", seq_redo, seq_describe, seq_identify, NULL, NULL};

    wal_register_rmgr(RMGR_SEQUENCE, &ops);
}
