/*
 * Authentication: the line of pg_hba.conf that fits decides the method; what the client is told is
 * PostgreSQL's, why it failed goes to the log only.
 */
#include "core/wire/wire_internal.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/settings.h"
#include "core/catalog/catalog.h"
#include "core/shm/proc.h"
#include "core/wire/tls_internal.h"
#include "walmgr/walmgr.h"

/* ---- the catalogs ---- */

static bool
find_role(Arena *a, const char *name, AuthRole *out)
{
    const CatRow *r = cat_get(IDX_PG_AUTHID_ROLNAME_INDEX, cat_name_datum(a, name), 0, 0, 0);
    if (r == NULL)
        return false;
    *out = (AuthRole){.oid = datum_oid(cat_val(r, PG_AUTHID_OID)),
                      .password = cat_name(a, r, PG_AUTHID_ROLPASSWORD),
                      .can_login = datum_bool(cat_val(r, PG_AUTHID_ROLCANLOGIN)),
                      .expired = !cat_null(r, PG_AUTHID_ROLVALIDUNTIL) &&
                                 datum_int64(cat_val(r, PG_AUTHID_ROLVALIDUNTIL)) < clock_now()};
    return true;
}

/* Breadth first over pg_auth_members. */
static bool
is_member(const char *user, const char *role)
{
    Oid member = role_oid(user, true), wanted = role_oid(role, true);
    Oid seen[1000];
    int n = 0;
    if (member == 0 || wanted == 0)
        return false;
    seen[n++] = member;
    for (int i = 0; i < n; i++) {
        if (seen[i] == wanted)
            return true;
        Datum key = oid_datum(seen[i]);
        CatScan *s = cat_scan_begin(CAT_PG_AUTH_MEMBERS, IDX_PG_AUTH_MEMBERS_MEMBER_ROLE_INDEX, 1, &key);
        const CatRow *r;
        while ((r = cat_scan_next(s)) != NULL) {
            Oid next = datum_oid(cat_val(r, PG_AUTH_MEMBERS_ROLEID));
            bool known = false;
            for (int k = 0; k < n; k++)
                known |= seen[k] == next;
            if (!known && n < (int)COUNT_OF(seen))
                seen[n++] = next;
        }
        cat_scan_end(s);
    }
    return false;
}

static const uint8_t *
instance_nonce(void)
{
    return control_file->mock_auth_nonce;
}

AuthLookups auth_lookups = {find_role, is_member, instance_nonce};

/* ---- messages ---- */

void
auth_send_request(int32_t code, const void *extra, size_t n)
{
    wire_begin('R');
    wire_put_int32(code);
    wire_put_bytes(extra, n);
    wire_end();
    if (code != 0 && code != 12) /* what needs no answer goes with what follows */
        wire_flush();
}

const char *
auth_read_token(Arena *a, const char *expected, size_t *len)
{
    int type = buffer_read_auth_message(AUTH_TOKEN_BYTES_MAX);
    if (type == 0)
        return NULL;
    if (type != 'p') {
        wire_conn.sync_lost = true;
        RAISE_FATAL(SQLSTATE_PROTOCOL_VIOLATION, "expected %s, got message type %d", expected, type);
    }
    *len = wire_remaining();
    return arena_strndup(a, wire_get_bytes(*len), *len);
}

/* ---- passwords ---- */

int
password_kind(const char *stored)
{
    int iterations, salt_bytes;
    unsigned char salt[1024], k1[32], k2[32];
    if (strncmp(stored, "md5", 3) == 0 && strlen(stored) == 35 && strspn(stored + 3, "0123456789abcdef") == 32)
        return 1;
    return scram_parse(stored, &iterations, salt, &salt_bytes, k1, k2) ? 2 : 0;
}

char *
password_encrypt(Arena *a, const char *user, const char *password, const char *method)
{
    unsigned char salt[16];
    if (password_kind(password) != 0)
        return arena_strdup(a, password); /* a dump brings secrets back as they were */
    if (method == NULL)
        method = password_encryption == 1 ? "md5" : "scram-sha-256";
    if (strcmp(method, "md5") == 0)
        return md5_secret(a, user, password);
    secure_random(salt, sizeof(salt));
    return scram_secret(a, password, salt, sizeof(salt), 4096);
}

static const char *
stored_password(Arena *a, const char *user, const char **log_detail)
{
    AuthRole role;
    if (!auth_lookups.role(a, user, &role)) {
        *log_detail = arena_printf(a, "Role \"%s\" does not exist.", user);
        return NULL;
    }
    if (role.password == NULL) {
        *log_detail = arena_printf(a, "User \"%s\" has no password assigned.", user);
        return NULL;
    }
    if (role.expired) {
        *log_detail = arena_printf(a, "User \"%s\" has an expired password.", user);
        return NULL;
    }
    return role.password;
}

