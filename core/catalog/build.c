/*
 * Making relations: rows in pg_class, pg_attribute and pg_type, files, the toast table.
 *
 * Dependencies recorded here: a relation on its schema, its columns' types and collations; its row type
 * on it, the array of that on the row type, a toast table on its owner (all internal).
 */
#include <stdio.h>

#include "core/catalog/build.h"
#include "core/types/text.h"
#include "lockmgr/predicate.h"

static const char *const system_columns[] = {"ctid", "xmin", "cmin", "xmax", "cmax", "tableoid"};
static const Oid system_types[] = {TID_OID, XID_OID, CID_OID, XID_OID, CID_OID, OID_OID};

bool
relkind_has_storage(char kind)
{
    return kind == 'r' || kind == 't' || kind == 'm' || kind == 'S' || kind == 'i';
}

static bool
has_system_columns(char kind)
{
    return kind != 'v' && kind != 'c' && kind != 'i' && kind != 'I';
}

static bool
has_row_type(char kind)
{
    return kind != 'S' && kind != 't' && kind != 'i' && kind != 'I';
}

/* ---- columns ---- */

static void
put_attribute(Oid rel, const char *name, Oid type, int attnum, const NewColumn *c, int late_rank)
{
    Arena *a = txn_current_arena();
    const TypeInfo *t = type ? type_info_or_null(type) : NULL;
    const TypeDef *def = builtin_type_def(type);
    Datum v[CAT_MAX_COLUMNS];
    bool n[CAT_MAX_COLUMNS];
    int16_t len;
    bool byval;

    cat_type_physical(type, &len, &byval);
    if (attnum < 0 && def) { /* as PostgreSQL shows them: never stored */
        len = def->len;
        byval = def->byval;
    }
    cat_values_init(v, n, CAT_MAX_COLUMNS);
    CAT_SET(v, n, PG_ATTRIBUTE_ATTRELID, oid_datum(rel));
    CAT_SET(v, n, PG_ATTRIBUTE_ATTNAME, cat_name_datum(a, name));
    CAT_SET(v, n, PG_ATTRIBUTE_ATTTYPID, oid_datum(type));
    CAT_SET(v, n, PG_ATTRIBUTE_ATTSTATTARGET, int32_datum(attnum < 0 ? 0 : -1));
    CAT_SET(v, n, PG_ATTRIBUTE_ATTLEN, int16_datum(len));
    CAT_SET(v, n, PG_ATTRIBUTE_ATTNUM, int16_datum((int16_t)attnum));
    CAT_SET(v, n, PG_ATTRIBUTE_ATTNDIMS, int32_datum(c ? c->ndims : 0));
    CAT_SET(v, n, PG_ATTRIBUTE_ATTCACHEOFF, int32_datum(late_rank));
    CAT_SET(v, n, PG_ATTRIBUTE_ATTTYPMOD, int32_datum(c ? c->typmod : -1));
    CAT_SET(v, n, PG_ATTRIBUTE_ATTBYVAL, bool_datum(byval));
    CAT_SET(v, n, PG_ATTRIBUTE_ATTALIGN, (Datum)(unsigned char)(t ? t->align : 'i'));
    CAT_SET(v, n, PG_ATTRIBUTE_ATTSTORAGE, (Datum)(unsigned char)(t ? t->storage : 'p'));
    CAT_SET(v, n, PG_ATTRIBUTE_ATTCOMPRESSION, 0);
    CAT_SET(v, n, PG_ATTRIBUTE_ATTNOTNULL, bool_datum(attnum < 0 || (c && c->not_null)));
    CAT_SET(v, n, PG_ATTRIBUTE_ATTHASDEF, bool_datum(false));
    CAT_SET(v, n, PG_ATTRIBUTE_ATTHASMISSING, bool_datum(false));
    CAT_SET(v, n, PG_ATTRIBUTE_ATTIDENTITY, (Datum)(unsigned char)(c ? c->identity : 0));
    CAT_SET(v, n, PG_ATTRIBUTE_ATTGENERATED, (Datum)(unsigned char)(c ? c->generated : 0));
    CAT_SET(v, n, PG_ATTRIBUTE_ATTISDROPPED, bool_datum(c && c->dropped));
    CAT_SET(v, n, PG_ATTRIBUTE_ATTISLOCAL, bool_datum(true));
    CAT_SET(v, n, PG_ATTRIBUTE_ATTINHCOUNT, int32_datum(0));
    CAT_SET(v, n, PG_ATTRIBUTE_ATTCOLLATION, oid_datum(c ? c->collation : 0));
    (void)cat_insert(CAT_PG_ATTRIBUTE, v, n);
}

