/*
 * Many sessions on one table: money moves between rows, one hot row counts all transactions, readers
 * check in every snapshot that nothing is lost, doubled or half-seen; vacuum and checkpoints run beside
 * them; the whole instance is killed at random moments and must come back with all that was acknowledged.
 */
#include "txn_util.h"

#define TABLE 22000
#define ROWS 30
#define HOT 1000
#define SESSION_ROW 2000
#define SESSIONS 5

typedef struct Shared {
    _Atomic int stop;
    _Atomic long acked[SESSIONS];
    _Atomic long commits, aborts, deadlocks, scans, vacuums, waits;
    _Atomic int ready;
} Shared;
static Shared *shared;

/* The row as this statement's snapshot sees it. */
static bool
find_row(HeapRel *rel, int32_t id, ItemPtr *tid)
{
    static TupleBatch b;
    Arena *a = arena_create(NULL, "find");
    HeapScan *scan;
    Vec *v = vec_new(a);
    int found = 0;

    snapshot_push_active(snapshot_for_statement());
    scan = heap_scan_begin(a, rel, snapshot_active());
    while (heap_scan_next(scan, &b)) {
        tuple_gather(rel, &b, b.n, NULL, 1, a, v);
        for (int i = 0; i < b.n; i++)
            if ((int32_t)v->v[i] == id) {
                *tid = b.tid[i];
                found++;
            }
    }
    heap_scan_end(scan);
    snapshot_pop_active();
    arena_destroy(a);
    MUST(found <= 1);
    return found == 1;
}

/* UPDATE test SET value = value + delta WHERE id = id, read committed. */
static void
add_to(HeapRel *rel, int32_t id, int64_t delta, uint64_t *rnd)
{
    Snapshot any = {.kind = SNAPSHOT_ANY};
    ItemPtr tid, next;
    TmFailure f;
    bool key = test_random(rnd) % 10 == 0, index = key || test_random(rnd) % 4 == 0, hot;
    TmResult r;
    Tuple t;
    Buf b;

    snapshot_push_active(snapshot_for_statement()); /* keeps the versions on the way from being removed */
    MUST(find_row(rel, id, &tid));
    for (;;) {
        TestRow *row;

        if (!test_lock_newest(rel, &tid, key ? ROW_EXCLUSIVE : ROW_NO_KEY_EXCLUSIVE))
            MUST(!"row is gone");
        MUST(heap_fetch_version(rel, tid, &any, &b, &t));
        MUST(test_value(&t, 1) == id);
        row = test_row(id, test_value(&t, 2) + delta, test_random(rnd) % 8 ? "x" : "a somewhat longer text that makes the row grow");
        rbuf_unpin(b);
        r = heap_update(rel, tid, row->v, row->n, txn_command(true), NULL, true, key, index, &next, &hot, &f);
        if (r == TM_OK)
            break;
        MUST(r == TM_UPDATED);
        tid = f.ctid;
    }
    snapshot_pop_active();
    txn_command_increment();
}

static void
lock_shared(HeapRel *rel, int32_t id, RowLockMode mode)
{
    ItemPtr tid;

    snapshot_push_active(snapshot_for_statement());
    MUST(find_row(rel, id, &tid));
    MUST(test_lock_newest(rel, &tid, mode));
    snapshot_pop_active();
    txn_command_increment();
}

/* Every snapshot: all rows, each once, nothing gained or lost. extra: rows that are no accounts. */
static void
check_sums(HeapRel *rel, int *hot_out)
{
    static TupleBatch b;
    Arena *a = arena_create(NULL, "check");
    HeapScan *scan;
    Vec *id = vec_new(a), *v = vec_new(a);
    int64_t sum = 0, hot = -1, per_session = 0;
    int rows = 0;

    snapshot_push_active(snapshot_for_statement());
    scan = heap_scan_begin(a, rel, snapshot_active());
    while (heap_scan_next(scan, &b)) {
        tuple_gather(rel, &b, b.n, NULL, 1, a, id);
        tuple_gather(rel, &b, b.n, NULL, 2, a, v);
        for (int i = 0; i < b.n; i++) {
            if (id->v[i] == HOT) {
                MUST(hot == -1);
                hot = (int64_t)v->v[i];
            } else if (id->v[i] >= SESSION_ROW) {
                per_session += (int64_t)v->v[i];
            } else {
                sum += (int64_t)v->v[i];
            }
        }
        rows += b.n;
    }
    heap_scan_end(scan);
    snapshot_pop_active();
    arena_destroy(a);
    if (rows != ROWS + 1 + SESSIONS || sum != 0 || hot != per_session)
        fprintf(stderr, "rows %d sum %ld hot %ld sessions %ld\n", rows, (long)sum, (long)hot, (long)per_session);
    MUST(rows == ROWS + 1 + SESSIONS);
    MUST(sum == 0);
    MUST(hot == per_session);
    if (hot_out)
        *hot_out = (int)hot;
}

