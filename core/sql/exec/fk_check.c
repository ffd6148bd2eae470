/*
 * The referencing side: is the key of a new row in the referenced table? The referenced unique index is
 * probed directly, and the row found is locked FOR KEY SHARE, so that it can be neither deleted nor have
 * its key changed before we end. A key found once in a round needs no second look: the lock stays.
 */
#include "core/sql/exec/fk.h"
#include "core/access/count.h"

/* ---- values ---- */

static bool
is_int(Oid t)
{
    return t == INT2_OID || t == INT4_OID || t == INT8_OID;
}

bool
fk_convert(Arena *a, Oid from, Oid to, Datum *d)
{
    from = type_base(from, NULL);
    to = type_base(to, NULL);
    if (from == to)
        return true;
    if (is_int(from) && is_int(to)) {
        int64_t v = datum_int64(*d);
        if (to == INT2_OID)
            return v >= INT16_MIN && v <= INT16_MAX;
        if (to == INT4_OID)
            return v >= INT32_MIN && v <= INT32_MAX;
        return true;
    }
    const CastInfo *c = cast_lookup(from, to);
    if (c == NULL || c->fn == 0)
        return true; /* binary compatible */
    const FnDef *f = fn_info(c->fn)->builtin;
    if (f == NULL || f->scalar == NULL)
        UNSUPPORTED("cast from type %u to %u is not implemented", from, to);
    *d = fn_call1(f->scalar, a, 0, *d);
    return true;
}

bool
fk_key_of(const FkDesc *fk, const int16_t *cols, const Datum *values, const bool *nulls, Datum *key)
{
    for (int i = 0; i < fk->n; i++) {
        if (nulls[cols[i] - 1])
            return false;
        key[i] = values[cols[i] - 1];
    }
    return true;
}

bool
fk_may_see(RelDesc *rel, const int16_t *cols, int n)
{
    if (role_is_superuser(current_user_oid) ||
        acl_check(CAT_PG_CLASS, rel->oid, current_user_oid, ACL_SELECT))
        return true;
    for (int i = 0; i < n; i++)
        if (!acl_check_column(rel->oid, cols[i], current_user_oid, ACL_SELECT))
            return false;
    return true;
}

char *
fk_describe_key(Arena *a, RelDesc *rel, const int16_t *cols, int n, const Datum *key)
{
    StrBuf s;

    str_init(&s, a);
    str_add_char(&s, '(');
    for (int i = 0; i < n; i++)
        str_printf(&s, "%s%s", i ? ", " : "", rel->cols[cols[i] - 1].name);
    str_add(&s, ")=(");
    for (int i = 0; i < n; i++) {
        if (i)
            str_add(&s, ", ");
        value_print(&s, rel->cols[cols[i] - 1].type, key[i]);
    }
    str_add_char(&s, ')');
    return s.data;
}

Snapshot
fk_snapshot(bool newest)
{
    Snapshot s = newest ? *snapshot_latest() : *snapshot_for_statement();

    s.command = txn_command(false); /* all of our own changes up to here */
    return s;
}

bool
fk_fetch_row(RelDesc *rel, ItemPtr tid, bool any, Arena *a, Datum *values, bool *nulls)
{
    Snapshot s = {.kind = any ? SNAPSHOT_ANY : SNAPSHOT_SELF};
    const TupleLayout *l = rel->heap.layout;
    Buf buf;
    Tuple t;

    if (!heap_fetch_version(&rel->heap, tid, &s, &buf, &t))
        return false;
    const char *copy = arena_memdup(a, t.bytes, t.size); /* the pin goes */
    rbuf_unpin(buf);
    Datum *buffer = ARENA_ARRAY(a, Datum, rel->natts + 1);
    tuple_deform(l, copy, t.size, values, nulls, rel->natts);
    const Datum *plain = values_plain(a, l, values, nulls, buffer);
    if (plain != values)
        memcpy(values, plain, sizeof(Datum) * (size_t)rel->natts);
    return true;
}

/* ---- one constraint ---- */

