/*
 * Expression programs: evaluated over a batch with random selections and nulls they give what they give
 * row by row; filters select exactly the rows whose value is true; sorting and hashing of kept rows
 * against the obvious.
 */
#include "exec_util.h"

#include "core/catalog/builtins.h"

static uint64_t seed_state = 42;

/* ---- a relation-less environment over three columns: a int4, b int4, c text ---- */

enum { COLS = 3 };

static const char *const expressions[] = {
    "a + b * 2 - 7",
    "a < b",
    "a = 3",
    "a <> b and b > 1",
    "a is null or b = 2",
    "not (a < 2)",
    "case when a < 2 then b when a < 4 then a * 10 else -1 end",
    "case a when 1 then 'one' when 2 then c else null end",
    "coalesce(a, b, 99)",
    "nullif(a, b)",
    "greatest(a, b, 2)",
    "least(a, 3)",
    "a is distinct from b",
    "a is not distinct from b",
    "(a > 2) is true",
    "(a > 2) is not false",
    "(a > 2) is unknown",
    "c is null",
    "c || '-' || a::text",
    "upper(c)",
    "length(c) + a",
    "a in (1, 3, 5)",
    "a not in (1, b)",
    "a = any (array[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])",
    "a <> all (array[1, 2, null])",
    "c in ('v1', 'v2', 'v3', 'v4', 'v5', 'v6', 'v7', 'v8', 'v9', 'v10')",
    "array[a, b]",
    "(array[a, b, 5])[2]",
    "array[a, b] || 7",
    "(a, b) < (b, 3)",
    "(a, b) = (2, 2)",
    "row(a, b) is null",
    "a::text::int",
    "a::numeric / 3",
    "c like '%1%'",
    "substr(c, 1, 2) > 'v'",
    "a between b and 4",
    "abs(a - b)",
    "case when b = 0 then 0 else a / nullif(b, 0) end",
    "date '2020-01-01' + a",
    "a::float8 * 1.5 < b",
};

static Expr *
make_expr(Arena *a, const char *text)
{
    /* columns by a subquery in FROM would need a plan: parse over VALUES, take the target, Vars are rel 1 */
    char *full = arena_printf(a, "select %s from (values (1, 1, 'x')) v(a, b, c)", text);
    ParamTypes types = {.arena = a};
    Query *q = (Query *)sql_analyze(a, list_at(sql_parse(a, full), 0), full, &types);

    return ((TargetEntry *)list_at(q->targets, 0))->expr;
}

static void
fill(Batch *b, Arena *a)
{
    for (int c = 0; c < COLS; c++)
        b->cols[c].has_nulls = false;
    for (int i = 0; i < BATCH_ROWS; i++)
        for (int c = 0; c < COLS; c++) {
            uint64_t r = test_random(&seed_state);
            if (r % 7 == 0)
                vec_set_null(&b->cols[c], i);
            else
                b->cols[c].v[i] =
                    c == 2 ? var_from_cstring(a, arena_printf(a, "v%d", (int)(r / 7 % 15)))
                           : int32_datum((int32_t)(r / 7 % 6));
        }
    b->n = b->nsel = BATCH_ROWS;
}

static bool
same_value(Oid type, Datum x, bool xn, Datum y, bool yn)
{
    const TypeOps *ops = type_ops(type);

    return xn == yn && (xn || ops->eq(x, y, COLLATION_C));
}

