/*
 * Random transactions on lists, and the history of the committed ones checked for a cycle.
 *
 *   append_stress [-c CLIENTS] [-t TRANSACTIONS] [-k KEYS] [-s SEED] [-i LEVEL] [-f] [-l COMMITS] [-w] CONNINFO
 *
 * Every row is a list to which transactions append their number; a row that is not there is the empty
 * list. So each read tells exactly which appends came before it, and the final lists tell the order of all
 * versions. Edges: append to the next append (ww), append to who read it (wr), who read a list to
 * the append it does not hold (rw). The committed transactions are serializable if there is no cycle.
 * Reads go by full scan, index range, single row and index-only scan; savepoints come and go.
 *
 * -i  isolation level (serializable); -f  another client, not serializable, fills the index between the keys, empties it
 * again and vacuums, so that pages split and go; -l  the first client's transactions last as long as the others
 * take for so many commits, so that what these leave must be kept or summarised; -w  a cycle is wanted: exit status 0 only if there is one, which shows
 * that the check can fail.
 */
#include <libpq-fe.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CLIENTS_MAX 32
#define STRIDE 1000 /* key numbers lie so far apart in the index */
#define KEYS_MAX 64
#define SQL_MAX 512

typedef struct Read { int txn, key, length, last; } Read; /* last element, 0: empty; presence only: length -1 (some), 0 (none) */
typedef struct Client {
    pthread_t thread;
    PGconn *conn;
    uint64_t random;
    int number;
    Read *reads;
    int nreads, cap;
    int committed, refused, deadlocked, unique;
    bool *ok; /* by transaction of this client */
} Client;

static int clients = 6, transactions = 250, keys = 12;
static uint64_t seed = 1;
static const char *level = "serializable", *conninfo;
static bool wanted, filling;
static long long_commits;
static _Atomic long total_commits;
static _Atomic int running;
static Client client[CLIENTS_MAX];

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

static uint32_t
below(Client *c, uint32_t n)
{
    c->random ^= c->random << 13;
    c->random ^= c->random >> 7;
    c->random ^= c->random << 17;
    return (uint32_t)(c->random >> 33) % n;
}

static void ignore_notice(void *arg, const char *text) { (void)arg, (void)text; }

static PGconn *
connect_one(void)
{
    PGconn *c = PQconnectdb(conninfo);

    if (PQstatus(c) != CONNECTION_OK)
        die("%s", PQerrorMessage(c));
    PQsetNoticeProcessor(c, ignore_notice, NULL);
    return c;
}

/* ---- running transactions ---- */

static int txn_id(const Client *c, int i) { return c->number * transactions + i + 1; }

/* NULL: the transaction has failed with something it may fail with. */
static PGresult *
query(Client *c, const char *fmt, ...)
{
    char sql[SQL_MAX];
    const char *state;
    PGresult *r;
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(sql, sizeof sql, fmt, ap);
    va_end(ap);
    r = PQexec(c->conn, sql);
    if (PQresultStatus(r) == PGRES_COMMAND_OK || PQresultStatus(r) == PGRES_TUPLES_OK)
        return r;
    state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    if (!state)
        die("%s\n%s", sql, PQerrorMessage(c->conn));
    if (strcmp(state, "40001") == 0)
        c->refused++;
    else if (strcmp(state, "40P01") == 0)
        c->deadlocked++;
    else if (strcmp(state, "23505") == 0)
        c->unique++;
    else
        die("%s\n%s", sql, PQerrorMessage(c->conn));
    PQclear(r);
    return NULL;
}

static bool
command(Client *c, const char *sql)
{
    PGresult *r = query(c, "%s", sql);

    PQclear(r);
    return r != NULL;
}

static void
note_read(Client *c, int txn, int key, int length, int last)
{
    if (c->nreads == c->cap) {
        c->cap = c->cap ? 2 * c->cap : 4096;
        c->reads = realloc(c->reads, sizeof(Read) * (size_t)c->cap);
        if (!c->reads)
            die("out of memory");
    }
    c->reads[c->nreads++] = (Read){txn, key, length, last};
}

static int
count_list(const char *s, int *last)
{
    int n = 0;

    *last = 0;
    for (; *s; s += strcspn(s, ","), s += *s == ',') {
        *last = atoi(s);
        n++;
    }
    return n;
}

