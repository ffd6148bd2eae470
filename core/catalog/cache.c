/*
 * The row cache: rows of catalog tables by the key of a unique index, present or known to be absent.
 *
 * One hash table for all indexes. An entry is one block of memory with its key and its row; it hangs in
 * two chains: by (index, key) for look-ups and by (table, object) for invalidation, where absent rows
 * stand under object 0: any change of a table forgets all that was known absent in it.
 *
 * A row handed out stays valid to the end of the transaction: an entry that goes is unlinked at once but
 * its memory waits on the graveyard. Blocks come from malloc, since entries come and go one by one.
 */
#include <stdlib.h>

#include "core/base/hash.h"
#include "core/catalog/cat_internal.h"

#define KEYS CAT_INDEX_KEYS_MAX
#define ENTRIES_MAX 65536 /* about 50 MB at most; beyond it everything is forgotten at the next transaction's end */
#define BUCKETS_MIN 1024u

typedef struct CacheEntry {
    struct CacheEntry *next;              /* same bucket of the key, or the graveyard */
    struct CacheEntry *obj_next, **obj_link; /* same bucket of the object */
    CatIndex *index;
    uint64_t hash;
    Oid object;                           /* 0: known absent */
    Datum key[KEYS];
    CatRow row;
    bool present;
} CacheEntry;

static CacheEntry **by_key, **by_object;
static uint32_t bucket_mask;
static int entry_count;
static CacheEntry *graveyard;

static uint64_t
key_hash(const CatIndex *ix, const Datum *k)
{
    uint64_t h = ix->oid;

    for (int i = 0; i < ix->nkeys; i++) {
        const BtreeKeyColumn *c = &ix->btree.columns[i];

        if (c->ops->byval)
            h = hash_combine(h, k[i]);
        else if (c->type == NAME_OID)
            h = hash_bytes_seed(datum_ptr(k[i]), strnlen(datum_ptr(k[i]), NAME_BYTES), h);
        else
            h = hash_bytes_seed(var_data(k[i]), var_len(k[i]), h);
    }
    return h;
}

static bool
key_equal(const CatIndex *ix, const Datum *a, const Datum *b)
{
    for (int i = 0; i < ix->nkeys; i++) {
        const BtreeKeyColumn *c = &ix->btree.columns[i];

        if (c->ops->byval ? a[i] != b[i] : c->type == NAME_OID ? strncmp(datum_ptr(a[i]), datum_ptr(b[i]), NAME_BYTES) != 0 : !var_equal(a[i], b[i]))
            return false;
    }
    return true;
}

static inline uint32_t
object_bucket(Oid table, Oid object)
{
    return (uint32_t)hash_u64((uint64_t)table << 32 | object) & bucket_mask;
}

static void
link_entry(CacheEntry *e)
{
    CacheEntry **k = &by_key[e->hash & bucket_mask], **o = &by_object[object_bucket(e->index->table->oid, e->object)];

    e->next = *k;
    *k = e;
    e->obj_next = *o;
    e->obj_link = o;
    if (*o)
        (*o)->obj_link = &e->obj_next;
    *o = e;
}

static void *
alloc_or_raise(size_t n)
{
    void *p = malloc(n);

    if (!p)
        RAISE(SQLSTATE_OUT_OF_MEMORY, "out of memory");
    return p;
}

static void
grow(void)
{
    uint32_t old = by_key ? bucket_mask + 1 : 0, n = old ? old * 2 : BUCKETS_MIN;
    CacheEntry **k = alloc_or_raise(sizeof *k * n * 2), **was = by_key;

    memset(k, 0, sizeof *k * n * 2);
    by_key = k;
    by_object = k + n;
    bucket_mask = n - 1;
    for (uint32_t i = 0; i < old; i++)
        for (CacheEntry *e = was[i], *next; e; e = next) {
            next = e->next;
            link_entry(e);
        }
    free(was);
}

/* Out of both chains; the memory waits. */
static void
bury(CacheEntry *e)
{
    CacheEntry **p = &by_key[e->hash & bucket_mask];

    while (*p != e)
        p = &(*p)->next;
    *p = e->next;
    *e->obj_link = e->obj_next;
    if (e->obj_next)
        e->obj_next->obj_link = e->obj_link;
    e->next = graveyard;
    graveyard = e;
    entry_count--;
}

void
cache_at_end(void)
{
    if (UNLIKELY(entry_count > ENTRIES_MAX))
        cache_reset();
    while (graveyard) {
        CacheEntry *e = graveyard;

        graveyard = e->next;
        free(e);
    }
}

void
cache_reset(void)
{
    if (!by_key)
        return;
    for (uint32_t i = 0; i <= bucket_mask; i++) {
        for (CacheEntry *e = by_key[i], *next; e; e = next) {
            next = e->next;
            e->next = graveyard;
            graveyard = e;
        }
        by_key[i] = by_object[i] = NULL;
    }
    entry_count = 0;
}

static void
invalidate_chain(Oid table, Oid object)
{
    for (CacheEntry *e = by_object[object_bucket(table, object)], *next; e; e = next) {
        next = e->obj_next;
        if (e->object == object && e->index->table->oid == table)
            bury(e);
    }
}

