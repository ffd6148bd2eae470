/*
 * The btree: random entries against a sorted model across crashes, builds with and without spilling,
 * uniqueness over a real heap, many processes at once with vacuum beside them, and (with an argument
 * "bench") what a lookup and an insertion cost.
 */
#include "txn_util.h"

#include "core/access/btree/btree_internal.h"
#include "core/access/settings.h"

#define INDEX 22000
#define TABLE 22500
#define MODEL_MAX 60000
#define NO_ROW ((ItemPtr){BLOCK_INVALID, OFFSET_INVALID})

/* ---- indexes ---- */

static BtreeKeyColumn two_columns[2], int_column[1], include_columns[3];

static BtreeIndex
test_index(Oid oid, BtreeKeyColumn *columns, int nkeys, int ncolumns)
{
    return (BtreeIndex){.locator = {1663, 5, oid}, .oid = oid, .db = 5, .name = "test_idx", .logged = true, .immediate = true, .nkeys = nkeys,
                        .ncolumns = ncolumns, .columns = columns, .can_return_values = true, .root_block = BLOCK_INVALID, .root_hint = BUF_INVALID,
                        .last_leaf = BLOCK_INVALID, .last_leaf_hint = BUF_INVALID};
}

static void
columns_init(void)
{
    two_columns[0] = (BtreeKeyColumn){TEXT_OID, COLLATION_C, type_ops(TEXT_OID), true, true};
    two_columns[1] = (BtreeKeyColumn){INT4_OID, 0, type_ops(INT4_OID), false, false};
    int_column[0] = (BtreeKeyColumn){INT8_OID, 0, type_ops(INT8_OID), false, false};
    include_columns[0] = int_column[0];
    include_columns[1] = (BtreeKeyColumn){TEXT_OID, COLLATION_C, type_ops(TEXT_OID), false, false};
    include_columns[2] = (BtreeKeyColumn){INT4_OID, 0, type_ops(INT4_OID), false, false};
}

static void
create_index(BtreeIndex *ix)
{
    txn_begin();
    storage_create(ix->locator, true);
    btree_build_empty(ix);
    txn_commit();
}

static void
durable(void)
{
    txn_begin();
    (void)txn_xid();
    txn_commit();
}

/* ---- the model ---- */

typedef struct ModelKey { char text[40]; int32_t number; bool text_null, number_null; ItemPtr tid; char bytes[128]; uint16_t n; } ModelKey;
#define TIDS_MAX 1000003u
typedef struct Model { int n; uint32_t next_tid; uint64_t rnd; ModelKey k[MODEL_MAX]; bool dead[TIDS_MAX + 101]; } Model;
static Model *model;

static int
compare_model(const void *a, const void *b)
{
    const ModelKey *x = a, *y = b;
    int c;

    if (x->text_null != y->text_null)
        return x->text_null ? -1 : 1; /* nulls first */
    if (!x->text_null && (c = strcmp(y->text, x->text)) != 0)
        return c; /* descending */
    if (x->number_null != y->number_null)
        return x->number_null ? 1 : -1;
    if (!x->number_null && x->number != y->number)
        return x->number < y->number ? -1 : 1;
    if (x->tid.block != y->tid.block)
        return x->tid.block < y->tid.block ? -1 : 1;
    return x->tid.off < y->tid.off ? -1 : x->tid.off > y->tid.off;
}

static ItemPtr
fresh_tid(void)
{
    uint32_t c = model->next_tid++;

    c = c * 7919 % TIDS_MAX; /* a permutation: not ascending */
    return (ItemPtr){c / 100, (OffsetNo)(c % 100 + 1)};
}

static void
random_key(ModelKey *k, uint64_t *rnd)
{
    size_t n = test_random(rnd) % 4 == 0 ? test_random(rnd) % 30 : 2;

    memset(k, 0, sizeof *k);
    k->text_null = test_random(rnd) % 50 == 0;
    k->number_null = test_random(rnd) % 50 == 0;
    for (size_t i = 0; i < n; i++)
        k->text[i] = (char)("aaabcz"[test_random(rnd) % 6]);
    k->number = (int32_t)(test_random(rnd) % 200) - 100;
}

static void
key_values(const ModelKey *k, Datum *v, bool *null, char *buf)
{
    size_t n = strlen(k->text);

    memcpy(var_header(buf, n), k->text, n);
    v[0] = ptr_datum(buf);
    v[1] = int32_datum(k->number);
    null[0] = k->text_null;
    null[1] = k->number_null;
}

static void
model_insert(BtreeIndex *ix)
{
    ModelKey *k = &model->k[model->n++];
    Datum v[2];
    bool null[2];
    char buf[64];

    random_key(k, &model->rnd);
    k->tid = fresh_tid();
    key_values(k, v, null, buf);
    MUST(btree_insert(ix, NULL, v, null, k->tid, UNIQUE_NO, NULL));
}

