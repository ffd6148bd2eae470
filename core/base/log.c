/*
 * The server log. An entry is built in one buffer and leaves by one write(2), so that the lines of
 * different processes never mix; a line inside a message is indented by a tab, as PostgreSQL does,
 * so that tools can join it to its entry. Nothing here raises or allocates from an arena: it must
 * work when memory is short. Long text is cut only when malloc fails.
 */
#include "core/base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "core/base/settings.h"

LogIdentity log_identity;
char *log_line_prefix;
char *log_timezone;
int log_error_verbosity = 1;
int log_min_messages = LEVEL_WARNING;
int client_min_messages = LEVEL_NOTICE;
int log_min_error_statement = LEVEL_ERROR;

static unsigned long line_number; /* %l */
static pid_t line_number_pid;

typedef struct Line {
    char *data;
    size_t len, cap;
    char fixed[2048];
} Line;

static bool
line_room(Line *l, size_t more)
{
    if (l->len + more < l->cap)
        return true;
    size_t cap = l->cap * 2;
    while (cap <= l->len + more)
        cap *= 2;
    char *p = malloc(cap);
    if (p == NULL)
        return false;
    memcpy(p, l->data, l->len);
    if (l->data != l->fixed)
        free(l->data);
    l->data = p;
    l->cap = cap;
    return true;
}

static void
line_bytes(Line *l, const char *p, size_t n)
{
    if (!line_room(l, n)) {
        if (l->cap - l->len < 2)
            return;
        n = l->cap - l->len - 1;
    }
    memcpy(l->data + l->len, p, n);
    l->len += n;
}

static void
line_add(Line *l, const char *s)
{
    line_bytes(l, s, strlen(s));
}

/* Text with its inner line ends marked by a tab. */
static void
line_add_tabbed(Line *l, const char *s)
{
    for (;;) {
        const char *nl = strchr(s, '\n');
        if (nl == NULL) {
            line_add(l, s);
            return;
        }
        line_bytes(l, s, (size_t)(nl - s) + 1);
        line_bytes(l, "\t", 1);
        s = nl + 1;
    }
}

/* `width` of %-10u and the like: negative pads on the right. */
static void
line_padded(Line *l, const char *s, int width)
{
    size_t n = strlen(s), w = (size_t)(width < 0 ? -width : width);
    for (size_t i = n; width > 0 && i < w; i++)
        line_bytes(l, " ", 1);
    line_bytes(l, s, n);
    for (size_t i = n; width < 0 && i < w; i++)
        line_bytes(l, " ", 1);
}

static size_t
format_time(char *out, size_t out_bytes, const struct timespec *ts, bool with_ms)
{
    struct tm tm;
    char zone[32], ms[8] = "";
    time_t t = ts->tv_sec;
    localtime_r(&t, &tm); /* TZ follows log_timezone; nothing else in the server uses it */
    strftime(zone, sizeof(zone), "%Z", &tm);
    if (with_ms)
        snprintf(ms, sizeof(ms), ".%03d", (int)(ts->tv_nsec / 1000000));
    size_t n = strftime(out, out_bytes, "%Y-%m-%d %H:%M:%S", &tm);
    return n + (size_t)snprintf(out + n, out_bytes - n, "%s %s", ms, zone);
}

size_t
log_format_time(char *out, size_t out_bytes, bool with_ms)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return format_time(out, out_bytes, &ts, with_ms);
}

static const char *
or_unknown(const char *s)
{
    return s && s[0] ? s : "[unknown]";
}

/* The value of one escape in `tmp` or elsewhere; NULL when the letter is not one. */
static const char *
escape_text(char letter, const ErrReport *r, char *tmp, size_t tmp_bytes)
{
    const LogIdentity *id = &log_identity;
    struct timespec ts;
    tmp[0] = '\0';
    switch (letter) {
    case 'a':
        return id->is_session ? or_unknown(id->application) : "";
    case 'u':
        return id->is_session ? or_unknown(id->user) : "";
    case 'd':
        return id->is_session ? or_unknown(id->database) : "";
    case 'b':
        return id->backend_type ? id->backend_type : "postmaster";
    case 'h':
        return id->remote_host ? id->remote_host : "";
    case 'r':
        if (id->remote_host && id->remote_port)
            snprintf(tmp, tmp_bytes, "%s(%d)", id->remote_host, id->remote_port);
        else if (id->remote_host)
            return id->remote_host;
        return tmp;
    case 'p':
        snprintf(tmp, tmp_bytes, "%d", (int)getpid());
        return tmp;
    case 'P':
        if (id->leader_pid)
            snprintf(tmp, tmp_bytes, "%d", id->leader_pid);
        return tmp;
    case 't':
    case 'm':
        log_format_time(tmp, tmp_bytes, letter == 'm');
        return tmp;
    case 'n':
        clock_gettime(CLOCK_REALTIME, &ts);
        snprintf(tmp, tmp_bytes, "%ld.%03d", (long)ts.tv_sec, (int)(ts.tv_nsec / 1000000));
        return tmp;
    case 's':
        ts.tv_sec = (time_t)(id->session_start_us / 1000000);
        ts.tv_nsec = 0;
        format_time(tmp, tmp_bytes, &ts, false);
        return tmp;
    case 'c':
        snprintf(tmp, tmp_bytes, "%llx.%x", (unsigned long long)(id->session_start_us / 1000000),
                 (unsigned)getpid());
        return tmp;
    case 'l':
        snprintf(tmp, tmp_bytes, "%lu", line_number);
        return tmp;
    case 'i':
        return id->is_session && id->command_tag ? id->command_tag : "";
    case 'e':
        return sqlstate_text(r->sqlstate);
    case 'v':
        if (id->virtual_xid)
            id->virtual_xid(tmp, tmp_bytes);
        return tmp;
    case 'x':
        snprintf(tmp, tmp_bytes, "%llu", id->xid ? (unsigned long long)id->xid() : 0ULL);
        return tmp;
    case 'Q':
        snprintf(tmp, tmp_bytes, "%lld", (long long)id->query_id);
        return tmp;
    default:
        return NULL;
    }
}

