/*
 * Error reports: a small stack of reports under construction or being handled, and the jump to the
 * nearest handler.
 *
 * The stack is needed because reporting can nest: a NOTICE sent while an error is being handled, an
 * error raised while a message's arguments are computed. Each ERR_TRY remembers how deep the stack
 * was; throwing to it drops what was abandoned above that depth, so that an error that replaces
 * another one leaves nothing behind.
 *
 * Strings live in the error arena, reset when the stack is empty. Nothing here raises for lack of
 * memory: a string that cannot be made is replaced by a constant.
 */
#include "core/base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/interrupt.h"
#include "core/base/log.h"

#define STACK_DEPTH 8

ErrHandler *err_top;
ErrClientHook err_client_hook;
ErrStatementHook err_statement_hook;
int err_depth;
PROCESS_LOCAL int critical_depth; /* see core/shm/proc.h */

static ErrReport stack[STACK_DEPTH];
static Arena *error_arena;
static ErrSys last_sys;
static bool emitting; /* a hook that reports must not be called again for that */

static void
exit_plainly(int code)
{
    exit(code);
}

void (*err_fatal_hook)(int code) = exit_plainly;

static ErrReport *
top_report(void)
{
    ASSERT(err_depth > 0);
    return &stack[err_depth - 1];
}

/* The text of fmt in the error arena; never fails. errno is set for %m. */
static const char *
format(int saved_errno, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    errno = saved_errno;
    int n = vsnprintf(NULL, 0, fmt, ap);
    const char *text = "out of memory";
    if (error_arena == NULL)
        error_arena = arena_try_create(NULL, "errors");
    char *p = error_arena && n >= 0 ? arena_try_alloc(error_arena, (size_t)n + 1) : NULL;
    if (p) {
        errno = saved_errno;
        vsnprintf(p, (size_t)n + 1, fmt, again);
        text = p;
    }
    va_end(again);
    return text;
}

static const char *
keep(const char *s)
{
    if (s == NULL)
        return NULL;
    if (error_arena == NULL)
        error_arena = arena_try_create(NULL, "errors");
    size_t bytes = strlen(s) + 1;
    char *p = error_arena ? arena_try_alloc(error_arena, bytes) : NULL;
    return p ? memcpy(p, s, bytes) : "out of memory";
}

static void
pop_report(void)
{
    ASSERT(err_depth > 0);
    err_depth--;
    if (err_depth == 0 && error_arena)
        arena_reset(error_arena);
}

