/*
 * Runs the sessions of a specification in many interleavings and checks that what was committed is
 * serializable: there must be an order of the committed sessions which, run one after the other from the
 * same start, gives every one of their statements the same answer and leaves the same rows.
 *
 *   interleave [-n MAX] [-s SEED] [-o CONNINFO] [-v] CONNINFO SPEC...
 *
 * -n  interleavings per specification (a random sample beyond that); -o  a second server, whose refusals are
 * counted beside ours; -v  each interleaving. Exit status 1: an outcome no serial order explains, or a
 * failure although no two sessions overlapped.
 *
 * A specification: lines "setup:", "reset:", "final:" and "teardown:" with one SQL command each (repeatable), then
 * "session NAME" and its steps, one a line. "permutation NAME NAME ..." (a session's name for each of its
 * steps) adds an interleaving that is always run. '#' begins a comment line.
 */
#include <libpq-fe.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SESSIONS_MAX 4
#define STEPS_MAX 12
#define LINES_MAX 32
#define PERMUTATIONS_MAX 64
#define SQL_MAX 1024

typedef struct Spec {
    const char *path;
    char setup[LINES_MAX][SQL_MAX], reset[LINES_MAX][SQL_MAX], final[LINES_MAX][SQL_MAX], teardown[LINES_MAX][SQL_MAX];
    int nsetup, nreset, nfinal, nteardown;
    char names[SESSIONS_MAX][64];
    char steps[SESSIONS_MAX][STEPS_MAX][SQL_MAX];
    int nsteps[SESSIONS_MAX], nsessions;
    uint8_t wanted[PERMUTATIONS_MAX][SESSIONS_MAX * STEPS_MAX];
    int wanted_steps[PERMUTATIONS_MAX], nwanted;
} Spec;

typedef struct Session {
    PGconn *conn;
    int done;               /* steps finished */
    bool busy, failed;
    char state[6];          /* SQLSTATE of the first failure */
    char *answers[STEPS_MAX];
} Session;

/* What one run left: per session its answers, and the final rows. */
typedef struct Outcome {
    bool valid, overlapped;
    bool committed[SESSIONS_MAX];
    char state[SESSIONS_MAX][6];
    char *answers[SESSIONS_MAX][STEPS_MAX];
    char *final;
} Outcome;

typedef struct Server {
    const char *conninfo;
    PGconn *control;
    Session s[SESSIONS_MAX];
    long refused, runs;
} Server;

static bool verbose;
static uint64_t random_state;

static void
die(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    exit(2);
}

static uint64_t
next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* ---- the specification ---- */

static void
add_line(char (*lines)[SQL_MAX], int *n, const char *text)
{
    if (*n == LINES_MAX || strlen(text) >= SQL_MAX)
        die("a specification is too long");
    strcpy(lines[(*n)++], text);
}

static void
add_permutation(Spec *p, char *names)
{
    int n = 0;

    if (p->nwanted == PERMUTATIONS_MAX)
        die("%s: too many permutations", p->path);
    for (char *w = strtok(names, " "); w; w = strtok(NULL, " ")) {
        int k = 0;

        while (k < p->nsessions && strcmp(p->names[k], w) != 0)
            k++;
        if (k == p->nsessions || n == SESSIONS_MAX * STEPS_MAX)
            die("%s: no session %s", p->path, w);
        p->wanted[p->nwanted][n++] = (uint8_t)k;
    }
    p->wanted_steps[p->nwanted++] = n;
}

