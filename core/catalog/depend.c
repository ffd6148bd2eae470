/*
 * Dependencies between objects of a database (pg_depend), and of them on roles (pg_shdepend).
 *
 * What initdb makes with numbers below 12000 is pinned: everything may rely on it, so nothing is
 * recorded, and it cannot be dropped.
 */
#include "core/catalog/cat_internal.h"
#include "core/catalog/drop.h"

bool
object_is_pinned(ObjAddr a)
{
    if (a.obj >= OID_FIRST_UNPINNED || a.cls == CAT_PG_LARGEOBJECT || a.cls == CAT_PG_DATABASE)
        return false;
    return !(a.cls == CAT_PG_NAMESPACE && a.obj == NSP_PUBLIC);
}

void
depend_add(ObjAddr d, ObjAddr r, char type)
{
    Datum v[CAT_MAX_COLUMNS];
    bool n[CAT_MAX_COLUMNS];

    if (catalog_bootstrapping || r.obj == 0 || object_is_pinned(r))
        return;
    cat_values_init(v, n, CAT_MAX_COLUMNS);
    CAT_SET(v, n, PG_DEPEND_CLASSID, oid_datum(d.cls));
    CAT_SET(v, n, PG_DEPEND_OBJID, oid_datum(d.obj));
    CAT_SET(v, n, PG_DEPEND_OBJSUBID, int32_datum(d.sub));
    CAT_SET(v, n, PG_DEPEND_REFCLASSID, oid_datum(r.cls));
    CAT_SET(v, n, PG_DEPEND_REFOBJID, oid_datum(r.obj));
    CAT_SET(v, n, PG_DEPEND_REFOBJSUBID, int32_datum(r.sub));
    CAT_SET(v, n, PG_DEPEND_DEPTYPE, (Datum)(unsigned char)type);
    (void)cat_insert(CAT_PG_DEPEND, v, n);
}

void
depend_add_expr(ObjAddr dependent, const void *tree, Oid self_rel, char type)
{
    if (!tree_depend_hook)
        UNSUPPORTED("expressions in the catalogs are not available here");
    tree_depend_hook(dependent, tree, self_rel, type);
}

void
depend_delete_for(ObjAddr d, char only_type)
{
    Datum keys[3] = {oid_datum(d.cls), oid_datum(d.obj), int32_datum(d.sub)};
    CatScan *s = cat_scan_begin(CAT_PG_DEPEND, IDX_PG_DEPEND_DEPENDER_INDEX, d.sub ? 3 : 2, keys);
    const CatRow *r;

    while ((r = cat_scan_next(s)) != NULL)
        if (only_type == 0 || cat_char(r, PG_DEPEND_DEPTYPE) == only_type)
            cat_delete(CAT_PG_DEPEND, r->tid);
    cat_scan_end(s);
}

/* ---- roles ---- */

static void
shdepend_add(Oid cls, Oid obj, int32_t sub, Oid role, char type)
{
    Datum v[CAT_MAX_COLUMNS];
    bool n[CAT_MAX_COLUMNS];

    if (catalog_bootstrapping || role == 0 || role < OID_FIRST_UNPINNED)
        return;
    cat_values_init(v, n, CAT_MAX_COLUMNS);
    CAT_SET(v, n, PG_SHDEPEND_DBID, oid_datum(db_of_class(cls)));
    CAT_SET(v, n, PG_SHDEPEND_CLASSID, oid_datum(cls));
    CAT_SET(v, n, PG_SHDEPEND_OBJID, oid_datum(obj));
    CAT_SET(v, n, PG_SHDEPEND_OBJSUBID, int32_datum(sub));
    CAT_SET(v, n, PG_SHDEPEND_REFCLASSID, oid_datum(CAT_PG_AUTHID));
    CAT_SET(v, n, PG_SHDEPEND_REFOBJID, oid_datum(role));
    CAT_SET(v, n, PG_SHDEPEND_DEPTYPE, (Datum)(unsigned char)type);
    (void)cat_insert(CAT_PG_SHDEPEND, v, n);
}

/* role 0: any. */
static void
shdepend_delete(Oid cls, Oid obj, int32_t sub, bool all_subs, char type, Oid role)
{
    Datum keys[4] = {oid_datum(db_of_class(cls)), oid_datum(cls), oid_datum(obj), int32_datum(sub)};
    CatScan *s = cat_scan_begin(CAT_PG_SHDEPEND, IDX_PG_SHDEPEND_DEPENDER_INDEX, all_subs ? 3 : 4, keys);
    const CatRow *r;

    while ((r = cat_scan_next(s)) != NULL)
        if ((type == 0 || cat_char(r, PG_SHDEPEND_DEPTYPE) == type) && (role == 0 || cat_oid(r, PG_SHDEPEND_REFOBJID) == role))
            cat_delete(CAT_PG_SHDEPEND, r->tid);
    cat_scan_end(s);
}

