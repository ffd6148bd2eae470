/*
 * postgresql.conf: reading files with their includes, and bringing the settings in line with them.
 *
 * A file is read whole and cut into tokens line by line; the result is a list of assignments in
 * which a later one replaces an earlier one. Reloading checks everything first and changes nothing
 * if anything is wrong; a setting that has left the file goes back to its default.
 */
#include "core/base/settings.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/limits.h"
#include "core/base/settings_internal.h"

#define NESTING_MAX 10
#define SYNTAX_ERRORS_MAX 100
#define FILE_BYTES_MAX (16 * 1024 * 1024)
#define AUTO_FILE "postgresql.auto.conf"

typedef struct Reader {
    Arena *arena;
    List *out; /* SettingLine */
    ErrLevel level;
    int depth;
} Reader;

typedef enum TokenKind { TOKEN_END_LINE, TOKEN_END, TOKEN_EQUALS, TOKEN_NAME, TOKEN_WORD, TOKEN_NUMBER, TOKEN_QUOTED, TOKEN_BAD } TokenKind;

typedef struct Token {
    TokenKind kind;
    const char *start;
    size_t len;
} Token;

static bool read_file(Reader *r, const char *path, const char *from, bool must_exist);

static bool
is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A word is a name if it is an identifier or two joined by a dot. */
static TokenKind
kind_of_word(const char *s, size_t n)
{
    int dots = 0;
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '.' && i + 1 < n && is_letter(s[i + 1]))
            dots++;
        else if (!is_letter(s[i]) && !is_digit(s[i]))
            return TOKEN_WORD;
    }
    return dots <= 1 ? TOKEN_NAME : TOKEN_WORD;
}

static const char *
scan_quoted(const char *p, const char *end)
{
    for (p++; p < end && *p != '\n'; p++) {
        if (*p == '\\' && p + 1 < end && p[1] != '\n') {
            p++;
        } else if (*p == '\'') {
            if (p + 1 < end && p[1] == '\'')
                p++;
            else
                return p + 1;
        }
    }
    return NULL;
}

static const char *
scan_number(const char *p, const char *end)
{
    const char *s = p;
    if (*p == '-' || *p == '+')
        p++;
    if (p == end || !(is_digit(*p) || (*p == '.' && p + 1 < end && is_digit(p[1]))))
        return s;
    while (p < end && (is_digit(*p) || *p == '.' || (is_letter(*p) && *p != '_') ||
                       ((*p == '-' || *p == '+') && (p[-1] == 'e' || p[-1] == 'E'))))
        p++;
    return p;
}

/* The token at *p, which moves behind it. */
static Token
next_token(const char **p, const char *end)
{
    const char *s = *p;
    while (s < end && (*s == ' ' || *s == '\t' || *s == '\r'))
        s++;
    if (s < end && *s == '#')
        while (s < end && *s != '\n')
            s++;
    Token t = {TOKEN_BAD, s, 0};
    if (s == end) {
        t.kind = TOKEN_END;
    } else if (*s == '\n') {
        t.kind = TOKEN_END_LINE;
        t.len = 1;
    } else if (*s == '=') {
        t.kind = TOKEN_EQUALS;
        t.len = 1;
    } else if (*s == '\'') {
        const char *after = scan_quoted(s, end);
        t.kind = after ? TOKEN_QUOTED : TOKEN_BAD;
        t.len = after ? (size_t)(after - s) : 1;
    } else if (is_letter(*s)) {
        const char *q = s;
        while (q < end && (is_letter(*q) || is_digit(*q) || strchr("-._:/", *q) != NULL) && *q)
            q++;
        t.len = (size_t)(q - s);
        t.kind = kind_of_word(s, t.len);
    } else {
        t.len = (size_t)(scan_number(s, end) - s);
        t.kind = t.len ? TOKEN_NUMBER : TOKEN_BAD;
        if (t.len == 0)
            t.len = 1;
    }
    *p = s + t.len;
    return t;
}

