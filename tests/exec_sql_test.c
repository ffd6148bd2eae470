/*
 * The executor through SQL: operators against other ways to the same answer, in memory and spilled to
 * temporary files (work_mem of 64 kB), on random data with nulls; changes of tables with their
 * constraints; state that is run again.
 */
#include "exec_util.h"

#define MUST_SQL(text) MUST(sql(text) || (fprintf(stderr, "%s: %s\n", (text), exec_error), false))

static void
make_tables(void)
{
    MUST_SQL("drop table if exists a, b");
    MUST_SQL("create table a (id int primary key, k int, v bigint, t text)");
    MUST_SQL("create table b (id int, k int, w numeric, u text)");
    MUST_SQL("insert into a select i, case when i % 11 = 0 then null else (i * 7919) % 613 end, "
             "(i::bigint * 104729) % 100003, "
             "case when i % 13 = 0 then null else 'text ' || (i * 31) % 997 end from "
             "generate_series(1, 6000) i");
    MUST_SQL("insert into b select i, case when i % 7 = 0 then null else (i * 6007) % 701 end, i * "
             "0.25, 'text ' || (i * 17) % 1201 from generate_series(1, 5000) i");
}

/* ---- the same answer by different plans ---- */

static const char *const same_queries[] = {
    "select count(*), sum(a.id), sum(b.id) from a join b on a.k = b.k",
    "select count(*), sum(a.id), count(b.id), sum(b.id) from a left join b on a.k = b.k",
    "select count(*), count(a.id), sum(b.id) from a right join b on a.k = b.k",
    "select count(*), count(a.id), count(b.id), sum(a.id), sum(b.id) from a full join b on a.k = "
    "b.k",
    "select count(*), sum(a.id) from a join b on a.k = b.k and a.t > b.u",
    "select count(*), sum(a.id), count(b.id) from a left join b on a.k = b.k and a.t > b.u and b.w "
    "> 100",
    "select count(*), sum(id) from a where exists (select 1 from b where b.k = a.k and b.u <> a.t)",
    "select count(*), sum(id) from a where not exists (select 1 from b where b.k = a.k)",
    "select count(*), sum(a.id) from a join b on a.t = b.u and a.k = b.k",
    "select k, t, count(*), sum(v), min(id) from a group by k, t order by k, t",
    "select t, count(distinct k), string_agg(id::text, ',' order by v, id) from a group by t order "
    "by t",
    "select distinct k, t from a order by t desc, k",
    "select id, k, t from a order by t nulls first, k desc, id",
    "select k, id from a order by k desc nulls last, v, id offset 4000 limit 500",
    "select k, count(*) from (select k from a intersect all select k from b) s group by k order by "
    "k",
    "select k, count(*) from (select k from a except all select k from b) s group by k order by k",
    "select id, sum(v) over (partition by k order by id), rank() over (partition by k order by t) "
    "from a order by id",
    "with x as (select k, count(*) n from a group by k) select sum(x.n), sum(y.n) from x join x y "
    "on x.k = y.k + 1",
};

static char *in_memory[COUNT_OF(same_queries)];

static void
run_queries(bool record)
{
    for (size_t i = 0; i < COUNT_OF(same_queries); i++) {
        MUST_SQL(same_queries[i]);
        if (record) {
            in_memory[i] = strdup(exec_out.data);
        } else if (strcmp(in_memory[i], exec_out.data) != 0) {
            fprintf(stderr, "differs: %s\n", same_queries[i]);
            abort();
        }
    }
}

static void
plans_agree(void *arg)
{
    uint64_t files;

    exec_test_open();
    make_tables();
    work_mem_kb = 64 * 1024;
    files = temp_files_made;
    run_queries(true);
    MUST(temp_files_made == files);
    work_mem_kb = 64;
    run_queries(false);
    MUST(temp_files_made > files + 5); /* it did spill */
    work_mem_kb = 4096;
    static const char *const off[] = {"enable_hashagg", "enable_indexscan", "enable_hashjoin"};
    for (size_t i = 0; i < COUNT_OF(off); i++) {
        MUST_SQL(arena_printf(arena_top(), "set %s = off", off[i]));
        run_queries(false);
    }
    MUST(buf_my_pin_count() == 0);
}

