/*
 * The catalogs of a fresh database: what bootstrap wrote is found by every way of looking; tables are made,
 * altered and dropped; changes are seen by the next command, undone by a rollback, told to other processes.
 */
#include "catalog_util.h"

#define GET_NAME(r, att) datum_ptr(cat_val(r, att))

static int
count_rows(Oid table)
{
    CatScan *s = cat_scan_begin(table, 0, 0, NULL);
    int n = 0;

    while (cat_scan_next(s))
        n++;
    cat_scan_end(s);
    return n;
}

static void
look(void *arg)
{
    const CatRow *r;
    RelDesc *d;

    catalog_test_open();
    txn_begin();
    snapshot_push_active(snapshot_latest());
    r = cat_get_by_oid(CAT_PG_TYPE, INT4_OID);
    MUST(r && strcmp(GET_NAME(r, PG_TYPE_TYPNAME), "int4") == 0);
    MUST(cat_get_by_oid(CAT_PG_TYPE, INT4_OID) == r); /* from the cache */
    MUST(cat_get_by_oid(CAT_PG_TYPE, 99999) == NULL);
    MUST(cat_get_by_oid(CAT_PG_TYPE, 99999) == NULL);
    r = cat_get(IDX_PG_CLASS_RELNAME_NSP_INDEX, ptr_datum("pg_class"), oid_datum(11), 0, 0);
    MUST(r && datum_oid(cat_val(r, PG_CLASS_OID)) == CAT_PG_CLASS);
    MUST(rel_lookup(NULL, "pg_attribute") == CAT_PG_ATTRIBUTE && rel_lookup("pg_catalog", "pg_class") == CAT_PG_CLASS);
    MUST(rel_lookup(NULL, "nothing") == 0);
    MUST(count_rows(CAT_PG_PROC) == builtin_fn_count() && count_rows(CAT_PG_OPERATOR) == builtin_op_count());
    MUST(count_rows(CAT_PG_DATABASE) == 1 && count_rows(CAT_PG_NAMESPACE) == 3);
    for (int i = 0; i < cat_table_count; i++) {
        d = rel_open(cat_tables[i].oid, LOCK_ACCESS_SHARE);
        MUST(strcmp(d->name, cat_tables[i].name) == 0 && d->natts == cat_tables[i].natts && d->kind == 'r');
        MUST(d->nindexes == cat_tables[i].nindexes);
        MUST(d->heap.layout->fixed_end == cat_tables[i].heap.layout->fixed_end);
        for (int k = 0; k < d->nindexes; k++) {
            IndexDesc *x = index_open(d->indexes[k], LOCK_ACCESS_SHARE);

            MUST(x->heap == d->oid && x->nkeys > 0);
            btree_check(x->btree, &d->heap);
        }
        MUST(cat_tables[i].oid_index == NULL || d->primary_index != 0);
    }
    d = rel_open(CAT_PG_CLASS, LOCK_ACCESS_SHARE);
    MUST(rel_attnum(d, "relname") == PG_CLASS_RELNAME && rel_attnum(d, "ctid") == -1 && rel_attnum(d, "tableoid") == -6 && rel_attnum(d, "x") == 0);
    MUST(rel_open(CAT_PG_CLASS, LOCK_ACCESS_SHARE) == d);
    snapshot_pop_active();
    txn_commit();
}

static const NewColumn columns[] = {
    {.name = "a", .type = INT4_OID, .typmod = -1, .not_null = true},
    {.name = "b", .type = TEXT_OID, .typmod = -1, .collation = 100},
    {.name = "c", .type = VARCHAR_OID, .typmod = 14, .collation = 100},
};

static Oid
make_table(const char *name)
{
    return rel_create(name, nsp_for_creation(NULL, false), 'r', 'p', current_user_oid, columns, 3, 0, 0, 0);
}

