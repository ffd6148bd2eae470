/*
 * Storage parameters: WITH (fillfactor = 70, ...) as pg_class.reloptions holds them.
 */
#include "core/sql/command/command_internal.h"

#include "core/base/settings.h"

typedef enum OptionType { OPT_BOOL, OPT_INT, OPT_REAL, OPT_ENUM } OptionType;
typedef struct Option { const char *name; const char *kinds; OptionType type; double min, max; const char *values; } Option;

static const Option known[] = {
    {"fillfactor", "rm", OPT_INT, 10, 100, NULL},
    {"fillfactor", "i", OPT_INT, 10, 100, NULL},
    {"deduplicate_items", "i", OPT_BOOL, 0, 0, NULL},
    {"autovacuum_enabled", "rmt", OPT_BOOL, 0, 0, NULL},
    {"user_catalog_table", "r", OPT_BOOL, 0, 0, NULL},
    {"toast_tuple_target", "rm", OPT_INT, 128, 8160, NULL},
    {"parallel_workers", "rm", OPT_INT, 0, 1024, NULL},
    {"vacuum_truncate", "rmt", OPT_BOOL, 0, 0, NULL},
    {"vacuum_index_cleanup", "rmt", OPT_ENUM, 0, 0, "auto,on,off,true,false,yes,no,1,0"},
    {"autovacuum_vacuum_threshold", "rmt", OPT_INT, 0, INT32_MAX, NULL},
    {"autovacuum_vacuum_insert_threshold", "rmt", OPT_INT, -1, INT32_MAX, NULL},
    {"autovacuum_analyze_threshold", "rm", OPT_INT, 0, INT32_MAX, NULL},
    {"autovacuum_vacuum_cost_limit", "rmt", OPT_INT, 1, 10000, NULL},
    {"autovacuum_freeze_min_age", "rmt", OPT_INT, 0, 1000000000, NULL},
    {"autovacuum_freeze_max_age", "rmt", OPT_INT, 100000, 2000000000, NULL},
    {"autovacuum_freeze_table_age", "rmt", OPT_INT, 0, 2000000000, NULL},
    {"autovacuum_multixact_freeze_min_age", "rmt", OPT_INT, 0, 1000000000, NULL},
    {"autovacuum_multixact_freeze_max_age", "rmt", OPT_INT, 10000, 2000000000, NULL},
    {"autovacuum_multixact_freeze_table_age", "rmt", OPT_INT, 0, 2000000000, NULL},
    {"log_autovacuum_min_duration", "rmt", OPT_INT, -1, INT32_MAX, NULL},
    {"autovacuum_vacuum_cost_delay", "rmt", OPT_REAL, 0, 100, NULL},
    {"autovacuum_vacuum_scale_factor", "rmt", OPT_REAL, 0, 100, NULL},
    {"autovacuum_vacuum_insert_scale_factor", "rmt", OPT_REAL, 0, 100, NULL},
    {"autovacuum_analyze_scale_factor", "rm", OPT_REAL, 0, 100, NULL},
    {"security_barrier", "v", OPT_BOOL, 0, 0, NULL},
    {"security_invoker", "v", OPT_BOOL, 0, 0, NULL},
    {"check_option", "v", OPT_ENUM, 0, 0, "local,cascaded"},
};

static const Option *
find_option(const char *name, char kind)
{
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (strcmp(known[i].name, name) == 0 && strchr(known[i].kinds, kind))
            return &known[i];
    return NULL;
}

static bool
word_in(const char *list, const char *word)
{
    size_t n = strlen(word);

    for (const char *p = list; *p;) {
        size_t m = strcspn(p, ",");
        if (m == n && strncmp(p, word, n) == 0)
            return true;
        p += m + (p[m] == ',');
    }
    return false;
}

