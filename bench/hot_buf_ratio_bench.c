/*
 * Hit ratios, ours beside the textbook's replacement over the same stream of accesses: zipf(0.99) over eight
 * times as many pages as there are frames; and the point reads of such a stream beside a scan of the whole
 * table through a ring, which must not push the hot pages out. Ours runs on the real pool, reading a real
 * (sparse) file.
 */
#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file/relfile.h"
#include "pool.h"
#include "walmgr/walmgr.h"

#define FRAMES 4096
#define PAGES (FRAMES * 8)
#define WARM 100000
#define MEASURED 400000
#define NOT_BELOW 0.998 /* two standard errors of so many samples */
#define SCAN_PER_POINT 4 /* pages of the scan for each point read */
#define TEXT_RING 32     /* 256 kB, PostgreSQL's ring for bulk reads */

static double zipf_sum[PAGES];
static uint32_t zipf_page[PAGES]; /* the pages in order of popularity */
static char directory[] = "/tmp/buf_ratio.XXXXXX";
static pid_t owner;

static void
remove_directory(void)
{
    char command[64];
    snprintf(command, sizeof(command), "rm -rf '%s'", directory);
    if (getpid() == owner && system(command) != 0)
        fprintf(stderr, "%s is left\n", directory);
}

static void
setup(void)
{
    uint64_t rnd = 88172645463325252u;
    double sum = 0;
    for (uint32_t i = 0; i < PAGES; i++) {
        zipf_sum[i] = sum += 1 / pow(i + 1, 0.99);
        zipf_page[i] = i;
    }
    for (uint32_t i = PAGES - 1; i > 0; i--) {
        uint32_t j = (uint32_t)(bench_random(&rnd) % (i + 1)), t = zipf_page[i];
        zipf_page[i] = zipf_page[j];
        zipf_page[j] = t;
    }
    if (!mkdtemp(directory) || chdir(directory) != 0 || mkdir("base", 0700) != 0 || mkdir("base/5", 0700) != 0)
        abort();
    owner = getpid();
    atexit(remove_directory);
    cpu_init();
    enable_fsync = false;
    buf_shared_buffers = FRAMES;
    proc_shm_register();
    fsyncq_shm_register();
    wal_shm_register();
    buf_shm_register();
    shm_create_for_test();
    if (proc_attach(PROC_STANDALONE) != ERR_OK)
        abort();
    buf_process_init();
    if (relfile_create(pool_rel, FORK_MAIN, true) != ERR_OK || truncate("base/5/16384", (off_t)PAGES * PAGE_BYTES) != 0)
        abort();
}

static BlockNo
zipf_next(uint64_t *rnd)
{
    double at = (double)(bench_random(rnd) >> 11) * 0x1p-53 * zipf_sum[PAGES - 1];
    uint32_t lo = 0, hi = PAGES - 1;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        if (zipf_sum[mid] < at)
            lo = mid + 1;
        else
            hi = mid;
    }
    return zipf_page[lo];
}

static bool
access_ours(BlockNo block, BufRing *ring)
{
    uint64_t reads = buf_stats.read;
    Buf b;
    if (buf_read_shared(pool_rel, FORK_MAIN, block, ring, BUF_INVALID, &b) != ERR_OK)
        abort();
    buf_release(b);
    return buf_stats.read == reads;
}

static bool
access_textbook(BlockNo block, TextRing *ring)
{
    BufTag tag = pool_tag(block);
    int id = text_read(text_pool, &tag, ring != NULL);
    bool hit = id >= 0;
    if (!hit) {
        id = text_victim(text_pool, ring);
        text_install(text_pool, id, &tag);
    }
    text_unpin(text_pool, id);
    return hit;
}

/* Percent of the point reads that hit. scan: pages of the scan between two of them. */
static double
ratio(bool textbook, int scan)
{
    uint64_t rnd = 1234567890123u, hits = 0;
    BlockNo at = 0;
    BufRing *ring = buf_ring_create(arena_top(), BUF_RING_BULK_READ);
    TextRing text_ring = {.size = TEXT_RING};

    for (int i = 0; i < TEXT_RING; i++)
        text_ring.frames[i] = -1;
    if (textbook)
        text_pool = text_pool_create(FRAMES);
    else
        buf_drop_relation(pool_rel, 0);
    for (int i = 0; i < WARM + MEASURED; i++) {
        BlockNo block = zipf_next(&rnd);
        bool hit = textbook ? access_textbook(block, NULL) : access_ours(block, NULL);
        if (i >= WARM)
            hits += hit;
        for (int k = 0; k < scan; k++, at = (at + 1) % PAGES)
            (void)(textbook ? access_textbook(at, &text_ring) : access_ours(at, ring));
    }
    return 100.0 * (double)hits / MEASURED;
}

static double zipf(bool textbook) { return ratio(textbook, 0); }
static double beside_scan(bool textbook) { return ratio(textbook, SCAN_PER_POINT); }

int
main(int argc, char **argv)
{
    static const BenchRow rows[] = {
        {.what = "hit ratio on zipf(0.99), pool an eighth of the table", .value = zipf, .goal_ratio = NOT_BELOW, .unit = BENCH_PERCENT},
        {.what = "  the same, of point reads beside a full scan", .value = beside_scan, .goal_ratio = NOT_BELOW, .unit = BENCH_PERCENT},
    };
    return bench_main(argc, argv, NULL, 0, rows, COUNT_OF(rows), setup);
}
