/*
 * Pages: adding, deleting and compacting items against a plain list, limits, damage found by the
 * check. An argument is the seed.
 */
#include "lockmgr_util.h"

#include <string.h>

#include "core/file/page.h"

static char page[PAGE_BYTES] __attribute__((aligned(8)));
static uint64_t rnd;

/* The model: items by line; length 0: unused line. */
static struct Item { int length; unsigned char fill; } items[2100];
static int item_count;

static size_t
make_item(char *out, unsigned char fill)
{
    size_t n = 1 + test_random(&rnd) % 120;
    memset(out, fill, n);
    return n;
}

static bool
page_equals_model(void)
{
    size_t used = 0;
    if (page_line_count(page) != item_count || !page_check(page, 0, false))
        return false;
    for (int i = 0; i < item_count; i++) {
        LinePtr l = page_line(page, (OffsetNo)(i + 1));
        if (items[i].length == 0) {
            if (LINE_STATE(l) != LINE_UNUSED)
                return false;
            continue;
        }
        if (LINE_STATE(l) != LINE_NORMAL || (int)LINE_LENGTH(l) != items[i].length || LINE_OFFSET(l) % 8)
            return false;
        for (int k = 0; k < items[i].length; k++)
            if ((unsigned char)page_item(page, l)[k] != items[i].fill)
                return false;
        used += ALIGN_UP((size_t)items[i].length, (size_t)8);
    }
    return page_header(page)->special - page_header(page)->upper >= (int)used;
}

static void
a_new_page_is_empty(void)
{
    memset(page, 0, sizeof(page));
    CU_ASSERT_TRUE(page_is_new(page));
    CU_ASSERT_TRUE(page_check(page, 3, true)); /* rule 1 */
    page[5000] = 1;
    CU_ASSERT_FALSE(page_check(page, 3, true));
    page_init(page, 13);
    CU_ASSERT_EQUAL(page_header(page)->special, PAGE_BYTES - 16);
    CU_ASSERT_EQUAL(page_line_count(page), 0);
    CU_ASSERT_EQUAL(page_exact_free_bytes(page), PAGE_BYTES - 16 - 32);
    CU_ASSERT_EQUAL(page_free_bytes(page), PAGE_BYTES - 16 - 32 - 4);
    CU_ASSERT_PTR_EQUAL(page_special(page), page + PAGE_BYTES - 16);
    page_init(page, 0);
    static char big[PAGE_BYTES];
    CU_ASSERT_EQUAL(page_add_item(page, big, PAGE_BYTES - 32 - 4 + 1, OFFSET_INVALID, false, false), OFFSET_INVALID);
    CU_ASSERT_EQUAL(page_add_item(page, big, ((PAGE_BYTES - 32 - 4) / 8) * 8, OFFSET_INVALID, false, false), 1);
    CU_ASSERT_EQUAL(page_add_item(page, big, 1, OFFSET_INVALID, false, false), OFFSET_INVALID);
}

static void
checksums_find_damage(void)
{
    page_init(page, 0);
    char item[200];
    for (unsigned char i = 1; i < 40; i++)
        page_add_item(page, item, make_item(item, i), OFFSET_INVALID, false, false);
    page_set_lsn(page, 12345);
    page_header(page)->checksum = page_checksum(page, 77);
    CU_ASSERT_TRUE(page_check(page, 77, true));
    CU_ASSERT_FALSE(page_check(page, 78, true)); /* written to the wrong place */
    for (int i = 0; i < 2000; i++) {
        size_t at = test_random(&rnd) % PAGE_BYTES;
        char flip = (char)(1u << test_random(&rnd) % 8);
        page[at] ^= flip;
        CU_ASSERT_FALSE_FATAL(page_check(page, 77, true));
        page[at] ^= flip;
    }
    CU_ASSERT_TRUE(page_check(page, 77, true));
}

