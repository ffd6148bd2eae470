/*
 * Rows of pg_constraint with their dependencies, default expressions, default privileges.
 *
 * Dependencies: a constraint goes with its columns (automatic), a foreign key holds what it refers to
 * (normal), the index of a primary key or unique constraint is part of it (internal).
 */
#include "core/catalog/build.h"

Oid
index_constraint(Oid index)
{
    Datum keys[2] = {oid_datum(CAT_PG_CLASS), oid_datum(index)};
    CatScan *s = cat_scan_begin(CAT_PG_DEPEND, IDX_PG_DEPEND_DEPENDER_INDEX, 2, keys);
    const CatRow *r;
    Oid found = 0;

    while (!found && (r = cat_scan_next(s)) != NULL)
        if (cat_char(r, PG_DEPEND_DEPTYPE) == 'i' && cat_oid(r, PG_DEPEND_REFCLASSID) == CAT_PG_CONSTRAINT)
            found = cat_oid(r, PG_DEPEND_REFOBJID);
    cat_scan_end(s);
    return found;
}

static void
set_has_triggers(Oid rel)
{
    CatEdit e;

    rel_edit_class(&e, rel);
    if (!datum_bool(e.values[PG_CLASS_RELHASTRIGGERS - 1])) {
        CAT_SET(e.values, e.nulls, PG_CLASS_RELHASTRIGGERS, bool_datum(true));
        cat_edit_end(&e);
    }
    txn_command_increment();
}

static void
count_check(Oid rel)
{
    CatEdit e;

    rel_edit_class(&e, rel);
    CAT_SET(e.values, e.nulls, PG_CLASS_RELCHECKS, int16_datum((int16_t)(datum_int16(e.values[PG_CLASS_RELCHECKS - 1]) + 1)));
    cat_edit_end(&e);
}

static void
constraint_dependencies(ObjAddr self, char type, Oid rel, const int16_t *cols, int n, Oid index, Oid ref_rel, const int16_t *ref_cols,
                        const Oid *eq_ops, const void *expr, Oid domain)
{
    for (int i = 0; i < n; i++)
        depend_add(self, (ObjAddr){CAT_PG_CLASS, rel, cols[i]}, 'a');
    if (rel && n == 0)
        depend_add(self, (ObjAddr){CAT_PG_CLASS, rel, 0}, 'a');
    if (domain)
        depend_add(self, (ObjAddr){CAT_PG_TYPE, domain, 0}, 'a');
    if (type == 'f') {
        for (int i = 0; i < n; i++)
            depend_add(self, (ObjAddr){CAT_PG_CLASS, ref_rel, ref_cols[i]}, 'n');
        depend_add(self, (ObjAddr){CAT_PG_CLASS, index, 0}, 'n');
        for (int i = 0; i < n; i++)
            depend_add(self, (ObjAddr){CAT_PG_OPERATOR, eq_ops[i], 0}, 'n');
    } else if (index) {
        depend_delete_for((ObjAddr){CAT_PG_CLASS, index, 0}, 'a');
        depend_add((ObjAddr){CAT_PG_CLASS, index, 0}, self, 'i');
    }
    if (expr)
        depend_add_expr(self, expr, rel, 'n');
}

