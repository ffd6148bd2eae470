/*
 * TLS over the loopback: handshake, data both ways in small and large pieces, SCRAM with channel binding,
 * client certificates, refused keys. The certificates are made here.
 */
#include "wire_util.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <sys/stat.h>

#include "core/wire/tls_internal.h"

static char dir[] = "/tmp/ph_wire_XXXXXX";
static EVP_PKEY *server_key, *client_key;
static X509 *server_cert, *client_cert;

static char *
path_of(const char *name)
{
    char *p = malloc(200);
    snprintf(p, 200, "%s/%s", dir, name);
    return p;
}

/* Self-signed: the certificate is its own authority. */
static X509 *
make_cert(EVP_PKEY **key, const char *cn, const char *cert_name, const char *key_name)
{
    *key = EVP_EC_gen("prime256v1");
    X509 *x = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -1000);
    X509_gmtime_adj(X509_getm_notAfter(x), 100000);
    X509_set_pubkey(x, *key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    X509_sign(x, *key, EVP_sha384());
    FILE *f = fopen(path_of(cert_name), "w");
    PEM_write_X509(f, x);
    fclose(f);
    f = fopen(path_of(key_name), "w");
    chmod(path_of(key_name), 0600);
    PEM_write_PrivateKey(f, *key, NULL, NULL, 0, NULL, NULL);
    fclose(f);
    return x;
}

static bool
find_role(Arena *a, const char *name, AuthRole *out)
{
    static char *secret;
    if (secret == NULL)
        secret = password_encrypt(arena_top(), "joe", "secret", "scram-sha-256");
    *out = (AuthRole){.oid = 10, .can_login = true, .password = secret};
    return true;
}

static bool
is_member(const char *user, const char *role)
{
    return false;
}

static const uint8_t *
nonce(void)
{
    static const uint8_t bytes[32];
    return bytes;
}

static void
load_hba(const char *text)
{
    FILE *f = fopen(path_of("hba"), "w");
    fputs(text, f);
    fclose(f);
    Arena *a = arena_create(arena_top(), "hba");
    hba_set_lines(hba_parse(path_of("hba"), a), a);
}

/* ---- the connection ---- */

typedef struct TlsClient { int fd; pid_t server; SSL_CTX *context; SSL *ssl; } TlsClient;

static void
serve(void)
{
    WireStartup s;
    wire_read_startup(&s);
    wire_authenticate(&s);
    wire_send_parameter_status("tls", wire_tls_version() ? wire_tls_version() : "none");
    wire_send_ready('I');
    wire_flush();
    int type;
    while ((type = wire_read_message()) != 0) { /* echoes */
        size_t n = wire_remaining();
        wire_begin('d');
        wire_put_bytes(wire_get_bytes(n), n);
        wire_end();
        wire_flush();
    }
}

static TlsClient
tls_start(bool with_certificate)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    int l = socket(AF_INET, SOCK_STREAM, 0);
    char answer = 0;
    if (bind(l, (struct sockaddr *)&a, sizeof(a)) != 0 || listen(l, 1) != 0)
        abort();
    getsockname(l, (struct sockaddr *)&a, &len);
    TlsClient c = {.fd = socket(AF_INET, SOCK_STREAM, 0)};
    fflush(NULL);
    c.server = fork();
    if (c.server == 0) {
        int fd = accept(l, NULL, NULL);
        dup2(open("/dev/null", O_WRONLY), 2);
        close(c.fd);
        wire_init(fd);
        err_client_hook = report_to_client;
        serve();
        _exit(0);
    }
    if (connect(c.fd, (struct sockaddr *)&a, sizeof(a)) != 0)
        abort();
    close(l);
    if (write(c.fd, "\0\0\0\10\4\322\26\57", 8) != 8 || read(c.fd, &answer, 1) != 1 || answer != 'S')
        return c;
    c.context = SSL_CTX_new(TLS_client_method());
    if (with_certificate) {
        SSL_CTX_use_certificate(c.context, client_cert);
        SSL_CTX_use_PrivateKey(c.context, client_key);
    }
    c.ssl = SSL_new(c.context);
    SSL_set_fd(c.ssl, c.fd);
    if (SSL_connect(c.ssl) != 1) {
        SSL_free(c.ssl);
        c.ssl = NULL;
    }
    return c;
}