/* Takes the quotes off: '' is a quote, backslash escapes as in C with octal numbers. */
static char *
unquote(Arena *a, const char *s, size_t n)
{
    char *out = arena_alloc(a, n + 1), *o = out;
    const char *p = s + 1, *end = s + n - 1;
    for (; p < end; p++) {
        if (*p == '\'') { /* doubled */
            p++;
            *o++ = '\'';
        } else if (*p != '\\') {
            *o++ = *p;
        } else {
            p++;
            switch (*p) {
            case 'b':
                *o++ = '\b';
                break;
            case 'f':
                *o++ = '\f';
                break;
            case 'n':
                *o++ = '\n';
                break;
            case 'r':
                *o++ = '\r';
                break;
            case 't':
                *o++ = '\t';
                break;
            default:
                if (*p >= '0' && *p <= '7') {
                    int v = 0;
                    for (int i = 0; i < 3 && p < end && *p >= '0' && *p <= '7'; i++, p++)
                        v = v * 8 + (*p - '0');
                    p--;
                    *o++ = (char)v;
                } else {
                    *o++ = *p;
                }
            }
        }
    }
    *o = '\0';
    return out;
}

/* path as seen from the file that names it. */
static const char *
resolve(Arena *a, const char *path, const char *from)
{
    const char *slash = from ? strrchr(from, '/') : NULL;
    if (path[0] == '/' || slash == NULL)
        return path;
    return arena_printf(a, "%.*s/%s", (int)(slash - from), from, path);
}

static int
compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool
read_dir(Reader *r, const char *dir, const char *from)
{
    DIR *d = opendir(dir);
    if (d == NULL) {
        REPORT(r->level, err_sqlstate_of_errno(errno),
               err_message("could not open configuration directory \"%s\": %m", dir));
        return false;
    }
    List *names = list_new(r->arena);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        size_t n = strlen(e->d_name);
        if (e->d_name[0] == '.' || n < 6 || strcmp(e->d_name + n - 5, ".conf") != 0)
            continue;
        const char *path = arena_printf(r->arena, "%s/%s", dir, e->d_name);
        struct stat st;
        if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
            continue;
        list_push(names, (void *)path);
    }
    closedir(d);
    if (names->count)
        qsort(names->items, (size_t)names->count, sizeof(void *), compare_names);
    bool ok = true;
    for (int i = 0; i < names->count; i++)
        ok &= read_file(r, names->items[i], from, true);
    return ok;
}

static bool
handle_line(Reader *r, const char *file, int line, const char *name, const char *value)
{
    bool if_exists = str_casecmp_ascii(name, "include_if_exists") == 0;
    bool is_dir = str_casecmp_ascii(name, "include_dir") == 0;
    if (if_exists || is_dir || str_casecmp_ascii(name, "include") == 0) {
        if (value[strspn(value, " \t\r\n")] == '\0') {
            REPORT(r->level, SQLSTATE_CONFIG_FILE_ERROR,
                   err_message("empty configuration %s name: \"%s\"", is_dir ? "directory" : "file", value));
            return false;
        }
        const char *path = resolve(r->arena, value, file);
        return is_dir ? read_dir(r, path, file) : read_file(r, path, file, !if_exists);
    }
    SettingLine *l = ARENA_NEW(r->arena, SettingLine);
    l->name = name;
    l->value = value;
    l->file = file;
    l->line = line;
    list_push(r->out, l);
    return true;
}

static void
report_syntax(Reader *r, const char *file, int line, Token t)
{
    if (t.kind == TOKEN_END_LINE || t.kind == TOKEN_END)
        REPORT(r->level, SQLSTATE_SYNTAX_ERROR,
               err_message("syntax error in file \"%s\" line %d, near end of line", file, line));
    else
        REPORT(r->level, SQLSTATE_SYNTAX_ERROR,
               err_message("syntax error in file \"%s\" line %d, near token \"%.*s\"", file, line,
                           (int)t.len, t.start));
}

