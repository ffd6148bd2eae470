/*
 * Before a run: locks on the relations, privileges, read-only transactions. The answer about privileges
 * is kept until a catalog or the user changes.
 */
#include "core/sql/exec/exec_internal.h"

void
exec_lock_relations(Exec *x)
{
    for (int i = 0; i < x->nrels; i++) {
        const RangeEntry *re = list_at(x->p->range_table, i);
        if (re->kind != RANGE_RELATION || re->rel == 0)
            continue;
        x->rels[i].rel =
            rel_open(re->rel, re->lock_mode ? (LockMode)re->lock_mode : LOCK_ACCESS_SHARE);
    }
}

/* Some column of the list (attnums; 0 whole row) lacks the privilege. NULL or empty list: any column will do. */
static bool
columns_allowed(Oid rel, const RelDesc *desc, const IntList *cols, Oid user, uint32_t bit)
{
    if (ints_count(cols) == 0) {
        for (int a = 1; a <= desc->natts; a++)
            if (!desc->cols[a - 1].dropped && acl_check_column(rel, a, user, bit))
                return true;
        return false;
    }
    for (int i = 0; i < cols->count; i++) {
        int attnum = (int)cols->items[i];
        if (attnum == 0) {
            for (int a = 1; a <= desc->natts; a++)
                if (!desc->cols[a - 1].dropped && !acl_check_column(rel, a, user, bit))
                    return false;
        } else if (!acl_check_column(rel, attnum, user, bit)) {
            return false;
        }
    }
    return true;
}

static void
check_entry(Exec *x, int i)
{
    const RangeEntry *re = list_at(x->p->range_table, i);
    uint32_t need = (uint32_t)re->required_perms;
    Oid user = re->check_as_user ? re->check_as_user : current_user_oid;
    const RelDesc *desc;

    if (re->kind != RANGE_RELATION || need == 0 || role_is_superuser(user))
        return;
    if (acl_check(CAT_PG_CLASS, re->rel, user, need))
        return;
    desc = exec_rel(x, i + 1);
    for (uint32_t bit = 1; bit <= need; bit <<= 1) {
        if (!(need & bit) || acl_check(CAT_PG_CLASS, re->rel, user, bit))
            continue;
        const IntList *cols = bit == ACL_SELECT   ? re->select_cols
                              : bit == ACL_INSERT ? re->insert_cols
                              : bit == ACL_UPDATE ? re->update_cols
                                                  : NULL;
        bool by_column = bit == ACL_SELECT || bit == ACL_INSERT || bit == ACL_UPDATE;
        if (!by_column || !columns_allowed(re->rel, desc, cols, user, bit))
            acl_raise(CAT_PG_CLASS, re->rel);
    }
}

static void
check_read_only(Exec *x)
{
    static const char *const names[] = {
        [CMD_INSERT] = "INSERT", [CMD_UPDATE] = "UPDATE", [CMD_DELETE] = "DELETE"};

    for (int i = 0; i < x->nrels; i++) {
        const RangeEntry *re = list_at(x->p->range_table, i);
        if (re->kind != RANGE_RELATION ||
            !((uint32_t)re->required_perms & (ACL_INSERT | ACL_UPDATE | ACL_DELETE)))
            continue;
        if (exec_rel(x, i + 1)->persistence == 't')
            continue;
        int c = x->p->command;
        RAISE(SQLSTATE_READ_ONLY_SQL_TRANSACTION, "cannot execute %s in a read-only transaction",
              c >= 0 && c < (int)COUNT_OF(names) && names[c] ? names[c] : "SELECT");
    }
}

void
exec_check_permissions(Exec *x)
{
    uint64_t version = catalog_version();

    if (txn_read_only)
        check_read_only(x);
    if (x->perms_ok && x->perms_version == version && x->perms_user == current_user_oid)
        return;
    for (int i = 0; i < x->nrels; i++)
        check_entry(x, i);
    x->perms_ok = true;
    x->perms_version = version;
    x->perms_user = current_user_oid;
}