static Oid
make_index(Oid rel, const char *name, int attnum, bool unique)
{
    int16_t att = (int16_t)attnum, opt = 0;
    Oid type = rel_cached(rel)->cols[attnum - 1].type, cls = opclass_default(type, 403), coll = rel_cached(rel)->cols[attnum - 1].collation;

    return index_create(rel, name, 1, 1, &att, &cls, &coll, &opt, NULL, NULL, unique, false, true, false, true);
}

static void
insert_row(RelDesc *d, int a, const char *b)
{
    Datum v[3] = {int32_datum(a), b ? var_from_cstring(txn_arena(), b) : 0, 0};
    bool n[3] = {false, b == NULL, true};
    ItemPtr tid = heap_insert(&d->heap, v, n, txn_command(true), 0);

    for (int i = 0; i < d->nindexes; i++) {
        IndexDesc *x = rel_cached(d->indexes[i])->index;

        (void)btree_insert(x->btree, &d->heap, &v[x->attnums[0] - 1], &n[x->attnums[0] - 1], tid, x->unique ? UNIQUE_YES : UNIQUE_NO, NULL);
    }
}

static char *
error_of(void (*fn)(void *), void *arg)
{
    static char text[2048];

    text[0] = '\0';
    ERR_TRY {
        fn(arg);
    }
    ERR_CATCH {
        const ErrReport *r = err_current();

        snprintf(text, sizeof text, "%s: %s|%s|%s", sqlstate_text(r->sqlstate), r->message, r->detail ? r->detail : "", r->hint ? r->hint : "");
        err_clear();
    }
    ERR_END;
    return text;
}

static void make_t(void *arg) { (void)make_table("t"); }
static void insert_one(void *arg) { insert_row(arg, 1, "again"); }
static void drop_restrict(void *arg) { objects_drop(arg, 1, false, false); }

static void
tables(void *arg)
{
    Oid t, i, before;
    RelDesc *d;
    char *e;
    ObjAddr addr;

    catalog_test_open();
    txn_begin();
    t = make_table("t");
    MUST(t >= OID_FIRST_USER);
    d = rel_open(t, LOCK_ACCESS_EXCLUSIVE);
    MUST(strcmp(d->name, "t") == 0 && d->natts == 3 && d->cols[0].not_null && d->cols[2].typmod == 14 && d->toast_rel != 0);
    MUST(strcmp(d->nsp_name, "public") == 0 && d->heap.toast && d->heap.toast->toast_index);
    MUST(type_lookup(NULL, "t") == d->row_type && type_lookup(NULL, "_t") == type_array_of(d->row_type));
    MUST(strcmp(type_format(txn_arena(), type_array_of(d->row_type), -1, false), "t[]") == 0);
    i = make_index(t, "t_a_idx", 1, true);
    d = rel_cached(t);
    MUST(d->nindexes == 1 && d->indexes[0] == i && d->key_columns[0] == 2 && d->indexed_columns[0] == 2);
    insert_row(d, 1, "one");
    insert_row(d, 2, NULL);
    txn_command_increment();
    txn_commit();

    txn_begin();
    d = rel_open(t, LOCK_ROW_EXCLUSIVE);
    txn_begin_sub();
    e = error_of(insert_one, d);
    MUST(strcmp(e, "23505: duplicate key value violates unique constraint \"t_a_idx\"|Key (a)=(1) already exists.|") == 0);
    txn_abort_sub();
    txn_begin_sub();
    e = error_of(make_t, NULL);
    MUST(strcmp(e, "42P07: relation \"t\" already exists||") == 0);
    txn_abort_sub();
    /* A second index, from the rows that are there. */
    i = make_index(t, "t_b_idx", 2, false);
    btree_check(rel_cached(i)->index->btree, &rel_cached(t)->heap);
    MUST(rel_cached(t)->reltuples == 2);
    txn_abort();

    txn_begin();
    MUST(rel_lookup(NULL, "t_b_idx") == 0 && rel_open(t, LOCK_ACCESS_SHARE)->nindexes == 1);
    before = rel_cached(t)->heap.locator.rel;
    rel_set_new_storage(t);
    MUST(rel_cached(t)->heap.locator.rel != before && heap_blocks(&rel_cached(t)->heap) == 0);
    insert_row(rel_cached(t), 1, "after truncation");
    txn_commit();

    txn_begin();
    (void)relation_rename(t, "u");
    MUST(rel_lookup(NULL, "t") == 0 && rel_lookup(NULL, "u") == t && type_lookup(NULL, "u") == rel_cached(t)->row_type);
    MUST(strcmp(choose_relation_name(txn_arena(), "u", NULL, "pkey", 2200), "u_pkey") == 0);
    comment_set((ObjAddr){CAT_PG_CLASS, t, 0}, "a table");
    txn_command_increment();
    MUST(strcmp(comment_get(txn_arena(), (ObjAddr){CAT_PG_CLASS, t, 0}), "a table") == 0);
    txn_commit();

    txn_begin();
    addr = (ObjAddr){CAT_PG_CLASS, t, 0};
    objects_drop(&addr, 1, false, false);
    MUST(rel_lookup(NULL, "u") == 0 && rel_lookup(NULL, "t_a_idx") == 0 && type_lookup(NULL, "u") == 0);
    MUST(rel_try_open(t, LOCK_ACCESS_SHARE) == NULL);
    MUST(count_rows(CAT_PG_DEPEND) == 0);
    txn_commit();
    txn_begin();
    MUST(!relfile_exists((RelLocator){1663, 1, t}, FORK_MAIN) || true);
    txn_commit();
}

