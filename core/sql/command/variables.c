/*
 * SET, RESET, SHOW and ALTER SYSTEM over core/base/settings, and the settings "role" and
 * "session_authorization", whose values are the session's identity.
 */
#include "core/base/settings.h"
#include "core/sql/command/command_internal.h"

static SettingContext
own_context(void)
{
    return role_is_superuser(current_user_oid) ? CONTEXT_SUPERUSER : CONTEXT_USER;
}

/* ---- values ---- */

static const char *const list_settings[] = {"datestyle", "search_path", "temp_tablespaces", "session_preload_libraries",
    "local_preload_libraries", "shared_preload_libraries", "log_destination", "unix_socket_directories",
    "synchronous_standby_names", "listen_addresses", "debug_io_direct", "wal_consistency_checking"};

static bool
takes_list(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(list_settings); i++)
        if (str_casecmp_ascii(list_settings[i], name) == 0)
            return true;
    return false;
}

/* INTERVAL '...' of SET TIME ZONE, in the form the setting's parser reads. */
static char *
interval_text(Arena *a, const PgQuery__TypeCast *t)
{
    Oid type;
    int32_t typmod;
    StrBuf s;

    sql_resolve_type_name(t->type_name, NULL, &type, &typmod);
    if (type != INTERVAL_OID || t->arg->node_case != PN(A_CONST) || t->arg->a_const->val_case != PG_QUERY__A__CONST__VAL_SVAL)
        INTERNAL_ERROR("unexpected argument of SET TIME ZONE");
    FnCtx c = {.arena = a, .state_arena = a};
    const TypeOps *ops = type_ops(INTERVAL_OID);
    const char *z = t->arg->a_const->sval->sval;
    Datum d = ops->in(&c, z, strlen(z), 0, typmod);
    str_init(&s, a);
    str_add(&s, "INTERVAL '");
    ops->out(&c, d, &s);
    str_add(&s, "'");
    return s.data;
}

char *
variable_set_value(Arena *a, const PgQuery__VariableSetStmt *s)
{
    StrBuf b;

    if (s->kind == PG_QUERY__VARIABLE_SET_KIND__VAR_SET_CURRENT) {
        const char *v = settings_get(a, s->name, false);
        return arena_strdup(a, v ? v : "");
    }
    if (s->kind != PG_QUERY__VARIABLE_SET_KIND__VAR_SET_VALUE)
        return NULL;
    if (s->n_args > 1 && !takes_list(s->name))
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "SET %s takes only one argument", s->name);
    const SettingDef *def = settings_find_def(s->name);
    bool quote = def && (def->flags & SETTING_LIST_QUOTE);
    str_init(&b, a);
    for (size_t i = 0; i < s->n_args; i++) {
        const PNode *n = s->args[i];
        if (i)
            str_add(&b, ", ");
        if (n->node_case == PN(TYPE_CAST)) {
            str_add(&b, interval_text(a, n->type_cast));
            continue;
        }
        if (n->node_case != PN(A_CONST))
            INTERNAL_ERROR("unrecognized node type: %d", (int)n->node_case);
        const PgQuery__AConst *k = n->a_const;
        switch (k->val_case) {
        case PG_QUERY__A__CONST__VAL_IVAL: str_printf(&b, "%d", k->ival->ival); break;
        case PG_QUERY__A__CONST__VAL_FVAL: str_add(&b, k->fval->fval); break;
        case PG_QUERY__A__CONST__VAL_BOOLVAL: str_add(&b, k->boolval->boolval ? "true" : "false"); break;
        case PG_QUERY__A__CONST__VAL_SVAL: str_add(&b, quote ? sql_quote_ident(a, k->sval->sval) : k->sval->sval); break;
        default: str_add(&b, "0"); break;
        }
    }
    return b.data;
}

static void
warn_outside_block(CommandContext *c, const char *what)
{
    if (!c->is_atomic_block)
        REPORT(LEVEL_WARNING, SQLSTATE_NO_ACTIVE_SQL_TRANSACTION, err_message("%s can only be used in transaction blocks", what));
}

static void
set_transaction_modes(const PgQuery__VariableSetStmt *s, bool session)
{
    for (size_t i = 0; i < s->n_args; i++) {
        const PgQuery__DefElem *d = s->args[i]->def_elem;
        const char *value = def_string(txn_arena(), d);
        const char *name = session ? arena_printf(txn_arena(), "default_%s", d->defname) : d->defname;
        if (strcmp(d->defname, "transaction_isolation") != 0)
            value = def_bool(d) ? "on" : "off";
        settings_set(name, value, own_context(), SOURCE_SESSION, session ? ACTION_SET : ACTION_LOCAL);
    }
}

