/*
 * Relation descriptors: what pg_class and its kin say of one relation, put together once.
 *
 * A descriptor is built from a dozen catalog scans into an arena of its own, and never changes (but for
 * the hints in HeapRel and BtreeIndex). Invalidation takes it out of the table of descriptors; its arena
 * lives to the end of the transaction, so whoever holds it may go on (rule 5).
 *
 * If invalidations arrive while one is being built, its parts may be of different ages: it is built
 * again. That ends, since a message can only come while somebody else commits DDL.
 */
#include <stdlib.h>

#include "core/base/hash.h"
#include "core/catalog/cat_internal.h"

typedef struct Slot { Oid oid; RelDesc *desc; } Slot;
static Slot *slots; /* open addressing, linear probing, at most half full */
static uint32_t slot_mask, used;


static RelDesc **graves;
static int ngraves, cap_graves;

Oid catalog_database_tablespace = SPC_DEFAULT;

/* ---- the table ---- */

static inline uint32_t
home(Oid oid)
{
    return (uint32_t)hash_u64(oid) & slot_mask;
}

static inline RelDesc *
find(Oid oid)
{
    if (UNLIKELY(!slots))
        return NULL;
    for (uint32_t i = home(oid);; i = (i + 1) & slot_mask) {
        if (slots[i].oid == oid)
            return slots[i].desc;
        if (slots[i].oid == 0)
            return NULL;
    }
}

static void
put(Oid oid, RelDesc *d)
{
    uint32_t i = home(oid);

    while (slots[i].oid)
        i = (i + 1) & slot_mask;
    slots[i] = (Slot){oid, d};
}

static void
insert(RelDesc *d)
{
    if (!slots || used * 2 > slot_mask) {
        Slot *old = slots;
        uint32_t n = slots ? slot_mask + 1 : 0, bigger = n ? n * 2 : 512;

        slots = ARENA_ARRAY(arena_top(), Slot, bigger);
        slot_mask = bigger - 1;
        for (uint32_t i = 0; i < n; i++)
            if (old[i].oid)
                put(old[i].oid, old[i].desc);
    }
    put(d->oid, d);
    used++;
}

static void
bury(RelDesc *d)
{
    if (ngraves == cap_graves) {
        int cap = cap_graves ? cap_graves * 2 : 64;

        graves = arena_realloc(arena_top(), graves, sizeof *graves * (size_t)cap_graves, sizeof *graves * (size_t)cap);
        cap_graves = cap;
    }
    graves[ngraves++] = d;
}

void
relcache_reset(void)
{
    if (!slots)
        return;
    for (uint32_t i = 0; i <= slot_mask; i++)
        if (slots[i].oid) {
            bury(slots[i].desc);
            slots[i] = (Slot){0, NULL};
        }
    used = 0;
}

void
relcache_invalidate(Oid rel)
{
    uint32_t i, hole;

    if (rel == 0) {
        relcache_reset();
        return;
    }
    if (!slots)
        return;
    for (i = home(rel); slots[i].oid != rel; i = (i + 1) & slot_mask)
        if (slots[i].oid == 0)
            return;
    bury(slots[i].desc);
    used--;
    /* Moves later members of the probe sequence into the hole. */
    for (hole = i;;) {
        uint32_t h;

        slots[hole] = (Slot){0, NULL};
        do {
            i = (i + 1) & slot_mask;
            if (slots[i].oid == 0)
                return;
            h = home(slots[i].oid);
        } while (hole <= i ? hole < h && h <= i : hole < h || h <= i);
        slots[hole] = slots[i];
        hole = i;
    }
}

void
relcache_at_end(void)
{
    while (ngraves > 0)
        arena_destroy(graves[--ngraves]->arena);
}

/* ---- building: pg_class ---- */

static char **
option_list(Arena *a, Datum array)
{
    Datum *v;
    bool *nulls;
    int n;
    char **out;

    array_deconstruct(a, array, &v, &nulls, &n);
    out = ARENA_ARRAY(a, char *, n + 1);
    for (int i = 0; i < n; i++)
        out[i] = var_to_cstring(a, v[i]);
    return out;
}

