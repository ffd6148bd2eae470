/*
 * The reg* types: names in, names out. Types below the catalog print numbers until these hooks are set.
 *
 * Input follows PostgreSQL: a number is taken as it is (core/types does that), a name may be qualified
 * and quoted; regprocedure and regoperator give argument types in parentheses.
 */
#include "core/catalog/cat_internal.h"
#include "core/types/text.h"

/* Splits a possibly qualified name; parts are unquoted and folded. Raises 42602. */
static int
split_name(Arena *a, const char *text, char **parts, int max)
{
    const char *p = text;
    int n = 0;

    for (;;) {
        StrBuf s;

        str_init(&s, a);
        p += strspn(p, " \t\n\r\f\v");
        if (*p == '"') {
            for (p++;; p++) {
                if (*p == '\0')
                    RAISE(SQLSTATE_INVALID_NAME, "invalid name syntax");
                if (*p == '"' && *++p != '"')
                    break;
                str_add_char(&s, *p);
            }
        } else {
            while (*p && *p != '.' && !strchr(" \t\n\r\f\v", *p))
                str_add_char(&s, char_lower_ascii(*p++));
        }
        if (s.len == 0 || n == max)
            RAISE(SQLSTATE_INVALID_NAME, "invalid name syntax");
        parts[n++] = arena_strndup(a, s.data, utf8_clip(s.data, s.len, NAME_BYTES - 1));
        p += strspn(p, " \t\n\r\f\v");
        if (*p == '\0')
            return n;
        if (*p++ != '.')
            RAISE(SQLSTATE_INVALID_NAME, "invalid name syntax");
    }
}

typedef struct QName { const char *nsp, *name; } QName;

static QName
qualified(Arena *a, const char *text, const char *what)
{
    char *parts[3];
    int n = split_name(a, text, parts, 3);

    if (n == 3) { /* database.schema.name */
        const CatRow *r = cat_get_by_oid(CAT_PG_DATABASE, catalog_database);

        if (!r || strncmp(datum_ptr(cat_val(r, PG_DATABASE_DATNAME)), parts[0], NAME_BYTES) != 0)
            UNSUPPORTED("cross-database references are not implemented: %s", text);
        return (QName){parts[1], parts[2]};
    }
    return n == 2 ? (QName){parts[0], parts[1]} : (QName){NULL, parts[0]};
}

Oid
regclass_in(Arena *a, const char *text, bool missing_ok)
{
    QName q = qualified(a, text, "relation");
    Oid rel = q.nsp && !nsp_oid(q.nsp, true) ? 0 : rel_lookup(q.nsp, q.name);

    if (!rel && !missing_ok) {
        if (q.nsp)
            (void)nsp_oid(q.nsp, false); /* raises if it is the schema that is missing */
        if (q.nsp)
            RAISE(SQLSTATE_UNDEFINED_TABLE, "relation \"%s.%s\" does not exist", q.nsp, q.name);
        RAISE(SQLSTATE_UNDEFINED_TABLE, "relation \"%s\" does not exist", q.name);
    }
    return rel;
}

/* ---- type names as SQL writes them ---- */

static const struct { const char *sql; Oid type; } sql_types[] = {
    {"boolean", BOOL_OID}, {"smallint", INT2_OID}, {"integer", INT4_OID}, {"int", INT4_OID}, {"bigint", INT8_OID}, {"real", FLOAT4_OID},
    {"float", FLOAT8_OID}, {"double precision", FLOAT8_OID}, {"decimal", NUMERIC_OID}, {"dec", NUMERIC_OID}, {"character varying", VARCHAR_OID},
    {"char varying", VARCHAR_OID}, {"character", BPCHAR_OID}, {"char", BPCHAR_OID}, {"national character", BPCHAR_OID}, {"nchar", BPCHAR_OID},
    {"bit", BIT_OID}, {"bit varying", VARBIT_OID}, {"timestamp", TIMESTAMP_OID}, {"timestamp without time zone", TIMESTAMP_OID},
    {"timestamp with time zone", TIMESTAMPTZ_OID}, {"time", TIME_OID}, {"time without time zone", TIME_OID}, {"time with time zone", TIMETZ_OID},
};

