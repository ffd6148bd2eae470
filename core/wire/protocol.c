/*
 * The startup packet: framing without a type byte, the requests that may precede it (TLS, GSS, cancel),
 * negotiation of the protocol's minor version, and the settings it carries.
 *
 * What is not a startup packet at all (a port scanner, an HTTP client, a length out of bounds) ends
 * without an answer, only with a line in the log: there may be nobody who understands one.
 */
#include "core/wire/wire_internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/base/settings.h"
#include "core/shm/proc.h"

#define PROTOCOL(major, minor) ((uint32_t)(major) << 16 | (minor))
#define PROTOCOL_LATEST PROTOCOL(3, 0)
#define REQUEST_CANCEL PROTOCOL(1234, 5678)
#define REQUEST_SSL PROTOCOL(1234, 5679)
#define REQUEST_GSS PROTOCOL(1234, 5680)

extern bool db_user_namespace;

static NORETURN void
leave(const char *why)
{
    if (why)
        REPORT(LEVEL_LOG, SQLSTATE_PROTOCOL_VIOLATION, err_message("%s", why));
    wire_close();
    proc_exit(0);
}

static char *
copy_string(const char *s)
{
    char *p = strdup(s);
    if (p == NULL)
        RAISE_FATAL(SQLSTATE_OUT_OF_MEMORY, "out of memory");
    return p;
}

static void
add_option(WireStartup *out, const char *name, const char *value)
{
    size_t n = (size_t)out->noptions + 1;
    char **names = realloc(out->names, n * sizeof(char *));
    if (names)
        out->names = names;
    char **values = realloc(out->values, n * sizeof(char *));
    if (values)
        out->values = values;
    if (names == NULL || values == NULL)
        RAISE_FATAL(SQLSTATE_OUT_OF_MEMORY, "out of memory");
    names[n - 1] = copy_string(name);
    values[n - 1] = copy_string(value);
    out->noptions = (int)n;
}

/* ---- options=: switches of the server's command line ---- */

/* One switch letter that stands for a setting. */
static const struct { char letter; const char *name, *value; } switches[] = {
    {'B', "shared_buffers", NULL}, {'S', "work_mem", NULL}, {'F', "fsync", "false"},
    {'e', "datestyle", "euro"}, {'N', "max_connections", NULL}, {'p', "port", NULL},
    {'h', "listen_addresses", NULL}, {'i', "listen_addresses", "*"}, {'k', "unix_socket_directories", NULL},
    {'l', "ssl", "true"}, {'O', "allow_system_table_mods", "true"}, {'P', "ignore_system_indexes", "true"},
    {'s', "log_statement_stats", "true"}, {'W', "post_auth_delay", NULL},
};

static NORETURN void
bad_switch(const char *word)
{
    err_start(LEVEL_FATAL, SQLSTATE_SYNTAX_ERROR, __FILE__, __LINE__, __func__);
    err_message("invalid command-line argument for server process: %s", word);
    err_hint("Try \"postgres --help\" for more information.");
    err_throw();
}

static void
add_assignment(WireStartup *out, const char *prefix, char *text)
{
    char *eq = strchr(text, '=');
    if (eq == NULL)
        RAISE_FATAL(SQLSTATE_SYNTAX_ERROR, "%s%s requires a value", prefix, text);
    *eq = '\0';
    for (char *p = text; *p; p++)
        if (*p == '-')
            *p = '_';
    add_option(out, text, eq + 1);
}

static void
add_debug_level(WireStartup *out, const char *text)
{
    char level[16];
    snprintf(level, sizeof(level), "debug%d", MAX(1, MIN(5, atoi(text))));
    add_option(out, "log_min_messages", atoi(text) == 0 ? "notice" : level);
}

/* Cuts off the next word; a backslash takes the following character as it is. NULL at the end. */
static char *
next_word(char **rest)
{
    char *p = *rest;
    while (*p == ' ' || (*p >= '\t' && *p <= '\r'))
        p++;
    if (*p == '\0')
        return NULL;
    char *word = p, *w = p;
    while (*p && *p != ' ' && !(*p >= '\t' && *p <= '\r')) {
        if (*p == '\\' && p[1])
            p++;
        *w++ = *p++;
    }
    if (*p)
        p++;
    *rest = p;
    *w = '\0';
    return word;
}

static void
add_switch(WireStartup *out, char *word, char **rest)
{
    char *argument = word + 2;
    bool known = word[1] == 'c' || word[1] == 'd';
    const char *name = NULL, *value = NULL;
    for (size_t i = 0; i < COUNT_OF(switches); i++)
        if (switches[i].letter == word[1]) {
            known = true;
            name = switches[i].name;
            value = switches[i].value;
        }
    if (!known || (value && *argument))
        bad_switch(word);
    if (value) {
        add_option(out, name, value);
        return;
    }
    if (*argument == '\0') {
        argument = next_word(rest);
        if (argument == NULL)
            bad_switch(word);
    }
    if (word[1] == 'c')
        add_assignment(out, "-c ", argument);
    else if (word[1] == 'd')
        add_debug_level(out, argument);
    else
        add_option(out, name, argument);
}