Oid
constraint_insert_row(Oid oid, const char *name, Oid nsp, char type, Oid rel, const int16_t *cols, int n, Oid index)
{
    Arena *a = txn_current_arena();
    Datum v[CAT_MAX_COLUMNS];
    bool nl[CAT_MAX_COLUMNS];

    cat_values_init(v, nl, CAT_MAX_COLUMNS);
    CAT_SET(v, nl, PG_CONSTRAINT_OID, oid_datum(oid));
    CAT_SET(v, nl, PG_CONSTRAINT_CONNAME, cat_name_datum(a, name));
    CAT_SET(v, nl, PG_CONSTRAINT_CONNAMESPACE, oid_datum(nsp));
    CAT_SET(v, nl, PG_CONSTRAINT_CONTYPE, (Datum)(unsigned char)type);
    CAT_SET(v, nl, PG_CONSTRAINT_CONDEFERRABLE, bool_datum(false));
    CAT_SET(v, nl, PG_CONSTRAINT_CONDEFERRED, bool_datum(false));
    CAT_SET(v, nl, PG_CONSTRAINT_CONVALIDATED, bool_datum(true));
    CAT_SET(v, nl, PG_CONSTRAINT_CONRELID, oid_datum(rel));
    CAT_SET(v, nl, PG_CONSTRAINT_CONTYPID, oid_datum(0));
    CAT_SET(v, nl, PG_CONSTRAINT_CONINDID, oid_datum(index));
    CAT_SET(v, nl, PG_CONSTRAINT_CONPARENTID, oid_datum(0));
    CAT_SET(v, nl, PG_CONSTRAINT_CONFRELID, oid_datum(0));
    CAT_SET(v, nl, PG_CONSTRAINT_CONFUPDTYPE, (Datum)' ');
    CAT_SET(v, nl, PG_CONSTRAINT_CONFDELTYPE, (Datum)' ');
    CAT_SET(v, nl, PG_CONSTRAINT_CONFMATCHTYPE, (Datum)' ');
    CAT_SET(v, nl, PG_CONSTRAINT_CONISLOCAL, bool_datum(true));
    CAT_SET(v, nl, PG_CONSTRAINT_CONINHCOUNT, int32_datum(0));
    CAT_SET(v, nl, PG_CONSTRAINT_CONNOINHERIT, bool_datum(true));
    CAT_SET(v, nl, PG_CONSTRAINT_CONKEY, cat_int2_array(a, cols, n));
    (void)cat_insert(CAT_PG_CONSTRAINT, v, nl);
    return oid;
}