/* Words folded and single-spaced, what stands in parentheses taken out into mods, [] counted. */
static char *
normalise_type(Arena *a, const char *text, bool *array, char **mods)
{
    StrBuf s, m;
    bool space = false, in_quotes = false;

    str_init(&s, a);
    str_init(&m, a);
    *array = false;
    for (const char *p = text; *p; p++) {
        if (*p == '"')
            in_quotes = !in_quotes;
        if (in_quotes) {
            str_add_char(&s, *p);
            continue;
        }
        if (*p == '(') {
            while (*p && *p != ')') {
                p++;
                if (*p && *p != ')')
                    str_add_char(&m, *p);
            }
            if (!*p)
                break;
            space = s.len > 0;
        } else if (*p == '[') {
            *array = true;
            while (*p && *p != ']')
                p++;
            if (!*p)
                break;
        } else if (strchr(" \t\n\r\f\v", *p)) {
            space = s.len > 0;
        } else {
            if (space)
                str_add_char(&s, ' ');
            space = false;
            str_add_char(&s, *p == '"' ? '"' : char_lower_ascii(*p));
        }
    }
    *mods = m.len ? m.data : NULL;
    return s.data;
}

static int32_t
typmod_from(Arena *a, Oid type, char *mods)
{
    const TypeOps *ops = type_ops(type);
    const char *list[8];
    int n = 0;
    FnCtx c = {.arena = a, .state_arena = a, .ret_type = type};

    if (!mods)
        return -1;
    if (!ops || !ops->typmod_in)
        RAISE(SQLSTATE_SYNTAX_ERROR, "type modifier is not allowed for type \"%s\"", type_format(a, type, -1, false));
    for (char *p = mods; p && n < (int)COUNT_OF(list); n++) {
        char *comma = strchr(p, ',');

        if (comma)
            *comma++ = '\0';
        list[n] = p + strspn(p, " ");
        p = comma;
    }
    return ops->typmod_in(&c, list, n);
}

Oid
regtype_in(Arena *a, const char *text, bool missing_ok, int32_t *typmod)
{
    bool array;
    char *mods, *name = normalise_type(a, text, &array, &mods);
    Oid type = 0;

    for (size_t i = 0; i < COUNT_OF(sql_types) && !type; i++)
        if (strcmp(name, sql_types[i].sql) == 0)
            type = sql_types[i].type;
    if (!type && strncmp(name, "interval", 8) == 0 && (name[8] == '\0' || name[8] == ' '))
        type = INTERVAL_OID;
    if (!type) {
        QName q = qualified(a, name, "type");

        type = q.nsp && !nsp_oid(q.nsp, true) ? 0 : type_lookup(q.nsp, q.name);
    }
    if (type && typmod)
        *typmod = typmod_from(a, type, mods);
    if (type && array)
        type = type_array_of(type);
    if (!type && !missing_ok)
        RAISE(SQLSTATE_UNDEFINED_OBJECT, "type \"%s\" does not exist", name);
    return type;
}

/* ---- functions and operators ---- */

/* name(type, type) -> name, types; returns how many. */
static int
split_signature(Arena *a, const char *text, bool allow_none, char **name, Oid *types, int max)
{
    const char *open = text;
    bool in_quotes = false;
    int n = 0, depth = 0;
    char *list, *from;

    for (; *open && (in_quotes || *open != '('); open++)
        if (*open == '"')
            in_quotes = !in_quotes;
    if (*open != '(')
        RAISE(SQLSTATE_INVALID_TEXT_REPRESENTATION, "expected a left parenthesis");
    *name = arena_strndup(a, text, (size_t)(open - text));
    list = arena_strdup(a, open + 1);
    for (char *end = list + strlen(list);; end--) {
        if (end == list)
            RAISE(SQLSTATE_INVALID_TEXT_REPRESENTATION, "expected a right parenthesis");
        if (end[-1] == ')') {
            end[-1] = '\0';
            break;
        }
        if (!strchr(" \t\n\r\f\v", end[-1]))
            RAISE(SQLSTATE_INVALID_TEXT_REPRESENTATION, "expected a right parenthesis");
    }
    if (list[strspn(list, " \t\n\r\f\v")] == '\0')
        return 0;
    in_quotes = false;
    from = list;
    for (char *p = list;; p++) {
        bool end = *p == '\0';

        if (*p == '"')
            in_quotes = !in_quotes;
        if (!in_quotes && (*p == '(' || *p == '['))
            depth++;
        if (!in_quotes && (*p == ')' || *p == ']'))
            depth--;
        if (!end && !(*p == ',' && depth == 0 && !in_quotes))
            continue;
        *p = '\0';
        from += strspn(from, " \t\n\r\f\v");
        if (*from == '\0')
            RAISE(SQLSTATE_INVALID_TEXT_REPRESENTATION, "expected a type name");
        if (n == max)
            RAISE(SQLSTATE_TOO_MANY_ARGUMENTS, "too many arguments");
        types[n++] = allow_none && str_casecmp_ascii(from, "none") == 0 ? 0 : regtype_in(a, from, false, NULL);
        from = p + 1;
        if (end)
            return n;
    }
}

