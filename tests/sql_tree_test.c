/*
 * The typed tree's generic operations: what is copied, written and read back is equal; damaged text raises.
 * And the parser's positions and command tags.
 */
#include <CUnit/Basic.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/err.h"
#include "core/sql/sql.h"

static Arena *arena;

static Const *
text_const(const char *s)
{
    Const *c = node_new(arena, Const);
    c->expr.type = TEXT_OID;
    c->len = -1;
    c->value = var_from_cstring(arena, s);
    return c;
}

static Const *
int_const(int v)
{
    Const *c = node_new(arena, Const);
    c->expr.type = INT4_OID;
    c->len = 4;
    c->byval = true;
    c->value = int32_datum(v);
    return c;
}

static Query *
sample_query(void)
{
    Query *q = node_new(arena, Query);
    q->command = CMD_SELECT;
    q->range_table = list_new(arena);
    RangeEntry *e = node_new(arena, RangeEntry);
    e->kind = RANGE_VALUES;
    e->eref = arena_strdup(arena, "a \"quoted\\name\"");
    e->values = list_new(arena);
    for (int i = 0; i < 3; i++) {
        ListNode *row = list_node_new(arena);
        list_push(row->list, int_const(i - 1));
        list_push(row->list, text_const("x { } ( ) \" \\"));
        list_push(row->list, NULL);
        list_push(e->values, row);
    }
    e->columns = list_new(arena);
    list_push(e->columns, (void *)(uintptr_t)"c1");
    list_push(e->columns, NULL);
    e->col_types = ints_new(arena);
    ints_push(e->col_types, INT4_OID);
    ints_push(e->col_types, -5);
    list_push(q->range_table, e);
    OpCall *o = node_new(arena, OpCall);
    o->op = 96;
    o->fn = 65;
    o->expr.type = BOOL_OID;
    o->args = list_new(arena);
    Var *v = node_new(arena, Var);
    v->rel = -1;
    v->attno = 7;
    list_push(o->args, v);
    list_push(o->args, int_const(42));
    q->join_tree = node_new(arena, FromNode);
    q->join_tree->quals = &o->expr;
    return q;
}

static void
copy_is_equal_and_independent(void)
{
    Query *q = sample_query(), *c = node_copy(arena, q);
    CU_ASSERT_TRUE(node_equal(q, c));
    ((Var *)((OpCall *)c->join_tree->quals)->args->items[0])->attno++;
    CU_ASSERT_FALSE(node_equal(q, c));
    CU_ASSERT_EQUAL(((Var *)((OpCall *)q->join_tree->quals)->args->items[0])->attno, 7);
}

static void
text_form_round_trips(void)
{
    Query *q = sample_query();
    char *text = node_write(arena, q);
    Query *r = node_read(arena, text);
    CU_ASSERT_TRUE(node_equal(q, r));
    CU_ASSERT_STRING_EQUAL(node_write(arena, r), text);
}

static bool
read_raises(const char *text)
{
    volatile bool raised = false;
    ERR_TRY
    {
        node_read(arena, text);
    }
    ERR_CATCH
    {
        raised = true;
        err_clear();
    }
    ERR_END;
    return raised;
}

static void
damaged_text_never_crashes(void)
{
    char *text = node_write(arena, sample_query());
    size_t n = strlen(text);
    for (size_t cut = 0; cut < n; cut++) { /* every prefix is incomplete: trailing blanks aside, it must raise */
        char *part = arena_strndup(arena, text, cut);
        if (cut + 2 < n)
            CU_ASSERT_TRUE(read_raises(part));
    }
    srand(7);
    for (int i = 0; i < 3000; i++) {
        char *bad = arena_strdup(arena, text);
        bad[(size_t)rand() % n] = (char)(32 + rand() % 95);
        read_raises(bad); /* either outcome, no crash */
    }
}

static bool
count_consts(void *n, void *arg)
{
    if (IS(n, Const))
        ++*(int *)arg;
    return node_walk_children(n, count_consts, arg, true);
}

static void *
double_ints(void *n, void *arg)
{
    if (IS(n, Const) && ((Const *)n)->byval) {
        Const *c = node_copy(arena, n);
        c->value *= 2;
        return c;
    }
    return node_mutate_children(arena, n, double_ints, arg, true);
}

static void
walk_and_mutate_reach_every_node(void)
{
    Query *q = sample_query();
    int n = 0;
    count_consts(q, &n);
    CU_ASSERT_EQUAL(n, 7);
    Query *m = double_ints(q, NULL);
    CU_ASSERT_EQUAL(datum_int32(((Const *)((OpCall *)m->join_tree->quals)->args->items[1])->value), 84);
    CU_ASSERT_EQUAL(datum_int32(((Const *)((OpCall *)q->join_tree->quals)->args->items[1])->value), 42);
}

static void
parse_reports_position_and_tags(void)
{
    List *l = sql_parse(arena, "select 1; create table t (a int); commit");
    CU_ASSERT_EQUAL_FATAL(list_count(l), 3);
    CU_ASSERT_STRING_EQUAL(sql_command_tag(((RawStmt *)l->items[0])->node), "SELECT");
    CU_ASSERT_STRING_EQUAL(sql_command_tag(((RawStmt *)l->items[1])->node), "CREATE TABLE");
    CU_ASSERT_TRUE(sql_is_transaction_exit(((RawStmt *)l->items[2])->node));
    volatile int position = -1;
    volatile uint32_t state = 0;
    ERR_TRY
    {
        sql_parse(arena, "select '\xc3\xa9' frm x y");
    }
    ERR_CATCH
    {
        position = err_current()->position;
        state = err_current()->sqlstate;
        CU_ASSERT_STRING_EQUAL(err_current()->message, "syntax error at or near \"x\"");
        err_clear();
    }
    ERR_END;
    CU_ASSERT_EQUAL(position, 16); /* bytes: the accented letter has two */
    CU_ASSERT_EQUAL(state, SQLSTATE_SYNTAX_ERROR);
}

int
main(void)
{
    arena = arena_create(NULL, "test");
    CU_initialize_registry();
    CU_pSuite s = CU_add_suite("typed tree", NULL, NULL);
    CU_add_test(s, "copy is equal and independent", copy_is_equal_and_independent);
    CU_add_test(s, "text form round-trips", text_form_round_trips);
    CU_add_test(s, "damaged text never crashes", damaged_text_never_crashes);
    CU_add_test(s, "walk and mutate reach every node", walk_and_mutate_reach_every_node);
    CU_add_test(s, "parse reports position and tags", parse_reports_position_and_tags);
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    unsigned failed = CU_get_number_of_failures();
    CU_cleanup_registry();
    arena_destroy(arena);
    return failed ? 1 : 0;
}
