/*
 * pg_init_privs: the privileges that objects have from initdb. pg_dump takes them for given and dumps only
 * what was changed since.
 */
#include "core/catalog/cat_internal.h"

static void
record_of(Oid table, int oid_att, int acl_att)
{
    CatScan *s = cat_scan_begin(table, 0, 0, NULL);
    const CatRow *r;

    while ((r = cat_scan_next(s)) != NULL) {
        Datum v[CAT_MAX_COLUMNS];
        bool n[CAT_MAX_COLUMNS];

        if (cat_null(r, acl_att))
            continue;
        cat_values_init(v, n, CAT_MAX_COLUMNS);
        CAT_SET(v, n, PG_INIT_PRIVS_OBJOID, oid_datum(cat_oid(r, oid_att)));
        CAT_SET(v, n, PG_INIT_PRIVS_CLASSOID, oid_datum(table));
        CAT_SET(v, n, PG_INIT_PRIVS_OBJSUBID, int32_datum(0));
        CAT_SET(v, n, PG_INIT_PRIVS_PRIVTYPE, (Datum)'i');
        CAT_SET(v, n, PG_INIT_PRIVS_INITPRIVS, cat_val(r, acl_att));
        (void)cat_insert(CAT_PG_INIT_PRIVS, v, n);
    }
    cat_scan_end(s);
}

void
catalog_record_init_privs(void)
{
    record_of(CAT_PG_CLASS, PG_CLASS_OID, PG_CLASS_RELACL);
    record_of(CAT_PG_NAMESPACE, PG_NAMESPACE_OID, PG_NAMESPACE_NSPACL);
    record_of(CAT_PG_PROC, PG_PROC_OID, PG_PROC_PROACL);
    record_of(CAT_PG_TYPE, PG_TYPE_OID, PG_TYPE_TYPACL);
    record_of(CAT_PG_LANGUAGE, PG_LANGUAGE_OID, PG_LANGUAGE_LANACL);
}
