/*
 * acked_client: the client of the crash torture, and the judge of what the server kept.
 *
 * `run` works like pgbench's default script from N forked processes. Each transaction also inserts
 * one row (client, seq) into the table "acked"; seq counts up by one per client. As soon as the
 * server has acknowledged COMMIT, and not before, the client write()s "client seq" to its log. The
 * server may be killed at any moment: a lost connection ends a process quietly. The log is written
 * with write() and not fsync()ed, because it is the server that dies here and not the machine.
 *
 * `verify` connects after recovery and demands:
 *   1. every logged (client, seq) is present: an acknowledged commit is never lost;
 *   2. beyond its last logged seq a client has at most one more, and exactly the next one: the
 *      commit whose acknowledgement the crash swallowed;
 *   3. sum(abalance) = sum(tbalance) = sum(bbalance) = sum(history.delta), and history has as many
 *      rows as acked: no transaction was kept by halves;
 *   4. what an index scan finds is what a sequential scan finds.
 * With --adopt the rows of point 2 are appended to the log: once seen, they too must stay.
 *
 * Some transactions roll back, or roll back to a savepoint, on purpose (--rollback, --savepoint):
 * what they wrote must not be found afterwards, and they use no seq.
 */
#define _GNU_SOURCE /* MAP_ANONYMOUS under -std=c11 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <libpq-fe.h>

enum {
    CLIENTS_MAX = 1024,
    TELLERS_PER_BRANCH = 10,
    ACCOUNTS_PER_BRANCH = 100000,
    SQL_BYTES_MAX = 512,
    HANG_GRACE_S = 60, /* a client still waiting this long after its time is up reports a hang */
};

typedef enum { PROTOCOL_SIMPLE, PROTOCOL_PREPARED, PROTOCOL_MIXED } Protocol;

typedef struct {
    const char *host, *port, *user, *dbname;
    const char *log_path;
    int client_count;
    int scale;
    int duration_s;
    int rollback_percent;
    int savepoint_percent;
    uint64_t seed;
    Protocol protocol;
    bool adopt;
} Options;

/* Counters shared by the forked clients; each client writes only its own slot. */
typedef struct {
    atomic_long acked;
    atomic_long rolled_back;
    atomic_long retried;
    atomic_int lost;
} ClientStats;

/* How a statement, or a whole transaction, ended. */
typedef enum { STEP_OK, STEP_RETRY, STEP_LOST, STEP_ERROR } Step;

typedef struct {
    PGconn *conn;
    const Options *opt;
    ClientStats *stats;
    uint64_t random_state;
    long seq; /* the last acknowledged one */
    int id;
    int log_fd;
    bool prepared;
} Client;

static int command_init(const Options *opt);
static int command_run(const Options *opt);
static int command_verify(const Options *opt);

static void
usage(FILE *out)
{
    fputs("usage: acked_client init|run|verify [options]\n"
          "\n"
          "  init    (re)create pgbench's tables at a scale, and the table acked\n"
          "  run     run transactions and log those acknowledged, until time is up or the server dies\n"
          "  verify  check after recovery that nothing acknowledged is lost and the sums agree\n"
          "\n"
          "  -h HOST -p PORT -U USER -d DB   the server (default: libpq's PG* environment)\n"
          "  -l FILE          log of acknowledged transactions (run, verify)\n"
          "  -c N             clients, one process each (run; default 16)\n"
          "  -T SECONDS       run for that long (run; default 10)\n"
          "  -s SCALE         pgbench scale (init, run; default 1)\n"
          "  -S SEED          seed of the random choices (run; default 1)\n"
          "  -M simple|prepared|mixed   protocol (run; default mixed: by odd and even clients)\n"
          "  --rollback PCT   share of transactions rolled back on purpose (run; default 5)\n"
          "  --savepoint PCT  share of transactions that roll back to a savepoint (run; default 5)\n"
          "  --adopt          append the unacknowledged but present rows to the log (verify)\n"
          "\n"
          "exit status: 0 fine (a lost connection is fine), 1 failed, 2 usage, 3 a client hung\n",
          out);
}

/* ---- small helpers ------------------------------------------------------------------------- */

static long
parse_number(const char *text, long min, long max)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno != 0 || *text == '\0' || *end != '\0' || value < min || value > max) {
        fprintf(stderr, "acked_client: bad number \"%s\" (%ld to %ld)\n", text, min, max);
        exit(2);
    }
    return value;
}

