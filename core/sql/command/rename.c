/*
 * ALTER ... RENAME of everything that has a name.
 */
#include "core/sql/command/alter_internal.h"

static const char *const system_columns[] = {"ctid", "xmin", "cmin", "xmax", "cmax", "tableoid"};

static void
rename_relation(CommandContext *c, const PgQuery__RenameStmt *s)
{
    RelDesc *r = alter_open(s->relation, s->rename_type, LOCK_ACCESS_EXCLUSIVE, s->missing_ok, true);

    if (r == NULL)
        return;
    if (!acl_check(CAT_PG_NAMESPACE, r->nsp, current_user_oid, ACL_CREATE))
        acl_raise(CAT_PG_NAMESPACE, r->nsp);
    Oid oid = r->oid, heap = r->kind == 'i' ? r->index->heap : 0;
    relation_rename(oid, s->newname);
    rel_invalidate(oid);
    if (heap)
        rel_invalidate(heap);
    txn_command_increment();
}

static void
rename_column(CommandContext *c, const PgQuery__RenameStmt *s)
{
    RelDesc *r = alter_open(s->relation, s->relation_type, LOCK_ACCESS_EXCLUSIVE, s->missing_ok, true);

    if (r == NULL)
        return;
    if (strchr("rvmcifp", r->kind) == NULL)
        RAISE_ERR(SQLSTATE_WRONG_OBJECT_TYPE, err_message("cannot rename columns of relation \"%s\"", r->name),
                  err_detail("This operation is not supported for %s.", relkind_plural(r->kind)));
    int att = rel_attnum(r, s->subname);
    if (att == 0)
        RAISE(SQLSTATE_UNDEFINED_COLUMN, "column \"%s\" does not exist", s->subname);
    if (att < 0)
        UNSUPPORTED("cannot rename system column \"%s\"", s->subname);
    for (size_t i = 0; i < COUNT_OF(system_columns); i++)
        if (r->kind != 'v' && r->kind != 'c' && strcmp(system_columns[i], s->newname) == 0)
            RAISE(SQLSTATE_DUPLICATE_COLUMN, "column name \"%s\" conflicts with a system column name", s->newname);
    if (rel_attnum(r, s->newname) > 0)
        RAISE(SQLSTATE_DUPLICATE_COLUMN, "column \"%s\" of relation \"%s\" already exists", s->newname, r->name);
    RowEdit *row = attribute_edit(c->arena, r->oid, att);
    row_set_name(c->arena, row, PG_ATTRIBUTE_ATTNAME, s->newname);
    row_save(row);
    rel_invalidate(r->oid);
    txn_command_increment();
}

static void
rename_constraint_row(CommandContext *c, Oid con, const char *name)
{
    RowEdit *row = row_edit(c->arena, CAT_PG_CONSTRAINT, cat_get_by_oid(CAT_PG_CONSTRAINT, con));

    row_set_name(c->arena, row, PG_CONSTRAINT_CONNAME, name);
    row_save(row);
}

static void
rename_constraint(CommandContext *c, const PgQuery__RenameStmt *s)
{
    RelDesc *r = alter_open(s->relation, OBJ(TABLE), LOCK_ACCESS_EXCLUSIVE, s->missing_ok, true);

    if (r == NULL)
        return;
    char type = 0;
    Oid con = constraint_find(r->oid, s->subname, &type);
    if (con == 0)
        RAISE(SQLSTATE_UNDEFINED_OBJECT, "constraint \"%s\" for table \"%s\" does not exist", s->subname, r->name);
    Oid index = datum_oid(cat_val(cat_get_by_oid(CAT_PG_CONSTRAINT, con), PG_CONSTRAINT_CONINDID));
    if (index && (type == 'p' || type == 'u' || type == 'x')) {
        relation_rename(index, s->newname); /* the constraint's name follows */
        rel_invalidate(index);
    } else {
        constraint_name_free(r, s->newname);
        rename_constraint_row(c, con, s->newname);
    }
    rel_invalidate(r->oid);
    if (type == 'f')
        rel_invalidate(datum_oid(cat_val(cat_get_by_oid(CAT_PG_CONSTRAINT, con), PG_CONSTRAINT_CONFRELID)));
    txn_command_increment();
}

static void
rename_schema(CommandContext *c, const PgQuery__RenameStmt *s)
{
    Oid oid = nsp_oid(s->subname, false);

    if (nsp_oid(s->newname, true))
        RAISE(SQLSTATE_DUPLICATE_SCHEMA, "schema \"%s\" already exists", s->newname);
    acl_require_owner(CAT_PG_NAMESPACE, oid);
    if (!acl_check(CAT_PG_DATABASE, catalog_database, current_user_oid, ACL_CREATE))
        acl_raise(CAT_PG_DATABASE, catalog_database);
    if (strncmp(s->newname, "pg_", 3) == 0 && !system_changes_allowed())
        RAISE_ERR(SQLSTATE_RESERVED_NAME, err_message("unacceptable schema name \"%s\"", s->newname),
                  err_detail("The prefix \"pg_\" is reserved for system schemas."));
    RowEdit *row = row_edit(c->arena, CAT_PG_NAMESPACE, cat_get_by_oid(CAT_PG_NAMESPACE, oid));
    row_set_name(c->arena, row, PG_NAMESPACE_NSPNAME, s->newname);
    row_save(row);
}

