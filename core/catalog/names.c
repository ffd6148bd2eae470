/*
 * Schemas and the search path: from names to relations and types.
 *
 * The effective path is the temporary schema (if one exists and is not placed by name), pg_catalog (if
 * not named), then the schemas named by the setting that exist and that the role may use. It is worked
 * out again when the setting, the role, the temporary schema or pg_namespace has changed.
 */
#include <stdio.h>

#include "core/base/settings.h"
#include "core/catalog/cat_internal.h"
#include "core/types/text.h"

#define PATH_MAX_SCHEMAS 64

char *search_path_text;

static struct {
    bool valid;
    Oid for_role;
    int n;                      /* effective */
    Oid oids[PATH_MAX_SCHEMAS + 2];
    Oid creation;               /* where new objects go; 0: nowhere */
    bool creation_is_temp;
    int first_named;            /* oids[first_named..n) came from the setting */
} path;

static Oid temp_nsp, temp_toast_nsp;
static int temp_made_at; /* nesting level of the transaction that made it; 0: committed */

/* ---- the setting ---- */

/* One element of a list of identifiers; unquoted ones are folded. False: malformed. */
static bool
next_identifier(const char **p, char *out, bool *more)
{
    const char *s = *p;
    size_t n = 0;

    s += strspn(s, " \t\n\r\f\v");
    if (*s == '"') {
        for (s++;; s++) {
            if (*s == '\0')
                return false;
            if (*s == '"') {
                if (s[1] != '"')
                    break;
                s++;
            }
            if (n < NAME_BYTES - 1)
                out[n++] = *s;
        }
        s++;
    } else {
        while (*s && *s != ',' && !strchr(" \t\n\r\f\v", *s)) {
            if (n < NAME_BYTES - 1)
                out[n++] = char_lower_ascii(*s);
            s++;
        }
        if (n == 0)
            return false;
    }
    out[n] = '\0';
    s += strspn(s, " \t\n\r\f\v");
    if (*s == ',')
        *more = true;
    else if (*s == '\0')
        *more = false;
    else
        return false;
    *p = *more ? s + 1 : s;
    return true;
}

static bool
check_search_path(const SettingDef *def, const char **value, SettingSource source)
{
    const char *p = *value + strspn(*value, " \t\n\r\f\v");
    char name[NAME_BYTES];
    bool more = *p != '\0';

    while (more)
        if (!next_identifier(&p, name, &more)) {
            settings_check_error("List syntax is invalid.");
            return false;
        }
    return true;
}

static void
assign_search_path(const SettingDef *def)
{
    path.valid = false;
}

void
catalog_settings_register(void)
{
    static const SettingDef defs[] = {{
        .name = "search_path",
        .type = SETTING_STRING,
        .context = CONTEXT_USER,
        .flags = SETTING_LIST_QUOTE | SETTING_NOT_IN_PLANS, /* plans keep the path they were made under */
        .group = "Client Connection Defaults / Statement Behavior",
        .description = "Schemas searched for names without a schema, in this order.",
        .variable = &search_path_text,
        .boot = "\"$user\", public",
        .check = check_search_path,
        .assign = assign_search_path,
    }};
    static bool done;

    if (!done)
        settings_register(defs, COUNT_OF(defs));
    done = true;
}

/* ---- schemas ---- */

static Oid
nsp_find(const char *name)
{
    const CatRow *r;

    if (strcmp(name, "pg_catalog") == 0)
        return NSP_PG_CATALOG;
    if (catalog_database == 0)
        return 0;
    r = cat_get(IDX_PG_NAMESPACE_NSPNAME_INDEX, ptr_datum(name), 0, 0, 0);
    return r ? cat_oid(r, PG_NAMESPACE_OID) : 0;
}

Oid
nsp_oid(const char *name, bool missing_ok)
{
    Oid oid;

    if (strcmp(name, "pg_temp") == 0 && temp_nsp)
        return temp_nsp;
    oid = nsp_find(name);
    if (oid == 0 && !missing_ok)
        RAISE(SQLSTATE_INVALID_SCHEMA_NAME, "schema \"%s\" does not exist", name);
    return oid;
}

