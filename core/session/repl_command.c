/*
 * Commands of a replication connection: PostgreSQL's small language (walsender protocol), read by hand, and
 * the commands that answer with a row.
 */
#include "core/session/replication.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int session_replication;

/* ---- words ---- */

NORETURN void
words_error(Words *w)
{
    if (w->now.kind == TOKEN_END)
        RAISE(SQLSTATE_SYNTAX_ERROR, "syntax error");
    RAISE(SQLSTATE_SYNTAX_ERROR, "syntax error at or near \"%s\"", w->now.text);
}

/* Text in quotes, doubled inside; *p behind the closing one. */
static char *
quoted(const char **p)
{
    char quote = *(*p)++;
    StrBuf s;
    str_init(&s, message_arena);
    for (; **p; (*p)++) {
        if (**p == quote) {
            if ((*p)[1] != quote)
                break;
            (*p)++;
        }
        str_add_char(&s, **p);
    }
    if (**p != quote)
        RAISE(SQLSTATE_SYNTAX_ERROR, "unterminated quoted string");
    (*p)++;
    return s.data;
}

static bool
scan_lsn(Words *w)
{
    unsigned hi, lo;
    int n = 0;
    if (sscanf(w->p, "%8X/%8X%n", &hi, &lo, &n) != 2 || n == 0)
        return false;
    w->now.kind = TOKEN_LSN;
    w->now.lsn = (Lsn)hi << 32 | lo;
    w->now.text = arena_strndup(message_arena, w->p, (size_t)n);
    w->p += n;
    return true;
}

void
words_next(Words *w)
{
    w->p += strspn(w->p, " \t\r\n\f\v");
    memset(&w->now, 0, sizeof(w->now));
    if (*w->p == '\0') {
        w->now.kind = TOKEN_END;
    } else if (*w->p == '\'' || *w->p == '"') {
        w->now.quoted = true;
        w->now.kind = *w->p == '"' ? TOKEN_WORD : TOKEN_STRING;
        w->now.text = quoted(&w->p);
    } else if (isxdigit((unsigned char)*w->p) && scan_lsn(w)) {
        return;
    } else if (isalpha((unsigned char)*w->p) || *w->p == '_') {
        size_t n = 0;
        while (isalnum((unsigned char)w->p[n]) || w->p[n] == '_' || w->p[n] == '.')
            n++;
        w->now.kind = TOKEN_WORD;
        w->now.text = arena_strndup(message_arena, w->p, n);
        for (char *c = w->now.text; *c; c++)
            *c = char_lower_ascii(*c);
        w->p += n;
    } else {
        size_t n = strspn(w->p, "0123456789");
        w->now.kind = n ? TOKEN_NUMBER : TOKEN_SIGN;
        w->now.text = arena_strndup(message_arena, w->p, n ? n : 1);
        w->p += n ? n : 1;
    }
}

bool
words_accept(Words *w, const char *word)
{
    if (w->now.kind != TOKEN_WORD || w->now.quoted || strcmp(w->now.text, word) != 0)
        return false;
    words_next(w);
    return true;
}

bool
words_sign(Words *w, char sign)
{
    if (w->now.kind != TOKEN_SIGN || w->now.text[0] != sign)
        return false;
    words_next(w);
    return true;
}

char *
words_name(Words *w)
{
    if (w->now.kind != TOKEN_WORD && w->now.kind != TOKEN_STRING)
        words_error(w);
    char *text = w->now.text;
    words_next(w);
    return text;
}

uint32_t
words_number(Words *w)
{
    if (w->now.kind != TOKEN_NUMBER && w->now.kind != TOKEN_STRING)
        words_error(w);
    char *end;
    errno = 0;
    unsigned long v = strtoul(w->now.text, &end, 10);
    if (errno || *end || end == w->now.text || v > UINT32_MAX)
        words_error(w);
    words_next(w);
    return (uint32_t)v;
}