/* A password message: one string. NULL at EOF. */
static const char *
read_password(Arena *a)
{
    size_t len;
    const char *p = auth_read_token(a, "password response", &len);
    if (p == NULL)
        return NULL;
    if (len == 0 || strlen(p) + 1 != len)
        RAISE_FATAL(SQLSTATE_PROTOCOL_VIOLATION, "invalid password packet size");
    if (len == 1)
        RAISE_FATAL(SQLSTATE_INVALID_PASSWORD, "empty password returned by client");
    return p;
}

static bool
verify_plain(Arena *a, const char *user, const char *stored, const char *password)
{
    char *secret;
    switch (password_kind(stored)) {
    case 1:
        secret = md5_secret(a, user, password);
        return CRYPTO_memcmp(secret, stored, 35) == 0;
    case 2:
        return scram_verify_plain(a, stored, password);
    default:
        return false; /* never stored so */
    }
}

static bool
check_clear_password(Arena *a, const char *user, const char **log_detail)
{
    auth_send_request(3, "", 0);
    const char *password = read_password(a);
    if (password == NULL)
        return false;
    const char *stored = stored_password(a, user, log_detail);
    if (stored == NULL)
        return false;
    if (verify_plain(a, user, stored, password))
        return true;
    *log_detail = arena_printf(a, "Password does not match for user \"%s\".", user);
    return false;
}

static bool
check_md5(Arena *a, const char *user, const char *stored, const char **log_detail)
{
    unsigned char salt[4];
    secure_random(salt, sizeof(salt));
    auth_send_request(5, salt, sizeof(salt));
    const char *response = read_password(a);
    if (response == NULL)
        return false;
    if (stored && md5_verify_response(stored, salt, response))
        return true;
    if (stored)
        *log_detail = arena_printf(a, "Password does not match for user \"%s\".", user);
    return false;
}

/* Methods md5 and scram-sha-256: an MD5 secret is challenged by MD5 only where the line says md5. */
static bool
check_challenge(Arena *a, const HbaLine *h, const char *user, const char **log_detail)
{
    const char *stored = stored_password(a, user, log_detail);
    int kind = stored ? password_kind(stored) : password_encryption;
    if (h->method == AUTH_MD5 && kind == 1)
        return check_md5(a, user, stored, log_detail);
    bool ok = scram_authenticate(a, user, stored, log_detail);
    return ok && stored != NULL;
}

/* ---- other methods ---- */

