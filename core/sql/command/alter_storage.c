/*
 * ALTER TABLE: what concerns the relation as a whole: clustering, logging, parameters, replica identity,
 * row security flags.
 */
#include "core/sql/command/alter_internal.h"

/* ---- CLUSTER ON, REPLICA IDENTITY: flags of one index among the table's ---- */

static Oid
index_named(RelDesc *r, const char *name)
{
    Oid oid = rel_lookup(r->nsp_name, name);

    for (int i = 0; oid && i < r->nindexes; i++)
        if (r->indexes[i] == oid)
            return oid;
    return 0;
}

static void
mark_one(AlterTable *t, Oid index, int att)
{
    RelDesc *r = alter_rel(t);

    for (int i = 0; i < r->nindexes; i++) {
        const CatRow *row = cat_get(IDX_PG_INDEX_INDEXRELID_INDEX, oid_datum(r->indexes[i]), 0, 0, 0);
        bool want = r->indexes[i] == index;
        if (datum_bool(cat_val(row, att)) == want)
            continue;
        RowEdit *e = row_edit(t->arena, CAT_PG_INDEX, row);
        row_set(e, att, bool_datum(want));
        row_save(e);
        rel_invalidate(r->indexes[i]);
    }
    rel_invalidate(t->oid);
    txn_command_increment();
}

void
alter_cluster_on(AlterTable *t, const char *name)
{
    RelDesc *r = alter_rel(t);
    Oid index = name ? index_named(r, name) : 0;

    if (name && index == 0) {
        Oid other = rel_lookup(r->nsp_name, name);
        if (other && rel_open(other, LOCK_ACCESS_SHARE)->kind == 'i')
            RAISE(SQLSTATE_WRONG_OBJECT_TYPE, "\"%s\" is not an index for table \"%s\"", name, r->name);
        RAISE(SQLSTATE_UNDEFINED_OBJECT, "index \"%s\" for table \"%s\" does not exist", name, r->name);
    }
    if (index && rel_open(index, LOCK_ACCESS_SHARE)->index->predicate_tree)
        UNSUPPORTED("cannot cluster on partial index \"%s\"", name);
    mark_one(t, index, PG_INDEX_INDISCLUSTERED);
}

static void
set_replica_kind(AlterTable *t, char kind)
{
    RowEdit *e = class_edit(t->arena, t->oid);

    row_set(e, PG_CLASS_RELREPLIDENT, (Datum)(unsigned char)kind);
    row_save(e);
}

void
alter_replica_identity(AlterTable *t, const PgQuery__ReplicaIdentityStmt *s)
{
    RelDesc *r = alter_rel(t);
    char kind = s->identity_type[0];

    if (kind != 'i') {
        mark_one(t, 0, PG_INDEX_INDISREPLIDENT);
        set_replica_kind(t, kind);
        return;
    }
    Oid other = rel_lookup(r->nsp_name, s->name), index = index_named(r, s->name);
    if (other == 0)
        RAISE(SQLSTATE_UNDEFINED_OBJECT, "index \"%s\" for table \"%s\" does not exist", s->name, r->name);
    if (index == 0)
        RAISE(SQLSTATE_WRONG_OBJECT_TYPE, "\"%s\" is not an index for table \"%s\"", s->name, r->name);
    IndexDesc *x = index_open(index, LOCK_ACCESS_SHARE);
    if (!x->unique)
        RAISE(SQLSTATE_WRONG_OBJECT_TYPE, "cannot use non-unique index \"%s\" as replica identity", s->name);
    if (!x->immediate)
        UNSUPPORTED("cannot use non-immediate index \"%s\" as replica identity", s->name);
    if (x->expr_trees)
        UNSUPPORTED("cannot use expression index \"%s\" as replica identity", s->name);
    if (x->predicate_tree)
        UNSUPPORTED("cannot use partial index \"%s\" as replica identity", s->name);
    for (int i = 0; i < x->nkeys; i++)
        if (!r->cols[x->attnums[i] - 1].not_null)
            RAISE(SQLSTATE_WRONG_OBJECT_TYPE, "index \"%s\" cannot be used as replica identity because column \"%s\" is nullable", s->name,
                  r->cols[x->attnums[i] - 1].name);
    mark_one(t, index, PG_INDEX_INDISREPLIDENT);
    set_replica_kind(t, 'i');
}