static void
set_type_name(CommandContext *c, Oid type, const char *name)
{
    RowEdit *row = row_edit(c->arena, CAT_PG_TYPE, cat_get_by_oid(CAT_PG_TYPE, type));

    row_set_name(c->arena, row, PG_TYPE_TYPNAME, name);
    row_save(row);
}

static void
rename_type(CommandContext *c, const PgQuery__RenameStmt *s)
{
    PgQuery__TypeName t = PG_QUERY__TYPE_NAME__INIT;

    t.names = s->object->list->items;
    t.n_names = s->object->list->n_items;
    Oid oid = type_name_lookup(&t, false);
    const TypeInfo *ti = type_info(oid);
    acl_require_owner(CAT_PG_TYPE, oid);
    if (s->rename_type == OBJ(DOMAIN) && ti->typtype != 'd')
        RAISE(SQLSTATE_WRONG_OBJECT_TYPE, "%s is not a domain", type_format(c->arena, oid, -1, false));
    if (ti->typtype == 'c' && rel_open(ti->rel, LOCK_ACCESS_EXCLUSIVE)->kind == 'c') { /* the type's name follows */
        relation_rename(ti->rel, s->newname);
        rel_invalidate(ti->rel);
        txn_command_increment();
        return;
    }
    if (ti->typtype == 'c')
        RAISE_ERR(SQLSTATE_WRONG_OBJECT_TYPE, err_message("%s is a table's row type", type_format(c->arena, oid, -1, false)), err_hint("Use ALTER TABLE instead."));
    if (ti->elem && ti->category == 'A' && type_array_of(ti->elem) == oid)
        RAISE_ERR(SQLSTATE_WRONG_OBJECT_TYPE, err_message("cannot alter array type %s", type_format(c->arena, oid, -1, false)),
                  err_hint("You can alter type %s, which will alter the array type as well.", type_format(c->arena, ti->elem, -1, false)));
    Oid nsp = ti->nsp, array = ti->array;
    if (!type_make_room(s->newname, nsp))
        RAISE(SQLSTATE_DUPLICATE_OBJECT, "type \"%s\" already exists", s->newname);
    set_type_name(c, oid, s->newname);
    if (array) {
        char *name = make_object_name(c->arena, "", s->newname, NULL);
        while (cat_get(IDX_PG_TYPE_TYPNAME_NSP_INDEX, ptr_datum(name), oid_datum(nsp), 0, 0))
            name = arena_printf(c->arena, "_%.*s", NAME_BYTES - 2, name);
        set_type_name(c, array, name);
    }
}

static void
rename_domain_constraint(CommandContext *c, const PgQuery__RenameStmt *s)
{
    PgQuery__TypeName t = PG_QUERY__TYPE_NAME__INIT;

    t.names = s->object->list->items;
    t.n_names = s->object->list->n_items;
    Oid oid = type_name_lookup(&t, false), found = 0;
    if (type_info(oid)->typtype != 'd')
        RAISE(SQLSTATE_WRONG_OBJECT_TYPE, "%s is not a domain", type_format(c->arena, oid, -1, false));
    acl_require_owner(CAT_PG_TYPE, oid);
    Datum key = oid_datum(oid);
    CatScan *scan = cat_scan_begin(CAT_PG_CONSTRAINT, IDX_PG_CONSTRAINT_CONTYPID_INDEX, 1, &key);
    const CatRow *r;
    bool taken = false;
    while ((r = cat_scan_next(scan)) != NULL) {
        const char *name = cat_name(c->arena, r, PG_CONSTRAINT_CONNAME);
        if (strcmp(name, s->subname) == 0)
            found = datum_oid(cat_val(r, PG_CONSTRAINT_OID));
        taken |= strcmp(name, s->newname) == 0;
    }
    cat_scan_end(scan);
    if (found == 0)
        RAISE(SQLSTATE_UNDEFINED_OBJECT, "constraint \"%s\" for domain %s does not exist", s->subname, type_format(c->arena, oid, -1, false));
    if (taken)
        RAISE(SQLSTATE_DUPLICATE_OBJECT, "constraint \"%s\" for domain %s already exists", s->newname, type_format(c->arena, oid, -1, false));
    rename_constraint_row(c, found, s->newname);
}

void
cmd_rename(CommandContext *c, const PgQuery__RenameStmt *s)
{
    switch (s->rename_type) {
    case OBJ(TABLE): case OBJ(INDEX): case OBJ(VIEW): case OBJ(SEQUENCE): case OBJ(MATVIEW): case OBJ(FOREIGN_TABLE): rename_relation(c, s); break;
    case OBJ(COLUMN): case OBJ(ATTRIBUTE): rename_column(c, s); break;
    case OBJ(TABCONSTRAINT): rename_constraint(c, s); break;
    case OBJ(DOMCONSTRAINT): rename_domain_constraint(c, s); break;
    case OBJ(SCHEMA): rename_schema(c, s); break;
    case OBJ(DATABASE): database_rename(c, s->subname, s->newname); break;
    case OBJ(ROLE): role_rename(c, s->subname, s->newname); break;
    case OBJ(TYPE): case OBJ(DOMAIN): rename_type(c, s); break;
    default: UNSUPPORTED("%s is not supported for objects of this kind", c->tag);
    }
}
