/*
 * Deparsing and EXPLAIN over tables of a bootstrapped database: the texts are PostgreSQL 15's, pretty and
 * not, wrapped and not; what is printed is read back as the same query.
 */
#include "catalog_util.h"

#include "core/sql/deparse/deparse.h"
#include "core/sql/deparse/deparse_internal.h"

static const NewColumn t_columns[] = {
    {.name = "a", .type = INT4_OID, .typmod = -1, .not_null = true},
    {.name = "b", .type = TEXT_OID, .typmod = -1, .collation = 100},
    {.name = "c", .type = VARCHAR_OID, .typmod = 14, .collation = 100},
    {.name = "Odd Name", .type = INT4_OID, .typmod = -1},
};
static const NewColumn u_columns[] = {
    {.name = "x", .type = INT4_OID, .typmod = -1},
    {.name = "a", .type = INT8_OID, .typmod = -1},
};

static void
start(void)
{
    catalog_test_open();
    txn_begin();
    snapshot_push_active(snapshot_latest());
    (void)rel_create("t", nsp_for_creation(NULL, false), 'r', 'p', current_user_oid, t_columns, 4, 0, 0, 0);
    (void)rel_create("u", nsp_for_creation(NULL, false), 'r', 'p', current_user_oid, u_columns, 2, 0, 0, 0);
    txn_command_increment();
    snapshot_pop_active();
    snapshot_push_active(snapshot_latest());
}

static void
finish(void)
{
    snapshot_pop_active();
    txn_abort();
}

static Query *
query_of(const char *text)
{
    Arena *a = txn_arena();
    List *l = sql_parse(a, text);
    Node *n = sql_analyze(a, l->items[0], text, NULL);
    MUST(IS(n, Query));
    return (Query *)n;
}

static bool
same(const char *got, const char *want, const char *what)
{
    if (strcmp(got, want) == 0)
        return true;
    fprintf(stderr, "for   %s\ngot   %s\nwant  %s\n", what, got, want);
    return false;
}

/* ---- expressions ---- */

typedef struct ExprCase { const char *sql, *plain, *pretty; } ExprCase;

static const ExprCase expr_cases[] = {
    {"1", "1", "1"},
    {"-1", "'-1'::integer", "'-1'::integer"},
    {"1.50", "1.50", "1.50"},
    {"5::numeric", "(5)::numeric", "5::numeric"},
    {"-1.5", "'-1.5'::numeric", "'-1.5'::numeric"},
    {"5000000000", "'5000000000'::bigint", "'5000000000'::bigint"},
    {"true", "true", "true"},
    {"null::int", "NULL::integer", "NULL::integer"},
    {"'it''s'::text", "'it''s'::text", "'it''s'::text"},
    {"'a\\b'::text", "'a\\b'::text", "'a\\b'::text"},
    {"'x'::varchar(5)", "'x'::character varying(5)", "'x'::character varying(5)"},
    {"'x'::bpchar", "'x'::bpchar", "'x'::bpchar"},
    {"B'10'", "'10'::\"bit\"", "'10'::\"bit\""},
    {"a > 0", "(a > 0)", "a > 0"},
    {"a > 0 and b <> 'y' or not a = 2", "(((a > 0) AND (b <> 'y'::text)) OR (NOT (a = 2)))", "a > 0 AND b <> 'y'::text OR NOT a = 2"},
    {"(a > 0 or a < 5) and b is null", "(((a > 0) OR (a < 5)) AND (b IS NULL))", "(a > 0 OR a < 5) AND b IS NULL"},
    {"a + 2 * 3 - 1", "((a + (2 * 3)) - 1)", "a + 2 * 3 - 1"},
    {"(a + 2) * 3", "((a + 2) * 3)", "(a + 2) * 3"},
    {"a - (2 - 1)", "(a - (2 - 1))", "a - (2 - 1)"},
    {"- a", "(- a)", "- a"},
    {"c = 'x'", "((c)::text = 'x'::text)", "c::text = 'x'::text"},
    {"c::int", "(c)::integer", "c::integer"},
    {"a in (1, 2, 3)", "(a = ANY (ARRAY[1, 2, 3]))", "a = ANY (ARRAY[1, 2, 3])"},
    {"a not in (1, 2)", "(a <> ALL (ARRAY[1, 2]))", "a <> ALL (ARRAY[1, 2])"},
    {"a between 1 and 5", "((a >= 1) AND (a <= 5))", "a >= 1 AND a <= 5"},
    {"b is distinct from 'q'", "(b IS DISTINCT FROM 'q'::text)", "b IS DISTINCT FROM 'q'::text"},
    {"(a > 1) is not true", "((a > 1) IS NOT TRUE)", "(a > 1) IS NOT TRUE"},
    {"upper(b) || lower(c)", "(upper(b) || lower((c)::text))", "upper(b) || lower(c::text)"},
    {"coalesce(b, 'x')", "COALESCE(b, 'x'::text)", "COALESCE(b, 'x'::text)"},
    {"nullif(a, 1)", "NULLIF(a, 1)", "NULLIF(a, 1)"},
    {"greatest(a, 1, \"Odd Name\")", "GREATEST(a, 1, \"Odd Name\")", "GREATEST(a, 1, \"Odd Name\")"},
    {"b like 'x%'", "(b ~~ 'x%'::text)", "b ~~ 'x%'::text"},
    {"b collate \"C\" < 'x'", "((b COLLATE \"C\") < 'x'::text)", "(b COLLATE \"C\") < 'x'::text"},
    {"substring(b from 1 for 2)", "SUBSTRING(b FROM 1 FOR 2)", "SUBSTRING(b FROM 1 FOR 2)"},
    {"trim(both 'x' from b)", "TRIM(BOTH 'x'::text FROM b)", "TRIM(BOTH 'x'::text FROM b)"},
    {"position('a' in b)", "POSITION(('a'::text) IN (b))", "POSITION(('a'::text) IN (b))"},
    {"current_timestamp(3)", "CURRENT_TIMESTAMP(3)", "CURRENT_TIMESTAMP(3)"},
    {"array[]::text[]", "ARRAY[]::text[]", "ARRAY[]::text[]"},
    {"(array[1, 2])[1]", "(ARRAY[1, 2])[1]", "(ARRAY[1, 2])[1]"},
    {"case when a > 1 then 'x' else 'y' end", "\nCASE\n    WHEN (a > 1) THEN 'x'::text\n    ELSE 'y'::text\nEND",
     "\nCASE\n    WHEN a > 1 THEN 'x'::text\n    ELSE 'y'::text\nEND"},
    {"case a when 1 then 2 end", "\nCASE a\n    WHEN 1 THEN 2\n    ELSE NULL::integer\nEND", "\nCASE a\n    WHEN 1 THEN 2\n    ELSE NULL::integer\nEND"},
    {"row(a, 2) < row(3, 4)", "(ROW(a, 2) < ROW(3, 4))", "(ROW(a, 2) < ROW(3, 4))"},
};

