/*
 * TRUNCATE: every table gets new, empty files; the old ones go at commit.
 */
#include "core/sql/command/command_internal.h"
#include "lockmgr/predicate.h"

static bool
has_rel(const List *l, Oid oid)
{
    for (int i = 0; i < list_count(l); i++)
        if (((RelDesc *)list_at(l, i))->oid == oid)
            return true;
    return false;
}

static void
check_truncatable(RelDesc *r)
{
    if (r->kind != 'r')
        RAISE(SQLSTATE_WRONG_OBJECT_TYPE, "\"%s\" is not a table", r->name);
    if (!acl_check(CAT_PG_CLASS, r->oid, current_user_oid, ACL_TRUNCATE))
        acl_raise(CAT_PG_CLASS, r->oid);
    require_ordinary(r);
    if (r->persistence == 't' && !nsp_is_temp(r->nsp))
        UNSUPPORTED("cannot truncate temporary tables of other sessions");
    check_relation_busy(r->oid, "TRUNCATE");
}

static void
restart_identities(RelDesc *r)
{
    for (int att = 1; att <= r->natts; att++) {
        Oid seq = r->cols[att - 1].dropped ? 0 : sequence_of_column(r->oid, att, 0);
        if (seq == 0)
            continue;
        acl_require_owner(CAT_PG_CLASS, seq);
        sequence_restart(seq);
    }
}

void
truncate_relations(CommandContext *c, List *rels)
{
    for (int i = 0; i < list_count(rels); i++) {
        Oid oid = ((RelDesc *)list_at(rels, i))->oid;
        StatsLink link = {NULL, 0};
        stats_count_truncate(&link, catalog_database, oid);
        pred_check_drop(catalog_database, oid);
        rel_set_new_storage(oid);
        rel_invalidate(oid);
    }
    txn_command_increment();
}

void
cmd_truncate(CommandContext *c, const PgQuery__TruncateStmt *s)
{
    List *rels = list_new(c->arena);

    for (size_t i = 0; i < s->n_relations; i++) {
        RelDesc *r = range_var_open(s->relations[i]->range_var, LOCK_ACCESS_EXCLUSIVE, false);
        if (has_rel(rels, r->oid))
            continue;
        check_truncatable(r);
        list_push(rels, r);
    }
    for (int i = 0; i < list_count(rels); i++) { /* grows when cascading */
        RelDesc *r = list_at(rels, i);
        for (int k = 0; k < r->nrefs; k++) {
            Oid other = r->refs[k].rel;
            if (has_rel(rels, other))
                continue;
            RelDesc *o = rel_open(other, IS_CASCADE(s->behavior) ? LOCK_ACCESS_EXCLUSIVE : LOCK_ACCESS_SHARE);
            if (!IS_CASCADE(s->behavior))
                RAISE_ERR(SQLSTATE_FEATURE_NOT_SUPPORTED, err_message("cannot truncate a table referenced in a foreign key constraint"),
                          err_detail("Table \"%s\" references \"%s\".", o->name, r->name),
                          err_hint("Truncate table \"%s\" at the same time, or use TRUNCATE ... CASCADE.", o->name));
            REPORT(LEVEL_NOTICE, SQLSTATE_SUCCESS, err_message("truncate cascades to table \"%s\"", o->name));
            check_truncatable(o);
            list_push(rels, o);
        }
    }
    if (s->restart_seqs)
        for (int i = 0; i < list_count(rels); i++)
            restart_identities(list_at(rels, i));
    truncate_relations(c, rels);
}
