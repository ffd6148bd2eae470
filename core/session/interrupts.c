/*
 * What a backend does about interrupts, at safe places: cancel, terminate, timeouts, reload, notices from
 * other sessions. And the timers behind statement_timeout, client_connection_check_interval and the idle
 * timeouts: no system call unless one of them is set.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>

#include "core/session/session_internal.h"

static int statement_timeout_ms, idle_in_xact_timeout_ms, idle_session_timeout_ms;
static int client_check_ms;

/* ---- timers: one interval timer for whichever deadline comes first ---- */

typedef enum SessionTimer { TIMER_STATEMENT, TIMER_CLIENT_CHECK, TIMER_IDLE, TIMER_IDLE_IN_XACT, TIMER_COUNT } SessionTimer;
static const unsigned timer_bits[TIMER_COUNT] = {INTERRUPT_TIMEOUT, INTERRUPT_CHECK_CLIENT, INTERRUPT_IDLE_TIMEOUT, INTERRUPT_IDLE_IN_XACT};
static volatile uint64_t deadlines[TIMER_COUNT]; /* monotonic microseconds; 0: not set */
static bool handler_set;

/* Arms the process's timer for the first deadline. Also called by the handler: it only reads and makes system calls. */
static void
arm(void)
{
    uint64_t first = 0;
    for (int i = 0; i < TIMER_COUNT; i++)
        if (deadlines[i] && (first == 0 || deadlines[i] < first))
            first = deadlines[i];
    struct itimerval t = {0};
    if (first) {
        uint64_t now = clock_monotonic_us(), left = first > now ? first - now : 1;
        t.it_value.tv_sec = (time_t)(left / 1000000);
        t.it_value.tv_usec = (suseconds_t)(left % 1000000);
    }
    setitimer(ITIMER_REAL, &t, NULL);
}

static void
on_alarm(int sig)
{
    (void)sig;
    int saved = errno;
    uint64_t now = clock_monotonic_us();
    for (int i = 0; i < TIMER_COUNT; i++)
        if (deadlines[i] && deadlines[i] <= now) {
            deadlines[i] = 0;
            interrupts_raise(timer_bits[i]);
        }
    if (proc_self)
        latch_set(&proc_self->latch);
    arm();
    errno = saved;
}

static void
timer_set(SessionTimer which, int ms)
{
    if (!handler_set) {
        struct sigaction sa = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
        sigemptyset(&sa.sa_mask);
        sigaction(SIGALRM, &sa, NULL);
        handler_set = true;
    }
    deadlines[which] = clock_monotonic_us() + (uint64_t)ms * 1000;
    arm();
}

static void
timer_stop(SessionTimer which)
{
    if (deadlines[which]) {
        deadlines[which] = 0;
        arm();
    }
    interrupts_clear(timer_bits[which]);
}

/* The session stands: what is left of the timer of its start is not wanted. */
void
session_timers_reset(void)
{
    for (int i = 0; i < TIMER_COUNT; i++)
        deadlines[i] = 0;
    handler_set = false;
    arm();
}

void
session_timeouts_start(void)
{
    if (UNLIKELY(statement_timeout_ms > 0) && deadlines[TIMER_STATEMENT] == 0)
        timer_set(TIMER_STATEMENT, statement_timeout_ms);
    if (UNLIKELY(client_check_ms > 0) && deadlines[TIMER_CLIENT_CHECK] == 0)
        timer_set(TIMER_CLIENT_CHECK, client_check_ms);
}

void
session_timeouts_stop(void)
{
    if (UNLIKELY(deadlines[TIMER_STATEMENT] != 0 || (interrupts_pending & INTERRUPT_TIMEOUT)))
        timer_stop(TIMER_STATEMENT);
    if (UNLIKELY(deadlines[TIMER_CLIENT_CHECK] != 0))
        timer_stop(TIMER_CLIENT_CHECK);
}

