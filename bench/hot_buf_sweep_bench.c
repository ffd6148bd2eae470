/*
 * The clock sweep: the hand passing over a pool in which every page is hot; and whole victims (found, pinned,
 * taken from the table) when one page in ten is cold. What restores the pool in between is not timed.
 */
#include "pool.h"

#define FRAMES (1u << 17)
#define COLD_ONE_IN 10

static uint8_t hot_usage[FRAMES], mixed_usage[FRAMES];

static void
setup(void)
{
    uint64_t rnd = 88172645463325252u;
    use_pool(FRAMES);
    for (uint32_t i = 0; i < FRAMES; i++) {
        hot_usage[i] = USAGE_MAX;
        mixed_usage[i] = bench_random(&rnd) % COLD_ONE_IN == 0 ? 0 : USAGE_MAX;
    }
}

static void
restore(Bench *b, const uint8_t *usage)
{
    bench_pause(b);
    memcpy(buf_usage, usage, FRAMES);
    for (Buf i = 0; i < (Buf)FRAMES; i++) {
        /* relaxed: nobody else is about */
        if (!(atomic_load_explicit(&buf_frames[i].state, memory_order_relaxed) & BUF_STATE_TAG_VALID))
            pool_put(i);
    }
    bench_resume(b);
}

static void
restore_textbook(Bench *b, const uint8_t *usage)
{
    bench_pause(b);
    for (int i = 0; i < (int)FRAMES; i++) {
        BufTag tag = pool_tag((uint64_t)i);
        if (text_pool->frames[i].tag.rel.rel == 0)
            text_install(text_pool, i, &tag);
        text_set_usage(text_pool, i, usage[i]);
    }
    bench_resume(b);
}

/* One iteration: one pass of the pool. */
static void
sweep_hot(Bench *b)
{
    for (int pass = 0; bench_next(b); pass++) {
        uint64_t found = 0;
        if (pass % USAGE_MAX == 0)
            restore(b, hot_usage);
        for (uint32_t i = 0; i < FRAMES / SWEEP_GROUP; i++)
            found |= sweep_next_group();
        if (found)
            abort();
    }
    bench_items(b, FRAMES);
}

static void
sweep_hot_textbook(Bench *b)
{
    for (int pass = 0; bench_next(b); pass++) {
        if (pass % USAGE_MAX == 0)
            restore_textbook(b, hot_usage);
        for (uint32_t i = 0; i < FRAMES; i++)
            if (text_tick(text_pool) >= 0)
                abort();
    }
    bench_items(b, FRAMES);
}

/* One iteration: as many victims as there are cold pages, in one pass of the hand. */
static void
victims(Bench *b)
{
    while (bench_next(b)) {
        restore(b, mixed_usage);
        for (uint32_t i = 0; i < FRAMES / COLD_ONE_IN; i++) {
            Buf victim;
            if (victim_get(NULL, &victim) != ERR_OK)
                abort();
            victim_put_back(victim);
        }
    }
    bench_items(b, FRAMES / COLD_ONE_IN);
}

static void
victims_textbook(Bench *b)
{
    while (bench_next(b)) {
        restore_textbook(b, mixed_usage);
        for (uint32_t i = 0; i < FRAMES / COLD_ONE_IN; i++)
            text_unpin(text_pool, text_victim(text_pool, NULL));
    }
    bench_items(b, FRAMES / COLD_ONE_IN);
}

int
main(int argc, char **argv)
{
    static const BenchCase cases[] = {
        {.name = "sweep_hot", .fn = sweep_hot},
        {.name = "sweep_hot_textbook", .fn = sweep_hot_textbook},
        {.name = "victims", .fn = victims},
        {.name = "victims_textbook", .fn = victims_textbook},
    };
    static const BenchRow rows[] = {
        {.what = "sweep over an all-hot pool, frames", .ours = "sweep_hot", .textbook = "sweep_hot_textbook", .goal = 1e9, .goal_ratio = 8, .unit = BENCH_PER_S},
        {.what = "victim when 10 % of the pool is cold", .ours = "victims", .textbook = "victims_textbook", .goal = 30},
    };
    return bench_main(argc, argv, cases, COUNT_OF(cases), rows, COUNT_OF(rows), setup);
}
