/*
 * COPY: the statement and its options.
 */
#include "core/sql/command/copy.h"

#include "core/base/settings.h"

static List *
column_names(Arena *a, const PgQuery__DefElem *d)
{
    List *out = list_new(a);
    PNode *const *items;
    size_t n;
    if (d->arg == NULL)
        RAISE_AT(SQLSTATE_INVALID_PARAMETER_VALUE, d->location, "argument to option \"%s\" must be a list of column names", d->defname);
    node_items((PNode *const *)&d->arg, &items, &n);
    for (size_t i = 0; i < n; i++) {
        const char *s = pnode_string(items[i]);
        if (s == NULL)
            RAISE_AT(SQLSTATE_INVALID_PARAMETER_VALUE, d->location, "argument to option \"%s\" must be a list of column names", d->defname);
        list_push(out, arena_strdup(a, s));
    }
    return out;
}

static CopyHeader
header_value(Arena *a, const PgQuery__DefElem *d)
{
    if (d->arg == NULL)
        return HEADER_ON;
    if (d->arg->node_case == PN(STRING) && str_casecmp_ascii(d->arg->string->sval, "match") == 0)
        return HEADER_MATCH;
    bool on;
    if (d->arg->node_case == PN(INTEGER) && (d->arg->integer->ival == 0 || d->arg->integer->ival == 1))
        return d->arg->integer->ival ? HEADER_ON : HEADER_OFF;
    if (settings_parse_bool(def_string(a, d), &on))
        return on ? HEADER_ON : HEADER_OFF;
    RAISE(SQLSTATE_SYNTAX_ERROR, "%s requires a Boolean value or \"match\"", d->defname);
}

typedef struct Given { const char *delim, *null, *quote, *escape; bool header, freeze, format; } Given;

static NORETURN void
refuse_encoding(const char *name, const PgQuery__DefElem *d)
{
    static const char *const others[] = {"latin1", "latin2", "latin9", "win1252", "win1251", "koi8r", "euc_jp", "sjis", "gbk", "big5", "iso_8859_5"};

    for (size_t i = 0; i < COUNT_OF(others); i++)
        if (str_casecmp_ascii(others[i], name) == 0)
            UNSUPPORTED("COPY encoding \"%s\" is not supported", name);
    RAISE_AT(SQLSTATE_INVALID_PARAMETER_VALUE, d->location, "argument to option \"%s\" must be a valid encoding name", d->defname);
}

static bool
is_star(const PgQuery__DefElem *d)
{
    return d->arg && d->arg->node_case == PN(A_STAR);
}

static void
read_options(CopyJob *j, const PgQuery__CopyStmt *s, Given *g)
{
    Arena *a = j->c->arena;
    CopyOptions *o = &j->o;
    for (size_t i = 0; i < s->n_options; i++) {
        const PgQuery__DefElem *d = s->options[i]->def_elem;
        const char *name = d->defname;
        for (size_t k = 0; k < i; k++)
            if (strcmp(s->options[k]->def_elem->defname, name) == 0)
                RAISE_AT(SQLSTATE_SYNTAX_ERROR, d->location, "conflicting or redundant options");
        if (strcmp(name, "format") == 0) {
            const char *f = def_string(a, d);
            o->format = strcmp(f, "text") == 0 ? COPY_TEXT : strcmp(f, "csv") == 0 ? COPY_CSV : strcmp(f, "binary") == 0 ? COPY_BINARY : (CopyFormat)-1;
            if ((int)o->format < 0)
                RAISE_AT(SQLSTATE_INVALID_PARAMETER_VALUE, d->location, "COPY format \"%s\" not recognized", f);
        } else if (strcmp(name, "freeze") == 0)
            o->freeze = def_bool(d);
        else if (strcmp(name, "delimiter") == 0)
            g->delim = def_string(a, d);
        else if (strcmp(name, "null") == 0)
            g->null = def_string(a, d);
        else if (strcmp(name, "header") == 0) {
            o->header = header_value(a, d);
            if (o->header == HEADER_MATCH && !s->is_from)
                RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "cannot use \"%s\" with HEADER in COPY TO", "match");
        } else if (strcmp(name, "quote") == 0)
            g->quote = def_string(a, d);
        else if (strcmp(name, "escape") == 0)
            g->escape = def_string(a, d);
        else if (strcmp(name, "force_quote") == 0) {
            if (is_star(d))
                o->force_quote_all = true;
            else
                o->force_quote = column_names(a, d);
        } else if (strcmp(name, "force_not_null") == 0)
            o->force_not_null = column_names(a, d);
        else if (strcmp(name, "force_null") == 0)
            o->force_null = column_names(a, d);
        else if (strcmp(name, "encoding") == 0) {
            const char *e = def_string(a, d);
            if (str_casecmp_ascii(e, "utf8") != 0 && str_casecmp_ascii(e, "utf-8") != 0 && str_casecmp_ascii(e, "sql_ascii") != 0)
                refuse_encoding(e, d);
        } else
            RAISE_AT(SQLSTATE_SYNTAX_ERROR, d->location, "option \"%s\" not recognized", name);
    }
}

static char
one_byte(const char *text, char dflt, const char *what)
{
    if (text == NULL)
        return dflt;
    if (strlen(text) != 1)
        RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "COPY %s must be a single one-byte character", what);
    return text[0];
}