static void
batches(void *arg)
{
    Arena *a = arena_create(arena_top(), "expressions");
    Batch *b = batch_new(a, COLS);

    exec_test_open();
    txn_begin();
    snapshot_push_active(snapshot_for_statement());
    for (size_t e = 0; e < COUNT_OF(expressions); e++) {
        Expr *x = make_expr(a, expressions[e]);
        ExprEnv env = {.state = a, .arena = arena_create(a, "values"), .lanes = BATCH_ROWS};
        Prim *p = expr_compile(&env, x), *f = x->type == BOOL_OID ? expr_compile(&env, x) : NULL;
        ExprState *one = expr_prepare(a, x);
        for (int round = 0; round < 6; round++) {
            uint16_t sel[BATCH_ROWS], hits[BATCH_ROWS];
            Arena *data = arena_create(a, "data");
            int n = 0, nhits = 0;
            fill(b, data);
            int density = round < 2 ? 1 : 1 + (int)(test_random(&seed_state) % 9);
            for (int i = 0; i < BATCH_ROWS; i++)
                if (test_random(&seed_state) % (uint64_t)density == 0)
                    sel[n++] = (uint16_t)i;
            env.in[ENV_SCAN] = b;
            if (n == 0)
                continue;
            const uint16_t *s = round == 0 ? NULL : sel;
            if (round == 0)
                n = BATCH_ROWS;
            if (f)
                nhits = prim_filter(f, n, s, hits);
            const Vec *v = prim_eval(p, n, s);
            int at = 0;
            FOR_ROWS (row, n, s) {
                Datum cols[COLS];
                bool nulls[COLS], isnull;
                for (int c = 0; c < COLS; c++) {
                    nulls[c] = vec_null(&b->cols[c], row);
                    cols[c] = nulls[c] ? 0 : b->cols[c].v[row];
                }
                Datum d = expr_eval(one, data, cols, nulls, &isnull);
                if (!same_value(x->type, vec_null(v, row) ? 0 : vec_get(v, row), vec_null(v, row),
                                d, isnull)) {
                    fprintf(stderr, "%s: row %d differs\n", expressions[e], row);
                    _exit(1);
                }
                if (f && !isnull && d)
                    MUST(at < nhits && hits[at++] == row);
            }
            MUST(!f || at == nhits);
            arena_reset(env.arena);
            arena_destroy(data);
        }
    }
    snapshot_pop_active();
    txn_commit();
}

static void
batches_equal_rows(void)
{
    RUN_INSTANCE(batches, NULL);
}

/* ---- sorting ---- */

typedef struct Ref { int32_t a; bool anull; int64_t b; char text[16]; int order; } Ref;
static bool ref_desc, ref_nulls_first;

static int
compare_refs(const void *x, const void *y)
{
    const Ref *p = x, *q = y;

    if (p->anull != q->anull)
        return (p->anull == ref_nulls_first) ? -1 : 1;
    if (!p->anull && p->a != q->a)
        return ((p->a < q->a) ? -1 : 1) * (ref_desc ? -1 : 1);
    int c = strcmp(p->text, q->text);
    if (c)
        return c;
    return p->order - q->order; /* stable */
}

static void
sort_case(Arena *a, int n, size_t memory, uint64_t bound, bool only_first)
{
    static const Oid types[4] = {INT4_OID, INT8_OID, TEXT_OID, INT4_OID};
    RowShape shape;
    SortCol cols[2] = {{0, INT4_OID, 0, type_ops(INT4_OID), ref_desc, ref_nulls_first, 1},
                       {2, TEXT_OID, COLLATION_C, type_ops(TEXT_OID), false, false, 0}};
    Batch *b = batch_new(a, 4);
    Ref *refs = ARENA_ARRAY(a, Ref, n);
    Arena *data = arena_create(a, "data");

    row_shape_init(&shape, a, 4, types);
    Sorter *s = sorter_create(a, &shape, cols, only_first ? 1 : 2, memory);
    sorter_set_bound(s, bound);
    for (int at = 0; at < n;) {
        int m = MIN(n - at, BATCH_ROWS);
        arena_reset(data);
        for (int c = 0; c < 4; c++)
            b->cols[c].has_nulls = false;
        for (int i = 0; i < m; i++, at++) {
            Ref *r = &refs[at];
            uint64_t x = test_random(&seed_state);
            *r = (Ref){.a = (int32_t)(x % 2000) - 1000, .anull = x % 17 == 0, .b = (int64_t)x, .order = at};
            if (!only_first)
                snprintf(r->text, sizeof r->text, "t%d", (int)(x >> 32) % 50);
            b->cols[0].v[i] = int32_datum(r->a);
            if (r->anull)
                vec_set_null(&b->cols[0], i);
            b->cols[1].v[i] = int64_datum(r->b);
            b->cols[2].v[i] = var_from_cstring(data, r->text);
            b->cols[3].v[i] = int32_datum(r->order);
        }
        b->n = b->nsel = m;
        sorter_put_batch(s, b);
    }
    sorter_finish(s);
    qsort(refs, (size_t)n, sizeof *refs, compare_refs);
    for (int round = 0; round < 2; round++) {
        int seen = 0, m, want = bound ? (int)MIN((uint64_t)n, bound) : n;
        while (seen < want && (m = sorter_read(s, b, 1000, NULL)) > 0)
            for (int i = 0; i < m && seen < want; i++, seen++)
                MUST(datum_int32(b->cols[3].v[i]) == refs[seen].order &&
                     (refs[seen].anull || datum_int32(b->cols[0].v[i]) == refs[seen].a) &&
                     datum_int64(b->cols[1].v[i]) == refs[seen].b);
        MUST(seen == want);
        sorter_rewind(s);
    }
    sorter_clear(s);
}

