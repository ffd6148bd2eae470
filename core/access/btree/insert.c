/*
 * Inserting entries, and the checks of uniqueness.
 *
 * The first leaf on which a key could stand is what its inserters meet at: a unique insertion locks it,
 * looks at all entries of the key (there and further right) and keeps it, or goes right hand over hand,
 * until its own entry is in (rule 4). Whether an entry's row counts is asked of the heap with a dirty
 * snapshot; if the answer depends on a transaction in progress, the locks are released, its end is waited
 * for, and all begins anew.
 */
#include "core/access/btree/btree_internal.h"

void (*btree_unique_violation)(BtreeIndex *ix, const Datum *values, const bool *nulls);

static StrBuf entry_buf; /* the entry being inserted; grows once */

static StrBuf *
scratch(void)
{
    if (UNLIKELY(!entry_buf.data))
        str_init(&entry_buf, arena_create(arena_top(), "index entry"));
    str_reset(&entry_buf);
    return &entry_buf;
}

/* ---- uniqueness ---- */

typedef enum Conflict { CONFLICT_NONE, CONFLICT_WAIT, CONFLICT_ROW } Conflict;
typedef struct UniqueScan {
    BtreeIndex *ix;
    HeapRel *heap;
    const char *key;
    uint32_t n;
    ItemPtr self;       /* not a conflict with itself */
    ItemPtr tid;        /* the row in the way */
    Xid xid;            /* in progress, or the inserter of the row in the way */
    bool saw_self;
} UniqueScan;

/* Marks an entry whose row nobody can see. The page is locked, shared at least. */
static void
mark_dead(Buf b, OffsetNo line)
{
    char *page = buf_page(b);

    if (!buf_hint_begin(b))
        return;
    page_lines(page)[line - 1] = (page_line(page, line) & ~(3u << 15)) | (LinePtr)LINE_DEAD << 15;
    bt_special(page)->flags |= BT_GARBAGE;
    buf_hint_end(b, true);
}

static Conflict
row_conflict(UniqueScan *u, Buf page_buf, OffsetNo line, ItemPtr tid)
{
    Snapshot dirty = {.kind = SNAPSHOT_DIRTY};
    bool all_dead = false;
    Tuple t;
    Buf b;

    if (!heap_fetch(u->heap, tid, &dirty, &b, &t, &all_dead)) {
        if (all_dead && u->ix->logged)
            mark_dead(page_buf, line);
        return CONFLICT_NONE;
    }
    u->tid = tid;
    if (dirty.in_progress_xmin != XID_INVALID || dirty.in_progress_xmax != XID_INVALID) {
        u->xid = dirty.in_progress_xmin != XID_INVALID ? dirty.in_progress_xmin : dirty.in_progress_xmax;
        rbuf_unpin(b);
        return CONFLICT_WAIT;
    }
    u->xid = tuple_xmin(t.bytes); /* stays what it is while the pin is held; a freeze does not change it */
    rbuf_unpin(b);
    return CONFLICT_ROW;
}

/* The entries of one page from line on; *more: the key may go on at the right. */
static Conflict
scan_page(UniqueScan *u, Buf b, OffsetNo line, bool *more)
{
    const char *page = buf_page(b);
    int count = page_line_count(page);

    *more = false;
    for (; line <= count; line++) {
        LinePtr l = page_line(page, line);
        const char *item = page_item(page, l);
        ItemPtr tid;
        Conflict c;

        if (!bt_starts_with(item, LINE_LENGTH(l), u->key, u->n))
            return CONFLICT_NONE;
        if (LINE_STATE(l) == LINE_DEAD)
            continue;
        tid = bt_tid_at(item + u->n);
        if (item_ptr_equal(tid, u->self)) {
            u->saw_self = true;
            continue;
        }
        c = row_conflict(u, b, line, tid);
        if (c != CONFLICT_NONE)
            return c;
    }
    if (bt_special(page)->right != BT_NONE) {
        LinePtr l = page_line(page, 1);
        const char *high = page_item(page, l);
        uint32_t n = MIN(LINE_LENGTH(l), u->n);
        int c = memcmp(high, u->key, n);

        *more = c < 0 || (c == 0 && (LINE_LENGTH(l) >= u->n || n < u->n));
    }
    return CONFLICT_NONE;
}

