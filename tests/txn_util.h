/*
 * Shared by the tests of core/txn and core/access/heap: a temporary data directory, instances in forked
 * processes (fresh shared memory and redo, as after a restart), sessions as their children.
 */
#ifndef TESTS_TXN_UTIL_H
#define TESTS_TXN_UTIL_H

#include "lockmgr_util.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "core/access/btree/btree.h"
#include "core/access/heap/heap.h"
#include "core/access/toast/toast.h"
#include "core/base/settings.h"

static char test_dir[64];
static pid_t test_owner;
static const char *test_ring_words = "4096";

static void
remove_test_dir(void)
{
    char command[128];

    if (getpid() != test_owner || chdir("/") != 0) /* children inherit the exit handler */
        return;
    snprintf(command, sizeof command, "rm -rf '%s'", test_dir);
    if (system(command) != 0)
        fprintf(stderr, "%s is left\n", test_dir);
}

/* Once per program: everything registered, nothing created. */
static void UNUSED
test_register(const char *shared_buffers)
{
    static const char *dirs[] = {"base", "base/5", "global"};

    snprintf(test_dir, sizeof test_dir, "/tmp/txn_test.XXXXXX");
    if (!mkdtemp(test_dir) || chdir(test_dir) != 0)
        abort();
    for (size_t i = 0; i < COUNT_OF(dirs); i++)
        if (mkdir(dirs[i], 0700) != 0)
            abort();
    test_owner = getpid();
    atexit(remove_test_dir);
    cpu_init();
    wal_settings_register();
    txn_settings_register();
    proc_shm_register();
    fsyncq_shm_register();
    lock_shm_register();
    wal_shm_register();
    buf_shm_register();
    txn_shm_register();
    txn_register_redo();
    heap_register_redo();
    settings_boot();
    settings_set_argv("shared_buffers", shared_buffers);
    settings_set_argv("csn_ring_size", test_ring_words);
    settings_set_argv("log_min_messages", "fatal");
    settings_set_argv("fsync", "off");
    settings_set_argv("deadlock_timeout", "50");
    txn_bootstrap_files();
}

static void
test_bootstrap(void *arg)
{
    wal_bootstrap(42, XID_FIRST_NORMAL, OID_FIRST_USER);
}

static void UNUSED
test_attach(void)
{
    buf_process_init();
    txn_process_init();
}

/* fn as an instance: shared memory, redo if need be. How it ends is fn's affair: returning is a crash. */
static int UNUSED
test_instance(void (*fn)(void *), void *arg)
{
    int status = -1;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        alarm(300);
        shm_create_for_test();
        MUST(proc_attach(PROC_STANDALONE) == ERR_OK);
        test_attach();
        if (fn != test_bootstrap) {
            wal_startup();
            txn_startup();
        }
        fn(arg);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    return status;
}
#define RUN_INSTANCE(fn, arg) CU_ASSERT_EQUAL(test_instance(fn, arg), 0)

static void UNUSED
test_shutdown(void)
{
    wal_checkpoint(CHECKPOINT_IS_SHUTDOWN | CHECKPOINT_IMMEDIATE);
}

/* A session of the running instance. */
static pid_t UNUSED
test_session(void (*fn)(int), int number)
{
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        alarm(300);
        proc_exit_reset();
        proc_self = NULL;
        MUST(proc_attach(PROC_BACKEND) == ERR_OK);
        test_attach();
        fn(number);
        proc_exit(0);
    }
    return pid;
}

static void UNUSED
test_sessions(void (*fn)(int), int n)
{
    pid_t pids[64];

    for (int i = 0; i < n; i++)
        pids[i] = test_session(fn, i);
    for (int i = 0; i < n; i++)
        MUST(test_wait_child(pids[i]) == 0);
}

