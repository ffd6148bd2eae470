/*
 * SCRAM-SHA-256 (RFC 5802, 7677), server side, with channel binding tls-server-end-point under TLS.
 *
 * A user who does not exist, or has no such secret, goes through the same exchange with a salt derived
 * from his name and the instance's secret nonce, so that an attacker learns nothing from the answers.
 */
#include "core/wire/wire_internal.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unicode/usprep.h>
#include <unicode/ustring.h>

#define KEY_BYTES 32
#define NONCE_RAW_BYTES 18
#define SALT_BYTES 16
#define SALT_BYTES_MAX 1024
#define ITERATIONS 4096

/* ---- tools ---- */

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int
base64_encode(const void *p, int n, char *out)
{
    const unsigned char *s = p;
    char *o = out;
    for (int i = 0; i < n; i += 3) {
        uint32_t v = (uint32_t)s[i] << 16 | (i + 1 < n ? (uint32_t)s[i + 1] << 8 : 0) | (i + 2 < n ? s[i + 2] : 0);
        *o++ = base64_digits[v >> 18];
        *o++ = base64_digits[v >> 12 & 63];
        *o++ = i + 1 < n ? base64_digits[v >> 6 & 63] : '=';
        *o++ = i + 2 < n ? base64_digits[v & 63] : '=';
    }
    *o = '\0';
    return (int)(o - out);
}

int
base64_decode(const char *p, int n, unsigned char *out)
{
    unsigned char *o = out;
    if (n % 4 != 0)
        return -1;
    for (int i = 0; i < n; i += 4) {
        int pad = 0;
        uint32_t v = 0;
        for (int k = 0; k < 4; k++) {
            char ch = p[i + k];
            const char *d = ch ? strchr(base64_digits, ch) : NULL;
            if (ch == '=' && i + 4 == n && k >= 2)
                pad++;
            else if (d == NULL || pad)
                return -1;
            v = v << 6 | (d ? (uint32_t)(d - base64_digits) : 0);
        }
        *o++ = (unsigned char)(v >> 16);
        if (pad < 2)
            *o++ = (unsigned char)(v >> 8);
        if (pad < 1)
            *o++ = (unsigned char)v;
    }
    return (int)(o - out);
}

