/*
 * The referenced side: a row has been deleted or its key changed. NO ACTION and RESTRICT look for a row
 * that still refers to the old key; CASCADE, SET NULL and SET DEFAULT change those rows. They are found
 * through an index on the referencing columns if there is one, else by a scan.
 */
#include "core/sql/exec/fk.h"
#include "core/access/count.h"
#include "core/sql/exec/modify.h"

typedef struct Action {
    Arena *arena;
    RelDesc *ref, *rel;       /* referenced and referencing table */
    const FkDesc *fk;
    bool update;
    Datum key[MAX_INDEX_KEYS];     /* the old key, fk column order, referencing types */
    Datum ref_key[MAX_INDEX_KEYS]; /* as stored in the referenced table */
    KeyCol cols[MAX_INDEX_KEYS];
    Datum *values; bool *nulls;
    Arena *row_arena;
} Action;

/* Do the row's values refer to the old key? */
static bool
refers(Action *x, const Datum *values, const bool *nulls)
{
    for (int i = 0; i < x->fk->n; i++) {
        int c = x->fk->cols[i] - 1;
        if (nulls[c] || !key_equal(&x->cols[i], x->key[i], values[c]))
            return false;
    }
    return true;
}

/* An index whose first columns are referencing columns; *prefix: how many. */
static IndexDesc *
choose_index(Action *x, int *prefix, int order[MAX_INDEX_KEYS])
{
    IndexDesc *best = NULL;

    *prefix = 0;
    for (int i = 0; i < x->rel->nindexes; i++) {
        IndexDesc *ix = index_open(x->rel->indexes[i], LOCK_ACCESS_SHARE);
        int map[MAX_INDEX_KEYS], n = 0;
        if (!ix->valid || ix->predicate_tree || ix->btree == NULL)
            continue;
        for (; n < ix->nkeys; n++) {
            int at = -1;
            for (int k = 0; k < x->fk->n; k++)
                if (x->fk->cols[k] == ix->attnums[n] &&
                    ix->btree->columns[n].type == x->rel->cols[ix->attnums[n] - 1].type)
                    at = k;
            if (at < 0)
                break;
            map[n] = at;
        }
        if (n > *prefix) {
            *prefix = n;
            best = ix;
            memcpy(order, map, sizeof(map));
        }
    }
    return best;
}

typedef bool (*RowFn)(Action *x, ItemPtr tid); /* false: stop */

static bool
visit(Action *x, const Tuple *t, RowFn fn)
{
    const TupleLayout *l = x->rel->heap.layout;
    Datum *buffer = arena_alloc(x->row_arena, sizeof(Datum) * (size_t)(x->rel->natts + 1));

    tuple_deform(l, t->bytes, t->size, x->values, x->nulls, x->rel->natts);
    const Datum *plain = values_plain(x->row_arena, l, x->values, x->nulls, buffer);
    bool go_on = !refers(x, plain, x->nulls) || fn(x, t->tid);
    arena_reset(x->row_arena);
    return go_on;
}

static void
visit_by_index(Action *x, IndexDesc *ix, int prefix, const int *order, const Snapshot *s, RowFn fn)
{
    BtreeScan *scan = btree_scan_begin(x->arena, ix->btree, false);
    Datum values[MAX_INDEX_KEYS];
    bool nulls[MAX_INDEX_KEYS] = {false}, any, go_on = true;
    ItemPtr tids[256];
    StrBuf key;
    Buf buf = BUF_INVALID;
    int n;

    for (int k = 0; k < prefix; k++)
        values[k] = x->key[order[k]];
    str_init(&key, x->arena);
    btree_encode(ix->btree, values, nulls, prefix, &key, &any);
    BtreeBound b = {.key = key.data, .n = key.len, .inclusive = true, .given = true};
    btree_scan_set(scan, b, b, false);
    while (go_on && (n = btree_scan_next(scan, tids, (int)COUNT_OF(tids), NULL, NULL)) > 0) {
        CHECK_INTERRUPTS();
        for (int i = 0; i < n && go_on; i++) {
            Tuple t;
            if (heap_fetch_next(&x->rel->heap, tids[i], s, &buf, &t, NULL)) {
                count_index_fetched(ix->btree, 1);
                go_on = visit(x, &t, fn);
            }
        }
    }
    if (buf != BUF_INVALID)
        rbuf_unpin(buf);
    btree_scan_end(scan);
}

/* Calls fn for every row that refers to the old key. */
static void
visit_referencing(Action *x, RowFn fn)
{
    int order[MAX_INDEX_KEYS], prefix;
    IndexDesc *ix = choose_index(x, &prefix, order);
    Snapshot s = fk_snapshot(true);

    if (ix) {
        visit_by_index(x, ix, prefix, order, &s, fn);
        return;
    }
    HeapScan *scan = heap_scan_begin(x->arena, &x->rel->heap, &s);
    TupleBatch *tb = ARENA_NEW(x->arena, TupleBatch);
    bool go_on = true;
    while (go_on && heap_scan_next(scan, tb)) {
        CHECK_INTERRUPTS();
        for (int i = 0; i < tb->n && go_on; i++) {
            Tuple t = {(char *)(uintptr_t)tb->tup[i], tb->size[i], tb->tid[i]};
            go_on = visit(x, &t, fn);
        }
    }
    heap_scan_end(scan);
}

