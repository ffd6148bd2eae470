/*
 * START_REPLICATION: the bytes of the log as they become durable, to pg_receivewal and the like.
 *
 * The log is a stream without pages, and clients cut it into files by its positions alone, so what they
 * write is byte for byte what lies in pg_wal. Only what is flushed is sent. The process sleeps on its latch,
 * which flushers set, and on the socket, where the client's reports come from.
 *
 *   'w' start, end of log, time, bytes;  'k' end of log, time, reply wanted;  from the client 'r' and 'h'
 */
#include "core/session/replication.h"

#include <errno.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/file/io.h"

#define SEND_BYTES (32u * 1024) /* less than what wire sends by itself: so the time limit is ours */

int wal_sender_timeout_ms = 60000;

typedef struct Stream {
    uint32_t timeline;
    Lsn sent, limit;        /* limit: where the timeline was left; UINT64_MAX: it goes on */
    uint32_t next_timeline;
    int fd;
    uint64_t fd_segment;
    uint64_t heard_us;      /* last message of the client */
    bool asked;             /* a reply was asked for since */
    bool client_done, server_done; /* CopyDone has come, has gone */
} Stream;

static void
put_int64(uint64_t v)
{
    wire_put_int32((int32_t)(v >> 32));
    wire_put_int32((int32_t)v);
}

static void
flush_or_time_out(void)
{
    if (!wire_flush_within(wal_sender_timeout_ms > 0 ? wal_sender_timeout_ms : -1) && wire_connected())
        RAISE_FATAL(SQLSTATE_CONNECTION_FAILURE, "terminating walsender process due to replication timeout");
}

static void
send_keepalive(Stream *s, bool reply)
{
    wire_begin('d');
    wire_put_byte('k');
    put_int64(s->sent);
    put_int64((uint64_t)clock_now());
    wire_put_byte(reply);
    wire_end();
    flush_or_time_out();
    if (reply)
        s->asked = true;
}

/* ---- the client's messages ---- */

static uint64_t
get_int64(void)
{
    uint64_t hi = (uint32_t)wire_get_int32();
    return hi << 32 | (uint32_t)wire_get_int32();
}

static void
client_message(Stream *s)
{
    int kind = wire_get_byte();
    if (kind == 'h')
        return; /* a hot standby's oldest snapshot: nobody's reads here are held back by vacuum */
    if (kind != 'r')
        RAISE_FATAL(SQLSTATE_PROTOCOL_VIOLATION, "unexpected message type \"%c\"", kind);
    Lsn written = get_int64(), flushed = get_int64(), applied = get_int64();
    get_int64(); /* the client's clock */
    bool reply = wire_get_byte();
    wal_sender_set_reply(written, flushed, applied);
    wal_slot_advance(flushed);
    if (reply)
        send_keepalive(s, false);
}

static void
end_copy(Stream *s)
{
    if (s->server_done)
        return;
    wire_begin('c');
    wire_end();
    wire_flush();
    s->server_done = true;
}

/* Takes what has come; false: the client has gone. */
static bool
read_messages(Stream *s, long wait_ms)
{
    while (wire_poll_message(wait_ms, s->sent >= wal_flushed() ? WAIT_EVENT_WALSENDER_WAIT_WAL : WAIT_EVENT_WALSENDER_WRITE)) {
        int type = wire_read_message();
        wait_ms = 0;
        s->heard_us = clock_monotonic_us();
        s->asked = false;
        switch (type) {
        case 'd': client_message(s); break;
        case 'c':
            end_copy(s);
            s->client_done = true;
            return true;
        case 'H': case 'S': break;
        case 0: case 'X': return false;
        default: RAISE_FATAL(SQLSTATE_PROTOCOL_VIOLATION, "invalid standby message type \"%c\"", type);
        }
    }
    return true;
}

/* ---- sending ---- */

static void
open_segment(Stream *s)
{
    char path[MAX_PATH_BYTES];
    if (s->fd >= 0 && s->fd_segment == s->sent / WAL_SEGMENT_BYTES)
        return;
    if (s->fd >= 0)
        io_close(s->fd);
    s->fd = wal_segment_open_for_sending(s->sent, s->timeline, path, sizeof(path));
    s->fd_segment = s->sent / WAL_SEGMENT_BYTES;
    if (s->fd >= 0)
        return;
    const char *slash = strrchr(path, '/');
    if (errno == ENOENT)
        RAISE(SQLSTATE_UNDEFINED_FILE, "requested WAL segment %s has already been removed", slash ? slash + 1 : path);
    RAISE(err_sqlstate_of_errno(errno), "could not open file \"%s\": %m", path);
}