static void
one_transfer(HeapRel *rel, int me, uint64_t *rnd)
{
    int from = (int)(test_random(rnd) % ROWS), to = (int)(test_random(rnd) % ROWS);
    int64_t amount = (int64_t)(test_random(rnd) % 100);

    synchronous_commit = test_random(rnd) % 6 == 0 ? SYNC_COMMIT_OFF : SYNC_COMMIT_ON;
    txn_begin();
    if (test_random(rnd) % 3 == 0)
        lock_shared(rel, (int32_t)(test_random(rnd) % ROWS), test_random(rnd) % 2 ? ROW_KEY_SHARE : ROW_SHARE);
    add_to(rel, from, -amount, rnd);
    if (test_random(rnd) % 5 == 0) { /* a savepoint rolled back */
        txn_begin_sub();
        add_to(rel, to, 1000, rnd);
        txn_abort_sub();
    }
    if (test_random(rnd) % 5 == 0) {
        txn_begin_sub();
        add_to(rel, to, amount, rnd);
        txn_commit_sub();
    } else {
        add_to(rel, to, amount, rnd);
    }
    add_to(rel, SESSION_ROW + me, 1, rnd);
    add_to(rel, HOT, 1, rnd);
    if (test_random(rnd) % 2)
        check_sums(rel, NULL); /* what we build on is seen, durable or not */
    if (test_random(rnd) % 10 == 0) {
        txn_abort();
        shared->aborts++;
        return;
    }
    txn_commit();
    if (synchronous_commit == SYNC_COMMIT_ON)
        shared->acked[me]++;
    shared->commits++;
}

static void
writer(int me)
{
    HeapRel rel = test_table(TABLE);
    uint64_t rnd = test_seed * 100u + (unsigned)me + (uint64_t)getpid();

    while (!shared->stop) {
        ERR_TRY {
            one_transfer(&rel, me, &rnd);
        }
        ERR_CATCH {
            if (err_current()->sqlstate != SQLSTATE_T_R_DEADLOCK_DETECTED)
                fprintf(stderr, "raised: %s (%s:%d)\n", err_current()->message, err_current()->file, err_current()->line);
            MUST(err_current()->sqlstate == SQLSTATE_T_R_DEADLOCK_DETECTED);
            err_clear();
            txn_abort();
            shared->deadlocks++;
        }
        ERR_END;
        MUST(buf_my_pin_count() == 0);
    }
}

static void
reader(int me)
{
    HeapRel rel = test_table(TABLE);
    int last = -1, hot, again;

    while (!shared->stop) {
        txn_begin();
        if (me % 2) {
            txn_isolation = ISO_REPEATABLE_READ;
            check_sums(&rel, &hot);
            usleep(2000);
            check_sums(&rel, &again);
            MUST(hot == again);
        } else {
            check_sums(&rel, &hot);
            check_sums(&rel, &again);
            MUST(again >= hot);
            hot = again;
        }
        txn_commit();
        MUST(hot >= last); /* time does not run backwards */
        last = hot;
        shared->scans++;
    }
}

static void
housekeeper(int me)
{
    HeapRel rel = test_table(TABLE);
    VacuumOptions o = {.truncate = true, .index_cleanup = true};
    VacuumStats st;

    while (!shared->stop) {
        txn_begin();
        lock_acquire_or_raise(lock_tag_relation(rel.db, rel.oid), LOCK_SHARE_UPDATE_EXCLUSIVE);
        o.freeze = shared->vacuums % 3 == 0;
        o.truncate = false; /* scans here take no relation lock */
        heap_vacuum(&rel, NULL, 0, &o, &st);
        txn_commit();
        shared->vacuums++;
        if (shared->vacuums % 20 == 0)
            wal_checkpoint(CHECKPOINT_IMMEDIATE | CHECKPOINT_FORCE);
        usleep(500);
    }
}

