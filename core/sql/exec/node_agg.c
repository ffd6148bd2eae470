/*
 * Aggregation: plain, over sorted input, or hashed, and grouping sets (a hash table for each).
 *
 * Hashed: a batch's rows find their groups, whose states lie behind the group's row in the table; then
 * each aggregate takes the whole batch, scattering into the states. When the table has outgrown its
 * memory no new groups are made: rows of groups it does not have go to partition files by their hash,
 * and each partition is aggregated after the groups in memory have been given.
 */
#include "core/sql/exec/agg.h"

#define PARTITION_BITS 4
#define PARTITIONS (1 << PARTITION_BITS)

typedef struct Partition { TempFile *file; int level; struct Partition *next; } Partition;

typedef struct AggNode {
    ExecNode n;
    const AggPlan *p;
    int nkeys; KeyCol *keys; int *key_cols;
    int ngroup; int *group_cols;      /* child columns kept with a group: the keys, then dependent ones */
    int naggs; AggCall *calls;
    size_t state_bytes;
    ExprEnv arg_env;                  /* over the child's batch */
    Batch *group_batch;               /* what targets see as VAR_OUTER */
    Batch *group_rows;
    Vec *regs;
    char **states;                    /* by row */
    uint64_t *hash;
    uint16_t *rows;
    const Vec **cols;
    Arena *state_arena;               /* what states point at */
    bool has_ordered;
    int phase;
    /* hashed */
    int ntables; RowTable *tables;    /* one, or one for each grouping set */
    int **in_set;                     /* by set, key: is it grouped by */
    int cur_table; Row *at;
    bool frozen; int level;           /* table is full: other groups' rows go to files */
    Partition *todo, *targets[PARTITIONS];
    Arena *file_arena;
    int nstored; int *stored_cols; RowShape stored; /* child columns that are needed again */
    Batch *file_batch; Batch *stored_batch; Arena *read_arena; TempFile *reading;
    /* plain, sorted */
    Row *group;
    RowShape group_shape;
    Arena *group_arena;
    Batch *in; int k;
    Row **done; int ndone;
} AggNode;

enum { AGG_START, AGG_FILL, AGG_EMIT, AGG_END };

/* ---- states ---- */

static void
init_group(AggNode *a, Row *r)
{
    for (int i = 0; i < a->naggs; i++)
        agg_init_state(&a->calls[i], row_extra(r));
}

/* ---- giving groups ---- */

static Batch *
emit_rows(AggNode *a, Row **rows, int n, const int *in_set, bool finished)
{
    ExecNode *e = &a->n;

    for (int c = 0; c < a->ngroup; c++)
        a->group_rows->cols[c].has_nulls = false;
    rows_to_lanes(&a->group_shape, rows, n, a->group_rows->cols, 0, NULL);
    for (int c = 0; c < a->ngroup; c++)
        a->group_batch->cols[a->group_cols[c]] = a->group_rows->cols[c];
    for (int i = 0; i < a->naggs; i++) {
        Vec *v = &a->regs[i];
        v->has_nulls = false;
        for (int k = 0; k < n; k++) {
            bool isnull;
            if (a->calls[i].ordered && !finished)
                agg_finish_ordered(&a->calls[i], row_extra(rows[k]), a->ntables == 0);
            Datum d = agg_final(&a->calls[i], row_extra(rows[k]), e->arena, &isnull);
            if (isnull)
                vec_set_null(v, k);
            else
                v->v[k] = d;
        }
    }
    e->env.grouping = in_set;
    e->env.in[ENV_OUTER] = a->group_batch;
    return node_filter_project(e, n, n, NULL);
}

/* ---- plain and sorted ---- */

static void
new_group(AggNode *a, const Batch *b, int row)
{
    for (int c = 0; c < a->ngroup; c++)
        a->cols[c] = b ? &b->cols[a->group_cols[c]] : &vec_null_const;
    a->group = row_form_ptrs(a->group_arena, &a->group_shape, a->cols, row, a->state_bytes);
    init_group(a, a->group);
}

