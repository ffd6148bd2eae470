/*
 * Sequences: values against PostgreSQL's rules, limits and cycles, many sessions, and crashes that may
 * skip values but never repeat one.
 */
#include "txn_util.h"

#include "core/access/sequence.h"

#define SEQ 24000
#define SESSIONS 6
#define EACH 3000

typedef struct Shared { _Atomic int64_t highest; _Atomic unsigned char taken[SESSIONS * EACH * 4]; } Shared;
static Shared *shared;

static HeapRel
test_seq(Oid oid)
{
    static const AttrSpec specs[3] = {{.type = INT8_OID, .len = 8, .byval = true, .not_null = true, .late_rank = -1, .storage = 'p'},
                                      {.type = INT8_OID, .len = 8, .byval = true, .not_null = true, .late_rank = -1, .storage = 'p'},
                                      {.type = BOOL_OID, .len = 1, .byval = true, .not_null = true, .late_rank = -1, .storage = 'p'}};
    static TupleLayout *l;
    HeapRel r = test_table(oid);

    if (!l)
        l = layout_build(arena_top(), specs, 3);
    r.layout = l;
    r.name = "s";
    return r;
}

static void
create(HeapRel *r, const SeqParams *p)
{
    txn_begin();
    storage_create(r->locator, true);
    seq_create(r, p, p->start, false);
    txn_commit();
}

static int64_t
next(HeapRel *r, const SeqParams *p)
{
    int64_t last, v;

    txn_begin();
    v = seq_next(r, p, &last);
    txn_commit();
    return v;
}

static bool
next_fails(HeapRel *r, const SeqParams *p, const char *message)
{
    volatile bool failed = false;

    ERR_TRY {
        (void)next(r, p);
    } ERR_CATCH {
        failed = err_current()->sqlstate == SQLSTATE_SEQUENCE_GENERATOR_LIMIT_EXCEEDED && strcmp(err_current()->message, message) == 0;
        err_clear();
        txn_abort();
    } ERR_END;
    return failed;
}

static void
rules(void *arg)
{
    SeqParams up = {.start = 1, .increment = 1, .max = INT64_MAX, .min = 1, .cache = 1}, few = {.start = 5, .increment = 3, .max = 10, .min = 1, .cache = 1},
              down = {.start = -1, .increment = -1, .max = -1, .min = -3, .cache = 1, .cycle = true}, cached = {.start = 1, .increment = 1, .max = 25, .min = 1, .cache = 10};
    HeapRel r = test_seq(SEQ), f = test_seq(SEQ + 1), d = test_seq(SEQ + 2), c = test_seq(SEQ + 3);
    int64_t last;
    SeqState s;
    int rows;
    static TupleBatch b;

    create(&r, &up);
    create(&f, &few);
    create(&d, &down);
    create(&c, &cached);
    s = seq_read(&r);
    MUST(s.last_value == 1 && !s.is_called && s.log_count == 0);
    MUST(next(&r, &up) == 1);
    s = seq_read(&r);
    MUST(s.last_value == 1 && s.is_called && s.log_count == 32);
    MUST(next(&r, &up) == 2);
    MUST(seq_read(&r).log_count == 31);
    txn_begin();
    seq_set(&r, &up, 100, true);
    txn_abort(); /* not undone */
    MUST(next(&r, &up) == 101);
    txn_begin();
    seq_set(&r, &up, 50, false);
    txn_commit();
    MUST(next(&r, &up) == 50 && next(&r, &up) == 51);

    MUST(next(&f, &few) == 5 && next(&f, &few) == 8);
    MUST(next_fails(&f, &few, "nextval: reached maximum value of sequence \"s\" (10)"));
    MUST(next_fails(&f, &few, "nextval: reached maximum value of sequence \"s\" (10)"));
    MUST(next(&d, &down) == -1 && next(&d, &down) == -2 && next(&d, &down) == -3 && next(&d, &down) == -1);
    down.cycle = false;
    MUST(next(&d, &down) == -2 && next(&d, &down) == -3);
    MUST(next_fails(&d, &down, "nextval: reached minimum value of sequence \"s\" (-3)"));

    txn_begin();
    MUST(seq_next(&c, &cached, &last) == 1 && last == 10);
    MUST(seq_next(&c, &cached, &last) == 11 && last == 20);
    MUST(seq_next(&c, &cached, &last) == 21 && last == 25);
    txn_commit();
    MUST(next_fails(&c, &cached, "nextval: reached maximum value of sequence \"s\" (25)"));

    txn_begin(); /* as a table: one row, which everybody sees */
    {
        Arena *a = arena_create(NULL, "scan");
        HeapScan *scan = heap_scan_begin(a, &r, snapshot_latest());

        for (rows = 0; heap_scan_next(scan, &b);)
            rows += b.n;
        heap_scan_end(scan);
        arena_destroy(a);
    }
    txn_commit();
    MUST(rows == 1);
}

static void
counted(int number)
{
    SeqParams up = {.start = 0, .increment = 1, .max = INT64_MAX, .min = 0, .cache = 1 + number % 2 * 4};
    HeapRel r = test_seq(SEQ + 10);

    for (int i = 0; i < EACH / up.cache; i++) {
        int64_t last, v;

        txn_begin();
        v = seq_next(&r, &up, &last);
        txn_commit();
        MUST(last == v + up.cache - 1);
        for (; v <= last; v++) {
            int64_t high = atomic_load(&shared->highest);

            MUST(v >= 0 && v < (int64_t)sizeof shared->taken);
            MUST(atomic_exchange(&shared->taken[v], 1) == 0);
            while (v > high && !atomic_compare_exchange_weak(&shared->highest, &high, v))
                ;
        }
    }
}

static void
many(void *arg)
{
    SeqParams up = {.start = 0, .increment = 1, .max = INT64_MAX, .min = 0, .cache = 1};
    HeapRel r = test_seq(SEQ + 10);

    if (!arg)
        create(&r, &up);
    MUST(arg == NULL || next(&r, &up) > atomic_load(&shared->highest)); /* after a crash: never again */
    test_sessions(counted, SESSIONS);
    if (arg)
        wal_checkpoint(CHECKPOINT_IMMEDIATE | CHECKPOINT_FORCE);
    for (int i = 0; i < 3; i++) { /* the first change after a checkpoint is logged */
        int64_t v = next(&r, &up);

        MUST(v > atomic_load(&shared->highest));
        atomic_store(&shared->highest, v);
    }
}

static void
test_rules(void)
{
    RUN_INSTANCE(test_bootstrap, NULL);
    RUN_INSTANCE(rules, NULL);
}

static void
test_many(void)
{
    atomic_store(&shared->highest, -1);
    for (uintptr_t i = 0; i < 3; i++)
        RUN_INSTANCE(many, (void *)i);
}

int
main(int argc, char **argv)
{
    CU_pSuite s;

    test_seed_init(argc, argv);
    test_register("2MB");
    seq_register_redo();
    shared = test_shared(sizeof *shared);
    CU_initialize_registry();
    s = CU_add_suite("sequence", NULL, NULL);
    CU_add_test(s, "values, limits, cycles", test_rules);
    CU_add_test(s, "no value twice among sessions and across crashes", test_many);
    TEST_MAIN_END();
}
