/*
 * ALTER ... OWNER TO and ALTER ... SET SCHEMA, and what all ALTER commands ask of a relation first.
 */
#include "core/sql/command/alter_internal.h"

#define NSP_TOAST 99u

const char *
relkind_plural(char kind)
{
    switch (kind) {
    case 'r': return "tables";
    case 'i': return "indexes";
    case 'S': return "sequences";
    case 't': return "TOAST tables";
    case 'v': return "views";
    case 'm': return "materialized views";
    case 'c': return "composite types";
    case 'f': return "foreign tables";
    case 'p': return "partitioned tables";
    case 'I': return "partitioned indexes";
    default: return "relations";
    }
}

/* ---- the relation ---- */

static void
check_kind(const RelDesc *r, PgQuery__ObjectType type, bool renaming)
{
    if (type == OBJ(SEQUENCE) && r->kind != 'S')
        RAISE(SQLSTATE_WRONG_OBJECT_TYPE, "\"%s\" is not a sequence", r->name);
    if (type == OBJ(VIEW) && r->kind != 'v')
        RAISE(SQLSTATE_WRONG_OBJECT_TYPE, "\"%s\" is not a view", r->name);
    if (type == OBJ(MATVIEW) && r->kind != 'm')
        RAISE(SQLSTATE_WRONG_OBJECT_TYPE, "\"%s\" is not a materialized view", r->name);
    if (type == OBJ(FOREIGN_TABLE) && r->kind != 'f')
        RAISE(SQLSTATE_WRONG_OBJECT_TYPE, "\"%s\" is not a foreign table", r->name);
    if (type == OBJ(TYPE) && r->kind != 'c')
        RAISE(SQLSTATE_WRONG_OBJECT_TYPE, "\"%s\" is not a composite type", r->name);
    if (type == OBJ(INDEX) && r->kind != 'i' && !renaming)
        RAISE(SQLSTATE_WRONG_OBJECT_TYPE, "\"%s\" is not an index", r->name);
    if (type != OBJ(TYPE) && r->kind == 'c')
        RAISE_ERR(SQLSTATE_WRONG_OBJECT_TYPE, err_message("\"%s\" is a composite type", r->name), err_hint("Use ALTER TYPE instead."));
}

RelDesc *
alter_open(const PgQuery__RangeVar *rv, PgQuery__ObjectType type, LockMode lock, bool missing_ok, bool renaming)
{
    /* Who may not change it must not lock it either. */
    Oid oid = range_var_lookup(rv, missing_ok);
    RelDesc *r = oid ? rel_try_open(oid, LOCK_ACCESS_SHARE) : NULL;

    if (r) {
        acl_require_owner(CAT_PG_CLASS, oid);
        require_ordinary(r);
        check_kind(r, type, renaming);
        r = range_var_open(rv, lock, missing_ok);
    }
    if (r == NULL) {
        REPORT(LEVEL_NOTICE, SQLSTATE_SUCCESS, err_message("relation \"%s\" does not exist, skipping", rv->relname));
        return NULL;
    }
    return r;
}

int
owned_sequences(Arena *a, Oid rel, Oid **out)
{
    Datum keys[2] = {oid_datum(CAT_PG_CLASS), oid_datum(rel)};
    CatScan *s = cat_scan_begin(CAT_PG_DEPEND, IDX_PG_DEPEND_REFERENCE_INDEX, 2, keys);
    const CatRow *r;
    int n = 0;
    RelDesc *d = rel_open_again(rel);

    *out = ARENA_ARRAY(a, Oid, d->natts * 4 + 16);
    while ((r = cat_scan_next(s)) != NULL && n < d->natts * 4 + 16) {
        char t = (char)cat_val(r, PG_DEPEND_DEPTYPE);
        if (datum_oid(cat_val(r, PG_DEPEND_CLASSID)) != CAT_PG_CLASS || datum_int32(cat_val(r, PG_DEPEND_REFOBJSUBID)) <= 0 || (t != 'a' && t != 'i'))
            continue;
        Oid oid = datum_oid(cat_val(r, PG_DEPEND_OBJID));
        const CatRow *k = cat_get_by_oid(CAT_PG_CLASS, oid);
        if (k && (char)cat_val(k, PG_CLASS_RELKIND) == 'S')
            (*out)[n++] = oid;
    }
    cat_scan_end(s);
    return n;
}

