/*
 * The socket and its two buffers.
 *
 * Output: one contiguous StrBuf. Messages are built in place (the length is patched by wire_end) and
 * collect until wire_flush, which is one send(). What a failed statement left half built is cut off by
 * the next wire_begin or wire_flush. A client that does not read stops us in wire_flush; then only a
 * terminate ends the session (and says nothing to the client, for that would block again), so that a
 * cancelled statement cannot tear a message apart.
 *
 * Input: one block of 64 KiB, filled by as large a recv() as fits, so that a pipeline costs one system
 * call for many messages. A larger message makes the block grow as its bytes arrive (never by what its
 * header claims), and it shrinks again after. Bodies are read in place.
 *
 * System calls of a short request: in ping-pong the answer's send is followed by a wait, since the next
 * request is not there yet: trying recv() first would only return EAGAIN. So after an EAGAIN the next
 * reads begin with the wait; now and then, and after a wait that was over at once, recv is tried first
 * again. Waiting is latch_wait, so that interrupts are served.
 *
 * A recv() that sleeps itself would be one call instead of two, and was tried: on a Unix socket it is also
 * woken when the client reads our answer (the kernel tells all sleepers of the socket that there is room to
 * write), which doubles the context switches. pgbench -S with 8 clients fell to half; over TCP it gained
 * about 6 % of the round trip's CPU, which is not worth a second way to wait.
 */
#include "core/wire/wire_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/interrupt.h"
#include "core/shm/proc.h"

#define IN_BYTES (64u * 1024)
#define OUT_BYTES (64u * 1024)
#define FLUSH_BYTES (48u * 1024)        /* wire_end sends when this much has collected */
#define IN_KEEP_BYTES (1024u * 1024)    /* a larger input buffer shrinks once its message is done */
#define OUT_KEEP_BYTES (1024u * 1024)   /* a larger output buffer is released once it is empty */
#define RETRY_RECV_EVERY 64
#define NO_MESSAGE SIZE_MAX

WireConn wire_conn = {.fd = -1};
char wire_remote_host[64];
int wire_remote_port;
bool wire_idle;
long wire_idle_timeout_ms = -1;
void (*wire_idle_hook)(void);

/* input; malloc'd: process-wide and resized, as arenas cannot */
static char *in;
static size_t in_cap, in_start, in_end;
static size_t body_pos, body_end;       /* the current message */
static unsigned reads_until_retry;      /* > 0: the next read begins with a wait */

/* output */
static Arena *out_arena;
static StrBuf out;
static size_t out_sent;                 /* bytes of out that are with the kernel already */
static size_t message_start = NO_MESSAGE;
static bool flush_before_wait;
static bool copy_in;                    /* the client has been asked for COPY data */

extern int tcp_keepalives_idle, tcp_keepalives_interval, tcp_keepalives_count, tcp_user_timeout;

/* ---- life ---------------------------------------------------------------------------------------- */

static void
reset_output(void)
{
    if (out_arena == NULL)
        out_arena = arena_create(arena_top(), "wire output");
    else if (out.cap > OUT_KEEP_BYTES)
        arena_reset(out_arena), out.data = NULL;
    if (out.data == NULL) {
        str_init(&out, out_arena);
        str_reserve(&out, OUT_BYTES);
    }
    out.len = 0;
    out_sent = 0;
    message_start = NO_MESSAGE;
    flush_before_wait = false;
}

static void
reset_input(void)
{
    if (in == NULL || in_cap != IN_BYTES) {
        char *p = realloc(in, IN_BYTES + 1);
        if (p == NULL)
            RAISE_FATAL(SQLSTATE_OUT_OF_MEMORY, "out of memory");
        in = p;
        in_cap = IN_BYTES;
    }
    in_start = in_end = body_pos = body_end = 0;
    reads_until_retry = 0;
}

static void
set_tcp_options(int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    if (tcp_keepalives_idle > 0)
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &tcp_keepalives_idle, sizeof(int));
    if (tcp_keepalives_interval > 0)
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &tcp_keepalives_interval, sizeof(int));
    if (tcp_keepalives_count > 0)
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &tcp_keepalives_count, sizeof(int));
    if (tcp_user_timeout > 0)
        setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &tcp_user_timeout, sizeof(int));
}

