/*
 * load: clients whose work is recorded and later judged (check.c has the rules).
 *
 *   load init | load run [-c CLIENTS] [-T SECONDS] [-s SEED] [-t TRACE] [-k] | load verify -t TRACE
 *
 * With -k the server may die: a lost connection ends a client quietly. verify asks a server for what
 * must hold after recovery, and adds what it found to the acknowledged: once seen, it must stay.
 *
 * Every transaction of a client inserts (client, seq); when the server has acknowledged its commit, and
 * not before, the client appends IO_TRACE_ACK to the trace. Every fourth client commits
 * asynchronously and acknowledges nothing. Client 0 also checkpoints, vacuums and switches segments.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <libpq-fe.h>

#include "core/file/io_trace.h"

#define ACCOUNTS 300

typedef struct Client {
    PGconn *c;
    uint64_t random, seq;
    int id, trace_fd, doc_count, table_count;
    bool async;
} Client;

static const char *trace_path;
static double seconds = 5;
static bool may_die;

static uint64_t
mix(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static double
now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* False: it failed with 40001 or 40P01; everything else ends the process. */
static bool __attribute__((format(printf, 2, 3)))
run(Client *cl, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    PGresult *r = PQexec(cl->c, text);
    ExecStatusType st = PQresultStatus(r);
    bool ok = st == PGRES_COMMAND_OK || st == PGRES_TUPLES_OK;
    if (!ok) {
        const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
        if (may_die && (PQstatus(cl->c) != CONNECTION_OK || !state || strncmp(state, "57P", 3) == 0))
            exit(0);
        if (!state || (strcmp(state, "40001") != 0 && strcmp(state, "40P01") != 0)) {
            fprintf(stderr, "load: client %d: %s: %s", cl->id, text, PQerrorMessage(cl->c));
            exit(1);
        }
    }
    PQclear(r);
    return ok;
}

/* The one number a query gives. */
static long long __attribute__((format(printf, 2, 3)))
number(Client *cl, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    PGresult *r = PQexec(cl->c, text);
    if (PQresultStatus(r) != PGRES_TUPLES_OK || PQntuples(r) != 1) {
        if (may_die && PQstatus(cl->c) != CONNECTION_OK)
            exit(0);
        fprintf(stderr, "load: %s: %s", text, PQerrorMessage(cl->c));
        exit(1);
    }
    long long n = atoll(PQgetvalue(r, 0, 0));
    PQclear(r);
    return n;
}

static Client
connect_client(int id, uint64_t seed)
{
    Client cl = {.id = id, .random = seed * 1000003u + (uint64_t)id, .trace_fd = -1, .async = id % 4 == 3};
    cl.c = PQconnectdb("");
    if (PQstatus(cl.c) != CONNECTION_OK) {
        if (may_die)
            exit(0);
        fprintf(stderr, "load: %s", PQerrorMessage(cl.c));
        exit(1);
    }
    return cl;
}

static int
init(void)
{
    Client cl = connect_client(0, 1);
    run(&cl, "CREATE TABLE acked (client int, seq bigint, PRIMARY KEY (client, seq))");
    run(&cl, "CREATE TABLE accounts (id int PRIMARY KEY, balance int, filler char(100))");
    run(&cl, "INSERT INTO accounts SELECT g, 0, '' FROM generate_series(1, %d) g", ACCOUNTS);
    run(&cl, "CREATE TABLE history (client int, delta int)");
    run(&cl, "CREATE TABLE docs (id int PRIMARY KEY, client int, n int, len int, hash text, body text)");
    run(&cl, "CREATE INDEX docs_n ON docs (n)");
    run(&cl, "CREATE INDEX docs_hash ON docs (hash, len)");
    run(&cl, "CREATE TABLE ddl (k int PRIMARY KEY, present boolean, nrows int)");
    PQfinish(cl.c);
    return 0;
}

/* ---- what a transaction does ---- */

#define BODY "(SELECT string_agg(md5((g * %u)::text), '') FROM generate_series(1, %u) g)"

static bool
change_account(Client *cl)
{
    int delta = (int)(mix(&cl->random) % 2001) - 1000;
    return run(cl, "UPDATE accounts SET balance = balance + %d WHERE id = %u", delta,
               (unsigned)(mix(&cl->random) % ACCOUNTS) + 1) &&
           run(cl, "INSERT INTO history VALUES (%d, %d)", cl->id, delta);
}

static bool
change_all_accounts(Client *cl)
{
    return run(cl, "UPDATE accounts SET balance = balance + 1") &&
           run(cl, "INSERT INTO history SELECT %d, 1 FROM generate_series(1, %d)", cl->id, ACCOUNTS);
}

static unsigned
body_blocks(Client *cl)
{
    return mix(&cl->random) % 4 ? (unsigned)(mix(&cl->random) % 20) + 1 : (unsigned)(mix(&cl->random) % 600) + 100;
}

static bool
add_doc(Client *cl)
{
    int id = cl->id * 1000000 + cl->doc_count++;
    return run(cl, "INSERT INTO docs SELECT %d, %d, %d, length(b), md5(b), b FROM (SELECT " BODY " AS b) AS s", id,
               cl->id, id % 50, (unsigned)(mix(&cl->random) % 1000000), body_blocks(cl));
}