/* The table whose column owns the sequence; 0: none. */
static Oid
table_of_sequence(Oid seq)
{
    Datum keys[2] = {oid_datum(CAT_PG_CLASS), oid_datum(seq)};
    CatScan *s = cat_scan_begin(CAT_PG_DEPEND, IDX_PG_DEPEND_DEPENDER_INDEX, 2, keys);
    const CatRow *r;
    Oid table = 0;

    while ((r = cat_scan_next(s)) != NULL) {
        char t = (char)cat_val(r, PG_DEPEND_DEPTYPE);
        if (datum_oid(cat_val(r, PG_DEPEND_REFCLASSID)) == CAT_PG_CLASS && datum_int32(cat_val(r, PG_DEPEND_REFOBJSUBID)) > 0 && (t == 'a' || t == 'i'))
            table = datum_oid(cat_val(r, PG_DEPEND_REFOBJID));
    }
    cat_scan_end(s);
    return table;
}

/* ---- OWNER TO ---- */

typedef struct OwnerAtts { Oid table; int owner, acl; } OwnerAtts;
static const OwnerAtts owner_atts[] = {
    {CAT_PG_CLASS, PG_CLASS_RELOWNER, PG_CLASS_RELACL},
    {CAT_PG_TYPE, PG_TYPE_TYPOWNER, PG_TYPE_TYPACL},
    {CAT_PG_NAMESPACE, PG_NAMESPACE_NSPOWNER, PG_NAMESPACE_NSPACL},
    {CAT_PG_DATABASE, PG_DATABASE_DATDBA, PG_DATABASE_DATACL},
    {CAT_PG_PROC, PG_PROC_PROOWNER, PG_PROC_PROACL},
    {CAT_PG_LANGUAGE, PG_LANGUAGE_LANOWNER, PG_LANGUAGE_LANACL},
    {CAT_PG_COLLATION, PG_COLLATION_COLLOWNER, 0},
    {CAT_PG_EXTENSION, PG_EXTENSION_EXTOWNER, 0},
};

static void
store_row_owner(Arena *a, Oid table, Oid obj, Oid owner)
{
    const OwnerAtts *k = NULL;

    for (size_t i = 0; i < COUNT_OF(owner_atts); i++)
        if (owner_atts[i].table == table)
            k = &owner_atts[i];
    const CatRow *r = k ? cat_get_by_oid(table, obj) : NULL;
    if (r == NULL)
        UNSUPPORTED("changing the owner of %s is not supported", object_describe(a, (ObjAddr){table, obj, 0}));
    Oid old = datum_oid(cat_val(r, k->owner));
    RowEdit *row = row_edit(a, table, r);
    row_set(row, k->owner, oid_datum(owner));
    if (k->acl && !cat_null(r, k->acl))
        row_set(row, k->acl, acl_new_owner(a, cat_val(r, k->acl), old, owner));
    row_save(row);
}

static void
store_column_acls(Arena *a, const RelDesc *rel, Oid owner)
{
    for (int i = 1; i <= rel->natts; i++) {
        const CatRow *r = cat_get(IDX_PG_ATTRIBUTE_RELID_ATTNUM_INDEX, oid_datum(rel->oid), int16_datum((int16_t)i), 0, 0);
        if (r == NULL || cat_null(r, PG_ATTRIBUTE_ATTACL))
            continue;
        RowEdit *row = row_edit(a, CAT_PG_ATTRIBUTE, r);
        row_set(row, PG_ATTRIBUTE_ATTACL, acl_new_owner(a, cat_val(r, PG_ATTRIBUTE_ATTACL), rel->owner, owner));
        row_save(row);
    }
}