void
rel_insert_attribute(Oid rel, int attnum, const NewColumn *c, int late_rank)
{
    ObjAddr column = {CAT_PG_CLASS, rel, attnum};

    put_attribute(rel, c->name, c->type, attnum, c, late_rank);
    depend_add(column, (ObjAddr){CAT_PG_TYPE, c->type, 0}, 'n');
    if (c->collation && c->collation != COLLATION_DEFAULT)
        depend_add(column, (ObjAddr){CAT_PG_COLLATION, c->collation, 0}, 'n');
}

void
rel_insert_attribute_plain(Oid rel, int attnum, const NewColumn *c)
{
    put_attribute(rel, c->name, c->type, attnum, c, -1);
}

void
rel_insert_system_attributes(Oid rel)
{
    for (int i = 0; i < (int)COUNT_OF(system_columns); i++)
        put_attribute(rel, system_columns[i], system_types[i], -1 - i, NULL, -1);
}

static void
check_columns(const NewColumn *cols, int n, char kind)
{
    if (n > MAX_COLUMNS)
        RAISE(SQLSTATE_TOO_MANY_COLUMNS, "tables can have at most %d columns", MAX_COLUMNS);
    for (int i = 0; i < n; i++) {
        const TypeInfo *t;

        if (cols[i].dropped)
            continue;
        if (has_system_columns(kind))
            for (size_t k = 0; k < COUNT_OF(system_columns); k++)
                if (strcmp(cols[i].name, system_columns[k]) == 0)
                    RAISE(SQLSTATE_DUPLICATE_COLUMN, "column name \"%s\" conflicts with a system column name", cols[i].name);
        for (int k = 0; k < i; k++)
            if (!cols[k].dropped && strcmp(cols[i].name, cols[k].name) == 0)
                RAISE(SQLSTATE_DUPLICATE_COLUMN, "column \"%s\" specified more than once", cols[i].name);
        t = type_info(cols[i].type);
        if (t->typtype == 'p' && !(kind == 'v' && cols[i].type == UNKNOWN_OID) && !catalog_bootstrapping &&
            !(catalog_system_oids && cols[i].type == ANYARRAY_OID))
            RAISE(SQLSTATE_INVALID_TABLE_DEFINITION, "column \"%s\" has pseudo-type %s", cols[i].name,
                  type_format(txn_current_arena(), cols[i].type, -1, false));
        if (!t->ops && relkind_has_storage(kind))
            UNSUPPORTED("columns of type %s are not supported", type_format(txn_current_arena(), cols[i].type, -1, false));
    }
}

void
rel_check_column_type(const char *name, Oid type, char kind)
{
    NewColumn c = {.name = name, .type = type, .typmod = -1};

    check_columns(&c, 1, kind);
}

/* ---- row types ---- */

typedef struct NewType {
    Oid oid, nsp, owner, rel, elem, array;
    const char *name;
    char type, category, align;
    Oid in, out, recv, send, analyze, subscript;
} NewType;

