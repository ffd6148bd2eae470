/* Arenas: content survives, marks and resets free, children and cleanups run in order; strings, lists. */
#include <CUnit/Basic.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/err.h"
#include "core/base/limits.h"
#include "core/base/str.h"

static void
blocks_keep_their_content(void)
{
    Arena *a = arena_create(NULL, "test");
    enum { N = 5000 };
    unsigned char *blocks[N];
    size_t sizes[N];
    unsigned seed = 7;
    for (int i = 0; i < N; i++) {
        seed = seed * 1103515245u + 12345u;
        sizes[i] = i % 500 == 0 ? 300000 : seed % 700;
        blocks[i] = arena_alloc(a, sizes[i]);
        CU_ASSERT_EQUAL((uintptr_t)blocks[i] % 8, 0);
        memset(blocks[i], i & 0xFF, sizes[i]);
    }
    int bad = 0;
    for (int i = 0; i < N; i++)
        for (size_t k = 0; k < sizes[i]; k++)
            bad += blocks[i][k] != (i & 0xFF);
    CU_ASSERT_EQUAL(bad, 0);
    CU_ASSERT(arena_bytes(a) > 3000000);
    arena_reset(a);
    CU_ASSERT(arena_bytes(a) < 300000);
    for (int i = 0; i < 64; i++) {
        char *p = arena_alloc_aligned(a, 100, 64);
        CU_ASSERT_EQUAL((uintptr_t)p % 64, 0);
        memset(p, 1, 100);
    }
    arena_destroy(a);
}

static void
release_returns_to_the_mark(void)
{
    Arena *a = arena_create(NULL, "test");
    char *kept = arena_strdup(a, "kept");
    ArenaMark m = arena_mark(a);
    char *first = arena_alloc(a, 16);
    arena_release(a, m);
    CU_ASSERT_PTR_EQUAL(arena_alloc(a, 16), first);
    arena_release(a, m);
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < 50; i++)
            memset(arena_alloc(a, 1000), round, 1000);
        memset(arena_alloc(a, 2000000), 1, 2000000);
        memset(arena_alloc(a, 10), 1, 10);
        arena_release(a, m);
    }
    CU_ASSERT_STRING_EQUAL(kept, "kept");
    CU_ASSERT(arena_bytes(a) < 400000);
    CU_ASSERT_PTR_EQUAL(arena_alloc(a, 16), first);
    arena_destroy(a);
}

static void
realloc_grows_in_place_and_copies(void)
{
    Arena *a = arena_create(NULL, "test");
    char *p = arena_alloc(a, 10);
    memcpy(p, "123456789", 10);
    char *q = arena_realloc(a, p, 10, 100);
    CU_ASSERT_PTR_EQUAL(q, p);
    CU_ASSERT_STRING_EQUAL(q, "123456789");
    arena_alloc(a, 8);
    char *r = arena_realloc(a, q, 100, 200);
    CU_ASSERT_PTR_NOT_EQUAL(r, q);
    CU_ASSERT_STRING_EQUAL(r, "123456789");
    CU_ASSERT_PTR_EQUAL(arena_realloc(a, r, 200, 50), r);
    r = arena_realloc(a, r, 200, 500000);
    CU_ASSERT_STRING_EQUAL(r, "123456789");
    arena_destroy(a);
}

static char order[16];

static void
note(void *arg)
{
    strcat(order, arg);
}

static void
children_go_first_and_cleanups_newest_first(void)
{
    order[0] = '\0';
    Arena *a = arena_create(NULL, "parent");
    arena_on_reset(a, note, "1");
    arena_on_reset(a, note, "2");
    Arena *child = arena_create(a, "child");
    arena_on_reset(child, note, "c");
    Arena *other = arena_create(a, "other");
    arena_destroy(other);
    arena_reset(a);
    CU_ASSERT_STRING_EQUAL(order, "c21");
    arena_reset(a);
    CU_ASSERT_STRING_EQUAL(order, "c21");
    arena_destroy(a);
}

static void
huge_requests_raise(void)
{
    Arena *a = arena_create(NULL, "test");
    volatile uint32_t state = 0;
    volatile size_t wild = (size_t)1 << 50;
    ERR_TRY {
        arena_alloc(a, wild);
    } ERR_CATCH {
        state = err_current()->sqlstate;
        err_clear();
    } ERR_END;
    CU_ASSERT_EQUAL(state, SQLSTATE_PROGRAM_LIMIT_EXCEEDED);
    CU_ASSERT_PTR_NULL(arena_try_alloc(a, wild));
    arena_destroy(a);
}

