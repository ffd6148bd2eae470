/*
 * The error of building a unique index over rows that are not unique: the key's names and values, taken
 * from one of the rows, for an index entry does not always tell its values.
 */
#include "core/access/toast/toast.h"
#include "core/sql/command/command_internal.h"

static void
index_values(IndexDesc *x, RelDesc *heap, const Datum *row, const bool *nulls, Datum *out, bool *outnull)
{
    if (x->expr_trees && index_expr_hook) {
        index_expr_hook(x, heap, row, nulls, out, outnull);
        return;
    }
    for (int i = 0; i < x->nkeys; i++) {
        out[i] = row[x->attnums[i] - 1];
        outnull[i] = nulls[x->attnums[i] - 1];
    }
}

static void
unique_build_violation(BtreeIndex *ix, ItemPtr tid)
{
    Arena *a = txn_current_arena();
    RelDesc *index = rel_open(ix->oid, LOCK_ACCESS_SHARE);
    IndexDesc *x = index->index;
    RelDesc *heap = rel_open(x->heap, LOCK_ACCESS_SHARE);
    Datum *row = ARENA_ARRAY(a, Datum, heap->natts + 1), out[MAX_INDEX_KEYS];
    bool *nulls = ARENA_ARRAY(a, bool, heap->natts + 1), outnull[MAX_INDEX_KEYS], dead;
    StrBuf names, values;
    Buf buf;
    Tuple t;

    if (!heap_fetch(&heap->heap, tid, snapshot_latest(), &buf, &t, &dead))
        return;
    for (int i = 0; i < heap->natts; i++) {
        nulls[i] = heap->cols[i].dropped;
        Datum d = nulls[i] ? 0 : tuple_get(heap->heap.layout, t.bytes, t.size, i + 1, &nulls[i]);
        if (!nulls[i])
            row[i] = datum_copy(a, d, heap->cols[i].byval, heap->cols[i].len);
    }
    rbuf_unpin(buf);
    for (int i = 0; i < heap->natts; i++)
        if (!nulls[i] && !heap->cols[i].byval && heap->cols[i].len < 0 && (var_is_external(datum_ptr(row[i])) || (!var_is_short(datum_ptr(row[i])) && var_is_compressed(datum_ptr(row[i])))))
            row[i] = toast_fetch(a, row[i]);
    index_values(x, heap, row, nulls, out, outnull);
    str_init(&names, a);
    str_init(&values, a);
    List *exprs = x->expr_trees ? node_read_list(a, x->expr_trees) : NULL;
    for (int i = 0, e = 0; i < x->nkeys; i++) {
        FnCtx c = {.arena = a, .state_arena = a, .ret_type = index->cols[i].type, .ret_typmod = -1};
        str_printf(&names, "%s%s", i ? ", " : "", x->attnums[i] ? heap->cols[x->attnums[i] - 1].name : sql_deparse_expr(a, list_at(exprs, e++), heap, false));
        str_add(&values, i ? ", " : "");
        if (outnull[i])
            str_add(&values, "null");
        else
            type_info(index->cols[i].type)->ops->out(&c, out[i], &values);
    }
    RAISE_ERR(SQLSTATE_UNIQUE_VIOLATION, err_message("could not create unique index \"%s\"", ix->name),
              err_detail("Key (%s)=(%s) is duplicated.", names.data, values.data), err_object(heap->nsp_name, heap->name, NULL, NULL, ix->name));
}

void
unique_build_register(void)
{
    btree_unique_build_violation_at = unique_build_violation;
    rel_drop_hook = relation_drop_check;
}