/* splitmix64: any seed is good, streams of neighbouring seeds are unrelated. */
static uint64_t
random_next(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static long
random_between(uint64_t *state, long low, long high)
{
    return low + (long)(random_next(state) % (uint64_t)(high - low + 1));
}

static int64_t
now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static PGconn *
connect_server(const Options *opt)
{
    const char *keys[] = {"host", "port", "user", "dbname", "application_name", "connect_timeout", NULL};
    const char *values[] = {opt->host, opt->port, opt->user, opt->dbname, "acked_client", "10", NULL};
    return PQconnectdbParams(keys, values, 0);
}

/* ---- init ---------------------------------------------------------------------------------- */

static bool
exec_or_complain(PGconn *conn, const char *sql)
{
    PGresult *res = PQexec(conn, sql);
    ExecStatusType status = PQresultStatus(res);
    bool ok = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
    if (!ok)
        fprintf(stderr, "acked_client: %s: %s", sql, PQerrorMessage(conn));
    PQclear(res);
    return ok;
}

static int
command_init(const Options *opt)
{
    static const char *const steps[] = {
        "SET client_min_messages = warning",
        "DROP TABLE IF EXISTS acked, pgbench_history, pgbench_tellers, pgbench_accounts, "
        "pgbench_branches",
        "CREATE TABLE pgbench_branches (bid int NOT NULL, bbalance int, filler char(88))",
        "CREATE TABLE pgbench_tellers (tid int NOT NULL, bid int, tbalance int, filler char(84))",
        "CREATE TABLE pgbench_accounts (aid int NOT NULL, bid int, abalance int, filler char(84))",
        "CREATE TABLE pgbench_history (tid int, bid int, aid int, delta int, mtime timestamp, "
        "filler char(22))",
        "CREATE TABLE acked (client int, seq bigint, PRIMARY KEY (client, seq))",
    };
    static const char *const keys[] = {
        "ALTER TABLE pgbench_branches ADD PRIMARY KEY (bid)",
        "ALTER TABLE pgbench_tellers ADD PRIMARY KEY (tid)",
        "ALTER TABLE pgbench_accounts ADD PRIMARY KEY (aid)",
    };
    char sql[SQL_BYTES_MAX];
    bool ok = true;
    PGconn *conn = connect_server(opt);
    if (PQstatus(conn) != CONNECTION_OK) {
        fprintf(stderr, "acked_client: %s", PQerrorMessage(conn));
        PQfinish(conn);
        return 1;
    }
    for (size_t i = 0; ok && i < sizeof steps / sizeof *steps; i++)
        ok = exec_or_complain(conn, steps[i]);
    snprintf(sql, sizeof sql,
             "INSERT INTO pgbench_branches SELECT g, 0, '' FROM generate_series(1, %d) AS g",
             opt->scale);
    ok = ok && exec_or_complain(conn, sql);
    snprintf(sql, sizeof sql,
             "INSERT INTO pgbench_tellers SELECT g, (g - 1) / %d + 1, 0, '' "
             "FROM generate_series(1, %d) AS g",
             TELLERS_PER_BRANCH, TELLERS_PER_BRANCH * opt->scale);
    ok = ok && exec_or_complain(conn, sql);
    for (int branch = 0; ok && branch < opt->scale; branch++) {
        long first = (long)branch * ACCOUNTS_PER_BRANCH;
        snprintf(sql, sizeof sql,
                 "INSERT INTO pgbench_accounts SELECT g, %d, 0, '' "
                 "FROM generate_series(%ld, %ld) AS g",
                 branch + 1, first + 1, first + ACCOUNTS_PER_BRANCH);
        ok = exec_or_complain(conn, sql);
    }
    for (size_t i = 0; ok && i < sizeof keys / sizeof *keys; i++)
        ok = exec_or_complain(conn, keys[i]);
    PQfinish(conn);
    return ok ? 0 : 1;
}

/* ---- the log ------------------------------------------------------------------------------- */

/*
 * Read the log into the last seq of each client. A client's lines must run 1, 2, 3, ...: a gap
 * would mean that the log itself is damaged, and then nothing it says can be trusted.
 */
static bool
log_read(const char *path, long last_seq[CLIENTS_MAX])
{
    memset(last_seq, 0, sizeof(long) * CLIENTS_MAX);
    FILE *in = fopen(path, "r");
    if (in == NULL)
        return errno == ENOENT;
    int client;
    long seq;
    int fields;
    bool ok = true;
    while ((fields = fscanf(in, "%d %ld\n", &client, &seq)) == 2) {
        if (client < 0 || client >= CLIENTS_MAX || seq != last_seq[client] + 1) {
            fprintf(stderr, "acked_client: %s: out of order: client %d seq %ld\n", path, client, seq);
            ok = false;
            break;
        }
        last_seq[client] = seq;
    }
    if (fields != 2 && fields != EOF) {
        fprintf(stderr, "acked_client: %s: not a log\n", path);
        ok = false;
    }
    fclose(in);
    return ok;
}

static bool
log_append(int fd, int client, long seq)
{
    char line[64];
    int size = snprintf(line, sizeof line, "%d %ld\n", client, seq);
    /* One write to an O_APPEND file: lines of different processes do not mix. */
    return write(fd, line, (size_t)size) == size;
}

static int
log_open(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0)
        fprintf(stderr, "acked_client: %s: %s\n", path, strerror(errno));
    return fd;
}

