/*
 * Small commands: LOCK TABLE, SET CONSTRAINTS, CREATE EXTENSION; and ON COMMIT actions of
 * temporary tables.
 */
#include "core/sql/command/command_internal.h"

/* ---- LOCK TABLE ---- */

static bool
may_lock(Oid rel, LockMode mode)
{
    uint32_t any[] = {ACL_UPDATE, ACL_DELETE, ACL_TRUNCATE};

    if (mode == LOCK_ACCESS_SHARE && acl_check(CAT_PG_CLASS, rel, current_user_oid, ACL_SELECT))
        return true;
    if (mode == LOCK_ROW_EXCLUSIVE && acl_check(CAT_PG_CLASS, rel, current_user_oid, ACL_INSERT))
        return true;
    for (size_t i = 0; i < COUNT_OF(any); i++)
        if (acl_check(CAT_PG_CLASS, rel, current_user_oid, any[i]))
            return true;
    return false;
}

void
cmd_lock(CommandContext *c, const PgQuery__LockStmt *s)
{
    if (session_hooks.require_block)
        session_hooks.require_block(c, "LOCK TABLE");
    for (size_t i = 0; i < s->n_relations; i++) {
        const PgQuery__RangeVar *rv = s->relations[i]->range_var;
        for (;;) {
            Oid oid = range_var_lookup(rv, false);
            const CatRow *r = cat_get_by_oid(CAT_PG_CLASS, oid);
            char kind = r ? (char)cat_val(r, PG_CLASS_RELKIND) : 0;
            if (r && strchr("rpv", kind) == NULL)
                RAISE_ERR(SQLSTATE_WRONG_OBJECT_TYPE, err_message("cannot lock relation \"%s\"", rv->relname),
                          err_detail("This operation is not supported for %s.", kind == 'i' ? "indexes" : kind == 'S' ? "sequences" : "such relations"));
            if (r && !may_lock(oid, (LockMode)s->mode))
                acl_raise(CAT_PG_CLASS, oid);
            if (s->nowait) {
                LockTag tag = lock_tag_relation(r && datum_bool(cat_val(r, PG_CLASS_RELISSHARED)) ? 0 : catalog_database, oid);
                LockResult got = lock_acquire(tag, (LockMode)s->mode, false, true);
                if (got == LOCK_NOT_AVAILABLE)
                    RAISE(SQLSTATE_LOCK_NOT_AVAILABLE, "could not obtain lock on relation \"%s\"", rv->relname);
                if (got == LOCK_TABLE_FULL)
                    RAISE_ERR(SQLSTATE_OUT_OF_MEMORY, err_message("out of shared memory"), err_hint("You might need to increase max_locks_per_transaction."));
            }
            if (rel_try_open(oid, (LockMode)s->mode) && range_var_lookup(rv, false) == oid)
                break;
        }
    }
}

/* ---- SET CONSTRAINTS ---- */

static Oid
find_constraint(const PgQuery__RangeVar *rv)
{
    int n;
    const Oid *path = search_path_oids(&n);
    Oid one = GIVEN(rv->schemaname) ? nsp_oid(rv->schemaname, false) : 0;

    for (int i = 0; i < (one ? 1 : n); i++) {
        Datum keys[2] = {cat_name_datum(txn_arena(), rv->relname), oid_datum(one ? one : path[i])};
        CatScan *s = cat_scan_begin(CAT_PG_CONSTRAINT, IDX_PG_CONSTRAINT_CONNAME_NSP_INDEX, 2, keys);
        const CatRow *r;
        Oid found = 0;
        bool refused = false;
        while ((r = cat_scan_next(s)) != NULL) {
            if (datum_bool(cat_val(r, PG_CONSTRAINT_CONDEFERRABLE)))
                found = datum_oid(cat_val(r, PG_CONSTRAINT_OID));
            else
                refused = true;
        }
        cat_scan_end(s);
        if (found)
            return found;
        if (refused)
            RAISE(SQLSTATE_WRONG_OBJECT_TYPE, "constraint \"%s\" is not deferrable", rv->relname);
    }
    RAISE(SQLSTATE_UNDEFINED_OBJECT, "constraint \"%s\" does not exist", rv->relname);
}

void
cmd_set_constraints(CommandContext *c, const PgQuery__ConstraintsSetStmt *s)
{
    Oid *oids = ARENA_ARRAY(c->arena, Oid, s->n_constraints + 1);

    if (!c->is_atomic_block)
        REPORT(LEVEL_WARNING, SQLSTATE_NO_ACTIVE_SQL_TRANSACTION, err_message("SET CONSTRAINTS can only be used in transaction blocks"));
    for (size_t i = 0; i < s->n_constraints; i++)
        oids[i] = find_constraint(s->constraints[i]->range_var);
    fk_set_deferred(oids, (int)s->n_constraints, s->n_constraints == 0, s->deferred);
}

/* ---- CREATE EXTENSION ---- */

/*
 * amcheck's functions are built in, in pg_catalog: the extension is the row that tools (pg_amcheck) look
 * for to learn where they are. Dropping it removes the row.
 */
