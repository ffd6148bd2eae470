/*
 * pg_hba.conf: who may connect from where, and how he must prove it. Parsed in the postmaster at start and
 * on reload, and by each process that serves sessions on reload; a file with an error anywhere changes
 * nothing. The lines live in an arena of their own, replaced as a whole.
 */
#include "core/wire/wire_internal.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/settings.h"
#include "core/wire/tls_internal.h"

static Arena *current_arena;
static List *current_lines;
static bool stale; /* a reload came while a session was served */

typedef struct Method { const char *name; int method; } Method; /* -1: not in this build */
static const Method methods[] = {
    {"trust", AUTH_TRUST}, {"reject", AUTH_REJECT}, {"scram-sha-256", AUTH_SCRAM}, {"md5", AUTH_MD5},
    {"password", AUTH_PASSWORD}, {"peer", AUTH_PEER}, {"ident", AUTH_IDENT}, {"cert", AUTH_CERT},
    {"gss", -1}, {"sspi", -1}, {"ldap", -1}, {"pam", -1}, {"radius", -1}, {"bsd", -1},
};

const char *
hba_method_name(HbaMethod m)
{
    for (size_t i = 0; i < COUNT_OF(methods); i++)
        if (methods[i].method == (int)m)
            return methods[i].name;
    return "unknown";
}

/* ---- one line ---- */

typedef struct Parse {
    Arena *arena;
    const TokenLine *line;
    const char *path;
    int field;
    HbaLine *out;
} Parse;

#define COMPLAIN(p, ...)                                                                             \
    do {                                                                                             \
        REPORT(LEVEL_LOG, SQLSTATE_CONFIG_FILE_ERROR, err_message(__VA_ARGS__),                      \
               err_context("line %d of configuration file \"%s\"", (p)->line->number, (p)->path));   \
        return false;                                                                                \
    } while (0)

static List *
take_field(Parse *p)
{
    return p->field < list_count(p->line->fields) ? list_at(p->line->fields, p->field++) : NULL;
}

static HbaToken *
first_token(const List *field)
{
    return list_at(field, 0);
}

static bool
parse_type(Parse *p)
{
    static const char *const names[] = {"local", "host", "hostssl", "hostnossl", "hostgssenc", "hostnogssenc"};
    List *f = take_field(p);
    if (list_count(f) > 1)
        COMPLAIN(p, "multiple values specified for connection type");
    const char *name = first_token(f)->text;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (strcmp(name, names[i]) == 0) {
            p->out->type = (HbaType)i;
            if (i == HBA_HOSTSSL && !ssl_on)
                REPORT(LEVEL_LOG, SQLSTATE_CONFIG_FILE_ERROR,
                       err_message("hostssl record cannot match because SSL is disabled"),
                       err_hint("Set ssl = on in postgresql.conf."),
                       err_context("line %d of configuration file \"%s\"", p->line->number, p->path));
            if (i == HBA_HOSTGSSENC)
                REPORT(LEVEL_LOG, SQLSTATE_CONFIG_FILE_ERROR,
                       err_message("hostgssenc record cannot match because GSSAPI is not supported by this build"),
                       err_context("line %d of configuration file \"%s\"", p->line->number, p->path));
            return true;
        }
    COMPLAIN(p, "invalid connection type \"%s\"", name);
}

static bool
parse_ip(const char *text, int *family, unsigned char out[16], int *error)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *res;
    *error = getaddrinfo(text, NULL, &hints, &res);
    if (*error)
        return false;
    *family = res->ai_family;
    memset(out, 0, 16);
    if (res->ai_family == AF_INET)
        memcpy(out, &((struct sockaddr_in *)res->ai_addr)->sin_addr, 4);
    else
        memcpy(out, &((struct sockaddr_in6 *)res->ai_addr)->sin6_addr, 16);
    freeaddrinfo(res);
    return true;
}

