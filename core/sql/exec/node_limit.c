/*
 * LIMIT and OFFSET, with WITH TIES: passes batches through, cutting the first and the last.
 */
#include "core/sql/exec/exec_internal.h"

typedef struct LimitNode {
    ExecNode n;
    Prim *offset, *count;
    bool ready, has_count, at_end;
    uint64_t skip, left;
    int ntie; SortCol *tie_cols; /* WITH TIES: the ordering columns */
    StrBuf last, key;            /* byte key of the last row counted */
    bool in_ties;
} LimitNode;

static void
limit_prepare(LimitNode *l)
{
    bool isnull;

    l->ready = true;
    l->at_end = l->in_ties = false;
    l->skip = 0;
    l->has_count = false;
    if (l->offset) {
        int64_t v = datum_int64(prim_value(l->offset, &isnull));
        if (!isnull && v < 0)
            RAISE(SQLSTATE_INVALID_ROW_COUNT_IN_RESULT_OFFSET_CLAUSE,
                  "OFFSET must not be negative");
        l->skip = isnull ? 0 : (uint64_t)v;
    }
    if (l->count) {
        int64_t v = datum_int64(prim_value(l->count, &isnull));
        if (!isnull && v < 0)
            RAISE(SQLSTATE_INVALID_ROW_COUNT_IN_LIMIT_CLAUSE, "LIMIT must not be negative");
        l->has_count = !isnull;
        l->left = isnull ? 0 : (uint64_t)v;
        if (l->has_count && l->left == 0)
            l->at_end = true;
    }
}

static void
row_key(LimitNode *l, const Batch *b, int row, StrBuf *out)
{
    const Vec *cols[MAX_COLUMNS + 8];

    for (int c = 0; c < b->ncols; c++)
        cols[c] = &b->cols[c];
    str_reset(out);
    sort_key_encode(l->tie_cols, l->ntie, cols, row, out);
}

/* Selected rows first..last of the batch. */
static Batch *
limit_part(LimitNode *l, Batch *in, int first, int count)
{
    ExecNode *n = &l->n;

    n->out.ncols = in->ncols;
    memcpy(n->out.cols, in->cols, sizeof(Vec) * (size_t)in->ncols);
    n->out.n = in->n;
    n->out.nsel = count;
    if (in->sel) {
        n->out.sel = in->sel + first;
    } else if (first == 0) {
        n->out.n = count;
        n->out.sel = NULL;
    } else {
        for (int i = 0; i < count; i++)
            n->sel[i] = (uint16_t)(first + i);
        n->out.sel = n->sel;
    }
    return &n->out;
}

static Batch *
limit_next(ExecNode *n)
{
    LimitNode *l = (LimitNode *)n;

    if (!l->ready)
        limit_prepare(l);
    while (!l->at_end) {
        uint64_t want = l->skip + l->left;
        n->left->want = l->has_count && !l->in_ties && want < BATCH_ROWS ? (int)want : 0;
        Batch *in = node_next(n->left);
        if (in == NULL) {
            l->at_end = true;
            break;
        }
        int first = (int)MIN(l->skip, (uint64_t)in->nsel), count = in->nsel - first;
        l->skip -= (uint64_t)first;
        if (count == 0)
            continue;
        if (!l->has_count)
            return limit_part(l, in, first, count);
        if (l->in_ties || (uint64_t)count >= l->left) {
            int take = l->in_ties ? 0 : (int)l->left;
            l->left = 0;
            if (l->ntie == 0) {
                l->at_end = true;
                return limit_part(l, in, first, take);
            }
            if (!l->in_ties)
                row_key(l, in, batch_row(in, first + take - 1), &l->last);
            l->in_ties = true;
            for (; take < count; take++) {
                row_key(l, in, batch_row(in, first + take), &l->key);
                if (l->key.len != l->last.len ||
                    memcmp(l->key.data, l->last.data, l->key.len) != 0) {
                    l->at_end = true;
                    break;
                }
            }
            if (take == 0)
                break;
            return limit_part(l, in, first, take);
        }
        l->left -= (uint64_t)count;
        return limit_part(l, in, first, count);
    }
    return NULL;
}

static void
limit_rescan(ExecNode *n)
{
    ((LimitNode *)n)->ready = false;
    node_rescan(n->left);
}

static void
limit_close(ExecNode *n)
{
    ((LimitNode *)n)->ready = false;
}

ExecNode *
node_limit_create(Exec *x, const Plan *p)
{
    LimitNode *l = node_new_exec(x, p, sizeof(*l), limit_next);
    const LimitPlan *lp = (const LimitPlan *)p;

    l->n.rescan = limit_rescan;
    l->n.close = limit_close;
    l->n.left = node_create(x, p->left);
    l->n.out.cols = ARENA_ARRAY(x->arena, Vec, list_count(p->left->targets) + 1);
    l->n.sel = env_rows(&l->n.env);
    if (lp->offset)
        l->offset = expr_compile(&l->n.env, lp->offset);
    if (lp->count)
        l->count = expr_compile(&l->n.env, lp->count);
    if (lp->option == LIMIT_WITH_TIES && list_count(lp->keys) > 0) {
        l->ntie = list_count(lp->keys);
        l->tie_cols = ARENA_ARRAY(x->arena, SortCol, l->ntie);
        sort_cols_of_keys(l->tie_cols, lp->keys);
        str_init(&l->last, x->arena);
        str_init(&l->key, x->arena);
    }
    return &l->n;
}
