/*
 * Toast: large values of every storage kind go in and come back through insert, update, scan and crash;
 * their chunks share their owner's fate. One process, a table with a toast table and its index.
 */
#include "txn_util.h"

#include "core/access/heap/heap_internal.h"
#include "core/access/toast/toast_internal.h"

#define TABLE 23000
#define TOAST 23001
#define TOAST_INDEX 23002
#define KEYS 60

typedef struct Model { bool there[KEYS]; uint32_t bytes[KEYS][3]; uint32_t seed[KEYS][3]; } Model;
static Model *model;
static HeapRel rel, toast;
static BtreeIndex toast_index;
static BtreeKeyColumn toast_columns[2];

static void
open_hook(Oid oid, HeapRel **r, BtreeIndex **ix)
{
    MUST(oid == TOAST);
    *r = &toast;
    *ix = &toast_index;
}

static void
setup(void)
{
    static const AttrSpec chunk[3] = {{.type = OID_OID, .len = 4, .byval = true, .not_null = true, .late_rank = -1, .storage = 'p'},
                                      {.type = INT4_OID, .len = 4, .byval = true, .not_null = true, .late_rank = -1, .storage = 'p'},
                                      {.type = BYTEA_OID, .len = -1, .not_null = true, .late_rank = -1, .storage = 'p'}};
    static const AttrSpec row[4] = {{.type = INT4_OID, .len = 4, .byval = true, .late_rank = -1, .storage = 'p'},
                                    {.type = TEXT_OID, .len = -1, .late_rank = -1, .storage = 'x'},
                                    {.type = TEXT_OID, .len = -1, .late_rank = -1, .storage = 'e'},
                                    {.type = TEXT_OID, .len = -1, .late_rank = -1, .storage = 'm'}};
    static TupleLayout *l, *tl;

    if (!l) {
        l = layout_build(arena_top(), row, 4);
        tl = layout_build(arena_top(), chunk, 3);
    }
    toast_columns[0] = (BtreeKeyColumn){OID_OID, 0, type_ops(OID_OID), false, false};
    toast_columns[1] = (BtreeKeyColumn){INT4_OID, 0, type_ops(INT4_OID), false, false};
    toast_index = (BtreeIndex){.locator = {1663, 5, TOAST_INDEX}, .oid = TOAST_INDEX, .db = 5, .name = "toast_index", .logged = true, .unique = true,
                               .immediate = true, .nkeys = 2, .ncolumns = 2, .columns = toast_columns, .can_return_values = true,
                               .root_block = BLOCK_INVALID, .last_leaf = BLOCK_INVALID, .root_hint = BUF_INVALID, .last_leaf_hint = BUF_INVALID};
    toast = test_table(TOAST);
    toast.layout = tl;
    toast.name = "pg_toast_23000";
    rel = test_table(TABLE);
    rel.layout = l;
    rel.toast = &toast;
    rel.toast_index = &toast_index;
    toast_open_hook = open_hook;
}

/* Text from a seed: even seeds compress well, odd ones not at all. */
static Datum
make_text(Arena *a, uint32_t seed, uint32_t n)
{
    uint64_t rnd = seed;
    char *p;
    Datum d = var_alloc(a, n, &p);

    for (uint32_t i = 0; i < n; i++)
        p[i] = seed & 1 ? (char)(33 + test_random(&rnd) % 90) : (char)("abcdefgh"[i / 50 % 8] + (int)(seed % 7));
    return d;
}

static void
make_row(Arena *a, int id, Datum *v, bool *null)
{
    v[0] = int32_datum(id);
    null[0] = false;
    for (int k = 0; k < 3; k++) {
        null[k + 1] = model->seed[id][k] == 0;
        v[k + 1] = null[k + 1] ? 0 : make_text(a, model->seed[id][k], model->bytes[id][k]);
    }
}

static void
randomize(int id, uint64_t *rnd)
{
    static const uint32_t sizes[] = {10, 500, 1900, 2100, 6000, 9000, 30000, 200000};

    for (int k = 0; k < 3; k++) {
        model->seed[id][k] = test_random(rnd) % 8 == 0 ? 0 : 1 + (uint32_t)(test_random(rnd) % 1000);
        model->bytes[id][k] = (uint32_t)(test_random(rnd) % sizes[test_random(rnd) % COUNT_OF(sizes)]);
    }
    /* "main" moves out only if it must, the rest of the row has to fit then. */
    if (model->bytes[id][2] > 20000)
        model->bytes[id][2] = 20000;
}

