/*
 * Cutting the commit log: what vacuum says no tuple holds any more, whole segments going at a checkpoint, rows
 * of every history read right after that, and after crashes before and behind each step.
 */
#include "txn_util.h"

#include <unistd.h>

#define TABLE 21000
#define SEGMENT_IDS (32u * (8192u - 16u) * 4u)

typedef struct Shared {
    Xid frozen;
    MultiId multi;
} Shared;
static Shared *shared;

static bool
segment_exists(const char *name)
{
    return access(name, F_OK) == 0;
}

static void
burn_ids(Xid upto)
{
    while (xid_next() < upto) {
        txn_begin();
        (void)txn_xid();
        txn_abort();
    }
}

/* Rows 1 to 6: plain, delete undone, locked, locked by two, updated, insertion undone. 7 is deleted. */
static void
rows_of_all_kinds(void *arg)
{
    HeapRel rel = test_table(TABLE);
    ItemPtr tid[8], moved;
    TmFailure f;
    TestRow *r;
    bool hot;

    test_create_table(&rel);
    txn_begin();
    for (int i = 1; i <= 5; i++)
        tid[i] = test_insert(&rel, i, 1, "row");
    tid[7] = test_insert(&rel, 7, 100, "deleted");
    txn_commit();
    txn_begin();
    MUST(heap_delete(&rel, tid[1], txn_command(true), NULL, true, &f) == TM_OK);
    test_insert(&rel, 6, 1000, "undone");
    txn_abort();
    txn_begin();
    MUST(heap_delete(&rel, tid[7], txn_command(true), NULL, true, &f) == TM_OK);
    MUST(heap_lock(&rel, tid[3], ROW_EXCLUSIVE, txn_command(true), NULL, WAIT_BLOCK, false, &f) == TM_OK);
    MUST(heap_lock(&rel, tid[4], ROW_KEY_SHARE, txn_command(true), NULL, WAIT_BLOCK, false, &f) == TM_OK);
    txn_begin_sub();
    MUST(heap_lock(&rel, tid[4], ROW_NO_KEY_EXCLUSIVE, txn_command(true), NULL, WAIT_BLOCK, false, &f) == TM_OK);
    txn_commit_sub();
    r = test_row(5, 1, "row");
    MUST(heap_update(&rel, tid[5], r->v, r->n, txn_command(true), NULL, true, false, false, &moved, &hot, &f) == TM_OK);
    txn_commit();
}

static void
check_rows(void)
{
    HeapRel rel = test_table(TABLE);
    int rows;

    MUST(test_sum_now(&rel, &rows) == 5 && rows == 5);
}

static VacuumStats
vacuum(bool freeze)
{
    HeapRel rel = test_table(TABLE);
    VacuumOptions o = {.freeze = freeze, .index_cleanup = true};
    VacuumStats st;

    txn_begin();
    heap_vacuum(&rel, NULL, 0, &o, &st);
    txn_commit();
    return st;
}

static void
cut(void *arg)
{
    VacuumStats st;
    Xid first = xid_next();

    check_rows();
    burn_ids(SEGMENT_IDS + 5000);
    wal_checkpoint(CHECKPOINT_IMMEDIATE | CHECKPOINT_FORCE);
    MUST(segment_exists("pg_xact/0000") && segment_exists("pg_xact/0001"));
    MUST(xid_status(first, NULL) == XS_STATUS_ABORTED);
    /* Without freezing the rows keep their ids, so the bound stays low. */
    st = vacuum(false);
    MUST(st.frozen_xid != 0 && st.frozen_xid < first);
    /* The pages are all-visible now and would be skipped: nothing is known then. */
    st = vacuum(true);
    MUST(st.frozen_xid > SEGMENT_IDS && st.frozen_xid <= xid_next());
    (void)multi_safe_bound();
    burn_ids(xid_next() + 3);
    st = vacuum(true);
    MUST(st.min_multi >= 1);
    check_rows();
    txn_raise_oldest(st.frozen_xid, st.min_multi);
    shared->frozen = st.frozen_xid;
    shared->multi = st.min_multi;
    MUST(segment_exists("pg_xact/0000")); /* until a checkpoint */
    if (arg)
        return; /* crash between the record and the removal */
    wal_checkpoint(CHECKPOINT_IMMEDIATE | CHECKPOINT_FORCE);
    MUST(!segment_exists("pg_xact/0000") && segment_exists("pg_xact/0001"));
    check_rows();
}

