/* pg_hba.conf and pg_ident.conf, password secrets, and each method against a client written here. */
#include "wire_util.h"

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pwd.h>

static char dir[] = "/tmp/ph_wire_XXXXXX";
static char last_log[1000];

static void
write_file(const char *name, const char *text)
{
    char path[200];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    fputs(text, f);
    fclose(f);
}

static const char *
path_of(const char *name)
{
    static char path[200];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

/* ---- roles, as the catalogs would give them ---- */

static char *secret_scram, *secret_md5;

static bool
find_role(Arena *a, const char *name, AuthRole *out)
{
    *out = (AuthRole){.oid = 10, .can_login = true};
    if (strcmp(name, "scram") == 0)
        out->password = secret_scram;
    else if (strcmp(name, "md5") == 0)
        out->password = secret_md5;
    else if (strcmp(name, "old") == 0)
        out->password = secret_scram, out->expired = true;
    else if (strcmp(name, "group") == 0)
        out->can_login = false;
    else if (strcmp(name, "bare") != 0 && strcmp(name, "joe") != 0)
        return false;
    return true;
}

static bool
is_member(const char *user, const char *role)
{
    return strcmp(user, "joe") == 0 && (strcmp(role, "staff") == 0 || strcmp(role, "joe") == 0);
}

static const uint8_t *
nonce(void)
{
    static const uint8_t bytes[32] = "0123456789abcdef0123456789abcde";
    return bytes;
}

/* ---- pg_hba.conf ---- */

static bool
load_hba(const char *text)
{
    write_file("hba", text);
    Arena *a = arena_create(arena_top(), "hba");
    List *lines = hba_parse(path_of("hba"), a);
    if (lines)
        hba_set_lines(lines, a);
    else
        arena_destroy(a);
    return lines != NULL;
}

static int
match_line(const char *user, const char *database)
{
    return hba_match(user, database, false)->number;
}

static void
from_address(const char *text)
{
    struct sockaddr_in *in = (struct sockaddr_in *)&wire_conn.addr;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&wire_conn.addr;
    wire_conn.local = text == NULL;
    memset(&wire_conn.addr, 0, sizeof(wire_conn.addr));
    if (text && inet_pton(AF_INET, text, &in->sin_addr) == 1)
        in->sin_family = AF_INET;
    else if (text && inet_pton(AF_INET6, text, &in6->sin6_addr) == 1)
        in6->sin6_family = AF_INET6;
}

static void
the_first_line_that_fits_decides(void)
{
    write_file("names", "db1, db2\n\"all\" # a database of that name\n");
    CU_ASSERT(load_hba("# comment\n"
                       "local  sameuser   joe            trust\n"       /* 2 */
                       "local  samerole   all            md5\n"
                       "local  @names     all            peer map=m\n"  /* 4 */
                       "local  \"all\",x  \"joe\", +staff  password\n"
                       "local  replication all           reject\n"      /* 6 */
                       "host   all  all  10.1.2.0/24     scram-sha-256\n"
                       "host   all  all  192.168.0.0 255.255.0.0 trust # mask\n"
                       "host   all  all  ::1/128         trust\n"       /* 9 */
                       "hostssl all all  10.0.0.0/8      md5\n"
                       "host   a,b \\\n  all  samehost   trust\n"       /* 11 */
                       "host   all  ann  all             reject\n"));
    from_address(NULL);
    CU_ASSERT_EQUAL(match_line("joe", "joe"), 2);
    CU_ASSERT_EQUAL(match_line("joe", "staff"), 3);
    CU_ASSERT_EQUAL(match_line("ann", "db2"), 4);
    CU_ASSERT_EQUAL(match_line("ann", "all"), 4);
    CU_ASSERT_EQUAL(match_line("joe", "x"), 5);
    CU_ASSERT_EQUAL(match_line("ann", "x"), 0);
    CU_ASSERT_EQUAL(match_line("ann", "replication"), 0);
    CU_ASSERT_EQUAL(hba_match("ann", "", true)->number, 6);
    CU_ASSERT_STRING_EQUAL(hba_match("ann", "db1", false)->map, "m");
    from_address("10.1.2.77");
    CU_ASSERT_EQUAL(match_line("ann", "x"), 7);
    CU_ASSERT_EQUAL(hba_match("ann", "x", false)->method, AUTH_SCRAM);
    from_address("10.1.3.77");
    CU_ASSERT_EQUAL(match_line("bob", "x"), 0);
    CU_ASSERT_EQUAL(match_line("ann", "x"), 13);
    from_address("192.168.200.1");
    CU_ASSERT_EQUAL(match_line("bob", "x"), 8);
    from_address("::1");
    CU_ASSERT_EQUAL(match_line("bob", "x"), 9);
    from_address("127.0.0.1");
    CU_ASSERT_EQUAL(match_line("bob", "b"), 11);
    CU_ASSERT_EQUAL(match_line("bob", "c"), 0);
}

static void
capture(const ErrReport *r)
{
    snprintf(last_log, sizeof(last_log), "%s | %s", r->message, r->context ? r->context : "");
}

static void
errors_name_file_and_line(void)
{
    static const struct { const char *line, *message; } bad[] = {
        {"remote all all trust", "invalid connection type \"remote\""},
        {"local", "end-of-line before database specification"},
        {"local all", "end-of-line before role specification"},
        {"local all all", "end-of-line before authentication method"},
        {"host all all", "end-of-line before IP address specification"},
        {"host all all 1.2.3.4 trust", "invalid IP mask \"trust\": Name or service not known"},
        {"host all all 1.2.3.4", "end-of-line before netmask specification"},
        {"host all all 1.2.3.4/33 trust", "invalid CIDR mask in address \"1.2.3.4/33\""},
        {"host all all a.b/8 trust", "specifying both host name and CIDR mask is invalid: \"a.b/8\""},
        {"host all all 1.2.3.4 ::1 trust", "IP address and mask do not match"},
        {"local all all magic", "invalid authentication method \"magic\""},
        {"local all all ldap", "invalid authentication method \"ldap\": not supported by this build"},
        {"host all all all peer", "peer authentication is only supported on local sockets"},
        {"host all all all cert", "cert authentication is only supported on hostssl connections"},
        {"local all all trust map=x", "authentication option \"map\" is only valid for authentication methods ident, peer, gssapi, sspi, and cert"},
        {"local all all peer what=x", "unrecognized authentication option name: \"what\""},
        {"local all all peer map", "authentication option not in name=value format: map"},
        {"local a,b all,c trust,md5", "multiple values specified for authentication type"},
    };
    int quiet = open("/dev/null", O_WRONLY), saved = dup(2);
    from_address(NULL);
    CU_ASSERT(load_hba("local all all trust\n"));
    err_client_hook = capture;
    client_min_messages = LEVEL_LOG;
    dup2(quiet, 2);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        char text[300], expected[400];
        snprintf(text, sizeof(text), "local all all trust\n\n%s\n", bad[i].line);
        CU_ASSERT_FALSE(load_hba(text));
        snprintf(expected, sizeof(expected), "%s | line 3 of configuration file \"%s\"", bad[i].message, path_of("hba"));
        CU_ASSERT_STRING_EQUAL(last_log, expected);
    }
    CU_ASSERT_FALSE(load_hba("# nothing\n"));
    CU_ASSERT_FALSE(load_hba("local @absent all trust\n"));
    dup2(saved, 2);
    err_client_hook = NULL;
    client_min_messages = LEVEL_NOTICE;
    CU_ASSERT_EQUAL(match_line("ann", "x"), 1); /* the old lines still hold */
}

