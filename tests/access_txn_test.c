/*
 * Transactions of one process: visibility of own and others' changes, commands, subtransactions, combo
 * command ids, status after crash and restart, asynchronous commits, multixacts, object ids.
 */
#include "txn_util.h"

#define TABLE 20000

static void
commit_and_abort(void *arg)
{
    HeapRel rel = test_table(TABLE);
    ItemPtr a, b;
    Xid x1, x2;
    int rows;

    test_create_table(&rel);
    txn_begin();
    a = test_insert(&rel, 1, 10, "one");
    x1 = txn_xid();
    MUST(xid_status(x1, NULL) == XS_STATUS_IN_PROGRESS);
    txn_commit();
    MUST(xid_status(x1, NULL) == XS_STATUS_COMMITTED);
    txn_begin();
    b = test_insert(&rel, 2, 100, NULL);
    x2 = txn_xid();
    txn_abort();
    MUST(xid_status(x2, NULL) == XS_STATUS_ABORTED);
    MUST(x2 == x1 + 1 && a.block == b.block);
    MUST(test_sum_now(&rel, &rows) == 10 && rows == 1);
}

static void
after_crash(void *arg)
{
    HeapRel rel = test_table(TABLE);
    int rows;

    MUST(test_sum_now(&rel, &rows) == 10 && rows == 1);
    txn_begin();
    MUST(xid_status(txn_xid(), NULL) == XS_STATUS_IN_PROGRESS);
    txn_abort();
    test_shutdown();
}

static void
test_commit_survives_crash_abort_does_not(void)
{
    RUN_INSTANCE(test_bootstrap, NULL);
    RUN_INSTANCE(commit_and_abort, NULL);
    RUN_INSTANCE(after_crash, NULL);
    RUN_INSTANCE(after_crash, NULL);
}

static int64_t
sum_in_command(HeapRel *rel, int *rows)
{
    int64_t s;

    snapshot_push_active(snapshot_for_statement());
    s = test_sum(rel, snapshot_active(), rows);
    snapshot_pop_active();
    return s;
}

static void
commands(void *arg)
{
    HeapRel rel = test_table(TABLE + 1);
    ItemPtr t, t2;
    TmFailure f;
    int rows;

    test_create_table(&rel);
    txn_begin();
    t = test_insert(&rel, 1, 1, "x");
    MUST(sum_in_command(&rel, &rows) == 0 && rows == 0); /* this command's own */
    txn_command_increment();
    MUST(sum_in_command(&rel, &rows) == 1 && rows == 1);
    /* Inserted and updated by one transaction: both commands are remembered. */
    snapshot_push_active(snapshot_for_statement());
    MUST(test_update(&rel, t, 1, 5, "y", false, &t2, &f) == TM_OK);
    MUST(test_sum(&rel, snapshot_active(), &rows) == 1 && rows == 1); /* the statement sees the old one */
    MUST(test_update(&rel, t, 1, 6, "y", false, &t2, &f) == TM_SELF_MODIFIED);
    snapshot_pop_active();
    txn_command_increment();
    MUST(sum_in_command(&rel, &rows) == 5 && rows == 1);
    MUST(heap_delete(&rel, t2, txn_command(true), NULL, true, &f) == TM_OK);
    txn_command_increment();
    MUST(sum_in_command(&rel, &rows) == 0 && rows == 0);
    txn_commit();
    MUST(test_sum_now(&rel, &rows) == 0 && rows == 0);
}