/* Before and after waiting for the client's next message. */
void
session_idle_begin(char status)
{
    if (UNLIKELY(idle_session_timeout_ms > 0) && status == 'I')
        timer_set(TIMER_IDLE, idle_session_timeout_ms);
    else if (UNLIKELY(idle_in_xact_timeout_ms > 0) && status != 'I')
        timer_set(TIMER_IDLE_IN_XACT, idle_in_xact_timeout_ms);
}

void
session_idle_end(void)
{
    if (UNLIKELY(deadlines[TIMER_IDLE] != 0 || (interrupts_pending & INTERRUPT_IDLE_TIMEOUT)))
        timer_stop(TIMER_IDLE);
    if (UNLIKELY(deadlines[TIMER_IDLE_IN_XACT] != 0 || (interrupts_pending & INTERRUPT_IDLE_IN_XACT)))
        timer_stop(TIMER_IDLE_IN_XACT);
}

/* ---- what is done about them ---- */

static void
check_client(void)
{
    interrupts_clear(INTERRUPT_CHECK_CLIENT);
    if (!wire_connected() || (!wire_idle && client_check_ms > 0 && wire_client_gone()))
        RAISE_FATAL(SQLSTATE_CONNECTION_FAILURE, "connection to client lost");
    if (!wire_idle && client_check_ms > 0)
        timer_set(TIMER_CLIENT_CHECK, client_check_ms);
}

void
session_process_interrupts(void)
{
    unsigned pending = (unsigned)interrupts_pending;
    if (pending & INTERRUPT_TERMINATE) {
        interrupts_clear(INTERRUPT_TERMINATE | INTERRUPT_CANCEL);
        session_stats_killed();
        RAISE_FATAL(SQLSTATE_ADMIN_SHUTDOWN, "terminating connection due to administrator command");
    }
    if (pending & INTERRUPT_CHECK_CLIENT)
        check_client();
    if (pending & INTERRUPT_RELOAD) {
        interrupts_clear(INTERRUPT_RELOAD);
        session_not_reusable(); /* settings_session_end would take back what the files say now */
        const char *path = settings_get(arena_top(), "config_file", true);
        if (path)
            settings_load_files(path, true);
        wire_load_hba(true);
    }
    if (pending & INTERRUPT_CATCHUP) {
        interrupts_clear(INTERRUPT_CATCHUP);
        if (wire_idle && !xact_in_explicit_block() && !txn_in_progress()) {
            notify_deliver();
            wire_flush();
        }
    }
    if (wire_idle) { /* between statements a cancel has nothing to cancel */
        interrupts_clear(INTERRUPT_CANCEL | INTERRUPT_TIMEOUT | INTERRUPT_LOCK_TIMEOUT);
        if (pending & INTERRUPT_IDLE_IN_XACT) {
            interrupts_clear(INTERRUPT_IDLE_IN_XACT);
            if (xact_in_explicit_block())
                RAISE_FATAL(SQLSTATE_IDLE_IN_TRANSACTION_SESSION_TIMEOUT, "terminating connection due to idle-in-transaction timeout");
        }
        if (pending & INTERRUPT_IDLE_TIMEOUT) {
            interrupts_clear(INTERRUPT_IDLE_TIMEOUT);
            RAISE_FATAL(SQLSTATE_IDLE_SESSION_TIMEOUT, "terminating connection due to idle-session timeout");
        }
        return;
    }
    if (pending & INTERRUPT_LOCK_TIMEOUT) {
        interrupts_clear(INTERRUPT_LOCK_TIMEOUT);
        RAISE(SQLSTATE_LOCK_NOT_AVAILABLE, "canceling statement due to lock timeout");
    }
    if (pending & INTERRUPT_TIMEOUT) {
        interrupts_clear(INTERRUPT_TIMEOUT | INTERRUPT_CANCEL);
        RAISE(SQLSTATE_QUERY_CANCELED, "canceling statement due to statement timeout");
    }
    if (pending & INTERRUPT_CANCEL) {
        interrupts_clear(INTERRUPT_CANCEL);
        RAISE(SQLSTATE_QUERY_CANCELED, "canceling statement due to user request");
    }
}

