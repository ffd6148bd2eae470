/*
 * Roles: names, attributes, membership.
 *
 * Membership is transitive through roles that inherit. The set of roles one role has is worked out once
 * and kept until pg_authid, pg_auth_members or pg_database changes; sessions ask about one or two roles.
 */
#include "core/catalog/cat_internal.h"

#define ROLE_PG_DATABASE_OWNER 6171u

Oid session_user_oid = ROLE_BOOTSTRAP, current_user_oid = ROLE_BOOTSTRAP;

typedef struct RoleSet {
    Oid member; /* 0: empty */
    bool inherit_only;
    int n, cap;
    Oid *roles;
} RoleSet;

static RoleSet sets[4];
static int next_set;
static Oid super_role = 0;  /* the answer for one role */
static bool super_answer;

void
roles_invalidate(Oid table)
{
    if (table != 0 && table != CAT_PG_AUTHID && table != CAT_PG_AUTH_MEMBERS && table != CAT_PG_DATABASE)
        return;
    for (size_t i = 0; i < COUNT_OF(sets); i++)
        sets[i].member = 0;
    super_role = 0;
}

bool
role_is_superuser(Oid role)
{
    const CatRow *r;

    inval_own();
    if (LIKELY(role == super_role && role != 0))
        return super_answer;
    if (catalog_bootstrapping)
        return true;
    r = cat_get_by_oid(CAT_PG_AUTHID, role);
    super_answer = r && cat_bool(r, PG_AUTHID_ROLSUPER);
    super_role = role;
    return super_answer;
}

Oid
role_oid(const char *name, bool missing_ok)
{
    const CatRow *r = strlen(name) < NAME_BYTES ? cat_get(IDX_PG_AUTHID_ROLNAME_INDEX, ptr_datum(name), 0, 0, 0) : NULL;

    if (r)
        return cat_oid(r, PG_AUTHID_OID);
    if (!missing_ok)
        RAISE(SQLSTATE_UNDEFINED_OBJECT, "role \"%s\" does not exist", name);
    return 0;
}

char *
role_name(Arena *a, Oid role)
{
    const CatRow *r = cat_get_by_oid(CAT_PG_AUTHID, role);

    return r ? cat_name(a, r, PG_AUTHID_ROLNAME) : NULL;
}

static bool
set_has(const RoleSet *s, Oid role)
{
    for (int i = 0; i < s->n; i++)
        if (s->roles[i] == role)
            return true;
    return false;
}

static void
set_add(RoleSet *s, Oid role)
{
    if (set_has(s, role))
        return;
    if (s->n == s->cap) {
        int cap = s->cap ? s->cap * 2 : 16;

        s->roles = arena_realloc(arena_top(), s->roles, sizeof(Oid) * (size_t)s->cap, sizeof(Oid) * (size_t)cap);
        s->cap = cap;
    }
    s->roles[s->n++] = role;
}

static const RoleSet *
role_set(Oid member, bool inherit_only)
{
    RoleSet *s;
    const CatRow *db;

    inval_own();
    for (size_t i = 0; i < COUNT_OF(sets); i++)
        if (sets[i].member == member && sets[i].inherit_only == inherit_only)
            return &sets[i];
    s = &sets[next_set++ % (int)COUNT_OF(sets)];
    s->member = 0;
    s->n = 0;
    s->inherit_only = inherit_only;
    set_add(s, member);
    db = catalog_database ? cat_get_by_oid(CAT_PG_DATABASE, catalog_database) : NULL;
    for (int i = 0; i < s->n; i++) {
        Oid role = s->roles[i];
        const CatRow *r = cat_get_by_oid(CAT_PG_AUTHID, role);
        Datum key = oid_datum(role);
        CatScan *scan;

        if (!r || (inherit_only && !cat_bool(r, PG_AUTHID_ROLINHERIT)))
            continue;
        scan = cat_scan_begin(CAT_PG_AUTH_MEMBERS, IDX_PG_AUTH_MEMBERS_MEMBER_ROLE_INDEX, 1, &key);
        while ((r = cat_scan_next(scan)) != NULL)
            set_add(s, cat_oid(r, PG_AUTH_MEMBERS_ROLEID));
        cat_scan_end(scan);
        if (db && cat_oid(db, PG_DATABASE_DATDBA) == role)
            set_add(s, ROLE_PG_DATABASE_OWNER);
    }
    s->member = member;
    return s;
}

bool
role_is_member(Oid member, Oid role)
{
    if (member == role || role_is_superuser(member))
        return true;
    return set_has(role_set(member, true), role);
}

bool
role_may_become(Oid member, Oid role)
{
    if (member == role || role_is_superuser(member))
        return true;
    return set_has(role_set(member, false), role);
}

bool
role_is_member_nosuper(Oid member, Oid role)
{
    return member == role || set_has(role_set(member, false), role);
}

/* WITH ADMIN OPTION, directly or through a role. */
bool
role_is_admin_of(Oid member, Oid role)
{
    const RoleSet *s;
    Datum key = oid_datum(role);
    CatScan *scan;
    const CatRow *r;
    bool found = false;

    if (role_is_superuser(member))
        return true;
    s = role_set(member, false);
    scan = cat_scan_begin(CAT_PG_AUTH_MEMBERS, IDX_PG_AUTH_MEMBERS_ROLE_MEMBER_INDEX, 1, &key);
    while (!found && (r = cat_scan_next(scan)) != NULL)
        found = cat_bool(r, PG_AUTH_MEMBERS_ADMIN_OPTION) && set_has(s, cat_oid(r, PG_AUTH_MEMBERS_MEMBER));
    cat_scan_end(scan);
    return found;
}
