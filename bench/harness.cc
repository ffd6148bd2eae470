/*
 * The one C++ file of the project: Google Benchmark behind the C interface of bench.h.
 */
#include "bench.h"

#include <benchmark/benchmark.h>

#include <cstring>
#include <string>

static const uint32_t never = 0;

static benchmark::State *
state_of(Bench *b)
{
    return static_cast<benchmark::State *>(b->google);
}

bool
bench_google_begin(Bench *b)
{
    return state_of(b)->KeepRunningBatch(b->asked);
}

void
bench_google_end(Bench *b)
{
    (void)state_of(b)->KeepRunningBatch(b->asked);
}

void
bench_google_pause(Bench *b, bool pause)
{
    if (pause)
        state_of(b)->PauseTiming();
    else
        state_of(b)->ResumeTiming();
}

static void
run_here(benchmark::State &state, const BenchCase *c)
{
    Bench b = {};

    b.stop = &never;
    b.asked = static_cast<int64_t>(state.max_iterations);
    b.arg = state.range(0);
    b.index = state.thread_index();
    b.count = state.threads();
    b.google = &state;
    if (c->begin != nullptr)
        c->begin(&b);
    c->fn(&b);
    if (c->end != nullptr)
        c->end(&b);
    if (b.items != 0)
        state.SetItemsProcessed(state.iterations() * b.items);
    if (b.bytes != 0)
        state.SetBytesProcessed(state.iterations() * b.bytes);
}

/*
 * The processes measure themselves; Google Benchmark is told the wall time that as many operations as it
 * asked for would have taken them.
 */
static void
run_processes(benchmark::State &state, const BenchCase *c)
{
    BenchResult r;
    int64_t n = static_cast<int64_t>(state.max_iterations);

    bench_run_processes(c, state.range(0), n, &r);
    if (r.failed) {
        state.SkipWithError("a process failed");
        return;
    }
    double items = r.total * static_cast<double>(r.items), processes = c->processes;
    while (state.KeepRunningBatch(n))
        state.SetIterationTime(r.wall_ns * 1e-9 * static_cast<double>(n) / r.total);
    state.counters["items_per_second"] = items / (r.wall_ns * 1e-9);
    if (r.bytes != 0)
        state.counters["bytes_per_second"] = r.total * static_cast<double>(r.bytes) / (r.wall_ns * 1e-9);
    state.counters["wall_ns"] = r.wall_ns * processes / items;
    state.counters["cpu_ns"] = r.cpu_ns / items;
    state.counters["least"] = r.least / r.total * processes;
    state.counters["most"] = r.most / r.total * processes;
}

static void
register_case(const BenchCase *c)
{
    bool team = c->processes > 1;
    std::string name = c->name;

    if (team)
        name += "/processes:" + std::to_string(c->processes);
    auto *registered = benchmark::RegisterBenchmark(name.c_str(), [c, team](benchmark::State &state) {
        if (team)
            run_processes(state, c);
        else
            run_here(state, c);
    });
    if (team)
        registered->UseManualTime();
    else if (c->threads > 1)
        registered->Threads(c->threads)->UseRealTime();
    for (int k = 0; k < 8 && (k == 0 || c->args[k] != 0); k++)
        registered->Arg(c->args[k]);
}

int
bench_main(int argc, char **argv, const BenchCase *cases, int case_count, const BenchRow *rows, int row_count,
           void (*setup)(void))
{
    if (argc == 2 && strcmp(argv[1], "--rows") == 0) {
        if (setup != nullptr)
            setup();
        return bench_print_rows(cases, case_count, rows, row_count);
    }
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv))
        return 1;
    if (setup != nullptr)
        setup();
    for (int i = 0; i < case_count; i++)
        register_case(&cases[i]);
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
}