/* ---- run ----------------------------------------------------------------------------------- */

/* A failed result: a lost server, a conflict to be retried, or an error that must not happen. */
static Step
step_judge(Client *client, PGresult *res, const char *sql)
{
    const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    if (PQstatus(client->conn) != CONNECTION_OK)
        return STEP_LOST;
    if (state == NULL || strncmp(state, "57P", 3) == 0 || strncmp(state, "08", 2) == 0)
        return STEP_LOST;
    if (strcmp(state, "40001") == 0 || strcmp(state, "40P01") == 0)
        return STEP_RETRY;
    fprintf(stderr, "acked_client: client %d: %s: %s", client->id, sql, PQresultErrorMessage(res));
    return STEP_ERROR;
}

/* Judge a result and free it; want_tag is the command tag it must carry. */
static Step
step_finish(Client *client, PGresult *res, const char *sql, const char *want_tag)
{
    ExecStatusType status = PQresultStatus(res);
    Step step = STEP_OK;
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        step = step_judge(client, res, sql);
    } else if (strcmp(PQcmdStatus(res), want_tag) != 0) {
        fprintf(stderr, "acked_client: client %d: %s answered \"%s\"\n", client->id, sql,
                PQcmdStatus(res));
        step = STEP_ERROR;
    }
    PQclear(res);
    return step;
}

static Step
step_exec(Client *client, const char *sql, const char *want_tag)
{
    return step_finish(client, PQexec(client->conn, sql), sql, want_tag);
}

static const struct {
    const char *name, *sql, *tag;
    int param_count;
} statements[] = {
    {"a", "UPDATE pgbench_accounts SET abalance = abalance + $1 WHERE aid = $2", "UPDATE 1", 2},
    {"q", "SELECT abalance FROM pgbench_accounts WHERE aid = $1", "SELECT 1", 1},
    {"t", "UPDATE pgbench_tellers SET tbalance = tbalance + $1 WHERE tid = $2", "UPDATE 1", 2},
    {"b", "UPDATE pgbench_branches SET bbalance = bbalance + $1 WHERE bid = $2", "UPDATE 1", 2},
    {"h",
     "INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) "
     "VALUES ($1, $2, $3, $4, CURRENT_TIMESTAMP)",
     "INSERT 0 1", 4},
    {"k", "INSERT INTO acked (client, seq) VALUES ($1, $2)", "INSERT 0 1", 2},
};
enum { STMT_ACCOUNT, STMT_QUERY, STMT_TELLER, STMT_BRANCH, STMT_HISTORY, STMT_ACKED, STMT_COUNT };
_Static_assert(sizeof statements / sizeof *statements == STMT_COUNT, "one row per statement");

/* Put the parameters into the text, for the simple protocol; a negative number gets parentheses. */
static void
statement_expand(int which, const long params[4], char sql[SQL_BYTES_MAX])
{
    size_t used = 0;
    for (const char *in = statements[which].sql; *in != '\0' && used + 32 < SQL_BYTES_MAX; in++) {
        if (*in == '$') {
            in++;
            used += (size_t)snprintf(sql + used, SQL_BYTES_MAX - used, "(%ld)", params[*in - '1']);
        } else {
            sql[used++] = *in;
        }
    }
    sql[used] = '\0';
}