static bool
parse_text(Reader *r, const char *file, const char *p, const char *end)
{
    bool ok = true;
    int errors = 0;
    for (int line = 1; p < end; line++) {
        Token t = next_token(&p, end);
        if (t.kind == TOKEN_END)
            break;
        if (t.kind == TOKEN_END_LINE)
            continue;
        Token name = t;
        if (name.kind == TOKEN_NAME) {
            t = next_token(&p, end);
            if (t.kind == TOKEN_EQUALS)
                t = next_token(&p, end);
            Token value = t;
            if (value.kind >= TOKEN_NAME && value.kind <= TOKEN_QUOTED) {
                t = next_token(&p, end);
                if (t.kind == TOKEN_END_LINE || t.kind == TOKEN_END) {
                    const char *text = value.kind == TOKEN_QUOTED
                                           ? unquote(r->arena, value.start, value.len)
                                           : arena_strndup(r->arena, value.start, value.len);
                    ok &= handle_line(r, file, line, arena_strndup(r->arena, name.start, name.len), text);
                    continue;
                }
            }
        }
        report_syntax(r, file, line, t);
        ok = false;
        if (++errors >= SYNTAX_ERRORS_MAX) {
            REPORT(r->level, SQLSTATE_PROGRAM_LIMIT_EXCEEDED,
                   err_message("too many syntax errors found, abandoning file \"%s\"", file));
            break;
        }
        while (t.kind != TOKEN_END_LINE && t.kind != TOKEN_END)
            t = next_token(&p, end);
    }
    return ok;
}

/* The whole file in the arena; NULL with errno on failure. */
static char *
slurp(Arena *a, const char *path, size_t *len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    size_t cap = 16384, n = 0;
    char *buf = arena_alloc(a, cap);
    for (;;) {
        ssize_t got = read(fd, buf + n, cap - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 || n > FILE_BYTES_MAX) {
            int saved = got < 0 ? errno : EFBIG;
            close(fd);
            errno = saved;
            return NULL;
        }
        if (got == 0)
            break;
        n += (size_t)got;
        if (n == cap) {
            buf = arena_realloc(a, buf, cap, cap * 2);
            cap *= 2;
        }
    }
    close(fd);
    *len = n;
    return buf;
}

static bool
read_file(Reader *r, const char *path, const char *from, bool must_exist)
{
    if (r->depth >= NESTING_MAX) {
        REPORT(r->level, SQLSTATE_PROGRAM_LIMIT_EXCEEDED,
               err_message("could not open configuration file \"%s\": maximum nesting depth exceeded", path));
        return false;
    }
    if (from && strcmp(from, path) == 0) {
        REPORT(r->level, SQLSTATE_INVALID_PARAMETER_VALUE,
               err_message("configuration file recursion in \"%s\"", from));
        return false;
    }
    size_t len = 0;
    char *text = slurp(r->arena, path, &len);
    if (text == NULL) {
        if (!must_exist && errno == ENOENT) {
            REPORT(LEVEL_LOG, SQLSTATE_SUCCESS, err_message("skipping missing configuration file \"%s\"", path));
            return true;
        }
        REPORT(r->level, err_sqlstate_of_errno(errno),
               err_message("could not open configuration file \"%s\": %m", path));
        return false;
    }
    r->depth++;
    bool ok = parse_text(r, arena_strdup(r->arena, path), text, text + len);
    r->depth--;
    return ok;
}

bool
settings_read_file(const char *path, Arena *a, List *out, ErrLevel level)
{
    Reader r = {.arena = a, .out = out, .level = level};
    return read_file(&r, path, NULL, true);
}

/* --- applying ------------------------------------------------------------------------------------- */

static void
report_line_error(ErrLevel level, const SettingLine *l, const SettingError *e)
{
    if (!err_wanted(level))
        return;
    err_start(level, e->sqlstate, __FILE__, __LINE__, __func__);
    err_message("%s", e->message);
    if (e->detail[0])
        err_detail("%s", e->detail);
    if (e->hint[0])
        err_hint("%s", e->hint);
    err_context("configuration file \"%s\" line %d", l->file, l->line);
    err_finish();
}

/* Is there a later assignment of the same name? Names in a file are few. */
static bool
overridden(const List *lines, int i)
{
    const SettingLine *l = list_at(lines, i);
    for (int k = i + 1; k < lines->count; k++)
        if (str_casecmp_ascii(((SettingLine *)list_at(lines, k))->name, l->name) == 0)
            return true;
    return false;
}

