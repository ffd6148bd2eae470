/*
 * VACUUM and ANALYZE: options, which relations, one transaction for each.
 */
#include "core/sql/command/command_internal.h"
#include "core/sql/command/vacuum.h"

static VacuumJob
job_of(const PgQuery__VacuumStmt *s)
{
    VacuumJob j = {.vacuum = s->is_vacuumcmd, .analyze = !s->is_vacuumcmd, .truncate = true, .index_cleanup = true, .freeze_min_age = -1};
    for (size_t i = 0; i < s->n_options; i++) {
        const PgQuery__DefElem *d = s->options[i]->def_elem;
        if (strcmp(d->defname, "verbose") == 0)
            j.verbose = def_bool(d);
        else if (strcmp(d->defname, "skip_locked") == 0)
            j.skip_locked = def_bool(d);
        else if (!s->is_vacuumcmd)
            RAISE_AT(SQLSTATE_SYNTAX_ERROR, d->location, "unrecognized ANALYZE option \"%s\"", d->defname);
        else if (strcmp(d->defname, "analyze") == 0)
            j.analyze = def_bool(d);
        else if (strcmp(d->defname, "freeze") == 0)
            j.freeze = def_bool(d);
        else if (strcmp(d->defname, "full") == 0)
            j.full = def_bool(d);
        else if (strcmp(d->defname, "truncate") == 0)
            j.truncate = def_bool(d);
        else if (strcmp(d->defname, "index_cleanup") == 0)
            j.index_cleanup = d->arg == NULL || strcmp(pnode_string(d->arg) ? pnode_string(d->arg) : "on", "off") != 0;
        else if (strcmp(d->defname, "disable_page_skipping") == 0 || strcmp(d->defname, "process_toast") == 0 || strcmp(d->defname, "parallel") == 0)
            continue; /* nothing to choose here: pages are not skipped unsafely, toast is always done */
        else
            RAISE_AT(SQLSTATE_SYNTAX_ERROR, d->location, "unrecognized VACUUM option \"%s\"", d->defname);
    }
    return j;
}

static List *
all_tables(Arena *a)
{
    List *out = list_new(a);
    CatScan *s = cat_scan_begin(CAT_PG_CLASS, 0, 0, NULL);
    const CatRow *row;
    while ((row = cat_scan_next(s)) != NULL) {
        char kind = (char)cat_val(row, PG_CLASS_RELKIND);
        if (kind == 'r' || kind == 'm')
            list_push(out, (void *)(uintptr_t)datum_oid(cat_val(row, PG_CLASS_OID)));
    }
    cat_scan_end(s);
    return out;
}

/*
 * VACUUM gives each table a transaction of its own, so that none holds back the horizon for the others.
 * Pending counts are moved first: vacuum's own are the truth, nothing of before may be added to them.
 */
static void
next_transaction(void)
{
    txn_commit();
    (void)stats_report(true, 0);
    txn_begin();
}

void
cmd_vacuum(CommandContext *c, const PgQuery__VacuumStmt *s)
{
    VacuumJob j = job_of(s);
    List *oids = list_new(c->arena);
    if (j.vacuum && session_hooks.require_no_block)
        session_hooks.require_no_block(c, "VACUUM");
    if (!j.analyze)
        for (size_t i = 0; i < s->n_rels; i++)
            if (s->rels[i]->vacuum_relation->n_va_cols)
                RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "ANALYZE option must be specified when a column list is provided");
    vacuum_pace_begin(vacuum_cost_delay_ms, vacuum_cost_limit);
    bool own_transactions = j.vacuum || !c->is_atomic_block;
    if (s->n_rels == 0)
        oids = all_tables(c->arena);
    for (size_t i = 0; i < s->n_rels; i++)
        list_push(oids, (void *)(uintptr_t)range_var_lookup(s->rels[i]->vacuum_relation->relation, false));
    for (int i = 0; i < oids->count; i++) {
        j.columns = NULL;
        if (s->n_rels && s->rels[i]->vacuum_relation->n_va_cols) {
            const PgQuery__VacuumRelation *vr = s->rels[i]->vacuum_relation;
            j.columns = list_new(c->arena);
            for (size_t k = 0; k < vr->n_va_cols; k++)
                list_push(j.columns, (void *)(uintptr_t)pnode_string(vr->va_cols[k]));
        }
        if (own_transactions)
            next_transaction();
        vacuum_relation(c, (Oid)(uintptr_t)oids->items[i], &j);
        CHECK_INTERRUPTS();
    }
    if (own_transactions)
        next_transaction();
    if (j.vacuum) {
        catalog_update_frozen();
        next_transaction();
    }
}
