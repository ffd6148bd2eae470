/*
 * From relations to the instance: pg_database.datfrozenxid is the lowest relfrozenxid of its tables, the
 * lowest of all databases lets the commit log be cut (core/txn, truncate.c).
 *
 * The bound is taken before the catalog is read: a relation or database that the scan cannot see yet
 * belongs to a transaction that was running then, or later, and so holds nothing below it.
 */
#include "core/catalog/cat_internal.h"

typedef struct Bounds {
    Xid xid;
    MultiId multi;
} Bounds;

static void
lower(Bounds *b, uint32_t xid, uint32_t multi)
{
    b->xid = MIN(b->xid, xid_from_catalog(xid));
    b->multi = MIN(b->multi, multi_from_catalog(multi));
}

static Bounds
now_safe(void)
{
    return (Bounds){horizon_xid(), multi_safe_bound()};
}

static Bounds
of_relations(void)
{
    Bounds b = now_safe();
    CatScan *s = cat_scan_begin(CAT_PG_CLASS, 0, 0, NULL);
    const CatRow *r;

    while ((r = cat_scan_next(s)) != NULL) {
        char kind = (char)cat_val(r, PG_CLASS_RELKIND);

        if (kind == 'r' || kind == 'm' || kind == 't')
            lower(&b, (uint32_t)cat_val(r, PG_CLASS_RELFROZENXID), (uint32_t)cat_val(r, PG_CLASS_RELMINMXID));
    }
    cat_scan_end(s);
    return b;
}

static void
set_database(Datum *values, bool *nulls, void *arg)
{
    const uint32_t *v = arg;

    CAT_SET(values, nulls, PG_DATABASE_DATFROZENXID, (Datum)v[0]);
    CAT_SET(values, nulls, PG_DATABASE_DATMINMXID, (Datum)v[1]);
}

static void
store(const CatRow *r, Bounds b)
{
    uint32_t old[2] = {(uint32_t)cat_val(r, PG_DATABASE_DATFROZENXID), (uint32_t)cat_val(r, PG_DATABASE_DATMINMXID)};
    uint32_t new[2] = {xid_to_catalog(MAX(b.xid, xid_from_catalog(old[0]))), multi_to_catalog(MAX(b.multi, multi_from_catalog(old[1])))};

    if (new[0] != old[0] || new[1] != old[1])
        cat_overwrite(CAT_PG_DATABASE, r->tid, set_database, new);
}

void
catalog_update_frozen(void)
{
    /* One at a time: else a bound could be computed from rows older than one already published. */
    lock_acquire_or_raise((LockTag){.type = LOCKTAG_FROZENID}, LOCK_EXCLUSIVE);
    Bounds mine = of_relations(), all = now_safe();
    CatScan *s = cat_scan_begin(CAT_PG_DATABASE, 0, 0, NULL);
    const CatRow *r;

    while ((r = cat_scan_next(s)) != NULL) {
        if (datum_oid(cat_val(r, PG_DATABASE_OID)) == catalog_database) {
            store(r, mine);
            lower(&all, xid_to_catalog(mine.xid), multi_to_catalog(mine.multi));
        } else {
            lower(&all, (uint32_t)cat_val(r, PG_DATABASE_DATFROZENXID), (uint32_t)cat_val(r, PG_DATABASE_DATMINMXID));
        }
    }
    cat_scan_end(s);
    txn_raise_oldest(all.xid, all.multi);
}

/* ---- one relation ---- */

static void
set_relation(Datum *values, bool *nulls, void *arg)
{
    const uint32_t *v = arg;

    CAT_SET(values, nulls, PG_CLASS_RELFROZENXID, (Datum)v[0]);
    CAT_SET(values, nulls, PG_CLASS_RELMINMXID, (Datum)v[1]);
}

/* In place, and forward only. */
void
rel_update_frozen(Oid rel, Xid xid, MultiId multi)
{
    Datum key = oid_datum(rel);
    CatScan *s = cat_scan_begin(CAT_PG_CLASS, IDX_PG_CLASS_OID_INDEX, 1, &key);
    const CatRow *r = cat_scan_next(s);

    if (r) {
        uint32_t old[2] = {(uint32_t)cat_val(r, PG_CLASS_RELFROZENXID), (uint32_t)cat_val(r, PG_CLASS_RELMINMXID)};
        uint32_t new[2] = {xid_to_catalog(MAX(xid, xid_from_catalog(old[0]))), multi_to_catalog(MAX(multi, multi_from_catalog(old[1])))};

        if (new[0] != old[0] || new[1] != old[1])
            cat_overwrite(CAT_PG_CLASS, r->tid, set_relation, new);
    }
    cat_scan_end(s);
}

/* ---- age() and mxid_age(): how far ahead the counters are, by the low 32 bits ---- */

Datum
fnc_xid_age(FnCtx *c, const Datum *args, bool *isnull)
{
    uint32_t xid = (uint32_t)args[0];

    return int32_datum(xid < XID_FIRST_NORMAL ? INT32_MAX : (int32_t)((uint32_t)xid_next() - xid));
}

Datum
fnc_mxid_age(FnCtx *c, const Datum *args, bool *isnull)
{
    uint32_t id = (uint32_t)args[0];

    return int32_datum(id == 0 ? INT32_MAX : (int32_t)((uint32_t)multi_next() - id));
}
