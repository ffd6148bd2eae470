/*
 * Runs iterations until the time is up. Each has a seed of its own made from the run's seed and its number, so that
 * `--from N --count 1` repeats one. A failure is: a crash (the watching session loses its connection), an answer that
 * does not come in time, bytes that are no message, a session at rest that holds too much memory. What was sent goes
 * to a file; the run goes on once the server is back.
 *
 * usage: server_fuzz [--seed N] [--seconds N] [--from N] [--count N] [--only MODE] [--corpus DIR] [--out DIR]
 *                    [--hang SECONDS] [--rss MB]        environment: PGHOST (socket directory), PGPORT
 */
#include "fuzz.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int hang_s = 60; /* statement_timeout is two: a loaded machine is not a hang */

typedef struct Mode {
    const char *name;
    const char *(*run)(Rng *r);
    int weight;
    long runs;
} Mode;

static Mode modes[] = {
    {"startup", fuzz_startup, 10, 0}, {"frames", fuzz_frames, 40, 0}, {"values", fuzz_values, 30, 0},
    {"copy", fuzz_copy, 20, 0},       {"sql", fuzz_sql, 20, 0},
};

static Client watcher; /* its end tells of a crash: the others of a crashed one's family are stopped */
static int failures;
static const char *out_directory = "/tmp";

static bool
watch(void)
{
    for (int i = 0; i < 240; i++) {
        if (client_login(&watcher, "postgres", "postgres"))
            return true;
        usleep(250 * 1000);
    }
    return false;
}

/* The news of a death takes a moment: the supervisor hears of it and stops the others. */
static bool
watcher_lost(int wait_ms)
{
    struct pollfd p = {.fd = watcher.fd, .events = POLLIN};
    return poll(&p, 1, wait_ms) > 0;
}

/* A mutated statement may have taken them. */
static bool
set_up(void)
{
    static const char *const sql[] = {"DROP DATABASE IF EXISTS fuzz WITH (FORCE)", "CREATE DATABASE fuzz", "CREATE ROLE fuzz", "ALTER ROLE fuzz SUPERUSER LOGIN", "ALTER ROLE fuzz RESET ALL"};
    int usual = hang_s;
    bool ok = true;
    hang_s = 300; /* a database is a checkpoint and many files */
    for (int i = 0; i < COUNT_OF(sql) && ok; i++)
        ok = client_query(&watcher, sql[i], NULL) == END_READY;
    hang_s = usual;
    return ok;
}

static void
report(const Mode *m, uint64_t seed, long number, const char *what)
{
    char name[1024];
    failures++;
    snprintf(name, sizeof name, "%s/fuzz-%llu-%ld-%s.bin", out_directory, (unsigned long long)seed, number, m->name);
    FILE *f = fopen(name, "w");
    if (f) {
        fwrite(sent_log.data, 1, sent_log.len, f);
        fclose(f);
    }
    printf("FAIL %s %ld: %s; sent: %s\n", m->name, number, what, f ? name : "(could not be written)");
    fflush(stdout);
}

static Mode *
choose(Rng *r, const char *only)
{
    int total = 0;
    for (int i = 0; i < COUNT_OF(modes); i++)
        if (only == NULL || strcmp(only, modes[i].name) == 0)
            total += modes[i].weight;
    int at = total ? rng_below(r, total) : 0;
    for (int i = 0; total && i < COUNT_OF(modes); i++)
        if ((only == NULL || strcmp(only, modes[i].name) == 0) && (at -= modes[i].weight) < 0)
            return &modes[i];
    fprintf(stderr, "server_fuzz: no such mode: %s\n", only);
    exit(2);
}

/* False: the server does not come back. */
static bool
iterate(uint64_t seed, long number, const char *only)
{
    Rng r = {.state = seed * 0x9e3779b97f4a7c15ull + (uint64_t)number};
    Mode *m = choose(&r, only);
    m->runs++;
    sent_log.len = 0;
    const char *wrong = m->run(&r);
    if (watcher_lost(wrong ? 2000 : 3)) {
        report(m, seed, number, "the server crashed");
        client_close(&watcher);
        return watch() && set_up();
    }
    /* No session: a statement of its own took its role or its database. */
    if (wrong && (strcmp(wrong, "no session") == 0 || strcmp(wrong, "no connection") == 0)) {
        if (set_up())
            wrong = NULL;
        else
            return client_close(&watcher), watch() && set_up();
    }
    if (wrong)
        report(m, seed, number, wrong);
    return true;
}

static double
now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int
main(int argc, char **argv)
{
    uint64_t seed = (uint64_t)time(NULL);
    double seconds = 5;
    long from = 0, count = 0, number;
    const char *only = NULL, *corpus = "tests/sql";
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *v = argv[i + 1];
        if (strcmp(argv[i], "--seed") == 0) seed = strtoull(v, NULL, 10);
        else if (strcmp(argv[i], "--seconds") == 0) seconds = atof(v);
        else if (strcmp(argv[i], "--from") == 0) from = atol(v);
        else if (strcmp(argv[i], "--count") == 0) count = atol(v);
        else if (strcmp(argv[i], "--only") == 0) only = v;
        else if (strcmp(argv[i], "--corpus") == 0) corpus = v;
        else if (strcmp(argv[i], "--out") == 0) out_directory = v;
        else if (strcmp(argv[i], "--hang") == 0) hang_s = atoi(v);
        else if (strcmp(argv[i], "--rss") == 0) rss_limit_kb = atol(v) * 1024;
        else { fprintf(stderr, "server_fuzz: unknown option %s\n", argv[i]); return 2; }
    }
    signal(SIGPIPE, SIG_IGN);
    printf("seed %llu\n", (unsigned long long)seed);
    if (!corpus_load(corpus)) {
        fprintf(stderr, "server_fuzz: no .sql files in %s\n", corpus);
        return 2;
    }
    if (!watch() || !set_up()) {
        fprintf(stderr, "server_fuzz: the server does not answer\n");
        return 2;
    }
    double end = now() + seconds;
    for (number = from; count ? number < from + count : now() < end; number++) {
        if (!iterate(seed, number, only)) {
            printf("FAIL the server does not come back\n");
            failures++;
            break;
        }
    }
    for (int i = 0; i < COUNT_OF(modes); i++)
        printf("%s%s %ld", i ? ", " : "", modes[i].name, modes[i].runs);
    printf("; most memory of a session at rest: %ld MB\n%ld iterations, %d failed\n", peak_rss_kb / 1024, number - from, failures);
    return failures ? 1 : 0;
}