static void
after_cut(void *arg)
{
    HeapRel rel = test_table(TABLE);
    Xid recent;

    MUST(xid_oldest() >= shared->frozen && multi_oldest() >= shared->multi);
    check_rows();
    txn_begin();
    recent = txn_xid();
    test_insert(&rel, 9, 0, "later");
    txn_commit();
    wal_checkpoint(CHECKPOINT_IMMEDIATE | CHECKPOINT_FORCE);
    MUST(!segment_exists("pg_xact/0000"));
    MUST(xid_status(recent, NULL) == XS_STATUS_COMMITTED);
    txn_begin();
    MUST(heap_delete(&rel, (ItemPtr){0, 1}, txn_command(true), NULL, true, NULL) == TM_OK); /* row 1: no trace of its old deleter */
    txn_abort();
    /* back to where it was */
    txn_begin();
    (void)txn_xid();
    txn_commit();
}

static void
test_segments_go_and_rows_stay(void)
{
    RUN_INSTANCE(test_bootstrap, NULL);
    RUN_INSTANCE(rows_of_all_kinds, NULL);
    RUN_INSTANCE(cut, "crash");
    RUN_INSTANCE(after_cut, NULL);
}

static void
catalog_values(void *arg)
{
    Xid oldest = xid_oldest();

    MUST(xid_from_catalog(xid_to_catalog(oldest)) == oldest);
    MUST(xid_from_catalog(xid_to_catalog(oldest + 1000)) == oldest + 1000);
    MUST(xid_from_catalog(xid_to_catalog(oldest + (UINT64_C(1) << 31) - 1)) == oldest + (UINT64_C(1) << 31) - 1);
    /* too far to be told: something lower, which is always right */
    MUST(xid_from_catalog(xid_to_catalog(oldest + (UINT64_C(1) << 33))) == oldest + (UINT64_C(1) << 31) - 1);
    MUST(xid_from_catalog((uint32_t)(oldest - 5)) == oldest);
}

static void
test_catalogs_keep_32_bits(void)
{
    RUN_INSTANCE(catalog_values, NULL);
}

/* A transaction that is still running holds the bound back. */
static void
running_session(int unused)
{
    txn_begin();
    shared->frozen = txn_xid();
    for (;;)
        pause();
}

static void
running_holds_back(void *arg)
{
    pid_t child;
    VacuumStats st;

    shared->frozen = 0;
    child = test_session(running_session, 0);
    while (__atomic_load_n(&shared->frozen, __ATOMIC_ACQUIRE) == 0)
        usleep(1000);
    burn_ids(xid_next() + 100);
    st = vacuum(true);
    MUST(st.frozen_xid != 0 && st.frozen_xid <= shared->frozen);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static void
test_running_transactions_hold_it_back(void)
{
    RUN_INSTANCE(running_holds_back, NULL);
}

int
main(int argc, char **argv)
{
    CU_pSuite s;

    test_seed_init(argc, argv);
    test_register("4MB");
    shared = test_shared(sizeof *shared);
    CU_initialize_registry();
    s = CU_add_suite("truncate", NULL, NULL);
    CU_add_test(s, "segments of the commit log go, rows stay as they were", test_segments_go_and_rows_stay);
    CU_add_test(s, "catalogs keep 32 bits", test_catalogs_keep_32_bits);
    CU_add_test(s, "running transactions hold it back", test_running_transactions_hold_it_back);
    TEST_MAIN_END();
}
