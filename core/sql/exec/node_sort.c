/*
 * Sort, Material, Unique (and Group), Merge Append. Sort and Material keep what they have made for as
 * long as no parameter below them changes: a rescan is then a rewind.
 */
#include "core/sql/exec/exec_internal.h"

static size_t
work_mem_bytes(void)
{
    return (size_t)work_mem_kb * 1024;
}

/* The child's columns as they are. */
static void
pass_init(ExecNode *n)
{
    int ncols = list_count(n->plan->left->targets);

    n->out.ncols = ncols;
    n->out.cols = ARENA_ARRAY(n->x->arena, Vec, ncols + 1);
    n->sel = env_rows(&n->env);
}

/* ---- Sort ---- */

typedef struct SortNode {
    ExecNode n;
    RowShape shape;
    Sorter *sorter;
    SortCol *cols; int ncols;
    Batch *rows;
    bool sorted;
    uint64_t stamp;
} SortNode;

static void
do_sort(SortNode *s)
{
    ExecNode *n = &s->n;
    const SortPlan *p = (const SortPlan *)n->plan;

    sorter_clear(s->sorter);
    sorter_set_bound(s->sorter, p->bound > 0 && p->bound < 1e9 ? (uint64_t)p->bound : 0);
    for (Batch *b; (b = node_next(n->left)) != NULL;) {
        sorter_put_batch(s->sorter, b);
        CHECK_INTERRUPTS();
    }
    sorter_finish(s->sorter);
    s->sorted = true;
    s->stamp = plan_stamp(n->x, n->plan->left);
    if (n->stats) {
        bool disk;
        n->stats->sort_kb = (sorter_bytes(s->sorter, &disk, &n->stats->sort_method) + 1023) / 1024;
    }
}

static Batch *
sort_next(ExecNode *n)
{
    SortNode *s = (SortNode *)n;

    if (!n->opened) {
        n->opened = true;
        if (!s->sorted)
            do_sort(s);
    }
    CHECK_INTERRUPTS();
    int m =
        sorter_read(s->sorter, s->rows, n->want > 0 ? MIN(n->want, BATCH_ROWS) : BATCH_ROWS, NULL);
    return m > 0 ? s->rows : NULL;
}

static void
sort_rescan(ExecNode *n)
{
    SortNode *s = (SortNode *)n;

    if (!s->sorted)
        return;
    if (s->stamp == plan_stamp(n->x, n->plan->left)) {
        sorter_rewind(s->sorter);
    } else {
        s->sorted = false;
        n->opened = false;
        node_rescan(n->left);
    }
}

static void
sort_close(ExecNode *n)
{
    SortNode *s = (SortNode *)n;

    s->sorted = false;
    sorter_clear(s->sorter);
}

ExecNode *
node_sort_create(Exec *x, const Plan *p)
{
    SortNode *s = node_new_exec(x, p, sizeof(*s), sort_next);
    const SortPlan *sp = (const SortPlan *)p;

    s->n.rescan = sort_rescan;
    s->n.close = sort_close;
    s->n.left = node_create(x, p->left);
    row_shape_of_targets(&s->shape, x->arena, p->left->targets);
    s->ncols = list_count(sp->keys);
    s->cols = ARENA_ARRAY(x->arena, SortCol, s->ncols + 1);
    sort_cols_of_keys(s->cols, sp->keys);
    s->sorter = sorter_create(x->arena, &s->shape, s->cols, s->ncols, work_mem_bytes());
    s->rows = batch_new(x->arena, s->shape.ncols);
    return &s->n;
}

/* ---- Material ---- */

typedef struct MaterialNode {
    ExecNode n;
    RowShape shape;
    Store *store;
    StoreReader reader;
    Batch *rows;
    bool at_end;      /* of the child */
    uint64_t stamp;
} MaterialNode;

static Batch *
material_next(ExecNode *n)
{
    MaterialNode *m = (MaterialNode *)n;

    if (!n->opened) {
        n->opened = true;
        store_clear(m->store);
        m->at_end = false;
        m->reader.at = 0;
        m->stamp = plan_stamp(n->x, n->plan->left);
    }
    CHECK_INTERRUPTS();
    if (store_count(m->store) <= m->reader.at) {
        if (m->at_end)
            return NULL;
        Batch *b = node_next(n->left);
        if (b == NULL) {
            m->at_end = true;
            return NULL;
        }
        store_put_batch(m->store, b);
        m->reader.at = store_count(m->store);
        return b; /* the first time the rows come straight from the child */
    }
    return store_read(&m->reader, m->rows, BATCH_ROWS, NULL) > 0 ? m->rows : NULL;
}