/* ---- SET LOGGED, SET UNLOGGED ---- */

static void
store_persistence(Arena *a, Oid rel, char persistence)
{
    RowEdit *e = class_edit(a, rel);

    row_set(e, PG_CLASS_RELPERSISTENCE, (Datum)(unsigned char)persistence);
    row_save(e);
    rel_invalidate(rel);
}

static void
check_references(RelDesc *r, char persistence)
{
    if (persistence == 'p') /* a logged table may not refer to one that a crash empties */
        for (int i = 0; i < r->nfks; i++) {
            RelDesc *ref = rel_open(r->fks[i].ref_rel, LOCK_ACCESS_SHARE);
            if (ref->oid != r->oid && ref->persistence != 'p')
                RAISE_ERR(SQLSTATE_INVALID_TABLE_DEFINITION, err_message("could not change table \"%s\" to logged because it references unlogged table \"%s\"", r->name, ref->name),
                          err_object(r->nsp_name, r->name, NULL, NULL, r->fks[i].name));
        }
    else
        for (int i = 0; i < r->nrefs; i++) {
            RelDesc *from = rel_open(r->refs[i].rel, LOCK_ACCESS_SHARE);
            if (from->oid != r->oid && from->persistence == 'p')
                RAISE_ERR(SQLSTATE_INVALID_TABLE_DEFINITION, err_message("could not change table \"%s\" to unlogged because it references logged table \"%s\"", r->name, from->name),
                          err_object(r->nsp_name, r->name, NULL, NULL, r->refs[i].name));
        }
}

void
alter_persistence(AlterTable *t, char persistence)
{
    RelDesc *r = alter_rel(t);

    if (r->persistence == 't')
        RAISE_ERR(SQLSTATE_INVALID_TABLE_DEFINITION, err_message("cannot change logged status of table \"%s\" because it is temporary", r->name),
                  err_object(r->nsp_name, r->name, NULL, NULL, NULL));
    if (r->persistence == persistence)
        return;
    check_references(r, persistence);
    alter_remember_old(t);
    for (int i = 0; i < r->nindexes; i++)
        store_persistence(t->arena, r->indexes[i], persistence);
    if (r->toast_rel) {
        RelDesc *toast = rel_open(r->toast_rel, LOCK_ACCESS_EXCLUSIVE);
        for (int i = 0; i < toast->nindexes; i++)
            store_persistence(t->arena, toast->indexes[i], persistence);
        store_persistence(t->arena, toast->oid, persistence);
    }
    store_persistence(t->arena, t->oid, persistence);
    txn_command_increment();
    t->rewrite = true;
    alter_rewrite(t);
}

/* ---- parameters and flags ---- */

void
alter_relation_options(AlterTable *t, const PgQuery__AlterTableCmd *cmd, bool reset)
{
    RelDesc *r = alter_rel(t);
    RowEdit *e = class_edit(t->arena, t->oid);
    bool isnull, old_null = e->nulls[PG_CLASS_RELOPTIONS - 1];
    Datum d = reloptions_make(t->arena, e->values[PG_CLASS_RELOPTIONS - 1], old_null, cmd->def->list->items, cmd->def->list->n_items, r->kind, reset, &isnull);

    if (isnull)
        row_null(e, PG_CLASS_RELOPTIONS);
    else
        row_set(e, PG_CLASS_RELOPTIONS, d);
    row_save(e);
    rel_invalidate(t->oid);
}

void
alter_row_security(AlterTable *t, int att, bool on)
{
    RowEdit *e = class_edit(t->arena, t->oid);

    row_set(e, att, bool_datum(on));
    row_save(e);
    rel_invalidate(t->oid);
}