/* All keys in [from, to]: what the result does not show is empty. */
static void
note_range(Client *c, int txn, PGresult *r, int from, int to, bool values)
{
    int rows = PQntuples(r);
    bool down = rows > 1 && atoi(PQgetvalue(r, 0, 0)) > atoi(PQgetvalue(r, rows - 1, 0));

    for (int k = from, i = 0; k <= to; k++) {
        int row = down ? rows - 1 - i : i;
        bool there = i < rows && atoi(PQgetvalue(r, row, 0)) == k * STRIDE;
        int last = 0, n = 0;

        if (there)
            n = values ? count_list(PQgetvalue(r, row, 1), &last) : -1;
        i += there;
        note_read(c, txn, k, n, last);
    }
}

static bool
read_some(Client *c, int txn)
{
    int a = (int)below(c, (uint32_t)keys), b = a + (int)below(c, 4), kind = (int)below(c, 4);
    PGresult *r;

    if (b >= keys)
        b = keys - 1;
    switch (kind) {
    case 0:
        r = query(c, "/* scan */ select k, v from lists where k + 0 between %d and %d and k %% 1000 = 0 order by k", a * STRIDE, b * STRIDE);
        break;
    case 1:
        b = a;
        r = query(c, "select k, v from lists where k = %d", a * STRIDE);
        break;
    case 2:
        r = query(c, "select k from lists where k between %d and %d and k %% 1000 = 0 order by k", a * STRIDE, b * STRIDE);
        break;
    default:
        r = query(c, "select k, v from lists where k between %d and %d and k %% 1000 = 0 order by k%s", a * STRIDE, b * STRIDE,
                  below(c, 2) ? " desc" : "");
        break;
    }
    if (!r)
        return false;
    note_range(c, txn, r, a, b, kind != 2);
    PQclear(r);
    return true;
}

static bool
append(Client *c, int txn)
{
    int k = (int)below(c, (uint32_t)keys);
    PGresult *r = query(c, "update lists set v = v || ',%d' where k = %d", txn, k * STRIDE);
    bool none;

    if (!r)
        return false;
    none = strcmp(PQcmdTuples(r), "0") == 0;
    PQclear(r);
    if (none) {
        /* It read the absence, too: that makes it depend on whoever inserts the row. */
        note_read(c, txn, k, 0, 0);
        r = query(c, "insert into lists values (%d, '%d')", k * STRIDE, txn);
        if (!r)
            return false;
        PQclear(r);
    }
    return true;
}

/* A subtransaction that is rolled back: its reads were real, its appends never happened. */
static bool
aside(Client *c, int txn)
{
    bool ok = command(c, "savepoint s") && read_some(c, txn) && append(c, txn) && command(c, "rollback to s");

    return ok && command(c, "release s");
}

/* The others go on for a while. */
static void
stay(const Client *c)
{
    long until = atomic_load(&total_commits) + long_commits;
    struct timespec pause = {0, 1000000};

    while (long_commits > 0 && c->number == 0 && clients > 1 && atomic_load(&running) > 1 && atomic_load(&total_commits) < until)
        nanosleep(&pause, NULL);
}

static bool
transaction(Client *c, int txn)
{
    bool read_only = below(c, 8) == 0;
    int n = 2 + (int)below(c, 3);
    char begin[128];

    snprintf(begin, sizeof begin, "begin isolation level %s%s%s", level, read_only ? " read only" : "",
             read_only && long_commits == 0 && below(c, 3) == 0 ? " deferrable" : ""); /* it would wait for the long one */
    if (!command(c, begin))
        return false;
    for (int i = 0; i < n; i++) {
        uint32_t what = below(c, 16);
        bool ok;

        if (read_only || what < 8)
            ok = read_some(c, txn);
        else if (what == 8)
            ok = aside(c, txn);
        else if (what == 9)
            ok = command(c, "savepoint t") && append(c, txn) && command(c, "release t");
        else
            ok = append(c, txn);
        if (!ok)
            return false;
        if (i == 0)
            stay(c);
    }
    return command(c, "commit");
}

static void *
run_client(void *arg)
{
    static const char *const plans[] = {"set enable_seqscan = off", "set enable_seqscan = off; set enable_bitmapscan = off",
                                        "set enable_indexscan = off; set enable_bitmapscan = off; set enable_indexonlyscan = off", "reset all"};
    Client *c = arg;

    for (int i = 0; i < transactions; i++) {
        int first = c->nreads;

        if (i % 16 == 0 && !command(c, plans[below(c, 4)]))
            die("no setting");
        c->ok[i] = transaction(c, txn_id(c, i));
        c->committed += c->ok[i];
        atomic_fetch_add(&total_commits, c->ok[i]);
        if (long_commits > 0 && c->number == 0 && atomic_load(&running) == 1)
            break;
        if (!c->ok[i]) {
            c->nreads = first;
            PQclear(PQexec(c->conn, "rollback"));
        }
    }
    atomic_fetch_sub(&running, 1);
    return NULL;
}

