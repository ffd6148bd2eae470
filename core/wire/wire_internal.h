/*
 * core/wire, shared by the files of this folder only.
 */
#ifndef CORE_WIRE_WIRE_INTERNAL_H
#define CORE_WIRE_WIRE_INTERNAL_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "core/wire/wire.h"

#define STARTUP_BYTES_MAX 10000
#define SMALL_MESSAGE_BYTES_MAX 10000        /* messages that never carry data */
#define LARGE_MESSAGE_BYTES_MAX 0x3ffffffe
#define AUTH_TOKEN_BYTES_MAX 65535

/* The one connection of this process. */
typedef struct WireConn {
    int fd;               /* -1: none */
    bool broken;          /* nothing more can be sent to or read from the client */
    bool end_of_input;    /* the client has shut its side down */
    bool sync_lost;       /* a message was left half read: the session cannot go on */
    bool old_protocol;    /* before 3.0: errors are plain text */
    bool local;           /* Unix socket */
    bool starting;        /* the startup packet has not been read yet */
    uint64_t auth_deadline_us; /* monotonic; 0: authentication is over */
    struct sockaddr_storage addr, local_addr;
    void *ssl;            /* SSL *, NULL: plain */
    char *peer_cn, *peer_dn; /* of the client's certificate, malloc'd; NULL: none */
} WireConn;
extern WireConn wire_conn;

/* buffer.c */
bool buffer_has_input(void);
/* Makes `n` bytes readable from the start of unread input, without consuming; false at EOF. */
bool buffer_fill(size_t n);
const char *buffer_input(void);
size_t buffer_input_bytes(void);
void buffer_consume(size_t n);          /* skips bytes that were filled */
void buffer_set_message(size_t header, size_t body); /* the next bytes become the current message */
int buffer_read_auth_message(size_t max_bytes); /* type; 0 at EOF */
bool buffer_flush(bool may_raise, long patience_ms); /* false: not all could be sent */
void buffer_send_raw(const void *p, size_t n);       /* unframed bytes, sent at once */
void buffer_end_quietly(void);          /* for wire_send_error: never raises */

/* tls.c: as recv and send on a non-blocking socket. *events: what to wait for after EAGAIN. */
ssize_t tls_read(void *p, size_t n, int *events);
ssize_t tls_write(const void *p, size_t n, int *events);
bool tls_enabled(void);                 /* ssl = on and a context exists */
void tls_accept(void);                  /* the handshake; FATAL or process exit on failure */
void tls_close(void);
size_t tls_server_end_point(unsigned char out[64]); /* channel binding data, 0: none */
bool tls_has_ca(void);

/* auth.c */
typedef struct AuthRole { Oid oid; char *password; bool can_login, expired; } AuthRole;
/* Replaceable by tests, which have no catalogs. */
typedef struct AuthLookups {
    bool (*role)(Arena *a, const char *name, AuthRole *out);
    bool (*member)(const char *user, const char *role); /* without superusers' privilege */
    const uint8_t *(*nonce)(void);                      /* 32 secret bytes of the instance */
} AuthLookups;
extern AuthLookups auth_lookups;
extern int password_encryption; /* 1 md5, 2 scram-sha-256 */
void auth_send_request(int32_t code, const void *extra, size_t n);
/* The body of the next 'p' message; NULL at EOF. */
const char *auth_read_token(Arena *a, const char *expected, size_t *len);

/* scram.c: true if the client proved the password. stored NULL or not SCRAM: a mock exchange that fails. */
bool scram_authenticate(Arena *a, const char *user, const char *stored, const char **log_detail);
char *scram_secret(Arena *a, const char *password, const unsigned char *salt, int salt_bytes, int iterations);
bool scram_parse(const char *stored, int *iterations, unsigned char *salt, int *salt_bytes,
                 unsigned char stored_key[32], unsigned char server_key[32]);
bool scram_verify_plain(Arena *a, const char *stored, const char *password);
char *scram_prepare_password(Arena *a, const char *password);
int base64_encode(const void *p, int n, char *out);   /* zero-terminated; returns the length */
int base64_decode(const char *p, int n, unsigned char *out); /* -1: malformed */
void secure_random(void *p, size_t n);

/* md5.c */
void md5_hex(const void *a, size_t an, const void *b, size_t bn, char out[33]);
char *md5_secret(Arena *a, const char *user, const char *password); /* md5 + 32 hex digits */
bool md5_verify_response(const char *stored, const unsigned char salt[4], const char *response);

/* hba_tokens.c, hba.c, hba_address.c, ident.c */
typedef enum HbaType { HBA_LOCAL, HBA_HOST, HBA_HOSTSSL, HBA_HOSTNOSSL, HBA_HOSTGSSENC, HBA_HOSTNOGSSENC } HbaType;
typedef enum HbaMethod {
    AUTH_REJECT, AUTH_IMPLICIT_REJECT, AUTH_TRUST, AUTH_IDENT, AUTH_PASSWORD, AUTH_MD5, AUTH_SCRAM, AUTH_CERT, AUTH_PEER
} HbaMethod;
typedef enum HbaAddr { ADDR_ALL, ADDR_SAMEHOST, ADDR_SAMENET, ADDR_IP, ADDR_HOSTNAME } HbaAddr;
typedef enum ClientCert { CERT_OFF, CERT_CA, CERT_FULL } ClientCert;
typedef struct HbaToken { char *text; bool quoted; } HbaToken;
typedef struct HbaLine {
    int number;
    char *text;
    HbaType type;
    List *databases, *users; /* of HbaToken */
    HbaAddr addr_kind;
    char *hostname;
    int family;
    unsigned char addr[16], mask[16];
    HbaMethod method;
    char *map;
    ClientCert clientcert;
    bool cert_dn;            /* clientname=DN */
} HbaLine;
typedef struct TokenLine { int number; char *text; List *fields; /* of List of HbaToken */ char *error; } TokenLine;
/* Splits a file in the syntax of pg_hba.conf into lines of fields. false: it could not be opened (logged). */
bool hba_tokenize(const char *path, Arena *a, List *lines);
bool hba_parse_line(Arena *a, const TokenLine *t, const char *path, HbaLine *out); /* false: logged */
const HbaLine *hba_match(const char *user, const char *database, bool replication); /* never NULL */
List *hba_parse(const char *path, Arena *a);    /* NULL: logged */
bool hba_match_address(const HbaLine *h);
void hba_set_lines(List *lines, Arena *a);
bool ident_load(const char *path);
/* May the system user `system` connect as `user`? Without a map: only under the same name. */
bool ident_check(const char *map, const char *user, const char *system);
void hba_reload_if_stale(void);

const char *hba_method_name(HbaMethod m);

#endif