static void
put_type(const NewType *t)
{
    Arena *a = txn_current_arena();
    Datum v[CAT_MAX_COLUMNS];
    bool n[CAT_MAX_COLUMNS];

    cat_values_init(v, n, CAT_MAX_COLUMNS);
    CAT_SET(v, n, PG_TYPE_OID, oid_datum(t->oid));
    CAT_SET(v, n, PG_TYPE_TYPNAME, cat_name_datum(a, t->name));
    CAT_SET(v, n, PG_TYPE_TYPNAMESPACE, oid_datum(t->nsp));
    CAT_SET(v, n, PG_TYPE_TYPOWNER, oid_datum(t->owner));
    CAT_SET(v, n, PG_TYPE_TYPLEN, int16_datum(-1));
    CAT_SET(v, n, PG_TYPE_TYPBYVAL, bool_datum(false));
    CAT_SET(v, n, PG_TYPE_TYPTYPE, (Datum)(unsigned char)t->type);
    CAT_SET(v, n, PG_TYPE_TYPCATEGORY, (Datum)(unsigned char)t->category);
    CAT_SET(v, n, PG_TYPE_TYPISPREFERRED, bool_datum(false));
    CAT_SET(v, n, PG_TYPE_TYPISDEFINED, bool_datum(true));
    CAT_SET(v, n, PG_TYPE_TYPDELIM, (Datum)',');
    CAT_SET(v, n, PG_TYPE_TYPRELID, oid_datum(t->rel));
    CAT_SET(v, n, PG_TYPE_TYPSUBSCRIPT, oid_datum(t->subscript));
    CAT_SET(v, n, PG_TYPE_TYPELEM, oid_datum(t->elem));
    CAT_SET(v, n, PG_TYPE_TYPARRAY, oid_datum(t->array));
    CAT_SET(v, n, PG_TYPE_TYPINPUT, oid_datum(t->in));
    CAT_SET(v, n, PG_TYPE_TYPOUTPUT, oid_datum(t->out));
    CAT_SET(v, n, PG_TYPE_TYPRECEIVE, oid_datum(t->recv));
    CAT_SET(v, n, PG_TYPE_TYPSEND, oid_datum(t->send));
    CAT_SET(v, n, PG_TYPE_TYPMODIN, oid_datum(0));
    CAT_SET(v, n, PG_TYPE_TYPMODOUT, oid_datum(0));
    CAT_SET(v, n, PG_TYPE_TYPANALYZE, oid_datum(t->analyze));
    CAT_SET(v, n, PG_TYPE_TYPALIGN, (Datum)(unsigned char)t->align);
    CAT_SET(v, n, PG_TYPE_TYPSTORAGE, (Datum)'x');
    CAT_SET(v, n, PG_TYPE_TYPNOTNULL, bool_datum(false));
    CAT_SET(v, n, PG_TYPE_TYPBASETYPE, oid_datum(0));
    CAT_SET(v, n, PG_TYPE_TYPTYPMOD, int32_datum(-1));
    CAT_SET(v, n, PG_TYPE_TYPNDIMS, int32_datum(0));
    CAT_SET(v, n, PG_TYPE_TYPCOLLATION, oid_datum(0));
    (void)cat_insert(CAT_PG_TYPE, v, n);
}

static const CatRow *
type_row(const char *name, Oid nsp)
{
    return cat_get(IDX_PG_TYPE_TYPNAME_NSP_INDEX, ptr_datum(name), oid_datum(nsp), 0, 0);
}

/* _name, or with as many underscores as it takes. */
static void
array_type_name(char out[NAME_BYTES], const char *name, Oid nsp)
{
    for (int underscores = 1;; underscores++) {
        size_t n = utf8_clip(name, strlen(name), (size_t)(NAME_BYTES - 1 - underscores));

        memset(out, '_', (size_t)underscores);
        memcpy(out + underscores, name, n);
        out[(size_t)underscores + n] = '\0';
        if (catalog_bootstrapping || !type_row(out, nsp))
            return;
        if (underscores > 30)
            RAISE(SQLSTATE_DUPLICATE_OBJECT, "could not form array type name for type \"%s\"", name);
    }
}

static void
rename_type(const CatRow *r, const char *name)
{
    CatEdit e;

    cat_edit_begin(&e, CAT_PG_TYPE, r);
    CAT_SET(e.values, e.nulls, PG_TYPE_TYPNAME, cat_name_datum(txn_current_arena(), name));
    cat_edit_end(&e);
}

/* A type of this name may be in the way; an array type that got its name by itself makes room. */
bool
type_make_room(const char *name, Oid nsp)
{
    const CatRow *r = type_row(name, nsp);
    char other[NAME_BYTES];
    Oid elem;

    if (!r)
        return true;
    elem = cat_oid(r, PG_TYPE_TYPELEM);
    if (elem == 0 || type_array_of(elem) != cat_oid(r, PG_TYPE_OID) || name[0] != '_')
        return false;
    array_type_name(other, name, nsp);
    rename_type(r, other);
    txn_command_increment();
    return true;
}