/* Rows that nobody looks at, in waves. */
static void *
run_filler(void *arg)
{
    PGconn *conn = connect_one();
    Client c = {.random = seed + 99};

    (void)arg;
    for (int round = 0; atomic_load(&running) > 0; round++) {
        char sql[SQL_MAX];

        if (round % 16 == 15)
            snprintf(sql, sizeof sql, "delete from lists where k %% 1000 <> 0 and k / 1000 between %u and %u", below(&c, (uint32_t)keys / 2),
                     below(&c, (uint32_t)keys));
        else
            snprintf(sql, sizeof sql, "insert into lists select %u * 1000 + i, repeat('x', 80) from generate_series(%u, 999, 7) i on conflict do nothing",
                     below(&c, (uint32_t)keys), 1 + below(&c, 7));
        PQclear(PQexec(conn, sql));
        if (round % 16 == 15)
            PQclear(PQexec(conn, "vacuum lists"));
    }
    PQfinish(conn);
    return NULL;
}

/* ---- the check ---- */

static int *list[KEYS_MAX], length[KEYS_MAX];
static int *edge_to, *edge_next, *edge_head, nedges, edge_cap, nodes;

static void
add_edge(int from, int to)
{
    if (from == to)
        return;
    if (nedges == edge_cap) {
        edge_cap = edge_cap ? 2 * edge_cap : 65536;
        edge_to = realloc(edge_to, sizeof(int) * (size_t)edge_cap);
        edge_next = realloc(edge_next, sizeof(int) * (size_t)edge_cap);
        if (!edge_to || !edge_next)
            die("out of memory");
    }
    edge_to[nedges] = to;
    edge_next[nedges] = edge_head[from];
    edge_head[from] = nedges++;
}

static bool
is_committed(int txn)
{
    int n = txn - 1;

    return n >= 0 && n < clients * transactions && client[n / transactions].ok[n % transactions];
}

static void
load_lists(PGconn *conn)
{
    PGresult *r = PQexec(conn, "select k / 1000, v from lists where k % 1000 = 0 order by k");

    if (PQresultStatus(r) != PGRES_TUPLES_OK)
        die("%s", PQerrorMessage(conn));
    for (int i = 0; i < PQntuples(r); i++) {
        int k = atoi(PQgetvalue(r, i, 0)), last;
        const char *s = PQgetvalue(r, i, 1);

        length[k] = count_list(s, &last);
        list[k] = malloc(sizeof(int) * (size_t)(length[k] + 1));
        for (int n = 0; n < length[k]; n++) {
            list[k][n] = atoi(s);
            if (!is_committed(list[k][n]))
                die("key %d holds an append of transaction %d, which did not commit", k, list[k][n]);
            s += strcspn(s, ",");
            s += *s == ',';
        }
    }
    PQclear(r);
}

/* Where in key's list the reader's own appends begin: what it read may hold those. */
static void
add_read(const Read *r)
{
    int n = r->length;

    if (n < 0) { /* present: after the first append */
        if (length[r->key] == 0)
            die("transaction %d read a row %d that never was", r->txn, r->key);
        add_edge(list[r->key][0], r->txn);
        return;
    }
    while (n > 0 && n <= length[r->key] && list[r->key][n - 1] == r->txn)
        n--; /* its own */
    if (n == r->length && r->length > 0 && r->last == r->txn)
        return; /* its own append in a subtransaction that was rolled back afterwards */
    if (r->length > length[r->key] || (r->length > 0 && r->last != r->txn && list[r->key][r->length - 1] != r->last))
        die("transaction %d read a version of row %d that never was", r->txn, r->key);
    if (n > 0)
        add_edge(list[r->key][n - 1], r->txn);
    while (n < length[r->key] && list[r->key][n] == r->txn)
        n++;
    if (n < length[r->key])
        add_edge(r->txn, list[r->key][n]);
}

static int *stack, *color, *at_edge;