static void
session(int number)
{
    if (number < SESSIONS)
        writer(number);
    else if (number < SESSIONS + 2)
        reader(number);
    else
        housekeeper(number);
}

static void
create(void *arg)
{
    HeapRel rel = test_table(TABLE);

    test_create_table(&rel);
    txn_begin();
    for (int i = 0; i < ROWS; i++)
        test_insert(&rel, i, 0, "x");
    test_insert(&rel, HOT, 0, "hot");
    for (int i = 0; i < SESSIONS; i++)
        test_insert(&rel, SESSION_ROW + i, 0, "s");
    txn_commit();
}

/* Runs all sessions until killed, or for a time. */
static void
churn(void *arg)
{
    HeapRel rel = test_table(TABLE);
    pid_t pids[SESSIONS + 3];
    int total, hot;
    long acked = 0;

    setpgid(0, 0);
    txn_begin();
    check_sums(&rel, &hot);
    for (int i = 0; i < SESSIONS; i++) { /* acknowledged before the kill: there */
        Snapshot any = {.kind = SNAPSHOT_ANY};
        ItemPtr tid;
        Tuple t;
        Buf b;

        MUST(find_row(&rel, SESSION_ROW + i, &tid) && heap_fetch_version(&rel, tid, &any, &b, &t));
        MUST(test_value(&t, 2) >= shared->acked[i]);
        shared->acked[i] = test_value(&t, 2);
        rbuf_unpin(b);
    }
    txn_commit();
    shared->stop = 0;
    shared->ready = 1;
    for (int i = 0; i < SESSIONS + 3; i++)
        pids[i] = test_session(session, i);
    usleep((useconds_t)(uintptr_t)arg);
    shared->stop = 1;
    for (int i = 0; i < SESSIONS + 3; i++)
        MUST(test_wait_child(pids[i]) == 0);
    txn_begin();
    check_sums(&rel, &total);
    txn_commit();
    (void)acked;
    MUST(total >= hot);
}

static void
test_churn(void)
{
    RUN_INSTANCE(test_bootstrap, NULL);
    RUN_INSTANCE(create, NULL);
    RUN_INSTANCE(churn, (void *)(uintptr_t)4000000);
    printf("%ld commits, %ld aborts, %ld deadlocks, %ld scans, %ld vacuums ", (long)shared->commits, (long)shared->aborts,
           (long)shared->deadlocks, (long)shared->scans, (long)shared->vacuums);
    CU_ASSERT(shared->commits > 50 && shared->scans > 10 && shared->vacuums > 5);
}

/* ---- kill -9 of everything ---- */

static void
test_kill(void)
{
    uint64_t rnd = test_seed;

    for (int round = 0; round < 12; round++) {
        int status;
        pid_t pid;

        shared->ready = 0;
        fflush(NULL);
        pid = fork();
        if (pid == 0) {
            shm_create_for_test();
            MUST(proc_attach(PROC_STANDALONE) == ERR_OK);
            test_attach();
            wal_startup();
            txn_startup();
            churn((void *)(uintptr_t)30000000);
            _exit(0);
        }
        while (!shared->ready && waitpid(pid, &status, WNOHANG) == 0)
            usleep(1000);
        usleep((useconds_t)(test_random(&rnd) % 400000));
        kill(-pid, SIGKILL);
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        CU_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        usleep(20000); /* the children die with it */
    }
    RUN_INSTANCE(churn, (void *)(uintptr_t)300000);
}

/* ---- row locks, one pair of modes at a time ---- */

static ItemPtr lock_tid;
static RowLockMode held_mode;