char *
nsp_name(Arena *a, Oid oid)
{
    const CatRow *r;

    if (oid == NSP_PG_CATALOG)
        return arena_strdup(a, "pg_catalog");
    if (catalog_database == 0)
        return NULL;
    r = cat_get_by_oid(CAT_PG_NAMESPACE, oid);
    return r ? cat_name(a, r, PG_NAMESPACE_NSPNAME) : NULL;
}

static void
path_add(Oid nsp)
{
    for (int i = path.first_named; i < path.n; i++)
        if (path.oids[i] == nsp)
            return;
    if (path.n < PATH_MAX_SCHEMAS)
        path.oids[path.n++] = nsp;
}

static Oid
path_schema(const char *name)
{
    char role[NAME_BYTES];
    Oid nsp;

    if (strcmp(name, "$user") == 0) {
        const CatRow *r = cat_get_by_oid(CAT_PG_AUTHID, current_user_oid);

        if (!r)
            return 0;
        memcpy(role, datum_ptr(cat_val(r, PG_AUTHID_ROLNAME)), NAME_BYTES);
        name = role;
    }
    nsp = nsp_find(name);
    return nsp && acl_check(CAT_PG_NAMESPACE, nsp, current_user_oid, ACL_USAGE) ? nsp : 0;
}

static void
path_build(void)
{
    const char *p = search_path_text ? search_path_text : "";
    char name[NAME_BYTES];
    bool more = p[strspn(p, " \t\n\r\f\v")] != '\0', temp_named = false, catalog_named = false;
    Oid named[PATH_MAX_SCHEMAS];
    int n = 0;

    path.creation = 0;
    path.creation_is_temp = false;
    while (more && n < PATH_MAX_SCHEMAS && next_identifier(&p, name, &more)) {
        Oid nsp;

        if (strcmp(name, "pg_temp") == 0) {
            if (n == 0 && !path.creation)
                path.creation_is_temp = true;
            nsp = temp_nsp;
            temp_named |= nsp != 0;
        } else {
            nsp = path_schema(name);
        }
        if (!nsp)
            continue;
        catalog_named |= nsp == NSP_PG_CATALOG;
        if (!path.creation && !path.creation_is_temp)
            path.creation = nsp;
        named[n++] = nsp;
    }
    path.n = 0;
    path.first_named = 0;
    if (temp_nsp && !temp_named)
        path.oids[path.n++] = temp_nsp;
    if (!catalog_named)
        path.oids[path.n++] = NSP_PG_CATALOG;
    path.first_named = path.n;
    for (int i = 0; i < n; i++)
        path_add(named[i]);
    path.for_role = current_user_oid;
    path.valid = true;
}

static inline void
path_ready(void)
{
    inval_own();
    if (UNLIKELY(!path.valid || path.for_role != current_user_oid)) {
        if (catalog_database == 0) {
            path.n = 1;
            path.first_named = 1;
            path.oids[0] = NSP_PG_CATALOG;
            return;
        }
        path_build();
    }
}

const Oid *
search_path_oids(int *n)
{
    path_ready();
    *n = path.n;
    return path.oids;
}

/* Names given by the setting only: what current_schemas(false) shows. */
const Oid *
search_path_named(int *n)
{
    path_ready();
    *n = path.n - path.first_named;
    return path.oids + path.first_named;
}

void
names_invalidate(Oid table)
{
    if (table == 0 || table == CAT_PG_NAMESPACE || table == CAT_PG_AUTHID || table == CAT_PG_AUTH_MEMBERS)
        path.valid = false;
}

/* Explicitly named schemas must be usable. */
static Oid
explicit_nsp(const char *nsp)
{
    Oid oid = nsp_oid(nsp, true);

    if (oid && oid != NSP_PG_CATALOG && !acl_check(CAT_PG_NAMESPACE, oid, current_user_oid, ACL_USAGE))
        RAISE(SQLSTATE_INSUFFICIENT_PRIVILEGE, "permission denied for schema %s", nsp);
    return oid;
}

