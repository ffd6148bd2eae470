/*
 * ALTER DEFAULT PRIVILEGES: rows of pg_default_acl, which objects to be made are given (acl_for_new). A row
 * of a schema holds what is granted beyond the role's own defaults; a row without schema holds all of them.
 * A row that says nothing is not kept.
 */
#include "core/catalog/privileges.h"
#include "core/sql/command/command_internal.h"

typedef struct Kind { PgQuery__ObjectType type; char objtype, stored; uint32_t all; const char *noun; } Kind;
static const Kind kinds[] = {
    {OBJ(TABLE), 'r', 'r', ACL_ALL_TABLE, "relation"},   {OBJ(SEQUENCE), 's', 'S', ACL_ALL_SEQUENCE, "sequence"},
    {OBJ(FUNCTION), 'f', 'f', ACL_EXECUTE, "function"},  {OBJ(PROCEDURE), 'f', 'f', ACL_EXECUTE, "procedure"},
    {OBJ(ROUTINE), 'f', 'f', ACL_EXECUTE, "routine"},    {OBJ(TYPE), 'T', 'T', ACL_USAGE, "type"},
    {OBJ(SCHEMA), 'n', 'n', ACL_ALL_SCHEMA, "schema"},
};

typedef struct Change {
    Arena *arena;
    const PgQuery__GrantStmt *s;
    const Kind *kind;
    uint32_t bits;
    Oid *grantees;
    int ngrantees;
} Change;

static void
read_action(Change *c)
{
    const PgQuery__GrantStmt *s = c->s;

    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (kinds[i].type == s->objtype)
            c->kind = &kinds[i];
    if (c->kind == NULL)
        INTERNAL_ERROR("unrecognized GrantStmt.objtype: %d", (int)s->objtype);
    c->grantees = ARENA_ARRAY(c->arena, Oid, s->n_grantees + 1);
    for (size_t i = 0; i < s->n_grantees; i++)
        c->grantees[c->ngrantees++] = role_spec_oid_or_public(s->grantees[i]->role_spec);
    c->bits = s->n_privileges == 0 ? c->kind->all : 0;
    for (size_t i = 0; i < s->n_privileges; i++) {
        const PgQuery__AccessPriv *p = s->privileges[i]->access_priv;
        if (p->n_cols)
            RAISE(SQLSTATE_INVALID_GRANT_OPERATION, "default privileges cannot be set for columns");
        uint32_t bit = privilege_bit(p->priv_name);
        if (bit & ~c->kind->all)
            RAISE(SQLSTATE_INVALID_GRANT_OPERATION, "invalid privilege type %s for %s", acl_bit_name(bit & -bit), c->kind->noun);
        c->bits |= bit;
    }
}

static bool
same_items(const AclItem *x, int nx, const AclItem *y, int ny)
{
    bool same = nx == ny;

    for (int i = 0; i < nx && same; i++) {
        same = false;
        for (int k = 0; k < ny; k++)
            same |= memcmp(&x[i], &y[k], sizeof *x) == 0;
    }
    return same;
}

/* For objects that `role` makes in schema `nsp`; 0: anywhere. */
static void
change_defaults(const Change *c, Oid role, Oid nsp)
{
    Datum kind = (Datum)(unsigned char)c->kind->stored;
    const CatRow *r = cat_get(IDX_PG_DEFAULT_ACL_ROLE_NSP_OBJ_INDEX, oid_datum(role), oid_datum(nsp), kind, 0);
    AclItem *items, *plain = NULL;
    int nplain = nsp ? 0 : acl_items(c->arena, 0, true, c->kind->objtype, role, &plain);
    Datum old = r ? cat_val(r, PG_DEFAULT_ACL_DEFACLACL) : acl_make(c->arena, plain, nplain);
    Datum acl = acl_change(c->arena, old, false, role, c->kind->objtype, c->s->is_grant, c->bits, c->s->grant_option, role, c->grantees,
                           c->ngrantees, IS_CASCADE(c->s->behavior));
    int n = acl_items(c->arena, acl, false, c->kind->objtype, role, &items);
    ObjAddr addr = {CAT_PG_DEFAULT_ACL, r ? datum_oid(cat_val(r, PG_DEFAULT_ACL_OID)) : 0, 0};

    if (same_items(items, n, plain, nplain)) {
        if (r)
            objects_drop(&addr, 1, false, true);
        return;
    }
    if (r) {
        RowEdit *row = row_edit(c->arena, CAT_PG_DEFAULT_ACL, r);
        row_set(row, PG_DEFAULT_ACL_DEFACLACL, acl);
        row_save(row);
    } else {
        RowEdit *row = row_new(c->arena, CAT_PG_DEFAULT_ACL);
        addr.obj = cat_new_oid(CAT_PG_DEFAULT_ACL);
        row_set(row, PG_DEFAULT_ACL_OID, oid_datum(addr.obj));
        row_set(row, PG_DEFAULT_ACL_DEFACLROLE, oid_datum(role));
        row_set(row, PG_DEFAULT_ACL_DEFACLNAMESPACE, oid_datum(nsp));
        row_set(row, PG_DEFAULT_ACL_DEFACLOBJTYPE, kind);
        row_set(row, PG_DEFAULT_ACL_DEFACLACL, acl);
        row_insert(row);
        depend_add_owner(CAT_PG_DEFAULT_ACL, addr.obj, role);
        if (nsp)
            depend_add(addr, (ObjAddr){CAT_PG_NAMESPACE, nsp, 0}, 'a');
    }
    depend_update_acl(addr, role, acl, false);
    txn_command_increment();
}

static void
change_schemas(const Change *c, const PgQuery__List *schemas, Oid role)
{
    if (schemas == NULL) {
        change_defaults(c, role, 0);
        return;
    }
    if (c->kind->objtype == 'n')
        RAISE(SQLSTATE_INVALID_GRANT_OPERATION, "cannot use IN SCHEMA clause when using GRANT/REVOKE ON SCHEMAS");
    for (size_t i = 0; i < schemas->n_items; i++)
        change_defaults(c, role, nsp_oid(pnode_string(schemas->items[i]), false));
}

void
cmd_alter_default_privileges(CommandContext *c, const PgQuery__AlterDefaultPrivilegesStmt *s)
{
    const PgQuery__List *schemas = NULL, *roles = NULL;
    Change change = {.arena = c->arena, .s = s->action};

    for (size_t i = 0; i < s->n_options; i++) {
        const PgQuery__DefElem *d = s->options[i]->def_elem;
        const PgQuery__List **slot = strcmp(d->defname, "schemas") == 0 ? &schemas : &roles;
        if (*slot)
            RAISE_AT(SQLSTATE_SYNTAX_ERROR, d->location, "conflicting or redundant options");
        *slot = d->arg->list;
    }
    read_action(&change);
    if (roles == NULL)
        change_schemas(&change, schemas, current_user_oid);
    for (size_t i = 0; roles && i < roles->n_items; i++) {
        Oid role = role_spec_oid(roles->items[i]->role_spec, false);
        if (!role_is_member(current_user_oid, role))
            RAISE(SQLSTATE_INSUFFICIENT_PRIVILEGE, "must be member of role \"%s\"", role_name(c->arena, role));
        change_schemas(&change, schemas, role);
    }
}