static void
ident_maps(void)
{
    int quiet = open("/dev/null", O_WRONLY), saved = dup(2);
    dup2(quiet, 2);
    write_file("ident", "m  root  joe\nm \"a b\" ann\n# x\nm /^(.*)@x\\.org$ \\1\nm /^admin pre_\\1_post\nn root bob\n");
    CU_ASSERT(ident_load(path_of("ident")));
    CU_ASSERT(ident_check("m", "joe", "root"));
    CU_ASSERT(ident_check("m", "ann", "a b"));
    CU_ASSERT_FALSE(ident_check("m", "bob", "root"));
    CU_ASSERT(ident_check("n", "bob", "root"));
    CU_ASSERT(ident_check("m", "kim", "kim@x.org"));
    CU_ASSERT_FALSE(ident_check("m", "kim", "kim@xyorg"));
    CU_ASSERT_FALSE(ident_check("m", "kim", "jim@x.org"));
    CU_ASSERT_FALSE(ident_check("absent", "joe", "root"));
    CU_ASSERT(ident_check(NULL, "joe", "joe"));
    CU_ASSERT_FALSE(ident_check(NULL, "joe", "root"));
    write_file("ident", "m root\n");
    CU_ASSERT_FALSE(ident_load(path_of("ident")));
    write_file("ident", "m /( joe\n");
    CU_ASSERT_FALSE(ident_load(path_of("ident")));
    CU_ASSERT(ident_check("m", "joe", "root"));
    dup2(saved, 2);
}