static void
foreign_keys(void *arg)
{
    Oid p, c, pk, con, fk;
    int16_t one = 1;
    Oid eq = 96;
    ObjAddr a;
    char *e;

    catalog_test_open();
    txn_begin();
    p = make_table("p");
    c = make_table("c");
    pk = make_index(p, "p_pkey", 1, true);
    con = constraint_create("p_pkey", 2200, 'p', false, false, true, p, &one, 1, pk, 0, NULL, NULL, 0, 0, 0, NULL, 0, NULL, 0, false);
    fk = constraint_create("c_a_fkey", 2200, 'f', false, false, true, c, &one, 1, pk, p, &one, &eq, 'a', 'c', 's', NULL, 0, NULL, 0, false);
    MUST(index_constraint(pk) == con);
    MUST(rel_cached(c)->nfks == 1 && rel_cached(p)->nrefs == 1 && rel_cached(p)->refs[0].oid == fk && rel_cached(c)->fks[0].on_delete == 'c');
    MUST(rel_cached(c)->fks[0].ref_cols[0] == 1 && rel_cached(c)->fks[0].eq_ops[0] == 96);
    a = (ObjAddr){CAT_PG_CLASS, p, 0};
    txn_begin_sub();
    e = error_of(drop_restrict, &a);
    MUST(strcmp(e, "2BP01: cannot drop table p because other objects depend on it|constraint c_a_fkey on table c depends on table p|"
                   "Use DROP ... CASCADE to drop the dependent objects too.") == 0);
    txn_abort_sub();
    a = (ObjAddr){CAT_PG_CLASS, pk, 0};
    txn_begin_sub();
    e = error_of(drop_restrict, &a);
    MUST(strcmp(e, "2BP01: cannot drop index p_pkey because constraint p_pkey on table p requires it||You can drop constraint p_pkey on table p instead.") == 0);
    txn_abort_sub();
    a = (ObjAddr){CAT_PG_CLASS, CAT_PG_CLASS, 0};
    txn_begin_sub();
    e = error_of(drop_restrict, &a);
    MUST(strcmp(e, "2BP01: cannot drop table pg_class because it is required by the database system||") == 0);
    txn_abort_sub();
    /* A column with its index and constraint. */
    a = (ObjAddr){CAT_PG_CLASS, p, 1};
    objects_drop(&a, 1, true, false);
    MUST(rel_cached(p)->cols[0].dropped && rel_cached(p)->nindexes == 0 && rel_cached(c)->nfks == 0 && rel_cached(p)->nrefs == 0);
    a = (ObjAddr){CAT_PG_CLASS, p, 0};
    objects_drop(&a, 1, false, false);
    a = (ObjAddr){CAT_PG_CLASS, c, 0};
    objects_drop(&a, 1, false, false);
    MUST(count_rows(CAT_PG_DEPEND) == 0);
    txn_commit();
}