static inline uint32_t tid_number(ItemPtr tid) { return tid.block * 100 + tid.off - 1; }

static bool
model_dead(void *arg, ItemPtr tid)
{
    return model->dead[tid_number(tid)];
}

/* Some entries here and there, or all of a range, which empties pages. */
static void
model_vacuum(BtreeIndex *ix)
{
    uint64_t removed, entries;
    BlockNo pages;
    int kept = 0, before = model->n, from, to;
    bool range = test_random(&model->rnd) & 1;

    qsort(model->k, (size_t)model->n, sizeof(ModelKey), compare_model);
    from = before ? (int)(test_random(&model->rnd) % (uint64_t)before) : 0;
    to = from + before / 3;
    for (int i = 0; i < before; i++) {
        model->dead[tid_number(model->k[i].tid)] = range ? i >= from && i < to : test_random(&model->rnd) % 4 == 0;
        if (!model->dead[tid_number(model->k[i].tid)])
            model->k[kept++] = model->k[i];
    }
    model->n = kept;
    btree_vacuum(ix, model_dead, NULL, &removed, &pages, &entries);
    MUST(removed == (uint64_t)(before - kept));
    MUST(entries == (uint64_t)kept);
}

/* Model entries between bounds made of the first `cols` columns of two random keys. */
static void
check_range(BtreeIndex *ix, BtreeScan *s, int cols, bool backward)
{
    ModelKey lo, hi, *e;
    Datum v[2];
    bool null[2], any, lower_given = test_random(&model->rnd) % 5 > 0, upper_given = test_random(&model->rnd) % 5 > 0,
        lower_incl = test_random(&model->rnd) & 1, upper_incl = test_random(&model->rnd) & 1;
    char buf[64];
    StrBuf a, b;
    BtreeBound lower, upper;
    ItemPtr tids[700];
    const char *entries[700];
    uint16_t bytes[700];
    int first, last, at, n, max = 1 + (int)(test_random(&model->rnd) % 700);
    Arena *arena = arena_create(NULL, "range");

    random_key(&lo, &model->rnd);
    random_key(&hi, &model->rnd);
    if (test_random(&model->rnd) % 2)
        hi = lo;
    str_init(&a, arena);
    str_init(&b, arena);
    key_values(&lo, v, null, buf);
    btree_encode(ix, v, null, cols, &a, &any);
    key_values(&hi, v, null, buf);
    btree_encode(ix, v, null, cols, &b, &any);
    lower = (BtreeBound){a.data, a.len, lower_incl, lower_given};
    upper = (BtreeBound){b.data, b.len, upper_incl, upper_given};
    if (cols == 1)
        lo.number_null = hi.number_null = false; /* not looked at */
    for (first = 0; lower_given && first < model->n; first++) {
        int c;
        e = &model->k[first];
        if (cols == 1) {
            lo.number = hi.number = e->number;
            lo.number_null = e->number_null;
        }
        lo.tid = e->tid;
        c = compare_model(e, &lo);
        if (c > 0 || (c == 0 && lower_incl))
            break;
    }
    for (last = first; upper_given && last < model->n; last++) {
        int c;
        e = &model->k[last];
        if (cols == 1) {
            hi.number = e->number;
            hi.number_null = e->number_null;
        }
        hi.tid = e->tid;
        c = compare_model(e, &hi);
        if (c > 0 || (c == 0 && !upper_incl))
            break;
    }
    if (!upper_given)
        last = model->n;
    btree_scan_set(s, lower, upper, backward);
    at = backward ? last - 1 : first;
    while ((n = btree_scan_next(s, tids, max, entries, bytes)) > 0)
        for (int i = 0; i < n; i++, at += backward ? -1 : 1) {
            MUST(at >= first && at < last);
            e = &model->k[at];
            MUST(item_ptr_equal(tids[i], e->tid));
            if (test_random(&model->rnd) % 16 == 0) {
                btree_decode(ix, arena, entries[i], bytes[i], v, null);
                MUST(null[0] == e->text_null && null[1] == e->number_null);
                MUST(null[0] || (var_len(v[0]) == strlen(e->text) && memcmp(var_data(v[0]), e->text, var_len(v[0])) == 0));
                MUST(null[1] || datum_int32(v[1]) == e->number);
            }
        }
    MUST(at == (backward ? first - 1 : last));
    arena_destroy(arena);
}

static void
check_model(BtreeIndex *ix)
{
    Arena *a = arena_create(NULL, "scan");
    BtreeScan *s = btree_scan_begin(a, ix, true);

    qsort(model->k, (size_t)model->n, sizeof(ModelKey), compare_model);
    btree_check(ix, NULL);
    for (int i = 0; i < 30; i++)
        check_range(ix, s, 1 + i % 2, i & 2);
    btree_scan_end(s);
    arena_destroy(a);
}

