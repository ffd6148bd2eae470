/*
 * The syntax of pg_hba.conf and pg_ident.conf: lines of blank-separated fields, each a comma-separated list
 * of tokens; "quotes" take keywords their meaning; # begins a comment; a backslash at the end of a line
 * continues it; @file is replaced by the file's tokens, one list for the whole file.
 */
#include "core/wire/wire_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define INCLUDE_DEPTH_MAX 10
#define FILE_BYTES_MAX (64u * 1024 * 1024)

static bool expand_file(Arena *a, const char *path, const char *name, List *tokens, int depth, char **error);

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* The next token at *p, which moves on; *comma: a comma follows, so the field goes on. NULL at the end. */
static HbaToken *
next_token(Arena *a, const char **p, bool *comma)
{
    const char *s = *p;
    StrBuf text;
    bool in_quote = false, was_quote = false, initial_quote = false, any = false;
    *comma = false;
    while (is_blank(*s) || *s == ',')
        s++;
    str_init(&text, a);
    for (; *s; s++) {
        if (!in_quote && is_blank(*s))
            break;
        if (!in_quote && *s == '#') {
            s += strlen(s);
            break;
        }
        if (!in_quote && *s == ',') {
            *comma = true;
            s++;
            break;
        }
        if (*s != '"' || was_quote)
            str_add_char(&text, *s);
        if (in_quote && *s == '"') {
            was_quote = !was_quote; /* "" inside of quotes is one */
        } else {
            was_quote = false;
        }
        if (*s == '"') {
            in_quote = !in_quote;
            if (!any)
                initial_quote = true;
        }
        any = true;
    }
    *p = s;
    if (text.len == 0 && !initial_quote)
        return NULL;
    HbaToken *t = ARENA_NEW(a, HbaToken);
    t->text = text.data;
    t->quoted = initial_quote;
    return t;
}

/* One field: tokens up to a blank that no comma precedes. Empty list: end of line. */
static List *
next_field(Arena *a, const char *path, const char **p, int depth, char **error)
{
    List *tokens = list_new(a);
    bool comma;
    do {
        HbaToken *t = next_token(a, p, &comma);
        if (t == NULL)
            break;
        if (!t->quoted && t->text[0] == '@' && t->text[1]) {
            if (!expand_file(a, path, t->text + 1, tokens, depth + 1, error))
                break;
        } else {
            list_push(tokens, t);
        }
    } while (comma && *error == NULL);
    return tokens;
}

/* Reads a whole file; NULL with errno. */
static char *
read_text(Arena *a, const char *path)
{
    FILE *f = fopen(path, "re");
    struct stat st;
    if (f == NULL)
        return NULL;
    if (fstat(fileno(f), &st) != 0 || S_ISDIR(st.st_mode) || st.st_size > FILE_BYTES_MAX) {
        int e = S_ISDIR(st.st_mode) ? EISDIR : EFBIG;
        fclose(f);
        errno = e;
        return NULL;
    }
    StrBuf s;
    char block[4096];
    size_t n;
    str_init(&s, a);
    while ((n = fread(block, 1, sizeof(block), f)) > 0 && s.len < FILE_BYTES_MAX)
        str_add_bytes(&s, block, n);
    fclose(f);
    return s.data;
}

/* Cuts the next logical line off *rest, continuation lines joined; counts physical ones. NULL at the end. */
static char *
next_line(Arena *a, char **rest, int *lines)
{
    StrBuf s;
    *lines = 0;
    if (**rest == '\0')
        return NULL;
    str_init(&s, a);
    while (**rest) {
        char *end = *rest + strcspn(*rest, "\n");
        size_t n = (size_t)(end - *rest);
        char *next = *end ? end + 1 : end;
        if (n > 0 && (*rest)[n - 1] == '\r')
            n--;
        str_add_bytes(&s, *rest, n);
        *rest = next;
        (*lines)++;
        if (s.len == 0 || s.data[s.len - 1] != '\\')
            break;
        s.data[--s.len] = '\0';
    }
    return s.data;
}

static bool
tokenize(const char *path, Arena *a, List *out, int depth, char **error)
{
    char *rest = read_text(a, path), *line;
    int number = 1, lines;
    if (rest == NULL)
        return false;
    while ((line = next_line(a, &rest, &lines)) != NULL) {
        TokenLine *t = ARENA_NEW(a, TokenLine);
        const char *p = line;
        t->number = number;
        t->text = line;
        t->fields = list_new(a);
        number += lines;
        while (*p && t->error == NULL) {
            List *f = next_field(a, path, &p, depth, &t->error);
            if (list_count(f) > 0)
                list_push(t->fields, f);
            else if (*p == '\0')
                break;
        }
        if (t->error)
            *error = t->error;
        if (list_count(t->fields) > 0 || t->error)
            list_push(out, t);
    }
    return true;
}

static bool
expand_file(Arena *a, const char *path, const char *name, List *tokens, int depth, char **error)
{
    const char *slash = strrchr(path, '/');
    char *full = name[0] == '/' || slash == NULL ? arena_strdup(a, name)
                                                 : arena_printf(a, "%.*s/%s", (int)(slash - path), path, name);
    List *lines = list_new(a);
    if (depth > INCLUDE_DEPTH_MAX) {
        *error = arena_printf(a, "could not open file \"%s\": maximum nesting depth exceeded", full);
        LOG("%s", *error);
        return false;
    }
    if (!tokenize(full, a, lines, depth, error)) {
        *error = arena_printf(a, "could not open secondary authentication file \"@%s\" as \"%s\": %s", name, full,
                              strerror(errno));
        LOG("%s", *error);
        return false;
    }
    LIST_FOREACH(TokenLine, line, lines)
        for (int i = 0; i < list_count(line->fields); i++)
            list_concat(tokens, list_at(line->fields, i));
    return *error == NULL;
}

bool
hba_tokenize(const char *path, Arena *a, List *lines)
{
    char *error = NULL;
    if (tokenize(path, a, lines, 0, &error))
        return true;
    REPORT(LEVEL_LOG, err_sqlstate_of_errno(errno), err_message("could not open configuration file \"%s\": %m", path));
    return false;
}