static void
tls_end(TlsClient *c)
{
    SSL_free(c->ssl);
    SSL_CTX_free(c->context);
    close(c->fd);
    waitpid(c->server, NULL, 0);
}

static void
tls_send(TlsClient *c, const void *p, size_t n)
{
    SSL_write(c->ssl, p, (int)n);
}

static int
tls_message(TlsClient *c)
{
    char head[5];
    size_t got = 0;
    for (int n; got < 5; got += (size_t)n)
        if (c->ssl == NULL || (n = SSL_read(c->ssl, head + got, (int)(5 - got))) <= 0)
            return 0;
    client_body_bytes = load_be32(head + 1) - 4;
    if (client_body_bytes >= sizeof(client_body))
        return 0;
    got = 0;
    for (int n; got < client_body_bytes; got += (size_t)n)
        if ((n = SSL_read(c->ssl, client_body + got, (int)(client_body_bytes - got))) <= 0)
            return 0;
    client_body[client_body_bytes] = '\0';
    return head[0];
}

static void
send_startup(TlsClient *c)
{
    static const char parameters[] = "user\0joe\0database\0d\0";
    char p[100];
    tls_send(c, p, put_startup(p, 0x30000, parameters, sizeof(parameters)));
}

static const char *
outcome(TlsClient *c)
{
    static char text[300];
    int type = tls_message(c);
    if (type == 'E')
        snprintf(text, sizeof(text), "%s %s", client_error_field('C'), client_error_field('M'));
    else if (type == 'R' && load_be32(client_body) == 0 && tls_message(c) == 'S' && tls_message(c) == 'Z')
        snprintf(text, sizeof(text), "ok");
    else
        snprintf(text, sizeof(text), "type %d", type);
    return text;
}

/* ---- tests ---- */

static void
data_goes_both_ways(void)
{
    static const size_t sizes[] = {0, 1, 100, 16384, 16379, 70000, 900000, 5};
    load_hba("hostnossl all all all reject\nhostssl all all all trust\n");
    TlsClient c = tls_start(false);
    CU_ASSERT_PTR_NOT_NULL(c.ssl);
    send_startup(&c);
    CU_ASSERT_EQUAL(tls_message(&c), 'R');
    CU_ASSERT_EQUAL(tls_message(&c), 'S');
    CU_ASSERT_STRING_EQUAL(client_body + 4, "TLSv1.3");
    CU_ASSERT_EQUAL(tls_message(&c), 'Z');
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        char *m = malloc(sizes[i] + 10), *body = malloc(sizes[i] + 1);
        for (size_t k = 0; k < sizes[i]; k++)
            body[k] = (char)(k * 7 + i);
        tls_send(&c, m, put_message(m, 'd', body, sizes[i]));
        CU_ASSERT_EQUAL(tls_message(&c), 'd');
        CU_ASSERT_EQUAL(client_body_bytes, sizes[i]);
        CU_ASSERT_EQUAL(memcmp(client_body, body, sizes[i]), 0);
        free(m);
        free(body);
    }
    tls_end(&c);
}

static void
hmac(const void *key, const void *p, size_t n, unsigned char out[32])
{
    unsigned len;
    HMAC(EVP_sha256(), key, 32, p, n, out, &len);
}