static void
model_round(void *arg)
{
    BtreeIndex ix = test_index(INDEX, two_columns, 2, 2);
    bool check_first = model->n > 0;

    model->rnd = test_seed + model->next_tid;
    if (model->next_tid == 0)
        create_index(&ix);
    txn_begin();
    if (check_first)
        check_model(&ix);
    for (int step = 0; step < 12; step++) {
        int adds = (int)(test_random(&model->rnd) % 3000);

        for (int i = 0; i < adds && model->n < MODEL_MAX; i++)
            model_insert(&ix);
        if (test_random(&model->rnd) % 4 == 0)
            model_vacuum(&ix);
        if (test_random(&model->rnd) % 3 == 0)
            check_model(&ix);
        if (test_random(&model->rnd) % 6 == 0)
            wal_checkpoint(CHECKPOINT_IMMEDIATE | CHECKPOINT_FORCE);
    }
    check_model(&ix);
    txn_commit();
    durable();
    if (test_random(&model->rnd) % 4 == 0)
        test_shutdown();
}

static void
test_model(void)
{
    memset(model, 0, sizeof *model);
    for (int i = 0; i < 8; i++)
        RUN_INSTANCE(model_round, NULL);
}

/* ---- splits left half-way ---- */

static bool
is_in(BtreeIndex *ix, const ModelKey *k)
{
    Arena *a = arena_create(NULL, "find");
    BtreeScan *s = btree_scan_begin(a, ix, false);
    StrBuf key;
    BtreeBound b;
    ItemPtr tid;
    Datum v[2];
    bool null[2], any, found = false;
    char buf[64];

    str_init(&key, a);
    key_values(k, v, null, buf);
    btree_encode(ix, v, null, 2, &key, &any);
    b = (BtreeBound){key.data, key.len, true, true};
    btree_scan_set(s, b, b, false);
    while (btree_scan_next(s, &tid, 1, NULL, NULL) > 0)
        found |= item_ptr_equal(tid, k->tid);
    btree_scan_end(s);
    arena_destroy(a);
    return found;
}

/* A split fails between its two records; the crash that follows leaves it so. */
static void
half_split_round(void *arg)
{
    BtreeIndex ix = test_index(INDEX + 50, two_columns, 2, 2);
    volatile bool failed = false;

    model->rnd = test_seed + model->next_tid;
    if (model->next_tid == 0)
        create_index(&ix);
    txn_begin();
    check_model(&ix);
    for (int i = 0; i < 20000 && !failed && model->n < MODEL_MAX; i++) {
        ERR_TRY {
            model_insert(&ix);
        } ERR_CATCH {
            err_clear();
            txn_abort();
            txn_begin();
            failed = true;
            if (!is_in(&ix, &model->k[model->n - 1]))
                model->n--;
        } ERR_END;
    }
#ifdef ENABLE_FAULT_POINTS
    MUST(failed);
#endif
    if (test_random(&model->rnd) % 2) {
        check_model(&ix);
        for (int i = 0; failed && i < 500; i++)
            model_insert(&ix);
        check_model(&ix);
    }
    txn_commit();
    durable();
}

static void
test_half_splits(void)
{
    memset(model, 0, sizeof *model);
    for (int i = 1; i < 12; i++) {
        char fault[64];

        snprintf(fault, sizeof fault, "btree_split:error:%d", 1 + i * i % 11 * 3);
        setenv("POSTHASTE_FAULT", fault, 1);
        RUN_INSTANCE(half_split_round, NULL);
    }
    unsetenv("POSTHASTE_FAULT");
}

/* ---- building ---- */

typedef struct Feed { uint64_t n, at, rnd; int order; bool duplicate; } Feed;

static int64_t
feed_value(const Feed *f, uint64_t i)
{
    switch (f->order) {
    case 0:
        return (int64_t)i;
    case 1:
        return (int64_t)(f->n - i);
    case 2:
        return (int64_t)(i * UINT64_C(0x9E3779B97F4A7C15));
    default:
        return (int64_t)(i % 10);
    }
}

static bool
feed_next(void *arg, Datum *values, bool *nulls, ItemPtr *tid, bool *alive)
{
    Feed *f = arg;

    if (f->at == f->n)
        return false;
    values[0] = int64_datum(feed_value(f, f->duplicate && f->at == f->n - 1 ? f->n / 2 : f->at));
    nulls[0] = false;
    *tid = (ItemPtr){(BlockNo)(f->at / 200), (OffsetNo)(f->at % 200 + 1)};
    *alive = true;
    f->at++;
    return true;
}