/* Depth first without recursion; prints the first cycle. */
static bool
find_cycle(void)
{
    for (int root = 1; root <= nodes; root++) {
        int depth = 0;

        if (color[root])
            continue;
        stack[depth++] = root;
        color[root] = 1;
        at_edge[root] = edge_head[root];
        while (depth > 0) {
            int x = stack[depth - 1], e = at_edge[x];

            if (e < 0) {
                color[x] = 2;
                depth--;
                continue;
            }
            at_edge[x] = edge_next[e];
            if (color[edge_to[e]] == 1) {
                printf("cycle:");
                for (int i = depth - 1; i >= 0; i--) {
                    printf(" %d", stack[i]);
                    if (stack[i] == edge_to[e])
                        break;
                }
                printf("\n");
                return true;
            }
            if (color[edge_to[e]] == 0) {
                color[edge_to[e]] = 1;
                at_edge[edge_to[e]] = edge_head[edge_to[e]];
                stack[depth++] = edge_to[e];
            }
        }
    }
    return false;
}

static bool
history_has_cycle(PGconn *conn)
{
    nodes = clients * transactions;
    edge_head = malloc(sizeof(int) * (size_t)(nodes + 1));
    stack = malloc(sizeof(int) * (size_t)(nodes + 1));
    color = calloc((size_t)nodes + 1, sizeof(int));
    at_edge = malloc(sizeof(int) * (size_t)(nodes + 1));
    if (!edge_head || !stack || !color || !at_edge)
        die("out of memory");
    for (int i = 0; i <= nodes; i++)
        edge_head[i] = -1;
    load_lists(conn);
    for (int k = 0; k < keys; k++)
        for (int i = 1; i < length[k]; i++)
            add_edge(list[k][i - 1], list[k][i]);
    for (int c = 0; c < clients; c++)
        for (int i = 0; i < client[c].nreads; i++)
            add_read(&client[c].reads[i]);
    return find_cycle();
}

static void
options(int argc, char **argv)
{
    int i = 1;

    for (; i < argc - 1 && argv[i][0] == '-'; i++) {
        if (strcmp(argv[i], "-w") == 0)
            wanted = true;
        else if (strcmp(argv[i], "-f") == 0)
            filling = true;
        else if (strcmp(argv[i], "-l") == 0)
            long_commits = atol(argv[++i]);
        else if (strcmp(argv[i], "-c") == 0)
            clients = atoi(argv[++i]);
        else if (strcmp(argv[i], "-t") == 0)
            transactions = atoi(argv[++i]);
        else if (strcmp(argv[i], "-k") == 0)
            keys = atoi(argv[++i]);
        else if (strcmp(argv[i], "-s") == 0)
            seed = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "-i") == 0)
            level = argv[++i];
        else
            die("unknown option %s", argv[i]);
    }
    if (i != argc - 1 || clients < 1 || clients > CLIENTS_MAX || keys < 1 || keys > KEYS_MAX || transactions < 1)
        die("usage: append_stress [-c CLIENTS] [-t TRANSACTIONS] [-k KEYS] [-s SEED] [-i LEVEL] [-f] [-l COMMITS] [-w] CONNINFO");
    conninfo = argv[i];
}

int
main(int argc, char **argv)
{
    long committed = 0, refused = 0, deadlocked = 0, unique = 0, reads = 0;
    pthread_t filler;
    PGconn *control;
    bool cycle;

    options(argc, argv);
    printf("seed %llu\n", (unsigned long long)seed);
    control = connect_one();
    PQclear(PQexec(control, "drop table if exists lists"));
    PQclear(PQexec(control, "create table lists (k int primary key, v text not null)"));
    atomic_store(&running, clients);
    if (filling && pthread_create(&filler, NULL, run_filler, NULL) != 0)
        die("no thread");
    for (int i = 0; i < clients; i++) {
        client[i] = (Client){.conn = connect_one(), .number = i, .random = seed * 1000003 + (uint64_t)i * 7919 + 1,
                             .ok = calloc((size_t)transactions, sizeof(bool))};
        if (pthread_create(&client[i].thread, NULL, run_client, &client[i]) != 0)
            die("no thread");
    }
    for (int i = 0; i < clients; i++) {
        pthread_join(client[i].thread, NULL);
        committed += client[i].committed;
        refused += client[i].refused;
        deadlocked += client[i].deadlocked;
        unique += client[i].unique;
        reads += client[i].nreads;
        PQfinish(client[i].conn);
    }
    if (filling)
        pthread_join(filler, NULL);
    cycle = history_has_cycle(control);
    printf("%s: %ld committed, %ld refused, %ld deadlocks, %ld duplicate keys; %ld reads, %d edges; %s\n", level, committed, refused,
           deadlocked, unique, reads, nedges, cycle ? "NOT serializable" : "serializable");
    PQclear(PQexec(control, "drop table lists"));
    PQfinish(control);
    return cycle == wanted ? 0 : 1;
}