/* Run statement `which` in this client's protocol; unused parameters are zero. */
static Step
step_statement(Client *client, int which, long p1, long p2, long p3, long p4)
{
    const long params[4] = {p1, p2, p3, p4};
    if (!client->prepared) {
        char sql[SQL_BYTES_MAX];
        statement_expand(which, params, sql);
        return step_exec(client, sql, statements[which].tag);
    }
    char text[4][24];
    const char *values[4];
    for (int i = 0; i < statements[which].param_count; i++) {
        snprintf(text[i], sizeof text[i], "%ld", params[i]);
        values[i] = text[i];
    }
    PGresult *res = PQexecPrepared(client->conn, statements[which].name,
                                   statements[which].param_count, values, NULL, NULL, 0);
    return step_finish(client, res, statements[which].sql, statements[which].tag);
}

/* One pgbench transaction plus its row in acked; *committed says whether COMMIT was acknowledged. */
static Step
transaction_run(Client *client, bool *committed)
{
    uint64_t *rnd = &client->random_state;
    int scale = client->opt->scale;
    long aid = random_between(rnd, 1, (long)ACCOUNTS_PER_BRANCH * scale);
    long bid = random_between(rnd, 1, scale);
    long tid = random_between(rnd, 1, (long)TELLERS_PER_BRANCH * scale);
    long delta = random_between(rnd, -5000, 5000);
    bool roll_back = random_between(rnd, 1, 100) <= client->opt->rollback_percent;
    bool savepoint = random_between(rnd, 1, 100) <= client->opt->savepoint_percent;
    Step step;

    *committed = false;
    if ((step = step_exec(client, "BEGIN", "BEGIN")) != STEP_OK ||
        (step = step_statement(client, STMT_ACCOUNT, delta, aid, 0, 0)) != STEP_OK ||
        (step = step_statement(client, STMT_QUERY, aid, 0, 0, 0)) != STEP_OK)
        return step;
    if (savepoint) {
        /* What is done here is undone: the sums would show it if it were not. */
        if ((step = step_exec(client, "SAVEPOINT s", "SAVEPOINT")) != STEP_OK ||
            (step = step_statement(client, STMT_ACCOUNT, 1, aid, 0, 0)) != STEP_OK ||
            (step = step_statement(client, STMT_HISTORY, tid, bid, aid, 7)) != STEP_OK ||
            (step = step_exec(client, "ROLLBACK TO SAVEPOINT s", "ROLLBACK")) != STEP_OK)
            return step;
    }
    if ((step = step_statement(client, STMT_TELLER, delta, tid, 0, 0)) != STEP_OK ||
        (step = step_statement(client, STMT_BRANCH, delta, bid, 0, 0)) != STEP_OK ||
        (step = step_statement(client, STMT_HISTORY, tid, bid, aid, delta)) != STEP_OK ||
        (step = step_statement(client, STMT_ACKED, client->id, client->seq + 1, 0, 0)) != STEP_OK)
        return step;
    if (roll_back)
        return step_exec(client, "ROLLBACK", "ROLLBACK");
    step = step_exec(client, "COMMIT", "COMMIT");
    *committed = step == STEP_OK;
    return step;
}

static Step
client_prepare(Client *client)
{
    for (int i = 0; client->prepared && i < STMT_COUNT; i++) {
        PGresult *res =
            PQprepare(client->conn, statements[i].name, statements[i].sql, 0, NULL);
        Step step = PQresultStatus(res) == PGRES_COMMAND_OK
                        ? STEP_OK
                        : step_judge(client, res, statements[i].sql);
        PQclear(res);
        if (step != STEP_OK)
            return step;
    }
    return STEP_OK;
}

