/*
 * Clock sweep kernels against the reference on random counts, and the buffer table against a plain
 * map, with buckets overflowing. An argument is the seed.
 */
#include "bufmgr_util.h"

static void
sweep_variants_equal_the_reference(void)
{
    static uint8_t a[SWEEP_GROUP] __attribute__((aligned(64))), b[SWEEP_GROUP] __attribute__((aligned(64)));
    SweepVariant variants[8];
    int n = sweep_variants(variants, COUNT_OF(variants));
    uint64_t rnd = test_seed;
    CU_ASSERT_STRING_EQUAL(variants[0].name, "scalar");
    for (int v = 0; v < n; v++) {
        printf("%s ", variants[v].name);
        for (int round = 0; round < 20000; round++) {
            unsigned range = round % 4 == 0 ? 256 : round % 4 == 1 ? 2 : USAGE_MAX + 1;
            for (int i = 0; i < SWEEP_GROUP; i++)
                a[i] = b[i] = (uint8_t)(test_random(&rnd) % range);
            CU_ASSERT_EQUAL_FATAL(variants[v].fn(a), sweep_step_scalar(b));
            CU_ASSERT_EQUAL_FATAL(memcmp(a, b, sizeof(a)), 0);
        }
        memset(a, 0, sizeof(a));
        CU_ASSERT_EQUAL(variants[v].fn(a), UINT64_MAX);
        memset(a, 255, sizeof(a));
        CU_ASSERT_EQUAL(variants[v].fn(a), 0);
    }
}

/* Which kernels there are follows from the CPU's features, also from hidden ones; the widest is used. */
static void
the_widest_kernel_is_chosen(void)
{
    SweepVariant variants[8];
    int n = sweep_variants(variants, COUNT_OF(variants));
    bool avx2 = false, avx512 = false, neon = false;
    for (int i = 0; i < n; i++) {
        avx2 |= strcmp(variants[i].name, "avx2") == 0;
        avx512 |= strcmp(variants[i].name, "avx512") == 0;
        neon |= strcmp(variants[i].name, "neon") == 0;
    }
    CU_ASSERT_EQUAL(avx2, cpu_features.avx2);
    CU_ASSERT_EQUAL(avx512, cpu_features.avx512);
    CU_ASSERT_EQUAL(neon, cpu_features.neon);
    CU_ASSERT_PTR_EQUAL(sweep_step, variants[n - 1].fn);
    const char *mask = getenv("POSTHASTE_CPU_MASK");
    if (mask && strcmp(mask, "none") == 0)
        CU_ASSERT_PTR_EQUAL(sweep_step, sweep_step_scalar);
}

/* Tags that occur in the bucket, often more than once, and such that do not; whatever the other bytes are. */
static void
bucket_search_equals_the_reference(void)
{
    static Bucket bucket;
    uint64_t rnd = test_seed + 3;
    for (int round = 0; round < 200000; round++) {
        uint16_t range = round % 3 == 0 ? 4 : round % 3 == 1 ? 20 : 65535;
        atomic_store_explicit(&bucket.version, (uint32_t)test_random(&rnd), memory_order_relaxed); /* one process */
        for (int i = 0; i < BUCKET_SLOTS; i++) {
            bucket.tags[i] = (uint16_t)(test_random(&rnd) % range);
            bucket.frames[i] = (int32_t)test_random(&rnd);
        }
        uint16_t tag = round % 2 ? bucket.tags[test_random(&rnd) % BUCKET_SLOTS] : (uint16_t)(test_random(&rnd) % range);
        CU_ASSERT_EQUAL_FATAL(match_tags(&bucket, tag), match_tags_scalar(&bucket, tag));
    }
}

/* Frames with random tags go in and out; every lookup must agree with what the frames say. */
static bool present[4096];

static void
put(Buf b, uint64_t *rnd)
{
    buf_frames[b].tag = tag_make((RelLocator){1663, 5, (Oid)(test_random(rnd) % 50)}, FORK_MAIN, (BlockNo)b * 64 + (BlockNo)(test_random(rnd) % 64));
    CU_ASSERT_TRUE_FATAL(table_insert(tag_hash(&buf_frames[b].tag), b));
    present[b] = true;
}

