/*
 * A server side in a forked child over a socketpair, and a client's hands: bytes out, messages in.
 */
#ifndef TESTS_WIRE_UTIL_H
#define TESTS_WIRE_UTIL_H

#include <CUnit/Basic.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/settings.h"
#include "core/wire/wire_internal.h"

typedef struct Client {
    int fd;
    pid_t server;
} Client;

static inline void
report_to_client(const ErrReport *r)
{
    wire_send_error(r, NULL);
}

/* serve() runs in the child with the connection taken over; what it raises goes to the client. */
static inline Client
client_start(void (*serve)(void *), void *arg)
{
    int fds[2];
    fflush(NULL);
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0)
        abort();
    Client c = {.fd = fds[0], .server = fork()};
    if (c.server == 0) {
        int null = open("/dev/null", O_WRONLY);
        dup2(null, 2); /* the log */
        close(fds[0]);
        wire_init(fds[1]);
        err_client_hook = report_to_client;
        ERR_TRY {
            serve(arg);
            wire_flush();
        } ERR_CATCH {
            err_emit(err_current());
            wire_flush();
        } ERR_END;
        _exit(0);
    }
    close(fds[1]);
    return c;
}

static inline void
client_send(Client *c, const void *p, size_t n)
{
    while (n > 0) {
        ssize_t got = send(c->fd, p, n, MSG_NOSIGNAL);
        if (got <= 0)
            return;
        p = (const char *)p + got;
        n -= (size_t)got;
    }
}

static inline bool
client_receive(Client *c, void *p, size_t n)
{
    while (n > 0) {
        struct pollfd w = {.fd = c->fd, .events = POLLIN};
        if (poll(&w, 1, 10000) <= 0)
            return false;
        ssize_t got = recv(c->fd, p, n, 0);
        if (got <= 0)
            return false;
        p = (char *)p + got;
        n -= (size_t)got;
    }
    return true;
}

/* The next message's type, 0 at EOF; its body, zero-terminated, in a static buffer. */
static char client_body[1 << 20];
static size_t client_body_bytes;
static inline int
client_message(Client *c)
{
    char head[5];
    if (!client_receive(c, head, 5))
        return 0;
    uint32_t n = load_be32(head + 1) - 4;
    if (n >= sizeof(client_body) || !client_receive(c, client_body, n))
        return 0;
    client_body[n] = '\0';
    client_body_bytes = n;
    return head[0];
}

/* A field of the ErrorResponse received last. */
static inline const char *
client_error_field(char code)
{
    const char *p = client_body;
    while (*p) {
        if (*p == code)
            return p + 1;
        p += strlen(p) + 1;
    }
    return "";
}

static inline int
client_end(Client *c)
{
    int status = 0;
    close(c->fd);
    waitpid(c->server, &status, 0);
    return status;
}

/* Builds "type, length, body". */
static inline size_t
put_message(char *out, char type, const void *body, size_t n)
{
    out[0] = type;
    store_be32(out + 1, (uint32_t)n + 4);
    memcpy(out + 5, body, n);
    return n + 5;
}

/* A startup packet of protocol `version` with these bytes as parameters. */
static inline size_t
put_startup(char *out, uint32_t version, const void *parameters, size_t n)
{
    store_be32(out, (uint32_t)n + 8);
    store_be32(out + 4, version);
    memcpy(out + 8, parameters, n);
    return n + 8;
}

static inline void
test_boot(void)
{
    static bool done;
    if (done)
        return;
    done = true;
    wire_settings_register();
    settings_boot();
}

#endif
