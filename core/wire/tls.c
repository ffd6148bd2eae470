/*
 * TLS by OpenSSL, server side. The context (certificate, key, authorities) is made in the postmaster,
 * at start and on reload, and inherited by fork, so that a session needs neither the files nor the
 * passphrase. The socket is non-blocking: OpenSSL tells what to wait for and buffer.c waits.
 */
#include "core/wire/wire_internal.h"

#include <errno.h>
#include <openssl/dh.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/interrupt.h"
#include "core/shm/proc.h"
#include "core/wire/tls_internal.h"

bool ssl_on, ssl_prefer_server_ciphers = true, ssl_passphrase_command_supports_reload;
char *ssl_library, *ssl_cert_file, *ssl_key_file, *ssl_ca_file, *ssl_crl_file, *ssl_crl_dir, *ssl_ciphers,
    *ssl_ecdh_curve, *ssl_dh_params_file, *ssl_passphrase_command;
int ssl_min_protocol_version = TLS1_2_VERSION, ssl_max_protocol_version;

static SSL_CTX *context;
static bool context_has_ca;
static ErrLevel load_level; /* of the reports of a load: FATAL at start, LOG on reload */

/* ---- the context ---- */

static const char *
ssl_error_text(void)
{
    static char text[256];
    unsigned long e = ERR_get_error();
    if (e == 0)
        return "no SSL error reported";
    ERR_error_string_n(e, text, sizeof(text));
    const char *reason = ERR_reason_error_string(e);
    return reason ? reason : text;
}

static bool
is_set(const char *s)
{
    return s && *s;
}

static bool PRINTF_LIKE(2, 3)
complain(uint32_t state, const char *fmt, ...)
{
    char text[600];
    va_list ap;
    int saved = errno;
    va_start(ap, fmt);
    errno = saved;
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (load_level >= LEVEL_ERROR)
        RAISE_FATAL(state, "%s", text);
    REPORT(LEVEL_LOG, state, err_message("%s", text));
    return false;
}

static int
passphrase(char *buf, int size, int rwflag, void *userdata)
{
    char command[1024];
    size_t n = 0;
    const char *p = ssl_passphrase_command;
    buf[0] = '\0';
    if (!is_set(p))
        return 0; /* a server has no terminal to ask at */
    for (; *p && n + 64 < sizeof(command); p++) {
        if (p[0] == '%' && p[1] == 'p') {
            n += (size_t)snprintf(command + n, sizeof(command) - n, "Enter PEM pass phrase:");
            p++;
        } else {
            command[n++] = *p;
            if (p[0] == '%' && p[1] == '%')
                p++;
        }
    }
    command[n] = '\0';
    fflush(NULL);
    FILE *f = popen(command, "r");
    if (f == NULL) {
        LOG("could not execute command \"%s\": %m", command);
        return 0;
    }
    char *got = fgets(buf, size, f);
    if (pclose(f) != 0 || got == NULL) {
        LOG("command \"%s\" failed", command);
        buf[0] = '\0';
        return 0;
    }
    buf[strcspn(buf, "\r\n")] = '\0';
    return (int)strlen(buf);
}

/* A key that others can read is no secret: refused, as PostgreSQL does. */
static bool
check_key_file(void)
{
    struct stat st;
    if (stat(ssl_key_file, &st) != 0)
        return complain(err_sqlstate_of_errno(errno), "could not access private key file \"%s\": %s", ssl_key_file,
                        strerror(errno));
    if (!S_ISREG(st.st_mode))
        return complain(SQLSTATE_CONFIG_FILE_ERROR, "private key file \"%s\" is not a regular file", ssl_key_file);
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return complain(SQLSTATE_CONFIG_FILE_ERROR,
                        "private key file \"%s\" must be owned by the database user or root", ssl_key_file);
    if ((st.st_uid == geteuid() && (st.st_mode & (S_IRWXG | S_IRWXO))) ||
        (st.st_uid == 0 && geteuid() != 0 && (st.st_mode & (S_IWGRP | S_IXGRP | S_IRWXO))))
        return complain(SQLSTATE_CONFIG_FILE_ERROR, "private key file \"%s\" has group or world access",
                        ssl_key_file);
    return true;
}