static bool
change_doc(Client *cl)
{
    int id = cl->id * 1000000 + (cl->doc_count ? (int)(mix(&cl->random) % (unsigned)cl->doc_count) : 0);
    return run(cl, "UPDATE docs SET n = n + 1, len = length(s.b), hash = md5(s.b), body = s.b FROM (SELECT " BODY
               " AS b) AS s WHERE id = %d",
               (unsigned)(mix(&cl->random) % 1000000), body_blocks(cl), id);
}

static bool
remove_docs(Client *cl)
{
    return run(cl, "DELETE FROM docs WHERE client = %d AND n = %u", cl->id, (unsigned)(mix(&cl->random) % 50));
}

static bool
undone_part(Client *cl)
{
    return run(cl, "SAVEPOINT s") && add_doc(cl) && run(cl, "UPDATE accounts SET balance = 7 WHERE id = 1") &&
           run(cl, "ROLLBACK TO SAVEPOINT s") && change_account(cl);
}

static bool
make_table(Client *cl)
{
    int k = cl->id * 1000000 + cl->table_count++, rows = (int)(mix(&cl->random) % 400);
    return run(cl, "CREATE TABLE t_%d (i int PRIMARY KEY, v text)", k) &&
           run(cl, "INSERT INTO t_%d SELECT g, 'row ' || g FROM generate_series(1, %d) g", k, rows) &&
           run(cl, "CREATE INDEX ON t_%d (v)", k) && run(cl, "INSERT INTO ddl VALUES (%d, true, %d)", k, rows);
}

static int
one_table(Client *cl)
{
    char text[200];
    snprintf(text, sizeof(text), "SELECT k FROM ddl WHERE present AND k / 1000000 = %d ORDER BY k LIMIT 1", cl->id);
    PGresult *r = PQexec(cl->c, text);
    int k = PQntuples(r) == 1 ? atoi(PQgetvalue(r, 0, 0)) : -1;
    PQclear(r);
    return k;
}

static bool
drop_table(Client *cl)
{
    int k = one_table(cl);
    return k < 0 || (run(cl, "DROP TABLE t_%d", k) && run(cl, "UPDATE ddl SET present = false WHERE k = %d", k));
}

static bool
truncate_table(Client *cl)
{
    int k = one_table(cl);
    return k < 0 || (run(cl, "TRUNCATE t_%d", k) && run(cl, "INSERT INTO t_%d VALUES (1, 'again')", k) &&
                     run(cl, "UPDATE ddl SET nrows = 1 WHERE k = %d", k));
}

static const struct { int weight; bool (*fn)(Client *); } kinds[] = {
    {50, change_account}, {2, change_all_accounts}, {12, add_doc}, {10, change_doc}, {4, remove_docs},
    {5, undone_part},     {3, make_table},          {2, drop_table}, {1, truncate_table}};

static void
acknowledge(Client *cl)
{
    IoTraceHead h = {.magic = IO_TRACE_MAGIC, .kind = IO_TRACE_ACK, .pid = (uint32_t)getpid(),
                     .a = (uint64_t)cl->id, .b = cl->seq};
    if (cl->trace_fd >= 0 && !cl->async && write(cl->trace_fd, &h, sizeof(h)) != (ssize_t)sizeof(h))
        exit(1);
}

static void
transaction(Client *cl)
{
    int total = 0, pick;
    size_t k = 0;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        total += kinds[i].weight;
    for (pick = (int)(mix(&cl->random) % (unsigned)total); pick >= kinds[k].weight; k++)
        pick -= kinds[k].weight;
    bool undo = mix(&cl->random) % 20 == 0;
    run(cl, "BEGIN");
    if (!run(cl, "INSERT INTO acked VALUES (%d, %llu)", cl->id, (unsigned long long)cl->seq + 1) || !kinds[k].fn(cl) ||
        undo) {
        run(cl, "ROLLBACK");
        return;
    }
    run(cl, "COMMIT");
    cl->seq++;
    acknowledge(cl);
}

static void
keep_house(Client *cl, int round)
{
    if (round % 3 == 0)
        run(cl, "CHECKPOINT");
    else if (round % 3 == 1)
        run(cl, "VACUUM");
    else if (round % 12 == 2)
        PQclear(PQexec(cl->c, "SELECT pg_switch_wal()"));
}

static void
client_main(int id, uint64_t seed)
{
    Client cl = connect_client(id, seed);
    cl.trace_fd = trace_path ? open(trace_path, O_WRONLY | O_APPEND) : -1;
    if (trace_path && cl.trace_fd < 0) {
        perror(trace_path);
        exit(1);
    }
    run(&cl, "SET client_min_messages = warning");
    if (cl.async)
        run(&cl, "SET synchronous_commit = off");
    cl.seq = (uint64_t)number(&cl, "SELECT coalesce(max(seq), 0) FROM acked WHERE client = %d", id);
    cl.doc_count = (int)number(&cl, "SELECT coalesce(max(id) %% 1000000 + 1, 0) FROM docs WHERE client = %d", id);
    cl.table_count = (int)number(&cl, "SELECT coalesce(max(k) %% 1000000 + 1, 0) FROM ddl WHERE k / 1000000 = %d", id);
    double began = now(), next = 0.2;
    int round = 0;
    while (now() - began < seconds) {
        transaction(&cl);
        if (id == 0 && now() - began > next) {
            keep_house(&cl, round++);
            next = now() - began + 0.15;
        }
    }
    PQfinish(cl.c);
    exit(0);
}

