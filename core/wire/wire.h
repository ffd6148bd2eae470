/*
 * Protocol 3: message framing over a socket (TLS optional), authentication, pg_hba.conf, result rows.
 *
 * Output is buffered (wire_flush sends); messages are built in place: begin, put, end. Input messages
 * are bounded: startup 10,000 bytes, others 1 GiB. Any violation is 08P01 and ends the session.
 */
#ifndef CORE_WIRE_WIRE_H
#define CORE_WIRE_WIRE_H

#include "core/sql/exec/exec.h"

typedef struct WireStartup {
    char *user, *database, *application; /* malloc'd */
    bool replication; bool ssl;
    bool replication_database;            /* replication=database: has a database; else database is "" */
    int noptions; char **names, **values; /* other settings of the startup packet, and -c of options= */
    uint32_t cancel_pid, cancel_key;      /* a cancel request */
    bool is_cancel;
} WireStartup;
void wire_settings_register(void); /* ssl*, password_encryption, authentication_timeout, krb..., tcp_keepalives_*, db_user_namespace ... */
extern int authentication_timeout; /* seconds; kept by wire_read_startup and wire_authenticate themselves */
/* Takes over a connected socket (blocking semantics through latch_wait; interrupts are served). */
void wire_init(int fd);
/* Reads the startup packet, answering SSLRequest, GSSENCRequest; minor protocol negotiation. FATAL on bad input. */
void wire_read_startup(WireStartup *out);
/* Authenticates by pg_hba.conf; FATAL 28000/28P01 with PostgreSQL's messages. Needs the catalogs (pg_authid). */
void wire_authenticate(const WireStartup *s);
bool wire_load_hba(bool reload);   /* parses hba and ident files; false: errors were logged, old kept */
/* TLS context from the ssl settings; in the postmaster at start (FATAL on error) and at reload (false:
 * errors were logged, old kept). wire_load_hba calls it. */
bool wire_load_tls(bool reload);
const char *wire_tls_version(void); const char *wire_tls_cipher(void); int wire_tls_bits(void); /* NULL, 0: no TLS */
void wire_close(void);
bool wire_connected(void);   /* as far as is known: no system call */
bool wire_sync_lost(void);   /* the next read ends the session: a message could not be read whole, or came out of turn */
bool wire_client_gone(void); /* looks: the client has closed its side (client_connection_check_interval) */
extern char wire_remote_host[64]; extern int wire_remote_port; /* "[local]" for Unix sockets */

/* input: type of the next message (0 at EOF); body readable until the next call. */
/* Waits; serves interrupts only while wire_idle (a terminate always). After CopyInResponse was sent, until
 * CopyDone, CopyFail or an error: any other message than d c f H S raises 08P01 and the next read ends the
 * session (protocol synchronization was lost). */
int wire_read_message(void);
extern bool wire_idle;             /* set by the session while between statements */
/* Idle for this long (-1: never) the hook is called, once: what was put off until there is time. */
extern long wire_idle_timeout_ms; extern void (*wire_idle_hook)(void);
int wire_get_byte(void); int wire_get_int16(void); int32_t wire_get_int32(void);
const char *wire_get_bytes(size_t n); const char *wire_get_string(void); /* verified UTF-8; 08P01 insufficient data */
size_t wire_remaining(void); void wire_get_end(void); /* raises 08P01 if bytes are left */
/* True: a message has begun to come, or the client is gone: wire_read_message will say. False: the latch was set or
 * the time is over; the caller looks at interrupts. */
bool wire_poll_message(long timeout_ms, uint32_t wait_event);
bool wire_message_pending(void);   /* bytes already buffered: pipelining */

/* output */
void wire_begin(char type); void wire_put_byte(int v); void wire_put_int16(int v); void wire_put_int32(int32_t v);
void wire_put_bytes(const void *p, size_t n); void wire_put_string(const char *s); void wire_end(void);
void wire_flush(void); bool wire_flush_if_writable(void);
bool wire_flush_within(long ms); /* -1: however long it takes; false: the client does not read, or is gone */
/* The output buffer of the current message as a StrBuf: TypeOps.out/send append to it directly. */
StrBuf *wire_out(void);

void wire_send_error(const ErrReport *r, const char *statement); /* ErrorResponse or NoticeResponse */
void wire_send_ready(char status); void wire_send_row_description(const RowDesc *d, const int16_t *formats, int nformats);
void wire_send_command_complete(const char *tag); void wire_send_parameter_status(const char *name, const char *value);
void wire_send_backend_key(uint32_t pid, uint32_t key);
/* DataRow messages of a batch; formats per column (0 text, 1 binary). Compiled once per portal. */
typedef struct RowSender RowSender;
RowSender *row_sender_new(Arena *a, const RowDesc *d, const int16_t *formats, int nformats);
void row_sender_send(RowSender *s, const Batch *b);

/* passwords (also for CREATE ROLE): SCRAM-SHA-256$iterations:salt$stored:server and md5... */
char *password_encrypt(Arena *a, const char *user, const char *password, const char *method);
int password_kind(const char *stored); /* 0 plain, 1 md5, 2 scram */

#endif