static void
build_one(Oid oid, uint64_t n, int order, bool unique, const char *mem)
{
    BtreeIndex ix = test_index(oid, int_column, 1, 1);
    Feed f = {.n = n, .order = order};
    uint64_t count, seen = 0;
    ItemPtr tids[700];
    Arena *a = arena_create(NULL, "build");
    int levels, got;
    BtreeScan *s;

    settings_set("maintenance_work_mem", mem, CONTEXT_USER, SOURCE_SESSION, ACTION_SET);
    ix.unique = unique;
    txn_begin();
    storage_create(ix.locator, true);
    btree_build(&ix, NULL, feed_next, &f, &count);
    MUST(count == n);
    btree_check(&ix, NULL);
    s = btree_scan_begin(a, &ix, false);
    btree_scan_set(s, (BtreeBound){0}, (BtreeBound){0}, false);
    while ((got = btree_scan_next(s, tids, 700, NULL, NULL)) > 0)
        seen += (uint64_t)got;
    MUST(seen == n);
    btree_tree_height(&ix, &levels);
    MUST(n < 1000 || levels >= 1);
    txn_commit();
    arena_destroy(a);
}

static void
builds(void *arg)
{
    volatile bool raised = false;

    build_one(INDEX + 1, 0, 0, true, "64MB");
    build_one(INDEX + 2, 1, 0, true, "64MB");
    build_one(INDEX + 3, 150000, 0, true, "64MB");
    build_one(INDEX + 4, 150000, 1, true, "1MB");
    build_one(INDEX + 5, 150000, 2, true, "1MB");
    build_one(INDEX + 6, 150000, 3, false, "1MB");
    build_one(INDEX + 7, 150000, 2, true, "64MB");
    ERR_TRY {
        BtreeIndex ix = test_index(INDEX + 8, int_column, 1, 1);
        Feed f = {.n = 5000, .order = 2, .duplicate = true};

        ix.unique = true;
        txn_begin();
        storage_create(ix.locator, true);
        btree_build(&ix, NULL, feed_next, &f, NULL);
    } ERR_CATCH {
        MUST(err_current()->sqlstate == SQLSTATE_UNIQUE_VIOLATION);
        MUST(strcmp(err_current()->message, "could not create unique index \"test_idx\"") == 0);
        err_clear();
        raised = true;
        txn_abort();
    } ERR_END;
    MUST(raised);
}

static void
builds_after_crash(void *arg)
{
    for (Oid oid = INDEX + 1; oid <= INDEX + 7; oid++) {
        BtreeIndex ix = test_index(oid, int_column, 1, 1);

        txn_begin();
        btree_check(&ix, NULL);
        txn_commit();
    }
}

static void
test_builds(void)
{
    RUN_INSTANCE(builds, NULL);
    RUN_INSTANCE(builds_after_crash, NULL);
}

/* Large keys with a common beginning, included columns, and keys that are too large. */
static void
large_keys(void *arg)
{
    BtreeIndex ix = test_index(INDEX + 10, include_columns, 1, 3), wide = test_index(INDEX + 11, two_columns, 2, 2);
    uint64_t rnd = test_seed;
    static char text[4 + 4000];
    volatile bool raised = false;
    Arena *a = arena_create(NULL, "large");
    ItemPtr tids[700];
    const char *entries[700];
    uint16_t bytes[700];
    int n, seen = 0;
    BtreeScan *s;

    create_index(&ix);
    create_index(&wide);
    txn_begin();
    for (int i = 0; i < 3000; i++) {
        size_t len = test_random(&rnd) % 300;
        Datum v[3] = {int64_datum(i), ptr_datum(text), int32_datum(-i)};
        bool null[3] = {false, i % 7 == 0, i % 5 == 0};

        memset(var_header(text, len), 'a' + i % 26, len);
        MUST(btree_insert(&ix, NULL, v, null, (ItemPtr){(BlockNo)i, 1}, UNIQUE_NO, NULL));
    }
    btree_check(&ix, NULL);
    s = btree_scan_begin(a, &ix, true);
    btree_scan_set(s, (BtreeBound){0}, (BtreeBound){0}, false);
    while ((n = btree_scan_next(s, tids, 5, entries, bytes)) > 0)
        for (int k = 0; k < n; k++, seen++) {
            Datum v[3];
            bool null[3];

            btree_decode(&ix, a, entries[k], bytes[k], v, null);
            MUST(datum_int64(v[0]) == seen && null[1] == (seen % 7 == 0) && null[2] == (seen % 5 == 0));
            MUST(null[2] || datum_int32(v[2]) == -seen);
            MUST(null[1] || var_len(v[1]) == 0 || var_data(v[1])[0] == 'a' + seen % 26);
            MUST(tids[k].block == (BlockNo)seen);
        }
    MUST(seen == 3000);
    for (int i = 0; i < 1500; i++) {
        size_t len = 2000 + test_random(&rnd) % 680;
        Datum v[2] = {ptr_datum(text), int32_datum(i)};
        char *p = var_header(text, len);

        memset(p, 'x', len);
        p[len - 1 - test_random(&rnd) % 20] = (char)('a' + test_random(&rnd) % 26);
        MUST(btree_insert(&wide, NULL, v, NULL, (ItemPtr){(BlockNo)i, 1}, UNIQUE_NO, NULL));
    }
    btree_check(&wide, NULL);
    txn_commit();
    ERR_TRY {
        Datum v[2] = {ptr_datum(text), int32_datum(1)};
        HeapRel rel = test_table(TABLE);

        memset(var_header(text, 3000), 'y', 3000);
        txn_begin();
        (void)btree_insert(&wide, &rel, v, NULL, (ItemPtr){3, 4}, UNIQUE_NO, NULL);
    } ERR_CATCH {
        MUST(err_current()->sqlstate == SQLSTATE_PROGRAM_LIMIT_EXCEEDED);
        err_clear();
        txn_abort();
        raised = true;
    } ERR_END;
    MUST(raised);
}