static void
store_type_owner(Arena *a, Oid type, Oid owner, bool own_dependency)
{
    Oid array = type_array_of(type);

    store_row_owner(a, CAT_PG_TYPE, type, owner);
    if (own_dependency)
        depend_change_owner(CAT_PG_TYPE, type, owner);
    if (array)
        store_row_owner(a, CAT_PG_TYPE, array, owner);
}

static void
store_relation_owner(Arena *a, Oid oid, Oid owner)
{
    RelDesc *r = rel_open(oid, LOCK_ACCESS_EXCLUSIVE);

    if (r->owner == owner)
        return;
    if (r->kind != 'i')
        store_column_acls(a, r, owner);
    store_row_owner(a, CAT_PG_CLASS, oid, owner);
    if (r->kind != 'i' && r->kind != 't' && r->kind != 'c')
        depend_change_owner(CAT_PG_CLASS, oid, owner);
    if (r->row_type)
        store_type_owner(a, r->row_type, owner, r->kind == 'c');
    for (int i = 0; i < r->nindexes; i++)
        store_relation_owner(a, r->indexes[i], owner);
    if (r->toast_rel)
        store_relation_owner(a, r->toast_rel, owner);
    if (r->kind == 'r') {
        Oid *seqs;
        int n = owned_sequences(a, oid, &seqs);
        for (int i = 0; i < n; i++)
            store_relation_owner(a, seqs[i], owner);
    }
    rel_invalidate(oid);
    txn_command_increment();
}

void
owner_store(Arena *a, ObjAddr obj, Oid owner)
{
    if (obj.cls == CAT_PG_CLASS)
        store_relation_owner(a, obj.obj, owner);
    else if (obj.cls == CAT_PG_TYPE)
        store_type_owner(a, obj.obj, owner, true);
    else {
        store_row_owner(a, obj.cls, obj.obj, owner);
        depend_change_owner(obj.cls, obj.obj, owner);
    }
    txn_command_increment();
}

void
check_new_owner(Oid cls, Oid obj, Oid owner, Oid nsp)
{
    if (role_is_superuser(current_user_oid))
        return;
    acl_require_owner(cls, obj);
    if (!role_is_member(current_user_oid, owner))
        RAISE(SQLSTATE_INSUFFICIENT_PRIVILEGE, "must be member of role \"%s\"", role_name(txn_arena(), owner));
    if (nsp && !acl_check(CAT_PG_NAMESPACE, nsp, owner, ACL_CREATE))
        acl_raise(CAT_PG_NAMESPACE, nsp);
}

void
relation_change_owner(Arena *a, RelDesc *rel, Oid owner)
{
    switch (rel->kind) {
    case 'r': case 'v': case 'm': case 'S': break;
    case 'i':
        if (rel->owner != owner)
            REPORT(LEVEL_WARNING, SQLSTATE_WRONG_OBJECT_TYPE, err_message("cannot change owner of index \"%s\"", rel->name),
                   err_hint("Change the ownership of the index's table, instead."));
        return;
    case 'c': RAISE_ERR(SQLSTATE_WRONG_OBJECT_TYPE, err_message("\"%s\" is a composite type", rel->name), err_hint("Use ALTER TYPE instead."));
    default:
        RAISE_ERR(SQLSTATE_WRONG_OBJECT_TYPE, err_message("cannot change owner of relation \"%s\"", rel->name),
                  err_detail("This operation is not supported for %s.", relkind_plural(rel->kind)));
    }
    if (rel->owner == owner)
        return;
    Oid table = rel->kind == 'S' ? table_of_sequence(rel->oid) : 0;
    if (table)
        RAISE_ERR(SQLSTATE_FEATURE_NOT_SUPPORTED, err_message("cannot change owner of sequence \"%s\"", rel->name),
                  err_detail("Sequence \"%s\" is linked to table \"%s\".", rel->name, rel_open(table, LOCK_ACCESS_SHARE)->name));
    check_new_owner(CAT_PG_CLASS, rel->oid, owner, rel->nsp);
    store_relation_owner(a, rel->oid, owner);
}