static int
option_int(char **options, const char *name, int otherwise)
{
    size_t len = strlen(name);

    for (; options && *options; options++)
        if (strncmp(*options, name, len) == 0 && (*options)[len] == '=')
            return atoi(*options + len + 1);
    return otherwise;
}

RelLocator
rel_locator(const CatRow *r)
{
    Oid spc = cat_oid(r, PG_CLASS_RELTABLESPACE), node = cat_oid(r, PG_CLASS_RELFILENODE);

    if (node == 0)
        node = cat_oid(r, PG_CLASS_OID);
    if (cat_bool(r, PG_CLASS_RELISSHARED))
        return (RelLocator){SPC_GLOBAL, 0, node};
    return (RelLocator){spc ? spc : catalog_database_tablespace, catalog_database, node};
}

static void
from_class_row(RelDesc *d, const CatRow *r)
{
    Arena *a = d->arena;

    d->oid = cat_oid(r, PG_CLASS_OID);
    d->name = cat_name(a, r, PG_CLASS_RELNAME);
    d->nsp = cat_oid(r, PG_CLASS_RELNAMESPACE);
    d->kind = cat_char(r, PG_CLASS_RELKIND);
    d->persistence = cat_char(r, PG_CLASS_RELPERSISTENCE);
    d->row_type = cat_oid(r, PG_CLASS_RELTYPE);
    d->owner = cat_oid(r, PG_CLASS_RELOWNER);
    d->am = cat_oid(r, PG_CLASS_RELAM);
    d->tablespace = cat_oid(r, PG_CLASS_RELTABLESPACE);
    d->toast_rel = cat_oid(r, PG_CLASS_RELTOASTRELID);
    d->shared = cat_bool(r, PG_CLASS_RELISSHARED);
    d->has_index = cat_bool(r, PG_CLASS_RELHASINDEX);
    d->has_rules = cat_bool(r, PG_CLASS_RELHASRULES);
    d->has_triggers = cat_bool(r, PG_CLASS_RELHASTRIGGERS);
    d->row_security = cat_bool(r, PG_CLASS_RELROWSECURITY);
    d->force_row_security = cat_bool(r, PG_CLASS_RELFORCEROWSECURITY);
    d->is_partition = cat_bool(r, PG_CLASS_RELISPARTITION);
    d->natts = datum_int16(cat_val(r, PG_CLASS_RELNATTS));
    d->reltuples = datum_float4(cat_val(r, PG_CLASS_RELTUPLES));
    d->relpages = datum_int32(cat_val(r, PG_CLASS_RELPAGES));
    d->relallvisible = datum_int32(cat_val(r, PG_CLASS_RELALLVISIBLE));
    if (!cat_null(r, PG_CLASS_RELOPTIONS))
        d->options = option_list(a, cat_val(r, PG_CLASS_RELOPTIONS));
    if (!cat_null(r, PG_CLASS_RELACL))
        d->acl = datum_ptr(datum_copy(a, cat_val(r, PG_CLASS_RELACL), false, -1));
    d->heap.locator = rel_locator(r);
    d->heap.oid = d->oid;
    d->heap.db = d->shared ? 0 : catalog_database;
    d->heap.name = d->name;
    d->heap.logged = d->persistence == 'p';
    d->heap.is_temp = d->persistence == 't';
    d->heap.fillfactor = option_int(d->options, "fillfactor", d->kind == 'i' ? 90 : 100);
    d->heap.insert_block = BLOCK_INVALID;
    d->heap.insert_hint = BUF_INVALID;
}

/* ---- columns ---- */

typedef struct Late { int rank; bool has_missing; Datum missing; char storage, compression; } Late;

static void
missing_value(Arena *a, Datum array, const ColDesc *c, Late *l)
{
    Datum *v;
    bool *nulls;
    int n;

    array_deconstruct(a, array, &v, &nulls, &n);
    if (n != 1 || nulls[0])
        return;
    l->has_missing = true;
    l->missing = datum_copy(a, v[0], c->byval, c->len);
}

