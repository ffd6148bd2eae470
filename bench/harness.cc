/*
 * The one C++ file of the project: Google Benchmark behind the C interface of bench.h.
 */
#include "bench.h"

#include <benchmark/benchmark.h>

struct Bench {
    benchmark::State *state;
    benchmark::State::StateIterator *at, *end;
    bool begun;
};

bool
bench_next(Bench *b)
{
    if (!b->begun) {
        b->begun = true;
        b->at = new benchmark::State::StateIterator(b->state->begin());
        b->end = new benchmark::State::StateIterator(b->state->end());
    } else {
        ++*b->at;
    }
    if (*b->at != *b->end)
        return true;
    delete b->at;
    delete b->end;
    return false;
}

int64_t
bench_arg(const Bench *b)
{
    return b->state->range(0);
}

void
bench_pause(Bench *b)
{
    b->state->PauseTiming();
}

void
bench_resume(Bench *b)
{
    b->state->ResumeTiming();
}

void
bench_items(Bench *b, int64_t per_iteration)
{
    b->state->SetItemsProcessed(static_cast<int64_t>(b->state->iterations()) * per_iteration);
}

void
bench_bytes(Bench *b, int64_t per_iteration)
{
    b->state->SetBytesProcessed(static_cast<int64_t>(b->state->iterations()) * per_iteration);
}

int
bench_main(int argc, char **argv, const BenchCase *cases, int count, void (*setup)(void))
{
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv))
        return 1;
    if (setup != nullptr)
        setup();
    for (int i = 0; i < count; i++) {
        BenchFn fn = cases[i].fn;
        auto *registered = benchmark::RegisterBenchmark(cases[i].name, [fn](benchmark::State &state) {
            Bench b = {&state, nullptr, nullptr, false};
            fn(&b);
        });
        for (int k = 0; k < 8 && (k == 0 || cases[i].args[k] != 0); k++)
            registered->Arg(cases[i].args[k]);
    }
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
}
