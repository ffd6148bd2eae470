/*
 * CREATE TYPE ... AS (...): a relation of kind 'c', which has columns and a row type but no rows. ALTER TYPE's
 * attributes go the way of ALTER TABLE's columns.
 */
#include "core/base/stack.h"
#include "core/sql/command/alter_internal.h"

static void
attribute_of(CommandContext *c, const PgQuery__ColumnDef *d, NewColumn *out)
{
    *out = (NewColumn){.name = arena_strdup(c->arena, d->colname), .typmod = -1, .ndims = (int)d->type_name->n_array_bounds};
    PgQuery__TypeName type = *d->type_name;
    type.location = -1; /* errors about it are without a position, as PostgreSQL's */
    sql_resolve_type_name(&type, c->text, &out->type, &out->typmod);
    const TypeInfo *ti = type_info(out->type);
    if (ti->typtype != 'p' && ti->ops == NULL)
        UNSUPPORTED("columns of type %s are not supported", type_format(c->arena, out->type, -1, false));
    out->collation = ti->collation;
    if (d->coll_clause) {
        if (ti->collation == 0)
            RAISE_AT(SQLSTATE_DATATYPE_MISMATCH, d->coll_clause->location, "collations are not supported by type %s",
                     type_format(c->arena, out->type, -1, false));
        out->collation = sql_resolve_collation(d->coll_clause);
    }
}

void
cmd_create_composite(CommandContext *c, const PgQuery__CompositeTypeStmt *s)
{
    const PgQuery__RangeVar *rv = s->typevar;
    Oid nsp = nsp_for_creation(GIVEN(rv->schemaname) ? rv->schemaname : NULL, false);
    int n = (int)s->n_coldeflist;
    NewColumn *cols = ARENA_ARRAY(c->arena, NewColumn, n + 1);

    if (!acl_check(CAT_PG_NAMESPACE, nsp, current_user_oid, ACL_CREATE))
        acl_raise(CAT_PG_NAMESPACE, nsp);
    if (!type_make_room(rv->relname, nsp))
        RAISE(SQLSTATE_DUPLICATE_OBJECT, "type \"%s\" already exists", rv->relname);
    for (int i = 0; i < n; i++)
        attribute_of(c, s->coldeflist[i]->column_def, &cols[i]);
    rel_create(rv->relname, nsp, 'c', 'p', current_user_oid, cols, n, 0, 0, 0);
    txn_command_increment();
}

/* A column that holds values of the type, in any depth of composites and arrays: its bytes would have to change. */
static bool
find_user(Arena *a, Oid type, char **table, char **column)
{
    Oid types[2] = {type_array_of(type), type};

    CHECK_STACK();
    for (int k = 0; k < 2 && types[k]; k++) {
        Datum keys[2] = {oid_datum(CAT_PG_TYPE), oid_datum(types[k])};
        CatScan *s = cat_scan_begin(CAT_PG_DEPEND, IDX_PG_DEPEND_REFERENCE_INDEX, 2, keys);
        const CatRow *r;
        List *users = list_new(a), *atts = list_new(a);
        while ((r = cat_scan_next(s)) != NULL)
            if (datum_oid(cat_val(r, PG_DEPEND_CLASSID)) == CAT_PG_CLASS && datum_int32(cat_val(r, PG_DEPEND_OBJSUBID)) > 0) {
                list_push(users, (void *)(uintptr_t)datum_oid(cat_val(r, PG_DEPEND_OBJID)));
                list_push(atts, (void *)(intptr_t)datum_int32(cat_val(r, PG_DEPEND_OBJSUBID)));
            }
        cat_scan_end(s);
        for (int i = 0; i < users->count; i++) {
            RelDesc *rel = rel_open((Oid)(uintptr_t)users->items[i], LOCK_ACCESS_SHARE);
            if (rel->kind == 'r' || rel->kind == 'm') {
                *table = rel->name;
                *column = rel->cols[(intptr_t)atts->items[i] - 1].name;
                return true;
            }
            if (rel->row_type && find_user(a, rel->row_type, table, column))
                return true;
        }
    }
    return false;
}

void
row_type_require_unused(Arena *a, const RelDesc *r)
{
    char *table, *column;

    if (!find_user(a, r->row_type, &table, &column))
        return;
    if (r->kind == 'c')
        UNSUPPORTED("cannot alter type \"%s\" because column \"%s.%s\" uses it", r->name, table, column);
    UNSUPPORTED("cannot alter table \"%s\" because column \"%s.%s\" uses its row type", r->name, table, column);
}
