/*
 * Roles: CREATE, ALTER and DROP ROLE (USER, GROUP), settings of roles, membership.
 */
#include "core/base/settings.h"
#include "core/sql/command/command_internal.h"

#define ROLE_PG_DATABASE_OWNER 6171u

/* ---- options ---- */

typedef struct RoleOptions {
    const PgQuery__DefElem *password, *superuser, *inherit, *createrole, *createdb, *canlogin, *replication, *bypassrls, *connlimit, *valid, *add_to,
        *members, *admins;
} RoleOptions;

static void
collect_options(PNode **options, size_t n, RoleOptions *o)
{
    const struct { const char *name; const PgQuery__DefElem **slot; } known[] = {
        {"password", &o->password}, {"superuser", &o->superuser}, {"inherit", &o->inherit}, {"createrole", &o->createrole},
        {"createdb", &o->createdb}, {"canlogin", &o->canlogin}, {"isreplication", &o->replication}, {"bypassrls", &o->bypassrls},
        {"connectionlimit", &o->connlimit}, {"validUntil", &o->valid}, {"addroleto", &o->add_to}, {"rolemembers", &o->members},
        {"adminmembers", &o->admins},
    };

    for (size_t i = 0; i < n; i++) {
        const PgQuery__DefElem *d = options[i]->def_elem;
        size_t k = 0;
        if (strcmp(d->defname, "sysid") == 0) {
            REPORT(LEVEL_NOTICE, SQLSTATE_SUCCESS, err_message("SYSID can no longer be specified"));
            continue;
        }
        while (k < COUNT_OF(known) && strcmp(known[k].name, d->defname) != 0)
            k++;
        if (k == COUNT_OF(known))
            INTERNAL_ERROR("option \"%s\" not recognized", d->defname);
        if (*known[k].slot)
            RAISE_AT(SQLSTATE_SYNTAX_ERROR, d->location, "conflicting or redundant options");
        *known[k].slot = d;
    }
}

static bool
own_attribute(int att)
{
    const CatRow *r = cat_get_by_oid(CAT_PG_AUTHID, current_user_oid);
    return role_is_superuser(current_user_oid) || (r && datum_bool(cat_val(r, att)));
}

static void
set_password(Arena *a, RowEdit *row, const PgQuery__DefElem *d, const char *role)
{
    const char *text = d->arg ? pnode_string(d->arg) : NULL;

    if (text == NULL) {
        row_null(row, PG_AUTHID_ROLPASSWORD);
        return;
    }
    if (text[0] == 0) {
        REPORT(LEVEL_NOTICE, SQLSTATE_SUCCESS, err_message("empty string is not a valid password, clearing password"));
        row_null(row, PG_AUTHID_ROLPASSWORD);
        return;
    }
    if (password_encrypt_hook == NULL)
        UNSUPPORTED("passwords are not supported here");
    row_set(row, PG_AUTHID_ROLPASSWORD, var_from_cstring(a, password_encrypt_hook(a, role, text)));
}

static void
set_bool(RowEdit *row, int att, const PgQuery__DefElem *d)
{
    if (d)
        row_set(row, att, bool_datum(def_bool(d)));
}

static void
apply_options(Arena *a, RowEdit *row, const RoleOptions *o, const char *role)
{
    set_bool(row, PG_AUTHID_ROLSUPER, o->superuser);
    set_bool(row, PG_AUTHID_ROLINHERIT, o->inherit);
    set_bool(row, PG_AUTHID_ROLCREATEROLE, o->createrole);
    set_bool(row, PG_AUTHID_ROLCREATEDB, o->createdb);
    set_bool(row, PG_AUTHID_ROLCANLOGIN, o->canlogin);
    set_bool(row, PG_AUTHID_ROLREPLICATION, o->replication);
    set_bool(row, PG_AUTHID_ROLBYPASSRLS, o->bypassrls);
    if (o->connlimit) {
        int64_t n = def_int64(o->connlimit);
        if (n < -1)
            RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "invalid connection limit: %d", (int)n);
        row_set(row, PG_AUTHID_ROLCONNLIMIT, int32_datum((int32_t)n));
    }
    if (o->valid) {
        FnCtx c = {.arena = a, .state_arena = a};
        const char *text = def_string(a, o->valid);
        row_set(row, PG_AUTHID_ROLVALIDUNTIL, type_ops(TIMESTAMPTZ_OID)->in(&c, text, strlen(text), 0, -1));
    }
    if (o->password)
        set_password(a, row, o->password, role);
}

