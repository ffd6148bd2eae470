/*
 * The corpus of tests/sql as statements, statements as tokens, and their mutation: tokens dropped, doubled, swapped,
 * taken from elsewhere or from a list of awkward ones, nesting, and now and then plain bytes.
 */
#include "fuzz.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef struct Texts { char **list; int count, cap; } Texts;

#define FILES_MAX 256
static Texts files[FILES_MAX];
static int file_count;

static const char *const awkward[] = {
    "NULL", "0", "-1", "1", "2147483647", "-2147483648", "9223372036854775807", "-9223372036854775808", "9223372036854775808", "1e308", "1e-400",
    "0.00000000000000000001", "12345678901234567890.123456789", "'NaN'", "'Infinity'", "'-infinity'", "''", "' '", "'a'", "'\\'", "E'\\\\'",
    "'{}'", "'{1,2,NULL}'", "'{{1,2},{3,4}}'", "'[5:6]={1,2}'", "ARRAY[]::int[]", "ARRAY[1,NULL,3]", "'2024-02-29'", "'294276-12-31'",
    "'4713-01-01 BC'", "'epoch'", "'1 mon -1 day 00:00:00.000001'", "'178956970 years'", "'24:00:00'", "true", "DEFAULT", "*", "(", ")", ",", "[",
    "]", ".", "::", "::int", "::text", "::numeric", "::int[]", "::date", "::interval", "::bytea", "::name", "::regclass", "::\"char\"", "::bool", "$1",
    "$0", "$65535", "=", "<>", "<", "||", "~", "%", "/", "^", "!~*", "@>", "IN", "NOT", "AND", "OR", "IS", "LIKE", "BETWEEN", "EXISTS", "ANY", "ALL",
    "SELECT", "FROM", "WHERE", "GROUP BY", "HAVING", "ORDER BY", "LIMIT", "OFFSET", "UNION", "EXCEPT ALL", "DISTINCT", "RETURNING *", "WITH RECURSIVE",
    "LATERAL", "CROSS JOIN", "LEFT JOIN", "FULL JOIN", "USING", "ON", "AS", "OVER ()", "FILTER", "CASE", "WHEN", "ELSE", "END", "INTERVAL", "CAST",
    "COALESCE(", "count(*)", "sum(", "array_agg(", "row_number() OVER (", "generate_series(1, 3)", "ctid", "xmin", "tableoid", "current_user", "now()",
    "(SELECT 1)", "(SELECT 1, 2)", "(VALUES (1), (NULL))", "ROW(1, 'x')", "FOR UPDATE", "ON CONFLICT DO NOTHING", "TEMP", "IF EXISTS", "CASCADE",
    "PRIMARY KEY", "REFERENCES", "CHECK", "UNIQUE", "NOT NULL", "GENERATED ALWAYS AS", "COLLATE \"C\"", "pg_class", "pg_attribute", "EXPLAIN",
    "EXPLAIN ANALYZE", "U&'\\0041'", "B'101'", "X'1F'", "$$x$$", "'\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80'", "/*", "--", ";",
};

static void
add(Texts *t, const char *p, size_t n)
{
    if (t->count == t->cap) {
        t->cap = t->cap * 2 + 64;
        t->list = realloc(t->list, sizeof(char *) * (size_t)t->cap);
    }
    char *copy = malloc(n + 1);
    if (t->list == NULL || copy == NULL)
        abort();
    memcpy(copy, p, n);
    copy[n] = '\0';
    t->list[t->count++] = copy;
}

static void
texts_free(Texts *t)
{
    for (int i = 0; i < t->count; i++)
        free(t->list[i]);
    free(t->list);
    *t = (Texts){0};
}

/* ---- scanning ---- */