static void
read_spec(const char *path, Spec *p)
{
    static const char *const heads[] = {"setup:", "reset:", "final:", "teardown:"};
    FILE *f = fopen(path, "r");
    char line[SQL_MAX + 64];

    memset(p, 0, sizeof *p);
    p->path = path;
    if (!f)
        die("cannot read %s", path);
    while (fgets(line, sizeof line, f)) {
        char *t = line + strspn(line, " \t");
        int k;

        t[strcspn(t, "\n")] = 0;
        if (*t == 0 || *t == '#')
            continue;
        for (k = 0; k < 4 && strncmp(t, heads[k], strlen(heads[k])) != 0; k++)
            ;
        if (k < 4) {
            char (*to[])[SQL_MAX] = {p->setup, p->reset, p->final, p->teardown};
            int *counts[] = {&p->nsetup, &p->nreset, &p->nfinal, &p->nteardown};

            add_line(to[k], counts[k], t + strlen(heads[k]));
        } else if (strncmp(t, "session ", 8) == 0) {
            if (p->nsessions == SESSIONS_MAX)
                die("%s: too many sessions", path);
            snprintf(p->names[p->nsessions++], 64, "%s", t + 8);
        } else if (strncmp(t, "permutation ", 12) == 0) {
            add_permutation(p, t + 12);
        } else {
            int s = p->nsessions - 1;

            if (s < 0 || p->nsteps[s] == STEPS_MAX)
                die("%s: a step in the wrong place: %s", path, t);
            snprintf(p->steps[s][p->nsteps[s]++], SQL_MAX, "%s", t);
        }
    }
    fclose(f);
    if (p->nsessions < 2)
        die("%s: fewer than two sessions", path);
    for (int i = 0; i < p->nwanted; i++)
        for (int k = 0; k < p->nsessions; k++) {
            int n = 0;

            for (int j = 0; j < p->wanted_steps[i]; j++)
                n += p->wanted[i][j] == k;
            if (n != p->nsteps[k])
                die("%s: permutation %d has %d steps of %s", path, i + 1, n, p->names[k]);
        }
}

/* ---- talking to the server ---- */

static void ignore_notice(void *arg, const char *text) { (void)arg, (void)text; }

static PGconn *
connect_to(const char *conninfo)
{
    PGconn *c = PQconnectdb(conninfo);

    if (PQstatus(c) != CONNECTION_OK)
        die("%s", PQerrorMessage(c));
    PQsetNoticeProcessor(c, ignore_notice, NULL);
    return c;
}

static void
run_all(PGconn *c, char (*lines)[SQL_MAX], int n)
{
    for (int i = 0; i < n; i++) {
        PGresult *r = PQexec(c, lines[i]);

        if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK)
            die("%s\n%s", lines[i], PQerrorMessage(c));
        PQclear(r);
    }
}

/* The result's text behind that of the statements before it in the step, which is freed. */
static char *
text_after(char *before, PGresult *r)
{
    size_t n = 64 + (before ? strlen(before) : 0), at = 0;
    char *out;

    for (int i = 0; i < PQntuples(r); i++)
        for (int k = 0; k < PQnfields(r); k++)
            n += (size_t)PQgetlength(r, i, k) + 2;
    out = malloc(n);
    if (!out)
        die("out of memory");
    at += (size_t)snprintf(out, n, "%s%s;", before ? before : "", PQcmdStatus(r));
    free(before);
    for (int i = 0; i < PQntuples(r); i++)
        for (int k = 0; k < PQnfields(r); k++)
            at += (size_t)snprintf(out + at, n - at, "%s%c", PQgetvalue(r, i, k), k == PQnfields(r) - 1 ? ';' : ',');
    return out;
}

static void
take_results(Session *s)
{
    char **answer = &s->answers[s->done];
    bool rollback = false;
    PGresult *r;

    free(*answer);
    *answer = NULL;
    while ((r = PQgetResult(s->conn)) != NULL) {
        if (PQresultStatus(r) == PGRES_FATAL_ERROR) {
            const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);

            if (!s->failed)
                snprintf(s->state, sizeof s->state, "%s", state ? state : "?????");
            s->failed = true;
        } else {
            *answer = text_after(*answer, r);
            rollback = strcmp(PQcmdStatus(r), "ROLLBACK") == 0;
        }
        PQclear(r);
    }
    s->failed |= rollback && PQtransactionStatus(s->conn) == PQTRANS_IDLE;
    s->busy = false;
    s->done++;
}

static bool
waits(Server *v, Session *s)
{
    char sql[256];
    PGresult *r;
    bool w;

    snprintf(sql, sizeof sql, "select 1 from pg_stat_activity where pid = %d and (wait_event_type = 'Lock' or wait_event = 'SafeSnapshot')",
             PQbackendPID(s->conn));
    r = PQexec(v->control, sql);
    w = PQntuples(r) == 1;
    PQclear(r);
    return w;
}

