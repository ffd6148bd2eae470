/*
 * CRC-32C of one buffer, for every variant this machine can run.
 */
#include "bench.h"

#include <string.h>

#include "core/base/cpu.h"
#include "core/base/crc32c.h"

static char buffer[1 << 20];
static Crc32cVariant variants[8];

static void
run(Bench *b, int variant)
{
    int64_t n = bench_arg(b);
    uint32_t crc = 0;
    while (bench_next(b))
        crc = variants[variant].fn(crc, buffer, (size_t)n);
    bench_use(&crc);
    bench_items(b, 1);
    bench_bytes(b, n);
}

static void variant_0(Bench *b) { run(b, 0); }
static void variant_1(Bench *b) { run(b, 1); }
static void variant_2(Bench *b) { run(b, 2); }

int
main(int argc, char **argv)
{
    static BenchFn const fns[] = {variant_0, variant_1, variant_2};
    BenchCase cases[3];
    memset(buffer, 7, sizeof buffer);
    cpu_init();
    int n = crc32c_variants(variants, 3);
    for (int i = 0; i < n; i++)
        cases[i] = (BenchCase){.name = variants[i].name, .fn = fns[i], .args = {64, 512, 8192, 1 << 20}};
    return bench_main(argc, argv, cases, n, NULL, 0, NULL);
}
