/*
 * Hash join. The inner side is built (hash_build.c), the outer side probes it a batch at a time: hashes
 * over all lanes, bucket heads fetched ahead, then the chains walked. Pairs whose keys are equal are
 * gathered into lanes and tested, filtered and projected as a batch. Semi and anti joins without further
 * conditions only select outer rows.
 */
#include "core/sql/exec/hash_build.h"
#include "core/sql/exec/join.h"

typedef struct HashJoinNode {
    JoinExec j;
    HashBuild h;
    int nkeys; KeyCol *keys;
    Prim **outer_keys, **inner_keys;
    ExprEnv build_env;                /* over the inner child's batch */
    const Vec **okeys;                /* of the current outer batch */
    int nstored; int *stored_cols;    /* inner columns kept behind the keys */
    const Vec **build_cols;
    bool *store_needed;               /* columns of a stored row that are given on */
    Vec *stored_vecs;                 /* by stored column: where it goes; keys alone: nowhere */
    bool built; uint64_t stamp;
    /* outer rows that wait in files */
    RowShape outer_shape; bool *outer_needed;
    Batch *file_batch; Arena *file_arena;
    /* probing */
    Batch *ob; const uint16_t *osel; int on; /* rows of the batch to be probed */
    uint16_t *probe_rows;
    uint64_t *hash;
    Row **head;                        /* by outer row: the next candidate */
    int at;                            /* index into the probed rows */
    uint64_t matched[BATCH_ROWS / 64]; /* outer rows that have matched */
    bool keep_matched;
    uint16_t *pair_outer; Row **pair_row; int npairs;
    uint16_t *pair_sel, *unmatched;
    int phase;
    uint64_t bucket; Row *chain;       /* unmatched inner rows: where we are */
    Row *null_keys;                    /* RIGHT, FULL: inner rows with a null key */
    Arena *null_arena;
    Row **null_rows;
} HashJoinNode;

enum {
    PHASE_OUTER,
    PHASE_PROBE,
    PHASE_UNMATCHED_OUTER,
    PHASE_UNMATCHED_INNER,
    PHASE_NULL_KEYS,
    PHASE_NEXT,
    PHASE_END
};

static bool
keeps_inner(const HashJoinNode *s)
{
    return s->j.kind == JOIN_RIGHT || s->j.kind == JOIN_FULL;
}
static bool
keeps_outer(const HashJoinNode *s)
{
    return s->j.kind == JOIN_LEFT || s->j.kind == JOIN_FULL || s->j.kind == JOIN_ANTI;
}

/* ---- build ---- */

static void
build(HashJoinNode *s)
{
    ExecNode *n = &s->j.n;
    uint64_t hash[BATCH_ROWS];

    hash_build_clear(&s->h);
    arena_reset(s->null_arena);
    s->null_keys = NULL;
    for (Batch *b; (b = node_next(n->right)) != NULL;) {
        arena_reset(s->build_env.arena);
        s->build_env.in[ENV_INNER] = b;
        for (int k = 0; k < s->nkeys; k++)
            s->build_cols[k] = prim_eval(s->inner_keys[k], b->nsel, b->sel);
        for (int c = 0; c < s->nstored; c++)
            s->build_cols[s->nkeys + c] = &b->cols[s->stored_cols[c]];
        keys_hash(s->keys, s->nkeys, s->build_cols, false, b->nsel, b->sel, hash);
        FOR_ROWS (row, b->nsel, b->sel) {
            bool null = false;
            for (int k = 0; k < s->nkeys; k++)
                null |= vec_null(s->build_cols[k], row);
            if (!null) {
                hash_build_add(&s->h, s->build_cols, row, hash[row]);
            } else if (keeps_inner(s)) {
                Row *r = row_form_ptrs(s->null_arena, &s->h.shape, s->build_cols, row, 0);
                r->next = s->null_keys;
                s->null_keys = r;
            }
        }
        CHECK_INTERRUPTS();
    }
    hash_build_finish(&s->h);
    s->built = true;
    s->stamp = plan_stamp(n->x, n->plan->right);
    if (n->stats) {
        n->stats->hash_kb = s->h.peak / 1024;
        n->stats->hash_batches = (uint64_t)s->h.nbatch;
    }
}