static void
large_keys_after_crash(void *arg)
{
    BtreeIndex ix = test_index(INDEX + 10, include_columns, 1, 3), wide = test_index(INDEX + 11, two_columns, 2, 2);

    txn_begin();
    btree_check(&ix, NULL);
    btree_check(&wide, NULL);
    txn_commit();
}

static void
test_large_keys(void)
{
    RUN_INSTANCE(large_keys, NULL);
    RUN_INSTANCE(large_keys_after_crash, NULL);
}

/* ---- uniqueness ---- */

/* Inserts a row and its entry; false: 23505, and the transaction is aborted. */
static bool
insert_unique(HeapRel *rel, BtreeIndex *ix, int64_t key)
{
    volatile bool ok = false;

    ERR_TRY {
        TestRow *r = test_row((int32_t)key, key, NULL);
        ItemPtr tid = heap_insert(rel, r->v, r->n, txn_command(true), 0);

        MUST(btree_insert(ix, rel, &r->v[1], &r->n[1], tid, UNIQUE_YES, NULL));
        ok = true;
    } ERR_CATCH {
        if (err_current()->sqlstate != SQLSTATE_UNIQUE_VIOLATION)
            fprintf(stderr, "%s\n", err_current()->message);
        MUST(err_current()->sqlstate == SQLSTATE_UNIQUE_VIOLATION);
        err_clear();
        txn_abort();
    } ERR_END;
    return ok;
}

static bool
insert_alone(HeapRel *rel, BtreeIndex *ix, int64_t key)
{
    txn_begin();
    if (!insert_unique(rel, ix, key))
        return false;
    txn_commit();
    return true;
}

/* The visible row of a key by the index; false: none. */
static bool
lookup(HeapRel *rel, BtreeIndex *ix, int64_t key, ItemPtr *tid_out)
{
    Arena *a = arena_create(NULL, "lookup");
    BtreeScan *s = btree_scan_begin(a, ix, false);
    Datum d = int64_datum(key);
    StrBuf k;
    bool any, found = false;
    BtreeBound b;
    ItemPtr tids[100];
    int n;

    str_init(&k, a);
    btree_encode(ix, &d, NULL, 1, &k, &any);
    b = (BtreeBound){k.data, k.len, true, true};
    btree_scan_set(s, b, b, false);
    while ((n = btree_scan_next(s, tids, 100, NULL, NULL)) > 0)
        for (int i = 0; i < n; i++) {
            Buf buf;
            Tuple t;
            bool dead;

            if (heap_fetch(rel, tids[i], snapshot_latest(), &buf, &t, &dead)) {
                MUST(!found);
                found = true;
                MUST(test_value(&t, 2) == key);
                *tid_out = t.tid;
                rbuf_unpin(buf);
            } else if (dead) {
                btree_scan_kill(s, i);
            }
        }
    btree_scan_end(s);
    arena_destroy(a);
    return found;
}