void
type_insert_row_type(Oid type, Oid array, Oid rel, char kind, const char *name, Oid nsp, Oid owner)
{
    char array_name[NAME_BYTES];
    NewType t = {.oid = type, .nsp = nsp, .owner = owner, .rel = rel, .array = array, .name = name, .type = 'c', .category = 'C', .align = 'd',
                 .in = 2290, .out = 2291, .recv = 2402, .send = 2403};
    NewType arr = {.oid = array, .nsp = nsp, .owner = owner, .elem = type, .name = array_name, .type = 'b', .category = 'A', .align = 'd',
                   .in = 750, .out = 751, .recv = 2400, .send = 2401, .analyze = 3816, .subscript = 6179};

    array_type_name(array_name, name, nsp);
    put_type(&t);
    put_type(&arr);
    if (kind == 'c') { /* here the type is what the user made */
        depend_add((ObjAddr){CAT_PG_CLASS, rel, 0}, (ObjAddr){CAT_PG_TYPE, type, 0}, 'i');
        depend_add((ObjAddr){CAT_PG_TYPE, type, 0}, (ObjAddr){CAT_PG_NAMESPACE, nsp, 0}, 'n');
        depend_add_owner(CAT_PG_TYPE, type, owner);
    } else {
        depend_add((ObjAddr){CAT_PG_TYPE, type, 0}, (ObjAddr){CAT_PG_CLASS, rel, 0}, 'i');
    }
    depend_add((ObjAddr){CAT_PG_TYPE, array, 0}, (ObjAddr){CAT_PG_TYPE, type, 0}, 'i');
}

/* ---- files ---- */

/* A number no file of the database has. */
Oid
relfilenode_new(Oid wish, Oid spc, bool shared)
{
    RelLocator l = {shared ? SPC_GLOBAL : spc ? spc : catalog_database_tablespace, shared ? 0 : catalog_database, wish};

    while (relfile_exists(l, FORK_MAIN))
        l.rel = oid_next();
    return l.rel;
}

/* ---- pg_class ---- */

void
rel_insert_class_row(const NewRelation *x)
{
    Arena *a = txn_current_arena();
    Datum v[CAT_MAX_COLUMNS];
    bool n[CAT_MAX_COLUMNS], table = x->kind == 'r' || x->kind == 't' || x->kind == 'm';

    cat_values_init(v, n, CAT_MAX_COLUMNS);
    CAT_SET(v, n, PG_CLASS_OID, oid_datum(x->oid));
    CAT_SET(v, n, PG_CLASS_RELNAME, cat_name_datum(a, x->name));
    CAT_SET(v, n, PG_CLASS_RELNAMESPACE, oid_datum(x->nsp));
    CAT_SET(v, n, PG_CLASS_RELTYPE, oid_datum(x->row_type));
    CAT_SET(v, n, PG_CLASS_RELOFTYPE, oid_datum(0));
    CAT_SET(v, n, PG_CLASS_RELOWNER, oid_datum(x->owner));
    CAT_SET(v, n, PG_CLASS_RELAM, oid_datum(x->kind == 'i' ? AM_BTREE : table ? AM_HEAP : 0));
    CAT_SET(v, n, PG_CLASS_RELFILENODE, oid_datum(x->filenode));
    CAT_SET(v, n, PG_CLASS_RELTABLESPACE, oid_datum(x->tablespace));
    CAT_SET(v, n, PG_CLASS_RELPAGES, int32_datum(0));
    CAT_SET(v, n, PG_CLASS_RELTUPLES, float4_datum(table ? -1.0f : x->kind == 'S' ? 1.0f : 0.0f));
    CAT_SET(v, n, PG_CLASS_RELALLVISIBLE, int32_datum(0));
    CAT_SET(v, n, PG_CLASS_RELTOASTRELID, oid_datum(x->toast));
    CAT_SET(v, n, PG_CLASS_RELHASINDEX, bool_datum(x->has_index));
    CAT_SET(v, n, PG_CLASS_RELISSHARED, bool_datum(x->shared));
    CAT_SET(v, n, PG_CLASS_RELPERSISTENCE, (Datum)(unsigned char)x->persistence);
    CAT_SET(v, n, PG_CLASS_RELKIND, (Datum)(unsigned char)x->kind);
    CAT_SET(v, n, PG_CLASS_RELNATTS, int16_datum((int16_t)x->natts));
    CAT_SET(v, n, PG_CLASS_RELCHECKS, int16_datum(0));
    CAT_SET(v, n, PG_CLASS_RELHASRULES, bool_datum(false));
    CAT_SET(v, n, PG_CLASS_RELHASTRIGGERS, bool_datum(false));
    CAT_SET(v, n, PG_CLASS_RELHASSUBCLASS, bool_datum(false));
    CAT_SET(v, n, PG_CLASS_RELROWSECURITY, bool_datum(false));
    CAT_SET(v, n, PG_CLASS_RELFORCEROWSECURITY, bool_datum(false));
    CAT_SET(v, n, PG_CLASS_RELISPOPULATED, bool_datum(true));
    CAT_SET(v, n, PG_CLASS_RELREPLIDENT, (Datum)(unsigned char)((x->kind == 'r' || x->kind == 'm') && x->nsp != NSP_PG_CATALOG ? 'd' : 'n'));
    CAT_SET(v, n, PG_CLASS_RELISPARTITION, bool_datum(false));
    CAT_SET(v, n, PG_CLASS_RELREWRITE, oid_datum(0));
    CAT_SET(v, n, PG_CLASS_RELFROZENXID, (Datum)(table ? (catalog_bootstrapping ? (uint32_t)XID_FIRST_NORMAL : xid_to_catalog(horizon_xid())) : 0));
    CAT_SET(v, n, PG_CLASS_RELMINMXID, (Datum)(table ? catalog_bootstrapping ? 1 : multi_to_catalog(multi_safe_bound()) : 0));
    if (x->acl)
        CAT_SET(v, n, PG_CLASS_RELACL, x->acl);
    if (x->options)
        CAT_SET(v, n, PG_CLASS_RELOPTIONS, x->options);
    (void)cat_insert(CAT_PG_CLASS, v, n);
}

