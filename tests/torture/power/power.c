/*
 * power: recovers and checks many images of what a disk may hold after a loss of power.
 *
 *   power snapshot DATA BASE MANIFEST     copies a stopped cluster, notes inode numbers
 *   power replay BASE MANIFEST TRACE WORK [-n IMAGES] [-s SEED] [-j WORKERS] [-r STATE] [-k] [-1 IMAGE]
 *
 * Image i of n stands at about i/n of the trace, at a record, after a sync's end or after an
 * acknowledgement, in one of four modes (model.h), all from the seed; so image numbers can be run again
 * alone (-1). Each worker takes every j-th, moves its model forward, writes the image to WORK/w and
 * forks a child that recovers and judges it. STATE is a file that keeps what has been done: a run that
 * was stopped goes on. The last line says how many images, how many different ones, how many failed.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "model.h"

#undef main /* procs' main is compiled under another name */

#define WORKERS_MAX 16
#define FAILURES_MAX 20

typedef struct Done { uint64_t hash; uint32_t status; uint32_t pad; } Done; /* status: 0 not yet, 1 sound, 2 failed */

typedef struct Run {
    const char *base, *manifest, *trace_path, *work, *state_path;
    uint64_t images, seed;
    int workers;
    bool keep;
    int64_t only;
    Trace trace;
    Done *done; /* by image, shared */
} Run;

/* ---- snapshot ---- */

static FILE *manifest_out;
static const char *copy_to;

static int
copy_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    char to[1200];
    const char *name = path[0] == '.' && path[1] == '/' ? path + 2 : path;
    if (strcmp(path, ".") == 0)
        return 0;
    snprintf(to, sizeof(to), "%s/%s", copy_to, name);
    if (type == FTW_D) {
        fprintf(manifest_out, "D %s\n", name);
        return mkdir(to, 0700);
    }
    if (type != FTW_F || !S_ISREG(st->st_mode))
        return 0;
    fprintf(manifest_out, "F %llu %s\n", (unsigned long long)st->st_ino, name);
    char buf[65536];
    ssize_t n;
    int in = open(path, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_EXCL, 0600), rc = in < 0 || out < 0;
    while (!rc && (n = read(in, buf, sizeof(buf))) > 0)
        rc = write(out, buf, (size_t)n) != n;
    close(in);
    close(out);
    return rc;
}

static int
snapshot(const char *data, const char *base, const char *manifest)
{
    char absolute[1000];
    manifest_out = fopen(manifest, "w");
    if (mkdir(base, 0700) != 0 || !realpath(base, absolute) || !manifest_out || chdir(data) != 0) {
        perror("power: snapshot");
        return 2;
    }
    copy_to = absolute;
    if (nftw(".", copy_one, 32, FTW_PHYS) != 0 || fclose(manifest_out) != 0) {
        perror("power: snapshot");
        return 2;
    }
    return 0;
}

/* ---- replay ---- */

/* The moment of image i: how many records have happened. Half of them stand where a promise has just
 * been made. */
static uint64_t
moment(const Run *r, uint64_t i, uint64_t *random)
{
    uint64_t step = r->trace.count / r->images, at = (uint64_t)((double)r->trace.count * (double)i / (double)r->images);
    if (step > 1)
        at += mix(random) % step;
    if (mix(random) & 1)
        for (uint64_t k = at; k < r->trace.count && k < at + (step ? step : 1) + 64; k++) {
            unsigned kind = trace_record(&r->trace, k)->kind;
            if (kind == IO_TRACE_ACK || kind == IO_TRACE_SYNC_END)
                return k + 1;
        }
    return at < r->trace.count ? at + 1 : r->trace.count;
}

static ImageMode
image_mode(uint64_t random)
{
    static const ImageMode modes[] = {IMAGE_DURABLE, IMAGE_ALL, IMAGE_SOME, IMAGE_SOME, IMAGE_TORN, IMAGE_TORN};
    return modes[random % (sizeof(modes) / sizeof(modes[0]))];
}

static void
say_what_failed(const Run *r, uint64_t i, uint64_t at, ImageMode mode, const char *log)
{
    static const char *const names[] = {"durable", "all", "some", "torn"};
    char line[600];
    printf("image %llu FAILED (seed %llu, record %llu of %llu, mode %s)\n", (unsigned long long)i,
           (unsigned long long)r->seed, (unsigned long long)at, (unsigned long long)r->trace.count, names[mode]);
    FILE *in = fopen(log, "r");
    for (int n = 0; in && n < 12 && fgets(line, sizeof(line), in); n++)
        printf("    %s", line);
    if (in)
        fclose(in);
    fflush(stdout);
}

static bool
judge(const char *dir, const char *log, const uint64_t *acked, int thorough)
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        dup2(fd, 2);
        dup2(fd, 1);
        check_image(dir, acked, thorough);
    }
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void
keep_image(const Run *r, const char *dir, uint64_t i)
{
    char command[3000];
    snprintf(command, sizeof(command), "cp -a '%s' '%s/failed.%llu'", dir, r->work, (unsigned long long)i);
    if (r->keep && system(command) != 0)
        fprintf(stderr, "power: image %llu was not kept\n", (unsigned long long)i);
}

