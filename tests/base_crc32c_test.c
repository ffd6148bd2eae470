/*
 * Every CRC-32C variant of this machine against the reference: known vectors, all lengths 0..4096,
 * all alignments 0..63, random splits, and a buffer that ends at an unmapped page; and the constants of
 * the variants against their definition.
 * An argument is the seed of the random parts.
 */
#include <CUnit/Basic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "core/base/cpu.h"
#include "core/base/crc32c.h"
#include "core/base/crc32c_internal.h"
#include "core/base/macros.h"

#define BUF_BYTES (16384 + 64)
static unsigned char buf[BUF_BYTES];
static Crc32cVariant variants[8];
static int variant_count;
static unsigned seed;

static unsigned
next_random(void)
{
    seed = seed * 1664525u + 1013904223u;
    return seed >> 8;
}

static void
known_vectors_hold(void)
{
    unsigned char zeros[32] = {0}, ones[32], up[32], down[32];
    for (int i = 0; i < 32; i++) {
        ones[i] = 0xFF;
        up[i] = (unsigned char)i;
        down[i] = (unsigned char)(31 - i);
    }
    for (int v = 0; v < variant_count; v++) {
        Crc32cFn f = variants[v].fn;
        CU_ASSERT_EQUAL(f(0, "123456789", 9), 0xE3069283u);
        CU_ASSERT_EQUAL(f(0, zeros, 32), 0x8A9136AAu); /* RFC 3720, B.4 */
        CU_ASSERT_EQUAL(f(0, ones, 32), 0x62A8AB43u);
        CU_ASSERT_EQUAL(f(0, up, 32), 0x46DD794Eu);
        CU_ASSERT_EQUAL(f(0, down, 32), 0x113FDB5Cu);
        CU_ASSERT_EQUAL(f(0, "", 0), 0u);
    }
}

/*
 * x^n mod P, bits reversed, by shifting one bit out at a time: in reversed order multiplying by x is a
 * shift to the right, and x^32, which falls out at the low end, is replaced by P - x^32. This is the
 * definition the constants were computed by; a new one is printed by asking for it here.
 */
static uint32_t
power_of_x(unsigned n)
{
    uint32_t r = 0x80000000u; /* 1 */
    while (n-- > 0)
        r = r >> 1 ^ (r & 1 ? 0x82F63B78u : 0);
    return r;
}

static void
constants_are_the_powers_they_stand_for(void)
{
    /* Moving a remainder on by n bytes: see crc32c_internal.h. */
    static const struct { unsigned bytes; uint32_t constant; } shifts[] = {
        {64, CRC_SHIFT_64}, {128, CRC_SHIFT_128}, {512, CRC_SHIFT_512}, {1024, CRC_SHIFT_1024},
    };
    for (size_t i = 0; i < COUNT_OF(shifts); i++)
        CU_ASSERT_EQUAL(shifts[i].constant, power_of_x(8 * shifts[i].bytes - 33));
    static const struct { unsigned bytes; uint32_t high, low; } folds[] = {
        {16, CRC_FOLD_16_HIGH, CRC_FOLD_16_LOW}, {64, CRC_FOLD_64_HIGH, CRC_FOLD_64_LOW}, {256, CRC_FOLD_256_HIGH, CRC_FOLD_256_LOW},
    };
    for (size_t i = 0; i < COUNT_OF(folds); i++) {
        CU_ASSERT_EQUAL(folds[i].high, power_of_x(8 * folds[i].bytes + 64 - 33));
        CU_ASSERT_EQUAL(folds[i].low, power_of_x(8 * folds[i].bytes - 33));
    }
}

static void
all_lengths_match_the_reference(void)
{
    for (int v = 0; v < variant_count; v++)
        for (size_t n = 0; n <= 4096; n++) {
            size_t at = n % 64;
            if (variants[v].fn(0x12345678u, buf + at, n) != crc32c_scalar(0x12345678u, buf + at, n)) {
                printf("%s differs at length %zu\n", variants[v].name, n);
                CU_FAIL("length");
                return;
            }
        }
}

static void
all_alignments_match_the_reference(void)
{
    static const size_t lengths[] = {1, 7, 15, 63, 191, 192, 255, 256, 257, 511, 1535, 1536, 8192, 16384};
    for (size_t i = 0; i < COUNT_OF(lengths); i++)
        for (size_t at = 0; at < 64; at++) {
            uint32_t want = crc32c_scalar(0, buf + at, lengths[i]);
            for (int v = 0; v < variant_count; v++)
                CU_ASSERT_EQUAL(variants[v].fn(0, buf + at, lengths[i]), want);
        }
}

static void
splits_give_the_whole(void)
{
    uint32_t want = crc32c_scalar(0, buf, 8192);
    for (int round = 0; round < 300; round++)
        for (int v = 0; v < variant_count; v++) {
            uint32_t crc = 0;
            for (size_t at = 0; at < 8192;) {
                size_t n = next_random() % 1500;
                if (n > 8192 - at)
                    n = 8192 - at;
                crc = variants[v].fn(crc, buf + at, n);
                at += n;
            }
            CU_ASSERT_EQUAL(crc, want);
        }
}

static void
nothing_is_read_past_the_end(void)
{
    long page = sysconf(_SC_PAGESIZE);
    char *map = mmap(NULL, (size_t)page * 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CU_ASSERT_FATAL(map != MAP_FAILED);
    memcpy(map, buf, (size_t)page);
    munmap(map + page, (size_t)page);
    for (size_t n = 0; n <= 1024; n++)
        for (int v = 0; v < variant_count; v++)
            CU_ASSERT_EQUAL(variants[v].fn(0, map + page - n, n), crc32c_scalar(0, map + page - n, n));
    munmap(map, (size_t)page);
}

static void
the_best_variant_is_chosen(void)
{
    CU_ASSERT_PTR_EQUAL(crc32c_update, variants[0].fn);
    CU_ASSERT_EQUAL(crc32c("123456789", 9), 0xE3069283u);
}

int
main(int argc, char **argv)
{
    seed = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : (unsigned)time(NULL);
    printf("seed %u\n", seed);
    cpu_init();
    variant_count = crc32c_variants(variants, (int)COUNT_OF(variants));
    printf("cpu: %s; variants:", cpu_features_text());
    for (int v = 0; v < variant_count; v++)
        printf(" %s", variants[v].name);
    printf("\n");
    for (size_t i = 0; i < BUF_BYTES; i++)
        buf[i] = (unsigned char)next_random();

    CU_initialize_registry();
    CU_pSuite s = CU_add_suite("base_crc32c", NULL, NULL);
    CU_ADD_TEST(s, known_vectors_hold);
    CU_ADD_TEST(s, constants_are_the_powers_they_stand_for);
    CU_ADD_TEST(s, all_lengths_match_the_reference);
    CU_ADD_TEST(s, all_alignments_match_the_reference);
    CU_ADD_TEST(s, splits_give_the_whole);
    CU_ADD_TEST(s, nothing_is_read_past_the_end);
    CU_ADD_TEST(s, the_best_variant_is_chosen);
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    unsigned failed = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failed != 0;
}