void
rel_edit_class(CatEdit *e, Oid rel)
{
    const CatRow *r = cat_get_by_oid(CAT_PG_CLASS, rel);

    if (!r)
        INTERNAL_ERROR("cache lookup failed for relation %u", rel);
    cat_edit_begin(e, CAT_PG_CLASS, r);
}

/* ---- toast tables ---- */

/* How long a value can get; -1: no bound worth knowing. */
static int64_t
max_bytes(const NewColumn *c)
{
    if (c->typmod < 0)
        return -1;
    switch (type_base(c->type, NULL)) {
    case BPCHAR_OID:
    case VARCHAR_OID:
        return (int64_t)(c->typmod - 4) * 4 + 4; /* UTF-8 */
    case NUMERIC_OID:
        return 8 + ((((c->typmod - 4) >> 16) & 0xFFFF) + 8) / 4 * 2;
    case BIT_OID:
    case VARBIT_OID:
        return c->typmod / 8 + 9;
    default:
        return -1;
    }
}

static bool
needs_toast(const NewColumn *cols, int n)
{
    int64_t total = 0;
    bool unbounded = false, movable = false;

    for (int i = 0; i < n; i++) {
        const TypeInfo *t;
        int16_t len;
        bool byval;

        if (cols[i].dropped)
            continue;
        cat_type_physical(cols[i].type, &len, &byval);
        if (len > 0) {
            total += len;
            continue;
        }
        t = type_info(cols[i].type);
        int64_t m = max_bytes(&cols[i]);

        if (m < 0)
            unbounded = true;
        else
            total += m;
        movable |= t->storage != 'p';
    }
    return movable && (unbounded || total + HEAP_HEADER_BYTES + (n + 7) / 8 > (int64_t)TOAST_THRESHOLD_BYTES);
}

static const NewColumn toast_columns[] = {
    {.name = "chunk_id", .type = OID_OID, .typmod = -1},
    {.name = "chunk_seq", .type = INT4_OID, .typmod = -1},
    {.name = "chunk_data", .type = BYTEA_OID, .typmod = -1},
};

void
toast_insert_attributes(Oid toast)
{
    for (int i = 0; i < (int)COUNT_OF(toast_columns); i++) {
        NewColumn c = toast_columns[i];

        rel_insert_attribute(toast, i + 1, &c, -1);
    }
}

static Oid
toast_create(Oid rel, Oid owner, char persistence, Oid tablespace)
{
    static const int16_t attnums[] = {1, 2};
    static const Oid collations[] = {0, 0};
    static const int16_t options[] = {0, 0};
    const Oid opclasses[] = {opclass_default(OID_OID, AM_BTREE), opclass_default(INT4_OID, AM_BTREE)};
    char name[NAME_BYTES];
    Oid toast;

    snprintf(name, sizeof name, "pg_toast_%u", rel);
    toast = rel_create(name, nsp_toast_for(persistence), 't', persistence, owner, toast_columns, COUNT_OF(toast_columns), tablespace, 0, 0);
    txn_command_increment();
    snprintf(name, sizeof name, "pg_toast_%u_index", rel);
    (void)index_create(toast, name, 2, 2, attnums, opclasses, collations, options, NULL, NULL, true, true, true, false, true);
    depend_add((ObjAddr){CAT_PG_CLASS, toast, 0}, (ObjAddr){CAT_PG_CLASS, rel, 0}, 'i');
    return toast;
}