/* The end of what begins at p and must not be split: a quoted text, a dollar quote, a comment, a word, a number. */
static const char *
token_end(const char *p)
{
    const char *start = p;
    if ((*p == 'E' || *p == 'e' || *p == 'B' || *p == 'X') && p[1] == '\'')
        p++;
    if (*p == '\'' || *p == '"') {
        char quote = *p++;
        bool escapes = *start == 'E' || *start == 'e';
        for (; *p; p++) {
            if (escapes && *p == '\\' && p[1])
                p++;
            else if (*p == quote && p[1] == quote)
                p++;
            else if (*p == quote)
                return p + 1;
        }
        return p;
    }
    if (*p == '$' && (p[1] == '$' || isalpha((unsigned char)p[1]))) {
        const char *end = strchr(p + 1, '$');
        size_t n = end ? (size_t)(end + 1 - p) : 0;
        for (const char *q = p + n; n && *q; q++)
            if (strncmp(q, p, n) == 0)
                return q + n;
        return p + 1;
    }
    if (*p == '-' && p[1] == '-')
        return p + strcspn(p, "\n");
    if (isalnum((unsigned char)*p) || *p == '_' || *p == '$' || (unsigned char)*p >= 128) {
        while (isalnum((unsigned char)*p) || *p == '_' || *p == '$' || (unsigned char)*p >= 128 || (*p == '.' && isdigit((unsigned char)*start)))
            p++;
        return p;
    }
    if (p[0] == ':' && p[1] == ':')
        return p + 2;
    return p + 1;
}

static void
tokenize(Texts *t, const char *p)
{
    while (*p) {
        if (isspace((unsigned char)*p)) {
            p++;
            continue;
        }
        const char *end = token_end(p);
        if (!(p[0] == '-' && p[1] == '-'))
            add(t, p, (size_t)(end - p));
        p = end;
    }
}

static bool
contains(const char *text, const char *word)
{
    return strcasestr(text, word) != NULL;
}

/* What reaches beyond the database, or makes waiting legitimate, would only give false alarms. */
static bool
forbidden(const char *s)
{
    static const char *const words[] = {"PROGRAM", "ALTER SYSTEM", "statement_timeout", "pg_sleep", "pg_terminate", "pg_cancel", "pg_reload",
                                        "pg_rotate", "pg_promote", "postgres", "ROLE fuzz", "DATABASE", "pg_read", "pg_ls", "lo_", "'/"};
    for (int i = 0; i < COUNT_OF(words); i++)
        if (contains(s, words[i]))
            return true;
    return false;
}

/* psql's commands and the data of COPY are not for the server. */
static void
split_file(Texts *t, char *text)
{
    Buf sql = {0};
    bool copying = false;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        if (copying)
            copying = strcmp(line, "\\.") != 0;
        else if (line[0] != '\\') {
            copying = contains(line, "copy ") && contains(line, "from stdin") && strchr(line, ';');
            buf_text(&sql, line);
            buf_byte(&sql, '\n');
        }
    }
    const char *start = sql.data, *p = sql.data;
    while (p && *p) {
        if (*p != ';') {
            p = token_end(p);
            continue;
        }
        while (isspace((unsigned char)*start))
            start++;
        add(t, start, (size_t)(p - start));
        if (forbidden(t->list[t->count - 1]))
            free(t->list[--t->count]);
        start = ++p;
    }
    buf_free(&sql);
}

bool
corpus_load(const char *directory)
{
    struct dirent **names;
    int n = scandir(directory, &names, NULL, alphasort); /* sorted: a seed means the same everywhere */
    for (int i = 0; i < n; i++) {
        size_t len = strlen(names[i]->d_name);
        if (len > 4 && strcmp(names[i]->d_name + len - 4, ".sql") == 0 && file_count < FILES_MAX) {
            char path[1024], chunk[8192];
            Buf text = {0};
            snprintf(path, sizeof path, "%s/%s", directory, names[i]->d_name);
            FILE *f = fopen(path, "r");
            for (size_t got; f && (got = fread(chunk, 1, sizeof chunk, f)) > 0;)
                buf_bytes(&text, chunk, got);
            if (f)
                fclose(f);
            if (text.len)
                split_file(&files[file_count], text.data);
            file_count += files[file_count].count > 0;
            buf_free(&text);
        }
        free(names[i]);
    }
    if (n >= 0)
        free(names);
    return file_count > 0;
}

int corpus_files(void) { return file_count; }
int corpus_statements(int file) { return files[file].count; }
const char *corpus_statement(int file, int i) { return files[file].list[i]; }