/* ---- after recovery ---- */

#define CLIENTS_MAX 64

static void
read_acknowledged(uint64_t *acked)
{
    IoTraceHead h;
    FILE *in = fopen(trace_path, "r");
    if (!in) {
        perror(trace_path);
        exit(1);
    }
    while (fread(&h, sizeof(h), 1, in) == 1) {
        if (h.kind == IO_TRACE_ACK && h.a < CLIENTS_MAX)
            acked[h.a] = h.b;
        if (fseek(in, (long)h.path_bytes + (long)h.data_bytes, SEEK_CUR) != 0)
            break;
    }
    fclose(in);
}

static int
zero(Client *cl, const char *rule, const char *query)
{
    long long n = number(cl, "%s", query);
    if (n != 0)
        printf("WRONG: %s: %lld\n", rule, n);
    return n != 0;
}

static int
verify_tables(Client *cl)
{
    int wrong = 0;
    PGresult *r = PQexec(cl->c, "SELECT k, nrows FROM ddl WHERE present");
    for (int i = 0; i < PQntuples(r); i++) {
        char *k = PQgetvalue(r, i, 0);
        long long rows = atoll(PQgetvalue(r, i, 1)), sum = rows * (rows + 1) / 2;
        if (number(cl, "SELECT count(*) FROM t_%s", k) != rows ||
            number(cl, "SELECT coalesce(sum(i), 0) FROM t_%s", k) != sum) {
            printf("WRONG: table t_%s has not the %lld rows it should have\n", k, rows);
            wrong++;
        }
    }
    PQclear(r);
    return wrong;
}

static int
verify(void)
{
    uint64_t acked[CLIENTS_MAX] = {0};
    Client cl = connect_client(0, 1);
    int wrong = 0;
    if (!trace_path)
        return 2;
    read_acknowledged(acked);
    cl.trace_fd = open(trace_path, O_WRONLY | O_APPEND);
    for (int i = 0; i < CLIENTS_MAX; i++) {
        long long found = number(&cl, "SELECT coalesce(max(seq), 0) FROM acked WHERE client = %d", i);
        if ((uint64_t)found < acked[i]) {
            printf("WRONG: lost: client %d has %lld of %llu acknowledged transactions\n", i, found,
                   (unsigned long long)acked[i]);
            wrong++;
        }
        cl.id = i;
        cl.seq = (uint64_t)found;
        cl.async = false;
        if ((uint64_t)found > acked[i])
            acknowledge(&cl);
    }
    wrong += zero(&cl, "gaps", "SELECT count(*) FROM (SELECT client FROM acked GROUP BY client "
                               "HAVING min(seq) <> 1 OR max(seq) <> count(*)) AS s");
    wrong += zero(&cl, "accounts and history differ",
                  "SELECT (SELECT coalesce(sum(balance), 0) FROM accounts) - (SELECT coalesce(sum(delta), 0) FROM history)");
    wrong += zero(&cl, "damaged documents", "SELECT count(*) FROM docs WHERE length(body) <> len OR md5(body) <> hash");
    wrong += zero(&cl, "tables that should not be, or are missing",
                  "SELECT (SELECT count(*) FROM pg_class WHERE relname LIKE 't\\_%' AND relkind = 'r') "
                  "- (SELECT count(*) FROM ddl WHERE present)");
    wrong += verify_tables(&cl);
    if (number(&cl, "SELECT count(*) FROM pg_proc WHERE proname = 'bt_index_check'") > 0)
        wrong += zero(&cl, "indexes", "SELECT count(bt_index_check(oid, true)) * 0 FROM pg_class WHERE relkind = 'i'");
    PQfinish(cl.c);
    return wrong > 0;
}

int
main(int argc, char **argv)
{
    int clients = 6, failed = 0;
    uint64_t seed = 1;
    if (argc < 2)
        return 2;
    optind = 2;
    for (int c; (c = getopt(argc, argv, "c:T:s:t:k")) != -1;)
        switch (c) {
        case 'c': clients = atoi(optarg); break;
        case 'T': seconds = atof(optarg); break;
        case 's': seed = strtoull(optarg, NULL, 10); break;
        case 't': trace_path = optarg; break;
        case 'k': may_die = true; break;
        default: return 2;
        }
    if (strcmp(argv[1], "init") == 0)
        return init();
    if (strcmp(argv[1], "verify") == 0)
        return verify();
    for (int i = 0; i < clients; i++)
        if (fork() == 0)
            client_main(i, seed);
    for (int status; wait(&status) > 0;)
        failed |= !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    return failed;
}