static void
step_all(AggNode *a, int n, const uint16_t *sel)
{
    for (int i = 0; i < a->naggs; i++) {
        AggCall *c = &a->calls[i];
        const uint16_t *rows = sel;
        int m = agg_prepare(c, n, sel, &rows);
        if (m == 0)
            continue;
        if (c->ordered)
            agg_keep_sorter(c, m, rows);
        else
            agg_step(c, row_extra(a->group), m, rows);
    }
}

static Batch *
plain_next(AggNode *a)
{
    ExecNode *n = &a->n;
    Batch *b;

    if (a->phase == AGG_END)
        return NULL;
    arena_reset(a->group_arena);
    arena_reset(a->state_arena);
    a->group = NULL;
    while ((b = node_next(n->left)) != NULL) {
        CHECK_INTERRUPTS();
        arena_reset(a->arg_env.arena);
        a->arg_env.in[ENV_OUTER] = b;
        if (a->group == NULL)
            new_group(a, b, batch_row(b, 0));
        step_all(a, b->nsel, b->sel);
    }
    if (a->group == NULL)
        new_group(a, NULL, 0);
    a->phase = AGG_END;
    arena_reset(n->arena);
    return emit_rows(a, &a->group, 1, NULL, false);
}

static bool
in_group(const AggNode *a, const Batch *b, int row)
{
    const Datum *lanes = row_lanes(&a->group_shape, a->group);

    for (int k = 0; k < a->nkeys; k++) {
        const Vec *v = &b->cols[a->key_cols[k]];
        bool x = row_null(a->group, k), y = vec_null(v, row);
        if (x != y || (!x && !key_equal(&a->keys[k], lanes[k], vec_get(v, row))))
            return false;
    }
    return true;
}

/* The group that is complete goes to the list of those to be given. An ordered aggregate has one sorter
 * only: it is finished with now. */
static void
close_group(AggNode *a)
{
    if (a->group == NULL)
        return;
    for (int i = 0; i < a->naggs; i++)
        if (a->calls[i].ordered)
            agg_finish_ordered(&a->calls[i], row_extra(a->group), true);
    a->done[a->ndone++] = a->group;
    a->group = NULL;
}

static Batch *
emit_done(AggNode *a)
{
    int n = a->ndone;

    a->ndone = 0;
    arena_reset(a->n.arena);
    return n > 0 ? emit_rows(a, a->done, n, NULL, true) : NULL;
}

static Batch *
sorted_next(AggNode *a)
{
    ExecNode *n = &a->n;
    Batch *out;

    for (;;) {
        if (a->phase == AGG_END)
            return NULL;
        if (a->group == NULL && a->ndone == 0) {
            arena_reset(a->group_arena);
            arena_reset(a->state_arena);
        }
        if (a->in == NULL || a->k >= a->in->nsel) {
            CHECK_INTERRUPTS();
            a->in = node_next(n->left);
            a->k = 0;
            if (a->in == NULL) {
                close_group(a);
                a->phase = AGG_END;
                if ((out = emit_done(a)) != NULL)
                    return out;
                return NULL;
            }
            arena_reset(a->arg_env.arena);
            a->arg_env.in[ENV_OUTER] = a->in;
        }
        /* the run of rows from k on that belong to one group */
        int from = a->k;
        if (a->group == NULL)
            new_group(a, a->in, batch_row(a->in, from));
        while (a->k < a->in->nsel && in_group(a, a->in, batch_row(a->in, a->k)))
            a->k++;
        if (a->k > from) {
            int m = a->k - from;
            const uint16_t *sel = a->in->sel ? a->in->sel + from : a->rows;
            if (a->in->sel == NULL)
                for (int i = 0; i < m; i++)
                    a->rows[i] = (uint16_t)(from + i);
            step_all(a, m, sel);
        }
        if (a->k < a->in->nsel) {
            close_group(a);
            if (a->ndone == BATCH_ROWS && (out = emit_done(a)) != NULL)
                return out;
        }
    }
}