/* ---- settings of the session layer ---- */

static char *application_name, *client_encoding, *server_encoding, *server_version;
static bool is_superuser_setting, integer_datetimes = true, standard_conforming_strings = true, escape_string_warning = true, in_hot_standby,
    array_nulls = true, check_function_bodies = true, row_security = true, quote_all_identifiers, transform_null_equals, synchronize_seqscans = true;
static int server_version_num, max_identifier_length = 63, max_function_args = 100, max_index_keys = 32, block_size = 8192, segment_size = 131072;
static char *temp_tablespaces, *default_tablespace, *default_table_access_method, *default_toast_compression, *xmloption;
static int vacuum_multixact_freeze_min_age, vacuum_multixact_freeze_table_age, vacuum_failsafe_age, vacuum_multixact_failsafe_age;
static char *log_statement;

static void
assign_application_name(const SettingDef *d)
{
    (void)d;
    if (proc_self && application_name)
        strncpy(proc_self->application_name, application_name, NAME_BYTES - 1);
    log_identity.application = application_name;
}

static bool
check_client_encoding(const SettingDef *d, const char **value, SettingSource source)
{
    (void)d;
    (void)source;
    static const char *const utf8[] = {"utf8", "utf-8", "unicode"};
    for (size_t i = 0; i < COUNT_OF(utf8); i++)
        if (str_casecmp_ascii(*value, utf8[i]) == 0) {
            *value = "UTF8";
            return true;
        }
    if (str_casecmp_ascii(*value, "SQL_ASCII") == 0 || str_casecmp_ascii(*value, "sqlascii") == 0) {
        *value = "SQL_ASCII"; /* bytes pass as they are */
        return true;
    }
    static const char *const known[] = {"latin", "win", "koi8", "euc_", "euc-", "iso_8859", "iso-8859", "iso8859", "mule_", "sjis", "shift_jis", "big5", "gbk", "uhc", "gb18030", "johab"};
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (strncasecmp(*value, known[i], strlen(known[i])) == 0)
            settings_check_error("Client encodings other than UTF8 and SQL_ASCII are not supported.");
    return false;
}