static void
load_columns(RelDesc *d, Late *late, bool *has_defaults)
{
    Datum key = oid_datum(d->oid);
    CatScan *s = cat_scan_begin(CAT_PG_ATTRIBUTE, IDX_PG_ATTRIBUTE_RELID_ATTNUM_INDEX, 1, &key);
    const CatRow *r;
    int seen = 0;

    while ((r = cat_scan_next(s)) != NULL) {
        int attnum = datum_int16(cat_val(r, PG_ATTRIBUTE_ATTNUM));
        ColDesc *c;
        Late *l;

        if (attnum <= 0)
            continue;
        if (attnum > d->natts)
            INTERNAL_ERROR("invalid attribute number %d for %s", attnum, d->name);
        c = &d->cols[attnum - 1];
        l = &late[attnum - 1];
        c->name = cat_name(d->arena, r, PG_ATTRIBUTE_ATTNAME);
        c->type = cat_oid(r, PG_ATTRIBUTE_ATTTYPID);
        c->typmod = datum_int32(cat_val(r, PG_ATTRIBUTE_ATTTYPMOD));
        c->collation = cat_oid(r, PG_ATTRIBUTE_ATTCOLLATION);
        c->not_null = cat_bool(r, PG_ATTRIBUTE_ATTNOTNULL);
        c->dropped = cat_bool(r, PG_ATTRIBUTE_ATTISDROPPED);
        c->has_default = cat_bool(r, PG_ATTRIBUTE_ATTHASDEF);
        c->is_local = cat_bool(r, PG_ATTRIBUTE_ATTISLOCAL);
        c->identity = cat_char(r, PG_ATTRIBUTE_ATTIDENTITY);
        c->generated = cat_char(r, PG_ATTRIBUTE_ATTGENERATED);
        c->align = cat_char(r, PG_ATTRIBUTE_ATTALIGN);
        c->storage = cat_char(r, PG_ATTRIBUTE_ATTSTORAGE);
        c->ndims = datum_int32(cat_val(r, PG_ATTRIBUTE_ATTNDIMS));
        /* A dropped column's bytes are still on the pages: attlen and attbyval keep their physical form. */
        c->len = datum_int16(cat_val(r, PG_ATTRIBUTE_ATTLEN));
        c->byval = cat_bool(r, PG_ATTRIBUTE_ATTBYVAL);
        if (!c->dropped)
            cat_type_physical(c->type, &c->len, &c->byval);
        l->rank = datum_int32(cat_val(r, PG_ATTRIBUTE_ATTCACHEOFF));
        l->storage = c->storage;
        l->compression = cat_char(r, PG_ATTRIBUTE_ATTCOMPRESSION);
        if (cat_bool(r, PG_ATTRIBUTE_ATTHASMISSING) && !cat_null(r, PG_ATTRIBUTE_ATTMISSINGVAL))
            missing_value(d->arena, cat_val(r, PG_ATTRIBUTE_ATTMISSINGVAL), c, l);
        *has_defaults |= c->has_default;
        seen++;
    }
    cat_scan_end(s);
    if (seen != d->natts)
        INTERNAL_ERROR("pg_attribute catalog is missing %d attribute(s) for relation OID %u", d->natts - seen, d->oid);
}

static void
load_defaults(RelDesc *d)
{
    Datum key = oid_datum(d->oid);
    CatScan *s = cat_scan_begin(CAT_PG_ATTRDEF, IDX_PG_ATTRDEF_ADRELID_ADNUM_INDEX, 1, &key);
    const CatRow *r;

    while ((r = cat_scan_next(s)) != NULL) {
        int attnum = datum_int16(cat_val(r, PG_ATTRDEF_ADNUM));

        if (attnum > 0 && attnum <= d->natts)
            d->cols[attnum - 1].default_tree = cat_name(d->arena, r, PG_ATTRDEF_ADBIN);
    }
    cat_scan_end(s);
}

