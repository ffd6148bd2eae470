/*
 * A server that does nothing: it speaks just enough of protocol 3 for pgbench to run against it and answers every
 * statement at once with a canned row. One process per connection, one recv() and one send() a request. What
 * pgbench reaches here is the ceiling for any server on this machine; bench/cpu_per_transaction.sh prints it as
 * the third column.
 *
 * usage: null_server SOCKET_DIRECTORY PORT     (listens on SOCKET_DIRECTORY/.s.PGSQL.PORT)
 */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char in[1 << 16], out[1 << 16];
static size_t in_bytes, out_bytes;
static int fd;
static char transaction_status = 'I';

static uint32_t
be32(const char *p)
{
    const unsigned char *u = (const unsigned char *)p;
    return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 | (uint32_t)u[2] << 8 | u[3];
}

static void
put(char type, const void *body, size_t n)
{
    uint32_t len = (uint32_t)n + 4;
    char *p = out + out_bytes;
    p[0] = type;
    p[1] = (char)(len >> 24);
    p[2] = (char)(len >> 16);
    p[3] = (char)(len >> 8);
    p[4] = (char)len;
    if (n)
        memcpy(p + 5, body, n);
    out_bytes += n + 5;
}

#define COLUMN "abalance\0\0\0\0\0\0\0\0\0\0\027\0\4\377\377\377\377\0\0"

static void
put_row_description(void)
{
    put('T', "\0\1" COLUMN, sizeof("\0\1" COLUMN) - 1);
}

/* pgbench asks at its start whether its tables are partitioned: three columns, the second null for "no". */
static void
put_not_partitioned(void)
{
    static const char row[] = "\0\3\0\0\0\0011\377\377\377\377\0\0\0\0010";
    put('T', "\0\3" COLUMN COLUMN COLUMN, sizeof("\0\3" COLUMN COLUMN COLUMN) - 1);
    put('D', row, sizeof row - 1);
    put('C', "SELECT 1", 9);
}

static void
put_result(const char *tag, int is_select)
{
    static const char row[] = "\0\1\0\0\0\0011";
    if (is_select)
        put('D', row, sizeof row - 1);
    put('C', tag, strlen(tag) + 1);
}

static void
put_ready(void)
{
    put('Z', &transaction_status, 1);
}

static void
flush_out(void)
{
    for (size_t sent = 0; sent < out_bytes;) {
        ssize_t n = send(fd, out + sent, out_bytes - sent, MSG_NOSIGNAL);
        if (n <= 0)
            _exit(0);
        sent += (size_t)n;
    }
    out_bytes = 0;
}

/* What kind of statement, and so what tag; the transaction's state follows. */
static const char *
tag_of(const char *text)
{
    static const struct { const char *word, *tag; } known[] = {{"select", "SELECT 1"}, {"insert", "INSERT 0 1"}, {"update", "UPDATE 1"}, {"begin", "BEGIN"}, {"end", "COMMIT"}, {"commit", "COMMIT"}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strncasecmp(text, known[i].word, strlen(known[i].word)) == 0)
            return known[i].tag;
    return "SET";
}

static void
note_transaction(const char *tag)
{
    if (strcmp(tag, "BEGIN") == 0)
        transaction_status = 'T';
    else if (strcmp(tag, "COMMIT") == 0)
        transaction_status = 'I';
}

/* Prepared statements by name, in order of appearance; the last one found is enough for pgbench. */
static struct { char name[64]; const char *tag; } statements[64];
static int statement_count;

static const char *
prepared_tag(const char *name)
{
    for (int i = 0; i < statement_count; i++)
        if (strcmp(statements[i].name, name) == 0)
            return statements[i].tag;
    return "SET";
}

static void
prepare(const char *name, const char *text)
{
    int i = 0;
    while (i < statement_count && strcmp(statements[i].name, name) != 0)
        i++;
    if (i == 64)
        return;
    snprintf(statements[i].name, sizeof statements[i].name, "%.63s", name);
    statements[i].tag = tag_of(text);
    if (i == statement_count)
        statement_count++;
}

static const char *bound = "SET";

static void
serve(char type, const char *body)
{
    switch (type) {
    case 'Q': {
        if (strstr(body, "pg_partitioned_table")) {
            put_not_partitioned();
            put_ready();
            break;
        }
        const char *tag = tag_of(body);
        if (tag[0] == 'S' && tag[1] == 'E' && tag[2] == 'L')
            put_row_description();
        put_result(tag, tag[2] == 'L');
        note_transaction(tag);
        put_ready();
        break;
    }
    case 'P':
        prepare(body, body + strlen(body) + 1);
        put('1', NULL, 0);
        break;
    case 'B':
        bound = prepared_tag(body + strlen(body) + 1);
        put('2', NULL, 0);
        break;
    case 'D':
        if (bound[2] == 'L')
            put_row_description();
        else
            put('n', NULL, 0);
        break;
    case 'E':
        put_result(bound, bound[2] == 'L');
        note_transaction(bound);
        break;
    case 'S': put_ready(); break;
    case 'X': _exit(0);
    default: break;
    }
}

/* Reads until n bytes are there. */
static void
fill(size_t n)
{
    while (in_bytes < n) {
        ssize_t got = recv(fd, in + in_bytes, sizeof in - in_bytes, 0);
        if (got <= 0 && !(got < 0 && errno == EINTR))
            _exit(0);
        in_bytes += got > 0 ? (size_t)got : 0;
    }
}

static void
consume(size_t n)
{
    memmove(in, in + n, in_bytes - n);
    in_bytes -= n;
}

static void
greet(void)
{
    static const char auth_ok[4], key[8];
    fill(8);
    while (be32(in + 4) == 80877103) { /* SSLRequest */
        consume(8);
        send(fd, "N", 1, MSG_NOSIGNAL);
        fill(8);
    }
    fill(be32(in));
    consume(be32(in));
    put('R', auth_ok, sizeof auth_ok);
    put('S', "server_version\00015.0", 20);
    put('S', "client_encoding\0UTF8", 21);
    put('S', "standard_conforming_strings\0on", 31);
    put('K', key, sizeof key);
    put_ready();
    flush_out();
}

static void
session(void)
{
    greet();
    for (;;) {
        fill(5);
        size_t at = 0;
        while (in_bytes - at >= 5) {
            size_t n = be32(in + at + 1) + 1;
            if (n > sizeof in)
                _exit(1);
            if (in_bytes - at < n)
                break;
            serve(in[at], in + at + 5);
            at += n;
        }
        if (at == 0)
            fill(be32(in + 1) + 1);
        consume(at);
        if (out_bytes)
            flush_out();
    }
}

int
main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: null_server SOCKET_DIRECTORY PORT\n");
        return 2;
    }
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    snprintf(addr.sun_path, sizeof addr.sun_path, "%s/.s.PGSQL.%s", argv[1], argv[2]);
    unlink(addr.sun_path);
    signal(SIGCHLD, SIG_IGN);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&addr, sizeof addr) != 0 || listen(listener, 128) != 0) {
        perror(addr.sun_path);
        return 1;
    }
    for (;;) {
        fd = accept(listener, NULL, NULL);
        if (fd < 0)
            continue;
        if (fork() == 0) {
            close(listener);
            session();
        }
        close(fd);
    }
}