/* After columns have been added or changed: makes the toast table if one is needed now. */
void
rel_ensure_toast(Oid rel)
{
    RelDesc *d = rel_cached(rel);
    NewColumn *cols = ARENA_ARRAY(txn_current_arena(), NewColumn, MAX(d->natts, 1));
    CatEdit e;
    Oid toast;

    if (d->toast_rel || (d->kind != 'r' && d->kind != 'm'))
        return;
    for (int i = 0; i < d->natts; i++)
        cols[i] = (NewColumn){.name = d->cols[i].name, .type = d->cols[i].type, .typmod = d->cols[i].typmod, .dropped = d->cols[i].dropped};
    if (!needs_toast(cols, d->natts))
        return;
    toast = toast_create(rel, d->owner, d->persistence, d->tablespace);
    rel_edit_class(&e, rel);
    CAT_SET(e.values, e.nulls, PG_CLASS_RELTOASTRELID, oid_datum(toast));
    cat_edit_end(&e);
    txn_command_increment();
}

/* ---- the whole ---- */

Oid
rel_create(const char *name, Oid nsp, char kind, char persistence, Oid owner, const NewColumn *cols, int ncols, Oid tablespace, Datum reloptions,
           Oid given_oid)
{
    NewRelation x = {.name = name, .nsp = nsp, .kind = kind, .persistence = persistence, .owner = owner, .natts = ncols, .options = reloptions};
    bool acl_null = true;
    Oid array_type = 0;

    if (kind != 't')
        check_columns(cols, ncols, kind);
    if (cat_get(IDX_PG_CLASS_RELNAME_NSP_INDEX, ptr_datum(name), oid_datum(nsp), 0, 0))
        RAISE(SQLSTATE_DUPLICATE_TABLE, "relation \"%s\" already exists", name);
    if (has_row_type(kind) && !type_make_room(name, nsp))
        RAISE_ERR(SQLSTATE_DUPLICATE_OBJECT, err_message("type \"%s\" already exists", name),
                  err_hint("A relation has an associated type of the same name, so you must use a name that doesn't conflict with any existing type."));
    x.oid = given_oid ? given_oid : cat_new_oid(CAT_PG_CLASS);
    x.tablespace = tablespace == catalog_database_tablespace ? 0 : tablespace;
    if (relkind_has_storage(kind)) {
        RelLocator l = {x.tablespace ? x.tablespace : catalog_database_tablespace, catalog_database, 0};

        x.filenode = l.rel = relfilenode_new(x.oid, x.tablespace, false);
        storage_create(l, persistence == 'p');
        stats_note_created(catalog_database, x.oid);
    }
    if (has_row_type(kind)) {
        x.row_type = cat_new_oid(CAT_PG_TYPE);
        array_type = cat_new_oid(CAT_PG_TYPE);
    }
    if (catalog_system_oids && kind == 'v' && strcmp(name, "pg_shadow") != 0 && strcmp(name, "pg_file_settings") != 0) {
        AclItem items[2] = {{owner, owner, ACL_ALL_TABLE}, {ROLE_PUBLIC, owner, ACL_SELECT}}; /* everybody reads system views */

        x.acl = acl_make(txn_current_arena(), items, 2);
    } else if (kind != 't' && kind != 'c' && !catalog_system_oids)
        x.acl = acl_for_new(txn_current_arena(), kind == 'S' ? 's' : 'r', owner, nsp, &acl_null);
    rel_insert_class_row(&x);
    if (x.row_type)
        type_insert_row_type(x.row_type, array_type, x.oid, kind, name, nsp, owner);
    for (int i = 0; i < ncols; i++)
        rel_insert_attribute(x.oid, i + 1, &cols[i], -1);
    if (has_system_columns(kind))
        rel_insert_system_attributes(x.oid);
    if (kind != 't' && kind != 'c') {
        depend_add((ObjAddr){CAT_PG_CLASS, x.oid, 0}, (ObjAddr){CAT_PG_NAMESPACE, nsp, 0}, 'n');
        depend_add_owner(CAT_PG_CLASS, x.oid, owner);
        if (!acl_null)
            depend_update_acl((ObjAddr){CAT_PG_CLASS, x.oid, 0}, owner, x.acl, false);
    }
    txn_command_increment();
    if ((kind == 'r' || kind == 'm') && needs_toast(cols, ncols))
        rel_ensure_toast(x.oid);
    return x.oid;
}