/* ---- secrets ---- */

static void
secrets(void)
{
    Arena *a = arena_create(arena_top(), "test");
    unsigned char salt[16];
    CU_ASSERT_STRING_EQUAL(password_encrypt(a, "postgres", "foo", "md5"), "md5128f0d64bfb424d132c3305b3057281c");
    /* RFC 7677, section 3: user, pencil */
    CU_ASSERT_EQUAL(base64_decode("W22ZaJ0SNY7soEsUEjb6gQ==", 24, salt), 16);
    CU_ASSERT_STRING_EQUAL(scram_secret(a, "pencil", salt, 16, 4096),
                           "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
                           "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=");
    char *s = password_encrypt(a, "joe", "s\303\251same", "scram-sha-256");
    CU_ASSERT_EQUAL(password_kind(s), 2);
    CU_ASSERT(scram_verify_plain(a, s, "s\303\251same"));
    CU_ASSERT(scram_verify_plain(a, s, "se\314\201same")); /* the same after normalisation */
    CU_ASSERT_FALSE(scram_verify_plain(a, s, "sesame"));
    CU_ASSERT_STRING_EQUAL(password_encrypt(a, "joe", s, "md5"), s);
    CU_ASSERT_EQUAL(password_kind("md511dda44eb52ad75dd4bbfa9c6e84bd3d"), 1);
    CU_ASSERT_EQUAL(password_kind("md511dda44eb52ad75dd4bbfa9c6e84bd3"), 0);
    CU_ASSERT_EQUAL(password_kind("SCRAM-SHA-256$4096:!$x:y"), 0);
    CU_ASSERT_STRING_EQUAL(scram_prepare_password(a, "I\302\255X"), "IX");       /* RFC 4013, section 3 */
    CU_ASSERT_STRING_EQUAL(scram_prepare_password(a, "\342\205\250"), "IX");
    CU_ASSERT_STRING_EQUAL(scram_prepare_password(a, "\007"), "\007");
    arena_destroy(a);
}

static void
base64_round_trips(void)
{
    for (int n = 0; n < 70; n++) {
        unsigned char raw[80], back[80];
        char text[120];
        secure_random(raw, sizeof(raw));
        int len = base64_encode(raw, n, text);
        CU_ASSERT_EQUAL(len, (n + 2) / 3 * 4);
        CU_ASSERT_EQUAL(base64_decode(text, len, back), n);
        CU_ASSERT_EQUAL(memcmp(raw, back, (size_t)n), 0);
    }
    unsigned char out[8];
    CU_ASSERT_EQUAL(base64_decode("abc", 3, out), -1);
    CU_ASSERT_EQUAL(base64_decode("a=bc", 4, out), -1);
    CU_ASSERT_EQUAL(base64_decode("ab\0d", 4, out), -1);
    CU_ASSERT_EQUAL(base64_decode("=AAA", 4, out), -1);
}

/* ---- exchanges ---- */

static void
serve_auth(void *arg)
{
    WireStartup s = {.user = arg, .database = "d", .application = ""};
    wire_authenticate(&s);
    wire_send_ready('I');
}

static uint32_t
auth_code(void)
{
    return load_be32(client_body);
}

/* The answer to what the client sent last: ok, or the error as SQLSTATE message. */
static const char *
outcome(Client *c)
{
    static char text[300];
    int type = client_message(c);
    if (type == 'E')
        snprintf(text, sizeof(text), "%s %s", client_error_field('C'), client_error_field('M'));
    else if (type == 'R' && auth_code() == 0 && client_message(c) == 'Z')
        snprintf(text, sizeof(text), "ok");
    else
        snprintf(text, sizeof(text), "type %d", type);
    client_end(c);
    return text;
}

