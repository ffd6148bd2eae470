/* The shared hash table against a plain array as its model, with random inserts and removals. */
#include <CUnit/Basic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/shm/shm_hash.h"

#define KEYS 600
#define CAPACITY 400

typedef struct Key { uint32_t a, b; uint32_t c; } Key;
static unsigned seed;

static unsigned
next_random(void)
{
    seed = seed * 1664525u + 1013904223u;
    return seed >> 8;
}

static Key
key_of(unsigned i)
{
    return (Key){i * 2654435761u, i, i ^ 5};
}

static void
behaves_as_the_model(void)
{
    static uint64_t model[KEYS]; /* 0: absent */
    size_t bytes = shm_hash_size(sizeof(Key), sizeof(uint64_t), CAPACITY), count = 0;
    char *mem = malloc(bytes + 64);
    memset(mem + bytes, 0x5A, 64);
    ShmHash *h = shm_hash_init(mem, sizeof(Key), sizeof(uint64_t), CAPACITY);
    unsigned bad = 0, full = 0;
    for (unsigned step = 0; step < 300000; step++) {
        unsigned i = next_random() % KEYS;
        Key k = key_of(i);
        unsigned what = next_random() % 8;
        uint64_t *v;
        bool found;
        if (what < 4) {
            v = shm_hash_insert(h, &k, &found);
            if (v == NULL) {
                full++;
                bad += count != CAPACITY || model[i] != 0;
                continue;
            }
            bad += found != (model[i] != 0);
            bad += *v != model[i]; /* a new value is zeroed */
            if (!found)
                count++;
            *v = model[i] = step + 1;
        } else if (what < 7) {
            bad += shm_hash_remove(h, &k) != (model[i] != 0);
            count -= model[i] != 0;
            model[i] = 0;
        } else {
            v = shm_hash_find(h, &k);
            bad += (v ? *v : 0) != model[i];
        }
        bad += shm_hash_count(h) != count;
        if (step % 50000 == 0) /* fill up, so that the limit is met */
            for (unsigned j = 0; j < KEYS; j++) {
                Key f = key_of(j);
                v = shm_hash_insert(h, &f, &found);
                if (v && !found) {
                    *v = model[j] = 1;
                    count++;
                }
            }
    }
    CU_ASSERT_EQUAL(bad, 0);
    CU_ASSERT(full > 0);
    size_t cursor = 0, seen = 0;
    void *key, *value;
    while (shm_hash_next(h, &cursor, &key, &value)) {
        Key *k = key;
        seen++;
        CU_ASSERT_EQUAL(model[k->b], *(uint64_t *)value);
    }
    CU_ASSERT_EQUAL(seen, count);
    for (int i = 0; i < 64; i++)
        bad += mem[bytes + (size_t)i] != 0x5A;
    CU_ASSERT_EQUAL(bad, 0);
    free(mem);
}

int
main(int argc, char **argv)
{
    seed = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : (unsigned)time(NULL);
    printf("seed %u\n", seed);
    CU_initialize_registry();
    CU_pSuite s = CU_add_suite("shm_hash", NULL, NULL);
    CU_ADD_TEST(s, behaves_as_the_model);
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    unsigned failed = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failed != 0;
}
