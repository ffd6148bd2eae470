/*
 * DROP OWNED and REASSIGN OWNED: over what pg_shdepend says roles own or hold in this database.
 */
#include "core/catalog/privileges.h"
#include "core/sql/command/alter_internal.h"

typedef struct Held { ObjAddr a; char type; } Held;

static int
held_by(Arena *a, Oid role, Held **out)
{
    Datum keys[2] = {oid_datum(CAT_PG_AUTHID), oid_datum(role)};
    CatScan *s = cat_scan_begin(CAT_PG_SHDEPEND, IDX_PG_SHDEPEND_REFERENCE_INDEX, 2, keys);
    const CatRow *r;
    int n = 0, cap = 0;

    *out = NULL;
    while ((r = cat_scan_next(s)) != NULL) {
        Oid db = datum_oid(cat_val(r, PG_SHDEPEND_DBID)), cls = datum_oid(cat_val(r, PG_SHDEPEND_CLASSID));
        if (db != catalog_database && db != 0)
            continue;
        if (n == cap) {
            int more = cap ? cap * 2 : 16;
            *out = arena_realloc(a, *out, sizeof(Held) * (size_t)cap, sizeof(Held) * (size_t)more);
            cap = more;
        }
        (*out)[n++] = (Held){{cls, datum_oid(cat_val(r, PG_SHDEPEND_OBJID)), datum_int32(cat_val(r, PG_SHDEPEND_OBJSUBID))},
                             (char)cat_val(r, PG_SHDEPEND_DEPTYPE)};
    }
    cat_scan_end(s);
    return n;
}

void
cmd_drop_owned(CommandContext *c, const PgQuery__DropOwnedStmt *s)
{
    Arena *a = c->arena;

    for (size_t i = 0; i < s->n_roles; i++)
        if (!role_is_member(current_user_oid, role_spec_oid(s->roles[i]->role_spec, false)))
            RAISE(SQLSTATE_INSUFFICIENT_PRIVILEGE, "permission denied to drop objects");
    for (size_t i = 0; i < s->n_roles; i++) {
        Oid role = role_spec_oid(s->roles[i]->role_spec, false);
        Held *held;
        int n = held_by(a, role, &held), drop = 0;
        ObjAddr *objs = ARENA_ARRAY(a, ObjAddr, n + 1);
        if (role < 12000)
            RAISE(SQLSTATE_DEPENDENT_OBJECTS_STILL_EXIST, "cannot drop objects owned by role %s because they are required by the database system", role_name(a, role));
        for (int k = 0; k < n; k++) {
            if (held[k].type == 'a')
                acl_remove_role(a, held[k].a, role);
            else if (held[k].type == 'o' && held[k].a.cls != CAT_PG_DATABASE)
                objs[drop++] = held[k].a;
        }
        txn_command_increment();
        objects_drop(objs, drop, IS_CASCADE(s->behavior), false);
        txn_command_increment();
    }
}

void
cmd_reassign_owned(CommandContext *c, const PgQuery__ReassignOwnedStmt *s)
{
    Arena *a = c->arena;
    Oid to = role_spec_oid(s->newrole, false);

    for (size_t i = 0; i < s->n_roles; i++)
        if (!role_is_member(current_user_oid, role_spec_oid(s->roles[i]->role_spec, false)))
            RAISE(SQLSTATE_INSUFFICIENT_PRIVILEGE, "permission denied to reassign objects");
    if (!role_is_member(current_user_oid, to))
        RAISE(SQLSTATE_INSUFFICIENT_PRIVILEGE, "permission denied to reassign objects");
    for (size_t i = 0; i < s->n_roles; i++) {
        Oid role = role_spec_oid(s->roles[i]->role_spec, false);
        Held *held;
        int n = held_by(a, role, &held);
        if (role < 12000)
            RAISE(SQLSTATE_DEPENDENT_OBJECTS_STILL_EXIST, "cannot reassign ownership of objects owned by role %s because they are required by the database system",
                  role_name(a, role));
        for (int k = 0; k < n; k++)
            if (held[k].type == 'o' && object_owner(held[k].a.cls, held[k].a.obj) == role)
                owner_store(a, held[k].a, to);
    }
}