/* ---- hashed ---- */

static Batch *
next_input(AggNode *a)
{
    Row *rows[BATCH_ROWS];
    int n = 0;

    if (a->reading == NULL)
        return node_next(a->n.left);
    arena_reset(a->read_arena);
    while (n < BATCH_ROWS && (rows[n] = row_read(a->reading, &a->stored, a->read_arena)) != NULL)
        n++;
    if (n == 0)
        return NULL;
    rows_to_batch(&a->stored, rows, n, a->stored_batch, NULL);
    for (int c = 0; c < a->nstored; c++)
        a->file_batch->cols[a->stored_cols[c]] = a->stored_batch->cols[c];
    a->file_batch->n = a->file_batch->nsel = n;
    a->file_batch->sel = NULL;
    return a->file_batch;
}

static void
spill_row(AggNode *a, const Batch *b, int row, uint64_t hash)
{
    int part = (int)(hash >> (64 - PARTITION_BITS * (a->level + 1))) & (PARTITIONS - 1);
    const Vec *cols[MAX_COLUMNS + 8];
    Partition *p = a->targets[part];

    if (p == NULL) {
        p = a->targets[part] = ARENA_NEW(a->file_arena, Partition);
        p->file = temp_file_create(a->file_arena);
        p->level = a->level + 1;
        p->next = a->todo;
        a->todo = p;
    }
    for (int c = 0; c < a->nstored; c++)
        cols[c] = &b->cols[a->stored_cols[c]];
    ArenaMark m = arena_mark(a->read_arena);
    row_write(p->file, &a->stored, row_form_ptrs(a->read_arena, &a->stored, cols, row, 0));
    arena_release(a->read_arena, m);
}

/* Finds the groups of a batch's rows in one table; rows without one (spilled) are left out. */
static int
find_groups(AggNode *a, RowTable *t, const Batch *b, const int *in_set)
{
    int k = 0;

    for (int c = 0; c < a->ngroup; c++)
        a->cols[c] =
            in_set && (c >= a->nkeys || !in_set[c]) ? &vec_null_const : &b->cols[a->group_cols[c]];
    keys_hash(a->keys, a->nkeys, a->cols, true, b->nsel, b->sel, a->hash);
    FOR_ROWS (row, b->nsel, b->sel)
        __builtin_prefetch(&t->slots[a->hash[row] & t->mask]);
    FOR_ROWS (row, b->nsel, b->sel) {
        Row *r = row_table_find(t, a->hash[row], a->cols, row);
        if (UNLIKELY(r == NULL)) {
            if (a->frozen) {
                spill_row(a, b, row, a->hash[row]);
                continue;
            }
            r = row_table_add(t, a->hash[row], a->cols, row);
            init_group(a, r);
        }
        a->states[row] = row_extra(r);
        a->rows[k++] = (uint16_t)row;
    }
    return k;
}

static void
fill_table(AggNode *a, RowTable *t, const Batch *b, const int *in_set)
{
    int n = find_groups(a, t, b, in_set);

    if (n == 0)
        return;
    for (int i = 0; i < a->naggs; i++) {
        AggCall *c = &a->calls[i];
        const uint16_t *rows = a->rows;
        int m = agg_prepare(c, n, n == b->n && b->sel == NULL ? NULL : a->rows, &rows);
        if (m == 0)
            continue;
        if (c->ordered)
            agg_keep_rows(c, a->states, m,
                          rows == a->rows && n == b->n && b->sel == NULL ? NULL : rows);
        else
            agg_scatter(c, a->states, m,
                        rows == a->rows && n == b->n && b->sel == NULL ? NULL : rows);
    }
}

