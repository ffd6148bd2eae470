/*
 * Nested loop: for each outer row, the inner plan run with that row's values as parameters. The inner
 * batch is tested as a whole against the one outer row. Matches are collected over outer rows, so that an
 * inner side that finds one row a time still gives full batches; large inner batches go on directly.
 */
#include "core/sql/exec/join.h"

#define DIRECT_FROM 64 /* matches of one inner batch that go on without being copied */

typedef struct NestLoopNode {
    JoinExec j;
    int nparams; Prim **values; const Vec **argv; /* nest_values over the outer batch */
    ExprEnv value_env;
    Batch *ob;              /* current outer batch */
    int ok;                 /* index among its selected rows */
    bool in_row, matched;   /* an outer row is being joined; it has matched */
    bool inner_ran;
    Batch row;              /* the outer row as constants */
    Datum *row_lanes; uint64_t *row_nulls;
    int acc;                /* pairs collected; -1: handed out, to be cleared */
    uint16_t *hits;
    int nleft; Batch *left_batch; /* matches that did not fit with the pairs before them */
    bool at_end;
    bool *inner_byval; int16_t *inner_len;
} NestLoopNode;

static void
take_outer_row(NestLoopNode *s)
{
    int row = batch_row(s->ob, s->ok);

    for (int c = 0; c < s->j.nouter; c++) {
        Vec *v = &s->row.cols[c];
        if (!s->j.outer_used[c])
            continue;
        v->has_nulls = vec_null(&s->ob->cols[c], row);
        s->row_nulls[c] = v->has_nulls;
        s->row_lanes[c] = v->has_nulls ? 0 : vec_get(&s->ob->cols[c], row);
    }
    for (int i = 0; i < s->nparams; i++) {
        bool isnull = vec_null(s->argv[i], row);
        exec_param_set(s->j.n.x, (int)s->j.p->nest_params->items[i],
                       isnull ? 0 : vec_get(s->argv[i], row), isnull, false);
    }
}

/* The outer row joined with rows hits[0..m) of the inner batch (NULL: with nulls), added to the pairs. */
static void
collect(NestLoopNode *s, const Batch *ib, const uint16_t *hits, int m)
{
    for (int c = 0; c < s->j.nouter; c++) {
        if (!s->j.outer_used[c])
            continue;
        Vec *v = &s->j.outer->cols[c];
        bool isnull = s->row_nulls[c] != 0;
        for (int i = 0; i < m; i++) {
            if (isnull)
                vec_set_null(v, s->acc + i);
            else
                v->v[s->acc + i] = s->row_lanes[c];
        }
    }
    for (int c = 0; c < s->j.ninner; c++) {
        if (!s->j.inner_used[c])
            continue;
        Vec *v = &s->j.inner->cols[c];
        const Vec *from = ib ? &ib->cols[c] : &vec_null_const;
        for (int i = 0; i < m; i++) {
            int row = ib ? hits[i] : 0;
            if (vec_null(from, row))
                vec_set_null(v, s->acc + i);
            else
                v->v[s->acc + i] = datum_copy(s->j.n.arena, vec_get(from, row), s->inner_byval[c],
                                              s->inner_len[c]);
        }
    }
    s->acc += m;
}

static void
clear_pairs(NestLoopNode *s)
{
    s->acc = 0;
    arena_reset(s->j.n.arena);
    for (int c = 0; c < s->j.nouter; c++)
        s->j.outer->cols[c].has_nulls = false;
    for (int c = 0; c < s->j.ninner; c++)
        s->j.inner->cols[c].has_nulls = false;
}

static Batch *
flush(NestLoopNode *s)
{
    ExecNode *n = &s->j.n;
    int m = s->acc;

    s->acc = -1; /* to be cleared before the next pair */
    n->env.in[ENV_OUTER] = s->j.outer;
    n->env.in[ENV_INNER] = s->j.inner;
    return node_filter_project(n, m, m, NULL);
}

static bool
next_outer_row(NestLoopNode *s, bool *flush_first)
{
    ExecNode *n = &s->j.n;

    *flush_first = false;
    if (s->ob && s->ok + 1 < s->ob->nsel) {
        s->ok++;
    } else {
        if (s->ob && s->acc > 0) { /* the pairs point into the outer batch */
            *flush_first = true;
            return false;
        }
        s->ob = node_next(n->left);
        s->ok = 0;
        if (s->ob == NULL)
            return false;
        s->value_env.in[ENV_OUTER] = s->ob;
        arena_reset(s->value_env.arena);
        for (int i = 0; i < s->nparams; i++)
            s->argv[i] = prim_eval(s->values[i], s->ob->nsel, s->ob->sel);
    }
    take_outer_row(s);
    if (s->inner_ran)
        node_rescan(n->right);
    s->inner_ran = true;
    s->in_row = true;
    s->matched = false;
    return true;
}

/* Rows of the inner batch that join with the outer row, into s->hits. */
static int
match(NestLoopNode *s, Batch *ib)
{
    if (s->j.join_quals == NULL) {
        rows_all(s->hits, ib->nsel, ib->sel);
        return ib->nsel;
    }
    arena_reset(s->j.qual_env.arena);
    s->j.qual_env.in[ENV_OUTER] = &s->row;
    s->j.qual_env.in[ENV_INNER] = ib;
    return prim_filter(s->j.join_quals, ib->nsel, ib->sel, s->hits);
}