static void
forget_matches(HashJoinNode *s)
{
    for (uint64_t i = 0; i <= s->h.mask && s->h.buckets; i++)
        for (Row *r = s->h.buckets[i]; r; r = r->next)
            r->flags = 0;
}

/* ---- outer batches ---- */

static bool
file_outer(HashJoinNode *s)
{
    TempFile *f = s->h.outer ? s->h.outer[s->h.current] : NULL;
    Row *rows[BATCH_ROWS];
    int n = 0;

    if (f == NULL)
        return false;
    arena_reset(s->file_arena);
    while (n < BATCH_ROWS && (rows[n] = row_read(f, &s->outer_shape, s->file_arena)) != NULL)
        n++;
    if (n == 0) {
        temp_file_close(f);
        s->h.outer[s->h.current] = NULL;
        return false;
    }
    rows_to_batch(&s->outer_shape, rows, n, s->file_batch, NULL);
    s->ob = s->file_batch;
    return true;
}

/* Rows of other batches go to their files; what stays is s->osel, s->on. */
static void
put_aside(HashJoinNode *s)
{
    Batch *b = s->ob;
    int k = 0;

    s->osel = b->sel;
    s->on = b->nsel;
    if (s->h.nbatch == 1)
        return;
    FOR_ROWS (row, b->nsel, b->sel) {
        if (hash_batch_of(&s->h, s->hash[row]) == s->h.current) {
            s->probe_rows[k++] = (uint16_t)row;
            continue;
        }
        ArenaMark m = arena_mark(s->build_env.arena);
        Row *r = row_form(s->build_env.arena, &s->outer_shape, b->cols, row, 0);
        r->hash = s->hash[row];
        hash_build_spill_outer(&s->h, &s->outer_shape, r);
        arena_release(s->build_env.arena, m);
    }
    s->osel = s->probe_rows;
    s->on = k;
}

static bool
next_outer(HashJoinNode *s)
{
    ExecNode *n = &s->j.n;

    if (s->h.current > 0) {
        if (!file_outer(s))
            return false;
    } else if ((s->ob = node_next(n->left)) == NULL) {
        return false;
    }
    arena_reset(s->j.qual_env.arena);
    s->j.qual_env.in[ENV_OUTER] = s->ob;
    for (int k = 0; k < s->nkeys; k++)
        s->okeys[k] = prim_eval(s->outer_keys[k], s->ob->nsel, s->ob->sel);
    keys_hash(s->keys, s->nkeys, s->okeys, true, s->ob->nsel, s->ob->sel, s->hash);
    put_aside(s);
    memset(s->matched, 0, sizeof(s->matched));
    s->at = 0;
    FOR_ROWS (row, s->on, s->osel)
        __builtin_prefetch(&s->h.buckets[s->hash[row] & s->h.mask]);
    FOR_ROWS (row, s->on, s->osel) {
        bool null = false;
        for (int k = 0; k < s->nkeys; k++)
            null |= vec_null(s->okeys[k], row);
        s->head[row] = null ? NULL : s->h.buckets[s->hash[row] & s->h.mask];
        __builtin_prefetch(s->head[row]);
    }
    return true;
}

/* ---- probing ---- */

static inline bool
keys_equal(const HashJoinNode *s, int row, const Row *r)
{
    const Datum *lanes = row_lanes(&s->h.shape, r);

    for (int k = 0; k < s->nkeys; k++)
        if (!key_equal(&s->keys[k], vec_get(s->okeys[k], row), lanes[k]))
            return false;
    return true;
}

static inline Row *
walk(const HashJoinNode *s, int row, Row *r)
{
    const uint64_t hash = s->hash[row];

    while (r && !(r->hash == hash && keys_equal(s, row, r)))
        r = r->next;
    return r;
}

/* Fills the pair arrays; false: the outer batch is exhausted and nothing was found. */
static bool
find_pairs(HashJoinNode *s, int cap)
{
    bool one = (s->j.kind == JOIN_SEMI || s->j.p->inner_unique) && s->j.join_quals == NULL;
    int n = 0;

    while (s->at < s->on && n < cap) {
        int row = s->osel ? s->osel[s->at] : s->at;
        Row *r = walk(s, row, s->head[row]);
        if (r == NULL || (s->j.kind == JOIN_SEMI && (s->matched[row >> 6] >> (row & 63) & 1))) {
            s->at++;
            continue;
        }
        s->pair_outer[n] = (uint16_t)row;
        s->pair_row[n++] = r;
        s->head[row] = r->next;
        if (one)
            s->at++;
    }
    s->npairs = n;
    return n > 0;
}

