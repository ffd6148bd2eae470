/*
 * Benchmarks in C over Google Benchmark. A benchmark is a C function that calls bench_next() until it
 * returns false; what it does between two calls is one iteration.
 *
 *     static void pin_hit(Bench *b) { while (bench_next(b)) use(pin(...)); bench_items(b, 1); }
 *     static const BenchCase cases[] = {{.name = "pin_hit", .fn = pin_hit}, {.name = "pin_hit_many", .fn = pin_hit, .processes = 16}};
 *     static const BenchRow rows[] = {{.what = "full hit cycle", .ours = "pin_hit", .textbook = "textbook_pin", .goal = 15}};
 *     int main(int argc, char **argv) { return bench_main(argc, argv, cases, 2, rows, 1, setup); }
 *
 * Google Benchmark's command line applies: --benchmark_filter=REGEX, --benchmark_repetitions=N,
 * --benchmark_format=console|json|csv. With --rows the program instead prints its rows of the table of goals
 * (bench/hot_paths.sh), each from interleaved runs of ours and the textbook's.
 *
 * A case of several processes forks them over whatever `setup` has mapped shared; they start together at a
 * barrier and all stop when the first has done its iterations, so that none runs alone. Reported are operations
 * of all a second, wall and CPU nanoseconds for one, and the least and most that one process got done.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench_state.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef void (*BenchFn)(Bench *b);

static inline bool
bench_next(Bench *b)
{
    /* relaxed: a flag that only ends the loop */
    if (__builtin_expect(b->left > 0 && !BENCH_LOAD_RELAXED(b->stop), 1)) {
        b->left--;
        return true;
    }
    return bench_next_slow(b);
}

static inline int64_t bench_arg(const Bench *b) { return b->arg; } /* the case's argument */
static inline int bench_index(const Bench *b) { return b->index; } /* of this thread or process */
static inline int bench_count(const Bench *b) { return b->count; } /* how many there are */
void bench_pause(Bench *b);                        /* setup inside the loop that must not count; not with processes */
void bench_resume(Bench *b);
void bench_items(Bench *b, int64_t per_iteration); /* items a second in the output; 1 if never called */
void bench_bytes(Bench *b, int64_t per_iteration); /* bytes a second */
/* Keeps the compiler from dropping a value. */
static inline void bench_use(const void *p) { __asm__ volatile("" : : "r"(p) : "memory"); }
static inline void bench_use_value(uint64_t v) { __asm__ volatile("" : : "r"(v)); }
static inline uint64_t
bench_random(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}

typedef struct BenchCase {
    const char *name;
    BenchFn fn;
    int64_t args[8];         /* one run each; 0 ends the list, a first 0 means one run without argument */
    int threads, processes;  /* 0: one */
    void (*begin)(Bench *b); /* before the clock starts, in each thread or process; may be NULL */
    void (*end)(Bench *b);   /* after it has stopped */
} BenchCase;

/* A line of the table of goals. `ours` and `textbook` name cases; without textbook there is no ratio. */
typedef enum BenchUnit { BENCH_NS, BENCH_PER_S, BENCH_GB_S, BENCH_PERCENT } BenchUnit;
typedef struct BenchRow {
    const char *what, *ours, *textbook;
    int64_t arg;
    double goal;       /* in the unit: at most (ns) or at least (rates); 0: none */
    double goal_ratio; /* how many times better than the textbook; 0: none */
    BenchUnit unit;    /* ns: wall time of one item, of all processes together */
    bool skip;         /* this machine cannot run it */
    double (*value)(bool textbook); /* instead of cases: computes the figure (hit ratios) */
} BenchRow;

/* Registers and runs; returns the exit code. setup (may be NULL) runs once, before the first case. */
int bench_main(int argc, char **argv, const BenchCase *cases, int case_count, const BenchRow *rows, int row_count,
               void (*setup)(void));

#ifdef __cplusplus
}
#endif

#endif