static bool
parse_cidr(HbaLine *out, const char *bits)
{
    char *end;
    long n = strtol(bits, &end, 10);
    long max = out->family == AF_INET ? 32 : 128;
    if (*bits == '\0' || *end || n < 0 || n > max)
        return false;
    memset(out->mask, 0, sizeof(out->mask));
    for (long i = 0; i < n; i++)
        out->mask[i / 8] |= (unsigned char)(0x80 >> i % 8);
    return true;
}

static bool
parse_netmask(Parse *p)
{
    int family, error;
    HbaLine *out = p->out;
    List *f = take_field(p);
    if (f == NULL) {
        REPORT(LEVEL_LOG, SQLSTATE_CONFIG_FILE_ERROR, err_message("end-of-line before netmask specification"),
               err_hint("Specify an address range in CIDR notation, or provide a separate netmask."),
               err_context("line %d of configuration file \"%s\"", p->line->number, p->path));
        return false;
    }
    if (list_count(f) > 1)
        COMPLAIN(p, "multiple values specified for netmask");
    const char *text = first_token(f)->text;
    if (!parse_ip(text, &family, out->mask, &error))
        COMPLAIN(p, "invalid IP mask \"%s\": %s", text, gai_strerror(error));
    if (family != out->family)
        COMPLAIN(p, "IP address and mask do not match");
    return true;
}

static bool
parse_address(Parse *p)
{
    HbaLine *out = p->out;
    List *f = take_field(p);
    int error;
    if (f == NULL)
        COMPLAIN(p, "end-of-line before IP address specification");
    if (list_count(f) > 1)
        COMPLAIN(p, "multiple values specified for host address");
    HbaToken *t = first_token(f);
    if (!t->quoted && strcmp(t->text, "all") == 0) {
        out->addr_kind = ADDR_ALL;
        return true;
    }
    if (!t->quoted && (strcmp(t->text, "samehost") == 0 || strcmp(t->text, "samenet") == 0)) {
        out->addr_kind = strcmp(t->text, "samehost") == 0 ? ADDR_SAMEHOST : ADDR_SAMENET;
        return true;
    }
    char *text = arena_strdup(p->arena, t->text), *slash = strchr(text, '/');
    if (slash)
        *slash = '\0';
    out->addr_kind = ADDR_IP;
    if (!parse_ip(text, &out->family, out->addr, &error)) {
        if (error != EAI_NONAME)
            COMPLAIN(p, "invalid IP address \"%s\": %s", text, gai_strerror(error));
        out->addr_kind = ADDR_HOSTNAME;
        out->hostname = text;
    }
    if (slash && out->addr_kind == ADDR_HOSTNAME)
        COMPLAIN(p, "specifying both host name and CIDR mask is invalid: \"%s\"", t->text);
    if (slash && !parse_cidr(out, slash + 1))
        COMPLAIN(p, "invalid CIDR mask in address \"%s\"", t->text);
    return slash || out->addr_kind == ADDR_HOSTNAME || parse_netmask(p);
}

static bool
parse_method(Parse *p)
{
    HbaLine *out = p->out;
    List *f = take_field(p);
    if (f == NULL)
        COMPLAIN(p, "end-of-line before authentication method");
    if (list_count(f) > 1)
        COMPLAIN(p, "multiple values specified for authentication type");
    const char *name = first_token(f)->text;
    size_t i = 0;
    while (i < COUNT_OF(methods) && strcmp(methods[i].name, name) != 0)
        i++;
    if (i == COUNT_OF(methods))
        COMPLAIN(p, "invalid authentication method \"%s\"", name);
    if (methods[i].method < 0)
        COMPLAIN(p, "invalid authentication method \"%s\": not supported by this build", name);
    out->method = (HbaMethod)methods[i].method;
    if (out->method == AUTH_IDENT && out->type == HBA_LOCAL)
        out->method = AUTH_PEER; /* as ever: ident over a Unix socket means peer */
    if (out->method == AUTH_IDENT)
        COMPLAIN(p, "invalid authentication method \"%s\": not supported by this build", name);
    if (out->method == AUTH_PEER && out->type != HBA_LOCAL)
        COMPLAIN(p, "peer authentication is only supported on local sockets");
    if (out->method == AUTH_CERT && out->type != HBA_HOSTSSL)
        COMPLAIN(p, "cert authentication is only supported on hostssl connections");
    if (out->method == AUTH_CERT)
        out->clientcert = CERT_FULL;
    return true;
}