static const TupleLayout *
layout_of(RelDesc *d, const Late *late)
{
    AttrSpec *specs = ARENA_ARRAY(d->arena, AttrSpec, MAX(d->natts, 1));

    for (int i = 0; i < d->natts; i++) {
        const ColDesc *c = &d->cols[i];

        specs[i] = (AttrSpec){.type = c->type, .len = c->len, .byval = c->byval, .not_null = c->not_null, .late_rank = late[i].rank,
                              .has_missing = late[i].has_missing, .missing = late[i].missing, .storage = late[i].storage,
                              .compression = late[i].compression, .dropped = c->dropped};
    }
    return layout_build(d->arena, specs, d->natts);
}

/* ---- toast ---- */

static void
load_toast_index(HeapRel *toast, Arena *a)
{
    Datum key = oid_datum(toast->oid);
    CatScan *s = cat_scan_begin(CAT_PG_INDEX, IDX_PG_INDEX_INDRELID_INDEX, 1, &key);
    const CatRow *r = cat_scan_next(s);
    BtreeIndex *b;
    Oid index = r ? cat_oid(r, PG_INDEX_INDEXRELID) : 0;

    cat_scan_end(s);
    if (index == 0)
        return; /* being made */
    r = cat_get_by_oid(CAT_PG_CLASS, index);
    if (!r)
        INTERNAL_ERROR("cache lookup failed for relation %u", index);
    b = ARENA_NEW(a, BtreeIndex);
    cat_toast_index_init(b, ARENA_ARRAY(a, BtreeKeyColumn, 2));
    b->locator = rel_locator(r);
    b->oid = index;
    b->heap_oid = toast->oid;
    b->db = toast->db;
    b->name = cat_name(a, r, PG_CLASS_RELNAME);
    b->logged = toast->logged;
    b->is_temp = toast->is_temp;
    toast->toast_index = b;
}

/* The toast table as its owner writes it: a part of the owner's descriptor. */
static void
load_toast(RelDesc *d)
{
    const CatRow *r = cat_get_by_oid(CAT_PG_CLASS, d->toast_rel);
    HeapRel *t;

    if (!r)
        INTERNAL_ERROR("toast table %u of %s does not exist", d->toast_rel, d->name);
    t = ARENA_NEW(d->arena, HeapRel);
    *t = d->heap;
    t->stats = (StatsLink){NULL, 0};
    t->toast = NULL;
    t->oid = d->toast_rel;
    t->name = cat_name(d->arena, r, PG_CLASS_RELNAME);
    t->locator = rel_locator(r);
    t->layout = cat_toast_layout();
    t->fillfactor = 100;
    load_toast_index(t, d->arena);
    d->heap.toast = t;
    d->heap.toast_index = t->toast_index;
}

/* ---- indexes of a table ---- */

static int
compare_oids(const void *a, const void *b)
{
    Oid x = *(const Oid *)a, y = *(const Oid *)b;

    return (x > y) - (x < y);
}

static inline void
bit_set(uint64_t *map, int attnum)
{
    if (attnum > 0)
        map[attnum >> 6] |= UINT64_C(1) << (attnum & 63);
}

static void
tree_columns(const RelDesc *d, const CatRow *r, int att, bool is_list, uint64_t *map)
{
    char *text = cat_name(d->arena, r, att);

    if (!text)
        return;
    if (tree_columns_hook)
        tree_columns_hook(text, is_list, map, d->natts);
    else
        for (int i = 1; i <= d->natts; i++)
            bit_set(map, i);
}