static void
check_role_name(const char *name)
{
    if (strncmp(name, "pg_", 3) == 0)
        RAISE_ERR(SQLSTATE_RESERVED_NAME, err_message("role name \"%s\" is reserved", name), err_detail("Role names starting with \"pg_\" are reserved."));
    if (role_oid(name, true))
        RAISE(SQLSTATE_DUPLICATE_OBJECT, "role \"%s\" already exists", name);
}

static bool
given_true(const PgQuery__DefElem *d)
{
    return d && def_bool(d);
}

/* ---- membership ---- */

/* The oldest form of loop: role would be reached from itself. */
static void
check_no_loop(Oid role, Oid member)
{
    if (role == member || role_is_member_nosuper(role, member))
        RAISE(SQLSTATE_INVALID_GRANT_OPERATION, "role \"%s\" is a member of role \"%s\"", role_name(txn_arena(), role), role_name(txn_arena(), member));
}

static void
check_may_grant_role(Oid role)
{
    if (role_is_superuser(role)) {
        if (!role_is_superuser(current_user_oid))
            RAISE(SQLSTATE_INSUFFICIENT_PRIVILEGE, "must be superuser to alter superusers");
    } else if (!own_attribute(PG_AUTHID_ROLCREATEROLE) && !role_is_admin_of(current_user_oid, role))
        RAISE(SQLSTATE_INSUFFICIENT_PRIVILEGE, "must have admin option on role \"%s\"", role_name(txn_arena(), role));
}

static void
member_add(Arena *a, Oid role, Oid member, bool admin)
{
    if (member == ROLE_PG_DATABASE_OWNER)
        RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "role \"%s\" cannot be a member of any role", role_name(a, member));
    check_no_loop(role, member);
    const CatRow *r = cat_get(IDX_PG_AUTH_MEMBERS_ROLE_MEMBER_INDEX, oid_datum(role), oid_datum(member), 0, 0);
    if (r && (!admin || datum_bool(cat_val(r, PG_AUTH_MEMBERS_ADMIN_OPTION)))) {
        REPORT(LEVEL_NOTICE, SQLSTATE_SUCCESS, err_message("role \"%s\" is already a member of role \"%s\"", role_name(a, member), role_name(a, role)));
        return;
    }
    RowEdit *row = r ? row_edit(a, CAT_PG_AUTH_MEMBERS, r) : row_new(a, CAT_PG_AUTH_MEMBERS);
    row_set(row, PG_AUTH_MEMBERS_ROLEID, oid_datum(role));
    row_set(row, PG_AUTH_MEMBERS_MEMBER, oid_datum(member));
    row_set(row, PG_AUTH_MEMBERS_GRANTOR, oid_datum(current_user_oid));
    row_set(row, PG_AUTH_MEMBERS_ADMIN_OPTION, bool_datum(admin));
    if (r)
        row_save(row);
    else
        row_insert(row);
}

static void
member_remove(Arena *a, Oid role, Oid member, bool admin_only)
{
    const CatRow *r = cat_get(IDX_PG_AUTH_MEMBERS_ROLE_MEMBER_INDEX, oid_datum(role), oid_datum(member), 0, 0);

    if (r == NULL) {
        REPORT(LEVEL_WARNING, SQLSTATE_WARNING, err_message("role \"%s\" is not a member of role \"%s\"", role_name(a, member), role_name(a, role)));
        return;
    }
    if (admin_only) {
        RowEdit *row = row_edit(a, CAT_PG_AUTH_MEMBERS, r);
        row_set(row, PG_AUTH_MEMBERS_ADMIN_OPTION, bool_datum(false));
        row_save(row);
        return;
    }
    cat_delete(CAT_PG_AUTH_MEMBERS, r->tid);
    txn_command_increment();
}