static void
strings_grow(void)
{
    Arena *a = arena_create(NULL, "test");
    StrBuf s;
    str_init(&s, a);
    for (int i = 0; i < 10000; i++)
        str_printf(&s, "%d,", i);
    CU_ASSERT_EQUAL(s.len, strlen(s.data));
    CU_ASSERT_STRING_EQUAL(s.data + s.len - 5, "9999,");
    str_reset(&s);
    str_add(&s, "ab");
    str_add_char(&s, 'c');
    str_add_bytes(&s, "de", 2);
    CU_ASSERT_STRING_EQUAL(s.data, "abcde");
    char *long_text = arena_alloc0(a, 1001);
    memset(long_text, 'x', 1000);
    CU_ASSERT_EQUAL(strlen(arena_printf(a, "%s%s", long_text, long_text)), 2000);
    volatile uint32_t state = 0;
    ERR_TRY {
        str_reserve(&s, MAX_VALUE_BYTES);
    } ERR_CATCH {
        state = err_current()->sqlstate;
        err_clear();
    } ERR_END;
    CU_ASSERT_EQUAL(state, SQLSTATE_PROGRAM_LIMIT_EXCEEDED);
    arena_destroy(a);
}

static void
lists_hold_what_was_pushed(void)
{
    Arena *a = arena_create(NULL, "test");
    List *l = list_new(a), *m = list_new(a);
    int values[100];
    for (int i = 0; i < 100; i++) {
        values[i] = i;
        list_push(i < 60 ? l : m, &values[i]);
    }
    list_concat(l, m);
    list_concat(l, NULL);
    CU_ASSERT_EQUAL(list_count(l), 100);
    CU_ASSERT_EQUAL(list_count(NULL), 0);
    int sum = 0;
    LIST_FOREACH(int, v, l)
        sum += *v;
    CU_ASSERT_EQUAL(sum, 4950);
    CU_ASSERT_PTR_EQUAL(list_at(l, 73), &values[73]);
    arena_destroy(a);
}

static void
utf8_is_checked_as_rfc_3629_says(void)
{
    static const struct { const char *text; size_t len, valid; } cases[] = {
        {"", 0, 0}, {"abc", 3, 3}, {"abcdefghijkl", 12, 12}, {"a\0b", 3, 1}, {"abcdefgh\0", 9, 8},
        {"\xC3\xA9", 2, 2}, {"\xC3", 1, 0}, {"\xC0\x80", 2, 0}, {"\xC1\xBF", 2, 0}, {"\xE2\x82\xAC", 3, 3},
        {"\xE0\x9F\xBF", 3, 0}, {"\xED\xA0\x80", 3, 0}, {"\xED\x9F\xBF", 3, 3}, {"\xF0\x9F\x98\x80", 4, 4},
        {"\xF0\x8F\xBF\xBF", 4, 0}, {"\xF4\x8F\xBF\xBF", 4, 4}, {"\xF4\x90\x80\x80", 4, 0},
        {"\xF5\x80\x80\x80", 4, 0}, {"\x80", 1, 0}, {"12345678\xC3\xA9 7890123\xFF", 19, 18},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        CU_ASSERT_EQUAL(utf8_valid_prefix(cases[i].text, cases[i].len), cases[i].valid);
    CU_ASSERT_EQUAL(utf8_count_chars("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80zzzzzzzz", 18), 12);
    CU_ASSERT_EQUAL(utf8_clip("a\xC3\xA9", 3, 2), 1);
    CU_ASSERT_EQUAL(utf8_clip("a\xC3\xA9", 3, 3), 3);
    CU_ASSERT_EQUAL(utf8_char_bytes(0xF0), 4);
    CU_ASSERT_EQUAL(str_casecmp_ascii("Abc", "aBC"), 0);
    CU_ASSERT(str_casecmp_ascii("ab", "abc") < 0);
    CU_ASSERT(str_starts_with("abc", "ab") && !str_starts_with("a", "ab"));
}

int
main(void)
{
    CU_initialize_registry();
    CU_pSuite s = CU_add_suite("base_arena", NULL, NULL);
    CU_ADD_TEST(s, blocks_keep_their_content);
    CU_ADD_TEST(s, release_returns_to_the_mark);
    CU_ADD_TEST(s, realloc_grows_in_place_and_copies);
    CU_ADD_TEST(s, children_go_first_and_cleanups_newest_first);
    CU_ADD_TEST(s, huge_requests_raise);
    CU_ADD_TEST(s, strings_grow);
    CU_ADD_TEST(s, lists_hold_what_was_pushed);
    CU_ADD_TEST(s, utf8_is_checked_as_rfc_3629_says);
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    unsigned failed = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failed != 0;
}