static void
worker(Run *r, int w)
{
    char dir[1000], log[1010];
    uint64_t acked[POWER_CLIENTS_MAX] = {0}, seen = 0;
    Model *m = model_open(&r->trace, r->base, r->manifest);
    snprintf(dir, sizeof(dir), "%s/%d", r->work, w);
    snprintf(log, sizeof(log), "%s/%d.log", r->work, w);
    if (mkdir(dir, 0700) != 0) {
        perror(dir);
        exit(2);
    }
    uint64_t last = 0;
    int failures = 0;
    for (uint64_t i = (uint64_t)w; i < r->images && failures < FAILURES_MAX; i += (uint64_t)r->workers) {
        uint64_t random = r->seed * 0x2545F4914F6CDD1Du + i, at = moment(r, i, &random);
        ImageMode mode = image_mode(mix(&random));
        if (at < last)
            at = last; /* time does not go back */
        last = at;
        if (r->only >= 0 ? (uint64_t)r->only != i : r->done[i].status == 1)
            continue;
        model_advance(m, at);
        for (; seen < at; seen++) {
            const IoTraceHead *h = trace_record(&r->trace, seen);
            if (h->kind == IO_TRACE_ACK && h->a < POWER_CLIENTS_MAX)
                acked[h->a] = h->b;
        }
        r->done[i].hash = model_image(m, dir, mode, mix(&random));
        if (r->only >= 0)
            keep_image(r, dir, i);
        bool ok = judge(dir, log, acked, i % 8 == 0);
        r->done[i].status = ok ? 1 : 2;
        if (!ok) {
            failures++;
            say_what_failed(r, i, at, mode, log);
            if (r->only < 0) {
                keep_image(r, dir, i);
            }
        }
    }
    exit(0);
}

static int
by_hash(const void *a, const void *b)
{
    uint64_t x = ((const Done *)a)->hash, y = ((const Done *)b)->hash;
    return (x > y) - (x < y);
}

static int
report(Run *r, double seconds)
{
    uint64_t sound = 0, failed = 0, distinct = 0, n = 0;
    Done *sorted = malloc((r->images + 1) * sizeof(Done));
    for (uint64_t i = 0; i < r->images; i++) {
        sound += r->done[i].status == 1;
        failed += r->done[i].status == 2;
        if (r->done[i].status)
            sorted[n++] = r->done[i];
    }
    qsort(sorted, n, sizeof(Done), by_hash);
    for (uint64_t i = 0; i < n; i++)
        distinct += i == 0 || sorted[i].hash != sorted[i - 1].hash;
    printf("%llu images of %llu records, %llu distinct, %llu failed, seed %llu, %.1f s\n", (unsigned long long)n,
           (unsigned long long)r->trace.count, (unsigned long long)distinct, (unsigned long long)failed,
           (unsigned long long)r->seed, seconds);
    uint64_t wanted = r->only >= 0 ? 1 : r->images;
    return failed == 0 && sound >= wanted ? 0 : 1;
}

static Done *
open_state(const Run *r)
{
    int fd = r->state_path ? open(r->state_path, O_RDWR | O_CREAT, 0600) : -1;
    uint64_t bytes = (r->images + 1) * sizeof(Done);
    if (r->state_path && (fd < 0 || ftruncate(fd, (off_t)bytes) != 0)) {
        perror(r->state_path);
        exit(2);
    }
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);
    if (p == MAP_FAILED) {
        perror("power: mmap");
        exit(2);
    }
    return p;
}

static int
replay(Run *r)
{
    struct timespec began, ended;
    if (!trace_load(r->trace_path, &r->trace) || r->trace.count == 0) {
        fprintf(stderr, "power: \"%s\" is not a trace: %s\n", r->trace_path, strerror(errno));
        return 2;
    }
    r->done = open_state(r);
    check_register();
    clock_gettime(CLOCK_MONOTONIC, &began);
    for (int w = 0; w < r->workers; w++)
        if (fork() == 0)
            worker(r, w);
    bool ok = true;
    for (int status; wait(&status) > 0;)
        ok &= WIFEXITED(status) && WEXITSTATUS(status) == 0;
    clock_gettime(CLOCK_MONOTONIC, &ended);
    int rc = report(r, (double)(ended.tv_sec - began.tv_sec) + (double)(ended.tv_nsec - began.tv_nsec) / 1e9);
    return ok ? rc : 2;
}

int
main(int argc, char **argv)
{
    Run r = {.images = 200, .seed = 1, .workers = 2, .only = -1};
    if (argc == 5 && strcmp(argv[1], "snapshot") == 0)
        return snapshot(argv[2], argv[3], argv[4]);
    if (argc < 6 || strcmp(argv[1], "replay") != 0) {
        fprintf(stderr, "usage: power snapshot DATA BASE MANIFEST\n"
                        "       power replay BASE MANIFEST TRACE WORK [-n images] [-s seed] [-j workers] [-r state] "
                        "[-k] [-1 image]\n");
        return 2;
    }
    r.base = argv[2];
    r.manifest = argv[3];
    r.trace_path = argv[4];
    r.work = argv[5];
    optind = 6;
    for (int c; (c = getopt(argc, argv, "n:s:j:r:k1:")) != -1;)
        switch (c) {
        case 'n': r.images = strtoull(optarg, NULL, 10); break;
        case 's': r.seed = strtoull(optarg, NULL, 10); break;
        case 'j': r.workers = atoi(optarg); break;
        case 'r': r.state_path = optarg; break;
        case 'k': r.keep = true; break;
        case '1': r.only = atoll(optarg); break;
        default: return 2;
        }
    if (r.images == 0 || r.workers < 1 || r.workers > WORKERS_MAX)
        return 2;
    return replay(&r);
}
