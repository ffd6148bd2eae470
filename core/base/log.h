/*
 * The server log: stderr or the file given by pg_ctl -l, one write(2) per entry so that lines of
 * different processes never mix; log_line_prefix with PostgreSQL's escapes.
 */
#ifndef CORE_BASE_LOG_H
#define CORE_BASE_LOG_H

#include "core/base/err.h"

/* What log_line_prefix may show; the session fills it in. */
typedef struct LogIdentity {
    const char *user, *database, *application, *remote_host;
    const char *backend_type;
    uint64_t session_start_us;  /* microseconds since 1970 */
    const char *command_tag;    /* %i */
    int remote_port;            /* %r; 0: none */
    int leader_pid;             /* %P; 0: none */
    uint64_t query_id;          /* %Q */
    bool is_session;            /* false: %q ends the prefix */
    void (*virtual_xid)(char *out, size_t out_bytes); /* %v; may be NULL */
    uint64_t (*xid)(void);                            /* %x; may be NULL */
} LogIdentity;
extern LogIdentity log_identity;
extern char *log_line_prefix;
void log_write_report(const ErrReport *r, const char *statement);

extern int log_error_verbosity; /* 0 terse, 1 default, 2 verbose */
extern char *log_timezone;
/* The wall clock as %m shows it, in log_timezone: 2026-01-31 12:00:00.123 UTC. */
size_t log_format_time(char *out, size_t out_bytes, bool with_ms);
void base_settings_register(void); /* log and message settings; settings_boot calls it */

#endif