static void
gather_outer(HashJoinNode *s)
{
    for (int c = 0; c < s->j.nouter; c++) {
        if (!s->j.outer_used[c])
            continue;
        Vec *to = &s->j.outer->cols[c];
        const Vec *from = &s->ob->cols[c];
        to->has_nulls = false;
        if (from->is_const) {
            for (int i = 0; i < s->npairs; i++)
                to->v[i] = from->v[0];
        } else {
            for (int i = 0; i < s->npairs; i++)
                to->v[i] = from->v[s->pair_outer[i]];
        }
        if (from->has_nulls)
            for (int i = 0; i < s->npairs; i++)
                if (vec_null(from, s->pair_outer[i]))
                    vec_set_null(to, i);
    }
}

/* The stored columns of pair_row[] to the inner side's lanes. */
static void
gather_inner(HashJoinNode *s, Row *const *rows, int n)
{
    for (int c = 0; c < s->nstored; c++)
        s->j.inner->cols[s->stored_cols[c]].has_nulls = false;
    rows_to_lanes(&s->h.shape, rows, n, s->stored_vecs, 0, s->store_needed);
    for (int c = 0; c < s->nstored; c++)
        s->j.inner->cols[s->stored_cols[c]].has_nulls = s->stored_vecs[s->nkeys + c].has_nulls;
}

static void
clear_stored(HashJoinNode *s)
{
    for (int c = 0; c < s->nstored; c++)
        s->stored_vecs[s->nkeys + c].has_nulls = false;
}

static Batch *
emit_pairs(HashJoinNode *s)
{
    ExecNode *n = &s->j.n;
    const uint16_t *sel = NULL;
    int m = s->npairs;

    gather_outer(s);
    clear_stored(s);
    gather_inner(s, s->pair_row, s->npairs);
    if (s->j.join_quals) {
        s->j.qual_env.in[ENV_OUTER] = s->j.outer;
        s->j.qual_env.in[ENV_INNER] = s->j.inner;
        m = prim_filter(s->j.join_quals, m, NULL, s->pair_sel);
        s->j.qual_env.in[ENV_OUTER] = s->ob;
        sel = s->pair_sel;
    }
    if (s->keep_matched) {
        int k = 0;
        for (int i = 0; i < m; i++) {
            int pair = sel ? sel[i] : i, row = s->pair_outer[pair];
            bool seen = s->matched[row >> 6] >> (row & 63) & 1;
            s->matched[row >> 6] |= UINT64_C(1) << (row & 63);
            if (!(seen && s->j.kind == JOIN_SEMI))
                s->pair_sel[k++] = (uint16_t)pair;
        }
        if (s->j.kind == JOIN_SEMI) {
            m = k;
            sel = s->pair_sel;
        }
    }
    if (keeps_inner(s))
        for (int i = 0; i < m; i++)
            s->pair_row[sel ? sel[i] : i]->flags |= ROW_MATCHED;
    if (m == 0 || s->j.kind == JOIN_ANTI)
        return NULL;
    n->env.in[ENV_OUTER] = s->j.outer;
    n->env.in[ENV_INNER] = s->j.inner;
    return node_filter_project(n, s->npairs, m, sel);
}

/* Semi and anti joins by equality alone: a selection of the outer batch. */
static Batch *
emit_selected(HashJoinNode *s)
{
    ExecNode *n = &s->j.n;
    bool want = s->j.kind == JOIN_SEMI;
    int k = 0;

    FOR_ROWS (row, s->on, s->osel) {
        if ((walk(s, row, s->head[row]) != NULL) == want)
            s->unmatched[k++] = (uint16_t)row;
    }
    s->at = s->on;
    if (k == 0)
        return NULL;
    n->env.in[ENV_OUTER] = s->ob;
    n->env.in[ENV_INNER] = s->j.no_inner;
    return node_filter_project(n, s->ob->n, k, s->unmatched);
}