static void
subtransactions(void *arg)
{
    HeapRel rel = test_table(TABLE + 2);
    Xid top, s1, s2, s3;
    int rows;

    test_create_table(&rel);
    txn_begin();
    txn_begin_sub();
    test_insert(&rel, 1, 1, "a");
    s1 = txn_xid();
    top = txn_top_xid();
    MUST(top < s1 && xid_is_current(s1) && xid_is_current(top));
    txn_begin_sub();
    test_insert(&rel, 2, 10, "b");
    s2 = txn_xid();
    txn_commit_sub();
    txn_abort_sub(); /* takes the committed child with it */
    MUST(!xid_is_current(s1) && !xid_is_current(s2) && xid_is_current(top));
    MUST(xid_status(s2, NULL) == XS_STATUS_ABORTED);
    txn_begin_sub();
    test_insert(&rel, 3, 100, "c");
    s3 = txn_xid();
    txn_commit_sub();
    txn_begin_sub();
    txn_begin_sub();
    test_insert(&rel, 4, 1000, "d");
    txn_commit_sub();
    txn_commit_sub();
    txn_command_increment();
    MUST(sum_in_command(&rel, &rows) == 1100 && rows == 2);
    MUST(xid_status(s3, NULL) == XS_STATUS_IN_PROGRESS);
    txn_commit();
    MUST(xid_status(s1, NULL) == XS_STATUS_ABORTED && xid_status(s3, NULL) == XS_STATUS_COMMITTED);
    MUST(test_sum_now(&rel, &rows) == 1100 && rows == 2);
    txn_begin();
    test_insert(&rel, 5, 5, "e");
    txn_begin_sub();
    test_insert(&rel, 6, 6, "f");
    txn_commit_sub();
    txn_abort();
    MUST(test_sum_now(&rel, &rows) == 1100 && rows == 2);
}

static void
subtransactions_after_crash(void *arg)
{
    HeapRel rel = test_table(TABLE + 2);
    int rows;

    MUST(test_sum_now(&rel, &rows) == 1100 && rows == 2);
}

static void
test_subtransactions_and_commands(void)
{
    RUN_INSTANCE(commands, NULL);
    RUN_INSTANCE(subtransactions, NULL);
    RUN_INSTANCE(subtransactions_after_crash, NULL);
}

/* More ids than the ring has words, with a transaction and a snapshot that stay. */
static void
other_burns_ids(int n)
{
    for (int i = 0; i < 10000; i++) {
        txn_begin();
        (void)txn_xid();
        if (i % 3 == 0)
            txn_abort();
        else
            txn_commit();
    }
}

static void
ring_wraps(void *arg)
{
    HeapRel rel = test_table(TABLE + 3);
    Snapshot old;
    Xid mine, sub, before, first, last;
    int rows;

    test_create_table(&rel);
    first = xid_next();
    before = xid_next();
    txn_begin();
    test_insert(&rel, 1, 1, "old");
    txn_commit();
    txn_begin();
    test_insert(&rel, 2, 10, "mine");
    mine = txn_xid();
    txn_begin_sub();
    test_insert(&rel, 3, 100, "sub");
    sub = txn_xid();
    txn_commit_sub();
    snapshot_push_active(snapshot_for_statement());
    old = *snapshot_active();
    test_sessions(other_burns_ids, 2);
    MUST(xid_next() >= mine + 20000);
    MUST(xid_status(before, NULL) == XS_STATUS_COMMITTED);
    MUST(xid_status(mine, NULL) == XS_STATUS_IN_PROGRESS && xid_status(sub, NULL) == XS_STATUS_IN_PROGRESS);
    /* What the others committed after the old snapshot is known to be later, though out of the ring. */
    last = xid_next();
    for (Xid x = mine + 2; x < last; x++) {
        MUST(!xid_in_snapshot(x, &old));
        MUST(xid_status(x, NULL) != XS_STATUS_IN_PROGRESS);
    }
    MUST(horizon_lsn(false) <= old.lsn && horizon_xid() <= mine);
    wal_checkpoint(CHECKPOINT_IMMEDIATE | CHECKPOINT_FORCE);
    MUST(xid_status(mine, NULL) == XS_STATUS_IN_PROGRESS && xid_status(sub, NULL) == XS_STATUS_IN_PROGRESS);
    MUST(!xid_in_snapshot(mine + 2, &old));
    txn_commit();
    MUST(xid_status(mine, NULL) == XS_STATUS_COMMITTED && xid_status(sub, NULL) == XS_STATUS_COMMITTED);
    MUST(test_sum_now(&rel, &rows) == 111 && rows == 3);
    MUST(horizon_xid() == xid_next());
    wal_checkpoint(CHECKPOINT_IMMEDIATE | CHECKPOINT_FORCE);
    int committed = 0, aborted = 0;
    for (Xid x = mine + 2; x < last; x++)
        if (xid_status(x, NULL) == XS_STATUS_COMMITTED)
            committed++;
        else
            aborted++;
    MUST(committed == 2 * 6666 && aborted == 2 * 3334);
    (void)first;
}