FkContext *
fk_context_open(Arena *a, RelDesc *rel, const FkDesc *fk)
{
    FkContext *c = ARENA_NEW(a, FkContext);

    c->arena = a;
    c->row_arena = arena_create(a, "foreign key row");
    c->fk = fk;
    c->rel = rel;
    c->ref = rel_open(fk->ref_rel, LOCK_ROW_SHARE);
    c->pk_index = index_open(fk->ref_index, LOCK_ACCESS_SHARE);
    c->pk_scan = btree_scan_begin(a, c->pk_index->btree, false);
    for (int k = 0; k < c->pk_index->nkeys; k++) {
        c->pk_order[k] = -1;
        for (int i = 0; i < fk->n; i++)
            if (fk->ref_cols[i] == c->pk_index->attnums[k])
                c->pk_order[k] = i;
        if (c->pk_order[k] < 0)
            INTERNAL_ERROR("index \"%s\" does not fit foreign key \"%s\"", c->pk_index->btree->name,
                           fk->name);
    }
    c->natts = rel->natts;
    c->values = ARENA_ARRAY(a, Datum, c->natts + 1);
    c->nulls = ARENA_ARRAY(a, bool, c->natts + 1);
    c->plain = ARENA_ARRAY(a, Datum, c->natts + 1);
    c->cache = ARENA_NEW(a, FkCache);
    c->cache->arena = arena_create(a, "foreign keys found");
    str_init(&c->key, a);
    return c;
}

static bool
cache_has(FkCache *f, uint64_t hash, const StrBuf *key)
{
    for (uint64_t at = hash % FK_CACHE_SLOTS;; at = (at + 1) % FK_CACHE_SLOTS) {
        if (f->slots[at].key == NULL)
            return false;
        if (f->slots[at].hash == hash && f->slots[at].n == key->len &&
            memcmp(f->slots[at].key, key->data, key->len) == 0)
            return true;
    }
}

static void
cache_add(FkCache *f, uint64_t hash, const StrBuf *key)
{
    uint64_t at = hash % FK_CACHE_SLOTS;

    if (f->count >= FK_CACHE_SLOTS / 2) {
        arena_reset(f->arena);
        memset(f->slots, 0, sizeof(f->slots));
        f->count = 0;
    }
    while (f->slots[at].key)
        at = (at + 1) % FK_CACHE_SLOTS;
    f->slots[at].hash = hash;
    f->slots[at].key = arena_memdup(f->arena, key->data, key->len + 1);
    f->slots[at].n = (uint32_t)key->len;
    f->count++;
}

/* One look through the index. *again: a row was there but has just gone or changed. */
static bool
probe(FkContext *c, bool lock, bool *again)
{
    BtreeBound b = {.key = c->key.data, .n = c->key.len, .inclusive = true, .given = true};
    Snapshot s = fk_snapshot(!lock);
    ItemPtr tids[8];
    Buf buf = BUF_INVALID;
    bool found = false;
    int n;

    *again = false;
    btree_scan_set(c->pk_scan, b, b, false);
    while (!found && (n = btree_scan_next(c->pk_scan, tids, (int)COUNT_OF(tids), NULL, NULL)) > 0) {
        for (int i = 0; i < n && !found; i++) {
            Tuple t;
            TmFailure f;
            if (!heap_fetch_next(&c->ref->heap, tids[i], &s, &buf, &t, NULL))
                continue;
            count_index_fetched(c->pk_index->btree, 1);
            if (!lock) {
                found = true;
                break;
            }
            switch (heap_lock(&c->ref->heap, t.tid, ROW_KEY_SHARE, txn_command(true), &s,
                              WAIT_BLOCK, true, &f)) {
            case TM_OK:
                found = true;
                break;
            case TM_UPDATED:
            case TM_DELETED:
                if (txn_isolation >= ISO_REPEATABLE_READ)
                    RAISE(SQLSTATE_T_R_SERIALIZATION_FAILURE,
                          "could not serialize access due to concurrent update");
                *again = true;
                break;
            default:
                break;
            }
        }
    }
    if (buf != BUF_INVALID)
        rbuf_unpin(buf);
    return found;
}