/* ---- relations ---- */

static Oid
rel_in_nsp(const char *name, Oid nsp)
{
    const CatRow *r = cat_get(IDX_PG_CLASS_RELNAME_NSP_INDEX, ptr_datum(name), oid_datum(nsp), 0, 0);

    return r ? cat_oid(r, PG_CLASS_OID) : 0;
}

Oid
rel_lookup(const char *nsp, const char *name)
{
    if (nsp) {
        Oid n = explicit_nsp(nsp);

        return n ? rel_in_nsp(name, n) : 0;
    }
    path_ready();
    for (int i = 0; i < path.n; i++) {
        Oid rel = rel_in_nsp(name, path.oids[i]);

        if (rel)
            return rel;
    }
    return 0;
}

bool
rel_is_visible(Oid rel)
{
    const CatRow *r = cat_get_by_oid(CAT_PG_CLASS, rel);

    return r && rel_lookup(NULL, datum_ptr(cat_val(r, PG_CLASS_RELNAME))) == rel;
}

/* ---- types ---- */

static Oid
type_in_nsp(const char *name, Oid nsp)
{
    const CatRow *r;

    if (nsp == NSP_PG_CATALOG) {
        Oid t = builtin_type_oid(name);

        if (t || catalog_database == 0)
            return t;
    }
    r = cat_get(IDX_PG_TYPE_TYPNAME_NSP_INDEX, ptr_datum(name), oid_datum(nsp), 0, 0);
    return r ? cat_oid(r, PG_TYPE_OID) : 0;
}

Oid
type_lookup(const char *nsp, const char *name)
{
    if (nsp) {
        Oid n = explicit_nsp(nsp);

        return n ? type_in_nsp(name, n) : 0;
    }
    path_ready();
    for (int i = 0; i < path.n; i++) {
        Oid t = type_in_nsp(name, path.oids[i]);

        if (t)
            return t;
    }
    return 0;
}

bool
type_is_visible(Oid type)
{
    const TypeInfo *t = type_info_or_null(type);

    return t && type_lookup(NULL, t->name) == type;
}

/* ---- where new objects go ---- */

static Oid
nsp_insert(const char *name, Oid owner)
{
    Datum v[CAT_MAX_COLUMNS];
    bool n[CAT_MAX_COLUMNS];
    Oid oid = cat_new_oid(CAT_PG_NAMESPACE);

    cat_values_init(v, n, CAT_MAX_COLUMNS);
    CAT_SET(v, n, PG_NAMESPACE_OID, oid_datum(oid));
    CAT_SET(v, n, PG_NAMESPACE_NSPNAME, cat_name_datum(txn_current_arena(), name));
    CAT_SET(v, n, PG_NAMESPACE_NSPOWNER, oid_datum(owner));
    (void)cat_insert(CAT_PG_NAMESPACE, v, n);
    return oid;
}

static void
nsp_temp_name(char *out, size_t n, const char *prefix)
{
    snprintf(out, n, "%s_%u", prefix, proc_self ? proc_self->index + 1 : 1);
}

/* For autovacuum, which drops what a session that is gone has left. */
static void
show_temp_nsp(void)
{
    if (proc_self) /* relaxed: see temp_owner_lives in core/sql/command/autovacuum.c */
        atomic_store_explicit(&proc_self->temp_nsp, temp_nsp, memory_order_relaxed);
}