/* Until the session's step is done, or seen to wait for another one. */
static bool
settle(Server *v, Session *s)
{
    for (int round = 0; s->busy; round++) {
        struct timespec pause = {0, round < 20 ? 200000 : 2000000};

        if (!PQconsumeInput(s->conn))
            die("%s", PQerrorMessage(s->conn));
        if (!PQisBusy(s->conn)) {
            take_results(s);
            break;
        }
        if (round > 10 && waits(v, s) && waits(v, s)) {
            if (!PQconsumeInput(s->conn))
                die("%s", PQerrorMessage(s->conn));
            if (PQisBusy(s->conn))
                return false;
            continue;
        }
        if (round > 5000)
            die("a step does not end");
        nanosleep(&pause, NULL);
    }
    return true;
}

/* ---- one interleaving ---- */

static void
rest_of_run(Server *v, const Spec *p, Outcome *o)
{
    for (int k = 0; k < p->nsessions; k++) {
        Session *s = &v->s[k];

        if (s->busy) { /* an order that cannot be: end it */
            char error[256];
            PGcancel *c = PQgetCancel(s->conn);

            (void)PQcancel(c, error, sizeof error);
            PQfreeCancel(c);
            while (s->busy)
                (void)settle(v, s);
            PQfinish(s->conn); /* the cancel may still be on its way: it must not hit the next run */
            s->conn = connect_to(v->conninfo);
        }
        if (PQtransactionStatus(s->conn) != PQTRANS_IDLE)
            PQclear(PQexec(s->conn, "rollback"));
        o->committed[k] = o->valid && !s->failed;
        memcpy(o->state[k], s->state, sizeof s->state);
        for (int i = 0; i < p->nsteps[k]; i++) {
            o->answers[k][i] = s->answers[i];
            s->answers[i] = NULL;
        }
    }
}

static void
settle_all(Server *v, const Spec *p)
{
    for (int k = 0; k < p->nsessions; k++)
        if (v->s[k].busy)
            (void)settle(v, &v->s[k]);
}

static void
run(Server *v, Spec *p, const uint8_t *order, int n, Outcome *o)
{
    PGresult *r;

    memset(o, 0, sizeof *o);
    run_all(v->control, p->reset, p->nreset);
    for (int k = 0; k < p->nsessions; k++) {
        v->s[k].done = 0;
        v->s[k].failed = v->s[k].busy = false;
        memset(v->s[k].state, 0, sizeof v->s[k].state);
    }
    o->valid = true;
    for (int i = 0; i < n && o->valid; i++) {
        Session *s = &v->s[order[i]];

        for (int k = 0; k < p->nsessions; k++)
            o->overlapped |= k != order[i] && v->s[k].done > 0 && v->s[k].done < p->nsteps[k];
        settle_all(v, p);
        if (s->busy) {
            o->valid = false; /* it still waits: this order does not exist */
            break;
        }
        if (s->failed && s->done < p->nsteps[order[i]] - 1) { /* the client gives up; the last step ends the block */
            s->done++;
            continue;
        }
        if (!PQsendQuery(s->conn, p->steps[order[i]][s->done]))
            die("%s", PQerrorMessage(s->conn));
        s->busy = true;
        (void)settle(v, s);
    }
    for (int i = 0; i < 4 * SESSIONS_MAX; i++)
        settle_all(v, p);
    for (int k = 0; k < p->nsessions; k++)
        o->valid &= !v->s[k].busy && v->s[k].done == p->nsteps[k];
    rest_of_run(v, p, o);
    r = PQexec(v->control, p->final[0]);
    o->final = text_after(NULL, r);
    PQclear(r);
}

static void
outcome_free(Outcome *o)
{
    for (int k = 0; k < SESSIONS_MAX; k++)
        for (int i = 0; i < STEPS_MAX; i++)
            free(o->answers[k][i]);
    free(o->final);
    memset(o, 0, sizeof *o);
}