void
cache_invalidate(Oid table, Oid object)
{
    if (!by_key)
        return;
    if (object == 0) {
        for (uint32_t i = 0; i <= bucket_mask; i++)
            for (CacheEntry *e = by_key[i], *next; e; e = next) {
                next = e->next;
                if (e->index->table->oid == table)
                    bury(e);
            }
        return;
    }
    invalidate_chain(table, object);
    invalidate_chain(table, 0);
}

/* ---- loading ---- */

static size_t
value_bytes(const AttrPhys *p, Datum d, bool null)
{
    if (null || p->byval)
        return 0;
    return p->len > 0 ? (size_t)p->len : var_size(datum_ptr(d));
}

static char *
put_value(char *at, Datum *d, size_t n)
{
    memcpy(at, datum_ptr(*d), n);
    *d = ptr_datum(at);
    return at + ALIGN_UP(n, (size_t)8);
}

static CacheEntry *
entry_new(CatIndex *ix, uint64_t hash, const Datum *key, const CatRow *r)
{
    const TupleLayout *l = ix->table->heap.layout;
    size_t n = sizeof(CacheEntry), key_bytes[KEYS];
    CacheEntry *e;
    char *at;

    for (int i = 0; i < ix->nkeys; i++) {
        key_bytes[i] = value_bytes(&l->atts[ix->attnums[i] - 1], key[i], false);
        n += ALIGN_UP(key_bytes[i], (size_t)8);
    }
    if (r) {
        n += (sizeof(Datum) + 1) * (size_t)l->natts + 8;
        for (int i = 0; i < l->natts; i++)
            n += ALIGN_UP(value_bytes(&l->atts[i], r->values[i], r->nulls[i]), (size_t)8);
    }
    e = alloc_or_raise(n);
    memset(e, 0, sizeof *e);
    e->index = ix;
    e->hash = hash;
    at = (char *)(e + 1);
    for (int i = 0; i < ix->nkeys; i++) {
        e->key[i] = key[i];
        if (key_bytes[i] == NAME_BYTES && ix->btree.columns[i].type == NAME_OID) {
            /* The caller's name may be shorter than 64 bytes. */
            memset(at, 0, NAME_BYTES);
            memcpy(at, datum_ptr(key[i]), strnlen(datum_ptr(key[i]), NAME_BYTES - 1));
            e->key[i] = ptr_datum(at);
            at += NAME_BYTES;
        } else if (key_bytes[i]) {
            at = put_value(at, &e->key[i], key_bytes[i]);
        }
    }
    if (!r)
        return e;
    e->present = true;
    e->object = datum_oid(r->values[0]);
    e->row = (CatRow){l->natts, (Datum *)(void *)at, NULL, r->tid, r->table};
    at += sizeof(Datum) * (size_t)l->natts;
    e->row.nulls = (bool *)at;
    at += ALIGN_UP((size_t)l->natts, (size_t)8);
    memcpy(e->row.values, r->values, sizeof(Datum) * (size_t)l->natts);
    memcpy(e->row.nulls, r->nulls, (size_t)l->natts);
    for (int i = 0; i < l->natts; i++) {
        size_t bytes = value_bytes(&l->atts[i], r->values[i], r->nulls[i]);

        if (bytes)
            at = put_value(at, &e->row.values[i], bytes);
    }
    return e;
}

static const CatRow *
load(CatIndex *ix, uint64_t hash, const Datum *key)
{
    char names[KEYS][NAME_BYTES];
    Datum full[KEYS];
    uint64_t epoch = inval_epoch;
    CacheEntry *e;
    CatScan *s;

    for (int i = 0; i < ix->nkeys; i++) {
        full[i] = key[i];
        if (ix->btree.columns[i].type == NAME_OID) {
            memset(names[i], 0, NAME_BYTES);
            memcpy(names[i], datum_ptr(key[i]), strnlen(datum_ptr(key[i]), NAME_BYTES - 1));
            full[i] = ptr_datum(names[i]);
        }
    }
    s = cat_scan_begin(ix->table->oid, ix->oid, ix->nkeys, full);
    e = entry_new(ix, hash, full, cat_scan_next(s));
    cat_scan_end(s);
    if (UNLIKELY(inval_epoch != epoch)) {
        /* Something changed while we read: true for this caller, not to be kept. */
        e->next = graveyard;
        graveyard = e;
    } else {
        if (!by_key || entry_count > (int)bucket_mask)
            grow();
        link_entry(e);
        entry_count++;
    }
    return e->present ? &e->row : NULL;
}

static const CatRow *
get(CatIndex *ix, const Datum *key)
{
    uint64_t hash;

    inval_own();
    hash = key_hash(ix, key);
    if (LIKELY(by_key != NULL))
        for (CacheEntry *e = by_key[hash & bucket_mask]; e; e = e->next)
            if (e->hash == hash && e->index == ix && key_equal(ix, key, e->key))
                return e->present ? &e->row : NULL;
    return load(ix, hash, key);
}

const CatRow *
cat_get(Oid unique_index, Datum k1, Datum k2, Datum k3, Datum k4)
{
    CatIndex *ix = cat_index(unique_index);
    Datum key[KEYS] = {k1, k2, k3, k4};

    ASSERT(ix->unique);
    return get(ix, key);
}

const CatRow *
cat_get_by_oid(Oid table, Oid oid)
{
    CatTable *t = cat_table(table);
    Datum key[KEYS] = {oid_datum(oid)};

    if (UNLIKELY(!t->oid_index))
        INTERNAL_ERROR("catalog %s has no index of OIDs", t->name);
    return get(t->oid_index, key);
}