/* The schema may be there from an earlier owner of the slot: what that one left is dropped. */
Oid
nsp_temp(void)
{
    char name[NAME_BYTES];
    Oid nsp, toast;

    if (LIKELY(temp_nsp))
        return temp_nsp;
    if (!acl_check(CAT_PG_DATABASE, catalog_database, current_user_oid, ACL_CREATE_TEMP)) {
        const CatRow *r = cat_get_by_oid(CAT_PG_DATABASE, catalog_database);

        RAISE(SQLSTATE_INSUFFICIENT_PRIVILEGE, "permission denied to create temporary tables in database \"%s\"",
              r ? datum_ptr(cat_val(r, PG_DATABASE_DATNAME)) : "");
    }
    nsp_temp_name(name, sizeof name, "pg_temp");
    nsp = nsp_find(name);
    if (nsp)
        nsp_drop_contents(nsp);
    else
        nsp = nsp_insert(name, ROLE_BOOTSTRAP);
    nsp_temp_name(name, sizeof name, "pg_toast_temp");
    toast = nsp_find(name);
    if (!toast)
        toast = nsp_insert(name, ROLE_BOOTSTRAP);
    txn_command_increment();
    temp_nsp = nsp;
    temp_toast_nsp = toast;
    show_temp_nsp();
    temp_made_at = txn_nesting();
    path.valid = false;
    return nsp;
}

Oid
nsp_temp_if_any(void)
{
    return temp_nsp;
}

Oid
nsp_toast_for(char persistence)
{
    if (persistence != 't')
        return NSP_PG_TOAST;
    (void)nsp_temp();
    return temp_toast_nsp;
}

bool
nsp_is_temp(Oid nsp)
{
    return temp_nsp != 0 && (nsp == temp_nsp || nsp == temp_toast_nsp);
}

/* Of whichever session. */
bool
nsp_is_any_temp(Oid nsp)
{
    const CatRow *r = catalog_database ? cat_get_by_oid(CAT_PG_NAMESPACE, nsp) : NULL;
    const char *name = r ? datum_ptr(cat_val(r, PG_NAMESPACE_NSPNAME)) : "";

    return str_starts_with(name, "pg_temp_") || str_starts_with(name, "pg_toast_temp_");
}

Oid
nsp_for_creation(const char *nsp, bool temp)
{
    Oid oid;

    if (nsp && strcmp(nsp, "pg_temp") == 0)
        return nsp_temp();
    if (temp) {
        if (nsp && nsp_oid(nsp, false) != temp_nsp)
            RAISE(SQLSTATE_INVALID_TABLE_DEFINITION, "cannot create temporary relation in non-temporary schema");
        return nsp_temp();
    }
    if (nsp) {
        oid = nsp_oid(nsp, false);
    } else {
        path_ready();
        if (path.creation_is_temp)
            return nsp_temp();
        oid = path.creation;
        if (oid == 0)
            RAISE(SQLSTATE_INVALID_SCHEMA_NAME, "no schema has been selected to create in");
    }
    if (!acl_check(CAT_PG_NAMESPACE, oid, current_user_oid, ACL_CREATE))
        acl_raise(CAT_PG_NAMESPACE, oid);
    return oid;
}

/* The first schema of the path, for current_schema(); 0: none. */
Oid
nsp_current(void)
{
    path_ready();
    return path.creation_is_temp ? temp_nsp : path.creation;
}

void
names_at_end(TxnEvent e, int nesting)
{
    if (temp_made_at == 0)
        return;
    if (e == TXN_COMMIT || e == TXN_PREPARE) {
        temp_made_at = 0;
    } else if (e == TXN_SUB_COMMIT) {
        temp_made_at = MIN(temp_made_at, nesting - 1);
    } else if (e == TXN_ABORT || (e == TXN_SUB_ABORT && temp_made_at >= nesting)) {
        temp_made_at = 0;
        temp_nsp = temp_toast_nsp = 0;
        show_temp_nsp();
        path.valid = false;
    }
}

/* Another session begins in this process. */
void
names_reset(void)
{
    temp_nsp = temp_toast_nsp = 0;
    show_temp_nsp();
    temp_made_at = 0;
    path.valid = false;
}

/* Drops what is in the session's temporary schema: its end, DISCARD TEMP. In a transaction. */
void
catalog_drop_temp(void)
{
    if (temp_nsp)
        nsp_drop_contents(temp_nsp);
}