static bool
find_row(int id, ItemPtr *tid, Arena *a)
{
    static TupleBatch b;
    HeapScan *scan = heap_scan_begin(a, &rel, snapshot_latest());
    bool found = false;

    while (heap_scan_next(scan, &b))
        for (int i = 0; i < b.n; i++) {
            bool null;

            if (datum_int32(tuple_get(rel.layout, b.tup[i], b.size[i], 1, &null)) == id) {
                MUST(!found);
                *tid = b.tid[i];
                found = true;
            }
        }
    heap_scan_end(scan);
    return found;
}

static void
check_rows(void)
{
    static TupleBatch b;
    Arena *a = arena_create(NULL, "check");
    HeapScan *scan = heap_scan_begin(a, &rel, snapshot_latest());
    bool seen[KEYS] = {false};
    Vec *cols[4];

    for (int k = 0; k < 4; k++)
        cols[k] = vec_new(a);
    while (heap_scan_next(scan, &b)) {
        for (int k = 0; k < 4; k++) {
            vec_clear_nulls(cols[k]);
            tuple_gather(&rel, &b, b.n, NULL, k + 1, a, cols[k]);
        }
        for (int i = 0; i < b.n; i++) {
            int id = datum_int32(cols[0]->v[i]);

            MUST(id >= 0 && id < KEYS && model->there[id] && !seen[id]);
            seen[id] = true;
            MUST(b.size[i] <= MAX_TUPLE_BYTES);
            for (int k = 0; k < 3; k++) {
                Datum d;

                MUST(vec_null(cols[k + 1], i) == (model->seed[id][k] == 0));
                if (model->seed[id][k] == 0)
                    continue;
                d = make_text(a, model->seed[id][k], model->bytes[id][k]);
                MUST(var_equal(d, cols[k + 1]->v[i]));
            }
        }
    }
    heap_scan_end(scan);
    for (int i = 0; i < KEYS; i++)
        MUST(seen[i] == model->there[i]);
    arena_destroy(a);
}

static int
live_chunks(void)
{
    static TupleBatch b;
    Arena *a = arena_create(NULL, "count");
    HeapScan *scan = heap_scan_begin(a, &toast, snapshot_latest());
    int n = 0;

    while (heap_scan_next(scan, &b))
        n += b.n;
    heap_scan_end(scan);
    arena_destroy(a);
    return n;
}

static void
change(int id, uint64_t *rnd)
{
    Arena *a = arena_create(NULL, "change");
    Model before = *model;
    bool commit = test_random(rnd) % 5 > 0, null[4];
    ItemPtr tid, new_tid;
    TmFailure f;
    Datum v[4];
    bool hot;

    txn_begin();
    if (!model->there[id]) {
        randomize(id, rnd);
        make_row(a, id, v, null);
        (void)heap_insert(&rel, v, null, txn_command(true), 0);
        model->there[id] = true;
    } else {
        MUST(find_row(id, &tid, a));
        if (test_random(rnd) % 4 == 0) {
            MUST(heap_delete(&rel, tid, txn_command(true), NULL, true, &f) == TM_OK);
            model->there[id] = false;
        } else {
            int same = (int)(test_random(rnd) % 4); /* this column keeps its value as it is stored */
            Datum old[4];
            bool old_null[4];
            Tuple t;
            Buf b;

            MUST(heap_fetch_version(&rel, tid, snapshot_latest(), &b, &t));
            tuple_deform(rel.layout, t.bytes, t.size, old, old_null, 4);
            randomize(id, rnd);
            if (same > 0) {
                model->seed[id][same - 1] = before.seed[id][same - 1];
                model->bytes[id][same - 1] = before.bytes[id][same - 1];
            }
            make_row(a, id, v, null);
            if (same > 0 && !null[same])
                v[same] = ptr_datum(arena_memdup(a, datum_ptr(old[same]), var_is_external(datum_ptr(old[same])) ? TOAST_POINTER_BYTES : var_size(datum_ptr(old[same]))));
            rbuf_unpin(b);
            MUST(heap_update(&rel, tid, v, null, txn_command(true), NULL, true, false, false, &new_tid, &hot, &f) == TM_OK);
        }
    }
    txn_command_increment();
    check_rows();
    if (commit) {
        txn_commit();
    } else {
        txn_abort();
        *model = before;
    }
    arena_destroy(a);
}

