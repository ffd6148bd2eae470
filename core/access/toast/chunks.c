/*
 * Values in the toast table: rows (chunk_id, chunk_seq, chunk_data) found by an index on the first two.
 *
 * Chunks are judged by their owner's row: whoever sees that sees them, so they are read with a snapshot
 * that takes everything not aborted (SNAPSHOT_TOAST).
 */
#include "core/access/toast/toast_internal.h"
#include "core/access/count.h"
#include "core/base/interrupt.h"

#define TIDS 128

void (*toast_open_hook)(Oid toast_rel, HeapRel **rel, struct BtreeIndex **index);
Oid (*toast_new_id_hook)(HeapRel *toast);

static BtreeScan *
scan_value(Arena *a, BtreeIndex *ix, Oid value)
{
    Datum key = oid_datum(value);
    BtreeBound bound;
    BtreeScan *s;
    StrBuf k;
    bool any_null;

    str_init(&k, a);
    btree_encode(ix, &key, NULL, 1, &k, &any_null);
    bound = (BtreeBound){k.data, k.len, true, true};
    s = btree_scan_begin(a, ix, false);
    btree_scan_set(s, bound, bound, false);
    return s;
}

/* ---- saving ---- */

static bool
id_in_use(HeapRel *toast, BtreeIndex *ix, Oid id)
{
    Arena *a = arena_create(txn_arena(), "toast id");
    ItemPtr tid;
    bool used = btree_scan_next(scan_value(a, ix, id), &tid, 1, NULL, NULL) > 0;

    arena_destroy(a);
    return used;
}

static Oid
new_id(HeapRel *toast, BtreeIndex *ix)
{
    Oid id;

    if (toast_new_id_hook)
        return toast_new_id_hook(toast);
    do
        id = oid_next();
    while (id_in_use(toast, ix, id));
    return id;
}

Datum
toast_save(Arena *a, HeapRel *rel, Datum d, CommandId cid)
{
    static const bool no_nulls[3];
    HeapRel *toast = rel->toast;
    const char *p = datum_ptr(d), *bytes;
    char *pointer = arena_alloc(a, TOAST_POINTER_BYTES), chunk[4 + TOAST_CHUNK_BYTES];
    ToastPointer t = {.rel = toast->oid, .compressed = var_is_compressed(p)};
    Datum values[3];

    if (t.compressed) {
        t.raw = load_u32(p + 4);
        t.stored = var_size(p) - 8;
        bytes = p + 8;
    } else {
        t.raw = t.stored = var_len(d);
        bytes = var_data(d);
    }
    t.value = new_id(toast, rel->toast_index);
    values[0] = oid_datum(t.value);
    for (uint32_t at = 0, seq = 0; at < t.stored; seq++) {
        uint32_t n = MIN(t.stored - at, TOAST_CHUNK_BYTES);
        ItemPtr tid;

        CHECK_INTERRUPTS();
        memcpy(var_header(chunk, n), bytes + at, n);
        values[1] = int32_datum((int32_t)seq);
        values[2] = ptr_datum(chunk);
        tid = heap_insert(toast, values, no_nulls, cid, 0);
        (void)btree_insert(rel->toast_index, toast, values, no_nulls, tid, UNIQUE_YES, NULL);
        at += n;
    }
    toast_pointer_store(pointer, &t);
    return ptr_datum(pointer);
}

/* ---- reading ---- */

typedef struct Reading {
    HeapRel *rel;
    const ToastPointer *t;
    char *out;
    uint32_t at;
    int32_t seq;
} Reading;

static void
take_chunk(Reading *r, const Tuple *tup)
{
    bool null;
    int32_t seq = datum_int32(tuple_get(r->rel->layout, tup->bytes, tup->size, 2, &null));
    Datum d = tuple_get(r->rel->layout, tup->bytes, tup->size, 3, &null);
    uint32_t n, want = MIN(r->t->stored - r->at, TOAST_CHUNK_BYTES);

    if (null)
        RAISE(SQLSTATE_DATA_CORRUPTED, "null chunk for toast value %u in %s", r->t->value, r->rel->name);
    if (seq != r->seq)
        RAISE(SQLSTATE_DATA_CORRUPTED, "unexpected chunk number %d (expected %d) for toast value %u in %s", seq, r->seq, r->t->value, r->rel->name);
    n = var_len(d);
    if (n != want || n == 0)
        RAISE(SQLSTATE_DATA_CORRUPTED, "unexpected chunk size %u (expected %u) in chunk %d for toast value %u in %s", n, want, seq, r->t->value,
              r->rel->name);
    memcpy(r->out + r->at, var_data(d), n);
    r->at += n;
    r->seq++;
}

void
toast_read(Arena *a, const ToastPointer *t, char *out)
{
    Snapshot snapshot = {.kind = SNAPSHOT_TOAST};
    Reading r = {.t = t, .out = out};
    ItemPtr tids[TIDS];
    Buf b = BUF_INVALID;
    BtreeIndex *ix;
    BtreeScan *s;
    Tuple tup;
    int n;

    if (!toast_open_hook)
        INTERNAL_ERROR("nobody can open toast table %u", t->rel);
    toast_open_hook(t->rel, &r.rel, &ix);
    s = scan_value(a, ix, t->value);
    while ((n = btree_scan_next(s, tids, TIDS, NULL, NULL)) > 0)
        for (int i = 0; i < n; i++)
            if (heap_fetch_next(r.rel, tids[i], &snapshot, &b, &tup, NULL)) {
                count_index_fetched(ix, 1);
                take_chunk(&r, &tup);
            }
    btree_scan_end(s);
    if (b != BUF_INVALID)
        rbuf_unpin(b);
    if (r.at != t->stored)
        RAISE(SQLSTATE_DATA_CORRUPTED, "missing chunk number %d for toast value %u in %s", r.seq, t->value, r.rel->name);
}

/* ---- removing ---- */

void
toast_remove(HeapRel *rel, const char *pointer, CommandId cid)
{
    Snapshot snapshot = {.kind = SNAPSHOT_TOAST};
    ToastPointer t = toast_pointer_load(pointer);
    HeapRel *toast = rel->toast;
    Arena *a;
    ItemPtr tids[TIDS];
    BtreeScan *s;
    int n;

    if (!toast || t.rel != toast->oid)
        return; /* not ours to delete */
    a = arena_create(txn_arena(), "toast delete");
    s = scan_value(a, rel->toast_index, t.value);
    while ((n = btree_scan_next(s, tids, TIDS, NULL, NULL)) > 0)
        for (int i = 0; i < n; i++) {
            bool just_made;
            Tuple tup;
            Buf b;

            CHECK_INTERRUPTS();
            if (!heap_fetch(toast, tids[i], &snapshot, &b, &tup, NULL))
                continue;
            count_index_fetched(rel->toast_index, 1);
            /* A speculative insertion takes back its chunks in the command that made them. */
            just_made = xid_is_current(tuple_xmin(tup.bytes)) && tuple_own_cmin(tup.bytes) >= cid;
            rbuf_unpin(b);
            if (just_made)
                heap_abort_speculative(toast, tids[i]);
            else
                (void)heap_delete(toast, tids[i], cid, NULL, true, NULL);
        }
    btree_scan_end(s);
    arena_destroy(a);
}
