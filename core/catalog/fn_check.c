/*
 * bt_index_check, bt_index_parent_check, verify_heapam: signatures, answers and errors of PostgreSQL's amcheck.
 *
 * bt_index_check goes beside writers. bt_index_parent_check keeps them off and compares the levels with
 * each other; every key of a leaf then lies within the bounds that its parents give it, which is what
 * PostgreSQL's third argument (find each from the root again) finds out, so that is looked at in any case.
 */
#include "core/access/btree/btree.h"
#include "core/base/interrupt.h"
#include "core/catalog/fn_util.h"

static void
require_superuser(FnCtx *c)
{
    if (!role_is_superuser(current_user_oid))
        RAISE(SQLSTATE_INSUFFICIENT_PRIVILEGE, "permission denied for function %s", fn_info(c->fn_oid)->name);
}

/* ---- B-trees ---- */

static void
refuse_what_is_no_btree(FnCtx *c, Oid oid)
{
    const CatRow *r = cat_get_by_oid(CAT_PG_CLASS, oid);

    if (!r)
        INTERNAL_ERROR("could not open relation with OID %u", oid);
    const char *name = cat_name(c->arena, r, PG_CLASS_RELNAME);
    char kind = cat_char(r, PG_CLASS_RELKIND);
    if (kind != 'i' && kind != 'I')
        RAISE(SQLSTATE_WRONG_OBJECT_TYPE, "\"%s\" is not an index", name);
    if (kind == 'I' || cat_oid(r, PG_CLASS_RELAM) != 403u)
        RAISE_ERR(SQLSTATE_FEATURE_NOT_SUPPORTED, err_message("only B-Tree indexes are supported as targets for verification"),
                  err_detail("Relation \"%s\" is not a B-Tree index.", name));
    Oid nsp = cat_oid(r, PG_CLASS_RELNAMESPACE);
    if (nsp_is_any_temp(nsp) && !nsp_is_temp(nsp))
        RAISE_ERR(SQLSTATE_FEATURE_NOT_SUPPORTED, err_message("cannot access temporary tables of other sessions"),
                  err_detail("Index \"%s\" is associated with temporary relation.", name));
}

static void
check_index(FnCtx *c, const Datum *args, LockMode lock, void (*check)(BtreeIndex *, HeapRel *))
{
    Oid oid = datum_oid(args[0]);
    bool all_indexed = c->nargs > 1 && datum_bool(args[1]);

    require_superuser(c);
    refuse_what_is_no_btree(c, oid);
    const CatRow *row = cat_get(IDX_PG_INDEX_INDEXRELID_INDEX, oid_datum(oid), 0, 0, 0);
    if (!row)
        INTERNAL_ERROR("cache lookup failed for index %u", oid);
    RelDesc *heap = rel_open(cat_oid(row, PG_INDEX_INDRELID), lock); /* the table first, as everybody does */
    IndexDesc *ix = index_open(oid, lock);
    const char *name = rel_cached(oid)->name;
    if (!ix->valid)
        RAISE_ERR(SQLSTATE_FEATURE_NOT_SUPPORTED, err_message("cannot check index \"%s\"", name), err_detail("Index is not valid."));
    if (all_indexed && ix->predicate_tree)
        RAISE_ERR(SQLSTATE_FEATURE_NOT_SUPPORTED, err_message("cannot check index \"%s\" against its table", name),
                  err_detail("heapallindexed is not supported for partial indexes."));
    check(ix->btree, all_indexed ? &heap->heap : NULL);
}

Datum
fnc_bt_index_check(FnCtx *c, const Datum *args, bool *isnull)
{
    check_index(c, args, LOCK_ACCESS_SHARE, btree_check_online);
    return 0;
}

Datum
fnc_bt_index_parent_check(FnCtx *c, const Datum *args, bool *isnull)
{
    check_index(c, args, LOCK_SHARE, btree_check);
    return 0;
}

/* ---- heaps ---- */

enum { ARG_RELATION, ARG_STOP, ARG_TOAST, ARG_SKIP, ARG_START, ARG_END };
enum { SKIP_NONE, SKIP_ALL_VISIBLE, SKIP_ALL_FROZEN };