/* ---- serial orders ---- */

#define SERIAL_MAX 65
static Outcome serial[SERIAL_MAX]; /* every order of every subset; sessions in it are `committed` */
static int nserial;

static void
serial_orders(Server *v, Spec *p, int *order, int n, unsigned used)
{
    uint8_t steps[SESSIONS_MAX * STEPS_MAX];
    int m = 0;
    Outcome *o = &serial[nserial];
    Spec part = *p;

    for (int i = 0; i < n; i++)
        for (int k = 0; k < p->nsteps[order[i]]; k++)
            steps[m++] = (uint8_t)order[i];
    for (int k = 0; k < p->nsessions; k++) /* the others have nothing to do */
        if (!(used & 1u << k))
            part.nsteps[k] = 0;
    run(v, &part, steps, m, o);
    for (int k = 0; k < p->nsessions; k++) {
        if ((used & 1u << k) && !o->committed[k])
            die("%s: session %s fails on its own (%s)", p->path, p->names[k], o->state[k]);
        o->committed[k] = used & 1u << k;
    }
    nserial++;
    for (int k = 0; k < p->nsessions; k++)
        if (!(used & 1u << k)) {
            order[n] = k;
            serial_orders(v, p, order, n + 1, used | 1u << k);
        }
}

static bool
same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool
explained_by(const Spec *p, const Outcome *o, const Outcome *s)
{
    for (int k = 0; k < p->nsessions; k++) {
        if (o->committed[k] != s->committed[k])
            return false;
        for (int i = 0; o->committed[k] && i < p->nsteps[k]; i++)
            if (!same_text(o->answers[k][i], s->answers[k][i]))
                return false;
    }
    return same_text(o->final, s->final);
}

static bool
is_serializable(const Spec *p, const Outcome *o)
{
    for (int i = 0; i < nserial; i++)
        if (explained_by(p, o, &serial[i]))
            return true;
    return false;
}

/* ---- all interleavings ---- */

static void
print_outcome(const char *what, const Spec *p, const uint8_t *order, int n, const Outcome *o)
{
    printf("  %s:", what);
    for (int i = 0; i < n; i++)
        printf(" %s", p->names[order[i]]);
    printf(" ->");
    for (int k = 0; k < p->nsessions; k++)
        printf(" %s:%s", p->names[k], o->committed[k] ? "committed" : o->state[k][0] ? o->state[k] : "rolled back");
    printf("\n");
}

static bool
refused(const Spec *p, const Outcome *o)
{
    for (int k = 0; k < p->nsessions; k++)
        if (!o->committed[k])
            return true;
    return false;
}

static bool
try_order(Server *ours, Server *other, Spec *p, const uint8_t *order, int n)
{
    Outcome o, q;
    bool ok = true, no;

    run(ours, p, order, n, &o);
    if (!o.valid) {
        outcome_free(&o);
        return true;
    }
    no = refused(p, &o);
    ours->runs++;
    ours->refused += no;
    if (verbose)
        print_outcome("ours", p, order, n, &o);
    if (!is_serializable(p, &o)) {
        print_outcome("NOT SERIALIZABLE", p, order, n, &o);
        ok = false;
    }
    if (no && !o.overlapped) {
        print_outcome("refused without need", p, order, n, &o);
        ok = false;
    }
    if (other) {
        run(other, p, order, n, &q);
        other->runs += q.valid;
        other->refused += q.valid && refused(p, &q);
        if (verbose || (q.valid && no != refused(p, &q)))
            print_outcome(no ? "the other" : "the other refuses", p, order, n, &q);
        outcome_free(&q);
    }
    outcome_free(&o);
    return ok;
}

static double
count_orders(const Spec *p)
{
    double n = 1;
    int total = 0;

    for (int k = 0; k < p->nsessions; k++)
        for (int i = 1; i <= p->nsteps[k]; i++)
            n = n * ++total / i;
    return n;
}