static void
send_p(Client *c, const void *body, size_t n)
{
    char m[2000];
    client_send(c, m, put_message(m, 'p', body, n));
}

static void
hmac(const void *key, const void *p, size_t n, unsigned char out[32])
{
    unsigned len;
    HMAC(EVP_sha256(), key, 32, p, n, out, &len);
}

/* The proof as RFC 5802 has it, computed independently of scram.c's server side. */
static void
client_proof(const char *password, const char *server_first, const char *auth_message, char out[64],
             char server_signature[64])
{
    unsigned char salt[64], salted[32], client_key[32], stored[32], signature[32], proof[32], server_key[32];
    const char *s = strstr(server_first, ",s=") + 3, *i = strstr(s, ",i=");
    int n = base64_decode(s, (int)(i - s), salt);
    PKCS5_PBKDF2_HMAC(password, (int)strlen(password), salt, n, atoi(i + 3), EVP_sha256(), 32, salted);
    hmac(salted, "Client Key", 10, client_key);
    EVP_Digest(client_key, 32, stored, NULL, EVP_sha256(), NULL);
    hmac(stored, auth_message, strlen(auth_message), signature);
    for (int k = 0; k < 32; k++)
        proof[k] = client_key[k] ^ signature[k];
    base64_encode(proof, 32, out);
    hmac(salted, "Server Key", 10, server_key);
    hmac(server_key, auth_message, strlen(auth_message), signature);
    base64_encode(signature, 32, server_signature);
}

typedef struct Twist { const char *gs2, *binding, *mechanism; bool bad_nonce, short_proof, garbage; } Twist;
static const Twist straight = {"n,,", "biws", "SCRAM-SHA-256", false, false, false};

static size_t
initial_response(char *out, const Twist *t, const char *bare)
{
    size_t n = strlen(t->mechanism) + 1;
    memcpy(out, t->mechanism, n);
    int len = sprintf(out + n + 4, "%s%s", t->gs2, bare);
    store_be32(out + n, (uint32_t)len);
    return n + 4 + (size_t)len;
}

static const char *
scram_login(const char *user, const char *password, Twist t)
{
    static const char bare[] = "n=,r=clientnonce";
    char m[1000], first[300], without_proof[400], auth_message[1000], proof[64], expected[64];
    Client c = client_start(serve_auth, (void *)(uintptr_t)user);
    if (client_message(&c) != 'R' || auth_code() != 10 || strcmp(client_body + 4, "SCRAM-SHA-256") != 0)
        return client_end(&c), "no SASL request";
    send_p(&c, m, initial_response(m, &t, bare));
    int type = client_message(&c);
    if (type == 'E') {
        static char text[300];
        snprintf(text, sizeof(text), "%s %s", client_error_field('C'), client_error_field('M'));
        return client_end(&c), text;
    }
    if (type != 'R' || auth_code() != 11)
        return client_end(&c), "no continuation";
    snprintf(first, sizeof(first), "%.299s", client_body + 4);
    snprintf(without_proof, sizeof(without_proof), "c=%s,%.*s%s", t.binding, (int)(strchr(first, ',') - first), first,
             t.bad_nonce ? "x" : "");
    snprintf(auth_message, sizeof(auth_message), "%s,%s,%s", bare, first, without_proof);
    client_proof(password, first, auth_message, proof, expected);
    if (t.short_proof)
        proof[8] = '\0';
    int n = snprintf(m, sizeof(m), "%s,p=%s%s", without_proof, proof, t.garbage ? ",x=y" : "");
    send_p(&c, m, (size_t)n);
    type = client_message(&c);
    if (type == 'R' && auth_code() == 12) {
        if (strncmp(client_body + 4, "v=", 2) != 0 || strcmp(client_body + 6, expected) != 0)
            return client_end(&c), "the server's proof is wrong";
        return outcome(&c);
    }
    static char text[300];
    snprintf(text, sizeof(text), "%s %s", client_error_field('C'), client_error_field('M'));
    client_end(&c);
    return text;
}