static void
unique_basics(void *arg)
{
    HeapRel rel = test_table(TABLE);
    BtreeIndex ix = test_index(INDEX + 20, int_column, 1, 1);
    ItemPtr tid, other;
    Xid wait;
    Datum d;
    bool null = true;

    ix.unique = true;
    test_create_table(&rel);
    create_index(&ix);
    for (int i = 0; i < 2000; i++)
        MUST(insert_alone(&rel, &ix, i % 2 ? i : -i));
    MUST(!insert_alone(&rel, &ix, 1001));
    MUST(!insert_alone(&rel, &ix, 0));
    txn_begin(); /* twice in one transaction */
    MUST(insert_unique(&rel, &ix, 5000));
    MUST(!insert_unique(&rel, &ix, 5000));
    MUST(insert_alone(&rel, &ix, 5000)); /* the first one was rolled back */
    txn_begin();
    MUST(lookup(&rel, &ix, 5000, &tid));
    MUST(heap_delete(&rel, tid, txn_command(true), NULL, true, NULL) == TM_OK);
    txn_command_increment();
    MUST(insert_unique(&rel, &ix, 5000)); /* over a row deleted by ourselves */
    txn_commit();
    txn_begin();
    MUST(lookup(&rel, &ix, 5000, &tid));
    d = int64_datum(5000);
    MUST(btree_find_conflict(&ix, &rel, &d, NULL, NO_ROW, &other, &wait) && wait == 0 && item_ptr_equal(other, tid));
    MUST(!btree_find_conflict(&ix, &rel, &d, NULL, tid, &other, &wait));
    MUST(!btree_insert(&ix, &rel, &d, NULL, test_insert(&rel, 1, 5000, NULL), UNIQUE_PARTIAL, &other) && item_ptr_equal(other, tid));
    txn_abort();
    txn_begin(); /* nulls are distinct, or not */
    MUST(btree_insert(&ix, &rel, &d, &null, test_insert(&rel, 1, 1, NULL), UNIQUE_YES, NULL));
    MUST(btree_insert(&ix, &rel, &d, &null, test_insert(&rel, 1, 1, NULL), UNIQUE_YES, NULL));
    ix.nulls_not_distinct = true;
    MUST(btree_find_conflict(&ix, &rel, &d, &null, NO_ROW, &other, &wait));
    txn_abort();
    txn_begin();
    btree_check(&ix, &rel);
    txn_commit();
}

#define UNIQUE_KEYS 3000
#define SESSIONS 6
typedef struct Shared { _Atomic int rows[UNIQUE_KEYS]; _Atomic uint64_t inserted[SESSIONS]; _Atomic int stop; } Shared;
static Shared *shared;

static void
unique_session(int number)
{
    HeapRel rel = test_table(TABLE + 1);
    BtreeIndex ix = test_index(INDEX + 21, int_column, 1, 1);
    uint64_t rnd = test_seed + (unsigned)number;

    ix.unique = true;
    for (int i = 0; i < 1500; i++) {
        int64_t key = (int64_t)(test_random(&rnd) % UNIQUE_KEYS);
        ItemPtr tid;

        txn_begin();
        if (test_random(&rnd) % 3 == 0 && lookup(&rel, &ix, key, &tid)) {
            if (heap_delete(&rel, tid, txn_command(true), NULL, true, NULL) == TM_OK) {
                if (test_random(&rnd) % 4) {
                    atomic_fetch_sub(&shared->rows[key], 1);
                    txn_commit();
                    continue;
                }
            }
            txn_abort();
        } else if (insert_unique(&rel, &ix, key)) {
            if (test_random(&rnd) % 8 == 0) {
                txn_abort();
            } else {
                atomic_fetch_add(&shared->rows[key], 1);
                txn_commit();
            }
        }
    }
}

static void
unique_many(void *arg)
{
    HeapRel rel = test_table(TABLE + 1);
    BtreeIndex ix = test_index(INDEX + 21, int_column, 1, 1);

    test_create_table(&rel);
    create_index(&ix);
    test_sessions(unique_session, SESSIONS);
    txn_begin();
    btree_check(&ix, &rel);
    for (int i = 0; i < UNIQUE_KEYS; i++) {
        ItemPtr tid;
        int want = atomic_load(&shared->rows[i]);

        MUST(want == 0 || want == 1);
        MUST(lookup(&rel, &ix, i, &tid) == (want == 1));
    }
    txn_commit();
}

static void
unique_after_crash(void *arg)
{
    HeapRel rel = test_table(TABLE + 1);
    BtreeIndex ix = test_index(INDEX + 21, int_column, 1, 1), *all[1] = {&ix};
    VacuumStats stats;

    txn_begin();
    btree_check(&ix, &rel);
    heap_vacuum(&rel, all, 1, &(VacuumOptions){.index_cleanup = true}, &stats);
    btree_check(&ix, &rel);
    txn_commit();
    txn_begin();
    for (int i = 0; i < UNIQUE_KEYS; i++) {
        ItemPtr tid;

        MUST(lookup(&rel, &ix, i, &tid) == (atomic_load(&shared->rows[i]) == 1));
    }
    txn_commit();
}

static void
test_unique(void)
{
    RUN_INSTANCE(unique_basics, NULL);
    memset(shared, 0, sizeof *shared);
    RUN_INSTANCE(unique_many, NULL);
    RUN_INSTANCE(unique_after_crash, NULL);
}