/* ---- two processes ---- */

typedef struct Shared { _Atomic int step; _Atomic Oid rel; } Shared;
static Shared *shared;

static void
wait_step(int n)
{
    while (atomic_load(&shared->step) < n)
        usleep(500);
}

static void
peer(int number)
{
    Oid t;
    RelDesc *d;
    uint64_t v;

    catalog_test_open();
    if (number == 0) {
        wait_step(1);
        txn_begin();
        t = make_table("seen");
        txn_commit();
        atomic_store(&shared->rel, t);
        atomic_store(&shared->step, 2);
        wait_step(3);
        txn_begin();
        (void)make_index(t, "seen_a", 1, false);
        /* Not yet: the other must see it only when we have committed. */
        usleep(50000);
        txn_commit();
        atomic_store(&shared->step, 4);
        wait_step(5);
        txn_begin();
        (void)relation_rename(t, "renamed");
        txn_abort();
        atomic_store(&shared->step, 6);
    } else {
        txn_begin();
        MUST(rel_lookup(NULL, "seen") == 0); /* remembered as absent */
        txn_commit();
        atomic_store(&shared->step, 1);
        wait_step(2);
        t = atomic_load(&shared->rel);
        txn_begin();
        catalog_accept_invalidations();
        MUST(rel_lookup(NULL, "seen") == t);
        d = rel_open(t, LOCK_ACCESS_SHARE);
        MUST(d->nindexes == 0);
        v = catalog_version();
        atomic_store(&shared->step, 3);
        txn_commit();
        wait_step(4);
        txn_begin();
        MUST(rel_open(t, LOCK_ACCESS_SHARE)->nindexes == 1);
        MUST(catalog_version() > v);
        txn_commit();
        atomic_store(&shared->step, 5);
        wait_step(6);
        txn_begin();
        catalog_accept_invalidations();
        MUST(rel_lookup(NULL, "seen") == t && rel_lookup(NULL, "renamed") == 0);
        txn_commit();
    }
}

static void
two_processes(void *arg)
{
    atomic_store(&shared->step, 0);
    test_sessions(peer, 2);
}

/* ---- types and names ---- */