static const char *
login_with_binding(bool wrong_certificate)
{
    static const char bare[] = "n=,r=abc", gs2[] = "p=tls-server-end-point,,";
    char m[2000], first[300], binding[300], without_proof[700], all[2000], proof64[64];
    unsigned char data[100], salt[64], salted[32], key[32], stored[32], signature[32];
    TlsClient c = tls_start(false);
    send_startup(&c);
    CU_ASSERT_EQUAL(tls_message(&c), 'R');
    CU_ASSERT_EQUAL(memcmp(client_body + 4, "SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0", 34), 0);
    int n = sprintf(m + 23, "%s%s", gs2, bare);
    char body[300];
    memcpy(body, "SCRAM-SHA-256-PLUS", 19);
    store_be32(body + 19, (uint32_t)n);
    memcpy(body + 23, m + 23, (size_t)n);
    tls_send(&c, m, put_message(m, 'p', body, 23 + (size_t)n));
    CU_ASSERT_EQUAL(tls_message(&c), 'R');
    snprintf(first, sizeof(first), "%.299s", client_body + 4);
    unsigned digest = 0;
    memcpy(data, gs2, strlen(gs2)); /* signed with SHA-384, so that is the hash */
    X509_digest(wrong_certificate ? client_cert : server_cert, EVP_sha384(), data + strlen(gs2), &digest);
    base64_encode(data, (int)(strlen(gs2) + digest), binding);
    snprintf(without_proof, sizeof(without_proof), "c=%s,%.*s", binding, (int)(strchr(first, ',') - first), first);
    snprintf(all, sizeof(all), "%s,%s,%s", bare, first, without_proof);
    const char *s = strstr(first, ",s=") + 3, *i = strstr(s, ",i=");
    int salt_bytes = base64_decode(s, (int)(i - s), salt);
    PKCS5_PBKDF2_HMAC("secret", 6, salt, salt_bytes, atoi(i + 3), EVP_sha256(), 32, salted);
    hmac(salted, "Client Key", 10, key);
    EVP_Digest(key, 32, stored, NULL, EVP_sha256(), NULL);
    hmac(stored, all, strlen(all), signature);
    for (int k = 0; k < 32; k++)
        key[k] ^= signature[k];
    base64_encode(key, 32, proof64);
    n = snprintf(body, sizeof(body), "%.200s,p=%s", without_proof, proof64);
    tls_send(&c, m, put_message(m, 'p', body, (size_t)n));
    const char *said;
    if (tls_message(&c) == 'R' && load_be32(client_body) == 12)
        said = outcome(&c);
    else
        said = arena_strdup(arena_top(), client_error_field('M'));
    tls_end(&c);
    return said;
}

static void
scram_binds_the_channel(void)
{
    load_hba("hostssl all all 127.0.0.1/32 scram-sha-256\n");
    CU_ASSERT_STRING_EQUAL(login_with_binding(false), "ok");
    CU_ASSERT_STRING_EQUAL(login_with_binding(true), "SCRAM channel binding check failed");
}

static const char *
login(bool with_certificate)
{
    TlsClient c = tls_start(with_certificate);
    if (c.ssl == NULL)
        return tls_end(&c), "no TLS";
    send_startup(&c);
    const char *said = outcome(&c);
    tls_end(&c);
    return said;
}

static void
client_certificates(void)
{
    ssl_ca_file = path_of("client.crt");
    CU_ASSERT(wire_load_tls(true));
    load_hba("hostssl all all all cert\n");
    CU_ASSERT_STRING_EQUAL(login(true), "ok");
    CU_ASSERT_STRING_EQUAL(login(false), "28000 connection requires a valid client certificate");
    load_hba("hostssl all all all cert map=absent\n");
    CU_ASSERT_STRING_EQUAL(login(true), "28000 certificate authentication failed for user \"joe\"");
    load_hba("hostssl all all all trust clientcert=verify-full\n");
    CU_ASSERT_STRING_EQUAL(login(true), "ok");
    ssl_ca_file = path_of("server.crt"); /* one that did not sign the client's */
    CU_ASSERT(wire_load_tls(true));
    CU_ASSERT_STRING_NOT_EQUAL(login(true), "ok");
    ssl_ca_file = "";
    CU_ASSERT(wire_load_tls(true));
    CU_ASSERT_STRING_EQUAL(login(false),
                           "F0000 client certificates can only be checked if a root certificate store is available");
}