/* ---- NO ACTION, RESTRICT ---- */

static NORETURN void
raise_referenced(Action *x)
{
    err_start(LEVEL_ERROR, SQLSTATE_FOREIGN_KEY_VIOLATION, __FILE__, __LINE__, __func__);
    err_message(
        "update or delete on table \"%s\" violates foreign key constraint \"%s\" on table \"%s\"",
        x->ref->name, x->fk->name, x->rel->name);
    if (fk_may_see(x->ref, x->fk->ref_cols, x->fk->n))
        err_detail("Key %s is still referenced from table \"%s\".",
                   fk_describe_key(x->arena, x->ref, x->fk->ref_cols, x->fk->n, x->ref_key),
                   x->rel->name);
    else
        err_detail("Key is still referenced from table \"%s\".", x->rel->name);
    err_object(x->rel->nsp_name, x->rel->name, NULL, NULL, x->fk->name);
    err_throw();
}

/* A row is in the way, unless its own deleter is just at work: that is waited for. */
static bool
found_referencing(Action *x, ItemPtr tid)
{
    Snapshot s = fk_snapshot(true);
    TmFailure f;

    if (heap_lock(&x->rel->heap, tid, ROW_KEY_SHARE, txn_command(true), &s, WAIT_BLOCK, true, &f) ==
        TM_OK)
        raise_referenced(x);
    return true;
}

/* NO ACTION: another row may have taken the key meanwhile. */
static bool
key_is_back(Action *x)
{
    FkContext *c = fk_context_open(x->arena, x->rel, x->fk);
    bool found = fk_find_referenced(c, x->key, false);

    btree_scan_end(c->pk_scan);
    return found;
}

/* ---- CASCADE, SET NULL, SET DEFAULT ---- */

typedef struct Change {
    Action *x;
    ModifyNode m;
    Exec exec;
    Snapshot snapshot;
    bool is_delete;
} Change;
static Change *current_change; /* of visit_referencing's callback */

static bool
still_refers(ModifyNode *m, ItemPtr tid, void *arg)
{
    Action *x = arg;
    Arena *a = arena_create(x->arena, "changed row");
    Datum *values = ARENA_ARRAY(a, Datum, x->rel->natts + 1);
    bool *nulls = ARENA_ARRAY(a, bool, x->rel->natts + 1);
    bool yes = fk_fetch_row(x->rel, tid, true, a, values, nulls) && refers(x, values, nulls);

    arena_destroy(a);
    return yes;
}

static bool
change_row(Action *x, ItemPtr tid)
{
    Change *c = current_change;
    const Batch *src = NULL;
    int row = 0;

    if (c->is_delete)
        modify_delete_row(&c->m, tid, &src, &row, 0);
    else
        modify_update_row(&c->m, tid, &src, &row, 0, false);
    arena_reset(c->m.row_arena);
    return true;
}

static void
change_init(Change *c, Action *x)
{
    ModifyNode *m = &c->m;
    Arena *a = x->arena;
    int natts = x->rel->natts;

    memset(c, 0, sizeof(*c));
    c->x = x;
    c->snapshot = fk_snapshot(txn_isolation < ISO_REPEATABLE_READ);
    c->exec.snapshot = &c->snapshot;
    m->n.x = &c->exec;
    m->n.arena = a;
    m->rel = x->rel;
    m->checks = checks_open(x->rel);
    m->cid = txn_command(true);
    m->natts = natts;
    m->still = still_refers;
    m->still_arg = x;
    m->row_arena = arena_create(a, "row being changed");
    m->values = ARENA_ARRAY(a, Datum, natts + 1);
    m->old_values = ARENA_ARRAY(a, Datum, natts + 1);
    m->plain_buffer = ARENA_ARRAY(a, Datum, natts + 1);
    m->old_plain_buffer = ARENA_ARRAY(a, Datum, natts + 1);
    m->nulls = ARENA_ARRAY(a, bool, natts + 1);
    m->old_nulls = ARENA_ARRAY(a, bool, natts + 1);
    m->set_atts = ARENA_ARRAY(a, int, MAX_INDEX_KEYS);
    m->set_values = ARENA_ARRAY(a, Datum, MAX_INDEX_KEYS);
    m->set_nulls = ARENA_ARRAY(a, bool, MAX_INDEX_KEYS);
}

static void
set_column(Change *c, int attnum, Datum d, bool isnull)
{
    ModifyNode *m = &c->m;

    m->set_atts[m->nset] = attnum - 1;
    m->set_values[m->nset] = d;
    m->set_nulls[m->nset++] = isnull;
}