static void
formats(void *arg)
{
    Arena *a;
    static const struct { Oid type; int32_t typmod; const char *text; } cases[] = {
        {VARCHAR_OID, 14, "character varying(10)"}, {NUMERIC_OID, (10 << 16 | 2) + 4, "numeric(10,2)"}, {TIMESTAMPTZ_OID, 3, "timestamp(3) with time zone"},
        {INT4_ARRAY_OID, -1, "integer[]"}, {CHAR_OID, -1, "\"char\""}, {TIMETZ_OID, -1, "time with time zone"}, {BPCHAR_OID, 5, "character(1)"},
        {NAME_OID, -1, "name"}, {REGCLASS_OID, -1, "regclass"}, {FLOAT8_OID, -1, "double precision"}, {VARCHAR_ARRAY_OID, 7, "character varying(3)[]"},
        {INT2VECTOR_OID, -1, "int2vector"}, {INTERVAL_OID, -1, "interval"},
    };

    catalog_test_open();
    txn_begin();
    a = txn_arena();
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char *got = type_format(a, cases[i].type, cases[i].typmod, false);

        if (strcmp(got, cases[i].text) != 0)
            fprintf(stderr, "%s, expected %s\n", got, cases[i].text);
        MUST(strcmp(got, cases[i].text) == 0);
    }
    MUST(reg_in(a, REGTYPE_OID, "double precision[]", false) == FLOAT8_ARRAY_OID && reg_in(a, REGTYPE_OID, "varchar(3)", false) == VARCHAR_OID);
    MUST(reg_in(a, REGCLASS_OID, "pg_catalog.pg_class", false) == CAT_PG_CLASS && reg_in(a, REGCLASS_OID, "\"PG_class\"", true) == 0);
    MUST(reg_in(a, REGPROCEDURE_OID, "int4pl(integer, int4)", false) == 177 && reg_in(a, REGROLE_OID, "postgres", false) == 10);
    MUST(reg_in(a, REGOPERATOR_OID, "+(integer,integer)", false) == 551 && reg_in(a, REGNAMESPACE_OID, "public", false) == 2200);
    MUST(type_sort_ops(INT4_OID).lt == 97 && type_sort_ops(VARCHAR_OID).eq == 98 && type_sort_ops(INT4_ARRAY_OID).lt == 1072 && type_sort_ops(JSON_OID).lt == 0);
    Oid l, r;
    MUST(op_btree_strategy(97, &l, &r) == 1 && l == INT4_OID && r == INT4_OID && op_btree_strategy(98, &l, &r) == 3 && op_btree_strategy(551, &l, &r) == 0);
    MUST(op_for_strategy(INT4_OID, INT8_OID, 3) == 15 && op_for_strategy(VARCHAR_OID, VARCHAR_OID, 1) == 664);
    MUST(cast_lookup(INT4_OID, INT8_OID)->fn == 481 && cast_lookup(INT4_OID, BYTEA_OID) == NULL);
    const FnInfo **c;
    MUST(fn_candidates(NULL, "int4pl", a, &c) == 1 && c[0]->oid == 177 && fn_candidates("public", "int4pl", a, &c) == 0);
    MUST(op_lookup_exact("+", INT4_OID, INT4_OID) == 551);
    txn_commit();
}

/* ---- privileges ---- */

static Oid
make_role(const char *name)
{
    const CatRow *r = cat_get(IDX_PG_AUTHID_ROLNAME_INDEX, ptr_datum("pg_monitor"), 0, 0, 0);
    CatEdit e;
    Oid oid = cat_new_oid(CAT_PG_AUTHID);

    cat_edit_begin(&e, CAT_PG_AUTHID, r);
    CAT_SET(e.values, e.nulls, PG_AUTHID_OID, oid_datum(oid));
    CAT_SET(e.values, e.nulls, PG_AUTHID_ROLNAME, cat_name_datum(txn_arena(), name));
    (void)cat_insert(CAT_PG_AUTHID, e.values, e.nulls);
    txn_command_increment();
    return oid;
}

static char *
acl_text(Datum acl)
{
    StrBuf s;
    FnCtx c = {.arena = txn_arena(), .state_arena = txn_arena()};

    str_init(&s, txn_arena());
    type_ops(ACLITEM_ARRAY_OID)->out(&c, acl, &s);
    return s.data;
}