static ErrReport *
push_report(int saved_errno)
{
    if (err_depth == STACK_DEPTH) {
        static const char text[] = "PANIC:  error reports nested too deeply\n";
        (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
        abort();
    }
    ErrReport *r = &stack[err_depth++];
    memset(r, 0, sizeof(*r));
    r->saved_errno = saved_errno;
    r->position = r->internal_position = -1;
    return r;
}

void
err_start(ErrLevel level, uint32_t sqlstate, const char *file, int line, const char *func)
{
    ErrReport *r = push_report(errno);
    /* Shared state is half changed: going on with it would be worse than redo. */
    if (level >= LEVEL_ERROR && critical_depth > 0)
        level = LEVEL_PANIC;
    r->level = level;
    r->sqlstate = sqlstate;
    r->file = file;
    r->line = line;
    r->func = func;
}

#define FORMAT_INTO(field)                                                                         \
    do {                                                                                           \
        ErrReport *r_ = top_report();                                                              \
        va_list ap_;                                                                               \
        va_start(ap_, fmt);                                                                        \
        r_->field = format(r_->saved_errno, fmt, ap_);                                             \
        va_end(ap_);                                                                               \
    } while (0)

void
err_message(const char *fmt, ...)
{
    FORMAT_INTO(message);
}

void
err_detail(const char *fmt, ...)
{
    FORMAT_INTO(detail);
}

void
err_hint(const char *fmt, ...)
{
    FORMAT_INTO(hint);
}

void
err_context(const char *fmt, ...)
{
    const char *inner = top_report()->context;
    FORMAT_INTO(context);
    if (inner == NULL)
        return;
    const char *outer = top_report()->context;
    size_t a = strlen(inner), b = strlen(outer);
    char *both = error_arena ? arena_try_alloc(error_arena, a + b + 2) : NULL;
    if (both) {
        memcpy(both, inner, a);
        both[a] = '\n';
        memcpy(both + a + 1, outer, b + 1);
    }
    top_report()->context = both ? both : inner;
}

void
err_position(int byte_offset)
{
    top_report()->position = byte_offset;
}

void
err_internal_query(const char *query, int byte_offset)
{
    top_report()->internal_query = keep(query);
    top_report()->internal_position = byte_offset;
}

void
err_hide_statement(void)
{
    top_report()->hide_statement = true;
}

void
err_object(const char *schema, const char *table, const char *column, const char *datatype,
           const char *constraint)
{
    ErrReport *r = top_report();
    r->schema = keep(schema);
    r->table = keep(table);
    r->column = keep(column);
    r->datatype = keep(datatype);
    r->constraint = keep(constraint);
}

static NORETURN void
jump_to_handler(void)
{
    ErrHandler *h = err_top;
    ASSERT(h != NULL && h->depth < err_depth);
    if (h->depth < err_depth - 1) {
        stack[h->depth] = stack[err_depth - 1];
        err_depth = h->depth + 1;
    }
    siglongjmp(h->jump, 1);
}

NORETURN void
err_throw(void)
{
    ErrReport *r = top_report();
    ASSERT(r->level >= LEVEL_ERROR);
    if (r->level == LEVEL_ERROR && err_top != NULL)
        jump_to_handler();
    if (r->level == LEVEL_ERROR)
        r->level = LEVEL_FATAL; /* nobody will handle it */
    err_emit(r);
    if (r->level == LEVEL_PANIC)
        abort();
    pop_report();
    err_fatal_hook(1);
    _exit(1);
}

void
err_finish(void)
{
    int saved_errno = top_report()->saved_errno;
    ASSERT(top_report()->level < LEVEL_ERROR);
    err_emit(top_report());
    pop_report();
    errno = saved_errno;
}

const ErrReport *
err_current(void)
{
    return top_report();
}

void
err_clear(void)
{
    pop_report();
}

NORETURN void
err_rethrow(void)
{
    err_throw();
}

ErrReport *
err_copy(Arena *a, const ErrReport *r)
{
    ErrReport *copy = arena_memdup(a, r, sizeof(*r));
    const char **strings[] = {&copy->message, &copy->detail, &copy->hint, &copy->context,
                              &copy->internal_query, &copy->schema, &copy->table, &copy->column,
                              &copy->datatype, &copy->constraint};
    for (size_t i = 0; i < COUNT_OF(strings); i++)
        if (*strings[i])
            *strings[i] = arena_strdup(a, *strings[i]);
    return copy;
}

NORETURN void
err_throw_report(const ErrReport *from)
{
    ErrReport *r = push_report(from->saved_errno);
    *r = *from;
    r->message = keep(from->message);
    r->detail = keep(from->detail);
    r->hint = keep(from->hint);
    r->context = keep(from->context);
    r->internal_query = keep(from->internal_query);
    r->schema = keep(from->schema);
    r->table = keep(from->table);
    r->column = keep(from->column);
    r->datatype = keep(from->datatype);
    r->constraint = keep(from->constraint);
    err_throw();
}

/* LOG stands between ERROR and FATAL when log_min_messages is compared. */
static bool
level_reaches(int level, int minimum)
{
    if (level == LEVEL_LOG)
        return minimum == LEVEL_LOG || minimum <= LEVEL_ERROR;
    if (minimum == LEVEL_LOG)
        return level >= LEVEL_FATAL;
    return level >= minimum;
}

static bool
client_wants(int level)
{
    return err_client_hook != NULL &&
           (level >= LEVEL_ERROR || level >= client_min_messages || level == LEVEL_INFO);
}

bool
err_wanted(ErrLevel level)
{
    return level >= LEVEL_ERROR || level_reaches((int)level, log_min_messages) ||
           client_wants((int)level);
}

void
err_emit(const ErrReport *r)
{
    if (level_reaches((int)r->level, log_min_messages)) {
        const char *statement = NULL;
        if (err_statement_hook && !r->hide_statement && !emitting &&
            level_reaches((int)r->level, log_min_error_statement))
            statement = err_statement_hook();
        log_write_report(r, statement);
    }
    if (client_wants((int)r->level) && !emitting) {
        emitting = true;
        err_client_hook(r);
        emitting = false;
    }
}

const char *
sqlstate_text(uint32_t sqlstate)
{
    static char ring[4][6];
    static unsigned turn;
    char *p = ring[turn++ % COUNT_OF(ring)];
    for (int i = 0; i < 5; i++)
        p[i] = SQLSTATE_UNSIXBIT(sqlstate >> (6 * i));
    p[5] = '\0';
    return p;
}

void
err_sys_set(int errnum, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(last_sys.what, sizeof(last_sys.what), fmt, ap);
    va_end(ap);
    last_sys.errnum = errnum;
}

const ErrSys *
err_sys(void)
{
    return &last_sys;
}

/* What a failed system call is to a client: PostgreSQL's mapping of errno for file access. */
static uint32_t
sqlstate_of_errno(int errnum)
{
    switch (errnum) {
    case EPERM:
    case EACCES:
    case EROFS:
        return SQLSTATE_INSUFFICIENT_PRIVILEGE;
    case ENOENT:
        return SQLSTATE_UNDEFINED_FILE;
    case EEXIST:
        return SQLSTATE_DUPLICATE_FILE;
    case ENOTDIR:
    case EISDIR:
    case ENOTEMPTY:
        return SQLSTATE_WRONG_OBJECT_TYPE;
    case ENOSPC:
    case EDQUOT:
        return SQLSTATE_DISK_FULL;
    case ENOMEM:
        return SQLSTATE_OUT_OF_MEMORY;
    case ENFILE:
    case EMFILE:
        return SQLSTATE_INSUFFICIENT_RESOURCES;
    case EIO:
        return SQLSTATE_IO_ERROR;
    default:
        return SQLSTATE_INTERNAL_ERROR;
    }
}

uint32_t
err_sqlstate_of_errno(int errnum)
{
    return sqlstate_of_errno(errnum);
}

static NORETURN void
raise_sys(uint32_t sqlstate, const char *otherwise)
{
    const ErrSys *s = &last_sys;
    if (s->what[0] == '\0')
        RAISE(sqlstate, "%s", otherwise);
    if (s->errnum == 0)
        RAISE(sqlstate, "%s", s->what);
    if (sqlstate == SQLSTATE_DISK_FULL)
        RAISE_ERR(sqlstate, err_message("%s: %s", s->what, strerror(s->errnum)), err_hint("Check free disk space."));
    RAISE(sqlstate, "%s: %s", s->what, strerror(s->errnum));
}

void
err_raise_code(ErrCode code)
{
    switch (code) {
    case ERR_OK:
        return;
    case ERR_IO: {
        uint32_t state = sqlstate_of_errno(last_sys.errnum);
        raise_sys(state == SQLSTATE_INTERNAL_ERROR ? SQLSTATE_IO_ERROR : state,
                  "input/output error");
    }
    case ERR_NO_SPACE:
        if (last_sys.errnum == 0)
            last_sys.errnum = ENOSPC;
        raise_sys(SQLSTATE_DISK_FULL, "disk full");
    case ERR_NOT_FOUND:
        raise_sys(last_sys.errnum ? sqlstate_of_errno(last_sys.errnum) : SQLSTATE_UNDEFINED_FILE,
                  "file does not exist");
    case ERR_EXISTS:
        raise_sys(SQLSTATE_DUPLICATE_FILE, "file exists");
    case ERR_CORRUPT:
        raise_sys(SQLSTATE_DATA_CORRUPTED, "data corrupted");
    case ERR_NO_VICTIM:
        RAISE(SQLSTATE_INSUFFICIENT_RESOURCES, "no unpinned buffers available");
    case ERR_NO_MEMORY:
        RAISE(SQLSTATE_OUT_OF_MEMORY, "out of memory");
    case ERR_NO_SLOT:
        RAISE_ERR(SQLSTATE_OUT_OF_MEMORY, err_message("out of shared memory"),
                  err_hint("You might need to increase max_locks_per_transaction."));
    case ERR_TIMEOUT:
        RAISE(SQLSTATE_LOCK_NOT_AVAILABLE, "canceling statement due to lock timeout");
    case ERR_DEADLOCK:
        RAISE(SQLSTATE_T_R_DEADLOCK_DETECTED, "deadlock detected");
    case ERR_BUSY:
        RAISE(SQLSTATE_OBJECT_IN_USE, "resource is busy");
    case ERR_INTERRUPTED:
        /* The interrupt that is pending says what it means; the code that waited only left. */
        interrupts_act();
        RAISE(SQLSTATE_QUERY_CANCELED, "canceling statement due to user request");
    case ERR_BAD_INPUT:
        raise_sys(SQLSTATE_INVALID_PARAMETER_VALUE, "invalid input");
    }
    INTERNAL_ERROR("unknown error code %d", (int)code);
}
