/*
 * The heap by one process: layouts against a plain model, and a table under random inserts, updates,
 * deletes, savepoints, vacuums, bulk loads and crashes against a map.
 */
#include "txn_util.h"

#include "core/access/heap/heap_internal.h"

#define TABLE 21000
#define KEYS 400

/* ---- tuples ---- */

static const struct { Oid type; int16_t len; bool byval; } kinds[] = {
    {INT4_OID, 4, true}, {INT8_OID, 8, true}, {INT2_OID, 2, true}, {BOOL_OID, 1, true},
    {OID_OID, 4, true}, {UUID_OID, 16, false}, {TEXT_OID, -1, false}, {FLOAT4_OID, 4, true},
};

static Datum
random_value(Arena *a, int kind, uint64_t *rnd)
{
    uint64_t r = test_random(rnd);

    switch (kind) {
    case 0:
        return int32_datum((int32_t)r);
    case 1:
        return r;
    case 2:
        return int16_datum((int16_t)r);
    case 3:
        return r & 1;
    case 4:
    case 7:
        return (uint32_t)r;
    case 5: {
        char *u = arena_alloc(a, 16);
        memset(u, (int)(r & 0xFF), 16);
        return ptr_datum(u);
    }
    default: {
        size_t n = r % 300;
        char *p;
        Datum d = var_alloc(a, n, &p);
        memset(p, (int)(r >> 32 & 0xFF), n);
        return d;
    }
    }
}

static bool
same_value(int kind, Datum x, Datum y)
{
    if (kinds[kind].byval)
        return x == y;
    if (kinds[kind].len > 0)
        return memcmp(datum_ptr(x), datum_ptr(y), (size_t)kinds[kind].len) == 0;
    return var_equal(x, y);
}

static void
test_tuples_read_back(void)
{
    Arena *a = arena_create(NULL, "tuples");
    uint64_t rnd = test_seed;

    for (int round = 0; round < 2000; round++) {
        int n = 1 + (int)(test_random(&rnd) % 20), old_n;
        AttrSpec specs[20];
        int kind[20];
        Datum v[20], got[20];
        bool nulls[20], gotnull[20];
        TupleLayout *l;
        Tuple *t;

        for (int i = 0; i < n; i++) {
            kind[i] = (int)(test_random(&rnd) % COUNT_OF(kinds));
            specs[i] = (AttrSpec){.type = kinds[kind[i]].type, .len = kinds[kind[i]].len, .byval = kinds[kind[i]].byval,
                                  .late_rank = -1};
            v[i] = random_value(a, kind[i], &rnd);
            nulls[i] = test_random(&rnd) % 4 == 0;
        }
        /* The last columns were added later; rows from before do not have them. */
        old_n = n - (int)(test_random(&rnd) % (unsigned)MIN(n, 4));
        for (int i = old_n; i < n; i++) {
            specs[i].late_rank = i - old_n;
            specs[i].has_missing = test_random(&rnd) % 2;
            specs[i].missing = random_value(a, kind[i], &rnd);
        }
        l = layout_build(a, specs, old_n);
        t = tuple_form(a, l, v, nulls);
        l = layout_build(a, specs, n);
        tuple_deform(l, t->bytes, t->size, got, gotnull, n);
        for (int i = 0; i < n; i++) {
            bool want_null = i < old_n ? nulls[i] : !specs[i].has_missing, isnull;
            Datum want = i < old_n ? v[i] : specs[i].missing, one = tuple_get(l, t->bytes, t->size, i + 1, &isnull);

            CU_ASSERT_FATAL(gotnull[i] == want_null && isnull == want_null);
            CU_ASSERT_FATAL(want_null || (same_value(kind[i], got[i], want) && same_value(kind[i], one, want)));
        }
        t = tuple_form(a, l, v, nulls); /* and rows that have them */
        tuple_deform(l, t->bytes, t->size, got, gotnull, n);
        for (int i = 0; i < n; i++)
            CU_ASSERT_FATAL(gotnull[i] == nulls[i] && (nulls[i] || same_value(kind[i], got[i], v[i])));
        /* Batches of one, all orders of columns. */
        static TupleBatch b;
        HeapRel rel = {.layout = l, .oid = 7};
        Vec *vec = vec_new(a);

        b.n = 1;
        b.tup[0] = t->bytes;
        b.size[0] = (uint16_t)t->size;
        b.tail_cached = false;
        for (int k = 0; k < 2 * n; k++) {
            int i = (int)(test_random(&rnd) % (unsigned)n);

            tuple_gather(&rel, &b, 1, NULL, i + 1, a, vec);
            CU_ASSERT_FATAL(vec_null(vec, 0) == nulls[i] && (nulls[i] || same_value(kind[i], vec->v[0], v[i])));
        }
        if (round % 100 == 0)
            arena_reset(a);
    }
    arena_destroy(a);
}