static bool
parse_option(Parse *p, const char *name, const char *value)
{
    HbaLine *out = p->out;
    if (strcmp(name, "map") == 0) {
        if (out->method != AUTH_PEER && out->method != AUTH_IDENT && out->method != AUTH_CERT)
            COMPLAIN(p, "authentication option \"%s\" is only valid for authentication methods %s", "map",
                     "ident, peer, gssapi, sspi, and cert");
        out->map = arena_strdup(p->arena, value);
    } else if (strcmp(name, "clientcert") == 0) {
        if (out->type != HBA_HOSTSSL)
            COMPLAIN(p, "clientcert can only be configured for \"hostssl\" rows");
        if (strcmp(value, "verify-full") == 0) {
            out->clientcert = CERT_FULL;
        } else if (strcmp(value, "verify-ca") == 0) {
            if (out->method == AUTH_CERT)
                COMPLAIN(p, "clientcert only accepts \"verify-full\" when using \"cert\" authentication");
            out->clientcert = CERT_CA;
        } else {
            COMPLAIN(p, "invalid value for clientcert: \"%s\"", value);
        }
    } else if (strcmp(name, "clientname") == 0) {
        if (out->type != HBA_HOSTSSL)
            COMPLAIN(p, "clientname can only be configured for \"hostssl\" rows");
        if (strcmp(value, "CN") != 0 && strcmp(value, "DN") != 0)
            COMPLAIN(p, "invalid value for clientname: \"%s\"", value);
        out->cert_dn = value[0] == 'D';
    } else {
        COMPLAIN(p, "unrecognized authentication option name: \"%s\"", name);
    }
    return true;
}

static bool
parse_options(Parse *p)
{
    List *f;
    while ((f = take_field(p)) != NULL)
        for (int i = 0; i < list_count(f); i++) {
            char *text = arena_strdup(p->arena, ((HbaToken *)list_at(f, i))->text), *eq = strchr(text, '=');
            if (eq == NULL)
                COMPLAIN(p, "authentication option not in name=value format: %s", text);
            *eq = '\0';
            if (!parse_option(p, text, eq + 1))
                return false;
        }
    return true;
}

bool
hba_parse_line(Arena *a, const TokenLine *t, const char *path, HbaLine *out)
{
    Parse p = {.arena = a, .line = t, .path = path, .out = out};
    memset(out, 0, sizeof(*out));
    out->number = t->number;
    out->text = t->text;
    if (t->error)
        return false; /* said already */
    if (!parse_type(&p))
        return false;
    out->databases = take_field(&p);
    if (out->databases == NULL)
        COMPLAIN(&p, "end-of-line before database specification");
    out->users = take_field(&p);
    if (out->users == NULL)
        COMPLAIN(&p, "end-of-line before role specification");
    if (out->type != HBA_LOCAL && !parse_address(&p))
        return false;
    return parse_method(&p) && parse_options(&p);
}

/* ---- the file ---- */

List *
hba_parse(const char *path, Arena *a)
{
    List *tokens = list_new(a), *lines = list_new(a);
    bool ok = true;
    if (!hba_tokenize(path, a, tokens))
        return NULL;
    LIST_FOREACH(TokenLine, t, tokens) {
        HbaLine *line = ARENA_NEW(a, HbaLine);
        if (hba_parse_line(a, t, path, line)) /* all errors are told, not only the first */
            list_push(lines, line);
        else
            ok = false;
    }
    if (ok && list_count(lines) == 0) {
        REPORT(LEVEL_LOG, SQLSTATE_CONFIG_FILE_ERROR, err_message("configuration file \"%s\" contains no entries", path));
        ok = false;
    }
    return ok ? lines : NULL;
}