/* From the first page on, which stays locked; pages at its right are locked shared, hand over hand. */
static Conflict
scan_equal(UniqueScan *u, Buf first, const BtProbe *p)
{
    bool more;
    Conflict c = scan_page(u, first, bt_search_leaf(buf_page(first), p), &more);
    Buf b = first;

    while (c == CONFLICT_NONE && more) {
        Buf next = rbuf_read(u->ix->locator, FORK_MAIN, bt_special(buf_page(b))->right);

        buf_lock(next, LW_SHARED);
        if (b != first)
            rbuf_release(b);
        b = next;
        c = scan_page(u, b, bt_first(buf_page(b)), &more);
    }
    if (b != first)
        rbuf_release(b);
    return c;
}

/* Raises for a row in the way. Nothing is locked. */
NORETURN static void
violation(UniqueScan *u, const Datum *values, const bool *nulls)
{
    /* The message tells of the other's row: its commit must not be lost after that (txn rule 4). */
    if (!xid_is_current(u->xid))
        xid_make_durable(u->xid);
    if (btree_unique_violation)
        btree_unique_violation(u->ix, values, nulls);
    RAISE_ERR(SQLSTATE_UNIQUE_VIOLATION, err_message("duplicate key value violates unique constraint \"%s\"", u->ix->name),
              err_object(NULL, NULL, NULL, NULL, u->ix->name));
}

/* A row that has been deleted or superseded meanwhile conflicts with nothing. */
static bool
self_is_live(HeapRel *heap, ItemPtr tid)
{
    Snapshot self = {.kind = SNAPSHOT_SELF};
    Tuple t;
    Buf b;

    if (!heap_fetch(heap, tid, &self, &b, &t, NULL))
        return false;
    rbuf_unpin(b);
    return true;
}

bool
btree_find_conflict(BtreeIndex *ix, HeapRel *heap, const Datum *values, const bool *nulls, ItemPtr self, ItemPtr *tid, Xid *wait_xid)
{
    StrBuf *k = scratch();
    bool any_null;
    UniqueScan u;
    BtProbe p;
    Conflict c;
    Buf b;

    *wait_xid = XID_INVALID;
    btree_encode(ix, values, nulls, ix->nkeys, k, &any_null);
    if (any_null && !ix->nulls_not_distinct)
        return false;
    u = (UniqueScan){.ix = ix, .heap = heap, .key = k->data, .n = (uint32_t)k->len, .self = self};
    p = bt_probe(k->data, k->len, false);
    b = bt_descend(ix, &p, 0, LW_SHARED, false);
    c = scan_equal(&u, b, &p);
    rbuf_release(b);
    if (c == CONFLICT_NONE)
        return false;
    *tid = u.tid;
    if (c == CONFLICT_WAIT)
        *wait_xid = u.xid;
    return true;
}

/* ---- the place ---- */

/*
 * The rightmost leaf, where the last insertion went: ascending keys go there without a descent. It is
 * right if the probe comes after its first entry. Only a page with room serves, since it may be the right
 * half of a split that is not complete.
 */
static Buf
try_last_leaf(BtreeIndex *ix, const BtProbe *p, uint32_t n)
{
    Buf b = rbuf_read_hint(ix->locator, FORK_MAIN, ix->last_leaf, ix->last_leaf_hint);
    const char *page = buf_page(b);

    ix->last_leaf_hint = b;
    if (buf_try_lock(b, LW_EXCLUSIVE)) {
        const BtSpecial *s = bt_special(page);

        if (!page_is_new(page) && s->right == BT_NONE && (s->flags & (BT_LEAF | BT_DELETED | BT_META | BT_INCOMPLETE)) == BT_LEAF && s->level == 0 &&
            page_line_count(page) > 0 && bt_has_room(page, n)) {
            LinePtr l = page_line(page, 1);

            if (bt_compare(p, page_item(page, l), LINE_LENGTH(l)) < 0)
                return b;
        }
        buf_unlock(b);
    }
    rbuf_unpin(b);
    ix->last_leaf = BLOCK_INVALID;
    return BUF_INVALID;
}

/* From a locked page to the one that covers p, hand over hand. BUF_INVALID: begin anew. */
static Buf
step_right(BtreeIndex *ix, Buf b, const BtProbe *p)
{
    while (UNLIKELY(bt_beyond(buf_page(b), p))) {
        Buf next = rbuf_read(ix->locator, FORK_MAIN, bt_special(buf_page(b))->right);

        buf_lock(next, LW_EXCLUSIVE);
        rbuf_release(b);
        b = next;
        if (UNLIKELY(bt_special(buf_page(b))->flags & BT_INCOMPLETE)) {
            bt_finish_split(ix, b);
            return BUF_INVALID;
        }
    }
    return b;
}

