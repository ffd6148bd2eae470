/* The settings of connections, authentication and TLS. */
#include "core/wire/wire_internal.h"

#include <netinet/tcp.h>

#include "core/base/settings.h"
#include "core/sql/command/command.h"
#include "core/wire/tls_internal.h"

int tcp_keepalives_idle, tcp_keepalives_interval, tcp_keepalives_count, tcp_user_timeout;
int authentication_timeout = 60;
int password_encryption = 2;
bool db_user_namespace, log_hostname;
static bool krb_caseins_users;
static char *krb_server_keyfile;

static const SettingEnum password_methods[] = {{"md5", 1, false}, {"scram-sha-256", 2, false}, {NULL, 0, false}};
static const SettingEnum tls_versions[] = {
    {"", 0, false},        {"TLSv1", 0x0301, false},   {"TLSv1.1", 0x0302, false},
    {"TLSv1.2", 0x0303, false}, {"TLSv1.3", 0x0304, false}, {NULL, 0, false},
};
/* The same without "no limit". */
#define TLS_MIN_VERSIONS (tls_versions + 1)

/* The socket in use gets the new value at once, as SET tcp_keepalives_idle promises. */
static void
assign_tcp(const SettingDef *def)
{
    int option = def->variable == &tcp_keepalives_idle       ? TCP_KEEPIDLE
                 : def->variable == &tcp_keepalives_interval ? TCP_KEEPINTVL
                 : def->variable == &tcp_keepalives_count    ? TCP_KEEPCNT
                                                             : TCP_USER_TIMEOUT;
    int value = *(int *)def->variable;
    if (wire_conn.fd >= 0 && !wire_conn.local && value > 0)
        setsockopt(wire_conn.fd, IPPROTO_TCP, option, &value, sizeof(value));
}

static const char *
show_tcp(Arena *a, int option, int value)
{
    socklen_t len = sizeof(value);
    if (wire_conn.fd >= 0 && wire_conn.local)
        value = 0;
    else if (wire_conn.fd >= 0)
        getsockopt(wire_conn.fd, IPPROTO_TCP, option, &value, &len);
    return arena_printf(a, "%d", value);
}

static const char *
show_idle(Arena *a)
{
    return show_tcp(a, TCP_KEEPIDLE, tcp_keepalives_idle);
}

static const char *
show_interval(Arena *a)
{
    return show_tcp(a, TCP_KEEPINTVL, tcp_keepalives_interval);
}

static const char *
show_count(Arena *a)
{
    return show_tcp(a, TCP_KEEPCNT, tcp_keepalives_count);
}

static const char *
show_user_timeout(Arena *a)
{
    return show_tcp(a, TCP_USER_TIMEOUT, tcp_user_timeout);
}

#define TCP "Connections and Authentication / TCP Settings"
#define AUTH "Connections and Authentication / Authentication"
#define SSL "Connections and Authentication / SSL"
#define WHAT "Reporting and Logging / What to Log"