/* ---- mutation ---- */

static const char *
other_token(Rng *r, int file, Texts *scratch)
{
    if (rng_percent(r, 40))
        return awkward[rng_below(r, COUNT_OF(awkward))];
    if (rng_percent(r, 20))
        file = rng_below(r, file_count);
    texts_free(scratch);
    tokenize(scratch, files[file].list[rng_below(r, files[file].count)]);
    return scratch->count ? scratch->list[rng_below(r, scratch->count)] : "";
}

static void
replace(Texts *t, int at, const char *with)
{
    char *copy = strdup(with);
    if (copy == NULL)
        abort();
    free(t->list[at]);
    t->list[at] = copy;
}

static void
insert_token(Texts *t, int at, const char *token)
{
    add(t, token, strlen(token));
    char *last = t->list[t->count - 1];
    memmove(t->list + at + 1, t->list + at, sizeof(char *) * (size_t)(t->count - 1 - at));
    t->list[at] = last;
}

/* A token wrapped many times: depth is what parsers and planners die of. */
static void
nest(Rng *r, Texts *t, int at)
{
    static const char *const wraps[][2] = {{"(", ")"}, {"(SELECT ", ")"}, {"-(", ")"}, {"NOT (", ")"}, {"ARRAY[", "]"}, {"coalesce(", ", NULL)"},
                                           {"(", "::text)"}, {"CASE WHEN true THEN ", " END"}, {"ROW(", ")"}, {"abs(", ")"}, {"1 + ", ""}};
    const char *const *w = wraps[rng_below(r, COUNT_OF(wraps))];
    int depth = rng_percent(r, 10) ? 2000 : 1 + rng_below(r, 20);
    Buf b = {0};
    for (int i = 0; i < depth; i++)
        buf_text(&b, w[0]);
    buf_text(&b, t->list[at]);
    for (int i = 0; i < depth; i++)
        buf_text(&b, w[1]);
    replace(t, at, b.data);
    buf_free(&b);
}

static void
mutate_tokens(Rng *r, int file, Texts *t)
{
    Texts scratch = {0};
    for (int n = 1 + rng_below(r, 3); n > 0 && t->count > 0; n--) {
        int at = rng_below(r, t->count), other = rng_below(r, t->count);
        switch (rng_below(r, 9)) {
        case 0: replace(t, at, ""); break;
        case 1: insert_token(t, at, t->list[other]); break;
        case 2: {
            char *swap = t->list[at];
            t->list[at] = t->list[other];
            t->list[other] = swap;
            break;
        }
        case 3: case 4: case 5: replace(t, at, other_token(r, file, &scratch)); break;
        case 6: insert_token(t, at, other_token(r, file, &scratch)); break;
        case 7: nest(r, t, at); break;
        default: /* cut off, and the end of another statement put on */
            for (int i = at; i < t->count; i++)
                replace(t, i, "");
            texts_free(&scratch);
            tokenize(&scratch, files[file].list[rng_below(r, files[file].count)]);
            for (int i = scratch.count ? rng_below(r, scratch.count) : 0; i < scratch.count; i++)
                add(t, scratch.list[i], strlen(scratch.list[i]));
        }
    }
    texts_free(&scratch);
}

char *
statement_mutate(Rng *r, int file, const char *statement)
{
    Texts t = {0};
    Buf out = {0};
    tokenize(&t, statement);
    mutate_tokens(r, file, &t);
    buf_text(&out, "");
    for (int i = 0; i < t.count; i++) {
        buf_text(&out, t.list[i]);
        if (t.list[i][0] && strcmp(t.list[i], ".") != 0 && !(i + 1 < t.count && strchr(".([", t.list[i + 1][0] ? t.list[i + 1][0] : ' ')))
            buf_byte(&out, ' ');
    }
    texts_free(&t);
    if (rng_percent(r, 3)) {
        bytes_mutate(r, &out);
        out.len = strlen(out.data);
    }
    if (forbidden(out.data)) {
        out.len = 0;
        buf_text(&out, "SELECT 1");
    }
    return out.data;
}