static void
find_peer(int fd)
{
    socklen_t len = sizeof(wire_conn.addr);
    char port[16] = "";
    wire_remote_port = 0;
    snprintf(wire_remote_host, sizeof(wire_remote_host), "[local]");
    wire_conn.local = true;
    if (getpeername(fd, (struct sockaddr *)&wire_conn.addr, &len) != 0)
        return; /* already gone, or a socketpair: treated as local, where nothing is trusted more */
    if (wire_conn.addr.ss_family != AF_INET && wire_conn.addr.ss_family != AF_INET6)
        return;
    wire_conn.local = false;
    if (getnameinfo((struct sockaddr *)&wire_conn.addr, len, wire_remote_host, sizeof(wire_remote_host), port,
                    sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        snprintf(wire_remote_host, sizeof(wire_remote_host), "???");
    wire_remote_port = atoi(port);
    len = sizeof(wire_conn.local_addr);
    getsockname(fd, (struct sockaddr *)&wire_conn.local_addr, &len);
    set_tcp_options(fd);
}

void
wire_init(int fd)
{
    wire_close();
    memset(&wire_conn, 0, sizeof(wire_conn));
    wire_conn.fd = fd;
    int flags = fcntl(fd, F_GETFL);
    if (!(flags & O_NONBLOCK))
        fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    reset_input();
    reset_output();
    wire_idle = copy_in = false;
    hba_reload_if_stale();
    find_peer(fd);
}

void
wire_close(void)
{
    if (wire_conn.fd < 0)
        return;
    tls_close();
    latch_forget_fd(wire_conn.fd);
    close(wire_conn.fd);
    wire_conn.fd = -1;
    wire_conn.broken = true;
    free(wire_conn.peer_cn);
    free(wire_conn.peer_dn);
    wire_conn.peer_cn = wire_conn.peer_dn = NULL;
    if (out.data != NULL)
        reset_output();
}

bool
wire_connected(void)
{
    return wire_conn.fd >= 0 && !wire_conn.broken;
}

bool
wire_client_gone(void)
{
    struct pollfd p = {.fd = wire_conn.fd, .events = POLLRDHUP};
    return !wire_connected() ||
           (poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)));
}

/* ---- sending ------------------------------------------------------------------------------------- */

static void
lose_client(const char *what)
{
    if (!wire_conn.broken) {
        int e = errno;
        wire_conn.broken = true; /* first: the report must not come back here */
        errno = e;
        if (e == EPIPE || e == ECONNRESET)
            REPORT(LEVEL_LOG, SQLSTATE_CONNECTION_FAILURE, err_message("%s: %m", what));
        else
            REPORT(LEVEL_LOG, SQLSTATE_PROTOCOL_VIOLATION, err_message("%s: %m", what));
    }
    interrupts_raise(INTERRUPT_CHECK_CLIENT);
}