/* ---- a table: (id int4, value int8, note text) ---- */
static TupleLayout *
test_layout(void)
{
    static TupleLayout *l;
    AttrSpec specs[3] = {
        {.type = INT4_OID, .len = 4, .byval = true, .late_rank = -1, .storage = 'p'},
        {.type = INT8_OID, .len = 8, .byval = true, .late_rank = -1, .storage = 'p'},
        {.type = TEXT_OID, .len = -1, .late_rank = -1, .storage = 'x'},
    };

    if (!l)
        l = layout_build(arena_top(), specs, 3);
    return l;
}

static HeapRel UNUSED
test_table(Oid oid)
{
    return (HeapRel){.locator = {1663, 5, oid}, .oid = oid, .db = 5, .name = "test", .layout = test_layout(),
                     .logged = true, .fillfactor = 100, .insert_block = BLOCK_INVALID, .insert_hint = BUF_INVALID};
}

static void UNUSED
test_create_table(HeapRel *rel)
{
    txn_begin();
    storage_create(rel->locator, true);
    txn_commit();
}

typedef struct TestRow { Datum v[3]; bool n[3]; char text[4 + 2000]; } TestRow;

static TestRow *UNUSED
test_row(int32_t id, int64_t value, const char *note)
{
    static TestRow r;
    size_t n = note ? strlen(note) : 0;

    r.v[0] = int32_datum(id);
    r.v[1] = int64_datum(value);
    r.n[0] = r.n[1] = false;
    r.n[2] = note == NULL;
    if (note)
        memcpy(var_header(r.text, n), note, n);
    r.v[2] = ptr_datum(r.text);
    return &r;
}

static ItemPtr UNUSED
test_insert(HeapRel *rel, int32_t id, int64_t value, const char *note)
{
    TestRow *r = test_row(id, value, note);

    return heap_insert(rel, r->v, r->n, txn_command(true), 0);
}

/* Updates value (and note); HOT unless index_changed. Returns the result of the first try. */
static TmResult UNUSED
test_update(HeapRel *rel, ItemPtr tid, int32_t id, int64_t value, const char *note, bool index_changed, ItemPtr *new_tid, TmFailure *fail)
{
    TestRow *r = test_row(id, value, note);
    bool hot;

    return heap_update(rel, tid, r->v, r->n, txn_command(true), NULL, true, false, index_changed, new_tid, &hot, fail);
}

static int64_t UNUSED
test_value(const Tuple *t, int attnum)
{
    bool null;
    Datum d = tuple_get(test_layout(), t->bytes, t->size, attnum, &null);

    MUST(!null);
    return (int64_t)d;
}

/* Sums the column `value` over a scan; *rows counts. */
static int64_t UNUSED
test_sum(HeapRel *rel, const Snapshot *s, int *rows)
{
    static TupleBatch b;
    Arena *a = arena_create(NULL, "scan");
    HeapScan *scan = heap_scan_begin(a, rel, s);
    Vec *v = vec_new(a);
    int64_t sum = 0;

    *rows = 0;
    while (heap_scan_next(scan, &b)) {
        tuple_gather(rel, &b, b.n, NULL, 2, a, v);
        for (int i = 0; i < b.n; i++) {
            MUST(!vec_null(v, i));
            sum += (int64_t)v->v[i];
        }
        *rows += b.n;
    }
    heap_scan_end(scan);
    arena_destroy(a);
    return sum;
}

static int64_t UNUSED
test_sum_now(HeapRel *rel, int *rows)
{
    int64_t sum;

    txn_begin();
    snapshot_push_active(snapshot_for_statement());
    sum = test_sum(rel, snapshot_active(), rows);
    snapshot_pop_active();
    txn_commit();
    return sum;
}

/* The newest version as SELECT FOR UPDATE finds it: follows updates committed meanwhile. */
static bool UNUSED
test_lock_newest(HeapRel *rel, ItemPtr *tid, RowLockMode mode)
{
    for (;;) {
        TmFailure f;
        TmResult r = heap_lock(rel, *tid, mode, txn_command(true), NULL, WAIT_BLOCK, true, &f);

        if (r == TM_OK)
            return true;
        if (r != TM_UPDATED)
            return false;
        *tid = f.ctid;
    }
}


#endif