static void
members_from_list(Arena *a, Oid role, const PgQuery__DefElem *d, bool add, bool admin)
{
    PNode *const *items;
    size_t n;

    if (d == NULL)
        return;
    node_items(&d->arg, &items, &n);
    for (size_t i = 0; i < n; i++) {
        Oid member = role_spec_oid(items[i]->role_spec, false);
        if (add)
            member_add(a, role, member, admin);
        else
            member_remove(a, role, member, false);
    }
}

void
cmd_grant_role(CommandContext *c, const PgQuery__GrantRoleStmt *s)
{
    if (s->grantor && role_spec_oid(s->grantor, false) != current_user_oid && !role_is_superuser(current_user_oid))
        RAISE(SQLSTATE_INSUFFICIENT_PRIVILEGE, "must be superuser to set grantor");
    for (size_t i = 0; i < s->n_granted_roles; i++) {
        const PgQuery__AccessPriv *p = s->granted_roles[i]->access_priv;
        if (!GIVEN(p->priv_name) || p->n_cols)
            RAISE(SQLSTATE_INVALID_GRANT_OPERATION, "column names cannot be included in GRANT/REVOKE ROLE");
        Oid role = role_oid(p->priv_name, false);
        if (role == ROLE_PG_DATABASE_OWNER)
            RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "role \"%s\" cannot have explicit members", p->priv_name);
        check_may_grant_role(role);
        for (size_t k = 0; k < s->n_grantee_roles; k++) {
            Oid member = role_spec_oid(s->grantee_roles[k]->role_spec, false);
            if (s->is_grant)
                member_add(c->arena, role, member, s->admin_opt);
            else
                member_remove(c->arena, role, member, s->admin_opt);
        }
    }
}

/* ---- CREATE ---- */

void
cmd_create_role(CommandContext *c, const PgQuery__CreateRoleStmt *s)
{
    Arena *a = c->arena;
    RoleOptions o = {0};
    RowEdit *row = row_new(a, CAT_PG_AUTHID);

    collect_options(s->options, s->n_options, &o);
    if (given_true(o.superuser) && !role_is_superuser(current_user_oid))
        RAISE(SQLSTATE_INSUFFICIENT_PRIVILEGE, "must be superuser to create superusers");
    if (given_true(o.replication) && !role_is_superuser(current_user_oid))
        RAISE(SQLSTATE_INSUFFICIENT_PRIVILEGE, "must be superuser to create replication users");
    if (given_true(o.bypassrls) && !role_is_superuser(current_user_oid))
        RAISE(SQLSTATE_INSUFFICIENT_PRIVILEGE, "must be superuser to create bypassrls users");
    if (!own_attribute(PG_AUTHID_ROLCREATEROLE))
        RAISE(SQLSTATE_INSUFFICIENT_PRIVILEGE, "permission denied to create role");
    check_role_name(s->role);
    Oid oid = cat_new_oid(CAT_PG_AUTHID);
    row_set(row, PG_AUTHID_OID, oid_datum(oid));
    row_set_name(a, row, PG_AUTHID_ROLNAME, s->role);
    static const int flags[] = {PG_AUTHID_ROLSUPER, PG_AUTHID_ROLCREATEROLE, PG_AUTHID_ROLCREATEDB, PG_AUTHID_ROLCANLOGIN, PG_AUTHID_ROLREPLICATION,
                                PG_AUTHID_ROLBYPASSRLS};
    for (size_t i = 0; i < COUNT_OF(flags); i++)
        row_set(row, flags[i], bool_datum(false));
    row_set(row, PG_AUTHID_ROLINHERIT, bool_datum(true));
    if (s->stmt_type == PG_QUERY__ROLE_STMT_TYPE__ROLESTMT_USER)
        row_set(row, PG_AUTHID_ROLCANLOGIN, bool_datum(true));
    row_set(row, PG_AUTHID_ROLCONNLIMIT, int32_datum(-1));
    apply_options(a, row, &o, s->role);
    row_insert(row);
    if (o.add_to) {
        PNode *const *items;
        size_t n;
        node_items(&o.add_to->arg, &items, &n);
        for (size_t i = 0; i < n; i++) {
            Oid role = role_spec_oid(items[i]->role_spec, false);
            check_may_grant_role(role);
            member_add(a, role, oid, false);
        }
    }
    members_from_list(a, oid, o.members, true, false);
    members_from_list(a, oid, o.admins, true, true);
}