/* ---- the model ---- */

typedef struct Model { bool there[KEYS]; int64_t value[KEYS]; int note[KEYS]; } Model;
typedef struct Shared { Model committed; uint64_t rnd; long operations; uint64_t frozen, removed; } Shared;
static Shared *shared;

static const char *
note_of(int n)
{
    static char text[1200];
    int len = n % 3 == 0 ? n % 20 : n % 3 == 1 ? n % 200 : n % 1100;

    memset(text, 'a' + n % 26, (size_t)len);
    text[len] = 0;
    return text;
}

/* Where the scan finds each key; checks the table against the model. */
static void
compare(HeapRel *rel, const Model *m, ItemPtr *tids)
{
    static TupleBatch b;
    Arena *a = arena_create(NULL, "compare");
    bool seen[KEYS] = {false};
    HeapScan *scan;
    Vec *id = vec_new(a), *value = vec_new(a), *note = vec_new(a), *ctid = vec_new(a);

    snapshot_push_active(snapshot_for_statement());
    scan = heap_scan_begin(a, rel, snapshot_active());
    while (heap_scan_next(scan, &b)) {
        tuple_gather(rel, &b, b.n, NULL, 3, a, note);
        tuple_gather(rel, &b, b.n, NULL, 1, a, id);
        tuple_gather(rel, &b, b.n, NULL, 2, a, value);
        tuple_gather(rel, &b, b.n, NULL, -1, a, ctid);
        for (int i = 0; i < b.n; i++) {
            int k = (int)id->v[i];

            MUST(k >= 0 && k < KEYS && !seen[k] && m->there[k]);
            MUST((int64_t)value->v[i] == m->value[k]);
            MUST(m->note[k] < 0 ? vec_null(note, i) : var_len(note->v[i]) == strlen(note_of(m->note[k])) &&
                 memcmp(var_data(note->v[i]), note_of(m->note[k]), var_len(note->v[i])) == 0);
            MUST(ctid->v[i] == tid_datum(b.tid[i].block, b.tid[i].off));
            seen[k] = true;
            if (tids)
                tids[k] = b.tid[i];
        }
    }
    heap_scan_end(scan);
    for (int k = 0; k < KEYS; k++)
        MUST(seen[k] == m->there[k]);
    for (int k = 0; k < KEYS && tids; k++) /* each by its address */
        if (m->there[k]) {
            Buf buf;
            Tuple t;

            MUST(heap_fetch_version(rel, tids[k], snapshot_active(), &buf, &t));
            MUST(test_value(&t, 1) == k && test_value(&t, 2) == m->value[k]);
            rbuf_unpin(buf);
        }
    snapshot_pop_active();
    arena_destroy(a);
    MUST(buf_my_pin_count() == 0);
}

static void
one_change(HeapRel *rel, Model *m, uint64_t *rnd)
{
    int k = (int)(test_random(rnd) % KEYS), note = (int)(test_random(rnd) % 1000) - 100;
    int64_t value = (int64_t)(test_random(rnd) % 1000000);
    ItemPtr tids[KEYS], new_tid;
    TmFailure f;

    note = MAX(note, -1);
    txn_command_increment();
    if (!m->there[k]) {
        test_insert(rel, k, value, note < 0 ? NULL : note_of(note));
    } else {
        compare(rel, m, tids);
        if (test_random(rnd) % 4 == 0) {
            MUST(heap_delete(rel, tids[k], txn_command(true), NULL, true, &f) == TM_OK);
            m->there[k] = false;
            return;
        }
        MUST(test_update(rel, tids[k], k, value, note < 0 ? NULL : note_of(note), test_random(rnd) % 3 == 0, &new_tid, &f) == TM_OK);
    }
    m->there[k] = true;
    m->value[k] = value;
    m->note[k] = note;
}

static void
bulk_load(HeapRel *rel, Model *m, uint64_t *rnd)
{
    static TestRow rows[KEYS];
    const Datum *values[KEYS];
    const bool *nulls[KEYS];
    ItemPtr tids[KEYS];
    Arena *a = arena_create(NULL, "bulk");
    HeapBulk *b = heap_bulk_begin(a, rel, txn_command(true), 0);
    int n = 0;

    for (int k = 0; k < KEYS; k++)
        if (!m->there[k] && test_random(rnd) % 2) {
            m->there[k] = true;
            m->value[k] = (int64_t)(test_random(rnd) % 1000);
            m->note[k] = k;
            rows[n] = *test_row(k, m->value[k], note_of(k));
            rows[n].v[2] = ptr_datum(rows[n].text);
            values[n] = rows[n].v;
            nulls[n] = rows[n].n;
            n++;
        }
    heap_bulk_insert(b, values, nulls, n, tids);
    heap_bulk_end(b);
    arena_destroy(a);
    txn_command_increment();
}