void
cmd_alter_owner(CommandContext *c, const PgQuery__AlterOwnerStmt *s)
{
    Oid owner = role_spec_oid(s->newowner, false);
    ObjAddr a;

    switch (s->object_type) {
    case OBJ(DATABASE): database_change_owner(pnode_string(s->object), owner); return;
    case OBJ(SCHEMA):
        a = object_address(c, s->object_type, s->object, false, LOCK_ACCESS_EXCLUSIVE);
        if (object_owner(a.cls, a.obj) == owner)
            return;
        check_new_owner(a.cls, a.obj, owner, 0);
        if (!acl_check(CAT_PG_DATABASE, catalog_database, current_user_oid, ACL_CREATE))
            acl_raise(CAT_PG_DATABASE, catalog_database);
        break;
    case OBJ(TYPE): case OBJ(DOMAIN): {
        PgQuery__TypeName t = PG_QUERY__TYPE_NAME__INIT;
        t.names = s->object->list->items;
        t.n_names = s->object->list->n_items;
        Oid oid = type_name_lookup(&t, false);
        const TypeInfo *ti = type_info(oid);
        if (s->object_type == OBJ(DOMAIN) && ti->typtype != 'd')
            RAISE(SQLSTATE_WRONG_OBJECT_TYPE, "%s is not a domain", type_format(c->arena, oid, -1, false));
        if (ti->typtype == 'c' && ti->rel && rel_open(ti->rel, LOCK_ACCESS_SHARE)->kind != 'c')
            RAISE_ERR(SQLSTATE_WRONG_OBJECT_TYPE, err_message("%s is a table's row type", type_format(c->arena, oid, -1, false)), err_hint("Use ALTER TABLE instead."));
        if (ti->elem && ti->category == 'A' && type_array_of(ti->elem) == oid)
            RAISE_ERR(SQLSTATE_WRONG_OBJECT_TYPE, err_message("cannot alter array type %s", type_format(c->arena, oid, -1, false)),
                      err_hint("You can alter type %s, which will alter the array type as well.", type_format(c->arena, ti->elem, -1, false)));
        if (ti->owner == owner)
            return;
        check_new_owner(CAT_PG_TYPE, oid, owner, ti->nsp);
        a = (ObjAddr){CAT_PG_TYPE, oid, 0};
        break;
    }
    case OBJ(FUNCTION): case OBJ(PROCEDURE): case OBJ(ROUTINE): case OBJ(AGGREGATE): {
        a = object_address(c, s->object_type, s->object, false, LOCK_ACCESS_EXCLUSIVE);
        if (object_owner(a.cls, a.obj) == owner)
            return;
        const CatRow *r = cat_get_by_oid(CAT_PG_PROC, a.obj);
        check_new_owner(a.cls, a.obj, owner, r ? datum_oid(cat_val(r, PG_PROC_PRONAMESPACE)) : 0);
        break;
    }
    default: UNSUPPORTED("ALTER ... OWNER TO is not supported for objects of this kind");
    }
    owner_store(c->arena, a, owner);
}

/* ---- SET SCHEMA ---- */

static void
check_move(Oid from, Oid to)
{
    if (nsp_is_any_temp(from) || nsp_is_any_temp(to))
        UNSUPPORTED("cannot move objects into or out of temporary schemas");
    if (from == NSP_TOAST || to == NSP_TOAST)
        UNSUPPORTED("cannot move objects into or out of TOAST schema");
}