bool
words_option_bool(Words *w)
{
    bool v;
    if (w->now.kind == TOKEN_SIGN || w->now.kind == TOKEN_END)
        return true;
    if (!settings_parse_bool(w->now.text, &v))
        words_error(w);
    words_next(w);
    return v;
}

void
words_done(Words *w)
{
    words_sign(w, ';');
    if (w->now.kind != TOKEN_END)
        words_error(w);
}

/* ---- small results ---- */

void
repl_send_columns(const ReplColumn *c, int n)
{
    wire_begin('T');
    wire_put_int16(n);
    for (int i = 0; i < n; i++) {
        wire_put_string(c[i].name);
        wire_put_int32(0);
        wire_put_int16(0);
        wire_put_int32((int32_t)c[i].type);
        wire_put_int16(c[i].bytes);
        wire_put_int32(-1);
        wire_put_int16(0);
    }
    wire_end();
}

void
repl_send_row(const char *const *values, int n)
{
    wire_begin('D');
    wire_put_int16(n);
    for (int i = 0; i < n; i++) {
        wire_put_int32(values[i] ? (int32_t)strlen(values[i]) : -1);
        if (values[i])
            wire_put_bytes(values[i], strlen(values[i]));
    }
    wire_end();
}

/* ---- commands that answer with a row ---- */

static void
identify_system(Words *w)
{
    static const ReplColumn columns[] = {{"systemid", TEXT_OID, -1}, {"timeline", INT4_OID, 4}, {"xlogpos", TEXT_OID, -1}, {"dbname", TEXT_OID, -1}};
    words_done(w);
    const char *row[] = {arena_printf(message_arena, "%llu", (unsigned long long)control_file->system_identifier),
                         arena_printf(message_arena, "%u", wal_timeline()), lsn_text(wal_flushed()),
                         session_replication == REPLICATION_DATABASE ? proc_self->database_name : NULL};
    repl_send_columns(columns, 4);
    repl_send_row(row, 4);
}

static void
show(Words *w)
{
    char *name = words_name(w);
    words_done(w);
    const char *value = settings_get(message_arena, name, false);
    ReplColumn column = {name, TEXT_OID, -1};
    repl_send_columns(&column, 1);
    repl_send_row(&value, 1);
}

static void
timeline_history(Words *w)
{
    static const ReplColumn columns[] = {{"filename", TEXT_OID, -1}, {"content", TEXT_OID, -1}};
    char name[40], *text;
    size_t n;
    uint32_t timeline = words_number(w);
    words_done(w);
    if (timeline == 0)
        RAISE(SQLSTATE_SYNTAX_ERROR, "invalid timeline %u", timeline);
    wal_timeline_file_name(timeline, name, sizeof(name));
    const char *path = arena_printf(message_arena, "pg_wal/%s", name);
    if (access(path, R_OK) != 0)
        RAISE(err_sqlstate_of_errno(errno), "could not open file \"%s\": %m", path);
    RAISE_ON(file_read_all(path, message_arena, &text, &n));
    const char *row[] = {name, text};
    repl_send_columns(columns, 2);
    repl_send_row(row, 2);
}

static const WalSlotView *
find_slot(const char *name)
{
    static WalSlotView v;
    for (int i = 0; wal_slot_view(i, &v); i++)
        if (v.in_use && strcmp(v.name, name) == 0)
            return &v;
    return NULL;
}

static void
read_slot(Words *w)
{
    static const ReplColumn columns[] = {{"slot_type", TEXT_OID, -1}, {"restart_lsn", TEXT_OID, -1}, {"restart_tli", INT8_OID, 8}};
    const char *row[3] = {NULL, NULL, NULL};
    char *name = words_name(w);
    words_done(w);
    const WalSlotView *v = find_slot(name);
    if (v) {
        row[0] = "physical";
        if (v->restart_lsn) {
            row[1] = lsn_text(v->restart_lsn);
            row[2] = arena_printf(message_arena, "%u", wal_timeline());
        }
    }
    repl_send_columns(columns, 3);
    repl_send_row(row, 3);
}