static void
expressions(void *arg)
{
    start();
    Arena *a = txn_arena();
    RelDesc *t = rel_cached(rel_lookup(NULL, "t"));
    bool ok = true;
    for (size_t i = 0; i < COUNT_OF(expr_cases); i++) {
        const ExprCase *c = &expr_cases[i];
        char *text = arena_printf(a, "select %s", c->sql);
        const RawStmt *raw = sql_parse(a, text)->items[0];
        Expr *e = sql_analyze_expr(a, raw->node->select_stmt->target_list[0]->res_target->val, t, text, "check constraints");
        ok &= same(sql_deparse_expr(a, e, t, false), c->plain, c->sql);
        ok &= same(sql_deparse_expr(a, e, t, true), c->pretty, c->sql);
        ok &= same(deparse_tree(a, node_write(a, e), t->oid, true), c->pretty, c->sql);
    }
    MUST(ok);
    finish();
}

static void
names(void *arg)
{
    start();
    Arena *a = txn_arena();
    static const char *const cases[][2] = {
        {"abc", "abc"}, {"_a1", "_a1"}, {"Abc", "\"Abc\""}, {"1a", "\"1a\""}, {"select", "\"select\""}, {"user", "\"user\""},
        {"between", "\"between\""}, {"name", "name"}, {"a b", "\"a b\""}, {"q\"q", "\"q\"\"q\""}, {"", "\"\""}, {"value", "value"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        MUST(same(sql_quote_ident(a, cases[i][0]), cases[i][1], cases[i][0]));
    MUST(same(relation_name(a, rel_lookup(NULL, "t"), NULL), "t", "visible"));
    MUST(same(relation_name_qualified(a, rel_lookup(NULL, "t")), "public.t", "qualified"));
    MUST(same(quote_literal(a, "a'b\\"), "'a''b\\'", "literal"));
    finish();
}

/* ---- queries ---- */

typedef struct QueryCase { const char *sql, *plain, *pretty; } QueryCase;

static const QueryCase query_cases[] = {
    {"select a, b as bb from t where a > 1 and b = 'x'", " SELECT t.a,\n    t.b AS bb\n   FROM t\n  WHERE ((t.a > 1) AND (t.b = 'x'::text))",
     " SELECT t.a,\n    t.b AS bb\n   FROM t\n  WHERE t.a > 1 AND t.b = 'x'::text"},
    {"select t.a from t join u on t.a = u.x left join t t2 on t2.a = u.x",
     " SELECT t.a\n   FROM ((t\n     JOIN u ON ((t.a = u.x)))\n     LEFT JOIN t t2 ON ((t2.a = u.x)))",
     " SELECT t.a\n   FROM t\n     JOIN u ON t.a = u.x\n     LEFT JOIN t t2 ON t2.a = u.x"},
    {"select a, b from t join u using (a)", " SELECT u.a,\n    t.b\n   FROM (t\n     JOIN u USING (a))", " SELECT u.a,\n    t.b\n   FROM t\n     JOIN u USING (a)"},
    {"select a, b from t full join u using (a)", " SELECT a,\n    t.b\n   FROM (t\n     FULL JOIN u USING (a))", NULL},
    {"select a, j.b from (t left join u using (a)) j", " SELECT j.a,\n    j.b\n   FROM (t\n     LEFT JOIN u USING (a)) j", NULL},
    {"select b, count(*) from t group by b having count(*) > 1 order by 2 desc, b nulls first limit 5 offset 2",
     " SELECT t.b,\n    count(*) AS count\n   FROM t\n  GROUP BY t.b\n HAVING (count(*) > 1)\n  ORDER BY (count(*)) DESC, t.b NULLS FIRST\n OFFSET 2\n LIMIT 5",
     " SELECT t.b,\n    count(*) AS count\n   FROM t\n  GROUP BY t.b\n HAVING count(*) > 1\n  ORDER BY (count(*)) DESC, t.b NULLS FIRST\n OFFSET 2\n LIMIT 5"},
    {"select a from t union all select x from u order by 1", " SELECT t.a\n   FROM t\nUNION ALL\n SELECT u.x\n   FROM u\n  ORDER BY 1",
     " SELECT t.a\n   FROM t\nUNION ALL\n SELECT u.x\n   FROM u\n  ORDER BY 1"},
    {"with w(q) as (select a from t) select q from w where exists (select 1 from u where u.x = w.q)",
     " WITH w(q) AS (\n         SELECT t.a\n           FROM t\n        )\n SELECT w.q\n   FROM w\n  WHERE (EXISTS ( SELECT 1\n           FROM u\n          WHERE (u.x = w.q)))",
     " WITH w(q) AS (\n         SELECT t.a\n           FROM t\n        )\n SELECT w.q\n   FROM w\n  WHERE (EXISTS ( SELECT 1\n           FROM u\n          WHERE u.x = w.q))"},
    {"select a, rank() over (partition by b order by a desc) as r, sum(a) over w from t window w as (order by a rows 2 preceding)",
     " SELECT t.a,\n    rank() OVER (PARTITION BY t.b ORDER BY t.a DESC) AS r,\n    sum(t.a) OVER w AS sum\n   FROM t\n  WINDOW w AS (ORDER BY t.a ROWS 2 PRECEDING)",
     " SELECT t.a,\n    rank() OVER (PARTITION BY t.b ORDER BY t.a DESC) AS r,\n    sum(t.a) OVER w AS sum\n   FROM t\n  WINDOW w AS (ORDER BY t.a ROWS 2 PRECEDING)"},
    {"values (1, 'a'), (2, 'b')", " VALUES (1,'a'::text), (2,'b'::text)", " VALUES (1,'a'::text), (2,'b'::text)"},
    {"select distinct on (b) a, b from t order by b", " SELECT DISTINCT ON (t.b) t.a,\n    t.b\n   FROM t\n  ORDER BY t.b", NULL},
    {"select b, c, sum(a) from t group by rollup(b, c)", " SELECT t.b,\n    t.c,\n    sum(t.a) AS sum\n   FROM t\n  GROUP BY ROLLUP(t.b, t.c)", NULL},
    {"select t from t", " SELECT t.*::t AS t\n   FROM t", NULL},
    {"select g.n from generate_series(1, 3) g(n)", " SELECT g.n\n   FROM generate_series(1, 3) g(n)", NULL},
    {"select x.aa from t x(aa, bb)", " SELECT x.aa\n   FROM t x(aa, bb, c, \"Odd Name\")", NULL},
    {"select count(distinct a) filter (where a > 1), string_agg(b, ',' order by a desc) from t",
     " SELECT count(DISTINCT t.a) FILTER (WHERE (t.a > 1)) AS count,\n    string_agg(t.b, ','::text ORDER BY t.a DESC) AS string_agg\n   FROM t", NULL},
    {"select (select max(x) from u where u.a = t.a) as m, a in (select x from u) as isin from t",
     " SELECT ( SELECT max(u.x) AS max\n           FROM u\n          WHERE (u.a = t.a)) AS m,\n    (t.a IN ( SELECT u.x\n           FROM u)) AS isin\n   FROM t", NULL},
    {"select q.x, j.* from (select a as x from t) q, lateral (select q.x + 1 as y) j",
     " SELECT q.x,\n    j.y\n   FROM ( SELECT t.a AS x\n           FROM t) q,\n    LATERAL ( SELECT (q.x + 1) AS y) j", NULL},
};

static void
queries(void *arg)
{
    start();
    Arena *a = txn_arena();
    bool ok = true;
    for (size_t i = 0; i < COUNT_OF(query_cases); i++) {
        const QueryCase *c = &query_cases[i];
        char *text = sql_deparse_query(a, query_of(c->sql), false, 0);
        ok &= same(text, c->plain, c->sql);
        if (c->pretty)
            ok &= same(sql_deparse_query(a, query_of(c->sql), true, 0), c->pretty, c->sql);
        /* what was printed means the same: it prints as itself */
        ok &= same(sql_deparse_query(a, query_of(text), false, 0), text, "its own text");
        ok &= same(sql_deparse_query(a, node_read(a, node_write(a, query_of(c->sql))), false, 0), c->plain, "the stored tree");
    }
    MUST(same(sql_deparse_query(a, query_of("select a, b, c from t where a = 1"), true, 60), " SELECT t.a, t.b, t.c\n   FROM t\n  WHERE t.a = 1", "wrapped"));
    MUST(ok);
    finish();
}

static void
changes(void *arg)
{
    start();
    Arena *a = txn_arena();
    static const char *const cases[][2] = {
        {"insert into t (a, b) values (1, 'x') returning a", " INSERT INTO t (a, b)\n  VALUES (1, 'x'::text)\n  RETURNING t.a"},
        {"update t set b = 'q' from u where u.x = t.a", " UPDATE t SET b = 'q'::text\n   FROM u\n  WHERE (u.x = t.a)"},
        {"delete from t where a > 5", " DELETE FROM t\n  WHERE (t.a > 5)"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        MUST(same(sql_deparse_query(a, query_of(cases[i][0]), false, 0), cases[i][1], cases[i][0]));
    finish();
}

/* ---- EXPLAIN ---- */

static char *
explained(const char *sql, ExplainOptions o)
{
    Arena *a = txn_arena();
    PlannedStmt *p = plan_query(a, query_of(sql), NULL, 0);
    StrBuf s;
    str_init(&s, a);
    explain_plan(a, p, NULL, &o, &s);
    return s.data;
}

static void
explains(void *arg)
{
    start();
    static const struct { const char *sql; bool verbose; const char *want; } cases[] = {
        {"select 1", false, "Result\n"},
        {"select a from t where a > 5 and b = 'x'", false, "Seq Scan on t\n  Filter: ((a > 5) AND (b = 'x'::text))\n"},
        {"select a + 1 from t", true, "Seq Scan on public.t\n  Output: (a + 1)\n"},
        {"select a from t order by a desc, b limit 3", false, "Limit\n  ->  Sort\n        Sort Key: a DESC, b\n        ->  Seq Scan on t\n"},
        {"select a from t order by a + 1", false, "Sort\n  Sort Key: ((a + 1))\n  ->  Seq Scan on t\n"},
        {"select b, count(*) from t group by b having count(*) > 2", false, "HashAggregate\n  Group Key: b\n  Filter: (count(*) > 2)\n  ->  Seq Scan on t\n"},
        {"select * from t where a = (select max(x) from u)", false,
         "Seq Scan on t\n  Filter: (a = $0)\n  InitPlan 1 (returns $0)\n    ->  Aggregate\n          ->  Seq Scan on u\n"},
        {"select a, (select max(x) from u where u.x > t.a) from t", false,
         "Seq Scan on t\n  SubPlan 1\n    ->  Aggregate\n          ->  Seq Scan on u\n                Filter: (x > t.a)\n"},
        {"select a from t union all select a from t", false, "Append\n  ->  Seq Scan on t\n  ->  Seq Scan on t t_1\n"},
        {"with w as materialized (select a from t) select * from w where a = 1", false,
         "CTE Scan on w\n  Filter: (a = 1)\n  CTE w\n    ->  Seq Scan on t\n"},
        {"select * from (values (1), (2)) v(p)", false, "Values Scan on \"*VALUES*\"\n"},
        {"select * from generate_series(1, 3) g", false, "Function Scan on generate_series g\n"},
        {"insert into t (a) values (1)", false, "Insert on t\n  ->  Result\n"},
        {"delete from t where a = 1", false, "Delete on t\n  ->  Seq Scan on t\n        Filter: (a = 1)\n"},
    };
    bool ok = true;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        ok &= same(explained(cases[i].sql, (ExplainOptions){.verbose = cases[i].verbose}), cases[i].want, cases[i].sql);
    MUST(strstr(explained("select a from t", (ExplainOptions){.costs = true}), "Seq Scan on t  (cost=0.00..") != NULL);
    MUST(ok);
    finish();
}

static void
formats(void *arg)
{
    start();
    const char *sql = "select a from t where b < 'x' order by a, b";
    MUST(same(explained(sql, (ExplainOptions){.format = 2}),
              "[\n  {\n    \"Plan\": {\n      \"Node Type\": \"Sort\",\n      \"Parallel Aware\": false,\n      \"Async Capable\": false,\n"
              "      \"Sort Key\": [\"a\", \"b\"],\n      \"Plans\": [\n        {\n          \"Node Type\": \"Seq Scan\",\n"
              "          \"Parent Relationship\": \"Outer\",\n          \"Parallel Aware\": false,\n          \"Async Capable\": false,\n"
              "          \"Relation Name\": \"t\",\n          \"Alias\": \"t\",\n          \"Filter\": \"(b < 'x'::text)\"\n        }\n      ]\n    }\n  }\n]",
              "json"));
    MUST(same(explained(sql, (ExplainOptions){.format = 3}),
              "- Plan: \n    Node Type: \"Sort\"\n    Parallel Aware: false\n    Async Capable: false\n    Sort Key: \n      - \"a\"\n      - \"b\"\n"
              "    Plans: \n      - Node Type: \"Seq Scan\"\n        Parent Relationship: \"Outer\"\n        Parallel Aware: false\n        Async Capable: false\n"
              "        Relation Name: \"t\"\n        Alias: \"t\"\n        Filter: \"(b < 'x'::text)\"",
              "yaml"));
    MUST(same(explained(sql, (ExplainOptions){.format = 1}),
              "<explain xmlns=\"http://www.postgresql.org/2009/explain\">\n  <Query>\n    <Plan>\n      <Node-Type>Sort</Node-Type>\n"
              "      <Parallel-Aware>false</Parallel-Aware>\n      <Async-Capable>false</Async-Capable>\n      <Sort-Key>\n        <Item>a</Item>\n"
              "        <Item>b</Item>\n      </Sort-Key>\n      <Plans>\n        <Plan>\n          <Node-Type>Seq Scan</Node-Type>\n"
              "          <Parent-Relationship>Outer</Parent-Relationship>\n          <Parallel-Aware>false</Parallel-Aware>\n"
              "          <Async-Capable>false</Async-Capable>\n          <Relation-Name>t</Relation-Name>\n          <Alias>t</Alias>\n"
              "          <Filter>(b &lt; 'x'::text)</Filter>\n        </Plan>\n      </Plans>\n    </Plan>\n  </Query>\n</explain>",
              "xml"));
    finish();
}

static void test_bootstrap_once(void)
{
    RUN_INSTANCE(test_bootstrap, NULL);
    RUN_INSTANCE(catalog_test_init, NULL);
}
static void test_names(void) { RUN_INSTANCE(names, NULL); }
static void test_expressions(void) { RUN_INSTANCE(expressions, NULL); }
static void test_queries(void) { RUN_INSTANCE(queries, NULL); }
static void test_changes(void) { RUN_INSTANCE(changes, NULL); }
static void test_explains(void) { RUN_INSTANCE(explains, NULL); }
static void test_formats(void) { RUN_INSTANCE(formats, NULL); }

int
main(int argc, char **argv)
{
    CU_pSuite s;

    test_seed_init(argc, argv);
    catalog_test_register();
    plan_settings_register();
    deparse_register();
    CU_initialize_registry();
    s = CU_add_suite("deparse", NULL, NULL);
    CU_add_test(s, "bootstrap", test_bootstrap_once);
    CU_add_test(s, "names are quoted where they must be", test_names);
    CU_add_test(s, "expressions are PostgreSQL's text", test_expressions);
    CU_add_test(s, "queries are PostgreSQL's text and read back", test_queries);
    CU_add_test(s, "changes of tables", test_changes);
    CU_add_test(s, "plans are PostgreSQL's text", test_explains);
    CU_add_test(s, "JSON, YAML, XML", test_formats);
    TEST_MAIN_END();
}