/* ---- many processes ---- */

#define STRESS_EACH 20000

static ItemPtr
stress_tid(int session, uint32_t i)
{
    return (ItemPtr){(BlockNo)session << 20 | i / 100, (OffsetNo)(i % 100 + 1)};
}

/* The first three sessions mix their keys, the others have ranges of their own, so that vacuum empties pages. */
static int64_t
stress_key(int session, uint32_t k)
{
    return session < 3 ? (int64_t)k * 3 + session : (int64_t)session * STRESS_EACH + k;
}

/* Every second thousand of every second session. */
static bool
stress_dead(void *arg, ItemPtr tid)
{
    uint32_t i = (tid.block & 0xFFFFF) * 100 + tid.off - 1;

    return (tid.block >> 20) % 2 == 0 && i / 1000 % 2 == 1 && i + 2000 < atomic_load(&shared->inserted[tid.block >> 20]);
}

static void
stress_insert(int number)
{
    BtreeIndex ix = test_index(INDEX + 30, int_column, 1, 1);
    uint32_t order = number % 2 || number == 4 ? 1 : 12347; /* ascending, or scattered over the range */

    txn_begin();
    for (uint32_t i = 0; i < STRESS_EACH; i++) {
        Datum d = int64_datum(stress_key(number, (uint32_t)((uint64_t)i * order % STRESS_EACH)));

        MUST(btree_insert(&ix, NULL, &d, NULL, stress_tid(number, i), UNIQUE_NO, NULL));
        atomic_store(&shared->inserted[number], i + 1);
    }
    (void)txn_xid();
    txn_commit();
}

/* Reads all in one direction: in order, and nothing that was there before and stays is missed. */
static void
stress_scan(BtreeIndex *ix, bool backward, bool entries_wanted)
{
    static char seen[SESSIONS][STRESS_EACH];
    uint64_t before[SESSIONS];
    Arena *a = arena_create(NULL, "scan");
    BtreeScan *s = btree_scan_begin(a, ix, entries_wanted);
    ItemPtr tids[700];
    const char *entries[700];
    uint16_t bytes[700];
    char last[32];
    size_t last_n = 0;
    int n;

    memset(seen, 0, sizeof seen);
    for (int i = 0; i < SESSIONS; i++)
        before[i] = atomic_load(&shared->inserted[i]);
    btree_scan_set(s, (BtreeBound){0}, (BtreeBound){0}, backward);
    while ((n = btree_scan_next(s, tids, 700, entries_wanted ? entries : NULL, bytes)) > 0)
        for (int i = 0; i < n; i++) {
            int session = (int)(tids[i].block >> 20);
            uint32_t k = (tids[i].block & 0xFFFFF) * 100 + tids[i].off - 1;

            MUST(session < SESSIONS && k < STRESS_EACH && !seen[session][k]);
            seen[session][k] = 1;
            if (entries_wanted) {
                if (last_n > 0) {
                    int c = memcmp(last, entries[i], MIN(last_n, (size_t)bytes[i]));
                    MUST(backward ? c > 0 : c < 0);
                }
                memcpy(last, entries[i], bytes[i]);
                last_n = bytes[i];
            }
        }
    for (int session = 0; session < SESSIONS; session++)
        for (uint32_t k = 0; k < before[session]; k++)
            if (!(session % 2 == 0 && k / 1000 % 2 == 1))
                MUST(seen[session][k]);
    btree_scan_end(s);
    arena_destroy(a);
}

static void
stress_other(int number)
{
    BtreeIndex ix = test_index(INDEX + 30, int_column, 1, 1);

    while (!atomic_load(&shared->stop)) {
        txn_begin();
        if (number == 0) {
            uint64_t removed, entries;
            BlockNo pages;

            btree_vacuum(&ix, stress_dead, NULL, &removed, &pages, &entries);
            usleep(1000);
        } else {
            stress_scan(&ix, number & 1, number & 2);
        }
        txn_commit();
    }
}

static void
stress(void *arg)
{
    BtreeIndex ix = test_index(INDEX + 30, int_column, 1, 1);
    pid_t writers[SESSIONS], others[4];

    create_index(&ix);
    for (int i = 0; i < SESSIONS; i++)
        writers[i] = test_session(stress_insert, i);
    for (int i = 0; i < 4; i++)
        others[i] = test_session(stress_other, i);
    for (int i = 0; i < SESSIONS; i++)
        MUST(test_wait_child(writers[i]) == 0);
    atomic_store(&shared->stop, 1);
    for (int i = 0; i < 4; i++)
        MUST(test_wait_child(others[i]) == 0);
    txn_begin();
    btree_check(&ix, NULL);
    stress_scan(&ix, false, true);
    stress_scan(&ix, true, true);
    txn_commit();
}