static void
sorts(void *arg)
{
    Arena *a = arena_create(arena_top(), "sort");

    for (int k = 0; k < 4; k++) {
        ref_desc = k & 1;
        ref_nulls_first = k & 2;
        sort_case(a, 20000, 1 << 30, 0, false);
        sort_case(a, 20000, 1 << 30, 0, true);
        sort_case(a, 20000, 200000, 0, false); /* external */
        sort_case(a, 20000, 200000, 0, true);
        sort_case(a, 20000, 1 << 30, 37, false); /* top N */
        sort_case(a, 20000, 1 << 30, 5000, true);
        sort_case(a, 5, 1 << 30, 0, false);
        arena_reset(a);
    }
}

static void
sorting(void)
{
    RUN_INSTANCE(sorts, NULL);
}

/* ---- stores ---- */

static void
stores(void *arg)
{
    static const Oid types[2] = {INT8_OID, TEXT_OID};
    Arena *a = arena_create(arena_top(), "store");
    RowShape shape;
    Batch *b = batch_new(a, 2), *out = batch_new(a, 2);
    enum { N = 30000 };

    work_mem_kb = 256;
    row_shape_init(&shape, a, 2, types);
    Store *st = store_create(a, &shape);
    for (int at = 0; at < N; at += 1000) {
        Arena *data = arena_create(a, "data");
        b->cols[1].has_nulls = false;
        for (int i = 0; i < 1000; i++) {
            b->cols[0].v[i] = int64_datum(at + i);
            if ((at + i) % 10 == 0)
                vec_set_null(&b->cols[1], i);
            else
                b->cols[1].v[i] = var_from_cstring(data, arena_printf(data, "row %d", at + i));
        }
        b->n = b->nsel = 1000;
        store_put_batch(st, b);
        arena_destroy(data);
    }
    MUST(store_count(st) == N && temp_files_made > 0);
    StoreReader r[2];
    for (int k = 0; k < 2; k++)
        store_reader_init(&r[k], st, a);
    for (int step = 0; step < 400; step++) {
        StoreReader *x = &r[step % 2];
        if (step % 5 == 0)
            x->at = test_random(&seed_state) % N;
        uint64_t from = x->at;
        int n = store_read(x, out, 1 + (int)(test_random(&seed_state) % 700), NULL);
        for (int i = 0; i < n; i++) {
            int64_t want = (int64_t)from + i;
            char text[32];
            snprintf(text, sizeof text, "row %d", (int)want);
            MUST(datum_int64(out->cols[0].v[i]) == want &&
                 vec_null(&out->cols[1], i) == (want % 10 == 0));
            if (want % 10 != 0)
                MUST(var_len(out->cols[1].v[i]) == strlen(text) &&
                     memcmp(var_data(out->cols[1].v[i]), text, strlen(text)) == 0);
        }
    }
}

static void
storing(void)
{
    RUN_INSTANCE(stores, NULL);
}

int
main(void)
{
    exec_test_register();
    exec_test_make();
    CU_initialize_registry();
    CU_pSuite s = CU_add_suite("exec_expr", NULL, NULL);
    CU_add_test(s, "batches equal rows", batches_equal_rows);
    CU_add_test(s, "sorting", sorting);
    CU_add_test(s, "stores", storing);
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