/* The life of one client process; its exit status is the process's. */
static int
client_main(Client *client)
{
    const Options *opt = client->opt;
    int64_t end_ms = now_ms() + (int64_t)opt->duration_s * 1000;
    alarm((unsigned)(opt->duration_s + HANG_GRACE_S));
    client->conn = connect_server(opt);
    Step step = PQstatus(client->conn) == CONNECTION_OK ? client_prepare(client) : STEP_LOST;
    while (step == STEP_OK && now_ms() < end_ms) {
        bool committed;
        step = transaction_run(client, &committed);
        if (committed) {
            client->seq++;
            if (!log_append(client->log_fd, client->id, client->seq)) {
                fprintf(stderr, "acked_client: cannot write the log: %s\n", strerror(errno));
                return 1;
            }
            /* relaxed: read by the parent only after it has reaped this process */
            atomic_fetch_add_explicit(&client->stats->acked, 1, memory_order_relaxed);
        } else if (step == STEP_OK) {
            atomic_fetch_add_explicit(&client->stats->rolled_back, 1, memory_order_relaxed);
        } else if (step == STEP_RETRY) {
            atomic_fetch_add_explicit(&client->stats->retried, 1, memory_order_relaxed);
            step = step_exec(client, "ROLLBACK", "ROLLBACK");
        }
    }
    if (step == STEP_LOST)
        atomic_store_explicit(&client->stats->lost, 1, memory_order_relaxed);
    PQfinish(client->conn);
    return step == STEP_ERROR ? 1 : 0;
}

