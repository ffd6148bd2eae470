/*
 * Benchmarks in C over Google Benchmark. A benchmark is a C function that calls bench_next() until it
 * returns false; what it does between two calls is one iteration.
 *
 *     static void pin_hit(Bench *b) { while (bench_next(b)) use(pin(...)); bench_items(b, 1); }
 *     BENCH_MAIN({"pin_hit", pin_hit, {0}})
 *
 * Google Benchmark's command line applies: --benchmark_filter=REGEX, --benchmark_repetitions=N,
 * --benchmark_format=console|json|csv.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct Bench Bench;
typedef void (*BenchFn)(Bench *b);

bool bench_next(Bench *b);
int64_t bench_arg(const Bench *b);                /* the case's argument */
void bench_pause(Bench *b);                       /* setup inside the loop that must not count */
void bench_resume(Bench *b);
void bench_items(Bench *b, int64_t per_iteration); /* items a second in the output */
void bench_bytes(Bench *b, int64_t per_iteration); /* bytes a second */
/* Keeps the compiler from dropping a value. */
static inline void bench_use(const void *p) { __asm__ volatile("" : : "r"(p) : "memory"); }

typedef struct BenchCase {
    const char *name;
    BenchFn fn;
    int64_t args[8]; /* one run each; 0 ends the list, a first 0 means one run without argument */
} BenchCase;
/* Registers and runs; returns the exit code. setup (may be NULL) runs once, before the first case. */
int bench_main(int argc, char **argv, const BenchCase *cases, int count, void (*setup)(void));

#ifdef __cplusplus
}
#endif

#endif
