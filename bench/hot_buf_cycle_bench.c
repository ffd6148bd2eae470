/*
 * The full hit cycle: look the page up, pin it, lock its content shared, unlock, unpin. Over 64 pages of a pool
 * of 131 k frames (what everybody comes back to), over a thousand (each lookup then costs TLB misses where shared
 * memory has no huge pages: the table's buckets are spread), and over all (each header comes from memory).
 */
#include "pool.h"

#define FRAMES (1u << 17)

static void
setup(void)
{
    use_pool(FRAMES);
}

static void
cycle(Bench *b)
{
    uint64_t rnd = 88172645463325252u, mask = (uint64_t)bench_arg(b) - 1;
    while (bench_next(b)) {
        Buf buf;
        if (buf_read_shared(pool_rel, FORK_MAIN, (BlockNo)(bench_random(&rnd) & mask), NULL, BUF_INVALID, &buf) != ERR_OK)
            abort();
        buf_release(buf);
    }
}

static void
cycle_textbook(Bench *b)
{
    uint64_t rnd = 88172645463325252u, mask = (uint64_t)bench_arg(b) - 1;
    while (bench_next(b)) {
        BufTag tag = pool_tag(bench_random(&rnd) & mask);
        int id = text_read(text_pool, &tag, false);
        text_lock_shared(&text_pool->frames[id].content);
        text_unlock(&text_pool->frames[id].content);
        text_unpin(text_pool, id);
    }
}

/* The process has the page pinned already. */
static void
cycle_pinned(Bench *b)
{
    Buf outer, buf;
    if (buf_read(pool_rel, FORK_MAIN, 7, BUF_NORMAL, NULL, &outer) != ERR_OK)
        abort();
    while (bench_next(b)) {
        if (buf_read(pool_rel, FORK_MAIN, 7, BUF_NORMAL, NULL, &buf) != ERR_OK)
            abort();
        buf_unpin(buf);
    }
    buf_unpin(outer);
}

int
main(int argc, char **argv)
{
    enum { HOT = 64, WARM = 1024 };
    static const BenchCase cases[] = {
        {.name = "cycle", .fn = cycle, .args = {HOT, WARM, FRAMES}},
        {.name = "cycle_textbook", .fn = cycle_textbook, .args = {HOT, WARM, FRAMES}},
        {.name = "pin_again", .fn = cycle_pinned},
    };
    static const BenchRow rows[] = {
        {.what = "full hit cycle: look up, pin, shared lock, unlock, unpin", .ours = "cycle", .textbook = "cycle_textbook", .arg = HOT, .goal = 15},
        {.what = "  the same over 1024 pages", .ours = "cycle", .textbook = "cycle_textbook", .arg = WARM},
        {.what = "  the same over all of 131 k frames", .ours = "cycle", .textbook = "cycle_textbook", .arg = FRAMES},
    };
    return bench_main(argc, argv, cases, COUNT_OF(cases), rows, COUNT_OF(rows), setup);
}