static bool
load_key_pair(SSL_CTX *c)
{
    if (SSL_CTX_use_certificate_chain_file(c, ssl_cert_file) != 1)
        return complain(SQLSTATE_CONFIG_FILE_ERROR, "could not load server certificate file \"%s\": %s",
                        ssl_cert_file, ssl_error_text());
    if (!check_key_file())
        return false;
    SSL_CTX_set_default_passwd_cb(c, passphrase);
    if (SSL_CTX_use_PrivateKey_file(c, ssl_key_file, SSL_FILETYPE_PEM) != 1) {
        if (load_level < LEVEL_ERROR && is_set(ssl_passphrase_command) && !ssl_passphrase_command_supports_reload)
            return complain(SQLSTATE_CONFIG_FILE_ERROR,
                            "private key file \"%s\" cannot be reloaded because it requires a passphrase", ssl_key_file);
        return complain(SQLSTATE_CONFIG_FILE_ERROR, "could not load private key file \"%s\": %s", ssl_key_file,
                        ssl_error_text());
    }
    if (SSL_CTX_check_private_key(c) != 1)
        return complain(SQLSTATE_CONFIG_FILE_ERROR, "check of private key failed: %s", ssl_error_text());
    return true;
}

static bool
set_versions(SSL_CTX *c)
{
    if (ssl_max_protocol_version && ssl_min_protocol_version > ssl_max_protocol_version)
        return complain(SQLSTATE_CONFIG_FILE_ERROR, "could not set SSL protocol version range");
    if (ssl_min_protocol_version && !SSL_CTX_set_min_proto_version(c, ssl_min_protocol_version))
        return complain(SQLSTATE_CONFIG_FILE_ERROR, "could not set minimum SSL protocol version");
    if (ssl_max_protocol_version && !SSL_CTX_set_max_proto_version(c, ssl_max_protocol_version))
        return complain(SQLSTATE_CONFIG_FILE_ERROR, "could not set maximum SSL protocol version");
    return true;
}

static bool
set_key_exchange(SSL_CTX *c)
{
    if (is_set(ssl_ecdh_curve) && SSL_CTX_set1_groups_list(c, ssl_ecdh_curve) != 1)
        return complain(SQLSTATE_CONFIG_FILE_ERROR, "ECDH: unrecognized curve name: %s", ssl_ecdh_curve);
    if (is_set(ssl_dh_params_file)) {
        BIO *b = BIO_new_file(ssl_dh_params_file, "r");
        EVP_PKEY *k = b ? PEM_read_bio_Parameters(b, NULL) : NULL;
        BIO_free(b);
        if (k == NULL || SSL_CTX_set0_tmp_dh_pkey(c, k) != 1)
            return complain(SQLSTATE_CONFIG_FILE_ERROR, "could not load DH parameters file \"%s\": %s",
                            ssl_dh_params_file, ssl_error_text());
    } else {
        SSL_CTX_set_dh_auto(c, 1);
    }
    if (SSL_CTX_set_cipher_list(c, ssl_ciphers) != 1)
        return complain(SQLSTATE_CONFIG_FILE_ERROR, "could not set the cipher list (no valid ciphers available)");
    if (ssl_prefer_server_ciphers)
        SSL_CTX_set_options(c, SSL_OP_CIPHER_SERVER_PREFERENCE);
    return true;
}

/* Whether a certificate is demanded is for pg_hba.conf; one that is given must be good. */
static int
verify_any(int ok, X509_STORE_CTX *store)
{
    return ok;
}

static bool
load_authorities(SSL_CTX *c, bool *has_ca)
{
    *has_ca = false;
    if (is_set(ssl_ca_file)) {
        STACK_OF(X509_NAME) *names;
        if (SSL_CTX_load_verify_locations(c, ssl_ca_file, NULL) != 1 ||
            (names = SSL_load_client_CA_file(ssl_ca_file)) == NULL)
            return complain(SQLSTATE_CONFIG_FILE_ERROR, "could not load root certificate file \"%s\": %s",
                            ssl_ca_file, ssl_error_text());
        SSL_CTX_set_client_CA_list(c, names);
        SSL_CTX_set_verify(c, SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE, verify_any);
        *has_ca = true;
    }
    if (is_set(ssl_crl_file) || is_set(ssl_crl_dir)) {
        X509_STORE *store = SSL_CTX_get_cert_store(c);
        if (X509_STORE_load_locations(store, is_set(ssl_crl_file) ? ssl_crl_file : NULL,
                                      is_set(ssl_crl_dir) ? ssl_crl_dir : NULL) != 1)
            return complain(SQLSTATE_CONFIG_FILE_ERROR, "could not load SSL certificate revocation list file \"%s\": %s",
                            is_set(ssl_crl_file) ? ssl_crl_file : ssl_crl_dir, ssl_error_text());
        X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    }
    return true;
}