static void
create_slot(Words *w)
{
    static const ReplColumn columns[] = {{"slot_name", TEXT_OID, -1}, {"consistent_point", TEXT_OID, -1}, {"snapshot_name", TEXT_OID, -1}, {"output_plugin", TEXT_OID, -1}};
    char *name = words_name(w);
    bool temporary = words_accept(w, "temporary"), reserve = false;
    if (words_accept(w, "logical"))
        RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "logical replication slots are not supported yet");
    if (!words_accept(w, "physical"))
        words_error(w);
    if (words_sign(w, '(')) {
        do {
            if (!words_accept(w, "reserve_wal"))
                words_error(w);
            reserve = words_option_bool(w);
        } while (words_sign(w, ','));
        if (!words_sign(w, ')'))
            words_error(w);
    } else if (words_accept(w, "reserve_wal")) {
        reserve = true;
    }
    words_done(w);
    wal_slot_create(name, temporary, reserve);
    const char *row[] = {name, "0/0", NULL, NULL};
    repl_send_columns(columns, 4);
    repl_send_row(row, 4);
}

static void
drop_slot(Words *w)
{
    char *name = words_name(w);
    words_accept(w, "wait");
    words_done(w);
    wal_slot_drop(name);
}

/* ---- dispatch ---- */

static const struct {
    const char *word, *tag;
    void (*run)(Words *w);
} commands[] = {
    {"identify_system", "IDENTIFY_SYSTEM", identify_system},
    {"show", "SHOW", show},
    {"timeline_history", "TIMELINE_HISTORY", timeline_history},
    {"read_replication_slot", "READ_REPLICATION_SLOT", read_slot},
    {"create_replication_slot", "CREATE_REPLICATION_SLOT", create_slot},
    {"drop_replication_slot", "DROP_REPLICATION_SLOT", drop_slot},
    {"start_replication", "START_REPLICATION", walsender_start},
    {"base_backup", "BASE_BACKUP", base_backup},
};

bool
replication_command(const char *text)
{
    Words w = {.p = text};
    words_next(&w);
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        /* SHOW belongs to SQL too, where there is a database: there it knows more. */
        if (w.now.kind != TOKEN_WORD || strcmp(w.now.text, commands[i].word) != 0 ||
            (session_replication == REPLICATION_DATABASE && commands[i].run == show))
            continue;
        session_set_query(text);
        if (xact_in_explicit_block())
            RAISE(SQLSTATE_ACTIVE_SQL_TRANSACTION, "cannot execute a replication command inside a transaction block");
        words_next(&w);
        commands[i].run(&w);
        wire_send_command_complete(commands[i].tag);
        return true;
    }
    if (session_replication != REPLICATION_DATABASE)
        RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "cannot execute SQL commands in WAL sender for physical replication");
    return false;
}

void
replication_begin(const WireStartup *w)
{
    const CatRow *r = cat_get_by_oid(CAT_PG_AUTHID, session_user_oid);
    session_replication = w->replication_database ? REPLICATION_DATABASE : REPLICATION_PHYSICAL;
    if (!role_is_superuser(session_user_oid) && !(r && datum_bool(cat_val(r, PG_AUTHID_ROLREPLICATION))))
        RAISE_FATAL(SQLSTATE_INSUFFICIENT_PRIVILEGE, "must be superuser or replication role to start walsender");
    if (!wal_sender_register())
        RAISE_FATAL(SQLSTATE_TOO_MANY_CONNECTIONS, "number of requested standby connections exceeds max_wal_senders (currently %d)",
                    max_wal_senders);
    /* relaxed: observers */
    atomic_store_explicit(&proc_self->kind, PROC_WALSENDER, memory_order_relaxed);
    log_identity.backend_type = "walsender";
}
