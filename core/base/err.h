/*
 * Errors. Three kinds, never mixed (style, section 2):
 *  - a programmer's mistake: ASSERT;
 *  - an expected failure below core/txn: an ErrCode is returned, outputs are set only on success,
 *    details go to err_detail_sys();
 *  - from core/txn up: RAISE unwinds to the nearest ERR_TRY of this process. What was acquired on
 *    the way belongs to an arena or a resource owner, which the handler releases.
 * PANIC means shared state can no longer be trusted: the process aborts and the supervisor
 * restarts the instance with redo.
 */
#ifndef CORE_BASE_ERR_H
#define CORE_BASE_ERR_H

#include <setjmp.h>

#include "core/base/arena.h"
#include "core/base/sqlstate.h"
#include "core/base/types.h"

typedef enum ErrCode {
    ERR_OK = 0,
    ERR_IO,         /* a system call failed: err_sys() tells which and errno */
    ERR_NO_SPACE,   /* ENOSPC or EDQUOT */
    ERR_NOT_FOUND,
    ERR_EXISTS,
    ERR_CORRUPT,    /* checksum, magic or structure does not hold */
    ERR_NO_VICTIM,  /* every buffer is pinned */
    ERR_NO_MEMORY,
    ERR_NO_SLOT,    /* a fixed-size shared table is full */
    ERR_TIMEOUT,
    ERR_DEADLOCK,
    ERR_BUSY,       /* a try-call did not get it */
    ERR_INTERRUPTED,/* an interrupt (cancel, terminate) is pending */
    ERR_BAD_INPUT
} ErrCode;

/* The last system failure of this process, for the layer that raises it. */
typedef struct ErrSys {
    int errnum;
    char what[256]; /* e.g. could not read block 7 in file "base/5/1259": read only 0 of 8192 bytes */
} ErrSys;
void err_sys_set(int errnum, const char *fmt, ...) PRINTF_LIKE(2, 3); /* fmt without the strerror tail */
const ErrSys *err_sys(void);
/* Raises `code` with the SQLSTATE PostgreSQL uses (58030, 53100, XX001, 53200 ...); ERR_OK returns. */
void err_raise_code(ErrCode code);
#define RAISE_ON(expr) do { ErrCode rc_ = (expr); if (UNLIKELY(rc_ != ERR_OK)) err_raise_code(rc_); } while (0)

/* The SQLSTATE PostgreSQL gives a failed file access: 58P01 for ENOENT and so on; XX000 for the rest. */
uint32_t err_sqlstate_of_errno(int errnum);

typedef enum ErrLevel {
    LEVEL_DEBUG5 = 10, LEVEL_DEBUG4, LEVEL_DEBUG3, LEVEL_DEBUG2, LEVEL_DEBUG1,
    LEVEL_LOG = 15,     /* server log only, by default */
    LEVEL_INFO = 17, LEVEL_NOTICE = 18, LEVEL_WARNING = 19,
    LEVEL_ERROR = 21,   /* ends the statement */
    LEVEL_FATAL = 22,   /* ends the session */
    LEVEL_PANIC = 23    /* ends the instance */
} ErrLevel;

/* A report as the client and the log see it. Strings live in the error arena until the handler
 * has sent them (err_clear). */
typedef struct ErrReport {
    ErrLevel level;
    uint32_t sqlstate; /* MAKE_SQLSTATE */
    int saved_errno;
    const char *message, *detail, *hint, *context;
    int position;      /* byte offset in the statement text, 0-based; -1 none */
    int internal_position;
    const char *internal_query;
    const char *schema, *table, *column, *datatype, *constraint;
    const char *file, *func;
    int line;
    bool hide_statement;
} ErrReport;

/*
 * RAISE(SQLSTATE_DIVISION_BY_ZERO, "division by zero");
 * RAISE_ERR(SQLSTATE_UNIQUE_VIOLATION, err_message("duplicate key ..."), err_detail("Key ..."));
 * REPORT(LEVEL_NOTICE, SQLSTATE_SUCCESS, err_message("..."), err_hint("..."));
 * %m in a message is strerror(errno) as of the call.
 */