void
depend_add_owner(Oid cls, Oid obj, Oid owner)
{
    shdepend_add(cls, obj, 0, owner, 'o');
}

void
depend_change_owner(Oid cls, Oid obj, Oid owner)
{
    shdepend_delete(cls, obj, 0, true, 'o', 0);
    shdepend_add(cls, obj, 0, owner, 'o');
    shdepend_delete(cls, obj, 0, true, 'a', owner); /* what the owner may do is not a grant */
}

void
depend_delete_shared(ObjAddr a)
{
    shdepend_delete(a.cls, a.obj, a.sub, a.sub == 0, 0, 0);
}

void
depend_update_acl(ObjAddr a, Oid owner, Datum acl, bool isnull)
{
    AclItem *items;
    int n;

    shdepend_delete(a.cls, a.obj, a.sub, false, 'a', 0);
    if (isnull)
        return;
    n = acl_items(txn_current_arena(), acl, false, 'r', owner, &items);
    for (int i = 0; i < n; i++) {
        bool seen = items[i].grantee == owner;

        for (int k = 0; k < i && !seen; k++)
            seen = items[k].grantee == items[i].grantee;
        if (!seen)
            shdepend_add(a.cls, a.obj, a.sub, items[i].grantee, 'a');
    }
}

/* ---- what keeps a role ---- */

#define DETAIL_LINES_MAX 100

static void
add_line(StrBuf *s, const char *text)
{
    if (s->len)
        str_add_char(s, '\n');
    str_add(s, text);
}

typedef struct OtherDb { Oid db; int count; } OtherDb;

bool
role_dependencies(Oid role, Arena *a, char **detail)
{
    Datum keys[2] = {oid_datum(CAT_PG_AUTHID), oid_datum(role)};
    CatScan *s = cat_scan_begin(CAT_PG_SHDEPEND, IDX_PG_SHDEPEND_REFERENCE_INDEX, 2, keys);
    const CatRow *r;
    OtherDb others[64];
    int nothers = 0, lines = 0, more = 0;
    StrBuf out;

    str_init(&out, a);
    while ((r = cat_scan_next(s)) != NULL) {
        Oid db = cat_oid(r, PG_SHDEPEND_DBID);
        ObjAddr obj = {cat_oid(r, PG_SHDEPEND_CLASSID), cat_oid(r, PG_SHDEPEND_OBJID), datum_int32(cat_val(r, PG_SHDEPEND_OBJSUBID))};
        char type = cat_char(r, PG_SHDEPEND_DEPTYPE);
        char *text;

        if (db != 0 && db != catalog_database) {
            int i = 0;

            while (i < nothers && others[i].db != db)
                i++;
            if (i == nothers && nothers < (int)COUNT_OF(others))
                others[nothers++] = (OtherDb){db, 0};
            if (i < nothers)
                others[i].count++;
            continue;
        }
        if (lines >= DETAIL_LINES_MAX) {
            more++;
            continue;
        }
        text = object_describe(a, obj);
        add_line(&out, arena_printf(a, type == 'o' ? "owner of %s" : type == 'a' ? "privileges for %s" : "target of %s", text ? text : "?"));
        lines++;
    }
    cat_scan_end(s);
    for (int i = 0; i < nothers; i++) {
        char *name = object_describe(a, (ObjAddr){CAT_PG_DATABASE, others[i].db, 0});

        add_line(&out, arena_printf(a, others[i].count == 1 ? "%d object in %s" : "%d objects in %s", others[i].count, name ? name : "?"));
        lines++;
    }
    if (more)
        add_line(&out, arena_printf(a, "and %d other objects (see server log for list)", more));
    *detail = out.data;
    return lines > 0;
}

void
shdepend_drop_database(Oid db)
{
    Datum key = oid_datum(db);
    CatScan *s = cat_scan_begin(CAT_PG_SHDEPEND, IDX_PG_SHDEPEND_DEPENDER_INDEX, 1, &key);
    const CatRow *r;

    while ((r = cat_scan_next(s)) != NULL)
        cat_delete(CAT_PG_SHDEPEND, r->tid);
    cat_scan_end(s);
}

/* CREATE DATABASE: what roles own in the template they own in the copy. */
void
shdepend_copy_database(Oid from, Oid to)
{
    Datum key = oid_datum(from);
    CatScan *s = cat_scan_begin(CAT_PG_SHDEPEND, IDX_PG_SHDEPEND_DEPENDER_INDEX, 1, &key);
    const CatRow *r;

    while ((r = cat_scan_next(s)) != NULL) {
        CatEdit e;

        cat_edit_begin(&e, CAT_PG_SHDEPEND, r);
        CAT_SET(e.values, e.nulls, PG_SHDEPEND_DBID, oid_datum(to));
        (void)cat_insert(CAT_PG_SHDEPEND, e.values, e.nulls);
    }
    cat_scan_end(s);
}