static void
scram_exchange(void)
{
    static const char refused[] = "28P01 password authentication failed for user \"%s\"";
    char text[100];
    Twist t;
    load_hba("local all all scram-sha-256\n");
    CU_ASSERT_STRING_EQUAL(scram_login("scram", "secret", straight), "ok");
    const char *const names[] = {"scram", "md5", "old", "bare", "nobody"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        snprintf(text, sizeof(text), refused, names[i]);
        CU_ASSERT_STRING_EQUAL(scram_login(names[i], i == 0 ? "Secret" : "secret", straight), text);
    }
    t = straight, t.gs2 = "y,,", t.binding = "eSws";
    CU_ASSERT_STRING_EQUAL(scram_login("scram", "secret", t), "ok");
    t = straight, t.binding = "eSws";
    CU_ASSERT_STRING_EQUAL(scram_login("scram", "secret", t),
                           "08P01 unexpected SCRAM channel-binding attribute in client-final-message");
    t = straight, t.gs2 = "p=tls-server-end-point,,";
    CU_ASSERT_STRING_EQUAL(scram_login("scram", "secret", t), "08P01 malformed SCRAM message");
    t = straight, t.gs2 = "n,a=x,";
    CU_ASSERT_STRING_EQUAL(scram_login("scram", "secret", t),
                           "0A000 client uses authorization identity, but it is not supported");
    t = straight, t.mechanism = "SCRAM-SHA-256-PLUS";
    CU_ASSERT_STRING_EQUAL(scram_login("scram", "secret", t),
                           "08P01 client selected an invalid SASL authentication mechanism");
    t = straight, t.bad_nonce = true;
    CU_ASSERT_STRING_EQUAL(scram_login("scram", "secret", t), "08P01 invalid SCRAM response");
    t = straight, t.short_proof = true;
    CU_ASSERT_STRING_EQUAL(scram_login("scram", "secret", t), "08P01 malformed SCRAM message");
    t = straight, t.garbage = true;
    CU_ASSERT_STRING_EQUAL(scram_login("scram", "secret", t), "08P01 malformed SCRAM message");
}

/* Whatever bytes a client sends, the answer is an error or the end, never a crash. */
static void
scram_survives_garbage(void)
{
    unsigned seed = 7;
    load_hba("local all all scram-sha-256\n");
    for (int i = 0; i < 300; i++) {
        static const char bits[] = "nyp,=ra*c\0SCRAM-SHA-256xi4";
        char m[100];
        size_t n = 0, extra = (size_t)(rand_r(&seed) % 30);
        if (i % 3) {
            Twist t = straight;
            t.gs2 = "";
            n = initial_response(m, &t, "");
            store_be32(m + n - 4, (uint32_t)extra);
        }
        for (size_t k = 0; k < extra; k++)
            m[n++] = bits[(size_t)rand_r(&seed) % sizeof(bits)];
        Client c = client_start(serve_auth, "scram");
        client_message(&c);
        send_p(&c, m, n);
        send_p(&c, m, n);
        int type;
        while ((type = client_message(&c)) != 0 && type != 'E')
            CU_ASSERT(type == 'R' && auth_code() == 11);
        int status = client_end(&c);
        CU_ASSERT(WIFEXITED(status));
    }
}

static const char *
password_login(const char *user, const char *password)
{
    Client c = client_start(serve_auth, (void *)(uintptr_t)user);
    if (client_message(&c) != 'R')
        return client_end(&c), "no request";
    if (auth_code() == 5) {
        char inner[33], outer[33], answer[40];
        unsigned char salt[4];
        memcpy(salt, client_body + 4, 4);
        md5_hex(password, strlen(password), user, strlen(user), inner);
        md5_hex(inner, 32, salt, 4, outer);
        snprintf(answer, sizeof(answer), "md5%s", outer);
        send_p(&c, answer, 36);
    } else if (auth_code() == 3) {
        send_p(&c, password, strlen(password) + 1);
    } else {
        return client_end(&c), "another method";
    }
    return outcome(&c);
}