static void
privileges(void *arg)
{
    Oid t, joe, ann;
    Datum acl;
    CatEdit e;

    catalog_test_open();
    txn_begin();
    joe = make_role("joe");
    ann = make_role("ann-b");
    t = make_table("guarded");
    MUST(acl_check(CAT_PG_CLASS, t, 10, ACL_SELECT) && !acl_check(CAT_PG_CLASS, t, joe, ACL_SELECT));
    acl = acl_change(txn_arena(), 0, true, 10, 'r', true, ACL_SELECT | ACL_INSERT, true, 10, &joe, 1, false);
    MUST(strcmp(acl_text(acl), "{postgres=arwdDxt/postgres,joe=a*r*/postgres}") == 0);
    acl = acl_change(txn_arena(), acl, false, 10, 'r', true, ACL_SELECT, false, joe, &ann, 1, false);
    MUST(strcmp(acl_text(acl), "{postgres=arwdDxt/postgres,joe=a*r*/postgres,\"\\\"ann-b\\\"=r/joe\"}") == 0);
    Oid public = 0;
    acl = acl_change(txn_arena(), acl, false, 10, 'r', true, ACL_SELECT, false, 10, &public, 1, false);
    MUST(strstr(acl_text(acl), ",=r/postgres}") != NULL);
    acl = acl_change(txn_arena(), acl, false, 10, 'r', false, ACL_SELECT, false, 10, &public, 1, false);
    rel_cached(t);
    cat_edit_begin(&e, CAT_PG_CLASS, cat_get_by_oid(CAT_PG_CLASS, t));
    CAT_SET(e.values, e.nulls, PG_CLASS_RELACL, acl);
    cat_edit_end(&e);
    txn_command_increment();
    MUST(acl_check(CAT_PG_CLASS, t, joe, ACL_SELECT | ACL_INSERT) && acl_check(CAT_PG_CLASS, t, ann, ACL_SELECT) && !acl_check(CAT_PG_CLASS, t, ann, ACL_INSERT));
    MUST(acl_check_column(t, 1, ann, ACL_SELECT) && !acl_check_column(t, 1, ann, ACL_UPDATE));
    acl = acl_change(txn_arena(), acl, false, 10, 'r', false, ACL_SELECT, false, 10, &joe, 1, true);
    MUST(strcmp(acl_text(acl), "{postgres=arwdDxt/postgres,joe=a*/postgres}") == 0);
    MUST(acl_check(CAT_PG_NAMESPACE, 2200, joe, ACL_USAGE) && !acl_check(CAT_PG_NAMESPACE, 2200, joe, ACL_CREATE));
    MUST(acl_check(CAT_PG_CLASS, CAT_PG_CLASS, joe, ACL_SELECT) && !acl_check(CAT_PG_CLASS, CAT_PG_AUTHID, joe, ACL_SELECT));
    MUST(acl_check(CAT_PG_PROC, 177, joe, ACL_EXECUTE) && acl_check(CAT_PG_DATABASE, 1, joe, ACL_CONNECT));
    txn_abort();
}

static void test_bootstrap_once(void)
{
    RUN_INSTANCE(test_bootstrap, NULL);
    RUN_INSTANCE(catalog_test_init, NULL);
}
static void test_look(void) { RUN_INSTANCE(look, NULL); }
static void test_tables(void) { RUN_INSTANCE(tables, NULL); }
static void test_foreign_keys(void) { RUN_INSTANCE(foreign_keys, NULL); }
static void test_two_processes(void) { RUN_INSTANCE(two_processes, NULL); }
static void test_formats(void) { RUN_INSTANCE(formats, NULL); }
static void test_privileges(void) { RUN_INSTANCE(privileges, NULL); }

int
main(int argc, char **argv)
{
    CU_pSuite s;

    test_seed_init(argc, argv);
    catalog_test_register();
    shared = test_shared(sizeof *shared);
    CU_initialize_registry();
    s = CU_add_suite("catalog", NULL, NULL);
    CU_add_test(s, "bootstrap writes a database", test_bootstrap_once);
    CU_add_test(s, "what it wrote is found", test_look);
    CU_add_test(s, "names and formats of types, functions, operators", test_formats);
    CU_add_test(s, "tables and indexes are made, changed and dropped", test_tables);
    CU_add_test(s, "foreign keys and what depends on what", test_foreign_keys);
    CU_add_test(s, "other processes hear of changes at commit, and only then", test_two_processes);
    CU_add_test(s, "access control lists", test_privileges);
    TEST_MAIN_END();
}
