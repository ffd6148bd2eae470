/*
 * Sessions that meet at the same rows: READ COMMITTED rechecks the newest version (update, delete, joins,
 * FOR UPDATE), REPEATABLE READ refuses, SKIP LOCKED and NOWAIT do not wait, ON CONFLICT and foreign keys
 * see each other's rows. Sessions are processes; a byte in a pipe lets the next step begin.
 */
#include "exec_util.h"

typedef struct Turn { int fd[2]; } Turn;
static Turn turns[8];

static void
turns_make(void)
{
    for (size_t i = 0; i < COUNT_OF(turns); i++)
        MUST(pipe(turns[i].fd) == 0);
}

static void
go(int i)
{
    MUST(write(turns[i].fd[1], "x", 1) == 1);
}

static void
wait_for(int i)
{
    char c;

    MUST(read(turns[i].fd[0], &c, 1) == 1);
}

/* Lets a session that is about to wait for a lock get there. */
static void
let_it_wait(void)
{
    usleep(60000);
}

static void
must_sql(const char *text)
{
    if (!sql(text)) {
        fprintf(stderr, "%s: %s\n", text, exec_error);
        _exit(1);
    }
}

static void
fresh(void *arg)
{
    exec_test_open();
    must_sql("drop table if exists child, t, u");
    must_sql("create table t (id int primary key, v int, w text)");
    must_sql("insert into t select i, 0, 'w' from generate_series(1, 50) i");
    must_sql("create table u (id int primary key, x int)");
    must_sql("insert into u select i, i from generate_series(1, 50) i");
    must_sql("create table child (id int, tid int references t)");
}

/* The first session changes rows and commits while the others wait for it. */
static void
first(int number)
{
    exec_test_open();
    txn_begin();
    must_sql("update t set v = v + 10 where id in (1, 2)");
    must_sql("update t set v = 99 where id = 3");
    must_sql("delete from t where id = 4");
    must_sql("update t set v = v + 10 where id in (5, 6)");
    for (int i = 1; i <= 5; i++)
        go(i);
    let_it_wait();
    txn_commit();
}

static void
second(int number)
{
    exec_test_open();
    wait_for(number);
    switch (number) {
    case 1: /* adds to what it finds: nothing is lost */
        must_sql("update t set v = v + 1 where id in (1, 2)");
        MUST(exec_count == 2);
        break;
    case 2: /* no longer matches; is gone */
        must_sql("update t set w = 'touched' where id in (3, 4) and v = 0");
        MUST(exec_count == 0);
        break;
    case 3: { /* REPEATABLE READ */
        txn_begin();
        txn_isolation = ISO_REPEATABLE_READ;
        MUST(!sql("update t set v = v + 1 where id = 1") &&
             strncmp(exec_error, "40001 could not serialize access due to concurrent update", 50) ==
                 0);
        break;
    }
    case 4: /* the other side of a join stays; FOR UPDATE gives the new version */
        must_sql(
            "update t set v = t.v + u.x from u where u.id = t.id and t.id = 5 returning t.v, u.x");
        MUST(strcmp(exec_out.data, "15|5\n") == 0);
        break;
    default:
        must_sql(
            "select t.id, t.v, u.x from t join u on u.id = t.id where t.id = 6 for update of t");
        MUST(strcmp(exec_out.data, "6|10|6\n") == 0);
        break;
    }
    MUST(buf_my_pin_count() == 0);
}

static void
instance_updates(void *arg)
{
    pid_t p[6];

    fresh(NULL);
    turns_make();
    p[0] = test_session(first, 0);
    for (int i = 1; i <= 5; i++)
        p[i] = test_session(second, i);
    for (int i = 0; i < 6; i++)
        MUST(test_wait_child(p[i]) == 0);
    MUST(sql_gives("select id, v, w from t where id <= 6 order by id",
                   "1|11|w\n2|11|w\n3|99|w\n5|15|w\n6|10|w\n"));
}

static void
updates(void)
{
    RUN_INSTANCE(instance_updates, NULL);
}

/* ---- SKIP LOCKED, NOWAIT ---- */