void
secure_random(void *p, size_t n)
{
    char *c = p;
    while (n > 0) {
        ssize_t got = getrandom(c, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            RAISE(SQLSTATE_INTERNAL_ERROR, "could not generate random bytes");
        c += got;
        n -= (size_t)got;
    }
}

static void
hmac(const unsigned char *key, const void *p, size_t n, unsigned char out[KEY_BYTES])
{
    unsigned len = KEY_BYTES;
    if (HMAC(EVP_sha256(), key, KEY_BYTES, p, n, out, &len) == NULL)
        RAISE(SQLSTATE_INTERNAL_ERROR, "could not calculate HMAC");
}

static void
sha256(const void *p, size_t n, unsigned char out[KEY_BYTES])
{
    if (EVP_Digest(p, n, out, NULL, EVP_sha256(), NULL) != 1)
        RAISE(SQLSTATE_INTERNAL_ERROR, "could not calculate SHA-256");
}

/* SASLprep (RFC 4013). A password that has none is used as it is, as PostgreSQL does. */
char *
scram_prepare_password(Arena *a, const char *password)
{
    UErrorCode rc = U_ZERO_ERROR;
    size_t n = strlen(password);
    bool ascii = true;
    for (size_t i = 0; i < n; i++)
        ascii &= (signed char)password[i] > 0;
    if (ascii || utf8_valid_prefix(password, n) != n || n > 100000)
        return arena_strdup(a, password);
    UStringPrepProfile *profile = usprep_openByType(USPREP_RFC4013_SASLPREP, &rc);
    UChar *from = arena_alloc(a, (n + 1) * sizeof(UChar)), *to = arena_alloc(a, (n * 18 + 1) * sizeof(UChar));
    char *out = arena_alloc(a, n * 54 + 1);
    int32_t len = 0;
    u_strFromUTF8(from, (int32_t)n + 1, &len, password, (int32_t)n, &rc);
    len = usprep_prepare(profile, from, len, to, (int32_t)n * 18, USPREP_DEFAULT, NULL, &rc);
    int32_t out_len = 0;
    u_strToUTF8(out, (int32_t)n * 54, &out_len, to, len, &rc);
    usprep_close(profile);
    if (U_FAILURE(rc) || out_len == 0)
        return arena_strdup(a, password);
    out[out_len] = '\0';
    return out;
}

/* ---- secrets ---- */

static void
derive_keys(Arena *a, const char *password, const unsigned char *salt, int salt_bytes, int iterations,
            unsigned char stored_key[KEY_BYTES], unsigned char server_key[KEY_BYTES])
{
    unsigned char salted[KEY_BYTES], client_key[KEY_BYTES];
    const char *p = scram_prepare_password(a, password);
    if (PKCS5_PBKDF2_HMAC(p, (int)strlen(p), salt, salt_bytes, iterations, EVP_sha256(), KEY_BYTES, salted) != 1)
        RAISE(SQLSTATE_INTERNAL_ERROR, "could not compute the salted password");
    hmac(salted, "Client Key", 10, client_key);
    sha256(client_key, KEY_BYTES, stored_key);
    hmac(salted, "Server Key", 10, server_key);
    OPENSSL_cleanse(salted, sizeof(salted));
}

char *
scram_secret(Arena *a, const char *password, const unsigned char *salt, int salt_bytes, int iterations)
{
    unsigned char stored[KEY_BYTES], server[KEY_BYTES];
    char stored64[64], server64[64];
    char *salt64 = arena_alloc(a, (size_t)salt_bytes * 2 + 8);
    derive_keys(a, password, salt, salt_bytes, iterations, stored, server);
    base64_encode(salt, salt_bytes, salt64);
    base64_encode(stored, KEY_BYTES, stored64);
    base64_encode(server, KEY_BYTES, server64);
    return arena_printf(a, "SCRAM-SHA-256$%d:%s$%s:%s", iterations, salt64, stored64, server64);
}

static bool
decode_key(const char *p, size_t n, unsigned char out[KEY_BYTES])
{
    unsigned char key[48];
    if (n != 44 || base64_decode(p, (int)n, key) != KEY_BYTES)
        return false;
    memcpy(out, key, KEY_BYTES);
    return true;
}

/* SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>; salt holds SALT_BYTES_MAX. */
bool
scram_parse(const char *stored, int *iterations, unsigned char *salt, int *salt_bytes,
            unsigned char stored_key[32], unsigned char server_key[32])
{
    static const char prefix[] = "SCRAM-SHA-256$";
    char *end;
    if (stored == NULL || !str_starts_with(stored, prefix))
        return false;
    long n = strtol(stored + sizeof(prefix) - 1, &end, 10);
    if (*end != ':' || end == stored + sizeof(prefix) - 1 || n < 1 || n > INT32_MAX)
        return false;
    const char *salt64 = end + 1, *dollar = strchr(salt64, '$');
    const char *colon = dollar ? strchr(dollar, ':') : NULL;
    if (colon == NULL || dollar - salt64 > SALT_BYTES_MAX)
        return false;
    *iterations = (int)n;
    *salt_bytes = base64_decode(salt64, (int)(dollar - salt64), salt);
    return *salt_bytes >= 0 && decode_key(dollar + 1, (size_t)(colon - dollar - 1), stored_key) &&
           decode_key(colon + 1, strlen(colon + 1), server_key);
}

bool
scram_verify_plain(Arena *a, const char *stored, const char *password)
{
    unsigned char salt[SALT_BYTES_MAX], stored_key[KEY_BYTES], server_key[KEY_BYTES];
    unsigned char own_stored[KEY_BYTES], own_server[KEY_BYTES];
    int iterations, salt_bytes;
    if (!scram_parse(stored, &iterations, salt, &salt_bytes, stored_key, server_key))
        return false;
    derive_keys(a, password, salt, salt_bytes, iterations, own_stored, own_server);
    return CRYPTO_memcmp(own_server, server_key, KEY_BYTES) == 0;
}

/* ---- the exchange ---- */

typedef struct Exchange {
    Arena *arena;
    const char *user;
    bool doomed;              /* a mock: fails at the end whatever the client proves */
    bool offered_plus, using_plus;
    int iterations;
    unsigned char salt[SALT_BYTES_MAX];
    int salt_bytes;
    unsigned char stored_key[KEY_BYTES], server_key[KEY_BYTES];
    char gs2_flag;            /* n, y or p */
    char *gs2_header;         /* as the client sent it */
    char *client_first_bare, *nonce /* client's and ours */, *server_first;
} Exchange;

static NORETURN void
malformed(const char *detail)
{
    err_start(LEVEL_FATAL, SQLSTATE_PROTOCOL_VIOLATION, __FILE__, __LINE__, __func__);
    err_message("malformed SCRAM message");
    if (detail)
        err_detail("%s", detail);
    err_throw();
}

static void
prepare_secret(Exchange *x, const char *stored)
{
    x->doomed = !scram_parse(stored, &x->iterations, x->salt, &x->salt_bytes, x->stored_key, x->server_key);
    if (!x->doomed)
        return;
    unsigned char digest[KEY_BYTES];
    size_t n = strlen(x->user);
    char *seed = arena_alloc(x->arena, n + 32);
    memcpy(seed, x->user, n);
    memcpy(seed + n, auth_lookups.nonce(), 32);
    sha256(seed, n + 32, digest);
    memcpy(x->salt, digest, SALT_BYTES);
    x->salt_bytes = SALT_BYTES;
    x->iterations = ITERATIONS;
}

static char
check_printable(const char *s)
{
    for (; *s; s++)
        if (*s < 0x21 || *s > 0x7E)
            return *s;
    return 0;
}

/* The value of the attribute `name` at *p, which it steps over, up to a comma or the end. */
static char *
take_attribute(char **p, char name)
{
    char *begin = *p;
    if (*begin != name)
        malformed(arena_printf(arena_top(), "Expected attribute \"%c\" but found \"%c\".", name, *begin));
    if (begin[1] != '=')
        malformed("Expected character \"=\" after an attribute's name.");
    char *end = strchr(begin, ',');
    if (end) {
        *end = '\0';
        *p = end + 1;
    } else {
        *p = begin + strlen(begin);
    }
    return begin + 2;
}

static void
check_binding_flag(Exchange *x, const char *text)
{
    switch (x->gs2_flag) {
    case 'n':
        if (x->using_plus)
            malformed("The client selected SCRAM-SHA-256-PLUS, but the SCRAM message does not include channel binding data.");
        break;
    case 'y':
        if (x->using_plus)
            malformed("The client selected SCRAM-SHA-256-PLUS, but the SCRAM message does not include channel binding data.");
        if (x->offered_plus) {
            err_start(LEVEL_FATAL, SQLSTATE_INVALID_AUTHORIZATION_SPECIFICATION, __FILE__, __LINE__, __func__);
            err_message("SCRAM channel binding negotiation error");
            err_detail("The client supports SCRAM channel binding but thinks the server does not.  However, this "
                       "server does support channel binding.");
            err_throw();
        }
        break;
    case 'p':
        if (!x->using_plus)
            malformed("The client selected SCRAM-SHA-256 without channel binding, but the SCRAM message includes "
                      "channel binding data.");
        if (!str_starts_with(text, "p=tls-server-end-point,"))
            RAISE_FATAL(SQLSTATE_PROTOCOL_VIOLATION, "unsupported SCRAM channel-binding type \"%s\"", text + 2);
        break;
    default:
        malformed("Unexpected channel-binding flag.");
    }
}

static void
read_client_first(Exchange *x, const char *text)
{
    Arena *a = x->arena;
    x->gs2_flag = text[0];
    check_binding_flag(x, text);
    const char *comma = strchr(text, ',');
    if (comma == NULL || (x->gs2_flag != 'p' && comma != text + 1))
        malformed("Comma expected, but found another character.");
    if (comma[1] == 'a')
        RAISE_FATAL(SQLSTATE_FEATURE_NOT_SUPPORTED, "client uses authorization identity, but it is not supported");
    if (comma[1] != ',')
        malformed("Unexpected attribute in client-first-message.");
    const char *bare = comma + 2;
    x->gs2_header = arena_strndup(a, text, (size_t)(bare - text));
    x->client_first_bare = arena_strdup(a, bare);
    if (bare[0] == 'm')
        RAISE_FATAL(SQLSTATE_FEATURE_NOT_SUPPORTED, "client requires an unsupported SCRAM extension");
    char *p = arena_strdup(a, bare);
    take_attribute(&p, 'n'); /* the startup packet has named the user */
    char *client_nonce = take_attribute(&p, 'r');
    if (check_printable(client_nonce))
        RAISE_FATAL(SQLSTATE_PROTOCOL_VIOLATION, "non-printable characters in SCRAM nonce");
    unsigned char raw[NONCE_RAW_BYTES];
    char own[NONCE_RAW_BYTES * 2];
    secure_random(raw, sizeof(raw));
    base64_encode(raw, sizeof(raw), own);
    x->nonce = arena_printf(a, "%s%s", client_nonce, own);
}

static void
send_server_first(Exchange *x)
{
    char *salt64 = arena_alloc(x->arena, (size_t)x->salt_bytes * 2 + 8);
    base64_encode(x->salt, x->salt_bytes, salt64);
    x->server_first = arena_printf(x->arena, "r=%s,s=%s,i=%d", x->nonce, salt64, x->iterations);
    auth_send_request(11, x->server_first, strlen(x->server_first));
}

/* What c= must say: the GS2 header and, with channel binding, the hash of our certificate. */
static char *
expected_binding(Exchange *x)
{
    unsigned char data[64];
    size_t n = 0, header = strlen(x->gs2_header);
    if (x->using_plus) {
        n = tls_server_end_point(data);
        if (n == 0)
            RAISE_FATAL(SQLSTATE_INTERNAL_ERROR, "could not get server certificate hash");
    }
    char *all = arena_alloc(x->arena, header + n);
    memcpy(all, x->gs2_header, header);
    memcpy(all + header, data, n);
    char *out = arena_alloc(x->arena, (header + n) * 2 + 8);
    base64_encode(all, (int)(header + n), out);
    return out;
}

/* Returns whether the proof holds; *auth_message is what both sides sign. */
static bool
check_client_final(Exchange *x, const char *text, char **auth_message)
{
    char *copy = arena_strdup(x->arena, text), *p = copy;
    char *binding = take_attribute(&p, 'c');
    if (strcmp(binding, expected_binding(x)) != 0) {
        if (x->using_plus)
            RAISE_FATAL(SQLSTATE_INVALID_AUTHORIZATION_SPECIFICATION, "SCRAM channel binding check failed");
        RAISE_FATAL(SQLSTATE_PROTOCOL_VIOLATION,
                    "unexpected SCRAM channel-binding attribute in client-final-message");
    }
    char *nonce = take_attribute(&p, 'r');
    if (strcmp(nonce, x->nonce) != 0) {
        err_start(LEVEL_FATAL, SQLSTATE_PROTOCOL_VIOLATION, __FILE__, __LINE__, __func__);
        err_message("invalid SCRAM response");
        err_detail("Nonce does not match.");
        err_throw();
    }
    const char *proof64;
    size_t without_proof;
    do { /* extensions are let pass; the proof is last */
        char name = *p;
        if (name == '\0' || ((name < 'a' || name > 'z') && (name < 'A' || name > 'Z')))
            malformed("Attribute expected.");
        without_proof = (size_t)(p - copy) - 1;
        proof64 = take_attribute(&p, name);
        if (name == 'p')
            break;
    } while (true);
    unsigned char proof[48];
    size_t proof_len = strlen(proof64);
    if (proof_len != 44 || base64_decode(proof64, 44, proof) != KEY_BYTES)
        malformed("Malformed proof in client-final-message.");
    if (*p != '\0')
        malformed("Garbage found at the end of client-final-message.");
    *auth_message = arena_printf(x->arena, "%s,%s,%.*s", x->client_first_bare, x->server_first, (int)without_proof, text);

    unsigned char signature[KEY_BYTES], key[KEY_BYTES], stored[KEY_BYTES];
    hmac(x->stored_key, *auth_message, strlen(*auth_message), signature);
    for (int i = 0; i < KEY_BYTES; i++)
        key[i] = proof[i] ^ signature[i];
    sha256(key, KEY_BYTES, stored);
    return CRYPTO_memcmp(stored, x->stored_key, KEY_BYTES) == 0 && !x->doomed;
}

static void
send_mechanisms(Exchange *x)
{
    static const char plus[] = "SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0";
    static const char plain[] = "SCRAM-SHA-256\0";
    unsigned char unused[64];
    x->offered_plus = wire_conn.ssl && tls_server_end_point(unused) > 0;
    if (x->offered_plus)
        auth_send_request(10, plus, sizeof(plus));
    else
        auth_send_request(10, plain, sizeof(plain));
}

/* The first answer names the mechanism. NULL: the client has gone. */
static const char *
read_initial_response(Exchange *x)
{
    size_t len;
    const char *body = auth_read_token(x->arena, "SASL response", &len);
    if (body == NULL)
        return NULL;
    size_t name = strnlen(body, len);
    if (name == len || len - name < 5)
        RAISE_FATAL(SQLSTATE_PROTOCOL_VIOLATION, "insufficient data left in message");
    if (strcmp(body, "SCRAM-SHA-256-PLUS") == 0 && x->offered_plus)
        x->using_plus = true;
    else if (strcmp(body, "SCRAM-SHA-256") != 0)
        RAISE_FATAL(SQLSTATE_PROTOCOL_VIOLATION, "client selected an invalid SASL authentication mechanism");
    int32_t n = (int32_t)load_be32(body + name + 1);
    if (n == -1) { /* no initial response: an empty challenge asks for it */
        auth_send_request(11, "", 0);
        body = auth_read_token(x->arena, "SASL response", &len);
        if (body && strlen(body) != len)
            malformed("Message length does not match input length.");
        return body;
    }
    if (n < 0 || (size_t)n != len - name - 5)
        RAISE_FATAL(SQLSTATE_PROTOCOL_VIOLATION, "insufficient data left in message");
    if (n == 0)
        malformed("The message is empty.");
    if (strlen(body + name + 5) != (size_t)n)
        malformed("Message length does not match input length.");
    return body + name + 5;
}

bool
scram_authenticate(Arena *a, const char *user, const char *stored, const char **log_detail)
{
    Exchange *x = ARENA_NEW(a, Exchange);
    size_t len;
    char *auth_message;
    x->arena = a;
    x->user = user;
    prepare_secret(x, stored);
    send_mechanisms(x);
    const char *text = read_initial_response(x);
    if (text == NULL)
        return false;
    read_client_first(x, text);
    send_server_first(x);
    text = auth_read_token(a, "SASL response", &len);
    if (text == NULL)
        return false;
    if (len == 0)
        malformed("The message is empty.");
    if (strlen(text) != len)
        malformed("Message length does not match input length.");
    if (!check_client_final(x, text, &auth_message)) {
        if (!x->doomed)
            *log_detail = arena_printf(a, "Password does not match for user \"%s\".", user);
        else if (stored && *log_detail == NULL)
            *log_detail = arena_printf(a, "User \"%s\" does not have a valid SCRAM secret.", user);
        return false;
    }
    unsigned char signature[KEY_BYTES];
    char final[64] = "v=";
    hmac(x->server_key, auth_message, strlen(auth_message), signature);
    base64_encode(signature, KEY_BYTES, final + 2);
    auth_send_request(12, final, strlen(final));
    return true;
}