static int
command_run(const Options *opt)
{
    static long last_seq[CLIENTS_MAX];
    if (!log_read(opt->log_path, last_seq))
        return 1;
    int log_fd = log_open(opt->log_path);
    if (log_fd < 0)
        return 1;
    ClientStats *stats = mmap(NULL, sizeof(ClientStats) * (size_t)opt->client_count,
                              PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (stats == MAP_FAILED) {
        perror("acked_client: mmap");
        return 1;
    }
    int started = 0;
    for (int id = 0; id < opt->client_count; id++) {
        pid_t pid = fork();
        if (pid < 0) {
            perror("acked_client: fork");
            break;
        }
        if (pid == 0) {
            Client client = {.opt = opt, .stats = &stats[id], .id = id, .log_fd = log_fd,
                             .seq = last_seq[id],
                             .random_state = opt->seed * 1000003u + (uint64_t)id};
            client.prepared = opt->protocol == PROTOCOL_PREPARED ||
                              (opt->protocol == PROTOCOL_MIXED && id % 2 == 0);
            int status = client_main(&client);
            fflush(NULL);
            _exit(status);
        }
        started++;
    }
    int failed_count = opt->client_count - started;
    int hung_count = 0;
    for (int i = 0, status; i < started; i++) {
        if (wait(&status) < 0)
            break;
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
            hung_count++;
        else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            failed_count++;
    }
    long acked = 0, rolled_back = 0, retried = 0, lost = 0;
    for (int id = 0; id < opt->client_count; id++) {
        acked += atomic_load_explicit(&stats[id].acked, memory_order_relaxed);
        rolled_back += atomic_load_explicit(&stats[id].rolled_back, memory_order_relaxed);
        retried += atomic_load_explicit(&stats[id].retried, memory_order_relaxed);
        lost += atomic_load_explicit(&stats[id].lost, memory_order_relaxed);
    }
    printf("acked %ld rolled_back %ld retried %ld lost %ld hung %d errors %d\n", acked, rolled_back,
           retried, lost, hung_count, failed_count);
    return failed_count > 0 ? 1 : hung_count > 0 ? 3 : 0;
}

/* ---- verify -------------------------------------------------------------------------------- */

static bool
query_row(PGconn *conn, const char *sql, int columns, long long *values)
{
    PGresult *res = PQexec(conn, sql);
    bool ok = PQresultStatus(res) == PGRES_TUPLES_OK && PQntuples(res) == 1 &&
              PQnfields(res) == columns;
    for (int i = 0; ok && i < columns; i++)
        values[i] = atoll(PQgetvalue(res, 0, i));
    if (!ok)
        printf("verify: %s: %s\n", sql, PQerrorMessage(conn));
    PQclear(res);
    return ok;
}

/* Points 1 and 2 of the head comment. */
static int
verify_acked(PGconn *conn, const Options *opt, const long last_seq[CLIENTS_MAX], long *extra_count)
{
    static long present[CLIENTS_MAX];
    int problems = 0;
    *extra_count = 0;
    memset(present, 0, sizeof present);
    PGresult *res = PQexec(conn, "SELECT client, seq FROM acked ORDER BY client, seq");
    if (PQresultStatus(res) != PGRES_TUPLES_OK) {
        printf("verify: cannot read acked: %s", PQerrorMessage(conn));
        PQclear(res);
        return 1;
    }
    for (int row = 0; row < PQntuples(res) && problems < 20; row++) {
        long client = atol(PQgetvalue(res, row, 0));
        long seq = atol(PQgetvalue(res, row, 1));
        if (client < 0 || client >= CLIENTS_MAX) {
            printf("verify: acked holds an unknown client %ld\n", client);
            problems++;
            continue;
        }
        if (seq <= present[client]) {
            printf("verify: client %ld seq %ld is there twice\n", client, seq);
            problems++;
        } else if (seq > present[client] + 1) {
            printf("verify: client %ld: seq %ld to %ld missing (acknowledged up to %ld)\n", client,
                   present[client] + 1, seq - 1, last_seq[client]);
            problems++;
        }
        present[client] = seq;
    }
    PQclear(res);
    int fd = opt->adopt ? log_open(opt->log_path) : -1;
    for (int client = 0; client < CLIENTS_MAX; client++) {
        if (present[client] < last_seq[client]) {
            printf("verify: client %d: LOST acknowledged seq %ld to %ld\n", client,
                   present[client] + 1, last_seq[client]);
            problems++;
        } else if (present[client] > last_seq[client] + 1) {
            printf("verify: client %d: seq up to %ld present, acknowledged only up to %ld\n", client,
                   present[client], last_seq[client]);
            problems++;
        } else if (present[client] == last_seq[client] + 1) {
            (*extra_count)++;
            if (fd >= 0 && problems == 0 && !log_append(fd, client, present[client]))
                problems++;
        }
    }
    if (fd >= 0)
        close(fd);
    return problems;
}

/* Point 3. */
static int
verify_sums(PGconn *conn)
{
    long long v[6];
    if (!query_row(conn,
                   "SELECT (SELECT coalesce(sum(abalance), 0) FROM pgbench_accounts), "
                   "(SELECT coalesce(sum(tbalance), 0) FROM pgbench_tellers), "
                   "(SELECT coalesce(sum(bbalance), 0) FROM pgbench_branches), "
                   "(SELECT coalesce(sum(delta), 0) FROM pgbench_history), "
                   "(SELECT count(*) FROM pgbench_history), (SELECT count(*) FROM acked)",
                   6, v))
        return 1;
    int problems = 0;
    if (v[0] != v[1] || v[0] != v[2] || v[0] != v[3]) {
        printf("verify: sums differ: accounts %lld tellers %lld branches %lld history %lld\n", v[0],
               v[1], v[2], v[3]);
        problems++;
    }
    if (v[4] != v[5]) {
        printf("verify: history has %lld rows, acked %lld\n", v[4], v[5]);
        problems++;
    }
    return problems;
}

/* Point 4, and that the tables still have the rows they began with. */
static int
verify_indexes(PGconn *conn)
{
    static const char *const by_seq[] = {"SET enable_seqscan = on", "SET enable_indexscan = off",
                                         "SET enable_indexonlyscan = off",
                                         "SET enable_bitmapscan = off"};
    static const char *const by_index[] = {"SET enable_seqscan = off", "SET enable_indexscan = on",
                                           "SET enable_indexonlyscan = on"};
    static const char *const queries[] = {
        "SELECT count(*), coalesce(sum(seq), 0) FROM acked WHERE client >= 0",
        "SELECT count(*), coalesce(sum(abalance), 0) FROM pgbench_accounts WHERE aid > 0",
        "SELECT count(*), coalesce(sum(tbalance), 0) FROM pgbench_tellers WHERE tid > 0",
        "SELECT count(*), coalesce(sum(bbalance), 0) FROM pgbench_branches WHERE bid > 0",
    };
    enum { QUERY_COUNT = sizeof queries / sizeof *queries };
    long long seq[QUERY_COUNT][2], index[2];
    int problems = 0;
    for (size_t i = 0; i < sizeof by_seq / sizeof *by_seq; i++)
        PQclear(PQexec(conn, by_seq[i])); /* a server without the setting has one plan: no matter */
    for (int i = 0; i < QUERY_COUNT; i++)
        if (!query_row(conn, queries[i], 2, seq[i]))
            return problems + 1;
    for (size_t i = 0; i < sizeof by_index / sizeof *by_index; i++)
        PQclear(PQexec(conn, by_index[i]));
    for (int i = 0; i < QUERY_COUNT; i++) {
        if (!query_row(conn, queries[i], 2, index))
            return problems + 1;
        if (index[0] != seq[i][0] || index[1] != seq[i][1]) {
            printf("verify: index and table differ: %s: %lld, %lld by index, %lld, %lld by table\n",
                   queries[i], index[0], index[1], seq[i][0], seq[i][1]);
            problems++;
        }
    }
    if (seq[3][0] * TELLERS_PER_BRANCH != seq[2][0] || seq[3][0] * ACCOUNTS_PER_BRANCH != seq[1][0]) {
        printf("verify: rows are missing: %lld accounts, %lld tellers, %lld branches\n", seq[1][0],
               seq[2][0], seq[3][0]);
        problems++;
    }
    return problems;
}

static int
command_verify(const Options *opt)
{
    static long last_seq[CLIENTS_MAX];
    if (!log_read(opt->log_path, last_seq))
        return 1;
    PGconn *conn = connect_server(opt);
    if (PQstatus(conn) != CONNECTION_OK) {
        printf("verify: %s", PQerrorMessage(conn));
        PQfinish(conn);
        return 1;
    }
    long acked = 0, extra;
    for (int client = 0; client < CLIENTS_MAX; client++)
        acked += last_seq[client];
    int problems = verify_acked(conn, opt, last_seq, &extra);
    problems += verify_sums(conn);
    problems += verify_indexes(conn);
    PQfinish(conn);
    printf("verify: %s: %ld acknowledged, %ld more committed\n", problems == 0 ? "ok" : "FAIL",
           acked, extra);
    return problems == 0 ? 0 : 1;
}

/* ---- main ---------------------------------------------------------------------------------- */

int
main(int argc, char **argv)
{
    enum { OPT_ROLLBACK = 256, OPT_SAVEPOINT, OPT_ADOPT, OPT_HELP };
    static const struct option longopts[] = {
        {"rollback", required_argument, NULL, OPT_ROLLBACK},
        {"savepoint", required_argument, NULL, OPT_SAVEPOINT},
        {"adopt", no_argument, NULL, OPT_ADOPT},
        {"help", no_argument, NULL, OPT_HELP},
        {NULL, 0, NULL, 0},
    };
    Options opt = {.client_count = 16, .scale = 1, .duration_s = 10, .seed = 1,
                   .rollback_percent = 5, .savepoint_percent = 5, .protocol = PROTOCOL_MIXED};
    int c;
    while ((c = getopt_long(argc, argv, "h:p:U:d:l:c:T:s:S:M:", longopts, NULL)) != -1) {
        switch (c) {
        case 'h': opt.host = optarg; break;
        case 'p': opt.port = optarg; break;
        case 'U': opt.user = optarg; break;
        case 'd': opt.dbname = optarg; break;
        case 'l': opt.log_path = optarg; break;
        case 'c': opt.client_count = (int)parse_number(optarg, 1, CLIENTS_MAX); break;
        case 'T': opt.duration_s = (int)parse_number(optarg, 1, 1000000); break;
        case 's': opt.scale = (int)parse_number(optarg, 1, 10000); break;
        case 'S': opt.seed = (uint64_t)parse_number(optarg, 0, 2147483647); break;
        case 'M':
            if (strcmp(optarg, "simple") == 0)
                opt.protocol = PROTOCOL_SIMPLE;
            else if (strcmp(optarg, "prepared") == 0)
                opt.protocol = PROTOCOL_PREPARED;
            else if (strcmp(optarg, "mixed") == 0)
                opt.protocol = PROTOCOL_MIXED;
            else {
                usage(stderr);
                return 2;
            }
            break;
        case OPT_ROLLBACK: opt.rollback_percent = (int)parse_number(optarg, 0, 100); break;
        case OPT_SAVEPOINT: opt.savepoint_percent = (int)parse_number(optarg, 0, 100); break;
        case OPT_ADOPT: opt.adopt = true; break;
        case OPT_HELP: usage(stdout); return 0;
        default: usage(stderr); return 2;
        }
    }
    if (optind != argc - 1) {
        usage(stderr);
        return 2;
    }
    const char *command = argv[optind];
    if (strcmp(command, "init") == 0)
        return command_init(&opt);
    if (opt.log_path == NULL) {
        fputs("acked_client: -l FILE is needed\n", stderr);
        return 2;
    }
    if (strcmp(command, "run") == 0)
        return command_run(&opt);
    if (strcmp(command, "verify") == 0)
        return command_verify(&opt);
    usage(stderr);
    return 2;
}