Oid
regproc_in(Arena *a, const char *text, bool missing_ok)
{
    QName q = qualified(a, text, "function");
    const FnInfo **c;
    int n = fn_candidates(q.nsp, q.name, a, &c);

    if (n == 1)
        return c[0]->oid;
    if (missing_ok)
        return 0;
    if (n == 0)
        RAISE(SQLSTATE_UNDEFINED_FUNCTION, "function \"%s\" does not exist", text);
    RAISE(SQLSTATE_AMBIGUOUS_FUNCTION, "more than one function named \"%s\"", text);
}

Oid
regprocedure_in(Arena *a, const char *text, bool missing_ok)
{
    Oid types[MAX_FN_ARGS];
    char *name;
    int nargs = split_signature(a, text, false, &name, types, MAX_FN_ARGS), n;
    QName q = qualified(a, name, "function");
    const FnInfo **c;

    n = fn_candidates(q.nsp, q.name, a, &c);
    for (int i = 0; i < n; i++)
        if (c[i]->nargs == nargs && memcmp(c[i]->args, types, sizeof(Oid) * (size_t)nargs) == 0)
            return c[i]->oid;
    if (!missing_ok)
        RAISE(SQLSTATE_UNDEFINED_FUNCTION, "function \"%s\" does not exist", text);
    return 0;
}

static QName
operator_name(Arena *a, const char *text)
{
    /* An operator's own name has no dots of qualification after it. */
    const char *dot = strrchr(text, '.');
    char *parts[2];

    if (dot && dot > text) {
        (void)split_name(a, arena_strndup(a, text, (size_t)(dot - text)), parts, 2);
        return (QName){parts[0], dot + 1};
    }
    return (QName){NULL, text};
}

Oid
regoper_in(Arena *a, const char *text, bool missing_ok)
{
    QName q = operator_name(a, text);
    const OpInfo **b, **l;
    int nb = op_candidates(q.nsp, q.name, 'b', a, &b), nl = op_candidates(q.nsp, q.name, 'l', a, &l);

    if (nb + nl == 1)
        return nb ? b[0]->oid : l[0]->oid;
    if (missing_ok)
        return 0;
    if (nb + nl == 0)
        RAISE(SQLSTATE_UNDEFINED_FUNCTION, "operator does not exist: %s", text);
    RAISE(SQLSTATE_AMBIGUOUS_FUNCTION, "more than one operator named %s", text);
}

Oid
regoperator_in(Arena *a, const char *text, bool missing_ok)
{
    Oid types[2];
    char *name;
    int nargs = split_signature(a, text, true, &name, types, 2), n;
    QName q;
    const OpInfo **c;

    if (nargs == 1)
        RAISE_ERR(SQLSTATE_UNDEFINED_PARAMETER, err_message("missing argument"), err_hint("Use NONE to denote the missing argument of a unary operator."));
    if (nargs != 2)
        RAISE_ERR(SQLSTATE_TOO_MANY_ARGUMENTS, err_message("too many arguments"), err_hint("Provide two argument types for operator."));
    q = operator_name(a, name);
    n = op_candidates(q.nsp, q.name, types[0] ? 'b' : 'l', a, &c);
    for (int i = 0; i < n; i++)
        if (c[i]->left == types[0] && c[i]->right == types[1])
            return c[i]->oid;
    if (!missing_ok)
        RAISE(SQLSTATE_UNDEFINED_FUNCTION, "operator does not exist: %s", text);
    return 0;
}

static Oid
collation_named(const char *name, Oid nsp)
{
    const CatRow *r = cat_get(IDX_PG_COLLATION_NAME_ENC_NSP_INDEX, ptr_datum(name), int32_datum(catalog_encoding), oid_datum(nsp), 0);

    if (!r)
        r = cat_get(IDX_PG_COLLATION_NAME_ENC_NSP_INDEX, ptr_datum(name), int32_datum(-1), oid_datum(nsp), 0);
    return r ? cat_oid(r, PG_COLLATION_OID) : 0;
}