static void
round_of_changes(void *arg)
{
    uint64_t rnd = test_seed + (uint64_t)(uintptr_t)arg;

    setup();
    if (!arg) {
        test_create_table(&rel);
        test_create_table(&toast);
        txn_begin();
        storage_create(toast_index.locator, true);
        btree_build_empty(&toast_index);
        txn_commit();
    }
    txn_begin();
    check_rows();
    btree_check(&toast_index, &toast);
    txn_commit();
    for (int i = 0; i < 120; i++)
        change((int)(test_random(&rnd) % KEYS), &rnd);
    txn_begin();
    check_rows();
    btree_check(&toast_index, &toast);
    (void)txn_xid();
    txn_commit();
}

static void
empty_all(void *arg)
{
    BtreeIndex *all[1] = {&toast_index};
    Arena *a = arena_create(NULL, "empty");
    VacuumStats stats;
    ItemPtr tid;

    setup();
    txn_begin();
    for (int i = 0; i < KEYS; i++)
        if (model->there[i]) {
            MUST(find_row(i, &tid, a));
            MUST(heap_delete(&rel, tid, txn_command(true), NULL, true, NULL) == TM_OK);
            model->there[i] = false;
        }
    txn_commit();
    txn_begin();
    check_rows();
    MUST(live_chunks() == 0); /* nothing was forgotten by updates and deletes */
    heap_vacuum(&toast, all, 1, &(VacuumOptions){.index_cleanup = true, .truncate = true}, &stats);
    btree_check(&toast_index, &toast);
    txn_commit();
}

/* What the policy does with single values. */
static void
policy(void *arg)
{
    Arena *a = arena_create(NULL, "policy");
    Datum v[4] = {int32_datum(1)};
    bool null[4] = {false, true, true, true}, isnull;
    ItemPtr tid;
    Tuple t;
    Buf b;

    setup();
    txn_begin();
    for (int k = 1; k <= 3; k++)
        for (uint32_t seed = 2; seed <= 3; seed++) {
            const char *p;
            bool out, compressed;

            null[1] = null[2] = null[3] = true;
            null[k] = false;
            v[k] = make_text(a, seed, 7000);
            tid = heap_insert(&rel, v, null, txn_command(true), 0);
            txn_command_increment();
            MUST(heap_fetch_version(&rel, tid, snapshot_latest(), &b, &t));
            p = datum_ptr(tuple_get(rel.layout, t.bytes, t.size, k + 1, &isnull));
            out = var_is_external(p);
            compressed = !out && var_is_compressed(p);
#ifdef HAVE_LZ4
            if (seed == 2)
                MUST(k == 2 ? out : compressed); /* repetitive: "external" is never compressed */
            else
                MUST(k == 3 ? !out && !compressed : out); /* random; "main" stays while it fits a page */
#else
            MUST(k == 3 ? !out && !compressed : out);
#endif
            MUST(toast_raw_size(ptr_datum(p)) == 7000);
            MUST(var_equal(toast_fetch(a, ptr_datum(p)), v[k]));
            rbuf_unpin(b);
        }
    /* A speculative insertion with chunks is taken back in its own command. */
    v[2] = make_text(a, 3, 50000);
    null[1] = null[3] = true;
    null[2] = false;
    {
        int before = live_chunks(), during;

        tid = heap_insert(&rel, v, null, txn_command(true), 0);
        heap_abort_speculative(&rel, tid);
        txn_command_increment();
        during = live_chunks();
        MUST(during == before);
    }
    txn_abort();
    arena_destroy(a);
}

static void
test_values_come_back(void)
{
    RUN_INSTANCE(test_bootstrap, NULL);
    for (uintptr_t i = 0; i < 4; i++)
        RUN_INSTANCE(round_of_changes, (void *)i);
    RUN_INSTANCE(policy, NULL);
    RUN_INSTANCE(empty_all, NULL);
}

int
main(int argc, char **argv)
{
    CU_pSuite s;

    test_seed_init(argc, argv);
    test_register("2MB");
    btree_register_redo();
    model = test_shared(sizeof *model);
    CU_initialize_registry();
    s = CU_add_suite("toast", NULL, NULL);
    CU_add_test(s, "values come back, chunks go with their rows", test_values_come_back);
    TEST_MAIN_END();
}