static void
check_options(CopyJob *j, const PgQuery__CopyStmt *s, const Given *g)
{
    CopyOptions *o = &j->o;
    bool csv = o->format == COPY_CSV;
    if (o->format == COPY_BINARY) {
        if (g->delim)
            RAISE(SQLSTATE_SYNTAX_ERROR, "cannot specify DELIMITER in BINARY mode");
        if (g->null)
            RAISE(SQLSTATE_SYNTAX_ERROR, "cannot specify NULL in BINARY mode");
        if (o->header != HEADER_OFF)
            RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "cannot specify HEADER in BINARY mode");
    }
    o->delim = one_byte(g->delim, csv ? ',' : '\t', "delimiter");
    o->null = g->null ? g->null : csv ? "" : "\\N";
    o->null_len = strlen(o->null);
    if (o->delim == '\n' || o->delim == '\r')
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "COPY delimiter cannot be newline or carriage return");
    if (strpbrk(o->null, "\r\n"))
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "COPY null representation cannot use newline or carriage return");
    if (!csv && o->format == COPY_TEXT && strchr("\\.abcdefghijklmnopqrstuvwxyz0123456789", o->delim))
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "COPY delimiter cannot be \"%c\"", o->delim);
    if (!csv && g->quote)
        RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "COPY quote available only in CSV mode");
    o->quote = one_byte(g->quote, '"', "quote");
    if (csv && o->delim == o->quote)
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "COPY delimiter and quote must be different");
    if (!csv && g->escape)
        RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "COPY escape available only in CSV mode");
    o->escape = one_byte(g->escape, o->quote, "escape");
    if (!csv && (o->force_quote || o->force_quote_all))
        RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "COPY force quote available only in CSV mode");
    if ((o->force_quote || o->force_quote_all) && s->is_from)
        RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "COPY force quote only available using COPY TO");
    if (!csv && o->force_not_null)
        RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "COPY force not null available only in CSV mode");
    if (o->force_not_null && !s->is_from)
        RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "COPY force not null only available using COPY FROM");
    if (!csv && o->force_null)
        RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "COPY force null available only in CSV mode");
    if (o->force_null && !s->is_from)
        RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "COPY force null only available using COPY FROM");
    if (o->format != COPY_BINARY && strchr(o->null, o->delim) && o->null[0])
        RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "COPY delimiter must not appear in the NULL specification");
    if (csv && strchr(o->null, o->quote) && o->null[0])
        RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "CSV quote character must not appear in the NULL specification");
}

static void
resolve_columns(CopyJob *j, const PgQuery__CopyStmt *s)
{
    RelDesc *r = j->rel;
    j->attnums = ARENA_ARRAY(j->c->arena, int, r->natts + (int)s->n_attlist + 1);
    if (s->n_attlist == 0) {
        for (int i = 0; i < r->natts; i++)
            if (!r->cols[i].dropped && !r->cols[i].generated)
                j->attnums[j->ncols++] = i + 1;
        return;
    }
    for (size_t i = 0; i < s->n_attlist; i++) {
        const char *name = pnode_string(s->attlist[i]);
        int att = rel_attnum(r, name);
        if (att <= 0)
            RAISE(SQLSTATE_UNDEFINED_COLUMN, "column \"%s\" of relation \"%s\" does not exist", name, r->name);
        if (r->cols[att - 1].generated)
            RAISE_ERR(SQLSTATE_INVALID_COLUMN_REFERENCE, err_message("column \"%s\" is a generated column", name), err_detail("Generated columns cannot be used in COPY."));
        for (int k = 0; k < j->ncols; k++)
            if (j->attnums[k] == att)
                RAISE(SQLSTATE_DUPLICATE_COLUMN, "column \"%s\" specified more than once", name);
        j->attnums[j->ncols++] = att;
    }
}

static void
check_file_access(const PgQuery__CopyStmt *s)
{
    if (s->filename[0] == '\0')
        return;
    if (s->is_program)
        UNSUPPORTED("COPY with PROGRAM is not supported");
    const char *role = s->is_from ? "pg_read_server_files" : "pg_write_server_files";
    Oid oid = role_oid(role, true);
    if (!role_is_superuser(current_user_oid) && !(oid && role_is_member(current_user_oid, oid)))
        RAISE_ERR(SQLSTATE_INSUFFICIENT_PRIVILEGE, err_message("must be superuser or have privileges of the %s role to COPY %s a file", role, s->is_from ? "from" : "to"),
                  err_hint("Anyone can COPY to stdout or from stdin. psql's \\copy command also works for anyone."));
    if (s->filename[0] != '/' && !s->is_from)
        RAISE(SQLSTATE_INVALID_NAME, "relative path not allowed for COPY to file");
}

static void
check_privileges(CopyJob *j, bool is_from)
{
    uint32_t need = is_from ? ACL_INSERT : ACL_SELECT;
    if (acl_check(CAT_PG_CLASS, j->rel->oid, current_user_oid, need))
        return;
    for (int i = 0; i < j->ncols; i++)
        if (!acl_check_column(j->rel->oid, j->attnums[i], current_user_oid, need))
            acl_raise(CAT_PG_CLASS, j->rel->oid);
}

void
cmd_copy(CommandContext *c, const PgQuery__CopyStmt *s)
{
    CopyJob j = {.c = c};
    Given g = {0};

    check_file_access(s);
    read_options(&j, s, &g);
    check_options(&j, s, &g);
    j.file = s->filename[0] ? s->filename : NULL;
    if (s->relation) {
        j.rel = range_var_open(s->relation, s->is_from ? LOCK_ROW_EXCLUSIVE : LOCK_ACCESS_SHARE, false);
        resolve_columns(&j, s);
        check_privileges(&j, s->is_from);
    }
    if (s->is_from && txn_read_only && j.rel->persistence != 't')
        RAISE(SQLSTATE_READ_ONLY_SQL_TRANSACTION, "cannot execute COPY FROM in a read-only transaction");
    uint64_t rows = s->is_from ? copy_from(&j, s) : copy_to(&j, s);
    snprintf(c->tag, sizeof c->tag, "COPY %llu", (unsigned long long)rows);
}
