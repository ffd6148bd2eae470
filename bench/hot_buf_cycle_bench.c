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

/* The root of a busy B-tree: everybody reads the same page. */
static void
attach(Bench *b)
{
    proc_exit_reset();
    proc_self = NULL;
    if (proc_attach(PROC_BACKEND) != ERR_OK)
        abort();
    buf_process_init();
}

static void
detach(Bench *b)
{
    proc_detach();
}

static void
root_peek(Bench *b)
{
    while (bench_next(b)) {
        BufPeek p;
        if (!buf_peek_begin(pool_rel, FORK_MAIN, 7, BUF_INVALID, &p))
            abort();
        bench_use_value(load_u64(buf_page(p.buf)));
        if (!buf_peek_valid(&p))
            abort();
    }
}

static void
root_shared(Bench *b)
{
    while (bench_next(b)) {
        Buf buf;
        if (buf_read_shared(pool_rel, FORK_MAIN, 7, NULL, BUF_INVALID, &buf) != ERR_OK)
            abort();
        bench_use_value(load_u64(buf_page(buf)));
        buf_release(buf);
    }
}

static void
root_textbook(Bench *b)
{
    BufTag tag = pool_tag(7);
    while (bench_next(b)) {
        int id = text_read(text_pool, &tag, false);
        text_lock_shared(&text_pool->frames[id].content);
        bench_use_value(load_u64(buf_page((Buf)id)));
        text_unlock(&text_pool->frames[id].content);
        text_unpin(text_pool, id);
    }
}

int
main(int argc, char **argv)
{
    enum { HOT = 64, WARM = 1024 };
    static const BenchCase cases[] = {
        {.name = "cycle", .fn = cycle, .args = {HOT, WARM, FRAMES}},
        {.name = "cycle_textbook", .fn = cycle_textbook, .args = {HOT, WARM, FRAMES}},
        {.name = "pin_again", .fn = cycle_pinned},
        {.name = "root_peek", .fn = root_peek, .processes = 2, .begin = attach, .end = detach},
        {.name = "root_shared", .fn = root_shared, .processes = 2, .begin = attach, .end = detach},
        {.name = "root_textbook", .fn = root_textbook, .processes = 2, .begin = attach, .end = detach},
    };
    static const BenchRow rows[] = {
        {.what = "full hit cycle: look up, pin, shared lock, unlock, unpin", .ours = "cycle", .textbook = "cycle_textbook", .arg = HOT, .goal = 15},
        {.what = "  the same over 1024 pages", .ours = "cycle", .textbook = "cycle_textbook", .arg = WARM},
        {.what = "  the same over all of 131 k frames", .ours = "cycle", .textbook = "cycle_textbook", .arg = FRAMES},
        {.what = "inner page read optimistically by 2 processes at once", .ours = "root_peek", .textbook = "root_textbook"},
        {.what = "  the same with pin and shared lock", .ours = "root_shared", .textbook = "root_textbook"},
    };
    return bench_main(argc, argv, cases, COUNT_OF(cases), rows, COUNT_OF(rows), setup);
}