static void
operators_agree(void)
{
    RUN_INSTANCE(plans_agree, NULL);
}

/* ---- naive models ---- */

static void
against_models(void *arg)
{
    exec_test_open();
    make_tables();
    /* a join is its product filtered; grouping is a correlated count; IN is EXISTS; a window sum is a subquery */
    MUST(sql_same("select count(*), sum(a.id * b.id) from (select * from a where id <= 300) a join "
                  "(select * from b where id <= 300) b on a.k = b.k",
                  "select count(*), sum(a.id * b.id) from a, b where a.id <= 300 and b.id <= 300 "
                  "and a.k + 0 = b.k + 0"));
    MUST(sql_same("select k, count(*) from a where k < 20 group by k order by k",
                  "select k, (select count(*) from a y where y.k = x.k) from (select distinct k "
                  "from a where k < 20) x order by k"));
    MUST(sql_same("select count(*) from a where k in (select k from b)",
                  "select count(*) from a where exists (select 1 from b where b.k = a.k)"));
    MUST(sql_gives("select count(*) from a where k not in (select k from b)", "0\n")); /* b.k has nulls */
    MUST(sql_same("select count(*) from a where k not in (select k from b where k is not null)",
                  "select count(*) from a where k is not null and not exists (select 1 from b "
                  "where b.k = a.k)"));
    MUST(sql_same("select id, sum(id) over (order by id rows between 2 preceding and 1 following) "
                  "from a where id <= 40 order by id",
                  "select id, (select sum(id) from a y where y.id between x.id - 2 and least(x.id "
                  "+ 1, 40)) from a x where id <= 40 order by id"));
    MUST(sql_same("select id, count(*) over (order by v range between 500 preceding and 200 "
                  "following) from a where id <= 200 order by id",
                  "select id, (select count(*) from a y where y.id <= 200 and y.v between x.v - "
                  "500 and x.v + 200) from a x where id <= 200 order by id"));
    MUST(sql_same(
        "select id from a where k = any (array[5,6,7,8,9,10,11,12,13,14,15,16]) order by id",
        "select id from a where k between 5 and 16 order by id"));
    MUST(sql_same(
        "select id from a where id in (5, 6000, 7, 5, 17) order by id desc",
        "select id from a where id = 5 or id = 6000 or id = 7 or id = 17 order by id desc"));
    MUST(sql_same("select id from a where id > 100 and id <= 120 order by id",
                  "select i from generate_series(101, 120) i"));
    MUST(sql_same("with recursive r(n, f) as (select 1, 1::bigint union all select n + 1, f * (n + "
                  "1) from r where n < 15) select f from r where n = 15",
                  "select 1307674368000"));
    MUST(sql_same("select count(*) from (select k, t from a group by rollup (k, t)) s",
                  "select (select count(*) from (select distinct k, t from a) x) + (select "
                  "count(*) from (select distinct k from a) y) + 1"));
    MUST(buf_my_pin_count() == 0);
}

static void
models_agree(void)
{
    RUN_INSTANCE(against_models, NULL);
}

/* ---- laziness: what is not taken is not computed ---- */

static void
lazy(void *arg)
{
    exec_test_open();
    MUST_SQL("create table z (a int, b int)");
    MUST_SQL("insert into z select i, i % 3 from generate_series(0, 3000) i");
    MUST(sql_gives("select count(*) from z where b <> 0 and 10 / b > 4", "2000\n"));
    MUST(sql_gives("select count(*) from z where b = 0 or 10 / b > 5", "2001\n"));
    MUST(sql_gives("select sum(case when b = 0 then 0 else 6 / b end) from z", "9000\n"));
    MUST(sql_gives("select sum(coalesce(nullif(b, 0), 6 / (b + 1))) from z", "9006\n"));
    MUST(sql_gives("select 1 / (a - 2) from z limit 1", "0\n")); /* rows after the first would raise */
    MUST(sql_fails("select 1 / b from z", "22012 division by zero"));
    MUST(sql_gives("select count(*) from z where (b = 0) is not true", "2000\n"));
    MUST(sql_gives("select null and 1 / 1 = 1, false and null, null or true, not null::bool",
                   "|f|t|\n"));
}

