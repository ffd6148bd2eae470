/*
 * Cost of inserting one record. First in CPU time while the ring has room, with nothing written: the
 * insertion itself. Then in wall time, alone and from several processes, with the walwriter beside
 * and so with the cost of writing to the files. Then commits per second with a flush each. fsync is
 * off but in the last part.
 * Usage: wal_insert_bench [processes] [directory]
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/cpu.h"
#include "core/file/relfile.h"
#include "core/shm/shm.h"
#include "walmgr/wal_internal.h"

#define RECORDS 2000000
#define RUNS 5
#define PROCESSES_MAX 64

typedef struct Board { _Atomic int ready, go, stop; _Atomic uint64_t ns[PROCESSES_MAX], commits; } Board;
static Board *board;

static void
insert_records(uint32_t bytes, int n, bool flush)
{
    static char data[8192];
    for (int i = 0; i < n; i++) {
        wal_begin();
        wal_add_data(data, bytes - WAL_HEADER_BYTES - 1);
        Lsn end = wal_insert(RMGR_HEAP, 0, NULL);
        if (flush)
            wal_flush_to(end);
    }
}

static void
insert_with_page(int n)
{
    static char page[8192], data[40];
    memset(page, 0, sizeof(page));
    *(Lsn *)page = UINT64_MAX / 2; /* no image */
    for (int i = 0; i < n; i++) {
        wal_begin();
        wal_add_block(0, (RelLocator){1, 2, 3}, FORK_MAIN, 4, page, WAL_REF_STANDARD);
        wal_add_block_data(0, data, 20);
        wal_add_data(data, 3);
        wal_insert(RMGR_HEAP, 0, NULL);
    }
}

static void
attach(void)
{
    proc_self = NULL;
    if (proc_attach(PROC_BACKEND) != ERR_OK)
        abort();
}

static int
compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static uint64_t
cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void
measure_alone(uint32_t bytes)
{
    enum { ROUNDS = 101 };
    double ns[ROUNDS];
    int n = (int)((wal_ring_mask + 1) / 4 / bytes);
    for (int i = 0; i < ROUNDS; i++) {
        wal_flush_to(wal_insert_position());
        uint64_t began = cpu_ns();
        insert_records(bytes, n, false);
        ns[i] = (double)(cpu_ns() - began) / n;
    }
    qsort(ns, ROUNDS, sizeof(double), compare);
    printf("insert %5u bytes, in the ring: median %6.1f ns CPU (%.1f .. %.1f)\n", bytes, ns[ROUNDS / 2], ns[0],
           ns[ROUNDS - 1]);
    fflush(stdout);
}

static pid_t
start_flusher(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        attach();
        while (!atomic_load(&board->stop)) {
            wal_background_flush();
            usleep(500);
        }
        _exit(0);
    }
    return pid;
}

static void
measure_insert(uint32_t bytes, int processes, bool page)
{
    double ns[RUNS];
    for (int run = 0; run < RUNS; run++) {
        atomic_store(&board->ready, 0);
        atomic_store(&board->go, 0);
        for (int p = 0; p < processes; p++)
            if (fork() == 0) {
                attach();
                atomic_fetch_add(&board->ready, 1);
                while (!atomic_load(&board->go))
                    ;
                int n = RECORDS / (bytes > 1000 ? 10 : 1) / processes;
                uint64_t began = clock_monotonic_us();
                if (page)
                    insert_with_page(n);
                else
                    insert_records(bytes, n, false);
                atomic_store(&board->ns[p], (clock_monotonic_us() - began) * 1000 / (uint64_t)n);
                proc_detach();
                _exit(0);
            }
        while (atomic_load(&board->ready) < processes)
            usleep(100);
        atomic_store(&board->go, 1);
        for (int p = 0; p < processes; p++)
            wait(NULL);
        ns[run] = 0;
        for (int p = 0; p < processes; p++)
            ns[run] += (double)atomic_load(&board->ns[p]) / processes;
        wal_flush_to(wal_insert_position());
    }
    qsort(ns, RUNS, sizeof(double), compare);
    printf("insert %5u bytes%s, %2d processes: median %6.1f ns (%.1f .. %.1f)\n", bytes, page ? ", 1 page" : "", processes,
           ns[RUNS / 2], ns[0], ns[RUNS - 1]);
    fflush(stdout);
}

static void
measure_commit(int processes)
{
    uint64_t syncs = atomic_load(&wal_shared->sync_number);
    atomic_store(&board->commits, 0);
    atomic_store(&board->go, 1);
    for (int p = 0; p < processes; p++)
        if (fork() == 0) {
            attach();
            uint64_t until = clock_monotonic_us() + 2000000;
            uint64_t n = 0;
            for (; clock_monotonic_us() < until; n++)
                insert_records(64, 1, true);
            atomic_fetch_add(&board->commits, n);
            proc_detach();
            _exit(0);
        }
    for (int p = 0; p < processes; p++)
        wait(NULL);
    syncs = atomic_load(&wal_shared->sync_number) - syncs;
    printf("commit, fsync %s, %2d processes: %llu per second, %llu syncs per second\n", enable_fsync ? "on" : "off", processes,
           (unsigned long long)atomic_load(&board->commits) / 2, (unsigned long long)syncs / 2);
    fflush(stdout);
}

int
main(int argc, char **argv)
{
    int processes = argc > 1 ? MIN(atoi(argv[1]), PROCESSES_MAX) : 2;
    char directory[] = "/tmp/wal_bench.XXXXXX", command[100];
    if (argc > 2 ? chdir(argv[2]) != 0 : !mkdtemp(directory) || chdir(directory) != 0)
        return 1;
    cpu_init();
    enable_fsync = false;
    log_checkpoints = false;
    max_wal_size_mb = 256;
    wal_buffers_blocks = 2048;
    proc_shm_register();
    fsyncq_shm_register();
    wal_shm_register();
    shm_create_for_test();
    board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (proc_attach(PROC_STANDALONE) != ERR_OK)
        return 1;
    wal_bootstrap(1, 100, 16384);
    printf("cpu: %s\n", cpu_features_text());
    static const uint32_t sizes[] = {32, 64, 128, 256, 1024, 4096};
    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        measure_alone(sizes[i]);
    pid_t flusher = start_flusher();
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        measure_insert(sizes[i], 1, false);
        wal_checkpoint(CHECKPOINT_FORCE | CHECKPOINT_IMMEDIATE);
    }
    measure_insert(64, 1, true);
    for (int p = 2; p <= processes; p *= 2) {
        measure_insert(64, p, false);
        wal_checkpoint(CHECKPOINT_FORCE | CHECKPOINT_IMMEDIATE);
        measure_insert(64, p, true);
        wal_checkpoint(CHECKPOINT_FORCE | CHECKPOINT_IMMEDIATE);
    }
    for (int fsync_on = 0; fsync_on < 2; fsync_on++) {
        enable_fsync = fsync_on;
        for (int p = 1; p <= 32; p *= 4)
            measure_commit(p);
    }
    atomic_store(&board->stop, 1);
    waitpid(flusher, NULL, 0);
    snprintf(command, sizeof(command), "rm -rf '%s'", directory);
    return argc > 2 ? 0 : system(command) != 0;
}