static void
material_rescan(ExecNode *n)
{
    MaterialNode *m = (MaterialNode *)n;

    if (!n->opened)
        return;
    m->reader.at = 0;
    if (m->stamp != plan_stamp(n->x, n->plan->left)) {
        n->opened = false;
        node_rescan(n->left);
    }
}

static void
material_close(ExecNode *n)
{
    store_clear(((MaterialNode *)n)->store);
}

ExecNode *
node_material_create(Exec *x, const Plan *p)
{
    MaterialNode *m = node_new_exec(x, p, sizeof(*m), material_next);

    m->n.rescan = material_rescan;
    m->n.close = material_close;
    m->n.left = node_create(x, p->left);
    row_shape_of_targets(&m->shape, x->arena, p->left->targets);
    m->store = store_create(x->arena, &m->shape);
    store_reader_init(&m->reader, m->store, x->arena);
    m->rows = batch_new(x->arena, m->shape.ncols);
    return &m->n;
}

/* ---- Unique: the first of each run of equal rows of a sorted input ---- */

typedef struct UniqueNode {
    ExecNode n;
    int nkeys; KeyCol *keys; int *cols;
    Row *last; RowShape shape; Oid *types;
    Arena *last_arena;
    const Vec **vecs;
    bool has_last;
} UniqueNode;

static bool
same_as_last(UniqueNode *u, int row)
{
    const Datum *lanes = row_lanes(&u->shape, u->last);

    for (int k = 0; k < u->nkeys; k++) {
        bool x = row_null(u->last, k), y = vec_null(u->vecs[k], row);
        if (x != y || (!x && !key_equal(&u->keys[k], vec_get(u->vecs[k], row), lanes[k])))
            return false;
    }
    return true;
}

static bool
same_rows(UniqueNode *u, int a, int b)
{
    for (int k = 0; k < u->nkeys; k++) {
        const Vec *v = u->vecs[k];
        bool x = vec_null(v, a), y = vec_null(v, b);
        if (x != y || (!x && !key_equal(&u->keys[k], vec_get(v, a), vec_get(v, b))))
            return false;
    }
    return true;
}

static Batch *
unique_next(ExecNode *n)
{
    UniqueNode *u = (UniqueNode *)n;
    Batch *b;

    if (!n->opened) {
        n->opened = true;
        u->has_last = false;
    }
    while ((b = node_next(n->left)) != NULL) {
        int k = 0, prev = -1;
        CHECK_INTERRUPTS();
        for (int c = 0; c < u->nkeys; c++)
            u->vecs[c] = &b->cols[u->cols[c]];
        FOR_ROWS (row, b->nsel, b->sel) {
            bool same = prev >= 0 ? same_rows(u, prev, row) : u->has_last && same_as_last(u, row);
            if (!same)
                n->sel[k++] = (uint16_t)row;
            prev = row;
        }
        arena_reset(u->last_arena);
        u->last = row_form_ptrs(u->last_arena, &u->shape, u->vecs, prev, 0);
        u->has_last = true;
        if (k == 0)
            continue;
        memcpy(n->out.cols, b->cols, sizeof(Vec) * (size_t)n->out.ncols);
        n->out.n = b->n;
        n->out.nsel = k;
        n->out.sel = n->sel;
        return &n->out;
    }
    return NULL;
}

static void
unique_rescan(ExecNode *n)
{
    n->opened = false;
    node_rescan(n->left);
}

ExecNode *
node_unique_create(Exec *x, const Plan *p)
{
    UniqueNode *u = node_new_exec(x, p, sizeof(*u), unique_next);
    const List *keys = ((const SortPlan *)p)->keys;

    u->n.rescan = unique_rescan;
    u->n.left = node_create(x, p->left);
    pass_init(&u->n);
    u->nkeys = list_count(keys);
    u->keys = ARENA_ARRAY(x->arena, KeyCol, u->nkeys + 1);
    u->cols = ARENA_ARRAY(x->arena, int, u->nkeys + 1);
    u->types = ARENA_ARRAY(x->arena, Oid, u->nkeys + 1);
    u->vecs = ARENA_ARRAY(x->arena, const Vec *, u->nkeys + 1);
    for (int i = 0; i < u->nkeys; i++) {
        const SortKey *k = list_at(keys, i);
        u->cols[i] = k->column - 1;
        u->types[i] = k->type;
        key_col_init(&u->keys[i], x->arena, k->eq_op, k->type, k->type, k->collation);
    }
    row_shape_init(&u->shape, x->arena, u->nkeys, u->types);
    u->last_arena = arena_create(x->arena, "last row");
    return &u->n;
}