static void
laziness(void)
{
    RUN_INSTANCE(lazy, NULL);
}

/* ---- constraints ---- */

static void
constraints(void *arg)
{
    exec_test_open();
    MUST_SQL("create table p (id int primary key, n text unique)");
    MUST_SQL("create table c (id int primary key, pid int references p on delete cascade on update "
             "cascade, v int check (v > 0), w text not null default 'w')");
    MUST_SQL("insert into p select i, 'n' || i from generate_series(1, 2000) i");
    MUST_SQL("insert into c select i, i, i from generate_series(1, 2000) i");
    MUST(sql_fails(
        "insert into c values (3000, 5000, 1)",
        "23503 insert or update on table \"c\" violates foreign key constraint \"c_pid_fkey\""));
    MUST(strcmp(exec_detail, "Key (pid)=(5000) is not present in table \"p\".") == 0);
    MUST(sql_fails("insert into c select i, i, i from generate_series(2001, 2001) i", "23503"));
    MUST(sql_fails("insert into c values (7, 1, 1)",
                   "23505 duplicate key value violates unique constraint \"c_pkey\""));
    MUST(strcmp(exec_detail, "Key (id)=(7) already exists.") == 0);
    MUST(sql_fails("insert into c values (3000, 1, -1)",
                   "23514 new row for relation \"c\" violates check constraint \"c_v_check\""));
    MUST(strcmp(exec_detail, "Failing row contains (3000, 1, -1, w).") == 0);
    MUST(sql_fails(
        "update c set w = null where id = 9",
        "23502 null value in column \"w\" of relation \"c\" violates not-null constraint"));
    /* an earlier row's unique violation comes before a later row's failing check */
    MUST(sql_fails("insert into c values (7, 1, 1), (3000, 1, -1)", "23505"));
    MUST(sql_gives("update p set id = id + 10000 where id <= 10 returning id",
                   "10001\n10002\n10003\n10004\n10005\n10006\n10007\n10008\n10009\n10010\n"));
    MUST(sql_gives("select count(*) from c where pid > 10000", "10\n"));
    MUST(sql("delete from p where id > 1500"));
    MUST(exec_count == 510);
    MUST(sql_gives("select count(*) from c", "1490\n"));
    MUST(sql("insert into p values (11, 'x'), (5000, 'n12') on conflict do nothing") &&
         exec_count == 0);
    MUST(sql_gives("insert into p values (11, 'x'), (5001, 'y') on conflict (id) do update set n = "
                   "excluded.n || '!' returning *",
                   "11|x!\n5001|y\n"));
    MUST(sql_fails(
        "insert into p values (6000, 'a'), (6000, 'b') on conflict (id) do update set n = 'c'",
        "21000"));
    MUST_SQL("create table d (id int, pid int references p deferrable initially deferred)");
    txn_begin();
    MUST_SQL("insert into d values (1, 7777)");
    MUST_SQL("insert into p values (7777, 'late')");
    txn_commit();
    MUST(sql_fails("insert into d values (2, 8888)", "23503"));
    MUST(sql_gives("select * from d", "1|7777\n"));
    /* a subtransaction takes its events with it */
    txn_begin();
    txn_begin_sub();
    MUST_SQL("insert into d values (3, 9999)");
    txn_abort_sub();
    MUST_SQL("insert into d values (4, 7777)");
    txn_commit();
    MUST(sql_gives("select count(*) from d", "2\n"));
    MUST(buf_my_pin_count() == 0);
}

static void
table_constraints(void)
{
    RUN_INSTANCE(constraints, NULL);
}

/* ---- running again ---- */