static Batch *
emit_unmatched_outer(HashJoinNode *s)
{
    ExecNode *n = &s->j.n;
    int k = 0;

    FOR_ROWS (row, s->on, s->osel) {
        if (!(s->matched[row >> 6] >> (row & 63) & 1))
            s->unmatched[k++] = (uint16_t)row;
    }
    if (k == 0)
        return NULL;
    n->env.in[ENV_OUTER] = s->ob;
    n->env.in[ENV_INNER] = s->j.no_inner;
    return node_filter_project(n, s->ob->n, k, s->unmatched);
}

static Batch *
emit_inner_rows(HashJoinNode *s, int n)
{
    clear_stored(s);
    gather_inner(s, s->pair_row, n);
    s->j.n.env.in[ENV_OUTER] = s->j.no_outer;
    s->j.n.env.in[ENV_INNER] = s->j.inner;
    return node_filter_project(&s->j.n, n, n, NULL);
}

/* Inner rows that no outer row has matched; false: no more. */
static bool
unmatched_inner(HashJoinNode *s, Batch **out)
{
    int n = 0;

    *out = NULL;
    for (;;) {
        for (; s->chain && n < BATCH_ROWS; s->chain = s->chain->next)
            if (!(s->chain->flags & ROW_MATCHED))
                s->pair_row[n++] = s->chain;
        if (n == BATCH_ROWS || s->bucket > s->h.mask)
            break;
        s->chain = s->h.buckets[s->bucket++];
    }
    if (n == 0)
        return false;
    *out = emit_inner_rows(s, n);
    return true;
}

static bool
null_key_rows(HashJoinNode *s, Batch **out)
{
    int n = 0;

    for (; s->null_keys && n < BATCH_ROWS; s->null_keys = s->null_keys->next)
        s->pair_row[n++] = s->null_keys;
    *out = NULL;
    if (n == 0)
        return false;
    *out = emit_inner_rows(s, n);
    return true;
}

static void
hash_join_open(HashJoinNode *s)
{
    ExecNode *n = &s->j.n;

    n->opened = true;
    if (!s->built || s->h.nbatch > 1 || s->stamp != plan_stamp(n->x, n->plan->right)) {
        if (s->built)
            node_rescan(n->right);
        build(s);
    } else if (keeps_inner(s)) {
        forget_matches(s);
    }
    s->phase = PHASE_OUTER;
    s->ob = NULL;
}

static Batch *
hash_join_next(ExecNode *n)
{
    HashJoinNode *s = (HashJoinNode *)n;
    Batch *out = NULL;
    bool select_only =
        (s->j.kind == JOIN_SEMI || s->j.kind == JOIN_ANTI) && s->j.join_quals == NULL;

    if (!n->opened)
        hash_join_open(s);
    for (;;) {
        CHECK_INTERRUPTS();
        arena_reset(n->arena);
        switch (s->phase) {
        case PHASE_OUTER:
            if (s->h.count == 0 && s->h.nbatch == 1 &&
                (s->j.kind == JOIN_INNER || s->j.kind == JOIN_SEMI ||
                 (s->j.kind == JOIN_RIGHT && s->null_keys == NULL))) {
                s->phase = PHASE_END;
                break;
            }
            s->phase = next_outer(s) ? PHASE_PROBE : PHASE_UNMATCHED_INNER;
            s->bucket = 0;
            s->chain = NULL;
            break;
        case PHASE_PROBE:
            if (select_only) {
                s->phase = PHASE_OUTER;
                out = emit_selected(s);
            } else if (find_pairs(s, n->env.lanes)) {
                out = emit_pairs(s);
            } else {
                s->phase = keeps_outer(s) ? PHASE_UNMATCHED_OUTER : PHASE_OUTER;
            }
            break;
        case PHASE_UNMATCHED_OUTER:
            s->phase = PHASE_OUTER;
            out = emit_unmatched_outer(s);
            break;
        case PHASE_UNMATCHED_INNER:
            if (!keeps_inner(s) || !unmatched_inner(s, &out))
                s->phase = PHASE_NULL_KEYS;
            break;
        case PHASE_NULL_KEYS:
            if (!null_key_rows(s, &out))
                s->phase = PHASE_NEXT;
            break;
        case PHASE_NEXT:
            s->phase = hash_build_next_batch(&s->h) ? PHASE_OUTER : PHASE_END;
            if (s->phase == PHASE_OUTER && s->h.outer[s->h.current])
                temp_file_rewind(s->h.outer[s->h.current]);
            break;
        default:
            return NULL;
        }
        if (out)
            return out;
    }
}