static void
load_index_list(RelDesc *d)
{
    Datum key = oid_datum(d->oid);
    CatScan *s = cat_scan_begin(CAT_PG_INDEX, IDX_PG_INDEX_INDRELID_INDEX, 1, &key);
    const CatRow *r;
    int cap = 8;

    d->indexes = ARENA_ARRAY(d->arena, Oid, cap);
    while ((r = cat_scan_next(s)) != NULL) {
        int16_t atts[MAX_INDEX_KEYS];
        int n, nkeys = datum_int16(cat_val(r, PG_INDEX_INDNKEYATTS));
        Oid oid = cat_oid(r, PG_INDEX_INDEXRELID);
        bool plain = cat_null(r, PG_INDEX_INDEXPRS) && cat_null(r, PG_INDEX_INDPRED), valid = cat_bool(r, PG_INDEX_INDISVALID);

        if (!cat_bool(r, PG_INDEX_INDISLIVE))
            continue;
        if (d->nindexes == cap) {
            d->indexes = arena_realloc(d->arena, d->indexes, sizeof(Oid) * (size_t)cap, sizeof(Oid) * (size_t)cap * 2);
            cap *= 2;
        }
        d->indexes[d->nindexes++] = oid;
        if (valid && cat_bool(r, PG_INDEX_INDISPRIMARY))
            d->primary_index = oid;
        if (valid && cat_bool(r, PG_INDEX_INDISREPLIDENT))
            d->replica_index = oid;
        n = cat_int2_list(cat_val(r, PG_INDEX_INDKEY), atts, MAX_INDEX_KEYS);
        for (int i = 0; i < n; i++)
            bit_set(d->indexed_columns, atts[i]);
        tree_columns(d, r, PG_INDEX_INDEXPRS, true, d->indexed_columns);
        tree_columns(d, r, PG_INDEX_INDPRED, false, d->indexed_columns);
        if (cat_bool(r, PG_INDEX_INDISUNIQUE) && cat_bool(r, PG_INDEX_INDIMMEDIATE) && plain && valid)
            for (int i = 0; i < n && i < nkeys; i++)
                bit_set(d->key_columns, atts[i]);
    }
    cat_scan_end(s);
    qsort(d->indexes, (size_t)d->nindexes, sizeof(Oid), compare_oids);
    if (d->replica_index == 0)
        d->replica_index = d->primary_index;
}

/* ---- an index ---- */

static void
load_index(RelDesc *d)
{
    const CatRow *r = cat_get(IDX_PG_INDEX_INDEXRELID_INDEX, oid_datum(d->oid), 0, 0, 0);
    Arena *a = d->arena;
    IndexDesc *x = ARENA_NEW(a, IndexDesc);
    BtreeIndex *b = ARENA_NEW(a, BtreeIndex);

    if (!r)
        INTERNAL_ERROR("cache lookup failed for index %u", d->oid);
    d->index = x;
    x->heap = cat_oid(r, PG_INDEX_INDRELID);
    x->nkeys = datum_int16(cat_val(r, PG_INDEX_INDNKEYATTS));
    x->ncolumns = datum_int16(cat_val(r, PG_INDEX_INDNATTS));
    (void)cat_int2_list(cat_val(r, PG_INDEX_INDKEY), x->attnums, MAX_INDEX_KEYS);
    (void)cat_oid_list(cat_val(r, PG_INDEX_INDCLASS), x->opclass, MAX_INDEX_KEYS);
    (void)cat_oid_list(cat_val(r, PG_INDEX_INDCOLLATION), x->collation, MAX_INDEX_KEYS);
    (void)cat_int2_list(cat_val(r, PG_INDEX_INDOPTION), x->options, MAX_INDEX_KEYS);
    x->unique = cat_bool(r, PG_INDEX_INDISUNIQUE);
    x->primary = cat_bool(r, PG_INDEX_INDISPRIMARY);
    x->exclusion = cat_bool(r, PG_INDEX_INDISEXCLUSION);
    x->immediate = cat_bool(r, PG_INDEX_INDIMMEDIATE);
    x->valid = cat_bool(r, PG_INDEX_INDISVALID);
    x->ready = cat_bool(r, PG_INDEX_INDISREADY);
    x->live = cat_bool(r, PG_INDEX_INDISLIVE);
    x->clustered = cat_bool(r, PG_INDEX_INDISCLUSTERED);
    x->nulls_not_distinct = cat_bool(r, PG_INDEX_INDNULLSNOTDISTINCT);
    x->expr_trees = cat_name(a, r, PG_INDEX_INDEXPRS);
    x->predicate_tree = cat_name(a, r, PG_INDEX_INDPRED);
    x->btree = b;
    b->locator = d->heap.locator;
    b->oid = d->oid;
    b->heap_oid = x->heap;
    b->db = d->heap.db;
    b->name = d->name;
    b->logged = d->heap.logged;
    b->is_temp = d->heap.is_temp;
    b->unique = x->unique;
    b->immediate = x->immediate;
    b->nulls_not_distinct = x->nulls_not_distinct;
    b->nkeys = x->nkeys;
    b->ncolumns = x->ncolumns;
    b->columns = ARENA_ARRAY(a, BtreeKeyColumn, MAX(x->ncolumns, 1));
    b->can_return_values = true;
    b->root_block = b->last_leaf = BLOCK_INVALID;
    b->root_hint = b->last_leaf_hint = BUF_INVALID;
    for (int i = 0; i < x->ncolumns && i < d->natts; i++) {
        BtreeKeyColumn *c = &b->columns[i];

        c->type = d->cols[i].type;
        c->ops = type_ops(c->type);
        if (i >= x->nkeys)
            continue;
        c->collation = opclass_is_pattern(x->opclass[i]) ? COLLATION_C : x->collation[i];
        c->desc = (x->options[i] & 1) != 0;
        c->nulls_first = (x->options[i] & 2) != 0;
        b->can_return_values &= c->ops && c->ops->key_decode != NULL;
    }
}

