/*
 * One connection. All waiting has a deadline, and all that the server sends is looked at: a message of an unknown
 * type or an impossible length is a failure of the server's.
 */
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

Buf sent_log;

#define SENT_LOG_MAX (1 << 20)
#define STATEMENT_TIMEOUT "2s"

static double
now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

bool
client_open(Client *c)
{
    *c = (Client){.fd = socket(AF_UNIX, SOCK_STREAM, 0)};
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    const char *host = getenv("PGHOST"), *port = getenv("PGPORT");
    snprintf(a.sun_path, sizeof a.sun_path, "%s/.s.PGSQL.%s", host ? host : "/tmp", port ? port : "5432");
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&a, sizeof a) != 0) {
        client_close(c);
        return false;
    }
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    return true;
}

void
client_close(Client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    buf_free(&c->in);
}

/* ---- what the server sends ---- */

static uint32_t
big_endian(const char *p)
{
    const unsigned char *u = (const unsigned char *)p;
    return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 | (uint32_t)u[2] << 8 | u[3];
}

static void
note_error(Client *c, const char *body, size_t len)
{
    const char *end = body + len;
    while (body < end && *body) {
        if (*body == 'C')
            snprintf(c->sqlstate, sizeof c->sqlstate, "%s", body + 1);
        if (*body == 'V' && (strcmp(body + 1, "FATAL") == 0 || strcmp(body + 1, "PANIC") == 0))
            c->fatal = true;
        body += strlen(body) + 1;
    }
}

/* The answer to CopyInResponse: some lines and an end, of either kind. */
static void
copy_answer(Rng *r, Buf *out, bool with_sync)
{
    static const char *const lines[] = {"1\t2\t3\n", "1\n", "\\N\t\\N\n", "a,b,\"c\n\"\n", "1,2\n", "\\.\n", "\\x41\\101\\\n", "\n", "1\t"};
    Frames f = {0};
    for (int n = rng_below(r, 4); n > 0; n--) {
        Buf *b = frame_begin(&f, 'd');
        buf_text(b, lines[rng_below(r, COUNT_OF(lines))]);
        frame_end(b);
    }
    Buf *b = frame_begin(&f, rng_percent(r, 80) ? 'c' : 'f');
    if (b->data[0] == 'f')
        buf_string(b, "no more");
    frame_end(b);
    if (with_sync)
        frame_end(frame_begin(&f, 'S'));
    for (int i = 0; i < f.count; i++)
        buf_bytes(out, f.list[i].data, f.list[i].len);
    frames_free(&f);
}

/* Takes whole messages from the input; true: the last one was ReadyForQuery. False in *sane: nonsense. */
static bool
take_messages(Client *c, Rng *r, Buf *out, bool *sane)
{
    size_t at = 0;
    bool ready = false;
    while (c->in.len - at >= 5) {
        char type = c->in.data[at];
        uint32_t len = big_endian(c->in.data + at + 1);
        if (len < 4 || len > 0x40000100 || strchr("RKSZTDCENAGHWdcf123nstIVv", type) == NULL || type == 0) {
            *sane = false;
            return false;
        }
        if (c->in.len - at < (size_t)len + 1)
            break;
        const char *body = c->in.data + at + 5;
        ready = type == 'Z';
        switch (type) {
        case 'Z': c->status = body[0]; break;
        case 'K': c->backend_pid = (int)big_endian(body); break;
        case 'E': note_error(c, body, len - 4); break;
        case 'D': c->rows++; break;
        case 'G':
            if (r)
                copy_answer(r, out, c->extended);
            break;
        default: break;
        }
        at += (size_t)len + 1;
    }
    memmove(c->in.data, c->in.data + at, c->in.len - at);
    c->in.len -= at;
    return ready && c->in.len == 0;
}

/* ---- sending and reading ---- */

static bool
push(Client *c, const Buf *out, size_t *done)
{
    ssize_t n = send(c->fd, out->data + *done, out->len - *done, MSG_NOSIGNAL);
    if (n > 0)
        *done += (size_t)n;
    return n > 0 || errno == EAGAIN || errno == EINTR;
}

Ending
client_send(Client *c, const Buf *b, bool close_after, Rng *r, int timeout_s)
{
    Buf out = {0};
    buf_bytes(&out, b->data, b->len);
    if (sent_log.len < SENT_LOG_MAX)
        buf_bytes(&sent_log, b->data, b->len);
    size_t done = 0;
    bool half_closed = false, sane = true, broken = false;
    Ending ending = END_HUNG;
    double deadline = now() + timeout_s;
    while (now() < deadline) {
        if (done == out.len && close_after && !half_closed) {
            shutdown(c->fd, SHUT_WR);
            half_closed = true;
        }
        struct pollfd p = {.fd = c->fd, .events = (short)(POLLIN | (done < out.len && !broken ? POLLOUT : 0))};
        if (poll(&p, 1, 200) <= 0)
            continue;
        if (p.revents & POLLOUT && done < out.len && !push(c, &out, &done))
            broken = true; /* what it still says is read all the same */
        if (!(p.revents & (POLLIN | POLLHUP | POLLERR)))
            continue;
        char chunk[65536];
        ssize_t n = recv(c->fd, chunk, sizeof chunk, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
            ending = END_CLOSED;
            break;
        }
        if (n < 0)
            continue;
        buf_bytes(&c->in, chunk, (size_t)n);
        bool ready = take_messages(c, close_after ? NULL : r, &out, &sane);
        if (!sane) {
            ending = END_NONSENSE;
            break;
        }
        if (ready && !close_after && done == out.len) {
            ending = END_READY;
            break;
        }
    }
    buf_free(&out);
    return ending;
}

const char *
ending_name(Ending e)
{
    switch (e) {
    case END_HUNG: return "the server neither answers nor closes";
    case END_NONSENSE: return "the server sends what is no message";
    default: return NULL;
    }
}

Ending
client_query(Client *c, const char *sql, Rng *r)
{
    Frames f = {0};
    Buf *b = frame_begin(&f, 'Q');
    buf_string(b, sql);
    frame_end(b);
    Ending e = client_send(c, b, false, r, hang_s);
    frames_free(&f);
    return e;
}

/* ---- startup ---- */

void
startup_packet(Buf *b, const char *user, const char *database)
{
    Buf body = {0};
    buf_int32(&body, 0x30000);
    const char *pairs[] = {"user", user, "database", database, "options", "-c statement_timeout=" STATEMENT_TIMEOUT,
                           "application_name", "fuzz"};
    for (int i = 0; i < COUNT_OF(pairs); i++)
        buf_string(&body, pairs[i]);
    buf_byte(&body, 0);
    buf_int32(b, (uint32_t)body.len + 4);
    buf_bytes(b, body.data, body.len);
    buf_free(&body);
}

bool
client_login(Client *c, const char *user, const char *database)
{
    if (!client_open(c))
        return false;
    Buf b = {0};
    startup_packet(&b, user, database);
    Ending e = client_send(c, &b, false, NULL, hang_s);
    buf_free(&b);
    if (e == END_READY)
        return true;
    client_close(c);
    return false;
}

long
process_anon_kb(int pid, const char *field)
{
    char name[64], line[256];
    long kb = 0;
    snprintf(name, sizeof name, "/proc/%d/status", pid);
    FILE *f = fopen(name, "r");
    if (f == NULL)
        return 0;
    size_t n = strlen(field);
    while (fgets(line, sizeof line, f))
        if (strncmp(line, field, n) == 0 && line[n] == ':')
            kb = atol(line + n + 1);
    fclose(f);
    return kb;
}