/* ---- ALTER ---- */

static void
check_may_alter(const CatRow *r, Oid oid, const RoleOptions *o, bool only_own_password)
{
    bool super = role_is_superuser(current_user_oid);

    if (o->superuser || datum_bool(cat_val(r, PG_AUTHID_ROLSUPER))) {
        if (!super)
            RAISE(SQLSTATE_INSUFFICIENT_PRIVILEGE, "must be superuser to alter superuser roles or change superuser attribute");
    } else if (o->replication || datum_bool(cat_val(r, PG_AUTHID_ROLREPLICATION))) {
        if (!super)
            RAISE(SQLSTATE_INSUFFICIENT_PRIVILEGE, "must be superuser to alter replication roles or change replication attribute");
    } else if (o->bypassrls) {
        if (!super)
            RAISE(SQLSTATE_INSUFFICIENT_PRIVILEGE, "must be superuser to change bypassrls attribute");
    } else if (!own_attribute(PG_AUTHID_ROLCREATEROLE) && !(only_own_password && oid == current_user_oid))
        RAISE(SQLSTATE_INSUFFICIENT_PRIVILEGE, "permission denied");
}

void
cmd_alter_role(CommandContext *c, const PgQuery__AlterRoleStmt *s)
{
    Arena *a = c->arena;
    RoleOptions o = {0};
    Oid oid = role_spec_oid(s->role, false);
    const CatRow *r = cat_get_by_oid(CAT_PG_AUTHID, oid);
    char *name = cat_name(a, r, PG_AUTHID_ROLNAME);

    if (s->role->roletype == PG_QUERY__ROLE_SPEC_TYPE__ROLESPEC_CSTRING && strncmp(name, "pg_", 3) == 0)
        RAISE_ERR(SQLSTATE_RESERVED_NAME, err_message("role name \"%s\" is reserved", name), err_detail("Cannot alter reserved roles."));
    collect_options(s->options, s->n_options, &o);
    bool only_password = o.password && s->n_options == 1;
    check_may_alter(r, oid, &o, only_password);
    RowEdit *row = row_edit(a, CAT_PG_AUTHID, r);
    apply_options(a, row, &o, name);
    row_save(row);
    members_from_list(a, oid, o.members, s->action >= 0, false);
}

/* ---- ALTER ROLE ... SET ---- */

static Oid
database_of(const char *name)
{
    return GIVEN(name) ? database_oid(name, false) : 0;
}

/* The array with `name` set to value (NULL: taken out). */
static Datum
config_change(Arena *a, Datum old, bool old_null, const char *name, const char *value, bool *isnull)
{
    Datum *items = NULL;
    bool *nulls = NULL, done = false;
    int n = 0, out = 0;
    size_t len = strlen(name);

    if (!old_null)
        array_deconstruct(a, old, &items, &nulls, &n);
    Datum *v = ARENA_ARRAY(a, Datum, n + 1);
    for (int i = 0; i < n; i++) {
        const char *text = var_to_cstring(a, items[i]);
        const char *eq = strchr(text, '=');
        bool same = eq && (size_t)(eq - text) == len && str_casecmp_ascii(arena_printf(a, "%.*s", (int)len, text), name) == 0;
        if (!same)
            v[out++] = items[i];
        else if (value) {
            v[out++] = var_from_cstring(a, arena_printf(a, "%s=%s", name, value));
            done = true;
        }
    }
    if (value && !done)
        v[out++] = var_from_cstring(a, arena_printf(a, "%s=%s", name, value));
    *isnull = out == 0;
    return out ? array_construct_1d(a, TEXT_OID, v, NULL, out) : 0;
}