/* ---- constraints ---- */

static void
fk_from_row(FkDesc *f, const CatRow *r, Arena *a)
{
    memset(f, 0, sizeof *f);
    f->oid = cat_oid(r, PG_CONSTRAINT_OID);
    f->name = cat_name(a, r, PG_CONSTRAINT_CONNAME);
    f->rel = cat_oid(r, PG_CONSTRAINT_CONRELID);
    f->ref_rel = cat_oid(r, PG_CONSTRAINT_CONFRELID);
    f->ref_index = cat_oid(r, PG_CONSTRAINT_CONINDID);
    f->n = cat_null(r, PG_CONSTRAINT_CONKEY) ? 0 : cat_int2_list(cat_val(r, PG_CONSTRAINT_CONKEY), f->cols, MAX_INDEX_KEYS);
    if (!cat_null(r, PG_CONSTRAINT_CONFKEY))
        (void)cat_int2_list(cat_val(r, PG_CONSTRAINT_CONFKEY), f->ref_cols, MAX_INDEX_KEYS);
    if (!cat_null(r, PG_CONSTRAINT_CONPFEQOP))
        (void)cat_oid_list(cat_val(r, PG_CONSTRAINT_CONPFEQOP), f->eq_ops, MAX_INDEX_KEYS);
    f->on_update = cat_char(r, PG_CONSTRAINT_CONFUPDTYPE);
    f->on_delete = cat_char(r, PG_CONSTRAINT_CONFDELTYPE);
    f->match = cat_char(r, PG_CONSTRAINT_CONFMATCHTYPE);
    f->deferrable = cat_bool(r, PG_CONSTRAINT_CONDEFERRABLE);
    f->deferred = cat_bool(r, PG_CONSTRAINT_CONDEFERRED);
    f->valid = cat_bool(r, PG_CONSTRAINT_CONVALIDATED);
    if (!cat_null(r, PG_CONSTRAINT_CONFDELSETCOLS))
        f->nset = cat_int2_list(cat_val(r, PG_CONSTRAINT_CONFDELSETCOLS), f->set_cols, MAX_INDEX_KEYS);
}

#define PUSH(a, array, n, Type) (array = (n) & ((n)-1) ? array : arena_realloc(a, array, sizeof(Type) * (size_t)(n), sizeof(Type) * (size_t)MAX((n)*2, 1)), &(array)[(n)++])