static void
fill(AggNode *a)
{
    uint64_t limit = (uint64_t)work_mem_kb * 1024 * 2;

    arena_reset(a->state_arena);
    for (int t = 0; t < a->ntables; t++)
        row_table_clear(&a->tables[t]);
    a->frozen = false;
    memset(a->targets, 0, sizeof(a->targets));
    for (Batch *b; (b = next_input(a)) != NULL;) {
        CHECK_INTERRUPTS();
        arena_reset(a->arg_env.arena);
        a->arg_env.in[ENV_OUTER] = b;
        for (int t = 0; t < a->ntables; t++)
            fill_table(a, &a->tables[t], b, a->in_set ? a->in_set[t] : NULL);
        if (!a->frozen && a->in_set == NULL && a->level < 12 &&
            a->tables[0].bytes + arena_bytes(a->state_arena) > limit)
            a->frozen = true;
    }
    /* a grouping set of no columns has its one group even without rows */
    for (int t = 0; t < a->ntables && a->in_set; t++) {
        bool empty = true;
        for (int k = 0; k < a->nkeys; k++)
            empty &= !a->in_set[t][k];
        if (!empty || a->tables[t].count > 0)
            continue;
        for (int c = 0; c < a->ngroup; c++)
            a->cols[c] = &vec_null_const;
        init_group(a, row_table_add(&a->tables[t], 1, a->cols, 0));
    }
    if (a->n.stats) {
        uint64_t kb = (a->tables[0].bytes + arena_bytes(a->state_arena)) / 1024;
        if (kb > a->n.stats->hash_kb)
            a->n.stats->hash_kb = kb;
    }
    a->cur_table = 0;
    a->at = a->tables[0].first;
}

static Batch *
hashed_next(AggNode *a)
{
    Row *rows[BATCH_ROWS];

    for (;;) {
        switch (a->phase) {
        case AGG_START:
            a->reading = NULL;
            a->level = 0;
            a->todo = NULL;
            a->phase = AGG_FILL;
            break;
        case AGG_FILL:
            fill(a);
            a->phase = AGG_EMIT;
            break;
        case AGG_EMIT: {
            int n = 0;
            const int *in_set = a->in_set ? a->in_set[a->cur_table] : NULL;
            for (; a->at && n < BATCH_ROWS; a->at = a->at->next)
                rows[n++] = a->at;
            if (n > 0) {
                arena_reset(a->n.arena);
                Batch *out = emit_rows(a, rows, n, in_set, false);
                if (out)
                    return out;
                break;
            }
            if (a->cur_table + 1 < a->ntables) {
                a->at = a->tables[++a->cur_table].first;
                break;
            }
            if (a->reading)
                temp_file_close(a->reading);
            a->reading = NULL;
            if (a->todo == NULL) {
                a->phase = AGG_END;
                break;
            }
            a->reading = a->todo->file;
            a->level = a->todo->level;
            a->todo = a->todo->next;
            temp_file_rewind(a->reading);
            a->phase = AGG_FILL;
            break;
        }
        default:
            return NULL;
        }
    }
}

/* ---- the node ---- */

static Batch *
agg_next(ExecNode *n)
{
    AggNode *a = (AggNode *)n;

    if (!n->opened) {
        n->opened = true;
        a->phase = AGG_START;
        a->in = NULL;
        a->group = NULL;
        a->ndone = 0;
        for (int i = 0; i < a->naggs; i++)
            if (a->calls[i].ordered)
                sorter_clear(a->calls[i].sorter);
    }
    if (a->ntables > 0)
        return hashed_next(a);
    return a->p->strategy == AGG_SORTED ? sorted_next(a) : plain_next(a);
}

static void
agg_rescan(ExecNode *n)
{
    n->opened = false;
    node_rescan(n->left);
}

static void
agg_close(ExecNode *n)
{
    AggNode *a = (AggNode *)n;

    for (int t = 0; t < a->ntables; t++)
        row_table_clear(&a->tables[t]);
    arena_reset(a->state_arena);
    arena_reset(a->group_arena);
    arena_reset(a->read_arena);
    arena_reset(a->file_arena);
    a->reading = NULL;
    a->todo = NULL;
}

