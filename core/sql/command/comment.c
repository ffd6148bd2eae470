/*
 * COMMENT ON.
 */
#include "core/sql/command/command_internal.h"

/* Only the owner may comment; on shared objects their keepers. */
static void
check_may_comment(ObjAddr a, PgQuery__ObjectType type)
{
    switch (a.cls) {
    case CAT_PG_AUTHID:
        if (role_is_superuser(a.obj)) {
            if (!role_is_superuser(current_user_oid))
                RAISE(SQLSTATE_INSUFFICIENT_PRIVILEGE, "must be superuser");
            return;
        }
        const CatRow *r = cat_get_by_oid(CAT_PG_AUTHID, current_user_oid);
        if (!role_is_superuser(current_user_oid) && !(r && datum_bool(cat_val(r, PG_AUTHID_ROLCREATEROLE))))
            RAISE(SQLSTATE_INSUFFICIENT_PRIVILEGE, "must have CREATEROLE privilege");
        return;
    case CAT_PG_CONSTRAINT: {
        const CatRow *con = cat_get_by_oid(CAT_PG_CONSTRAINT, a.obj);
        Oid rel = datum_oid(cat_val(con, PG_CONSTRAINT_CONRELID));
        if (rel)
            acl_require_owner(CAT_PG_CLASS, rel);
        else
            acl_require_owner(CAT_PG_TYPE, datum_oid(cat_val(con, PG_CONSTRAINT_CONTYPID)));
        return;
    }
    case CAT_PG_REWRITE:
        acl_require_owner(CAT_PG_CLASS, datum_oid(cat_val(cat_get_by_oid(CAT_PG_REWRITE, a.obj), PG_REWRITE_EV_CLASS)));
        return;
    default: acl_require_owner(a.cls, a.obj);
    }
}

void
cmd_comment(CommandContext *c, const PgQuery__CommentStmt *s)
{
    if (s->objtype == OBJ(DATABASE) && database_oid(pnode_string(s->object), true) == 0) {
        REPORT(LEVEL_WARNING, SQLSTATE_UNDEFINED_DATABASE, err_message("database \"%s\" does not exist", pnode_string(s->object)));
        return; /* so that a dump loads under another name */
    }
    ObjAddr a = object_address(c, s->objtype, s->object, false, LOCK_SHARE_UPDATE_EXCLUSIVE);
    check_may_comment(a, s->objtype);
    if (s->objtype == OBJ(COLUMN)) {
        RelDesc *r = rel_open(a.obj, LOCK_ACCESS_SHARE);
        if (strchr("rvmcfp", r->kind) == NULL)
            RAISE_ERR(SQLSTATE_WRONG_OBJECT_TYPE, err_message("cannot set comment on relation \"%s\"", r->name),
                      err_detail("This operation is not supported for %s.", r->kind == 'i' ? "indexes" : "sequences"));
    }
    comment_set(a, s->comment);
    txn_command_increment();
}