/* The object's dependency on its schema points to the new one. */
static void
move_dependency(Arena *a, ObjAddr obj, Oid from, Oid to)
{
    Datum keys[3] = {oid_datum(obj.cls), oid_datum(obj.obj), int32_datum(0)};
    CatScan *s = cat_scan_begin(CAT_PG_DEPEND, IDX_PG_DEPEND_DEPENDER_INDEX, 3, keys);
    const CatRow *r;
    bool found = false;

    while ((r = cat_scan_next(s)) != NULL)
        if (datum_oid(cat_val(r, PG_DEPEND_REFCLASSID)) == CAT_PG_NAMESPACE && datum_oid(cat_val(r, PG_DEPEND_REFOBJID)) == from) {
            cat_delete(CAT_PG_DEPEND, r->tid);
            found = true;
        }
    cat_scan_end(s);
    if (found || from == NSP_CATALOG)
        depend_add(obj, (ObjAddr){CAT_PG_NAMESPACE, to, 0}, 'n');
    txn_command_increment();
}

static void
move_type(Arena *a, Oid type, Oid from, Oid to, bool dependency)
{
    const CatRow *r = cat_get_by_oid(CAT_PG_TYPE, type);
    char *name = cat_name(a, r, PG_TYPE_TYPNAME);
    Oid array = type_array_of(type);

    if (cat_get(IDX_PG_TYPE_TYPNAME_NSP_INDEX, ptr_datum(name), oid_datum(to), 0, 0))
        RAISE(SQLSTATE_DUPLICATE_OBJECT, "type \"%s\" already exists in schema \"%s\"", name, nsp_name(a, to));
    RowEdit *row = row_edit(a, CAT_PG_TYPE, r);
    row_set(row, PG_TYPE_TYPNAMESPACE, oid_datum(to));
    row_save(row);
    if (dependency)
        move_dependency(a, (ObjAddr){CAT_PG_TYPE, type, 0}, from, to);
    if (array)
        move_type(a, array, from, to, false);
}

static void
move_constraints(Arena *a, Oid index, int nkeys, const Datum *keys, Oid to)
{
    CatScan *s = cat_scan_begin(CAT_PG_CONSTRAINT, index, nkeys, keys);
    const CatRow *r;
    List *oids = list_new(a);

    while ((r = cat_scan_next(s)) != NULL)
        list_push(oids, (void *)(uintptr_t)datum_oid(cat_val(r, PG_CONSTRAINT_OID)));
    cat_scan_end(s);
    for (int i = 0; i < list_count(oids); i++) {
        RowEdit *row = row_edit(a, CAT_PG_CONSTRAINT, cat_get_by_oid(CAT_PG_CONSTRAINT, (Oid)(uintptr_t)list_at(oids, i)));
        row_set(row, PG_CONSTRAINT_CONNAMESPACE, oid_datum(to));
        row_save(row);
    }
}

static void
move_relation(Arena *a, Oid oid, Oid from, Oid to, bool dependency)
{
    RelDesc *r = rel_open(oid, LOCK_ACCESS_EXCLUSIVE);

    if (cat_get(IDX_PG_CLASS_RELNAME_NSP_INDEX, ptr_datum(r->name), oid_datum(to), 0, 0))
        RAISE(SQLSTATE_DUPLICATE_TABLE, "relation \"%s\" already exists in schema \"%s\"", r->name, nsp_name(a, to));
    RowEdit *row = class_edit(a, oid);
    row_set(row, PG_CLASS_RELNAMESPACE, oid_datum(to));
    row_save(row);
    if (dependency)
        move_dependency(a, (ObjAddr){CAT_PG_CLASS, oid, 0}, from, to);
    if (r->row_type)
        move_type(a, r->row_type, from, to, r->kind == 'c'); /* there the dependency is the type's */
    if (r->kind == 'r' || r->kind == 'm') {
        Oid *seqs;
        Datum key = oid_datum(oid);
        for (int i = 0; i < r->nindexes; i++)
            move_relation(a, r->indexes[i], from, to, false);
        int n = owned_sequences(a, oid, &seqs);
        for (int i = 0; i < n; i++)
            move_relation(a, seqs[i], from, to, true);
        move_constraints(a, IDX_PG_CONSTRAINT_CONRELID_CONTYPID_CONNAME_INDEX, 1, &key, to);
    }
    rel_invalidate(oid);
    txn_command_increment();
}