bool
wire_load_tls(bool reload)
{
    bool has_ca = false;
    if (!ssl_on) {
        SSL_CTX_free(context);
        context = NULL;
        return true;
    }
    load_level = reload ? LEVEL_LOG : LEVEL_FATAL;
    ERR_clear_error();
    SSL_CTX *c = SSL_CTX_new(TLS_server_method());
    if (c == NULL)
        return complain(SQLSTATE_CONFIG_FILE_ERROR, "could not create SSL context: %s", ssl_error_text());
    SSL_CTX_set_mode(c, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_ENABLE_PARTIAL_WRITE);
    /* No resumption: sessions of different processes share no cache, and tickets would go around reloads. */
    SSL_CTX_set_options(c, SSL_OP_NO_TICKET | SSL_OP_SINGLE_ECDH_USE | SSL_OP_SINGLE_DH_USE | SSL_OP_NO_COMPRESSION |
                               SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_num_tickets(c, 0);
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
    if (!load_key_pair(c) || !set_versions(c) || !set_key_exchange(c) || !load_authorities(c, &has_ca)) {
        SSL_CTX_free(c);
        return false;
    }
    SSL_CTX_free(context);
    context = c;
    context_has_ca = has_ca;
    return true;
}

bool
tls_enabled(void)
{
    return context != NULL;
}

bool
tls_has_ca(void)
{
    return context_has_ca;
}

/* ---- a connection ---- */

static char *
name_entry(X509_NAME *name, int nid)
{
    int n = X509_NAME_get_text_by_NID(name, nid, NULL, 0);
    if (n < 0)
        return NULL;
    char *text = malloc((size_t)n + 1);
    if (text == NULL)
        RAISE_FATAL(SQLSTATE_OUT_OF_MEMORY, "out of memory");
    X509_NAME_get_text_by_NID(name, nid, text, n + 1);
    if (strlen(text) != (size_t)n) { /* a zero byte inside: the name would read as another */
        free(text);
        RAISE_FATAL(SQLSTATE_PROTOCOL_VIOLATION, "SSL certificate's common name contains embedded null");
    }
    return text;
}

static void
read_peer_names(SSL *ssl)
{
    X509 *cert = SSL_get1_peer_certificate(ssl);
    if (cert == NULL)
        return;
    X509_NAME *name = X509_get_subject_name(cert);
    wire_conn.peer_cn = name_entry(name, NID_commonName);
    BIO *b = BIO_new(BIO_s_mem());
    char *data;
    if (b && X509_NAME_print_ex(b, name, 0, XN_FLAG_RFC2253) >= 0) {
        long n = BIO_get_mem_data(b, &data);
        wire_conn.peer_dn = n >= 0 && memchr(data, 0, (size_t)n) == NULL ? strndup(data, (size_t)n) : NULL;
    }
    BIO_free(b);
    X509_free(cert);
}

static void
wait_for_handshake(int events)
{
    int64_t left = (int64_t)(wire_conn.auth_deadline_us - clock_monotonic_us());
    if (wire_conn.auth_deadline_us && left <= 0)
        proc_exit(1);
    int got = latch_wait(events | (proc_self ? WAIT_LATCH : 0), wire_conn.fd,
                         wire_conn.auth_deadline_us ? (long)(left / 1000) + 1 : -1, WAIT_EVENT_SSL_OPEN_SERVER);
    if (got & WAIT_LATCH) {
        latch_reset(&proc_self->latch);
        if (interrupts_pending & INTERRUPT_TERMINATE)
            CHECK_INTERRUPTS();
    }
}

void
tls_accept(void)
{
    signal(SIGPIPE, SIG_IGN); /* OpenSSL writes without MSG_NOSIGNAL */
    SSL *ssl = SSL_new(context);
    if (ssl == NULL || SSL_set_fd(ssl, wire_conn.fd) != 1)
        RAISE_FATAL(SQLSTATE_PROTOCOL_VIOLATION, "could not initialize SSL connection: %s", ssl_error_text());
    for (;;) {
        ERR_clear_error();
        errno = 0;
        int rc = SSL_accept(ssl);
        if (rc == 1)
            break;
        int saved = errno;
        switch (SSL_get_error(ssl, rc)) {
        case SSL_ERROR_WANT_READ:
            wait_for_handshake(WAIT_READABLE);
            continue;
        case SSL_ERROR_WANT_WRITE:
            wait_for_handshake(WAIT_WRITABLE);
            continue;
        case SSL_ERROR_SYSCALL:
            errno = saved;
            if (saved)
                LOG("could not accept SSL connection: %m");
            else
                LOG("could not accept SSL connection: EOF detected");
            break;
        default:
            LOG("could not accept SSL connection: %s", ssl_error_text());
        }
        SSL_free(ssl);
        wire_close();
        proc_exit(0);
    }
    wire_conn.ssl = ssl;
    read_peer_names(ssl);
}

void
tls_close(void)
{
    if (wire_conn.ssl == NULL)
        return;
    if (!wire_conn.broken)
        SSL_shutdown(wire_conn.ssl);
    SSL_free(wire_conn.ssl);
    wire_conn.ssl = NULL;
}

/* As a system call would put it: -1 and errno, 0 at the end. */
static ssize_t
translate(int rc, int saved, int *events)
{
    switch (SSL_get_error(wire_conn.ssl, rc)) {
    case SSL_ERROR_WANT_READ:
        *events = WAIT_READABLE;
        errno = EAGAIN;
        return -1;
    case SSL_ERROR_WANT_WRITE:
        *events = WAIT_WRITABLE;
        errno = EAGAIN;
        return -1;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    case SSL_ERROR_SYSCALL:
        errno = saved ? saved : ECONNRESET;
        return -1;
    default:
        LOG("SSL error: %s", ssl_error_text());
        errno = ECONNRESET;
        return -1;
    }
}

ssize_t
tls_read(void *p, size_t n, int *events)
{
    ERR_clear_error();
    errno = 0;
    int rc = SSL_read(wire_conn.ssl, p, n > INT32_MAX ? INT32_MAX : (int)n);
    return rc > 0 ? rc : translate(rc, errno, events);
}

ssize_t
tls_write(const void *p, size_t n, int *events)
{
    ERR_clear_error();
    errno = 0;
    int rc = SSL_write(wire_conn.ssl, p, n > INT32_MAX ? INT32_MAX : (int)n);
    ssize_t got = rc > 0 ? rc : translate(rc, errno, events);
    if (got == 0) {
        errno = ECONNRESET;
        got = -1;
    }
    return got;
}

size_t
tls_server_end_point(unsigned char out[64])
{
    int nid;
    unsigned n = 0;
    X509 *cert = wire_conn.ssl ? SSL_get_certificate(wire_conn.ssl) : NULL;
    if (cert == NULL || !OBJ_find_sigid_algs(X509_get_signature_nid(cert), &nid, NULL))
        return 0;
    /* RFC 5929: MD5 and SHA-1 are replaced by SHA-256. */
    const EVP_MD *md = nid == NID_md5 || nid == NID_sha1 || nid == NID_undef ? EVP_sha256() : EVP_get_digestbynid(nid);
    if (md == NULL || X509_digest(cert, md, out, &n) != 1)
        return 0;
    return n;
}

const char *
wire_tls_version(void)
{
    return wire_conn.ssl ? SSL_get_version(wire_conn.ssl) : NULL;
}

const char *
wire_tls_cipher(void)
{
    return wire_conn.ssl ? SSL_get_cipher(wire_conn.ssl) : NULL;
}

int
wire_tls_bits(void)
{
    return wire_conn.ssl ? SSL_get_cipher_bits(wire_conn.ssl, NULL) : 0;
}
