/*
 * What the joins share: pairs of rows gathered into lanes of their own, and the two sides as the
 * expressions see them.
 */
#include "core/sql/exec/join.h"

void
join_init(JoinExec *j, const JoinPlan *p)
{
    ExecNode *n = &j->n;
    Exec *x = n->x;

    j->p = p;
    j->n.left = node_create(x, p->p.left);
    j->n.right = node_create(x, p->p.right);
    j->kind = p->join_kind;
    j->nouter = list_count(p->p.left->targets);
    j->ninner = list_count(p->p.right->targets);
    j->outer_used = ARENA_ARRAY(x->arena, bool, j->nouter + 1);
    j->inner_used = ARENA_ARRAY(x->arena, bool, j->ninner + 1);
    const List *lists[] = {p->p.targets, p->p.quals, p->join_quals};
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        exprs_mark_columns(lists[i], VAR_OUTER, j->outer_used, j->nouter);
        exprs_mark_columns(lists[i], VAR_INNER, j->inner_used, j->ninner);
    }
    j->outer_types = ARENA_ARRAY(x->arena, Oid, j->nouter + 1);
    j->inner_types = ARENA_ARRAY(x->arena, Oid, j->ninner + 1);
    node_types(p->p.left, j->outer_types);
    node_types(p->p.right, j->inner_types);
    j->no_inner = ARENA_NEW(x->arena, Batch);
    j->no_outer = ARENA_NEW(x->arena, Batch);
    j->no_inner->cols = ARENA_ARRAY(x->arena, Vec, j->ninner + 1);
    j->no_outer->cols = ARENA_ARRAY(x->arena, Vec, j->nouter + 1);
    for (int c = 0; c < j->ninner; c++)
        j->no_inner->cols[c] = vec_null_const;
    for (int c = 0; c < j->nouter; c++)
        j->no_outer->cols[c] = vec_null_const;
    j->outer = join_side(n, j->nouter, j->outer_used);
    j->inner = join_side(n, j->ninner, j->inner_used);
    j->n.env.in[ENV_OUTER] = j->outer;
    j->n.env.in[ENV_INNER] = j->inner;
    j->qual_env = n->env;
    j->qual_env.arena = arena_create(x->arena, "join condition");
    j->join_quals = expr_compile_quals(&j->qual_env, p->join_quals);
    node_compile(n);
    if (n->identity) /* of the outer side: no projection was compiled */
        for (int i = 0; i < n->ntargets; i++)
            n->targets[i] =
                expr_compile(&n->env, ((const TargetEntry *)list_at(p->p.targets, i))->expr);
    n->identity = false;
}

Batch *
join_side(ExecNode *n, int ncols, const bool *used)
{
    Batch *b = ARENA_NEW(n->x->arena, Batch);

    b->ncols = ncols;
    b->cols = ARENA_ARRAY(n->x->arena, Vec, ncols + 1);
    for (int c = 0; c < ncols; c++)
        if (used[c])
            env_vec(&n->env, &b->cols[c]);
    return b;
}
