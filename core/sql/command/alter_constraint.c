/*
 * ALTER TABLE: constraints that are added, dropped, validated, changed.
 */
#include "core/sql/command/alter_internal.h"

void
alter_check_existing_fk(RelDesc *rel, Oid constraint)
{
    for (int i = 0; i < rel->nfks; i++)
        if (rel->fks[i].oid == constraint)
            fk_check_existing(rel, &rel->fks[i]);
}

static void
add_keys(AlterTable *t)
{
    for (int i = 0; i < list_count(t->spec.keys); i++) {
        KeySpec *k = list_at(t->spec.keys, i);
        add_key(t->c, alter_rel(t), k->con, k->columns);
    }
}

static void
add_checks(AlterTable *t)
{
    for (int i = 0; i < list_count(t->spec.checks); i++) {
        CheckSpec *k = list_at(t->spec.checks, i);
        RelDesc *r = alter_rel(t);
        bool merged;
        Expr *e = k->cooked ? k->cooked : cook_check(t->arena, k->con->raw_expr, r, NULL);
        Oid oid = add_check(t->arena, r, k->name, e, k->valid, k->no_inherit, &merged);
        if (!k->valid)
            continue;
        const char *name = cat_name(t->arena, cat_get_by_oid(CAT_PG_CONSTRAINT, oid), PG_CONSTRAINT_CONNAME);
        validate_check(t->arena, alter_rel(t), name, e);
    }
}

static void
add_foreign_keys(AlterTable *t)
{
    for (int i = 0; i < list_count(t->spec.fks); i++) {
        FkSpec *f = list_at(t->spec.fks, i);
        Oid oid = add_foreign_key(t->c, alter_rel(t), f->con, f->columns);
        if (!f->con->skip_validation)
            alter_check_existing_fk(alter_rel(t), oid);
    }
}

void
alter_add_constraints(AlterTable *t, bool keys)
{
    if (keys)
        add_keys(t);
    else {
        add_checks(t);
        add_foreign_keys(t);
    }
}

/* 0: missing, and the NOTICE has been given. */
static Oid
find(AlterTable *t, const char *name, char *type, bool missing_ok)
{
    Oid oid = constraint_find(t->oid, name, type);

    if (oid == 0 && !missing_ok)
        RAISE(SQLSTATE_UNDEFINED_OBJECT, "constraint \"%s\" of relation \"%s\" does not exist", name, alter_rel(t)->name);
    if (oid == 0)
        REPORT(LEVEL_NOTICE, SQLSTATE_SUCCESS, err_message("constraint \"%s\" of relation \"%s\" does not exist, skipping", name, alter_rel(t)->name));
    return oid;
}

static void
invalidate_both(AlterTable *t, Oid constraint)
{
    const CatRow *r = cat_get_by_oid(CAT_PG_CONSTRAINT, constraint);
    Oid ref = r ? datum_oid(cat_val(r, PG_CONSTRAINT_CONFRELID)) : 0;

    rel_invalidate(t->oid);
    if (ref)
        rel_invalidate(ref);
}

void
alter_drop_constraint(AlterTable *t, const PgQuery__AlterTableCmd *cmd)
{
    char type;
    Oid oid = find(t, cmd->name, &type, cmd->missing_ok);
    ObjAddr a = {CAT_PG_CONSTRAINT, oid, 0};

    if (oid == 0)
        return;
    if (type == 'f')
        rel_open(datum_oid(cat_val(cat_get_by_oid(CAT_PG_CONSTRAINT, oid), PG_CONSTRAINT_CONFRELID)), LOCK_ACCESS_EXCLUSIVE);
    invalidate_both(t, oid);
    objects_drop(&a, 1, IS_CASCADE(cmd->behavior), false);
    txn_command_increment();
}

void
alter_validate_constraint(AlterTable *t, const PgQuery__AlterTableCmd *cmd)
{
    char type;
    Oid oid = find(t, cmd->name, &type, false);
    RelDesc *r = alter_rel(t);
    const CatRow *row = cat_get_by_oid(CAT_PG_CONSTRAINT, oid);

    if (type != 'c' && type != 'f')
        RAISE(SQLSTATE_WRONG_OBJECT_TYPE, "constraint \"%s\" of relation \"%s\" is not a foreign key or check constraint", cmd->name, r->name);
    if (datum_bool(cat_val(row, PG_CONSTRAINT_CONVALIDATED)))
        return;
    if (type == 'c')
        validate_check(t->arena, r, cmd->name, node_read(t->arena, cat_name(t->arena, row, PG_CONSTRAINT_CONBIN)));
    else {
        rel_open(datum_oid(cat_val(row, PG_CONSTRAINT_CONFRELID)), LOCK_ROW_SHARE);
        alter_check_existing_fk(r, oid);
    }
    RowEdit *e = row_edit(t->arena, CAT_PG_CONSTRAINT, row);
    row_set(e, PG_CONSTRAINT_CONVALIDATED, bool_datum(true));
    row_save(e);
    invalidate_both(t, oid);
}

void
alter_constraint(AlterTable *t, const PgQuery__AlterTableCmd *cmd)
{
    const PgQuery__Constraint *con = cmd->def->constraint;
    char type;
    Oid oid = find(t, con->conname, &type, false);

    if (type != 'f')
        RAISE(SQLSTATE_WRONG_OBJECT_TYPE, "constraint \"%s\" of relation \"%s\" is not a foreign key constraint", con->conname, alter_rel(t)->name);
    RowEdit *e = row_edit(t->arena, CAT_PG_CONSTRAINT, cat_get_by_oid(CAT_PG_CONSTRAINT, oid));
    row_set(e, PG_CONSTRAINT_CONDEFERRABLE, bool_datum(con->deferrable));
    row_set(e, PG_CONSTRAINT_CONDEFERRED, bool_datum(con->initdeferred));
    row_save(e);
    invalidate_both(t, oid);
}