static void
check_option(const Option *o, const char *value)
{
    bool b;
    int i;
    double d;
    const char *hint;

    switch (o->type) {
    case OPT_BOOL:
        if (!settings_parse_bool(value, &b))
            RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "invalid value for boolean option \"%s\": %s", o->name, value);
        break;
    case OPT_INT:
        if (!settings_parse_int(value, &i, UNIT_NONE, &hint))
            RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "invalid value for integer option \"%s\": %s", o->name, value);
        if (i < o->min || i > o->max)
            RAISE_ERR(SQLSTATE_INVALID_PARAMETER_VALUE, err_message("value %s out of bounds for option \"%s\"", value, o->name),
                      err_detail("Valid values are between \"%d\" and \"%d\".", (int)o->min, (int)o->max));
        break;
    case OPT_REAL:
        if (!settings_parse_real(value, &d, UNIT_NONE, &hint))
            RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "invalid value for floating point option \"%s\": %s", o->name, value);
        if (d < o->min || d > o->max)
            RAISE_ERR(SQLSTATE_INVALID_PARAMETER_VALUE, err_message("value %s out of bounds for option \"%s\"", value, o->name),
                      err_detail("Valid values are between \"%f\" and \"%f\".", o->min, o->max));
        break;
    case OPT_ENUM:
        if (!word_in(o->values, value))
            RAISE_ERR(SQLSTATE_INVALID_PARAMETER_VALUE, err_message("invalid value for enum option \"%s\": %s", o->name, value),
                      err_detail(strcmp(o->name, "check_option") == 0 ? "Valid values are \"local\" and \"cascaded\"." : "Valid values are \"on\", \"off\", and \"auto\"."));
        break;
    }
}

Datum
reloptions_make(Arena *a, Datum old, bool old_null, PNode **options, size_t n, char kind, bool reset, bool *is_null)
{
    Datum *values = NULL, *out;
    bool *nulls = NULL;
    int nold = 0, count = 0;

    if (!old_null)
        array_deconstruct(a, old, &values, &nulls, &nold);
    out = ARENA_ARRAY(a, Datum, (size_t)nold + n + 1);
    for (int i = 0; i < nold; i++) { /* those not named now stay */
        const char *text = var_to_cstring(a, values[i]);
        bool named = false;
        for (size_t k = 0; k < n; k++) {
            size_t len = strlen(options[k]->def_elem->defname);
            named |= strncmp(text, options[k]->def_elem->defname, len) == 0 && text[len] == '=';
        }
        if (!named)
            out[count++] = values[i];
    }
    for (size_t i = 0; i < n; i++) {
        const PgQuery__DefElem *d = options[i]->def_elem;
        if (GIVEN(d->defnamespace) && strcmp(d->defnamespace, "toast") == 0) { /* checked; the toast table keeps its defaults */
            const Option *o = find_option(d->defname, 't');
            if (o == NULL)
                RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "unrecognized parameter \"%s\"", d->defname);
            if (!reset)
                check_option(o, d->arg && d->arg->node_case != PG_QUERY__NODE__NODE__NOT_SET ? def_string(a, d) : "true");
            continue;
        }
        if (GIVEN(d->defnamespace))
            RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "unrecognized parameter namespace \"%s\"", d->defnamespace);
        if (strcmp(d->defname, "oids") == 0 && kind == 'r') {
            if (def_bool(d))
                UNSUPPORTED("tables declared WITH OIDS are not supported");
            continue;
        }
        const Option *o = find_option(d->defname, kind);
        if (o == NULL)
            RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "unrecognized parameter \"%s\"", d->defname);
        if (reset)
            continue;
        const char *value = d->arg && d->arg->node_case != PG_QUERY__NODE__NODE__NOT_SET ? def_string(a, d) : "true";
        check_option(o, value);
        out[count++] = var_from_cstring(a, arena_printf(a, "%s=%s", d->defname, value));
    }
    for (size_t i = 0; i < n; i++)
        for (size_t k = i + 1; !reset && k < n; k++)
            if (strcmp(options[i]->def_elem->defname, options[k]->def_elem->defname) == 0 &&
                strcmp(options[i]->def_elem->defnamespace, options[k]->def_elem->defnamespace) == 0)
                RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "parameter \"%s\" specified more than once", options[i]->def_elem->defname);
    *is_null = count == 0;
    return count ? array_construct_1d(a, TEXT_OID, out, NULL, count) : 0;
}