static void
ring_after_crash(void *arg)
{
    HeapRel rel = test_table(TABLE + 3);
    int rows;

    MUST(test_sum_now(&rel, &rows) == 111 && rows == 3);
}

static void
test_ids_outlive_the_ring(void)
{
    RUN_INSTANCE(ring_wraps, NULL);
    RUN_INSTANCE(ring_after_crash, NULL);
}

static void
async_commit(void *arg)
{
    HeapRel rel = test_table(TABLE + 4);
    Lsn before;
    int rows;

    test_create_table(&rel);
    synchronous_commit = SYNC_COMMIT_OFF;
    before = wal_flushed();
    txn_begin();
    test_insert(&rel, 1, 7, "async");
    txn_commit();
    MUST(wal_flushed() == before);                            /* nothing waited for */
    MUST(test_sum_now(&rel, &rows) == 7 && rows == 1);        /* and yet seen */
    synchronous_commit = SYNC_COMMIT_ON;
    txn_begin();
    (void)txn_xid();
    txn_commit();
    MUST(wal_flushed() > before);
}

static void
multixacts(void *arg)
{
    MultiMember m[3] = {{100, MULTI_KEY_SHARE}, {102, MULTI_NO_KEY_UPDATE}, {101, MULTI_SHARE}}, *out;
    MultiId ids[300];
    Arena *a = arena_create(NULL, "multi");

    txn_begin();
    for (int i = 0; i < 300; i++) {
        m[0].xid = 100 + (Xid)i * 5;
        ids[i] = multi_create(m, i % 2 ? 3 : 2);
        MUST(multi_create(m, i % 2 ? 3 : 2) == ids[i]); /* the same set, the same id */
    }
    for (int i = 0; i < 300; i++) {
        int n = multi_members(ids[i], a, &out), found = 0;

        MUST(n == (i % 2 ? 3 : 2));
        for (int k = 0; k < n; k++)
            found += out[k].xid == 100 + (Xid)i * 5 && out[k].status == MULTI_KEY_SHARE;
        MUST(found == 1);
    }
    txn_commit();
    if (arg)
        wal_checkpoint(CHECKPOINT_IMMEDIATE | CHECKPOINT_FORCE);
    else
        txn_begin(), (void)txn_xid(), txn_commit(); /* makes the log durable */
}

static void
multixacts_after_crash(void *arg)
{
    Arena *a = arena_create(NULL, "multi");
    MultiMember *out, one[2] = {{7, MULTI_SHARE}, {8, MULTI_SHARE}};
    int found = 0;

    for (MultiId id = 1; id <= 600; id++) {
        int n = multi_members(id, a, &out);

        for (int k = 0; k < n; k++)
            found += out[k].status == MULTI_NO_KEY_UPDATE && out[k].xid == 102;
    }
    MUST(found == 600);
    txn_begin();
    MUST(multi_create(one, 2) == 601);
    txn_commit();
}

static void
oids(void *arg)
{
    Oid *last = arg, o = 0;

    for (int i = 0; i < 20000; i++) {
        Oid n = oid_next();

        MUST(n > *last && n >= OID_FIRST_USER && n != o);
        o = n;
    }
    *last = o;
    txn_begin();
    (void)txn_xid();
    txn_commit();
}

