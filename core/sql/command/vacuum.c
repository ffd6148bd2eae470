/*
 * VACUUM and ANALYZE: options, which relations, one transaction for each.
 */
#include "core/base/settings.h"
#include "core/sql/command/alter_internal.h"
#include "core/sql/command/stats.h"

typedef struct VacuumJob {
    bool vacuum, analyze, full, freeze, verbose, truncate, skip_locked, index_cleanup;
    List *columns; /* char *, of the one relation being analysed */
} VacuumJob;

static VacuumJob
job_of(const PgQuery__VacuumStmt *s)
{
    VacuumJob j = {.vacuum = s->is_vacuumcmd, .analyze = !s->is_vacuumcmd, .truncate = true, .index_cleanup = true};
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

static bool
may_vacuum(const RelDesc *r)
{
    return role_is_superuser(current_user_oid) || role_is_member(current_user_oid, r->owner) || (!r->shared && role_is_member(current_user_oid, object_owner(CAT_PG_DATABASE, catalog_database)));
}

static void
vacuum_heap(Arena *a, RelDesc *r, const VacuumJob *j)
{
    BtreeIndex **ix = ARENA_ARRAY(a, BtreeIndex *, r->nindexes + 1);
    int n = 0;
    for (int i = 0; i < r->nindexes; i++) {
        IndexDesc *d = index_open(r->indexes[i], LOCK_ROW_EXCLUSIVE);
        if (d->btree)
            ix[n++] = d->btree;
    }
    VacuumOptions o = {.freeze = j->freeze, .truncate = j->truncate, .verbose = j->verbose, .index_cleanup = j->index_cleanup};
    VacuumStats st = {0};
    heap_vacuum(&r->heap, ix, n, &o, &st);
    rel_update_stats(r->oid, (double)st.tuples_live, (int)st.pages, (int)st.all_visible);
    stats_report_vacuum(r->heap.db, r->oid, (int64_t)st.tuples_live, (int64_t)st.tuples_dead_kept, false);
    if (j->verbose)
        REPORT(LEVEL_INFO, SQLSTATE_SUCCESS,
               err_message("finished vacuuming \"%s.%s.%s\": index scans: %d", cat_name(a, cat_get_by_oid(CAT_PG_DATABASE, catalog_database), PG_DATABASE_DATNAME),
                           r->nsp_name, r->name, st.index_entries_removed ? 1 : 0),
               err_detail("pages: %u removed, %u remain, %u scanned\ntuples: %llu removed, %llu remain, %llu are dead but not yet removable", st.removed_pages, st.pages,
                          st.scanned, (unsigned long long)st.tuples_removed, (unsigned long long)st.tuples_live, (unsigned long long)st.tuples_dead_kept));
}

/*
 * VACUUM FULL: the live rows into new files, the indexes built anew. As an ALTER TABLE that rewrites: a
 * snapshot older than this one that comes to the table later finds the new rows not yet visible.
 */
static void
rewrite(CommandContext *c, RelDesc *r, bool verbose)
{
    AlterTable t = {.c = c, .arena = c->arena, .oid = r->oid, .new_values = list_new(c->arena), .rewrite = true};

    check_relation_busy(r->oid, "VACUUM");
    if (verbose)
        REPORT(LEVEL_INFO, SQLSTATE_SUCCESS, err_message("vacuuming \"%s.%s\"", r->nsp_name, r->name));
    snapshot_push_active(snapshot_latest());
    alter_rewrite(&t);
    snapshot_pop_active();
    RelDesc *now = rel_open_again(t.oid);
    rel_update_stats(t.oid, r->reltuples, (int)heap_blocks(&now->heap), 0);
}

/* One relation in the current transaction. */
static void
process(CommandContext *c, Oid oid, const VacuumJob *j)
{
    RelDesc *r;
    LockTag tag = lock_tag_relation(catalog_database, oid);
    bool full = j->full && oid >= OID_FIRST_USER; /* the system catalogs keep their files */
    LockMode mode = full ? LOCK_ACCESS_EXCLUSIVE : LOCK_SHARE_UPDATE_EXCLUSIVE;
    if (j->skip_locked) {
        LockResult got = lock_acquire(tag, mode, false, true);
        if (got != LOCK_OK && got != LOCK_ALREADY_HELD) {
            RelDesc *seen = rel_cached(oid);
            REPORT(LEVEL_WARNING, SQLSTATE_LOCK_NOT_AVAILABLE, err_message("skipping %s of \"%s\" --- lock not available", j->vacuum ? "vacuum" : "analyze", seen ? seen->name : "?"));
            return;
        }
    }
    r = rel_try_open(oid, mode);
    if (r == NULL)
        return;
    if (!may_vacuum(r)) {
        REPORT(LEVEL_WARNING, SQLSTATE_WARNING, err_message("skipping \"%s\" --- only table or database owner can %s it", r->name, j->vacuum ? "vacuum" : "analyze"));
        return;
    }
    if (r->kind != 'r' && r->kind != 'm' && r->kind != 't') {
        REPORT(LEVEL_WARNING, SQLSTATE_WARNING,
               err_message(j->vacuum ? "skipping \"%s\" --- cannot vacuum non-tables or special system tables" : "skipping \"%s\" --- cannot analyze non-tables or special system tables", r->name));
        return;
    }
    if (j->vacuum && full && r->kind != 't') {
        rewrite(c, r, j->verbose);
        r = rel_open_again(oid);
    } else if (j->vacuum) {
        if (j->verbose)
            REPORT(LEVEL_INFO, SQLSTATE_SUCCESS,
                   err_message("vacuuming \"%s.%s.%s\"", cat_name(c->arena, cat_get_by_oid(CAT_PG_DATABASE, catalog_database), PG_DATABASE_DATNAME), r->nsp_name, r->name));
        vacuum_heap(c->arena, r, j);
        if (r->toast_rel) {
            RelDesc *t = rel_try_open(r->toast_rel, LOCK_SHARE_UPDATE_EXCLUSIVE);
            if (t)
                vacuum_heap(c->arena, t, j);
        }
    }
    if (j->analyze && r->kind != 't' && r->oid != CAT_PG_STATISTIC) { /* vacuum itself must hold no snapshot: it would keep its own garbage alive */
        snapshot_push_active(snapshot_latest());
        stats_analyze(c->arena, r, j->columns, j->verbose);
        snapshot_pop_active();
    }
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
        process(c, (Oid)(uintptr_t)oids->items[i], &j);
        CHECK_INTERRUPTS();
    }
    if (own_transactions)
        next_transaction();
}
