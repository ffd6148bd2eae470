/*
 * What a running benchmark keeps. Shared by bench.h (the loop is inline), run.c and harness.cc; not for
 * benchmarks themselves.
 */
#ifndef BENCH_BENCH_STATE_H
#define BENCH_BENCH_STATE_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* C++ has no _Atomic: a plain word with the compiler's atomics serves both. */
#define BENCH_LOAD_RELAXED(p) __atomic_load_n((p), __ATOMIC_RELAXED)

typedef struct Bench {
    int64_t left;       /* iterations still to do */
    const uint32_t *stop; /* not 0: end the loop now */
    int64_t asked, arg;
    int index, count;
    bool begun;
    void *google;       /* its state, or NULL under run.c */
    int64_t items, bytes; /* per iteration */
    uint64_t wall_ns, cpu_ns; /* run.c: of the loop */
    uint64_t wall_from, cpu_from, wall_paused, cpu_paused;
    void *team;         /* run.c: the processes' barrier */
} Bench;

bool bench_next_slow(Bench *b);

struct BenchCase;
/* What `count` processes (or this one alone) did together. */
typedef struct BenchResult {
    double wall_ns, cpu_ns;   /* wall: from start to stop; cpu: of all */
    double total, least, most; /* iterations: of all, of one process */
    int64_t items, bytes;      /* per iteration */
    bool failed;
} BenchResult;
void bench_run_processes(const struct BenchCase *c, int64_t arg, int64_t iterations, BenchResult *out);

/* The hooks by which bench_next reaches Google Benchmark's clock (harness.cc). */
bool bench_google_begin(Bench *b);
void bench_google_end(Bench *b);
void bench_google_pause(Bench *b, bool pause);

struct BenchRow;
int bench_print_rows(const struct BenchCase *cases, int case_count, const struct BenchRow *rows, int row_count);

#ifdef __cplusplus
}
#endif

#endif