static void
md5_and_clear_passwords(void)
{
    load_hba("local all all md5\n");
    CU_ASSERT_STRING_EQUAL(password_login("md5", "secret"), "ok");
    CU_ASSERT_STRING_EQUAL(password_login("md5", "x"), "28P01 password authentication failed for user \"md5\"");
    CU_ASSERT_STRING_EQUAL(password_login("scram", "secret"), "another method"); /* SCRAM, for its secret is one */
    CU_ASSERT_STRING_EQUAL(scram_login("scram", "secret", straight), "ok");
    load_hba("local all all password\n");
    CU_ASSERT_STRING_EQUAL(password_login("md5", "secret"), "ok");
    CU_ASSERT_STRING_EQUAL(password_login("scram", "secret"), "ok");
    CU_ASSERT_STRING_EQUAL(password_login("scram", "x"), "28P01 password authentication failed for user \"scram\"");
    CU_ASSERT_STRING_EQUAL(password_login("old", "secret"), "28P01 password authentication failed for user \"old\"");
    CU_ASSERT_STRING_EQUAL(password_login("nobody", "x"), "28P01 password authentication failed for user \"nobody\"");
    CU_ASSERT_STRING_EQUAL(password_login("scram", ""), "28P01 empty password returned by client");
    Client c = client_start(serve_auth, "scram");
    client_message(&c);
    send_p(&c, "a\0b", 4);
    CU_ASSERT_STRING_EQUAL(outcome(&c), "08P01 invalid password packet size");
    c = client_start(serve_auth, "scram");
    client_message(&c);
    client_send(&c, "Q\0\0\0\5", 6);
    CU_ASSERT_STRING_EQUAL(outcome(&c), "08P01 expected password response, got message type 81");
}

static const char *
plain_login(const char *user)
{
    Client c = client_start(serve_auth, (void *)(uintptr_t)user);
    return outcome(&c);
}

static void
trust_reject_peer(void)
{
    char line[300], me[100];
    load_hba("local d joe,nobody,group trust\nlocal all bare reject\n");
    CU_ASSERT_STRING_EQUAL(plain_login("joe"), "ok");
    CU_ASSERT_STRING_EQUAL(plain_login("bare"),
                           "28000 pg_hba.conf rejects connection for host \"[local]\", user \"bare\", database \"d\", no encryption");
    CU_ASSERT_STRING_EQUAL(plain_login("md5"),
                           "28000 no pg_hba.conf entry for host \"[local]\", user \"md5\", database \"d\", no encryption");
    Client c = client_start(serve_auth, "nobody"); /* trust comes before the role is looked for */
    CU_ASSERT_EQUAL(client_message(&c), 'R');
    CU_ASSERT_STRING_EQUAL(outcome(&c), "28000 role \"nobody\" does not exist");
    c = client_start(serve_auth, "group");
    CU_ASSERT_EQUAL(client_message(&c), 'R');
    CU_ASSERT_STRING_EQUAL(outcome(&c), "28000 role \"group\" is not permitted to log in");
    snprintf(me, sizeof(me), "%s", getpwuid(geteuid())->pw_name);
    snprintf(line, sizeof(line), "m %s joe\n", me);
    write_file("ident", line);
    CU_ASSERT(ident_load(path_of("ident")));
    load_hba("local all joe peer map=m\nlocal all all peer\n");
    CU_ASSERT_STRING_EQUAL(plain_login("joe"), "ok");
    CU_ASSERT_STRING_EQUAL(plain_login("bare"), "28000 Peer authentication failed for user \"bare\"");
}

int
main(void)
{
    test_boot();
    if (mkdtemp(dir) == NULL)
        return 1;
    auth_lookups = (AuthLookups){find_role, is_member, nonce};
    secret_scram = password_encrypt(arena_top(), "scram", "secret", "scram-sha-256");
    secret_md5 = password_encrypt(arena_top(), "md5", "secret", "md5");
    CU_initialize_registry();
    CU_pSuite s = CU_add_suite("wire_auth", NULL, NULL);
    CU_add_test(s, "the first line that fits decides", the_first_line_that_fits_decides);
    CU_add_test(s, "errors name file and line", errors_name_file_and_line);
    CU_add_test(s, "ident maps", ident_maps);
    CU_add_test(s, "secrets", secrets);
    CU_add_test(s, "base64 round trips", base64_round_trips);
    CU_add_test(s, "scram exchange", scram_exchange);
    CU_add_test(s, "scram survives garbage", scram_survives_garbage);
    CU_add_test(s, "md5 and clear passwords", md5_and_clear_passwords);
    CU_add_test(s, "trust, reject, peer", trust_reject_peer);
    CU_basic_set_mode(CU_BRM_NORMAL);
    CU_basic_run_tests();
    unsigned failed = CU_get_number_of_failures();
    CU_cleanup_registry();
    char command[100];
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command) != 0 || failed ? 1 : 0;
}