static Oid
target_schema(CommandContext *c, const char *name)
{
    Oid to = nsp_oid(name, false);

    if (!acl_check(CAT_PG_NAMESPACE, to, current_user_oid, ACL_CREATE))
        acl_raise(CAT_PG_NAMESPACE, to);
    return to;
}

static void
move_named_relation(CommandContext *c, const PgQuery__AlterObjectSchemaStmt *s)
{
    RelDesc *r = alter_open(s->relation, s->object_type, LOCK_ACCESS_EXCLUSIVE, s->missing_ok, false);

    if (r == NULL)
        return;
    if (r->kind == 'i')
        RAISE_ERR(SQLSTATE_WRONG_OBJECT_TYPE, err_message("cannot change schema of index \"%s\"", r->name), err_hint("Change the schema of the table instead."));
    if (r->kind == 't')
        RAISE_ERR(SQLSTATE_WRONG_OBJECT_TYPE, err_message("cannot change schema of TOAST table \"%s\"", r->name), err_hint("Change the schema of the table instead."));
    Oid table = r->kind == 'S' ? table_of_sequence(r->oid) : 0;
    if (table)
        RAISE_ERR(SQLSTATE_FEATURE_NOT_SUPPORTED, err_message("cannot move an owned sequence into another schema"),
                  err_detail("Sequence \"%s\" is linked to table \"%s\".", r->name, rel_open(table, LOCK_ACCESS_SHARE)->name));
    Oid to = target_schema(c, s->newschema);
    check_move(r->nsp, to);
    if (r->nsp != to)
        move_relation(c->arena, r->oid, r->nsp, to, true);
}

void
cmd_alter_schema(CommandContext *c, const PgQuery__AlterObjectSchemaStmt *s)
{
    switch (s->object_type) {
    case OBJ(TABLE): case OBJ(SEQUENCE): case OBJ(VIEW): case OBJ(MATVIEW): case OBJ(INDEX): case OBJ(FOREIGN_TABLE):
        move_named_relation(c, s);
        return;
    case OBJ(TYPE): case OBJ(DOMAIN): {
        PgQuery__TypeName t = PG_QUERY__TYPE_NAME__INIT;
        t.names = s->object->list->items;
        t.n_names = s->object->list->n_items;
        Oid oid = type_name_lookup(&t, false);
        const TypeInfo *ti = type_info(oid);
        if (s->object_type == OBJ(DOMAIN) && ti->typtype != 'd')
            RAISE(SQLSTATE_WRONG_OBJECT_TYPE, "%s is not a domain", type_format(c->arena, oid, -1, false));
        acl_require_owner(CAT_PG_TYPE, oid);
        bool composite = ti->typtype == 'c' && rel_open(ti->rel, LOCK_ACCESS_EXCLUSIVE)->kind == 'c';
        if (ti->typtype == 'c' && !composite)
            RAISE_ERR(SQLSTATE_WRONG_OBJECT_TYPE, err_message("%s is a table's row type", type_format(c->arena, oid, -1, false)), err_hint("Use ALTER TABLE instead."));
        Oid to = target_schema(c, s->newschema);
        check_move(ti->nsp, to);
        if (composite) {
            if (ti->nsp != to)
                move_relation(c->arena, ti->rel, ti->nsp, to, false);
            return;
        }
        if (ti->nsp != to) {
            Oid from = ti->nsp;
            Datum key = oid_datum(oid);
            move_type(c->arena, oid, from, to, true);
            move_constraints(c->arena, IDX_PG_CONSTRAINT_CONTYPID_INDEX, 1, &key, to);
        }
        return;
    }
    default: UNSUPPORTED("ALTER ... SET SCHEMA is not supported for objects of this kind");
    }
}