/* True: there is more to send at once. */
static bool
send_some(Stream *s)
{
    static char bytes[SEND_BYTES];
    Lsn end = MIN(wal_flushed(), s->limit);
    if (s->sent >= end)
        return false;
    open_segment(s);
    uint32_t offset = (uint32_t)(s->sent % WAL_SEGMENT_BYTES);
    size_t n = (size_t)MIN(MIN(end - s->sent, (Lsn)SEND_BYTES), (Lsn)(WAL_SEGMENT_BYTES - offset));
    ssize_t got;
    do
        got = io_pread(s->fd, bytes, n, offset);
    while (got < 0 && errno == EINTR);
    if (got <= 0)
        RAISE(SQLSTATE_DATA_CORRUPTED, "could not read from log segment at %s, length %zu: %s", lsn_text(s->sent), n,
              got < 0 ? strerror(errno) : "end of file");
    wire_begin('d');
    wire_put_byte('w');
    put_int64(s->sent);
    put_int64(end);
    put_int64((uint64_t)clock_now());
    wire_put_bytes(bytes, (size_t)got);
    wire_end();
    flush_or_time_out();
    s->sent += (uint64_t)got;
    wal_sender_set_sent(s->sent);
    return s->sent < end;
}

/* How long to sleep until the client must be asked, or given up. */
static long
keep_alive(Stream *s)
{
    if (wal_sender_timeout_ms <= 0)
        return 10000;
    long silent_ms = (long)((clock_monotonic_us() - s->heard_us) / 1000);
    if (silent_ms >= wal_sender_timeout_ms)
        RAISE_FATAL(SQLSTATE_CONNECTION_FAILURE, "terminating walsender process due to replication timeout");
    if (silent_ms >= wal_sender_timeout_ms / 2 && !s->asked)
        send_keepalive(s, true);
    long next = silent_ms < wal_sender_timeout_ms / 2 ? wal_sender_timeout_ms / 2 - silent_ms : wal_sender_timeout_ms - silent_ms;
    return MAX(next, 1);
}

static void
stream(Stream *s)
{
    bool caught_up = false, alive = true;
    wal_sender_set_state(WAL_SENDER_CATCHUP);
    while (alive && !s->client_done) {
        latch_reset(&proc_self->latch);
        CHECK_INTERRUPTS();
        bool more = !s->server_done && send_some(s);
        if (!more && !s->server_done && s->sent >= s->limit)
            end_copy(s); /* the timeline ends here */
        if (!more && !caught_up) {
            caught_up = true;
            wal_sender_set_state(WAL_SENDER_STREAMING);
            send_keepalive(s, false);
        }
        alive = read_messages(s, more ? 0 : keep_alive(s));
    }
    if (!alive)
        proc_exit(0);
}

/* ---- the command ---- */

static void
check_start(Stream *s, bool timeline_given)
{
    if (timeline_given && s->timeline != wal_timeline()) {
        if (!wal_timeline_left_at(s->timeline, &s->limit, &s->next_timeline))
            RAISE(SQLSTATE_INTERNAL_ERROR, "requested timeline %u is not in this server's history", s->timeline);
        if (s->sent > s->limit)
            RAISE_ERR(SQLSTATE_INTERNAL_ERROR,
                      err_message("requested starting point %s on timeline %u is not in this server's history", lsn_text(s->sent),
                                  s->timeline),
                      err_detail("This server's history forked from timeline %u at %s.", s->timeline, lsn_text(s->limit)));
    } else {
        s->timeline = wal_timeline();
        s->limit = UINT64_MAX;
    }
    if (wal_flushed() < s->sent)
        RAISE(SQLSTATE_INTERNAL_ERROR, "requested starting point %s is ahead of the WAL flush position of this server %s",
              lsn_text(s->sent), lsn_text(wal_flushed()));
}

static void
send_next_timeline(const Stream *s)
{
    static const ReplColumn columns[] = {{"next_tli", INT8_OID, 8}, {"next_tli_startpos", TEXT_OID, -1}};
    const char *row[] = {arena_printf(message_arena, "%u", s->next_timeline), lsn_text(s->limit)};
    repl_send_columns(columns, 2);
    repl_send_row(row, 2);
}

void
walsender_start(Words *w)
{
    Stream s = {.fd = -1, .heard_us = clock_monotonic_us()};
    char *slot = words_accept(w, "slot") ? words_name(w) : NULL;
    if (words_accept(w, "logical"))
        RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "logical replication is not supported yet");
    words_accept(w, "physical");
    if (w->now.kind != TOKEN_LSN)
        words_error(w);
    s.sent = w->now.lsn;
    words_next(w);
    bool timeline_given = words_accept(w, "timeline");
    if (timeline_given)
        s.timeline = words_number(w);
    words_done(w);
    if (slot)
        wal_slot_acquire(slot);
    ERR_TRY {
        check_start(&s, timeline_given);
        if (s.sent < s.limit) {
            wire_begin('W');
            wire_put_byte(0);
            wire_put_int16(0);
            wire_end();
            wire_flush();
            stream(&s);
        }
        if (s.next_timeline)
            send_next_timeline(&s);
    } ERR_CATCH {
        if (s.fd >= 0)
            io_close(s.fd);
        wal_slot_release();
        wal_sender_set_state(WAL_SENDER_STARTUP);
        err_rethrow();
    } ERR_END;
    if (s.fd >= 0)
        io_close(s.fd);
    wal_slot_release();
    wal_sender_set_state(WAL_SENDER_STARTUP);
    wire_send_command_complete("START_STREAMING");
}
