/*
 * Benchmarks run without Google Benchmark: several processes over shared memory, and the rows of the table
 * of goals.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

#define PROCESSES_MAX 256
#define ROUNDS 9          /* of ours and the textbook's, in turns */
#define ROUND_NS 30e6     /* how long one lasts, about */
#define CALIBRATE_NS 5e6

/* Shared by the processes of one run. The stop flag has its line to itself: everybody reads it always. */
typedef struct Team {
    __attribute__((aligned(64))) uint32_t stop;
    __attribute__((aligned(64))) uint32_t ready, go;
    __attribute__((aligned(64))) struct {
        uint64_t began, ended, cpu_ns;
        int64_t done, items, bytes;
    } members[PROCESSES_MAX];
} Team;

static const uint32_t never;

static uint64_t
clock_ns(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void
member_wait(Team *team)
{
    __atomic_fetch_add(&team->ready, 1, __ATOMIC_RELEASE); /* release: what begin() did is done */
    while (!__atomic_load_n(&team->go, __ATOMIC_ACQUIRE))  /* acquire: pairs with the parent's release */
        usleep(50);
}

/* First and last call of a loop. */
bool
bench_next_slow(Bench *b)
{
    if (!b->begun) {
        b->begun = true;
        if (b->google)
            bench_google_begin(b);
        if (b->team)
            member_wait(b->team);
        b->cpu_from = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
        b->wall_from = clock_ns(CLOCK_MONOTONIC);
        b->left = b->asked - 1;
        return true;
    }
    uint64_t now = clock_ns(CLOCK_MONOTONIC);
    b->wall_ns = now - b->wall_from;
    b->cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - b->cpu_from;
    if (b->google)
        bench_google_end(b);
    if (b->team) /* relaxed: a flag */
        __atomic_store_n(&((Team *)b->team)->stop, 1, __ATOMIC_RELAXED);
    return false;
}

void
bench_pause(Bench *b)
{
    if (b->google)
        bench_google_pause(b, true);
    b->cpu_paused = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    b->wall_paused = clock_ns(CLOCK_MONOTONIC);
}

void
bench_resume(Bench *b)
{
    b->wall_from += clock_ns(CLOCK_MONOTONIC) - b->wall_paused;
    b->cpu_from += clock_ns(CLOCK_PROCESS_CPUTIME_ID) - b->cpu_paused;
    if (b->google)
        bench_google_pause(b, false);
}

void
bench_items(Bench *b, int64_t per_iteration)
{
    b->items = per_iteration;
}

void
bench_bytes(Bench *b, int64_t per_iteration)
{
    b->bytes = per_iteration;
}

static void
member_run(const BenchCase *c, Team *team, int index, int count, int64_t arg, int64_t iterations)
{
    Bench b = {.stop = &team->stop, .asked = iterations, .arg = arg, .index = index, .count = count, .team = team, .items = 1};

    if (c->begin)
        c->begin(&b);
    c->fn(&b);
    team->members[index].began = b.wall_from;
    team->members[index].ended = b.wall_from + b.wall_ns;
    team->members[index].cpu_ns = b.cpu_ns;
    team->members[index].done = b.asked - b.left;
    team->members[index].items = b.items;
    team->members[index].bytes = b.bytes;
    if (c->end)
        c->end(&b);
}

static void
team_result(const Team *team, int count, BenchResult *out)
{
    uint64_t from = UINT64_MAX, to = UINT64_MAX;

    /* To the end of the first to finish: who was not running then has noticed later, and done nothing more. */
    for (int i = 0; i < count; i++) {
        double done = (double)team->members[i].done;
        from = team->members[i].began < from ? team->members[i].began : from;
        to = team->members[i].ended < to ? team->members[i].ended : to;
        out->cpu_ns += (double)team->members[i].cpu_ns;
        out->total += done;
        out->least = i == 0 || done < out->least ? done : out->least;
        out->most = done > out->most ? done : out->most;
    }
    out->wall_ns = (double)(to - from);
    out->items = team->members[0].items;
    out->bytes = team->members[0].bytes;
}

void
bench_run_processes(const BenchCase *c, int64_t arg, int64_t iterations, BenchResult *out)
{
    int count = c->processes > 1 ? c->processes : 1, started = 0;
    pid_t pids[PROCESSES_MAX];
    Team *team = mmap(NULL, sizeof(Team), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    memset(out, 0, sizeof(*out));
    if (team == MAP_FAILED || count > PROCESSES_MAX) {
        out->failed = true;
        return;
    }
    fflush(NULL);
    for (; started < count; started++) {
        pids[started] = fork();
        if (pids[started] == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            member_run(c, team, started, count, arg, iterations);
            _exit(0);
        }
        if (pids[started] < 0)
            break;
    }
    out->failed = started < count;
    /* acquire: pairs with the release in member_wait. A member that died before the barrier is found below. */
    while (!out->failed && __atomic_load_n(&team->ready, __ATOMIC_ACQUIRE) < (uint32_t)count) {
        siginfo_t ended = {0};
        if (waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid != 0)
            out->failed = true;
        usleep(100);
    }
    /* release: pairs with the acquire in member_wait */
    __atomic_store_n(&team->go, 1, __ATOMIC_RELEASE);
    if (out->failed)
        __atomic_store_n(&team->stop, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < started; i++) {
        int status;
        if (waitpid(pids[i], &status, 0) != pids[i] || status != 0)
            out->failed = true;
    }
    if (!out->failed)
        team_result(team, count, out);
    munmap(team, sizeof(Team));
}

/* ---- rows ---- */

static const BenchCase *
find_case(const BenchCase *cases, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (strcmp(cases[i].name, name) == 0)
            return &cases[i];
    fprintf(stderr, "no case is named %s\n", name);
    exit(1);
}

/* Nanoseconds for one item, *run_ns: of the whole run. */
static double
run_once(const BenchCase *c, const BenchRow *row, int64_t iterations, double *run_ns)
{
    BenchResult r = {0};

    if (c->processes > 1) {
        bench_run_processes(c, row->arg, iterations, &r);
        if (r.failed) {
            fprintf(stderr, "%s: a process failed\n", c->name);
            exit(1);
        }
    } else {
        Bench b = {.stop = &never, .asked = iterations, .arg = row->arg, .count = 1, .items = 1};
        if (c->begin)
            c->begin(&b);
        c->fn(&b);
        if (c->end)
            c->end(&b);
        /* CPU time: other work on the machine does not count */
        r = (BenchResult){.wall_ns = (double)b.cpu_ns, .total = (double)iterations, .items = b.items, .bytes = b.bytes};
    }
    *run_ns = r.wall_ns;
    double units = r.total * (double)(row->unit == BENCH_GB_S ? r.bytes : r.items);
    return r.wall_ns / units;
}

static int64_t
calibrate(const BenchCase *c, const BenchRow *row)
{
    double ns = 0;
    /* Several processes need milliseconds until all run: few iterations would measure that. */
    int64_t n = c->processes > 1 ? 20000 : 16;

    for (run_once(c, row, n, &ns); ns < CALIBRATE_NS && n < INT64_C(1) << 40; run_once(c, row, n, &ns))
        n *= 4;
    n = (int64_t)((double)n * ROUND_NS / ns);
    return n < 1 ? 1 : n;
}

static int
compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double
median(double *v, int n)
{
    qsort(v, (size_t)n, sizeof(*v), compare_doubles);
    return v[n / 2];
}

static double
in_unit(BenchUnit unit, double ns)
{
    return unit == BENCH_NS ? ns : unit == BENCH_PER_S ? 1e9 / ns : 1 / ns;
}

static void
print_row(const BenchRow *row, double ours, double textbook)
{
    static const char *const units[] = {[BENCH_NS] = "ns", [BENCH_PER_S] = "/s", [BENCH_GB_S] = "GB/s", [BENCH_PERCENT] = "%"};
    double ratio = textbook == 0 ? 0 : row->unit == BENCH_NS ? textbook / ours : ours / textbook;
    bool good = row->goal == 0 || (row->unit == BENCH_NS ? ours <= row->goal : ours >= row->goal);

    if (row->goal_ratio != 0 && ratio < row->goal_ratio)
        good = false;
    printf("row\t%s\t%s\t%g\t%g\t%.4g\t%.4g\t%.4g\t%s\n", row->what, units[row->unit], row->goal, row->goal_ratio, ours, textbook,
           ratio, good ? "met" : "short");
    fflush(stdout);
}

static void
measure_row(const BenchCase *cases, int count, const BenchRow *row)
{
    const BenchCase *ours = find_case(cases, count, row->ours);
    const BenchCase *textbook = row->textbook ? find_case(cases, count, row->textbook) : NULL;
    double a[ROUNDS], b[ROUNDS] = {0}, run_ns;
    int64_t n_ours = calibrate(ours, row), n_textbook = textbook ? calibrate(textbook, row) : 0;

    for (int i = 0; i < ROUNDS; i++) {
        a[i] = run_once(ours, row, n_ours, &run_ns);
        if (textbook)
            b[i] = run_once(textbook, row, n_textbook, &run_ns);
    }
    print_row(row, in_unit(row->unit, median(a, ROUNDS)), textbook ? in_unit(row->unit, median(b, ROUNDS)) : 0);
}

int
bench_print_rows(const BenchCase *cases, int case_count, const BenchRow *rows, int row_count)
{
    for (int i = 0; i < row_count; i++) {
        if (rows[i].skip)
            printf("row\t%s\t-\t0\t0\t0\t0\t0\tskipped\n", rows[i].what);
        else if (rows[i].value)
            print_row(&rows[i], rows[i].value(false), rows[i].value(true));
        else
            measure_row(cases, case_count, &rows[i]);
    }
    return 0;
}