static void
setting_change(Arena *a, Oid db, Oid role, const PgQuery__VariableSetStmt *v)
{
    const CatRow *r = cat_get(IDX_PG_DB_ROLE_SETTING_DATABASEID_ROL_INDEX, oid_datum(db), oid_datum(role), 0, 0);
    bool isnull = true;
    Datum config = 0;

    if (v->kind != PG_QUERY__VARIABLE_SET_KIND__VAR_RESET_ALL) {
        SettingContext context = role_is_superuser(current_user_oid) ? CONTEXT_SUPERUSER : CONTEXT_USER;
        const char *value = variable_set_value(a, v);
        const SettingDef *def = settings_find_def(v->name);
        if (value)
            settings_check_value(v->name, value, context, role ? SOURCE_USER : SOURCE_DATABASE);
        bool old_null = r == NULL || cat_null(r, PG_DB_ROLE_SETTING_SETCONFIG);
        config = config_change(a, old_null ? 0 : cat_val(r, PG_DB_ROLE_SETTING_SETCONFIG), old_null, def ? def->name : v->name, value, &isnull);
    }
    if (isnull) {
        if (r)
            cat_delete(CAT_PG_DB_ROLE_SETTING, r->tid);
        txn_command_increment();
        return;
    }
    RowEdit *row = r ? row_edit(a, CAT_PG_DB_ROLE_SETTING, r) : row_new(a, CAT_PG_DB_ROLE_SETTING);
    row_set(row, PG_DB_ROLE_SETTING_SETDATABASE, oid_datum(db));
    row_set(row, PG_DB_ROLE_SETTING_SETROLE, oid_datum(role));
    row_set(row, PG_DB_ROLE_SETTING_SETCONFIG, config);
    if (r)
        row_save(row);
    else
        row_insert(row);
}

void
cmd_alter_role_set(CommandContext *c, const PgQuery__AlterRoleSetStmt *s)
{
    Oid role = s->role ? role_spec_oid(s->role, false) : 0;
    Oid db = database_of(s->database);

    if (role) {
        if (role_is_superuser(role)) {
            if (!role_is_superuser(current_user_oid))
                RAISE(SQLSTATE_INSUFFICIENT_PRIVILEGE, "must be superuser to alter superusers");
        } else if (!own_attribute(PG_AUTHID_ROLCREATEROLE) && role != current_user_oid)
            RAISE(SQLSTATE_INSUFFICIENT_PRIVILEGE, "permission denied");
    }
    if (db && !role)
        acl_require_owner(CAT_PG_DATABASE, db);
    if (!db && !role && !role_is_superuser(current_user_oid))
        RAISE(SQLSTATE_INSUFFICIENT_PRIVILEGE, "must be superuser to alter settings globally");
    setting_change(c->arena, db, role, s->setstmt);
}

/* ---- RENAME ---- */

void
role_rename(CommandContext *c, const char *from, const char *to)
{
    Arena *a = c->arena;
    Oid oid = role_oid(from, false);
    const CatRow *r = cat_get_by_oid(CAT_PG_AUTHID, oid);

    if (oid == session_user_oid)
        UNSUPPORTED("session user cannot be renamed");
    if (oid == current_user_oid)
        UNSUPPORTED("current user cannot be renamed");
    if (strncmp(from, "pg_", 3) == 0)
        RAISE_ERR(SQLSTATE_RESERVED_NAME, err_message("role name \"%s\" is reserved", from), err_detail("Role names starting with \"pg_\" are reserved."));
    check_role_name(to);
    if (datum_bool(cat_val(r, PG_AUTHID_ROLSUPER))) {
        if (!role_is_superuser(current_user_oid))
            RAISE(SQLSTATE_INSUFFICIENT_PRIVILEGE, "must be superuser to rename superusers");
    } else if (!own_attribute(PG_AUTHID_ROLCREATEROLE))
        RAISE(SQLSTATE_INSUFFICIENT_PRIVILEGE, "permission denied to rename role");
    RowEdit *row = row_edit(a, CAT_PG_AUTHID, r);
    row_set_name(a, row, PG_AUTHID_ROLNAME, to);
    char *password = cat_name(a, r, PG_AUTHID_ROLPASSWORD);
    if (password && strncmp(password, "md5", 3) == 0 && strlen(password) == 35) { /* the name is its salt */
        row_null(row, PG_AUTHID_ROLPASSWORD);
        REPORT(LEVEL_NOTICE, SQLSTATE_SUCCESS, err_message("MD5 password cleared because of role rename"));
    }
    row_save(row);
}