static void
add_switches(WireStartup *out, const char *text)
{
    char *copy = copy_string(text), *rest = copy, *word;
    while ((word = next_word(&rest)) != NULL) {
        if (word[0] == '-' && word[1] == '-' && word[2])
            add_assignment(out, "--", word + 2);
        else if (word[0] == '-' && word[1])
            add_switch(out, word, &rest);
        else
            bad_switch(word);
    }
    free(copy);
}

/* ---- the packet ---- */

static bool
parse_replication(const char *value, bool *with_database)
{
    bool on;
    *with_database = strcmp(value, "database") == 0;
    if (*with_database)
        return true;
    if (!settings_parse_bool(value, &on)) {
        err_start(LEVEL_FATAL, SQLSTATE_INVALID_PARAMETER_VALUE, __FILE__, __LINE__, __func__);
        err_message("invalid value for parameter \"%s\": \"%s\"", "replication", value);
        err_hint("Valid values are: \"false\", 0, \"true\", 1, \"database\".");
        err_throw();
    }
    return on;
}

/* Names of settings may hold only printable ASCII in the log; other bytes become question marks. */
static char *
clean_ascii(const char *s)
{
    char *copy = copy_string(s);
    for (char *p = copy; *p; p++)
        if ((unsigned char)*p < 32 || (unsigned char)*p > 126)
            *p = '?';
    return copy;
}

static void
send_negotiation(const char *const *unknown, int n)
{
    wire_begin('v');
    wire_put_int32(PROTOCOL_LATEST);
    wire_put_int32(n);
    for (int i = 0; i < n; i++)
        wire_put_string(unknown[i]);
    wire_end();
}

static void
clip_name(char *name)
{
    size_t n = strlen(name);
    if (n >= NAME_BYTES)
        name[utf8_clip(name, n, NAME_BYTES - 1)] = '\0';
}

static void
qualify_user(WireStartup *out)
{
    size_t n = strlen(out->user);
    if (n && out->user[n - 1] == '@') {
        out->user[n - 1] = '\0';
    } else if (strchr(out->user, '@') == NULL) {
        char *full = malloc(n + strlen(out->database) + 2);
        if (full == NULL)
            RAISE_FATAL(SQLSTATE_OUT_OF_MEMORY, "out of memory");
        sprintf(full, "%s@%s", out->user, out->database);
        free(out->user);
        out->user = full;
    }
}

static void
take_parameter(WireStartup *out, const char *name, const char *value, const char **switch_text)
{
    if (strcmp(name, "database") == 0) {
        free(out->database);
        out->database = copy_string(value);
    } else if (strcmp(name, "user") == 0) {
        free(out->user);
        out->user = copy_string(value);
    } else if (strcmp(name, "options") == 0) {
        *switch_text = value;
    } else if (strcmp(name, "replication") == 0) {
        out->replication = parse_replication(value, &out->replication_database);
    } else {
        if (strcmp(name, "application_name") == 0) {
            free(out->application);
            out->application = clean_ascii(value);
        }
        add_option(out, name, value);
    }
}

/* p[0..n): pairs of strings and a last zero; p[n] is zero. */
static void
parse_parameters(WireStartup *out, const char *p, size_t n, uint32_t minor)
{
    const char *unknown[64], *switch_text = NULL;
    int nunknown = 0;
    size_t at = 0;
    WireStartup given = {0};
    while (at < n && p[at]) {
        const char *name = p + at;
        size_t value_at = at + strlen(name) + 1;
        if (value_at >= n)
            break; /* no value: the check below fails */
        if (str_starts_with(name, "_pq_.")) {
            if (nunknown < (int)COUNT_OF(unknown))
                unknown[nunknown++] = name;
        } else {
            take_parameter(&given, name, p + value_at, &switch_text);
        }
        at = value_at + strlen(p + value_at) + 1;
    }
    if (at + 1 != n)
        RAISE_FATAL(SQLSTATE_PROTOCOL_VIOLATION,
                    "invalid startup packet layout: expected terminator as last byte");
    if (minor > 0 || nunknown > 0)
        send_negotiation(unknown, nunknown);
    *out = (WireStartup){.user = given.user, .database = given.database, .application = given.application,
                         .replication = given.replication,
                         .replication_database = given.replication_database, .ssl = wire_conn.ssl != NULL};
    if (switch_text) /* first: what the packet names itself wins */
        add_switches(out, switch_text);
    for (int i = 0; i < given.noptions; i++) {
        add_option(out, given.names[i], given.values[i]);
        free(given.names[i]);
        free(given.values[i]);
    }
    free(given.names);
    free(given.values);
}