Oid
collation_lookup(const char *nsp, const char *name)
{
    const Oid *path;
    int n;

    if (nsp) {
        Oid in = nsp_oid(nsp, true);

        return in ? collation_named(name, in) : 0;
    }
    path = search_path_oids(&n);
    for (int i = 0; i < n; i++) {
        Oid c = collation_named(name, path[i]);

        if (c)
            return c;
    }
    return 0;
}

Oid
reg_in(Arena *a, Oid reg_type, const char *text, bool missing_ok)
{
    char *parts[2];
    Oid oid;

    switch (reg_type) {
    case REGCLASS_OID: return regclass_in(a, text, missing_ok);
    case REGTYPE_OID: return regtype_in(a, text, missing_ok, NULL);
    case REGPROC_OID: return regproc_in(a, text, missing_ok);
    case REGPROCEDURE_OID: return regprocedure_in(a, text, missing_ok);
    case REGOPER_OID: return regoper_in(a, text, missing_ok);
    case REGOPERATOR_OID: return regoperator_in(a, text, missing_ok);
    case REGNAMESPACE_OID:
    case REGROLE_OID:
        if (split_name(a, text, parts, 2) != 1)
            RAISE(SQLSTATE_INVALID_NAME, "invalid name syntax");
        return reg_type == REGROLE_OID ? role_oid(parts[0], missing_ok) : nsp_oid(parts[0], missing_ok);
    case REGCOLLATION_OID: {
        QName q = qualified(a, text, "collation");

        oid = collation_lookup(q.nsp, q.name);
        if (!oid && !missing_ok)
            RAISE(SQLSTATE_UNDEFINED_OBJECT, "collation \"%s\" for encoding \"UTF8\" does not exist", q.name);
        return oid;
    }
    default:
        return 0;
    }
}

static bool
hook_in(FnCtx *c, Oid reg_type, const char *text, Oid *out)
{
    if (!txn_in_progress() || reg_type == REGCONFIG_OID || reg_type == REGDICTIONARY_OID)
        return false;
    *out = reg_in(c->arena, reg_type, text, false);
    return true;
}

static char *
reg_text(Arena *a, Oid reg_type, Oid oid)
{
    const CatRow *r;
    char *text;

    switch (reg_type) {
    case REGCLASS_OID:
        return rel_name_qualified(a, oid);
    case REGTYPE_OID:
        return type_info_or_null(oid) ? type_format(a, oid, -1, false) : NULL;
    case REGPROC_OID: {
        const FnInfo **c;

        if (!fn_exists(oid))
            return NULL;
        const FnInfo *f = fn_info(oid);
        bool alone = fn_candidates(NULL, f->name, a, &c) == 1 && c[0]->oid == oid;

        return name_qualified(a, f->nsp, f->name, alone);
    }
    case REGPROCEDURE_OID:
        return fn_signature(a, oid, false);
    case REGOPER_OID: {
        const OpInfo **c;

        if (!op_exists(oid))
            return NULL;
        const OpInfo *o = op_info(oid);
        int n = op_candidates(NULL, o->name, o->left ? 'b' : 'l', a, &c);

        n += op_candidates(NULL, o->name, o->left ? 'l' : 'b', a, &c);
        return n == 1 ? arena_strdup(a, o->name) : arena_printf(a, "%s.%s", nsp_name(a, o->nsp), o->name);
    }
    case REGOPERATOR_OID:
        return op_signature(a, oid, false);
    case REGNAMESPACE_OID:
        text = nsp_name(a, oid);
        return text ? name_qualified(a, 0, text, true) : NULL;
    case REGROLE_OID:
        text = role_name(a, oid);
        return text ? name_qualified(a, 0, text, true) : NULL;
    case REGCOLLATION_OID:
        r = cat_get_by_oid(CAT_PG_COLLATION, oid);
        if (!r)
            return NULL;
        text = cat_name(a, r, PG_COLLATION_COLLNAME);
        return name_qualified(a, cat_oid(r, PG_COLLATION_COLLNAMESPACE), text, collation_lookup(NULL, text) == oid);
    default:
        return NULL;
    }
}

static bool
hook_out(FnCtx *c, Oid reg_type, Oid oid, StrBuf *s)
{
    char *text;

    if (!txn_in_progress() || catalog_database == 0)
        return false;
    text = reg_text(c->arena ? c->arena : txn_current_arena(), reg_type, oid);
    if (!text)
        return false;
    str_add(s, text);
    return true;
}

void
reg_hooks_init(void)
{
    type_reg_in_hook = hook_in;
    type_reg_out_hook = hook_out;
}
