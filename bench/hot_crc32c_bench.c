/*
 * CRC-32C of one buffer in the first-level cache, by length: every variant of this machine beside the byte
 * table and the crc32 instruction in a single stream. Each call continues the last one's value, as a page's
 * or a record's CRC is waited for.
 */
#include <string.h>

#include "bench.h"
#include "core/base/cpu.h"
#include "core/base/crc32c.h"
#include "textbook_crc32c.h"

static char buffer[1 << 20];

static void
run(Bench *b, Crc32cFn fn)
{
    int64_t n = bench_arg(b);
    uint32_t crc = 0;
    while (bench_next(b))
        crc = fn(crc, buffer, (size_t)n);
    bench_use_value(crc);
    bench_bytes(b, n);
}

static Crc32cFn
variant(const char *name)
{
    Crc32cVariant all[8];
    int n = crc32c_variants(all, (int)COUNT_OF(all));
    for (int i = 0; i < n; i++)
        if (strcmp(all[i].name, name) == 0)
            return all[i].fn;
    return NULL;
}

static void best(Bench *b) { run(b, crc32c_update); }
static void avx512(Bench *b) { run(b, variant("avx512")); }
static void sse42(Bench *b) { run(b, variant("sse42")); }
static void arm64(Bench *b) { run(b, variant("arm64")); }
static void scalar(Bench *b) { run(b, crc32c_scalar); }
static void byte_table(Bench *b) { run(b, textbook_crc_bytes); }
static void instruction(Bench *b) { run(b, textbook_crc_instruction); }

int
main(int argc, char **argv)
{
#define LENGTHS {24, 64, 256, 512, 8192, 1 << 20}
    static const struct { const char *name; BenchFn fn; } all[] = {
        {"avx512", avx512}, {"sse42", sse42}, {"arm64", arm64}, {"scalar", scalar},
    };
    static BenchCase cases[8] = {
        {.name = "best", .fn = best, .args = LENGTHS},
        {.name = "byte_table", .fn = byte_table, .args = LENGTHS},
        {.name = "instruction", .fn = instruction, .args = LENGTHS},
    };
    int n = 3;
    memset(buffer, 7, sizeof(buffer));
    textbook_crc_init();
    cpu_init();
    for (size_t i = 0; i < COUNT_OF(all); i++)
        if (variant(all[i].name))
            cases[n++] = (BenchCase){.name = all[i].name, .fn = all[i].fn, .args = LENGTHS};
    const BenchRow rows[] = {
        {.what = "CRC-32C of 8 KiB, AVX-512; beside the byte table", .ours = "avx512", .textbook = "byte_table", .arg = 8192,
         .goal = 40, .unit = BENCH_GB_S, .skip = !variant("avx512")},
        {.what = "  SSE4.2; beside one stream of the instruction", .ours = "sse42", .textbook = "instruction", .arg = 8192, .goal = 20,
         .unit = BENCH_GB_S, .skip = !variant("sse42")},
        {.what = "  ARM64 CRC + PMULL; beside one stream of the instruction", .ours = "arm64", .textbook = "instruction", .arg = 8192,
         .goal = 20, .unit = BENCH_GB_S, .skip = !variant("arm64")},
        {.what = "CRC-32C of 64 bytes; beside the byte table", .ours = "best", .textbook = "byte_table", .arg = 64, .goal = 8},
    };
    return bench_main(argc, argv, cases, n, rows, COUNT_OF(rows), NULL);
}