static void
hash_join_rescan(ExecNode *n)
{
    HashJoinNode *s = (HashJoinNode *)n;

    if (!n->opened)
        return;
    node_rescan(n->left);
    if (s->null_keys == NULL && keeps_inner(s))
        s->stamp = 0; /* rows with null keys were used up: build again */
    n->opened = false;
}

static void
hash_join_close(ExecNode *n)
{
    HashJoinNode *s = (HashJoinNode *)n;

    if (s->built)
        hash_build_clear(&s->h);
    arena_reset(s->null_arena);
    s->built = false;
}

static void
init_keys(HashJoinNode *s, Exec *x, const JoinPlan *p)
{
    s->nkeys = list_count(p->hash_outer);
    s->keys = ARENA_ARRAY(x->arena, KeyCol, s->nkeys + 1);
    for (int k = 0; k < s->nkeys; k++) {
        const Expr *o = list_at(p->hash_outer, k), *i = list_at(p->hash_inner, k);
        Oid collation =
            ints_count(p->hash_collations) > k ? (Oid)p->hash_collations->items[k] : o->collation;
        key_col_init(&s->keys[k], x->arena, (Oid)p->hash_ops->items[k], o->type, i->type,
                     collation);
    }
    s->outer_keys = expr_compile_list(&s->j.qual_env, p->hash_outer);
    s->build_env = s->j.n.env;
    s->build_env.arena = arena_create(x->arena, "hash join keys");
    s->inner_keys = expr_compile_list(&s->build_env, p->hash_inner);
    s->okeys = ARENA_ARRAY(x->arena, const Vec *, s->nkeys + 1);
}

ExecNode *
node_hash_join_create(Exec *x, const Plan *p)
{
    HashJoinNode *s = node_new_exec(x, p, sizeof(*s), hash_join_next);
    const JoinPlan *jp = (const JoinPlan *)p;
    JoinExec *j = &s->j;

    j->n.rescan = hash_join_rescan;
    j->n.close = hash_join_close;
    join_init(j, jp);
    init_keys(s, x, jp);
    s->stored_cols = ARENA_ARRAY(x->arena, int, j->ninner + 1);
    for (int c = 0; c < j->ninner; c++)
        if (j->inner_used[c])
            s->stored_cols[s->nstored++] = c;
    int ncols = s->nkeys + s->nstored;
    Oid *types = ARENA_ARRAY(x->arena, Oid, ncols + 1);
    s->store_needed = ARENA_ARRAY(x->arena, bool, ncols + 1);
    s->stored_vecs = ARENA_ARRAY(x->arena, Vec, ncols + 1);
    s->build_cols = ARENA_ARRAY(x->arena, const Vec *, ncols + 1);
    for (int k = 0; k < s->nkeys; k++)
        types[k] = ((const Expr *)list_at(jp->hash_inner, k))->type;
    for (int c = 0; c < s->nstored; c++) {
        types[s->nkeys + c] = j->inner_types[s->stored_cols[c]];
        s->store_needed[s->nkeys + c] = true;
        s->stored_vecs[s->nkeys + c] = j->inner->cols[s->stored_cols[c]];
    }
    hash_build_init(&s->h, x->arena, ncols, types);
    row_shape_init(&s->outer_shape, x->arena, j->nouter, j->outer_types);
    s->file_batch = batch_new(x->arena, j->nouter);
    s->file_arena = arena_create(x->arena, "hash join outer rows");
    s->null_arena = arena_create(x->arena, "hash join null keys");
    s->probe_rows = env_rows(&j->n.env);
    s->pair_outer = env_rows(&j->n.env);
    s->pair_sel = env_rows(&j->n.env);
    s->unmatched = env_rows(&j->n.env);
    s->pair_row = ARENA_ARRAY(x->arena, Row *, j->n.env.lanes);
    s->head = ARENA_ARRAY(x->arena, Row *, j->n.env.lanes);
    s->hash = ARENA_ARRAY(x->arena, uint64_t, j->n.env.lanes);
    s->keep_matched = keeps_outer(s) || j->kind == JOIN_SEMI;
    return &j->n;
}