/* Beyond the kernel's limit the guard against deep recursion would guard nothing. */
static bool
check_max_stack_depth(const SettingDef *def, const char **value, SettingSource source)
{
    enum { SLOP_KB = 512 }; /* for what runs between two checks */
    struct rlimit limit;
    int kb = 0;
    (void)source;
    if (!settings_parse_int(*value, &kb, def->unit, NULL) || getrlimit(RLIMIT_STACK, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return true; /* a bad number is refused elsewhere */
    int most = (int)MIN(limit.rlim_cur / 1024, (rlim_t)INT32_MAX) - SLOP_KB;
    if (kb <= most)
        return true;
    settings_check_message(SQLSTATE_INVALID_PARAMETER_VALUE, "invalid value for parameter \"max_stack_depth\": %d", kb);
    settings_check_error("\"max_stack_depth\" must not exceed %dkB.", most);
    settings_check_hint("Increase the platform's stack depth limit via \"ulimit -s\" or local equivalent.");
    return false;
}

#define BOOL_S(n, dflt, grp, text, fl) {.name = #n, .type = SETTING_BOOL, .context = CONTEXT_USER, .flags = fl, .group = grp, .description = text, .variable = &n, .boot = dflt}
#define STR_S(n, var, ctx, dflt, grp, text, fl, ...) {.name = n, .type = SETTING_STRING, .context = ctx, .flags = fl, .group = grp, .description = text, .variable = &var, .boot = dflt, __VA_ARGS__}
#define TIMEOUT_S(n, var, grp, text) {.name = n, .type = SETTING_INT, .context = CONTEXT_USER, .unit = UNIT_MS, .flags = SETTING_NOT_IN_PLANS, .group = grp, .description = text, .variable = &var, .boot = "0", .min = 0, .max = INT32_MAX}
#define INT_S(n, var, ctx, un, dflt, lo, hi, grp, text) {.name = n, .type = SETTING_INT, .context = ctx, .unit = un, .group = grp, .description = text, .variable = &var, .boot = dflt, .min = lo, .max = hi}

static const SettingDef defs[] = {
    STR_S("application_name", application_name, CONTEXT_USER, "", "Reporting and Logging / What to Log", "Name the client gives its session.", SETTING_REPORT | SETTING_IS_NAME | SETTING_NOT_IN_PLANS, .assign = assign_application_name),
    STR_S("client_encoding", client_encoding, CONTEXT_USER, "UTF8", "Client Connection Defaults / Locale and Formatting", "Character set of the client.", SETTING_REPORT | SETTING_IS_NAME, .check = check_client_encoding),
    STR_S("server_encoding", server_encoding, CONTEXT_INTERNAL, "UTF8", "Preset Options", "Character set of the database.", SETTING_REPORT | SETTING_IS_NAME),
    STR_S("server_version", server_version, CONTEXT_INTERNAL, "15.20", "Preset Options", "Version of PostgreSQL this server is compatible with.", SETTING_REPORT),
    BOOL_S(integer_datetimes, "on", "Preset Options", "Dates and times are integers.", SETTING_REPORT),
    BOOL_S(standard_conforming_strings, "on", "Version and Platform Compatibility / Previous PostgreSQL Versions", "Backslashes in ordinary strings are plain characters.", SETTING_REPORT),
    BOOL_S(escape_string_warning, "on", "Version and Platform Compatibility / Previous PostgreSQL Versions", "Warn about backslashes in ordinary strings.", 0),
    {.name = "in_hot_standby", .type = SETTING_BOOL, .context = CONTEXT_INTERNAL, .flags = SETTING_REPORT, .group = "Preset Options", .description = "The server is a hot standby.", .variable = &in_hot_standby, .boot = "off"},
    {.name = "is_superuser", .type = SETTING_BOOL, .context = CONTEXT_INTERNAL, .flags = SETTING_REPORT | SETTING_NOT_IN_PLANS, .group = "Preset Options", .description = "The session's user is a superuser.", .variable = &is_superuser_setting, .boot = "off"},
    BOOL_S(array_nulls, "on", "Version and Platform Compatibility / Previous PostgreSQL Versions", "NULL in array input is a null.", 0),
    BOOL_S(check_function_bodies, "on", "Client Connection Defaults / Statement Behavior", "Check function bodies when they are created.", 0),
    BOOL_S(row_security, "on", "Client Connection Defaults / Statement Behavior", "Apply row security policies.", 0),
    BOOL_S(quote_all_identifiers, "off", "Version and Platform Compatibility / Previous PostgreSQL Versions", "Quote all identifiers in generated SQL.", 0),
    BOOL_S(transform_null_equals, "off", "Version and Platform Compatibility / Other Platforms and Clients", "Accepted for compatibility.", 0),
    BOOL_S(synchronize_seqscans, "on", "Version and Platform Compatibility / Previous PostgreSQL Versions", "Accepted for compatibility.", 0),
    INT_S("server_version_num", server_version_num, CONTEXT_INTERNAL, UNIT_NONE, "150020", 150020, 150020, "Preset Options", "Version as a number."),
    INT_S("max_identifier_length", max_identifier_length, CONTEXT_INTERNAL, UNIT_NONE, "63", 63, 63, "Preset Options", "Longest identifier in bytes."),
    INT_S("max_function_args", max_function_args, CONTEXT_INTERNAL, UNIT_NONE, "100", 100, 100, "Preset Options", "Most arguments of a function."),
    INT_S("max_index_keys", max_index_keys, CONTEXT_INTERNAL, UNIT_NONE, "32", 32, 32, "Preset Options", "Most columns of an index."),
    INT_S("block_size", block_size, CONTEXT_INTERNAL, UNIT_NONE, "8192", 8192, 8192, "Preset Options", "Size of a page in bytes."),
    INT_S("segment_size", segment_size, CONTEXT_INTERNAL, UNIT_BLOCKS, "131072", 131072, 131072, "Preset Options", "Pages of one file of a relation."),
    INT_S("wal_sender_timeout", wal_sender_timeout_ms, CONTEXT_USER, UNIT_MS, "60s", 0, INT32_MAX, "Replication / Sending Servers", "How long a replication client may be silent."),
    TIMEOUT_S("statement_timeout", statement_timeout_ms, "Client Connection Defaults / Statement Behavior", "Longest run time of a statement."),
    TIMEOUT_S("idle_in_transaction_session_timeout", idle_in_xact_timeout_ms, "Client Connection Defaults / Statement Behavior", "Longest idle time in a transaction."),
    TIMEOUT_S("idle_session_timeout", idle_session_timeout_ms, "Client Connection Defaults / Statement Behavior", "Longest idle time of a session."),
    TIMEOUT_S("client_connection_check_interval", client_check_ms, "Connections and Authentication / TCP Settings", "How often to look whether the client is still there."),
    {.name = "max_stack_depth", .type = SETTING_INT, .context = CONTEXT_SUPERUSER, .unit = UNIT_KB, .group = "Resource Usage / Memory", .description = "Depth of the stack before a statement is refused.", .variable = &max_stack_depth_kb, .boot = "2048", .min = 100, .max = INT32_MAX, .check = check_max_stack_depth},
    STR_S("default_tablespace", default_tablespace, CONTEXT_USER, "", "Client Connection Defaults / Statement Behavior", "Tablespace of new tables.", SETTING_IS_NAME),
    STR_S("temp_tablespaces", temp_tablespaces, CONTEXT_USER, "", "Client Connection Defaults / Statement Behavior", "Tablespaces of temporary files.", SETTING_LIST_QUOTE),
    STR_S("default_table_access_method", default_table_access_method, CONTEXT_USER, "heap", "Client Connection Defaults / Statement Behavior", "Access method of new tables.", SETTING_IS_NAME),
    STR_S("default_toast_compression", default_toast_compression, CONTEXT_USER, "lz4", "Client Connection Defaults / Statement Behavior", "Compression of large values.", 0),
    STR_S("xmloption", xmloption, CONTEXT_USER, "content", "Client Connection Defaults / Statement Behavior", "Accepted for compatibility.", 0),
    STR_S("log_statement", log_statement, CONTEXT_SUPERUSER, "none", "Reporting and Logging / What to Log", "Which statements are logged.", 0),
    INT_S("vacuum_multixact_freeze_min_age", vacuum_multixact_freeze_min_age, CONTEXT_USER, UNIT_NONE, "5000000", 0, 1000000000, "Client Connection Defaults / Statement Behavior", "Accepted for compatibility: ids never wrap."),
    INT_S("vacuum_multixact_freeze_table_age", vacuum_multixact_freeze_table_age, CONTEXT_USER, UNIT_NONE, "150000000", 0, 2000000000, "Client Connection Defaults / Statement Behavior", "Accepted for compatibility: ids never wrap."),
    INT_S("vacuum_failsafe_age", vacuum_failsafe_age, CONTEXT_USER, UNIT_NONE, "1600000000", 0, 2100000000, "Client Connection Defaults / Statement Behavior", "Accepted for compatibility: ids never wrap."),
    INT_S("vacuum_multixact_failsafe_age", vacuum_multixact_failsafe_age, CONTEXT_USER, UNIT_NONE, "1600000000", 0, 2100000000, "Client Connection Defaults / Statement Behavior", "Accepted for compatibility: ids never wrap."),
};

void
session_settings_register(void)
{
    notify_shm_register();
    settings_register(defs, (int)COUNT_OF(defs));
}