/* ---- statistics ---- */

typedef struct NewStats { double tuples; int pages, allvisible; } NewStats;

static void
set_stats(Datum *values, bool *nulls, void *arg)
{
    const NewStats *s = arg;

    CAT_SET(values, nulls, PG_CLASS_RELPAGES, int32_datum(s->pages));
    CAT_SET(values, nulls, PG_CLASS_RELTUPLES, float4_datum((float)s->tuples));
    CAT_SET(values, nulls, PG_CLASS_RELALLVISIBLE, int32_datum(s->allvisible));
}

/* In place: vacuum must not make dead rows of its own in pg_class. */
void
rel_update_stats(Oid rel, double tuples, int pages, int allvisible)
{
    Datum key = oid_datum(rel);
    NewStats stats = {tuples, pages, allvisible};
    CatScan *s = cat_scan_begin(CAT_PG_CLASS, IDX_PG_CLASS_OID_INDEX, 1, &key);
    const CatRow *r = cat_scan_next(s);

    if (r && (datum_int32(cat_val(r, PG_CLASS_RELPAGES)) != pages || datum_float4(cat_val(r, PG_CLASS_RELTUPLES)) != (float)tuples ||
              datum_int32(cat_val(r, PG_CLASS_RELALLVISIBLE)) != allvisible))
        cat_overwrite(CAT_PG_CLASS, r->tid, set_stats, &stats);
    cat_scan_end(s);
}

/* ---- new files ---- */

static void
new_storage_of_one(Oid rel)
{
    RelDesc *d = rel_cached(rel);
    RelLocator l = d->heap.locator;
    CatEdit e;

    if (d->kind == 'r' || d->kind == 'm' || d->kind == 'i') /* addresses read before mean nothing from here on */
        pred_relation_moved(catalog_database, rel, d->kind == 'i' ? d->index->heap : rel);
    storage_drop(l);
    l.rel = relfilenode_new(oid_next(), d->tablespace, false);
    storage_create(l, d->persistence == 'p');
    rel_edit_class(&e, rel);
    CAT_SET(e.values, e.nulls, PG_CLASS_RELFILENODE, oid_datum(l.rel));
    if (d->kind != 'S') {
        CAT_SET(e.values, e.nulls, PG_CLASS_RELPAGES, int32_datum(0));
        CAT_SET(e.values, e.nulls, PG_CLASS_RELTUPLES, float4_datum(d->kind == 'i' ? 0.0f : -1.0f));
        CAT_SET(e.values, e.nulls, PG_CLASS_RELALLVISIBLE, int32_datum(0));
    }
    cat_edit_end(&e);
}

static void
new_storage_with_indexes(Oid rel)
{
    RelDesc *d = rel_cached(rel);

    new_storage_of_one(rel);
    for (int i = 0; i < d->nindexes; i++)
        new_storage_of_one(d->indexes[i]);
    txn_command_increment();
    for (int i = 0; i < d->nindexes; i++)
        btree_build_empty(rel_cached(d->indexes[i])->index->btree);
}

void
rel_set_new_storage(Oid rel)
{
    RelDesc *d = rel_cached(rel);

    if (cat_is_system_rel(rel))
        RAISE(SQLSTATE_INSUFFICIENT_PRIVILEGE, "permission denied: \"%s\" is a system catalog", d->name);
    new_storage_with_indexes(rel);
    if (d->kind == 'i')
        btree_build_empty(rel_cached(rel)->index->btree);
    if (d->toast_rel)
        new_storage_with_indexes(d->toast_rel);
    rel_invalidate(rel); /* the descriptor holds the toast table's file too */
    txn_command_increment();
}

/* ---- names ---- */