static Batch *
nest_loop_next(ExecNode *n)
{
    NestLoopNode *s = (NestLoopNode *)n;
    const int kind = s->j.kind;
    const bool one = kind == JOIN_SEMI || s->j.p->inner_unique;
    Batch *out;

    if (!n->opened) {
        n->opened = true;
        s->ob = NULL;
        s->in_row = s->at_end = s->inner_ran = false;
        s->acc = -1;
        s->nleft = 0;
    }
    const int cap = n->want > 0 ? MIN(n->want, n->env.lanes) : n->env.lanes;
    for (;;) {
        if (s->acc < 0)
            clear_pairs(s);
        if (s->acc >= cap) {
            if ((out = flush(s)) != NULL)
                return out;
            continue;
        }
        if (s->nleft > 0) { /* the pairs before them have gone: none is collected now */
            collect(s, s->left_batch, s->hits, s->nleft);
            s->nleft = 0;
            continue;
        }
        if (!s->in_row) {
            bool flush_first = false;
            if (s->at_end)
                return NULL;
            if (!next_outer_row(s, &flush_first)) {
                s->at_end = !flush_first;
                if (s->acc > 0 && (out = flush(s)) != NULL)
                    return out;
                continue;
            }
        }
        Batch *ib = node_next(n->right);
        if (ib == NULL) {
            s->in_row = false;
            if (!s->matched && (kind == JOIN_LEFT || kind == JOIN_ANTI))
                collect(s, NULL, NULL, 1);
            CHECK_INTERRUPTS();
            continue;
        }
        int m = match(s, ib);
        if (m == 0)
            continue;
        s->matched = true;
        if (one || kind == JOIN_ANTI) {
            s->in_row = false; /* one match is enough */
            if (kind != JOIN_ANTI)
                collect(s, ib, s->hits, 1);
        } else if (s->acc == 0 && m >= DIRECT_FROM) {
            n->env.in[ENV_OUTER] = &s->row;
            n->env.in[ENV_INNER] = ib;
            s->acc = -1;
            out = node_filter_project(n, ib->n, m, s->hits);
            if (out)
                return out;
        } else if (s->acc + m > n->env.lanes) {
            /* what does not fit waits; the inner batch stays as it is meanwhile */
            int fit = n->env.lanes - s->acc;
            collect(s, ib, s->hits, fit);
            memmove(s->hits, s->hits + fit, (size_t)(m - fit) * sizeof(uint16_t));
            s->nleft = m - fit;
            s->left_batch = ib;
        } else {
            collect(s, ib, s->hits, m);
        }
    }
}

static void
nest_loop_rescan(ExecNode *n)
{
    NestLoopNode *s = (NestLoopNode *)n;

    if (!n->opened)
        return;
    node_rescan(n->left);
    s->ob = NULL;
    s->in_row = s->at_end = false;
    s->acc = -1;
    s->nleft = 0;
}

ExecNode *
node_nest_loop_create(Exec *x, const Plan *p)
{
    NestLoopNode *s = node_new_exec(x, p, sizeof(*s), nest_loop_next);
    const JoinPlan *jp = (const JoinPlan *)p;
    int nouter = list_count(p->left->targets), ninner = list_count(p->right->targets);

    s->j.n.rescan = nest_loop_rescan;
    s->nparams = ints_count(jp->nest_params);
    for (int i = 0; i < s->nparams; i++) {
        ExecParam *pr = &x->params[jp->nest_params->items[i]];
        type_physical(((const Expr *)list_at(jp->nest_values, i))->type, &pr->len, &pr->byval);
        pr->typed = true;
    }
    join_init(&s->j, jp);
    s->value_env = s->j.n.env;
    s->value_env.arena = arena_create(x->arena, "join parameters");
    s->values = expr_compile_list(&s->value_env, jp->nest_values);
    s->argv = ARENA_ARRAY(x->arena, const Vec *, s->nparams + 1);
    s->hits = env_rows(&s->j.n.env);
    s->row.ncols = nouter;
    s->row.cols = ARENA_ARRAY(x->arena, Vec, nouter + 1);
    s->row_lanes = ARENA_ARRAY(x->arena, Datum, nouter + 1);
    s->row_nulls = ARENA_ARRAY(x->arena, uint64_t, nouter + 1);
    for (int c = 0; c < nouter; c++)
        s->row.cols[c] = (Vec){.v = &s->row_lanes[c], .nulls = &s->row_nulls[c], .is_const = true};
    s->inner_byval = ARENA_ARRAY(x->arena, bool, ninner + 1);
    s->inner_len = ARENA_ARRAY(x->arena, int16_t, ninner + 1);
    for (int c = 0; c < ninner; c++)
        type_physical(s->j.inner_types[c], &s->inner_len[c], &s->inner_byval[c]);
    if (jp->join_kind == JOIN_RIGHT || jp->join_kind == JOIN_FULL)
        INTERNAL_ERROR("a nested loop cannot do this kind of join");
    return &s->j.n;
}