/* ---- DROP ---- */

static void
delete_rows_of(Oid table, Oid index, int nkeys, Oid key)
{
    Datum k = oid_datum(key);
    CatScan *s = cat_scan_begin(table, index, nkeys, &k);
    const CatRow *r;

    while ((r = cat_scan_next(s)) != NULL)
        cat_delete(table, r->tid);
    cat_scan_end(s);
}

static void
drop_settings(Oid role)
{
    CatScan *s = cat_scan_begin(CAT_PG_DB_ROLE_SETTING, 0, 0, NULL);
    const CatRow *r;

    while ((r = cat_scan_next(s)) != NULL)
        if (datum_oid(cat_val(r, PG_DB_ROLE_SETTING_SETROLE)) == role)
            cat_delete(CAT_PG_DB_ROLE_SETTING, r->tid);
    cat_scan_end(s);
}

static void
drop_one(Arena *a, const PgQuery__RoleSpec *spec, bool missing_ok)
{
    char *detail;

    if (spec->roletype != PG_QUERY__ROLE_SPEC_TYPE__ROLESPEC_CSTRING)
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "cannot use special role specifier in DROP ROLE");
    Oid oid = role_oid(spec->rolename, true);
    if (oid == 0) {
        if (!missing_ok)
            RAISE(SQLSTATE_UNDEFINED_OBJECT, "role \"%s\" does not exist", spec->rolename);
        REPORT(LEVEL_NOTICE, SQLSTATE_SUCCESS, err_message("role \"%s\" does not exist, skipping", spec->rolename));
        return;
    }
    if (oid == current_user_oid)
        RAISE(SQLSTATE_OBJECT_IN_USE, "current user cannot be dropped");
    if (oid == session_user_oid)
        RAISE(SQLSTATE_OBJECT_IN_USE, "session user cannot be dropped");
    if (role_is_superuser(oid) && !role_is_superuser(current_user_oid))
        RAISE(SQLSTATE_INSUFFICIENT_PRIVILEGE, "must be superuser to drop superusers");
    lock_acquire_or_raise(lock_tag_object(0, CAT_PG_AUTHID, oid, 0), LOCK_ACCESS_EXCLUSIVE);
    if (oid < 12000)
        RAISE(SQLSTATE_DEPENDENT_OBJECTS_STILL_EXIST, "cannot drop role %s because it is required by the database system", spec->rolename);
    if (role_dependencies(oid, a, &detail))
        RAISE_ERR(SQLSTATE_DEPENDENT_OBJECTS_STILL_EXIST, err_message("role \"%s\" cannot be dropped because some objects depend on it", spec->rolename),
                  err_detail("%s", detail));
    const CatRow *r = cat_get_by_oid(CAT_PG_AUTHID, oid);
    cat_delete(CAT_PG_AUTHID, r->tid);
    delete_rows_of(CAT_PG_AUTH_MEMBERS, IDX_PG_AUTH_MEMBERS_ROLE_MEMBER_INDEX, 1, oid);
    txn_command_increment();
    delete_rows_of(CAT_PG_AUTH_MEMBERS, IDX_PG_AUTH_MEMBERS_MEMBER_ROLE_INDEX, 1, oid);
    comment_delete((ObjAddr){CAT_PG_AUTHID, oid, 0});
    drop_settings(oid);
    txn_command_increment();
}

void
cmd_drop_role(CommandContext *c, const PgQuery__DropRoleStmt *s)
{
    if (!own_attribute(PG_AUTHID_ROLCREATEROLE))
        RAISE(SQLSTATE_INSUFFICIENT_PRIVILEGE, "permission denied to drop role");
    for (size_t i = 0; i < s->n_roles; i++)
        drop_one(c->arena, s->roles[i]->role_spec, s->missing_ok);
}

void
cmd_alter_database_set(CommandContext *c, const PgQuery__AlterDatabaseSetStmt *s)
{
    Oid db = database_oid(s->dbname, false);

    acl_require_owner(CAT_PG_DATABASE, db);
    setting_change(c->arena, db, 0, s->setstmt);
}