static void
set_null_or_default(Change *c, bool to_default)
{
    Action *x = c->x;
    bool some = !x->update && x->fk->nset > 0; /* ON DELETE SET NULL (columns) */
    int n = some ? x->fk->nset : x->fk->n;

    for (int i = 0; i < n; i++) {
        int att = some ? x->fk->set_cols[i] : x->fk->cols[i];
        const ColDesc *col = &x->rel->cols[att - 1];
        Datum d = 0;
        bool isnull = true;
        if (to_default && col->default_tree)
            d = expr_eval_const(x->arena, node_read(x->arena, col->default_tree), &isnull, NULL);
        set_column(c, att, d, isnull);
    }
}

static void
change_rows(Action *x, char action, const Datum *new_key)
{
    Change c;
    Change *outer = current_change;

    change_init(&c, x);
    switch (action) {
    case 'c':
        if (!x->update) {
            c.is_delete = true;
            break;
        }
        for (int i = 0; i < x->fk->n; i++) {
            Datum d = new_key[i];
            Oid from = x->ref->cols[x->fk->ref_cols[i] - 1].type,
                to = x->rel->cols[x->fk->cols[i] - 1].type;
            if (!fk_convert(x->arena, from, to, &d))
                RAISE(SQLSTATE_NUMERIC_VALUE_OUT_OF_RANGE,
                      "value out of range: a referencing column cannot hold the new key");
            set_column(&c, x->fk->cols[i], d, false);
        }
        break;
    case 'n': set_null_or_default(&c, false); break;
    default: set_null_or_default(&c, true); break;
    }
    current_change = &c;
    ERR_TRY {
        visit_referencing(x, change_row);
    } ERR_CATCH {
        current_change = outer;
        err_rethrow();
    } ERR_END;
    current_change = outer;
}

/* ---- entry ---- */

static bool
keys_equal(Action *x, const Datum *a, const Datum *b)
{
    for (int i = 0; i < x->fk->n; i++) {
        const ColDesc *c = &x->ref->cols[x->fk->ref_cols[i] - 1];
        const TypeOps *ops = type_ops(c->type);
        if (c->byval ? a[i] != b[i] : !(ops && ops->eq && ops->eq(a[i], b[i], c->collation)))
            return false;
    }
    return true;
}

void
fk_referenced_changed(RelDesc *ref, const FkDesc *fk, ItemPtr old_tid, ItemPtr new_tid, bool update)
{
    Arena *a = arena_create(txn_arena(), "foreign key action");
    Action *x = ARENA_NEW(a, Action);
    char action = update ? fk->on_update : fk->on_delete;
    Datum *values = ARENA_ARRAY(a, Datum, ref->natts + 1), new_key[MAX_INDEX_KEYS];
    bool *nulls = ARENA_ARRAY(a, bool, ref->natts + 1);

    *x = (Action){.arena = a, .ref = ref, .fk = fk, .update = update};
    x->row_arena = arena_create(a, "referencing row");
    if (!fk_fetch_row(ref, old_tid, true, a, values, nulls) ||
        !fk_key_of(fk, fk->ref_cols, values, nulls, x->ref_key)) {
        arena_destroy(a);
        return;
    }
    if (update) {
        Datum *nv = ARENA_ARRAY(a, Datum, ref->natts + 1);
        bool *nn = ARENA_ARRAY(a, bool, ref->natts + 1);
        if (fk_fetch_row(ref, new_tid, true, a, nv, nn)) {
            if (fk_key_of(fk, fk->ref_cols, nv, nn, new_key)) {
                if (keys_equal(x, x->ref_key, new_key)) {
                    arena_destroy(a);
                    return;
                }
            } else if (action == 'c') {
                action = 'n'; /* the new key has a null: nothing can refer to it */
            }
        }
    }
    x->rel =
        rel_open(fk->rel, action == 'a' || action == 'r' ? LOCK_ROW_SHARE : LOCK_ROW_EXCLUSIVE);
    x->values = ARENA_ARRAY(a, Datum, x->rel->natts + 1);
    x->nulls = ARENA_ARRAY(a, bool, x->rel->natts + 1);
    bool possible = true;
    for (int i = 0; i < fk->n && possible; i++) {
        Oid to = x->rel->cols[fk->cols[i] - 1].type;
        x->key[i] = x->ref_key[i];
        possible = fk_convert(a, ref->cols[fk->ref_cols[i] - 1].type, to, &x->key[i]);
        if (possible)
            key_col_init(&x->cols[i], a, 0, to, to, x->rel->cols[fk->cols[i] - 1].collation);
    }
    if (possible) {
        if (action == 'a' || action == 'r') {
            if (action == 'r' || !key_is_back(x))
                visit_referencing(x, found_referencing);
        } else {
            change_rows(x, action, new_key);
            /* Rows whose default is the old key still refer to it, unchanged, so nothing else looks at them. */
            if (action == 'd') {
                txn_command_increment();
                if (!key_is_back(x))
                    visit_referencing(x, found_referencing);
            }
        }
    }
    arena_destroy(a);
}