static void
load_constraints(RelDesc *d)
{
    Datum key = oid_datum(d->oid);
    CatScan *s = cat_scan_begin(CAT_PG_CONSTRAINT, IDX_PG_CONSTRAINT_CONRELID_CONTYPID_CONNAME_INDEX, 1, &key);
    const CatRow *r;

    while ((r = cat_scan_next(s)) != NULL) { /* by name: the order in which checks are made */
        switch (cat_char(r, PG_CONSTRAINT_CONTYPE)) {
        case 'c': {
            CheckDesc *c = PUSH(d->arena, d->checks, d->nchecks, CheckDesc);

            c->oid = cat_oid(r, PG_CONSTRAINT_OID);
            c->name = cat_name(d->arena, r, PG_CONSTRAINT_CONNAME);
            c->tree = cat_name(d->arena, r, PG_CONSTRAINT_CONBIN);
            c->valid = cat_bool(r, PG_CONSTRAINT_CONVALIDATED);
            c->no_inherit = cat_bool(r, PG_CONSTRAINT_CONNOINHERIT);
            break;
        }
        case 'f':
            fk_from_row(PUSH(d->arena, d->fks, d->nfks, FkDesc), r, d->arena);
            break;
        default:
            break;
        }
    }
    cat_scan_end(s);
}

/* Foreign keys that point here are found by their dependency on this table. */
static void
load_references(RelDesc *d)
{
    Datum keys[2] = {oid_datum(CAT_PG_CLASS), oid_datum(d->oid)};
    CatScan *s = cat_scan_begin(CAT_PG_DEPEND, IDX_PG_DEPEND_REFERENCE_INDEX, 2, keys);
    const CatRow *r, *c;

    while ((r = cat_scan_next(s)) != NULL) {
        Oid con = cat_oid(r, PG_DEPEND_OBJID);
        bool known = false;

        if (cat_oid(r, PG_DEPEND_CLASSID) != CAT_PG_CONSTRAINT)
            continue;
        for (int i = 0; i < d->nrefs; i++)
            known |= d->refs[i].oid == con;
        if (known)
            continue;
        c = cat_get_by_oid(CAT_PG_CONSTRAINT, con);
        if (c && cat_char(c, PG_CONSTRAINT_CONTYPE) == 'f' && cat_oid(c, PG_CONSTRAINT_CONFRELID) == d->oid)
            fk_from_row(PUSH(d->arena, d->refs, d->nrefs, FkDesc), c, d->arena);
    }
    cat_scan_end(s);
}

/* ---- views, sequences ---- */

static void
load_view(RelDesc *d)
{
    Datum key[2] = {oid_datum(d->oid), cat_name_datum(d->arena, "_RETURN")};
    CatScan *s = cat_scan_begin(CAT_PG_REWRITE, IDX_PG_REWRITE_REL_RULENAME_INDEX, 2, key);
    const CatRow *r = cat_scan_next(s);

    if (r)
        d->view_tree = cat_name(d->arena, r, PG_REWRITE_EV_ACTION);
    cat_scan_end(s);
}

static void
load_sequence(RelDesc *d)
{
    const CatRow *r = cat_get(IDX_PG_SEQUENCE_SEQRELID_INDEX, oid_datum(d->oid), 0, 0, 0);
    SeqParams *p;

    if (!r)
        return; /* being made */
    p = d->sequence = ARENA_NEW(d->arena, SeqParams);
    p->start = datum_int64(cat_val(r, PG_SEQUENCE_SEQSTART));
    p->increment = datum_int64(cat_val(r, PG_SEQUENCE_SEQINCREMENT));
    p->max = datum_int64(cat_val(r, PG_SEQUENCE_SEQMAX));
    p->min = datum_int64(cat_val(r, PG_SEQUENCE_SEQMIN));
    p->cache = datum_int64(cat_val(r, PG_SEQUENCE_SEQCACHE));
    p->cycle = cat_bool(r, PG_SEQUENCE_SEQCYCLE);
}