typedef struct MarkOutside { bool *used; int n; } MarkOutside;

static bool
mark_outside(void *node, void *arg)
{
    MarkOutside *m = arg;

    if (IS(node, Aggref) || IS(node, GroupingFunc))
        return false;
    if (IS(node, Var)) {
        const Var *v = node;
        if (v->rel == VAR_OUTER && v->attno > 0 && v->attno <= m->n)
            m->used[v->attno - 1] = true;
        return false;
    }
    return node_walk_children(node, mark_outside, arg, false);
}

static void
mark_outside_aggs(const Expr *e, bool *used, int n)
{
    MarkOutside m = {used, n};

    mark_outside((void *)e, &m);
}

static void
init_group_columns(AggNode *a, bool *used, int nchild, const Oid *child_types)
{
    Exec *x = a->n.x;
    bool *own = ARENA_ARRAY(x->arena, bool, nchild + 1);
    Oid *types = ARENA_ARRAY(x->arena, Oid, nchild + a->nkeys + 1);

    a->group_cols = ARENA_ARRAY(x->arena, int, nchild + a->nkeys + 1);
    for (int k = 0; k < a->nkeys; k++) {
        a->group_cols[a->ngroup] = a->key_cols[k];
        types[a->ngroup++] = child_types[a->key_cols[k]];
    }
    /* Columns of targets and HAVING outside of aggregates that are no keys: dependent on them. */
    for (int i = 0; i < list_count(a->n.plan->targets); i++)
        mark_outside_aggs(((const TargetEntry *)list_at(a->n.plan->targets, i))->expr, own, nchild);
    for (int i = 0; i < list_count(a->n.plan->quals); i++)
        mark_outside_aggs(list_at(a->n.plan->quals, i), own, nchild);
    for (int c = 0; c < nchild; c++) {
        bool key = false;
        for (int k = 0; k < a->nkeys; k++)
            key |= a->key_cols[k] == c;
        if (own[c] && !key) {
            a->group_cols[a->ngroup] = c;
            types[a->ngroup++] = child_types[c];
        }
    }
    row_shape_init(&a->group_shape, x->arena, a->ngroup, types);
    for (int c = 0; c < a->ngroup; c++)
        used[a->group_cols[c]] = true;
    a->group_rows = batch_new(x->arena, a->ngroup);
    a->group_batch = ARENA_NEW(x->arena, Batch);
    a->group_batch->ncols = nchild;
    a->group_batch->cols = ARENA_ARRAY(x->arena, Vec, nchild + 1);
    for (int c = 0; c < nchild; c++)
        a->group_batch->cols[c] = vec_null_const;
    a->cols = ARENA_ARRAY(x->arena, const Vec *, a->ngroup + 1);
    if (a->p->strategy == AGG_HASHED || a->p->grouping_sets) {
        a->ntables = a->p->grouping_sets ? list_count(a->p->grouping_sets) : 1;
        a->tables = ARENA_ARRAY(x->arena, RowTable, a->ntables);
        for (int t = 0; t < a->ntables; t++)
            row_table_init(&a->tables[t], x->arena, a->ngroup, types, a->keys, a->nkeys,
                           a->state_bytes);
    }
    if (a->p->grouping_sets) {
        a->in_set = ARENA_ARRAY(x->arena, int *, a->ntables);
        for (int t = 0; t < a->ntables; t++) {
            const IntList *s = list_at(a->p->grouping_sets, t);
            a->in_set[t] = ARENA_ARRAY(x->arena, int, a->nkeys + 1);
            for (int i = 0; i < ints_count(s); i++)
                a->in_set[t][s->items[i]] = 1;
        }
    }
}