static void
line_prefix(Line *l, const ErrReport *r)
{
    char tmp[160];
    if (log_line_prefix == NULL)
        return;
    for (const char *p = log_line_prefix; *p; p++) {
        if (*p != '%') {
            line_bytes(l, p, 1);
            continue;
        }
        p++;
        int width = 0, sign = 1;
        if (*p == '-') {
            sign = -1;
            p++;
        }
        while (*p >= '0' && *p <= '9' && width < 1000)
            width = width * 10 + (*p++ - '0');
        if (*p == '\0')
            return;
        if (*p == '%') {
            line_bytes(l, "%", 1);
        } else if (*p == 'q') {
            if (!log_identity.is_session)
                return;
        } else {
            const char *text = escape_text(*p, r, tmp, sizeof(tmp));
            if (text)
                line_padded(l, text, sign * width);
        }
    }
}

static const char *
level_name(ErrLevel level)
{
    switch (level) {
    case LEVEL_DEBUG5:
        return "DEBUG5";
    case LEVEL_DEBUG4:
        return "DEBUG4";
    case LEVEL_DEBUG3:
        return "DEBUG3";
    case LEVEL_DEBUG2:
        return "DEBUG2";
    case LEVEL_DEBUG1:
        return "DEBUG1";
    case LEVEL_LOG:
        return "LOG";
    case LEVEL_INFO:
        return "INFO";
    case LEVEL_NOTICE:
        return "NOTICE";
    case LEVEL_WARNING:
        return "WARNING";
    case LEVEL_ERROR:
        return "ERROR";
    case LEVEL_FATAL:
        return "FATAL";
    case LEVEL_PANIC:
        return "PANIC";
    }
    return "LOG";
}

static void
add_part(Line *l, const ErrReport *r, const char *label, const char *text)
{
    if (text == NULL || text[0] == '\0')
        return;
    line_prefix(l, r);
    line_add(l, label);
    line_add(l, ":  ");
    line_add_tabbed(l, text);
    line_bytes(l, "\n", 1);
}

static void
write_all(const char *p, size_t n)
{
    while (n > 0) {
        ssize_t done = write(STDERR_FILENO, p, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return; /* nowhere left to say so */
        p += done;
        n -= (size_t)done;
    }
}

void
log_write_report(const ErrReport *r, const char *statement)
{
    int saved_errno = errno;
    char tmp[64];
    Line l;
    l.data = l.fixed;
    l.len = 0;
    l.cap = sizeof(l.fixed);
    if (line_number_pid != getpid()) { /* a child counts its own lines */
        line_number_pid = getpid();
        line_number = 0;
    }
    line_number++;

    line_prefix(&l, r);
    line_add(&l, level_name(r->level));
    line_add(&l, ":  ");
    if (log_error_verbosity >= 2) {
        line_add(&l, sqlstate_text(r->sqlstate));
        line_add(&l, ": ");
    }
    line_add_tabbed(&l, r->message ? r->message : "missing error text");
    int position = r->position >= 0 ? r->position : r->internal_position;
    if (position >= 0) {
        snprintf(tmp, sizeof(tmp), " at character %d", position + 1);
        line_add(&l, tmp);
    }
    line_bytes(&l, "\n", 1);
    if (log_error_verbosity >= 1) {
        add_part(&l, r, "DETAIL", r->detail);
        add_part(&l, r, "HINT", r->hint);
        add_part(&l, r, "QUERY", r->internal_query);
        add_part(&l, r, "CONTEXT", r->context);
        if (log_error_verbosity >= 2 && r->file) {
            char where[256];
            snprintf(where, sizeof(where), "%s, %s:%d", r->func ? r->func : "?", r->file, r->line);
            add_part(&l, r, "LOCATION", where);
        }
    }
    add_part(&l, r, "STATEMENT", statement);
    write_all(l.data, l.len);
    if (l.data != l.fixed)
        free(l.data);
    errno = saved_errno;
}