static void
a_bad_reload_keeps_what_runs(void)
{
    load_hba("hostssl all all all trust\n");
    int saved = dup(2);
    dup2(open("/dev/null", O_WRONLY), 2);
    chmod(ssl_key_file, 0644);
    CU_ASSERT_FALSE(wire_load_tls(true));
    chmod(ssl_key_file, 0600);
    char *good = ssl_key_file;
    ssl_key_file = path_of("client.key");
    CU_ASSERT_FALSE(wire_load_tls(true));
    ssl_key_file = path_of("absent");
    CU_ASSERT_FALSE(wire_load_tls(true));
    ssl_key_file = good;
    ssl_min_protocol_version = TLS1_3_VERSION;
    ssl_max_protocol_version = TLS1_2_VERSION;
    CU_ASSERT_FALSE(wire_load_tls(true));
    ssl_min_protocol_version = TLS1_2_VERSION;
    ssl_max_protocol_version = 0;
    dup2(saved, 2);
    CU_ASSERT_STRING_EQUAL(login(false), "ok");
}

static void
bytes_before_the_handshake_are_refused(void)
{
    /* a client that sends its startup packet right behind the SSLRequest: someone else may have */
    int fds[2];
    char m[200];
    static const char parameters[] = "user\0joe\0";
    memcpy(m, "\0\0\0\10\4\322\26\57", 8);
    size_t n = 8 + put_startup(m + 8, 0x30000, parameters, sizeof(parameters));
    CU_ASSERT_EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    CU_ASSERT_EQUAL(write(fds[0], m, n), (ssize_t)n);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        WireStartup s;
        dup2(open("/dev/null", O_WRONLY), 2);
        wire_init(fds[1]);
        err_client_hook = report_to_client;
        wire_read_startup(&s);
        _exit(0);
    }
    close(fds[1]);
    Client c = {fds[0], pid};
    CU_ASSERT(client_receive(&c, m, 1) && m[0] == 'N');
    CU_ASSERT_EQUAL(client_message(&c), 'E');
    CU_ASSERT_STRING_EQUAL(client_error_field('M'), "received unencrypted data after SSL request");
    client_end(&c);
}

int
main(void)
{
    test_boot();
    signal(SIGPIPE, SIG_IGN);
    if (mkdtemp(dir) == NULL)
        return 1;
    auth_lookups = (AuthLookups){find_role, is_member, nonce};
    server_cert = make_cert(&server_key, "localhost", "server.crt", "server.key");
    client_cert = make_cert(&client_key, "joe", "client.crt", "client.key");
    ssl_on = true;
    ssl_cert_file = path_of("server.crt");
    ssl_key_file = path_of("server.key");
    if (!wire_load_tls(true))
        return 1;
    CU_initialize_registry();
    CU_pSuite s = CU_add_suite("wire_tls", NULL, NULL);
    CU_add_test(s, "data goes both ways", data_goes_both_ways);
    CU_add_test(s, "scram binds the channel", scram_binds_the_channel);
    CU_add_test(s, "client certificates", client_certificates);
    CU_add_test(s, "a bad reload keeps what runs", a_bad_reload_keeps_what_runs);
    CU_add_test(s, "bytes before the handshake are refused", bytes_before_the_handshake_are_refused);
    CU_basic_set_mode(CU_BRM_NORMAL);
    CU_basic_run_tests();
    unsigned failed = CU_get_number_of_failures();
    CU_cleanup_registry();
    char command[100];
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command) != 0 || failed ? 1 : 0;
}