/* ---- Merge Append: sorted inputs by their byte keys ---- */

typedef struct MergeChild { ExecNode *node; Batch *b; int at; StrBuf key; } MergeChild;
typedef struct MergeAppendNode {
    ExecNode n;
    int count; MergeChild *children;
    SortCol *cols; int ncols;
    Batch *rows;
    bool *byval; int16_t *len;
} MergeAppendNode;

static void
merge_advance(MergeAppendNode *m, MergeChild *c)
{
    const Vec *cols[MAX_COLUMNS + 8];

    if (c->b == NULL || ++c->at >= c->b->nsel) {
        c->b = node_next(c->node);
        c->at = 0;
    }
    if (c->b == NULL)
        return;
    for (int i = 0; i < c->b->ncols; i++)
        cols[i] = &c->b->cols[i];
    str_reset(&c->key);
    sort_key_encode(m->cols, m->ncols, cols, batch_row(c->b, c->at), &c->key);
}

static Batch *
merge_append_next(ExecNode *n)
{
    MergeAppendNode *m = (MergeAppendNode *)n;
    int k = 0;

    if (!n->opened) {
        n->opened = true;
        for (int i = 0; i < m->count; i++) {
            m->children[i].b = NULL;
            merge_advance(m, &m->children[i]);
        }
    }
    arena_reset(n->arena);
    for (int c = 0; c < m->rows->ncols; c++)
        m->rows->cols[c].has_nulls = false;
    for (; k < n->env.lanes; k++) {
        MergeChild *best = NULL;
        for (int i = 0; i < m->count; i++) {
            MergeChild *c = &m->children[i];
            if (c->b == NULL)
                continue;
            if (best) {
                int r = memcmp(c->key.data, best->key.data, MIN(c->key.len, best->key.len));
                if (r > 0 || (r == 0 && c->key.len >= best->key.len))
                    continue;
            }
            best = c;
        }
        if (best == NULL)
            break;
        int row = batch_row(best->b, best->at);
        for (int c = 0; c < m->rows->ncols; c++) {
            if (vec_null(&best->b->cols[c], row))
                vec_set_null(&m->rows->cols[c], k);
            else
                m->rows->cols[c].v[k] =
                    datum_copy(n->arena, vec_get(&best->b->cols[c], row), m->byval[c], m->len[c]);
        }
        merge_advance(m, best);
    }
    CHECK_INTERRUPTS();
    if (k == 0)
        return NULL;
    m->rows->n = m->rows->nsel = k;
    return m->rows;
}

static void
merge_append_rescan(ExecNode *n)
{
    MergeAppendNode *m = (MergeAppendNode *)n;

    n->opened = false;
    for (int i = 0; i < m->count; i++)
        node_rescan(m->children[i].node);
}

ExecNode *
node_merge_append_create(Exec *x, const Plan *p)
{
    MergeAppendNode *m = node_new_exec(x, p, sizeof(*m), merge_append_next);
    const AppendPlan *ap = (const AppendPlan *)p;
    int ncols = list_count(p->targets);

    m->n.rescan = merge_append_rescan;
    m->count = list_count(ap->children);
    m->children = ARENA_ARRAY(x->arena, MergeChild, m->count + 1);
    for (int i = 0; i < m->count; i++) {
        m->children[i].node = node_create(x, list_at(ap->children, i));
        str_init(&m->children[i].key, x->arena);
    }
    m->ncols = list_count(ap->keys);
    m->cols = ARENA_ARRAY(x->arena, SortCol, m->ncols + 1);
    sort_cols_of_keys(m->cols, ap->keys);
    m->rows = batch_new(x->arena, ncols);
    m->byval = ARENA_ARRAY(x->arena, bool, ncols + 1);
    m->len = ARENA_ARRAY(x->arena, int16_t, ncols + 1);
    for (int c = 0; c < ncols; c++)
        type_physical(((const TargetEntry *)list_at(p->targets, c))->expr->type, &m->len[c],
                      &m->byval[c]);
    return &m->n;
}