static void
stress_after_crash(void *arg)
{
    BtreeIndex ix = test_index(INDEX + 30, int_column, 1, 1);

    txn_begin();
    btree_check(&ix, NULL);
    stress_scan(&ix, false, true);
    txn_commit();
}

static void
test_stress(void)
{
    memset(shared, 0, sizeof *shared);
    RUN_INSTANCE(stress, NULL);
    RUN_INSTANCE(stress_after_crash, NULL);
}

/* ---- cost ---- */

#define BENCH_ROWS 1000000

static double
seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void
bench(void *arg)
{
    BtreeIndex up = test_index(INDEX + 40, int_column, 1, 1), scattered = test_index(INDEX + 41, int_column, 1, 1);
    Arena *a = arena_create(NULL, "bench");
    uint64_t rnd = 1;
    BtreeScan *s;
    StrBuf k;
    double t;
    Lsn lsn;

    create_index(&up);
    create_index(&scattered);
    txn_begin();
    for (int pass = 0; pass < 2; pass++) {
        BtreeIndex *ix = pass ? &scattered : &up;

        t = seconds();
        lsn = wal_insert_position();
        for (uint64_t i = 0; i < BENCH_ROWS; i++) {
            Datum d = int64_datum((int64_t)(pass ? i * UINT64_C(0x9E3779B97F4A7C15) >> 20 : i));

            (void)btree_insert(ix, NULL, &d, NULL, (ItemPtr){(BlockNo)(i / 200), (OffsetNo)(i % 200 + 1)}, UNIQUE_NO, NULL);
        }
        t = seconds() - t;
        printf("%s insertion: %.0f ns, %.0f bytes of log, %u pages\n", pass ? "scattered" : "ascending", t / BENCH_ROWS * 1e9,
               (double)(wal_insert_position() - lsn) / BENCH_ROWS, btree_blocks(ix));
    }
    str_init(&k, a);
    s = btree_scan_begin(a, &up, false);
    for (int pass = 0; pass < 3; pass++) {
        t = seconds();
        for (int i = 0; i < BENCH_ROWS; i++) {
            Datum d = int64_datum((int64_t)(test_random(&rnd) % BENCH_ROWS));
            ItemPtr tid[10];
            BtreeBound b;
            bool any;

            str_reset(&k);
            btree_encode(&up, &d, NULL, 1, &k, &any);
            b = (BtreeBound){k.data, k.len, true, true};
            btree_scan_set(s, b, b, false);
            MUST(btree_scan_next(s, tid, 10, NULL, NULL) == 1);
        }
        t = seconds() - t;
        printf("lookup: %.0f ns\n", t / BENCH_ROWS * 1e9);
    }
    {
        ItemPtr tids[700];
        uint64_t n = 0;
        int got;

        t = seconds();
        btree_scan_set(s, (BtreeBound){0}, (BtreeBound){0}, false);
        while ((got = btree_scan_next(s, tids, 700, NULL, NULL)) > 0)
            n += (uint64_t)got;
        t = seconds() - t;
        printf("scan: %.1f ns an entry\n", t / (double)n * 1e9);
    }
    {
        BtreeIndex built = test_index(INDEX + 42, int_column, 1, 1);
        Feed f = {.n = BENCH_ROWS, .order = 2};

        storage_create(built.locator, true);
        t = seconds();
        btree_build(&built, NULL, feed_next, &f, NULL);
        printf("build: %.0f ns an entry, %u pages\n", (seconds() - t) / BENCH_ROWS * 1e9, btree_blocks(&built));
    }
    txn_commit();
    btree_scan_end(s);
    fflush(stdout);
}

int
main(int argc, char **argv)
{
    bool benching = argc > 1 && strcmp(argv[1], "bench") == 0;
    CU_pSuite s;

    test_seed_init(benching ? 1 : argc, argv);
    access_settings_register();
    test_register(benching ? "256MB" : "4MB");
    btree_register_redo();
    columns_init();
    model = test_shared(sizeof *model);
    shared = test_shared(sizeof *shared);
    if (test_instance(test_bootstrap, NULL) != 0)
        abort();
    if (benching)
        return test_instance(bench, NULL) != 0;
    CU_initialize_registry();
    s = CU_add_suite("btree", NULL, NULL);
    CU_add_test(s, "an index is what the model says, across crashes", test_model);
    CU_add_test(s, "splits left half-way are found and completed", test_half_splits);
    CU_add_test(s, "builds sort, spill and find duplicates", test_builds);
    CU_add_test(s, "large keys, included columns", test_large_keys);
    CU_add_test(s, "uniqueness holds among sessions", test_unique);
    CU_add_test(s, "concurrent insertion, scans and vacuum", test_stress);
    TEST_MAIN_END();
}