static bool
check_peer(Arena *a, const HbaLine *h, const char *user, const char **identity)
{
    struct ucred cred;
    socklen_t len = sizeof(cred);
    struct passwd pw, *found;
    char space[4096];
    if (getsockopt(wire_conn.fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0) {
        LOG("could not get peer credentials: %m");
        return false;
    }
    int rc = getpwuid_r(cred.uid, &pw, space, sizeof(space), &found);
    if (found == NULL) {
        LOG("could not look up local user ID %ld: %s", (long)cred.uid, rc ? strerror(rc) : "user does not exist");
        return false;
    }
    *identity = arena_strdup(a, pw.pw_name);
    return ident_check(h->map, user, *identity);
}

static bool
check_certificate(const HbaLine *h, const char *user)
{
    const char *name = h->cert_dn ? wire_conn.peer_dn : wire_conn.peer_cn;
    if (name == NULL || *name == '\0') {
        LOG("certificate authentication failed for user \"%s\": client certificate contains no user name", user);
        return false;
    }
    if (h->method == AUTH_CERT)
        return ident_check(h->map, user, name);
    if (ident_check(NULL, user, name))
        return true;
    LOG("certificate validation (clientcert=verify-full) failed for user \"%s\": CN mismatch", user);
    return false;
}

static NORETURN void
fail(Arena *a, const HbaLine *h, const char *user, const char *log_detail)
{
    static const char *const names[] = {[AUTH_TRUST] = "\"trust\"", [AUTH_IDENT] = "Ident", [AUTH_PASSWORD] = "password",
                                        [AUTH_MD5] = "password", [AUTH_SCRAM] = "password",
                                        [AUTH_CERT] = "certificate", [AUTH_PEER] = "Peer"};
    if (wire_conn.end_of_input || wire_conn.broken) { /* the client has left instead of answering */
        wire_close();
        proc_exit(0);
    }
    bool password = h->method == AUTH_PASSWORD || h->method == AUTH_MD5 || h->method == AUTH_SCRAM;
    REPORT(LEVEL_LOG, SQLSTATE_SUCCESS, err_message("authentication of user \"%s\" failed", user),
           err_detail("%s%sConnection matched pg_hba.conf line %d: \"%s\"", log_detail ? log_detail : "",
                      log_detail ? "\n" : "", h->number, h->text));
    RAISE_FATAL(password ? SQLSTATE_INVALID_PASSWORD : SQLSTATE_INVALID_AUTHORIZATION_SPECIFICATION,
                "%s authentication failed for user \"%s\"", names[h->method], user);
}

static NORETURN void
reject(const HbaLine *h, const WireStartup *s)
{
    const char *encryption = wire_conn.ssl ? "SSL encryption" : "no encryption";
    bool implicit = h->method == AUTH_IMPLICIT_REJECT;
    const char *what = implicit ? "no pg_hba.conf entry for" : "pg_hba.conf rejects";
    if (s->replication && !s->replication_database)
        RAISE_FATAL(SQLSTATE_INVALID_AUTHORIZATION_SPECIFICATION, "%s replication connection%s host \"%s\", user \"%s\", %s",
                    what, implicit ? " from" : " for", wire_remote_host, s->user, encryption);
    RAISE_FATAL(SQLSTATE_INVALID_AUTHORIZATION_SPECIFICATION, "%s%s host \"%s\", user \"%s\", database \"%s\", %s", what,
                implicit ? "" : " connection for", wire_remote_host, s->user, s->database, encryption);
}

static void
require_certificate(const HbaLine *h)
{
    if (h->clientcert == CERT_OFF)
        return;
    if (!tls_has_ca())
        RAISE_FATAL(SQLSTATE_CONFIG_FILE_ERROR,
                    "client certificates can only be checked if a root certificate store is available");
    if (wire_conn.peer_cn == NULL && wire_conn.peer_dn == NULL)
        RAISE_FATAL(SQLSTATE_INVALID_AUTHORIZATION_SPECIFICATION, "connection requires a valid client certificate");
}

static bool
run_method(Arena *a, const HbaLine *h, const char *user, const char **log_detail, const char **identity)
{
    *identity = user;
    switch (h->method) {
    case AUTH_TRUST:
        *identity = NULL;
        return true;
    case AUTH_PEER:
    case AUTH_IDENT:
        return check_peer(a, h, user, identity);
    case AUTH_PASSWORD:
        return check_clear_password(a, user, log_detail);
    case AUTH_MD5:
    case AUTH_SCRAM:
        return check_challenge(a, h, user, log_detail);
    case AUTH_CERT:
        *identity = wire_conn.peer_dn;
        return true; /* by the check of the certificate's name, for all methods, below */
    default:
        return false;
    }
}

static void
check_role(Arena *a, const char *user)
{
    AuthRole role;
    if (!auth_lookups.role(a, user, &role))
        RAISE_FATAL(SQLSTATE_INVALID_AUTHORIZATION_SPECIFICATION, "role \"%s\" does not exist", user);
    if (!role.can_login)
        RAISE_FATAL(SQLSTATE_INVALID_AUTHORIZATION_SPECIFICATION, "role \"%s\" is not permitted to log in", user);
}

static void
log_authorized(Arena *a, const WireStartup *s)
{
    StrBuf t;
    str_init(&t, a);
    str_printf(&t, "%s authorized: user=%s", s->replication ? "replication connection" : "connection", s->user);
    if (s->database[0])
        str_printf(&t, " database=%s", s->database);
    if (s->application[0])
        str_printf(&t, " application_name=%s", s->application);
    if (wire_conn.ssl)
        str_printf(&t, " SSL enabled (protocol=%s, cipher=%s, bits=%d)", wire_tls_version(), wire_tls_cipher(),
                   wire_tls_bits());
    LOG("%s", t.data);
}

/* Settings of modules above. */
static bool
is_on(Arena *a, const char *setting)
{
    return settings_find_def(setting) && strcmp(settings_get(a, setting, false), "on") == 0;
}

void
wire_authenticate(const WireStartup *s)
{
    Arena *a = arena_create(arena_top(), "authentication");
    const char *log_detail = NULL, *identity = NULL;
    const HbaLine *h = hba_match(s->user, s->database, s->replication && !s->replication_database);
    if (h->method == AUTH_REJECT || h->method == AUTH_IMPLICIT_REJECT)
        reject(h, s);
    require_certificate(h);
    bool ok = run_method(a, h, s->user, &log_detail, &identity);
    if (ok && (h->method == AUTH_CERT || h->clientcert == CERT_FULL))
        ok = check_certificate(h, s->user);
    if (!ok)
        fail(a, h, s->user, log_detail);
    bool log_it = is_on(a, "log_connections");
    if (log_it && identity)
        LOG("connection authenticated: identity=\"%s\" method=%s (%s:%d)", identity, hba_method_name(h->method),
            settings_get(a, "hba_file", false), h->number);
    auth_send_request(0, "", 0);
    check_role(a, s->user);
    wire_conn.auth_deadline_us = 0;
    if (log_it)
        log_authorized(a, s);
    arena_destroy(a);
}