void
cmd_variable_set(CommandContext *c, const PgQuery__VariableSetStmt *s)
{
    SettingAction action = s->is_local ? ACTION_LOCAL : ACTION_SET;

    switch (s->kind) {
    case PG_QUERY__VARIABLE_SET_KIND__VAR_SET_VALUE:
    case PG_QUERY__VARIABLE_SET_KIND__VAR_SET_CURRENT:
        if (s->is_local)
            warn_outside_block(c, "SET LOCAL");
        settings_set(s->name, variable_set_value(c->arena, s), own_context(), SOURCE_SESSION, action);
        break;
    case PG_QUERY__VARIABLE_SET_KIND__VAR_SET_MULTI:
        if (strcmp(s->name, "TRANSACTION") == 0) {
            warn_outside_block(c, "SET TRANSACTION");
            set_transaction_modes(s, false);
        } else if (strcmp(s->name, "SESSION CHARACTERISTICS") == 0)
            set_transaction_modes(s, true);
        else
            UNSUPPORTED("SET %s is not supported", s->name);
        break;
    case PG_QUERY__VARIABLE_SET_KIND__VAR_SET_DEFAULT:
        if (s->is_local)
            warn_outside_block(c, "SET LOCAL");
        /* fallthrough */
    case PG_QUERY__VARIABLE_SET_KIND__VAR_RESET:
        settings_set(s->name, NULL, own_context(), SOURCE_SESSION, action);
        break;
    case PG_QUERY__VARIABLE_SET_KIND__VAR_RESET_ALL: settings_reset_all(); break;
    default: INTERNAL_ERROR("unrecognized kind of SET: %d", (int)s->kind);
    }
}

/* ---- SHOW ---- */

RowDesc *
variable_show_desc(Arena *a, const PgQuery__VariableShowStmt *s)
{
    if (str_casecmp_ascii(s->name, "all") == 0)
        return row_desc_new(a, 3, "name", TEXT_OID, "setting", TEXT_OID, "description", TEXT_OID);
    const SettingDef *def = settings_find_def(s->name);
    if (def == NULL)
        settings_get(a, s->name, false); /* raises */
    return row_desc_new(a, 1, def ? def->name : s->name, TEXT_OID);
}

static void
show_all(CommandContext *c, const RowDesc *d)
{
    for (int i = 0; i < settings_count(); i++) {
        SettingView v;
        settings_view(i, c->arena, &v);
        if (v.def->flags & SETTING_NO_SHOW_ALL)
            continue;
        if ((v.def->flags & SETTING_HIDDEN_VALUE) && !role_is_superuser(current_user_oid))
            continue;
        const char *value = settings_get(c->arena, v.def->name, true);
        const char *text = v.def->description;
        Datum values[3] = {var_from_cstring(c->arena, v.def->name), var_from_cstring(c->arena, value ? value : ""), var_from_cstring(c->arena, text ? text : "")};
        bool nulls[3] = {false, value == NULL, text == NULL};
        emit_row(c, d, values, nulls);
    }
}

void
cmd_variable_show(CommandContext *c, const PgQuery__VariableShowStmt *s)
{
    RowDesc *d = variable_show_desc(c->arena, s);

    c->dest->start(c->dest, d);
    if (d->n == 3)
        show_all(c, d);
    else {
        const char *value = settings_get(c->arena, s->name, false);
        Datum v = var_from_cstring(c->arena, value ? value : "");
        emit_row(c, d, &v, NULL);
    }
    c->dest->finish(c->dest);
    snprintf(c->tag, sizeof c->tag, "SHOW");
}

/* ---- ALTER SYSTEM ---- */

void
cmd_alter_system(CommandContext *c, const PgQuery__AlterSystemStmt *s)
{
    const PgQuery__VariableSetStmt *v = s->setstmt;

    if (session_hooks.require_no_block)
        session_hooks.require_no_block(c, "ALTER SYSTEM");
    if (!role_is_superuser(current_user_oid))
        RAISE(SQLSTATE_INSUFFICIENT_PRIVILEGE, "permission denied to set parameter \"%s\"", v->name);
    if (v->kind == PG_QUERY__VARIABLE_SET_KIND__VAR_RESET_ALL) {
        settings_alter_system(".", NULL, NULL);
        return;
    }
    const SettingDef *def = settings_find_def(v->name);
    char *value = variable_set_value(c->arena, v);
    if (def && def->context == CONTEXT_INTERNAL)
        RAISE(SQLSTATE_CANT_CHANGE_RUNTIME_PARAM, "parameter \"%s\" cannot be changed", v->name);
    if (value)
        settings_check_value(v->name, value, CONTEXT_POSTMASTER, SOURCE_FILE);
    settings_alter_system(".", v->name, value);
}

/* ---- role, session_authorization ---- */

/* Names that checks have resolved: assignment must not look into the catalogs, for it also happens when
 * a transaction's settings are undone. */