bool
fk_find_referenced(FkContext *c, const Datum *key, bool lock)
{
    Datum values[MAX_INDEX_KEYS];
    bool nulls[MAX_INDEX_KEYS] = {false}, any, again;

    for (int k = 0; k < c->pk_index->nkeys; k++) {
        int i = c->pk_order[k];
        values[k] = key[i];
        if (!fk_convert(c->row_arena, c->rel->cols[c->fk->cols[i] - 1].type,
                        c->pk_index->btree->columns[k].type, &values[k]))
            return false;
    }
    str_reset(&c->key);
    btree_encode(c->pk_index->btree, values, nulls, c->pk_index->nkeys, &c->key, &any);
    uint64_t hash = hash_bytes(c->key.data, c->key.len);
    if (cache_has(c->cache, hash, &c->key))
        return true;
    do {
        if (probe(c, lock, &again)) {
            cache_add(c->cache, hash, &c->key);
            return true;
        }
        CHECK_INTERRUPTS();
    } while (again);
    return false;
}

void
fk_raise_missing(FkContext *c, const Datum *key)
{
    RelDesc *rel = c->rel;

    err_start(LEVEL_ERROR, SQLSTATE_FOREIGN_KEY_VIOLATION, __FILE__, __LINE__, __func__);
    err_message("insert or update on table \"%s\" violates foreign key constraint \"%s\"",
                rel->name, c->fk->name);
    if (fk_may_see(rel, c->fk->cols, c->fk->n))
        err_detail("Key %s is not present in table \"%s\".",
                   fk_describe_key(c->row_arena, rel, c->fk->cols, c->fk->n, key), c->ref->name);
    else
        err_detail("Key is not present in table \"%s\".", c->ref->name);
    err_object(rel->nsp_name, rel->name, NULL, NULL, c->fk->name);
    err_throw();
}

void
fk_check_row(FkContext *c, ItemPtr tid)
{
    Datum key[MAX_INDEX_KEYS];

    arena_reset(c->row_arena);
    if (!fk_fetch_row(c->rel, tid, false, c->row_arena, c->values, c->nulls))
        return; /* deleted or updated since: another event sees to it */
    if (!fk_key_of(c->fk, c->fk->cols, c->values, c->nulls, key))
        return;
    if (!fk_find_referenced(c, key, true))
        fk_raise_missing(c, key);
}

/* ALTER TABLE ... ADD FOREIGN KEY: all rows. Both tables are locked against changes. */
void
fk_check_existing(RelDesc *rel, const FkDesc *fk)
{
    Arena *a = arena_create(txn_arena(), "foreign key check");
    FkContext *c = fk_context_open(a, rel, fk);
    Snapshot s = fk_snapshot(true);
    HeapScan *scan = heap_scan_begin(a, &rel->heap, &s);
    TupleBatch *tb = ARENA_NEW(a, TupleBatch);
    Vec cols[MAX_INDEX_KEYS];
    Arena *values = arena_create(a, "foreign key values");

    for (int i = 0; i < fk->n; i++)
        vec_init(&cols[i], a);
    while (heap_scan_next(scan, tb)) {
        CHECK_INTERRUPTS();
        arena_reset(values);
        for (int i = 0; i < fk->n; i++)
            tuple_gather(&rel->heap, tb, tb->n, NULL, fk->cols[i], values, &cols[i]);
        for (int row = 0; row < tb->n; row++) {
            Datum key[MAX_INDEX_KEYS];
            int nnull = 0;
            for (int i = 0; i < fk->n; i++) {
                nnull += vec_null(&cols[i], row);
                key[i] = vec_null(&cols[i], row) ? 0 : vec_get(&cols[i], row);
            }
            if (nnull > 0) {
                if (fk->match == 'f' && nnull < fk->n)
                    RAISE_ERR(
                        SQLSTATE_FOREIGN_KEY_VIOLATION,
                        err_message("insert or update on table \"%s\" violates foreign key "
                                    "constraint \"%s\"",
                                    rel->name, fk->name),
                        err_detail(
                            "MATCH FULL does not allow mixing of null and nonnull key values."),
                        err_object(rel->nsp_name, rel->name, NULL, NULL, fk->name));
                continue;
            }
            if (!fk_find_referenced(c, key, false))
                fk_raise_missing(c, key);
        }
        arena_reset(c->row_arena);
    }
    heap_scan_end(scan);
    btree_scan_end(c->pk_scan);
    arena_destroy(a);
}