Oid
constraint_create(const char *name, Oid nsp, char type, bool deferrable, bool deferred, bool valid, Oid rel, const int16_t *cols, int n, Oid index,
                  Oid ref_rel, const int16_t *ref_cols, const Oid *eq_ops, char on_update, char on_delete, char match, const int16_t *set_cols,
                  int nset, const void *expr_tree, Oid domain, bool no_inherit)
{
    Arena *a = txn_current_arena();
    Datum v[CAT_MAX_COLUMNS];
    bool nl[CAT_MAX_COLUMNS];
    Oid oid = cat_new_oid(CAT_PG_CONSTRAINT);

    cat_values_init(v, nl, CAT_MAX_COLUMNS);
    CAT_SET(v, nl, PG_CONSTRAINT_OID, oid_datum(oid));
    CAT_SET(v, nl, PG_CONSTRAINT_CONNAME, cat_name_datum(a, name));
    CAT_SET(v, nl, PG_CONSTRAINT_CONNAMESPACE, oid_datum(nsp));
    CAT_SET(v, nl, PG_CONSTRAINT_CONTYPE, (Datum)(unsigned char)type);
    CAT_SET(v, nl, PG_CONSTRAINT_CONDEFERRABLE, bool_datum(deferrable));
    CAT_SET(v, nl, PG_CONSTRAINT_CONDEFERRED, bool_datum(deferred));
    CAT_SET(v, nl, PG_CONSTRAINT_CONVALIDATED, bool_datum(valid));
    CAT_SET(v, nl, PG_CONSTRAINT_CONRELID, oid_datum(rel));
    CAT_SET(v, nl, PG_CONSTRAINT_CONTYPID, oid_datum(domain));
    CAT_SET(v, nl, PG_CONSTRAINT_CONINDID, oid_datum(index));
    CAT_SET(v, nl, PG_CONSTRAINT_CONPARENTID, oid_datum(0));
    CAT_SET(v, nl, PG_CONSTRAINT_CONFRELID, oid_datum(type == 'f' ? ref_rel : 0));
    CAT_SET(v, nl, PG_CONSTRAINT_CONFUPDTYPE, (Datum)(unsigned char)(type == 'f' ? on_update : ' '));
    CAT_SET(v, nl, PG_CONSTRAINT_CONFDELTYPE, (Datum)(unsigned char)(type == 'f' ? on_delete : ' '));
    CAT_SET(v, nl, PG_CONSTRAINT_CONFMATCHTYPE, (Datum)(unsigned char)(type == 'f' ? match : ' '));
    CAT_SET(v, nl, PG_CONSTRAINT_CONISLOCAL, bool_datum(true));
    CAT_SET(v, nl, PG_CONSTRAINT_CONINHCOUNT, int32_datum(0));
    CAT_SET(v, nl, PG_CONSTRAINT_CONNOINHERIT, bool_datum(no_inherit || type == 'f' || type == 'p' || type == 'u'));
    if (n > 0)
        CAT_SET(v, nl, PG_CONSTRAINT_CONKEY, cat_int2_array(a, cols, n));
    if (type == 'f') {
        RelDesc *from = rel_cached(rel), *to = rel_cached(ref_rel);
        Oid pp[MAX_INDEX_KEYS], ff[MAX_INDEX_KEYS];

        for (int i = 0; i < n; i++) {
            pp[i] = type_sort_ops(to->cols[ref_cols[i] - 1].type).eq;
            ff[i] = type_sort_ops(from->cols[cols[i] - 1].type).eq;
        }
        CAT_SET(v, nl, PG_CONSTRAINT_CONFKEY, cat_int2_array(a, ref_cols, n));
        CAT_SET(v, nl, PG_CONSTRAINT_CONPFEQOP, cat_oid_array(a, eq_ops, n));
        CAT_SET(v, nl, PG_CONSTRAINT_CONPPEQOP, cat_oid_array(a, pp, n));
        CAT_SET(v, nl, PG_CONSTRAINT_CONFFEQOP, cat_oid_array(a, ff, n));
        if (nset > 0)
            CAT_SET(v, nl, PG_CONSTRAINT_CONFDELSETCOLS, cat_int2_array(a, set_cols, nset));
    }
    if (expr_tree) {
        if (!tree_write_hook)
            UNSUPPORTED("constraints with expressions are not available here");
        CAT_SET(v, nl, PG_CONSTRAINT_CONBIN, var_from_cstring(a, tree_write_hook(a, expr_tree)));
    }
    (void)cat_insert(CAT_PG_CONSTRAINT, v, nl);
    constraint_dependencies((ObjAddr){CAT_PG_CONSTRAINT, oid, 0}, type, rel, cols, n, index, ref_rel, ref_cols, eq_ops, expr_tree, domain);
    if (type == 'c' && rel)
        count_check(rel);
    if (type == 'f') {
        set_has_triggers(rel);
        if (ref_rel != rel)
            set_has_triggers(ref_rel);
    }
    txn_command_increment();
    return oid;
}

/* ---- default expressions ---- */

static void
set_has_default(Oid rel, int attnum, bool has)
{
    const CatRow *r = cat_get(IDX_PG_ATTRIBUTE_RELID_ATTNUM_INDEX, oid_datum(rel), int16_datum((int16_t)attnum), 0, 0);
    CatEdit e;

    if (!r)
        INTERNAL_ERROR("cache lookup failed for attribute %d of relation %u", attnum, rel);
    if (cat_bool(r, PG_ATTRIBUTE_ATTHASDEF) == has)
        return;
    cat_edit_begin(&e, CAT_PG_ATTRIBUTE, r);
    CAT_SET(e.values, e.nulls, PG_ATTRIBUTE_ATTHASDEF, bool_datum(has));
    cat_edit_end(&e);
}