static void
again(void *arg)
{
    Arena *a = arena_create(arena_top(), "prepared");
    size_t first = 0;

    exec_test_open();
    make_tables();
    txn_begin();
    snapshot_push_active(snapshot_for_statement());
    const char *text = "select a.id, a.t, count(*) from a join b on b.k = a.k where a.id = "
                       "any(array[$1, $1 + 1, $1 + 2]) and a.v > $2 group by a.id, a.t order by 1";
    Oid types[2] = {INT4_OID, INT8_OID};
    ParamTypes pt = {.types = types, .count = 2, .arena = a};
    Node *n = sql_analyze(a, list_at(sql_parse(a, text), 0), text, &pt);
    PlannedStmt *p = list_at(sql_plan_all(a, n, text, NULL, 0), 0);
    Exec *x = exec_create(a, p);
    for (int i = 1; i <= 400; i++) {
        Datum v[2] = {int32_datum(i * 10), int64_datum(1000)};
        bool nulls[2] = {false, false};
        ParamValues params = {2, types, v, nulls};
        char direct[512];
        char *mine;
        str_reset(&exec_out);
        exec_start(x, snapshot_active(), &params, false);
        /* in pieces, as a cursor takes them */
        while (!exec_at_end(x))
            exec_run(x, 1, false, &exec_dest);
        exec_finish(x);
        if (i == 100)
            first = arena_bytes(a);
        if (i % 80 != 0)
            continue;
        mine = strdup(exec_out.data);
        snprintf(direct, sizeof direct,
                 "select a.id, a.t, count(*) from a join b on b.k = a.k where a.id between %d and "
                 "%d and a.v > 1000 group by a.id, a.t order by 1",
                 i * 10, i * 10 + 2);
        MUST_SQL(direct);
        MUST(strcmp(mine, exec_out.data) == 0);
        free(mine);
    }
    MUST(arena_bytes(a) <= first); /* no growth from run to run */
    MUST(buf_my_pin_count() == 0);
    exec_destroy(x);
    snapshot_pop_active();
    txn_commit();
}

static void
runs_again(void)
{
    RUN_INSTANCE(again, NULL);
}

/* Backward and forward over a scrollable result. */
static void
scroll(void *arg)
{
    Arena *a = arena_create(arena_top(), "cursor");
    const char *text = "select i from generate_series(1, 5) i";
    ParamTypes pt = {.arena = a};

    exec_test_open();
    txn_begin();
    snapshot_push_active(snapshot_for_statement());
    PlannedStmt *p = list_at(
        sql_plan_all(a, sql_analyze(a, list_at(sql_parse(a, text), 0), text, &pt), text, NULL, 0),
        0);
    Exec *x = exec_create(a, p);
    exec_make_scrollable(x);
    exec_start(x, snapshot_active(), NULL, false);
    MUST(exec_run(x, 3, false, &exec_dest) == 3);
    MUST(exec_run(x, 1, true, &exec_dest) == 1);
    MUST(exec_run(x, 10, false, &exec_dest) == 3);
    MUST(exec_at_end(x));
    MUST(exec_run(x, 0, true, &exec_dest) == 5);
    MUST(exec_run(x, 1, true, &exec_dest) == 0);
    MUST(strcmp(exec_out.data, "1\n2\n3\n2\n3\n4\n5\n5\n4\n3\n2\n1\n") == 0);
    exec_finish(x);
    snapshot_pop_active();
    txn_commit();
}

static void
scrolls(void)
{
    RUN_INSTANCE(scroll, NULL);
}

int
main(void)
{
    exec_test_register();
    exec_test_make();
    CU_initialize_registry();
    CU_pSuite s = CU_add_suite("exec_sql", NULL, NULL);
    CU_add_test(s, "operators agree, spilled or not", operators_agree);
    CU_add_test(s, "naive models", models_agree);
    CU_add_test(s, "laziness", laziness);
    CU_add_test(s, "constraints", table_constraints);
    CU_add_test(s, "running again", runs_again);
    CU_add_test(s, "scrolling", scrolls);
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