static ssize_t
send_some(const char *p, size_t n, int *events)
{
    *events = WAIT_WRITABLE;
    if (wire_conn.ssl)
        return tls_write(p, n, events);
    return send(wire_conn.fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* The client does not read. Returns false to give up. */
static bool
wait_to_send(int events, bool may_raise, long patience_ms)
{
    int got = latch_wait(events | (proc_self ? WAIT_LATCH : 0), wire_conn.fd, patience_ms, WAIT_EVENT_CLIENT_WRITE);
    if (got & WAIT_TIMEOUT)
        return false;
    if (got & WAIT_LATCH) {
        latch_reset(&proc_self->latch);
        if ((interrupts_pending & INTERRUPT_TERMINATE) && interrupts_held == 0) {
            wire_conn.broken = true; /* telling the client would block as well */
            if (may_raise)
                CHECK_INTERRUPTS();
            return false;
        }
    }
    return true;
}

bool
buffer_flush(bool may_raise, long patience_ms)
{
    if (message_start != NO_MESSAGE) { /* an error came between begin and end */
        out.len = message_start;
        message_start = NO_MESSAGE;
    }
    flush_before_wait = false;
    while (out_sent < out.len && !wire_conn.broken) {
        int events;
        ssize_t n = send_some(out.data + out_sent, out.len - out_sent, &events);
        if (n > 0) {
            out_sent += (size_t)n;
        } else if (n < 0 && errno == EINTR) {
            continue;
        } else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            if (patience_ms == 0)
                return false;
            if (!wait_to_send(events, may_raise, patience_ms))
                return false;
        } else {
            lose_client("could not send data to client");
        }
    }
    if (UNLIKELY(out.cap > OUT_KEEP_BYTES))
        reset_output();
    out.len = 0;
    out_sent = 0;
    return !wire_conn.broken;
}

void
wire_flush(void)
{
    if (out.len > 0)
        buffer_flush(true, -1);
}

bool
wire_flush_if_writable(void)
{
    return out.len == 0 || buffer_flush(true, 0);
}

bool
wire_flush_within(long ms)
{
    return out.len == 0 || buffer_flush(true, ms);
}

void
buffer_send_raw(const void *p, size_t n)
{
    wire_flush();
    str_add_bytes(&out, p, n);
    wire_flush();
}

void
wire_begin(char type)
{
    if (UNLIKELY(message_start != NO_MESSAGE))
        out.len = message_start;
    str_reserve(&out, 64);
    message_start = out.len;
    out.data[out.len] = type;
    out.len += 5;
    if (UNLIKELY(type == 'G'))
        copy_in = true;
    else if (UNLIKELY(type == 'E'))
        copy_in = false;
}

void
wire_put_byte(int v)
{
    str_add_char(&out, (char)v);
}

void
wire_put_int16(int v)
{
    str_reserve(&out, 2);
    store_be16(out.data + out.len, (uint16_t)v);
    out.len += 2;
}

void
wire_put_int32(int32_t v)
{
    str_reserve(&out, 4);
    store_be32(out.data + out.len, (uint32_t)v);
    out.len += 4;
}

void
wire_put_bytes(const void *p, size_t n)
{
    str_add_bytes(&out, p, n);
}

void
wire_put_string(const char *s)
{
    str_add_bytes(&out, s, strlen(s) + 1);
}

static inline void
patch_length(void)
{
    ASSERT(message_start != NO_MESSAGE);
    store_be32(out.data + message_start + 1, (uint32_t)(out.len - message_start - 1));
    message_start = NO_MESSAGE;
    if (UNLIKELY(wire_conn.broken))
        out.len = out_sent = 0; /* nobody reads it */
}

void
wire_end(void)
{
    patch_length();
    if (UNLIKELY(out.len >= FLUSH_BYTES))
        buffer_flush(true, -1);
}

void
buffer_end_quietly(void)
{
    patch_length();
    flush_before_wait = true;
}

StrBuf *
wire_out(void)
{
    return &out;
}

/* ---- receiving ----------------------------------------------------------------------------------- */

bool
buffer_has_input(void)
{
    return in_end > in_start;
}

const char *
buffer_input(void)
{
    return in + in_start;
}

size_t
buffer_input_bytes(void)
{
    return in_end - in_start;
}

void
buffer_consume(size_t n)
{
    in_start += n;
}

bool
wire_message_pending(void)
{
    return in_end > in_start;
}

/* Room for at least `want` bytes from in_start on, of which some are there; at least one more byte. */
static void
make_room(size_t want)
{
    if (in_start == in_end)
        in_start = in_end = 0;
    bool shrink = in_cap > IN_KEEP_BYTES && want <= IN_BYTES && in_end - in_start < IN_BYTES;
    if (!shrink && in_start + want <= in_cap && in_end < in_cap)
        return;
    if (in_start > 0) {
        memmove(in, in + in_start, in_end - in_start);
        in_end -= in_start;
        in_start = 0;
    }
    /* Grows by what has arrived, not by what a header promises. */
    size_t cap = IN_BYTES;
    size_t needed = MIN(want, MAX(in_end * 2, IN_BYTES));
    while (cap < needed)
        cap *= 2;
    if (cap == in_cap || (cap < in_cap && !shrink))
        return;
    char *p = realloc(in, cap + 1);
    if (p == NULL) {
        wire_conn.sync_lost = true;
        RAISE_ERR(SQLSTATE_OUT_OF_MEMORY, err_message("out of memory"),
                  err_detail("A message of %zu bytes could not be read.", want));
    }
    in = p;
    in_cap = cap;
}

static void
serve_interrupts_while_reading(void)
{
    if (wire_idle)
        CHECK_INTERRUPTS();
    else if (interrupts_pending & INTERRUPT_TERMINATE)
        CHECK_INTERRUPTS();
}

static void
auth_timed_out(void)
{
    /* A client that has not even named itself is dropped without a word, as PostgreSQL does. */
    wire_conn.auth_deadline_us = 0;
    if (wire_conn.starting)
        proc_exit(1);
    RAISE_FATAL(SQLSTATE_QUERY_CANCELED, "canceling authentication due to timeout");
}

static void
wait_to_read(int events)
{
    long timeout_ms = -1;
    if (flush_before_wait)
        buffer_flush(true, -1);
    serve_interrupts_while_reading();
    if (wire_conn.auth_deadline_us) {
        int64_t left = (int64_t)(wire_conn.auth_deadline_us - clock_monotonic_us());
        if (left <= 0)
            auth_timed_out();
        timeout_ms = (long)(left / 1000) + 1;
    } else if (wire_idle) {
        timeout_ms = wire_idle_timeout_ms;
    }
    int got = latch_wait(events | (proc_self ? WAIT_LATCH : 0), wire_conn.fd, timeout_ms, WAIT_EVENT_CLIENT_READ);
    if (got & WAIT_LATCH) {
        latch_reset(&proc_self->latch);
        serve_interrupts_while_reading();
    }
    if ((got & WAIT_TIMEOUT) && wire_idle && wire_idle_timeout_ms >= 0) {
        wire_idle_timeout_ms = -1;
        if (wire_idle_hook)
            wire_idle_hook();
    }
}

static ssize_t
receive_some(int *events)
{
    *events = WAIT_READABLE;
    if (wire_conn.ssl)
        return tls_read(in + in_end, in_cap - in_end, events);
    return recv(wire_conn.fd, in + in_end, in_cap - in_end, MSG_DONTWAIT);
}

bool
buffer_fill(size_t n)
{
    int events = WAIT_READABLE;
    bool wait_first = false;
    if (in_end - in_start >= n)
        return true;
    if (in_start == in_end && reads_until_retry > 0 && !wire_conn.ssl) {
        reads_until_retry--;
        wait_first = true;
    }
    for (;;) {
        if (wire_conn.broken || wire_conn.fd < 0 || wire_conn.end_of_input)
            return false;
        if (wait_first)
            wait_to_read(events);
        wait_first = false;
        make_room(n);
        ssize_t got = receive_some(&events);
        if (got > 0) {
            in_end += (size_t)got;
            if (in_end - in_start >= n)
                return true;
        } else if (got == 0) {
            wire_conn.end_of_input = true;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            if (in_start == in_end && reads_until_retry == 0)
                reads_until_retry = RETRY_RECV_EVERY;
            wait_first = true;
        } else if (errno != EINTR) {
            wire_conn.end_of_input = true;
            LOG("could not receive data from client: %m");
        }
    }
}

bool
wire_poll_message(long timeout_ms, uint32_t wait_event)
{
    int events;
    if (in_end > in_start || wire_conn.broken || wire_conn.fd < 0 || wire_conn.end_of_input)
        return true;
    make_room(1);
    ssize_t got = receive_some(&events);
    if (got > 0) {
        in_end += (size_t)got;
        return true;
    }
    if (got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) {
        if (got < 0)
            LOG("could not receive data from client: %m");
        wire_conn.end_of_input = true;
        return true;
    }
    if (timeout_ms == 0)
        return false;
    latch_wait(events | WAIT_LATCH | WAIT_TIMEOUT, wire_conn.fd, timeout_ms, wait_event);
    return false;
}

void
buffer_set_message(size_t header, size_t body)
{
    body_pos = in_start + header;
    body_end = body_pos + body;
    in_start = body_end;
}

/* ---- messages ------------------------------------------------------------------------------------ */

/* Largest body of a message of this type; 0: no such message in this state. */
static size_t
message_limit(int type)
{
    switch (type) {
    case 'd':
        return LARGE_MESSAGE_BYTES_MAX;
    case 'c': case 'f': case 'H': case 'S':
        return SMALL_MESSAGE_BYTES_MAX;
    case 'Q': case 'P': case 'B': case 'F':
        return copy_in ? 0 : LARGE_MESSAGE_BYTES_MAX;
    case 'C': case 'D': case 'E': case 'X':
        return copy_in ? 0 : SMALL_MESSAGE_BYTES_MAX;
    default:
        return 0;
    }
}

/* The rest of a message whose type is known: false if the connection is of no more use. */
static bool
read_body(size_t max_bytes)
{
    if (!buffer_fill(5)) {
        LOG("unexpected EOF within message length word");
        return false;
    }
    uint32_t len = load_be32(in + in_start + 1);
    if (len < 4 || len > max_bytes) {
        LOG("invalid message length");
        wire_conn.broken = true;
        return false;
    }
    if (!buffer_fill((size_t)len + 1)) {
        LOG("incomplete message from client");
        return false;
    }
    buffer_set_message(5, len - 4);
    return true;
}

bool
wire_sync_lost(void)
{
    return wire_conn.sync_lost;
}

int
wire_read_message(void)
{
    if (UNLIKELY(wire_conn.sync_lost))
        RAISE_FATAL(SQLSTATE_PROTOCOL_VIOLATION,
                    "terminating connection because protocol synchronization was lost");
    body_pos = body_end = in_start;
    if (!buffer_fill(1)) {
        body_pos = body_end = in_start;
        return 0;
    }
    int type = (unsigned char)in[in_start];
    size_t limit = message_limit(type);
    if (UNLIKELY(limit == 0)) {
        wire_conn.sync_lost = true;
        if (copy_in)
            RAISE(SQLSTATE_PROTOCOL_VIOLATION, "unexpected message type 0x%02X during COPY from stdin", type);
        RAISE_FATAL(SQLSTATE_PROTOCOL_VIOLATION, "invalid frontend message type %d", type);
    }
    if (UNLIKELY(!read_body(limit)))
        return 0;
    if (UNLIKELY(copy_in) && (type == 'c' || type == 'f'))
        copy_in = false;
    return type;
}

int
buffer_read_auth_message(size_t max_bytes)
{
    if (!buffer_fill(1))
        return 0;
    int type = (unsigned char)in[in_start];
    if (type != 'p')
        return type;
    return read_body(max_bytes) ? type : 0;
}

/* ---- parts of the current message ---------------------------------------------------------------- */

static NORETURN void
raise_insufficient(void)
{
    RAISE(SQLSTATE_PROTOCOL_VIOLATION, "insufficient data left in message");
}

size_t
wire_remaining(void)
{
    return body_end - body_pos;
}

int
wire_get_byte(void)
{
    if (UNLIKELY(body_pos >= body_end))
        RAISE(SQLSTATE_PROTOCOL_VIOLATION, "no data left in message");
    return (unsigned char)in[body_pos++];
}

int
wire_get_int16(void)
{
    if (UNLIKELY(body_end - body_pos < 2))
        raise_insufficient();
    int v = (int16_t)load_be16(in + body_pos);
    body_pos += 2;
    return v;
}

int32_t
wire_get_int32(void)
{
    if (UNLIKELY(body_end - body_pos < 4))
        raise_insufficient();
    int32_t v = (int32_t)load_be32(in + body_pos);
    body_pos += 4;
    return v;
}

const char *
wire_get_bytes(size_t n)
{
    if (UNLIKELY(n > body_end - body_pos))
        raise_insufficient();
    const char *p = in + body_pos;
    body_pos += n;
    return p;
}

static NORETURN void
raise_bad_utf8(const char *s, size_t left)
{
    char hex[64];
    int n = 0;
    size_t bytes = (unsigned char)*s >= 0xF8 ? 1 : MIN(left, (size_t)utf8_char_bytes((unsigned char)*s));
    for (size_t i = 0; i < bytes; i++)
        n += snprintf(hex + n, sizeof(hex) - (size_t)n, "%s0x%02x", i ? " " : "", (unsigned char)s[i]);
    RAISE(SQLSTATE_CHARACTER_NOT_IN_REPERTOIRE, "invalid byte sequence for encoding \"UTF8\": %s", hex);
}

const char *
wire_get_string(void)
{
    const char *s = in + body_pos;
    size_t left = body_end - body_pos;
    const char *zero = left ? memchr(s, 0, left) : NULL;
    if (UNLIKELY(zero == NULL))
        RAISE(SQLSTATE_PROTOCOL_VIOLATION, "invalid string in message");
    size_t len = (size_t)(zero - s);
    size_t valid = utf8_valid_prefix(s, len);
    if (UNLIKELY(valid < len))
        raise_bad_utf8(s + valid, len - valid);
    body_pos += len + 1;
    return s;
}

void
wire_get_end(void)
{
    if (UNLIKELY(body_pos != body_end))
        RAISE(SQLSTATE_PROTOCOL_VIOLATION, "invalid message format");
}