static void
run_vacuum(HeapRel *rel, uint64_t *rnd)
{
    VacuumOptions o = {.freeze = test_random(rnd) % 3 == 0, .truncate = true, .index_cleanup = true};
    VacuumStats st;

    txn_begin();
    MUST(lock_acquire(lock_tag_relation(rel->db, rel->oid), LOCK_SHARE_UPDATE_EXCLUSIVE, false, false) == LOCK_OK);
    heap_vacuum(rel, NULL, 0, &o, &st);
    txn_commit();
    shared->frozen += st.frozen;
    shared->removed += st.tuples_removed;
}

static void
one_transaction(HeapRel *rel, uint64_t *rnd)
{
    Model m = shared->committed, saved;
    int changes = (int)(test_random(rnd) % 6);

    txn_begin();
    if (test_random(rnd) % 15 == 0)
        bulk_load(rel, &m, rnd);
    for (int i = 0; i < changes; i++) {
        if (test_random(rnd) % 4 == 0) {
            saved = m;
            txn_begin_sub();
            one_change(rel, &m, rnd);
            one_change(rel, &m, rnd);
            if (test_random(rnd) % 2) {
                txn_abort_sub();
                m = saved;
            } else {
                txn_commit_sub();
            }
        } else {
            one_change(rel, &m, rnd);
        }
        shared->operations++;
    }
    if (test_random(rnd) % 4 == 0) {
        txn_abort();
    } else {
        txn_commit();
        shared->committed = m;
    }
}

static void
model_run(void *arg)
{
    HeapRel rel = test_table(TABLE);
    uint64_t *rnd = &shared->rnd;
    int n = 60 + (int)(test_random(rnd) % 60);

    txn_begin();
    compare(&rel, &shared->committed, NULL);
    txn_commit();
    for (int i = 0; i < n; i++) {
        one_transaction(&rel, rnd);
        if (test_random(rnd) % 12 == 0)
            run_vacuum(&rel, rnd);
        if (test_random(rnd) % 25 == 0)
            wal_checkpoint(CHECKPOINT_IMMEDIATE | CHECKPOINT_FORCE);
    }
    txn_begin();
    compare(&rel, &shared->committed, NULL);
    txn_commit();
    if (test_random(rnd) % 4 == 0)
        test_shutdown();
}

static void
model_create(void *arg)
{
    HeapRel rel = test_table(TABLE);

    test_create_table(&rel);
}

static void
test_model(void)
{
    shared->rnd = test_seed;
    RUN_INSTANCE(test_bootstrap, NULL);
    RUN_INSTANCE(model_create, NULL);
    for (int i = 0; i < 25; i++) {
        if (test_instance(model_run, NULL) != 0) {
            CU_FAIL("model run");
            return;
        }
    }
    CU_ASSERT(shared->frozen > 0 && shared->removed > 0);
    printf("%ld operations, %lu frozen, %lu removed ", shared->operations, (unsigned long)shared->frozen, (unsigned long)shared->removed);
}

/* ---- housekeeping ---- */

static void
vacuum_frees_and_cuts(void *arg)
{
    HeapRel rel = test_table(TABLE + 1);
    VacuumOptions o = {.truncate = true, .index_cleanup = true};
    VacuumStats st;
    ItemPtr tids[3000];
    TmFailure f;
    BlockNo full;
    Buf vm = BUF_INVALID;
    int rows;

    test_create_table(&rel);
    txn_begin();
    for (int i = 0; i < 3000; i++)
        tids[i] = test_insert(&rel, i, 1, note_of(100));
    txn_commit();
    full = heap_blocks(&rel);
    txn_begin();
    heap_vacuum(&rel, NULL, 0, &o, &st);
    txn_commit();
    MUST(st.tuples_live == 3000 && st.tuples_removed == 0);
    MUST(st.all_visible + 16 >= st.pages); /* the last extension's pages are new */
    txn_begin();
    MUST(vm_all_visible(&rel, 0, &vm));
    for (int i = 300; i < 3000; i++)
        MUST(heap_delete(&rel, tids[i], txn_command(true), NULL, true, &f) == TM_OK);
    MUST(vm_all_visible(&rel, 0, &vm) && !vm_all_visible(&rel, tids[2000].block, &vm));
    vm_release(&vm);
    txn_commit();
    MUST(test_sum_now(&rel, &rows) == 300 && rows == 300);
    txn_begin();
    heap_vacuum(&rel, NULL, 0, &o, &st);
    txn_commit();
    MUST(st.tuples_removed <= 2700 && st.tuples_live == 300 && st.removed_pages > 0 && heap_blocks(&rel) == full - st.removed_pages);
    MUST(heap_blocks(&rel) < full / 5);
    MUST(test_sum_now(&rel, &rows) == 300 && rows == 300);
    /* What is free is found again. */
    txn_begin();
    MUST(heap_delete(&rel, tids[0], txn_command(true), NULL, true, &f) == TM_OK);
    txn_commit();
    txn_begin();
    heap_vacuum(&rel, NULL, 0, &o, &st);
    txn_commit();
    BlockNo before = heap_blocks(&rel);
    rel.insert_block = 0;
    txn_begin();
    test_insert(&rel, 1, 1, note_of(100));
    txn_commit();
    MUST(heap_blocks(&rel) == before);
}