Oid
attrdef_create(Oid rel, int attnum, const void *expr_tree, bool generated)
{
    Arena *a = txn_current_arena();
    Datum v[CAT_MAX_COLUMNS];
    bool n[CAT_MAX_COLUMNS];
    Oid oid = cat_new_oid(CAT_PG_ATTRDEF);
    ObjAddr self = {CAT_PG_ATTRDEF, oid, 0};

    if (!tree_write_hook)
        UNSUPPORTED("default expressions are not available here");
    cat_values_init(v, n, CAT_MAX_COLUMNS);
    CAT_SET(v, n, PG_ATTRDEF_OID, oid_datum(oid));
    CAT_SET(v, n, PG_ATTRDEF_ADRELID, oid_datum(rel));
    CAT_SET(v, n, PG_ATTRDEF_ADNUM, int16_datum((int16_t)attnum));
    CAT_SET(v, n, PG_ATTRDEF_ADBIN, var_from_cstring(a, tree_write_hook(a, expr_tree)));
    (void)cat_insert(CAT_PG_ATTRDEF, v, n);
    set_has_default(rel, attnum, true);
    depend_add(self, (ObjAddr){CAT_PG_CLASS, rel, attnum}, generated ? 'i' : 'a');
    depend_add_expr(self, expr_tree, rel, 'n'); /* a generated column does not go silently with what it is computed from */
    txn_command_increment();
    return oid;
}

void
attrdef_drop_row(Oid attrdef)
{
    Datum key = oid_datum(attrdef);
    CatScan *s = cat_scan_begin(CAT_PG_ATTRDEF, IDX_PG_ATTRDEF_OID_INDEX, 1, &key);
    const CatRow *r = cat_scan_next(s);
    Oid rel;
    int attnum;

    if (!r)
        INTERNAL_ERROR("could not find tuple for attrdef %u", attrdef);
    rel = cat_oid(r, PG_ATTRDEF_ADRELID);
    attnum = datum_int16(cat_val(r, PG_ATTRDEF_ADNUM));
    cat_delete(CAT_PG_ATTRDEF, r->tid);
    cat_scan_end(s);
    set_has_default(rel, attnum, false);
}

Oid
attrdef_of(Oid rel, int attnum)
{
    const CatRow *r = cat_get(IDX_PG_ATTRDEF_ADRELID_ADNUM_INDEX, oid_datum(rel), int16_datum((int16_t)attnum), 0, 0);

    return r ? cat_oid(r, PG_ATTRDEF_OID) : 0;
}

/* ---- default privileges ---- */

static const CatRow *
default_acl_row(Oid owner, Oid nsp, char objtype)
{
    /* Kinds as pg_default_acl has them: r S f T n. */
    char kind = objtype == 's' ? 'S' : objtype;

    return cat_get(IDX_PG_DEFAULT_ACL_ROLE_NSP_OBJ_INDEX, oid_datum(owner), oid_datum(nsp), (Datum)(unsigned char)kind, 0);
}

Datum
acl_for_new(Arena *a, char objtype, Oid owner, Oid nsp, bool *isnull)
{
    const CatRow *global, *local;
    AclItem *base, *more, builtin[2];
    int nbase, nmore = 0, nbuiltin;

    *isnull = true;
    if (catalog_bootstrapping)
        return 0;
    global = default_acl_row(owner, 0, objtype);
    local = nsp ? default_acl_row(owner, nsp, objtype) : NULL;
    if (!global && !local)
        return 0;
    nbase = acl_items(a, global ? cat_val(global, PG_DEFAULT_ACL_DEFACLACL) : 0, !global, objtype, owner, &base);
    if (local)
        nmore = acl_items(a, cat_val(local, PG_DEFAULT_ACL_DEFACLACL), false, objtype, owner, &more);
    base = arena_realloc(a, base, sizeof *base * (size_t)nbase, sizeof *base * (size_t)(nbase + nmore + 1));
    for (int i = 0; i < nmore; i++) {
        int k = 0;

        while (k < nbase && !(base[k].grantee == more[i].grantee && base[k].grantor == more[i].grantor))
            k++;
        if (k == nbase)
            base[nbase++] = more[i];
        else
            base[k].bits |= more[i].bits;
    }
    nbuiltin = acl_default(objtype, owner, builtin);
    if (nbuiltin == nbase && memcmp(builtin, base, sizeof *base * (size_t)nbase) == 0)
        return 0;
    *isnull = false;
    return acl_make(a, base, nbase);
}
