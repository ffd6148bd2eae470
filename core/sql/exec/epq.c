/*
 * Rechecks after a concurrent update (READ COMMITTED): would the newest version of a row still be in the
 * result, and with which values? The plan is built a second time; in this copy a scan of a relation whose
 * row is given delivers just that version (if it meets the scan's conditions), all other scans run as
 * before under the statement's snapshot. The first row that comes out is the answer.
 */
#include "core/sql/exec/exec_internal.h"

struct EpqState {
    Exec *main;
    Exec x;               /* shares parameters, subplans and relations with the real one */
    const Plan *plan;
    ExecNode *root;
};

EpqState *
epq_create(Exec *x, const Plan *plan)
{
    EpqState *e = ARENA_NEW(x->arena, EpqState);

    e->main = x;
    e->plan = plan;
    return e;
}

const EpqRow *
epq_row_of(const Exec *x, int rel)
{
    for (int i = 0; i < x->nepq_rows; i++)
        if (x->epq_rows[i].rel == rel)
            return &x->epq_rows[i];
    return NULL;
}

static void
close_all(EpqState *e)
{
    for (int i = 0; i < e->x.nnodes; i++)
        node_close(e->x.all_nodes[i]);
}

const Batch *
epq_run(EpqState *e, const EpqRow *rows, int n)
{
    Exec *m = e->main;

    if (e->root == NULL) {
        e->x = *m;
        e->x.epq = e;
        e->x.all_nodes = NULL;
        e->x.nnodes = e->x.nodes_cap = 0;
        e->x.stats = NULL;
        e->root = node_create(&e->x, e->plan);
        /* what the copy's compilation added to shared tables belongs to both */
        m->externs = e->x.externs;
        m->nextern = e->x.nextern;
        m->plan_params = e->x.plan_params;
        m->nplan_params = e->x.nplan_params;
        m->plan_params_cap = e->x.plan_params_cap;
        m->nworktables = e->x.nworktables;
    } else {
        close_all(e);
    }
    e->x.run_id = m->run_id;
    e->x.snapshot = m->snapshot;
    e->x.command = m->command;
    e->x.running = true;
    e->x.epq_rows = rows;
    e->x.nepq_rows = n;
    return node_next(e->root);
}

void
epq_end(EpqState *e, bool aborting)
{
    if (e == NULL || e->root == NULL)
        return;
    e->x.aborting = aborting;
    close_all(e);
    e->x.aborting = false;
}