static bool
every_order(Server *ours, Server *other, Spec *p, uint8_t *order, int n, int *left)
{
    bool ok = true, last = true;

    for (int k = 0; k < p->nsessions; k++)
        if (left[k] > 0) {
            last = false;
            left[k]--;
            order[n] = (uint8_t)k;
            ok &= every_order(ours, other, p, order, n + 1, left);
            left[k]++;
        }
    return last ? try_order(ours, other, p, order, n) : ok;
}

static void
shuffle(const Spec *p, uint8_t *order, int *n)
{
    *n = 0;
    for (int k = 0; k < p->nsessions; k++)
        for (int i = 0; i < p->nsteps[k]; i++)
            order[(*n)++] = (uint8_t)k;
    for (int i = *n - 1; i > 0; i--) {
        int j = (int)(next_random() % (uint64_t)(i + 1));
        uint8_t t = order[i];

        order[i] = order[j];
        order[j] = t;
    }
}

static void
server_open(Server *v, Spec *p)
{
    v->control = connect_to(v->conninfo);
    for (int i = 0; i < p->nteardown; i++) /* what an earlier run may have left */
        PQclear(PQexec(v->control, p->teardown[i]));
    run_all(v->control, p->setup, p->nsetup);
    for (int k = 0; k < p->nsessions; k++) {
        memset(&v->s[k], 0, sizeof v->s[k]);
        v->s[k].conn = connect_to(v->conninfo);
    }
    v->runs = v->refused = 0;
}

static void
server_close(Server *v, Spec *p)
{
    for (int k = 0; k < p->nsessions; k++)
        PQfinish(v->s[k].conn);
    run_all(v->control, p->teardown, p->nteardown);
    PQfinish(v->control);
}

static bool
run_spec(const char *path, Server *ours, Server *other, int max)
{
    static Spec p;
    uint8_t order[SESSIONS_MAX * STEPS_MAX];
    int left[SESSIONS_MAX], n = 0, sequence[SESSIONS_MAX];
    bool ok = true;

    read_spec(path, &p);
    server_open(ours, &p);
    if (other)
        server_open(other, &p);
    nserial = 0;
    serial_orders(ours, &p, sequence, 0, 0);
    for (int k = 0; k < p.nsessions; k++)
        n += left[k] = p.nsteps[k];
    if (count_orders(&p) <= max) {
        ok = every_order(ours, other, &p, order, 0, left);
    } else {
        for (int i = 0; i < p.nwanted; i++)
            ok &= try_order(ours, other, &p, p.wanted[i], n);
        for (int i = p.nwanted; i < max; i++) {
            shuffle(&p, order, &n);
            ok &= try_order(ours, other, &p, order, n);
        }
    }
    printf("%-40s %ld of %ld refused", path, ours->refused, ours->runs);
    if (other)
        printf("; the other server: %ld of %ld", other->refused, other->runs);
    printf("%s\n", ok ? "" : "; FAILED");
    for (int i = 0; i < nserial; i++)
        outcome_free(&serial[i]);
    server_close(ours, &p);
    if (other)
        server_close(other, &p);
    return ok;
}

int
main(int argc, char **argv)
{
    Server ours = {0}, other = {0};
    int max = 100, i = 1;
    bool ok = true;

    random_state = 42;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (strcmp(argv[i], "-v") == 0)
            verbose = true;
        else if (i + 1 == argc)
            die("%s needs a value", argv[i]);
        else if (strcmp(argv[i], "-n") == 0)
            max = atoi(argv[++i]);
        else if (strcmp(argv[i], "-s") == 0)
            random_state = strtoull(argv[++i], NULL, 10) | 1;
        else if (strcmp(argv[i], "-o") == 0)
            other.conninfo = argv[++i];
        else
            die("unknown option %s", argv[i]);
    }
    if (argc - i < 2)
        die("usage: interleave [-n MAX] [-s SEED] [-o CONNINFO] [-v] CONNINFO SPEC...");
    ours.conninfo = argv[i++];
    printf("seed %llu\n", (unsigned long long)random_state);
    for (; i < argc; i++)
        ok &= run_spec(argv[i], &ours, other.conninfo ? &other : NULL, max);
    return ok ? 0 : 1;
}