/* Does every assignment name a setting and hold a value it takes? */
static bool
check_lines(const List *lines, SettingContext context, ErrLevel level)
{
    bool ok = true;
    for (int i = 0; i < lines->count; i++) {
        SettingLine *l = list_at(lines, i);
        SettingError e;
        Setting *s = setting_find(l->name);
        if (s == NULL && strchr(l->name, '.') == NULL) {
            REPORT(level, SQLSTATE_UNDEFINED_OBJECT,
                   err_message("unrecognized configuration parameter \"%s\" in file \"%s\" line %d", l->name,
                               l->file, l->line));
            ok = false;
            continue;
        }
        if (s == NULL)
            s = setting_find_or_raise(l->name); /* a placeholder; the lexer has checked the name */
        if (overridden(lines, i)) {
            l->name = NULL;
            continue;
        }
        s->in_file = true;
        if (setting_apply(s, l->value, context, SOURCE_FILE, ACTION_SET, false, &e) == SET_FAILED) {
            report_line_error(level, l, &e);
            ok = false;
        }
    }
    return ok;
}

static bool
from_file(const Setting *s)
{
    bool found = s->now.source == SOURCE_FILE || s->reset.source == SOURCE_FILE;
    for (const SettingUndo *u = s->undo; u; u = u->prev)
        found |= u->prior.source == SOURCE_FILE;
    return found;
}

static void
log_needs_restart(const Setting *s, ErrLevel level)
{
    REPORT(level, SQLSTATE_CANT_CHANGE_RUNTIME_PARAM,
           err_message("parameter \"%s\" cannot be changed without restarting the server", s->def->name));
}

/* Settings that the files no longer name go back to their default. */
static bool
reset_missing(SettingContext context, ErrLevel level)
{
    bool ok = true;
    for (int i = 0; i < settings_all_count; i++) {
        Setting *s = settings_all[i];
        SettingError e;
        if (s->in_file || !from_file(s))
            continue;
        if (s->def->context == CONTEXT_POSTMASTER && context == CONTEXT_SIGHUP) {
            s->pending_restart = true;
            log_needs_restart(s, level);
            ok = false;
            continue;
        }
        if (s->now.source == SOURCE_FILE)
            s->now.source = SOURCE_DEFAULT;
        if (s->reset.source == SOURCE_FILE)
            s->reset.source = SOURCE_DEFAULT;
        for (SettingUndo *u = s->undo; u; u = u->prev)
            if (u->prior.source == SOURCE_FILE)
                u->prior.source = SOURCE_DEFAULT;
        if (setting_apply(s, NULL, context, SOURCE_DEFAULT, ACTION_SET, true, &e) == SET_DONE &&
            !settings_under_postmaster)
            REPORT(level, SQLSTATE_SUCCESS,
                   err_message("parameter \"%s\" removed from configuration file, reset to default", s->def->name));
    }
    return ok;
}

static void
remember_place(Setting *s, const SettingLine *l)
{
    if (s->source_file == NULL || strcmp(s->source_file, l->file) != 0) {
        free(s->source_file);
        s->source_file = strdup(l->file); /* only shown: NULL when memory is short is fine */
    }
    s->source_line = l->line;
}

/* True unless a setting waits for a restart. */
static bool
apply_lines(const List *lines, SettingContext context, ErrLevel level, Arena *a)
{
    bool ok = true;
    for (int i = 0; i < lines->count; i++) {
        const SettingLine *l = list_at(lines, i);
        if (l->name == NULL)
            continue;
        SettingError e;
        Setting *s = setting_find(l->name);
        bool tell = context == CONTEXT_SIGHUP && !settings_under_postmaster;
        const char *before = tell ? arena_strdup(a, setting_value_text(s->def, s->now.text, a, true)) : NULL;
        SetResult done = setting_apply(s, l->value, context, SOURCE_FILE, ACTION_SET, true, &e);
        if (done == SET_NEEDS_RESTART) {
            log_needs_restart(s, level);
            ok = false;
            continue;
        }
        if (done == SET_FAILED) { /* a check that depends on another setting */
            report_line_error(level, l, &e);
            ok = false;
            continue;
        }
        remember_place(s, l);
        if (tell && done == SET_DONE) {
            const char *after = setting_value_text(s->def, s->now.text, a, true);
            if (strcmp(before, after) != 0)
                REPORT(level, SQLSTATE_SUCCESS,
                       err_message("parameter \"%s\" changed to \"%s\"", s->def->name, l->value));
        }
    }
    return ok;
}