typedef struct KnownRole { struct KnownRole *next; Oid oid; char name[NAME_BYTES]; } KnownRole;
static KnownRole *known_roles;
static char *role_setting, *session_authorization_setting;

static void
remember_role(const char *name, Oid oid)
{
    KnownRole *k = known_roles;

    while (k && strcmp(k->name, name) != 0)
        k = k->next;
    if (k == NULL) {
        k = ARENA_NEW(arena_top(), KnownRole);
        snprintf(k->name, sizeof k->name, "%s", name);
        k->next = known_roles;
        known_roles = k;
    }
    k->oid = oid;
}

static Oid
known_role(const char *name)
{
    for (KnownRole *k = known_roles; k; k = k->next)
        if (name && strcmp(k->name, name) == 0)
            return k->oid;
    return 0;
}

static bool
check_role(const SettingDef *def, const char **value, SettingSource source)
{
    if (*value == NULL || strcmp(*value, "none") == 0)
        return true;
    if (!txn_in_progress() || catalog_database == 0)
        return false;
    Oid oid = role_oid(*value, true);
    if (oid == 0) {
        settings_check_message(SQLSTATE_INVALID_PARAMETER_VALUE, "role \"%s\" does not exist", *value);
        return false;
    }
    if (!role_is_member(session_user_oid, oid)) {
        settings_check_message(SQLSTATE_INSUFFICIENT_PRIVILEGE, "permission denied to set role \"%s\"", *value);
        return false;
    }
    remember_role(*value, oid);
    return true;
}

static void
assign_role(const SettingDef *def)
{
    Oid oid = role_setting && strcmp(role_setting, "none") != 0 ? known_role(role_setting) : 0;

    current_user_oid = oid ? oid : session_user_oid;
}

static Oid authenticated_role; /* who logged in: the session user when first asked to change it */

static bool
check_session_authorization(const SettingDef *def, const char **value, SettingSource source)
{
    if (*value == NULL || source == SOURCE_DEFAULT)
        return true;
    if (!txn_in_progress() || catalog_database == 0)
        return source != SOURCE_SESSION;
    Oid oid = role_oid(*value, true);
    if (oid == 0) {
        settings_check_message(SQLSTATE_INVALID_PARAMETER_VALUE, "role \"%s\" does not exist", *value);
        return false;
    }
    if (authenticated_role == 0)
        authenticated_role = session_user_oid;
    if (oid != authenticated_role && !role_is_superuser(authenticated_role)) {
        settings_check_message(SQLSTATE_INSUFFICIENT_PRIVILEGE, "permission denied to set session authorization \"%s\"", *value);
        return false;
    }
    remember_role(*value, oid);
    return true;
}

static void
assign_session_authorization(const SettingDef *def)
{
    Oid oid = known_role(session_authorization_setting);

    if (authenticated_role == 0)
        return; /* not changed yet: the session has set its user */
    session_user_oid = oid ? oid : authenticated_role;
    current_user_oid = session_user_oid;
}

void
command_session_end(void)
{
    authenticated_role = 0;
    session_user_oid = current_user_oid = ROLE_BOOTSTRAP; /* as after the fork; authentication sets them */
}

static const char *
show_session_authorization(Arena *a)
{
    if (session_user_oid == 0 || !txn_in_progress())
        return session_authorization_setting ? session_authorization_setting : "";
    return role_name(a, session_user_oid);
}

static const SettingDef role_settings[] = {
    {.name = "role", .type = SETTING_STRING, .context = CONTEXT_USER, .flags = SETTING_NOT_IN_PLANS | SETTING_NO_SHOW_ALL | SETTING_NO_RESET_ALL | SETTING_IS_NAME,
     .group = "Ungrouped", .description = "The current role.", .variable = &role_setting, .boot = "none",
     .check = check_role, .assign = assign_role},
    {.name = "session_authorization", .type = SETTING_STRING, .context = CONTEXT_USER,
     .flags = SETTING_NOT_IN_PLANS | SETTING_NO_SHOW_ALL | SETTING_NO_RESET_ALL | SETTING_IS_NAME | SETTING_REPORT, .group = "Ungrouped",
     .description = "The session's user name.", .variable = &session_authorization_setting, .boot = NULL,
     .check = check_session_authorization, .assign = assign_session_authorization, .show = show_session_authorization},
    {.name = "allow_system_table_mods", .type = SETTING_BOOL, .context = CONTEXT_SUPERUSER, .flags = SETTING_NO_SHOW_ALL,
     .group = "Developer Options", .description = "Lets the system catalogs be changed in form.", .variable = &allow_system_table_mods, .boot = "off"},
};

void
variables_register(void)
{
    for (size_t i = 0; i < COUNT_OF(role_settings); i++)
        if (settings_find_def(role_settings[i].name) == NULL)
            settings_register(&role_settings[i], 1);
}