static void
test_multixacts_and_oids(void)
{
    Oid *last = test_shared(sizeof *last);

    RUN_INSTANCE(async_commit, NULL);
    RUN_INSTANCE(multixacts, NULL);
    RUN_INSTANCE(multixacts, (void *)1);
    RUN_INSTANCE(multixacts_after_crash, NULL);
    RUN_INSTANCE(oids, last);
    RUN_INSTANCE(oids, last);
}

/* Files of transactions that end or do not. */
static bool
gone(HeapRel *rel) /* an empty first segment may stay until the next checkpoint */
{
    BlockNo n;

    return !relfile_exists(rel->locator, FORK_MAIN) ||
           (relfile_block_count(rel->locator, FORK_MAIN, &n) == ERR_OK && n == 0);
}

static void
storage_makes(void *arg)
{
    HeapRel a = test_table(TABLE + 10), b = test_table(TABLE + 11), c = test_table(TABLE + 12),
            d = test_table(TABLE + 13);

    test_create_table(&a);
    txn_begin();
    storage_create(b.locator, true);
    test_insert(&b, 1, 1, "b");
    MUST(!gone(&b));
    txn_abort();
    MUST(gone(&b));
    txn_begin();
    test_insert(&a, 1, 1, "a");
    txn_begin_sub();
    storage_create(d.locator, true);
    test_insert(&d, 1, 1, "d");
    txn_abort_sub();
    MUST(gone(&d));
    storage_drop(a.locator);
    txn_abort();
    MUST(!gone(&a));
    txn_begin();
    storage_drop(a.locator);
    txn_commit();
    MUST(gone(&a));
    txn_begin();
    storage_create(c.locator, true);
    test_insert(&c, 1, 1, "lost");
    wal_flush_to(wal_insert_position());
}

static void
storage_after_crash(void *arg)
{
    HeapRel a = test_table(TABLE + 10), c = test_table(TABLE + 12);

    MUST(!relfile_exists(c.locator, FORK_MAIN)); /* never decided: gone */
    MUST(gone(&a));
}

static void
test_storage(void)
{
    RUN_INSTANCE(storage_makes, NULL);
    RUN_INSTANCE(storage_after_crash, NULL);
}

static int parts_redone;
static const char *part_text = "";
static void part_fill(bool commit, StrBuf *out) { if (commit) str_add(out, part_text); }
static int *parts_seen;
static void
part_redo(Xid xid, bool commit, const char *bytes, size_t n)
{
    MUST(commit && n == 5 && memcmp(bytes, "hello", 5) == 0);
    parts_redone++;
    *parts_seen = parts_redone;
}

static void
parts_write(void *arg)
{
    txn_begin();
    part_text = "hello";
    txn_commit();
    part_text = "";
}

static void parts_check(void *arg) { MUST(*parts_seen == 1); }

static void
test_record_parts(void)
{
    RUN_INSTANCE(parts_write, NULL);
    RUN_INSTANCE(parts_check, NULL);
}

int
main(int argc, char **argv)
{
    CU_pSuite s;

    test_seed_init(argc, argv);
    test_register("4MB");
    parts_seen = test_shared(64);
    txn_register_record_part(part_fill, part_redo);
    CU_initialize_registry();
    s = CU_add_suite("txn", NULL, NULL);
    CU_add_test(s, "a commit survives a crash, an abort does not", test_commit_survives_crash_abort_does_not);
    CU_add_test(s, "commands and subtransactions see what they should", test_subtransactions_and_commands);
    CU_add_test(s, "statuses and order outlive the ring", test_ids_outlive_the_ring);
    CU_add_test(s, "asynchronous commits, multixacts, object ids", test_multixacts_and_oids);
    CU_add_test(s, "files follow their transactions", test_storage);
    CU_add_test(s, "record parts reach redo", test_record_parts);
    TEST_MAIN_END();
}