static RelDesc *
build(Oid oid)
{
    const CatRow *r = cat_get_by_oid(CAT_PG_CLASS, oid);
    bool has_defaults = false, rows;
    Arena *a;
    RelDesc *d;
    Late *late;

    if (!r)
        return NULL;
    a = arena_create(arena_top(), "relation");
    d = ARENA_NEW(a, RelDesc);
    d->arena = a;
    from_class_row(d, r);
    d->nsp_name = nsp_name(a, d->nsp);
    d->cols = ARENA_ARRAY(a, ColDesc, MAX(d->natts, 1));
    late = ARENA_ARRAY(a, Late, MAX(d->natts, 1));
    load_columns(d, late, &has_defaults);
    if (has_defaults)
        load_defaults(d);
    d->key_columns = ARENA_ARRAY(a, uint64_t, d->natts / 64 + 1);
    d->indexed_columns = ARENA_ARRAY(a, uint64_t, d->natts / 64 + 1);
    rows = d->kind == 'r' || d->kind == 't' || d->kind == 'm' || d->kind == 'S';
    if (rows)
        d->heap.layout = d->kind == 't' ? cat_toast_layout() : layout_of(d, late);
    if (rows && d->toast_rel)
        load_toast(d);
    if (d->kind == 't')
        load_toast_index(&d->heap, a);
    if (d->has_index && d->kind != 'i')
        load_index_list(d);
    if (d->kind == 'i')
        load_index(d);
    if (d->kind == 'r' || d->kind == 'p' || d->kind == 'f')
        load_constraints(d);
    if (d->has_triggers)
        load_references(d);
    if (d->kind == 'v' || d->kind == 'm')
        load_view(d);
    if (d->kind == 'S')
        load_sequence(d);
    return d;
}

RelDesc *
relcache_get(Oid oid)
{
    RelDesc *d;

    inval_own();
    d = find(oid);
    if (LIKELY(d != NULL))
        return d;
    for (int tries = 0;; tries++) {
        uint64_t epoch = inval_epoch;

        d = build(oid);
        if (!d)
            return NULL;
        if (LIKELY(epoch == inval_epoch))
            break;
        bury(d);
        if (tries > 1000)
            INTERNAL_ERROR("descriptor of relation %u changes all the time", oid);
    }
    insert(d);
    return d;
}

/* ---- opening ---- */

static inline LockTag
tag_of(Oid oid)
{
    return lock_tag_relation(UNLIKELY(oid < OID_FIRST_USER) && cat_rel_is_shared(oid) ? 0 : catalog_database, oid);
}

RelDesc *
rel_try_open(Oid oid, LockMode lock)
{
    RelDesc *d;

    if (lock != LOCK_NONE)
        lock_acquire_or_raise(tag_of(oid), lock);
    catalog_accept_invalidations();
    d = relcache_get(oid);
    if (UNLIKELY(!d) && lock != LOCK_NONE)
        (void)lock_release(tag_of(oid), lock, false);
    return d;
}

RelDesc *
rel_open(Oid oid, LockMode lock)
{
    RelDesc *d = rel_try_open(oid, lock);

    if (UNLIKELY(!d))
        INTERNAL_ERROR("could not open relation with OID %u", oid);
    return d;
}

RelDesc *
rel_cached(Oid oid)
{
    RelDesc *d = relcache_get(oid);

    if (UNLIKELY(!d))
        INTERNAL_ERROR("could not open relation with OID %u", oid);
    return d;
}

IndexDesc *
index_open(Oid oid, LockMode lock)
{
    RelDesc *d = rel_open(oid, lock);

    if (UNLIKELY(!d->index))
        RAISE(SQLSTATE_WRONG_OBJECT_TYPE, "\"%s\" is not an index", d->name);
    return d->index;
}

int
rel_attnum(const RelDesc *r, const char *column)
{
    static const char *const system[] = {"ctid", "xmin", "cmin", "xmax", "cmax", "tableoid"};

    for (int i = 0; i < r->natts; i++)
        if (!r->cols[i].dropped && strcmp(r->cols[i].name, column) == 0)
            return i + 1;
    if (r->kind == 'r' || r->kind == 'm' || r->kind == 'S' || r->kind == 't' || r->kind == 'p')
        for (int i = 0; i < (int)COUNT_OF(system); i++)
            if (strcmp(system[i], column) == 0)
                return -1 - i;
    return 0;
}