static void
table_equals_a_map(void)
{
    uint64_t rnd = test_seed + 1;
    int count = buf_count(), probes = 0, wrong_probes = 0;
    for (int step = 0; step < 200000; step++) {
        Buf b = (Buf)(test_random(&rnd) % (unsigned)count);
        BufTag t = buf_frames[b].tag;
        if (!present[b]) {
            put(b, &rnd);
        } else if (test_random(&rnd) % 3 == 0) {
            table_delete(tag_hash(&t), b);
            present[b] = false;
            CU_ASSERT_EQUAL_FATAL(table_lookup(tag_hash(&t), &t), BUF_INVALID);
        } else {
            CU_ASSERT_EQUAL_FATAL(table_lookup(tag_hash(&t), &t), b);
            /* The quick look may name another page's frame, but rarely. */
            probes++;
            wrong_probes += table_probe(tag_hash(&t)) != b;
        }
        t.block ^= 0x40000000; /* never inserted */
        CU_ASSERT_EQUAL_FATAL(table_lookup(tag_hash(&t), &t), BUF_INVALID);
    }
    CU_ASSERT_TRUE(wrong_probes * 500 < probes);
    /* full to the last frame, then all out again: no overflow count may be left over */
    for (Buf b = 0; b < count; b++)
        if (!present[b])
            put(b, &rnd);
    uint32_t overflowing = 0;
    for (uint32_t i = 0; i < buf_bucket_count; i++)
        overflowing += (atomic_load_explicit(&buf_buckets[i].version, memory_order_relaxed) >> 1 & 0xFF) != 0;
    printf("%u of %u buckets overflow ", overflowing, buf_bucket_count);
    for (Buf b = 0; b < count; b++)
        CU_ASSERT_EQUAL_FATAL(table_lookup(tag_hash(&buf_frames[b].tag), &buf_frames[b].tag), b);
    for (Buf b = 0; b < count; b++)
        table_delete(tag_hash(&buf_frames[b].tag), b);
    for (uint32_t i = 0; i < buf_bucket_count; i++) {
        CU_ASSERT_EQUAL_FATAL(atomic_load_explicit(&buf_buckets[i].version, memory_order_relaxed) & 0x1FF, 0);
        for (int s = 0; s < BUCKET_SLOTS; s++)
            CU_ASSERT_EQUAL_FATAL(buf_buckets[i].tags[s], 0);
    }
}

/* All keys into one bucket: the chain must wrap inside its partition and come back to nothing. */
static void
overflow_chains_unwind(void)
{
    static Buf chain[4096];
    int n = 0, count = buf_count();
    uint32_t wanted = buf_bucket_count / buf_partition_count - 1; /* last of the first partition */
    uint64_t rnd = test_seed + 2;
    for (Buf b = 0; b < count && n < 45; b++) {
        BufTag t;
        do
            t = tag_make((RelLocator){1663, 5, 7}, FORK_MAIN, (BlockNo)test_random(&rnd));
        while (hash_bucket(tag_hash(&t)) != wanted);
        buf_frames[b].tag = t;
        CU_ASSERT_TRUE_FATAL(table_insert(tag_hash(&t), b));
        chain[n++] = b;
    }
    while (n > 0) {
        int i = (int)(test_random(&rnd) % (unsigned)n);
        for (int k = 0; k < n; k++)
            CU_ASSERT_EQUAL_FATAL(table_lookup(tag_hash(&buf_frames[chain[k]].tag), &buf_frames[chain[k]].tag), chain[k]);
        table_delete(tag_hash(&buf_frames[chain[i]].tag), chain[i]);
        chain[i] = chain[--n];
    }
    for (uint32_t i = 0; i < buf_bucket_count; i++)
        CU_ASSERT_EQUAL_FATAL(atomic_load_explicit(&buf_buckets[i].version, memory_order_relaxed) & 0x1FF, 0);
}

int
main(int argc, char **argv)
{
    test_seed_init(argc, argv);
    bufmgr_test_start(3000);
    if (CU_initialize_registry() != CUE_SUCCESS)
        return 1;
    CU_pSuite s = CU_add_suite("bufmgr sweep and table", NULL, NULL);
    CU_ADD_TEST(s, sweep_variants_equal_the_reference);
    CU_ADD_TEST(s, the_widest_kernel_is_chosen);
    CU_ADD_TEST(s, bucket_search_equals_the_reference);
    CU_ADD_TEST(s, table_equals_a_map);
    CU_ADD_TEST(s, overflow_chains_unwind);
    TEST_MAIN_END();
}