void err_start(ErrLevel level, uint32_t sqlstate, const char *file, int line, const char *func);
void err_message(const char *fmt, ...) PRINTF_LIKE(1, 2);
void err_detail(const char *fmt, ...) PRINTF_LIKE(1, 2);
void err_hint(const char *fmt, ...) PRINTF_LIKE(1, 2);
void err_context(const char *fmt, ...) PRINTF_LIKE(1, 2); /* appended, innermost first */
void err_position(int byte_offset);
void err_internal_query(const char *query, int byte_offset);
void err_hide_statement(void);
void err_object(const char *schema, const char *table, const char *column, const char *datatype, const char *constraint);
void err_finish(void);          /* level < ERROR: emits and returns */
NORETURN void err_throw(void);  /* level >= ERROR */

#define RAISE_ERR(state, ...)                                                                        \
    do { err_start(LEVEL_ERROR, (state), __FILE__, __LINE__, __func__); __VA_ARGS__; err_throw(); } while (0)
#define RAISE(state, ...) RAISE_ERR(state, err_message(__VA_ARGS__))
#define RAISE_AT(state, pos, ...) RAISE_ERR(state, err_message(__VA_ARGS__), err_position(pos))
#define RAISE_FATAL(state, ...)                                                                      \
    do { err_start(LEVEL_FATAL, (state), __FILE__, __LINE__, __func__); err_message(__VA_ARGS__); err_throw(); } while (0)
#define PANIC(...)                                                                                   \
    do { err_start(LEVEL_PANIC, SQLSTATE_INTERNAL_ERROR, __FILE__, __LINE__, __func__); err_message(__VA_ARGS__); err_throw(); } while (0)
#define REPORT(level, state, ...)                                                                    \
    do { if (err_wanted(level)) { err_start((level), (state), __FILE__, __LINE__, __func__); __VA_ARGS__; err_finish(); } } while (0)
#define LOG(...) REPORT(LEVEL_LOG, SQLSTATE_SUCCESS, err_message(__VA_ARGS__))
#define UNSUPPORTED(...) RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, __VA_ARGS__)
#define INTERNAL_ERROR(...) RAISE(SQLSTATE_INTERNAL_ERROR, __VA_ARGS__)
bool err_wanted(ErrLevel level);

/*
 * ERR_TRY { ... } ERR_CATCH { ... err_current() ... err_rethrow() or err_clear() ... } ERR_END;
 * Do not return, break or goto out of the TRY part. Locals changed in TRY and read in CATCH must
 * be volatile.
 */
typedef struct ErrHandler {
    sigjmp_buf jump;
    struct ErrHandler *outer;
    int depth; /* reports on the stack when the handler was set: what lies above is dropped by a throw */
} ErrHandler;
extern ErrHandler *err_top;
extern int err_depth;
#define ERR_TRY                                                                                      \
    do { ErrHandler err_h_; err_h_.outer = err_top; err_h_.depth = err_depth;                                                  \
        if (__builtin_expect(sigsetjmp(err_h_.jump, 0) == 0, 1)) { err_top = &err_h_;
#define ERR_CATCH err_top = err_h_.outer; } else { err_top = err_h_.outer;
#define ERR_END } } while (0)
const ErrReport *err_current(void);
void err_clear(void);
NORETURN void err_rethrow(void);
/* A copy that outlives err_clear. */
ErrReport *err_copy(Arena *a, const ErrReport *r);
/* Throws a report that was copied before. */
NORETURN void err_throw_report(const ErrReport *r);

/* Where reports go: the log always (by level), and the client through this hook when a session has
 * one. The hook must not raise. */
typedef void (*ErrClientHook)(const ErrReport *r);
extern ErrClientHook err_client_hook;
/* Called by err_start for statement text in the log (log_min_error_statement); may return NULL. */
typedef const char *(*ErrStatementHook)(void);
extern ErrStatementHook err_statement_hook;
/* Ends the process after a FATAL, or an ERROR without a handler; core/shm makes it proc_exit. */
extern void (*err_fatal_hook)(int code);
void err_emit(const ErrReport *r); /* log and client, by level settings */

/* Levels as settings set them. */
extern int log_min_messages, client_min_messages, log_min_error_statement;

const char *sqlstate_text(uint32_t sqlstate); /* five characters and a zero, static ring of buffers */

#endif
