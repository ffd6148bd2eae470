/*
 * Comments: pg_description for objects of the database, pg_shdescription for shared ones.
 */
#include "core/catalog/drop.h"

static CatScan *
scan_of(ObjAddr a, bool whole, bool *shared)
{
    Datum keys[3] = {oid_datum(a.obj), oid_datum(a.cls), int32_datum(a.sub)};

    *shared = cat_table(a.cls)->shared;
    if (*shared)
        return cat_scan_begin(CAT_PG_SHDESCRIPTION, IDX_PG_SHDESCRIPTION_O_C_INDEX, 2, keys);
    return cat_scan_begin(CAT_PG_DESCRIPTION, IDX_PG_DESCRIPTION_O_C_O_INDEX, whole ? 2 : 3, keys);
}

void
comment_delete(ObjAddr a)
{
    bool shared;
    CatScan *s = scan_of(a, a.sub == 0, &shared);
    const CatRow *r;

    while ((r = cat_scan_next(s)) != NULL)
        cat_delete(shared ? CAT_PG_SHDESCRIPTION : CAT_PG_DESCRIPTION, r->tid);
    cat_scan_end(s);
}

void
comment_set(ObjAddr a, const char *text)
{
    bool shared, have;
    CatScan *s = scan_of(a, false, &shared);
    const CatRow *r = cat_scan_next(s);
    Oid table = shared ? CAT_PG_SHDESCRIPTION : CAT_PG_DESCRIPTION;
    int att = shared ? PG_SHDESCRIPTION_DESCRIPTION : PG_DESCRIPTION_DESCRIPTION;
    Datum value = text ? var_from_cstring(txn_current_arena(), text) : 0;
    CatEdit e;

    have = r != NULL;
    if (have)
        cat_edit_begin(&e, table, r);
    if (!text || !*text) {
        if (have)
            cat_delete(table, r->tid);
        cat_scan_end(s);
        return;
    }
    if (!have) {
        cat_values_init(e.values, e.nulls, CAT_MAX_COLUMNS);
        CAT_SET(e.values, e.nulls, PG_DESCRIPTION_OBJOID, oid_datum(a.obj));
        CAT_SET(e.values, e.nulls, PG_DESCRIPTION_CLASSOID, oid_datum(a.cls));
        if (!shared)
            CAT_SET(e.values, e.nulls, PG_DESCRIPTION_OBJSUBID, int32_datum(a.sub));
    }
    CAT_SET(e.values, e.nulls, att, value);
    if (have)
        cat_edit_end(&e);
    else
        (void)cat_insert(table, e.values, e.nulls);
    cat_scan_end(s);
}

char *
comment_get(Arena *arena, ObjAddr a)
{
    bool shared;
    CatScan *s = scan_of(a, false, &shared);
    const CatRow *r = cat_scan_next(s);
    char *out = r ? cat_name(arena, r, shared ? PG_SHDESCRIPTION_DESCRIPTION : PG_DESCRIPTION_DESCRIPTION) : NULL;

    cat_scan_end(s);
    return out;
}
