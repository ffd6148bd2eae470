/*
 * INTERSECT and EXCEPT, with ALL or without: a hash table of distinct rows that counts how often each
 * comes on the left and on the right.
 */
#include "core/sql/exec/exec_internal.h"

typedef struct Counts { int64_t left, right; } Counts;

typedef struct SetOpNode_ {
    ExecNode n;
    RowTable table;
    KeyCol *keys; int ncols;
    uint64_t *hash;
    Batch *rows;
    Row *at; int64_t copies; /* of the row at hand still to be given */
} SetOpExec;

static void
take(SetOpExec *s, ExecNode *child, bool left)
{
    const SetOpPlan *p = (const SetOpPlan *)s->n.plan;
    const Vec *cols[MAX_COLUMNS];

    for (Batch *b; (b = node_next(child)) != NULL;) {
        CHECK_INTERRUPTS();
        for (int c = 0; c < s->ncols; c++)
            cols[c] = &b->cols[c];
        keys_hash(s->keys, s->ncols, cols, true, b->nsel, b->sel, s->hash);
        FOR_ROWS (row, b->nsel, b->sel) {
            Row *r = row_table_find(&s->table, s->hash[row], cols, row);
            if (r == NULL) {
                if (!left && p->op != SETOP_UNION)
                    continue;
                r = row_table_add(&s->table, s->hash[row], cols, row);
            }
            Counts *k = (Counts *)row_extra(r);
            if (left)
                k->left++;
            else
                k->right++;
        }
    }
}

static int64_t
result_copies(const SetOpPlan *p, const Row *r)
{
    const Counts *k = (const Counts *)row_extra(r);

    switch (p->op) {
    case SETOP_INTERSECT: return p->all ? MIN(k->left, k->right) : k->left > 0 && k->right > 0;
    case SETOP_EXCEPT: return p->all ? MAX(k->left - k->right, 0) : k->left > 0 && k->right == 0;
    default: return p->all ? k->left + k->right : 1;
    }
}

static Batch *
setop_next(ExecNode *n)
{
    SetOpExec *s = (SetOpExec *)n;
    const SetOpPlan *p = (const SetOpPlan *)n->plan;
    Row *rows[BATCH_ROWS];
    int m = 0;

    if (!n->opened) {
        n->opened = true;
        row_table_clear(&s->table);
        take(s, n->left, true);
        take(s, n->right, false);
        s->at = s->table.first;
        s->copies = s->at ? result_copies(p, s->at) : 0;
    }
    while (s->at && m < BATCH_ROWS) {
        if (s->copies > 0) {
            rows[m++] = s->at;
            s->copies--;
            continue;
        }
        s->at = s->at->next;
        s->copies = s->at ? result_copies(p, s->at) : 0;
    }
    if (m == 0)
        return NULL;
    rows_to_batch(&s->table.shape, rows, m, s->rows, NULL);
    return s->rows;
}

static void
setop_rescan(ExecNode *n)
{
    n->opened = false;
    node_rescan(n->left);
    node_rescan(n->right);
}

static void
setop_close(ExecNode *n)
{
    row_table_clear(&((SetOpExec *)n)->table);
}

ExecNode *
node_setop_create(Exec *x, const Plan *p)
{
    SetOpExec *s = node_new_exec(x, p, sizeof(*s), setop_next);
    const List *keys = ((const SetOpPlan *)p)->keys;

    s->n.rescan = setop_rescan;
    s->n.close = setop_close;
    s->n.left = node_create(x, p->left);
    s->n.right = node_create(x, p->right);
    s->ncols = list_count(p->targets);
    s->keys = ARENA_ARRAY(x->arena, KeyCol, s->ncols + 1);
    Oid *types = ARENA_ARRAY(x->arena, Oid, s->ncols + 1);
    node_types(p, types);
    for (int i = 0; i < s->ncols; i++) {
        const SortKey *k = i < list_count(keys) ? list_at(keys, i) : NULL;
        key_col_init(&s->keys[i], x->arena, k ? k->eq_op : 0, types[i], types[i],
                     k ? k->collation : 0);
    }
    row_table_init(&s->table, x->arena, s->ncols, types, s->keys, s->ncols, sizeof(Counts));
    s->hash = ARENA_ARRAY(x->arena, uint64_t, BATCH_ROWS);
    s->rows = batch_new(x->arena, s->ncols);
    return &s->n;
}