static void
init_calls(AggNode *a)
{
    Exec *x = a->n.x;

    a->arg_env = a->n.env;
    a->arg_env.arena = arena_create(x->arena, "aggregate arguments");
    a->state_arena = arena_create(x->arena, "aggregate states");
    a->naggs = list_count(a->p->aggs);
    a->calls = ARENA_ARRAY(x->arena, AggCall, a->naggs + 1);
    a->regs = ARENA_ARRAY(x->arena, Vec, a->naggs + 1);
    for (int i = 0; i < a->naggs; i++) {
        const Aggref *ref = list_at(a->p->aggs, i);
        AggCall *c = &a->calls[ref->index];
        agg_call_init(c, &a->arg_env, ref);
        c->ctx.arena = a->state_arena;
        env_vec(&a->n.env, &a->regs[ref->index]);
    }
    for (int i = 0; i < a->naggs; i++) {
        a->calls[i].offset = a->state_bytes;
        a->state_bytes += agg_state_bytes(&a->calls[i]);
        a->has_ordered |= a->calls[i].ordered;
    }
    a->n.env.regs = a->regs;
}

static void
init_stored(AggNode *a, const bool *used, int nchild, const Oid *child_types)
{
    Exec *x = a->n.x;
    Oid *types = ARENA_ARRAY(x->arena, Oid, nchild + 1);

    a->stored_cols = ARENA_ARRAY(x->arena, int, nchild + 1);
    for (int c = 0; c < nchild; c++)
        if (used[c]) {
            types[a->nstored] = child_types[c];
            a->stored_cols[a->nstored++] = c;
        }
    row_shape_init(&a->stored, x->arena, a->nstored, types);
    a->stored_batch = batch_new(x->arena, a->nstored);
    a->file_batch = ARENA_NEW(x->arena, Batch);
    a->file_batch->ncols = nchild;
    a->file_batch->cols = ARENA_ARRAY(x->arena, Vec, nchild + 1);
    for (int c = 0; c < nchild; c++)
        a->file_batch->cols[c] = vec_null_const;
    a->read_arena = arena_create(x->arena, "aggregate input");
    a->file_arena = arena_create(x->arena, "aggregate partitions");
}

ExecNode *
node_agg_create(Exec *x, const Plan *p)
{
    AggNode *a = node_new_exec(x, p, sizeof(*a), agg_next);
    int nchild = list_count(p->left->targets);
    Oid *child_types = ARENA_ARRAY(x->arena, Oid, nchild + 1);
    bool *used = ARENA_ARRAY(x->arena, bool, nchild + 1);

    a->p = (const AggPlan *)p;
    a->n.rescan = agg_rescan;
    a->n.close = agg_close;
    a->n.left = node_create(x, p->left);
    node_types(p->left, child_types);
    a->nkeys = list_count(a->p->keys);
    a->keys = ARENA_ARRAY(x->arena, KeyCol, a->nkeys + 1);
    a->key_cols = ARENA_ARRAY(x->arena, int, a->nkeys + 1);
    for (int k = 0; k < a->nkeys; k++) {
        const SortKey *s = list_at(a->p->keys, k);
        a->key_cols[k] = s->column - 1;
        key_col_init(&a->keys[k], x->arena, s->eq_op, s->type, s->type, s->collation);
    }
    a->n.env.group_keys = a->p->keys;
    init_calls(a);
    exprs_mark_columns(a->p->aggs, VAR_OUTER, used, nchild);
    init_group_columns(a, used, nchild, child_types);
    init_stored(a, used, nchild, child_types);
    a->states = ARENA_ARRAY(x->arena, char *, BATCH_ROWS);
    a->hash = ARENA_ARRAY(x->arena, uint64_t, BATCH_ROWS);
    a->rows = env_rows(&a->n.env);
    a->group_arena = arena_create(x->arena, "groups");
    a->done = ARENA_ARRAY(x->arena, Row *, BATCH_ROWS);
    a->n.env.in[ENV_OUTER] = a->group_batch;
    node_compile(&a->n);
    if (a->n.identity)
        for (int i = 0; i < a->n.ntargets; i++)
            a->n.targets[i] =
                expr_compile(&a->n.env, ((const TargetEntry *)list_at(p->targets, i))->expr);
    a->n.identity = false;
    return &a->n;
}