static const SettingDef defs[] = {
    {.name = "authentication_timeout", .type = SETTING_INT, .context = CONTEXT_SIGHUP, .unit = UNIT_S, .group = AUTH,
     .description = "The longest time a client may take to authenticate.", .variable = &authentication_timeout,
     .boot = "60", .min = 1, .max = 600},
    {.name = "password_encryption", .type = SETTING_ENUM, .context = CONTEXT_USER, .group = AUTH,
     .description = "How CREATE ROLE and ALTER ROLE keep a password.", .variable = &password_encryption,
     .boot = "scram-sha-256", .options = password_methods},
    {.name = "db_user_namespace", .type = SETTING_BOOL, .context = CONTEXT_SIGHUP, .group = AUTH,
     .description = "Roles belong to one database: user@database.", .variable = &db_user_namespace, .boot = "off"},
    {.name = "krb_caseins_users", .type = SETTING_BOOL, .context = CONTEXT_SIGHUP, .group = AUTH,
     .description = "Kerberos user names ignore case; there is no Kerberos support.",
     .variable = &krb_caseins_users, .boot = "off"},
    {.name = "krb_server_keyfile", .type = SETTING_STRING, .context = CONTEXT_SIGHUP, .flags = SETTING_HIDDEN_VALUE,
     .group = AUTH, .description = "Kerberos key file; there is no Kerberos support.",
     .variable = &krb_server_keyfile, .boot = ""},
    {.name = "tcp_keepalives_idle", .type = SETTING_INT, .context = CONTEXT_USER, .unit = UNIT_S, .group = TCP,
     .description = "Seconds of silence before a keepalive is sent; 0: the system's.",
     .variable = &tcp_keepalives_idle, .boot = "0", .min = 0, .max = 2147483647, .assign = assign_tcp,
     .show = show_idle},
    {.name = "tcp_keepalives_interval", .type = SETTING_INT, .context = CONTEXT_USER, .unit = UNIT_S, .group = TCP,
     .description = "Seconds between keepalives; 0: the system's.", .variable = &tcp_keepalives_interval,
     .boot = "0", .min = 0, .max = 2147483647, .assign = assign_tcp, .show = show_interval},
    {.name = "tcp_keepalives_count", .type = SETTING_INT, .context = CONTEXT_USER, .group = TCP,
     .description = "Keepalives that may stay unanswered; 0: the system's.", .variable = &tcp_keepalives_count,
     .boot = "0", .min = 0, .max = 2147483647, .assign = assign_tcp, .show = show_count},
    {.name = "tcp_user_timeout", .type = SETTING_INT, .context = CONTEXT_USER, .unit = UNIT_MS, .group = TCP,
     .description = "How long sent data may stay unacknowledged; 0: the system's.", .variable = &tcp_user_timeout,
     .boot = "0", .min = 0, .max = 2147483647, .assign = assign_tcp, .show = show_user_timeout},
    {.name = "log_hostname", .type = SETTING_BOOL, .context = CONTEXT_SIGHUP, .group = WHAT,
     .description = "Logs the client's host name beside its address.", .variable = &log_hostname, .boot = "off"},
    {.name = "ssl", .type = SETTING_BOOL, .context = CONTEXT_SIGHUP, .group = SSL,
     .description = "Offers TLS to clients.", .variable = &ssl_on, .boot = "off"},
    {.name = "ssl_library", .type = SETTING_STRING, .context = CONTEXT_INTERNAL, .group = "Preset Options",
     .description = "The library that does TLS.", .variable = &ssl_library, .boot = "OpenSSL"},
    {.name = "ssl_cert_file", .type = SETTING_STRING, .context = CONTEXT_SIGHUP, .group = SSL,
     .description = "The server's certificate.", .variable = &ssl_cert_file, .boot = "server.crt"},
    {.name = "ssl_key_file", .type = SETTING_STRING, .context = CONTEXT_SIGHUP, .group = SSL,
     .description = "The server's private key.", .variable = &ssl_key_file, .boot = "server.key"},
    {.name = "ssl_ca_file", .type = SETTING_STRING, .context = CONTEXT_SIGHUP, .group = SSL,
     .description = "Certificates of the authorities that sign clients' certificates.", .variable = &ssl_ca_file,
     .boot = ""},
    {.name = "ssl_crl_file", .type = SETTING_STRING, .context = CONTEXT_SIGHUP, .group = SSL,
     .description = "Revoked certificates.", .variable = &ssl_crl_file, .boot = ""},
    {.name = "ssl_crl_dir", .type = SETTING_STRING, .context = CONTEXT_SIGHUP, .group = SSL,
     .description = "Directory of revoked certificates.", .variable = &ssl_crl_dir, .boot = ""},
    {.name = "ssl_ciphers", .type = SETTING_STRING, .context = CONTEXT_SIGHUP, .flags = SETTING_HIDDEN_VALUE,
     .group = SSL, .description = "Ciphers allowed up to TLS 1.2.", .variable = &ssl_ciphers,
     .boot = "HIGH:MEDIUM:+3DES:!aNULL"},
    {.name = "ssl_ecdh_curve", .type = SETTING_STRING, .context = CONTEXT_SIGHUP, .flags = SETTING_HIDDEN_VALUE,
     .group = SSL, .description = "The curve for ECDH key exchange.", .variable = &ssl_ecdh_curve,
     .boot = "prime256v1"},
    {.name = "ssl_dh_params_file", .type = SETTING_STRING, .context = CONTEXT_SIGHUP, .flags = SETTING_HIDDEN_VALUE,
     .group = SSL, .description = "Diffie-Hellman parameters; empty: built-in ones.",
     .variable = &ssl_dh_params_file, .boot = ""},
    {.name = "ssl_min_protocol_version", .type = SETTING_ENUM, .context = CONTEXT_SIGHUP, .group = SSL,
     .description = "The lowest TLS version allowed.", .variable = &ssl_min_protocol_version, .boot = "TLSv1.2",
     .options = TLS_MIN_VERSIONS},
    {.name = "ssl_max_protocol_version", .type = SETTING_ENUM, .context = CONTEXT_SIGHUP, .group = SSL,
     .description = "The highest TLS version allowed.", .variable = &ssl_max_protocol_version, .boot = "",
     .options = tls_versions},
    {.name = "ssl_passphrase_command", .type = SETTING_STRING, .context = CONTEXT_SIGHUP,
     .flags = SETTING_HIDDEN_VALUE, .group = SSL, .description = "Command that prints the key's passphrase.",
     .variable = &ssl_passphrase_command, .boot = ""},
    {.name = "ssl_passphrase_command_supports_reload", .type = SETTING_BOOL, .context = CONTEXT_SIGHUP, .group = SSL,
     .description = "The passphrase command may be run at reload too.",
     .variable = &ssl_passphrase_command_supports_reload, .boot = "off"},
    {.name = "ssl_prefer_server_ciphers", .type = SETTING_BOOL, .context = CONTEXT_SIGHUP, .group = SSL,
     .description = "The server's order of ciphers goes before the client's.", .variable = &ssl_prefer_server_ciphers,
     .boot = "on"},
};

static char *
encrypt_for_role(Arena *a, const char *user, const char *password)
{
    return password_encrypt(a, user, password, NULL);
}

void
wire_settings_register(void)
{
    password_encrypt_hook = encrypt_for_role; /* CREATE ROLE and ALTER ROLE, below this module */
    settings_register(defs, COUNT_OF(defs));
}