static void
rename_constraint_of_index(Oid index, const char *name)
{
    Oid con = index_constraint(index);
    const CatRow *r = con ? cat_get_by_oid(CAT_PG_CONSTRAINT, con) : NULL;
    CatEdit e;

    if (!r)
        return;
    cat_edit_begin(&e, CAT_PG_CONSTRAINT, r);
    CAT_SET(e.values, e.nulls, PG_CONSTRAINT_CONNAME, cat_name_datum(txn_current_arena(), name));
    cat_edit_end(&e);
}

Oid
relation_rename(Oid rel, const char *name)
{
    RelDesc *d = rel_cached(rel);
    CatEdit e;

    if (cat_get(IDX_PG_CLASS_RELNAME_NSP_INDEX, ptr_datum(name), oid_datum(d->nsp), 0, 0))
        RAISE(SQLSTATE_DUPLICATE_TABLE, "relation \"%s\" already exists", name);
    rel_edit_class(&e, rel);
    CAT_SET(e.values, e.nulls, PG_CLASS_RELNAME, cat_name_datum(txn_current_arena(), name));
    cat_edit_end(&e);
    if (d->row_type) {
        const CatRow *t;
        Oid array = type_array_of(d->row_type);
        char array_name[NAME_BYTES];

        if (!type_make_room(name, d->nsp))
            RAISE(SQLSTATE_DUPLICATE_OBJECT, "type \"%s\" already exists", name);
        t = cat_get_by_oid(CAT_PG_TYPE, d->row_type);
        if (t)
            rename_type(t, name);
        t = array ? cat_get_by_oid(CAT_PG_TYPE, array) : NULL;
        if (t) {
            array_type_name(array_name, name, d->nsp);
            rename_type(t, array_name);
        }
    }
    if (d->kind == 'i')
        rename_constraint_of_index(rel, name);
    txn_command_increment();
    return rel;
}

static bool
constraint_name_used(const char *name, Oid nsp)
{
    Datum keys[2] = {cat_name_datum(txn_current_arena(), name), oid_datum(nsp)};
    CatScan *s = cat_scan_begin(CAT_PG_CONSTRAINT, IDX_PG_CONSTRAINT_CONNAME_NSP_INDEX, 2, keys);
    bool used = cat_scan_next(s) != NULL;

    cat_scan_end(s);
    return used;
}

/* name1_name2_label within 63 bytes: the longer of the two names gives way first. */
char *
make_object_name(Arena *a, const char *n1, const char *n2, const char *label)
{
    size_t l1 = strlen(n1), l2 = n2 ? strlen(n2) : 0, overhead = (n2 ? 1 : 0) + (label ? strlen(label) + 1 : 0);

    while (l1 + l2 + overhead > NAME_BYTES - 1) {
        if (l1 > l2)
            l1--;
        else
            l2--;
    }
    l1 = utf8_clip(n1, l1, l1);
    l2 = n2 ? utf8_clip(n2, l2, l2) : 0;
    return arena_printf(a, "%.*s%s%.*s%s%s", (int)l1, n1, n2 ? "_" : "", (int)l2, n2 ? n2 : "", label ? "_" : "", label ? label : "");
}

char *
choose_relation_name(Arena *a, const char *n1, const char *n2, const char *label, Oid nsp)
{
    bool constraint = label && (strcmp(label, "pkey") == 0 || strcmp(label, "key") == 0 || strcmp(label, "excl") == 0);
    char *try_label = label ? arena_strdup(a, label) : NULL;

    for (int pass = 1;; pass++) {
        char *name = make_object_name(a, n1, n2, try_label);

        if (!cat_get(IDX_PG_CLASS_RELNAME_NSP_INDEX, ptr_datum(name), oid_datum(nsp), 0, 0) && !(constraint && constraint_name_used(name, nsp)))
            return name;
        try_label = arena_printf(a, "%s%d", label ? label : "", pass);
    }
}

char *
choose_constraint_name(Arena *a, const char *n1, const char *n2, const char *label, Oid nsp, const List *others)
{
    char *try_label = arena_strdup(a, label);

    for (int pass = 1;; pass++) {
        char *name = make_object_name(a, n1, n2, try_label);
        bool taken = constraint_name_used(name, nsp);

        for (int i = 0; i < list_count(others) && !taken; i++)
            taken = strcmp(list_at(others, i), name) == 0;
        if (!taken)
            return name;
        try_label = arena_printf(a, "%s%d", label, pass);
    }
}