static void
add_finding(void *arg, BlockNo block, OffsetNo off, int attnum, const char *text)
{
    FnRows *rows = arg;
    Datum *v;
    bool *n;

    fn_rows_add(rows, &v, &n);
    ROW_SET(0, int64_datum((int64_t)block));
    ROW_SET(1, int32_datum((int32_t)off));
    if (attnum >= 0)
        ROW_SET(2, int32_datum(attnum));
    ROW_TEXT(3, text);
}

static void
refuse_nulls(FnCtx *c)
{
    static const char *const names[] = {"relation", "on_error_stop", "check_toast", "skip"};

    for (int i = 0; i < (int)COUNT_OF(names); i++)
        if (c->argnull[i])
            RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "%s cannot be null", names[i]);
}

static int
skip_option(const char *text)
{
    if (str_casecmp_ascii(text, "all-visible") == 0)
        return SKIP_ALL_VISIBLE;
    if (str_casecmp_ascii(text, "all-frozen") == 0)
        return SKIP_ALL_FROZEN;
    if (str_casecmp_ascii(text, "none") != 0)
        RAISE_ERR(SQLSTATE_INVALID_PARAMETER_VALUE, err_message("invalid skip option"),
                  err_hint("Valid skip options are \"all-visible\", \"all-frozen\", and \"none\"."));
    return SKIP_NONE;
}

static BlockNo
block_argument(FnCtx *c, const Datum *args, int i, BlockNo blocks, BlockNo otherwise, const char *what)
{
    if (c->argnull[i])
        return otherwise;
    int64_t block = datum_int64(args[i]);
    if (block < 0 || block >= (int64_t)blocks)
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "%s block number must be between 0 and %u", what, blocks - 1);
    return (BlockNo)block;
}

static RelDesc *
open_heap(Oid oid)
{
    RelDesc *r = rel_open(oid, LOCK_ACCESS_SHARE);
    static const struct { char kind; const char *plural; } others[] = {
        {'i', "indexes"}, {'I', "partitioned indexes"}, {'v', "views"}, {'p', "partitioned tables"},
        {'c', "composite types"}, {'f', "foreign tables"}};

    for (size_t i = 0; i < COUNT_OF(others); i++)
        if (r->kind == others[i].kind)
            RAISE_ERR(SQLSTATE_WRONG_OBJECT_TYPE, err_message("cannot check relation \"%s\"", r->name),
                      err_detail("This operation is not supported for %s.", others[i].plural));
    return r;
}

static void
verify(FnRows *rows, FnCtx *c, const Datum *args)
{
    refuse_nulls(c);
    int skip = skip_option(var_to_cstring(rows->arena, args[ARG_SKIP]));
    RelDesc *r = open_heap(datum_oid(args[ARG_RELATION]));
    BlockNo blocks = heap_blocks(&r->heap);
    Buf vm = BUF_INVALID;

    if (blocks == 0)
        return;
    BlockNo first = block_argument(c, args, ARG_START, blocks, 0, "starting");
    BlockNo last = block_argument(c, args, ARG_END, blocks, blocks - 1, "ending");
    for (BlockNo b = first; b <= last && b != BLOCK_INVALID; b++) {
        CHECK_INTERRUPTS();
        if (r->kind == 'S') { /* a page of its own kind: that it can be read is what there is to check */
            rbuf_unpin(rbuf_read(r->heap.locator, FORK_MAIN, b));
            continue;
        }
        if (skip != SKIP_NONE && heap_verify_skips(&r->heap, b, skip == SKIP_ALL_FROZEN, &vm))
            continue;
        if (heap_verify_block(&r->heap, b, datum_bool(args[ARG_TOAST]), add_finding, rows) > 0 && datum_bool(args[ARG_STOP]))
            break;
    }
    vm_release(&vm);
}

bool
setc_verify_heapam(FnCtx *c, const Datum *args, Datum *out, bool *outnull)
{
    FnRows *rows;

    require_superuser(c);
    rows = fn_rows_begin(c, 4);
    if (rows)
        verify(rows, c, args);
    return fn_rows_next(c, out, outnull);
}
