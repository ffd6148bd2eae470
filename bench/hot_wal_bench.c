/*
 * Inserting into the log, alone and by 16 processes, beside the textbook's way. Both have a ring of the same
 * size and the same CRC; what is complete is taken out of the ring without being written, by whoever notices
 * that it is half full, so that the figures are the insertion's and no disk's. wal_insert_bench has the rest:
 * files, flushes, commits.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"
#include "core/base/cpu.h"
#include "core/file/relfile.h"
#include "core/shm/shm.h"
#include "textbook_wal.h"
#include "walmgr/wal_internal.h"

#define PROCESSES 16
#define ROOM_EVERY 256

static struct Shared {
    TextbookWal wal;
    TextbookProcess processes[PROCESSES];
    Spinlock drain; /* who empties the textbook's ring */
} *shared;
static char *textbook_ring;
static char data[8192], page[8192];

static void
empty_ring(void)
{
    if (!wal_lock_try(&wal_shared->write_lock))
        return;
    /* release: as the log's own writer does; what is not written is never read */
    atomic_store_explicit(&wal_shared->written, wal_complete_end(), memory_order_release);
    wal_lock_release(&wal_shared->write_lock);
}

static void
empty_ring_textbook(int me)
{
    if (!spin_try_lock(&shared->drain))
        return;
    /* release: as above */
    atomic_store_explicit(&shared->wal.written, textbook_wal_complete(&shared->wal, shared->processes, me), memory_order_release);
    spin_unlock(&shared->drain);
}

/* Called now and then by inserters. */
static void
make_room(void)
{
    /* relaxed: a guess */
    if (wal_insert_position() - atomic_load_explicit(&wal_shared->written, memory_order_relaxed) >= (wal_ring_mask + 1) / 2)
        empty_ring();
}

static void
make_room_textbook(int me)
{
    TextbookWal *w = &shared->wal;
    spin_lock(&w->position_lock);
    uint64_t end = w->end;
    spin_unlock(&w->position_lock);
    if (end - atomic_load_explicit(&w->written, memory_order_relaxed) >= (wal_ring_mask + 1) / 2) /* as above */
        empty_ring_textbook(me);
}

static char directory[] = "/tmp/wal_bench.XXXXXX";
static pid_t owner;

static void
remove_directory(void)
{
    char command[100];
    snprintf(command, sizeof(command), "rm -rf '%s'", directory);
    if (getpid() == owner && system(command) != 0)
        fprintf(stderr, "%s is left\n", directory);
}

static void
setup(void)
{
    owner = getpid();
    if (!mkdtemp(directory) || chdir(directory) != 0)
        abort();
    cpu_init();
    enable_fsync = false;
    /* So large that it does not fill in a round: with more processes than processors one is always stopped in the
     * middle of its copy, and nothing behind it can be taken out of the ring until it runs again. */
    wal_buffers_blocks = 32768;
    proc_shm_register();
    fsyncq_shm_register();
    wal_shm_register();
    shm_create_for_test();
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    textbook_ring = mmap(NULL, wal_ring_mask + 1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (shared == MAP_FAILED || textbook_ring == MAP_FAILED || proc_attach(PROC_STANDALONE) != ERR_OK)
        abort();
    for (int i = 0; i < PROCESSES; i++)
        sem_init(&shared->processes[i].semaphore, 1, 0);
    wal_bootstrap(1, 100, 16384);
    atexit(remove_directory);
    store_u64(page, UINT64_MAX / 2); /* its LSN: no image */
}

static void
attach(Bench *b)
{
    proc_exit_reset();
    proc_self = NULL;
    if (proc_attach(PROC_BACKEND) != ERR_OK)
        abort();
    /* A server's process meets each page of the ring once in its life; here it would be most of the time. */
    if (madvise(wal_ring, wal_ring_mask + 1, MADV_POPULATE_WRITE) != 0 ||
        madvise(textbook_ring, wal_ring_mask + 1, MADV_POPULATE_WRITE) != 0)
        abort();
    empty_ring();
    empty_ring_textbook(bench_index(b));
}

static void
detach(Bench *b)
{
    proc_detach();
}

static void
insert(Bench *b)
{
    uint32_t bytes = (uint32_t)bench_arg(b);
    for (unsigned n = 0; bench_next(b); n++) {
        if (n % ROOM_EVERY == 0)
            make_room();
        wal_begin();
        wal_add_data(data, bytes - WAL_HEADER_BYTES - 1);
        wal_insert(RMGR_HEAP, 0, NULL);
    }
    bench_bytes(b, bytes);
}

/* What a heap insertion writes: one page without image, its tuple, three bytes. */
static void
insert_heap(Bench *b)
{
    for (unsigned n = 0; bench_next(b); n++) {
        if (n % ROOM_EVERY == 0)
            make_room();
        wal_begin();
        wal_add_block(0, (RelLocator){1, 2, 3}, FORK_MAIN, 4, page, WAL_REF_STANDARD);
        wal_add_block_data(0, data, 40);
        wal_add_data(data, 3);
        wal_insert(RMGR_HEAP, 0, NULL);
    }
}

static void
insert_textbook(Bench *b)
{
    uint32_t bytes = (uint32_t)bench_arg(b);
    int me = bench_index(b), lock = me % TEXTBOOK_WAL_LOCKS;
    char record[8192];

    memset(record, 0, sizeof(record));
    for (unsigned n = 0; bench_next(b); n++) {
        if (n % ROOM_EVERY == 0)
            make_room_textbook(me);
        memcpy(record + TEXTBOOK_WAL_HEADER, data, bytes - TEXTBOOK_WAL_HEADER);
        textbook_wal_insert(&shared->wal, shared->processes, me, &lock, textbook_ring, wal_ring_mask, record, bytes);
    }
    bench_bytes(b, bytes);
}

int
main(int argc, char **argv)
{
    static const BenchCase cases[] = {
        {.name = "insert", .fn = insert, .args = {64, 256, 1024}},
        {.name = "insert_textbook", .fn = insert_textbook, .args = {64, 256, 1024}},
        {.name = "insert_heap", .fn = insert_heap},
        {.name = "insert_many", .fn = insert, .args = {64, 256}, .processes = PROCESSES, .begin = attach, .end = detach},
        {.name = "insert_many_textbook", .fn = insert_textbook, .args = {64, 256}, .processes = PROCESSES, .begin = attach, .end = detach},
    };
    static const BenchRow rows[] = {
        {.what = "WAL insert of a 64-byte record", .ours = "insert", .textbook = "insert_textbook", .arg = 64, .goal = 60},
        {.what = "  of a heap insertion's record", .ours = "insert_heap"},
        {.what = "  64 bytes, 16 processes", .ours = "insert_many", .textbook = "insert_many_textbook", .arg = 64, .goal_ratio = 2},
        {.what = "  256 bytes, 16 processes", .ours = "insert_many", .textbook = "insert_many_textbook", .arg = 256},
    };
    return bench_main(argc, argv, cases, COUNT_OF(cases), rows, COUNT_OF(rows), setup);
}