static void
read_cancel(WireStartup *out, const char *p, size_t n)
{
    if (n != 12)
        leave("invalid length of startup packet");
    *out = (WireStartup){.is_cancel = true, .cancel_pid = load_be32(p + 4), .cancel_key = load_be32(p + 8)};
    wire_conn.starting = false;
}

static void
answer_ssl_request(void)
{
    char answer = !wire_conn.local && tls_enabled() ? 'S' : 'N';
    bool extra = buffer_has_input();
    buffer_send_raw(&answer, 1);
    if (answer == 'S' && !extra)
        tls_accept();
    if (extra) {
        err_start(LEVEL_FATAL, SQLSTATE_PROTOCOL_VIOLATION, __FILE__, __LINE__, __func__);
        err_message("received unencrypted data after SSL request");
        err_detail("This could be either a client-software bug or evidence of an attempted man-in-the-middle attack.");
        err_throw();
    }
}

static void
answer_gss_request(void)
{
    bool extra = buffer_has_input();
    buffer_send_raw("N", 1);
    if (extra) {
        err_start(LEVEL_FATAL, SQLSTATE_PROTOCOL_VIOLATION, __FILE__, __LINE__, __func__);
        err_message("received unencrypted data after GSSAPI encryption request");
        err_detail("This could be either a client-software bug or evidence of an attempted man-in-the-middle attack.");
        err_throw();
    }
}

/* Reads one packet: a copy of its body (malloc'd, zero-terminated) and its length. */
static char *
read_packet(size_t *n, bool first)
{
    if (!buffer_fill(1))
        leave(NULL);
    if (!buffer_fill(4))
        leave(first ? "incomplete startup packet" : NULL);
    uint32_t len = load_be32(buffer_input());
    if (len < 8 || len > STARTUP_BYTES_MAX)
        leave("invalid length of startup packet");
    if (!buffer_fill(len))
        leave("incomplete startup packet");
    *n = len - 4;
    char *copy = malloc(*n + 1);
    if (copy == NULL)
        RAISE_FATAL(SQLSTATE_OUT_OF_MEMORY, "out of memory");
    memcpy(copy, buffer_input() + 4, *n);
    copy[*n] = '\0';
    buffer_consume(len);
    return copy;
}

static void
refuse_version(uint32_t protocol)
{
    wire_conn.old_protocol = protocol >> 16 < 3;
    RAISE_FATAL(SQLSTATE_FEATURE_NOT_SUPPORTED,
                "unsupported frontend protocol %u.%u: server supports %u.0 to %u.%u", protocol >> 16,
                protocol & 0xffff, 3, 3, 0);
}

static void
finish_startup(WireStartup *out)
{
    if (out->user == NULL || out->user[0] == '\0')
        RAISE_FATAL(SQLSTATE_INVALID_AUTHORIZATION_SPECIFICATION,
                    "no PostgreSQL user name specified in startup packet");
    if (out->database == NULL || out->database[0] == '\0') {
        free(out->database);
        out->database = copy_string(out->user);
    }
    if (db_user_namespace)
        qualify_user(out);
    clip_name(out->database);
    clip_name(out->user);
    if (out->replication && !out->replication_database)
        out->database[0] = '\0';
    if (out->application == NULL)
        out->application = copy_string("");
    wire_conn.starting = false;
}

void
wire_read_startup(WireStartup *out)
{
    bool ssl_done = false, gss_done = false;
    memset(out, 0, sizeof(*out));
    wire_conn.starting = true;
    /* A little less than the process's own alarm, which would end a stall anywhere but in a read. */
    wire_conn.auth_deadline_us = clock_monotonic_us() + (uint64_t)authentication_timeout * 1000000 - 100000;
    for (;;) {
        size_t n;
        char *p = read_packet(&n, !ssl_done && !gss_done);
        uint32_t protocol = load_be32(p);
        if (protocol == REQUEST_CANCEL) {
            read_cancel(out, p, n);
            free(p);
            return;
        }
        if (protocol == REQUEST_SSL && !ssl_done) {
            answer_ssl_request();
            ssl_done = gss_done = gss_done || wire_conn.ssl != NULL;
            ssl_done = true;
        } else if (protocol == REQUEST_GSS && !gss_done) {
            answer_gss_request();
            gss_done = true;
        } else if (protocol >> 16 != 3) {
            refuse_version(protocol);
        } else {
            parse_parameters(out, p + 4, n - 4, protocol & 0xffff);
            finish_startup(out);
            free(p);
            return;
        }
        free(p);
    }
}