static void
vacuum_after_crash(void *arg)
{
    HeapRel rel = test_table(TABLE + 1);
    Tuple *sample;
    double live, dead;
    Arena *a = arena_create(NULL, "sample");
    int rows, n;

    MUST(test_sum_now(&rel, &rows) == 300 && rows == 300);
    txn_begin();
    snapshot_push_active(snapshot_for_statement());
    n = heap_sample(a, &rel, snapshot_active(), 100, &sample, &live, &dead);
    MUST(n == 100 && live >= 290 && live <= 310);
    for (int i = 0; i < n; i++)
        MUST(test_value(&sample[i], 2) == 1);
    txn_commit();
}

/* A row updated for ever stays on its page. */
static void
hot_row_stays(void *arg)
{
    HeapRel rel = test_table(TABLE + 2);
    ItemPtr root, tid, next;
    TmFailure f;
    Tuple t;
    Buf b;

    test_create_table(&rel);
    txn_begin();
    root = test_insert(&rel, 1, 0, "hot");
    txn_commit();
    for (int i = 1; i <= 5000; i++) {
        txn_begin();
        MUST(heap_fetch(&rel, root, snapshot_latest(), &b, &t, NULL));
        MUST(test_value(&t, 2) == i - 1);
        tid = t.tid;
        MUST(test_update(&rel, tid, 1, i, "hot", false, &next, &f) == TM_OK);
        rbuf_unpin(b);
        txn_commit();
    }
    MUST(heap_blocks(&rel) == 1);
}

static void
hot_row_after_crash(void *arg)
{
    HeapRel rel = test_table(TABLE + 2);
    int rows;

    MUST(test_sum_now(&rel, &rows) == 5000 && rows == 1);
}

static void
speculative(void *arg)
{
    HeapRel rel = test_table(TABLE + 3);
    ItemPtr t;
    int rows;

    test_create_table(&rel);
    txn_begin();
    t = test_insert(&rel, 1, 1, "a");
    heap_abort_speculative(&rel, t);
    t = test_insert(&rel, 2, 2, "b");
    heap_finish_speculative(&rel, t);
    txn_commit();
    MUST(test_sum_now(&rel, &rows) == 2 && rows == 1);
    txn_begin();
    TestRow *r = test_row(2, 77, "z");
    heap_overwrite(&rel, t, r->v, r->n);
    txn_abort(); /* not transactional */
    MUST(test_sum_now(&rel, &rows) == 77);
    txn_begin(), (void)txn_xid(), txn_commit();
}

static void
speculative_after_crash(void *arg)
{
    HeapRel rel = test_table(TABLE + 3);
    int rows;

    MUST(test_sum_now(&rel, &rows) == 77 && rows == 1);
}

static void
test_housekeeping(void)
{
    RUN_INSTANCE(vacuum_frees_and_cuts, NULL);
    RUN_INSTANCE(vacuum_after_crash, NULL);
    RUN_INSTANCE(hot_row_stays, NULL);
    RUN_INSTANCE(hot_row_after_crash, NULL);
    RUN_INSTANCE(speculative, NULL);
    RUN_INSTANCE(speculative_after_crash, NULL);
}

int
main(int argc, char **argv)
{
    CU_pSuite s;

    test_seed_init(argc, argv);
    test_register("2MB");
    shared = test_shared(sizeof *shared);
    CU_initialize_registry();
    s = CU_add_suite("heap", NULL, NULL);
    CU_add_test(s, "tuples read back as they were formed", test_tuples_read_back);
    CU_add_test(s, "a table is what the model says, across crashes", test_model);
    CU_add_test(s, "vacuum, pruning, speculative insertion", test_housekeeping);
    TEST_MAIN_END();
}