bool
settings_load_files(const char *path, bool reload)
{
    Arena *a = arena_create(NULL, "settings files");
    SettingContext context = reload ? CONTEXT_SIGHUP : CONTEXT_POSTMASTER;
    ErrLevel level = settings_under_postmaster ? LEVEL_DEBUG2 : LEVEL_LOG;
    const char *bad = path;
    List *lines = list_new(a);
    const char *auto_path = resolve(a, AUTO_FILE, path);

    bool ok = settings_read_file(path, a, lines, level);
    if (ok && access(auto_path, F_OK) == 0) {
        bad = auto_path;
        ok = settings_read_file(auto_path, a, lines, level);
        if (ok)
            bad = path;
    }
    for (int i = 0; i < settings_all_count; i++)
        settings_all[i]->in_file = false;
    ok = ok && check_lines(lines, context, level);
    if (!ok) {
        if (!reload)
            RAISE_FATAL(SQLSTATE_CONFIG_FILE_ERROR, "configuration file \"%s\" contains errors", bad);
        REPORT(level, SQLSTATE_CONFIG_FILE_ERROR,
               err_message("configuration file \"%s\" contains errors; no changes were applied", bad));
        arena_destroy(a);
        return false;
    }
    bool all = reset_missing(context, level);
    all &= apply_lines(lines, context, level, a);
    if (!all) {
        if (!reload)
            RAISE_FATAL(SQLSTATE_CONFIG_FILE_ERROR, "configuration file \"%s\" contains errors", bad);
        REPORT(level, SQLSTATE_CONFIG_FILE_ERROR,
               err_message("configuration file \"%s\" contains errors; unaffected changes were applied", bad));
    }
    arena_destroy(a);
    return true;
}

/* --- ALTER SYSTEM --------------------------------------------------------------------------------- */

static void
add_assignment(StrBuf *s, const char *name, const char *value)
{
    str_printf(s, "%s = '", name);
    for (const char *p = value; *p; p++) {
        if (*p == '\'' || *p == '\\')
            str_add_char(s, *p);
        str_add_char(s, *p);
    }
    str_add(s, "'\n");
}

static NORETURN void
raise_file(const char *verb, const char *path)
{
    RAISE(err_sqlstate_of_errno(errno), "could not %s file \"%s\": %m", verb, path);
}

/* Written beside, synced, renamed, and the directory synced: a crash leaves the old or the new file. */
static void
replace_file(Arena *a, const char *dir, const char *path, const StrBuf *text)
{
    const char *tmp = arena_printf(a, "%s.tmp", path);
    int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        raise_file("open", tmp);
    bool ok = write(fd, text->data, text->len) == (ssize_t)text->len && fsync(fd) == 0;
    int saved = errno;
    close(fd);
    errno = saved;
    if (!ok)
        raise_file("write", tmp);
    if (rename(tmp, path) != 0)
        raise_file("rename", tmp);
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
}

void
settings_alter_system(const char *dir, const char *name, const char *value)
{
    if (value && strchr(value, '\n'))
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "parameter value for ALTER SYSTEM must not contain a newline");
    Arena *a = arena_create(arena_top(), "alter system");
    const char *path = arena_printf(a, "%s/" AUTO_FILE, dir);
    List *lines = list_new(a);
    if (access(path, F_OK) == 0 && !settings_read_file(path, a, lines, LEVEL_LOG)) {
        const char *bad = path;
        RAISE(SQLSTATE_CONFIG_FILE_ERROR, "could not parse contents of file \"%s\"", bad);
    }
    StrBuf text;
    str_init(&text, a);
    str_add(&text, "# Do not edit this file manually!\n"
                   "# It will be overwritten by the ALTER SYSTEM command.\n");
    for (int i = 0; name && i < lines->count; i++) {
        const SettingLine *l = list_at(lines, i);
        if (str_casecmp_ascii(l->name, name) != 0 && !overridden(lines, i))
            add_assignment(&text, l->name, l->value);
    }
    if (name && value)
        add_assignment(&text, name, value);
    replace_file(a, dir, path, &text);
    arena_destroy(a);
}
