/*
 * pg_ident.conf: maps names of the operating system or of certificates to roles. A name that begins with a
 * slash is a regular expression; \1 in the role stands for what its first parentheses matched.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "core/wire/wire_internal.h"

#include <pcre2.h>

typedef struct IdentLine {
    int number;
    char *map, *system, *role;
    pcre2_code *regex; /* NULL: system is compared */
} IdentLine;

static Arena *current_arena;
static List *current_lines;

static void
free_regex(void *arg)
{
    pcre2_code_free(arg);
}

static bool
complain(const char *path, int number, const char *message)
{
    REPORT(LEVEL_LOG, SQLSTATE_CONFIG_FILE_ERROR, err_message("%s", message),
           err_context("line %d of configuration file \"%s\"", number, path));
    return false;
}

static bool
parse_line(Arena *a, const TokenLine *t, const char *path, IdentLine *out)
{
    const char *texts[3];
    if (t->error)
        return false;
    for (int i = 0; i < 3; i++) {
        if (i >= list_count(t->fields))
            return complain(path, t->number, "missing entry at end of line");
        List *f = list_at(t->fields, i);
        if (list_count(f) > 1)
            return complain(path, t->number, "multiple values in ident field");
        texts[i] = ((HbaToken *)list_at(f, 0))->text;
    }
    *out = (IdentLine){.number = t->number, .map = arena_strdup(a, texts[0]), .system = arena_strdup(a, texts[1]),
                       .role = arena_strdup(a, texts[2])};
    if (texts[1][0] != '/')
        return true;
    int error;
    size_t at;
    out->regex = pcre2_compile((PCRE2_SPTR)(texts[1] + 1), PCRE2_ZERO_TERMINATED, PCRE2_UTF, &error, &at, NULL);
    if (out->regex == NULL) {
        char why[200];
        pcre2_get_error_message(error, (PCRE2_UCHAR *)why, sizeof(why));
        return complain(path, t->number,
                        arena_printf(a, "invalid regular expression \"%s\": %s", texts[1] + 1, why));
    }
    arena_on_reset(a, free_regex, out->regex);
    return true;
}

bool
ident_load(const char *path)
{
    Arena *a = arena_create(arena_top(), "pg_ident.conf");
    List *tokens = list_new(a), *lines = list_new(a);
    bool ok = hba_tokenize(path, a, tokens);
    LIST_FOREACH(TokenLine, t, tokens) {
        IdentLine *line = ARENA_NEW(a, IdentLine);
        if (parse_line(a, t, path, line))
            list_push(lines, line);
        else
            ok = false;
    }
    if (!ok) {
        arena_destroy(a);
        return false;
    }
    if (current_arena)
        arena_destroy(current_arena);
    current_arena = a;
    current_lines = lines;
    return true;
}

/* `role` with \1 replaced by the match's first group, if there was one. NULL: the line cannot apply. */
static char *
substitute(Arena *a, const IdentLine *l, const char *system, const size_t *spans, int nspans)
{
    const char *mark = strstr(l->role, "\\1");
    if (mark == NULL)
        return l->role;
    if (nspans < 2 || spans[2] == PCRE2_UNSET) {
        LOG("regular expression \"%s\" has no subexpressions as requested by backreference in \"%s\"", l->system + 1,
            l->role);
        return NULL;
    }
    return arena_printf(a, "%.*s%.*s%s", (int)(mark - l->role), l->role, (int)(spans[3] - spans[2]),
                        system + spans[2], mark + 2);
}

static bool
line_fits(Arena *a, const IdentLine *l, const char *user, const char *system)
{
    if (l->regex == NULL)
        return strcmp(l->system, system) == 0 && strcmp(l->role, user) == 0;
    pcre2_match_data *m = pcre2_match_data_create_from_pattern(l->regex, NULL);
    bool fits = false;
    int n = m ? pcre2_match(l->regex, (PCRE2_SPTR)system, PCRE2_ZERO_TERMINATED, 0, 0, m, NULL) : PCRE2_ERROR_NOMEMORY;
    if (n > 0) {
        const char *role = substitute(a, l, system, pcre2_get_ovector_pointer(m), n);
        fits = role && strcmp(role, user) == 0;
    } else if (n != PCRE2_ERROR_NOMATCH) {
        char why[200];
        pcre2_get_error_message(n, (PCRE2_UCHAR *)why, sizeof(why));
        LOG("regular expression match for \"%s\" failed: %s", l->system + 1, why);
    }
    pcre2_match_data_free(m);
    return fits;
}

bool
ident_check(const char *map, const char *user, const char *system)
{
    if (map == NULL || *map == '\0') {
        if (strcmp(user, system) == 0)
            return true;
        LOG("provided user name (%s) and authenticated user name (%s) do not match", user, system);
        return false;
    }
    Arena *a = arena_create(arena_top(), "user map");
    bool found = false;
    for (int i = 0; i < list_count(current_lines) && !found; i++) {
        const IdentLine *l = list_at(current_lines, i);
        found = strcmp(l->map, map) == 0 && line_fits(a, l, user, system);
    }
    arena_destroy(a);
    if (!found)
        LOG("no match in usermap \"%s\" for user \"%s\" authenticated as \"%s\"", map, user, system);
    return found;
}