static void
heap_style_changes_equal_the_model(void)
{
    char item[200];
    page_init(page, 24);
    item_count = 0;
    for (int step = 0; step < 20000; step++) {
        unsigned char fill = (unsigned char)(1 + step % 255);
        size_t n = make_item(item, fill);
        unsigned what = (unsigned)(test_random(&rnd) % 10);
        if (what < 5) {
            OffsetNo off = page_add_item(page, item, n, OFFSET_INVALID, false, false);
            if (off == OFFSET_INVALID) {
                page_compact(page);
                continue;
            }
            if (off > item_count)
                item_count = off;
            CU_ASSERT_EQUAL_FATAL(items[off - 1].length, 0);
            items[off - 1] = (struct Item){(int)n, fill};
        } else if (what < 9 && item_count > 0) {
            int i = (int)(test_random(&rnd) % (unsigned)item_count);
            page_lines(page)[i] = LINE_MAKE(0, LINE_UNUSED, 0);
            page_header(page)->flags |= PAGE_FLAG_HAS_FREE_LINES;
            items[i].length = 0;
        } else {
            page_compact(page);
        }
        CU_ASSERT_TRUE_FATAL(page_equals_model());
    }
    memset(items, 0, sizeof(items));
}

static void
index_style_changes_equal_the_model(void)
{
    char item[200];
    page_init(page, 16);
    item_count = 0;
    for (int step = 0; step < 20000; step++) {
        unsigned char fill = (unsigned char)(1 + step % 255);
        size_t n = make_item(item, fill);
        unsigned what = (unsigned)(test_random(&rnd) % 10);
        if (what < 6) {
            OffsetNo at = (OffsetNo)(1 + test_random(&rnd) % (unsigned)(item_count + 1));
            OffsetNo off = page_add_item(page, item, n, at, true, false);
            if (off == OFFSET_INVALID)
                continue;
            CU_ASSERT_EQUAL_FATAL(off, at);
            memmove(&items[at], &items[at - 1], sizeof(items[0]) * (size_t)(item_count - at + 1));
            items[at - 1] = (struct Item){(int)n, fill};
            item_count++;
        } else if (what < 9 && item_count > 0) {
            OffsetNo at = (OffsetNo)(1 + test_random(&rnd) % (unsigned)item_count);
            page_delete_item_shift(page, at);
            memmove(&items[at - 1], &items[at], sizeof(items[0]) * (size_t)(item_count - at));
            item_count--;
        } else {
            OffsetNo offs[2100];
            int gone = 0, kept = 0;
            for (int i = 0; i < item_count; i++) {
                if (test_random(&rnd) % 4 == 0)
                    offs[gone++] = (OffsetNo)(i + 1);
                else
                    items[kept++] = items[i];
            }
            page_delete_items_shift(page, offs, gone);
            item_count = kept;
        }
        CU_ASSERT_TRUE_FATAL(page_equals_model());
    }
}

static void
used_lines_are_not_overwritten(void)
{
    page_init(page, 0);
    CU_ASSERT_EQUAL(page_add_item(page, "abc", 3, 1, false, true), 1);
    CU_ASSERT_EQUAL(page_add_item(page, "abc", 3, 1, false, true), OFFSET_INVALID);
    CU_ASSERT_EQUAL(page_add_item(page, "abc", 3, 3, false, true), OFFSET_INVALID); /* would leave a gap */
    CU_ASSERT_EQUAL(page_add_item(page, "abc", 3, 2, false, false), 2);
}

int
main(int argc, char **argv)
{
    test_seed_init(argc, argv);
    rnd = test_seed;
    cpu_init();
    if (CU_initialize_registry() != CUE_SUCCESS)
        return 1;
    CU_pSuite s = CU_add_suite("file page", NULL, NULL);
    CU_ADD_TEST(s, a_new_page_is_empty);
    CU_ADD_TEST(s, checksums_find_damage);
    CU_ADD_TEST(s, heap_style_changes_equal_the_model);
    CU_ADD_TEST(s, index_style_changes_equal_the_model);
    CU_ADD_TEST(s, used_lines_are_not_overwritten);
    TEST_MAIN_END();
}