static void
locker(int number)
{
    exec_test_open();
    txn_begin();
    must_sql("select * from t where id <= 3 for update");
    go(0);
    wait_for(1);
    txn_commit();
}

static void
instance_skip(void *arg)
{
    pid_t p;

    fresh(NULL);
    turns_make();
    p = test_session(locker, 0);
    wait_for(0);
    MUST(sql_gives("select id from t where id < 6 order by id for update skip locked", "4\n5\n"));
    MUST(sql_gives("select id from t order by id limit 2 for update skip locked", "4\n5\n"));
    MUST(sql_fails("select id from t where id = 2 for update nowait",
                   "55P03 could not obtain lock on row in relation \"t\""));
    MUST(sql("select id from t where id = 10 for share"));
    go(1);
    MUST(test_wait_child(p) == 0);
    MUST(buf_my_pin_count() == 0);
}

static void
skips(void)
{
    RUN_INSTANCE(instance_skip, NULL);
}

/* ---- everybody adds to the same rows, and puts in the same keys ---- */

enum { ADDERS = 6, ROUNDS = 150 };

static void
adder(int number)
{
    char text[256];

    exec_test_open();
    for (int i = 0; i < ROUNDS; i++) {
        must_sql("update t set v = v + 1 where id = 1");
        snprintf(text, sizeof text,
                 "insert into t values (%d, 1, 'c') on conflict (id) do update set v = t.v + 1",
                 1000 + i % 5);
        must_sql(text);
        snprintf(text, sizeof text, "insert into t values (%d, 1, 'n') on conflict do nothing",
                 2000 + i);
        must_sql(text);
        must_sql("update t set v = v + u.x from u where u.id = 2 and t.id = 2");
    }
    MUST(buf_my_pin_count() == 0);
}

static void
instance_adders(void *arg)
{
    char text[256];

    fresh(NULL);
    test_sessions(adder, ADDERS);
    snprintf(text, sizeof text, "%d\n%d\n", ADDERS * ROUNDS, 2 * ADDERS * ROUNDS);
    MUST(sql_gives("select v from t where id in (1, 2) order by id", text));
    snprintf(text, sizeof text, "5|%d\n", ADDERS * ROUNDS);
    MUST(sql_gives("select count(*), sum(v) from t where id between 1000 and 1999", text));
    snprintf(text, sizeof text, "%d|%d\n", ROUNDS, ROUNDS);
    MUST(sql_gives("select count(*), sum(v) from t where id >= 2000", text));
}

static void
adders(void)
{
    RUN_INSTANCE(instance_adders, NULL);
}

/* ---- foreign keys between sessions ---- */

static void
deleter(int number)
{
    exec_test_open();
    txn_begin();
    must_sql("delete from t where id = 10");
    go(0);
    let_it_wait();
    txn_commit();
}

static void
referrer(int number)
{
    exec_test_open();
    txn_begin();
    must_sql("insert into child values (1, 20)");
    go(1);
    let_it_wait();
    txn_commit();
}

static void
instance_keys(void *arg)
{
    pid_t p;

    fresh(NULL);
    turns_make();
    p = test_session(deleter, 0);
    wait_for(0);
    MUST(sql_fails("insert into child values (1, 10)", "23503")); /* waits, then the row is gone */
    MUST(test_wait_child(p) == 0);
    p = test_session(referrer, 0);
    wait_for(1);
    MUST(sql("update t set v = 5 where id = 20")); /* the key is not touched: no conflict */
    MUST(sql_fails("delete from t where id = 20", "23503")); /* waits for the reference */
    MUST(test_wait_child(p) == 0);
    MUST(buf_my_pin_count() == 0);
}

static void
keys(void)
{
    RUN_INSTANCE(instance_keys, NULL);
}

int
main(void)
{
    exec_test_register();
    exec_test_make();
    CU_initialize_registry();
    CU_pSuite s = CU_add_suite("exec_concurrent", NULL, NULL);
    CU_add_test(s, "concurrent updates", updates);
    CU_add_test(s, "skip locked, nowait", skips);
    CU_add_test(s, "same rows and keys", adders);
    CU_add_test(s, "foreign keys", keys);
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