static void
create_amcheck(CommandContext *c, const PgQuery__CreateExtensionStmt *s)
{
    Datum values[CAT_MAX_COLUMNS] = {0};
    bool nulls[CAT_MAX_COLUMNS];

    if (!role_is_superuser(current_user_oid))
        RAISE_ERR(SQLSTATE_INSUFFICIENT_PRIVILEGE, err_message("permission denied to create extension \"amcheck\""),
                  err_hint("Must be superuser to create this extension."));
    for (size_t i = 0; i < s->n_options; i++)
        if (strcmp(s->options[i]->def_elem->defname, "cascade") != 0)
            UNSUPPORTED("CREATE EXTENSION amcheck with option \"%s\"", s->options[i]->def_elem->defname);
    memset(nulls, true, sizeof(nulls));
#define SET(column, datum) (values[(column)-1] = (datum), nulls[(column)-1] = false)
    SET(PG_EXTENSION_OID, oid_datum(cat_new_oid(CAT_PG_EXTENSION)));
    SET(PG_EXTENSION_EXTNAME, cat_name_datum(c->arena, "amcheck"));
    SET(PG_EXTENSION_EXTOWNER, oid_datum(current_user_oid));
    SET(PG_EXTENSION_EXTNAMESPACE, oid_datum(NSP_CATALOG));
    SET(PG_EXTENSION_EXTRELOCATABLE, bool_datum(false));
    SET(PG_EXTENSION_EXTVERSION, var_from_cstring(c->arena, "1.3"));
#undef SET
    cat_insert(CAT_PG_EXTENSION, values, nulls);
}

void
cmd_create_extension(CommandContext *c, const PgQuery__CreateExtensionStmt *s)
{
    CatScan *scan = cat_scan_begin(CAT_PG_EXTENSION, 0, 0, NULL);
    const CatRow *r;
    bool exists = false;

    while ((r = cat_scan_next(scan)) != NULL)
        exists |= strcmp(cat_name(c->arena, r, PG_EXTENSION_EXTNAME), s->extname) == 0;
    cat_scan_end(scan);
    if (!exists && strcmp(s->extname, "amcheck") == 0) {
        create_amcheck(c, s);
        return;
    }
    if (!exists)
        UNSUPPORTED("extension \"%s\" is not available", s->extname);
    if (!s->if_not_exists)
        RAISE(SQLSTATE_DUPLICATE_OBJECT, "extension \"%s\" already exists", s->extname);
    REPORT(LEVEL_NOTICE, SQLSTATE_DUPLICATE_OBJECT, err_message("extension \"%s\" already exists, skipping", s->extname));
}

/* ---- ON COMMIT ---- */

typedef struct OnCommit { Oid rel; int action; int made_at; struct OnCommit *next; } OnCommit;
static OnCommit *on_commit;

void
remember_on_commit(Oid rel, int action)
{
    OnCommit *o = ARENA_NEW(arena_top(), OnCommit);

    *o = (OnCommit){rel, action, txn_nesting(), on_commit};
    on_commit = o;
}

/* Before the commit: empties or drops the tables of this session that ask for it. */
static void
run_on_commit(void)
{
    ObjAddr drops[64];
    int n = 0;

    for (OnCommit *o = on_commit; o; o = o->next) {
        if (o->rel == 0)
            continue;
        if (cat_get_by_oid(CAT_PG_CLASS, o->rel) == NULL) {
            o->rel = 0;
            continue;
        }
        if (o->action == PG_QUERY__ON_COMMIT_ACTION__ONCOMMIT_DROP) {
            if (n < (int)COUNT_OF(drops))
                drops[n++] = (ObjAddr){CAT_PG_CLASS, o->rel, 0};
        } else if (txn_top_xid_if_assigned()) {
            RelDesc *r = rel_open(o->rel, LOCK_ACCESS_EXCLUSIVE);
            if (heap_blocks(&r->heap) > 0) {
                rel_set_new_storage(o->rel);
                rel_invalidate(o->rel);
                txn_command_increment();
            }
        }
    }
    if (n) {
        int level = client_min_messages; /* what goes with them is not worth a word */
        client_min_messages = LEVEL_WARNING;
        objects_drop(drops, n, true, true);
        client_min_messages = level;
        txn_command_increment();
    }
}

void
command_transaction_event(TxnEvent e, int nesting)
{
    if (on_commit == NULL)
        return;
    switch (e) {
    case TXN_PRE_COMMIT: run_on_commit(); break;
    case TXN_COMMIT:
        for (OnCommit **p = &on_commit; *p;) {
            if ((*p)->action == PG_QUERY__ON_COMMIT_ACTION__ONCOMMIT_DROP || (*p)->rel == 0)
                *p = (*p)->next;
            else {
                (*p)->made_at = 0;
                p = &(*p)->next;
            }
        }
        break;
    case TXN_ABORT: case TXN_SUB_ABORT:
        for (OnCommit **p = &on_commit; *p;) {
            if ((*p)->made_at >= nesting && (*p)->made_at > 0)
                *p = (*p)->next;
            else
                p = &(*p)->next;
        }
        break;
    case TXN_SUB_COMMIT:
        for (OnCommit *o = on_commit; o; o = o->next)
            if (o->made_at == nesting)
                o->made_at = nesting - 1;
        break;
    default: break;
    }
}