/* Puts the entry on its page, which is released. */
static void
place(BtreeIndex *ix, Buf b, const BtProbe *p, const char *item, uint32_t n)
{
    char *page = buf_page(b);
    OffsetNo line;

    if (UNLIKELY(pred_tracking))
        pred_check_write(ix->db, ix->oid, buf_block(b), 0);
    if (UNLIKELY(!bt_has_room(page, n)) && (bt_special(page)->flags & BT_GARBAGE))
        (void)bt_delete_marked(ix, b);
    line = bt_search_leaf(page, p);
    if (UNLIKELY(!bt_has_room(page, n))) {
        bt_split(ix, b, line, item, n, BUF_INVALID);
        return;
    }
    critical_enter();
    if (UNLIKELY(!page_add_item(page, item, n, line, true, false)))
        PANIC("an index entry does not fit");
    buf_mark_dirty(b);
    if (ix->logged) {
        wal_begin();
        wal_add_block(0, ix->locator, FORK_MAIN, buf_block(b), page, WAL_REF_STANDARD);
        wal_add_block_data(0, &line, 2);
        wal_add_block_data(0, item, n);
        page_set_lsn(page, wal_insert(RMGR_BTREE, BT_OP_INSERT_LEAF, NULL));
    }
    critical_leave();
    if (bt_special(page)->right == BT_NONE) {
        ix->last_leaf = buf_block(b);
        ix->last_leaf_hint = b;
    }
    rbuf_release(b);
}

static bool
insert_entry(BtreeIndex *ix, HeapRel *heap, const Datum *values, const bool *nulls, ItemPtr tid, UniqueCheck check, ItemPtr *conflict_tid)
{
    StrBuf *k = scratch();
    bool any_null, unique, result = true;
    uint32_t key_n, n;
    UniqueScan u;
    BtProbe full, prefix;

    bt_encode_entry(ix, values, nulls, tid, k, &key_n, &any_null);
    if (UNLIKELY(k->len > BT_ITEM_MAX))
        bt_entry_too_big(ix, k->len, tid, heap->name);
    n = (uint32_t)k->len;
    full = bt_probe(k->data, key_n + BT_TID_BYTES, false);
    prefix = bt_probe(k->data, key_n, false);
    unique = ix->unique && check != UNIQUE_NO && (!any_null || ix->nulls_not_distinct);
    if (check == UNIQUE_EXISTING && !unique)
        return true;
    u = (UniqueScan){.ix = ix, .heap = heap, .key = k->data, .n = key_n, .self = tid};
    for (;;) {
        BtProbe *p = unique ? &prefix : &full;
        Buf b = BUF_INVALID;
        Conflict c;

        if (ix->last_leaf != BLOCK_INVALID && ix->last_leaf != BT_META_BLOCK)
            b = try_last_leaf(ix, p, n);
        if (b == BUF_INVALID)
            b = bt_descend(ix, p, 0, LW_EXCLUSIVE, true);
        full.guess = p->guess;
        if (unique) {
            c = scan_equal(&u, b, &prefix);
            if (UNLIKELY(c != CONFLICT_NONE)) {
                if (check == UNIQUE_PARTIAL) {
                    result = false;
                    if (conflict_tid)
                        *conflict_tid = u.tid;
                } else {
                    if (UNLIKELY(pred_tracking) && c == CONFLICT_ROW) /* who may retry should hear that first */
                        pred_check_write(ix->db, ix->oid, buf_block(b), 0);
                    rbuf_release(b);
                    if (c == CONFLICT_WAIT) {
                        xid_wait(u.xid);
                        continue;
                    }
                    if (self_is_live(heap, tid))
                        violation(&u, values, nulls);
                    if (check == UNIQUE_EXISTING)
                        return true;
                    unique = false; /* our row is dead already: its entry harms nobody */
                    continue;
                }
            }
            if (check == UNIQUE_EXISTING) {
                rbuf_release(b);
                return true;
            }
            b = step_right(ix, b, &full);
            if (UNLIKELY(b == BUF_INVALID))
                continue;
        }
        place(ix, b, &full, k->data, n);
        return result;
    }
}

bool
btree_insert(BtreeIndex *ix, HeapRel *heap, const Datum *values, const bool *nulls, ItemPtr tid, UniqueCheck check, ItemPtr *conflict_tid)
{
    CountIo io = count_io_begin();
    bool result = insert_entry(ix, heap, values, nulls, tid, check, conflict_tid);

    count_io_end(count_index(ix), io);
    return result;
}