void
hba_set_lines(List *lines, Arena *a)
{
    if (current_arena)
        arena_destroy(current_arena);
    current_arena = a;
    current_lines = lines;
}

/* A path as a setting gives it; a server process's working directory is the data directory. */
static const char *
path_of(Arena *a, const char *setting, const char *usual)
{
    const char *path = settings_find_def(setting) ? settings_get(a, setting, true) : NULL;
    return path && *path ? path : usual;
}

bool
wire_load_hba(bool reload)
{
    if (reload && wire_conn.fd >= 0) { /* nobody authenticates here before the next wire_init */
        stale = true;
        return true;
    }
    stale = false;
    Arena *a = arena_create(arena_top(), "pg_hba.conf");
    const char *hba_path = path_of(a, "hba_file", "pg_hba.conf");
    const char *ident_path = path_of(a, "ident_file", "pg_ident.conf");
    List *lines = hba_parse(hba_path, a);
    bool ident_ok = ident_load(ident_path);
    if (lines)
        hba_set_lines(lines, a);
    else
        arena_destroy(a);
    bool tls_ok = wire_load_tls(reload);
    /* At start a bad pg_ident.conf is told and does without; only pg_hba.conf is indispensable. */
    return lines != NULL && ((ident_ok && tls_ok) || !reload);
}

void
hba_reload_if_stale(void)
{
    if (!stale)
        return;
    int fd = wire_conn.fd;
    wire_conn.fd = -1;
    wire_load_hba(true);
    wire_conn.fd = fd;
}

/* ---- matching ---- */

static bool
is_keyword(const HbaToken *t, const char *word)
{
    return !t->quoted && strcmp(t->text, word) == 0;
}

static bool
match_database(const List *tokens, const char *user, const char *database, bool replication)
{
    LIST_FOREACH(HbaToken, t, tokens) {
        if (replication) { /* only by its keyword */
            if (is_keyword(t, "replication"))
                return true;
        } else if (is_keyword(t, "all")) {
            return true;
        } else if (is_keyword(t, "sameuser")) {
            if (strcmp(user, database) == 0)
                return true;
        } else if (is_keyword(t, "samerole") || is_keyword(t, "samegroup")) {
            if (auth_lookups.member(user, database))
                return true;
        } else if (!is_keyword(t, "replication") && strcmp(t->text, database) == 0) {
            return true;
        }
    }
    return false;
}

static bool
match_user(const List *tokens, const char *user)
{
    LIST_FOREACH(HbaToken, t, tokens) {
        if (!t->quoted && t->text[0] == '+') {
            if (auth_lookups.member(user, t->text + 1))
                return true;
        } else if (is_keyword(t, "all") || strcmp(t->text, user) == 0) {
            return true;
        }
    }
    return false;
}

static bool
match_type(const HbaLine *h)
{
    if (wire_conn.local)
        return h->type == HBA_LOCAL;
    switch (h->type) {
    case HBA_HOST:
    case HBA_HOSTNOGSSENC:
        return true;
    case HBA_HOSTSSL:
        return wire_conn.ssl != NULL;
    case HBA_HOSTNOSSL:
        return wire_conn.ssl == NULL;
    default:
        return false;
    }
}

const HbaLine *
hba_match(const char *user, const char *database, bool replication)
{
    static const HbaLine none = {.method = AUTH_IMPLICIT_REJECT, .text = "", .number = 0};
    LIST_FOREACH(HbaLine, h, current_lines)
        if (match_type(h) && (h->type == HBA_LOCAL || hba_match_address(h)) &&
            match_database(h->databases, user, database, replication) && match_user(h->users, user))
            return h;
    return &none;
}