static void
other_tries(int unused)
{
    static const bool conflicts[4][4] = {{0, 0, 0, 1}, {0, 0, 1, 1}, {0, 1, 1, 1}, {1, 1, 1, 1}};
    HeapRel rel = test_table(TABLE + 1);
    volatile int code = 0;
    TmFailure f;

    for (RowLockMode m = ROW_KEY_SHARE; m <= ROW_EXCLUSIVE; m++) {
        TmResult r;

        txn_begin();
        r = heap_lock(&rel, lock_tid, m, txn_command(true), NULL, WAIT_SKIP, true, &f);
        MUST(r == (conflicts[held_mode][m] ? TM_WOULD_BLOCK : TM_OK));
        txn_abort();
    }
    txn_begin();
    ERR_TRY {
        MUST(heap_lock(&rel, lock_tid, ROW_EXCLUSIVE, txn_command(true), NULL, WAIT_ERROR, true, &f) != TM_OK);
    }
    ERR_CATCH {
        code = err_current()->sqlstate == SQLSTATE_LOCK_NOT_AVAILABLE;
        err_clear();
    }
    ERR_END;
    MUST(code);
    txn_abort();
    /* A no-key update goes with key-share locks and carries them on. */
    if (held_mode == ROW_KEY_SHARE) {
        ItemPtr next;

        txn_begin();
        MUST(test_update(&rel, lock_tid, 1, 2, "b", false, &next, &f) == TM_OK);
        txn_commit();
        txn_begin();
        MUST(heap_lock(&rel, next, ROW_EXCLUSIVE, txn_command(true), NULL, WAIT_SKIP, true, &f) == TM_WOULD_BLOCK);
        MUST(heap_lock(&rel, next, ROW_NO_KEY_EXCLUSIVE, txn_command(true), NULL, WAIT_SKIP, true, &f) == TM_OK);
        txn_abort();
    }
}

static void
lock_matrix(void *arg)
{
    HeapRel rel = test_table(TABLE + 1);
    TmFailure f;

    test_create_table(&rel);
    for (held_mode = ROW_KEY_SHARE; held_mode <= ROW_EXCLUSIVE; held_mode++) {
        txn_begin();
        lock_tid = test_insert(&rel, (int32_t)held_mode, 1, "a");
        txn_commit();
        txn_begin();
        MUST(heap_lock(&rel, lock_tid, held_mode, txn_command(true), NULL, WAIT_BLOCK, true, &f) == TM_OK);
        MUST(test_wait_child(test_session(other_tries, 0)) == 0);
        txn_commit();
    }
}

/* Two of ours lock, the weaker by a subtransaction that is rolled back. */
static void
own_levels(void *arg)
{
    HeapRel rel = test_table(TABLE + 1);
    TmFailure f;

    txn_begin();
    lock_tid = test_insert(&rel, 9, 1, "a");
    txn_commit();
    txn_begin();
    held_mode = ROW_SHARE;
    MUST(heap_lock(&rel, lock_tid, ROW_SHARE, txn_command(true), NULL, WAIT_BLOCK, true, &f) == TM_OK);
    txn_begin_sub();
    MUST(heap_lock(&rel, lock_tid, ROW_EXCLUSIVE, txn_command(true), NULL, WAIT_BLOCK, true, &f) == TM_OK);
    txn_abort_sub();
    MUST(test_wait_child(test_session(other_tries, 0)) == 0);
    txn_commit();
}

static void
dirty_looker(int unused)
{
    HeapRel rel = test_table(TABLE + 1);
    Snapshot dirty = {.kind = SNAPSHOT_DIRTY}, self = {.kind = SNAPSHOT_SELF};
    Tuple t;
    Buf b;

    txn_begin();
    MUST(heap_fetch(&rel, lock_tid, &dirty, &b, &t, NULL));
    MUST(dirty.in_progress_xmin != 0 && xid_status(dirty.in_progress_xmin, NULL) == XS_STATUS_IN_PROGRESS);
    rbuf_unpin(b);
    MUST(!heap_fetch(&rel, lock_tid, &self, &b, &t, NULL));
    txn_commit();
}

static void
dirty(void *arg)
{
    HeapRel rel = test_table(TABLE + 1);

    txn_begin();
    lock_tid = test_insert(&rel, 10, 1, "a");
    MUST(test_wait_child(test_session(dirty_looker, 0)) == 0);
    txn_commit();
}

static void
test_row_locks(void)
{
    RUN_INSTANCE(lock_matrix, NULL);
    RUN_INSTANCE(own_levels, NULL);
    RUN_INSTANCE(dirty, NULL);
}

int
main(int argc, char **argv)
{
    CU_pSuite s;

    test_seed_init(argc, argv);
    test_register("2MB");
    settings_set_argv("log_min_messages", "fatal");
    shared = test_shared(sizeof *shared);
    CU_initialize_registry();
    s = CU_add_suite("isolation", NULL, NULL);
    CU_add_test(s, "sessions move money, every snapshot adds up", test_churn);
    CU_add_test(s, "row locks conflict as they should", test_row_locks);
    CU_add_test(s, "kill -9 of all loses nothing acknowledged", test_kill);
    TEST_MAIN_END();
}
